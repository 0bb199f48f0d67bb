# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a rollout as one picture, the connections that prove them, and the table that is shown in the end.

A *member* is a host's specification (see the ``host_spec`` filter) with the ``address`` that the plan gives it.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import plan_file

Data = t.Dict[str, t.Any]
Members = t.Mapping[str, t.Mapping[str, t.Any]]

FAMILIES = ("ipv4", "ipv6")

# How a service is spoken to. What is not here is connected to over TCP and nothing more.
SPOKEN = {"http": "http", "https": "https", "smtp": "smtp", "submission": "smtp", "dns": "dns"}

SEPARATOR = "|"  # in the id of a check: host|service|family, and |name for the second name and further ones


def members(specs: Members, plan: t.Mapping[str, t.Any]) -> t.Dict[str, Data]:
    """Join the specifications with the plan.

    :raises RolloutError: where the plan has no address for a host
    """
    joined = {}
    for name, spec in specs.items():
        address = plan.get("hosts", {}).get(name)
        if not address:
            raise RolloutError(f"plan: it has no address for host '{name}'; run the plan playbook first")
        subnet = plan.get("subnets", {}).get(spec["subnet"], "/64")
        joined[str(name)] = {**spec, "address": str(address), "prefix_length": int(str(subnet).rpartition("/")[2])}
    return joined


def _check(owner: str, service: str, family: str, /, **fields: t.Any) -> Data:
    """Return a check as the probe module takes it; fields that say nothing are left out."""
    told = {key: value for key, value in fields.items() if value not in ("", None)}
    return {"id": SEPARATOR.join((owner, service, family)), "family": family, **told}


def _spoken(fleet: Members, hosts: t.Iterable[str]) -> t.Iterator[t.Tuple[str, Data, Data]]:
    """Each host with each service that can be proved: once a name, TCP where it has both protocols."""
    for host in hosts:
        seen = set()
        for service in fleet[host]["services"]:
            if service["name"] not in seen and (service["protocol"] == "tcp" or service["name"] in SPOKEN):
                seen.add(service["name"])
                yield host, dict(fleet[host]), dict(service)


def inside_checks(fleet: Members, hosts: t.Iterable[str]) -> t.List[Data]:
    """The connections from the lab machine before anything is opened or published.

    IPv6 goes by the lab name, which must lead to the planned address. IPv4 goes by address: it must work as before.
    """
    hosts = list(hosts)
    checks = []
    for host in hosts:
        member = fleet[host]
        checks.append(_check(host, "ping", "ipv6", kind="ping", address=member["address"]))
        if member["names"]:
            checks.append(_check(host, "reverse", "ipv6", kind="reverse", address=member["address"]))
    for host, member, service in _spoken(fleet, hosts):
        published = member["names"][0] if member["names"] else ""
        spoken = {
            "kind": SPOKEN.get(service["name"], "tcp"),
            "port": service["port"],
            "host": published,
            "says": published if service["daemon"] == "postfix" else "",
        }
        lab_name = member["lab_names"][0] if member["lab_names"] else ""
        checks.append(_check(host, service["name"], "ipv6", address=member["address"], name=lab_name, **spoken))
        if member.get("ipv4"):
            checks.append(_check(host, service["name"], "ipv4", address=member["ipv4"], **spoken))
    return checks


def outside_checks(fleet: Members, hosts: t.Iterable[str], source: str = "") -> t.List[Data]:
    """The connections that a client makes in the end: by published name, each family on its own.

    :param source: an IPv6 address of the lab machine that no rule lets in, to see what everybody sees
    """
    hosts = list(hosts)
    checks = []
    for host in hosts:
        member = fleet[host]
        checks.append(_check(host, "ping", "ipv6", kind="ping", address=member["address"], source=source))
        if member["names"]:
            # Without a service the name is not published, and the PTR record stays with the lab name.
            says = member["names"][0] if member["services"] else ""
            checks.append(_check(host, "reverse", "ipv6", kind="reverse", address=member["address"], says=says))
    for host, member, service in _spoken(fleet, hosts):
        names = member["names"] or [""]
        for family in FAMILIES:
            address = member["address"] if family == "ipv6" else member.get("ipv4")
            if not address:
                continue
            for published in names:
                check = _check(
                    host,
                    service["name"],
                    family,
                    kind=SPOKEN.get(service["name"], "tcp"),
                    port=service["port"],
                    address=address,
                    name=published,
                    host=published,
                    says=names[0] if service["daemon"] == "postfix" else "",
                    # A service with sources of its own is not for everybody: it is tried from the lab's address.
                    source=source if family == "ipv6" and not service["sources"] else "",
                )
                if published != names[0]:
                    check["id"] = SEPARATOR.join((check["id"], published))
                checks.append(check)
    return checks


def failures(proofs: t.Iterable[t.Mapping[str, t.Any]], host: str) -> t.List[str]:
    """Return what a host did not prove, a line each."""
    lines = []
    for proof in proofs:
        owner, service, family = str(proof["id"]).split(SEPARATOR)[:3]
        if owner == host and not proof["ok"]:
            lines.append(f"{service} over {family}: {proof['evidence']}")
    return lines


def report(
    fleet: Members, checks: t.Sequence[t.Mapping[str, t.Any]], proofs: t.Sequence[t.Mapping[str, t.Any]]
) -> Data:
    """Return the state of the fleet as plain data: a line for each host, service and family, and a verdict.

    A host for which no check was made is not in it.
    """
    asked = {str(check["id"]): check for check in checks}
    lines = []
    for proof in proofs:
        host, service, family = str(proof["id"]).split(SEPARATOR)[:3]
        check = asked[str(proof["id"])]
        lines.append(
            {
                "host": host,
                "service": service,
                "family": family,
                "name": check.get("name") or check.get("says", ""),
                "address": proof["address"],
                "port": check.get("port"),
                "proved": bool(proof["ok"]),
                "evidence": proof["evidence"],
            }
        )
    lines.sort(key=_order)
    seen = {line["host"] for line in lines}
    hosts = {
        name: {
            "address": member["address"],
            "ipv4": member.get("ipv4") or "",
            "names": list(member["names"]),
            "proved": all(line["proved"] for line in lines if line["host"] == name),
        }
        for name, member in sorted(fleet.items())
        if name in seen
    }
    return {"hosts": hosts, "lines": lines, **_totals(lines)}


def _order(line: t.Mapping[str, t.Any]) -> t.Tuple[str, int, str, str, str]:
    first = {"ping": 0, "reverse": 1}.get(line["service"], 2)
    return line["host"], first, line["service"], line["name"], line["family"]


def _totals(lines: t.Sequence[t.Mapping[str, t.Any]]) -> t.Dict[str, int]:
    unproved = sum(not line["proved"] for line in lines)
    return {"proved": len(lines) - unproved, "unproved": unproved}


# ---------------------------------------------------------------------------------------------- the file

SCHEMA = "ipv6.rollout/report/1"
REPORT = "ipv6_report.json"
TEXTS = ("host", "service", "family", "name", "address", "evidence")


def report_path(explicit: object, sources: object) -> str:
    """Return the path of the report file: where the user wants it, else beside the inventory as the plan is.

    :param sources: ``ansible_inventory_sources``; see ``plan_file.default_path``
    """
    if explicit is not None and explicit != "":
        if not isinstance(explicit, (str, os.PathLike)):
            raise RolloutError(f"ipv6_report_file: {shown(explicit)} is not a path; write one in quotes")
        return os.path.abspath(os.path.expanduser(str(os.fspath(explicit))))
    try:
        return os.path.join(os.path.dirname(plan_file.default_path(None, sources)), REPORT)
    except RolloutError:
        raise RolloutError(
            f"ipv6_report_file: there is no inventory file that {REPORT} could be beside; set it to a path"
        ) from None


def merged(
    told: t.Mapping[str, t.Any], before: t.Optional[bytes], made: str, prefix: str, planned: t.Mapping[str, t.Any]
) -> Data:
    """Return what is to be in the report file: this run's report, and what was known of hosts that were not in it.

    :param told: what :func:`report` returned
    :param before: what is in the file; what can't be read, or is of another prefix, is left out
    :param made: the time of this run
    :param planned: the addresses of the plan; a host that has another one there, or none, is left out. Empty: not known
    """
    old = _earlier(before, prefix)
    kept = {
        name: {**host, "made": host.get("made") or old.get("made", "")}
        for name, host in old.get("hosts", {}).items()
        if name not in told["hosts"] and (not planned or planned.get(name) == host.get("address"))
    }
    hosts = {**kept, **{name: {**host, "made": made} for name, host in told["hosts"].items()}}
    lines = sorted([*told["lines"], *(line for line in old.get("lines", ()) if line["host"] in kept)], key=_order)
    head = {"schema": SCHEMA, "made": made, "prefix": prefix}
    return {**head, "hosts": dict(sorted(hosts.items())), "lines": lines, **_totals(lines)}


def _earlier(before: t.Optional[bytes], prefix: str) -> Data:
    """Return an earlier report as it was written, or nothing."""
    try:
        old = json.loads(before or b"{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(old, dict) or old.get("schema") != SCHEMA or old.get("prefix") != prefix:
        return {}
    hosts, lines = old.get("hosts"), old.get("lines")
    if not isinstance(hosts, dict) or not all(isinstance(host, dict) for host in hosts.values()):
        return {}
    if not isinstance(lines, list) or not all(_is_line(line) for line in lines):
        return {}
    return old


def _is_line(line: object) -> bool:
    return isinstance(line, dict) and "proved" in line and all(isinstance(line.get(key), str) for key in TEXTS)


# ---------------------------------------------------------------------------------------------- the table


HEADINGS = ("host", "service", "family", "name", "address", "result", "evidence")


def table(told: t.Mapping[str, t.Any], width: int = 150) -> str:
    """Return a report as a table that a person reads, with the columns as wide as they need to be."""
    rows = [
        (
            line["host"],
            line["service"],
            line["family"],
            line["name"],
            line["address"],
            "proved" if line["proved"] else "FAILED",
            line["evidence"],
        )
        for line in told["lines"]
    ]
    widths = [max(len(str(row[column])) for row in [HEADINGS, *rows]) for column in range(len(HEADINGS) - 1)]
    lines = []
    for row in [HEADINGS, tuple("-" * size for size in [*widths, len(HEADINGS[-1])]), *rows]:
        cells = [str(cell).ljust(size) for cell, size in zip(row, widths, strict=False)]
        line = "  ".join([*cells, str(row[-1])])
        # A failure is shown whole: it is what the reader has come for.
        lines.append(line if "FAILED" in cells[4:] or len(line) <= width else line[: width - 3] + "...")
    total = told["proved"] + told["unproved"]
    lines.append("")
    lines.append(f"{told['proved']} of {total} lines proved by a connection made for them.")
    return "\n".join(line.rstrip() for line in lines)
