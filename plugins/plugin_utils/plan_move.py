# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another provider, another prefix: the same subnet numbers and interface identifiers, moved as one change.

Where one of the two prefixes lies in the other (the provider gave more, or less), nothing moves at all.
"""

from __future__ import annotations

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6_text, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.forwards import with_forwards
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import Plan, State, inside


def moved_plan(old: State, root: Prefix, purge: bool = False) -> Plan:
    """Return a plan moved into another prefix.

    :param purge: whether to forget what is retired and has no place there
    :raises RolloutError: naming the first entry that has no place there
    """
    nested = inside(*old.root, *root) or inside(*root, *old.root)
    shift = 0 if nested else root[0] - old.root[0]

    def fits(first: int, length: int) -> bool:
        return inside(first + shift, length, *root)

    def moved(first: int, length: int, what: str) -> int:
        if not fits(first, length):
            raise RolloutError(
                f"ipv6_prefix: {prefix_text(*root)} has no place for {what}; use a shorter prefix, or put "
                f"{prefix_text(*old.root)} back, take it out first, and purge the plan"
            )
        return first + shift

    subnets = {}
    for path, text in old.subnets.items():
        first, length = old.place(path)
        subnets[path] = prefix_text(moved(first, length, f"{path} ({text})"), length)
    hosts = {name: ipv6_text(moved(address, 128, name)) for name, address in old.hosts.items()}
    gone_subnets = {}
    for path, ((first, length), since) in old.retired_subnets.items():
        if fits(first, length) or not purge:
            place = moved(first, length, f"{path} ({prefix_text(first, length)}, retired since {since})")
            gone_subnets[path] = {"prefix": prefix_text(place, length), "since": since}
    gone_hosts = {}
    for name, (address, since) in old.retired_hosts.items():
        if fits(address, 128) or not purge:
            place = moved(address, 128, f"{name} ({ipv6_text(address)}, retired since {since})")
            gone_hosts[name] = {"address": ipv6_text(place), "since": since}
    plan: Plan = {
        "prefix": prefix_text(*root),
        "subnets": subnets,
        "hosts": hosts,
        "retired": {"subnets": gone_subnets, "hosts": gone_hosts},
    }
    return with_forwards(plan, old.forwards, old.retired_forwards)
