# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translated addresses: RFC 6052's tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import nat64
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv4_text

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "rfc6052.json").read_text())
PREFIXES = [vector["prefix"] for vector in VECTORS]


@pytest.mark.parametrize("vector", VECTORS, ids=PREFIXES)
def test_rfc6052(vector):
    assert nat64.nat64_address(vector["ipv4"], vector["prefix"]) == vector["canonical"]
    assert nat64.nat64_ipv4(vector["ipv6"], vector["prefix"]) == vector["ipv4"]


@given(st.integers(0, 0xFFFFFFFF).map(ipv4_text), st.sampled_from(PREFIXES))
def test_there_and_back(address, prefix):
    assert nat64.nat64_ipv4(nat64.nat64_address(address, prefix), prefix) == address


@pytest.mark.parametrize(
    ("address", "prefix", "message"),
    [
        (
            "192.0.2.1",
            "2001:db8::/65",
            "prefix: '2001:db8::/65' has the length 65; a NAT64 prefix has one of 32, 40, 48, 56, 64, 96 (RFC 6052, "
            "section 2.2)",
        ),
        (
            "192.0.2.1",
            "2001:db8:0:0:100::/96",
            "prefix: '2001:db8:0:0:100::/96' has bits 64 to 71 set, which must be zero (RFC 6052, section 2.2)",
        ),
        (
            "2001:db8::1",
            "64:ff9b::/96",
            "ipv4: '2001:db8::1' is not IPv4; an IPv4 address such as 192.0.2.80 belongs here",
        ),
    ],
)
def test_refusals(address, prefix, message):
    with pytest.raises(RolloutError) as caught:
        nat64.nat64_address(address, prefix)
    assert str(caught.value) == message


def test_an_address_outside_the_prefix():
    with pytest.raises(RolloutError) as caught:
        nat64.nat64_ipv4("2001:db8::1", "64:ff9b::/96")
    assert str(caught.value) == "address: '2001:db8::1' is not inside 64:ff9b::/96"
