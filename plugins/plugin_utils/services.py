# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of one host, checked and in one shape: the services it offers, and all the rest."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import identifiers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    any_address,
    interface_id,
    ipv4_text,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import domain, host_name
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import HOST, LONGEST_PATH, PATH

Service = t.Dict[str, t.Any]

# name: (port, protocols, the daemon that the roles know, or "")
KNOWN: dict[str, tuple[int, tuple[str, ...], str]] = {
    "ssh": (22, ("tcp",), ""),
    "smtp": (25, ("tcp",), "postfix"),
    "submission": (587, ("tcp",), "postfix"),
    "submissions": (465, ("tcp",), "postfix"),
    "http": (80, ("tcp",), "apache"),
    "https": (443, ("tcp",), "apache"),
    "dns": (53, ("tcp", "udp"), "bind"),
    "imap": (143, ("tcp",), ""),
    "imaps": (993, ("tcp",), ""),
    "pop3s": (995, ("tcp",), ""),
}
NAME = re.compile(r"[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?", re.ASCII)
SERVICE_KEYS = ("name", "port", "protocol", "sources")
LAB_LABEL = "ipv6"


def services(value: object, what: str = "ipv6_services") -> list[Service]:
    """Return ``[{name, port, protocol, sources, daemon}]`` for a list of known names and of dictionaries."""
    found: list[Service] = []
    for item in _list(value, what):
        for service in _dictionary(item, what) if isinstance(item, t.Mapping) else _word(item, what):
            for other in found:
                if (other["port"], other["protocol"]) == (service["port"], service["protocol"]):
                    raise RolloutError(
                        f"{what}: {service['name']} and {other['name']} are both on "
                        f"{service['protocol']} port {service['port']}; keep one of them"
                    )
                if other["name"] == service["name"] and other["port"] != service["port"]:
                    raise RolloutError(
                        f"{what}: {shown(service['name'])} is there twice, on the ports {other['port']} and "
                        f"{service['port']}; give each a name of its own"
                    )
            found.append(service)
    return found


def _word(item: object, what: str) -> list[Service]:
    name = text_value(item, what)
    if name not in KNOWN:
        raise RolloutError(
            f"{what}: {shown(name)} is not a service known by name ({', '.join(KNOWN)}); "
            "write {name: ..., port: ..., protocol: tcp} for another one"
        )
    port, protocols, daemon = KNOWN[name]
    return [
        {"name": name, "port": port, "protocol": protocol, "sources": [], "daemon": daemon} for protocol in protocols
    ]


def _dictionary(item: t.Mapping[t.Any, t.Any], what: str) -> list[Service]:
    for key in item:
        if key not in SERVICE_KEYS:
            raise RolloutError(f"{what}: {shown(key)} is not known here; a service has {', '.join(SERVICE_KEYS)}")
    name = text_value(item.get("name"), f"{what}: name")
    if not NAME.fullmatch(name):
        raise RolloutError(
            f"{what}: name: {shown(name)} is no name for a service; small letters, digits, '-' and '_' make one, "
            "32 at most"
        )
    known_port, protocols, daemon = KNOWN.get(name, (None, ("tcp",), ""))
    port = known_port if item.get("port") is None else _port(item["port"], f"{what}: {name}: port")
    if port is None:
        raise RolloutError(f"{what}: {name}: it has no port; write one between 1 and 65535")
    if item.get("protocol") is not None:
        protocol = text_value(item["protocol"], f"{what}: {name}: protocol")
        if protocol not in ("tcp", "udp"):
            raise RolloutError(f"{what}: {name}: protocol: {shown(protocol)} is not known; write tcp or udp")
        protocols = (protocol,)
    sources = []
    for source in _list(item.get("sources"), f"{what}: {name}: sources"):
        text = _source(source, f"{what}: {name}: sources")
        if text not in sources:
            sources.append(text)
    return [
        {"name": name, "port": port, "protocol": word, "sources": list(sources), "daemon": daemon} for word in protocols
    ]


def _port(value: object, what: str) -> int:
    number = -1
    whole = isinstance(value, int) and not isinstance(value, bool)
    if whole or (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5):
        number = int(str(value))
    if not 1 <= number <= 65535:
        raise RolloutError(f"{what}: {shown(value)} is not a port; write a number between 1 and 65535")
    return number


def _source(value: object, what: str) -> str:
    text = text_value(value, what)
    if "/" not in text and ":" in text:
        text += "/128"
    return prefix_text(*ipv6_prefix(text, what, shortest=0))


def _list(value: object, what: str) -> list[t.Any]:
    if value is None:
        return []
    if isinstance(value, (list, tuple)):
        return list(value)
    raise RolloutError(f"{what}: {shown(value)} is not a list; write [...] around it")


# ---------------------------------------------------------------------------------------------- one host


HOST_VARIABLES = (
    "ansible_host",
    "ipv6_interface",
    "ipv6_interface_id",
    "ipv6_ipv4",
    "ipv6_mail_domains",
    "ipv6_names",
    "ipv6_service",
    "ipv6_services",
    "ipv6_subnet",
)
"""The variables that :func:`host_spec` reads."""


def host_spec(variables: object, name: str | None = None) -> dict[str, t.Any]:
    """Return what the inventory says of one host: ``{subnet, interface_id, ipv4, names, lab_names, ...}``.

    :param variables: the host's inventory variables
    :param name: the host's inventory name (default: ``inventory_hostname`` among the variables)
    :raises RolloutError: naming the host, the variable and the value of the first thing that is wrong
    """
    if not isinstance(variables, t.Mapping):
        raise RolloutError(f"host_spec: {shown(variables)} is not a dictionary; give it the variables of a host")
    host = text_value(variables.get("inventory_hostname") if name is None else name, "inventory_hostname", LONGEST_PATH)
    if not HOST.fullmatch(host) or "/" in host:
        raise RolloutError(
            f"inventory_hostname: {shown(host)} is not fit for a plan; letters, digits, '.', '-' and '_' are"
        )

    def of(variable: str) -> str:
        return f"{variable} of {host}"

    subnet = text_value(variables.get("ipv6_subnet"), of("ipv6_subnet"), LONGEST_PATH)
    if not PATH.fullmatch(subnet):
        raise RolloutError(
            f"{of('ipv6_subnet')}: {shown(subnet)} is no subnet; write its path in ipv6_subnets, such as web"
        )
    offered = services(variables.get("ipv6_services"), of("ipv6_services"))
    names = _names(variables.get("ipv6_names"), of("ipv6_names"))
    policy = _policy(variables.get("ipv6_interface_id"), of("ipv6_interface_id"))
    address = _ipv4(variables, host, of, policy)
    return {
        "subnet": subnet,
        "interface_id": policy,
        "ipv4": address,
        "service": _service(variables.get("ipv6_service"), of("ipv6_service")),
        "interface": _interface(variables.get("ipv6_interface"), of("ipv6_interface")),
        "names": names,
        "lab_names": [f"{LAB_LABEL}.{published}" for published in names],
        "services": offered,
        "daemons": sorted({service["daemon"] for service in offered} - {""}),
        "mail_domains": _names(variables.get("ipv6_mail_domains"), of("ipv6_mail_domains"), domain),
    }


def host_specs(names: object, hostvars: object) -> dict[str, dict[str, t.Any]]:
    """Return :func:`host_spec` of each named host that has ``ipv6_subnet``: the hosts that take part."""
    if not isinstance(hostvars, t.Mapping):
        raise RolloutError(f"host_specs: {shown(hostvars)} is not a dictionary; give it hostvars")
    specs = {}
    for name in _list(names, "host_specs"):
        variables = hostvars[name]
        if variables.get("ipv6_subnet") is not None:
            specs[str(name)] = host_spec(variables, name)
    return specs


def _interface(value: object, what: str) -> str:
    """Return the name of a network interface, empty where none is given; 15 octets is the kernel's limit."""
    if value is None or value == "":
        return ""
    name = text_value(value, what)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}", name):
        raise RolloutError(f"{what}: {shown(name)} is no name of an interface, such as eth0")
    return name


def _names(value: object, what: str, read: t.Callable[[object, str], str] = host_name) -> list[str]:
    found: list[str] = []
    for item in _list(value, what):
        published = read(item, what)
        if published in found:
            raise RolloutError(f"{what}: {shown(published)} is there twice; keep one of them")
        if read is host_name and len(published) + len(LAB_LABEL) + 1 > 253:
            raise RolloutError(f"{what}: {shown(published)} leaves no room for its lab name {LAB_LABEL}.<name>")
        found.append(published)
    return found


def _policy(value: object, what: str) -> str:
    if value is None:
        return identifiers.DEFAULT_POLICY
    policy = identifiers.policy_or_literal(value, what)
    return policy if policy in identifiers.POLICIES else ipv6_text(interface_id(policy, what, 112))


def _service(value: object, what: str) -> str:
    """Return the service of the policy ``service`` as its number, empty where the host names none."""
    if value is None or value == "":
        return ""
    if isinstance(value, str) and value in KNOWN:
        return str(KNOWN[value][0])
    identifiers.service_number(value, what)
    return str(value)


def _ipv4(variables: t.Mapping[t.Any, t.Any], host: str, of: t.Callable[[str], str], policy: str) -> str | None:
    """Return the IPv4 address: ``ipv6_ipv4``, else ``ansible_host`` or the host's name where it is one."""
    if variables.get("ipv6_ipv4") is not None:
        family, number = any_address(variables["ipv6_ipv4"], of("ipv6_ipv4"))
        if family != 4:
            raise RolloutError(
                f"{of('ipv6_ipv4')}: {shown(variables['ipv6_ipv4'])} is IPv6; an IPv4 address belongs here"
            )
        return ipv4_text(number)
    for variable, value in (("ansible_host", variables.get("ansible_host")), ("inventory_hostname", host)):
        if isinstance(value, str):
            try:
                family, number = any_address(value, of(variable))
            except RolloutError:
                continue  # a name: the host is reached by DNS
            if family == 4:
                return ipv4_text(number)
    if policy.startswith("ipv4_") or policy == "service":
        raise RolloutError(
            f"{of('ipv6_interface_id')}: the policy {policy} needs the host's IPv4 address; set ansible_host to it"
        )
    return None
