# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of the module zone writes: the zones, and how records are treated that nobody named."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import absolute
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_zones, ttl_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import SOA_KEYS

DEFAULT_TTL = 3600
_KEYS = ("name", "file", "view", "ns", "soa", "ttl", "wildcard")


class Zone(t.NamedTuple):
    """A zone that is wanted."""

    name: str
    file: str
    view: str
    ns: tuple[str, ...]
    soa: t.Mapping[str, t.Any]
    ttl: int
    wildcard: str | None


class Policy(t.NamedTuple):
    """How records are treated that the call does not name."""

    foreign: str = "keep"  # those that others wrote
    purge: bool = False  # those that an earlier call wrote
    serial: str = "date"


def zones(value: object) -> list[Zone]:
    """Read the wanted zones. One with a prefix for its name stands for all zones of that prefix."""
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"zones: {shown(value)} is not a list of zones {{name, ns, soa, ...}}")
    found: dict[str, Zone] = {}
    for place, item in enumerate(value):
        what = f"zones[{place}]"
        if not isinstance(item, t.Mapping):
            item = {"name": item}
        unknown = [key for key in item if key not in _KEYS]
        if unknown:
            raise RolloutError(f"{what}: {shown(unknown[0])} is not known here; {', '.join(_KEYS)} are")
        for zone in _zones(item, what):
            if zone.name in found:
                raise RolloutError(f"{what}: the zone {zone.name} is there twice")
            found[zone.name] = zone
    return list(found.values())


def _zones(item: t.Mapping[str, object], what: str) -> list[Zone]:
    text = text_value(item.get("name"), f"{what}.name", 1024)
    is_prefix = "/" in text and not text.rstrip(".").lower().endswith(".arpa")
    names = reverse_zones(text) if is_prefix else [absolute(text, f"{what}.name")]
    path = "" if item.get("file") is None else text_value(item["file"], f"{what}.file", 4096)
    if path and (not path.startswith("/") or not path.isprintable() or set(path) & set('"\\')):
        raise RolloutError(f"{what}.file: {shown(path)} is not the path of a file, such as /etc/bind/db.example.com")
    if path and len(names) > 1:
        raise RolloutError(f"{what}.file: {text} takes {len(names)} zones, which do not fit into one file")
    view = "" if item.get("view") is None else text_value(item["view"], f"{what}.view")
    servers = item.get("ns")
    if servers is not None and not isinstance(servers, (list, tuple)):
        raise RolloutError(f"{what}.ns: {shown(servers)} is not a list of name servers")
    ns = tuple(absolute(one, f"{what}.ns[{place}]") for place, one in enumerate(servers or ()))
    soa = item.get("soa")
    if soa is not None and not isinstance(soa, t.Mapping):
        raise RolloutError(f"{what}.soa: {shown(soa)} is not a dictionary {{mname, rname, refresh, ...}}")
    unknown = [key for key in soa or () if key not in SOA_KEYS or key == "serial"]
    if unknown:
        raise RolloutError(
            f"{what}.soa: {shown(unknown[0])} is not known here (the serial number is found by itself); "
            f"{', '.join(key for key in SOA_KEYS if key != 'serial')} are"
        )
    ttl = DEFAULT_TTL if item.get("ttl") is None else ttl_value(item["ttl"], what)
    wildcard = None if item.get("wildcard") is None else absolute(item["wildcard"], f"{what}.wildcard")
    return [Zone(name, path, view, ns, dict(soa or {}), ttl, wildcard) for name in names]
