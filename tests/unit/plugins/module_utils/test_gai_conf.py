# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of /etc/gai.conf: glibc's quirks one by one, and that what is written says exactly what was asked."""

from __future__ import annotations

import ipaddress
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import LARGEST, TABLES, Row, prefix_text

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
LABELS = {row.prefix: row.label for row in TABLES["glibc"]}
PRECEDENCES = {row.prefix: row.precedence for row in TABLES["glibc"]}

# What a line means to glibc: (kind, prefix, value), or a part of the reason why it means nothing.
LINES = [
    ("label ::1/128 0", ("label", "::1/128", 0)),
    ("\tlabel\t2002::/16\t2\r", ("label", "2002::/16", 2)),
    ("  precedence  ::/0   40 trailing words", ("precedence", "::/0", 40)),
    ("precedence ::/0 40# comment", ("precedence", "::/0", 40)),
    ("precedence 2001:DB8::/32 45", ("precedence", "2001:db8::/32", 45)),
    ("precedence ::ffff:0.0.0.0/96 100", ("precedence", "::ffff:0:0/96", 100)),
    ("precedence ::ffff:192.0.2.0/120 5", ("precedence", "::ffff:192.0.2.0/120", 5)),
    ("precedence 2001:db8::1/32 45", ("precedence", "2001:db8::/32", 45)),
    ("precedence ::/0", "do not agree about it, since the number is missing"),
    ("precedence ::/0 # 40", "do not agree about it, since the number is missing"),
    ("label 2001:db8::/ 7", "do not agree about it, since the prefix length is missing"),
    ("label ::/+0 +7", ("label", "::/0", 7)),
    ("label ::/007 007", ("label", "::/7", 7)),
    ("label ::/0 -18446744073709551615", ("label", "::/0", 1)),
    (f"label ::/0 {LARGEST}", ("label", "::/0", LARGEST)),
    (f"label ::/0 {LARGEST + 1}", "'2147483648' is no number"),
    ("label ::/0 -1", "'-1' is no number"),
    ("label ::/0 99999999999999999999", "is no number"),
    ("label ::/0 1.5", "'1.5' is no number"),
    ("label ::/0 0x10", "'0x10' is no number"),
    ("label ::/129 1", "'129' is no prefix length"),
    ("label ::/0/0 1", "'0/0' is no prefix length"),
    ("label ::/+ 1", "'+' is no prefix length"),
    ("label ::1 0", "do not agree about it, since the prefix length is missing"),
    ("precedence 0.0.0.0/0 100", "'0.0.0.0' is no IPv6 prefix"),
    ("precedence", "'' is no IPv6 prefix"),
    ("precedence fe80::%eth0/10 5", "is no IPv6 prefix"),
    ("precedence \xe4::/16 5", "is no IPv6 prefix"),
    ("precendence ::/0 1", "does not know 'precendence'"),
    ("Precedence ::/0 1", "does not know 'Precedence'"),
    ("label\x00 ::/0 1", "is no IPv6 prefix"),
    ("scopev4 ::ffff:10.0.0.0/104 14", ("scopev4", "::ffff:10.0.0.0/104", 14)),
    ("scopev4 ::ffff:203.0.113.9/120 5", ("scopev4", "::ffff:203.0.113.0/120", 5)),
    ("scopev4 ::ffff:203.0.113.9/0120 +5", ("scopev4", "::ffff:203.0.113.0/120", 5)),
    ("scopev4 203.0.113.9/+24 5 # here", ("scopev4", "::ffff:203.0.113.0/120", 5)),
    ("scopev4 0.0.0.0/0 14", ("scopev4", "::ffff:0:0/96", 14)),
    ("scopev4 203.0.113.0 5", "may crash every program that resolves a name"),
    ("scopev4 ::ffff:203.0.113.0 5", "may crash every program that resolves a name"),
    ("scopev4 203.0.113.0/ 5", "do not agree about it, since the prefix length is missing"),
    ("scopev4 203.0.113.0/24", "do not agree about it, since the number is missing"),
    ("scopev4 203.0.113.0/24 5_0", "'5_0' is no number"),
    ("scopev4 203.0.113.0/33 5", "'33' is no prefix length"),
    ("scopev4 ::ffff:203.0.113.0/24 5", "'24' is no prefix length"),
    ("scopev4 2001:db8::/32 5", "'2001:db8::' is no IPv4 prefix"),
    ("scopev4", "'' is no IPv4 prefix"),
    ("reload yes", ("reload", "", 0)),
]


@pytest.mark.parametrize(("text", "meant"), LINES, ids=[repr(text) for text, _meant in LINES])
def test_a_line_means_what_glibc_takes_it_for(text, meant):
    (line,) = gai_conf.lines(text.encode("latin-1"))
    if isinstance(meant, tuple):
        assert (line.kind, line.prefix, line.value, line.why) == (*meant, "")
    else:
        assert meant in line.why
        assert not line.prefix


@pytest.mark.parametrize("text", ["", "\n", "# label ::/0 1", "   \t", "\x00label ::/0 1"])
def test_comments_and_empty_lines_are_nothing(text):
    assert gai_conf.lines(text.encode()) == []


TABLES_READ = [
    ("", LABELS, PRECEDENCES),
    ("# label ::/0 9\n", LABELS, PRECEDENCES),
    # One line and the whole table of its kind is gone, but for ::/0; the other kind stays.
    ("precedence ::ffff:0:0/96 100\n", LABELS, {"::ffff:0:0/96": 100, "::/0": 40}),
    ("label fc00::/7 9", {"fc00::/7": 9, "::/0": 1}, PRECEDENCES),
    # The first of two counts, and a line that is ignored leaves the table as it is built in.
    ("precedence ::/0 5\nprecedence ::/0 6\n", LABELS, {"::/0": 5}),
    ("precedence 0.0.0.0/0 100\n", LABELS, PRECEDENCES),
]


@pytest.mark.parametrize(("text", "labels", "precedences"), TABLES_READ)
def test_the_tables_of_a_file(text, labels, precedences):
    assert gai_conf.tables(text.encode()) == (labels, precedences)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_named_table_is_written_whole(name):
    rows = TABLES[name]
    text = gai_conf.written(rows, b"")
    assert gai_conf.tables(text) == (
        {row.prefix: row.label for row in rows},
        {row.prefix: row.precedence for row in rows},
    )
    assert gai_conf.differing(rows, text) == []
    assert gai_conf.written(rows, text) == text


def test_what_is_beside_the_table_is_kept_and_the_rest_goes():
    current = b"# hello\nscopev4 203.0.113.0 5\n"
    current += b"scopev4 ::ffff:0.0.0.0/96 14 # caf\xc3\xa9\r\nlabel ::/0 9\n  reload  yes\nnonsense"
    text = gai_conf.written(TABLES["rfc6724"], current)
    assert text.endswith(b"1\nscopev4 ::ffff:0.0.0.0/96 14 # caf\xc3\xa9\nreload  yes\n")
    assert b"nonsense" not in text
    assert b"203.0.113.0" not in text
    assert b"hello" not in text
    assert gai_conf.written(TABLES["rfc6724"], text) == text


def test_lines_of_others_are_named_with_the_reason():
    current = b"""\
precedence ::ffff:0:0/96 100
precedence ::1/128 50
precedence ::1/128 51
label 2001:db8::/32 3
label ::1 5
precendence ::/0 1
scopev4 ::ffff:0.0.0.0/96 14
scopev4 203.0.113.0 5
pr\xc3\xa4cedence ::/0 1 # caf\xff
"""
    start = "/etc/gai.conf line"
    assert gai_conf.differing(TABLES["rfc6724"], current) == [
        f"{start} 1: precedence ::ffff:0:0/96 100: the policy says 35",
        f"{start} 3: precedence ::1/128 51: glibc ignores it: an earlier line has this prefix",
        f"{start} 4: label 2001:db8::/32 3: the policy has no such prefix",
        f"{start} 5: label ::1 5: the versions of glibc do not agree about it, since the prefix length is missing",
        f"{start} 6: precendence ::/0 1: glibc ignores it: it does not know 'precendence'",
        f"{start} 8: scopev4 203.0.113.0 5: it may crash every program that resolves a name, since the prefix length"
        " is missing",
        f"{start} 9: pr\u00e4cedence ::/0 1 # caf\ufffd: glibc ignores it: it does not know 'pr\u00e4cedence'",
    ]


@st.composite
def prefixes(draw):
    length = draw(st.integers(0, 128))
    base = draw(st.sampled_from([0, 0xFFFF << 32, 0x20010DB8 << 96, 0xFC << 120]))
    return prefix_text((base | draw(st.integers(0, (1 << 128) - 1)) >> 8) >> (128 - length) << (128 - length), length)


numbers = st.one_of(st.integers(0, 100), st.integers(0, LARGEST))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.dictionaries(prefixes(), st.tuples(numbers, numbers), max_size=12),
    st.tuples(numbers, numbers),
    st.binary(max_size=80),
    st.lists(st.sampled_from([text for text, _meant in LINES]), max_size=6),
)
def test_any_table_over_any_file_is_read_as_it_was_meant(rows, rest, noise, others):
    rows = [Row(prefix, *values) for prefix, values in {**rows, "::/0": rest}.items()]
    current = "\n".join(others).encode("latin-1") + b"\n" + noise
    text = gai_conf.written(rows, current)
    assert gai_conf.tables(text) == (
        {row.prefix: row.label for row in rows},
        {row.prefix: row.precedence for row in rows},
    )
    assert gai_conf.differing(rows, text) == []
    assert gai_conf.written(rows, text) == text


def test_a_prefix_has_one_text():
    assert gai_conf.canonical("::ffff:0.0.0.0/96") == "::ffff:0:0/96"
    assert gai_conf.canonical("2001:DB8:0::/48") == "2001:db8::/48"
    assert all(gai_conf.canonical(row.prefix) == row.prefix for rows in TABLES.values() for row in rows)
    assert all(ipaddress.ip_network(row.prefix) for row in TABLES["glibc"])
