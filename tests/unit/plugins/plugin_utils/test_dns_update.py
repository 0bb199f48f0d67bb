# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison, without a server."""

from __future__ import annotations

import typing as t

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_lines import diff, lines, zone_changes
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import (
    Change,
    Key,
    Rrset,
    Transaction,
    asked,
    changes,
    needed,
    transactions,
    wanted,
)

WWW = "www.example.com."
LAB = "ipv6.www.example.com."
PTR = "0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
ADDRESS = "2001:db8:1200::80"
A, AAAA, TXT, POINTER = Key(WWW, "A"), Key(WWW, "AAAA"), Key(WWW, "TXT"), Key(PTR, "PTR")


def record(kind: str = "AAAA", data: t.Any = ADDRESS, name: t.Any = WWW, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "type": kind, "data": data, **more}


def after(records: t.Any, live: dict[Key, Rrset | None], spf: t.Any = (), **options: t.Any) -> dict[Key, Rrset | None]:
    wish = wanted(records, list(spf), **options)
    whole: dict[Key, Rrset | None] = dict.fromkeys([*asked(wish), *needed(wish)])
    return {change.key: change.after for change in changes(wish, {**whole, **live}).changes}


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        ({}, Rrset(3600, (ADDRESS,))),
        ({A: Rrset(900, ("192.0.2.80",))}, Rrset(900, (ADDRESS,))),
        ({A: Rrset(900, ("192.0.2.80",)), AAAA: Rrset(60, (ADDRESS,))}, Rrset(900, (ADDRESS,))),
        ({AAAA: Rrset(60, ("2001:db8::1",))}, Rrset(60, ("2001:db8:1200::80", "2001:db8::1"))),
    ],
)
def test_the_ttl_of_aaaa(live: dict[Key, Rrset | None], expected: Rrset) -> None:
    assert after([record()], live) == {AAAA: expected}


def test_aaaa_takes_the_ttl_that_a_gets_in_the_same_call() -> None:
    both = [record("A", "192.0.2.80", ttl=120), record()]
    assert after(both, {A: Rrset(900, ("192.0.2.80",))}) == {
        A: Rrset(120, ("192.0.2.80",)),
        AAAA: Rrset(120, (ADDRESS,)),
    }


def test_what_is_right_is_left_alone_whatever_its_text_looks_like() -> None:
    live: dict[Key, Rrset | None] = {
        A: Rrset(900, ("192.0.2.80",)),
        AAAA: Rrset(900, (ADDRESS,)),
        POINTER: Rrset(60, ("WWW.Example.COM.",)),
        Key("example.com.", "MX"): Rrset(60, ("10 Mail.example.com.",)),
    }
    records = [
        record(data="2001:0DB8:1200:0:0::80", name="WWW.EXAMPLE.COM"),
        record("PTR", "www.example.com", PTR.upper()),
        record("mx", "10 mail.example.com", "example.com"),
    ]
    assert after(records, live) == {}
    assert after(records, live, exclusive=True) == {}


def test_present_exclusive_and_absent() -> None:
    live: dict[Key, Rrset | None] = {AAAA: Rrset(60, ("2001:db8::1", "2001:db8::2"))}
    one = [record(data="2001:db8::2"), record(data="2001:db8::3")]
    assert after(one, live) == {AAAA: Rrset(60, ("2001:db8::1", "2001:db8::2", "2001:db8::3"))}
    assert after(one, live, exclusive=True) == {AAAA: Rrset(60, ("2001:db8::2", "2001:db8::3"))}
    assert after(one, live, state="absent") == {AAAA: Rrset(60, ("2001:db8::1",))}
    assert after([*one, record(data="2001:db8::1")], live, state="absent") == {AAAA: None}
    assert after([record(data="2001:db8::9")], live, state="absent") == {}


def test_a_name_has_one_alias() -> None:
    alias = Key(WWW, "CNAME")
    live: dict[Key, Rrset | None] = {alias: Rrset(60, ("a.example.com.",))}
    assert after([record("CNAME", "b.example.com")], live) == {alias: Rrset(60, ("b.example.com.",))}
    with pytest.raises(RolloutError, match="2 CNAME records"):
        after([record("CNAME", "b.example.com"), record("CNAME", "c.example.com")], live)


FORWARD = Key(WWW, "AAAA")


@pytest.mark.parametrize(
    ("forward", "expected", "warns"),
    [
        ({FORWARD: Rrset(60, (ADDRESS,))}, WWW, False),
        ({FORWARD: Rrset(60, ("2001:db8::1", ADDRESS))}, WWW, False),
        ({FORWARD: Rrset(60, ("2001:db8::1",))}, LAB, False),
        ({FORWARD: None}, LAB, False),
        ({}, LAB, True),
    ],
)
def test_the_fallback_of_a_pointer(forward: dict[Key, Rrset | None], expected: str, warns: bool) -> None:
    wish = wanted([record("PTR", WWW, PTR, fallback=LAB)])
    assert needed(wish) == [FORWARD]
    found = changes(wish, {POINTER: None, **forward})
    assert found.changes == [Change(POINTER, None, Rrset(3600, (expected,)))]
    assert bool(found.warnings) == warns


def test_the_fallback_of_an_ipv4_pointer_asks_for_a() -> None:
    wish = wanted([record("PTR", WWW, "80.2.0.192.in-addr.arpa", fallback=LAB)])
    assert needed(wish) == [A]
    live: dict[Key, Rrset | None] = {Key("80.2.0.192.in-addr.arpa.", "PTR"): None, A: Rrset(60, ("192.0.2.80",))}
    (change,) = changes(wish, live).changes
    assert change.after == Rrset(3600, (WWW,))


def test_absent_takes_a_pointer_to_either_name() -> None:
    pointer = [record("PTR", WWW, PTR, fallback=LAB)]
    for held in (WWW, LAB):
        assert after(pointer, {POINTER: Rrset(60, (held,))}, state="absent") == {POINTER: None}
    assert after(pointer, {POINTER: Rrset(60, ("other.example.com.",))}, state="absent") == {}
    assert needed(wanted(pointer, state="absent")) == []


def test_spf_changes_one_string() -> None:
    other, spf = '"google-site-verification=x"', '"v=spf1 mx -all"'
    live: dict[Key, Rrset | None] = {TXT: Rrset(60, (other, spf))}
    policy = [{"name": "www.example.com", "ip6": ["2001:db8:1200::25"]}]
    expected = Rrset(60, (other, '"v=spf1 mx ip6:2001:db8:1200::25 -all"'))
    assert after([], live, policy) == {TXT: expected}
    assert after([], {TXT: expected}, policy) == {}
    assert after([], {TXT: expected}, policy, state="absent") == live
    assert after([], live, policy, state="absent") == {}
    assert after([], {TXT: None}, policy) == {}
    both = after([record("TXT", "more")], live, policy)
    assert both == {TXT: Rrset(60, (other, '"more"', expected.data[1]))}


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([record(data=80)], "records\\[0\\].data: 80 is a number"),
        ([record(data="192.0.2.1")], "records\\[0\\].data: '192.0.2.1' is IPv4"),
        ([record("A", "2001:db8::1")], "is not IPv4; an IPv4 address"),
        ([record(name="2001:db8::1")], "is an address; a name belongs here"),
        ([record(name="192.0.2.1")], "is an address; a name belongs here"),
        ([record(name="a..example.com")], "empty"),
        ([record(name="")], "empty"),
        ([record(name=".")], "the root is no name"),
        ([record(name=f"{'a' * 64}.example.com")], "longer than 63"),
        ([record("SOA", "x")], "SOA is not a record that an update may write"),
        ([record("ANY", "x")], "ANY is not a record"),
        ([record("NONSENSE", "x")], "not a record type"),
        ([record("MX", "mail.example.com")], "not the data of a MX record"),
        ([record(ttl=-1)], "is not a TTL"),
        ([record(ttl=True)], "is not a TTL"),
        ([record(ttl="1h")], "is not a TTL"),
        ([record(fallback=LAB)], "not the PTR record of one address"),
        ([record("PTR", WWW, "8.b.d.0.1.0.0.2.ip6.arpa", fallback=LAB)], "not the PTR record of one address"),
        ([record(tll=60)], "tll is not known here; name, type, data, ttl"),
        ([{"name": WWW, "type": "AAAA"}], "data is missing"),
        (["www"], "records\\[0\\]: 'www' is not a dictionary"),
        ("www", "records: 'www' is not a list"),
        ([record(ttl=1), record(data="2001:db8::1", ttl=2)], "with the TTLs 1, 2; an RRset has one TTL"),
    ],
)
def test_bad_input_is_named(records: t.Any, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        after(records, {})


@pytest.mark.parametrize(
    ("spf", "why"),
    [
        ([{"name": "example.com", "ip6": ["192.0.2.0/24"]}], "is IPv4"),
        ([{"name": "example.com", "ip6": ["2001:db8::1/64"]}], "host bits"),
        ([{"name": "example.com", "ip6": "2001:db8::1"}], "is not a list"),
        ([{"name": "example.com", "ip6": [1]}], "is a number"),
    ],
)
def test_bad_spf_is_named(spf: t.Any, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        after([], {}, spf)


def test_arguments_are_not_mutated() -> None:
    records = [record("PTR", WWW, PTR, fallback=LAB)]
    copy = [dict(item) for item in records]
    after(records, {}, [{"name": "example.com", "ip6": ["2001:db8::1"]}])
    assert records == copy


ZONES = {
    WWW: "example.com.",
    LAB: "example.com.",
    PTR: "2.1.8.b.d.0.1.0.0.2.ip6.arpa.",
    "b.example.net.": "example.net.",
}


def some_changes() -> list[Change]:
    return [
        Change(AAAA, None, Rrset(60, (ADDRESS,))),
        Change(Key("b.example.net.", "AAAA"), Rrset(60, ("2001:db8::1",)), None),
        Change(POINTER, Rrset(60, (LAB,)), Rrset(60, (WWW,))),
        Change(Key(LAB, "AAAA"), Rrset(30, (ADDRESS,)), Rrset(60, (ADDRESS,))),
    ]


def test_reverse_zones_go_first_and_on_the_way_back_last() -> None:
    order = [item.zone for item in transactions(some_changes(), ZONES, lambda change, zone: 1)]
    assert order == ["2.1.8.b.d.0.1.0.0.2.ip6.arpa.", "example.com.", "example.net."]
    order = [item.zone for item in transactions(some_changes(), ZONES, lambda change, zone: 1, present=False)]
    assert order == ["example.com.", "example.net.", "2.1.8.b.d.0.1.0.0.2.ip6.arpa."]


def test_diff_and_zones() -> None:
    found = transactions(some_changes(), ZONES, lambda change, zone: 1)
    assert diff(found)[1] == {
        "before_header": "zone example.com.",
        "after_header": "zone example.com.",
        "before": f"{LAB} 30 IN AAAA {ADDRESS}\n",
        "after": f"{LAB} 60 IN AAAA {ADDRESS}\n{WWW} 60 IN AAAA {ADDRESS}\n",
    }
    assert zone_changes(found)[0] == {
        "zone": "2.1.8.b.d.0.1.0.0.2.ip6.arpa.",
        "added": [f"{PTR} 60 IN PTR {WWW}"],
        "removed": [f"{PTR} 60 IN PTR {LAB}"],
    }


def test_an_rrset_that_fits_into_no_message() -> None:
    with pytest.raises(RolloutError, match="needs 70000 octets in an update; at most 60000 fit"):
        transactions(some_changes(), ZONES, lambda change, zone: 70000)


names = st.integers(0, 40).map(lambda number: f"h{number}.example.com.")
rrsets = st.builds(
    Rrset,
    st.integers(0, 3),
    st.sets(st.integers(1, 6), min_size=1).map(lambda s: tuple(f"2001:db8::{number}" for number in sorted(s))),
)
worlds = st.dictionaries(names, rrsets, max_size=8)


@given(worlds, st.lists(st.tuples(names, st.integers(1, 8)), max_size=12), st.booleans(), st.booleans())
def test_afterwards_nothing_differs_and_others_are_kept(
    world: dict[str, Rrset], wishes: list[tuple[str, int]], exclusive: bool, present: bool
) -> None:
    records = [record(data=f"2001:db8::{number}", name=name) for name, number in wishes]
    wish = wanted(records, state="present" if present else "absent", exclusive=exclusive)
    live: dict[Key, Rrset | None] = dict.fromkeys([*asked(wish), *needed(wish)])
    live.update({Key(name, "AAAA"): rrset for name, rrset in world.items()})
    found = changes(wish, live).changes
    later = {**live, **{change.key: change.after for change in found}}
    assert changes(wish, later).changes == []
    assert all(change.before == live[change.key] for change in found)
    named = {Key(item["name"], "AAAA") for item in records}
    for key, before in live.items():
        mine = {item["data"] for item in records if Key(item["name"], "AAAA") == key}
        old = set(before.data) if before else set()
        new = later[key]
        held = set(new.data) if new else set()
        if key not in named:
            assert new == before
        elif not present:
            assert held == old - mine
        else:
            assert held == (mine if exclusive else old | mine)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 30)), max_size=40), st.integers(30, 90))
def test_packing_loses_nothing_and_keeps_to_the_limit(sizes: list[tuple[int, int]], largest: int) -> None:
    found = [
        Change(Key(f"h{place}-{size}.example.{'net' if number % 2 else 'com'}.", "AAAA"), None, Rrset(size, (ADDRESS,)))
        for place, (number, size) in enumerate(sizes)
    ]
    zones = {change.key.name: change.key.name.partition(".")[2] for change in found}
    packed = transactions(found, zones, lambda change, zone: change.after.ttl if change.after else 0, True, largest)
    assert sorted(change for item in packed for change in item.changes) == sorted(found)
    for item in packed:
        assert item.changes and sum(change.after.ttl for change in item.changes if change.after) <= largest
        assert {zones[change.key.name] for change in item.changes} == {item.zone}


def test_lines_are_those_of_a_zone_file() -> None:
    assert lines(AAAA, None) == []
    assert lines(AAAA, Rrset(60, ("2001:db8::2", "2001:db8::1"))) == [
        f"{WWW} 60 IN AAAA 2001:db8::1",
        f"{WWW} 60 IN AAAA 2001:db8::2",
    ]
    assert Transaction("example.com.", ()).changes == ()
