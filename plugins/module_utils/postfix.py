# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix: parameters, tables and services set in one go, and given back."""

from __future__ import annotations

import copy
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    files,
    mail_sending,
    mail_tables,
    main_cf,
    master_cf,
    postfix_server,
    sockets,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_apply import (
    Change,
    Changes,
    Outcome,
    apply,
    mentioned,
    stale,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_server import Server, decode, encode

PACKAGE = "postfix"
TABLES = "tables"
Notes = dict[str, t.Any]


class Wish:
    """What a user wants, checked; the host is not looked at."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.parameters = main_cf.clean(given.get("parameters") or {})
        networks = given.get("trusted_networks")
        if networks:
            if "mynetworks" in self.parameters:
                raise RolloutError("trusted_networks: parameters.mynetworks is given too; write one of them")
            self.parameters["mynetworks"] = main_cf.trusted(networks)
        if _only_ipv6(self.parameters) and not given.get("allow_ipv6_only"):
            raise RolloutError(
                "parameters.inet_protocols: ipv6 makes mail to hosts without an IPv6 address bounce at once, unless a "
                "relay host or NAT64 takes it, which can't be seen from here, and it breaks the PROXY protocol for "
                "IPv4 clients; write all, or set allow_ipv6_only (postfix_allow_ipv6_only in the role)"
            )
        self.tables = mail_tables.clean(given.get("tables") or [])
        self.overrides = master_cf.clean_overrides(given.get("services") or {})
        for name, options in self.overrides.items():
            for parameter, value in options.items():
                _check_override(f"services.{name}.{parameter}", parameter, value)
        self.services = master_cf.clean_services(given.get("master") or {})
        self.sending = mail_sending.clean(given["sending"]) if given.get("sending") else None


def _only_ipv6(parameters: t.Mapping[str, str]) -> bool:
    return main_cf.normal("inet_protocols", parameters.get("inet_protocols", "")) == "ipv6"


def _check_override(where: str, name: str, value: str | None) -> None:
    if value is None or "$" in value:
        return
    if name == "inet_protocols" and not set(main_cf.words(value)) <= {"all", "ipv4", "ipv6"}:
        raise RolloutError(f"{where}: {shown(value)} is none of all, ipv4, ipv6")
    main_cf.check_value(where, name, value)


def present(given: t.Mapping[str, t.Any], directory: str, really: bool) -> Outcome:
    """Set parameters, tables and services."""
    wish = Wish(given)
    if not postfix_server.installed():
        return _not_yet(wish)
    server = Server(directory)
    ledger, original = files.Ledger("postfix"), files.Ledger("postfix")
    change = Change(server)
    notes = {name: _notes(ledger, f"{directory}/{name}") for name in ("main.cf", "master.cf")}
    warnings: list[str] = []
    changes: Changes = {}
    change.main = _set(server.main, wish.parameters, notes["main.cf"], changes)
    decision = None
    if wish.sending:
        decision = _decide(wish, change, notes, warnings)
        change.main = _set(change.main, wish.parameters, notes["main.cf"], changes)
    warnings += _missing_addresses(wish.parameters, really)
    services = _services(change, wish, notes["master.cf"])
    ours = ledger.notes.setdefault(TABLES, {})
    for table in wish.tables:
        path = f"{directory}/{table.name}"
        if files.read(path) != table.text.encode():
            change.files[path] = table.text.encode()
        elif not stale(directory, table):
            continue
        change.tables.append(table)
        ours[path] = f"{directory}/{table.index_name}" if table.index_name else None
    if not ours:
        del ledger.notes[TABLES]
    _note(ledger, f"{directory}/main.cf", notes["main.cf"], server.main, change.main)
    _note(ledger, f"{directory}/master.cf", notes["master.cf"], server.master, change.master)
    fresh = {name: wish.parameters[name] for name in changes}
    overridden = {name for options in services.values() for name in options if options[name]["after"] is not None}
    outcome = _guarded(change, fresh, overridden - {""}, ledger, original, really)
    outcome.parameters, outcome.services = changes, services
    outcome.tables = _told(wish.tables, directory, {table.name for table in change.tables})
    outcome.sending = {} if decision is None else decision._asdict()
    outcome.warnings += warnings
    return outcome


def _told(tables: t.Sequence[mail_tables.Table], directory: str, changed: t.Container[str]) -> dict[str, Notes]:
    return {
        table.name: {"map": f"{table.type}:{directory}/{table.name}", "changed": table.name in changed}
        for table in tables
    }


def _not_yet(wish: Wish) -> Outcome:
    """Say what would be done once the package is there. Nothing is known of its sockets."""
    outcome = Outcome()
    outcome.changed, outcome.needs_package = True, PACKAGE
    outcome.parameters = {name: {"before": None, "after": value} for name, value in wish.parameters.items()}
    outcome.services = {
        name: {parameter: {"before": None, "after": value} for parameter, value in options.items()}
        for name, options in wish.overrides.items()
    }
    outcome.tables = _told(wish.tables, "/etc/postfix", {table.name for table in wish.tables})
    for table in wish.tables:
        outcome.show(f"/etc/postfix/{table.name}", b"", table.text.encode())
    if wish.sending:
        why = "Postfix is not installed yet"
        outcome.sending = mail_sending.Decision(wish.sending.mode, False, wish.sending.address, [why])._asdict()
    return outcome


def _notes(ledger: files.Ledger, path: str) -> Notes:
    """Return what is noted of a file: each entry as it was and as we set it, and whether others edit the file."""
    kept: Notes = copy.deepcopy(ledger.notes.get(path, {"edited": False}))
    for name in ("parameters", "overrides", "services"):
        kept.setdefault(name, {})
    if ledger.before(path) is not None and not ledger.untouched(path):
        kept["edited"] = True  # the whole file as it was would take that edit back too
    return kept


def _note(ledger: files.Ledger, path: str, kept: Notes, before: str, after: str) -> None:
    if after == before:
        return
    saved = ledger.before(path)
    if saved is not None and saved.content == encode(after):
        _forget(ledger, path)  # it is what it was
        return
    ledger.notes[path] = kept
    ledger.wrote(path, files.look(path), encode(after))


def _set(text: str, wanted: t.Mapping[str, str], kept: Notes, changes: Changes) -> str:
    """Return main.cf with other parameters."""
    now = main_cf.values(text)
    for name, value in wanted.items():
        if main_cf.same(name, main_cf.last(text, name), value):
            continue
        changes[name] = {"before": now.get(name), "after": value}
        kept["parameters"].setdefault(name, {"before": main_cf.raw(text, name)})["set"] = value
        text = main_cf.put(text, name, f"{name} = {value}".rstrip())
    return text


def _decide(
    wish: Wish, change: Change, notes: t.Mapping[str, Notes], warnings: list[str]
) -> mail_sending.Decision | None:
    """Decide whether mail is sent over IPv6, and add what follows to the parameters and the overrides."""
    if wish.sending is None:
        return None
    server = change.server
    target = server.settings if change.main == server.main else postfix_server.settings_of(change.main)
    kept = notes["master.cf"]["overrides"]
    ours = {name for name, options in kept.items() if _is_ours(server.master, name, options)}
    bound = main_cf.values(server.main).get(mail_sending.BIND, "").strip("[]")
    before = bound if 6 in server.settings.families and not ours else ""
    decision = mail_sending.decide(wish.sending, target.families, target.helo_name, before)
    only = target.families == {6} or not postfix_server.has_ipv4_route()
    if only and 6 in target.families and not decision.ipv6:
        raise RolloutError(
            f"sending: mail can leave this host over IPv6 only, and must not: {'; '.join(decision.why)}; "
            "postfix_send_ipv6: always sends it all the same"
        )
    wish.parameters.update(mail_sending.parameters(decision, wish.parameters))
    overrides, told = mail_sending.overrides(decision, target.families, server.master, ours, wish.overrides)
    for name, options in overrides.items():
        wish.overrides.setdefault(name, {}).update(options)
    warnings += mail_sending.warnings(decision, target.families) + told
    return decision


def _is_ours(master: str, name: str, options: t.Mapping[str, t.Mapping[str, str | None]]) -> bool:
    """Tell whether a service has the override that we gave it, and had none of its own before."""
    entry = options.get(mail_sending.PARAMETER)
    service = master_cf.find(master, name)
    if entry is None or service is None:
        return False
    return entry["before"] is None and service.value(mail_sending.PARAMETER) == entry.get("set")


def _services(change: Change, wish: Wish, kept: Notes) -> dict[str, Changes]:
    """Change master.cf: whole services first, then what they override; return what changes."""
    found: dict[str, Changes] = {}
    for name, line in wish.services.items():
        if not master_cf.same_service(change.master, name, line):
            before = master_cf.block(change.master, name)
            kept["services"].setdefault(name, {"before": before})["set"] = line
            found.setdefault(name, {})[""] = {"before": before, "after": line}
            change.master = master_cf.put_service(change.master, name, line)
    for name, options in wish.overrides.items():
        for parameter, value in options.items():
            service = master_cf.find(change.master, name)
            before = service.value(parameter) if service else None
            if before == value and (service or value is None):
                continue
            noted = kept["overrides"].setdefault(name, {})
            entry = noted.setdefault(parameter, {"before": before})
            entry["set"] = value
            if entry["before"] == value:
                del noted[parameter]  # it is what it was
            if not noted:
                del kept["overrides"][name]
            found.setdefault(name, {})[parameter] = {"before": before, "after": value}
            if value is None:
                change.master = master_cf.drop(change.master, name, parameter)
            else:
                change.master = master_cf.put(change.master, name, parameter, value)
    return found


def _guarded(
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


def _missing_addresses(wanted: t.Mapping[str, str], really: bool) -> list[str]:
    missing = []
    for name in main_cf.BIND:
        value = wanted.get(name, "")
        if value and "$" not in value and not sockets.is_local(value.strip("[]")):
            message = f"parameters.{name}: {shown(value)} is no address of this host now; Postfix would use another one"
            if really:
                raise RolloutError(message)
            missing.append(message)
    return missing


def absent(directory: str, really: bool) -> Outcome:
    """Give all files back: byte for byte, or entry by entry where somebody has edited one since."""
    ledger, original = files.Ledger("postfix"), files.Ledger("postfix")
    paths = [path for path in ledger.files if os.path.dirname(path) == directory]
    if not paths:
        return Outcome()
    if not postfix_server.installed() or files.read(f"{directory}/main.cf") is None:
        return _gone(ledger, directory, paths, really)
    change = Change(Server(directory))
    warnings: list[str] = []
    change.main = _back(ledger, f"{directory}/main.cf", change.main, warnings)
    change.master = _back(ledger, f"{directory}/master.cf", change.master, warnings)
    for path, index in sorted(ledger.notes.get(TABLES, {}).items()):
        if os.path.dirname(path) == directory:
            _table_back(ledger, change, path, index, warnings)
    outcome = _guarded(change, {}, (), _Later(), original, really)
    old, new = main_cf.values(change.server.main), main_cf.values(change.main)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            outcome.parameters[name] = {"before": old.get(name), "after": new.get(name)}
    if really:
        for path in paths:
            _mode_back(ledger.before(path), path)
            _forget(ledger, path)
        _drop_tables(ledger, directory)
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
        _drop_tables(ledger, directory)
        ledger.save()
    return outcome


def _back(ledger: files.Ledger, path: str, text: str, warnings: list[str]) -> str:
    before = ledger.before(path)
    if before is None or before.content is None:
        return text
    kept = _notes(ledger, path)
    return _single(text, kept, warnings, path) if kept["edited"] else decode(before.content)


def _table_back(ledger: files.Ledger, change: Change, path: str, index: str | None, warnings: list[str]) -> None:
    name = os.path.basename(path)
    before = ledger.before(path)
    if (before is not None and not ledger.untouched(path)) or files.read(path) is None:
        warnings.append(f"{path} was edited since, so it stays; remove it with its index where nobody needs it")
        return
    if (before is None or before.content is None) and mentioned(name, f"{change.main}\n{change.master}"):
        warnings.append(f"{path} stays, since main.cf or master.cf still names it")
        return
    for one in (path, index):
        saved = ledger.before(one) if one else None
        if one and saved is not None and saved.content != files.read(one):
            change.files[one] = saved.content


def _mode_back(before: files.Saved | None, path: str) -> None:
    """Give permissions back with the content."""
    now = files.look(path)
    if before is not None and before.content is not None and before.content == now.content and before != now:
        files.write(path, before.content, before.mode, before.uid, before.gid)


def _drop_tables(ledger: files.Ledger, directory: str) -> None:
    left = {path: index for path, index in ledger.notes.pop(TABLES, {}).items() if os.path.dirname(path) != directory}
    if left:
        ledger.notes[TABLES] = left


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
