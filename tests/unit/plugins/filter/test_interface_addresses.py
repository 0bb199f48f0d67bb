# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter interface_addresses: what it returns, and in whose name it refuses."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter.interface_addresses import FilterModule

PLAN = {"subnets": {"web": "2001:db8:1200::/64"}, "hosts": {"www1": "2001:db8:1200::80"}}
FILTER = FilterModule().filters()["interface_addresses"]


def test_planned():
    assert FILTER([{"name": "eth0"}], PLAN, "www1") == [
        {"name": "eth0", "addresses": [{"address": "2001:db8:1200::80/64", "deprecated": False}]}
    ]


def test_refused():
    with pytest.raises(AnsibleFilterError, match=r"interface_addresses: interfaces_addresses: .* www2"):
        FILTER([{}], PLAN, "www2")
