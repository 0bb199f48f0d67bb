# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about forward names: hosts, aliases, and the hosts that MX, NS and SRV records name."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_report import Report, first_few
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import (
    ADDRESSES,
    Node,
    Record,
    World,
    in_reverse_tree,
    is_host_name,
)

# 192.0.2.25. or, after a zone file without the final dot, 192.0.2.25.example.com.; an IPv6 address has colons.
LITERAL = re.compile(r"\[?\d{1,3}(?:\.\d{1,3}){3}\]?\..*|.*:.*", re.ASCII)


def check(world: World, report: Report) -> None:
    """Judge the forward names."""
    servers: dict[str, list[Record]] = {}
    for (_zone, name), node in world.delegations.items():
        servers.setdefault(name, []).extend(node.get("NS", []))
    mail: list[Record] = []
    services: list[Record] = []
    for name, node in world.data.items():
        if not in_reverse_tree(name):
            _host(report, name, node)
        # The zone's own list comes first: what the parent repeats of it is judged once.
        servers[name] = [*node.get("NS", []), *servers.get(name, [])] if "NS" in node else servers.get(name, [])
        mail += _mail(world, report, node.get("MX", []))
        services += [record for record in node.get("SRV", []) if _target(record) != "."]
    _judge(world, report, services, "srv")
    _without_aaaa(world, report, mail, "mx")
    _servers(world, report, {name: records for name, records in servers.items() if records})
    _aliases(world, report)


def _target(record: Record) -> str:
    """Return the host that a record names."""
    return record.data.rpartition(" ")[2]


def _host(report: Report, name: str, node: Node) -> None:
    kinds = ADDRESSES & node.keys()
    if not kinds:
        return
    first = node[min(kinds)][0]
    # Active Directory keeps addresses of its servers under _msdcs.
    if not is_host_name(name.removeprefix("*.")) and "._msdcs." not in name:
        report.add("owner-no-host-name", first, f"{name} has an address, and is no name that a host may have.")
    for label, kind, check in (("ipv6.", "A", "ipv6-name-with-a"), ("ipv4.", "AAAA", "ipv4-name-with-aaaa")):
        if name.startswith(label) and kind in node:
            record = node[kind][0]
            report.add(check, record, f"{name} says that it has one family, and has the {kind} record {record.data}.")


def _judge(world: World, report: Report, records: t.Iterable[Record], kind: str) -> list[Record]:
    """Judge the targets of MX, NS or SRV records; return the records whose target has addresses."""
    good = []
    for record in records:
        target = _target(record)
        what = f"{record.name} has the {record.type} target {target}"
        if LITERAL.fullmatch(target):
            report.add(f"{kind}-to-address", record, f"{what}, an address where a name belongs.")
        elif world.alias(target):
            report.add(f"{kind}-to-alias", record, f"{what}, which is an alias of {world.alias(target)}.")
        elif world.addresses(target):
            good.append(record)
        elif world.knows(target):
            report.add(f"{kind}-without-address", record, f"{what}, which has no address.")
    return good


def _families(world: World, record: Record) -> set[str]:
    return {item.type for item in world.addresses(_target(record))}


def _mail(world: World, report: Report, records: list[Record]) -> list[Record]:
    """Judge the MX records of a domain; return those whose target has addresses."""
    null = [record for record in records if _target(record) == "."]
    others = [record for record in records if _target(record) != "."]
    if null and others:
        text = f"{null[0].name} says that it takes no mail, and has the MX record {others[0].data} too."
        report.add("null-mx-beside-mx", null[0], text)
    good = _judge(world, report, others, "mx")
    if good and len(good) == len(others) and not any("A" in _families(world, record) for record in good):
        hosts = first_few(_target(record) for record in good)
        text = f"{good[0].name} takes mail over IPv6 only: none of {hosts} has an A record."
        report.add("mx-without-a", good[0]._replace(data=""), text)
    return good


def _without_aaaa(world: World, report: Report, records: t.Iterable[Record], kind: str) -> None:
    """Judge targets that IPv6 does not reach, each once."""
    seen = set()
    for record in records:
        target = _target(record)
        if target not in seen and "AAAA" not in _families(world, record):
            text = f"{record.name} has the {record.type} target {target}, which has A and no AAAA record."
            report.add(f"{kind}-without-aaaa", record, text)
        seen.add(target)


def _servers(world: World, report: Report, servers: dict[str, list[Record]]) -> None:
    """Judge the name servers of zones and of delegations."""
    every: list[Record] = []
    for name, repeated in servers.items():
        records = list({record.data: record for record in reversed(repeated)}.values())[::-1]
        if len(records) == 1:
            text = f"{name} has one name server only, {records[0].data}"
            report.add("one-ns", records[0], text)
        # Glue that is missing is a finding of its own.
        missing = {
            record.data
            for record in repeated
            if record.zone != name and record.data.endswith(f".{name}") and not world.addresses(record.data)
        }
        good = _judge(world, report, [record for record in records if record.data not in missing], "ns")
        if good and len(good) == len(records) and not any("A" in _families(world, record) for record in good):
            text = (
                f"{name} is served over IPv6 only: none of {first_few(record.data for record in good)} has an A record."
            )
            report.add("ns-without-a", good[0]._replace(data=""), text)
        every += good
    _without_aaaa(world, report, every, "ns")


def _aliases(world: World, report: Report) -> None:
    """Judge where aliases lead to; loops once each."""
    done: set[str] = set()
    for name, node in world.data.items():
        path: dict[str, None] = {}
        while name and name not in done and name not in path:
            path[name] = None
            name = world.alias(name)
        if name in path:
            loop = list(path)[list(path).index(name) :]
            first = (world.node(min(loop)) or node)["CNAME"][0]
            text = f"{first.name} is an alias that leads back to itself: {first_few(sorted(loop))}."
            report.add("cname-loop", first, text)
        done.update(path)
        for record in node.get("CNAME", [])[:1]:
            # RFC 2317: a reverse name may lead to one that has no PTR record (yet).
            if not in_reverse_tree(record.name) and world.knows(record.data) and not world.exists(record.data):
                text = f"{record.name} is an alias of {record.data}, which does not exist."
                report.add("cname-to-nothing", record, text)
