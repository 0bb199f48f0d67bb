# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who decided which address of a name a host connects to, in sentences. Made of what ``destination_info`` found."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import (
    MAPPED,
    TABLES,
    Row,
    find,
    policy_table,
    read_prefix,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_order import (
    Decision,
    Pair,
    Place,
    decide,
    explained,
    glibc_places,
    merge_sort,
    rfc_places,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.source_address import (
    IPV4_SCOPES,
    Address,
    Policy,
    Source,
    common_prefix,
    read_address,
)

_PARTS = ("name", "port", "literal", "order", "problem", "sources", "gai_conf", "libc")
_UNSURE = "versions of glibc do not agree"  # so says the remark on a line that lacks a number


def destination_report(found: object) -> list[str]:
    """Return the order, what decided it, and whether the rules and getaddrinfo() agree."""
    if not isinstance(found, collections.abc.Mapping) or not all(part in found for part in _PARTS):
        raise RolloutError(
            f"_input: {shown(found)} is not what the module destination_info returns as destination_info"
        )
    try:
        return _report(found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise RolloutError(
            f"_input: {shown(found)} is not what the module destination_info returns; see {error}"
        ) from error


def _report(found: t.Mapping[str, t.Any]) -> list[str]:
    if found["problem"]:
        return [f"{found['problem']}, so no connection is made. Check the name, and the resolver of the host."]
    pairs, here, policy, why = gathered(found)
    places = glibc_places(pairs, policy, here)
    decisions = explained(places)
    agrees = all(decide(one, other)[0] for one, other in zip(places, places[1:], strict=False))
    lines = [f"{found['name']}, port {found['port']}, in the order of getaddrinfo() on this host:"]
    for index in range(len(decisions)):
        lines.append(f"{index + 1}. {_line(decisions, index, policy, why, agrees)}")
    lines += _first(decisions[0], why)
    if len(decisions) > 1:
        lines += _verdict(found, places, agrees)
        if agrees:
            lines += _by_the_rfc(pairs, places)
    return lines + _notes(found, decisions, here, policy)


def gathered(found: t.Mapping[str, t.Any]) -> tuple[list[Pair], list[Source], Policy, dict[str, str]]:
    """Return destinations with their sources, the addresses of the host, its policy, and why there is no source."""
    here = [_source(entry) for entry in found["sources"]]
    pairs, why = _pairs(found["order"], here)
    gai = found["gai_conf"]
    return pairs, here, Policy(policy_table(gai["rows"], "gai_conf.rows"), _scopes(gai["scopes"])), why


def _source(entry: t.Mapping[str, t.Any]) -> Source:
    address = read_address(f"{entry['address']}/{entry['length']}", "sources")
    return Source(
        address,
        deprecated=bool(entry["deprecated"]),
        temporary=bool(entry["temporary"]),
        home=bool(entry["home"]),
        tunnel=bool(entry["tunnel"]),
        peer=read_address(entry["peer"], "sources").number if entry["peer"] else None,
    )


def _pairs(order: t.Iterable[t.Mapping[str, t.Any]], here: list[Source]) -> tuple[list[Pair], dict[str, str]]:
    """Return the destinations with their sources, and by destination why there is none."""
    by_number = {source.address.number: source for source in reversed(here)}
    pairs: list[Pair] = []
    why = {}
    for entry in order:
        destination = read_address(entry["address"], "order")
        if entry["source"] is None:
            pairs.append((destination, None))
            why[destination.text] = str(entry["why"])
            continue
        address = read_address(entry["source"], "order")
        source = by_number.get(address.number) or Source(address)
        # The list of addresses has prefix lengths, the socket the zone.
        full = dataclasses.replace(source.address, text=address.text, zone=address.zone, mapped=address.mapped)
        pairs.append((destination, dataclasses.replace(source, address=full)))
    return pairs, why


def _scopes(rows: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[tuple[int, int, int], ...]:
    found = []
    for row in rows:
        first, length = read_prefix(row["prefix"], "gai_conf.scopes")
        found.append((first - MAPPED, length - 96, int(row["scope"])))
    return tuple(found) or IPV4_SCOPES


def _line(decisions: list[Decision], index: int, policy: Policy, why: dict[str, str], agrees: bool) -> str:
    decision = decisions[index]
    place = decision.place
    source = f"from {place.source.address.text}" if place.source else "from nowhere"
    head = f"{place.destination.text} {source}"
    if len(decisions) == 1:
        return f"{head}, the only address"
    other = decisions[index - 1 if index else 1].place
    upper, lower = (place, other) if index == 0 else (other, place)
    if not agrees and not decide(upper, lower)[0]:
        return f"{head}, against {decision.title} ({_because(decision.rule, lower, upper, policy, why)})"
    where = "before" if index == 0 else "behind"
    reason = _because(decision.rule, upper, lower, policy, why)
    return f"{head}, {where} {other.destination.text} by {decision.title} ({reason})"


def _because(rule: int, upper: Place, lower: Place, policy: Policy, why: dict[str, str]) -> str:
    """Say what of two places made the upper one better."""
    top, low = upper.destination.text, lower.destination.text
    source = {place: place.source.address.text if place.source else "" for place in (upper, lower)}
    if rule == 1:
        return f"no way to {low}: {why.get(low) or 'no source address'}"
    if rule == 2:
        return f"{low} has another scope than its source {source[lower]}"
    if rule == 3:
        return f"{source[lower]} is deprecated"
    if rule == 4:
        return f"{source[upper]} is a home address"
    if rule == 5:
        there, here = _label(policy, lower.destination), _label(policy, lower.source)
        return f"{low} has label {there}, its source {source[lower]} label {here}"
    if rule == 6:
        more, less = policy.row(upper.destination), policy.row(lower.destination)
        return f"{more.prefix} has precedence {more.precedence}, {less.prefix} has {less.precedence}"
    if rule == 7:
        return f"the way from {source[lower]} is encapsulated, or not known"
    if rule == 8:
        return f"{top} has the smaller scope"
    if rule == 9:
        return f"{_shared(upper)} bits in common with the source, against {_shared(lower)}"
    return "no rule makes a difference, so they are as the name service gave them"


def _label(policy: Policy, side: Address | Source | None) -> int | str:
    if side is None:
        return "none"
    return policy.row(side.address if isinstance(side, Source) else side).label


def _shared(place: Place) -> int:
    if place.merits[8] == 0 or place.source is None:
        return 0
    bits = common_prefix(place.destination.number, place.source.address.number)
    return bits - 96 if place.family == 4 else bits


def _first(decision: Decision, why: dict[str, str]) -> list[str]:
    place = decision.place
    if place.source:
        return [f"A connection takes {place.destination.text} first, from {place.source.address.text}."]
    reason = why.get(place.destination.text) or "no source address"
    return [f"No connection gets through: the host has no way to any of these addresses ({reason})."]


def _verdict(found: t.Mapping[str, t.Any], places: list[Place], agrees: bool) -> list[str]:
    if agrees:
        return ["The rules and getaddrinfo() agree on this order."]
    computed = merge_sort(places)
    lines = [
        "DIFFERENCE: the rules do not give the order that getaddrinfo() returned. They give "
        + ", ".join(place.destination.text for place in computed)
        + "."
    ]
    if not found["libc"]:
        lines.append("The reason: the C library of this host is not glibc, and sorts in its own way.")
    elif any(_UNSURE in remark for remark in found["gai_conf"]["remarks"]):
        lines.append(f"The reason may be a line of /etc/gai.conf on which the {_UNSURE}, see below.")
    else:
        lines.append(
            "The reason is not known. Perhaps addresses or routes changed while this was looked at, or"
            f" {found['libc']} does something that is not known here. Run it again."
        )
    return lines


def _by_the_rfc(pairs: list[Pair], places: list[Place]) -> list[str]:
    """Say where RFC 6724 itself, with its own table and the same sources, would take another address first."""
    strict = explained(merge_sort(rfc_places(pairs, Policy(TABLES["rfc6724"]))))
    first = strict[0]
    if first.place.destination == places[0].destination:
        return []
    return [f"RFC 6724 with its default table would take {first.place.destination.text} first ({first.title})."]


def _notes(found: t.Mapping[str, t.Any], decisions: list[Decision], here: list[Source], policy: Policy) -> list[str]:
    gai = found["gai_conf"]
    notes = []
    if found["literal"]:
        notes.append("This is an address and no name: there is nothing to choose from.")
    elif len({decision.place.family for decision in decisions}) == 1:
        family, other = ("IPv4", "AAAA") if decisions[0].place.family == 4 else ("IPv6", "A")
        notes.append(f"The name has {family} addresses only as this host sees it (no {other} record).")
    used = {d.place.source.address.text: d.place.source for d in decisions if d.place.source}
    notes += [_deprecated(used[text], here, policy) for text in sorted(used) if used[text].deprecated]
    if gai["replaced"]:
        notes.append(f"/etc/gai.conf replaces glibc's own table of: {', '.join(gai['replaced'])}.")
        if not gai["reload"]:
            notes.append("Programs that were started before /etc/gai.conf was changed go by what it said then.")
    if "label" in gai["replaced"] and _two_policies(policy, found.get("labels") or []):
        notes.append(
            "The labels of the kernel (ip addrlabel) are not those of /etc/gai.conf, so the kernel picks the source by"
            " another policy."
        )
    return notes + [str(remark) for remark in gai["remarks"]]


def _deprecated(used: Source, here: list[Source], policy: Policy) -> str:
    """Say why a deprecated source is taken."""
    address, reach = used.address, policy.scope(used.address)
    better = [
        one
        for one in here
        if one.address.ipv4 == address.ipv4 and policy.scope(one.address) == reach and not one.deprecated
    ]
    why = "a route or a rule names it" if better else "the kernel had no better source"
    return f"{address.text} is deprecated; {why}."


def _two_policies(policy: Policy, labels: t.Iterable[t.Mapping[str, t.Any]]) -> bool:
    """Say whether the kernel has other labels than glibc. It takes none for a part of IPv4."""
    kernel = [Row(str(row["prefix"]), 0, int(row["label"])) for row in labels]
    if not kernel:
        return False  # it has no IPv6
    kernel.append(Row("::/0", 0, -1))  # if it lacks it
    for prefix in dict.fromkeys(row.prefix for row in [*policy.rows, *kernel]):
        first, length = read_prefix(prefix, "labels")
        if length > 96 and first >> 32 == MAPPED >> 32:
            continue
        if find(policy.rows, first, length).label != find(kernel, first, length).label:
            return True
    return False
