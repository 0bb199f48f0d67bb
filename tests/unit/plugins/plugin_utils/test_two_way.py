# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and PTR records, held against each other."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.plugins.plugin_utils.two_way import unmatched, unmatched_in_zones
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import zone_file

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
SOA = {"mname": "ns1.example.com", "rname": "hostmaster@example.com", "serial": 1}
NS = ["ns1.example.com"]
ZONE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
BASE = 0x20010DB8120000000000000000000000
A1 = "2001:db8:1200::1"
PAIRS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), max_size=25)


def test_both_directions():
    forward = [("a.example.com.", A1), ("b.example.com.", A1), ("b.example.com.", A1), ("a.example.com.", "192.0.2.1")]
    pointers = [(A1, "b.example.com."), ("192.0.2.1", "x.example.com."), (A1, "c.example.com.")]
    assert unmatched(iter(forward), iter(pointers)) == ([forward[0], forward[3]], pointers[1:])
    assert unmatched([], []) == ([], [])


@settings(max_examples=EXAMPLES, deadline=None)
@given(PAIRS, PAIRS, st.sampled_from(["lines", "zone", "ttl"]))
def test_zones_as_zone_file_writes_them(there, back, form):
    forward = [(f"{name}.example.com.", ipv6_text(BASE | number % 3 << 64 | number)) for name, number in there]
    pointers = [(ipv6_text(BASE | number % 3 << 64 | number), f"{name}.example.com.") for name, number in back]
    lines = "".join(f"{name} {address}\n" for name, address in forward)
    ttl = {"ttl": 60} if form == "ttl" else {}
    records = [{"name": name, "type": "AAAA", "data": address, **ttl} for name, address in forward]
    given_forward = lines if form == "lines" else ("example.com", zone_file(records, "example.com", SOA, NS))
    reverse = zone_file("".join(f"{n} {a}\n" for a, n in pointers), ZONE, SOA, NS, several_names=True)
    lonely, unconfirmed = unmatched_in_zones([given_forward], [(ZONE, reverse)])
    wanted = unmatched(forward, pointers)
    assert sorted(lonely) == sorted(set(wanted[0])) and sorted(unconfirmed) == sorted(set(wanted[1]))


def test_a_large_zone_with_a_few_errors():
    shuffled = random.Random(1)
    numbers = [BASE | shuffled.randrange(9) << 64 | shuffled.getrandbits(64) for _number in range(30000)]
    lines = [f"h{place}.example.com {ipv6_text(number)}\n" for place, number in enumerate(numbers)]
    reverse = zone_file("".join(lines), ZONE, SOA, NS)
    assert reverse.count("$ORIGIN") == 10
    assert unmatched_in_zones(["".join(lines)], [(ZONE, reverse)]) == ([], [])
    changed = reverse.replace(" h7.example.com.", " h7.example.net.").replace(" h8.example.com.", " H8.Example.COM.")
    assert unmatched_in_zones(["".join(lines[1:])], [(ZONE, changed), (ZONE, changed)]) == (
        [("h7.example.com.", ipv6_text(numbers[7]))],
        [
            (ipv6_text(number), name)
            for number, name in sorted([(numbers[0], "h0.example.com."), (numbers[7], "h7.example.net.")])
        ],
    )


FORWARD = """
$TTL 1h ; a comment
@ IN SOA ns1 host (
    1 ; serial
    2 3 4 5 )
    IN NS ns1.example.com.
ns1 60 IN A 192.0.2.53
    IN 60 AAAA 2001:db8:1200::53
www (
    AAAA 2001:db8:1200::80 )
    TXT "a ; b ( c" (
  "d" )
    A 192.0.2.80 ; one more
$ORIGIN sub
x A 192.0.2.81
$ORIGIN sub.example.com.
Y.Z AAAA 2001:DB8:1200::82
\\065b AAAA 2001:db8:1200::83
$GENERATE 1-2 h$ AAAA 2001:db8:1200::9$
"""
FOUND = [
    ("ns1.example.com.", "192.0.2.53"),
    ("ns1.example.com.", "2001:db8:1200::53"),
    ("www.example.com.", "2001:db8:1200::80"),
    ("www.example.com.", "192.0.2.80"),
    ("x.sub.example.com.", "192.0.2.81"),
    ("y.z.sub.example.com.", "2001:db8:1200::82"),
    ("ab.sub.example.com.", "2001:db8:1200::83"),
    ("h1.sub.example.com.", "2001:db8:1200::91"),
    ("h2.sub.example.com.", "2001:db8:1200::92"),
]


@pytest.mark.parametrize("more", ["", "x IN A 192.0.2.1\n" * 30000])
def test_what_is_not_plain_is_read_right(more):
    lonely, unconfirmed = unmatched_in_zones([("example.com", more + FORWARD)], [])
    assert (lonely[1:] if more else lonely, unconfirmed) == (FOUND, [])


def test_pointers_that_are_not_plain():
    reverse = (
        f"$TTL 60\n@ SOA a b 1 2 3 4 5\n{name_of(6, BASE + 1)} PTR ( a.example.com. )\n"
        "* PTR pool.example.com.\n_x PTR y\n$ORIGIN 0.0.0.0." + ZONE + "\n"
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR b.example.com.\n 60 IN PTR C.example.com.\n"
        "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR d.example.com\n"
        "3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR too.many.example.com.\n"
        "g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 IN PTR no.digit.example.com.\n"
    )
    classless = "$TTL 60\n129 PTR e.example.com.\n193 PTR outside.example.com.\n"
    lines = f"a.example.com {A1}\nb.example.com 2001:db8:1200::2\ne.example.com 192.0.2.129\n"
    assert unmatched_in_zones([lines], [(ZONE, reverse), ("128/26.2.0.192.in-addr.arpa", classless)]) == (
        [],
        [
            ("2001:db8:1200::2", "c.example.com."),
            ("2001:db8:1200::3", f"d.example.com.0.0.0.0.{ZONE}"),
        ],
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$INCLUDE other.zone\n", "line 1: the file 'other.zone', which is included there, is not known"),
        ("\na IN A 192.0.2.1\nb IN A 192.0.2.300\n", "line 3: A: '192.0.2.300' is not an IPv4 address"),
        ("a IN A 192.0.2.1 x\n", "line 1: 'a IN A 192.0.2.1 x' has more data than one A"),
        ("a IN\n", "line 1: 'a IN' is not a record of the Internet"),
        ("a CH A 1\n", "is not a record of the Internet"),
        (" IN A 192.0.2.1\n", "line 1: the record has no owner, and there is none before it"),
        ("\n\na IN A ( 192.0.2.1\nb A 192.0.2.1\n", "line 3: a bracket is open at the end of the file"),
        ('a IN TXT "open\nb A 192.0.2.1\n', "line 1"),
        ("$ORIGIN ( x )\n", "line 1: '$ORIGIN ( x )' is not plain"),
        ("$ORIGIN\n", "line 1"),
        ("$UNKNOWN x\n", "line 1: '$UNKNOWN x' is not understood"),
    ],
)
def test_what_cannot_be_read_is_refused(text, message):
    with pytest.raises(RolloutError) as caught:
        unmatched_in_zones([("example.com", text)], [])
    assert str(caught.value).startswith("zone example.com. line ") and message in str(caught.value)
