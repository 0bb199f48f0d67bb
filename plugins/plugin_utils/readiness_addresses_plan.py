# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the plan: addresses that may be published, subnets that do not overlap, lengths that links have."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import planned
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv6,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    reserved,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_addresses import OWN, Range
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import inside
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    ODD,
    Check,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import (
    addresses,
    interfaces,
    of_host,
    short,
)

LINK = 127  # the length of a link between two routers (RFC 6164)
ALONE = 128  # an address that claims no neighbours
SUBNET = 64
MOST = 20  # pairs that a finding names
DOCUMENTATION_PREFIXES = ("2001:db8::/32", "3fff::/20")  # for documentation (RFC 3849, RFC 9637)

# ---------------------------------------------------------------------------------------------- A04


@of_host
def may_be_public(host: Host, site: Site) -> t.Iterator[Result]:
    """A04: what is published is an address that everybody can reach."""
    if not host.spec["names"]:
        yield not_applicable("the host publishes no name", family="ipv6")
        return
    number = ipv6(host.spec["address"], "address")
    planned_prefix = site.plan.get("prefix")
    laboratory = _example(ipv6_prefix(planned_prefix, "plan: prefix", shortest=0)[0] if planned_prefix else number)
    yield _public(number, laboratory, f"{host.name} has it in the plan", "ipv6_prefix")
    wanted = {name.rstrip(".").lower() for name in host.spec["names"]}
    seen = {number}
    for record in site.dns.get("records") or ():
        name = str(record.get("name", "")).rstrip(".").lower()
        if record.get("type") == "AAAA" and name in wanted:
            number = ipv6(record["data"], "data")
            if number not in seen:
                seen.add(number)
                yield _public(number, laboratory, f"{short(name)} AAAA {ipv6_text(number)}", "ipv6_names")


def _example(number: int) -> bool:
    return any(inside(number, 128, *ipv6_prefix(prefix, "prefix")) for prefix in DOCUMENTATION_PREFIXES)


def _public(number: int, laboratory: bool, evidence: str, variable: str) -> Result:
    text = ipv6_text(number)
    about: dict[str, t.Any] = {"address": text, "family": "ipv6"}
    found = OWN.find(6, number)
    if _example(number):
        if laboratory:
            said = f"{text} is a documentation address, as in all of the site, which is a laboratory"
            return passed(said, evidence=(evidence,), **about)
        found = Range("", "2001:db8::/32 or 3fff::/20", "a documentation address", "RFC 3849, RFC 9637")
    elif found is None or not found.check:
        return passed(f"{text} is global unicast", evidence=(evidence,), **about)
    return failed(
        f"{text} is {found.what}, so it must not be published",
        evidence=(evidence, f"{found.prefix}: {found.source}"),
        variable=variable,
        fix="publish an address of the prefix that the provider gave, and no other",
        **about,
    )


# ---------------------------------------------------------------------------------------------- A05


def plan_is_sound(site: Site) -> t.Iterator[Result]:
    """A05: subnets lie in the prefix and do not overlap, and no two hosts have one address."""
    if not site.plan.get("prefix"):
        yield unknown("there is no plan", variable="ipv6_prefix", fix="run the playbook plan")
        return
    root = ipv6_prefix(site.plan["prefix"], "plan: prefix", shortest=0)
    subnets: dict[str, Prefix] = {}
    wrong = []
    for path, text in (site.plan.get("subnets") or {}).items():
        try:
            subnets[str(path)] = ipv6_prefix(text, f"plan: subnets: {path}", shortest=0)
        except RolloutError as error:
            wrong.append(_bad_subnet(str(path), f"it is no prefix: {error}", f"{path}: {short(text)}"))
    wrong += [
        _bad_subnet(path, f"{prefix_text(*place)} is outside of {prefix_text(*root)}", f"{path}: {prefix_text(*place)}")
        for path, place in subnets.items()
        if not inside(*place, *root)
    ]
    wrong += [
        _bad_subnet(path, f"it overlaps {other}", f"{path}: {prefix_text(*mine)}", f"{other}: {prefix_text(*place)}")
        for path, mine, other, place in _overlaps(subnets)
    ]
    yield from wrong or [passed(f"all subnets lie in {prefix_text(*root)} and do not overlap", family="ipv6")]
    yield from _hosts(site, subnets)


def _bad_subnet(path: str, message: str, *evidence: str) -> Result:
    return failed(
        f"subnet {path}: {message}",
        name=path,
        family="ipv6",
        evidence=tuple(evidence),
        variable="ipv6_subnets",
        fix="take the hand-made change out of the plan file and run the playbook plan",
    )


def _overlaps(subnets: t.Mapping[str, Prefix]) -> t.Iterator[tuple[str, Prefix, str, Prefix]]:
    """Yield subnets that overlap another one that is not their parent: in address order, the outer ones first."""
    above: list[tuple[str, Prefix]] = []
    found = 0
    for path, place in sorted(subnets.items(), key=lambda item: (item[1], item[0])):
        while above and not inside(*place, *above[-1][1]):
            above.pop()
        for other, outer in above:
            parent = path.startswith(f"{other}/") and outer[1] < place[1]
            if not parent and found < MOST:
                found += 1
                yield path, place, other, outer
        above.append((path, place))


def _hosts(site: Site, subnets: t.Mapping[str, Prefix]) -> t.Iterator[Result]:
    """Judge each host's address by itself, and against those of all others: as planned, and as they are now."""
    texts = {prefix_text(*place): path for path, place in subnets.items()}
    links = planned.leaves(texts)
    owners: dict[int, set[str]] = collections.defaultdict(set)
    for name, address in (site.plan.get("hosts") or {}).items():
        owners[ipv6(address, f"plan: hosts: {name}")].add(str(name))
    for host in site.hosts.values():
        own = ipv6(host.spec["address"], "address")
        if host.name not in owners[own]:
            owners[own].add(host.name)
        for held in _held(host):
            if not any(name == host.name or name.startswith(f"{host.name}/") for name in owners[held]):
                owners[held].add(host.name)
    for host in site.hosts.values():
        number = ipv6(host.spec["address"], "address")
        about: dict[str, t.Any] = {"host": host.name, "address": ipv6_text(number), "family": "ipv6"}
        place = planned.subnet_of(number, texts)
        expected = subnets.get(str(host.spec.get("subnet")))
        why = ""
        if place is None or prefix_text(*place) not in links:
            why, line = "it is in no subnet of the plan", f"plan: no link holds {ipv6_text(number)}"
        elif expected is not None and place != expected:
            why = f"it is in {links[prefix_text(*place)]}, and the host belongs to {host.spec['subnet']}"
            line = f"{host.spec['subnet']}: {prefix_text(*expected)}"
        elif reserved(number, place[1]):
            why, line = f"it is {reserved(number, place[1])}", f"{ipv6_text(number)}/{place[1]}"
        elif len(owners[number]) > 1:
            why = "several hosts have it"
            line = ", ".join(sorted(owners[number])[:MOST])
        if why:
            yield failed(
                f"{ipv6_text(number)}: {why}",
                evidence=(line,),
                variable="ipv6_interface_id",
                fix="give the host another identifier, and run the playbook plan",
                **about,
            )
        else:
            yield passed(f"{ipv6_text(number)} is a host's address of its subnet, and nobody else's", **about)


def _held(host: Host) -> set[int]:
    """Return the global addresses that a host has now; none where it was not looked at."""
    try:
        return {
            address.number for address in addresses(host) if address.scope == "global" and address.interface != "lo"
        }
    except ODD:
        return set()


# ---------------------------------------------------------------------------------------------- A06


@of_host
def fitting_length(host: Host, site: Site) -> t.Iterator[Result]:
    """A06: a subnet is a /64, a link between two routers a /127, and anything longer is declared."""
    held = {address.number: address for address in addresses(host)}
    for interface in interfaces(host, site):
        for wanted in interface.addresses:
            address = held.get(wanted.number)
            about: dict[str, t.Any] = {"address": wanted.text, "family": "ipv6"}
            if address is None:
                if wanted.required:
                    yield unknown(f"{wanted.text} is on no interface, so it has no prefix length", **about)
                continue
            about["evidence"] = (address.words, f"declared: {wanted.text}/{wanted.length}")
            about["variable"] = "ipv6_subnets" if interface.variable == "ipv6_interface_id" else interface.variable
            about["fix"] = "give the subnet the length 64, and run the role interfaces"
            if address.length != wanted.length:
                yield failed(
                    f"{wanted.text} has a /{address.length} on {address.interface}, and its subnet is a"
                    f" /{wanted.length}: neighbours are taken for far away, or the other way round",
                    **about,
                )
            elif wanted.length < SUBNET:
                yield failed(f"a /{wanted.length} is a site and no link: nobody can answer for all of it", **about)
            elif wanted.length != SUBNET and interface.accept_ra and interface.privacy:
                yield failed(
                    f"{interface.name} makes addresses of its own, and a /{wanted.length} has no room for it", **about
                )
            else:
                about.update(variable="", fix="")
                kind = {SUBNET: "a subnet", LINK: "a link between two ends", ALONE: "an address alone"}
                yield passed(
                    f"{wanted.text}/{wanted.length} is {kind.get(wanted.length, 'longer than /64, as declared')}",
                    **about,
                )


CHECKS = (
    Check(
        "A04",
        "Published addresses are global",
        "control",
        4,
        "Each address that a host publishes is global unicast, and in no range that is for special purposes."
        " Documentation addresses are fine where the site's own prefix is one, as in a laboratory.",
        "RFC 4291, section 2.4; RFC 6890; RFC 4472, section 2.1",
        may_be_public,
    ),
    Check(
        "A05",
        "The plan holds together",
        "control",
        4,
        "Each subnet lies in the prefix and overlaps no other. Each host's address lies in its subnet, is no anycast"
        " address, and belongs to one host only, in the plan and on all hosts that could be looked at.",
        "RFC 4291, section 2.6.1; RFC 2526, section 2; RFC 5453, section 3",
        plan_is_sound,
        of="site",
    ),
    Check(
        "A06",
        "Prefix lengths fit their links",
        "inside",
        3,
        "An address has the prefix length of its subnet: 64, 127 on a link between two ends, or another one above 64"
        " that is declared. Where the host makes addresses of its own, it is 64.",
        "RFC 7421, section 2; RFC 6164, section 4",
        fitting_length,
    ),
)
