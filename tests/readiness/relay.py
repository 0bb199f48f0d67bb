# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for a name server that does something wrong, which no real one here can be made to do.

Runs on a machine of the lab (python3 relay.py MODE PORT SERVER): hands each question on and spoils some answers.

    nxdomain    a name without AAAA records does not exist (RFC 4074, section 4.2)
    no-long     TCP questions for TXT records are not answered
    no-checking the flags DO and CD are taken out, so that a DNS64 makes addresses for those who validate
"""

from __future__ import annotations

import socket
import socketserver
import struct
import sys
import threading

MODE, PORT, SERVER = sys.argv[1], int(sys.argv[2]), (sys.argv[3], 53)
AAAA, TXT = 28, 16


def question_end(message: bytes) -> int:
    """Return where the one question of a message ends."""
    place = 12
    while message[place]:
        place += 1 + message[place]
    return place + 5


def kind(message: bytes) -> int:
    """Return the type that is asked for."""
    return struct.unpack_from(">H", message, question_end(message) - 4)[0]


def asked(query: bytes) -> bytes:
    """Return the question as it is handed on."""
    if MODE != "no-checking":
        return query
    flags = struct.unpack_from(">H", query, 2)[0] & ~0x0010
    # Without what is additional there is no DO.
    return query[:2] + struct.pack(">HHHHH", flags, 1, 0, 0, 0) + query[12 : question_end(query)]


def spoilt(query: bytes, answer: bytes) -> bytes:
    """Return the answer as it is given back."""
    empty = answer[6:8] == b"\0\0" and answer[3] & 0x0F == 0
    if MODE == "nxdomain" and kind(query) == AAAA and empty:
        return answer[:3] + bytes([answer[3] & 0xF0 | 3]) + answer[4:]
    return answer


def over_udp(query: bytes) -> bytes:
    """Ask the real server over UDP."""
    with socket.socket(socket.AF_INET6 if ":" in SERVER[0] else socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.settimeout(3)
        server.sendto(asked(query), SERVER)
        return spoilt(query, server.recv(65535))


def over_tcp(query: bytes) -> bytes:
    """Ask the real server over TCP."""
    if MODE == "no-long" and kind(query) == TXT:
        return b""
    with socket.create_connection(SERVER, 3) as server, server.makefile("rb") as stream:
        message = asked(query)
        server.sendall(struct.pack(">H", len(message)) + message)
        return spoilt(query, stream.read(struct.unpack(">H", stream.read(2))[0]))


class Udp(socketserver.BaseRequestHandler):
    """A question in a datagram."""

    def handle(self) -> None:
        query, client = self.request
        client.sendto(over_udp(query), self.client_address)


class Tcp(socketserver.StreamRequestHandler):
    """Questions in a stream."""

    def handle(self) -> None:
        while len(head := self.rfile.read(2)) == 2:
            answer = over_tcp(self.rfile.read(struct.unpack(">H", head)[0]))
            if not answer:
                return
            self.wfile.write(struct.pack(">H", len(answer)) + answer)


class Both(socketserver.ThreadingMixIn):
    """A server of both families."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


class UdpServer(Both, socketserver.UDPServer):
    """Over UDP."""


class TcpServer(Both, socketserver.TCPServer):
    """Over TCP."""


threading.Thread(target=UdpServer(("::", PORT), Udp).serve_forever, daemon=True).start()
TcpServer(("::", PORT), Tcp).serve_forever()
