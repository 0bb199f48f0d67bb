# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that translate rules, as a playbook calls them."""

from __future__ import annotations

import copy

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter import ip6tables_rules, plan_addresses

translated = ip6tables_rules.FilterModule().filters()["ip6tables_rules"]
mapping = plan_addresses.FilterModule().filters()["plan_addresses"]
MEMBERS = {"mail": {"ipv4": "192.0.2.25", "address": "2001:db8:1200:25::25"}}


def test_from_the_fleet_to_the_rules() -> None:
    members = copy.deepcopy(MEMBERS)
    addresses = mapping(members, subnets={"192.0.2.0/24": "2001:db8:1200::/64"})
    assert members == MEMBERS
    kept = copy.deepcopy(addresses)
    text = "-A INPUT -s 192.0.2.0/24 -d 192.0.2.25 -p tcp --dport 25 -j ACCEPT\n-A INPUT -p tcp -j DROP\n-A INPUT -f"
    result = translated(text, addresses=addresses, sets={}, icmpv6=False)
    assert addresses == kept
    assert result["rules"].splitlines()[4:-1] == [
        "-A INPUT -s 2001:db8:1200::/64 -d 2001:db8:1200:25::25/128 -p tcp -m tcp --dport 25 -j ACCEPT",
        "-A INPUT -p tcp -j DROP",
    ]
    assert sorted(result) == ["rules", "untranslated"]
    assert [sorted(entry) for entry in result["untranslated"]] == [["reason", "rule"]]
    assert "NEEDED-ICMPV6" in translated(text)["rules"]


def test_errors_name_the_filter() -> None:
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.ip6tables_rules: rules: 'nonsense' is no rule"):
        translated("nonsense")
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.plan_addresses: members: None is no dictionary"):
        mapping(None)
