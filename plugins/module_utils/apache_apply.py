# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A changed configuration of Apache brought to life with one restart or one reload, and taken back where it fails."""

from __future__ import annotations

import difflib
import os
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files, httpd_text, listens, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.apache import WAIT, Change, Server, staged, verify
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

Expected = t.Mapping[int, t.Set[sockets.Endpoint]]


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.restarted = self.reloaded = self.running = False
        self.needs_package = ""
        self.ports: t.List[int] = []
        self.listening: t.List[str] = []
        self.left: t.List[str] = []
        self.elsewhere: t.List[str] = []
        self.untranslated: t.List[t.Dict[str, str]] = []
        self.files: t.List[str] = []
        self.distribution: t.List[str] = []
        self.diff: t.List[t.Dict[str, str]] = []
        self.warnings: t.List[str] = []

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self.files) or self.restarted or self.reloaded or bool(self.needs_package)

    def show(self, path: str, before: str, after: str) -> None:
        """Note a changed file or link."""
        self.files.append(path)
        names = f"before: {path}", f"after: {path}"
        lines = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
        self.diff.append({"prepared": "\n".join(lines) + "\n"})


def all_of(expected: Expected) -> t.Set[sockets.Endpoint]:
    """Return the sockets of all ports together."""
    return set().union(*expected.values())


def link_at(path: str) -> str:
    """Return where a symbolic link leads, empty where there is none."""
    return os.readlink(path) if os.path.islink(path) else ""


def _spoken(server: Server, text: str) -> t.List[t.Tuple[str, str]]:
    """The Listen lines of a ports.conf that Apache reads: any other one can't be bound in a reload."""
    found = listens.parse(text, server.path)
    return sorted((e.spec, e.tail) for e in found if listens.active(e.blocks, server.modules) is not False)


class Work:
    """One change of one server."""

    def __init__(self, server: Server, change: Change, ledger: files.Ledger, original: files.Ledger) -> None:
        self.server, self.ledger, self.original = server, ledger, original
        self.before = {path: files.look(path) for path in change.files}
        contents = {path: content for path, content in change.files.items() if content != self.before[path].content}
        self.links = {path: link_at(path) for path in change.links}
        self.change = Change(contents, {path: led for path, led in change.links.items() if led != self.links[path]})
        self.pending = f"pending {server.directory}"
        self.text = httpd_text.decode(contents.get(server.path, server.saved.content) or b"")
        self.expected = server.expected(self.text)
        self.found = server.listening()

    def apply(self, outcome: Outcome, really: bool) -> None:
        """Test the change, and bring it to life; or bring the running server in line with what is there."""
        server, change = self.server, self.change
        for path, content in change.files.items():
            outcome.show(path, httpd_text.shown(self.before[path].content or b""), httpd_text.shown(content or b""))
        for path, led in change.links.items():
            outcome.show(path, self.links[path] and f"-> {self.links[path]}", led and f"-> {led}")
        pid = server.pid
        outcome.running = bool(pid)
        if outcome.files:
            with staged(server.directory, change, server.names) as folder:
                why = verify(folder).replace(folder, server.directory)
            if why:
                raise RolloutError(f"Apache refuses the new configuration, nothing was changed: {why}")
        other = listens.differs(self.expected, self.found) if pid else False
        listened = _spoken(server, self.text) != _spoken(server, server.text)
        if other or listened:
            fresh = all_of(self.expected) - self.found
            hosts = {host for host, _port in fresh} - listens.WILDCARDS
            away = ", ".join(sorted(host for host in hosts if not sockets.is_local(host)))
            if away and really:
                raise RolloutError(
                    f"Apache would not start, so nothing was changed: a Listen wants {away}, which is not on this host "
                    "now, or its DAD is not over; mend that Listen first"
                )
            if away:
                outcome.warnings.append(f"Apache can't listen on {away} now: not on this host, or its DAD is not over")
            held = sockets.taken(fresh, pid)
            if held:
                raise RolloutError(f"Apache can't listen, nothing was changed: {'; '.join(held)}; stop that first")
        read_again = bool(pid) and (bool(outcome.files) or self.pending in self.ledger.notes)
        outcome.restarted = bool(pid) and (other or listened or (read_again and not server.settled()))
        outcome.reloaded = read_again and not outcome.restarted
        if really and (outcome.changed or self.pending in self.ledger.notes):
            self._go_live(outcome)
            self.found = server.listening()
        elif outcome.restarted:
            self.found = all_of(self.expected)
        outcome.listening = sockets.listed(self.found)

    def _go_live(self, outcome: Outcome) -> None:
        server = self.server
        since, logged = time.time(), server.logged()
        try:
            # First: whatever happens after this, the original is known, and that Apache has yet to read the new one.
            self.ledger.notes[self.pending] = True
            self.ledger.save()
            self.put(
                {path: (content, self.before[path]) for path, content in self.change.files.items()}, self.change.links
            )
        except (RolloutError, OSError) as error:
            self._put_back()
            raise RolloutError(f"the new configuration can't be written: {error}; it is as it was") from error
        if outcome.restarted:
            server.restart()
        alive = server.reload() if outcome.reloaded else True
        if not outcome.running or (alive and server.ready(self.expected)):
            del self.ledger.notes[self.pending]
            self.ledger.save()
            return
        sought = f"not listening on {', '.join(sockets.listed(all_of(self.expected)))} after {WAIT:g} s"
        why = server.log(since, logged) or (sought if server.pid else "it ended")
        raise RolloutError(f"Apache does not run with the new configuration: {why}; {self._back()}")

    def _put_back(self) -> None:
        self.put({path: (saved.content, saved) for path, saved in self.before.items()}, self.links)
        self.original.save()

    def _back(self) -> str:
        """Put everything back, have Apache run with it, and tell."""
        if not self.change.files and not self.change.links:
            return "the configuration is unchanged"
        self._put_back()
        self.server.restart()
        ports = {port for _host, port in self.found}
        alive = self.server.ready({port: {entry for entry in self.found if entry[1] == port} for port in ports})
        return (
            f"the configuration is as it was, and Apache {'runs with it' if alive else 'does not start with it either'}"
        )

    @staticmethod
    def put(contents: t.Mapping[str, t.Tuple[t.Optional[bytes], files.Saved]], links: t.Mapping[str, str]) -> None:
        """Write files and links, those that are not so already."""
        for path, (content, saved) in contents.items():
            if content is None:
                files.remove(path)
            elif content != files.read(path):
                files.write(path, content, saved.mode, saved.uid, saved.gid)
        for path, led in links.items():
            if link_at(path) != led:
                files.remove(path)
                if led:
                    os.symlink(led, path)
