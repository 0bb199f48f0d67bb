# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree as the user writes it: pins, VLANs, reserved numbers, and the text form."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import reserved_prefixes, subnet_plan

PREFIX = "2001:db8:1200::/48"


def plan(subnets, previous=None, **options):
    made = subnet_plan(PREFIX, subnets, previous, today="2026-01-31", **options)
    assert subnet_plan(PREFIX, subnets, made, today="2027-01-31", **options) == made
    return made


def places(subnets, previous=None, **options):
    return plan(subnets, previous, **options)["subnets"]


def refusal(subnets, previous=None, **options):
    with pytest.raises(RolloutError) as caught:
        plan(subnets, previous, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("subnet", "options", "place"),
    [
        ({"number": "25"}, {}, "2001:db8:1200:25::/64"),
        ({"number": "00fF"}, {}, "2001:db8:1200:ff::/64"),
        ({"number": "2", "length": 56}, {}, "2001:db8:1200:200::/56"),
        ({"prefix": "2001:db8:1200:aa::/64"}, {}, "2001:db8:1200:aa::/64"),
        ({"prefix": "2001:db8:1200:aa00::/56", "length": 56}, {}, "2001:db8:1200:aa00::/56"),
        ({"vlan": 100}, {}, "2001:db8:1200:64::/64"),
        ({"vlan": "100"}, {"vlan_numbers": "vlan_hex"}, "2001:db8:1200:64::/64"),
        ({"vlan": 100}, {"vlan_numbers": "vlan_decimal"}, "2001:db8:1200:100::/64"),
        ({"vlan": 4094}, {"vlan_numbers": "vlan_decimal"}, "2001:db8:1200:4094::/64"),
        ({"vlan": 4094, "number": "vlan_hex"}, {"vlan_numbers": "vlan_decimal"}, "2001:db8:1200:ffe::/64"),
        ({"vlan": 100, "number": "vlan_decimal"}, {}, "2001:db8:1200:100::/64"),
    ],
)
def test_pins(subnet, options, place):
    assert places([{"name": "first"}, {"name": "x", **subnet}], **options)["x"] == place
    assert places([{"name": "site", "length": 49}, {"name": "x", **subnet}], **options)["x"] == place


def test_a_vlan_inside_a_site():
    tree = [{"name": "ams", "length": 52, "subnets": [{"name": "voice", "vlan": 200}]}]
    assert places(tree, vlan_numbers="vlan_decimal")["ams/voice"] == "2001:db8:1200:200::/64"


def test_what_is_reserved_is_not_given_out_but_may_be_pinned():
    tree = [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "pinned", "number": "8001"}]
    assert places(tree, reserved=["0", "8000-80ff", "2001:db8:1200:4000::/64"]) == {
        "b": "2001:db8:1200:2000::/64",
        "pinned": "2001:db8:1200:8001::/64",
        "c": "2001:db8:1200:a000::/64",
        "a": "2001:db8:1200:c000::/64",
    }


def test_what_is_reserved_in_a_site():
    tree = [{"name": "ams", "length": 56, "reserved": ["0", "80"], "subnets": [{"name": "a"}, {"name": "b"}]}]
    made = plan(tree)
    assert made["subnets"]["ams/a"] == "2001:db8:1200:40::/64"
    assert made["subnets"]["ams/b"] == "2001:db8:1200:c0::/64"
    assert reserved_prefixes(made, tree, reserved=["ffff", "f0-f2"]) == [
        "2001:db8:1200:ffff::/64",
        "2001:db8:1200:f0::/63",
        "2001:db8:1200:f2::/64",
        "2001:db8:1200::/64",
        "2001:db8:1200:80::/64",
    ]


def test_what_is_reserved_above_is_reserved_inside_too():
    site = {"name": "ams", "length": 56, "number": "0", "growth": "rightmost"}
    tree = [{**site, "subnets": [{"name": "a"}, {"name": "b"}]}]
    made = plan(tree, reserved=["1"])
    assert made["subnets"]["ams/b"] == "2001:db8:1200:2::/64"
    assert refusal([{**site, "subnets": [{"name": "a", "length": 63}, {"name": "b"}]}], made, reserved=["1"]) == (
        "ipv6_subnets: ams/a: length: 2001:db8:1200::/64 cannot grow to a /63 in place: 2001:db8:1200:1::/64 is "
        "reserved; keep the length 64, or add a further subnet"
    )
    # A site that is pinned into what is reserved has all of its own.
    assert places(tree, reserved=["0-ff"])["ams/b"] == "2001:db8:1200:1::/64"


def test_numbers_with_a_length_of_their_own():
    tree = [{"name": "links", "reserved": ["0/126"], "subnets": [{"name": "a", "length": 127}]}]
    assert places([{"name": "s", "length": 56}], reserved=["0/56"])["s"] == "2001:db8:1200:8000::/56"
    assert places(tree)["links/a"].endswith("/127")


def test_nothing_grows_into_what_is_reserved():
    before = plan([{"name": "a", "number": "2"}])
    assert refusal([{"name": "a", "length": 62}], before, reserved=["3"]) == (
        "ipv6_subnets: a: length: 2001:db8:1200:2::/64 cannot grow to a /62 in place: it does not begin where a /62 "
        "does; keep the length 64, or add a further subnet"
    )
    assert refusal([{"name": "a", "length": 63}], before, reserved=["3"]) == (
        "ipv6_subnets: a: length: 2001:db8:1200:2::/64 cannot grow to a /63 in place: 2001:db8:1200:3::/64 is "
        "reserved; "
        "keep the length 64, or add a further subnet"
    )
    assert places([{"name": "a", "length": 63}], before, reserved=["4"]) == {"a": "2001:db8:1200:2::/63"}


def test_reserving_what_is_in_use_moves_nothing():
    before = plan([{"name": "a"}])
    assert places([{"name": "a"}, {"name": "b"}], before, reserved=["0", "8000"]) == {
        "a": "2001:db8:1200::/64",
        "b": "2001:db8:1200:4000::/64",
    }


def test_a_full_prefix_says_what_is_reserved():
    assert refusal([{"name": "a"}], reserved=["0-ffff"]) == (
        "ipv6_subnets: a: ipv6_prefix (2001:db8:1200::/48) has no free /64 left; reserve less, or give it a longer "
        "'length', or use a shorter ipv6_prefix"
    )


@pytest.mark.parametrize("growth", ["leftmost", "centermost_ascending", "centermost_alternating", "rightmost"])
def test_a_level_can_be_filled_to_the_last(growth):
    tree = [{"name": "s", "length": 60, "growth": growth, "subnets": [{"name": f"n{count}"} for count in range(16)]}]
    assert len(set(places(tree).values())) == 17


def test_the_text_form():
    text = """
        # a comment
        web
        mail number=25
        ams length=56 growth=rightmost reserved=0,2-3   # a site
        ams/office
        ams/guests
    """
    tree = [
        {"name": "web"},
        {"name": "mail", "number": "25"},
        {
            "name": "ams",
            "length": 56,
            "growth": "rightmost",
            "reserved": ["0", "2-3"],
            "subnets": [{"name": "office"}, {"name": "guests"}],
        },
    ]
    assert plan(text) == plan(tree)
    assert plan("web\nmail\n") == plan([{"name": "web"}, {"name": "mail"}])


def test_links_lie_in_a_64_of_their_own():
    tree = [{"name": "lan"}, {"name": "one", "length": 127}, {"name": "two", "length": 127}]
    assert places(tree) == {
        "lan": "2001:db8:1200::/64",
        "two": "2001:db8:1200:4000:8000::/127",
        "one": "2001:db8:1200:8000:8000::/127",
    }
    before = plan(tree)
    assert places([*tree, {"name": "three", "length": 126}], before)["three"] == "2001:db8:1200:c000:8000::/126"


def test_a_subnet_does_not_become_a_link_on_reserved_identifiers():
    before = plan([{"name": "a"}])
    assert refusal([{"name": "a", "length": 127}], before) == (
        "ipv6_subnets: a: length: 2001:db8:1200::/64 cannot shrink to a /127: that is for a link, and it would hold "
        "reserved identifiers of its /64 (RFC 6164, section 6); keep the length"
    )


def test_links_that_find_no_64_of_their_own_share_one():
    tree = [{"name": "s", "length": 63, "subnets": [{"name": f"l{count}", "length": 127} for count in range(5)]}]
    made = places(tree)
    assert len({text.partition("/")[0] for path, text in made.items() if path != "s"}) == 5
    assert not any(
        text.split("/")[0].endswith("::") and text.count(":") < 6 for path, text in made.items() if path != "s"
    )


@pytest.mark.parametrize("number", ["0", "7fffffffffffffff", "7fffffffffffffc0"])
def test_a_link_is_not_pinned_to_reserved_identifiers(number):
    assert "holds reserved identifiers of its /64 (RFC 6164, section 6); take another one" in refusal(
        [{"name": "links", "subnets": [{"name": "a", "length": 127, "number": number}]}]
    )


@pytest.mark.parametrize(
    ("subnet", "message"),
    [
        (
            {"number": "25", "vlan": 100},
            "ipv6_subnets: x: number and vlan are different ways to pin it; keep one of them",
        ),
        (
            {"number": "25", "prefix": "2001:db8:1200:25::/64"},
            "ipv6_subnets: x: number and prefix are different ways to pin it; keep one of them",
        ),
        (
            {"number": "vlan_hex"},
            "ipv6_subnets: x: number: 'vlan_hex' takes the number from 'vlan', which is not there; add it",
        ),
        ({"vlan": 0}, "ipv6_subnets: x: vlan: 0 is not a VLAN; it is a decimal number between 1 and 4094"),
        ({"vlan": 4095}, "ipv6_subnets: x: vlan: 4095 is not a VLAN; it is a decimal number between 1 and 4094"),
        ({"vlan": True}, "ipv6_subnets: x: vlan: True is not a VLAN; it is a decimal number between 1 and 4094"),
        ({"vlan": 10**5000}, None),
        ({"length": 10**5000}, None),
        ({"vlan": "0x64"}, "ipv6_subnets: x: vlan: '0x64' is not a VLAN; it is a decimal number between 1 and 4094"),
        (
            {"prefix": "2001:db8:1300::/64"},
            "ipv6_subnets: x: prefix: 2001:db8:1300::/64 is not inside 2001:db8:1200::/48; write one that is, or a "
            "'number', which goes along when the prefix changes",
        ),
        (
            {"prefix": "2001:db8:1200::1/64"},
            "ipv6_subnets: x: prefix: '2001:db8:1200::1/64' has host bits set; the prefix is 2001:db8:1200::/64",
        ),
        (
            {"prefix": "2001:db8:1200::/56", "length": 64},
            "ipv6_subnets: x: length: 64 is not the length of its prefix 2001:db8:1200::/56; take one of them out",
        ),
        (
            {"prefix": "2001:db8:1200:1::/64"},
            "ipv6_subnets: x: prefix: 2001:db8:1200:1::/64 overlaps first (2001:db8:1200:1::/64); take another one",
        ),
        (
            {"reserved": ["zz"]},
            "ipv6_subnets: x: reserved: 'zz' is neither a hexadecimal number such as 'f0', nor a range such as "
            "'f0-ff', "
            "nor a prefix",
        ),
        (
            {"reserved": ["5-3"]},
            "ipv6_subnets: x: reserved: '5-3' is neither a hexadecimal number such as 'f0', nor a range such as "
            "'f0-ff', nor a prefix",
        ),
        (
            {"reserved": [120]},
            "ipv6_subnets: x: reserved: 120 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a "
            "number; put the value in quotes",
        ),
        (
            {"reserved": ["100"], "length": 56, "subnets": [{"name": "y"}]},
            "ipv6_subnets: x: reserved: '100' counts in blocks of a /64, and 2001:db8:1200:8000::/56 has no such "
            "number; "
            "write a smaller number, or one with its own length, such as '3/68'",
        ),
        (
            {"reserved": ["2001:db8:1200::/64"], "length": 56, "subnets": [{"name": "y"}]},
            "ipv6_subnets: x: reserved: 2001:db8:1200::/64 is not inside 2001:db8:1200:8000::/56; take it out",
        ),
    ],
)
def test_refusals(subnet, message):
    said = refusal([{"name": "first", "number": "1"}, {"name": "x", **subnet}])
    assert said == message or (message is None and "a int that is too long to show is not a" in said)


def test_two_subnets_of_one_vlan():
    assert refusal([{"name": "a", "vlan": 100}, {"name": "b", "vlan": 100}]) == (
        "ipv6_subnets: b: vlan: 100 (vlan_hex: number '64') is 2001:db8:1200:64::/64, which overlaps a "
        "(2001:db8:1200:64::/64); take another one"
    )


def test_another_vlan_or_encoding_moves_nothing():
    before = plan([{"name": "a", "vlan": 100}])
    assert refusal([{"name": "a", "vlan": 100}], before, vlan_numbers="vlan_decimal") == (
        "ipv6_subnets: a: vlan: 100 (vlan_decimal: number '100') is not where the plan has it: "
        "2001:db8:1200:64::/64 is "
        "number '64', and nothing that has a place moves; write that, or give the subnet another name"
    )
    assert refusal([{"name": "a", "prefix": "2001:db8:1200:65::/64"}], before) == (
        "ipv6_subnets: a: prefix: 2001:db8:1200:65::/64 is not where the plan has it, 2001:db8:1200:64::/64, and "
        "nothing that has a place moves; write that, or give the subnet another name"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("web\nweb\n", "ipv6_subnets: 'web' is there twice; give each subnet a name of its own"),
        ("a length=56\na length=56\n", "ipv6_subnets: line 2: 'a' is there twice; keep one of the lines"),
        ("ams/office\n", "ipv6_subnets: line 1: 'ams/office' has no parent; write a line with 'ams' before it"),
        ("web 25\n", "ipv6_subnets: line 1: '25' is not known here; write key=value"),
        ("web lenght=56\n", None),
        ("we b\n", "ipv6_subnets: line 1: 'b' is not known here; write key=value"),
        (
            "web",
            "ipv6_subnets: 'web' is not a list; write a list of '- name: ...', or a text with a line for each",
        ),
        ("web number=5 number=6\n", "ipv6_subnets: line 1: 'number' is there twice; keep one of them"),
    ],
)
def test_text_refusals(text, message):
    assert refusal(text) == message or (message is None and "'lenght' is not known here" in refusal(text))


@pytest.mark.parametrize("value", ["a" * 10_000_000, "a\n" * 5_000_000, ["a" * 10_000_000], "\n" + "a" * 10_000_000])
def test_ten_megabytes_are_refused_in_a_short_message(value):
    assert len(refusal(value if isinstance(value, str) else [{"name": value[0]}])) < 400


def test_vlan_numbers_are_known_by_name():
    assert refusal([], vlan_numbers="decimal") == (
        "ipv6_vlan_numbers: 'decimal' is not known; take one of vlan_hex, vlan_decimal"
    )
