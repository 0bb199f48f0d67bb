# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches the sockets of a host over each family, and whether that is what the inventory says.

Three things come together: the sockets, the rules of both families, and what is declared. What one of them does not
tell is unknown, and unknown is never fine.
"""

from __future__ import annotations

import collections.abc
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import hosts
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import address_range
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listener_judge, listener_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import FAMILIES, Declared, declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_model import LEVELS, NEAR, Data, Host, Socket
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_reach import Gate

KEYS = ("listeners", "sockets", "firewall", "interfaces", "routes", "sysctls", "ipv6")


def listener_findings(
    look: object, declared_services: object = None, addresses: object = None, trusted: object = None
) -> dict[str, t.Any]:
    """Return the report, as the filter of the same name documents it.

    :param look: what ``host_info`` returned, with the rules
    :param declared_services: the services that are meant to be there
    :param addresses: the addresses that clients use, by family
    :param trusted: sources that are let in everywhere and don't count, such as the lab machine's
    :raises RolloutError: where an argument can't be understood
    """
    if not isinstance(look, collections.abc.Mapping) or not all(key in look for key in KEYS):
        raise RolloutError(f"_input: {shown(look)} is not what the module host_info returns as host_info")
    known = declared(declared_services)
    planned = _addresses(addresses)
    apart = _trusted(trusted)
    try:
        host = _host(look, planned, apart)
        sockets = [_socket(host, entry, known) for entry in look["listeners"]]
        found = listener_judge.findings(host, sockets, known)
    except (AttributeError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RolloutError(
            f"_input: it is not what the module host_info returns as host_info; see {error!r}"
        ) from error
    report = {
        "sockets": [listener_text.row(host, one) for one in sockets],
        "findings": found,
        "summary": {
            "sockets": len(sockets),
            **{level: sum(one["level"] == level for one in found) for level in LEVELS},
        },
    }
    return {**report, "lines": listener_text.lines(report)}


def _addresses(value: object) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, collections.abc.Mapping) or not set(value) <= set(FAMILIES):
        raise RolloutError(
            f"addresses: {shown(value)} is no dictionary of families; write {{ipv4: ADDRESS, ipv6: ADDRESS}}"
        )
    found = {}
    for family, text in value.items():
        if text is None or text == "":
            continue
        version, number = any_address(text, f"addresses: {family}")
        if version != (4 if family == "ipv4" else 6):
            raise RolloutError(f"addresses: {family}: {shown(text)} is an address of the other family; correct it")
        found[str(family)] = address_text(version, number)
    return found


def _trusted(value: object) -> dict[str, Set]:
    found: dict[str, Set] = dict.fromkeys(FAMILIES, ())
    if value is None:
        return found
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"trusted: {shown(value)} is not a list; write [...] around it")
    for item in value:
        for family in FAMILIES:
            part = address_range(item, family) if isinstance(item, str) else None
            if part:
                found[family] = intervals.either(found[family], part)
                break
        else:
            raise RolloutError(
                f"trusted: {shown(item)} is no address or prefix; write one such as '2001:db8::/64' in quotes"
            )
    for family in FAMILIES:
        if not intervals.without(hosts(family), found[family]):
            raise RolloutError(f"trusted: {shown(value)} is all of {NAMES[family]}; name fewer sources")
    return found


def _host(look: Data, planned: t.Mapping[str, str], apart: t.Mapping[str, Set]) -> Host:
    own: dict[str, list[str]] = {family: [] for family in FAMILIES}
    addresses = {str(entry["address"]) for interface in look["interfaces"] for entry in interface["addresses"]}
    for interface in look["interfaces"]:
        for entry in interface["addresses"]:
            if entry["scope"] == "global":
                own[str(entry["family"])].append(str(entry["address"]))
    routes = look["routes"]
    devices = {}
    for family, other in (("ipv4", "ipv6"), ("ipv6", "ipv4")):
        # The world comes in where the host's own ways out are. Without one, rules for an interface stay undecided.
        names = [str(route.get("dev") or "") for route in routes[family] or routes[other]]
        devices[family] = list(dict.fromkeys(names)) or [""]
    link = [
        str(entry["address"])
        for interface in look["interfaces"]
        if devices["ipv6"] == [""] or interface["name"] in devices["ipv6"]
        for entry in interface["addresses"]
        if entry["scope"] == "link" and entry["family"] == "ipv6"
    ]
    gates = {family: Gate(look["firewall"][family], family, apart[family]) for family in FAMILIES}
    # systemd opens sockets for others, and asks nobody.
    askers = {one["pid"] for one in look["listeners"] if (one["protocol"], one["port"]) == ("udp", 53)} - {0, 1}
    words = str(look["sysctls"].get("net.ipv4.ip_local_port_range") or "0 0").split()
    ports = (int(words[0]), int(words[-1]))
    return Host(look, gates, planned, own, frozenset(addresses), link, devices, askers, ports)


def _socket(host: Host, entry: Data, known: t.Mapping[tuple[str, int], Declared]) -> Socket:
    protocol, port = str(entry["protocol"]), int(entry["port"])
    local = entry["scope"] == "loopback" or entry["device"] == "lo"
    absent = (
        entry["scope"] in ("global", "link") and str(entry["address"]).removeprefix("::ffff:") not in host.addresses
    )
    service = known.get((protocol, port))
    fates = {}
    ways = {}
    elsewhere = {}
    for family in FAMILIES:
        if entry[family] is not False and not local:
            gate = host.gates[family]
            ways[family] = host.ways(entry, family)
            fates[family] = gate.fate(protocol, port, ways[family], gate.everyone(entry["scope"] in NEAR))
            elsewhere[family] = [
                name
                for name in _further(host, entry, family)
                if gate.fate(protocol, port, host.ways(entry, family, by=[name]), gate.everyone()).who != "nobody"
            ]
    neighbours = False
    if "ipv6" in fates:
        gate = host.gates["ipv6"]
        near = [way for to in (None, host.link) if to != [] for way in host.ways(entry, "ipv6", to)]
        neighbours = gate.fate(protocol, port, near, gate.everyone(neighbours=True)).who != "nobody"
    client = service is None and not local and _client(host, entry)
    return Socket(entry, service, local, absent, client, fates, neighbours, ways, elsewhere)


def _further(host: Host, entry: Data, family: str) -> list[str]:
    """The interfaces without a default route that a socket hears, one of those that the rules treat alike."""
    if entry["device"] or entry["scope"] in NEAR or host.gates[family].unseen or "" in host.devices[family]:
        return []  # it hears one only, or nothing is known of any
    tells = host.gates[family].tells
    known = {tells(name) for name in host.devices[family]}
    names = [str(interface["name"]) for interface in host.look["interfaces"] if interface["name"] != "lo"]
    found = {tells(name): name for name in reversed(names) if tells(name) not in known}
    return sorted(found.values())


def _client(host: Host, entry: Data) -> bool:
    """Whether a UDP socket may be the one that a client sends from, such as a resolver's.

    A client that is not connected looks like a server. But the kernel gives it a port out of a range of its own, and
    a name server asks others from ports that it draws.
    """
    if entry["protocol"] != "udp":
        return False
    low, high = host.client_ports
    return bool(low <= entry["port"] <= high or (entry["port"] >= 1024 and entry["pid"] in host.askers))
