# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check of v4 proxies: each name leads to its own host, no other name leads anywhere, nobody forges a client."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_answers as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_web_ways as ways
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Check,
    Data,
    Host,
    Result,
    Site,
    failed,
    passed,
    probe,
    unknown,
)

NOBODY = "nobody.invalid"  # RFC 6761, section 6.4: nobody ever has such a name
REFUSED = (400, 403, 421)
WEB = {80: "http", 443: "https"}


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return the connections that show what the proxies of a site do."""
    made: list[dict[str, t.Any]] = []
    for gateway in ways.gateways(site):
        hosts = ways.behind(gateway, site)
        if not site.blind("ipv4"):
            address = ways.public(gateway, "ipv4")[0]
            made += [
                _ask(site, (gateway.name, "nobody", str(port)), port, mode, "ipv4", address, NOBODY)
                for port, mode in _ports(hosts).items()
            ]
            for name, entry, asked, port in _served(hosts):
                ids = (name, asked, str(port["port"]))
                made += [
                    _ask(site, (*ids, "through"), port["port"], port["mode"], "ipv4", address, asked),
                    _ask(site, (*ids, "direct"), port["port"], port["mode"], "ipv6", entry["address"], asked),
                ]
        made += _strangers(site, hosts)
    return made


def _ports(hosts: t.Mapping[str, Data]) -> dict[int, str]:
    return {port["port"]: port["mode"] for entry in hosts.values() if entry["names"] for port in entry["ports"]}


def _served(hosts: t.Mapping[str, Data]) -> t.Iterator[tuple[str, Data, str, Data]]:
    for name, entry in hosts.items():
        for given in entry["names"]:
            for port in entry["ports"]:
                yield name, entry, given.replace("*", "proof", 1), port


def _ask(
    site: Site, parts: t.Sequence[str], port: int, mode: str, family: str, address: str, name: str
) -> dict[str, t.Any]:
    told: dict[str, t.Any] = {"agent": ways.agent(site)} if mode == "http" else {}
    return probe(("web", "v4_proxy", *parts), mode, family, address=address, port=port, host=name, **told)


def _guarded(hosts: t.Mapping[str, Data]) -> t.Iterator[tuple[str, Data, str]]:
    """The ports of hosts where a PROXY header is read, with the address that the proxy goes to."""
    for name, entry in hosts.items():
        for port in entry["ports"]:
            if port["proxy_protocol"] != "none":
                yield name, port, entry.get("backend", entry["address"])


def _strangers(site: Site, hosts: t.Mapping[str, Data]) -> list[dict[str, t.Any]]:
    """Return the connections of a stranger to where the header of a proxy is read; it sends none."""
    source = site.lab.get("outside_source")
    if not source:
        return []
    made = []
    for name, port, address in _guarded(hosts):
        fields = {"address": address, "port": port["to"], "source": source}
        made.append(probe(("web", "v4_proxy", name, "stranger", str(port["to"]), "tcp"), "tcp", "ipv6", **fields))
        if port["port"] in WEB:
            parts = ("web", "v4_proxy", name, "stranger", str(port["to"]), "get")
            made.append(probe(parts, WEB[port["port"]], "ipv6", agent=ways.agent(site), **fields))
    return made


# ---------------------------------------------------------------------------------------------- the judge


def proxied(host: Host, site: Site) -> t.Iterator[Result]:
    """W07: the proxy leads names where they belong, and nobody else than it says who a client is."""
    if not ways.public(host, "ipv4"):
        return
    hosts = ways.behind(host, site)
    address = ways.public(host, "ipv4")[0]
    for port, mode in _ports(hosts).items():
        yield _nobody(host, site, port, mode, address)
    for name, entry, asked, served in _served(hosts):
        yield _right_host(host, site, name, entry, asked, served, address)
    for name, guarded, backend in _guarded(hosts):
        yield _stranger(site, name, guarded, backend)


def _about(host: str, service: str, address: str, family: str, name: str = "") -> dict[str, str]:
    return {"host": host, "service": service, "address": address, "family": family, "name": name}


def _nobody(host: Host, site: Site, port: int, mode: str, address: str) -> Result:
    about = _about(host.name, f"port {port}", address, "ipv4")
    parts = ("web", "v4_proxy", host.name, "nobody", str(port))
    blind = site.blind("ipv4")
    proof, why = (None, blind) if blind else site.told(*parts)
    if proof is None:
        return unknown(why, **about)
    seen = answers.seen_of(proof)
    if not seen.get("family"):
        return unknown(f"no connection to port {port} of the v4 proxy came about", **about)
    evidence = (f"asked for {NOBODY}: {plain(proof.get('evidence') or 'no answer', 160)}",)
    status = seen.get("status")
    served = bool(seen.get("certificate")) if mode == "tls" else isinstance(status, int) and status not in REFUSED
    if served:
        return failed(
            f"on port {port} the v4 proxy leads a name that nobody has to some host",
            evidence=evidence,
            variable="v4_proxy_members",
            fix="let the proxy refuse what is in no map; the role v4_proxy writes it that way",
            **about,
        )
    return passed(f"on port {port} a name that nobody has is refused", evidence=evidence, **about)


def _right_host(gateway: Host, site: Site, name: str, entry: Data, asked: str, port: Data, address: str) -> Result:
    about = _about(name, f"port {port['port']}", address, "ipv4", asked)
    ids = ("web", "v4_proxy", name, asked, str(port["port"]))
    if site.blind("ipv4"):
        return unknown(site.blind("ipv4"), **about)
    (through, why), (direct, other) = (site.told(*ids, way) for way in ("through", "direct"))
    if through is None or direct is None:
        return unknown(why or other, **about)
    evidence = (
        f"through the v4 proxy {gateway.name}: {plain(through.get('evidence') or 'no answer', 160)}",
        f"at [{entry['address']}]: {plain(direct.get('evidence') or 'no answer', 160)}",
    )
    read = _certificate if port["mode"] == "tls" else _page
    here, there = read(through), read(direct)
    cause = {
        "evidence": evidence,
        "variable": "v4_proxy_names",
        "fix": "run the role v4_proxy again, and let no two hosts have the name",
    }
    if here is None:
        return failed("through the v4 proxy nobody answers for the name", **cause, **about)
    if there is None:
        return unknown("the host itself does not answer for the name, so nothing can be compared", **about)
    if port["mode"] == "http" and _varies(site, name, asked):
        return unknown("the page differs from one request to the next", **about)
    if here != there or (port["mode"] == "http" and not _alike(through, direct)):
        return failed("through the v4 proxy another host answers for the name", **cause, **about)
    return passed("through the v4 proxy the name leads to its own host", evidence=evidence, **about)


def _certificate(proof: Data) -> object:
    held = answers.seen_of(proof).get("certificate")
    read = answers.certificate(held)
    return (read.key if read else held) or None


def _page(proof: Data) -> object:
    status = answers.seen_of(proof).get("status")
    return status if isinstance(status, int) and status not in (421, 502, 503, 504) else None


def _alike(one: Data, other: Data) -> bool:
    pages = [answers.Answer(1, "", answers.seen_of(proof)) for proof in (one, other)]
    return answers.page(pages[:1], pages[1:])[0] == answers.SAME


def _varies(site: Site, name: str, asked: str) -> bool:
    """Tell whether the page differs from itself when it is asked for twice."""
    proofs = [site.proof("web", name, "http", "ipv6", "get", asked, number) for number in ("1", "2")]
    one, other = (proof or {} for proof in proofs)
    return all(proofs) and not _alike(one, other)


def _stranger(site: Site, name: str, port: Data, backend: str) -> Result:
    """A server that reads the header of a stranger answers nobody who does not send one."""
    about = _about(name, f"port {port['to']}, PROXY protocol", backend, "ipv6")
    parts = ("web", "v4_proxy", name, "stranger", str(port["to"]))
    if not site.lab.get("outside_source"):
        return unknown("the lab machine has no address that is a stranger's (ipv6_outside_source)", **about)
    reached, why = site.told(*parts, "tcp")
    if reached is None:
        return unknown(why, **about)
    told: tuple[str, ...] = (
        f"from {site.lab['outside_source']}: {plain(reached.get('evidence') or 'no answer', 160)}",
    )
    if not reached.get("ok") and not site.stranger_arrives(name):
        return unknown("no packet of a stranger gets to the host, so its silence proves nothing", **about)
    if not reached.get("ok"):
        return passed("a stranger does not get to where the PROXY header is read", evidence=told, **about)
    if port["port"] in WEB:
        found = answers.answer(site, None, *parts, "get")
        if found.unseen:
            return unknown(found.why, **about)
        if found.status:
            said = "a stranger is answered without a PROXY header, so none is read from it"
            return passed(said, evidence=(found.told,), **about)
        told = (*told, f"without a PROXY header: {found.told}")
    return failed(
        "a stranger gets to where the PROXY header is read, and can pretend to be any client",
        evidence=told,
        variable="apache_proxy_protocol" if port["port"] in WEB else "ip6tables_services",
        fix="let only the proxies in to this address and port, in the rules or in the server",
        **about,
    )


CHECK = Check(
    "W07",
    "The v4 proxy leads each name to its own host",
    "outside",
    5,
    "Each served name reaches its own host, an unknown name is refused, and no stranger's PROXY header is read.",
    "The PROXY protocol, versions 1 and 2, section 2; RFC 6066, section 3; RFC 9110, section 15.5.20",
    proxied,
)
