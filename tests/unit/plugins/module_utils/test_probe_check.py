# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks as a user writes them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import probe, probe_check
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.test_plan_properties import EXAMPLES

GOOD = {"id": "x", "kind": "tcp", "family": "ipv6", "address": "2001:db8::1", "port": 80}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"address": "fe80::1%eth0"},
        {"source": "2001:db8::2", "name": "www.example.com", "host": "www.example.com:8080", "says": "a\nb"},
        {"host": "[2001:db8::1]"},
        {"host": "[2001:db8::1]:8080"},
        {"host": None, "path": None, "mtu": None},
        {"kind": "http", "path": "/a?b=%20&c#d", "agent": "audit/1 (x; y)"},
        {"kind": "dns", "host": "example.com"},
        {"kind": "dns", "host": "0/25.2.0.192.in-addr.arpa."},
        {"kind": "dns", "query": "EmcBAAABAAAAAAAABXd3d3d3AAABAAE=", "protocol": "tcp"},
        {"kind": "ports", "port": 0, "ports": [1, 65535]},
        {"kind": "race", "address": "", "addresses": ["2001:db8::1", "192.0.2.1"]},
        {"kind": "ra", "address": "", "port": 0, "interface": "eth0.5", "timeout": 10},
        {"kind": "mtu", "port": 0, "mtu": 1400},
        {"kind": "relay", "sender": "a@example.com", "recipient": "b+c@example.org"},
        {"family": "ipv4", "address": "192.0.2.1", "source": "192.0.2.2"},
    ],
)
def test_a_check_that_can_be_made(fields):
    made = probe_check.check({**GOOD, **fields})
    assert made.id == "x" and made.timeout > 0


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"port": 0}, "port 0"),
        ({"port": 65536}, "port 65536"),
        ({"port": "80"}, "port '80'"),
        ({"port": True}, "port True"),
        ({"kind": "gopher"}, "kind 'gopher' is none of tcp, "),
        ({"kind": ["tcp"]}, "kind ['tcp'] is not text"),
        ({"family": "ipv5"}, "family 'ipv5'"),
        ({"address": ""}, "neither an address nor a name"),
        ({"address": "www.example.com"}, "a name goes into 'name'"),
        ({"address": "192.0.2.1"}, "address '192.0.2.1' is not ipv6"),
        ({"address": "::ffff:192.0.2.1"}, "give 192.0.2.1 and family ipv4"),
        ({"address": 5}, "address 5 is not text"),
        ({"source": "192.0.2.1"}, "source '192.0.2.1' is not ipv6"),
        ({"source": "2001:db8::/64"}, "source '2001:db8::/64' is no IP address"),
        ({"name": "www.example.com\nx"}, "name "),
        ({"name": "bücher.example"}, "xn--"),
        ({"name": "a" * 64 + ".example"}, "label of more than 63"),
        ({"host": "www.example.com\r\nX: y"}, "host "),
        ({"host": "a b"}, "host 'a b'"),
        ({"path": "a"}, "begin it with /"),
        ({"path": "/a b"}, "%XX"),
        ({"path": "/\r\nX: y"}, "path "),
        ({"agent": "a\nb"}, "agent "),
        ({"sender": "a@example.com>\r\nDATA"}, "sender "),
        ({"recipient": "nobody"}, "recipient 'nobody'"),
        ({"kind": "dns", "query": "%%%"}, "is not base64"),
        ({"kind": "dns", "query": "AAAA"}, "12 to 65535 octets"),
        ({"kind": "dns", "host": "a b"}, "no name of a zone"),
        ({"kind": "http", "host": "a/b"}, "host 'a/b'"),
        ({"kind": "dns"}, "'host' must name the zone"),
        ({"protocol": "sctp"}, "protocol 'sctp' is none of udp, tcp, both"),
        ({"expect": "ajar"}, "expect 'ajar'"),
        ({"kind": "relay", "expect": "closed"}, "relay can't expect closed"),
        ({"kind": "mtu", "address": "fe80::1%eth0"}, "mtu takes no link-local address"),
        ({"timeout": 0}, "timeout 0"),
        ({"timeout": float("nan")}, "timeout nan"),
        ({"timeout": float("inf")}, "timeout inf"),
        ({"timeout": "5"}, "timeout '5'"),
        ({"timeout": 601}, "timeout 601"),
        ({"starttls": "yes"}, "starttls 'yes'"),
        ({"mtu": 1279}, "mtu 1279 is not a number from 1280 to 1500"),
        ({"mtu": 9000}, "mtu 9000"),
        ({"kind": "ports"}, "'ports' must list"),
        ({"kind": "ports", "ports": [0]}, "ports 0"),
        ({"kind": "ports", "ports": ["80"]}, "ports '80'"),
        ({"kind": "ports", "ports": 80}, "ports 80 is not a list"),
        ({"kind": "race"}, "'addresses' must list"),
        ({"kind": "race", "addresses": ["nowhere"]}, "addresses 'nowhere'"),
        ({"kind": "race", "addresses": ["192.0.2.1"] * 33}, "list of at most 32"),
        ({"kind": "mtu", "family": "ipv4", "address": "192.0.2.1"}, "mtu is about IPv6 alone"),
        ({"kind": "ra", "interface": "a/b"}, "interface 'a/b'"),
        ({"colour": "red"}, "knows no colour"),
    ],
)
def test_a_check_that_is_wrong_is_refused_with_a_way_out(fields, says):
    with pytest.raises(RolloutError) as refused:
        probe_check.check({**GOOD, **fields})
    assert says in str(refused.value) and "'x'" in str(refused.value)


@pytest.mark.parametrize("missing", ["id", "kind", "family"])
def test_what_every_check_needs(missing):
    with pytest.raises(RolloutError, match="needs id, kind and family"):
        probe_check.check({key: value for key, value in GOOD.items() if key != missing})


def test_every_kind_is_known_to_both():
    assert list(probe.KINDS) == list(probe_check.KINDS)


@pytest.mark.parametrize("patience", [-1, float("nan"), float("inf"), 3601])
def test_a_patience_without_end_is_refused(patience):
    with pytest.raises(RolloutError, match="patience"):
        probe.prove_all([], patience)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.dictionaries(st.sampled_from(probe.Check._fields), ANYTHING, max_size=4), st.sampled_from(probe_check.KINDS))
def test_nothing_that_a_user_writes_ends_in_a_traceback(fields, kind):
    try:
        made = probe_check.check({**GOOD, "kind": kind, **fields})
    except RolloutError:
        return
    assert made.kind in probe.KINDS
