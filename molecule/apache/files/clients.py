# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clients.py OUT ADDRESS...: ask each address for its page, one request at a time, until told to stop.

Then write what each of them saw: the requests, the failures, the breaks (failures in a row), and the longest time from
an answer to the next one.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time

LIMIT = 120.0  # seconds: nobody may forget it
STOP = threading.Event()


def answered(address: str) -> bool:
    """Get one page over a connection of its own."""
    try:
        with socket.create_connection((address, 80), timeout=5) as stream:
            stream.sendall(b"GET /?loop HTTP/1.0\r\nHost: www.example.com\r\n\r\n")
            got = b""
            while piece := stream.recv(65536):
                got += piece
    except OSError:
        return False
    return b" 200 OK\r\n" in got and got.endswith(b"answers\n")


def client(address: str, seen: dict[str, float]) -> None:
    """Ask until told to stop."""
    last = time.monotonic()
    was = True
    while not STOP.wait(0.005):
        good = answered(address)
        now = time.monotonic()
        seen["requests"] += 1
        seen["failures"] += not good
        seen["breaks"] += was and not good
        was = good
        if good:
            seen["longest"] = round(max(seen["longest"], now - last), 3)
            last = now


def main() -> None:
    """Run a client for each address."""
    out, addresses = sys.argv[1], sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_given: STOP.set())
    seen = {address: {"requests": 0, "failures": 0, "breaks": 0, "longest": 0.0} for address in addresses}
    clients = [threading.Thread(target=client, args=entry, daemon=True) for entry in seen.items()]
    for each in clients:
        each.start()
    end = time.monotonic() + LIMIT
    ready = False
    while not STOP.wait(0.05) and time.monotonic() < end:
        if not ready and all(entry["requests"] > 20 for entry in seen.values()):
            ready = True
            with open(f"{out}.ready", "w", encoding="ascii"):
                pass
    STOP.set()
    for each in clients:
        each.join(10)
    with open(out, "w", encoding="ascii") as stream:
        json.dump(seen, stream)


main()
