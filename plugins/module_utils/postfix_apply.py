# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix: a change of main.cf, master.cf and tables, checked as a copy first, and live only where it really runs.

Nothing here touches the queue. A reload does not make a running master open or close sockets for another
inet_protocols or inet_interfaces (it says so only in the log), so that means a restart.
"""

from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    mail_tables,
    main_cf,
    postfix_server,
    sockets,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_server import Server, decode, encode

SOCKETS = ("inet_protocols", "inet_interfaces")  # the first two of Settings
Changes = dict[str, dict[str, t.Optional[str]]]
UNFINISHED = "unfinished"  # in the ledger: directories whose files are written, and not read yet
SECRET = "(it changes, and is not shown, since not everybody on the host may read it)\n"
# Which release brought a parameter that older ones do not know.
SINCE = {"smtpd_client_ipv6_prefix_length": "3.8", "smtpd_client_ipv4_prefix_length": "3.8"}


class Change:
    """What is to be written: the texts, tables by their path (None: to be removed), and tables to be indexed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.main, self.master = server.main, server.master
        self.files: dict[str, t.Optional[bytes]] = {}
        self.tables: list[mail_tables.Table] = []

    @property
    def needed(self) -> bool:
        """Whether anything differs from what is there."""
        texts = (self.main, self.master) != (self.server.main, self.server.master)
        return texts or bool(self.files) or bool(self.tables)

    def texts(self) -> dict[str, bytes]:
        """Return the files of a staged copy, by name."""
        names = {os.path.basename(path): content for path, content in self.files.items() if content is not None}
        return {**names, "main.cf": encode(self.main), "master.cf": encode(self.master)}

    def in_order(self) -> list[tuple[str, t.Optional[bytes]]]:
        """Return what to write, in the order that leaves no parameter without its table."""
        folder = self.server.directory
        found = [(path, content) for path, content in self.files.items() if content is not None]
        for name, before, after in (
            ("master.cf", self.server.master, self.master),
            ("main.cf", self.server.main, self.main),
        ):
            if before != after:
                found.append((f"{folder}/{name}", encode(after)))
        return found + [(path, None) for path, content in self.files.items() if content is None]


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.parameters: Changes = {}
        self.services: dict[str, Changes] = {}
        self.tables: dict[str, dict[str, t.Any]] = {}
        self.sending: dict[str, t.Any] = {}
        self.texts: dict[str, tuple[str, str]] = {}
        self.target: t.Optional[postfix_server.Settings] = None
        self.needs_package = ""
        self.changed = self.restarted = self.reloaded = self.running = False
        self.listening: list[str] = []
        self.warnings: list[str] = []

    def show(self, path: str, before: t.Optional[bytes], after: t.Optional[bytes], secret: bool = False) -> None:
        """Keep a file before and after for the diff; an index is no text, and a secret stays one."""
        if before == after or path.endswith(tuple(mail_tables.INDEX.values())):
            return
        self.texts[path] = ("", SECRET) if secret else (decode(before or b""), decode(after or b""))


def apply(
    change: Change, wanted: t.Mapping[str, str], options: t.Collection[str], ledger: files.Ledger, really: bool
) -> Outcome:
    """Bring a change to life, or the running master in line with the files that are there.

    :param wanted: the parameters of main.cf that are new, for messages
    :param options: the parameters that services override anew
    """
    outcome = Outcome()
    server = change.server
    pid = server.pid
    outcome.running = bool(pid)
    found = server.listening()
    target = server.settings
    if change.needed:
        with postfix_server.staged(server.directory, change.texts()) as folder:
            _check_queue(folder, server.settings.queue_directory)
            _check_staged(folder, server.directory, wanted, options, really)
            for table in change.tables:
                content = postfix_server.index(folder, table)
                if table.index_name:
                    change.files[f"{server.directory}/{table.index_name}"] = content
            target = postfix_server.settings(folder)
    outcome.target = target
    expected = target.expected(change.master)
    altered = {name for name in main_cf.RESTART if _value(server.main, name) != _value(change.main, name)}
    altered -= set(SOCKETS)  # another way to write what is in force is no change
    others = any(
        main_cf.normal(name, new) != main_cf.normal(name, old)
        for name, new, old in zip(SOCKETS, target, server.settings)
    )
    # What is to come does not count here: a reload is enough for a service more or less.
    drifted = main_cf.differs(server.settings.expected(server.master), found)
    outcome.restarted = bool(pid) and (bool(altered) or others or drifted)
    late = server.directory in files.Ledger("postfix").notes.get(UNFINISHED, [])
    outcome.reloaded = bool(pid) and not outcome.restarted and (change.needed or late)
    outcome.changed = change.needed or outcome.restarted or outcome.reloaded
    if outcome.changed and pid and expected:
        held = sockets.taken(expected - found, pid)
        if held:
            raise RolloutError(f"Postfix can't listen, nothing was changed: {'; '.join(held)}; stop that first")
    for path, after in change.in_order():
        saved = files.look(path)
        hidden = secret(ledger, path, saved) if path in change.files else False
        outcome.show(path, saved.content, after, hidden)
    if really and outcome.changed:
        _go_live(change, outcome, expected, found, ledger)
        found = server.listening()
    elif pid and outcome.changed:
        found = expected if expected is not None else found
    outcome.listening = sockets.listed(found)
    return outcome


def secret(ledger: files.Ledger, path: str, saved: files.Saved) -> bool:
    """Tell whether a table is, or was before, one that not everybody may read."""
    found = [entry for entry in (saved, ledger.before(path)) if entry is not None and entry.content is not None]
    return any(not entry.mode & 0o004 for entry in found)


def _value(text: str, name: str) -> str:
    return main_cf.normal(name, main_cf.values(text).get(name, ""))


def _check_queue(folder: str, queue: str) -> None:
    """Refuse another queue, before ``postfix check`` makes it."""
    wanted = commands.run(["postconf", "-c", folder, "-hx", "queue_directory"])
    if wanted.rc == 0 and wanted.out.strip() != queue:
        raise RolloutError(
            f"parameters.queue_directory: mail that waits in {queue} would stay behind; stop Postfix and move the "
            "queue by hand"
        )


def _check_staged(
    folder: str, directory: str, wanted: t.Mapping[str, str], options: t.Collection[str], really: bool
) -> None:
    why = postfix_server.verify(folder, really)
    if why:
        broken = postfix_server.verify(directory, really)
        if broken:
            raise RolloutError(f"{directory}: {postfix_server.BROKEN}: {broken}; mend it first")
        raise RolloutError(f"parameters: {postfix_server.REFUSED}: {why.replace(folder, directory)}")
    if not wanted and not options:
        return
    unused = commands.run(["postconf", "-c", folder, "-n"]).err
    defaults = main_cf.values(commands.run(["postconf", "-c", folder, "-d", *sorted({*wanted, *options})]).out)
    for name, value in wanted.items():
        if f"unused parameter: {name}=" in unused:
            raise RolloutError(f"parameters.{name}: {_unknown(folder, name)}, and no other one refers to it")
        main_cf.check_kind(name, value, defaults.get(name, ""))
    for name in options:
        if name not in defaults and name not in main_cf.values(decode(files.read(f"{folder}/main.cf") or b"")):
            raise RolloutError(f"services: {name}: {_unknown(folder, name)}")


def _unknown(folder: str, name: str) -> str:
    version = commands.run(["postconf", "-c", folder, "-hd", "mail_version"]).out.strip()
    since = f" (it came with {SINCE[name]})" if name in SINCE else ""
    return f"this Postfix {version} has no such parameter{since}"


def _go_live(
    change: Change,
    outcome: Outcome,
    expected: set[sockets.Endpoint] | None,
    found: set[sockets.Endpoint],
    ledger: files.Ledger,
) -> None:
    server = change.server
    why = "" if change.needed else postfix_server.verify(server.directory, True)
    if why:
        raise RolloutError(f"{server.directory}: {postfix_server.BROKEN}: {why}; mend it first")
    since = time.time()
    saved = {path: files.look(path) for path, _content in change.in_order()}
    for path in change.files:
        ledger.wrote(path, saved[path], change.files[path])
    ledger.save()  # first: whatever happens after this, the original is known
    begun = files.Ledger("postfix")
    begun.notes[UNFINISHED] = sorted({server.directory, *begun.notes.get(UNFINISHED, [])})
    begun.save()  # a run that is stopped now may leave new files that no daemon has read
    written: list[str] = []
    try:
        for path, content in change.in_order():
            _write(path, content, saved[path])
            written.append(path)
        if outcome.restarted:
            server.restart()
        elif outcome.reloaded:
            server.reload()
        if not outcome.running or server.ready(expected):
            finished(begun, server.directory)
            begun.save()
            return
        why = postfix_server.log(since) or server.said
        why = why or f"not listening on {', '.join(sockets.listed(expected or set()))} after {postfix_server.WAIT:g} s"
    except (OSError, RolloutError) as error:
        why = str(error)
    back = "main.cf is what it was"
    if change.needed:
        for path in reversed(written):
            _write(path, saved[path].content, saved[path])
        if outcome.running and len(written) == len(saved):  # else nobody has told it to read them
            server.restart()
            old = server.settings.expected(server.master)
            alive = server.ready(found if old is None else old)
            back = "main.cf is as it was, and Postfix " + ("runs with it" if alive else "does not start with it either")
    raise RolloutError(f"Postfix does not run with the parameters: {why}; {back}")


def finished(ledger: files.Ledger, directory: str) -> None:
    """Note that Postfix has read its files."""
    left = [other for other in ledger.notes.pop(UNFINISHED, []) if other != directory]
    if left:
        ledger.notes[UNFINISHED] = left


def _write(path: str, content: t.Optional[bytes], saved: files.Saved) -> None:
    if content is None:
        files.remove(path)
    else:
        files.write(path, content, saved.mode, saved.uid, saved.gid)


def stale(directory: str, table: mail_tables.Table) -> bool:
    """Tell whether a table's index is missing, or older than its text."""
    if table.index_name is None:
        return False
    try:
        return os.stat(f"{directory}/{table.index_name}").st_mtime < os.stat(f"{directory}/{table.name}").st_mtime
    except FileNotFoundError:
        return True


def mentioned(name: str, text: str) -> bool:
    """Tell whether a configuration still speaks of a table."""
    return re.search(rf"[/:]{re.escape(name)}(?![\w.-])", text) is not None
