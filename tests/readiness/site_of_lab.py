# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site that defects are put into: brought up and rolled out once, asked past ssh, and audited as anybody would."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The lab's own programs.
sys.path.insert(0, str(ROOT / "lab"))

import snapshots  # noqa: E402
import zones  # noqa: E402
from defect import Step  # noqa: E402
from engine import Engine  # noqa: E402
from model import Lab, LabError, load  # noqa: E402

from lab import Clock, up  # noqa: E402

__all__ = ["LabError", "Red", "Site", "Trouble"]

Red = t.FrozenSet[t.Tuple[str, str]]
READY = "readiness-site"  # in the lab's folder: on which containers the rollout is through
HEALTHY = "readiness-healthy.json"  # the report of the site before any defect; @before@ in a defect's variables
# The rest is in a playbook of its own, for the hosts without IPv4.
PLAYBOOKS = ("rollout.yml", "ipv6_only.yml")


class Trouble(Exception):
    """Why a case could not be carried out."""


class Silent(Clock):
    """Says nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""


class Site:
    """A lab with the site on it."""

    def __init__(self, inventory: str, suite: str) -> None:
        self.inventory = str(Path(inventory).resolve())
        self.lab: Lab = load(self.inventory)
        self.engine = Engine(suite)
        self.facts = ""
        self.document: dict[str, t.Any] = {}

    # ------------------------------------------------------------------------------------------------- to make it

    def make(self, rolled_out: bool) -> None:
        """Bring the machines up and roll IPv6 out, unless that was done already or somebody else has done it."""
        ready = self.lab.state / READY
        up(self.engine, self.lab, Silent())
        # A machine that was made anew knows nothing of it.
        label = f"label=ipv6-rollout-lab={self.lab.name}"
        made = "\n".join(sorted(self.engine.text("ps", "--all", "--filter", label, "--format", "{{.ID}}").split()))
        if rolled_out:
            ready.write_text(made, encoding="ascii")
        if not ready.exists() or ready.read_text(encoding="ascii") != made:
            for playbook in PLAYBOOKS:
                code, said = self.play(playbook, {}, 900)
                if code != 0:
                    raise Trouble(f"playbooks/{playbook} ended with {code}\n{said[-3000:]}")
            ready.write_text(made, encoding="ascii")
        self.facts = self._facts()

    def _facts(self) -> str:
        """Return what the scripts know of the site, as assignments of the shell."""
        plan = yaml.safe_load((self.lab.state / "ipv6_plan.yml").read_text(encoding="utf-8"))
        said = {"domain": self.lab.domain, "network4": str(self.lab.network), "prefix6": str(self.lab.prefix)}
        for machine in self.lab.machines:
            own = machine.interfaces(6)
            six = plan["hosts"].get(machine.name) or (str(own[0].ip) if own else "")
            said[f"{machine.name}_4"] = machine.ipv4
            said[f"{machine.name}_link"] = self.shell(machine.name, LINK).strip()
            said[f"{machine.name}_6"] = six
            said[f"{machine.name}_public"] = machine.public
            said[f"{machine.name}_ptr"] = f"{ipaddress.ip_address(six).reverse_pointer}." if six else ""
        names = list(zones.zones(self.lab))
        said["zones"] = " ".join(names)
        said["zone6"] = [name for name in names if name.endswith(".ip6.arpa")][-1]
        server = self.lab.of_kind("nameserver")[0].name
        told = self.shell(server, f"dig +short @127.0.0.1 {self.lab.domain} TXT")
        said["spf"] = next(line for line in told.splitlines() if "v=spf1" in line).strip('"')
        tester = self.lab.of_kind("lab")[0].interfaces(6)
        said.update(lab6=str(tester[0].ip), outside6=str(tester[1].ip), outside_net6=str(tester[1].network))
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in said.items())

    # --------------------------------------------------------------------------------------------------- to use it

    def shell(self, host: str, script: str) -> str:
        """Run a script on a machine, or here; the first line that fails ends it."""
        text = f"set -eu\n{self.facts}{script}\n"
        if host == "here":
            done = subprocess.run(
                ["sh", "-s"], input=text, cwd=self.lab.state, capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                raise Trouble(f"here: {done.stderr.strip()}")
            return done.stdout
        # Not as an argument: a script may be long.
        argv = ("exec", "-i", self.lab.container(host), "sh", "-s")
        made = self.engine.run(*argv, stdin=text.encode(), check=False, timeout=90)
        if made.returncode != 0:
            raise Trouble(f"{host}: {(made.stderr or made.stdout).decode(errors='replace').strip()[-600:]}")
        return made.stdout.decode(errors="replace")

    def seed(self, steps: t.Sequence[Step]) -> None:
        """Put a defect in."""
        for step in steps:
            self.shell(step.host, step.seed)

    def undo(self, steps: t.Sequence[Step]) -> None:
        """Take a defect out again, the last part first; each part is tried whatever became of the others."""
        said = []
        for step in reversed(steps):
            try:
                self.shell(step.host, step.undo)
            except Trouble as error:
                said.append(str(error))
        if said:
            raise Trouble("undo: " + "; ".join(said))

    def play(self, playbook: str, variables: t.Mapping[str, t.Any], seconds: float) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection on the site."""
        program = Path(sys.executable).with_name("ansible-playbook")
        argv = [str(program), "-i", self.inventory, "-e", json.dumps(dict(variables)), f"playbooks/{playbook}"]
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0"}
        running = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _nothing = running.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Trouble(f"playbooks/{playbook}: no end after {seconds:.0f} s") from None
        finally:
            # Its workers, too, whoever ended it.
            if running.poll() is None:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
        return running.returncode, said

    def audit(self, variables: t.Mapping[str, t.Any] | None = None) -> tuple[Red, Red]:
        """Audit the site; return what is red and what is unknown, as (check, host)."""
        before = str(self.lab.state / HEALTHY)
        given = {key: before if value == "@before@" else value for key, value in (variables or {}).items()}
        with tempfile.TemporaryDirectory(prefix="readiness.") as folder:
            code, said = self.play("audit.yml", {**given, "audit_folder": folder}, 300)
            path = Path(folder) / "ipv6_audit.json"
            if not path.exists():
                raise Trouble(f"playbooks/audit.yml ended with {code} and no report\n{said[-3000:]}")
            self.document = json.loads(path.read_text(encoding="utf-8"))
        found: dict[str, set[tuple[str, str]]] = {"fail": set(), "unknown": set()}
        for result in self.document["results"]:
            if result["status"] in found and not result["accepted"]:
                found[result["status"]].add((result["check"], result["host"]))
        return frozenset(found["fail"]), frozenset(found["unknown"])

    def passed(self) -> Red:
        """Return what passed in the last audit."""
        return frozenset((one["check"], one["host"]) for one in self.document["results"] if one["status"] == "pass")

    def keep(self) -> None:
        """Keep the last report as that of the healthy site."""
        (self.lab.state / HEALTHY).write_text(json.dumps(self.document), encoding="utf-8")

    def said(self, check: str, host: str) -> list[str]:
        """Return what the last audit said of a check that failed."""
        return [
            f"{result['message']} | {' | '.join(result['evidence'][:3])}"
            for result in self.document["results"]
            if (result["check"], result["host"], result["status"]) == (check, host, "fail")
        ]

    def snapshot(self, hosts: t.Collection[str] | None = None) -> snapshots.Snapshot:
        """Return files, addresses, routes, rules, settings, sockets and zones of these machines, or of all."""
        chosen = [machine for machine in self.lab.machines if hosts is None or machine.name in hosts]
        return snapshots.take(self.engine, self.lab, chosen)

    def differences(
        self, before: snapshots.Snapshot, hosts: t.Collection[str] | None = None, patience: float = 10.0
    ) -> list[str]:
        """Return in what machines differ from a snapshot, once they have had time to become what they were."""
        end = time.monotonic() + patience
        before = {name: value for name, value in before.items() if hosts is None or name in hosts}
        while True:
            changed = snapshots.differences(before, self.snapshot(hosts))
            if not changed or time.monotonic() > end:
                return changed

    def growing(self) -> dict[str, str]:
        """Return each log file of the machines with its beginning's digest, to see that it only grew."""
        found = {}
        for machine in self.lab.machines:
            said = self.shell(machine.name, LOGS)
            for line in said.splitlines():
                match = re.fullmatch(r"(\d+) ([0-9a-f]{64}) (.*)", line)
                if match:
                    found[f"{machine.name}:{match[3]}"] = f"{match[1]} {match[2]}"
        return found

    def grown(self, before: t.Mapping[str, str]) -> list[str]:
        """Return the log files that did anything but grow."""
        wrong = []
        for place, said in before.items():
            host, _colon, path = place.partition(":")
            size, digest = said.split()
            quoted = shlex.quote(path)
            try:
                now = self.shell(host, f"head -c {size} {quoted} | sha256sum | cut -d ' ' -f 1").strip()
            except Trouble:
                now = "gone"
            if now != digest:
                wrong.append(f"{place}: it did not only grow")
        return wrong


LINK = 'ip -6 -o addr show dev eth0 scope link | awk \'{ sub("/.*", "", $4); print $4; exit }\''
# The journal is binary and rewrites its head as it grows; it is told of in words.
LOGS = r"""
find /var/log /var/mail /var/spool/mail -type f ! -path '/var/log/journal/*' 2>/dev/null | sort -u |
    while read -r path; do
        size=$(stat -c %s "$path")
        echo "$size $(head -c "$size" "$path" | sha256sum | cut -d ' ' -f 1) $path"
    done
"""
