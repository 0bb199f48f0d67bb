# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings about SPF records: what makes them an error for receivers, their limits, and what they say to IPv6."""

from __future__ import annotations

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_names, spf
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import any_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_report import Report, first_few
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_spf_policy import Policies, Policy, plain_domain
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import Record, World, parent
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import inside

MOST_VOID = 2  # RFC 7208, section 4.6.4
MOST_NAMES = 10


def check(world: World, report: Report, not_public: set[str]) -> None:
    """Judge the SPF records."""
    policies = Policies(world)
    for name, node in world.data.items():
        for record in node.get("SPF", [])[:1]:
            report.add("spf-type-99", record, f"{name} has an SPF record of the type SPF, which nobody reads any more.")
        found = [(record, _text(record)) for record in node.get("TXT", []) if "v=spf1" in record.data.lower()]
        found = [(record, text) for record, text in found if text.lower().split(" ", 1)[0] == "v=spf1"]
        if len(found) > 1:
            policies.several.add(name)
            report.add("spf-several", found[0][0]._replace(data=""), f"{name} has {len(found)} SPF records.")
        elif found:
            policies.add(name, found[0][0], _terms(report, *found[0]))
    loops = policies.loops()
    looping = {name for loop in loops for name in loop}
    for loop in loops:
        record = policies.known[loop[0]].record
        report.add("spf-loop", record, f"{record.name} includes itself, by way of {first_few(loop)}.")
    for policy in policies.known.values():
        if policy.terms is not None:
            _form(report, policies, policy)
            _targets(world, report, policies, policy)
            if policy.name not in looping:
                _limits(report, policies, policy)
    _without_ip6(world, report, policies, not_public)


def _text(record: Record) -> str:
    if not record.data.startswith('"'):
        return record.data
    return dns_names.txt_text(record.data)


def _terms(report: Report, record: Record, text: str) -> list[spf.Term] | None:
    try:
        if not text.isascii() or not text.isprintable():
            raise RolloutError(f"spf: {record.name} has something else than printable ASCII characters in it")
        terms = spf.read_terms(text, strict=True)
        spf.check_modifiers(text, terms)
    except RolloutError as error:
        report.add("spf-syntax", record, f"{record.name}: {str(error).removeprefix('spf: ')}.")
        return None
    return terms


def _form(report: Report, policies: Policies, policy: Policy) -> None:
    """Judge a record by itself."""
    name, terms = policy.name, policy.terms or []
    names = [term.name for term in terms]
    ends = names.index("all") if "all" in names else len(names)
    for term in terms:
        if term.name == "ptr":
            report.add("spf-ptr", policy.record, f"{name} has {term.text}, which is slow and must not be used.")
        elif term.name == "all" and term.qualifier == "+":
            report.add("spf-plus-all", policy.record, f"{name} has {term.text}, which lets everybody send.")
        elif term.prefix is not None and inside(*term.prefix, *spf.MAPPED):
            report.add("spf-mapped", policy.record, f"{name} has {term.text}, which no address ever matches.")
    after = [term.text for term in terms[ends + 1 :] if not term.name.endswith("=")]
    if after:
        report.add("spf-after-all", policy.record, f"{name} has {after[0]} behind all, where nobody reads it.")
    if "redirect=" in names and "all" in names:
        report.add("spf-redirect-beside-all", policy.record, f"{name} has redirect beside all, so nobody follows it.")
    if "redirect=" not in names and "all" not in names and name not in policies.used:
        report.add(
            "spf-no-end", policy.record, f"{name} ends without all or redirect, so that anybody else is neutral."
        )


def _limits(report: Report, policies: Policies, policy: Policy) -> None:
    """Judge how much a record makes a receiver ask; what it includes is judged by itself."""
    below = policies.targets(policy)
    lookups = policies.lookups(policy)
    if lookups > spf.MOST_LOOKUPS and not any(policies.lookups(other) > spf.MOST_LOOKUPS for other in below):
        text = f"{policy.name} needs {lookups} DNS lookups, and receivers stop after {spf.MOST_LOOKUPS}."
        report.add("spf-lookups", policy.record, text)
    for family in (4, 6):
        void = policies.void(policy, family)
        if void > MOST_VOID and not any(policies.void(other, family) > MOST_VOID for other in below):
            text = f"{policy.name} asks for {void} names without an IPv{family} answer"
            text += f", and receivers stop after {MOST_VOID}."
            report.add("spf-void-lookups", policy.record, text)
            break


def _targets(world: World, report: Report, policies: Policies, policy: Policy) -> None:
    """Judge the domains that a record names."""
    for term in {term.text: term for term in policy.terms or []}.values():
        domain = plain_domain(term, policy.name)
        if term.name == "mx" and domain and len(policies.mail_hosts(domain)) > MOST_NAMES:
            count = len(policies.mail_hosts(domain))
            text = f"{policy.name} has {term.text}, which has {count} names, and receivers stop after {MOST_NAMES}."
            report.add("spf-mx-names", policy.record, text)
        leads = term.name in ("include", "redirect=") and domain and domain not in policies.several
        if leads and domain not in policies.known and world.in_known_zone(domain):
            text = f"{policy.name} has {term.text}, and {domain} has no SPF record."
            report.add("spf-include-without-record", policy.record, text)


def _without_ip6(world: World, report: Report, policies: Policies, not_public: set[str]) -> None:
    """Judge hosts that may send by IPv4 and not by IPv6: those that take the domain's mail, and those in it."""
    hosts: dict[str, dict[str, None]] = {
        name: dict.fromkeys(policies.mail_hosts(name)) for name, policy in policies.known.items() if policy.terms
    }
    for name, node in world.data.items():
        if "A" in node and "AAAA" in node:
            above = name
            while above:
                if above in policies.known or above in policies.several:
                    if above in hosts:
                        hosts[above][name] = None
                    break  # a policy is not inherited: the closest one is meant for the host
                above = parent(above)
    for domain, names in hosts.items():
        policy = policies.known[domain]
        bad = [found for found in (_only_ipv4(world, policies, policy, name, not_public) for name in names) if found]
        if bad:
            name, old, new = bad[0]
            more = f" ({len(bad) - 1} more hosts too)" if len(bad) > 1 else ""
            text = f"{domain} lets {old} of {name} send and not {new} of the same host{more}."
            report.add("spf-without-ip6", policy.record, text)


def _only_ipv4(
    world: World, policies: Policies, policy: Policy, name: str, not_public: set[str]
) -> tuple[str, str, str] | None:
    """Return the host, an address of it that may send and one that may not, where there are such."""
    found: dict[str, list[tuple[str, str | None]]] = {"A": [], "AAAA": []}
    for record in world.addresses(name):
        if record.data not in not_public:
            result = policies.result(policy, *any_address(record.data, "address"))
            found[record.type].append((record.data, result))
    passed = [text for text, result in found["A"] if result == "+"]
    refused = [text for text, result in found["AAAA"] if result not in ("+", None)]
    return (name, passed[0], refused[0]) if passed and refused else None
