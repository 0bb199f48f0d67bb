# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is behind the v4 proxy, from the inventory and the plan, and the DNS records that lead clients there."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_values as values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address, ipv4_text, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import host_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_read import mapping
from ansible_collections.ipv6.rollout.plugins.plugin_utils.services import KNOWN, services

Data = dict[str, t.Any]
AAAA = ("direct", "proxy")
# What can be told by name without decryption: HTTP, and what speaks TLS from the first byte.
BY_NAME = ("http", "https", "submissions", "submission", "imaps", "pop3s")


def _list(value: object, what: str) -> list[t.Any]:
    if value is None:
        return []
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is no list; write [...] around it")
    return list(value)


def _choice(value: object) -> str:
    if not isinstance(value, str) or value not in AAAA:
        raise RolloutError(f"v4_proxy_aaaa: {shown(value)} is not one of {', '.join(AAAA)}")
    return str(value)


def proxy_hosts(members: object, hostvars: object, plan: object, aaaa: object = "direct") -> dict[str, Data]:
    """Return ``hosts`` of the module v4_proxy.

    :param members: the inventory names of the hosts behind the proxy
    :param aaaa: where AAAA records lead: ``direct`` to the host, or to the ``proxy``
    """
    if not isinstance(hostvars, t.Mapping):
        raise RolloutError(f"v4_proxy_hosts: {shown(hostvars)} is not a dictionary; give it hostvars")
    direct = _choice(aaaa) == "direct"
    held = mapping(plan, "plan")
    addresses = mapping(held.get("hosts"), "plan: hosts")
    forwards = mapping(held.get("forwards"), "plan: forwards")
    found = {}
    for name in _list(members, "v4_proxy_members"):
        if not isinstance(name, str) or name not in hostvars:
            raise RolloutError(f"v4_proxy_members: {shown(name)} is not in the inventory")
        if name not in addresses:
            raise RolloutError(
                f"v4_proxy_members: {shown(name)} has no address in the plan; give it an ipv6_subnet, and run the "
                "playbook ipv6.rollout.plan first"
            )
        host = _host(str(name), hostvars[name], addresses)
        if str(name) in forwards:
            host["forward"] = forwards[str(name)]
        read = values.host(str(name), host)
        if direct:
            _no_forged_header(read)
        found[str(name)] = _plain(read)
    return found


def _host(name: str, variables: t.Mapping[str, t.Any], addresses: t.Mapping[t.Any, t.Any]) -> Data:
    def of(variable: str) -> str:
        return f"{variable} of {name}"

    variable = "v4_proxy_names" if variables.get("v4_proxy_names") is not None else "ipv6_names"
    names = [_name(item, of(variable)) for item in _list(variables.get(variable), of(variable))]
    given = variables.get("v4_proxy_ports")
    if given is None:
        offered = services(variables.get("ipv6_services"), of("ipv6_services"))
        ports: list[t.Any] = [
            {"port": service["port"], "mode": "http" if service["name"] == "http" else "tls"}
            for service in offered
            if service["name"] in BY_NAME and service["protocol"] == "tcp"
        ]
    else:
        ports = [_port(item, of("v4_proxy_ports")) for item in _list(given, of("v4_proxy_ports"))]
    return {
        "address": addresses[name],
        "backend": _backend(variables.get("v4_proxy_address"), of("v4_proxy_address"), name, addresses),
        "names": names,
        "ports": [_with_protocol(item, variables.get("v4_proxy_protocol"), of("v4_proxy_protocol")) for item in ports],
    }


def _name(value: object, what: str) -> str:
    """Read a name, which may be an international one, or a wildcard."""
    if isinstance(value, str) and value.startswith("*."):
        return "*." + host_name(value[2:], what)
    return host_name(value, what)


def _port(value: object, what: str) -> object:
    """Let the name of a service stand for its port."""
    if isinstance(value, str) and not value.isdecimal():
        if value not in KNOWN:
            raise RolloutError(f"{what}: {shown(value)} is no port, and not one of {', '.join(BY_NAME)}")
        if value not in BY_NAME:
            raise RolloutError(
                f"{what}: {shown(value)} can't be told by name: it does not speak TLS from the first byte; "
                f"{', '.join(BY_NAME)} can"
            )
        return KNOWN[value][0]
    return value


def _with_protocol(port: object, protocol: object, what: str) -> Data:
    """Return a port as a dictionary; what it says of the PROXY protocol itself counts first."""
    entry: Data = dict(port) if isinstance(port, t.Mapping) else {"port": port}
    if protocol is None or entry.get("proxy_protocol") is not None:
        return entry
    if isinstance(protocol, t.Mapping):
        by_port = {str(values.number(_port(key, what), what, 1, 65535)): word for key, word in protocol.items()}
        word = by_port.get(str(entry.get("port")), "none")
    else:
        word = protocol
    if word not in values.PROTOCOLS:
        raise RolloutError(f"{what}: {shown(word)} is not one of {', '.join(values.PROTOCOLS)}")
    return {**entry, "proxy_protocol": word}


def _backend(value: object, what: str, name: str, addresses: t.Mapping[t.Any, t.Any]) -> object:
    """Return the address that the proxy connects to: one that the plan gives this host."""
    if value is None or value == "":
        return addresses[name]
    mine = {str(key): address for key, address in addresses.items() if str(key).partition("/")[0] == name}
    if isinstance(value, str) and value in mine:
        return mine[value]
    if isinstance(value, str) and value in mine.values():
        return str(value)
    raise RolloutError(f"{what}: {shown(value)} is no address that the plan gives {name}; it has {', '.join(mine)}")


def _no_forged_header(host: values.Host) -> None:
    """Refuse one socket for clients that send the PROXY header and for clients that do not.

    A server takes the header from everybody at a socket or from nobody: direct clients would be dropped, or could
    pretend to be anybody.
    """
    direct = [entry.port for entry in host.ports]
    for entry in host.ports:
        if entry.protocol != "none" and entry.to in direct and host.backend == host.address:
            raise RolloutError(
                f"v4_proxy_protocol of {host.name}: port {entry.to} of {host.address} can't take the PROXY header "
                "from the proxy and direct clients too; give the host another address for the proxy (v4_proxy_address) "
                "or another port (to), or set v4_proxy_aaaa to proxy"
            )


def _plain(host: values.Host) -> Data:
    ports = [
        {"port": entry.port, "to": entry.to, "mode": entry.mode, "proxy_protocol": entry.protocol}
        for entry in host.ports
    ]
    found: Data = {"address": host.address, "names": list(host.names), "ports": ports}
    if host.backend != host.address:
        found["backend"] = host.backend
    if host.forward:
        found["forward"] = host.forward
    return found


def proxy_records(
    hosts: object, addresses: object, aaaa: object = "direct", ttl: object = 3600
) -> dict[str, list[Data]]:
    """Return the records of the names behind the proxy, and those that lead to where the other choice would.

    :param hosts: as :func:`proxy_hosts` returns them
    :param addresses: where clients find the proxy, as the world sees it
    """
    direct = _choice(aaaa) == "direct"
    seconds = values.number(ttl, "v4_proxy_ttl", 0, 2147483647)
    proxy: dict[int, list[str]] = {4: [], 6: []}
    for item in _list(addresses, "v4_proxy_public"):
        family, number = any_address(item, "v4_proxy_public")
        if not number:
            raise RolloutError(
                f"v4_proxy_public: {shown(item)} is no address that clients can go to; write the public one"
            )
        proxy[family].append(ipv4_text(number) if family == 4 else ipv6_text(number))
    if not proxy[4]:
        raise RolloutError("v4_proxy_public: it has no IPv4 address; write the one where the world finds the proxy")
    if not direct and not proxy[6]:
        raise RolloutError(
            "v4_proxy_public: it has no IPv6 address, and v4_proxy_aaaa is proxy; write one, or 'direct'"
        )
    records: list[Data] = []
    stale: list[Data] = []
    for name, value in mapping(hosts, "v4_proxy_hosts").items():
        host = values.host(name, value)
        ways = {True: [host.address], False: proxy[6]}
        for owner in host.names:
            records += [_record(owner, "A", data, seconds) for data in proxy[4]]
            records += [_record(owner, "AAAA", data, seconds) for data in ways[direct]]
            stale += [_record(owner, "AAAA", data, seconds) for data in ways[not direct] if data not in ways[direct]]
    return {"records": records, "stale": stale}


def _record(name: str, kind: str, data: str, ttl: int) -> Data:
    return {"name": f"{name}.", "type": kind, "data": data, "ttl": ttl}
