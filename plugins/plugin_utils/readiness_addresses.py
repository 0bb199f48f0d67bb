# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of addresses: those of the inventory are on their interfaces, work, and are no others.

What is judged without a look at the host is in :mod:`.readiness_addresses_plan`.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_addresses_plan
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import LOW_64, ipv6, ipv6_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
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
    Address,
    Interface,
    WantedAddress,
    addresses,
    default_routes,
    in_plan,
    interfaces,
    of_host,
    own_addresses,
    part,
    setting,
    short,
    tunnel_interfaces,
)

EUI_64 = 0xFFFE  # what is put into the middle of a MAC address (RFC 4291, appendix A)


def _global(held: t.Iterable[Address]) -> list[Address]:
    return [address for address in held if address.scope in ("global", "site")]


def _managed(host: Host, site: Site) -> set[str]:
    """Return the names of the interfaces that the inventory is about."""
    return {interface.name for interface in interfaces(host, site)}


# ---------------------------------------------------------------------------------------------- A01


@of_host
def planned_is_there(host: Host, site: Site) -> t.Iterator[Result]:
    """A01: each address of the inventory is on its interface, and no other one that nobody declared."""
    held = addresses(host)
    for interface in interfaces(host, site):
        for wanted in interface.addresses:
            yield _presence(wanted, interface, held)
    tunnels, managed, own = tunnel_interfaces(host), _managed(host, site), own_addresses(host, site)
    for address in _global(held):
        learnt = address.dynamic or address.temporary
        elsewhere = address.interface in tunnels or address.interface == "lo"
        if learnt or elsewhere or address.number in own:
            continue
        if address.interface in managed or in_plan(address.number, site):
            yield failed(
                f"{address.text} is on {address.interface}, and nobody declared it",
                address=address.text,
                family="ipv6",
                evidence=(address.words,),
                variable="readiness_addresses",
                fix=f"take it off {address.interface}, or write it into readiness_addresses of the host",
            )


def _presence(wanted: WantedAddress, interface: Interface, held: t.Sequence[Address]) -> Result:
    there = [address for address in held if address.number == wanted.number]
    about: dict[str, t.Any] = {"address": wanted.text, "family": "ipv6", "variable": interface.variable}
    where = interface.name or "any interface"
    if not there and not wanted.required:
        about["variable"] = ""
        return not_applicable("it is in the plan, and the rollout sets the host's own address only", **about)
    about["fix"] = "run the playbook rollout, or the role interfaces, for this host"
    if not there:
        seen = [address.words for address in _global(held) if address.interface == interface.name]
        about["evidence"] = tuple(seen) or (f"{where}: no global IPv6 address",)
        return failed(f"{wanted.text} is not on {where}", **about)
    about["evidence"] = tuple(address.words for address in there)
    if interface.name not in ("", *(address.interface for address in there)):
        return failed(f"{wanted.text} is on {there[0].interface} instead of {interface.name}", **about)
    if all(address.length != wanted.length for address in there):
        return failed(f"{wanted.text} has the prefix length {there[0].length} instead of {wanted.length}", **about)
    about.update(fix="", variable="")
    return passed(f"{wanted.text}/{wanted.length} is on {there[0].interface}", **about)


# ---------------------------------------------------------------------------------------------- A02


@of_host
def no_duplicate(host: Host, site: Site) -> t.Iterator[Result]:
    """A02: duplicate address detection is over, and found no other host."""
    managed = _managed(host, site)
    judged = [
        address
        for address in addresses(host)
        if address.interface in managed or (address.scope == "global" and address.interface != "lo")
    ]
    for address in judged:
        about: dict[str, t.Any] = {"address": address.text, "family": "ipv6", "evidence": (address.words,)}
        about["variable"] = "ipv6_interface_id" if address.scope == "global" else "ipv6_interface"
        if address.dadfailed:
            yield failed(
                f"{address.text} on {address.interface} is a duplicate: another host has it",
                fix="find the other host by its MAC address, change one of them, and set the address again",
                **about,
            )
        elif address.tentative:
            yield failed(
                f"{address.text} on {address.interface} is still tentative, so it serves nobody",
                fix=f"look whether the link of {address.interface} is up",
                **about,
            )
        elif setting(host, "ipv6", address.interface, "accept_dad") < 0:
            about["variable"] = ""
            yield not_applicable(f"{address.interface} has no neighbours, so nobody else can have the address", **about)
        elif address.nodad or _undetected(host, address.interface):
            yield unknown(
                f"{address.text} on {address.interface}: duplicate address detection is off, so nobody knows",
                fix=f"set net.ipv6.conf.{address.interface}.accept_dad to 1",
                **about,
            )
        elif address.scope == "global":  # link-local ones are told of where they are wrong
            about["variable"] = ""
            yield passed(f"nobody else has {address.text}", **about)


def _undetected(host: Host, interface: str) -> bool:
    """Tell whether the kernel is told not to look for duplicates; the larger value of the two counts."""
    return max(setting(host, "ipv6", name, "accept_dad") for name in ("all", interface)) < 1


# ---------------------------------------------------------------------------------------------- A03


@of_host
def deprecated_as_declared(host: Host, site: Site) -> t.Iterator[Result]:
    """A03: an address is deprecated where that is declared, and nowhere else."""
    held = {address.number: address for address in addresses(host)}
    for interface in interfaces(host, site):
        for wanted in interface.addresses:
            address = held.get(wanted.number)
            if address is None:
                continue  # A01 says that it is missing
            about: dict[str, t.Any] = {"address": wanted.text, "family": "ipv6", "evidence": (address.words,)}
            if address.deprecated == wanted.deprecated:
                state = "deprecated, as declared" if wanted.deprecated else "preferred"
                yield passed(f"{wanted.text} is {state}", **about)
                continue
            effect = (
                "no new connection leaves from it"
                if address.deprecated
                else "new connections may leave from it, instead of from the host's own address"
            )
            state = "deprecated" if address.deprecated else "not deprecated"
            yield failed(
                f"{wanted.text} is {state}, against what is declared: {effect}",
                variable=interface.variable,
                fix=f"run the role interfaces, or 'ip -6 addr change {wanted.text}/{wanted.length} dev"
                f" {address.interface} preferred_lft {'0' if wanted.deprecated else 'forever'}'",
                **about,
            )


# ---------------------------------------------------------------------------------------------- A07


@of_host
def no_privacy_addresses(host: Host, site: Site) -> t.Iterator[Result]:
    """A07: a server speaks from the address that its PTR record and access lists know."""
    held, own = _global(addresses(host)), own_addresses(host, site)
    for interface in interfaces(host, site):
        name = interface.name
        if not name:
            yield unknown("it is not known which interface the host's IPv6 address belongs to", family="ipv6")
            continue
        about: dict[str, t.Any] = {"name": name, "family": "ipv6"}
        if interface.privacy:
            yield not_applicable(f"temporary addresses are declared for {name}", **about)
            continue
        wrong = [_odd(address, name) for address in held if address.interface == name and address.number not in own]
        found = [result for result in wrong if result is not None]
        value = setting(host, "ipv6", name, "use_tempaddr")
        if value > 0:
            found.append(
                failed(
                    f"{name} makes temporary addresses, so connections leave from addresses that nobody knows",
                    evidence=(f"net.ipv6.conf.{name}.use_tempaddr = {value}",),
                    variable="interfaces_privacy",
                    file="/etc/sysctl.d",
                    fix="run the role interfaces, or set interfaces_privacy where that is meant",
                    **about,
                )
            )
        yield from found or [passed(f"{name} has no address that follows a MAC address or changes by itself", **about)]


def _odd(address: Address, name: str) -> Result | None:
    about: dict[str, t.Any] = {"address": address.text, "name": name, "family": "ipv6", "evidence": (address.words,)}
    if address.temporary:
        return failed(
            f"{address.text} is a temporary address: it has no PTR record, and access lists don't know it",
            variable="interfaces_privacy",
            fix="run the role interfaces, or set interfaces_privacy where that is meant",
            **about,
        )
    if (address.number & LOW_64) >> 24 & 0xFFFF == EUI_64:
        return failed(
            f"{address.text} tells the MAC address of {name}, and changes with the network card",
            variable="interfaces_accept_ra",
            fix=f"set net.ipv6.conf.{name}.autoconf to 0, or write the address into readiness_addresses of the host",
            **about,
        )
    return None


# ---------------------------------------------------------------------------------------------- A08


@of_host
def same_after_boot(host: Host, site: Site) -> t.Iterator[Result]:
    """A08: what the host's own files set at boot is what the kernel has now."""
    disk = part(host, "disk")
    if disk.get("problem"):
        yield unknown(f"what the next boot would set can't be told: {short(disk['problem'])}", family="ipv6")
        return
    files = ", ".join(short(path) for path in disk["files"][:5]) or "the files of the network backend"
    backend = short(disk["backend"])
    own = [entry for entry in disk["addresses"] if ":" in str(entry["address"])]
    stored = {(short(entry["interface"]), ipv6(entry["address"], "disk")): entry for entry in own}
    # What scope an address has, the disk does not say: link-local ones are the kernel's own affair.
    stored = {key: entry for key, entry in stored.items() if key[1] >> 118 != 0xFE80 >> 6}
    names = {name for name, _address in stored} | _managed(host, site)
    tunnels = tunnel_interfaces(host)
    lasting = {
        (address.interface, address.number): address
        for address in _global(addresses(host))
        if address.interface in names - tunnels.keys() and not address.dynamic and not address.temporary
    }
    for key in sorted({*stored, *lasting}):
        interface, number = key
        text = ipv6_text(number)
        about: dict[str, t.Any] = {"address": text, "name": interface, "family": "ipv6"}
        if key not in stored:
            yield failed(
                f"{text} is on {interface} now and is lost at the next boot",
                evidence=(lasting[key].words, f"{backend} does not set it"),
                file=files,
                fix="run the role interfaces, which writes it there, or take the address off",
                **about,
            )
        elif key not in lasting:
            yield failed(
                f"{text} is not on {interface} now, and the next boot sets it",
                evidence=(f"{backend} sets {text}/{entry_length(stored[key])} on {interface}",),
                file=files,
                fix="run the role interfaces, or take it out of the file",
                **about,
            )
        elif entry_length(stored[key]) not in (0, lasting[key].length):
            yield failed(
                f"{text} has another prefix length on {interface} than in its file",
                evidence=(lasting[key].words, f"{backend} sets {text}/{entry_length(stored[key])}"),
                file=files,
                fix="run the role interfaces",
                **about,
            )
        else:
            yield passed(f"{backend} sets {text} on {interface} at boot", **about)
    yield from _same_gateway(host, disk, files, backend)


def entry_length(entry: t.Mapping[str, t.Any]) -> int:
    """Return the prefix length of an address in a file; 0 where the file names none."""
    return int(entry.get("length") or 0)


def _same_gateway(host: Host, disk: t.Mapping[str, t.Any], files: str, backend: str) -> t.Iterator[Result]:
    stored = {ipv6(entry["address"], "disk") for entry in disk["gateways"] if ":" in str(entry["address"])}
    tunnels = tunnel_interfaces(host)
    winner = next((route for route in default_routes(host) if route.kind == "unicast"), None)
    learnt = winner is not None and (winner.protocol == "ra" or winner.device in tunnels or not winner.gateway)
    live = None if winner is None or learnt else ipv6(winner.gateway, "gateway")
    about: dict[str, t.Any] = {"name": "default route", "family": "ipv6"}
    if learnt or (live is None and not stored):
        yield not_applicable("there is no default route over a router that a file would name", **about)
    elif live in stored:
        yield passed(f"{backend} sets the default route over {ipv6_text(live or 0)} at boot", **about)
    else:
        said = ", ".join(ipv6_text(address) for address in sorted(stored)) or "none"
        yield failed(
            "the default route is another one after the next boot",
            evidence=(f"now: {winner.words if winner else 'none'}", f"{backend} sets: {said}"),
            file=files,
            fix="run the role interfaces",
            **about,
        )


CHECKS = (
    Check(
        "A01",
        "The planned address is on its interface",
        "inside",
        5,
        "Each address of the inventory is on its interface with its prefix length. No other global address is there"
        " that is neither declared nor learnt from a router.",
        "RFC 4291, section 2.1; ip-address(8)",
        planned_is_there,
    ),
    Check(
        "A02",
        "No other host has the address",
        "inside",
        5,
        "At the time of the look, duplicate address detection is over for each address and found no other host.",
        "RFC 4862, section 5.4",
        no_duplicate,
    ),
    Check(
        "A03",
        "Addresses are deprecated only where that is declared",
        "inside",
        3,
        "An address is deprecated (preferred_lft 0) where the inventory says so, and nowhere else.",
        "RFC 4862, section 5.5.4; RFC 6724, section 5, rule 3",
        deprecated_as_declared,
    ),
    *readiness_addresses_plan.CHECKS,
    Check(
        "A07",
        "A server has no addresses that change by themselves",
        "inside",
        3,
        "The host has no temporary addresses and makes none, and no address that follows from a MAC address, but for"
        " those that are declared. An address of the plan is never wrong.",
        "RFC 9099, sections 2.1.4 and 2.1.5; RFC 7217, section 1",
        no_privacy_addresses,
    ),
    Check(
        "A08",
        "The next boot gives the same addresses",
        "inside",
        4,
        "The permanent global addresses and the router that the host's network files set are those of the kernel. The"
        " files are read; nothing is booted.",
        "interfaces(5); systemd.network(5); netplan(5)",
        same_after_boot,
    ),
)
