# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change in the DNS: a pure comparison of what is wanted with what a server holds.

Nothing in here talks to a server. ``needed`` says which RRsets to read, ``changes`` compares, ``transactions`` puts the
changes into messages: one zone each, reverse zones first (last on the way back), no message larger than TCP carries.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_prefix, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import (
    NAME_TYPES,
    absolute,
    address_of,
    fold,
    is_reverse,
    record_data,
    record_type,
    txt_data,
    txt_text,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.spf import spf_with_ip6

LARGEST_MESSAGE = 60000  # octets; the limit of TCP is 65535, and a signature needs room
LARGEST_TTL = 2**31 - 1
_ONE_ONLY = frozenset({"CNAME", "DNAME"})
# Names that `absolute` gives back as they are, but for the final dot. Of thousands of records nearly all are.
_PLAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_/-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\.?")
_LONGEST_PLAIN = 253


class Key(t.NamedTuple):
    """Which RRset."""

    name: str
    type: str


class Rrset(t.NamedTuple):
    """What an RRset holds."""

    ttl: int
    data: tuple[str, ...]


class Record(t.NamedTuple):
    """One wanted record."""

    key: Key
    data: str
    ttl: int | None = None
    fallback: str | None = None


class Spf(t.NamedTuple):
    """Prefixes that the SPF policy of a name lists, or does not list."""

    name: str
    ip6: tuple[str, ...]


class Wanted(t.NamedTuple):
    """All that one call wants."""

    records: tuple[Record, ...]
    spf: tuple[Spf, ...] = ()
    present: bool = True
    exclusive: bool = False
    default_ttl: int = 3600


class Change(t.NamedTuple):
    """One RRset that must change; None stands for "does not exist"."""

    key: Key
    before: Rrset | None
    after: Rrset | None


class Transaction(t.NamedTuple):
    """What goes into one UPDATE message."""

    zone: str
    changes: tuple[Change, ...]


class Comparison(t.NamedTuple):
    """What must change, and what the user should know."""

    changes: list[Change]
    warnings: list[str]


# What a server holds. A key that is missing is unknown: the server does not speak for that name.
Live = t.Mapping[Key, t.Optional[Rrset]]


def wanted(
    records: object,
    spf: object = None,
    state: str = "present",
    exclusive: bool = False,
    default_ttl: object = 3600,
) -> Wanted:
    """Read what a user wrote."""
    return Wanted(
        tuple(_record(item, f"records[{place}]") for place, item in enumerate(_dicts(records, "records"))),
        tuple(_spf(item, f"spf[{place}]") for place, item in enumerate(_dicts(spf, "spf"))),
        state == "present",
        exclusive,
        _ttl(default_ttl, "default_ttl"),
    )


def _dicts(value: object, what: str) -> t.Iterator[t.Mapping[str, object]]:
    if value is None:
        return
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is not a list")
    for place, item in enumerate(value):
        if not isinstance(item, t.Mapping):
            raise RolloutError(f"{what}[{place}]: {shown(item)} is not a dictionary")
        yield item


def _only(item: t.Mapping[str, object], what: str, must: tuple[str, ...], may: tuple[str, ...] = ()) -> None:
    for key in must:
        if item.get(key) is None:
            raise RolloutError(f"{what}: {key} is missing")
    for key in item:
        if key not in must and key not in may:
            raise RolloutError(f"{what}: {key} is not known here; {', '.join(must + may)} are")


def _record(item: t.Mapping[str, object], what: str) -> Record:
    # `zone` is what the filter ptr_records adds. The zone is asked for, so it is not needed here.
    _only(item, what, ("name", "type", "data"), ("ttl", "fallback", "zone"))
    kind = record_type(item["type"], f"{what}.type")
    key = Key(_name(item["name"], f"{what}.name"), kind)
    ttl = None if item.get("ttl") is None else _ttl(item["ttl"], f"{what}.ttl")
    text, where = item["data"], f"{what}.data"
    data = _name(text, where) if kind in NAME_TYPES else record_data(kind, text, where)
    fallback = None
    if item.get("fallback") is not None:
        fallback = absolute(item["fallback"], f"{what}.fallback")
        if kind != "PTR" or address_of(key.name) is None:
            raise RolloutError(f"{what}.fallback: {key.name} {kind} is not the PTR record of one address")
    return Record(key, data, ttl, fallback)


def _name(value: object, what: str) -> str:
    if isinstance(value, str) and len(value) <= _LONGEST_PLAIN and _PLAIN.fullmatch(value):
        return str(value) if value[-1] == "." else f"{value}."
    return absolute(value, what)


def _spf(item: t.Mapping[str, object], what: str) -> Spf:
    _only(item, what, ("name", "ip6"))
    prefixes = item["ip6"]
    if not isinstance(prefixes, (list, tuple)):
        raise RolloutError(f"{what}.ip6: {shown(prefixes)} is not a list of prefixes")
    texts = tuple(text_value(prefix, f"{what}.ip6[{place}]") for place, prefix in enumerate(prefixes))
    for text in texts:
        ipv6_prefix(text if "/" in text else f"{text}/128", f"{what}.ip6")
    return Spf(absolute(item["name"], f"{what}.name"), texts)


def _ttl(value: object, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_TTL:
        raise RolloutError(f"{what}: {shown(value)} is not a TTL; write whole seconds, 0 to {LARGEST_TTL}")
    return int(value)


def asked(wish: Wanted) -> list[Key]:
    """Return the RRsets that the call is about, each once, in a steady order."""
    keys = [record.key for record in wish.records]
    keys += [Key(entry.name, "TXT") for entry in wish.spf]
    return list(dict.fromkeys(keys))


def needed(wish: Wanted) -> list[Key]:
    """Return the RRsets to read beside those: for the TTL of an AAAA RRset, and for whether a name confirms."""
    keys: list[Key] = []
    if wish.present:
        keys += [Key(r.key.name, "A") for r in wish.records if r.key.type == "AAAA" and r.ttl is None]
        keys += [_forward(record)[0] for record in wish.records if record.fallback is not None]
    known = set(asked(wish))
    return [key for key in dict.fromkeys(keys) if key not in known]


def _forward(record: Record) -> tuple[Key, str]:
    """Return the RRset that has to confirm a PTR record, and the address that it has to hold."""
    found = address_of(record.key.name)
    if found is None:
        raise RolloutError(f"records: {record.key.name} is no name of an address; only those have a fallback")
    family, address = found
    return Key(record.data, "AAAA" if family == 6 else "A"), address


def changes(wish: Wanted, live: Live) -> Comparison:
    """Compare what is wanted with what a server holds. ``live`` must hold every key that :func:`asked` names."""
    warnings: list[str] = []
    there = {(record.key, record.data) for record in wish.records} if any(r.fallback for r in wish.records) else set()
    records = [record for item in wish.records for record in _chosen(item, wish, live, there, warnings)]
    groups: dict[Key, list[Record]] = {}
    for record in records:
        groups.setdefault(record.key, []).append(record)
    after: dict[Key, Rrset | None] = {}
    for key, group in groups.items():
        if wish.present:
            after[key] = _with(key, group, groups, wish, live)
        else:
            after[key] = _without(key, group, live[key])
    for entry in wish.spf:
        key = Key(entry.name, "TXT")
        after[key] = _with_spf(entry, after.get(key, live[key]), wish.present, warnings)
    found = [Change(key, live[key], new) for key, new in after.items() if not same(key, live[key], new)]
    return Comparison(found, warnings)


def same(key: Key, one: Rrset | None, other: Rrset | None) -> bool:
    """Whether two RRsets are the same: data and TTL."""
    if one is other:
        return True
    if one is None or other is None:
        return False
    return one.ttl == other.ttl and _folded(key, one) == _folded(key, other)


def _folded(key: Key, rrset: Rrset) -> set[str]:
    return {fold(key.type, data) for data in rrset.data}


def _chosen(
    record: Record, wish: Wanted, live: Live, there: t.Container[tuple[Key, str]], warnings: list[str]
) -> list[Record]:
    """Return the record as it is to be. Of a PTR with a fallback it is decided; the other one is its fallback now.

    :param there: what the same call wants
    """
    if record.fallback is None:
        return [record]
    other = record._replace(data=record.fallback, fallback=record.data)
    if not wish.present:
        return [record, other]
    key, address = _forward(record)
    held = live.get(key)
    if (key, address) in there or (held is not None and address in held.data):
        return [record]
    if key not in live:
        warnings.append(
            f"{record.key.name} PTR: the server does not say whether {record.data} has the address {address}, "
            f"so the record points to {record.fallback}"
        )
    return [other]


def _with(key: Key, group: list[Record], groups: t.Mapping[Key, list[Record]], wish: Wanted, live: Live) -> Rrset:
    before = live[key]
    if before is not None and _plainly(group, before):
        return before
    wanted_data = {fold(key.type, record.data): record.data for record in group}
    if key.type in _ONE_ONLY and len(wanted_data) > 1:
        raise RolloutError(f"records: {key.name} has {len(wanted_data)} {key.type} records; a name has at most one")
    held = {} if before is None else {fold(key.type, data): data for data in before.data}
    if wish.exclusive or key.type in _ONE_ONLY:
        data = {folded: held.get(folded, text) for folded, text in wanted_data.items()}
    else:
        # Of the two names of one record only one may stay.
        passed = {fold(key.type, record.fallback) for record in group if record.fallback is not None}
        data = {
            **wanted_data,
            **{folded: text for folded, text in held.items() if folded not in passed - {*wanted_data}},
        }
    return Rrset(_ttl_of(key, group, groups, wish, live), tuple(sorted(data.values())))


def _plainly(group: list[Record], before: Rrset) -> bool:
    """Whether an RRset of one record is as wanted at first sight, as nearly all of thousands are."""
    first = group[0]
    return (
        len(group) == 1
        and before.data == (first.data,)
        and (first.ttl == before.ttl or (first.ttl is None and first.key.type != "AAAA"))
    )


def _ttl_of(key: Key, group: list[Record], groups: t.Mapping[Key, list[Record]], wish: Wanted, live: Live) -> int:
    given = {record.ttl for record in group if record.ttl is not None}
    if len(given) > 1:
        raise RolloutError(
            f"records: {key.name} {key.type} is given with the TTLs {', '.join(map(str, sorted(given)))}; "
            "an RRset has one TTL (RFC 2181, section 5.2)"
        )
    if given:
        return given.pop()
    if key.type == "AAAA":
        # A and AAAA of a name run out together, or a cache knows only one of them for a while (RFC 4472, 4.4).
        ipv4 = Key(key.name, "A")
        if ipv4 in groups:
            return _ttl_of(ipv4, groups[ipv4], groups, wish, live)
        held = live.get(ipv4)
        if held is not None:
            return held.ttl
    before = live[key]
    return wish.default_ttl if before is None else before.ttl


def _without(key: Key, group: list[Record], before: Rrset | None) -> Rrset | None:
    if before is None:
        return None
    gone = {fold(key.type, record.data) for record in group}
    left = tuple(data for data in before.data if fold(key.type, data) not in gone)
    return Rrset(before.ttl, left) if left else None


def _with_spf(entry: Spf, before: Rrset | None, present: bool, warnings: list[str]) -> Rrset | None:
    policies = {} if before is None else {data: txt_text(data) for data in before.data}
    policies = {data: text for data, text in policies.items() if _is_spf(text)}
    if len(policies) > 1:
        raise RolloutError(
            f"spf: {entry.name} has {len(policies)} SPF records, which no receiver accepts (RFC 7208, section 4.5); "
            "leave one"
        )
    if before is None or not policies:
        if present:
            warnings.append(f"{entry.name} has no SPF record, so there is none that could list {', '.join(entry.ip6)}")
        return before
    ((data, text),) = policies.items()
    try:
        new = spf_with_ip6(text, list(entry.ip6), "present" if present else "absent")
    except RolloutError as error:
        raise RolloutError(f"spf: {entry.name}: {error}") from None
    if new == text:
        return before
    return Rrset(before.ttl, tuple(sorted([other for other in before.data if other != data] + [txt_data(new)])))


def _is_spf(text: str) -> bool:
    return text.lower().split(" ", 1)[0] == "v=spf1"


def order(zone: str, present: bool) -> tuple[bool, list[str]]:
    """Return by what zones are sorted: reverse zones first, and last on the way back."""
    return is_reverse(zone) != present, zone.split(".")[::-1]


def transactions(
    found: t.Sequence[Change],
    zones: t.Mapping[str, str],
    size_of: t.Callable[[Change, str], int],
    present: bool = True,
    largest: int = LARGEST_MESSAGE,
) -> list[Transaction]:
    """Put changes into messages.

    Forward: reverse zones first, since an address needs its PTR record before it is used, and AAAA comes last.
    Back: the AAAA records go first.
    """
    by_zone: dict[str, list[Change]] = {}
    for change in found:
        by_zone.setdefault(zones[change.key.name], []).append(change)
    result = []
    for zone in sorted(by_zone, key=lambda name: order(name, present)):
        room, packed = largest, list[Change]()
        for change in sorted(by_zone[zone], key=lambda c: (c.key.name.split(".")[::-1], c.key.type)):
            size = size_of(change, zone)
            if size > largest:
                raise RolloutError(
                    f"records: the RRset {change.key.name} {change.key.type} needs {size} octets in an update; "
                    f"at most {largest} fit"
                )
            if size > room:
                result.append(Transaction(zone, tuple(packed)))
                room, packed = largest, []
            room -= size
            packed.append(change)
        result.append(Transaction(zone, tuple(packed)))
    return result
