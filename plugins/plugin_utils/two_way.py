# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether names and PTR records agree, in both directions: pair by pair, or for whole zones from their text.

The text of a zone is read by the piece, without an object for each record. A line that is not plain (brackets, quotes,
escapes, $GENERATE) is handed to :mod:`master_file`, which reads all that there is. $INCLUDE is refused.
"""

from __future__ import annotations

import itertools
import operator
import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, master_file, zone_bulk
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address, ipv4, ipv6
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import owner_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import CLASSLESS

Pair = t.Tuple[str, str]

_PIECE = 1 << 18  # characters that are looked at at once
_PLAIN = bytes(octet for octet in range(0x20, 0x7F) if octet not in b'();"\\') + b"\t\n"
_NO_BLANKS = bytes(range(0x21, 0x7F))
_HIDDEN = re.compile(r'"(?:\\.|[^"\\])*"|;.*|\\.')  # what is a bracket in these is none
_TTL = re.compile(r"(?:\d+[WDHMS]?)+", re.ASCII)
_SUBNET = re.compile(r"((?:[0-9a-f]\.){16})ip6\.arpa\.", re.ASCII)  # the name of a /64


def unmatched(forward: t.Iterable[Pair], pointers: t.Iterable[Pair]) -> tuple[list[Pair], list[Pair]]:
    """Return the forward pairs that no pointer answers, and the pointers that no forward pair confirms.

    Both come in the order of the input.

    :param forward: ``(name, address)``: the name in lower case with its final dot, the address in canonical text
    :param pointers: ``(address, name)``, likewise
    """
    there, back = list(forward), list(pointers)
    forth, known = set(there), set(back)
    lonely = [pair for pair in there if (pair[1], pair[0]) not in known]
    return lonely, [pair for pair in back if (pair[1], pair[0]) not in forth]


def unmatched_in_zones(
    forward: t.Sequence[str | tuple[str, str]], reverse: t.Iterable[tuple[str, str]]
) -> tuple[list[Pair], list[Pair]]:
    """Do the same for the texts of zones; both lists come in the order of the texts.

    :param forward: ``(origin, text of the zone)``, or one text of lines ``name address``
    :param reverse: ``(origin, text of the zone)``
    :raises RolloutError: where a line cannot be read
    """
    names = _Forward()
    for source in forward:
        if isinstance(source, str):
            for keys in zone_bulk.keys(source):
                names.answered.update(dict.fromkeys(keys, False))
        else:
            names.read(*source)
    pointers = _Reverse(names.answered)
    for origin, text in reverse:
        pointers.read(origin, text)
    lonely = [key for key, answered in names.answered.items() if not answered]
    return [_pair(key)[::-1] for key in lonely], [_pair(key) for key in pointers.unconfirmed]


def unconfirmed(zones: object) -> dict[str, list[list[str]]]:
    """Return ``{names, pointers}``: the pairs that do not agree in zones ``{name: text}``, forward and reverse ones."""
    if not isinstance(zones, t.Mapping):
        raise RolloutError(f"zones: {shown(zones)} is not a dictionary with the text of each zone")
    texts: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
    for zone, text in zones.items():
        name = owner_name(zone, "zones")
        if not isinstance(text, str):
            raise RolloutError(f"zones: {name}: {shown(text)} is not the text of a zone file")
        texts[dns_names.is_reverse(name)].append((name, str(text)))
    names, pointers = unmatched_in_zones(texts[False], texts[True])
    return {"names": [list(pair) for pair in names], "pointers": [list(pair) for pair in pointers]}


def _pair(key: bytes) -> Pair:
    address, name = zone_bulk.pair(key)
    return address, f"{name}."


class _Reader:
    """Reads the text of a zone. A subclass says what becomes of a record, and what it can do with many at once."""

    def __init__(self) -> None:
        self._zone = self._origin = self._owner = ""

    def read(self, origin: str, text: str) -> None:
        """Read a text."""
        self._zone = self._origin = owner_name(origin, "origin")
        self._owner = ""
        start, number = 0, 1
        while start < len(text):
            end = text.rfind("\n", start, start + _PIECE) + 1 or text.find("\n", start) + 1 or len(text)
            piece = text[start:end]
            if _is_plain(piece):
                self._plain(piece, number)
            else:
                end = self._special(text, start, end, number)
            number += text.count("\n", start, end)
            start = end

    def many(self, lines: str) -> bool:
        """Take lines that are all of the one form that is usual; False where they are not."""
        raise NotImplementedError

    def record(self, owner: str, kind: str, data: str) -> None:
        """Take one record."""
        raise NotImplementedError

    def _plain(self, piece: str, number: int) -> None:
        """Read lines in which a line is a record, and a word is a word."""
        for place, part in enumerate(f"\n{piece}".split("\n$")):
            lines = part
            if place:
                directive, _end, lines = part.partition("\n")
                self._directive(f"${directive}", number)
                number += 1
            else:
                lines = part[1:]
            if lines and not self.many(lines):
                for count, line in enumerate(lines.split("\n")):
                    self._line(line, number + count)
            number += lines.count("\n") + (0 if lines.endswith("\n") or not lines else 1)

    def _line(self, line: str, number: int) -> None:
        words = line.split()
        if not words:
            return
        if line[0] not in " \t":
            self._owner = self.absolute(words.pop(0))
        elif not self._owner:
            raise RolloutError(f"zone {self._zone} line {number}: the record has no owner, and there is none before it")
        while len(words) > 2 and (words[0].upper() == "IN" or _TTL.fullmatch(words[0].upper())):
            del words[0]
        if len(words) < 2 or words[0].upper() in ("CH", "HS", "CS", "IN"):
            raise RolloutError(
                f"zone {self._zone} line {number}: {shown(line.strip())} is not a record of the Internet"
            )
        kind = words[0].upper()
        if kind not in ("A", "AAAA", "PTR"):
            return
        if len(words) != 2:
            raise RolloutError(f"zone {self._zone} line {number}: {shown(line.strip())} has more data than one {kind}")
        try:
            self.record(self._owner, kind, words[1])
        except RolloutError as error:
            raise RolloutError(f"zone {self._zone} line {number}: {error}") from None

    def _directive(self, line: str, number: int) -> None:
        words = line.split()
        if words[0].upper() == "$ORIGIN" and len(words) == 2:
            self._origin = self.absolute(words[1])
        elif words[0].upper() != "$TTL" or len(words) != 2:
            self._entries(line, number)

    def _special(self, text: str, start: int, end: int, number: int) -> int:
        """Read line by line, and a line that is not plain with all that belongs to it; return where that ends."""
        while start < end:
            stop = text.find("\n", start) + 1 or len(text)
            line = text[start:stop]
            if not set(line) & set('()"\\'):
                line = line.partition(";")[0]
            if _is_plain(line):
                self._plain(line.rstrip("\n"), number)
            else:
                while stop < len(text) and _open(line):
                    stop = text.find("\n", stop) + 1 or len(text)
                    line = text[start:stop]
                self._entries(line, number)
            number += text.count("\n", start, stop)
            start = stop
        return start

    def _entries(self, lines: str, number: int) -> None:
        """Let the reader of whole zone files read what is not plain."""
        if lines.upper().startswith(("$ORIGIN", "$TTL")):
            raise RolloutError(
                f"zone {self._zone} line {number}: {shown(lines.strip())} is not plain; write it without"
            )
        before = f"$ORIGIN {self._origin}\n$TTL 0\n{self._owner or self._origin} IN TXT x\n"
        try:
            entries = master_file.read(before + lines, self._zone)[1:]
            for entry in entries:
                if entry.type in ("A", "AAAA", "PTR"):
                    self.record(entry.name, entry.type, entry.data)
        except RolloutError as error:
            text = re.sub(r"^zone \S+ line \d+: ", "", str(error))
            raise RolloutError(f"zone {self._zone} line {number}: {text}") from None
        if entries and not entries[-1].elsewhere:
            self._owner = entries[-1].name

    def absolute(self, name: str) -> str:
        """Return a name of the text as a whole name in lower case."""
        if name == "@":
            return self._origin
        if name.endswith("."):
            return name.lower()
        return f"{name.lower()}.{self._origin if self._origin != '.' else ''}"


def _is_plain(text: str) -> bool:
    return text.isascii() and not text.encode().translate(None, _PLAIN)


def _words(lines: str, kind: str) -> list[str]:
    """Return the words of lines that are all ``name IN <kind> data``, four of each; no words for any other lines."""
    count = lines.count("\n") + (not lines.endswith("\n"))
    if lines.encode().translate(None, _NO_BLANKS).rstrip(b"\n") != (b"   \n" * count)[:-1]:
        return []
    words = lines.split()
    if len(words) != 4 * count or set(words[1::4]) != {"IN"} or set(words[2::4]) != {kind}:
        return []
    return words


def _open(lines: str) -> bool:
    """Whether a bracket is still open."""
    visible = _HIDDEN.sub("", lines)
    return visible.count("(") > visible.count(")")


class _Forward(_Reader):
    """Takes A and AAAA records."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: dict[bytes, bool] = {}  # whether a PTR record has answered

    def many(self, lines: str) -> bool:
        words = _words(lines, "AAAA")
        if not words:
            return False
        owners = words[::4]
        if "@" in owners or self._origin == "." or any(map(str.endswith, owners, itertools.repeat("."))):
            return False
        names = map(operator.add, owners, itertools.repeat(f".{self._origin[:-1]}"))
        try:
            packed = list(map(socket.inet_pton, itertools.repeat(socket.AF_INET6), words[3::4]))
        except OSError:
            return False
        keys = map(operator.add, packed, "\n".join(names).lower().encode().split(b"\n"))
        self.answered.update(zip(keys, itertools.repeat(False), strict=False))
        self._owner = self.absolute(owners[-1])
        return True

    def record(self, owner: str, kind: str, data: str) -> None:
        if kind == "PTR":
            return
        family, address = (6, ipv6(data, kind)) if kind == "AAAA" else (4, ipv4(data, kind))
        self.answered[zone_bulk.key(family, address, owner[:-1])] = False


class _Reverse(_Reader):
    """Takes PTR records, and marks the forward pairs that they answer."""

    def __init__(self, answered: dict[bytes, bool]) -> None:
        super().__init__()
        self._answered = answered
        self.unconfirmed: dict[bytes, None] = {}

    def many(self, lines: str) -> bool:
        subnet = _SUBNET.fullmatch(self._origin)
        words = _words(lines, "PTR") if subnet else []
        if not subnet or not words:
            return False
        text = "\n".join(words[::4])
        if text[1::2] != ("." * 15 + "\n") * (len(words) // 4 - 1) + "." * 15:
            return False
        targets = "\n".join(words[3::4])
        if targets.count(".\n") != len(words) // 4 - 1 or not targets.endswith("."):
            return False
        try:
            octets = bytes.fromhex(text[::-2])  # the last one comes first
        except ValueError:
            return False
        high = bytes.fromhex(subnet[1][-2::-2])
        low = [octets[place : place + 8] for place in range(len(octets) - 8, -1, -8)]
        names = targets[:-1].lower().encode().split(b".\n")
        self._take(list(map(b"".join, zip(itertools.repeat(high), low, names, strict=False))))
        self._owner = self.absolute(words[-4])
        return True

    def _take(self, keys: list[bytes]) -> None:
        unknown = [key for key in keys if key not in self._answered]
        if unknown:
            self.unconfirmed.update(dict.fromkeys(unknown))
            keys = [key for key in keys if key not in self.unconfirmed]
        self._answered.update(dict.fromkeys(keys, True))

    def record(self, owner: str, kind: str, data: str) -> None:
        if kind != "PTR":
            return
        found = dns_names.address_of(owner) or _classless(owner)
        if found is not None:
            self._take([zone_bulk.key(*any_address(found[1], "owner"), self.absolute(data)[:-1])])


def _classless(owner: str) -> tuple[int, str] | None:
    """Return the address that a name in a classless zone (RFC 2317) stands for, or None."""
    octet, _dot, zone = owner.partition(".")
    match = CLASSLESS.fullmatch(zone)
    if not match or not octet.isdigit():
        return None
    first, length = int(match[1]), int(match[2])
    if not 25 <= length <= 31 or not first <= int(octet) < first + (1 << (32 - length)):
        return None
    return dns_names.address_of(f"{octet}.{zone.partition('.')[2]}")
