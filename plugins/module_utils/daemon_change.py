# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-ins of a daemon: tried in a copy of its configuration, written with the ledger, and taken back together."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import shutil
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

HEADER = "# Written by ipv6.rollout; what is changed here is lost with the next run.\n"
PENDING = "pending"
Contents = t.Dict[str, t.Optional[bytes]]


def boot(hosts: t.Iterable[str], more: str = "") -> t.Optional[bytes]:
    """Return a drop-in of a unit that waits at boot until the daemon can bind its addresses, None where it always can.

    At boot an address may not be there yet, of either family, or its DAD may not be over.
    """
    named = [host for host in hosts if not ipaddress.ip_address(host).is_loopback]
    if not named:
        return None
    there = "ip -o address show to $$address | grep -qv tentative"  # systemd makes one $ of two
    loop = f"for address in {' '.join(named)}; do until {there}; do sleep 0.1; done; done"
    return f"{HEADER}[Service]\nExecStartPre=-/usr/bin/timeout 10 /bin/sh -c '{loop}'\n{more}".encode()


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[t.Optional[bytes], t.Optional[bytes]]] = {}
        self.reloaded = self.restarted = self.running = False
        self.listening: list[str] = []
        self.warnings: list[str] = []
        self.needs_package = ""

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.files) or self.reloaded or self.restarted


def result(outcome: Outcome) -> dict[str, t.Any]:
    """Return what a module tells, with the difference of each file."""
    told: dict[str, t.Any] = {
        "changed": outcome.changed,
        "files": sorted(outcome.files),
        "listening": outcome.listening,
        "reloaded": outcome.reloaded,
        "running": outcome.running,
        "diff": [
            {"before_header": path, "after_header": path, "before": decode(before), "after": decode(after)}
            for path, (before, after) in sorted(outcome.files.items())
        ],
    }
    if outcome.needs_package:
        told["needs_package"] = outcome.needs_package
    return told


class Change:
    """Files as they are and as they shall be. None is a file that is not needed; ``absent`` gives all of them back."""

    def __init__(self, ledger: str, wanted: t.Mapping[str, t.Optional[bytes]], absent: bool = False) -> None:
        self.ledger, self._original = files.Ledger(ledger), files.Ledger(ledger)
        self.before: dict[str, files.Saved] = {}
        self.after: Contents = {}
        self.settled: list[str] = []
        self.edited: list[str] = []
        # Whether a run was ended after it wrote the files, so that the daemon may not know them.
        self.pending = PENDING in self.ledger.notes
        for path, content in wanted.items():
            kept = self.ledger.before(path)
            if absent and kept is None:
                continue  # never written by us
            now = files.look(path)
            original = kept or now
            if kept is not None and not self.ledger.untouched(path):
                self.edited.append(path)
            self.before[path] = now
            self.after[path] = original.content if absent else content
            if kept is not None and self.after[path] == kept.content:
                self.settled.append(path)

    @property
    def differing(self) -> list[str]:
        """The files that have to be written or removed."""
        return [path for path, content in self.after.items() if content != self.before[path].content]

    def told(self) -> dict[str, tuple[t.Optional[bytes], t.Optional[bytes]]]:
        """Return each file that changes, as it is and as it shall be."""
        return {path: (self.before[path].content, self.after[path]) for path in self.differing}

    def write(self) -> None:
        """Put the files in place. The ledger comes first: whatever happens after it, the original is known."""
        for path in self.differing:
            self.ledger.wrote(path, self.before[path], self.after[path])
        if self.differing:
            self.ledger.notes[PENDING] = True
            self.ledger.save()
        for path in self.differing:
            saved = self.ledger.before(path) or self.before[path]
            _put(path, saved._replace(content=self.after[path]))
        _units(self.differing)

    def forget(self) -> None:
        """Let the ledger forget what is as it was before the first change, and that the daemon had to be told."""
        for path in self.settled:
            self.ledger.files.pop(path, None)
        if self.ledger.notes.pop(PENDING, False) or self.settled:
            self.ledger.save()

    def take_back(self) -> None:
        """Put the files back as they were before :meth:`write`, and the ledger too."""
        for path in self.differing:
            _put(path, self.before[path])
        _units(self.differing)
        self._original.save()


def _put(path: str, saved: files.Saved) -> None:
    if saved.content is not None:
        files.write(path, saved.content, saved.mode, saved.uid, saved.gid)
        return
    files.remove(path)
    if os.path.dirname(path).endswith(".service.d"):
        with contextlib.suppress(OSError):  # others have drop-ins there
            os.rmdir(os.path.dirname(path))


def _units(paths: t.Iterable[str]) -> None:
    if booted() and any(path.startswith("/etc/systemd/") for path in paths):
        commands.run(["systemctl", "daemon-reload"], timeout=60)


def booted() -> bool:
    """Tell whether systemd runs this host."""
    return os.path.isdir("/run/systemd/system")


def active(unit: str) -> bool:
    """Tell whether systemd keeps a unit running."""
    return booted() and commands.run(["systemctl", "is-active", unit]).rc == 0


def log(unit: str, since: float) -> str:
    """Return the last lines that a unit wrote to the journal since a moment, on one line."""
    done = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit, f"--since=@{int(since)}"])
    lines = [line.strip() for line in done.out.splitlines() if "rror" in line or "atal" in line or "failed" in line]
    return "; ".join(dict.fromkeys(lines[-3:])) if done.rc == 0 else ""


@contextlib.contextmanager
def staged(
    directory: str, contents: t.Mapping[str, t.Optional[bytes]], at_home: t.Callable[[str, str, str], str]
) -> t.Iterator[str]:
    """Give a copy of a configuration directory with other drop-ins; the real one is not touched.

    ``at_home`` turns the lines of a file that lead back to the real directory. What is no configuration, keys among
    it, is not copied: the copy leads to it by a link.
    """
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-") as folder:
        copied = os.path.join(folder, os.path.basename(directory))
        for parent, _folders, names in os.walk(directory):
            inside = os.path.join(copied, os.path.relpath(parent, directory))
            os.makedirs(inside, exist_ok=True)
            for name in names:
                source, target = os.path.join(parent, name), os.path.join(inside, name)
                if not name.endswith((".conf", ".ext", "sshd_config")):
                    os.symlink(source, target)
                elif os.path.isfile(source):
                    shutil.copyfile(source, target)
        for path, content in contents.items():
            if not path.startswith(f"{directory}/"):
                continue  # a unit of systemd
            target = os.path.join(copied, os.path.relpath(path, directory))
            files.remove(target)
            if content is not None:
                files.write(target, content)
        for parent, _folders, names in os.walk(copied):
            for name in names:
                path = os.path.join(parent, name)
                if not os.path.islink(path):
                    _turn(path, directory, copied, at_home)
        yield copied


def _turn(path: str, directory: str, copied: str, at_home: t.Callable[[str, str, str], str]) -> None:
    text = decode(files.read(path))
    turned = at_home(text, directory, copied)
    if turned != text:
        files.write(path, encode(turned))


def encode(text: str) -> bytes:
    """Return text as the bytes that it was read from."""
    return text.encode("utf-8", "surrogateescape")


def decode(content: t.Optional[bytes]) -> str:
    """Return bytes as text that gives the same bytes again; no file is empty text."""
    return (content or b"").decode("utf-8", "surrogateescape")


def edited(paths: t.Iterable[str]) -> list[str]:
    """Say that files of ours were edited by others."""
    return [
        f"{path} was edited or removed since the last run; this change is lost, as its first line says"
        for path in paths
    ]


def check_root() -> None:
    """Refuse to judge a daemon whose keys, sockets and logs only root can read."""
    if os.geteuid() != 0:
        raise RolloutError("this needs root; set become: true")


def refuse_taken(held: t.Sequence[str], name: str) -> None:
    """Refuse where other programs hold what a daemon shall listen on."""
    if held:
        raise RolloutError(f"{name} can't listen, nothing was changed: {'; '.join(held)}; stop that first")
