# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel of each kind, as its tests start from it."""

from __future__ import annotations

import base64

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
SECRET = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"
KEY, OTHER = (base64.b64encode(bytes([octet] * 32)).decode() for octet in (1, 2))
SERVER = {
    "kind": "openvpn",
    "name": "tun6",
    "role": "server",
    "network": "2001:db8:12:ff::/64",
    "clients": [{"name": "lab1", "address": "2001:db8:12:ff::10", "routed": ["2001:db8:12:fe::/64"]}],
    "routes": ["2001:db8:12::/48"],
    "ca": PEM,
    "certificate": PEM,
    "key": SECRET,
}
CLIENT = {
    "kind": "openvpn",
    "name": "tun6",
    "role": "client",
    "remote": "tunnel.example.com",
    "ca": "/etc/ssl/tunnel/ca.crt",
    "certificate": "/etc/ssl/tunnel/lab1.crt",
    "key_file": "/etc/ssl/private/lab1.key",
}
SIT = {
    "kind": "6in4",
    "name": "tun6",
    "local": "192.0.2.10",
    "remote": "198.51.100.1",
    "addresses": ["2001:db8:feed::2/64"],
    "routes": ["2000::/3"],
}
WIREGUARD = {
    "kind": "wireguard",
    "name": "wg6",
    "addresses": ["2001:db8:feed::2/64"],
    "key": KEY,
    "peers": [{"public_key": OTHER, "endpoint": "198.51.100.1:51820", "allowed": ["2001:db8:12::/48"]}],
}
KINDS = {"server": SERVER, "client": CLIENT, "6in4": SIT, "wireguard": WIREGUARD}
