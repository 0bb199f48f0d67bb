# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Break one thing at a time, and see that a scenario notices: a test that can't fail proves nothing.

Each mutant is made in a copy of the checkout; its scenario must fail, and for the reason that was broken.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / ".build" / "mutants" / "tree"
STAGES = ("destroy", "create", "converge", "verify", "side-effect")


class Mutant(t.NamedTuple):
    """One thing to break: a text in a file, the scenario that must notice, and what it must complain of."""

    name: str
    scenario: str
    file: str
    old: str
    new: str
    noticed: str


MUTANTS = (
    Mutant(
        "a rule that lets everybody in",
        "default",
        "plugins/module_utils/rules.py",
        'f"-A {chain} -p tcp -j REJECT --reject-with tcp-reset"',
        'f"-A {chain} -p tcp -j ACCEPT"',
        "Be refused at once where nothing was opened",
    ),
    Mutant(
        "neighbour discovery dropped",
        "default",
        "plugins/module_utils/icmpv6.py",
        'Message("135", "neighbour solicitation", "4.4.1", (), 255)',
        'Message("135", "neighbour solicitation", "4.4.1", (), 254)',
        "does not answer|fresh login|not opened and not published",
    ),
    Mutant(
        "a check that sees no lock-out",
        "ip6tables",
        "plugins/module_utils/lockout.py",
        'if found.result == "refuse":',
        'if found.result == "nothing":',
        "See that it was refused before anything was changed",
    ),
    Mutant(
        "the wrong PTR",
        "default",
        "plugins/plugin_utils/dns_hosts.py",
        '"data": (host.names or host.lab_names)[0]',
        '"data": host.lab_names[0]',
        "in the reverse zone, not",
    ),
    Mutant(
        "AAAA published too early",
        "default",
        "playbooks/tasks/rollout.yml",
        '- name: "Step 4 of 10, the guard',
        """- name: Publish at once
  ansible.builtin.include_role:
    name: ipv6.rollout.dns
  vars:
    dns_hosts: "{{ rollout_batch }}"
    dns_publish: true
  run_once: true

- name: "Step 4 of 10, the guard""",
        "Ask for what must not be there yet",
    ),
    Mutant(
        "no SPF term",
        "default",
        "plugins/plugin_utils/dns_hosts.py",
        "        for domain in host.mail_domains:",
        "        for domain in []:",
        "Ask for the SPF policy",
    ),
    Mutant(
        "inet_protocols left alone",
        "default",
        "roles/postfix/defaults/main.yml",
        "postfix_inet_protocols: all",
        "postfix_inet_protocols: ipv4",
        "smtp over ipv6: .*refused",
    ),
    Mutant(
        "Apache left with IPv4",
        "default",
        "roles/apache/defaults/main.yml",
        "apache_mode: mapped",
        "apache_mode: ipv4",
        "http over ipv6: .*refused",
    ),
    Mutant(
        "an unreachable gateway",
        "default",
        "roles/interfaces/tasks/main.yml",
        'gateway: "{{ interfaces_gateway if',
        "gateway: \"{{ 'fe80::dead' if",
        "does not answer|fresh login|not opened and not published",
    ),
    Mutant(
        "a blind preflight",
        "preflight",
        "plugins/plugin_utils/preflight.py",
        "    lines = list(site)\n",
        "    return ''\n    lines = list(site)\n",
        "Roll out what can't work",
    ),
    Mutant(
        "a plan without a memory",
        "plan",
        "plugins/plugin_utils/plan.py",
        "old = read_plan(previous, source, tree)",
        "old = read_plan(None, source, tree)",
        "See what it would change",
    ),
    Mutant(
        "a report that calls everything proved",
        "readiness",
        "plugins/plugin_utils/fleet.py",
        '"proved": bool(proof["ok"]),',
        '"proved": True,',
        "The report says that all is proved",
    ),
)


def copy() -> None:
    """Make a fresh copy of the checkout, as git sees it."""
    shutil.rmtree(TREE, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (TREE / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, TREE / name)
    link = TREE / ".build" / "collections" / "ansible_collections" / "ipv6" / "rollout"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../../..")


def scenario(name: str) -> tuple[str, str]:
    """Run a scenario's stages and return the one that failed (or an empty text) and all that was printed."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(TREE / "ansible.cfg"), "NO_COLOR": "1", "COLUMNS": "400"}
    environment["ANSIBLE_COLLECTIONS_PATH"] = str(TREE / ".build" / "collections")
    output = ""
    for stage in STAGES:
        if stage == "side-effect" and not (TREE / "molecule" / name / "side_effect.yml").exists():
            continue
        done = subprocess.run(
            ["molecule", stage, "--scenario-name", name],
            cwd=TREE,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        output += done.stdout
        if done.returncode != 0:
            return stage, output
    return "", output


def main(words: list[str]) -> int:
    """Try the mutants whose name contains one of the words, or all; return 1 where one was not noticed."""
    survivors = tried = 0
    for mutant in MUTANTS:
        if words and not any(word in mutant.name for word in words):
            continue
        copy()
        path = TREE / mutant.file
        text = path.read_text(encoding="utf-8")
        if text.count(mutant.old) < 1:
            sys.exit(f"{mutant.name}: {mutant.file} has no {mutant.old!r} any more; mend tests/mutants.py")
        path.write_text(text.replace(mutant.old, mutant.new, 1), encoding="utf-8")
        start = time.monotonic()
        stage, output = scenario(mutant.scenario)
        plain = re.sub(r"\x1b\[[0-9;]*m|\n\s*│\s*", " ", output)
        if not stage:
            verdict = "NOT NOTICED"
        elif not re.search(mutant.noticed, re.sub(r"\s+", " ", plain)):
            verdict = f"noticed in {stage}, but nothing says '{mutant.noticed}'"
        else:
            verdict = f"noticed in {stage}"
        survivors += not verdict.startswith("noticed in") or "but" in verdict
        tried += 1
        print(f"{mutant.name:42} {mutant.scenario:10} {verdict} ({time.monotonic() - start:.0f} s)", flush=True)
        if "NOT" in verdict or "but" in verdict:
            (ROOT / ".build" / "mutants" / f"{tried}.log").write_text(output, encoding="utf-8")
    if tried:
        scenario_end = ["molecule", "destroy", "--scenario-name", "default"]
        subprocess.run(scenario_end, cwd=TREE, capture_output=True, check=False)
    print(f"{tried - survivors} passed, {survivors} failed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
