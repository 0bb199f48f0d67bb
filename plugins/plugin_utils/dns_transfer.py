# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole zone as a server gives it away (AXFR, RFC 5936): its messages put together, and what is wrong with them."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset

try:
    import dns.rdatatype
except ImportError:
    pass  # dns_names.need_library says so

_STRUCTURE = frozenset({dns_wire.SOA, dns_wire.NS, dns_wire.CNAME, dns_wire.DNAME})
_MOST_UNSIGNED = 99  # messages between two that are signed (RFC 8945, section 5.3.1)


class NotTransferred(RolloutError):
    """Why a server does not give a zone away."""


class Zone(t.NamedTuple):
    """A zone as it was given away."""

    name: str
    serial: int
    rrsets: dict[Key, Rrset]  # all of them, or those that were asked for
    cuts: frozenset[str]  # below these names something else speaks: another zone, or a DNAME record
    aliases: frozenset[str]
    records: int

    def speaks_for(self, key: Key) -> bool:
        """Whether the zone says all there is to say of an RRset."""
        name = key.name
        if name in self.aliases and key.type != "CNAME":
            return False
        if not self.cuts:
            return True
        while name and name != self.name:
            if name in self.cuts:
                return False
            name = name.partition(".")[2]
        return True


class Transfer:
    """The messages of one transfer, as they come."""

    def __init__(self, zone: str, only: t.Container[Key] | None = None, most: int | None = None) -> None:
        self.zone = zone
        self.records = 0
        self.complete = False
        self._only, self._most = only, most
        self._found: dict[Key, list[t.Any]] = {}
        self._cuts: set[str] = set()
        self._aliases: set[str] = set()
        self._soa = ""
        self._kinds = {6: "SOA"}

    def take(self, answer: dns_wire.Answer) -> None:
        """Take the records of a message."""
        kinds, found, only = self._kinds, self._found, self._only
        for record in answer.answer:
            if self.complete:
                raise NotTransferred(f"zone {self.zone}: there are records behind the SOA record at the end")
            name, number, ttl, _start, _length = record
            name = name.lower()
            if number in _STRUCTURE:
                if number == dns_wire.SOA:
                    self._take_soa(name, record, answer)
                    continue
                if number == dns_wire.CNAME:
                    self._aliases.add(name)
                elif name != self.zone or number == dns_wire.DNAME:
                    self._cuts.add(name)
            if not self._soa:
                raise NotTransferred(f"zone {self.zone}: the transfer does not begin with the SOA record")
            kind = kinds.get(number)
            if kind is None:
                kind = kinds[number] = dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))
            key = Key(name, kind)
            if only is not None and key not in only:
                continue
            text = dns_wire.data_text(kind, record, answer)
            held = found.get(key)
            if held is None:
                found[key] = [ttl, text]
            else:
                held[0] = min(held[0], ttl)
                held.append(text)
        self.records += len(answer.answer)
        if self._most is not None and self.records > self._most and not self.complete:
            raise NotTransferred(f"zone {self.zone}: it has more than {self._most} records")

    def _take_soa(self, name: str, record: dns_wire.Rr, answer: dns_wire.Answer) -> None:
        text = dns_wire.data_text("SOA", record, answer)
        if name != self.zone:
            raise NotTransferred(f"zone {self.zone}: the transfer is one of the zone {name}")
        if not self._soa:
            self._soa = text
            self._found[Key(name, "SOA")] = [record.ttl, text]
        elif text != self._soa:
            raise NotTransferred(f"zone {self.zone}: the SOA records at the beginning and the end differ; try again")
        else:
            self.complete = True

    def result(self) -> Zone:
        """Return the zone."""
        return Zone(
            self.zone,
            int(self._soa.split()[2]),
            {
                key: Rrset(held[0], (held[1],) if len(held) == 2 else tuple(sorted(set(held[1:]))))
                for key, held in self._found.items()
            },
            frozenset(self._cuts),
            frozenset(self._aliases),
            self.records - 1,
        )


def check_signed(complete: bool, is_signed: bool, records: int, unsigned: int) -> str | None:
    """Say what is wrong with where the signatures stand (RFC 8945, section 5.3.1), or None."""
    if not is_signed and not records:
        return "did not sign its answer, although the question was signed; it is not trusted"
    if not is_signed and complete:
        return "did not sign the end of the transfer; it is not trusted"
    if unsigned > _MOST_UNSIGNED:
        return f"left more than {_MOST_UNSIGNED} messages of the transfer without a signature; it is not trusted"
    return None
