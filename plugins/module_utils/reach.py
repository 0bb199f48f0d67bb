# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets through a rule set: what happens to the first packet of a connection from outside to the host itself.

And to the answer: a connection needs both.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import ECHO, ECHO_REPLY, ICMP, WITH_PORTS
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import (
    BITS,
    PORTS,
    View,
    address_range,
    protocol_number,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES, PortReach, RuleSet, Walk

# Sources that no packet from outside has: the host itself, nobody yet, groups, what is reserved.
_NO_SOURCE = {
    "ipv4": "0.0.0.0/8,127.0.0.0/8,224.0.0.0/3",
    "ipv6": "::,::1,::ffff:0:0/96,ff00::/8",
}


class Packet(t.NamedTuple):
    """A kind of packet: the first one of a connection from outside to the host itself.

    ``protocol`` is a name or a number; ``icmp`` is the echo request of either family. Without an interface it came in
    by any but ``lo``; without a destination it went to any address of the host.
    """

    protocol: str = "tcp"
    port: int = 0
    interface: str = ""
    destination: str = ""


class Reach(t.NamedTuple):
    """Sources as prefixes, and as ranges where they are none: who gets in, who does not, for whom it depends."""

    accepted: t.Tuple[str, ...]
    refused: t.Tuple[str, ...]
    depends: t.Tuple[str, ...]


class Verdict(t.NamedTuple):
    """What happens to the packet of one source, ``accept``, ``refuse`` or ``depends``, and what decides it."""

    result: str
    decided_by: str


def reach(saved: object, family: str, packet: Packet) -> Reach:
    """Return which sources get in with a packet of this kind."""
    rules = RuleSet(saved, family)
    fate = _fate(rules, packet, hosts(family))[1]
    return Reach(*(texts(sources, family) for sources in fate[2:]))


def verdict(saved: object, family: str, packet: Packet, source: str) -> Verdict:
    """Return what happens to the packet of one source, or of all sources of a prefix."""
    return _verdict(saved, family, packet, source, answers=False)


def answer(saved: object, family: str, packet: Packet, source: str) -> Verdict:
    """Return what happens to the host's answer to the packet: part of a connection that is established by then."""
    return _verdict(saved, family, packet, source, answers=True)


def _verdict(saved: object, family: str, packet: Packet, source: str, answers: bool) -> Verdict:
    rules = RuleSet(saved, family)
    wanted = address_range(str(source), family)
    if wanted is None:
        raise RolloutError(f"source: {shown(source)} is no {FAMILIES[family]} address or prefix; correct it")
    if rules.unseen:
        return Verdict("depends", rules.unseen[0])
    walk, found = _fate(rules, packet, wanted, answers)
    if not found.refused and not found.depends:
        hiding = _fate(rules, packet, wanted)[0].hiding if answers and not walk.hiding else []
        if hiding:  # the answer is part of no connection that is known
            return Verdict("depends", f"{hiding[0]} (table raw)")
        return Verdict("accept", _last(walk, "accept"))
    if not found.accepted and not found.depends:
        return Verdict("refuse", _last(walk, "refuse"))
    doubts = [step for step in walk.steps if step.doubt] if found.depends else []
    return Verdict("depends", str(doubts[0]) if doubts else _last(walk, "refuse"))


def _fate(rules: RuleSet, packet: Packet, sources: Set, answers: bool = False) -> t.Tuple[Walk, PortReach]:
    view = view_of(packet, rules.family)._replace(answer=answers)
    port = _port(packet, view)
    walk = rules.walk(view, [((port, port + 1), sources)])
    return walk, next(iter(walk.port_reach()))[1]


def _last(walk: Walk, outcome: str) -> str:
    """The last step with this outcome; of those that let in, the one of the filter table says most."""
    steps = [step for step in walk.steps if step.outcome == outcome]
    steps = [step for step in steps if step.table == "filter"] or steps
    return str(steps[-1]) if steps else f"the policy of {'OUTPUT' if walk.answer else 'INPUT'}"


def hosts(family: str) -> Set:
    """All addresses that a host elsewhere may have."""
    none = address_range(_NO_SOURCE[family], family) or ()
    return intervals.without((0, 1 << BITS[family]), none)


def texts(addresses: Set, family: str) -> t.Tuple[str, ...]:
    """Return a set of addresses as prefixes, and as ranges (``192.0.2.1-192.0.2.6``) where they are none."""
    number = ipaddress.IPv4Address if family == "ipv4" else ipaddress.IPv6Address
    found = []
    for low, high in intervals.pairs(addresses):
        size = high - low
        if size == 1:
            found.append(str(number(low)))
        elif size & (size - 1) == 0 and low % size == 0:
            found.append(f"{number(low)}/{BITS[family] - size.bit_length() + 1}")
        else:
            found.append(f"{number(low)}-{number(high - 1)}")
    return tuple(found)


def view_of(packet: Packet, family: str) -> View:
    protocol = protocol_number(str(packet.protocol))
    if str(packet.protocol).lower() == "icmp":
        protocol = ICMP[family]
    if not protocol or protocol > 255:
        raise RolloutError(f"protocol: {shown(packet.protocol)} is no protocol; write tcp, udp, icmp or a number")
    destination = None
    if packet.destination:
        found = address_range(str(packet.destination), family)
        if found is None or found[1] - found[0] != 1:
            raise RolloutError(
                f"destination: {shown(packet.destination)} is no {FAMILIES[family]} address; write one, or none"
            )
        destination = found[0]
    return View(family, (protocol,), str(packet.interface), destination)


def _port(packet: Packet, view: View) -> int:
    """The place of the packet on the axis."""
    protocol = view.protocols[0]
    if protocol == ICMP[view.family]:
        return ECHO_REPLY[view.family] if view.answer else ECHO[view.family]
    if protocol not in WITH_PORTS:
        return 0
    if isinstance(packet.port, bool) or not isinstance(packet.port, int) or not 0 < packet.port < PORTS:
        raise RolloutError(f"port: {shown(packet.port)} is no port; write a number from 1 to {PORTS - 1}")
    return packet.port
