# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of checks as such: what is not seen is unknown, and nothing that was seen ends an audit."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_fleet
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    Check,
    Host,
    Result,
    Site,
    failed,
    passed,
    probe,
)

SPEC = {
    "address": "2001:db8:1200::80",
    "ipv4": "192.0.2.80",
    "services": [{"name": "http", "port": 80, "protocol": "tcp", "sources": []}],
    "names": ["www.example.com"],
}
SEEN = Host("www1", SPEC, look={"audit": {"state": {"before": "a", "after": "a", "parts": []}}})
LOST = Host("www2", SPEC, look=None, why="it can't be reached")


def check(judge, view="inside", of="host"):
    return Check("X01", "title", view, 3, "rule", "source", judge, of=of)


def site(*hosts, **more):
    return Site({host.name: host for host in hosts}, **more)


def test_a_host_that_was_not_looked_at_is_unknown_and_its_judge_is_not_called():
    asked = []

    def judge(host, _site):
        asked.append(host.name)
        yield passed("fine", host=host.name)

    found = check(judge).results(site(SEEN, LOST))
    assert [(result.host, result.status) for result in found] == [("www1", PASS), ("www2", UNKNOWN)]
    assert asked == ["www1"] and "can't be reached" in found[1].message


def test_a_check_from_outside_is_asked_of_a_host_that_was_not_looked_at():
    found = check(lambda host, _site: [passed("answers", host=host.name)], view="outside").results(site(LOST))
    assert [result.status for result in found] == [PASS]


@pytest.mark.parametrize(
    "error", [KeyError("x"), TypeError("x"), ValueError("x"), AttributeError("x"), RolloutError("x")]
)
def test_a_judge_that_breaks_is_unknown(error):
    def judge(_host, _site):
        raise error

    (result,) = check(judge).results(site(SEEN))
    assert (result.status, result.host, result.check) == (UNKNOWN, "www1", "X01")


def test_a_judge_that_breaks_half_way_has_not_passed():
    def judge(host, _site):
        yield passed("the first half", host=host.name)
        raise KeyError("second")

    assert [result.status for result in check(judge).results(site(SEEN))] == [UNKNOWN]


def test_silence_is_not_applicable():
    assert [result.status for result in check(lambda host, _site: []).results(site(SEEN))] == [NOT_APPLICABLE]
    assert [result.status for result in check(lambda _site: [], of="site").results(site())] == [NOT_APPLICABLE]
    assert [result.status for result in check(lambda host, _site: []).results(site())] == [NOT_APPLICABLE]


def test_a_result_gets_the_id_of_its_check():
    (result,) = check(lambda _site: [failed("wrong")], of="site").results(site())
    assert result.check == "X01" and result.key[0] == "X01"


def test_a_probe_leaves_out_what_says_nothing():
    assert probe(
        ("web", "www1", "http", "ipv6"), "http", "ipv6", address="2001:db8::1", port=80, source="", host=None
    ) == {
        "id": "web|www1|http|ipv6",
        "kind": "http",
        "family": "ipv6",
        "address": "2001:db8::1",
        "port": 80,
    }


def test_a_setting_is_the_first_that_is_set():
    hosts = [Host("a", SPEC, {"ipv6_gateway": None}), Host("b", SPEC, {"ipv6_gateway": "fe80::1"})]
    assert site(*hosts).setting("ipv6_gateway") == "fe80::1"
    assert site(*hosts).setting("ipv6_other", "x") == "x"


# ------------------------------------------------------------------------------------------------------- the fleet


def plain(result: Result) -> dict:
    keys = ("check", "status", "host", "service", "name", "address", "family", "message")
    return {key: getattr(result, key) for key in keys}


WAS = Result("W01", PASS, "it answers", host="www1", service="http", address="192.0.2.80", family="ipv4")


def unharmed(before, now):
    earlier = {"results": [plain(one) for one in before]} if before is not None else {}
    return list(readiness_fleet.ipv4_unharmed(site(SEEN, before=earlier, results=tuple(now))))


def statuses(found):
    return [result.status for result in found]


def test_without_an_earlier_audit_nothing_is_said_of_harm():
    assert statuses(unharmed(None, [WAS])) == [NOT_APPLICABLE]


def test_what_works_as_before_is_fine():
    assert statuses(unharmed([WAS], [WAS])) == [PASS]


def test_what_fails_over_ipv4_now_is_harm():
    now = Result(
        "W01", FAIL, "no answer", host="www1", service="http", address="192.0.2.80", family="ipv4", evidence=("e",)
    )
    (result,) = unharmed([WAS], [now])
    assert (result.status, result.host, result.service) == (FAIL, "www1", "http")
    assert "no answer" in result.message and result.variable and result.evidence


def test_harm_is_not_called_fine_beside_it():
    broken = Result("W02", FAIL, "m", host="www1", service="http", family="ipv4", evidence=("e",))
    assert statuses(unharmed([WAS, dataclasses.replace(broken, status=PASS)], [WAS, broken])) == [FAIL]


def test_what_is_not_known_any_more_is_no_pass():
    assert statuses(unharmed([WAS], [])) == [UNKNOWN]


def test_ipv6_and_what_failed_before_do_not_count():
    ipv6 = Result("W01", PASS, "m", host="www1", service="http", address="2001:db8::1", family="ipv6")
    red = Result("W02", FAIL, "m", host="www1", service="http", family="ipv4")
    assert statuses(unharmed([ipv6, red], [])) == []


def test_what_is_not_declared_any_more_is_no_harm():
    gone = Result("W01", PASS, "m", host="www9", service="http", family="ipv4")
    service = Result("W01", PASS, "m", host="www1", service="https", family="ipv4")
    assert statuses(unharmed([gone, service], [])) == []


def test_a_failure_without_a_cause_is_a_defect_of_the_audit():
    blank = Result("A01", FAIL, "m", host="www1", evidence=("e",))
    told = Result("A01", FAIL, "m", host="www1", evidence=("e",), variable="ipv6_subnet")
    assert statuses(readiness_fleet.each_has_a_cause(site(SEEN, results=(blank,)))) == [FAIL]
    assert statuses(readiness_fleet.each_has_a_cause(site(SEEN, results=(told,)))) == [PASS]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"before": "a", "after": "a", "parts": []}, PASS),
        ({"before": "a", "after": "b", "parts": ["/etc"]}, FAIL),
        ({}, UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_looking_changes_nothing(state, status):
    host = Host("www1", SPEC, look={"audit": {"state": state}})
    assert statuses(readiness_fleet.looking_changes_nothing(host, site(host))) == [status]
