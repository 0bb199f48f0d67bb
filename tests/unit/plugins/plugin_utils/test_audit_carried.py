# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of an earlier audit is compared: hosts left out, services taken away, addresses that changed."""

from __future__ import annotations

import json

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_fleet
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_compare import audited, carried, compare
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    PASS,
    UNKNOWN,
    Host,
    Result,
    Site,
)

KEYS = ("check", "status", "host", "service", "name", "address", "family", "message")


def host(ipv4="192.0.2.1", ipv6="2001:db8::1", services=("https",)):
    return {"ipv4": ipv4, "address": ipv6, "services": [{"name": name} for name in services]}


def result(status=PASS, name="www1", service="https", address="192.0.2.1", check="W01", family="ipv4"):
    return Result(check, status, "m", name, service, "", address, family)


def audit(hosts, *results):
    told = [{key: getattr(one, key) for key in KEYS} for one in results]
    cells = [
        {"host": name, "service": service["name"], "port": 443, "protocol": "tcp", "family": "ipv4",
         "address": there["ipv4"], "verdict": PASS}
        for name, there in hosts.items() for service in there["services"] if there["ipv4"]
    ]  # fmt: skip
    return {
        "schema": "ipv6.rollout/audit/1", "run": {"made": "2026-11-01T08:00:00+00:00"}, "site": {"verdict": "ready"},
        "hosts": hosts, "results": told, "matrix": cells,
    }  # fmt: skip


CASES = {
    "the same": ({"www1": host()}, [result()], [PASS], False),
    "it fails": ({"www1": host()}, [result(FAIL)], [FAIL], True),
    "nothing is said of it": ({"www1": host()}, [], [UNKNOWN], True),
    "the host is left out": ({"ns1": host("192.0.2.53")}, [], [], False),
    "no host is left": ({}, [], [], False),
    "the service is taken away": ({"www1": host(services=())}, [], [], False),
    "another address, and fine": ({"www1": host("192.0.2.9")}, [result(address="192.0.2.9")], [PASS], False),
    "another address, and broken": (
        {"www1": host("192.0.2.9")}, [result(FAIL, address="192.0.2.9")], [FAIL], True
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_the_user_changed_is_no_harm_and_both_ways_to_tell_agree(case):
    hosts, results, statuses, harmed = CASES[case]
    before, after = audit({"www1": host()}, result()), audit(hosts, *results)
    assert bool(compare(before, after)["ipv4_harmed"]) == harmed
    seen = {name: Host(name, {**spec, "names": []}) for name, spec in hosts.items()}
    found = list(readiness_fleet.ipv4_unharmed(Site(seen, before=before, results=tuple(results))))
    assert [one.status for one in found] == statuses


@pytest.mark.parametrize(
    ("address", "status", "harmed"),
    [
        ("", None, False),  # a name that is gone
        ("192.0.2.53", None, False),  # what was said of a host that is left out
        ("", FAIL, True),
        ("", UNKNOWN, False),
    ],
)
def test_what_is_about_no_host_harms_where_it_fails(address, status, harmed):
    was = result(name="", service="", address=address, check="D01")
    now = [result(status, "", "", address, "D01")] if status else []
    before = audit({"www1": host(services=()), "ns1": host("192.0.2.53", services=())}, was)
    after = audit({"www1": host(services=())}, *now)
    assert bool(compare(before, after)["ipv4_harmed"]) == harmed
    seen = {"www1": Host("www1", {**host(services=()), "names": []})}
    found = list(readiness_fleet.ipv4_unharmed(Site(seen, before=before, results=tuple(now))))
    assert any(one.status == FAIL for one in found) == harmed


def test_the_port_for_administrators_is_compared():
    before = audit({"www1": host()}, result(service="management", check="F08"))
    now = (result(FAIL, service="management", check="F08"),)
    seen = {"www1": Host("www1", {**host(), "names": []})}
    (found,) = readiness_fleet.ipv4_unharmed(Site(seen, before=before, results=now))
    assert found.status == FAIL


@pytest.mark.parametrize("hosts", [None, 5, [], {"www1": 5}, {"www1": {"services": 5}}, {"www1": {"services": [5]}}])
def test_an_earlier_audit_whose_hosts_can_not_be_read_is_compared_as_it_stands(hosts):
    before = {**audit({"www1": host()}, result()), "hosts": hosts}
    assert [one["address"] for one in carried(before, "results", {"www1": host()})] == ["192.0.2.1"]


def test_two_hosts_that_change_their_addresses_are_told_apart():
    before = audit(
        {"a": host("192.0.2.1"), "b": host("192.0.2.2")}, result(name="a"), result(name="b", address="192.0.2.2")
    )
    found = carried(before, "results", {"a": host("192.0.2.2"), "b": host("192.0.2.1")})
    assert [(one["host"], one["address"]) for one in found] == [("a", "192.0.2.2"), ("b", "192.0.2.1")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (json.dumps(audit({"www1": host(), "ns1": host()})), ["ns1", "www1"]),
        (json.dumps({**audit({}), "hosts": 5}), []),
        (json.dumps({**audit({"www1": host()}), "schema": "ipv6.rollout/audit/0"}), []),
        (json.dumps({**audit({"www1": host()}), "results": 5}), []),
        ("", []), ("{", []), ("5", []), (None, []), (5, []), ("[" * 100000, []),
    ],
)  # fmt: skip
def test_the_hosts_that_were_audited_are_read_from_what_is_an_audit_only(text, names):
    assert audited(text, "ipv6.rollout/audit/1") == names
