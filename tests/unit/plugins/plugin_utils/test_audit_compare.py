# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The differences between two audits, and whether IPv4 was harmed."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_compare import compare
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import ipv4_sentence
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.audit_sample import sample

SCHEMA = "ipv6.rollout/audit/1"


def result(status, family="ipv4", **about):
    told = {"check": "W01", "host": "www1", "service": "https", "name": "", "address": "192.0.2.1", "family": family}
    return {**told, "status": status, "message": f"it {status}", **about}


def cell(verdict, family="ipv4", **about):
    told = {"host": "www1", "service": "https", "port": 443, "protocol": "tcp", "address": "192.0.2.1"}
    return {**told, "family": family, "verdict": verdict, **about}


def audit(results=(), matrix=(), verdict="ready"):
    return {
        "schema": SCHEMA, "run": {"made": "2026-11-01T08:00:00+00:00"}, "site": {"verdict": verdict},
        "hosts": {"www1": {}}, "results": list(results), "matrix": list(matrix),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("was", "now", "kind", "harmed"),
    [
        ("pass", "pass", None, 0),
        ("pass", "fail", "worse", 1),
        ("pass", "unknown", "worse", 0),
        ("pass", "not_applicable", "worse", 0),
        ("pass", None, "gone", 1),
        ("fail", "pass", "better", 0),
        ("fail", "unknown", "better", 0),
        ("fail", None, "gone", 0),
        ("unknown", "pass", "better", 0),
        ("unknown", "fail", "worse", 0),
        ("not_applicable", "fail", "worse", 0),
        ("not_applicable", "pass", "better", 0),
        (None, "pass", "new", 0),
        (None, "fail", "new", 0),
    ],
)
def test_what_became_of_a_result(was, now, kind, harmed):
    before = audit([result(was)] if was else [])
    found = compare(before, audit([result(now)] if now else []))
    assert [change["kind"] for change in found["changes"]] == ([kind] if kind else [])
    for change in found["changes"]:
        assert (change["was"], change["is"]) == (was or "", now or "")
        assert change["message"] == f"it {now or was}"
    assert len(found["ipv4_harmed"]) == harmed
    over_ipv6 = compare(audit([result(was, "ipv6")] if was else []), audit([result(now, "ipv6")] if now else []))
    assert over_ipv6["ipv4_harmed"] == []


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ([cell("pass")], [cell("fail")], ["matrix www1, https 443/tcp, IPv4 192.0.2.1: passed, fails now"]),
        ([cell("pass")], [], ["matrix www1, https 443/tcp, IPv4 192.0.2.1: passed, is gone"]),
        ([cell("pass")], [cell("pass", address="192.0.2.9")],
         ["matrix www1, https 443/tcp, IPv4 192.0.2.1: passed, is gone"]),
        ([cell("fail")], [], []),
        ([cell("pass")], [cell("unknown")], []),
        ([cell("pass", "ipv6")], [cell("fail", "ipv6")], []),
        ([cell("pass"), cell("fail")], [], []),
    ],
)  # fmt: skip
def test_a_cell_over_ipv4_that_fails_or_is_gone_is_harm(was, now, said):
    assert compare(audit(matrix=was), audit(matrix=now))["ipv4_harmed"] == said


def test_what_got_worse_comes_first_and_of_two_of_a_kind_the_worse_counts():
    before = audit([result("pass", check="A01"), result("fail", check="B01"), result("pass", check="D01")])
    after = audit(
        [
            result("fail", check="A01"),
            result("pass", check="A01"),
            result("pass", check="B01"),
            result("fail", check="C01"),
        ]
    )
    found = compare(before, after)
    assert [(change["kind"], change["check"]) for change in found["changes"]] == [
        ("worse", "A01"), ("new", "C01"), ("gone", "D01"), ("better", "B01")
    ]  # fmt: skip


def test_an_audit_is_no_different_from_itself_and_stays_as_it_is():
    document = sample(1, 5)
    before = copy.deepcopy(document)
    found = compare(document, document)
    assert found == {
        "made": document["run"]["made"], "verdict": document["site"]["verdict"], "changes": [], "ipv4_harmed": []
    }  # fmt: skip
    assert document == before


@pytest.mark.parametrize(
    ("now", "status"), [("pass", "pass"), ("fail", "fail"), ("unknown", "unknown"), (None, "fail")]
)
def test_the_sentence_about_ipv4(now, status):
    found = compare(audit([result("pass")]), audit([result(now)] if now else []))
    assert ipv4_sentence(found)[0] == status


@pytest.mark.parametrize(
    "before",
    [
        None, "", 5, [], {}, {"schema": "ipv6.rollout/audit/0"}, {"schema": SCHEMA},
        {**audit(), "results": {}}, {**audit(), "results": [5]}, {**audit(), "matrix": [{"host": "www1"}]},
        {**audit(), "run": None}, {**audit(), "site": {"verdict": None}}, {**audit([result("pass", host=None)])},
        {**audit([result("pass", address=["192.0.2.1"])])},
    ],
)  # fmt: skip
def test_what_is_no_audit_is_refused(before):
    with pytest.raises(RolloutError, match="readiness_before: "):
        compare(before, audit())
