# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may want of a NAT64, and what is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_values as values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import nat64

GOOD = {
    "translator": "tayga",
    "device": "nat64",
    "prefix": "2001:db8:64::/96",
    "pool": "192.168.64.0/24",
    "ipv6_address": None,
    "clients": ["2001:DB8:1200::/48"],
    "refused": [],
    "allowed": [],
    "masquerade": True,
    "pref64_interfaces": [],
    "pref64_lifetime": 1800,
}


def test_a_good_wish_is_canonical():
    wish = values.wanted({**GOOD, "clients": ["2001:DB8:1200::/48", "2001:db8:1200:5::/64"], "allowed": ["192.0.2.7"]})
    assert [str(one) for one in wish.clients] == ["2001:db8:1200::/48"]
    assert [str(one) for one in wish.allowed] == ["192.0.2.7/32"]
    assert str(wish.address) == "192.168.64.1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"prefix": "2001:db8:64::/80"}, "has a length that no NAT64 prefix has"),
        ({"prefix": "2001:db8:0:0:100::/96"}, "bits 64 to 71 set"),
        ({"prefix": "fe80::/64"}, "neither the well-known prefix nor unicast"),
        ({"prefix": "2001:db8:64::1/96"}, "is no IPv6 prefix"),
        ({"prefix": 96}, "is no IPv6 prefix"),
        ({"prefix": "64:ff9b::/96"}, "name a free address of the plan"),
        ({"prefix": "64:ff9b::/96", "ipv6_address": "2001:db8::64", "allowed": ["10.0.0.0/8"]}, "section 3.1"),
        ({"prefix": "64:ff9b::/96", "ipv6_address": "64:ff9b::1"}, "can't be the translator's own"),
        ({"pool": None}, "pool: it is missing"),
        ({"pool": "192.168.64.0/31"}, "holds no clients"),
        ({"pool": "192.168.64.1/24"}, "is no IPv4 network"),
        ({"pool": "224.0.0.0/8"}, "is no network for hosts"),
        ({"masquerade": False}, "is not routed on the Internet"),
        ({"clients": []}, "nobody could use"),
        ({"clients": ["::/0"]}, "anybody could use"),
        ({"clients": ["2000::/3"]}, "strangers could use"),
        ({"clients": ["2002::/16"]}, "strangers could use"),  # 6to4
        ({"clients": ["2001::/16"]}, "strangers could use"),  # Teredo among others
        ({"clients": ["2001:db8:64::/100"]}, "is inside the NAT64 prefix"),
        ({"clients": [None]}, "is no IPv6 prefix"),
        ({"clients": [{"a": 1}]}, "is no IPv6 prefix"),
        ({"clients": ["2001:db8::/48%eth0"]}, "is no IPv6 prefix"),
        ({"refused": ["nonsense"]}, "is no IPv4 network"),
        ({"allowed": ["0.0.0.0/0"]}, "is everything"),
        ({"device": "nat64; reboot"}, "is no name"),
        ({"device": "all"}, "is no name"),
        ({"pref64_interfaces": ["eth0 { }"]}, "is no name of an interface"),
        ({"pref64_lifetime": 0}, "is no lifetime"),
        ({"pref64_lifetime": 65529}, "is no lifetime"),
    ],
)
def test_what_is_refused(change, words):
    with pytest.raises(RolloutError, match=words):
        values.wanted({**GOOD, **change})


@given(st.sampled_from(values.LENGTHS), st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1))
def test_an_embedded_network_holds_just_the_addresses_of_the_network(length, number, size, other):
    prefix = (
        ipaddress.IPv6Network(("2001:db8::", 32)) if length == 32 else ipaddress.IPv6Network(f"2001:db8::/{length}")
    )
    inner = ipaddress.IPv4Network((number, size), strict=False)
    outer = values.embedded(prefix, inner)
    for address in (inner[0], inner[-1], ipaddress.IPv4Address(other)):
        inside = ipaddress.IPv6Address(nat64.nat64_address(str(address), str(prefix)))
        assert (inside in outer) == (address in inner)


def test_what_is_never_reached():
    wish = values.wanted({**GOOD, "refused": ["203.0.112.0/24"]})
    never = values.never_reached(wish, [ipaddress.IPv4Network("100.128.5.0/24")])
    for text, reached in [
        ("192.168.64.7", False),
        ("10.9.8.7", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("100.128.5.9", False),
        ("203.0.112.9", False),
        ("9.9.9.9", True),
        ("192.0.3.1", True),
    ]:
        assert any(ipaddress.IPv4Address(text) in network for network in never) != reached, text
