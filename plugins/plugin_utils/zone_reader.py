# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files as a comparison sees a name server: RRsets by name and type, and the zone of a name."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import zone_edit
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import Problem
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone_edit import ZoneText

_ADDRESSES = ("A", "AAAA")


class Files:
    """The zone files of one call.

    :param others: the zones without a text: the reason where one is not for writing here, nothing where there is no
        file and none is wanted
    """

    def __init__(self, texts: t.Mapping[str, ZoneText], others: t.Mapping[str, str]) -> None:
        self.zones = texts
        self.others = others
        self.rrsets = {name: zone_edit.rrsets(zone.entries) for name, zone in texts.items()}
        # Below a delegation a zone has nothing to say but where the servers of the other zone are.
        self._cuts = {
            name: {key.name: rrset.data for key, rrset in held.items() if key.type == "NS" and key.name != name}
            for name, held in self.rrsets.items()
        }

    def zone(self, name: str) -> str | None:
        """Return the zone that a name is in: the longest one."""
        place = name
        while place:
            if place in self.zones or place in self.others:
                return place
            place = place.partition(".")[2]
        return "." if "." in self.zones else None

    def look(self, keys: t.Sequence[Key]) -> dict[Key, Rrset | Problem | None]:
        """Read RRsets."""
        return {key: self._look(key) for key in keys}

    def _look(self, key: Key) -> Rrset | Problem | None:
        zone = self.zone(key.name)
        if zone is None:
            return Problem("it is in none of the zones that the call names, or that the server's configuration has")
        if self.others.get(zone):
            return Problem(self.others[zone])
        held = self.rrsets.get(zone, {})
        found = held.get(key)
        if found is None and key.type != "CNAME" and Key(key.name, "CNAME") in held:
            return Problem(f"it is an alias of {held[Key(key.name, 'CNAME')].data[0]}")
        cut = self._cut(zone, key)
        if cut is not None:
            return Problem(f"the zone {cut} is delegated to other servers, so that nobody would see a record there")
        return found

    def _cut(self, zone: str, key: Key) -> str | None:
        place = key.name
        while place and place != zone:
            servers = self._cuts.get(zone, {}).get(place)
            if servers is not None:
                glue = key.type in _ADDRESSES and key.name in servers
                at_cut = place == key.name and key.type in ("NS", "DS")
                return None if glue or at_cut else place
            place = place.partition(".")[2]
        return None

    def zone_of(self, names: t.Iterable[str]) -> dict[str, str]:
        """Return the zone of each name."""
        return {name: zone for name in names for zone in [self.zone(name)] if zone is not None}
