# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit judges, and what a check says.

A *site* is everything that was seen: what the inventory declares, what each host says of itself (the *look*), what the
lab machine saw from outside (the *proofs*), and what the name server says. A *check* is a rule with a source; it looks
at the site and gives *results*. A result without proof is ``unknown`` and never ``pass``.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

Data = t.Mapping[str, t.Any]

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = "pass", "fail", "unknown", "not_applicable"
STATUSES = (FAIL, UNKNOWN, PASS, NOT_APPLICABLE)  # the worst first
FAMILIES = ("ipv4", "ipv6")
VIEWS = {
    "inside": "on the host itself",
    "outside": "from the lab machine",
    "dns": "in the DNS",
    "control": "in the inventory and the plan",
}
# What a judge may end in where a host or a server says something of another shape than it should.
ODD = (RolloutError, LookupError, TypeError, ValueError, AttributeError)
SEPARATOR = "|"  # in the id of a probe: group|host|service|family|...


@dataclasses.dataclass(frozen=True)
class Result:
    """What one check says of one thing.

    ``host`` is an inventory name, or empty where the result belongs to the site. ``service`` is the name of a declared
    service, ``name`` a DNS name. ``evidence`` are lines of plain text: the record, the rule, the socket, the reply; it
    holds nothing that differs from run to run where the state is the same (no times, no process numbers). ``variable``
    is the inventory variable that causes it, ``file`` the file on the host, ``fix`` what to do.
    """

    check: str
    status: str
    message: str
    host: str = ""
    service: str = ""
    name: str = ""
    address: str = ""
    family: str = ""
    evidence: tuple[str, ...] = ()
    variable: str = ""
    file: str = ""
    fix: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What this result is about, the same from run to run."""
        return (self.check, self.host, self.service, self.name, self.address, self.family)


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the fleet.

    ``spec`` is what ``fleet_members`` gives (``address``, ``prefix_length``, ``ipv4``, ``names``, ``lab_names``,
    ``services``, ``mail_domains``, ``interface``, ``subnet``). ``variables`` are its inventory variables, templated.
    ``look`` is what ``host_info`` returned with ``rules`` and ``audit``, or None; then ``why`` says why.
    """

    name: str
    spec: Data
    variables: Data = dataclasses.field(default_factory=dict)
    look: Data | None = None
    why: str = ""

    @property
    def audit(self) -> Data:
        """The part of the look that only the audit needs; empty where there is none."""
        return t.cast(Data, (self.look or {}).get("audit") or {})

    def has(self, service: str) -> bool:
        """Tell whether a service of this name is declared."""
        return any(entry["name"] == service for entry in self.spec["services"])


@dataclasses.dataclass(frozen=True)
class Site:
    """Everything that was seen.

    ``proofs`` are those of the module ``probe`` by id. ``dns`` is what ``zone_info`` returned (``records``, ``zones``,
    ``unknown``, ``findings``), empty where the name server was not asked, and then ``dns_why`` says why. ``lab`` is the
    lab machine: ``name``, ``ipv4`` and ``outside_source`` (an IPv6 address that no rule lets in). ``outside_why`` says
    why there are no proofs. ``token`` is in the User-Agent header of each web probe, and in no other request.
    ``before`` is the document of an earlier audit, empty where there is none. ``results`` are those of all other groups
    when the group ``fleet`` is judged, which is the last.
    """

    hosts: t.Mapping[str, Host]
    plan: Data = dataclasses.field(default_factory=dict)
    proofs: t.Mapping[str, Data] = dataclasses.field(default_factory=dict)
    dns: Data = dataclasses.field(default_factory=dict)
    lab: Data = dataclasses.field(default_factory=dict)
    variables: Data = dataclasses.field(default_factory=dict)
    outside_why: str = ""
    dns_why: str = ""
    token: str = ""
    before: Data = dataclasses.field(default_factory=dict)
    results: tuple[Result, ...] = ()

    def setting(self, name: str, default: t.Any = None) -> t.Any:
        """Return a site-wide variable, as the first host that has it says."""
        for variables in (self.variables, *(host.variables for host in self.hosts.values())):
            if variables.get(name) is not None:
                return variables[name]
        return default

    def blind(self, family: str) -> str:
        """Say why the lab machine can't ask over a family; empty where it can."""
        return "the lab machine has no IPv4 address" if family == "ipv4" and not self.lab.get("ipv4") else ""

    def source(self, service: Data, family: str) -> str:
        """Return the address to ask a service from: over IPv6 one that no rule lets in, unless not everybody may."""
        outside = str(self.lab.get("outside_source") or "")
        return outside if family == "ipv6" and not service.get("sources") else ""

    def stranger_arrives(self, host: str) -> bool:
        """Tell whether packets of strangers get to a host at all: where they don't, its silence proves nothing."""
        ping, ports = (self.proof("firewall", host, kind, "ipv6") or {} for kind in ("ping", "ports"))
        seen = ports.get("seen") or {}
        return bool(ping.get("ok") or seen.get("open") or seen.get("closed"))

    def proof(self, *parts: str) -> Data | None:
        """Return the proof of a probe, or None where it was not made."""
        return self.proofs.get(probe_id(*parts))

    def told(self, *parts: str) -> tuple[Data | None, str]:
        """Return a proof, or None and why it says nothing: the probe was not made, or could not be."""
        proof = self.proof(*parts)
        if proof is None:
            return None, self.no_proof(*parts)
        seen = proof.get("seen")
        problem = seen.get("problem") if isinstance(seen, t.Mapping) else ""
        return (None, plain(problem, 160)) if problem else (proof, "")

    def no_proof(self, *parts: str) -> str:
        """Say why a proof is missing."""
        return self.outside_why or f"the probe {probe_id(*parts)} was not made"


def probe_id(*parts: str) -> str:
    """Return the id of a probe."""
    return SEPARATOR.join(parts)


def probe(parts: t.Sequence[str], kind: str, family: str, **fields: t.Any) -> dict[str, t.Any]:
    """Return a probe as the module takes it; fields that say nothing are left out."""
    told = {name: value for name, value in fields.items() if value not in ("", None)}
    return {"id": probe_id(*parts), "kind": kind, "family": family, **told}


@dataclasses.dataclass(frozen=True)
class Check:
    """A rule.

    ``hurts`` is how much it hurts when it fails: 5 locks people out or lets strangers in, 4 breaks a service for
    clients, 3 breaks it for some or slows it, 2 will break it one day, 1 is untidy. ``judge`` is called for each host
    where the rule is about hosts (``of="host"``), else once for the site. Of a host that could not be looked at, an
    inside check is unknown without a call.
    """

    id: str
    title: str
    view: str
    hurts: int
    rule: str
    source: str
    judge: t.Callable[..., t.Iterable[Result]]
    of: str = "host"

    def results(self, site: Site) -> list[Result]:
        """Judge a site. A check that has nothing to say is not applicable; one that breaks is unknown."""
        if self.of == "site":
            return self._said(functools.partial(self.judge, site), "")
        found = []
        for host in site.hosts.values():
            if self.view == "inside" and host.look is None:
                found.append(Result(self.id, UNKNOWN, f"the host could not be looked at: {host.why}", host.name))
            else:
                found += self._said(functools.partial(self.judge, host, site), host.name)
        return found or [Result(self.id, NOT_APPLICABLE, "there is no host that it is about")]

    def _said(self, ask: t.Callable[[], t.Iterable[Result]], host: str) -> list[Result]:
        try:
            found = [dataclasses.replace(result, check=self.id) for result in ask()]
        except ODD as error:
            # It must not end the audit, and is no pass.
            return [Result(self.id, UNKNOWN, f"it could not be judged: {type(error).__name__}: {error}", host)]
        return found or [Result(self.id, NOT_APPLICABLE, "there is nothing here that it is about", host)]


def passed(message: str, **about: t.Any) -> Result:
    """Return a result that is fine. The check fills in its id."""
    return Result("", PASS, message, **about)


def failed(message: str, **about: t.Any) -> Result:
    """Return a result that is wrong."""
    return Result("", FAIL, message, **about)


def unknown(message: str, **about: t.Any) -> Result:
    """Return a result that is not known."""
    return Result("", UNKNOWN, message, **about)


def not_applicable(message: str, **about: t.Any) -> Result:
    """Return a result of something that the check is not about here."""
    return Result("", NOT_APPLICABLE, message, **about)
