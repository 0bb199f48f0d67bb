# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP sockets that one process listens on, and waiting for them.

Only sockets of the daemon itself are looked at, so another program on the same port never passes for it.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

Endpoint = tuple[str, int]
LISTEN = "0A"


def address(text: str) -> str:
    """Return an address of /proc/net/tcp or tcp6: 32-bit words in the byte order of the machine.

    >>> address("0100007F") if __import__("sys").byteorder == "little" else "127.0.0.1"
    '127.0.0.1'
    """
    words = [int(text[at : at + 8], 16).to_bytes(4, _byteorder()) for at in range(0, len(text), 8)]
    packed = b"".join(words)
    if len(packed) == 4:
        return str(ipaddress.IPv4Address(packed))
    found = ipaddress.IPv6Address(packed)
    return str(found.ipv4_mapped or found)


def _byteorder() -> t.Literal["little", "big"]:
    return "little" if socket.htons(1) == 256 else "big"


def parse(table: str) -> dict[str, Endpoint]:
    """Read /proc/net/tcp or tcp6: the listening sockets by inode."""
    found = {}
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == LISTEN:
            host, _colon, port = fields[1].partition(":")
            found[fields[9]] = (address(host), int(port, 16))
    return found


def _inodes(pid: int) -> set[str]:
    folder = f"/proc/{pid}/fd"
    found = set()
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return set()
    except PermissionError as error:
        raise RolloutError(f"{folder}: {error.strerror}; this needs root (become: true)") from error
    for name in names:
        try:
            link = re.fullmatch(r"socket:\[(\d+)\]", os.readlink(f"{folder}/{name}"))
        except OSError:
            continue  # closed in the meantime
        if link:
            found.add(link.group(1))
    return found


def listening(pid: int) -> set[Endpoint]:
    """Return the address and port of every TCP socket that a process listens on."""
    mine = _inodes(pid)
    return {endpoint for inode, endpoint in _table().items() if inode in mine}


def _table() -> dict[str, Endpoint]:
    found = {}
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        found.update(parse((files.read(name) or b"").decode(errors="replace")))
    return found


def overlap(one: Endpoint, other: Endpoint) -> bool:
    """Tell whether two programs can't have both: the same port, and addresses of one family that overlap."""
    same_family = (":" in one[0]) == (":" in other[0])
    hosts = {one[0], other[0]}
    return one[1] == other[1] and same_family and (len(hosts) == 1 or bool(hosts & {"::", "0.0.0.0"}))


def taken(wanted: t.Iterable[Endpoint], pid: int) -> list[str]:
    """Say which of the endpoints another program than ``pid`` holds, and which program."""
    mine = _inodes(pid) if pid else set()
    others = {inode: endpoint for inode, endpoint in _table().items() if inode not in mine}
    found = []
    for endpoint in wanted:
        for inode, other in others.items():
            if overlap(endpoint, other):
                found.append(f"{written(other)} is held by {_holder(inode)}")
    return sorted(set(found))


def _holder(inode: str) -> str:
    for name in os.listdir("/proc"):
        if name.isdigit() and inode in _inodes(int(name)):
            command = (files.read(f"/proc/{name}/comm") or b"").decode(errors="replace").strip()
            return f"{command} (pid {name})"
    return "another program"


def daemon(pid_file: str, command: str) -> int:
    """Return the process id that a pid file names, or 0 where that process is gone or another program."""
    try:
        number = int((files.read(pid_file) or b"").split()[0])
        name = (files.read(f"/proc/{number}/comm") or b"").decode(errors="replace").strip()
    except (IndexError, ValueError, OSError):
        return 0
    return number if name == command else 0


def wait(reached: t.Callable[[], bool], seconds: float = 10.0, step: float = 0.1) -> bool:
    """Look again and again until something is so, at most for some seconds."""
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() >= end:
            return False
        time.sleep(step)
    return True


def is_local(text: str) -> bool:
    """Tell whether a daemon could bind an address here now: it is on the host, and past its DAD."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.bind((text, 0))
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL):
            return False
        raise RolloutError(f"{shown(text)}: {error.strerror}") from error
    return True


def written(endpoint: Endpoint) -> str:
    """Return an endpoint as people write it: ``[2001:db8::1]:80``, ``192.0.2.1:80``."""
    host, port = endpoint
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listed(endpoints: t.Iterable[Endpoint]) -> list[str]:
    """Return endpoints as people write them, by port and family."""
    return [written(entry) for entry in sorted(endpoints, key=lambda entry: (entry[1], ":" in entry[0], entry[0]))]
