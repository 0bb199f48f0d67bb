# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the sockets of a host, the worst first: what nobody declared, and what nobody can tell."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listener_advice, listener_services, listener_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import Declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_model import LEVELS, NEAR, Finding, Host, Socket
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_reach import OPEN, is_open
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_services import IPV4, IPV6
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_text import finding
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import printable

DHCP_CLIENTS = (("udp", 68), ("udp", 546))


def findings(host: Host, sockets: t.Sequence[Socket], known: t.Mapping[tuple[str, int], Declared]) -> list[Finding]:
    """Return all findings: ``{code, level, protocol, port, address, process, message, evidence, remedy}``."""
    found = list(_host(host, sockets))
    for service in known.values():
        found += listener_services.findings(host, service, [one for one in sockets if one.declared == service])
    for one in sockets:
        found += _undeclared(host, one) if one.declared is None else ()
        found += _any(host, one)
    return sorted(found, key=lambda one: (LEVELS.index(one["level"]), one["code"] != "exposed"))


# ---------------------------------------------------------------------------------------------- what is not known


def _host(host: Host, sockets: t.Sequence[Socket]) -> t.Iterator[Finding]:
    told = host.look["sockets"]
    for family, gate in host.gates.items():
        for line in gate.unseen:
            yield finding(
                "unknown",
                "rules",
                f"not all rules of {NAMES[family]} are known, so nobody can tell who gets in: {printable(line)}",
                "run the audit as root (become); look with 'nft list ruleset' where a table can't be printed",
            )
    tables = [str(table) for table in host.look["firewall"].get("nft_tables") or ()]
    if tables:
        yield finding(
            "unknown",
            "rules",
            f"nft has tables that iptables-save doesn't show ({', '.join(map(printable, tables))}): they may "
            "refuse what is let in here, and never the reverse",
            "look with 'nft list ruleset'",
        )
    problem = str(host.look["firewall"].get("nft_problem") or "")
    if problem:
        yield finding(
            "unknown",
            "rules",
            f"nft could not list its tables ({printable(problem)}): they may refuse what is let in here",
            "run the audit as root (become); look with 'nft list ruleset'",
        )
    if not told["exact"]:
        yield finding(
            "unknown",
            "sockets",
            "the kernel did not answer by sock_diag, and /proc/net tells neither IPV6_V6ONLY nor the interface of a "
            "socket: sockets of [::] may serve IPv4 too",
            "load the kernel modules tcp_diag and udp_diag",
        )
    for name, count in told["others"].items():
        yield finding(
            "unknown",
            "protocol",
            f"there are sockets of {name} ({count}), which are not looked at",
            "look with 'ss -lS' (SCTP) or in /proc/net/protocols",
        )
    nameless = [one for one in sockets if not one.told["processes"] and not one.local]
    if nameless and not told["complete"]:
        yield finding(
            "unknown",
            "process",
            f"it is not known which program has {', '.join(listener_text.place(one.told) for one in nameless[:5])}: "
            "not all processes could be looked into",
            "run the audit as root (become: true)",
        )


# -------------------------------------------------------------------------------------------- what nobody declared

CLOSE = (
    "close the port in the rules of {family}, or let it listen on loopback only; if clients need it, add it to "
    "ipv6_services, or to ipv6_listeners where it is no service of the rollout"
)


def _undeclared(host: Host, one: Socket) -> t.Iterator[Finding]:
    over = {family: fate.who for family, fate in one.fates.items()}
    name = listener_text.named(one.told)
    unsure = [family for family, fate in one.fates.items() if fate.depends]
    if one.absent:
        yield finding(
            "note",
            "absent",
            f"{name} is bound to an address that the host does not have; once it has it, it is "
            f"{listener_text.reached(one)}",
            "take the address out of its configuration, or declare it",
            host,
            one,
            over,
        )
    elif one.client and any(who != "nobody" for who in over.values()):
        yield finding(
            "unknown",
            "client",
            f"{name} is not declared, and {listener_text.reached(one)}; its port looks like one that a client sends "
            "from",
            "look again: a client's port changes, a server's stays; then declare it or close it",
            host,
            one,
            over,
        )
    elif IPV6 in over and is_open(one.fates[IPV6], IPV6) and one.told["scope"] not in NEAR:
        many = (
            "everyone gets"
            if over[IPV6] in OPEN
            else f"much of the world ({listener_text.who(one.fates[IPV6], IPV6)}) gets"
        )
        text = f"{name}: {many} in over IPv6{_today(host)}, and nobody declared it"
        if IPV4 in over and not is_open(one.fates[IPV4], IPV4):
            text += f"; over IPv4 it is {listener_text.who(one.fates[IPV4], IPV4)}"
        yield finding("alarm", "exposed", text, CLOSE.format(family="IPv6"), host, one, over)
    elif unsure:
        families = " and ".join(NAMES[family] for family in unsure)
        yield finding(
            "unknown",
            "undecided",
            f"{name} is not declared, and the rules don't tell who gets in over {families}",
            CLOSE.format(family=families),
            host,
            one,
            unsure,
        )
    elif (one.told["protocol"], one.told["port"]) in DHCP_CLIENTS:
        if one.neighbours or IPV4 in over:
            yield finding(
                "note",
                "dhcp",
                f"{name} is the port of a DHCP client, {listener_text.reached(one)}",
                "nothing, where the host gets addresses by DHCP",
                host,
                one,
                over,
            )
    elif IPV4 in over and is_open(one.fates[IPV4], IPV4) and IPV6 not in over:
        yield finding(
            "note",
            "ipv4_only",
            f"{name} serves IPv4 only, and everyone gets in; it is not declared",
            f"if IPv6 clients need it: {listener_advice.both_families(one.told)}. If nobody does: close it",
            host,
            one,
            [IPV4],
        )
    elif one.neighbours or any(who != "nobody" for who in over.values()):
        yield finding(
            "note",
            "undeclared",
            f"{name} is not declared, and {listener_text.reached(one)}",
            CLOSE.format(family="both families"),
            host,
            one,
            over,
        )
    elif any(one.elsewhere.values()):
        families = " and ".join(f"over {NAMES[family]} by {names}" for family, names in listener_text.by(one).items())
        yield finding(
            "note",
            "elsewhere",
            f"{name} is not declared; nobody gets in by the default route, but somebody does {families}",
            CLOSE.format(family="both families"),
            host,
            one,
            over,
        )


def _today(host: Host) -> str:
    if host.off:
        return " once IPv6 is switched on"
    return "" if host.own[IPV6] else " (today that is its neighbours: it has no other IPv6 address yet)"


# -------------------------------------------------------------------------------------------------- of any socket


def _any(host: Host, one: Socket) -> t.Iterator[Finding]:
    told = one.told
    name = listener_text.named(told)
    if told["ipv4"] is None and not one.local and one.declared is None:
        yield finding(
            "unknown",
            "family",
            f"{name}: whether it serves IPv4 too is not known",
            "connect to it over IPv4",
            host,
            one,
        )
    if (
        one.serves(IPV4)
        and one.serves(IPV6)
        and one.fates[IPV4].who != "nobody"
        and not one.client
        and not listener_advice.called(told, listener_advice.UNMAPS)
    ):
        yield finding(
            "note",
            "mapped",
            f"{name} serves IPv4 on an IPv6 socket, so its clients are ::ffff:192.0.2.1 and not 192.0.2.1 to the "
            "program",
            "see that its access lists, its logs and what reads them (fail2ban) know such addresses; else give it a "
            "socket for each family",
            host,
            one,
        )
    if (
        one.serves(IPV6)
        and told["scope"] in ("global", "link")
        and not told["freebind"]
        and host.look["sysctls"].get("net.ipv6.ip_nonlocal_bind") != "1"
        and told["waits"] is not True
        and not one.client
        and (told["protocol"], told["port"]) not in DHCP_CLIENTS
        and not listener_advice.called(told, listener_advice.FOLLOWS_ADDRESSES)
    ):
        unit = str(told["socket_unit"] or told["unit"])
        way_out = (
            "FreeBind=yes in the [Socket] part"
            if told["socket_unit"]
            else "'systemctl edit' it with [Unit], 'Wants=network-online.target' and 'After=network-online.target'; a "
            "wildcard socket has no such race"
        )
        yield finding(
            "risk",
            "boot_race",
            f"{name} binds an address that is not there before duplicate address detection is over, and "
            + (f"{unit} does not wait for the network" if unit else "it is not known what starts it")
            + ": at the next boot it may fail",
            way_out,
            host,
            one,
        )
