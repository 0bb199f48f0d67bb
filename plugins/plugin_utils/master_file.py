# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Master files (RFC 1035, section 5) that people write: read with the place of every record, so that one can be changed
and all the rest stays as it is, comments and blanks too.

dnspython reads the data of records; where a record begins and ends in the text is what is found out here. $INCLUDE
and BIND's $GENERATE are followed.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, ipv4, ipv6

try:
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdatatype
except ImportError:
    pass  # dns_names.need_library says so

_TOKEN = re.compile(
    r"(?P<blank>[ \t\r\f]+)|(?P<end>\n)|(?P<comment>;[^\n]*)|(?P<open>\()|(?P<close>\))"
    r'|(?P<quoted>"(?:\\.|[^"\\])*")|(?P<word>(?:\\.|[^\s;()"\\])+)|(?P<bad>.)',
    re.DOTALL,
)
_PLAIN = re.compile(r"[a-z0-9_*/-]+(?:\.[a-z0-9_*/-]+)*\.?", re.ASCII)
_TTL = re.compile(r"\d+(?:[wdhms]\d+)*[wdhms]?", re.ASCII | re.IGNORECASE)
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1, "": 1}
_CLASSES = frozenset({"IN", "CH", "HS", "CS"})
_GENERATED = re.compile(r"\$\$|\$(?:\{([^}]*)\})?")
_MOST_GENERATED = 1 << 20
_DEEPEST = 16  # files that include files


class Entry(t.NamedTuple):
    """One record, and where it stands.

    ``start`` to ``end`` are its whole lines. Between ``fields`` and ``last`` stands all but the owner and a comment
    behind it. ``words`` are the places of the words of its data.
    """

    name: str  # absolute, in lower case
    type: str
    ttl: int
    data: str  # absolute names, as dnspython writes it
    start: int
    end: int
    fields: int
    last: int
    owned: bool  # its owner is written; otherwise it is that of the record before
    words: tuple[tuple[int, int], ...]
    line: int
    elsewhere: str = ""  # "$INCLUDE x" or "$GENERATE ...": the line that it comes from, and that cannot be edited


class _State:
    """What holds from one line to the next."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.owner = ""
        self.default: int | None = None  # $TTL
        self.ttl: int | None = None  # of the record before (RFC 1035); $TTL is stronger (RFC 2308)


class _Word(t.NamedTuple):
    text: str
    start: int
    end: int


class _Line(t.NamedTuple):
    """A logical line: its words, where it begins and ends, where the last word or bracket of it ends, its number, and
    what it is called in messages.
    """

    words: list[_Word]
    start: int
    end: int
    last: int
    number: int
    where: str


def read(text: str, origin: str, included: t.Mapping[str, str] | None = None, what: str = "") -> list[Entry]:
    """Return the records of a zone in the order of the text.

    :param text: octets, one character each (Latin-1)
    :param origin: the name of the zone, absolute and in lower case
    :param included: the texts of the files that ``$INCLUDE`` names
    :param what: what the text is called in messages
    :raises RolloutError: where the text is no master file; the message has the line
    """
    return list(_read(text, _State(origin), included or {}, what or f"zone {origin}", 0))


def _read(text: str, state: _State, included: t.Mapping[str, str], what: str, depth: int) -> t.Iterator[Entry]:
    for line in _lines(text, what):
        if line.words[0].text.startswith("$"):
            yield from _directive(line, state, included, depth)
        else:
            yield _entry(text, line, state)


def _lines(text: str, what: str) -> t.Iterator[_Line]:
    """Split a text into its logical lines; brackets let one go on behind the end of a line."""
    words: list[_Word] = []
    start = line = last = 0
    number, depth = 1, 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind in ("word", "quoted"):
            if not words:
                line = number
            words.append(_Word(match.group(), match.start(), match.end()))
            last = match.end()
        elif kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
            last = match.end()
        if kind == "bad" or depth < 0:
            raise RolloutError(f"{what} line {number}: {shown(match.group())} does not belong there")
        if kind == "end" and depth == 0:
            if words:
                yield _Line(words, start, match.end(), last, line, f"{what} line {line}")
            words, start = [], match.end()
        number += match.group().count("\n")
    if depth:
        raise RolloutError(f"{what} line {line}: a bracket is open at the end of the file")
    if words:
        yield _Line(words, start, len(text), last, line, f"{what} line {line}")


def _entry(text: str, line: _Line, state: _State) -> Entry:
    words, start, end, last, number, where = line
    owned = words[0].start == start
    if owned:
        state.owner = _name(words[0].text, state.origin, where)
    elif not state.owner:
        raise RolloutError(f"{where}: the record has no owner, and there is none before it")
    rest = words[1:] if owned else words
    fields = words[0].end if owned else start
    ttl: int | None = None
    while rest:
        upper = rest[0].text.upper()
        if ttl is None and _TTL.fullmatch(upper):
            ttl = _seconds(upper, where)
        elif upper in _CLASSES:
            if upper != "IN":
                raise RolloutError(f"{where}: records of the class {upper} do not belong in a zone of the Internet")
        else:
            break
        rest = rest[1:]
    if len(rest) < 2:
        raise RolloutError(f"{where}: {shown(text[start:end].strip())} has no type, or no data")
    kind = _type(rest[0].text.upper())
    data = _data(kind, [word.text for word in rest[1:]], state.origin, where)
    if ttl is not None:
        state.ttl = ttl
    elif state.default is not None:
        ttl = state.default
    elif state.ttl is not None:
        ttl = state.ttl
    elif kind == "SOA":
        # RFC 1035, section 3.3.13: it is the default for all others too, as servers still have it.
        ttl = state.ttl = state.default = int(data.rpartition(" ")[2])
    else:
        raise RolloutError(f"{where}: the record has no TTL, and there is no $TTL before it (RFC 2308, section 4)")
    places = tuple((word.start, word.end) for word in rest[1:])
    return Entry(state.owner, kind, ttl, data, start, end, fields, last, owned, places, number)


def _type(text: str) -> str:
    """Return the name of a type; TYPE28 is AAAA (RFC 3597, section 5)."""
    if text.startswith("TYPE") and text[4:].isdigit() and int(text[4:]) < 1 << 16:
        return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(int(text[4:])))
    return text


def _seconds(text: str, where: str) -> int:
    seconds = sum(int(count) * _UNITS[unit.lower()] for count, unit in re.findall(r"(\d+)([A-Za-z]?)", text))
    if seconds >= 1 << 31:
        raise RolloutError(f"{where}: {text} is no TTL; the largest is {(1 << 31) - 1} seconds")
    return seconds


def _name(text: str, origin: str, where: str) -> str:
    if text == "@":
        return origin
    lower = text.lower()
    if _PLAIN.fullmatch(lower):
        if lower.endswith("."):
            return lower
        return f"{lower}.{origin}" if origin != "." else f"{lower}."
    try:
        return dns.name.from_text(_ascii(text), dns.name.from_text(origin)).to_text().lower()
    except (dns.exception.DNSException, ValueError) as error:
        raise RolloutError(f"{where}: {shown(text)} is no domain name: {error}") from None


def _ascii(text: str) -> str:
    """Escape octets above 127 (RFC 1035, section 5.1): in a file they are octets, and no international name."""
    return text if text.isascii() else "".join([c if c.isascii() else f"\\{ord(c):03d}" for c in text])


def _data(kind: str, words: list[str], origin: str, where: str) -> str:
    try:
        if kind == "AAAA" and len(words) == 1:
            return address_text(6, ipv6(words[0], where))
        if kind == "A" and len(words) == 1:
            return address_text(4, ipv4(words[0], where))
        if kind in dns_names.NAME_TYPES and len(words) == 1:
            return _name(words[0], origin, where)
        if kind == "SOA" and len(words) == 7:
            words = words[:3] + [str(_seconds(word, where)) if _TTL.fullmatch(word) else word for word in words[3:]]
        root = dns.name.from_text(origin)
        return dns.rdata.from_text("IN", kind, _ascii(" ".join(words)), origin=root, relativize=False).to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise RolloutError(f"{where}: {shown(' '.join(words))} is not the data of a {kind} record: {error}") from None


def _directive(line: _Line, state: _State, included: t.Mapping[str, str], depth: int) -> t.Iterator[Entry]:
    words, start, end, _last, number, where = line
    name = words[0].text.upper()
    if name == "$ORIGIN" and len(words) == 2:
        state.origin = _name(words[1].text, state.origin, where)
    elif name == "$TTL" and len(words) == 2 and _TTL.fullmatch(words[1].text):
        state.default = _seconds(words[1].text, where)
    elif name == "$INCLUDE" and len(words) in (2, 3):
        path = words[1].text.strip('"')
        if path not in included or depth >= _DEEPEST:
            raise RolloutError(f"{where}: the file {shown(path)}, which is included there, is not known")
        inner = _State(_name(words[2].text, state.origin, where) if len(words) == 3 else state.origin)
        inner.owner, inner.default, inner.ttl = state.owner, state.default, state.ttl
        for entry in _read(included[path], inner, included, path, depth + 1):
            yield entry._replace(start=start, end=end, line=number, elsewhere=f"$INCLUDE {path}")
        # Origin and owner are as before; a $TTL in there stays.
        state.default, state.ttl = inner.default, inner.ttl
    elif name == "$GENERATE" and len(words) >= 4:
        yield from _generated(line, state)
    else:
        raise RolloutError(f"{where}: {shown(' '.join(word.text for word in words))} is not understood")


def _generated(line: _Line, state: _State) -> t.Iterator[Entry]:
    """Follow ``$GENERATE start-stop[/step] owner [ttl] [class] type data`` (BIND's own, no RFC)."""
    words, where = line.words, line.where
    match = re.fullmatch(r"(\d+)-(\d+)(?:/(\d+))?", words[1].text)
    said = " ".join(word.text for word in words)
    if not match:
        raise RolloutError(f"{where}: {shown(said)} has no range such as 0-255")
    first, last, step = int(match.group(1)), int(match.group(2)), int(match.group(3) or 1)
    if step < 1 or last < first or (last - first) // step >= _MOST_GENERATED:
        raise RolloutError(f"{where}: {shown(said)} makes no records, or more than {_MOST_GENERATED}")
    for number in range(first, last + 1, step):
        made = " ".join([_filled(word.text, number, where) for word in words[2:]])
        inner = _State(state.origin)
        inner.default, inner.ttl = state.default, state.ttl
        for one in _lines(made, where):
            entry = _entry(made, one._replace(where=where), inner)
            yield entry._replace(start=line.start, end=line.end, line=line.number, elsewhere=said)


def _filled(text: str, number: int, where: str) -> str:
    def value(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        offset, width, base = 0, 0, "d"
        if match.group(1) is not None:
            parts = [*match.group(1).split(","), "", ""]
            try:
                offset, width, base = int(parts[0] or 0), int(parts[1] or 0), parts[2] or "d"
            except ValueError:
                base = ""
        if base.lower() == "n" and base:
            digits = f"{number + offset:x}"[::-1]
            digits += "0" * ((width + 1) // 2 - len(digits))
            return ".".join(digits.upper() if base == "N" else digits)
        if base not in ("d", "o", "x", "X"):
            raise RolloutError(f"{where}: {shown(match.group())} is not understood in a $GENERATE line")
        return f"{number + offset:0{width}{base}}"

    return _GENERATED.sub(value, text)
