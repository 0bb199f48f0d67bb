# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which numbers of a given width are given out: RFC 3531, and by name.

Each of the RFC's orders is a permutation of the bits of a counter: the counter's lowest bit lands where the order
wants the first bit to be set. *leftmost* mirrors the counter, so that every subnet keeps as much room behind itself
as can be; *rightmost* is plain counting; *centermost* starts in the middle and leaves room on both sides. The RFC
prints only the first nine values of centermost; here the later rounds go on counting, as the earlier ones do.
"""

from __future__ import annotations

import hashlib
import typing as t

ORDERS = ("leftmost", "centermost", "rightmost")
GROWTHS = (*ORDERS, "hash")


def bit_images(growth: str, bits: int) -> list[int]:
    """Return, for each bit of the counter from the lowest on, the bit of the number that it sets."""
    if growth == "leftmost":
        return [1 << (bits - 1 - place) for place in range(bits)]
    if growth == "centermost":
        middle = bits // 2
        from_left = [middle]
        for step in range(1, bits):
            from_left += [place for place in (middle - step, middle + step) if 0 <= place < bits]
        return [1 << (bits - 1 - place) for place in from_left[:bits]]
    return [1 << place for place in range(bits)]


def numbers(growth: str, bits: int) -> t.Iterator[int]:
    """Yield all numbers of this width in the order of RFC 3531; each costs the same, whatever the width."""
    flips = []  # what changes in the number when the counter's trailing ones, and the zero above them, turn over
    flip = 0
    for image in bit_images(growth, bits):
        flip |= image
        flips.append(flip)
    number = 0
    yield number
    for counter in range(1, 1 << bits):
        number ^= flips[(counter & -counter).bit_length() - 1]
        yield number


def place_of(number: int, growth: str, bits: int) -> int:
    """Return when a number's turn comes: the inverse of :func:`numbers`."""
    place = 0
    for bit, image in enumerate(bit_images(growth, bits)):
        if number & image:
            place |= 1 << bit
    return place


def by_name(name: str, bits: int, attempt: int = 0) -> int:
    """Return the number that a name hashes to: BLAKE2b, as IPGen has it; later attempts for when it is taken."""
    if not bits:
        return 0
    seed = name if not attempt else f"{name}\0{attempt}"
    digest = hashlib.blake2b(seed.encode(), digest_size=(bits + 7) // 8).digest()
    return int.from_bytes(digest, "big") & ((1 << bits) - 1)
