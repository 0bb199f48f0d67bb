# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random sites in which nothing is wrong: what an administrator may have, in all the ways that are right."""

from __future__ import annotations

import dataclasses
import random
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet, services
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

Data = dict[str, t.Any]

DOMAIN = "example.com"
LAB = {"ipv6": "2001:db8:feed::10", "outside": "2001:db8:beef::10", "ipv4": "198.18.99.10"}
SECOND = {"ipv6": "3fff:53::53", "ipv4": "198.18.98.53"}  # the other name server, in somebody else's network
WEB_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass
class Drawn:
    """A site: its inventory, its plan, and how its machines do what they do."""

    prefix: str
    subnets: list[Data]
    variables: dict[str, Data]
    plan: Data
    specs: dict[str, Data]
    ways: dict[str, Data]
    ttl: int

    @property
    def members(self) -> dict[str, Data]:
        """The hosts with their addresses."""
        return fleet.members(self.specs, self.plan)


def site(seed: int, size: int = 0) -> Drawn:
    """Return the site of a number; ``size`` is how many hosts it has, else chance says it."""
    chance = random.Random(seed)
    prefix = chance.choice(
        ["2001:db8:1200::/48", "2001:db8:4000::/36", "3fff:120::/44", "2001:db8:7:ff00::/56", "3fff:0:8000::/35"]
    )
    subnets = [
        {"name": name} for name in chance.sample(["web", "mail", "infra", "dmz", "office"], chance.randint(1, 3))
    ]
    for subnet in subnets:
        if chance.random() < 0.3:
            subnet["number"] = f"{chance.randint(16, 200):x}"
    hosts = [
        "ns1",
        *(f"{kind}{number}" for number in range(1, size or chance.randint(2, 5)) for kind in [_kind(chance)]),
    ]
    variables: dict[str, Data] = {}
    for place, name in enumerate(hosts):
        subnet = chance.randrange(len(subnets))
        variables[name] = _host(chance, name, place, subnets[subnet]["name"], subnet)
    specs = {name: services.host_spec(values, name) for name, values in variables.items()}
    plan = subnet_plan(prefix, subnets, None, specs, today="2026-01-01", growth=chance.choice(["leftmost", "hash"]))
    ways = {name: _ways(chance, name) for name in hosts}
    return Drawn(prefix, subnets, variables, plan, specs, ways, chance.choice([300, 600, 3600]))


def _kind(chance: random.Random) -> str:
    return chance.choice(["www", "www", "mail", "app", "both"])


def _host(chance: random.Random, name: str, place: int, subnet: str, network: int) -> Data:
    kind = name.rstrip("0123456789")
    offered: list[t.Any] = {"ns": ["dns"], "www": ["http"], "mail": ["smtp"], "app": [], "both": ["http", "smtp"]}[kind]
    if kind in ("www", "both") and chance.random() < 0.5:
        offered = [*offered, "https"]
    if kind in ("mail", "both") and chance.random() < 0.4:
        offered = [*offered, "submission"]
    if chance.random() < 0.4 or not offered:
        api: Data = {"name": "api", "port": 8000 + place}
        if chance.random() < 0.4:
            api["sources"] = ["2001:db8:feed::/64", "2001:db8:a::/48"]
        offered = [*offered, api]
    values: Data = {
        "inventory_hostname": name,
        "ipv6_prefix": "",
        "ipv6_subnet": subnet,
        "ipv6_services": offered,
        "ipv6_names": [f"{name}.{DOMAIN}"],
        "ipv6_lab_sources": ["2001:db8:feed::/64"],
        "ipv6_dns": {"server": "", "port": 53},
    }
    if kind in ("www", "both") and chance.random() < 0.5:
        values["ipv6_names"].append(f"{'www' if place == 1 else f'shop{place}'}.{DOMAIN}")
    if kind in ("mail", "both"):
        values["ipv6_mail_domains"] = [DOMAIN]
    only_ipv6 = kind == "app" and chance.random() < 0.4
    values["ansible_host"] = f"2001:db8:a::{place + 1:x}" if only_ipv6 else f"198.18.{10 + network}.{20 + place}"
    policies = ["stable", "next", f"::{place + 0x30:x}"] + ([] if only_ipv6 else ["ipv4_decimal", "ipv4_hex"])
    values["ipv6_interface_id"] = chance.choice(policies)
    return values


def _ways(chance: random.Random, name: str) -> Data:
    """How a host does things: none of it may matter to the audit."""
    return {
        "sockets": chance.choice(["one", "two", "addresses"] if name != "ns1" else ["two", "addresses"]),
        "ipv4_rules": chance.choice(["none", "mirrored"]),
        "backend": chance.choice(["nft", "legacy"]),
        "loopback": chance.random() < 0.5,
        "tempaddr": chance.choice(["0", "-1"]),
        "rp_filter": chance.choice(["0", "2"]),
    }
