# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address plan: every subnet and host gets its place, and nothing that has one ever moves.

:func:`subnet_plan` is pure. What it knows of the past comes in as the previous plan, and so does today's date. Subnets
are placed by :mod:`.placing`, hosts by :mod:`.hosts`.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6_prefix, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.forwards import place_forwards, with_forwards
from ansible_collections.ipv6.rollout.plugins.plugin_utils.hosts import place_hosts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.placing import Planner
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import (
    Plan,
    Retired,
    State,
    inside,
    read_canonical,
    write_plan,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_move import moved_plan
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_read import read_plan
from ansible_collections.ipv6.rollout.plugins.plugin_utils.subnets import Tree, read_tree
from ansible_collections.ipv6.rollout.plugins.plugin_utils.twins import read_ula_prefix, twins

SHORTEST, LONGEST = 16, 127


def subnet_plan(
    prefix: object,
    subnets: object,
    previous: object = None,
    hosts: object = None,
    *,
    today: str,
    purge: bool = False,
    growth: object = "leftmost",
    reserved: object = None,
    vlan_numbers: object = "vlan_hex",
    ula_prefix: object = None,
    seed: str = "",
    source: str = "previous",
    forwards: object = None,
    forward_ports: object = None,
) -> Plan:
    """Return the plan for a prefix.

    :param subnets: the tree, as ``ipv6_subnets`` has it
    :param previous: the plan so far; what has a place in it keeps it. Where it is for another prefix, every subnet
        number and interface identifier moves along to this one
    :param hosts: ``{name: {subnet, interface_id, ipv4}}``; a name may be ``host/service`` for a further address
    :param today: the date that goes into ``since`` of what leaves the inventory now
    :param purge: forget what was retired before this call, so that its places can be given out again
    :param growth: the order at the top level
    :param reserved: numbers, ranges or prefixes that are not given out at the top level
    :param vlan_numbers: how a VLAN becomes a number: ``vlan_hex`` or ``vlan_decimal``
    :param ula_prefix: a unique local prefix in which every place has a twin (``ula`` in the plan)
    :param seed: a secret for ``stable`` identifiers
    :param source: what messages call the previous plan
    :param forwards: the hosts that want a port of the v4 proxy that leads to their ssh (``forwards`` in the plan)
    :param forward_ports: the range of these ports; without one, every host keeps what it has
    """
    if prefix == "":
        raise RolloutError("ipv6_prefix: it is not set; write what your provider gave, such as '2001:db8:1200::/48'")
    root = ipv6_prefix(prefix, "ipv6_prefix", SHORTEST, LONGEST)
    _refuse_special(root)
    ula = None if ula_prefix is None or ula_prefix == "" else read_ula_prefix(ula_prefix, root)
    tree = read_tree(subnets, growth, reserved, vlan_numbers)
    old = _previous(previous, root, ula, source, tree, purge)
    state = State(root)
    retired = Retired(old.retired_subnets, old.retired_hosts, today)
    wanted = hosts if isinstance(hosts, t.Mapping) else {}
    if purge:
        retired.forget(old.new, wanted.keys() - old.hosts.keys())
    for path in old.gone:
        retired.add_subnet(path, old.place(path))
    Planner(old, state, retired, tree).place_all()
    place_hosts({} if hosts is None else hosts, Leaves(tree, state), old, state, retired, seed)
    if purge:
        retired.forget((), ())
    plan = write_plan(state, retired)
    if ula is not None:
        plan = _with_twins(plan, state, ula)
    return with_forwards(plan, *place_forwards(forwards, forward_ports, old, state.hosts, today, purge))


def reserved_prefixes(
    plan: Plan, subnets: object, growth: object = "leftmost", reserved: object = None, vlan_numbers: object = "vlan_hex"
) -> list[str]:
    """Return, as prefixes, what is reserved in a plan that was made of these subnets."""
    tree = read_tree(subnets, growth, reserved, vlan_numbers)
    found: list[Prefix] = []
    levels = [(tree.top, plan["prefix"])]
    for level, parent in levels:
        found += level.reserved_blocks(read_canonical(parent))
        levels += [
            (subnet.subnets, plan["subnets"][subnet.path])
            for subnet in level.marked.values()
            if subnet.subnets is not None
        ]
    return [prefix_text(*place) for place in found]


class Leaves(t.Mapping[str, Prefix]):
    """The places of the subnets that have no subnets of their own, by path."""

    def __init__(self, tree: Tree, state: State) -> None:
        self._tree = tree
        self._state = state

    def __getitem__(self, path: str) -> Prefix:
        """Return the place of a leaf."""
        if path in self._tree.inner or not path:
            raise KeyError(path)
        return self._state.place(path)

    def __iter__(self) -> t.Iterator[str]:
        """Yield the paths."""
        return (path for path in self._state.subnets if path not in self._tree.inner)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._state.subnets) - len(self._tree.inner)


def _refuse_special(root: Prefix) -> None:
    first, length = root
    for start, size, why in (
        (0xFF << 120, 8, "multicast"),
        (0xFE80 << 112, 10, "link-local"),
        (0, 8, "in ::/8, where no network is: it has ::1 and the IPv4-mapped addresses"),
    ):
        if inside(first, length, start, size):
            raise RolloutError(f"ipv6_prefix: '{prefix_text(*root)}' is {why}; write what your provider gave")


def _previous(previous: object, root: Prefix, ula: Prefix | None, source: str, tree: Tree, purge: bool) -> State:
    """Return the previous plan, moved to this prefix where it is for another one."""
    old = read_plan(previous, source, tree)
    if old is None:
        old = State(root)
    if old.root == root:
        return old
    moved = read_plan(moved_plan(old, root, purge), source, tree) or State(root)
    if old.ula is not None and old.ula == ula and twins(old, ula)["subnets"] != twins(moved, ula)["subnets"]:
        raise RolloutError(
            f"ipv6_prefix: {prefix_text(*root)} overlaps {prefix_text(*old.root)} but begins elsewhere, so the "
            f"addresses in {prefix_text(*ula)} would move; take ipv6_ula_prefix out, or give it another value, in the "
            "same change"
        )
    return moved


def _with_twins(plan: Plan, state: State, ula: Prefix) -> Plan:
    """Return a plan with its ULA side."""
    return {
        "prefix": plan["prefix"],
        "subnets": plan["subnets"],
        "hosts": plan["hosts"],
        "ula": twins(state, ula),
        "retired": plan["retired"],
    }
