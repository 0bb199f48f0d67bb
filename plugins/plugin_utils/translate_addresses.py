# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 counterparts of IPv4 addresses in rules: those of the plan, and those that mean the same thing everywhere.

An address is looked up exactly as the rule has it. That its network is known says nothing of the address, and that
some of its hosts are known says nothing of a network.
"""

from __future__ import annotations

import bisect
import itertools
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv4,
    ipv4_prefix,
    ipv4_text,
    ipv6,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import Untranslatable

ANYWHERE: Prefix = (0, 0)
LONGEST_RANGE = 256  # a range of more addresses is not written host by host

SAME_MEANING = {
    "0.0.0.0/0": "::/0",
    "127.0.0.0/8": "::1/128",
    "127.0.0.1/32": "::1/128",
    "224.0.0.0/4": "ff00::/8",
    "224.0.0.1/32": "ff02::1/128",
    "224.0.0.2/32": "ff02::2/128",
    "224.0.0.18/32": "ff02::12/128",
    "224.0.0.251/32": "ff02::fb/128",
    "224.0.0.252/32": "ff02::1:3/128",
    "239.255.255.250/32": "ff02::c/128",
}
_PRIVATE = [ipv4_prefix(text, "RFC 1918") for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
_LINK_LOCAL = ipv4_prefix("169.254.0.0/16", "RFC 3927")
_OCTETS = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){0,3}", re.ASCII)
_RANGE = re.compile(r"([\d.]+)(?:-([\d.]+))?", re.ASCII)


class Addresses:
    """The counterparts of IPv4 prefixes: ``{(first address, length): IPv6 prefixes}``."""

    def __init__(self, given: object) -> None:
        if given is None:
            given = {}
        if not isinstance(given, t.Mapping):
            raise RolloutError(
                f"addresses: {shown(given)} is no dictionary; write {{'192.0.2.80': '2001:db8::80'}}, IPv4 to IPv6"
            )
        self.given: t.Dict[Prefix, t.List[Prefix]] = {}
        for key, value in given.items():
            prefix = _key(key)
            where = f"addresses: {prefix4_text(prefix)}"
            values = value if isinstance(value, (list, tuple)) else [value]
            if not values:
                raise RolloutError(f"{where}: the list is empty; name its IPv6 counterpart, or leave it out")
            found = outermost([_value(item, where) for item in values])
            if ANYWHERE in found and prefix != ANYWHERE:
                raise RolloutError(f"{where}: ::/0 is any address; name the IPv6 prefix that stands for it")
            if self.given.setdefault(prefix, found) != found:
                raise RolloutError(f"{where} is named twice, with different counterparts; name all of them in one list")
        self._known = {ipv4_prefix(old, "address", 0): [_value(new, "address")] for old, new in SAME_MEANING.items()}
        self._known.update(self.given)
        self._sorted = sorted(self._known)

    def find(self, text: str) -> t.List[Prefix]:
        """Return the counterparts of an address or prefix as a rule writes it."""
        prefix = _read(text)
        if prefix in self._known:
            return self._known[prefix]
        raise Untranslatable(*self._why_not(prefix))

    def host(self, text: str) -> str:
        """Return the one address that stands for an address."""
        found = self.find(text)
        if len(found) != 1 or found[0][1] != 128:
            raise Untranslatable(f"{text} must be one address here, and its counterpart is not; write the rule by hand")
        return ipv6_text(found[0][0])

    def span(self, text: str) -> t.List[str]:
        """Return the ranges (``2001:db8::1-2001:db8::9``) that stand for the range of an ``iprange`` match."""
        ends = _RANGE.fullmatch(text)
        if ends is None:
            raise Untranslatable(f"'{text}' is no range of IPv4 addresses; correct the rule")
        first, last = (_read(end)[0] for end in (ends.group(1), ends.group(2) or ends.group(1)))
        size = last - first + 1
        if size < 1:
            raise Untranslatable(f"the range {text} runs backwards; correct the rule")
        # Both ends, as far apart as before, are the same range only where the mapping has nothing else in between.
        inside = {
            number: self._known[number, length][0]
            for number, length in self._between(first, last)
            if length == 32 and [wide for _first, wide in self._known[number, length]] == [128]
        }
        moved = inside.get(first, ANYWHERE)[0] - first
        if {first, last} <= inside.keys() and all(new - old == moved for old, (new, _length) in inside.items()):
            return [f"{ipv6_text(first + moved)}-{ipv6_text(last + moved)}"]
        if len(inside) == size <= LONGEST_RANGE:
            return [f"{ipv6_text(new)}-{ipv6_text(new)}" for new in sorted({new for new, _length in inside.values()})]
        raise Untranslatable(
            f"the range {text} has no counterpart: 'addresses' names {len(inside)} of its {size} addresses"
            + (", and they don't stand in the same row" if first in inside and last in inside else "")
            + "; name both ends with consecutive addresses, or each address of the range"
        )

    def _between(self, first: int, last: int) -> t.Iterator[Prefix]:
        """The known prefixes that begin between two addresses."""
        for place in range(bisect.bisect_left(self._sorted, (first, 0)), len(self._sorted)):
            if self._sorted[place][0] > last:
                return
            yield self._sorted[place]

    def _why_not(self, prefix: Prefix) -> t.Tuple[str, bool]:
        """Say why a prefix has no counterpart, with the way out, and whether IPv6 has nothing of its kind."""
        text = prefix4_text(prefix)
        if text == "255.255.255.255/32":
            return "255.255.255.255 is the broadcast address, and IPv6 has no broadcast; leave the rule out", True
        if prefix == _LINK_LOCAL:
            return (
                "169.254.0.0/16 is the exception in IPv4, but every IPv6 neighbour speaks from fe80::/10 all the time "
                "(DHCPv6, routing); add '169.254.0.0/16' to 'addresses' with 'fe80::/10' if all of them are meant"
            ), False
        first, length = prefix
        around = [other for wide in range(length) if (other := (first & _mask(wide), wide)) in self.given]
        between = self._between(first, first | (0xFFFFFFFF ^ _mask(length)))
        within = list(itertools.islice((other for other in between if other[1] > length and other in self.given), 4))
        if around:
            why = f"'addresses' names {prefix4_text(around[-1])} around it, but not itself"
        elif within:
            names = ", ".join(prefix4_text(other) for other in within[:3])
            why = f"'addresses' names only parts of it ({names}{' ...' if len(within) > 3 else ''})"
        elif any(_inside(prefix, private) for private in _PRIVATE):
            why = "it is private (RFC 1918), and which IPv6 network stands for it only the plan knows"
        else:
            why = "'addresses' does not name it"
        return f"{text} has no known IPv6 counterpart: {why}; add '{text}' to 'addresses' with its counterpart", False


def plan_addresses(members: object, subnets: object = None) -> t.Dict[str, t.List[str]]:
    """Return the mapping of a fleet: what the translation takes as ``addresses``.

    :param members: by host name, dictionaries with ``ipv4`` and ``address``; one without an IPv4 address is left out
    :param subnets: IPv4 prefixes with the IPv6 prefixes that stand for them, or lists of them
    """
    if not isinstance(members, t.Mapping):
        raise RolloutError(f"members: {shown(members)} is no dictionary; give what fleet_members returned")
    found: t.Dict[str, t.List[str]] = {}
    for name, member in members.items():
        if not isinstance(member, t.Mapping):
            raise RolloutError(f"members: {name}: {shown(member)} is no member; give what fleet_members returned")
        if member.get("ipv4"):
            old = ipv4_text(ipv4(member["ipv4"], f"members: {name}: ipv4"))
            new = ipv6_text(ipv6(member.get("address"), f"members: {name}: address"))
            if new not in found.setdefault(old, []):
                found[old].append(new)  # two hosts behind one IPv4 address
    for (first, length), new_prefixes in Addresses(subnets).given.items():
        found[prefix4_text((first, length))] = [prefix_text(*new) for new in new_prefixes]
    return found


def prefix4_text(prefix: Prefix) -> str:
    """Return the text of an IPv4 prefix, with its length."""
    return f"{ipv4_text(prefix[0])}/{prefix[1]}"


def _key(key: object) -> Prefix:
    text = text_value(key, "addresses")
    try:
        first, length = _read(text)
    except Untranslatable:
        raise RolloutError(
            f"addresses: {shown(text)} is no IPv4 address or prefix such as '192.0.2.80' or '192.0.2.0/24'; correct it"
        ) from None
    written = text.partition("/")[0]
    if _octets(written) != first:
        raise RolloutError(
            f"addresses: {shown(text)} has host bits set; the prefix is {prefix4_text((first, length))}, "
            f"and the address alone {written}"
        )
    return first, length


def _value(value: object, where: str) -> Prefix:
    text = text_value(value, where)
    if "/" not in text:
        return ipv6(text, where), 128
    return ipv6_prefix(text, where, 0)


def _read(text: str) -> Prefix:
    """Read an address, a prefix or an address with a mask, as ``iptables`` does: host bits are left out."""
    head, slash, tail = text.partition("/")
    first = _octets(head)
    if first is None:
        name = re.search("[a-zA-Z]", head) and ":" not in head
        hint = "a name; which addresses it has is not known here" if name else "no IPv4 address"
        raise Untranslatable(f"'{head}' is {hint}; write its IPv6 address in a rule of your own")
    if not slash:
        return first, 32
    if tail.isdecimal() and tail.isascii() and len(tail) < 3:
        length = int(tail)
    else:
        mask = _octets(tail) if tail.count(".") == 3 else None
        length = 33 if mask is None else 32 - (0xFFFFFFFF - mask).bit_length()
        if mask is not None and mask != _mask(length):
            raise Untranslatable(f"the mask of {text} is no prefix length; split the rule by prefixes")
    if length > 32:
        raise Untranslatable(f"'{text}' has no prefix length from 0 to 32 and no mask; correct the rule")
    return first & _mask(length), length


def _octets(text: str) -> t.Optional[int]:
    """Read an address; octets that are left out at the end are zero, as in ``10/8``."""
    if not _OCTETS.fullmatch(text):
        return None
    octets = [int(octet) for octet in text.split(".")]
    if max(octets) > 255:
        return None
    return int.from_bytes(bytes(octets + [0] * (4 - len(octets))), "big")


def _mask(length: int) -> int:
    return 0xFFFFFFFF << (32 - length) & 0xFFFFFFFF


def _inside(inner: Prefix, outer: Prefix) -> bool:
    return inner[1] >= outer[1] and inner[0] & _mask(outer[1]) == outer[0]


def outermost(prefixes: t.Sequence[Prefix]) -> t.List[Prefix]:
    """Leave out what lies in another prefix of the list, so that no packet matches two of the rules."""
    found: t.List[Prefix] = []
    for first, length in sorted(set(prefixes), key=lambda prefix: (prefix[1], prefix[0])):
        if not any(first >> (128 - wide) == start >> (128 - wide) for start, wide in found):
            found.append((first, length))
    return sorted(found)
