# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host or a router lets in, as rules in exactly the form in which ``ip6tables-save`` prints them.

Because they have the printed form, comparing them with the live rules is comparing lines.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import icmpv6
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.filter_table import Table
from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import LINK_LOCAL, MARK

ICMP_CHAIN = "ROLLOUT-ICMPV6"
FORWARD_CHAIN = "ROLLOUT-FWD-ICMPV6"
OUR_CHAINS = (ICMP_CHAIN, FORWARD_CHAIN)
"""The user chains that hold the ICMPv6 rules of INPUT and FORWARD; every other user chain is somebody else's."""


class Service(t.NamedTuple):
    """A service that the world, or the given sources, may reach: on this host, or at an address behind this router."""

    name: str
    port: int
    protocol: str = "tcp"
    sources: t.Tuple[str, ...] = ()
    destination: str = ""

    @property
    def rules(self) -> t.List[str]:
        """The lines that let the service in: one without sources, else one a source."""
        return [
            f'{self._chain}{source}{self._packet} -m comment --comment "{MARK}service {self.name}" -j ACCEPT'
            for source in (list(map(_from, self.sources)) or [""])
        ]

    @property
    def _chain(self) -> str:
        return "-A FORWARD " if self.destination else "-A INPUT "

    @property
    def _packet(self) -> str:
        where = _to(self.destination) if self.destination else ""
        return f"{where}-p {self.protocol} -m {self.protocol} --dport {self.port}"

    @property
    def place(self) -> str:
        """Chain, destination, protocol and port: what stays the same when the name or the sources change."""
        return f"{self._chain}{self._packet}"


_OUR_SERVICE = re.compile(rf'(-A \w+ )(?:-s (\S+) )?(.*?) -m comment --comment "{re.escape(MARK)}service ')


class Policy(t.NamedTuple):
    """What the rule set lets in, beside ICMPv6 and answers; an empty ``forward`` goes by what the host does.

    A router has ``routed_prefixes``, the networks behind it, and ``outside_interfaces``, which lead to the world.
    """

    lab_sources: t.Tuple[str, ...] = ()
    management_sources: t.Tuple[str, ...] = ()
    management_port: int = 22
    services: t.Tuple[Service, ...] = ()
    forward: str = "DROP"
    routed_prefixes: t.Tuple[str, ...] = ()
    outside_interfaces: t.Tuple[str, ...] = ()


def source(value: object, variable: str) -> str:
    """Return a source address or prefix as ip6tables prints it: ``2001:db8::/64``, ``2001:db8::1/128``."""
    if not isinstance(value, str):
        raise RolloutError(f"{variable}: {shown(value)} is no text; put the prefix in quotes")
    text = str(value)
    try:
        if "%" in text:  # ipaddress takes a zone id, which means nothing in a rule
            raise ValueError("a zone id")
        network = ipaddress.IPv6Network(text)
    except ValueError as error:
        if "host bits" in str(error):
            right = ipaddress.IPv6Network(text, strict=False)
            raise RolloutError(f"{variable}: {shown(text)} has host bits set; write '{right}'") from error
        raise RolloutError(f"{variable}: {shown(text)} is no IPv6 prefix such as '2001:db8:feed::/64'") from error
    if any(network.subnet_of(odd) for odd in _IPV4_IN_DISGUISE):
        raise RolloutError(
            f"{variable}: {shown(text)} is an IPv4 address in IPv6's form, which no IPv6 packet has as its source;"
            " IPv4 sources belong to the IPv4 rules"
        )
    return str(network)


# Compatible (RFC 4291, 2.5.5.1) and mapped (2.5.5.2) addresses, and with the first of them :: and ::1.
_IPV4_IN_DISGUISE = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("::ffff:0:0/96"))


def _from(prefix: str) -> str:
    """The words that match a source; none for everywhere, as the kernel prints it."""
    return "" if prefix == "::/0" else f"-s {prefix} "


def _to(prefix: str) -> str:
    return "" if prefix == "::/0" else f"-d {prefix} "


def service(value: t.Mapping[str, t.Any]) -> Service:
    """Read a service from ``{name, port, protocol, sources}`` and refuse what would not be a safe rule."""
    name = value.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,31}", name):
        raise RolloutError(f"services: the name {shown(name)} is not made of at most 32 of a-z, 0-9, '.', '_' and '-'")
    port = value.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise RolloutError(f"services: {name}: the port {shown(port)} is not a number from 1 to 65535")
    protocol = value.get("protocol") or "tcp"
    if protocol not in ("tcp", "udp"):
        raise RolloutError(f"services: {name}: the protocol {shown(protocol)} is neither 'tcp' nor 'udp'")
    sources = tuple(source(item, f"services: {name}: sources") for item in value.get("sources") or ())
    destination = value.get("destination")
    where = source(destination, f"services: {name}: destination") if destination else ""
    return Service(str(name), int(port), str(protocol), sources, where)


def policy(
    lab_sources: t.Sequence[object],
    management_sources: t.Sequence[object],
    management_port: int,
    services: t.Sequence[t.Mapping[str, t.Any]],
    forward: str = "DROP",
    routed_prefixes: t.Sequence[object] = (),
    outside_interfaces: t.Sequence[object] = (),
) -> Policy:
    """Read a policy from what the user wrote; every value is checked before any rule is made."""
    read = Policy(
        tuple(source(item, "lab_sources") for item in lab_sources),
        tuple(source(item, "management_sources") for item in management_sources),
        management_port,
        tuple(service(item) for item in services),
        forward,
        tuple(source(item, "routed_prefixes") for item in routed_prefixes),
        tuple(_interface(item) for item in outside_interfaces),
    )
    if not 0 < read.management_port < 65536:
        raise RolloutError(f"management_port: {shown(management_port)} is not a number from 1 to 65535")
    if read.routed_prefixes and not read.outside_interfaces:
        raise RolloutError(
            "outside_interfaces: it is empty, so forged packets from outside could not be told from those of"
            " routed_prefixes; name the interfaces that lead to the world"
        )
    if "::/0" in read.routed_prefixes:
        raise RolloutError("routed_prefixes: '::/0' is everything; name the networks that are behind this router")
    routed = [ipaddress.IPv6Network(prefix) for prefix in read.routed_prefixes]
    for one in read.services:
        if one.destination and not any(ipaddress.IPv6Network(one.destination).subnet_of(prefix) for prefix in routed):
            raise RolloutError(
                f"services: {one.name}: destination {one.destination} is in none of the routed_prefixes; add its prefix"
                " there, or leave the destination out for a service of this host"
            )
    return read


def _interface(value: object) -> str:
    # What the kernel takes for a name (15 octets), and never what ip6tables would read as an option or a pattern.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@:-]{0,14}", value):
        raise RolloutError(f"outside_interfaces: {shown(value)} is no name of an interface such as 'eth0'")
    return str(value)


def icmpv6_rules() -> t.List[str]:
    """The ICMPv6 chain of INPUT; what is not in it goes on through INPUT."""
    return [rule for message in icmpv6.HOST for rule in message.rules(ICMP_CHAIN)]


def forward_icmpv6_rules() -> t.List[str]:
    """The ICMPv6 chain of FORWARD; what is not in it is dropped, from whatever side it comes."""
    return [rule for message in icmpv6.ROUTER for rule in message.rules(FORWARD_CHAIN)] + [
        f"-A {FORWARD_CHAIN} -j DROP"
    ]


def input_rules(wanted: Policy, opened: t.Collection[Service], standing: t.Iterable[str] = ()) -> t.List[str]:
    """The INPUT chain, in the order in which it must stand.

    ``standing`` are rules that are live: a service that is not in ``opened`` keeps those that we wrote for its port.

    ICMPv6 stands before the INVALID rule, since conntrack calls some needed types invalid. The lab machine and the
    management sources stand before the services and the final reject, so that nobody locks themselves out.
    """
    lines = [
        "-A INPUT -i lo -j ACCEPT",
        "-A INPUT -m rt --rt-type 0 -j DROP",  # RFC 5095: type 0 routing headers are an amplifier
        *_forged(wanted, "INPUT"),
        f"-A INPUT -p ipv6-icmp -j {ICMP_CHAIN}",
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -m conntrack --ctstate INVALID -j DROP",
        # A DHCPv6 answer is NEW for conntrack: the question went to a multicast group.
        f"-A INPUT -s {LINK_LOCAL} -p udp -m udp --sport 547 --dport 546 -j ACCEPT",
    ]
    lines += [
        f'-A INPUT {_from(prefix)}-m comment --comment "{MARK}lab machine" -j ACCEPT' for prefix in wanted.lab_sources
    ]
    lines += [
        f"-A INPUT {_from(prefix)}-p tcp -m tcp --dport {wanted.management_port}"
        f' -m comment --comment "{MARK}management" -j ACCEPT'
        for prefix in wanted.management_sources
    ]
    here = [one for one in wanted.services if not one.destination]
    return [*lines, *_service_rules(here, opened, standing), *reject("INPUT")]


def forward_rules(wanted: Policy, opened: t.Collection[Service], standing: t.Iterable[str] = ()) -> t.List[str]:
    """The FORWARD chain of a router: what its networks send goes out; answers, ICMPv6 and open services come in."""
    lines = [
        "-A FORWARD -m rt --rt-type 0 -j DROP",
        *_forged(wanted, "FORWARD"),
        f"-A FORWARD -p ipv6-icmp -j {FORWARD_CHAIN}",
        "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A FORWARD -m conntrack --ctstate INVALID -j DROP",
    ]
    lines += [
        f'-A FORWARD {_from(prefix)}-d {routed} -m comment --comment "{MARK}lab machine" -j ACCEPT'
        for prefix in wanted.lab_sources
        for routed in wanted.routed_prefixes
    ]
    lines += [
        f'-A FORWARD -s {prefix} -m comment --comment "{MARK}routed" -j ACCEPT' for prefix in wanted.routed_prefixes
    ]
    behind = [one for one in wanted.services if one.destination]
    return [*lines, *_service_rules(behind, opened, standing), *reject("FORWARD")]


def _forged(wanted: Policy, chain: str) -> t.List[str]:
    """Nobody outside has an address of the networks behind this router (RFC 2827)."""
    return [
        f'-A {chain} -s {prefix} -i {interface} -m comment --comment "{MARK}forged source" -j DROP'
        for interface in wanted.outside_interfaces
        for prefix in wanted.routed_prefixes
    ]


def reject(chain: str) -> t.List[str]:
    # A reset ends a client's attempt at once; an ICMPv6 error would leave some waiting for a second.
    return [
        f"-A {chain} -p tcp -j REJECT --reject-with tcp-reset",
        f"-A {chain} -j REJECT --reject-with icmp6-adm-prohibited",
    ]


def _service_rules(
    services: t.Iterable[Service], opened: t.Collection[Service], standing: t.Iterable[str]
) -> t.List[str]:
    """The rules of open services, and what stands for the places of the others. Each rule once."""
    open_now = set(opened)
    by_place = standing_places(standing)
    lines: t.Dict[str, None] = {}
    for one in services:
        before = by_place.get(one.place, [])
        narrowed = [rule for rule in one.rules if _covered(rule, before)]
        lines.update(dict.fromkeys(one.rules if one in open_now else narrowed or before))
    return list(lines)


def standing_places(standing: t.Iterable[str]) -> t.Dict[str, t.List[str]]:
    """Return the rules of services that we wrote, by the place (chain, destination, protocol, port) they open."""
    by_place: t.Dict[str, t.List[str]] = {}
    for rule in standing:
        ours = _OUR_SERVICE.match(rule)
        if ours:
            by_place.setdefault(ours.group(1) + ours.group(3), []).append(rule)
    return by_place


def _source_of(rule: str) -> ipaddress.IPv6Network:
    ours = _OUR_SERVICE.match(rule)
    return ipaddress.IPv6Network((ours.group(2) if ours else None) or "::/0")


def _covered(rule: str, standing: t.Iterable[str]) -> bool:
    """Whether the sources of a rule get in already: then it takes nothing to let them in by it."""
    return any(_source_of(rule).subnet_of(_source_of(other)) for other in standing)


def open_services(live: Table, services: t.Iterable[Service]) -> t.List[Service]:
    """Return the services that the live rules let in from everywhere that was declared."""
    by_place = standing_places(live.rules)
    return [one for one in services if all(_covered(rule, by_place.get(one.place, ())) for rule in one.rules)]
