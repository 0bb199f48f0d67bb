# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which destinations are tried: RFC 6724, section 6, and what glibc makes of it.

glibc's getaddrinfo() follows RFC 3484, with tables and habits of its own (docs/address-selection.md lists them).
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import Row, policy_table
from ansible_collections.ipv6.rollout.plugins.plugin_utils.source_address import (
    GLOBAL,
    LOOPBACK,
    Address,
    Policy,
    Source,
    a_host,
    choose,
    choose_as_linux,
    common_prefix,
    read_address,
    read_source,
)

TITLES = (
    "avoid unusable destinations",
    "prefer matching scope",
    "avoid deprecated addresses",
    "prefer home addresses",
    "prefer matching label",
    "prefer higher precedence",
    "prefer native transport",
    "prefer smaller scope",
    "use longest matching prefix",
    "leave the order unchanged",
)
IMPLEMENTATIONS = ("rfc6724", "glibc")

# Labels are all that the kernel uses of a policy table.
KERNEL = Policy(tuple(Row(prefix, 0, label) for prefix, label in address_labels.KERNEL.items()))

Pair = t.Tuple[Address, t.Optional[Source]]


@dataclasses.dataclass(frozen=True)
class Place:
    """A destination, its source, and what each rule compares: of two places the one with more comes first."""

    destination: Address
    source: Source | None
    merits: tuple[int, ...]  # of rules 1 to 9
    family: int  # rule 9 compares places of one family


@dataclasses.dataclass(frozen=True)
class Decision:
    """A destination in its place, and the number of the rule that decided it."""

    place: Place
    rule: int

    @property
    def title(self) -> str:
        """The rule as people read it."""
        return f"rule {self.rule}: {TITLES[self.rule - 1]}"


def destination_order(
    destinations: object, sources: object, policy: object = None, implementation: object = "rfc6724"
) -> list[dict[str, str | None]]:
    """Return destinations in the order in which they are tried, each with its source and the rule that placed it."""
    if implementation not in IMPLEMENTATIONS:
        raise RolloutError(f"implementation: {shown(implementation)} is unknown; write {' or '.join(IMPLEMENTATIONS)}")
    glibc = implementation == "glibc"
    table = Policy(policy_table("glibc" if glibc else "rfc6724") if policy is None else policy_table(policy))
    there = [a_host(read_address(one, what), what) for one, what in _numbered(destinations, "destinations")]
    here = [read_source(one, what) for one, what in _numbered(sources, "sources")]
    if glibc:
        # Who sets a policy sets both of its places, as the role address_selection does.
        labels = KERNEL if policy is None else table
        pairs = [(one, None if _needs_zone(one) else choose_as_linux(one, here, labels)) for one in there]
        places = glibc_places(pairs, table, here)
    else:
        places = rfc_places([(one, choose(one, here, table)) for one in there], table)
    return [
        {
            "destination": one.place.destination.text,
            "source": one.place.source.address.text if one.place.source else None,
            "rule": one.title,
        }
        for one in explained(merge_sort(places))
    ]


def _numbered(value: object, what: str) -> list[tuple[object, str]]:
    """Return what stands in a list, each with the name that it has in messages."""
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is no list; write a list of addresses, even for one")
    return [(one, f"{what}[{index}]") for index, one in enumerate(value)]


def _needs_zone(destination: Address) -> bool:
    """Say whether Linux connects to an address in a zone alone."""
    return destination.link_local and not destination.zone


def rfc_places(pairs: t.Iterable[Pair], policy: Policy) -> list[Place]:
    """Return what RFC 6724 compares."""
    places = []
    for destination, source in pairs:
        home, shared = 0, 0
        if source:
            home = source.home_rank
            shared = common_prefix(source.address.number, destination.number, source.address.prefix)
        places.append(_place(destination, source, policy, home, shared))
    return places


def glibc_places(pairs: t.Iterable[Pair], policy: Policy, here: t.Iterable[Source]) -> list[Place]:
    """Return what glibc compares, with the sources that connect() gives, on a host that has these addresses."""
    listed = _as_glibc_lists(here)
    places = []
    for destination, source in pairs:
        if not source:
            places.append(_place(destination, None, policy, 0, 0))
            continue
        number = source.address.number
        entry = _as_glibc_finds(listed, number)
        if entry:
            seen = dataclasses.replace(entry, address=dataclasses.replace(source.address, prefix=entry.address.prefix))
        else:  # not deprecated, no prefix, and no interface, so not native
            seen = Source(dataclasses.replace(source.address, prefix=128), tunnel=True)
        shared = common_prefix(number, destination.number)
        if destination.ipv4 and not destination.mapped and shared < seen.address.prefix:
            shared = 0  # another subnet
        place = _place(destination, seen, policy, int(seen.home), shared)
        places.append(dataclasses.replace(place, source=source))
    return [_as_ipv6(place) if place.destination.mapped else place for place in places]


def _as_ipv6(place: Place) -> Place:
    """Return a place with an IPv4-mapped address as glibc sees it: an IPv6 address like any other, of global scope."""
    merits = list(place.merits)
    merits[1] = merits[0]  # its source is IPv4-mapped, too
    merits[7] = -GLOBAL
    return dataclasses.replace(place, merits=tuple(merits), family=6)


def _as_glibc_lists(here: t.Iterable[Source]) -> list[tuple[int, Source]]:
    """Return the addresses of a host, sorted. A point-to-point address stands there with its other end's number.

    On a host that has no IPv6 address but ::1 glibc throws the list away.
    """
    listed = [(source.address.number if source.peer is None else source.peer, source) for source in here]
    if all(source.address.ipv4 or number == LOOPBACK for number, source in listed):
        return []
    return sorted(listed, key=lambda one: one[0])


def _as_glibc_finds(listed: list[tuple[int, Source]], number: int) -> Source | None:
    """Return the entry of an address as bsearch() finds it: if it is there twice, any of them."""
    low, high = 0, len(listed)
    while low < high:
        middle = (low + high) // 2
        if listed[middle][0] == number:
            return listed[middle][1]
        if number < listed[middle][0]:
            high = middle
        else:
            low = middle + 1
    return None


def _place(destination: Address, source: Source | None, policy: Policy, home: int, shared: int) -> Place:
    scope = policy.scope(destination)
    row = policy.row(destination)
    if source is None:
        merits = (0, 0, 0, 0, 0, row.precedence, 0, -scope, 0)
    else:
        merits = (
            1,
            int(policy.scope(source.address) == scope),
            int(not source.deprecated),
            home,
            int(policy.row(source.address).label == row.label),
            row.precedence,
            int(not source.tunnel),
            -scope,
            shared,
        )
    return Place(destination, source, merits, 4 if destination.ipv4 else 6)


def decide(one: Place, other: Place) -> tuple[bool, int]:
    """Say whether the first of two places, which stood first, stays before the other, and by which rule."""
    for rule, (mine, its) in enumerate(zip(one.merits, other.merits, strict=True), start=1):
        if rule == 9 and one.family != other.family:
            continue
        if mine != its:
            return mine > its, rule
    return True, 10


def explained(ordered: list[Place]) -> list[Decision]:
    """Return destinations that are in order already, each with the rule that decided its place.

    Neighbours were compared with each other when they were merged, so the rule is the one that really decided.
    """
    decided = []
    for index, place in enumerate(ordered):
        before = max(index - 1, 0)
        rule = decide(ordered[before], ordered[before + 1])[1] if len(ordered) > 1 else 10
        decided.append(Decision(place, rule))
    return decided


def merge_sort(places: list[Place]) -> list[Place]:
    """Return places in order, sorted as glibc's qsort() sorts.

    Rule 9 compares addresses of one family only, so where IPv6 and IPv4 have one precedence the rules can go round in a
    circle. Then the result depends on what is compared with what.
    """
    if len(places) < 2:
        return places
    half = len(places) // 2
    left, right = merge_sort(places[:half]), merge_sort(places[half:])
    merged = []
    at_left = at_right = 0
    while at_left < len(left) and at_right < len(right):
        if decide(left[at_left], right[at_right])[0]:
            merged.append(left[at_left])
            at_left += 1
        else:
            merged.append(right[at_right])
            at_right += 1
    return merged + left[at_left:] + right[at_right:]
