# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Back to what was there before a tunnel, step by step, whatever happens to the other steps."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def folders(paths: t.Iterable[str]) -> t.List[str]:
    """Return the folders that have to be made for these files, outer ones first."""
    found: t.List[str] = []
    for path in paths:
        missing = []
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        found += [item for item in reversed(missing) if item not in found]
    return found


def all_of(undo: t.Iterable[t.Callable[[], object]]) -> t.List[str]:
    """Try every step, whatever happens to the others; return what failed."""
    failed = []
    for step in undo:
        try:
            step()
        except (RolloutError, OSError) as error:
            failed.append(str(error))
    return failed


def put_back(path: str, saved: files.Saved) -> None:
    """Put a file back, or remove it where there was none."""
    if saved.content is None:
        files.remove(path)
    elif files.look(path) != saved:
        files.write(path, saved.content, saved.mode, saved.uid, saved.gid)


def prune(folders: t.Sequence[str]) -> None:
    """Remove folders that were made for our files; what others put there keeps them."""
    for folder in sorted(folders, key=len, reverse=True):
        try:
            os.rmdir(folder)
        except OSError:
            continue
