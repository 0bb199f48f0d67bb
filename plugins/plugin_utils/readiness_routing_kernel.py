# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what a host's kernel lets others tell it, and of what it does with packets that are not for it.

Redirects: a host takes those of its own router (RFC 4861, section 8.3), Debian's default does so, and only somebody on
the same link can forge one. So a host that takes them is fine unless the site says otherwise; a host that forwards must
not take them (section 8.2). Linux ignores them on an interface that forwards, whatever accept_redirects says.
"""

from __future__ import annotations

import re
import typing as t

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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import (
    Interface,
    Unseen,
    interfaces,
    kernel,
    number,
    of_host,
    part,
    routes,
    setting,
    short,
    truth,
)

# These read router advertisements themselves, and keep the kernel from it.
READERS = ("networkd", "networkmanager", "netplan")
NO_INTERFACES = ("all", "default", "lo")
STRICT = 1
FORWARDING = "net.ipv6.conf.all.forwarding"
FORWARDING4 = "net.ipv4.ip_forward"
LIMIT = "net.ipv6.neigh.default.gc_thresh3"
NEIGHBOURS = 1024  # the kernel's own limit
SYSCTL_FILES = "/etc/sysctl.d"
MOST = 10


def names(host: Host, family: str) -> list[str]:
    """Return the host's interfaces, as the kernel has settings for them."""
    told = part(host, "settings").get(family)
    if not told:
        raise Unseen(f"the host did not tell its {family} settings")
    return [short(name) for name in sorted(told) if name not in NO_INTERFACES]


# ---------------------------------------------------------------------------------------------- R03


@of_host
def advertisements_as_declared(host: Host, site: Site) -> t.Iterator[Result]:
    """R03: each interface of the inventory takes router advertisements where that is declared, and only there."""
    for interface in interfaces(host, site):
        if not interface.name:
            yield unknown("it is not known which interface the host's IPv6 address belongs to", family="ipv6")
        else:
            yield _advertisements(host, interface)


def _advertisements(host: Host, interface: Interface) -> Result:
    name = interface.name
    value = setting(host, "ipv6", name, "accept_ra")
    forwards = setting(host, "ipv6", name, "forwarding") > 0
    learnt = [route.words for route in routes(host) if route.device == name and route.protocol == "ra"]
    line = f"net.ipv6.conf.{name}.accept_ra = {value}"
    about: dict[str, t.Any] = {"name": name, "family": "ipv6", "evidence": (line, *learnt[:MOST])}
    wrong: dict[str, t.Any] = {
        "variable": "interfaces_list" if host.variables.get("interfaces_list") else "interfaces_accept_ra",
        "file": SYSCTL_FILES,
        "fix": "run the role interfaces, with interfaces_accept_ra where router advertisements are wanted",
        **about,
    }
    if not interface.accept_ra:
        if value > 1 or (value == 1 and not forwards):
            return failed(
                f"{name} takes router advertisements, so whoever sends one on its link is its router", **wrong
            )
        if learnt:
            return failed(f"{name} has routes from router advertisements, which are not declared", **wrong)
        return passed(f"{name} takes no router advertisements, as declared", **about)
    if value > 1 or (value == 1 and not forwards):
        return passed(f"{name} takes router advertisements, as declared", **about)
    if value == 1:
        return failed(f"{name} forwards, so it takes no router advertisements unless accept_ra is 2", **wrong)
    backend = str((host.look or {}).get("network_backend") or "")
    if backend in READERS:
        if learnt:
            return passed(f"{backend} reads router advertisements for {name}, as declared", **about)
        return unknown(
            f"whether {backend} reads router advertisements for {name} is not known: there is no route", **about
        )
    return failed(f"{name} takes no router advertisements, and they are declared", **wrong)


# ---------------------------------------------------------------------------------------------- R06


@of_host
def follows_nobody(host: Host, _site: Site) -> t.Iterator[Result]:
    """R06: forwarding is as declared, a router takes no redirects, and nobody takes source routes."""
    yield _forwarding(host)
    yield from _redirects(host)
    yield from _source_routes(host)


def declared_forwarding(host: Host) -> bool | None:
    """Tell whether a host is declared to forward IPv6; None where no variable says anything."""
    variables = host.variables
    if variables.get("readiness_forwarding") is not None:
        return truth(variables["readiness_forwarding"])
    tunnel = truth(variables.get("tunnel_forwarding")) and variables.get("tunnel_state") != "absent"
    return True if tunnel else None


def _forwarding(host: Host) -> Result:
    value, value4 = kernel(host, FORWARDING), kernel(host, FORWARDING4)
    declared = declared_forwarding(host)
    lines = (f"{FORWARDING} = {value}", f"{FORWARDING4} = {value4}")
    about: dict[str, t.Any] = {"name": "forwarding", "family": "ipv6", "evidence": lines}
    wrong: dict[str, t.Any] = {
        "variable": "readiness_forwarding",
        "file": SYSCTL_FILES,
        "fix": "set the sysctl as it is meant, or declare it in readiness_forwarding",
        **about,
    }
    forwards = value > 0
    if declared is None and forwards and not value4:
        return failed("the host forwards IPv6, though it is no router for IPv4 and none is declared", **wrong)
    if declared is not None and forwards != declared:
        said = "the host forwards IPv6, and must not" if forwards else "the host is to forward IPv6, and does not"
        return failed(said, **wrong)
    return passed(
        "the host forwards IPv6, as it is meant to" if forwards else "the host does not forward IPv6", **about
    )


def _redirects(host: Host) -> t.Iterator[Result]:
    router = kernel(host, FORWARDING) > 0
    refused = host.variables.get("readiness_redirects")
    strict = refused is not None and not truth(refused)
    taking = []
    for name in names(host, "ipv6"):
        # The kernel takes none on an interface that forwards.
        if setting(host, "ipv6", name, "accept_redirects") > 0 and setting(host, "ipv6", name, "forwarding") < 1:
            taking.append(name)
    about: dict[str, t.Any] = {"name": "redirects", "family": "ipv6"}
    if taking and (router or strict):
        why = "a router must not let others change its routes" if router else "readiness_redirects forbids it"
        yield failed(
            f"{', '.join(taking[:MOST])} takes redirects: {why}",
            evidence=tuple(f"net.ipv6.conf.{name}.accept_redirects = 1" for name in taking[:MOST]),
            variable="readiness_redirects",
            file=SYSCTL_FILES,
            fix="set net.ipv6.conf.NAME.accept_redirects to 0 for these interfaces, and for default",
            **about,
        )
    elif taking:
        yield passed("the host takes redirects of its own router only, as RFC 4861 wants it to", **about)
    else:
        yield passed("no interface takes redirects", **about)


def _source_routes(host: Host) -> t.Iterator[Result]:
    # The smaller one of the two values counts.
    limit = setting(host, "ipv6", "all", "accept_source_route")
    values = {name: setting(host, "ipv6", name, "accept_source_route") for name in names(host, "ipv6")}
    taking = [name for name, value in values.items() if min(limit, value) > 0]
    about: dict[str, t.Any] = {"name": "source routing", "family": "ipv6"}
    if taking:
        yield failed(
            f"{', '.join(taking[:MOST])} asks for source routes, by which a sender decides which way packets go",
            evidence=(
                f"net.ipv6.conf.all.accept_source_route = {limit}",
                *(f"net.ipv6.conf.{name}.accept_source_route = {values[name]}" for name in taking[:MOST]),
            ),
            variable="readiness_accepted",
            file=SYSCTL_FILES,
            fix="set net.ipv6.conf.all.accept_source_route to 0",
            **about,
        )
    else:
        yield passed("no interface asks for source routes", **about)


# ---------------------------------------------------------------------------------------------- R08


@of_host
def reverse_path_in_both(host: Host, _site: Site) -> t.Iterator[Result]:
    """R08: where IPv4 drops forged sources by reverse path, IPv6 does."""
    floor = setting(host, "ipv4", "all", "rp_filter")
    # The larger one of the two values counts, and 2 is the loose way.
    values = {name: max(floor, setting(host, "ipv4", name, "rp_filter")) for name in names(host, "ipv4")}
    strict = [name for name, value in values.items() if value == STRICT]
    about: dict[str, t.Any] = {"family": "ipv6"}
    if not strict:
        yield not_applicable("IPv4 has no strict reverse path filter here", **about)
        return
    firewall = t.cast(Data, (host.look or {})["firewall"])
    ipv6 = firewall["ipv6"]
    rules = [line for line in str(ipv6.get("saved") or "").splitlines() if re.match(r"-A .*-m rpfilter\b", line)]
    strict_rules = [line for line in rules if "--loose" not in line]
    fine = [short(line) for line in strict_rules if "--invert" in line and re.search(r" -j DROP\b", line)]
    if fine:
        yield passed("IPv6 has a strict reverse path rule, as IPv4 has", evidence=tuple(fine[:MOST]), **about)
        return
    if strict_rules:
        said = f"whether IPv6 drops forged sources can't be told from its rule: {short(strict_rules[0])}"
        yield unknown(said, evidence=tuple(map(short, strict_rules[:MOST])), **about)
        return
    unread = [short(text) for text in (ipv6.get("problem"), firewall.get("nft_problem")) if text]
    tables = [short(table) for table in firewall.get("nft_tables") or () if not str(table).startswith("ip ")]
    if unread or tables or ipv6.get("other"):
        what = ", ".join(unread + tables) or "another back end"
        yield unknown(f"IPv6 rules that were not read may do it: {what}", evidence=tuple(tables[:MOST]), **about)
        return
    yield failed(
        f"IPv4 drops forged sources on {', '.join(strict[:MOST])}, and IPv6 takes them",
        evidence=(
            *(f"net.ipv4.conf.{name}.rp_filter = {STRICT}" for name in strict[:MOST]),
            short(rules[0]) if rules else "ip6tables-save: no rule with -m rpfilter",
        ),
        variable="readiness_accepted",
        file="/etc/iptables/rules.v6",
        fix="add 'ip6tables -t raw -A PREROUTING -m rpfilter --invert -j DROP', since IPv6 has no such sysctl",
        **about,
    )


# ---------------------------------------------------------------------------------------------- R09


@of_host
def room_for_neighbours(host: Host, _site: Site) -> t.Iterator[Result]:
    """R09: the neighbour table has room for what is declared."""
    wanted = number(host.variables.get("readiness_neighbours", NEIGHBOURS), "readiness_neighbours", 1)
    about: dict[str, t.Any] = {"family": "ipv6"}
    if part(host, "kernel").get(LIMIT) == "":
        yield not_applicable("the host is a container: its neighbour table is the one of the machine below", **about)
        return
    limit = kernel(host, LIMIT)
    wrong: dict[str, t.Any] = {
        "evidence": (f"{LIMIT} = {limit}", f"readiness_neighbours: {wanted}"),
        "variable": "readiness_neighbours",
        "file": SYSCTL_FILES,
        "fix": f"set {LIMIT} to {wanted} or more, and gc_thresh1 and gc_thresh2 below it",
        **about,
    }
    if limit < wanted:
        yield failed(f"the neighbour table ends at {limit} entries, and {wanted} are declared", **wrong)
    elif len(part(host, "neighbours")) >= limit:
        yield failed("the neighbour table is full, so new neighbours can't be reached", **wrong)
    else:
        yield passed(f"the neighbour table has room for {limit} entries", evidence=(f"{LIMIT} = {limit}",), **about)


CHECKS = (
    Check(
        "R03",
        "Router advertisements are taken only where declared",
        "inside",
        4,
        "No interface of the inventory takes advertisements or has learnt from one, unless interfaces_accept_ra is set:"
        " then accept_ra is 1, or 2 on a host that forwards, or the network manager reads them.",
        "RFC 4862, section 5.5.3; kernel documentation, ip-sysctl (accept_ra)",
        advertisements_as_declared,
    ),
    Check(
        "R06",
        "Nobody on the way decides the host's routes",
        "inside",
        3,
        "A host forwards IPv6 only where readiness_forwarding or tunnel_forwarding says so, or where it forwards IPv4"
        " too. A host that forwards takes no redirects; one that does not may take those of its router, as RFC 4861"
        " wants it to, unless readiness_redirects is false. No interface asks for source routes"
        " (accept_source_route above 0).",
        "RFC 4861, sections 8.2 and 8.3; RFC 5095, section 3; kernel documentation, ip-sysctl",
        follows_nobody,
    ),
    Check(
        "R08",
        "Forged sources are dropped in both families",
        "inside",
        3,
        "Where IPv4 has a strict reverse path filter (rp_filter 1), the IPv6 rules drop what a strict rpfilter match"
        " finds.",
        "RFC 3704, section 2.2; iptables-extensions(8), rpfilter",
        reverse_path_in_both,
    ),
    Check(
        "R09",
        "The neighbour table has room",
        "inside",
        2,
        "gc_thresh3 is at least readiness_neighbours (1024 by default, which is the kernel's own limit), and the table"
        " is not full. Rate limits of neighbour discovery are not looked at.",
        "RFC 6583, section 7; kernel documentation, ip-sysctl (neigh/default/gc_thresh3)",
        room_for_neighbours,
    ),
)
