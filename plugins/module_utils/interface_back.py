# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of interfaces given back as they were before the first run, or as they were before a run that failed."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_files as persistent
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def file_diff(path: str, before: t.Optional[bytes], after: t.Optional[bytes]) -> t.Dict[str, str]:
    """Return a file's part of the diff."""
    return {
        "before_header": path,
        "after_header": path,
        "before": (before or b"").decode(errors="replace"),
        "after": (after or b"").decode(errors="replace"),
    }


def returned(ledger: files.Ledger, path: str) -> t.Optional[bytes]:
    """Return what a file becomes when it is given back: as it was, or without our part where others edited it.

    To be asked before the ledger is saved: a back end reads in it what is ours.
    """
    current, saved = files.read(path), ledger.before(path)
    if saved is not None and current is not None:
        content = persistent.given_back(path, current, saved.content, ledger.untouched(path))
        if content is not None:
            return content
    return saved.content if saved is not None else current


def give_back(ledger: files.Ledger, path: str, content: t.Optional[bytes]) -> None:
    """Put a file back with what it becomes; in one that others edited since, only our part is missing then."""
    saved = ledger.before(path)
    if saved is not None and content is not None and content != saved.content:
        current = files.look(path)
        files.write(path, content, current.mode, current.uid, current.gid)
        del ledger.files[path]
        return
    ledger.give_back(path)
    persistent.remove_folder(path)


def unneeded(ledger: files.Ledger, left: t.Mapping[str, t.Mapping[str, t.Any]]) -> t.List[str]:
    """Return the files that no interface needs any more, of those that are left."""
    needed = {path for notes in left.values() for path in notes.get("files", [])}
    if any("/60-ipv6-rollout-" in path and path.startswith(f"{persistent.INTERFACES}.d/") for path in needed):
        needed.add(persistent.INTERFACES)
    return [path for path in ledger.files if path not in needed]


def put_back(
    ledger: files.Ledger,
    kept: t.Optional[bytes],
    befores: t.Mapping[str, files.Saved],
    paths: t.Mapping[str, t.Sequence[str]],
) -> None:
    """Put all files back as they were before this run, the ledger among them, as far as it goes.

    The error that led here is the one that tells what happened.
    """
    try:
        for path, before in befores.items():
            try:
                _put_back(path, before)
            except (RolloutError, OSError):
                continue
        for name, held in paths.items():
            try:
                persistent.settle(name, held)
            except (RolloutError, OSError):
                continue
    finally:
        if kept is None:
            ledger.notes, ledger.files = {}, {}
            ledger.save()
        else:
            files.write(ledger.path, kept, mode=0o600)


def _put_back(path: str, before: files.Saved) -> None:
    if before.content is None:
        files.remove(path)
        persistent.remove_folder(path)
    elif files.look(path) != before:
        files.write(path, before.content, before.mode, before.uid, before.gid)
