# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets a rule matches: the part of all ports and sources, and whether that can be told from the rule.

The packet is the first one of a connection that comes from outside to the host itself: a TCP SYN, a UDP datagram,
an echo request, or a plain packet of another protocol. Its source address and its port are what rules divide.
"""

from __future__ import annotations

import functools
import ipaddress
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import ICMP, ICMP_TYPES, PROTOCOLS
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option, Rule, unquoted

PORTS = 65536
ALL_PORTS: Set = (0, PORTS)
CLIENT_PORTS: Set = (1024, PORTS)

BITS = {"ipv4": 32, "ipv6": 128}
# Modules whose options are decided below, each by its name.
DECIDED = {
    "",
    "addrtype",
    "comment",
    "conntrack",
    "dccp",
    "icmp",
    "icmp6",
    "icmpv6",
    "iprange",
    "multiport",
    "pkttype",
    "policy",
    "rpfilter",
    "sctp",
    "state",
    "tcp",
    "udp",
    "udplite",
}
# Modules that look for a header which a plain packet does not have: without it they never match, negated or not.
EXTENSION_HEADERS = {"dst", "frag", "hbh", "mh", "rt"}
TCP_FLAGS = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"}


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


class Area(t.NamedTuple):
    """The packets that a rule matches, or may match: ``doubt`` says what can't be decided."""

    ports: Set
    sources: Set
    doubt: str = ""


class _Ports(t.NamedTuple):
    within: Set


class _Sources(t.NamedTuple):
    within: Set


# What an option says of the packets: all match, none does, nobody can tell, or these ports or sources do.
_Answer = t.Union[bool, None, _Ports, _Sources]


def area(rule: Rule, view: View) -> t.Optional[Area]:
    """Return what a rule matches, or None where it matches no such packet."""
    ports, sources = view.axis, view.everyone
    doubts: t.List[str] = []
    for match in rule.matches:
        answer = _module(match, view)
        if answer is False:
            return None
        if answer is None:
            doubts.append(f"-m {match.module}")
        for option in match.options:
            found = _option(option, view)
            if found is False:
                return None
            if found is None:
                if answer is not None:
                    doubts.append(str(option))
            elif isinstance(found, _Ports):
                ports = intervals.common(ports, found.within)
            elif isinstance(found, _Sources):
                sources = intervals.common(sources, found.within)
    if not ports or not sources:
        return None
    return Area(ports, sources, ", ".join(doubts))


def _module(match: Match, view: View) -> t.Optional[bool]:
    if match.module in EXTENSION_HEADERS or (
        match.module == "ah" and view.family == "ipv6" and 51 not in view.protocols
    ):
        return False
    return True if match.module in DECIDED else None


def _option(option: Option, view: View) -> _Answer:
    read = _READERS.get(option.name)
    answer = read(option, view) if read else None
    if option.negated:
        if isinstance(answer, bool):
            return not answer
        if isinstance(answer, _Ports):
            return _Ports(intervals.without(view.axis, answer.within))
        if isinstance(answer, _Sources):
            return _Sources(intervals.without(view.everyone, answer.within))
    return answer


# ------------------------------------------------------------------------------------------------- the packet itself


def protocol_number(name: str) -> t.Optional[int]:
    """Return the number of a protocol that is given by name or number; None where nobody knows it."""
    name = unquoted(name).lower()
    return int(name) if name.isascii() and name.isdigit() and len(name) < 6 else PROTOCOLS.get(name)


@functools.lru_cache(maxsize=65536)
def address_range(text: str, family: str) -> t.Optional[Set]:
    """Return the addresses of ``address``, ``address/length`` or ``address/mask``; several with commas between."""
    found: Set = ()
    for part in unquoted(text).split(","):
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError:
            return None  # a name, or a mask with holes
        if network.version != (4 if family == "ipv4" else 6):
            return None
        found = intervals.either(found, (int(network[0]), int(network[-1]) + 1))
    return found


def _protocol(option: Option, view: View) -> _Answer:
    number = protocol_number(option.value)
    if not number:
        return None if number is None else True
    return _Ports(view.ports(ALL_PORTS, number))


def _source(option: Option, view: View) -> _Answer:
    found = address_range(option.value, view.family)
    return None if found is None else _Sources(found)


# Addresses that no packet from outside to the host itself is sent to.
_NEVER_OWN = {"ipv4": "127.0.0.0/8,224.0.0.0/4,255.255.255.255", "ipv6": "::1,ff00::/8"}


def _to(found: t.Optional[Set], view: View) -> _Answer:
    if found is None:
        return None
    if view.destination is not None:
        return intervals.holds(found, view.destination)
    if found == view.everyone:
        return True
    return None if intervals.without(found, address_range(_NEVER_OWN[view.family], view.family) or ()) else False


def _destination(option: Option, view: View) -> _Answer:
    return _to(address_range(option.value, view.family), view)


def _interface(option: Option, view: View) -> _Answer:
    name = unquoted(option.value)
    if name == "+":
        return True
    if not view.interface:
        return False if name == "lo" else None
    return view.interface.startswith(name[:-1]) if name.endswith("+") else view.interface == name


def _no_fragment(_option: Option, _view: View) -> _Answer:
    return False


def _of_family(family: str) -> t.Callable[[Option, View], _Answer]:
    return lambda option, view: view.family == family


# ------------------------------------------------------------------------------------------------- ports and the like


def _port(word: str) -> t.Optional[int]:
    word = unquoted(word)
    if word.isascii() and word.isdigit():
        return int(word) if len(word) < 6 and int(word) < PORTS else None
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


def _destination_ports(option: Option, view: View) -> _Answer:
    found = _port_set(option.value)
    if found is None:
        return None
    return _Ports(view.ports(found))


def _source_ports(option: Option, view: View) -> _Answer:
    """A client picks its port: a rule that takes all ports of ordinary clients matches, any other may match.

    ``multiport --ports`` looks at both ends, so the same holds for it.
    """
    found = _port_set(option.value)
    return True if found is not None and not intervals.without(CLIENT_PORTS, found) else None


def _icmp_type(option: Option, view: View) -> _Answer:
    name = unquoted(option.value)
    kind, slash, code = name.partition("/")
    number = int(kind) if kind.isascii() and kind.isdigit() and len(kind) < 4 else None
    if number is None:
        number = ICMP_TYPES[view.family].get(kind.lower())
    if number is None or (slash and not (code.isascii() and code.isdigit() and len(code) < 4)):
        return None
    if number == 255 and view.family == "ipv4" and not slash:
        return True
    first = 256 * number + (int(code) if slash else 0)
    last = first if slash else first + 255
    return _Ports(view.ports((first, last + 1), ICMP[view.family]))


def _syn(_option: Option, view: View) -> _Answer:
    return _Ports(view.ports(ALL_PORTS, PROTOCOLS["tcp"]))


def _tcp_flags(option: Option, view: View) -> _Answer:
    if len(option.values) != 2:
        return None
    mask, wanted = (_flags(unquoted(word)) for word in option.values)
    if mask is None or wanted is None:
        return None
    return _syn(option, view) if mask & {"SYN"} == wanted else _Ports(())


def _flags(word: str) -> t.Optional[t.Set[str]]:
    if word.upper() in ("ALL", "NONE"):
        return set(TCP_FLAGS) if word.upper() == "ALL" else set()
    names = set(word.upper().split(","))
    return names if names <= TCP_FLAGS else None


# ------------------------------------------------------------------------------------------------- states and kinds


def _state(option: Option, view: View) -> _Answer:
    names = set(unquoted(option.value).upper().split(","))
    found: Set = (0, view.seen) if ("NEW" if view.tracked else "INVALID") in names else ()
    if "UNTRACKED" in names:
        found = intervals.either(found, (view.seen, 2 * view.seen))
    return _Ports(found)


def _destination_type(option: Option, view: View) -> _Answer:
    """The destination is one of the host's own addresses, which the kernel calls local and nothing else."""
    return "LOCAL" in unquoted(option.value).upper().split(",")


def _source_type(option: Option, view: View) -> _Answer:
    kinds = set(unquoted(option.value).upper().split(","))
    if "UNICAST" in kinds:
        return True
    return False if kinds <= {"LOCAL", "MULTICAST", "BROADCAST", "ANYCAST", "UNSPEC"} else None


def _range(text: str, family: str) -> t.Optional[Set]:
    first, dash, last = unquoted(text).partition("-")
    low, high = address_range(first, family), address_range(last if dash else first, family)
    if low is None or high is None or low[0] >= high[-1]:
        return None
    return (low[0], high[-1])


def _source_range(option: Option, view: View) -> _Answer:
    found = _range(option.value, view.family)
    return None if found is None else _Sources(found)


def _destination_range(option: Option, view: View) -> _Answer:
    return _to(_range(option.value, view.family), view)


def _packet_type(option: Option, view: View) -> _Answer:
    return unquoted(option.value).lower() in ("unicast", "host")


def _ignored(_option: Option, _view: View) -> _Answer:
    return True


def _policy(option: Option, view: View) -> _Answer:
    """A plain packet came in without IPsec."""
    return unquoted(option.value).lower() in ("in", "none")


def _spoofed(_option: Option, _view: View) -> _Answer:
    """``rpfilter --invert`` takes packets with a forged source; those who are asked about use their own."""
    return False


_READERS: t.Dict[str, t.Callable[[Option, View], _Answer]] = {
    "-4": _of_family("ipv4"),
    "-6": _of_family("ipv6"),
    "-d": _destination,
    "-f": _no_fragment,
    "-i": _interface,
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
    "--ports": _source_ports,
    "--sport": _source_ports,
    "--sports": _source_ports,
    "--src-range": _source_range,
    "--src-type": _source_type,
    "--state": _state,
    "--syn": _syn,
    "--tcp-flags": _tcp_flags,
    "--validmark": _ignored,
}
