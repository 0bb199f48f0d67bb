# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of whole numbers as the places where they begin and end: ``(2, 5, 9, 10)`` is 2, 3, 4 and 9.

A set of addresses or ports is one tuple, however large. Each set has one form, so equal sets are equal tuples.
"""

from __future__ import annotations

import typing as t
from bisect import bisect_left, bisect_right

Set = t.Tuple[int, ...]

_FEW = 16
"""Up to so many places, a set is put in or taken out one interval after the other."""


def holds(numbers: Set, number: int) -> bool:
    """Whether a number is in the set."""
    return bisect_right(numbers, number) % 2 == 1


def common(one: Set, other: Set) -> Set:
    """What is in both sets."""
    if len(one) < len(other):
        one, other = other, one
    if len(other) > _FEW:
        return _swept(one, other, lambda first, second: first and second)
    found: Set = ()
    for low, high in pairs(other):
        begin, end = bisect_right(one, low), bisect_left(one, high)
        found += (low,) * (begin % 2) + one[begin:end] + (high,) * (end % 2)
    return found


def without(one: Set, other: Set) -> Set:
    """What is in the first set and not in the second."""
    if len(other) > _FEW:
        return _swept(one, other, lambda first, second: first and not second)
    for low, high in pairs(other):
        begin, end = bisect_left(one, low), bisect_right(one, high)
        one = one[:begin] + (low,) * (begin % 2) + (high,) * (end % 2) + one[end:]
    return one


def either(one: Set, other: Set) -> Set:
    """What is in one of the sets, or in both."""
    if len(one) < len(other):
        one, other = other, one
    if len(other) > _FEW:
        return _swept(one, other, lambda first, second: first or second)
    for low, high in pairs(other):
        begin, end = bisect_left(one, low), bisect_right(one, high)
        one = one[:begin] + (low,) * (1 - begin % 2) + (high,) * (1 - end % 2) + one[end:]
    return one


def union(sets: t.Sequence[Set]) -> Set:
    """What is in any of many sets."""
    if len(sets) == 1:
        return sets[0]
    found: t.List[int] = []
    for low, high in sorted(pair for numbers in sets for pair in pairs(numbers)):
        if found and low <= found[-1]:
            found[-1] = max(found[-1], high)
        else:
            found += (low, high)
    return tuple(found)


def moved(numbers: Set, distance: int) -> Set:
    """All numbers, so much further on."""
    return tuple(number + distance for number in numbers)


def pairs(numbers: Set) -> t.Iterator[t.Tuple[int, int]]:
    """The intervals of a set: where each begins, and the first number after it."""
    return zip(numbers[::2], numbers[1::2])


def _swept(one: Set, other: Set, keep: t.Callable[[bool, bool], bool]) -> Set:
    found: t.List[int] = []
    inside_one = inside_other = inside = False
    ends_one, ends_other = set(one), set(other)
    for place in sorted(ends_one | ends_other):
        inside_one ^= place in ends_one
        inside_other ^= place in ends_other
        if keep(inside_one, inside_other) != inside:
            inside = not inside
            found.append(place)
    return tuple(found)
