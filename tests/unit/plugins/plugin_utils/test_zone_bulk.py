# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zones in bulk: the same text as from a list of records, and the same errors."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import zone_bulk
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import ptr_records, reverse_zones
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import zone_file

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
CHECKER = shutil.which("named-checkzone")
SOA = {"mname": "ns1.example.com", "rname": "hostmaster@example.com", "serial": 1}
NS = ["ns1.example.com"]
ZONE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
BASE = 0x20010DB8120000000000000000000000

LABELS = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?\Z")
NAMES = st.builds(lambda labels, last: ".".join([*labels, last]), st.lists(LABELS, min_size=1, max_size=4), LABELS)
NAMES = NAMES.filter(lambda name: not name.rpartition(".")[2].isdigit())
# Some in few subnets, so that an $ORIGIN line pays, and some anywhere.
NUMBERS = st.one_of(
    st.builds(lambda net, low: BASE | net << 64 | low, st.integers(0, 2), st.integers(0, (1 << 64) - 1)),
    st.builds(lambda low: BASE | low, st.integers(0, 20)),
    st.builds(lambda low: BASE | low, st.integers(0, (1 << 80) - 1)),
)


def checked(folder, zone, text):
    """Return the text of a zone after named-checkzone has passed it."""
    if CHECKER is not None:
        (folder / "zone").write_text(text)
        argv = [CHECKER, "-i", "none", zone, str(folder / "zone")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return text


def bulk(text, zone=ZONE, **options):
    return zone_file(text, zone, SOA, NS, **options)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.dictionaries(NUMBERS, NAMES, max_size=60),
    st.sampled_from([0, 16, 29, 48]),
    st.sampled_from(["{name} {address}\n", "{name}. \t{address} # comment\n\n", " {name}  {address}\r\n"]),
    st.booleans(),
)
def test_the_text_and_the_list_make_the_same_zone(pairs, length, form, upper):
    zone = str(ipaddress.IPv6Network((BASE, length), strict=False))
    (origin,) = reverse_zones(zone)[-1:] if length != 29 else ["0.0.2.ip6.arpa."]
    records = [{"name": name, "address": str(ipaddress.IPv6Address(number))} for number, name in pairs.items()]
    text = "".join(form.format(**record) for record in records + records)
    made = bulk(text.upper().replace("# COMMENT", "# comment") if upper else text, origin)
    assert made == zone_file(ptr_records(records, [origin]), origin, SOA, NS)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(NAMES, st.ip_addresses(v=4)), max_size=20))
def test_the_same_for_a_forward_zone_and_for_ipv4(pairs):
    text = "".join(f"{name}.example.com {address}\n" for name, address in pairs)
    records = [{"name": f"{name}.example.com.", "type": "A", "data": str(address)} for name, address in pairs]
    assert bulk(text, "example.com") == zone_file(records, "example.com", SOA, NS)
    found = ptr_records([{"name": record["name"], "address": record["data"]} for record in records], ["in-addr.arpa"])
    assert bulk(text, "in-addr.arpa", several_names=True) == zone_file(found, "in-addr.arpa", SOA, NS)


@pytest.mark.parametrize("count", [1, 3, 40000])
def test_named_checkzone_passes_it(tmp_path, count):
    text = "".join(f"h{n}.example.com 2001:db8:1200:{n % 3:x}::{n:x}\n" for n in range(count))
    made = checked(tmp_path, ZONE, bulk(text))
    assert made.count(" IN PTR ") == count
    assert made.count("$ORIGIN") == (4 if count == 40000 else 1)
    if count == 40000:
        assert max(len(line.split(" ")[0]) for line in made.splitlines() if " IN PTR " in line) == 31


def test_both_families_in_a_forward_zone(tmp_path):
    text = "b.example.com 192.0.2.1\na.example.com 2001:db8::1\na.example.com 192.0.2.9\nb.example.com 192.0.2.1\n"
    assert checked(tmp_path, "example.com", bulk("ns1.example.com 192.0.2.53\n" + text, "example.com")).splitlines()[
        4:
    ] == ["a IN A 192.0.2.9", "a IN AAAA 2001:db8::1", "b IN A 192.0.2.1", "ns1 IN A 192.0.2.53"]


def test_a_zone_of_one_address_and_an_empty_one(tmp_path):
    zone = "8.0.0.0." + "0." * 16 + ZONE
    assert "\n@ IN PTR a.example.com.\n" in checked(tmp_path, zone, bulk("a.example.com 2001:db8:1200::8\n", zone))
    assert bulk("# nothing\n") == zone_file([], ZONE, SOA, NS)


def test_several_names_only_where_they_are_declared(tmp_path):
    text = "b.example.com 2001:db8:1200::1\na.example.com 2001:db8:1200::2\na.example.com 2001:db8:1200:0::1\n"
    with pytest.raises(RolloutError) as caught:
        bulk(text)
    assert str(caught.value) == (
        "records: lines 1 and 3: 2001:db8:1200::1 has the names b.example.com and a.example.com; an address has one "
        "PTR record, unless several_names is true"
    )
    records = [dict(zip(("name", "address"), line.split(), strict=True)) for line in text.splitlines()]
    made = checked(tmp_path, ZONE, bulk(text, several_names=True))
    assert made == zone_file(ptr_records(records, [ZONE]), ZONE, SOA, NS)


BEFORE = "".join(f"h{n}.example.com 2001:db8:1200::{n:x}\n" for n in range(30000))


@pytest.mark.parametrize("before", ["", "# a comment\n\n", BEFORE])
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.example.com", "'a.example.com' is not a name, a blank and an address"),
        ("a.example.com 2001:db8:1200::1 x", "is not a name, a blank and an address"),
        ("a.example.com 2001:db8:1200::g", "'2001:db8:1200::g' is not an IPv6 address"),
        ("a.example.com 2001:db8:1200::1/64", "has a prefix length"),
        ("a.example.com fe80::1%eth0", "carries a zone id"),
        ("2001:db8:1200::1 a.example.com", "is not a domain name"),
        ("a 2001:db8:1200::1", "has no domain"),
        ("a..b 2001:db8:1200::1", "a label between two dots is empty"),
        ("a.example.com.. 2001:db8:1200::1", "a label between two dots is empty"),
        (".a.b 2001:db8:1200::1", "a label between two dots is empty"),
        ("-a.b 2001:db8:1200::1", "begins or ends with a hyphen"),
        ("a.b- 2001:db8:1200::1", "begins or ends with a hyphen"),
        ("a-.b 2001:db8:1200::1", "begins or ends with a hyphen"),
        ("a_b.example.com 2001:db8:1200::1", "something else than letters, digits and hyphens"),
        ("a.$ 2001:db8:1200::1", "something else than letters, digits and hyphens"),
        ("a.example.7 2001:db8:1200::1", "ends in a number"),
        ("a." + "b" * 64 + ".c 2001:db8:1200::1", "is longer than 63 characters"),
        (".".join(["b" * 50] * 6) + " 2001:db8:1200::1", "is longer than the 253 characters"),
        ("a.example.com 2001:db8:1201::1", f"2001:db8:1201::1 is not inside the zone {ZONE}"),
        ("a.example.com 192.0.2.1", "192.0.2.1 is IPv4"),
        ("\x0b a.example.com \x00", "is neither an IPv6 nor an IPv4 address"),
    ],
)
def test_refusals_name_the_line(before, line, message):
    number = before.count("\n") + 1
    for text in (before + line, before + line + "\n" + BEFORE):
        with pytest.raises(RolloutError) as caught:
            bulk(text)
        assert str(caught.value).startswith(f"records: line {number}: ") and message in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "line", "message"),
    [
        ("example.com", "a.example.net 192.0.2.1", "records: line 1: 'a.example.net.' is not inside the zone example"),
        ("2.0.192.in-addr.arpa", "a.example.net 198.51.100.1", "line 1: 198.51.100.1 is not inside the zone 2.0.192"),
        ("2.0.192.in-addr.arpa", "a.example.net 2001:db8::1", "records: line 1: 2001:db8::1 is not IPv4"),
        ("2.0.192.in-addr.arpa", "a.b 192.0.2.1\nc.d 192.0.2.1", "records: lines 1 and 2: 192.0.2.1 has the names"),
    ],
)
def test_refusals_of_other_zones(zone, line, message):
    with pytest.raises(RolloutError) as caught:
        bulk(line, zone)
    assert message in str(caught.value)


def test_international_names_and_names_that_end_in_a_digit():
    made = bulk("bücher.example 2001:db8:1200::1\na.example.x1 2001:db8:1200::2\n")
    assert " IN PTR xn--bcher-kva.example.\n" in made and " IN PTR a.example.x1.\n" in made


@given(st.ip_addresses(), NAMES)
def test_a_key_gives_back_what_it_was_made_of(address, name):
    assert zone_bulk.pair(zone_bulk.key(address.version, int(address), name)) == (
        str(address) if address.version == 4 else zone_bulk.ipv6_text(int(address)),
        name,
    )
