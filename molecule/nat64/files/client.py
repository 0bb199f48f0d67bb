# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the client: reaches a server by name over IPv6, and says what came back."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import urllib.request


def address(name: str, port: int, kind: int) -> tuple[str, int]:
    """Ask the resolver for IPv6 addresses alone."""
    return socket.getaddrinfo(name, port, socket.AF_INET6, kind)[0][4][:2]


def datagrams(name: str) -> list[int]:
    """Send datagrams of several sizes and return the sizes of those that came back whole."""
    found = []
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.settimeout(2)
        one.connect(address(name, 7007, socket.SOCK_DGRAM))
        for size in (1, 1400, 1472, 4000):
            sent = (bytes(range(256)) * 16)[:size]
            for _attempt in range(2):  # the first one may tell the server how large a packet can be
                one.send(sent)
                try:
                    back = one.recv(65535)
                except TimeoutError:
                    continue
                found += [size] if back == sent else []
                break
    return found


def error(name: str) -> str:
    """Return what becomes of a datagram to a port where nobody listens: an ICMP error, translated."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.settimeout(5)
        one.connect(address(name, 7008, socket.SOCK_DGRAM))
        one.send(b"nobody")
        try:
            one.recv(1)
        except OSError as raised:
            return type(raised).__name__
    return "nothing"


def main() -> None:
    """Print what was reached."""
    name = sys.argv[1]
    with urllib.request.urlopen(f"http://{name}/big", timeout=60) as answer:
        page = answer.read()
    ping = subprocess.run(["ping", "-6", "-c", "3", "-i", "0.2", name], capture_output=True, text=True, check=False)
    big = subprocess.run(["ping", "-6", "-c", "1", "-s", "1400", name], capture_output=True, text=True, check=False)
    found = {
        "address": address(name, 80, socket.SOCK_STREAM)[0],
        "sum": hashlib.sha256(page).hexdigest(),
        "ping": " 3 received" in ping.stdout,
        "ping of 1400 octets": " 1 received" in big.stdout,
        "datagrams": datagrams(name),
        "error": error(name),
    }
    print(json.dumps(found))


main()
