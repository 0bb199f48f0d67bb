# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPF: prefixes in, and exactly those out again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.spf import spf_with_ip6

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "spf.json").read_text())["vectors"]


@pytest.mark.parametrize(
    ("record", "prefixes", "wanted"),
    [
        ("v=spf1 -all", ["2001:db8::1"], "v=spf1 ip6:2001:db8::1 -all"),
        ("v=spf1 mx ~all", ["2001:DB8:1::/64"], "v=spf1 mx ip6:2001:db8:1::/64 ~all"),
        ("v=spf1 a  mx   -all", ["2001:db8::1"], "v=spf1 a  mx   ip6:2001:db8::1 -all"),
        ("v=spf1 mx redirect=example.net", ["2001:db8::1"], "v=spf1 mx ip6:2001:db8::1 redirect=example.net"),
        ("v=spf1 mx", ["2001:db8::1"], "v=spf1 mx ip6:2001:db8::1"),
        ("v=spf1", ["2001:db8::1"], "v=spf1 ip6:2001:db8::1"),
        ("V=SPF1 MX -ALL", ["2001:db8::1"], "V=SPF1 MX ip6:2001:db8::1 -ALL"),
        ("v=spf1 ip6:2001:db8::/32 -all", ["2001:db8::1"], "v=spf1 ip6:2001:db8::/32 -all"),
        ("v=spf1 ip6:2001:DB8:0::0001 -all", ["2001:db8::1/128"], "v=spf1 ip6:2001:DB8:0::0001 -all"),
        ("v=spf1 -all ip6:2001:db8::1", ["2001:db8::1"], "v=spf1 ip6:2001:db8::1 -all ip6:2001:db8::1"),
        ("v=spf1 -all", ["2001:db8::1", "2001:db8::/64"], "v=spf1 ip6:2001:db8::/64 -all"),
        ("v=spf1 -all", ["2001:db8::2", "2001:db8::1", "2001:db8::2"], "v=spf1 ip6:2001:db8::2 ip6:2001:db8::1 -all"),
        ("v=spf1 exp=x.example.com -all", ["2001:db8::1"], "v=spf1 exp=x.example.com ip6:2001:db8::1 -all"),
        ("v=spf1 -all", [], "v=spf1 -all"),
    ],
)
def test_present(record, prefixes, wanted):
    new = spf_with_ip6(record, prefixes)
    assert new == wanted
    assert spf_with_ip6(new, prefixes) == wanted


@pytest.mark.parametrize(
    ("record", "prefixes", "message"),
    [
        (
            '"v=spf1 -all"',
            ["2001:db8::1"],
            "spf: '\"v=spf1 -all\"' does not begin with v=spf1; give the record's text without quotes",
        ),
        (
            "v=spf10 -all",
            ["2001:db8::1"],
            "spf: 'v=spf10 -all' does not begin with v=spf1; give the record's text without quotes",
        ),
        ("v=spf1 foo -all", ["2001:db8::1"], "spf: 'foo' is no term of RFC 7208; it makes the whole record an error"),
        (
            "v=spf1 -all",
            ["192.0.2.1"],
            "prefixes: '192.0.2.1/128' is IPv4; an IPv6 prefix such as 2001:db8::/48 belongs here",
        ),
        (
            "v=spf1 -all",
            ["::ffff:192.0.2.1"],
            "prefixes: '::ffff:192.0.2.1' is an IPv4-mapped address, which no ip6 term ever matches; list it as ip4",
        ),
        (
            "v=spf1 -ip6:2001:db8::/32 mx -all",
            ["2001:db8::1"],
            "spf: 'v=spf1 -ip6:2001:db8::/32 mx -all' has a term with '-' before the place for 2001:db8::1/128, "
            "which covers it; take that term out first",
        ),
        (
            "v=spf1 redirect=a.example redirect=b.example",
            ["2001:db8::1"],
            "spf: 'v=spf1 redirect=a.example redirect=b.example' has redirect= more than once; it makes the whole "
            "record an error",
        ),
    ],
)
def test_refusals(record, prefixes, message):
    with pytest.raises(RolloutError) as caught:
        spf_with_ip6(record, prefixes)
    assert str(caught.value) == message


@pytest.mark.parametrize(("count", "fits"), [(10, True), (11, False)])
def test_ten_lookups_and_no_more(count, fits):
    record = " ".join(
        ["v=spf1", *(f"include:i{number}.example.com" for number in range(count)), "ip4:192.0.2.1", "-all"]
    )
    if fits:
        assert "ip6:2001:db8::1" in spf_with_ip6(record, ["2001:db8::1"])
        return
    with pytest.raises(RolloutError) as caught:
        spf_with_ip6(record, ["2001:db8::1"])
    assert "needs 11 DNS lookups, and receivers stop after 10 (RFC 7208, section 4.6.4)" in str(caught.value)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["record"] for vector in VECTORS])
def test_what_receivers_reject_is_refused(vector):
    record = vector["record"]
    if "permerror" in vector["results"]:
        with pytest.raises(RolloutError):
            spf_with_ip6(record, ["2001:db8:1::1"])
        return
    new = spf_with_ip6(record, ["2001:db8:1::1"])
    if "ip6:" in record and vector["results"][0] == "pass":
        assert new == record
    else:
        assert new == record.replace(" -all", " ip6:2001:db8:1::1 -all")


TERMS = st.sampled_from(
    ["mx", "a", "ip4:192.0.2.0/24", "include:example.net", "ip6:2001:db8:ff::/48", "exp=e.example.com"]
)
ENDS = st.sampled_from(["", "-all", "~all", "redirect=example.net", "?all ip4:192.0.2.9"])
PREFIXES = st.lists(st.sampled_from(["2001:db8::1", "2001:db8::2", "2001:db8:1::/64", "2001:db8:2::/48"]), unique=True)


@given(st.lists(TERMS, max_size=6, unique=True), ENDS, PREFIXES, st.integers(1, 3))
def test_absent_gives_the_very_same_record_back(terms, end, prefixes, spaces):
    record = (" " * spaces).join(["v=spf1", *terms, *([end] if end else [])])
    new = spf_with_ip6(record, prefixes)
    assert spf_with_ip6(new, prefixes) == new
    assert spf_with_ip6(new, prefixes, "absent") == record
    assert spf_with_ip6(record, prefixes, "absent") == record
