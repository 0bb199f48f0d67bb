# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F05 to F07: the ICMPv6 messages that a host needs, Packet Too Big, and extension headers."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_firewall_packets import FAR, Message, Rules
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Data,
    Host,
    Result,
    Site,
    failed,
    passed,
    probe,
    probe_id,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host

MTU = 1280
ANYBODY = "2001:db8:ffff::77"  # a source like any other
NEIGHBOUR = "fe80::1"
ALL_NODES, ALL_ROUTERS, ALL_REPORTS = "ff02::1", "ff02::2", "ff02::16"
RELATED, NEW, ESTABLISHED, UNTRACKED = "RELATED", "NEW", "ESTABLISHED", "UNTRACKED"


class Needed(t.NamedTuple):
    """A message that must get in: errors belong to a connection; the kernel tracks no messages of the link."""

    type: int
    code: int
    name: str
    state: str
    hops: int = FAR
    source: str = ANYBODY
    destination: str = ""  # the host's own address


NEEDED = (
    Needed(1, 0, "destination unreachable", RELATED),
    Needed(2, 0, "packet too big", RELATED),
    Needed(3, 0, "time exceeded", RELATED),
    Needed(4, 1, "parameter problem, unknown header", RELATED),
    Needed(4, 2, "parameter problem, unknown option", RELATED),
    Needed(128, 0, "echo request", NEW),
    Needed(129, 0, "echo reply", ESTABLISHED),
    Needed(130, 0, "multicast listener query", UNTRACKED, 1, NEIGHBOUR, ALL_NODES),
    Needed(131, 0, "multicast listener report", UNTRACKED, 1, NEIGHBOUR, ALL_NODES),
    Needed(132, 0, "multicast listener done", UNTRACKED, 1, NEIGHBOUR, ALL_ROUTERS),
    Needed(133, 0, "router solicitation", UNTRACKED, 255, NEIGHBOUR, ALL_ROUTERS),
    Needed(134, 0, "router advertisement", UNTRACKED, 255, NEIGHBOUR, ALL_NODES),
    Needed(135, 0, "neighbour solicitation", UNTRACKED, 255, NEIGHBOUR),
    Needed(136, 0, "neighbour advertisement", UNTRACKED, 255, NEIGHBOUR),
    Needed(143, 0, "multicast listener report 2", UNTRACKED, 1, NEIGHBOUR, ALL_REPORTS),
)

WORDS = {
    "routing_header_0": "a routing header of type 0 (RFC 5095)",
    "overlapping": "overlapping fragments (RFC 5722)",
    "tiny_first": "a first fragment without its headers (RFC 7112)",
    "unknown_header": "an unknown next header (RFC 8200)",
}


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return the probes: an echo request, one with packets that are too big, and one with odd headers."""
    found = []
    for host in site.hosts.values():
        told = {"address": host.spec["address"], "source": str(site.lab.get("outside_source") or "")}
        found += [
            probe(("firewall", host.name, "ping", "ipv6"), "ping", "ipv6", **told),
            probe(("firewall", host.name, "mtu", "ipv6", str(MTU)), "mtu", "ipv6", mtu=MTU, **told),
            probe(("firewall", host.name, "extension", "ipv6"), "extension", "ipv6", **told),
        ]
    return found


# ---------------------------------------------------------------------------------------------------------- F05


@of_host
def messages(host: Host, site: Site) -> t.Iterator[Result]:
    """F05: the rules let in what RFC 4890 asks for, and an echo request from outside is answered."""
    about: dict[str, t.Any] = {"address": host.spec["address"], "family": "ipv6"}
    why = readiness_reach.unseen(host, "ipv6")
    if host.look is None or why:
        yield unknown(f"the rules of IPv6 are not known: {host.why or why or 'the host was not looked at'}", **about)
        return
    refused, unsure, evidence = _sorted(host)
    if refused:
        yield failed(
            f"the rules of IPv6 refuse ICMPv6 that the host needs: {', '.join(refused)}",
            evidence=evidence,
            variable="ip6tables_state",
            fix="let these types in before anything is refused: the role ip6tables does (chain ROLLOUT-ICMPV6)",
            **about,
        )
    elif unsure:
        yield unknown(
            f"whether these ICMPv6 messages get in can't be told: {', '.join(unsure)}", evidence=evidence, **about
        )
    else:
        yield _answered(host, site, about)


def _sorted(host: Host) -> tuple[list[str], list[str], tuple[str, ...]]:
    """Return the messages that the rules refuse, those that depend, and the rules that say so."""
    texts, own = readiness_reach.texts(host, "ipv6"), readiness_reach.own_address(host, "ipv6")
    refused, unsure, evidence = _by_rules(texts, readiness_reach.device(host, "ipv6"), own)
    doubt = readiness_reach.maybe_refused(host, "ipv6")
    return list(refused), [*unsure, *([doubt] if doubt and not refused else [])], evidence


@functools.lru_cache(maxsize=512)
def _by_rules(
    texts: tuple[str, ...], interface: str, own: str
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    rules = Rules(texts, interface)
    refused: list[str] = []
    unsure: list[str] = []
    evidence = []
    for one in NEEDED:
        verdict = rules.verdict(Message(one.type, one.code, one.source, one.destination or own), one.state, one.hops)
        if verdict.result == "accept":
            continue
        name = f"type {one.type}{f'/{one.code}' if one.type == 4 else ''} ({one.name})"
        sure = verdict.result == "refuse" and not (one.destination and rules.of_groups)
        (refused if sure else unsure).append(name)
        evidence.append(f"{name}: {readiness_reach.rule(verdict)}")
    return tuple(refused), tuple(unsure), tuple(evidence)


def _answered(host: Host, site: Site, about: dict[str, t.Any]) -> Result:
    parts = ("firewall", host.name, "ping", "ipv6")
    proof, why = site.told(*parts)
    if proof is None:
        return unknown(f"no echo request was sent from outside: {why}", **about)
    told = line(proof.get("evidence") or "")
    if proof["ok"]:
        return passed(
            "the rules let in the ICMPv6 messages of RFC 4890, and an echo request from outside is answered",
            evidence=(f"probe: ping {host.spec['address']}: answered",),
            **about,
        )
    ports = site.proof("firewall", host.name, "ports", "ipv6") or {}
    seen = ports.get("seen") or {}
    if seen.get("open") or seen.get("closed"):
        return failed(
            "the rules of the host let an echo request in and TCP gets through, but nobody answers it: ICMPv6 is "
            "filtered on the way",
            evidence=(f"probe: ping {host.spec['address']}: {told}",),
            variable="ipv6_gateway",
            fix="let ICMPv6 through the filters in front of the host (RFC 4890, section 4.3.1)",
            **about,
        )
    return unknown("an echo request is not answered, nor does TCP get through: the host is not reached", **about)


# ----------------------------------------------------------------------------------------------- F06 and F07


def _seen(site: Site, *parts: str) -> tuple[Data, str]:
    """Return what a probe saw, or why it saw nothing."""
    proof = site.proof(*parts)
    if proof is None:
        return {}, site.no_proof(*parts)
    seen = proof.get("seen")
    if not isinstance(seen, dict) or not seen:
        return {}, line(proof.get("evidence") or f"the probe {probe_id(*parts)} saw nothing")
    return seen, line(seen.get("problem") or "")


@of_host
def too_big(host: Host, site: Site) -> t.Iterator[Result]:
    """F06: after Packet Too Big the host sends smaller packets."""
    about: dict[str, t.Any] = {"address": host.spec["address"], "family": "ipv6"}
    seen, why = _seen(site, "firewall", host.name, "mtu", "ipv6", str(MTU))
    if why:
        yield unknown(f"no Packet Too Big could be tried: {why}", **about)
    elif not seen.get("replied_before"):
        yield unknown("the host answers no echo request of 1500 octets, so nothing could be too big", **about)
    elif seen.get("replied_after") and 0 < int(seen.get("after") or 0) <= MTU:
        yield passed(
            f"after Packet Too Big for {MTU} octets the host answers in pieces that fit",
            # How large they were before depends on whether an audit has said so in the last ten minutes.
            evidence=(f"the largest packet afterwards: {line(seen.get('after'))} octets",),
            **about,
        )
    else:
        after = f"{line(seen.get('after'))} octets" if seen.get("replied_after") else "no answer"
        evidence = [f"the largest packet afterwards: {after}"]
        if host.look is not None and not readiness_reach.unseen(host, "ipv6"):
            rules = Rules(readiness_reach.texts(host, "ipv6"), readiness_reach.device(host, "ipv6"))
            own = readiness_reach.own_address(host, "ipv6")
            verdict = rules.verdict(Message(2, 0, ANYBODY, own), RELATED, FAR)
            evidence.append(f"IPv6, type 2: {verdict.result} by {readiness_reach.rule(verdict)}")
        yield failed(
            f"the host goes on with packets that are too big after Packet Too Big for {MTU} octets: behind a tunnel "
            "its large answers get lost",
            evidence=tuple(evidence),
            variable="ip6tables_state",
            fix="let ICMPv6 type 2 in to the host (role ip6tables), and through the filters in front of it",
            **about,
        )


@of_host
def extension_headers(host: Host, site: Site) -> t.Iterator[Result]:
    """F07: what the standards forbid gets no answer, and valid fragments get one."""
    about: dict[str, t.Any] = {"address": host.spec["address"], "family": "ipv6"}
    seen, why = _seen(site, "firewall", host.name, "extension", "ipv6")
    if why:
        yield unknown(f"no extension headers could be tried: {why}", **about)
        return
    cases = {name: line(seen.get(name) or "not tried") for name in (*WORDS, "valid_fragments")}
    evidence = tuple(f"{name}: {told}" for name, told in cases.items())
    answered = [words for name, words in WORDS.items() if cases[name] == "answered"]
    valid = cases["valid_fragments"]
    untried = [name for name, told in cases.items() if told not in ("answered", "refused", "silent")]
    if answered:
        yield failed(
            f"the host answers {', '.join(answered)}",
            evidence=evidence,
            variable="ip6tables_state",
            fix="drop such packets (role ip6tables drops routing headers of type 0), and run a kernel of today",
            **about,
        )
    if not answered and untried:
        yield unknown(f"not all extension headers could be tried: {', '.join(untried)}", evidence=evidence, **about)
    elif valid == "answered" and not answered:
        yield passed("malformed extension headers get no answer, valid fragments do", evidence=evidence, **about)
    elif not answered and seen.get("echo") != "answered":
        yield unknown(
            "the host answers no echo request, so that what it makes of odd ones is not seen",
            evidence=evidence,
            **about,
        )
    elif not answered:
        yield failed(
            "the host answers an echo request and none in two valid fragments: large UDP answers to it get lost",
            evidence=evidence,
            variable="ip6tables_state",
            fix="let fragments in that are put together (connection tracking does that), and drop none on the way",
            **about,
        )
