# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS records of hosts: lab names, published names, PTR records, and the SPF policies that list them."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_names import absolute
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of

KINDS = ("lab", "published", "reverse")
LAB_TTL = 300
_LISTS = ("names", "lab_names", "mail_domains")


class Host(t.NamedTuple):
    """One host, read."""

    address: int
    names: list[str]
    lab_names: list[str]
    mail_domains: list[str]


def host_records(hosts: object, kind: object, lab_ttl: int = LAB_TTL) -> dict[str, list[dict[str, t.Any]]]:
    """Return ``records`` and ``spf`` for the module dns_records."""
    if kind not in KINDS:
        raise RolloutError(f"kind: {shown(kind)} is not one of {', '.join(KINDS)}")
    if not isinstance(hosts, t.Mapping):
        raise RolloutError(f"hosts: {shown(hosts)} is not a dictionary of hosts")
    read = {str(name): _host(str(name), host) for name, host in hosts.items()}
    _no_address_twice(read)
    if kind == "reverse":
        return {"records": [_pointer(host) for host in read.values() if host.names or host.lab_names], "spf": []}
    if kind == "published":
        return {"records": [r for host in read.values() for r in _addresses(host.names, host, None)], "spf": []}
    # An address is listed before it is used: mail may leave over IPv6 as soon as the host has it.
    domains: dict[str, list[str]] = {}
    for host in read.values():
        for domain in host.mail_domains:
            domains.setdefault(domain, []).append(ipv6_text(host.address))
    return {
        "records": [record for host in read.values() for record in _addresses(host.lab_names, host, lab_ttl)],
        "spf": [{"name": domain, "ip6": addresses} for domain, addresses in domains.items()],
    }


def _host(name: str, host: object) -> Host:
    if not isinstance(host, t.Mapping):
        raise RolloutError(f"hosts.{name}: {shown(host)} is not a dictionary")
    if host.get("address") is None:
        raise RolloutError(f"hosts.{name}.address is missing; the plan gives every host one")
    address = ipv6(host["address"], f"hosts.{name}.address")
    return Host(address, *(_names(name, host, which) for which in _LISTS))


def _names(name: str, host: t.Mapping[str, object], which: str) -> list[str]:
    value = host.get(which)
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"hosts.{name}.{which}: {shown(value)} is not a list of names")
    return list(dict.fromkeys(absolute(item, f"hosts.{name}.{which}[{place}]") for place, item in enumerate(value)))


def _no_address_twice(hosts: t.Mapping[str, Host]) -> None:
    seen: dict[int, str] = {}
    for name, host in hosts.items():
        other = seen.setdefault(host.address, name)
        if other != name:
            raise RolloutError(f"hosts.{name}.address: {ipv6_text(host.address)} is the address of {other} too")


def _addresses(names: list[str], host: Host, ttl: int | None) -> list[dict[str, t.Any]]:
    record: dict[str, t.Any] = {"type": "AAAA", "data": ipv6_text(host.address)}
    if ttl is not None:
        record["ttl"] = ttl
    return [{"name": name, **record} for name in names]


def _pointer(host: Host) -> dict[str, t.Any]:
    """Return the one PTR record of a host: to its first name once that has the address, to the lab name until then."""
    record = {"name": name_of(6, host.address), "type": "PTR", "data": (host.names or host.lab_names)[0]}
    if host.names and host.lab_names:
        record["fallback"] = host.lab_names[0]
    return record
