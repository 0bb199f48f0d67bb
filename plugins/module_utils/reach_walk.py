# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of packets through the tables and chains of a rule set, and what happens to them there.

All sources and all ports go through the chains together, as a map from ports to the sources that are still on their
way. Each rule takes its part away. A rule that can't be decided (``-m limit``) takes its part and lets it pass, too,
so at the end a packet may have two fates: then what happens to it depends on something that the rules don't say.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals, reach_match
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.intervals import Set
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import PORTS, View
from ansible_collections.ipv6.rollout.plugins.module_utils.region import Block, Heap, Region
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Rule, TableText, parse_tables

FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}

# The way of a packet to the host itself.
WAY = (
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("nat", "PREROUTING"),
    ("mangle", "INPUT"),
    ("filter", "INPUT"),
    ("security", "INPUT"),
)

# The way of its answer. The nat table is asked about the first packet of a connection only.
WAY_BACK = (
    ("raw", "OUTPUT"),
    ("mangle", "OUTPUT"),
    ("filter", "OUTPUT"),
    ("security", "OUTPUT"),
    ("mangle", "POSTROUTING"),
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
REWRITING = {"DNAT", "NETMAP", "REDIRECT", "TPROXY"}
"""Targets after which the packet goes somewhere else, to another port or another host."""

DEEPEST = 100
"""How deep chains may lie in each other; iptables-nft allows 16."""
LONGEST = 10000
"""How many jumps to chains are followed. Each rule that may match doubles the ways of what comes after it."""


INCOMPATIBLE = "is incompatible"
"""What ``iptables-save`` says in place of a table with rules that only nft knows."""
BACK_ENDS = 2
"""nft and legacy."""


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
    """The rules of one family, as ``iptables-save`` or ``ip6tables-save`` prints them.

    Where both back ends of iptables hold rules, there is a text of each, and packets go through the tables of both.
    """

    def __init__(self, saved: object, family: str) -> None:
        if family not in FAMILIES:
            raise RolloutError(f"family: {shown(family)} is no address family; choose one of {', '.join(FAMILIES)}")
        self.family = family
        self.tables: t.Dict[str, TableText] = {}
        self.unseen = [line for text in rule_texts(saved) for line in remarks(text) if INCOMPATIBLE in line]
        for number, text in enumerate(rule_texts(saved)):
            tables = parse_tables(text)
            self.tables.update({_named(name, number): table for name, table in tables.items()})
        self._chains: t.Dict[str, t.Dict[str, t.List[Rule]]] = {}
        for name, table in self.tables.items():
            chains = self._chains[name] = {chain: [] for chain in table.policies}
            for rule in table.rules:
                chains.setdefault(rule.chain, []).append(rule)
        self._areas: t.Dict[t.Tuple[str, str, View], t.List[t.Tuple[Rule, reach_match.Area]]] = {}

    def chains(self, table: str) -> t.Dict[str, t.List[Rule]]:
        """The chains of a table with their rules."""
        return self._chains.get(table, {})

    def policy(self, table: str, chain: str) -> str:
        """What happens to a packet that no rule of a built-in chain decides over."""
        found: t.Optional[TableText] = self.tables.get(table)
        return found.policies.get(chain, "ACCEPT") if found else "ACCEPT"

    def areas(self, table: str, chain: str, view: View) -> t.List[t.Tuple[Rule, reach_match.Area]]:
        """The rules of a chain that match any of the packets; each is read once, however many walks there are."""
        key = (table, chain, view)
        if key not in self._areas:
            areas = [
                (rule, reach_match.area(rule, view))
                for rule in self.chains(table).get(chain, [])
                if rule.target not in PASSING or _hides(rule)
            ]
            self._areas[key] = [(rule, area) for rule, area in areas if area is not None]
        return self._areas[key]

    def walk(self, view: View, start: t.List[Block]) -> Walk:
        """Send packets through the chains; ``start`` has their ports, as places on the axis of the view."""
        return Walk(self, view, start)


class Walk:
    """What happens on the way. Packets that are both accepted and refused are those for which it depends."""

    def __init__(self, rule_set: RuleSet, view: View, start: t.List[Block]) -> None:
        self.steps: t.List[Step] = []
        self.hiding: t.List[Rule] = []
        self.answer = view.answer
        self._rules = rule_set
        self._view = view
        self._accepted, self._refused, self._through = Heap(), Heap(), Heap()
        self._table, self._tracked = "", False
        self._jumps = 0
        self._returned: t.Dict[t.Tuple[str, t.Tuple[Block, ...]], t.List[Block]] = {}
        for kind, chain in WAY_BACK if view.answer else WAY:
            for number in range(BACK_ENDS):
                if _named(kind, number) in rule_set.tables:
                    start = self._walk_table(kind, _named(kind, number), chain, start)
        self._accepted.add(start)

    def _walk_table(self, kind: str, table: str, chain: str, start: t.List[Block]) -> t.List[Block]:
        self._tracked = kind != "raw"
        self._table, self._returned, self._through = table, {}, Heap()
        region = Region(self._view.axis[-1], start)
        if kind == "nat":  # only packets that connection tracking sees come to it
            self._through.add(region.take((self._view.seen, self._view.axis[-1]), self._view.everyone))
        left = self._walk_chain(chain, region, ())
        if left:
            refused = self._rules.policy(table, chain) == "DROP"
            self._decide("refuse" if refused else "accept", f"the policy of {chain}", left)
        return self._through.region(self._view.axis[-1]).blocks()

    def _decide(self, outcome: str, by: t.Union[Rule, str], blocks: t.List[Block], doubt: str = "") -> None:
        self.steps.append(Step(self._table, outcome, by, doubt))
        if outcome != "refuse":
            self._through.add(blocks)
        if outcome != "accept":
            self._refused.add(blocks)

    def _walk_chain(self, chain: str, region: Region, callers: t.Tuple[str, ...]) -> t.List[Block]:
        """Return what comes back from the chain: what falls through, and what was sent back on the way."""
        back = Heap()
        callers = (*callers, chain)
        for rule, area in self._rules.areas(self._table, chain, self._view._replace(tracked=self._tracked)):
            target = rule.target
            ports = intervals.common(area.ports, (0, self._view.seen)) if _hides(rule) else area.ports
            blocks = region.take(ports, area.sources, leave=bool(area.doubt))
            if not blocks:
                continue
            if area.doubt:
                self.steps.append(Step(self._table, "doubt", rule, area.doubt))
            if target == "ACCEPT":
                self._decide("accept", rule, blocks)
            elif target in reach_match.REFUSING:
                self._decide("refuse", rule, blocks)
            elif target == "RETURN":
                back.add(blocks)
            elif _hides(rule):
                self.hiding.append(rule)
                region.add((intervals.moved(ports, self._view.seen), sources) for ports, sources in blocks)
            elif self._may_jump(target, callers):
                returned = self._jump(target, blocks, callers)
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

    def _may_jump(self, target: str, callers: t.Tuple[str, ...]) -> bool:
        known = target in self._rules.chains(self._table) and target not in callers
        return known and len(callers) < DEEPEST and self._jumps < LONGEST

    def _jump(self, target: str, blocks: t.List[Block], callers: t.Tuple[str, ...]) -> t.List[Block]:
        """Return what comes back from a chain; the same packets have the same fate there each time."""
        key = (target, tuple(blocks))
        if key not in self._returned:
            self._jumps += 1
            self._returned[key] = self._walk_chain(target, Region(self._view.axis[-1], blocks), callers)
        return self._returned[key]

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


def rule_texts(saved: object) -> t.List[str]:
    """Return the text of the rules, or one for each back end."""
    texts = list(saved) if isinstance(saved, (list, tuple)) and saved else [saved]
    for text in texts:
        if not isinstance(text, str):
            raise RolloutError(f"rules: {shown(text)} is not text; give what iptables-save prints")
    if len(texts) > BACK_ENDS:
        raise RolloutError(f"rules: {len(texts)} texts of one family; give one for each back end, nft and legacy")
    return t.cast("t.List[str]", texts)


def remarks(text: str) -> t.List[str]:
    """Return what ``iptables-save`` says of rules that it does not print."""
    return [line[2:] for line in text.split("\n") if line.startswith(("# Warning", "# Table"))]


def _named(table: str, number: int) -> str:
    """Return what a table is called; both back ends have one of each kind."""
    return f"{table}, back end {number + 1}" if number else table
