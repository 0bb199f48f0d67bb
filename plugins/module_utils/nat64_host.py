# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about translators: its kernel, its IPv4 networks, what is there already. Read-only."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import platform
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, tunnel_host
from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import Network4, Network6, Wish

# What each translator needs, and the package that brings it.
PROGRAMS = {
    "tayga": {"tayga": "tayga", "nft": "nftables", "ip": "iproute2"},
    "jool": {"jool": "jool-tools", "nft": "nftables", "ip": "iproute2"},
}
# Where Debian puts programs, for a host on which they are not installed yet.
USUAL = {"tayga": "/usr/sbin/tayga", "nft": "/usr/sbin/nft", "ip": "/usr/sbin/ip", "jool": "/usr/bin/jool"}
# The table of nft that each program fills.
FILTERS = {"iptables": "ip filter", "ip6tables": "ip6 filter"}
DPKG_STATUS = "/var/lib/dpkg/status"
SHIPPED = "/etc/tayga.conf"

Link = t.Dict[str, t.Any]


def programs(translator: str) -> t.Tuple[t.Dict[str, str], t.List[str]]:
    """Return the paths of the programs, and the packages that are missing.

    iptables is used where it is: rules that drop what is forwarded are its rules.
    """
    found, missing = {}, []
    for name, package in PROGRAMS[translator].items():
        path = commands.found(name)
        found[name] = path or USUAL[name]
        if not path:
            missing.append(package)
    for name in FILTERS:
        path = commands.found(name)
        if path and translator == "tayga":
            found[name] = path
    return found, missing


def kernel_lacks(translator: str) -> str:
    """Return why this kernel can't translate, empty where it can."""
    if translator == "tayga":
        reason = tunnel_host.kernel_lacks("openvpn")
        return reason.replace("kind: openvpn", "translator: tayga")
    if os.path.isdir("/sys/module/jool"):
        return ""
    if commands.found("modprobe") and commands.run(["modprobe", "--dry-run", "--quiet", "jool"]).rc == 0:
        return ""
    return (
        f"translator: jool needs its kernel module, and {platform.release()} has none; install jool-dkms and the "
        "headers of the running kernel, or take tayga, which needs only tun"
    )


def own_networks(links: t.Sequence[Link], device: str) -> t.List[Network4]:
    """Return the IPv4 networks that this host is part of."""
    found = set()
    for link in links:
        if link["ifname"] == device:
            continue
        for entry in link.get("addr_info", []):
            if entry.get("family") == "inet" and entry.get("local"):
                found.add(Network4((entry["local"], entry["prefixlen"]), strict=False))
                if entry.get("address"):  # the other end of a point-to-point link
                    found.add(Network4(entry["address"]))
    return sorted(found)


def routes(family: str) -> t.List[t.Tuple[str, str]]:
    """Return the routes of a family, each with its interface."""
    done = commands.run(["ip", "-j", family, "route", "show"])
    entries = json.loads(done.out or "[]") if done.rc == 0 else []
    return [(str(entry.get("dst", "")), str(entry.get("dev", ""))) for entry in entries]


def taken(wish: Wish, links: t.Sequence[Link], ours: bool) -> t.List[str]:
    """Return what is in the way of a translator."""
    wrong = []
    device = next((link for link in links if link["ifname"] == wish.device), None)
    if device is not None and not ours and wish.translator == "tayga":
        wrong.append(f"device: there is an interface {wish.device} already that this module did not make; name another")
    if wish.translator != "tayga":
        return wrong
    for network in own_networks(links, wish.device):
        if network.overlaps(wish.pool):
            wrong.append(f"pool: {wish.pool} overlaps {network}, which is on this host; take a network that is free")
    wrong += _routed("pool", wish.pool, routes("-4"), wish.device)
    wrong += _routed("prefix", wish.prefix, routes("-6"), wish.device)
    if not ours and _foreign_translator():
        wrong.append(
            f"translator: tayga.service runs already, with a {SHIPPED} of the administrator's own; stop it, and "
            "'systemctl disable' it, before this role takes over"
        )
    return wrong


def _routed(
    what: str, space: t.Union[Network4, Network6], found: t.Iterable[t.Tuple[str, str]], device: str
) -> t.List[str]:
    """Return the routes that say that somebody is where only the translator may be.

    A larger route around it is none of them, but for a subnet of IPv6, which has hosts in it.
    """
    wrong = []
    for route, interface in found:
        try:
            network = ipaddress.ip_network(route)
        except ValueError:  # the default route
            continue
        if interface == device or network.version != space.version:
            continue
        first, last = int(network.network_address), int(network.broadcast_address)
        inside = int(space.network_address) <= first and last <= int(space.broadcast_address)
        around = first <= int(space.network_address) and int(space.broadcast_address) <= last
        hosts = interface not in ("", "lo")  # what is unreachable has none
        if str(network) == str(space) or (hosts and (inside or (around and network.prefixlen >= 64))):
            there = f"{network}, which is routed to {interface or 'nowhere'} already"
            wrong.append(f"{what}: {space} overlaps {there}; take that route away, or name another")
    return wrong


def _foreign_translator() -> bool:
    """Tell whether TAYGA runs with a configuration that is not the package's placeholder."""
    if commands.run(["systemctl", "is-active", "--quiet", "tayga.service"]).rc != 0:
        return False
    content = files.read(SHIPPED)
    if content is None:
        return False
    status = (files.read(DPKG_STATUS) or b"").decode(errors="replace")
    shipped = re.search(rf"^ {re.escape(SHIPPED)} ([0-9a-f]{{32}})$", status, re.MULTILINE)
    # dpkg keeps MD5 sums; nothing here depends on nobody making a second file with the same one.
    return not shipped or hashlib.md5(content, usedforsecurity=False).hexdigest() != shipped.group(1)


def enabled(unit: str) -> bool:
    """Tell whether a unit starts at boot: a link says so, or for an init script its links."""
    return os.path.lexists(wanted_link(unit))


def wanted_link(unit: str) -> str:
    """Return the link that starts a unit at boot."""
    return f"/etc/systemd/system/multi-user.target.wants/{unit}"


def active(unit: str) -> bool:
    """Tell whether a unit runs."""
    return commands.run(["systemctl", "is-active", "--quiet", unit]).rc == 0


def live_rules(programs_: t.Mapping[str, str]) -> str:
    """Return a digest of the rules of ours that are loaded, empty where they are not."""
    if not commands.found("nft"):
        return ""
    table = commands.run(["nft", "--stateless", "list", "table", *texts.TABLE.split()])
    if table.rc != 0:
        return ""
    told = [table.out]
    for program in FILTERS:
        if program in programs_:
            chain = commands.run([program, "--wait", "5", "-S", texts.CHAIN])
            jump = commands.run([program, "--wait", "5", "-C", "FORWARD", "-j", texts.CHAIN])
            if chain.rc or jump.rc:
                return ""
            told.append(chain.out)
    return hashlib.sha256("".join(told).encode()).hexdigest()


def device_ready(wish: Wish, links: t.Sequence[Link]) -> bool:
    """Tell whether the device is up, is read by TAYGA, and has its routes."""
    link = next((link for link in links if link["ifname"] == wish.device), None)
    if link is None or not {"UP", "LOWER_UP"} <= set(link.get("flags", [])):
        return False
    have = {(family, _whole(route)) for family in ("-4", "-6") for route, dev in routes(family) if dev == wish.device}
    return set(texts.routes(wish)) <= have


def _whole(route: str) -> str:
    try:
        return str(ipaddress.ip_network(route))
    except ValueError:
        return route


def no_tables() -> t.List[str]:
    """Return the filter tables of iptables that do not exist yet."""
    there = commands.run(["nft", "list", "tables"]).out.splitlines()
    return [table for table in FILTERS.values() if f"table {table}" not in there]


def dropping_tables(chains: str) -> t.List[str]:
    """Return tables of nft, not iptables' own, whose policy drops what is forwarded (from ``nft list chains``)."""
    found = []
    table = ""
    for line in chains.splitlines():
        words = line.split()
        if words[:1] == ["table"] and len(words) > 2:
            table = f"{words[1]} {words[2]}"
        elif "hook forward" in line and "policy drop" in line and table not in FILTERS.values():
            found.append(table)
    return found


def data_file() -> str:
    """Return the file in which TAYGA keeps who has which address of the pool."""
    return f"{texts.DATA}/dynamic.map"
