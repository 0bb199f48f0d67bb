# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the client: asks for a router advertisement and prints the NAT64 prefix that it tells (RFC 8781)."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys
import time

LENGTHS = (96, 64, 56, 48, 40, 32)


def told(packet: bytes) -> str:
    """Return prefix, its lifetime and that of the router, out of an advertisement; empty where there is none."""
    at = 16
    while at + 2 <= len(packet) and packet[at + 1]:
        if packet[at] == 38:
            (both,) = struct.unpack(">H", packet[at + 2 : at + 4])
            prefix = ipaddress.IPv6Network((packet[at + 4 : at + 16] + bytes(4), LENGTHS[both & 7]))
            return f"{prefix} {both & ~7} {struct.unpack('>H', packet[6:8])[0]}"
        at += packet[at + 1] * 8
    return ""


with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as one:
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    one.settimeout(1)
    index = socket.if_nametoindex(sys.argv[1])
    end = time.monotonic() + 20
    found = ""
    while not found and time.monotonic() < end:
        one.sendto(b"\x85" + bytes(7), ("ff02::2", 0, 0, index))
        try:
            packet = one.recv(2000)
        except TimeoutError:
            continue
        found = told(packet) if packet[0] == 134 else ""
    print(found)
