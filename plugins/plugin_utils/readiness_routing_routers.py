# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of router advertisements: who sends them on the link, and how long what they bring lasts."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_text
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
    Unseen,
    default_routes,
    interfaces,
    number,
    of_host,
    routes,
    several,
    short,
)

VARIABLE = "readiness_routers"
DEFAULT_ROUTER = "fe80::1"  # of the role interfaces
LINK_LOCAL = 0xFE80 >> 6
SMALLEST_MTU = 1280
LISTEN = 5  # seconds: a router answers a solicitation within half a second, and not more often than every 3 s
INTERVAL = 600  # seconds between two advertisements of a router that was not told anything else
NOBODY = f"{INTERVAL} s, which most have"
LIFETIMES = 3  # intervals that the lifetime of a router has, by default


def ra_parts(site: Site) -> tuple[str, ...]:
    """Return the parts of the id of the probe that listens for routers."""
    return ("routing", str(site.lab.get("name") or "lab"), "routers", "ipv6")


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Listen for routers on the lab machine's link."""
    return [probe(ra_parts(site), "ra", "ipv6", timeout=LISTEN)] if site.hosts else []


def link_local(address: int) -> bool:
    """Tell whether an address is link-local, as the source of an advertisement always is."""
    return address >> 118 == LINK_LOCAL


def declared_routers(site: Site) -> set[int]:
    """Return the routers that may advertise themselves.

    Those that a variable names, or else those that hosts are told to use, or else those that they use by a route of
    their own. What a host learnt from an advertisement declares nothing.
    """
    named = several(site.setting(VARIABLE), VARIABLE)
    if named:
        return {ipv6(address, VARIABLE) for address in named}
    found: set[int] = set()
    for host in site.hosts.values():
        wanted = interfaces(host, site)
        found |= {ipv6(one.gateway, "interfaces_gateway") for one in wanted if one.gateway}
        if not any(one.gateway or one.accept_ra for one in wanted):
            found.add(ipv6(DEFAULT_ROUTER, "interfaces_gateway"))
        found |= {ipv6(route.gateway, "gateway") for route in _defaults(host) if route.protocol != "ra"}
    return found


def _defaults(host: Host) -> list[Route]:
    """Return a host's default routes over a router; none where it was not looked at."""
    try:
        return [route for route in default_routes(host) if ":" in route.gateway]
    except Unseen:
        return []


def learnt_routers(site: Site) -> set[int]:
    """Return the routers that hosts use because these advertise themselves, where that is declared."""
    found: set[int] = set()
    for host in site.hosts.values():
        if any(one.accept_ra and not one.gateway for one in interfaces(host, site)):
            found |= {ipv6(route.gateway, "gateway") for route in _defaults(host) if route.protocol == "ra"}
    return found


# ---------------------------------------------------------------------------------------------- R04


def only_declared_routers(site: Site) -> t.Iterator[Result]:
    """R04: only declared routers send router advertisements."""
    declared, learnt = declared_routers(site), learnt_routers(site)
    named = bool(several(site.setting(VARIABLE), VARIABLE))
    where = f"the link of {site.lab.get('name') or 'the lab machine'}"
    beside, apart = _on_the_link(site)
    if apart and not beside:
        yield not_applicable(f"no host is on {where}", family="ipv6")
    else:
        if beside:
            where += f", with {', '.join(beside[:5])}{' and others' if beside[5:] else ''}"
        yield from _heard(site, where, declared, learnt, named)
    for host in site.hosts.values():
        yield from _of_a_host(host, declared, learnt, named)


def _on_the_link(site: Site) -> tuple[list[str], list[str]]:
    """Return the hosts that share the lab machine's link, and those that don't, by their IPv4 routes."""
    beside: list[str] = []
    apart: list[str] = []
    for host in site.hosts.values():
        try:
            lab = ipaddress.IPv4Address(str(site.lab.get("ipv4") or ""))
            table = [route for route in routes(host, "ipv4") if not route.gateway and "/" in route.destination]
            near = any(lab in ipaddress.IPv4Network(route.destination, strict=False) for route in table)
        except (Unseen, ValueError):
            continue
        (beside if near else apart).append(host.name)
    return beside, apart


def _heard(
    site: Site, where: str, declared: t.AbstractSet[int], learnt: t.Collection[int], named: bool
) -> t.Iterator[Result]:
    proof = site.proof(*ra_parts(site))
    seen = (proof or {}).get("seen") or {}
    if proof is None or seen.get("problem") or not proof.get("ok"):
        why = site.no_proof(*ra_parts(site)) if proof is None else seen.get("problem") or proof.get("evidence")
        yield unknown(f"nobody listened for routers on {where}: {short(why)}", family="ipv6")
        return
    heard = seen["routers"]
    if not heard:
        yield passed(f"no router advertises itself on {where}", family="ipv6")
    for router in heard:
        yield _router(router, where, declared, learnt, named)


def _router(router: Data, where: str, declared: t.AbstractSet[int], learnt: t.Collection[int], named: bool) -> Result:
    address = ipv6(router["address"], "router")
    lifetime, mtu = int(router.get("lifetime") or 0), int(router.get("mtu") or 0)
    flags = [name for name in ("managed", "other") if router.get(name)]
    prefixes = [short(prefix) for prefix in (router.get("prefixes") or ())[:5]]
    line = f"advertisement of {ipv6_text(address)}: {'default router' if lifetime else 'no default router'}"
    evidence = (", ".join([line, *flags, *([f"MTU {mtu}"] if mtu else []), *(f"prefix {text}" for text in prefixes)]),)
    about: dict[str, t.Any] = {"address": ipv6_text(address), "family": "ipv6", "evidence": evidence}
    judged = _known(address, declared, learnt, named)
    if judged != "declared":
        return _stranger(judged, f"{ipv6_text(address)} advertises itself as a router on {where}", about)
    if 0 < mtu < SMALLEST_MTU:
        return failed(
            f"{ipv6_text(address)} advertises the MTU {mtu}, and IPv6 needs {SMALLEST_MTU}",
            variable=VARIABLE,
            fix="correct the MTU in the router's configuration",
            **about,
        )
    if not lifetime and address in learnt:
        return failed(
            f"{ipv6_text(address)} says that it is no default router, and hosts depend on it",
            variable=VARIABLE,
            fix="give the router a lifetime (AdvDefaultLifetime of radvd)",
            **about,
        )
    return passed(f"{ipv6_text(address)}, which is declared, advertises itself on {where}", **about)


def _known(address: int, declared: t.AbstractSet[int], learnt: t.Collection[int], named: bool) -> str:
    """Tell whether a router is declared, may be the declared one under another address, or is a stranger."""
    if address in declared:
        return "declared"
    if named:
        return "stranger"
    if address in learnt:
        # The only one that hosts use is the one that is meant; among several, nobody knows.
        return "declared" if len(learnt) == 1 else "one of several"
    # The source of an advertisement is link-local. A router that is named by a global address may be this one.
    elsewhere = any(not link_local(one) for one in declared)
    return "under another address" if elsewhere else "stranger"


def _stranger(judged: str, message: str, about: dict[str, t.Any]) -> Result:
    if judged == "stranger":
        return failed(
            f"{message}, and nobody declared it",
            variable=VARIABLE,
            fix="switch it off there, or name it in readiness_routers; let switches drop advertisements (RA guard)",
            **about,
        )
    why = "hosts use several" if judged == "one of several" else "hosts are told a global address"
    return unknown(
        f"{message}; whether it is meant is not known, since {why}",
        variable=VARIABLE,
        fix="name the link-local addresses of all routers in readiness_routers",
        **about,
    )


def _of_a_host(host: Host, declared: t.AbstractSet[int], learnt: t.Collection[int], named: bool) -> t.Iterator[Result]:
    """Judge the routers that a host learnt of, on whatever link it is."""
    told: dict[int, Route] = {}
    for route in _defaults(host):
        if route.protocol == "ra":
            told.setdefault(ipv6(route.gateway, "gateway"), route)
    for address, route in told.items():
        judged = _known(address, declared, learnt, named)
        about: dict[str, t.Any] = {
            "host": host.name,
            "address": ipv6_text(address),
            "family": "ipv6",
            "evidence": (route.words,),
        }
        if judged == "declared":
            yield passed(f"the host learnt of {ipv6_text(address)}, which is declared", **about)
        else:
            yield _stranger(judged, f"the host learnt that {ipv6_text(address)} is its router", about)


# ---------------------------------------------------------------------------------------------- R05


@of_host
def routes_are_refreshed(host: Host, site: Site) -> t.Iterator[Result]:
    """R05: a default route that was learnt is refreshed before it expires."""
    learnt = [route for route in default_routes(host) if route.expires is not None]
    for route in learnt:
        about: dict[str, t.Any] = {"address": route.gateway, "name": route.device, "family": "ipv6"}
        about["evidence"] = (route.words,)
        interval, source = _interval(site, route)
        left = route.expires or 0
        if left > interval:
            yield passed(
                f"the default route lasts longer than one interval of its router ({source or NOBODY})", **about
            )
        elif not source:
            yield unknown(
                "how often its router advertises itself is not known, so nobody knows whether the route will last",
                variable="readiness_ra_interval",
                fix="write the router's MaxRtrAdvInterval, in seconds, into readiness_ra_interval",
                **about,
            )
        else:
            yield failed(
                "the default route expires before the next advertisement is sure to come, so some were missed",
                variable="readiness_ra_interval",
                fix="look whether advertisements (ICMPv6 type 134) reach the host, and what lifetime the router gives",
                **about,
            )
    if not learnt:
        yield not_applicable("no default route was learnt from a router", family="ipv6")


def _interval(site: Site, route: Route) -> tuple[int, str]:
    """Return the longest time between two advertisements of a router, and who says so."""
    said = site.setting("readiness_ra_interval")
    if said is not None:
        return number(said, "readiness_ra_interval", 1), "readiness_ra_interval"
    proof = site.proof(*ra_parts(site)) or {}
    for router in (proof.get("seen") or {}).get("routers") or ():
        if route.gateway and ipv6(router["address"], "router") == ipv6(route.gateway, "gateway"):
            lifetime = int(router.get("lifetime") or 0)
            if lifetime:
                return lifetime // LIFETIMES, "a third of the router's lifetime"
    return INTERVAL, ""


CHECKS = (
    Check(
        "R04",
        "Only declared routers advertise themselves",
        "outside",
        5,
        "Among the routers that answer a solicitation of the lab machine, or are heard within 5 seconds, and in the"
        " routes that hosts learnt, there are only those of readiness_routers; by default those that hosts are told to"
        " use. The MTU they advertise is at least 1280. Flags and prefixes are shown, and not judged.",
        "RFC 6104, section 1; RFC 4861, section 4.2",
        only_declared_routers,
        of="site",
    ),
    Check(
        "R05",
        "A learnt default route is refreshed in time",
        "inside",
        3,
        "A default route with a lifetime has more left than one interval of its router: readiness_ra_interval, or a"
        " third of the lifetime that the router advertises, as RFC 4861 sets it by default.",
        "RFC 4861, section 6.2.1",
        routes_are_refreshed,
    ),
)
