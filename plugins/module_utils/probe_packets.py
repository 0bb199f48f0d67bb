# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6 packets made by hand, and the way onto the link for them."""

from __future__ import annotations

import json
import secrets
import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import Missing, plain, reason

HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION, ICMPV6, UNKNOWN = 0, 43, 44, 60, 58, 253  # next headers; 253: RFC 3692
ECHO_REQUEST, ECHO_REPLY, TOO_BIG = 128, 129, 2
ERRORS = (1, 2, 3, 4)  # ICMPv6 types
IPV6_HEADER = 40
ETHERTYPE = 0x86DD
# What Python has no names for.
ICMP6_FILTER, IPV6_RECVFRAGSIZE = 1, 77


class Reply(t.NamedTuple):
    """An ICMPv6 message that came: where from, its octets, its hop limit, and the largest fragment it came in or 0."""

    source: str
    data: bytes
    hops: int
    fragment: int
    interface: int


def checksum(source: bytes, destination: bytes, data: bytes) -> int:
    """Return the ICMPv6 checksum with its pseudo header (RFC 8200, section 8.1)."""
    text = source + destination + struct.pack(">I3xB", len(data), ICMPV6) + data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(text) // 2}H", text))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(identifier: int, sequence: int, size: int) -> bytes:
    """Return an echo request without a checksum."""
    return struct.pack(">BBHHH", ECHO_REQUEST, 0, 0, identifier, sequence) + bytes(index % 251 for index in range(size))


def summed(source: str, destination: str, data: bytes) -> bytes:
    """Return an ICMPv6 message with its checksum."""
    start, end = (socket.inet_pton(socket.AF_INET6, one) for one in (source, destination))
    return data[:2] + struct.pack(">H", checksum(start, end, data)) + data[4:]


def header(source: str, destination: str, following: int, length: int, label: int = 0) -> bytes:
    """Return an IPv6 header."""
    ends = b"".join(socket.inet_pton(socket.AF_INET6, one) for one in (source, destination))
    return struct.pack(">IHBB", 6 << 28 | label, length, following, 64) + ends


def number() -> int:
    """Return a number by which answers are told apart from those of other probes."""
    return 1 + secrets.randbelow(65535)


def receiver(kinds: t.Sequence[int], source: str = "") -> socket.socket:
    """Return a socket that gets ICMPv6 messages of some types, and can send any.

    :raises Missing: without the right to open one
    """
    try:
        link = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    except OSError as error:
        raise Missing(f"raw sockets can't be opened here: {reason(error)}; run it as root") from error
    try:
        mask = bytearray(b"\xff" * 32)  # a bit that is set blocks its type; words are in this machine's order
        for kind in kinds:
            word = struct.unpack_from("=I", mask, kind // 32 * 4)[0] & ~(1 << kind % 32)
            struct.pack_into("=I", mask, kind // 32 * 4, word)
        link.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, bytes(mask))
        link.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1)
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        if source:
            link.bind((source, 0))
    except OSError as error:
        link.close()
        raise Missing(f"ICMPv6 from {source or 'here'}: {reason(error)}") from error
    return link


def received(link: socket.socket, end: float) -> t.Optional[Reply]:
    """Return the next message that comes before a time; None where none does."""
    left = end - time.monotonic()
    if left <= 0:
        return None
    link.settimeout(left)
    try:
        data, notes, _flags, sender = link.recvmsg(65535, 512)
    except socket.timeout:
        return None
    own = (note for note in notes if note[0] == socket.IPPROTO_IPV6 and len(note[2]) >= 4)
    told = {kind: struct.unpack("=i", value[:4])[0] for _level, kind, value in own}
    interface = sender[3] if len(sender) > 3 else 0
    return Reply(
        str(sender[0]).partition("%")[0],
        data,
        told.get(socket.IPV6_HOPLIMIT, 0),
        told.get(IPV6_RECVFRAGSIZE, 0),
        interface,
    )


class Path:
    """The way onto the link, past this machine's own firewall.

    A machine that tracks connections puts fragments together before it sends them, so that a malformed one would
    never leave it. What is written to a packet socket leaves as it is.
    """

    def __init__(self, source: str, address: str) -> None:
        route = self._told(["route", "get", address, "from", source])[0]
        self.device = str(route.get("dev", ""))
        hop = str(route.get("gateway") or address)
        local = route.get("type") == "local"
        self._neighbour = b"\0" * 6 if local else self._link_address(hop)
        try:
            self._link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
        except OSError as error:
            raise Missing(f"packet sockets can't be opened here: {reason(error)}; run it as root") from error

    @staticmethod
    def _told(argv: t.Sequence[str]) -> t.List[t.Dict[str, t.Any]]:
        done = commands.run(["ip", "-6", "-json", *argv], timeout=5.0)
        try:
            told = json.loads(done.out or "[]")
        except ValueError:
            told = []
        if done.rc != 0 or not isinstance(told, list) or not told:
            raise Missing(f"ip -6 {' '.join(argv[:3])}: {plain(done.err) or 'nothing'}")
        return t.cast(t.List[t.Dict[str, t.Any]], told)

    def _link_address(self, hop: str) -> bytes:
        if self._told(["link", "show", "dev", self.device])[0].get("link_type") != "ether":
            return b""  # a tunnel has one other end only
        told = self._told(["neigh", "show", "to", hop, "dev", self.device])
        for entry in told:
            text = str(entry.get("lladdr", "")).replace(":", "")
            if len(text) == 12:
                return bytes.fromhex(text)
        raise Missing(f"the next hop {hop} on {self.device} has no link-layer address")

    def send(self, packet: bytes) -> None:
        """Send a packet with its IPv6 header."""
        self._link.sendto(packet, (self.device, ETHERTYPE, 0, 0, self._neighbour))

    def close(self) -> None:
        """Give back the socket."""
        self._link.close()
