# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS64 as it is and as it shall be: told before anything is touched, done, and taken back where it fails."""

from __future__ import annotations

import functools
import os
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    dns64_bind,
    files,
    sockets,
    tunnel_live,
    tunnel_undo,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.dns64_bind import Bind
from ansible_collections.ipv6.rollout.plugins.module_utils.dns64_values import Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_told import Outcome
from ansible_collections.ipv6.rollout.plugins.module_utils.unbound import Unbound, sockets_pid

LEDGER = "dns64"
READY = 10.0
START = 60.0
SERVERS: t.Dict[str, t.Type[t.Union[Unbound, Bind]]] = {"unbound": Unbound, "bind": Bind}

Notes = t.Dict[str, t.Any]


class Change:
    """From what a host has to what it shall have."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.ledger = files.Ledger(LEDGER)
        self.notes: Notes = dict(self.ledger.notes)
        if self.notes and self.notes["server"] != wish.server:
            raise RolloutError(
                f"server: this host has a DNS64 in {self.notes['server']} from an earlier run; take that back first "
                "with state absent"
            )
        self.server = SERVERS[wish.server](wish)
        self.wanted = {path: text.encode("utf-8", "surrogateescape") for path, text in self.server.wanted().items()}
        self.before = {path: files.look(path) for path in self.wanted}
        self.rewritten = [path for path, content in self.wanted.items() if self.before[path].content != content]
        self.stale = [path for path in self.notes.get("files", []) if path not in self.wanted]
        self.enabled, self.active = _enabled(self.server.unit), bool(self.server.pid)
        found = sockets.listening(self.server.pid) if self.active else set()
        self.lacking = self.server.endpoints() - found
        renewed = [
            path for path in self.rewritten if self.server.renewed(self.before[path].content or b"", self.wanted[path])
        ]
        self.restart = not self.active or bool(self.lacking) or bool(renewed)
        self.reload = bool(self.rewritten or self.stale) and not self.restart
        self._in_the_way()

    def _in_the_way(self) -> None:
        missing = [host for host, _port in self.server.endpoints() if not sockets.is_local(host)]
        wrong = []
        if missing:
            wrong.append(
                f"listen: {', '.join(sorted(missing))}: not on this host now, or its DAD is not over; give the host "
                "the address first (role interfaces)"
            )
        elif self.lacking and self.active and not self.server.opens:
            wrong.append(
                f"listen: {self.server.unit} does not listen on {', '.join(sockets.listed(self.lacking))}; its own "
                "configuration says where it does, change that"
            )
        held = sockets.taken(self.lacking, self.server.pid)
        if held:
            wrong.append(
                f"listen: {'; '.join(held)}: two name servers can't have one address; stop that one, have it listen on "
                "other addresses, or make it the DNS64 (server)"
            )
        if wrong:
            raise RolloutError("; ".join(wrong))

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.rewritten or self.stale) or self.restart or not self.enabled

    def outcome(self) -> Outcome:
        """Return what a run would do."""
        told = Outcome()
        told.changed, told.unit, told.prefix = self.anything, self.server.unit, str(self.wish.prefix)
        told.restarted, told.reloaded = self.restart, self.reload
        told.listening = sockets.listed(self.server.endpoints())
        told.warnings += self.server.remarks
        for path in self.rewritten:
            told.show(path, self.before[path].content, self.wanted[path])
        for path in self.stale:
            told.given_back(self.ledger, path)
        again = "restarted\n" if self.restart and self.active else "reloaded\n" if self.reload else ""
        told.tell(self.server.unit, _state(self.enabled, self.active), _state(True, True) + again)
        return told

    def note(self) -> None:
        """Keep what was there before the first change, before anything is changed."""
        notes = self.ledger.notes
        if not notes:
            notes.update(server=self.wish.server, unit=self.server.unit, enabled=self.enabled, active=self.active)
            notes["folders"] = []
        notes["folders"] = [*notes["folders"], *tunnel_undo.folders(self.wanted)]
        for path in self.rewritten:
            self.ledger.wrote(path, self.before[path], self.wanted[path])
        notes["files"] = sorted(path for path in self.wanted if path in self.ledger.files)

    def apply(self) -> None:
        """Do it; where it fails, take it back and raise what happened."""
        original = files.Ledger(LEDGER)
        held = {path: files.look(path) for path in [*self.wanted, *self.stale]}
        made = tunnel_undo.folders(self.wanted)
        unit = self.server.unit
        self.note()
        self.ledger.save()
        try:
            for path in self.rewritten:
                saved = self.before[path]
                files.write(path, self.wanted[path], saved.mode, saved.uid, saved.gid)
            for path in self.stale:
                self.ledger.give_back(path)
            self.ledger.save()
            if not self.enabled:
                _enable(unit)
            if self.restart or self.reload:
                _again(unit, "restart" if self.restart else "reload", self.server.endpoints())
        except (RolloutError, OSError) as error:
            undo: t.List[t.Callable[[], object]] = []
            undo += [functools.partial(tunnel_undo.put_back, path, saved) for path, saved in held.items()]
            undo += [lambda: tunnel_undo.prune(made), lambda: _settle(unit, self.enabled, self.active, "restart")]
            undo.append(original.save)
            failed = tunnel_undo.all_of(undo)
            how = "all is as it was before" if not failed else f"not all could be taken back: {'; '.join(failed)}"
            raise RolloutError(f"{error}; {how}") from error


def _link(unit: str) -> str:
    return f"/etc/systemd/system/multi-user.target.wants/{unit}"


def _enabled(unit: str) -> bool:
    return os.path.lexists(_link(unit))


def _enable(unit: str) -> None:
    os.makedirs(os.path.dirname(_link(unit)), exist_ok=True)
    os.symlink(f"/lib/systemd/system/{unit}", _link(unit))


def _state(enabled: bool, active: bool) -> str:
    return f"{'enabled' if enabled else 'disabled'}\n{'active' if active else 'inactive'}\n"


def _again(unit: str, verb: str, endpoints: t.Set[sockets.Endpoint]) -> None:
    """Restart or reload a server, and see that it listens."""
    since = time.time()
    commands.run(["systemctl", "reset-failed", unit])
    done = commands.run(["systemctl", verb, unit], timeout=START)

    def listens() -> bool:
        pid = sockets_pid(unit)
        return bool(pid) and endpoints <= sockets.listening(pid)

    if done.rc == 0 and sockets.wait(listens, READY):
        return
    log = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit, f"--since=@{int(since)}"]).out
    told = [line for line in log.splitlines() if "error" in line.lower() or "fail" in line.lower()]
    why = " / ".join(told[:3]) or (done.said if done.rc else f"not listening on {', '.join(sockets.listed(endpoints))}")
    raise RolloutError(f"{unit} does not run with the new configuration: {why}")


def _settle(unit: str, enabled: bool, active: bool, verb: str) -> None:
    """Bring the server back to what it was before."""
    if not enabled:
        files.remove(_link(unit))
    if active:
        if verb == "restart":
            tunnel_live.again(unit)
        else:
            # It may have been stopped since.
            commands.check(["systemctl", "reload-or-restart", unit], timeout=START)
        return
    commands.run(["systemctl", "stop", unit], timeout=START)
    commands.run(["systemctl", "reset-failed", unit])


def present(wish: Wish, really: bool) -> Outcome:
    """Make a name server a DNS64, or tell what that would do."""
    change = Change(wish)
    told = change.outcome()
    if told.changed and not change.server.installed:
        told.needs_packages = [change.server.package]
        if not really:
            told.warnings.append(f"{change.server.package}: not installed yet, so the configuration was not tried out")
        return told
    if told.changed:
        if change.rewritten:
            change.server.validate(change.wanted)
        if really:
            change.apply()
    return told


def _edited(ledger: files.Ledger, path: str) -> t.Optional[bytes]:
    """Return what stays of a file of BIND's that somebody has edited since, None for any other file."""
    now = files.read(path)
    if path not in (dns64_bind.OPTIONS, dns64_bind.LOCAL) or now is None or ledger.untouched(path):
        return None
    return dns64_bind.without(now.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def absent(really: bool) -> Outcome:
    """Give the name server's configuration back."""
    told = Outcome()
    ledger = files.Ledger(LEDGER)
    notes: Notes = dict(ledger.notes)
    if not notes:
        return told
    told.changed, told.unit = True, notes["unit"]
    edited = {path: content for path in notes["files"] if (content := _edited(ledger, path)) is not None}
    for path in notes["files"]:
        if path not in edited:
            told.given_back(ledger, path)
        elif edited[path] != files.read(path):
            told.show(path, files.read(path), edited[path])
            told.warnings.append(f"{path} was edited since; only the line that takes in ours goes out of it")
    told.tell(
        told.unit,
        _state(_enabled(told.unit), bool(sockets_pid(told.unit))),
        _state(notes["enabled"], notes["active"]),
    )
    if not really:
        return told
    for path in notes["files"]:
        if path in edited:
            now = files.look(path)
            files.write(path, edited[path], now.mode, now.uid, now.gid)
            del ledger.files[path]
        else:
            ledger.give_back(path)
    tunnel_undo.prune(notes["folders"])
    _settle(told.unit, notes["enabled"], notes["active"], "reload" if notes["server"] == "bind" else "restart")
    ledger.notes.clear()
    ledger.save()
    return told
