# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who announces itself as a router on the link (RFC 4861), and with which prefixes, MTU and NAT64 prefix (RFC 8781)."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import probe_packets as packets
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import Check, Missing, Seen, plain, reason

SOLICITATION, ADVERTISEMENT = 133, 134
ALL_ROUTERS = "ff02::2"
PREFIX, MTU, PREF64 = 3, 5, 38  # options
NAT64_LENGTHS = (96, 64, 56, 48, 40, 32)  # by the code in the option: RFC 8781, section 4
NEIGHBOUR_HOPS = 255  # what no packet from elsewhere can have
ROUTES = "/proc/net/ipv6_route"
MOST = 64  # routers, and prefixes of each, that are told


def default_interface() -> str:
    """Return the interface of the IPv6 default route with the best metric."""
    routes = []
    try:
        with open(ROUTES, encoding="ascii") as lines:
            for line in lines:
                fields = line.split()
                if len(fields) == 10 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo":
                    routes.append((int(fields[5], 16), fields[9]))
    except (OSError, ValueError) as error:
        raise Missing(f"{ROUTES}: {plain(str(error))}") from error
    if not routes:
        raise Missing("there is no IPv6 default route whose interface could be listened on; name the interface")
    return min(routes)[1]


def options(data: bytes) -> t.Iterator[t.Tuple[int, bytes]]:
    """Yield the options of an advertisement; what is cut off or without length ends it (RFC 4861, section 4.6)."""
    while len(data) >= 2:
        size = data[1] * 8
        if not size or size > len(data):
            return
        yield data[0], data[:size]
        data = data[size:]


def _prefix(octets: bytes, length: int) -> str:
    return str(ipaddress.IPv6Network((octets.ljust(16, b"\0"), min(length, 128)), strict=False))


def read(source: str, data: bytes) -> t.Dict[str, t.Any]:
    """Return what an advertisement says."""
    told: t.Dict[str, t.Any] = {
        "address": source,
        "lifetime": struct.unpack(">H", data[6:8])[0],
        "managed": bool(data[5] & 0x80),
        "other": bool(data[5] & 0x40),
        "mtu": 0,
        "prefixes": [],
        "pref64": "",
    }
    for kind, option in options(data[16:]):
        if kind == MTU and len(option) == 8:
            told["mtu"] = struct.unpack(">I", option[4:])[0]
        elif kind == PREFIX and len(option) == 32 and len(told["prefixes"]) < MOST:
            told["prefixes"].append(_prefix(option[16:32], option[2]))
        elif kind == PREF64 and len(option) == 16 and option[3] & 7 < len(NAT64_LENGTHS):
            told["pref64"] = _prefix(option[4:16], NAT64_LENGTHS[option[3] & 7])
    return told


def ra(check: Check, address: str, seen: Seen) -> str:
    """Ask for router advertisements and listen for the whole time: a rogue router may be slower than the right one."""
    del address
    device = check.interface or default_interface()
    try:
        index = socket.if_nametoindex(device)
    except OSError as error:
        raise Missing(f"there is no interface {plain(device)} here") from error
    found: t.Dict[str, t.Dict[str, t.Any]] = {}
    with packets.receiver([ADVERTISEMENT]) as link:
        try:
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, NEIGHBOUR_HOPS)
            link.sendto(struct.pack(">BBH4x", SOLICITATION, 0, 0), (ALL_ROUTERS, 0, 0, index))
        except OSError as error:
            raise Missing(f"no router solicitation can be sent on {plain(device)}: {reason(error)}") from error
        end = time.monotonic() + check.timeout
        while True:
            reply = packets.received(link, end)
            if reply is None:
                break
            good = len(reply.data) >= 16 and reply.hops == NEIGHBOUR_HOPS and reply.interface == index
            if good and (reply.source in found or len(found) < MOST):
                found[reply.source] = read(reply.source, reply.data)
    seen.update(family="ipv6", interface=device, routers=[found[one] for one in sorted(found)])
    return f"{len(found)} routers on {plain(device)}: {', '.join(sorted(found)) or 'none'}"
