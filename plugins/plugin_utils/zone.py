# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files: RFC 1035 master file text from records."""

from __future__ import annotations

import itertools
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, zone_bulk
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import owner_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import ptr_records, ttl_value

SOA_KEYS = ("mname", "rname", "serial", "refresh", "retry", "expire", "minimum")
# RFC 1912, section 2.2, with a negative TTL that lets a new record be seen within the hour.
SOA_TIMES = {"refresh": 7200, "retry": 900, "expire": 1209600, "minimum": 3600}
DIGIT = re.compile(r"[0-9a-f]", re.ASCII)
CLASSLESS = re.compile(r"(0|[1-9]\d{0,2})(?:[/-](\d{1,2}))?", re.ASCII)
MAILBOX = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*", re.ASCII)


class _Row(t.NamedTuple):
    order: tuple[str, ...]  # the labels from the right: the canonical order of RFC 4034
    type: str
    data: str
    owner: str
    ttl: int


def zone_file(
    records: object, origin: object, soa: object, ns: object, ttl: object = 3600, several_names: object = False
) -> str:
    """Return the text of a zone.

    In a reverse zone of IPv6, an ``$ORIGIN`` line for each /64 leaves 16 digits of each name, where that is shorter.

    :param records: ``[{name, type, data, ttl, zone}]``. A name that does not end in the origin is relative to it,
        ``@`` is the origin. A record that names another zone is left out. Names in the data are absolute. Or one
        text of lines ``name address``: PTR records for a reverse zone, A and AAAA records for any other
    :param soa: ``{mname, rname, serial}``, and ``refresh``, ``retry``, ``expire``, ``minimum``
    :param ns: the zone's name servers
    :param several_names: whether the text may have several names for one address of a reverse zone
    """
    zone = owner_name(origin, "origin")
    default = ttl_value(ttl, "zone_file")
    if not isinstance(several_names, bool):
        raise RolloutError(f"several_names: {shown(several_names)} is neither true nor false")
    _check_reverse(zone, "origin", "")
    rows = {_row(zone, {"name": "@", "type": "NS", "data": server}, default, "ns") for server in _servers(ns)}
    pieces: t.Iterable[str] = ()
    if isinstance(records, str):
        if zone_bulk.is_ipv6(zone):
            pieces = zone_bulk.reverse_zone(str(records), zone, several_names)
        else:
            rows.update(_of_lines(str(records), zone, default, several_names))
    else:
        rows.update(_of_list(records, zone, default))
    ordered = sorted(rows, key=lambda row: (row.order, row.type != "NS", row))
    _check(zone, ordered)
    head = [f"$ORIGIN {zone}", f"$TTL {default}", f"@ IN SOA {_soa(soa)}"]
    return "".join(["\n".join([*head, *_body(zone, ordered, default), ""]), *pieces])


def _of_list(records: object, zone: str, default: int) -> t.Iterator[_Row]:
    if not isinstance(records, (list, tuple)):
        raise RolloutError(
            f"records: {shown(records)} is neither a list of {{name, type, data, ttl}} nor text of lines 'name address'"
        )
    for place, item in enumerate(records):
        what = f"records[{place}]"
        if not isinstance(item, t.Mapping):
            raise RolloutError(f"{what}: {shown(item)} is not a dictionary {{name, type, data, ttl}}")
        if item.get("zone") is None or owner_name(item["zone"], f"{what}: zone") == zone:
            yield _row(zone, item, default, what)


def _of_lines(text: str, zone: str, default: int, several_names: bool) -> t.Iterator[_Row]:
    """Return the records that lines ``name address`` make in a forward zone, or in a reverse zone of IPv4."""
    reverse = dns_names.is_reverse(zone)
    names: dict[int, zone_bulk.Line] = {}
    for line in zone_bulk.lines(text):
        what = f"records: line {line.number}"
        address = address_text(line.family, line.address)
        name = f"{line.name}."
        if not reverse:
            if name != zone and not name.endswith(f".{zone}" if zone != "." else "."):
                raise RolloutError(f"{what}: {shown(name)} is not inside the zone {zone}")
            kind = "AAAA" if line.family == 6 else "A"
            yield _Row(_order(name), kind, address, name, default)
            continue
        if line.family != 4:
            raise RolloutError(f"{what}: {address} is not IPv4, and has no name in the zone {zone}")
        other = names.setdefault(line.address, line)
        if other.name != line.name and not several_names:
            raise zone_bulk.several(other, line)
        try:
            (record,) = ptr_records([{"name": name, "address": address}], [zone])
        except RolloutError:
            raise RolloutError(f"{what}: {address} is not inside the zone {zone}") from None
        yield _Row(_order(record["name"]), "PTR", name, record["name"], default)


def _body(zone: str, rows: list[_Row], default: int) -> list[str]:
    """Return the lines of the records, relative to the zone or to the /64 that they are in."""
    origins = [zone] * len(rows)
    if zone_bulk.is_ipv6(zone):
        subnets = [zone_bulk.subnet_of(row.order, zone) for row in rows]
        lines = [f"$ORIGIN {name}" for name, _same in itertools.groupby([zone, *subnets])][1:]
        saved = sum(len(subnet) - len(zone) for subnet in subnets)
        if saved > sum(len(line) + 1 for line in lines):
            origins = subnets
    body = []
    before = zone
    for row, origin in zip(rows, origins, strict=True):
        if origin != before:
            body.append(f"$ORIGIN {origin}")
            before = origin
        ttl = [f"{row.ttl}"] if row.ttl != default else []
        body.append(" ".join([_relative(row.owner, origin), *ttl, "IN", row.type, row.data]))
    return body


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
    _check_reverse(owner, f"{what}: name", kind)
    return _Row(_order(owner), kind, data, owner, seconds)


def _order(owner: str) -> tuple[str, ...]:
    return tuple(reversed(owner.rstrip(".").split(".")))


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
    _check_cuts(zone, rows)


def _check_cuts(zone: str, rows: list[_Row]) -> None:
    """Refuse records below a delegation, or a DNAME: no server would ever answer with them (RFC 2136, section 7.18)."""
    glue = {row.data for row in rows if row.type == "NS"}
    cut: _Row | None = None
    for row in rows:
        if cut is not None and row.order[: len(cut.order)] == cut.order:
            below = row.owner != cut.owner
            if cut.type == "NS":
                if row.type in ("A", "AAAA") and row.owner in glue:
                    continue
                if not below and row.type in ("NS", "DS"):
                    continue
            elif not below:
                continue
            raise RolloutError(
                f"records: {row.owner} {row.type} is {'below' if below else 'at'} {cut.owner}, which has "
                f"{'an' if cut.type == 'NS' else 'a'} {cut.type} record: no server answers with it from here. Put it "
                f"into {'the zone' if cut.type == 'NS' else 'the tree'} that the {cut.type} record leads to"
            )
        cut = row if row.type == "DNAME" or (row.type == "NS" and row.owner != zone) else None


def _check_reverse(owner: str, what: str, kind: str) -> None:
    """Refuse what stands for no address in a reverse zone, and named-checkzone lets pass."""
    if not dns_names.is_reverse(owner):
        return
    if kind in ("A", "AAAA"):
        raise RolloutError(f"{what}: {owner} is in a reverse zone, which has no {kind} records; a PTR record is meant")
    labels = owner.split(".")[:-3]
    if any(label.startswith("_") for label in labels):
        return  # service discovery (RFC 6763, section 11) and the like
    whole = len(labels)
    if labels[:1] == ["*"]:
        del labels[0]
    if owner.endswith("ip6.arpa."):
        if whole > 32:
            raise RolloutError(f"{what}: {owner} has {whole} digits; an IPv6 address has 32")
        for label in labels:
            if not DIGIT.fullmatch(label):
                raise RolloutError(f"{what}: {owner} has the label {shown(label)}, which is not one hexadecimal digit")
        return
    octets = sum(label.isdigit() for label in labels) + whole - len(labels)
    if octets > 4:
        raise RolloutError(f"{what}: {owner} has {octets} octets; an IPv4 address has 4")
    for label in labels:
        match = CLASSLESS.fullmatch(label)
        if not match or int(match[1]) > 255 or int(match[2] or 1) not in range(1, 32):
            raise RolloutError(
                f"{what}: {owner} has the label {shown(label)}, which is neither an octet (0 to 255) nor the name of "
                "a classless range such as 0/25 or 0-25 (RFC 2317)"
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
