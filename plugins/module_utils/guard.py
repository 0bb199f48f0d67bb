# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of the guard on the target, and the calls of its program. See guard_script.py for what restores."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import stat
import tempfile
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.guard_files import measure, refuse_wide
from ansible_collections.ipv6.rollout.plugins.module_utils.guard_lease import (
    STALE,
    Lease,
    Rollback,
    boot_id,
    differences,
    refusal,
    uptime,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.guard_script import (
    BOOT_LINK_PATH,
    BOOT_UNIT,
    BOOT_UNIT_PATH,
    DIRECTORY,
    SCRIPT,
    UNIT,
)

DEFAULT_FILES = (
    "/etc/iptables/rules.v4",
    "/etc/iptables/rules.v6",
    "/etc/network/interfaces",
    "/etc/network/interfaces.d/*",
    "/etc/systemd/network/*",
    "/etc/systemd/network/*/*",
    "/etc/netplan/*",
    "/etc/NetworkManager/system-connections/*",
    "/etc/NetworkManager/dispatcher.d/60-ipv6-rollout-*",
    "/etc/nftables.conf",
    "/etc/sysctl.conf",
    "/etc/sysctl.d/*",
    "/etc/gai.conf",
    "/var/lib/ipv6-rollout/*.json",
)
SYSTEMD = "/run/systemd/system"
TIMER = "systemd timer"
# A pattern is expanded by a shell, so it holds nothing but names and wildcards.
_PATTERN = re.compile(r"/[A-Za-z0-9_.,:+@*?/-]+")
_SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]*")
_TOKEN = re.compile(r"[A-Za-z0-9]{8,64}")


def patterns(named: t.Sequence[str]) -> t.List[str]:
    """Check the names of further files; wildcards are allowed."""
    for pattern in named:
        if not isinstance(pattern, str) or not _PATTERN.fullmatch(pattern) or "/../" in pattern + "/":
            raise RolloutError(
                f"files: {shown(pattern)} is no absolute path of letters, digits and _.,:+@*?/-; name another"
            )
        refuse_wide(pattern)
    return list(dict.fromkeys([*DEFAULT_FILES, *named]))


def services(named: t.Sequence[str]) -> t.List[str]:
    """Check the names of units that are reloaded once their files are back."""
    for name in named:
        if not isinstance(name, str) or not _SERVICE.fullmatch(name):
            raise RolloutError(f"services: {shown(name)} is no unit name; 'systemctl list-units' lists them")
    return list(named)


def checked_token(token: object) -> str:
    """Check the token that ties the steps of one run together."""
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RolloutError(f"token: {shown(token)} must be 8 to 64 letters and digits")
    return token


def checked_owner(owner: object) -> str:
    """Check the name that others read when they are refused."""
    if not isinstance(owner, str) or not owner.strip() or not owner.isprintable() or len(owner) > 128:
        raise RolloutError(f"owner: {shown(owner)} must be 1 to 128 printable characters on one line, as user@host")
    return owner


class Guard:
    """The guard of this host."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = directory
        self.program = os.path.join(directory, "guard.sh")

    def lease(self) -> t.Optional[Lease]:
        """Return the lease, or None where the host is not guarded."""
        try:
            mode = os.lstat(self.directory).st_mode
        except FileNotFoundError:
            return None
        if not stat.S_ISDIR(mode):
            raise RolloutError(
                f"armed: {self.directory} is no folder but {'a link' if stat.S_ISLNK(mode) else 'a file'}, which the "
                "guard has not made; move it away"
            )
        text = files.read(os.path.join(self.directory, "lease.json"))
        if text is None:
            return self._nobodys()
        deadline = files.read(os.path.join(self.directory, "deadline")) or b""
        try:
            data = json.loads(text)
            owner, token, created = str(data["owner"]), str(data["token"]), float(data["created"])
            return Lease(owner, token, created, int(deadline or b"0"), str(data["boot"]))
        except (ValueError, KeyError, TypeError) as error:
            raise RolloutError(
                f"armed: {self.directory} can't be read ({error}); on the host, "
                f"'sh {self.program} restore {self.directory}' restores what it holds"
            ) from error

    def _nobodys(self) -> t.Optional[Lease]:
        """Look at a folder without a lease: the guard goes and comes in one piece, and never leaves such a one."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return None
        if "lease.json" in names:
            return self.lease()
        if names:
            way = f"'sh {self.program} restore {self.directory}' restores what it holds; or "
            raise RolloutError(
                f"armed: {self.directory} has no lease.json, so nobody knows whose it is; on the host, "
                f"{way if 'guard.sh' in names else ''}move it away"
            )
        return None

    def rollback(self) -> t.Optional[Rollback]:
        """Return what the last rollback left behind, if there was one that nobody has heard of."""
        text = files.read(self.directory + ".result")
        lines = (text or b"").decode(errors="replace").splitlines()
        return Rollback(lines[0], lines[1], lines[2], lines[3]) if len(lines) >= 4 else None

    def forget_rollback(self, token: str = "") -> None:
        """Remove that note once it was told; given a token, only a note of that run."""
        rollback = self.rollback()
        if not token or (rollback is not None and rollback.token == token):
            files.remove(self.directory + ".result")

    def _call(self, command: str, *more: str, directory: str = "", timeout: float = 120.0) -> commands.Result:
        directory = directory or self.directory
        return commands.run(
            ["/bin/sh", os.path.join(directory, "guard.sh"), command, directory, *more], timeout=timeout
        )

    def arm(self, owner: str, token: str, timeout: int, named: t.Sequence[str], units: t.Sequence[str]) -> t.List[str]:
        """Take the lease, record the host's state and start the holders; return the holders."""
        lease, now = self.lease(), uptime()
        if lease is not None:
            if lease.token == token and lease.boot == boot_id():
                return self._arm_again(token, timeout, named, units)
            if lease.left(now) > -STALE and lease.boot == boot_id():
                raise RolloutError(refusal(lease, owner, now))
            self._take_over(lease)
        self._sweep()
        measure(named)
        parent = os.path.dirname(self.directory)
        try:
            draft = tempfile.mkdtemp(prefix=f".{os.path.basename(self.directory)}.", dir=parent)
        except OSError as error:
            raise RolloutError(
                f"armed: nothing can be written to {parent} ({error.strerror}), so nothing could be restored; "
                "make it writable"
            ) from error
        try:
            self._draft(draft, owner, token, timeout, named, units)
            # A folder with something in it is never replaced: of two operators one gets the host.
            os.rename(draft, self.directory)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            other = self.lease()
            if other is not None:
                raise RolloutError(refusal(other, owner, uptime())) from error
            raise
        except RolloutError:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        _sync(parent)
        self.forget_rollback()
        holders = self._hold(token, timeout)
        if not holders:
            self._call("disarm")
            raise RolloutError("armed: neither systemd-run nor sh could start a process that outlives this one")
        return holders

    def _arm_again(self, token: str, timeout: int, named: t.Sequence[str], units: t.Sequence[str]) -> t.List[str]:
        """Start this run's time anew. What was not recorded the first time may have changed, so it is refused."""
        for option, note, wanted in (("files", "patterns", named), ("services", "services", units)):
            recorded = (files.read(os.path.join(self.directory, note)) or b"").decode().splitlines()
            for name in wanted:
                if name not in recorded:
                    raise RolloutError(
                        f"{option}: {shown(name)} was not recorded when this run armed the host, and may have changed "
                        "since; name it in the run's first task with state=armed"
                    )
        self._extend(int(uptime()) + timeout + 1)
        holders = self._hold(token, timeout, self._holding())
        if not holders:
            raise RolloutError(
                "armed: nobody keeps the time any more, and neither systemd-run nor sh could start a process; "
                "state=rolled_back takes the changes back"
            )
        return holders

    def _extend(self, deadline: int) -> None:
        """Move the deadline of this run's own lease. It must not be made again where the guard has gone meanwhile."""
        path = os.path.join(self.directory, "deadline")
        new = f"{path}.{os.getpid()}"
        try:
            with open(new, "w", encoding="ascii") as handle:
                handle.write(f"{deadline}\n")
            os.rename(new, path)
        except FileNotFoundError:
            pass
        if not os.path.exists(os.path.join(self.directory, "free")):
            raise RolloutError("armed: it is too late, the host is being rolled back. Run it again")

    def _take_over(self, lease: Lease) -> None:
        """Do what holders that are gone were there for: nobody has committed."""
        done = self._call("restore" if lease.boot == boot_id() else "boot", lease.token)
        if os.path.isdir(self.directory):
            raise RolloutError(f"armed: what {lease.owner} left behind could not be restored: {done.said}")
        if done.rc != 0:
            raise RolloutError(
                f"armed: what {lease.owner} left behind could not be restored; on the host, 'sh"
                f" {self.directory}.failed/guard.sh restore {self.directory}.failed' tries again; remove that folder"
                " to give it up"
            )

    def _sweep(self) -> None:
        """Remove what a run that was killed while it recorded, or a holder that was killed at its end, has left."""
        folder, name = os.path.split(self.directory)
        for path in glob.glob(os.path.join(folder, f".{name}.*")) + glob.glob(f"{self.directory}.gone.*"):
            if os.lstat(path).st_mtime < time.time() - 3600:
                shutil.rmtree(path, ignore_errors=True)

    def _draft(
        self, draft: str, owner: str, token: str, timeout: int, named: t.Sequence[str], units: t.Sequence[str]
    ) -> None:
        lease = {"owner": owner, "token": token, "created": uptime(), "timeout": timeout, "boot": boot_id()}
        for name, text in (
            ("guard.sh", SCRIPT),
            ("patterns", "".join(pattern + "\n" for pattern in named)),
            ("services", "".join(unit + "\n" for unit in units)),
            ("token", token + "\n"),
            ("free", ""),
            ("lease.json", json.dumps(lease) + "\n"),
        ):
            with open(os.path.join(draft, name), "w", encoding="utf-8") as handle:
                handle.write(text)
        done = self._call("save", directory=draft)
        if done.rc != 0 or not os.path.getsize(os.path.join(draft, "state")):
            raise RolloutError(f"armed: the state of the host could not be recorded: {done.said}")
        # The window starts when the recording is done, rounded up to whole seconds.
        with open(os.path.join(draft, "deadline"), "w", encoding="ascii") as handle:
            handle.write(f"{int(uptime()) + timeout + 1}\n")
        for folder, _folders, names in os.walk(draft):
            for name in names:
                _sync(os.path.join(folder, name))
            _sync(folder)

    def _holding(self) -> t.List[str]:
        """Return the holders that are alive."""
        holders = []
        # The timer until it fires, the service from then on.
        active = ["systemctl", "--quiet", "is-active", f"{UNIT}.timer", f"{UNIT}.service"]
        if os.path.isdir(SYSTEMD) and commands.run(active).rc == 0:
            holders.append(TIMER)
        pid = (files.read(os.path.join(self.directory, "holder")) or b"").decode().strip()
        try:
            # Numbers are given out again.
            if pid.isdigit() and self.program.encode() in (files.read(f"/proc/{pid}/cmdline") or b""):
                holders.append(f"process {pid}")
        except ProcessLookupError:
            pass
        return holders

    def _hold(self, token: str, timeout: int, alive: t.Sequence[str] = ()) -> t.List[str]:
        """Start the holders that are not alive; return all."""
        holders = list(alive)
        argv = ["/bin/sh", self.program, "hold", self.directory, token]
        if os.path.isdir(SYSTEMD) and TIMER not in holders:
            files.write(BOOT_UNIT_PATH, BOOT_UNIT.encode())
            os.makedirs(os.path.dirname(BOOT_LINK_PATH), exist_ok=True)
            files.remove(BOOT_LINK_PATH)
            os.symlink(BOOT_UNIT_PATH, BOOT_LINK_PATH)
            _sync(os.path.dirname(BOOT_LINK_PATH))
            timer = [
                "--unit",
                UNIT,
                f"--on-active={timeout}",
                "--timer-property=AccuracySec=100ms",
                "--collect",
                "--quiet",
            ]
            if commands.run(["systemd-run", *timer, *argv]).rc == 0:
                holders.append(TIMER)
        if any(holder.startswith("process ") for holder in holders):
            return holders
        # Nothing open, a session of its own, and its parent is init: what ends the ssh session does not end this. Where
        # setsid can't do that, it is at least in the background and deaf to a hang-up.
        detach = (
            "cd / && exec </dev/null >/dev/null 2>&1; "
            'setsid --fork "$@" || if command -v setsid; then (setsid "$@" &); else (trap "" HUP; "$@" &); fi'
        )
        note = os.path.join(self.directory, "holder")
        files.remove(note)
        if (
            commands.run(["/bin/sh", "-c", detach, "sh", "/bin/sh", self.program, "process", self.directory, token]).rc
            == 0
        ):
            limit = time.monotonic() + 2
            while time.monotonic() < limit:
                pid = (files.read(note) or b"").decode().strip()
                if pid:
                    return [*holders, f"process {pid}"]
                time.sleep(0.01)
        return holders

    def require(self, token: str, owner: str) -> Lease:
        """Return the lease if it is this run's; say what became of it if not."""
        lease = self.lease()
        if lease is not None and lease.token == token:
            return lease
        rollback = self.rollback()
        if rollback is not None and rollback.token == token:
            self.forget_rollback(token)
            raise RolloutError(
                f"committed: it is too late, {rollback.words}; nothing of this run is left. Run it again"
            )
        if lease is not None:
            raise RolloutError(refusal(lease, owner, uptime()))
        raise RolloutError(
            "committed: the host is not guarded by this run: it was never armed, or was rolled back since; "
            "call it with state=armed before the changes"
        )

    def compare(self) -> t.List[str]:
        """Return what changed since the guard was armed."""
        before = (files.read(os.path.join(self.directory, "state")) or b"").decode(errors="replace")
        done = self._call("state")
        if done.rc != 0:
            raise RolloutError(f"committed: the state of the host could not be read: {done.said}")
        return differences(before, done.out)

    def disarm(self, token: str) -> None:
        """Stop the holders and remove every trace: from here on the host keeps what it has."""
        done = self._call("disarm", token)
        # Whatever else it says: only 0 means that it was this call that ended the guard.
        if done.rc != 0 or os.path.isdir(self.directory):
            raise RolloutError("committed: it is too late, the host is being rolled back. Run it again")

    def restore(self, token: str) -> t.Optional[Rollback]:
        """Roll back now. The note stays for whoever was guarded by that token."""
        done = self._call("restore", token)
        if os.path.isdir(self.directory):
            raise RolloutError(f"rolled_back: the host could not be restored: {done.said}")
        return self.rollback()


def host_keys(pattern: str = "/etc/ssh/ssh_host_*_key.pub") -> t.List[str]:
    """Return the public host keys of sshd: type and key, as known_hosts has them."""
    keys = []
    for path in sorted(glob.glob(pattern)):
        words = (files.read(path) or b"").decode(errors="replace").split()
        if len(words) >= 2:
            keys.append(f"{words[0]} {words[1]}")
    return keys


def _sync(path: str) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return  # a link among the saved files
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
