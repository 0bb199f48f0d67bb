# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the guard records: named files, not half of a disk, and nothing that the kernel makes up."""

from __future__ import annotations

import fnmatch
import glob
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.guard_script import DIRECTORY

MAX_FILES = 20_000
MAX_BYTES = 64 * 2**20
# What programs and the kernel keep there is no setting, and reading it may do something.
_LIVE = ("dev", "proc", "sys", "run")


def _parts(path: str) -> t.List[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _wild(part: str) -> bool:
    return "*" in part or "?" in part


def refuse_wide(pattern: str) -> None:
    """Refuse a pattern that reaches into what is no configuration, or into the guard's own folder."""
    parts = _parts(pattern)
    if not parts or _wild(parts[0]):
        raise RolloutError(f"files: {shown(pattern)} is too wide; name files below one folder, as /etc/postfix/*")
    literal = parts[:-1]
    for number, part in enumerate(literal):
        if _wild(part):
            literal = literal[:number]
            break
    # A link may lead there, as /var/run does.
    led = _parts(os.path.realpath("/" + "/".join(literal)))
    if parts[0] in _LIVE or (led and led[0] in _LIVE):
        raise RolloutError(
            f"files: {shown(pattern)} lies below /{parts[0] if parts[0] in _LIVE else led[0]}, which holds no files "
            "that a rollback could give back; sysctls and interfaces are recorded anyway"
        )
    own = _parts(DIRECTORY)
    if len(parts) >= len(own) and all(map(fnmatch.fnmatchcase, own, parts)):
        raise RolloutError(f"files: {shown(pattern)} takes in {DIRECTORY}, the guard's own; name a narrower one")


def measure(patterns: t.Iterable[str]) -> None:
    """Refuse patterns that name more than can be recorded within the time of a run."""
    seen: t.Set[str] = set()
    size = 0
    for pattern in patterns:
        for path in glob.iglob(pattern):
            real = os.path.realpath(path)
            if real in seen or not os.path.isfile(real):
                continue
            seen.add(real)
            try:
                size += os.stat(real).st_size
            except FileNotFoundError:
                continue
            if len(seen) > MAX_FILES or size > MAX_BYTES:
                raise RolloutError(
                    f"files: {shown(pattern)} names too much: more than {MAX_FILES} files or {MAX_BYTES // 2**20} MiB "
                    "in all would be copied; name only what the run changes"
                )
