# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is: its machines and networks, read from an Ansible inventory."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / ".build"
KINDS = ("nameserver", "secondary", "web", "mail", "lab", "hosting", "gateway", "client")
BACKENDS = ("ifupdown", "networkd", "netplan", "networkmanager", "netplan-networkmanager")


@dataclass(frozen=True)
class File:
    """A file of a machine."""

    content: str
    mode: int = 0o644
    owner: str = "root"


Files = t.Dict[str, File]


class LabError(Exception):
    """A message for the person in front of the lab: what is wrong and what to do."""


Interface = t.Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]


@dataclass(frozen=True)
class Machine:
    """One machine of the lab. One without IPv4 has an empty ``ipv4`` and is reached over IPv6."""

    name: str
    kind: str
    ipv4: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    backend: str = BACKENDS[0]
    mail_domains: tuple[str, ...] = ()
    https: bool = False
    ports: tuple[str, ...] = ()
    zones: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def interfaces(self, version: int) -> list[Interface]:
        """Return the addresses of one family that the machine has beside the one of the container engine."""
        found = [ipaddress.ip_interface(address) for address in self.addresses]
        return [address for address in found if address.version == version]

    @property
    def ssh(self) -> str:
        """The address that the controller logs in to."""
        return self.ipv4 or str(self.interfaces(6)[0].ip)

    @property
    def public(self) -> str:
        """The IPv4 address that the machine's names have; empty where it has none."""
        further = self.interfaces(4)
        return str(further[0].ip) if further else self.ipv4


@dataclass(frozen=True)
class Lab:
    """All machines of one inventory, and the networks between them."""

    name: str
    domain: str
    network: ipaddress.IPv4Network
    gateway: str
    prefix: ipaddress.IPv6Network
    router: tuple[str, ...]
    controller: str
    machines: tuple[Machine, ...]
    routes: tuple[tuple[str, str], ...] = ()
    records: tuple[str, ...] = ()

    @property
    def state(self) -> Path:
        """The directory of everything that is made for this lab: keys, known hosts, the plan."""
        return BUILD / "lab" / self.name

    def of_kind(self, kind: str) -> list[Machine]:
        """Return the machines of one kind."""
        return [machine for machine in self.machines if machine.kind == kind]

    def container(self, machine: Machine | str) -> str:
        """Return a machine's container name; two labs may have machines of the same name."""
        return f"{self.name}-{machine if isinstance(machine, str) else machine.name}"

    def fqdn(self, machine: Machine) -> str:
        """Return the name that a machine goes by: its first published name, or its own in the lab's domain."""
        return machine.names[0] if machine.names else f"{machine.name}.{self.domain}"


def _inventory(path: str) -> dict[str, t.Any]:
    """Return what `ansible-inventory --list` says; templates stay as they are written."""
    # The one of this Python's environment, whether that is activated or not.
    beside = Path(sys.executable).with_name("ansible-inventory")
    program = beside if beside.exists() else Path("ansible-inventory")
    try:
        done = subprocess.run(
            [str(program), "-i", path, "--list"], capture_output=True, text=True, check=False, cwd=ROOT
        )
    except FileNotFoundError:
        raise LabError("ansible-inventory: not found; `make venv` installs it, then use .venv/bin/python") from None
    if done.returncode != 0:
        raise LabError(f"{path}: {done.stderr.strip()}")
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))


def _only_ipv6(machine: Machine, host: str) -> None:
    """Refuse a machine without IPv4 that nobody could reach, or that could not ask for names."""
    addresses = machine.interfaces(6)
    if not addresses or addresses[0].ip != ipaddress.ip_address(host) or machine.interfaces(4):
        raise LabError(
            f"{machine.name}: with lab_ipv4 false, lab_addresses has IPv6 addresses only, and the first is ansible_host"
        )


def load(path: str) -> Lab:
    """Read the inventory and return its lab; every host with `lab_kind` becomes a container."""
    hostvars: dict[str, dict[str, t.Any]] = _inventory(path)["_meta"]["hostvars"]
    chosen = {name: values for name, values in sorted(hostvars.items()) if "lab_kind" in values}
    if not chosen:
        raise LabError(f"{path}: no host has lab_kind ({', '.join(KINDS)}); this is not a lab's inventory")
    site = next(iter(chosen.values()))
    machines = []
    try:
        for name, values in chosen.items():
            if values["lab_kind"] not in KINDS:
                raise LabError(f"{name}: lab_kind {values['lab_kind']!r} is none of {', '.join(KINDS)}")
            backend = values.get("lab_backend", BACKENDS[0])
            if backend not in BACKENDS:
                raise LabError(f"{name}: lab_backend {backend!r} is none of {', '.join(BACKENDS)}")
            if backend != BACKENDS[0] and values.get("lab_addresses"):
                raise LabError(f"{name}: lab_addresses are written for {BACKENDS[0]} only; leave lab_backend out")
            with_ipv4 = values.get("lab_ipv4", True)
            machines.append(
                Machine(
                    name=name,
                    kind=values["lab_kind"],
                    ipv4=str(ipaddress.IPv4Address(values["ansible_host"])) if with_ipv4 else "",
                    names=tuple(values.get("ipv6_names", ())),
                    addresses=tuple(values.get("lab_addresses", ())),
                    backend=backend,
                    mail_domains=tuple(values.get("ipv6_mail_domains", ())),
                    https=values.get("lab_https", False),
                    ports=tuple(values.get("lab_ports", ())),
                    zones=tuple((zone, tuple(lines)) for zone, lines in values.get("lab_zones", {}).items()),
                )
            )
            if not with_ipv4:
                _only_ipv6(machines[-1], values["ansible_host"])
        lab = Lab(
            name=site["lab_name"],
            domain=site["lab_domain"],
            network=ipaddress.IPv4Network(site["lab_network"]),
            gateway=str(ipaddress.IPv4Address(site["lab_gateway"])),
            prefix=ipaddress.IPv6Network(site["ipv6_prefix"]),
            router=tuple(site["lab_router"]),
            controller=site["lab_controller"],
            machines=tuple(machines),
            routes=tuple(
                (str(ipaddress.IPv6Network(prefix)), str(ipaddress.IPv6Address(by)))
                for prefix, by in site.get("lab_routes", {}).items()
            ),
            records=tuple(site.get("lab_records", ())),
        )
    except KeyError as error:
        raise LabError(f"{path}: {error.args[0]} is not set; see lab/inventory/group_vars/all.yml") from None
    except ValueError as error:
        raise LabError(f"{path}: {error}") from None
    if len(lab.of_kind("nameserver")) != 1:
        raise LabError(f"{path}: a lab has exactly one host with lab_kind: nameserver")
    server = lab.of_kind("nameserver")[0]
    if not all(machine.ipv4 for machine in lab.machines) and not (server.ipv4 and server.interfaces(6)):
        raise LabError(f"{server.name}: machines without IPv4 ask it for names; give it IPv6 with lab_addresses")
    for machine in lab.machines:
        if machine.ipv4 and ipaddress.IPv4Address(machine.ipv4) not in lab.network:
            raise LabError(f"{machine.name}: ansible_host {machine.ipv4} is not in lab_network {lab.network}")
    return lab
