# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of addresses: what is fine, what is wrong and turns nothing else red, what is not known."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    STATUSES,
    UNKNOWN,
)
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_example import (
    AUDIT,
    CHECKS,
    ETH0,
    GONE,
    MAIL1,
    OWN,
    WWW,
    WWW1,
    address,
    built,
    judged,
    parts,
    route,
    verify,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
SHOP = "2001:db8:1200::81"
ULA = "fd12:3456:789a::80"
SLAAC = "2001:db8:1200::c6ff:fe12:1f50"
EUI_64 = "2001:db8:1200:0:211:22ff:fe33:4455"


def test_a_healthy_site_has_nothing_red_and_nothing_open():
    wrong = [result for result in judged(built()) if result.status not in (PASS, NOT_APPLICABLE)]
    assert wrong == []


def test_the_ids_are_those_of_the_three_groups():
    wanted = [f"A{n:02}" for n in range(1, 9)] + [f"R{n:02}" for n in range(1, 10)] + ["P01", "P02", "P03"]
    assert list(CHECKS) == wanted


# Check, what is changed, the status, what the message says, and which other checks turn red as well.
CASES = [
    # A01
    ("A01", {OWN: GONE}, FAIL, f"{WWW1} is not on eth0", {"A08"}),
    ("A01", {f"{OWN}/length": 128, f"{AUDIT}/disk/addresses/0/length": 128}, FAIL, "length 128 instead of 64", {"A06"}),
    ("A01", {f"{WWW}/spec/interface": "eth1", f"{AUDIT}/settings/ipv6/eth1": {"accept_ra": "0", "forwarding": "0",
     "use_tempaddr": "0", "accept_redirects": "0", "accept_source_route": "0", "accept_dad": "1"}}, FAIL,
     "is on eth0 instead of eth1", set()),
    ("A01", {f"{AUDIT}/addresses/+": address(SHOP)}, FAIL, f"{SHOP} is on eth0, and nobody declared it", {"A08"}),
    ("A01", {f"{AUDIT}/addresses/+": address(MAIL1, interface="eth9")}, FAIL, "nobody declared it", {"A05"}),
    ("A01", {f"{WWW}/variables/interfaces_addresses": [f"{WWW1}/64", f"{SHOP}/64"]}, FAIL, f"{SHOP} is not on eth0",
     set()),
    ("A01", {"plan/hosts/www1~shop": SHOP}, NOT_APPLICABLE, "the rollout sets the host's own address only", set()),
    ("A01", {f"{AUDIT}/addresses/+": address(SLAAC, dynamic=True)}, PASS, "is on eth0", {"A07"}),
    ("A01", {f"{AUDIT}/addresses/+": address(SHOP), f"{WWW}/variables/readiness_addresses": [SHOP],
     f"{AUDIT}/disk/addresses/+": {"interface": "eth0", "address": SHOP, "length": 64}}, PASS, "is on eth0", set()),
    ("A01", {f"{AUDIT}/addresses/+": address("2001:db8:1200:ff::1", interface="tun6"),
     f"{AUDIT}/tunnels/+": {"interface": "tun6", "kind": "tun", "mtu": 1420, "parent_mtu": 1500}}, PASS, "", set()),
    ("A01", {f"{AUDIT}/addresses/+": address("2001:db8:9999::1", interface="docker0")}, PASS, "", set()),
    ("A01", {f"{WWW}/look": None, f"{WWW}/why": "unreachable"}, UNKNOWN, "unreachable", set()),
    ("A01", {f"{AUDIT}/problems/addresses": "no ip\x1b[31m"}, UNKNOWN, "can't tell its addresses: no ip [31m", set()),
    ("A01", {f"{AUDIT}/addresses": GONE}, UNKNOWN, "did not tell its addresses", set()),
    # A02
    ("A02", {f"{OWN}/dadfailed": True}, FAIL, "another host has it", set()),
    ("A02", {f"{OWN}/tentative": True}, FAIL, "still tentative", set()),
    ("A02", {f"{AUDIT}/addresses/4/dadfailed": True}, FAIL, "fe80::c6ff:fe12:1f50 on eth0 is a duplicate", set()),
    ("A02", {f"{AUDIT}/addresses/1/tentative": True}, PASS, "nobody else has", set()),
    ("A02", {f"{OWN}/nodad": True}, UNKNOWN, "detection is off", set()),
    ("A02", {f"{ETH0}/accept_dad": "0", f"{AUDIT}/settings/ipv6/all/accept_dad": "0"}, UNKNOWN, "detection is off",
     set()),
    ("A02", {f"{ETH0}/accept_dad": "0"}, PASS, "nobody else has", set()),
    ("A02", {f"{ETH0}/accept_dad": ""}, PASS, "", set()),
    # What the kernel gives interfaces that have no neighbours, such as tunnels.
    ("A02", {f"{ETH0}/accept_dad": "-1"}, NOT_APPLICABLE, "has no neighbours", set()),
    ("A02", {f"{ETH0}/accept_dad": "-1", f"{OWN}/dadfailed": True}, FAIL, "another host has it", set()),
    # A03
    ("A03", {f"{OWN}/deprecated": True}, FAIL, "is deprecated, against what is declared", set()),
    ("A03", {"plan/hosts/www1~shop": SHOP, f"{AUDIT}/addresses/+": address(SHOP),
     f"{AUDIT}/disk/addresses/+": {"interface": "eth0", "address": SHOP}}, FAIL, "is not deprecated", set()),
    ("A03", {"plan/hosts/www1~shop": SHOP, f"{AUDIT}/addresses/+": address(SHOP, deprecated=True),
     f"{AUDIT}/disk/addresses/+": {"interface": "eth0", "address": SHOP}}, PASS, "deprecated, as declared", set()),
    ("A03", {OWN: GONE}, NOT_APPLICABLE, "nothing here", {"A01", "A08"}),
    ("A03", {f"{AUDIT}/addresses": GONE}, UNKNOWN, "did not tell", set()),
    # A04
    ("A04", {"dns/records/+": {"name": "WWW.example.com", "type": "AAAA", "data": "fe80::80"}}, FAIL, "link-local",
     set()),
    ("A04", {"dns/records/+": {"name": "www.example.com.", "type": "AAAA", "data": ULA}}, FAIL, "unique local", set()),
    ("A04", {"dns/records/+": {"name": "other.example.com.", "type": "AAAA", "data": ULA}}, PASS,
     "as in all of the site", set()),
    ("A04", {"dns/records/+": {"name": "www.example.com.", "type": "AAAA", "data": "::ffff:192.0.2.80"}}, FAIL,
     "IPv4-mapped", set()),
    ("A04", {"dns": {}}, PASS, "is a documentation address, as in all of the site", set()),
    ("A04", {"plan/prefix": "2a01:5::/48"}, FAIL, f"{WWW1} is a documentation address", {"A05"}),
    ("A04", {"dns/records/+": {"name": "www.example.com.", "type": "AAAA", "data": "2a01:5::1"}}, PASS,
     "global unicast", set()),
    ("A04", {f"{WWW}/spec/names": [], "hosts/mail1/spec/names": []}, NOT_APPLICABLE, "publishes no name", set()),
    ("A04", {"dns/records/+": {"name": "www.example.com.", "type": "AAAA", "data": "x" * 5000}}, UNKNOWN,
     "RolloutError", set()),
    # A05
    ("A05", {"plan/subnets/dmz": "2001:db8:1200::/56"}, FAIL, "overlaps dmz", set()),
    ("A05", {"plan/subnets/dmz": "2001:db8:9999::/64"}, FAIL, "is outside of 2001:db8:1200::/48", set()),
    ("A05", {"plan/subnets/dmz": "2001:db8:1200::/64"}, FAIL, "overlaps", set()),
    ("A05", {"plan/subnets/ams": "2001:db8:1200:8000::/56", "plan/subnets/ams~dmz": "2001:db8:1200:8000::/64"}, PASS,
     "do not overlap", set()),
    ("A05", {"plan/hosts/other": WWW1}, FAIL, "several hosts have it", set()),
    ("A05", {f"{WWW}/spec/subnet": "mail"}, FAIL, "the host belongs to mail", set()),
    ("A05", {"plan/prefix": GONE}, UNKNOWN, "there is no plan", set()),
    ("A05", {"hosts": {}}, PASS, "do not overlap", set()),
    # A06
    ("A06", {f"{OWN}/length": 48}, FAIL, "has a /48 on eth0, and its subnet is a /64", {"A01", "A08"}),
    ("A06", {f"{WWW}/variables/interfaces_addresses": [f"{WWW1}/56"], "plan/subnets": {}, f"{OWN}/length": 56,
     f"{AUDIT}/disk/addresses/0/length": 56}, FAIL, "a /56 is a site", {"A05"}),
    ("A06", {"plan/subnets/web": "2001:db8:1200::/127", "plan/hosts/www1": "2001:db8:1200::",
     f"{WWW}/spec/address": "2001:db8:1200::", f"{OWN}/address": "2001:db8:1200::", f"{OWN}/length": 127,
     f"{AUDIT}/disk/addresses/0": {"interface": "eth0", "address": "2001:db8:1200::", "length": 127},
     "hosts/box1": GONE, "plan/hosts/box1": GONE}, PASS, "/127 is a link between two ends", set()),
    ("A06", {OWN: GONE}, UNKNOWN, "on no interface", {"A01", "A08"}),
    ("A06", {f"{AUDIT}/addresses": GONE}, UNKNOWN, "did not tell", set()),
    ("A06", {"hosts": {}}, NOT_APPLICABLE, "no host", set()),
    # A07
    ("A07", {f"{AUDIT}/addresses/+": address("2001:db8:1200:0:1:2:3:4", temporary=True, dynamic=True)}, FAIL,
     "is a temporary address", set()),
    ("A07", {f"{AUDIT}/addresses/+": address(EUI_64, dynamic=True)}, FAIL, "tells the MAC address of eth0", set()),
    ("A07", {f"{ETH0}/use_tempaddr": "2"}, FAIL, "eth0 makes temporary addresses", set()),
    ("A07", {f"{AUDIT}/addresses/+": address(EUI_64, dynamic=True), f"{WWW}/variables/readiness_addresses": EUI_64},
     PASS, "has no address that", set()),
    ("A07", {"plan/hosts/www1": EUI_64, f"{WWW}/spec/address": EUI_64, f"{OWN}/address": EUI_64,
     f"{AUDIT}/disk/addresses/0/address": EUI_64}, PASS, "has no address that", set()),
    ("A07", {f"{WWW}/variables/interfaces_privacy": "yes", f"{ETH0}/use_tempaddr": "2"}, NOT_APPLICABLE, "declared for",
     set()),
    ("A07", {f"{ETH0}/use_tempaddr": ""}, UNKNOWN, "net.ipv6.conf.eth0.use_tempaddr", set()),
    # A08
    ("A08", {f"{AUDIT}/disk/addresses": []}, FAIL, "is lost at the next boot", set()),
    ("A08", {f"{AUDIT}/disk/addresses/+": {"interface": "eth0", "address": SHOP, "length": 64}}, FAIL,
     "is not on eth0 now", set()),
    ("A08", {f"{AUDIT}/disk/addresses/0/length": 56}, FAIL, "another prefix length on eth0 than in its file", set()),
    ("A08", {f"{AUDIT}/disk/gateways": []}, FAIL, "the default route is another one", set()),
    ("A08", {f"{AUDIT}/disk/gateways/0/address": "fe80::2"}, FAIL, "the default route is another one", set()),
    ("A08", {f"{AUDIT}/disk/gateways/+": {"interface": "eth0", "address": "192.0.2.1"}}, PASS, "at boot", set()),
    ("A08", {f"{AUDIT}/disk/addresses/+": {"interface": "eth0", "address": "fe80::5", "length": 64}}, PASS, "at boot",
     set()),
    ("A08", {f"{AUDIT}/disk/problem": "two programs configure eth0"}, UNKNOWN, "two programs", set()),
    ("A08", {f"{AUDIT}/disk": GONE}, UNKNOWN, "did not tell its disk", set()),
    ("A08", {f"{AUDIT}/disk/gateways": [], f"{AUDIT}/routes/ipv6/0": route("default", "fe80::1", protocol="ra",
     expires=1700), f"{WWW}/variables/interfaces_accept_ra": True, f"{ETH0}/accept_ra": "1"}, NOT_APPLICABLE,
     "that a file would name", set()),
]  # fmt: skip


@pytest.mark.parametrize(("check", "changes", "status", "says", "also"), CASES)
def test_a_check_sees_what_it_is_meant_to_see(check, changes, status, says, also):
    verify(check, changes, status, says, also)


def test_a_broken_look_is_no_pass():
    site = built({f"{WWW}/look": None, f"{WWW}/why": "it is off", "outside_why": "the lab machine is off"})
    inside = [result for result in judged(site) if result.host == "www1" and CHECKS[result.check].view == "inside"]
    assert {result.status for result in inside} == {UNKNOWN}
    outside = [result for result in judged(site) if CHECKS[result.check].view == "outside"]
    assert {result.status for result in outside} <= {UNKNOWN, NOT_APPLICABLE}
    assert any("the lab machine is off" in result.message for result in outside)


def _paths(data, path=""):
    """Yield the paths of all entries below a host's look and the proofs."""
    entries = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in entries:
        yield f"{path}/{key}"
        yield from _paths(value, f"{path}/{key}")


HOSTILE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from(["", "{{ 1 }}", "<b>", "\x1b[2J\nx", "1e999", "::1%eth0", "ffff::/999", "a" * 2000, "٣"]),
    st.lists(st.one_of(st.none(), st.integers(), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
PLACES = [path[1:] for path in _paths({"hosts": {"www1": parts()["hosts"]["www1"]}}) if "/look/" in path]
PLACES += [path[1:] for path in _paths({"proofs": dict(built().proofs)}) if path != "/proofs"]
VARIABLES = """interfaces_list interfaces_addresses interfaces_gateway interfaces_accept_ra interfaces_allow
ipv6_gateway tunnel_addresses tunnel_forwarding readiness_addresses readiness_routers readiness_ra_interval
readiness_forwarding readiness_redirects readiness_path_mtu readiness_neighbours readiness_mtu_probing"""
PLACES += [f"{WWW}/variables/{name}" for name in VARIABLES.split()]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(PLACES), HOSTILE, min_size=1, max_size=2))
def test_whatever_a_host_says_the_audit_goes_on(changes):
    try:
        site = built(changes)
    except (LookupError, TypeError, ValueError):
        return  # one change took away the place of another one
    found = judged(site)
    assert {result.status for result in found} <= set(STATUSES)
    assert {result.check for result in found} == set(CHECKS)
    for result in found:
        assert all("\x1b" not in line for line in [result.message, *result.evidence]), result
    json.dumps([result.evidence for result in found])
    assert [result.key for result in judged(site)] == [result.key for result in found]
