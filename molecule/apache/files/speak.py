# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""speak.py CASES: each case a request from a source to an address, behind a PROXY header or none; prints the answers.

An answer is the status, or "closed" where none came.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import struct
import sys

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def header(version: int, client: str) -> bytes:
    """Say that a client came from an address, as a proxy does."""
    if not version:
        return b""
    family = ipaddress.ip_address(client).version
    server = "192.0.2.80" if family == 4 else "2001:db8::80"
    if version == 1:
        return f"PROXY TCP{family} {client} {server} 40000 80\r\n".encode()
    packed = ipaddress.ip_address(client).packed + ipaddress.ip_address(server).packed + struct.pack("!HH", 40000, 80)
    return SIGNATURE + bytes([0x21, 0x11 if family == 4 else 0x21]) + struct.pack("!H", len(packed)) + packed


def ask(case: dict[str, object]) -> str:
    """Return the status of one request."""
    said = header(int(case.get("version", 0)), str(case.get("client", "")))
    text = f"GET {case['path']} HTTP/1.0\r\nHost: {case.get('host', 'www.example.com')}\r\n\r\n"
    got = b""
    try:
        with socket.create_connection((case["to"], 80), timeout=10, source_address=(case["source"], 0)) as stream:
            stream.sendall(said + text.encode())
            while piece := stream.recv(65536):
                got += piece
    except OSError as error:
        return "cut off" if got else type(error).__name__
    return got.split()[1].decode() if got else "closed"


print(json.dumps([ask(case) for case in json.loads(sys.argv[1])]))
