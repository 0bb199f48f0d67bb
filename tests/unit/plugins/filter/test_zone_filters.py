# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters that write zones, as a playbook calls them."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter import ptr_range, unconfirmed, zone_delegation, zone_file

FILTERS: dict[str, t.Callable[..., t.Any]] = {
    **ptr_range.FilterModule().filters(),
    **unconfirmed.FilterModule().filters(),
    **zone_delegation.FilterModule().filters(),
    **zone_file.FilterModule().filters(),
}
SOA = {"mname": "ns1.example.com", "rname": "hostmaster@example.com", "serial": 2026010100}
REVERSE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"


def test_a_range_for_bind() -> None:
    made = FILTERS["ptr_range"]("2001:db8:1200::1000-2001:db8:1200::10ff", "host-{address}.dyn.example.com")
    assert made["reverse"].startswith("$GENERATE 4096-4351 ${0,7,n}.0.0.")
    assert made["forward"].endswith(" 3600 IN AAAA 2001:0db8:1200:0000:0000:0000:0000:${0,4,x}\n")


def test_a_delegation() -> None:
    made = FILTERS["zone_delegation"]("2001:db8:1200::/47", ns=["ns1.example.com"])
    assert made == "".join(f"{digit}.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa. 86400 IN NS ns1.example.com.\n" for digit in "01")
    letter = FILTERS["zone_delegation"]("2001:db8:1200::/47", ns=["ns1.example.com"], format="text")
    assert letter.startswith("Please delegate the zones of 2001:db8:1200::/47") and made in letter


def test_a_zone_from_one_text() -> None:
    made = FILTERS["zone_file"]("www.example.com 2001:db8:1200::80\n", REVERSE, SOA, ["ns1.example.com"])
    assert made.endswith(f"0.8.{'0.' * 17}0 IN PTR www.example.com.\n")


def test_both_directions() -> None:
    forward = "$TTL 60\nwww AAAA 2001:db8:1200::80\nlost AAAA 2001:db8:1200::81\n"
    pointers = FILTERS["zone_file"](
        "www.example.com 2001:db8:1200::80\ngone.example.com 2001:db8:1200::82\n", REVERSE, SOA, ["ns1.example.com"]
    )
    assert FILTERS["unconfirmed"]({"example.com": forward, REVERSE: pointers}) == {
        "names": [["lost.example.com.", "2001:db8:1200::81"]],
        "pointers": [["2001:db8:1200::82", "gone.example.com."]],
    }


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("ptr_range", ("2001:db8::/64", "host-{address}.example.com"), "use server=wildcard"),
        ("unconfirmed", (["x"],), "is not a dictionary with the text of each zone"),
        ("unconfirmed", ({"example.com": 5},), "zones: example.com.: 5 is not the text of a zone file"),
        ("zone_delegation", ("2001:db8::1/48", ["ns1.example.com"]), "host bits"),
        ("zone_file", ("www 2001:db8::1", REVERSE, SOA, ["ns1.example.com"]), "records: line 1"),
        (
            "zone_file",
            ("", REVERSE, SOA, ["ns1.example.com"], 60, "no"),
            "several_names: 'no' is neither true nor false",
        ),
    ],
)
def test_an_error_names_the_filter_the_value_and_the_reason(name: str, arguments: t.Any, why: str) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        FILTERS[name](*arguments)
    assert str(caught.value).startswith(f"ipv6.rollout.{name}: ") and why in str(caught.value)
