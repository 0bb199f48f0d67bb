# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files: RFC 1035 master file text from records."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import owner_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import ttl_value

SOA_KEYS = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
# RFC 1912, section 2.2, with a negative TTL that lets a new record be seen within the hour.
SOA_TIMES = {"refresh": 7200, "retry": 900, "expire": 1209600, "minimum": 3600}
MAILBOX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*", re.ASCII)


class _Row(t.NamedTuple):
    order: tuple[str, ...]  # the labels from the right: the canonical order of RFC 4034
    type: str
    data: str
    owner: str
    ttl: int


def zone_file(records: object, origin: object, soa: object, ns: object, ttl: object = 3600) -> str:
    """Return the text of a zone.

    :param records: ``[{name, type, data, ttl, zone}]``. A name that does not end in the origin is relative to it,
        ``@`` is the origin. A record that names another zone is left out. Names in the data are absolute
    :param soa: ``{mname, rname, serial}``, and ``refresh``, ``retry``, ``expire``, ``minimum``
    :param ns: the zone's name servers
    """
    zone = owner_name(origin, "origin")
    default = ttl_value(ttl, "zone_file")
    rows = {_row(zone, {"name": "@", "type": "NS", "data": server}, default, "ns") for server in _servers(ns)}
    if not isinstance(records, (list, tuple)):
        raise RolloutError(f"records: {shown(records)} is not a list of {{name, type, data, ttl}}")
    for place, item in enumerate(records):
        what = f"records[{place}]"
        if not isinstance(item, t.Mapping):
            raise RolloutError(f"{what}: {shown(item)} is not a dictionary {{name, type, data, ttl}}")
        if item.get("zone") is None or owner_name(item["zone"], f"{what}: zone") == zone:
            rows.add(_row(zone, item, default, what))
    ordered = sorted(rows)
    _check(zone, ordered)
    head = [f"$ORIGIN {zone}", f"$TTL {default}", f"@ IN SOA {_soa(soa)}"]
    body = [
        " ".join(
            [_relative(row.owner, zone), *([f"{row.ttl}"] if row.ttl != default else []), "IN", row.type, row.data]
        )
        for row in sorted(ordered, key=lambda row: (row.order, row.type != "NS"))
    ]
    return "\n".join(head + body) + "\n"


def _servers(value: object) -> list[t.Any]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value:
        raise RolloutError(f"ns: {shown(value)} is not a list of name servers; a zone needs one at least")
    return list(value)


def _row(zone: str, item: t.Mapping[t.Any, t.Any], default: int, what: str) -> _Row:
    owner = _absolute(item.get("name"), zone, f"{what}: name")
    kind = dns_names.record_type(item.get("type"), f"{what}: type")
    data = item.get("data")
    if kind != "TXT" and isinstance(data, str) and not data.isprintable():
        raise RolloutError(f"{what}: data: {shown(data)} has more than one line, or characters that cannot be printed")
    data = dns_names.record_data(kind, data, f"{what}: data")
    seconds = default if item.get("ttl") is None else ttl_value(item["ttl"], what)
    return _Row(tuple(reversed(owner.rstrip(".").split("."))), kind, data, owner, seconds)


def _absolute(value: object, zone: str, what: str) -> str:
    text = text_value(value, what, 1024)
    if text == "@":
        return zone
    name = owner_name(text, what)
    if name == zone or name.endswith(f".{zone}" if zone != "." else "."):
        return name
    if text.endswith("."):
        raise RolloutError(f"{what}: {shown(text)} is not inside the zone {zone}")
    return f"{name}{zone}"


def _relative(owner: str, zone: str) -> str:
    if owner == zone:
        return "@"
    return owner if zone == "." else owner[: -len(zone) - 1]


def _check(zone: str, rows: list[_Row]) -> None:
    """Refuse what a name server would rewrite in silence: two TTLs in one RRset, a CNAME beside other data."""
    times: dict[tuple[str, str], int] = {}
    types: dict[str, set[str]] = {}
    for row in rows:
        known = times.setdefault((row.owner, row.type), row.ttl)
        if known != row.ttl:
            raise RolloutError(
                f"records: {row.owner} has {row.type} records with the TTLs {known} and {row.ttl}; an RRset has one "
                "TTL (RFC 2181, section 5.2)"
            )
        types.setdefault(row.owner, set()).add(row.type)
    for row, other in zip(rows, rows[1:], strict=False):
        if (row.owner, row.type) == (other.owner, other.type) and row.type == "CNAME":
            raise RolloutError(f"records: {row.owner} has two CNAME records; a name has one at most")
    for owner, kinds in types.items():
        if "CNAME" in kinds and (len(kinds) > 1 or owner == zone):
            raise RolloutError(
                f"records: {owner} has a CNAME and other records; a CNAME stands alone (RFC 1034, section 3.6.2)"
            )


def _soa(value: object) -> str:
    if not isinstance(value, t.Mapping):
        raise RolloutError(f"soa: {shown(value)} is not a dictionary {{mname, rname, serial}}")
    for key in value:
        if key not in SOA_KEYS:
            raise RolloutError(f"soa: {shown(key)} is not known here; the keys are {', '.join(SOA_KEYS)}")
    serial = value.get("serial")
    if isinstance(serial, str) and serial.isascii() and serial.isdigit() and len(serial) < 11:
        serial = int(serial)
    if not isinstance(serial, int) or isinstance(serial, bool) or not 0 <= serial < 1 << 32:
        raise RolloutError(f"soa: serial: {shown(serial)} is not a number below 2**32")
    times = [ttl_value(value.get(key, default), f"soa: {key}") for key, default in SOA_TIMES.items()]
    mname = dns_names.absolute(value.get("mname"), "soa: mname")
    return " ".join([mname, _mailbox(value.get("rname")), f"{serial:d}", *(f"{seconds:d}" for seconds in times)])


def _mailbox(value: object) -> str:
    """Read an address of mail, with an ``@`` or in the form of a domain name."""
    text = text_value(value, "soa: rname", 256)
    local, mark, rest = text.partition("@")
    if not mark:
        return dns_names.absolute(text, "soa: rname")
    if not MAILBOX.fullmatch(local):
        raise RolloutError(f"soa: rname: {shown(text)} is not an address of mail such as hostmaster@example.com")
    return local.replace(".", "\\.") + "." + dns_names.absolute(rest, "soa: rname")
