# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read live zones from an authoritative server, whole or record by record, and compare its secondaries with it.

Nothing here changes anything. What the server does not say is told as unknown, and never judged.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import findings, findings_addresses, zone_wanted
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_hosts import host_records
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import txt_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import ALIAS, Problem, Server
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_transfer import NotTransferred, Zone
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of

_ADDRESSES = ("A", "AAAA")
_OF_NAMES = ("A", "AAAA", "MX", "TXT")
_OF_DOMAINS = ("MX", "NS", "TXT", "A", "AAAA")
_OF_ZONES = ("SOA", "NS")
_OF_SPF = {
    "include": ("TXT", "A", "AAAA", "MX"),
    "redirect": ("TXT", "A", "AAAA", "MX"),
    "a": _ADDRESSES,
    "mx": ("MX",),
}
_MOST = 100_000  # records of a zone that nobody named
_STEPS = 16  # from one record to what it points to; a chain that is longer never ends
_SPF_NAMES = re.compile(r"(?:^|\s)[+?~-]?(include|a|mx|redirect)[:=]([A-Za-z0-9_.-]+)", re.ASCII)
# What single questions settle. The rest needs the whole zone.
_SETTLED = frozenset(
    {
        *("ttl-mismatch", "aaaa-without-ptr", "a-without-ptr", "ptr-to-nothing", "ptr-not-confirmed", "ptr-to-alias"),
        *("several-ptr", "ptr-target-in-arpa", "mx-without-address", "mx-to-alias", "mx-to-address", "mx-without-aaaa"),
        *("mx-without-a", "null-mx-beside-mx", "ns-without-address", "ns-to-alias", "ns-to-address", "ns-without-aaaa"),
        *("spf-syntax", "spf-several", "spf-mapped", "spf-plus-all", "spf-after-all", "spf-no-end", "spf-without-ip6"),
        *("ipv6-name-with-a", "ipv4-name-with-aaaa"),
    }
)


_OF_ADDRESSES = frozenset({findings_addresses.DECLARED, *(one.check for one in findings_addresses.RANGES)})


class Wish(t.NamedTuple):
    """What to read."""

    zones: tuple[str, ...]
    names: tuple[str, ...] = ()  # of hosts
    domains: tuple[str, ...] = ()  # that hosts send mail for
    pointers: tuple[str, ...] = ()  # reverse names of hosts


class Reading(t.NamedTuple):
    """What was read."""

    records: list[dict[str, t.Any]]
    zones: dict[str, dict[str, t.Any]]
    unknown: list[dict[str, str]]

    @property
    def complete(self) -> list[str]:
        """The zones of which every record is known."""
        return [name for name, zone in self.zones.items() if zone["by"] == "transfer"]


def wish(zones: object, hosts: object) -> Wish:
    """Read what a user wrote."""
    names = [zone.name for zone in zone_wanted.zones(zones)]
    lab, published, reverse = (host_records(hosts, kind) for kind in ("lab", "published", "reverse"))
    if not names and not hosts:
        raise RolloutError("zones, hosts: nothing is given; say which zones to read, or which hosts to look for")
    return Wish(
        tuple(dict.fromkeys(names)),
        tuple(dict.fromkeys(record["name"] for record in published["records"] + lab["records"])),
        tuple(entry["name"] for entry in lab["spf"]),
        tuple(record["name"] for record in reverse["records"]),
    )


def servers(value: object) -> list[str]:
    """Read the addresses of further servers."""
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"servers: {shown(value)} is not a list of addresses")
    found = []
    for place, item in enumerate(value):
        any_address(item, f"servers[{place}]")
        found.append(text_value(item, "servers"))
    return list(dict.fromkeys(found))


def read(asked: Wish, server: Server) -> Reading:
    """Read the zones: each whole where the server gives it away, and else what is asked for, one by one."""
    whole: dict[str, Zone] = {}
    zones_read = list(asked.zones) or _zones_of_hosts(asked, server)
    for name in zones_read:
        try:
            whole[name] = server.transfer(name, most=None if asked.zones else _MOST)
        except NotTransferred:
            continue
    held = _one_by_one(asked, zones_read, whole, server)
    by_query = {key: found for key, found in held.items() if isinstance(found, Rrset)}
    _served(asked, whole, held)
    zone_of = server.zone_of(key.name for key, found in held.items() if not isinstance(found, Problem))
    records = [
        record for zone in whole.values() for key, rrset in zone.rrsets.items() for record in _of(zone.name, key, rrset)
    ]
    records += [record for key, rrset in by_query.items() for record in _of(zone_of[key.name], key, rrset)]
    zones = {zone.name: {"serial": zone.serial, "by": "transfer", "records": zone.records} for zone in whole.values()}
    serials = _serials(sorted(set(zone_of.values()) - set(whole)), server)
    for name, serial in serials.items():
        count = sum(record["zone"] == name for record in records)
        zones[name] = {"serial": serial, "by": "query", "records": count}
    unknown = [
        {"name": key.name, "type": key.type, "reason": found.reason}
        for key, found in held.items()
        if isinstance(found, Problem) and not found.reason.startswith(ALIAS)
    ]
    return Reading(records, zones, unknown)


def _zones_of_hosts(asked: Wish, server: Server) -> list[str]:
    """Return the zones of hosts that the server has; where it does not speak for a name, there is none of it."""
    keys = [Key(name, "SOA") for name in (*asked.names, *asked.domains, *asked.pointers)]
    found = server.look(keys)
    speaks = [key.name for key, held in found.items() if not isinstance(held, Problem) or held.reason.startswith(ALIAS)]
    return sorted(set(server.zone_of(speaks).values()))


def _of(zone: str, key: Key, rrset: Rrset) -> t.Iterator[dict[str, t.Any]]:
    for data in rrset.data:
        yield {"zone": zone, "name": key.name, "type": key.type, "ttl": rrset.ttl, "data": data}


def _served(asked: Wish, whole: t.Mapping[str, Zone], held: t.Mapping[Key, Rrset | Problem | None]) -> None:
    """Say which zones the server does not have at all."""
    for name in asked.zones:
        found = held.get(Key(name, "SOA"))
        if name not in whole and not isinstance(found, Rrset):
            why = found.reason if isinstance(found, Problem) else "there is no SOA record at this name"
            raise RolloutError(f"zones: {name} cannot be read: {why}")


def _one_by_one(
    asked: Wish, zones_read: t.Sequence[str], whole: t.Mapping[str, Zone], server: Server
) -> dict[Key, Rrset | Problem | None]:
    """Ask for what matters and no whole zone says, and then for what that points to."""
    keys = [Key(name, kind) for name in zones_read if name not in whole for kind in _OF_ZONES]
    keys += [Key(name, kind) for name in asked.names for kind in _OF_NAMES]
    keys += [Key(name, kind) for name in asked.domains for kind in _OF_DOMAINS]
    keys += [Key(name, "PTR") for name in asked.pointers]
    # What whole zones point to counts as well, where it is elsewhere.
    for zone in whole.values():
        for key, rrset in zone.rrsets.items():
            if key.type in ("NS", "MX"):
                keys += _next(key, rrset)
    held: dict[Key, Rrset | Problem | None] = {}
    known: dict[Key, Rrset | Problem | None] = {}
    for _step in range(_STEPS):
        new = [key for key in dict.fromkeys(keys) if key not in known]
        inside: dict[Key, Zone] = {}
        for key in new:
            within = _zone_for(key, whole)
            if within is not None:
                inside[key] = within
        found = server.look([key for key in new if key not in inside])
        held.update(found)
        known.update(found)
        known.update({key: within.rrsets.get(key) for key, within in inside.items()})
        keys = [more for key in new for more in _next(key, known[key])]
    for key in keys:
        if key not in known:
            held[key] = Problem(f"the chain of records that leads there has more than {_STEPS} links")
    return held


def _zone_for(key: Key, whole: t.Mapping[str, Zone]) -> Zone | None:
    """Return the whole zone that says all about an RRset."""
    name = key.name
    while name and name not in whole:
        name = name.partition(".")[2]
    return whole[name] if name and whole[name].speaks_for(key) else None


def _next(key: Key, found: Rrset | Problem | None) -> list[Key]:
    """Return what an RRset points to."""
    if isinstance(found, Problem):
        return [Key(key.name, "CNAME")] if found.reason.startswith(ALIAS) else []
    data = () if found is None else found.data
    if key.type in _ADDRESSES:
        return [Key(name_of(*any_address(text, key.name)), "PTR") for text in data]
    if key.type == "TXT":
        texts = [txt_text(text) for text in data]
        named = [m.groups() for text in texts if text.lower().startswith("v=spf1") for m in _SPF_NAMES.finditer(text)]
        return [Key(_dotted(name), kind) for which, name in named for kind in _OF_SPF[which]]
    if key.type in ("MX", "NS", "PTR", "CNAME"):
        targets = [text.rpartition(" ")[2].lower() for text in data]
        return [Key(target, kind) for target in targets if target != "." for kind in _ADDRESSES]
    return []


def _dotted(name: str) -> str:
    return f"{name.lower().rstrip('.')}."


def _serials(zones: t.Sequence[str], server: Server) -> dict[str, int | None]:
    found = server.look([Key(zone, "SOA") for zone in zones])
    return {key.name: int(soa.data[0].split()[2]) if isinstance(soa, Rrset) else None for key, soa in found.items()}


def judged(reading: Reading, several_names: object = None, not_public: object = None) -> list[dict[str, t.Any]]:
    """Return the findings. Of zones that were not read whole, only what single questions settle is judged."""
    records, odd = reading.records, list[dict[str, t.Any]]()
    try:
        findings.read(records)
    except RolloutError:
        records, odd = _readable(records)
    whole = []
    if reading.complete:
        whole = findings.findings(records, reading.complete, several_names, not_public)
    if len(reading.complete) < len(reading.zones):
        known = {_identity(found) for found in whole}
        for found in findings.findings(records, list(reading.zones), several_names, not_public):
            if found["zone"] not in reading.complete and _settled(found, reading):
                whole += [found] if _identity(found) not in known else []
    return whole + odd


def _identity(found: t.Mapping[str, t.Any]) -> tuple[object, ...]:
    return tuple(found[key] for key in ("check", "zone", "name", "type", "data"))


def _settled(found: t.Mapping[str, t.Any], reading: Reading) -> bool:
    """Whether single questions are enough for a finding, and all of them were answered."""
    check = found["check"]
    if check not in _SETTLED and check not in _OF_ADDRESSES:
        return False
    return not any(item["name"] in (found["name"], found["data"]) for item in reading.unknown)


def _readable(records: t.Iterable[dict[str, t.Any]]) -> tuple[list[dict[str, t.Any]], list[dict[str, t.Any]]]:
    """Keep apart the records that no check can read: a server may hold anything."""
    good, odd = [], []
    for record in records:
        try:
            findings.read([record])
            good.append(record)
        except RolloutError as error:
            zone, name, kind = record["zone"], record["name"], record["type"]
            message = f"{name} {kind} cannot be judged: {error}"
            odd.append(_finding("not-judged", "warning", zone, name, kind, record["data"], message, _FIX_ODD))
    return good, odd


def differences(reading: Reading, others: t.Iterable[Server]) -> list[dict[str, t.Any]]:
    """Compare the serials of the zones on further servers; return what differs, in the form of findings."""
    found = []
    for other in others:
        try:
            serials = other.look([Key(zone, "SOA") for zone in reading.zones])
        except RolloutError as error:
            fix = "Start it, or let this machine ask it over TCP; users whose resolver asks it wait in vain."
            found.append(_finding("server-silent", "error", None, str(other), "SOA", None, str(error), fix))
            continue
        for zone, known in reading.zones.items():
            there = serials[Key(zone, "SOA")]
            if isinstance(there, Rrset):
                serial = int(there.data[0].split()[2])
                if serial == known["serial"] or known["serial"] is None:
                    continue
                message = f"{other} has the serial {serial} of {zone}, and {known['serial']} is the primary one"
                fix = _FIX_BEHIND if (known["serial"] - serial) % 2**32 < 2**31 else _FIX_AHEAD
                found.append(_finding("secondary-differs", "error", zone, zone, "SOA", str(serial), message, fix))
            else:
                why = f"{other} has no SOA record of {zone}" if there is None else there.reason
                found.append(
                    _finding("secondary-differs", "error", zone, zone, "SOA", None, f"{zone}: {why}", _FIX_ABSENT)
                )
    return found


def lines(reading: Reading, found: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Return what was read and what is wrong, a line each, for people."""
    told = [
        f"{name} serial {zone['serial']}, {'whole' if zone['by'] == 'transfer' else 'the records of hosts only'}, "
        f"{zone['records']} records"
        for name, zone in sorted(reading.zones.items())
    ]
    told += [f"{item['severity']}: {item['message']} {item['fix']}" for item in found]
    told += [f"unknown: {item['name']} {item['type']}: {item['reason']}" for item in reading.unknown]
    return told if found else [*told, "Nothing is wrong in what was read."]


_FIX_BEHIND = (
    "Wait for its refresh, or send it a NOTIFY; where that does not help, its log says why it gets no transfer."
)
_FIX_AHEAD = (
    "It is ahead, so it never transfers the zone again: raise the primary server's serial above it, or let it "
    "transfer the zone anew."
)
_FIX_ABSENT = "Make the server a secondary of the zone, or take it out of the NS records."


_FIX_ODD = "Look at it by hand; it is hardly meant to be there."


def _finding(
    check: str, severity: str, zone: str | None, name: str, kind: str, data: str | None, message: str, fix: str
) -> dict[str, t.Any]:
    return {
        "check": check,
        "severity": severity,
        "zone": zone,
        "name": name,
        "type": kind,
        "data": data,
        "message": message,
        "fix": fix,
    }
