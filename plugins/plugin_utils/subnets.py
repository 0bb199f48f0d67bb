# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of subnets as the user writes it (``ipv6_subnets``), read strictly.

Most subnets of a large plan say their name and nothing else, so a level of the tree keeps its names in one list, and an
object only for each subnet that says more. Names are checked all at once, and one by one only to name the wrong one.
"""

from __future__ import annotations

import collections
import functools
import operator
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import growth as orders
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6_prefix, prefix_text, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.blocks import aligned_blocks

VARIABLE = "ipv6_subnets"
RESERVED = "ipv6_reserved"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
# Possessive (*+), so that nothing is kept to go back to: a text of tens of thousands of names has many places for that.
NAMES = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,62}\n)*+", re.ASCII)
NUMBER = re.compile(r"[0-9a-fA-F]{1,28}", re.ASCII)
VLAN = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
VLAN_NUMBERS = ("vlan_hex", "vlan_decimal")
KEYS = ("name", "number", "vlan", "prefix", "length", "growth", "reserved", "subnets")
LEAF = 64
DEEPEST = 32


class Subnet:
    """A subnet that says more than its name."""

    __slots__ = ("length", "number", "number_text", "path", "place", "subnets")

    def __init__(self, path: str) -> None:
        self.path = path
        self.length: int | None = None
        self.number: int | None = None  # pinned, in its parent
        self.number_text = ""  # as the user wrote it, for messages
        self.place: Prefix | None = None  # pinned as a prefix
        self.subnets: Level | None = None


class Reserved(t.NamedTuple):
    """Numbers that are not given out, as the user wrote them: from first to last, counted in blocks of a length."""

    text: str
    first: int
    last: int
    length: int
    place: Prefix | None  # where it was written as a prefix


class Level:
    """The subnets of one parent, in the order of the input.

    ``paths`` are their full names, ``marked`` those that say more than their name, by path.
    """

    __slots__ = ("above", "growth", "marked", "paths", "reserved")

    def __init__(self, above: str, growth: str) -> None:
        self.above = above
        self.growth = growth
        self.paths: list[str] = []
        self.marked: dict[str, Subnet] = {}
        self.reserved: list[Reserved] = []

    def reserved_blocks(self, parent: Prefix) -> list[Prefix]:
        """Return what is reserved in here, as blocks, once the place of the parent is known."""
        found: list[Prefix] = []
        for text, low, high, length, place in self.reserved:
            where = f"{VARIABLE}: {self.above[:-1]}: reserved" if self.above else RESERVED
            if place is not None:
                if place[1] < parent[1] or place[0] >> (128 - parent[1]) != parent[0] >> (128 - parent[1]):
                    raise RolloutError(f"{where}: {text} is not inside {prefix_text(*parent)}; take it out")
                found.append(place)
                continue
            if length < parent[1] or high >> (length - parent[1]):
                raise RolloutError(
                    f"{where}: '{text}' counts in blocks of a /{length}, and {prefix_text(*parent)} has no such "
                    "number; write a smaller number, or one with its own length, such as '3/68'"
                )
            shift = 128 - length
            found.extend(aligned_blocks(parent[0] + (low << shift), parent[0] + ((high + 1) << shift)))
        return found


class Tree:
    """All subnets: the top level, every path in the order of the input, and which have subnets of their own."""

    def __init__(self, vlan_numbers: str) -> None:
        self.vlan_numbers = vlan_numbers
        self.order: list[str] = []
        self.inner: set[str] = set()
        self.top = Level("", "leftmost")

    @functools.cached_property
    def paths(self) -> set[str]:
        """Every path. Many plans never need this set, and it is a large one."""
        return set(self.order)


def read_tree(
    subnets: object, growth: object = "leftmost", reserved: object = None, vlan_numbers: object = "vlan_hex"
) -> Tree:
    """Read the tree; raise RolloutError naming the subnet and the value of the first thing that is wrong.

    :param subnets: a list of dictionaries, or text of several lines with one path each
    :param growth: the order at the top level
    :param reserved: what is not given out at the top level
    :param vlan_numbers: how a VLAN becomes a number where the subnet does not say: ``vlan_hex`` or ``vlan_decimal``
    """
    word = text_value(vlan_numbers, "ipv6_vlan_numbers")
    if word not in VLAN_NUMBERS:
        raise RolloutError(f"ipv6_vlan_numbers: {shown(word)} is not known; take one of {', '.join(VLAN_NUMBERS)}")
    tree = Tree(word)
    tree.top.growth = _growth(growth, "ipv6_growth")
    tree.top.reserved = _reserved(reserved, RESERVED)
    if isinstance(subnets, str) and "\n" in subnets:
        subnets = _from_text(subnets)
        if isinstance(subnets, _Names):
            _take_names(subnets.names, tree.top, tree, subnets.text)
            return tree
    _read_level(subnets, tree.top, 1, tree)
    return tree


# ---------------------------------------------------------------------------------------------- one level


def _read_level(subnets: object, level: Level, depth: int, tree: Tree) -> None:
    where = _where(level)
    if subnets is None:
        return
    if not isinstance(subnets, (list, tuple)):
        raise RolloutError(
            f"{where}: {shown(subnets)} is not a list; write a list of '- name: ...', or a text with a line for each"
            if isinstance(subnets, str)
            else f"{where}: {shown(subnets)} is not a list; write a list of '- name: ...'"
        )
    if depth > DEEPEST:
        raise RolloutError(f"{where}: the tree is deeper than {DEEPEST} levels")
    if not all(issubclass(kind, t.Mapping) for kind in set(map(type, subnets))):
        wrong = next(item for item in subnets if not isinstance(item, t.Mapping))
        raise RolloutError(f"{where}: {shown(wrong)} is not a subnet; write '- name: ...'")
    try:
        names = list(map(operator.itemgetter("name"), subnets))
    except KeyError:
        names = [item.get("name") for item in subnets]
    _take_names(names, level, tree)
    if max(map(len, subnets), default=1) > 1:
        for item, path in zip(subnets, level.paths):
            if len(item) > 1:
                level.marked[path] = _read_options(item, path, depth, tree)


def _take_names(names: list[t.Any], level: Level, tree: Tree, joined: str = "") -> None:
    """Check all names at once; look at them one by one only where something is wrong, or is no plain text.

    :param joined: the names with a line break behind each, where they come from such a text
    """
    if not joined:
        if set(map(type, names)) != {str}:
            names = [_name(name, level) for name in names]
        joined = "\n".join(names) + "\n"
    if not (NAMES.fullmatch(joined) and joined.count("\n") == len(names)):
        for name in names:
            _name(name, level)
    level.paths = [level.above + name for name in names] if level.above else names
    tree.order = tree.order + level.paths if tree.order else level.paths


def refuse_doubles(level: Level) -> t.NoReturn:
    """Name the first subnet of a level that is there twice, once it was seen that there is one."""
    twice = next(path for path, times in collections.Counter(level.paths).items() if times > 1)
    raise RolloutError(f"{_where(level)}: {shown(twice)} is there twice; give each subnet a name of its own")


def _where(level: Level) -> str:
    return f"{VARIABLE}: {level.above[:-1]}: subnets" if level.above else VARIABLE


def _name(value: object, level: Level) -> str:
    name = text_value(value, f"{_where(level)}: name")
    if not NAME.fullmatch(name):
        raise RolloutError(
            f"{_where(level)}: name: {shown(name)} is no name for a subnet; letters, digits, '.', '_' and '-' "
            "make one, 63 at most, and it starts with a letter or a digit"
        )
    return name


# ---------------------------------------------------------------------------------------------- one subnet


def _read_options(item: t.Mapping[t.Any, t.Any], path: str, depth: int, tree: Tree) -> Subnet:
    where = f"{VARIABLE}: {path}"
    for key in item:
        if key not in KEYS:
            raise RolloutError(f"{where}: {shown(key)} is not known here; a subnet has {', '.join(KEYS)}")
    subnet = Subnet(path)
    if item.get("length") is not None:
        subnet.length = _length(item["length"], f"{where}: length")
    _read_pin(item, subnet, where, tree)
    level = Level(f"{path}/", "leftmost")
    if item.get("growth") is not None:
        level.growth = _growth(item["growth"], f"{where}: growth")
    level.reserved = _reserved(item.get("reserved"), f"{where}: reserved")
    _read_level(item.get("subnets"), level, depth + 1, tree)
    if level.paths:
        subnet.subnets = level
        tree.inner.add(path)
    return subnet


def _read_pin(item: t.Mapping[t.Any, t.Any], subnet: Subnet, where: str, tree: Tree) -> None:
    """Read where a subnet is pinned to: a number, the number of its VLAN, or a whole prefix."""
    number, vlan, prefix = item.get("number"), item.get("vlan"), item.get("prefix")
    word = number if isinstance(number, str) and number in VLAN_NUMBERS else None
    if sum((number is not None and word is None, vlan is not None, prefix is not None)) > 1:
        given = [key for key in ("number", "vlan", "prefix") if item.get(key) is not None]
        raise RolloutError(f"{where}: {' and '.join(given)} are different ways to pin it; keep one of them")
    if word is not None and vlan is None:
        raise RolloutError(f"{where}: number: {shown(word)} takes the number from 'vlan', which is not there; add it")
    if vlan is not None:
        subnet.number, subnet.number_text = _vlan(vlan, f"{where}: vlan", word or tree.vlan_numbers)
    elif number is not None:
        text = text_value(number, f"{where}: number")
        if not NUMBER.fullmatch(text):
            raise RolloutError(
                f"{where}: number: {shown(text)} is not a hexadecimal number such as '25', nor one of "
                f"{', '.join(VLAN_NUMBERS)}"
            )
        subnet.number = int(text, 16)
        subnet.number_text = f"number: '{subnet.number:x}'"
    elif prefix is not None:
        subnet.place = ipv6_prefix(prefix, f"{where}: prefix")
        if subnet.length is not None and subnet.length != subnet.place[1]:
            raise RolloutError(
                f"{where}: length: {subnet.length} is not the length of its prefix {prefix_text(*subnet.place)}; "
                "take one of them out"
            )
        subnet.length = subnet.place[1]


def _vlan(value: object, what: str, word: str) -> tuple[int, str]:
    """Return the number of a VLAN, and how messages call it. A VLAN id is 1 to 4094 (IEEE 802.1Q)."""
    small = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10000
    text = str(value) if small else text_value(value, what) if isinstance(value, str) else ""
    if not VLAN.fullmatch(text) or int(text) > 4094:
        raise RolloutError(f"{what}: {shown(value)} is not a VLAN; it is a decimal number between 1 and 4094")
    number = int(text, 16 if word == "vlan_decimal" else 10)
    return number, f"vlan: {text} ({word}: number '{number:x}')"


def _length(value: object, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RolloutError(f"{what}: {shown(value)} is not a prefix length such as 64")
    if not 1 <= value <= 128:
        raise RolloutError(f"{what}: {shown(value)} is not a prefix length; it must be between 1 and 128")
    return int(value)


def _growth(value: object, what: str) -> str:
    word = text_value(value, what)
    if word not in orders.GROWTHS:
        raise RolloutError(f"{what}: {shown(word)} is no order of growth; take one of {', '.join(orders.GROWTHS)}")
    return word


def _reserved(value: object, what: str) -> list[Reserved]:
    """Read what is reserved: numbers and ranges of numbers in hexadecimal, or prefixes."""
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is not a list; write [...] around it")
    found = []
    for item in value:
        text = text_value(item, what)
        if ":" in text:
            place = ipv6_prefix(text, what)
            found.append(Reserved(prefix_text(*place), 0, 0, place[1], place))
            continue
        numbers, slash, tail = text.partition("/")
        first, dash, last = numbers.partition("-")
        last = last if dash else first
        if not (NUMBER.fullmatch(first) and NUMBER.fullmatch(last)) or int(first, 16) > int(last, 16):
            raise RolloutError(
                f"{what}: {shown(text)} is neither a hexadecimal number such as 'f0', nor a range such as 'f0-ff', nor "
                "a prefix"
            )
        length = _length(tail, what) if slash else LEAF
        found.append(Reserved(text, int(first, 16), int(last, 16), length, None))
    return found


# ---------------------------------------------------------------------------------------------- text


class _Names(t.NamedTuple):
    names: list[str]
    text: str  # where it holds them and nothing else


def _from_text(text: str) -> list[dict[str, t.Any]] | _Names:
    """Return the tree that a text stands for: one path a line, then ``key=value``; ``#`` begins a comment.

    A text of tens of thousands of names crosses Ansible's templating at once; a list of dictionaries does not.
    """
    text = str(text)
    lines = text.splitlines()
    if not any(sign in text for sign in "/=# \t"):
        if "\n\n" in text or not text.endswith("\n") or text.startswith("\n"):
            return _Names([line for line in lines if line], "")
        return _Names(lines, text)
    by_path: dict[str, dict[str, t.Any]] = {}
    top: list[dict[str, t.Any]] = []
    for count, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        path = words[0]
        above, _slash, name = path.rpartition("/")
        if path in by_path:
            raise RolloutError(f"{VARIABLE}: line {count}: {shown(path)} is there twice; keep one of the lines")
        if above and above not in by_path:
            raise RolloutError(
                f"{VARIABLE}: line {count}: {shown(path)} has no parent; write a line with {shown(above)} before it"
            )
        entry: dict[str, t.Any] = {"name": name}
        for word in words[1:]:
            key, sign, value = word.partition("=")
            if not sign or key in ("name", "subnets"):
                raise RolloutError(f"{VARIABLE}: line {count}: {shown(word)} is not known here; write key=value")
            if key in entry:
                raise RolloutError(f"{VARIABLE}: line {count}: {shown(key)} is there twice; keep one of them")
            entry[key] = value.split(",") if key == "reserved" else value
        by_path[path] = entry
        (by_path[above].setdefault("subnets", []) if above else top).append(entry)
    return top
