# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reverse names, zones of every prefix length, PTR records."""

from __future__ import annotations

import ipaddress
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import reverse

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "planning-dns.json").read_text())
NAMES = {address: name for address, name in VECTORS["ip6_arpa"].items() if "/" not in address and "(" not in address}

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))


@pytest.mark.parametrize(("address", "name"), NAMES.items())
def test_printed_names(address, name):
    try:
        ipaddress.IPv6Address(address)
    except ValueError:
        pytest.skip("the RFC's own text is not an address")
    assert reverse.reverse_name(address) == name


@given(st.ip_addresses())
def test_names(address):
    assert reverse.reverse_name(str(address)) == address.reverse_pointer + "."


@pytest.mark.parametrize(("prefix", "zones"), VECTORS["zones_for_prefix"].items())
def test_zones(prefix, zones):
    assert reverse.reverse_zones(prefix) == zones


def test_a_delegation():
    assert reverse.reverse_zones("2001:db8:f00::/48") == ["0.0.f.0.8.b.d.0.1.0.0.2.ip6.arpa."]
    assert [len(reverse.reverse_zones(f"2001:db8:1200::/{length}")) for length in (45, 46, 47, 48)] == [8, 4, 2, 1]


@pytest.mark.parametrize(("prefix", "zone"), [item for item in VECTORS["rfc2317"].items() if item[0] != "cname"])
def test_rfc2317(prefix, zone):
    assert reverse.reverse_zones(prefix, rfc2317=True) == [zone]


@pytest.mark.parametrize(
    ("prefix", "zone"),
    [
        *VECTORS["rfc4183"].items(),
        ("192.0.2.128/25", "128-25.2.0.192.in-addr.arpa."),
        ("0.0.0.0/1", "0-1.in-addr.arpa."),
    ],
)
def test_rfc4183(prefix, zone):
    assert reverse.reverse_zones(prefix, rfc4183=True) == [zone]


@pytest.mark.parametrize("prefix", ["0.0.0.0/0", "10.0.0.0/8", "192.0.2.0/24", "192.0.2.1/32", "2001:db8::/47"])
def test_rfc4183_leaves_alone_what_ends_with_an_octet(prefix):
    assert reverse.reverse_zones(prefix, rfc4183=True) == reverse.reverse_zones(prefix)


@pytest.mark.parametrize("length", range(25, 32))
def test_ptr_records_go_into_a_zone_after_rfc4183_as_well(length):
    (zone,) = reverse.reverse_zones(f"192.0.2.0/{length}", rfc4183=True)
    record = reverse.ptr_records([{"name": "a.example.com", "address": "192.0.2.1"}], [zone])[0]
    assert (record["zone"], record["name"]) == (zone, f"1.{zone}")


def test_a_prefix_has_one_of_both_names():
    with pytest.raises(RolloutError) as caught:
        reverse.reverse_zones("192.0.2.0/25", rfc2317=True, rfc4183=True)
    assert str(caught.value) == "rfc2317, rfc4183: a prefix cannot be named after both; take one of them"


def _network(zone: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    labels = zone.rstrip(".").split(".")[:-2][::-1]
    if zone.endswith("ip6.arpa."):
        first = int("".join(labels).ljust(32, "0"), 16)
        return ipaddress.IPv6Network((first, 4 * len(labels)))
    return ipaddress.IPv4Network((".".join([*labels, "0", "0", "0", "0"][:4]), 8 * len(labels)))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(1, 128), st.integers(0, 2**128 - 1))
def test_every_address_of_a_random_prefix_is_in_exactly_one_zone(bits, length, other):
    network = ipaddress.IPv6Network((bits, length), strict=False)
    address = network[other % network.num_addresses]
    in_one_zone(str(network), address, reverse.reverse_zones(str(network)))


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 32), st.integers(0, 2**32 - 1))
def test_every_address_of_a_random_ipv4_prefix_is_in_exactly_one_zone(bits, length, other):
    network = ipaddress.IPv4Network((bits, length), strict=False)
    address = network[other % network.num_addresses]
    in_one_zone(str(network), address, reverse.reverse_zones(str(network)))


def in_one_zone(prefix, address, zones):
    name = reverse.reverse_name(str(address))
    assert name == f"{address.reverse_pointer}."
    assert len([zone for zone in zones if name == zone or name.endswith(f".{zone}")]) == 1
    (record,) = reverse.ptr_records([{"name": "host.example.com", "address": str(address)}], [prefix])
    assert (record["name"], record["zone"] in zones) == (name, True)


@pytest.mark.parametrize("length", range(129))
def test_the_zones_are_exactly_the_prefix(length):
    network = ipaddress.IPv6Network(("2001:db8:1234:5678:9abc:def0:1234:5678", length), strict=False)
    zones = reverse.reverse_zones(str(network))
    assert list(ipaddress.collapse_addresses(_network(zone) for zone in zones)) == [network]
    assert len(zones) <= 8


@pytest.mark.parametrize("length", range(33))
def test_the_zones_are_exactly_the_ipv4_prefix(length):
    network = ipaddress.IPv4Network(("198.51.100.37", length), strict=False)
    zones = reverse.reverse_zones(str(network))
    assert list(ipaddress.collapse_addresses(_network(zone) for zone in zones)) == [network]


def test_ptr_records():
    records = [
        {"name": "WWW.example.com.", "address": "2001:DB8:1200::80", "ttl": 300},
        {"name": "www.example.com", "address": "2001:db8:1200::80", "ttl": 300},
        {"name": "www.example.com", "address": "192.0.2.80"},
    ]
    assert reverse.ptr_records(records) == [
        {
            "zone": "0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.",
            "name": "0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.",
            "ttl": 300,
            "type": "PTR",
            "data": "www.example.com.",
        },
        {
            "zone": "2.0.192.in-addr.arpa.",
            "name": "80.2.0.192.in-addr.arpa.",
            "ttl": 3600,
            "type": "PTR",
            "data": "www.example.com.",
        },
    ]


def test_the_longest_zone_is_taken_and_a_prefix_stands_for_its_zones():
    record = {"name": "a.example.com", "address": "2001:db8:1201::1", "ttl": 5}
    zones = ["8.b.d.0.1.0.0.2.ip6.arpa", "2001:db8:1200::/47"]
    assert reverse.ptr_records([record], zones)[0]["zone"] == "1.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."


def test_a_classless_zone():
    records = [{"name": "a.example.com", "address": "192.0.2.130", "ttl": 5}]
    zones = ["2.0.192.in-addr.arpa.", "128/26.2.0.192.in-addr.arpa."]
    assert reverse.ptr_records(records, zones)[0]["name"] == "130.128/26.2.0.192.in-addr.arpa."
    records[0]["address"] = "192.0.2.1"
    assert reverse.ptr_records(records, zones)[0]["name"] == "1.2.0.192.in-addr.arpa."


@pytest.mark.parametrize(
    ("records", "zones", "message"),
    [
        (
            [{"name": "a.example.com", "address": "2001:db8::1"}],
            ["2001:db8:1::/48"],
            "records[0]: '2001:db8::1' is in none of the zones; add the zone that holds it",
        ),
        (
            [{"name": "a.example.com", "address": "2001:db8::1"}],
            ["example.com"],
            "zones: 'example.com' is no reverse zone; it ends in ip6.arpa or in-addr.arpa",
        ),
        (
            [{"name": "a b.example.com", "address": "2001:db8::1"}],
            None,
            "records[0]: name: 'a b.example.com' is not a domain name: the label 'a b' has something else than "
            "letters, digits and hyphens",
        ),
        (
            [{"address": "2001:db8::1"}],
            None,
            "records[0]: name: nothing is given (null); write the value as text in quotes",
        ),
        (
            [{"name": "a.example.com", "address": "2001:db8::1", "ttl": -1}],
            None,
            "records[0]: ttl: -1 is not a number of seconds",
        ),
    ],
)
def test_refusals(records, zones, message):
    with pytest.raises(RolloutError) as caught:
        reverse.ptr_records(records, zones)
    assert str(caught.value) == message
