# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read many RRsets for a comparison: one by one, or by the transfer of the zone that they are in."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import Problem, Server
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_transfer import NotTransferred
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset

WAYS = ("auto", "query", "transfer")
MANY = 200  # RRsets of a zone from which on a transfer pays
# A question costs as much as some 20 records of a transfer. Above this the questions are cheaper.
_RECORDS_FOR_EACH = 20
_OF_ADDRESS = 73  # characters of the reverse name of an IPv6 address, whose last 41 are the name of its /64
_DIGITS_OF_HOST = 32


class Held(t.NamedTuple):
    """What a server holds."""

    rrsets: dict[Key, Rrset | Problem | None]
    zones: dict[str, str]  # the zone of each name that came by transfer. No wildcard answers in a transfer


def read(keys: t.Sequence[Key], server: Server, way: str = "auto") -> Held:
    """Read RRsets. With ``auto`` a zone of which many are asked for is transferred, where the server allows it."""
    rrsets: dict[Key, Rrset | Problem | None] = {}
    zones: dict[str, str] = {}
    if way == "transfer" or (way == "auto" and len(keys) >= MANY):
        for zone, asked in _by_zone(keys, server, way == "transfer").items():
            if way == "transfer" or len(asked) >= MANY:
                _transfer(zone, asked, server, way == "auto", rrsets, zones)
    rest = [key for key in keys if key not in rrsets]
    return Held({**rrsets, **server.look(rest)}, zones)


def _transfer(
    zone: str,
    asked: list[Key],
    server: Server,
    may_fail: bool,
    rrsets: dict[Key, Rrset | Problem | None],
    zones: dict[str, str],
) -> None:
    """Put in what a transfer says of RRsets. Of what it does not speak for, the server says why when it is asked."""
    try:
        found = server.transfer(zone, frozenset(asked), _RECORDS_FOR_EACH * len(asked) if may_fail else None)
    except NotTransferred as error:
        if may_fail:
            return
        raise RolloutError(f"{error}. With compare: auto it is asked record by record") from None
    for key in asked:
        if found.speaks_for(key):
            rrsets[key] = found.rrsets.get(key)
            zones[key.name] = zone


def _by_zone(keys: t.Sequence[Key], server: Server, every: bool) -> dict[str, list[Key]]:
    """Return the RRsets by zone, as far as the server says it with few questions (SOA).

    The names below one place are in one zone, or the transfer shows the delegation. The place is the name above; for a
    reverse name it is the /64, so that there are few of them.
    """
    places: dict[str, list[Key]] = {}
    for key in keys:
        places.setdefault(_place(key.name), []).append(key)
    by_zone: dict[str, list[Key]] = {}
    at_top: list[Key] = []
    for place, zone in server.zones_at([place for place in places if place]).items():
        if zone is not None:
            by_zone.setdefault(zone, []).extend(places.pop(place))
    for group in places.values():
        at_top += group
    found = server.zones_at(list(dict.fromkeys(key.name for key in at_top))) if every else {}
    for key in at_top:
        zone = found.get(key.name) or (key.name if key.name in by_zone else None)
        if zone is not None:
            by_zone.setdefault(zone, []).append(key)
    return by_zone


def _place(name: str) -> str:
    if len(name) == _OF_ADDRESS and name.endswith(".ip6.arpa."):
        return name[_DIGITS_OF_HOST:]
    return name.partition(".")[2]
