# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The document of an audit: plain data from which the page, the table and the JUnit file are made.

Its shape is docs/audit.schema.json. All but ``run``, ``before`` and what Z01 says of the latter is the same, octet by
octet, as long as the site is.
"""

from __future__ import annotations

import collections
import hashlib
import json
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness, readiness_verdicts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_compare import COMPARED
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    FAMILIES,
    NOT_APPLICABLE,
    PASS,
    STATUSES,
    UNKNOWN,
    Data,
    Result,
    Site,
)

SCHEMA = "ipv6.rollout/audit/1"
VERSION = "0.1.0"  # of the collection, as galaxy.yml has it
LONGEST = 500  # octets of one line of evidence

Document = dict[str, t.Any]
Origin = t.Callable[[str, str], str]


def verdict(statuses: t.Collection[str]) -> str:
    """Return the verdict over results: what is not known is not ready, but is no failure either."""
    if FAIL in statuses:
        return "not_ready"
    return "not_proved" if UNKNOWN in statuses or PASS not in statuses else "ready"


def worst(statuses: t.Collection[str]) -> str:
    """Return the worst status; of nothing at all nothing is known."""
    return min(statuses, key=STATUSES.index, default=UNKNOWN)


def counts(results: t.Iterable[Result]) -> dict[str, int]:
    """Return how many results there are of each status."""
    found = collections.Counter(result.status for result in results)
    return {status: found[status] for status in (PASS, FAIL, UNKNOWN, NOT_APPLICABLE)}


def build(
    site: Site,
    judged: t.Sequence[tuple[Result, str]],
    origin: Origin = lambda host, variable: "",
    details: t.Mapping[str, Data] | None = None,
) -> Document:
    """Return the document without ``run`` and ``before``.

    :param judged: what :func:`readiness.judge` returned
    :param origin: says where a host's variable is set, as ``path:line``, or nothing where that is not known
    :param details: by host ``{listeners: [lines], firewall: [lines]}``
    """
    results = [result for result, _because in judged]
    by_check: dict[str, list[Result]] = {name: [] for name in readiness.checks()}
    by_host: dict[str, list[Result]] = {name: [] for name in site.hosts}
    for result in results:
        by_check[result.check].append(result)
        if result.host in by_host:
            by_host[result.host].append(result)
    document: Document = {
        "schema": SCHEMA,
        "site": {
            "prefix": str(site.plan.get("prefix") or ""),
            "verdict": verdict({result.status for result in results}),
            "counts": counts(results),
            "internet_nl": readiness_verdicts.internet_nl(site, results),
        },
        "checks": {name: _check(name, found) for name, found in by_check.items()},
        "hosts": {name: _host(site, name, found, (details or {}).get(name, {})) for name, found in by_host.items()},
        "matrix": matrix(site, by_host),
        "results": [_result(result, because, origin) for result, because in judged],
        "plan": {
            "prefix": str(site.plan.get("prefix") or ""),
            "subnets": {str(path): str(prefix) for path, prefix in (site.plan.get("subnets") or {}).items()},
            "hosts": {str(name): str(address) for name, address in (site.plan.get("hosts") or {}).items()},
        },
    }
    document["fingerprint"] = fingerprint(document)
    return document


def fingerprint(document: Data) -> str:
    """Return a digest of all that is the same as long as the site is.

    What compares with an earlier audit is left out, and so are the numbers and verdicts that follow from the rest: the
    first audit of a site and the second one have the same digest.
    """
    stable = {key: value for key, value in document.items() if key not in ("fingerprint", "run", "before")}
    stable["results"] = [result for result in document["results"] if result["check"] != COMPARED]
    stable["checks"] = {name: check for name, check in document["checks"].items() if name != COMPARED}
    stable["site"] = _without_counts(document["site"])
    stable["hosts"] = {name: _without_counts(host) for name, host in document["hosts"].items()}
    return hashlib.sha256(json.dumps(stable, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _without_counts(told: Data) -> Document:
    return {key: value for key, value in told.items() if key not in ("verdict", "counts")}


def _check(name: str, found: t.Sequence[Result]) -> Document:
    check = readiness.checks()[name]
    return {
        "title": check.title,
        "view": check.view,
        "of": check.of,
        "hurts": check.hurts,
        "rule": check.rule,
        "source": check.source,
        "verdict": worst({result.status for result in found}),
        "counts": counts(found),
    }


def _host(site: Site, name: str, found: t.Sequence[Result], details: Data) -> Document:
    spec = site.hosts[name].spec
    return {
        "verdict": verdict({result.status for result in found}),
        "counts": counts(found),
        "address": str(spec["address"]),
        "ipv4": str(spec.get("ipv4") or ""),
        "subnet": str(spec.get("subnet") or ""),
        "names": [str(published) for published in spec["names"]],
        "services": [
            {"name": str(entry["name"]), "port": int(entry["port"]), "protocol": str(entry["protocol"])}
            for entry in spec["services"]
        ],
        "details": {key: [str(line) for line in details.get(key, ())] for key in ("listeners", "firewall")},
    }


def matrix(site: Site, by_host: t.Mapping[str, t.Sequence[Result]]) -> list[Document]:
    """Return one cell for each host, service and family, with the worst of what the checks say of it.

    A result without a family is about both. A cell that no check says anything of is unknown.
    """
    cells = []
    for name, host in site.hosts.items():
        about: dict[tuple[str, str], list[Result]] = {}
        for result in by_host[name]:
            if result.check == COMPARED:
                continue  # it is about two audits; what is wrong now says so itself
            for family in (result.family,) if result.family else FAMILIES:
                about.setdefault((result.service, family), []).append(result)
        seen = set()
        for entry in host.spec["services"]:
            for family, address in (("ipv4", host.spec.get("ipv4")), ("ipv6", host.spec["address"])):
                key = (entry["name"], entry["protocol"], family)
                if not address or key in seen:
                    continue
                seen.add(key)
                found = [one for one in about.get((entry["name"], family), ()) if one.status != NOT_APPLICABLE]
                bad = {result.check for result in found if result.status in (FAIL, UNKNOWN)}
                cells.append(
                    {
                        "host": name,
                        "service": str(entry["name"]),
                        "port": int(entry["port"]),
                        "protocol": str(entry["protocol"]),
                        "family": family,
                        "address": str(address),
                        "verdict": worst({result.status for result in found}),
                        "checks": sorted(bad),
                    }
                )
    return cells


def _result(result: Result, because: str, origin: Origin) -> Document:
    where = origin(result.host, result.variable) if result.variable else ""
    return {
        "check": result.check,
        "status": result.status,
        "host": result.host,
        "service": result.service,
        "name": result.name,
        "address": result.address,
        "family": result.family,
        "message": _short(result.message),
        "evidence": [_short(line) for line in result.evidence],
        "cause": {"variable": result.variable, "file": result.file, "where": where},
        "fix": result.fix,
        "accepted": because,
    }


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
