# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A zone file is changed record by record, and every other line stays as it is."""

from __future__ import annotations

import difflib
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import zone_edit
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Change, Key, Rrset

ZONE = "example.com."
TEXT = """\
; The zone of the company. Ask Ada before you touch it.
$TTL 1h
@       IN SOA  ns1 hostmaster (
                2026010100 ; serial
                1h 15m 2w 1h )
        NS      ns1
        MX      10 mail
        TXT     "v=spf1 ip4:192.0.2.25 -all" ; the policy
ns1     A       192.0.2.53
www     600 A   192.0.2.80      ; the web
        AAAA    2001:db8::80
        TXT     "hello"
mail    A       192.0.2.25
$GENERATE 1-3 dyn-$ A 192.0.2.$
$INCLUDE more.zone
"""
INCLUDED = {"more.zone": "inc A 192.0.2.99\n"}


def load(text: str = TEXT) -> zone_edit.ZoneText:
    return zone_edit.load(ZONE, text, INCLUDED)


def change(name: str, kind: str, after: Rrset | None, text: str = TEXT) -> Change:
    key = Key(name, kind)
    return Change(key, zone_edit.rrsets(load(text).entries).get(key), after)


def edit(*changes: Change, text: str = TEXT, serial: str = "2026010101") -> str:
    return zone_edit.edited(load(text), changes, {2: serial})


def differences(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def test_a_new_record_goes_into_the_block_and_the_serial_moves() -> None:
    new = edit(change("new.example.com.", "AAAA", Rrset(300, ("2001:db8::1",))))
    begin, line, end = differences(TEXT, new)[2:]
    assert differences(TEXT, new)[:2] == [
        "-                2026010100 ; serial",
        "+                2026010101 ; serial",
    ]
    assert begin.startswith("+; ipv6.rollout: begin ")
    assert (line, end) == ("+new.example.com. 300 IN AAAA 2001:db8::1", "+; ipv6.rollout: end")


def test_a_policy_is_changed_on_its_line_and_keeps_its_comment() -> None:
    policy = '"v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"'
    new = edit(change(ZONE, "TXT", Rrset(3600, (policy,))))
    assert f" 3600 IN TXT {policy} ; the policy\n" in new
    assert len(differences(TEXT, new)) == 4


def test_a_record_behind_one_that_goes_gets_its_owner() -> None:
    new = edit(change("www.example.com.", "A", None))
    assert "www.example.com.        AAAA    2001:db8::80\n" in new
    assert zone_edit.rrsets(load(new).entries)[Key("www.example.com.", "TXT")].data == ('"hello"',)


def test_the_ttl_of_a_record_is_changed_where_it_stands() -> None:
    new = edit(change("www.example.com.", "AAAA", Rrset(600, ("2001:db8::80", "2001:db8::81"))))
    assert " 600 IN AAAA 2001:db8::80\n        TXT" in new
    assert "www.example.com. 600 IN AAAA 2001:db8::81\n; ipv6.rollout: end" in new


def test_there_and_back_gives_the_bytes_of_before() -> None:
    there = edit(change("new.example.com.", "AAAA", Rrset(300, ("2001:db8::1",))))
    back = edit(change("new.example.com.", "AAAA", None, there), text=there, serial="2026010100")
    assert back == TEXT


def test_a_text_without_a_line_end() -> None:
    new = edit(change("new.example.com.", "A", Rrset(300, ("192.0.2.1",)), TEXT[:-1]), text=TEXT[:-1])
    assert Key("inc.example.com.", "A") in zone_edit.rrsets(load(new).entries)


def test_a_block_in_the_middle_stays_there() -> None:
    there = edit(change("new.example.com.", "AAAA", Rrset(300, ("2001:db8::1",))))
    moved = there + "last A 192.0.2.77\n\tAAAA 2001:db8::77\n"
    new = edit(change("other.example.com.", "AAAA", Rrset(300, ("2001:db8::2",)), moved), text=moved)
    assert new.index("other.example.com.") < new.index("; ipv6.rollout: end") < new.index("last A")


def test_the_canonical_order_of_names_in_the_block() -> None:
    names = ["z.example.com.", "a.b.example.com.", "b.example.com.", "example.com."]
    new = edit(*[change(name, "AAAA", Rrset(300, ("2001:db8::1",))) for name in names])
    owners = [line.split()[0] for line in new.splitlines() if line.endswith("2001:db8::1")]
    assert owners == ["example.com.", "b.example.com.", "a.b.example.com.", "z.example.com."]


@pytest.mark.parametrize(
    ("name", "what"), [("dyn-2.example.com.", "$GENERATE 1-3"), ("inc.example.com.", "$INCLUDE more.zone")]
)
def test_what_comes_from_elsewhere_is_not_changed(name: str, what: str) -> None:
    with pytest.raises(RolloutError) as caught:
        edit(change(name, "A", None))
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$TTL 60\n@ NS ns1\n", "one SOA record"),
        (TEXT + "@ SOA a b 1 1 1 1 1\n", "one SOA record"),
        (
            TEXT + "www RRSIG A 8 3 600 20300101000000 20260101000000 1 example.com. AAAA\n",
            "the file is signed",
        ),
        (TEXT + 2 * "; ipv6.rollout: begin 0123456789ab\nx A 192.0.2.1\n; ipv6.rollout: end\n", "2 blocks"),
    ],
)
def test_what_cannot_be_kept_is_refused(text: str, why: str) -> None:
    with pytest.raises(RolloutError) as caught:
        load(text)
    assert why in str(caught.value)


def test_a_block_that_somebody_has_edited_is_noticed() -> None:
    there = edit(change("new.example.com.", "AAAA", Rrset(300, ("2001:db8::1",))))
    assert load(there).whole
    assert not load(there.replace("; ipv6.rollout: end", "mine A 192.0.2.7\n; ipv6.rollout: end")).whole


OWNERS = ["www", "mail", "ns1", "new", "a.b", "dyn-9"]
DATA = {
    "A": ["192.0.2.1", "192.0.2.53", "192.0.2.80", "192.0.2.25"],
    "AAAA": ["2001:db8::1", "2001:db8::80", "2001:db8::ffff"],
    "TXT": ['"hello"', '"a;b" "(c"'],
}
AFTER = st.sampled_from(["A", "AAAA", "TXT"]).flatmap(
    lambda kind: st.tuples(
        st.sampled_from(OWNERS),
        st.just(kind),
        st.sampled_from([60, 600, 3600]),
        st.sets(st.sampled_from(DATA[kind]), max_size=3),
    )
)


@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")), deadline=None)
@given(st.lists(st.lists(AFTER, max_size=4), max_size=5))
def test_any_row_of_changes_gives_what_was_asked_for(runs: list[list[tuple[str, str, int, set[str]]]]) -> None:
    text = TEXT
    wanted = zone_edit.rrsets(load().entries)
    for run in runs:
        changes = {}
        for owner, kind, ttl, data in run:
            key = Key(f"{owner}.{ZONE}", kind)
            changes[key] = Change(key, wanted.get(key), Rrset(ttl, tuple(sorted(data))) if data else None)
        for key, one in changes.items():
            wanted.pop(key, None)
            if one.after is not None:
                wanted[key] = one.after
        text = edit(*changes.values(), text=text)
        assert zone_edit.rrsets(load(text).entries) == wanted
        assert text.startswith("; The zone of the company.")
        assert "$GENERATE 1-3 dyn-$ A 192.0.2.$\n$INCLUDE more.zone\n" in text
