# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers as a test wants it to, and one that stands between a client and a real server."""

from __future__ import annotations

import socket
import struct
import threading
import typing as t

Handler = t.Callable[[bytes], t.Optional[t.List[bytes]]]


def message(connection: socket.socket) -> bytes:
    """Receive one message; nothing where the connection ends."""
    head = _octets(connection, 2)
    return _octets(connection, struct.unpack("!H", head)[0]) if head else b""


def _octets(connection: socket.socket, length: int) -> bytes:
    octets = b""
    while len(octets) < length:
        part = connection.recv(length - len(octets))
        if not part:
            return b""
        octets += part
    return octets


def framed(octets: bytes) -> bytes:
    """Return a message as it goes over TCP."""
    return struct.pack("!H", len(octets)) + octets


class Fake:
    """Answers every message with what a function makes of it; None closes the connection and stops listening."""

    def __init__(self, handler: Handler, address: str = "127.0.0.1", answers: int = 0) -> None:
        """Listen; with ``answers`` a connection is closed after so many."""
        self._handler, self._answers = handler, answers
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Fake:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()
        self._thread.join(10)

    def _serve(self) -> None:
        self._listener.settimeout(0.1)
        while True:
            try:
                connection, _peer = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            connection.settimeout(20)
            self._open.append(connection)
            done = 0
            try:
                while octets := message(connection):
                    done += 1
                    answers = self._handler(octets)
                    if answers is None:
                        self._listener.close()
                        connection.close()
                        return
                    for answer in answers:
                        connection.sendall(framed(answer))
                    if not answers or done == self._answers:
                        break
            except OSError:
                pass
            connection.close()


class Between:
    """Passes messages on to a real server, and lets a function spoil what it wants to."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port
        self._upstream: socket.socket | None = None

    def ask(self, octets: bytes) -> bytes:
        """Pass a message on, and return the answer."""
        if self._upstream is None:
            self._upstream = socket.create_connection((self._address, self._port), 20)
        self._upstream.sendall(framed(octets))
        return message(self._upstream)

    def close(self) -> None:
        """Close the connection to the real server."""
        if self._upstream is not None:
            self._upstream.close()
