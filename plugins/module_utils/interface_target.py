# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""See an interface of this host, and carry out the steps that were decided: live, without a flap, IPv4 left alone."""

from __future__ import annotations

import ipaddress
import json
import os
import re
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
    Wanted,
    route_of,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_link import (
    LISTEN_WAIT,
    ask,
    refuse_heard,
    who_has,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_steps import RA, undone
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_sysctl import disabled_at_boot

SYSCTLS = ("accept_ra", "autoconf", "use_tempaddr", "disable_ipv6")
# The kernel's own kinds of routes.
KERNEL_ROUTES = ("local", "anycast", "multicast")
FLAGS = ("noprefixroute", "home", "nodad", "mngtmpaddr")
FOREVER = 0xFFFFFFFF
PROC = "/proc/sys/net/ipv6"
DAD_INTERVAL = 0.1
# What `ip route show` says of a route's state, and `ip route replace` does not understand.
_STATE = re.compile(r" (expires -?\d+sec|linkdown|dead|pref medium|error -?\d+|offload|trap)\b")

Link = t.Dict[str, t.Any]


class Limits(t.NamedTuple):
    """How long duplicate address detection may take, and what the user allows."""

    dad_timeout: float
    allow: t.Sequence[str] = ()


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
    try:
        wanted = str(ipaddress.ip_address(str(management)))  # addresses are written in many ways
    except ValueError:
        wanted = ""
    for link in all_links:
        if wanted and any(entry.get("local") == wanted for entry in link.get("addr_info", [])):
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


def link_of(name: str, all_links: t.Sequence[Link]) -> Link:
    """Return the interface, or refuse with the reason why it can't have an IPv6 address."""
    link = next((link for link in all_links if link.get("ifname") == name), None)
    if link is None:
        names = ", ".join(str(link.get("ifname")) for link in all_links)
        raise RolloutError(f"name: there is no interface {name}; this host has {names}")
    if _read("/sys/module/ipv6/parameters/disable") == "1" or not os.path.isdir(PROC):
        where = disabled_at_boot() or "the kernel's command line"
        raise RolloutError(
            f"ipv6.disable: the kernel was started with ipv6.disable=1 ({where}), so no interface can have an IPv6 "
            "address, and no sysctl can mend that; take it out there and reboot"
        )
    if "UP" not in link.get("flags", []):
        raise RolloutError(f"name: {name} is down; bring it up first (no address is put on an interface that is down)")
    return link


def forwarding(name: str) -> bool:
    """Tell whether the interface forwards, as a router's does."""
    return _read(f"{PROC}/conf/{name}/forwarding") == "1"


def _learnt(entry: t.Mapping[str, t.Any]) -> bool:
    """Tell whether the kernel made an address of a router advertisement; iproute2 of Debian 12 does not say it."""
    said = entry.get("protocol")
    by_flags = bool(entry.get("mngtmpaddr") or entry.get("temporary"))
    return bool(entry.get("dynamic")) and (said == "kernel_ra" if said else by_flags)


def _lifetime(entry: t.Mapping[str, t.Any], key: str) -> int:
    seconds = int(entry.get(key, FOREVER))
    return 0 if seconds == FOREVER else seconds


def _addresses(link: Link) -> t.List[Address]:
    return [
        Address(
            entry["local"],
            entry["prefixlen"],
            bool(entry.get("dadfailed")),
            bool(entry.get("tentative")),
            # One that is learnt goes through this state by itself.
            bool(entry.get("deprecated")) and not _learnt(entry),
            _learnt(entry),
            0 if _learnt(entry) else _lifetime(entry, "valid_life_time"),
            0 if _learnt(entry) else _lifetime(entry, "preferred_life_time"),
            () if _learnt(entry) else tuple(flag for flag in FLAGS if entry.get(flag)),
        )
        for entry in link.get("addr_info", [])
        if entry.get("family") == "inet6" and entry.get("scope") != "link" and entry.get("local")
    ]


def routes() -> t.List[Route]:
    """Return the IPv6 routes of the main table, each with the words that make it again."""
    found = []
    for line in commands.run(["ip", "-o", "-6", "route", "show"]).out.splitlines():
        text = " ".join(line.replace("\\", " ").split())
        if text and text.split()[0] not in KERNEL_ROUTES:
            left = re.search(r" expires (\d+)sec", text)
            route = route_of(_STATE.sub("", text), " expires " in text)
            again = f"{route.words} expires {left.group(1)}" if left and not route.learnt else route.words
            found.append(route._replace(words=again))
    return found


def see(name: str, all_links: t.Sequence[Link], record: Record, keys: t.Sequence[str] = SYSCTLS) -> Seen:
    """Return what the core decides on."""
    addresses = {str(link.get("ifname")): _addresses(link) for link in all_links}
    return Seen(addresses, routes(), sysctls(name, keys), record)


def sysctls(name: str, keys: t.Sequence[str] = SYSCTLS) -> t.Dict[str, str]:
    """Return an interface's sysctls, those that it has."""
    values = {key: _read(f"{PROC}/conf/{name}/{key}") for key in keys}
    return {key: value for key, value in values.items() if value}


def _set_sysctl(name: str, setting: str) -> None:
    key, _equals, value = setting.partition("=")
    path = f"{PROC}/conf/{name}/{key}"
    try:
        with open(path, "w", encoding="ascii") as handle:
            handle.write(value)
    except OSError as error:
        raise RolloutError(f"net.ipv6.conf.{name}.{key}: it can't be set to {value}: {error.strerror}") from error


def _make_route(words: t.Sequence[str]) -> None:
    if "nhid" not in words:
        commands.check(["ip", "-6", "route", "replace", *words])
        return
    # `ip route show` tells where a nexthop object leads to, and `ip route replace` takes one or the other.
    unwanted = {words.index(key) + offset for key in ("via", "dev") if key in words for offset in (0, 1)}
    by_object = [word for place, word in enumerate(words) if place not in unwanted]
    if commands.run(["ip", "-6", "route", "replace", *by_object]).rc != 0:
        place = words.index("nhid")
        commands.check(["ip", "-6", "route", "replace", *words[:place], *words[place + 2 :]])


def _step(name: str, step: Operation) -> None:
    words = step.value.split()
    if step.kind == "sysctl":
        _set_sysctl(name, step.value)
    elif step.kind == "add":
        commands.check(["ip", "-6", "addr", "replace", *words, "dev", name])
    elif step.kind == "lifetime":
        commands.check(["ip", "-6", "addr", "change", *words, "dev", name])
    elif step.kind == "remove":
        commands.check(["ip", "-6", "addr", "del", words[0], "dev", name])
    elif step.kind == "route":
        _make_route(words)
    elif step.kind == "unroute":
        commands.check(["ip", "-6", "route", "del", *words])
    # What was learnt may be gone already: its time may be over, or what it belongs to was removed.
    elif words[0] == "route":
        commands.run(["ip", "-6", "route", "del", *words[1:]])
    else:
        commands.run(["ip", "-6", "addr", "del", words[0], "dev", name])


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


def wait_for_link_local(name: str, timeout: float) -> bool:
    """Wait until the interface has a link-local address to ask from; tell whether it has."""
    limit = time.monotonic() + timeout
    while True:
        held = json.loads(commands.check(["ip", "-j", "-6", "addr", "show", "dev", name, "scope", "link"]) or "[]")
        entries = [entry for link in held for entry in link.get("addr_info", []) if entry.get("local")]
        if any(not entry.get("tentative") and not entry.get("dadfailed") for entry in entries):
            return True
        if time.monotonic() >= limit:
            return False
        time.sleep(DAD_INTERVAL)


def _answers_anyway(name: str, router: str) -> bool:
    """Tell whether nobody has to answer for a router: a neighbour that was set by hand, or a link without them."""
    known = commands.run(["ip", "-o", "-6", "neigh", "show", router, "dev", name]).out.split()
    return bool({"PERMANENT", "NOARP"} & set(known))


def probe(link: Link, wish: Wanted, limits: Limits, step: Operation) -> None:
    """Ask the link what the next steps depend on, and refuse what it contradicts."""
    name, words = wish.name, step.value.split()
    routers = [word for word in words if word != RA and not _answers_anyway(name, word)]
    if {"NOARP", "POINTOPOINT"} & set(link.get("flags", [])):
        routers = []
    if not wait_for_link_local(name, limits.dad_timeout):
        if not words:
            return
        raise RolloutError(
            f"name: {name} has no link-local address after {limits.dad_timeout:g} s, so no router can be reached "
            "over it; look whether its link is up and whether addr_gen_mode is 1 (none)"
        )
    try:
        heard = ask(name, routers, LISTEN_WAIT, RA in words)
    except (OSError, ValueError) as error:
        raise RolloutError(f"name: the link of {name} can't be asked for its routers: {error}") from error
    refuse_heard(name, wish.addresses, routers, RA in words, heard, limits.allow)


def apply(
    name: str,
    steps: t.Sequence[Operation],
    dad_timeout: float,
    look: t.Callable[[Operation], None] = lambda step: None,
) -> None:
    """Carry out the steps; where one fails, undo those that were done and raise its error. ``look`` does a probe."""
    done: t.List[Operation] = []
    added: t.List[str] = []
    try:
        for step in steps:
            if added and step.kind != "add":
                wait_for_dad(name, added, dad_timeout)
                added = []
            if step.kind == "probe":
                look(step)
                continue
            _step(name, step)
            done.append(step)
            if step.kind == "add":
                added.append(step.value.split()[0])
        if added:
            wait_for_dad(name, added, dad_timeout)
    except Exception:
        take_back(name, done)
        raise


def take_back(name: str, steps: t.Sequence[Operation]) -> None:
    """Undo steps as far as it goes: the error that led here is the one that tells what happened."""
    for step in undone(steps):
        try:
            _step(name, step)
        except (RolloutError, OSError):
            continue
    ask_routers(name)


def ask_routers(name: str) -> None:
    """Where the kernel reads router advertisements, ask for one, so that what it had learnt is back at once."""
    if sysctls(name, ["accept_ra"]).get("accept_ra", "0") != "0":
        try:
            ask(name, [], LISTEN_WAIT)
        except (OSError, ValueError):
            pass  # a link that can't be asked had nothing to tell either
