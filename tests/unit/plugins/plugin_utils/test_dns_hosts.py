# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records of hosts."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_hosts import host_records

HOSTS: dict[str, t.Any] = {
    "www1": {
        "address": "2001:DB8:1200::80",
        "names": ["www.example.com", "example.com"],
        "lab_names": ["ipv6.www.example.com", "ipv6.example.com"],
        "services": ["http"],
    },
    "mail1": {
        "address": "2001:db8:1200::25",
        "names": ["mail1.example.com"],
        "lab_names": ["ipv6.mail1.example.com"],
        "mail_domains": ["example.com", "example.net"],
    },
    "mail2": {"address": "2001:db8:1200::26", "mail_domains": ["example.com"]},
    "quiet": {"address": "2001:db8:1200::1", "lab_names": ["ipv6.quiet.example.com"], "names": None},
}


def test_lab_names_and_what_must_be_there_before_mail_leaves() -> None:
    found = host_records(HOSTS, "lab")
    assert found["spf"] == [
        {"name": "example.com.", "ip6": ["2001:db8:1200::25", "2001:db8:1200::26"]},
        {"name": "example.net.", "ip6": ["2001:db8:1200::25"]},
    ]
    assert found["records"][0] == {
        "name": "ipv6.www.example.com.",
        "type": "AAAA",
        "data": "2001:db8:1200::80",
        "ttl": 300,
    }
    assert len(found["records"]) == 4
    assert host_records(HOSTS, "lab", 60)["records"][0]["ttl"] == 60


def test_published_names_have_no_ttl_of_their_own() -> None:
    found = host_records(HOSTS, "published")
    assert found["records"] == [
        {"name": "www.example.com.", "type": "AAAA", "data": "2001:db8:1200::80"},
        {"name": "example.com.", "type": "AAAA", "data": "2001:db8:1200::80"},
        {"name": "mail1.example.com.", "type": "AAAA", "data": "2001:db8:1200::25"},
    ]
    assert found["spf"] == []


def test_one_pointer_for_each_address_that_has_a_name() -> None:
    found = host_records(HOSTS, "reverse")["records"]
    assert [(item["data"], item.get("fallback")) for item in found] == [
        ("www.example.com.", "ipv6.www.example.com."),
        ("mail1.example.com.", "ipv6.mail1.example.com."),
        ("ipv6.quiet.example.com.", None),
    ]
    assert found[0]["name"] == f"0.8.{'0.' * 18}0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."


def test_nothing_is_mutated() -> None:
    before = copy.deepcopy(HOSTS)
    for kind in ("lab", "published", "reverse"):
        host_records(HOSTS, kind)
    assert before == HOSTS


@pytest.mark.parametrize(
    ("hosts", "kind", "why"),
    [
        ({}, "forward", "kind: 'forward' is not one of lab, published, reverse"),
        ([], "lab", "is not a dictionary of hosts"),
        ({"a": "2001:db8::1"}, "lab", "hosts.a: '2001:db8::1' is not a dictionary"),
        ({"a": {}}, "lab", "hosts.a.address is missing"),
        ({"a": {"address": 80}}, "lab", "hosts.a.address: 80 is a number"),
        ({"a": {"address": "192.0.2.1"}}, "lab", "hosts.a.address: '192.0.2.1' is IPv4"),
        ({"a": {"address": "::1", "names": "www"}}, "lab", "hosts.a.names: 'www' is not a list"),
        ({"a": {"address": "::1", "names": ["a..b"]}}, "lab", r"hosts.a.names\[0\]"),
        ({"a": {"address": "::1"}, "b": {"address": "0::1"}}, "lab", "hosts.b.address: ::1 is the address of a too"),
    ],
)
def test_bad_input_is_named(hosts: t.Any, kind: str, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        host_records(hosts, kind)
