# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packets that rules are asked about, and what an option may say of them."""

from __future__ import annotations

import functools
import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import PROTOCOLS
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import unquoted

PORTS = 65536
ALL_PORTS: Set = (0, PORTS)
CLIENT_PORTS: Set = (1024, PORTS)

BITS = {"ipv4": 32, "ipv6": 128}


class View(t.NamedTuple):
    """What all packets of a walk have in common, and the axis that their ports lie on.

    Each protocol has 65,536 places on the axis, one a port; for ICMP a place is ``256 * type + code``. After the
    packets that connection tracking sees come, in the same order, those that a rule hid from it. An empty interface
    is any but ``lo``; no destination is any address of the host.
    """

    family: str
    protocols: t.Tuple[int, ...]
    interface: str = ""
    destination: t.Optional[int] = None
    tracked: bool = True  # the raw table comes before connection tracking
    answer: bool = False  # from the host: its own end is the source, and the ports are those that it sends from

    @property
    def everyone(self) -> Set:
        """All addresses of the family."""
        return (0, 1 << BITS[self.family])

    @property
    def seen(self) -> int:
        """Where the packets end that connection tracking sees, and the hidden ones begin."""
        return PORTS * len(self.protocols)

    @property
    def axis(self) -> Set:
        """All places."""
        return (0, 2 * self.seen)

    def ports(self, within: Set, protocol: t.Optional[int] = None) -> Set:
        """The places of these ports: of one protocol, or of all."""
        return _places(self.protocols, within, protocol)


@functools.lru_cache(maxsize=65536)
def _places(protocols: t.Tuple[int, ...], within: Set, protocol: t.Optional[int]) -> Set:
    lanes = [lane for lane, number in enumerate(protocols * 2) if protocol in (None, number)]
    return intervals.union([intervals.moved(within, PORTS * lane) for lane in lanes])


class Ports(t.NamedTuple):
    within: Set


class Sources(t.NamedTuple):
    within: Set


class Clients(t.NamedTuple):
    """Packets of ordinary clients, which use ports from 1024 on. Others may come from lower ports."""


# What an option says of the packets: all match, none does, nobody can tell, or these ports or sources do.
Answer = t.Union[bool, None, Ports, Sources, Clients]


_NUMBER = re.compile(r"0x[0-9a-f]{1,5}|[0-9]{1,5}")


def number(text: str) -> t.Optional[int]:
    """Read a number as iptables reads it: ``010`` is octal, ``0x10`` hexadecimal."""
    if not _NUMBER.fullmatch(text):
        return None
    try:
        return int(text, 16 if text[1:2] == "x" else 8 if text[0] == "0" else 10)
    except ValueError:
        return None  # 08


def protocol_number(name: str) -> t.Optional[int]:
    """Return the number of a protocol that is given by name or number; None where nobody knows it."""
    name = unquoted(name).lower()
    found = number(name)
    return PROTOCOLS.get(name) if found is None else found


def _odd(mask: str) -> bool:
    """Whether a mask has holes. ``ipaddress`` takes ``0.0.0.255`` for the other way to write ``255.255.255.0``."""
    try:
        rest = int(ipaddress.IPv4Address(mask)) ^ 0xFFFFFFFF
    except ValueError:
        return False  # a length, or none
    return bool(rest & (rest + 1))


@functools.lru_cache(maxsize=65536)
def address_range(text: str, family: str) -> t.Optional[Set]:
    """Return the addresses of ``address``, ``address/length`` or ``address/mask``; several with commas between."""
    found: Set = ()
    for part in unquoted(text).split(","):
        if _odd(part.partition("/")[2]):
            return None
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            return None  # a name
        if network.version != (4 if family == "ipv4" else 6):
            return None
        found = intervals.either(found, (int(network[0]), int(network[-1]) + 1))
    return found
