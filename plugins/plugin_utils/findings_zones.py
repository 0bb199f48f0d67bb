# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about how zones are made: delegations, RRsets, TTLs, SOA records."""

from __future__ import annotations

from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_report import Report, first_few, missing
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import (
    BESIDE,
    SIGNATURES,
    Node,
    Record,
    World,
    is_below,
)

LARGEST_TTL = (1 << 31) - 1
LONGEST_NEGATIVE = 86400


def check(world: World, report: Report) -> None:
    """Judge the zones."""
    for record in world.outside:
        report.add("outside-zone", record, f"{record.name} does not lie in the zone {record.zone} that it is in.")
    for record, cut in world.below_cut:
        report.add("below-delegation", record, f"{record.name} {record.type} is hidden by the delegation of {cut}")
    for record, dname in world.below_dname:
        report.add("below-dname", record, f"{record.name} {record.type} is hidden by the DNAME record of {dname}")
    _duplicates(world, report)
    _rrsets(world, report)
    _soa(world, report)
    for (zone, name), node in world.delegations.items():
        _delegation(world, report, zone, name, node)


def _duplicates(world: World, report: Report) -> None:
    for record, times in world.repeated.items():
        text = f"{record.name} {record.type} {record.data} is there {times} times."
        report.add("duplicate-record", record, text)


def _rrsets(world: World, report: Report) -> None:
    rrsets: dict[tuple[str, str], Node] = {}
    for record in world.records:
        rrsets.setdefault((record.zone, record.name), {}).setdefault(record.type, []).append(record)
    for (zone, name), node in rrsets.items():
        for kind, records in node.items():
            _ttls(report, kind, records)
        if "A" in node and "AAAA" in node:
            _two_families(world, report, (zone, name), node)
        if "DS" in node and "NS" not in node and zone and name != zone:
            report.add("ds-without-ns", node["DS"][0], f"{name} has a DS record and no NS record.")
        if "CNAME" in node:
            _alias(world, report, node)


def _ttls(report: Report, kind: str, records: list[Record]) -> None:
    ttls = sorted({record.ttl for record in records if record.ttl is not None})
    if len(ttls) > 1 and kind not in SIGNATURES:
        text = " and ".join(str(ttl) for ttl in ttls)
        report.add(
            "two-ttls", records[0]._replace(data=""), f"{records[0].name} has {kind} records with the TTLs {text}."
        )
    elif ttls and ttls[-1] > LARGEST_TTL:
        report.add(
            "ttl-too-large",
            records[0]._replace(data=""),
            f"{records[0].name} {kind} has the TTL {ttls[-1]}, above {LARGEST_TTL}.",
        )


def _two_families(world: World, report: Report, key: tuple[str, str], node: Node) -> None:
    ttls = [{record.ttl for record in node[kind]} for kind in ("A", "AAAA")]
    if None in ttls[0] | ttls[1] or len(ttls[0]) > 1 or len(ttls[1]) > 1 or ttls[0] == ttls[1]:
        return
    if max(record.ttl or 0 for kind in ("A", "AAAA") for record in node[kind]) > LARGEST_TTL:
        return
    first, second = node["A"][0], node["AAAA"][0]
    report.add(
        "glue-ttl-mismatch" if key in world.glue else "ttl-mismatch",
        second,
        f"{second.name} has A with the TTL {first.ttl} and AAAA with the TTL {second.ttl}.",
    )


def _alias(world: World, report: Report, node: Node) -> None:
    record = node["CNAME"][0]
    others = sorted(node.keys() - SIGNATURES - BESIDE)
    if record.name == record.zone or "SOA" in node:
        report.add("cname-at-apex", record, f"{record.name} is the zone's own name and has a CNAME record.")
    elif others:
        report.add("cname-and-other-data", record, f"{record.name} has a CNAME record beside {first_few(others)}.")
    elif len({item.data for item in node["CNAME"]}) > 1:
        text = first_few(sorted(item.data for item in node["CNAME"]))
        report.add("two-cnames", record._replace(data=""), f"{record.name} is an alias of {text}.")


def _soa(world: World, report: Report) -> None:
    for zone in sorted(world.apexes):
        node = world.data.get(zone, {})
        records = node.get("SOA", [])
        if len({record.data for record in records}) > 1:
            report.add("two-soas", records[0]._replace(data=""), f"{zone} has {len(records)} SOA records.")
        elif records:
            _times(report, records[0])
        if records and "NS" not in node and "CNAME" not in node:
            report.add("no-ns", missing(zone, zone, "NS"), f"{zone} has a SOA record and no NS record.")


def _times(report: Report, record: Record) -> None:
    refresh, retry, expire, minimum = (int(text) for text in record.data.split()[3:7])
    if retry >= refresh:
        report.add("soa-retry", record, f"{record.name} has retry {retry}, which is not less than refresh {refresh}.")
    elif expire <= refresh + retry:
        text = (
            f"{record.name} has expire {expire}, which is not more than refresh {refresh} and retry {retry} together."
        )
        report.add("soa-expire", record, text)
    if minimum > LONGEST_NEGATIVE:
        report.add(
            "soa-negative-ttl", record, f"{record.name} lets others remember for {minimum} seconds that a name is not."
        )


def _delegation(world: World, report: Report, zone: str, name: str, node: Node) -> None:
    if "NS" not in node:
        return  # a DS record, which the next higher delegation hides
    servers = node["NS"]
    for server in servers:
        target = server.data
        if is_below(target, name) and (zone, target) not in world.glue:
            report.add("no-glue", server, f"{name} is delegated to {target}, which lies in it, and has no glue record.")
    _glue(world, report, zone, name, servers)
    own = world.data.get(name, {}).get("NS")
    if own is None or not world.knows(name):
        return
    here, there = ({record.data for record in records} for records in (servers, own))
    if here != there:
        only = [f"{server} is in {zone} only" for server in sorted(here - there)]
        only += [f"{server} is in {name} only" for server in sorted(there - here)]
        record = servers[0]._replace(data="")
        report.add(
            "delegation-differs", record, f"{name} has other name servers in {zone} than of its own: {first_few(only)}."
        )


def _glue(world: World, report: Report, zone: str, name: str, servers: list[Record]) -> None:
    """Compare the glue records of a delegation with the records that they are copies of."""
    for server in servers:
        glue = world.glue.get((zone, server.data))
        own = world.data.get(server.data)
        if glue is None or own is None or not world.in_known_zone(server.data):
            continue
        for kind in ("A", "AAAA"):
            here, there = ({record.data for record in node.get(kind, [])} for node in (glue, own))
            if here != there and (there or here):
                texts = [first_few(sorted(group)) or "none" for group in (here, there)]
                report.add(
                    "glue-differs",
                    missing(zone, server.data, kind),
                    f"{server.data} has the {kind} glue record {texts[0]} for {name}, and in its own zone {texts[1]}.",
                )
