# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy tables, and what a user may write in place of one."""

from __future__ import annotations

import ipaddress
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import policy_table as core
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import (
    LARGEST,
    MAPPED,
    TABLES,
    Row,
    find,
    policy_table,
    prefix_text,
    read_prefix,
)

VECTORS = json.loads((pathlib.Path(__file__).parents[2] / "vectors" / "rfc6724.json").read_text())
ANY = {"prefix": "::/0", "precedence": 40, "label": 1}


@pytest.mark.parametrize(
    ("ours", "theirs"), [("rfc6724", "default"), ("prefer_ipv6", "default"), ("prefer_ipv4", "prefer_v4")]
)
def test_the_tables_are_those_of_the_rfc(ours, theirs):
    assert policy_table(ours) == policy_table(VECTORS["tables"][theirs]) == TABLES[ours]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_that_is_written_out_is_the_same(name):
    assert policy_table([row._asdict() for row in TABLES[name]]) == policy_table(name)
    assert all(prefix_text(*read_prefix(row.prefix, "prefix")) == row.prefix for row in TABLES[name])


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("192.0.2.0/24", "::ffff:192.0.2.0/120"),
        ("192.0.2.1/32", "::ffff:192.0.2.1/128"),
        ("0.0.0.0/0", "::ffff:0:0/96"),
        ("::ffff:0.0.0.0/96", "::ffff:0:0/96"),
        ("::FFFF:192.0.2.0/120", "::ffff:192.0.2.0/120"),
        ("::ffff:c000:200/120", "::ffff:192.0.2.0/120"),
        ("::ffff:0:0/97", "::ffff:0.0.0.0/97"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("2001:DB8:0:0::/32", "2001:db8::/32"),
        ("::192.0.2.0/120", "::c000:200/120"),
        ("::/96", "::/96"),
    ],
)
def test_prefixes_have_one_text(prefix, text):
    rows = policy_table([ANY, {"prefix": prefix, "precedence": 0, "label": LARGEST}])
    assert rows == (Row("::/0", 40, 1), Row(text, 0, LARGEST))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "policy: None is no policy table; write one of glibc, prefer_ipv4, prefer_ipv6, rfc6724, or a list"),
        (5, "policy: 5 is no policy table"),
        ("IPv4", "policy: 'IPv4' is no policy table"),
        ({"prefix": "::/0"}, "policy: .* is no policy table"),
        ([], r"policy: \[\] lacks '::/0'"),
        ([{**ANY, "prefix": "0.0.0.0/0"}], "lacks '::/0'"),
        (["::/0"], r"policy\[0\]: '::/0' is no row"),
        ([{"prefix": "::/0", "label": 1}], r"policy\[0\]: .* nothing else; see precedence"),
        ([{**ANY, "scope": 1}], r"nothing else; see scope"),
        ([ANY, {**ANY, "precedence": 5}], r"policy\[1\]: '::/0' stands in row 0 already"),
        ([ANY, {**ANY, "prefix": "0.0.0.0/0"}, {**ANY, "prefix": "::ffff:0:0/96"}], r"policy\[2\]: .* stands in row 1"),
        ([{**ANY, "precedence": -1}], r"policy\[0\].precedence: -1 is no whole number from 0 to 2147483647"),
        ([{**ANY, "precedence": LARGEST + 1}], "2147483648 is no whole number"),
        ([{**ANY, "precedence": "40"}], r"policy\[0\].precedence: '40' is text; take the quotes off"),
        ([{**ANY, "label": "many"}], "'many' is no whole number"),
        ([{**ANY, "label": True}], r"policy\[0\].label: True is no whole number"),
        ([{**ANY, "label": 1.0}], "1.0 is no whole number"),
        ([{**ANY, "prefix": 2001}], r"policy\[0\].prefix: 2001 is no text"),
        ([{**ANY, "prefix": "2001:db8::"}], "'2001:db8::' has no prefix length, which glibc needs"),
        ([{**ANY, "prefix": "2001:db8::/"}], "has no decimal prefix length"),
        ([{**ANY, "prefix": "192.0.2.0/255.255.255.0"}], "has no decimal prefix length"),
        ([{**ANY, "prefix": "2001:db8::/032"}], "has no decimal prefix length"),
        ([{**ANY, "prefix": "2001:db8::/129"}], "is no prefix such as"),
        ([{**ANY, "prefix": "2001:db8::1/32"}], "has host bits set; write '2001:db8::/32'"),
        ([{**ANY, "prefix": "192.0.2.1/24"}], "has host bits set; write '192.0.2.0/24'"),
        ([{**ANY, "prefix": "fe80::%eth0/64"}], "carries a zone id"),
        ([{**ANY, "prefix": "example.com/64"}], "is no prefix such as"),
    ],
)
def test_bad_tables_are_named(value, message):
    with pytest.raises(RolloutError, match=message):
        policy_table(value)


def test_the_variable_is_named():
    with pytest.raises(RolloutError, match=r"^address_selection_policy\[0\].label: -1 is"):
        policy_table([{**ANY, "label": -1}], "address_selection_policy")


@pytest.mark.parametrize(
    ("address", "prefix"),
    [
        ("::1", "::1/128"),
        ("::2", "::/96"),
        ("2001:db8::1", "::/0"),
        ("2001:0:1::1", "2001::/32"),
        ("2002::1", "2002::/16"),
        ("fdff::1", "fc00::/7"),
        ("fe00::1", "::/0"),
        ("feff::1", "fec0::/10"),
        ("3ffe:1::", "3ffe::/16"),
    ],
)
def test_the_longest_prefix_wins(address, prefix):
    assert find(TABLES["rfc6724"], int(ipaddress.IPv6Address(address))).prefix == prefix
    assert find(TABLES["rfc6724"][::-1], int(ipaddress.IPv6Address(address))).prefix == prefix


def test_ipv4_is_found_as_ipv4_mapped():
    rows = policy_table([ANY, {"prefix": "192.0.2.0/24", "precedence": 7, "label": 8}])
    assert find(rows, MAPPED + int(ipaddress.IPv4Address("192.0.2.1"))).precedence == 7
    assert find(rows, MAPPED + int(ipaddress.IPv4Address("192.0.3.1"))).prefix == "::/0"


def test_an_address_in_no_row():
    with pytest.raises(RolloutError, match="no row holds the address"):
        find(TABLES["rfc6724"][:1], 5)


def test_a_table_is_read_once(monkeypatch):
    """However many rows it has."""
    rows = policy_table([ANY, *({**ANY, "prefix": f"2001:db8:{n:x}::/48"} for n in range(3000))])
    read = []
    monkeypatch.setattr(core, "read_prefix", lambda *given: read.append(given) or read_prefix(*given))
    for number in (1, 7, 2999):
        assert find(rows, int(ipaddress.IPv6Address(f"2001:db8:{number:x}::1"))).prefix == f"2001:db8:{number:x}::/48"
    assert len(read) == len(rows)


@given(st.integers(0, (1 << 128) - 1), st.integers(0, 128))
def test_any_prefix_comes_back(number, length):
    first = number >> (128 - length) << (128 - length)
    text = prefix_text(first, length)
    assert read_prefix(text, "prefix") == (first, length)
    assert find((Row("::/0", 0, 0), Row(text, 1, 1)), number).precedence == (1 if length else 0)
