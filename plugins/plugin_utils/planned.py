# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the plan gives a host's interfaces, and whether those that somebody wrote fit the plan."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, ipv6, ipv6_prefix, prefix_text

Data = dict[str, t.Any]
VARIABLE = "interfaces_list"


def _mapping(value: object, what: str) -> t.Mapping[t.Any, t.Any]:
    if not isinstance(value, (dict, t.Mapping)):
        raise RolloutError(f"{what}: {shown(value)} is no dictionary")
    return value


def subnet_of(address: int, prefixes: t.Collection[str]) -> Prefix | None:
    """Return the smallest of the plan's subnets that holds an address."""
    for length in range(128, 0, -1):
        first = address >> (128 - length) << (128 - length)
        if prefix_text(first, length) in prefixes:
            return first, length
    return None


def leaves(prefixes: t.Mapping[str, str]) -> dict[str, str]:
    """Return the plan's subnets that are links: a site, which is cut into subnets or shorter than /64, is none."""
    parsed = {text: ipv6_prefix(text, "plan: subnets") for text in prefixes}
    sites = {
        prefix_text(first >> (128 - length) << (128 - length), length)
        for first, longest in parsed.values()
        for length in range(1, longest)
    }
    return {text: path for text, path in prefixes.items() if parsed[text][1] >= 64 and text not in sites}


def _check_length(value: object, prefixes: t.Mapping[str, str]) -> None:
    """Refuse an address whose length is not the one of its subnet. What is no address the module refuses."""
    text = value.get("address") if isinstance(value, (dict, t.Mapping)) else value
    plain, slash, length = str(text).partition("/")
    if not slash or not length.isdecimal() or ":" not in plain:
        return
    place = subnet_of(ipv6(plain, "interfaces_addresses"), prefixes)
    # An address alone claims no neighbours, so it is never wrong.
    if place is not None and int(length) not in (place[1], 128):
        subnet = prefix_text(*place)
        raise RolloutError(
            f"interfaces_addresses: {text} has a wrong prefix length: the plan has {prefixes[subnet]} as {subnet}; "
            f"write {plain}/{place[1]}"
        )


def _given(host: str, hosts: t.Mapping[str, str], prefixes: t.Mapping[str, str], path: object) -> list[Data]:
    """Return the planned addresses of a host in one subnet: its own first, further ones deprecated."""
    mine = [name for name in sorted(hosts) if name == host or name.startswith(f"{host}/")]
    placed = [(name, subnet_of(ipv6(hosts[name], "hosts"), prefixes)) for name in mine]
    if path:
        wanted = {place for name, place in placed if place and prefixes[prefix_text(*place)] == path}
        missing = f"the subnet {path}"
    else:
        wanted = {place for name, place in placed if name == host and place}
        missing = "any subnet"
    if not wanted:
        raise RolloutError(
            f"{VARIABLE if path else 'interfaces_addresses'}: the plan has no address of {host} in {missing}; run the "
            "playbook ipv6.rollout.plan first, or name the addresses"
        )
    names = sorted((name for name, place in placed if place in wanted), key=lambda name: (name != host, name))
    length = next(iter(wanted))[1]
    return [{"address": f"{hosts[name]}/{length}", "deprecated": name != names[0]} for name in names]


def interfaces(entries: object, plan: object, host: object) -> list[Data]:
    """Return a host's interfaces with their addresses: those that are named, or those that the plan has for them."""
    if not isinstance(entries, (list, tuple)):
        raise RolloutError(f"{VARIABLE}: {shown(entries)} is no list; write [{{name: eth0}}]")
    held = _mapping(plan, "plan")
    hosts = {str(name): str(address) for name, address in _mapping(held.get("hosts") or {}, "plan: hosts").items()}
    subnets = _mapping(held.get("subnets") or {}, "plan: subnets")
    prefixes = {prefix_text(*ipv6_prefix(str(prefix), "plan: subnets")): str(path) for path, prefix in subnets.items()}
    links = leaves(prefixes)
    result = []
    for entry in entries:
        asked = dict(_mapping(entry, VARIABLE))
        path = asked.pop("subnet", None)
        if path is not None and not isinstance(path, str):
            raise RolloutError(f"{VARIABLE}: subnet is {shown(path)}; write its path, as the plan has it")
        given = asked.get("addresses") or []
        if not isinstance(given, (list, tuple)):
            raise RolloutError(f"{VARIABLE}: addresses is {shown(given)}; it is a list")
        for address in given:
            _check_length(address, links)
        asked["addresses"] = list(given) or _given(str(host), hosts, prefixes, path)
        result.append(asked)
    return result
