# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for subnets, level by level, from the top of the tree down.

What has a place keeps it (and grows in place where it says a shorter length), what comes back gets its retired place,
then come pins, then the rest in the order of the input. Where that order leaves no room for a large subnet between
small ones, the large ones go first.

A level whose subnets are all alike (a /64 each, nothing pinned, nothing retired in it) is placed at once; see
:meth:`Planner._place_alike`. That is for speed alone: the general way gives the same places.
"""

from __future__ import annotations

import bisect
import itertools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import growth as orders
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.blocks import block_texts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import Column, Retired, State, inside
from ansible_collections.ipv6.rollout.plugins.plugin_utils.room import Room
from ansible_collections.ipv6.rollout.plugins.plugin_utils.subnets import (
    LEAF,
    VARIABLE,
    Level,
    Subnet,
    Tree,
    refuse_doubles,
)

NOBODY: t.AbstractSet[int] = frozenset()
FEW = 64  # so many new subnets are put between the old ones one by one


class Planner:
    """Gives the subnets of a tree their places: reads ``old`` and ``retired``, fills ``state``."""

    def __init__(self, old: State, state: State, retired: Retired, tree: Tree) -> None:
        self.old = old
        self.state = state
        self.retired = retired
        self.tree = tree

    def place_all(self) -> None:
        """Place every subnet of the tree."""
        self._level(self.tree.top, self.state.root, list(self.retired.subnets), [])

    def _level(self, level: Level, place: Prefix, near: t.Sequence[str], withheld: list[Prefix]) -> None:
        """Place the subnets of one parent, then theirs.

        :param near: the retired entries that lie in the parent
        :param withheld: what is reserved in it, by those above it
        """
        if len(set(level.paths)) < len(level.paths):
            refuse_doubles(level)
        near = [key for key in near if key in self.retired.subnets]
        withheld = withheld + level.reserved_blocks(place)
        if not near and not withheld and self._place_alike(level, place):
            return
        places = self._places(level, place, near, withheld)
        below = _split(near, self.retired, places) if near else {}
        subnets = self.state.subnets
        for path, (first, length) in sorted(places.items(), key=lambda item: item[1]):
            subnets[path] = prefix_text(first, length)
            subnet = level.marked.get(path)
            if subnet is not None and subnet.subnets is not None:
                # Who is pinned into what is reserved may give all of it out.
                kept_back = [block for block in withheld if block[1] > length and inside(*block, first, length)]
                self._level(subnet.subnets, (first, length), below.get(path, ()), kept_back)

    # ------------------------------------------------------------------------------------------ all alike

    def _place_alike(self, level: Level, place: Prefix) -> bool:
        """Place a level at once where all of it is alike; return False, with nothing done, where it is not."""
        growth, bits = level.growth, LEAF - place[1]
        if level.marked or growth == "hash" or bits < 0:
            return False
        column = self.old.columns.get(level.above[:-1], Column([], [], [], NOBODY, LEAF))
        new = level.paths
        if self.old.subnets:
            new = [path for path in level.paths if path in self.old.new] if self.tree.inner else list(self.old.new)
        if column.length != LEAF or len(new) + len(column.paths) != len(level.paths) or len(level.paths) > 1 << bits:
            return False
        if new:
            # Of the first n numbers of the order, no more are taken than there are kept subnets.
            turn = orders.first_numbers(growth, bits, len(level.paths))
            fresh = list(itertools.islice(itertools.filterfalse(column.taken.__contains__, turn), len(new)))
            column = _merged(column, new, fresh, place)
        self.state.columns[level.above[:-1]] = column
        self.state.subnets.update(zip(column.paths, column.texts))
        return True

    # ------------------------------------------------------------------------------------------ one by one

    def _places(self, level: Level, place: Prefix, near: t.Sequence[str], withheld: list[Prefix]) -> dict[str, Prefix]:
        """Return the place of each subnet of a level."""
        places: dict[str, Prefix] = {}
        new = []
        for path in level.paths:
            if path in self.old.subnets:
                places[path] = self.old.place(path)
            elif path in self.retired.subnets and self._goes_back(path, level.marked.get(path), place):
                places[path] = self.retired.subnets.pop(path)[0]
            else:
                new.append(path)
        room = Room(*place)
        for kept in places.values():
            room.take(*kept)
        for key in near:
            if key in self.retired.subnets:
                room.take(*self.retired.subnets[key][0])
        for path, kept in places.items():
            subnet = level.marked.get(path)
            if subnet is not None:
                places[path] = self._settle(subnet, place, kept, room, withheld)
        if new:
            self._place_new(level, place, new, room, places, withheld)
        return places

    def _goes_back(self, path: str, subnet: Subnet | None, parent: Prefix) -> bool:
        """Tell whether the retired place of a name that comes back still goes with what the user writes."""
        first, length = self.retired.subnets[path][0]
        if not inside(first, length, *parent):
            return False
        if subnet is None:
            return True
        if subnet.place is not None:
            return subnet.place[0] == first
        return subnet.number is None or subnet.number == _number(first, subnet.length or length, parent)

    def _settle(self, subnet: Subnet, parent: Prefix, kept: Prefix, room: Room, withheld: list[Prefix]) -> Prefix:
        """Return the place of a subnet that has one, with the length that it says now."""
        first, length = kept
        wanted = length if subnet.length is None else subnet.length
        if wanted < parent[1]:
            _too_wide(subnet.path, wanted, parent, said=True)
        if wanted < length:
            self._grow(subnet.path, kept, wanted, room, withheld)
        elif wanted > length:
            self._shrink(subnet.path, (first, wanted), prefix_text(first, length), room)
        moves = "and nothing that has a place moves; write that, or give the subnet another name"
        if subnet.place is not None and subnet.place != (first, wanted):
            raise RolloutError(
                f"{VARIABLE}: {subnet.path}: prefix: {prefix_text(*subnet.place)} is not where the plan has it, "
                f"{prefix_text(first, wanted)}, {moves}"
            )
        number = _number(first, wanted, parent)
        if subnet.number is not None and subnet.number != number:
            raise RolloutError(
                f"{VARIABLE}: {subnet.path}: {subnet.number_text} is not where the plan has it: "
                f"{prefix_text(first, wanted)} is number '{number:x}', {moves}"
            )
        return first, wanted

    def _grow(self, path: str, kept: Prefix, wanted: int, room: Room, withheld: list[Prefix]) -> None:
        """Take the space behind a subnet for it; raise RolloutError saying what is in the way."""
        first, length = kept
        what = f"{VARIABLE}: {path}: length: {prefix_text(first, length)} cannot grow to a /{wanted} in place"
        way_out = f"keep the length {length}, or add a further subnet"
        if first & ((1 << (128 - wanted)) - 1):
            raise RolloutError(f"{what}: it does not begin where a /{wanted} does; {way_out}")
        for step in range(wanted + 1, length + 1):
            half = first + (1 << (128 - step))
            if not room.free(half, step):
                raise RolloutError(f"{what}: {self._blocker(half, step)} is in the way; {way_out}")
            for block in withheld:
                if inside(half, step, *block) or inside(*block, half, step):
                    raise RolloutError(f"{what}: {prefix_text(*block)} is reserved; {way_out}")
        room.take(first, wanted)

    def _shrink(self, path: str, place: Prefix, text: str, room: Room) -> None:
        """See that nothing in a subnet would be outside of it, and that it does not become a link where none may be."""
        if room.unfit(*place):
            raise RolloutError(
                f"{VARIABLE}: {path}: length: {text} cannot shrink to a /{place[1]}: that is for a link, and it would "
                "hold reserved identifiers of its /64 (RFC 6164, section 6); keep the length"
            )
        below = f"{path}/"
        for inner in self.old.subnets:
            if inner.startswith(below) and inner in self.tree.paths and not inside(*self.old.place(inner), *place):
                raise RolloutError(
                    f"{VARIABLE}: {path}: length: {text} cannot shrink to {prefix_text(*place)}: {inner} "
                    f"({self.old.subnets[inner]}) would be outside; keep the length"
                )
        for inner, ((first, length), since) in self.retired.subnets.items():
            if inner.startswith(below) and length < place[1] and inside(*place, first, length):
                raise RolloutError(
                    f"{VARIABLE}: {path}: length: {text} cannot shrink to {prefix_text(*place)}: {inner} "
                    f"({prefix_text(first, length)}, retired since {since} and not purged) is wider; keep the length, "
                    "or purge the plan first"
                )

    def _place_new(
        self,
        level: Level,
        place: Prefix,
        new: list[str],
        room: Room,
        places: dict[str, Prefix],
        withheld: list[Prefix],
    ) -> None:
        """Place the subnets that have no place: pins first, then the order of the input."""
        free = []
        lengths: dict[str, int] = {}
        for path in new:
            subnet = level.marked.get(path)
            length = self._length(subnet, place[1])
            if length < place[1]:
                _too_wide(path, length, place, said=subnet is not None and subnet.length is not None)
            if subnet is not None and (subnet.number is not None or subnet.place is not None):
                places[path] = self._pin(subnet, length, place, room, places)
                room.take(*places[path])
            else:
                lengths[path] = length
                free.append(path)
        if not free:
            return
        for block in withheld:  # a pin may lie in what is reserved: that is what it is reserved for
            room.take(*block)
        fixed = [*places.values(), *withheld]
        if level.growth == "hash":
            free.sort(key=lambda path: (lengths[path], orders.by_name(_name(path), 64), path))
        missing = _automatic(level, free, lengths, room, places)
        if missing is not None and level.growth != "hash":
            room = Room(*place)
            for kept in fixed:
                room.take(*kept)
            for kept, _since in self.retired.subnets.values():
                if inside(*kept, *place):
                    room.take(*kept)
            large_first = sorted(free, key=lengths.__getitem__)
            missing = _automatic(level, large_first, lengths, room, places)
        if missing is not None:
            self._full(level, place, missing, lengths[missing], withheld)

    def _pin(self, subnet: Subnet, length: int, parent: Prefix, room: Room, places: dict[str, Prefix]) -> Prefix:
        what = f"{VARIABLE}: {subnet.path}"
        if subnet.place is not None:
            first = subnet.place[0]
            if not inside(*subnet.place, *parent):
                raise RolloutError(
                    f"{what}: prefix: {prefix_text(*subnet.place)} is not inside {prefix_text(*parent)}; write one "
                    "that is, or a 'number', which goes along when the prefix changes"
                )
            pin = f"prefix: {prefix_text(*subnet.place)}"
        else:
            number = t.cast(int, subnet.number)
            if number >> (length - parent[1]):
                raise RolloutError(
                    f"{what}: {subnet.number_text} is too large: the last /{length} in {prefix_text(*parent)} has the "
                    f"number '{(1 << (length - parent[1])) - 1:x}'"
                )
            first = parent[0] + (number << (128 - length))
            pin = f"{subnet.number_text} is {prefix_text(first, length)}, which"
        if not room.free(first, length):
            blocker = self._blocker(first, length, places)
            raise RolloutError(f"{what}: {pin} overlaps {blocker}; take another one")
        if room.unfit(first, length):
            raise RolloutError(
                f"{what}: {pin} holds reserved identifiers of its /64 (RFC 6164, section 6); take another one"
            )
        return first, length

    # ------------------------------------------------------------------------------------------ lengths

    def _length(self, subnet: Subnet | None, above: int) -> int:
        """Return the length of a new subnet: what it says, a /64 for a leaf, room for all its own for a site."""
        if subnet is None:
            return LEAF
        if subnet.length is not None:
            return subnet.length
        return LEAF if subnet.subnets is None else self._inner_length(subnet.subnets, above)

    def _inner_length(self, level: Level, above: int) -> int:
        """Choose the length of a site that says none: room for twice its subnets, on a nibble boundary, a /64 at least.

        Links take a /64 of their own, so that they are all in one place (RFC 6164, RFC 7381).
        """
        total, floor = self._need(level)
        if above < LEAF:
            floor = max(floor, 128 - LEAF)
        exact = 128 - max((total - 1).bit_length(), floor)
        doubled = 128 - max((2 * total - 1).bit_length(), floor)
        for length in (doubled // 4 * 4, doubled, exact):
            if length > above:
                return length
        return max(exact, above)

    def _need(self, level: Level) -> tuple[int, int]:
        """Return how many addresses the subnets of a site need, and the bits that its numbers need."""
        total, floor = (len(level.paths) - len(level.marked)) << (128 - LEAF), 0
        for subnet in level.marked.values():
            length = self._length(subnet, 0)
            total += 1 << (128 - length)
            if subnet.number is not None:
                floor = max(floor, subnet.number.bit_length() + 128 - length)
        for _text, first, last, length, place in level.reserved:
            if place is None:
                total += (last + 1 - first) << (128 - length)
                floor = max(floor, last.bit_length() + 128 - length)
        return total, floor

    # ------------------------------------------------------------------------------------------ refusals

    def _blocker(self, first: int, length: int, places: t.Mapping[str, Prefix] | None = None) -> str:
        """Name the entry that overlaps a block."""
        known = {path: self.old.place(path) for path in self.old.subnets}
        known.update((path, self.state.place(path)) for path in self.state.subnets)
        known.update(places or {})
        for path, place in known.items():
            if path in self.tree.paths and (inside(first, length, *place) or inside(*place, first, length)):
                return f"{path} ({prefix_text(*place)})"
        for path, (place, since) in self.retired.subnets.items():
            if inside(first, length, *place) or inside(*place, first, length):
                return f"{path} ({prefix_text(*place)}, retired since {since} and not purged)"
        return "another subnet"

    def _full(self, level: Level, place: Prefix, path: str, length: int, withheld: list[Prefix]) -> t.NoReturn:
        name = level.above[:-1] or "ipv6_prefix"
        waiting = sum(inside(*kept, *place) for kept, _since in self.retired.subnets.values())
        ways = ["reserve less"] if withheld else []
        ways.append("give it a longer 'length'")
        ways.append(f"give {name} a shorter one" if level.above else "use a shorter ipv6_prefix")
        if waiting:
            ways.append(f"purge what is retired ({waiting} in here)")
        raise RolloutError(
            f"{VARIABLE}: {path}: {name} ({prefix_text(*place)}) has no free /{length} left; {', or '.join(ways)}"
        )


def _merged(column: Column, new: list[str], fresh: list[int], place: Prefix) -> Column:
    """Return a column with new subnets in it, in address order; a few are put into the lists that it has."""
    if len(new) < FEW:
        paths, texts, numbers = column.paths, column.texts, column.numbers
        for path, number, text in zip(new, fresh, block_texts(place, column.length, fresh)):
            index = bisect.bisect(numbers, number)
            paths.insert(index, path)
            texts.insert(index, text)
            numbers.insert(index, number)
    else:
        owners = dict(zip(fresh, new))
        owners.update(zip(column.numbers, column.paths))
        numbers = sorted(owners)
        paths = list(map(owners.__getitem__, numbers))
        texts = block_texts(place, column.length, numbers)
    return Column(paths, texts, numbers, NOBODY, column.length)


def _automatic(
    level: Level, free: list[str], lengths: dict[str, int], room: Room, places: dict[str, Prefix]
) -> str | None:
    """Give each its next place; return the first that finds none."""
    for path in free:
        length = lengths[path]
        first = room.next(length, level.growth, _name(path))
        if first is None:
            return path
        places[path] = (first, length)
    return None


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _number(first: int, length: int, parent: Prefix) -> int:
    return (first - parent[0]) >> (128 - length)


def _too_wide(path: str, length: int, parent: Prefix, said: bool) -> t.NoReturn:
    raise RolloutError(
        f"{VARIABLE}: {path}: a /{length} does not fit into {prefix_text(*parent)}; give it a longer 'length'"
        + ("" if said else f" (a leaf is a /{LEAF} unless it says otherwise)")
    )


def _split(near: t.Iterable[str], retired: Retired, places: t.Mapping[str, Prefix]) -> dict[str, list[str]]:
    """Sort retired entries by the child in whose prefix they lie."""
    owners = {place: path for path, place in places.items()}
    lengths = sorted({length for _first, length in places.values()}, reverse=True)
    below: dict[str, list[str]] = {}
    for key in near:
        if key not in retired.subnets:
            continue
        first, length = retired.subnets[key][0]
        for wider in lengths:
            if wider <= length:
                owner = owners.get((first >> (128 - wider) << (128 - wider), wider))
                if owner is not None:
                    below.setdefault(owner, []).append(key)
    return below
