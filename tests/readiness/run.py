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


def chosen(words: str, count: int, seed: int) -> list[Defect]:
    """Return the cases: all that the words name, or a random sample of them, in the order of the catalogue."""
    found = [case for case in CATALOGUE if all(word.lower() in case.name.lower() for word in words.split())]
    if not found:
        sys.exit(f"--defect {words}: there is no such defect; these are there:\n  " + "\n  ".join(names()))
    if count and count < len(found):
        kept = set(random.Random(seed).sample(range(len(found)), count))
        found = [case for number, case in enumerate(found) if number in kept]
    return found


def names() -> list[str]:
    """Return the names of all defects."""
    return [case.name for case in CATALOGUE]


class Matrix:
    """All cases on one site."""

    def __init__(self, site: Site, thorough: bool, say: t.Callable[[str], None]) -> None:
        self.site, self.thorough, self.say = site, thorough, say
        self.healthy: Red = frozenset()
        self.unknown: Red = frozenset()
        self.wrong = 0

    def begin(self) -> None:
        """Look at the site as it is: nothing may be red."""
        self.healthy, self.unknown = self.site.audit()
        self.before = self.site.snapshot()
        if self.healthy:
            self.wrong += 1
            self.say(f"before any defect, this is red: {shown(self.healthy)}")
            self._because(self.healthy)
        if self.unknown:
            self.say(f"not known: {shown(self.unknown)}")

    def case(self, defect: Defect) -> None:
        """Carry out one case."""
        start = time.monotonic()
        said: list[str] = []
        more: Red = frozenset()
        try:
            try:
                self.site.seed(defect.steps)
                red, unknown = self.site.audit(defect.variables)
                more = red - self.healthy
                said = defect.differences(more)
                notes = [f"not known with it: {shown(unknown - self.unknown)}"] if unknown - self.unknown else []
                notes += [f"{check} {host}: {line}" for check, host in sorted(more) for line in self.site.said(check, host)]
            finally:
                self.site.undo(defect.steps)
            left = self.site.differences(self.before)
            if left:
                said.append("it left something behind")
                notes += left[:8]
            if self.thorough:
                again, _unknown = self.site.audit()
                if again - self.healthy:
                    said.append(f"still red after it: {shown(again - self.healthy)}")
        except (Trouble, LabError) as error:
            said, notes = ["it could not be carried out"], str(error).splitlines()[-25:]
        self.wrong += bool(said)
        verdict = f"DIFFERS: {', '.join(said)}" if said else f"exact: {shown(more)}"
        self.say(f"{defect.name:64} {verdict} ({time.monotonic() - start:.0f} s)")
        if said:
            for note in notes[:30]:
                self.say(f"       {note[:400]}")

    def end(self) -> None:
        """Look at the site once more: it is as healthy as before."""
        red, _unknown = self.site.audit()
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
    changed = site.differences(before, 0)
    wrong = changed + site.grown(logs)
    grew = sorted(place for place, said in site.growing().items() if logs.get(place, "") != said)
    for line in wrong[:60]:
        say(line)
    say(f"log files that grew, as they do when somebody connects: {', '.join(grew) or 'none'}; and the journals")
    say("something changed" if wrong else "files, addresses, routes, rules, settings, sockets and zones: the same after an audit")
    return 1 if wrong else 0


def main(argv: t.Sequence[str]) -> int:
    """Carry out all cases; return 1 where a check saw too much or too little."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", default=os.environ.get("LAB_READINESS", "lab/inventory-readiness"))
    parser.add_argument("--defect", default="", help="only defects with these words in their names")
    parser.add_argument("--count", type=int, default=0, help="a random sample of so many")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--thorough", action="store_true", help="audit after each case, too")
    parser.add_argument("--hash", action="store_true", help="no defects: see that an audit changes nothing")
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
        site = Site(options.inventory, os.environ.get("LAB_SUITE", "bookworm"))
        site.make()
        if options.hash:
            return unchanged(site, say)
        cases = chosen(options.defect, options.count, options.seed)
        matrix = Matrix(site, options.thorough, say)
        matrix.begin()
        for case in cases:
            matrix.case(case)
        matrix.end()
    except (Trouble, LabError) as error:
        print(f"readiness: {error}", file=sys.stderr)
        return 1
    checks = len({case.check for case in cases})
    took = time.monotonic() - start
    say(f"{len(cases)} defects of {checks} checks, {matrix.wrong} differ, {took:.0f} s, seed {options.seed}")
    return 1 if matrix.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
