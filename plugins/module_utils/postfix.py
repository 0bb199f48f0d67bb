# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix: parameters, tables and services set in one go."""

from __future__ import annotations

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
    stale,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_back import Notes, guarded, note, notes_of
from ansible_collections.ipv6.rollout.plugins.module_utils.postfix_server import Server

PACKAGE = "postfix"


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
        for name, line in self.services.items():
            for parameter, value in master_cf.options(line).items():
                _check_override(f"master.{name}: {parameter}", parameter, value)
        self.sending = mail_sending.clean(given["sending"]) if given.get("sending") else None


def _only_ipv6(parameters: t.Mapping[str, str]) -> bool:
    return main_cf.normal("inet_protocols", parameters.get("inet_protocols", "")) == "ipv6"


def _check_override(where: str, name: str, value: str | None) -> None:
    if value is None:
        return
    if name == "inet_protocols" and "$" not in value and not set(main_cf.words(value)) <= {"all", "ipv4", "ipv6"}:
        raise RolloutError(f"{where}: {shown(value)} is none of all, ipv4, ipv6")
    main_cf.check_value(where, name, value)


def present(given: t.Mapping[str, t.Any], directory: str, really: bool) -> Outcome:
    """Set parameters, tables and services."""
    wish = Wish(given)
    if not postfix_server.installed():
        return _not_yet(wish, directory)
    server = Server(directory)
    ledger, original = files.Ledger("postfix"), files.Ledger("postfix")
    change = Change(server)
    notes = {name: notes_of(ledger, f"{directory}/{name}") for name in ("main.cf", "master.cf")}
    warnings: list[str] = []
    changes: Changes = {}
    change.main = _set(server.main, wish.parameters, notes["main.cf"], changes)
    bound = _bound(server, notes["master.cf"]["overrides"])
    services: dict[str, Changes] = {}
    _services(change, wish.services, notes["master.cf"], services)
    _overrides(change, wish.overrides, notes["master.cf"], services)
    decision = None
    if wish.sending:
        decision, overrides = _decide(wish, wish.sending, change, bound, notes["master.cf"]["overrides"], warnings)
        _overrides(change, overrides, notes["master.cf"], services)
        change.main = _set(change.main, wish.parameters, notes["main.cf"], changes)
    warnings += _missing_addresses(wish.parameters, really)
    for table in wish.tables:
        path = f"{directory}/{table.name}"
        if os.path.isdir(path):
            raise RolloutError(f"tables.{table.name}: {path} is a folder; choose another name")
        if files.read(path) != table.text.encode():
            change.files[path] = table.text.encode()
        elif not stale(directory, table):
            continue
        change.tables.append(table)
    note(ledger, f"{directory}/main.cf", notes["main.cf"], server.main, change.main)
    note(ledger, f"{directory}/master.cf", notes["master.cf"], server.master, change.master)
    fresh = {name: wish.parameters[name] for name in changes}
    overridden = {name for options in services.values() for name in options if options[name]["after"] is not None}
    outcome = guarded(change, fresh, overridden - {""}, ledger, original, really)
    outcome.parameters, outcome.services = changes, services
    outcome.tables = _told(wish.tables, directory, {table.name for table in change.tables})
    outcome.sending = {} if decision is None else decision._asdict()
    outcome.warnings += warnings + _trusting(outcome.target, change.main)
    return outcome


def _trusting(settings: postfix_server.Settings | None, main: str) -> list[str]:
    """Say it where IPv6 makes all the link trusted."""
    if settings is None or 6 not in settings.families or "mynetworks" in main_cf.values(main):
        return []
    if settings.networks_style not in ("subnet", "class"):
        return []
    return [
        f"main.cf has no mynetworks, and with mynetworks_style = {settings.networks_style} every host on the link may "
        "send mail through this one, over IPv6 a whole /64; set postfix_trusted_networks"
    ]


def _told(tables: t.Sequence[mail_tables.Table], directory: str, changed: t.Container[str]) -> dict[str, Notes]:
    return {
        table.name: {"map": f"{table.type}:{directory}/{table.name}", "changed": table.name in changed}
        for table in tables
    }


def _not_yet(wish: Wish, directory: str) -> Outcome:
    """Say what would be done once the package is there. Nothing is known of its sockets."""
    outcome = Outcome()
    outcome.changed, outcome.needs_package = True, PACKAGE
    outcome.parameters = {name: {"before": None, "after": value} for name, value in wish.parameters.items()}
    outcome.services = {
        name: {parameter: {"before": None, "after": value} for parameter, value in options.items()}
        for name, options in wish.overrides.items()
    }
    for name, line in wish.services.items():
        outcome.services.setdefault(name, {})[""] = {"before": None, "after": line}
    outcome.tables = _told(wish.tables, directory, {table.name for table in wish.tables})
    for table in wish.tables:
        outcome.show(f"{directory}/{table.name}", b"", table.text.encode())
    if wish.sending:
        why = "Postfix is not installed yet"
        outcome.sending = mail_sending.Decision(wish.sending.mode, False, wish.sending.address, [why])._asdict()
    return outcome


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


def _bound(server: Server, kept: t.Mapping[str, t.Any]) -> str:
    """Return the address from which mail was sent over IPv6 until now, empty where it was not."""
    if 6 not in server.settings.families or _ours(server.master, kept):
        return ""
    return mail_sending.plain_address(main_cf.values(server.main).get(mail_sending.BIND, ""))


def _decide(
    wish: Wish,
    sending: mail_sending.Wish,
    change: Change,
    bound: str,
    kept: t.Mapping[str, t.Any],
    warnings: list[str],
) -> tuple[mail_sending.Decision, master_cf.Overrides]:
    """Decide whether mail is sent over IPv6; add what follows to the parameters, and return the overrides."""
    server = change.server
    target = server.settings if change.main == server.main else postfix_server.settings_of(change.main)
    decision = mail_sending.decide(sending, target.families, target.helo_name, bound)
    only = target.families == {6} or not postfix_server.has_ipv4_route()
    if only and 6 in target.families and not decision.ipv6:
        raise RolloutError(
            f"sending: mail can leave this host over IPv6 only, and must not: {'; '.join(decision.why)}; "
            "postfix_send_ipv6: always sends it all the same"
        )
    wish.parameters.update(mail_sending.parameters(decision, wish.parameters))
    given = {name for name, options in wish.overrides.items() if mail_sending.PARAMETER in options}
    given |= {name for name, line in wish.services.items() if mail_sending.PARAMETER in master_cf.options(line)}
    ours = _ours(change.master, kept) - given
    overrides, told = mail_sending.overrides(decision, target.families, change.master, ours, given)
    warnings += mail_sending.warnings(decision, target.families) + told
    return decision, overrides


def _ours(master: str, kept: t.Mapping[str, t.Any]) -> set[str]:
    return {name for name, options in kept.items() if _is_ours(master, name, options)}


def _is_ours(master: str, name: str, options: t.Mapping[str, t.Mapping[str, str | None]]) -> bool:
    """Tell whether a service has the override that we gave it, and had none of its own before."""
    entry = options.get(mail_sending.PARAMETER)
    service = master_cf.find(master, name)
    if entry is None or service is None:
        return False
    return entry["before"] is None and service.value(mail_sending.PARAMETER) == entry.get("set")


def _services(change: Change, wanted: t.Mapping[str, str], kept: Notes, found: dict[str, Changes]) -> None:
    """Put whole services into master.cf, and add to what changes."""
    for name, line in wanted.items():
        # What a service overrides by our own hand comes after its line, and is no difference.
        plain = master_cf.without(change.master, name, kept["overrides"].get(name, {}), master_cf.options(line))
        if not master_cf.same_service(plain, name, line):
            before = master_cf.block(plain, name)
            kept["services"].setdefault(name, {"before": before})["set"] = line
            found.setdefault(name, {})[""] = {"before": before, "after": line}
            change.master = master_cf.put_service(change.master, name, line)


def _overrides(change: Change, wanted: master_cf.Overrides, kept: Notes, found: dict[str, Changes]) -> None:
    """Let services of master.cf override parameters, and add to what changes."""
    for name, options in wanted.items():
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
