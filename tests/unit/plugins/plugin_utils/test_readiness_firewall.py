# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the firewall: each seen to pass, to fail, and to say that it does not know."""

from __future__ import annotations

import copy
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import HOST
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_firewall
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_firewall_icmp import NEEDED
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_firewall_packets import settled
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Site
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_rolled_out import (
    ADDRESS,
    IPV4,
    OPEN,
    RULES,
    SOCKETS,
    judged,
    listener,
    look,
    proof,
    proofs,
    rolled_out,
    site,
    statuses,
    strict,
    told,
    worst,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
PASS, FAIL, UNKNOWN, NA = "pass", "fail", "unknown", "not_applicable"
DATABASE = (*SOCKETS, listener(port=3306, process="mariadbd"))
SEEN_3306 = (22, 80, 3306)
NO_TOO_BIG = "-A INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j DROP"
MYSQL = "-A INPUT -p tcp -m tcp --dport 3306 -j ACCEPT"
REJECTS = "-A INPUT -j REJECT --reject-with icmp-port-unreachable"
STATE4 = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
SSH4 = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
WEB4 = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
CLOSED4 = strict(STATE4, SSH4, WEB4, REJECTS, policy="ACCEPT")
HIDDEN = {"saved": "# Table `filter' is incompatible, use 'nft' tool.\n", "other": "", "problem": ""}
UNREAD = {"ipv6": {"saved": "", "other": "", "problem": "you must be root"}}
NFT = {"nft_tables": ["inet filter"]}


def extension(**seen):
    told_of = proofs()["firewall|www1|extension|ipv6"]["seen"]
    return proofs(extension=proof(**{**told_of, **seen}))


CASES = [
    # F01: what strangers reach over IPv6 alone
    ("F01", {}, PASS, "no undeclared TCP port"),
    (
        "F01",
        {"sockets": DATABASE, "ipv6": rolled_out(first=[MYSQL]), "ipv4": strict(SSH4, WEB4, REJECTS, policy="ACCEPT")}
        | {"outside": proofs(ipv6=(80, 3306), asked=SEEN_3306)},
        FAIL,
        "tcp port 3306 is open to strangers over IPv6 and refused over IPv4; tcp [::]:3306 (mariadbd) listens there; "
        f"the rules of IPv6 let it in by {MYSQL}; the rule of IPv4 that keeps it out has no twin: {REJECTS}; nobody "
        "declared it",
    ),
    (
        "F01",
        {"sockets": DATABASE, "ipv6": OPEN, "outside": proofs(ipv6=(22, 80, 3306), asked=SEEN_3306)},
        FAIL,
        "no rule, but the policy of INPUT, which is ACCEPT",
    ),
    ("F01", {"outside": proofs(ipv6=(80, 8443))}, FAIL, "no socket of the host explains it"),
    ("F01", {"outside": proofs(ipv4=(80,), ipv6=(22, 80))}, FAIL, "management is declared for other sources only"),
    (
        "F01",
        {"outside": proofs(ipv6=(80, 8000)), "variables": {"ipv6_listeners": [{"name": "api", "port": 8000}]}},
        PASS,
        "tcp 8000 is declared as api",
    ),
    (
        "F01",
        {"outside": proofs(ipv6=(80, 8000))}
        | {"variables": {"ipv6_listeners": [{"name": "api", "port": 8000, "families": ["ipv4"]}]}},
        FAIL,
        "api is declared for IPv4 only",
    ),
    ("F01", {"seen": False, "why": "unreachable", "outside": proofs(ipv6=(80, 25))}, FAIL, "nobody declared it"),
    ("F01", {"lab": {"name": "lab1"}}, UNKNOWN, "ipv6_outside_source"),
    ("F01", {"outside": {}}, UNKNOWN, "the probe firewall|www1|ports|ipv4 was not made"),
    (
        "F01",
        {"outside": {**proofs(), "firewall|www1|ports|ipv6": proof(False, problem="no route")}},
        UNKNOWN,
        "no route",
    ),
    ("F01", {"ipv4": OPEN, "seen": look(), "outside": proofs()}, PASS, "open over IPv4: 22, 80"),
    ("F01", {"outside": proofs((22, 80), (), (22, 80), ping=proof(False, family="ipv6"))}, PASS, "no undeclared"),
    (
        "F01",
        {"outside": {**proofs(ping=None), "firewall|www1|ports|ipv6": proof(open=[], closed=[], silent=[22, 80])}},
        UNKNOWN,
        "its silence proves nothing",
    ),
    (
        "F01",
        {"outside": {**proofs(), "firewall|www1|ports|ipv6": proof(open=[], closed=[], silent=[22, 80])}},
        PASS,
        "no undeclared",
    ),
    # F02: what is served over IPv4 alone
    ("F02", {}, PASS, "http (tcp port 80) is reached over IPv6"),
    ("F02", {"outside": proofs(ipv6=())}, FAIL, "something on the way keeps it out"),
    (
        "F02",
        {"outside": proofs(ipv6=()), "ipv6": rolled_out(without="service http")},
        FAIL,
        "the rules of IPv6 keep strangers out by -A INPUT -p tcp -j REJECT --reject-with tcp-reset",
    ),
    (
        "F02",
        {"outside": proofs(ipv6=()), "sockets": [*SOCKETS[:2], listener("0.0.0.0", process="nginx")]},
        FAIL,
        "nothing listens on it over IPv6",
    ),
    ("F02", {"outside": proofs(ipv4=(22,), ipv6=())}, NA, "reached over neither family"),
    ("F02", {"offered": [{"name": "vpn", "port": 1194, "protocol": "udp"}]}, NA, "nothing here"),
    ("F02", {"outside": {}, "why": ""}, UNKNOWN, "was not made"),
    (
        "F02",
        {"offered": [{"name": "db", "port": 80, "sources": ["2001:db8:5::/48"]}]},
        NA,
        "not meant for strangers",
    ),
    # F03: defaults
    ("F03", {}, PASS, "refuse what they don't name"),
    ("F03", {"ipv4": CLOSED4}, PASS, "refuse what they don't name"),
    ("F03", {"ipv6": OPEN}, FAIL, "IPv6 has no rules at all"),
    ("F03", {"ipv6": "", "ipv4": ""}, FAIL, "IPv6 has no rules at all"),
    ("F03", {"ipv6": strict(WEB4, policy="ACCEPT"), "ipv4": CLOSED4}, FAIL, "those of IPv6 let it in"),
    ("F03", {"ipv6": strict(WEB4, policy="ACCEPT")}, PASS, "as IPv4 does"),
    ("F03", {"ipv6": strict("-A INPUT -j OURS", "-A OURS -j DROP", policy="ACCEPT"), "ipv4": CLOSED4}, PASS, "refuse"),
    (
        "F03",
        {"ipv6": RULES.replace("FORWARD DROP", "FORWARD ACCEPT")}
        | {"ipv4": OPEN.replace("FORWARD ACCEPT", "FORWARD DROP")}
        | {"sysctls": {**look()["sysctls"], "net.ipv6.conf.all.forwarding": "1"}},
        FAIL,
        "lets everything through",
    ),
    (
        "F03",
        {"sysctls": {**look()["sysctls"], "net.ipv6.conf.all.forwarding": "1"}},
        PASS,
        "forwarded as strictly",
    ),
    ("F03", {"ipv6": OPEN, "firewall": NFT}, UNKNOWN, "inet filter"),
    ("F03", {"firewall": NFT}, PASS, "refuse what they don't name"),
    ("F03", {"firewall": UNREAD}, UNKNOWN, "you must be root"),
    ("F03", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    # F04: twins
    ("F04", {}, PASS, "nobody gets in"),
    ("F04", {"ipv4": CLOSED4}, PASS, "nobody gets in"),
    ("F04", {"ipv4": CLOSED4, "ipv6": rolled_out(first=[MYSQL])}, FAIL, "IPv6 lets in more than IPv4"),
    ("F04", {"ipv4": CLOSED4, "ipv6": OPEN}, FAIL, "what no rule names"),
    (
        "F04",
        {"ipv4": CLOSED4, "ipv6": rolled_out(first=[MYSQL])}
        | {"variables": {"ipv6_listeners": [{"name": "db", "port": 3306, "families": ["ipv6"]}]}, "sockets": DATABASE},
        PASS,
        "nobody gets in",
    ),
    ("F04", {"ipv6": rolled_out(without="service http")}, FAIL, "let nobody in"),
    (
        "F04",
        {"offered": [{"name": "web", "port": 80, "sources": ["2001:db8:5::/48"]}]},
        FAIL,
        "is declared for some sources",
    ),
    (
        "F04",
        {"ipv4": strict(SSH4, WEB4, MYSQL, REJECTS, policy="ACCEPT"), "sockets": DATABASE},
        FAIL,
        "a rule of IPv4 has no twin in IPv6: tcp 3306",
    ),
    (
        "F04",
        {"ipv4": strict(SSH4, WEB4, MYSQL, REJECTS, policy="ACCEPT"), "sockets": DATABASE}
        | {"variables": {"ipv6_listeners": [{"name": "db", "port": 3306, "families": ["ipv4"]}]}},
        PASS,
        "nobody gets in",
    ),
    ("F04", {"ipv4": strict(SSH4, WEB4, MYSQL, REJECTS, policy="ACCEPT")}, PASS, "nobody gets in"),
    (
        "F04",
        {"ipv4": strict(SSH4, WEB4, MYSQL.replace("INPUT", "INPUT -s 203.0.113.9/32"), policy="DROP")}
        | {"sockets": DATABASE},
        UNKNOWN,
        "can't be told",
    ),
    (
        "F04",
        {
            "ipv4": strict(SSH4, WEB4, MYSQL.replace("-j", "-m limit --limit 9/sec -j")),
            "ipv6": rolled_out(first=[MYSQL]),
        },
        UNKNOWN,
        "the rules of IPv4 don't decide",
    ),
    ("F04", {"firewall": UNREAD}, UNKNOWN, "you must be root"),
    ("F04", {"firewall": {"ipv4": HIDDEN}}, UNKNOWN, "incompatible"),
    ("F04", {"offered": []}, PASS, "80"),
    # F05: ICMPv6
    ("F05", {}, PASS, "RFC 4890"),
    ("F05", {"ipv6": rolled_out(first=[NO_TOO_BIG])}, FAIL, f"type 2 (packet too big): {NO_TOO_BIG}"),
    ("F05", {"ipv6": rolled_out(without="-p ipv6-icmp -j ROLLOUT-ICMPV6")}, FAIL, "type 135 (neighbour"),
    ("F05", {"ipv6": strict("-A INPUT -p ipv6-icmp -j ACCEPT")}, PASS, "RFC 4890"),
    (
        "F05",
        {"ipv6": strict("-A INPUT -p ipv6-icmp -m limit --limit 10/sec -j ACCEPT")},
        PASS,
        "RFC 4890",
    ),
    (
        "F05",
        {"ipv6": strict("-A INPUT -m conntrack --ctstate INVALID -j DROP", "-A INPUT -p ipv6-icmp -j ACCEPT")},
        PASS,
        "RFC 4890",
    ),
    (
        "F05",
        {"ipv6": strict("-A INPUT -p ipv6-icmp -m hl --hl-eq 255 -j ACCEPT")},
        FAIL,
        "type 130 (multicast listener query)",
    ),
    ("F05", {"ipv6": strict("-A INPUT -p ipv6-icmp -m recent --name x --rcheck -j ACCEPT")}, UNKNOWN, "recent"),
    ("F05", {"ipv6": OPEN, "firewall": NFT}, UNKNOWN, "inet filter"),
    ("F05", {"outside": proofs(ping=proof(False, family="ipv6"))}, FAIL, "filtered on the way"),
    ("F05", {"outside": proofs((), (), (), ping=proof(False, family="ipv6"))}, UNKNOWN, "the host is not reached"),
    ("F05", {"outside": proofs(ping=None)}, UNKNOWN, "no echo request was sent"),
    ("F05", {"outside": proofs(ping=proof(False, problem="no ping here"))}, UNKNOWN, "no ping here"),
    ("F05", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    ("F05", {"firewall": UNREAD}, UNKNOWN, "you must be root"),
    # F06: Packet Too Big
    ("F06", {}, PASS, "in pieces that fit"),
    (
        "F06",
        {"outside": proofs(mtu=proof(False, before=1500, after=1500, replied_before=True, replied_after=True))},
        FAIL,
        "IPv6, type 2: accept by",
    ),
    (
        "F06",
        {"outside": proofs(mtu=proof(False, before=1500, after=0, replied_before=True, replied_after=False))}
        | {"ipv6": rolled_out(first=[NO_TOO_BIG])},
        FAIL,
        f"IPv6, type 2: refuse by {NO_TOO_BIG}",
    ),
    ("F06", {"outside": proofs(mtu=proof(False, before=0, replied_before=False))}, UNKNOWN, "no echo request"),
    ("F06", {"outside": proofs(mtu=proof(False, problem="raw sockets can't be opened"))}, UNKNOWN, "raw sockets"),
    ("F06", {"outside": {}}, UNKNOWN, "was not made"),
    # F07: extension headers
    ("F07", {}, PASS, "malformed"),
    ("F07", {"outside": extension(routing_header_0="answered")}, FAIL, "routing header of type 0 (RFC 5095)"),
    ("F07", {"outside": extension(overlapping="answered", tiny_first="answered")}, FAIL, "(RFC 5722), a first"),
    ("F07", {"outside": extension(valid_fragments="silent")}, FAIL, "none in two valid fragments"),
    ("F07", {"outside": extension(valid_fragments="silent", echo="silent")}, UNKNOWN, "no echo request"),
    ("F07", {"outside": extension(tiny_first="problem: Message too long")}, UNKNOWN, "tiny_first"),
    ("F07", {"outside": proofs(extension=proof(False, problem="packet sockets"))}, UNKNOWN, "packet sockets"),
    ("F07", {"outside": {}}, UNKNOWN, "was not made"),
]
# F08 to F10 are in test_readiness_firewall_saved.py.
HERE = readiness_firewall.CHECKS[:7]
NO_HOSTS = [(check.id, Site({}), NA, "no host") for check in HERE]


@pytest.mark.parametrize("case", [*CASES, *NO_HOSTS], ids=lambda case: f"{case[0]} {case[2]} {case[3][:40]}")
def test_case(case):
    judged(readiness_firewall.CHECKS, case)


def test_every_check_was_seen_to_say_each_thing():
    for check in HERE:
        assert statuses([*CASES, *NO_HOSTS], check.id) == {PASS, FAIL, UNKNOWN, NA}, check.id


def test_a_host_without_ipv4_has_nothing_to_compare():
    alone = site(address4=None, variables={"ansible_host": ADDRESS}, interfaces=[look()["interfaces"][0]])
    found = {check.id: check.results(alone) for check in readiness_firewall.CHECKS}
    assert worst(found["F01"]) == worst(found["F02"]) == NA
    assert all(result.family != "ipv4" for result in found["F08"])


def test_what_the_playbook_ipv6_only_opens_is_meant():
    gateway = "2001:db8:1200:53::64"
    rules = rolled_out([{"name": "http", "sources": []}, {"name": "v4-proxy-22", "port": 22, "sources": [gateway]}])
    found = {check.id: worst(check.results(site(ipv6=rules, address4=None))) for check in readiness_firewall.CHECKS}
    assert found["F04"] == PASS
    # Where AAAA records lead to the proxy, it alone gets in.
    rules = rolled_out([{"name": "http", "sources": [gateway]}])
    found = {check.id: worst(check.results(site(ipv6=rules, address4=None))) for check in readiness_firewall.CHECKS}
    assert found["F04"] == PASS
    assert worst(readiness_firewall.CHECKS[3].results(site(ipv6=rules))) == FAIL
    everyone = rolled_out(["http", {"name": "backup-mx", "port": 25}])
    sockets = [*SOCKETS, listener(port=25, process="master")]
    there = site(ipv6=everyone, sockets=sockets, outside=proofs(ipv6=(80, 25)))
    assert worst(readiness_firewall.CHECKS[0].results(there)) == PASS


def test_each_message_of_the_host_chain_is_missed_where_it_is_taken_away():
    for message in HOST:
        needed = [one for one in NEEDED if str(one.type) == message.type]
        if not needed:
            continue
        rules = rolled_out(without=f"--icmpv6-type {message.type} ")
        # Errors and echo replies belong to connections, so this rule alone would let them in.
        rules = "\n".join(line for line in rules.split("\n") if "RELATED,ESTABLISHED" not in line)
        results = {c.id: c for c in readiness_firewall.CHECKS}["F05"].results(site(ipv6=rules))
        assert worst(results) == FAIL
        assert all(f"type {one.type}" in told(results) for one in needed)
        others = [one for one in NEEDED if str(one.type) != message.type]
        assert not any(f"type {one.type} (" in told(results) for one in others)


@pytest.mark.parametrize(
    ("line", "state", "hops", "left"),
    [
        ("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", "RELATED", 57, "-A INPUT -j ACCEPT"),
        ("-A INPUT -m conntrack --ctstate NEW -j ACCEPT", "RELATED", 57, ""),
        ("-A INPUT -m conntrack ! --ctstate NEW -j DROP", "UNTRACKED", 1, "-A INPUT -j DROP"),
        ("-A INPUT -m state --state INVALID -j DROP", "NEW", 1, ""),
        ("-A INPUT -p tcp -m hl --hl-eq 255 -j ACCEPT", "NEW", 255, "-A INPUT -p tcp -j ACCEPT"),
        ("-A INPUT -m hl ! --hl-eq 255 -j DROP", "NEW", 255, ""),
        ("-A INPUT -m hl --hl-lt 2 -j ACCEPT", "NEW", 1, "-A INPUT -j ACCEPT"),
        ("-A INPUT -m hl --hl-gt 1 -j ACCEPT", "NEW", 1, ""),
        ("-A INPUT -m limit --limit 5/sec -j ACCEPT", "NEW", 1, "-A INPUT -j ACCEPT"),
        ("-A INPUT -m hashlimit --hashlimit-above 5/sec --hashlimit-name x -j DROP", "NEW", 1, ""),
        ("-A INPUT -m rt --rt-type 0 -j DROP", "NEW", 1, "-A INPUT -m rt --rt-type 0 -j DROP"),
        ("-A INPUT -m recent --rcheck -j DROP", "NEW", 1, "-A INPUT -m recent --rcheck -j DROP"),
    ],
)
def test_what_is_known_of_a_packet_is_decided_before(line, state, hops, left):
    assert settled(f"*filter\n{line}\nCOMMIT", state, hops).split("\n")[1:-1] == ([left] if left else [])


def test_the_probes_are_plain_data_with_ids_of_their_own():
    before = Site(site(seen=False).hosts, lab=site().lab)
    assert not [one for one in readiness_firewall.probes(before) if one["kind"] == "ports"]
    wave = readiness_firewall.probes(site(sockets=DATABASE))
    assert len({one["id"] for one in wave}) == len(wave)
    assert json.loads(json.dumps(wave)) == wave
    ports = {one["family"]: one for one in wave if one["kind"] == "ports"}
    assert ports["ipv4"]["ports"] == ports["ipv6"]["ports"] == [22, 80, 3306]
    assert (ports["ipv4"]["address"], ports["ipv4"].get("source")) == (IPV4, None)
    assert all(one["source"] for one in wave if one["family"] == "ipv6")
    unseen = readiness_firewall.probes(site(seen=False, why="no login"))
    assert [one["ports"] for one in unseen if one["kind"] == "ports"] == [[22, 80]] * 2


def test_equal_state_gives_equal_results_whatever_the_process_numbers():
    def results(pid):
        sockets = copy.deepcopy(list(DATABASE))
        for one in sockets:
            one["pid"], one["sockets"] = pid, pid % 7 + 1
            one["processes"][0]["pids"] = list(range(pid, pid + pid % 5 + 1))
        there = site(sockets=sockets, ipv6=OPEN, outside=proofs(ipv6=(22, 80, 3306), asked=SEEN_3306))
        return [check.results(there) for check in readiness_firewall.CHECKS]

    assert results(400) == results(9173)


# What a host or the lab machine may say: any shape.
HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("\x1b[31m{{ 7 * 7 }}<b>\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
PARTS = ["listeners", "firewall", "interfaces", "routes", "sysctls", "managers", "audit", "sockets"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(part=st.sampled_from(PARTS), value=HOSTILE)
def test_no_look_ends_the_audit(part, value):
    there = site(seen={**look(), part: value})
    for check in readiness_firewall.CHECKS:
        for result in check.results(there):
            assert result.status in (PASS, FAIL, UNKNOWN, NA)
            assert all("\n" not in text and "\x1b" not in text for text in (*result.evidence, result.file))


@settings(max_examples=EXAMPLES, deadline=None)
@given(name=st.sampled_from(sorted(proofs())), seen=HOSTILE)
def test_no_proof_ends_the_audit(name, seen):
    there = site(outside={**proofs(), name: {"id": name, "ok": True, "evidence": seen, "address": "", "seen": seen}})
    for check in readiness_firewall.CHECKS:
        for result in check.results(there):
            assert all("\n" not in text and "\x1b" not in text for text in (*result.evidence, result.message))
