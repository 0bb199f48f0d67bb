# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user wants of a DNS64, checked and in canonical form. Nothing here looks at the host."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import Network6, client, nat64_prefix, refuse

SERVERS = ("unbound", "bind")
MAPPED = "::ffff:0:0/96"
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


class Forward(t.NamedTuple):
    """A zone that is asked of named servers."""

    zone: str  # with the final dot
    servers: t.Tuple[str, ...]
    authoritative: bool
    insecure: bool


class Wish(t.NamedTuple):
    """A DNS64 as it shall be, in canonical form."""

    server: str
    prefix: Network6
    clients: t.Tuple[Network6, ...]
    listen: t.Tuple[str, ...]
    forward: t.Tuple[Forward, ...]
    ignored: t.Tuple[str, ...]  # names whose AAAA records count as none
    excluded: t.Tuple[str, ...]  # prefixes whose AAAA records count as none
    discovery: str
    logged: bool


def domain(option: str, value: object) -> str:
    """Return a domain name in lower case with its final dot; the root is a dot."""
    text = value.strip().lower().rstrip(".") if isinstance(value, str) else ""
    if value == ".":
        return "."
    if not text or len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        refuse(
            option, value, "is no domain name; write one such as example.com, in A-labels where it has other letters"
        )
    return f"{text}."


def address(option: str, value: object) -> str:
    """Return an address of either family that a server can have."""
    text = value if isinstance(value, str) and "%" not in value else ""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        refuse(option, value, "is no address; write one such as 2001:db8:1200::53")
    if found.is_multicast or found.is_unspecified:
        refuse(option, value, "is no address of a single host; name each address")
    return str(found)


def _forward(given: t.Mapping[str, t.Any]) -> Forward:
    servers = tuple(dict.fromkeys(address("forward", value) for value in given["servers"]))
    if not servers:
        refuse("forward", given["zone"], "has no servers; name their addresses")
    kind = given.get("type") or "forward"
    return Forward(domain("forward", given["zone"]), servers, kind == "stub", bool(given.get("insecure")))


def _excluded(value: object) -> str:
    try:
        return str(Network6(value.strip() if isinstance(value, str) else ""))
    except ValueError:
        refuse("excluded", value, "is no IPv6 prefix; write one such as 2001:db8:dead::/48, without host bits")


def wanted(given: t.Mapping[str, t.Any]) -> Wish:
    """Return what is wanted, or raise with what has to be changed."""
    server = str(given["server"])
    clients = tuple(ipaddress.collapse_addresses(client(value) for value in given["clients"]))
    if not clients:
        raise RolloutError("clients: none are named, so nobody would be answered; name the prefixes of the plan")
    forward = tuple(_forward(value) for value in given["forward"])
    names = [one.zone for one in forward]
    for name in names:
        if names.count(name) > 1:
            refuse("forward", name, "is named twice; name all its servers in one entry")
    listen = tuple(dict.fromkeys(address("listen", value) for value in given["listen"]))
    if not listen:
        raise RolloutError("listen: no address is named, so no client could ask; name the addresses of this host")
    ignored = tuple(dict.fromkeys(domain("ignore_aaaa", value) for value in given["ignore_aaaa"]))
    excluded = tuple(dict.fromkeys(_excluded(value) for value in given["excluded"]))
    if server == "bind" and ignored:
        refuse(
            "ignore_aaaa", ignored[0], "is a name, and BIND excludes AAAA records by prefix; use excluded, or unbound"
        )
    if server == "unbound" and excluded:
        refuse(
            "excluded", excluded[0], "is a prefix, and unbound ignores AAAA records by name; use ignore_aaaa, or bind"
        )
    if server == "bind" and given["log_queries"]:
        raise RolloutError("log_queries: BIND's log is set up in its own configuration; set 'querylog yes' there")
    return Wish(
        server=server,
        prefix=nat64_prefix("prefix", given["prefix"]),
        clients=clients,
        listen=listen,
        forward=forward,
        ignored=ignored,
        excluded=excluded,
        discovery=str(given["ipv4only"]),
        logged=bool(given["log_queries"]),
    )
