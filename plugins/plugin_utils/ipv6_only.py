# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host without IPv4 needs behind the v4 proxy, and how it is proved that each name leads to it."""

from __future__ import annotations

import collections.abc
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_values as values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import names as dns_names
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address

Data = t.Dict[str, t.Any]

WEB = (80, 443)
DOVECOT = {993: "imaps", 995: "pop3s"}
# The service of master.cf whose settings the one behind the proxy gets.
POSTFIX = {465: ("submissions", "smtps", "465"), 587: ("submission", "587")}
HEADER = "smtpd_upstream_proxy_protocol=haproxy"


def behind(
    name: str, entry: t.Mapping[str, t.Any], proxies: object, services: t.Sequence[Data] = (), aaaa: str = "direct"
) -> Data:
    """Return what the daemons of a host need to hear from the proxies who the client is, and whom its rules let in.

    :param entry: the host as the filter ``v4_proxy_hosts`` returns it
    :param proxies: the IPv6 addresses of the proxies
    :param services: those of the host, as the filter ``host_spec`` returns them
    :param aaaa: where the AAAA records lead: ``direct`` to the host, or to the ``proxy``
    :returns: ``apache`` and ``dovecot``, what their roles take for the PROXY protocol; ``postfix``, by service of
        master.cf the port for the proxies; ``services`` for the firewall; ``others``, ports that are the user's own
    """
    host = values.host(name, entry)
    told = _proxies(proxies)
    found: Data = {"apache": {}, "dovecot": {}, "postfix": {}, "others": []}
    found["services"] = _let_in(host, services, told, aaaa)
    for port in host.ports:
        if port.protocol == "none":
            continue
        if port.port in WEB:
            _apache(host, port, told, found["apache"])
        elif port.port in DOVECOT:
            _own_port(host, port)
            found["dovecot"].setdefault("ports", {})[DOVECOT[port.port]] = port.to
            found["dovecot"]["proxies"] = told
        elif port.port in POSTFIX:
            _own_port(host, port)
            found["postfix"][str(port.port)] = port.to
        else:
            found["others"].append(port.to)
    return found


def _let_in(host: values.Host, services: t.Sequence[Data], proxies: list[str], aaaa: str) -> list[Data]:
    """Return the services of a host for its rules: what only the proxies use is for them alone."""
    reached = {port.to for port in host.ports} | ({values.SSH} if host.forward else set())
    found = []
    for service in services:
        inner = service["protocol"] == "tcp" and service["port"] in reached
        hidden = inner and (aaaa == "proxy" and service["port"] != values.SSH)
        found.append({**service, "sources": list(proxies if hidden else service["sources"])})
    known = {service["port"] for service in found if service["protocol"] == "tcp"}
    return found + [
        {"name": f"v4-proxy-{port}", "port": port, "protocol": "tcp", "sources": list(proxies), "daemon": ""}
        for port in sorted(reached - known)
    ]


def gateway(
    services: t.Sequence[Data], hosts: t.Mapping[str, t.Any], clients: t.Sequence[str], aaaa: str, mail: bool = False
) -> list[Data]:
    """Return the services of a gateway for its rules: its own, DNS64, and the proxy where IPv6 goes there.

    :param mail: whether it is a backup mail exchanger
    """
    found = [dict(service) for service in services]
    taken = {(service["port"], service["protocol"]) for service in found}
    wanted: list[tuple[str, int, str, list[str]]] = [
        ("dns64", 53, protocol, list(clients)) for protocol in ("udp", "tcp")
    ]
    if mail:
        wanted.append(("backup-mx", 25, "tcp", []))
    if aaaa == "proxy":
        shared = {port.port for name, entry in hosts.items() for port in values.host(name, entry).ports}
        wanted += [(f"v4-proxy-{port}", port, "tcp", []) for port in sorted(shared)]
    return found + [
        {"name": name, "port": port, "protocol": protocol, "sources": sources, "daemon": ""}
        for name, port, protocol, sources in wanted
        if (port, protocol) not in taken
    ]


def mail_domains(members: t.Mapping[str, t.Mapping[str, t.Any]], recipients: object) -> list[Data]:
    """Return what the backup mail exchanger serves: the mail domains of the hosts, each at the host's own address.

    :param members: the hosts as the filter ``fleet_members`` returns them
    :param recipients: by domain the list of its addresses; a domain that is not there is verified
    """
    owners: dict[str, str] = {}
    for name, member in members.items():
        for domain in member["mail_domains"]:
            if domain in owners:
                raise RolloutError(
                    f"ipv6_mail_domains: {domain} is on {owners[domain]} and on {name}, and the backup delivers to one "
                    "host; keep it on one of them"
                )
            owners[domain] = name
    listed = _recipients(recipients, owners)
    return [
        {
            "name": domain,
            "primary": member["address"],
            # A name with an AAAA record alone: with an A record, of the proxy, senders would go the long way.
            "mx": (member["lab_names"] or member["names"] or [""])[0],
            "recipients": listed.get(domain, "verify"),
        }
        for member in members.values()
        for domain in member["mail_domains"]
    ]


def _recipients(value: object, owners: t.Container[str]) -> dict[str, object]:
    what = "ipv6_only_recipients"
    if not isinstance(value, collections.abc.Mapping):
        raise RolloutError(f"{what}: {shown(value)} is not a dictionary of domains")
    found: dict[str, object] = {}
    for key, listed in value.items():
        domain = dns_names.domain(key, what)
        if domain in found:
            raise RolloutError(f"{what}: {domain} is there twice; write it once, in lower case")
        if domain not in owners:
            raise RolloutError(f"{what}: no host has {domain} in ipv6_mail_domains; add it there, or take it out here")
        if not isinstance(listed, (list, tuple)) or not listed:
            raise RolloutError(
                f"{what}.{domain}: {shown(listed)} is not a list of addresses; list them, or leave the domain out to "
                "have them verified at the host"
            )
        found[domain] = listed
    return found


def _proxies(value: object) -> list[str]:
    found = []
    for entry in value if isinstance(value, (list, tuple)) else ():
        family, number = any_address(entry, "v4_gateways")
        if family != 6:
            raise RolloutError(f"v4_gateways: {shown(entry)} is IPv4; the proxies reach these hosts over IPv6")
        found.append(address_text(family, number))
    if not found:
        raise RolloutError("v4_gateways: no proxy is named; put the dual-stack gateway into the group v4_gateways")
    return found


def _apache(host: values.Host, port: values.Port, proxies: list[str], wanted: Data) -> None:
    if host.backend == host.address or port.to != port.port:
        raise RolloutError(
            f"v4_proxy_protocol of {host.name}: Apache takes the PROXY header on an address of its own, with the same "
            f"ports; set v4_proxy_address to a further address of the plan, and leave 'to' of port {port.port} out"
        )
    wanted.update(address=host.backend, proxies=proxies)
    wanted.setdefault("ports", []).append(port.port)


def _own_port(host: values.Host, port: values.Port) -> None:
    if port.to == port.port:
        raise RolloutError(
            f"v4_proxy_ports of {host.name}: port {port.port} serves clients without a PROXY header; name another port "
            f"of the host for the proxy, such as {{port: {port.port}, to: {10000 + port.port}, proxy_protocol: v2}}"
        )


def postfix_services(told: object, ports: t.Mapping[str, int]) -> dict[str, str]:
    """Return whole services of master.cf for the proxies: those for direct clients, with the PROXY protocol.

    :param told: what ``postconf -M`` prints, a service a line
    :param ports: as :func:`behind` returns them
    """
    lines: dict[str, list[str]] = {}
    for line in str(told or "").splitlines():
        fields = line.split()
        if len(fields) >= 8 and fields[1] == "inet" and HEADER not in line:
            lines[fields[0].rpartition(":")[2]] = fields
    found = {}
    for port, to in ports.items():
        names = POSTFIX[int(port)]
        fields = next((lines[name] for name in names if name in lines), [])
        if not fields:
            raise RolloutError(
                f"master.cf: no service listens on port {port} ({', '.join(names)}); add it, with "
                "-o smtpd_tls_wrappermode=yes, or take the port out of v4_proxy_ports"
            )
        if not re.search(r"smtpd_tls_wrappermode\s*=\s*yes", " ".join(fields)):
            raise RolloutError(
                f"master.cf: {fields[0]} does not speak TLS from the first byte (-o smtpd_tls_wrappermode=yes), so no "
                f"proxy can tell by name where port {port} leads; add it, or take the port out of v4_proxy_ports"
            )
        found[f"{to}/inet"] = " ".join([str(to), *fields[1:], "-o", HEADER])
    return found


def proxy_checks(hosts: object, addresses: t.Union[str, t.Sequence[str]]) -> list[Data]:
    """Return the connections that prove the proxy: each name and port, at each address of the proxy.

    :param hosts: as the filter ``v4_proxy_hosts`` returns them
    :param addresses: those of the proxy, or ``direct`` for each host's own
    """
    if not isinstance(hosts, collections.abc.Mapping):
        raise RolloutError(f"v4_proxy_hosts: {shown(hosts)} is not a dictionary")
    if addresses != "direct" and (isinstance(addresses, str) or not isinstance(addresses, collections.abc.Iterable)):
        raise RolloutError(f"v4_proxy_public: {shown(addresses)} is not a list of addresses")
    told = [any_address(entry, "v4_proxy_public") for entry in addresses] if addresses != "direct" else []
    checks = []
    for key, value in hosts.items():
        host = values.host(key, value)
        for address in [host.address] if addresses == "direct" else [address_text(*entry) for entry in told]:
            for name in host.names:
                # For a wildcard, a name that it stands for.
                asked = name.replace("*", "proof", 1)
                checks += [
                    {"name": asked, "address": address, "port": port.port, "mode": port.mode} for port in host.ports
                ]
    return checks
