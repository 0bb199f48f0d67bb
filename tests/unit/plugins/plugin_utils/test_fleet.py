# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts, the connections that prove them, and the table."""

from __future__ import annotations

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
        "ns1|reverse|ipv6",
    ]


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
