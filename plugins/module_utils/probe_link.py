# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every kind of probe needs: one connection to one address of one family, and reading that ends.

Whatever a peer sends is read within a time and a size: a server that hangs, drips or never stops costs one step's
time and no more.
"""

from __future__ import annotations

import io
import socket
import struct
import time
import typing as t

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
ROOM = 1 << 20  # octets that one step may bring; a page is cut before that
Seen = t.Dict[str, t.Any]


class Check(t.NamedTuple):
    """One connection to make, and what is expected of it.

    ``address`` is connected to. Where ``name`` is given too, the name must resolve to that address first; where only
    ``name`` is given, each of its addresses is connected to. ``source`` binds the local end. ``says`` is what
    the answer must contain. ``expect`` is ``open``, or ``closed`` for a port that must not be reachable. The other
    fields belong to some kinds only, as the module's documentation tells.
    """

    id: str
    kind: str
    family: str
    address: str = ""
    name: str = ""
    port: int = 0
    source: str = ""
    host: str = ""
    says: str = ""
    expect: str = "open"
    timeout: float = 5.0
    path: str = "/"
    agent: str = ""
    starttls: bool = False
    sender: str = "probe@example.net"
    recipient: str = "probe@example.org"
    query: str = ""
    protocol: str = "both"
    ports: t.Tuple[int, ...] = ()
    mtu: int = 1280
    interface: str = ""
    addresses: t.Tuple[str, ...] = ()


class Failed(Exception):
    """A proof that did not come about; the message is the evidence."""


class Unreached(Failed):
    """No connection came about at all."""


class Missing(Failed):
    """This machine can't make the probe; the message says what it lacks. Nothing is proved by that."""


def plain(value: t.Union[str, bytes], limit: int = 160) -> str:
    """Return what a server sent as one short line of printable text."""
    text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def reason(error: Exception) -> str:
    """Return in a few words why a connection failed."""
    if isinstance(error, socket.timeout):
        return "no answer"
    return plain(str(getattr(error, "strerror", None) or error or type(error).__name__))


def endpoint(address: str, port: int) -> str:
    """Write an address and a port, with the brackets of RFC 3986 for IPv6."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def resolve(name: str, family: str) -> t.List[str]:
    """Return the addresses of one family that this machine's resolver gives for a name."""
    try:
        found = socket.getaddrinfo(name, None, FAMILIES[family], socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise Failed(f"{name} has no {family} address here: {plain(str(error))}") from error
    return sorted({str(entry[4][0]) for entry in found})


def opened(family: str, kind: int = socket.SOCK_STREAM, source: str = "") -> socket.socket:
    """Return a socket of one family. An IPv4-mapped address, which would be the other family, gets nowhere from it."""
    link = socket.socket(FAMILIES[family], kind)
    try:
        if family == "ipv6":
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if source:
            link.bind((source, 0))
    except OSError:
        link.close()
        raise
    return link


def connect(check: Check, address: str, port: int = 0, largest: int = 0) -> socket.socket:
    """Open a TCP connection to one address, from the wanted source.

    :param port: another port than the check's
    :param largest: the largest segment that the peer may send
    """
    port = port or check.port
    try:
        link = opened(check.family, source=check.source)
        link.settimeout(check.timeout)
        try:
            if largest:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, largest)
            link.connect((address, port))
        except OSError:
            link.close()
            raise
    except OSError as error:
        if not isinstance(error, (socket.timeout, ConnectionRefusedError)):
            source_of(check, address)
        raise Unreached(f"{endpoint(address, port)}: {reason(error)}") from error
    return link


def source_of(check: Check, address: str) -> str:
    """Return the address from which this machine speaks to another one. No packet leaves for that.

    :raises Missing: without a route, or where the wanted source is not an address of this machine. That a port is not
        reached says nothing about the port then, and a port that must be closed is not proved by it.
    """
    try:
        with opened(check.family, socket.SOCK_DGRAM, check.source) as link:
            link.connect((address, 9))
            return str(link.getsockname()[0]).partition("%")[0]
    except OSError as error:
        raise Missing(f"{address} can't be reached from {check.source or 'here'}: {reason(error)}") from error


def family_of(link: socket.socket) -> str:
    """Return the family that a connected socket really uses: the proof that nothing fell back to the other one."""
    if link.family == socket.AF_INET6 and not str(link.getpeername()[0]).startswith("::ffff:"):
        return "ipv6"
    return "ipv4"


def largest_segment(link: socket.socket) -> int:
    """Return the largest segment that this end sends to the peer, without TCP options.

    It is the smaller one of what the peer announced and what the route allows. Linux takes off the room of the
    timestamps where both ends use them, and that is added again, so that it compares with a path MTU.
    """
    options = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[5]
    return link.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) + (12 if options & 1 else 0)


def answered_after(link: socket.socket) -> float:
    """Return how long the peer took for what came last: from what was sent last, and one round trip to connect.

    The kernel's own times: while many probes run in one process, its own clock would tell how busy it is.
    """
    told = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 72)
    sent, _acknowledged, came = struct.unpack_from("=3I", told, 44)  # milliseconds ago
    trip = struct.unpack_from("=I", told, 68)[0]  # microseconds
    taken: float = max(0, sent - came) / 1000 + trip / 1000000
    return round(taken, 3)


class Stream(io.RawIOBase):
    """What a peer sends, read within a time and a size."""

    def __init__(self, link: socket.socket, seconds: float, room: int = ROOM) -> None:
        super().__init__()
        self._link, self._seconds, self._size = link, seconds, room
        self.first: t.Optional[float] = None  # how long the first octet took
        self.next_step()

    def next_step(self) -> None:
        """Begin another step, with the full time and size."""
        self._end, self._room = time.monotonic() + self._seconds, self._size

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: t.Any) -> int:
        """Read what there is."""
        left = self._end - time.monotonic()
        if self._room <= 0:
            raise Failed(f"the answer does not end within {self._size} octets")
        if left <= 0:
            raise Failed(f"the answer does not end within {self._seconds:g} s")
        self._link.settimeout(left)
        try:
            count = self._link.recv_into(buffer, min(len(buffer), self._room))
        except socket.timeout as error:
            what = "no answer" if self.first is None else "the answer does not end"
            raise Failed(f"{what} within {self._seconds:g} s") from error
        if self.first is None:
            self.first = answered_after(self._link)
        self._room -= count
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a buffered reader, as ``http.client`` asks a socket for one."""
        del mode
        return io.BufferedReader(self)
