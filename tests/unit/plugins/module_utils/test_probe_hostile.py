# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Router advertisements and redirects, as hostile as anybody may write them."""

from __future__ import annotations

import ipaddress
import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import probe_router, probe_web
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.test_plan_properties import EXAMPLES

HEAD = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0x80, 600, 0, 0)
PREF64 = bytes.fromhex("20010db80064")


@pytest.mark.parametrize(("code", "length"), list(enumerate(probe_router.NAT64_LENGTHS)))
def test_the_nat64_prefix_has_one_of_six_lengths(code, length):
    option = struct.pack(">BBH", 38, 2, 1800 | code) + PREF64.ljust(12, b"\0")
    told = probe_router.read("fe80::1", HEAD + option)
    assert told["pref64"] == str(ipaddress.ip_network(f"2001:db8:64::/{length}", strict=False))
    assert (told["managed"], told["other"], told["lifetime"]) == (True, False, 600)


@pytest.mark.parametrize("code", [6, 7])
def test_another_length_is_none(code):
    option = struct.pack(">BBH", 38, 2, code) + PREF64.ljust(12, b"\0")
    assert probe_router.read("fe80::1", HEAD + option)["pref64"] == ""


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([3, 5, 38, 1]), st.integers(0, 5), st.binary(max_size=40)), max_size=6))
def test_any_options_are_read(options):
    data = HEAD + b"".join(bytes([kind, length]) + octets for kind, length, octets in options)
    told = probe_router.read("fe80::1", data)
    assert json.loads(json.dumps(told)) == told
    for prefix in [*told["prefixes"], *([told["pref64"]] if told["pref64"] else [])]:
        ipaddress.IPv6Network(prefix)


PIECES = st.sampled_from(
    ["http:", "https:", "//", "/", "www.example.com", "[", "]", ":80", ":99999", "@", "?", "#", ".."]
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(PIECES | st.text(max_size=4), max_size=8).map("".join))
def test_any_location_leads_to_the_same_host_or_nowhere(location):
    here = probe_web.Place("http", "www.example.com", 80, "/")
    answer = probe_web.Answer(here, 302, "", [("Location", location)], b"", 0.0, "", "::1")
    there = probe_web.onward(answer)
    if there is not None:
        assert there.name == "www.example.com" and 0 < there.port < 65536 and there.scheme in ("http", "https")
        assert there.path.startswith("/") and there.path.isascii() and there.path.isprintable()
        assert " " not in there.path and there.url.startswith(f"{there.scheme}://www.example.com")
