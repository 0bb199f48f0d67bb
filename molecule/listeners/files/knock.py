# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knocks at every door that it reads as JSON, all at once, and prints by name which ones were opened."""

from __future__ import annotations

import json
import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def knock(door):
    """Whether somebody answers: a TCP connection is made, or a UDP datagram comes back."""
    host, _percent, device = door["address"].partition("%")
    scope = (0, socket.if_nametoindex(device) if device else 0) if ":" in host else ()
    kind = socket.SOCK_STREAM if door["protocol"] == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as client:
        client.settimeout(2)
        if door.get("source"):
            client.bind((door["source"], 0))
        for _try in range(1 if door["protocol"] == "tcp" else 2):
            try:
                client.connect((host, door["port"], *scope))
                if door["protocol"] == "udp":
                    client.send(b"question")
                    return client.recv(100) == b"answer"
                return True
            except TimeoutError:
                continue
            except OSError:
                return False
        return False


def main():
    """Read, knock, and tell."""
    doors = json.load(sys.stdin)
    with ThreadPoolExecutor(32) as pool:
        print(json.dumps([door["name"] for door, answered in zip(doors, pool.map(knock, doors)) if answered]))


main()
