# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for clients on this host: each socket with the families it serves, and with who holds it."""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import socket_diag, socket_owners
from ansible_collections.ipv6.rollout.plugins.module_utils.socket_diag import Socket
from ansible_collections.ipv6.rollout.plugins.module_utils.socket_owners import MANAGER, Process, SocketUnit

Data = t.Dict[str, t.Any]

# Protocols with clients of which sock_diag is not asked here. Where there are any, the report says so.
OTHERS = ("SCTP", "SCTPv6", "DCCP", "DCCPv6", "UDP-Lite", "UDPLITEv6")


def look() -> Data:
    """Return the ``listeners`` of this host, and in ``sockets`` what is not known of them."""
    sockets, exact = socket_diag.waiting()
    owners, complete = socket_owners.holders({entry.inode for entry in sockets if entry.inode})
    units: t.List[SocketUnit] = []
    if any(one.pid == 1 and one.name == MANAGER for found in owners.values() for one in found):
        units = socket_owners.socket_units()
    entries = [entry(group, owners, units) for group in alike(sockets)]
    specific = [one for one in entries if one["ipv6"] and one["scope"] in ("global", "link")]
    waits = socket_owners.wait_for_network(
        {one["socket_unit"] or one["unit"] for one in specific if one["socket_unit"] or one["unit"]}
    )
    for one in entries:
        one["waits"] = waits.get(one["socket_unit"] or one["unit"])
    return {
        "listeners": entries,
        "sockets": {"exact": exact, "complete": complete, "others": others(_protocols())},
    }


def alike(sockets: t.Iterable[Socket]) -> t.List[t.List[Socket]]:
    """Put sockets together that differ in nothing that clients see, as ``SO_REUSEPORT`` makes them."""
    groups: t.Dict[t.Tuple[t.Any, ...], t.List[Socket]] = {}
    for one in sockets:
        groups.setdefault(one[:7], []).append(one)
    order = sorted(groups, key=lambda key: (key[0], key[3], key[1], key[2], str(key)))
    return [groups[key] for key in order]


def entry(group: t.Sequence[Socket], owners: t.Mapping[int, t.List[Process]], units: t.Sequence[SocketUnit]) -> Data:
    """Return one entry of the list for sockets that are alike."""
    one = group[0]
    found = sorted({process for member in group for process in owners.get(member.inode, ())})
    # The program that serves comes before systemd, which only opened the socket for it.
    found.sort(key=lambda process: process.pid == 1)
    first = found[0] if found else Process(0, "", "", socket_owners.user_name(one.user), "")
    held = next((unit for unit in units if _listens(unit, one)), None) if any(p.pid == 1 for p in found) else None
    return {
        "protocol": one.protocol,
        "address": one.address,
        "port": one.port,
        "device": device(one.device),
        "scope": scope(one.address),
        "v6only": one.v6only,
        "freebind": one.freebind,
        **serves(one),
        "sockets": len(group),
        "process": first.name,
        "program": first.program,
        "pid": first.pid,
        "user": first.user,
        "unit": first.unit,
        "processes": processes(found),
        "socket_unit": held.name if held else "",
        "starts": held.starts if held else "",
    }


def serves(one: Socket) -> t.Dict[str, t.Optional[bool]]:
    """Tell which clients a socket serves; None where ``IPV6_V6ONLY`` decides and is not known.

    The kernel sets it for a socket that is bound to an IPv6 address of its own, so only ``::`` leaves a choice.
    """
    if one.family == "ipv4":
        return {"ipv4": True, "ipv6": False}
    if one.address.startswith("::ffff:"):
        return {"ipv4": True, "ipv6": False}
    if one.address != "::":
        return {"ipv4": False, "ipv6": True}
    return {"ipv4": None if one.v6only is None else not one.v6only, "ipv6": True}


def scope(text: str) -> str:
    """Tell from where an address can be reached: ``wildcard`` (any address), ``loopback``, ``link`` or ``global``.

    ``multicast`` is an address of a group. An IPv4-mapped address is what the IPv4 address is.
    """
    found = ipaddress.ip_address(text.replace("::ffff:", "") if text.startswith("::ffff:") else text)
    if found.is_unspecified:
        return "wildcard"
    if found.is_loopback:
        return "loopback"
    if found.is_multicast:
        return "multicast"
    return "link" if found.is_link_local else "global"


def device(number: int) -> str:
    """Return the name of the interface that a socket is bound to; empty for any."""
    if not number:
        return ""
    try:
        return socket.if_indextoname(number).encode(errors="replace").decode()
    except OSError:
        return str(number)  # it went away, and the socket hears nobody any more


def processes(found: t.Iterable[Process]) -> t.List[Data]:
    """Return the holders of a socket; the processes of one program, such as its workers, are one entry."""
    groups: t.Dict[t.Tuple[str, ...], t.List[int]] = {}
    for one in found:
        groups.setdefault(one[1:], []).append(one.pid)
    return [
        {"process": name, "program": program, "user": user, "unit": unit, "pids": pids}
        for (name, program, user, unit), pids in groups.items()
    ]


def _listens(unit: SocketUnit, one: Socket) -> bool:
    return (one.protocol, one.address, one.port) in unit.listens


def _protocols() -> str:
    try:
        with open("/proc/net/protocols", encoding="ascii", errors="replace") as table:
            return table.read()
    except OSError:
        return ""


def others(table: str) -> t.Dict[str, int]:
    """Return how many sockets there are of the protocols that are not looked at, from /proc/net/protocols."""
    rows = re.findall(r"^(\S+)\s+\d+\s+(\d+)\s", table, re.MULTILINE)
    return {name: int(count) for name, count in rows if name in OTHERS and int(count) > 0}
