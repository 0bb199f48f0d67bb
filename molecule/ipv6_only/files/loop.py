# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client that goes on until FOLDER/stop appears: ``loop.py KIND TARGET FOLDER``, for two minutes at most.

``http``: one request after the other; ``udp``: one name lookup after the other, each over UDP, sent once;
``tls`` and ``ssh``: one session that is used again and again, and a new one where it is lost.
FOLDER/KIND has the number of good ones so far. In the end FOLDER/KIND.json tells how many went well, how many failed,
and for how long nothing went well.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

LIMIT = 120.0


def http_once(target, _state):
    client = http.client.HTTPConnection(target, 80, timeout=5)
    try:
        client.request("GET", "/")
        if client.getresponse().status != 200:
            raise OSError("no page")
    finally:
        client.close()


def udp_once(target, state):
    """Ask a name server for an AAAA record; the name changes, so that no cache answers for it."""
    state["n"] = state.get("n", 0) + 1
    name = "".join(chr(len(label)) + label for label in f"n{state['n']}.example.org".split(".")).encode() + b"\0"
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as link:
        link.settimeout(1)
        link.connect((target, 53))
        link.send(struct.pack(">6H", state["n"] & 65535, 0x100, 1, 0, 0, 0) + name + struct.pack(">2H", 28, 1))
        if link.recv(512)[3] & 15 not in (0, 3):
            raise OSError("no answer to the question")


def tls_once(target, state):
    """Say NOOP to an IMAP server, over the connection of before."""
    if "link" not in state:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection((target, 993), timeout=10)
        state["link"] = context.wrap_socket(raw, server_hostname=target)
        state["link"].recv(1000)
    try:
        state["link"].sendall(b"a NOOP\r\n")
        if not state["link"].recv(1000):
            raise OSError("closed")
    except OSError:
        state.pop("link").close()
        raise


def ssh_once(target, state):
    """Send a line through a session that is open, and get it back."""
    if "session" not in state:
        state["session"] = subprocess.Popen(
            ["ssh", *target.split(), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    session = state["session"]
    try:
        session.stdin.write(b"x\n")
        session.stdin.flush()
        if session.stdout.readline() != b"x\n":
            raise OSError("closed")
    except OSError:
        state.pop("session")
        session.kill()
        session.wait(5)
        raise


KINDS = {"http": http_once, "udp": udp_once, "tls": tls_once, "ssh": ssh_once}


def write(path, text):
    with open(f"{path}.new", "w", encoding="ascii") as handle:
        handle.write(text)
    os.rename(f"{path}.new", path)


def main():
    kind, target, folder = sys.argv[1:]
    path = os.path.join(folder, kind)
    state, good, failures, gap = {}, 0, [], 0.0
    end = time.monotonic() + LIMIT
    last = time.monotonic()
    while not os.path.exists(os.path.join(folder, "stop")) and time.monotonic() < end:
        try:
            KINDS[kind](target, state)
        except (OSError, http.client.HTTPException) as error:
            failures.append(f"{type(error).__name__} {error}")
        else:
            gap = max(gap, time.monotonic() - last)
            last = time.monotonic()
            good += 1
            write(path, str(good))
        time.sleep(0.02)
    if "session" in state:
        state["session"].kill()
        state["session"].wait(5)
    gap = max(gap, time.monotonic() - last)
    told = {"good": good, "failed": len(failures), "gap": round(gap, 2), "why": sorted(set(failures))[:3]}
    write(f"{path}.json", json.dumps(told))


main()
