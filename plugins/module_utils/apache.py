# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache: its listening sockets changed, with the new tree tested as a copy first, and never by a reload.

A graceful reload over a changed Listen ends the server (it can't bind what it still holds), although the syntax
test is happy. So a change is a restart, and the sockets of the restarted server are what counts.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import tempfile
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, listens, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

WAIT = 10.0
ELSEWHERE = ("apache2.conf", "mods-enabled/*.conf", "conf-enabled/*.conf", "sites-enabled/*.conf")


class Outcome:
    """What was done, or in a check run would be."""

    def __init__(self) -> None:
        self.before = self.after = ""
        self.restarted = self.running = False
        self.ports: list[int] = []
        self.listening: list[str] = []
        self.left: list[str] = []
        self.elsewhere: list[str] = []
        self.warnings: list[str] = []

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return self.before != self.after or self.restarted


def installed() -> bool:
    """Tell whether Apache is here."""
    return bool(commands.found("apache2ctl"))


def control(directory: str, *args: str) -> commands.Result:
    """Run apache2ctl(8) for a configuration directory; it reads the variables of that directory first."""
    return commands.run(["env", f"APACHE_CONFDIR={directory}", "apache2ctl", *args], timeout=60)


def complaint(text: str) -> str:
    """Return the lines that say why, without the hints around them."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "AH00558" not in line and "ulimit" not in line]
    hard = [line for line in told if re.search(r"AH\d{5}|rror|Invalid", line) and "error log" not in line]
    return "; ".join(dict.fromkeys(hard or told[-3:])).replace(":; ", ": ")


def verify(directory: str) -> str:
    """Return why Apache refuses a configuration directory, empty where it takes it."""
    done = control(directory, "-t")
    return "" if done.rc == 0 else complaint(done.err + done.out) or f"return code {done.rc}"


@contextlib.contextmanager
def staged(directory: str, path: str, text: str) -> t.Iterator[str]:
    """Give a copy of a configuration directory with one file changed; the real one is not touched."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-apache-") as folder:
        copied = os.path.join(folder, "apache2")
        shutil.copytree(directory, copied, symlinks=True)
        for parent, folders, names in os.walk(copied):
            for name in folders + names:
                _at_home(os.path.join(parent, name), directory, copied)
        inside = os.path.join(copied, os.path.relpath(path, directory))
        with contextlib.suppress(FileNotFoundError):
            os.unlink(inside)
        files.write(inside, encode(text))
        yield copied


def _at_home(path: str, directory: str, copied: str) -> None:
    """Turn what leads back to the real directory (links, absolute Include lines) to the copy."""
    if os.path.islink(path):
        led = os.readlink(path)
        if led.startswith(f"{directory}/"):
            os.unlink(path)
            os.symlink(copied + led[len(directory) :], path)
        return
    if not os.path.isfile(path) or not path.endswith((".conf", ".load")):
        return
    with open(path, "rb") as stream:
        content = stream.read()
    pattern = rb"(?im)^(\s*(?:ServerRoot|Include|IncludeOptional)\s+[\"']?)" + re.escape(directory.encode())
    turned = re.sub(pattern + rb"(?=[/\"'\s])", lambda match: match.group(1) + copied.encode(), content)
    if turned != content:
        with open(path, "wb") as stream:
            stream.write(turned)


def encode(text: str) -> bytes:
    """Return text as the bytes that it was read from."""
    return text.encode("utf-8", "surrogateescape")


def decode(content: bytes) -> str:
    """Return bytes as text that gives the same bytes again."""
    return content.decode("utf-8", "surrogateescape")


class Server:
    """One Apache instance of this host."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = f"{directory}/ports.conf"
        self.by_systemd: bool | None = None
        if not installed():
            raise RolloutError("Apache is not installed here; install the package apache2 first")
        self.saved = files.look(self.path)
        if self.saved.content is None:
            raise RolloutError(f"config_directory: there is no {self.path}")
        self.text = decode(self.saved.content)
        # One call tells the modules and the pid file, and fails where the tree that is there now is broken.
        told = control(directory, "-t", "-D", "DUMP_RUN_CFG", "-D", "DUMP_MODULES")
        if told.rc != 0:
            why = complaint(told.err + told.out)
            raise RolloutError(f"{directory}: Apache refuses the configuration that is there now: {why}; mend it first")
        self.modules = frozenset(re.findall(r"^ (\w+_module) ", told.out, re.MULTILINE))
        named = re.search(r'^PidFile: "(.*)"$', told.out, re.MULTILINE)
        self.pid_file = named.group(1) if named else "/var/run/apache2/apache2.pid"
        self.elsewhere = self._elsewhere()

    def _elsewhere(self) -> list[listens.Listen]:
        found = []
        for pattern in ELSEWHERE:
            for path in sorted(glob.glob(f"{self.directory}/{pattern}")):
                found += listens.parse(decode(files.read(path) or b""), path)
        return found

    @property
    def pid(self) -> int:
        """The process id of the running parent, 0 where there is none."""
        return sockets.daemon(self.pid_file, "apache2")

    def listening(self) -> set[sockets.Endpoint]:
        """Return what the running server listens on."""
        pid = self.pid
        return sockets.listening(pid) if pid else set()

    def expected(self, text: str) -> dict[int, set[sockets.Endpoint]]:
        """Return the sockets of each port that Apache opens with another ports.conf."""
        found = listens.parse(text, self.path) + self.elsewhere
        return listens.expected(found, self.modules, os.path.exists("/proc/net/tcp6"))

    def write(self, text: str) -> None:
        """Put another ports.conf in place."""
        files.write(self.path, encode(text), self.saved.mode, self.saved.uid, self.saved.gid)

    @property
    def unit(self) -> str:
        """The unit that systemd knows this instance by."""
        suffix = re.sub(r"^apache2-?", "", os.path.basename(self.directory))
        return f"apache2@{suffix}" if suffix else "apache2"

    def restart(self) -> None:
        """Stop and start; systemd does it where it started Apache, so that it goes on knowing about it."""
        if self.by_systemd is None:  # asked before the first try, which may leave the unit failed
            self.by_systemd = os.path.isdir("/run/systemd/system") and (
                commands.run(["systemctl", "is-active", self.unit]).rc == 0
            )
        if self.by_systemd:
            commands.run(["systemctl", "reset-failed", self.unit])
            commands.run(["systemctl", "restart", self.unit], timeout=120)
            return
        control(self.directory, "stop")
        sockets.wait(lambda: not self.pid, WAIT)
        control(self.directory, "start")

    def ready(self, expected: t.Mapping[int, set[sockets.Endpoint]]) -> bool:
        """Wait until the server listens as it should."""
        if not sockets.wait(lambda: bool(self.pid), 3.0):
            return False  # it gave up at once: no point in waiting on
        return sockets.wait(lambda: bool(self.pid) and not listens.differs(expected, self.listening()), WAIT)

    def log(self, since: float) -> str:
        """Return what the unit said since a moment, from the journal."""
        done = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-u", self.unit, f"--since=@{int(since)}"])
        return complaint(done.out) if done.rc == 0 else ""


def all_of(expected: t.Mapping[int, set[sockets.Endpoint]]) -> set[sockets.Endpoint]:
    """Return the sockets of all ports together."""
    return set().union(*expected.values())


def apply(server: Server, text: str, ledger: files.Ledger | None, really: bool) -> Outcome:
    """Bring another ports.conf to life, or the running server in line with the one that is there."""
    outcome = Outcome()
    outcome.before, outcome.after = server.text, text
    pid = server.pid
    outcome.running = bool(pid)
    found = server.listening()
    expected = server.expected(text)
    if text != server.text:
        with staged(server.directory, server.path, text) as folder:
            why = verify(folder)
            if why:
                why = why.replace(folder, server.directory)
                raise RolloutError(f"Apache refuses the new Listen lines, nothing was changed: {why}")
    outcome.restarted = bool(pid) and listens.differs(expected, found)
    if outcome.restarted:
        held = sockets.taken(all_of(expected) - found, pid)
        if held:
            raise RolloutError(f"Apache can't listen, nothing was changed: {'; '.join(held)}; stop that first")
    if really and outcome.changed:
        _go_live(server, text, outcome, expected, found, ledger)
        found = server.listening()
    elif outcome.restarted:
        found = all_of(expected)
    outcome.listening = sockets.listed(found)
    return outcome


def _go_live(
    server: Server,
    text: str,
    outcome: Outcome,
    expected: t.Mapping[int, set[sockets.Endpoint]],
    found: set[sockets.Endpoint],
    ledger: files.Ledger | None,
) -> None:
    since = time.time()
    if ledger is not None:
        ledger.save()  # first: whatever happens after this, the original is known
    if text != server.text:
        server.write(text)
    if not outcome.restarted:
        return
    server.restart()
    if server.ready(expected):
        return
    why = server.log(since) or f"not listening on {', '.join(sockets.listed(all_of(expected)))} after {WAIT:g} s"
    back = "ports.conf is unchanged"
    if text != server.text:
        server.write(server.text)
        server.restart()
        ports = {port for _host, port in found}
        alive = server.ready({port: {entry for entry in found if entry[1] == port} for port in ports})
        back = "ports.conf is as it was, and Apache " + ("runs with it" if alive else "does not start with it either")
    raise RolloutError(f"Apache does not run with the new Listen lines: {why}; {back}")


def _mapped_possible(directory: str) -> None:
    told = control(directory, "-V").out
    if "APR_HAVE_IPV6" not in told:
        raise RolloutError("mode: this Apache was built without IPv6")
    if "IPv4-mapped addresses enabled" not in told:
        raise RolloutError("mode: this Apache was built without IPv4-mapped addresses; take mode 'separate'")


def _not_here(hosts: t.Sequence[str], really: bool) -> list[str]:
    missing = [host for host in hosts if host not in listens.WILDCARDS and not sockets.is_local(host)]
    if not missing:
        return []
    message = f"addresses: {', '.join(missing)}: not on this host now, or its DAD is not over; Apache would not start"
    if really:
        raise RolloutError(message)
    return [message]


def present(mode: str, ports: t.Sequence[int], given: t.Sequence[t.Any], directory: str, really: bool) -> Outcome:
    """Make Apache listen as a mode says."""
    for port in ports:
        if not 0 < port < 65536:
            raise RolloutError(f"ports: {port} is no port")
    hosts = listens.wanted(mode, listens.addresses(given))
    warnings = _not_here(hosts, really)
    server = Server(directory)
    ledger, original = files.Ledger("apache_listen"), files.Ledger("apache_listen")
    notes = dict(ledger.notes.get(server.path, {"ports": [], "hosts": [], "edited": False}))
    edit = listens.edit(server.text, server.path, hosts, ports, notes["hosts"], server.elsewhere)
    if edit.text != server.text:
        if mode == "mapped":
            _mapped_possible(directory)
        if ledger.before(server.path) is not None and not ledger.untouched(server.path):
            notes["edited"] = True
        notes["ports"], notes["hosts"] = sorted({*notes["ports"], *edit.ports}), list(hosts)
        ledger.notes[server.path] = notes
        ledger.wrote(server.path, server.saved, encode(edit.text))
    try:
        outcome = apply(server, edit.text, ledger, really)
    except RolloutError:
        if really and files.read(server.path) == server.saved.content:
            original.save()
        raise
    outcome.ports, outcome.left = edit.ports, edit.left
    outcome.elsewhere = [f"{entry.place}: Listen {entry.spec}" for entry in server.elsewhere]
    outcome.warnings += warnings
    for entry in server.elsewhere:
        if entry.address == listens.ANY4 and mode != "ipv4" and (listens.ANY6, entry.port) not in server.listening():
            outcome.warnings.append(f"{entry.place}: Listen {entry.spec} serves IPv4 only; it is not edited here")
    return outcome


def absent(directory: str, really: bool) -> Outcome:
    """Give ports.conf back: byte for byte, or port by port where somebody has edited it since."""
    path = f"{directory}/ports.conf"
    ledger = files.Ledger("apache_listen")
    before = ledger.before(path)
    notes = ledger.notes.get(path, {"ports": [], "hosts": [], "edited": False})
    outcome = Outcome()
    if before is None or before.content is None:
        return outcome
    if files.read(path) is None or not installed():
        outcome.warnings.append(f"{path}: Apache is gone, so there is nothing to give back")
    else:
        server = Server(directory)
        old = decode(before.content)
        warnings: list[str] = []
        whole = server.text == old or (ledger.untouched(path) and not notes["edited"])
        text = old if whole else _single(server, old, notes, warnings)
        outcome = apply(server, text, None, really)
        outcome.warnings += warnings
        if really and whole:
            files.write(path, before.content, before.mode, before.uid, before.gid)
    if really:
        ledger.files.pop(path, None)
        ledger.notes.pop(path, None)
        ledger.save()
    return outcome


def _single(server: Server, old: str, notes: t.Mapping[str, t.Any], warnings: list[str]) -> str:
    """Give back the Listen lines of the ports that still are as we wrote them."""
    text = server.text
    former = listens.parse(old, server.path)
    back = []
    for port in notes["ports"]:
        now = {entry.address for entry in listens.parse(text, server.path) if entry.port == port}
        if now == set(notes["hosts"]):
            hosts = list(dict.fromkeys(entry.address for entry in former if entry.port == port))
            text = listens.edit(text, server.path, hosts, [port]).text
            back.append(str(port))
    warnings.append(
        f"{server.path} was edited since: only the Listen lines of {', '.join(back) or 'no port'} went back"
    )
    return text
