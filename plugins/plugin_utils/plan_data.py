# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as data: read from its flat text maps with every invariant checked, and written back.

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

Plan = t.Dict[str, t.Any]
Since = str

PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,62})*", re.ASCII)
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62})?", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
LONGEST_PATH = 2048

# A retired entry whose name is in use again elsewhere, and was retired once more, is kept as name@date.
MARK = "@"


def inside(first: int, length: int, outer_first: int, outer_length: int) -> bool:
    """Tell whether a prefix lies in another, or is that other."""
    return length >= outer_length and first >> (128 - outer_length) == outer_first >> (128 - outer_length)


class State:
    """Who has which place, as numbers; ``texts`` keeps text that was read, so that it is not made twice."""

    def __init__(self, root: Prefix) -> None:
        self.root = root
        self.subnets: dict[str, Prefix] = {}
        self.hosts: dict[str, int] = {}
        self.retired_subnets: dict[str, tuple[Prefix, Since]] = {}
        self.retired_hosts: dict[str, tuple[int, Since]] = {}
        self.texts: dict[Prefix, str] = {}


class Retired:
    """What left the inventory. A purge forgets what had left before this run."""

    def __init__(
        self, subnets: t.Mapping[str, tuple[Prefix, Since]], hosts: t.Mapping[str, tuple[int, Since]], today: str
    ) -> None:
        self.subnets = dict(subnets)
        self.hosts = dict(hosts)
        self._today = today
        self._fresh_subnets: set[str] = set()
        self._fresh_hosts: set[str] = set()

    def add_subnet(self, path: str, place: Prefix) -> None:
        """Retire a subnet today."""
        _make_way(self.subnets, path)
        self.subnets[path] = (place, self._today)
        self._fresh_subnets.add(path)

    def add_host(self, name: str, address: int) -> None:
        """Retire a host today."""
        _make_way(self.hosts, name)
        self.hosts[name] = (address, self._today)
        self._fresh_hosts.add(name)

    def paths(self) -> list[str]:
        """Return the names of the retired subnets."""
        return list(self.subnets)

    def forget(self, subnets: t.Container[str], hosts: t.Container[str]) -> None:
        """Forget what was retired before this run, but for these names, which may be coming back."""
        keep = self._fresh_subnets
        self.subnets = {path: entry for path, entry in self.subnets.items() if path in keep or path in subnets}
        keep = self._fresh_hosts
        self.hosts = {name: entry for name, entry in self.hosts.items() if name in keep or name in hosts}


_Entry = t.TypeVar("_Entry")


def _make_way(entries: dict[str, tuple[_Entry, Since]], name: str) -> None:
    older = entries.pop(name, None)
    if older is None:
        return
    key = f"{name}{MARK}{older[1]}"
    count = 2
    while key in entries:
        key = f"{name}{MARK}{older[1]}.{count}"
        count += 1
    entries[key] = older


# ---------------------------------------------------------------------------------------------- reading


def read_plan(plan: object, root: Prefix, source: str) -> State:
    """Read a plan and check it; raise RolloutError naming the first entry that breaks an invariant."""
    state = State(root)
    if plan is None:
        return state
    if not isinstance(plan, t.Mapping):
        raise RolloutError(f"{source}: {shown(plan)} is not a plan; it has the keys prefix, subnets, hosts and retired")
    if not plan:
        return state
    _known(plan, ("prefix", "subnets", "hosts", "retired"), source)
    if "prefix" not in plan:
        raise RolloutError(f"{source}: the key 'prefix' is missing, so it is not a plan")
    first, length = _prefix(plan["prefix"], f"{source}: prefix", state)
    if (first, length) != root:
        raise RolloutError(
            f"{source}: it is the plan for {prefix_text(first, length)}, and ipv6_prefix is {prefix_text(*root)}; "
            "put the prefix back, or start another plan file"
        )
    for path, value in _entries(plan, "subnets", source).items():
        where = f"{source}: subnets: {_path(path, f'{source}: subnets')}"
        place = _prefix(value, where, state)
        if not inside(*place, *root):
            raise RolloutError(f"{where}: {prefix_text(*place)} is not inside {prefix_text(*root)}")
        state.subnets[str(path)] = place
    gone = _mapping(plan.get("retired"), f"{source}: retired")
    _known(gone, ("subnets", "hosts"), f"{source}: retired")
    for path, value in _entries(gone, "subnets", f"{source}: retired").items():
        where = f"{source}: retired: subnets: {_path(path, f'{source}: retired: subnets')}"
        text, since = _retired(value, "prefix", where)
        place = _prefix(text, where, state)
        if not inside(*place, *root):
            raise RolloutError(f"{where}: {prefix_text(*place)} is not inside {prefix_text(*root)}")
        state.retired_subnets[str(path)] = (place, since)
    _check_nesting(state, source)
    _read_hosts(plan, gone, state, source)
    return state


def _read_hosts(plan: t.Mapping[t.Any, t.Any], gone: t.Mapping[t.Any, t.Any], state: State, source: str) -> None:
    owners: dict[int, str] = {}
    places = set(state.subnets.values())
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
        where = f"{source}: retired: hosts: {_host(name, f'{source}: retired: hosts')}"
        text, since = _retired(value, "address", where)
        address = _address(text, where)
        if address in owners:
            raise RolloutError(f"{where}: {ipv6_text(address)} is also the address of {owners[address]}")
        owners[address] = f"{name} (retired)"
        if not inside(address, 128, *state.root):
            raise RolloutError(f"{where}: {ipv6_text(address)} is not inside {prefix_text(*state.root)}")
        state.retired_hosts[str(name)] = (address, since)


def _check_nesting(state: State, source: str) -> None:
    """Check that each subnet is in its parent and that no two overlap: one sweep over all, in address order."""
    for path, place in state.subnets.items():
        parent = path.rpartition("/")[0]
        if parent and parent not in state.subnets:
            raise RolloutError(f"{source}: subnets: {path}: its parent {parent} is not in the plan")
        if parent and not inside(*place, *state.subnets[parent]):
            raise RolloutError(
                f"{source}: subnets: {path}: {prefix_text(*place)} is not inside {parent} "
                f"({prefix_text(*state.subnets[parent])})"
            )
    entries = [(first, length, path.count("/"), path, "") for path, (first, length) in state.subnets.items()]
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


def _mapping(value: object, where: str) -> t.Mapping[t.Any, t.Any]:
    if value is None:
        return {}
    if not isinstance(value, t.Mapping):
        raise RolloutError(f"{where}: {shown(value)} is not a dictionary")
    return value


def _entries(plan: t.Mapping[t.Any, t.Any], key: str, where: str) -> t.Mapping[t.Any, t.Any]:
    return _mapping(plan.get(key), f"{where}: {key}")


def _path(value: object, where: str) -> str:
    text = text_value(value, where, LONGEST_PATH)
    if not PATH.fullmatch(text.partition(MARK)[0]):
        raise RolloutError(f"{where}: {shown(text)} is no path of subnet names")
    return text


def _host(value: object, where: str) -> str:
    text = text_value(value, where, LONGEST_PATH)
    if not HOST.fullmatch(text.partition(MARK)[0]):
        raise RolloutError(f"{where}: {shown(text)} is no host name, or host/service")
    return text


def _prefix(value: object, where: str, state: State) -> Prefix:
    place = ipv6_prefix(value, where)
    text = prefix_text(*place)
    if text != value:
        raise RolloutError(f"{where}: {shown(value)} is not canonical (RFC 5952); write {text}")
    state.texts[place] = text
    return place


def _address(value: object, where: str) -> int:
    address = ipv6(value, where)
    if ipv6_text(address) != value:
        raise RolloutError(f"{where}: {shown(value)} is not canonical (RFC 5952); write {ipv6_text(address)}")
    return address


def _retired(value: object, key: str, where: str) -> tuple[object, Since]:
    entry = _mapping(value, where)
    _known(entry, (key, "since"), where)
    since = entry.get("since")
    if isinstance(since, datetime.date):
        since = since.isoformat()[:10]
    if not isinstance(since, str) or not DATE.fullmatch(since):
        raise RolloutError(f"{where}: since: {shown(since)} is not a date such as '2026-01-31'")
    return entry.get(key), str(since)


# ---------------------------------------------------------------------------------------------- writing


def write_plan(state: State, retired: Retired, old: State) -> Plan:
    """Return the plan as plain data, in address order: the bytes depend on the content only."""
    texts = old.texts
    subnets = sorted((first, length, path) for path, (first, length) in state.subnets.items())
    hosts = sorted((address, name) for name, address in state.hosts.items())
    gone_subnets = sorted((place, path, since) for path, (place, since) in retired.subnets.items())
    gone_hosts = sorted((address, name, since) for name, (address, since) in retired.hosts.items())
    return {
        "prefix": prefix_text(*state.root),
        "subnets": {path: texts.get((first, length)) or prefix_text(first, length) for first, length, path in subnets},
        "hosts": {name: ipv6_text(address) for address, name in hosts},
        "retired": {
            "subnets": {path: {"prefix": prefix_text(*place), "since": since} for place, path, since in gone_subnets},
            "hosts": {name: {"address": ipv6_text(address), "since": since} for address, name, since in gone_hosts},
        },
    }
