# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run that changes nothing costs, as multiples of fact gathering on the same hosts in the same run.

Each playbook runs several times, in turns, and its best wall time counts: the machine's other work only ever adds.
Remote calls are counted from Ansible's own words: one line "SSH: EXEC" for each program started over ssh.
"""

from __future__ import annotations

import argparse
import collections
import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLAYBOOKS = {
    "facts": ROOT / "benchmarks" / "facts.yml",
    "services": ROOT / "benchmarks" / "services.yml",
    "rollout": ROOT / "playbooks" / "rollout.yml",
}
# What was promised: the multiple of fact gathering, and the remote calls per host.
LIMITS = {"services": 2.0, "rollout": 6.0}
CALLS = 10


def run(name: str, inventory: str, *more: str) -> tuple[float, str]:
    """Run a playbook and return its wall time and what it printed."""
    argv = ["ansible-playbook", str(PLAYBOOKS[name]), "-i", inventory, *more]
    start = time.monotonic()
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
    return seconds, done.stdout


def changed(output: str) -> int:
    """Return how many changes the recap tells of."""
    return sum(int(number) for number in re.findall(r"changed=(\d+)", output))


def calls(output: str) -> dict[str, int]:
    """Count the programs started over ssh, by address."""
    return dict(collections.Counter(re.findall(r"^<([^>]+)> SSH: EXEC ", output, re.MULTILINE)))


def main() -> int:
    """Print the ratios; return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-i", "--inventory", default="lab/inventory")
    parser.add_argument("-n", "--rounds", type=int, default=5)
    given = parser.parse_args()
    print(f"{os.cpu_count()} cores; the machines of the lab share them. Best of {given.rounds} rounds.", flush=True)

    _seconds, output = run("rollout", given.inventory)
    print(f"brought to the state in which nothing is left to do ({changed(output)} changes)", flush=True)
    best = dict.fromkeys(PLAYBOOKS, float("inf"))
    for _round in range(given.rounds):
        for name in PLAYBOOKS:
            seconds, output = run(name, given.inventory)
            best[name] = min(best[name], seconds)
            if name != "facts" and changed(output):
                sys.exit(f"{name}: {changed(output)} changes in a run that should change nothing")
    counted = {name: calls(run(name, given.inventory, "-vvv")[1]) for name in PLAYBOOKS}

    broken = 0
    print(f"\n{'playbook':10} {'seconds':>8} {'x facts':>8} {'limit':>6}  remote calls")
    for name, seconds in best.items():
        ratio = seconds / best["facts"]
        limit = LIMITS.get(name)
        told = ", ".join(f"{host}: {count}" for host, count in sorted(counted[name].items()))
        print(f"{name:10} {seconds:8.2f} {ratio:8.2f} {limit or '':>6}  {told}")
        broken += limit is not None and ratio > limit
    most = max(counted["rollout"].values())
    print(f"\nthe whole rollout makes at most {most} remote calls per host (limit {CALLS})")
    broken += most > CALLS
    print("every promise holds" if not broken else f"{broken} promises do not hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
