# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module zone does: zone files are compared with what is wanted, as dns_records compares a live server.

Nothing in here touches a file. The texts come from the name server, and new texts go back there.
"""

from __future__ import annotations

import datetime
import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    dns_records,
    dns_update,
    serial,
    synthesis,
    zone_edit,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import fold
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import (
    Change,
    Key,
    Rrset,
    Transaction,
    Wanted,
    same,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import SOA_KEYS, zone_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone_edit import ZoneText
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone_reader import Files
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone_wanted import DEFAULT_TTL, Policy, Zone


class Job(t.NamedTuple):
    """One zone file to write; ``text`` None: to remove."""

    zone: str
    text: str | None
    serial: int | None


class Plan(t.NamedTuple):
    """What one call has to do."""

    jobs: list[Job]
    changed: list[Transaction]
    live: dict[Key, Rrset | None]
    warnings: list[str]


def plan(
    wanted: t.Sequence[Zone], wish: Wanted, there: t.Mapping[str, t.Any], policy: Policy, now: datetime.datetime
) -> Plan:
    """Compare, and return the files to write.

    :param there: what module_utils/zone_files.py read: by zone ``{file, texts, serials, ours, ...}``
    """
    files = _files(wanted, wish, there, policy, now)
    if not wish.present and not wish.records and not wish.spf:
        return _all_away(wanted, files, there, policy, now)
    found = dns_records.plan(wish, files)
    # By file, not by name: a file may hold names of another zone, such as glue.
    changes: dict[str, dict[Key, Change]] = {name: {} for name in files.zones}
    for item in found.transactions:
        changes[item.zone] = {change.key: change for change in item.changes}
    if wish.present:
        for zone in wanted:
            _name_servers(zone, files, wish, changes[zone.name])
            _unnamed(files.zones[zone.name], wish, changes[zone.name], policy)
            _wildcards(zone, files.rrsets[zone.name], changes[zone.name])
    jobs, warnings = [], list(found.warnings)
    made = [zone.name for zone in wanted if there[zone.name].get("ours") and zone.name in files.zones]
    if wish.present or not all(_nothing_left(files.zones[name], changes[name]) for name in made):
        made = []
    for zone in wanted or [_plain(name) for name in files.zones]:
        if not wish.present and not there[zone.name]["declared"]:
            changes.pop(zone.name, None)  # a file that no server has is nobody's zone
        elif zone.name in made:
            jobs.append(Job(zone.name, None, None))
        elif zone.name in files.zones:
            mine = list(changes[zone.name].values())
            jobs += _job(zone, files.zones[zone.name], mine, there[zone.name], policy, now, warnings)
    for zone in wanted:
        for change in _made(zone, files, there):
            changes[zone.name].setdefault(change.key, change)
    return _sorted(jobs, changes, found.live, warnings, wish.present)


def _nothing_left(zone: ZoneText, changes: t.Mapping[Key, Change]) -> bool:
    """Whether a zone that was made holds no more than its name servers and its wildcards after the changes."""
    for entry in zone.entries:
        key = Key(entry.name, entry.type)
        gone = key in changes and changes[key].after is None
        beginning = key in (Key(zone.zone, "NS"), Key(zone.zone, "SOA"))
        wildcard = entry.name.startswith("*.") and zone.inside(entry)
        if not (gone or beginning or wildcard):
            return False
    return True


def _sorted(
    jobs: list[Job],
    changes: t.Mapping[str, t.Mapping[Key, Change]],
    live: dict[Key, Rrset | None],
    warnings: list[str],
    present: bool,
) -> Plan:
    """Put reverse zones first; last on the way back."""
    zones = sorted(changes, key=lambda zone: dns_update.order(zone, present))
    told = [Transaction(zone, tuple(changes[zone].values())) for zone in zones if changes[zone]]
    return Plan(sorted(jobs, key=lambda job: dns_update.order(job.zone, present)), told, live, warnings)


def _made(zone: Zone, files: Files, there: t.Mapping[str, t.Any]) -> t.Iterator[Change]:
    """Return what a new zone begins with, for those who want to see what is changed."""
    if zone.name in files.zones and not there[zone.name]["texts"]:
        soa = zone_edit.soa(files.zones[zone.name])
        yield Change(Key(zone.name, "SOA"), None, Rrset(soa.ttl, (soa.data,)))
        key = Key(zone.name, "NS")
        yield Change(key, None, files.rrsets[zone.name][key])


def names(wish: Wanted) -> list[str]:
    """Return the names whose zones a call has to read."""
    return list(dict.fromkeys(key.name for key in dns_update.asked(wish) + dns_update.needed(wish)))


def _plain(name: str) -> Zone:
    return Zone(name, "", "", (), {}, DEFAULT_TTL, None)


def _files(
    wanted: t.Sequence[Zone], wish: Wanted, there: t.Mapping[str, t.Any], policy: Policy, now: datetime.datetime
) -> Files:
    texts: dict[str, ZoneText] = {}
    others = {name: str(found["refused"]) for name, found in there.items() if "refused" in found}
    named = {zone.name: zone for zone in wanted}
    for name, found in there.items():
        if name in others:
            continue
        try:
            text = _text(named.get(name, _plain(name)), found, wish.present, policy, now)
        except RolloutError as error:
            if name in named:
                raise
            others[name] = str(error)  # it may be that nothing has to be written there
            continue
        if text is None:
            others[name] = ""
        else:
            texts[name] = text
    files = Files(texts, others)
    if wanted:
        _only_named(files, wish, named)
    return files


def _only_named(files: Files, wish: Wanted, named: t.Container[str]) -> None:
    """Where the call names zones, records elsewhere are a mistake; other zones are read only."""
    for key in dns_update.asked(wish):
        zone = files.zone(key.name)
        if zone not in named:
            raise RolloutError(
                f"records: {key.name} {key.type} is in none of the zones that the call names"
                + (f", but in {zone}; add it to zones" if zone else "; add its zone to zones")
            )


def _text(
    zone: Zone, there: t.Mapping[str, t.Any], present: bool, policy: Policy, now: datetime.datetime
) -> ZoneText | None:
    """Return the zone file that is there, or the beginning of a new one; None where none is wanted."""
    if there["texts"]:
        return zone_edit.load(zone.name, there["texts"][""], there["texts"], there["file"])
    if not present:
        return None
    if not zone.ns:
        raise RolloutError(
            f"zones: {zone.name} is new here ({there['file']} is not there), so it needs ns, its servers"
        )
    soa = {"mname": zone.ns[0], "rname": _hostmaster(zone.ns[0]), **zone.soa}
    soa["serial"] = serial.next_serial(_served(there), policy.serial, now)
    return zone_edit.load(zone.name, zone_file([], zone.name, soa, list(zone.ns), zone.ttl), {})


def _hostmaster(server: str) -> str:
    """Return the mailbox that RFC 2142, section 7, has for the domain of a name server."""
    return f"hostmaster.{server.partition('.')[2] or server}"


def _name_servers(zone: Zone, files: Files, wish: Wanted, changes: dict[Key, Change]) -> None:
    key = Key(zone.name, "NS")
    if not zone.ns:
        return
    if key in dns_update.asked(wish):
        raise RolloutError(f"records: {zone.name} NS: the zone has ns already, which are all of its servers; use one")
    before = files.rrsets[zone.name].get(key)
    after = Rrset(zone.ttl if before is None else before.ttl, tuple(sorted(set(zone.ns))))
    if not same(key, before, after):
        changes[key] = Change(key, before, after)


def _unnamed(zone: ZoneText, wish: Wanted, changes: dict[Key, Change], policy: Policy) -> None:
    """Treat the records that the call does not name: our own from earlier, and those of others."""
    named: dict[Key, set[str]] = {Key(zone.zone, "NS"): {fold("NS", data) for data in _servers(zone)}}
    for record in wish.records:
        for data in (record.data, record.fallback):
            if data is not None:
                named.setdefault(record.key, set()).add(fold(record.key.type, data))
    for entry in wish.spf:
        key = Key(entry.name, "TXT")
        named.setdefault(key, set()).update(
            fold("TXT", one.data) for one in zone.entries if (one.name, one.type) == key
        )
    gone: dict[Key, set[str]] = {}
    for one in zone.entries:
        key, data = Key(one.name, one.type), fold(one.type, one.data)
        if one.type == "SOA" or data in named.get(key, ()):
            continue
        if zone.inside(one):
            remove = policy.purge or policy.foreign == "remove"
            if remove and not zone.whole and policy.foreign != "remove":
                raise RolloutError(
                    f"zone {zone.zone}: somebody has edited the lines between the marks of ipv6.rollout, and "
                    f"{one.name} {one.type} {one.data} is not among the wanted records; move it out of there to keep it"
                )
        elif policy.foreign == "refuse":
            raise RolloutError(
                f"zone {zone.zone}: {one.name} {one.type} {one.data} (line {one.line}) is not among the wanted "
                "records, and foreign is refuse; add it to records, or choose keep or remove"
            )
        else:
            remove = policy.foreign == "remove"
        if remove:
            gone.setdefault(key, set()).add(data)
    held = zone_edit.rrsets(zone.entries)
    for key, folded in gone.items():
        before = held[key]
        planned = changes[key].after if key in changes else before
        left = () if planned is None else tuple(one for one in planned.data if fold(key.type, one) not in folded)
        after = Rrset(planned.ttl, left) if planned is not None and left else None
        changes[key] = Change(key, before, after)


def _servers(zone: ZoneText) -> list[str]:
    return [entry.data for entry in zone.entries if (entry.name, entry.type) == (zone.zone, "NS")]


def _wildcards(zone: Zone, held: t.Mapping[Key, Rrset], changes: dict[Key, Change]) -> None:
    """Let a wildcard answer for every address of a reverse zone that has no PTR record of its own."""
    if zone.wildcard is None:
        return
    there = {key for key in held if key not in changes} | {key for key, change in changes.items() if change.after}
    cuts = {key.name for key in there if key.type == "NS" and key.name != zone.name}
    owners = {key.name for key in there if not key.name.startswith("*.") and key.name != zone.name}
    hidden = {name for name in owners if any(name.endswith(f".{cut}") for cut in cuts)}
    for name in synthesis.wildcards(zone.name, owners - hidden):
        key = Key(name, "PTR")
        after = Rrset(zone.ttl, (zone.wildcard,))
        before = held.get(key)
        changes.pop(key, None)
        if not same(key, before, after):
            changes[key] = Change(key, before, after)


def _job(
    zone: Zone,
    text: ZoneText,
    changes: t.Sequence[Change],
    there: t.Mapping[str, t.Any],
    policy: Policy,
    now: datetime.datetime,
    warnings: list[str],
) -> list[Job]:
    """Return the job for one zone, or none where nothing has to change."""
    words = _soa_words(zone, text)
    is_new = not there["texts"]
    number = zone_edit.serial(text)
    if not changes and not words and not is_new and there["declared"]:
        # Written by a run that could not have it loaded, or by hand and forgotten.
        behind = [one for one in there["serials"] if one is None or serial.compare(number, one) == "greater"]
        return [Job(zone.name, text.text, number)] if behind else []
    if not is_new and (changes or words):
        current = serial.later(number, _served(there))
        number = serial.next_serial(current, policy.serial, now)
        words[2] = str(number)
        warnings += _ahead(zone.name, current, policy, now)
    return [Job(zone.name, zone_edit.edited(text, changes, words), number)]


def _served(there: t.Mapping[str, t.Any]) -> int | None:
    """Return the latest serial number that a zone is served with, or None."""
    known = [one for one in there["serials"] if one is not None]
    return functools.reduce(serial.later, known) if known else None


def _ahead(zone: str, current: int, policy: Policy, now: datetime.datetime) -> list[str]:
    """Tell where a serial number is so far ahead of the policy that it will not come back by itself."""
    soon = serial.next_serial(None, policy.serial, now + datetime.timedelta(days=366))
    if policy.serial == "counter" or serial.compare(current, soon) != "greater":
        return []
    today = serial.next_serial(None, policy.serial, now)
    steps = serial.repair_steps(current, today)
    return [
        f"zone {zone}: the serial {current} is ahead of the {policy.serial}, so it is only counted up. To get it back, "
        f"publish {', then '.join(map(str, steps))}, and let every secondary server take each (RFC 1912, section 3.1)"
    ]


def _soa_words(zone: Zone, text: ZoneText) -> dict[int, str]:
    """Return the words of the SOA record that have to change, by their place."""
    there = dict(zip(SOA_KEYS, zone_edit.soa(text).data.split(), strict=True))
    wanted = zone_file([], zone.name, {**there, **zone.soa}, [zone.ns[0] if zone.ns else there["mname"]], zone.ttl)
    words = zone_edit.soa(zone_edit.load(zone.name, wanted, {})).data.split()
    return {
        place: word
        for place, (word, key) in enumerate(zip(words, SOA_KEYS, strict=True))
        if key in zone.soa and word.lower() != there[key].lower()
    }


def _all_away(
    wanted: t.Sequence[Zone], files: Files, there: t.Mapping[str, t.Any], policy: Policy, now: datetime.datetime
) -> Plan:
    """Take out all that this module wrote: its records, and the zones that it made, where nobody else has records."""
    jobs: list[Job] = []
    changes: dict[str, dict[Key, Change]] = {}
    warnings: list[str] = []
    for zone in wanted:
        text = files.zones.get(zone.name)
        if text is not None and not there[zone.name]["declared"]:
            continue  # a file that no server has is nobody's zone
        if text is None:
            if there[zone.name]["ours"]:
                jobs.append(Job(zone.name, None, None))
            continue
        if not text.whole:
            raise RolloutError(
                f"zone {zone.name}: somebody has edited the lines between the marks of ipv6.rollout; move what is to "
                "stay out of there, or take records out by name"
            )
        held = files.rrsets[zone.name]
        others = zone_edit.rrsets(entry for entry in text.entries if not text.inside(entry))
        foreign = [key for key in others if key != Key(zone.name, "NS")]
        if there[zone.name]["ours"] and not foreign:
            changes[zone.name] = {key: Change(key, before, None) for key, before in held.items()}
            jobs.append(Job(zone.name, None, None))
            continue
        mine = [Change(key, before, others.get(key)) for key, before in held.items() if before != others.get(key)]
        changes[zone.name] = {change.key: change for change in mine}
        jobs += _job(zone._replace(soa={}), text, mine, there[zone.name], policy, now, warnings)
    return _sorted(jobs, changes, {}, warnings, present=False)
