# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of names on each authoritative server: their addresses, empty and large answers, and glue."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_answer as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_records import found_by
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_view import (
    MOST_WITHOUT_IPV6,
    TYPES,
    Server,
    View,
    absolute,
    merged,
    unread,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)

PARENTS = "readiness_dns_parents"


def _line(server: Server, text: str) -> str:
    return plain(f"{server}: {text}", 400)


def addresses(site: Site) -> list[Result]:
    """D01: each server has the addresses of the plan for each published name."""
    view = View(site)
    found = unread(view)
    if found:
        return found
    found = found_by(view, "D01")
    for host, name in view.published():
        for family in ("ipv6", "ipv4"):
            found.append(_addresses(view, host.name, name, family))
    return merged(found)


def _addresses(view: View, host: str, name: str, family: str) -> Result:
    about = {"host": host, "name": name, "family": family}
    kind = TYPES[family]
    own = view.site.hosts[host].spec
    held = view.data(name, kind)
    why = view.reason(name, kind)
    if why:
        return unknown(f"its {kind} records are not known: {plain(why)}", variable="ipv6_dns", **about)
    if family == "ipv6" and not own["services"] and not held:
        return not_applicable("the host has no service, so the name is not published", **about)
    if family == "ipv4" and not own.get("ipv4") and not held:
        return not_applicable("the host has no IPv4 address, and the name has no A record", **about)
    wanted = view.expected(name) if family == "ipv6" else view.own_ipv4(host)
    wrong = [_told("primary server", held)] if not _right(held, wanted, family) else []
    right: list[str] = []
    silent: list[str] = []
    for server in view.servers(view.zone_of(name)):
        said, why = view.short(server, name, kind)
        if said is None:
            silent.append(_line(server, why))
        elif not said.authoritative:
            silent.append(_line(server, f"not authoritative ({said.rcode})"))
        else:
            good = said.data == held and _right(said.data, wanted, family)
            (right if good else wrong).append(_told(str(server), said.data))
    if wrong:
        return failed(
            f"not every server has the {kind} record that it is meant to have",
            evidence=(f"wanted: {', '.join(wanted or held) or 'none'}", *wrong),
            variable="ipv6_names" if family == "ipv6" else "ipv6_ipv4",
            fix=f"run the rollout, which publishes {', '.join(wanted)}"
            if family == "ipv6" and not held
            else "let the record and the inventory agree, and each secondary follow the primary server",
            **about,
        )
    if right:
        return passed(f"each server has its {kind} record", evidence=(*right, *silent), **about)
    return unknown(f"no server told its {kind} record", evidence=(_told("primary server", held), *silent), **about)


def _right(found: t.Sequence[str], wanted: t.Sequence[str], family: str) -> bool:
    """Tell whether the addresses are right. Over IPv4 one of the host's does; others may have the name as well."""
    if family == "ipv6":
        return list(found) == list(wanted)
    return not wanted or not set(wanted).isdisjoint(found)


def _told(who: str, found: t.Sequence[str]) -> str:
    return plain(f"{who}: {', '.join(found) or 'none'}", 400)


def without_ipv6(view: View) -> list[tuple[str, str]]:
    """Return names that have IPv4 only, with their zones; some of each zone."""
    found: dict[str, list[str]] = {}
    for name, kind in sorted(view.records):
        zone = view.zone_of(name)
        only = kind == "A" and not {(name, "AAAA"), (name, "CNAME")} & view.records.keys() and not name.startswith("*")
        if only and zone and not zone.endswith(".arpa.") and not view.reason(name, "AAAA"):
            found.setdefault(zone, []).append(name)
    return [(name, zone) for zone, names in found.items() for name in names[:MOST_WITHOUT_IPV6]]


def empty_answers(site: Site) -> list[Result]:
    """D08: who asks for the AAAA records of a name that has none, gets an empty answer."""
    view = View(site)
    found = unread(view)
    names = without_ipv6(view)
    if not found and not names:
        return [not_applicable("no name was read that has IPv4 only")]
    for name, zone in names:
        wrong: list[str] = []
        right: list[str] = []
        open_: list[str] = []
        for server in view.servers(zone):
            said, why = view.short(server, name, "AAAA")
            if said is not None:
                good = said.rcode == "NOERROR" and not said.data
                (right if good else wrong).append(_line(server, f"{said.rcode}, {', '.join(said.data) or 'empty'}"))
            elif not view.asked(server, name, "AAAA") or not view.told(server, "soa", zone, "SOA").answers:
                open_.append(_line(server, why))
            else:
                wrong.append(_line(server, why))
        found.append(_empty(view, name, wrong, right, open_))
    return merged(found)


def _empty(view: View, name: str, wrong: list[str], right: list[str], open_: list[str]) -> Result:
    about = {"host": view.host_of(name), "name": name, "family": "ipv6"}
    if wrong:
        return failed(
            "the question for AAAA records that it does not have is not answered with nothing",
            evidence=tuple(wrong),
            variable="ipv6_dns",
            fix="let the server answer NOERROR and nothing; what drops the question makes clients wait",
            **about,
        )
    if right:
        return passed("the answer for AAAA records is empty", evidence=(*right, *open_), **about)
    return unknown("no server told whether it has AAAA records", evidence=tuple(open_), **about)


def glue(site: Site) -> list[Result]:
    """D07: the zone above gives the addresses that name servers inside of a zone really have."""
    view = View(site)
    found = unread(view)
    if found:
        return found
    found = found_by(view, "D07")
    bad = {result.name for result in found}
    above = parents(site)
    for zone in sorted(view.zones):
        inside = [target for target in view.data(zone, "NS") if target == zone or target.endswith(f".{zone}")]
        if not inside:
            found.append(not_applicable("its name servers lie elsewhere, so it needs no glue", name=zone))
        elif view.zone_of(zone.partition(".")[2]):
            if not bad & {zone, *inside}:
                lines = tuple(
                    f"{one} {kind} {x}" for one in inside for kind in ("A", "AAAA") for x in view.data(one, kind)
                )
                found.append(passed("the zone above has the addresses of its name servers", evidence=lines, name=zone))
        else:
            found.append(_referral(view, zone, inside, above.get(zone)))
    return merged(found)


def parents(site: Site) -> dict[str, Server]:
    """Return by zone the server of the zone above that the user names."""
    value = site.setting(PARENTS) or {}
    if not isinstance(value, t.Mapping):
        raise RolloutError(
            f"{PARENTS}: {shown(value)} is not a dictionary; write {{zone: address of a server above it}}"
        )
    found = {}
    for zone, address in value.items():
        family, number = any_address(address, f"{PARENTS}.{zone}")
        found[absolute(zone)] = Server("zone above", address_text(family, number), f"ipv{family}")
    return found


def _referral(view: View, zone: str, inside: t.Sequence[str], server: Server | None) -> Result:
    """Compare what a server of the zone above says with what the zone itself says."""
    about = {"name": zone}
    if server is None:
        return unknown(
            "the zone above was not asked for the addresses of its name servers",
            evidence=tuple(f"{zone} NS {target}" for target in inside),
            variable=PARENTS,
            fix=f"name the address of a server of the zone above in {PARENTS}",
            **about,
        )
    said = view.told(server, "referral", zone, "NS")
    message = said.best
    if message is None:
        return unknown(f"the zone above gave no answer: {plain(said.why)}", variable=PARENTS, **about)
    wrong: list[str] = []
    lines: list[str] = []
    sections = [*message.answer, *message.authority, *message.additional]
    named = answers.section_data(sections, "NS").get(zone, set())
    if named != set(view.data(zone, "NS")):
        wrong.append(f"zone above: {zone} NS {', '.join(sorted(named)) or 'none'}")
    for target in inside:
        for kind in ("A", "AAAA"):
            above = sorted(answers.section_data(sections, kind).get(target, set()))
            own = view.data(target, kind)
            (lines if above == own else wrong).append(f"zone above: {target} {kind} {', '.join(above) or 'none'}")
    if wrong:
        return failed(
            "the zone above names other servers, or other addresses of them",
            evidence=(
                *wrong,
                *(f"{one} {kind} {x}" for one in inside for kind in ("A", "AAAA") for x in view.data(one, kind)),
            ),
            variable="ipv6_dns",
            fix="have the registrar change the glue records",
            **about,
        )
    return passed("the zone above has the addresses of its name servers", evidence=tuple(lines), **about)


def largest(view: View) -> tuple[str, str, str]:
    """Return the RRset with the most data: its name, type and zone."""
    sizes = {
        key: sum(len(str(record["data"])) for record in records)
        for key, records in view.records.items()
        if view.zone_of(key[0]) and key[1] in ("A", "AAAA", "MX", "NS", "SOA", "TXT", "SRV", "PTR", "CAA")
    }
    if not sizes:
        return "", "", ""
    name, kind = max(sorted(sizes), key=lambda key: sizes[key])
    return name, kind, view.zone_of(name)


def _extent(said: answers.Told, protocol: str) -> str:
    """Say how large an answer is; not to the octet, since that differs with the order of its records."""
    whole = "cut off" if answers.truncated(said.answers[protocol]) else "whole"
    return f"{whole}, {'more than' if said.sizes[protocol] > answers.PAYLOAD else 'within'} {answers.PAYLOAD} octets"


def large_answers(site: Site) -> list[Result]:
    """P04: the largest answer arrives, over TCP where UDP cuts it off."""
    view = View(site)
    found = unread(view)
    name, kind, zone = largest(view)
    if found or not name:
        return found or [not_applicable("no record was read")]
    for server in view.servers(zone):
        said = view.told(server, "largest", name, kind)
        heard = view.told(server, "soa", zone, "SOA").answers
        about = view.about(server)  # without the name: another one has the largest answer when a zone grows
        udp, tcp = said.answers.get("udp"), said.answers.get("tcp")
        lines = [_line(server, f"{key}: {_extent(said, key)}") for key in said.answers]
        lines += [_line(server, text) for text in said.problems.values()]
        if said.unknown or not heard:
            text = plain(said.unknown or "the server is silent")
            found.append(unknown(f"it was not asked for its largest answer: {text}", **about))
        elif udp is not None and not answers.truncated(udp):
            found.append(passed(f"the largest answer ({name} {kind}) arrives over UDP", evidence=tuple(lines), **about))
        elif tcp is not None and not answers.truncated(tcp):
            found.append(passed(f"the largest answer ({name} {kind}) arrives over TCP", evidence=tuple(lines), **about))
        else:
            found.append(
                failed(
                    f"the largest answer ({name} {kind}) does not arrive",
                    evidence=tuple(lines),
                    variable="ipv6_services",
                    fix="let everybody ask the server over TCP, port 53: what is cut off over UDP is asked for again",
                    **about,
                )
            )
    return found or [unknown("no server of it is known")]
