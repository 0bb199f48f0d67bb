# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the target: written whole or not at all, and given back as they were.

A *ledger* keeps, per module, what a file held before this collection touched it. ``state: absent`` asks the ledger
to give it back: byte for byte where nobody has edited the file since, and with a clear answer where somebody has.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

STATE_DIRECTORY = "/var/lib/ipv6-rollout"


class Saved(t.NamedTuple):
    """A file as it was: content (None: there was none), permission bits, owner and group."""

    content: t.Optional[bytes]
    mode: int
    uid: int
    gid: int


def read(path: str) -> t.Optional[bytes]:
    """Return the bytes of a file, or None where there is none."""
    try:
        with open(path, "rb") as handle:
            return handle.read()
    except FileNotFoundError:
        return None


def look(path: str) -> Saved:
    """Return a file with its permissions; for a missing file, content None and what a new one would get."""
    content = read(path)
    if content is None:
        return Saved(None, 0o644, 0, 0)
    status = os.stat(path)
    return Saved(content, status.st_mode & 0o7777, status.st_uid, status.st_gid)


def write(path: str, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0) -> None:
    """Replace a file atomically: a new file in the same folder, on the disk, then renamed over the old one.

    A reader sees the old content or the new, never a part; a full disk leaves the old file as it is.
    A symbolic link is followed, so that it stays a link. What is there and no regular file is never replaced: a link
    to ``/dev/null``, such as a masked unit of systemd, would take the device away from everybody.
    """
    named, path = path, os.path.realpath(path)
    if os.path.lexists(path) and not os.path.isfile(path):
        raise RolloutError(f"{named}: {path} is no regular file, so it is not replaced; put a file there, or remove it")
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        if os.geteuid() == 0:
            os.chown(temporary, uid, gid)
        os.rename(temporary, path)
    except BaseException:
        remove(temporary)
        raise
    _sync_folder(folder)


def remove(path: str) -> bool:
    """Remove a file and tell whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _sync_folder(folder: str) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def digest(content: t.Optional[bytes]) -> t.Optional[str]:
    """Return the SHA-256 of some bytes as text, or None for None."""
    return None if content is None else hashlib.sha256(content).hexdigest()


class Ledger:
    """What was there before: one JSON file a module, under ``/var/lib/ipv6-rollout``.

    ``notes`` is the module's own room for what is not a file (addresses it added, rules that were live).
    Nothing is written before :meth:`save`, so a check run may use a ledger freely.
    """

    def __init__(self, name: str, folder: str = STATE_DIRECTORY) -> None:
        self.path = os.path.join(folder, f"{name}.json")
        self.folder = folder
        stored = read(self.path)
        try:
            data = json.loads(stored) if stored else {}
            self.files: t.Dict[str, t.Dict[str, t.Any]] = dict(data.get("files", {}).items())
            self.notes: t.Dict[str, t.Any] = dict(data.get("notes", {}).items())
        except (ValueError, AttributeError) as error:
            raise RolloutError(
                f"{self.path}: what was there before can't be read ({error}); put the file back from a backup, or"
                " remove it, and what is on the host now counts as what was there before"
            ) from error

    @property
    def empty(self) -> bool:
        """Whether nothing is kept: this module has changed nothing, or has given everything back."""
        return not self.files and not self.notes

    def wrote(self, path: str, before: Saved, after: t.Optional[bytes]) -> None:
        """Note that a file was changed. The first ``before`` is kept; later ones are our own work."""
        entry = self.files.setdefault(
            path,
            {
                "content": None if before.content is None else base64.b64encode(before.content).decode(),
                "mode": before.mode,
                "uid": before.uid,
                "gid": before.gid,
            },
        )
        entry["after"] = digest(after)

    def before(self, path: str) -> t.Optional[Saved]:
        """Return a file as it was before the first change, or None where we never changed it."""
        entry = self.files.get(path)
        if entry is None:
            return None
        content = None if entry["content"] is None else base64.b64decode(entry["content"])
        return Saved(content, entry["mode"], entry["uid"], entry["gid"])

    def untouched(self, path: str) -> bool:
        """Whether a file still holds what we wrote last: nobody has edited it since."""
        entry = self.files.get(path)
        return entry is not None and digest(read(path)) == entry["after"]

    def give_back(self, path: str) -> None:
        """Put a file back as it was before the first change, and forget it."""
        saved = self.before(path)
        if saved is None:
            return
        if saved.content is None:
            remove(path)
        else:
            write(path, saved.content, saved.mode, saved.uid, saved.gid)
        del self.files[path]

    def save(self) -> None:
        """Write the ledger, or remove it (and an empty folder) where nothing is kept."""
        if self.empty:
            remove(self.path)
            try:
                os.rmdir(self.folder)
            except OSError:
                pass  # other modules still keep something there
            return
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        text = json.dumps({"files": self.files, "notes": self.notes}, indent=1, sort_keys=True)
        write(self.path, text.encode() + b"\n", mode=0o600)
