# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as a tree: numbers, headroom, what is free, notes."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_prefix, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.growth import numbers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import (
    RESERVED,
    RETIRED,
    SUBNET,
    plan_report,
    read_report,
)

PREFIX = "2001:db8:1200::/48"


def plan_of(subnets, hosts=None, retired=None, prefix=PREFIX, **more):
    gone = {path: {"prefix": place, "since": "2026-01-01"} for path, place in (retired or {}).items()}
    return {
        "prefix": prefix,
        "subnets": subnets,
        "hosts": hosts or {},
        "retired": {"subnets": gone, "hosts": {}},
        **more,
    }


def counted_plan(count, growth="leftmost", prefix=PREFIX):
    first, length = ipv6_prefix(prefix, "prefix")
    chosen = itertools.islice(numbers(growth, 64 - length), count)
    return plan_of({f"s{i}": prefix_text(first + (n << 64), 64) for i, n in enumerate(chosen)}, prefix=prefix)


SITE = plan_of(
    {
        "web": "2001:db8:1200::/64",
        "ams": "2001:db8:1200:8000::/56",
        "ams/office": "2001:db8:1200:8000::/64",
        "ams/guests": "2001:db8:1200:8080::/64",
        "links": "2001:db8:1200:4000::/64",
        "links/a-b": "2001:db8:1200:4000::2/127",
    },
    hosts={"www1": "2001:db8:1200::80", "pc1": "2001:db8:1200:8000::1", "pc2": "2001:db8:1200:8000::2"},
    retired={
        "ams/lab": "2001:db8:1200:8040::/60",
        "old": "2001:db8:1200:c000::/52",
        "old/x": "2001:db8:1200:c000::/64",
    },
)


def test_the_tree():
    report = read_report(SITE, ["2001:db8:1200:f000::/52", "2001:db8:1200:80f0::/60"])
    tree = {node.path or node.prefix: node for node in report.nodes}
    assert [node.path for node in report.root.subnets] == ["web", "links", "ams"]
    assert [(node.kind, node.name) for node in tree["ams"].entries] == [
        (SUBNET, "office"),
        (RETIRED, "lab"),
        (SUBNET, "guests"),
        (RESERVED, ""),
    ]
    assert tree["old/x"].parent is tree["old"]
    assert tree["2001:db8:1200:f000::/52"].parent is report.root
    assert [tree[path].number for path in ("web", "ams", "ams/guests", "links/a-b")] == ["0", "80", "80", "1"]
    assert tree["ams/office"].depth == 2
    assert (report.root.subnets_below, report.root.hosts_below, report.root.retired_below) == (6, 3, 3)
    assert tree["ams"].hosts_below == 2
    assert [name for _address, name in tree["ams/office"].hosts] == ["pc1", "pc2"]


def test_headroom_of_the_tree():
    subnets = plan_report(SITE, ["2001:db8:1200:f000::/52", "2001:db8:1200:80f0::/60"])["subnets"]
    assert {path: entry["headroom"] for path, entry in subnets.items()} == {
        "web": 14,  # up to links
        "links": 14,  # a /50: up to ams
        "links/a-b": 0,  # no /126 begins there
        "ams": 6,  # up to old, and a /50 begins there
        "ams/office": 6,  # up to the retired lab
        "ams/guests": 6,  # up to the reserved block
    }


def test_plain_types_in_address_order():
    answer = plan_report(SITE)
    assert list(answer["subnets"]) == ["web", "links", "links/a-b", "ams", "ams/office", "ams/guests"]
    assert answer["subnets"]["ams"] == {
        "prefix": "2001:db8:1200:8000::/56",
        "number": "80",
        "headroom": 6,
        "grows_to": 50,
        "hosts": 2,
        "subnets": 2,
    }
    assert answer["free"]["largest"] == "2001:db8:1200:2000::/51"


def test_the_definition():
    """100 /64 in a /48 in RFC 3531's leftmost order: each can double nine times."""
    subnets = plan_report(counted_plan(100))["subnets"]
    assert min(entry["headroom"] for entry in subnets.values()) == 9


def test_alone_it_grows_to_its_parent():
    assert plan_report(plan_of({"web": "2001:db8:1200::/64"}))["subnets"]["web"]["headroom"] == 16
    assert plan_report(plan_of({"web": PREFIX}))["subnets"]["web"]["headroom"] == 0


def test_a_child_as_large_as_its_parent():
    report = read_report(plan_of({"a": "2001:db8:1200::/64", "a/b": "2001:db8:1200::/64"}))
    assert [(node.path, node.parent.path) for node in report.nodes] == [("a", ""), ("a/b", "a")]


def test_a_pin_in_a_reserved_block_cannot_grow():
    plan = plan_of({"web": "2001:db8:1200:f000::/64"})
    assert plan_report(plan, ["2001:db8:1200:f000::/52"])["subnets"]["web"]["headroom"] == 0
    assert plan_report(plan, ["2001:db8:1200:f000::/64"])["subnets"]["web"]["headroom"] == 0
    assert plan_report(plan, ["2001:db8:1200:f800::/53"])["subnets"]["web"]["headroom"] == 11


def test_a_full_prefix():
    report = plan_report(counted_plan(16, prefix="2001:db8:1200::/60"))
    assert report["free"] == {"share": 0, "largest": None, "subnets_64": 0}
    assert {entry["headroom"] for entry in report["subnets"].values()} == {0}


blocks = st.lists(st.tuples(st.integers(0, 255), st.integers(56, 64)), max_size=12)


@given(blocks, blocks)
def test_headroom_by_trying(live, kept):
    """Growing step by step, and looking at every neighbour each time, gives the same headroom."""
    root = ipaddress.IPv6Network("2001:db8:1200::/56")
    subnets = {}
    for number, length in live:
        network = ipaddress.IPv6Network((int(root[0]) + (number << 64), length), strict=False)
        if not any(network.overlaps(other) for other in subnets.values()):
            subnets[f"s{number}"] = network
    reserved = [ipaddress.IPv6Network((int(root[0]) + (number << 64), length), strict=False) for number, length in kept]
    # What is reserved inside of a subnet is that subnet's own affair.
    outside = [
        block for block in reserved if not any(block != own and block.subnet_of(own) for own in subnets.values())
    ]
    plan = plan_of({path: str(network) for path, network in subnets.items()}, prefix=str(root))
    found = plan_report(plan, [str(block) for block in reserved])["subnets"]
    for path, network in subnets.items():
        others = [other for name, other in subnets.items() if name != path] + outside
        headroom = 0
        wider = network
        while not any(wider.overlaps(other) for other in outside) and wider.prefixlen > root.prefixlen:
            wider = wider.supernet()
            if wider[0] != network[0] or any(wider.overlaps(other) for other in others):
                break
            headroom += 1
        assert found[path]["headroom"] == headroom, path
        assert found[path]["prefix"] == str(network)


@given(blocks)
def test_the_largest_free_block(live):
    root = ipaddress.IPv6Network("2001:db8:1200::/56")
    subnets = {}
    for number, length in live:
        network = ipaddress.IPv6Network((int(root[0]) + (number << 64), length), strict=False)
        if not any(network.overlaps(other) for other in subnets.values()):
            subnets[f"s{number}"] = network
    free = plan_report(plan_of({path: str(net) for path, net in subnets.items()}, prefix=str(root)))["free"]
    candidates = (block for length in range(56, 65) for block in root.subnets(new_prefix=length))
    first = next((b for b in candidates if not any(b.overlaps(net) for net in subnets.values())), None)
    assert free["largest"] == (str(first) if first else None)
    taken = sum(1 << (64 - network.prefixlen) for network in subnets.values())
    assert free["subnets_64"] == 256 - taken


def test_notes_on_reverse_zones():
    plan = plan_of({"ams": "2001:db8:1200:8000::/58", "ams/x": "2001:db8:1200:8000::/64", "fra": "2001:db8:1200::/61"})
    notes = plan_report(plan)["notes"]
    assert notes[0].startswith("ams (2001:db8:1200:8000::/58): a /58 ends inside a hexadecimal digit")
    assert "4 reverse zones" in notes[0]
    assert "8 reverse zones" in notes[1]
    assert plan_report(plan_of({"web": "2001:db8:1200::/64"}, prefix="2001:db8:1200::/47"))["notes"] == [
        "the whole (2001:db8:1200::/47): a /47 ends inside a hexadecimal digit, so it takes 2 reverse zones."
    ]


def test_notes_on_what_breaks_first():
    plan = plan_of(
        {
            "a": "2001:db8:1200::/64",
            "b": "2001:db8:1200:1::/64",
            "c": "2001:db8:1200:2::/64",
            "site": "2001:db8:1200:100::/56",
            "site/x": "2001:db8:1200:100::/64",
            "d": "2001:db8:1200:8000::/64",
            "links": "2001:db8:1200:4000::/64",
            "links/p": "2001:db8:1200:4000::/127",
            "links/q": "2001:db8:1200:4000::2/127",
        }
    )
    assert plan_report(plan)["notes"] == [
        "site (2001:db8:1200:100::/56) cannot grow in place: it does not begin where a /55 does.",
        "a (2001:db8:1200::/64) cannot grow in place: b (2001:db8:1200:1::/64) is in the way.",
        "b (2001:db8:1200:1::/64) cannot grow in place: it does not begin where a /63 does.",
        "1 more can double once at most.",
    ]


def test_notes_stay_few():
    assert len(plan_report(counted_plan(65536))["notes"]) == 4


def test_twins():
    twins = {"prefix": "fd12:3456:789a::/48", "subnets": {"web": "fd12:3456:789a::/64"}, "hosts": {}}
    answer = plan_report(plan_of({"web": "2001:db8:1200::/64"}, ula=twins))
    assert answer["subnets"]["web"]["ula"] == "fd12:3456:789a::/64"


def test_the_arguments_stay_as_they_are():
    plan = counted_plan(3)
    before = repr(plan)
    plan_report(plan, ["2001:db8:1200:ff00::/56"])
    assert repr(plan) == before


@pytest.mark.parametrize(
    ("plan", "reserved", "why"),
    [
        ([], None, "plan: [] is not a dictionary"),
        ({}, None, "the key 'prefix' is missing"),
        (plan_of({"web": "2001:db8:1300::/64"}), None, "web: 2001:db8:1300::/64 is not inside"),
        (plan_of({"web": 5}), None, "plan: subnets: web: 5 is a number"),
        (plan_of({}), ["2001:db8:1300::/64"], "reserved: 2001:db8:1300::/64 is not inside"),
        (plan_of({}), ["2001:db8::/32"], "reserved: 2001:db8::/32 is not inside"),
        (plan_of({}), "2001:db8:1200:ff00::/56", "is not a list"),
        (plan_of({}), [{}], "reserved: {} is a dictionary"),
    ],
)
def test_refusals(plan, reserved, why):
    with pytest.raises(RolloutError) as caught:
        plan_report(plan, reserved)
    assert why in str(caught.value)
