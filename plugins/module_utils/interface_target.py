# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See an interface of this host, and carry out the steps that were decided: live, without a flap, IPv4 left alone."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import struct
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import (
    Address,
    Operation,
    Record,
    Route,
    Seen,
    undone,
)

SYSCTLS = ("accept_ra", "autoconf", "use_tempaddr")
PROC = "/proc/sys/net/ipv6"
DAD_INTERVAL = 0.1
# What `ip route show` says of a route's state, and `ip route replace` does not understand.
_STATE = re.compile(r" (expires -?\d+sec|linkdown|dead|pref medium|error -?\d+|offload|trap)\b")

Link = t.Dict[str, t.Any]


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as handle:
            return handle.read().strip()
    except OSError:
        return ""


def links() -> t.List[Link]:
    """Return the interfaces with the addresses of both families."""
    found: t.List[Link] = json.loads(commands.check(["ip", "-j", "addr"]) or "[]")
    return found


def name_of(all_links: t.Sequence[Link], management: t.Optional[str]) -> str:
    """Find the interface that carries the management address, the IPv4 default route, or the only IPv4 address."""
    for link in all_links:
        if management and any(entry.get("local") == management for entry in link.get("addr_info", [])):
            return str(link["ifname"])
    routes = json.loads(commands.run(["ip", "-j", "-4", "route", "show", "default"]).out or "[]")
    for route in routes:
        if "dev" in route:
            return str(route["dev"])
    carrying = [
        str(link["ifname"])
        for link in all_links
        if any(entry.get("family") == "inet" and entry.get("scope") == "global" for entry in link.get("addr_info", []))
    ]
    if len(carrying) == 1:
        return carrying[0]
    raise RolloutError(
        f"name: no interface carries the management address {management or '(none given)'} and there is no IPv4 "
        f"default route; name the interface ({', '.join(carrying) or 'none has an IPv4 address'})"
    )


def refuse(name: str, all_links: t.Sequence[Link]) -> Link:
    """Return the interface, or refuse with the reason why it can't have an IPv6 address."""
    link = next((link for link in all_links if link.get("ifname") == name), None)
    if link is None:
        names = ", ".join(str(link.get("ifname")) for link in all_links)
        raise RolloutError(f"name: there is no interface {name}; this host has {names}")
    disabled = _read("/sys/module/ipv6/parameters/disable") == "1"
    if disabled or not os.path.isdir(PROC):
        raise RolloutError(
            "ipv6.disable: the kernel was started with ipv6.disable=1, so no interface can have an IPv6 address; "
            "remove it from the kernel's command line and reboot"
        )
    if _read(f"{PROC}/conf/{name}/disable_ipv6") == "1":
        raise RolloutError(
            f"net.ipv6.conf.{name}.disable_ipv6: it is 1, so {name} can't have an IPv6 address; set it to 0, and look "
            "in /etc/sysctl.conf and /etc/sysctl.d for what switches it on at boot"
        )
    if "UP" not in link.get("flags", []):
        raise RolloutError(f"name: {name} is down; bring it up first (no address is put on an interface that is down)")
    return link


def forwarding(name: str) -> bool:
    """Tell whether the interface forwards, as a router's does."""
    return _read(f"{PROC}/conf/{name}/forwarding") == "1"


def _addresses(link: Link) -> t.List[Address]:
    return [
        Address(entry["local"], entry["prefixlen"], bool(entry.get("dadfailed")), bool(entry.get("tentative")))
        for entry in link.get("addr_info", [])
        if entry.get("family") == "inet6" and entry.get("scope") != "link" and entry.get("local")
    ]


def default_routes() -> t.List[Route]:
    """Return the IPv6 default routes of the main table, each with the words that make it again."""
    text = commands.run(["ip", "-o", "-6", "route", "show", "default"]).out
    found = []
    for line in text.splitlines():
        words = _STATE.sub("", " ".join(line.replace("\\", " ").split()))
        parts = words.split()
        gateway = parts[parts.index("via") + 1] if "via" in parts else ""
        device = parts[parts.index("dev") + 1] if "dev" in parts else ""
        found.append(Route(gateway, device, words))
    return found


def see(name: str, all_links: t.Sequence[Link], record: Record, keys: t.Sequence[str] = SYSCTLS) -> Seen:
    """Return what the core decides on."""
    addresses = {str(link.get("ifname")): _addresses(link) for link in all_links}
    values = {key: _read(f"{PROC}/conf/{name}/{key}") for key in keys}
    return Seen(addresses, default_routes(), {key: value for key, value in values.items() if value}, record)


def _set_sysctl(name: str, setting: str) -> None:
    key, _equals, value = setting.partition("=")
    path = f"{PROC}/conf/{name}/{key}"
    try:
        with open(path, "w", encoding="ascii") as handle:
            handle.write(value)
    except OSError as error:
        raise RolloutError(f"net.ipv6.conf.{name}.{key}: it can't be set to {value}: {error.strerror}") from error


def _step(name: str, step: Operation) -> None:
    if step.kind == "sysctl":
        _set_sysctl(name, step.value)
    elif step.kind == "add":
        commands.check(["ip", "-6", "addr", "replace", step.value, "dev", name])
    elif step.kind == "remove":
        commands.check(["ip", "-6", "addr", "del", step.value, "dev", name])
    elif step.kind == "route":
        commands.check(["ip", "-6", "route", "replace", *step.value.split()])
    else:
        commands.check(["ip", "-6", "route", "del", *step.value.split()])


def wait_for_dad(name: str, added: t.Sequence[str], timeout: float) -> None:
    """Wait until the kernel has checked that nobody else has the addresses; raise where somebody has."""
    limit = time.monotonic() + timeout
    plain = {address.partition("/")[0] for address in added}
    while True:
        held = json.loads(commands.check(["ip", "-j", "-6", "addr", "show", "dev", name]) or "[]")
        seen = [address for link in held for address in _addresses(link) if address.text in plain]
        failed = [address.text for address in seen if address.dadfailed]
        if failed:
            other = who_has(name, failed[0])
            owner = f"the host with the MAC address {other}" if other else "another host on this link"
            raise RolloutError(
                f"addresses: {failed[0]} is a duplicate: {owner} has it already; it was taken off {name} again. "
                "Change the plan, or remove the address there"
            )
        missing = plain - {address.text for address in seen}
        if missing:
            raise RolloutError(f"addresses: {sorted(missing)[0]} vanished from {name} while it was checked; run again")
        if not any(address.tentative for address in seen):
            return
        if time.monotonic() >= limit:
            late = next(address.text for address in seen if address.tentative)
            raise RolloutError(
                f"addresses: {late} is still tentative after {timeout:g} s; look whether the link of {name} is up, "
                "or raise dad_timeout"
            )
        time.sleep(DAD_INTERVAL)


def apply(name: str, steps: t.Sequence[Operation], dad_timeout: float) -> None:
    """Carry out the steps; where one fails, undo those that were done and raise its error."""
    done: t.List[Operation] = []
    added: t.List[str] = []
    try:
        for step in steps:
            if added and step.kind != "add":
                wait_for_dad(name, added, dad_timeout)
                added = []
            _step(name, step)
            done.append(step)
            if step.kind == "add":
                added.append(step.value)
        if added:
            wait_for_dad(name, added, dad_timeout)
    except RolloutError:
        take_back(name, done)
        raise


def take_back(name: str, steps: t.Sequence[Operation]) -> None:
    """Undo steps as far as it goes: the error that led here is the one that tells what happened."""
    for step in undone(steps):
        try:
            _step(name, step)
        except RolloutError:
            continue


def who_has(name: str, address: str, timeout: float = 1.0) -> str:
    """Ask the link who has an address (RFC 4861 neighbour solicitation): the MAC address that answers, or nothing.

    The kernel does not say who the other one is, so the question is asked once more, from the link-local address.
    """
    try:
        index = socket.if_nametoindex(name)
        mac = bytes.fromhex(_read(f"/sys/class/net/{name}/address").replace(":", ""))
        target = ipaddress.IPv6Address(address).packed
        group = ipaddress.IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + target[13:])
        query = struct.pack("!BBHI", 135, 0, 0, 0) + target + b"\x01\x01" + mac
        with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
            sock.settimeout(timeout)
            sock.sendto(query, (str(group), 0, 0, index))
            limit = time.monotonic() + timeout
            while time.monotonic() < limit:
                answer = sock.recv(1500)
                if answer[:1] == b"\x88" and answer[8:24] == target and answer[24:26] == b"\x02\x01":
                    return ":".join(f"{byte:02x}" for byte in answer[26:32])
    except (OSError, ValueError):
        return ""
    return ""
