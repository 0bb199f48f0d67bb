# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matches that mean something else in each family, or that depend on what a client picks."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, verdict

SOURCE = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::7"}
SSH = Packet("tcp", 22, "eth0")


def what(*rules, family="ipv4", policy="DROP"):
    """What happens to a packet."""
    saved = "\n".join(["*filter", f":INPUT {policy} [0:0]", ":A - [0:0]", *rules, "COMMIT", ""])
    return verdict(saved, family, SSH, SOURCE[family]).result


@pytest.mark.parametrize(
    ("rule", "policy", "result"),
    [
        ("--sport 1024:65535 --dport 22 -j ACCEPT", "DROP", "accept"),
        ("--sport 1024:65535 --dport 22 -j DROP", "ACCEPT", "depends"),
        ("--sport 1024:65535 -j A", "DROP", "depends"),
        ("! --sport 1024:65535 -j ACCEPT", "DROP", "depends"),
        ("! --sport 1024:65535 -j DROP", "ACCEPT", "accept"),
        ("--sport 1:65535 -j DROP", "ACCEPT", "refuse"),
        ("--sport :1023 -j ACCEPT", "DROP", "depends"),
    ],
)
def test_the_client_picks_its_port(rule, policy, result):
    assert what(f"-A INPUT -p tcp -m tcp {rule}", "-A A -j ACCEPT", policy=policy) == result


ADDRTYPES = [
    # family, option, accept
    ("ipv4", "--dst-type UNICAST", "refuse"),
    ("ipv4", "--dst-type LOCAL,MULTICAST", "accept"),
    ("ipv4", "--src-type UNICAST,LOCAL", "accept"),
    ("ipv4", "--src-type LOCAL,BROADCAST", "refuse"),
    ("ipv4", "--src-type BLACKHOLE", "depends"),
    ("ipv6", "--dst-type UNICAST", "accept"),
    ("ipv6", "! --dst-type UNICAST", "refuse"),
    ("ipv6", "--dst-type LOCAL", "accept"),
    ("ipv6", "--dst-type LOCAL,UNICAST", "accept"),
    ("ipv6", "--dst-type LOCAL,ANYCAST", "accept"),
    ("ipv6", "--dst-type LOCAL,MULTICAST", "refuse"),
    ("ipv6", "--dst-type ANYCAST", "refuse"),
    ("ipv6", "--src-type UNICAST", "accept"),
    ("ipv6", "--src-type UNICAST,LOCAL", "refuse"),
    ("ipv6", "--src-type MULTICAST,UNICAST", "refuse"),
    ("ipv6", "--src-type UNREACHABLE", "depends"),
]


@pytest.mark.parametrize(("family", "match", "result"), ADDRTYPES)
def test_address_types(family, match, result):
    assert what(f"-A INPUT -m addrtype {match} -j ACCEPT", family=family) == result
