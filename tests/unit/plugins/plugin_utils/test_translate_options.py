# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each option that is known: what it becomes, and that the kernel takes both forms."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import parse_rule
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate_matches, translate_targets
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate import ip6tables_rules
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.iptables_live import TOOLS, load, missing

ADDRESSES = {
    "192.0.2.1": "2001:db8::1",
    "192.0.2.2": "2001:db8::2",
    "192.0.2.3": "2001:db8::3",
    "192.0.2.0/24": "2001:db8:2::/64",
}
SETS = {"v4": "v6"}
VECTORS = Path(__file__).parents[2] / "vectors" / "iptables" / "options.tsv"


def rows() -> list[tuple[str, str, str, str]]:
    """Each row: table, chain, the IPv4 rule, the IPv6 rule."""
    found = []
    for line in VECTORS.read_text().splitlines()[1:]:
        table, chain, old, new = line.split("\t")
        found.append((table, chain, old, old if new == "=" else new))
    return found


RULES = rows()
IDS = [f"{chain} {old}"[:70] for _table, chain, old, _new in RULES]
USED = sorted({name for rule in RULES for name in re.findall(r" (--[a-z0-9-]+)", f" {rule[2]}")})

# Options that ask for what no machine of the tests has.
UNPROVEN = {"--selctx", "--save", "--map-set", "--path", "--label", "--nflog-range", "--ttl", "--ecn"} | {
    f"--{what}-{how}" for what in ("packets", "bytes") for how in ("eq", "lt", "gt")
}


def whole(rules: t.Iterable[tuple[str, str, str]]) -> str:
    """A rule set of rules with their tables and chains; each table has a chain named user."""
    tables: dict[str, list[str]] = {}
    for table, chain, rule in rules:
        tables.setdefault(table, []).append(f"-A {chain} {rule}\n")
    return "".join(f"*{table}\n:user - [0:0]\n{''.join(lines)}COMMIT\n" for table, lines in tables.items())


def refused(tool: str, numbers: list[int]) -> dict[int, str]:
    """Load many rules at once, and halves of them where that fails, until those are found that fail."""
    rules = [(*RULES[number][:2], RULES[number][3 if "6" in tool else 2]) for number in numbers]
    error = load(tool, whole(rules), ["v4", "v6"])
    if not error or len(numbers) == 1:
        return dict.fromkeys(numbers, error) if error else {}
    half = len(numbers) // 2
    return {**refused(tool, numbers[:half]), **refused(tool, numbers[half:])}


@pytest.mark.parametrize(("table", "chain", "old", "new"), RULES, ids=IDS)
def test_what_a_rule_becomes(table: str, chain: str, old: str, new: str) -> None:
    result = ip6tables_rules(whole([(table, chain, old)]), ADDRESSES, SETS, False)
    assert result["untranslated"] == []
    assert [line for line in result["rules"].splitlines() if line.startswith("-A")] == [f"-A {chain} {new}"]


@pytest.mark.parametrize(("tool4", "tool6"), list(zip(TOOLS[4], TOOLS[6])))
def test_both_families_take_it(tool4: str, tool6: str) -> None:
    for tool in (tool4, tool6):
        if why := missing(tool, "a"):
            pytest.skip(why)
    old, new = (refused(tool, list(range(len(RULES)))) for tool in (tool4, tool6))
    # What the kernel lacks, it lacks in IPv4 too.
    assert {IDS[number]: error for number, error in new.items() if number not in old} == {}
    if old:
        pytest.skip(f"this kernel does not take these IPv4 rules: {[IDS[number] for number in old]}")


def test_every_known_option_is_in_the_list() -> None:
    parts = (translate_matches.SAME, translate_matches.CHANGED, translate_targets.SAME, translate_targets.CHANGED)
    known = {name for part in parts for options in part.values() for name in options}
    assert known - set(USED) - {"--icmp-type"} == UNPROVEN - set(USED)
    modules = {match.module for rule in RULES for match in parse_rule(f"-A INPUT {rule[2]}").matches}
    assert set(translate_matches.SAME) - modules == {"icmp", "connlabel"}
    targets = {parse_rule(f"-A INPUT {rule[2]}").target for rule in RULES}
    assert set(translate_targets.SAME) - targets == {"SECMARK"}
