# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The zones that the lab's name server starts with: IPv4 complete, IPv6 empty."""

from __future__ import annotations

import ipaddress

from model import Lab, Machine

TTL = 600


def reverse_zones(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> list[str]:
    """Return the reverse zones that cover a network: cut at octets for IPv4, at nibbles for IPv6.

    The collection has a filter for this. The lab does not use it: a test bed that shares code with what it
    tests would share its mistakes.
    """
    if isinstance(network, ipaddress.IPv4Network):
        step, last, base = 8, 24, "in-addr.arpa"
    else:
        step, last, base = 4, 124, "ip6.arpa"
    length = min(-(-network.prefixlen // step) * step, last)
    parts = network.supernet(new_prefix=length) if length < network.prefixlen else None
    subnets = [parts] if parts else network.subnets(new_prefix=length)
    zones = []
    for subnet in subnets:
        labels = subnet.network_address.reverse_pointer.split(".")[:-2]
        zones.append(".".join([*labels[-(length // step) :], base]))
    return zones


def _head(lab: Lab) -> list[str]:
    server = lab.fqdn(lab.of_kind("nameserver")[0])
    return [
        f"$TTL {TTL}",
        f"@ IN SOA {server}. hostmaster.{lab.domain}. 1 3600 900 604800 60",
        f"@ IN NS {server}.",
        *[f"@ IN NS {lab.fqdn(machine)}." for machine in lab.of_kind("secondary")],
    ]


def _hosts_of(lab: Lab) -> list[tuple[str, Machine]]:
    """Return every name in the lab's domain with its machine."""
    pairs = []
    for machine in lab.machines:
        for name in dict.fromkeys([f"{machine.name}.{lab.domain}", *machine.names]):
            pairs.append((name, machine))
    return pairs


def zones(lab: Lab) -> dict[str, str]:
    """Return zone name: master file for all zones of the lab."""
    forward = _head(lab)
    for machine in lab.of_kind("mail"):
        forward.append(f"@ IN MX 10 {lab.fqdn(machine)}.")
    senders = [f"ip4:{machine.ipv4}" for machine in lab.of_kind("mail")]
    forward.append(f'@ IN TXT "{" ".join(["v=spf1", *senders, "-all"])}"')
    # An unrelated text beside the SPF record, as most domains have one: nothing may touch it.
    forward.append('@ IN TXT "site-verification=lab-0123456789abcdef"')
    forward += [f"{name}. IN A {machine.public}" for name, machine in _hosts_of(lab) if machine.public]
    forward += lab.records
    result = {lab.domain: forward}
    further = [address.network for machine in lab.machines for address in machine.interfaces(4)]
    for zone in [name for network in [lab.network, *further] for name in reverse_zones(network)]:
        result.setdefault(zone, _head(lab))
    for machine in lab.machines:
        for address in dict.fromkeys([machine.ipv4, machine.public]):
            if not address:
                continue
            owner = ipaddress.IPv4Address(address).reverse_pointer
            zone = next(zone for zone in result if owner.endswith(f".{zone}"))
            result[zone].append(f"{owner}. IN PTR {lab.fqdn(machine)}.")
    for zone in reverse_zones(lab.prefix):
        result[zone] = _head(lab)
    return {zone: "\n".join(lines) + "\n" for zone, lines in result.items()}


def named_options(lab: Lab) -> str:
    """Return named.conf.options: authoritative for the lab, a resolver for its machines, open to nobody else."""
    further = [address.network for machine in lab.machines for address in machine.interfaces(4)]
    sources = " ".join(f"{net};" for net in dict.fromkeys([lab.network, lab.prefix, *_networks(lab), *further]))
    return f"""\
options {{
    directory "/var/cache/bind";
    listen-on {{ any; }};
    listen-on-v6 {{ any; }};
    allow-recursion {{ localhost; {sources} }};
    // The lab's zones are not signed and there is no way to the root from here.
    dnssec-validation no;
{_notify(lab)}
}};
"""


def _notify(lab: Lab) -> str:
    """Secondary servers hear at once of every update; without them nobody has to be told."""
    others = lab.of_kind("secondary")
    if not others:
        return "    notify no;"
    addresses = " ".join(f"{machine.ipv4} key rollout;" for machine in others)
    return f"    notify explicit;\n    notify-delay 0;\n    also-notify {{ {addresses} }};"


def _networks(lab: Lab) -> list[ipaddress.IPv6Network]:
    return [ipaddress.IPv6Interface(address).network for address in lab.router]


def named_local(lab: Lab) -> str:
    """Return named.conf.local: every zone takes updates signed with the lab's key."""
    text = ['include "/etc/bind/rollout.key";']
    for zone in zones(lab):
        text += [
            f'zone "{zone}" {{',
            "    type primary;",
            f'    file "/var/lib/bind/{zone}.zone";',
            "    update-policy { grant rollout zonesub any; };",
            "    allow-transfer { key rollout; };",
            "};",
        ]
    return "\n".join(text) + "\n"


def secondary_local(lab: Lab) -> str:
    """Return named.conf.local of a secondary server: every zone comes from the primary, signed with the lab's key."""
    primary = lab.of_kind("nameserver")[0].ipv4
    text = ['include "/etc/bind/rollout.key";']
    for zone in zones(lab):
        text += [
            f'zone "{zone}" {{',
            "    type secondary;",
            f'    file "/var/cache/bind/{zone}.zone";',
            f"    primaries {{ {primary} key rollout; }};",
            "    notify no;",
            "    allow-transfer { key rollout; };",
            "};",
        ]
    return "\n".join(text) + "\n"


def world_zones(machine: Machine) -> dict[str, str]:
    """Return zone name: master file for the zones of ``lab_zones``, of which nobody knows where their servers are."""
    head = f"$TTL {TTL}\n@ IN SOA {machine.name}.invalid. hostmaster.invalid. 1 3600 900 604800 60\n"
    head += f"@ IN NS {machine.name}.invalid.\n"
    return {zone: head + "".join(f"{line}\n" for line in lines) for zone, lines in machine.zones}


def world_local(machine: Machine) -> str:
    """Return named.conf.local of a machine with ``lab_zones``."""
    zones_ = [
        f'zone "{zone}" {{\n    type primary;\n    file "/etc/bind/{zone}.zone";\n}};' for zone, _text in machine.zones
    ]
    return "\n".join(zones_) + "\n"
