# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit reads of a host, kept short and plain: files and logs may hold anything, and be of any size."""

from __future__ import annotations

import glob
import os
import stat
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

Data = t.Dict[str, t.Any]

LARGEST = 1 << 20
WILDCARDS = 2  # parts of a path with wildcards: more of them may mean all files of the host
# What the contents of a file, or the answer of a program, may raise in somebody who reads it.
UNREADABLE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    RolloutError,
)


def plain(value: object, limit: int = 300) -> str:
    """Return anything as one line of printable text."""
    text = str(value)[: 4 * limit].encode(errors="replace").decode()
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


def content(path: str, limit: int = LARGEST, last: bool = False) -> bytes:
    """Return the first octets of a regular file, or the last ones; raise OSError for anything else.

    Nothing is opened that could keep its reader waiting, such as a named pipe.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no regular file")
        if last and status.st_size > limit:
            stream.seek(status.st_size - limit)
        return stream.read(limit)


def text(path: str, limit: int = LARGEST) -> str:
    """Return the start of a regular file as text, empty where it can't be read."""
    try:
        return content(path, limit).decode(errors="replace")
    except OSError:
        return ""


def value(path: str) -> str:
    """Return the one line of a file under /proc or /sys, empty where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read(4096).decode(errors="replace").strip()
    except OSError:
        return ""


def paths(pattern: str, limit: int) -> t.List[str]:
    """Return the paths that a pattern of the shell means, by name, and not more than a limit."""
    if sum(map(glob.has_magic, pattern.split("/"))) > WILDCARDS:
        return []
    return sorted(glob.glob(pattern))[:limit]
