# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Large rule sets, and such as would take for ever."""

from __future__ import annotations

import time

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, hosts, verdict
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import PORTS, View
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import RuleSet

SSH = Packet("tcp", 22, "eth0")


def filter_table(*rules, chains=()):
    """A filter table as iptables-save prints it."""
    lines = [":INPUT DROP [0:0]", *(f":{chain} - [0:0]" for chain in chains), *rules]
    return "\n".join(["*filter", *lines, "COMMIT", ""])


def what(*rules, chains=()):
    """What happens to a packet."""
    return verdict(filter_table(*rules, chains=chains), "ipv4", SSH, "192.0.2.7").result


def test_chains_may_lie_very_deep():
    names = [f"C{number}" for number in range(2000)]
    rules = ["-A INPUT -j C0", *(f"-A {one} -j {other}" for one, other in zip(names, names[1:])), "-A C1999 -j ACCEPT"]
    assert what(*rules, chains=names) == "depends"


def client(number):
    """Every second address: none of them makes a larger prefix with another."""
    return f"198.{18 + number // 32768}.{number // 128 % 256}.{2 * number % 256}"


@pytest.mark.parametrize(
    "rule",
    [
        lambda number: f"-A INPUT -s {client(number)}/32 -j DROP",
        lambda number: f"-A INPUT -s {client(number)}/32 -p tcp -m tcp --dport 22 -j ACCEPT",
        lambda number: f"-A INPUT -p tcp -m tcp --dport {2 * number + 1} -j ACCEPT",
        lambda number: f"-A INPUT -s {client(number)}/32 -p tcp -m tcp --dport {2 * number + 1} -j ACCEPT",
        lambda number: (
            f"-A INPUT -p tcp -m tcp --dport {2 * number + 1} -j ACCEPT"
            if number < 2500
            else f"-A INPUT -s {client(number)}/32 -j ACCEPT"
        ),
    ],
)
def test_thousands_of_rules(rule):
    saved = filter_table(*map(rule, range(5000)))
    began = time.process_time()
    view = View("ipv4", (6, 17, 1, 253))
    found = list(RuleSet(saved, "ipv4").walk(view, [((0, 4 * PORTS), hosts("ipv4"))]).port_reach())
    assert time.process_time() - began < 5  # a tenth of it where nothing else runs
    assert sum(fate.high - fate.low + 1 for _protocol, fate in found) == 4 * PORTS


@pytest.mark.parametrize(
    ("matches", "end", "result"),
    [
        (("-m limit --limit 1/s", "-m mark --mark 0x1"), "ACCEPT", "depends"),
        (("-m limit --limit 1/s", "-m mark --mark 0x1"), "DROP", "refuse"),
        (("-p tcp", "-p tcp"), "RETURN", "refuse"),
    ],
)
def test_chains_that_share_chains(matches, end, result):
    names = [f"C{number}" for number in range(60)]
    rules = [f"-A {one} {match} -j {other}" for one, other in zip(names, names[1:]) for match in matches]
    began = time.process_time()
    assert what("-A INPUT -j C0", *rules, f"-A C59 -j {end}", chains=names) == result
    assert time.process_time() - began < 2


def test_more_ways_than_can_be_looked_at_are_undecided():
    """Every chain halves the sources in another way, so no packets come the same way twice."""
    names = [f"C{number}" for number in range(60)]
    rules = [
        f"-A {one} {match} -j {other}"
        for number, (one, other) in enumerate(zip(names, names[1:]))
        for match in (f"-s {client(number)} -m limit --limit 1/s", f"! -s {client(60 - number)} -m limit --limit 1/s")
    ]
    saved = filter_table("-A INPUT -j C0", *rules, "-A C59 -j DROP", chains=names)
    began = time.process_time()
    found = verdict(saved, "ipv4", SSH, "0.0.0.0/0")
    assert time.process_time() - began < 5
    assert found.result in ("depends", "refuse")
