# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan costs, as multiples of what others need for the same in the same run.

Each way is measured once in a fresh process, by processor time, in several rounds that take turns, and its best time
counts: the machine's other work only ever adds. Ways that should give the same result are held against each other.
"""

from __future__ import annotations

import argparse
import functools
import gc
import hashlib
import importlib
import itertools
import json
import os
import random
import re
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
FREE = (100, 1000, 10_000)  # places asked of a room, where nothing else is measured
ADDED = (1000, 16_000, 32_000)  # subnets added to a plan: a stretch must outweigh the noise of all the rest
HOSTS = 10  # in the playbook: each makes the text anew in a worker process of its own, so that the noise weighs less
SETS = 10  # places asked the way of NetBox
SLOPE = (500, 4000)  # the loop over ipsubnet is too slow for all of them
LOOP = "{% for number in range(count) %}{{ prefix | ansible.utils.ipsubnet(64, number) }}\n{% endfor %}"
FILTER = "{{ prefix | ipv6.rollout.subnet_plan(names, output='text') }}"


def named(count: int) -> list[dict[str, str]]:
    """Return so many subnets that say their name only."""
    return [{"name": f"net-{number}"} for number in range(count)]


def names_text(count: int) -> str:
    """Return the same as one text, a name on each line."""
    return "".join(f"net-{number}\n" for number in range(count))


def digest(texts: t.Iterable[str]) -> str:
    """Return what a result comes down to, whatever its order."""
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


def core(name: str) -> t.Any:
    """Return a module of the collection, found as Ansible finds it."""
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


def halves() -> list[int]:
    """Return the first addresses of every second /64 of the /48."""
    start = 0x20010DB81200 << 80
    return [start + (number << 64) for number in range(0, ALL, 2)]


def next_free(count: int) -> Way:
    """So many free places, from the part of the planner that looks for them. To make it ready is not measured."""
    taken = halves()
    room = core("plugin_utils.room").Room(taken[0], 48)
    for first in taken:
        room.take(first, 64)
    room.next(64, "leftmost")

    def run() -> int:
        return sum(room.next(64, "leftmost") is not None for _number in range(count))

    return run, str


def next_free_sets(count: int) -> Way:
    """The same by the way of NetBox: the first free block of a set of prefixes, sorted anew each time."""
    import netaddr

    taken = netaddr.IPSet(netaddr.IPNetwork((first, 64)) for first in halves())
    free = netaddr.IPSet([netaddr.IPNetwork(PREFIX)]) - taken

    def run() -> int:
        for _number in range(count):
            block = next(cidr for cidr in free.iter_cidrs() if cidr.prefixlen <= 64)
            free.remove(netaddr.IPNetwork((block.first, 64)))
        return count

    return run, str


def plan_added(count: int, alike: bool) -> Way:
    """A plan in which every second /64 is taken, and so many new names; one that says its length is not alike."""
    subnet_plan, subnets = core("filter.subnet_plan").subnet_plan, named(ALL // 2 + count)
    texts = core("plugin_utils.blocks").block_texts((0x20010DB81200 << 80, 48), 64, range(0, ALL, 2))
    before = {
        "prefix": PREFIX,
        "subnets": {f"net-{number}": text for number, text in enumerate(texts)},
        "hosts": {},
        "retired": {"subnets": {}, "hosts": {}},
    }
    if not alike:
        subnets[0]["length"] = "64"
    return lambda: subnet_plan(PREFIX, subnets, before), lambda plan: digest(plan["subnets"].values())


def prefixes() -> list[str]:
    """Return prefixes of several lengths that do not overlap, shuffled."""
    blocks = core("plugin_utils.blocks")
    found = blocks.block_texts((0x20010DB8 << 96, 32), 56, range(0, 3 * ALL, 6))
    found += blocks.block_texts((0x20010DB9 << 96, 32), 64, range(ALL // 4))
    found += blocks.block_texts((0x20010DBA << 96, 32), 48, range(ALL // 4))
    random.Random(1).shuffle(found)
    return found[:ALL]


def with_overlap() -> list[str]:
    """Return the same, but for one that lies in another."""
    texts = prefixes()
    wide = next(text for text in texts if text.endswith("::/48"))
    texts[2 * ALL // 3] = f"{wide.removesuffix('::/48')}:7::/64"
    return texts


def pair(found: tuple[int, int] | None) -> str:
    """Return two indexes as text, whichever of them comes first."""
    return "none" if found is None else str(sorted(found))


def overlap_core(make: t.Callable[[], list[str]]) -> Way:
    """Whether any two of them overlap."""
    blocks, texts = core("plugin_utils.blocks"), make()
    return lambda: blocks.first_overlap(texts), pair


def overlap_pytricia(make: t.Callable[[], list[str]]) -> Way:
    """The same with a prefix tree in C."""
    import pytricia

    texts = make()

    def run() -> tuple[int, int] | None:
        tree = pytricia.PyTricia(128)
        for number, text in enumerate(texts):
            tree.insert(text, number)
        if len(tree) < len(texts):
            return next((texts.index(text), number) for number, text in enumerate(texts) if texts.index(text) < number)
        for number, text in enumerate(texts):
            above = tree.parent(text)
            if above is not None:
                return tree[above], number
        return None

    return run, pair


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


def templar(template: str, count: int) -> Way:
    """A template through Ansible's own engine. The plugins are loaded before, the variables read as from a file."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar, trust_as_template

    def engine(size: int) -> Templar:
        loader = DataLoader()
        variables = {"prefix": PREFIX, "count": size, "names": names_text(size)}
        return Templar(loader=loader, variables=loader.load(json.dumps(variables)))

    trusted = trust_as_template(template)
    engine(2).template(trusted)
    ready = engine(count)

    def tell(text: str) -> str:
        if text.count("/64") != count:
            sys.exit(f"the template made {text.count('/64')} prefixes instead of {count}")
        return digest(re.findall(r"\S+/64", text))

    return lambda: ready.template(trusted), tell


def nothing() -> Way:
    """What all of them load."""
    core("filter.subnet_plan")
    return lambda: None, str


WAYS: dict[str, t.Callable[[], Way]] = {
    "nothing": nothing,
    "texts inet_ntop": texts_inet_ntop,
    "texts core": texts_core,
    "split netaddr": split_netaddr,
    "plan /48": plan_scratch,
    "again /48": lambda: plan_again(PREFIX, ALL),
    "plan /44": lambda: plan_scratch(WIDER, ALL + 1),
    "again /44": lambda: plan_again(WIDER, ALL + 1),
    **{f"templar ipsubnet {count}": functools.partial(templar, LOOP, count) for count in SLOPE},
    "templar subnet_plan": lambda: templar(FILTER, ALL),
    **{f"next {count}": functools.partial(next_free, count) for count in FREE},
    f"next sets {SETS}": lambda: next_free_sets(SETS),
    **{f"alike {count}": functools.partial(plan_added, count, True) for count in ADDED},
    **{f"one by one {count}": functools.partial(plan_added, count, False) for count in ADDED},
    "overlap core": lambda: overlap_core(prefixes),
    "overlap pytricia": lambda: overlap_pytricia(prefixes),
    "one overlap core": lambda: overlap_core(with_overlap),
    "one overlap pytricia": lambda: overlap_pytricia(with_overlap),
    "hosts 10000": lambda: hosts(10_000, False),
    "hosts 100000": lambda: hosts(100_000, False),
    "mixed 10000": lambda: hosts(10_000, True),
    "mixed 100000": lambda: hosts(100_000, True),
}
# These must give the same result.
SAME = (
    ("texts core", "texts inet_ntop"),
    ("plan /48", "split netaddr"),
    ("again /48", "plan /48"),
    ("again /44", "plan /44"),
    ("templar subnet_plan", "plan /48"),
    *((f"alike {count}", f"one by one {count}") for count in ADDED),
    ("overlap core", "overlap pytricia"),
    ("one overlap core", "one overlap pytricia"),
)


def measure(name: str) -> None:
    """Measure one way in this process, and print the result."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(COLLECTIONS)])
    run, tell = WAYS[name]()
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    result = run()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "result": tell(result), "before": before, "peak": peak}))


# ---------------------------------------------------------------------------------------------- in a playbook


def environment() -> dict[str, str]:
    """Return the environment for Ansible: this collection, and the ones of the package ansible."""
    return {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_FORKS": "1",
    }


def play(way: str, count: int, machines: int) -> float:
    """Run the playbook once for so many hosts, and return its processor time."""
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names"
        names.write_text(names_text(count))
        variables = json.dumps({"way": way, "count": count, "names_file": str(names), "prefix": PREFIX})
        inventory = "".join(f"host-{number}," for number in range(machines))
        program, playbook = Path(sys.executable).parent / "ansible-playbook", ROOT / "benchmarks" / "subnets.yml"
        argv = [str(program), str(playbook), "-i", inventory, "-e", variables]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(argv, capture_output=True, text=True, env=environment(), cwd=folder, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(f"{' '.join(argv)} failed:\n{done.stdout}{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def in_a_playbook(rounds: int) -> dict[str, float]:
    """Return the seconds for all subnets in a playbook, each way without what an empty run costs."""
    small, large = SLOPE
    keys = [("ipsubnet", small, 1), ("ipsubnet", large, 1), ("subnet_plan", 2, HOSTS), ("subnet_plan", ALL, HOSTS)]
    runs = dict.fromkeys(keys, float("inf"))
    for _round in range(rounds):
        for key in keys:
            runs[key] = min(runs[key], play(*key))
    first, second, empty, full = (runs[key] for key in keys)
    return {"ipsubnet": (second - first) / (large - small) * ALL, "subnet_plan": (full - empty) / HOSTS}


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
    for one, other in SAME:
        if best[one]["result"] != best[other]["result"]:
            sys.exit(f"{one} and {other} do not give the same result")
    if best["one overlap core"]["result"] == "none" or best["overlap core"]["result"] != "none":
        sys.exit("the prefixes are not what they should be")
    return best


def main() -> int:
    """Print the ratios; return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=7)
    parser.add_argument("--measure", metavar="NAME", help="measure one way in this process")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure)
        return 0
    found = collect(given.rounds)
    seconds = {name: result["seconds"] for name, result in found.items()}
    played = in_a_playbook(given.rounds)
    slope = (seconds[f"templar ipsubnet {SLOPE[1]}"] - seconds[f"templar ipsubnet {SLOPE[0]}"]) / (SLOPE[1] - SLOPE[0])
    free = {f"{count:,}": seconds[f"next {count}"] / count for count in FREE}
    added = {
        way: {
            f"{many:,} to {more:,}": (seconds[f"{way} {more}"] - seconds[f"{way} {many}"]) / (more - many)
            for many, more in itertools.pairwise(ADDED)
        }
        for way in ("alike", "one by one")
    }
    sets = seconds[f"next sets {SETS}"] / SETS
    # What is compared, the ratio, and the promise where there is one.
    lines: list[tuple[str, float, str, float | None]] = [
        ("65,536 texts, to a bare inet_ntop loop", seconds["texts core"] / seconds["texts inet_ntop"], "<=", 1.5),
        ("netaddr's bare subnet(64), to a named plan", seconds["split netaddr"] / seconds["plan /48"], ">=", 4),
        ("ipsubnet in a playbook, to a named plan there", played["ipsubnet"] / played["subnet_plan"], ">=", 200),
        ("the same in Ansible's Templar alone", slope * ALL / seconds["templar subnet_plan"], ">=", 200),
        ("one entry more, full /48, to from scratch", seconds["again /48"] / seconds["plan /48"], "<=", 1),
        ("one entry more, /44, to from scratch", seconds["again /44"] / seconds["plan /44"], "<=", 1),
        ("next free place: dearest to cheapest", max(free.values()) / min(free.values()), "<=", 2),
        ("the same in a plan of /64s only", max(added["alike"].values()) / min(added["alike"].values()), "<=", 2),
        ("the same in any other plan", max(added["one by one"].values()) / min(added["one by one"].values()), "<=", 2),
        ("the way of NetBox, to the next free place", sets / free[f"{FREE[0]:,}"], "", None),
        ("overlap of 65,536, to pytricia", seconds["overlap core"] / seconds["overlap pytricia"], "<=", 1.5),
        ("100,000 hosts, to 10,000", seconds["hosts 100000"] / seconds["hosts 10000"], "<=", 12),
        ("100,000 hosts of all policies, to 10,000", seconds["mixed 100000"] / seconds["mixed 10000"], "<=", 12),
    ]
    print(f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}; best of {given.rounds}; processor time\n")
    for name, value in {**seconds, **{f"playbook {way}": value for way, value in played.items()}}.items():
        print(f"  {name:22} {value:9.4f} s")
    print()
    for what, costs in {"a place": free, "a new subnet, alike": added["alike"], "or not": added["one by one"]}.items():
        print(f"  {what}: " + ", ".join(f"{cost * 1e6:.2f} us ({name})" for name, cost in costs.items()))
    print(f"  the first free block of a sorted set, as NetBox has it: {sets * 1e6:.0f} us")
    for way in ("hosts 100000", "mixed 100000"):
        whole = (found[way]["peak"] - found["nothing"]["peak"]) / 1024
        alone = (found[way]["peak"] - found[way]["before"]) / 1024
        print(f"  {way}: {whole:.0f} MiB at most above a process that only loads; {alone:.0f} of them for the plan")
    broken = 0
    print(f"\n{'what':48} {'ratio':>8}     limit")
    for name, ratio, sign, limit in lines:
        if limit is None:
            print(f"{name:48} {ratio:8.2f}")
            continue
        holds = ratio <= limit if sign == "<=" else ratio >= limit
        broken += not holds
        print(f"{name:48} {ratio:8.2f}  {sign} {limit:<5} {'' if holds else 'DOES NOT HOLD'}")
    print("every promise holds" if not broken else f"{broken} promises do not hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
