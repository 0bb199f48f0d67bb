# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets that wait for clients, as the kernel itself tells them: sock_diag(7), without a program in between.

A TCP socket waits for clients in the state LISTEN, a UDP socket as long as it is not connected. The kernel answers for
the network namespace of whoever asks. Where it can't answer, ``/proc/net`` has the same sockets, but tells neither
``IPV6_V6ONLY`` nor the device that a socket is bound to.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import sys
import typing as t

PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}
FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
STATES = {"tcp": 10, "udp": 7}  # LISTEN; CLOSE, in which a UDP socket is that has no peer

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
NETLINK_SOCK_DIAG = 4
SOCK_DIAG_BY_FAMILY = 20
REQUEST_DUMP = 0x301
ERROR, DONE = 2, 3
INTERRUPTED = 0x10
SKV6ONLY, SOCKOPT = 11, 22
FREEBIND, TRANSPARENT = 0x04, 0x20

HEADER = struct.Struct("=IHHII")
REQUEST = struct.Struct("=BBBBI48x")
# family, state, timer, retrans; port, the peer's port, address, the peer's address, device, cookie; then expires,
# both queues, user, inode
MESSAGE = struct.Struct("=BBBB 2s2s16s16sI8s IIIII")
ATTRIBUTE = struct.Struct("=HH")
TRIES = 3
SECONDS = 10.0


class Socket(t.NamedTuple):
    """One socket. ``v6only`` is None for IPv4, and ``freebind`` and ``v6only`` where the kernel doesn't tell."""

    protocol: str
    family: str
    address: str
    port: int
    device: int
    v6only: t.Optional[bool]
    freebind: t.Optional[bool]
    user: int
    inode: int


class Unanswered(Exception):
    """The kernel does not tell its sockets this way."""


def waiting() -> t.Tuple[t.List[Socket], bool]:
    """Return the sockets that wait for clients, and whether the kernel told all that there is to know of them."""
    found: t.List[Socket] = []
    exact = True
    for protocol in PROTOCOLS:
        for family in FAMILIES:
            try:
                found += ask(protocol, family)
            except (OSError, Unanswered):
                path = f"/proc/net/{protocol}{'6' if family == 'ipv6' else ''}"
                if os.path.exists(path):
                    exact = False
                    with open(path, encoding="ascii", errors="replace") as table:
                        found += from_proc(table.read(), protocol, family)
    return found, exact


def ask(protocol: str, family: str) -> t.List[Socket]:
    """Ask the kernel; a list that changed while it was read is read again."""
    for _try in range(TRIES):
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
            kernel.settimeout(SECONDS)
            body = REQUEST.pack(FAMILIES[family], PROTOCOLS[protocol], 0, 0, 1 << STATES[protocol])
            kernel.send(HEADER.pack(HEADER.size + len(body), SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, 1, 0) + body)
            told = _answer(kernel, protocol)
        if told is not None:
            return told
    raise Unanswered(f"{protocol} over {family}: the sockets change all the time")


def _answer(kernel: socket.socket, protocol: str) -> t.Optional[t.List[Socket]]:
    """Read an answer to its end; None where the kernel says that it is not of one moment."""
    found: t.List[Socket] = []
    while True:
        data = kernel.recv(1 << 18)
        for kind, flags, body in messages(data):
            if flags & INTERRUPTED:
                return None
            if kind == DONE:
                return found
            if kind == ERROR:
                number = -struct.unpack_from("=i", body)[0]
                raise Unanswered(os.strerror(number))
            if kind == SOCK_DIAG_BY_FAMILY:
                found.append(read(body, protocol))


def messages(data: bytes) -> t.Iterator[t.Tuple[int, int, bytes]]:
    """Split what netlink sent into ``(kind, flags, body)``."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, _sequence, _port = HEADER.unpack_from(data, at)
        if length < HEADER.size:
            return
        yield kind, flags, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def read(body: bytes, protocol: str) -> Socket:
    """Read one ``inet_diag_msg`` with its attributes."""
    fields = MESSAGE.unpack_from(body)
    family = "ipv6" if fields[0] == socket.AF_INET6 else "ipv4"
    v6only = freebind = None
    for kind, value in attributes(body[MESSAGE.size :]):
        if kind == SKV6ONLY and family == "ipv6" and value:
            v6only = bool(value[0])
        elif kind == SOCKOPT and value:
            # Bit fields stand from the low end of the octet on little-endian machines, else from the high end.
            bits = value[0] if sys.byteorder == "little" else int(f"{value[0]:08b}"[::-1], 2)
            freebind = bool(bits & (FREEBIND | TRANSPARENT))
    return Socket(
        protocol,
        family,
        address(fields[6] if family == "ipv6" else fields[6][:4]),
        int.from_bytes(fields[4], "big"),
        fields[8],
        v6only,
        freebind,
        fields[13],
        fields[14],
    )


def attributes(data: bytes) -> t.Iterator[t.Tuple[int, bytes]]:
    """Split the attributes behind a message into ``(kind, value)``."""
    at = 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size:
            return
        yield kind, data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3


def address(packed: bytes) -> str:
    """Return an address as text; an IPv4-mapped one as ``::ffff:192.0.2.1`` on every version of Python."""
    if len(packed) == 4:
        return str(ipaddress.IPv4Address(packed))
    mapped = ipaddress.IPv6Address(packed).ipv4_mapped
    return f"::ffff:{mapped}" if mapped is not None else str(ipaddress.IPv6Address(packed))


def from_proc(table: str, protocol: str, family: str) -> t.List[Socket]:
    """Read /proc/net/tcp, tcp6, udp or udp6: 32-bit words in the byte order of the machine."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 10 or fields[3] != f"{STATES[protocol]:02X}":
            continue
        words, _colon, port = fields[1].partition(":")
        numbers = [int(words[at : at + 8], 16) for at in range(0, len(words), 8)]
        packed = b"".join(struct.pack("=I", number) for number in numbers)
        found.append(
            Socket(protocol, family, address(packed), int(port, 16), 0, None, None, int(fields[7]), int(fields[9]))
        )
    return found
