# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fault is: what cuts a host off, or hinders the guard, while a change waits for its commit.

Each entry is a function of a random generator, so that a seed chooses its parameters. The scripts run on the target as
root, over ssh, with $peer and $port (the controller's end of the connection) and $device (the interface).
"""

from __future__ import annotations

import random
import typing as t
from dataclasses import dataclass, field

PREAMBLE = """\
set -- $SSH_CONNECTION; peer=${1#::ffff:}; port=$2
device=$(ip -o -4 route get "$peer" | sed -n 's/.* dev \\([^ ]*\\) .*/\\1/p')
"""
APPLIED = "\ntouch /run/fault-applied\n"


@dataclass
class Fault:
    """What is done to a host, and to the controller, between the arming and the commit."""

    sabotage: str
    files: t.List[str] = field(default_factory=list)
    services: t.List[str] = field(default_factory=list)
    # On the host, not over ssh: before it is recorded, and after it was restored.
    prepare: str = ""
    mend: str = ""
    # The controller and its connections are killed: once it was applied ("applied"), or so many seconds after arming.
    kill: t.Union[str, float, None] = None
    # Only its shared connections are killed.
    kill_connections: bool = False
    pause: int = 0
    # soft or hard: the host is restarted once it was applied.
    restart: str = ""
    twice: bool = False
    operators: int = 1

    @property
    def script(self) -> str:
        """The sabotage as the target runs it."""
        return PREAMBLE + self.sabotage + APPLIED


Random = random.Random
Maker = t.Callable[[Random], Fault]
CATALOGUE: t.Dict[str, Maker] = {}


def fault(name: str) -> t.Callable[[Maker], Maker]:
    """Enter a function into the catalogue."""

    def enter(maker: Maker) -> Maker:
        CATALOGUE[name] = maker
        return maker

    return enter


def both(rule: str) -> str:
    """Return a rule for both families."""
    return f"iptables {rule}; ip6tables {rule}"


def cut(rng: Random) -> str:
    """Return one of the ways that surely cut the host off."""
    return rng.choice(
        [
            both("-P INPUT DROP") + "; " + both("-F"),
            both("-I INPUT -j DROP"),
            both("-I OUTPUT ! -o lo -j DROP"),
            "ip link set $device down",
            "nft 'add table inet cut; add chain inet cut c { type filter hook input priority -300; policy drop; }'",
        ]
    )
