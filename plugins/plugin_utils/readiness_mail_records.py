# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of mail servers that look at the DNS: the name at EHLO, SPF, DMARC and DKIM, for the IPv6 source."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, mail_confirmed
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_mail_sender as sender
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import ALIAS, Problem
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    PASS,
    Check,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of

try:
    import dns.exception
except ImportError:
    pass  # then no records were read

SELECTOR = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,61}[a-z0-9_])?", re.ASCII | re.IGNORECASE)
OF_NAMES = ("A", "AAAA", "MX", "TXT")
OF_DOMAINS = ("MX", "NS", "TXT", "A", "AAAA")


class Records:
    """The records that the audit has read, as a name server that is asked for them."""

    def __init__(self, site: Site) -> None:
        self._why = site.dns_why
        self._held: dict[Key, list[str]] = {}
        self._odd: set[Key] = set()
        for record in site.dns.get("records") or ():
            key, data = Key(str(record["name"]).lower(), str(record["type"])), str(record["data"])
            self._held.setdefault(key, []).append(data)
            if key.type == "TXT" and not _readable(data):
                self._odd.add(key)
        self._zones = {str(name).lower(): zone for name, zone in (site.dns.get("zones") or {}).items()}
        self._unknown = {(str(one["name"]).lower(), one["type"]) for one in site.dns.get("unknown") or ()}
        self._hosts = site.hosts.values()

    def look(self, keys: t.Sequence[Key]) -> dict[Key, Rrset | Problem | None]:
        """Return RRsets; None where there is surely none."""
        return {key: self._one(key) for key in keys}

    def _one(self, key: Key) -> Rrset | Problem | None:
        if key in self._odd:
            return Problem("it can't be read")
        if key in self._held:
            return Rrset(0, tuple(sorted(self._held[key])))
        alias = self._held.get(Key(key.name, "CNAME"))
        if alias and key.type != "CNAME":
            return Problem(f"{ALIAS} of {alias[0]}; records belong to the name that it stands for")
        if self._why or tuple(key) in self._unknown:
            return Problem(self._why or "the name server did not answer for it")
        name = key.name
        while name and name not in self._zones:
            if Key(name, "NS") in self._held:
                return Problem("it is in a zone that was not read")
            name = name.partition(".")[2]
        whole = bool(name) and self._zones[name].get("by") == "transfer"
        if whole or (name and self._asked(key)):
            return None
        return Problem("it was not asked for" if name else "it is in a zone that was not read")

    def _asked(self, key: Key) -> bool:
        """Tell whether a record is asked for where its zone is not read as a whole."""
        plain_name = key.name.rstrip(".")
        return any(
            (key.type in OF_NAMES and plain_name in (*host.spec["names"], *(host.spec.get("lab_names") or ())))
            or (key.type in OF_DOMAINS and plain_name in (host.spec.get("mail_domains") or ()))
            or (key.type == "PTR" and key.name == name_of(*any_address(host.spec["address"], host.name)))
            for host in self._hosts
        )


def _readable(data: str) -> bool:
    try:
        dns_names.txt_text(data)
    except (dns.exception.DNSException, ValueError):
        return False
    return True


def _nobody(keys: t.Sequence[Key]) -> dict[Key, Rrset | Problem | None]:
    """Stand for a resolver: the audit asks the site's own name server and nobody else."""
    return {key: Problem("nobody was asked") for key in keys}


def _source(host: Host) -> tuple[str, str]:
    """Return the address that mail leaves from, or is meant to, and why it is not known."""
    if not sender.over_ipv6(host):
        return sender.declared_address(host), ""
    found, decides = sender.sources(host)
    if len(found) == 1:
        return found[0], ""
    return "", f"from which address mail leaves can't be told: {decides}"


def _begin(host: Host) -> tuple[Result | None, str]:
    """Return the source address, or what is to be said where there is nothing to judge."""
    why = sender.unread(host)
    if why:
        return unknown(why, host=host.name), ""
    none = sender.not_over_ipv6(host)
    if none:
        return not_applicable(none, host=host.name), ""
    address, why = _source(host)
    return (unknown(why, host=host.name) if why else None), address


# ---------------------------------------------------------------------------------------------- M02


def named(host: Host, site: Site) -> t.Iterator[Result]:
    """M02: the name at EHLO, the PTR record of the source and the AAAA record agree."""
    if not sender.sends(host):
        return
    said, address = _begin(host)
    if said is not None:
        yield said
        return
    name = sender.helo(host)
    if not re.fullmatch(r"[a-z0-9_.-]{1,253}", name, re.ASCII):
        yield unknown("the name that Postfix says at EHLO is not known, or is none", host=host.name, address=address)
        return
    yield _confirmed(host, Records(site), name, address)


def _confirmed(host: Host, records: Records, name: str, address: str) -> Result:
    about = {"host": host.name, "name": name, "address": address, "family": "ipv6"}
    family, number = any_address(address, "the source address")
    pointer = Key(name_of(family, number), "PTR")
    forward = Key(f"{name}.", "AAAA")
    lines = [f"EHLO {name}"]
    back = _data(records, pointer, lines)
    if isinstance(back, str):
        return unknown(back, evidence=tuple(lines), **about)
    if not back:
        return failed(
            "the address that mail leaves from has no PTR record",
            evidence=tuple(lines),
            variable="ipv6_names",
            fix="let the role ptr make it",
            **about,
        )
    if forward.name not in back:
        return failed(
            "the PTR record of the address that mail leaves from leads to another name than Postfix says at EHLO",
            evidence=tuple(lines),
            variable="postfix_helo_name",
            file=sender.MAIN,
            fix="let the PTR record lead to this name, or set postfix_helo_name to the name that it leads to",
            **about,
        )
    there = _data(records, forward, lines)
    if isinstance(there, str):
        return unknown(there, evidence=tuple(lines), **about)
    if address not in [sender.normal(text) for text in there]:
        return failed(
            "the name that Postfix says at EHLO does not have the address that mail leaves from",
            evidence=tuple(lines),
            variable="ipv6_names",
            fix="publish the address under this name, which is the last step of the rollout",
            **about,
        )
    return passed("the name at EHLO, the PTR record and the AAAA record agree", evidence=tuple(lines), **about)


def _data(records: Records, key: Key, lines: list[str]) -> list[str] | str:
    """Return what an RRset holds, or why that is not known; write it down as evidence."""
    held = records.look([key])[key]
    if isinstance(held, Problem) and not held.reason.startswith(ALIAS):
        return f"{key.name} {key.type} is not known: {plain(held.reason, 160)}"
    data = [text.lower() for text in held.data] if isinstance(held, Rrset) else []
    lines.append(plain(f"{key.name} {key.type} {' '.join(data) or 'none'}"))
    return data


# ---------------------------------------------------------------------------------------------- M07


def authorised(host: Host, site: Site) -> t.Iterator[Result]:
    """M07: receivers take the IPv6 source for one that may send for each domain."""
    domains = list(host.spec.get("mail_domains") or ())
    if not domains:
        if sender.sends(host):
            yield not_applicable("it sends for no domain of its own (ipv6_mail_domains)", host=host.name)
        return
    said, address = _begin(host)
    if said is not None:
        yield said
        return
    records = Records(site)
    for domain in domains:
        yield _spf(host, records, domain, address)
        for selector in _selectors(host, site, domain):
            yield _key(host, records, domain, selector)


def _spf(host: Host, records: Records, domain: str, address: str) -> Result:
    about = {"host": host.name, "name": domain, "address": address, "family": "ipv6"}
    asker = mail_confirmed.Asker(records.look, _nobody)
    told = mail_confirmed.confirmed(address, [domain], asker)
    why = [plain(text, 400) for text in told["why"] if "SPF record" in text]
    silent = [plain(text, 200) for text in told["unknown"] if " PTR: " not in text]
    held = records.look([Key(f"{domain}.", "TXT")])[Key(f"{domain}.", "TXT")]
    texts = [dns_names.txt_text(text) for text in held.data] if isinstance(held, Rrset) else []
    lines = [f"{domain} TXT {plain(text, 300)}" for text in texts if text.lower().startswith("v=spf1")]
    evidence = (*(lines or [f"{domain} has no SPF record that is known"]), _dmarc(records, domain))
    if why:
        return failed(
            f"receivers do not take {address} for one that may send for {domain}: {why[0]}",
            evidence=(*evidence, *why),
            variable="ipv6_mail_domains",
            fix=f"put ip6:{address} into the SPF record; the role dns does it when it publishes",
            **about,
        )
    if silent:
        return unknown(f"the SPF record can't be followed to its end: {silent[0]}", evidence=evidence, **about)
    return passed(f"SPF lets {address} send for {domain}", evidence=evidence, **about)


def _dmarc(records: Records, domain: str) -> str:
    """Note the DMARC record; there is none that IPv6 needs."""
    key = Key(f"_dmarc.{domain}.", "TXT")
    held = records.look([key])[key]
    if isinstance(held, Problem):
        return f"_dmarc.{domain} is not known: {plain(held.reason, 160)}"
    texts = [dns_names.txt_text(text) for text in held.data] if held is not None else []
    found = [plain(text, 200) for text in texts if text.lower().startswith("v=dmarc1")]
    return f"_dmarc.{domain} TXT {found[0]}" if found else f"there is no DMARC record for {domain}"


def _selectors(host: Host, site: Site, domain: str) -> list[str]:
    """Return the DKIM selectors of a domain: a list is for all domains, a dictionary has a list for each."""
    what = "readiness_dkim_selectors"
    given = host.variables.get(what)
    given = (site.variables.get(what) or []) if given is None else given
    if isinstance(given, t.Mapping):
        given = given.get(domain) or []
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, (list, tuple)):
        raise RolloutError(f"{what}: {shown(given)} is not a list; write [...] around it")
    for selector in given:
        if not isinstance(selector, str) or not SELECTOR.fullmatch(selector):
            raise RolloutError(f"{what}: {shown(selector)} is no selector, such as mail2026; quote it")
    return [str(selector).lower() for selector in given]


def _key(host: Host, records: Records, domain: str, selector: str) -> Result:
    name = f"{selector}._domainkey.{domain}"
    about = {"host": host.name, "name": name}
    held = records.look([Key(f"{name}.", "TXT")])[Key(f"{name}.", "TXT")]
    if isinstance(held, Problem):
        return unknown(f"{name} is not known: {plain(held.reason, 160)}", **about)
    texts = [dns_names.txt_text(text) for text in held.data] if held is not None else []
    keys = [re.search(r"(?:^|;)\s*p\s*=\s*([^;]*)", text) for text in texts]
    if any(found is not None and found.group(1).strip() for found in keys):
        return passed("the DKIM key is published", **about)
    return failed(
        "the DKIM key is revoked" if any(keys) else "there is no DKIM key, so no signature with it can be checked",
        evidence=tuple(plain(text, 200) for text in texts) or (f"{name} has no TXT record",),
        variable="readiness_dkim_selectors",
        fix="publish the key, or take the selector out of the list",
        **about,
    )


def all_right(host: Host, site: Site) -> bool:
    """Tell whether the DNS has all that mail over IPv6 needs."""
    found = [*named(host, site), *authorised(host, site)]
    return bool(host.spec.get("mail_domains")) and all(
        result.status == PASS for result in found if "._domainkey." not in result.name
    )


NAMED = Check(
    "M02",
    "The name at EHLO is that of the address",
    "dns",
    4,
    "The name that Postfix is set to say at EHLO is the one that the PTR record of the source address leads to, and it "
    "has that address.",
    "RFC 5321, section 4.1.1.1; RFC 1912, section 2.1; Google's guidelines for senders",
    named,
)
AUTHORISED = Check(
    "M07",
    "SPF lets the IPv6 source send",
    "dns",
    4,
    "SPF of each mail domain passes for the IPv6 source; each DKIM key that the inventory names is published. No mail "
    "is sent, so no signature is checked, and the DMARC record is shown and not judged.",
    "RFC 7208, section 4; RFC 6376, section 3.6; RFC 7489",
    authorised,
)
