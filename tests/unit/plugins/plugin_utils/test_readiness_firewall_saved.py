# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the firewall that are about the host itself: who gets in to manage it, the next boot, other owners."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_firewall
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_firewall_saved import canonical, differences
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Site
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_rolled_out import (
    ADDRESS,
    OPEN,
    judged,
    look,
    rolled_out,
    statuses,
    strict,
)

PASS, FAIL, UNKNOWN, NA = "pass", "fail", "unknown", "not_applicable"
MYSQL = "-A INPUT -p tcp -m tcp --dport 3306 -j ACCEPT"
REJECTS = "-A INPUT -j REJECT --reject-with icmp-port-unreachable"
STATE4 = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
SSH4 = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
WEB4 = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
CLOSED4 = strict(STATE4, SSH4, WEB4, REJECTS, policy="ACCEPT")
UNREAD = {"ipv6": {"saved": "", "other": "", "problem": "you must be root"}}
NFT = {"nft_tables": ["inet filter"]}


def saved(**changes):
    parts = copy.deepcopy(look()["audit"]["saved"])
    for name, values in changes.items():
        parts[name] = {**parts[name], **values}
    return {"saved": parts}


CASES = [
    # F08: answers and the management
    ("F08", {}, PASS, "the management gets in over IPv6"),
    ("F08", {"ipv6": rolled_out(without="RELATED,ESTABLISHED")}, FAIL, "refuse the answers"),
    ("F08", {"ipv4": strict(SSH4)}, FAIL, "rules of IPv4 refuse the answers"),
    ("F08", {"ipv6": rolled_out(without="lab machine")}, FAIL, "ipv6_lab_sources"),
    ("F08", {"variables": {"ipv6_management_sources": ["2001:db8:99::/64"]}}, FAIL, "ipv6_management_sources"),
    (
        "F08",
        {"variables": {"ipv6_management_sources": ["2001:db8:99::/64"]}}
        | {"ipv6": rolled_out(management_sources=["2001:db8:99::/64"])},
        PASS,
        "tcp 22 from 2001:db8:99::/64 (ipv6_management_sources)",
    ),
    ("F08", {"ipv4": strict(STATE4, WEB4)}, FAIL, "let nobody in to tcp port 22"),
    ("F08", {"ipv4": strict(STATE4, WEB4), "variables": {"ansible_host": ADDRESS}}, PASS, "not managed by its IPv4"),
    (
        "F08",
        {"firewall": {"ipv6": {**look()["firewall"]["ipv6"], "tracking_refused": "no module nf_conntrack"}}},
        FAIL,
        "no module nf_conntrack",
    ),
    ("F08", {"audit": {"conntrack": {"ipv4": True, "ipv6": False}}}, FAIL, "connection tracking"),
    ("F08", {"firewall": UNREAD}, UNKNOWN, "you must be root"),
    ("F08", {"ipv6": strict("-A INPUT -m recent --name x --rcheck -j ACCEPT")}, UNKNOWN, "can't be told"),
    # F09: what the next boot loads
    ("F09", {}, PASS, "holds the rules of IPv6 that run"),
    ("F09", {"ipv6": rolled_out(first=[MYSQL])}, FAIL, f"runs only: {MYSQL}"),
    ("F09", {"audit": saved(ipv6={"rules": ""})}, FAIL, "other rules of IPv6"),
    (
        "F09",
        {"firewall": {"ipv6": {**look()["firewall"]["ipv6"], "other": strict(MYSQL, policy="ACCEPT")}}},
        FAIL,
        f"runs only: {MYSQL}",
    ),
    ("F09", {"audit": saved(ipv6={"rules": "", "problem": "it does not exist"})}, FAIL, "there is no such file"),
    ("F09", {"audit": saved(ipv6={"rules": "*filter\n-A"})}, FAIL, "can't be read as rules"),
    ("F09", {"ipv4": CLOSED4}, FAIL, "other rules of IPv4"),
    ("F09", {"ipv4": strict("-A INPUT -j f2b-sshd", "-A f2b-sshd -j RETURN", policy="ACCEPT")}, PASS, "rules.v6"),
    ("F09", {"ipv4": strict("-A FORWARD -j IPV6-ROLLOUT-NAT64", policy="ACCEPT")}, PASS, "rules.v6"),
    ("F09", {"audit": saved(loader={"unit": "", "enabled": False})}, FAIL, "nothing loads the rules"),
    ("F09", {"audit": saved(loader={"before_network": False})}, FAIL, "does not start before the network"),
    ("F09", {"audit": saved(loader={"before_network": None})}, UNKNOWN, "is not known"),
    ("F09", {"audit": saved(loader={"unit": "nftables.service"})}, UNKNOWN, "a form of its own"),
    ("F09", {"audit": saved(ipv6={"problem": "it is too large to be read"})}, UNKNOWN, "too large"),
    ("F09", {"audit": {"saved": None}}, UNKNOWN, "was not read"),
    ("F09", {"ipv6": OPEN, "audit": saved(ipv6={"rules": OPEN})}, NA, "no rules, saved or running"),
    # F10: other owners
    ("F10", {}, PASS, "no other program"),
    ("F10", {"managers": ["netfilter-persistent", "ufw"]}, FAIL, "ufw is enabled at boot"),
    ("F10", {"managers": ["docker"], "variables": {"readiness_rule_owner": ["docker"]}}, PASS, "no other program"),
    ("F10", {"managers": ["docker"], "variables": {"readiness_rule_owner": "none"}}, FAIL, "docker"),
    ("F10", {"variables": {"readiness_rule_owner": {"a": 1}}}, UNKNOWN, "is not a list"),
    ("F10", {"firewall": NFT}, FAIL, "the nft table inet filter"),
    ("F10", {"firewall": {"nft_tables": ["inet ipv6_rollout_nat64", "inet f2b-table"]}}, PASS, "no other program"),
    ("F10", {"firewall": {"nft_problem": "Operation not permitted"}}, UNKNOWN, "not permitted"),
    ("F10", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
]
CHECKS = readiness_firewall.CHECKS[7:]
NO_HOSTS = [(check.id, Site({}), NA, "no host") for check in CHECKS]


@pytest.mark.parametrize("case", [*CASES, *NO_HOSTS], ids=lambda case: f"{case[0]} {case[2]} {case[3][:40]}")
def test_case(case):
    judged(CHECKS, case)


def test_every_check_was_seen_to_say_each_thing():
    for check in CHECKS:
        assert statuses([*CASES, *NO_HOSTS], check.id) == {PASS, FAIL, UNKNOWN, NA}, check.id


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("-p tcp --dport 22", "-p tcp -m tcp --dport 22"),
        ("-s 192.0.2.1 -p TCP", "-s 192.0.2.1/32 -p tcp"),
        ("-s 0.0.0.0/0 -p 6", "-p tcp"),
        ("-p icmp --icmp-type echo-request", "-p icmp -m icmp --icmp-type 8"),
        ("-m state --state ESTABLISHED,RELATED", "-m state --state RELATED,ESTABLISHED"),
        ('-p tcp -m comment --comment "mine"', "-p tcp"),
    ],
)
def test_rules_that_mean_the_same_are_the_same(written, printed):
    def both(match):
        return canonical(f"*filter\n:INPUT ACCEPT [7:9]\n[3:4] -A INPUT {match} -j REJECT\nCOMMIT\n", "ipv4")

    default = canonical(f"*filter\n-A INPUT {printed} -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n", "ipv4")
    assert differences(both(written), both(printed)) == []
    assert differences(both(written), default) == []


@pytest.mark.parametrize(
    ("kept", "running", "word"),
    [
        (["-A INPUT -j A", "-A INPUT -j B"], ["-A INPUT -j B", "-A INPUT -j A"], "another order"),
        (["-A INPUT -p tcp -j ACCEPT"], ["-A INPUT -p tcp -j ACCEPT"] * 2, "2 rules run, and 1 are saved"),
        (["-A INPUT -s 192.0.2.1 -j ACCEPT"], ["-A INPUT ! -s 192.0.2.1 -j ACCEPT"], "saved only"),
        (["-A INPUT -j REJECT"], ["-A INPUT -j REJECT --reject-with tcp-reset"], "runs only"),
        (["-A INPUT -g X"], ["-A INPUT -j X"], "runs only"),
    ],
)
def test_rules_that_differ_are_told(kept, running, word):
    one, other = (canonical("\n".join(["*filter", *lines, "COMMIT"]), "ipv4") for lines in (kept, running))
    assert any(word in line for line in differences(one, other))
    assert differences(one, one) == []


def test_a_policy_that_is_not_saved_is_told():
    assert differences(canonical(OPEN, "ipv6"), canonical(strict(), "ipv6")) == [
        "filter INPUT: the policy is DROP now, and ACCEPT in the file"
    ]
