# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the firewall of one family lets in to a socket."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from bisect import bisect_right

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, hosts, view_of
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import PROTOCOLS
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import PORTS, View, address_range
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import PortReach, RuleSet
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Fate

KINDS = ("tcp", "udp")
OPEN = ("everyone", "all_but")
MANY = {"ipv4": 1 << 24, "ipv6": 1 << 112}
"""More addresses than these, a /8 or /16, belong to nobody alone: a rule for 2000::/3 is one for everyone."""
NEIGHBOURS = address_range("fe80::/10", "ipv6") or ()
ADDRESSES = 8
"""So many addresses of a host are asked about one by one; with more, rules for one of them are undecided."""

# A source like any other, if it is among those that are meant. Rules for it alone would be odd.
ANYBODY = {"ipv4": int(ipaddress.IPv4Address("203.0.113.77")), "ipv6": int(ipaddress.IPv6Address("2001:db8:ffff::77"))}


class Way(t.NamedTuple):
    """How packets come to a socket: the interface, and the host's own address; empty for any."""

    interface: str
    destination: str


def is_open(fate: Fate, family: str) -> bool:
    """Whether the world gets in."""
    return fate.who in OPEN or sum(high - low for low, high in intervals.pairs(fate.accepted)) > MANY[family]


class Gate:
    """The rules of one family, and the way of packets from elsewhere to the host."""

    def __init__(self, told: t.Mapping[str, t.Any], family: str, trusted: Set) -> None:
        if "saved" not in told:
            raise RolloutError("_input: it has no rules; call host_info with 'rules: true'")
        self.family = family
        saved = [str(told["saved"]), str(told.get("other") or "")]
        self._rules = RuleSet(saved, family)
        self._found: t.Dict[Way, t.Dict[int, t.List[PortReach]]] = {}
        self._trusted = trusted
        self.unseen = [str(told["problem"])] if told.get("problem") else list(self._rules.unseen)
        """Why not all rules are known."""
        self.for_addresses = any(" -d " in text or "dst" in text for text in saved)
        """Whether the host's own address may make a difference."""
        self._interfaces = sorted({name for text in saved for name in re.findall(r" -i (\S+)", text)})

    def tells(self, interface: str) -> tuple[bool, ...]:
        """What the rules make of an interface: those that they treat alike have the same answer."""
        return tuple(
            interface.startswith(name[:-1]) if name.endswith("+") else interface == name for name in self._interfaces
        )

    def everyone(self, neighbours: bool = False) -> Set:
        """All who may be clients: those elsewhere, or for a socket that only the link can reach the neighbours."""
        if neighbours and self.family == "ipv6":
            return NEIGHBOURS
        known = intervals.either(self._trusted, NEIGHBOURS) if self.family == "ipv6" else self._trusted
        return intervals.without(hosts(self.family), known)

    def fate(self, protocol: str, port: int, ways: t.Sequence[Way], sources: Set) -> Fate:
        """What happens to these sources. Who gets in by one of the ways gets in."""
        if self.unseen:
            return Fate((), (), sources)
        accepted: Set = ()
        depends: Set = ()
        for way in ways:
            reach = self._at(protocol, port, way)
            accepted = intervals.either(accepted, intervals.common(reach.accepted, sources))
            depends = intervals.either(depends, intervals.common(reach.depends, sources))
        depends = intervals.without(depends, accepted)
        return Fate(accepted, intervals.without(intervals.without(sources, accepted), depends), depends)

    def _at(self, protocol: str, port: int, way: Way) -> PortReach:
        """All ports are asked about at once, which takes about as long as one."""
        if way not in self._found:
            places: Set = ()
            for lane in range(len(KINDS)):
                places = intervals.either(places, intervals.moved((1, PORTS), PORTS * lane))
            found = self._found[way] = {}
            for number, reach in self._rules.walk(self._view(way), [(places, hosts(self.family))]).port_reach():
                found.setdefault(number, []).append(reach)
        ranges = self._found[way][PROTOCOLS[protocol]]
        return ranges[bisect_right(ranges, port, key=lambda reach: reach.low) - 1]

    def _view(self, way: Way) -> View:
        """The packets of both protocols: rules are read once for all that is asked about a way."""
        return view_of(Packet("tcp", 0, *way), self.family)._replace(protocols=tuple(PROTOCOLS[one] for one in KINDS))

    def because(self, protocol: str, port: int, ways: t.Sequence[Way], fate: Fate) -> str:
        """Name the rule that decides over those who get in; where nobody does, over everybody."""
        if self.unseen:
            return self.unseen[0]
        meant = fate.accepted or fate.depends or fate.refused
        if not meant:
            return ""
        if not self._rules.tables:
            return "there are no rules at all"
        source = ANYBODY[self.family] if intervals.holds(meant, ANYBODY[self.family]) else meant[0]
        place = PORTS * KINDS.index(protocol) + port
        wanted = "accept" if fate.accepted else "refuse" if fate.refused and not fate.depends else "depends"
        for way in ways:
            walk = self._rules.walk(self._view(way), [((place, place + 1), (source, source + 1))])
            steps = [step for step in walk.steps if (step.doubt if wanted == "depends" else step.outcome == wanted)]
            if steps:
                # Of all that let in, the one of the filter table says most.
                step = ([one for one in steps if one.table == "filter"] or steps)[-1]
                policy = isinstance(step.by, str)
                return f"{step} is {'ACCEPT' if wanted == 'accept' else 'DROP'}" if policy else str(step)
        return ""
