# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JUnit file of an audit, as other programs read it."""

from __future__ import annotations

import collections
import os
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_junit import junit
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.audit_sample import sample

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
OUTCOMES = {"fail": "failure", "unknown": "error", "not_applicable": "skipped"}
# What the XSD of the Jenkins plug-in lets each element have.
ALLOWED = {
    "testsuites": {"name", "time", "tests", "failures", "errors", "disabled"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname", "id", "package"},
    "testcase": {"name", "classname", "time", "assertions", "status"},
    "failure": {"type", "message"},
    "error": {"type", "message"},
    "skipped": {"type", "message"},
}
KINDS = [(5, False, False), (5, True, False), (5, False, True), (60, False, False)]


@pytest.fixture(scope="module", params=KINDS, ids=["findings", "healthy", "hostile", "sixty"])
def document(request):
    hosts, healthy, hostile = request.param
    return sample(7, hosts, healthy=healthy, hostile=hostile)


def read(document):
    return ET.fromstring(junit(document).encode())


def outcome(case):
    return case[0].tag if len(case) else "pass"


def test_each_result_is_a_case_of_its_host(document):
    wanted = collections.Counter(
        (result["host"] or "site", OUTCOMES.get(result["status"], "pass")) for result in document["results"]
    )
    found = collections.Counter(
        (suite.get("name"), outcome(case)) for suite in read(document) for case in suite.iter("testcase")
    )
    assert found == wanted


def test_the_numbers_are_right(document):
    root = read(document)
    for level in (root, *root):
        cases = [outcome(case) for case in level.iter("testcase")]
        assert int(level.get("tests")) == len(cases)
        assert int(level.get("failures")) == cases.count("failure")
        assert int(level.get("errors")) == cases.count("error")
        assert level is root or int(level.get("skipped")) == cases.count("skipped")


def test_it_is_as_the_xsd_wants_it(document):
    root = read(document)
    for element in root.iter():
        assert set(element.attrib) <= ALLOWED[element.tag], element.tag
        if element.tag in ("testsuite", "testcase"):
            assert element.get("name")
        if element.tag in ("failure", "error"):
            assert element.get("type") and element.get("message")
        if element.tag == "testsuite":
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.get("timestamp"))
            names = [(case.get("classname"), case.get("name")) for case in element]
            assert len(names) == len(set(names))
    assert [child.tag for child in root] == ["testsuite"] * len(root)


def test_a_common_reader_reads_it(document):
    junitparser = pytest.importorskip("junitparser", reason="the package junitparser is not there")
    root = junitparser.JUnitXml.fromstring(junit(document).encode())
    kinds = {junitparser.Failure: "fail", junitparser.Error: "unknown", junitparser.Skipped: "not_applicable"}
    found = collections.Counter()
    for suite in root:
        for case in suite:
            found[kinds[type(case.result[0])] if case.result else "pass"] += 1
    assert found == collections.Counter(result["status"] for result in document["results"])
    assert root.tests == len(document["results"])


def test_a_failure_tells_all(document):
    text = "".join(read(document).itertext())
    for result in document["results"]:
        if result["status"] == "fail" and result["cause"]["variable"]:
            assert f"variable: {result['cause']['variable']}" in text
            assert f"set in: {result['cause']['where']}" in text or not result["cause"]["where"]


def test_a_host_without_results_is_no_suite_and_a_strange_one_is():
    document = sample(1, 5)
    document["results"] = [{**result, "host": "elsewhere"} for result in document["results"][:3]]
    assert [suite.get("name") for suite in read(document)] == ["elsewhere"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=st.text(st.characters(), max_size=60))
def test_any_text_is_text(text):
    document = sample(1, 5)
    result = {
        **document["results"][0],
        "status": "fail",
        "message": text,
        "evidence": [text],
        "fix": text,
        "name": text,
    }
    result["host"] = text
    root = read({**document, "results": [result]})
    assert [element.tag for element in root.iter()] == ["testsuites", "testsuite", "testcase", "failure"]
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in " ".join(text.split()))
    assert root[0][0][0].get("message", "") == shown
    assert all(sign == "\n" or sign.isprintable() for sign in junit({**document, "results": [result]}))
