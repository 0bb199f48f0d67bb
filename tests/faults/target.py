# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a case: a host of the lab, looked at past ssh, and a run of ansible-playbook on it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The lab's own programs.
sys.path.insert(0, str(ROOT / "lab"))

from engine import Engine  # noqa: E402
from model import Lab, Machine, load  # noqa: E402

from lab import Clock, reboot, remove, up  # noqa: E402

__all__ = ["WINDOW", "Controller", "Engine", "Failure", "Late", "Target", "Watch", "load", "looked", "untraced"]

WINDOW = 5
SSH = (
    "-o ControlMaster=auto -o ControlPersist=60s -o ConnectTimeout=5 -o ServerAliveInterval=2 -o ServerAliveCountMax=2"
)


REMAKING = threading.Lock()


def script(name: str) -> str:
    """Return a shell script of this folder."""
    return (HERE / f"{name}.sh").read_text(encoding="utf-8")


def looked(lines: t.Sequence[str]) -> tuple[float, list[str]]:
    """Take apart what look.sh has said: when, and what the host is."""
    return float(lines[0].split()[1]), list(lines[1:])


def untraced(lines: t.Sequence[str]) -> list[str]:
    """Return what a host is without the traces of a guard that is just clearing up, and its note for the next run."""
    return [line for line in lines if line != "note" and "rollout-guard" not in line and not line.startswith("trace ")]


class Failure(Exception):
    """Why a case counts as not restored."""


class Late(Failure):
    """It came back exactly, but not in time: it can go on."""


class Silent(Clock):
    """The lab's restarts say nothing here."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Watch:
    """What the guard of a host does, seen from inside the host and not over ssh."""

    def __init__(self, target: Target, mend: str, seconds: int) -> None:
        self.events: dict[str, list[str]] = {}
        self.seen: list[str] = []
        self.changed = threading.Condition()
        self.process = subprocess.Popen(
            [*target.engine.argv, "exec", "-i", target.container, "sh", "-s", str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdin
        functions = {"mend": mend or ":", "look": script("look")}
        text = "".join(f"{name}() {{\n{body}\n}}\n" for name, body in functions.items())
        self.process.stdin.write(text + script("watch"))
        self.process.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self.changed:
                words = line.split()
                if self.seen or words[:1] == ["uptime"]:
                    self.seen.append(line.rstrip("\n"))
                elif words and words[0] in ("armed", "applied", "gone"):
                    self.events[words[0]] = words[1:]
                else:
                    self.events.setdefault("note", []).append(line.strip())
                self.changed.notify_all()
        self.process.wait()
        with self.changed:
            self.events.setdefault("end", [])
            self.changed.notify_all()

    def wait(self, event: str, seconds: float) -> list[str] | None:
        """Wait for an event; None where it does not come."""
        with self.changed:
            self.changed.wait_for(lambda: event in self.events or "end" in self.events, seconds)
            return self.events.get(event)


class Controller:
    """One run of ansible-playbook with connections of its own."""

    running: t.ClassVar[set[Controller]] = set()

    def __init__(self, inventory: str, host: str, playbook: str, variables: dict[str, t.Any], label: str = "") -> None:
        # Short: the path of a socket has its limit.
        self.folder = tempfile.mkdtemp(prefix="fault.")
        environment = {
            **os.environ,
            "ANSIBLE_SSH_CONTROL_PATH_DIR": self.folder,
            "ANSIBLE_SSH_ARGS": SSH,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_LOCAL_TEMP": f"{self.folder}/ansible",
        }
        words = ["-i", str(ROOT / inventory), "--limit", host, "-e", json.dumps(variables), str(HERE / playbook)]
        self.log = open(f"{self.folder}/log{label}", "w+", encoding="utf-8")  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("ansible-playbook")), *words],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.running.add(self)

    def masters(self) -> list[int]:
        """Return the ssh processes that use this run's folder."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if self.folder in words and words.startswith(("ssh", "/usr/bin/ssh")):
                found.append(int(path.parent.name))
        return found

    def kill(self, connections_only: bool = False) -> None:
        """SIGKILL, as if the machine had lost power: every process of the run, and the connections it left open."""
        if not connections_only:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.process.wait()
        for pid in self.masters():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; None where it did not come."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def said(self) -> str:
        """All that it printed."""
        self.log.flush()
        return Path(self.log.name).read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """End what is left and remove the folder."""
        self.running.discard(self)
        self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Target:
    """One host of the lab."""

    def __init__(self, engine: Engine, lab: Lab, machine: Machine, inventory: str) -> None:
        self.engine, self.lab, self.machine, self.inventory = engine, lab, machine, inventory
        self.container = lab.container(machine)
        self.ipv6 = machine.addresses[0].partition("/")[0]
        self.before: list[str] = []

    def shell(self, script: str) -> str:
        """Run a script inside, past ssh."""
        return self.engine.shell(self.container, script)

    def look(self) -> tuple[float, list[str]]:
        """Return when it was looked, and what the host is."""
        done = self.engine.run("exec", "-i", self.container, "sh", stdin=script("look").encode())
        return looked(done.stdout.decode().splitlines())

    def restart(self, hard: bool) -> None:
        """Restart it, and wait until it is up. Not while another one is made anew: that starts whatever is down."""
        with REMAKING:
            reboot(self.engine, self.lab, [self.machine.name], hard, Silent())

    def prepare(self) -> None:
        """Make it a host with something to lose."""
        self.engine.run("exec", "-i", self.container, "sh", stdin=script("prepare").encode())
        self.restart(hard=False)
        self.before = self.look()[1]

    def remake(self) -> None:
        """Start afresh: what was not restored may be anything."""
        with REMAKING:
            remove(self.engine, self.container)
            up(self.engine, self.lab, Silent())
        self.prepare()
