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

_SOCKETS = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}


def families(prove: t.Iterable[str], host: str) -> t.List[str]:
    """Return the families that a login is needed over: the named ones, and that of the address in use."""
    try:
        own = [f"ipv{ipaddress.ip_address(host.partition('%')[0]).version}"]
    except ValueError:
        own = []
    return list(dict.fromkeys([*own, *prove]))


def logins(
    wanted: t.Iterable[str], addresses: t.Mapping[str, t.Any], host: str, port: object, ssh_config: str
) -> t.List[Login]:
    """Describe a login over each family.

    :param wanted: ``ipv4`` and ``ipv6``
    :param addresses: the address to log in to by family; by default ``host``, where it is or has one of the family
    :param host: the address or name that Ansible uses
    :param port: the port that Ansible was told, or None
    :param ssh_config: what ``ssh -G`` says of the host; empty where it could not be asked
    """
    settings = _settings(ssh_config)
    at = _port(port) or _port(settings.get("port")) or 22
    return [_login(family, proof_address(family, addresses, host), at, settings) for family in wanted]


def _login(family: str, destination: str, port: int, settings: t.Mapping[str, str]) -> Login:
    login: Login = {"family": family, "source": "", "destination": destination, "port": port, "reason": ""}
    for setting in ("proxyjump", "proxycommand"):
        if settings.get(setting, "none") != "none":
            return {**login, "reason": "it goes through a jump host, whose address is not known here"}
    bound = settings.get("bindaddress", "none")
    if bound != "none":
        return {**login, "source": bound}
    source = local_source(family, destination, port)
    if not source:
        raise RolloutError(
            f"prove: {family}: the controller has no route to {destination}, so nobody could log in from here; give it"
            f" {_shown(family)}, or leave {family} out (ipv6_guard_prove)"
        )
    return {**login, "source": source}


def _shown(family: str) -> str:
    return family.replace("ip", "IP")


def local_source(family: str, destination: str, port: int) -> str:
    """Return the address from which this machine would reach another; empty where no route leads there.

    Connecting a UDP socket sends nothing: it only looks the route up.
    """
    try:
        with socket.socket(_SOCKETS[family], socket.SOCK_DGRAM) as probe:
            probe.connect((destination, port))
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
