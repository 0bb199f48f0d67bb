# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan: every subnet and host gets its place, and nothing that has one ever moves.

:func:`subnet_plan` is pure. What it knows of the past comes in as the previous plan, and so does today's date.

The order in which places are decided, at each level of the tree:

1. what has a place keeps it (and grows in place where it says a shorter length),
2. what comes back gets its retired place,
3. pinned numbers,
4. the rest, in the order of the input. Where that order leaves no room for a large subnet between small ones,
   the large ones go first.

Hosts follow the same rule: kept, returning, literal identifiers, from IPv4, ``stable``, ``next``.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import growth as orders
from ansible_collections.ipv6.rollout.plugins.plugin_utils import hosts as addressing
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv6_prefix,
    prefix_text,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import (
    Plan,
    Retired,
    State,
    inside,
    read_plan,
    write_plan,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.room import Room

SUBNET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
NUMBER = re.compile(r"[0-9a-fA-F]{1,28}", re.ASCII)
KEYS = ("name", "number", "length", "growth", "subnets")
DEEPEST = 32
SHORTEST, LONGEST = 16, 127
LEAF = 64
VARIABLE = "ipv6_subnets"


class Node:
    """A subnet as the user wrote it."""

    __slots__ = ("children", "growth", "length", "name", "number", "path")

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self.length: int | None = None
        self.number: int | None = None
        self.growth = "leftmost"
        self.children: list[Node] = []


def subnet_plan(
    prefix: object,
    subnets: object,
    previous: object = None,
    hosts: object = None,
    *,
    today: str,
    purge: bool = False,
    growth: str = "leftmost",
    seed: str = "",
    source: str = "previous",
) -> Plan:
    """Return the plan for a prefix.

    :param subnets: the tree, as ``ipv6_subnets`` has it
    :param previous: the plan so far; what has a place in it keeps it
    :param hosts: ``{name: {subnet, interface_id, ipv4}}``; a name may be ``host/service`` for a further address
    :param today: the date that goes into ``since`` of what leaves the inventory now
    :param purge: forget what was retired before this call, so that its places can be given out again
    :param growth: the order at the top level
    :param seed: a secret for ``stable`` identifiers
    :param source: what messages call the previous plan
    """
    root = ipv6_prefix(prefix, "ipv6_prefix", SHORTEST, LONGEST)
    _refuse_special(root)
    _growth(growth, "ipv6_growth")
    nodes: dict[str, Node] = {}
    tree = _read_tree(subnets, "", 1, nodes)
    old = read_plan(previous, root, source)
    state = State(root)
    retired = Retired(old.retired_subnets, old.retired_hosts, today)
    if purge:
        retired.forget(nodes, hosts if isinstance(hosts, t.Mapping) else ())
    for path, place in old.subnets.items():
        if path not in nodes:
            retired.add_subnet(path, place)
    planner = _Planner(old, state, retired, nodes)
    top = Node("", "")
    top.growth, top.children = growth, tree
    planner.level(top, root, retired.paths())
    leaves = {path: state.subnets[path] for path, node in nodes.items() if not node.children}
    addressing.place_hosts({} if hosts is None else hosts, leaves, old, state, retired, seed)
    if purge:
        retired.forget((), ())
    return write_plan(state, retired, old)


def _refuse_special(root: Prefix) -> None:
    first, length = root
    for start, size, why in ((0xFF << 120, 8, "multicast"), (0xFE80 << 112, 10, "link-local")):
        if inside(first, length, start, size):
            raise RolloutError(f"ipv6_prefix: '{prefix_text(*root)}' is {why}; write what your provider gave")


def _growth(value: object, what: str) -> str:
    word = text_value(value, what)
    if word not in orders.GROWTHS:
        raise RolloutError(f"{what}: {shown(word)} is no order of growth; take one of {', '.join(orders.GROWTHS)}")
    return word


# ---------------------------------------------------------------------------------------------- reading the tree


def _read_tree(subnets: object, above: str, depth: int, nodes: dict[str, Node]) -> list[Node]:
    where = f"{VARIABLE}: {above[:-1]}: subnets" if above else VARIABLE
    if subnets is None:
        return []
    if not isinstance(subnets, (list, tuple)):
        raise RolloutError(f"{where}: {shown(subnets)} is not a list; write a list of '- name: ...'")
    if depth > DEEPEST:
        raise RolloutError(f"{where}: the tree is deeper than {DEEPEST} levels")
    found = []
    for item in subnets:
        if not isinstance(item, t.Mapping):
            raise RolloutError(f"{where}: {shown(item)} is not a subnet; write '- name: ...'")
        value = item.get("name")
        name = str(value) if isinstance(value, str) else text_value(value, f"{where}: name")
        if not SUBNET_NAME.fullmatch(name):
            raise RolloutError(
                f"{where}: name: {shown(name)} is no name for a subnet; letters, digits, '.', '_' and '-' make one, "
                "63 at most, and it starts with a letter or a digit"
            )
        path = above + name
        if path in nodes:
            raise RolloutError(f"{where}: {shown(name)} is there twice; give each subnet a name of its own")
        node = nodes[path] = Node(path, name)
        found.append(node)
        if len(item) > 1:
            _read_options(node, item, depth, nodes)
    return found


def _read_options(node: Node, item: t.Mapping[t.Any, t.Any], depth: int, nodes: dict[str, Node]) -> None:
    where = f"{VARIABLE}: {node.path}"
    for key in item:
        if key not in KEYS:
            raise RolloutError(f"{where}: {shown(key)} is not known here; a subnet has {', '.join(KEYS)}")
    if item.get("length") is not None:
        node.length = _length(item["length"], f"{where}: length")
    if item.get("number") is not None:
        number = text_value(item["number"], f"{where}: number")
        if not NUMBER.fullmatch(number):
            raise RolloutError(f"{where}: number: {shown(number)} is not a hexadecimal number such as '25'")
        node.number = int(number, 16)
    if item.get("growth") is not None:
        node.growth = _growth(item["growth"], f"{where}: growth")
    node.children = _read_tree(item.get("subnets"), f"{node.path}/", depth + 1, nodes)


def _length(value: object, what: str) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole or (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 4):
        length = int(str(value))
    else:
        raise RolloutError(f"{what}: {shown(value)} is not a prefix length such as 64")
    if not 1 <= length <= 128:
        raise RolloutError(f"{what}: {length} is not a prefix length; it must be between 1 and 128")
    return length


# ---------------------------------------------------------------------------------------------- placing


class _Planner:
    def __init__(self, old: State, state: State, retired: Retired, nodes: dict[str, Node]) -> None:
        self.old = old
        self.state = state
        self.retired = retired
        self.nodes = nodes

    def level(self, parent: Node, place: Prefix, near: t.Collection[str]) -> None:
        """Place the children of one subnet, then theirs. ``near`` are the retired entries that lie in it."""
        children = parent.children
        places: dict[str, Prefix] = {}
        new = []
        for child in children:
            kept = self.old.subnets.get(child.path)
            if kept is None and child.path in self.retired.subnets:
                kept = self._back(child, place)
            if kept is None:
                new.append(child)
            else:
                places[child.path] = kept
        room = Room(*place)
        for kept in places.values():
            room.take(*kept)
        near = [key for key in near if key in self.retired.subnets]
        for key in near:
            room.take(*self.retired.subnets[key][0])
        for child in children:
            if child.path in places:
                places[child.path] = self._settle(child, place, places[child.path], room)
        self._place_new(parent, place, new, room, places)
        subnets = self.state.subnets
        for child in children:
            subnets[child.path] = places[child.path]
        below = _split(near, self.retired, places) if near else {}
        for child in children:
            if child.children:
                self.level(child, places[child.path], below.get(child.path, ()))

    def _back(self, child: Node, parent: Prefix) -> Prefix | None:
        """Return the retired place of a name that comes back, where it still goes with what the user writes."""
        first, length = self.retired.subnets[child.path][0]
        if not inside(first, length, *parent):
            return None
        if child.number is not None and child.number != _number(first, child.length or length, parent):
            return None
        del self.retired.subnets[child.path]
        return first, length

    def _settle(self, child: Node, parent: Prefix, kept: Prefix, room: Room) -> Prefix:
        """Return the place of a child that has one, with the length that it says now."""
        first, length = kept
        wanted = length if child.length is None else child.length
        what = f"{VARIABLE}: {child.path}"
        text = prefix_text(first, length)
        if wanted < parent[1]:
            self._too_wide(child, wanted, parent)
        if wanted < length:
            if first & ((1 << (128 - wanted)) - 1):
                raise RolloutError(
                    f"{what}: length: {text} cannot grow to a /{wanted} in place: it does not begin where a /{wanted} "
                    f"does; keep the length {length}, or add a further subnet"
                )
            for step in range(wanted + 1, length + 1):
                half = first + (1 << (128 - step))
                if not room.free(half, step):
                    raise RolloutError(
                        f"{what}: length: {text} cannot grow to a /{wanted} in place: {self._blocker(half, step)} is "
                        f"in the way; keep the length {length}, or add a further subnet"
                    )
            room.take(first, wanted)
        elif wanted > length:
            self._shrink(child, (first, wanted), text)
        if child.number is not None and child.number != _number(first, wanted, parent):
            raise RolloutError(
                f"{what}: number: '{child.number:x}' is not where the plan has it: {prefix_text(first, wanted)} is "
                f"number '{_number(first, wanted, parent):x}', and nothing that has a place moves; write that number, "
                "or give the subnet another name"
            )
        return first, wanted

    def _shrink(self, child: Node, place: Prefix, text: str) -> None:
        below = f"{child.path}/"
        for path, (first, length) in self.old.subnets.items():
            if path.startswith(below) and path in self.nodes and not inside(first, length, *place):
                raise RolloutError(
                    f"{VARIABLE}: {child.path}: length: {text} cannot shrink to {prefix_text(*place)}: {path} "
                    f"({prefix_text(first, length)}) would be outside; keep the length"
                )
        for path, ((first, length), since) in self.retired.subnets.items():
            if path.startswith(below) and length < place[1] and inside(*place, first, length):
                raise RolloutError(
                    f"{VARIABLE}: {child.path}: length: {text} cannot shrink to {prefix_text(*place)}: {path} "
                    f"({prefix_text(first, length)}, retired since {since} and not purged) is wider; keep the length, "
                    "or purge the plan first"
                )

    def _place_new(self, parent: Node, place: Prefix, new: list[Node], room: Room, places: dict[str, Prefix]) -> None:
        """Place the children that have none: pins first, then the order of the input."""
        free = []
        lengths: dict[str, int] = {}
        for child in new:
            length = child.length
            if length is None:
                length = LEAF if not child.children else self._inner_length(child, place[1])
            if length < place[1]:
                self._too_wide(child, length, place)
            if child.number is None:
                lengths[child.path] = length
                free.append(child)
            else:
                places[child.path] = self._pin(child, child.number, length, place, room, places)
                room.take(*places[child.path])
        if not free:
            return
        pinned = list(places.values())
        if parent.growth == "hash":
            free.sort(key=lambda child: (lengths[child.path], orders.by_name(child.name, 64), child.name))
        missing = self._automatic(parent, free, lengths, room, places)
        if missing is not None and parent.growth != "hash":
            room = Room(*place)
            for kept in pinned:
                room.take(*kept)
            for kept, _since in self.retired.subnets.values():
                if inside(*kept, *place):
                    room.take(*kept)
            large_first = sorted(free, key=lambda child: lengths[child.path])
            missing = self._automatic(parent, large_first, lengths, room, places)
        if missing is not None:
            self._full(parent, place, missing, lengths[missing.path])

    @staticmethod
    def _automatic(
        parent: Node, free: list[Node], lengths: dict[str, int], room: Room, places: dict[str, Prefix]
    ) -> Node | None:
        """Give each its next place; return the first that finds none."""
        growth = parent.growth
        for child in free:
            length = lengths[child.path]
            first = room.next(length, growth, child.name)
            if first is None:
                return child
            places[child.path] = (first, length)
        return None

    def _pin(
        self, child: Node, number: int, length: int, parent: Prefix, room: Room, places: dict[str, Prefix]
    ) -> Prefix:
        what = f"{VARIABLE}: {child.path}: number: '{number:x}'"
        if number >> (length - parent[1]):
            raise RolloutError(
                f"{what} is too large: the last /{length} in {prefix_text(*parent)} has the number "
                f"'{(1 << (length - parent[1])) - 1:x}'"
            )
        first = parent[0] + (number << (128 - length))
        if not room.free(first, length):
            blocker = self._blocker(first, length, places)
            raise RolloutError(f"{what} is {prefix_text(first, length)}, and {blocker} is there; take another number")
        return first, length

    def _inner_length(self, node: Node, above: int) -> int:
        """Choose the length of a site that says none: room for twice its subnets, on a nibble boundary, a /64 at least.

        Links take a /64 of their own, so that they are all in one place (RFC 6164, RFC 7381).
        """
        total, floor = self._need(node)
        if above < LEAF:
            floor = max(floor, 128 - LEAF)
        exact = 128 - max((total - 1).bit_length(), floor)
        doubled = 128 - max((2 * total - 1).bit_length(), floor)
        for length in (doubled // 4 * 4, doubled, exact):
            if length > above:
                return length
        return max(exact, above)

    def _need(self, node: Node) -> tuple[int, int]:
        """Return how many addresses the children of a site need, and the bits that its pinned numbers need."""
        total, floor = 0, 0
        for child in node.children:
            length = child.length
            if length is None:
                length = LEAF if not child.children else self._inner_length(child, 0)
            total += 1 << (128 - length)
            if child.number is not None:
                floor = max(floor, child.number.bit_length() + 128 - length)
        return total, floor

    # ------------------------------------------------------------------------------------------ refusals

    @staticmethod
    def _too_wide(child: Node, length: int, parent: Prefix) -> t.NoReturn:
        way_out = "give it a longer 'length'"
        raise RolloutError(
            f"{VARIABLE}: {child.path}: a /{length} does not fit into {prefix_text(*parent)}; {way_out}"
            + (f" (a leaf is a /{LEAF} unless it says otherwise)" if child.length is None else "")
        )

    def _blocker(self, first: int, length: int, places: t.Mapping[str, Prefix] | None = None) -> str:
        """Name the entry that overlaps a block."""
        known = {**self.old.subnets, **self.state.subnets, **(places or {})}
        for path, place in known.items():
            if path in self.nodes and (inside(first, length, *place) or inside(*place, first, length)):
                return f"{path} ({prefix_text(*place)})"
        for path, (place, since) in self.retired.subnets.items():
            if inside(first, length, *place) or inside(*place, first, length):
                return f"{path} ({prefix_text(*place)}, retired since {since} and not purged)"
        return "another subnet"

    def _full(self, parent: Node, place: Prefix, child: Node, length: int) -> t.NoReturn:
        name = parent.path or "ipv6_prefix"
        waiting = sum(inside(*kept, *place) for kept, _since in self.retired.subnets.values())
        ways = ["give it a longer 'length'"]
        ways.append(f"give {name} a shorter one" if parent.path else "use a shorter ipv6_prefix")
        if waiting:
            ways.append(f"purge what is retired ({waiting} in here)")
        raise RolloutError(
            f"{VARIABLE}: {child.path}: {name} ({prefix_text(*place)}) has no free /{length} left; {', or '.join(ways)}"
        )


def _number(first: int, length: int, parent: Prefix) -> int:
    return (first - parent[0]) >> (128 - length)


def _split(near: t.Iterable[str], retired: Retired, places: t.Mapping[str, Prefix]) -> dict[str, list[str]]:
    """Sort retired entries by the child in whose prefix they lie."""
    owners = {place: path for path, place in places.items()}
    lengths = sorted({length for _first, length in places.values()}, reverse=True)
    below: dict[str, list[str]] = {}
    for key in near:
        if key not in retired.subnets:
            continue
        first, length = retired.subnets[key][0]
        for wider in lengths:
            if wider <= length:
                owner = owners.get((first >> (128 - wider) << (128 - wider), wider))
                if owner is not None:
                    below.setdefault(owner, []).append(key)
    return below
