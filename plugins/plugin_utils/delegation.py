# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parent zone needs, so that zones are found: text to send to the provider."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import owner_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import CLASSLESS, reverse_zones, ttl_value

FORMATS = ("zone", "text")


def zone_delegation(
    value: object, ns: object, glue: object = None, parent: object = None, ttl: object = 86400, form: object = "zone"
) -> str:
    """Return the records for the parent zone, or a letter with them.

    :param value: a prefix or the name of a zone, or a list of them
    :param ns: the names of the servers
    :param glue: ``{server: addresses}``; needed for servers inside a delegated zone, and used for no others
    :param parent: the zone that the records are for; all zones must be inside it
    :param form: ``zone`` for records, ``text`` for the letter
    """
    seconds = ttl_value(ttl, "zone_delegation")
    if form not in FORMATS:
        raise RolloutError(f"format: {shown(form)} is not known here; {' and '.join(FORMATS)} are")
    values = _list(value, "zones", "zones, or prefixes")
    zones = list(dict.fromkeys(zone for item in values for zone in _zones(item)))
    servers = list(dict.fromkeys(dns_names.absolute(item, "ns") for item in _list(ns, "ns", "name servers")))
    _check_parent(zones, parent)
    addresses = _glue(glue)
    lines = [f"{zone} {seconds} IN NS {server}" for zone in zones for server in servers]
    for server in servers:
        if any(f".{server}".endswith(f".{zone}") for zone in zones):
            if not addresses.get(server):
                raise RolloutError(
                    f"glue: {server} is inside a zone that is delegated to it; without its addresses in the parent "
                    "zone nobody could reach it"
                )
            # The same TTL for both families: otherwise one of them is gone for a while, and cannot be asked for.
            lines += [f"{server} {seconds} IN {kind} {address}" for kind, address in addresses[server]]
    for zone in zones:
        lines += [f"{owner} {seconds} IN CNAME {target}" for owner, target in _aliases(zone)]
    text = "".join(f"{line}\n" for line in lines)
    return text if form == "zone" else _letter([str(item) for item in values], zones, servers, text)


def _list(value: object, what: str, meant: str) -> list[t.Any]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value:
        raise RolloutError(f"{what}: {shown(value)} is not a list of {meant}")
    return list(value)


def _zones(value: object) -> list[str]:
    text = text_value(value, "zones", 256)
    if "/" in text and not text.lower().rstrip(".").endswith(".arpa"):
        return reverse_zones(text, rfc2317=":" not in text)
    return [dns_names.absolute(text, "zones")]


def _check_parent(zones: list[str], parent: object) -> None:
    if parent is None:
        return
    name = owner_name(parent, "parent")
    for zone in zones:
        if zone == name or not zone.endswith(f".{name}" if name != "." else "."):
            raise RolloutError(f"parent: {zone} is not inside {name}; its delegation does not belong there")


def _glue(value: object) -> dict[str, list[tuple[str, str]]]:
    """Return the address records of each server."""
    if value is None:
        return {}
    if not isinstance(value, t.Mapping):
        raise RolloutError(f"glue: {shown(value)} is not a dictionary {{server: [addresses]}}")
    found: dict[str, list[tuple[str, str]]] = {}
    for server, texts in value.items():
        name = dns_names.absolute(server, "glue")
        what = f"glue: {name}"
        for text in _list(texts, what, "addresses"):
            family, address = any_address(text, what)
            found.setdefault(name, []).append(("A" if family == 4 else "AAAA", address_text(family, address)))
    return {name: sorted(set(records)) for name, records in found.items()}


def _aliases(zone: str) -> list[tuple[str, str]]:
    """Return the CNAME records that lead from the parent zone into a classless zone (RFC 2317, section 4)."""
    match = CLASSLESS.fullmatch(zone)
    if not match or not 25 <= int(match[2]) <= 31:
        return []
    first, count = int(match[1]), 1 << (32 - int(match[2]))
    if first % count or first > 255:
        raise RolloutError(f"zones: {zone} does not begin at a multiple of its {count} addresses")
    above = zone.partition(".")[2]
    return [(f"{octet}.{above}", f"{octet}.{zone}") for octet in range(first, first + count)]


def _letter(values: list[str], zones: list[str], servers: list[str], records: str) -> str:
    many = len(zones) > 1
    checks = [f"  dig +norecurse @{server} {zone} SOA" for server in servers for zone in zones]
    return "\n".join(
        [
            f"Please delegate the zone{'s' if many else ''} of {', '.join(values)} to our name servers.",
            "",
            f"{len(zones)} zones:" if many else "The zone:",
            *(f"  {zone}" for zone in zones),
            "",
            "The name servers:",
            *(f"  {server}" for server in servers),
            "",
            "The records for the parent zone:",
            "",
            records.rstrip("\n"),
            "",
            "Before they go in, each server must answer for each zone, with the flag aa and an SOA record:",
            "",
            *checks,
            "",
        ]
    )
