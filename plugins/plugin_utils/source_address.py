# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source address of a destination: RFC 6724, section 5, for both families.

IPv4 goes by the same rules, as IPv4-mapped addresses. Rules 5 and 5.5 need the outgoing interface and the next hop: of
these only the zone id of a link-local address is known here.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import MAPPED, Row, find
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address, text_value

LOOPBACK = 1  # ::1
LINK_LOCAL, SITE_LOCAL, GLOBAL = 2, 5, 14  # scopes, as the scope field of a multicast address has them

_ZONE = re.compile(r"[^\s%/]{1,64}")
_LENGTH = re.compile(r"0|[1-9]\d{0,2}", re.ASCII)
_FLAGS = {
    "deprecated": "deprecated",
    "temporary": "temporary",
    "public": "public",
    "home": "home",
    "care_of": "care_of",
    "care-of": "care_of",
    "tunnel": "tunnel",
}

ScopeRow = t.Tuple[int, int, int]  # IPv4 address, prefix length, scope
IPV4_SCOPES: t.Tuple[ScopeRow, ...] = ((0xA9FE0000, 16, LINK_LOCAL), (0x7F000000, 8, LINK_LOCAL), (0, 0, GLOBAL))


@dataclasses.dataclass(frozen=True)
class Address:
    """An address of either family."""

    number: int  # 128 bits; IPv4 is IPv4-mapped
    text: str
    zone: str = ""
    prefix: int = 64  # how many of the 128 bits are its prefix, and so what CommonPrefixLen may count
    mapped: bool = False  # written as an IPv4-mapped address, as an AAAA record may have it

    @property
    def ipv4(self) -> bool:
        """Whether packets to it are IPv4."""
        return self.number >> 32 == 0xFFFF

    @property
    def loopback(self) -> bool:
        """Whether it stays within the host."""
        return self.number == LOOPBACK or (self.ipv4 and self.number >> 24 & 0xFF == 127)

    @property
    def multicast(self) -> bool:
        """Whether it is a group."""
        return self.number >> 120 == 0xFF or (self.ipv4 and self.number >> 28 & 0xF == 0xE)

    @property
    def link_local(self) -> bool:
        """Whether it means something on one link alone: the addresses that have a zone id."""
        return self.number >> 118 == 0x3FA or (self.number >> 120 == 0xFF and self.number >> 112 & 0xF in (1, 2))


@dataclasses.dataclass(frozen=True)
class Source:
    """An address of the host, with what the rules ask about it."""

    address: Address
    deprecated: bool = False
    temporary: bool = False
    home: bool = False
    care_of: bool = False
    tunnel: bool = False  # packets from it are encapsulated, as in 6in4
    peer: int | None = None  # the other end of a point-to-point address

    @property
    def home_rank(self) -> int:
        """Home and care-of at once, then home, then any other."""
        return (2 if self.care_of else 1) if self.home else 0


@dataclasses.dataclass(frozen=True)
class Policy:
    """The policy table, and the scopes of IPv4 addresses."""

    rows: t.Tuple[Row, ...]
    scopes: t.Tuple[ScopeRow, ...] = IPV4_SCOPES

    def row(self, address: Address) -> Row:
        """Return the row of an address."""
        return find(self.rows, address.number)

    def scope(self, address: Address) -> int:
        """Return how far an address reaches."""
        number = address.number
        if address.ipv4:
            low = number & 0xFFFFFFFF
            held = [(length, scope) for first, length, scope in self.scopes if (low ^ first) >> (32 - length) == 0]
            return max(held, key=lambda one: one[0])[1]
        if number >> 120 == 0xFF:
            return number >> 112 & 0xF
        if number >> 118 == 0x3FA or number == LOOPBACK:
            return LINK_LOCAL
        return SITE_LOCAL if number >> 118 == 0x3FB else GLOBAL


def common_prefix(one: int, other: int, longest: int = 128) -> int:
    """Return how many leading bits two addresses share, up to a limit."""
    return min(longest, 128 - (one ^ other).bit_length())


def choose_as_linux(destination: Address, sources: t.Iterable[Source], labels: Policy) -> Source | None:
    """Return the source address as the kernel picks it, as far as it can be told without routes.

    By default (``use_tempaddr``) it prefers public addresses to temporary ones. For IPv4 it goes by routes alone: the
    address in the subnet of the destination, and behind a router, as a guess, the first one.
    """
    if not destination.ipv4:
        return choose(destination, sources, labels, temporary=False)
    found = [source for source in sources if _candidate(source.address, destination)]
    for source in found:
        if source.address.number == destination.number:
            return source
    for source in found:
        if common_prefix(source.address.number, destination.number) >= source.address.prefix:
            return source
    return found[0] if found else None


def choose(destination: Address, sources: t.Iterable[Source], policy: Policy, temporary: bool = True) -> Source | None:
    """Return the source address for a destination, or None where there is none. Among equals the first is taken.

    RFC 6724 prefers temporary addresses, but allows for the opposite.
    """
    scope = policy.scope(destination)
    label = policy.row(destination).label

    def merit(source: Source) -> tuple[object, ...]:
        address = source.address
        reach = policy.scope(address)
        return (
            address.number == destination.number,  # rule 1
            (reach >= scope, -reach if reach >= scope else reach),  # 2
            not source.deprecated,  # 3
            source.home_rank,  # 4
            policy.row(address).label == label,  # 6
            source.temporary == temporary,  # 7
            common_prefix(address.number, destination.number, address.prefix),  # 8
        )

    return max((source for source in sources if _candidate(source.address, destination)), key=merit, default=None)


def _candidate(source: Address, destination: Address) -> bool:
    """Say whether packets to a destination may come from a source at all (RFC 6724, section 4)."""
    if source.ipv4 != destination.ipv4:
        return False
    if source.loopback and not destination.loopback:  # RFC 4291, section 2.5.3
        return False
    return not (source.zone and destination.zone) or source.zone == destination.zone


def read_address(value: object, what: str) -> Address:
    """Read an address that may carry a zone id and, behind that, a prefix length."""
    text = text_value(value, what, longest=128)
    whole, slash, tail = text.partition("/")
    host, percent, zone = whole.partition("%")
    try:
        family, number = any_address(host, what)
    except RolloutError as error:
        raise RolloutError(f"{what}: {shown(text)} is neither an IPv6 nor an IPv4 address") from error
    mapped = family == 6 and number >> 32 == MAPPED >> 32
    address = Address(number if family == 6 else MAPPED + number, address_text(family, number), mapped=mapped)
    if percent:
        if not _ZONE.fullmatch(zone):
            raise RolloutError(f"{what}: {shown(text)} has no zone id such as eth0 behind the %")
        if not address.link_local:
            raise RolloutError(f"{what}: {shown(text)} has a zone id, which is for link-local addresses; leave it out")
        address = dataclasses.replace(address, zone=zone, text=f"{address.text}%{zone}")
    bits = 128 if family == 6 else 32
    if slash and not (_LENGTH.fullmatch(tail) and int(tail) <= bits):
        raise RolloutError(f"{what}: {shown(text)} has no prefix length from 0 to {bits} behind the slash")
    prefix = 128 - bits + int(tail) if slash else 128 if address.ipv4 else 64
    return dataclasses.replace(address, prefix=prefix)


def read_source(value: object, what: str) -> Source:
    """Read an address of the host: text, or a dictionary with flags."""
    if not isinstance(value, collections.abc.Mapping):
        return _unicast(Source(read_address(value, what)), what)
    flags: dict[str, bool] = {}
    for key, flag in value.items():
        if key == "address":
            continue
        if key not in _FLAGS:
            known = ", ".join(sorted(set(_FLAGS.values())))
            raise RolloutError(f"{what}: {shown(key)} is nothing that a source has; it has address, {known}")
        if not isinstance(flag, bool):
            raise RolloutError(f"{what}.{key}: {shown(flag)} is neither true nor false")
        if flags.setdefault(_FLAGS[key], flag) != flag:
            raise RolloutError(f"{what}: {shown(dict(value))} says both of {_FLAGS[key]}; keep one of the two")
    if "address" not in value:
        raise RolloutError(f"{what}: {shown(dict(value))} has no address; write {{address: '2001:db8::80'}}")
    if flags.pop("public", False) and flags.get("temporary"):
        raise RolloutError(f"{what}: {shown(dict(value))} is public and temporary at once; keep one of the two")
    return _unicast(Source(read_address(value["address"], f"{what}.address"), **flags), what)


def a_host(address: Address, what: str) -> Address:
    """Refuse the address that stands for none: getaddrinfo() may return it, but nobody can ask for it."""
    if address.number in (0, MAPPED):
        raise RolloutError(f"{what}: {shown(address.text)} is the unspecified address, which stands for no host")
    return address


def _unicast(source: Source, what: str) -> Source:
    a_host(source.address, what)
    if source.address.multicast:
        raise RolloutError(f"{what}: {shown(source.address.text)} is a multicast address, which is never a source")
    return source
