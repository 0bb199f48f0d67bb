# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""UDP: ``echo.py serve PORT`` answers with what it gets and from whom; ``echo.py ask NAME PORT`` asks, over IPv6."""

from __future__ import annotations

import socket
import sys

WORD = b"x" * 1200


def serve(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("0.0.0.0", port))
        while True:
            data, peer = link.recvfrom(4096)
            link.sendto(peer[0].encode() + b" " + data, peer)


def ask(name, port):
    address = socket.getaddrinfo(name, port, socket.AF_INET6, socket.SOCK_DGRAM)[0][4]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as link:
        link.settimeout(5)
        link.connect(address)
        link.send(WORD)
        sender, _space, data = link.recv(4096).partition(b" ")
        print(address[0], sender.decode(), "whole" if data == WORD else f"{len(data)} octets")


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    ask(sys.argv[2], int(sys.argv[3]))
