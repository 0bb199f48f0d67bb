# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds connections through a v4 proxy: hold.py ADDRESS NAME CERTIFICATE SSH_PORT.

Makes /run/hold.ready once they stand, waits for /run/hold.go, uses each of them again, and makes /run/hold.done.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import sys
import time
from pathlib import Path

PROXY, NAME, CERTIFICATE, SSH_PORT = sys.argv[1:]


class Direct(http.client.HTTPSConnection):
    """HTTPS to a name at an address that DNS does not know."""

    def connect(self) -> None:
        """Connect to the proxy."""
        plain = socket.create_connection((PROXY, 443), 10)
        self.sock = ssl.create_default_context(cafile=CERTIFICATE).wrap_socket(plain, server_hostname=NAME)


def page(connection: http.client.HTTPSConnection) -> str:
    """Get the page, over the connection that is there."""
    connection.request("GET", "/who")
    return connection.getresponse().read().decode()


web = Direct(NAME)
first = page(web)
local = web.sock.getsockname()
shell = socket.create_connection((PROXY, int(SSH_PORT)), 10)
banner = shell.recv(100)
if not banner.startswith(b"SSH-2.0"):
    sys.exit(f"no ssh: {banner!r}")
Path("/run/hold.ready").touch()
end = time.monotonic() + 300
while not os.path.exists("/run/hold.go"):
    if time.monotonic() > end:
        sys.exit("nobody said go")
    time.sleep(0.05)
second = page(web)
shell.sendall(b"SSH-2.0-hold\r\n")
shell.settimeout(10)
# The server's key exchange comes once it has our banner.
more = shell.recv(2000)
if (first, local) != (second, web.sock.getsockname()) or not more:
    sys.exit(f"{first!r} {second!r} {more!r}")
Path("/run/hold.done").write_text(second, encoding="utf-8")
