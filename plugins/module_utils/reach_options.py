# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each option of a rule says of the packets: one reader an option."""

from __future__ import annotations

import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import ICMP, ICMP_TYPES, PROTOCOLS
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import (
    ALL_PORTS,
    CLIENT_PORTS,
    PORTS,
    Answer,
    Clients,
    Ports,
    Sources,
    View,
    address_range,
    number,
    protocol_number,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Option, unquoted

TCP_FLAGS = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"}


# ------------------------------------------------------------------------------------------------- the packet itself


def _protocol(option: Option, view: View) -> Answer:
    number = protocol_number(option.value)
    if not number:
        return None if number is None else True
    return Ports(view.ports(ALL_PORTS, number))


def _source(option: Option, view: View) -> Answer:
    return _end(address_range(option.value, view.family), view, view.answer)


# Addresses that no packet from outside to the host itself is sent to.
_NEVER_OWN = {"ipv4": "127.0.0.0/8,224.0.0.0/4,255.255.255.255", "ipv6": "::1,ff00::/8"}


def _end(found: t.Optional[Set], view: View, own: bool) -> Answer:
    """What addresses say of one end of a connection: the host's own, or the client's."""
    if found is None:
        return None
    if not own:
        return Sources(found)
    if view.destination is not None:
        return intervals.holds(found, view.destination)
    if found == view.everyone:
        return True
    return None if intervals.without(found, address_range(_NEVER_OWN[view.family], view.family) or ()) else False


def _destination(option: Option, view: View) -> Answer:
    return _end(address_range(option.value, view.family), view, not view.answer)


def _in_interface(option: Option, view: View) -> Answer:
    return _interface(option, view, not view.answer)


def _out_interface(option: Option, view: View) -> Answer:
    return _interface(option, view, view.answer)


def _interface(option: Option, view: View, known: bool) -> Answer:
    """Whether the packet comes or goes by an interface. It has one of both; ``! -i`` where it has none is unclear."""
    name = unquoted(option.value)
    if name == "+":
        return True
    if not known:
        return None if option.negated else False
    if not view.interface:
        return False if name == "lo" else None
    return view.interface.startswith(name[:-1]) if name.endswith("+") else view.interface == name


def _no_fragment(_option: Option, _view: View) -> Answer:
    return False


def _of_family(family: str) -> t.Callable[[Option, View], Answer]:
    return lambda option, view: view.family == family


# ------------------------------------------------------------------------------------------------- ports and the like


def _port(word: str) -> t.Optional[int]:
    word = unquoted(word)
    if word[:1].isdigit():
        found = number(word)
        return found if found is not None and found < PORTS else None
    try:
        return socket.getservbyname(word)
    except (OSError, ValueError):
        return None


def _port_set(text: str) -> t.Optional[Set]:
    found: Set = ()
    for part in unquoted(text).split(","):
        low, colon, high = part.partition(":")
        first = _port(low) if low or not colon else 0
        last = (_port(high) if high else PORTS - 1) if colon else first
        if first is None or last is None or first > last:
            return None
        found = intervals.either(found, (first, last + 1))
    return found


def _source_ports(option: Option, view: View) -> Answer:
    return _own_ports(option, view) if view.answer else _client_ports(option, view)


def _destination_ports(option: Option, view: View) -> Answer:
    return _client_ports(option, view) if view.answer else _own_ports(option, view)


def _own_ports(option: Option, view: View) -> Answer:
    found = _port_set(option.value)
    if found is None:
        return None
    return Ports(view.ports(found))


def _client_ports(option: Option, _view: View) -> Answer:
    """A client picks its port: only a rule that takes all ports, or all that ordinary clients use, says something.

    ``multiport --ports`` looks at both ends, so the same holds for it.
    """
    found = _port_set(option.value)
    if found is None or intervals.without(CLIENT_PORTS, found):
        return None
    return Clients() if intervals.without(ALL_PORTS, intervals.either(found, (0, 1))) else True


def _icmp_type(option: Option, view: View) -> Answer:
    name = unquoted(option.value)
    kind, slash, code = name.partition("/")
    which = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 4 else None
    if which is None:
        which = ICMP_TYPES[view.family].get(kind.lower())
    if which is None or (slash and not (code.isascii() and code.isdigit() and len(code) < 4)):
        return None
    if which == 255 and view.family == "ipv4" and not slash:
        return True
    first = 256 * which + (int(code) if slash else 0)
    last = first if slash else first + 255
    return Ports(view.ports((first, last + 1), ICMP[view.family]))


def _syn(_option: Option, view: View) -> Answer:
    return Ports(()) if view.answer else Ports(view.ports(ALL_PORTS, PROTOCOLS["tcp"]))


def _tcp_flags(option: Option, view: View) -> Answer:
    if len(option.values) != 2:
        return None
    mask, wanted = (_flags(unquoted(word)) for word in option.values)
    if mask is None or wanted is None:
        return None
    sent = [{"SYN", "ACK"}, {"ACK"}, {"PSH", "ACK"}] if view.answer else [{"SYN"}]
    matching = [mask & flags == wanted for flags in sent]
    if any(matching) and not all(matching):
        return None
    return Ports(view.ports(ALL_PORTS, PROTOCOLS["tcp"]) if all(matching) else ())


def _flags(word: str) -> t.Optional[t.Set[str]]:
    if word.upper() in ("ALL", "NONE"):
        return set(TCP_FLAGS) if word.upper() == "ALL" else set()
    names = set(word.upper().split(","))
    return names if names <= TCP_FLAGS else None


# ------------------------------------------------------------------------------------------------- states and kinds


def _state(option: Option, view: View) -> Answer:
    names = set(unquoted(option.value).upper().split(","))
    state = "ESTABLISHED" if view.answer else "NEW"
    found: Set = (0, view.seen) if (state if view.tracked else "INVALID") in names else ()
    if "UNTRACKED" in names:
        found = intervals.either(found, (view.seen, 2 * view.seen))
    return Ports(found)


def _source_type(option: Option, view: View) -> Answer:
    return _type(option, view, view.answer)


def _destination_type(option: Option, view: View) -> Answer:
    return _type(option, view, not view.answer)


_TYPES = {"LOCAL", "MULTICAST", "BROADCAST", "ANYCAST", "UNSPEC"}


def _type(option: Option, view: View, own: bool) -> Answer:
    """The kind of one end. In IPv4 an address has one kind, of which several may be named.

    In IPv6 the form of an address (UNICAST, MULTICAST, UNSPEC) and what routing says of it (LOCAL, ANYCAST,
    UNREACHABLE) must both fit, and the host's own addresses are UNICAST, too.
    """
    kinds = set(unquoted(option.value).upper().split(","))
    if view.family == "ipv4":
        if own or "UNICAST" in kinds:
            return "LOCAL" in kinds if own else True
        return False if kinds <= _TYPES else None
    if kinds & {"MULTICAST", "UNSPEC"}:
        return False
    routed = kinds - {"UNICAST"}
    if not routed or (own and "LOCAL" in routed):
        return True
    return False if own or routed <= {"LOCAL", "ANYCAST"} else None


def _range(text: str, family: str) -> t.Optional[Set]:
    first, dash, last = unquoted(text).partition("-")
    low, high = address_range(first, family), address_range(last if dash else first, family)
    if low is None or high is None or low[0] >= high[-1]:
        return None
    return (low[0], high[-1])


def _source_range(option: Option, view: View) -> Answer:
    found = _range(option.value, view.family)
    return _end(found, view, view.answer)


def _destination_range(option: Option, view: View) -> Answer:
    return _end(_range(option.value, view.family), view, not view.answer)


def _packet_type(option: Option, view: View) -> Answer:
    return unquoted(option.value).lower() in ("unicast", "host")


def _ignored(_option: Option, _view: View) -> Answer:
    return True


def _policy(option: Option, view: View) -> Answer:
    """A plain packet comes and goes without IPsec."""
    return unquoted(option.value).lower() in ("out" if view.answer else "in", "none")


def _spoofed(_option: Option, _view: View) -> Answer:
    """``rpfilter --invert`` takes packets with a forged source; those who are asked about use their own."""
    return False


READERS: t.Dict[str, t.Callable[[Option, View], Answer]] = {
    "-4": _of_family("ipv4"),
    "-6": _of_family("ipv6"),
    "-d": _destination,
    "-f": _no_fragment,
    "-i": _in_interface,
    "-o": _out_interface,
    "-p": _protocol,
    "-s": _source,
    "--accept-local": _ignored,
    "--comment": _ignored,
    "--ctstate": _state,
    "--dir": _policy,
    "--dport": _destination_ports,
    "--dports": _destination_ports,
    "--dst-range": _destination_range,
    "--dst-type": _destination_type,
    "--icmp-type": _icmp_type,
    "--icmpv6-type": _icmp_type,
    "--invert": _spoofed,
    "--loose": _ignored,
    "--pkt-type": _packet_type,
    "--pol": _policy,
    "--ports": _client_ports,
    "--sport": _source_ports,
    "--sports": _source_ports,
    "--src-range": _source_range,
    "--src-type": _source_type,
    "--state": _state,
    "--syn": _syn,
    "--tcp-flags": _tcp_flags,
    "--validmark": _ignored,
}
