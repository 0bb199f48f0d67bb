# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of sockets: each seen to pass, to fail, and to say that it does not know."""

from __future__ import annotations

import copy
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_sockets
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Site
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_rolled_out import (
    ADDRESS,
    LAB,
    OPEN,
    OUTSIDE,
    SOCKETS,
    SSHD,
    judged,
    listener,
    look,
    rolled_out,
    site,
    statuses,
    strict,
    worst,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
PASS, FAIL, UNKNOWN, NA = "pass", "fail", "unknown", "not_applicable"
MYSQL = "-A INPUT -p tcp -m tcp --dport 3306 -j ACCEPT"
LIMITED = "-A INPUT -p tcp -m tcp --dport 3306 -m recent --name x --rcheck -j ACCEPT"
DATABASE = (*SOCKETS, listener(port=3306, process="mariadbd"))
SNMP = (*SOCKETS, listener(port=161, protocol="udp", process="snmpd"))
UNREAD = {"ipv6": {"saved": "", "other": "", "problem": "you must be root"}}
NFT = {"nft_tables": ["inet filter"]}
TWO = (*SSHD, listener("0.0.0.0", process="nginx"), listener(process="nginx", v6only=True))
ON_ADDRESS = (*SSHD, listener("0.0.0.0"), listener(ADDRESS))
EXTRA = [{"address": "2001:db8:1200::99", "length": 64, "family": "ipv6", "scope": "global"}]
HALF = {"sockets": {"exact": True, "complete": False, "others": {}}}


def hit(address):
    return {"hits": {"seen": [{"address": address, "file": "/var/log/nginx/access.log"}], "logs": 1, "problem": ""}}


def declared(**entry):
    return {"variables": {"ipv6_listeners": [{"name": "db", "port": 3306, **entry}]}}


CASES = [
    # L01: TCP
    ("L01", {}, PASS, "tcp [::]:80 (apache2): everyone over IPv6, declared as http"),
    ("L01", {"sockets": DATABASE}, PASS, "is declared"),
    ("L01", {"sockets": DATABASE, "ipv6": rolled_out(first=[MYSQL])}, FAIL, "mariadbd): everyone gets in over IPv6"),
    ("L01", {"sockets": DATABASE, "ipv6": rolled_out(first=[MYSQL]), **declared()}, PASS, "declared as db"),
    (
        "L01",
        {"sockets": DATABASE, "ipv6": rolled_out(first=[MYSQL]), **declared(families=["ipv4"])},
        FAIL,
        "declared for IPv4 only",
    ),
    ("L01", {"sockets": DATABASE, "ipv6": rolled_out(first=[MYSQL]), "firewall": NFT}, UNKNOWN, "inet filter"),
    ("L01", {"sockets": DATABASE, "ipv6": rolled_out(first=[LIMITED])}, UNKNOWN, "don't tell who gets in"),
    ("L01", {"firewall": UNREAD}, UNKNOWN, "you must be root"),
    (
        "L01",
        {"seen": {**look([*SOCKETS, listener(port=9100, process="", program="", processes=[])]), **HALF}},
        UNKNOWN,
        "not all processes could be looked into",
    ),
    ("L01", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    # L02: sockets that serve both
    ("L02", {}, PASS, "shows its clients as plain IPv4"),
    ("L02", {"sockets": TWO}, NA, "no socket of IPv6 serves IPv4"),
    ("L02", {"sockets": [*SSHD, listener(process="nginx")]}, UNKNOWN, "::ffff:192.0.2.1"),
    (
        "L02",
        {"sockets": [*SSHD, listener(process="nginx")], "variables": {"readiness_mapped_programs": ["nginx"]}},
        PASS,
        "readiness_mapped_programs says",
    ),
    (
        "L02",
        {"sockets": [*SSHD, listener(process="nginx")], "audit": hit("::ffff:192.0.2.200")},
        FAIL,
        "/var/log/nginx/access.log has a client of IPv4 as ::ffff:192.0.2.200",
    ),
    ("L02", {"sockets": [*SSHD, listener(process="nginx")], "ipv4": strict()}, NA, "no socket"),
    ("L02", {"sockets": [*SSHD, listener(port=8080, process="java")]}, NA, "no socket"),
    ("L02", {"sockets": [*SSHD, listener(port=8080, process="java")], "ipv6": OPEN}, UNKNOWN, "(java) serves IPv4 too"),
    ("L02", {"sockets": [listener(process="nginx", v6only=None, ipv4=None)]}, UNKNOWN, "is not known"),
    # L03: where it listens
    ("L03", {}, PASS, "tcp [::]:80 (apache2), declared as http"),
    ("L03", {"sockets": DATABASE, **declared(addresses=["127.0.0.1"])}, FAIL, "declared for 127.0.0.1"),
    (
        "L03",
        {"sockets": [*SOCKETS, listener("192.0.2.81", 3306)], **declared(addresses=["192.0.2.80"])},
        FAIL,
        "not declared",
    ),
    (
        "L03",
        {"sockets": [*SSHD, listener("0.0.0.0"), listener("2001:db8:1200::99")]}
        | {"interfaces": [*look()["interfaces"], {"name": "eth1", "addresses": EXTRA}]},
        FAIL,
        f"does not listen on {ADDRESS}",
    ),
    ("L03", {"sockets": [listener("127.0.0.1", 3306)], "offered": []}, NA, "nothing that is declared"),
    ("L03", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    # L04: both families
    ("L04", {}, PASS, "tcp port 80 (http) listens for IPv4 and IPv6"),
    ("L04", {"sockets": TWO}, PASS, "tcp port 80 (http) listens for IPv4 and IPv6"),
    ("L04", {"sockets": [*SSHD, listener("0.0.0.0", process="nginx")]}, FAIL, "listen [::]:80;"),
    ("L04", {"sockets": [*SSHD, listener(v6only=True)]}, FAIL, "served over IPv6 only"),
    ("L04", {"sockets": SSHD}, FAIL, "nothing listens on tcp port 80 (http)"),
    ("L04", {"sockets": [*SSHD, listener("127.0.0.1")]}, FAIL, "on this host only"),
    ("L04", {"sockets": [SSHD[0], listener()]}, FAIL, "AddressFamily any"),
    ("L04", {"sockets": [*SSHD, listener(v6only=None, ipv4=None)]}, UNKNOWN, "is not known"),
    ("L04", {"offered": ["http", "dns"], "sockets": [*SOCKETS, listener(port=53)]}, FAIL, "udp port 53 (dns)"),
    (
        "L04",
        {"offered": ["http", "dns"], "sockets": [*SOCKETS, listener(port=53), listener(port=53, protocol="udp")]}
        | {"ipv6": rolled_out(["http", "dns"])},
        PASS,
        "udp port 53 (dns) listens",
    ),
    ("L04", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    # L05: the boot
    ("L05", {}, NA, "no program binds one"),
    ("L05", {"sockets": ON_ADDRESS}, FAIL, "does not wait for the network"),
    ("L05", {"sockets": [*SSHD, listener(ADDRESS, waits=True)]}, PASS, "waits for it"),
    ("L05", {"sockets": [*SSHD, listener(ADDRESS, freebind=True)]}, PASS, "waits for it"),
    (
        "L05",
        {"sockets": ON_ADDRESS, "audit": {"disk": {"backend": "ifupdown", "addresses": [{"address": ADDRESS}]}}},
        PASS,
        "waits for it",
    ),
    (
        "L05",
        {"sockets": ON_ADDRESS, "audit": {"disk": {"backend": "ifupdown", "addresses": []}}},
        FAIL,
        "does not wait",
    ),
    ("L05", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    # L06: UDP and the management
    ("L06", {}, PASS, "each UDP socket"),
    ("L06", {"sockets": SNMP, "ipv6": OPEN}, FAIL, "udp [::]:161 (snmpd)"),
    ("L06", {"sockets": SNMP}, PASS, "each UDP socket"),
    (
        "L06",
        {"ipv6": rolled_out(first=["-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"])},
        FAIL,
        "management) is declared for some sources",
    ),
    (
        "L06",
        {"sockets": [*SOCKETS, listener(port=41234, protocol="udp", process="unbound")], "ipv6": OPEN},
        FAIL,
        "udp of unbound",
    ),
    (
        "L06",
        {"sockets": [*SOCKETS, listener(port=41234, protocol="udp", process="unbound")]}
        | {"ipv6": rolled_out(first=["-A INPUT -p udp -j ACCEPT"])},
        UNKNOWN,
        "udp of unbound",
    ),
    ("L06", {"seen": look() | {"sockets": {"exact": True, "complete": True, "others": {"SCTP": 2}}}}, UNKNOWN, "SCTP"),
    ("L06", {"firewall": UNREAD}, UNKNOWN, "you must be root"),
]
NO_HOSTS = [(check.id, Site({}), NA, "no host") for check in readiness_sockets.CHECKS]


@pytest.mark.parametrize("case", [*CASES, *NO_HOSTS], ids=lambda case: f"{case[0]} {case[2]} {case[3][:40]}")
def test_case(case):
    judged(readiness_sockets.CHECKS, case)


def test_every_check_was_seen_to_say_each_thing():
    for check in readiness_sockets.CHECKS:
        assert statuses([*CASES, *NO_HOSTS], check.id) == {PASS, FAIL, UNKNOWN, NA}, check.id


def test_a_red_result_names_the_socket_the_rule_and_the_inventory_line():
    check = readiness_sockets.CHECKS[0]
    red = next(
        result
        for result in check.results(site(sockets=DATABASE, ipv6=rolled_out(first=[MYSQL])))
        if result.status == FAIL
    )
    assert (red.host, red.service, red.address, red.family) == ("www1", "tcp 3306", "::", "ipv6")
    assert red.variable == "ipv6_listeners"
    assert any("mariadbd (user root, mariadbd.service)" in line for line in red.evidence)
    assert f"IPv6: {MYSQL}" in red.evidence


def test_the_gateway_of_the_playbook_ipv6_only_may_manage():
    gateway = "2001:db8:1200:53::64"
    rules = rolled_out(["http", {"name": "v4-proxy-22", "port": 22, "sources": [gateway]}])
    results = {check.id: worst(check.results(site(ipv6=rules))) for check in readiness_sockets.CHECKS}
    assert results["L06"] == PASS
    other = rolled_out(first=[f"-A INPUT -s {gateway}/128 -p tcp -m tcp --dport 22 -j ACCEPT"])
    results = {check.id: worst(check.results(site(ipv6=other))) for check in readiness_sockets.CHECKS}
    assert results["L06"] == FAIL


def test_process_numbers_change_nothing():
    def results(pid):
        sockets = copy.deepcopy([*DATABASE, listener(port=40000 + pid, protocol="udp", process="unbound")])
        for one in sockets:
            one["pid"], one["sockets"] = pid, pid % 7 + 1
            one["processes"][0]["pids"] = list(range(pid, pid + pid % 5 + 1))
        there = site(sockets=sockets, ipv6=rolled_out(first=["-A INPUT -p udp -j ACCEPT", MYSQL]))
        return [check.results(there) for check in readiness_sockets.CHECKS]

    assert results(401) == results(9173)


def test_the_lab_machine_and_management_sources_are_no_strangers():
    there = site(variables={"ipv6_management_sources": ["2001:db8:99::/64"]}, ipv6=rolled_out(lab_sources=[LAB]))
    assert worst(readiness_sockets.CHECKS[5].results(there)) == PASS
    assert OUTSIDE not in LAB


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("\x1b[31m{{ 7 * 7 }}<b>\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(field=st.sampled_from(sorted(listener())), value=HOSTILE)
def test_no_socket_ends_the_audit(field, value):
    there = site(sockets=[*SSHD, {**listener(), field: value}], ipv6=OPEN)
    for check in readiness_sockets.CHECKS:
        for result in check.results(there):
            assert result.status in (PASS, FAIL, UNKNOWN, NA)
            if "could not be judged" not in result.message:
                assert all("\n" not in text and "\x1b" not in text for text in (result.message, *result.evidence))


@settings(max_examples=EXAMPLES, deadline=None)
@given(value=HOSTILE)
def test_no_variable_ends_the_audit(value):
    names = ("ipv6_listeners", "ipv6_lab_sources", "ansible_port", "readiness_mapped_programs")
    for name in names:
        for check in readiness_sockets.CHECKS:
            for result in check.results(site(variables={name: value})):
                assert result.status in (PASS, FAIL, UNKNOWN, NA)
