# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: its example, its rules, and what it refuses."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "planning-dns.json").read_text())
PREFIX = "2001:db8:1200::/48"
TREE = [
    {"name": "web"},
    {"name": "mail", "number": "25"},
    {"name": "ams", "length": 56, "growth": "leftmost", "subnets": [{"name": "office"}, {"name": "guests"}]},
]
HOSTS = {
    "www1": {"subnet": "web", "interface_id": "::80"},
    "mail1": {"subnet": "mail", "interface_id": "::160"},
}
PLAN = {
    "prefix": "2001:db8:1200::/48",
    "subnets": {
        "web": "2001:db8:1200::/64",
        "mail": "2001:db8:1200:25::/64",
        "ams": "2001:db8:1200:8000::/56",
        "ams/office": "2001:db8:1200:8000::/64",
        "ams/guests": "2001:db8:1200:8080::/64",
    },
    "hosts": {"www1": "2001:db8:1200::80", "mail1": "2001:db8:1200:25::160"},
    "retired": {"subnets": {}, "hosts": {}},
}


def plan(subnets=(), previous=None, hosts=None, prefix=PREFIX, today="2026-01-31", **options):
    """Plan with a fixed date, and see to it that nothing that was given is changed."""
    given = copy.deepcopy((subnets, previous, hosts))
    made = subnet_plan(prefix, list(subnets), previous, hosts, today=today, **options)
    assert (subnets, previous, hosts) == given
    again = subnet_plan(prefix, list(subnets), made, hosts, today="2027-01-01", **options)
    assert again == made or options.get("purge")
    assert json.dumps(again) == json.dumps(made) or options.get("purge")
    return made


def names(*words):
    return [{"name": word} for word in words]


def refusal(*args, **options):
    with pytest.raises(RolloutError) as caught:
        plan(*args, **options)
    return str(caught.value)


def test_the_example_of_the_design():
    made = plan(TREE, hosts=HOSTS)
    assert made == PLAN
    assert list(made["subnets"]) == list(PLAN["subnets"])
    assert list(made["hosts"]) == list(PLAN["hosts"])


def test_an_empty_plan():
    assert plan() == {"prefix": PREFIX, "subnets": {}, "hosts": {}, "retired": {"subnets": {}, "hosts": {}}}


@pytest.mark.parametrize(
    ("growth", "numbers"),
    [
        ("leftmost", [0, 0x8000, 0x4000, 0xC000, 0x2000]),
        ("rightmost", [0, 1, 2, 3, 4]),
        ("centermost", [0, 0x80, 0x100, 0x180, 0x40]),
        ("hash", None),
    ],
)
def test_growth(growth, numbers):
    made = plan(names(*"abcde"), growth=growth)
    if numbers is None:
        assert made["subnets"] == plan(names(*"ecbda"), growth=growth)["subnets"]
        return
    wanted = [f"2001:db8:1200:{number:x}::/64".replace(":0::", "::") for number in numbers]
    assert [made["subnets"][name] for name in "abcde"] == wanted


def test_rfc3531_section_4():
    example = VECTORS["rfc3531"]["section4"]
    inner = {"length": 32, "growth": "centermost", "subnets": [{"name": f"C2C{n}", "length": 42} for n in range(4)]}
    tree = [{"name": f"C{number}", "length": 32} for number in range(5)]
    tree[2].update(inner)
    made = plan(tree, prefix=example["P1"])["subnets"]
    for name in ("C1", "C2", "C3", "C4"):
        assert made[name] == example[name]
    for name in ("C2C1", "C2C2", "C2C3"):
        assert made[f"C2/{name}"] == example[name]


def test_hash_is_what_ipgen_has():
    assert plan(names("consul"), growth="hash")["subnets"] == {"consul": "2001:db8:1200:1211::/64"}


def test_adding_and_reordering_move_nothing():
    made = plan([*names("first"), *reversed(TREE), *names("last")], PLAN, HOSTS)
    assert {path: made["subnets"][path] for path in PLAN["subnets"]} == PLAN["subnets"]
    assert made["hosts"] == PLAN["hosts"]
    assert made["retired"] == {"subnets": {}, "hosts": {}}


def test_what_leaves_is_kept_and_gets_its_place_back():
    less = plan(TREE[:2], PLAN, {"www1": HOSTS["www1"]}, today="2026-02-01")
    assert less["retired"] == {
        "subnets": {
            "ams": {"prefix": "2001:db8:1200:8000::/56", "since": "2026-02-01"},
            "ams/office": {"prefix": "2001:db8:1200:8000::/64", "since": "2026-02-01"},
            "ams/guests": {"prefix": "2001:db8:1200:8080::/64", "since": "2026-02-01"},
        },
        "hosts": {"mail1": {"address": "2001:db8:1200:25::160", "since": "2026-02-01"}},
    }
    other = plan([*TREE[:2], {"name": "new", "length": 56}], less, {"www1": HOSTS["www1"]})
    assert other["subnets"]["new"] == "2001:db8:1200:4000::/56"
    back = plan([*TREE, {"name": "new", "length": 56}], other, HOSTS)
    assert back["subnets"]["ams/guests"] == PLAN["subnets"]["ams/guests"]
    assert back["hosts"] == PLAN["hosts"]
    assert back["retired"] == {"subnets": {}, "hosts": {}}


def test_a_site_that_comes_back_without_one_of_its_subnets_keeps_that_room():
    less = plan(TREE[:2], PLAN, {})
    site = {"name": "ams", "length": 56, "subnets": [{"name": "guests"}, {"name": "new"}]}
    back = plan([*TREE[:2], site], less, {})
    assert back["subnets"]["ams/guests"] == "2001:db8:1200:8080::/64"
    assert back["subnets"]["ams/new"] == "2001:db8:1200:8040::/64"
    assert list(back["retired"]["subnets"]) == ["ams/office"]


def test_since_stays_and_purge_forgets():
    once = plan(names("b"), plan(names("a", "b")), today="2026-02-01")
    twice = plan([], once, today="2026-03-01")
    assert {path: entry["since"] for path, entry in twice["retired"]["subnets"].items()} == {
        "a": "2026-02-01",
        "b": "2026-03-01",
    }
    purged = plan([], once, today="2026-03-01", purge=True)
    assert list(purged["retired"]["subnets"]) == ["b"]
    assert plan(names("c"), purged)["subnets"]["c"] == "2001:db8:1200::/64"
    assert plan(names("c"), once, purge=True)["subnets"]["c"] == "2001:db8:1200::/64"
    assert plan(names("c", "a"), once, purge=True)["subnets"] == {
        "a": "2001:db8:1200::/64",
        "c": "2001:db8:1200:4000::/64",
    }
    assert plan(names("c"), twice)["subnets"]["c"] == "2001:db8:1200:4000::/64"


def test_a_pin_goes_before_what_is_placed_by_order():
    made = plan([*names("a"), {"name": "b", "number": "0"}])
    assert made["subnets"] == {"b": "2001:db8:1200::/64", "a": "2001:db8:1200:8000::/64"}


def test_a_pin_elsewhere_leaves_the_retired_place_alone():
    once = plan([], plan(names("a")), today="2026-02-01")
    made = plan([{"name": "a", "number": "7"}], once)
    assert made["subnets"] == {"a": "2001:db8:1200:7::/64"}
    assert made["retired"]["subnets"] == {"a": {"prefix": "2001:db8:1200::/64", "since": "2026-02-01"}}
    gone = plan([], made, today="2026-03-01")
    assert gone["retired"]["subnets"] == {
        "a@2026-02-01": {"prefix": "2001:db8:1200::/64", "since": "2026-02-01"},
        "a": {"prefix": "2001:db8:1200:7::/64", "since": "2026-03-01"},
    }
    assert plan(names("a"), gone)["subnets"] == {"a": "2001:db8:1200:7::/64"}


def test_growing_in_place_and_shrinking():
    before = plan([{"name": "ams", "length": 60, "subnets": names("x")}, {"name": "b"}])
    grown = plan([{"name": "ams", "length": 56, "subnets": names("x")}, {"name": "b"}], before)
    assert grown["subnets"] == {
        "ams": "2001:db8:1200::/56",
        "ams/x": "2001:db8:1200::/64",
        "b": "2001:db8:1200:8000::/64",
    }
    assert plan([{"name": "ams", "length": 60, "subnets": names("x")}, {"name": "b"}], grown) == before


def test_an_entry_without_a_length_keeps_the_one_it_has():
    before = plan([{"name": "a", "length": 56}])
    assert plan(names("a"), before) == before


def test_a_site_without_a_length_has_room_for_twice_its_subnets():
    made = plan([{"name": "site", "subnets": names("a", "b", "c")}, {"name": "big", "subnets": names(*"abcdefghi")}])
    assert made["subnets"]["site"].endswith("/60")
    assert made["subnets"]["big"].endswith("/56")
    pinned = plan([{"name": "site", "subnets": [{"name": "a", "number": "1ff"}]}])
    assert pinned["subnets"]["site"].endswith("/52")
    close = plan([{"name": "site", "subnets": names("a", "b", "c")}], prefix="2001:db8::/61")
    assert close["subnets"]["site"] == "2001:db8::/62" or close["subnets"]["site"] == "2001:db8::/61"


def test_large_subnets_go_first_where_small_ones_would_leave_them_no_room():
    tree = [*names("a", "b", "c"), {"name": "half", "length": 61}]
    made = plan(tree, prefix="2001:db8::/60")
    assert made["subnets"]["half"] == "2001:db8::/61"
    assert len(made["subnets"]) == 4


def test_a_prefix_can_be_filled_to_the_last():
    made = plan([{"name": f"n{number}"} for number in range(256)], prefix="2001:db8:0:ff00::/56")
    assert len(set(made["subnets"].values())) == 256
    message = refusal([{"name": f"n{number}"} for number in range(257)], made, prefix="2001:db8:0:ff00::/56")
    assert message == (
        "ipv6_subnets: n256: ipv6_prefix (2001:db8:0:ff00::/56) has no free /64 left; give it a longer 'length', or "
        "use a "
        "shorter ipv6_prefix"
    )


def test_the_last_free_place_of_a_huge_prefix_is_found():
    tree = [{"name": f"b{length}", "length": length, "number": "1"} for length in range(17, 64)]
    for growth in ("leftmost", "centermost", "rightmost", "hash"):
        made = plan([*tree, {"name": "one"}, {"name": "two"}], prefix="2000::/16", growth=growth)
        assert {made["subnets"]["one"], made["subnets"]["two"]} == {"2000::/64", "2000:0:0:1::/64"}


def test_links_pass_by_what_is_reserved_in_their_64():
    made = plan([{"name": "links", "subnets": [{"name": f"l{number}", "length": 127} for number in range(3)]}])
    assert made["subnets"]["links/l0"] == "2001:db8:1200:0:8000::/127"
    pair = plan(
        [{"name": "l", "length": 127}],
        hosts={"a/eth0": {"subnet": "l", "interface_id": "next"}, "b": {"subnet": "l", "interface_id": "next"}},
        prefix="2001:db8::/127",
    )
    assert pair["hosts"] == {"a/eth0": "2001:db8::", "b": "2001:db8::1"}


@pytest.mark.parametrize(
    ("subnets", "message"),
    [
        (
            "web",
            "ipv6_subnets: 'web' is not a list; write a list of '- name: ...', or a text with a line for each",
        ),
        (["web"], "ipv6_subnets: 'web' is not a subnet; write '- name: ...'"),
        ([{}], "ipv6_subnets: name: nothing is given (null); write the value as text in quotes"),
        (
            [{"name": 25}],
            "ipv6_subnets: name: 25 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a "
            "number; put "
            "the value in quotes",
        ),
        (
            [{"name": "a/b"}],
            "ipv6_subnets: name: 'a/b' is no name for a subnet; letters, digits, '.', '_' and '-' make one, 63 at "
            "most, "
            "and it starts with a letter or a digit",
        ),
        (names("a", "a"), "ipv6_subnets: 'a' is there twice; give each subnet a name of its own"),
        (
            [{"name": "ams", "subnets": names("x", "x")}],
            "ipv6_subnets: ams: subnets: 'ams/x' is there twice; give each subnet a name of its own",
        ),
        (
            [{"name": "a", "lenght": 64}],
            "ipv6_subnets: a: 'lenght' is not known here; a subnet has name, number, vlan, prefix, length, "
            "growth, reserved, subnets",
        ),
        ([{"name": "a", "length": True}], "ipv6_subnets: a: length: True is not a prefix length such as 64"),
        (
            [{"name": "a", "length": 129}],
            "ipv6_subnets: a: length: 129 is not a prefix length; it must be between 1 and 128",
        ),
        (
            [{"name": "a", "length": 40}],
            "ipv6_subnets: a: a /40 does not fit into 2001:db8:1200::/48; give it a longer 'length'",
        ),
        (
            [{"name": "mail", "number": 25}],
            "ipv6_subnets: mail: number: 25 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a "
            "number; put the value in quotes",
        ),
        (
            [{"name": "mail", "number": "xyz"}],
            "ipv6_subnets: mail: number: 'xyz' is not a hexadecimal number such as '25', nor one of vlan_hex, "
            "vlan_decimal",
        ),
        (
            [{"name": "mail", "number": "10000"}],
            "ipv6_subnets: mail: number: '10000' is too large: the last /64 in 2001:db8:1200::/48 has the number "
            "'ffff'",
        ),
        (
            [{"name": "a", "number": "25"}, {"name": "b", "number": "0025"}],
            "ipv6_subnets: b: number: '25' is 2001:db8:1200:25::/64, which overlaps a (2001:db8:1200:25::/64); "
            "take another one",
        ),
        (
            [{"name": "a", "growth": "upwards"}],
            "ipv6_subnets: a: growth: 'upwards' is no order of growth; take one of leftmost, centermost, rightmost, "
            "centermost_ascending, centermost_alternating, hash",
        ),
        (
            [{"name": "ams", "length": 64, "subnets": names("x", "y")}],
            "ipv6_subnets: ams/y: ams (2001:db8:1200::/64) has no free /64 left; give it a longer 'length', or give "
            "ams a "
            "shorter one",
        ),
    ],
)
def test_refusals(subnets, message):
    with pytest.raises(RolloutError) as caught:
        subnet_plan(PREFIX, subnets, today="2026-01-31")
    assert str(caught.value) == message


def test_a_tree_that_holds_itself_is_refused():
    node = {"name": "a"}
    node["subnets"] = [node]
    with pytest.raises(RolloutError, match="deeper than 32 levels"):
        subnet_plan(PREFIX, [node], today="2026-01-31")


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (
            80,
            "ipv6_prefix: 80 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put "
            "the value in quotes",
        ),
        (None, "ipv6_prefix: nothing is given (null); write the value as text in quotes"),
        (
            "2001:db8:1200::1/48",
            "ipv6_prefix: '2001:db8:1200::1/48' has host bits set; the prefix is 2001:db8:1200::/48",
        ),
        ("192.0.2.0/24", "ipv6_prefix: '192.0.2.0/24' is IPv4; an IPv6 prefix such as 2001:db8::/48 belongs here"),
        ("::/0", "ipv6_prefix: '::/0' has the prefix length 0; it must be between 16 and 127"),
        ("2001:db8::/129", "ipv6_prefix: '2001:db8::/129' has the prefix length 129; it must be between 16 and 127"),
        ("fe80::/64", "ipv6_prefix: 'fe80::/64' is link-local; write what your provider gave"),
    ],
)
def test_prefixes_that_are_refused(prefix, message):
    assert refusal(prefix=prefix) == message


def test_what_has_a_place_is_not_pinned_elsewhere():
    assert refusal([{"name": "mail", "number": "26"}], plan([{"name": "mail", "number": "25"}])) == (
        "ipv6_subnets: mail: number: '26' is not where the plan has it: 2001:db8:1200:25::/64 is number '25', and "
        "nothing "
        "that has a place moves; write that, or give the subnet another name"
    )


def test_growth_that_is_blocked_says_by_what():
    before = plan([{"name": "a", "number": "0"}, {"name": "b", "number": "1"}])
    assert refusal([{"name": "a", "length": 63}, {"name": "b"}], before) == (
        "ipv6_subnets: a: length: 2001:db8:1200::/64 cannot grow to a /63 in place: b (2001:db8:1200:1::/64) is in "
        "the way; "
        "keep the length 64, or add a further subnet"
    )
    assert refusal([{"name": "a"}, {"name": "b", "length": 63}], before) == (
        "ipv6_subnets: b: length: 2001:db8:1200:1::/64 cannot grow to a /63 in place: it does not begin where a /63 "
        "does; "
        "keep the length 64, or add a further subnet"
    )
    gone = plan([{"name": "a"}], before, today="2026-02-01")
    assert refusal([{"name": "a", "length": 63}], gone) == (
        "ipv6_subnets: a: length: 2001:db8:1200::/64 cannot grow to a /63 in place: b (2001:db8:1200:1::/64, "
        "retired since "
        "2026-02-01 and not purged) is in the way; keep the length 64, or add a further subnet"
    )


def test_shrinking_that_would_leave_something_outside():
    before = plan([{"name": "a", "length": 60, "subnets": names("x", "y")}])
    assert refusal([{"name": "a", "length": 61, "subnets": names("x", "y")}], before) == (
        "ipv6_subnets: a: length: 2001:db8:1200::/60 cannot shrink to 2001:db8:1200::/61: a/y "
        "(2001:db8:1200:8::/64) would "
        "be outside; keep the length"
    )


def test_shrinking_into_what_was_a_subnet_of_its_own():
    before = plan([{"name": "a", "length": 56, "subnets": [{"name": "x", "length": 58}]}])
    assert refusal([{"name": "a", "length": 60}], before) == (
        "ipv6_subnets: a: length: 2001:db8:1200::/56 cannot shrink to 2001:db8:1200::/60: a/x (2001:db8:1200::/58, "
        "retired since 2026-01-31 and not purged) is wider; keep the length, or purge the plan first"
    )


def test_another_prefix_keeps_every_number_and_identifier():
    hosts = {"www1": {"subnet": "web", "interface_id": "stable"}, "old": {"subnet": "web", "interface_id": "::1"}}
    before = plan([{"name": "web"}, {"name": "mail", "number": "25"}, {"name": "gone"}], None, hosts)
    before = plan([{"name": "web"}, {"name": "mail", "number": "25"}], before, {"www1": hosts["www1"]})
    after = plan(
        [{"name": "web"}, {"name": "mail", "number": "25"}], before, {"www1": hosts["www1"]}, prefix="3fff:0:34::/48"
    )
    assert json.dumps(after) == json.dumps(before).replace("2001:db8:1200:", "3fff:0:34:")
    back = plan([{"name": "web"}, {"name": "mail", "number": "25"}], after, {"www1": hosts["www1"]})
    assert back == before


def test_more_or_less_of_the_same_prefix_moves_nothing():
    before = plan([{"name": "web"}, {"name": "mail", "number": "25"}], prefix="2001:db8:1201::/48")
    wider = plan([{"name": "web"}, {"name": "mail"}], before, prefix="2001:db8:1200::/44")
    assert wider["prefix"] == "2001:db8:1200::/44"
    assert wider["subnets"] == before["subnets"]
    back = plan([{"name": "web"}, {"name": "mail"}], wider, prefix="2001:db8:1201::/48")
    assert back == before
    assert refusal([{"name": "web"}, {"name": "mail"}], before, prefix="2001:db8:1201::/59") == (
        "ipv6_prefix: 2001:db8:1201::/59 has no place for mail (2001:db8:1201:25::/64); use a shorter prefix, or put "
        "2001:db8:1201::/48 back, take it out first, and purge the plan"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"subnets": {"web": "2001:db8:1200::/064"}},
            "previous: subnets: web: '2001:db8:1200::/064' has no decimal prefix length behind the slash",
        ),
        (
            {"subnets": {"web": "2001:DB8:1200::/64"}},
            "previous: subnets: web: '2001:DB8:1200::/64' is not canonical (RFC 5952); write 2001:db8:1200::/64",
        ),
        (
            {"subnets": {"web": "2001:db8:1300::/64"}},
            "previous: subnets: web: 2001:db8:1300::/64 is not inside 2001:db8:1200::/48",
        ),
        (
            {"subnets": {"a": "2001:db8:1200::/56", "b": "2001:db8:1200:1::/64"}},
            "previous: subnets: b: 2001:db8:1200:1::/64 overlaps a (2001:db8:1200::/56)",
        ),
        (
            {"subnets": {"a": "2001:db8:1200::/64", "b": "2001:db8:1200::/64"}},
            "previous: subnets: b: 2001:db8:1200::/64 overlaps a (2001:db8:1200::/64)",
        ),
        ({"subnets": {"a/b": "2001:db8:1200::/64"}}, "previous: subnets: a/b: its parent a is not in the plan"),
        (
            {"subnets": {"a": "2001:db8:1200::/64", "a/b": "2001:db8:1200:1::/64"}},
            "previous: subnets: a/b: 2001:db8:1200:1::/64 is not inside a (2001:db8:1200::/64)",
        ),
        ({"subnets": {"a b": "2001:db8:1200::/64"}}, "previous: subnets: 'a b' is no path of subnet names"),
        (
            {
                "subnets": {"a": "2001:db8:1200::/64"},
                "retired": {"subnets": {"b": {"prefix": "2001:db8:1200::/64", "since": "2026-01-01"}}},
            },
            "previous: retired: subnets: b: 2001:db8:1200::/64 overlaps a (2001:db8:1200::/64)",
        ),
        (
            {"retired": {"subnets": {"b": {"prefix": "2001:db8:1200::/64"}}}},
            "previous: retired: subnets: b: since: None is not a date such as '2026-01-31'",
        ),
        (
            {"subnets": {"a": "2001:db8:1200::/64"}, "hosts": {"h": "2001:db8:1200::"}},
            "previous: hosts: h: 2001:db8:1200:: is the subnet-router anycast address (RFC 4291, section 2.6.1)",
        ),
        (
            {"subnets": {"a": "2001:db8:1200::/64"}, "hosts": {"h": "2001:db8:1200:0:fdff:ffff:ffff:ff80"}},
            "previous: hosts: h: 2001:db8:1200:0:fdff:ffff:ffff:ff80 is a reserved subnet anycast address (RFC 2526)",
        ),
        (
            {"subnets": {"a": "2001:db8:1200::/64"}, "hosts": {"h": "2001:db8:1200:1::1"}},
            "previous: hosts: h: 2001:db8:1200:1::1 is in no subnet of the plan",
        ),
        (
            {"subnets": {"a": "2001:db8:1200::/64"}, "hosts": {"h": "2001:db8:1200::1", "i": "2001:db8:1200::1"}},
            "previous: hosts: i: 2001:db8:1200::1 is also the address of h",
        ),
        (
            {
                "subnets": {"a": "2001:db8:1200::/64"},
                "hosts": {"h": "2001:db8:1200::1"},
                "retired": {"hosts": {"g": {"address": "2001:db8:1200::1", "since": "2026-01-01"}}},
            },
            "previous: retired: hosts: g: 2001:db8:1200::1 is also the address of h",
        ),
        (
            {"hosts": {"h": "2001:DB8:1200::1"}},
            "previous: hosts: h: '2001:DB8:1200::1' is not canonical (RFC 5952); write 2001:db8:1200::1",
        ),
        ({"sub": {}}, "previous: 'sub' is not known here; the keys are prefix, subnets, hosts, ula, forwards, retired"),
        ({"subnets": []}, "previous: subnets: [] is not a dictionary"),
    ],
)
def test_a_plan_edited_by_hand_is_refused_by_entry(change, message):
    assert refusal(previous={"prefix": PREFIX, **change}) == message


@pytest.mark.parametrize("name", ["web@2026-01-01", "web@it's", "web\nmail"])
def test_names_that_would_not_be_readable_are_refused(name):
    before = plan([{"name": "web"}])
    before["subnets"][name] = "2001:db8:1200:5::/64"
    assert refusal([{"name": "web"}], before) == f"previous: subnets: {name!r} is no path of subnet names"
    del before["subnets"][name]
    before["retired"]["subnets"][name] = {"prefix": "2001:db8:1200:5::/64", "since": "2026-01-01"}
    if name != "web@2026-01-01":
        assert refusal([{"name": "web"}], before).startswith("previous: retired: subnets: ")


def test_since_is_a_date():
    before = plan([{"name": "web"}])
    before["retired"]["subnets"]["a"] = {"prefix": "2001:db8:1200:5::/64", "since": "2026-99-99"}
    assert "'2026-99-99' is not a date" in refusal([{"name": "web"}], before)


def test_a_purge_frees_what_nobody_comes_back_to():
    before = plan([{"name": "web", "number": "5"}])
    before = plan([], before)
    before = plan([{"name": "web", "number": "6"}], before)
    assert before["retired"]["subnets"]["web"]["prefix"] == "2001:db8:1200:5::/64"
    tree = [{"name": "web"}, {"name": "mail", "number": "5"}]
    assert "retired since" in refusal(tree, before)
    assert plan(tree, before, purge=True)["subnets"]["mail"] == "2001:db8:1200:5::/64"


def test_a_purge_lets_a_smaller_prefix_in():
    before = plan([{"name": "a", "number": "0"}, {"name": "b", "number": "ff00"}])
    before = plan([{"name": "a"}], before)
    assert "has no place for b (2001:db8:1200:ff00::/64, retired since" in refusal(
        [{"name": "a"}], before, prefix="3fff::/56"
    )
    assert plan([{"name": "a"}], before, prefix="3fff::/56", purge=True)["subnets"] == {"a": "3fff::/64"}


def test_a_name_that_is_there_twice_does_not_stand_for_one_that_left():
    before = plan([{"name": "a"}, {"name": "b"}])
    for tree in ([{"name": "a"}, {"name": "a"}], [{"name": "a", "number": "0"}, {"name": "a"}]):
        assert refusal(tree, before) == "ipv6_subnets: 'a' is there twice; give each subnet a name of its own"


def test_a_name_that_is_there_twice_is_found_quickly_among_many():
    tree = [{"name": f"n{number}"} for number in range(50_000)] + [{"name": "n49999"}]
    assert refusal(tree) == "ipv6_subnets: 'n49999' is there twice; give each subnet a name of its own"
