# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parity report: who gets in over which family, what is the same, what differs, and what nobody can tell."""

from __future__ import annotations

import copy
import json

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity import firewall_parity

TWINS = {"192.0.2.10": "2001:db8::10", "192.0.2.20": "2001:db8::20", "198.51.100.0/24": "2001:db8:1::/64"}


def saved(*rules, policy="DROP", forward="DROP"):
    """A filter table as iptables-save prints it."""
    lines = ["*filter", f":INPUT {policy} [0:0]", f":FORWARD {forward} [0:0]", ":OUTPUT ACCEPT [0:0]"]
    return "\n".join([*lines, *(f"-A INPUT {rule}" for rule in rules), "COMMIT", ""])


def report(ipv4, ipv6, **more):
    """The report on two lists of rules for INPUT."""
    return firewall_parity({"ipv4": saved(*ipv4), "ipv6": saved(*ipv6)}, **more)


def port(number, *sources, then="ACCEPT"):
    """The rules for a TCP port: one a source, or one for everyone."""
    return [f"{f'-s {source} ' if source else ''}-p tcp --dport {number} -j {then}" for source in sources or [""]]


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "verdict", "message"),
    [
        ([], port(3306), "differs", "tcp 3306: everyone over IPv6, nobody over IPv4"),
        (port(80), [], "differs", "tcp 80: everyone over IPv4, nobody over IPv6"),
        (port(80), port(80), "same", "tcp 80: everyone over both"),
        (
            port(22, "192.0.2.10"),
            port(22),
            "differs",
            "tcp 22: everyone over IPv6, 192.0.2.10 over IPv4",
        ),
        (port(22, "192.0.2.10"), [], "differs", "tcp 22: 192.0.2.10 over IPv4, nobody over IPv6"),
        (
            port(22, "192.0.2.10"),
            port(22, "2001:db8::10"),
            "same",
            "tcp 22: 192.0.2.10 over IPv4, 2001:db8::10 over IPv6",
        ),
        (
            port(22, "192.0.2.10", "192.0.2.20"),
            port(22, "2001:db8::10"),
            "differs",
            "tcp 22: 192.0.2.10, 192.0.2.20 over IPv4, 2001:db8::10 over IPv6; "
            "not let in over IPv6: 2001:db8::20",
        ),
        (
            port(22, "192.0.2.10"),
            port(22, "2001:db8::10", "2001:db8:9::/48"),
            "differs",
            "tcp 22: 192.0.2.10 over IPv4, 2001:db8::10, 2001:db8:9::/48 over IPv6; "
            "let in over IPv6 only: 2001:db8:9::/48",
        ),
        (
            port(22, "192.0.2.99"),
            port(22, "2001:db8::99"),
            "unknown",
            "tcp 22: 192.0.2.99 over IPv4, 2001:db8::99 over IPv6; not known whether these are the same hosts",
        ),
        (
            port(22, "192.0.2.99", "192.0.2.10"),
            port(22, "2001:db8::99"),
            "differs",
            "tcp 22: 192.0.2.10, 192.0.2.99 over IPv4, 2001:db8::99 over IPv6; not let in over IPv6: 2001:db8::10",
        ),
        (
            port(22, "192.0.2.99"),
            port(22, "2001:db8::99", "2001:db8::10"),
            "differs",
            "tcp 22: 192.0.2.99 over IPv4, 2001:db8::10, 2001:db8::99 over IPv6; let in over IPv6 only: 2001:db8::10",
        ),
        (
            port(22, "198.51.100.0/24"),
            port(22, "2001:db8:1::/64"),
            "same",
            "tcp 22: 198.51.100.0/24 over IPv4, 2001:db8:1::/64 over IPv6",
        ),
        # Half of a prefix that has a twin is not known to be half of the twin.
        (
            port(22, "198.51.100.0/25"),
            port(22, "2001:db8:1::/65"),
            "unknown",
            "tcp 22: 198.51.100.0/25 over IPv4, 2001:db8:1::/65 over IPv6; not known whether these are the same hosts",
        ),
        (
            [*port(80, "192.0.2.10", then="DROP"), *port(80)],
            [*port(80, "2001:db8::10", then="DROP"), *port(80)],
            "same",
            "tcp 80: everyone but 192.0.2.10 over IPv4, everyone but 2001:db8::10 over IPv6",
        ),
        (
            [*port(80, "192.0.2.10", then="DROP"), *port(80)],
            port(80),
            "differs",
            "tcp 80: everyone over IPv6, everyone but 192.0.2.10 over IPv4",
        ),
        (
            ["-p tcp --dport 22 -m limit --limit 1/s -j ACCEPT"],
            ["-p tcp --dport 22 -m limit --limit 1/s -j ACCEPT"],
            "unknown",
            "tcp 22: undecided for everyone over both; the rules don't decide it",
        ),
        (
            ["-s 192.0.2.10 -p tcp --dport 22 -m limit --limit 1/s -j ACCEPT"],
            [],
            "unknown",
            "tcp 22: undecided for 192.0.2.10 over IPv4, nobody over IPv6; the rules don't decide it",
        ),
        (
            [*port(22, "192.0.2.10"), "-s 192.0.2.20 -p tcp --dport 22 -m limit --limit 1/s -j ACCEPT"],
            port(22),
            "differs",
            "tcp 22: everyone over IPv6, 192.0.2.10 (undecided for 192.0.2.20) over IPv4",
        ),
        (
            port(22, *[f"192.0.2.{number}" for number in range(1, 10, 2)]),
            [],
            "differs",
            "tcp 22: 192.0.2.1, 192.0.2.3, 192.0.2.5 and 2 more over IPv4, nobody over IPv6",
        ),
        (["-p udp --dport 53 -j ACCEPT"], [], "differs", "udp 53: everyone over IPv4, nobody over IPv6"),
        (["-p icmp -j ACCEPT"], ["-p ipv6-icmp -j ACCEPT"], "same", "icmp: everyone over both"),
        (["-p icmp --icmp-type 8 -j ACCEPT"], [], "differs", "icmp: everyone over IPv4, nobody over IPv6"),
        ([], ["-p 41 -j ACCEPT"], "differs", "ipv6: everyone over IPv6, nobody over IPv4"),
        (["-p gre -j ACCEPT"], [], "differs", "gre: everyone over IPv4, nobody over IPv6"),
        (["-p 200 -j ACCEPT"], ["-p 200 -j ACCEPT"], "same", "200: everyone over both"),
        (["-p sctp --dport 7 -j ACCEPT"], [], "differs", "sctp 7: everyone over IPv4, nobody over IPv6"),
        (
            ["-p tcp --dport 22 -j ACCEPT"],
            ["-p tcp --dport 22 -s ::/0 -j ACCEPT"],
            "same",
            "tcp 22: everyone over both",
        ),
    ],
)  # fmt: skip
def test_entries(ipv4, ipv6, verdict, message):
    found = report(ipv4, ipv6, addresses=TWINS)
    (entry,) = found["entries"]
    assert (entry["verdict"], entry["message"]) == (verdict, message)
    assert entry["differs"] is (verdict != "same")
    assert found["differences"] == ([message] if verdict != "same" else [])
    assert found["summary"] == {"entries": 1, "same": 0, "differs": 0, "unknown": 0, verdict: 1}
    json.dumps(found)


def test_port_ranges_are_as_long_as_can_be():
    found = report(
        ["-p tcp --dport 1:99 -j ACCEPT", "-p tcp --dport 100:200 -j ACCEPT", "-p tcp --dport 300 -j ACCEPT"],
        ["-p tcp --dport 1:150 -j ACCEPT", "-p tcp --dport 301 -j ACCEPT"],
    )
    assert [(entry["ports"], entry["verdict"]) for entry in found["entries"]] == [
        ("1-150", "same"),
        ("151-200", "differs"),
        ("300", "differs"),
        ("301", "differs"),
    ]


def test_no_rules_at_all():
    found = firewall_parity({"ipv4": saved(*port(22), forward="ACCEPT"), "ipv6": ""})
    assert found["empty"] == ["ipv6"]
    assert found["policies"]["ipv4"] == {"INPUT": "DROP", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"}
    assert found["policies"]["ipv6"] == dict.fromkeys(("INPUT", "FORWARD", "OUTPUT"), "ACCEPT")
    assert found["notes"] == [
        "IPv6 has no rules at all: everyone reaches every socket that listens on it",
        "the policy of INPUT is DROP over IPv4, and ACCEPT over IPv6",
    ]
    told = [(entry["protocol"], entry["ports"], entry["verdict"]) for entry in found["entries"]]
    assert told == [
        ("tcp", "1-21", "differs"),
        ("tcp", "22", "same"),
        ("tcp", "23-65535", "differs"),
        ("udp", "1-65535", "differs"),
        ("icmp", "", "differs"),
        ("other", "", "differs"),
    ]
    closed = firewall_parity({"ipv4": saved(), "ipv6": saved()})
    assert closed["empty"] == ["ipv4", "ipv6"]
    assert closed["entries"] == []
    assert closed["lines"][:3] == ["0 port ranges: 0 differ, 0 can't be compared", "", "Nobody is let in."]


def test_the_trusted_are_left_out():
    lab = ["2001:db8:feed::/64", "192.0.2.200"]
    ipv6 = ["-s 2001:db8:feed::/64 -j ACCEPT", *port(22, "2001:db8::10")]
    assert report(port(22, "192.0.2.10"), ipv6, addresses=TWINS)["differences"]
    assert not report(port(22, "192.0.2.10"), ipv6, addresses=TWINS, trusted=lab)["differences"]
    kept_out = ["-s 2001:db8:feed::/64 -j DROP", *port(80)]
    assert report(port(80), kept_out, trusted=lab)["entries"][0]["message"] == "tcp 80: everyone over both"


def test_what_is_asked_for():
    ipv4 = [*port(22), *port(80), "-p udp --dport 8050 -j ACCEPT", "-p tcp --dport 8000:9000 -j ACCEPT"]
    found = report(ipv4, ipv4, ports=[80, "8050-8059"])
    assert [(entry["protocol"], entry["ports"]) for entry in found["entries"]] == [
        ("tcp", "80"),
        ("tcp", "8050-8059"),
        ("udp", "8050"),
    ]
    inside = ["-i eth1 -p tcp --dport 5432 -j ACCEPT"]
    assert report(inside, [])["entries"][0]["verdict"] == "unknown"
    assert report(inside, [], interface="eth0")["entries"] == []
    assert report(inside, [], interface="eth1")["differences"] == ["tcp 5432: everyone over IPv4, nobody over IPv6"]
    each = {"ipv4": "eth1", "ipv6": "sit1"}
    tunnel = ["-i sit1 -p tcp --dport 5432 -j ACCEPT"]
    assert report(inside, tunnel, interface=each)["differences"] == []
    assert report(inside, tunnel, interface={"ipv4": "eth1"})["entries"][0]["verdict"] == "unknown"
    assert report(inside, tunnel, interface={"ipv4": None, "ipv6": ""})["entries"][0]["verdict"] == "unknown"
    assert report(inside, inside, interface="")["entries"][0]["verdict"] == "unknown"
    one = (["-d 192.0.2.1 -p tcp --dport 80 -j ACCEPT"], ["-d 2001:db8::1 -p tcp --dport 80 -j ACCEPT"])
    assert report(*one)["entries"][0]["verdict"] == "unknown"
    own = {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"}
    assert report(*one, destinations=own)["entries"][0]["verdict"] == "same"
    assert report(*one, destinations={"ipv6": "2001:db8::2"})["entries"][0]["ipv6"]["who"] == "nobody"


def test_notes():
    nat = "*nat\n:PREROUTING ACCEPT\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
    legacy = "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n"
    found = firewall_parity({"ipv4": legacy + saved("-m madeup -j ACCEPT") + nat, "ipv6": saved(*port(22))})
    assert found["notes"] == [
        "IPv4: Warning: iptables-legacy tables present, use iptables-legacy-save to see them",
        "IPv4: -A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080 (table nat): "
        "it can't be told what -j REDIRECT does",
        "IPv4: -A INPUT -m madeup -j ACCEPT: it can't be told what -m madeup does",
    ]


@pytest.mark.parametrize(
    ("ipv4", "ipv6"), [("", saved(*port(22))), (saved(*port(80)), saved(*port(80))), (saved(), saved())]
)
def test_a_table_that_is_not_shown_is_never_the_same(ipv4, ipv6):
    hidden = "# Table `filter' is incompatible, use 'nft' tool.\n"
    found = firewall_parity({"ipv4": ipv4, "ipv6": hidden + ipv6})
    assert {entry["verdict"] for entry in found["entries"]} <= {"unknown"}
    assert all(entry["message"].endswith("; not all rules are known") for entry in found["entries"])
    assert found["differences"][0] == (
        "IPv6: Table `filter' is incompatible, use 'nft' tool. What the rules in it do is not known; "
        "look with 'nft list ruleset', and keep them in a table of their own"
    )
    assert len(found["differences"]) == 1 + len(found["entries"])
    assert "IPv6: Table `filter' is incompatible, use 'nft' tool." in found["notes"]


def test_both_back_ends_filter():
    rules = {"ipv4": saved(*port(22), policy="ACCEPT"), "ipv6": [saved(*port(22)), saved("-p tcp --dport 22 -j DROP")]}
    found = firewall_parity(rules, ports=[22])
    assert found["differences"][0] == "tcp 22: everyone over IPv4, nobody over IPv6"
    rules["ipv6"][1] = saved("-m limit --limit 1/s -j ACCEPT")
    found = firewall_parity(rules, ports=[22])
    assert found["entries"][0]["ipv6"]["who"] == "depends"
    assert found["notes"][-1] == (
        "IPv6: -A INPUT -m limit --limit 1/s -j ACCEPT (table filter, back end 2): it can't be told what -m limit does"
    )
    assert firewall_parity({"ipv4": [saved(*port(22)), ""], "ipv6": saved(*port(22))})["differences"] == []


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "message"),
    [
        (
            port(22, "192.0.2.1"),
            port(22, "2001:db8::1"),
            "192.0.2.1 over IPv4, 2001:db8::1 over IPv6; let in over IPv6 only: 2001:db8::1",
        ),
        (
            [*port(22, "192.0.2.1", then="DROP"), *port(22)],
            [*port(22, "2001:db8::1", then="DROP"), *port(22)],
            "everyone but 192.0.2.1 over IPv4, everyone but 2001:db8::1 over IPv6; not let in over IPv6: 2001:db8::1",
        ),
    ],
)
def test_two_hosts_with_one_twin(ipv4, ipv6, message):
    twins = {"192.0.2.1": "2001:db8::1", "192.0.2.2": "2001:db8::1"}
    (entry,) = report(ipv4, ipv6, addresses=twins)["entries"]
    assert (entry["verdict"], entry["message"]) == ("differs", f"tcp 22: {message}")


def test_lines():
    found = report([*port(22, "192.0.2.99"), *port(80)], [*port(22, "2001:db8::99"), *port(80), *port(3306)])
    assert found["lines"] == [
        "3 port ranges: 1 differs, 1 can't be compared",
        "",
        "   PROTOCOL  PORTS  OVER IPV4   OVER IPV6",
        "?  tcp       22     192.0.2.99  2001:db8::99",
        "   tcp       80     everyone    everyone",
        "!  tcp       3306   nobody      everyone",
    ]


RULES = {"ipv4": "", "ipv6": ""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None,), "rules: None is no dictionary of both families"),
        (("text",), "rules: 'text' is no dictionary"),
        (({"ipv4": ""},), "is no dictionary of both families"),
        (({"ipv4": "", "ipv6": "", 5: ""},), "is no dictionary of both families"),
        (({"ipv4": None, "ipv6": ""},), "rules: None is not text"),
        (({"ipv4": ["-A INPUT -j DROP", 5], "ipv6": ""},), "rules: 5 is not text"),
        (({"ipv4": [], "ipv6": ""},), "rules: [] is not text"),
        (({"ipv4": "hello", "ipv6": ""},), "is no rule"),
        ((RULES, ["x"]), "addresses: ['x'] is no dictionary"),
        ((RULES, {"192.0.2.1": None}), "addresses: '192.0.2.1' has no IPv6 address"),
        ((RULES, {"192.0.2.1": "192.0.2.2"}), "'192.0.2.2' is no IPv6 address"),
        ((RULES, {"2001:db8::1": "2001:db8::1"}), "'2001:db8::1' is no IPv4 address"),
        ((RULES, {1: "2001:db8::1"}), "addresses: 1 is no address"),
        ((RULES, {"192.0.2.1": {"a": "b"}}), "is no address or prefix"),
        ((RULES, None, "lab.example.com"), "trusted: 'lab.example.com' is no address"),
        ((RULES, None, ["::/0"]), "is all of IPv6"),
        ((RULES, None, [None]), "trusted: None"),
        ((RULES, None, None, "lo"), "interface: 'lo'"),
        ((RULES, None, None, 5), "interface: 5"),
        ((RULES, None, None, ["eth0"]), "interface: ['eth0']"),
        ((RULES, None, None, {"ipv4": "lo"}), "interface: 'lo'"),
        ((RULES, None, None, {"ipv5": "eth0"}), "interface: {'ipv5': 'eth0'}"),
        ((RULES, None, None, None, "192.0.2.1"), "destinations: '192.0.2.1' is no dictionary"),
        ((RULES, None, None, None, {"ipv5": "x"}), "is no dictionary of families"),
        ((RULES, None, None, None, {"ipv4": "2001:db8::1"}), "'2001:db8::1' is no IPv4"),
        ((RULES, None, None, None, {"ipv6": "2001:db8::/64"}), "is not one address"),
        ((RULES, None, None, None, None, [0]), "ports: 0 is no port"),
        ((RULES, None, None, None, None, ["ssh"]), "ports: 'ssh'"),
        ((RULES, None, None, None, None, ["9-8"]), "ports: '9-8'"),
        ((RULES, None, None, None, None, ["1-2-3"]), "ports: '1-2-3'"),
        ((RULES, None, None, None, None, [True]), "ports: True"),
        ((RULES, None, None, None, None, [[1]]), "ports: [1]"),
        ((RULES, None, None, None, None, [""]), "ports: ''"),
        ((RULES, None, None, None, None, 65536), "ports: 65536"),
        ((RULES, None, None, None, None, []), "names no port"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(RolloutError) as caught:
        firewall_parity(*arguments)
    assert message in str(caught.value)


def test_arguments_stay_as_they_are():
    arguments = [{"ipv4": saved(*port(22)), "ipv6": ""}, dict(TWINS), ["192.0.2.1"], "eth0", {}, [22]]
    before = copy.deepcopy(arguments)
    firewall_parity(*arguments)
    assert arguments == before
