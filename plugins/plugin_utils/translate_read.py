# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPv4 rule set read for its translation: what the user gave, checked, and each rule beside its line."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import (
    BUILT_IN,
    TableText,
    chain_policy,
    parse_rule,
    table_lines,
    words,
)

CHAIN = re.compile(r"[^\s\"'!:-][^\s\"']{0,27}")
SET = re.compile(r"[^\s\"'!-][^\s\"']{0,30}")
INCOMPATIBLE = re.compile(r"^\s*# Table [`']?([\w-]{1,32})'? is incompatible", re.M)
COUNTERS = ("-c", "--set-counters")


class Parsed(t.NamedTuple):
    """A table with each rule beside its line."""

    text: TableText
    lines: t.List[t.Tuple[int, str]]


def read(text: object) -> t.Dict[str, Parsed]:
    """Read the tables of a rule set. A chain that rules stand in, or that is built in, need not be declared."""
    if not isinstance(text, str):
        raise RolloutError(f"rules: {shown(text)} is no text; give what iptables-save printed")
    lost = INCOMPATIBLE.search(text)
    if lost:
        raise RolloutError(
            f"rules: the table {lost.group(1)} holds rules that only nft can show, and iptables-save leaves all of it "
            "out; translate by hand what 'nft list ruleset' prints, or move these rules into a table of another name"
        )
    tables: t.Dict[str, Parsed] = {}
    for number, (name, line) in enumerate(table_lines(str(text))):
        table = tables.setdefault(name, Parsed(TableText({}, []), []))
        if not line:
            continue
        if re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line):
            raise RolloutError(f"rules: {shown(line)} has a control character; give what iptables-save printed")
        declared = chain_policy(line)
        if declared:
            table.text.policies[declared[0]] = _policy(name, *declared, line)
            continue
        rule = parse_rule(line)
        if not CHAIN.fullmatch(rule.chain):
            raise RolloutError(f"rules: {shown(line)}: {shown(rule.chain)} is no name of a chain; correct the rule")
        table.text.rules.append(rule)
        table.lines.append((number, without_counters(line)))
    for name, table in tables.items():
        for chain in BUILT_IN.get(name, ()):
            table.text.policies.setdefault(chain, "ACCEPT")
        for rule in table.text.rules:
            if not any(rule.chain in chains for chains in BUILT_IN.values()):
                table.text.policies.setdefault(rule.chain, "-")
    return tables


def _policy(table: str, chain: str, policy: str, line: str) -> str:
    if not CHAIN.fullmatch(chain):
        raise RolloutError(
            f"rules: {shown(line)}: {shown(chain)} is no name of a chain; give what iptables-save printed"
        )
    right = ("ACCEPT", "DROP") if chain in BUILT_IN.get(table, ()) else ("-",)
    if table in BUILT_IN and policy not in right:
        raise RolloutError(
            f"rules: {shown(line)}: the policy of {chain} in the table {table} is {' or '.join(right)}; "
            "give what iptables-save printed"
        )
    return policy


def without_counters(line: str) -> str:
    """Take out the counters that ``iptables -S -v`` prints behind the matches."""
    parts = words(line)
    for place, word in enumerate(parts):
        if word in COUNTERS:
            return " ".join(parts[:place] + parts[place + 3 :])
    return line


def sets(given: object) -> t.Dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, t.Mapping):
        raise RolloutError(
            f"sets: {shown(given)} is no dictionary; write {{'name': 'name of the set of family inet6'}}"
        )
    for name, new in given.items():
        for value in (name, new):
            if not isinstance(value, str) or not SET.fullmatch(value):
                raise RolloutError(f"sets: {shown(name)}: {shown(value)} is no name of a set; write 1 to 31 characters")
    return {str(name): str(new) for name, new in given.items()}
