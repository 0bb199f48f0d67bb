# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where and to where an administrator's next login will go, so that rules can be judged before they are live."""

from __future__ import annotations

import ipaddress
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.guard_proof import proof_address

Login = t.Dict[str, t.Any]
"""``{family, source, destination, port, reason}``; ``source`` is empty where it can't be known, and ``reason`` why."""


def logins(
    prove: t.Collection[str], addresses: t.Mapping[str, t.Any], host: str, port: object, ssh_config: str
) -> t.List[Login]:
    """Describe the next login over IPv6, where there is to be one; at most one entry.

    Only IPv6: a translator may stand between here and an IPv4 host, so the host knows better from where it is reached.

    :param prove: the families that a login is needed over
    :param addresses: the address to log in to, by family; by default that of the connection
    :param host: the address or name that Ansible uses
    :param port: the port that Ansible was told, or None
    :param ssh_config: what ``ssh -G`` says of the host; empty where it could not be asked
    """
    settings = _settings(ssh_config)
    real = settings.get("hostname") or host
    if "ipv6" not in prove and ":" not in real:
        return []
    destination = proof_address("ipv6", addresses, real)
    at = _port(port) or _port(settings.get("port")) or 22
    found: Login = {"family": "ipv6", "source": "", "destination": destination.partition("%")[0], "port": at}
    if any(settings.get(name, "none") != "none" for name in ("proxyjump", "proxycommand")):
        return [{**found, "reason": "it goes through a jump host, whose address is not known here"}]
    source = _bound(settings) or local_source(destination, at)
    if not source:
        raise RolloutError(
            f"prove: ipv6: the controller has no route to {destination}, so nobody could log in; give it IPv6,"
            " or leave ipv6 out (ipv6_guard_prove)"
        )
    return [{**found, "source": source}]


def _bound(settings: t.Mapping[str, str]) -> str:
    """The address that ssh is told to come from, if it is one of IPv6."""
    try:
        return str(ipaddress.IPv6Address(settings.get("bindaddress", "")))
    except ValueError:
        return ""


def local_source(destination: str, port: int) -> str:
    """Return the address from which this machine would reach another; empty where no route leads there.

    Connecting a UDP socket sends nothing: it only looks the route up.
    """
    try:
        # With getaddrinfo, which turns the zone of a link-local address into a number.
        place = socket.getaddrinfo(destination, port, socket.AF_INET6, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(place[0][4])
            return str(probe.getsockname()[0]).partition("%")[0]
    except OSError:
        return ""


def _settings(ssh_config: str) -> t.Dict[str, str]:
    settings: t.Dict[str, str] = {}
    for line in ssh_config.splitlines():
        name, _space, value = line.partition(" ")
        settings.setdefault(name.lower(), value.strip())
    return settings


def _port(value: object) -> int:
    text = str(value or "")
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else 0
