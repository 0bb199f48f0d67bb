# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A NAT64 as it is and as it shall be: told before anything is touched, done, and taken back where it fails."""

from __future__ import annotations

import functools
import os
import tempfile
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    filter_table,
    nat64_sysctl,
    radvd,
    sockets,
    tunnel_host,
    tunnel_live,
    tunnel_undo,
)
from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_host as target
from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_told import Outcome
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import Wish, never_reached

LEDGER = "nat64"
START = 60.0
READY = 10.0
# A trial of TAYGA that is still running after this many seconds has taken its configuration.
TRIAL = 1

Notes = t.Dict[str, t.Any]


class Change:
    """From what a host has to what it shall have."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.unit = texts.UNITS[wish.translator]
        self.ledger = files.Ledger(LEDGER)
        self.notes: Notes = dict(self.ledger.notes)
        self.links = tunnel_host.links()
        ours = bool(self.notes)
        if ours and (self.notes["translator"], self.notes["device"]) != (wish.translator, wish.device):
            raise RolloutError(
                f"translator: this host has {self.notes['translator']} on {self.notes['device']} from an earlier run; "
                "take that back first with state absent"
            )
        lacking = target.kernel_lacks(wish.translator)
        wrong = [lacking] if lacking else []
        wrong += target.taken(wish, self.links, ours)
        self.radvd = radvd.Change(wish.pref64, wish.prefix, wish.lifetime, self.ledger)
        wrong += self.radvd.wrong
        if wrong:
            raise RolloutError("; ".join(wrong))
        self.programs, self.missing = target.programs(wish.translator)
        self.missing += self.radvd.missing
        self._compare()

    def _compare(self) -> None:
        wish = self.wish
        self.never = never_reached(wish, target.own_networks(self.links, wish.device))
        self.sysctls = nat64_sysctl.Sysctls(self.links, wish.device, self.notes)
        wanted = texts.texts_of(wish, self.never, self.programs)
        wanted[texts.SYSCTL_FILE] = self.sysctls.text
        self.wanted = {path: text.encode() for path, text in wanted.items()}
        self.before = {path: files.look(path) for path in self.wanted}
        self.rewritten = [path for path, content in self.wanted.items() if not _same(self.before[path], content)]
        self.stale = [path for path in self.notes.get("files", []) if path not in self.wanted]
        self.enabled, self.active = target.enabled(self.unit), target.active(self.unit)
        settings = {texts.TAYGA_CONF, texts.TAYGA_UNIT, texts.JOOL_CONF, texts.JOOL_DROP_IN}
        ready = wish.translator != "tayga" or target.device_ready(wish, self.links)
        self.restart = bool(settings & set(self.rewritten)) or not self.active or not ready
        rules = {path for path in self.wanted if path not in settings and path != texts.SYSCTL_FILE}
        loaded = target.live_rules(self.programs)
        self.reload = bool(rules & set(self.rewritten)) or not loaded or loaded != self.notes.get("rules", loaded)

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        todo = [self.rewritten, self.stale, self.sysctls.anything, self.restart, self.reload, not self.enabled]
        return any(todo) or self.radvd.anything

    def outcome(self) -> Outcome:
        """Return what a run would do."""
        wish = self.wish
        told = Outcome()
        told.changed, told.unit, told.prefix = self.anything, self.unit, str(wish.prefix)
        told.refused = [str(network) for network in self.never]
        for path in self.rewritten:
            told.show(path, self.before[path].content, self.wanted[path])
        for path in self.stale:
            saved = self.ledger.before(path)
            told.show(path, files.read(path), saved.content if saved else None)
        told.restarted, told.reloaded = self.restart, self.reload and not self.restart
        self.sysctls.tell(told)
        again = "restarted\n" if self.restart and self.active else "rules loaded\n" if told.reloaded else ""
        told.tell(self.unit, unit_text(self.enabled, self.active), unit_text(True, True) + again)
        self.radvd.tell(told)
        told.warnings += self._dropped()
        return told

    def _dropped(self) -> t.List[str]:
        if not commands.found("nft") or self.wish.translator != "tayga":
            return []
        tables = target.dropping_tables(commands.run(["nft", "list", "chains"]).out)
        return [
            f"the nft table {table} drops what is forwarded; let {self.wish.device} through there" for table in tables
        ]

    def validate(self) -> None:
        """Have the files looked at by the programs that will read them, where nobody sees it."""
        if texts.NFT_RULES in self.rewritten:
            _checked(["nft", "--check", "-f", "-"], self.wanted[texts.NFT_RULES].decode(), "nft refuses the rules")
        if texts.TAYGA_CONF in self.rewritten:
            _trial(self.wish)
        if texts.JOOL_CONF in self.rewritten:
            with tempfile.TemporaryDirectory(prefix="ipv6-rollout-nat64-") as folder:
                files.write(f"{folder}/jool.conf", self.wanted[texts.JOOL_CONF])
                _checked(["jool", "file", "check", f"{folder}/jool.conf"], "", "jool refuses the configuration")
        self.radvd.validate()

    def note(self) -> None:
        """Keep what was there before the first change, before anything is changed."""
        notes = self.ledger.notes
        if not notes:
            notes.update(translator=self.wish.translator, device=self.wish.device, unit=self.unit)
            notes.update(enabled=self.enabled, active=self.active, map=os.path.exists(target.data_file()))
            notes["tables"] = target.no_tables()
            # TAYGA makes the folder of its own when it starts.
            notes["folders"], notes["sysctls"] = tunnel_undo.folders([target.data_file()]), {}
        notes["folders"] = [*notes["folders"], *tunnel_undo.folders(self.wanted)]
        self.sysctls.note(notes)
        for path in self.rewritten:
            self.ledger.wrote(path, self.before[path], self.wanted[path])
        notes["files"] = sorted(path for path in self.wanted if path in self.ledger.files)
        self.radvd.note()

    def apply(self) -> None:
        """Do it; where it fails, take it back and raise what happened."""
        original = files.Ledger(LEDGER)
        held = {path: files.look(path) for path in [*self.wanted, *self.stale]}
        live = self.sysctls.held()
        made = tunnel_undo.folders(self.wanted)
        loaded = bool(target.live_rules(self.programs))
        self.note()
        self.ledger.save()
        try:
            for path in self.rewritten:
                files.write(path, self.wanted[path])
            for path in self.stale:
                self.ledger.give_back(path)
            if {texts.TAYGA_UNIT, texts.JOOL_DROP_IN} & {*self.rewritten, *self.stale}:
                commands.check(["systemctl", "daemon-reload"])
            if not self.enabled:
                enable(self.unit)
            if self.restart:
                self._start()
            elif self.reload:
                commands.check(["systemctl", "reload", self.unit], timeout=START)
            # Last: nothing is forwarded before the rules are there.
            self.sysctls.set()
            self.radvd.apply()
            self.ledger.notes["rules"] = target.live_rules(self.programs)
            self.ledger.save()
        except (RolloutError, OSError) as error:
            undo: t.List[t.Callable[[], object]] = [self.radvd.undo]
            undo += [functools.partial(tunnel_live.set_sysctls, {key: value}) for key, value in live.items()]
            if self.restart:
                undo.append(lambda: gone(self.unit, self.wish.device))
            undo += [functools.partial(tunnel_undo.put_back, path, saved) for path, saved in held.items()]
            undo += [lambda: tunnel_undo.prune(made), lambda: commands.check(["systemctl", "daemon-reload"])]
            undo.append(lambda: settle(self.unit, self.enabled, self.active))
            if not loaded:
                undo.append(lambda: rules_gone(self.programs, self.ledger.notes["tables"]))
            undo.append(original.save)
            failed = tunnel_undo.all_of(undo)
            how = "all is as it was before" if not failed else f"not all could be taken back: {'; '.join(failed)}"
            raise RolloutError(f"{error}; {how}") from error

    def _start(self) -> None:
        if texts.TAYGA_CONF in self.rewritten and self.active:
            gone(self.unit, self.wish.device)  # with its routes, which may be others now
        commands.run(["systemctl", "reset-failed", self.unit])
        done = commands.run(["systemctl", "restart", self.unit], timeout=START)
        ready = done.rc == 0 and (
            self.wish.translator != "tayga"
            or sockets.wait(lambda: target.device_ready(self.wish, tunnel_host.links()), READY, 0.1)
        )
        if ready and target.active(self.unit):
            return
        log = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-n", "8", "-u", self.unit]).out.split("\n")
        told = [line for line in log if line and not line.startswith(("Start", "Stopp", "tayga.service: "))]
        raise RolloutError(f"{self.unit} does not start: {' / '.join(told) or done.said}")


def unit_text(enabled: bool, active: bool) -> str:
    """Return a unit's state as it is shown."""
    return f"{'enabled' if enabled else 'disabled'}\n{'active' if active else 'inactive'}\n"


def _same(now: files.Saved, content: bytes) -> bool:
    return now == files.Saved(content, 0o644, 0, 0)


def _checked(argv: t.Sequence[str], stdin: str, what: str) -> None:
    done = commands.run(argv, stdin)
    if done.rc != 0:
        raise RolloutError(f"{what}, nothing was changed: {' / '.join(done.said.splitlines()[:4])}")


def _trial(wish: Wish) -> None:
    """Start TAYGA in an empty network namespace: it says at once what it does not take."""
    if commands.run(["unshare", "--net", "true"]).rc != 0:
        return
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-nat64-") as folder:
        since = time.time()
        files.write(f"{folder}/tayga.conf", texts.tayga_conf(wish, folder).encode())
        program = ["tayga", "--nodetach", "--config", f"{folder}/tayga.conf"]
        done = commands.run(["unshare", "--net", "timeout", str(TRIAL), *program])
    if done.rc not in (124, 143):  # ended by timeout(1), so it was running
        # Debian's TAYGA says why in the log alone.
        log = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-t", "tayga", f"--since=@{int(since)}"]).out
        why = " / ".join(line for line in log.splitlines() if line and not line.startswith("starting")) or done.said
        raise RolloutError(f"TAYGA refuses the configuration, nothing was changed: {why}")


def enable(unit: str) -> None:
    """Have a unit started at boot. A link, as systemctl would run the tools for init scripts as well."""
    link = target.wanted_link(unit)
    os.makedirs(os.path.dirname(link), exist_ok=True)
    own = f"/etc/systemd/system/{unit}"
    os.symlink(own if os.path.exists(own) else f"/lib/systemd/system/{unit}", link)


def settle(unit: str, enabled: bool, active: bool) -> None:
    """Bring a unit back to what it was before."""
    if not enabled:
        files.remove(target.wanted_link(unit))
    if active:
        tunnel_live.again(unit)
        return
    commands.run(["systemctl", "stop", unit], timeout=START)
    if target.active(unit):
        raise RolloutError(f"{unit} does not stop")
    commands.run(["systemctl", "reset-failed", unit])


def gone(unit: str, device: str) -> None:
    """Stop the translator and remove its device, with all routes into it."""
    commands.run(["systemctl", "stop", unit], timeout=START)
    tunnel_live.gone(device)


def rules_gone(programs: t.Mapping[str, str], tables: t.Collection[str]) -> None:
    """Take our rules out of the kernel, and filter tables that only they were in."""
    if commands.found("nft") and commands.run(["nft", "list", "table", *texts.TABLE.split()]).rc == 0:
        commands.check(["nft", "delete", "table", *texts.TABLE.split()])
    for program, table in target.FILTERS.items():
        if program not in programs:
            continue
        if commands.run([program, "--wait", "5", "-S", texts.CHAIN]).rc == 0:
            commands.run([program, "--wait", "5", "-D", "FORWARD", "-j", texts.CHAIN])
            commands.check([program, "--wait", "5", "-F", texts.CHAIN])
            commands.check([program, "--wait", "5", "-X", texts.CHAIN])
        saved = commands.run([f"{program}-save", "-t", "filter"]).out
        if table in tables and filter_table.normal(saved) == filter_table.EMPTY.text:
            commands.run(["nft", "delete", "table", *table.split()])  # the legacy back end has no such table


def present(wish: Wish, really: bool) -> Outcome:
    """Set a translator up, or tell what that would do."""
    change = Change(wish)
    told = change.outcome()
    if told.changed and change.missing:
        told.needs_packages = change.missing
        if not really:
            told.warnings.append(
                f"{', '.join(change.missing)}: not installed yet, so the configuration was not tried out"
            )
        return told
    if told.changed:
        change.validate()
        if really:
            change.apply()
    return told


def absent(really: bool) -> Outcome:
    """Take the translator back: unit, device, rules, files, sysctls."""
    told = Outcome()
    ledger = files.Ledger(LEDGER)
    notes: Notes = dict(ledger.notes)
    if not notes:
        return told
    told.changed, told.unit = True, notes["unit"]
    for path in notes["files"]:
        told.given_back(ledger, path)
    freed, remarks = nat64_sysctl.freed(notes)
    told.warnings += remarks
    for key, value in freed.items():
        told.tell(key, f"{tunnel_host.sysctl(key)}\n", f"{value}\n")
    state = (target.enabled(told.unit), target.active(told.unit))
    told.tell(told.unit, unit_text(*state), unit_text(notes["enabled"], notes["active"]))
    announced = radvd.Back(ledger)
    announced.tell(told)
    if not really:
        return told
    announced.apply()
    # Forwarding first, as long as the rules are still there.
    tunnel_live.set_sysctls(freed)
    if notes["translator"] == "tayga":
        gone(told.unit, notes["device"])
    for path in notes["files"]:
        ledger.give_back(path)
    if not notes["map"]:
        files.remove(target.data_file())
    tunnel_undo.prune(notes["folders"])
    commands.run(["systemctl", "daemon-reload"])
    settle(told.unit, notes["enabled"], notes["active"])
    rules_gone(target.programs(notes["translator"])[0], notes["tables"])
    ledger.notes.clear()
    ledger.save()
    return told
