# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as data: who has which place, who left, and the flat text maps that it is written as."""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6_text, prefix_text

Plan = t.Dict[str, t.Any]
Since = str

PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,62})*", re.ASCII)
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,254}(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,62})?", re.ASCII)
LONGEST_PATH = 2048

# A retired entry whose name is in use again elsewhere, and was retired once more, is kept as name@date.
MARK = "@"


def inside(first: int, length: int, outer_first: int, outer_length: int) -> bool:
    """Tell whether a prefix lies in another, or is that other."""
    return length >= outer_length and first >> (128 - outer_length) == outer_first >> (128 - outer_length)


class Column(t.NamedTuple):
    """Subnets of one parent that all have the same length, in address order, with the numbers they have in it."""

    paths: list[str]
    texts: list[str]
    numbers: list[int]
    taken: t.AbstractSet[int]  # the same numbers, where the column was read; nobody asks a new one
    length: int


class State:
    """Who has which place.

    Subnets are kept as canonical text, by path and in address order, and become numbers where somebody asks. Where all
    subnets of a parent have one length they are in ``columns`` too, by the parent's path.
    """

    def __init__(self, root: Prefix) -> None:
        self.root = root
        self.subnets: dict[str, str] = {}  # of a plan that was read, this may be the caller's own: never changed
        self.columns: dict[str, Column] = {}
        self.gone: list[str] = []  # subnets that are not in the tree any more
        self.new: t.AbstractSet[str] = frozenset()  # subnets that are in the tree only, in its order
        self.hosts: dict[str, int] = {}
        self.ula: Prefix | None = None
        self.retired_subnets: dict[str, tuple[Prefix, Since]] = {}
        self.retired_hosts: dict[str, tuple[int, Since]] = {}
        self.forwards: dict[str, int] = {}
        self.retired_forwards: dict[str, tuple[int, Since]] = {}
        self._places: dict[str, Prefix] = {"": root}

    def place(self, path: str) -> Prefix:
        """Return the place of a subnet, or of the whole for an empty path; raise KeyError where it has none."""
        place = self._places.get(path)
        if place is None:
            place = self._places[path] = read_canonical(self.subnets[path])
        return place


def read_canonical(text: str) -> Prefix:
    """Read the text of a prefix that is known to be right."""
    address, _slash, length = text.partition("/")
    return int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big"), int(length)


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


def host_texts(hosts: t.Mapping[str, int], shift: int = 0) -> dict[str, str]:
    """Return the addresses of hosts as text, in address order; ``shift`` is added to each.

    The text is made in the order of the input, while an address is at hand; the sorting then only touches the names.
    """
    names, addresses = list(hosts), list(hosts.values())
    texts = [ipv6_text(address + shift) for address in addresses]
    return {names[place]: texts[place] for place in sorted(range(len(names)), key=addresses.__getitem__)}


def write_plan(state: State, retired: Retired) -> Plan:
    """Return the plan as plain data, in address order: the bytes depend on the content only."""
    gone_subnets = sorted((place, path, since) for path, (place, since) in retired.subnets.items())
    gone_hosts = sorted((address, name, since) for name, (address, since) in retired.hosts.items())
    return {
        "prefix": prefix_text(*state.root),
        "subnets": state.subnets,
        "hosts": host_texts(state.hosts),
        "retired": {
            "subnets": {path: {"prefix": prefix_text(*place), "since": since} for place, path, since in gone_subnets},
            "hosts": {name: {"address": ipv6_text(address), "since": since} for address, name, since in gone_hosts},
        },
    }
