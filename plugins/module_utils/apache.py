# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Apache of this host: its configuration and its sockets as they are, a changed tree tested as a copy, a restart.

A graceful reload over a changed Listen ends the server (it can't bind what it still holds), although the syntax
test is happy. So a changed Listen is a restart, and the sockets of the restarted server are what counts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, httpd_text, listens, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

WAIT = 10.0
DROP_IN = "zz-ipv6-rollout.conf"


class Change(t.NamedTuple):
    """Files with their new bytes (None: none), and symbolic links with what they lead to (empty: none)."""

    files: t.Dict[str, t.Optional[bytes]]
    links: t.Dict[str, str]


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
def staged(directory: str, change: Change, names: t.Mapping[str, t.Sequence[str]]) -> t.Iterator[str]:
    """Give a copy of a configuration directory with a change in it; nothing that is in use is touched.

    ``names`` tells by which paths Apache reads a file.
    """
    with tempfile.TemporaryDirectory(prefix="ipv6-rollout-apache-") as folder:
        copied = os.path.join(folder, "apache2")
        homes = {directory: copied, os.path.realpath(directory): copied}
        shutil.copytree(directory, copied, symlinks=True)
        for path in change.files:
            for name in names.get(path, []):
                if not _moved(name, homes):
                    homes[os.path.dirname(name)] = os.path.join(folder, f"elsewhere{len(homes)}")
                    _mirror(os.path.dirname(name), homes[os.path.dirname(name)])
        for parent, folders, entries in os.walk(copied):
            for name in folders + entries:
                _at_home(os.path.join(parent, name), directory, homes)
        for path, content in change.files.items():
            for inside in {_moved(name, homes) for name in [path, *names.get(path, [])]} - {""}:
                _unfold(inside, copied)
                files.remove(inside)
                if content is not None:
                    files.write(inside, content)
        for path, led in change.links.items():
            inside = _moved(path, homes)
            _unfold(inside, copied)
            files.remove(inside)
            if led:
                os.symlink(_moved(led, homes) or led, inside)
        yield copied


def _moved(path: str, homes: t.Mapping[str, str]) -> str:
    """Return where a path is in the copy, empty where it is not in there."""
    return next((to + path[len(home) :] for home, to in homes.items() if path.startswith(f"{home}/")), "")


def _mirror(there: str, here: str) -> None:
    """Make a folder with a link to each entry of another one, so that an entry can be replaced."""
    os.mkdir(here)
    for name in os.listdir(there):
        os.symlink(os.path.join(there, name), os.path.join(here, name))


def _unfold(path: str, copied: str) -> None:
    """Where a folder on the way to a path is a link that leads out of the copy, put a folder of links in its place."""
    folder = copied
    for name in os.path.relpath(os.path.dirname(path), copied).split("/"):
        folder = os.path.join(folder, name)
        there = os.path.realpath(folder)
        if os.path.islink(folder) and not there.startswith(os.path.realpath(copied)):
            os.unlink(folder)
            _mirror(there, folder)


def _at_home(path: str, directory: str, homes: t.Mapping[str, str]) -> None:
    """Turn what leads back to the real directory (links, absolute Include lines) to the copy."""
    if os.path.islink(path):
        led = os.readlink(path)
        # A relative one that leads out would lead somewhere else from the copy.
        away = os.path.join(os.path.dirname(directory + path[len(homes[directory]) :]), led)
        turned = _moved(os.path.normpath(away), homes) or away
        if turned != led:
            os.unlink(path)
            os.symlink(turned, path)
        return
    if not os.path.isfile(path) or not path.endswith((".conf", ".load")):
        return
    with open(path, "rb") as stream:
        before = content = stream.read()
    for home, to in homes.items():
        pattern = rb"(?im)^(\s*(?:ServerRoot|Include|IncludeOptional)\s+[\"']?)" + re.escape(home.encode())
        content = re.sub(pattern + rb"(?=[/\"'\s])", rb"\g<1>" + to.encode(), content)
    if content != before:
        with open(path, "wb") as stream:
            stream.write(content)


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
        self.text = httpd_text.decode(self.saved.content)
        # One call tells all that Apache knows, and fails where the tree that is there now is broken.
        wanted = ("DUMP_RUN_CFG", "DUMP_MODULES", "DUMP_INCLUDES")
        told = control(directory, "-t", *[word for name in wanted for word in ("-D", name)])
        if told.rc != 0:
            why = complaint(told.err + told.out)
            raise RolloutError(f"{directory}: Apache refuses the configuration that is there now: {why}; mend it first")
        self.modules = frozenset(re.findall(r"^ (\w+_module) ", told.out, re.MULTILINE))
        named = re.search(r'^PidFile: "(.*)"$', told.out, re.MULTILINE)
        self.pid_file = named.group(1) if named else "/var/run/apache2/apache2.pid"
        self.error_log = "".join(re.findall(r'^Main ErrorLog: "(/.*)"$', told.out, re.MULTILINE))
        included = re.findall(r"^\s+\((?:\*|\d+)\) (/.*)$", told.out, re.MULTILINE)
        ours = {self.path, f"{directory}/sites-enabled/{DROP_IN}"}
        self.included = [path for path in dict.fromkeys(included) if path not in ours and not path.endswith(".load")]
        self.names: t.Dict[str, t.List[str]] = {}  # a file by its real path, with the paths by which it is read
        for path in self.included:
            self.names.setdefault(os.path.realpath(path), []).append(path)
        self.texts = {path: httpd_text.decode(files.read(path) or b"") for path in self.names}
        self.elsewhere = [entry for path, text in self.texts.items() for entry in self._listens(path, text)]

    def _listens(self, path: str, text: str) -> t.List[listens.Listen]:
        return listens.parse(text, self.names[path][0])

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

    def settled(self) -> bool:
        """Tell whether no file with a Listen line was changed since Apache read it, so that a reload is safe."""
        paths = [self.path] + [path for path in self.included if any(e.file == path for e in self.elsewhere)]
        try:
            return all(max(os.stat(path).st_ctime_ns, os.lstat(path).st_ctime_ns) < self._read() for path in paths)
        except OSError:
            return False

    def _read(self) -> int:
        """The moment at which Apache read its configuration: it writes its pid file after that, in a reload too."""
        try:
            return os.stat(self.pid_file).st_mtime_ns
        except OSError:
            return 0

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
        path = f"/proc/{self.pid}/exe"
        control(self.directory, "stop")
        sockets.wait(lambda: not self.pid and not os.path.exists(path), WAIT)  # the pid file goes before the sockets do
        control(self.directory, "start")

    def reload(self) -> bool:
        """Read the configuration again without a break, and tell whether Apache lived and did."""
        pid, read = self.pid, self._read()
        control(self.directory, "graceful")
        return sockets.wait(lambda: self.pid != pid or self._read() != read, WAIT) and self.pid == pid

    def ready(self, expected: t.Mapping[int, t.Set[sockets.Endpoint]]) -> bool:
        """Wait until the server listens as it should."""
        if not sockets.wait(lambda: bool(self.pid), 3.0):
            return False  # it gave up at once: no point in waiting on
        return sockets.wait(lambda: bool(self.pid) and not listens.differs(expected, self.listening()), WAIT)

    def logged(self) -> int:
        """Return how long Apache's error log is."""
        return os.path.getsize(self.error_log) if os.path.isfile(self.error_log) else 0

    def log(self, since: float, logged: int) -> str:
        """Return what Apache said since its error log was that long, or its unit since a moment."""
        text = ""
        if self.logged() > logged:
            with open(self.error_log, "rb") as stream:
                stream.seek(logged)
                text = httpd_text.decode(stream.read())
        hard = re.findall(
            r"(?m)^\[.*?:(?:emerg|alert|crit|error)\] (?:\[pid [^\]]*\] )?(?!\[(?:pid|client) )(.*)$", text
        )
        if hard:
            return "; ".join(hard[-3:])
        done = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-u", self.unit, f"--since=@{int(since)}"])
        return complaint(done.out) if done.rc == 0 else ""
