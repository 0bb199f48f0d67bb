# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F08: what the host asks for is answered, and those who look after it get in."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import reach
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_firewall_packets import settled
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host

ANYBODY = {"ipv4": "203.0.113.77", "ipv6": "2001:db8:ffff::77"}
CLIENT_PORT = 40000  # one that the host's own connections come from
TRACKED = (" --ctstate ", " --state ")
SOURCES = ("ipv6_lab_sources", "ipv6_management_sources")


@of_host
def management(host: Host, site: Site) -> t.Iterator[Result]:
    """F08: answers get in, connection tracking works, and so does the management port over both families."""
    families = ["ipv6", *(["ipv4"] if host.spec.get("ipv4") else [])]
    for family in families:
        why = readiness_reach.unseen(host, family)
        if why:
            yield unknown(why, family=family)
            continue
        yield _answers(host, family)
        yield from _management_ipv6(host, site) if family == "ipv6" else _management_ipv4(host)


def _answers(host: Host, family: str) -> Result:
    """Whether the answers to the host's own connections get in."""
    texts = readiness_reach.texts(host, family)
    refused = str(readiness_reach.firewall(host, family).get("tracking_refused") or "")
    tracks = (host.audit.get("conntrack") or {}).get(family)
    about: dict[str, t.Any] = {"family": family}
    about.update({"variable": "ip6tables_state"} if family == "ipv6" else {"file": "/etc/iptables/rules.v4"})
    if any(word in text for text in texts for word in TRACKED) and (refused or tracks is False):
        return failed(
            f"the rules of {NAMES[family]} need connection tracking, and the kernel has none: no answer gets in",
            evidence=(line(refused or "connection tracking: off"),),
            fix="load nf_conntrack, or allow the host to (containers and small kernels lack it)",
            **about,
        )
    packet = readiness_reach.packet(host, family, CLIENT_PORT)
    rules = tuple(settled(text, "ESTABLISHED") for text in texts)
    answers = readiness_reach.verdict(rules, family, packet, ANYBODY[family])
    evidence = (f"{NAMES[family]}: an answer to port {CLIENT_PORT}: {readiness_reach.rule(answers)}",)
    if answers.result == "accept":
        return passed(
            f"answers to the host's own connections get in over {NAMES[family]}", evidence=evidence, family=family
        )
    if answers.result == "refuse":
        return failed(
            f"the rules of {NAMES[family]} refuse the answers to the host's own connections",
            evidence=evidence,
            fix="let '-m conntrack --ctstate RELATED,ESTABLISHED' in before anything is refused",
            **about,
        )
    return unknown(
        f"whether answers to the host's own connections get in over {NAMES[family]} can't be told",
        evidence=evidence,
        **about,
    )


def _management_ipv6(host: Host, site: Site) -> t.Iterator[Result]:
    port = readiness_reach.management_port(host)
    packet = readiness_reach.packet(host, "ipv6", port)
    rules = readiness_reach.texts(host, "ipv6")
    new = tuple(settled(text, "NEW") for text in rules)
    asked = 0
    kept_out, unsure, evidence = [], [], []
    for variable in SOURCES:
        for source in readiness_reach.listed(host, variable) or site.setting(variable, None) or ():
            asked += 1
            there = readiness_reach.verdict(new, "ipv6", packet, str(source))
            back = readiness_reach.answer(rules, "ipv6", packet, str(source))
            worst = back if there.result == "accept" else there
            evidence.append(f"tcp {port} from {line(source)} ({variable}): {readiness_reach.rule(worst)}")
            if worst.result == "refuse":
                kept_out.append((variable, line(source)))
            elif worst.result == "depends":
                unsure.append(line(source))
    about: dict[str, t.Any] = {"service": "management", "address": host.spec["address"], "family": "ipv6"}
    if not asked:
        yield not_applicable("no source of the management is declared for IPv6", **about)
    elif kept_out:
        yield failed(
            f"the rules of IPv6 keep the management out of tcp port {port}: "
            f"{', '.join(source for _name, source in kept_out)}",
            evidence=tuple(evidence),
            variable=kept_out[0][0],
            fix="run the role ip6tables, which lets these sources in before anything is refused",
            **about,
        )
    elif unsure:
        yield unknown(
            f"whether the management gets in can't be told: {', '.join(unsure)}", evidence=tuple(evidence), **about
        )
    else:
        yield passed(f"the management gets in over IPv6, tcp port {port}", evidence=tuple(evidence), **about)


def _management_ipv4(host: Host) -> t.Iterator[Result]:
    """Who manages over IPv4 is declared nowhere: somebody must get in where that is how the host is reached."""
    about: dict[str, t.Any] = {"service": "management", "address": host.spec["ipv4"], "family": "ipv4"}
    if str(host.variables.get("ansible_host") or host.spec["ipv4"]) != host.spec["ipv4"]:
        yield not_applicable("the host is not managed by its IPv4 address", **about)
        return
    port = readiness_reach.management_port(host)
    packet = readiness_reach.packet(host, "ipv4", port)
    found = reach.reach([settled(text, "NEW") for text in readiness_reach.texts(host, "ipv4")], "ipv4", packet)
    if found.accepted:
        few = ", ".join(found.accepted[:3]) if found.refused else "everyone"
        yield passed(
            f"the management gets in over IPv4, tcp port {port}", evidence=(f"tcp {port} from {few}",), **about
        )
    elif found.depends:
        yield unknown(f"whether anybody gets in to tcp port {port} over IPv4 can't be told", **about)
    else:
        yield failed(
            f"the rules of IPv4 let nobody in to tcp port {port}, which is how the host is managed",
            evidence=(f"tcp {port} over IPv4: nobody",),
            variable="ansible_host",
            fix="let those in who manage the host, or reach it by its IPv6 address",
            **about,
        )
