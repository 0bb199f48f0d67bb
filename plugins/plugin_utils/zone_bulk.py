# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records in bulk: one text of lines ``name address``, read and written without an object for each field.

Text that is plain is read by the piece; any other line is read on its own, with every check. What takes the time of a
million records is to reach into memory far and wide, so they are sorted in many small parts, each of which stays near.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
import operator
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import LONGEST, host_name

_pton = socket.inet_pton
_PIECE = 1 << 18  # characters that are read at once
_BLOCK = 1 << 13  # records that are written at once
_PART = 1000  # records that are sorted at once, about

# What a character is to a line. Where labels end there is a dot; letters and digits are a, and a hyphen is itself.
_KINDS = bytearray(b"!" * 256)
for _characters, _kind in (
    (b"abcdefghijklmnopqrstuvwxyz0123456789", b"a"),
    (b". \n", b"."),
    (b"-", b"-"),
    (b":", b":"),
):
    for _character in _characters:
        _KINDS[_character] = _kind[0]
_SHAPE = bytes(_KINDS)
_NO_HYPHENS = _SHAPE.replace(b"-", b".")
# Where one of these is found, a character is none of them, a label is empty, or begins or ends with a hyphen.
_UNSURE = (b"!", b"..", b".-", b"-.")
_NO_FIELDS = bytes(octet for octet in range(256) if octet not in b".: \n")
_LAST = operator.itemgetter(-1)
_ORIGIN = len("$ORIGIN \n") + 2 * 16 + len("ip6.arpa.")  # the length of the $ORIGIN line of a /64
_SWAPPED = bytes((octet & 15) << 4 | octet >> 4 for octet in range(256))  # both digits of an octet, the other way round


class Line(t.NamedTuple):
    """A line that says something."""

    number: int
    name: str  # in lower case, without the final dot
    family: int
    address: int


def lines(text: str, first: int = 1) -> t.Iterator[Line]:
    """Read line by line.

    :raises RolloutError: where a line is not a name and an address
    """
    for number, line in enumerate(text.split("\n"), first):
        words = line.partition("#")[0].split()
        if not words:
            continue
        what = f"records: line {number}"
        if len(words) != 2:
            raise RolloutError(f"{what}: {shown(line.strip())} is not a name, a blank and an address")
        yield Line(number, host_name(words[0], what), *any_address(words[1], what))


def is_ipv6(zone: str) -> bool:
    """Whether a zone is in the reverse tree of IPv6."""
    return zone == "ip6.arpa." or zone.endswith(".ip6.arpa.")


def subnet_of(order: tuple[str, ...], zone: str) -> str:
    """Return the name of the /64 that an owner is in, or the zone where that is not below it.

    :param order: the owner's labels from the right
    """
    if len(order) <= 18 or zone.count(".") > 18:
        return zone
    return ".".join(order[17::-1]) + "."


def key(family: int, address: int, name: str) -> bytes:
    """Return address and name as one bytes object; those of IPv6 are in the order of their reverse names."""
    if family == 6:
        return address.to_bytes(16, "big") + name.encode()
    return address.to_bytes(16, "little") + b"." + name.encode()  # no name begins with a dot


def pair(record: bytes) -> tuple[str, str]:
    """Return the text of the address, and the name."""
    if record[16:17] == b".":
        return address_text(4, int.from_bytes(record[:16], "little")), record[17:].decode()
    return ipv6_text(int.from_bytes(record[:16], "big")), record[16:].decode()


def keys(text: str) -> t.Iterator[list[bytes]]:
    """Return the key of each line of either family, a piece at a time."""
    for packed, names, others in _pieces(text):
        if packed:
            yield list(map(operator.add, packed, "\n".join(names).encode().split(b"\n")))
        yield [key(line.family, line.address, line.name) for line in others]


def _pieces(text: str) -> t.Iterator[tuple[list[bytes], list[str], list[Line]]]:
    """Return packed addresses and names where all was plain, or else the lines."""
    number, start = 1, 0
    while start < len(text):
        end = text.rfind("\n", start, start + _PIECE) + 1 or text.find("\n", start) + 1 or len(text)
        piece = text[start:end]
        packed, names = _plain(piece)
        yield packed, names, [] if packed else list(lines(piece, number))
        number += piece.count("\n")
        start = end


def _plain(piece: str) -> tuple[list[bytes], list[str]]:
    """Read lines that are a name in lower case, one blank and an address of IPv6 each; nothing where one is not."""
    if not piece.isascii() or not piece.endswith("\n"):
        return [], []
    octets = piece.encode()
    shape = octets.translate(_NO_HYPHENS)
    if b".." in shape or b"!" in shape or shape[:1] == b".":
        shape = octets.translate(_SHAPE)  # it may be the two hyphens of an international name
        if any(unsure in shape for unsure in _UNSURE) or shape[:1] in b".-":
            return [], []
    # What is left of a line: the dots of the name, one at least, a blank, and the colons of the address.
    fields = b"\n" + octets.translate(None, _NO_FIELDS)
    bounds = fields.translate(None, b".:")
    if bounds != b"\n" + b" \n" * (len(bounds) // 2) or any(bad in fields for bad in (b"\n ", b"\n:", b".:")):
        return [], []
    words = piece.split()
    names = words[::2]
    longest = max(map(len, names))
    if longest > LONGEST or (longest > 63 and max(map(len, ".".join(names).split("."))) > 63):
        return [], []
    if not set(map(_LAST, names)).isdisjoint("0123456789"):
        return [], []  # the last label may be a number
    try:
        return list(map(_pton, itertools.repeat(socket.AF_INET6), words[1::2])), names
    except OSError:
        return [], []


def reverse_zone(text: str, zone: str, several_names: bool) -> t.Iterator[str]:
    """Return the PTR records of an IPv6 zone, in pieces of text.

    :param zone: in lower case, with the final dot; at most 32 digits and ``ip6.arpa.``
    """
    found = _Parts(text, zone)
    for records in found:
        addresses = [record[:16] for record in records]
        if _any_twice(addresses):
            if not several_names:
                _refuse_several(text, addresses)
            records.sort(key="{}.".format)  # a name that another one begins with stands behind it
        for start in range(0, len(records), _BLOCK):
            stop = start + _BLOCK
            names = [record[16:] for record in records[start:stop]]
            yield found.written("".join(addresses[start:stop]).encode("latin-1"), names)


def _any_twice(ordered: list[str]) -> bool:
    return any(map(operator.eq, ordered, itertools.islice(ordered, 1, None)))


def _refuse_several(text: str, addresses: list[str]) -> None:
    twice = next(one for one, after in itertools.pairwise(addresses) if one == after)
    address = int.from_bytes(twice.encode("latin-1"), "big")
    there = [line for line in lines(text) if line.address == address and line.family == 6]
    raise several(there[0], next(line for line in there if line.name != there[0].name))


class _Parts:
    """The records of a zone in many sorted parts, each with all addresses between two bounds, and each record once.

    A record is one text: the 16 octets of the address as characters, and the name. Python compares such texts faster
    than anything else that holds an address, and parts of this size stay near to the processor.
    """

    def __init__(self, text: str, zone: str) -> None:
        digits = zone.removesuffix("ip6.arpa.").replace(".", "")[::-1]
        first, last = (bytes.fromhex(digits.ljust(32, digit)).decode("latin-1") for digit in "0f")
        self._saved = 2 * (16 - len(digits))  # by an $ORIGIN line, of each name
        self._width = 2 * (32 - len(digits)) - 1
        self._subnet = -1  # the one that was written last
        self._bounds = _bounds(text)
        self._parts: list[list[str]] = [[] for _bound in range(len(self._bounds) + 1)]
        most = (text.count("\n") + 1) * self._saved // _ORIGIN
        subnets: set[int] = set()
        for packed, names, others in _pieces(text):
            if others:
                packed, names = _of_lines(others)
            octets = b"".join(packed)
            addresses = octets.decode("latin-1")
            starts = range(0, len(addresses), 16)
            records = sorted(map(operator.add, [addresses[start : start + 16] for start in starts], names))
            if records and not first <= records[0][:16] <= records[-1][:16] <= last:
                _refuse_outside(text, zone, first, last)
            if len(subnets) <= most:
                subnets.update(_high(octets))
            self._share_out(records)
        for place, part in enumerate(self._parts):
            part.sort()
            if _any_twice(part):
                self._parts[place] = list(dict.fromkeys(part))
        self._by_subnet = len(subnets) * _ORIGIN < sum(map(len, self._parts)) * self._saved

    def _share_out(self, records: list[str]) -> None:
        start = 0
        for bound, part in zip(self._bounds, self._parts, strict=False):
            end = bisect.bisect_left(records, bound, start)
            part.extend(records[start:end])
            start = end
        self._parts[-1].extend(records[start:])

    def __iter__(self) -> t.Iterator[list[str]]:
        """Return the parts in their order; what was returned is no longer held here."""
        self._parts.reverse()
        while self._parts:
            yield self._parts.pop()

    def written(self, packed: bytes, names: list[str]) -> str:
        """Return the lines of some records."""
        if not self._by_subnet:
            owners = _owners(packed, 32)
            if self._width < 63:
                owners = [
                    owner[: self._width] + owner[63:] if self._width > 0 else f"@{owner[63:]}" for owner in owners
                ]
        else:
            owners = _owners(memoryview(packed).cast("Q")[1::2].tobytes(), 16)
            high = _high(packed)
            for place in itertools.compress(itertools.count(), map(operator.ne, [self._subnet, *high[:-1]], high)):
                subnet = packed[16 * place : 16 * place + 8].hex()[::-1]
                owners[place] = f"$ORIGIN {'.'.join(subnet)}.ip6.arpa.\n{owners[place]}"
            self._subnet = high[-1]
        return ".\n".join(map(operator.add, owners, names)) + ".\n"


def _high(packed: bytes) -> list[int]:
    """Return a number for the first half of each packed address, the same for the same half."""
    return memoryview(packed).cast("Q")[::2].tolist()


def _bounds(text: str) -> list[str]:
    """Return addresses that part all others into about equal numbers, from a sample of the lines."""
    count = text.count("\n") // _PART
    found = []
    for number in range(8 * count if count > 1 else 0):
        start = text.find("\n", len(text) * number // (8 * count)) + 1
        words = text[start : text.find("\n", start)].split()
        with contextlib.suppress(OSError, ValueError):
            found.append(_pton(socket.AF_INET6, words[1] if len(words) == 2 else "").decode("latin-1"))
    return sorted(found)[8::8]


def _of_lines(others: list[Line]) -> tuple[list[bytes], list[str]]:
    for line in others:
        if line.family == 4:
            raise RolloutError(
                f"records: line {line.number}: {address_text(4, line.address)} is IPv4, which has no name in ip6.arpa"
            )
    return [line.address.to_bytes(16, "big") for line in others], [line.name for line in others]


def _refuse_outside(text: str, zone: str, first: str, last: str) -> None:
    for line in lines(text):
        if not first <= line.address.to_bytes(16, "big").decode("latin-1") <= last:
            raise RolloutError(f"records: line {line.number}: {ipv6_text(line.address)} is not inside the zone {zone}")


def several(one: Line, other: Line) -> RolloutError:
    """Return the error for an address with two names."""
    return RolloutError(
        f"records: lines {one.number} and {other.number}: {address_text(one.family, one.address)} has the names "
        f"{one.name} and {other.name}; an address has one PTR record, unless several_names is true"
    )


def _owners(octets: bytes, digits: int) -> list[str]:
    """Return the reverse names of packed numbers of so many digits, with the beginning of the record behind them."""
    text = bytearray(b".") * (4 * len(octets))
    # Reversed as a whole, the last one comes first.
    text[::2] = octets.translate(_SWAPPED)[::-1].hex().encode()
    text[2 * digits - 1 :: 2 * digits] = b"\n" * (2 * len(octets) // digits)
    return text.decode().replace("\n", " IN PTR \n").split("\n")[-2::-1]
