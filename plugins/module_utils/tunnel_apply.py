# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel as it is and as it shall be: told before anything is touched, done, and taken back where it fails."""

from __future__ import annotations

import grp
import os
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, tunnel_check, tunnel_live
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_host as target
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_openvpn as openvpn
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import File, Files, Wish

LEDGER = "tunnel"
SYSCTL_D = "/etc/sysctl.d"
PROGRAMS = {"openvpn": ("openvpn", "openvpn"), "wireguard": ("wg", "wireguard-tools")}
HIDDEN = "(a secret, not shown)\n"

Notes = t.Dict[str, t.Any]


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self, name: str, kind: str = "") -> None:
        self.name, self.kind = name, kind
        self.changed = self.up = False
        self.unit = self.backend = self.needs_package = ""
        self.addresses: t.List[str] = []
        self.paths: t.List[str] = []
        self.diff: t.List[t.Dict[str, str]] = []
        self.warnings: t.List[str] = []

    def show(self, path: str, before: t.Optional[bytes], after: t.Optional[bytes], secret: bool) -> None:
        """Tell that a file changes. Of a secret only whether it is there."""
        texts_of = [b"" if content is None else content for content in (before, after)]
        shown = [content.decode(errors="replace") for content in texts_of]
        if secret:
            shown = [HIDDEN if content else "" for content in shown]
            if all(shown):
                shown[1] = HIDDEN.replace("a secret", "another secret")
        self.paths.append(path)
        self.diff.append({"before_header": path, "after_header": path, "before": shown[0], "after": shown[1]})

    def tell(self, what: str, before: str, after: str) -> None:
        """Tell that something changes that is no file."""
        if before != after:
            self.diff.append({"before_header": what, "after_header": what, "before": before, "after": after})


def _owner(file: File) -> int:
    if not file.group:
        return 0
    try:
        return grp.getgrnam(file.group).gr_gid
    except KeyError:
        return 0  # the package that makes the group is not there yet, nor the daemon that would read the file


def _sysctl_file(name: str, values: t.Mapping[str, str]) -> Files:
    """Return the file for the next boot. It is read last: whoever asks for forwarding has it in spite of others."""
    if not values:
        return {}
    lines = "".join(f"{target.sysctl_name(key)} = {value}\n" for key, value in values.items())
    return {f"{SYSCTL_D}/99-z-ipv6-rollout-tunnel-{name}.conf": File((texts.HEADER + lines).encode())}


def _same(now: files.Saved, file: File) -> bool:
    return (now.content, now.mode, now.gid) == (file.content, file.mode, _owner(file)) and now.uid == 0


def _folders(paths: t.Iterable[str]) -> t.List[str]:
    """Return the folders that have to be made for these files, outer ones first."""
    found: t.List[str] = []
    for path in paths:
        missing = []
        folder = os.path.dirname(path)
        while not os.path.isdir(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        found += [item for item in reversed(missing) if item not in found]
    return found


class Change:
    """From what a host has to what it shall have, for one tunnel."""

    def __init__(self, wish: Wish, asked: str) -> None:
        self.wish = wish
        self.ledger = files.Ledger(LEDGER)
        self.notes: t.Optional[Notes] = self.ledger.notes.get(wish.name)
        if self.notes is not None and self.notes["sort"] != wish.sort:
            raise RolloutError(
                f"kind: {wish.name} was set up as {self.notes['sort']}, not {wish.sort}; take it back first with "
                "state absent, or take another name"
            )
        self.links = target.links()
        self.where = "" if wish.kind == "openvpn" else target.backend(asked, self.links)
        self.unit = tunnel_live.unit_of(wish, self.where)
        if self.notes is not None and self.notes["unit"] != self.unit:
            raise RolloutError(f"backend: {wish.name} was set up for another one; take it back first with state absent")
        self.wanted = openvpn.files_of(wish) if wish.kind == "openvpn" else texts.files_of(wish, self.where)
        host = target.look(wish, self.where, self.links)
        wrong = tunnel_check.problems(wish, host, self.notes is not None)
        if wrong:
            raise RolloutError("; ".join(wrong))
        self.remarks = tunnel_check.remarks(wish, host)
        self.program, self.package = PROGRAMS.get(wish.kind, ("ip", "iproute2"))
        self._compare()

    def _compare(self) -> None:
        wish, notes = self.wish, self.notes or {}
        heard = [*target.routers_heard(), *notes.get("heard", [])]
        self.heard = sorted(set(heard)) if wish.forwarding else []
        values = tunnel_live.forwarding(self.heard) if wish.forwarding else {}
        self.before = {path: files.look(path) for path in {**self.wanted, **_sysctl_file(wish.name, values)}}
        self.own = dict(self.wanted)
        self.wanted.update(_sysctl_file(wish.name, values))
        self.rewritten = [path for path, file in self.wanted.items() if not _same(self.before[path], file)]
        self.stale = [path for path in notes.get("files", []) if path not in self.wanted]
        self.sysctls = {key: value for key, value in values.items() if target.sysctl(key) != value}
        # What forwarding had changed, and this tunnel does not ask for any more.
        self.unasked = {key: value for key, value in notes.get("sysctls", {}).items() if key not in values}
        self.freed = _inherit(self.ledger, wish.name, self.unasked)
        self.enabled, self.active = target.unit_state(self.unit) if self.unit else (True, True)
        config = [path for path in [*self.rewritten, *self.stale] if not path.startswith(SYSCTL_D)]
        self.exists = any(link["ifname"] == wish.name for link in self.links)
        if self.unit:
            self.restart = bool(config) or not self.active
            self.steps: t.List[tunnel_live.Step] = []
        else:
            right = tunnel_live.alive(wish, self.links, target.routes_of(wish.name))
            peers = wish.kind == "wireguard" and bool(config)
            self.restart = not right or peers
            self.steps = tunnel_live.steps(wish, self.where, self.exists) if self.restart else []

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        left = self.rewritten or self.stale or self.sysctls or self.freed
        return bool(left) or self.restart or not self.enabled

    def outcome(self) -> Outcome:
        """Return what a run would do."""
        told = Outcome(self.wish.name, self.wish.kind)
        told.changed, told.unit, told.backend, told.warnings = self.anything, self.unit, self.where, list(self.remarks)
        for path in self.rewritten:
            file = self.wanted[path]
            told.show(path, self.before[path].content, file.content, file.secret)
        for path in self.stale:
            saved = self.ledger.before(path)
            secret = path in (self.notes or {}).get("secrets", [])
            told.show(path, files.read(path), saved.content if saved else None, secret)
        for key, value in {**self.sysctls, **self.freed}.items():
            told.tell(key, target.sysctl(key) + "\n", value + "\n")
        if self.unit:
            again = "restarted\n" if self.restart and self.active else ""
            told.tell(self.unit, _unit_text(self.enabled, self.active), _unit_text(True, True) + again)
        told.tell(f"interface {self.wish.name}", "", "".join(" ".join(step.argv) + "\n" for step in self.steps))
        return told

    def validate(self) -> t.List[str]:
        """Have the files looked at by the program that will read them."""
        if not [path for path in self.rewritten if path in self.own]:
            return []
        if self.wish.kind == "openvpn":
            wrong = openvpn.certificates(self.wish, self.own)
            if wrong:
                raise RolloutError("; ".join(wrong))
            remark = openvpn.trial(self.wish, self.own)
            return [remark] if remark else []
        if self.unit:
            path = next(path for path in self.own if path.endswith(".conf"))
            _strip(self.wish.name, self.own[path].content)
        return []

    def note(self) -> None:
        """Keep what was there before the first change, before anything is changed."""
        notes = self.notes or {"sort": self.wish.sort, "unit": self.unit, "folders": [], "sysctls": {}}
        if self.notes is None and self.unit:
            notes["enabled"], notes["active"] = self.enabled, self.active
        notes["folders"] = [*notes["folders"], *_folders(path for path in self.wanted)]
        notes["heard"] = self.heard
        notes["secrets"] = sorted(path for path, file in self.wanted.items() if file.secret)
        for key in self.sysctls:
            notes["sysctls"].setdefault(key, target.sysctl(key))
        for key in self.unasked:
            del notes["sysctls"][key]
        self.ledger.notes[self.wish.name] = notes
        for path in self.rewritten:
            self.ledger.wrote(path, self.before[path], self.wanted[path].content)
        # A file that was right before we came is not ours to take away.
        notes["files"] = sorted(path for path in self.wanted if path in self.ledger.files)

    def apply(self) -> None:
        """Do it; where it fails, take it back and raise what happened."""
        original = files.Ledger(LEDGER)
        held = {path: files.look(path) for path in [*self.wanted, *self.stale]}
        live = {key: target.sysctl(key) for key in [*self.sysctls, *self.freed]}
        made = _folders(self.wanted)
        self.note()
        self.ledger.save()
        try:
            tunnel_live.set_sysctls(self.sysctls)
            for path in self.rewritten:
                file = self.wanted[path]
                files.write(path, file.content, file.mode, 0, _owner(file))
            for path in self.stale:
                self.ledger.give_back(path)
            self.ledger.save()
            if self.unit and not self.enabled:
                commands.check(["systemctl", "--quiet", "enable", self.unit])
            if self.unit and self.restart:
                tunnel_live.start(self.wish, self.unit)
            tunnel_live.carry_out(self.steps, self.wish.name)
            tunnel_live.set_sysctls(_backwards(self.freed))
        except (RolloutError, OSError) as error:
            _put_back(held)
            _prune(made)
            if self.unit:
                tunnel_live.settle(self.unit, self.enabled, self.active)
            tunnel_live.set_sysctls(_backwards(live))
            original.save()
            lost = f", but {self.wish.name} is gone until the next run or boot" if self.steps and self.exists else ""
            raise RolloutError(f"{error}; all is as it was before{lost}") from error


def _unit_text(enabled: bool, active: bool) -> str:
    return f"{'enabled' if enabled else 'disabled'}\n{'active' if active else 'inactive'}\n"


def _backwards(values: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return sysctls in the order in which they are taken back: forwarding goes off before accept_ra does."""
    return dict(sorted(values.items(), key=lambda item: item[0] != tunnel_live.FORWARDING))


def _put_back(held: t.Mapping[str, files.Saved]) -> None:
    for path, saved in held.items():
        if saved.content is None:
            files.remove(path)
        elif files.look(path) != saved:
            files.write(path, saved.content, saved.mode, saved.uid, saved.gid)


def _prune(folders: t.Sequence[str]) -> None:
    """Remove folders that were made for our files; what others put there keeps them."""
    for folder in sorted(folders, key=len, reverse=True):
        try:
            os.rmdir(folder)
        except OSError:
            continue


def _strip(name: str, content: bytes) -> None:
    """Have wg-quick(8) read its file: it takes a path, and the name of the file is the tunnel's."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-tunnel-") as inside:
        files.write(f"{inside}/{name}.conf", content, 0o600)
        done = commands.run(["wg-quick", "strip", f"{inside}/{name}.conf"])
    if done.rc != 0:
        raise RolloutError(f"wg-quick refuses the configuration, nothing was changed: {done.said}")


def present(wish: Wish, asked: str, wait: float, really: bool) -> Outcome:
    """Set a tunnel up, or tell what that would do."""
    change = Change(wish, asked)
    told = change.outcome()
    told.addresses = target.addresses_of(wish.name, change.links)
    if told.changed and not commands.found(change.program):
        told.needs_package = change.package
        if not really:
            told.warnings.append(f"{change.package} is not installed yet: the configuration could not be tried out")
        return told
    if told.changed:
        told.warnings += change.validate()
    if not really:
        return told
    if told.changed:
        change.apply()
        if not tunnel_live.connected(wish, change.unit, wait):
            told.warnings.append(
                f"{wish.name}: set up, and no address after {wait:g} s: the other end does not answer. Look at the "
                f"firewalls on the way, and at `journalctl -u {change.unit}` on both ends"
            )
    told.addresses = target.addresses_of(wish.name, target.links())
    told.up = bool(told.addresses)
    return told


def absent(name: str, really: bool) -> Outcome:
    """Take a tunnel back: interface, unit, files, sysctls."""
    told = Outcome(name)
    ledger = files.Ledger(LEDGER)
    notes: t.Optional[Notes] = ledger.notes.get(name)
    if notes is None:
        return told
    told.changed, told.unit = True, notes["unit"]
    for path in notes["files"]:
        saved = ledger.before(path)
        told.show(path, files.read(path), saved.content if saved else None, path in notes["secrets"])
        if not ledger.untouched(path) and files.read(path) is not None:
            told.warnings.append(f"{path} was edited since; what was there before the tunnel came back all the same")
    freed = _inherit(ledger, name, notes["sysctls"])
    for key, value in freed.items():
        told.tell(key, target.sysctl(key) + "\n", value + "\n")
    if told.unit:
        enabled, active = target.unit_state(told.unit)
        told.tell(told.unit, _unit_text(enabled, active), _unit_text(notes["enabled"], notes["active"]))
    if not really:
        return told
    if told.unit and not notes["active"]:
        tunnel_live.settle(told.unit, notes["enabled"], False)
    if not told.unit:
        tunnel_live.gone(name)
    for path in notes["files"]:
        ledger.give_back(path)
    _prune(notes["folders"])
    if told.unit and notes["active"]:
        tunnel_live.settle(told.unit, notes["enabled"], True)
    tunnel_live.set_sysctls(_backwards(freed))
    del ledger.notes[name]
    ledger.save()
    return told


def _inherit(ledger: files.Ledger, name: str, sysctls: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return the sysctls that nobody else needs; of the others another tunnel now keeps what was there before."""
    freed = dict(sysctls)
    for other, notes in ledger.notes.items():
        if other == name:
            continue
        forwards = any(path.endswith(f"-tunnel-{other}.conf") for path in notes["files"])
        needed = tunnel_live.forwarding(notes["heard"]) if forwards else {}
        for key in set(needed) & set(freed):
            notes["sysctls"][key] = freed.pop(key)
    return freed
