# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of routing: what is fine, what is wrong and turns nothing else red, what is not known."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_routing
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAIL, NOT_APPLICABLE, PASS, UNKNOWN
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_example import (
    AUDIT,
    ETH0,
    GONE,
    OUTSIDE,
    ROUTER,
    WWW,
    WWW1,
    address,
    built,
    judged,
    route,
    router,
    verify,
)

ROUTES = f"{AUDIT}/routes/ipv6"
DISK = f"{AUDIT}/disk/gateways"
SETTINGS = f"{AUDIT}/settings"
KERNEL = f"{AUDIT}/kernel"
VARIABLES = f"{WWW}/variables"
HEARD = "proofs/routing|lab1|routers|ipv6"
INSIDE, BEHIND = (f"proofs/routing|www1|http|ipv6|{side}|80" for side in ("inside", "outside"))
SILENT = {"ok": False, "evidence": f"[{WWW1}]:80: no answer", "seen": {}}
ROGUE = "fe80::bad"
LEARNT = route("default", ROUTER, protocol="ra", expires=1700)
# A host that is to be told by routers.
RA = {f"{VARIABLES}/interfaces_accept_ra": True, f"{ETH0}/accept_ra": "1", f"{ROUTES}/0": LEARNT, DISK: []}
# A router that hosts know by another address than the one that it advertises itself with.
GLOBAL = {
    f"hosts/{host}/{place}": "2001:db8:1200::1"
    for host in ("www1", "mail1", "box1")
    for place in (
        "variables/ipv6_gateway",
        "look/audit/routes/ipv6/0/gateway",
        "look/audit/disk/gateways/0/address",
    )
}
RULE = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -m rpfilter {}--invert -j DROP\nCOMMIT\n"
STRICT = {f"{SETTINGS}/ipv4/all/rp_filter": "1"}
SAVED = f"{WWW}/look/firewall/ipv6/saved"

# Check, what is changed, the status, what the message says, and which other checks turn red as well.
CASES = [
    # R01
    ("R01", {f"{ROUTES}/0": GONE, DISK: []}, FAIL, "there is no IPv6 default route", set()),
    ("R01", {f"{ROUTES}/0": GONE}, FAIL, "there is no IPv6 default route", {"A08"}),
    ("R01", {f"{ROUTES}/+": route("default", "fe80::2")}, FAIL, "2 default routes have the metric 1024", set()),
    ("R01", {f"{ROUTES}/+": route("default", "fe80::2", metric=2048)}, PASS, "leads to fe80::1", set()),
    ("R01", {f"{ROUTES}/+": route("default", "", "lo", metric=512, type="unreachable")}, FAIL, "leads nowhere", set()),
    ("R01", {f"{VARIABLES}/ipv6_gateway": "fe80::2"}, FAIL, "leads to fe80::1 instead of fe80::2", set()),
    ("R01", {f"{VARIABLES}/interfaces_gateway": "FE80:0::1"}, PASS, "as declared", set()),
    ("R01", {f"{VARIABLES}/interfaces_list": [{"name": "eth0", "gateway": "fe80::9"}]}, FAIL, "instead of fe80::9",
     set()),
    ("R01", {f"{ROUTES}/0": route("2000::/3", "", "tun6"), DISK: [], f"{AUDIT}/tunnels/+":
     {"interface": "tun6", "kind": "tun", "mtu": 1500, "parent_mtu": 1500}}, PASS, "leads to tun6", set()),
    ("R01", {f"{ROUTES}/0/dead": True, DISK: []}, FAIL, "there is no IPv6 default route", set()),
    ("R01", {**RA, f"{ROUTES}/+": route("default", "fe80::2", protocol="ra", expires=1700),
     f"{VARIABLES}/readiness_routers": [ROUTER, "fe80::2"]}, PASS, "leads to fe80::1", set()),
    ("R01", {f"{ROUTES}/0": GONE, DISK: [], f"{VARIABLES}/interfaces_allow": ["no_default_route"]}, NOT_APPLICABLE,
     "meant to have no default route", set()),
    ("R01", {f"{AUDIT}/problems/routes": "ip failed"}, UNKNOWN, "can't tell its routes", set()),
    ("R01", {f"{ROUTES}/0/metric": "many"}, UNKNOWN, "could not be judged", set()),
    # R02
    ("R02", {f"{AUDIT}/gateways/ipv6/0/answered": False}, FAIL, "fe80::1 does not answer", set()),
    ("R02", {f"{AUDIT}/gateways/ipv6/0/answered": None}, UNKNOWN, "could not be asked", set()),
    ("R02", {f"{AUDIT}/gateways/ipv6/0/asked": False, f"{AUDIT}/gateways/ipv6/0/answered": False}, UNKNOWN,
     "could not be asked", set()),
    ("R02", {f"{AUDIT}/gateways/ipv6": []}, NOT_APPLICABLE, "nothing here", set()),
    ("R02", {}, PASS, "fe80::1 answers", set()),
    # R03
    ("R03", {f"{ETH0}/accept_ra": "1"}, FAIL, "eth0 takes router advertisements", set()),
    ("R03", {f"{SETTINGS}/ipv6/all/accept_ra": "1", f"{SETTINGS}/ipv6/default/accept_ra": "1"}, PASS, "as declared",
     set()),
    ("R03", {f"{ROUTES}/+": route("2001:db8:5::/48", ROUTER, protocol="ra", expires=60)}, FAIL,
     "which are not declared", set()),
    ("R03", RA, PASS, "takes router advertisements, as declared", set()),
    ("R03", {**RA, f"{ETH0}/accept_ra": "0"}, FAIL, "and they are declared", set()),
    ("R03", {**RA, f"{ETH0}/accept_ra": "0", f"{WWW}/look/network_backend": "networkd"}, PASS, "networkd reads", set()),
    ("R03", {f"{VARIABLES}/interfaces_accept_ra": "true", f"{WWW}/look/network_backend": "networkmanager"}, UNKNOWN,
     "is not known", set()),
    ("R03", {**RA, f"{ETH0}/forwarding": "1"}, FAIL, "unless accept_ra is 2", set()),
    ("R03", {**RA, f"{ETH0}/forwarding": "1", f"{ETH0}/accept_ra": "2"}, PASS, "as declared", set()),
    ("R03", {f"{ETH0}/accept_ra": ""}, UNKNOWN, "net.ipv6.conf.eth0.accept_ra", set()),
    ("R03", {f"{WWW}/spec/ipv4": None, f"{AUDIT}/addresses": []}, UNKNOWN, "not known which interface",
     {"A01", "A08"}),
    # The kernel of a router takes none unless accept_ra is 2.
    ("R03", {f"{ETH0}/accept_ra": "1", f"{ETH0}/forwarding": "1"}, PASS, "takes no router advertisements", set()),
    ("R03", {f"{ETH0}/accept_ra": "2", f"{ETH0}/forwarding": "1"}, FAIL, "takes router advertisements", set()),
    # R04
    ("R04", {f"{HEARD}/seen/routers/+": router(ROGUE)}, FAIL, "fe80::bad advertises itself as a router", set()),
    ("R04", {f"{HEARD}/seen/routers/+": router()}, PASS, "fe80::1, which is declared", set()),
    ("R04", {f"{HEARD}/seen/routers/+": router(mtu=1000)}, FAIL, "advertises the MTU 1000", set()),
    ("R04", {f"{HEARD}/seen/routers/+": router(), f"{VARIABLES}/readiness_routers": ["fe80::2"]}, FAIL,
     "nobody declared it", set()),
    ("R04", {f"{HEARD}/seen/routers/+": router(lifetime=0), f"{VARIABLES}/readiness_routers": ROUTER}, PASS, "declared",
     set()),
    ("R04", {**RA, f"{HEARD}/seen/routers/+": router(ROUTER, lifetime=0)}, FAIL, "it is no default router", set()),
    ("R04", {f"{ROUTES}/+": route("default", ROGUE, metric=2048, protocol="ra", expires=60),
     f"{ETH0}/accept_ra": "1"}, FAIL, "the host learnt that fe80::bad is its router", {"R03"}),
    ("R04", {**GLOBAL, f"{HEARD}/seen/routers/+": router(ROGUE)}, UNKNOWN, "hosts are told a global address", set()),
    ("R04", {HEARD: {"ok": False, "evidence": "no", "seen": {"problem": "not allowed"}}}, UNKNOWN, "not allowed",
     set()),
    ("R04", {HEARD: GONE}, UNKNOWN, "was not made", set()),
    ("R04", {"lab/ipv4": "203.0.113.5"}, NOT_APPLICABLE, "no host is on the link of lab1", set()),
    ("R04", {"lab/ipv4": ""}, PASS, "no router advertises itself on the link of lab1", set()),
    # R05
    ("R05", RA, PASS, "lasts longer than one interval of its router (600 s", set()),
    ("R05", {**RA, f"{ROUTES}/0/expires": 300}, UNKNOWN, "how often its router advertises itself is not known", set()),
    ("R05", {**RA, f"{ROUTES}/0/expires": 300, f"{VARIABLES}/readiness_ra_interval": 600}, FAIL, "some were missed",
     set()),
    ("R05", {**RA, f"{ROUTES}/0/expires": 25, f"{HEARD}/seen/routers/+": router(lifetime=30)}, PASS,
     "a third of the router's lifetime", set()),
    ("R05", {**RA, f"{ROUTES}/0/expires": 5, f"{HEARD}/seen/routers/+": router(lifetime=30)}, FAIL, "some were missed",
     set()),
    ("R05", {**RA, f"{VARIABLES}/readiness_ra_interval": "soon"}, UNKNOWN, "is no number", set()),
    ("R05", {}, NOT_APPLICABLE, "no default route was learnt", set()),
    # R06
    ("R06", {f"{KERNEL}/net.ipv6.conf.all.forwarding": "1", f"{ETH0}/forwarding": "1"}, FAIL, "forwards IPv6, though",
     set()),
    ("R06", {f"{KERNEL}/net.ipv6.conf.all.forwarding": "1", f"{KERNEL}/net.ipv4.ip_forward": "1",
     f"{ETH0}/forwarding": "1"}, PASS, "forwards IPv6, as it is meant to", set()),
    ("R06", {f"{KERNEL}/net.ipv6.conf.all.forwarding": "1", f"{KERNEL}/net.ipv4.ip_forward": "1",
     f"{ETH0}/forwarding": "1", f"{VARIABLES}/readiness_forwarding": "false"}, FAIL, "and must not", set()),
    ("R06", {f"{VARIABLES}/tunnel_forwarding": True}, FAIL, "is to forward IPv6, and does not", set()),
    ("R06", {f"{KERNEL}/net.ipv6.conf.all.forwarding": "1", f"{KERNEL}/net.ipv4.ip_forward": "1"}, FAIL,
     "eth0 takes redirects: a router must not", set()),
    ("R06", {}, PASS, "takes redirects of its own router only", set()),
    ("R06", {f"{VARIABLES}/readiness_redirects": False}, FAIL, "readiness_redirects forbids it", set()),
    ("R06", {f"{VARIABLES}/readiness_redirects": False, f"{ETH0}/accept_redirects": "0"}, PASS,
     "no interface takes redirects", set()),
    ("R06", {f"{ETH0}/accept_source_route": "1", f"{SETTINGS}/ipv6/all/accept_source_route": "1"}, FAIL,
     "eth0 asks for source routes", set()),
    ("R06", {f"{ETH0}/accept_source_route": "1"}, PASS, "no interface asks for source routes", set()),
    ("R06", {f"{KERNEL}/net.ipv6.conf.all.forwarding": ""}, UNKNOWN, "net.ipv6.conf.all.forwarding", set()),
    # R07
    ("R07", {BEHIND: SILENT}, FAIL, "no connection from ipv6_outside_source", set()),
    ("R07", {INSIDE: SILENT}, FAIL, "no connection from the lab machine", set()),
    ("R07", {BEHIND: {**SILENT, "evidence": f"[{WWW1}]:80: Connection refused"}}, PASS, "so the way works", set()),
    ("R07", {BEHIND: {**SILENT, "seen": {"problem": "no such source"}}}, UNKNOWN, "no such source", set()),
    ("R07", {BEHIND: GONE}, UNKNOWN, "was not made", set()),
    ("R07", {"lab/outside_source": ""}, UNKNOWN, "nobody tried from outside", set()),
    ("R07", {f"{WWW}/spec/services/0/sources": ["2001:db8:feed::/64"]}, NOT_APPLICABLE, "declared sources only", set()),
    ("R07", {"proofs/routing|box1|ping|ipv6|outside": SILENT}, FAIL, "no connection from", set()),
    # R08
    ("R08", STRICT, FAIL, "IPv4 drops forged sources on eth0, and IPv6 takes them", set()),
    ("R08", {**STRICT, f"{SETTINGS}/ipv4/eth0/rp_filter": "2"}, NOT_APPLICABLE, "no strict", set()),
    ("R08", {**STRICT, SAVED: RULE.format("")}, PASS, "as IPv4 has", set()),
    ("R08", {**STRICT, SAVED: RULE.format("").replace("--invert -j DROP", "-j ACCEPT")}, UNKNOWN, "-j ACCEPT", set()),
    ("R08", {**STRICT, SAVED: RULE.format("").replace("DROP", "LOG")}, UNKNOWN, "-j LOG", set()),
    ("R08", {**STRICT, SAVED: RULE.format("--loose ")}, FAIL, "IPv6 takes them", set()),
    ("R08", {**STRICT, f"{WWW}/look/firewall/nft_tables": ["inet firewalld"]}, UNKNOWN, "inet firewalld", set()),
    ("R08", {**STRICT, f"{WWW}/look/firewall/nft_tables": ["ip nat64"]}, FAIL, "IPv6 takes them", set()),
    ("R08", {**STRICT, f"{WWW}/look/firewall/ipv6/problem": "not allowed"}, UNKNOWN, "not allowed", set()),
    ("R08", {}, NOT_APPLICABLE, "IPv4 has no strict reverse path filter", set()),
    # R09
    ("R09", {f"{KERNEL}/net.ipv6.neigh.default.gc_thresh3": "512"}, FAIL, "ends at 512 entries, and 1024", set()),
    ("R09", {f"{VARIABLES}/readiness_neighbours": 8192}, FAIL, "and 8192 are declared", set()),
    ("R09", {f"{VARIABLES}/readiness_neighbours": "8192", f"{KERNEL}/net.ipv6.neigh.default.gc_thresh3": "8192"}, PASS,
     "room for 8192", set()),
    ("R09", {f"{VARIABLES}/readiness_neighbours": 2, f"{KERNEL}/net.ipv6.neigh.default.gc_thresh3": "2",
     f"{AUDIT}/neighbours": [{}, {}]}, FAIL, "the neighbour table is full", set()),
    ("R09", {f"{KERNEL}/net.ipv6.neigh.default.gc_thresh3": ""}, NOT_APPLICABLE, "is a container", set()),
    ("R09", {f"{KERNEL}/net.ipv6.neigh.default.gc_thresh3": GONE}, UNKNOWN, "did not tell", set()),
    ("R09", {f"{VARIABLES}/readiness_neighbours": True}, UNKNOWN, "is no number", set()),
]  # fmt: skip


@pytest.mark.parametrize(("check", "changes", "status", "says", "also"), CASES)
def test_a_check_sees_what_it_is_meant_to_see(check, changes, status, says, also):
    verify(check, changes, status, says, also)


def test_a_router_that_hosts_learnt_of_beside_another_one_is_not_known():
    second = route("default", "fe80::2", protocol="ra", expires=1700)
    site = built({**RA, f"{ROUTES}/+": second, f"{HEARD}/seen/routers": [router(), router("fe80::2")]})
    found = {result.address: result.status for result in judged(site) if result.check == "R04" and not result.host}
    assert found == {ROUTER: PASS, "fe80::2": UNKNOWN}  # others are told to use the first


def test_routers_on_a_host_of_another_link_are_judged_by_its_routes():
    site = built(
        {**RA, f"{ROUTES}/0/gateway": ROGUE, "lab/ipv4": "203.0.113.5", f"{VARIABLES}/readiness_routers": ROUTER}
    )
    found = [(result.host, result.status) for result in judged(site) if result.check == "R04"]
    assert found == [("", NOT_APPLICABLE), ("www1", FAIL)]


def test_probes_are_pinned_unique_and_come_from_both_sides():
    made = readiness_routing.probes(built({f"{WWW}/spec/services/1/sources": ["2001:db8:feed::/64"]}))
    assert {one["family"] for one in made} == {"ipv6"}
    assert len({one["id"] for one in made}) == len(made)
    assert [(one["port"], one.get("source")) for one in made if "|www1|" in one["id"]] == [
        (80, None),
        (80, OUTSIDE),
        (443, None),
    ]
    assert [one["kind"] for one in made if "|box1|" in one["id"]] == ["ping", "ping"]
    assert [one["kind"] for one in made if "routers" in one["id"]] == ["ra"]


def test_the_evidence_does_not_change_from_look_to_look():
    earlier = built({**RA, f"{AUDIT}/gateways/ipv6/0/state": "DELAY", f"{AUDIT}/addresses/3/valid": 1000})
    later = built({**RA, f"{ROUTES}/0/expires": 1500, f"{AUDIT}/addresses/3/valid": 900})
    assert judged(earlier) == judged(later)


def test_a_look_may_have_no_interface_for_the_address():
    site = built({f"{AUDIT}/addresses": [address("192.0.2.80", 24)], f"{AUDIT}/disk/addresses": []})
    red = {result.check: result.evidence for result in judged(site) if result.status == FAIL}
    assert red == {"A01": ("eth0: no global IPv6 address",)}
