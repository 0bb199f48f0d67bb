# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services to be scanned: answers on every TCP and UDP port that is named, and writes down who came.

listen.py FILE tcp:2000 udp:53 ...; each line of FILE is a protocol, a port and a source.
"""

from __future__ import annotations

import selectors
import socket
import sys
import typing as t


def main() -> None:
    """Listen until the process is stopped."""
    with open(sys.argv[1], "w", encoding="ascii", buffering=1) as seen:
        serve(sys.argv[2:], seen)


def serve(services: list[str], seen: t.TextIO) -> None:
    """Answer on every port, and write down who came."""
    ready = selectors.DefaultSelector()
    for word in services:
        protocol, port = word.split(":")
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        listener = socket.socket(socket.AF_INET6, kind)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", int(port)))
        if protocol == "tcp":
            listener.listen(200)
        ready.register(listener, selectors.EVENT_READ, (protocol, port))
    print("listening", file=seen)
    while True:
        for key, _events in ready.select():
            protocol, port = key.data
            if protocol == "tcp":
                client, address = key.fileobj.accept()
                client.close()
            else:
                _text, address = key.fileobj.recvfrom(2000)
                key.fileobj.sendto(b"answer", address)
            print(protocol, port, address[0], file=seen)


main()
