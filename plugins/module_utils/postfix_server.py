# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Postfix of this host: its settings, its checker on a copy of its configuration, its stop and start."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
import tempfile
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    mail_tables,
    main_cf,
    master_cf,
    sockets,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

WAIT = 10.0
HARD = r"\b(fatal|panic|error): "
BROKEN = "Postfix refuses the main.cf that is there now"
REFUSED = "Postfix refuses them, nothing was changed"
LARGE = 8 * 1024 * 1024
NAMES = (
    "inet_protocols",
    "inet_interfaces",
    "queue_directory",
    "master_service_disable",
    "smtp_helo_name",
    "mynetworks_style",
)


class Settings(t.NamedTuple):
    """What decides about sockets, HELO and trust, as Postfix itself reads it."""

    inet_protocols: str
    inet_interfaces: str
    queue_directory: str
    disabled: str
    helo_name: str
    networks_style: str

    def expected(self, master: str) -> set[sockets.Endpoint] | None:
        """Return the sockets that a master with these settings listens on, None where that can't be told."""
        if self.disabled:
            return None
        local = (files.read("/proc/net/if_inet6") or b"").decode()
        return main_cf.endpoints(
            self.inet_protocols,
            self.inet_interfaces,
            master_cf.ports(master),
            kernel_has_ipv6(),
            "00000000000000000000000000000001" in local,
        )

    @property
    def families(self) -> set[int]:
        """The families that Postfix uses."""
        return main_cf.families(self.inet_protocols, kernel_has_ipv6())


def kernel_has_ipv6() -> bool:
    """Tell whether there is IPv6 at all."""
    return os.path.exists("/proc/net/tcp6")


def has_ipv4_route() -> bool:
    """Tell whether there is any way out over IPv4."""
    lines = (files.read("/proc/net/route") or b"").decode(errors="replace").splitlines()[1:]
    return any(line.split()[0] != "lo" for line in lines if line.strip())


def installed() -> bool:
    """Tell whether Postfix is here."""
    return bool(commands.found("postfix") and commands.found("postconf"))


def settings(directory: str) -> Settings:
    """Ask postconf(1) for the effective settings of a configuration directory."""
    lines = commands.check(["postconf", "-c", directory, "-hx", *NAMES]).split("\n")
    return Settings(*(line.strip() for line in lines[: len(NAMES)]))


def settings_of(text: str) -> Settings:
    """Return the effective settings that a main.cf would give."""
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-postfix-") as folder:
        files.write(f"{folder}/main.cf", encode(text))
        _aged(f"{folder}/main.cf")
        try:
            return settings(folder)
        except RolloutError as error:
            raise RolloutError(f"parameters: {REFUSED}: {complaint(str(error))}") from None


def _aged(path: str) -> None:
    """Every Postfix program waits until main.cf is two seconds old, lest it reads half of one."""
    os.utime(path, (time.time() - 10,) * 2)


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
def staged(directory: str, texts: t.Mapping[str, bytes]) -> t.Iterator[str]:
    """Give a copy of a configuration directory with other files in it, by name; the real one is not touched."""
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
        for name, content in texts.items():
            files.remove(f"{copied}/{name}")  # it may be one of these links
            files.write(f"{copied}/{name}", content)
        _aged(f"{copied}/main.cf")
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


class Server:
    """One Postfix instance of this host."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.by_systemd: bool | None = None
        self.said = ""
        if not installed():
            raise RolloutError("Postfix is not installed here; install the package postfix first")
        self.main, self.master = (self._read(name) for name in ("main.cf", "master.cf"))
        try:
            self.settings = settings(directory)
        except RolloutError as error:
            raise RolloutError(f"{directory}: {BROKEN}: {complaint(str(error))}; mend it first") from None

    def _read(self, name: str) -> str:
        content = files.read(f"{self.directory}/{name}")
        if content is None:
            raise RolloutError(f"config_directory: there is no {self.directory}/{name}; configure Postfix first")
        return decode(content)

    @property
    def pid(self) -> int:
        """The process id of the running master, 0 where there is none."""
        return sockets.daemon(f"{self.settings.queue_directory}/pid/master.pid", "master")

    def listening(self) -> set[sockets.Endpoint]:
        """Return what the running master listens on."""
        pid = self.pid
        return sockets.listening(pid) if pid else set()

    def reload(self) -> None:
        """Let the running master and its daemons read everything anew; no mail and no session is lost."""
        self.said = complaint(spoken(["postfix", "-c", self.directory, "reload"]).err)

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


def index(folder: str, table: mail_tables.Table) -> bytes | None:
    """Let Postfix read a table of a staged folder; return the index that postmap(1) makes, None where it has none."""
    where = f"{table.type}:{folder}/{table.name}"
    known = commands.check(["postconf", "-c", folder, "-m"]).split()
    if table.type not in known:
        raise RolloutError(
            f"tables.{table.name}.type: this Postfix has no {table.type} (it has {', '.join(known)}); install the "
            f"package postfix-{table.type}, or choose another type"
        )
    if table.index_name:
        files.remove(f"{folder}/{table.index_name}")  # it may be a link to the live one
    asked = [] if table.index_name else ["-q", "x"]
    done = commands.run(["postmap", "-c", folder, *asked, where])
    said = [line for line in done.err.splitlines() if "warning: " in line or re.search(HARD, line)]
    if said or (table.index_name and done.rc != 0):
        why = "; ".join(said) or done.said
        raise RolloutError(f"tables.{table.name}: postmap refuses it: {why.replace(f'{folder}/', '')}")
    if not table.index_name:
        return None
    content = files.read(f"{folder}/{table.index_name}")
    if content is None:
        raise RolloutError(f"tables.{table.name}: postmap made no {table.index_name}")
    return content
