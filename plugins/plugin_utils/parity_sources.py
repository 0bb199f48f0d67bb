# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the sources that get in over IPv4 are the same hosts as those that get in over IPv6."""

from __future__ import annotations

import typing as t
from bisect import bisect_left

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set

IPV4, IPV6 = "ipv4", "ipv6"


class Fate(t.NamedTuple):
    """What happens to all sources of a family at a port."""

    accepted: Set
    refused: Set
    depends: Set

    @property
    def who(self) -> str:
        """Who is let in, in one word: ``everyone``, ``nobody``, ``some``, ``all_but``, or ``depends``."""
        if not self.refused and not self.depends:
            return "everyone"
        if not self.accepted:
            return "depends" if self.depends else "nobody"
        return "all_but" if not self.depends and len(self.refused) < len(self.accepted) else "some"

    @property
    def sources(self) -> Set:
        """Who is meant where that is not everyone or nobody; for ``all_but`` those who are refused."""
        return {"some": self.accepted, "all_but": self.refused}.get(self.who, ())


class Comparison(t.NamedTuple):
    """``same``, ``differs`` or ``unknown``; and the IPv6 sources that are known to be missing or too many."""

    verdict: str
    missing: Set = ()
    extra: Set = ()
    unseen: bool = False  # there are rules that nobody has seen


Pair = t.Tuple[Set, Set]


class Twins:
    """IPv4 sources and the IPv6 ones of the same hosts, found by either."""

    def __init__(self, pairs: t.Iterable[Pair], everyone: t.Mapping[str, Set]) -> None:
        clipped = [
            (intervals.common(one, everyone[IPV4]), intervals.common(other, everyone[IPV6])) for one, other in pairs
        ]
        known = [pair for pair in clipped if all(pair)]
        self._by_ipv4 = sorted(known)
        self._by_ipv6 = sorted(known, key=lambda pair: (pair[1], pair[0]))
        self._first_ipv4 = [pair[0][0] for pair in self._by_ipv4]
        self._first_ipv6 = [pair[1][0] for pair in self._by_ipv6]

    def inside(self, sources: Set, family: str) -> list[Pair]:
        """The pairs of which the side of this family lies in the sources as a whole."""
        side = 0 if family == IPV4 else 1
        pairs = self._by_ipv6 if side else self._by_ipv4
        firsts = self._first_ipv6 if side else self._first_ipv4
        return [
            pair
            for low, high in intervals.pairs(sources)
            for pair in pairs[bisect_left(firsts, low) : bisect_left(firsts, high)]
            if intervals.common(sources, pair[side]) == pair[side]
        ]

    def image(self, sources: Set) -> Set | None:
        """The IPv6 sources of the same hosts as these IPv4 ones; None where they are not known for all."""
        pairs = self.inside(sources, IPV4)
        if not pairs or intervals.union([one for one, _other in pairs]) != sources:
            return None
        return intervals.union([other for _one, other in pairs])


def compare(fates: t.Mapping[str, Fate], twins: Twins) -> Comparison:
    """Say whether the same hosts get in over both families. Equal is only what is known to be equal."""
    one, other = fates[IPV4], fates[IPV6]
    if one.who == other.who and one.who in ("everyone", "nobody"):
        return Comparison("same")
    for this, that in ((one, other), (other, one)):
        if (this.who == "nobody" and that.accepted) or (this.who == "everyone" and that.refused):
            return Comparison("differs")
    missing = intervals.union(
        [intervals.common(other.refused, twin) for _source, twin in twins.inside(one.accepted, IPV4)]
    )
    extra = intervals.union(
        [twin for source, twin in twins.inside(other.accepted, IPV6) if intervals.common(one.refused, source)]
    )
    if not one.depends and not other.depends:
        let_in, kept_out = twins.image(one.accepted), twins.image(one.refused)
        if not missing and not extra and (let_in == other.accepted or kept_out == other.refused):
            return Comparison("same")
        if let_in is not None and let_in != other.accepted:
            missing, extra = intervals.without(let_in, other.accepted), intervals.without(other.accepted, let_in)
    if missing or extra:
        return Comparison("differs", missing, extra)
    return Comparison("unknown")
