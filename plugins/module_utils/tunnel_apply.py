# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel as it is and as it shall be: told before anything is touched, done, and taken back where it fails."""

from __future__ import annotations

import functools
import grp
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    tunnel_check,
    tunnel_live,
    tunnel_undo,
)
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_host as target
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_openvpn as openvpn
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import File, Files, Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel_told import Outcome, kept_from_others

LEDGER = "tunnel"
SYSCTL_D = "/etc/sysctl.d"
PROGRAMS = {"openvpn": ("openvpn", "openvpn"), "wireguard": ("wg", "wireguard-tools")}

Notes = t.Dict[str, t.Any]


def _owner(file: File) -> int:
    if not file.group:
        return 0
    try:
        return grp.getgrnam(file.group).gr_gid
    except KeyError:
        return 0  # the package that makes the group is not there yet, nor the daemon that would read the file


def _sysctl_file(name: str, values: t.Mapping[str, str]) -> Files:
    """Return the file for the next boot. Its name sorts late, after most others that say something."""
    if not values:
        return {}
    lines = "".join(f"{target.sysctl_name(key)} = {value}\n" for key, value in values.items())
    return {f"{SYSCTL_D}/99-z-ipv6-rollout-tunnel-{name}.conf": File((texts.HEADER + lines).encode())}


def _same(now: files.Saved, file: File) -> bool:
    return (now.content, now.mode, now.gid) == (file.content, file.mode, _owner(file)) and now.uid == 0


class Change:
    """From what a host has to what it shall have, for one tunnel."""

    def __init__(self, wish: Wish, asked: str, lockout: str) -> None:
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
        host = target.look(wish, self.where, self.links)._replace(tunnels=frozenset(self.ledger.notes))
        wrong = [reason for reason in (target.unused(asked),) if reason and wish.kind != "openvpn"]
        wrong += tunnel_check.problems(wish, host, self.notes is not None, lockout)
        if wrong:
            raise RolloutError("; ".join(wrong))
        self.remarks = tunnel_check.remarks(wish, host)
        self.program, self.package = PROGRAMS.get(wish.kind, ("ip", "iproute2"))
        self._compare()

    def _compare(self) -> None:
        wish, notes = self.wish, self.notes or {}
        heard = [*target.routers_heard(self.links), *notes.get("heard", [])]
        self.heard = sorted({name for name in heard if target.sysctl(tunnel_live.accept_ra(name))})
        self.heard = self.heard if wish.forwarding else []
        values = tunnel_live.forwarding(self.heard) if wish.forwarding else {}
        self.before = {path: files.look(path) for path in {**self.wanted, **_sysctl_file(wish.name, values)}}
        self.own = dict(self.wanted)
        self.wanted.update(_sysctl_file(wish.name, values))
        self.rewritten = [path for path, file in self.wanted.items() if not _same(self.before[path], file)]
        self.stale = [path for path in notes.get("files", []) if path not in self.wanted]
        self.sysctls = {key: value for key, value in values.items() if target.sysctl(key) != value}
        # What forwarding had changed, and this tunnel does not ask for any more.
        self.unasked = {key: value for key, value in notes.get("sysctls", {}).items() if key not in values}
        self.freed, kept = _inherit(self.ledger, wish.name, self.unasked, notes.get("each", []))
        self.remarks += kept
        locked = [key for key in [*self.sysctls, *self.freed] if not target.writable(key)]
        if locked:
            raise RolloutError(
                f"forwarding: {locked[0]} can't be set here; leave forwarding as it is, and set it where this "
                "system's sysctls are set (for a container, outside of it)"
            )
        self.enabled, self.active = target.unit_state(self.unit) if self.unit else (True, True)
        self._compare_run(notes)

    def _compare_run(self, notes: Notes) -> None:
        """What runs: the unit, or the interface itself."""
        wish = self.wish
        self.named = {path: files.digest(files.read(path)) for path in target.named(wish)}
        old = notes.get("named", {})
        # The program reads these files when it starts, so another content is another configuration.
        self.renewed = [path for path, digest in self.named.items() if old.get(path, digest) != digest]
        config = [path for path in self.rewritten if self.wanted[path].content != self.before[path].content]
        config = [path for path in [*config, *self.stale] if not path.startswith(SYSCTL_D)] + self.renewed
        self.exists = any(link["ifname"] == wish.name for link in self.links)
        live = target.routes_of(wish.name)
        into = tunnel_live.into_tunnel(wish)
        self.dropped: t.List[str] = []
        if self.unit:
            # An OpenVPN client has its interface only once a server has answered.
            gone = wish.kind == "wireguard" and not self.exists
            self.restart = bool(config) or not self.active or gone
            self.steps: t.List[tunnel_live.Step] = []
        else:
            right = tunnel_live.alive(wish, self.links, live)
            self.restart = not right or (wish.kind == "wireguard" and bool(config))
            if not self.restart:
                self.dropped = [route for route in notes.get("routes", []) if route in live and route not in into]
            self.steps = tunnel_live.steps(wish, self.where, self.exists) if self.restart else []

    @property
    def anything(self) -> bool:
        """Whether there is anything to do."""
        left = self.rewritten or self.stale or self.sysctls or self.freed
        return bool(left) or self.restart or bool(self.dropped) or not self.enabled

    def outcome(self) -> Outcome:
        """Return what a run would do."""
        told = Outcome(self.wish.name, self.wish.kind)
        told.changed, told.unit, told.backend, told.warnings = self.anything, self.unit, self.where, list(self.remarks)
        secrets = (self.notes or {}).get("secrets", [])
        for path in self.rewritten:
            file, before = self.wanted[path], self.before[path]
            if file.content == before.content:
                told.rights(path, _rights(before.mode, before.uid, before.gid), _rights(file.mode, 0, _owner(file)))
                continue
            hidden = file.secret or path in secrets or kept_from_others(self.ledger, path, before)
            told.show(path, before.content, file.content, hidden)
        for path in self.stale:
            told.given_back(self.ledger, path, secrets)
        for path in self.renewed:
            told.tell(path, "read at the last start\n", "another content, so it is read again\n")
        for key, value in {**self.sysctls, **self.freed}.items():
            told.tell(key, target.sysctl(key) + "\n", value + "\n")
        if self.unit:
            again = "restarted\n" if self.restart and self.active else ""
            told.tell(self.unit, _unit_text(self.enabled, self.active), _unit_text(True, True) + again)
        planned = [*self.steps, *tunnel_live.without(self.wish.name, self.dropped)]
        told.tell(f"interface {self.wish.name}", "", "".join(" ".join(step.argv) + "\n" for step in planned))
        return told

    def validate(self) -> t.List[str]:
        """Have the files looked at by the program that will read them."""
        if not [path for path in self.rewritten if path in self.own] and not self.renewed:
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
        notes["folders"] = [*notes["folders"], *tunnel_undo.folders(path for path in self.wanted)]
        notes["heard"] = self.heard
        # Once a secret was in a file, what comes after it is never shown beside it.
        hidden = [path for path, file in self.wanted.items() if file.secret]
        notes["secrets"] = sorted({*notes.get("secrets", []), *hidden})
        notes["routes"], notes["named"] = tunnel_live.into_tunnel(self.wish), self.named
        if tunnel_live.FORWARDING in self.sysctls:
            # Setting it sets it on every interface; these had it already.
            notes["each"] = [key for key, value in target.forwarding_each().items() if value == "1"]
        for key in self.sysctls:
            notes["sysctls"].setdefault(key, target.sysctl(key))
        for key in self.unasked:
            del notes["sysctls"][key]
        if tunnel_live.FORWARDING in self.unasked:
            notes["each"] = []
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
        if tunnel_live.FORWARDING in live:
            live.update(target.forwarding_each())
        made = tunnel_undo.folders(self.wanted)
        self.note()
        self.ledger.save()
        reached: t.Set[str] = set()
        try:
            tunnel_live.set_sysctls(self.sysctls)
            for path in self.rewritten:
                file = self.wanted[path]
                files.write(path, file.content, file.mode, 0, _owner(file))
            for path in self.stale:
                self.ledger.give_back(path)
            self.ledger.save()
            if self.unit and not self.enabled:
                reached.add("unit")
                commands.check(["systemctl", "--quiet", "enable", self.unit])
            if self.unit and self.restart:
                reached.add("unit")
                tunnel_live.start(self.wish, self.unit)
            if self.steps:
                reached.add("interface")
                tunnel_live.carry_out(self.steps)
            tunnel_live.set_sysctls(_backwards(self.freed))
            tunnel_live.carry_out(tunnel_live.without(self.wish.name, self.dropped))
        except (RolloutError, OSError) as error:
            undo: t.List[t.Callable[[], object]] = []
            if "interface" in reached:
                undo.append(lambda: tunnel_live.gone(self.wish.name))
            undo += [functools.partial(tunnel_undo.put_back, path, saved) for path, saved in held.items()]
            undo.append(lambda: tunnel_undo.prune(made))
            if "unit" in reached:
                undo.append(lambda: tunnel_live.settle(self.unit, self.enabled, self.active))
            undo += [
                functools.partial(tunnel_live.set_sysctls, {key: value}) for key, value in _backwards(live).items()
            ]
            undo.append(lambda: tunnel_live.restore(self.wish.name, self.dropped))
            undo.append(original.save)
            failed = tunnel_undo.all_of(undo)
            lost = "interface" in reached and self.exists
            told = "all is as it was before" if not failed else f"not all could be taken back: {'; '.join(failed)}"
            told += f", but {self.wish.name} is gone until the next run or boot" if lost else ""
            raise RolloutError(f"{error}; {told}") from error


def _rights(mode: int, uid: int, gid: int) -> str:
    return f"mode {mode:04o}, owner {uid}, group {gid}\n"


def _unit_text(enabled: bool, active: bool) -> str:
    return f"{'enabled' if enabled else 'disabled'}\n{'active' if active else 'inactive'}\n"


def _backwards(values: t.Mapping[str, str]) -> t.Dict[str, str]:
    """Return sysctls in the order in which they are taken back: forwarding goes off before accept_ra does."""
    return dict(sorted(values.items(), key=lambda item: item[0] != tunnel_live.FORWARDING))


def _strip(name: str, content: bytes) -> None:
    """Have wg-quick(8) read its file: it takes a path, and the name of the file is the tunnel's."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-tunnel-") as inside:
        files.write(f"{inside}/{name}.conf", content, 0o600)
        done = commands.run(["wg-quick", "strip", f"{inside}/{name}.conf"])
    if done.rc != 0:
        raise RolloutError(f"wg-quick refuses the configuration, nothing was changed: {done.said}")


def present(wish: Wish, asked: str, wait: float, really: bool, lockout: str = "refuse") -> Outcome:
    """Set a tunnel up, or tell what that would do."""
    change = Change(wish, asked, lockout)
    told = change.outcome()
    told.addresses = target.addresses_of(wish.name, change.links)
    told.up = bool(told.addresses)
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
        told.given_back(ledger, path, notes["secrets"])
    freed, kept = _inherit(ledger, name, notes["sysctls"], notes.get("each", []))
    told.warnings += kept
    for key, value in freed.items():
        told.tell(key, target.sysctl(key) + "\n", value + "\n")
    if told.unit:
        enabled, active = target.unit_state(told.unit)
        told.tell(told.unit, _unit_text(enabled, active), _unit_text(notes["enabled"], notes["active"]))
    if not really:
        return told
    if told.unit and not notes["active"]:
        tunnel_live.settle(told.unit, notes["enabled"], False)
    if not told.unit or not notes["active"]:
        told.warnings += _unmade(name, notes["sort"].partition(" ")[0])
    for path in notes["files"]:
        ledger.give_back(path)
    tunnel_undo.prune(notes["folders"])
    if told.unit and notes["active"]:
        tunnel_live.settle(told.unit, notes["enabled"], True)
    # The tunnel is gone all the same where one of them can't be set.
    for key, value in _backwards(freed).items():
        failed = tunnel_undo.all_of([functools.partial(tunnel_live.set_sysctls, {key: value})])
        told.warnings += failed
        if failed and key == tunnel_live.FORWARDING:
            break  # a host that goes on forwarding needs accept_ra=2
    del ledger.notes[name]
    ledger.save()
    return told


def _unmade(name: str, kind: str) -> t.List[str]:
    """Remove the interface; one of another kind is not ours, which is told."""
    found = [link.get("linkinfo", {}).get("info_kind", "") for link in target.links() if link["ifname"] == name]
    if found and found[0] != tunnel_check.DEVICES[kind]:
        return [f"there is an interface {name} ({found[0] or 'no tunnel'}) that is not this tunnel; it stays"]
    tunnel_live.gone(name)
    return []


def _inherit(
    ledger: files.Ledger, name: str, sysctls: t.Mapping[str, str], each: t.Sequence[str]
) -> t.Tuple[t.Dict[str, str], t.List[str]]:
    """Return the sysctls that nobody else needs, and who keeps others.

    Of what another tunnel needs, that one now keeps what was there before. ``each``: what is 1 beside all.forwarding.
    """
    freed = {key: value for key, value in sysctls.items() if target.sysctl(key)}
    for other, notes in ledger.notes.items():
        if other == name:
            continue
        forwards = any(path.endswith(f"-tunnel-{other}.conf") for path in notes["files"])
        needed = tunnel_live.forwarding(notes["heard"]) if forwards else {}
        for key in set(needed) & set(freed):
            notes["sysctls"][key] = freed.pop(key)
            if key == tunnel_live.FORWARDING:
                notes["each"] = list(each)
    kept = []
    for key in _backwards(freed):
        asked = target.boot_setting(key)
        if asked is None or asked.value != target.sysctl(key) or asked.value == freed[key]:
            continue
        kept.append(f"{key} stays {asked.value}: {asked.where} asks for it")
        if key == tunnel_live.FORWARDING:  # the host goes on forwarding, so it needs the others as well
            return {}, kept
        del freed[key]
    if tunnel_live.FORWARDING in freed:
        # Setting all.forwarding sets every interface, so it comes before these.
        freed.update({key: "1" for key in each if target.sysctl(key)})
    return freed, kept
