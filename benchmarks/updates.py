# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dynamic updates and transfers cost against a real BIND on loopback, as ratios to others in the same run.

The server is a child of this program. Each way runs in several rounds that take turns, in this process, and its best
time counts. Where others are measured, they do the same: the same zone is transferred, the same kind of record written.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".build" / "collections"
RECORDS = 10_000
LOOP = 10  # records through community.general.nsupdate, one task each
BASE = 0x20010DB8120000000000000000000000
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"
PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - community.general.nsupdate:
        server: 127.0.0.1
        port: {port}
        protocol: tcp
        key_name: rollout
        key_algorithm: hmac-sha256
        key_secret: {secret}
        zone: example.com
        record: "bench{{{{ item }}}}.example.com."
        type: AAAA
        ttl: 600
        value: "2001:db8:1200::{{{{ item }}}}"
      loop: "{{{{ range(1, count | int + 1) | list }}}}"
"""

Seconds = t.Tuple[float, float]  # wall time, and processor time of this process


def core(name: str) -> t.Any:
    """Return a module of the collection, found as Ansible finds it."""
    return importlib.import_module(f"ansible_collections.ipv6.rollout.{name}")


def timed(run: t.Callable[[], t.Any]) -> tuple[t.Any, Seconds]:
    """Run something; return its result and what it cost."""
    gc.collect()
    wall, processor = time.perf_counter(), time.process_time()
    result = run()
    return result, (time.perf_counter() - wall, time.process_time() - processor)


def pointers(count: int, first: int) -> list[dict[str, str]]:
    """Return PTR records that nobody has, as a user writes them."""
    name_of = core("plugins.plugin_utils.reverse").name_of
    return [
        {"name": name_of(6, BASE + (first << 64) + (n << 40) + n), "type": "PTR", "data": f"h{n}.example.com"}
        for n in range(count)
    ]


def module(named: t.Any, records: list[dict[str, str]], way: str = "auto") -> t.Callable[[], bool]:
    """Return all that the action plugin does for one task; it tells whether something changed."""
    update, plan = core("plugins.plugin_utils.dns_update"), core("plugins.plugin_utils.dns_records")

    def run() -> bool:
        wish = update.wanted(records, exclusive=True)
        with named.server() as server:
            found = plan.plan(wish, server, way)
            outcome = plan.apply(found, server)
        if outcome.error:
            sys.exit(outcome.error)
        return bool(plan.result(outcome.done, outcome.live, True)["changed"])

    return run


def transfer(named: t.Any) -> int:
    """Transfer the zone; return the number of its records."""
    with named.server() as server:
        return int(server.transfer(f"{REVERSE}.").records)


def transfer_dnspython(named: t.Any, key: t.Any) -> int:
    """The same with dnspython."""
    import dns.query
    import dns.zone

    messages = dns.query.xfr(
        "127.0.0.1", REVERSE, port=named.port, relativize=False, keyring={key.name: key}, keyname=key.name
    )
    zone = dns.zone.from_xfr(messages, relativize=False)
    return sum(len(rdataset) for node in zone.nodes.values() for rdataset in node)


def nsupdate(named: t.Any, secret: str) -> float | None:
    """Return the seconds for one record in a loop over community.general.nsupdate, or None where it is not there."""
    bench = ROOT / ".build" / "venv-bench" / "bin"
    programs = [bench / "ansible-playbook", Path(sys.executable).parent / "ansible-playbook"]
    for program in programs:
        if not list(program.parent.parent.glob("lib/python3*/site-packages/ansible_collections/community/general")):
            continue
        with tempfile.TemporaryDirectory() as folder:
            playbook = Path(folder) / "play.yml"
            playbook.write_text(PLAYBOOK.format(port=named.port, secret=secret))
            taken = []
            for count in (1, LOOP + 1):
                argv = [str(program), "-i", "localhost,", str(playbook), "-e", f"count={count}"]
                argv += ["-e", f"ansible_python_interpreter={program.parent / 'python'}"]
                environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "HOME": folder}
                environment.pop("ANSIBLE_COLLECTIONS_PATH", None)
                environment.pop("PYTHONPATH", None)
                start = time.perf_counter()
                done = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=folder, check=False)
                taken.append(time.perf_counter() - start)
                if done.returncode:
                    sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
        return (taken[1] - taken[0]) / LOOP
    return None


def measure(folder: Path, rounds: int) -> tuple[dict[str, Seconds], dict[str, t.Any]]:
    """Measure every way; return the best of each, and what else is worth telling."""
    lab = core("tests.unit.plugins.plugin_utils.dns_named")
    best: dict[str, Seconds] = {}

    def put(name: str, seconds: Seconds) -> None:
        best[name] = min(best.get(name, seconds), seconds)

    loop = None
    key = core("plugins.plugin_utils.dns_server").tsig_key("rollout", lab.SECRET, "hmac-sha256")
    for place in range(rounds):
        home = folder / str(place)
        home.mkdir()
        named = lab.Named(home, {"example.com": f"{lab.HEAD}ns1 IN A 192.0.2.53\n", REVERSE: lab.HEAD})
        named.start()
        try:
            records = pointers(RECORDS, 0)
            for name, way, changed in (
                ("write", "auto", True),
                ("right", "auto", False),
                ("right, asked", "query", False),
            ):
                found, seconds = timed(module(named, records, way))
                if found != changed:
                    sys.exit(f"{name}: the task has {'' if found else 'not '}changed something")
                put(name, seconds)
            ours, seconds = timed(lambda named=named: transfer(named))
            put("transfer", seconds)
            theirs, seconds = timed(lambda named=named: transfer_dnspython(named, key))
            put("transfer, dnspython", seconds)
            if not ours == theirs == RECORDS + 2:
                sys.exit(f"the transfers gave {ours} and {theirs} records")
            loop = nsupdate(named, lab.SECRET) if place == 0 else loop
        finally:
            named.stop()
        print(f"round {place + 1} of {rounds}", file=sys.stderr, flush=True)
    return best, {"nsupdate": loop}


def main() -> int:
    """Print the figures; return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print what was measured, as JSON")
    given = parser.parse_args()
    sys.path.insert(0, str(COLLECTIONS))
    lab = core("tests.unit.plugins.plugin_utils.dns_named")
    if lab.NAMED is None:
        sys.exit("named is not installed (Debian package bind9)")
    with tempfile.TemporaryDirectory() as folder:
        best, others = measure(Path(folder), given.rounds)
    if given.json:
        print(json.dumps({**best, **others}))
    wall = {name: seconds[0] for name, seconds in best.items()}
    processor = {name: seconds[1] for name, seconds in best.items()}
    each = wall["write"] / RECORDS
    loop = others["nsupdate"]
    # What is compared, the figure, and the promise where there is one.
    lines: list[tuple[str, float, str, float | None]] = [
        ("milliseconds to write a PTR record, wall time", each * 1000, "<=", 1),
        (f"{RECORDS:,} already right, to writing them, wall time", wall["right"] / wall["write"], "<=", 0.1),
        ("the same, processor time of this process", processor["right"] / processor["write"], "<=", 0.1),
        ("the same, asked one by one, wall time", wall["right, asked"] / wall["write"], "", None),
        (
            "dnspython's transfer, to ours, processor time",
            processor["transfer, dnspython"] / processor["transfer"],
            "",
            None,
        ),
    ]
    if loop is not None:
        lines.append(("a record in a loop over nsupdate, to ours, wall time", loop / each, ">=", 700))
    print(f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}; best of {given.rounds}\n")
    for name in best:
        print(f"  {name:22} {wall[name]:8.3f} s wall, {processor[name]:8.3f} s processor time here")
    if loop is None:
        print("  community.general.nsupdate is not measured: the package ansible is not there")
    else:
        print(f"  {'nsupdate, each record':22} {loop:8.3f} s wall")
    broken = 0
    print(f"\n{'what':56} {'figure':>8}     limit")
    for name, figure, sign, limit in lines:
        if limit is None:
            print(f"{name:56} {figure:8.3f}")
            continue
        holds = figure <= limit if sign == "<=" else figure >= limit
        broken += not holds
        print(f"{name:56} {figure:8.3f}  {sign} {limit:<5} {'' if holds else 'DOES NOT HOLD'}")
    print("every promise holds" if not broken else f"{broken} promises do not hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
