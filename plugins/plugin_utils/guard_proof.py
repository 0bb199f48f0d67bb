# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fresh login needs that shares nothing with the connection in use: address, family, host key, ssh's options."""

from __future__ import annotations

import getpass
import hashlib
import ipaddress
import os
import shlex
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

ALIAS = "ipv6-rollout-proof"
SETTINGS = (
    "ControlMaster=no",
    "ControlPath=none",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    f"HostKeyAlias={ALIAS}",
    "UpdateHostKeys=no",
    "ServerAliveInterval=2",
    "ServerAliveCountMax=3",
)
# Where there is a password, ansible answers ssh's question for it: once, so that no account is locked.
QUIET, ASKING = "BatchMode=yes", "NumberOfPasswordPrompts=1"
_FAMILIES = {
    "ipv4": (socket.AF_INET, ipaddress.IPv4Address, "-4"),
    "ipv6": (socket.AF_INET6, ipaddress.IPv6Address, "-6"),
}


def families(value: object) -> list[str]:
    """Return the families to prove, from a list or, as the module takes it, from a text with commas."""
    if value is None:
        return ["ipv4"]
    named = [word.strip() for word in value.split(",")] if isinstance(value, str) else value
    if not isinstance(named, (list, tuple)):
        raise RolloutError(f"prove: {shown(value)} is no list; write [ipv4], [ipv6] or both")
    for family in named:
        if not isinstance(family, str) or family not in _FAMILIES:
            raise RolloutError(f"prove: {shown(family)} is no address family; write [ipv4], [ipv6] or both")
    return [str(family) for family in dict.fromkeys(named)]


def given_addresses(value: object, proved: t.Sequence[str]) -> dict[str, t.Any]:
    """Return the addresses by family, those that are used checked."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not set(value) <= set(_FAMILIES):
        raise RolloutError(f"addresses: {shown(value)} is no mapping of ipv4 and ipv6; write {{ipv6: 2001:db8::80}}")
    for family in proved:
        if family in value:
            proof_address(family, value, "")
    return dict(value)


def proof_address(family: str, given: t.Mapping[str, t.Any], host: str) -> str:
    """Return the address to log in to: the one given for the family, or the host's own if it is of that family."""
    socket_family, address_type, _flag = _FAMILIES[family]
    if family in given:
        value = given[family]
        try:
            return str(address_type(str(value).partition("/")[0])) if isinstance(value, str) else _bad(family, value)
        except ValueError:
            return _bad(family, value)
    try:
        return str(address_type(host))
    except ValueError:
        pass
    try:
        ipaddress.ip_address(host)
    except ValueError:
        try:
            return str(socket.getaddrinfo(host, None, socket_family, socket.SOCK_STREAM)[0][4][0])
        except OSError as error:
            raise RolloutError(
                f"prove: {family} needs an address, and {shown(host)} has none ({error.strerror}); "
                f"give it as addresses.{family}"
            ) from error
    raise RolloutError(f"prove: {family} needs an address, and {shown(host)} is none; give it as addresses.{family}")


def _bad(family: str, value: object) -> t.NoReturn:
    raise RolloutError(f"addresses.{family}: {shown(value)} is no {family} address; take the one of the plan")


def own_arguments(arguments: str) -> str:
    """Return a user's ssh arguments without what would share a connection or pin a family."""
    kept: t.List[str] = []
    words = iter(shlex.split(arguments or ""))
    for word in words:
        if word in ("-S", "-O"):
            next(words, None)
        elif word == "-o":
            setting = next(words, "")
            if not setting.lower().startswith(("controlmaster", "controlpath", "controlpersist", "addressfamily")):
                kept += ["-o", setting]
        elif not word.startswith(("-S", "-M", "-4", "-6")) and not word.lower().startswith(
            ("-ocontrol", "-oaddressfamily")
        ):
            kept.append(word)
    return shlex.join(kept)


def login_arguments(family: str, known_hosts: str, connect_timeout: int, arguments: str, password: bool) -> str:
    """Return ssh's arguments for a login of its own. Ours come first: ssh takes the first value of each option."""
    ours = [_FAMILIES[family][2]]
    for setting in (
        ASKING if password else QUIET,
        *SETTINGS,
        f"UserKnownHostsFile={known_hosts}",
        f"ConnectTimeout={connect_timeout}",
    ):
        ours += ["-o", setting]
    return f"{shlex.join(ours)} {own_arguments(arguments)}".strip()


def known_hosts(keys: t.Sequence[str]) -> str:
    """Return a known_hosts file with the keys that the host itself named over the connection in use."""
    return "".join(f"{ALIAS} {key}\n" for key in keys)


def shared_login(connection: str) -> bool:
    """Whether connections of this kind share one login among all, so that none can be made anew."""
    return "mitogen" in connection.lower()


def run_owner() -> str:
    """Return who runs this, for another operator to read."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a user without a name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"[:128]


def run_token() -> str:
    """Return a text that all tasks of one run share and no other run has.

    Tasks run in child processes of ansible-playbook, so the parent and the moment it started name the run.
    """
    parent = os.getppid()
    try:
        with open(f"/proc/{parent}/stat", encoding="utf-8", errors="replace") as handle:
            started = handle.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        started = ""
    return hashlib.sha256(f"{run_owner()} {os.getuid()} {parent} {started}".encode()).hexdigest()[:32]
