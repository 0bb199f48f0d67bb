# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real sockets of every kind, in a network namespace that goes with the program, and what is told of them.

As a program under ``unshare --net`` it makes them, finds out by connecting which families each serves, looks, and
prints both as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import subprocess
import sys
import typing as t

# On each interface one address of IPv4, and one of IPv6.
ADDRESSES = {"eth0": ("192.0.2.1/24", "2001:db8::1/64"), "eth1": ("198.51.100.1/24", "2001:db8:1::1/64")}
LINK = "fe80::80"

V6ONLY, FREEBIND, REUSEPORT = "v6only", "freebind", "reuseport"
STRANGE = 'a ("b")] \\,pid=1'
"""A process may call itself so: 15 octets, which is what the kernel keeps."""

SHARED = "shared by two"

# name: (protocol, family of the socket, address, port, options, device)
SOCKETS: t.Dict[str, t.Tuple[str, int, str, int, t.Tuple[str, ...], str]] = {
    "v4 wildcard": ("tcp", 4, "0.0.0.0", 1001, (), ""),
    "v4 specific": ("tcp", 4, "192.0.2.1", 1002, (), ""),
    "v4 loopback": ("tcp", 4, "127.0.0.1", 1003, (), ""),
    "v6 mapped": ("tcp", 6, "::", 1004, (), ""),
    "v6 only": ("tcp", 6, "::", 1005, (V6ONLY,), ""),
    "v6 specific": ("tcp", 6, "2001:db8::1", 1006, (), ""),
    "v6 loopback": ("tcp", 6, "::1", 1007, (), ""),
    "v6 link-local": ("tcp", 6, LINK, 1008, (), "eth0"),
    "mapped bind": ("tcp", 6, "::ffff:192.0.2.1", 1009, (), ""),
    "mapped wildcard": ("tcp", 6, "::ffff:0.0.0.0", 1010, (), ""),
    "mapped loopback": ("tcp", 6, "::ffff:127.0.0.1", 1011, (), ""),
    "v4 on a device": ("tcp", 4, "0.0.0.0", 1012, (), "eth1"),
    "v6 on a device": ("tcp", 6, "::", 1013, (), "eth1"),
    "v6 only on lo": ("tcp", 6, "::", 1014, (V6ONLY,), "lo"),
    "freebind": ("tcp", 6, "2001:db8:ffff::1", 1015, (FREEBIND,), ""),
    "udp v4": ("udp", 4, "0.0.0.0", 1016, (), ""),
    "udp mapped": ("udp", 6, "::", 1017, (), ""),
    "udp v6 only": ("udp", 6, "::", 1018, (V6ONLY,), ""),
    "udp link-local": ("udp", 6, LINK, 546, (), "eth0"),
    "udp group": ("udp", 6, "ff02::fb", 5353, (), "eth0"),
    SHARED: ("tcp", 6, "::", 1020, (), ""),
    "reuseport": ("tcp", 4, "0.0.0.0", 1021, (REUSEPORT,), ""),
    "both at one port, v4": ("tcp", 4, "0.0.0.0", 1022, (), ""),
    "both at one port, v6": ("tcp", 6, "::", 1022, (V6ONLY,), ""),
}


def why_not() -> str:
    """Return why no sockets can be made here, in words, or an empty text."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return "making sockets of every kind needs root and the programs unshare and ip"
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    return f"this machine lets no network namespace be made: {done.stderr.decode()}" if done.returncode else ""


def run(path: str) -> t.Dict[str, t.Any]:
    """Run this program in a namespace of its own and return what it printed."""
    done = subprocess.run(
        ["unshare", "--net", sys.executable, __file__],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return json.loads(done.stdout)


def make(protocol: str, family: int, address: str, port: int, options: t.Tuple[str, ...], device: str) -> socket.socket:
    one = socket.socket(
        socket.AF_INET if family == 4 else socket.AF_INET6,
        socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM,
    )
    if family == 6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(V6ONLY in options))
    if FREEBIND in options:
        one.setsockopt(socket.IPPROTO_IP, 15, 1)
    if REUSEPORT in options:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    scoped = address.startswith(("fe80:", "ff02:"))
    if device and not scoped:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    place = (address, port) if family == 4 else (address, port, 0, socket.if_nametoindex(device) if scoped else 0)
    one.bind(place)
    if protocol == "tcp":
        one.listen(5)
    return one


def answers(family: int, address: str, port: int) -> bool:
    """Whether a client of a family gets a TCP connection from here."""
    with socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6) as client:
        client.settimeout(5)
        try:
            client.connect((address, port))
        except OSError:
            return False
        return True


def network() -> None:
    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, stdout=subprocess.DEVNULL)

    ip("link", "set", "lo", "up")
    for name, addresses in ADDRESSES.items():
        ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
        ip("link", "set", f"{name}p", "up")
        ip("link", "set", name, "up")
        for address in addresses:
            ip("addr", "add", address, "dev", name, *(["nodad"] if ":" in address else []))
    ip("addr", "add", f"{LINK}/64", "dev", "eth0", "nodad")


def served() -> t.Dict[str, t.Dict[str, bool]]:
    """Connect to each TCP socket that packets of the host itself reach, over each family."""
    places = [text.partition("/")[0] for addresses in ADDRESSES.values() for text in addresses]
    found = {}
    for name, (protocol, _family, _address, port, options, device) in SOCKETS.items():
        if protocol == "tcp" and not device and FREEBIND not in options:
            found[name] = {
                "ipv4": any(answers(4, place, port) for place in [*places, "127.0.0.1"] if ":" not in place),
                "ipv6": any(answers(6, place, port) for place in [*places, "::1"] if ":" in place),
            }
    return found


def holder(kept: t.Dict[str, socket.socket]) -> t.Tuple[int, int]:
    """Start a process that holds one of the sockets too, under an odd name; it ends when the pipe is closed."""
    until, ends = os.pipe()
    ready, started = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ends)
        for name, one in kept.items():
            if name != SHARED:
                one.close()
        ctypes.CDLL(None).prctl(15, STRANGE.encode())
        os.write(started, b"x")
        os.read(until, 1)
        os._exit(0)
    os.read(ready, 1)
    return child, ends


def main() -> None:
    network()
    kept = {name: make(*fields) for name, fields in SOCKETS.items()}
    kept["reuseport again"] = make(*SOCKETS["reuseport"])
    truth = served()
    child, ends = holder(kept)
    # What is no listener: a UDP socket that is connected, a TCP socket that is only bound, and a connection.
    others = [socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), socket.socket(socket.AF_INET)]
    others[0].connect(("2001:db8::1", 1017))
    others[1].bind(("0.0.0.0", 1030))
    others.append(socket.create_connection(("127.0.0.1", 1003)))
    # And a client that did not connect its socket: the kernel gives it a port.
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    sender.sendto(b"x", ("2001:db8::1", 1017))

    from ansible_collections.ipv6.rollout.plugins.module_utils import host, listeners, socket_diag

    def fails(*_words: object) -> t.NoReturn:
        raise OSError("no sock_diag")

    look = host.look(with_rules=True)
    ss = subprocess.run(["ss", "-H", "-lntupe"], capture_output=True, check=False).stdout if shutil.which("ss") else b""
    socket_diag.ask = fails
    print(
        json.dumps(
            {
                "look": look,
                "blind": listeners.look(),
                "truth": truth,
                "ss": ss.decode(errors="replace"),
                "pids": [os.getpid(), child],
                "client": sender.getsockname()[1],
            }
        )
    )
    os.close(ends)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main()
