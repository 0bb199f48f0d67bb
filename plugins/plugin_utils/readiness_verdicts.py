# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nine verdicts on IPv6 that Internet.nl gives: five of a web site, four of a mail domain.

The rules are those of the tests of Internet.nl (https://github.com/internetstandards/Internet.nl, checks/tasks/ipv6.py,
checks/scoring.py, checks/categories.py):

* An address is reached when it takes a TCP connection on one of the ports: 53, 80 and 443, or 25. A name server that
  does not is asked over UDP too, and any answer but SERVFAIL counts. IPv4-mapped AAAA records count as none.
* Each server gets 10 points; 2 where one of its IPv6 addresses is not reached, or a port is open over IPv4 only; 0
  where no IPv6 address is reached. Name servers and mail servers get the mean, without fractions.
* Two name servers with AAAA suffice, and then those without do not count. One alone fails, with 5 points at most.
* A port that is open over IPv4 only costs points; it fails no verdict of name servers and mail servers.
* Each mail server (the first ten by name) needs an AAAA record. A domain without MX record, or with the null MX, has
  nothing to test and full points. A null MX beside others is a notice.
* Pages are the same when they differ by 10 % at most (2 points); what differs more is a notice, and what could not be
  compared fails. Pages are not compared where the site has no IPv4 at all, which gives full points, and where a port is
  open over IPv4 only, which fails.

A notice is ``partial`` here, and what is not tested ``not_applicable``. What differs: the addresses are those of the
site's own primary server and not of a resolver; a site has several names, and its verdict is that of the worst one;
what is not known is ``unknown`` and has no points; pages are compared line by line, and not letter by letter, by the
check W03, and those of HTTPS are compared as well where HTTP answers.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_answer as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_view import TYPES, View, absolute
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    FAMILIES,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    Data,
    Result,
    Site,
    probe,
)

GROUP = "verdict"
WEB = ("http", "https")
WEB_PORTS = (80, 443)
MAIL_PORTS = (25,)
GOOD, SOME, BAD = 10, 2, 0  # points of a server
SAME = 2  # points for the same page
MOST_MAIL_SERVERS = 10
SECONDS = 4
PARTIAL = "partial"
WORST_FIRST = (FAIL, UNKNOWN, PARTIAL, PASS, NOT_APPLICABLE)
TITLES = {
    "web": {
        "ns_aaaa": "Name servers have IPv6 addresses",
        "ns_reach": "Name servers are reached over IPv6",
        "web_aaaa": "The web site has IPv6 addresses",
        "web_reach": "The web site is reached over IPv6",
        "web_ipv46": "The web site is the same over IPv6 and IPv4",
    },
    "mail": {
        "ns_aaaa": "Name servers have IPv6 addresses",
        "ns_reach": "Name servers are reached over IPv6",
        "mx_aaaa": "Mail servers have IPv6 addresses",
        "mx_reach": "Mail servers are reached over IPv6",
    },
}


class Verdict(t.NamedTuple):
    """One of the nine, of one name."""

    verdict: str
    score: int | None
    why: str


class Reach(t.NamedTuple):
    """A server: which of its addresses are reached, over which family on which ports, and what is not known."""

    name: str
    good: dict[str, list[str]]
    bad: dict[str, list[str]]
    ports: dict[str, set[int]]
    unknown: str

    @property
    def points(self) -> int:
        """What Internet.nl gives for it."""
        if not self.good["ipv6"]:
            return BAD
        return SOME if self.bad["ipv6"] or self.ports["ipv4"] - self.ports["ipv6"] else GOOD

    def has(self, family: str) -> bool:
        """Tell whether it has addresses of a family."""
        return bool(self.good[family] or self.bad[family])


def _web_names(site: Site) -> dict[str, str]:
    """Return the published names of web sites with their hosts."""
    found: dict[str, str] = {}
    for host in site.hosts.values():
        if any(entry["name"] in WEB or entry["port"] in WEB_PORTS for entry in host.spec["services"]):
            for name in host.spec["names"]:
                found.setdefault(absolute(name), host.name)
    return found


def _mail_domains(site: Site) -> list[str]:
    return sorted({absolute(name) for host in site.hosts.values() for name in host.spec["mail_domains"]})


def _mail_servers(view: View, domain: str) -> list[str]:
    targets = {text.rpartition(" ")[2].lower() for text in view.data(domain, "MX")}
    return sorted(target for target in targets if target not in (".", "localhost."))[:MOST_MAIL_SERVERS]


def _addresses(view: View, name: str, family: str) -> list[str]:
    return [one for one in view.data(name, TYPES[family]) if not one.startswith("::ffff:")]


def _asked(view: View) -> t.Iterator[tuple[str, str, str, tuple[int, ...]]]:
    """Which name is tried at which address over which family, on which ports."""
    wanted: list[tuple[str, tuple[int, ...]]] = [(name, WEB_PORTS) for name in _web_names(view.site)]
    domains = _mail_domains(view.site)
    wanted += [(target, MAIL_PORTS) for domain in domains for target in _mail_servers(view, domain)]
    for name, ports in wanted:
        for family in view.families:
            for address in _addresses(view, name, family):
                yield name, address, family, ports


def probes(site: Site, view: View) -> list[dict[str, t.Any]]:
    """Return the connections that the verdicts need; name servers are asked by the checks of the DNS."""
    return [
        probe(
            _parts(address, ports, family),
            "ports",
            family,
            address=address,
            ports=list(ports),
            timeout=SECONDS,
            source=site.lab.get("outside_source") if family == "ipv6" else "",
        )
        for _name, address, family, ports in _asked(view)
    ]


def _parts(address: str, ports: tuple[int, ...], family: str) -> tuple[str, ...]:
    return (GROUP, address, "-".join(map(str, ports)), family)


def _reach(view: View, name: str, ports: tuple[int, ...]) -> Reach:
    """Return what was reached of a web or mail server."""
    found = _nothing(name)
    why = ""
    for family in FAMILIES:
        for address in _addresses(view, name, family):
            parts = _parts(address, ports, family)
            proof = view.site.proof(*parts)
            seen = (proof or {}).get("seen") or {}
            if family not in view.families:
                why = why or "the lab machine has no IPv4"
            elif proof is None or seen.get("problem") or "open" not in seen:
                why = why or str(seen.get("problem") or view.site.no_proof(*parts))
            else:
                there = {int(port) for port in seen["open"]} & set(ports)
                found.ports[family].update(there)
                (found.good if there else found.bad)[family].append(address)
    return found._replace(unknown=plain(why or view.reason(name, "AAAA") or view.reason(name, "A")))


def _nothing(name: str) -> Reach:
    return Reach(name, {"ipv4": [], "ipv6": []}, {"ipv4": [], "ipv6": []}, {"ipv4": set(), "ipv6": set()}, "")


def _name_servers(view: View, zone: str) -> list[Reach]:
    """Return what was reached of the name servers of a zone."""
    found: dict[str, Reach] = {target: _nothing(target) for target in view.data(zone, "NS")}
    if "ipv4" not in view.families:
        found = {name: reach._replace(unknown="the lab machine has no IPv4") for name, reach in found.items()}
    for server in view.servers(zone):
        reach = found[server.name]
        said = view.told(server, "soa", zone, "SOA")
        if said.unknown or (not server.address and not said.answers):
            why = said.unknown or "its addresses were not read"
            found[server.name] = reach._replace(unknown=plain(why))
            continue
        udp = said.answers.get("udp")
        good = "tcp" in said.answers or (udp is not None and answers.rcode(udp) != "SERVFAIL")
        (reach.good if good else reach.bad)[server.family].append(server.address or server.name)
        if good:
            reach.ports[server.family].add(53)
    return list(found.values())


def _of_name_servers(view: View, name: str) -> dict[str, Verdict]:
    zone = view.zone_of(name)
    servers = _name_servers(view, zone) if zone else []
    having = [server for server in servers if server.has("ipv6") or _addresses(view, server.name, "ipv6")]
    why = view.reason(name, "AAAA") if not zone else ""
    if not zone or (not having and any(server.unknown for server in servers)):
        why = why or next(server.unknown for server in servers if server.unknown)
        return dict.fromkeys(("ns_aaaa", "ns_reach"), Verdict(UNKNOWN, None, f"{name}: {why}"))
    names = ", ".join(server.name for server in having)
    aaaa = Verdict(FAIL, None, f"{zone}: no name server has an AAAA record")
    if len(having) > 1:
        aaaa = Verdict(PASS, None, f"{zone}: {names}")
    elif having:
        aaaa = Verdict(FAIL, None, f"{zone}: only {names} has an AAAA record, and two are needed")
    return {"ns_aaaa": aaaa, "ns_reach": _servers_reach(zone, servers, having)}


def _servers_reach(zone: str, servers: t.Sequence[Reach], having: t.Sequence[Reach]) -> Verdict:
    if not having:
        return Verdict(NOT_APPLICABLE, 0, f"{zone}: there is no name server with IPv6 to test")
    counted = having if len(having) > 1 else servers
    points = sum(server.points for server in servers)
    score = min(GOOD // 2, points) if len(counted) == 1 else points // len(counted)
    bad = [address for server in having for address in server.bad["ipv6"]]
    if bad:
        return Verdict(FAIL, score, f"{zone}: not reached: {', '.join(bad)}")
    why = next((server.unknown for server in servers if server.unknown), "")
    if why:
        return Verdict(UNKNOWN, None, f"{zone}: {why}")
    return Verdict(PASS, score, f"{zone}: each IPv6 address answers")


def _web(view: View, name: str, host: str, results: t.Sequence[Result]) -> dict[str, Verdict]:
    found = _of_name_servers(view, name)
    reach = _reach(view, name, WEB_PORTS)
    held = _addresses(view, name, "ipv6")
    if not held:
        why = view.reason(name, "AAAA")
        known = Verdict(UNKNOWN, None, f"{name}: {plain(why)}") if why else None
        found["web_aaaa"] = known or Verdict(FAIL, None, f"{name}: there is no AAAA record")
        for key in ("web_reach", "web_ipv46"):
            found[key] = known or Verdict(NOT_APPLICABLE, 0, f"{name}: there is no IPv6 address to test")
        return found
    found["web_aaaa"] = Verdict(PASS, None, f"{name}: {', '.join(held)}")
    if reach.bad["ipv6"]:
        found["web_reach"] = Verdict(FAIL, reach.points, f"{name}: not reached: {', '.join(reach.bad['ipv6'])}")
    elif reach.unknown:
        found["web_reach"] = Verdict(UNKNOWN, None, f"{name}: {reach.unknown}")
    else:
        found["web_reach"] = Verdict(PASS, reach.points, f"{name}: each IPv6 address answers")
    found["web_ipv46"] = _same(name, host, reach, results)
    return found


def _same(name: str, host: str, reach: Reach, results: t.Sequence[Result]) -> Verdict:
    if reach.unknown:
        return Verdict(UNKNOWN, None, f"{name}: {reach.unknown}")
    if not reach.good["ipv6"]:
        return Verdict(NOT_APPLICABLE, 0, f"{name}: it is not reached over IPv6")
    if not reach.has("ipv4"):
        return Verdict(NOT_APPLICABLE, SAME, f"{name}: it has no IPv4 to compare with")
    more = sorted(reach.ports["ipv4"] - reach.ports["ipv6"])
    if more or not reach.good["ipv4"]:
        told = f"port {more[0]} is open over IPv4 only" if more else "it is not reached over IPv4"
        return Verdict(FAIL, 0, f"{name}: {told}")
    own = [one for one in results if one.check == "W03" and one.host == host]
    own = [one for one in own if not one.name or absolute(one.name) == name]
    if any(one.status == FAIL for one in own):
        return Verdict(PARTIAL, 0, f"{name}: the pages differ by more than 10 %")
    if not any(one.status == PASS for one in own) or any(one.status == UNKNOWN for one in own):
        return Verdict(UNKNOWN, None, f"{name}: the pages were not compared")
    return Verdict(PASS, SAME, f"{name}: the pages are the same")


def _mail(view: View, domain: str) -> dict[str, Verdict]:
    found = _of_name_servers(view, domain)
    both = ("mx_aaaa", "mx_reach")
    why = view.reason(domain, "MX")
    records = view.data(domain, "MX")
    null = [text for text in records if text.rpartition(" ")[2] == "."]
    if why:
        return {**found, **dict.fromkeys(both, Verdict(UNKNOWN, None, f"{domain}: {plain(why)}"))}
    if null and len(records) > 1:
        notice = Verdict(PARTIAL, GOOD, f"{domain}: it says that it takes no mail, and has other MX records")
        return {**found, "mx_aaaa": notice, "mx_reach": notice._replace(verdict=NOT_APPLICABLE)}
    servers = [_reach(view, target, MAIL_PORTS) for target in _mail_servers(view, domain)]
    if not servers:
        text = "it says that it takes no mail" if null else "it has no mail server"
        return {**found, **dict.fromkeys(both, Verdict(NOT_APPLICABLE, GOOD, f"{domain}: {text}"))}
    names = ", ".join(server.name for server in servers)
    # What is not known of a server, are its addresses or what they take.
    missing = [server.name for server in servers if not _addresses(view, server.name, "ipv6")]
    lost = [name for name in missing if view.reason(name, "AAAA")]
    why = next((server.unknown for server in servers if server.unknown), "")
    bad = [address for server in servers for address in server.bad["ipv6"]]
    score = sum(server.points for server in servers) // len(servers)
    aaaa = Verdict(PASS, None, f"{domain}: {names}")
    if [name for name in missing if name not in lost]:
        aaaa = Verdict(FAIL, None, f"{domain}: no AAAA record: {', '.join(missing)}")
    elif lost:
        aaaa = Verdict(UNKNOWN, None, f"{domain}: {why}")
    reach = Verdict(PASS, score, f"{domain}: each IPv6 address answers")
    if bad:
        reach = Verdict(FAIL, score, f"{domain}: not reached: {', '.join(bad)}")
    elif why:
        reach = Verdict(UNKNOWN, None, f"{domain}: {why}")
    elif len(missing) == len(servers):
        reach = Verdict(NOT_APPLICABLE, BAD, f"{domain}: there is no mail server with IPv6 to test")
    return {**found, "mx_aaaa": aaaa, "mx_reach": reach}


def _worst(found: t.Sequence[Verdict], what: str) -> Verdict:
    """Return the verdict of the worst name; of none there is nothing to test."""
    if not found:
        return Verdict(NOT_APPLICABLE, None, f"the site has no {what}")
    first = min(
        found, key=lambda one: (WORST_FIRST.index(one.verdict), GOOD if one.score is None else one.score, one.why)
    )
    others = sum(one.verdict == first.verdict for one in found) - 1
    return first._replace(why=f"{first.why} (and {others} more)" if others else first.why)


def internet_nl(site: Site, results: t.Sequence[Result]) -> dict[str, list[Data]]:
    """Return the nine verdicts: ``{web: [{id, title, verdict, score, why}], mail: [...]}``."""
    view = View(site)
    told = {
        "web": [_web(view, name, host, results) for name, host in sorted(_web_names(site).items())],
        "mail": [_mail(view, domain) for domain in _mail_domains(site)],
    }
    what = {"web": "web site with a published name", "mail": "mail domain"}
    return {
        kind: [
            {"id": key, "title": title, **_worst([one[key] for one in told[kind]], what[kind])._asdict()}
            for key, title in titles.items()
        ]
        for kind, titles in TITLES.items()
    }
