# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""GUA and ULA side by side: every place in the plan has a twin in a unique local prefix (RFC 4193).

The twin has the same subnet number and the same interface identifier, so it is found by looking (RFC 6177 and RFC 7381
advise it), and it stays what it is when the provider's prefix changes.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6_prefix, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.blocks import block_texts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import State, host_texts, inside

VARIABLE = "ipv6_ula_prefix"
UNIQUE_LOCAL: Prefix = (0xFD << 120, 8)  # fc00::/8, the other half of fc00::/7, has no rule yet
SHORTEST = 16


def read_ula_prefix(value: object, root: Prefix, what: str = VARIABLE) -> Prefix:
    """Read a unique local prefix (RFC 4193), for the twins of what is in another prefix."""
    place = ipv6_prefix(value, what, SHORTEST)
    if inside(*place, *root) or inside(*root, *place):
        raise RolloutError(
            f"{what}: {shown(value)} overlaps ipv6_prefix, {prefix_text(*root)}; the twins need a prefix of their own"
        )
    if not inside(*place, *UNIQUE_LOCAL):
        raise RolloutError(
            f"{what}: {shown(value)} is not a unique local prefix (RFC 4193); it begins with fd, such as "
            "fd12:3456:789a::/48"
        )
    return place


def twins(state: State, ula: Prefix, what: str = VARIABLE) -> dict[str, t.Any]:
    """Return ``{prefix, subnets, hosts}``: the twin of every place, in the order of the plan.

    :raises RolloutError: where the ULA prefix is the longer one and has no room for a number that is in use
    """
    root = state.root
    if ula[1] > root[1]:
        _refuse_what_has_no_room(state, ula, what)
    shift = ula[0] - root[0]
    subnets: dict[str, str] = {}
    column = state.columns.get("")
    if column is not None and len(column.paths) == len(state.subnets):  # one level: all texts at once
        subnets = dict(zip(column.paths, block_texts((ula[0], root[1]), column.length, column.numbers)))
    else:
        for path in state.subnets:
            first, length = state.place(path)
            subnets[path] = prefix_text(first + shift, length)
    return {
        "prefix": prefix_text(*ula),
        "subnets": subnets,
        "hosts": host_texts(state.hosts, shift),
    }


def _refuse_what_has_no_room(state: State, ula: Prefix, what: str) -> None:
    for path in state.subnets:
        first, length = state.place(path)
        if length < ula[1] or (first - state.root[0]) >> (128 - ula[1]):
            raise RolloutError(
                f"{what}: {prefix_text(*ula)} has no room for the twin of {path} ({state.subnets[path]}); pin it to a "
                f"smaller number, or take a /{state.root[1]} or shorter"
            )
