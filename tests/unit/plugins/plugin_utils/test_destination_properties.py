# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 6724: what holds for any addresses, and section 5 against a second reading of it."""

from __future__ import annotations

import copy
import ipaddress
import json
import os
import pathlib
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_order import TITLES, destination_order

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
VECTORS = json.loads((pathlib.Path(__file__).parents[2] / "vectors" / "rfc6724.json").read_text())
RULES = [f"rule {number}: {title}" for number, title in enumerate(TITLES, start=1)]
ADDRESSES = st.sampled_from(
    [
        *("192.0.2.1", "192.0.2.80/24", "198.51.100.1/25", "10.1.2.3", "169.254.1.1", "127.0.0.1", "::ffff:192.0.2.5"),
        *("2001:db8::1", "2001:db8::80/64", "2001:db8:1::1/48", "3fff::1", "fd11:1111::1", "fd22:2222::1/64", "::1"),
        *("2002:c633:6401::1", "2001:0:1::1", "fec0::1", "fe80::1", "fe80::2%eth0", "fe80::3%eth1/64", "::192.0.2.9"),
    ]
)
SOURCES = st.lists(
    ADDRESSES
    | st.fixed_dictionaries(
        {"address": ADDRESSES},
        optional={flag: st.booleans() for flag in ("deprecated", "temporary", "home", "care_of", "tunnel")},
    ),
    max_size=6,
)
POLICIES = st.sampled_from(
    [None, "rfc6724", "glibc", "prefer_ipv4", "prefer_ipv6", [{"prefix": "::/0", "precedence": 1, "label": 1}]]
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ADDRESSES | st.just("ff05::1"), max_size=9), SOURCES, POLICIES, st.sampled_from(["rfc6724", "glibc"]))
def test_what_holds_for_any_addresses(destinations, here, policy, implementation):
    kept = copy.deepcopy((destinations, here, policy))
    found = destination_order(destinations, here, policy, implementation)
    assert (destinations, here, policy) == kept
    assert found == destination_order(tuple(destinations), tuple(here), policy, implementation)
    # Each destination is there as often as it was given, in canonical text.
    singles = [destination_order([one], here, policy, implementation)[0] for one in destinations]
    assert sorted(one["destination"] for one in found) == sorted(one["destination"] for one in singles)
    # What it has for company does not change its source, and what has none stands last.
    assert {(one["destination"], one["source"]) for one in found} == {
        (one["destination"], one["source"]) for one in singles
    }
    without = [one["source"] is None for one in found]
    assert without == sorted(without)
    for index, one in enumerate(found):
        assert one["rule"] in RULES
        other = found[index - 1 if index else min(1, len(found) - 1)]
        assert (one["rule"] == RULES[0]) == ((one["source"] is None) != (other["source"] is None))
    if not isinstance(policy, list):  # where both families have one precedence, rules can go round in a circle
        assert destination_order([one["destination"] for one in found], here, policy, implementation) == found


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(ADDRESSES, min_size=2, max_size=2, unique=True), SOURCES, POLICIES)
def test_of_two_the_same_one_wins_whatever_comes_first(pair, here, policy):
    """Unless no rule makes a difference."""
    one, other = (destination_order(order, here, policy) for order in (pair, pair[::-1]))
    assert one == other or one[0]["rule"] == RULES[9]


# ------------------------------------------------------------ section 5 once more, word by word, with other means


def scope(address):
    """Section 3.1 and 3.2."""
    if address.version == 4:
        return 2 if address.is_link_local or address.is_loopback else 14
    return 2 if address.is_link_local or address.is_loopback else 5 if address.is_site_local else 14


def label(address):
    """Section 2.1."""
    mapped = address if address.version == 6 else ipaddress.ip_address(f"::ffff:{address}")
    rows = [(ipaddress.ip_network(row["prefix"]), row["label"]) for row in VECTORS["tables"]["default"]]
    return max((network.prefixlen, number) for network, number in rows if mapped in network)[1]


def shared(source, destination):
    """CommonPrefixLen, section 2.2."""
    bits = source["network"].prefixlen if source["length"] else 64 if destination.version == 6 else 32
    while ipaddress.ip_network(f"{source['plain']}/{bits}", strict=False) != ipaddress.ip_network(
        f"{destination}/{bits}", strict=False
    ):
        bits -= 1
    return bits


def preferred(one, other, destination):
    """Say which of two sources section 5 prefers; None: none of them."""
    for first, second in ((one, other), (other, one)):  # rules that are written for SA and, vice versa, for SB
        if first["plain"] == destination != second["plain"]:
            return first
    if scope(one["plain"]) != scope(other["plain"]):
        low, high = sorted((one, other), key=lambda side: scope(side["plain"]))
        return high if scope(low["plain"]) < scope(destination) else low
    for merit in (
        lambda side: not side.get("deprecated"),
        lambda side: 2 * bool(side.get("home") and side.get("care_of")) or bool(side.get("home")),
        lambda side: label(side["plain"]) == label(destination),
        lambda side: bool(side.get("temporary")),
        lambda side: shared(side, destination),
    ):
        if merit(one) != merit(other):
            return one if merit(one) > merit(other) else other
    return None


@settings(max_examples=EXAMPLES, deadline=None)
@given(ADDRESSES, SOURCES)
def test_no_other_source_is_preferred_to_the_one_that_is_chosen(destination, here):
    there = ipaddress.ip_address(destination.partition("%")[0].partition("/")[0])
    there = getattr(there, "ipv4_mapped", None) or there
    candidates = []
    for one in here:
        side = {"address": one} if isinstance(one, str) else dict(one)
        text, _percent, zone = side["address"].partition("/")[0].partition("%")
        address = ipaddress.ip_address(text)
        side["plain"] = getattr(address, "ipv4_mapped", None) or address
        side["length"] = "/" in side["address"]
        length = side["address"].partition("/")[2]
        side["network"] = ipaddress.ip_network(f"{side['plain']}/{length}" if length else side["plain"], strict=False)
        asked = destination.partition("/")[0].partition("%")[2]
        if side["plain"].version != there.version or (side["plain"].is_loopback and not there.is_loopback):
            continue
        if not (zone and asked and zone != asked):
            candidates.append(side)
    found = destination_order([destination], here)[0]["source"]
    if found is None:
        assert not candidates
        return
    chosen = [side for side in candidates if destination_order([destination], [side["address"]])[0]["source"] == found]
    assert any(
        all(preferred(other, side, there) is not other for other in candidates if other is not side) for side in chosen
    )


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | ADDRESSES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9) | st.just("address"), inner),
    max_leaves=8,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(JUNK, JUNK, JUNK, JUNK)
def test_whatever_is_written_there_is_an_answer_or_a_message(destinations, here, policy, implementation):
    for given_implementation in (implementation, "rfc6724", "glibc"):
        try:
            destination_order(destinations, here, policy, given_implementation)
        except RolloutError as error:
            assert re.match(r"(destinations|sources|policy|implementation)\b", str(error))
