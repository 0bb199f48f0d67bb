# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of web services: what a client gets over IPv6 is what it gets over IPv4."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as TITLES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_access as access
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_answers as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_proxy as proxy
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_ways as ways
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
    Check,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_web_answers import Answer
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_web_ways import Way


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return the requests to make, each over a family of its own."""
    made = []
    for host in site.hosts.values():
        for pair in ways.by_service(host, site).values():
            pair = {family: way for family, way in pair.items() if not site.blind(family)}
            for name in ways.names(host):
                for number in ways.samples(host, name):
                    # The families take turns, so that a moment in which the machine is busy is one for both.
                    made += [access.get(host, site, way, ("get", name, number), name) for way in pair.values()]
                made += access.path_probes(host, site, pair, name)
            made += [access.get(host, site, way, ("literal",), "") for way in pair.values() if host.spec["names"]]
    return made + proxy.probes(site)


class Pair(t.NamedTuple):
    """The answers of a name of a service over both families."""

    service: str
    name: str
    ways: dict[str, Way]
    ipv4: list[Answer]
    ipv6: list[Answer]

    @property
    def about(self) -> dict[str, str]:
        """What a result of both is about."""
        return {"service": self.service, "name": self.name, "address": self.ways["ipv6"].address, "family": "ipv6"}

    def evidence(self) -> tuple[str, ...]:
        """Both first answers, a line each."""
        return (f"IPv4: {self.ipv4[0].told}", f"IPv6: {self.ipv6[0].told}")


def _pairs(host: Host, site: Site) -> t.Iterator[Pair | Result]:
    """Return the answers to compare; where there are none, what is to be said instead."""
    for service, found in ways.by_service(host, site).items():
        for name in ways.names(host):
            about = {"host": host.name, "service": service, "name": name}
            if len(found) < len(FAMILIES):
                missing = ", ".join(TITLES[family] for family in FAMILIES if family not in found)
                yield not_applicable(f"no client comes to it over {missing}, so there is nothing to compare", **about)
                continue
            got = {
                family: [
                    answers.answer(site, way, "web", host.name, service, family, "get", name, number)
                    for number in ways.samples(host, name)
                ]
                for family, way in found.items()
            }
            pair = Pair(service, name, found, got["ipv4"], got["ipv6"])
            problem = _not_comparable(pair)
            yield unknown(problem, host=host.name, **pair.about) if problem else pair


def _not_comparable(pair: Pair) -> str:
    """Say why the answers say nothing of the families; empty where they do."""
    for family, found in (("ipv4", pair.ipv4), ("ipv6", pair.ipv6)):
        unseen = next((one for one in found if one.unseen), None)
        if unseen is not None:
            return f"it was not asked over {TITLES[family]}: {unseen.why}"
        if not any(one.status or one.reached for one in found):
            return f"no connection came about over {TITLES[family]}"
    if not any(one.status for one in (*pair.ipv4, *pair.ipv6)):
        return "it answers no request over either family"
    return ""


# ---------------------------------------------------------------------------------------------- W01


def connected(host: Host, site: Site) -> t.Iterator[Result]:
    """W01: each web service takes connections over each family."""
    for service, pair in ways.by_service(host, site).items():
        for family, way in pair.items():
            about = {"host": host.name, "service": service, "address": way.address, "family": family}
            found = answers.answer(site, way, *answers.first(host, service, family))
            if found.unseen:
                yield unknown(found.why, **about)
            elif not found.reached:
                yield failed(
                    f"no client can connect to port {way.service['port']} over {TITLES[family]}",
                    evidence=(found.told, *((f"by the v4 proxy {way.proxy}",) if way.proxy else ())),
                    variable="ipv6_services",
                    fix="let the daemon listen on this address, and open the port in the rules of this family",
                    **about,
                )
            elif found.seen.get("family") != family:
                yield unknown("the connection was not made over the family that was asked for", **about)
            else:
                yield passed(f"port {way.service['port']} takes connections over {TITLES[family]}", **about)


# ---------------------------------------------------------------------------------------------- W02


def same_answer(host: Host, site: Site) -> t.Iterator[Result]:
    """W02: status, final URL and the headers that matter are the same."""
    for pair in _pairs(host, site):
        yield pair if isinstance(pair, Result) else _answers(host, pair)


def _answers(host: Host, pair: Pair) -> Result:
    about = {"host": host.name, **pair.about}
    six, four = pair.ways["ipv6"], pair.ways["ipv4"]
    lines, differ, varies = [], [], []
    properties: list[tuple[str, t.Callable[[Answer, Way], object]]] = [
        ("status", lambda found, _way: found.told),
        ("final URL", answers.place),
        *((name, _reader(name)) for name in answers.HEADERS),
        ("cookies", lambda found, _way: answers.cookies(found)),
    ]
    for what, read in properties:
        if read(pair.ipv4[0], four) == read(pair.ipv6[0], six):
            continue
        one, other = [read(found, four) for found in pair.ipv4], [read(found, six) for found in pair.ipv6]
        result = answers.compared(one, other)
        if result == answers.DIFFERS:
            differ.append(what)
            lines.append(f"{what}: IPv4 {one[0] or 'none'}, IPv6 {other[0] or 'none'}")
        elif result == answers.VARIES:
            varies.append(what)
    if lines:
        return failed(
            f"over IPv6 the answer is another one than over IPv4: {', '.join(differ)}",
            evidence=tuple(lines),
            variable="ipv6_names",
            fix="let the same virtual host answer on the addresses of both families",
            **about,
        )
    if varies:
        return unknown(f"the answer differs from one request to the next: {', '.join(varies)}", **about)
    if all(found.status >= 500 for found in (*pair.ipv4, *pair.ipv6)):
        return unknown("the server has an error of its own over both families", evidence=pair.evidence(), **about)
    return passed("status, final URL and headers are the same over both families", evidence=pair.evidence(), **about)


def _reader(name: str) -> t.Callable[[Answer, Way], object]:
    return lambda found, way: answers.header(found, name, way)


# ---------------------------------------------------------------------------------------------- W03


def same_page(host: Host, site: Site) -> t.Iterator[Result]:
    """W03: the page is the same."""
    differing = ways.listed(host, site, "readiness_differing")
    for pair in _pairs(host, site):
        if not isinstance(pair, Result) and pair.name in differing:
            yield not_applicable("the inventory says that its pages differ", host=host.name, **pair.about)
        else:
            yield pair if isinstance(pair, Result) else _pages(host, pair)


def _pages(host: Host, pair: Pair) -> Result:
    about = {"host": host.name, **pair.about}
    if answers.compared([found.status for found in pair.ipv4], [found.status for found in pair.ipv6]) != answers.SAME:
        return unknown("the statuses differ, so there are no two pages to compare", evidence=pair.evidence(), **about)
    if all(found.status >= 500 for found in (*pair.ipv4, *pair.ipv6)):
        return unknown("the server has an error of its own over both families", evidence=pair.evidence(), **about)
    result, much = answers.page(pair.ipv4, pair.ipv6)
    counted = tuple(
        f"{line}, {len(found.lines)} lines"
        for line, found in zip(pair.evidence(), (pair.ipv4[0], pair.ipv6[0]), strict=True)
    )
    if result == answers.VARIES:
        return unknown("the page differs as much from one request to the next over one family", **about)
    if result == answers.DIFFERS:
        return failed(
            f"over IPv6 the page is another one than over IPv4: {round(100 * much)} % of it differs",
            evidence=counted,
            variable="readiness_differing",
            fix="let the same site answer over both families, or list the name in readiness_differing if that is meant",
            **about,
        )
    return passed("the page is the same over both families", evidence=counted, **about)


# ---------------------------------------------------------------------------------------------- W04


def same_certificate(host: Host, site: Site) -> t.Iterator[Result]:
    """W04: the certificate is the same, and for the name or not alike."""
    for pair in _pairs(host, site):
        if isinstance(pair, Result):
            if all(way.kind == "https" for way in ways.by_service(host, site)[pair.service].values()):
                yield pair
        elif pair.ways["ipv6"].kind == "https":
            yield _certificates(host, pair)


def _certificates(host: Host, pair: Pair) -> Result:
    about = {"host": host.name, **pair.about}
    raw = {
        family: [found.seen.get("certificate") for found in group if found.seen.get("certificate")]
        for family, group in (("ipv4", pair.ipv4), ("ipv6", pair.ipv6))
    }
    fix = "give the virtual hosts of both families the same certificate, and let each be chosen by its name"
    cause = {"variable": "ipv6_names", "fix": fix}
    for family, other in (("ipv4", "ipv6"), ("ipv6", "ipv4")):
        if not raw[family] and raw[other]:
            said = f"TLS comes about over {TITLES[other]} and not over {TITLES[family]}"
            return failed(said, evidence=pair.evidence(), **cause, **about)
    if not raw["ipv4"]:
        return unknown("no certificate was seen over either family", evidence=pair.evidence(), **about)
    if not answers.LIBRARY:
        return unknown("the Python library cryptography is missing on the controller, so none can be read", **about)
    read = {family: [answers.certificate(held) for held in group] for family, group in raw.items()}
    four = [held for held in read["ipv4"] if held is not None]
    six = [held for held in read["ipv6"] if held is not None]
    if not four or not six:
        return unknown("a certificate can't be read", **about)
    lines = tuple(
        f"{TITLES[family]}: key {held[0].key[:16]}, {_names_it(held[0], pair.name)}"
        for family, held in (("ipv4", four), ("ipv6", six))
    )
    result = answers.compared([held.key for held in four], [held.key for held in six])
    if result == answers.VARIES:
        return unknown("the key differs from one connection to the next", **about)
    if result == answers.DIFFERS:
        return failed("over IPv6 there is another key than over IPv4", evidence=lines, **cause, **about)
    if pair.name and len({held.has(pair.name) for held in (*four, *six)}) > 1:
        return failed("the certificate has the name over one family only", evidence=lines, **cause, **about)
    return passed("the certificate has the same key, and is for the same names", evidence=lines, **about)


def _names_it(held: answers.Certificate, name: str) -> str:
    return f"it {'has' if held.has(name) else 'does not have'} the name {name}" if name else "no name was asked for"


# ---------------------------------------------------------------------------------------------- W09


def in_time(host: Host, site: Site) -> t.Iterator[Result]:
    """W09: the answer comes over IPv6 as soon as over IPv4, or nearly."""
    for pair in _pairs(host, site):
        if isinstance(pair, Result):
            if pair.name == ways.names(host)[0]:
                yield pair
        elif pair.name == ways.names(host)[0]:
            about = {"host": host.name, **pair.about}
            late = answers.late(pair.ipv4, pair.ipv6)
            if late is None:
                yield unknown("no time was measured over one of the families", evidence=pair.evidence(), **about)
            elif late:
                yield failed(
                    "over IPv6 even the fastest answer comes more than 250 ms after what is usual over IPv4",
                    evidence=(f"requests over each family: {len(pair.ipv6)}", "clients go on with IPv4 after 250 ms"),
                    variable="ipv6_services",
                    fix="look for what waits: a lookup of the client's name, a backend without IPv6, a longer path",
                    **about,
                )
            else:
                yield passed("the answer comes over IPv6 within 250 ms of IPv4", **about)


CHECKS = (
    Check(
        "W01",
        "Web services take connections over each family",
        "outside",
        4,
        "A connection to each address, port and family of each web service comes about.",
        "RFC 6540, section 2; Internet.nl, IPv6 reachability of web server",
        connected,
    ),
    Check(
        "W02",
        "The answer is the same over both families",
        "outside",
        4,
        "Status, final URL, the headers HSTS, CSP, Content-Type and Location, and the flags of cookies are equal.",
        "Internet.nl, same website on IPv6 and IPv4; RFC 6797",
        same_answer,
    ),
    Check(
        "W03",
        "The page is the same over both families",
        "outside",
        4,
        "At most 10 % of the lines differ once nonces and times are taken out, unless the inventory says so.",
        "Internet.nl, same website on IPv6 and IPv4",
        same_page,
    ),
    Check(
        "W04",
        "The certificate is the same over both families",
        "outside",
        4,
        "The public key is the same, and the certificate has the name over both families or over neither.",
        "RFC 6066, section 3; RFC 9110, section 4.3.4",
        same_certificate,
    ),
    access.LITERAL,
    access.LOGGED,
    proxy.CHECK,
    access.ALLOWED,
    Check(
        "W09",
        "IPv6 is as fast as IPv4",
        "outside",
        3,
        "Of three answers over each family, the fastest one over IPv6 comes at most 250 ms after the median one over "
        "IPv4: its first byte, and all of it.",
        "RFC 8305, section 5",
        in_time,
    ),
)
