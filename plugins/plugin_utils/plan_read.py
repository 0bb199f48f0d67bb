# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan read from its flat text maps, with every invariant checked.

A plan may have been edited by hand. What breaks an invariant is refused with the entry named, and never repaired.
"""

from __future__ import annotations

import datetime
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv6,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    reserved,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.blocks import block_numbers, first_overlap
from ansible_collections.ipv6.rollout.plugins.plugin_utils.forwards import port as forward_port
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import (
    HOST,
    LONGEST_PATH,
    MARK,
    PATH,
    Column,
    Since,
    State,
    inside,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.subnets import Tree
from ansible_collections.ipv6.rollout.plugins.plugin_utils.twins import read_ula_prefix, twins

KEYS = ("prefix", "subnets", "hosts", "ula", "forwards", "retired")
RETIRED_BEFORE = re.compile(r"\d{4}-\d{2}-\d{2}(\.\d{1,6})?", re.ASCII)


def is_date(value: object) -> bool:
    """Tell whether a value is a date such as ``2026-01-31``, as text."""
    if not isinstance(value, str) or len(value) != len("2026-01-31"):
        return False
    try:
        datetime.date.fromisoformat(value)
    except ValueError:
        return False
    return True


def read_plan(plan: object, source: str, tree: Tree | None = None) -> State | None:
    """Read a plan and check it against its own prefix; return None for an empty one.

    :param tree: the subnets that are wanted: which of them the plan lacks is ``new`` afterwards, and what it has beyond
        them is ``gone``
    :raises RolloutError: naming the first entry that breaks an invariant
    """
    if plan is None:
        return None
    if not isinstance(plan, t.Mapping):
        raise RolloutError(f"{source}: {shown(plan)} is not a plan; it has the keys prefix, subnets, hosts and retired")
    if not plan:
        return None
    _known(plan, KEYS, source)
    if "prefix" not in plan:
        raise RolloutError(f"{source}: the key 'prefix' is missing, so it is not a plan")
    root = _prefix(plan["prefix"], f"{source}: prefix")
    state = State(root)
    _read_subnets(_entries(plan, "subnets", source), state, f"{source}: subnets", tree or Tree("vlan_hex"))
    gone = mapping(plan.get("retired"), f"{source}: retired")
    _known(gone, ("subnets", "hosts", "forwards"), f"{source}: retired")
    for path, value in _entries(gone, "subnets", f"{source}: retired").items():
        where = f"{source}: retired: subnets: {_retired_name(path, PATH, f'{source}: retired: subnets')}"
        text, since = _retired(value, "prefix", where)
        place = _prefix(text, where)
        if not inside(*place, *root):
            raise RolloutError(f"{where}: {prefix_text(*place)} is not inside {prefix_text(*root)}")
        state.retired_subnets[str(path)] = (place, since)
    if state.retired_subnets:
        _check_retired(state, source)
    _read_hosts(plan, gone, state, source)
    _read_forwards(plan, gone, state, source)
    if plan.get("ula"):
        _read_twins(mapping(plan["ula"], f"{source}: ula"), state, f"{source}: ula")
    return state


def _read_twins(ula: t.Mapping[t.Any, t.Any], state: State, where: str) -> None:
    """Check that the ULA side has the same subnets and hosts, each with the same number and identifier."""
    _known(ula, ("prefix", "subnets", "hosts"), where)
    state.ula = read_ula_prefix(_canonical(ula.get("prefix"), f"{where}: prefix"), state.root, f"{where}: prefix")
    wanted = twins(state, state.ula, f"{where}: prefix")
    for section in ("subnets", "hosts"):
        found = _entries(ula, section, where)
        if found == wanted[section]:
            continue
        for name, text in wanted[section].items():  # who left the plan takes its twin along, and who came has none yet
            if found.get(name, text) != text:
                raise RolloutError(
                    f"{where}: {section}: {name}: {shown(found[name])} is not the twin of its place in the plan, "
                    f"{text}; write that, or take the line out to have it made again"
                )


def _read_subnets(entries: t.Mapping[t.Any, t.Any], state: State, where: str, tree: Tree) -> None:
    """Read the subnets parent by parent: what lies in its parent, and overlaps no sibling, overlaps nobody."""
    paths, texts = list(entries), list(entries.values())
    state.new = dict.fromkeys([path for path in tree.order if path not in entries]).keys()
    if len(tree.order) - len(state.new) < len(entries):
        state.gone = sorted(_path(path, where) for path in entries.keys() - tree.paths)
    if set(map(type, paths)) == {str} == set(map(type, texts)):
        state.subnets = t.cast("dict[str, str]", entries)
    else:
        paths = [str(path) for path in paths]
        texts = [str(text) if isinstance(text, str) else text for text in texts]
        state.subnets = dict(zip(paths, texts))
    families: dict[str, tuple[list[str], list[t.Any]]] = {}
    if tree.inner or any("/" in path for path in state.gone):
        for path, text in zip(paths, texts):
            family = families.setdefault(path.rpartition("/")[0], ([], []))
            family[0].append(path)
            family[1].append(text)
    elif paths:
        families[""] = (paths, texts)
    for parent in sorted(families, key=lambda path: path.count("/") + bool(path)):  # parents before children
        if parent and parent not in state.subnets:
            raise RolloutError(f"{where}: {families[parent][0][0]}: its parent {parent} is not in the plan")
        column = _column(*families[parent], state.place(parent))
        if column is None:
            _read_one_by_one(*families[parent], parent, state, where)
        else:
            state.columns[parent] = column


def _column(paths: list[str], texts: list[t.Any], parent: Prefix) -> Column | None:
    """Read the subnets of a parent at once, in address order, or return None where they have to be read one by one."""
    length = str(texts[0]).rpartition("/")[2]
    if not (length.isascii() and length.isdigit() and len(length) < 4 and parent[1] <= int(length) <= 128):
        return None
    numbers = block_numbers(texts, parent, int(length))
    if numbers is None:
        return None
    taken = set(numbers)
    if len(taken) != len(numbers):
        return None
    ordered = sorted(numbers)
    if ordered != numbers:
        owners = dict(zip(numbers, zip(paths, texts)))
        paths = [owners[number][0] for number in ordered]
        texts = [owners[number][1] for number in ordered]
    return Column(paths, texts, ordered, taken, int(length))


def _read_one_by_one(paths: list[str], texts: list[t.Any], parent: str, state: State, where: str) -> None:
    outer = state.place(parent)
    for path, text in zip(paths, texts):
        if not inside(*_prefix(text, f"{where}: {path}"), *outer):
            raise RolloutError(
                f"{where}: {path}: {text} is not inside "
                + (f"{parent} ({prefix_text(*outer)})" if parent else prefix_text(*outer))
            )
    overlap = first_overlap(texts)
    if overlap is not None:
        wider, longer = overlap
        raise RolloutError(f"{where}: {paths[longer]}: {texts[longer]} overlaps {paths[wider]} ({texts[wider]})")


def _read_hosts(plan: t.Mapping[t.Any, t.Any], gone: t.Mapping[t.Any, t.Any], state: State, source: str) -> None:
    owners: dict[int, str] = {}
    places = set(map(state.place, state.subnets)) if plan.get("hosts") else set()
    lengths = sorted({length for _first, length in places}, reverse=True)
    for name, value in _entries(plan, "hosts", source).items():
        where = f"{source}: hosts: {_host(name, f'{source}: hosts')}"
        address = _address(value, where)
        if address in owners:
            raise RolloutError(f"{where}: {ipv6_text(address)} is also the address of {owners[address]}")
        owners[address] = str(name)
        state.hosts[str(name)] = address
        for length in lengths:
            if (address >> (128 - length) << (128 - length), length) in places:
                why = reserved(address, length)
                break
        else:
            why = "in no subnet of the plan"
        if why:
            raise RolloutError(f"{where}: {ipv6_text(address)} is {why}")
    for name, value in _entries(gone, "hosts", f"{source}: retired").items():
        where = f"{source}: retired: hosts: {_retired_name(name, HOST, f'{source}: retired: hosts')}"
        text, since = _retired(value, "address", where)
        address = _address(text, where)
        if address in owners:
            raise RolloutError(f"{where}: {ipv6_text(address)} is also the address of {owners[address]}")
        owners[address] = f"{name} (retired)"
        if not inside(address, 128, *state.root):
            raise RolloutError(f"{where}: {ipv6_text(address)} is not inside {prefix_text(*state.root)}")
        state.retired_hosts[str(name)] = (address, since)


def _read_forwards(plan: t.Mapping[t.Any, t.Any], gone: t.Mapping[t.Any, t.Any], state: State, source: str) -> None:
    """Read the ports that lead to hosts. No port is there twice, nor one that is not to be given out again."""
    owners: dict[int, str] = {}

    def own(number: int, name: str, where: str) -> int:
        if number in owners:
            raise RolloutError(f"{where}: port {number} is also the forward of {owners[number]}")
        owners[number] = name
        return number

    for name, value in _entries(plan, "forwards", source).items():
        where = f"{source}: forwards: {_host(name, f'{source}: forwards')}"
        state.forwards[str(name)] = own(forward_port(value, where), str(name), where)
    for name, value in _entries(gone, "forwards", f"{source}: retired").items():
        where = f"{source}: retired: forwards: {_host(name, f'{source}: retired: forwards')}"
        if name in state.forwards:
            raise RolloutError(f"{where}: it has a forward; take one of the two lines out")
        number, since = _retired(value, "port", where)
        state.retired_forwards[str(name)] = (own(forward_port(number, where), f"{name} (retired)", where), since)


def _check_retired(state: State, source: str) -> None:
    """Check that what is retired overlaps nothing else: one sweep over all, in address order."""
    entries = [(*state.place(path), path.count("/"), path, "") for path in state.subnets]
    entries += [
        (first, length, path.count("/"), path, "retired: ")
        for path, ((first, length), _since) in state.retired_subnets.items()
    ]
    entries.sort()
    around: list[tuple[int, int, str, str]] = []
    for first, length, _depth, path, kind in entries:
        while around and not inside(first, length, around[-1][0], around[-1][1]):
            around.pop()
        if around:
            outer_first, outer_length, outer, outer_kind = around[-1]
            if not _below(path, outer):
                raise RolloutError(
                    f"{source}: {kind}subnets: {path}: {prefix_text(first, length)} overlaps {outer_kind}{outer} "
                    f"({prefix_text(outer_first, outer_length)})"
                )
        around.append((first, length, path, kind))


def _below(path: str, outer: str) -> bool:
    return path.startswith(f"{outer.partition(MARK)[0]}/")


def _known(mapping: t.Mapping[t.Any, t.Any], keys: t.Sequence[str], where: str) -> None:
    for key in mapping:
        if key not in keys:
            raise RolloutError(f"{where}: {shown(key)} is not known here; the keys are {', '.join(keys)}")


def mapping(value: object, where: str) -> t.Mapping[t.Any, t.Any]:
    """Return a value that must be a dictionary; nothing at all stands for an empty one."""
    if value is None:
        return {}
    if not isinstance(value, t.Mapping):
        raise RolloutError(f"{where}: {shown(value)} is not a dictionary")
    return value


def _entries(plan: t.Mapping[t.Any, t.Any], key: str, where: str) -> t.Mapping[t.Any, t.Any]:
    return mapping(plan.get(key), f"{where}: {key}")


def _path(value: object, where: str) -> str:
    text = text_value(value, where, LONGEST_PATH)
    if not PATH.fullmatch(text):
        raise RolloutError(f"{where}: {shown(text)} is no path of subnet names")
    return text


def _host(value: object, where: str) -> str:
    text = text_value(value, where, LONGEST_PATH)
    if not HOST.fullmatch(text):
        raise RolloutError(f"{where}: {shown(text)} is no host name, or host/service")
    return text


def _retired_name(value: object, pattern: re.Pattern[str], where: str) -> str:
    """Read the name of what left, which carries a date where it left more than once."""
    text = text_value(value, where, LONGEST_PATH)
    name, mark, date = text.partition(MARK)
    if not pattern.fullmatch(name) or (mark and not RETIRED_BEFORE.fullmatch(date)):
        raise RolloutError(f"{where}: {shown(text)} is no name of what left; write the name that it had")
    return text


def _prefix(value: object, where: str) -> Prefix:
    place = ipv6_prefix(value, where)
    text = prefix_text(*place)
    if text != value:
        raise RolloutError(f"{where}: {shown(value)} is not canonical (RFC 5952); write {text}")
    return place


def _canonical(value: object, where: str) -> str:
    return prefix_text(*_prefix(value, where))


def _address(value: object, where: str) -> int:
    address = ipv6(value, where)
    if ipv6_text(address) != value:
        raise RolloutError(f"{where}: {shown(value)} is not canonical (RFC 5952); write {ipv6_text(address)}")
    return address


def _retired(value: object, key: str, where: str) -> tuple[object, Since]:
    entry = mapping(value, where)
    _known(entry, (key, "since"), where)
    since = entry.get("since")
    if isinstance(since, datetime.date):
        since = since.isoformat()[:10]
    if not is_date(since):
        raise RolloutError(f"{where}: since: {shown(since)} is not a date such as '2026-01-31'")
    return entry.get(key), str(since)
