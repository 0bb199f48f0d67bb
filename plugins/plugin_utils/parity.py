# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in over IPv4, who over IPv6, and where that differs: the rules of both families, compared port by port."""

from __future__ import annotations

import collections.abc
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, hosts, view_of
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import ECHO, ICMP, PROTOCOLS, WITH_PORTS
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import PORTS, address_range, protocol_number
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import (
    FAMILIES,
    PortReach,
    RuleSet,
    Step,
    remarks,
    rule_texts,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils import parity_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Comparison, Fate, Twins, compare

IPV4, IPV6 = FAMILIES
_NAMES = {number: name for name, number in reversed(list(PROTOCOLS.items()))}

Found = t.Dict[str, t.List[PortReach]]


def firewall_parity(
    rules: object,
    addresses: object = None,
    trusted: object = None,
    interface: object = None,
    destinations: object = None,
    ports: object = None,
) -> dict[str, t.Any]:
    """Return the report, as the filter of the same name documents it.

    :param rules: what ``iptables-save`` and ``ip6tables-save`` print, by family
    :param addresses: the IPv6 address or prefix of each IPv4 source that has one
    :param trusted: sources of both families that are left out
    :param interface: where packets come in, one name or one by family; by default any but the loopback interface
    :param destinations: the host's own address by family; by default any that it has
    :param ports: the ports and ranges that are looked at; by default all
    :raises RolloutError: where an argument can't be understood
    """
    sets = _rule_sets(rules)
    apart = _trusted(trusted)
    everyone = {family: intervals.without(hosts(family), apart[family]) for family in FAMILIES}
    for family, left in everyone.items():
        if not left:
            raise RolloutError(f"trusted: {shown(trusted)} is all of {FAMILIES[family]}; name fewer sources")
    wanted = _ports(ports)
    protocols = _protocols(sets)
    own = _destinations(destinations)
    interfaces = _interfaces(interface)
    found: dict[str, Found] = {}
    steps: dict[str, list[Step]] = {}
    for family, rule_set in sets.items():
        packet = Packet("tcp", 0, interfaces[family], own[family])
        found[family], steps[family] = _found(rule_set, packet, protocols, wanted, everyone[family])
    twins = Twins(_addresses(addresses), everyone)
    comments = _comments(rules)
    hidden = parity_text.hidden(comments)
    entries = [
        _entry(protocol, low, high, fates, None if hidden else twins)
        for protocol in protocols
        for low, high, fates in _side_by_side(found[IPV4].get(protocol, []), found[IPV6].get(protocol, []))
    ]
    entries = [entry for entry in entries if any(entry[family]["who"] != "nobody" for family in FAMILIES)]
    policies = {family: _policies(rule_set) for family, rule_set in sets.items()}
    empty = [family for family, rule_set in sets.items() if not any(one.rules for one in rule_set.tables.values())]
    report = {
        "entries": entries,
        "differences": hidden + [entry["message"] for entry in entries if entry["differs"]],
        "policies": policies,
        "empty": empty,
        "notes": parity_text.notes(policies, empty, steps, comments),
        "summary": {
            "entries": len(entries),
            **{kind: sum(entry["verdict"] == kind for entry in entries) for kind in ("same", "differs", "unknown")},
        },
    }
    return {**report, "lines": parity_text.lines(report)}


# ------------------------------------------------------------------------------------------------- what the user wrote


def _rule_sets(rules: object) -> dict[str, RuleSet]:
    if not isinstance(rules, collections.abc.Mapping) or sorted(map(str, rules)) != sorted(FAMILIES):
        raise RolloutError(
            f"rules: {shown(rules)} is no dictionary of both families; write "
            "{ipv4: what iptables-save prints, ipv6: what ip6tables-save prints}"
        )
    return {family: RuleSet(rules[family], family) for family in FAMILIES}


def _comments(rules: object) -> dict[str, list[str]]:
    """What ``iptables-save`` says of rules that it does not print."""
    saved = t.cast("dict[str, object]", rules)
    return {family: [line for text in rule_texts(saved[family]) for line in remarks(text)] for family in FAMILIES}


def _listed(value: object) -> list[object]:
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _trusted(trusted: object) -> dict[str, Set]:
    found: dict[str, Set] = dict.fromkeys(FAMILIES, ())
    for text in _listed(trusted):
        family, part = _any_prefix(text, "trusted")
        found[family] = intervals.either(found[family], part)
    return found


def _any_prefix(value: object, what: str) -> tuple[str, Set]:
    for family in FAMILIES:
        part = address_range(value, family) if isinstance(value, str) else None
        if part is not None:
            return family, part
    raise RolloutError(f"{what}: {shown(value)} is no address or prefix; write one such as '2001:db8::/64' in quotes")


def _of_family(value: object, family: str, what: str) -> Set:
    found, part = _any_prefix(value, what)
    if found != family:
        raise RolloutError(f"{what}: {shown(value)} is no {FAMILIES[family]} address or prefix; correct it")
    return part


def _addresses(addresses: object) -> list[tuple[Set, Set]]:
    if addresses is None:
        return []
    if not isinstance(addresses, collections.abc.Mapping):
        raise RolloutError(f"addresses: {shown(addresses)} is no dictionary; write {{IPv4 address: IPv6 address}}")
    found = []
    for source, twin in addresses.items():
        parts = [_of_family(one, IPV6, f"addresses: {shown(source)}") for one in _listed(twin)]
        if not parts:
            raise RolloutError(f"addresses: {shown(source)} has no IPv6 address; give it one, or leave it out")
        found.append((_of_family(source, IPV4, "addresses"), intervals.union(parts)))
    return found


def _interfaces(interface: object) -> dict[str, str]:
    if not isinstance(interface, collections.abc.Mapping):
        interface = dict.fromkeys(FAMILIES, interface)
    elif not set(interface) <= set(FAMILIES):
        raise RolloutError(
            f"interface: {shown(interface)} has other keys than families; write {{ipv4: NAME, ipv6: NAME}}"
        )
    found = dict.fromkeys(FAMILIES, "")
    for family, name in interface.items():
        if name is not None and (not isinstance(name, str) or name == "lo"):
            raise RolloutError(f"interface: {shown(name)} is no interface to the outside; write one such as 'eth0'")
        found[family] = str(name or "")
    return found


def _destinations(destinations: object) -> dict[str, str]:
    found = dict.fromkeys(FAMILIES, "")
    if destinations is None:
        return found
    if not isinstance(destinations, collections.abc.Mapping) or not set(destinations) <= set(FAMILIES):
        raise RolloutError(
            f"destinations: {shown(destinations)} is no dictionary of families; write {{ipv4: ADDRESS, ipv6: ADDRESS}}"
        )
    for family, value in destinations.items():
        low, high, *more = _of_family(value, family, "destinations")
        if high - low != 1 or more:
            raise RolloutError(f"destinations: {shown(value)} is not one address; write the host's own")
        found[family] = str(value)
    return found


def _ports(ports: object) -> Set:
    if ports is None:
        return (1, PORTS)
    found: Set = ()
    for value in _listed(ports):
        words = str(value).split("-") if not isinstance(value, bool) else []
        numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 6]
        if len(numbers) != len(words) or len(words) not in (1, 2) or not 0 < numbers[0] <= numbers[-1] < PORTS:
            raise RolloutError(f"ports: {shown(value)} is no port or range; write numbers such as 22 or '8000-8099'")
        found = intervals.either(found, (numbers[0], numbers[-1] + 1))
    if not found:
        raise RolloutError(f"ports: {shown(ports)} names no port; leave it out for all ports")
    return found


# ------------------------------------------------------------------------------------------------- both families


def _protocols(sets: t.Mapping[str, RuleSet]) -> dict[str, dict[str, int]]:
    """Return the protocols that are looked at, by name, each with its number in both families."""
    named = set()
    for rule_set in sets.values():
        for table in rule_set.tables.values():
            for rule in table.rules:
                option = rule.basic("-p")
                number = protocol_number(option.value) if option else None
                if number and number < 256:
                    named.add(number)
    common = {PROTOCOLS["tcp"], PROTOCOLS["udp"], *ICMP.values()}
    other = max(set(range(256)) - named - common)
    found = {
        "tcp": dict.fromkeys(FAMILIES, PROTOCOLS["tcp"]),
        "udp": dict.fromkeys(FAMILIES, PROTOCOLS["udp"]),
        "icmp": ICMP,
    }
    for number in sorted(named - common):
        found[_NAMES.get(number, str(number))] = dict.fromkeys(FAMILIES, number)
    found["other"] = dict.fromkeys(FAMILIES, other)
    return found


def _found(
    rule_set: RuleSet, packet: Packet, protocols: t.Mapping[str, t.Mapping[str, int]], wanted: Set, sources: Set
) -> tuple[Found, list[Step]]:
    """Send packets of all protocols through the rules at once."""
    family = rule_set.family
    numbers = tuple(number[family] for number in protocols.values())
    view = view_of(packet, family)._replace(protocols=numbers)
    places: Set = ()
    for place, number in enumerate(numbers):
        if number in WITH_PORTS:
            part = wanted
        else:
            first = ECHO[family] if number == ICMP[family] else 0
            part = (first, first + 1)
        places = intervals.either(places, intervals.moved(part, PORTS * place))
    walk = rule_set.walk(view, [(places, sources)])
    names = dict(zip(numbers, protocols))
    found: Found = {}
    for number, fate in walk.port_reach():
        if number not in WITH_PORTS:
            fate = fate._replace(low=0, high=0)
        found.setdefault(names[number], []).append(fate)
    return found, walk.steps


def _side_by_side(
    one: t.Sequence[PortReach], other: t.Sequence[PortReach]
) -> t.Iterator[tuple[int, int, dict[str, Fate]]]:
    """Yield the largest port ranges in which neither family changes. Both cover the same ports."""
    first = second = 0
    while first < len(one) and second < len(other):
        low = max(one[first].low, other[second].low)
        high = min(one[first].high, other[second].high)
        yield low, high, {IPV4: Fate(*one[first][2:]), IPV6: Fate(*other[second][2:])}
        first, second = first + (one[first].high == high), second + (other[second].high == high)


def _entry(protocol: str, low: int, high: int, fates: dict[str, Fate], twins: Twins | None) -> dict[str, t.Any]:
    """Compare both families; without twins nothing can be compared, since there are rules that nobody has seen."""
    comparison = compare(fates, twins) if twins else Comparison("unknown", unseen=True)
    ports = (str(low) if low == high else f"{low}-{high}") if high else ""
    entry: dict[str, t.Any] = {"protocol": protocol, "ports": ports}
    for family, fate in fates.items():
        entry[family] = {
            "who": fate.who,
            "sources": parity_text.listed(fate.sources, family),
            "depends": parity_text.listed(fate.depends, family),
            "text": parity_text.who(fate, family),
        }
    entry["verdict"] = comparison.verdict
    entry["differs"] = comparison.verdict != "same"
    entry["message"] = parity_text.message(entry, comparison)
    return entry


def _policies(rule_set: RuleSet) -> dict[str, str]:
    return {chain: rule_set.policy("filter", chain) for chain in ("INPUT", "FORWARD", "OUTPUT")}
