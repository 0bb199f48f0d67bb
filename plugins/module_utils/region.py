# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A map from ports to sets of sources, for thousands of rules of which each takes a small part out.

Ports with the same sources form a group, so a rule about sources only is one operation on each group, however many
ports there are; and a rule about one port finds its group by bisection, however many groups there are.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left, bisect_right

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set

Block = t.Tuple[Set, Set]
"""Ports, and the sources that all of them have."""


class _Group:
    __slots__ = ("sources",)

    def __init__(self, sources: Set) -> None:
        self.sources = sources


class Region:
    """For each stretch of an axis the sources that are in."""

    def __init__(self, end: int, blocks: t.Iterable[Block] = ()) -> None:
        self._end = end
        self._nothing = _Group(())
        self._starts: t.List[int] = [0, end]
        self._groups: t.List[_Group] = [self._nothing, self._nothing]
        self._known: t.Dict[t.Tuple[_Group, Set], _Group] = {}  # what became of a group where the same was done to it
        self._blocks: t.Optional[t.List[t.Tuple[_Group, Set]]] = None
        self.add(blocks)

    def _cut(self, place: int) -> int:
        """Let a stretch begin at this place; return its number."""
        number = bisect_left(self._starts, place)
        if self._starts[number] != place:
            self._starts.insert(number, place)
            self._groups.insert(number, self._groups[number - 1])
        return number

    def _with_ports(self) -> t.List[t.Tuple[_Group, Set]]:
        """The groups that have sources, each with its ports."""
        if self._blocks is None:
            found: t.Dict[_Group, t.List[int]] = {}
            for number, group in enumerate(self._groups):
                if group.sources:
                    found.setdefault(group, []).append(number)
            self._blocks = [(group, self._ports_of(numbers)) for group, numbers in found.items()]
        return self._blocks

    def _ports_of(self, stretches: t.List[int]) -> Set:
        places: t.List[int] = []
        for number in stretches:
            if places and places[-1] == self._starts[number]:
                places[-1] = self._starts[number + 1]
            else:
                places += self._starts[number : number + 2]
        return tuple(places)

    def blocks(self) -> t.List[Block]:
        """What is in."""
        return [(ports, group.sources) for group, ports in self._with_ports()]

    def at(self, place: int) -> Set:
        """The sources that are in at one place of the axis."""
        return self._groups[bisect_right(self._starts, place) - 1].sources

    def places(self) -> t.List[int]:
        """Where sources may change."""
        return self._starts

    def _stretches(self, ports: Set) -> t.Iterator[int]:
        """The numbers of the stretches that these ports are made of."""
        for low, high in intervals.pairs(ports):
            yield from range(self._cut(low), self._cut(high))

    def add(self, blocks: t.Iterable[Block]) -> None:
        """Put ports and sources in."""
        for ports, sources in blocks:
            done: t.Dict[_Group, _Group] = {}
            for number in self._stretches(ports):
                group = self._groups[number]
                if group not in done:
                    done[group] = _Group(intervals.either(group.sources, sources))
                self._groups[number] = done[group]
            self._blocks = None

    def take(self, ports: Set, sources: Set, leave: bool = False) -> t.List[Block]:
        """Return what is in of these ports and sources, and take it out unless it is to be left."""
        if ports == (0, self._end):
            return self._take_of_all(sources, leave)
        found: t.Dict[_Group, t.List[int]] = {}
        for number in self._stretches(ports):
            if self._groups[number].sources:
                found.setdefault(self._groups[number], []).append(number)
        taken = []
        for group, numbers in found.items():
            part = intervals.common(group.sources, sources)
            if part:
                taken.append((self._ports_of(numbers), part))
                if not leave:
                    rest = self._rest(group, sources)
                    for number in numbers:
                        self._groups[number] = rest
                    self._blocks = None
        return taken

    def _rest(self, group: _Group, sources: Set) -> _Group:
        if (group, sources) not in self._known:
            rest = intervals.without(group.sources, sources)
            self._known[group, sources] = _Group(rest) if rest else self._nothing
        return self._known[group, sources]

    def _take_of_all(self, sources: Set, leave: bool) -> t.List[Block]:
        """The groups stay as they are, only their sources change."""
        taken = []
        for group, ports in self._with_ports():
            part = intervals.common(group.sources, sources)
            if part:
                taken.append((ports, part))
                if not leave:
                    group.sources = intervals.without(group.sources, sources)
        if taken and not leave:
            self._known.clear()
            if not all(group.sources for group, _ports in self._with_ports()):
                self._blocks = None
        return taken


class Heap:
    """Ports and sources that are only collected, and laid out at the end."""

    def __init__(self) -> None:
        self._found: t.Dict[Set, t.List[Set]] = {}

    def add(self, blocks: t.Iterable[Block]) -> None:
        """Put ports and sources in."""
        for ports, sources in blocks:
            self._found.setdefault(ports, []).append(sources)

    def region(self, end: int) -> Region:
        """Return all that was collected."""
        return Region(end, ((ports, intervals.union(sources)) for ports, sources in self._found.items()))

    def __bool__(self) -> bool:
        return bool(self._found)
