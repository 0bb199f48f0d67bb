# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a host hear that its packets are too big, and what does it do with packets that nobody should send?"""

from __future__ import annotations

import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import probe_packets as packets
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import Check, Failed, Seen, Unreached, source_of

FULL = 1500  # octets: the packet that is too big
TRIES = 3
SMALLEST = 1280  # RFC 8200, section 5: what any link carries, and the longest error message


class Echoes:
    """Echo requests of one size to one address, and the pieces that the replies come in."""

    def __init__(self, link: socket.socket, address: str, size: int) -> None:
        self._link, self._address, self._size = link, address, size
        self._identifier, self._sequence = packets.number(), 0
        self.reply = b""

    def largest(self, seconds: float) -> int:
        """Send requests until a reply comes; return the largest packet it came in, or 0."""
        for _try in range(TRIES):
            self._sequence += 1
            request = packets.echo(self._identifier, self._sequence, self._size)
            self._link.settimeout(seconds)
            self._link.sendto(request, (self._address, 0))
            end = time.monotonic() + seconds / TRIES
            while True:
                reply = packets.received(self._link, end)
                if reply is None:
                    break
                # Type, code and checksum differ from the request; what follows has to come back.
                if reply.data[:1] == bytes([packets.ECHO_REPLY]) and reply.data[4:] == request[4:]:
                    self.reply = reply.data
                    return reply.fragment or len(reply.data) + packets.IPV6_HEADER
        return 0


def mtu(check: Check, address: str, seen: Seen) -> str:
    """A full-size reply, then the message that it was too big, then a reply in pieces that fit."""
    source = source_of(check, address)
    with packets.receiver([packets.ECHO_REPLY], source) as link:
        seen.update(family="ipv6", before=0, after=0, replied_before=False, replied_after=False)
        echoes = Echoes(link, address, FULL - packets.IPV6_HEADER - 8)
        seen["before"] = echoes.largest(check.timeout)
        seen["replied_before"] = seen["before"] > 0
        if not seen["before"]:
            raise Unreached(f"{address}: no echo reply of {FULL} octets")
        # What a router on the way would say: the beginning of the packet that did not fit (RFC 4443, section 3.2).
        quoted = packets.header(address, source, packets.ICMPV6, len(echoes.reply)) + echoes.reply
        error = struct.pack(">BBHI", packets.TOO_BIG, 0, 0, check.mtu) + quoted
        for _try in range(TRIES):  # a message may be lost, and nobody confirms it
            link.sendto(error[: SMALLEST - packets.IPV6_HEADER], (address, 0))
        seen["after"] = echoes.largest(check.timeout)
        seen["replied_after"] = seen["after"] > 0
    if not seen["after"]:
        raise Failed(f"no reply any more after packet too big ({check.mtu})")
    if seen["after"] > check.mtu:
        raise Failed(f"replies still come in packets of {seen['after']} octets after packet too big ({check.mtu})")
    return f"replies come in packets of at most {check.mtu} octets after packet too big"


def _fragment(following: int, offset: int, more: bool, identification: int) -> bytes:
    """Return a fragment header; the offset is in octets."""
    return struct.pack(">BBHI", following, 0, offset | int(more), identification)


Parts = t.List[t.Tuple[int, bytes]]  # next header and payload of each packet


def _pieces(following: int, data: bytes, cuts: t.Sequence[t.Tuple[int, int]]) -> Parts:
    """Cut data into fragments, each from one octet to another."""
    identification = packets.number() << 16 | packets.number()
    return [
        (packets.FRAGMENT, _fragment(following, start, end < len(data), identification) + data[start:end])
        for start, end in cuts
    ]


def _valid_fragments(address: str, data: bytes) -> Parts:
    del address
    return _pieces(packets.ICMPV6, data, [(0, 128), (128, len(data))])


def _routing_header_0(address: str, data: bytes) -> Parts:
    # One more segment, which is the host itself: who still obeys the header answers the request (RFC 5095).
    route = struct.pack(">BBBB4x", packets.ICMPV6, 2, 0, 1) + socket.inet_pton(socket.AF_INET6, address)
    return [(packets.ROUTING, route + data)]


def _overlapping(address: str, data: bytes) -> Parts:
    # The common part is the same in both, so that whoever puts them together gets a request that is right (RFC 5722).
    del address
    return _pieces(packets.ICMPV6, data, [(0, 128), (64, len(data))])


def _tiny_first(address: str, data: bytes) -> Parts:
    # The first fragment ends within the first of the headers: what is inside can't be seen by a filter (RFC 7112).
    del address
    options = struct.pack(">BBBB12x", packets.ICMPV6, 1, 1, 12)
    whole = options + data
    return _pieces(packets.DESTINATION, whole, [(0, 8), (8, len(whole))])


def _unknown_header(address: str, data: bytes) -> Parts:
    del address
    return [(packets.UNKNOWN, struct.pack(">BB6x", packets.ICMPV6, 0) + data)]


def _plain(address: str, data: bytes) -> Parts:
    del address
    return [(packets.ICMPV6, data)]


# The last two may be answered, and come last: what was sent before them has arrived by then, or never will.
CASES: t.Dict[str, t.Callable[[str, bytes], Parts]] = {
    "routing_header_0": _routing_header_0,
    "overlapping": _overlapping,
    "tiny_first": _tiny_first,
    "unknown_header": _unknown_header,
    "valid_fragments": _valid_fragments,
    "echo": _plain,
}
BAD = ("routing_header_0", "overlapping", "tiny_first", "unknown_header")
SOON = 1.0  # seconds for an answer of a host that answers no echo request
AFTER = 0.5  # seconds for a late answer to what was sent first, once the last one was answered


def extension(check: Check, address: str, seen: Seen) -> str:
    """Fragments that are right are put together; what RFC 5095, 5722, 7112 and 8200 forbid is dropped."""
    source = source_of(check, address)
    with packets.receiver([packets.ECHO_REPLY, *packets.ERRORS], source) as link:
        # The neighbour is known after this, and whether the host answers echo requests at all.
        answers = Echoes(link, address, 8).largest(check.timeout)
        path = packets.Path(source, address)
        try:
            found = _asked(address, source, link, path, check.timeout if answers else min(check.timeout, SOON))
        finally:
            path.close()
    seen.update(found, family="ipv6")
    wrong = [name for name in BAD if found[name] == "answered"]
    told = ", ".join(f"{name} {found[name]}" for name in CASES)
    if found["echo"] == "silent" and not wrong and found["valid_fragments"] == "silent":
        return f"no echo reply at all, so that nothing is known: {told}"
    if wrong or found["valid_fragments"] != "answered":
        raise Failed(told)
    return told


def _asked(address: str, source: str, link: socket.socket, path: packets.Path, seconds: float) -> t.Dict[str, str]:
    """Send all cases at once and sort what comes back by the number or the flow label that each one has."""
    base = packets.number() & 0xFFF0
    identifier = packets.number()
    found = dict.fromkeys(CASES, "silent")
    names = list(CASES)
    for index, name in enumerate(names):
        data = packets.summed(source, address, packets.echo(identifier, index, 248))
        try:
            for following, payload in CASES[name](address, data):
                path.send(packets.header(source, address, following, len(payload), base + index) + payload)
        except OSError as error:
            found[name] = f"problem: {error.strerror or error}"
    end = time.monotonic() + seconds
    ends = packets.header(source, address, 0, 0)[8:]
    while True:
        reply = packets.received(link, end)
        if reply is None:
            return found
        index = _index(reply.data, identifier, base, ends)
        if not 0 <= index < len(names):
            continue
        answered = reply.data[0] == packets.ECHO_REPLY
        if found[names[index]] != "answered":
            found[names[index]] = "answered" if answered else "refused"
        if found["echo"] == "answered" and found["valid_fragments"] != "silent":
            end = min(end, time.monotonic() + AFTER)


def _index(data: bytes, identifier: int, base: int, ends: bytes) -> int:
    """Return the number of the case that a message answers, or -1."""
    if len(data) >= 8 and data[0] == packets.ECHO_REPLY:
        return int.from_bytes(data[6:8], "big") if data[4:6] == struct.pack(">H", identifier) else -1
    quoted = data[8:]
    if len(quoted) < packets.IPV6_HEADER or quoted[8:40] != ends:
        return -1
    return (int.from_bytes(quoted[:4], "big") & 0xFFFFF) - base
