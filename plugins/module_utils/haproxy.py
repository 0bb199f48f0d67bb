# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running HAProxy, as its admin socket shows it: what it runs with, and its maps, read and replaced."""

from __future__ import annotations

import os
import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

# What one command may hold: HAProxy reads it into a buffer of 16 KiB.
_ROOM = 12000


class Running(t.NamedTuple):
    """A worker that answers at the admin socket."""

    pid: int
    description: str
    replaced: bool  # the program on the disk is another one by now


def ask(path: str, command: str, timeout: float = 10.0) -> str:
    """Give one command and return the answer."""
    answer = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(timeout)
            stream.connect(path)
            stream.sendall(command.encode() + b"\n")
            while True:
                part = stream.recv(65536)
                if not part:
                    break
                answer += part
    except OSError as error:
        raise RolloutError(f"{path}: HAProxy does not answer: {error.strerror or error}") from error
    return answer.decode(errors="replace")


def running(path: str) -> t.Optional[Running]:
    """Return the worker behind an admin socket, None where nobody answers."""
    try:
        told = ask(path, "show info")
    except RolloutError:
        return None
    fields = dict(re.findall(r"^(\w+): (.*)$", told, re.MULTILINE))
    if not fields.get("Pid", "").isdecimal():
        return None
    pid = int(fields["Pid"])
    try:
        program = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        program = ""
    return Running(pid, fields.get("description", ""), program.endswith(" (deleted)"))


def verify(path: str) -> str:
    """Return why HAProxy refuses a configuration file, empty where it takes it."""
    done = commands.run(["haproxy", "-c", "-f", path], timeout=120)
    if done.rc == 0:
        return ""
    lines = [line.strip() for line in (done.err + done.out).splitlines() if "ALERT" in line]
    told = [re.sub(r"^\[ALERT\]\s+\(\d+\)\s*:\s*", "", line) for line in lines]
    return "; ".join(told[:5]) or done.said


def read_map(path: str, name: str) -> t.Dict[str, str]:
    """Return the entries of a map as the worker has them now. A map that no rule asks for is empty."""
    told = ask(path, f"show map {name}")
    found = {}
    for line in told.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[0].startswith("0x"):
            found[fields[1]] = fields[2]
    return found


def replace_map(path: str, name: str, entries: t.Mapping[str, str]) -> None:
    """Replace a map as a whole, at one moment: a lookup finds the old one or the new one. Nothing is restarted."""
    told = ask(path, f"prepare map {name}")
    version = re.search(r"New version created: (\d+)", told)
    if not version:
        raise RolloutError(f"{name}: HAProxy takes no new map: {shown(told.strip())}")
    number = version.group(1)
    for part in _parts(entries):
        # An empty line ends the list.
        told = ask(path, f"add map @{number} {name} <<\n{part}").strip()
        if told:
            raise RolloutError(f"{name}: HAProxy refuses an entry: {shown(told)}")
    told = ask(path, f"commit map @{number} {name}").strip()
    if told:
        raise RolloutError(f"{name}: HAProxy does not take the new map: {shown(told)}")


def _parts(entries: t.Mapping[str, str]) -> t.Iterator[str]:
    part = ""
    for key, value in entries.items():
        line = f"{key} {value}\n"
        if part and len(part) + len(line) > _ROOM:
            yield part
            part = ""
        part += line
    if part:
        yield part
