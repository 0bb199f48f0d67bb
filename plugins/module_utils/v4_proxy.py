# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A v4 proxy brought to life: the least that has to happen, looked at afterwards, and taken back where it went wrong.

Another name for a host that is served already is a new map, which the running HAProxy takes at once. Everything else is
a reload, over which established connections live on in the old process. Only another unit file is a restart.
"""

from __future__ import annotations

import os
import re
import tempfile
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, haproxy, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.v4_proxy_values import SSH, WILDCARDS, Wish

LEDGER = "v4_proxy"
PACKAGE = "haproxy"
WAIT = 15.0
_CAP_SYS_RESOURCE = 24
_OTHER_FILES = 300  # what HAProxy opens beside connections, listening sockets and checks: some for each thread
LINK = f"/etc/systemd/system/multi-user.target.wants/{texts.UNIT}"
FILES = (texts.UNIT_PATH, texts.CONFIG, texts.MAP)


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.changed = False
        self.how = "none"
        self.names = 0
        self.listening: t.List[str] = []
        self.paths: t.List[str] = []
        self.diff: t.List[t.Dict[str, str]] = []
        self.warnings: t.List[str] = []
        self.needs_package = ""

    def show(self, path: str, before: t.Optional[bytes], after: t.Optional[bytes]) -> None:
        """Add one difference."""
        self.diff.append(
            {
                "before_header": path,
                "after_header": path,
                "before": (before or b"").decode(errors="replace"),
                "after": (after or b"").decode(errors="replace"),
            }
        )


def _systemctl(*words: str) -> commands.Result:
    return commands.run(["systemctl", *words], timeout=120)


def _active() -> bool:
    return _systemctl("is-active", "--quiet", texts.UNIT).rc == 0


def _log(since: float) -> str:
    """Return what the unit complained about since a moment."""
    argv = ["journalctl", "-q", "--no-pager", "-o", "cat", "-u", texts.UNIT, f"--since=@{int(since)}"]
    lines = [
        line.strip() for line in commands.run(argv).out.splitlines() if "ALERT" in line or "cannot" in line.lower()
    ]
    return "; ".join(dict.fromkeys(lines[:5]))


class Change:
    """What there is, what is wanted, and how to get from one to the other."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.entries = texts.entries(wish)
        config = texts.config(wish)
        self.description = texts.description(config)
        self.wanted = {
            texts.UNIT_PATH: texts.UNIT_TEXT.encode(),
            texts.CONFIG: config.encode(),
            texts.MAP: texts.map_text(self.entries).encode(),
        }
        self.before = {path: files.look(path) for path in FILES}
        self.rewritten = [path for path in FILES if self.before[path].content != self.wanted[path]]
        self.expected = {(address, port) for address in wish.addresses for port in wish.ports()}
        self.enabled, self.active = os.path.lexists(LINK), _active()
        self.running = haproxy.running(texts.SOCKET) if self.active else None
        self.listening = sockets.listening(self.running.pid) if self.running else set()
        self.how = self._how()

    def _how(self) -> str:
        """Return what has to be done to what runs: start, restart, reload, map or none."""
        if not self.active:
            return "start"
        if self.running is None or texts.UNIT_PATH in self.rewritten:
            return "restart"
        right = self.running.description == self.description and self.listening == self.expected
        if not right or self.running.replaced:
            return "reload"
        return "none" if haproxy.read_map(texts.SOCKET, texts.MAP) == self.entries else "map"

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.rewritten) or self.how != "none" or not self.enabled

    def refuse(self, really: bool) -> t.List[str]:
        """Refuse what a start would fail at, and what would go round in circles; return what is worth a warning."""
        own_ports = set(self.wish.ports())
        for host in self.wish.hosts:
            ends = [(host.backend, entry.to) for entry in host.ports if host.names]
            ends += [(host.address, SSH)] if host.forward else []
            ends = [end for end in ends if end[1] in own_ports]
            own = [end for end in ends if any(sockets.overlap(end, (text, end[1])) for text in self.wish.addresses)]
            if any(sockets.is_local(end[0]) for end in own):
                raise RolloutError(
                    f"hosts: {host.name}: {sockets.written(own[0])} is the proxy itself; take the host out"
                )
        bound = {*WILDCARDS, *(host for host, _port in self.listening)}
        missing = [host for host in self.wish.addresses if host not in bound and not sockets.is_local(host)]
        if missing:
            message = f"addresses: {', '.join(missing)}: not on this host now, or its DAD is not over"
            if really:
                raise RolloutError(f"{message}; HAProxy would not start")
            return [message]
        held = sockets.taken(self.expected - self.listening, self.running.pid if self.running else 0)
        if held:
            raise RolloutError(f"HAProxy can't listen, nothing was changed: {'; '.join(held)}; stop that first")
        return []

    def outcome(self) -> Outcome:
        """Return what a run would do."""
        told = Outcome()
        told.changed, told.names, told.paths = self.anything, len(self.entries), list(self.rewritten)
        told.how = self.how
        told.listening = sockets.listed(self.expected)
        for path in self.rewritten:
            told.show(path, self.before[path].content, self.wanted[path])
        if self.how != "none" or not self.enabled:
            state = f"{'enabled' if self.enabled else 'disabled'}, {'active' if self.active else 'inactive'}\n"
            told.show(texts.UNIT, state.encode(), f"enabled, active\n{_WORDS[self.how]}".encode())
        return told

    def validate(self) -> None:
        """Have HAProxy look at a copy."""
        if not {texts.CONFIG, texts.MAP} & set(self.rewritten):
            return
        with tempfile.TemporaryDirectory(prefix="ipv6-rollout-v4-proxy-") as folder:
            staged = f"{folder}/map"
            files.write(staged, self.wanted[texts.MAP])
            files.write(f"{folder}/haproxy.cfg", texts.config(self.wish, staged).encode())
            why = haproxy.verify(f"{folder}/haproxy.cfg")
        if why:
            raise RolloutError(
                f"HAProxy refuses the configuration, nothing was changed: {why.replace(staged, texts.MAP)}"
            )

    def apply(self) -> None:
        """Do it; where it fails, take it back and raise what happened."""
        ledger, original = files.Ledger(LEDGER), files.Ledger(LEDGER)
        for path in self.rewritten:
            ledger.wrote(path, self.before[path], self.wanted[path])
        ledger.notes = {"unit": texts.UNIT}
        ledger.save()  # first: whatever happens after this, the original is known
        since = time.time()
        try:
            for path in self.rewritten:
                files.write(path, self.wanted[path])
            self._live()
        except (RolloutError, OSError) as error:
            why = _log(since) or str(error)
            told = self._back()
            original.save()
            raise RolloutError(f"the proxy does not run as it should: {why}; {told}") from error

    def _live(self) -> None:
        if texts.UNIT_PATH in self.rewritten:
            commands.check(["systemctl", "daemon-reload"])
        if not self.enabled:
            commands.check(["systemctl", "--quiet", "enable", texts.UNIT])
        if self.how == "map":
            haproxy.replace_map(texts.SOCKET, texts.MAP, self.entries)
        elif self.how != "none":
            _systemctl("reset-failed", texts.UNIT)
            done = _systemctl(self.how, texts.UNIT)
            if done.rc != 0:
                raise RolloutError(done.said)
            self._wait(self.description, self.expected)
        if haproxy.read_map(texts.SOCKET, texts.MAP) != self.entries:
            raise RolloutError(f"{texts.MAP}: HAProxy has other names in memory than there are in the file")

    def _wait(self, description: str, expected: t.Set[sockets.Endpoint]) -> None:
        """Wait for a new process that runs the right configuration on the right sockets."""
        old = self.running.pid if self.running else 0

        def ready() -> bool:
            now = haproxy.running(texts.SOCKET)
            right = now is not None and now.pid != old and now.description == description
            return right and now is not None and sockets.listening(now.pid) == expected

        if not sockets.wait(ready, WAIT):
            raise RolloutError(f"not listening on {', '.join(sockets.listed(expected))} after {WAIT:g} s")

    def _back(self) -> str:
        """Put back the files, and what ran with them; tell what came of it."""
        if not self.active:
            _systemctl("stop", texts.UNIT)
        if not self.enabled:
            _systemctl("--quiet", "disable", texts.UNIT)
        for path in self.rewritten:
            saved = self.before[path]
            if saved.content is None:
                files.remove(path)
            else:
                files.write(path, saved.content, saved.mode, saved.uid, saved.gid)
        if texts.UNIT_PATH in self.rewritten:
            _systemctl("daemon-reload")
        _systemctl("reset-failed", texts.UNIT)
        if not self.active:
            return "all is as it was before"
        _systemctl("restart" if self.how == "restart" else "reload", texts.UNIT)
        if self.running is None:
            return "the files are as they were"
        wanted, sockets_then = self.running.description, self.listening

        def ready() -> bool:
            now = haproxy.running(texts.SOCKET)
            return now is not None and now.description == wanted and sockets.listening(now.pid) == sockets_then

        alive = sockets.wait(ready, WAIT)
        return "the files are as they were, and HAProxy " + (
            "runs with them" if alive else "does not run with them either"
        )


_WORDS = {
    "none": "",
    "map": "map replaced in memory\n",
    "reload": "reloaded\n",
    "restart": "restarted\n",
    "start": "",
}


def open_files() -> t.Optional[int]:
    """Return how many files a service of this host may have open, None where it may have as many as it asks for.

    In many containers not even root may raise the limit, and HAProxy does not start where it can't.
    """
    held = re.search(r"^CapEff:\s*([0-9a-f]+)$", (files.read("/proc/1/status") or b"").decode(), re.MULTILINE)
    limit = re.search(r"^Max open files\s+\S+\s+(\d+)\s", (files.read("/proc/1/limits") or b"").decode(), re.MULTILINE)
    if held is None or limit is None or int(held.group(1), 16) >> _CAP_SYS_RESOURCE & 1:
        return None
    return int(limit.group(1))


def within_limits(wish: Wish, limit: t.Optional[int]) -> t.Tuple[Wish, t.List[str]]:
    """Return a wish with as many connections as there may be open files for, and a warning where these are fewer."""
    if limit is None:
        return wish, []
    checks = sum(len(host.ports) + 1 for host in wish.hosts) if wish.check else 0
    room = (limit - len(wish.ports()) * len(wish.addresses) - checks - _OTHER_FILES) // 2
    if room >= wish.maxconn:
        return wish, []
    if room < 10:
        raise RolloutError(f"maxconn: a process of this host may have {limit} open files, too few for any connection")
    return wish._replace(maxconn=room), [f"maxconn: {limit} open files are allowed here, so it is {room}"]


def present(wish: Wish, really: bool) -> Outcome:
    """Set the proxy up, or tell what that would do."""
    wish, warnings = within_limits(wish, open_files())
    change = Change(wish)
    told = change.outcome()
    told.warnings += warnings
    if told.changed and not commands.found(PACKAGE):
        told.needs_package = PACKAGE
        if not really:
            told.warnings.append(f"{PACKAGE} is not installed yet: the configuration could not be tried out")
        return told
    if told.changed:
        told.warnings += change.refuse(really)
        change.validate()
    if really and told.changed:
        change.apply()
    return told


def absent(really: bool) -> Outcome:
    """Take the proxy back: stop it, and give back what was there before it."""
    told = Outcome()
    ledger = files.Ledger(LEDGER)
    if ledger.empty:
        return told
    told.changed, told.how = True, "stop"
    for path in list(ledger.files):
        saved = ledger.before(path)
        told.paths.append(path)
        told.show(path, files.read(path), saved.content if saved else None)
    if not really:
        return told
    if _active() or os.path.lexists(LINK):
        commands.check(["systemctl", "--quiet", "disable", "--now", texts.UNIT], timeout=120)
    for path in told.paths:
        ledger.give_back(path)
    _systemctl("daemon-reload")
    _systemctl("reset-failed", texts.UNIT)
    ledger.notes = {}
    ledger.save()
    return told
