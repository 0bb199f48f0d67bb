# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reverse DNS: the name of an address, the zones of a prefix of any length, and PTR records."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    any_address,
    ipv4_prefix,
    ipv6_prefix,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import host_name, owner_name

CLASSLESS = re.compile(r"(\d{1,3})[/-](\d{1,2})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa\.", re.ASCII)
DEFAULT_TTL = 3600

Record = t.Dict[str, t.Any]


def _name6(digits: str) -> str:
    return ".".join(digits[::-1]) + ".ip6.arpa." if digits else "ip6.arpa."


def _name4(octets: t.Sequence[int]) -> str:
    return ".".join([*(str(octet) for octet in reversed(octets)), "in-addr.arpa."])


def name_of(family: int, address: int) -> str:
    """Return the owner name of the PTR record of an address, with the final dot."""
    if family == 6:
        return _name6(f"{address:032x}")
    return _name4(address.to_bytes(4, "big"))


def reverse_name(value: object) -> str:
    """Return the reverse name of an address of either family."""
    return name_of(*any_address(value, "address"))


def reverse_zones(value: object, rfc2317: bool = False, rfc4183: bool = False) -> list[str]:
    """Return the zones that together hold exactly the reverse names of a prefix.

    A zone cut can only be at a whole digit (IPv6) or octet (IPv4). In between, a prefix takes several zones: cutting
    above it would claim the neighbours' names, and a single zone below it would miss some of its own.

    :param rfc2317: for an IPv4 prefix from /25 to /31, return its one classless zone, as ``0/25.2.0.192.in-addr.arpa.``
    :param rfc4183: for an IPv4 prefix that ends inside an octet, return its one name after RFC 4183, as
        ``192-13.10.in-addr.arpa.``; from /25 to /31 :func:`ptr_records` takes it as a classless zone
    :raises RolloutError: where the value is no prefix, or both forms are asked for
    """
    text = text_value(value, "prefix")
    if rfc2317 and rfc4183:
        raise RolloutError("rfc2317, rfc4183: a prefix cannot be named after both; take one of them")
    if ":" in text:
        first, length = ipv6_prefix(text, "prefix", shortest=0)
        digits = (length + 3) // 4
        number = first >> (128 - 4 * digits)
        return [_name6(f"{number + step:0{digits}x}" if digits else "") for step in range(1 << (4 * digits - length))]
    first, length = ipv4_prefix(text, "prefix", shortest=0)
    if rfc2317 and 25 <= length <= 31:
        parent = (first >> 8).to_bytes(3, "big")
        return [f"{first & 0xFF}/{length}.{_name4(parent)}"]
    octets = (length + 7) // 8
    number = first >> (32 - 8 * octets)
    if rfc4183 and length % 8:
        return [f"{number & 0xFF}-{length}.{_name4((number >> 8).to_bytes(octets - 1, 'big'))}"]
    return [_name4((number + step).to_bytes(octets, "big")) for step in range(1 << (8 * octets - length))]


class _Zone(t.NamedTuple):
    name: str
    within: str  # what a reverse name ends in when it belongs to the zone
    first: int = 0
    last: int = 255


def _zone(value: object) -> list[_Zone]:
    """Read a zone name, or a prefix, which stands for all its zones."""
    text = text_value(value, "zones", 256)
    if not text.lower().rstrip(".").endswith("arpa"):
        if "/" not in text:
            raise RolloutError(f"zones: {shown(text)} is no reverse zone; it ends in ip6.arpa or in-addr.arpa")
        return [_Zone(name, name) for name in reverse_zones(text)]
    name = owner_name(text, "zones")
    classless = CLASSLESS.fullmatch(name)
    if classless:
        first, length = int(classless.group(1)), int(classless.group(2))
        if 25 <= length <= 31 and first <= 255 and first % (1 << (32 - length)) == 0:
            return [_Zone(name, name.partition(".")[2], first, first + (1 << (32 - length)) - 1)]
    if not name.endswith(("ip6.arpa.", "in-addr.arpa.")):
        raise RolloutError(f"zones: {shown(text)} is no reverse zone; it ends in ip6.arpa or in-addr.arpa")
    return [_Zone(name, name)]


def _owner(name: str, zone: _Zone) -> str | None:
    """Return the owner name that a reverse name has in a zone, or None where it does not belong there."""
    if zone.within == zone.name:
        return name if name == zone.name or name.endswith(f".{zone.name}") else None
    octet, _dot, rest = name.partition(".")
    if rest == zone.within and zone.first <= int(octet) <= zone.last:
        return f"{octet}.{zone.name}"
    return None


def ptr_records(records: object, zones: object = None, ttl: int = DEFAULT_TTL) -> list[Record]:
    """Return the PTR records ``[{zone, name, ttl, type, data}]`` for ``[{name, address, ttl}]``.

    :param zones: zone names, or prefixes; the longest that holds an address is taken. Without any, it is the zone
        of the /64 of each address (the /24 for IPv4)
    :param ttl: for records that say none
    """
    if not isinstance(records, (list, tuple)):
        raise RolloutError(f"records: {shown(records)} is not a list of {{name, address, ttl}}")
    known = None
    if zones is not None:
        if not isinstance(zones, (list, tuple)):
            raise RolloutError(f"zones: {shown(zones)} is not a list of zone names")
        known = sorted((zone for value in zones for zone in _zone(value)), key=lambda zone: -len(zone.name.split(".")))
    found: list[Record] = []
    seen = set()
    for place, item in enumerate(records):
        what = f"records[{place}]"
        if not isinstance(item, t.Mapping):
            raise RolloutError(f"{what}: {shown(item)} is not a dictionary {{name, address, ttl}}")
        family, address = any_address(item.get("address"), f"{what}: address")
        data = host_name(item.get("name"), f"{what}: name") + "."
        owner = name_of(family, address)
        zone = _of_subnet(owner, family) if known is None else ""
        for candidate in known or ():
            inside = _owner(owner, candidate)
            if inside is not None:
                owner, zone = inside, candidate.name
                break
        if not zone:
            raise RolloutError(f"{what}: {shown(item['address'])} is in none of the zones; add the zone that holds it")
        if (owner, data) in seen:
            continue
        seen.add((owner, data))
        found.append(
            {"zone": zone, "name": owner, "ttl": _ttl(item.get("ttl"), ttl, what), "type": "PTR", "data": data}
        )
    return found


def _of_subnet(owner: str, family: int) -> str:
    """Return the zone of the /64 (IPv4: the /24) that an address is in."""
    return ".".join(owner.split(".")[16 if family == 6 else 1 :])


def _ttl(value: object, default: object, what: str) -> int:
    number = default if value is None else value
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 11:
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 31:
        raise RolloutError(f"{what}: ttl: {shown(number)} is not a number of seconds")
    return int(number)


def ttl_value(value: object, what: str) -> int:
    """Read a TTL."""
    return _ttl(value, None, what)
