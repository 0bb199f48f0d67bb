# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the faults counts no case whose fault never happened; hosts and controllers are made up."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import pytest

FAULTS = Path(__file__).parents[2] / "faults"


@pytest.fixture
def driver(monkeypatch):
    if not (FAULTS / "run.py").exists():
        pytest.skip("the faults are not part of this tree")
    monkeypatch.syspath_prepend(str(FAULTS))
    spec = importlib.util.spec_from_file_location("faults_run", FAULTS / "run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "faults_run", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "second_run", lambda target: None)
    monkeypatch.setattr(module.time, "sleep", lambda seconds: None)
    return module


class Host:
    """A host that is always what it was."""

    inventory = container = ""
    machine = types.SimpleNamespace(name="target1", ipv4="192.0.2.11")
    ipv6 = "2001:db8::11"

    def __init__(self):
        self.before = ["all is well"]
        self.restarted = 0

    def shell(self, script):
        pass

    def look(self):
        return 105.5, self.before

    def restart(self, hard):
        self.restarted += 1


def watch_of(applied):
    """Return a watch; ``applied`` says for each case in turn whether the marker is seen."""
    left = list(applied)

    class Seen:
        process = types.SimpleNamespace(kill=lambda: None, wait=lambda: None)

        def __init__(self, target, mend, seconds):
            self.seen = []
            self.events = {"armed": ["100", "105"], "gone": ["105"], "note": ["exact"], "end": []}
            if left.pop(0):
                self.events["applied"] = ["101"]

        def wait(self, event, seconds):
            return self.events.get(event)

    return Seen


def controller_of(said, ended=2, masters=(1,)):
    class Run:
        def __init__(self, *given):
            self.process = types.SimpleNamespace(returncode=ended, poll=lambda: ended)

        def kill(self, connections_only=False):
            if not connections_only and ended is None:
                self.process.returncode = -9

        def wait(self, seconds):
            return ended

        def masters(self):
            return list(masters)

        def said(self):
            return said

        def close(self):
            pass

    return Run


LOST = "fatal: [target1]: UNREACHABLE! => the time was over without a commit (exactly as before)"
REFUSED = "no fresh\nlogin over ipv6: timed out"
OTHER = "FAILED! => something else"
CUT = "rules: policy drop, all rules flushed"
KILLED = "controller: killed right after the apply, cut off"
HARMLESS = "controller: killed right after the apply, harmless change"
MOMENT = "controller: killed at any moment"
CONNECTIONS = "controller: its connections are killed, cut off"


@pytest.mark.parametrize(
    ("name", "applied", "run", "shut", "reason"),
    [
        (CUT, [True], {"said": LOST}, False, ""),
        (CUT, [True], {"said": REFUSED}, False, ""),
        (CUT, [True], {"said": OTHER}, True, ""),
        (CUT, [True], {"said": OTHER}, False, "never happened: the host was never cut off"),
        (CUT, [False], {"said": LOST}, True, "never happened: nothing was applied"),
        (KILLED, [True], {"said": "", "ended": None}, True, ""),
        (KILLED, [False], {"said": "", "ended": None}, True, "never happened: nothing was applied"),
        (KILLED, [True], {"said": LOST}, True, "never happened: the controller had ended"),
        (HARMLESS, [True], {"said": "", "ended": None}, False, ""),
        (HARMLESS, [False], {"said": "", "ended": None}, False, "never happened: nothing was applied"),
        (MOMENT, [True], {"said": "", "ended": None}, False, ""),
        (MOMENT, [False, True], {"said": "", "ended": None}, True, ""),
        (MOMENT, [False, False], {"said": "", "ended": None}, True, "never happened: nothing was applied"),
        (CONNECTIONS, [True], {"said": LOST}, False, ""),
        (CONNECTIONS, [True], {"said": LOST, "masters": ()}, True, "never happened: there was no shared connection"),
        ("machine: restarted", [True], {"said": OTHER}, False, ""),
        ("machine: restarted", [False], {"said": OTHER}, False, "never happened: nothing was applied"),
    ],
)
def test_a_case_counts_only_if_its_fault_happened(driver, monkeypatch, name, applied, run, shut, reason):
    monkeypatch.setattr(driver, "Watch", watch_of(applied))
    monkeypatch.setattr(driver, "Controller", controller_of(**run))
    monkeypatch.setattr(driver, "_shut", lambda target: shut)
    host = Host()
    if reason:
        with pytest.raises(driver.Failure, match=f"^{reason}"):
            driver.case(host, 1, 1, name)
    else:
        # After a restart the time counts from when the machine is up.
        assert driver.case(host, 1, 1, name) == (0.0 if name == "machine: restarted" else 0.5)
    assert host.restarted == (name == "machine: restarted" and not reason)


TRACE = "trace 17 /bin/sh guard.sh"


@pytest.mark.parametrize(
    ("looks", "late", "reason"),
    [
        # When the guard is still clearing up, the host is back already.
        ([(106.0, ["all is well", TRACE, "note"]), (112.0, ["all is well", "note"])], 1.0, ""),
        ([(106.0, ["all is lost"]), (108.0, ["all is well"])], 3.0, ""),
        ([(106.0, ["all is lost"]), (111.0, ["all is well"])], 0.0, "it came back, but 6.0 s after"),
        ([(106.0, ["all is lost"]), (111.0, ["all is lost"])], 0.0, "the host is not what it was"),
        ([(106.0, ["all is well", TRACE]), (136.0, ["all is well", TRACE])], 0.0, "the host is not what it was"),
    ],
)
def test_when_a_host_is_back(driver, monkeypatch, looks, late, reason):
    monkeypatch.setattr(driver, "Watch", watch_of([True]))
    monkeypatch.setattr(driver, "Controller", controller_of(LOST))
    monkeypatch.setattr(driver, "_shut", lambda target: True)
    host, left = Host(), list(looks)
    monkeypatch.setattr(host, "look", lambda: left.pop(0))
    if reason:
        with pytest.raises(driver.Failure, match=reason) as failed:
            driver.case(host, 1, 1, CUT)
        # Only one that is merely late can go on as it is.
        assert isinstance(failed.value, driver.Late) == reason.startswith("it came back")
    else:
        assert driver.case(host, 1, 1, CUT) == late


@pytest.mark.parametrize(("closed", "expected"), [((), False), (("192.0.2.11",), True), (("2001:db8::11",), True)])
def test_shut_over_either_family(driver, monkeypatch, closed, expected):
    def connect(address, timeout):
        if address[0] in closed:
            raise TimeoutError
        return types.SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(driver.socket, "create_connection", connect)
    assert driver._shut(Host()) is expected
