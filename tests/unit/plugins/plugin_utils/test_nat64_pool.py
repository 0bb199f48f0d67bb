# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The size of a NAT64's pool."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.nat64_pool import nat64_pool


@pytest.mark.parametrize(
    ("pool", "hosts", "wanted"),
    [
        ("192.168.64.0/20", 0, "192.168.64.0/29"),
        ("192.168.64.0/20", 2, "192.168.64.0/29"),
        ("192.168.64.0/20", 3, "192.168.64.0/28"),
        ("192.168.64.0/20", 30, "192.168.64.0/26"),
        ("10.0.0.0/8", 5000, "10.0.0.0/18"),
    ],
)
def test_sizes(pool, hosts, wanted):
    assert nat64_pool(pool, hosts) == wanted


@given(st.integers(0, 5_000_000))
def test_every_host_finds_room(hosts):
    network = ipaddress.IPv4Network(nat64_pool("10.0.0.0/8", hosts))
    assert network.num_addresses >= 2 * hosts + 3
    assert network.prefixlen == 29 or network.num_addresses // 2 < 2 * hosts + 3


@pytest.mark.parametrize(
    ("pool", "hosts", "words"),
    [
        ("192.168.64.0/24", 127, "name a /23"),
        ("192.168.64.0/24", 10**30, "name a /1"),
        ("192.168.64.0/24", -1, "is no number of hosts"),
        ("192.168.64.0/24", "7", "is no number of hosts"),
        ("192.168.64.0/24", True, "is no number of hosts"),
        ("192.168.64.1/24", 1, "pool"),
        ("2001:db8::/64", 1, "pool"),
        (None, 1, "pool"),
    ],
)
def test_what_is_refused(pool, hosts, words):
    with pytest.raises(RolloutError, match=words):
        nat64_pool(pool, hosts)
