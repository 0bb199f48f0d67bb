# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the plan, whatever is done to it: add, remove, reorder, grow, come back, purge."""

from __future__ import annotations

import copy
import ipaddress
import json
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
GROWTHS = ["leftmost", "centermost", "rightmost", "hash"]
NAMES = st.sampled_from("abcdefgh")
PREFIXES = st.sampled_from(
    ["2001:db8:1200::/48", "2001:db8:12:3400::/56", "2001:db8::/60", "2001:db8::/32", "2001:db8::/113"]
)
POLICIES = ["stable", "next", "ipv4_decimal", "ipv4_hex"]


@st.composite
def trees(draw, wide, depth=0):
    """A tree whose lengths lie between the length of the prefix and the end."""
    found = []
    for name in draw(st.lists(NAMES, unique=True, max_size=5)):
        node = {"name": name}
        longest = 64 if wide < 64 else 127
        if draw(st.booleans()) or wide >= 64:
            node["length"] = draw(st.integers(min(wide + 1, longest), longest))
        if draw(st.integers(0, 3)) == 0:
            node["growth"] = draw(st.sampled_from(GROWTHS))
        if depth < 2 and draw(st.integers(0, 3)) == 0:
            node["subnets"] = draw(trees(min(node.get("length", 63), 120), depth + 1))
        found.append(node)
    return found


def leaves(tree, above=""):
    for node in tree:
        path = above + node["name"]
        if node.get("subnets"):
            yield from leaves(node["subnets"], f"{path}/")
        else:
            yield path


@st.composite
def inventories(draw, prefix):
    tree = draw(trees(int(prefix.rpartition("/")[2])))
    hosts = {}
    paths = list(leaves(tree))
    if paths:
        for name in draw(st.lists(st.sampled_from(["h1", "h2", "h3", "h4/smtp", "h5"]), unique=True, max_size=4)):
            number = draw(st.integers(1, 9))
            hosts[name] = {
                "subnet": draw(st.sampled_from(paths)),
                "interface_id": draw(st.sampled_from(POLICIES + [f"::{number}"])),
                "ipv4": f"192.0.2.{number}",
            }
    return tree, hosts


@st.composite
def histories(draw):
    prefix = draw(PREFIXES)
    steps = draw(st.lists(inventories(prefix), min_size=1, max_size=5))
    return prefix, draw(st.sampled_from(GROWTHS)), steps


def check(plan):
    """Check a plan with other means than those it was made with."""
    root = ipaddress.IPv6Network(plan["prefix"])
    places = {path: ipaddress.IPv6Network(text) for path, text in plan["subnets"].items()}
    for path, place in places.items():
        assert str(place) == plan["subnets"][path]
        assert place.subnet_of(places.get(path.rpartition("/")[0], root))
    everything = list(places.items())
    everything += [
        (path.partition("@")[0], ipaddress.IPv6Network(entry["prefix"]))
        for path, entry in plan["retired"]["subnets"].items()
    ]
    for index, (path, place) in enumerate(everything):
        for other_path, other in everything[:index]:
            related = path.startswith(f"{other_path}/") or other_path.startswith(f"{path}/")
            assert related or not place.overlaps(other)
    addresses = [ipaddress.IPv6Address(text) for text in plan["hosts"].values()]
    retired = [ipaddress.IPv6Address(entry["address"]) for entry in plan["retired"]["hosts"].values()]
    assert len(set(addresses + retired)) == len(addresses + retired)
    for name, address in zip(plan["hosts"], addresses, strict=True):
        assert str(address) == plan["hosts"][name]
        home = min((place for place in places.values() if address in place), key=lambda place: place.num_addresses)
        assert address != home.network_address or home.prefixlen >= 127
        if home.prefixlen <= 120:
            assert int(home.broadcast_address) - int(address) > 127
            assert (int(address) & (1 << 64) - 1) >> 7 != 0xFDFFFFFFFFFFFF80 >> 7 or home.prefixlen != 64


@settings(max_examples=EXAMPLES, deadline=None)
@given(histories(), st.randoms(use_true_random=False))
def test_nothing_that_has_a_place_ever_moves(history, random):
    prefix, growth, steps = history
    plan = None
    for number, (tree, hosts) in enumerate(steps):
        before = copy.deepcopy((tree, hosts, plan))
        today = f"2026-01-{number + 1:02d}"
        try:
            new = subnet_plan(prefix, tree, plan, hosts, today=today, growth=growth)
        except RolloutError:
            assert (tree, hosts, plan) == before
            continue
        assert (tree, hosts, plan) == before
        check(new)
        again = subnet_plan(prefix, tree, new, hosts, today="2027-01-01", growth=growth)
        assert json.dumps(again) == json.dumps(new)
        shuffled = list(tree)
        random.shuffle(shuffled)
        mixed = dict(random.sample(list(hosts.items()), len(hosts)))
        assert json.dumps(subnet_plan(prefix, shuffled, new, mixed, today="2027-01-01", growth=growth)) == json.dumps(
            new
        )
        assert plan_file.parse(plan_file.render(new), "x") == new
        if plan is not None:
            for path, text in plan["subnets"].items():
                first = text.partition("/")[0]
                kept = new["subnets"].get(path) or new["retired"]["subnets"][path]["prefix"]
                assert kept.partition("/")[0] == first
            for name, address in plan["hosts"].items():
                assert address == (new["hosts"].get(name) or new["retired"]["hosts"][name]["address"])
            old = [entry["address"] for entry in plan["retired"]["hosts"].values()]
            now = [entry["address"] for entry in new["retired"]["hosts"].values()]
            for name, address in new["hosts"].items():
                if name not in plan["hosts"] and address in old:
                    assert plan["retired"]["hosts"][name]["address"] == address
            assert all(address in now or address in new["hosts"].values() for address in old)
        plan = new


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([f"n{number}" for number in range(40)]), unique=True, min_size=1),
    st.randoms(use_true_random=False),
)
def test_hash_does_not_depend_on_the_order(words, random):
    tree = [{"name": word} for word in words]
    first = subnet_plan("2001:db8::/58", tree, today="x", growth="hash")
    random.shuffle(tree)
    assert subnet_plan("2001:db8::/58", tree, today="x", growth="hash") == first
