# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is added to translated rules, since IPv4 rules don't speak of it: ICMPv6, and DHCPv6 of a client."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import HOST
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate import ip6tables_rules


def chain(text: str, name: str, **given: t.Any) -> list[str]:
    return [line for line in ip6tables_rules(text, **given)["rules"].splitlines() if line.startswith(f"-A {name} ")]


@pytest.mark.parametrize(
    ("text", "added"),
    [
        (":INPUT DROP [0:0]", True),
        (":INPUT ACCEPT [0:0]", False),
        ("-A INPUT -p tcp -j ACCEPT", False),
        ("-A INPUT -p tcp -j DROP", True),
        ("-A INPUT -p tcp -j REJECT", True),
        ("-A INPUT -j own\n:own - [0:0]", True),
        ("-A INPUT -g own\n:own - [0:0]", True),
        ("-A INPUT -s 203.0.113.9 -j DROP", False),  # which is not in the result
        ("*mangle\n-A INPUT -j own\n:own - [0:0]\nCOMMIT", False),
        ("*mangle\n-A INPUT -j own\n-A own -j own2\n-A own2 -p icmp -j DROP\nCOMMIT", True),
        ("*mangle\n-A INPUT -p icmp -j DROP\nCOMMIT", True),
        ("*raw\n-A PREROUTING -p icmp -j DROP\nCOMMIT", True),
    ],
)
def test_where_icmpv6_is_added(text: str, added: bool) -> None:
    rules = ip6tables_rules(text)["rules"]
    assert ("NEEDED-ICMPV6" in rules) is added
    assert "NEEDED-ICMPV6" not in ip6tables_rules(text, icmpv6=False)["rules"]


def test_the_needed_messages() -> None:
    needed = chain(":INPUT DROP [0:0]", "NEEDED-ICMPV6")
    types = {line.split("--icmpv6-type ")[1].split()[0] for line in needed}
    assert types == {message.type for message in HOST} - {"128", "129"}
    assert all('-m comment --comment "ipv6.rollout: ' in line and "RFC 4890 4.4." in line for line in needed)
    for kind in ("133", "134", "135", "136", "141", "142", "148", "149"):
        assert all("-m hl --hl-eq 255" in line for line in needed if f"--icmpv6-type {kind} " in line)
    assert [line.split()[3] for line in needed if "--icmpv6-type 134 " in line] == ["fe80::/10"]
    forward = chain(":FORWARD DROP [0:0]", "NEEDED-ICMPV6-FWD")
    assert {line.split("--icmpv6-type ")[1].split()[0] for line in forward} == {"1", "2", "3", "4"}


def test_a_name_that_is_taken_is_left_alone() -> None:
    text = ":INPUT DROP [0:0]\n:NEEDED-ICMPV6 - [0:0]\n-A NEEDED-ICMPV6 -j DROP\n-A INPUT -j NEEDED-ICMPV6\n"
    rules = chain(text, "INPUT")
    assert (rules[0], rules[-1]) == ("-A INPUT -p ipv6-icmp -j NEEDED-ICMPV6-2", "-A INPUT -j NEEDED-ICMPV6")
    assert chain(text, "NEEDED-ICMPV6") == ["-A NEEDED-ICMPV6 -j DROP"]


NOTE = '-m comment --comment "ipv6.rollout: DHCPv6, RFC 8415" -j ACCEPT'
FROM_SERVER = [f"-s fe80::/10 -p udp -m udp --sport 547 --dport 546 {NOTE}"]
TO_SERVER = [f"-d {end} -p udp -m udp --sport 546 --dport 547 {NOTE}" for end in ("ff02::1:2/128", "fe80::/10")]


@pytest.mark.parametrize(
    ("text", "name", "added"),
    [
        (":INPUT DROP [0:0]\n-A INPUT -p tcp -j ACCEPT", "INPUT", FROM_SERVER),
        (":OUTPUT DROP [0:0]\n-A OUTPUT -p tcp -j ACCEPT", "OUTPUT", TO_SERVER),
        (":FORWARD DROP [0:0]\n-A FORWARD -p tcp -j ACCEPT", "FORWARD", []),
        ("*raw\n:PREROUTING DROP [0:0]\n-A PREROUTING -p tcp -j ACCEPT\nCOMMIT", "PREROUTING", FROM_SERVER),
        ("*mangle\n:POSTROUTING DROP [0:0]\n-A POSTROUTING -p tcp -j ACCEPT\nCOMMIT", "POSTROUTING", TO_SERVER),
    ],
)
def test_dhcpv6_goes_on(text: str, name: str, added: list[str]) -> None:
    """An IPv4 client reads its packets before any rule, so that no IPv4 rule set lets DHCP through."""
    rules = [line.split(" ", 2)[2] for line in chain(text, name)]
    assert rules[1:-1] == added
    assert rules[-1] == "-p tcp -j ACCEPT"
    assert chain(text, name, icmpv6=False) == [f"-A {name} -p tcp -j ACCEPT"]
