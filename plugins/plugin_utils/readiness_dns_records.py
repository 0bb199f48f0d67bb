# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the records that were read: TTLs, reverse names, mail exchangers, SPF, names with one family.

What is wrong was found by ``zone_findings``; each finding belongs to one check. What is right is said name by name.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.probe import plain
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, findings, spf
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_addresses import DECLARED, RANGES
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_spf_policy import Policies
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import World
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_view import View, absolute, merged, unread
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    UNKNOWN,
    Data,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name

_TTL = ("ttl-mismatch", "glue-ttl-mismatch", "two-ttls", "ttl-too-large")
_REVERSE = (
    *("aaaa-without-ptr", "a-without-ptr", "several-ptr", "nibbles-too-many", "nibbles-too-few", "label-no-nibble"),
    *("octet-wrong", "octets-too-many", "octets-too-few", "label-no-octet", "octet-outside-range"),
    *("classless-without-cname", "address-in-reverse-zone", "wildcard-hidden"),
)
_CONFIRMED = ("ptr-to-nothing", "ptr-not-confirmed", "ptr-to-alias", "ptr-target-no-host-name", "ptr-target-in-arpa")
_SERVERS = ("one-ns", "no-ns", "ns-without-address", "ns-to-alias", "ns-to-address", "ns-without-aaaa", "ns-without-a")
_GLUE = ("no-glue", "glue-differs", "delegation-differs")
_ONE_FAMILY = ("ipv6-name-with-a", "ipv4-name-with-aaaa")
_NAMES = ("owner-no-host-name", "cname-and-other-data", "two-cnames", "cname-at-apex", "cname-loop", "cname-to-nothing")
CHECK_OF = {
    **dict.fromkeys(_TTL, "D02"),
    **dict.fromkeys(_REVERSE, "D03"),
    **dict.fromkeys(_CONFIRMED, "D04"),
    **dict.fromkeys(_SERVERS, "D06"),
    **dict.fromkeys(_GLUE, "D07"),
    **dict.fromkeys(_ONE_FAMILY, "D13"),
    **dict.fromkeys(_NAMES, "D01"),
    # Which IPv6 addresses may be public at all, is for the checks of addresses (A04) to say.
    **{item.check: "A04" if item.check.startswith("address-") else "D01" for item in RANGES if item.check},
    DECLARED: "A04",
}
_BY_BEGINNING = {"mx-": "D09", "srv-": "D09", "null-mx-": "D09", "spf-": "D10"}
VARIABLES = {
    "D01": "ipv6_names",
    "D02": "ipv6_names",
    "D03": "ipv6_names",
    "D04": "ipv6_names",
    "D09": "ipv6_mail_domains",
    "D10": "ipv6_mail_domains",
    "D11": "ipv6_names",
    "D13": "ipv6_names",
}
_SAYS = {"-": "fail", "~": "softfail", "?": "neutral"}


def check_of(found: Data) -> str:
    """Return the one check that a finding belongs to. What is about no other is about how the zone is kept: D12."""
    name = str(found["check"])
    if name == "delegation-differs" and absolute(found["name"]).endswith(".ip6.arpa."):
        return "D05"
    if name in CHECK_OF:
        return CHECK_OF[name]
    return next((check for beginning, check in _BY_BEGINNING.items() if name.startswith(beginning)), "D12")


def found_by(view: View, check: str) -> list[Result]:
    """Return the findings of a check."""
    return merged(
        _result(view, found, check)
        for found in view.site.dns.get("findings") or ()
        if check_of(found) == check and absolute(found.get("zone") or "") not in view.empty
    )


def _result(view: View, found: Data, check: str) -> Result:
    name, kind, data = (str(found.get(key) or "") for key in ("name", "type", "data"))
    record = plain(" ".join(part for part in (name, kind, data) if part), 300)
    hosts = (view.host_of(name), _host_of_data(view, kind, data))
    say = unknown if found["check"] == "not-judged" else failed
    if str(found["check"]).startswith("ipv4-") and kind == "A":
        say = not_applicable  # how public the IPv4 side is, was decided before anybody thought of IPv6
    return say(
        plain(str(found["message"]).rstrip("."), 300),
        host=next((host for host in hosts if host), ""),
        name=plain(name, 300),
        family={"A": "ipv4", "AAAA": "ipv6"}.get(kind, ""),
        evidence=(record, f"zone_findings: {plain(str(found['check']))}"),
        variable=VARIABLES.get(check, "ipv6_dns"),
        fix=str(found.get("fix") or "").rstrip("."),
    )


def _host_of_data(view: View, kind: str, data: str) -> str:
    if kind in ("A", "AAAA") and data:
        try:
            return view.host_of(reverse_name(data))
        except RolloutError:
            return ""
    return view.host_of(data.rpartition(" ")[2]) if kind in ("PTR", "MX", "NS") else ""


def _judged(site: Site, check: str, right: t.Callable[[View], t.Iterable[Result]]) -> list[Result]:
    """Return the findings of a check, and what is right of all that no finding is about."""
    view = View(site)
    nothing = unread(view)
    if nothing:
        return nothing
    wrong = found_by(view, check)
    names, hosts = {result.name for result in wrong}, {result.host for result in wrong}
    # A finding about a forward name may be what a host's reverse name lacks.
    done = [result for result in merged(right(view)) if result.name not in names]
    return wrong + [result for result in done if result.status != UNKNOWN or result.host not in hosts]


def ttls(site: Site) -> list[Result]:
    """D02: A and AAAA of a name have the same TTL."""
    return _judged(site, "D02", _ttls)


def _ttls(view: View) -> t.Iterator[Result]:
    for host, name in view.published():
        about = {"host": host.name, "name": name}
        a, aaaa = view.ttls(name, "A"), view.ttls(name, "AAAA")
        why = view.reason(name, "A") or view.reason(name, "AAAA")
        if why:
            yield unknown(f"its TTLs are not known: {plain(why)}", **about)
        elif not a or not aaaa:
            yield not_applicable("it does not have addresses of both families", **about)
        else:
            lines = [f"{name} {ttl} {kind}" for kind, found in (("A", a), ("AAAA", aaaa)) for ttl in sorted(found)]
            yield passed("A and AAAA have the same TTL", evidence=tuple(lines), **about)


def pointers(site: Site) -> list[Result]:
    """D03: each published AAAA record's address has one PTR record."""
    return _judged(site, "D03", _pointers)


def _pointers(view: View) -> t.Iterator[Result]:
    for host in view.site.hosts.values():
        address = str(host.spec["address"])
        owner = reverse_name(address)
        has = [name for name in (*host.spec["names"], *host.spec["lab_names"]) if address in view.data(name, "AAAA")]
        about = {"host": host.name, "name": owner, "address": address, "family": "ipv6"}
        if not has:
            yield not_applicable("no AAAA record leads to it", **about)
            continue
        found = view.data(owner, "PTR")
        if found:
            yield passed("it has one PTR record", evidence=(f"{owner} PTR {found[0]}",), **about)
            continue
        why = view.reason(owner, "PTR") or "no finding says so, and no record was read"
        yield unknown(f"whether it has a PTR record is not known: {plain(why)}", variable="ipv6_dns", **about)


def confirmed(site: Site) -> list[Result]:
    """D04: the name of a PTR record has the address again."""
    return _judged(site, "D04", _confirmed)


def _confirmed(view: View) -> t.Iterator[Result]:
    for host in view.site.hosts.values():
        address = str(host.spec["address"])
        owner = reverse_name(address)
        for target in view.data(owner, "PTR"):
            about = {"host": host.name, "name": owner, "address": address, "family": "ipv6"}
            lines = (f"{owner} PTR {target}", *(f"{target} AAAA {one}" for one in view.data(target, "AAAA")))
            if address in view.data(target, "AAAA"):
                yield passed("its name leads back to it", evidence=lines, **about)
            else:
                why = view.reason(target, "AAAA") or "no finding says so"
                yield unknown(f"whether {plain(target)} leads back is not known: {plain(why)}", evidence=lines, **about)


def mail_exchangers(site: Site) -> list[Result]:
    """D09: MX records name hosts with addresses of both families."""
    return _judged(site, "D09", _mail_exchangers)


def _mail_exchangers(view: View) -> t.Iterator[Result]:
    for host in view.site.hosts.values():
        for domain in map(absolute, host.spec["mail_domains"]):
            about = {"host": host.name, "name": domain}
            found, why = view.data(domain, "MX"), view.reason(domain, "MX")
            lines = tuple(f"{domain} MX {one}" for one in found)
            targets = [one.rpartition(" ")[2] for one in found]
            elsewhere = [one for one in targets if one != "." and not view.zone_of(one)]
            if why:
                yield unknown(f"its MX records are not known: {plain(why)}", **about)
            elif not found:
                yield not_applicable("it has no MX record", **about)
            elif targets == ["."]:
                yield passed("it says that it takes no mail, and nothing else", evidence=lines, **about)
            elif elsewhere:
                text = f"the zone of {plain(elsewhere[0])} was not read, so its addresses are not known"
                yield unknown(text, evidence=lines, **about)
            else:
                lines += tuple(
                    f"{one} {kind} {x}" for one in targets for kind in ("A", "AAAA") for x in view.data(one, kind)
                )
                yield passed("its MX records name hosts with A and AAAA records", evidence=lines, **about)


def senders(site: Site) -> list[Result]:
    """D10: the SPF record of each mail domain lets the IPv6 addresses of its hosts send."""
    view = View(site)
    nothing = unread(view)
    if nothing:
        return nothing
    wrong = found_by(view, "D10")
    said = {result.name for result in wrong}
    policies = _policies(view)
    right = [
        _sender(view, policies, host.name, str(host.spec["address"]), domain)
        for host in site.hosts.values()
        for domain in map(absolute, host.spec["mail_domains"])
    ]
    return wrong + [result for result in merged(right) if result.status == FAIL or result.name not in said]


def _policies(view: View) -> Policies:
    """Read the SPF records. What no check can read is a finding of its own already."""
    records = []
    for record in view.site.dns.get("records") or ():
        try:
            records += findings.read([record])
        except RolloutError:
            continue
    complete = frozenset(zone for zone, read in view.zones.items() if read.get("by") == "transfer")
    world = World(records, complete)
    policies = Policies(world)
    for name, node in world.data.items():
        for record in node.get("TXT", []):
            text = dns_names.txt_text(record.data) if record.data.startswith('"') else record.data
            if text.lower().split(" ", 1)[0] != "v=spf1":
                continue
            try:
                policies.add(name, record, spf.read_terms(text, strict=True))
            except RolloutError:
                policies.add(name, record, None)
    return policies


def _sender(view: View, policies: Policies, host: str, address: str, domain: str) -> Result:
    about: dict[str, t.Any] = {"host": host, "name": domain, "address": address, "family": "ipv6"}
    why = view.reason(domain, "TXT")
    policy = policies.known.get(domain)
    if why:
        return unknown(f"its SPF record is not known: {plain(why)}", **about)
    if policy is None:
        return not_applicable("it has no SPF record, so nobody is refused by one", **about)
    record = plain(f"{domain} TXT {policy.record.data}", 400)
    answer = policies.result(policy, *any_address(address, "address"))
    if answer == "+":
        return passed("the SPF record lets the host send over IPv6", evidence=(record,), **about)
    if answer is None:
        text = "what the SPF record says of the address depends on records that were not read"
        return unknown(text, evidence=(record,), **about)
    return failed(
        f"the SPF record says {_SAYS.get(answer, answer)} to mail that {host} sends over IPv6",
        evidence=(record, f"{address}: {_SAYS.get(answer, answer)}"),
        variable="ipv6_mail_domains",
        fix=f"add ip6:{address} to the SPF record, as the role dns does",
        **about,
    )


def one_family(site: Site) -> list[Result]:
    """D13: a lab name has an AAAA record, that of its host, and no A record."""
    return _judged(site, "D13", _one_family)


def _one_family(view: View) -> t.Iterator[Result]:
    for host in view.site.hosts.values():
        address = str(host.spec["address"])
        for name in map(absolute, host.spec["lab_names"]):
            about: dict[str, t.Any] = {"host": host.name, "name": name}
            why = view.reason(name, "AAAA") or view.reason(name, "A")
            found = {kind: view.data(name, kind) for kind in ("AAAA", "A")}
            lines = tuple(f"{name} {kind} {one}" for kind, held in found.items() for one in held)
            if why:
                yield unknown(f"its addresses are not known: {plain(why)}", **about)
            elif found["AAAA"] == [address] and not found["A"]:
                yield passed("it has the one address of its host, over IPv6 only", evidence=lines, **about)
            else:
                yield failed(
                    f"it has {_told(found)}, and is meant to have {address} only",
                    evidence=lines or (f"{name} has no address",),
                    variable="ipv6_names",
                    fix="let the role dns write the lab name again; it is what IPv6 is proved by",
                    **about,
                )


def _told(found: t.Mapping[str, t.Sequence[str]]) -> str:
    return ", ".join(plain(one) for held in found.values() for one in held) or "no address"
