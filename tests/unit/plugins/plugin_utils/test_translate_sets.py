# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule sets in the manner of the programs that write them: loaded, translated, accounted for, loaded again."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import parse_rule, parse_tables
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate, translate_read
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import Addresses
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.iptables_live import TOOLS, load, missing

VECTORS = Path(__file__).parents[2] / "vectors" / "iptables"
CASES: dict[str, dict[str, t.Any]] = json.loads((VECTORS / "cases.json").read_text())
TRANSLATED = [(name, tool) for name in CASES for tool in TOOLS[6]]


def text_of(name: str) -> str:
    return (VECTORS / f"{name}.rules").read_text()


def as_saved(name: str) -> str:
    """The rule set as iptables-restore takes it, which knows -P and -N as little as single quotes."""
    lines = []
    for line in text_of(name).splitlines():
        line = re.sub(r"^-P (\S+) (\S+)$", r":\1 \2 [0:0]", line)
        lines.append(re.sub(r"^-N (\S+)$", r":\1 - [0:0]", line).replace("'rdp: '", '"rdp: "'))
    text = "\n".join(lines) + "\n"
    return text if "COMMIT" in text else f"*filter\n{text}COMMIT\n"


def sets_of(text: str) -> list[str]:
    return sorted(set(re.findall(r"--(?:match|add|del)-set (\S+)", text)))


def skip_without(tool: str, sets: t.Sequence[str]) -> None:
    why = missing(tool) or (missing(tool, "a") if sets else "")
    if why:
        pytest.skip(why)


def test_every_rule_set_is_a_case() -> None:
    assert sorted(CASES) == sorted(path.stem for path in VECTORS.glob("*.rules"))
    assert len(CASES) >= 12


@pytest.mark.parametrize(("name", "tool"), [(name, tool) for name in CASES for tool in TOOLS[4]])
def test_the_input_is_a_valid_rule_set(name: str, tool: str) -> None:
    text = as_saved(name)
    skip_without(tool, sets_of(text))
    assert load(tool, text, sets_of(text)) == ""


@pytest.mark.parametrize("name", CASES)
def test_every_rule_is_in_the_result_or_in_the_report(name: str) -> None:
    given = CASES[name]
    result = translate.ip6tables_rules(text_of(name), **given)
    lines = [re.sub(r"^\[\d+:\d+\] ", "", line) for line in text_of(name).splitlines()]
    rules = [line for line in lines if line.startswith("-A ")]
    reported = [entry["rule"] for entry in result["untranslated"]]
    assert all(entry["reason"] for entry in result["untranslated"])
    place = -1
    for rule in reported:  # in the order of the input
        place = rules.index(rule, place + 1)
    made: list[str] = []
    outcomes = [
        outcome
        for table, parsed in translate_read.read(text_of(name)).items()
        for outcome in translate.outcomes_of(table, parsed, Addresses(given.get("addresses")), given.get("sets", {}))
    ]
    for outcome in outcomes:
        assert bool(outcome.rules) != bool(outcome.reason), outcome
        made += outcome.rules
    assert len(outcomes) == len(rules)
    found = [line for line in result["rules"].splitlines() if line.startswith("-A ") and "NEEDED-ICMPV6" not in line]
    found = [line for line in found if "ipv6.rollout: DHCPv6" not in line]
    assert sorted(found) == sorted(made)


@pytest.mark.parametrize("name", CASES)
def test_the_result_holds_nothing_of_ipv4(name: str) -> None:
    rules = translate.ip6tables_rules(text_of(name), **CASES[name])["rules"]
    assert not re.search(
        r"\b\d+\.\d+\.\d+\.\d+|-p (icmp|igmp) |-m icmp |--icmp-type|icmp-\w+-|-m ttl|^\*nat", rules, re.M
    )


@pytest.mark.parametrize(("name", "tool"), TRANSLATED)
def test_the_result_loads(name: str, tool: str) -> None:
    rules = translate.ip6tables_rules(text_of(name), **CASES[name])["rules"]
    skip_without(tool, sets_of(rules))
    assert load(tool, rules, sets_of(rules), "--test") == ""
    assert load(tool, rules, sets_of(rules)) == ""


@pytest.mark.parametrize("name", CASES)
def test_what_is_needed_comes_first_wherever_something_is_dropped(name: str) -> None:
    table = parse_tables(translate.ip6tables_rules(text_of(name), **CASES[name])["rules"])["filter"]
    for chain, needed in (("INPUT", "NEEDED-ICMPV6"), ("FORWARD", "NEEDED-ICMPV6-FWD"), ("OUTPUT", "NEEDED-ICMPV6")):
        rules = table.of(chain)
        drops = table.policies[chain] == "DROP" or any(
            rule.target in ("DROP", "REJECT") or rule.target in table.policies for rule in rules
        )
        jump = parse_rule(f"-A {chain} -p ipv6-icmp -j {needed}")
        assert (rules[:1] == [jump]) is drops
        assert jump not in rules[1:]
