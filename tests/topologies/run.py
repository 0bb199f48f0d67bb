# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit random sites in which nothing is wrong, and see that the audit finds nothing wrong.

``run.py --count 50 --seed 1`` makes the sites 1 to 50, one after the other, each of real namespaces, sockets, rules
and zones. ``--one SEED`` shows all that the audit says of one of them.
"""

from __future__ import annotations

import argparse
import collections
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / ".build" / "collections")]

import drawn  # noqa: E402
import world  # noqa: E402

from ansible_collections.ipv6.rollout.plugins.plugin_utils import (  # noqa: E402
    dns_server,
    readiness,
    readiness_model,
    readiness_site,
    zone_info,
)

ISOLATED = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
LIMIT = 180  # seconds for one site


def audit(site: drawn.Drawn, folder: Path) -> list[readiness_model.Result]:
    """Build a site and return all that the audit says of it."""
    made = world.World(site, folder)
    server = site.members["ns1"]["ipv4"]
    for values in site.variables.values():
        values["ipv6_prefix"], values["ipv6_dns"] = site.prefix, {"server": server, "port": 53}
    with dns_server.Server(server, 53, None, 5.0) as asked:
        reading = zone_info.read(zone_info.wish([], site.members), asked)
    dns = {
        "records": reading.records,
        "zones": reading.zones,
        "unknown": reading.unknown,
        "findings": zone_info.judged(reading, None, None),
    }
    lab = {"name": "lab1", "ipv4": drawn.LAB["ipv4"], "outside_source": drawn.LAB["outside"]}

    def seen(looks: t.Mapping[str, object], proofs: t.Mapping[str, t.Any]) -> readiness_model.Site:
        hosts = readiness_site.hosts(site.specs, site.plan, site.variables, looks)
        return readiness_model.Site(hosts, site.plan, proofs, dns, lab, token="topology")

    first = seen({}, {})
    proofs = ask(made, first)
    looks = {
        name: {"host_info": machine.ask(world.LOOK, readiness_site.wants(first, name))}
        for name, machine in made.hosts.items()
    }
    proofs.update(ask(made, seen(looks, proofs)))
    return [result for result, _because in readiness.judge(seen(looks, proofs))]


def ask(made: world.World, site: readiness_model.Site) -> dict[str, t.Any]:
    """Let the lab machine make the probes."""
    wanted, problems = readiness.probes(site)
    if problems:
        raise RuntimeError("; ".join(problems))
    return {proof["id"]: proof for proof in made.lab.ask(world.PROBE, wanted)}


def one(seed: int) -> int:
    """Audit one site; print what is wrong, and how much there was to see."""
    start = time.monotonic()
    site = drawn.site(seed)
    with tempfile.TemporaryDirectory() as folder:
        results = audit(site, Path(folder))
    counted = collections.Counter(result.status for result in results)
    red = [result for result in results if result.status == readiness_model.FAIL]
    for result in red:
        about = " ".join(part for part in (result.host, result.service, result.name, result.family) if part)
        print(f"RED {result.check} {about}: {result.message}; {' | '.join(result.evidence)}")
    told = ", ".join(f"{counted[status]} {status}" for status in readiness_model.STATUSES)
    print(f"site {seed}: {len(site.specs)} hosts, {told}, {time.monotonic() - start:.1f} s", flush=True)
    if "--verbose" in sys.argv:
        for result in results:
            print(
                f"{result.status:15} {result.check} {result.host} {result.service} {result.name} {result.family}: ",
                end="",
            )
            print(result.message)
    return 1 if red or not counted[readiness_model.PASS] else 0


def main() -> int:
    """Entry point."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--count", type=int, default=50)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--one", type=int, help="only this site, in this process's own namespaces")
    words.add_argument("--verbose", action="store_true", help="with --one: all results")
    given = words.parse_args()
    if given.one is not None:
        return one(given.one)
    bad = []
    for seed in range(given.seed, given.seed + given.count):
        command = [*ISOLATED, sys.executable, str(HERE / "run.py"), "--one", str(seed)]
        done = subprocess.run(command, check=False, timeout=LIMIT)
        if done.returncode != 0:
            bad.append(seed)
    print(f"{given.count - len(bad)} of {given.count} healthy sites without a red" + (f"; not: {bad}" if bad else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
