# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on the client: goes on until a file appears, and says what was lost meanwhile.

One download that is slow enough to be there all the time, pings and new connections one behind the other, and
questions to the name server.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request

STOP = "/run/enough"
LONGEST = 60.0


class Loop(threading.Thread):
    """Does one thing again and again, and keeps how often it failed and for how long at most."""

    def __init__(self, attempt) -> None:
        super().__init__()
        self.attempt = attempt
        self.done = self.failed = 0
        self.longest = 0.0

    def run(self) -> None:
        """Go on until it is enough."""
        good = time.monotonic()
        end = good + LONGEST
        while not os.path.exists(STOP) and time.monotonic() < end:
            try:
                self.attempt()
                self.longest = max(self.longest, time.monotonic() - good)
                good = time.monotonic()
            except OSError:
                self.failed += 1
            self.done += 1
        self.longest = max(self.longest, time.monotonic() - good)


def connect(address: str) -> None:
    """Open a connection and close it again."""
    with socket.create_connection((address, 80), timeout=1):
        pass


def echo(address: str) -> None:
    """Send a datagram and wait for it to come back."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.settimeout(0.3)
        one.connect((address, 7007))
        one.send(b"echo")
        one.recv(16)


def question(server: str, name: str) -> None:
    """Ask for the AAAA records of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\x00" + struct.pack(">HH", 28, 1)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.settimeout(0.3)
        one.connect((server, 53))
        one.send(query)
        answer = one.recv(512)
        if answer[3] & 15 or struct.unpack(">H", answer[6:8])[0] < 1:
            raise OSError("no answer")


def main() -> None:
    """Print what was lost."""
    address, server, name = sys.argv[1:]
    slow = subprocess.Popen(
        [
            "curl",
            "-6",
            "-sS",
            "--limit-rate",
            "1M",
            "-o",
            "/dev/null",
            "-w",
            "%{size_download}",
            f"http://[{address}]/big",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    loops = {
        "connections": Loop(lambda: connect(address)),
        "datagrams": Loop(lambda: echo(address)),
        "questions": Loop(lambda: question(server, name)),
    }
    for loop in loops.values():
        loop.start()
    print("running", file=sys.stderr, flush=True)
    for loop in loops.values():
        loop.join()
    found = {
        what: {"done": loop.done, "failed": loop.failed, "longest": round(loop.longest, 2)}
        for what, loop in loops.items()
    }
    found["download"] = int(slow.communicate(timeout=60)[0])
    with urllib.request.urlopen(f"http://[{address}]/", timeout=10) as answer:
        found["after"] = answer.status
    print(json.dumps(found))


main()
