# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a DNS64: a drop-in for unbound, three files for BIND."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.dns64_values import MAPPED, Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import Network4, Network6, embedded

HEADER = "Written by the ipv6.rollout collection: the module dns64 replaces and removes it.\n"
NAME = "ipv4only.arpa."
# RFC 7050: hosts ask for the AAAA records of this name, and see the prefix around these.
ADDRESSES = ("192.0.0.170", "192.0.0.171")
TTL = 3600
SOA = "ipv4only.arpa. hostmaster.ipv4only.arpa. 1 86400 3600 604800 3600"


def discovery(wish: Wish) -> t.List[str]:
    """Return the AAAA data of ipv4only.arpa."""
    return [str(embedded(wish.prefix, Network4(text)).network_address) for text in ADDRESSES]


def reverse_zone(prefix: Network6) -> str:
    """Return the zone under which the addresses behind a NAT64 prefix have their PTR records.

    >>> reverse_zone(Network6("2001:db8::/32"))
    '8.b.d.0.1.0.0.2.ip6.arpa.'
    """
    nibbles = f"{int(prefix.network_address):032x}"[: prefix.prefixlen // 4]
    return ".".join([*reversed(nibbles), "ip6.arpa."])


def unbound(wish: Wish, modules: str, loopback: t.Sequence[str]) -> str:
    """Return the drop-in of unbound.

    The order of the modules counts: behind the validator, dns64 is refused; without it in the list, its options pass
    the check and do nothing.
    """
    lines = ["server:", f'    module-config: "{modules}"', f"    dns64-prefix: {wish.prefix}"]
    # Reverse zones of prefixes that are not the Internet's are answered here, unless somebody says that they are not.
    lines.append(f'    local-zone: "{reverse_zone(wish.prefix)}" transparent')
    lines += [f'    dns64-ignore-aaaa: "{name}"' for name in wish.ignored]
    lines += [f"    interface: {address}" for address in (*loopback, *wish.listen)]
    lines += [f"    access-control: {network} allow" for network in wish.clients]
    for one in wish.forward:
        lines += [f'    domain-insecure: "{one.zone}"'] if one.insecure else []
        lines += [f'    local-zone: "{one.zone}" transparent'] if one.zone.endswith(".arpa.") else []
    if wish.discovery == "local":
        lines += [
            f'    local-zone: "{NAME}" static',
            f'    local-data: "{NAME} {TTL} IN SOA {SOA}"',
            f'    local-data: "{NAME} {TTL} IN NS localhost."',
            *(f'    local-data: "{NAME} {TTL} IN A {address}"' for address in ADDRESSES),
            *(f'    local-data: "{NAME} {TTL} IN AAAA {address}"' for address in discovery(wish)),
            *(f'    local-data-ptr: "{address} {TTL} {NAME}"' for address in ADDRESSES),
        ]
    lines += ["    log-queries: yes"] if wish.logged else []
    here = any(ipaddress.ip_address(server).is_loopback for one in wish.forward for server in one.servers)
    lines += ["    do-not-query-localhost: no"] if here else []
    for one in wish.forward:
        kind = "stub" if one.authoritative else "forward"
        lines += [f"{kind}-zone:", f'    name: "{one.zone}"']
        lines += [f"    {kind}-addr: {server}" for server in one.servers]
    return f"# {HEADER}" + "".join(line + "\n" for line in lines)


def _block(items: t.Iterable[object]) -> str:
    return "{ " + " ".join(f"{item};" for item in items) + " }"


def bind_options(wish: Wish, recursion: bool) -> str:
    """Return what stands inside BIND's options. ``recursion``: nothing else says who may ask."""
    clients = _block(wish.clients)
    # Naming prefixes to exclude replaces the default, so that one is named again.
    excluded = _block(dict.fromkeys([MAPPED, *wish.excluded]))
    lines = [f"dns64 {wish.prefix} {{", f"    clients {clients};", f"    exclude {excluded};", "};"]
    if recursion:
        asking = _block(["localhost", "localnets", *wish.clients])
        lines += [f"allow-recursion {asking};", f"allow-query-cache {asking};"]
    insecure = [f'"{one.zone.rstrip(".") or "."}"' for one in wish.forward if one.insecure]
    lines += [f"validate-except {_block(insecure)};"] if insecure else []
    return f"// {HEADER}" + "".join(line + "\n" for line in lines)


def bind_zones(wish: Wish, zone_file: str) -> str:
    """Return the zones that BIND gets."""
    lines = []
    if wish.discovery == "local":
        lines.append(f'zone "{NAME.rstrip(".")}" {{ type master; file "{zone_file}"; allow-update {{ none; }}; }};')
    for one in wish.forward:
        servers = _block(one.servers)
        kind = (
            f"type static-stub; server-addresses {servers};"
            if one.authoritative
            else f"type forward; forward only; forwarders {servers};"
        )
        lines.append(f'zone "{one.zone.rstrip(".") or "."}" {{ {kind} }};')
    return f"// {HEADER}" + "".join(line + "\n" for line in lines)


def bind_zone_file() -> str:
    """Return the zone ipv4only.arpa. It has only A records; BIND makes the AAAA records out of them."""
    lines = [f"$TTL {TTL}", f"@ IN SOA {SOA}", "@ IN NS localhost.", *(f"@ IN A {address}" for address in ADDRESSES)]
    return f"; {HEADER}" + "".join(line + "\n" for line in lines)
