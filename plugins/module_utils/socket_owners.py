# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a socket: the processes that have it open, their users and systemd units, and what systemd says of these.

A process is told by what the kernel says of it, not by its command line: that may hold passwords.
"""

from __future__ import annotations

import os
import pwd
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands

Data = t.Dict[str, t.Any]

SOCKET = re.compile(r"socket:\[(\d+)\]")
UNIT = re.compile(r".+\.(?:service|scope|socket)")
LISTEN = re.compile(r"(.+) \((Stream|Datagram)\)")
KINDS = {"Stream": "tcp", "Datagram": "udp"}
MANAGER = "systemd"


class Process(t.NamedTuple):
    """A process as the kernel tells it; ``unit`` is empty where systemd did not start it."""

    pid: int
    name: str
    program: str
    user: str
    unit: str


class SocketUnit(t.NamedTuple):
    """A systemd .socket: its name, what it listens on, and the service that it starts."""

    name: str
    listens: t.Tuple[t.Tuple[str, str, int], ...]
    starts: str


def holders(inodes: t.Collection[int], root: str = "/proc") -> t.Tuple[t.Dict[int, t.List[Process]], bool]:
    """Return the processes that have each socket open, and whether all processes could be looked into."""
    pids: t.Dict[int, t.List[int]] = {}
    # Mounted with hidepid, /proc shows nobody else's processes at all.
    complete = os.path.isdir(f"{root}/1")
    for name in os.listdir(root):
        if name.isdigit():
            try:
                for inode in open_sockets(f"{root}/{name}/fd"):
                    if inode in inodes:
                        pids.setdefault(inode, []).append(int(name))
            except PermissionError:
                complete = False
    told = {pid: process(pid, root) for pid in {pid for found in pids.values() for pid in found}}
    return {inode: [told[pid] for pid in sorted(found)] for inode, found in pids.items()}, complete


def open_sockets(folder: str) -> t.Set[int]:
    """Return the inodes of the sockets that a process has open."""
    found: t.Set[int] = set()
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return found  # it ended in the meantime
    for name in names:
        try:
            link = SOCKET.fullmatch(os.readlink(f"{folder}/{name}"))
        except (FileNotFoundError, ProcessLookupError):
            continue  # closed in the meantime
        if link:
            found.add(int(link.group(1)))
    return found


def process(pid: int, root: str = "/proc") -> Process:
    """Return what the kernel tells of a process; what it does not tell is empty."""
    folder = f"{root}/{pid}"
    try:
        program = os.path.basename(os.readlink(f"{folder}/exe"))
    except OSError:
        program = ""
    # A program that an upgrade replaced runs on, and is called so.
    program = program[: -len(" (deleted)")] if program.endswith(" (deleted)") else program
    user = re.search(r"^Uid:\s+\d+\s+(\d+)", _text(f"{folder}/status"), re.MULTILINE)
    return Process(
        pid,
        _text(f"{folder}/comm").rstrip("\n"),
        program.encode(errors="replace").decode(),
        user_name(int(user.group(1))) if user else "",
        unit(_text(f"{folder}/cgroup")),
    )


def _text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def user_name(number: int) -> str:
    """Return the name of a user, or the number where there is no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def unit(cgroups: str) -> str:
    """Return the systemd unit of a process from its cgroups: the first part of the path that is no slice."""
    for line in cgroups.splitlines():
        number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        if (number == "0" and not controllers) or controllers == "name=systemd":
            for part in path.split("/"):
                name = part[1:] if part.startswith("_") else part  # escaped, where the kernel has such a file
                if UNIT.fullmatch(name):
                    return name
    return ""


# ------------------------------------------------------------------------------------------------ what systemd says


def blocks(shown: str) -> t.Iterator[t.List[t.Tuple[str, str]]]:
    """Split what ``systemctl show`` prints of several units into the properties of each."""
    for block in shown.split("\n\n"):
        pairs = [line.partition("=") for line in block.splitlines() if "=" in line]
        if pairs:
            yield [(name, value) for name, _equals, value in pairs]


def socket_units() -> t.List[SocketUnit]:
    """Ask systemd for its .socket units and what they listen on."""
    done = commands.run(
        ["systemctl", "show", "--no-pager", "--state=active", "--property=Id,Listen,Triggers", "*.socket"]
    )
    found = []
    for pairs in blocks(done.out):
        listens = tuple(place for name, value in pairs if name == "Listen" for place in listened(value))
        if listens:
            said = dict(pairs)
            found.append(SocketUnit(said.get("Id", ""), listens, said.get("Triggers", "")))
    return found


def listened(value: str) -> t.Iterator[t.Tuple[str, str, int]]:
    """Read ``[::]:22 (Stream)`` into protocol, address and port; sockets of other kinds have none."""
    match = LISTEN.fullmatch(value)
    if match:
        host, _colon, port = match.group(1).rpartition(":")
        if port.isdigit() and not match.group(1).startswith("/"):
            yield KINDS[match.group(2)], host.strip("[]").partition("%")[0], int(port)


def wait_for_network(units: t.Collection[str]) -> t.Dict[str, bool]:
    """Tell for each unit whether systemd starts it only when the network is up; units it doesn't know are left out."""
    if not units:
        return {}
    done = commands.run(["systemctl", "show", "--no-pager", "--property=Id,LoadState,After", "--", *sorted(units)])
    found = {}
    for pairs in blocks(done.out):
        said = dict(pairs)
        if said.get("LoadState") == "loaded":
            found[said.get("Id", "")] = "network-online.target" in said.get("After", "").split()
    return found
