# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that must not be in public DNS: one table of its own.

What the standard library and netaddr call global differs between their versions. Documentation addresses count as
public, since examples and labs use them.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    any_address,
    ipv4_prefix,
    ipv6_prefix,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_report import Report
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import ADDRESSES, Record, World


class Range(t.NamedTuple):
    """A range, and why no public record may have an address of it."""

    check: str
    prefix: str
    what: str
    source: str


RANGES = (
    Range("address-unspecified", "::/128", "the unspecified address", "RFC 4291, section 2.5.2"),
    Range("address-loopback", "::1/128", "the loopback address", "RFC 4291, section 2.5.3"),
    Range("address-compatible", "::/96", "an IPv4-compatible address, which was given up", "RFC 4291, section 2.5.5.1"),
    Range("address-mapped", "::ffff:0:0/96", "an IPv4-mapped address", "RFC 4291, section 2.5.5.2"),
    Range(
        "address-nat64", "64:ff9b::/96", "a NAT64 address, which only has a meaning locally", "RFC 6052, section 3.1"
    ),
    Range("address-nat64-local", "64:ff9b:1::/48", "a NAT64 address for local use", "RFC 8215, section 5"),
    Range("address-discard", "100::/64", "an address of the discard prefix", "RFC 6666, section 4"),
    Range("address-teredo", "2001::/32", "a Teredo address", "RFC 4380, section 2.6"),
    Range("address-benchmark", "2001:2::/48", "an address for benchmarks", "RFC 5180, section 8"),
    Range("address-orchid", "2001:10::/28", "an ORCHID, which no router forwards", "RFC 4843, section 2"),
    Range("address-orchid", "2001:20::/28", "an ORCHIDv2, which no router forwards", "RFC 7343, section 3"),
    Range("address-6to4", "2002::/16", "a 6to4 address", "RFC 7526, section 4"),
    Range("", "2000::/3", "", ""),
    Range("address-6bone", "3ffe::/16", "an address of the 6bone, which was given back", "RFC 3701, section 2"),
    Range("address-srv6", "5f00::/16", "a segment identifier of SRv6", "RFC 9602, section 5"),
    Range("address-unique-local", "fc00::/7", "a unique local address (ULA)", "RFC 4193, section 4.4"),
    Range("address-link-local", "fe80::/10", "a link-local address", "RFC 4472, section 2.1"),
    Range("address-site-local", "fec0::/10", "a site-local address, which was given up", "RFC 3879, section 4"),
    Range("address-multicast", "ff00::/8", "a multicast address", "RFC 4291, section 2.7"),
    Range("address-unassigned", "::/0", "outside of 2000::/3 and so nobody's", "RFC 4291, section 2.4"),
    Range("ipv4-this-network", "0.0.0.0/8", "an address of 'this network'", "RFC 1122, section 3.2.1.3"),
    Range("ipv4-private", "10.0.0.0/8", "a private address", "RFC 1918, section 5"),
    Range("ipv4-private", "172.16.0.0/12", "a private address", "RFC 1918, section 5"),
    Range("ipv4-private", "192.168.0.0/16", "a private address", "RFC 1918, section 5"),
    Range("ipv4-shared", "100.64.0.0/10", "an address shared behind carrier-grade NAT", "RFC 6598, section 4"),
    Range("ipv4-loopback", "127.0.0.0/8", "a loopback address", "RFC 1122, section 3.2.1.3"),
    Range("ipv4-link-local", "169.254.0.0/16", "a link-local address", "RFC 3927, section 2.11"),
    Range("ipv4-protocol", "192.0.0.0/24", "an address for protocols", "RFC 6890, section 2.2.2"),
    Range("ipv4-6to4-relay", "192.88.99.0/24", "the address of 6to4 relays, which was given up", "RFC 7526, section 4"),
    Range("ipv4-benchmark", "198.18.0.0/15", "an address for benchmarks", "RFC 2544, appendix C.2.2"),
    Range("ipv4-multicast", "224.0.0.0/4", "a multicast address", "RFC 5771, section 3"),
    Range("ipv4-reserved", "240.0.0.0/4", "a reserved address", "RFC 1112, section 4"),
)
DECLARED = "address-declared-not-public"


class Ranges:
    """Prefixes of both families, to find the longest that has an address."""

    def __init__(self, ranges: t.Iterable[Range]) -> None:
        self._known: dict[int, dict[int, dict[int, Range]]] = {4: {}, 6: {}}
        for item in ranges:
            family, (first, length) = _prefix(item.prefix, "not_public")
            width = 32 if family == 4 else 128
            self._known[family].setdefault(width - length, {})[first >> (width - length)] = item

    def find(self, family: int, number: int) -> Range | None:
        """Return the longest range that has an address."""
        known = self._known[family]
        for shift in sorted(known):
            found = known[shift].get(number >> shift)
            if found is not None:
                return found
        return None


def _prefix(value: object, what: str) -> tuple[int, Prefix]:
    text = text_value(value, what)
    if ":" in text:
        return 6, ipv6_prefix(text, what, shortest=0)
    return 4, ipv4_prefix(text, what, shortest=0)


OWN = Ranges(RANGES)


def declared(value: object) -> Ranges:
    """Read the option C(not_public)."""
    if value is None:
        value = []
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"not_public: {shown(value)} is not a list of prefixes")
    return Ranges([Range(DECLARED, text_value(item, "not_public"), "declared as not public", "") for item in value])


def why_not_public(record: Record, more: Ranges) -> Range | None:
    """Return the range that keeps the address of an A or AAAA record out of public DNS."""
    address = any_address(record.data, "address")
    found = more.find(*address) or OWN.find(*address)
    return found if found and found.check else None


def check(world: World, report: Report, more: Ranges) -> set[str]:
    """Judge the addresses; return those that must not be public, which nobody needs to look at again."""
    bad = set()
    known: dict[str, Range | None] = {}
    nodes = [*world.data.values()]
    nodes += [node for (_zone, name), node in world.glue.items() if not world.knows(name)]
    for node in nodes:
        for kind in ADDRESSES & node.keys():
            for record in node[kind]:
                if record.data not in known:
                    known[record.data] = why_not_public(record, more)
                found = known[record.data]
                if found:
                    bad.add(record.data)
                    report.add(found.check, record, f"{record.name} has {record.data}, {found.what}.")
    return bad
