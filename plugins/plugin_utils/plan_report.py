# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as a tree, and what an administrator asks of it: how full it is, and what can still grow.

*Headroom* is how many times a subnet can double in place. It keeps its first address and its length gets shorter by
one each time, down to its parent's length at most. RFC 3531 orders subnets so that this number stays high.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv6,
    ipv6_prefix,
    prefix_text,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_read import mapping
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_zones

SUBNET, RETIRED, RESERVED = "subnet", "retired", "reserved"
LEAF = 64
NOTED = 3  # entries that a note names, at most

_RANK = {RESERVED: 0, SUBNET: 1, RETIRED: 2}  # which comes first where two have the same prefix


@dataclass(eq=False)
class Node:
    """One block of addresses: the whole prefix (its path is empty), a subnet, a retired subnet or a reserved block."""

    kind: str
    path: str
    first: int
    length: int
    parent: Node | None = None
    since: str = ""
    ula: str = ""
    headroom: int = 0
    subnets_below: int = 0
    hosts_below: int = 0
    retired_below: int = 0
    entries: list[Node] = field(default_factory=list)  # what lies directly in it, of every kind, in address order
    hosts: list[tuple[int, str]] = field(default_factory=list)  # (address, name), in address order

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return 1 << (128 - self.length)

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.first + self.size

    @property
    def prefix(self) -> str:
        """Its canonical text."""
        return prefix_text(self.first, self.length)

    @property
    def outer(self) -> Node:
        """What it lies in; the whole prefix lies in itself."""
        return self if self.parent is None else self.parent

    @property
    def depth(self) -> int:
        """How many blocks are around it."""
        return 0 if self.parent is None else self.parent.depth + 1

    @property
    def name(self) -> str:
        """What it is called inside its parent."""
        above = f"{self.parent.path}/" if self.parent is not None and self.parent.path else ""
        return self.path[len(above) :] if above and self.path.startswith(above) else self.path

    @property
    def number(self) -> str:
        """Its place in its parent: hexadecimal, counted in blocks of its own length."""
        return f"{(self.first - (self.parent.first if self.parent else self.first)) >> (128 - self.length):x}"

    @property
    def subnets(self) -> list[Node]:
        """The subnets that lie directly in it, in address order."""
        return [entry for entry in self.entries if entry.kind == SUBNET]

    def gaps(self) -> t.Iterator[tuple[int, int]]:
        """Yield what no entry covers: the first address, and the one behind the last."""
        start = self.first
        for entry in self.entries:
            if entry.first > start:
                yield start, entry.first
            start = max(start, entry.end)
        if start < self.end:
            yield start, self.end

    def share_used(self) -> float:
        """Return which share of it its subnets take, from 0 to 1."""
        return sum(entry.size for entry in self.subnets) / self.size

    def largest_free(self) -> Prefix | None:
        """Return the widest block that nothing is in; the first of them where there are several."""
        best: Prefix | None = None
        for start, end in self.gaps():
            length = 129 - (end - start).bit_length()
            while -start % (1 << (128 - length)) + start + (1 << (128 - length)) > end:
                length += 1  # once at most: half of it always finds a boundary
            if best is None or length < best[1]:
                best = start + -start % (1 << (128 - length)), length
        return best

    def free_leaves(self) -> int:
        """Return how many /64 are free in it."""
        return sum(max(0, (end >> 64) - -(-start >> 64)) for start, end in self.gaps())


class Report(t.NamedTuple):
    """The tree, and all nodes but the root in address order, parents before what is in them."""

    root: Node
    nodes: list[Node]
    retired_hosts: int
    ula: str
    notes: list[str]


def read_report(plan: object, reserved: object = None) -> Report:
    """Read a plan that was checked before (:mod:`.plan_read`), in O(n log n).

    :param plan: ``{prefix, subnets, hosts, retired}`` and, if there is one, ``ula`` with ``{prefix, subnets, hosts}``
    :param reserved: prefixes that are never given out automatically
    :raises RolloutError: where the plan is no plan, or a reserved prefix lies outside of it
    """
    data = mapping(plan, "plan")
    if "prefix" not in data:
        raise RolloutError("plan: the key 'prefix' is missing; a plan has prefix, subnets, hosts and retired")
    root = Node(SUBNET, "", *ipv6_prefix(data["prefix"], "plan: prefix"))
    gone = mapping(data.get("retired"), "plan: retired")
    ula = mapping(data.get("ula"), "plan: ula")
    nodes = [*_live(data), *_gone(gone), *_reserved(reserved)]
    nodes.sort(key=lambda node: (node.first, node.length, _RANK[node.kind], node.path.count("/")))
    _nest(root, nodes)
    twins = mapping(ula.get("subnets"), "plan: ula: subnets")
    for node in nodes if twins else ():
        if node.kind == SUBNET:
            node.ula = str(twins.get(node.path, ""))
    _place_hosts(mapping(data.get("hosts"), "plan: hosts"), root, nodes)
    for node in reversed(nodes):
        outer = node.outer
        outer.subnets_below += node.subnets_below + (node.kind == SUBNET)
        outer.retired_below += node.retired_below + (node.kind == RETIRED)
        outer.hosts_below += node.hosts_below
    for parent in (root, *nodes):
        _measure(parent)
    retired_hosts = len(mapping(gone.get("hosts"), "plan: retired: hosts"))
    return Report(root, nodes, retired_hosts, str(ula.get("prefix", "")), _notes(root, nodes))


def plan_report(plan: object, reserved: object = None) -> dict[str, t.Any]:
    """Return the report as plain data: ``{subnets: {path: {...}}, free: {...}, notes: [...]}``."""
    report = read_report(plan, reserved)
    subnets: dict[str, dict[str, t.Any]] = {}
    for node in report.nodes:
        if node.kind != SUBNET:
            continue
        subnets[node.path] = {
            "prefix": node.prefix,
            "number": node.number,
            "headroom": node.headroom,
            "grows_to": node.length - node.headroom,
            "hosts": node.hosts_below,
            "subnets": node.subnets_below,
        }
        if node.ula:
            subnets[node.path]["ula"] = node.ula
    largest = report.root.largest_free()
    free = {
        "share": sum(end - start for start, end in report.root.gaps()) / report.root.size,
        "largest": None if largest is None else prefix_text(*largest),
        "subnets_64": report.root.free_leaves(),
    }
    return {"subnets": subnets, "free": free, "notes": report.notes}


# ---------------------------------------------------------------------------------------------- reading


def _live(data: t.Mapping[t.Any, t.Any]) -> t.Iterator[Node]:
    for path, value in mapping(data.get("subnets"), "plan: subnets").items():
        yield Node(SUBNET, str(path), *ipv6_prefix(value, f"plan: subnets: {path}"))


def _gone(gone: t.Mapping[t.Any, t.Any]) -> t.Iterator[Node]:
    for path, value in mapping(gone.get("subnets"), "plan: retired: subnets").items():
        where = f"plan: retired: subnets: {path}"
        entry = mapping(value, where)
        yield Node(RETIRED, str(path), *ipv6_prefix(entry.get("prefix"), where), since=str(entry.get("since", "")))


def _reserved(values: object) -> t.Iterator[Node]:
    if values is None:
        return
    if not isinstance(values, (list, tuple)):
        raise RolloutError(f"reserved: {shown(values)} is not a list; write [...] around it")
    for place in dict.fromkeys(ipv6_prefix(value, "reserved") for value in values):
        yield Node(RESERVED, "", *place)


def _nest(root: Node, nodes: list[Node]) -> None:
    """Put each node into the innermost block around it. Nothing lies in a reserved block: it is no level of its own."""
    around = [root]
    for node in nodes:
        while around and node.first >= around[-1].end:
            around.pop()
        while around and (node.length < around[-1].length or node.first < around[-1].first):
            around.pop()
        if not around:
            what = "reserved" if node.kind == RESERVED else f"plan: {node.kind}: {node.path}"
            raise RolloutError(f"{what}: {node.prefix} is not inside {root.prefix}")
        parent = around[-1]
        while parent.kind == RETIRED and node.kind != RETIRED:
            parent = parent.outer
        node.parent = parent
        parent.entries.append(node)
        if node.kind != RESERVED:
            around.append(node)


def _place_hosts(hosts: t.Mapping[t.Any, t.Any], root: Node, nodes: list[Node]) -> None:
    places = {(root.first, root.length): root}
    places.update(((node.first, node.length), node) for node in nodes if node.kind == SUBNET)
    shifts = sorted({128 - length for _first, length in places})
    read = ((ipv6(value, f"plan: hosts: {name}"), str(name)) for name, value in hosts.items())
    for address, name in sorted(read):
        for shift in shifts:
            node = places.get((address >> shift << shift, 128 - shift))
            if node is not None:
                node.hosts.append((address, name))
                node.hosts_below += 1
                break


# ---------------------------------------------------------------------------------------------- measuring


def _measure(parent: Node) -> None:
    """Set the headroom of every subnet directly in a block: one walk from its last address to its first."""
    limit = parent.end
    covered = parent.first  # where the reserved and retired blocks that begin before an entry end
    reach = []
    for entry in parent.entries:
        reach.append(covered)
        covered = max(covered, entry.end)
    for entry, behind in zip(reversed(parent.entries), reversed(reach)):
        if entry.kind == SUBNET and behind <= entry.first:
            room = (limit - entry.first).bit_length() - 1
            boundary = (entry.first & -entry.first).bit_length() - 1 if entry.first else 128
            entry.headroom = max(0, min(room, boundary, 128 - parent.length) - (128 - entry.length))
        limit = entry.first


def _why_no_more(node: Node) -> str:
    """Say what keeps a subnet from doubling once more than its headroom."""
    parent = node.outer
    wanted = node.length - node.headroom - 1
    if wanted < parent.length:
        return f"it would be larger than {parent.path or 'the whole prefix'}"
    size = 1 << (128 - wanted)
    if node.first % size:
        return f"it does not begin where a /{wanted} does"
    near = (entry for entry in parent.entries if entry.first < node.first + size and entry.end > node.first)
    blocker = next(entry for entry in near if entry is not node)
    if blocker.kind == RESERVED:
        return f"{blocker.prefix} is reserved"
    return f"{blocker.path} ({blocker.prefix}{', retired' if blocker.kind == RETIRED else ''}) is in the way"


def _notes(root: Node, nodes: list[Node]) -> list[str]:
    notes = []
    odd: dict[int, list[Node]] = {}
    tight: list[Node] = []
    for node in (root, *nodes):
        if node.kind != SUBNET:
            continue
        if node.length % 4 and (node.length < LEAF or any(entry.kind == SUBNET for entry in node.entries)):
            odd.setdefault(node.length, []).append(node)
        if node.parent is not None and node.headroom < 2 and node.length <= LEAF and node.parent.length < LEAF:
            tight.append(node)  # a link (RFC 6164) or a loopback never needs to grow
    for length, found in sorted(odd.items()):
        notes.append(_costs_zones(length, found))
    tight.sort(key=lambda node: (node.headroom, not node.entries, node.first, node.length))
    for node in tight[:NOTED]:
        can = "cannot grow in place" if not node.headroom else f"can double once, to a /{node.length - 1}"
        notes.append(f"{node.path} ({node.prefix}) {can}: {_why_no_more(node)}.")
    if len(tight) > NOTED:
        notes.append(f"{len(tight) - NOTED:,} more can double once at most.")
    return notes


def _costs_zones(length: int, found: list[Node]) -> str:
    """Say how many reverse zones a length costs that is no whole number of hexadecimal digits (RFC 3596, 2.5)."""
    names = ", ".join(f"{node.path or 'the whole'} ({node.prefix})" for node in found[:NOTED])
    rest = f" and {len(found) - NOTED:,} more" if len(found) > NOTED else ""
    each = "each takes" if len(found) > 1 else "it takes"
    zones = len(reverse_zones(found[0].prefix))
    return f"{names}{rest}: a /{length} ends inside a hexadecimal digit, so {each} {zones} reverse zones."
