# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail client of the lab machine: say who greets at a port, speak for a proxy, or keep a session open.

client.py greet ADDRESS PORT | proxy SOURCE ADDRESS PORT | hold ADDRESS FILE | end FILE...
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import time

TLS_PORTS = (993, 995)


def tls(plain: socket.socket) -> ssl.SSLSocket:
    """Speak TLS; the lab has no certificate that anybody knows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain)


def greet(address: str, port: int) -> str:
    """Return the first line of a server, or "none" where nobody listens."""
    try:
        plain = socket.create_connection((address, port), 5)
        with tls(plain) if port in TLS_PORTS else plain as connection:
            return (connection.recv(200).decode().splitlines() or ["none"])[0]
    except OSError:
        return "none"


def proxy(source: str, address: str, port: int) -> None:
    """Speak the PROXY protocol for a client with the address 192.0.2.77."""
    plain = socket.create_connection((address, port), 5, (source, 0))
    plain.sendall(b"PROXY TCP4 192.0.2.77 192.0.2.25 40000 993\r\n")
    with tls(plain) as connection:
        print(connection.recv(200).decode().splitlines()[0])


def hold(address: str, path: str) -> None:
    """Keep a session open and busy until somebody wants its end. The file has the number of answers so far."""
    number = 0
    try:
        with tls(socket.create_connection((address, 993), 5)) as connection:
            stream = connection.makefile("rwb", buffering=0)
            stream.readline()
            while not os.path.exists(f"{path}.stop"):
                command = b"NOOP" if number else b"LOGIN tester only-for-this-test"
                stream.write(b"a%d %s\r\n" % (number, command))
                line = b"*"
                while not line.startswith(b"a%d " % number):
                    line = stream.readline()
                    if not line:
                        raise ConnectionResetError
                if b" OK " not in line:
                    raise ConnectionRefusedError
                number += 1
                write(path, str(number))
                time.sleep(0.1)
        write(f"{path}.end", "kept")
    except OSError as error:
        write(f"{path}.end", f"lost after {number} answers: {error!r}")


def write(path: str, text: str) -> None:
    """Write a file in one piece."""
    with open(f"{path}.new", "w", encoding="ascii") as stream:
        stream.write(text)
    os.rename(f"{path}.new", path)


def answers(path: str) -> int:
    """Return how many answers a session had so far, 0 where it is over."""
    try:
        with open(path, encoding="ascii") as stream:
            return int(stream.read())
    except FileNotFoundError:
        return 0


def end(path: str) -> None:
    """Ask a session to end once it had more answers than Dovecot takes to end it after a reload; print how it went."""
    limit = time.monotonic() + 60
    before = answers(path)
    while not os.path.exists(f"{path}.end") and answers(path) < before + 80 and time.monotonic() < limit:
        time.sleep(0.05)
    write(f"{path}.stop", "")
    while not os.path.exists(f"{path}.end") and time.monotonic() < limit:
        time.sleep(0.05)
    with open(f"{path}.end", encoding="ascii") as stream:
        print(stream.read())
    for name in (path, f"{path}.stop", f"{path}.end"):
        os.unlink(name)


def main(what: str, *args: str) -> None:
    """Do what the first argument says."""
    if what == "greet":
        for port in args[1:]:
            print(greet(args[0], int(port)))
    elif what == "proxy":
        proxy(args[0], args[1], int(args[2]))
    elif what == "hold":
        hold(args[0], args[1])
    else:
        for path in args:
            end(path)


if __name__ == "__main__":
    main(*sys.argv[1:])
