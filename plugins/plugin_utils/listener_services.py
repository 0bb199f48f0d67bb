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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_model import Finding, Host, Socket
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_text import finding
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Fate
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_text import few, listed

OPEN = ("everyone", "all_but")
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
    if not all(ipaddress.ip_address(address).is_loopback for address in service.addresses or ("::",)):
        yield from _from_elsewhere(host, service, sockets, name)


def _missing(host: Host, address: str, sockets: t.Sequence[Socket], name: str) -> t.Iterator[Finding]:
    family = IPV6 if ":" in address else IPV4
    if any(_is(one, address) or (one.told["scope"] == "wildcard" and one.told[family]) for one in sockets):
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
    planned = host.planned.get(family, "")
    # A translator may stand in front of IPv4; then the host does not have the address.
    if planned and not service.addresses and (family == IPV6 or planned in host.own[IPV4]):
        yield from _missing(host, planned, serving, name)
    yield from _let_in(host, service, serving, family, name)


def _is(one: Socket, address: str) -> bool:
    return str(one.told["address"]).removeprefix("::ffff:") == address


def _let_in(host: Host, service: Declared, serving: t.Sequence[Socket], family: str, name: str) -> t.Iterator[Finding]:
    """Whether the firewall lets in those who are meant, and nobody else."""
    fates = [one.fates[family] for one in serving]
    accepted = intervals.union([fate.accepted for fate in fates])
    depends = intervals.without(intervals.union([fate.depends for fate in fates]), accepted)
    one = serving[0]
    everyone = host.gates[family].everyone()
    if service.sources and family == IPV4:
        return  # the sources are those of IPv6
    meant = intervals.common(service.sources, everyone) if service.sources else everyone
    fate = Fate(accepted, intervals.without(intervals.without(everyone, accepted), depends), depends)
    more = intervals.without(accepted, meant)
    if service.sources and more:
        one, *_rest = [other for other in serving if intervals.without(other.fates[family].accepted, meant)]
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
    short = intervals.common(meant, fate.refused)
    if short and (not accepted or service.sources or fate.who == "some"):
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
