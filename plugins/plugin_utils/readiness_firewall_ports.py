# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F01 and F02: the TCP ports that a stranger reaches over each family, with the sockets and rules behind them."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import MARK
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Verdict
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import address_range
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listener_advice, listener_text, readiness_reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import Declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line, stable
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host

SSH = 22
TIMEOUT = 3
MOST = 512  # ports of one host; no host offers more services
ANYBODY = "203.0.113.77"  # a source like any other, where the lab machine has no IPv4 address


class Reached(t.NamedTuple):
    """What the lab machine reaches over one family; without a proof ``why`` says why."""

    open: frozenset[int]
    closed: frozenset[int]
    silent: frozenset[int]
    why: str = ""

    def how(self, port: int) -> str:
        """What happened at a port, in a word."""
        return "open" if port in self.open else "refused" if port in self.closed else "silent"


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return the probes of each host that was looked at: only then it is known what listens."""
    source = str(site.lab.get("outside_source") or "")
    found = []
    for host in site.hosts.values():
        if host.look is None and not host.why:
            continue  # it will be looked at
        for family, address in (("ipv4", host.spec.get("ipv4")), ("ipv6", host.spec["address"])):
            if address:
                fields = {"address": address, "ports": _ports(host), "timeout": TIMEOUT}
                if family == "ipv6":
                    fields["source"] = source
                found.append(probe(("firewall", host.name, "ports", family), "ports", family, **fields))
    return found


def _ports(host: Host) -> list[int]:
    """Return the TCP ports that listen, those that are declared, and that of SSH."""
    told = {SSH, readiness_reach.management_port(host)}
    told |= {port for protocol, port in readiness_reach.known(host) if protocol == "tcp"}
    for one in (host.look or {}).get("listeners") or ():
        if one["protocol"] == "tcp" and one["scope"] != "loopback" and one["device"] != "lo":
            told.add(int(one["port"]))
    return sorted(port for port in told if 0 < port < 65536)[:MOST]


def _reached(host: Host, site: Site, family: str) -> Reached:
    proof = site.proof("firewall", host.name, "ports", family)
    nothing: frozenset[int] = frozenset()
    if proof is None:
        return Reached(nothing, nothing, nothing, site.no_proof("firewall", host.name, "ports", family))
    seen = proof.get("seen") or {}
    if seen.get("problem") or not all(isinstance(seen.get(kind), list) for kind in ("open", "closed", "silent")):
        return Reached(nothing, nothing, nothing, line(seen.get("problem") or proof.get("evidence") or "no answer"))
    found, closed, silent = (frozenset(map(int, seen[kind])) for kind in ("open", "closed", "silent"))
    return Reached(found, closed, silent)


def _blind(host: Host, site: Site) -> Result | None:
    """Return why both families can't be compared, if so."""
    if not host.spec.get("ipv4"):
        return not_applicable("the host has no IPv4 address to compare with")
    if not site.lab.get("outside_source"):
        return unknown(
            "the lab machine has no IPv6 address that no rule lets in, so it can't see what a stranger sees",
            variable="ipv6_outside_source",
            fix="give the lab machine an address that is in none of the ipv6_lab_sources, and name it in "
            "ipv6_outside_source",
        )
    for family in FAMILIES:
        why = _reached(host, site, family).why
        if why:
            return unknown(f"it is not known which ports are open over {NAMES[family]}: {why}", family=family)
    return None


# ---------------------------------------------------------------------------------------------------------- F01


@of_host
def only_over_ipv6(host: Host, site: Site) -> t.Iterator[Result]:
    """F01: what a stranger reaches over IPv6 and not over IPv4 is declared."""
    blind = _blind(host, site)
    if blind:
        yield blind
        return
    ipv4, ipv6 = (_reached(host, site, family) for family in FAMILIES)
    source = str(site.lab["outside_source"])
    known = readiness_reach.known(host)
    if not site.stranger_arrives(host.name):
        yield unknown(
            "no packet of a stranger gets to the host over IPv6, so its silence proves nothing", family="ipv6"
        )
        return
    more = sorted(ipv6.open - ipv4.open)
    fine = []
    for port in more:
        entry = known.get(("tcp", port))
        if entry and _meant(entry, source):
            fine.append(f"tcp {port} is declared as {entry.name}")
        else:
            yield _exposed(host, site, port, entry, ipv4)
    if len(fine) == len(more):
        yield passed(
            "a stranger reaches no undeclared TCP port over IPv6 that is closed over IPv4",
            address=host.spec["address"],
            family="ipv6",
            evidence=(
                f"open over IPv6 from {source}: {_listed(ipv6.open)}",
                f"open over IPv4: {_listed(ipv4.open)}",
                *fine,
            ),
        )


def _meant(entry: Declared, source: str) -> bool:
    """Whether a stranger is meant to reach a declared service over IPv6."""
    if "ipv6" not in entry.families:
        return False
    alone = address_range(source, "ipv6") or ()
    return not entry.sources or bool(alone and intervals.common(entry.sources, alone))


def _sockets(host: Host, site: Site, port: int) -> list[t.Any]:
    """Return the TCP sockets of a port that others can reach, as the report of listeners has them."""
    rows = readiness_reach.report(host, site)["sockets"]
    return [row for row in rows if (row["protocol"], row["port"]) == ("tcp", port) and not row["local"]]


def _exposed(host: Host, site: Site, port: int, entry: Declared | None, ipv4: Reached) -> Result:
    """Say by which socket, for lack of which rule and by which line of the inventory a port is open."""
    source = str(site.lab["outside_source"])
    evidence = [f"probe: tcp [{host.spec['address']}]:{port} from {source}: open"]
    evidence.append(f"probe: tcp {host.spec['ipv4']}:{port}: {ipv4.how(port)}")
    parts = [f"tcp port {port} is open to strangers over IPv6 and {_closed_word(ipv4, port)} over IPv4"]
    variable = "ipv6_listeners"
    if host.look is not None:
        rows = _sockets(host, site, port)
        evidence += stable(_row(row) for row in rows)
        parts.append(_socket(rows))
        verdict = _verdict(host, "ipv6", port, source)
        if verdict:
            evidence.append(f"IPv6: {readiness_reach.rule(verdict)}")
            parts.append(_way_in(verdict))
            if f"{MARK}service " in verdict.decided_by:
                variable = "ipv6_services"
        twin = _verdict(host, "ipv4", port, str(site.lab.get("ipv4") or ANYBODY))
        if twin and any(row["ipv4"]["serves"] for row in rows):
            evidence.append(f"IPv4: {readiness_reach.rule(twin)}")
            if twin.result == "refuse":
                parts.append(f"the rule of IPv4 that keeps it out has no twin: {readiness_reach.rule(twin)}")
    if entry is None:
        parts.append("nobody declared it")
    elif "ipv6" not in entry.families:
        parts.append(f"{entry.name} is declared for IPv4 only")
    else:
        parts.append(f"{entry.name} is declared for other sources only")
        variable = "ipv6_services" if host.has(entry.name) else variable
    return failed(
        "; ".join(parts),
        service=entry.name if entry else readiness_reach.port_name("tcp", port),
        address=host.spec["address"],
        family="ipv6",
        evidence=tuple(evidence),
        variable=variable,
        fix=f"close tcp port {port} in the rules of IPv6 (role ip6tables), or let it listen on loopback; if clients "
        "need it, declare it in ipv6_services or ipv6_listeners",
    )


def _closed_word(reached: Reached, port: int) -> str:
    return "refused" if port in reached.closed else "silent"


def _row(row: Data) -> str:
    v6only = {True: ", v6only on", False: ", v6only off", None: ""}[row["v6only"]]
    unit = f", {row['unit']}" if row["unit"] else ""
    return f"{row['name']} ({listener_text.program(row)}{unit}){v6only}"


def _socket(rows: t.Sequence[Data]) -> str:
    serving = [f"{row['name']} ({listener_text.program(row)})" for row in rows if row["ipv6"]["serves"]]
    if not serving:
        return "no socket of the host explains it, so something in front of it answers"
    return f"{' and '.join(serving)} {'listens' if len(serving) == 1 else 'listen'} there"


def _way_in(verdict: Verdict) -> str:
    by = readiness_reach.rule(verdict)
    if verdict.result == "accept":
        return f"the rules of IPv6 let it in by {by}"
    if verdict.result == "refuse":
        return f"the rules of IPv6 that were read refuse it by {by}, so something in front of the host answers"
    return f"whether the rules of IPv6 let it in can't be told: {by}"


def _verdict(host: Host, family: str, port: int, source: str) -> Verdict | None:
    return None if readiness_reach.unseen(host, family) else readiness_reach.decided(host, family, port, source)


def _listed(ports: t.Collection[int]) -> str:
    return ", ".join(map(str, sorted(ports))) or "none"


# ---------------------------------------------------------------------------------------------------------- F02


@of_host
def only_over_ipv4(host: Host, site: Site) -> t.Iterator[Result]:
    """F02: a declared service that is reached over IPv4 is reached over IPv6."""
    blind = _blind(host, site)
    if blind:
        yield blind
        return
    ipv4, ipv6 = (_reached(host, site, family) for family in FAMILIES)
    known = readiness_reach.known(host)
    source = str(site.lab["outside_source"])
    for service in host.spec["services"]:
        if service["protocol"] != "tcp":
            continue  # a UDP service that says nothing can't be told from one that is closed
        port = int(service["port"])
        entry = known["tcp", port]
        about: dict[str, t.Any] = {"service": service["name"], "address": host.spec["address"], "family": "ipv6"}
        name = f"{service['name']} (tcp port {port})"
        if not _meant(entry, source):
            yield not_applicable(f"{name} is not meant for strangers over IPv6", **about)
        elif port in ipv6.open:
            yield passed(
                f"{name} is reached over IPv6",
                evidence=(f"probe: tcp [{host.spec['address']}]:{port} from {source}: open",),
                **about,
            )
        elif port not in ipv4.open:
            yield not_applicable(f"{name} is reached over neither family from here, so that they are alike", **about)
        else:
            yield _unreached(host, site, port, name, ipv6, about)


def _unreached(host: Host, site: Site, port: int, name: str, ipv6: Reached, about: dict[str, t.Any]) -> Result:
    source = str(site.lab["outside_source"])
    evidence = [f"probe: tcp {host.spec['ipv4']}:{port}: open"]
    evidence.append(f"probe: tcp [{host.spec['address']}]:{port} from {source}: {ipv6.how(port)}")
    parts = [f"{name} is reached over IPv4 and {_closed_word(ipv6, port)} over IPv6"]
    fix = "open it: the rollout opens what it has proved (role ip6tables, ip6tables_open)"
    if host.look is not None:
        rows = _sockets(host, site, port)
        evidence += stable(_row(row) for row in rows)
        verdict = _verdict(host, "ipv6", port, source)
        if not any(row["ipv6"]["serves"] for row in rows):
            parts.append("nothing listens on it over IPv6")
            fix = listener_advice.both_families(rows[0]) if rows else "start the service"
        elif verdict and verdict.result == "refuse":
            parts.append(f"the rules of IPv6 keep strangers out by {readiness_reach.rule(verdict)}")
        else:
            parts.append("its socket and its rules would let it in, so something on the way keeps it out")
            fix = "look at the routers and filters in front of the host, and at tables of nft"
        if verdict:
            evidence.append(f"IPv6: {readiness_reach.rule(verdict)}")
    return failed("; ".join(parts), evidence=tuple(evidence), variable="ipv6_services", fix=line(fix), **about)
