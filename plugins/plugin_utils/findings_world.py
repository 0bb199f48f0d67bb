# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that the findings are made from: what is where, what a delegation hides, and what is not known."""

from __future__ import annotations

import collections
import re
import typing as t

ADDRESSES = frozenset({"A", "AAAA"})
# Signatures and denials stand wherever the signer puts them; they are no data of their own.
SIGNATURES = frozenset({"RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"})
HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+", re.ASCII)
# What may stand beside a CNAME record, and the CNAME record (RFC 4035, section 2.5, for KEY).
BESIDE = frozenset({"CNAME", "KEY"})
MOST_ALIASES = 16

Node = t.Dict[str, t.List["Record"]]


class Record(t.NamedTuple):
    """A record with absolute names in lower case. An unknown zone is empty text, an unknown TTL is None."""

    zone: str
    name: str
    ttl: int | None
    type: str
    data: str


def parent(name: str) -> str:
    """Return the name above; empty text above the root's children."""
    return name.partition(".")[2]


def is_below(name: str, zone: str) -> bool:
    """Tell whether a name is a zone's own name or lies in it."""
    return name == zone or zone == "." or name.endswith(f".{zone}")


def is_host_name(name: str) -> bool:
    """Tell whether a name is one that hosts may have (RFC 1123, section 2.1)."""
    return HOST.fullmatch(name) is not None and not name.rstrip(".").rpartition(".")[2].isdigit()


def in_reverse_tree(name: str) -> bool:
    """Tell whether a name stands for an address."""
    return name.endswith((".ip6.arpa.", ".in-addr.arpa."))


class World:
    """All records, by zone and name."""

    def __init__(self, records: t.Iterable[Record], complete: frozenset[str] | None) -> None:
        counts = collections.Counter(records)
        found = list(counts)
        self.repeated = {record: times for record, times in counts.items() if times > 1}
        self.complete = complete
        self.apexes = {record.zone for record in found if record.zone}
        self.apexes |= {record.name for record in found if record.type == "SOA"} | (complete or frozenset())
        self.outside = [record for record in found if record.zone and not is_below(record.name, record.zone)]
        self._deepest: dict[str, str] = {}
        self.records = [self._placed(record) for record in found]
        self._places = self.apexes
        self._find_cuts()
        self._sort_in()

    def _placed(self, record: Record) -> Record:
        if record.zone and is_below(record.name, record.zone):
            return record
        return record._replace(zone=self._above(record.name, self.apexes))

    def _above(self, name: str, places: t.AbstractSet[str]) -> str:
        """Return the closest of some names at or above a name, or empty text."""
        while name and name not in places:
            name = parent(name)
        return name if name else "." if "." in places else ""

    def _find_cuts(self) -> None:
        """Find the delegations and the DNAME records of each zone."""
        self.cuts: dict[str, set[str]] = {}
        self.dnames: dict[str, set[str]] = {}
        for record in self.records:
            if record.type == "NS" and record.zone and record.name != record.zone:
                self.cuts.setdefault(record.zone, set()).add(record.name)
            elif record.type == "DNAME":
                self.dnames.setdefault(record.zone, set()).add(record.name)
        self._places = self.apexes.union(*self.cuts.values())
        self._dnames = set().union(*self.dnames.values())
        self._deepest.clear()

    def _sort_in(self) -> None:
        """Tell authoritative data, delegations, glue records and what is hidden from each other."""
        self.data: dict[str, Node] = {}
        self.delegations: dict[tuple[str, str], Node] = {}  # by parent zone and name of the delegation
        self.glue: dict[tuple[str, str], Node] = {}  # by parent zone and name of the host
        self.below_cut: list[tuple[Record, str]] = []
        self.below_dname: list[tuple[Record, str]] = []
        servers = {(record.zone, record.data) for record in self.records if record.type == "NS"}
        for record in self.records:
            cut = self._top(record, self.cuts)
            if cut and record.type in ("NS", "DS") and cut == record.name:
                self._put(self.delegations.setdefault((record.zone, cut), {}), record)
            elif cut and record.type in ADDRESSES and (record.zone, record.name) in servers:
                self._put(self.glue.setdefault((record.zone, record.name), {}), record)
            elif cut:
                if record.type not in SIGNATURES:
                    self.below_cut.append((record, cut))
            else:
                dname = self._top(record, self.dnames)
                if dname and dname != record.name:
                    self.below_dname.append((record, dname))
                else:
                    self._put(self.data.setdefault(record.name, {}), record)
        self._wild = {name[2:] for name in self.data if name.startswith("*.")}
        self._inner: set[str] | None = None
        self._existing: set[str] | None = None  # every name and every name above one

    @staticmethod
    def _put(node: Node, record: Record) -> None:
        node.setdefault(record.type, []).append(record)

    @staticmethod
    def _top(record: Record, cuts: dict[str, set[str]]) -> str:
        """Return the highest cut at or above a record in its zone, or empty text."""
        places = cuts.get(record.zone)
        if not places:
            return ""
        found, name = "", record.name
        while name:
            if name in places:
                found = name
            if name == record.zone:
                break
            name = parent(name)
        return found

    def zone_of(self, name: str) -> str:
        """Return the zone that a name is in: of the known ones and those that are delegated."""
        zone = self._deepest.get(name)
        if zone is None:
            zone = self._deepest[name] = self._above(name, self._places)
        return zone

    def knows(self, name: str) -> bool:
        """Tell whether a name that has no record is known to have none."""
        if self._dnames and name not in self._dnames and self._above(name, self._dnames):
            return False
        zone = self.zone_of(name)
        if self.complete is None:
            return not zone or zone in self.apexes
        return zone in self.complete

    def in_known_zone(self, name: str) -> bool:
        """Tell whether a name lies in a zone that the records name."""
        return bool(self.zone_of(name)) and self.knows(name)

    def node(self, name: str) -> Node | None:
        """Return what a query for a name finds, from a wildcard too."""
        found = self.data.get(name)
        if found is not None or not self._wild:
            return found
        inner = self._inner_names()
        while name and name not in inner:
            name = parent(name)
            if name in self._wild:
                return self.data[f"*.{name}"]
            if name in self.data or name in self._places:
                return None
        return None

    def exists(self, name: str) -> bool:
        """Tell whether a name exists: it has records, a wildcard answers for it, or there are names below it."""
        if self.node(name) is not None:
            return True
        if self._existing is None:
            self._existing = set()
            for found in self.data:
                while found and found not in self._existing:
                    self._existing.add(found)
                    found = parent(found)
        return name in self._existing

    def _inner_names(self) -> set[str]:
        """Return the names between a wildcard's branch and the names in it: they exist, and so hide the wildcard."""
        if self._inner is None:
            self._inner = set()
            for name in self.data:
                path: list[str] = []
                below = 0
                while name:
                    name = parent(name)
                    if name in self._wild:
                        below = len(path)
                    if name in self._inner:
                        below = len(path)
                        break
                    path.append(name)
                self._inner.update(path[:below])
        return self._inner

    def addresses(self, name: str) -> list[Record]:
        """Return the A and AAAA records of a name; the glue records where its own zone is not known."""
        found = self.node(name)
        if found is None and not self.knows(name):
            return [
                record
                for zone in sorted(self.cuts)
                for kind in sorted(ADDRESSES)
                for record in self.glue.get((zone, name), {}).get(kind, [])
            ]
        return [record for kind in ("A", "AAAA") for record in (found or {}).get(kind, [])]

    def alias(self, name: str) -> str:
        """Return what a name is an alias of, or empty text; other data beside the CNAME is a finding of its own."""
        found = self.node(name)
        return found["CNAME"][0].data if found and "CNAME" in found and not found.keys() - SIGNATURES - BESIDE else ""

    def end(self, name: str) -> str:
        """Return the name at the end of the aliases."""
        for _step in range(MOST_ALIASES):
            target = self.alias(name)
            if not target:
                break
            name = target
        return name
