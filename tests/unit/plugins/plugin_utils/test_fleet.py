# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts, the connections that prove them, and the table."""

from __future__ import annotations

import json

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet


def service(name, port, protocol="tcp", daemon="", sources=()):
    """Return a service as the filter services gives it."""
    return {"name": name, "port": port, "protocol": protocol, "daemon": daemon, "sources": list(sources)}


SPECS = {
    "mail1": {
        "subnet": "mail",
        "ipv4": "192.0.2.25",
        "names": ["mail1.example.com"],
        "lab_names": ["ipv6.mail1.example.com"],
        "services": [service("smtp", 25, daemon="postfix")],
    },
    "ns1": {
        "subnet": "mail",
        "ipv4": "",
        "names": [],
        "lab_names": [],
        "services": [
            service("dns", 53, "udp"),
            service("dns", 53),
            service("admin", 8443, sources=["2001:db8:1::/48"]),
            service("syslog", 514, "udp"),
        ],
    },
}
PLAN = {
    "prefix": "2001:db8::/48",
    "subnets": {"mail": "2001:db8:0:25::/64"},
    "hosts": {"mail1": "2001:db8:0:25::25", "ns1": "2001:db8:0:25::53"},
}


@pytest.fixture
def members():
    """The hosts with their addresses."""
    return fleet.members(SPECS, PLAN)


def test_members_have_their_address_and_length(members):
    assert members["mail1"]["address"] == "2001:db8:0:25::25"
    assert members["mail1"]["prefix_length"] == 64
    assert "address" not in SPECS["mail1"]


def test_a_host_without_an_address_is_named():
    with pytest.raises(RolloutError, match="no address for host 'www9'"):
        fleet.members({"www9": SPECS["ns1"]}, PLAN)


def ids(checks):
    """Return the ids of checks."""
    return sorted(check["id"] for check in checks)


def test_inside_goes_by_lab_name_over_ipv6_and_by_address_over_ipv4(members):
    checks = {check["id"]: check for check in fleet.inside_checks(members, ["mail1"])}
    assert checks["mail1|smtp|ipv6"]["name"] == "ipv6.mail1.example.com"
    assert checks["mail1|smtp|ipv6"]["says"] == "mail1.example.com"
    assert checks["mail1|smtp|ipv4"]["address"] == "192.0.2.25"
    assert "name" not in checks["mail1|smtp|ipv4"]
    assert "mail1|ping|ipv6" in checks and "mail1|reverse|ipv6" in checks


def test_a_service_is_proved_once_a_family_and_never_where_it_can_not_be(members):
    assert ids(fleet.inside_checks(members, ["ns1"])) == [
        "ns1|admin|ipv6",
        "ns1|dns|ipv6",
        "ns1|ping|ipv6",
    ]


def test_a_reverse_name_is_asked_for_where_there_is_a_name(members):
    assert "ns1|reverse|ipv6" not in ids(fleet.outside_checks(members, ["ns1"]))
    assert "mail1|reverse|ipv6" in ids(fleet.outside_checks(members, ["mail1"]))


def test_a_host_without_services_publishes_no_name_and_keeps_its_lab_name(members):
    idle = {"mail1": {**members["mail1"], "services": []}}
    (check,) = [one for one in fleet.outside_checks(idle, ["mail1"]) if one["kind"] == "reverse"]
    assert "says" not in check


def test_outside_comes_from_a_source_that_no_rule_lets_in(members):
    checks = {check["id"]: check for check in fleet.outside_checks(members, ["mail1", "ns1"], "2001:db8:beef::10")}
    assert checks["mail1|smtp|ipv6"]["source"] == "2001:db8:beef::10"
    assert checks["mail1|smtp|ipv6"]["name"] == "mail1.example.com"
    assert "source" not in checks["mail1|smtp|ipv4"]
    assert "source" not in checks["ns1|admin|ipv6"]
    assert checks["mail1|reverse|ipv6"]["says"] == "mail1.example.com"


def test_every_published_name_is_proved(members):
    two = {"mail1": {**members["mail1"], "names": ["mail1.example.com", "mx.example.com"]}}
    checks = {check["id"]: check for check in fleet.outside_checks(two, ["mail1"])}
    for family in ("ipv4", "ipv6"):
        further = checks[f"mail1|smtp|{family}|mx.example.com"]
        assert (further["name"], further["says"]) == ("mx.example.com", "mail1.example.com")
    assert checks["mail1|smtp|ipv6"]["name"] == "mail1.example.com"
    proofs = [proof(identity, "mx." not in identity) for identity in checks]
    assert len(fleet.failures(proofs, "mail1")) == 2
    assert fleet.report(two, list(checks.values()), proofs)["unproved"] == 2


def proof(identity, ok, evidence="seen"):
    """Return a proof as the module gives it."""
    return {"id": identity, "ok": ok, "evidence": evidence, "address": "2001:db8::1", "seconds": 0.1}


def test_failures_are_those_of_one_host():
    proofs = [proof("a|http|ipv6", False, "refused"), proof("a|http|ipv4", True), proof("b|http|ipv6", False)]
    assert fleet.failures(proofs, "a") == ["http over ipv6: refused"]


def test_report_and_table(members):
    checks = fleet.outside_checks(members, ["mail1"])
    proofs = [proof(check["id"], "ipv4" not in check["id"]) for check in checks]
    told = fleet.report({"mail1": members["mail1"]}, checks, proofs)
    assert (told["proved"], told["unproved"]) == (3, 1)
    assert told["hosts"]["mail1"]["proved"] is False
    lines = fleet.table(told).splitlines()
    assert lines[0].split() == ["host", "service", "family", "name", "address", "result", "evidence"]
    assert any("FAILED" in line and "ipv4" in line for line in lines)
    assert lines[-1] == "3 of 4 lines proved by a connection made for them."


def test_a_host_that_was_not_asked_is_not_in_the_report(members):
    checks = fleet.outside_checks(members, ["mail1"])
    assert list(fleet.report(members, checks, [proof(check["id"], True) for check in checks])["hosts"]) == ["mail1"]


def told(*names, ok=True):
    """Return a report of these hosts, with one line each."""
    fleet_of = {
        name: {"address": f"2001:db8::{name[-1]}", "ipv4": "", "names": [f"{name}.example.com"]} for name in names
    }
    checks = [{"id": f"{name}|ping|ipv6"} for name in names]
    return fleet.report(fleet_of, checks, [proof(check["id"], ok) for check in checks])


def written(report, made, before=None, prefix="2001:db8::/48", planned=None):
    """Return the text of a report file."""
    whole = fleet.merged(report, before, made, prefix, planned or {})
    return whole, json.dumps(whole).encode()


def test_a_run_with_a_limit_keeps_what_was_known_of_the_others():
    _whole, first = written(told("www1", "www2", ok=False), "monday")
    whole, _text = written(told("www1"), "tuesday", first)
    assert whole["made"] == "tuesday"
    assert {name: (host["made"], host["proved"]) for name, host in whole["hosts"].items()} == {
        "www1": ("tuesday", True),
        "www2": ("monday", False),
    }
    assert [line["host"] for line in whole["lines"]] == ["www1", "www2"]
    assert (whole["proved"], whole["unproved"]) == (1, 1)


def test_a_report_of_before_hosts_had_a_time_lends_them_its_own():
    whole, _text = written(told("www2"), "monday")
    del whole["hosts"]["www2"]["made"]
    merged, _text = written(told("www1"), "tuesday", json.dumps(whole).encode())
    assert merged["hosts"]["www2"]["made"] == "monday"


def test_a_host_that_the_plan_has_no_more_leaves_the_report():
    _whole, first = written(told("www1", "www2", "www3"), "monday")
    planned = {"www1": "2001:db8::1", "www3": "2001:db8::3"}
    assert list(written(told("www1"), "tuesday", first, planned=planned)[0]["hosts"]) == ["www1", "www3"]


GOOD_LINE = told("www2")["lines"][0]


@pytest.mark.parametrize(
    "before",
    [
        None,
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"7",
        b"[" * 100000,
        json.dumps({"schema": "other/1", "prefix": "2001:db8::/48", "hosts": {"www2": {}}, "lines": []}).encode(),
        json.dumps({"schema": fleet.SCHEMA, "prefix": "2001:db8:1::/48", "hosts": {"www2": {}}, "lines": []}).encode(),
        json.dumps({"schema": fleet.SCHEMA, "prefix": "2001:db8::/48", "hosts": [], "lines": []}).encode(),
        json.dumps({"schema": fleet.SCHEMA, "prefix": "2001:db8::/48", "hosts": {"www2": 7}, "lines": []}).encode(),
        json.dumps({"schema": fleet.SCHEMA, "prefix": "2001:db8::/48", "hosts": {"www2": {}}}).encode(),
        json.dumps(
            {"schema": fleet.SCHEMA, "prefix": "2001:db8::/48", "hosts": {}, "lines": [{"host": "www2"}]}
        ).encode(),
        json.dumps(
            {"schema": fleet.SCHEMA, "prefix": "2001:db8::/48", "hosts": {}, "lines": [{**GOOD_LINE, "name": 7}]}
        ).encode(),
    ],
)
def test_an_earlier_report_that_can_not_be_read_is_replaced(before):
    whole, _text = written(told("www1"), "tuesday", before)
    assert list(whole["hosts"]) == ["www1"]
    assert [line["host"] for line in whole["lines"]] == ["www1"]
    assert whole["schema"] == fleet.SCHEMA


def test_the_report_is_beside_the_inventory_and_never_in_it(tmp_path):
    folder = tmp_path / "inventory"
    folder.mkdir()
    (folder / "hosts.yml").write_text("all:\n")
    beside = str(tmp_path / "ipv6_report.json")
    assert fleet.report_path("", [str(folder)]) == beside
    assert fleet.report_path(None, [str(folder)]) == beside
    assert fleet.report_path("", [str(folder / "hosts.yml")]) == str(folder / "ipv6_report.json")
    assert fleet.report_path("/srv/report.json", None) == "/srv/report.json"
    with pytest.raises(RolloutError, match="ipv6_report_file: there is no inventory file"):
        fleet.report_path("", ["www1,"])
    with pytest.raises(RolloutError, match="ipv6_report_file: 7 is not a path"):
        fleet.report_path(7, None)
