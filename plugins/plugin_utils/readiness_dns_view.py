# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the checks of the DNS look at: the records that were read, and the servers that everybody asks.

The records are those of the primary server, as the module ``zone_info`` read them. The servers are those of the NS
records; the lab machine asks each of them over each family that it has an address of.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_answer as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import address_text, any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_answer import Short, Told
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
    STATUSES,
    Data,
    Host,
    Result,
    Site,
    probe,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

GROUP = "dns"
TYPES = {"ipv4": "A", "ipv6": "AAAA"}
_OF_NAMES = ("NS", "MX", "PTR", "CNAME", "SRV")  # types whose data are names, of which the case does not matter
MOST_WITHOUT_IPV6 = 10  # names of a zone that have IPv4 only, and are asked for


class Server(t.NamedTuple):
    """An authoritative server at one address. Without an address, its name is resolved by the lab machine."""

    name: str
    address: str
    family: str

    @property
    def place(self) -> str:
        """What tells it from others, in the ids of probes."""
        return self.address or self.name

    def __str__(self) -> str:
        return f"{self.name} {self.address}".strip()


def absolute(name: object) -> str:
    """Return a name as the records have it: lower case, with its final dot."""
    return f"{str(name).rstrip('.').lower()}."


class View:
    """The DNS of a site."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.zones: dict[str, Data] = {absolute(name): zone for name, zone in (site.dns.get("zones") or {}).items()}
        self.records: dict[tuple[str, str], list[Data]] = {}
        for record in site.dns.get("records") or ():
            self.records.setdefault((absolute(record["name"]), str(record["type"])), []).append(record)
        # What name servers make by themselves where nobody gives them the zone (RFC 6303, section 3), is none.
        self.empty = {z for z in self.zones if self.data(z, "NS") == [z] and not self._has_address(z)}
        self.zones = {name: zone for name, zone in self.zones.items() if name not in self.empty}
        self._unknown = {
            (absolute(item["name"]), str(item["type"])): str(item["reason"]) for item in site.dns.get("unknown") or ()
        }
        settings = site.setting("ipv6_dns") or {}
        self.primary = str(settings.get("server") or "") if isinstance(settings, t.Mapping) else ""
        port = str(settings.get("port") or "") if isinstance(settings, t.Mapping) else ""
        self._port = int(port) if port.isdecimal() else 53
        own = str(site.lab.get("ipv4") or "")  # an inventory may reach a lab machine without IPv4 by its IPv6 address
        self.families = [family for family in FAMILIES if family == "ipv6" or (own and ":" not in own)]
        self._signed: dict[str, bool] = {}
        self._hosts: dict[str, str] = {}
        self._wanted: dict[str, set[str]] = {}
        proxied = site.setting("v4_proxy_aaaa") == "proxy"
        for host in site.hosts.values():
            for name in host.spec["names"]:
                self._wanted.setdefault(absolute(name), set()).update(self._meant(host, proxied))
            self._hosts.setdefault(reverse_name(host.spec["address"]), host.name)
            for name in (*host.spec["names"], *host.spec["lab_names"], *host.spec["mail_domains"]):
                self._hosts.setdefault(absolute(name), host.name)

    # -- the records --------------------------------------------------------------------------------------------

    def _has_address(self, name: str) -> bool:
        return any((name, kind) in self.records for kind in TYPES.values())

    def data(self, name: str, kind: str) -> list[str]:
        """Return the data of an RRset; addresses in one form, each once."""
        found = [str(record["data"]) for record in self.records.get((absolute(name), kind), ())]
        if kind in TYPES.values():
            return sorted({_canonical(text) for text in found})
        return sorted({text.lower() if kind in _OF_NAMES else text for text in found})

    def ttls(self, name: str, kind: str) -> set[int]:
        """Return the TTLs of an RRset."""
        return {int(record["ttl"]) for record in self.records.get((absolute(name), kind), ())}

    def reason(self, name: str, kind: str) -> str:
        """Say why it is not known what an RRset holds; empty where it is known, also where there is none."""
        if not self.zones:
            return self.site.dns_why or "no zone was read"
        told = self._unknown.get((absolute(name), kind))
        if told is None and not self.zone_of(name) and not self.data(name, kind):
            return f"no zone that was read holds {absolute(name)}"
        return told or ""

    def zone_of(self, name: str) -> str:
        """Return the zone that a name lies in, of those that were read."""
        place = absolute(name)
        while place and place not in self.zones:
            place = place.partition(".")[2]
        return place

    def host_of(self, name: str) -> str:
        """Return the host that has a name, an address by its reverse name, or a mail domain."""
        return self._hosts.get(absolute(name), "")

    def published(self) -> t.Iterator[tuple[Host, str]]:
        """Each host with each of its names."""
        for host in self.site.hosts.values():
            for name in host.spec["names"]:
                yield host, absolute(name)

    def expected(self, name: str) -> list[str]:
        """Return the addresses that a published name is meant to have: those of all hosts that have the name."""
        return sorted(self._wanted.get(absolute(name), ()))

    def own_ipv4(self, name: str) -> list[str]:
        """Return the IPv4 addresses of a host: that of the inventory, where it is a proxy, and those that it has."""
        host = self.site.hosts[name]
        if not host.spec.get("ipv4"):
            return []
        told = [host.spec["ipv4"], *(host.variables.get("v4_proxy_public") or ())]
        told += [one.get("address") for one in host.audit.get("addresses") or () if one.get("interface") != "lo"]
        return sorted({_canonical(one) for one in told if "." in str(one)})

    def _meant(self, host: Host, proxied: bool) -> set[str]:
        """Return the addresses that the names of a host are meant to have."""
        return set(self._proxies()) if proxied and not host.spec.get("ipv4") else {_canonical(host.spec["address"])}

    def _proxies(self) -> list[str]:
        """Return the IPv6 addresses under which the world finds the v4 proxies."""
        told = [one for host in self.site.hosts.values() for one in host.variables.get("v4_proxy_public") or ()]
        return [_canonical(one) for one in told if ":" in str(one)]

    # -- the servers --------------------------------------------------------------------------------------------

    def served(self) -> list[str]:
        """Return the zones whose servers are judged, forward zones first.

        A zone of IPv4 addresses that was not read whole is none: single PTR records of it were asked for, and no more.
        """
        found = [zone for zone in self.zones if not (zone.endswith(".in-addr.arpa.") and self.unlisted(zone))]
        return sorted(found, key=lambda name: (name.endswith(".arpa."), name))

    def unlisted(self, zone: str) -> bool:
        """Tell whether the NS records of a zone were not read: it was asked for some names, and not transferred."""
        return self.zones[zone].get("by") != "transfer" and not self.data(zone, "NS")

    def servers(self, zone: str) -> list[Server]:
        """Return the servers of a zone, by address."""
        found: dict[str, Server] = {}
        for target in self.data(zone, "NS"):
            known = False
            for family in FAMILIES:
                for address in self.data(target, TYPES[family]):
                    known = True
                    found.setdefault(address, Server(absolute(target), address, family))
            if not known and not self.zone_of(target):
                for family in FAMILIES:
                    found.setdefault(f"{target} {family}", Server(absolute(target), "", family))
        return [server for server in found.values() if server.family in self.families]

    def every_server(self) -> dict[Server, list[str]]:
        """Return all servers with their zones."""
        found: dict[Server, list[str]] = {}
        for zone in self.served():
            for server in self.servers(zone):
                found.setdefault(server, []).append(zone)
        return found

    def about(self, server: Server) -> dict[str, str]:
        """Return what results of a server are about; it may be a host of the fleet."""
        about = {"name": server.name, "address": server.address, "family": server.family}
        for host in self.site.hosts.values():
            if server.address and server.address in (host.spec["address"], host.spec.get("ipv4")):
                about["host"] = host.name
                about["service"] = "dns" if host.has("dns") else ""
        return about

    def ask(self, server: Server, what: str, name: str, kind: str, **how: t.Any) -> dict[str, t.Any]:
        """Return a probe: a question to a server. It comes from the outside, as everybody's do."""
        source = self.site.lab.get("outside_source") if server.family == "ipv6" else ""
        port = self._port if server.address and server.address == self.primary else 53
        protocol = how.pop("protocol", "both")
        return probe(
            (GROUP, server.place, what, server.family, name),
            "dns",
            server.family,
            address=server.address,
            name="" if server.address else server.name.rstrip("."),
            port=port,
            source=source,
            query=answers.question(name, kind, **how),
            protocol=protocol,
        )

    def told(self, server: Server, what: str, name: str, kind: str) -> Told:
        """Return what a server answered, over each protocol."""
        parts = (GROUP, server.place, what, server.family, name)
        proof = self.site.proof(*parts)
        if proof is None:
            return Told({}, {}, self.site.no_proof(*parts))
        return answers.told(proof, name, kind)

    def short(self, server: Server, name: str, kind: str) -> tuple[Short | None, str]:
        """Return what a server answered to a question for addresses, or None and why there is no answer."""
        parts = (GROUP, server.place, kind.lower(), server.family, name)
        proof = self.site.proof(*parts)
        return (None, self.site.no_proof(*parts)) if proof is None else answers.short(proof, name, kind)

    def asked(self, server: Server, name: str, kind: str) -> bool:
        """Tell whether a question for addresses was sent at all."""
        proof = self.site.proof(GROUP, server.place, kind.lower(), server.family, name)
        return proof is not None and not (proof.get("seen") or {}).get("problem")

    def signed(self, zone: str) -> bool:
        """Tell whether a server of a zone signs its SOA record."""
        if zone not in self._signed:
            self._signed[zone] = any(
                answers.signatures(answer, zone, "SOA")
                for server in self.servers(zone)
                for answer in self.told(server, "soa", zone, "SOA").answers.values()
            )
        return self._signed[zone]


def _canonical(text: object) -> str:
    try:
        return address_text(*any_address(str(text), "address"))
    except RolloutError:
        return str(text)


def merged(results: t.Iterable[Result]) -> list[Result]:
    """Join results of one thing: the worst one is said, and the others of its status stand beneath it."""
    found: dict[tuple[str, ...], Result] = {}
    for result in results:
        other = found.get(result.key)
        if other is None:
            found[result.key] = result
            continue
        first, second = sorted((other, result), key=lambda one: STATUSES.index(one.status))
        lines = list(first.evidence)
        if first.status == second.status:
            lines += [line for line in (second.message, *second.evidence) if line not in lines]
        found[result.key] = dataclasses.replace(first, evidence=tuple(lines))
    return list(found.values())


def unread(view: View) -> list[Result]:
    """Say that nothing is known, where no zone was read."""
    if view.zones:
        return []
    why = view.site.dns_why or "no zone was read"
    return [unknown(f"the name server was not read: {why}", variable="ipv6_dns")]
