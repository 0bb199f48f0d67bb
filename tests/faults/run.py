# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock hosts of a lab out, many times, and see that each comes back by itself, exactly as it was, and in time.

Each case: a look at the host, ansible-playbook (arm, sabotage, commit), a look without ssh until the host is what it
was or its time is over, and a plain second run. The hosts work side by side, one case at a time on each of them.
A case counts only if its fault happened: a host that nobody locked out has not come back.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import queue
import random
import re
import signal
import socket
import sys
import threading
import time
import typing as t

from catalogue import CATALOGUE, Fault
from target import WINDOW, Controller, Engine, Failure, Late, Target, Watch, load, looked, untraced

GRACE = 5.0
# How long traces of the guard may stay once the host is back: a commit that came too late looks at the host, too, and
# waits 20 seconds for a program that hangs.
CLEARING = 25.0
# How long a controller that hangs on a dead connection is waited for, once the host is back.
PATIENCE = 25.0


def difference(before: list[str], after: list[str]) -> str:
    """Return the first lines in which two looks differ."""
    lines = list(difflib.unified_diff(before, after, "before", "after", n=0, lineterm=""))
    return "\n".join(lines[:30])


def lock_out(target: Target, fault: Fault, cuts: bool) -> tuple[float, bool]:
    """Carry out one case.

    Return how many seconds after the window's end the host was what it had been, and whether the fault was applied.
    """
    target.shell(f"rm -f /run/fault-applied\n{fault.prepare}")
    variables = {
        "fault_window": WINDOW,
        "fault_files": fault.files,
        "fault_services": fault.services,
        "fault_sabotage": fault.script,
        "fault_twice": fault.twice,
        "fault_pause": fault.pause,
        "fault_ipv6": target.ipv6,
    }
    watch = Watch(target, fault.mend, 60)
    runs = [
        Controller(target.inventory, target.machine.name, "lockout.yml", variables) for _run in range(fault.operators)
    ]
    try:
        late, shut = _see(target, fault, watch, runs)
        _judge(fault, runs)
        if cuts and not shut and not any(_lost(run) for run in runs):
            raise Failure("never happened: the host was never cut off")
    except Failure as error:
        said = "\n".join(line for run in runs for line in run.said().splitlines()[-25:])
        raise type(error)(f"{error}\n{said}") from None
    finally:
        for run in runs:
            run.close()
        watch.process.kill()
        watch.process.wait()
        target.shell("rm -f /run/fault-applied")
    return late, "applied" in watch.events


def _kill(run: Controller) -> None:
    run.kill()
    if run.process.returncode != -signal.SIGKILL:
        raise Failure("never happened: the controller had ended before it was killed")


def _shut(target: Target) -> bool:
    """Whether the host takes no new connection to its sshd over one of the families."""
    for address in (target.machine.ipv4, target.ipv6):
        try:
            socket.create_connection((address, 22), timeout=1).close()
        except OSError:
            return True
    return False


def _lost(run: Controller) -> bool:
    """Whether a controller lost its host: it hangs, or says so."""
    said = " ".join(run.said().split())
    return run.process.poll() is None or bool(re.search("UNREACHABLE!|no fresh login over|it is too late", said))


def _see(target: Target, fault: Fault, watch: Watch, runs: list[Controller]) -> tuple[float, bool]:
    """Return how late the host was back, and whether it was shut in the meantime."""
    armed = watch.wait("armed", 40)
    if not armed:
        raise Failure("it was never armed")
    shut = False
    if isinstance(fault.kill, float):
        time.sleep(fault.kill)
        _kill(runs[0])
    else:
        # The script's last word is a file on the host, which is looked for past ssh.
        if not watch.wait("applied", 20):
            raise Failure("never happened: nothing was applied")
        if fault.kill == "applied":
            _kill(runs[0])
        elif fault.kill_connections:
            if not runs[0].masters():
                raise Failure("never happened: there was no shared connection to kill")
            runs[0].kill(connections_only=True)
        if not fault.restart:
            shut = _shut(target)
    if fault.restart:
        target.restart(fault.restart == "hard")
    else:
        if not watch.wait("gone", WINDOW + 30):
            raise Failure("the guard is still there")
        watch.wait("end", 15)
        note = watch.events.get("note", [])
    deadline = float(watch.events["armed"][1])
    # The first look is the watch's own, as soon as the guard is gone: it need not be started.
    now, after = looked(watch.seen) if watch.seen else target.look()
    due = deadline if not fault.restart else max(deadline, now)
    back = 0.0
    # It is back when it is what it was; soon after, nothing of the guard is left but its note for the next run.
    while [line for line in after if line != "note"] != target.before:
        if not back and untraced(after) == untraced(target.before):
            back = now
        if now > due + GRACE + (CLEARING if back else 0):
            raise Failure(f"the host is not what it was\n{difference(target.before, after)}")
        now, after = target.look()
    back = back or now
    if back > due + GRACE:
        raise Late(f"it came back, but {back - due:.1f} s after the window's end; {GRACE:.0f} are allowed")
    if not fault.restart:
        gone = float(watch.events["gone"][0])
        if gone < deadline - 1.2:
            raise Failure(f"it was gone {deadline - gone:.1f} s too early: {note}")
        # A commit that comes at that very moment takes the note with it, and says the same.
        said = runs[0].said()
        if "exact" not in note and "the time was over without a commit (exactly as before)" not in " ".join(
            said.split()
        ):
            raise Failure(f"the guard says: {note}")
    return back - due, shut


def _judge(fault: Fault, runs: list[Controller]) -> None:
    """See that no controller believes that its change was kept."""
    if fault.kill is not None:
        return
    refused = 0
    for run in runs:
        code = run.wait(PATIENCE)
        if code == 0:
            raise Failure("the controller says that all went well")
        refused += bool(re.search(r"the host is guarded by .* \(armed \d+ s ago, \d+ s left\)", run.said()))
    if refused != fault.operators - 1:
        raise Failure(f"{refused} operators were refused")


def second_run(target: Target) -> None:
    """A plain run: it completes, and leaves nothing."""
    run = Controller(target.inventory, target.machine.name, "again.yml", {"fault_ipv6": target.ipv6})
    try:
        code = run.wait(60)
        if code != 0:
            raise Failure(f"the second run ended with {code}\n{run.said()[-2500:]}")
    finally:
        run.close()
    _now, after = target.look()
    if after != target.before:
        raise Failure(f"the second run left something behind\n{difference(target.before, after)}")


def case(target: Target, seed: int, number: int, name: str) -> float:
    """Carry out one case and its second run; return how late the host was back."""
    fault = CATALOGUE[name](random.Random(f"{seed} {number} {name}"))
    # A restart cuts off by itself, and one change is there to be harmless.
    cuts = fault.kill in (None, "applied") and not fault.restart and "harmless" not in name
    late, applied = lock_out(target, fault, cuts)
    if not applied:
        # The controller died before it had changed anything. That is restored, too, but only half of the case.
        again, _applied = lock_out(target, dataclasses.replace(fault, kill="applied"), cuts=True)
        late = max(late, again)
    second_run(target)
    return late


def chosen(words: str, count: int, seed: int) -> list[str]:
    """Return the names of the cases: all faults that the words name, over and over, in an order of the seed."""
    names = [name for name in CATALOGUE if words.lower() in name.lower()]
    if not names:
        sys.exit(f"FAULT={words}: no such fault; these are there:\n  " + "\n  ".join(CATALOGUE))
    cases: list[str] = []
    rng = random.Random(seed)
    while len(cases) < (count or len(names)):
        rng.shuffle(names)
        cases += names
    return cases[: count or len(names)]


def main(argv: t.Sequence[str]) -> int:
    """Carry out all cases; return 1 where a host was not restored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-i", "--inventory", default="lab/inventory-faults")
    parser.add_argument("--count", type=int, default=0, help="how many cases; by default each fault once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fault", default="", help="only faults with these words in their names")
    parser.add_argument("--hosts", type=int, default=0, help="how many hosts at once; by default all")
    options = parser.parse_args(argv)
    lab = load(options.inventory)
    engine = Engine(os.environ.get("LAB_SUITE", "bookworm"))
    machines = [machine for machine in lab.machines if machine.addresses][: options.hosts or None]
    targets = [Target(engine, lab, machine, options.inventory) for machine in machines]
    names = chosen(options.fault, options.count, options.seed)
    waiting: queue.Queue[tuple[int, str]] = queue.Queue()
    for number, name in enumerate(names, 1):
        waiting.put((number, name))
    start = time.monotonic()
    results: list[tuple[float, str]] = []
    lock = threading.Lock()

    def work(target: Target) -> None:
        target.prepare()
        while True:
            try:
                number, name = waiting.get_nowait()
            except queue.Empty:
                return
            began = time.monotonic()
            late, reason, lost = 0.0, "", False
            try:
                late = case(target, options.seed, number, name)
            except Failure as error:
                reason, lost = str(error), not isinstance(error, Late)
            except Exception as error:
                reason, lost = f"{type(error).__name__}: {error}", True
            with lock:
                results.append((late, reason))
                verdict = f"restored {late:+5.1f} s" if not reason else "NOT RESTORED"
                took = time.monotonic() - began
                print(f"{number:4} {target.machine.name:8} {name:58} {verdict} ({took:.0f} s)", flush=True)
                if reason:
                    print("       " + reason.replace("\n", "\n       "), flush=True)
            if lost:
                target.remake()

    # Whoever ends this ends what it has started, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threads = [threading.Thread(target=work, args=(target,)) for target in targets]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for run in list(Controller.running):
            run.close()
        os._exit(130)
    restored = sum(not reason for _late, reason in results)
    slowest = max((late for late, reason in results if not reason), default=0.0)
    print(
        f"restored/total {restored}/{len(names)}, seed {options.seed}, window {WINDOW} s, the slowest "
        f"{slowest:+.1f} s after its end, {time.monotonic() - start:.0f} s on {len(targets)} hosts"
    )
    return 0 if restored == len(names) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
