# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of web services: who is let in over each family, whom the log shows, and who answers for a bare address."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as TITLES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_answers as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_ways as ways
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_look import part, rows
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
    Check,
    Data,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    probe,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_web_answers import Answer
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_web_ways import Way

DENIED = (401, 403, 407)
MISSING = (404, 410)
EVERYBODY = re.compile(r"require\s+(?!ip\b|local\b|not\b|all\s+denied)|allow\s+from\s+all\b", re.IGNORECASE)
LETS_IN = re.compile(r"(?:require\s+ip|allow\s+from|allow)\s+(.*)", re.IGNORECASE)
KEEPS_OUT = re.compile(r"(?:require\s+not\s+ip|deny\s+from|deny)\s+(.*)", re.IGNORECASE)
IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){0,3}(/[\d.]+)?")


def get(host: Host, site: Site, way: Way, what: t.Sequence[str], name: str, path: str = "") -> dict[str, t.Any]:
    """Return the probe that asks a web service for a page."""
    return probe(
        ("web", host.name, str(way.service["name"]), way.family, *what),
        way.kind,
        way.family,
        address=way.address,
        port=way.service["port"],
        source=way.source,
        host=name,
        path=path,
        agent=ways.agent(site),
    )


def path_probes(host: Host, site: Site, pair: t.Mapping[str, Way], name: str) -> list[dict[str, t.Any]]:
    """Return the requests for the paths of a name whose access is compared."""
    # The requests that compare the page itself show that one already.
    found = [path for path in ways.paths(host, site, name) if path != "/"]
    return [get(host, site, way, ("path", name, path), name, path) for path in found for way in pair.values()]


# ---------------------------------------------------------------------------------------------- W05


def literal(host: Host, site: Site) -> t.Iterator[Result]:
    """W05: whoever asks for the bare IPv6 address gets what the bare IPv4 address gives."""
    for service, pair in ways.by_service(host, site).items():
        way = pair["ipv6"]
        about = {"host": host.name, "service": service, "address": way.address, "family": "ipv6"}
        if not host.spec["names"]:
            yield not_applicable("it is only known by its address", **about)
            continue
        six = answers.answer(site, way, "web", host.name, service, "ipv6", "literal")
        if six.unseen:
            yield unknown(six.why, **about)
        elif not six.status:
            yield _silent(host, site, service, way, six, about)
        elif six.status == 421 or six.status in DENIED or six.status in MISSING or six.status == 400:
            yield passed(f"the bare address is refused: {six.told}", **about)
        elif "ipv4" not in pair or pair["ipv4"].proxy:
            yield not_applicable("it has no IPv4 address of its own to compare with", **about)
        else:
            yield _like(host, site, service, pair["ipv4"], six, about)


def _silent(host: Host, site: Site, service: str, way: Way, six: Answer, about: t.Mapping[str, str]) -> Result:
    if not _reached(host, site, service, way.family):
        return unknown("no connection came about over IPv6", **about)
    return passed("the bare address is refused", evidence=(six.told,), **about)


def _reached(host: Host, site: Site, service: str, family: str) -> bool:
    return answers.answer(site, None, *answers.first(host, service, family)).reached


def _like(host: Host, site: Site, service: str, way: Way, six: Answer, about: t.Mapping[str, str]) -> Result:
    """Compare with what the bare IPv4 address gives."""
    four = answers.answer(site, way, "web", host.name, service, "ipv4", "literal")
    if four.unseen:
        return unknown(four.why, **about)
    if not four.status and not _reached(host, site, service, "ipv4"):
        return unknown("no connection came about over IPv4", **about)
    lines = tuple(
        f"{address}: {found.told}, {len(found.lines)} lines"
        for address, found in ((way.address, four), (f"[{about['address']}]", six))
    )
    if four.status == six.status and answers.page([four], [six])[0] == answers.SAME:
        return passed("the bare IPv6 address gives what the bare IPv4 address gives", evidence=lines, **about)
    return failed(
        "whoever asks for the bare IPv6 address gets another site than at the bare IPv4 address",
        evidence=lines,
        variable="ipv6_names",
        fix="let the same virtual host be the first one for both families, or name both addresses in it",
        **about,
    )


# ---------------------------------------------------------------------------------------------- W06


def logged(host: Host, site: Site) -> t.Iterator[Result]:
    """W06: the access log shows the address of the client."""
    pairs = ways.by_service(host, site)
    if not pairs:
        return
    hits = part(host, "hits")
    seen = rows(hits.get("seen")) or []
    for family in FAMILIES:
        used = [pair[family] for pair in pairs.values() if family in pair]
        about = {"host": host.name, "address": used[0].address if used else "", "family": family}
        if not used:
            yield not_applicable(f"no client comes to it over {TITLES[family]}", **about)
        elif site.blind(family):
            yield unknown(site.blind(family), **about)
        elif host.look is None:
            yield unknown(f"the host could not be looked at: {host.why}", **about)
        elif not _answered(host, site, pairs, family):
            yield unknown(f"no request of the lab machine was answered over {TITLES[family]}", **about)
        else:
            yield _shown(host, site, family, hits, seen, about)


def _answered(host: Host, site: Site, pairs: t.Mapping[str, t.Mapping[str, Way]], family: str) -> bool:
    return any(
        answers.answer(site, None, "web", host.name, service, family, "get", name, number).status
        for service, pair in pairs.items()
        if family in pair
        for name in ways.names(host)
        for number in ways.samples(host, name)
    )


def _shown(
    host: Host, site: Site, family: str, hits: Data, seen: t.Sequence[Data], about: t.Mapping[str, str]
) -> Result:
    told = [(plain(entry.get("address"), 100), plain(entry.get("file"), 200)) for entry in seen]
    shown = any(_is_lab(host, site, address, family) for address, _file in told)
    wrong = [(address, file) for address, file in told if _hides(host, site, address) == family]
    # A server in front of this one hides clients of both families behind the same address.
    wrong += [(address, file) for address, file in told if not shown and _is_loopback(address)]
    if wrong:
        lines = tuple(f"{file}: {address}" for address, file in sorted(set(wrong)))
        return failed(
            f"the access log shows {wrong[0][0]} instead of the client that came over {TITLES[family]}",
            evidence=lines[:10],
            variable="apache_proxy_protocol",
            file=wrong[0][1],
            fix="let the proxy say who the client is (PROXY protocol, X-Forwarded-For), and let the server believe it",
            **about,
        )
    if shown:
        return passed(f"the access log shows the lab machine's {TITLES[family]} address", **about)
    if not hits.get("logs"):
        return unknown(f"no access log was read: {plain(hits.get('problem') or 'none is known', 160)}", **about)
    strange = sorted({address for address, _file in told if not _known(host, site, address)})
    if strange:
        return unknown(
            f"the access log shows {strange[0]}, which is no address that the lab machine is known by",
            evidence=tuple(strange[:10]),
            variable="readiness_lab_addresses",
            fix="list the addresses that hosts see the lab machine with, where it is behind address translation",
            **about,
        )
    return unknown(f"the requests over {TITLES[family]} are in none of the access logs that were read", **about)


def _hides(host: Host, site: Site, text: str) -> str:
    """Return the family of the client that an address in the log hides: one of a proxy, or an IPv4-mapped one."""
    address = _address(text)
    if address is None or _known(host, site, text):
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return "ipv4"
    for gateway in ways.gateways(site):
        own = {_address(str(one)) for one in (gateway.spec["address"], gateway.spec.get("ipv4"))}
        own |= {_address(one) for family in FAMILIES for one in ways.public(gateway, family)}
        if gateway.name != host.name and address in own:
            through = {way.family for way in ways.ways(host, site) if way.proxy}
            return "ipv4" if "ipv4" in through or address.version == 4 else "ipv6"
    return f"ipv{address.version}" if address.is_loopback else ""


def _known(host: Host, site: Site, text: str) -> bool:
    return any(_is_lab(host, site, text, family) for family in FAMILIES)


def _is_lab(host: Host, site: Site, text: str, family: str) -> bool:
    """Tell whether an address is one of the lab machine's."""
    address = _address(text)
    if address is None or f"ipv{address.version}" != family:
        return False
    own = [site.lab.get("ipv4"), site.lab.get("outside_source"), *ways.listed(host, site, "readiness_lab_addresses")]
    if any(address == _address(str(one)) for one in own if one):
        return True
    # A service with sources of its own was asked from another address of the lab machine.
    return family == "ipv6" and any(address in network for network in _networks(site))


def _is_loopback(text: str) -> bool:
    address = _address(text)
    return address is not None and address.is_loopback


def _networks(site: Site) -> list[ipaddress.IPv6Network]:
    found = []
    given = site.setting("ipv6_lab_sources", [])
    for text in given if isinstance(given, (list, tuple)) else ():
        try:
            found.append(ipaddress.IPv6Network(str(text), strict=False))
        except ValueError:
            continue
    return found


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


# ---------------------------------------------------------------------------------------------- W08


def allowed(host: Host, site: Site) -> t.Iterator[Result]:
    """W08: each path is open or closed alike, and no list of clients is of IPv4 only."""
    pairs = ways.by_service(host, site)
    for service, pair in pairs.items():
        for name in ways.names(host):
            about = {"host": host.name, "service": service, "name": name, "family": "ipv6"}
            about["address"] = pair["ipv6"].address
            if len(pair) < len(FAMILIES):
                yield not_applicable("no client comes to it over IPv4, so there is nothing to compare", **about)
            else:
                yield _alike(host, site, service, name, pair, about)
    if pairs:
        yield from _one_sided(host)


def _alike(
    host: Host, site: Site, service: str, name: str, pair: t.Mapping[str, Way], about: t.Mapping[str, str]
) -> Result:
    bad: list[str] = []
    unsure: list[str] = []
    fine: list[str] = []
    for path in ways.paths(host, site, name):
        four, six = (
            answers.answer(site, pair[family], "web", host.name, service, family, *_what(name, path))
            for family in FAMILIES
        )
        line = f"{path}: IPv4 {four.told}, IPv6 {six.told}"
        if four.unseen or six.unseen or not (four.status and six.status):
            unsure.append(line)
        elif _class(four) == _class(six):
            fine.append(line)
        elif _class(four) == "error" or _class(six) == "error" or _named_both(host, path):
            unsure.append(line)
        else:
            bad.append(line)
    if bad:
        return failed(
            f"not everybody who is let in over one family is let in over the other one: {bad[0]}",
            evidence=tuple(bad),
            variable="apache_ipv6_of",
            fix="name the IPv6 counterpart of each address in the rules for this path",
            **about,
        )
    if unsure:
        return unknown(f"it can't be told whether access is the same: {unsure[0]}", evidence=tuple(unsure), **about)
    return passed("each path is open or closed over both families alike", evidence=tuple(fine), **about)


def _what(name: str, path: str) -> tuple[str, ...]:
    return ("get", name, "1") if path == "/" else ("path", name, path)


def _class(found: Answer) -> str:
    if found.status >= 500:
        return "error"
    return "denied" if found.status in DENIED else "missing" if found.status in MISSING else "open"


def _named_both(host: Host, path: str) -> bool:
    """Tell whether the rules for a path name clients of both families: then the lab machine may be in one list only."""
    for entry in ways.access(host):
        if path in ways.urls(entry):
            four, six = _clients(entry, LETS_IN)
            out4, out6 = _clients(entry, KEEPS_OUT)
            if (four and six) or (out4 and out6):
                return True
    return False


def _clients(entry: Data, pattern: re.Pattern[str]) -> tuple[list[str], list[str]]:
    """Return the IPv4 and the IPv6 clients that the rules of a section name; the host itself is no client."""
    four, six = [], []
    for rule in entry.get("rules") or ():
        found = pattern.fullmatch(plain(rule, 300))
        for word in found.group(1).split() if found else ():
            if ":" in word:
                six.append(word)
            elif IPV4.fullmatch(word) and not word.startswith("127."):
                four.append(word)
    return four, six


def _one_sided(host: Host) -> t.Iterator[Result]:
    """Judge the lists themselves: whoever is in them may not be the lab machine."""
    if host.look is None:
        yield unknown(
            f"the access rules are not known, since the host could not be looked at: {host.why}", host=host.name
        )
        return
    web = part(host, "web")
    bad: list[tuple[str, str]] = []
    unsure: list[tuple[str, str]] = []
    for entry in ways.access(host):
        where = f"{plain(entry.get('file'), 200)} line {plain(entry.get('line'), 9)}"
        four, six = _clients(entry, LETS_IN)
        out4, out6 = _clients(entry, KEEPS_OUT)
        if four and not six:
            open_too = any(EVERYBODY.match(plain(rule, 300)) for rule in entry.get("rules") or ())
            (unsure if open_too else bad).append((f"{where}: {' '.join(four)}", plain(entry.get("file"), 200)))
        elif out4 and not out6:
            unsure.append((f"{where}: keeps out {' '.join(out4)}", plain(entry.get("file"), 200)))
    if bad:
        yield failed(
            "a list of clients who are let in has IPv4 addresses only, so nobody is let in over IPv6",
            host=host.name,
            evidence=tuple(line for line, _file in bad[:20]),
            variable="apache_ipv6_of",
            file=bad[0][1],
            fix="name the IPv6 counterparts in the same line; the role apache does that for addresses of the plan",
        )
    elif web.get("problem"):
        yield unknown(f"the access rules were not all read: {plain(web['problem'], 160)}", host=host.name)
    elif unsure:
        yield unknown(
            "a list of clients has IPv4 addresses only, and what follows for IPv6 can't be told from it",
            host=host.name,
            evidence=tuple(line for line, _file in unsure[:20]),
            variable="apache_ipv6_of",
            fix="name the IPv6 counterparts in the same line, or accept it",
        )
    elif not web.get("server"):
        yield unknown("its web server is none whose access rules can be read", host=host.name)
    else:
        yield passed("no list of clients is of IPv4 only", host=host.name)


LITERAL = Check(
    "W05",
    "The bare address gives nobody else's site",
    "outside",
    2,
    "Asked for its bare IPv6 address the server answers as for its bare IPv4 address, or refuses.",
    "RFC 9110, section 7.4; RFC 3986, section 3.2.2",
    literal,
)
LOGGED = Check(
    "W06",
    "The log shows who the client is",
    "outside",
    2,
    "The access log has the lab machine's own address for each family, also behind a v4 proxy.",
    "RFC 6302, section 2",
    logged,
)
ALLOWED = Check(
    "W08",
    "Access rules are the same over both families",
    "outside",
    5,
    "Each path is open or closed over both families alike, and no list of clients in the server's configuration is of "
    "IPv4 only; .htaccess files are not read.",
    "Apache HTTP Server manual, mod_authz_host; RFC 9099, section 2.7.1",
    allowed,
)
