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

CNAME, SOA, NS, DNAME, TSIG = 5, 6, 2, 39, 250
_IN, _NONE, _ANY = 1, 254, 255
_FUDGE = 300  # seconds; the RFC's own value
_PLAIN = re.compile(rb"[A-Za-z0-9_*/-]+")
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

    @property
    def rcode(self) -> int:
        """What the server thinks of the request."""
        return self.flags & 0xF


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
        for _question in range(questions):
            offset = _after_name(wire, offset) + 4
        question = wire[12:offset]
        sections: list[list[Rr]] = []
        signature = None
        for section in range(3):
            records: list[Rr] = []
            for _record in range(counts[section]):
                start = offset
                name, offset = read_name(wire, offset)
                kind, _of_class, ttl, length = struct.unpack_from("!2HIH", wire, offset)
                offset += 10
                records.append(Rr(name, kind, ttl, offset, length))
                offset += length
                signature = (start, records[-1]) if kind == TSIG and section == 2 else None
            sections.append(records)
        if offset > len(wire):
            raise Malformed("the message is shorter than it says")
    except (struct.error, IndexError) as error:
        raise Malformed(str(error)) from None
    return Answer(wire, number, flags, question, sections[0], sections[1], signature)


def read_name(wire: bytes, offset: int) -> tuple[str, int]:
    """Read a name, compressed or not; return its text, and where the next thing begins."""
    labels: list[str] = []
    after = 0
    limit = offset  # a pointer leads back, never forward and never in a circle
    while True:
        length = wire[offset]
        if length == 0:
            return f"{'.'.join(labels)}.", after or offset + 1
        if length < 0x40:
            label = wire[offset + 1 : offset + 1 + length]
            labels.append(label.decode("ascii") if _PLAIN.fullmatch(label) else dns.name.Name((label,)).to_text())
            offset += 1 + length
        elif length >= 0xC0:
            target = (length & 0x3F) << 8 | wire[offset + 1]
            if target >= limit:
                raise Malformed("a pointer in a name does not lead back")
            after = after or offset + 2
            offset = limit = target
        else:
            raise Malformed("a label of an unknown kind")


def _after_name(wire: bytes, offset: int) -> int:
    return read_name(wire, offset)[1]


def data_text(kind: str, record: Rr, wire: bytes) -> str:
    """Read the data of a record."""
    data = wire[record.start : record.start + record.length]
    if kind == "AAAA" and len(data) == 16:
        return ipv6_text(int.from_bytes(data, "big"))
    if kind == "A" and len(data) == 4:
        return ipv4_text(int.from_bytes(data, "big"))
    if kind in NAME_TYPES:
        return read_name(wire, record.start)[0]
    return dns.rdata.from_wire("IN", kind, wire, record.start, record.length).to_text()


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


def check_signature(answer: Answer, key: dns.tsig.Key, code: bytes) -> bool:
    """Check the signature of an answer; False where it has none. dnspython's exceptions say what is wrong with it."""
    if answer.signature is None:
        return False
    start, record = answer.signature
    rdata = dns.rdata.from_wire("ANY", "TSIG", answer.wire, record.start, record.length)
    owner = dns.name.from_text(record.name)
    now = int(time.time())
    dns.tsig.validate(answer.wire, key, owner, rdata, now, code, start)  # type: ignore[no-untyped-call]
    return True
