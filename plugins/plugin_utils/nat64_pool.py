# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an IPv4 pool a NAT64 needs: from the number of hosts in the plan."""

from __future__ import annotations

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv4_prefix, ipv4_text

# TAYGA gives every IPv6 address an IPv4 address of its own, and keeps it for hours after the last packet. A host with
# a temporary address besides its planned one needs two.
PER_HOST = 2
# The network, TAYGA itself, and the last address.
OWN = 3
SMALLEST = 29


def nat64_pool(pool: object, hosts: object) -> str:
    """Return the part of a pool that so many hosts need, as a network at the pool's beginning.

    :raises RolloutError: where the pool is too small
    """
    first, length = ipv4_prefix(pool, "pool", longest=SMALLEST)
    if isinstance(hosts, bool) or not isinstance(hosts, int) or hosts < 0:
        raise RolloutError(
            f"hosts: {shown(hosts)} is no number of hosts; give one, such as the length of the plan's hosts"
        )
    needed = min(PER_HOST * hosts + OWN, 1 << 33)
    wanted = min(SMALLEST, 32 - (needed - 1).bit_length())
    if wanted < length:
        raise RolloutError(
            f"pool: {shown(pool)} has {1 << (32 - length)} addresses, and {hosts} hosts need {needed} "
            f"({PER_HOST} for each, and {OWN}); name a /{max(wanted, 1)}"
        )
    return f"{ipv4_text(first)}/{wanted}"
