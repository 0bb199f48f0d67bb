# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name server as a keeper of zone files: what BIND, NSD and Knot DNS have in common.

None of them is stopped or started for a new zone or a new content. A zone that fails to load leaves the old one served.
"""

from __future__ import annotations

import os
import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, probe_dns
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.named_conf import Zone

PATIENCE = 60.0  # seconds until a server must serve what it was told to load; a million records take some twenty
PAUSE = 0.1
DROP_IN = "ipv6-rollout.conf"
FOLDER = "ipv6-rollout"
CHECK_TIME = 600.0


class NameServer:
    """What the three have in common. ``config`` is the path of the main configuration file."""

    package = ""
    default_config = ""

    def __init__(self, config: str = "") -> None:
        self.config = config or self.default_config
        self.home = os.path.dirname(self.config)
        if not os.path.isfile(self.config):
            raise RolloutError(
                f"config: {shown(self.config)} is not there; install the Debian package {self.package}, or name the "
                "configuration file that the server uses"
            )

    @property
    def drop_in(self) -> str:
        """The file that declares the zones that this collection made."""
        return f"{self.home}/{DROP_IN}"

    def including(self) -> str:
        """Return the file that the line which includes the drop-in belongs into; empty where none is needed."""
        return self.config

    @property
    def include_line(self) -> str:
        """The line that includes the drop-in."""
        raise NotImplementedError

    def new_file(self, zone: str) -> str:
        """Return the path for a zone that has no file yet."""
        return f"{self.home}/{FOLDER}/{zone.rstrip('.').replace('/', '_')}.zone"

    def names(self) -> t.Collection[str]:
        """Return the names of all zones that the configuration declares."""
        raise NotImplementedError

    def declared(self, name: str) -> t.List[Zone]:
        """Return how a zone is declared, once for each view that it is in."""
        raise NotImplementedError

    def shared(self, path: str) -> t.Set[str]:
        """Return the names of the zones that have a file, as far as that is known without much work."""
        return set()

    def check_new(self, zone: str) -> None:
        """Refuse a zone that could not be declared."""

    # What stands at the head of the drop-in.
    drop_in_head = ""

    def declaration(self, zone: str, path: str) -> str:
        """Return the text that declares a zone."""
        raise NotImplementedError

    # Where relative names in a zone file begin: here, or where this is empty, in the folder of the file.
    directory = ""

    def check_zone(self, zone: str, path: str) -> t.List[str]:
        """Have the server's own checker read a zone file; return its warnings, raise where it refuses.

        Files that it includes are where they should be, seen from the folder that it is in.
        """
        raise NotImplementedError

    def check_config(self) -> None:
        """Have the server's own checker read the configuration."""
        raise NotImplementedError

    def unreachable(self) -> str:
        """Say why the server cannot be told to load something; nothing where it can."""
        raise NotImplementedError

    def serial(self, zone: str, view: str) -> t.Optional[int]:
        """Return the serial number that the server serves a zone with, or None."""
        raise NotImplementedError

    def reconfigure(self) -> None:
        """Make the server read its configuration again; zones that it has stay served."""
        raise NotImplementedError

    def reload(self, zone: str, view: str) -> None:
        """Make the server read one zone file again."""
        raise NotImplementedError

    def wait(self, zone: str, view: str, serial: t.Optional[int], patience: float = PATIENCE) -> None:
        """Wait until a zone is served with a serial number, or a later one; None: until it is gone.

        A server that signs a zone by itself counts on from the number in the file.
        """
        end = time.monotonic() + patience
        found = self.serial(zone, view)
        while not is_served(found, serial):
            if time.monotonic() > end:
                served = "does not serve it" if found is None else f"serves it with the serial {found}"
                wanted = "was told to forget it" if serial is None else f"should have loaded {serial}"
                raise RolloutError(f"after {patience:g} s the server {served}, and {wanted}; its log says why")
            time.sleep(PAUSE)
            found = self.serial(zone, view)

    def _checked(self, argv: t.Sequence[str], zone: str, folder: t.Optional[str] = None) -> str:
        done = commands.run(argv, timeout=CHECK_TIME, folder=folder)
        if done.rc != 0:
            said = "; ".join((done.out + done.err).split("\n")[:6]).strip("; ")
            raise RolloutError(f"zone {zone}: {os.path.basename(argv[0])} refuses it, so nothing is changed: {said}")
        return done.out + done.err


def is_served(found: t.Optional[int], serial: t.Optional[int]) -> bool:
    """Whether what is served is what is wanted, or later (RFC 1982)."""
    if found is None or serial is None:
        return found is serial
    return (found - serial) % (1 << 32) < 1 << 31


def served_serial(zone: str, address: str, port: int) -> t.Optional[int]:
    """Ask a server for the SOA record of a zone over UDP; return its serial number, or None where there is none."""
    message = probe_dns.question(zone, "SOA", 1)
    address = {"0.0.0.0": "127.0.0.1", "::0": "::1", "::": "::1"}.get(address, address)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(2.0)
        try:
            client.sendto(message, (address, port))
            answer = client.recv(4096)
            flags, _questions, answers = struct.unpack_from("!3H", answer, 2)
            if flags & 0xF or not answers:
                return None
            offset = _after(answer, len(message)) + 10  # owner, type, class, TTL, length
            return int(struct.unpack_from("!I", answer, _after(answer, _after(answer, offset)))[0])
        except (OSError, struct.error, IndexError):
            return None


def _after(wire: bytes, offset: int) -> int:
    """Return where a name in a message ends."""
    while wire[offset]:
        if wire[offset] >= 0xC0:
            return offset + 2
        offset += 1 + wire[offset]
    return offset + 1
