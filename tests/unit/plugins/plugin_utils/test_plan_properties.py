# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the plan, whatever is done to it: add, remove, reorder, grow, come back, purge."""

from __future__ import annotations

import copy
import ipaddress
import json
import os
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file
from ansible_collections.ipv6.rollout.plugins.plugin_utils.placing import Planner
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
GROWTHS = ["leftmost", "centermost", "rightmost", "centermost_ascending", "centermost_alternating", "hash"]
NAMES = st.sampled_from("abcdefgh")
# What the provider gave, and what another one gives later.
PREFIXES = st.sampled_from(
    [
        ("2001:db8:1200::/48", "3fff:12:34::/48"),
        ("2001:db8:12:3400::/56", "3fff:0:0:100::/56"),
        ("2001:db8::/60", "3fff::/60"),
        ("2001:db8:1200::/44", "3fff::/44"),
        ("2001:db8::/32", "3fff:1::/32"),
        ("2001:db8::/113", "3fff::/113"),
    ]
)
ULA = "fd12:3400::/24"
EDGES = ["::f0", "::7f90", "::ffff:ffff:ffff:ff90", "::fdff:ffff:ffff:ff90"]  # reserved in subnets of some lengths
POLICIES = ["stable", "next", "ipv4_decimal", "ipv4_hex", "service"]


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
        pin = draw(st.integers(0, 11))
        if pin == 0:
            node["number"] = draw(st.sampled_from(["0", "1", "5", "a", "2F"]))
        elif pin == 1:
            node["vlan"] = draw(st.integers(1, 20))
        if draw(st.integers(0, 9)) == 0:
            node["reserved"] = draw(st.lists(st.sampled_from(["0/64", "1-3/64", "8/64", "0/127", "4000-7fff/64"])))
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
                "interface_id": draw(st.sampled_from(POLICIES + [f"::{number}", *EDGES])),
                "ipv4": f"192.0.2.{number}",
                "service": 25,
            }
    return tree, hosts


@st.composite
def histories(draw):
    """Orders at the top, and steps of (prefix, tree, hosts, ULA prefix)."""
    prefixes = draw(PREFIXES)
    site = {
        "growth": draw(st.sampled_from(GROWTHS)),
        "vlan_numbers": draw(st.sampled_from(["vlan_hex", "vlan_decimal"])),
        "reserved": draw(st.lists(st.sampled_from(["0/64", "8-9/64", "1-2/127", "8000-ffff/64"]), max_size=2)),
    }
    steps = []
    for _step in range(draw(st.integers(1, 5))):
        prefix = draw(st.sampled_from([prefixes[0], *prefixes]))
        purge = draw(st.integers(0, 4)) == 0
        steps.append((prefix, *draw(inventories(prefix)), draw(st.sampled_from([None, ULA])), purge))
    return site, steps


def check(plan):
    """Check a plan with other means than those it was made with."""
    root = ipaddress.IPv6Network(plan["prefix"])
    places = {path: ipaddress.IPv6Network(text) for path, text in plan["subnets"].items()}
    for path, place in places.items():
        assert str(place) == plan["subnets"][path]
        outer = places.get(path.rpartition("/")[0], root)
        assert place.subnet_of(outer)
        if place.prefixlen > 120 >= outer.prefixlen:
            low = int(place.network_address) & (1 << 64) - 1
            assert low
            assert low >> 7 != (1 << 57) - 1
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


def check_twins(plan):
    root, ula = ipaddress.IPv6Network(plan["prefix"]), ipaddress.IPv6Network(plan["ula"]["prefix"])
    shift = int(ula.network_address) - int(root.network_address)
    for section in ("subnets", "hosts"):
        assert list(plan["ula"][section]) == list(plan[section])
        for name, text in plan[section].items():
            address, slash, length = text.partition("/")
            assert (
                plan["ula"][section][name]
                == f"{ipaddress.IPv6Address(int(ipaddress.IPv6Address(address)) + shift)}{slash}{length}"
            )


def places(plan):
    """Return where everything is, counted from the beginning of the prefix, and who left."""
    start = int(ipaddress.IPv6Network(plan["prefix"]).network_address)

    def offset(text):
        return int(ipaddress.IPv6Address(text.partition("/")[0])) - start

    live = {("subnet", path): offset(text) for path, text in plan["subnets"].items()}
    live.update({("host", name): offset(text) for name, text in plan["hosts"].items()})
    gone = {("subnet", path): offset(entry["prefix"]) for path, entry in plan["retired"]["subnets"].items()}
    gone.update({("host", name): offset(entry["address"]) for name, entry in plan["retired"]["hosts"].items()})
    return live, gone


def one_by_one(*args, **options):
    """Plan without the shortcut for subnets that are all alike."""
    with mock.patch.object(Planner, "_place_alike", return_value=False):
        return subnet_plan(*args, **options)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.randoms(use_true_random=False))
def test_nothing_that_has_a_place_ever_moves(history, random):
    site, steps = history
    plan = None
    for number, (prefix, tree, hosts, ula, purge) in enumerate(steps):
        before = copy.deepcopy((tree, hosts, plan))
        options = {"ula_prefix": ula, **site}
        try:
            new = subnet_plan(prefix, tree, plan, hosts, today=f"2026-01-{number + 1:02d}", purge=purge, **options)
        except RolloutError:
            assert (tree, hosts, plan) == before
            continue
        assert (tree, hosts, plan) == before
        check(new)
        if ula:
            check_twins(new)
        text = plan_file.render(new)
        today = f"2026-01-{number + 1:02d}"
        assert one_by_one(prefix, tree, plan, hosts, today=today, purge=purge, **options) == new
        again = subnet_plan(prefix, tree, plan_file.parse(text, "x"), hosts, today="2027-01-01", **options)
        assert plan_file.render(again) == text
        shuffled = list(tree)
        random.shuffle(shuffled)
        mixed = dict(random.sample(list(hosts.items()), len(hosts)))
        assert json.dumps(subnet_plan(prefix, shuffled, new, mixed, today="2027-01-01", **options)) == json.dumps(new)
        if plan is not None:
            live, gone = places(new)
            live_before, gone_before = places(plan)
            for key, offset in live_before.items():
                assert live.get(key, gone.get(key)) == offset
            if purge:
                assert {entry["since"] for entry in new["retired"]["subnets"].values()} <= {today}
                plan = new
                continue
            for key, offset in live.items():
                if key not in live_before and offset in gone_before.values() and key[0] == "host":
                    assert gone_before[key] == offset
            for key, offset in gone_before.items():
                assert offset in [place for other, place in (*live.items(), *gone.items()) if other[0] == key[0]]
        plan = new


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_flat_plan_through_many_changes(data):
    """The common case, a level of /64, in larger numbers: the shortcut and the general way agree at every step."""
    prefix = data.draw(
        st.sampled_from(["2001:db8:1200::/48", "2001:db8:0:1200::/57", "2001:db8::/40", "3fff:0:0:100::/61"])
    )
    growth = data.draw(st.sampled_from(GROWTHS))
    names = [f"n{number}" for number in range(30)]
    plan = None
    for step in range(data.draw(st.integers(1, 4))):
        tree = [{"name": name} for name in data.draw(st.lists(st.sampled_from(names), unique=True))]
        arguments = (prefix, tree, plan)
        try:
            new = subnet_plan(*arguments, today=f"2026-01-0{step + 1}", growth=growth, purge=step == 2)
        except RolloutError as error:
            with pytest.raises(RolloutError) as caught:
                one_by_one(*arguments, today=f"2026-01-0{step + 1}", growth=growth, purge=step == 2)
            assert str(caught.value) == str(error)
            continue
        assert one_by_one(*arguments, today=f"2026-01-0{step + 1}", growth=growth, purge=step == 2) == new
        check(new)
        plan = new


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.lists(st.sampled_from([f"n{number}" for number in range(40)]), unique=True, min_size=1),
    st.randoms(use_true_random=False),
)
def test_hash_does_not_depend_on_the_order(words, random):
    tree = [{"name": word} for word in words]
    first = subnet_plan("2001:db8::/58", tree, today="x", growth="hash")
    random.shuffle(tree)
    assert subnet_plan("2001:db8::/58", tree, today="x", growth="hash") == first
