# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wants of a NAT64, checked and in canonical form. Nothing here looks at the host."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

LENGTHS = (32, 40, 48, 56, 64, 96)
WELL_KNOWN = ipaddress.IPv6Network("64:ff9b::/96")
# RFC 8215: for translation within a site, so nothing else may be there.
LOCAL_USE = ipaddress.IPv6Network("64:ff9b:1::/48")
# Teredo and 6to4: whoever has an IPv4 address has such ones.
_EVERYBODYS = (ipaddress.IPv6Network("2001::/32"), ipaddress.IPv6Network("2002::/16"))
UNICAST = (ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("fc00::/7"))
# The IPv4 addresses that are no hosts of the Internet: the special-purpose registry (RFC 6890), without those that
# it calls globally reachable, and multicast.
SPECIAL = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
TRANSLATORS = ("tayga", "jool")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,14}")
_RESERVED_NAMES = ("all", "default", "lo", "tun", "tap", "null")

Network4 = ipaddress.IPv4Network
Network6 = ipaddress.IPv6Network


class Wish(t.NamedTuple):
    """A translator as it shall be, in canonical form."""

    translator: str
    device: str
    prefix: Network6
    pool: Network4  # what TAYGA gives to clients, or what Jool translates to
    address: ipaddress.IPv4Address  # TAYGA's own, the first of the pool
    address6: t.Optional[ipaddress.IPv6Address]
    clients: t.Tuple[Network6, ...]
    refused: t.Tuple[Network4, ...]
    allowed: t.Tuple[Network4, ...]
    masquerade: bool
    pref64: t.Tuple[str, ...]  # the interfaces whose router advertisements tell the prefix
    lifetime: int


def refuse(option: str, value: object, why: str) -> t.NoReturn:
    """Raise what a user can put right."""
    raise RolloutError(f"{option}: {shown(value)} {why}")


def nat64_prefix(option: str, value: object) -> Network6:
    """Return a NAT64 prefix: one of the six lengths, unicast, bits 64 to 71 zero (RFC 6052, section 2.2)."""
    try:
        found = Network6(_plain(value))
    except ValueError:
        refuse(option, value, "is no IPv6 prefix; write 64:ff9b::/96, or one of your own such as 2001:db8:64::/96")
    if found.prefixlen not in LENGTHS:
        lengths = ", ".join(str(length) for length in LENGTHS)
        refuse(option, value, f"has a length that no NAT64 prefix has; take one of {lengths}, best a /96 (RFC 6052)")
    if int(found.network_address) >> 56 & 0xFF:
        refuse(option, value, "has bits 64 to 71 set, which must be zero (RFC 6052); take another one")
    if found != WELL_KNOWN and not any(found.subnet_of(space) for space in (*UNICAST, LOCAL_USE)):
        refuse(option, value, "is neither the well-known prefix nor unicast of your own; take 64:ff9b::/96")
    return found


def embedded(prefix: Network6, inner: Network4) -> Network6:
    """Return what stands for an IPv4 network behind a NAT64 prefix. It is one prefix with all six lengths.

    >>> str(embedded(WELL_KNOWN, Network4("192.0.2.0/24")))
    '64:ff9b::c000:200/120'
    >>> str(embedded(Network6("2001:db8:100::/40"), Network4("192.0.2.33/32")))
    '2001:db8:1c0:2:21::/80'
    """
    number, first, length = int(inner.network_address), int(prefix.network_address), prefix.prefixlen
    if length == 96:
        return Network6((first | number, 96 + inner.prefixlen))
    before = 64 - length  # how many of the 32 bits come before bits 64 to 71, which stay zero
    after = 32 - before
    whole = first | number >> after << 64 | (number & ((1 << after) - 1)) << (56 - after)
    reached = length + inner.prefixlen
    return Network6((whole, reached if inner.prefixlen <= before else reached + 8))


def _plain(value: object) -> str:
    """Return text that is no more than an address: Python takes anything after a per cent sign."""
    if not isinstance(value, str) or "%" in value:
        raise ValueError("no text")
    return value.strip()


def ipv4_network(option: str, value: object) -> Network4:
    """Return an IPv4 network, or a single address."""
    try:
        return Network4(_plain(value))
    except ValueError:
        refuse(option, value, "is no IPv4 network; write one such as 192.168.64.0/24, without host bits")


def client(value: object) -> Network6:
    """Return a prefix whose hosts may use the translator."""
    try:
        found = Network6(_plain(value))
    except ValueError:
        refuse("clients", value, "is no IPv6 prefix; write one such as 2001:db8:1200::/48, without host bits")
    if not any(found.subnet_of(space) for space in UNICAST):
        refuse(
            "clients",
            value,
            "is more than prefixes of your own: anybody could use the translator; name those of the plan",
        )
    if found.prefixlen < 16 or any(found.supernet_of(space) for space in _EVERYBODYS):
        refuse("clients", value, "is far more than anybody has: strangers could use the translator; name your prefixes")
    return found


def interface(option: str, value: object) -> str:
    """Return the name of an interface."""
    text = str(value)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,14}", text) or text in _RESERVED_NAMES:
        refuse(option, value, "is no name of an interface; write one such as eth1")
    return text


def _pool(value: object, masquerade: bool) -> Network4:
    found = ipv4_network("pool", value)
    if found.prefixlen > 30:
        refuse("pool", value, "holds no clients: TAYGA has an address of its own in it; take a /29 or more")
    if found.prefixlen < 8 or found.is_multicast or found.is_loopback or found.is_unspecified:
        refuse("pool", value, "is no network for hosts; take a private one such as 192.168.64.0/24")
    if not masquerade and found.is_private:
        refuse(
            "pool", value, "is not routed on the Internet, so nothing would come back; set masquerade, or own addresses"
        )
    return found


def _address6(value: object, prefix: Network6, pool: Network4) -> t.Optional[ipaddress.IPv6Address]:
    if not value:
        if prefix == WELL_KNOWN and pool.is_private:
            raise RolloutError(
                "ipv6_address: TAYGA needs one with the well-known prefix and a private pool: it sends ICMPv6 errors "
                "from there (RFC 6052 allows no private address behind 64:ff9b::/96); name a free address of the plan"
            )
        return None
    try:
        found = ipaddress.IPv6Address(_plain(value))
    except ValueError:
        refuse("ipv6_address", value, "is no IPv6 address; name a free one of the plan")
    if not any(found in space for space in UNICAST) or found in prefix:
        refuse(
            "ipv6_address", value, "can't be the translator's own; name a free address of the plan, outside of prefix"
        )
    return found


def wanted(given: t.Mapping[str, t.Any]) -> Wish:
    """Return what is wanted, or raise with what has to be changed."""
    translator = str(given["translator"])
    device = str(given["device"])
    if not _NAME.fullmatch(device) or device in _RESERVED_NAMES:
        refuse("device", device, "is no name for it; write a letter and up to 14 letters, digits, _ and -")
    prefix = nat64_prefix("prefix", given["prefix"])
    if not given["pool"]:
        raise RolloutError("pool: it is missing; name an IPv4 network that is free, such as 192.168.64.0/24")
    masquerade = bool(given["masquerade"])
    pool = _pool(given["pool"], masquerade) if translator == "tayga" else ipv4_network("pool", given["pool"])
    if not given["clients"]:
        raise RolloutError("clients: none are named, so nobody could use the translator; name the prefixes of the plan")
    clients = _collapsed6([client(value) for value in given["clients"]])
    for network in clients:
        if network.overlaps(prefix) and network.prefixlen >= prefix.prefixlen:
            refuse("clients", str(network), f"is inside the NAT64 prefix {prefix}; name the prefixes that hosts have")
    own = tuple(ipv4_network("refused", value) for value in given["refused"])
    allowed = tuple(ipaddress.collapse_addresses(ipv4_network("allowed", value) for value in given["allowed"]))
    for network4 in allowed:
        if network4.prefixlen == 0:
            refuse("allowed", str(network4), "is everything; name the networks that are reached beside the Internet")
        if prefix == WELL_KNOWN and not network4.is_global and translator == "tayga":
            refuse(
                "allowed",
                str(network4),
                "is not reached behind 64:ff9b::/96: TAYGA translates to no special-purpose address there (RFC 6052, "
                "section 3.1); take a prefix of your own",
            )
    lifetime = int(given["pref64_lifetime"])
    if not 0 < lifetime <= 65528:
        refuse("pref64_lifetime", lifetime, "is no lifetime of a prefix: 1 to 65528 seconds (RFC 8781)")
    address6 = _address6(given["ipv6_address"], prefix, pool) if translator == "tayga" else None
    return Wish(
        translator=translator,
        device=device,
        prefix=prefix,
        pool=pool,
        address=pool[1] if pool.prefixlen < 31 else pool[0],
        address6=address6,
        clients=clients,
        refused=own,
        allowed=allowed,
        masquerade=masquerade,
        pref64=tuple(dict.fromkeys(interface("pref64_interfaces", value) for value in given["pref64_interfaces"])),
        lifetime=lifetime,
    )


def _collapsed6(networks: t.Iterable[Network6]) -> t.Tuple[Network6, ...]:
    return tuple(ipaddress.collapse_addresses(networks))


def never_reached(wish: Wish, own: t.Iterable[Network4]) -> t.Tuple[Network4, ...]:
    """Return the IPv4 networks that nobody reaches through the translator, in the smallest number of networks."""
    pool = [wish.pool] if wish.translator == "tayga" else []
    return tuple(ipaddress.collapse_addresses([*SPECIAL, *own, *wish.refused, *pool]))
