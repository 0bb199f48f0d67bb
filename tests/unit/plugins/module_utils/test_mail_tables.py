# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup tables of Postfix as text."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import mail_tables
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def lines(kind, entries):
    """Return the entries of a table as they are written."""
    text = mail_tables.text(entries, kind, "tables.x")
    assert text.startswith(mail_tables.HEADER)
    return text[len(mail_tables.HEADER) :].splitlines()


@pytest.mark.parametrize(
    ("kind", "key", "written"),
    [
        ("hash", "2001:DB8:0:0::2", "2001:db8::2"),
        ("hash", "[2001:db8::2]", "2001:db8::2"),
        ("hash", "2001:0db8:0001", "2001:db8:1"),
        ("hash", "192.0.2.1", "192.0.2.1"),
        ("hash", "192.0.2", "192.0.2"),
        ("hash", "user@Example.com", "user@Example.com"),
        ("hash", "[mail.example.com]:587", "[mail.example.com]:587"),
        ("hash", "[2001:db8::1]:587", "[2001:db8::1]:587"),
        ("texthash", "AA:BB:CC:DD:EE:FF:00:11:22:33", "AA:BB:CC:DD:EE:FF:00:11:22:33"),
        ("lmdb", 192, "192"),
        ("cidr", "2001:DB8:1::/64", "2001:db8:1::/64"),
        ("cidr", "[2001:db8:1::]/64", "2001:db8:1::/64"),
        ("cidr", "[2001:db8:1::/64]", "2001:db8:1::/64"),
        ("cidr", "2001:db8::0:1", "2001:db8::1"),
        ("cidr", "!192.0.2.0/24", "!192.0.2.0/24"),
        ("cidr", "192.0.2.1", "192.0.2.1"),
        ("cidr", "::/0", "::/0"),
        ("regexp", "/^2001:DB8: x/", "/^2001:DB8: x/"),
        ("pcre", "!/a/i", "!/a/i"),
    ],
)
def test_keys_as_postfix_looks_for_them(kind, key, written):
    assert lines(kind, {key: " OK now "}) == [f"{written} OK now"]


def test_order_is_kept():
    keys = ["2001:db8:2::/48", "192.0.2.0/24", "2001:db8::/32"]
    assert [line.split()[0] for line in lines("cidr", dict.fromkeys(keys, "OK"))] == keys


@pytest.mark.parametrize(
    ("kind", "entries", "why"),
    [
        ("cidr", {"2001:db8::1/64": "OK"}, "host bits set; write 2001:db8::/64"),
        ("cidr", {"!192.0.2.1/24": "OK"}, "host bits set; write !192.0.2.0/24"),
        ("cidr", {"::ffff:192.0.2.0/120": "OK"}, "since it is IPv4; write 192.0.2.0/24"),
        ("cidr", {"www.example.com": "OK"}, "no address or prefix"),
        ("cidr", {"2001:db8::/129": "OK"}, "no address or prefix"),
        ("cidr", {"2001:db8::1": "OK", "2001:db8:0::1/128": "NO"}, "are the same key"),
        ("hash", {"2001:db8::1": "OK", "[2001:DB8::1]": "NO"}, "are the same key"),
        ("hash", {"a@example.com": "OK", "A@example.com": "NO"}, "are the same key"),
        ("hash", {"2001:db8::/64": "OK"}, "only a table of the type cidr"),
        ("hash", {"[2001:db8::]/64": "OK"}, "only a table of the type cidr"),
        ("hash", {"192.0.2.0/24": "OK"}, "only a table of the type cidr"),
        ("hash", {"2001:db8:": "OK"}, "without colons at its end"),
        ("hash", {"::ffff:192.0.2.1": "OK"}, "since it is IPv4; write 192.0.2.1$"),
        ("hash", {"a b": "OK"}, "has a space in it"),
        ("hash", {"#a": "OK"}, "begins with #"),
        ("hash", {"a\nb": "OK"}, "line break"),
        ("hash", {"": "OK"}, "is no key"),
        ("hash", {None: "OK"}, "is no key"),
        ("hash", {True: "OK"}, "is no key"),
        ("hash", {"a": ""}, "is empty"),
        ("hash", {"a": "x\ny z"}, "line break"),
        ("hash", {"a": True}, "quote it"),
        ("hash", {"a": None}, "quote it"),
        ("hash", {"a": ["OK"]}, "quote it"),
        ("hash", ["a"], "no dictionary"),
        ("hash", "a OK", "no dictionary"),
        ("regexp", {"^2001:": "OK"}, None),
        ("regexp", {"2001:": "OK"}, "no pattern"),
        ("pcre", {"# a": "OK"}, "no pattern"),
    ],
)
def test_refuses(kind, entries, why):
    if why is None:
        assert lines(kind, entries)
        return
    with pytest.raises(RolloutError, match=why):
        mail_tables.text(entries, kind, "tables.x")


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ([{"name": "a/b"}], "no plain file name"),
        ([{"name": "../a"}], "no plain file name"),
        ([{"name": ""}], "no plain file name"),
        ([{}], "no plain file name"),
        ([{"name": "main.cf"}], "of Postfix's own"),
        ([{"name": "clients.db"}], "of Postfix's own"),
        ([{"name": "a", "type": "ldap"}], "is none of hash"),
        ([{"name": "a"}, {"name": "a", "type": "cidr"}], "there twice"),
        ([{"name": "a", "rows": {}}], "name, type and entries"),
        (["a"], "name, type and entries"),
    ],
)
def test_refuses_tables(given, why):
    with pytest.raises(RolloutError, match=why):
        mail_tables.clean(given)


def test_indexes():
    given = [{"name": "a", "entries": {"b": "c"}}, {"name": "d", "type": "cidr"}, {"name": "e", "type": "lmdb"}]
    assert [(table.type, table.index_name) for table in mail_tables.clean(given)] == [
        ("hash", "a.db"),
        ("cidr", None),
        ("lmdb", "e.lmdb"),
    ]


@given(st.integers(0, 2**128 - 1))
def test_every_way_to_write_an_address_gives_the_one_that_is_looked_for(number):
    address = ipaddress.IPv6Address(number)
    if address.ipv4_mapped is not None:
        return
    for way in (address.exploded, address.exploded.upper(), f"[{address}]", str(address)):
        assert lines("hash", {way: "OK"}) == [f"{address} OK"]
        assert lines("cidr", {way: "OK"}) == [f"{address} OK"]


@given(st.integers(0, 2**128 - 1), st.integers(0, 128))
def test_host_bits_are_refused_with_the_right_prefix(number, length):
    network = ipaddress.IPv6Network((number, length), strict=False)
    text = f"{ipaddress.IPv6Address(number)}/{length}"
    try:
        written = lines("cidr", {text: "OK"})[0].split()[0]
    except RolloutError as error:
        assert str(error).endswith(f"write {network}") or "is IPv4" in str(error)
    else:
        assert written == str(network)
        assert int(network.network_address) == number
