# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A socket and its host, as the parts of the audit hand them on, and the levels of findings, the worst first.

``alarm``: somebody may get in who should not. ``fault``: clients that are meant to be served are not. ``unknown``: it
can't be told. ``risk``: it works now, and may not after the next start. ``note``: good to know.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import Declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_reach import ADDRESSES, Gate, Way
from ansible_collections.ipv6.rollout.plugins.plugin_utils.parity_sources import Fate

LEVELS = ("alarm", "fault", "unknown", "risk", "note")

NEAR = ("link", "multicast")
"""The scopes of addresses that only neighbours can reach."""

Data = t.Mapping[str, t.Any]
Finding = t.Dict[str, t.Any]


class Socket(t.NamedTuple):
    """A socket, what the host says of it, and what becomes of clients that come to it."""

    told: Data
    declared: Declared | None
    local: bool  # nobody but the host itself can reach it
    absent: bool  # the host does not have the address that it is bound to
    client: bool  # it may well be the socket of a client
    fates: t.Mapping[str, Fate]
    """By family, where it serves the family and is not local."""
    neighbours: bool
    """Whether neighbours on the link get in over IPv6."""
    ways: t.Mapping[str, t.Sequence[Way]]
    elsewhere: t.Mapping[str, t.Sequence[str]]
    """By family the interfaces without a default route by which somebody gets in."""

    def serves(self, family: str) -> bool | None:
        """Whether it serves clients of a family elsewhere; None where that is not known."""
        told: bool | None = self.told[family]
        return False if self.local or self.absent else told


class Host(t.NamedTuple):
    """What all sockets of a host have in common."""

    look: Data
    gates: t.Mapping[str, Gate]
    planned: t.Mapping[str, str]
    own: t.Mapping[str, t.Sequence[str]]
    """The addresses by family that are reached from elsewhere."""
    addresses: t.FrozenSet[str]
    """All of them, those of the link and the loopback interface too."""
    link: t.Sequence[str]
    """The link-local ones."""
    devices: t.Mapping[str, t.Sequence[str]]
    """By family the interfaces that the world comes in by; an empty one is any."""
    askers: t.Collection[int]
    """Processes that ask other name servers."""
    client_ports: t.Tuple[int, int]

    @property
    def off(self) -> bool:
        """Whether IPv6 is switched off; one interface may have it where the sysctl for all says no."""
        return not self.look["ipv6"]["enabled"] and not self.own["ipv6"]

    def ways(self, told: Data, family: str, to: t.Collection[str] | None = None, by: t.Sequence[str] = ()) -> list[Way]:
        """The ways that packets come to a socket: to these addresses of the host, by default to any that clients use.

        :param by: the interfaces, by default those that the world comes in by
        """
        devices = [str(told["device"])] if told["device"] else by or self.devices[family]
        if to is None:
            to = dict.fromkeys([*self.own[family], *filter(None, [self.planned.get(family)])])
        if told["scope"] != "wildcard":
            to = [str(told["address"]).removeprefix("::ffff:")]
        if not self.gates[family].for_addresses or not 0 < len(to) <= ADDRESSES:
            to = [""]
        return [Way(device, address) for device in devices for address in to]
