# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with one service that the inventory declares: who is not served, and who is that should not be."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listener_advice, listener_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import FAMILIES, Declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_model import NEAR, Finding, Host, Socket
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_reach import OPEN, is_open
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_text import finding
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Fate
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_text import few, listed

IPV4, IPV6 = FAMILIES
OTHER = {IPV4: IPV6, IPV6: IPV4}


def findings(host: Host, service: Declared, sockets: t.Sequence[Socket]) -> t.Iterator[Finding]:
    name = f"{service.protocol} port {service.port} ({service.name})"
    if not sockets:
        yield finding(
            "fault", "silent", f"nothing listens on {name}", "start the service, or take it out of the inventory"
        )
        return
    for address in service.addresses:
        yield from _missing(host, address, sockets, name)
    for one in sockets:
        yield from _addresses(host, service, one)
        yield from _other_families(host, service, one)
    if not all(ipaddress.ip_address(address).is_loopback for address in service.addresses or ("::",)):
        yield from _from_elsewhere(host, service, sockets, name)


def _missing(host: Host, address: str, sockets: t.Sequence[Socket], name: str) -> t.Iterator[Finding]:
    family = IPV6 if ":" in address else IPV4
    if any(one.told[family] and _hears(host, one, address) for one in sockets):
        return
    bound = ", ".join(listener_text.place(one.told) for one in sockets)
    yield finding(
        "fault",
        "wrong_address",
        f"{name} does not listen on {address}; it listens on {bound}",
        f"let it listen on {address} too, or on any address",
        host,
        sockets[0],
    )


def _from_elsewhere(host: Host, service: Declared, sockets: t.Sequence[Socket], name: str) -> t.Iterator[Finding]:
    outside = [
        one for one in sockets if not one.local and not one.absent and one.told["scope"] in ("wildcard", "global")
    ]
    if not outside:
        yield finding(
            "fault",
            "loopback_only",
            f"{name} is served on this host only (loopback or link-local), and declared for others",
            listener_advice.both_families(sockets[0].told),
            host,
            sockets[0],
        )
        return
    for family in service.families:
        if family == IPV4 and not host.own[IPV4]:
            continue  # a host without IPv4 serves nobody over it
        if family == IPV6 and not host.own[IPV6] and any(map(_follows, sockets)):
            continue  # it will bind the address when there is one
        yield from _one_family(host, service, outside, family, name)


def _follows(one: Socket) -> bool:
    return bool(one.told["ipv6"]) and listener_advice.called(one.told, listener_advice.FOLLOWS_ADDRESSES)


def _one_family(
    host: Host, service: Declared, outside: t.Sequence[Socket], family: str, name: str
) -> t.Iterator[Finding]:
    serving = [one for one in outside if one.serves(family)]
    if not serving:
        unsure = [one for one in outside if one.serves(family) is None]
        if unsure:
            yield finding(
                "unknown",
                "family",
                f"{name}: whether it serves {NAMES[family]} is not known",
                f"connect to it over {NAMES[family]}",
                host,
                unsure[0],
            )
            return
        yield finding(
            "fault",
            f"{OTHER[family]}_only",
            f"{name} is served over {NAMES[OTHER[family]]} only, and declared for {NAMES[family]} too",
            listener_advice.both_families(outside[0].told)
            if family == IPV6
            else "let it bind an address of IPv4 too, or declare it with 'families: [ipv6]'",
            host,
            outside[0],
        )
        return
    places = [address for address in service.addresses if (":" in address) == (family == IPV6)]
    planned = host.planned.get(family, "")
    # A translator may stand in front of IPv4; then the host does not have the address.
    if planned and not service.addresses and (family == IPV6 or planned in host.own[IPV4]):
        yield from _missing(host, planned, serving, name)
        places = [planned]
    yield from _too_open(host, service, serving, family, name)
    for place in places or [""]:
        there = [one for one in serving if not place or _hears(host, one, place)]
        if there:
            yield from _closed(host, service, there, family, f"{name} at {place}" if place else name, place)


def _hears(host: Host, one: Socket, address: str) -> bool:
    """Whether packets for an address come to a socket, as far as what it is bound to goes."""
    if one.told["scope"] != "wildcard":
        return str(one.told["address"]).removeprefix("::ffff:") == address
    on = {
        interface["name"]
        for interface in host.look["interfaces"]
        for has in interface["addresses"]
        if has["address"] == address
    }
    return not one.told["device"] or not on or one.told["device"] in on


def _too_open(
    host: Host, service: Declared, serving: t.Sequence[Socket], family: str, name: str
) -> t.Iterator[Finding]:
    """Whether the firewall lets in others than those who are meant."""
    if not service.sources or family == IPV4:
        return  # the sources are those of IPv6
    for one in serving:
        more = intervals.without(one.fates[family].accepted, service.sources)
        if more:
            many = "everyone" if one.fates[family].who in OPEN else few(listed(more, family))
            yield finding(
                "alarm",
                "too_open",
                f"{name} is declared for some sources, and the rules of {NAMES[family]} let {many} in",
                "narrow the rule, or take 'sources' from the declaration if everyone is meant",
                host,
                one,
                [family],
            )
            return


def _closed(
    host: Host, service: Declared, serving: t.Sequence[Socket], family: str, name: str, place: str
) -> t.Iterator[Finding]:
    """Whether the firewall lets in those who are meant, at the address that they come to."""
    if service.sources and family == IPV4:
        return  # the sources are those of IPv6
    gate = host.gates[family]
    everyone = gate.everyone()
    ways = [host.ways(one.told, family, [place] if place else None) for one in serving]
    fates = [gate.fate(service.protocol, service.port, some, everyone) for some in ways]
    accepted = intervals.union([fate.accepted for fate in fates])
    depends = intervals.without(intervals.union([fate.depends for fate in fates]), accepted)
    fate = Fate(accepted, intervals.without(intervals.without(everyone, accepted), depends), depends)
    one = serving[0]._replace(fates={**serving[0].fates, family: fates[0]}, ways={**serving[0].ways, family: ways[0]})
    meant = intervals.common(service.sources, everyone) if service.sources else everyone
    short = intervals.common(meant, fate.refused)
    if short and (not accepted or service.sources or not is_open(fate, family)):
        does = f"let {listener_text.who(fate, family)} in, and nobody else"
        if not accepted:
            does = "let nobody in"
        elif service.sources:
            does = f"keep {few(listed(short, family))} out"
        yield finding(
            "fault",
            "closed",
            f"{name} is declared, and the rules of {NAMES[family]} {does}",
            "open it: the rollout opens what it proved (role ip6tables, ip6tables_open)"
            if family == IPV6
            else "open it in the rules of IPv4",
            host,
            one,
            FAMILIES,
        )
    elif depends:
        yield finding(
            "unknown",
            "undecided",
            f"{name}: whether the rules of {NAMES[family]} let clients in can't be told",
            "connect to it, or read the rule",
            host,
            one,
            [family],
        )


def _other_families(host: Host, service: Declared, one: Socket) -> t.Iterator[Finding]:
    """Whether somebody gets in over a family that is not declared."""
    if service.addresses or one.absent or one.told["scope"] in NEAR:
        return  # of addresses, all others are told; neighbours are not the world
    for family in FAMILIES:
        fate = one.fates.get(family)
        if family in service.families or fate is None or fate.who == "nobody":
            continue
        if family == IPV4 and not host.own[IPV4]:
            continue  # a host without IPv4 serves nobody over it
        sure = bool(fate.accepted) and one.told[family] is not None
        text = f"{listener_text.named(one.told)} is declared for {NAMES[OTHER[family]]} only"
        yield finding(
            "alarm" if sure else "unknown",
            "other_family" if sure else "undecided",
            f"{text}, and over {NAMES[family]} it is {listener_text.who(fate, family)}"
            if sure
            else f"{text}, and whether anybody gets in over {NAMES[family]} can't be told",
            f"close the port in the rules of {NAMES[family]}, let it bind addresses of {NAMES[OTHER[family]]} only, or "
            f"add {family} to 'families' of the declaration",
            host,
            one,
            [family],
        )


def _addresses(host: Host, service: Declared, one: Socket) -> t.Iterator[Finding]:
    if not service.addresses:
        return
    told = one.told
    wanted = ", ".join(service.addresses)
    if told["scope"] == "wildcard":
        yield finding(
            "alarm",
            "wildcard",
            f"{listener_text.named(told)} listens on any address, and is declared for {wanted}",
            f"let it bind {wanted} only, or take 'addresses' from the declaration",
            host,
            one,
            FAMILIES,
        )
    elif str(told["address"]).removeprefix("::ffff:") not in service.addresses and not one.local:
        yield finding(
            "alarm",
            "other_address",
            f"{listener_text.named(told)} listens on an address that is not declared; declared is {wanted}",
            f"let it bind {wanted} only, or declare this address",
            host,
            one,
            FAMILIES,
        )
