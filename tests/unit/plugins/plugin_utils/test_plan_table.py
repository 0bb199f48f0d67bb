# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as a table for the terminal."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import percent, plan_table, times

SITE = {
    "prefix": "2001:db8:1200::/48",
    "subnets": {
        "web": "2001:db8:1200::/64",
        "ams": "2001:db8:1200:8000::/56",
        "ams/office": "2001:db8:1200:8000::/64",
    },
    "hosts": {"www1": "2001:db8:1200::80"},
    "retired": {
        "subnets": {"ams/lab": {"prefix": "2001:db8:1200:8040::/64", "since": "2026-01-31"}},
        "hosts": {"pc9": {"address": "2001:db8:1200:8000::9", "since": "2026-01-31"}},
    },
}


def test_the_whole_table():
    assert plan_table(SITE, ["2001:db8:1200:f000::/52"]) == [
        "2001:db8:1200::/48: 3 subnets, 1 host, 1 subnet retired, 1 host retired; 0.39 % of the space is given out, "
        "the largest free block is 2001:db8:1200:4000::/50",
        "",
        "SUBNET      PREFIX                   NUMBER  CAN GROW TO               HOSTS",
        "web         2001:db8:1200::/64            0  /49 (x32,768)                 1",
        "  - www1    2001:db8:1200::80",
        "ams         2001:db8:1200:8000::/56      80  /50 (x64)",
        "  office    2001:db8:1200:8000::/64       0  /58 (x64)",
        "  (lab)     2001:db8:1200:8040::/64      40  retired since 2026-01-31",
        "(reserved)  2001:db8:1200:f000::/52       f",
    ]


def test_without_hosts():
    lines = plan_table(SITE, hosts=False)
    assert not any("www1" in line for line in lines)
    assert any(line.startswith("web") and line.endswith(" 1") for line in lines)


def many(sites, each):
    subnets = {}
    for site in range(sites):
        subnets[f"site{site}"] = f"2001:db8:1200:{site:x}00::/56" if site else "2001:db8:1200::/56"
        for place in range(each):
            number = f"{site * 256 + place:x}:" if site or place else ""
            subnets[f"site{site}/net{place}"] = f"2001:db8:1200:{number}:/64"
    return {"prefix": "2001:db8:1200::/48", "subnets": subnets, "hosts": {}, "retired": {}}


def test_the_deepest_levels_are_left_out_first():
    lines = plan_table(many(10, 20), limit=50)
    assert [line.split("  ")[0] for line in lines[3:13]] == [f"site{site} +20" for site in range(10)]
    assert lines[13] == "... and 200 more rows"
    assert len(plan_table(many(10, 20), limit=210)) - len(plan_table(many(10, 20), limit=50)) == 200 - 1


def test_the_first_level_is_cut_where_it_is_too_long():
    lines = plan_table(many(100, 1), limit=30)
    assert lines[32].startswith("site29 ")
    assert lines[33] == "... and 170 more rows"


def test_hosts_are_shown_where_they_are_few():
    hosts = {f"h{number}": f"2001:db8:1200::{number + 256:x}" for number in range(51)}
    assert not any("- h1 " in line for line in plan_table({**SITE, "hosts": hosts}))
    assert any("- h1 " in line for line in plan_table({**SITE, "hosts": hosts}, hosts=True))


def test_twins_get_a_column():
    twins = {"prefix": "fd12:3456:789a::/48", "subnets": {"web": "fd12:3456:789a::/64"}}
    lines = plan_table({**SITE, "ula": twins})
    assert lines[1] == "Each has a twin with the same number in fd12:3456:789a::/48."
    assert lines[3].endswith("ULA")
    assert lines[4].endswith("fd12:3456:789a::/64")


def test_an_empty_plan():
    lines = plan_table({"prefix": "2001:db8::/32", "subnets": {}, "hosts": {}, "retired": {}})
    assert lines[0].startswith("2001:db8::/32: 0 subnets, 0 hosts; 0 % of the space")
    assert lines[-1] == "There is no subnet yet."


def test_control_characters_do_not_reach_the_terminal():
    plan = {**SITE, "subnets": {"a\x1b[2Jb": "2001:db8:1200::/63", "\u202eb": "2001:db8:1200:3::/64"}}
    text = "".join(plan_table(plan))
    assert text.isprintable()


def test_a_very_long_name_does_not_widen_the_table():
    lines = plan_table({**SITE, "subnets": {**SITE["subnets"], "n" * 63: "2001:db8:1200:2::/64"}})
    assert lines[2].index("PREFIX") == len("  - www1") + 2
    assert any(line.startswith("n" * 63 + "  2001:db8:1200:2::/64") for line in lines)


@pytest.mark.parametrize("limit", [0, -1, True, None, "", "x", "1.5", 2.5])
def test_limits_that_are_none(limit):
    with pytest.raises(RolloutError, match="limit"):
        plan_table(SITE, limit=limit)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (2**-20, "less than 0.01 %"),
        (1 - 2**-20, "more than 99.99 %"),
        (0.0039, "0.39 %"),
        (0.02, "2.0 %"),
        (0.5, "50 %"),
        (0.999, "99.90 %"),
    ],
)
def test_percent(share, text):
    assert percent(share) == text


@pytest.mark.parametrize(("headroom", "text"), [(0, "x1"), (1, "x2"), (20, "x1,048,576"), (64, "x2^64")])
def test_times(headroom, text):
    assert times(headroom) == text
