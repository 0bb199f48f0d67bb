# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix: what was there before is noted, and given back."""

from __future__ import annotations

import copy
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files, mail_tables, main_cf, master_cf, postfix_server
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_apply import (
    UNFINISHED,
    Change,
    Outcome,
    apply,
    finished,
    mentioned,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_server import Server, decode, encode

Notes = dict[str, t.Any]


def notes_of(ledger: files.Ledger, path: str) -> Notes:
    """Return what is noted of a file: each entry as it was and as we set it, and whether others edit the file."""
    kept: Notes = copy.deepcopy(ledger.notes.get(path, {"edited": False}))
    for name in ("parameters", "overrides", "services"):
        kept.setdefault(name, {})
    before = ledger.before(path)
    # A run that was stopped before it wrote the file has left it as it was.
    if before is not None and not ledger.untouched(path) and files.read(path) != before.content:
        kept["edited"] = True  # the whole file as it was would take that edit back too
    return kept


def note(ledger: files.Ledger, path: str, kept: Notes, before: str, after: str) -> None:
    if after == before:
        return
    saved = ledger.before(path)
    if saved is not None and saved.content == encode(after):
        _forget(ledger, path)  # it is what it was
        return
    ledger.notes[path] = kept
    ledger.wrote(path, files.look(path), encode(after))


def guarded(
    change: Change,
    wanted: t.Mapping[str, str],
    options: t.Collection[str],
    ledger: files.Ledger,
    original: files.Ledger,
    really: bool,
) -> Outcome:
    """Apply; where that fails, the ledger goes back with the files."""
    server = change.server
    try:
        return apply(change, wanted, options, ledger, really)
    except RolloutError:
        texts = {"main.cf": server.main, "master.cf": server.master}
        if really and all(files.read(f"{server.directory}/{name}") == encode(text) for name, text in texts.items()):
            original.save()
        raise


def absent(directory: str, really: bool) -> Outcome:
    """Give all files back: byte for byte, or entry by entry where somebody has edited one since."""
    ledger, original = files.Ledger("postfix"), files.Ledger("postfix")
    paths = [path for path in ledger.files if os.path.dirname(path) == directory]
    if not paths and directory not in ledger.notes.get(UNFINISHED, []):
        return Outcome()
    if not postfix_server.installed() or files.read(f"{directory}/main.cf") is None:
        return _gone(ledger, directory, paths, really)
    change = Change(Server(directory))
    warnings: list[str] = []
    change.main = _back(ledger, f"{directory}/main.cf", change.main, warnings)
    change.master = _back(ledger, f"{directory}/master.cf", change.master, warnings)
    tables: dict[str, list[str]] = {}
    for path in paths:
        if os.path.basename(path) not in ("main.cf", "master.cf"):
            tables.setdefault(_text_of(path), []).append(path)
    for path, ours in sorted(tables.items()):
        _table_back(ledger, change, path, ours, warnings)
    outcome = guarded(change, {}, (), _Later(), original, really)
    old, new = main_cf.values(change.server.main), main_cf.values(change.main)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            outcome.parameters[name] = {"before": old.get(name), "after": new.get(name)}
    if really:
        for path in paths:
            _mode_back(ledger.before(path), path)
            _forget(ledger, path)
        finished(ledger, directory)
        ledger.save()
    outcome.warnings += warnings
    return outcome


def _gone(ledger: files.Ledger, directory: str, paths: t.Iterable[str], really: bool) -> Outcome:
    """Postfix went away with its main.cf: nothing is left to give back but tables that it left behind."""
    outcome = Outcome()
    outcome.warnings.append(f"{directory}: Postfix is gone, so there is nothing to give back")
    if really:
        for path in paths:
            if files.read(path) is not None and ledger.untouched(path):
                ledger.give_back(path)
            _forget(ledger, path)
        finished(ledger, directory)
        ledger.save()
    return outcome


def _back(ledger: files.Ledger, path: str, text: str, warnings: list[str]) -> str:
    before = ledger.before(path)
    if before is None or before.content is None:
        return text
    kept = notes_of(ledger, path)
    return _single(text, kept, warnings, path) if kept["edited"] else decode(before.content)


def _text_of(path: str) -> str:
    """Return the table that an index belongs to, and any other path as it is."""
    stem, suffix = os.path.splitext(path)
    return stem if suffix in mail_tables.INDEX.values() else path


def _table_back(ledger: files.Ledger, change: Change, path: str, ours: t.Iterable[str], warnings: list[str]) -> None:
    """Give a table back with each index that it had.

    :param ours: the files that were written, of the text and of each index
    """
    name = os.path.basename(path)
    before, now = ledger.before(path), files.read(path)
    if before is not None and before.content is None and now is None:
        return  # a run that was stopped has not made it
    if now is None or (before is not None and not ledger.untouched(path) and now != before.content):
        warnings.append(f"{path} was edited since, so it stays; remove it with its index where nobody needs it")
        return
    if (before is None or before.content is None) and mentioned(name, f"{change.main}\n{change.master}"):
        warnings.append(f"{path} stays, since main.cf or master.cf still names it")
        return
    for one in sorted(ours):  # the text first, since an index must not be older
        saved = ledger.before(one)
        if saved is not None and saved.content != files.read(one):
            change.files[one] = saved.content


def _mode_back(before: files.Saved | None, path: str) -> None:
    """Give permissions back with the content."""
    now = files.look(path)
    if before is not None and before.content is not None and before.content == now.content and before != now:
        files.write(path, before.content, before.mode, before.uid, before.gid)


class _Later(files.Ledger):
    """A ledger that is not saved: what is given back is forgotten only when it is back."""

    def __init__(self) -> None:
        super().__init__("postfix")

    def save(self) -> None:
        """Save nothing."""


def _forget(ledger: files.Ledger, path: str) -> None:
    ledger.files.pop(path, None)
    ledger.notes.pop(path, None)


def _single(text: str, kept: Notes, warnings: list[str], path: str) -> str:
    """Give back only what we set and nobody has set since."""
    back, left = [], []
    for name, entry in kept["parameters"].items():
        if not main_cf.same(name, main_cf.last(text, name), str(entry.get("set", ""))):
            left.append(name)
            continue
        former = entry["before"]
        text = main_cf.drop(text, name) if former is None else main_cf.put(text, name, former)
        back.append(name)
    for name, options in kept["overrides"].items():
        for parameter, entry in options.items():
            service = master_cf.find(text, name)
            if service is None or service.value(parameter) != entry.get("set"):
                left.append(f"{name} {parameter}")
                continue
            former = entry["before"]
            text = master_cf.drop(text, name, parameter)
            text = text if former is None else master_cf.put(text, name, parameter, former)
            back.append(f"{name} {parameter}")
    for name, entry in kept["services"].items():
        if not master_cf.same_service(text, name, str(entry.get("set", ""))):
            left.append(name)
            continue
        former = entry["before"]
        text = master_cf.drop_service(text, name) if former is None else master_cf.put_service(text, name, former)
        back.append(name)
    warnings.append(
        f"{path} was edited since: only {', '.join(back) or 'nothing'} went back to what it was"
        + (f"; {', '.join(left)} had been set to something else since and stays" if left else "")
    )
    return text
