# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the sockets that wait for clients: L01 to L06. They sort what ``listener_findings`` says by rule."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listener_advice, listener_text, readiness_reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import Declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Check,
    Data,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line, stable
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host

MANAGEMENT = "management"
MAPPED = "::ffff:"
# Codes of listener_findings: somebody gets in whom nobody declared; it is bound elsewhere; one family is not served.
STRANGER = ("exposed", "other_family")
PLACE = ("wildcard", "other_address", "wrong_address")
ONE_SIDED = ("ipv4_only", "ipv6_only", "loopback_only")
FAULTS = ("alarm", "fault")


def _rows(report: Data, protocol: str, port: int) -> list[Data]:
    return [row for row in report["sockets"] if (row["protocol"], row["port"]) == (protocol, port)]


def _service(report: Data, finding: Data) -> str:
    """Return the declared name of the socket that a finding is about; else its port."""
    for row in _rows(report, finding["protocol"], finding["port"]):
        if row["declared"] and row["address"] == finding["address"]:
            return str(row["declared"])
    return readiness_reach.port_name(finding["protocol"], finding["port"])


def _said(report: Data, finding: Data, variable: str, family: str = "", doubt: str = "") -> Result:
    """Return what a finding says as a result: an alarm or a fault fails unless there is a doubt."""
    told: dict[str, t.Any] = {
        "service": _service(report, finding),
        "address": line(finding["address"]),
        "family": family,
        "evidence": stable(finding["evidence"]),
        "variable": variable,
        "fix": line(finding["remedy"]),
    }
    message = line(str(finding["message"]).removesuffix("."))
    if doubt:
        return unknown(f"{message}; {doubt}", **told)
    return failed(message, **told) if finding["level"] in FAULTS else unknown(message, **told)


def _undeclared(host: Host, report: Data, wanted: t.Callable[[Data], bool]) -> t.Iterator[Result]:
    """What somebody reaches and nobody declared, and what can't be told of such sockets."""
    hidden = readiness_reach.unseen(host, "ipv6")
    if hidden:
        yield unknown(f"nobody can tell who gets in: {hidden}", family="ipv6", fix="run the audit as root (become)")
        return
    for finding in report["findings"]:
        if not wanted(finding):
            continue
        if finding["code"] in STRANGER:
            family = "ipv6" if finding["code"] == "exposed" else ""
            doubt = readiness_reach.maybe_refused(host, "ipv6")
            yield _said(report, finding, "ipv6_listeners", family, doubt)
        elif finding["code"] == "undecided" and not _is_declared(report, finding):
            yield _said(report, finding, "ipv6_listeners")


def _is_declared(report: Data, finding: Data) -> bool:
    return any(row["declared"] for row in _rows(report, finding["protocol"], finding["port"]))


def _open(report: Data, wanted: t.Callable[[Data], bool]) -> tuple[str, ...]:
    """Return the sockets that somebody reaches over IPv6, as evidence that each was looked at."""
    return tuple(
        f"{row['name']} ({listener_text.program(row)}): {row['ipv6']['text']} over IPv6, "
        f"{'declared as ' + row['declared'] if row['declared'] else 'not declared'}"
        for row in report["sockets"]
        if wanted(row) and row["ipv6"]["who"] not in ("", "nobody") and not row["client"]
    )


# -------------------------------------------------------------------------------------------------- L01 and L06


@of_host
def declared_tcp(host: Host, site: Site) -> t.Iterator[Result]:
    """L01: each TCP socket that the world reaches is declared."""
    report = readiness_reach.report(host, site)
    management = readiness_reach.management_port(host)

    def wanted(one: Data) -> bool:
        return bool(one["protocol"] == "tcp" and one["port"] != management)

    found = list(_undeclared(host, report, wanted))
    nameless = [finding for finding in report["findings"] if finding["code"] == "process"]
    if nameless:
        found.append(unknown(line(nameless[0]["message"]), fix=line(nameless[0]["remedy"])))
    yield from readiness_reach.joined(found)
    if not found:
        yield passed("each TCP socket that the world reaches over IPv6 is declared", evidence=_open(report, wanted))


@of_host
def declared_other(host: Host, site: Site) -> t.Iterator[Result]:
    """L06: the same of UDP, and the management port lets in those who are meant."""
    report = readiness_reach.report(host, site)
    management = readiness_reach.management_port(host)

    def wanted(one: Data) -> bool:
        return bool(one["protocol"] == "udp" or one["port"] == management)

    found = list(_undeclared(host, report, wanted))
    clients = set()
    for finding in report["findings"]:
        if finding["code"] == "too_open" and finding["port"] == management and finding["protocol"] == "tcp":
            doubt = readiness_reach.maybe_refused(host, "ipv6")
            found.append(_said(report, finding, "ipv6_management_sources", "ipv6", doubt))
        elif finding["code"] == "protocol":
            found.append(unknown(line(finding["message"]), fix=line(finding["remedy"])))
        elif finding["code"] == "client" and _in_over_ipv6(report, finding):
            clients.add(line(finding["process"]))
    for program in sorted(clients):  # without the port, which is another one each time
        found.append(
            unknown(
                f"{program or 'a program'} has a UDP socket that somebody reaches over IPv6 and that is not declared; "
                "its port looks like one that a client sends from",
                service=f"udp of {program}",
                family="ipv6",
                variable="ipv6_listeners",
                fix="look again: a client's port changes, a server's stays; then declare it or close it",
            )
        )
    yield from readiness_reach.joined(found)
    if not found:
        yield passed(
            "the management port lets in those who are meant, and each UDP socket that the world reaches over IPv6 is "
            "declared",
            evidence=_open(report, wanted),
        )


def _in_over_ipv6(report: Data, finding: Data) -> bool:
    return any(
        row["ipv6"]["who"] not in ("", "nobody")
        for row in _rows(report, finding["protocol"], finding["port"])
        if row["address"] == finding["address"]
    )


# ---------------------------------------------------------------------------------------------------------- L02


@of_host
def mapped(host: Host, site: Site) -> t.Iterator[Result]:
    """L02: a program whose IPv6 socket serves IPv4 too knows clients as ::ffff:192.0.2.1."""
    report = readiness_reach.report(host, site)
    approved = readiness_reach.listed(host, "readiness_mapped_programs")
    logged = {
        str(hit["address"]): str(hit["file"])
        for hit in (host.audit.get("hits") or {}).get("seen") or ()
        if str(hit["address"]).lower().startswith(MAPPED)
    }
    found = []
    for address, file in sorted(logged.items()):
        found.append(
            failed(
                f"{line(file)} has a client of IPv4 as {line(address)}: an access list with its IPv4 address misses it",
                address=line(address),
                family="ipv4",
                evidence=(f"{line(file)}: {line(address)}",),
                file=line(file),
                fix="give the program a socket for each family, or write ::ffff:192.0.2.0/120 into access lists too",
            )
        )
    for row in report["sockets"]:
        if row["client"] or row["local"] or row["ipv6"]["serves"] is False or row["scope"] != "wildcard":
            continue
        about: dict[str, t.Any] = {
            "service": row["declared"] or readiness_reach.port_name(row["protocol"], row["port"]),
            "address": line(row["address"]),
            "family": "ipv4",
            "evidence": stable([row["name"] + f" ({listener_text.program(row)})"]),
        }
        name = f"{row['name']} ({listener_text.program(row)})"
        if row["ipv4"]["serves"] is None:
            found.append(unknown(f"whether {name} serves IPv4 too is not known", **about))
        elif not row["ipv4"]["serves"] or row["ipv4"]["who"] == "nobody" or logged:
            continue
        elif not row["declared"] and row["ipv6"]["who"] == "nobody":
            continue  # nothing changes for it: its clients are those that it has always had
        elif listener_advice.called(row, listener_advice.UNMAPS):
            found.append(passed(f"{name} serves IPv4 too, and shows its clients as plain IPv4", **about))
        elif listener_advice.called(row, approved):
            found.append(passed(f"{name} serves IPv4 too, and readiness_mapped_programs says that it can", **about))
        else:
            found.append(
                unknown(
                    f"{name} serves IPv4 too, and sees its clients as ::ffff:192.0.2.1: whether its access lists and "
                    "logs know that is not known",
                    variable="readiness_mapped_programs",
                    fix="look at its access lists and at what reads its logs, then add the program to "
                    "readiness_mapped_programs; or give it a socket for each family",
                    **about,
                )
            )
    yield from readiness_reach.joined(found)
    if not found:
        yield not_applicable("no socket of IPv6 serves IPv4 clients too")


# ---------------------------------------------------------------------------------------------- L03, L04 and L05


@of_host
def addresses(host: Host, site: Site) -> t.Iterator[Result]:
    """L03: what is declared for an address listens there, and nowhere else."""
    report = readiness_reach.report(host, site)
    found = [
        _said(report, finding, "ipv6_interface_id" if finding["code"] == "wrong_address" else "ipv6_listeners")
        for finding in report["findings"]
        if finding["code"] in PLACE
    ]
    yield from readiness_reach.joined(found)
    if not found:
        told = [row for row in report["sockets"] if row["declared"]]
        if not told:
            yield not_applicable("nothing that is declared listens here")
            return
        yield passed("each declared service listens where it is declared", evidence=stable(map(_placed, told)))


def _placed(row: Data) -> str:
    return f"{row['name']} ({listener_text.program(row)}), declared as {row['declared']}"


@of_host
def both_families(host: Host, site: Site) -> t.Iterator[Result]:
    """L04: each declared service listens on the families that it is declared for."""
    report = readiness_reach.report(host, site)
    found: list[Result] = []
    for (protocol, port), service in sorted(readiness_reach.stated(host).items()):
        found += _families(host, report, service, _rows(report, protocol, port))
    yield from readiness_reach.joined(found)  # a name may stand for two protocols


def _families(host: Host, report: Data, service: Declared, rows: list[Data]) -> t.Iterator[Result]:
    name = f"{service.protocol} port {service.port} ({service.name})"
    about: dict[str, t.Any] = {"service": service.name}
    variable = "ipv6_services" if host.has(service.name) else "ipv6_listeners"
    findings = [
        finding
        for finding in report["findings"]
        if (finding["protocol"], finding["port"]) == (service.protocol, service.port)
    ]
    wrong = [one for one in findings if one["code"] in ONE_SIDED and one["level"] in FAULTS]
    unsure = [one for one in findings if one["code"] == "family"]
    if not rows:
        yield failed(
            f"nothing listens on {name}",
            variable=variable,
            evidence=(f"no socket of {name}",),
            fix="start the service, or take it out of the inventory",
            **about,
        )
    elif wrong or unsure:
        for finding in wrong or unsure:
            make = failed if wrong else unknown
            yield make(
                line(finding["message"]),
                evidence=stable(finding["evidence"]),
                variable=variable,
                fix=line(finding["remedy"]),
                family={"ipv4_only": "ipv6", "ipv6_only": "ipv4"}.get(finding["code"], ""),
                **about,
            )
    else:
        families = " and ".join(NAMES[family] for family in service.families)
        yield passed(f"{name} listens for {families}", evidence=stable(map(_placed, rows)), **about)


@of_host
def survives_boot(host: Host, site: Site) -> t.Iterator[Result]:
    """L05: what binds an IPv6 address starts when the address is there, or can bind it before."""
    report = readiness_reach.report(host, site)
    disk = host.audit.get("disk") or {}
    # ifupdown waits for duplicate address detection, and Debian's units start after it (network.target).
    settled = {
        str(entry["address"]) for entry in disk.get("addresses") or () if disk.get("backend") == "ifupdown" and entry
    }
    special = [row for row in report["sockets"] if row["scope"] in ("global", "link") and row["ipv6"]["serves"]]
    found = []
    for finding in report["findings"]:
        if finding["code"] != "boot_race" or finding["address"] in settled:
            continue
        told = _said(report, finding, "")
        found.append(
            failed(
                told.message,
                service=told.service,
                address=told.address,
                family="ipv6",
                evidence=told.evidence,
                file="/etc/systemd/system",
                fix=told.fix,
            )
        )
    yield from readiness_reach.joined(found)
    if not special:
        yield not_applicable("no program binds one IPv6 address")
    elif not found:
        yield passed(
            "what binds one IPv6 address waits for it, or can bind it before it is there",
            family="ipv6",
            evidence=stable(f"{row['name']} ({listener_text.program(row)})" for row in special if not row["client"]),
        )


CHECKS = (
    Check(
        "L01",
        "Each TCP socket that the world reaches is declared",
        "inside",
        5,
        "No TCP socket is open to everyone over IPv6 unless ipv6_services or ipv6_listeners declare it, and none is "
        "reached over a family that it is not declared for.",
        "NIST SP 800-123, section 4.2.1; RFC 9099, section 2.8",
        declared_tcp,
    ),
    Check(
        "L02",
        "Programs that serve IPv4 on an IPv6 socket know their clients",
        "inside",
        3,
        "Where a socket of [::] serves IPv4 too, no log shows a client as ::ffff:192.0.2.1, and the program is known "
        "to cope with such addresses.",
        "RFC 4038, section 4.2; RFC 3493, section 5.3",
        mapped,
    ),
    Check(
        "L03",
        "Services listen on the addresses they are declared for",
        "inside",
        4,
        "A service that is declared for an address is bound to it and not to all, and each other one hears the "
        "planned address.",
        "RFC 3493, section 3.8; ipv6(7)",
        addresses,
    ),
    Check(
        "L04",
        "Declared services listen on both families",
        "inside",
        4,
        "Each service of ipv6_services and ipv6_listeners has a socket for each of its families that others can reach.",
        "RFC 6540, section 2; RFC 4038, section 6",
        both_families,
    ),
    Check(
        "L05",
        "Sockets on one IPv6 address survive a boot",
        "inside",
        2,
        "A unit that binds one IPv6 address waits for network-online.target, its socket has IP_FREEBIND, or ifupdown "
        "has waited for duplicate address detection before.",
        "RFC 4862, section 5.4; systemd.socket(5), FreeBind",
        survives_boot,
    ),
    Check(
        "L06",
        "UDP and the management port let in only those who are meant",
        "inside",
        5,
        "No UDP socket is open to everyone over IPv6 unless it is declared, and the management port is open over "
        "IPv6 to ipv6_lab_sources and ipv6_management_sources alone.",
        "RFC 9099, sections 2.4.2 and 2.8; NIST SP 800-123, section 4.2.1",
        declared_other,
    ),
)
