# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a rollout as one picture, the connections that prove them, and the table that is shown in the end.

A *member* is a host's specification (see the ``host_spec`` filter) with the ``address`` that the plan gives it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

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
        published = member["names"][0] if member["names"] else ""
        checks.append(_check(host, "ping", "ipv6", kind="ping", address=member["address"], source=source))
        checks.append(_check(host, "reverse", "ipv6", kind="reverse", address=member["address"], says=published))
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
    """Return the state of the fleet as plain data: a line for each host, service and family, and a verdict."""
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
    order = {"ping": 0, "reverse": 1}
    lines.sort(
        key=lambda line: (line["host"], order.get(line["service"], 2), line["service"], line["name"], line["family"])
    )
    hosts = {
        name: {
            "address": member["address"],
            "ipv4": member.get("ipv4") or "",
            "names": list(member["names"]),
            "proved": all(line["proved"] for line in lines if line["host"] == name),
        }
        for name, member in sorted(fleet.items())
    }
    unproved = sum(not line["proved"] for line in lines)
    return {"hosts": hosts, "lines": lines, "proved": len(lines) - unproved, "unproved": unproved}


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
