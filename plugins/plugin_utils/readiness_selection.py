# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of address selection and of the race between families: S01 to S04."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import TABLES, Row, policy_table
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_order import destination_order
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
    SEPARATOR,
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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host

GAI_CONF = "/etc/gai.conf"
POLICY = "address_selection_policy"
DISCARD = "100::1"  # RFC 6666: what is sent there gets no answer
ALLOWED = "at once"
LATE = 1.0  # seconds; who loses the first packet over IPv4 waits longer (RFC 6298, section 2)
TIMEOUT = 5
FEW = 5  # destinations that are shown
# How a family may be written in what a probe saw.
WORDS = {"ipv4": "ipv4", "ipv6": "ipv6", "4": "ipv4", "6": "ipv6", "inet": "ipv4", "inet6": "ipv6"}


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return a race for each host: an IPv6 address that nobody answers on, then its own IPv4 address."""
    found = []
    for host in site.hosts.values():
        port = _race_port(host)
        if port:
            fields = {"addresses": [DISCARD, host.spec["ipv4"]], "port": port, "timeout": TIMEOUT}
            found.append(probe(("selection", host.name, "race", "ipv4"), "race", "ipv4", **fields))
    return found


def _race_port(host: Host) -> int:
    """Return the first TCP port that everybody may use; 0 where there is none, or no IPv4."""
    if host.spec.get("ipv4"):
        for service in host.spec["services"]:
            if service["protocol"] == "tcp" and not service["sources"]:
                return int(service["port"])
    return 0


def _text(value: object) -> str:
    return line(value) or "nothing"


# ---------------------------------------------------------------------------------------------------------- S01


@of_host
def order(host: Host, site: Site) -> t.Iterator[Result]:
    """S01: the policy is the declared one, and getaddrinfo() orders by it."""
    told = host.audit.get("selection")
    if not isinstance(told, dict):
        yield unknown("the policy of address selection was not read")
        return
    if told.get("problem"):
        yield unknown(f"the policy of address selection is not known: {line(told['problem'])}", file=GAI_CONF)
        return
    state = host.variables.get("address_selection_state") or "present"
    declared = host.variables.get(POLICY) if state != "absent" else None
    found = _by_declaration(told, declared) if declared else _by_default(told)
    yield found
    if found.status == "pass":
        yield from _names(host, told, declared)


def _by_default(told: Data) -> Result:
    about: dict[str, t.Any] = {"variable": POLICY, "file": GAI_CONF, "service": "policy"}
    if told.get("default_policy"):
        return passed(
            "the policy is the one that glibc and the kernel have built in, and no other is declared", service="policy"
        )
    evidence = _rows(told) + _labels(told, address_labels.KERNEL)
    return failed(
        "somebody has changed the policy of address selection, and no other one is declared",
        evidence=evidence or ("the policy differs from the built-in one",),
        fix=f"take them out of {GAI_CONF} and 'ip addrlabel', or declare them in {POLICY} (role address_selection)",
        **about,
    )


def _rows(told: Data) -> tuple[str, ...]:
    """Return the rows of gai.conf that glibc has not built in."""
    usual = {row.prefix: row for row in TABLES["glibc"]}
    found = []
    for entry in told.get("gai_conf") or ():
        row = Row(str(entry["prefix"]), int(entry["precedence"]), int(entry["label"]))
        if usual.get(row.prefix) != row:
            found.append(f"{GAI_CONF}: {line(row.prefix)} has precedence {row.precedence} and label {row.label}")
    return tuple(found)


def _labels(told: Data, wanted: t.Mapping[str, int]) -> tuple[str, ...]:
    """Return what the kernel's labels say other than wanted."""
    have = {str(entry["prefix"]): int(entry["label"]) for entry in told.get("labels") or ()}
    found = [
        f"ip addrlabel: {line(prefix)} has {have.get(prefix, 'no label')}"
        for prefix in {**wanted, **have}
        if have.get(prefix) != wanted.get(prefix)
    ]
    return tuple(sorted(found) + [f"ip addrlabel: {line(one)}" for one in told.get("interface_labels") or ()])


def _by_declaration(told: Data, declared: object) -> Result:
    rows = policy_table(declared, POLICY)
    have = {
        str(entry["prefix"]): (int(entry["precedence"]), int(entry["label"])) for entry in told.get("gai_conf") or ()
    }
    wanted = {row.prefix: (row.precedence, row.label) for row in rows}
    evidence = [
        f"{GAI_CONF}: {prefix}: precedence and label {_pair(have.get(prefix))}, declared {_pair(wanted.get(prefix))}"
        for prefix in sorted({*wanted, *have})
        if have.get(prefix) != wanted.get(prefix)
    ]
    # The kernel takes no label for a part of IPv4, and further labels of others may stand beside the declared ones.
    labels = {str(entry["prefix"]): int(entry["label"]) for entry in told.get("labels") or ()}
    evidence += [
        f"ip addrlabel: {row.prefix}: {labels.get(row.prefix, 'none')}, declared {row.label}"
        for row in rows
        if not row.prefix.startswith("::ffff:") and labels.get(row.prefix) != row.label
    ]
    about: dict[str, t.Any] = {"variable": POLICY, "service": "policy"}
    if evidence:
        return failed(
            f"the policy of address selection is not the one that {POLICY} declares",
            evidence=tuple(map(line, evidence)),
            file=GAI_CONF,
            fix="run the role address_selection",
            **about,
        )
    return passed(f"the policy is the one that {POLICY} declares", service="policy")


def _pair(value: tuple[int, int] | None) -> str:
    return "none" if value is None else f"{value[0]} and {value[1]}"


def _names(host: Host, told: Data, declared: object) -> t.Iterator[Result]:
    """Whether the names of the fleet come in the order that the rules give."""
    own = [
        entry
        for interface in (host.look or {})["interfaces"]
        for entry in interface["addresses"]
        if entry["scope"] in ("global", "host", "site")
    ]
    sources = [
        {
            "address": f"{entry['address']}/{entry['length']}",
            "deprecated": bool(entry.get("deprecated")),
            "temporary": bool(entry.get("temporary")),
        }
        for entry in own
    ]
    for entry in told.get("order") or ():
        name = line(entry["name"])
        if not entry.get("got"):
            yield unknown(f"{name} could not be looked up: {_text(entry.get('problem'))}", name=name)
            continue
        # What there is no way to comes last, in whatever order.
        got = [str(one) for one in entry["got"] if _reached(host, own, str(one))]
        due = [str(one["destination"]) for one in destination_order(got, sources, declared, "glibc")]
        evidence = (f"getaddrinfo(): {', '.join(map(line, got))}", f"by RFC 6724 as glibc has it: {', '.join(due)}")
        if not got:
            yield not_applicable(f"the host has no way to any address of {name}", name=name)
        elif due == got:
            yield passed(f"the addresses of {name} come in the order of the policy", name=name, evidence=evidence[:1])
        else:
            yield failed(
                f"the addresses of {name} come in another order than the policy gives",
                name=name,
                evidence=evidence,
                variable=POLICY,
                file=GAI_CONF,
                fix="ask the host why: playbook audit with audit_name",
            )


def _reached(host: Host, own: t.Iterable[Data], address: str) -> bool:
    """Whether the host has a way to an address: a default route, or a prefix of its own that holds it."""
    to = ipaddress.ip_address(address)
    if (host.look or {})["routes"]["ipv6" if to.version == 6 else "ipv4"]:
        return True
    return any(to in ipaddress.ip_network(f"{entry['address']}/{entry['length']}", strict=False) for entry in own)


# ---------------------------------------------------------------------------------------------------------- S02


@of_host
def sources(host: Host, site: Site) -> t.Iterator[Result]:
    """S02: connections to the fleet leave from the planned address of their family."""
    told = (host.audit.get("selection") or {}).get("sources")
    if not isinstance(told, dict):
        yield unknown("which source addresses connections take was not asked")
        return
    for family in FAMILIES:
        asked = {str(to): str(source or "") for to, source in told.items() if (":" in str(to)) == (family == "ipv6")}
        mine = str((host.spec.get("ipv4") if family == "ipv4" else host.spec["address"]) or "")
        wanted = {mine, *readiness_reach.listed(host, "readiness_source_addresses")} - {""}
        asked = {to: source for to, source in asked.items() if to not in wanted}
        if not asked or not mine:
            continue
        yield _sources(host, family, mine, asked, wanted)


def _sources(host: Host, family: str, mine: str, asked: t.Mapping[str, str], wanted: t.Collection[str]) -> Result:
    about: dict[str, t.Any] = {"address": mine, "family": family}
    own = {entry["address"] for interface in (host.look or {})["interfaces"] for entry in interface["addresses"]}
    wrong = {to: source for to, source in asked.items() if source and source not in wanted}
    nowhere = sorted(to for to, source in asked.items() if not source)
    if family == "ipv4" and mine not in own:
        return not_applicable("a translator stands in front of the host's IPv4", **about)
    if wrong:
        others = ", ".join(sorted(set(map(line, wrong.values()))))
        return failed(
            f"connections leave from {others}, and not from {mine}: access lists, SPF and PTR records know another "
            "address",
            evidence=tuple(f"to {line(to)}: from {line(wrong[to])}" for to in sorted(wrong)[:FEW]),
            variable="ipv6_interface_id" if family == "ipv6" else "ansible_host",
            fix="keep further addresses deprecated (preferred lifetime 0) and privacy addresses off, or name them in "
            "readiness_source_addresses",
            **about,
        )
    if nowhere:
        return unknown(f"there is no way to {', '.join(map(line, nowhere[:FEW]))}, so no source is chosen", **about)
    return passed(
        f"connections leave from {mine}",
        evidence=tuple(f"to {line(to)}: from {line(asked[to])}" for to in sorted(asked)[:FEW]),
        **about,
    )


# ------------------------------------------------------------------------------------------------- S03 and S04


def pinned(site: Site) -> t.Iterator[Result]:
    """S03: each probe used the family that it was made for."""
    if not site.proofs:
        yield unknown(f"no probe was made: {site.outside_why or 'there is no lab machine'}")
        return
    wrong, asked = [], 0
    for name, proof in sorted(site.proofs.items()):
        parts = str(name).split(SEPARATOR)
        wanted = [part for part in parts[2:] if part in FAMILIES] or _family(str(proof.get("address") or ""))
        seen = WORDS.get(str((proof.get("seen") or {}).get("family") or "").lower().replace("af_", ""))
        if not seen or not wanted or "race" in parts:
            continue
        asked += 1
        if seen != wanted[0]:
            wrong.append(f"{line(name)}: {seen}")
    if wrong:
        yield failed(
            "probes went over another family than the one they were made for, so what they proved means nothing",
            evidence=tuple(wrong[:FEW]),
            variable="readiness_lab",
            fix="this is a defect of the module probe, or of a proxy on the lab machine; please report it",
        )
    elif asked:
        yield passed("each probe went over the family that it was made for", evidence=(f"probes that tell: {asked}",))
    else:
        yield unknown("no probe tells which family it used")


def _family(address: str) -> list[str]:
    return ["ipv6" if ":" in address else "ipv4"] if address else []


@of_host
def race(host: Host, site: Site) -> t.Iterator[Result]:
    """S04: a client whose IPv6 is dead gets in over IPv4 without waiting."""
    if not _race_port(host):
        yield not_applicable("the host has no TCP service for everybody over IPv4")
        return
    parts = ("selection", host.name, "race", "ipv4")
    proof = site.proof(*parts)
    about: dict[str, t.Any] = {"address": host.spec["ipv4"], "family": "ipv4"}
    if proof is None:
        yield unknown(f"no race was run: {site.no_proof(*parts)}", **about)
        return
    seen = proof.get("seen") or {}
    winner = str(seen.get("winner") or "")
    port = _race_port(host)
    if seen.get("problem") or not winner:
        why = line(seen.get("problem") or proof.get("evidence") or "")
        yield unknown(f"nobody answered, so nothing is known of the wait: {why}", **about)
    elif winner == host.spec["ipv4"] and _at_once(seen):
        yield passed(
            f"a client whose IPv6 gets no answer is served over IPv4 {ALLOWED}",
            evidence=(f"{DISCARD}, then {winner}, tcp port {port}: {winner} answered first",),
            **about,
        )
    else:
        late = "only after a wait" if winner == host.spec["ipv4"] else f"by {line(winner)}, which should be silent"
        yield failed(
            f"a client whose IPv6 gets no answer is served {late}",
            evidence=(f"{DISCARD}, then {host.spec['ipv4']}, tcp port {port}: {line(winner)} answered first",),
            variable="ipv6_services",
            fix="look what answers for addresses of the discard prefix, and what holds back the first packet over IPv4",
            **about,
        )


def _at_once(seen: Data) -> bool:
    """Whether the client got in by the time that a busy lab machine may take for a head start and one connection."""
    if seen.get("within_300ms") is True:
        return float(seen.get("seconds") or 0) < LATE
    return 0 < float(seen.get("seconds") or LATE) < LATE


CHECKS = (
    Check(
        "S01",
        "Addresses are tried in the declared order",
        "inside",
        3,
        "/etc/gai.conf and 'ip addrlabel' are as address_selection_policy declares, or built in where it declares "
        "nothing; and getaddrinfo() orders the names of the fleet by them.",
        "RFC 6724, sections 2.1 and 6; gai.conf(5)",
        order,
    ),
    Check(
        "S02",
        "Connections leave from the planned address",
        "inside",
        3,
        "To each host of the fleet and to the lab machine the kernel takes the planned address of the family as "
        "source.",
        "RFC 6724, section 5",
        sources,
    ),
    Check(
        "S03",
        "Each probe is pinned to one family",
        "outside",
        3,
        "Each probe that connects has used a socket of the family that it was made for.",
        "RFC 8305, section 1: clients that race hide what is broken",
        pinned,
        "site",
    ),
    Check(
        "S04",
        "A client whose IPv6 is dead is served over IPv4 at once",
        "outside",
        2,
        "A client that tries an IPv6 address without an answer first begins with IPv4 within 300 ms, and is connected "
        "within a second.",
        "RFC 8305, section 5; RFC 6666",
        race,
    ),
)
