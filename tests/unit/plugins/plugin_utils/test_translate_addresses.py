# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 counterparts of IPv4 addresses."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv4_text, ipv6_text, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import (
    Addresses,
    plan_addresses,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import Untranslatable


def found(given: object, text: str) -> list[str]:
    return [prefix_text(*prefix) for prefix in Addresses(given).find(text)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.0.0.0/0", "::/0"),
        ("127.0.0.0/8", "::1/128"),
        ("127.0.0.1", "::1/128"),
        ("224.0.0.0/4", "ff00::/8"),
        ("224.0.0.1", "ff02::1/128"),
        ("224.0.0.2", "ff02::2/128"),
        ("224.0.0.18", "ff02::12/128"),
        ("224.0.0.251", "ff02::fb/128"),
        ("224.0.0.252", "ff02::1:3/128"),
        ("239.255.255.250", "ff02::c/128"),
    ],
)
def test_what_means_the_same_is_known_without_a_mapping(old: str, new: str) -> None:
    assert found({}, old) == [new]


def test_link_local_needs_the_user() -> None:
    assert found({"169.254.0.0/16": "fe80::/10"}, "169.254.0.0/16") == ["fe80::/10"]
    for text, message in (("169.254.0.0/16", "every IPv6 neighbour"), ("169.254.7.7", "does not name it")):
        with pytest.raises(Untranslatable, match=message):
            found({}, text)


def test_any_address_stands_for_any_address() -> None:
    assert found({"0.0.0.0/0": "::/0"}, "0.0.0.0/0") == ["::/0"]


def test_the_reason_names_the_nearest_entries() -> None:
    mapping = {f"10.{n}.0.0/16": f"2001:db8:{n}::/48" for n in range(9)}
    mapping.update({"10.0.0.0/8": "2001:db8::/36", "0.0.0.0/0": "::/0"})
    for text, message in (
        ("10.3.0.1", "10.3.0.0/16 around it"),
        ("10.99.0.0/16", "10.0.0.0/8 around it"),
        ("192.0.2.1", "0.0.0.0/0 around it"),
    ):
        with pytest.raises(Untranslatable, match=message):
            found(mapping, text)
    del mapping["10.0.0.0/8"], mapping["0.0.0.0/0"]
    with pytest.raises(Untranslatable, match=r"parts of it \(10\.0\.0\.0/16, 10\.1\.0\.0/16, 10\.2\.0\.0/16 \.\.\.\)"):
        found(mapping, "10.0.0.0/8")


def test_many_entries_that_no_rule_names_cost_little() -> None:
    known = Addresses({f"10.{n >> 8}.{n & 255}.0/24": f"2001:db8:{n:x}::/48" for n in range(5000)})
    start = time.process_time()
    for n in range(2000):
        with pytest.raises(Untranslatable):
            known.find(f"198.18.{n >> 8}.{n & 255}")
        with pytest.raises(Untranslatable):
            known.span(f"198.18.{n >> 8}.{n & 255}-198.19.0.0")
    assert time.process_time() - start < 1  # it was more when each look-up went through all of them


def test_the_mapping_of_the_user_wins() -> None:
    assert found({"127.0.0.1": "2001:db8::1"}, "127.0.0.1/32") == ["2001:db8::1/128"]
    assert found({"0.0.0.0/0": "2001:db8::/32"}, "0.0.0.0/0") == ["2001:db8::/32"]


@pytest.mark.parametrize("key", ["192.0.2.0/24", "192.0.2.0/255.255.255.0", "192.0.2/24"])
@pytest.mark.parametrize("text", ["192.0.2.0/24", "192.0.2.0/255.255.255.0", "192.0.2.99/24", "192.0.2/24"])
def test_a_prefix_is_found_however_it_is_written(key: str, text: str) -> None:
    assert found({key: "2001:DB8:0::/64"}, text) == ["2001:db8::/64"]


@pytest.mark.parametrize("text", ["192.0.2.0", "192.0.2.0/25", "192.0.2.0/23", "192.0.2.1"])
def test_nothing_else_is_found(text: str) -> None:
    with pytest.raises(Untranslatable):
        found({"192.0.2.0/24": "2001:db8::/64"}, text)


def test_prefixes_in_prefixes_are_left_out() -> None:
    values = ["2001:db8:1::/64", "2001:db8::1", "2001:db8::/64", "2001:db8::1", "2001:db8:0:0:8000::/65"]
    assert found({"192.0.2.1": values}, "192.0.2.1") == ["2001:db8::/64", "2001:db8:1::/64"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("192.0.2.1", "is no dictionary"),
        ({80: "2001:db8::1"}, "put the value in quotes"),
        ({"x": "2001:db8::1"}, "addresses: 'x' is no IPv4 address or prefix"),
        ({"2001:db8::1": "2001:db8::1"}, "is no IPv4 address or prefix"),
        ({"192.0.2.1/24": "2001:db8::/64"}, "has host bits set; the prefix is 192.0.2.0/24"),
        ({"192.0.2.1": "192.0.2.2"}, "addresses: 192.0.2.1/32: '192.0.2.2' is IPv4"),
        ({"192.0.2.1": None}, "addresses: 192.0.2.1/32: nothing is given"),
        ({"192.0.2.1": []}, "addresses: 192.0.2.1/32: the list is empty"),
        ({"192.0.2.1": [["2001:db8::1"]]}, "is a list, not text"),
        ({"192.0.2.1": {"a": 1}}, "is a dictionary, not text"),
        ({"192.0.2.1": "2001:db8::1/64"}, "has host bits set; the prefix is 2001:db8::/64"),
        ({"10.0.0.0/8": "::/0"}, "addresses: 10.0.0.0/8: ::/0 is any address"),
        ({"10.0.0.0/8": ["2001:db8::/32", "0::/0"]}, "addresses: 10.0.0.0/8: ::/0 is any address"),
        ({"192.0.2.1": "fe80::1%eth0"}, "carries a zone id"),
        ({"192.0.2.1": "2001:db8::1", "192.0.2.1/32": "2001:db8::2"}, "is named twice"),
    ],
)
def test_a_wrong_mapping_is_an_error_that_names_the_entry(given: object, message: str) -> None:
    with pytest.raises(RolloutError) as caught:
        Addresses(given)
    assert message in str(caught.value)
    assert "addresses: " in str(caught.value)


def test_ranges() -> None:
    row = {f"192.0.2.{n}": f"2001:db8::{n}" for n in range(1, 10)}
    assert Addresses(row).span("192.0.2.1-192.0.2.9") == ["2001:db8::1-2001:db8::9"]
    assert Addresses(row).span("192.0.2.3") == ["2001:db8::3-2001:db8::3"]
    ends = {name: row[name] for name in ("192.0.2.1", "192.0.2.9")}
    assert Addresses(ends).span("192.0.2.1-192.0.2.9") == ["2001:db8::1-2001:db8::9"]
    # one in between is elsewhere: each for itself
    moved = {**row, "192.0.2.5": "2001:db8:5::5"}
    assert len(Addresses(moved).span("192.0.2.1-192.0.2.9")) == 9
    assert "2001:db8:5::5-2001:db8:5::5" in Addresses(moved).span("192.0.2.1-192.0.2.9")
    others = [
        {**ends, "192.0.2.5": "2001:db8:5::5"},
        {**ends, "192.0.2.9": "2001:db8::1"},
        {**row, "192.0.2.9": "2001:db8:9::/64"},
    ]
    for other in others:
        with pytest.raises(Untranslatable):
            Addresses(other).span("192.0.2.1-192.0.2.9")
    # the row of an IPv4 network goes on in hexadecimal digits
    decimal = {"192.0.2.9": "2001:db8::9", "192.0.2.10": "2001:db8::10"}
    assert len(Addresses(decimal).span("192.0.2.9-192.0.2.10")) == 2


def test_a_long_range_needs_consecutive_ends() -> None:
    with pytest.raises(Untranslatable):
        Addresses({}).span("10.0.0.0-10.255.255.255")
    ends = {"10.0.0.0": "2001:db8::", "10.0.1.255": "2001:db8::1ff"}
    assert Addresses(ends).span("10.0.0.0-10.0.1.255") == ["2001:db8::-2001:db8::1ff"]


def test_the_addresses_of_a_fleet() -> None:
    members = {
        "www": {"ipv4": "192.0.2.80", "address": "2001:db8:1200::80"},
        "mail": {"ipv4": "192.0.2.25", "address": "2001:db8:1200::25"},
        "inner": {"ipv4": "192.0.2.25", "address": "2001:DB8:1200::26"},
        "new": {"ipv4": None, "address": "2001:db8:1200::99"},
        "newer": {"address": "2001:db8:1200::98"},
    }
    mapping = plan_addresses(members, {"192.0.2.0/24": "2001:db8:1200::/64"})
    assert mapping == {
        "192.0.2.80": ["2001:db8:1200::80"],
        "192.0.2.25": ["2001:db8:1200::25", "2001:db8:1200::26"],
        "192.0.2.0/24": ["2001:db8:1200::/64"],
    }
    assert found(mapping, "192.0.2.25") == ["2001:db8:1200::25/128", "2001:db8:1200::26/128"]
    for wrong, message in (
        (None, "is no dictionary"),
        ({"www": None}, "www: None is no member"),
        ({"www": {"ipv4": "192.0.2.80"}}, "www: address: nothing is given"),
        ({"www": {"ipv4": 80, "address": "2001:db8::1"}}, "www: ipv4: 80"),
    ):
        with pytest.raises(RolloutError) as caught:
            plan_addresses(wrong)
        assert message in str(caught.value)


@given(
    st.dictionaries(st.integers(0, 300), st.integers(0, 1 << 20), max_size=20), st.integers(0, 300), st.integers(0, 30)
)
def test_a_range_is_exactly_its_addresses(known: dict[int, int], first: int, size: int) -> None:
    """What the ranges hold is what the addresses become, or nothing is said at all."""
    base = 10 << 24
    mapping = {ipv4_text(base + old): ipv6_text(0x20010DB8 << 96 | new) for old, new in known.items()}
    text = f"{ipv4_text(base + first)}-{ipv4_text(base + first + size)}"
    try:
        ranges = Addresses(mapping).span(text)
    except Untranslatable:
        assert not all(first + n in known for n in range(size + 1))
        return
    held = set()
    for one in ranges:
        start, end = (Addresses({"192.0.2.1": part}).find("192.0.2.1")[0][0] for part in one.split("-"))
        held |= set(range(start, end + 1))
    wanted = {0x20010DB8 << 96 | known[first + n] for n in range(size + 1) if first + n in known}
    assert wanted <= held
    assert held == wanted or len(ranges) == 1
