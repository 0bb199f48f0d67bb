# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the link of an interface (RFC 4861): who has an address, which routers are there, and what do they announce."""

from __future__ import annotations

import ipaddress
import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import WantedAddress

ALL_ROUTERS = "ff02::2"
SOLICIT_ROUTERS, ADVERTISE_ROUTER, SOLICIT_NEIGHBOUR, ADVERTISE_NEIGHBOUR = 133, 134, 135, 136
PREFIX_OPTION, ON_LINK = 3, 0x80
# How long is waited for an answer: neighbours answer at once, a router may take half a second, and
# a busy one answers all at once every three seconds (MIN_DELAY_BETWEEN_RAS).
NEIGHBOUR_WAIT = 3.0
LISTEN_WAIT = 1.0
ROUTER_WAIT = 6.0
ASK_AGAIN = 1.0


class Announced(t.NamedTuple):
    """A router advertisement: the router, for how long it is a default router, and the prefixes of the link."""

    router: str
    lifetime: int
    prefixes: t.Tuple[str, ...]


class Heard(t.NamedTuple):
    """What the link answered: the MAC address of each neighbour, and the routers by their addresses."""

    neighbours: t.Mapping[str, str]
    routers: t.Mapping[str, Announced]


def neighbour_question(target: str, mac: bytes) -> t.Tuple[bytes, str]:
    """Return a neighbour solicitation and the multicast group it goes to."""
    packed = ipaddress.IPv6Address(target).packed
    group = ipaddress.IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + packed[13:])
    return struct.pack("!BBHI", SOLICIT_NEIGHBOUR, 0, 0, 0) + packed + b"\x01\x01" + mac, str(group)


def neighbour_answer(packet: bytes) -> t.Tuple[str, str]:
    """Read a neighbour advertisement: the address and the MAC address it is at; two empty texts for anything else."""
    if len(packet) < 24 or packet[0] != ADVERTISE_NEIGHBOUR:
        return "", ""
    mac = ":".join(f"{byte:02x}" for byte in packet[26:32]) if packet[24:26] == b"\x02\x01" else ""
    return str(ipaddress.IPv6Address(packet[8:24])), mac


def router_answer(packet: bytes, router: str) -> t.Optional[Announced]:
    """Read a router advertisement; None for anything else, and for one that is cut short."""
    if len(packet) < 16 or packet[0] != ADVERTISE_ROUTER:
        return None
    prefixes = []
    place = 16
    while place + 2 <= len(packet):
        kind, size = packet[place], packet[place + 1] * 8
        if size == 0 or place + size > len(packet):
            return None
        if kind == PREFIX_OPTION and size == 32 and packet[place + 3] & ON_LINK and packet[place + 2] <= 128:
            network = ipaddress.IPv6Network((packet[place + 16 : place + 32], packet[place + 2]), strict=False)
            prefixes.append(str(network))
        place += size
    return Announced(router, struct.unpack("!H", packet[6:8])[0], tuple(prefixes))


def _socket(name: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode() + b"\0")
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(name))
    return sock


def _mac(name: str) -> bytes:
    with open(f"/sys/class/net/{name}/address", encoding="ascii") as handle:
        return bytes.fromhex(handle.read().strip().replace(":", ""))


def ask(name: str, neighbours: t.Sequence[str], listen: float, router_needed: bool = False) -> Heard:
    """Ask for neighbours and routers until everything that is needed has come, or its time is over.

    ``listen``: how long to wait for router advertisements that only would be good to have.
    """
    heard = Heard({}, {})
    found: t.Dict[str, str] = {}
    routers: t.Dict[str, Announced] = {}
    mac = _mac(name)
    questions = [neighbour_question(address, mac) for address in neighbours]
    if listen or router_needed:
        questions.append((struct.pack("!BBHI", SOLICIT_ROUTERS, 0, 0, 0) + b"\x01\x01" + mac, ALL_ROUTERS))
    with _socket(name) as sock:
        start = time.monotonic()
        asked = start - ASK_AGAIN
        while True:
            now = time.monotonic()
            waits = [NEIGHBOUR_WAIT] if set(neighbours) - set(found) else []
            if router_needed and not any(router.lifetime for router in routers.values()):
                waits.append(ROUTER_WAIT)
            if not routers:
                waits.append(listen)
            left = start + max([*waits, 0.0]) - now
            if left <= 0:
                return heard._replace(neighbours=found, routers=routers)
            if now - asked >= ASK_AGAIN:
                asked = now
                for packet, group in questions:
                    sock.sendto(packet, (group, 0, 0, socket.if_nametoindex(name)))
            sock.settimeout(min(left, ASK_AGAIN))
            try:
                packet, sender = sock.recvfrom(1500)
            except socket.timeout:
                continue
            address, at = neighbour_answer(packet)
            if address in neighbours:
                found[address] = at
            announced = router_answer(packet, str(sender[0]).partition("%")[0])
            if announced is not None:
                routers[announced.router] = announced


def who_has(name: str, address: str) -> str:
    """Return the MAC address that answers for an address, or nothing.

    The kernel does not say who the other one is, so the question is asked once more, from the link-local address.
    """
    try:
        return ask(name, [address], 0.0).neighbours.get(address, "")
    except (OSError, ValueError):
        return ""


def refuse_heard(
    name: str,
    addresses: t.Sequence[WantedAddress],
    routers: t.Sequence[str],
    router_needed: bool,
    heard: Heard,
    allow: t.Collection[str],
) -> None:
    """Refuse what the link's answers contradict."""
    for router in routers:
        if router not in heard.neighbours and "unreachable_gateway" not in allow:
            inside = any(ipaddress.IPv6Address(router) in ipaddress.IPv6Interface(a.text).network for a in addresses)
            local = ipaddress.IPv6Address(router).is_link_local
            where = "" if inside or local else f", and lies in no prefix of {name}"
            others = [other for other in heard.routers if other != router and heard.routers[other].lifetime]
            hint = f"; the routers that announce themselves there are {', '.join(others)}" if others else ""
            raise RolloutError(
                f"gateway: {router} does not answer neighbour solicitations on {name}{where}: nothing would get past "
                f"it{hint}; correct it, or put unreachable_gateway into allow. The route was not set"
            )
    if router_needed and not any(router.lifetime for router in heard.routers.values()):
        raise RolloutError(
            f"accept_ra: no router advertisement came on {name} in {ROUTER_WAIT:g} s, and no gateway is named, so "
            "there would be no default route; look after the router, name the gateway, or put no_default_route into "
            "allow"
        )
    if "other_prefix_length" in allow:
        return
    for announced in heard.routers.values():
        for prefix in announced.prefixes:
            _refuse_length(addresses, announced.router, ipaddress.IPv6Network(prefix))


def _refuse_length(addresses: t.Sequence[WantedAddress], router: str, prefix: ipaddress.IPv6Network) -> None:
    for address in addresses:
        mine = ipaddress.IPv6Interface(address.text)
        # An address alone (/128) claims no neighbours, so it is never wrong.
        if mine.ip in prefix and mine.network.prefixlen not in (prefix.prefixlen, 128):
            raise RolloutError(
                f"addresses: {address.text} has a wrong prefix length: the router {router} announces {prefix} as what "
                f"is on this link, and {mine.network} would make hosts unreachable; write "
                f"{address.plain}/{prefix.prefixlen}, or put other_prefix_length into allow"
            )
