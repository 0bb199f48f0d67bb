# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan costs, as multiples of what others need for the same in the same run.

Each way is measured in processes of its own, in turns with the others, by processor time, and its best time counts: the
machine's other work only ever adds. Ways that should give the same result are held against each other by digest.
"""

from __future__ import annotations

import argparse
import functools
import gc
import hashlib
import itertools
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLLECTIONS = ROOT / ".build" / "collections"
PREFIX = "2001:db8:1200::/48"
WIDER = "2001:db8:1200::/44"
ALL = 65536
FREE = (1000, 8000, 16000, 32000)
REPEATS = 3  # in one process; the first run pays for memory that the others find
SLOPE = (500, 2500)  # the loop over ipsubnet is too slow for all of them


def named(count: int) -> list[dict[str, str]]:
    """Return so many subnets that say their name only."""
    return [{"name": f"net-{number}"} for number in range(count)]


def digest(texts: t.Iterable[str]) -> str:
    """Return what a result comes down to, whatever its order."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


def core(name: str) -> t.Any:
    """Return a module of the collection, found as Ansible finds it."""
    import importlib

    return importlib.import_module(f"ansible_collections.ipv6.rollout.plugins.{name}")


# ---------------------------------------------------------------------------------------------- ways
#
# Each returns what to measure, and how to tell its result. What is done before is not measured.

Way = t.Tuple[t.Callable[[], t.Any], t.Callable[[t.Any], str]]


def texts_inet_ntop() -> Way:
    """A bare loop from integer to text."""
    base = 0x20010DB81200 << 80

    def run() -> list[str]:
        ntop, family = socket.inet_ntop, socket.AF_INET6
        return [ntop(family, (base + (number << 64)).to_bytes(16, "big")) + "/64" for number in range(ALL)]

    return run, digest


def texts_core() -> Way:
    """The same through the core."""
    blocks = core("plugin_utils.blocks")
    numbers = list(range(ALL))
    return lambda: blocks.block_texts((0x20010DB81200 << 80, 48), 64, numbers), digest


def split_netaddr() -> Way:
    """All /64 of a /48 with netaddr."""
    import netaddr

    return lambda: [str(subnet) for subnet in netaddr.IPNetwork(PREFIX).subnet(64)], digest


def plan_scratch(prefix: str = PREFIX, count: int = ALL) -> Way:
    """A named plan from nothing."""
    subnet_plan, subnets = core("filter.subnet_plan").subnet_plan, named(count)
    return lambda: subnet_plan(prefix, subnets), lambda plan: digest(plan["subnets"].values())


def plan_again(prefix: str, count: int) -> Way:
    """The same size, with a plan that lacks one entry."""
    subnet_plan, subnets = core("filter.subnet_plan").subnet_plan, named(count)
    before = subnet_plan(prefix, subnets[:-1])
    return lambda: subnet_plan(prefix, subnets, before), lambda plan: digest(plan["subnets"].values())


def next_free(count: int) -> Way:
    """So many free places in a /48 in which every second /64 is taken."""
    room = core("plugin_utils.room")
    start = 0x20010DB81200 << 80

    def run() -> int:
        found = room.Room(start, 48)
        for number in range(0, ALL, 2):
            found.take(start + (number << 64), 64)
        for _number in range(count):
            found.next(64, "leftmost")
        return count

    return run, str


def next_free_sets(count: int) -> Way:
    """The same by the way of NetBox: the first free block of a set of prefixes, sorted anew each time."""
    import netaddr

    start = 0x20010DB81200 << 80
    taken = netaddr.IPSet(netaddr.IPNetwork((start + (number << 64), 64)) for number in range(0, 2048, 2))
    free = netaddr.IPSet([netaddr.IPNetwork((start, 53))]) - taken

    def run() -> int:
        pool = free.copy()
        for _number in range(count):
            block = next(cidr for cidr in pool.iter_cidrs() if cidr.prefixlen <= 64)
            pool.remove(netaddr.IPNetwork((block.first, 64)))
        return count

    return run, str


def prefixes() -> list[str]:
    """Return prefixes of several lengths that do not overlap, shuffled."""
    blocks = core("plugin_utils.blocks")
    found = blocks.block_texts((0x20010DB8 << 96, 32), 56, range(0, 3 * ALL, 6))
    found += blocks.block_texts((0x20010DB9 << 96, 32), 64, range(ALL // 4))
    found += blocks.block_texts((0x20010DBA << 96, 32), 48, range(ALL // 4))
    random.Random(1).shuffle(found)
    return found[:ALL]


def overlap_core() -> Way:
    """Whether any two of them overlap."""
    blocks, texts = core("plugin_utils.blocks"), prefixes()
    return lambda: blocks.first_overlap(texts), str


def overlap_pytricia() -> Way:
    """The same with a prefix tree in C."""
    import pytricia

    texts = prefixes()

    def run() -> tuple[int, int] | None:
        tree = pytricia.PyTricia(128)
        for number, text in enumerate(texts):
            tree.insert(text, number)
        for number, text in enumerate(texts):
            above = tree.parent(text)
            if above is not None:
                return tree[above], number
        return None

    return run, str


def hosts(count: int, mixed: bool) -> Way:
    """So many hosts in 1,000 subnets."""
    subnet_plan, subnets = core("filter.subnet_plan").subnet_plan, named(1000)
    wanted = {}
    for number in range(count):
        policy = "stable"
        if mixed:
            policy = ("stable", "next", "ipv4_decimal", f"::{0x1000 + number // 1000:x}")[number // 1000 % 4]
        wanted[f"host-{number}"] = {
            "subnet": f"net-{number % 1000}",
            "interface_id": policy,
            "ipv4": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
        }
    return lambda: subnet_plan(PREFIX, subnets, {}, wanted), lambda plan: str(len(plan["hosts"]))


WAYS: dict[str, t.Callable[[], Way]] = {
    "texts inet_ntop": texts_inet_ntop,
    "texts core": texts_core,
    "split netaddr": split_netaddr,
    "plan": plan_scratch,
    "plan /44": lambda: plan_scratch(WIDER, ALL + 1),
    "again /48": lambda: plan_again(PREFIX, ALL),
    "again /44": lambda: plan_again(WIDER, ALL + 1),
    **{f"next {count}": functools.partial(next_free, count) for count in FREE},
    "next sets 50": lambda: next_free_sets(50),
    "next sets 500": lambda: next_free_sets(500),
    "overlap core": overlap_core,
    "overlap pytricia": overlap_pytricia,
    "hosts 10000": lambda: hosts(10_000, False),
    "hosts 100000": lambda: hosts(100_000, False),
    "mixed 10000": lambda: hosts(10_000, True),
    "mixed 100000": lambda: hosts(100_000, True),
}


def measure(name: str) -> None:
    """Measure one way in this process, and print the result."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(COLLECTIONS)])
    run, tell = WAYS[name]()
    seconds, kib = float("inf"), 0
    for count in range(REPEATS):
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.process_time()
        result = run()
        seconds = min(seconds, time.process_time() - start)
        if not count:
            kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            told = tell(result)
        del result
    print(json.dumps({"seconds": seconds, "result": told, "kib": kib}))


# ---------------------------------------------------------------------------------------------- in a playbook


def environment() -> dict[str, str]:
    """Return the environment for Ansible: this collection, and the ones of the package ansible."""
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    }


def play(way: str, count: int) -> float:
    """Run the playbook once, and return its processor time."""
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names"
        names.write_text("".join(f"net-{number}\n" for number in range(max(count, 2))))
        variables = json.dumps({"way": way, "count": count, "names_file": str(names), "prefix": PREFIX})
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), str(ROOT / "benchmarks" / "subnets.yml")]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*argv, "-e", variables], capture_output=True, text=True, env=environment(), cwd=folder, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_a_playbook(rounds: int) -> dict[str, float]:
    """Return the seconds for all subnets in a playbook, each way without what an empty run costs."""
    runs = {("ipsubnet", size): 1e9 for size in SLOPE} | {("subnet_plan", size): 1e9 for size in (1, ALL)}
    for _round in range(rounds):
        for key in runs:
            runs[key] = min(runs[key], play(*key))
    slope = (runs["ipsubnet", SLOPE[1]] - runs["ipsubnet", SLOPE[0]]) / (SLOPE[1] - SLOPE[0])
    return {"ipsubnet": slope * ALL, "subnet_plan": runs["subnet_plan", ALL] - runs["subnet_plan", 1]}


# ---------------------------------------------------------------------------------------------- the table


def collect(rounds: int) -> dict[str, dict[str, t.Any]]:
    """Measure every way, in turns."""
    best: dict[str, dict[str, t.Any]] = {}
    for count in range(rounds):
        for name in WAYS:
            argv = [sys.executable, __file__, "--measure", name]
            done = subprocess.run(argv, capture_output=True, text=True, env=environment(), check=False)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stdout}{done.stderr}")
            found = json.loads(done.stdout)
            if name not in best or found["seconds"] < best[name]["seconds"]:
                best[name] = found
        print(f"round {count + 1} of {rounds}", file=sys.stderr, flush=True)
    for one, other in (("texts core", "texts inet_ntop"), ("plan", "split netaddr"), ("again /48", "plan"),
                       ("overlap core", "overlap pytricia")):  # fmt: skip
        if best[one]["result"] != best[other]["result"]:
            sys.exit(f"{one} and {other} do not give the same result")
    return best


def main() -> int:
    """Print the ratios; return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("--measure", metavar="NAME", help="measure one way in this process")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure)
        return 0
    found = collect(given.rounds)
    seconds = {name: result["seconds"] for name, result in found.items()}
    played = in_a_playbook(given.rounds)
    each = {
        f"{many:,} to {more:,}": (seconds[f"next {more}"] - seconds[f"next {many}"]) / (more - many)
        for many, more in itertools.pairwise(FREE)
    }
    lines = [
        ("65,536 texts, to a bare inet_ntop loop", seconds["texts core"] / seconds["texts inet_ntop"], "<=", 1.5),
        ("netaddr's bare subnet(64), to a named plan", seconds["split netaddr"] / seconds["plan"], ">=", 4),
        ("ipsubnet in a playbook, to a named plan there", played["ipsubnet"] / played["subnet_plan"], ">=", 200),
        ("one entry more, /48, to from scratch", seconds["again /48"] / seconds["plan"], "<=", 1),
        ("one entry more, /44, to from scratch", seconds["again /44"] / seconds["plan /44"], "<=", 1),
        ("next free: the dearest stretch, to the cheapest", max(each.values()) / min(each.values()), "<=", 2),
        ("overlap of 65,536, to pytricia", seconds["overlap core"] / seconds["overlap pytricia"], "<=", 1.5),
        ("100,000 hosts, to 10,000", seconds["hosts 100000"] / seconds["hosts 10000"], "<=", 12),
        ("100,000 hosts of all policies, to 10,000", seconds["mixed 100000"] / seconds["mixed 10000"], "<=", 12),
    ]
    print(f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}; best of {given.rounds}; processor time\n")
    for name, value in {**seconds, **{f"playbook {way}": value for way, value in played.items()}}.items():
        print(f"  {name:22} {value:9.4f} s")
    print(
        "\n  a next free place costs " + ", ".join(f"{cost * 1e6:.2f} us ({stretch})" for stretch, cost in each.items())
    )
    sets = (seconds["next sets 500"] - seconds["next sets 50"]) / 450
    print(f"  the first free block of a sorted set, as NetBox has it: {sets * 1e6:.0f} us in a /53 that is half full")
    print(f"  100,000 hosts take {found['hosts 100000']['kib'] / 1024:.0f} MiB more than their inventory does")
    broken = 0
    print(f"\n{'what':48} {'ratio':>8}     limit")
    for name, ratio, sign, limit in lines:
        holds = ratio <= limit if sign == "<=" else ratio >= limit
        broken += not holds
        print(f"{name:48} {ratio:8.2f}  {sign} {limit:<5} {'' if holds else 'DOES NOT HOLD'}")
    print("every promise holds" if not broken else f"{broken} promises do not hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
