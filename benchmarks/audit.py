# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audit of many hosts costs, as a multiple of bare fact gathering on the same hosts in the same run.

The hosts are network namespaces with real addresses, rules, sockets and zones (tests/topologies). Ansible enters them
by its local connection, so nothing of what ssh costs makes the ratio look better. Both playbooks run in turns; the best
wall time of each counts. Remote calls are counted from Ansible's own words.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOPOLOGIES = ROOT / "tests" / "topologies"
sys.path[:0] = [str(TOPOLOGIES), str(ROOT / ".build" / "collections")]
ISOLATED = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
LIMIT = 3.0


def inventory(made: t.Any, folder: Path) -> Path:
    """Write an inventory by which Ansible enters each machine, and the plan beside it."""
    import drawn

    def way_in(name: str, pid: str) -> dict[str, t.Any]:
        path = folder / f"in-{name}"
        path.write_text(f'#!/bin/sh\nexec nsenter --target {pid} --net --mount -- /usr/bin/python3 "$@"\n')
        path.chmod(0o755)
        return {"ansible_connection": "local", "ansible_python_interpreter": str(path)}

    site = made.site
    hosts = {name: {**values, **way_in(name, made.hosts[name].pid)} for name, values in site.variables.items()}
    for values in hosts.values():
        values.pop("inventory_hostname")
    lab = {
        **way_in("lab1", made.lab.pid),
        "ansible_host": drawn.LAB["ipv4"],
        "ipv6_outside_source": drawn.LAB["outside"],
    }
    shared = {
        "ipv6_prefix": site.prefix,
        "ipv6_subnets": site.subnets,
        "ipv6_dns": {"server": site.members["ns1"]["ipv4"], "port": 53},
        "ipv6_plan_file": str(folder / "ipv6_plan.yml"),
    }
    for values in hosts.values():
        values.update({key: value for key, value in shared.items() if key in ("ipv6_prefix", "ipv6_dns")})
    told = {"all": {"vars": shared, "hosts": hosts, "children": {"lab": {"hosts": {"lab1": lab}}}}}
    path = folder / "inventory.json"
    path.write_text(json.dumps(told))
    (folder / "ipv6_plan.yml").write_text(json.dumps(site.plan))
    return path


def play(name: str, path: Path, *more: str) -> tuple[float, str]:
    """Run a playbook and return its wall time and what it printed."""
    words = ["ansible-playbook", name, "-i", str(path), *more]
    start = time.monotonic()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        said = [line for line in done.stdout.splitlines() if "fatal:" in line or "ERROR" in line or "msg:" in line]
        sys.exit(f"{' '.join(words)} failed:\n" + "\n".join(said[:20]) + done.stderr[-2000:])
    return seconds, done.stdout


def main() -> int:
    """Print the ratio; return 1 where the promise does not hold."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--hosts", type=int, default=100)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--inside", action="store_true", help="in namespaces already")
    given = words.parse_args()
    if not given.inside:
        return subprocess.run([*ISOLATED, sys.executable, __file__, *sys.argv[1:], "--inside"], check=False).returncode
    import drawn
    import world

    site = drawn.site(1, given.hosts)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.monotonic()
        made = world.World(site, folder)
        print(f"{os.cpu_count()} cores, {len(site.specs)} hosts, made in {time.monotonic() - start:.0f} s", flush=True)
        path = inventory(made, folder)
        plays = {
            "facts": ("benchmarks/facts.yml", "--limit", "all:!lab"),
            "audit": ("playbooks/audit.yml", "-e", f"audit_folder={folder / 'out'}"),
        }
        best = dict.fromkeys(plays, float("inf"))
        for _round in range(given.rounds):
            for which, (playbook, *more) in plays.items():
                best[which] = min(best[which], play(playbook, path, *more)[0])
        output = play(*plays["audit"][:1], path, *plays["audit"][1:], "-vvv")[1]
        document = json.loads((folder / "out" / "ipv6_audit.json").read_text())
    calls = collections.Counter(re.findall(r"^<([^>]+)> EXEC ", output, re.MULTILINE))
    for which, seconds in best.items():
        print(f"{which:6} {seconds:8.2f} s {seconds / best['facts']:6.2f} x facts")
    print("timeline:", document["run"]["timeline"])
    print("results:", document["site"]["counts"])
    print("remote calls:", dict(collections.Counter(calls.values())), "(how many hosts had how many)")
    ratio = best["audit"] / best["facts"]
    print(f"the audit takes {ratio:.2f} times what bare fact gathering takes (limit {LIMIT})")
    return 1 if ratio > LIMIT else 0


if __name__ == "__main__":
    sys.exit(main())
