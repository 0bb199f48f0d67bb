# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sshd: the addresses it listens on, by a drop-in that sshd has tried in a copy, and never without a way in.

sshd takes another configuration by SIGHUP: it closes its sockets, starts anew in the same process and opens the new
ones. Logins that are open stay. An address that it can't bind is only a line in its log, so the sockets are looked at.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    daemon_change,
    daemon_listen,
    files,
    lockout,
    sockets,
    sshd_config,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.daemon_change import Change, Outcome
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

DIRECTORY = "/etc/ssh"
# Early: of AddressFamily the first value counts.
DROP_IN = "sshd_config.d/00-ipv6-rollout.conf"
# Late: another drop-in may start the list of ExecStartPre anew.
BOOT = "/etc/systemd/system/ssh.service.d/zz-ipv6-rollout.conf"
# Where no address comes in time, sshd ends with 255, and Debian's unit would leave it stopped for good.
AGAIN = "RestartPreventExitStatus=\n"
DEFAULTS = "/etc/default/ssh"
SEPARATION = "/run/sshd"
LEDGER = "sshd_listen"
WAIT = 10.0


def options() -> list[str]:
    """Return what Debian's unit gives sshd on its command line; it wins over every file."""
    text = daemon_change.decode(files.read(DEFAULTS))
    found = re.findall(r"(?m)^\s*SSHD_OPTS=(.*)$", text)
    try:
        words = shlex.split(" ".join(shlex.split(found[-1], comments=True))) if found else []
    except ValueError as error:
        raise RolloutError(f"{DEFAULTS}: SSHD_OPTS={found[-1]} can't be read: {error}; mend it first") from error
    if any(re.match(r"-[46DdeqtT]*f", word) for word in words):
        raise RolloutError(f"{DEFAULTS}: SSHD_OPTS names another configuration file; set the addresses there yourself")
    return [word for word in words if word != "-D"]


@contextlib.contextmanager
def separation() -> t.Iterator[None]:
    """See to the folder without which sshd tests nothing; only its unit makes it."""
    made = not os.path.isdir(SEPARATION)
    if made:
        os.makedirs(SEPARATION, mode=0o755)
    try:
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(SEPARATION)


class Server:
    """The sshd of this host."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = directory
        self.path = f"{directory}/sshd_config"
        self.drop_in = f"{directory}/{DROP_IN}"
        self.program = commands.found("sshd") or ""
        if not self.program:
            raise RolloutError("OpenSSH's server is not installed here; install the package openssh-server first")
        if files.read(self.path) is None:
            raise RolloutError(f"there is no {self.path}; configure sshd first")
        daemon_change.check_root()
        self.options = options()
        try:
            self.now = self.ask(self.path)
        except RolloutError as error:
            raise RolloutError(
                f"{self.path}: sshd refuses the configuration that is there now: {error}; mend it first"
            ) from error
        self.told = [entry for entry in sshd_config.directives(self.path, directory) if entry.file != self.drop_in]

    def ask(self, path: str, given: t.Optional[t.Sequence[str]] = None) -> sshd_config.Effective:
        """Let sshd test a configuration and tell what it makes of it."""
        extra = self.options if given is None else given
        with separation():
            done = commands.run([self.program, "-T", "-f", path, *extra])
        if done.rc != 0:
            raise RolloutError("; ".join(dict.fromkeys(done.said.splitlines()[-3:])))
        return sshd_config.effective(done.out)

    def staged(
        self, contents: t.Mapping[str, t.Optional[bytes]], given: t.Optional[t.Sequence[str]] = None
    ) -> sshd_config.Effective:
        """Let sshd test another drop-in, in a copy of its configuration."""
        with daemon_change.staged(self.directory, contents, sshd_config.at_home) as folder:
            try:
                return self.ask(f"{folder}/sshd_config", given)
            except RolloutError as error:
                raise RolloutError(str(error).replace(folder, self.directory)) from error

    @property
    def pid(self) -> int:
        """The process id of the sshd that waits for logins, 0 where there is none."""
        return sockets.daemon(self.now.pid_file, "sshd")

    def listening(self) -> set[sockets.Endpoint]:
        """Return what the running sshd listens on."""
        pid = self.pid
        return sockets.listening(pid) if pid else set()

    def reload(self) -> None:
        """Let sshd read its configuration again; one that has ended is started."""
        if daemon_change.active("ssh"):
            commands.run(["systemctl", "reload", "ssh"], timeout=60)
            return
        pid = self.pid
        if pid:
            os.kill(pid, 1)
        elif daemon_change.booted():
            commands.run(["systemctl", "reset-failed", "ssh"])
            commands.run(["systemctl", "start", "ssh"], timeout=60)

    def started(self) -> tuple[int, int]:
        """Return what changes with every start: sshd takes its pid file away before it closes its sockets, and writes
        another once the new ones are open."""
        try:
            status = os.stat(self.now.pid_file)
        except OSError:
            return (0, 0)
        return (status.st_ino, status.st_mtime_ns)

    def ready(self, expected: set[sockets.Endpoint], former: tuple[int, int]) -> bool:
        """Wait until sshd has started anew and listens as it should."""
        return sockets.wait(lambda: self.started() not in (former, (0, 0)) and self.listening() == expected, WAIT)


def _by_socket() -> t.Optional[set[sockets.Endpoint]]:
    """Return what systemd listens on for sshd, None where sshd does that itself."""
    if not daemon_change.active("ssh.socket"):
        return None
    shown = commands.check(["systemctl", "show", "ssh.socket", "--property=Listen,BindIPv6Only"])
    only = re.search(r"^BindIPv6Only=(\S*)", shown, re.MULTILINE)
    kernel = (files.read("/proc/sys/net/ipv6/bindv6only") or b"0").strip() == b"1"
    apart = only is not None and (only.group(1) == "ipv6-only" or (only.group(1) == "default" and kernel))
    found = set()
    for host, port in re.findall(r"^Listen=(\S+):(\d+) \(Stream\)", shown, re.MULTILINE):
        host = host.strip("[]")
        found.add((host, int(port)))
        if host == daemon_listen.ANY6 and not apart:
            found.add((daemon_listen.ANY4, int(port)))
    return found


def _socket_outcome(found: set[sockets.Endpoint], hosts: t.Sequence[str]) -> Outcome:
    if {host for host, _port in found} != set(hosts):
        ports = sorted({port for _host, port in found})
        wanted = "".join(f" ListenStream={sockets.written((host, port))}" for host in hosts for port in ports)
        raise RolloutError(
            f"ssh.socket listens for sshd, on {', '.join(sockets.listed(found))}, and sshd's own settings change "
            "nothing there; give it a drop-in ('systemctl edit ssh.socket') with the lines [Socket] ListenStream= "
            f"BindIPv6Only=ipv6-only{wanted}, or let sshd listen itself ('systemctl disable --now ssh.socket', "
            "'systemctl enable --now ssh.service')"
        )
    outcome = Outcome()
    outcome.running, outcome.listening = True, sockets.listed(found)
    return outcome


def _way_in(expected: set[sockets.Endpoint], found: set[sockets.Endpoint], allow: bool) -> list[str]:
    """Refuse to close the socket by which this very login came in."""
    for login in lockout.complete((), lockout.ssh_connection()):
        mine = (login.destination, login.port)
        if daemon_listen.serves(expected, *mine) or (found and not daemon_listen.serves(found, *mine)):
            continue
        told = f"this login came in by {sockets.written(mine)}, where sshd would not listen any more"
        if not allow:
            raise RolloutError(f"{told}; log in by an address that stays, or allow it (lockout: allow)")
        return [told]
    return []


def _surplus(server: Server, mode: str, hosts: t.Sequence[str]) -> None:
    lines = [entry for entry in server.told if entry.keyword == "listenaddress"]
    wrong = [entry for entry in lines if sshd_config.host(entry.value) not in hosts]
    if wrong:
        named = "; ".join(f"{entry.place}: ListenAddress {entry.value}" for entry in wrong)
        raise RolloutError(f"{named}: not in mode '{mode}', and sshd adds all these lines up; remove it there first")


def _why(server: Server, text: str, contents: t.Mapping[str, t.Optional[bytes]]) -> str:
    """Find out what keeps a drop-in from doing what it says."""
    if not sshd_config.included(server.told, server.drop_in, server.directory):
        line = f"Include {os.path.dirname(server.drop_in)}/*.conf"
        return f"{server.path} does not read {server.drop_in}; put the line '{line}' at its top"
    if server.options:
        with contextlib.suppress(RolloutError):
            if server.staged(contents, []).endpoints != server.staged(contents).endpoints:
                return f"{DEFAULTS}: SSHD_OPTS {' '.join(server.options)} wins over the files; remove it there"
    apart = [entry for entry in server.told if entry.keyword == "listenaddress" and sshd_config.has_port(entry.value)]
    if apart:
        named = "; ".join(f"{entry.place}: ListenAddress {entry.value}" for entry in apart)
        return f"{named}: it has a port of its own, the other addresses have those of Port; leave the port out there"
    first = next((entry for entry in server.told if entry.keyword == "addressfamily"), None)
    if first is not None:
        return (
            f"{first.place}: AddressFamily {first.value} comes first, and sshd takes the first value; remove it there"
        )
    lines = " and ".join(text.splitlines()[1:]) or "its files as they are"
    return f"with {lines} sshd does something else; look for its other settings ('sshd -T')"


def _plan(server: Server, mode: str, hosts: t.Sequence[str]) -> tuple[t.Optional[bytes], set[sockets.Endpoint]]:
    """Return the drop-in that is needed, None where none is, and the sockets that sshd will have."""
    _surplus(server, mode, hosts)
    none = {server.drop_in: None}
    base = server.staged(none) if files.read(server.drop_in) is not None else server.now
    explicit = any(entry.keyword == "listenaddress" for entry in server.told)
    lines = sshd_config.lines(base, explicit, mode, hosts)
    if not lines and {host for host, _port in base.endpoints} == set(hosts):
        return None, base.endpoints
    text = daemon_change.HEADER + "".join(f"{line}\n" for line in lines)
    contents = {server.drop_in: text.encode()}
    try:
        found = server.staged(contents)
    except RolloutError as error:
        hint = ""
        if "Match block" in str(error):
            hint = f"; move the Include line of {server.path} above the first Match"
        elif "bad addr" in str(error):
            hint = f"; {_why(server, text, contents)}"
        raise RolloutError(f"sshd refuses the new settings, nothing was changed: {error}{hint}") from error
    expected = {(host, port) for host in hosts for port in found.ports}
    if found.endpoints != expected:
        raise RolloutError(f"nothing was changed: {_why(server, text, contents)}")
    return contents[server.drop_in], expected


def present(mode: str, given: t.Sequence[t.Any], allow: bool, really: bool, directory: str = DIRECTORY) -> Outcome:
    """Make sshd listen as a mode says."""
    hosts = daemon_listen.hosts(mode, daemon_listen.addresses(given))
    if not really and not commands.found("sshd"):
        return _not_yet(mode, hosts, directory)
    warnings = daemon_listen.check_family(hosts, really) + daemon_listen.check_local(hosts, really)
    server = Server(directory)
    by_socket = _by_socket()
    if by_socket is not None:
        return _socket_outcome(by_socket, hosts)
    content, expected = _plan(server, mode, hosts)
    boot = daemon_change.boot(hosts, AGAIN) if mode == "addresses" else None
    change = Change(LEDGER, {server.drop_in: content, BOOT: boot})
    outcome = _apply(server, change, expected, allow, really)
    outcome.warnings += warnings
    return outcome


def _not_yet(mode: str, hosts: t.Sequence[str], directory: str) -> Outcome:
    """Tell what a run would do once the package is there, with Debian's own configuration."""
    outcome = Outcome()
    outcome.needs_package = "openssh-server"
    lines = sshd_config.lines(sshd_config.default(), False, mode, hosts)
    if lines:
        text = daemon_change.HEADER + "".join(f"{line}\n" for line in lines)
        outcome.files = {f"{directory}/{DROP_IN}": (None, text.encode())}
    boot = daemon_change.boot(hosts, AGAIN) if mode == "addresses" else None
    if boot:
        outcome.files[BOOT] = (None, boot)
    outcome.warnings = ["openssh-server is not installed here; this is what its own configuration would need"]
    return outcome


def absent(allow: bool, really: bool, directory: str = DIRECTORY) -> Outcome:
    """Take our drop-ins away, or give back what was there instead of them."""
    paths = {f"{directory}/{DROP_IN}": None, BOOT: None}
    change = Change(LEDGER, paths, absent=True)
    outcome = Outcome()
    if not commands.found("sshd"):
        outcome.files = change.told()
        if really:
            change.write()
            change.forget()
        return outcome
    server = Server(directory)
    if not change.after:
        outcome.running, outcome.listening = bool(server.pid), sockets.listed(server.listening())
        return outcome
    try:
        expected = server.staged(change.after).endpoints
    except RolloutError as error:
        raise RolloutError(f"sshd would refuse what was there before, nothing was changed: {error}") from error
    by_socket = _by_socket()
    return _apply(server, change, expected if by_socket is None else None, allow, really)


def _apply(
    server: Server, change: Change, expected: t.Optional[set[sockets.Endpoint]], allow: bool, really: bool
) -> Outcome:
    """Write what differs and bring sshd in line with it; without ``expected`` sshd has no sockets of its own."""
    outcome = Outcome()
    outcome.files = change.told()
    outcome.warnings = daemon_change.edited(change.edited)
    found = server.listening()
    outcome.running = bool(server.pid)
    if not outcome.running and daemon_change.active("ssh"):
        raise RolloutError(
            f"sshd runs, but {server.now.pid_file or 'its pid file'} does not tell its number; leave PidFile alone"
        )
    outcome.reloaded = outcome.running and expected is not None and found != expected
    if outcome.reloaded and expected is not None:
        daemon_change.refuse_taken(sockets.taken(expected - found, server.pid), "sshd")
        outcome.warnings += _way_in(expected, found, allow)
    elif expected is not None and outcome.files:
        outcome.warnings += _way_in(expected, set(), allow)
    if really:
        change.write()
        if outcome.reloaded and expected is not None:
            _reload(server, change, expected, found)
        change.forget()
        found = server.listening()
    elif outcome.reloaded and expected is not None:
        found = expected
    outcome.listening = sockets.listed(found)
    return outcome


def _reload(server: Server, change: Change, expected: set[sockets.Endpoint], found: set[sockets.Endpoint]) -> None:
    since = time.time()
    former = server.started()
    server.reload()
    if server.ready(expected, former):
        return
    now = sockets.listed(server.listening())
    why = daemon_change.log("ssh", since) or f"it listens on {', '.join(now) or 'nothing'} after {WAIT:g} s"
    change.take_back()
    former = server.started()
    server.reload()
    alive = server.ready(found, former)
    raise RolloutError(
        f"sshd does not listen on {', '.join(sockets.listed(expected))}: {why}; the files are as they were, and sshd "
        + (
            "listens as before"
            if alive
            else "listens on " + (", ".join(sockets.listed(server.listening())) or "nothing")
        )
    )
