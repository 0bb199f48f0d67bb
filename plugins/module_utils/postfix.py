# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix: main.cf changed in one go, checked as a copy first, and live only where the master really listens.

Nothing here touches the queue. A reload does not make a running master open or close sockets (it says so only in
the log), so a change of these, or a master that is behind its main.cf, means a restart.
"""

from __future__ import annotations

import contextlib
import copy
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, main_cf, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

WAIT = 10.0
HARD = r"\b(fatal|panic|error): "
LARGE = 8 * 1024 * 1024
Changes = dict[str, dict[str, t.Optional[str]]]


class Settings(t.NamedTuple):
    """What decides about sockets, as Postfix itself reads it."""

    inet_protocols: str
    inet_interfaces: str
    queue_directory: str
    disabled: str

    def expected(self, directory: str) -> set[sockets.Endpoint] | None:
        """Return the sockets that a master with these settings listens on, None where that can't be told."""
        if self.disabled:
            return None
        master = (files.read(f"{directory}/master.cf") or b"").decode(errors="surrogateescape")
        local = (files.read("/proc/net/if_inet6") or b"").decode()
        return main_cf.endpoints(
            self.inet_protocols,
            self.inet_interfaces,
            main_cf.services(master),
            os.path.exists("/proc/net/tcp6"),
            "00000000000000000000000000000001" in local,
        )


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.parameters: Changes = {}
        self.before = self.after = ""
        self.restarted = self.reloaded = self.running = False
        self.listening: list[str] = []
        self.warnings: list[str] = []

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return self.before != self.after or self.restarted


def installed() -> bool:
    """Tell whether Postfix is here."""
    return bool(commands.found("postfix") and commands.found("postconf"))


def settings(directory: str) -> Settings:
    """Ask postconf(1) for the effective settings of a configuration directory."""
    names = ["inet_protocols", "inet_interfaces", "queue_directory", "master_service_disable"]
    lines = commands.check(["postconf", "-c", directory, "-hx", *names]).split("\n")
    return Settings(*(line.strip() for line in lines[:4]))


def spoken(argv: t.Sequence[str], timeout: float = 60.0) -> commands.Result:
    """Run a Postfix program at a terminal of its own: elsewhere it tells its errors only to the log."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PATH": commands.SEARCH_PATH, "LC_ALL": "C"}
    # The children of a program that starts the daemons would keep a pipe open; a terminal they give up.
    with contextlib.closing(os.fdopen(ours, "rb", buffering=0)) as reader:
        try:
            # run_command has no terminal to offer.
            started = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(argv), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment
            )
        finally:
            os.close(theirs)
        said = b""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            try:
                part = reader.read(4096)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            said += part
        try:
            code = started.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            started.kill()
            code = 124
    return commands.Result(code, "", said.decode(errors="replace").replace("\r\n", "\n"))


def complaint(text: str) -> str:
    """Return the lines that say why, without the warnings around them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    hard = [line for line in lines if re.search(HARD, line)]
    return "; ".join(dict.fromkeys(hard or lines[-3:]))


@contextlib.contextmanager
def staged(directory: str, text: str) -> t.Iterator[str]:
    """Give a copy of a configuration directory with another main.cf; the real one is not touched."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-postfix-") as folder:
        copied = os.path.join(folder, "postfix")

        def skip(parent: str, names: list[str]) -> list[str]:
            # Maps may be large and are not what changes: the copy leads to them by a link.
            return [name for name in names if _large(os.path.join(parent, name))]

        shutil.copytree(directory, copied, ignore=skip, ignore_dangling_symlinks=True)
        for parent, _folders, names in os.walk(directory):
            for name in skip(parent, names):
                inside = os.path.relpath(os.path.join(parent, name), directory)
                os.symlink(os.path.join(parent, name), os.path.join(copied, inside))
        files.write(f"{copied}/main.cf", encode(text))
        # Every Postfix program waits until main.cf is two seconds old, lest it reads half of one.
        os.utime(f"{copied}/main.cf", (time.time() - 10,) * 2)
        yield copied


def _large(path: str) -> bool:
    return os.path.isfile(path) and os.path.getsize(path) > LARGE


def encode(text: str) -> bytes:
    """Return text as the bytes that it was read from."""
    return text.encode("utf-8", "surrogateescape")


def decode(content: bytes) -> str:
    """Return bytes as text that gives the same bytes again."""
    return content.decode("utf-8", "surrogateescape")


def verify(directory: str, really: bool) -> str:
    """Return why Postfix refuses a configuration directory, empty where it takes it.

    ``postfix check`` creates queue folders that are missing; a check run asks ``postfix status``, which reads
    the same parameters and changes nothing (and may say that Postfix is not running).
    """
    done = spoken(["postfix", "-c", directory, "check" if really else "status"])
    if done.rc == 0 or (not really and "fatal:" not in done.err):
        return ""
    return complaint(done.err) or f"return code {done.rc}"


def _check_staged(folder: str, directory: str, wanted: t.Mapping[str, str], really: bool) -> None:
    why = verify(folder, really)
    if why:
        broken = verify(directory, really)
        if broken:
            raise RolloutError(f"{directory}: Postfix refuses the main.cf that is there now: {broken}; mend it first")
        raise RolloutError(f"parameters: Postfix refuses them, nothing was changed: {why.replace(folder, directory)}")
    if not wanted:
        return
    unused = commands.run(["postconf", "-c", folder, "-n"]).err
    defaults = main_cf.values(commands.run(["postconf", "-c", folder, "-d", *sorted(wanted)]).out)
    for name, value in wanted.items():
        if f"unused parameter: {name}=" in unused:
            raise RolloutError(f"parameters.{name}: this Postfix has no such parameter, and no other one refers to it")
        main_cf.check_kind(name, value, defaults.get(name, ""))


class Server:
    """One Postfix instance of this host."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = f"{directory}/main.cf"
        self.by_systemd: bool | None = None
        self.said = ""
        if not installed():
            raise RolloutError("Postfix is not installed here; install the package postfix first")
        self.saved = files.look(self.path)
        if self.saved.content is None:
            raise RolloutError(f"config_directory: there is no {self.path}; configure Postfix first")
        self.text = decode(self.saved.content)
        self.settings = settings(directory)

    @property
    def pid(self) -> int:
        """The process id of the running master, 0 where there is none."""
        return sockets.daemon(f"{self.settings.queue_directory}/pid/master.pid", "master")

    def listening(self) -> set[sockets.Endpoint]:
        """Return what the running master listens on."""
        pid = self.pid
        return sockets.listening(pid) if pid else set()

    def write(self, text: str) -> None:
        """Put another main.cf in place."""
        files.write(self.path, encode(text), self.saved.mode, self.saved.uid, self.saved.gid)

    def restart(self) -> None:
        """Stop and start; systemd does it where it started Postfix, so that it goes on knowing about it."""
        name = os.path.basename(self.directory)
        unit = "postfix" if self.directory == "/etc/postfix" else f"postfix@{name}"
        if self.by_systemd is None:  # asked before the first try, which may leave the unit failed
            self.by_systemd = os.path.isdir("/run/systemd/system") and (
                commands.run(["systemctl", "is-active", unit]).rc == 0
            )
        if self.by_systemd:
            commands.run(["systemctl", "reset-failed", unit])
            self.said = commands.run(["systemctl", "restart", unit], timeout=120).err.partition("\n")[0]
            return
        spoken(["postfix", "-c", self.directory, "stop"])
        self.said = complaint(spoken(["postfix", "-c", self.directory, "start"]).err)

    def ready(self, expected: set[sockets.Endpoint] | None) -> bool:
        """Wait until the master listens as it should."""
        if not sockets.wait(lambda: bool(self.pid), 3.0):
            return False  # it gave up at once: no point in waiting on
        return sockets.wait(lambda: bool(self.pid) and not main_cf.differs(expected, self.listening()), WAIT)


def log(since: float) -> str:
    """Return what the mail system said since a moment, from the journal."""
    done = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "--facility=mail", f"--since=@{int(since)}"])
    said = complaint(done.out) if done.rc == 0 else ""
    return said if re.search(HARD, said) else ""


def apply(server: Server, text: str, wanted: t.Mapping[str, str], ledger: files.Ledger, really: bool) -> Outcome:
    """Bring another main.cf to life, or the running master in line with the one that is there."""
    outcome = Outcome()
    outcome.before, outcome.after = server.text, text
    pid = server.pid
    outcome.running = bool(pid)
    found = server.listening()
    target = server.settings
    if text != server.text:
        with staged(server.directory, text) as folder:
            _check_staged(folder, server.directory, wanted, really)
            target = settings(folder)
    expected = target.expected(server.directory)
    altered = {name for name in main_cf.RESTART if _value(server.text, name) != _value(text, name)}
    if (target.inet_protocols, target.inet_interfaces) == server.settings[:2]:
        altered -= {"inet_protocols", "inet_interfaces"}  # written another way, or what was in force anyway
    outcome.restarted = bool(pid) and (bool(altered) or main_cf.differs(expected, found))
    outcome.reloaded = bool(pid) and not outcome.restarted and text != server.text
    if outcome.restarted and expected:
        held = sockets.taken(expected - found, pid)
        if held:
            raise RolloutError(f"Postfix can't listen, nothing was changed: {'; '.join(held)}; stop that first")
    if really and outcome.changed:
        _go_live(server, text, outcome, expected, found, ledger)
        found = server.listening()
    elif outcome.restarted:
        found = expected if expected is not None else found
    outcome.listening = sockets.listed(found)
    return outcome


def _value(text: str, name: str) -> str:
    return main_cf.normal(name, main_cf.values(text).get(name, ""))


def _go_live(
    server: Server,
    text: str,
    outcome: Outcome,
    expected: set[sockets.Endpoint] | None,
    found: set[sockets.Endpoint],
    ledger: files.Ledger,
) -> None:
    why = verify(server.directory, True) if text == server.text else ""
    if why:
        raise RolloutError(f"{server.directory}: Postfix refuses the main.cf that is there now: {why}; mend it first")
    since = time.time()
    ledger.save()  # first: whatever happens after this, the original is known
    if text != server.text:
        server.write(text)
    if outcome.restarted:
        server.restart()
    elif outcome.reloaded:
        spoken(["postfix", "-c", server.directory, "reload"])
    if not outcome.running or server.ready(expected):
        return
    why = (
        log(since) or server.said or f"not listening on {', '.join(sockets.listed(expected or set()))} after {WAIT:g} s"
    )
    back = "main.cf is unchanged"
    if text != server.text:
        server.write(server.text)
        server.restart()
        old = server.settings.expected(server.directory)
        alive = server.ready(found if old is None else old)
        back = "main.cf is as it was, and Postfix " + ("runs with it" if alive else "does not start with it either")
    raise RolloutError(f"Postfix does not run with the parameters: {why}; {back}")


def _notes(ledger: files.Ledger, path: str) -> dict[str, t.Any]:
    """Return what is noted of a file: each parameter as it was and as we set it, and whether others edit the file."""
    return copy.deepcopy(ledger.notes.get(path, {"parameters": {}, "edited": False}))


def present(parameters: t.Mapping[str, t.Any], directory: str, really: bool) -> Outcome:
    """Set parameters."""
    wanted = main_cf.clean(parameters)
    server = Server(directory)
    warnings = _missing_addresses(wanted, really)
    ledger, original = files.Ledger("postfix"), files.Ledger("postfix")
    text = server.text
    kept = _notes(ledger, server.path)
    if ledger.before(server.path) is not None and not ledger.untouched(server.path):
        kept["edited"] = True  # the whole file as it was would take that edit back too
    changes: Changes = {}
    now = main_cf.values(text)
    for name, value in wanted.items():
        if main_cf.same(name, main_cf.last(text, name), value):
            continue
        changes[name] = {"before": now.get(name), "after": value}
        kept["parameters"].setdefault(name, {"before": main_cf.raw(text, name)})["set"] = value
        text = main_cf.put(text, name, f"{name} = {value}".rstrip())
    if text != server.text:
        ledger.notes[server.path] = kept
        ledger.wrote(server.path, server.saved, encode(text))
    fresh = {name: wanted[name] for name in changes}
    outcome = _guarded(server, text, fresh, ledger, original, really)
    outcome.parameters = changes
    outcome.warnings += warnings
    return outcome


def _guarded(
    server: Server,
    text: str,
    wanted: t.Mapping[str, str],
    ledger: files.Ledger,
    original: files.Ledger,
    really: bool,
) -> Outcome:
    """Apply; where that fails, the ledger goes back with main.cf."""
    try:
        return apply(server, text, wanted, ledger, really)
    except RolloutError:
        if really and files.read(server.path) == encode(server.text):
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
    """Give main.cf back: byte for byte, or parameter by parameter where somebody has edited it since."""
    path = f"{directory}/main.cf"
    ledger, original = files.Ledger("postfix"), files.Ledger("postfix")
    before = ledger.before(path)
    if before is None or before.content is None or files.read(path) is None or not installed():
        outcome = Outcome()
        if before is not None:  # Postfix went away with its main.cf: nothing is left to give back
            outcome.warnings.append(f"{path}: Postfix is gone, so there is nothing to give back")
            _forget(ledger, path)
            if really:
                ledger.save()
        return outcome
    server = Server(directory)
    kept = _notes(ledger, path)
    warnings: list[str] = []
    if ledger.untouched(path) and not kept["edited"]:
        text = decode(before.content)
    else:
        text = _single(server.text, kept["parameters"], warnings, path)
    changes: Changes = {}
    old, new = main_cf.values(server.text), main_cf.values(text)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            changes[name] = {"before": old.get(name), "after": new.get(name)}
    _forget(ledger, path)
    outcome = _guarded(server, text, {}, _Later(), original, really)
    if really:
        if text == decode(before.content):
            files.write(path, before.content, before.mode, before.uid, before.gid)
        ledger.save()
    outcome.parameters = changes
    outcome.warnings += warnings
    return outcome


class _Later(files.Ledger):
    """A ledger that is not saved: what is given back is forgotten only when it is back."""

    def __init__(self) -> None:
        super().__init__("postfix")

    def save(self) -> None:
        """Save nothing."""


def _forget(ledger: files.Ledger, path: str) -> None:
    ledger.files.pop(path, None)
    ledger.notes.pop(path, None)


def _single(text: str, kept: t.Mapping[str, t.Mapping[str, str | None]], warnings: list[str], path: str) -> str:
    """Give back only what we set and nobody has set since."""
    back, left = [], []
    for name, entry in kept.items():
        if not main_cf.same(name, main_cf.last(text, name), str(entry.get("set", ""))):
            left.append(name)
            continue
        former = entry["before"]
        text = main_cf.drop(text, name) if former is None else main_cf.put(text, name, former)
        back.append(name)
    warnings.append(
        f"{path} was edited since: only {', '.join(back) or 'nothing'} went back to what it was"
        + (f"; {', '.join(left)} had been set to something else since and stays" if left else "")
    )
    return text
