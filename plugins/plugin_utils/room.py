# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The room inside one prefix: what is taken, whether a block is free, and which free block is next.

Blocks are kept as sets of numbers, one set a length, so a question costs one look into a set for each length in use
(one to three in real plans). Nothing is ever given back within a run, so each walk through an order only goes
forward: the next free place has a constant cost on average. Where a walk meets long stretches that are taken, it
goes on over the list of free blocks, which always ends.
"""

from __future__ import annotations

import heapq
import itertools
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import growth as orders
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import LOW_64
from ansible_collections.ipv6.rollout.plugins.plugin_utils.blocks import aligned_blocks

PATIENCE = 1024  # how many places inside larger taken blocks a walk looks at before it turns to the list of free blocks
HASH_ATTEMPTS = 64
LONGEST_LAN = 120  # what is longer is for a link: it has no room for anycast addresses of its own (RFC 2526)


class Room:
    """What is taken inside ``first/length``."""

    def __init__(self, first: int, length: int) -> None:
        self.first = first
        self.length = length
        self._blocks: dict[int, set[int]] = {}  # length: numbers of the blocks of exactly that length
        self._touched: dict[int, set[int]] = {}  # length: numbers in which there is a block of that length or longer
        self._walks: dict[tuple[int, str], t.Iterator[int]] = {}
        self._heaps: dict[tuple[int, str], list[tuple[int, int, int]]] = {}

    def take(self, first: int, length: int) -> None:
        """Mark a block as taken."""
        number = first >> (128 - length)
        self._blocks.setdefault(length, set()).add(number)
        for wanted, touched in self._touched.items():
            if wanted <= length:
                touched.add(number >> (length - wanted))

    def free(self, first: int, length: int) -> bool:
        """Tell whether nothing overlaps a block."""
        number = first >> (128 - length)
        if number in self._touched_at(length):
            return False
        for wider, blocks in self._blocks.items():
            if wider < length and number >> (length - wider) in blocks:
                return False
        return True

    def _touched_at(self, length: int) -> set[int]:
        touched = self._touched.get(length)
        if touched is None:
            touched = set()
            for longer, blocks in self._blocks.items():
                if longer >= length:
                    touched.update(number >> (longer - length) for number in blocks)
            self._touched[length] = touched
        return touched

    def next(self, length: int, growth: str, name: str = "") -> int | None:
        """Take the next free block of a length and return its first address, or None where there is none."""
        if length > LONGEST_LAN and self.length < 64:
            first = self._in_a_64_of_its_own(length, growth, name)
            if first is not None:
                return first
        if growth == "hash":
            return self._by_name(length, name)
        key = (length, growth)
        if key not in self._heaps:
            walk = self._walks.get(key)
            if walk is None:
                walk = self._walks[key] = orders.numbers(growth, length - self.length)
            shift = 128 - length
            for number in itertools.islice(walk, PATIENCE + len(self._touched_at(length))):
                first = self.first + (number << shift)
                if self.free(first, length) and not self.unfit(first, length):
                    self.take(first, length)
                    return first
            self._heaps[key] = self._free_blocks(length, growth)
        return self._from_heap(length, growth)

    def _in_a_64_of_its_own(self, length: int, growth: str, name: str) -> int | None:
        """Take the next free /64 for a link, and return a block in it (RFC 7381, section 2.6)."""
        around = self.next(64, growth, name)
        if around is None:
            return None
        self._blocks[64].discard(around >> 64)  # only the link is taken; it keeps other links out while there is room
        first = Room(around, 64).next(length, growth, name)
        if first is not None:
            self.take(first, length)
        return first

    def _by_name(self, length: int, name: str) -> int | None:
        bits = length - self.length
        for attempt in range(HASH_ATTEMPTS):
            first = self.first + (orders.by_name(name, bits, attempt) << (128 - length))
            if self.free(first, length) and not self.unfit(first, length):
                self.take(first, length)
                return first
        return self.next(length, "rightmost")

    def unfit(self, first: int, length: int) -> bool:
        """Tell whether a block for a link holds reserved identifiers of its /64 (RFC 6164, section 6)."""
        if length <= LONGEST_LAN or self.length > LONGEST_LAN:
            return False
        low = first & LOW_64
        return low == 0 or low >> 7 == LOW_64 >> 7

    def _free_blocks(self, length: int, growth: str) -> list[tuple[int, int, int]]:
        """Return the largest free blocks, as a heap by the turn of the first place in each.

        Inside an aligned block the lowest number has its turn first in every order: all its other bits are zero.
        """
        heap: list[tuple[int, int, int]] = []
        end = self.first
        for first, last in self._taken_ranges():
            if first > end:
                self._push_gap(heap, end, first, length, growth)
            end = max(end, last)
        self._push_gap(heap, end, self.first + (1 << (128 - self.length)), length, growth)
        heapq.heapify(heap)
        return heap

    def _taken_ranges(self) -> list[tuple[int, int]]:
        return sorted(
            (number << (128 - length), (number + 1) << (128 - length))
            for length, blocks in self._blocks.items()
            for number in blocks
        )

    def _push_gap(self, heap: list[tuple[int, int, int]], start: int, end: int, length: int, growth: str) -> None:
        for first, block in aligned_blocks(start, end):
            if block <= length:
                heap.append((self._turn(first, length, growth), first, block))

    def _turn(self, first: int, length: int, growth: str) -> int:
        return orders.place_of((first - self.first) >> (128 - length), growth, length - self.length)

    def _from_heap(self, length: int, growth: str) -> int | None:
        heap = self._heaps[length, growth]
        while heap:
            _turn, first, block = heapq.heappop(heap)
            if self.free(first, block):
                while block < length:  # keep the first place, put the rest back
                    block += 1
                    half = first + (1 << (128 - block))
                    heapq.heappush(heap, (self._turn(half, length, growth), half, block))
                if not self.unfit(first, length):
                    self.take(first, length)
                    return first
            elif block < length and not self._covered(first, block):  # another length took a part of it since
                block += 1
                for half in (first, first + (1 << (128 - block))):
                    heapq.heappush(heap, (self._turn(half, length, growth), half, block))
        return None

    def _covered(self, first: int, length: int) -> bool:
        number = first >> (128 - length)
        return any(wider <= length and number >> (length - wider) in blocks for wider, blocks in self._blocks.items())
