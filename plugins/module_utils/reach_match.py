# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets a rule matches: the part of all ports and sources, and whether that can be told from the rule.

The packet is the first one of a connection that comes from outside to the host itself: a TCP SYN, a UDP datagram,
an echo request, or a plain packet of another protocol. Its source address and its port are what rules divide.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_options import READERS
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import Answer, Clients, Ports, Sources, View
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option, Rule

REFUSING = {"DROP", "REJECT"}
# Modules whose options are decided below, each by its name.
DECIDED = {
    "",
    "addrtype",
    "comment",
    "conntrack",
    "dccp",
    "icmp",
    "icmp6",
    "icmpv6",
    "iprange",
    "multiport",
    "pkttype",
    "policy",
    "rpfilter",
    "sctp",
    "state",
    "tcp",
    "udp",
    "udplite",
}
# Modules that look for a header which a plain packet does not have: without it they never match, negated or not.
EXTENSION_HEADERS = {"dst", "frag", "hbh", "mh", "rt"}


class Area(t.NamedTuple):
    """The packets that a rule matches, or may match: ``doubt`` says what can't be decided."""

    ports: Set
    sources: Set
    doubt: str = ""


def area(rule: Rule, view: View) -> t.Optional[Area]:
    """Return what a rule matches, or None where it matches no such packet."""
    ports, sources = view.axis, view.everyone
    doubts: t.List[str] = []
    for match in rule.matches:
        answer = _module(match, view)
        if answer is False:
            return None
        if answer is None:
            doubts.append(f"-m {match.module}")
        for option in match.options:
            found = _option(option, view)
            if isinstance(found, Clients):
                found = _of_clients(option.negated, rule.target)
            if found is False:
                return None
            if found is None:
                if answer is not None:
                    doubts.append(str(option))
            elif isinstance(found, Ports):
                ports = intervals.common(ports, found.within)
            elif isinstance(found, Sources):
                sources = intervals.common(sources, found.within)
    if not ports or not sources:
        return None
    return Area(ports, sources, ", ".join(doubts))


def _of_clients(negated: bool, target: str) -> t.Optional[bool]:
    """Whether ordinary clients are enough to decide: they are let in; but who is to be refused picks a lower port."""
    if negated:
        return False if target in REFUSING else None
    return True if target == "ACCEPT" else None


def _module(match: Match, view: View) -> t.Optional[bool]:
    if match.module in EXTENSION_HEADERS or (
        match.module == "ah" and view.family == "ipv6" and 51 not in view.protocols
    ):
        return False
    return True if match.module in DECIDED else None


def _option(option: Option, view: View) -> Answer:
    read = READERS.get(option.name)
    answer = read(option, view) if read else None
    if option.negated:
        if isinstance(answer, bool):
            return not answer
        if isinstance(answer, Ports):
            return Ports(intervals.without(view.axis, answer.within))
        if isinstance(answer, Sources):
            return Sources(intervals.without(view.everyone, answer.within))
    return answer
