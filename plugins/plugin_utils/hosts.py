# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of hosts in the plan: who has one keeps it, who comes back gets the old one, the rest by their policies.

The order is: kept, returning, literal identifiers and those made of IPv4 addresses, ``stable``, ``next``.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    interface_id,
    ipv6_text,
    prefix_text,
    reserved,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.identifiers import (
    DEFAULT_POLICY,
    POLICIES,
    host_address,
    next_address,
    policy_or_literal,
    stable_address,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import (
    HOST,
    LONGEST_PATH,
    Retired,
    Since,
    State,
    inside,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.services import KNOWN
from ansible_collections.ipv6.rollout.plugins.plugin_utils.subnets import VARIABLE

KEYS = ("subnet", "interface_id", "ipv4", "service")
# A whole specification, as host_spec returns it, will do as well; what is not about addresses is left alone.
ALSO = ("interface", "names", "lab_names", "services", "daemons", "mail_domains")
KNOWN_KEYS = frozenset((*KEYS, *ALSO))
WAY_OUT = (
    "nothing that has a place moves; put it back, or, to move it on purpose, take its line out of 'hosts' in the plan"
)


class _Wish(t.NamedTuple):
    name: str
    place: Prefix
    subnet: str
    policy: str
    spec: t.Mapping[t.Any, t.Any]


def place_hosts(
    hosts: object,
    leaves: t.Mapping[str, Prefix],
    old: State,
    state: State,
    retired: Retired,
    seed: str = "",
) -> None:
    """Give each host its address, and retire the addresses of those that left."""
    if not isinstance(hosts, t.Mapping):
        raise RolloutError(f"hosts: {shown(hosts)} is not a dictionary; write {{name: {{subnet, interface_id, ipv4}}}}")
    for name, address in old.hosts.items():
        if name not in hosts:
            retired.add_host(name, address)
    placed = state.hosts
    fixed: list[_Wish] = []
    drawn: list[tuple[str, Prefix]] = []
    lowest: list[tuple[str, Prefix]] = []
    for wish in _wishes(hosts, leaves, state):
        kept = old.hosts.get(wish.name)
        if kept is not None:
            _unmoved(wish, kept)
        elif wish.name in retired.hosts:
            kept = _back(wish, retired)
        if kept is not None:
            placed[wish.name] = kept
        elif wish.policy == "stable":
            drawn.append(wish[:2])
        elif wish.policy == "next":
            lowest.append(wish[:2])
        else:
            fixed.append(wish)
    taken = {address: name for name, address in placed.items()}
    gone = {address: (name, since) for name, (address, since) in retired.hosts.items()}
    for wish in fixed:
        address = _fixed_address(wish)
        if address in taken or address in gone:
            _refuse_taken(wish, address, taken, gone)
        placed[wish.name] = address
        taken[address] = wish.name
    taken.update(dict.fromkeys(gone, ""))
    for name, place in drawn:
        _take(name, stable_address(place, name, taken, seed) or _full(hosts, name, place), placed, taken)
    start: dict[Prefix, int] = {}
    for name, place in lowest:
        _take(name, next_address(place, taken, start.get(place, 0)) or _full(hosts, name, place), placed, taken)
        start[place] = placed[name] - place[0] + 1


def _fixed_address(wish: _Wish) -> int:
    what = _variable("ipv6_interface_id", wish.name)
    service = _service(wish) if wish.policy == "service" else None
    return host_address(wish.place, wish.policy, wish.spec.get("ipv4"), what=what, service=service)


def _refuse_taken(
    wish: _Wish, address: int, taken: t.Mapping[int, str], gone: t.Mapping[int, tuple[str, Since]]
) -> t.NoReturn:
    what = f"{_variable('ipv6_interface_id', wish.name)}: {ipv6_text(address)}"
    if address in taken:
        raise RolloutError(f"{what} is the address of {taken[address]}; take another one")
    name, since = gone[address]
    raise RolloutError(
        f"{what} was the address of {name}, retired since {since} and not purged; take another one, or purge the plan"
    )


def _service(wish: _Wish) -> object:
    """Return the service of the policy ``service``: what the host says, its name's own, or its first service's."""
    said = wish.spec.get("service")
    if said is None or said == "":
        said = wish.name.partition("/")[2]
    services = wish.spec.get("services")
    if not said and isinstance(services, (list, tuple)) and services:
        said = services[0]
        if isinstance(said, t.Mapping):
            said = said.get("port") or said.get("name")
    return KNOWN[said][0] if isinstance(said, str) and said in KNOWN else said


def _take(name: str, address: int, placed: dict[str, int], taken: dict[int, str]) -> None:
    placed[name] = address
    taken[address] = name


def _full(hosts: t.Mapping[t.Any, t.Any], name: str, place: Prefix) -> t.NoReturn:
    raise RolloutError(
        f"{_variable('ipv6_subnet', name)}: {hosts[name]['subnet']} ({prefix_text(*place)}) has no free address left; "
        "use another subnet, or purge the plan"
    )


def _variable(variable: str, name: str) -> str:
    return f"{variable} of {name}"


def _wishes(hosts: t.Mapping[t.Any, t.Any], leaves: t.Mapping[str, Prefix], state: State) -> t.Iterator[_Wish]:
    """Read the hosts one after the other; a fleet has many of them in few subnets, so places are kept at hand."""
    places: dict[str, Prefix] = {}
    for key, spec in hosts.items():
        name = text_value(key, "hosts", LONGEST_PATH)
        if not HOST.fullmatch(name):
            raise RolloutError(f"hosts: {shown(name)} is no host name, or host/service")
        if not isinstance(spec, (dict, t.Mapping)):
            raise RolloutError(
                f"hosts: {name}: {shown(spec)} is not a dictionary; write {{subnet, interface_id, ipv4}}"
            )
        if not spec.keys() <= KNOWN_KEYS:
            options = [option for option in spec if option not in KNOWN_KEYS]
            raise RolloutError(f"hosts: {name}: {shown(options[0])} is not known here; a host has {', '.join(KEYS)}")
        subnet = spec.get("subnet")
        place = places.get(subnet) if isinstance(subnet, str) else None
        if place is None:
            subnet = text_value(subnet, _variable("ipv6_subnet", name), LONGEST_PATH)
            if subnet not in leaves:
                raise RolloutError(f"{_variable('ipv6_subnet', name)}: {_no_leaf(subnet, leaves, state)}")
            place = places[subnet] = leaves[subnet]
        policy = spec.get("interface_id")
        if policy is None:
            policy = DEFAULT_POLICY
        elif not isinstance(policy, str) or policy not in POLICIES:
            policy = policy_or_literal(policy, _variable("ipv6_interface_id", name))
        yield _Wish(name, place, str(subnet), policy, spec)


def _no_leaf(subnet: str, leaves: t.Mapping[str, Prefix], state: State) -> str:
    if subnet in state.subnets:
        below = sorted(path for path in leaves if path.startswith(f"{subnet}/"))
        return f"{shown(subnet)} has subnets of its own; take one of {', '.join(below[:5])}"
    if not leaves:
        return f"{shown(subnet)} is not in ipv6_subnets, which is empty; add it there"
    named = sorted(leaves)
    near = [path for path in named if path.rpartition("/")[2] == subnet] or named
    return f"{shown(subnet)} is not in ipv6_subnets; add it there, or take one of {', '.join(near[:5])}" + (
        " ..." if len(near) > 5 else ""
    )


def _unmoved(wish: _Wish, address: int) -> None:
    """Refuse what would move a host that has an address; policies only ever choose the first one."""
    why = reserved(address, wish.place[1])
    if why:
        raise RolloutError(
            f"{VARIABLE}: {wish.subnet}: length: as a /{wish.place[1]}, it makes the address of {wish.name}, "
            f"{ipv6_text(address)}, {why}; keep the length, or move the host first"
        )
    if not inside(address, 128, *wish.place):
        raise RolloutError(
            f"{_variable('ipv6_subnet', wish.name)}: {wish.subnet} is {prefix_text(*wish.place)}, but the plan has "
            f"{ipv6_text(address)} for it; {WAY_OUT}"
        )
    if wish.policy not in POLICIES and _literal(wish) != address:
        raise RolloutError(
            f"{_variable('ipv6_interface_id', wish.name)}: {shown(wish.policy)} in {wish.subnet} makes another address "
            f"than the plan has for it, {ipv6_text(address)}; {WAY_OUT}"
        )


def _literal(wish: _Wish) -> int:
    first, length = wish.place
    return first | interface_id(wish.policy, _variable("ipv6_interface_id", wish.name), 128 - length)


def _back(wish: _Wish, retired: Retired) -> int | None:
    """Return the retired address of a name that comes back, where it still goes with what the user writes."""
    address = retired.hosts[wish.name][0]
    if not inside(address, 128, *wish.place) or reserved(address, wish.place[1]):
        return None
    if wish.policy not in POLICIES and _literal(wish) != address:
        return None
    del retired.hosts[wish.name]
    return address
