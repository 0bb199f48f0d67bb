# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a page counts when two families are compared."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import probe_body
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.test_plan_properties import EXAMPLES

OWN = ("www.example.com", "2001:db8::80", "192.0.2.80")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('<script nonce="r4nd0m">', '<script nonce="0th3r">'),
        ('<input name="csrf_token" type="hidden" value="abc">', '<input name="csrf_token" type="hidden" value="xyz">'),
        ('<meta name="csrf-token" content="abc">', '<meta name="csrf-token" content="d e f">'),
        ("var token: 'abc';", "var token: 'def';"),
        ("a.css?v=6f1ed002ab5595859014ebf0951522d9", "a.css?v=0cc175b9c0f1b6a831c399e269772661"),
        ("id=Q2hhbmdlcyBldmVyeSAx", "id=Q2hhbmdlcyBldmVyeSAy"),
        ("1785012345 visitors", "1785012399 visitors"),
        ("made 2026-01-02T03:04:05Z", "made 2027-02-03T04:05:06+01:00"),
        ("Sat, 21 Nov 2026 22:55:05 GMT", "Sun, 22 Nov 2026 01:02:03 GMT"),
        ("at 22:55:05.123", "at 1:02:03"),
        ("http://[2001:db8::80]/a", "http://192.0.2.80/a"),
        ("Server at WWW.example.com Port 80", "Server at 192.0.2.80 Port 80"),
        ("  <p>a   b</p>\n\n", "<p>a b</p>"),
        ("<p>a</p>\n  <p>b</p>", "<p>a</p><p>b</p>"),
    ],
)
def test_what_changes_from_request_to_request_does_not_count(one, other):
    assert probe_body.hashes(one.encode(), OWN) == probe_body.hashes(other.encode(), OWN) != []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<p>welcome</p>", "<p>It works!</p>"),
        ("internationalization", "internationalisations"),
        ("/static/bootstrap/css", "/static/bootstrap/xss"),
        ("version 12345", "version 12346"),
        ("www.example.com.evil.example", "mail.example.com.evil.example"),
        ("2001:db8::801", "2001:db8::802"),
        ("192.0.2.801", "192.0.2.802"),
    ],
)
def test_what_stays_counts(one, other):
    assert probe_body.hashes(one.encode(), OWN) != probe_body.hashes(other.encode(), OWN)


def test_a_long_page_is_cut():
    assert len(probe_body.hashes(b"<p>x</p>\n" * 10000)) == probe_body.LINES
    assert probe_body.hashes(b"") == probe_body.hashes(b"\n \n") == []


@pytest.mark.parametrize(
    "piece",
    ['name="csrf"', "nonce", "nonce=", "token   ", "aA1", "0-", "2026-01-02T", "Sat 1 ", "1:11:", "<", ">", "[", "é",
     'name="csrftoken" value="', "session-", "123456", "A" * 15 + ".", "www.example.com"],
)  # fmt: skip
def test_no_page_makes_the_search_slow(piece):
    start = time.process_time()
    probe_body.hashes((piece * (262144 // len(piece)))[:262144].encode(), OWN)
    assert time.process_time() - start < 3


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.binary(max_size=400), st.lists(st.text(max_size=20), max_size=4))
def test_any_octets_give_short_hashes(body, own):
    for one in probe_body.hashes(body, own):
        assert len(one) == 8 and int(one, 16) >= 0
