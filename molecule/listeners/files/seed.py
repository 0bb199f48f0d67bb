# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets of every kind that wait for clients, and answer: seed.py SOCKETS.json READY."""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import socket
import sys

STRANGE = b'a ("b")] \\,pid=1'


def make(entry):
    """Make one socket as it is described."""
    ipv6 = ":" in entry["address"]
    one = socket.socket(
        socket.AF_INET6 if ipv6 else socket.AF_INET,
        socket.SOCK_STREAM if entry["protocol"] == "tcp" else socket.SOCK_DGRAM,
    )
    if ipv6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(entry.get("v6only", False)))
    if entry.get("freebind"):
        one.setsockopt(socket.IPPROTO_IP, 15, 1)
    if entry.get("reuseport"):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    device = entry.get("device", "")
    linked = entry["address"].startswith("fe80:")
    if device and not linked:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    rest = (0, socket.if_nametoindex(device) if linked else 0) if ipv6 else ()
    one.bind((entry["address"], entry["port"], *rest))
    if entry["protocol"] == "tcp":
        one.listen(50)
    return one


def main():
    """Make the sockets, say that they are there, and answer until the process is stopped."""
    with open(sys.argv[1], encoding="utf-8") as file:
        entries = json.load(file)
    ready = selectors.DefaultSelector()
    for entry in entries:
        for _copy in range(2 if entry.get("reuseport") else 1):
            one = make(entry)
            ready.register(one, selectors.EVENT_READ, entry["protocol"])
            if entry.get("shared") and os.fork() == 0:
                # A second process that holds this socket, too; systemd ends both.
                for key in list(ready.get_map().values()):
                    if key.fileobj is not one:
                        key.fileobj.close()
                ctypes.CDLL(None).prctl(15, STRANGE)
                selectors.DefaultSelector().select()
    # And a client that did not connect its socket: the kernel gives it a port.
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client.bind(("::", 0))
    with open(sys.argv[2], "w", encoding="ascii") as file:
        print(f"ready {client.getsockname()[1]}", file=file)
    while True:
        for key, _events in ready.select():
            if key.data == "tcp":
                key.fileobj.accept()[0].close()
            else:
                _text, address = key.fileobj.recvfrom(2000)
                key.fileobj.sendto(b"answer", address)


main()
