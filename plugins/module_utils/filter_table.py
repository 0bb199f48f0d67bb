# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter table as text in exactly the form in which ``ip6tables-save`` prints it: read, written, compared."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

BUILT_IN = ("INPUT", "FORWARD", "OUTPUT")


class Table(t.NamedTuple):
    """The filter table: built-in policies, all rules, and the names of the user chains."""

    policies: t.Dict[str, str]
    rules: t.List[str]
    chains: t.List[str]

    @property
    def text(self) -> str:
        """The table as ``ip6tables-restore`` takes it, in one form: chains by name, each with its rules in order.

        In which order the kernel lists user chains differs between back ends; only the order within a chain counts.
        """
        chains = sorted(self.chains)
        heads = [f":{chain} {self.policies[chain]} [0:0]" for chain in BUILT_IN]
        heads += [f":{chain} - [0:0]" for chain in chains]
        rules = [rule for chain in (*BUILT_IN, *chains) for rule in self.rules if chain_of(rule) == chain]
        return "\n".join(["*filter", *heads, *rules, "COMMIT"]) + "\n"


def chain_of(rule: str) -> str:
    """The chain that a rule stands in."""
    return rule.split(" ", 2)[1]


EMPTY = Table({"INPUT": "ACCEPT", "FORWARD": "ACCEPT", "OUTPUT": "ACCEPT"}, [], [])


def tables(saved: str) -> t.Dict[str, str]:
    """Split what ``ip6tables-save`` printed (or a rules file holds) into its tables, without comments and counters."""
    found: t.Dict[str, str] = {}
    lines: t.List[str] = []
    for line in saved.split("\n"):  # a comment may hold what else splits lines
        line = re.sub(r"^(:\S+ \S+) \[\d+:\d+\]$", r"\1 [0:0]", line.rstrip())
        line = re.sub(r"^\[\d+:\d+\] ", "", line)
        if "is incompatible, use 'nft' tool" in line:
            raise RolloutError(
                f"rules: {line.lstrip('# ')} It holds rules that only nft knows, and would lose them; give them a table"
                " of their own in nft, or delete it with 'nft delete table ip6 filter'"
            )
        if not line or line.startswith("#"):
            continue
        if line.startswith("*"):
            lines = []
        lines.append(line)
        if line == "COMMIT" and lines[0].startswith("*"):
            found[lines[0][1:]] = "\n".join(lines) + "\n"
    return found


def parse(text: str) -> Table:
    """Read a filter table; an empty text is the table that a kernel without rules has."""
    policies = dict(EMPTY.policies)
    rules: t.List[str] = []
    chains: t.List[str] = []
    for line in text.split("\n"):
        if line.startswith(":"):
            chain, standing = line[1:].split()[:2]
            if standing == "-":
                chains.append(chain)
            else:
                policies[chain] = standing
        elif line.startswith("-A "):
            rules.append(line)
    return Table(policies, rules, chains)


def normal(saved: str) -> str:
    """Return the filter table out of a saved text, in the one form; an empty text where there is none."""
    text = tables(saved).get("filter", "")
    return parse(text).text if text else ""


def difference(before: str, after: str) -> t.List[str]:
    """The lines that go (-) and come (+), in the order of the two texts."""
    old, new = before.split("\n"), after.split("\n")
    old_set, new_set = set(old), set(new)
    return [f"- {line}" for line in old if line not in new_set] + [f"+ {line}" for line in new if line not in old_set]
