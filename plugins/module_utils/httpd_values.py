# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user asks of Apache, checked, and the drop-in that says it."""

from __future__ import annotations

import ipaddress
import posixpath
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import httpd_sites, listens
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

HEADER = "# Written by the ipv6.rollout collection: the module apache_listen replaces and removes it.\n"
MARK = "IPV6_ROLLOUT_PROXIED"
MODULES = ("remoteip", "setenvif")
"""What the drop-in needs for the PROXY protocol."""

_NAME = re.compile(r"(?:\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?", re.ASCII)
_PATH = re.compile(r"/[^\"\\$%\x00-\x1f\x7f]*")


class Site(t.NamedTuple):
    """A virtual host of its own."""

    names: t.Tuple[str, ...]
    addresses: t.Tuple[str, ...]
    port: int
    root: str
    log: str


class Proxy(t.NamedTuple):
    """Where proxied traffic arrives, who may send it, and who may speak plain HTTP there."""

    address: str
    ports: t.Tuple[int, ...]
    proxies: t.Tuple[str, ...]
    exceptions: t.Tuple[str, ...]


class Wish(t.NamedTuple):
    """All that is asked for."""

    hosts: t.Tuple[str, ...]
    ports: t.Tuple[int, ...]
    mode: str
    ipv6_of: t.Dict[str, t.List[str]]
    sites: t.Tuple[Site, ...]
    proxy: t.Optional[Proxy]


def wish(given: t.Mapping[str, t.Any]) -> Wish:
    """Check all options of a call."""
    mode = str(given["mode"])
    ports = tuple(_port(port, "ports") for port in given["ports"] or [])
    addresses = listens.addresses(given["addresses"] or [])
    ipv6_of = httpd_sites.mapping(given["ipv6_of"])
    proxy = _proxy(given["proxy_protocol"]) if given["proxy_protocol"] else None
    if proxy and mode == "ipv4":
        raise RolloutError("proxy_protocol: its address is IPv6, which mode 'ipv4' does not listen on")
    if proxy and any(f"{proxy.address}/128" in twins for twins in ipv6_of.values()):
        raise RolloutError(
            f"proxy_protocol: {proxy.address} stands for an IPv4 address in ipv6_of, so clients without a PROXY header "
            "come to it; take an address that nothing else has"
        )
    hosts = listens.wanted(mode, addresses)
    if proxy and mode in ("separate", "ipv6only") and proxy.address not in hosts:
        hosts.append(proxy.address)
    sites = tuple(_site(site, number) for number, site in enumerate(given["virtual_hosts"] or []))
    if proxy and any(proxy.address in site.addresses for site in sites):
        raise RolloutError(
            f"proxy_protocol: {proxy.address} is in virtual_hosts too; it has to be an address of its own"
        )
    return Wish(tuple(hosts), ports, mode, {} if mode == "ipv4" else ipv6_of, sites, proxy)


def _port(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 65536:
        raise RolloutError(f"{where}: {shown(value)} is no port; write a number from 1 to 65535")
    return int(value)


def _path(value: object, where: str) -> str:
    if not value:
        return ""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise RolloutError(f"{where}: {shown(value)} is no path that starts with / and has no quote, $ or % in it")
    return str(value)


def _site(given: t.Mapping[str, t.Any], number: int) -> Site:
    where = f"virtual_hosts, entry {number + 1}"
    names = []
    for name in given["names"]:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise RolloutError(f"{where}: names: {shown(name)} is no host name")
        names.append(str(name).lower())
    if not names:
        raise RolloutError(f"{where}: names is empty; write the names that it serves")
    try:
        addresses = listens.addresses(given["addresses"] or [])
    except RolloutError as error:
        raise RolloutError(f"{where}: {error}") from None
    root = _path(given["document_root"], f"{where}: document_root")
    log = _path(given["log"], f"{where}: log")
    if re.search(r"[*?\[]", root):
        raise RolloutError(
            f"{where}: document_root: {shown(root)} is no path of one folder; Apache reads *, ? and [ as a pattern"
        )
    if not posixpath.normpath(root or "/").strip("/"):
        raise RolloutError(
            f"{where}: document_root: {shown(root)} is no folder of its own; write the one that it serves"
        )
    return Site(tuple(names), tuple(addresses), _port(given["port"], f"{where}: port"), root, log)


def _prefixes(given: t.Any, where: str) -> t.Tuple[str, ...]:
    found = []
    for item in given or []:
        try:
            prefix = ipaddress.ip_network(str(item)) if isinstance(item, str) else None
        except ValueError:
            prefix = None
        if not isinstance(prefix, ipaddress.IPv6Network) or prefix.prefixlen == 0:
            raise RolloutError(
                f"proxy_protocol: {where}: {shown(item)} is no IPv6 address or prefix such as 2001:db8::/64; they "
                "reach this host over IPv6"
            )
        if prefix.network_address.ipv4_mapped or prefix.network_address.scope_id:
            raise RolloutError(f"proxy_protocol: {where}: {shown(item)} is an address that Apache does not take here")
        if str(prefix) not in found:
            found.append(str(prefix))
    return tuple(found)


def _proxy(given: t.Mapping[str, t.Any]) -> Proxy:
    try:
        [address] = listens.addresses([given["address"]])
    except RolloutError as error:
        raise RolloutError(f"proxy_protocol: {error}") from None
    if ":" not in address:
        raise RolloutError(
            f"proxy_protocol: address: {address} is no IPv6 address; the proxy reaches the host over IPv6"
        )
    proxies = _prefixes(given["proxies"], "proxies")
    if not proxies:
        raise RolloutError("proxy_protocol: proxies is empty; name who may send the header, or anybody could")
    ports = tuple(sorted({_port(port, "proxy_protocol: ports") for port in given["ports"] or []}))
    return Proxy(address, ports, proxies, _prefixes(given["exceptions"], "exceptions"))


def drop_in(asked: Wish, ports: t.Sequence[int], alone: bool = True) -> str:
    """Return the drop-in, empty where none is needed; ``ports`` are those on which proxied traffic arrives.

    ``alone`` tells that no other file takes the PROXY protocol, so that who may send it can be said once for all.
    Its name sorts last, so that whoever was a port's first virtual host, and serves unknown names, stays the first.
    """
    parts = [_site_text(site, asked.proxy, ports) for site in asked.sites]
    if asked.proxy:
        parts.append(_proxy_text(asked.proxy, ports, alone))
    return "\n".join([HEADER, *parts]) if parts else ""


def _site_text(site: Site, proxy: t.Optional[Proxy], ports: t.Sequence[int]) -> str:
    hosts = [*site.addresses] or ["*"]
    if proxy and not site.addresses and site.port in ports:
        hosts.append(proxy.address)
    places = " ".join(httpd_sites.bracketed(host, site.port) for host in hosts)
    lines = [f"<VirtualHost {places}>", f"    ServerName {site.names[0]}"]
    if site.names[1:]:
        lines.append(f"    ServerAlias {' '.join(site.names[1:])}")
    lines += [f'    DocumentRoot "{site.root}"', f'    <Directory "{site.root}">', "        Require all granted"]
    lines.append("    </Directory>")
    if site.log:
        lines.append(f'    CustomLog "{site.log}" combined')
    return "\n".join([*lines, "</VirtualHost>", ""])


def _everybody_but(prefixes: t.Sequence[str]) -> t.List[str]:
    """Return the IPv6 prefixes that are together everything outside of some prefixes."""
    left = [ipaddress.IPv6Network("::/0")]
    for text in prefixes:
        out = ipaddress.IPv6Network(text)
        parts = [[*part.address_exclude(out)] if out.subnet_of(part) else [part] for part in left]
        left = [part for some in parts for part in some if not part.subnet_of(out)]
    return [str(part) for part in sorted(left)]


def _proxy_text(proxy: Proxy, ports: t.Sequence[int], alone: bool) -> str:
    places = " ".join(httpd_sites.bracketed(proxy.address, port) for port in ports)
    peers = " || ".join(f"%{{CONN_REMOTE_ADDR}} -ipmatch '{prefix}'" for prefix in proxy.proxies + proxy.exceptions)
    bare = [*proxy.exceptions, *(_everybody_but(proxy.proxies) if alone else [])]
    rows = [bare[at : at + 8] for at in range(0, len(bare), 8)]
    exceptions = "".join(f"RemoteIPProxyProtocolExceptions {' '.join(row)}\n" for row in rows)
    return f"""\
# Switches the PROXY protocol on for these addresses and ports, whichever virtual host serves them.
<VirtualHost {places}>
    ServerName proxy-protocol.invalid
    RemoteIPProxyProtocol On
</VirtualHost>
# Who is no proxy could write any client address into the header, so the header is read from nobody else, ...
{exceptions}
# ... and nothing is served to them here.
SetEnvIf Server_Addr "^{proxy.address}$" {MARK}
<If "-n reqenv('{MARK}') && !({peers})">
    Require all denied
</If>
"""
