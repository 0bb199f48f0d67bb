# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as a packet meets them of which the state and the hop limit are known.

The reach of a rule set is asked about the first packet of a connection. Other packets matter as well: answers, errors,
and messages of the link. So what is known of such a packet is decided before, and the rules are left without it.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, Verdict, view_of
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import address_range
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import RuleSet
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option, Rule, parse_rule, unquoted

FAR = 57  # the hop limit of a packet that has come over some routers
STATES = ("--ctstate", "--state")
HOPS: dict[str, t.Callable[[int, int], bool]] = {
    "--hl-eq": lambda hops, told: hops == told,
    "--hl-lt": lambda hops, told: hops < told,
    "--hl-gt": lambda hops, told: hops > told,
}
# Who sends little is below any limit.
LIMITS = ("limit", "hashlimit")
ABOVE = "--hashlimit-above"
# What these say is read for packets to the host's own address, and is not true of those to a group.
OF_GROUPS = ("addrtype", "pkttype")


@functools.lru_cache(maxsize=512)
def settled(text: str, state: str, hops: int = FAR) -> str:
    """Return rules as one packet meets them: with this state of connection tracking and this hop limit."""
    lines = []
    for line in text.split("\n"):
        if not line.startswith("-A "):
            lines.append(line)
            continue
        rule = _settled(parse_rule(line), state, hops)
        if rule is not None:
            lines.append(str(rule))
    return "\n".join(lines)


def _settled(rule: Rule, state: str, hops: int) -> Rule | None:
    """Return the rule without what is known to match; None where something is known not to."""
    matches = []
    for match in rule.matches:
        if match.module in LIMITS:
            if any(option.name == ABOVE and not option.negated for option in match.options):
                return None
            continue
        left = []
        for option in match.options:
            answer = _answer(option, state, hops)
            if answer is None:
                left.append(option)
            elif answer == option.negated:
                return None
        if left or not match.options:
            matches.append(Match(match.module, tuple(left)))
    return rule._replace(matches=tuple(matches))


def _answer(option: Option, state: str, hops: int) -> bool | None:
    if option.name in STATES:
        return state in unquoted(option.value).upper().split(",")
    if option.name in HOPS and option.value.isdecimal():
        return HOPS[option.name](hops, int(option.value))
    return None


class Message(t.NamedTuple):
    """An ICMPv6 message to a host."""

    type: int
    code: int
    source: str
    destination: str = ""


class Rules:
    """The IPv6 rules of a host, asked about ICMPv6."""

    def __init__(self, texts: t.Sequence[str], interface: str) -> None:
        self._texts, self._interface = texts, interface
        self._read: dict[tuple[str, int], RuleSet] = {}
        self.of_groups = any(f"-m {module} " in text for text in texts for module in OF_GROUPS)

    def verdict(self, message: Message, state: str, hops: int) -> Verdict:
        """Say whether a message gets in, and which rule decides it."""
        if (state, hops) not in self._read:
            self._read[state, hops] = RuleSet([settled(text, state, hops) for text in self._texts], "ipv6")
        view = view_of(Packet("icmp", 0, self._interface, message.destination), "ipv6")
        place = 256 * message.type + message.code
        source = address_range(message.source, "ipv6") or ()
        walk = self._read[state, hops].walk(view, [((place, place + 1), source)])
        fate = next(iter(walk.port_reach()))[1]
        if fate.depends or (fate.accepted and fate.refused):
            doubts = [step for step in walk.steps if step.doubt]
            return Verdict("depends", str(doubts[0]) if doubts else "")
        result = "refuse" if fate.refused else "accept"
        steps = [step for step in walk.steps if step.outcome == result]
        steps = [step for step in steps if step.table == "filter"] or steps
        return Verdict(result, str(steps[-1]) if steps else "the policy of INPUT")
