# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes on an interface: only what has to, only what is ours, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

EMPTY = core.Record()
PLAIN = {"accept_ra": "1", "autoconf": "1", "use_tempaddr": "0"}


def seen(*addresses: str, routes=(), record=EMPTY, sysctls=None, other=()):
    def parsed(texts):
        return [core.Address(text.partition("/")[0], int(text.partition("/")[2])) for text in texts]

    found = [core.Route(words.split()[2], words.split()[4], words) for words in routes]
    return core.Seen({"eth0": parsed(addresses), "eth1": parsed(other)}, found, sysctls or PLAIN, record)


def wish(*addresses: str, gateway="fe80::1"):
    return core.wanted("eth0", addresses, gateway, False, False, False)


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        ("2001:db8::80/64", "2001:db8::80/64"),
        ("2001:0DB8:0:0::0080/64", "2001:db8::80/64"),
        ("2001:db8::/127", "2001:db8::/127"),
        ("2001:db8::1/128", "2001:db8::1/128"),
        ("fd00::1/64", "fd00::1/64"),
    ],
)
def test_address(given_value, expected):
    assert core.host_address(given_value) == expected


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (80, "YAML took it"),
        (None, "YAML took it"),
        ("2001:db8::80", "no prefix length"),
        ("2001:db8::/64", "is a prefix"),
        ("192.0.2.1/24", "no IPv6 address"),
        ("::ffff:192.0.2.1/96", "no global unicast"),
        ("fe80::1/64", "no global unicast"),
        ("ff02::1/64", "no global unicast"),
        ("::1/128", "no global unicast"),
        ("2001:db8::80/129", "prefix length"),
        ("2001:db8::80/0", "prefix length"),
        ("2001:db8::80/064", "prefix length"),
        ("2001:db8::80/ffff::", "prefix length"),
        ("2001:db8::80%eth0/64", "zone"),
        ("2001:db8::80; reboot/64", "no IPv6 address"),
        ("", "no prefix length"),
    ],
)
def test_address_refused(value, reason):
    with pytest.raises(RolloutError, match=reason):
        core.host_address(value)


@pytest.mark.parametrize(
    ("value", "reason"),
    [(1, "YAML"), ("x", "no IPv6"), ("fe80::1%eth0", "alone"), ("::", "alone"), ("2001:db8::80", "this host itself")],
)
def test_gateway_refused(value, reason):
    with pytest.raises(RolloutError, match=reason):
        core.gateway_address(value, ["2001:db8::80/64"])


@pytest.mark.parametrize("name", ["", "-x", "eth0;reboot", "a" * 16, "eth 0", "../x", None, 5])
def test_name_refused(name):
    with pytest.raises(RolloutError):
        core.interface_name(name)


@pytest.mark.parametrize(
    ("accept_ra", "privacy", "forwarding", "expected"),
    [
        (False, False, False, ("0", "0", "0")),
        (True, False, False, ("1", "0", "0")),
        (True, False, True, ("2", "0", "0")),
        (True, True, False, ("1", "1", "2")),
    ],
)
def test_sysctls(accept_ra, privacy, forwarding, expected):
    found = core.wanted("eth0", ["2001:db8::1/64"], None, accept_ra, privacy, forwarding).sysctls
    assert (found["accept_ra"], found["autoconf"], found["use_tempaddr"]) == expected


def test_two_lengths():
    with pytest.raises(RolloutError, match="two prefix lengths"):
        wish("2001:db8::80/64", "2001:db8::80/128")


def test_order():
    old = core.Record(addresses=("2001:db8::1/64",))
    steps = core.changes(wish("2001:db8::2/64"), seen("2001:db8::1/64", record=old))
    assert [step.kind for step in steps] == ["sysctl", "sysctl", "add", "route", "remove"]
    assert steps[-1].value == "2001:db8::1/64"


def test_foreign_address_stays():
    steps = core.changes(wish("2001:db8::2/64"), seen("2001:db8::1/64"))
    assert "remove" not in [step.kind for step in steps]


def test_elsewhere():
    with pytest.raises(RolloutError, match="already on eth1"):
        core.changes(wish("2001:db8::2/64"), seen(other=["2001:db8::2/64"]))


def test_foreign_length():
    with pytest.raises(RolloutError, match="with /48, not as 2001:db8::2/64"):
        core.changes(wish("2001:db8::2/64"), seen("2001:db8::2/48"))


def test_own_length_changes():
    steps = core.changes(
        wish("2001:db8::2/64", gateway=None),
        seen("2001:db8::2/48", record=core.Record(addresses=("2001:db8::2/48",)), sysctls={"accept_ra": "0"}),
    )
    assert [(step.kind, step.value) for step in steps] == [("remove", "2001:db8::2/48"), ("add", "2001:db8::2/64")]


def test_dead_address_is_tried_again():
    held = core.Seen({"eth0": [core.Address("2001:db8::2", 64, dadfailed=True)]}, [], {})
    steps = core.changes(wish("2001:db8::2/64", gateway=None), held)
    assert [step.kind for step in steps] == ["remove", "add"]


def test_route_of_another_metric_stays():
    there = "default via fe80::9 dev eth1 metric 2048"
    now = seen(routes=[there])
    asked = core.changes(wish("2001:db8::2/64"), now)
    steps = [step for step in asked if step.kind == "route"]
    assert steps[0].before == ""
    assert core.after("eth0", now, steps).routes[0].words == there


def test_route_comes_back():
    there = "default via fe80::9 dev eth0 metric 1024"
    now = seen(routes=[there])
    asked = wish("2001:db8::2/64")
    steps = core.changes(asked, now)
    record = core.recorded(asked, now, steps)
    then = core.after("eth0", now, steps)._replace(record=record)
    back = core.changes_back("eth0", then)
    assert [route.words for route in core.after("eth0", then, back).routes] == [there]


hosts = st.integers(1, 6).map(lambda number: f"2001:db8::{number:x}/64")


@given(
    st.lists(hosts, unique=True, max_size=4),
    st.lists(st.lists(hosts, unique=True, min_size=1, max_size=4), min_size=1, max_size=4),
    st.dictionaries(st.sampled_from(["accept_ra", "autoconf", "use_tempaddr"]), st.sampled_from("012")),
)
def test_runs_settle_and_go_back(foreign, wishes, sysctls):
    """Whatever was asked: a second run does nothing, foreign addresses stay, absent gives back the first state."""
    first = seen(*foreign, sysctls=sysctls)._replace(sysctls=sysctls)
    now = first
    for addresses in wishes:
        asked = wish(*addresses)
        steps = core.changes(asked, now)
        now = core.after("eth0", now, steps)._replace(record=core.recorded(asked, now, steps))
        assert core.changes(asked, now) == []
        held = {address.with_length for address in now.addresses["eth0"]}
        assert held == set(foreign) | set(addresses)
        assert core.Record.load(now.record.dump()) == now.record
    back = core.after("eth0", now, core.changes_back("eth0", now))
    assert core.described("eth0", back) == core.described("eth0", first)


@given(st.lists(hosts, unique=True, max_size=4), st.lists(hosts, unique=True, min_size=1, max_size=4))
def test_undone_is_the_inverse(foreign, addresses):
    first = seen(*foreign, routes=["default via fe80::9 dev eth0 metric 1024"])
    steps = core.changes(wish(*addresses), first)
    then = core.after("eth0", first, steps)
    assert core.described("eth0", core.after("eth0", then, core.undone(steps))) == core.described("eth0", first)
