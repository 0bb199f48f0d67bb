# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By which address clients of each family come to the web services of a host: its own, or that of a v4 proxy."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import v4_proxy_hosts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_look import part, rows
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import FAMILIES, Data, Host, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import several

AGENT = "ipv6-rollout-audit"
TLS_PORTS = (443, 8443)
PATH = re.compile(r"/[!-~]{0,199}", re.ASCII)
FIRST_SAMPLES = 3  # of the first name of a host, whose times are compared too
MOST_PATHS = 20  # of one site
SAMPLES = 2  # of each further name: a page that differs from itself can't be compared


class Way(t.NamedTuple):
    """How a client of one family reaches a web service. ``proxy`` names the gateway where it goes through one."""

    service: Data
    family: str
    address: str
    source: str
    proxy: str

    @property
    def kind(self) -> str:
        """The kind of probe that speaks the protocol of the service."""
        return "https" if self.service["name"] == "https" or self.service["port"] in TLS_PORTS else "http"


def services(host: Host) -> list[Data]:
    """Return the web services of a host, each name once."""
    found: dict[str, Data] = {}
    for service in host.spec["services"]:
        web = service["name"] in ("http", "https") or service.get("daemon") == "apache"
        if service["protocol"] == "tcp" and web:
            found.setdefault(service["name"], service)
    return list(found.values())


def names(host: Host) -> list[str]:
    """Return the published names; one empty name, which stands for the address, where there is none."""
    return list(host.spec["names"]) or [""]


def samples(host: Host, name: str) -> list[str]:
    """Return the numbers of the requests that are made for a name over each family."""
    most = FIRST_SAMPLES if name == names(host)[0] else SAMPLES
    return [str(number) for number in range(1, most + 1)]


def said(host: Host, site: Site, variable: str, default: t.Any) -> t.Any:
    """Return a variable of the host, else that of the site; what another host says does not count."""
    for variables in (host.variables, site.variables):
        if variables.get(variable) is not None:
            return variables[variable]
    return default


def listed(host: Host, site: Site, variable: str, default: t.Sequence[str] = ()) -> list[str]:
    """Return a variable that is a list of texts."""
    value = several(said(host, site, variable, default), variable)
    if not all(isinstance(item, str) for item in value):
        raise RolloutError(f"{variable}: {shown(value)} is not a list of texts; write [...] around it, and quote them")
    return [str(item) for item in value]


def gateways(site: Site) -> list[Host]:
    """Return the hosts that are a v4 proxy for others."""
    return [host for host in site.hosts.values() if public(host, "ipv4")]


def public(gateway: Host, family: str) -> list[str]:
    """Return the addresses of one family under which the world finds a proxy."""
    given = gateway.variables.get("v4_proxy_public")
    if not isinstance(given, (list, tuple)):
        return []
    return [str(item) for item in given if isinstance(item, str) and (":" in item) == (family == "ipv6")]


def behind(gateway: Host, site: Site) -> dict[str, Data]:
    """Return the hosts behind a proxy, as the filter ``v4_proxy_hosts`` does.

    :raises RolloutError: where the variables of one of them are wrong
    """
    given = gateway.variables.get("v4_proxy_members")
    members = given if isinstance(given, (list, tuple)) else [host.name for host in site.hosts.values() if _only6(host)]
    return {name: _entry(site.hosts[name], gateway, site) for name in members if name in site.hosts}


def _only6(host: Host) -> bool:
    return not host.spec.get("ipv4")


def _entry(host: Host, gateway: Host, site: Site) -> Data:
    aaaa = gateway.variables.get("v4_proxy_aaaa") or "direct"
    variables = {"ipv6_names": host.spec["names"], **host.variables}
    return v4_proxy_hosts.proxy_hosts([host.name], {host.name: variables}, site.plan, aaaa)[host.name]


def ways(host: Host, site: Site) -> list[Way]:
    """Return the ways to the web services of a host, IPv4 first. What has no way over a family is not among them."""
    offered = services(host)
    through = _through(host, site) if offered and _only6(host) else None
    found = []
    for service in offered:
        for family in FAMILIES:
            address = host.spec["address"] if family == "ipv6" else host.spec.get("ipv4")
            proxy = ""
            if through is not None and service["port"] in through[1]:
                gateway = through[0]
                moved = family == "ipv4" or gateway.variables.get("v4_proxy_aaaa") == "proxy"
                if moved and public(gateway, family):
                    address, proxy = public(gateway, family)[0], gateway.name
            if address:
                found.append(Way(service, family, str(address), site.source(service, family), proxy))
    return found


def _through(host: Host, site: Site) -> tuple[Host, list[int]] | None:
    """Return the proxy of a host without IPv4, and the ports that it has there."""
    for gateway in gateways(site):
        given = gateway.variables.get("v4_proxy_members")
        if gateway.name != host.name and (not isinstance(given, (list, tuple)) or host.name in given):
            return gateway, [entry["port"] for entry in _entry(host, gateway, site)["ports"]]
    return None


def by_service(host: Host, site: Site) -> dict[str, dict[str, Way]]:
    """Return the ways by service and family."""
    found: dict[str, dict[str, Way]] = {}
    for way in ways(host, site):
        found.setdefault(str(way.service["name"]), {})[way.family] = way
    return found


def agent(site: Site) -> str:
    """Return the User-Agent header of every web probe."""
    return f"{AGENT}/{site.token}" if site.token else AGENT


def paths(host: Host, site: Site, name: str) -> list[str]:
    """Return the paths of a site whose access is compared: those of the inventory and those with rules."""
    wanted = listed(host, site, "readiness_paths", ["/"])
    for path in wanted:
        if not PATH.fullmatch(path):
            raise RolloutError(f"readiness_paths: {shown(path)} is no path; write one such as /reports/, in ASCII")
    own = names(host)
    ruled = [
        path
        for entry in access(host)
        # A site with a name that is not published is perhaps an alias of one that is.
        if entry.get("site") in ("", name) or entry.get("site") not in own
        for path in urls(entry)
    ]
    return list(dict.fromkeys([*wanted, *ruled]))[:MOST_PATHS]


def access(host: Host) -> list[Data]:
    """Return the sections of the web server's configuration that look at the address of the client."""
    return rows(part(host, "web").get("access")) or []


def urls(entry: Data) -> list[str]:
    """Return the paths that clients ask for to come to a section; those that are odd are left out."""
    given = entry.get("urls")
    found = [text for text in given if isinstance(text, str)] if isinstance(given, (list, tuple)) else []
    return [text for text in found if PATH.fullmatch(text) and not re.search(r"[*?\[\]^$()|\\~<>\"'#]", text)]
