# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the defect matrix lets nothing pass that is not exact; the site is made up."""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

import pytest

MATRIX = Path(__file__).parents[2] / "readiness"
NAMES = ("defect", "defects", "defects_choices", "defects_dns", "defects_network", "defects_rules", "defects_services")


@pytest.fixture
def driver(monkeypatch):
    if not (MATRIX / "run.py").exists():
        pytest.skip("the defect matrix is not part of this tree")
    monkeypatch.syspath_prepend(str(MATRIX))
    for name in (*NAMES, "run", "site_of_lab"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("run")
    yield module
    for name in (*NAMES, "run", "site_of_lab"):
        sys.modules.pop(name, None)


class Site:
    """A site whose audits say what they are told to say."""

    lab = types.SimpleNamespace(machines=[types.SimpleNamespace(name="www1")])

    def __init__(self, audits, left=(), broken=""):
        self.audits, self.left, self.broken = [frozenset(red) for red in audits], list(left), broken
        self.done = []

    def audit(self, variables=None):
        self.done.append(("audit", dict(variables or {})))
        return self.audits.pop(0), frozenset()

    def keep(self):
        pass

    def passed(self):
        return frozenset({("P02", "mail1"), ("Z01", "")})

    def snapshot(self):
        return {}

    def seed(self, steps):
        self.done.append("seed")
        if self.broken:
            raise self.trouble(self.broken)

    def undo(self, steps):
        self.done.append("undo")

    def differences(self, before, hosts=None, patience=10.0):
        return self.left

    def said(self, check, host):
        return [f"{check} is red"]


def matrix_of(driver, site, thorough=False):
    said = []
    site.trouble = driver.Trouble
    matrix = driver.Matrix(site, thorough, said.append)
    matrix.begin()
    return matrix, said


@pytest.mark.parametrize(
    ("expect", "red", "said"),
    [
        ({"F01 www1"}, {("F01", "www1")}, "exact: F01 www1"),
        ({"D06"}, {("D06", ""), ("D06", "ns1")}, "exact: D06"),
        ({"F01 www1"}, set(), "DIFFERS: -F01 www1"),
        ({"F01 www1"}, {("F01", "www1"), ("F04", "www1")}, "DIFFERS: +F04 www1"),
        # The right check on the wrong host is twice wrong.
        ({"F01 www1"}, {("F01", "mail1")}, "DIFFERS: +F01 mail1, -F01 www1"),
    ],
)
def test_exactly_the_checks_that_are_meant_to_see_it(driver, expect, red, said):
    site = Site([set(), red])
    matrix, lines = matrix_of(driver, site)
    matrix.run([driver.Defect("F01 a port", "F01", "", frozenset(expect))], 1)
    assert said in lines[0]
    assert matrix.wrong == ("DIFFERS" in said)
    assert site.done[-2:] == [("audit", {}), "undo"]


def test_what_was_red_before_is_no_find(driver):
    matrix, lines = matrix_of(driver, Site([{("N07", "web6")}, {("N07", "web6")}, {("N07", "web6"), ("F01", "")}]))
    assert matrix.wrong == 1
    assert lines[0] == "before any defect, this is red: N07 web6"
    matrix.run([driver.Defect("N07 a program", "N07", "", frozenset({"N07 web6"}))], 1)
    assert "-N07 web6" in lines[2]
    matrix.end()
    assert lines[-2:] == ["after all defects, this is red: F01", "       F01 : F01 is red"]
    assert matrix.wrong == 3


def test_a_defect_that_stays_counts(driver):
    defect = driver.Defect("A01 an address", "A01", "", frozenset({"A01 www1"}))
    matrix, lines = matrix_of(driver, Site([set(), {("A01", "www1")}], left=["+ www1: addresses: one more"]))
    matrix.run([defect], 1)
    assert "it left something behind" in lines[0]
    assert "one more" in lines[1]
    matrix, lines = matrix_of(driver, Site([set(), {("A01", "www1")}, {("A08", "www1")}]), thorough=True)
    matrix.run([defect], 1)
    assert "still red after it: A08 www1" in lines[0]


@pytest.mark.parametrize(("passes", "said"), [("P02 mail1", "exact: nothing"), ("P02 www1", "no pass of P02 www1")])
def test_what_must_pass(driver, passes, said):
    matrix, lines = matrix_of(driver, Site([set(), set()]))
    matrix.run([driver.Defect("P02 fine", "P02", "", frozenset(), passes=frozenset({passes}))], 1)
    assert said in lines[0]
    assert matrix.passed == {"P02", "Z01"}


def test_it_is_taken_out_even_where_it_could_not_be_put_in(driver):
    site = Site([set()], broken="www1: no such program")
    matrix, lines = matrix_of(driver, site)
    matrix.run([driver.Defect("A01 an address", "A01", "", frozenset({"A01"}))], 1)
    assert site.done[-2:] == ["seed", "undo"]
    assert "it could not be carried out" in lines[0]
    assert lines[1].strip() == "www1: no such program"


def test_together_only_what_is_far_apart(driver):
    def one(check, host, variables=None):
        step = driver.CATALOGUE[0].steps[0].__class__(host, "true", "true")
        return driver.Defect(f"{check} {host}", check, "", frozenset({f"{check} {host}"}), (step,), variables or {})

    first, second, same_host, same_check = (
        one("A01", "www1"),
        one("A02", "mail1"),
        one("A03", "www1"),
        one("A01", "ns1"),
    )
    assert driver.batches([first, second, same_host, same_check], 3) == [[first, second], [same_host, same_check]]
    assert driver.batches([first, second], 1) == [[first], [second]]
    # What differs together is tried one by one; then each has to stand for itself.
    site = Site([set(), {("A01", "www1")}, {("A01", "www1")}, set()])
    matrix, lines = matrix_of(driver, site)
    matrix.run([first, second], 2)
    assert lines[0].startswith("2 together: -A02 mail1")
    assert "exact" in lines[1]
    assert "DIFFERS: -A02 mail1" in lines[2]
    assert matrix.wrong == 1


def test_every_defect_can_be_undone_and_names_its_own_check(driver):
    checks = {case.check for case in driver.CATALOGUE}
    assert len(driver.CATALOGUE) == len({case.name for case in driver.CATALOGUE})
    for case in driver.CATALOGUE:
        assert case.steps or case.variables, case.name
        assert all(step.host and step.seed.strip() and step.undo.strip() for step in case.steps), case.name
        assert case.check in {entry.partition(" ")[0] for entry in case.expect | case.passes}, case.name
        assert case.why.endswith("."), case.name
    assert len(checks) >= 75


def test_a_sample_is_the_same_for_the_same_seed(driver):
    assert driver.chosen("", 5, 3) == driver.chosen("", 5, 3)
    assert len(driver.chosen("", 5, 3)) == 5
    assert {case.check for case in driver.chosen("W04", 0, 1)} == {"W04"}
    with pytest.raises(SystemExit, match="there is no such defect"):
        driver.chosen("nothing like it", 0, 1)
