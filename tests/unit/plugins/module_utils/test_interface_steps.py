# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes on an interface: only what has to, only what is ours, new before old, and back again."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_refuse as refuse
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_steps as steps_of
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
EMPTY = core.Record()
PLAIN = {"accept_ra": "1", "autoconf": "1", "use_tempaddr": "0"}
OFF = {"accept_ra": "0", "autoconf": "0", "use_tempaddr": "0"}
OLD, NEW = "2001:db8::1/64", "2001:db8::2/64"
SET_BY_HAND = "default via fe80::9 dev eth0 metric 1024"
ADVERTISED = "default via fe80::1 dev eth0 proto ra metric 1024"


def address(text, **more):
    plain, _slash, length = text.partition("/")
    return core.Address(plain, int(length), **more)


def seen(*addresses, routes=(), record=EMPTY, sysctls=None, other=()):
    held = [one if isinstance(one, core.Address) else address(one) for one in addresses]
    found = [one if isinstance(one, core.Route) else core.route_of(one) for one in routes]
    return core.Seen({"eth0": held, "eth1": [address(one) for one in other]}, found, sysctls or PLAIN, record)


def wish(*addresses, gateway="fe80::1", routes=(), accept_ra=False):
    return core.wanted("eth0", addresses, gateway, accept_ra, False, False, routes)


def deprecated(text):
    return {"address": text, "deprecated": True}


def kinds(steps):
    return [step.kind for step in steps]


def after_run(asked, now, allow=()):
    steps = steps_of.changes(asked, now, allow)
    return steps_of.after("eth0", now, steps)._replace(record=steps_of.recorded(asked, now, steps))


@pytest.mark.parametrize(
    ("asked", "now", "expected"),
    [
        pytest.param(
            wish(NEW),
            seen(OLD, record=core.Record(addresses=(OLD,))),
            ["sysctl", "sysctl", "probe", "add", "route", "remove"],
            id="new before old, and asked before anything depends on the answer",
        ),
        pytest.param(wish(NEW), seen(OLD), ["sysctl", "sysctl", "probe", "add", "route"], id="a foreign address stays"),
        pytest.param(
            wish(NEW, deprecated(OLD), gateway=None),
            seen(OLD, sysctls=OFF, record=core.Record(addresses=(OLD,))),
            ["probe", "add", "lifetime"],
            id="the old one is kept, deprecated by its lifetime",
        ),
        pytest.param(
            wish(OLD, NEW, gateway=None),
            seen(address(OLD, deprecated=True), NEW, sysctls=OFF),
            ["lifetime"],
            id="preferred again",
        ),
        pytest.param(wish(OLD, gateway=None), seen(OLD, sysctls=OFF), [], id="nothing to do"),
        pytest.param(
            wish(OLD),
            seen(OLD, sysctls=OFF, routes=["default via fe80::1 dev eth0 metric 512"]),
            [],
            id="a default route of any metric will do",
        ),
        pytest.param(
            wish(OLD),
            seen(OLD, sysctls=OFF, routes=["default via fe80::1 dev eth1 metric 1024"]),
            ["probe", "route"],
            id="the same router on another link is another one",
        ),
        pytest.param(
            wish(OLD, gateway=None),
            seen(address(OLD, dadfailed=True), sysctls=OFF),
            ["probe", "remove", "add"],
            id="a duplicate is tried again",
        ),
        pytest.param(
            wish(NEW, gateway=None),
            seen("2001:db8::2/48", sysctls=OFF, record=core.Record(addresses=("2001:db8::2/48",))),
            ["probe", "remove", "add"],
            id="our own prefix length changes",
        ),
        pytest.param(
            wish(NEW, accept_ra=True, gateway=None),
            seen(NEW, sysctls={**OFF, "accept_ra": "1"}),
            ["probe"],
            id="no default route, so a router is asked for",
        ),
        pytest.param(
            wish(NEW, accept_ra=True, gateway=None),
            seen(NEW, sysctls={**OFF, "accept_ra": "1"}, routes=[core.route_of(ADVERTISED, True)]),
            [],
            id="a learnt default route is what was asked for",
        ),
    ],
)
def test_steps(asked, now, expected):
    assert kinds(steps_of.changes(asked, now)) == expected
    assert set(kinds(steps_of.changes(asked, after_run(asked, now)))) <= {"probe"}


@pytest.mark.parametrize(
    ("asked", "now", "allow", "expected"),
    [
        (wish(NEW), seen(), (), "fe80::1"),
        (wish(NEW, gateway=None), seen(), (), ""),
        (wish(NEW, gateway=None, accept_ra=True), seen(), (), "ra"),
        (wish(NEW, gateway=None, accept_ra=True), seen(), ("no_default_route",), ""),
        (wish(NEW, routes=[{"to": "2001:db8:5::/48", "via": "fe80::5"}]), seen(), (), "fe80::1 fe80::5"),
    ],
)
def test_what_is_asked(asked, now, allow, expected):
    found = [step.value for step in steps_of.changes(asked, now, allow) if step.kind == "probe"]
    assert found == [expected]


def test_router_advertisements_off():
    """accept_ra=0 keeps what was learnt until it expires, so it is removed: after the static address and route."""
    learnt = address("2001:db8:0:0:aa::1/64", learnt=True)
    other = address("2001:db8:5::7/64", learnt=True)
    dynamic = address("2001:db8::77/64")
    prefix = core.route_of("2001:db8:5::/64 dev eth0 proto kernel metric 256", True)
    same = core.route_of("2001:db8::/64 dev eth0 proto kernel metric 256", True)
    elsewhere = core.route_of("default via fe80::1 dev eth1 proto ra metric 2048", True)
    now = seen(learnt, other, dynamic, routes=[core.route_of(ADVERTISED, True), prefix, same, elsewhere])
    asked = wish(NEW)
    found = steps_of.changes(asked, now)
    assert kinds(found) == ["sysctl", "sysctl", "probe", "add", "route", *["forget"] * 4]
    forgotten = [step.value for step in found if step.kind == "forget"]
    assert forgotten == [
        f"route {ADVERTISED}",
        "route 2001:db8:5::/64 dev eth0 proto kernel metric 256",
        learnt.with_length,
        other.with_length,
    ]
    then = after_run(asked, now)
    assert [one.with_length for one in then.addresses["eth0"]] == ["2001:db8::77/64", NEW]
    assert {(one.to, one.device) for one in then.routes} == {
        ("default", "eth0"),
        ("default", "eth1"),
        ("2001:db8::/64", "eth0"),
    }
    assert steps_of.changes(asked, then) == []
    # Only the router can give back what it gave.
    assert "forget" not in kinds(steps_of.undone(found))


@pytest.mark.parametrize(
    ("now", "asked"),
    [
        pytest.param(
            seen(address("2001:db8:5::7/64", learnt=True), routes=[core.route_of(ADVERTISED, True)]),
            wish(NEW, gateway=None),
            id="no static route",
        ),
        pytest.param(
            seen(address("2001:db8:5::7/64", learnt=True), routes=[SET_BY_HAND])._replace(kernel_ra=False),
            wish(NEW, gateway=None),
            id="another program reads them",
        ),
        pytest.param(
            seen(address("2001:db8:5::7/64", learnt=True), routes=[SET_BY_HAND]),
            wish(NEW, gateway=None, accept_ra=True),
            id="they are wanted",
        ),
    ],
)
def test_what_was_learnt_stays(now, asked):
    assert "forget" not in kinds(steps_of.changes(asked, now))


def test_a_learnt_address_becomes_ours():
    now = seen(address(NEW, learnt=True), routes=[core.route_of(ADVERTISED, True)])
    asked = wish(NEW)
    assert kinds(steps_of.changes(asked, now)) == ["sysctl", "sysctl", "probe", "lifetime", "route", "forget"]
    then = after_run(asked, now)
    assert then.record.addresses == (NEW,)
    assert not then.addresses["eth0"][0].learnt
    assert [one.learnt for one in then.routes] == [False]
    assert steps_of.changes(asked, then) == []


@pytest.mark.parametrize(
    ("asked", "now", "reason"),
    [
        (wish(NEW), seen("2001:db8::2/48"), "with /48, not as 2001:db8::2/64"),
    ],
)
def test_refused(asked, now, reason):
    with pytest.raises(RolloutError, match=reason):
        steps_of.changes(asked, now)


@pytest.mark.parametrize(
    ("beside", "refused"),
    [
        ({"gateway": "fe80::1"}, "gateway beside"),
        ({"name": "eth0", "routes": [{}]}, "name and routes beside"),
        ({"gateway": "", "routes": []}, ""),
        ({"interfaces": [], "gateway": "fe80::1"}, ""),
    ],
)
def test_nothing_beside_the_list(beside, refused):
    params = {"interfaces": [{}], "name": None, "addresses": [], "gateway": None, "routes": None, **beside}
    if refused:
        with pytest.raises(RolloutError, match=f"interfaces: {refused} it would have no effect"):
            refuse.refuse_beside(params)
    else:
        refuse.refuse_beside(params)


def test_an_address_is_on_one_interface():
    now = seen(other=[NEW])
    with pytest.raises(RolloutError, match="already on eth1"):
        refuse.refuse_elsewhere(wish(NEW), now, {"eth1": [OLD]})
    refuse.refuse_elsewhere(wish(NEW), now, {"eth1": [NEW]})


@pytest.mark.parametrize("kind", ["remove", "forget"])
def test_own_connection_is_never_cut(kind):
    steps = [core.Operation("add", NEW), core.Operation(kind, OLD)]
    with pytest.raises(
        RolloutError, match=r"2001:db8::1 is what ssh uses, .*\{address: 2001:db8::1/64, deprecated: true"
    ):
        refuse.refuse_own("eth0", steps, {"2001:db8::1": "what ssh uses"})
    refuse.refuse_own("eth0", steps, {"2001:db8::2": "what ssh uses"})


@pytest.mark.parametrize(
    ("asked", "then", "reason"),
    [
        (wish(NEW, gateway=None), seen(), "there is no IPv6 default route"),
        (wish(NEW, gateway=None), seen(routes=[core.route_of(ADVERTISED, True)]), "learnt from router advertisements"),
        (wish(NEW, gateway=None), seen(routes=["2001:db8:9::/48 via fe80::1 dev eth0"]), "there is no IPv6 default"),
        (wish(NEW, gateway=None), seen(routes=[SET_BY_HAND]), ""),
        (wish(NEW, gateway=None, accept_ra=True), seen(), ""),
    ],
)
def test_default_route_is_needed(asked, then, reason):
    if reason:
        with pytest.raises(RolloutError, match=f"gateway: none is named for eth0 .*{reason}.*no_default_route"):
            refuse.refuse_no_route([asked], then)
    else:
        refuse.refuse_no_route([asked], then)


def test_route_of_another_metric_stays():
    there = "default via fe80::9 dev eth1 metric 2048"
    now = seen(routes=[there])
    made = [step for step in steps_of.changes(wish(NEW), now) if step.kind == "route"]
    assert made[0].before == ""
    assert steps_of.after("eth0", now, made).routes[0].words == there


def test_a_route_of_others_comes_back():
    now = seen(routes=[SET_BY_HAND, "2001:db8:9::/48 via fe80::9 dev eth0 metric 1024"])
    first = after_run(wish(NEW, routes=[{"to": "2001:db8:9::/48", "via": "fe80::1"}]), now)
    assert first.record.routes_before == (SET_BY_HAND, "2001:db8:9::/48 via fe80::9 dev eth0 metric 1024")
    # The router changes twice, then the further route is not asked for any more: only that one comes back.
    second = after_run(wish(NEW, gateway="fe80::2"), first)
    assert {one.words for one in second.routes} == {
        "default via fe80::2 dev eth0 onlink",
        "2001:db8:9::/48 via fe80::9 dev eth0 metric 1024",
    }
    back = steps_of.after("eth0", second, steps_of.changes_back("eth0", second))
    assert {one.words for one in back.routes} == {one.words for one in now.routes}


def test_lifetime_of_others_comes_back():
    now = seen(OLD, sysctls=OFF)
    first = after_run(wish(NEW, deprecated(OLD), gateway=None), now)
    assert first.record.lifetimes == {OLD: "preferred_lft forever"}
    assert first.record.addresses == (NEW,)
    dropped = after_run(wish(NEW, gateway=None), first)
    assert not dropped.addresses["eth0"][0].deprecated
    back = steps_of.after("eth0", first, steps_of.changes_back("eth0", first))
    assert steps_of.described("eth0", back) == steps_of.described("eth0", now)


def back_again(now):
    return steps_of.after("eth0", now, steps_of.changes_back("eth0", now))


def test_switching_ipv6_off_takes_everything_along():
    """It is told, judged and undone address by address: the kernel removes them all."""
    link, record = "2001:db8:7::/48 via fe80::7 dev eth0", core.Record((NEW,), {"disable_ipv6": "1"}, (), (), {}, {})
    now = seen(OLD, NEW, routes=[link, SET_BY_HAND], sysctls={"disable_ipv6": "0"}, record=record)
    steps = steps_of.changes_back("eth0", now)
    assert kinds(steps) == ["remove", "unroute", "unroute", "remove", "sysctl"]
    then = steps_of.after("eth0", now, steps)
    assert (then.addresses["eth0"], then.routes) == ([], [])
    assert {step.value.split()[0] for step in steps_of.undone(steps) if step.kind == "add"} == {OLD, NEW}
    with pytest.raises(RolloutError, match=r"disable_ipv6: it was 1 before.*fe80::80, which is what ssh uses"):
        refuse.refuse_own("eth0", steps, {"fe80::80": "what ssh uses"}, ["192.0.2.80", "fe80::80"])
    refuse.refuse_own("eth0", steps, {"fe80::80": "what ssh uses"}, [])


@pytest.mark.parametrize(
    ("peer", "left", "refused"),
    [
        ("2001:db8:ffff::1", [], True),
        ("2001:db8:ffff::1", ["unreachable default dev lo metric 4278198272"], True),
        ("2001:db8:ffff::1", ["default from 2001:db8:5::/64 via fe80::1 dev eth0"], True),
        ("2001:db8:ffff::1", ["2001:db8:ffff::/48 via fe80::1 dev eth0"], False),
        ("2001:db8::9", ["2001:db8::/64 dev eth0 proto kernel metric 256"], False),
        ("", [], False),
    ],
)
def test_the_way_back_of_the_connection_stays(peer, left, refused):
    before, then = seen(routes=[SET_BY_HAND, *left]), seen(routes=left)
    if refused:
        with pytest.raises(RolloutError, match=f"no route would be left to {peer}"):
            refuse.refuse_cut_off(peer, before, then)
    else:
        refuse.refuse_cut_off(peer, before, then)


def test_a_route_that_others_set_since_stays():
    first = after_run(wish(NEW), seen(routes=[SET_BY_HAND]))
    theirs = "default via fe80::77 dev eth0 metric 1024"
    then = first._replace(routes=[core.route_of(theirs)])
    assert [one.words for one in back_again(then).routes] == [theirs]
    assert "route" not in kinds(steps_of.changes(wish(NEW, gateway=None), then))


def test_a_route_whose_device_is_gone_does_not_come_back():
    first = after_run(wish(NEW), seen(routes=["default via fe80::9 dev eth9 metric 1024"]))
    assert [step.kind for step in steps_of.changes_back("eth0", first) if "route" in step.kind] == ["unroute"]
    assert steps_of.not_coming_back(first) == ["default via fe80::9 dev eth9 metric 1024"]


def test_our_own_route_is_not_what_was_there_before():
    first = after_run(wish(NEW), seen(routes=[SET_BY_HAND]))
    asked = wish(NEW)._replace(name="eth1")
    now = first._replace(record=EMPTY)
    steps = steps_of.changes(asked, now)
    assert steps_of.recorded(asked, now, steps, [first.record]).routes_before == (SET_BY_HAND,)
    # The interface that had it leaves it to the one that gets it.
    taken = steps_of.places(asked, first)
    assert not {"route", "unroute"} & set(kinds(steps_of.changes(wish(NEW, gateway=None), first, (), taken)))


def test_a_default_route_for_one_source_is_another_one():
    theirs = "default from 2001:db8:5::/64 via fe80::1 dev eth0 metric 1024"
    now = seen(routes=[theirs])
    then = after_run(wish(NEW), now)
    assert {one.to for one in then.routes} == {"default", "default from 2001:db8:5::/64"}
    with pytest.raises(RolloutError, match="there is no IPv6 default route"):
        refuse.refuse_no_route([wish(NEW, gateway=None)], now)


def test_a_route_to_nowhere_comes_back():
    now = seen(routes=["unreachable default dev lo metric 1024", "blackhole 2001:db8:9::/48 dev lo metric 1024"])
    then = after_run(wish(NEW, routes=[{"to": "2001:db8:9::/48", "via": "fe80::1"}]), now)
    assert not any(one.nowhere for one in then.routes)
    assert {one.words for one in back_again(then).routes} == {one.words for one in now.routes}


def test_lifetimes_and_flags_come_back():
    """An address that expires is set for ever, and gets its time back."""
    theirs = address(NEW, valid=500, preferred=300, flags=("noprefixroute",))
    now = seen(theirs, sysctls=OFF)
    assert [step.value for step in steps_of.changes(wish(NEW, gateway=None), now)] == [
        f"{NEW} preferred_lft forever noprefixroute"
    ]
    then = after_run(wish(NEW, gateway=None), now)
    assert then.addresses["eth0"] == [address(NEW, flags=("noprefixroute",))]
    assert steps_of.changes(wish(NEW, gateway=None), then) == []
    assert back_again(then).addresses["eth0"] == [theirs]


def test_a_sysctl_that_others_changed_stays():
    first = after_run(wish(NEW), seen())
    changed = first._replace(sysctls={**first.sysctls, "accept_ra": "2"})
    assert back_again(changed).sysctls == {**PLAIN, "accept_ra": "2"}
    assert back_again(first).sysctls == PLAIN


@pytest.mark.parametrize(("metric", "told"), [(512, True), (2048, False)])
def test_a_preferred_route_of_others_is_told(metric, told):
    then = after_run(wish(NEW), seen(routes=[f"default via fe80::9 dev eth1 metric {metric}"]))
    assert bool(refuse.other_router(wish(NEW), then)) == told


def test_phases():
    steps = [core.Operation(kind, "") for kind in ("remove", "add", "route", "unroute", "forget", "remove")]
    assert [kinds(part) for part in steps_of.phases(steps)] == [
        ["remove", "add", "route"],
        ["unroute", "forget", "remove"],
    ]


hosts = st.integers(1, 6).map(lambda number: f"2001:db8::{number:x}/64")
routers = st.sampled_from(["fe80::1", "fe80::2", "2001:db8::ffff"])
further = st.lists(
    st.fixed_dictionaries(
        {"to": st.sampled_from(["2001:db8:8::/48", "2001:db8:9::/48"]), "via": routers},
        optional={"metric": st.sampled_from([1, 1024])},
    ),
    unique_by=lambda route: (route["to"], route.get("metric", 1024)),
    max_size=3,
)
asked_addresses = st.lists(st.tuples(hosts, st.booleans()), unique_by=lambda one: one[0], min_size=1, max_size=4).map(
    lambda chosen: [{"address": text, "deprecated": old} for text, old in chosen]
)
wishes = st.builds(
    lambda addresses, gateway, routes, ra: wish(*addresses, gateway=gateway, routes=routes, accept_ra=ra),
    asked_addresses,
    st.none() | routers,
    further,
    st.booleans(),
)
lasting = st.fixed_dictionaries({"valid": st.sampled_from([0, 500]), "flags": st.sampled_from([(), ("home",)])})
held_addresses = st.lists(st.tuples(hosts, st.booleans(), lasting), unique_by=lambda one: one[0], max_size=4).map(
    lambda chosen: [address(text, deprecated=old, **more) for text, old, more in chosen]
)
held_routes = st.lists(
    st.builds(
        lambda to, via, dev, metric: f"{to} via {via} dev {dev} metric {metric}",
        st.sampled_from(["default", "default from 2001:db8:5::/64", "unreachable default", "2001:db8:8::/48"]),
        routers,
        st.sampled_from(["eth0", "eth1"]),
        st.sampled_from([1, 512, 1024]),
    ),
    unique_by=lambda words: core.route_of(words).place,
    max_size=4,
)
values = st.fixed_dictionaries({key: st.sampled_from("012") for key in PLAIN})


@settings(max_examples=EXAMPLES, deadline=None)
@given(held_addresses, held_routes, st.lists(wishes, min_size=1, max_size=4), values)
def test_runs_settle_and_go_back(foreign, routes, asked, sysctls):
    """Whatever was asked: it is there, a second run does nothing, what is foreign stays, absent gives all back."""
    first = seen(*foreign, routes=routes, sysctls=sysctls)
    now = first
    for one in asked:
        now = after_run(one, now)
        # Where no router is known, each run asks for one again.
        assert [step.kind for step in steps_of.changes(one, now) if step.kind != "probe"] == []
        held = {address.with_length: address.deprecated for address in now.addresses["eth0"]}
        expected = {address.with_length: address.deprecated for address in foreign}
        expected.update({address.text: address.deprecated for address in one.addresses})
        assert held == expected
        for route in one.all_routes:
            there = [r for r in now.routes if (r.to, r.gateway, r.device) == (route.to, route.via, "eth0")]
            assert [r for r in there if route.metric in (0, r.metric)]
        assert {key: now.sysctls[key] for key in one.sysctls} == one.sysctls
        assert core.Record.load(now.record.dump()) == now.record
    back = steps_of.after("eth0", now, steps_of.changes_back("eth0", now))
    assert steps_of.described("eth0", back) == steps_of.described("eth0", first)


@settings(max_examples=EXAMPLES, deadline=None)
@given(held_addresses, held_routes, wishes)
def test_undone_is_the_inverse(foreign, routes, asked):
    first = seen(*foreign, routes=routes)
    steps = steps_of.changes(asked, first)
    then = steps_of.after("eth0", first, steps)
    back = steps_of.after("eth0", then, steps_of.undone(steps))
    assert steps_of.described("eth0", back) == steps_of.described("eth0", first)


def test_ipv6_is_switched_on_last_and_off_first():
    """Nothing may be learnt from a router advertisement in between."""
    now = seen(sysctls={"accept_ra": "1", "disable_ipv6": "1"})
    asked = wish(NEW, gateway=None)._replace(sysctls={"accept_ra": "0", "disable_ipv6": "0"})
    then = after_run(asked, now)
    assert [step.value for step in steps_of.changes(asked, now) if step.kind == "sysctl"] == [
        "accept_ra=0",
        "disable_ipv6=0",
    ]
    back = [step.value for step in steps_of.changes_back("eth0", then) if step.kind == "sysctl"]
    assert back == ["disable_ipv6=1", "accept_ra=1"]


def test_described():
    now = seen(
        OLD,
        address(NEW, deprecated=True),
        address("2001:db8:5::1/64", learnt=True),
        routes=[
            core.route_of(ADVERTISED, True),
            "2001:db8:9::/48 via fe80::1 dev eth0 metric 5",
            "2001:db8::/64 dev eth0",
        ],
        sysctls=OFF,
    )
    assert steps_of.described("eth0", now).splitlines() == [
        "address 2001:db8:5::1/64 dev eth0 (router advertisement)",
        "address 2001:db8::1/64 dev eth0",
        "address 2001:db8::2/64 dev eth0 deprecated",
        "route 2001:db8:9::/48 via fe80::1 dev eth0 metric 5",
        "route default via fe80::1 dev eth0 (router advertisement)",
        "sysctl net.ipv6.conf.eth0.accept_ra = 0",
        "sysctl net.ipv6.conf.eth0.autoconf = 0",
        "sysctl net.ipv6.conf.eth0.use_tempaddr = 0",
    ]
