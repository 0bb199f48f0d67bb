# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPF records as a receiver follows them (RFC 7208, section 4), as far as the records that are there tell."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import spf
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address, ipv4
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import Record, World

DEEPEST = 20
MOST_STEPS = 100

# What a term matches: (first bits, bits that are not looked at), all at once; None where nobody can tell.
Match = t.Optional[t.List[t.Tuple[int, int]]]


class Policy(t.NamedTuple):
    """An SPF record; without terms where it has an error."""

    name: str
    record: Record
    terms: list[spf.Term] | None


def plain_domain(term: spf.Term, name: str) -> str:
    """Return the domain that a term names, or empty text where it has a macro."""
    if term.name in ("a", "mx"):
        domain = spf.hosts_argument(term.text.lstrip("+-?~")[len(term.name) :])[0] or name
    elif term.name == "redirect=":
        domain = term.text.partition("=")[2]
    else:
        domain = term.text.partition(":")[2]
    if "%" in domain or not domain:
        return ""
    return f"{domain.lower().rstrip('.')}."


class Policies:
    """All SPF records, and what they let through."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.known: dict[str, Policy] = {}
        self.several: set[str] = set()  # names with more than one, where a receiver takes none
        self.used: set[str] = set()  # what is included or redirected to
        self._matches: dict[tuple[str, int, int], Match] = {}
        self._edges: dict[str, list[str]] = {}

    def add(self, name: str, record: Record, terms: list[spf.Term] | None) -> None:
        """Put down an SPF record."""
        policy = self.known[name] = Policy(name, record, terms)
        terms = [term for term in policy.terms or [] if term.name in ("include", "redirect=")]
        self._edges[name] = [target for target in (plain_domain(term, name) for term in terms) if target]
        self.used.update(self._edges[name])

    def targets(self, policy: Policy) -> list[Policy]:
        """Return the known records that a record leads to."""
        return [self.known[name] for name in self._edges[policy.name] if name in self.known]

    def loops(self) -> list[list[str]]:
        """Return the names of each loop."""
        left = {name: {target.name for target in self.targets(policy)} for name, policy in self.known.items()}
        while True:  # what leads nowhere is in no loop
            ends = [name for name, targets in left.items() if not targets & left.keys()]
            if not ends:
                break
            for name in ends:
                del left[name]
        reached = {name: self._reached(name, left) for name in left}
        loops = {
            tuple(sorted(o for o in reached[name] if name in reached[o])) for name in left if name in reached[name]
        }
        return [list(loop) for loop in sorted(loops)]

    @staticmethod
    def _reached(name: str, edges: dict[str, set[str]]) -> set[str]:
        found: set[str] = set()
        left = [name]
        while left:
            new = (edges[left.pop()] & edges.keys()) - found
            found |= new
            left += new
        return found

    def lookups(self, policy: Policy) -> int:
        """Return how many DNS lookups a record costs, with all that it leads to."""
        return self._count(policy, lambda term, name: term.name in spf.LOOKUPS or term.name == "redirect=")

    def void(self, policy: Policy, family: int) -> int:
        """Return how many of the lookups find nothing for a sender of a family."""
        return self._count(policy, lambda term, name: self._is_void(term, name, family))

    def _count(self, policy: Policy, counts: t.Callable[[spf.Term, str], bool]) -> int:
        total = 0
        left = [policy]
        for _step in range(MOST_STEPS):  # a loop has no end
            if not left:
                break
            here = left.pop()
            total += sum(counts(term, here.name) for term in here.terms or [])
            left += self.targets(here)
        return total

    def _is_void(self, term: spf.Term, name: str, family: int) -> bool:
        domain = plain_domain(term, name) if term.name in ("a", "mx", "exists") else ""
        domain = self._world.end(domain) if domain else ""
        if not domain or not self._world.in_known_zone(domain):
            return False
        kind = {"a": "A" if family == 4 else "AAAA", "mx": "MX", "exists": "A"}[term.name]
        return kind not in (self._world.node(domain) or {})

    def mail_hosts(self, domain: str) -> list[str]:
        """Return the names of a domain's MX records."""
        node = self._world.node(domain) or {}
        targets = (record.data.rpartition(" ")[2] for record in node.get("MX", []))
        return [target for target in targets if target != "."]

    def result(self, policy: Policy, family: int, number: int, depth: int = 0) -> str | None:
        """Return the qualifier that an address gets, or None where nobody can tell."""
        if policy.terms is None or depth > DEEPEST:
            return None
        for place, term in enumerate(policy.terms):
            if term.name == "all":
                return term.qualifier
            if term.name == "include":
                target = self.known.get(plain_domain(term, policy.name))
                inner = self.result(target, family, number, depth + 1) if target else None
                if inner is None:
                    return None
                if inner == "+":
                    return term.qualifier
            elif not term.name.endswith("="):
                match = self._match(policy.name, place, term, family)
                if match is None:
                    return None
                if any(number >> bits == first for first, bits in match):
                    return term.qualifier
        for term in policy.terms:
            if term.name == "redirect=":
                target = self.known.get(plain_domain(term, policy.name))
                return self.result(target, family, number, depth + 1) if target else None
        return "?"

    def _match(self, name: str, place: int, term: spf.Term, family: int) -> Match:
        key = (name, place, family)
        if key not in self._matches:
            self._matches[key] = self._matched(name, term, family)
        return self._matches[key]

    def _matched(self, name: str, term: spf.Term, family: int) -> Match:
        if term.name == "ip6":
            if family == 4 or term.prefix is None:
                return []
            return [(term.prefix[0] >> (128 - term.prefix[1]), 128 - term.prefix[1])]
        if term.name == "ip4":
            address, _slash, size = term.text.partition(":")[2].partition("/")
            bits = 32 - int(size or 32)
            return [(ipv4(address, "ip4") >> bits, bits)] if family == 4 else []
        domain = plain_domain(term, name) if term.name in ("a", "mx") else ""
        if not domain:
            return None  # exists, ptr, macros: only a receiver can tell
        _domain, length4, length6 = spf.hosts_argument(term.text.lstrip("+-?~")[len(term.name) :])
        width, length = (32, length4) if family == 4 else (128, length6)
        hosts = [domain] if term.name == "a" else self.mail_hosts(domain)
        if term.name == "mx" and not self._world.knows(domain) and not hosts:
            return None
        found = []
        for host in hosts:
            end = self._world.end(host)
            records = self._world.addresses(end)
            if not records and not self._world.knows(end):
                return None
            for record in records:
                kind, number = any_address(record.data, "address")
                if kind == family:
                    found.append((number >> (width - length), width - length))
        return found
