# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets through a rule set: what happens to the first packet of a connection from outside to the host itself.

All sources and all ports go through the chains together, as a map from ports to the sources that are still on their
way. Each rule takes its part away. A rule that can't be decided (``-m limit``) takes its part and lets it pass, too,
so at the end a packet may have two fates: then what happens to it depends on something that the rules don't say.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals, reach_match
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_match import PORTS, View
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import ECHO, ICMP, WITH_PORTS
from ansible_collections.ipv6.rollout.plugins.module_utils.region import Block, Heap, Region
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Rule, TableText, parse_tables

# The way of a packet to the host itself.
WAY = (
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("nat", "PREROUTING"),
    ("mangle", "INPUT"),
    ("filter", "INPUT"),
    ("security", "INPUT"),
)

# Targets after which the next rule is looked at.
PASSING = {
    "",
    "AUDIT",
    "CHECKSUM",
    "CLASSIFY",
    "CONNMARK",
    "CONNSECMARK",
    "CT",
    "DSCP",
    "ECN",
    "HL",
    "HMARK",
    "IDLETIMER",
    "LED",
    "LOG",
    "MARK",
    "NFLOG",
    "NOTRACK",
    "RATEEST",
    "SECMARK",
    "SET",
    "TCPMSS",
    "TCPOPTSTRIP",
    "TEE",
    "TOS",
    "TRACE",
    "TTL",
    "ULOG",
}
REFUSING = {"DROP", "REJECT"}
REWRITING = {"DNAT", "NETMAP", "REDIRECT", "TPROXY"}
"""Targets after which the packet goes somewhere else, to another port or another host."""

DEEPEST = 100
"""How deep chains may lie in each other; iptables-nft allows 16."""

# Sources that no packet from outside has: the host itself, nobody yet, groups, what is reserved.
_NO_SOURCE = {
    "ipv4": "0.0.0.0/8,127.0.0.0/8,224.0.0.0/3",
    "ipv6": "::,::1,::ffff:0:0/96,ff00::/8",
}
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


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


class PortReach(t.NamedTuple):
    """The fate of all sources at the ports from ``low`` to ``high``, as sets of whole numbers."""

    low: int
    high: int
    accepted: Set
    refused: Set
    depends: Set


class Step(t.NamedTuple):
    """A rule or a policy that decides over packets, or that leaves open what happens to them."""

    table: str
    outcome: str  # accept, refuse, or depends
    by: t.Union[Rule, str]
    doubt: str = ""

    def __str__(self) -> str:
        return f"{self.by}" if self.table == "filter" else f"{self.by} (table {self.table})"


class RuleSet:
    """The rules of one family, as ``iptables-save`` or ``ip6tables-save`` prints them."""

    def __init__(self, saved: object, family: str) -> None:
        if family not in FAMILIES:
            raise RolloutError(f"family: {shown(family)} is no address family; choose one of {', '.join(FAMILIES)}")
        if not isinstance(saved, str):
            raise RolloutError(f"rules: {shown(saved)} is not text; give what iptables-save prints")
        self.family = family
        self.tables = parse_tables(saved)
        self._chains: t.Dict[str, t.Dict[str, t.List[Rule]]] = {}
        for name, table in self.tables.items():
            chains = self._chains[name] = {chain: [] for chain in table.policies}
            for rule in table.rules:
                chains.setdefault(rule.chain, []).append(rule)

    def chains(self, table: str) -> t.Dict[str, t.List[Rule]]:
        """The chains of a table with their rules."""
        return self._chains.get(table, {})

    def policy(self, table: str, chain: str) -> str:
        """What happens to a packet that no rule of a built-in chain decides over."""
        found: t.Optional[TableText] = self.tables.get(table)
        return found.policies.get(chain, "ACCEPT") if found else "ACCEPT"

    def walk(self, view: View, start: t.List[Block]) -> Walk:
        """Send packets through the chains; ``start`` has their ports, as places on the axis of the view."""
        return Walk(self, view, start)


class Walk:
    """What happens on the way. Packets that are both accepted and refused are those for which it depends."""

    def __init__(self, rule_set: RuleSet, view: View, start: t.List[Block]) -> None:
        self.steps: t.List[Step] = []
        self._rules = rule_set
        self._view = view
        self._accepted, self._refused, self._through = Heap(), Heap(), Heap()
        self._table = ""
        self._areas: t.Dict[str, t.List[t.Tuple[Rule, reach_match.Area]]] = {}
        for table, chain in WAY:
            if table in rule_set.tables:
                start = self._walk_table(table, chain, start)
        self._accepted.add(start)

    def _walk_table(self, table: str, chain: str, start: t.List[Block]) -> t.List[Block]:
        self._table, self._areas, self._through = table, {}, Heap()
        region = Region(self._view.axis[-1], start)
        if table == "nat":  # only packets that connection tracking sees come to it
            self._through.add(region.take((self._view.seen, self._view.axis[-1]), self._view.everyone))
        left = self._walk_chain(chain, region, ())
        if left:
            where = "" if table == "filter" else f" {table}"
            refused = self._rules.policy(table, chain) == "DROP"
            self._decide("refuse" if refused else "accept", f"the policy of{where} {chain}", left)
        return self._through.region(self._view.axis[-1]).blocks()

    def _decide(self, outcome: str, by: t.Union[Rule, str], blocks: t.List[Block], doubt: str = "") -> None:
        self.steps.append(Step(self._table, outcome, by, doubt))
        if outcome != "refuse":
            self._through.add(blocks)
        if outcome != "accept":
            self._refused.add(blocks)

    def _matching(self, chain: str) -> t.List[t.Tuple[Rule, reach_match.Area]]:
        """The rules of a chain that match any of the packets; the others are looked at once only."""
        if chain not in self._areas:
            view = self._view._replace(tracked=self._table != "raw")
            areas = [
                (rule, reach_match.area(rule, view))
                for rule in self._rules.chains(self._table).get(chain, [])
                if rule.target not in PASSING or _hides(rule)
            ]
            self._areas[chain] = [(rule, area) for rule, area in areas if area is not None]
        return self._areas[chain]

    def _walk_chain(self, chain: str, region: Region, callers: t.Tuple[str, ...]) -> t.List[Block]:
        """Return what comes back from the chain: what falls through, and what was sent back on the way."""
        back = Heap()
        callers = (*callers, chain)
        for rule, area in self._matching(chain):
            target = rule.target
            ports = intervals.common(area.ports, (0, self._view.seen)) if _hides(rule) else area.ports
            blocks = region.take(ports, area.sources, leave=bool(area.doubt))
            if not blocks:
                continue
            if area.doubt:
                self.steps.append(Step(self._table, "doubt", rule, area.doubt))
            if target == "ACCEPT":
                self._decide("accept", rule, blocks)
            elif target in REFUSING:
                self._decide("refuse", rule, blocks)
            elif target == "RETURN":
                back.add(blocks)
            elif _hides(rule):
                region.add((intervals.moved(ports, self._view.seen), sources) for ports, sources in blocks)
            elif target in self._rules.chains(self._table) and target not in callers and len(callers) < DEEPEST:
                returned = self._walk_chain(target, Region(self._view.axis[-1], blocks), callers)
                if rule.goto:
                    back.add(returned)
                else:
                    region.add(returned)
            elif target in REWRITING:
                self.steps.append(Step(self._table, "depends", rule, f"-j {target}"))
                self._accepted.add(blocks)
                self._refused.add(blocks)
            else:  # nobody knows what it does: it may let in, refuse, or pass on
                self._decide("depends", rule, blocks, f"-j {target}")
                region.add(blocks)
        left = region.blocks()
        if back:
            back.add(left)
            return back.region(self._view.axis[-1]).blocks()
        return left

    def port_reach(self) -> t.Iterator[t.Tuple[int, PortReach]]:
        """The fate of all packets by protocol, in the order of ports; neighbours with the same fate are one range."""
        end = self._view.seen
        accepted, refused = (self._seen_by_port(heap) for heap in (self._accepted, self._refused))
        places = {place for place in accepted.places() + refused.places() if place < end}
        cuts = sorted(places.union(range(0, end + 1, PORTS)))
        found: t.Optional[PortReach] = None
        fates: t.Dict[t.Tuple[int, int], t.Tuple[Set, Set, Set]] = {}
        for low, high in zip(cuts, cuts[1:]):
            one, other = accepted.at(low), refused.at(low)
            if (id(one), id(other)) not in fates:  # the regions keep both alive
                both = intervals.common(one, other)
                fates[id(one), id(other)] = (intervals.without(one, both), intervals.without(other, both), both)
            fate = fates[id(one), id(other)]
            protocol, port = divmod(low, PORTS)
            if found and port and found[2:] == fate:
                found = found._replace(high=found.high + high - low)
                continue
            if found and found[2:] != ((), (), ()):
                yield self._view.protocols[protocol if port else protocol - 1], found
            found = PortReach(port, port + high - low - 1, *fate)
        if found and found[2:] != ((), (), ()):
            yield self._view.protocols[-1], found

    def _seen_by_port(self, heap: Heap) -> Region:
        """Lay the packets that connection tracking sees and those that it does not see over each other."""
        end = self._view.seen
        both = Region(2 * end, heap.region(2 * end).blocks())
        hidden = both.take((end, 2 * end), self._view.everyone)
        both.add((intervals.moved(ports, -end), sources) for ports, sources in hidden)
        return both


def _hides(rule: Rule) -> bool:
    """Whether the rule hides packets from connection tracking."""
    return rule.target == "NOTRACK" or (
        rule.target == "CT" and any(option.name == "--notrack" for option in rule.target_options)
    )


def reach(saved: object, family: str, packet: Packet) -> Reach:
    """Return which sources get in with a packet of this kind."""
    rules = RuleSet(saved, family)
    fate = _fate(rules, packet, hosts(family))[1]
    return Reach(*(texts(sources, family) for sources in fate[2:]))


def verdict(saved: object, family: str, packet: Packet, source: str) -> Verdict:
    """Return what happens to the packet of one source, or of all sources of a prefix."""
    rules = RuleSet(saved, family)
    wanted = reach_match.address_range(str(source), family)
    if wanted is None:
        raise RolloutError(f"source: {shown(source)} is no {FAMILIES[family]} address or prefix; correct it")
    walk, found = _fate(rules, packet, wanted)
    if not found.refused and not found.depends:
        return Verdict("accept", _last(walk, "accept"))
    if not found.accepted and not found.depends:
        return Verdict("refuse", _last(walk, "refuse"))
    doubts = [step for step in walk.steps if step.doubt] if found.depends else []
    return Verdict("depends", str(doubts[0]) if doubts else _last(walk, "refuse"))


def _fate(rules: RuleSet, packet: Packet, sources: Set) -> t.Tuple[Walk, PortReach]:
    view = view_of(packet, rules.family)
    port = _port(packet, view)
    walk = rules.walk(view, [((port, port + 1), sources)])
    return walk, next(iter(walk.port_reach()))[1]


def _last(walk: Walk, outcome: str) -> str:
    """The last step with this outcome; of those that let in, the one of the filter table says most."""
    steps = [step for step in walk.steps if step.outcome == outcome]
    steps = [step for step in steps if step.table == "filter"] or steps
    return str(steps[-1]) if steps else "the policy of INPUT"


def hosts(family: str) -> Set:
    """All addresses that a host elsewhere may have."""
    none = reach_match.address_range(_NO_SOURCE[family], family) or ()
    return intervals.without((0, 1 << reach_match.BITS[family]), none)


def texts(addresses: Set, family: str) -> t.Tuple[str, ...]:
    """Return a set of addresses as prefixes, and as ranges (``192.0.2.1-192.0.2.6``) where they are none."""
    number = ipaddress.IPv4Address if family == "ipv4" else ipaddress.IPv6Address
    found = []
    for low, high in intervals.pairs(addresses):
        size = high - low
        if size == 1:
            found.append(str(number(low)))
        elif size & (size - 1) == 0 and low % size == 0:
            found.append(f"{number(low)}/{reach_match.BITS[family] - size.bit_length() + 1}")
        else:
            found.append(f"{number(low)}-{number(high - 1)}")
    return tuple(found)


def view_of(packet: Packet, family: str) -> View:
    protocol = reach_match.protocol_number(str(packet.protocol))
    if str(packet.protocol).lower() == "icmp":
        protocol = ICMP[family]
    if not protocol or protocol > 255:
        raise RolloutError(f"protocol: {shown(packet.protocol)} is no protocol; write tcp, udp, icmp or a number")
    destination = None
    if packet.destination:
        found = reach_match.address_range(str(packet.destination), family)
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
        return ECHO[view.family]
    if protocol not in WITH_PORTS:
        return 0
    if isinstance(packet.port, bool) or not isinstance(packet.port, int) or not 0 < packet.port < PORTS:
        raise RolloutError(f"port: {shown(packet.port)} is no port; write a number from 1 to {PORTS - 1}")
    return packet.port
