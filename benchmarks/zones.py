# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What zones of a million PTR records cost, as multiples of what name servers' checkers need to load them.

Each way is measured once in a fresh process, by processor time, in several rounds that take turns, and its best time
counts: the machine's other work only ever adds. What is written is what the checkers load, and what is read again.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import importlib
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
ORIGIN = "d.c.b.a.8.b.d.0.1.0.0.2.ip6.arpa."
FIRST = 0x20010DB8ABCD << 80
ALL = 1_000_000
SIZES = (ALL // 4, ALL // 2, ALL)
# The hosts of a /64 count up, as where they got their addresses by hand or by DHCPv6, or are anywhere, as with SLAAC.
KINDS = ("counted", "anywhere")
SOA = {"mname": "ns1.example.com", "rname": "hostmaster@example.com", "serial": 2026010100}
NS = ["ns1.example.com"]
RANGE = "2001:db8:abcd::/108"
# Where a promise is not yet what it should be.
GOALS = {"zone written, to named-checkzone": 0.3, "zone written, to kzonecheck": 0.8}
CHECKERS = {
    "named-checkzone": ["named-checkzone", "-i", "none", ORIGIN],
    "kzonecheck": ["kzonecheck", "-o", ORIGIN],
}


def hosts(kind: str, count: int) -> str:
    """Return lines ``name address`` in no order, 65,536 in each /64 or (anywhere) 1,000."""
    shuffled = random.Random(1)
    lines = []
    for number in range(count):
        if kind == "counted":
            address = FIRST | number >> 16 << 64 | number & 0xFFFF
        else:
            address = FIRST | (number // 1000) * 37 << 64 | shuffled.getrandbits(64)
        text = socket.inet_ntop(socket.AF_INET6, address.to_bytes(16, "big"))
        lines.append(f"h{number}.example.com {text}\n")
    shuffled.shuffle(lines)
    return "".join(lines)


def core(name: str) -> t.Any:
    """Return a module of the collection, found as Ansible finds it."""
    return importlib.import_module(f"ansible_collections.ipv6.rollout.plugins.{name}")


def digest(text: str) -> str:
    """Return what a result comes down to."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# ---------------------------------------------------------------------------------------------- ways
#
# Each returns what is measured, reading of its files included, and how to tell its result.

Way = t.Tuple[t.Callable[[], t.Any], t.Callable[[t.Any], str]]


def write(folder: Path, kind: str, count: int) -> Way:
    """The zone, from the text of the hosts to a file."""
    zone_file = core("filter.zone_file").zone_file
    source, target = folder / f"{kind} {count} hosts", folder / f"{kind} {count} written"

    def run() -> None:
        target.write_text(zone_file(source.read_text(), ORIGIN, SOA, NS))

    return run, lambda _nothing: digest(target.read_text())


def check(folder: Path, kind: str) -> Way:
    """Both directions, from the text of the hosts and the zone as it was written."""
    two_way = core("plugin_utils.two_way")

    def run() -> t.Any:
        forward = (folder / f"{kind} {ALL} hosts").read_text()
        reverse = (folder / f"{kind} {ALL} zone").read_text()
        return two_way.unmatched_in_zones([forward], [(ORIGIN, reverse)])

    return run, str


def check_zones(folder: Path, kind: str) -> Way:
    """The same, with the forward side as a zone too."""
    two_way = core("plugin_utils.two_way")

    def run() -> t.Any:
        forward = (folder / f"{kind} {ALL} forward").read_text()
        reverse = (folder / f"{kind} {ALL} zone").read_text()
        return two_way.unmatched_in_zones([("example.com", forward)], [(ORIGIN, reverse)])

    return run, str


def generate(_folder: Path) -> Way:
    """The lines for a range of a million addresses."""
    ptr_range = core("filter.ptr_range").ptr_range
    return lambda: ptr_range(RANGE, "host-{address}.dyn.example.com")["reverse"], lambda text: str(len(text))


def nothing(_folder: Path) -> Way:
    """What all of them load."""
    for name in ("filter.zone_file", "filter.ptr_range", "plugin_utils.two_way"):
        core(name)
    return lambda: None, str


def ways() -> dict[str, t.Callable[[Path], Way]]:
    """Return the ways by name."""
    found: dict[str, t.Callable[[Path], Way]] = {"nothing": nothing, "generate": generate}
    for kind in KINDS:
        for count in SIZES:
            found[f"write {kind} {count}"] = lambda folder, kind=kind, count=count: write(folder, kind, count)
        found[f"check {kind}"] = lambda folder, kind=kind: check(folder, kind)
        found[f"check zones {kind}"] = lambda folder, kind=kind: check_zones(folder, kind)
    return found


def measure(name: str, folder: Path) -> None:
    """Measure one way in this process, and print the result."""
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([str(COLLECTIONS)])
    run, tell = ways()[name](folder)
    gc.collect()
    start = time.process_time()
    result = run()
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak": peak, "result": tell(result)}))


def load(checker: str, path: Path) -> dict[str, t.Any]:
    """Let a checker load a zone; return its processor time and its peak memory."""
    with subprocess.Popen([*CHECKERS[checker], str(path)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        said = process.stdout.read() if process.stdout else b""
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{checker} refuses the zone:\n{said.decode()}")
    return {"seconds": usage.ru_utime + usage.ru_stime, "peak": usage.ru_maxrss, "result": ""}


# ---------------------------------------------------------------------------------------------- the table


def prepare(folder: Path) -> None:
    """Write the hosts, and the zones that are loaded and read."""
    zone_file = core("plugin_utils.zone").zone_file
    for kind in KINDS:
        for count in SIZES:
            (folder / f"{kind} {count} hosts").write_text(hosts(kind, count))
        text = (folder / f"{kind} {ALL} hosts").read_text()
        (folder / f"{kind} {ALL} zone").write_text(zone_file(text, ORIGIN, SOA, NS))
        lines = (line.split() for line in text.splitlines())
        rows = "".join(f"{name.removesuffix('.example.com')} IN AAAA {address}\n" for name, address in lines)
        (folder / f"{kind} {ALL} forward").write_text(zone_file([], "example.com", SOA, NS) + rows)


def collect(rounds: int, folder: Path) -> dict[str, dict[str, t.Any]]:
    """Measure every way, in turns."""
    best: dict[str, dict[str, t.Any]] = {}
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    }
    for count in range(rounds):
        found = {}
        for name in ways():
            argv = [sys.executable, __file__, "--measure", name, "--folder", str(folder)]
            done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stdout}{done.stderr}")
            found[name] = json.loads(done.stdout)
        for kind in KINDS:
            for checker in CHECKERS:
                found[f"{checker} {kind}"] = load(checker, folder / f"{kind} {ALL} written")
        for name, result in found.items():
            if name not in best or result["seconds"] < best[name]["seconds"]:
                best[name] = result
        print(f"round {count + 1} of {rounds}", file=sys.stderr, flush=True)
    for kind in KINDS:
        if any(best[f"{way} {kind}"]["result"] != "([], [])" for way in ("check", "check zones")):
            sys.exit("the check found what is not there")
    return best


def ratios(found: dict[str, dict[str, t.Any]]) -> list[tuple[str, float, float | None]]:
    """Return what is compared, the ratio, and the most that it may be where there is a promise."""
    seconds = {name: result["seconds"] for name, result in found.items()}
    peaks = {name: result["peak"] for name, result in found.items()}
    lines: list[tuple[str, float, float | None]] = []
    for kind in KINDS:
        named, knot = seconds[f"named-checkzone {kind}"], seconds[f"kzonecheck {kind}"]
        wrote = seconds[f"write {kind} {ALL}"]
        growth = [seconds[f"write {kind} {count}"] / count for count in SIZES]
        memory = peaks[f"write {kind} {ALL}"] / peaks[f"named-checkzone {kind}"]
        lines += [
            (f"{kind}: zone written, to named-checkzone", wrote / named, 0.6),
            (f"{kind}: zone written, to kzonecheck", wrote / knot, 1.1),
            (f"{kind}: peak memory, to named-checkzone", memory, 1),
            (f"{kind}: a record of 1,000,000, to one of 250,000", growth[-1] / growth[0], 1.5),
            (f"{kind}: both directions, to named-checkzone", seconds[f"check {kind}"] / named, 0.75),
            (f"{kind}: the same from two zones", seconds[f"check zones {kind}"] / named, 0.75),
            (
                f"{kind}: its peak memory, to named-checkzone",
                peaks[f"check {kind}"] / peaks[f"named-checkzone {kind}"],
                None,
            ),
        ]
    return lines


def main() -> int:
    """Print the ratios; return 1 where a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", "--rounds", type=int, default=5)
    parser.add_argument("--measure", metavar="NAME", help="measure one way in this process")
    parser.add_argument("--prepare", action="store_true", help="write the zones in this process")
    parser.add_argument("--folder", type=Path, help="where the zones are")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.folder)
        return 0
    if given.prepare:
        sys.path.insert(0, str(COLLECTIONS))
        prepare(given.folder)
        return 0
    with tempfile.TemporaryDirectory() as name:
        # In a process of its own: those that a process starts begin with its peak memory.
        subprocess.run([sys.executable, __file__, "--prepare", "--folder", name], check=True)
        found = collect(given.rounds, Path(name))
    print(f"\n{os.cpu_count()} cores, Python {sys.version.split()[0]}; best of {given.rounds}; processor time\n")
    for name, result in found.items():
        print(f"  {name:28} {result['seconds']:9.3f} s {result['peak'] / 1024:9.0f} MiB")
    print(f"\n  $GENERATE lines for 1,048,576 addresses: {found['generate']['result']} characters")
    broken = 0
    print(f"\n{'what':58} {'ratio':>8}     limit")
    for what, ratio, limit in ratios(found):
        holds = limit is None or ratio <= limit
        broken += not holds
        goal = next((goal for end, goal in GOALS.items() if what.endswith(end)), None)
        told = f"the goal, {goal}, is not reached" if goal is not None and ratio > goal else ""
        told = told if holds else "DOES NOT HOLD"
        print(f"{what:58} {ratio:8.2f}  {'' if limit is None else f'<= {limit:<5}'} {told}")
    print("every promise holds" if not broken else f"{broken} promises do not hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
