# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the plan gives a host's interfaces."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import planned

PLAN = {
    "prefix": "2001:db8:1200::/48",
    "subnets": {
        "web": "2001:db8:1200::/64",
        "ams": "2001:db8:1200:8000::/56",
        "ams/storage": "2001:db8:1200:8000::/64",
        "bru": "2001:db8:1200:9000::/56",
        "link": "2001:db8:1200:f::4/127",
    },
    "hosts": {
        "www1": "2001:db8:1200::80",
        "www1/blog": "2001:db8:1200::82",
        "www1/shop": "2001:db8:1200::81",
        "www1/backup": "2001:db8:1200:8000::80",
        "www1/dump": "2001:db8:1200:8000::81",
        "www10": "2001:db8:1200::a0",
        "edge": "2001:db8:1200:f::4",
        "lost": "2001:db8:9999::1",
    },
}


def both(*texts):
    return [{"address": text, "deprecated": number > 0} for number, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("host", "entry", "expected"),
    [
        (
            "www1",
            {"name": "eth0", "gateway": "fe80::1"},
            {
                "name": "eth0",
                "gateway": "fe80::1",
                "addresses": both("2001:db8:1200::80/64", "2001:db8:1200::82/64", "2001:db8:1200::81/64"),
            },
        ),
        ("www10", {}, {"addresses": both("2001:db8:1200::a0/64")}),
        ("edge", {"addresses": []}, {"addresses": both("2001:db8:1200:f::4/127")}),
        (
            "www1",
            {"subnet": "ams/storage"},
            {"addresses": both("2001:db8:1200:8000::80/64", "2001:db8:1200:8000::81/64")},
        ),
        (
            "www1",
            {"addresses": ["2001:db8:1200::5/64", {"address": "2001:db8:1200::6/128"}, "2001:db8:7::1/48", 5]},
            {"addresses": ["2001:db8:1200::5/64", {"address": "2001:db8:1200::6/128"}, "2001:db8:7::1/48", 5]},
        ),
        # A site is no link, whether the plan has cut it into subnets or not.
        (
            "www1",
            {"addresses": ["2001:db8:1200:8005::1/64", "2001:db8:1200:9005::1/64"]},
            {"addresses": ["2001:db8:1200:8005::1/64", "2001:db8:1200:9005::1/64"]},
        ),
    ],
)
def test_interfaces(host, entry, expected):
    before = copy.deepcopy((entry, PLAN))
    assert planned.interfaces([entry], PLAN, host) == [expected]
    assert (entry, PLAN) == before


@pytest.mark.parametrize(
    ("entries", "plan", "host", "reason"),
    [
        ([{"addresses": ["2001:db8:1200::80/48"]}], PLAN, "www1", "wrong prefix length: the plan has web as .*::80/64"),
        ([{"addresses": [{"address": "2001:db8:1200:8000::1/56"}]}], PLAN, "www1", "the plan has ams/storage"),
        ([{}], PLAN, "www2", "the plan has no address of www2 in any subnet"),
        ([{}], PLAN, "lost", "the plan has no address of lost"),
        ([{"subnet": "voice"}], PLAN, "www1", "no address of www1 in the subnet voice"),
        ([{"subnet": 5}], PLAN, "www1", "subnet is 5"),
        ([{"addresses": "2001:db8::1/64"}], PLAN, "www1", "it is a list"),
        (["eth0"], PLAN, "www1", "'eth0' is no dictionary"),
        ("eth0", PLAN, "www1", "is no list"),
        ([{}], None, "www1", "plan: None is no dictionary"),
        ([{}], {}, "www1", "no address of www1"),
        ([{}], {"subnets": {"web": "2001:db8::1/64"}}, "www1", "host bits set"),
        ([{}], {"subnets": {}, "hosts": {"www1": "x"}}, "www1", "hosts: 'x'"),
    ],
)
def test_refused(entries, plan, host, reason):
    with pytest.raises(RolloutError, match=reason):
        planned.interfaces(entries, plan, host)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["2001:db8::/64", "2001:db8::1/64"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["addresses", "subnet", "subnets", "hosts", "www1"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(anything, anything, anything)
def test_nothing_ends_in_a_traceback(entries, plan, host):
    try:
        planned.interfaces(entries, plan, host)
    except RolloutError as error:
        assert "\n" not in str(error)
