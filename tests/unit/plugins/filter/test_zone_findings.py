# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter zone_findings: its documentation, and errors that name the filter."""

from __future__ import annotations

import inspect

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter import zone_findings
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_table import CHECKS

FILTER = zone_findings.FilterModule().filters()["zone_findings"]
RECORDS = [
    {"name": "www.example.com", "type": "A", "data": "192.0.2.80", "ttl": 300},
    {"name": "www.example.com", "type": "AAAA", "data": "2001:db8:1200::80", "ttl": 100},
]


def test_the_documentation_lists_the_checks():
    notes = yaml.safe_load(zone_findings.DOCUMENTATION)["notes"]
    source = {check: "O(not_public)" if "option" in row.source else row.source for check, row in CHECKS.items()}
    assert notes == [
        "These are the checks.",
        *(f"V({check}): {row.means} ({row.severity}; {source[check]})." for check, row in CHECKS.items()),
    ]


def test_the_options_are_those_of_the_filter():
    options = yaml.safe_load(zone_findings.DOCUMENTATION)["options"]
    assert ["_input", *list(inspect.signature(FILTER).parameters)[1:]] == list(options)


def test_the_result():
    found = FILTER(RECORDS)
    assert [item["check"] for item in found] == ["aaaa-without-ptr", "ttl-mismatch"]
    documented = yaml.safe_load(zone_findings.RETURN)["_value"]
    assert found[0] == documented["sample"][0]
    assert list(found[0]) == list(documented["contains"])


def test_the_options():
    assert [item["check"] for item in FILTER(RECORDS, ["example.com"])] == ["ttl-mismatch"]
    assert [item["check"] for item in FILTER(RECORDS[:1], not_public=["192.0.2.0/24"])] == [
        "address-declared-not-public"
    ]
    assert FILTER(RECORDS[:1], several_names=["192.0.2.80"]) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((7,), "records: 7 is neither a list of {name, type, data, ttl, zone} nor a dictionary of zone files"),
        (([], 5), "zones: 5 is not a list"),
        (([], None, ["x"]), "several_names: 'x' is neither an IPv6 nor an IPv4 address"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(AnsibleFilterError) as caught:
        FILTER(*arguments)
    assert str(caught.value) == f"ipv6.rollout.zone_findings: {message}"
