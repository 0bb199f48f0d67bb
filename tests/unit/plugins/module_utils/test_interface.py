# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may ask of an interface, and in what words it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import interface as core
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError


def wish(*addresses, gateway="fe80::1", routes=()):
    return core.wanted("eth0", addresses, gateway, False, False, False, routes)


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
        ("2001:db8::80/\u0661\u0662", "prefix length"),
        ("2001:db8::80/ffff::", "prefix length"),
        ("2001:db8::80%eth0/64", "zone"),
        ("2001:db8::80; reboot/64", "no IPv6 address"),
        ("", "no prefix length"),
        ({"deprecated": True}, "has no address"),
        ({"address": "2001:db8::80/64", "deprecated": "yes"}, "write true or false"),
        ({"address": "2001:db8::80/64", "preferred": 0}, "'preferred' is not known"),
        ({"address": {"address": "2001:db8::80/64"}}, "YAML took it"),
        ([], "YAML took it"),
    ],
)
def test_address_refused(value, reason):
    with pytest.raises(RolloutError, match=reason):
        core.wanted_address(value)


@pytest.mark.parametrize(
    ("value", "expected", "words"),
    [
        ("2001:DB8::80/64", ("2001:db8::80/64", False), "2001:db8::80/64"),
        ({"address": "2001:db8::80/64"}, ("2001:db8::80/64", False), "2001:db8::80/64"),
        (
            {"address": "2001:db8::80/64", "deprecated": True},
            ("2001:db8::80/64", True),
            "2001:db8::80/64 preferred_lft 0",
        ),
    ],
)
def test_wanted_address(value, expected, words):
    found = core.wanted_address(value)
    assert found == expected
    assert found.words == words


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1, "YAML"),
        (None, "YAML"),
        ("x", "no IPv6"),
        ("fe80::1%eth0", "alone"),
        ("::", "alone"),
        ("ff02::2", "alone"),
        ("2001:db8::80", "this host itself"),
    ],
)
def test_gateway_refused(value, reason):
    with pytest.raises(RolloutError, match=reason):
        core.gateway_address(value, ["2001:db8::80/64"])


@pytest.mark.parametrize(
    ("value", "expected", "words"),
    [
        (
            {"to": "2001:DB8:beef::/48", "via": "fe80::2"},
            ("2001:db8:beef::/48", "fe80::2", 0),
            "2001:db8:beef::/48 via fe80::2 dev eth0 onlink",
        ),
        (
            {"to": "2001:db8:beef::5", "via": "fe80::2", "metric": 50},
            ("2001:db8:beef::5/128", "fe80::2", 50),
            "2001:db8:beef::5/128 via fe80::2 dev eth0 metric 50 onlink",
        ),
    ],
)
def test_route(value, expected, words):
    found = core.wanted_route(value, [])
    assert found == expected
    assert found.words("eth0") == words


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("2001:db8::/48", "no dictionary"),
        (None, "no dictionary"),
        ({"to": "2001:db8::/48"}, "has no via"),
        ({"to": "2001:db8::/48", "via": "fe80::1", "dev": "eth1"}, "'dev' is not known"),
        ({"to": "::/0", "via": "fe80::1"}, "is the default route"),
        ({"to": "2001:db8::1/48", "via": "fe80::1"}, "write 2001:db8::/48"),
        ({"to": "192.0.2.0/24", "via": "fe80::1"}, "no IPv6 prefix"),
        ({"to": 5, "via": "fe80::1"}, "no IPv6 prefix"),
        ({"to": "ff00::/8", "via": "fe80::1"}, "no router forwards"),
        ({"to": "fe80::/64", "via": "fe80::1"}, "no router forwards"),
        ({"to": "2001:db8::/48", "via": "192.0.2.1"}, "routes: via: '192.0.2.1' is no IPv6"),
        ({"to": "2001:db8::/48", "via": "fe80::1", "metric": True}, "metric is True"),
        ({"to": "2001:db8::/48", "via": "fe80::1", "metric": -1}, "metric is -1"),
        ({"to": "2001:db8::/48", "via": "fe80::1", "metric": 1 << 32}, "metric is"),
        ({"to": "2001:db8::/48", "via": "fe80::1", "metric": "5"}, "metric is"),
    ],
)
def test_route_refused(value, reason):
    with pytest.raises(RolloutError, match=reason):
        core.wanted_route(value, [])


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
        (True, True, True, ("2", "1", "2")),
    ],
)
def test_sysctls(accept_ra, privacy, forwarding, expected):
    found = core.wanted("eth0", ["2001:db8::1/64"], None, accept_ra, privacy, forwarding)
    assert (found.sysctls["accept_ra"], found.sysctls["autoconf"], found.sysctls["use_tempaddr"]) == expected
    assert found.accepts_ra is accept_ra


@pytest.mark.parametrize(
    ("addresses", "routes", "reason"),
    [
        (["2001:db8::80/64", "2001:db8::80/128"], [], "two prefix lengths"),
        (["2001:db8::80/64", {"address": "2001:db8::80/64", "deprecated": True}], [], "twice, deprecated and not"),
        (
            ["2001:db8::80/64"],
            [{"to": "2001:db8:1::/48", "via": "fe80::1"}, {"to": "2001:db8:1::/48", "via": "fe80::2"}],
            "twice with metric 1024",
        ),
        (["2001:db8::80/64"], [{"to": "2001:db8:1::/48", "via": "2001:db8::80"}], "this host itself"),
    ],
)
def test_contradictions(addresses, routes, reason):
    with pytest.raises(RolloutError, match=reason):
        wish(*addresses, routes=routes)


def test_what_is_there_twice_counts_once():
    route = {"to": "2001:db8:1::/48", "via": "fe80::1"}
    found = wish("2001:db8::80/64", "2001:DB8::80/64", routes=[route, dict(route)])
    assert len(found.addresses) == 1
    assert len(found.routes) == 1
    assert [one.to for one in found.all_routes] == ["default", "2001:db8:1::/48"]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2001:db8::/48", "fe80::1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["to", "via", "metric", "address", "deprecated"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=6,
)


@given(anything, anything, anything)
def test_nothing_ends_in_a_traceback(address, gateway, route):
    for call in (
        lambda: core.wanted_address(address),
        lambda: core.gateway_address(gateway, []),
        lambda: core.wanted_route(route, []),
    ):
        try:
            call()
        except RolloutError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("words", "expires", "expected"),
    [
        ("default via fe80::1 dev eth0 metric 1024", False, ("default", "fe80::1", "eth0", 1024, False)),
        ("default via fe80::1 dev eth0 proto ra metric 100", True, ("default", "fe80::1", "eth0", 100, True)),
        ("2001:db8::/64 dev eth0 proto kernel metric 256", False, ("2001:db8::/64", "", "eth0", 256, False)),
        ("2001:db8::/64 dev eth0 proto kernel metric 256", True, ("2001:db8::/64", "", "eth0", 256, True)),
        ("2001:db8::5 via fe80::1 dev eth0 onlink", False, ("2001:db8::5/128", "fe80::1", "eth0", 1024, False)),
    ],
)
def test_route_of(words, expires, expected):
    found = core.route_of(words, expires)
    assert (found.to, found.gateway, found.device, found.metric, found.learnt) == expected


@pytest.mark.parametrize(
    ("words", "to", "default", "nowhere"),
    [
        ("default via fe80::1 dev eth0", "default", True, False),
        ("default from 2001:db8:5::/64 via fe80::1 dev eth0", "default from 2001:db8:5::/64", False, False),
        ("unreachable default dev lo metric 4278198272", "default", False, True),
        ("blackhole 2001:db8:9::5 dev lo metric 1024", "2001:db8:9::5/128", False, True),
    ],
)
def test_kinds_of_routes(words, to, default, nowhere):
    route = core.route_of(words)
    assert (route.to, route.default, route.nowhere) == (to, default, nowhere)
