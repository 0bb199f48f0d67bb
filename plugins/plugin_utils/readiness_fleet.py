# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the whole fleet: IPv4 is not harmed, each finding has a cause, and looking changes nothing."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import audit_compare
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    Check,
    Data,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)

MANAGEMENT = "management"  # what checks call the port that administrators log in at; no service declares it
KEY = ("check", "host", "service", "name", "address", "family")


def ipv4_unharmed(site: Site) -> t.Iterator[Result]:
    """Z01: what was fine over IPv4 before is fine over IPv4 now."""
    if not site.before:
        yield not_applicable("there is no earlier audit to compare with")
        return
    now = {result.key: result for result in site.results}
    compared = harmed = 0
    for was in _over_ipv4(site):
        key = tuple(str(was[part]) for part in KEY)
        result = now.get(key)
        if result is None and not was["host"]:
            continue  # a name or a zone that is not there any more
        if result is not None and result.status in (PASS, NOT_APPLICABLE):
            compared += 1
            continue
        harmed += 1
        about = {"host": was["host"], "service": was["service"], "address": was["address"], "family": "ipv4"}
        about["name"] = f"{was['check']} {was['name']}".strip()
        before = f"before: {was['check']} passed: {was['message']}"
        if result is not None and result.status == FAIL:
            yield failed(
                f"this was fine over IPv4 before, and is not now: {result.message}",
                evidence=(before, *result.evidence),
                variable=result.variable or "readiness_before",
                file=result.file,
                fix=result.fix or "find what changed since that audit; the playbook withdraw takes the rollout back",
                **about,
            )
        else:
            why = result.message if result is not None else "no check said anything of it"
            yield unknown(
                f"this was fine over IPv4 before, and now it is not known: {why}", evidence=(before,), **about
            )
    if compared and not harmed:
        yield passed("what was fine over IPv4 before is fine now", family="ipv4")


def _over_ipv4(site: Site) -> t.Iterator[Data]:
    """Results of the earlier audit that passed over IPv4, of hosts and services that are still declared."""
    for was in audit_compare.carried(site.before, "results", {name: host.spec for name, host in site.hosts.items()}):
        if was["family"] != "ipv4" or was["status"] != PASS or was["check"] == "Z01":
            continue
        host, service = site.hosts.get(str(was["host"])), str(was["service"])
        if host is None or service in ("", MANAGEMENT) or host.has(service):
            yield was


def each_has_a_cause(site: Site) -> t.Iterator[Result]:
    """Z02: each failure names the inventory variable or the file that causes it, and what was seen."""
    for result in site.results:
        if result.status == FAIL and not (result.evidence and (result.variable or result.file)):
            yield failed(
                f"{result.check} failed and does not say what causes it: {result.message}",
                host=result.host,
                service=result.service,
                name=f"{result.check} {result.name}".strip(),
                address=result.address,
                family=result.family,
                evidence=(result.message,),
                variable="readiness_accepted",
                fix="this is a defect of the audit; report it",
            )
            return
    yield passed("each failure names its cause and what was seen")


def looking_changes_nothing(host: Host, _site: Site) -> t.Iterator[Result]:
    """Z03: the host is the same after it was looked at as before."""
    state = host.audit.get("state") or {}
    if not state.get("before") or not state.get("after"):
        yield unknown("what the host is could not be compared", host=host.name)
    elif state["before"] != state["after"]:
        parts = ", ".join(str(part) for part in state.get("parts", ()))
        yield failed(
            "something changed on the host while it was looked at",
            host=host.name,
            evidence=(f"changed: {parts or 'unknown parts'}",),
            file=parts,
            fix="run the audit while nothing else changes the host",
        )
    else:
        yield passed("addresses, routes, rules, settings and files are the same after the look", host=host.name)


CHECKS = (
    Check(
        "Z01",
        "IPv4 is not harmed",
        "control",
        5,
        "Whatever passed over IPv4 in the earlier audit passes now.",
        "RFC 4213, section 2",
        ipv4_unharmed,
        of="site",
    ),
    Check(
        "Z02",
        "Each failure names its cause",
        "control",
        1,
        "Each failure has evidence, and the inventory variable or the file that causes it.",
        "NIST SP 800-115, section 8",
        each_has_a_cause,
        of="site",
    ),
    Check(
        "Z03",
        "The audit changes nothing",
        "inside",
        2,
        "A digest of addresses, routes, rules, settings and files is the same after the look as before it.",
        "NIST SP 800-115, section 2.3",
        looking_changes_nothing,
    ),
)
