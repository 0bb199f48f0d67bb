# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the DNS: what was read of the primary server, and what each authoritative server tells everybody.

In the first wave each server is asked for the SOA record of each of its zones. Who answered, is asked for the names in
the second one, so that a server that is dead costs little.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_names as names
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_records as records
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_servers as servers
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_verdicts as verdicts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_view import (
    GROUP,
    Server,
    View,
    merged,
    unread,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Check,
    Data,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    probe,
    unknown,
)

# Services over UDP that take TCP connections on the same port.
_BOTH = ("dns",)


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return what the lab machine is to ask, as far as it is known whom."""
    found = [_published(site, host, entry) for host in site.hosts.values() for entry in _spoken(host)]
    for host in site.hosts.values():
        if host.spec["names"] and not host.spec["services"]:
            source = site.lab.get("outside_source")
            address = host.spec["address"]
            found.append(
                probe((GROUP, host.name, "ping", "ipv6", "published"), "ping", "ipv6", address=address, source=source)
            )
    view = View(site)
    for server, zones in view.every_server().items():
        heard = False
        for zone in zones:
            found.append(view.ask(server, "soa", zone, "SOA", dnssec=True))
            if servers.is_reverse6(zone):
                found.append(view.ask(server, "ns", zone, "NS"))
            heard = heard or bool(view.told(server, "soa", zone, "SOA").answers)
        if heard:
            found += _names(view, server, zones)
    for zone, above in names.parents(site).items():
        if zone in view.zones and above.family in view.families:
            found.append(view.ask(above, "referral", zone, "NS"))
    return found + verdicts.probes(site, view)


def _names(view: View, server: Server, zones: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Return the questions for names to one server."""
    found = []
    signed = {zone: view.signed(zone) for zone in zones}
    for _host, name in view.published():
        zone = view.zone_of(name)
        if zone in signed:
            protocol = "both" if signed[zone] else "udp"
            found.append(view.ask(server, "aaaa", name, "AAAA", dnssec=signed[zone], protocol=protocol))
            found.append(view.ask(server, "a", name, "A", protocol="udp"))
    for name, zone in names.without_ipv6(view):
        if zone in signed:
            found.append(view.ask(server, "aaaa", name, "AAAA", protocol="udp"))
    found += [view.ask(server, "dnskey", zone, "DNSKEY", dnssec=True) for zone in zones if signed[zone]]
    name, kind, zone = names.largest(view)
    if zone in signed:
        found.append(view.ask(server, "largest", name, kind))
    return found


# ------------------------------------------------------------------------------------------------ D11


def _spoken(host: Host) -> list[Data]:
    """Return the services that take TCP connections, each once, of a host that has a name to publish."""
    found: dict[str, Data] = {}
    for entry in host.spec["services"] if host.spec["names"] else ():
        if entry["protocol"] == "tcp" or entry["name"] in _BOTH:
            found.setdefault(entry["name"], entry)
    return list(found.values())


def _published(site: Site, host: Host, entry: Data) -> dict[str, t.Any]:
    """Return a connection as everybody makes it. Who has sources of its own is tried from the lab's address."""
    return probe(
        (GROUP, host.name, str(entry["name"]), "ipv6", "published"),
        "tcp",
        "ipv6",
        address=host.spec["address"],
        port=entry["port"],
        source=site.source(entry, "ipv6"),
    )


def only_proved(site: Site) -> list[Result]:
    """D11: what is published answers over IPv6."""
    view = View(site)
    found = unread(view)
    if found:
        return found
    for host in site.hosts.values():
        address = str(host.spec["address"])
        led = [name for name in host.spec["names"] if address in view.data(name, "AAAA")]
        about: dict[str, t.Any] = {"host": host.name, "address": address, "family": "ipv6"}
        if not led:
            found.append(not_applicable("no AAAA record of a published name leads to it", **about))
            continue
        lines = tuple(f"{plain(name)} AAAA {address}" for name in led)
        if not host.spec["services"]:
            found.append(_silent(site, host, lines, about))
        for entry in _spoken(host):
            found.append(_proved(site, host, entry, lines, {**about, "service": str(entry["name"])}))
    return merged(found)


def _proved(site: Site, host: Host, entry: Data, lines: tuple[str, ...], about: dict[str, t.Any]) -> Result:
    parts = (GROUP, host.name, str(entry["name"]), "ipv6", "published")
    proof, why = site.told(*parts)
    if proof is None:
        return unknown(f"whether it answers over IPv6 is not known: {plain(why)}", evidence=lines, **about)
    evidence = (*lines, f"{entry['name']}: {plain(str(proof.get('evidence', '')))}")
    if proof.get("ok"):
        return passed("it is published, and answers over IPv6", evidence=evidence, **about)
    return failed(
        "it is published, and does not answer over IPv6, so clients wait for it",
        evidence=evidence,
        variable="ipv6_services",
        fix="let it answer, or take the AAAA record back with the playbook withdraw until it does",
        **about,
    )


def _silent(site: Site, host: Host, lines: tuple[str, ...], about: dict[str, t.Any]) -> Result:
    proof = site.proof(GROUP, host.name, "ping", "ipv6", "published") or {}
    if proof.get("ok"):
        return passed("it is published without a service, and is reached over IPv6", evidence=lines, **about)
    text = "it is published, no service of it is declared, and it does not answer a ping"
    return unknown(text, evidence=lines, variable="ipv6_services", **about)


def _check(
    number: str, title: str, hurts: int, rule: str, source: str, judge: t.Callable[[Site], t.Iterable[Result]]
) -> Check:
    return Check(number, title, "dns", hurts, rule, source, judge, of="site")


CHECKS = (
    _check(
        "D01",
        "Each server has the published addresses",
        4,
        "Each authoritative server, asked over IPv4 and IPv6, has the AAAA record of the plan and an A record of the "
        "host for each published name, and all servers have the same.",
        "RFC 1034, section 4.2.2; RFC 3596, section 2.2",
        names.addresses,
    ),
    _check(
        "D02",
        "A and AAAA have the same TTL",
        2,
        "The A and AAAA records of a name have the same TTL, and all records of an RRset have one.",
        "RFC 4472, section 4.4.1; RFC 2181, section 5.2",
        records.ttls,
    ),
    _check(
        "D03",
        "Each published address has one PTR record",
        3,
        "The address of each AAAA record has a PTR record at the right place, and a second one only where that is "
        "declared.",
        "RFC 1912, section 2.1; RFC 3596, section 2.5",
        records.pointers,
    ),
    _check(
        "D04",
        "Reverse and forward names agree",
        4,
        "The name of each PTR record has the address that the PTR record stands for.",
        "RFC 1912, section 2.1",
        records.confirmed,
    ),
    _check(
        "D05",
        "Reverse zones are delegated and served",
        3,
        "Each reverse zone begins at a multiple of four bits, each address of the plan is in one, and all servers of "
        "its NS records are authoritative for it and name the same servers.",
        "RFC 3596, section 2.5; RFC 2182, section 4",
        servers.reverse_zones,
    ),
    _check(
        "D06",
        "Two name servers answer over IPv6",
        4,
        "Each zone has two name servers with AAAA records in different networks (/48), and each of these addresses "
        "answers over UDP and TCP, with EDNS and 1232 octets.",
        "RFC 3901, section 4; RFC 2182, section 3.1; RFC 7766, section 5; RFC 6891, section 7",
        servers.name_servers,
    ),
    _check(
        "D07",
        "Glue records are right",
        4,
        "The zone above names the same servers, and for those inside of the zone the same addresses of both families.",
        "RFC 1034, section 4.2.2; RFC 9471, section 3.1",
        names.glue,
    ),
    _check(
        "D08",
        "Names without IPv6 get an empty answer",
        4,
        "The question for the AAAA records of a name that has A records only is answered with NOERROR and no record.",
        "RFC 4074, section 4",
        names.empty_answers,
    ),
    _check(
        "D09",
        "Mail exchangers have both families",
        4,
        "Each MX and SRV record names a host that is no alias and has A and AAAA records; a domain that takes no mail "
        "has the null MX alone.",
        "RFC 3974, section 2; RFC 5321, section 5.1; RFC 7505, section 3",
        records.mail_exchangers,
    ),
    _check(
        "D10",
        "SPF lets the IPv6 addresses send",
        4,
        "The SPF record of each mail domain passes each IPv6 address that its mail comes from, with at most 10 "
        "lookups, two of them without an answer.",
        "RFC 7208, sections 4.6.4 and 5.6",
        records.senders,
    ),
    _check(
        "D11",
        "Only what answers is published",
        5,
        "Each TCP service, and each DNS server, behind a published AAAA record takes connections over IPv6 from "
        "outside. What was published first, and what was proved first, is not looked at.",
        "RFC 4472, section 4.3; RFC 8305, section 1",
        only_proved,
    ),
    _check(
        "D12",
        "The servers of a zone agree",
        4,
        "All servers of a zone answer over IPv4, are authoritative and have the serial of the primary server; where "
        "the zone is signed, the signatures of the published addresses verify with its keys. Whether the zone above "
        "vouches for the keys, and whether the serial rises with each change, is not looked at.",
        "RFC 1034, section 4.3.5; RFC 4035, section 5.3; RFC 1912, section 2.2",
        servers.serials,
    ),
    _check(
        "D13",
        "Test names have one family",
        3,
        "The name that begins with ipv6. has the one AAAA record of its host and no A record; one that begins with "
        "ipv4. has no AAAA record.",
        "RFC 4472, section 4.2",
        records.one_family,
    ),
    _check(
        "P04",
        "Large DNS answers arrive",
        3,
        "The largest answer that was read arrives over UDP with 1232 octets, or is cut off there and arrives over TCP.",
        "RFC 7766, section 5; RFC 6891, section 6.2.5",
        names.large_answers,
    ),
)
