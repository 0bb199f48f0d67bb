# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a rollout: judged from what the hosts say, before anything is changed.

A *finding* is ``{code, level, message}``. ``refuse`` stops the rollout, ``warn`` is only told. A code that the user
accepts by name becomes a warning.
"""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.rules import source
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_prefix, ipv6_text

Finding = t.Dict[str, str]
Data = t.Mapping[str, t.Any]

TESTED = {"debian": ("12", "13")}
CLOCK_LIMIT = 300  # seconds; TSIG signatures are refused beyond it (RFC 8945, section 10)
SPACE_LIMIT = 16 * 1024 * 1024  # octets
BACKENDS = ("ifupdown", "networkd")
EXECUTABLES = {"postfix": "postfix", "apache": "apache", "bind": "named"}

GUARD_SECONDS = (10, 3600)  # less is over before a login is proved
FAMILIES = ("ipv4", "ipv6")

# Rule managers that write the IPv6 rules themselves: two owners of one rule set undo each other.
OWNERS = ("ufw", "firewalld", "nftables")


def findings(spec: Data, look: Data, now: float, accept: t.Collection[str] = ()) -> t.List[Finding]:
    """Judge one host of the fleet.

    :param spec: what the inventory says of the host, as the ``host_spec`` filter gives it
    :param look: what the host says of itself, as ``host_info`` gives it
    :param now: the controller's clock, in seconds since 1970
    :param accept: codes whose refusal the user turns into a warning
    """
    found: t.List[Finding] = []

    def add(level: str, code: str, message: str) -> None:
        found.append({"code": code, "level": "warn" if code in accept else level, "message": message})

    for level, code, message in (
        *_system(look["os"]),
        *_network(spec, look),
        *_rules(look),
        *_state(look, now),
        *_services(spec, look),
    ):
        add(level, code, message)
    return found


Judged = t.Iterator[t.Tuple[str, str, str]]


def _system(system: Data) -> Judged:
    name = system["name"] or system["id"] or "an unknown system"
    if system["id"] == "ubuntu":
        yield "warn", "os", f"this is {name}, which shares Debian's ways but was not tested"
    elif str(system["version"]).partition(".")[0] not in TESTED.get(system["id"], ()):
        yield (
            "refuse",
            "os",
            f"this is {name}; only Debian 12 and 13 are supported: take 'ipv6_subnet' from the host to leave it out",
        )


def _network(spec: Data, look: Data) -> Judged:
    if not look["ipv6"]["enabled"]:
        yield "refuse", "ipv6", f"IPv6 is switched off: {look['ipv6']['why']}; switch it on and run again"
    if look["network_backend"] not in BACKENDS:
        backend = look["network_backend"] or "nothing that is known"
        yield (
            "refuse",
            "backend",
            f"the network is configured by {backend}; addresses can be made lasting with {' and '.join(BACKENDS)}",
        )
    for interface in look["interfaces"]:
        for entry in interface["addresses"]:
            if entry["dadfailed"]:
                address = entry["address"]
                yield "warn", "dad", f"{address} on {interface['name']} is a duplicate: another machine has it"
    interface = spec.get("interface")
    if interface and interface not in [entry["name"] for entry in look["interfaces"]]:
        yield "refuse", "interface", f"ipv6_interface: there is no interface '{interface}' on the host"


def _rules(look: Data) -> Judged:
    refused = look["firewall"]["ipv6"].get("tracking_refused")
    if refused:
        yield (
            "refuse",
            "conntrack",
            f"the kernel ({look['os'].get('kernel', 'unknown')}) can't follow IPv6 connections: {refused}; answers to"
            " the host's own connections could not be told from attacks: install a newer kernel",
        )
    for name in look["managers"]:
        if name in OWNERS:
            yield (
                "refuse",
                name,
                f"{name} is enabled and writes rules of its own: disable it,"
                f" or add '{name}' to preflight_accept if it leaves ip6tables alone",
            )
        elif name == "docker":
            yield "warn", "docker", "docker is enabled: its chains are kept, and ports that it publishes are not judged"


def _state(look: Data, now: float) -> Judged:
    broken = look["dpkg"]["broken"]
    if broken:
        yield "refuse", "dpkg", f"dpkg left {', '.join(broken[:5])} half-way; run 'dpkg --configure -a' first"
    if look["dpkg"]["interrupted"]:
        yield "refuse", "dpkg", "dpkg was interrupted; run 'dpkg --configure -a' first"
    drift = abs(look["clock"] - now)
    if drift > CLOCK_LIMIT:
        yield (
            "refuse",
            "clock",
            f"the clock is {drift:.0f} s off; signed DNS updates and certificates need the right time",
        )
    for folder, free in look["free"].items():
        if free < SPACE_LIMIT:
            yield (
                "refuse",
                "space",
                f"only {free // 1024} KiB are free under {folder}; make room for {SPACE_LIMIT // 1024} KiB",
            )


def _services(spec: Data, look: Data) -> Judged:
    for daemon in spec["daemons"]:
        name = EXECUTABLES.get(daemon)
        if name and not look["daemons"][name]["installed"]:
            yield "refuse", "daemon", f"ipv6_services needs {name}, which is not installed"
    for service in spec["services"]:
        port, protocol = service["port"], service["protocol"]
        if not any(entry["port"] == port and entry["protocol"] == protocol for entry in look["listeners"]):
            yield "warn", "listener", f"nothing listens on {protocol} port {port} ({service['name']}) yet"


def lab_findings(
    look: Data,
    now: float,
    accept: t.Collection[str] = (),
    lab_sources: object = (),
    outside_source: object = "",
) -> t.List[Finding]:
    """Judge the lab machine: it must have IPv6 itself and be let in by the rules, or it proves nothing.

    :param lab_sources: the prefixes that the rules let in; what is wrong with them is a finding of the site
    :param outside_source: an address of the lab machine that no rule lets in; empty where there is none
    """
    found: t.List[Finding] = []

    def add(level: str, code: str, message: str) -> None:
        found.append({"code": code, "level": "warn" if code in accept else level, "message": message})

    prefixes = _prefixes(lab_sources)
    addresses = [
        ipv6(entry["address"], "address")
        for interface in look["interfaces"]
        for entry in interface["addresses"]
        if entry["family"] == "ipv6" and entry["scope"] == "global"
    ]
    if not addresses:
        add("refuse", "lab", "the lab machine has no global IPv6 address, so it can prove nothing over IPv6")
    elif prefixes and not any(_inside(address, prefixes) for address in addresses):
        add(
            "refuse",
            "lab",
            f"ipv6_lab_sources has none of the lab machine's addresses ({', '.join(map(ipv6_text, addresses))}), so the"
            " rules would lock it out; add its prefix",
        )
    if outside_source not in ("", None):
        try:
            outside = ipv6(outside_source, "ipv6_outside_source")
        except RolloutError as error:
            add("warn", "outside", str(error))
        else:
            text = ipv6_text(outside)
            if outside not in addresses:
                add("warn", "outside", f"ipv6_outside_source: {text} is not an address of the lab machine; give it one")
            elif _inside(outside, prefixes):
                message = (
                    f"ipv6_outside_source: {text} is inside ipv6_lab_sources, so it doesn't see what everybody sees"
                )
                add("warn", "outside", message)
    drift = abs(look["clock"] - now)
    if drift > CLOCK_LIMIT:
        add("warn", "clock", f"the clock is {drift:.0f} s off")
    return found


Prefixes = t.List[t.Tuple[int, int]]


def _prefixes(sources: object) -> Prefixes:
    """Return those of the sources that can be read."""
    prefixes = []
    for item in sources if isinstance(sources, (list, tuple)) else ():
        try:
            prefixes.append(ipv6_prefix(source(item, "sources"), "sources", shortest=0))
        except RolloutError:
            continue
    return prefixes


def _inside(address: int, prefixes: Prefixes) -> bool:
    return any(address >> (128 - length) == first >> (128 - length) for first, length in prefixes)


# ---------------------------------------------------------------------------------------------- the site


def site_findings(
    lab: t.Sequence[str], dns: object, fleet: t.Sequence[str], hosts: t.Mapping[str, Data]
) -> t.List[str]:
    """Judge what belongs to no single host; each finding is a refusal.

    :param hosts: by name ``{settings: {lab_sources, management_sources, gateway, guard_timeout, guard_prove}, spec}``
    """
    found = []
    if not fleet:
        found.append("no host has 'ipv6_subnet': give it to the hosts that shall get IPv6")
    if not lab:
        found.append("the group 'lab' is empty: put the machine into it from which IPv6 is proved")
    members = {name: hosts[name] for name in fleet if name in hosts}
    specs = {name: told["spec"] for name, told in members.items() if told.get("spec")}
    return [
        *found,
        *_settings({name: told["settings"] for name, told in members.items() if told.get("settings")}),
        *_dns(dns),
        *_same_machine(specs),
        *_same_name(specs),
    ]


Told = t.Iterator[str]


def _settings(hosts: t.Mapping[str, Data]) -> Told:
    """Judge each setting once for all hosts that have the same value; name them where it is not all of them."""
    for setting, judge in SETTINGS.items():
        groups: t.List[t.Tuple[object, t.List[str]]] = []
        for name, settings in hosts.items():
            value = settings.get(setting)
            for other, owners in groups:
                if type(other) is type(value) and other == value:
                    owners.append(name)
                    break
            else:
                groups.append((value, [name]))
        for value, owners in groups:
            whose = "" if len(groups) == 1 else f" of {', '.join(owners)}"
            yield from judge(value, f"ipv6_{setting}{whose}")


def _lab_sources(value: object, what: str) -> Told:
    if value is None or value == [] or value == "":
        yield f"{what} is empty: name the prefixes of the lab machine, or the rules lock it out"
    else:
        yield from _sources(value, what)


def _sources(value: object, what: str) -> Told:
    if not isinstance(value, (list, tuple)):
        yield f"{what}: {shown(value)} is not a list; write [...] around it"
        return
    for item in value:
        try:
            source(item, what)
        except RolloutError as error:
            yield str(error)


def _gateway(value: object, what: str) -> Told:
    if value is None or value == "":  # the default route is left alone
        return
    try:
        address = ipv6(value, what)
    except RolloutError as error:
        yield f"{error}; write the router's address, such as 'fe80::1'"
        return
    if address >> 120 == 0xFF:
        yield f"{what}: {shown(value)} is a multicast address; write the router's own, such as 'fe80::1'"
    elif address >> 32 in (0, 0xFFFF):  # ::, ::1, IPv4 in IPv6
        yield f"{what}: {shown(value)} can't be a router; write its address, such as 'fe80::1'"


def _guard_timeout(value: object, what: str) -> Told:
    least, most = GUARD_SECONDS
    seconds = _number(value)
    if seconds is None or not least <= seconds <= most:
        yield f"{what}: {shown(value)} is not a number of seconds between {least} and {most}"


def _guard_prove(value: object, what: str) -> Told:
    if not isinstance(value, (list, tuple)) or not value:
        yield f"{what}: {shown(value)} is not a list of families; write [ipv4, ipv6], or one of them"
        return
    for item in value:
        if item not in FAMILIES:
            yield f"{what}: {shown(item)} is not known; write [ipv4, ipv6], or one of them"


SETTINGS: t.Dict[str, t.Callable[[object, str], Told]] = {
    "lab_sources": _lab_sources,
    "management_sources": _sources,
    "gateway": _gateway,
    "guard_timeout": _guard_timeout,
    "guard_prove": _guard_prove,
}


def _dns(dns: object) -> Told:
    if not isinstance(dns, t.Mapping):
        yield "ipv6_dns is not a dictionary; write {server: ..., key_name: ..., key_secret: ...}"
        return
    missing = [key for key in ("server", "key_name", "key_secret") if not dns.get(key)]
    if missing:
        yield f"ipv6_dns lacks {', '.join(missing)}: the name server and the TSIG key that may update its zones"
    port = dns.get("port")
    number = _number(port)
    if port is not None and (number is None or not 1 <= number <= 65535):
        yield f"ipv6_dns: port: {shown(port)} is not a port; write a number between 1 and 65535"


def _number(value: object) -> t.Optional[int]:
    """Return a whole number, or text that is one; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        return int(str(value))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _same_machine(specs: t.Mapping[str, Data]) -> Told:
    owners: t.Dict[str, t.List[str]] = {}
    for name in sorted(specs):
        if specs[name].get("ipv4"):
            owners.setdefault(str(specs[name]["ipv4"]), []).append(name)
    for address, names in owners.items():
        if len(names) > 1:
            yield (
                f"{', '.join(names[:-1])} and {names[-1]} are the same machine: {'both' if len(names) == 2 else 'all'}"
                f" are {address}; take 'ipv6_subnet' from all but one, or set ipv6_ipv4 where that isn't their own"
            )


def _same_name(specs: t.Mapping[str, Data]) -> Told:
    """A client that asks for a name gets any of its hosts, so all of them must offer the same."""
    owners: t.Dict[str, t.List[str]] = {}
    for name in sorted(specs):
        for published in specs[name].get("names", ()) if specs[name].get("services") else ():
            owners.setdefault(str(published), []).append(name)
    for published, names in owners.items():
        offers = {name: sorted({str(service["name"]) for service in specs[name]["services"]}) for name in names}
        one = names[0]
        for other in names[1:]:
            if offers[one] != offers[other]:
                yield (
                    f"{one} and {other} both publish {published}, but {one} has {', '.join(offers[one])}"
                    f" and {other} has {', '.join(offers[other])}: let them offer the same, or give them other names"
                )


def verdict(site: t.Sequence[str], hosts: t.Mapping[str, Data]) -> str:
    """Return the refusals of the site and of all hosts as one text, a line each; an empty text means that all is well.

    :param hosts: by name ``{refused: text, unreachable: text, failed: text, findings: [...]}``
    """
    lines = list(site)
    for name, told in hosts.items():
        if told.get("refused"):
            lines.append(_line(told["refused"]))
        if told.get("unreachable"):
            lines.append(f"{name}: can't be reached: {_line(told['unreachable'])}")
        elif told.get("failed"):
            lines.append(f"{name}: could not be looked at: {_line(told['failed'])}")
        lines += [f"{name}: {one['message']}" for one in told.get("findings", ()) if one["level"] == "refuse"]
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(str(text).split())
