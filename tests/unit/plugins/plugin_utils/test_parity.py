# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parity report: who gets in over which family, what is the same, what differs, and what nobody can tell."""

from __future__ import annotations

import copy
import ipaddress
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
        (({"ipv4": ["-A INPUT"], "ipv6": ""},), "is not text"),
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


# ------------------------------------------------------------------------------------------------- properties

CLIENTS = [f"192.0.2.{number}" for number in range(1, 9)]
MIRROR = {client: f"2001:db8::{client.rsplit('.', 1)[1]}" for client in CLIENTS}
SOME_RULES = st.lists(
    st.tuples(
        st.sampled_from([*CLIENTS, ""]), st.integers(1, 6), st.integers(0, 3), st.sampled_from(["ACCEPT", "DROP"])
    ),
    max_size=8,
)


def written(rules, twin):
    """The rules in words, for one family."""
    return [
        f"{f'-s {twin(source)} ' if source else ''}-p tcp --dport {low}:{low + more} -j {target}"
        for source, low, more, target in rules
    ]


@settings(deadline=None)
@given(SOME_RULES)
def test_rules_mirrored_are_the_same(rules):
    found = report(written(rules, str), written(rules, MIRROR.get), addresses=MIRROR)
    assert found["differences"] == []


@settings(deadline=None)
@given(SOME_RULES, SOME_RULES)
def test_equal_is_only_what_is_equal(one, other):
    found = report(written(one, str), written(other, MIRROR.get), addresses=MIRROR)

    def let_in(rules, client, number):
        for source, low, more, target in rules:
            if source in ("", client) and low <= number <= low + more:
                return target == "ACCEPT"
        return False

    told = {}
    for entry in found["entries"]:
        low, _dash, high = entry["ports"].partition("-")
        told.update(dict.fromkeys(range(int(low), int(high or low) + 1), entry["verdict"]))
    for number in range(1, 11):
        equal = all(let_in(one, client, number) == let_in(other, client, number) for client in [*CLIENTS, "else"])
        assert (told.get(number, "same") == "same") is equal, number


def test_thousands_of_rules():
    start = int(ipaddress.ip_address("198.18.0.0"))
    clients = [str(ipaddress.ip_address(start + 2 * number)) for number in range(5000)]
    twins = {client: f"2001:db8::{number:x}" for number, client in enumerate(clients)}
    ipv4 = [f"-s {client} -p tcp --dport {100 + number % 50} -j ACCEPT" for number, client in enumerate(clients)]
    ipv6 = [f"-s {twins[client]} -p tcp --dport {100 + n % 50} -j ACCEPT" for n, client in enumerate(clients)]
    began = time.process_time()
    found = report(ipv4, ipv6, addresses=twins)
    assert time.process_time() - began < 8  # about a second where nothing else runs
    assert found["summary"] == {"entries": 50, "same": 50, "differs": 0, "unknown": 0}
