# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of ``iptables-save``: tables, chains and rules as text, read into parts.

One reader for all that look into rules of either family: the translation, the reach of a rule set, foreign rules.
It knows the grammar and the long names of options, not what they mean.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

BUILT_IN: t.Dict[str, t.Tuple[str, ...]] = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "raw": ("PREROUTING", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}

LONG_NAMES = {
    "--append": "-A",
    "--source": "-s",
    "--src": "-s",
    "--destination": "-d",
    "--dst": "-d",
    "--protocol": "-p",
    "--proto": "-p",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--fragment": "-f",
    "--set-counters": "-c",
    "--match": "-m",
    "--jump": "-j",
    "--goto": "-g",
    "--source-port": "--sport",
    "--destination-port": "--dport",
    "--source-ports": "--sports",
    "--destination-ports": "--dports",
}

BASIC = ("-s", "-d", "-p", "-i", "-o", "-f", "-4", "-6")
"""Options of the packet itself, which belong to no match module."""

_WORD = re.compile(r'\s*((?:"(?:[^"\\]|\\.)*"|\'[^\']*\'|[^\s"\'])+)')
_COUNTERS = re.compile(r"^\[\d+:\d+\] ")


class Option(t.NamedTuple):
    """One option of a match or a target: ``--dport 80``, ``! -s 192.0.2.0/24``. Values keep their quotes."""

    name: str
    values: t.Tuple[str, ...] = ()
    negated: bool = False

    @property
    def value(self) -> str:
        """The only value, or the first one; an empty text where there is none."""
        return self.values[0] if self.values else ""

    def __str__(self) -> str:
        return " ".join([*(["!"] if self.negated else []), self.name, *self.values])


class Match(t.NamedTuple):
    """A match module with its options; the module of the packet itself (addresses, interfaces, protocol) is empty.

    Options that a rule gives without naming their module (``-p tcp --dport 22``) belong to the empty one, too.
    """

    module: str
    options: t.Tuple[Option, ...] = ()

    def __str__(self) -> str:
        return " ".join([*(["-m", self.module] if self.module else []), *map(str, self.options)])


class Rule(t.NamedTuple):
    """One rule; ``target`` is empty where the rule only counts."""

    chain: str
    matches: t.Tuple[Match, ...]
    target: str = ""
    goto: bool = False
    target_options: t.Tuple[Option, ...] = ()

    @property
    def options(self) -> t.Iterator[t.Tuple[str, Option]]:
        """Every option of the matches, with its module."""
        for match in self.matches:
            for option in match.options:
                yield match.module, option

    def basic(self, name: str) -> t.Optional[Option]:
        """Return an option of the packet itself (``-s``, ``-p`` ...), or None."""
        for module, option in self.options:
            if not module and option.name == name:
                return option
        return None

    def __str__(self) -> str:
        words = ["-A", self.chain, *map(str, self.matches)]
        if self.target:
            words += ["-g" if self.goto else "-j", self.target, *map(str, self.target_options)]
        return " ".join(word for word in words if word)


class TableText(t.NamedTuple):
    """A table: the policy of each chain (``-`` for a user chain) in the order of the text, and the rules in theirs."""

    policies: t.Dict[str, str]
    rules: t.List[Rule]

    def of(self, chain: str) -> t.List[Rule]:
        """The rules of a chain."""
        return [rule for rule in self.rules if rule.chain == chain]


def words(line: str) -> t.List[str]:
    """Split a rule into words; a quoted word keeps its quotes."""
    found: t.List[str] = []
    position = 0
    line = line.rstrip()
    while position < len(line):
        word = _WORD.match(line, position)
        if word is None:
            raise RolloutError(f"rules: {shown(line)} has a quote that is not closed; close it")
        found.append(word.group(1))
        position = word.end()
    return found


def unquoted(word: str) -> str:
    """Return the text of a word: without its quotes and backslashes."""
    if len(word) > 1 and word[0] == word[-1] == '"':
        return re.sub(r"\\(.)", r"\1", word[1:-1])
    if len(word) > 1 and word[0] == word[-1] == "'":
        return word[1:-1]
    return word


# The hosts of a fleet share most of their rules, and an audit asks many questions of each rule set.
@functools.lru_cache(maxsize=8192)
def parse_rule(line: str) -> Rule:
    """Read ``-A CHAIN ...``, as ``iptables-save`` and ``iptables -S`` print it."""
    parts = words(_COUNTERS.sub("", line.strip()))
    if len(parts) < 2 or LONG_NAMES.get(parts[0], parts[0]) != "-A":
        raise RolloutError(f"rules: {shown(line)} is no rule such as '-A INPUT -j ACCEPT'; give iptables-save's output")
    matches: t.List[t.Tuple[str, t.List[Option]]] = [("", [])]
    target, goto = "", False
    target_options: t.List[Option] = []
    position, negated = 2, False
    while position < len(parts):
        name = parts[position]
        if name != "--proto" or matches[-1][0] != "policy":  # that match has an option of this name
            name = LONG_NAMES.get(name, name)
        position += 1
        if name == "!":
            negated = True
            continue
        if not name.startswith("-"):
            raise RolloutError(f"rules: {shown(line)}: {shown(name)} belongs to no option; correct the rule")
        values: t.List[str] = []
        if position < len(parts) and parts[position] == "!" and not name.startswith("--"):
            negated, position = True, position + 1  # the old form: -s ! 192.0.2.1
        while position < len(parts) and parts[position] != "!" and not parts[position].startswith("-"):
            values.append(parts[position])
            position += 1
        if name in ("-m", "-j", "-g"):
            if len(values) != 1:
                raise RolloutError(f"rules: {shown(line)}: {name} takes one name; correct the rule")
            if name == "-m":
                matches.append((values[0], []))
            else:
                target, goto = values[0], name == "-g"
        elif name != "-c":  # counters: iptables -S -v prints them
            option = Option(name, tuple(values), negated)
            if name in BASIC:
                matches[0][1].append(option)
            elif target:
                target_options.append(option)
            else:
                matches[-1][1].append(option)
        negated = False
    return Rule(
        parts[1],
        tuple(Match(module, tuple(options)) for module, options in matches if module or options),
        target,
        goto,
        tuple(target_options),
    )


def table_lines(text: str) -> t.Iterator[t.Tuple[str, str]]:
    """Each line that says something, without its counters, with its table; an empty line where a table begins.

    Lines outside of any table are what ``iptables -S`` prints of ``filter``.
    """
    seen: t.Set[str] = set()
    section, bare = "", False
    for line in text.split("\n"):
        line = _COUNTERS.sub("", line.strip())
        if line == "COMMIT":
            section = ""
        elif line.startswith("*"):
            _complete(section)
            section = line[1:].strip()
            _first(section, seen, bare)
            seen.add(section)
            yield section, ""
        elif line and not line.startswith("#"):
            if not section:
                _first("filter", seen, False)
                bare = True
            yield section or "filter", line
    _complete(section)


def _complete(section: str) -> None:
    if section:
        raise RolloutError(
            f"rules: the table {section} has no COMMIT, so the text is cut off; give all that iptables-save prints"
        )


def _first(name: str, seen: t.Set[str], bare: bool) -> None:
    if name in seen or (bare and name == "filter"):
        raise RolloutError(
            f"rules: the table {name} is there twice: both parts filter, and they do not add up to one "
            "(iptables-nft and iptables-legacy have a table each); give one of them at a time"
        )


def chain_policy(line: str) -> t.Optional[t.Tuple[str, str]]:
    """Read the line that declares a chain: its name and policy, ``-`` for a user chain; None for another line."""
    parts = line.split()
    if line.startswith(":") and len(parts) >= 2:
        return parts[0][1:], parts[1]
    if parts[0] == "-P" and len(parts) >= 3:
        return parts[1], parts[2]
    if parts[0] == "-N" and len(parts) == 2:
        return parts[1], "-"
    return None


def parse_tables(text: str) -> t.Dict[str, TableText]:
    """Read what ``iptables-save`` or ``iptables -S`` printed. Lines outside of any table belong to ``filter``."""
    found: t.Dict[str, TableText] = {}
    for name, line in table_lines(text):
        table = found.setdefault(name, TableText({}, []))
        policy = chain_policy(line) if line else None
        if policy:
            table.policies[policy[0]] = policy[1]
        elif line:
            table.rules.append(parse_rule(line))
    return found
