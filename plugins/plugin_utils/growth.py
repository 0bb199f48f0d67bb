# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which numbers of a given width are given out: RFC 3531, and by name.

A counter runs through 0, 1, 2 and so on, and an order says which number each count stands for:

* *leftmost* mirrors the counter's bits, so that every subnet keeps as much room behind itself as can be.
* *rightmost* is plain counting.
* *centermost* starts with the bit in the middle and leaves room on both sides.

All orders go in rounds: round ``r`` takes one more bit than the rounds before it, and gives out the ``2**r`` numbers
that have this bit set. RFC 3531 fixes which bit each round takes. For 8 bits it prints the first nine values of each
order, 27 in all. These do not settle in which order centermost goes *within* a round: from the tenth value on, public
programs differ. Three ways are here:

======================  ==============================  ==================================================
growth                  8 bits, from the ninth value    within a round
======================  ==============================  ==================================================
centermost              32 40 48 56 36 44 52 60         as the rounds before: the counter's bits, permuted
centermost_ascending    32 36 40 44 48 52 56 60         ascending, as netaddr-rb has it
centermost_alternating  32 48 40 56 36 52 44 60         mirrored where the round's bit is left of the bits before
                                                        it, ascending where it is right: ipv6gen 1.0
======================  ==============================  ==================================================

The first is the default. It is the one that is a permutation of bits, as leftmost (the mirror of counting) and
rightmost are, so that count and number follow from each other by one rule.

Whatever the order, a round is a permutation of the counter's bits; so a number's turn, and the number of a turn, cost
a walk over the bits and never over the numbers. A width may be 111 bits (a /127 in a /16).
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import operator
import typing as t

ORDERS = ("leftmost", "centermost", "rightmost")
VARIANTS = ("centermost_ascending", "centermost_alternating")  # what each of them does differs from round to round
GROWTHS = (*ORDERS, *VARIANTS, "hash")


def bit_images(growth: str, bits: int) -> list[int]:
    """Return the bit (as a number, such as 8) that each round takes, from the first round on."""
    return list(_images(growth, bits))


@functools.cache
def _images(growth: str, bits: int) -> tuple[int, ...]:
    if growth == "leftmost":
        return tuple(1 << place for place in reversed(range(bits)))
    if growth.startswith("centermost"):
        # The middle (with an even width the bit behind it), then in turn the bit before and the bit after.
        middle = bits // 2
        around = (place for step in range(1, bits + 1) for place in (middle - step, middle + step))
        return tuple(1 << (bits - 1 - place) for place in (middle, *around) if 0 <= place < bits)
    return tuple(1 << place for place in range(bits))


@functools.cache
def _round(growth: str, bits: int, turn: int) -> tuple[int, ...]:
    """Return, for the counter's bits from the lowest to its highest one (``turn``), the bits that they set."""
    images = _images(growth, bits)[: turn + 1]
    if growth not in VARIANTS:
        return images
    *before, new = images
    mirrored = growth == "centermost_alternating" and new > max(before, default=new)
    return (*sorted(before, reverse=mirrored), new)


def numbers(growth: str, bits: int) -> t.Iterator[int]:
    """Yield all numbers of a width in their order; each costs the same, and nothing is kept."""
    yield 0
    for turn in range(bits):
        images = _round(growth, bits, turn)
        # What changes when the counter's trailing ones, and the zero above them, turn over.
        flips = list(itertools.accumulate(images, operator.or_))
        number = images[-1]
        yield number
        for counter in range(1, 1 << turn):
            number ^= flips[(counter & -counter).bit_length() - 1]
            yield number


def first_numbers(growth: str, bits: int, count: int) -> list[int]:
    """Return the first ``count`` numbers (all of them, where there are fewer), as :func:`numbers` yields them.

    Lists are doubled instead of numbers counted, which is more than twice as fast.
    """
    if growth not in VARIANTS:
        return _doubled(0, _images(growth, bits), count)
    found = _doubled(0, (), count)
    for turn in range(bits):
        if len(found) >= count:
            break
        *before, new = _round(growth, bits, turn)
        found += _doubled(new, before, count - len(found))
    return found


def _doubled(start: int, images: t.Iterable[int], count: int) -> list[int]:
    """Return the first ``count`` sums of ``start`` and a choice of the images, counting in binary."""
    found = [start]
    for image in images:
        missing = count - len(found)
        if missing <= 0:
            break
        found += [number | image for number in (found if missing >= len(found) else found[:missing])]
    return found[: max(count, 0)]


def place_of(number: int, growth: str, bits: int) -> int:
    """Return when a number's turn comes, from 0 on: the inverse of :func:`numbers`."""
    if not number:
        return 0
    turn = max(place for place, image in enumerate(_images(growth, bits)) if number & image)
    return sum(1 << bit for bit, image in enumerate(_round(growth, bits, turn)) if number & image)


def by_name(name: str, bits: int, attempt: int = 0) -> int:
    """Return the number that a name hashes to: BLAKE2b, as IPGen has it; later attempts for when it is taken."""
    if not bits:
        return 0
    seed = name if not attempt else f"{name}\0{attempt}"
    digest = hashlib.blake2b(seed.encode(), digest_size=(bits + 7) // 8).digest()
    return int.from_bytes(digest, "big") & ((1 << bits) - 1)
