# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F03 and F04: the rules of both families side by side.

A rollout often finds IPv4 without any rules and gives IPv6 a strict set. That is healthy: IPv6 may be stricter where
nobody is meant to get in. It is never healthy that IPv6 lets in more than IPv4 and nobody declared it.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, hosts, view_of
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_match import REFUSING
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import PORTS, address_range
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import PortReach, RuleSet
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    listener_reach,
    parity,
    readiness_reach,
    readiness_site,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Comparison, Fate, Twins, compare
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
    Data,
    Host,
    Result,
    Site,
    failed,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line, stable
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import plan_addresses

NEIGHBOURS = "fe80::/10"
DEEPEST = 16  # how deep iptables allows chains to lie in each other
SKIPPED = ("icmp",)  # F05 judges it: ICMPv6 is needed where ICMP is not
IPV4, IPV6 = FAMILIES


# ---------------------------------------------------------------------------------------------------------- F03


@functools.lru_cache(maxsize=512)
def _rules(texts: tuple[str, ...], family: str) -> RuleSet:
    """Read rules once for all hosts that have the same."""
    return RuleSet(texts, family)


@functools.lru_cache(maxsize=512)
def _widest(texts: tuple[str, ...], family: str, interface: str) -> PortReach:
    """Return what happens at the TCP ports that rules don't name: the widest range that is treated alike."""
    rules = _rules(texts, family)
    view = view_of(Packet("tcp", 0, interface), family)
    ranges = [reach for _number, reach in rules.walk(view, [((1, PORTS), hosts(family))]).port_reach()]
    return max(ranges, key=lambda one: one.high - one.low)


def _input(host: Host, family: str) -> str:
    """Return the default of INPUT: ``open``, ``closed``, or ``depends``."""
    told = _widest(readiness_reach.texts(host, family), family, readiness_reach.device(host, family))
    fate = Fate(*told[2:])
    if listener_reach.is_open(fate, family):
        return "open"
    return "depends" if fate.depends and not fate.refused else "closed"


def _forward(host: Host, family: str) -> str:
    """Return the default of FORWARD: by the end of the chain, or by its policy."""
    rules = _rules(readiness_reach.texts(host, family), family)
    closed = rules.policy("filter", "FORWARD") in ("DROP", "REJECT") or _closes(rules, "FORWARD", 0)
    return "closed" if closed else "open"


def _closes(rules: RuleSet, chain: str, depth: int) -> bool:
    """Whether a rule without any condition refuses what comes to it."""
    for rule in rules.chains("filter").get(chain, ()):
        if any(match.module != "comment" for match in rule.matches):
            continue
        if rule.target in REFUSING:
            return True
        if rule.target == "ACCEPT":
            return False
        if depth < DEEPEST and _closes(rules, rule.target, depth + 1):
            return True
    return False


@of_host
def defaults(host: Host, _site: Site) -> t.Iterator[Result]:
    """F03: what no rule names is refused over IPv6 where it is over IPv4, and IPv6 has rules at all."""
    about: dict[str, t.Any] = {"family": IPV6, "variable": "ip6tables_state"}
    why = readiness_reach.unseen(host, IPV6)
    if why:
        yield unknown(why, **about)
        return
    policies = {family: _policies(host, family) for family in FAMILIES if not readiness_reach.unseen(host, family)}
    evidence = tuple(f"{NAMES[family]}: {told}" for family, told in policies.items())
    doubt = readiness_reach.maybe_refused(host, IPV6)
    mine = _input(host, IPV6)
    if mine == "closed":
        yield passed("the rules of IPv6 refuse what they don't name", service="INPUT", evidence=evidence, family=IPV6)
    elif doubt or mine == "depends":
        yield unknown(
            "the rules of IPv6 let in what they don't name, unless something else refuses it: "
            f"{doubt or 'they depend'}",
            service="INPUT",
            evidence=evidence,
            fix="look with 'nft list ruleset'",
            **about,
        )
    else:
        yield from _open_input(host, evidence, about)
    yield from _open_forward(host, evidence, about, doubt)


def _open_input(host: Host, evidence: tuple[str, ...], about: dict[str, t.Any]) -> t.Iterator[Result]:
    empty = not any(table.rules for table in _rules(readiness_reach.texts(host, IPV6), IPV6).tables.values())
    reachable = any(
        entry["family"] == IPV6 and entry["scope"] == "global"
        for interface in (host.look or {})["interfaces"]
        for entry in interface["addresses"]
    )
    fix = "set the IPv6 rules before the host has an IPv6 address: role ip6tables, or the playbook rollout"
    if empty and reachable:
        yield failed(
            "IPv6 has no rules at all and the host has a global IPv6 address: everyone reaches every socket on it",
            service="INPUT",
            evidence=evidence,
            fix=fix,
            **about,
        )
    elif readiness_reach.unseen(host, IPV4):
        yield unknown(readiness_reach.unseen(host, IPV4), service="INPUT", evidence=evidence, **about)
    elif _input(host, IPV4) == "closed":
        yield failed(
            "the rules of IPv4 refuse what they don't name, and those of IPv6 let it in",
            service="INPUT",
            evidence=evidence,
            fix=fix,
            **about,
        )
    else:
        yield passed("IPv6 lets in what no rule names, as IPv4 does", service="INPUT", evidence=evidence, family=IPV6)


def _open_forward(host: Host, evidence: tuple[str, ...], about: dict[str, t.Any], doubt: str) -> t.Iterator[Result]:
    """Whether a router forwards over IPv6 what it does not over IPv4; a host that forwards nothing needs no rule."""
    forwards = str(((host.look or {}).get("sysctls") or {}).get("net.ipv6.conf.all.forwarding") or "0") != "0"
    if not forwards or readiness_reach.unseen(host, IPV4):
        return
    if _forward(host, IPV6) == "open" and _forward(host, IPV4) == "closed":
        make = unknown if doubt else failed
        yield make(
            "the host forwards IPv6, and lets everything through where IPv4 is refused"
            + (f"; {doubt}" if doubt else ""),
            service="FORWARD",
            evidence=evidence,
            fix="refuse what no rule names: role ip6tables, ip6tables_forward or ip6tables_routed_prefixes",
            **about,
        )
    else:
        yield passed("IPv6 is forwarded as strictly as IPv4", service="FORWARD", evidence=evidence, family=IPV6)


def _policies(host: Host, family: str) -> str:
    rules = _rules(readiness_reach.texts(host, family), family)
    told = ", ".join(f"policy of {chain} {rules.policy('filter', chain)}" for chain in ("INPUT", "FORWARD"))
    if not any(table.rules for table in rules.tables.values()):
        return f"{told}, no rules"
    return f"{told}, {'closed' if _input(host, family) == 'closed' else 'open'} to what no rule names"


# ---------------------------------------------------------------------------------------------------------- F04


class Sides(t.NamedTuple):
    """What the comparison of both families goes by."""

    everyone: t.Mapping[str, Set]
    twins: Twins
    trusted: list[str]


def _sides(host: Host, site: Site) -> Sides:
    """Leave out who gets in everywhere, and know which host of IPv4 is which of IPv6."""
    trusted = [str(one) for one in readiness_site.trusted(host, site)] + [NEIGHBOURS]
    apart = {family: intervals.union([address_range(one, family) or () for one in trusted]) for family in FAMILIES}
    everyone = {family: intervals.without(hosts(family), apart[family]) for family in FAMILIES}
    members = tuple((str(one.spec.get("ipv4") or ""), str(one.spec["address"])) for one in site.hosts.values())
    return Sides(everyone, Twins(_pairs(members), everyone), trusted)


@functools.lru_cache(maxsize=4)
def _pairs(members: tuple[tuple[str, str], ...]) -> list[tuple[Set, Set]]:
    """Return the IPv4 and IPv6 addresses of all hosts; each host of a site asks for the same."""
    fleet = {str(number): {"ipv4": old, "address": new} for number, (old, new) in enumerate(members)}
    return [
        (address_range(old, IPV4) or (), intervals.union([address_range(one, IPV6) or () for one in new]))
        for old, new in plan_addresses(fleet).items()
    ]


def _fate(entry: Data, family: str, everyone: Set) -> Fate:
    """Read back who is let in at a port range of the parity report."""
    told = entry[family]
    named = intervals.union([_range(text, family) for text in told["sources"]] or [()])
    depends = intervals.union([_range(text, family) for text in told["depends"]] or [()])
    accepted = {
        "everyone": everyone,
        "some": named,
        "all_but": intervals.without(everyone, named),
    }.get(told["who"], ())
    return Fate(accepted, intervals.without(intervals.without(everyone, accepted), depends), depends)


def _range(text: str, family: str) -> Set:
    first, dash, last = text.partition("-")
    low, high = address_range(first, family) or (), address_range(last if dash else first, family) or ()
    return (low[0], high[-1])


@of_host
def twins(host: Host, site: Site) -> t.Iterator[Result]:
    """F04: who gets in over IPv6 is who gets in over IPv4, or who is declared."""
    for family in FAMILIES:
        why = readiness_reach.unseen(host, family)
        if why:
            yield unknown(why, family=family, fix="run the audit as root (become)")
            return
    report = readiness_reach.report(host, site)
    found = list(_services(host, report))
    sides = _sides(host, site)
    ipv4, ipv6 = ((readiness_reach.texts(host, family), readiness_reach.device(host, family)) for family in FAMILIES)
    compared = _compared(*ipv4, *ipv6, tuple(sides.trusted))
    for entry in compared["entries"]:
        if entry["protocol"] not in SKIPPED and entry["verdict"] != "same":
            found += _entry(host, report, entry, sides)
    yield from readiness_reach.joined(found)
    if not found:
        yield passed(
            "over IPv6 nobody gets in who does not over IPv4 or is not declared, and who is meant gets in",
            evidence=tuple(
                line(
                    f"{entry['protocol']} {entry['ports']}: {entry[IPV4]['text']} over IPv4, {entry[IPV6]['text']} "
                    "over IPv6"
                )
                for entry in compared["entries"]
                if entry[IPV6]["who"] != "nobody"
            ),
        )


@functools.lru_cache(maxsize=512)
def _compared(ipv4: tuple[str, ...], way4: str, ipv6: tuple[str, ...], way6: str, trusted: tuple[str, ...]) -> Data:
    """Return the parity report; hosts with the same rules share it, so it must not be changed."""
    return parity.firewall_parity({IPV4: ipv4, IPV6: ipv6}, None, list(trusted), {IPV4: way4, IPV6: way6})


def _services(host: Host, report: Data) -> t.Iterator[Result]:
    """What the rules make of declared services: closed, or open to more than those who are meant."""
    management = readiness_reach.management_port(host)
    known = readiness_reach.stated(host)
    for finding in report["findings"]:
        place = (finding["protocol"], finding["port"])
        if finding["code"] not in ("closed", "too_open", "undecided") or place not in known:
            continue
        if place == ("tcp", management):
            continue  # L06 and F08
        doubt = readiness_reach.maybe_refused(host, IPV6) if finding["code"] == "too_open" else ""
        make = unknown if doubt or finding["code"] == "undecided" else failed
        yield make(
            line(finding["message"]) + (f"; {doubt}" if doubt else ""),
            service=known[place].name,
            address=line(finding["address"]),
            family="".join(family for family in FAMILIES if f"rules of {NAMES[family]}" in finding["message"]),
            evidence=stable(finding["evidence"]),
            variable="ipv6_services" if host.has(known[place].name) else "ipv6_listeners",
            fix=line(finding["remedy"]),
        )


def _entry(host: Host, report: Data, entry: Data, sides: Sides) -> t.Iterator[Result]:
    """Judge a port range at which both families differ."""
    fates = {family: _fate(entry, family, sides.everyone[family]) for family in FAMILIES}
    comparison = compare(fates, sides.twins)
    ports = _declared_ports(host, entry)
    about: dict[str, t.Any] = {
        "service": f"{entry['protocol']} {entry['ports']}".strip(),
        "family": IPV6,
        "variable": "ipv6_listeners",
        "evidence": tuple(f"{NAMES[family]}: {line(entry[family]['text'])}" for family in FAMILIES),
    }
    text = line(entry["message"])
    if _more(fates, comparison):
        if not str(entry["ports"]).isdecimal() and _input(host, IPV6) == "open":
            about["service"] = "what no rule names"  # all such ranges have one cause, see F03
        if not ports:
            doubt = readiness_reach.maybe_refused(host, IPV6)
            doubt = doubt or ("the rules of IPv4 don't decide" if fates[IPV4].depends else "")
            make = unknown if doubt else failed
            yield make(
                f"IPv6 lets in more than IPv4, and nobody declared it: {text}" + (f"; {doubt}" if doubt else ""),
                fix="give the rule of IPv6 the sources that the one of IPv4 has, or declare the port in ipv6_listeners",
                **about,
            )
    elif ports or not _asked(report, entry) or _input(host, IPV4) == "open":
        return  # what is declared is judged by its declaration; nobody misses what nothing listens on
    elif comparison.verdict == "differs" and _known_missing(fates, comparison, sides):
        yield failed(
            f"a rule of IPv4 has no twin in IPv6: {text}",
            fix="add the rule for IPv6 (filter ip6tables_rules), or declare the port in ipv6_listeners with "
            "families [ipv4]",
            **about,
        )
    elif comparison.verdict != "same":
        yield unknown(
            f"whether a rule of IPv4 needs a twin in IPv6 can't be told: {text}",
            fix="declare the port in ipv6_listeners: with its sources of IPv6, or with families [ipv4]",
            **about,
        )


def _more(fates: t.Mapping[str, Fate], comparison: Comparison) -> bool:
    """Whether somebody gets in over IPv6 who does not over IPv4."""
    mine, other = fates[IPV6], fates[IPV4]
    if not mine.accepted or other.who == "everyone":
        return False
    return bool(
        other.who == "nobody"
        or comparison.extra
        or (listener_reach.is_open(mine, IPV6) and not listener_reach.is_open(other, IPV4))
    )


def _known_missing(fates: t.Mapping[str, Fate], comparison: Comparison, sides: Sides) -> bool:
    """Whether somebody whose IPv6 address is known, or everyone, gets in over IPv4 alone."""
    mine, other = fates[IPV6], fates[IPV4]
    if comparison.missing or (listener_reach.is_open(other, IPV4) and not mine.accepted):
        return True
    return any(intervals.common(mine.refused, twin) for _source, twin in sides.twins.inside(other.accepted, IPV4))


def _declared_ports(host: Host, entry: Data) -> bool:
    """Whether all ports of a range are declared, or are the management's."""
    if not entry["ports"]:
        return False
    first, dash, last = str(entry["ports"]).partition("-")
    known = readiness_reach.known(host)
    return all((entry["protocol"], port) in known for port in range(int(first), int(last if dash else first) + 1))


def _asked(report: Data, entry: Data) -> bool:
    """Whether something listens in a range of ports: a rule for nothing needs no twin."""
    if not entry["ports"]:
        return False
    first, dash, last = str(entry["ports"]).partition("-")
    return any(
        row["protocol"] == entry["protocol"]
        and int(first) <= row["port"] <= int(last if dash else first)
        and row["ipv4"]["serves"]
        and not row["local"]
        and not row["client"]
        and not row["declared"]
        for row in report["sockets"]
    )
