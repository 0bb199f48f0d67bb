# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says about the sockets of a host: which are meant to be there, for whom, and on which address."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import address_range
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.services import services

FAMILIES = ("ipv4", "ipv6")
MORE_KEYS = ("families", "addresses", "daemon")


class Declared(t.NamedTuple):
    """One service. No sources are everyone; no addresses are any address of the host."""

    name: str
    protocol: str
    port: int
    sources: Set
    families: t.Tuple[str, ...]
    addresses: t.Tuple[str, ...]


def declared(value: object) -> dict[tuple[str, int], Declared]:
    """Return what is declared by protocol and port; a later entry takes the place of an earlier one.

    :param value: known words (``http``), services as the filter ``services`` returns them, or dictionaries of the same
        kind that may have ``families`` and ``addresses``, too
    """
    if value is None:
        value = []
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"declared: {shown(value)} is not a list; write [...] around it")
    found = {}
    for number, item in enumerate(value):
        what = f"declared[{number}]"
        families: tuple[str, ...] = FAMILIES
        own: tuple[str, ...] = ()
        if isinstance(item, t.Mapping):
            own = _addresses(item.get("addresses"), what)
            families = _families(item.get("families"), what, own)
            item = {key: part for key, part in item.items() if key not in MORE_KEYS}
        for one in services([item], what):
            sources = intervals.union([address_range(text, "ipv6") or () for text in one["sources"]] or [()])
            entry = Declared(one["name"], one["protocol"], one["port"], sources, families, own)
            found[entry.protocol, entry.port] = entry
    return found


def _families(value: object, what: str, own: t.Collection[str]) -> tuple[str, ...]:
    """Return the families; by default those of the addresses, or both."""
    if value is None:
        return tuple(family for family in FAMILIES if not own or any((":" in one) == (family == "ipv6") for one in own))
    if not isinstance(value, (list, tuple)) or not value or not all(item in FAMILIES for item in value):
        raise RolloutError(f"{what}: families: {shown(value)} is no list of families; write [ipv4], [ipv6] or both")
    return tuple(family for family in FAMILIES if family in value)


def _addresses(value: object, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: addresses: {shown(value)} is not a list; write [...] around it")
    return tuple(address_text(*any_address(item, f"{what}: addresses")) for item in value)
