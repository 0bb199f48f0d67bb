# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many blocks at once: all of one length inside one prefix, written as text and read from it in bulk.

A plan of tens of thousands of subnets spends its time on text. Blocks of one length differ in one group of four
hexadecimal digits in nearly every real plan (the /64 of a /48), so their text is a common head, that group, and a
common tail. That is used where it holds for certain, with the rules of RFC 5952; everything else takes the ordinary
way.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import operator
import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, prefix_text

_GROUPS = re.compile(r"[1-9a-f][0-9a-f]{0,3}(?: [1-9a-f][0-9a-f]{0,3})*+", re.ASCII)
_INET6 = socket.AF_INET6
_ntop = socket.inet_ntop
_pton = socket.inet_pton
# Below it, the C library writes an IPv4-compatible address, which is no canonical text any more; see ipv6_text.
END_OF_COMPATIBLE = 1 << 32


RUN = 16  # blocks with a common head that are worth it


class _Pattern(t.NamedTuple):
    """Blocks of one length whose texts differ in one group: ``head + group + tail``, but for the group 0."""

    head: str
    tail: str
    start: int  # the group of the block number 0
    step: int  # the group of the next block is this much larger


def _pattern(parent: Prefix, length: int) -> _Pattern | None:
    """Return the pattern of the blocks of a length in a prefix, or None where they have none.

    The groups behind the one that differs are all zero. They are what ``::`` stands for (RFC 5952, section 4.2) where
    there are two or more of them, and more than zero groups in a row before.
    """
    first, outer = parent
    index = (length - 1) // 16
    behind = 7 - index
    if outer < 16 * index or behind < 2:
        return None
    groups = [first >> (112 - 16 * place) & 0xFFFF for place in range(index + 1)]
    run = longest = 0
    for group in groups[:index]:
        run = 0 if group else run + 1
        longest = max(longest, run)
    if longest >= behind:
        return None
    head = "".join(f"{group:x}:" for group in groups[:index])
    return _Pattern(head, f"::/{length}", groups[index], 1 << (16 * (index + 1) - length))


def block_texts(parent: Prefix, length: int, numbers: t.Sequence[int]) -> list[str]:
    """Return the canonical text (RFC 5952) of the blocks with these numbers.

    :param parent: the prefix that the blocks lie in
    :param length: the prefix length of the blocks
    :param numbers: which of the blocks, counted from 0 at the beginning of the prefix; none of them twice
    """
    pattern = _pattern(parent, length)
    if pattern is None:
        first, shift, tail = parent[0], 128 - length, f"/{length}"
        if first < END_OF_COMPATIBLE:
            return [prefix_text(first + (number << shift), length) for number in numbers]
        return [_ntop(_INET6, (first + (number << shift)).to_bytes(16, "big")) + tail for number in numbers]
    head, tail, start, step = pattern
    if start == 0 and step == 1:
        texts = [f"{head}{number:x}{tail}" for number in numbers]
    else:
        texts = [f"{head}{start + number * step:x}{tail}" for number in numbers]
    if start == 0 and 0 in numbers:
        texts[numbers.index(0)] = prefix_text(parent[0], length)
    return texts


def block_numbers(texts: t.Sequence[str], parent: Prefix, length: int) -> list[int] | None:
    """Return the numbers of blocks from their text: the inverse of :func:`block_texts`.

    The answer is None where any text is not, letter for letter, the canonical text of a block of that length in the
    parent: then each has to be read, and refused, on its own.
    """
    numbers = _numbers_by_runs(texts, parent, length)
    if numbers is not None:
        return numbers
    first, shift, tail = parent[0], 128 - length, f"/{length}"
    every = itertools.repeat
    try:
        packed = list(map(_pton, every(_INET6), [text.removesuffix(tail) for text in texts]))
    except (AttributeError, OSError, ValueError):  # no text, or no address
        return None
    if first < END_OF_COMPATIBLE or [f"{text}{tail}" for text in map(_ntop, every(_INET6), packed)] != list(texts):
        return None
    offsets = [int.from_bytes(octets, "big") - first for octets in packed]
    if functools.reduce(operator.or_, offsets, 0) & ((1 << shift) - 1):  # host bits
        return None
    numbers = [offset >> shift for offset in offsets]
    if min(numbers, default=0) < 0 or max(numbers, default=0) >> (length - parent[1]):
        return None
    return numbers


def _numbers_by_runs(texts: t.Sequence[str], parent: Prefix, length: int) -> list[int] | None:
    """Return the numbers of blocks whose texts differ in one group only, or do so in long runs, as sorted ones do."""
    above = 16 * ((length - 1) // 16)
    if parent[1] >= above:
        pattern = _pattern(parent, length)
        return None if pattern is None else _numbers_of_groups(texts, parent, length, pattern)
    numbers: list[int] = []
    start = 0
    while start < len(texts):
        try:
            address = int.from_bytes(_pton(_INET6, texts[start].partition("/")[0]), "big")
        except (AttributeError, OSError, ValueError):
            return None
        first = address >> (128 - above) << (128 - above)
        pattern = _pattern((first, above), length)
        if pattern is None or first >> (128 - parent[1]) != parent[0] >> (128 - parent[1]):
            return None
        end = bisect.bisect_left(texts, True, start, key=lambda text: not str(text).startswith(pattern.head))
        if end - start < RUN:
            return None
        found = _numbers_of_groups(texts[start:end], (first, above), length, pattern)
        if found is None:
            return None
        before = (first - parent[0]) >> (128 - length)
        numbers += [before + number for number in found]
        start = end
    return numbers


def _numbers_of_groups(texts: t.Sequence[str], parent: Prefix, length: int, pattern: _Pattern) -> list[int] | None:
    head, tail, start, step = pattern
    rest, zero = list(texts), -1
    if start == 0:
        try:
            zero = rest.index(prefix_text(parent[0], length))
            del rest[zero]
        except ValueError:
            pass
    numbers = _groups(rest, head, tail)
    if numbers is None:
        return None
    if start or step > 1 or parent[1] % 16 or length - parent[1] < 16:
        end = start + step * (1 << (length - parent[1]))
        if any(not start <= group < end or group % step for group in numbers):
            return None
        numbers = [(group - start) // step for group in numbers]
    if zero >= 0:
        numbers.insert(zero, 0)
    return numbers


def _groups(texts: list[str], head: str, tail: str) -> list[int] | None:
    """Return the groups between head and tail of each text, all canonical and none of them 0, or None."""
    if not texts:
        return []
    try:
        joined = "\n".join(texts)
    except TypeError:  # something that is no text: whoever reads them one by one says which
        return None
    if not (joined.startswith(head) and joined.endswith(tail)):
        return None
    groups = joined[len(head) : -len(tail)].split(f"{tail}\n{head}")
    if len(groups) != len(texts) or not _GROUPS.fullmatch(" ".join(groups)):
        return None
    return [int(group, 16) for group in groups]


def first_overlap(texts: t.Sequence[str]) -> tuple[int, int] | None:
    """Return the indexes of two prefixes that overlap, in address order, or None where there are none.

    :param texts: prefixes as canonical text
    """
    keys = [
        int.from_bytes(_pton(_INET6, address), "big") << 8 | int(length)
        for address, _slash, length in (text.partition("/") for text in texts)
    ]
    end, last = -1, 0
    for key in sorted(keys):
        first = key >> 8
        if first < end:
            index = keys.index(last)
            return index, keys.index(key, index + 1 if key == last else 0)
        end, last = first + (1 << (128 - (key & 0xFF))), key
    return None


def aligned_blocks(start: int, end: int) -> t.Iterator[Prefix]:
    """Yield the largest aligned blocks that make up the addresses from ``start`` to the one before ``end``."""
    while start < end:
        size = (end - start).bit_length() - 1
        if start:
            size = min(size, (start & -start).bit_length() - 1)
        yield start, 128 - size
        start += 1 << size
