# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 addresses inside IPv6 addresses (RFC 6052), for all six prefix lengths."""

from __future__ import annotations

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv4,
    ipv4_text,
    ipv6,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
)

WELL_KNOWN = "64:ff9b::/96"
LENGTHS = (32, 40, 48, 56, 64, 96)


def _prefix(value: object) -> Prefix:
    first, length = ipv6_prefix(value, "prefix")
    if length not in LENGTHS:
        raise RolloutError(
            f"prefix: {shown(value)} has the length {length}; a NAT64 prefix has one of "
            f"{', '.join(str(size) for size in LENGTHS)} (RFC 6052, section 2.2)"
        )
    if first >> 56 & 0xFF:
        raise RolloutError(f"prefix: {shown(value)} has bits 64 to 71 set, which must be zero (RFC 6052, section 2.2)")
    return first, length


def nat64_address(value: object, prefix: object = WELL_KNOWN) -> str:
    """Return the IPv6 address that stands for an IPv4 address behind a NAT64."""
    number = ipv4(value, "ipv4")
    first, length = _prefix(prefix)
    if length == 96:
        return ipv6_text(first | number)
    before = 64 - length  # how many of the 32 bits come before octet 8, which stays zero
    after = 32 - before
    return ipv6_text(first | number >> after << 64 | (number & ((1 << after) - 1)) << (56 - after))


def nat64_ipv4(value: object, prefix: object = WELL_KNOWN) -> str:
    """Return the IPv4 address that an IPv6 address stands for."""
    address = ipv6(value, "address")
    first, length = _prefix(prefix)
    if address >> (128 - length) != first >> (128 - length):
        raise RolloutError(f"address: {shown(value)} is not inside {prefix_text(first, length)}")
    if length == 96:
        return ipv4_text(address & 0xFFFFFFFF)
    if address >> 56 & 0xFF:
        raise RolloutError(f"address: {shown(value)} has bits 64 to 71 set, which must be zero (RFC 6052, section 2.2)")
    before = 64 - length
    after = 32 - before
    high = (address >> 64) & ((1 << before) - 1)
    low = (address >> (56 - after)) & ((1 << after) - 1)
    return ipv4_text(high << after | low)
