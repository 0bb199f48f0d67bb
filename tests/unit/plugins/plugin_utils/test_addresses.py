# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses: strict reading, RFC 5952 text, reserved identifiers."""

from __future__ import annotations

import datetime
import ipaddress
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import addresses

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "planning-dns.json").read_text())


@pytest.mark.parametrize(("text", "canonical"), VECTORS["rfc5952"])
def test_rfc5952(text, canonical):
    assert addresses.ipv6_text(addresses.ipv6(text, "x")) == canonical


@given(st.integers(0, addresses.ALL_ONES) | st.integers(0, 1 << 33) | st.integers(0, 0xFFFF).map(lambda n: n << 112))
def test_text_is_read_back_and_is_canonical(number):
    text = addresses.ipv6_text(number)
    assert addresses.ipv6(text, "x") == number
    if number >> 32 not in (0, 0xFFFF):
        assert text == str(ipaddress.IPv6Address(number))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            80,
            "v: 80 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put the value "
            "in quotes",
        ),
        (
            True,
            "v: True is a truth value, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put the "
            "value in quotes",
        ),
        (
            1.5,
            "v: 1.5 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put the value "
            "in quotes",
        ),
        (
            datetime.date(2026, 1, 2),
            "v: datetime.date(2026, 1, 2) is a date, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a "
            "number; "
            "put the value in quotes",
        ),
        (None, "v: nothing is given (null); write the value as text in quotes"),
        ([], "v: [] is a list, not text; write one value in quotes"),
        ({}, "v: {} is a dictionary, not text; write one value in quotes"),
        ("192.0.2.0/24", "v: '192.0.2.0/24' is IPv4; an IPv6 prefix such as 2001:db8::/48 belongs here"),
        ("192.0.2.1", "v: '192.0.2.1' is IPv4; an IPv6 prefix such as 2001:db8::/48 belongs here"),
        ("2001:db8::1/48", "v: '2001:db8::1/48' has host bits set; the prefix is 2001:db8::/48"),
        ("2001:db8::", "v: '2001:db8::' has no prefix length; write it behind a slash, such as 2001:db8::/64"),
        ("::/0", "v: '::/0' has the prefix length 0; it must be between 1 and 128"),
        ("2001:db8::/129", "v: '2001:db8::/129' has the prefix length 129; it must be between 1 and 128"),
        ("2001:db8::/064", "v: '2001:db8::/064' has no decimal prefix length behind the slash"),
        ("2001:db8::/", "v: '2001:db8::/' has no decimal prefix length behind the slash"),
        ("2001:db8::/-1", "v: '2001:db8::/-1' has no decimal prefix length behind the slash"),
        ("2001:db8::/٦٤", "v: '2001:db8::/٦٤' has no decimal prefix length behind the slash"),
        ("fe80::%eth0/64", "v: 'fe80::%eth0/64' carries a zone id; write the prefix without the % and what follows"),
        ("[2001:db8::]/64", "v: '[2001:db8::]/64' has brackets; write the prefix without them"),
        (" 2001:db8::/64", "v: ' 2001:db8::/64' has white space around it; take it away"),
        ("2001:db8::/64\n", "v: '2001:db8::/64\\n' has no decimal prefix length behind the slash"),
        ("2001:db8:0:cd3/60", "v: '2001:db8:0:cd3/60' is not an IPv6 prefix"),
        ("", "v: '' is not an IPv6 address"),
        ("\0::/64", "v: '\\x00::/64' is not an IPv6 prefix"),
        ("\ud800::/64", "v: '\\ud800::/64' is not an IPv6 prefix"),
    ],
)
def test_what_is_no_prefix(value, message):
    with pytest.raises(RolloutError) as caught:
        addresses.ipv6_prefix(value, "v")
    assert str(caught.value) == message


def test_a_huge_text_is_refused_at_once_and_not_repeated():
    with pytest.raises(RolloutError) as caught:
        addresses.ipv6_prefix("2" * 10_000_000, "v")
    assert str(caught.value).endswith("(10000002 characters) is too long; at most 64 characters belong here")
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", VECTORS["rfc4291_prefix"]["60-bit 20010DB80000CD3"])
def test_rfc4291_prefix(text):
    assert addresses.prefix_text(*addresses.ipv6_prefix(text, "x")) == "2001:db8:0:cd30::/60"


@pytest.mark.parametrize("text", VECTORS["rfc4291_prefix"]["not_legal"])
def test_rfc4291_not_legal(text):
    try:
        read = addresses.ipv6_prefix(text, "x")
    except RolloutError:
        return
    assert addresses.prefix_text(*read) != "2001:db8:0:cd30::/60"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.080", "v: '192.0.2.080' is not an IPv4 address such as 192.0.2.80"),
        ("192.0.2", "v: '192.0.2' is not an IPv4 address such as 192.0.2.80"),
        ("2001:db8::1", "v: '2001:db8::1' is not IPv4; an IPv4 address such as 192.0.2.80 belongs here"),
        ("192.0.2.1/24", "v: '192.0.2.1/24' has a prefix length; an address alone belongs here"),
    ],
)
def test_what_is_no_ipv4_address(text, message):
    with pytest.raises(RolloutError) as caught:
        addresses.ipv4(text, "v")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("::80", 0x80),
        ("::c000:250", 0xC0000250),
        ("25::160", 0x0025_0000_0000_0160),
        ("1:2:3:4", 0x0001_0002_0003_0004),
        ("::1:2:3:4", 0x0001_0002_0003_0004),
        ("a:b::", 0x000A_000B_0000_0000),
    ],
)
def test_interface_identifiers(text, number):
    assert addresses.interface_id(text, "x") == number


@pytest.mark.parametrize(
    "text", ["80", "1:2", "1:2:3:4:5", "::1:2:3:4:5", "1::2::3", "1:2:3:4::", "g::1", "::1%eth0", ":", ""]
)
def test_what_is_no_interface_identifier(text):
    with pytest.raises(RolloutError):
        addresses.interface_id(text, "x")


def test_an_identifier_must_fit():
    with pytest.raises(RolloutError) as caught:
        addresses.interface_id("::1:0", "v", 8)
    assert str(caught.value) == "v: '::1:0' does not fit into the 8 bits that a /120 leaves to its hosts"


@pytest.mark.parametrize(
    ("text", "length", "word"),
    [
        ("2001:db8::", 64, "4291"),
        ("2001:db8::fdff:ffff:ffff:ff80", 64, "2526"),
        ("2001:db8::fdff:ffff:ffff:fffe", 64, "2526"),
        ("2001:db8::fdff:ffff:ffff:ffff", 64, "2526"),
        ("2001:db8::ffff:ffff:ffff:ff80", 64, "2526"),
        ("2001:db8::ffff:ffff:ffff:ffff", 64, "2526"),
        ("2001:db8::200:5eff:fe00:5213", 64, "5453"),
        ("2001:db8::", 56, "4291"),
        ("2001:db8::ff80", 112, "2526"),
        ("2001:db8::80", 120, "2526"),
        ("2001:db8::4", 126, "4291"),
        ("2001:db8::5", 126, None),
        ("2001:db8::", 127, None),
        ("2001:db8::1", 127, None),
        ("2001:db8::", 128, None),
        ("2001:db8::1", 64, None),
        ("2001:db8::fdff:ffff:ffff:ff7f", 64, None),
        ("2001:db8::7f", 120, None),
    ],
)
def test_reserved(text, length, word):
    why = addresses.reserved(addresses.ipv6(text, "x"), length)
    assert why is None if word is None else word in why
