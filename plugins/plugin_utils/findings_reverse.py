# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about reverse names: owners of PTR records, and the way from an address to its name and back."""

from __future__ import annotations

import collections
import re

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_report import Report, first_few
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import (
    ADDRESSES,
    Record,
    World,
    in_reverse_tree,
    is_host_name,
    parent,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.plugins.plugin_utils.two_way import unmatched

FULL6 = re.compile(r"(?:[0-9a-f]\.){32}ip6\.arpa\.", re.ASCII)
OCTET = re.compile(r"0|[1-9]\d{0,2}", re.ASCII)
NUMBER = re.compile(r"\d+", re.ASCII)
RANGE = re.compile(r"(\d{1,3})[/-](\d{1,2})", re.ASCII)  # RFC 2317, also with a hyphen, and RFC 4183


class Owners:
    """The owners of PTR records, and the addresses that they stand for."""

    def __init__(self, world: World, report: Report) -> None:
        self._world = world
        self._report = report
        # PTR records at wrong places, by target and family: the right ones are missing, which is the same defect.
        self.misplaced: collections.Counter[tuple[str, int]] = collections.Counter()
        # Where CNAME records of reverse names lead to: their targets may have any form (RFC 2317, section 5.2).
        self._led: dict[str, list[str]] = {}
        for name, node in world.data.items():
            if "CNAME" in node and in_reverse_tree(name):
                self._led.setdefault(node["CNAME"][0].data, []).append(name)

    def addresses(self, record: Record) -> list[str]:
        """Return the addresses that an owner stands for; report it where it stands for none."""
        name = record.name
        if FULL6.fullmatch(name):
            return [ipv6_text(int(name[62::-2], 16))]
        labels = name.split(".")[:-3]
        if labels[0] == "*" or any(label.startswith("_") for label in labels):
            return []  # a wildcard stands for many; underscores are for service discovery (RFC 6763, section 11)
        if name in self._led:
            return [text for above in self._led[name] for text in self.addresses(record._replace(name=above))]
        if name.endswith(".ip6.arpa."):
            self._six(record, labels)
            found = []
        else:
            found = self._four(record, labels)
        if not found:
            self.misplaced[record.data, 6 if name.endswith(".ip6.arpa.") else 4] += 1
        return found

    def _six(self, record: Record, labels: list[str]) -> None:
        wrong = [label for label in labels if not re.fullmatch("[0-9a-f]", label)]
        if wrong:
            text = f"{record.name} has the label {wrong[0]}, which is no single hexadecimal digit."
            self._report.add("label-no-nibble", record, text)
        else:
            check = "nibbles-too-many" if len(labels) > 32 else "nibbles-too-few"
            self._report.add(check, record, f"{record.name} has {len(labels)} digits and not 32.")

    def _four(self, record: Record, labels: list[str]) -> list[str]:
        middle = RANGE.fullmatch(labels[1]) if len(labels) > 1 else None
        if middle and OCTET.fullmatch(labels[0]):
            return self._classless(record, labels, int(middle[1]), int(middle[2]))
        wrong = [label for label in labels if not OCTET.fullmatch(label) or int(label) > 255]
        if wrong and NUMBER.fullmatch(wrong[0]):
            text = f"{record.name} has the label {wrong[0]}, which is no number from 0 to 255 as addresses have it."
            self._report.add("octet-wrong", record, text)
        elif wrong:
            text = f"{record.name} has the label {wrong[0]}, which is no number, and no CNAME record leads there."
            self._report.add("label-no-octet", record, text)
        elif len(labels) != 4:
            check = "octets-too-many" if len(labels) > 4 else "octets-too-few"
            self._report.add(check, record, f"{record.name} has {len(labels)} numbers and not four.")
        else:
            return [".".join(reversed(labels))]
        return []

    def _classless(self, record: Record, labels: list[str], first: int, length: int) -> list[str]:
        """Return the address of a name in a zone such as 0/25.2.0.192.in-addr.arpa., which a CNAME should lead to."""
        if len(labels) != 5 or not 25 <= length <= 31:
            return []
        octet = int(labels[0])
        if not first <= octet < first + (1 << (32 - length)):
            text = f"{record.name} lies outside of the addresses {first}/{length} that its zone is for."
            self._report.add("octet-outside-range", record, text)
            return []
        direct = ".".join([labels[0], *labels[2:], "in-addr.arpa."])
        if self._world.in_known_zone(direct) and self._world.node(direct) is None:
            text = f"{record.name} is not found: {direct} has no CNAME record that leads there."
            self._report.add("classless-without-cname", record, text)
        return [".".join([*reversed(labels[2:]), labels[0]])]


def check(world: World, report: Report, several: frozenset[str], not_public: set[str]) -> None:
    """Judge the reverse names, and compare them with the forward names."""
    forward: dict[tuple[str, str], Record] = {}
    pointers: dict[tuple[str, str], Record] = {}
    owners = Owners(world, report)
    for record, _cut in (*world.below_cut, *world.below_dname):
        if record.type == "PTR" and in_reverse_tree(record.name):
            owners.misplaced[record.data, 6 if record.name.endswith(".ip6.arpa.") else 4] += 1
    pointing: dict[str, list[tuple[str, str]]] = {}
    ipv4 = any(zone.endswith("in-addr.arpa.") for zone in world.apexes)
    servers = {record.data for record in world.records if record.type == "NS"}
    for name, node in world.data.items():
        backward = in_reverse_tree(name)
        ipv4 = ipv4 or name.endswith(".in-addr.arpa.")
        for kind in ADDRESSES & node.keys():
            if backward and name not in servers:
                for record in node[kind]:
                    text = f"{name} stands for an address and has an {kind} record itself."
                    report.add("address-in-reverse-zone", record, text)
            elif not backward:
                for record in node[kind]:
                    forward.setdefault((name, record.data), record)
        if backward and "PTR" in node:
            for record in node["PTR"]:
                for address in owners.addresses(record):
                    pair = (address, record.data)
                    pointers.setdefault(pair, record)
                    pointing.setdefault(address, []).append(pair)
    lonely, unconfirmed = unmatched(forward, pointers)
    bad = {pair for pair in unconfirmed if not _confirmed(world, report, pair, pointers[pair])}
    _without(world, report, lonely, forward, pointing.keys() | not_public, ipv4, owners.misplaced)
    for address, pairs in pointing.items():
        names = [target for _address, target in dict.fromkeys(pairs) if (address, target) not in bad]
        if len(names) > 1 and address not in several:
            record = pointers[address, names[0]]._replace(data="")
            report.add("several-ptr", record, f"{address} has {len(names)} PTR records: {first_few(sorted(names))}.")


def _confirmed(world: World, report: Report, pair: tuple[str, str], record: Record) -> bool:
    """Judge a PTR record whose target does not have its address."""
    address, target = pair
    if target.endswith(".arpa."):
        text = f"{address} has the name {target}, which ends in .arpa as if a final dot had been forgotten."
        report.add("ptr-target-in-arpa", record, text)
        return False
    if not is_host_name(target):
        report.add("ptr-target-no-host-name", record, f"{address} has the name {target}, which no host may have.")
        return False
    if not world.knows(target):
        return True
    if world.alias(target):
        text = f"{address} has the name {target}, which is an alias of {world.alias(target)}."
        report.add("ptr-to-alias", record, text)
        return False
    found = {item.data for item in world.addresses(target)}
    if address in found:
        return True
    if found:
        text = f"{address} has the name {target}, whose addresses are {first_few(sorted(found))}."
        report.add("ptr-not-confirmed", record, text)
    else:
        report.add("ptr-to-nothing", record, f"{address} has the name {target}, which has no address.")
    return False


def _without(
    world: World,
    report: Report,
    lonely: list[tuple[str, str]],
    forward: dict[tuple[str, str], Record],
    done: set[str],
    ipv4: bool,
    misplaced: collections.Counter[tuple[str, int]],
) -> None:
    """Judge the addresses that have no PTR record at all, each once."""
    names: dict[str, list[str]] = {}
    for name, address in lonely:
        if address not in done:
            names.setdefault(address, []).append(name)
    classless = _classless_zones(world)
    for address, found in names.items():
        family, number = any_address(address, "address")
        owner = name_of(family, number)
        if not world.knows(owner):
            for zone in classless.get(parent(owner), {}).get(number & 255, [])[:1]:
                owner = f"{number & 255}.{zone}"
        node = world.node(owner)
        if (family == 4 and not ipv4) or not world.knows(owner):
            continue
        # A wildcard has one name for all of its addresses (RFC 8501, section 2.2).
        answers = {record.data for record in node.get("PTR", ())} if node else set()
        if answers and (owner in world.data or not answers.isdisjoint(found)):
            continue
        if node and "CNAME" in node and not world.knows(world.end(owner)):
            continue  # RFC 2317: who has the zone that the CNAME record leads to has the PTR record
        excused = [name for name in found if misplaced[name, family]]
        if excused:
            misplaced[excused[0], family] -= 1
            continue
        check = "aaaa-without-ptr" if family == 6 else "a-without-ptr"
        text = f"{address} of {first_few(sorted(found))} has no PTR record."
        if answers:
            text = f"{text[:-1]} of its own, and a wildcard answers {first_few(sorted(answers))}."
        report.add(check, forward[min(found), address], text)


def _classless_zones(world: World) -> dict[str, dict[int, list[str]]]:
    """Return the classless zones, by the zone above them and the numbers that they are for."""
    found: dict[str, dict[int, list[str]]] = {}
    for zone in world.apexes:
        match = RANGE.fullmatch(zone.partition(".")[0])
        if match and zone.endswith(".in-addr.arpa.") and 25 <= int(match[2]) <= 31:
            first = int(match[1])
            for octet in range(first, min(256, first + (1 << (32 - int(match[2]))))):
                found.setdefault(parent(zone), {}).setdefault(octet, []).append(zone)
    return found


def wildcards(world: World, report: Report) -> None:
    """Judge what explicit names hide of wildcard PTR records (RFC 4592, section 4.2 and its empty non-terminals)."""
    wild = {name[2:]: node["PTR"][0] for name, node in world.data.items() if name.startswith("*.") and "PTR" in node}
    wild = {name: record for name, record in wild.items() if in_reverse_tree(f".{name}")}
    if not wild:
        return
    level_of: dict[str, str] = {}  # a level with a name below it -> the closest wildcard at or above it
    places = set(world.data) | {name for _zone, name in world.delegations}
    for name in places:
        path = []
        level = parent(name)
        while level and level not in level_of and level not in world.apexes:
            path.append(level)
            level = parent(level)
        nearest = level_of.get(level, level if level in wild else "")
        level_of.setdefault(level, nearest)
        for level in reversed(path):
            nearest = level if level in wild else nearest
            level_of[level] = nearest
    hidden: dict[str, list[str]] = {}
    for level, nearest in level_of.items():
        depth = 32 if level.endswith(".ip6.arpa.") else 4
        if nearest and level != nearest and level.count(".") - 2 < depth:
            hidden.setdefault(nearest, []).append(level)
    for nearest, levels in hidden.items():
        record = wild[nearest]
        levels.sort(key=lambda level: (level.count("."), level))
        text = f"{record.name} does not answer below {first_few(levels, 2)}, where there are names but no wildcard."
        report.add("wildcard-hidden", record, text)
