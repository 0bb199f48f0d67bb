# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts translate between IPv6 and IPv4, for whom, and with which prefix, as the inventory says."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_prefix, ipv6_text, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.nat64 import WELL_KNOWN, nat64_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import inside
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Host, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import several

GROUP = "translation"
VARIABLE = "readiness_gateways"
WELL_KNOWN_NAME = "ipv4only.arpa."


class Gateway(t.NamedTuple):
    """A host that translates."""

    host: Host
    nat64: bool
    dns64: bool
    prefix: str
    resolver: str  # the address that the DNS64 is asked at
    for_lab: bool  # whether the lab machine is a client


def gateways(site: Site) -> list[Gateway]:
    """Return the hosts that the inventory makes a NAT64 or a DNS64."""
    named = several(site.setting(VARIABLE), VARIABLE)
    for name in named:
        if name not in site.hosts:
            raise RolloutError(f"{VARIABLE}: {shown(name)} is no host of the rollout; write inventory names")
    return [
        made
        for host in site.hosts.values()
        if (host.name in named if named else host.spec.get("ipv4"))
        for made in [_gateway(host, site, host.name in named)]
        if made.nat64 or made.dns64
    ]


def _gateway(host: Host, site: Site, named: bool) -> Gateway:
    told = host.variables
    both = named or bool(told.get("v4_proxy_public"))
    nat64, dns64 = (
        (both or any(name.startswith(f"{role}_") for name in told)) and told.get(f"{role}_state") != "absent"
        for role in ("nat64", "dns64")
    )
    value = told.get("dns64_prefix") or told.get("nat64_prefix") or WELL_KNOWN
    nat64_address("192.0.0.170", value)  # a prefix that none can be is refused here
    listen = several(told.get("dns64_listen"), "dns64_listen")
    six = [text for text in listen if ":" in str(text)]
    resolver = ipv6_text(ipv6(six[0], "dns64_listen")) if six else str(host.spec["address"])
    clients = several(told.get("nat64_clients") or told.get("dns64_clients"), "nat64_clients") or [
        site.plan.get("prefix")
    ]
    sources = several(told.get("ipv6_lab_sources") or site.setting("ipv6_lab_sources"), "ipv6_lab_sources")
    prefixes = [ipv6_prefix(text, "nat64_clients") for text in clients if text and ":" in str(text)]
    for_lab = any(
        inside(*ipv6_prefix(text, "ipv6_lab_sources"), *within)
        for text in sources
        if ":" in str(text)
        for within in prefixes
    )
    return Gateway(host, nat64, dns64, prefix_text(*ipv6_prefix(value, "nat64_prefix")), resolver, for_lab)


def behind(site: Site) -> list[Host]:
    """Return the hosts that have no IPv4 of their own."""
    return [host for host in site.hosts.values() if not host.spec.get("ipv4")]
