# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule sets loaded for real, in a network namespace of their own that goes with the program.

Called as a program inside of the namespace, it makes the ipsets, which needs the kernel alone and no ipset program.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import struct
import subprocess
import sys
import typing as t

TOOLS = {
    4: ("iptables-nft-restore", "iptables-legacy-restore"),
    6: ("ip6tables-nft-restore", "ip6tables-legacy-restore"),
}
TRY = "*filter\n-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT\nCOMMIT\n"


def load(tool: str, rules: str, sets: t.Iterable[str] = (), *options: str) -> str:
    """Load a rule set and return what the tool complains about; an empty text where all is well."""
    family = "6" if "6" in tool else "4"
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-I", __file__, family, ",".join(sets), tool, *options],
        input=rules.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return f"{tool} ended with {done.returncode}: {done.stdout.decode()}" if done.returncode else ""


@functools.lru_cache(None)
def missing(tool: str, sets: str = "") -> str:
    """Say why rule sets can't be loaded with a tool here; an empty text where they can."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "loading rules needs root and the program unshare"
    if not shutil.which(tool):
        return f"there is no {tool} on this machine"
    try:
        error = load(tool, TRY, [sets] if sets else [])
    except subprocess.TimeoutExpired:
        return f"{tool} does not come to an end here"
    return f"this machine can't load rules: {error.strip()}" if error else ""


def create_set(name: str, family: int) -> None:
    """Make an ipset of the type hash:ip, by the kernel's own protocol (include/uapi/linux/netfilter/ipset)."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as kernel:
        error = 0
        for revision in range(8):
            attributes = (
                struct.pack("HHBxxx", 5, 1, 6)
                + _padded(2, name.encode() + b"\0")
                + _padded(3, b"hash:ip\0")
                + struct.pack("HHBxxx", 5, 4, revision)
                + struct.pack("HHBxxx", 5, 5, family)
                + struct.pack("HH", 4, 7 | 0x8000)
            )
            body = struct.pack("BBH", family, 0, 0) + attributes
            kernel.send(struct.pack("IHHII", 16 + len(body), 6 << 8 | 2, 0x5 | 0x400, revision, 0) + body)
            error = -struct.unpack_from("i", kernel.recv(8192), 16)[0]
            if not error:
                return
        raise OSError(error, f"the kernel makes no ipset {name}: {os.strerror(error) if error < 4096 else error}")


def _padded(kind: int, data: bytes) -> bytes:
    return struct.pack("HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


if __name__ == "__main__":
    for one in filter(None, sys.argv[2].split(",")):
        create_set(one, socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET)
    os.execvp(sys.argv[3], sys.argv[3:])
