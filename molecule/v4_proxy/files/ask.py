# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a v4 proxy for what it must not give: ask.py ADDRESS NAME. Prints, and fails for, what it gave all the same."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import sys

PROXY, NAME = sys.argv[1:]
GOOD = f"Host: {NAME}\r\n"
ONE = f"GET /who HTTP/1.1\r\n{GOOD}\r\n"
# What is sent to port 80, and the status codes of the answers until the proxy closes.
HTTP = {
    f"GET /who HTTP/1.1\r\nHost: {NAME.upper()}.:80\r\nConnection: close\r\n\r\n": ["200"],
    "GET /who HTTP/1.1\r\nHost: nobody.example\r\n\r\n": ["421"],
    "GET /who HTTP/1.0\r\n\r\n": ["421"],
    "GET /who HTTP/1.1\r\nHost: [::1]\r\n\r\n": ["421"],
    f"GET /who HTTP/1.1\r\nHost: {PROXY}\r\n\r\n": ["421"],
    f"GET /who HTTP/1.1\r\nHost: {'a' * 9000}.example\r\n\r\n": ["421"],
    f"{ONE}GET /who HTTP/1.1\r\nHost: nobody.example\r\n\r\n{ONE}": ["200", "421"],
    f"CONNECT {NAME}:25 HTTP/1.1\r\nHost: {NAME}:25\r\n\r\n": ["405"],
    f"CONNECT 192.0.2.1:25 HTTP/1.1\r\n{GOOD}\r\n": ["400"],
    f"GET http://nobody.example/ HTTP/1.1\r\n{GOOD}\r\n": ["400"],
    "GET http://nobody.example/ HTTP/1.1\r\nHost: nobody.example\r\n\r\n": ["421"],
    f"GET /who HTTP/1.1\r\n{GOOD}Host: nobody.example\r\n\r\n": ["400"],
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": ["400"],
}
# Who asks for what on port 443, and whether anybody answers.
TLS = {NAME: True, NAME.upper(): True, "nobody.example": False, None: False}


def talk(port: int, parts: list[bytes], first: bool = False) -> bytes:
    """Send something, and return what comes until the other side closes, or the first of it."""
    answer = b""
    with socket.create_connection((PROXY, port), 10) as stream:
        stream.settimeout(20)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            for part in parts:
                stream.sendall(part)
            while part := stream.recv(65536):
                answer += part
                if first:
                    break
    return answer


def hello(name: str | None) -> bytes:
    """The first message of a TLS client."""
    inside, outside = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(inside, outside, server_hostname=name).do_handshake()
    return outside.read()


wrong = 0
for text, wanted in HTTP.items():
    found = re.findall(r"HTTP/1\.[01] (\d+)", talk(80, [text.encode()]).decode(errors="replace"))
    if found != wanted:
        print(f"{text[:100]!r}: {found}, not {wanted}")
        wrong += 1
for asked, served in TLS.items():
    data = hello(asked)
    for parts in ([data], [data[:3], data[3:60], data[60:]]):
        got = talk(443, parts, first=True)
        # 22: a handshake message, as a server's hello is; 21 would be an alert.
        if (got[:1] == b"\x16") != served or (got and not served):
            print(f"{asked}: {got[:20]!r}")
            wrong += 1
if talk(443, [b"EHLO example.com\r\n"]):
    print("plain text on port 443 was answered")
    wrong += 1
sys.exit(bool(wrong))
