# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put defects into a site of the lab, one at a time, and see that each turns exactly the checks red that must see it.

Each case: the defect is put in, playbooks/audit.yml looks, the defect is taken out, and the machines are what they
were. Before the first case and after the last one nothing may be red; --thorough looks after each case.
--hash instead: an audit changes nothing on any machine, no file and no zone. Log files grow, and nothing else does.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import time
import typing as t

from defect import Defect
from defects import CATALOGUE
from site_of_lab import LabError, Red, Site, Trouble


def shown(red: t.Iterable[tuple[str, str]]) -> str:
    """Return a set of checks in words."""
    return ", ".join(f"{check} {host}".rstrip() for check, host in sorted(red)) or "nothing"


def never(checks: t.Collection[str]) -> str:
    """Return checks as text."""
    return ", ".join(sorted(checks)) or "none"


def chosen(words: str, count: int, seed: int, suite: str = "bookworm") -> list[Defect]:
    """Return the cases: all that the words name, or a random sample of them, in the order of the catalogue."""
    able = [case for case in CATALOGUE if case.suite in ("", suite)]
    found = [case for case in able if all(word.lower() in case.name.lower() for word in words.split())]
    if not found:
        sys.exit(f"--defect {words}: there is no such defect; these are there:\n  " + "\n  ".join(names()))
    if count and count < len(found):
        kept = set(random.Random(seed).sample(range(len(found)), count))
        found = [case for number, case in enumerate(found) if number in kept]
    return found


def names() -> list[str]:
    """Return the names of all defects."""
    return [case.name for case in CATALOGUE]


def differences(batch: t.Sequence[Defect], red: Red) -> list[str]:
    """Return what is red and should not be, and what should be and is not."""
    if len(batch) == 1:
        return batch[0].differences(red)
    meant = frozenset().union(*(defect.expect for defect in batch))
    return Defect("", "", "", meant).differences(red)


def batches(cases: t.Sequence[Defect], size: int) -> list[list[Defect]]:
    """Return the cases in batches that do not get in each other's way: of other machines, and seen by other checks."""
    made: list[list[Defect]] = []
    for case in cases:
        for batch in made:
            if len(batch) < size and all(apart(case, other) for other in batch):
                batch.append(case)
                break
        else:
            made.append([case])
    return made


def apart(one: Defect, other: Defect) -> bool:
    """Tell whether two defects share no machine, no check and no variable."""
    hosts = [{step.host for step in case.steps} for case in (one, other)]
    checks = [{entry.partition(" ")[0] for entry in case.expect | case.passes} for case in (one, other)]
    return not hosts[0] & hosts[1] and not checks[0] & checks[1] and not one.variables.keys() & other.variables.keys()


class Matrix:
    """All cases on one site."""

    def __init__(self, site: Site, thorough: bool, say: t.Callable[[str], None]) -> None:
        self.site, self.thorough, self.say = site, thorough, say
        self.healthy: Red = frozenset()
        self.unknown: Red = frozenset()
        self.wrong = 0
        self.failed: set[str] = set()
        self.passed: set[str] = set()

    def begin(self) -> None:
        """Look at the site as it is: nothing may be red."""
        self.healthy, self.unknown = self.site.audit()
        self._unpassed([])
        self.site.keep()
        self.before = self.site.snapshot()
        if self.healthy:
            self.wrong += 1
            self.say(f"before any defect, this is red: {shown(self.healthy)}")
            self._because(self.healthy)
        if self.unknown:
            self.say(f"not known: {shown(self.unknown)}")

    def run(self, cases: t.Sequence[Defect], together: int) -> None:
        """Carry out the cases; those of a batch that does not fit are tried again, one by one."""
        for batch in batches(cases, together):
            if len(batch) == 1 or not self._fits(batch):
                for defect in batch:
                    self._case([defect])

    def _fits(self, batch: t.Sequence[Defect]) -> bool:
        return self._case(batch, final=False)

    def _case(self, batch: t.Sequence[Defect], final: bool = True) -> bool:
        """Carry out a batch, of one case mostly; say what came of it, and whether it is as meant."""
        start = time.monotonic()
        steps = [step for defect in batch for step in defect.steps]
        hosts = {step.host for step in steps} | ({"ns1", "ns2"} & {machine.name for machine in self.site.lab.machines})
        said: list[str] = []
        notes: list[str] = []
        more: Red = frozenset()
        try:
            try:
                self.site.seed(steps)
                red, unknown = self.site.audit({key: value for one in batch for key, value in one.variables.items()})
                more = red - self.healthy
                said = differences(batch, more) + self._unpassed(batch)
                if unknown - self.unknown:
                    notes.append(f"not known with it: {shown(unknown - self.unknown)}")
                notes += [
                    f"{check} {host}: {line}" for check, host in sorted(more) for line in self.site.said(check, host)
                ]
            finally:
                self.site.undo(steps)
            left = self.site.differences(self.before, hosts)
            if left:
                said.append("it left something behind")
                notes = left[:8] + notes
            if self.thorough:
                again, _unknown = self.site.audit()
                if again - self.healthy:
                    said.append(f"still red after it: {shown(again - self.healthy)}")
        except (Trouble, LabError) as error:
            said, notes = ["it could not be carried out"], str(error).splitlines()[-25:]
        took = time.monotonic() - start
        if said and not final:
            self.say(f"{len(batch)} together: {', '.join(said)} ({took:.0f} s), so each by itself")
            return False
        self.wrong += bool(said)
        self.failed |= {check for check, _host in more} if not said else set()
        for defect in batch:
            meant = ", ".join(sorted(defect.expect)) or "nothing"
            verdict = f"DIFFERS: {', '.join(said)}" if said else f"exact: {meant}"
            with_others = f", with {len(batch) - 1} others" if len(batch) > 1 else ""
            self.say(f"{defect.name:64} {verdict} ({took:.0f} s{with_others})")
        for note in notes[:30] if said else []:
            self.say(f"       {note[:400]}")
        return not said

    def _unpassed(self, batch: t.Sequence[Defect]) -> list[str]:
        """Return what should have passed and has not; and keep in mind what has ever passed."""
        passed = {f"{check} {host}".rstrip() for check, host in self.site.passed()}
        self.passed |= {entry.partition(" ")[0] for entry in passed}
        return [f"no pass of {entry}" for one in batch for entry in sorted(one.passes - passed)]

    def end(self) -> None:
        """Look at the site once more: it is as healthy as before."""
        red, _unknown = self.site.audit()
        self._unpassed([])
        if red - self.healthy:
            self.wrong += 1
            self.say(f"after all defects, this is red: {shown(red - self.healthy)}")
            self._because(red - self.healthy)

    def _because(self, red: Red) -> None:
        for check, host in sorted(red):
            for line in self.site.said(check, host)[:4]:
                self.say(f"       {check} {host}: {line[:400]}")


def unchanged(site: Site, say: t.Callable[[str], None]) -> int:
    """Audit between two looks at everything; return 1 where something is different."""
    # The first audit may start what only starts once, such as a daemon's cache.
    site.audit()
    before, logs = site.snapshot(), site.growing()
    site.audit()
    changed = site.differences(before, patience=0)
    wrong = changed + site.grown(logs)
    grew = sorted(place for place, said in site.growing().items() if logs.get(place, "") != said)
    for line in wrong[:60]:
        say(line)
    say(f"log files that grew, as they do when somebody connects: {', '.join(grew) or 'none'}; and the journals")
    say(
        "something changed"
        if wrong
        else "files, addresses, routes, rules, settings, sockets and zones: the same after an audit"
    )
    return 1 if wrong else 0


def main(argv: t.Sequence[str]) -> int:
    """Carry out all cases; return 1 where a check saw too much or too little."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", default=os.environ.get("LAB_READINESS", "lab/inventory-readiness"))
    parser.add_argument("--defect", default="", help="only defects with these words in their names")
    parser.add_argument("--count", type=int, default=0, help="a random sample of so many")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--together", type=int, default=1, help="so many defects at once, where they are far apart")
    parser.add_argument("--thorough", action="store_true", help="audit after each case, too")
    parser.add_argument("--hash", action="store_true", help="no defects: see that an audit changes nothing")
    parser.add_argument("--rolled-out", action="store_true", help="the site is there already")
    parser.add_argument("--list", action="store_true", help="print the names of all defects")
    options = parser.parse_args(argv)
    if options.list:
        print("\n".join(names()))
        return 0
    # Whoever ends this takes the defect out of the site again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)

    def say(text: str) -> None:
        print(text, flush=True)

    start = time.monotonic()
    try:
        suite = os.environ.get("LAB_SUITE", "bookworm")
        site = Site(options.inventory, suite)
        site.make(options.rolled_out)
        if options.hash:
            return unchanged(site, say)
        cases = chosen(options.defect, options.count, options.seed, suite)
        matrix = Matrix(site, options.thorough, say)
        matrix.begin()
        matrix.run(cases, options.together)
        matrix.end()
    except (Trouble, LabError) as error:
        print(f"readiness: {error}", file=sys.stderr)
        return 1
    checks = set(site.document["checks"])
    for what, seen in (("failed", matrix.failed), ("passed", matrix.passed)):
        say(f"{what}: {len(checks & seen)} of {len(checks)} checks; never: {never(checks - seen)}")
    took = time.monotonic() - start
    say(f"{len(cases)} cases, {matrix.wrong} differ, {took:.0f} s, seed {options.seed}")
    return 1 if matrix.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
