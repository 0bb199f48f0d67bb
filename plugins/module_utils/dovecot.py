# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dovecot: the addresses it listens on and its PROXY protocol ports, by a drop-in that was read in a copy first.

doveconf(1) takes what Dovecot can't listen on, so that is looked at before. A reload opens and closes sockets, and
nobody is refused meanwhile; with ``shutdown_clients = yes`` Dovecot ends the sessions of before six seconds later. But
a login process may still hold an old socket: where an old and a new one overlap (a wildcard and an address of the same
family and port), a reload may lose the new one, or even end Dovecot. Such a change is a restart.
"""

from __future__ import annotations

import glob
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    daemon_change,
    daemon_listen,
    dovecot_config,
    files,
    sockets,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.daemon_change import Change, Outcome
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

DIRECTORY = "/etc/dovecot"
# Late: the last value counts.
DROP_IN = "conf.d/99-ipv6-rollout.conf"
# Late: another drop-in may start the list of ExecStartPre anew.
BOOT = "/etc/systemd/system/dovecot.service.d/zz-ipv6-rollout.conf"
LEDGER = "dovecot_listen"
WAIT = 10.0
# Dovecot's own unit waits for the network, where somebody wants that target.
ONLINE = "\n[Unit]\nWants=network-online.target\n"
Wish = t.Tuple[t.List[str], t.List[str], dovecot_config.Proxy]


class Server:
    """The Dovecot of this host."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = directory
        self.by_systemd = False
        self.path = f"{directory}/dovecot.conf"
        self.drop_in = f"{directory}/{DROP_IN}"
        if not commands.found("doveconf"):
            raise RolloutError("Dovecot is not installed here; install dovecot-imapd or dovecot-pop3d first")
        if files.read(self.path) is None:
            raise RolloutError(f"there is no {self.path}; configure Dovecot first")
        daemon_change.check_root()
        try:
            self.now = self.ask(self.path)
        except RolloutError as error:
            raise RolloutError(
                f"{self.path}: Dovecot refuses the configuration that is there now: {error}; mend it first"
            ) from error

    def ask(self, path: str) -> dovecot_config.Settings:
        """Let doveconf read a configuration."""
        done = commands.run(["doveconf", "-c", path, "-a"])
        if done.rc != 0:
            lines = [line for line in done.err.splitlines() if "Warning" not in line]
            raise RolloutError("; ".join(dict.fromkeys(lines[-3:])) or f"return code {done.rc}")
        # Of 2.4, -a shows no value of listen where nobody has set it.
        return dovecot_config.read(f"{done.out}\n{commands.run(['doveconf', '-c', path, 'listen']).out}")

    def staged(self, contents: t.Mapping[str, t.Optional[bytes]]) -> dovecot_config.Settings:
        """Let doveconf read another drop-in, in a copy of the configuration."""
        with daemon_change.staged(self.directory, contents, dovecot_config.at_home) as folder:
            try:
                return self.ask(f"{folder}/dovecot.conf")
            except RolloutError as error:
                raise RolloutError(str(error).replace(folder, self.directory)) from error

    @property
    def pid(self) -> int:
        """The process id of the running master, 0 where there is none."""
        return sockets.daemon(f"{self.now.base_dir}/master.pid", "dovecot")

    def listening(self) -> set[sockets.Endpoint]:
        """Return what the running master listens on."""
        pid = self.pid
        return sockets.listening(pid) if pid else set()

    def reload(self) -> None:
        """Let the master read its configuration again."""
        if daemon_change.active("dovecot"):
            commands.run(["systemctl", "reload", "dovecot"], timeout=60)
        else:
            commands.run(["doveadm", "-c", self.path, "reload"])

    def restart(self) -> None:
        """Stop and start: sessions are lost, and clients log in again."""
        if self.by_systemd:
            commands.run(["systemctl", "reset-failed", "dovecot"])
            commands.run(["systemctl", "restart", "dovecot"], timeout=120)
            return
        commands.run(["doveadm", "-c", self.path, "stop"])
        sockets.wait(lambda: not self.pid, WAIT)
        commands.run(["dovecot", "-c", self.path])

    def ready(self, expected: t.Collection[sockets.Endpoint], ports: t.Collection[int]) -> bool:
        """Wait until the master listens as it should on the ports that matter."""
        return sockets.wait(lambda: bool(self.pid) and of(self.listening(), ports) == expected, WAIT)


def of(endpoints: t.Iterable[sockets.Endpoint], ports: t.Collection[int]) -> set[sockets.Endpoint]:
    """Return the sockets of some ports."""
    return {entry for entry in endpoints if entry[1] in ports}


def _beaten(server: Server, name: str) -> str:
    """Find out what keeps a drop-in from doing what it says."""
    after = [server.path, f"{server.directory}/local.conf"]
    after += [path for path in glob.glob(f"{server.directory}/conf.d/*.conf") if path > server.drop_in]
    lines = dovecot_config.later(name, [(path, daemon_change.decode(files.read(path))) for path in after])
    if lines:
        return f"{'; '.join(lines)} comes after {server.drop_in}, and Dovecot takes the last value; remove it there"
    return f"{server.path} does not read {server.drop_in}; give it the line '!include conf.d/*.conf' below all others"


def _plan(server: Server, wish: Wish) -> tuple[t.Optional[bytes], dovecot_config.Settings]:
    """Return the drop-in that is needed, None where none is, and what Dovecot makes of it."""
    hosts, trusted, proxy = wish
    base = server.staged({server.drop_in: None}) if files.read(server.drop_in) is not None else server.now
    dovecot_config.check_proxy(proxy, base)
    text = dovecot_config.text(base, hosts, trusted, proxy)
    if not text:
        return None, base
    try:
        found = server.staged({server.drop_in: text.encode()})
    except RolloutError as error:
        raise RolloutError(f"Dovecot refuses the new settings, nothing was changed: {error}") from error
    for name, wanted, got in (
        ("listen", set(hosts), set(found.listen)),
        ("login_trusted_networks", {*base.login_trusted_networks, *trusted}, set(found.login_trusted_networks)),
        (
            "haproxy_trusted_networks",
            {*base.haproxy_trusted_networks, *proxy.proxies},
            {*found.haproxy_trusted_networks},
        ),
    ):
        if wanted != got:
            raise RolloutError(f"nothing was changed: {_beaten(server, name)}")
    return text.encode(), found


def present(
    mode: str,
    given: t.Sequence[t.Any],
    trusted: t.Sequence[t.Any],
    proxied: t.Optional[t.Mapping[str, t.Any]],
    really: bool,
    directory: str = DIRECTORY,
) -> Outcome:
    """Make Dovecot listen as a mode says, and at the ports for proxies."""
    hosts = daemon_listen.hosts(mode, daemon_listen.addresses(given))
    networks = dovecot_config.networks("login_trusted_networks", trusted)
    wish = (hosts, networks, dovecot_config.proxy(proxied))
    boot = daemon_change.boot(hosts, ONLINE) if mode == "addresses" else None
    if not really and not commands.found("doveconf"):
        return _not_yet(wish, boot, directory)
    warnings = daemon_listen.check_family(hosts, really) + daemon_listen.check_local(hosts, really)
    server = Server(directory)
    content, settings = _plan(server, wish)
    if set(settings.listen) != set(server.now.listen) and daemon_change.active("dovecot.socket"):
        raise RolloutError(
            "dovecot.socket listens for Dovecot, and its own settings change nothing there; "
            "'systemctl disable --now dovecot.socket' lets Dovecot listen itself"
        )
    change = Change(LEDGER, {server.drop_in: content, BOOT: boot})
    outcome = _apply(server, change, settings, set(wish[2].ports.values()), really)
    outcome.warnings += warnings + dovecot_config.others_trusted(wish[2], settings)
    return outcome


def _not_yet(wish: Wish, boot: t.Optional[bytes], directory: str) -> Outcome:
    """Tell what a run would do once the package is there, with Debian's own configuration."""
    outcome = Outcome()
    outcome.needs_package = "dovecot-imapd"
    base = dovecot_config.read("listen = *, ::\n")
    text = dovecot_config.text(base, *wish)
    wanted = {f"{directory}/{DROP_IN}": text.encode() or None, BOOT: boot}
    outcome.files = {path: (None, content) for path, content in wanted.items() if content}
    outcome.warnings = ["Dovecot is not installed here; this is what its own configuration would need"]
    return outcome


def absent(really: bool, directory: str = DIRECTORY) -> Outcome:
    """Take our drop-ins away, or give back what was there instead of them."""
    change = Change(LEDGER, {f"{directory}/{DROP_IN}": None, BOOT: None}, absent=True)
    outcome = Outcome()
    if not commands.found("doveconf"):
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
        settings = server.staged(change.after)
    except RolloutError as error:
        raise RolloutError(f"Dovecot would refuse what was there before, nothing was changed: {error}") from error
    warnings = [] if settings.named else daemon_listen.check_local(settings.listen, really)
    outcome = _apply(server, change, settings, set(), really)
    outcome.warnings += warnings
    return outcome


def _apply(server: Server, change: Change, settings: dovecot_config.Settings, fresh: set[int], really: bool) -> Outcome:
    """Write what differs, and bring the running master in line with it."""
    outcome = Outcome()
    outcome.files = change.told()
    outcome.warnings = daemon_change.edited(change.edited)
    found = server.listening()
    outcome.running = bool(server.pid)
    running = {port for _host, port in found}
    expected = settings.expected(running | fresh)
    known = {entry.port for entry in settings.listeners}
    gone = {entry.port for entry in server.now.listeners} - known
    if settings.complete and not daemon_change.active("dovecot.socket"):
        gone |= running - known  # as of a drop-in of ours that somebody has deleted
    ports = {port for _host, port in expected} | gone  # a listener that is no more closes its port
    wrong = of(found, ports) != expected
    if outcome.running and (wrong or server.drop_in in outcome.files or change.pending):
        new, old = expected - found, of(found, ports) - expected
        daemon_change.refuse_taken(sockets.taken(new, server.pid), "Dovecot")
        clash = any(sockets.overlap(one, other) for one in new for other in old)
        outcome.restarted = clash or settings.named
        outcome.reloaded = not outcome.restarted
    if really:
        change.write()
        if outcome.reloaded or outcome.restarted:
            _go_live(server, change, expected, ports, outcome)
        change.forget()
        found = server.listening()
    elif outcome.reloaded or outcome.restarted:
        found = (found - of(found, ports)) | expected
    outcome.listening = sockets.listed(found)
    return outcome


def _go_live(
    server: Server, change: Change, expected: set[sockets.Endpoint], ports: set[int], outcome: Outcome
) -> None:
    since = time.time()
    before = of(server.listening(), ports)
    server.by_systemd = daemon_change.active("dovecot")  # asked before the first try, which may leave it failed
    if outcome.reloaded:
        server.reload()
        if server.ready(expected, ports):
            return
        outcome.reloaded, outcome.restarted = False, True
    server.restart()
    if server.ready(expected, ports):
        return
    now = ", ".join(sockets.listed(server.listening())) or "nothing"
    why = daemon_change.log("dovecot", since) or f"it listens on {now} after {WAIT:g} s"
    change.take_back()
    server.restart()
    alive = server.ready(before, ports)
    raise RolloutError(
        f"Dovecot does not listen on {', '.join(sockets.listed(expected))}: {why}; the files are as they were, and "
        "Dovecot " + ("listens as before" if alive else "does not listen with them either")
    )
