# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of NAT64 and DNS64: how hosts without IPv4 reach what has nothing else.

They are about gateways: hosts with IPv4 whose inventory sets a variable of the role nat64 or dns64, or that
``readiness_gateways`` names. A gateway serves its clients only. Where the lab machine is one, it asks the gateway
itself; otherwise the looks of the hosts behind it tell what their resolver says.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns_answer as answers
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_translation_reach as reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_prefix
from ansible_collections.ipv6.rollout.plugins.plugin_utils.nat64 import nat64_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import inside
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_names import without_ipv6
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_view import View, merged
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    Check,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    probe,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_translation_gateways import (
    GROUP,
    WELL_KNOWN_NAME,
    Gateway,
    behind,
    gateways,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

WELL_KNOWN = ("192.0.0.170", "192.0.0.171")  # RFC 7050, section 8.2


class Sample(t.NamedTuple):
    """Names to try a DNS64 with: one that has IPv4 only, and one that has IPv6."""

    only_ipv4: str
    ipv4: tuple[str, ...]
    dual: str
    ipv6: tuple[str, ...]


def sample(view: View) -> Sample:
    """Choose names of the site's own zones."""
    only = [name for name, _zone in without_ipv6(view)]
    dual = [name for _host, name in view.published() if view.data(name, "AAAA")]
    first, second = (names[0] if names else "" for names in (only, dual))
    return Sample(first, tuple(view.data(first, "A")), second, tuple(view.data(second, "AAAA")))


def names(site: Site) -> list[str]:
    """Return the names that hosts behind a gateway are to look up, so that their looks tell what their DNS64 says."""
    if not gateways(site):
        return []
    chosen = sample(View(site))
    return [name.rstrip(".") for name in (WELL_KNOWN_NAME, chosen.only_ipv4, chosen.dual) if name]


def _ask(gateway: Gateway, what: str, name: str, kind: str, source: str = "", **how: t.Any) -> dict[str, t.Any]:
    return probe(
        (GROUP, gateway.host.name, what, "ipv6", name),
        "dns",
        "ipv6",
        address=gateway.resolver,
        port=53,
        source=source,
        query=answers.question(name, kind, recursive=True, **how),
    )


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return what the lab machine is to try: as a client where it is one, and as a stranger."""
    found = []
    outside = str(site.lab.get("outside_source") or "")
    for gateway in gateways(site):
        if gateway.dns64 and gateway.for_lab:
            chosen = sample(View(site))
            found.append(_ask(gateway, "prefix", WELL_KNOWN_NAME, "AAAA"))
            if chosen.only_ipv4:
                found.append(_ask(gateway, "synthesis", chosen.only_ipv4, "AAAA"))
                found.append(_ask(gateway, "checking", chosen.only_ipv4, "AAAA", dnssec=True, checking=False))
                pointer = reverse_name(nat64_address(chosen.ipv4[0], gateway.prefix))
                found.append(_ask(gateway, "pointer", pointer, "PTR"))
            if chosen.dual:
                found.append(_ask(gateway, "untouched", chosen.dual, "AAAA"))
        if gateway.dns64 and outside:
            found.append(_ask(gateway, "stranger", WELL_KNOWN_NAME, "AAAA", source=outside))
    return found + reach.probes(site)


def _said(site: Site, gateway: Gateway, what: str, name: str, kind: str) -> answers.Told:
    parts = (GROUP, gateway.host.name, what, "ipv6", name)
    proof = site.proof(*parts)
    return answers.Told({}, {}, site.no_proof(*parts)) if proof is None else answers.told(proof, name, kind)


def _looked_up(host: Host, name: str) -> list[str] | None:
    """Return the addresses that a host's own resolver gives for a name, or None where it was not looked up."""
    for entry in (host.audit.get("selection") or {}).get("order") or ():
        if str(entry.get("name", "")).rstrip(".").lower() == name.rstrip("."):
            return sorted({str(one) for one in entry.get("got") or ()})
    return None


# ------------------------------------------------------------------------------------------------ N01, N02, N04


def _dns64(site: Site, judge: t.Callable[[Gateway], t.Iterable[Result]]) -> list[Result]:
    found = [result for gateway in gateways(site) if gateway.dns64 for result in judge(gateway)]
    return merged(found) or [not_applicable("no DNS64 is declared")]


def prefix(site: Site) -> list[Result]:
    """N01: the DNS64 tells its prefix to those who ask for the well-known name."""

    def judge(gateway: Gateway) -> t.Iterator[Result]:
        wanted = sorted(nat64_address(one, gateway.prefix) for one in WELL_KNOWN)
        if gateway.for_lab:
            said = _said(site, gateway, "prefix", WELL_KNOWN_NAME, "AAAA")
            got = answers.data(said.best, "AAAA") if said.best is not None else None
            yield _prefix(gateway, gateway.host.name, gateway.resolver, wanted, got, said)
        for host in behind(site):
            looked = _looked_up(host, WELL_KNOWN_NAME)
            if looked is not None:
                got = [one for one in looked if ":" in one]
                yield _prefix(gateway, host.name, host.spec["address"], wanted, got, None)
            elif not gateway.for_lab:
                why = host.why if host.look is None else "its resolver was not asked"
                yield unknown(f"which prefix its resolver tells is not known: {plain(why)}", host=host.name)
        if not gateway.for_lab and not behind(site):
            yield _no_client(gateway, "dns64_clients")

    return _dns64(site, judge)


def _prefix(
    gateway: Gateway,
    host: str,
    address: str,
    wanted: list[str],
    got: list[str] | None,
    said: answers.Told | None,
) -> Result:
    about: dict[str, t.Any] = {"host": host, "name": WELL_KNOWN_NAME, "address": address, "family": "ipv6"}
    if said is not None and said.unknown:
        return unknown(f"the DNS64 was not asked: {plain(said.unknown)}", **about)
    if got == wanted:
        text = f"the name leads to {gateway.prefix}"
        return passed(text, evidence=tuple(f"{WELL_KNOWN_NAME} AAAA {one}" for one in wanted), **about)
    seen = ", ".join(got or ()) or (plain(said.why) if said and got is None else "none")
    return failed(
        f"the name does not lead to {gateway.prefix}, so hosts and translators do not find the prefix",
        evidence=(f"wanted: {', '.join(wanted)}", f"{WELL_KNOWN_NAME} AAAA: {seen}"),
        variable="dns64_prefix",
        fix="run the role dns64, let it serve this client, and let the client ask it",
        **about,
    )


def _no_client(gateway: Gateway, variable: str) -> Result:
    return unknown(
        "the lab machine is no client of the gateway, and nobody else was asked",
        host=gateway.host.name,
        variable=variable,
        fix=f"put one of ipv6_lab_sources into {variable}, if it may use the gateway",
    )


def synthesis(site: Site) -> list[Result]:
    """N02: names with IPv4 only lead to the prefix, names with IPv6 stay as they are, and PTR records go on."""
    view = View(site)
    chosen = sample(view)

    def judge(gateway: Gateway) -> t.Iterator[Result]:
        wanted = sorted(nat64_address(one, gateway.prefix) for one in chosen.ipv4)
        if not chosen.only_ipv4:
            yield unknown("no name was read that has IPv4 only, so nothing could be asked", host=gateway.host.name)
        tried = [("synthesis", chosen.only_ipv4, wanted), ("untouched", chosen.dual, sorted(chosen.ipv6))]
        for what, name, expected in tried:
            if not name:
                continue
            if gateway.for_lab:
                said = _said(site, gateway, what, name, "AAAA")
                got = answers.data(said.best, "AAAA") if said.best is not None else None
                yield _synthesis(gateway.host.name, name, expected, got, said.unknown, said.why)
            for host in behind(site):
                looked = _looked_up(host, name)
                if looked is not None:
                    yield _synthesis(host.name, name, expected, [one for one in looked if ":" in one], "", "")
                elif not gateway.for_lab:
                    yield _synthesis(host.name, name, expected, None, host.why or "its resolver was not asked", "")
        if gateway.for_lab and chosen.only_ipv4:
            yield _pointer(site, view, gateway, chosen)
        if not gateway.for_lab and not behind(site):
            yield _no_client(gateway, "dns64_clients")

    return _dns64(site, judge)


def _synthesis(host: str, name: str, wanted: list[str], got: list[str] | None, why: str, silent: str) -> Result:
    about: dict[str, t.Any] = {"host": host, "name": name, "family": "ipv6"}
    if why:
        return unknown(f"which addresses a client gets is not known: {plain(why)}", **about)
    if got == wanted:
        evidence = tuple(f"{name} AAAA {one}" for one in wanted)
        return passed("a client gets the addresses that it is meant to get", evidence=evidence, **about)
    return failed(
        "a client of the DNS64 gets other addresses than it is meant to get",
        evidence=(f"wanted: {', '.join(wanted)}", f"{name} AAAA: {', '.join(got or ()) or plain(silent) or 'none'}"),
        variable="dns64_prefix",
        fix="let DNS64 make addresses of dns64_prefix for names without IPv6, and for no others",
        **about,
    )


def _pointer(site: Site, view: View, gateway: Gateway, chosen: Sample) -> Result:
    address = nat64_address(chosen.ipv4[0], gateway.prefix)
    owner = reverse_name(address)
    said = _said(site, gateway, "pointer", owner, "PTR")
    about: dict[str, t.Any] = {"host": gateway.host.name, "name": owner, "address": address, "family": "ipv6"}
    if said.unknown:
        return unknown(f"its PTR record was not asked for: {plain(said.unknown)}", **about)
    expected = view.data(reverse_name(chosen.ipv4[0]), "PTR")
    got = answers.data(said.best, "PTR") if said.best is not None else []
    if got and (got == expected or (not expected and chosen.only_ipv4 in got)):
        return passed("its PTR record is that of the IPv4 address", evidence=(f"{owner} PTR {got[0]}",), **about)
    if not expected:
        return not_applicable("no PTR record of the IPv4 address is known", **about)
    return failed(
        "the synthesised address does not have the PTR record of the IPv4 address",
        evidence=(f"wanted: {', '.join(expected)}", f"{owner} PTR: {', '.join(got) or plain(said.why) or 'none'}"),
        variable="dns64_prefix",
        fix="let the DNS64 answer for reverse names in its prefix, as the role dns64 does",
        **about,
    )


def checking(site: Site) -> list[Result]:
    """N04: who validates by itself gets what is really there."""
    chosen = sample(View(site))

    def judge(gateway: Gateway) -> t.Iterator[Result]:
        name = chosen.only_ipv4
        about: dict[str, t.Any] = {"host": gateway.host.name, "name": name, "family": "ipv6"}
        if not name or not gateway.for_lab:
            yield _no_client(gateway, "dns64_clients")
            return
        said = _said(site, gateway, "checking", name, "AAAA")
        if said.best is None:
            yield unknown(f"a question with DO and CD got no answer: {plain(said.why)}", **about)
            return
        got = answers.data(said.best, "AAAA")
        if not got and answers.rcode(said.best) != "NOERROR":
            yield unknown(f"a question with DO and CD was not answered: {answers.rcode(said.best)}", **about)
            return
        line = f"{name} AAAA, DO and CD: {answers.rcode(said.best)}, {', '.join(got) or 'empty'}"
        first, length = ipv6_prefix(gateway.prefix, "nat64_prefix")
        if any(inside(ipv6(one, name), 128, first, length) for one in got):
            yield failed(
                "who asks with DO and CD, and so validates by itself, gets a synthesised address",
                evidence=(line,),
                variable="dns64_server",
                fix="use a DNS64 that leaves such questions alone, as unbound does",
                **about,
            )
        else:
            yield passed("who validates by itself gets no synthesised address", evidence=(line,), **about)

    return _dns64(site, judge)


# ------------------------------------------------------------------------------------------------ N05


def strangers(site: Site) -> list[Result]:
    """N05: nobody but the clients is translated, or gets answers of the DNS64."""
    found = reach.strangers(site)
    for gateway in gateways(site):
        if gateway.dns64:
            found.append(_resolver(site, gateway))
    return merged(found) or [not_applicable("no NAT64 or DNS64 is declared")]


def _resolver(site: Site, gateway: Gateway) -> Result:
    about: dict[str, t.Any] = {
        "host": gateway.host.name,
        "name": "dns64",
        "address": gateway.resolver,
        "family": "ipv6",
    }
    said = _said(site, gateway, "stranger", WELL_KNOWN_NAME, "AAAA")
    if said.unknown:
        return unknown(f"no stranger has asked the DNS64: {plain(said.unknown)}", **about)
    got = [one for message in said.answers.values() for one in answers.data(message, "AAAA")]
    if got:
        return failed(
            "the DNS64 answers strangers, so it can be used to flood others",
            evidence=(f"{site.lab.get('outside_source')}: {WELL_KNOWN_NAME} AAAA {', '.join(sorted(set(got)))}",),
            variable="dns64_clients",
            fix="name the prefixes of the clients in dns64_clients, and run the role dns64",
            **about,
        )
    if not said.answers and not site.stranger_arrives(gateway.host.name):
        return unknown("no packet of a stranger gets to the gateway, so its silence proves nothing", **about)
    told = tuple(f"{key}: {answers.rcode(message)}" for key, message in said.answers.items()) or (plain(said.why),)
    return passed("strangers get no address from the DNS64", evidence=told, **about)


_of_site = functools.partial(Check, of="site")

CHECKS = (
    _of_site(
        "N01",
        "The NAT64 prefix can be found",
        "dns",
        4,
        "The AAAA records of ipv4only.arpa are 192.0.0.170 and 192.0.0.171 inside the declared prefix.",
        "RFC 7050, section 3; RFC 8880, section 7.1",
        prefix,
    ),
    _of_site(
        "N02",
        "DNS64 makes the right addresses",
        "dns",
        4,
        "A name with A records only gets AAAA records inside the prefix, one with AAAA records keeps them, and the PTR "
        "record of a synthesised address is that of the IPv4 address.",
        "RFC 6147, sections 5.1 and 5.3.1; RFC 6052, section 2.2",
        synthesis,
    ),
    _of_site(
        "N03",
        "NAT64 lets clients through",
        "outside",
        4,
        "From a client, each target of ipv6_only_prove takes a TCP connection at its address behind the NAT64, and "
        "answers a ping. UDP, large transfers and translated errors are not tried.",
        "RFC 6146, section 3.5; RFC 7915, section 4",
        reach.clients,
    ),
    _of_site(
        "N04",
        "DNS64 leaves validating clients alone",
        "dns",
        3,
        "A question with DO and CD set is answered without a synthesised AAAA record. What a DNS64 makes of bogus "
        "records is not tried.",
        "RFC 6147, section 5.5",
        checking,
    ),
    _of_site(
        "N05",
        "NAT64 and DNS64 serve their clients only",
        "outside",
        5,
        "From outside, no address behind the NAT64 takes a connection, and the DNS64 makes no address; nobody reaches "
        "the management port at the IPv4 address of the gateway itself through it. Other IPv4 addresses that "
        "nat64_refused closes are not tried.",
        "RFC 6052, section 5.1; RFC 6146, section 5.3; RFC 5358, section 4",
        strangers,
    ),
    _of_site(
        "N06",
        "Router advertisements tell the same prefix",
        "outside",
        3,
        "Where routers are told to advertise the NAT64 prefix, it is the one that the DNS64 uses.",
        "RFC 8781, section 5",
        reach.advertised,
    ),
    Check(
        "N07",
        "Nothing uses IPv4 by itself",
        "inside",
        3,
        "On a host without IPv4, no setting of a program holds an IPv4 address to connect to, no connection over IPv4 "
        "is being made, and no program asks for A records only.",
        "RFC 6147, section 1; RFC 6877, section 1",
        reach.literals,
    ),
)
