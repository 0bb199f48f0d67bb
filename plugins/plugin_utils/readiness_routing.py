# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of routing: the default route and its router, the way there and back, and what routers announce.

What the kernel lets others tell it is in :mod:`.readiness_routing_kernel`, router advertisements are in
:mod:`.readiness_routing_routers`.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_routing_kernel, readiness_routing_routers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6
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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import (
    Route,
    default_routes,
    interfaces,
    of_host,
    part,
    several,
    short,
)

PING = "ping"
SOURCES = {"inside": "the lab machine", "outside": "ipv6_outside_source"}


def gateway_variable(host: Host) -> str:
    """Return the variable that names the host's router."""
    names = ("interfaces_list", "interfaces_gateway")
    return next((name for name in names if host.variables.get(name)), "ipv6_gateway")


# ---------------------------------------------------------------------------------------------- R01


@of_host
def one_default_route(host: Host, site: Site) -> t.Iterator[Result]:
    """R01: one default route wins, and its router is the declared one."""
    variable = gateway_variable(host)
    table = default_routes(host)
    about: dict[str, t.Any] = {"family": "ipv6", "evidence": tuple(route.words for route in table[:8])}
    fix = "run the role interfaces, with interfaces_gateway where the router is not fe80::1"
    if not table:
        about["evidence"] = ("ip -6 route show default: nothing",)
        if "no_default_route" in several(host.variables.get("interfaces_allow"), "interfaces_allow"):
            yield not_applicable("the host is meant to have no default route", **about)
        else:
            yield failed("there is no IPv6 default route", variable=variable, fix=fix, **about)
        return
    winners = [route for route in table if route.metric == table[0].metric]
    if table[0].kind != "unicast":
        yield failed(f"the default route leads nowhere ({table[0].kind})", variable=variable, fix=fix, **about)
        return
    declared = sorted({one.gateway for one in interfaces(host, site) if one.gateway})
    allowed = {ipv6(text, variable) for text in declared}
    if len(winners) > 1 and not _shared(winners, site):
        yield failed(
            f"{len(winners)} default routes have the metric {winners[0].metric}, so each packet may take another one",
            variable=variable,
            fix="take one of them away, or give it another metric",
            **about,
        )
        return
    strange = [route for route in winners if not route.gateway or ipv6(route.gateway, "gateway") not in allowed]
    if declared and strange:
        yield failed(
            f"the default route leads to {strange[0].gateway or strange[0].device} instead of {' or '.join(declared)}",
            variable=variable,
            fix=fix,
            **about,
        )
    else:
        said = "as declared" if declared else "which no variable names"
        yield passed(f"the default route leads to {winners[0].gateway or winners[0].device}, {said}", **about)


def _shared(winners: t.Sequence[Route], site: Site) -> bool:
    """Tell whether all come from routers that are declared to advertise themselves: hosts share these (RFC 4311)."""
    declared = readiness_routing_routers.declared_routers(site)
    return all(
        route.protocol == "ra" and route.gateway and ipv6(route.gateway, "gateway") in declared for route in winners
    )


# ---------------------------------------------------------------------------------------------- R02


@of_host
def router_answers(host: Host, _site: Site) -> t.Iterator[Result]:
    """R02: the router answers a neighbour solicitation."""
    variable = gateway_variable(host)
    for entry in part(host, "gateways").get("ipv6") or ():
        address, device = short(entry["address"]), short(entry["device"])
        state = short(entry.get("state") or "no entry")
        about: dict[str, t.Any] = {"address": address, "name": device, "family": "ipv6"}
        if entry.get("answered") is True:
            yield passed(f"{address} answers neighbour solicitations on {device}", **about)
        elif not entry.get("asked") or entry.get("answered") is None:
            yield unknown(f"{address} could not be asked on {device}", evidence=(f"neighbour: {state}",), **about)
        else:
            # What the kernel remembers changes by itself, so it is no evidence here.
            yield failed(
                f"{address} does not answer neighbour solicitations on {device}, so nothing leaves that way",
                evidence=(f"neighbour solicitation for {address} on {device}: no answer",),
                variable=variable,
                fix="look at the router, at its address, and at rules that drop ICMPv6 types 135 and 136",
                **about,
            )


# ---------------------------------------------------------------------------------------------- R07


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Ask from an address that the rules let in, and from one that they don't; and listen for routers."""
    outside = str(site.lab.get("outside_source") or "")
    made = [*readiness_routing_routers.probes(site)]
    for host in site.hosts.values():
        address = host.spec["address"]
        services = tcp_services(host)
        for entry in services:
            sides = {"inside": "", **({} if entry.get("sources") or not outside else {"outside": outside})}
            for side, source in sides.items():
                parts = path_parts(host, entry, side)
                made.append(probe(parts, "tcp", "ipv6", address=address, port=entry["port"], source=source))
        if not services:
            for side, source in {"inside": "", **({"outside": outside} if outside else {})}.items():
                made.append(probe(path_parts(host, None, side), "ping", "ipv6", address=address, source=source))
    return made


def tcp_services(host: Host) -> list[Data]:
    """Return the declared services that are connected to."""
    return [entry for entry in host.spec["services"] if entry["protocol"] == "tcp"]


def path_parts(host: Host, entry: Data | None, side: str) -> tuple[str, ...]:
    """Return the parts of the id of a probe from one side."""
    if entry is None:
        return ("routing", host.name, PING, "ipv6", side)
    return ("routing", host.name, str(entry["name"]), "ipv6", side, str(entry["port"]))


@of_host
def there_and_back(host: Host, site: Site) -> t.Iterator[Result]:
    """R07: packets find the host, and its answers find the way back, wherever they come from."""
    outside = site.lab.get("outside_source")
    entries: list[Data | None] = [*tcp_services(host)]
    for entry in entries or [None]:
        service = "" if entry is None else str(entry["name"])
        for side, said in SOURCES.items():
            about: dict[str, t.Any] = {"service": service, "address": host.spec["address"], "family": "ipv6"}
            about["name"] = f"from {side}" if entry is None else f"from {side} to port {entry['port']}"
            if side == "outside" and entry is not None and entry.get("sources"):
                yield not_applicable("the service is for declared sources only", **about)
            elif side == "outside" and not outside:
                yield unknown(
                    "nobody tried from outside of ipv6_lab_sources: the lab machine has no address for it",
                    variable="ipv6_outside_source",
                    fix="give the lab machine an address that no rule lets in, and name it in ipv6_outside_source",
                    **about,
                )
            else:
                yield _path(site, path_parts(host, entry, side), side, said, about)


def _path(site: Site, parts: tuple[str, ...], side: str, said: str, about: dict[str, t.Any]) -> Result:
    proof = site.proof(*parts)
    if proof is None:
        return unknown(site.no_proof(*parts), **about)
    evidence = short(proof.get("evidence", ""))
    problem = (proof.get("seen") or {}).get("problem")
    if proof.get("ok"):
        return passed(f"packets from {said} arrive, and so do the answers", evidence=(evidence,), **about)
    if "refused" in evidence:
        # Somebody sent that back: the way works, and other checks judge the service and the rules.
        return passed(f"packets from {said} arrive and are refused, so the way works", evidence=(evidence,), **about)
    if problem:
        return unknown(f"the probe could not be made: {short(problem)}", **about)
    return failed(
        f"no connection from {said} comes about",
        evidence=(evidence,),
        variable="ip6tables_services" if side == "outside" else "ipv6_gateway",
        fix="compare the way there and the way back (traceroute -6 from both ends), then the rules on the way",
        **about,
    )


CHECKS = (
    Check(
        "R01",
        "One default route wins",
        "inside",
        5,
        "The main table has exactly one default route with the lowest metric. It leads to the router that"
        " interfaces_gateway or ipv6_gateway names, where one of them is set."
        " Several equal ones are fine where all come from advertisements of declared routers.",
        "RFC 4861, section 6.3.6; RFC 4311, section 3; ip-route(8)",
        one_default_route,
    ),
    Check(
        "R02",
        "The router answers",
        "inside",
        5,
        "Each IPv6 default gateway answers a neighbour solicitation.",
        "RFC 4861, section 7.2",
        router_answers,
    ),
    *(check for check in readiness_routing_kernel.CHECKS if check.id == "R03"),
    *readiness_routing_routers.CHECKS,
    *(check for check in readiness_routing_kernel.CHECKS if check.id == "R06"),
    Check(
        "R07",
        "Packets find the way there and back",
        "outside",
        5,
        "A connection to each TCP service, or an echo request where there is none, is answered: from the lab machine's"
        " own address and from ipv6_outside_source, which is in another prefix.",
        "RFC 4443, section 2.2; RFC 3704, section 2.2",
        there_and_back,
    ),
    *(check for check in readiness_routing_kernel.CHECKS if check.id in ("R08", "R09")),
)
