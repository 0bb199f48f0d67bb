# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPv4 rule set becomes an IPv6 one, rule by rule. What can't be translated is reported, never guessed.

Each rule ends in one of two ways: in one or more rules of the result, or in the report with the reason.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import (
    Rule,
    TableText,
    parse_rule,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate_read, translate_rule, translate_targets
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import Addresses
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_icmp import needed
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_options import BY_HAND
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import (
    Untranslatable,
)

Result = t.Dict[str, t.Any]

TRANSLATED = ("raw", "mangle", "filter", "security")

# Who writes chains into the table nat, by what the names of the chains begin with.
OWNERS = {
    "DOCKER": "docker",
    "KUBE-": "kube-proxy",
    "LIBVIRT_": "libvirt",
    "CNI-": "the container network",
    "cali-": "Calico",
}


class Outcome(t.NamedTuple):
    """What became of one rule: rules, or a reason why there are none."""

    number: int
    line: str
    rules: t.Tuple[str, ...]
    reason: str


def ip6tables_rules(text: object, addresses: object = None, sets: object = None, icmpv6: object = True) -> Result:
    """Translate what ``iptables-save`` or ``iptables -S`` printed.

    :returns: ``rules``, a text for ``ip6tables-restore``, and ``untranslated``, the rules that are not in it
    """
    if not isinstance(icmpv6, bool):
        raise RolloutError(f"icmpv6: {shown(icmpv6)} is neither true nor false; write one of them")
    tables = translate_read.read(text)
    known, names = Addresses(addresses), translate_read.sets(sets)
    rules: t.List[str] = []
    refused: t.List[Outcome] = []
    for name, table in tables.items():
        outcomes = outcomes_of(name, table, known, names)
        refused += [outcome for outcome in outcomes if outcome.reason]
        if name in TRANSLATED:
            rules += _table(name, table, [rule for outcome in outcomes for rule in outcome.rules], icmpv6)
    return {
        "rules": "".join(f"{line}\n" for line in rules),
        "untranslated": [{"rule": outcome.line, "reason": outcome.reason} for outcome in sorted(refused)],
    }


# ------------------------------------------------------------------------------------------------- rule by rule


def outcomes_of(
    name: str, table: translate_read.Parsed, addresses: Addresses, sets: t.Mapping[str, str]
) -> t.List[Outcome]:
    """Translate the rules of a table, each for itself."""
    found = []
    for (number, line), rule in zip(table.lines, table.text.rules):
        try:
            if name not in TRANSLATED:
                raise Untranslatable(_nat(rule) if name == "nat" else f"ip6tables has no table '{name}'; {BY_HAND}")
            if rule.chain not in table.text.policies:
                raise Untranslatable(
                    f"{rule.chain} is no chain of the table {name}; give what iptables-save printed, with its tables"
                )
            found.append(
                Outcome(number, line, tuple(translate_rule.translate(rule, table.text.policies, addresses, sets)), "")
            )
        except Untranslatable as refused:
            more = "" if name == "nat" and not _beside_nat(rule) else _consequence(rule, refused.empty)
            found.append(Outcome(number, line, (), refused.reason + more))
    return found


def _nat(rule: Rule) -> str:
    """Say why a rule of the table nat has no translation, and what to do instead."""
    if rule.target in translate_targets.NAT:
        return f"{rule.target}: {translate_targets.NAT[rule.target]}"
    for start, owner in OWNERS.items():
        if rule.chain.startswith(start) or rule.target.startswith(start):
            return f"address translation that {owner} keeps up itself; let it do so for IPv6, or leave the rule out"
    if _beside_nat(rule):
        return (
            f"the table nat is not translated, but {rule.target} does more than IPv6 does without; write it into the "
            "table mangle by hand, for new connections (-m conntrack --ctstate NEW), since nat sees no others"
        )
    return (
        "it is part of the address translation of IPv4 (table nat), which IPv6 does without; leave the rule out, and "
        "open what it leads to in the table filter"
    )


def _beside_nat(rule: Rule) -> bool:
    """Whether a rule of the table nat does something else than to translate, or to leave alone: marks, logs ..."""
    return rule.target in translate_targets.SAME and rule.target not in ("ACCEPT", "RETURN")


def _consequence(rule: Rule, empty: bool) -> str:
    """Say what IPv6 is like without a rule, where that is certain."""
    if empty:
        return " (no IPv6 packet is meant, so nothing is missing)"
    way = "out" if rule.chain == "OUTPUT" else "in"
    if rule.target == "ACCEPT":
        return f"; without it IPv6 lets {way} less than IPv4: what it accepts goes on to the next rules"
    if rule.target in ("DROP", "REJECT", "TARPIT"):
        return f"; without it IPv6 lets {way} more than IPv4: what it stops goes on to the next rules"
    if rule.target in ("LOG", "NFLOG", "ULOG", "TRACE", "AUDIT"):
        return "; without it less is logged, and nothing else changes"
    if rule.target in ("MARK", "CONNMARK"):
        return "; without it rules that ask for its mark take other packets than in IPv4"
    if rule.target == "RETURN":
        return f"; check the chain {rule.chain}, which goes on where IPv4 returns"
    if rule.target in translate_targets.SAME or not rule.target:
        return ""
    return f"; check the chain {rule.target}, which these packets don't reach without it"


# ------------------------------------------------------------------------------------------------- the result


def _table(name: str, table: translate_read.Parsed, rules: t.Sequence[str], icmpv6: bool) -> t.List[str]:
    """Return the lines of a translated table, with the ICMPv6 and DHCPv6 that it needs."""
    text = TableText(dict(table.text.policies), [parse_rule(rule) for rule in rules])
    front, more = needed(name, text) if icmpv6 else ({}, [])
    by_chain: t.Dict[str, t.List[str]] = {chain: [] for chain in text.policies}
    for chain, first in front.items():
        by_chain[chain] += first
    for line in [*rules, *more]:
        by_chain.setdefault(line.split(" ", 2)[1], []).append(line)
    return [
        f"*{name}",
        *(f":{chain} {text.policies.get(chain, '-')} [0:0]" for chain in by_chain),
        *(line for lines in by_chain.values() for line in lines),
        "COMMIT",
    ]
