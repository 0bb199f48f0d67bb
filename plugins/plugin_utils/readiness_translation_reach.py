# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of NAT64 by what goes through it, and of the hosts behind it: who still uses IPv4 by itself."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils.nat64 import nat64_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_routing_routers import ra_parts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_translation_gateways import (
    GROUP,
    Gateway,
    behind,
    gateways,
)

TARGETS = "ipv6_only_prove"
SHORT = 3  # seconds: what nobody answers is waited for
# The settings of the translators themselves hold IPv4 addresses, as they must.
TRANSLATORS = ("tayga", "unbound", "jool", "dns64")
OWN_FILES = ("/etc/ipv6-rollout/", "/etc/tayga", "/etc/jool/", "/etc/unbound/")
HARMFUL = ("address", "connection")  # of what is found; lists of who may come in, and sockets that wait, are not
MOST = 20  # lines of evidence


class Target(t.NamedTuple):
    """Something with IPv4 only that must be reached through the NAT64."""

    ipv4: str
    port: int


def targets(site: Site) -> list[Target]:
    """Return what the user names to prove the NAT64 with."""
    value = site.setting(TARGETS) or []
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        raise RolloutError(f"{TARGETS}: {shown(value)} is not a list; write [{{address: 192.0.2.80, port: 80}}]")
    found = []
    for entry in value:
        if not isinstance(entry, t.Mapping) or not str(entry.get("port", "")).isdigit():
            raise RolloutError(f"{TARGETS}: {shown(entry)} is not {{address, port}}")
        nat64_address(entry.get("address"))
        found.append(Target(str(entry["address"]), int(entry["port"])))
    return found


def _management(gateway: Gateway) -> Target:
    """Return a port of the gateway itself that surely listens."""
    port = gateway.host.variables.get("ansible_port") or 22
    return Target(str(gateway.host.spec["ipv4"]), int(port) if str(port).isdigit() else 22)


def _parts(gateway: Gateway, what: str, target: Target) -> tuple[str, ...]:
    return (GROUP, gateway.host.name, what, "ipv6", target.ipv4, str(target.port))


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return the connections through each NAT64: as a client, and as a stranger."""
    found = []
    outside = str(site.lab.get("outside_source") or "")
    for gateway in gateways(site):
        if not gateway.nat64:
            continue
        for target in targets(site):
            if gateway.for_lab:
                found.append(_connect(gateway, "client", target))
                address = nat64_address(target.ipv4, gateway.prefix)
                found.append(probe(_parts(gateway, "ping", target), "ping", "ipv6", address=address))
            if outside:
                found.append(_connect(gateway, "stranger", target, expect="closed", timeout=SHORT, source=outside))
        if gateway.host.spec.get("ipv4"):
            own = _management(gateway)
            if gateway.for_lab:
                found.append(_connect(gateway, "own", own, expect="closed", timeout=SHORT))
            if outside:
                found.append(_connect(gateway, "stranger", own, expect="closed", timeout=SHORT, source=outside))
    return found


def _connect(gateway: Gateway, what: str, target: Target, **how: t.Any) -> dict[str, t.Any]:
    address = nat64_address(target.ipv4, gateway.prefix)
    return probe(_parts(gateway, what, target), "tcp", "ipv6", address=address, port=target.port, **how)


# ------------------------------------------------------------------------------------------------ N03


def clients(site: Site) -> list[Result]:
    """N03: a client reaches what has IPv4 only."""
    found = []
    for gateway in gateways(site):
        if not gateway.nat64:
            continue
        if not gateway.for_lab:
            text = "the lab machine is no client of the NAT64"
            fix = "put one of ipv6_lab_sources into nat64_clients, if it may use the NAT64"
            found.append(unknown(text, host=gateway.host.name, variable="nat64_clients", fix=fix))
        elif not targets(site):
            text = f"{TARGETS} names nothing that could be tried"
            found.append(unknown(text, host=gateway.host.name, variable=TARGETS))
        else:
            found += [_client(site, gateway, what, target) for target in targets(site) for what in ("client", "ping")]
    return found or [not_applicable("no NAT64 is declared")]


def _client(site: Site, gateway: Gateway, what: str, target: Target) -> Result:
    proof, why = site.told(*_parts(gateway, what, target))
    told = "ping" if what == "ping" else f"port {target.port}"
    about: dict[str, t.Any] = {
        "host": gateway.host.name,
        "name": f"{target.ipv4} {told}",
        "address": nat64_address(target.ipv4, gateway.prefix),
        "family": "ipv6",
    }
    if proof is None:
        return unknown(f"it was not tried: {why}", **about)
    evidence = (plain(str(proof.get("evidence", ""))),)
    if proof.get("ok"):
        return passed("it is reached through the NAT64", evidence=evidence, **about)
    return failed(
        "it is not reached through the NAT64",
        evidence=evidence,
        variable="nat64_prefix",
        fix="look whether the prefix is routed to the gateway, the translator runs, and nat64_allowed lets it through",
        **about,
    )


# ------------------------------------------------------------------------------------------------ N05


def strangers(site: Site) -> list[Result]:
    """The part of N05 that is about NAT64."""
    found = []
    for gateway in gateways(site):
        if not gateway.nat64:
            continue
        wanted = [("stranger", target) for target in targets(site)]
        if gateway.host.spec.get("ipv4"):
            wanted.append(("stranger", _management(gateway)))
            wanted += [("own", _management(gateway))] if gateway.for_lab else []
        found += [_refused(site, gateway, what, target) for what, target in wanted]
    return found


def _refused(site: Site, gateway: Gateway, what: str, target: Target) -> Result:
    proof, why = site.told(*_parts(gateway, what, target))
    about: dict[str, t.Any] = {
        "host": gateway.host.name,
        "name": f"{'a client' if what == 'own' else 'a stranger'} to {target.ipv4} port {target.port}",
        "address": nat64_address(target.ipv4, gateway.prefix),
        "family": "ipv6",
    }
    if proof is None:
        return unknown(f"it was not tried: {why}", **about)
    evidence = (plain(str(proof.get("evidence", ""))),)
    if not proof.get("ok"):
        own = what == "own"
        return failed(
            "the NAT64 lets a client reach the gateway's own IPv4" if own else "the NAT64 translates for strangers",
            evidence=evidence,
            variable="nat64_refused" if own else "nat64_clients",
            fix="run the role nat64: its rules refuse it",
            **about,
        )
    if what == "stranger" and not site.stranger_arrives(gateway.host.name):
        return unknown("no packet of a stranger gets to the gateway, so its silence proves nothing", **about)
    return passed("the NAT64 refuses it", evidence=evidence, **about)


# ------------------------------------------------------------------------------------------------ N06


def advertised(site: Site) -> list[Result]:
    """N06: the prefix in router advertisements is that of the DNS64."""
    found = []
    proof, why = site.told(*ra_parts(site))
    routers = ((proof or {}).get("seen") or {}).get("routers") or ()
    told = sorted(
        {(plain(str(one.get("pref64"))), plain(str(one.get("address")))) for one in routers if one.get("pref64")}
    )
    for gateway in gateways(site):
        interfaces = gateway.host.variables.get("nat64_pref64_interfaces")
        about: dict[str, t.Any] = {"host": gateway.host.name, "name": gateway.prefix, "family": "ipv6"}
        lines = tuple(f"{address} advertises {prefix}" for prefix, address in told)
        if any(prefix != gateway.prefix for prefix, _address in told):
            found.append(
                failed(
                    "a router advertises another NAT64 prefix than the DNS64 uses",
                    evidence=(f"wanted: {gateway.prefix}", *lines),
                    variable="nat64_prefix",
                    fix="let the advertisements and the DNS64 have the same prefix: nat64_prefix and dns64_prefix",
                    **about,
                )
            )
        elif told:
            found.append(passed("routers advertise the prefix that the DNS64 uses", evidence=lines, **about))
        elif not interfaces:
            found.append(not_applicable("no router is told to advertise the prefix", **about))
        elif proof is None:
            found.append(unknown(f"nobody listened for routers: {why}", **about))
        else:
            text = "no router on the lab machine's link advertises it; hosts may be on another link"
            found.append(unknown(text, variable="nat64_pref64_interfaces", **about))
    return found or [not_applicable("no NAT64 or DNS64 is declared")]


# ------------------------------------------------------------------------------------------------ N07


def literals(host: Host, site: Site) -> t.Iterator[Result]:
    """N07: what uses IPv4 by itself on a host that has none, and who asks the DNS64 of a gateway for IPv4 only."""
    translates = any(gateway.host.name == host.name for gateway in gateways(site))
    if host.spec.get("ipv4") and not translates:
        yield not_applicable("the host has IPv4", host=host.name)
        return
    use = host.audit.get("ipv4_use")
    if not use or use.get("problem"):
        why = plain(str((use or {}).get("problem") or "nobody looked for it"))
        yield unknown(f"whether programs use IPv4 by themselves is not known: {why}", host=host.name)
        return
    if translates:
        yield from _lookups(host, site, use)
        return
    good = True
    for program, uses in sorted((use.get("programs") or {}).items()):
        bad = [one for one in uses if _harmful(str(program), one)]
        if bad:
            good = False
            yield _user(host, str(program), bad)
    if good:
        lists = sum(len(uses) for uses in (use.get("programs") or {}).values())
        text = f"{lists} places name IPv4, and none of them is connected to" if lists else "no place names IPv4"
        yield passed("nothing on it uses IPv4 by itself", host=host.name, evidence=(text,))


def _harmful(program: str, one: Data) -> bool:
    where = str(one.get("where", ""))
    own = program in TRANSLATORS or where.startswith(OWN_FILES)
    return one.get("kind") in HARMFUL and not own


def _user(host: Host, program: str, bad: t.Sequence[Data]) -> Result:
    files = [str(one["where"]).rpartition(":")[0] for one in bad if str(one.get("where", "")).startswith("/")]
    return failed(
        f"{plain(program)} uses IPv4 by itself, and the host has none",
        host=host.name,
        name=plain(program),
        family="ipv4",
        evidence=tuple(sorted({plain(f"{one.get('where')}: {one.get('what')}", 300) for one in bad}))[:MOST],
        variable="" if files else "ansible_host",
        file=plain(files[0], 300) if files else "",
        fix=plain(str(bad[0].get("advice") or "write a name in place of the address"), 300),
    )


def _lookups(host: Host, site: Site, use: Data) -> t.Iterator[Result]:
    """Who asks for A records only, as the DNS64 has logged it."""
    clients: dict[str, set[str]] = {}
    for one in use.get("lookups") or ():
        clients.setdefault(plain(str(one.get("client"))), set()).add(plain(str(one.get("name")), 300))
    owners = {str(other.spec["address"]): other.name for other in behind(site)}
    for client, names in sorted(clients.items()):
        yield failed(
            "a program there asks for A records only, so DNS64 can't help it",
            host=owners.get(client, host.name),
            name=client,
            family="ipv4",
            evidence=tuple(sorted(names))[:MOST],
            variable="dns64_log_queries",
            fix="look for the program's setting for IPv6, or give the host a CLAT (464XLAT, RFC 6877)",
        )
    if not clients:
        logs = host.variables.get("dns64_log_queries")
        if logs:
            yield passed("nobody was seen to ask for A records only", host=host.name)
        else:
            yield not_applicable("the DNS64 does not log who asks for what", host=host.name)
