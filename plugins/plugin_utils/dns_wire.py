# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS messages as octets (RFC 1035, RFC 2136), and their signatures (RFC 8945).

dnspython makes an object of every name, which costs a millisecond for a PTR record. So the few shapes that a
comparison and an update need are written and read here. dnspython has what is rare (the data of most types) and what is
delicate (the signatures).
"""

from __future__ import annotations

import re
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv4, ipv4_text, ipv6, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import NAME_TYPES, parsed
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Change

try:
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype
    import dns.rdtypes.ANY.TSIG
    import dns.tsig
except ImportError:
    pass  # dns_names.need_library says so

AA = 0x0400
RESPONSE = 0x8000
UPDATE = 5 << 11
OPCODE = 0xF << 11

CNAME, SOA, NS, DNAME, OPT, TSIG = 5, 6, 2, 39, 41, 250
_IN, _NONE, _ANY = 1, 254, 255
_RR_HEAD = struct.Struct("!2HIH").unpack_from  # type, class, TTL, length of the data
_FUDGE = 300  # seconds; the RFC's own value
_PLAIN = re.compile(rb"[A-Za-z0-9_*/-]+")
_LONGEST_NAME = 1020  # characters: 255 octets, each of them written as \\DDD
_LONGEST_WIRE = 255  # octets
_DIGITS = re.compile(rb"(?:\x01[0-9a-f])*")
_MOST_POINTERS = 127  # in one name; as many as it can have labels
# The octets that begin a label become dots; 1 to 44 are no letter, digit, hyphen or underscore. All else is marked.
_AS_TEXT = bytes(0x2E if 0 < o < 0x2D else o if re.match(rb"[A-Za-z0-9_-]", bytes([o])) else 0x5C for o in range(256))
_TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "DNAME": 39}


class Malformed(ValueError):
    """Octets that are no DNS message."""


class Rr(t.NamedTuple):
    """A record in a message, its data not yet read."""

    name: str
    type: int
    ttl: int
    start: int
    length: int


class Answer(t.NamedTuple):
    """A message that was received."""

    wire: bytes
    id: int
    flags: int
    question: bytes
    answer: list[Rr]
    authority: list[Rr]
    signature: tuple[int, Rr] | None
    names: dict[int, str]  # those that were read, by where they begin
    extended: int = 0  # the upper bits of the error code, which are in the OPT record (RFC 6891)

    @property
    def rcode(self) -> int:
        """What the server thinks of the request."""
        return self.extended << 4 | self.flags & 0xF


def type_number(kind: str) -> int:
    """Return the number of a record type."""
    return _TYPES.get(kind) or int(dns.rdatatype.from_text(kind))


def name_wire(name: str, zone: str = "") -> bytes:
    """Return a name as octets. In an update the zone's own name stands at offset 12, so that a pointer does for it."""
    if "\\" in name:
        return dns.name.from_text(name).to_wire() or b""
    end = b"\0"
    if zone and name.endswith(zone) and name[-len(zone) - 1 : -len(zone)] in (".", ""):
        name, end = name[: -len(zone)], b"\xc0\x0c"
    return b"".join([struct.pack("!B", len(label)) + label.encode() for label in name.split(".") if label]) + end


def data_wire(kind: str, text: str) -> bytes:
    """Return the data of a record as octets."""
    if kind == "AAAA":
        return ipv6(text, kind).to_bytes(16, "big")
    if kind == "A":
        return ipv4(text, kind).to_bytes(4, "big")
    if kind in NAME_TYPES:
        return name_wire(text)
    return parsed(kind, text).to_wire() or b""


def query(number: int, name: str, kind: str) -> bytes:
    """Return a question that asks for no recursion."""
    return struct.pack("!6H", number, 0, 1, 0, 0, 0) + name_wire(name) + struct.pack("!2H", type_number(kind), _IN)


def update(number: int, zone: str, changes: t.Iterable[Change]) -> bytes:
    """Return an update: for each RRset a prerequisite that says what was compared, and then the difference."""
    conditions: list[bytes] = []
    updates: list[bytes] = []
    for change in changes:
        _put(change, zone, conditions, updates)
    head = struct.pack("!6H", number, UPDATE, 1, len(conditions), len(updates), 0)
    return b"".join([head, name_wire(zone), struct.pack("!2H", SOA, _IN), *conditions, *updates])


def _put(change: Change, zone: str, conditions: list[bytes], updates: list[bytes]) -> None:
    owner, kind = name_wire(change.key.name, zone), change.key.type
    number = type_number(kind)
    before, after = change.before, change.after

    def record(of_class: int, ttl: int, data: bytes = b"") -> bytes:
        return owner + struct.pack("!2HIH", number, of_class, ttl, len(data)) + data

    if before is None:
        conditions.append(record(_NONE, 0))
    else:
        conditions += [record(_IN, 0, data_wire(kind, text)) for text in before.data]
    if after is None:
        updates.append(record(_ANY, 0))
        return
    gone: t.Iterable[str] = ()
    new: t.Iterable[str] = after.data
    if before is not None and before.ttl != after.ttl:
        # Servers do not agree on an added record with another TTL: the whole RRset is written anew.
        updates.append(record(_ANY, 0))
    elif before is not None:
        gone = [text for text in before.data if text not in after.data]
        new = [text for text in after.data if text not in before.data]
    updates += [record(_NONE, 0, data_wire(kind, text)) for text in gone]
    updates += [record(_IN, after.ttl, data_wire(kind, text)) for text in new]


def size(change: Change, zone: str) -> int:
    """Return how many octets a change takes in an update."""
    parts: list[bytes] = []
    _put(change, zone, parts, parts)
    return sum(map(len, parts))


def read(wire: bytes) -> Answer:
    """Read a message. What it says of itself is believed only as far as its length goes."""
    try:
        number, flags, questions, *counts = struct.unpack_from("!6H", wire)
        offset = 12
        names: dict[int, str] = {}
        for _question in range(questions):
            offset = read_name(wire, offset, names)[1] + 4
        question = wire[12:offset]
        sections: list[list[Rr]] = []
        signature = None
        extended = 0
        for section in range(3):
            records: list[Rr] = []
            for _record in range(counts[section]):
                start = offset
                name, offset = read_name(wire, offset, names)
                kind, _of_class, ttl, length = _RR_HEAD(wire, offset)
                offset += 10
                records.append(Rr(name, kind, ttl, offset, length))
                offset += length
                signature = (start, records[-1]) if kind == TSIG and section == 2 else None
                if kind == OPT:
                    extended = ttl >> 24
            sections.append(records)
        if offset > len(wire):
            raise Malformed("the message is shorter than it says")
    except (struct.error, IndexError) as error:
        raise Malformed(str(error)) from None
    return Answer(wire, number, flags, question, sections[0], sections[1], signature, names, extended)


def read_name(wire: bytes, offset: int, known: dict[int, str] | None = None) -> tuple[str, int]:
    """Read a name, compressed or not; return its text, and where the next thing begins.

    :param known: names of the same message by where they begin. A message of a transfer points to them again and again
    """
    # Nearly every name of a transfer is some labels, and at the most one pointer to what was read before.
    at, labels = offset, 0
    length = wire[at]
    if length == 1:  # a reverse name begins with many labels of one digit
        at = _DIGITS.match(wire, at).end()  # type: ignore[union-attr]
        labels = (at - offset) // 2
        length = wire[at]
    while 0 < length < 0x40:
        labels += 1
        at += 1 + length
        length = wire[at]
    if known is not None and at - offset < _LONGEST_WIRE:
        plain = wire[offset + 1 : at].translate(_AS_TEXT)
        if plain.count(b".") == labels - 1 and b"\\" not in plain:
            text = f"{plain.decode('ascii')}."
        else:
            text = _odd_labels(wire[offset:at])
        if length >= 0xC0:
            end = known.get((length & 0x3F) << 8 | wire[at + 1])
            text = "" if end is None else text + end
            at += 1
        elif length:
            text = ""
        if text and len(text) <= _LONGEST_NAME:
            known[offset] = text
            return text, at + 1
    return _read_name(wire, offset, known)


def _read_name(wire: bytes, offset: int, known: dict[int, str] | None) -> tuple[str, int]:
    parts: list[str] = []
    begins = [(offset, 0)]  # where a name begins, and with which of the parts
    after = 0
    limit = offset  # a pointer leads back, never forward and never in a circle
    while True:
        first, labels = offset, 0
        length = wire[offset]
        while 0 < length < 0x40:
            labels += 1
            offset += 1 + length
            length = wire[offset]
        if labels:
            parts.append(_labels(wire[first:offset], labels))
        if length == 0:
            after = after or offset + 1
            break
        if length < 0xC0:
            raise Malformed("a label of an unknown kind")
        target = (length & 0x3F) << 8 | wire[offset + 1]
        if target >= limit or len(begins) > _MOST_POINTERS:
            raise Malformed("a pointer in a name does not lead back")
        after = after or offset + 2
        if known is not None and target in known:
            parts.append(known[target])
            break
        offset = limit = target
        begins.append((target, len(parts)))
    text = "".join(parts)
    if len(text) > _LONGEST_NAME:
        raise Malformed("a name is too long")
    if known is not None:
        for begin, part in begins:
            known[begin] = "".join(parts[part:])
    return text or ".", after


def _labels(octets: bytes, count: int) -> str:
    """Return the text of labels, each with the dot behind it."""
    plain = octets[1:].translate(_AS_TEXT)
    if plain.count(b".") == count - 1 and b"\\" not in plain:
        return f"{plain.decode('ascii')}."
    return _odd_labels(octets)


def _odd_labels(octets: bytes) -> str:
    result = ""
    while octets:
        label = octets[1 : 1 + octets[0]]
        result += label.decode("ascii") if _PLAIN.fullmatch(label) else dns.name.Name((label,)).to_text()
        result += "."
        octets = octets[1 + octets[0] :]
    return result


def data_text(kind: str, record: Rr, answer: Answer) -> str:
    """Read the data of a record of a message."""
    wire, start, length = answer.wire, record.start, record.length
    if kind in NAME_TYPES:
        return read_name(wire, start, answer.names)[0]
    if kind == "AAAA" and length == 16:
        return ipv6_text(int.from_bytes(wire[start : start + 16], "big"))
    if kind == "A" and length == 4:
        return ipv4_text(int.from_bytes(wire[start : start + 4], "big"))
    if kind == "MX" and length > 2:
        return f"{int.from_bytes(wire[start : start + 2], 'big')} {read_name(wire, start + 2, answer.names)[0]}"
    return dns.rdata.from_wire("IN", kind, wire, start, length).to_text()


def signed(wire: bytes, key: dns.tsig.Key | None) -> tuple[bytes, bytes]:
    """Return a message with its signature, and the signature's code, which the answer's signature covers."""
    if key is None:
        return wire, b""
    number, _flags, _zones, _conditions, _updates, additional = struct.unpack_from("!6H", wire)
    blank = dns.rdtypes.ANY.TSIG.TSIG(  # type: ignore[no-untyped-call]
        dns.rdataclass.ANY, dns.rdatatype.TSIG, key.algorithm, 0, _FUDGE, b"", number, 0, b""
    )
    rdata, _context = dns.tsig.sign(wire, key, blank, int(time.time()), b"")  # type: ignore[no-untyped-call]
    data = rdata.to_wire() or b""
    owner = key.name.to_wire() or b""
    record = owner + struct.pack("!2HIH", TSIG, _ANY, 0, len(data)) + data
    return wire[:10] + struct.pack("!H", additional + 1) + wire[12:] + record, rdata.mac


class Signatures:
    """The signatures of all the messages that answer one question (RFC 8945, section 5.3.1).

    The first message of a transfer has one, the last has one, and in between at most 99 have none. Each covers all that
    came after the one before it, so that no message can be taken out, put in or put elsewhere.
    """

    def __init__(self, key: dns.tsig.Key, code: bytes) -> None:
        self.unsigned = 0  # messages since the last signature
        self._key, self._code = key, code
        self._context: dns.tsig.HMACTSig | dns.tsig.GSSTSig | None = None

    def check(self, answer: Answer) -> bool:
        """Check the next message; False where it has no signature."""
        if answer.signature is None:
            self.unsigned += 1
            if self._context is not None:
                self._context.update(answer.wire)  # type: ignore[no-untyped-call]
            return False
        start, record = answer.signature
        rdata = dns.rdata.from_wire("ANY", "TSIG", answer.wire, record.start, record.length)
        self._context = dns.tsig.validate(  # type: ignore[no-untyped-call]
            answer.wire,
            self._key,
            dns.name.from_text(record.name),
            rdata,
            int(time.time()),
            self._code,
            start,
            self._context,
            True,
        )
        self.unsigned = 0
        return True
