# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a site out of what the inventory, the hosts, the lab machine and the name server said."""

from __future__ import annotations

import collections.abc
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import fleet, listeners, parity, readiness_translation
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import ODD, Data, Host, Site

# The inventory variables that checks know of. What is a secret is never among them.
PREFIXES = (
    "ipv6_",
    "readiness_",
    "address_selection_",
    "apache_",
    "backup_mx_",
    "dns64_",
    "dovecot_",
    "interfaces_",
    "ip6tables_",
    "nat64_",
    "postfix_",
    "sshd_",
    "tunnel_",
    "v4_proxy_",
)
NAMES = ("ansible_host", "ansible_port")
SERVER_KEYS = ("server", "port", "secondaries", "backend")  # of ipv6_dns; the rest of it is the key
NUMBER = re.compile(r"\(pid \d+(?: and \d+ more)?(?:, )?")  # of a process, as a listener's line has it
SECRET = ("key", "secret", "password", "token")


def is_wanted(name: str) -> bool:
    """Tell whether a check may want to know an inventory variable."""
    return (name.startswith(PREFIXES) or name in NAMES) and not any(word in name for word in SECRET)


def looked(result: object) -> tuple[Data | None, str]:
    """Return the look that a host's registered result holds, or None and the reason."""
    if not isinstance(result, collections.abc.Mapping):
        return None, "it was not asked"
    look = result.get("host_info")
    if isinstance(look, collections.abc.Mapping) and not result.get("unreachable") and not result.get("failed"):
        return look, ""
    reason = " ".join(str(result.get("msg") or "it gave no answer").split())
    return None, f"it can't be reached: {reason}" if result.get("unreachable") else reason


def hosts(
    specs: t.Mapping[str, Data],
    plan: Data,
    variables: t.Mapping[str, Data],
    looks: t.Mapping[str, object] | None = None,
) -> dict[str, Host]:
    """Return the hosts of a site.

    :param specs: what the filter ``host_specs`` returned
    :param variables: by host its inventory variables, see :func:`is_wanted`
    :param looks: by host what was registered of ``host_info``; nothing as long as they are still to be looked at, and
        then there is no reason why a host has no look: what depends on it is asked for afterwards
    :raises RolloutError: where the plan has no address for a host
    """
    made = {}
    for name, spec in fleet.members(specs, plan).items():
        look, why = looked(looks.get(name)) if looks else (None, "")
        made[name] = Host(name, spec, variables.get(name, {}), look, why)
    return made


def wants(site: Site, name: str) -> dict[str, t.Any]:
    """Return what ``host_info`` is to be asked of one host: its option ``audit``."""
    host = site.hosts[name]
    published = [name for one in site.hosts.values() for name in one.spec["names"]]
    others = [one.spec["address"] for one in site.hosts.values() if one.name != name][:20]
    outside = [site.lab["outside_source"]] if site.lab.get("outside_source") else []
    only_ipv6 = not host.spec.get("ipv4")
    # Others ask another resolver, which may know nothing of these and take its time to say so.
    translated = readiness_translation.names(site) if only_ipv6 else []
    gateway = "nat64_prefix" in host.variables or "nat64_state" in host.variables
    return {
        "destinations": [*others, *outside],
        "names": list(dict.fromkeys([*published[:6], *translated])),
        "token": site.token,
        "ipv4_use": only_ipv6 or gateway,
        "nat64_prefix": str(site.setting("nat64_prefix", "")),
    }


def details(site: Site) -> dict[str, dict[str, list[str]]]:
    """Return for each host who reaches what listens, and both firewalls compared, as lines for people."""
    addresses = {host.spec["ipv4"]: host.spec["address"] for host in site.hosts.values() if host.spec.get("ipv4")}
    return {name: _details(host, site, addresses) for name, host in site.hosts.items() if host.look is not None}


def _details(host: Host, site: Site, addresses: t.Mapping[str, str]) -> dict[str, list[str]]:
    found = {}
    for key, tell in (("listeners", _listeners), ("firewall", _firewall)):
        try:
            found[key] = tell(host, site, addresses)
        except ODD as error:
            found[key] = [f"It could not be told: {error}"]
    return found


def _listeners(host: Host, site: Site, _addresses: t.Mapping[str, str]) -> list[str]:
    told = listeners.listener_findings(host.look, declared(host), own(host), trusted(host, site))
    # A daemon that was started again is the same daemon.
    return [NUMBER.sub("(", str(line)) for line in told["lines"]]


def _firewall(host: Host, site: Site, addresses: t.Mapping[str, str]) -> list[str]:
    firewall = (host.look or {})["firewall"]
    rules = {family: [firewall[family]["saved"], firewall[family]["other"]] for family in ("ipv4", "ipv6")}
    return [str(line) for line in parity.firewall_parity(rules, dict(addresses), trusted(host, site))["lines"]]


def own(host: Host) -> dict[str, str]:
    """Return the addresses of a host that clients use."""
    given = {"ipv4": host.spec.get("ipv4"), "ipv6": host.spec["address"]}
    return {family: str(address) for family, address in given.items() if address}


def trusted(host: Host, site: Site) -> list[t.Any]:
    """Return the sources that the rules let in everywhere."""
    return list(host.variables.get("ipv6_lab_sources") or site.setting("ipv6_lab_sources", []))


def declared(host: Host) -> list[t.Any]:
    """Return all that is meant to listen on a host: the management port, its services, and its further sockets."""
    sources = [*(host.variables.get("ipv6_lab_sources") or []), *(host.variables.get("ipv6_management_sources") or [])]
    management = {"name": "management", "port": host.variables.get("ansible_port") or 22, "sources": sources}
    return [management, *host.spec["services"], *(host.variables.get("ipv6_listeners") or [])]
