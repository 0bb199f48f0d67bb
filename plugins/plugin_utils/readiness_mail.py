# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of mail servers: who they say they are over each family, and whether they relay for strangers."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as TITLES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_records as records
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_sender as sender
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_settings as settings
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_look import mapping
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

INSIDE_TLS = "submissions"  # what speaks TLS before it says anything
FOREIGN = ("example.org", "example.net", "example.com", "example.edu")


class Way(t.NamedTuple):
    """How the lab machine gets to a mail service over one family. ``blind`` says why it can't."""

    service: Data
    family: str
    address: str
    source: str
    blind: str


def ways(host: Host, site: Site) -> list[Way]:
    """Return the ways to the mail services of a host, IPv4 first."""
    found = []
    for service in sender.services(host):
        for family in FAMILIES:
            address = host.spec["address"] if family == "ipv6" else host.spec.get("ipv4")
            if address:
                found.append(Way(service, family, str(address), site.source(service, family), site.blind(family)))
    return found


def _id(host: Host, way: Way, what: str) -> tuple[str, ...]:
    return ("mail", host.name, str(way.service["name"]), way.family, what)


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return the sessions to begin; none of them sends a mail."""
    made = []
    sent, received = _foreign(site)
    for host in site.hosts.values():
        for way in ways(host, site):
            if way.blind:
                continue
            fields = {"address": way.address, "port": way.service["port"], "source": way.source}
            if way.service["name"] == INSIDE_TLS or _silent(site.proof(*_id(host, way, "banner"))):
                made.append(probe(_id(host, way, "tls"), "tls", way.family, host=_name(host), **fields))
            if way.service["name"] != INSIDE_TLS:
                made.append(probe(_id(host, way, "banner"), "smtp", way.family, **fields))
                told = {"sender": f"probe@{sent}", "recipient": f"probe@{received}"}
                made.append(probe(_id(host, way, "relay"), "relay", way.family, **fields, **told))
    return made


def _name(host: Host) -> str:
    return str((list(host.spec["names"]) or [""])[0])


def _foreign(site: Site) -> tuple[str, str]:
    """Return two domains that are not the site's own."""
    own = {domain for host in site.hosts.values() for domain in host.spec.get("mail_domains") or ()}
    own |= {".".join(name.split(".")[-2:]) for host in site.hosts.values() for name in host.spec["names"]}
    others = [domain for domain in FOREIGN if domain not in own]
    return (others[-1], others[0]) if others else (FOREIGN[-1], "relay.invalid")


def _seen(proof: Data | None) -> Data:
    return mapping((proof or {}).get("seen"))


def _silent(proof: Data | None) -> bool:
    """Tell whether a service took the connection and said nothing."""
    seen = _seen(proof)
    return bool(proof) and bool(seen.get("family")) and not seen.get("greeting") and not seen.get("problem")


# ---------------------------------------------------------------------------------------------- M01


def banner(host: Host, site: Site) -> t.Iterator[Result]:
    """M01: the greeting has the same name over each family, and it is myhostname."""
    for way in ways(host, site):
        about = {
            "host": host.name,
            "service": str(way.service["name"]),
            "address": way.address,
            "family": way.family,
        }
        parts = _id(host, way, "tls" if way.service["name"] == INSIDE_TLS else "banner")
        proof, why = (None, way.blind) if way.blind else site.told(*parts)
        if proof is None:
            yield unknown(why, **about)
        elif way.service["name"] == INSIDE_TLS or _seen(site.proof(*_id(host, way, "tls"))).get("certificate"):
            yield _inside_tls(host, site, way, about)
        else:
            yield _banner(host, way, proof, about)


def _inside_tls(host: Host, site: Site, way: Way, about: t.Mapping[str, str]) -> Result:
    """A greeting inside of TLS is not read; that TLS comes about is all that is seen."""
    proof = site.proof(*_id(host, way, "tls")) or {}
    if _seen(proof).get("certificate"):
        return not_applicable("its greeting is inside of TLS, and is not read", **about)
    return _unreachable(way, proof, about)


def _unreachable(way: Way, proof: Data, about: t.Mapping[str, str]) -> Result:
    return failed(
        f"port {way.service['port']} gives no greeting over {TITLES[way.family]}",
        evidence=(plain(proof.get("evidence") or "no answer", 160),),
        variable="ipv6_services",
        file=sender.MAIN,
        fix="let Postfix listen on this family (inet_protocols, inet_interfaces), and open the port in its rules",
        **about,
    )


def _banner(host: Host, way: Way, proof: Data, about: t.Mapping[str, str]) -> Result:
    seen = _seen(proof)
    greeting = plain(seen.get("greeting") or "", 160)
    if not greeting:
        return _unreachable(way, proof, about)
    name = plain(seen.get("name") or "", 253).lower().rstrip(".")
    why = sender.unread(host)
    own = (sender.parameter(host, "myhostname") or "").lower().rstrip(".") if not why else ""
    if not own:
        return unknown(why or "myhostname is not known", evidence=(greeting,), **about)
    if name != own:
        return failed(
            f"over {TITLES[way.family]} the greeting has another name than myhostname",
            evidence=(greeting, f"myhostname = {own}", sender.line(host, "smtpd_banner")),
            variable="postfix_parameters",
            file=sender.MAIN,
            fix="let smtpd_banner begin with $myhostname, and let the port of this family be the same mail server's",
            **about,
        )
    return passed(f"the greeting over {TITLES[way.family]} has the name {own}", evidence=(greeting,), **about)


# ---------------------------------------------------------------------------------------------- M06


def closed(host: Host, site: Site) -> t.Iterator[Result]:
    """M06: a stranger's mail to a stranger is refused over each family."""
    if not sender.services(host):
        return
    for way in ways(host, site):
        if way.service["name"] != INSIDE_TLS:
            about = {
                "host": host.name,
                "service": str(way.service["name"]),
                "address": way.address,
                "family": way.family,
            }
            yield _refused(host, site, way, about)
    yield from settings.trusted(host, site)


def _refused(host: Host, site: Site, way: Way, about: t.Mapping[str, str]) -> Result:
    parts = _id(host, way, "relay")
    proof, why = (None, way.blind) if way.blind else site.told(*parts)
    if proof is None:
        return unknown(why, **about)
    seen = _seen(proof)
    code = seen.get("code")
    if not isinstance(code, int) or isinstance(code, bool):
        if _seen(site.proof(*_id(host, way, "tls"))).get("certificate"):
            return not_applicable("it speaks TLS from the first byte, so a stranger gets no further", **about)
        return unknown(f"no session came about: {plain(proof.get('evidence') or 'no answer', 160)}", **about)
    reply = plain(seen.get("reply") or str(code), 160)
    if code >= 400:
        return passed(
            f"over {TITLES[way.family]} a stranger's mail to a stranger is refused", evidence=(reply,), **about
        )
    # Over IPv6 it was asked from an address that nobody is to trust; over IPv4 the lab machine may be the site's own.
    if way.family == "ipv4" and settings.is_trusted(host, site.lab.get("ipv4")):
        said = f"mynetworks trusts the lab machine ({site.lab['ipv4']}), so it is no stranger"
        return unknown(said, evidence=(reply, sender.line(host, "mynetworks")), **about)
    return failed(
        f"over {TITLES[way.family]} it relays for strangers",
        evidence=(reply, sender.line(host, "smtpd_relay_restrictions"), sender.line(host, "mynetworks")),
        variable="postfix_trusted_networks",
        file=sender.MAIN,
        fix="take that client out of mynetworks, and end smtpd_relay_restrictions with reject_unauth_destination",
        **about,
    )


CHECKS = (
    Check(
        "M01",
        "The greeting has the server's name over each family",
        "outside",
        3,
        "Each mail service greets over each family, and the name in the greeting is myhostname.",
        "RFC 5321, section 4.3.1",
        banner,
    ),
    records.NAMED,
    settings.SOURCE,
    settings.FAMILIES,
    settings.FALLBACK,
    Check(
        "M06",
        "Strangers can't relay over IPv6",
        "outside",
        5,
        "A stranger's mail to a stranger is refused over each family, and mynetworks trusts nobody beyond the site.",
        "RFC 2505, section 2.1; RFC 5321, section 7.9",
        closed,
    ),
    records.AUTHORISED,
    settings.LIMITS,
)
