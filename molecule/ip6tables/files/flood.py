# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send datagrams to one port as fast as it goes, until the file named last is there or the time is over.

flood.py SOURCE DESTINATION PORT SECONDS STOPFILE; prints how many were sent.
"""

from __future__ import annotations

import os
import socket
import sys
import time


def main() -> None:
    """Send."""
    source, destination, port, seconds, stop = sys.argv[1:]
    end = time.monotonic() + float(seconds)
    sent = 0
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        while time.monotonic() < end and not os.path.exists(stop):
            for _round in range(100):
                try:
                    sender.sendto(b"flood", (destination, int(port)))
                    sent += 1
                except OSError:  # what the other side says of the packet before
                    continue
    print(sent)


main()
