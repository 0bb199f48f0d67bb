# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the rules are: no traceback, no rule lost, none in both places, and a result that the kernel takes."""

from __future__ import annotations

import os
import random
import re
import typing as t
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option, Rule, parse_rule
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate, translate_read
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import Addresses
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.iptables_live import TOOLS, load, missing

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
ROWS = [
    line.split("\t")[:3]
    for line in (Path(__file__).parents[2] / "vectors" / "iptables" / "options.tsv").read_text().splitlines()[1:]
]
PLACES: dict[tuple[str, str], list[Rule]] = {}
for _table, _chain, _rule in ROWS:
    PLACES.setdefault((_table, _chain), []).append(parse_rule(f"-A {_chain} {_rule}"))
REFUSED = [
    parse_rule(f"-A INPUT {rule}")
    for rule in (
        "-p igmp",
        "-f",
        "-p icmp -m icmp --icmp-type 13",
        "-m addrtype --dst-type BROADCAST",
        "-m conntrack --ctstate DNAT -j DROP",
        "-m u32 --u32 0=1",
        "-m recent --set --mask 255.255.0.0 --name q",
    )
]
ICMP = ("3", "8", "3/4", "11", "12/0", "any", "0", "9")
SOURCES = (
    "192.0.2.1/32",
    "192.0.2.0/24",
    "198.51.100.0/24",
    "203.0.113.5/32",
    "10.0.0.0/8",
    "127.0.0.0/8",
    "224.0.0.0/4",
)
ADDRESSES = {
    "192.0.2.1": "2001:db8::1",
    "192.0.2.2": "2001:db8::2",
    "192.0.2.3": "2001:db8::3",
    "192.0.2.0/24": "2001:db8:2::/64",
    "198.51.100.0/24": ["2001:db8:51::/64", "2001:db8:52::/64"],
}
WORDS = sorted(
    {word for row in ROWS for word in row[2].split(" ")} | {"!", "-m", "-j", "-f", "-g", "''", '"', "-4", ","}
)


def composed(choice: random.Random) -> tuple[str, str]:
    """A table and a rule in it, put together of parts that stand in the same chain."""
    table, chain = choice.choice(list(PLACES))
    parts = choice.sample(PLACES[table, chain], min(choice.randint(1, 4), len(PLACES[table, chain])))
    if choice.random() < 0.1:
        parts.append(choice.choice(REFUSED))
    packet: dict[str, Option] = {}
    for name in ("-s", "-d"):
        if choice.random() < 0.3:
            packet[name] = Option(name, (choice.choice(SOURCES),), choice.random() < 0.2)
    matches: dict[str, Match] = {}
    target, target_options = "", ()
    for part in parts:
        protocol = part.basic("-p")
        if protocol and packet.get("-p", protocol) != protocol:
            continue
        for match in part.matches:
            if match.module:
                matches.setdefault(match.module, match)
            else:
                packet.update({option.name: option for option in match.options if option.name != "--dport"})
        target, target_options, goto = part.target, part.target_options, part.goto
    if "-p" not in packet and choice.random() < 0.2:
        packet["-p"] = Option("-p", ("icmp",))
        matches["icmp"] = Match("icmp", (Option("--icmp-type", (choice.choice(ICMP),), choice.random() < 0.1),))
    return table, str(Rule(chain, (Match("", tuple(packet.values())), *matches.values()), target, goto, target_options))


def whole(rules: t.Iterable[tuple[str, str]]) -> str:
    tables: dict[str, list[str]] = {}
    for table, rule in rules:
        tables.setdefault(table, []).append(rule + "\n")
    return "".join(f"*{table}\n:user - [0:0]\n{''.join(lines)}COMMIT\n" for table, lines in tables.items())


def accounted(text: str) -> None:
    """Each rule is in one place, and the result is what all of them became."""
    result = translate.ip6tables_rules(text, ADDRESSES, {"v4": "v6"}, False)
    made: list[str] = []
    refused = 0
    for name, parsed in translate_read.read(text).items():
        outcomes = translate.outcomes_of(name, parsed, Addresses(ADDRESSES), {"v4": "v6"})
        assert len(outcomes) == len(parsed.text.rules)
        for outcome in outcomes:
            assert bool(outcome.rules) != bool(outcome.reason)
            refused += bool(outcome.reason)
            made += outcome.rules
    assert len(result["untranslated"]) == refused
    found = [line for line in result["rules"].splitlines() if line.startswith("-A ")]
    assert sorted(found) == sorted(made)
    assert not any(re.search(" -p icmp( |$)| -m (icmp|ttl) ", line) for line in found)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_rules_of_the_grammar(choice: random.Random) -> None:
    accounted(whole([composed(choice) for _number in range(5)]))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=12), max_size=4))
def test_words_in_any_order(lines: list[list[str]]) -> None:
    """Rules of known and unknown words, right or wrong."""
    text = "".join(f"-A INPUT {' '.join(words)}\n" for words in lines)
    try:
        accounted(text)
    except RolloutError as error:
        assert "; " in str(error)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.text(),
    st.dictionaries(st.text(max_size=8) | st.integers(), st.text(max_size=8) | st.none() | st.lists(st.integers())),
)
def test_anything_ends_in_a_result_or_in_an_error_for_the_user(text: str, addresses: dict[t.Any, t.Any]) -> None:
    for given_addresses, start in (({}, "rules: "), (addresses, "addresses: ")):
        try:
            translate.ip6tables_rules(text if given_addresses is not addresses else "", given_addresses)
        except RolloutError as error:
            assert str(error).startswith(start)


def refused_by(tool: str, rules: list[tuple[str, str]], numbers: list[int]) -> set[int]:
    """Load many rules at once, and halves of them where that fails, until those are found that fail."""
    if not load(tool, whole(rules[number] for number in numbers), ["v4", "v6"]):
        return set()
    if len(numbers) == 1:
        return set(numbers)
    half = len(numbers) // 2
    return refused_by(tool, rules, numbers[:half]) | refused_by(tool, rules, numbers[half:])


@pytest.mark.parametrize(("tool4", "tool6"), list(zip(TOOLS[4], TOOLS[6])))
def test_what_comes_of_valid_rules_loads(tool4: str, tool6: str) -> None:
    """At most some hundred loads: rules that IPv4 does not take are found first, and left out."""
    for tool in (tool4, tool6):
        if why := missing(tool, "a"):
            pytest.skip(why)
    choice = random.Random(6)
    rules = [composed(choice) for _number in range(min(EXAMPLES, 2000))]
    wrong = refused_by(tool4, rules, list(range(len(rules))))
    valid = [rule for number, rule in enumerate(rules) if number not in wrong]
    assert len(valid) > len(rules) / 3
    text = translate.ip6tables_rules(whole(valid), ADDRESSES, {"v4": "v6"})["rules"]
    assert text.count("\n-A ") > len(valid) / 2
    error = load(tool6, text, ["v4", "v6"])
    assert error == "", [line for number, line in enumerate(text.splitlines(), 1) if f"line {number} " in error]
