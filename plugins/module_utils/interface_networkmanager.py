# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NetworkManager: the [ipv6] section of the profile that is active on the interface.

The profile is loaded, never applied again: ``nmcli device reapply`` takes all IPv6 addresses away for two seconds, and
every IPv4 address that NetworkManager does not know. The addresses are live by ``ip``; NetworkManager leaves them
alone, and has them in its profile for the next activation.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_backend import (
    HEADER,
    Files,
    all_routes,
    is_default,
    own_name,
    private,
    text,
)

CONNECTIONS = "/etc/NetworkManager/system-connections"
DISPATCHER = "/etc/NetworkManager/dispatcher.d"
_SECTION = re.compile(r"^\[(.+)\]\s*$")
_ADDRESS = re.compile(r"^address(?:es)?(\d*)\s*=\s*([^;,]+)(,[^;]*)?;?\s*$")
_ROUTE = re.compile(r"^routes?(\d*)\s*=\s*([^;,]+)(?:,([^,;]*))?(?:,(\d*))?;?\s*$")
_ROUTE_OPTIONS = re.compile(r"^routes?(\d*)_options\s*=")
_OURS = re.compile(r"^(method|ip6-privacy)\s*=")
# What this collection writes for these two; any other value is somebody's own.
_WRITTEN = re.compile(r"^(?:method\s*=\s*(?:auto|manual)|ip6-privacy\s*=\s*[02])\s*$")
_GATEWAY = re.compile(r"^(gateway|never-default)\s*=")


def mac_of(name: str) -> str:
    """Return the MAC address of an interface."""
    return text(f"/sys/class/net/{name}/address").strip()


def device(name: str) -> t.Dict[str, str]:
    """Return what NetworkManager says of an interface: ``STATE``, ``CON-UUID``; nothing where it does not run."""
    if not commands.found("nmcli"):
        return {}
    fields = "GENERAL.STATE,GENERAL.CON-UUID"
    done = commands.run(["nmcli", "-t", "-e", "no", "-f", fields, "device", "show", name])
    found = [line.partition(":") for line in done.out.splitlines() if done.rc == 0]
    return {key.rpartition(".")[2]: value for key, _colon, value in found}


def profile(name: str) -> t.Tuple[str, str]:
    """Return the identifier and the file of the profile that NetworkManager brought an interface up with.

    One that NetworkManager made up for what others had configured ("externally") is none.
    """
    says = device(name)
    if "external" in says.get("STATE", "external") or not says.get("CON-UUID"):
        return "", ""
    listed = commands.run(["nmcli", "-t", "-e", "no", "-f", "UUID,FILENAME", "connection", "show"]).out
    for line in listed.splitlines():
        uuid, _colon, path = line.partition(":")
        if uuid == says["CON-UUID"]:
            return uuid, path
    return "", ""


def profile_path(name: str) -> str:
    """Return the file of an interface's active profile, or nothing."""
    return profile(name)[1]


def _decoded(content: t.Optional[bytes]) -> str:
    """Return a profile as text that gives back the same bytes, whatever they are (the name of a network, say)."""
    return (content or b"").decode(errors="surrogateescape")


def _encoded(content: str) -> bytes:
    return content.encode(errors="surrogateescape")


def _sections(content: str) -> t.List[t.List[str]]:
    """Return the lines of each section with its head; what comes before the first one is the first."""
    parts: t.List[t.List[str]] = [[]]
    for line in content[:-1].split("\n") if content.endswith("\n") else content.split("\n"):
        if _SECTION.match(line):
            parts.append([])
        parts[-1].append(line)
    return parts


def _is_ipv6(part: t.Sequence[str]) -> bool:
    return bool(part) and part[0].strip() == "[ipv6]"


def with_section(content: str, section: t.Sequence[str]) -> str:
    """Return a keyfile with another [ipv6] section (without its head), in the place of the old one or at the end."""
    parts = _sections(content)
    new = ["[ipv6]", *section]
    places = [number for number, part in enumerate(parts) if _is_ipv6(part)]
    if places:
        # Several sections of one name are one, so the others go.
        parts = [new if number == places[0] else part for number, part in enumerate(parts) if number not in places[1:]]
    else:
        before = parts[-1]
        parts = [*parts[:-1], [*before, *([""] if before and before[-1].strip() else [])], new]
    return "".join(line + "\n" for part in parts for line in part)


def section_of(content: str) -> t.Optional[t.List[str]]:
    """Return the lines of the [ipv6] section without its head, or None where there is no such section.

    As GLib reads a keyfile: sections of one name are one, and of several lines for a key the last one counts.
    """
    found = [part[1:] for part in _sections(content) if _is_ipv6(part)]
    lines = [line for part in found for line in part]
    keys = [line.partition("=")[0].strip() if "=" in line and not line.startswith("#") else "" for line in lines]
    merged = [line for number, line in enumerate(lines) if not keys[number] or keys[number] not in keys[number + 1 :]]
    return merged if found else None


def _same_network(value: str) -> str:
    try:
        return ipaddress.IPv6Network(value.strip(), strict=False).with_prefixlen
    except ValueError:
        return value.strip()


def _same_address(value: str) -> str:
    try:
        return ipaddress.IPv6Interface(value.strip()).with_prefixlen
    except ValueError:
        return value.strip()


def kept(lines: t.Sequence[str], wish: Wanted) -> t.List[str]:
    """Return the lines of the user's [ipv6] section that stay beside ours: all, but another default route."""
    mine = {_same_address(address.text) for address in wish.addresses}
    gone = {_same_network(route.to) for route in wish.routes}
    default = wish.gateway is not None
    stay: t.List[str] = []
    dropped: t.Set[str] = set()
    for line in lines:
        address, route, options = _ADDRESS.match(line), _ROUTE.match(line), _ROUTE_OPTIONS.match(line)
        if _OURS.match(line) or (default and _GATEWAY.match(line)):
            continue
        if address and _same_address(address.group(2)) in mine:
            continue
        if address and default:
            stay.append(f"address{address.group(1)}={address.group(2).strip()}")
        elif route and (_same_network(route.group(2)) in gone or (default and is_default(route.group(2).strip()))):
            dropped.add(route.group(1))
        elif not (options and options.group(1) in dropped):
            stay.append(line)
    return stay


def _changed_router(route: re.Match[str], routers: t.Mapping[str, str]) -> bool:
    """Tell whether a route has another router than the one that we wrote."""
    wrote = routers.get(_same_network(route.group(2)))
    return wrote is not None and _same_address(route.group(3) or "") != _same_address(wrote)


def theirs(
    now: t.Sequence[str],
    saved: t.Sequence[str],
    addresses: t.Collection[str],
    routes: t.Collection[str],
    routers: t.Optional[t.Mapping[str, str]] = None,
) -> t.List[str]:
    """Return the [ipv6] section as it would be without us: as saved, with what others changed since.

    ``addresses`` and ``routes`` (destinations) are what this collection wrote, ``routers`` the router of each route.
    Where nobody edited the section, this is what was saved, line by line.
    """
    held = [*filter(None, map(_ADDRESS.match, saved))], [*filter(None, map(_ROUTE.match, saved))]
    known = {_same_address(value) for value in (*addresses, *(found.group(2) for found in held[0]))}
    places = {_same_network(value) for value in (*routes, *(found.group(2) for found in held[1]))}
    new: t.List[str] = []
    dropped: t.Set[str] = set()
    # A method that we never write, and a router that we did not write, are somebody's later will.
    moved: t.Set[str] = set()
    chosen: t.Set[str] = set()
    for line in now:
        address, route, options = _ADDRESS.match(line), _ROUTE.match(line), _ROUTE_OPTIONS.match(line)
        ours = _OURS.match(line)
        if not line.strip() or line in saved or (options and options.group(1) in dropped):
            continue
        if ours and _WRITTEN.match(line):
            continue
        if ours:
            chosen.add(ours.group(1))
            new.append(line)
        elif route and _changed_router(route, routers or {}):
            moved.add(_same_network(route.group(2)))
            new.append(line)
        elif route and _same_network(route.group(2)) in places:
            dropped.add(route.group(1))
        elif not (address and _same_address(address.group(2)) in known):
            new.append(line)
    # What we replace is missing now because of us, everything else because somebody took it out.
    replaced = (_OURS, _GATEWAY, _ADDRESS, _ROUTE, _ROUTE_OPTIONS)
    stay = [
        line for line in saved if not line.strip() or line in now or any(pattern.match(line) for pattern in replaced)
    ]
    stay = _without_changed(stay, chosen, moved)
    blank = []
    while stay and not stay[-1].strip():
        blank.append(stay.pop())
    return [*stay, *new, *blank]


def _without_changed(saved: t.Sequence[str], chosen: t.Collection[str], moved: t.Collection[str]) -> t.List[str]:
    """Return the saved lines without those for which somebody has put another one since."""
    stay: t.List[str] = []
    dropped: t.Set[str] = set()
    for line in saved:
        ours, route, options = _OURS.match(line), _ROUTE.match(line), _ROUTE_OPTIONS.match(line)
        if (ours and ours.group(1) in chosen) or ("::/0" in moved and _GATEWAY.match(line)):
            continue
        if route and _same_network(route.group(2)) in moved:
            dropped.add(route.group(1))
        elif not (options and options.group(1) in dropped):
            stay.append(line)
    return stay


def section(lines: t.Sequence[str], wish: Wanted) -> t.List[str]:
    """Return the [ipv6] section as it is wanted: the user's lines, then ours."""
    stay = kept(lines, wish)
    blank = []
    while stay and not stay[-1].strip():
        blank.append(stay.pop())
    numbers = [int(found.group(1) or 0) for found in map(_ADDRESS.match, stay) if found]
    number = max(numbers, default=0)
    new = [f"method={'auto' if wish.accepts_ra else 'manual'}", f"ip6-privacy={2 if private(wish) else 0}"]
    for place, address in enumerate(wish.addresses, number + 1):
        new.append(f"address{place}={address.text}")
    number = max([int(found.group(1) or 0) for found in map(_ROUTE.match, stay) if found], default=0)
    for place, route in enumerate(all_routes(wish), number + 1):
        new += [f"route{place}={route.to},{route.via},{route.metric}", f"route{place}_options=onlink=true"]
    return [*stay, *new, *blank]


def _without_us(path: str, content: str) -> t.Optional[t.List[str]]:
    """Return a profile's [ipv6] section as it would be without us, or None where there would be none."""
    ledger = files.Ledger("interface")
    saved = ledger.before(path)
    now = section_of(content)
    if saved is None or now is None:
        return now
    held = [notes for notes in ledger.notes.values() if path in notes.get("files", [])]
    addresses = [address.split()[0] for notes in held for address in notes.get("addresses", [])]
    routers: t.Dict[str, str] = {}
    for words in [route.split() for notes in held for route in notes.get("routes", [])]:
        via = words[words.index("via") + 1] if "via" in words else ""
        routers[_same_network("::/0" if is_default(words[0]) else words[0])] = via
    before = section_of(_decoded(saved.content))
    lines = theirs(now, before or [], addresses, list(routers), routers)
    return lines if lines or before is not None else None


def dispatcher_text(wish: Wanted, uuid: str) -> str:
    """Return the script that makes addresses deprecated: a profile knows no lifetimes.

    It looks for three seconds, since NetworkManager calls it while it still removes and adds addresses. An address that
    is not there is left alone: the kernel would add it.
    """
    deprecated = [address.text for address in wish.addresses if address.deprecated]
    lines = [
        "#!/bin/sh",
        HEADER.rstrip("\n"),
        f'[ "$1" = {wish.name} ] && [ "$CONNECTION_UUID" = {uuid} ] || exit 0',
        'case "$2" in',
        "up | reapply | dhcp4-change | dhcp6-change) ;;",
        "*) exit 0 ;;",
        "esac",
        "n=0",
        'while [ "$n" -lt 15 ]; do',
        f"    for address in {' '.join(deprecated)}; do",
        f'        if [ -n "$(ip -6 -o addr show dev {wish.name} to "${{address%/*}}" -deprecated)" ]; then',
        f'            ip -6 addr change "$address" dev {wish.name} preferred_lft 0 noprefixroute',
        "        fi",
        "    done",
        "    n=$((n + 1))",
        "    sleep 0.2",
        "done",
        "exit 0",
    ]
    return "".join(line + "\n" for line in lines)


def _several(name: str) -> bool:
    """Tell whether the host has another interface that a profile could come up on."""
    return bool(set(os.listdir("/sys/class/net")) - {name, "lo"})


def wanted_files(wish: Wanted) -> t.Tuple[Files, t.List[str]]:
    """Return the files that NetworkManager needs, and remarks."""
    uuid, path = profile(wish.name)
    if not uuid:
        raise RolloutError(
            f"backend: NetworkManager has not brought up {wish.name}, so there is no profile to write to; "
            f"'nmcli device connect {wish.name}' does, or name another back end"
        )
    if not path.startswith(CONNECTIONS + "/"):
        raise RolloutError(
            f"backend: the profile of {wish.name} is in {path or 'no file at all'}, where no change of it lasts; "
            f"'nmcli connection modify {uuid} connection.autoconnect yes' copies it to {CONNECTIONS}; then run again"
        )
    content = _decoded(files.read(path))
    lines = _without_us(path, content) or []
    old = next((line.partition("=")[2].strip() for line in lines if re.match(r"^method\s*=", line)), "auto")
    if old == "shared":
        raise RolloutError(f"backend: {path} shares {wish.name} with others (method=shared); name another interface")
    wrote = {path: _encoded(with_section(content, section(lines, wish)))}
    if any(address.deprecated for address in wish.addresses):
        wrote[f"{DISPATCHER}/60-ipv6-rollout-{own_name(wish.name)}"] = dispatcher_text(wish, uuid).encode()
    remarks = []
    if not re.search(r"^(interface-name|mac-address)\s*=", content, re.MULTILINE) and _several(wish.name):
        remarks.append(
            f"{path} names no interface, so it may come up on another one; 'nmcli connection modify {uuid} "
            f"connection.interface-name {wish.name}' ties it to {wish.name}"
        )
    return wrote, remarks


def given_back(path: str, content: bytes, saved: bytes) -> t.Optional[bytes]:
    """Return a profile without our part, with what others changed since; None where it is what was saved."""
    now, before = _decoded(content), _decoded(saved)
    lines = _without_us(path, now)
    parts = [part for part in _sections(now) if not _is_ipv6(part)]
    left = "".join(line + "\n" for part in parts for line in part)
    others = [part for part in _sections(before) if not _is_ipv6(part)]
    same = left.split() == [word for part in others for line in part for word in line.split()]
    if same and " ".join(lines or []).split() == " ".join(section_of(before) or []).split():
        return None
    return _encoded(left if lines is None else with_section(now, lines))


def load(path: str) -> None:
    """Let NetworkManager read a profile again, without applying it; it does so by itself when it starts."""
    if device("lo"):
        commands.check(["nmcli", "connection", "load", path])


def settle(paths: t.Collection[str]) -> None:
    """Let NetworkManager read the profiles that were changed."""
    for path in paths:
        if path.startswith(CONNECTIONS + "/"):
            load(path)


def drop_prefix_routes(name: str, removed: t.Sequence[str]) -> None:
    """Remove the routes to prefixes on the link that have no address any more.

    The kernel does that by itself, but not where NetworkManager made the route (``noprefixroute``).
    """
    held = json.loads(commands.check(["ip", "-j", "-6", "addr", "show", "dev", name]) or "[]")
    used = {
        ipaddress.IPv6Interface(f"{entry['local']}/{entry['prefixlen']}").network
        for link in held
        for entry in link.get("addr_info", [])
        if entry.get("local")
    }
    for network in {ipaddress.IPv6Interface(address).network for address in removed} - used:
        words = [str(network), "dev", name, "proto", "kernel"]
        there = json.loads(commands.run(["ip", "-j", "-6", "route", "show", *words]).out or "[]")
        for route in there:
            # One that expires came with a router advertisement.
            if "expires" not in route:
                commands.run(["ip", "-6", "route", "del", *words, "metric", str(route.get("metric", 256))])
