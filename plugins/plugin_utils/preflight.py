# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a rollout: judged from what the hosts say, before anything is changed.

A *finding* is ``{code, level, message}``. ``refuse`` stops the rollout, ``warn`` is only told. A code that the user
accepts by name becomes a warning.
"""

from __future__ import annotations

import typing as t

Finding = t.Dict[str, str]
Data = t.Mapping[str, t.Any]

TESTED = {"debian": ("12", "13")}
CLOCK_LIMIT = 300  # seconds; TSIG signatures are refused beyond it (RFC 8945, section 10)
SPACE_LIMIT = 16 * 1024 * 1024  # octets
BACKENDS = ("ifupdown", "networkd")
EXECUTABLES = {"postfix": "postfix", "apache": "apache", "bind": "named"}

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


def lab_findings(look: Data, now: float, accept: t.Collection[str] = ()) -> t.List[Finding]:
    """Judge the lab machine: it must have IPv6 itself, or it proves nothing."""
    found = []
    addresses = [entry for interface in look["interfaces"] for entry in interface["addresses"]]
    if not any(entry["family"] == "ipv6" and entry["scope"] == "global" for entry in addresses):
        message = "the lab machine has no global IPv6 address, so it can prove nothing over IPv6"
        found.append({"code": "lab", "level": "warn" if "lab" in accept else "refuse", "message": message})
    drift = abs(look["clock"] - now)
    if drift > CLOCK_LIMIT:
        found.append({"code": "clock", "level": "warn", "message": f"the clock is {drift:.0f} s off"})
    return found


def site_findings(lab: t.Sequence[str], lab_sources: t.Sequence[str], dns: Data, fleet: t.Sequence[str]) -> t.List[str]:
    """Judge what belongs to no single host; each finding is a refusal."""
    found = []
    if not fleet:
        found.append("no host has 'ipv6_subnet': give it to the hosts that shall get IPv6")
    if not lab:
        found.append("the group 'lab' is empty: put the machine into it from which IPv6 is proved")
    if not lab_sources:
        found.append("ipv6_lab_sources is empty: name the prefixes of the lab machine, or the rules lock it out")
    missing = [key for key in ("server", "key_name", "key_secret") if not dns.get(key)]
    if missing:
        found.append(f"ipv6_dns lacks {', '.join(missing)}: the name server and the TSIG key that may update its zones")
    return found


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
