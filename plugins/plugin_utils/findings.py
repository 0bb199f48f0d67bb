# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings: what is wrong with the records of forward and reverse zones, each defect once."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    findings_addresses,
    findings_names,
    findings_reverse,
    findings_spf,
    findings_zones,
    master_file,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    address_text,
    any_address,
    ipv4,
    ipv6,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import (
    LONGEST_DATA,
    NAME_TYPES,
    need_library,
    record_data,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_report import Report
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_table import CHECKS
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import Record, World
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import owner_name

PLAIN = re.compile(r"(?:[a-z0-9_*/-]{1,63}\.)*[a-z0-9_*/-]{1,63}\.?", re.ASCII)
# A live zone may hold any name. What cannot be a name even there: white space, and empty labels.
ODD = re.compile(r"(?:(?:[!-\-/-\[\]-~]|\\.)+\.)*(?:[!-\-/-\[\]-~]|\\.)+\.?", re.ASCII)
TYPE = re.compile(r"[A-Z][A-Z0-9-]{0,19}", re.ASCII)
SHAPES = {
    "MX": (re.compile(r"(\d{1,5})\s+(\S+)", re.ASCII), "10 mail.example.com."),
    "SRV": (re.compile(r"(\d{1,5})\s+(\d{1,5})\s+(\d{1,5})\s+(\S+)", re.ASCII), "0 5 5060 sip.example.com."),
    "SOA": (
        re.compile(r"(\S+)\s+(\S+)" + r"\s+(\d{1,10})" * 5, re.ASCII),
        "ns1.example.com. hostmaster.example.com. 1 7200 900 1209600 3600",
    ),
}
LONGEST_NAME = 1024

Finding = t.Dict[str, t.Any]


def findings(
    records: object, zones: object = None, several_names: object = None, not_public: object = None
) -> list[Finding]:
    """Return what is wrong with records, as ``[{check, severity, zone, name, type, data, message, fix}]``.

    :param records: ``[{name, type, data, ttl, zone}]`` with absolute names, or ``{zone: text of its zone file}``
    :param zones: the zones that the records hold completely. What is outside of them is not judged. Without any, they
        are those of the zone files, and records are all that there is
    :param several_names: addresses that may have several PTR records
    :param not_public: more prefixes that must not be public
    """
    several = frozenset(
        address_text(*any_address(item, "several_names")) for item in _list(several_names, "several_names")
    )
    complete = None
    if zones is None and isinstance(records, t.Mapping) and records:
        zones = list(records)
    if zones is not None:
        complete = frozenset(_name(item, "zones") for item in _list(zones, "zones"))
        if not complete:
            raise RolloutError("zones: the list is empty, so nothing would be judged; leave it out, or name the zones")
    return judge(read(records), complete, several, findings_addresses.declared(not_public))


def judge(
    records: list[Record],
    complete: frozenset[str] | None,
    several: frozenset[str],
    not_public: findings_addresses.Ranges,
) -> list[Finding]:
    """Return what is wrong with records that were read."""
    report = Report(complete)
    world = World(records, complete)
    findings_zones.check(world, report)
    bad = findings_addresses.check(world, report, not_public)
    findings_reverse.check(world, report, several, bad)
    findings_reverse.wildcards(world, report)
    findings_names.check(world, report)
    findings_spf.check(world, report, bad)
    found = sorted(
        report.found,
        key=lambda item: (CHECKS[item[0]].severity, item[1].zone, item[1].name, item[0], item[1].type, item[1].data),
    )
    return [_plain(*item) for item in found]


def _plain(check: str, record: Record, message: str) -> Finding:
    row = CHECKS[check]
    return {
        "check": check,
        "severity": row.severity,
        "zone": record.zone or None,
        "name": record.name,
        "type": record.type,
        "data": record.data or None,
        "message": message,
        "fix": row.fix,
    }


def _list(value: object, what: str) -> t.Sequence[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is not a list")
    return value


def read(records: object) -> list[Record]:
    """Read records, or the texts of zone files."""
    if isinstance(records, t.Mapping):
        return [record for zone, text in records.items() for record in _zone_file(zone, text)]
    if not isinstance(records, (list, tuple)):
        raise RolloutError(
            f"records: {shown(records)} is neither a list of {{name, type, data, ttl, zone}} nor a dictionary of zone "
            "files"
        )
    return [_record(item, f"records[{place}]") for place, item in enumerate(records)]


def _zone_file(zone: object, text: object) -> t.Iterator[Record]:
    """Read a zone file as it stands: two TTLs in an RRset are still two."""
    need_library()
    name = _name(zone, "records: zone")
    if not isinstance(text, str):
        raise RolloutError(f"records: {name}: {shown(text)} is not the text of a zone file")
    octets = text.encode("utf-8", "surrogatepass").decode("latin-1")
    for entry in master_file.read(octets, name):
        kind = "SPF" if entry.type in ("SPF", "TYPE99") else entry.type
        where = f"zone {name} line {entry.line}: data"
        yield Record(name, entry.name, entry.ttl, kind, _data(kind, entry.data, where))


def _record(item: object, what: str) -> Record:
    if not isinstance(item, t.Mapping):
        raise RolloutError(f"{what}: {shown(item)} is not a dictionary {{name, type, data, ttl, zone}}")
    kind = text_value(item.get("type"), f"{what}: type").upper()
    if not TYPE.fullmatch(kind):
        raise RolloutError(f"{what}: type: {shown(kind)} is not a record type such as AAAA or PTR")
    return Record(
        "" if item.get("zone") is None else _name(item["zone"], f"{what}: zone"),
        _name(item.get("name"), f"{what}: name"),
        _seconds(item.get("ttl"), f"{what}: ttl"),
        "SPF" if kind == "TYPE99" else kind,
        _data(kind, item.get("data"), f"{what}: data"),
    )


def _name(value: object, what: str) -> str:
    """Read an absolute name, also one that no host may have."""
    if isinstance(value, str) and len(value) < 255:
        text = value.lower()
        if PLAIN.fullmatch(text) or (ODD.fullmatch(text) and all(len(label) < 64 for label in text.split("."))):
            return str(text if text.endswith(".") else f"{text}.")
    return owner_name(value, what)


def _data(kind: str, value: object, what: str) -> str:
    """Read data; what no check looks into stays as it is."""
    if kind == "AAAA":
        return address_text(6, ipv6(value, what))
    if kind == "A":
        return address_text(4, ipv4(value, what))
    if kind in NAME_TYPES:
        return _name(value, what)
    text = text_value(value, what, LONGEST_DATA)
    if kind in ("TXT", "SPF", "TYPE99") and text.startswith('"') and "v=spf1" in text.lower():
        need_library()
        return record_data("TXT", text, what)
    if kind not in SHAPES:
        return text
    shape, example = SHAPES[kind]
    match = shape.fullmatch(text.strip())
    if match is None:
        raise RolloutError(f"{what}: {shown(text)} is not the data of a {kind} record, such as {example}")
    parts = [*match.groups()]
    return " ".join(part if part.isdigit() else _name(part, what) for part in parts)


def _seconds(value: object, what: str) -> int | None:
    """Read a TTL; one that is too large is a finding."""
    number = value
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 11:
        number = int(number)
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << 32:
        raise RolloutError(f"{what}: {shown(number)} is not a number of seconds")
    return int(number)
