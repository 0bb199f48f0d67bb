# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may ask of a tunnel, and in what words it is refused."""

from __future__ import annotations

import copy
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.tunnel_given import (
    KEY,
    KINDS,
    PEM,
    SECRET,
    SERVER,
    SIT,
    WIREGUARD,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))


@pytest.mark.parametrize("name", KINDS)
def test_what_is_given_is_not_changed(name):
    before = copy.deepcopy(KINDS[name])
    tunnel.wanted(KINDS[name])
    assert KINDS[name] == before


@pytest.mark.parametrize(
    ("name", "mtu", "port", "proto"),
    [("server", 1420, 1194, "udp"), ("client", 1420, 1194, "udp"), ("6in4", 1280, 0, ""), ("wireguard", 1420, 0, "")],
)
def test_defaults(name, mtu, port, proto):
    wish = tunnel.wanted(KINDS[name])
    assert (wish.mtu, wish.port, wish.proto) == (mtu, port, proto)


def test_canonical_form():
    wish = tunnel.wanted({**SIT, "addresses": ["2001:0DB8:FEED::0002/64"], "routes": ["2000::/3", "2000:0::/3"]})
    assert wish.addresses == ("2001:db8:feed::2/64",)
    assert wish.routes == ("2000::/3",)


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("6in4", {"kind": "gre"}, "kind: 'gre' is none of openvpn, 6in4, wireguard"),
        ("6in4", {"role": "server"}, "role: 'server' is for openvpn only"),
        ("server", {"role": None}, "is neither server nor client"),
        ("6in4", {"name": "a-name-that-is-too-long"}, "is no name for a tunnel"),
        ("6in4", {"name": "all"}, "is no name for a tunnel"),
        ("6in4", {"name": "../x"}, "is no name for a tunnel"),
        ("6in4", {"local": None}, "local: it is missing"),
        ("6in4", {"addresses": []}, "addresses: it is missing"),
        ("6in4", {"peers": [{}]}, "peers: a tunnel of kind 6in4 has no use for it"),
        ("6in4", {"key": SECRET}, "key: a tunnel of kind 6in4 has no use for it"),
        ("6in4", {"local": "2001:db8::1"}, "both outer addresses are IPv4"),
        ("6in4", {"remote": "tunnel.example.com"}, "both outer addresses are IPv4"),
        ("6in4", {"remote": "224.0.0.1"}, "can't be an end of a tunnel"),
        ("6in4", {"remote": "192.0.2.10"}, "is the local end as well"),
        ("6in4", {"addresses": ["2001:db8::2"]}, "is no IPv6 address with a prefix length"),
        ("6in4", {"addresses": ["192.0.2.1/24"]}, "is no IPv6 address with a prefix length"),
        ("6in4", {"addresses": ["fe80::1/64"]}, "can't be a tunnel's address"),
        ("6in4", {"addresses": ["::ffff:192.0.2.1/96"]}, "can't be a tunnel's address"),
        ("6in4", {"addresses": ["2001:db8::/64"]}, "subnet-router anycast"),
        ("6in4", {"routes": ["2001:db8::1/64"]}, "without host bits"),
        ("6in4", {"routes": ["0.0.0.0/0"]}, "is no IPv6 prefix"),
        ("6in4", {"routes": ["fe80::/10"]}, "nothing can be routed to it"),
        ("6in4", {"routes": ["fec0::/64"]}, "nothing can be routed to it"),
        ("6in4", {"routes": ["ff00::/8"]}, "nothing can be routed to it"),
        ("6in4", {"routes": ["8000::/1"]}, "nothing can be routed to it"),
        ("6in4", {"routes": ["::1/128"]}, "nothing can be routed to it"),
        ("6in4", {"addresses": ["fec0::1/64"]}, "can't be a tunnel's address"),
        ("6in4", {"addresses": ["2001:db8::1/0"]}, "puts more than a /48 on the tunnel"),
        ("6in4", {"addresses": ["2001:db8:1::1/64", "2001:db8:1::1/48"]}, "'2001:db8:1::1' is there twice"),
        ("6in4", {"name": "tun"}, "is no name for a tunnel"),
        ("6in4", {"name": "tap"}, "is no name for a tunnel"),
        ("server", {"network": "fe80::/64"}, "network: 'fe80::/64' is not all global"),
        ("server", {"network": "ff05::/64"}, "network: 'ff05::/64' is not all global"),
        ("server", {"network": "64:ff9b::/96"}, "neither global nor unique local"),
        ("server", {"certificate": f"{PEM}\n{SECRET}"}, "certificate: there is more in it than certificates"),
        ("server", {"ca": SECRET}, "ca: there is more in it than certificates"),
        ("server", {"ca": PEM.replace("AAAA", "AA\x00AA")}, "ca: there is a control character in it"),
        ("6in4", {"mtu": 1500}, "mtu: 1500 is not from 1280 to 1480"),
        ("6in4", {"mtu": 1279}, "is not from 1280 to 1480"),
        ("server", {"mtu": 1501}, "is not from 1280 to 1500"),
        ("server", {"network": "2001:db8::/48"}, "network: '2001:db8::/48' is no prefix of 64 to 124 bits"),
        ("server", {"network": "2001:db8::/125"}, "is no prefix of 64 to 124 bits"),
        ("server", {"clients": []}, "clients: it is missing"),
        ("server", {"key": None}, "needs either key or key_file"),
        ("server", {"key_file": "/k"}, "needs either key or key_file"),
        ("server", {"ca": "etc/ca.crt"}, "ca: there is no '-----BEGIN ...' block"),
        ("server", {"ca": "/etc/ca crt"}, "is no absolute path"),
        ("server", {"port": 65536}, "is no port"),
        ("server", {"local": "tunnel.example.com"}, "local: 'tunnel.example.com' is no address"),
        ("server", {"local": "192.0.2.1", "proto": "udp6"}, "is an IPv4 address, and proto is udp6"),
        ("client", {"remote": "2001:db8::1", "proto": "udp4"}, "is an IPv6 address, and proto is udp4"),
        ("client", {"remote": "a b"}, "is no host name and no address"),
        ("client", {"remote": "x\nscript-security 2"}, "is no host name and no address"),
        ("client", {"server_name": 'x" y'}, "is no common name"),
        ("client", {"clients": SERVER["clients"]}, "clients: a tunnel of kind openvpn client has no use for it"),
        ("wireguard", {"routes": ["2000::/3"]}, "routes: a tunnel of kind wireguard has no use for it"),
        ("wireguard", {"key": "short"}, "key: this is no WireGuard key"),
    ],
)
def test_refused(name, change, reason):
    with pytest.raises(RolloutError) as caught:
        tunnel.wanted({**KINDS[name], **change})
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("clients", "reason"),
    [
        ([{"name": "../../x", "address": "2001:db8:12:ff::10"}], "is no common name"),
        ([{"name": "a", "address": "2001:db8:12:ff::10/64"}], "write it without a length"),
        ([{"name": "a", "address": "2001:db8:13::10"}], "is not in 2001:db8:12:ff::/64"),
        ([{"name": "a", "address": "2001:db8:12:ff::1"}], "or the server's own"),
        ([{"name": "a", "address": "2001:db8:12:ff::5"}] * 2, "clients: name: 'a' is there twice"),
        (
            [{"name": "a", "address": "2001:db8:12:ff::5"}, {"name": "b", "address": "2001:db8:12:ff:0::5"}],
            "clients: address: '2001:db8:12:ff::5' is there twice",
        ),
        ([{"name": "a", "address": "2001:db8:12:ff::5", "routed": ["2001:db8:12::/48"]}], "overlaps"),
        (
            [
                {"name": "a", "address": "2001:db8:12:ff::5", "routed": ["2001:db8:12:1::/64"]},
                {"name": "b", "address": "2001:db8:12:ff::6", "routed": ["2001:db8:12:1::/64"]},
            ],
            "a prefix leads to one place only",
        ),
    ],
)
def test_clients_that_are_refused(clients, reason):
    with pytest.raises(RolloutError) as caught:
        tunnel.wanted({**SERVER, "clients": clients})
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        ({"allowed": []}, "nothing could pass"),
        ({"allowed": ["192.0.2.0/24"]}, "is no IPv6 prefix"),
        ({"public_key": "x"}, "peers: public_key: this is no WireGuard key"),
        ({"preshared_key": "x"}, "peers: preshared_key: this is no WireGuard key"),
        ({"endpoint": "198.51.100.1"}, "has no port"),
        ({"endpoint": "a.example:²"}, "has no port"),
        ({"endpoint": "a.example:99999"}, "is no port"),
        ({"public_key": KEY[:-2] + chr(ord(KEY[-2]) + 1) + "="}, "this is no WireGuard key"),
        ({"endpoint": "2001:db8::1:51820"}, "write an IPv6 address in brackets"),
        ({"endpoint": "[2001:db8:12::1]:51820"}, "the tunnel would run in itself"),
        ({"keepalive": 65536}, "is no number of seconds"),
    ],
)
def test_peers_that_are_refused(peer, reason):
    with pytest.raises(RolloutError) as caught:
        tunnel.wanted({**WIREGUARD, "peers": [{**WIREGUARD["peers"][0], **peer}]})
    assert reason in str(caught.value)


@pytest.mark.parametrize("option", ["key", "tls_crypt"])
@pytest.mark.parametrize("name", ["server", "wireguard"])
def test_no_secret_in_a_message(name, option):
    with pytest.raises(RolloutError) as caught:
        tunnel.wanted({**KINDS[name], option: "Zm9vYmFy-the-secret"})
    assert "the-secret" not in str(caught.value)


@pytest.mark.parametrize("option", ["key_file", "ca", "certificate"])
@pytest.mark.parametrize("value", [KEY, f"/{KEY}", SECRET, f"/{SECRET}"])
def test_a_key_in_the_wrong_place_is_not_shown(option, value):
    change = {"key": None} if option == "key_file" else {}
    with pytest.raises(RolloutError) as caught:
        tunnel.wanted({**KINDS["server"], **change, option: value})
    assert KEY not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    name=st.sampled_from(sorted(KINDS)),
    option=st.sampled_from(
        [
            "name",
            "local",
            "remote",
            "network",
            "addresses",
            "routes",
            "ca",
            "key",
            "key_file",
            "server_name",
            "mtu",
            "port",
        ]
    ),
    value=st.one_of(
        st.text(max_size=30),
        st.text("0123456789abcdef:./%", max_size=30),
        st.integers(),
        st.ip_addresses().map(str),
        st.ip_addresses(v=6).map(lambda address: f"{address}/64"),
    ),
)
def test_anything_is_taken_or_refused_in_words(name, option, value):
    """And no text that was taken can end the line that it is written in."""
    listed = [value] if option in ("addresses", "routes") else value
    try:
        wish = tunnel.wanted({**KINDS[name], option: listed})
    except RolloutError as error:
        assert str(error)
    else:
        single = [wish.name, wish.local, wish.remote, wish.network, wish.key_file, wish.server_name]
        assert not [text for text in (*single, *wish.addresses, *wish.routes) if set(text) & set("\n\r\"'\\ ;#")]
