# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parity report in words: the message of an entry, the notes, and a table for the terminal."""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import texts
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES, INCOMPATIBLE, Step
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import IPV4, IPV6, Comparison, Fate
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted, printable

FEW = 3  # so many sources are named in a message
MARKS = {"same": "", "differs": "!", "unknown": "?"}
_WIDTH = ("nobody", "depends", "some", "all_but", "everyone")

Entry = t.Mapping[str, t.Any]


@functools.lru_cache(maxsize=4096)
def _listed(sources: Set, family: str) -> tuple[str, ...]:
    return texts(sources, family)


def listed(sources: Set, family: str) -> list[str]:
    """Return sources as prefixes and ranges."""
    return list(_listed(sources, family))


def few(sources: t.Sequence[str]) -> str:
    """Return the first sources, and how many more there are."""
    left = len(sources) - FEW
    return ", ".join(sources[:FEW]) + (f" and {left:,} more" if left > 0 else "")


def who(fate: Fate, family: str) -> str:
    """Return who is let in over one family: ``everyone but 192.0.2.7``."""
    if fate.who == "depends" and not fate.refused:
        return "undecided for everyone"
    undecided = f"undecided for {few(listed(fate.depends, family))}"
    if fate.who == "depends":
        return undecided
    sources = few(listed(fate.sources, family))
    told = {"some": sources, "all_but": f"everyone but {sources}"}.get(fate.who, fate.who)
    return f"{told} ({undecided})" if fate.depends else told


def message(entry: Entry, comparison: Comparison) -> str:
    """Return what an entry says, in one sentence; the family that lets in more comes first."""
    order = sorted(FAMILIES, key=lambda family: -_WIDTH.index(entry[family]["who"]))
    told = [entry[family]["text"] for family in order]
    name = f"{entry['protocol']} {entry['ports']}".strip()
    if told[0] == told[1]:
        text = f"{name}: {told[0]} over both"
    else:
        text = f"{name}: " + ", ".join(f"{one} over {FAMILIES[family]}" for one, family in zip(told, order))
    if comparison.missing:
        text += f"; not let in over IPv6: {few(listed(comparison.missing, IPV6))}"
    if comparison.extra:
        text += f"; let in over IPv6 only: {few(listed(comparison.extra, IPV6))}"
    if comparison.unseen:
        return text + "; not all rules are known"
    if comparison.verdict == "unknown":
        undecided = entry[IPV4]["depends"] or entry[IPV6]["depends"]
        text += "; " + ("the rules don't decide it" if undecided else "not known whether these are the same hosts")
    return text


def hidden(comments: t.Mapping[str, t.Sequence[str]]) -> list[str]:
    """Return what to say of tables that ``iptables-save`` could not print."""
    return [
        f"{name}: {line} What the rules in it do is not known; "
        "look with 'nft list ruleset', and keep them in a table of their own"
        for family, name in FAMILIES.items()
        for line in comments[family]
        if INCOMPATIBLE in line
    ]


def notes(
    policies: t.Mapping[str, t.Mapping[str, str]],
    empty: t.Sequence[str],
    steps: t.Mapping[str, t.Sequence[Step]],
    comments: t.Mapping[str, t.Sequence[str]],
) -> list[str]:
    """Return what a reader of the report should know beside its entries."""
    found = []
    for family in empty:
        exposed = policies[family]["INPUT"] == "ACCEPT"
        found.append(
            f"{FAMILIES[family]} has no rules at all"
            + (": everyone reaches every socket that listens on it" if exposed else "")
        )
    for chain, policy in policies[IPV4].items():
        other = policies[IPV6][chain]
        if policy != other:
            found.append(f"the policy of {chain} is {policy} over IPv4, and {other} over IPv6")
    for family, name in FAMILIES.items():
        found += [f"{name}: {line}" for line in comments[family]]
        doubts = dict.fromkeys((str(step), step.doubt) for step in steps[family] if step.doubt)
        found += [f"{name}: {rule}: it can't be told what {doubt} does" for rule, doubt in doubts]
    return found


def lines(report: Entry) -> list[str]:
    """Return the report as lines for the terminal."""
    summary = report["summary"]
    differs, unknown = summary["differs"], summary["unknown"]
    ranges, verb = counted(summary["entries"], "port range"), "differs" if differs == 1 else "differ"
    head = f"{ranges}: {differs:,} {verb}, {unknown:,} can't be compared"
    rows = [("", "PROTOCOL", "PORTS", "OVER IPV4", "OVER IPV6")]
    rows += [
        (MARKS[entry["verdict"]], entry["protocol"], entry["ports"] or "-", entry[IPV4]["text"], entry[IPV6]["text"])
        for entry in report["entries"]
    ]
    found = [head, ""]
    if len(rows) > 1:
        widths = [max(map(len, column)) for column in zip(*rows)]
        found += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    else:
        found.append("Nobody is let in.")
    if report["notes"]:
        found += ["", "Notes:", *(f"  * {printable(note)}" for note in report["notes"])]
    return found
