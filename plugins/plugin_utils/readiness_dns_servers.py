# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what each authoritative server answers over each family: is it there, and does it say what the others say.

A server that is silent over IPv6 fails once (D06), and one that is silent over IPv4 fails once (D12). What it would
have said of names is then not known, and no failure of its own.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_answer as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_records import found_by
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_view import (
    Server,
    View,
    merged,
    unread,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    Result,
    Site,
    failed,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

LEAST = 2  # name servers with IPv6, and networks that they are in
NETWORK = 48  # bits: what one provider gives one site, and what fails at once
_UNLISTED = "its NS records were not read, so its servers are not known"
_TRANSFER = "let the key of ipv6_dns transfer the zone"
_NIBBLES = re.compile(r"(?:[0-9a-f]\.){1,32}ip6\.arpa\.", re.ASCII)


def is_reverse6(zone: str) -> bool:
    """Tell whether a zone holds names of IPv6 addresses."""
    return zone.endswith(".ip6.arpa.")


def _line(server: Server, text: str) -> str:
    return plain(f"{server}: {text}", 400)


# ------------------------------------------------------------------------------------------------ D05, D12: zones


def reverse_zones(site: Site) -> list[Result]:
    """D05: the reverse zones begin between two digits, hold all addresses, and are on all their servers."""
    view = View(site)
    nothing = unread(view)
    if nothing:
        return nothing
    found = found_by(view, "D05")
    for zone in filter(is_reverse6, sorted(view.zones)):
        found.append(_reverse_zone(view, zone))
    for host in site.hosts.values():
        owner = reverse_name(host.spec["address"])
        if not is_reverse6(view.zone_of(owner)):
            found.append(
                failed(
                    "no reverse zone that was read holds its address",
                    host=host.name,
                    address=str(host.spec["address"]),
                    family="ipv6",
                    evidence=(owner,),
                    variable="ipv6_dns",
                    fix="have the reverse zone delegated, and serve it; the filter reverse_zones names it",
                )
            )
    return merged(found)


def _reverse_zone(view: View, zone: str) -> Result:
    about = {"name": zone, "family": "ipv6"}
    if not _NIBBLES.fullmatch(zone):
        return failed(
            "the zone does not begin between two digits",
            evidence=(zone,),
            variable="ipv6_dns",
            fix="let the zone begin at a multiple of four bits, as the filter reverse_zones does",
            **about,
        )
    listed = set(view.data(zone, "NS"))
    wrong, silent, lines = [], [], []
    for server in view.servers(zone):
        said = view.told(server, "ns", zone, "NS")
        message = said.best
        if message is None:
            silent.append(_line(server, said.why))
        elif not answers.authoritative(message):
            wrong.append(_line(server, f"not authoritative for {zone} ({answers.rcode(message)})"))
        elif set(answers.data(message, "NS")) != listed:
            wrong.append(_line(server, f"NS {', '.join(answers.data(message, 'NS')) or 'none'}"))
        else:
            lines.append(_line(server, f"NS {', '.join(sorted(listed))}"))
    if wrong:
        return failed(
            "not all its servers serve it, or they name other servers",
            evidence=(f"{zone} NS {', '.join(sorted(listed)) or 'none'}", *wrong),
            variable="ipv6_dns",
            fix="make each server of its NS records a primary or secondary of the zone",
            **about,
        )
    if lines:
        return passed("it begins between two digits, and is on its servers", evidence=(*lines, *silent), **about)
    text = _UNLISTED if view.unlisted(zone) else "no server of it was heard"
    return unknown(text, evidence=tuple(silent), variable="ipv6_dns", fix=_TRANSFER, **about)


def serials(site: Site) -> list[Result]:
    """D12: all servers have the same serial, and where the zone is signed, its signatures verify."""
    view = View(site)
    found = unread(view)
    if found:
        return found
    found = found_by(view, "D12")
    for zone in view.served():
        found.append(_serial(view, zone))
    for server in view.every_server():
        if server.family == "ipv4":
            found += _silent4(view, server)
    if "ipv4" not in view.families and not view.site.outside_why:
        found.append(unknown("the lab machine has no IPv4, so no server was asked over it", family="ipv4"))
    for host, name in view.published():
        zone = view.zone_of(name)
        if zone and view.signed(zone):
            found.append(_signature(view, host.name, name, zone))
    return merged(found)


def _serial(view: View, zone: str) -> Result:
    wanted = view.zones[zone].get("serial")
    known: set[int] = set() if wanted is None else {int(wanted)}
    lines = [f"primary server: {zone} serial {wanted}"] if wanted is not None else []
    bad, signed, heard = [], set(), 0
    for server in view.servers(zone):
        message = view.told(server, "soa", zone, "SOA").best
        if message is None:
            continue
        serial = answers.serial(message, zone) if answers.authoritative(message) else None
        if serial is None:
            # D05 says so of reverse zones of IPv6.
            if not is_reverse6(zone):
                bad.append(_line(server, f"not authoritative for {zone} ({answers.rcode(message)})"))
            continue
        heard += 1
        known.add(serial)
        signed.add(answers.signatures(message, zone, "SOA") is not None)
        lines.append(_line(server, f"{zone} serial {serial}"))
    about = {"name": zone}
    how = {"variable": "ipv6_dns", "fix": "look into the logs of the server that differs: why it gets no transfer"}
    if bad:
        return failed("a server of its NS records does not have it", evidence=(*bad, *lines), **how, **about)
    if len(known) > 1:
        return failed("its servers have different serials", evidence=tuple(lines), **how, **about)
    if len(signed) > 1:
        return failed(
            "some of its servers have signatures, and others have none", evidence=tuple(lines), **how, **about
        )
    if view.data(zone, "DS") and signed == {False}:
        text = "the zone above says that it is signed (DS), and it is not"
        return failed(text, evidence=(f"{zone} DS {plain(view.data(zone, 'DS')[0])}", *lines), **how, **about)
    if view.unlisted(zone):
        return unknown(_UNLISTED, evidence=tuple(lines), variable="ipv6_dns", fix=_TRANSFER, **about)
    if not heard:
        return unknown("no server of it was heard", evidence=tuple(lines), **about)
    text = "all its servers have the same serial"
    return passed(f"{text}; it is {'' if True in signed else 'not '}signed", evidence=tuple(lines), **about)


def _silent4(view: View, server: Server) -> list[Result]:
    """Judge a server over IPv4 by the first of its zones."""
    zone = view.every_server()[server][0]
    said = view.told(server, "soa", zone, "SOA")
    about = view.about(server)
    if said.unknown:
        return [unknown(f"it was not asked over IPv4: {plain(said.unknown)}", **about)]
    if said.answers:
        return []
    return [
        failed(
            "the name server is silent over IPv4",
            evidence=(_line(server, said.why),),
            variable="ipv6_dns",
            fix="start it, or let everybody ask it over UDP and TCP",
            **about,
        )
    ]


def _signature(view: View, host: str, name: str, zone: str) -> Result:
    """Verify the signature of a name's AAAA records on each server."""
    about = {"host": host, "name": name, "family": "ipv6"}
    wrong: list[str] = []
    right: list[str] = []
    open_: list[str] = []
    for server in view.servers(zone):
        message = view.told(server, "aaaa", name, "AAAA").best
        keys = view.told(server, "dnskey", zone, "DNSKEY").best
        if message is None or keys is None:
            open_.append(_line(server, "no answer"))
        elif answers.rrset(message, name, "AAAA") is not None:
            bad = answers.invalid(message, name, "AAAA", keys, zone)
            place = open_ if bad is None else wrong if bad else right
            place.append(_line(server, bad or ("the signature verifies" if bad == "" else "it can't be verified here")))
    if wrong:
        return failed(
            "the signature of its AAAA records does not verify, so validating resolvers refuse them",
            evidence=tuple(wrong),
            variable="ipv6_dns",
            fix="sign the zone anew, with keys that are in it; look whether the signatures have expired",
            **about,
        )
    if right:
        return passed("the signature of its AAAA records verifies", evidence=(*right, *open_), **about)
    return unknown("the signature of its AAAA records was not verified", evidence=tuple(open_), **about)


# ------------------------------------------------------------------------------------------------ D06: name servers


def name_servers(site: Site) -> list[Result]:
    """D06: each zone has two name servers in different networks that answer over IPv6."""
    view = View(site)
    found = unread(view)
    if found:
        return found
    sets: dict[tuple[str, ...], list[str]] = {}
    for zone in view.served():
        sets.setdefault(tuple(view.data(zone, "NS")), []).append(zone)
    named = {zones[0]: _name_servers(view, zones) for zones in sets.values()}
    # That there is one server, or one without AAAA, is what the judgement of the servers says too.
    for result in found_by(view, "D06"):
        zones = next((zones for zones in sets.values() if result.name in zones), [])
        if not zones or named[zones[0]].status != FAIL:
            found.append(result)
    found += named.values()
    for server in view.every_server():
        if server.family == "ipv6":
            found.append(_answers(view, server))
    return merged(found)


def _name_servers(view: View, zones: t.Sequence[str]) -> Result:
    about = {"name": zones[0], "family": "ipv6"}
    if view.unlisted(zones[0]):
        return unknown(_UNLISTED, variable="ipv6_dns", fix=_TRANSFER, **about)
    servers = [server for server in view.servers(zones[0]) if server.family == "ipv6"]
    good = {server.name for server in servers if server.address}
    elsewhere = sorted({server.name for server in servers if not server.address})
    networks = {_network(server.address) for server in servers if server.address}
    lines = [f"{zones[0]} NS {target}" for target in view.data(zones[0], "NS")]
    lines += [f"{server.name} AAAA {server.address}" for server in servers if server.address]
    lines += [f"the same servers: {zone}" for zone in zones[1:]]
    for target in elsewhere:
        # The addresses of servers elsewhere were not read; where one answers over IPv6, it has such an address.
        if view.told(Server(target, "", "ipv6"), "soa", zones[0], "SOA").answers:
            good.add(target)
            networks.add(target)
    if len(good) >= LEAST and len(networks) >= LEAST:
        return passed("it has name servers with IPv6 in different networks", evidence=tuple(lines), **about)
    if len({*good, *elsewhere}) >= LEAST and len({*networks, *elsewhere}) >= LEAST:
        text = f"whether {', '.join(plain(name) for name in elsewhere if name not in good)} has IPv6 is not known"
        return unknown(text, evidence=tuple(lines), variable="ipv6_dns", **about)
    told = "no name server" if not good else "one name server only" if len(good) == 1 else "name servers"
    place = f" in one /{NETWORK}" if len(good) > 1 else ""
    return failed(
        f"it has {told} with IPv6{place}",
        evidence=tuple(lines) or (f"{zones[0]} has no NS record",),
        variable="ipv6_dns",
        fix=f"have a second name server, in another network (/{NETWORK}), and give it an AAAA record",
        **about,
    )


def _network(address: str) -> str:
    prefix: Prefix = (ipv6(address, "address") >> (128 - NETWORK) << (128 - NETWORK), NETWORK)
    return prefix_text(*prefix)


def _answers(view: View, server: Server) -> Result:
    """Judge whether a server answers over IPv6, over UDP and TCP, with EDNS."""
    zones = view.every_server()[server]
    about = view.about(server)
    said = view.told(server, "soa", zones[0], "SOA")
    if said.unknown:
        return unknown(f"it was not asked over IPv6: {plain(said.unknown)}", variable="ipv6_dns", **about)
    if not server.address and not said.answers:
        text = "it lies elsewhere, and gave no answer over IPv6 to the lab machine"
        return unknown(text, evidence=tuple(said.problems.values()), **about)
    wrong = [_line(server, said.problems[key]) for key in answers.PROTOCOLS if key in said.problems]
    wrong += [
        _line(server, f"{key}: answers without EDNS")
        for key, message in said.answers.items()
        if message.edns < 0 and answers.rcode(message) != "REFUSED"
    ]
    if wrong:
        return failed(
            "the name server does not answer over IPv6 as others ask it" if said.answers else "it is silent over IPv6",
            evidence=tuple(wrong),
            variable="ipv6_services",
            fix="let it listen on IPv6, and let everybody ask it over UDP and TCP, port 53",
            **about,
        )
    return passed("it answers over IPv6, over UDP and TCP, with EDNS", evidence=(_line(server, zones[0]),), **about)
