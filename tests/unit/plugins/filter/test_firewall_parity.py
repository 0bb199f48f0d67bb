# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter firewall_parity, as playbooks call it."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter.firewall_parity import FilterModule

RULES = {
    "ipv4": "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n",
    "ipv6": "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 2001:db8:feed::/64 -j ACCEPT\nCOMMIT\n",
}


def test_by_name():
    parity = FilterModule().filters()["firewall_parity"]
    found = parity(RULES, {}, ["2001:db8:feed::/64"], interface="eth0", ports=["22"])
    assert found["differences"] == ["tcp 22: everyone over IPv4, nobody over IPv6"]
    assert found["lines"][0] == "1 port range: 1 differs, 0 can't be compared"


def test_each_family_may_have_an_interface_of_its_own():
    parity = FilterModule().filters()["firewall_parity"]
    rules = {
        "ipv4": [RULES["ipv4"].replace("-p tcp", "-i eth0 -p tcp"), ""],
        "ipv6": RULES["ipv4"].replace("-p tcp", "-i sit1 -p tcp"),
    }
    assert parity(rules, interface={"ipv4": "eth0", "ipv6": "sit1"})["differences"] == []
    assert parity(rules, interface={"ipv4": "", "ipv6": ""})["summary"]["unknown"] == 1


def test_errors_name_the_filter():
    parity = FilterModule().filters()["firewall_parity"]
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.firewall_parity: rules: 7 is no dictionary"):
        parity(7)
