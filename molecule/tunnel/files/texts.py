# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print, as JSON, the files of a 6in4 and a WireGuard tunnel for every back end, for the daemons' own checkers."""

from __future__ import annotations

import base64
import json
import sys

from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel, tunnel_texts

SIT = {
    "kind": "6in4",
    "name": "test6",
    "local": "192.0.2.10",
    "remote": "198.51.100.1",
    "addresses": ["2001:db8:feed::2/64", "2001:db8:feed::3/64"],
    "routes": ["2000::/3"],
}
WIREGUARD = {
    "kind": "wireguard",
    "name": "testwg",
    "addresses": ["2001:db8:feed::2/64"],
    "key": base64.b64encode(bytes(range(32))).decode(),
    "peers": [
        {
            "public_key": base64.b64encode(bytes(range(1, 33))).decode(),
            "preshared_key": base64.b64encode(bytes(range(2, 34))).decode(),
            "endpoint": "[2001:db8::1]:51820",
            "allowed": ["2001:db8:feed::/64", "2001:db8:1200::/48"],
            "keepalive": 25,
        }
    ],
}


def main() -> None:
    """Print them."""
    found = {}
    for given in (SIT, WIREGUARD):
        for backend in tunnel_texts.BACKENDS:
            files = tunnel_texts.files_of(tunnel.wanted(given), backend)
            found[f"{given['kind']} {backend}"] = {path: file.content.decode() for path, file in files.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
