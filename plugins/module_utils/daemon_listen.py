# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a daemon shall listen on: read from the inventory, and whether the host has them now."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files, sockets
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

ANY4, ANY6 = "0.0.0.0", "::"
WILDCARDS = {"both": [ANY4, ANY6], "ipv4": [ANY4], "ipv6": [ANY6]}
MODES = [*WILDCARDS, "addresses"]
TENTATIVE, FAILED = 0x40, 0x08
DAD_SECONDS = 10.0


def addresses(given: t.Sequence[t.Any]) -> list[str]:
    """Check addresses as an inventory gives them."""
    found: list[str] = []
    for entry in given:
        if not isinstance(entry, str):
            raise RolloutError(f"addresses: {shown(entry)} is not text; quote the address")
        bare = entry[1:-1] if entry.startswith("[") and entry.endswith("]") else entry
        try:
            address = ipaddress.ip_address(bare)
        except ValueError:
            raise RolloutError(f"addresses: {shown(entry)} is no address; write it without a port or a mask") from None
        if address.is_unspecified:
            raise RolloutError(f"addresses: {shown(entry)} means every address; take the mode 'both', 'ipv4' or 'ipv6'")
        if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or address.is_link_local):
            kind = "an IPv4-mapped" if address.ipv4_mapped else "a link-local"
            raise RolloutError(f"addresses: {shown(entry)} is {kind} address; name one that clients connect to")
        if "%" in bare:
            raise RolloutError(
                f"addresses: {shown(entry)} has a zone; only a link-local address needs one, leave it out"
            )
        if address.is_multicast or str(address) == "255.255.255.255":
            raise RolloutError(f"addresses: {shown(entry)} is no address of one host; name one that clients connect to")
        if str(address) not in found:
            found.append(str(address))
    return found


def hosts(mode: str, given: t.Sequence[str]) -> list[str]:
    """Return what a mode means: wildcards, or the addresses of the list."""
    if mode in WILDCARDS:
        if given:
            raise RolloutError(
                f"addresses: mode '{mode}' listens on every address; leave them out, or take 'addresses'"
            )
        return WILDCARDS[mode]
    if not given:
        raise RolloutError("addresses: mode 'addresses' needs at least one; without one nobody could connect")
    return list(given)


def _flags() -> dict[str, int]:
    """Return the flags of each IPv6 address of this host."""
    found = {}
    for line in (files.read("/proc/net/if_inet6") or b"").decode().splitlines():
        fields = line.split()
        if len(fields) > 4:
            found[str(ipaddress.IPv6Address(bytes.fromhex(fields[0])))] = int(fields[4], 16)
    return found


def _reason(host: str) -> str:
    flags = _flags().get(host, 0)
    if flags & FAILED:
        return "another host on the link has it too (dadfailed)"
    return "its DAD is not over" if flags & TENTATIVE else "not on this host now"


def check_local(wanted: t.Sequence[str], really: bool, seconds: float = DAD_SECONDS) -> list[str]:
    """Wait until DAD is over, and refuse an address that a daemon could not bind; a check run only tells."""
    given = [host for host in wanted if host not in (ANY4, ANY6)]
    missing = [host for host in given if not sockets.is_local(host)]
    if really and missing and all(_reason(host) == "its DAD is not over" for host in missing):
        sockets.wait(lambda: all(sockets.is_local(host) for host in missing), seconds)
        missing = [host for host in given if not sockets.is_local(host)]
    if not missing:
        return []
    told = "addresses: " + "; ".join(f"{host}: {_reason(host)}" for host in missing)
    if really:
        raise RolloutError(f"{told}; put it on the host first, for example with the role interfaces")
    return [told]


def check_family(wanted: t.Sequence[str], really: bool) -> list[str]:
    """Refuse a socket for every IPv6 address where the kernel opens none; a check run only tells."""
    if ANY6 not in wanted or sockets.is_local(ANY6):
        return []
    told = "mode: the kernel of this host has no IPv6 (ipv6.disable=1), so nothing can listen on [::]"
    if really:
        raise RolloutError(f"{told}; boot it with IPv6, or take the mode 'ipv4'")
    return [told]


def serves(endpoints: t.Collection[sockets.Endpoint], host: str, port: int) -> bool:
    """Tell whether a connection to an address and port would reach one of these sockets."""
    wildcard = ANY6 if ":" in host else ANY4
    return (host, port) in endpoints or (wildcard, port) in endpoints
