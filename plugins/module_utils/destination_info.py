# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host knows of the way to a name: the answer of getaddrinfo(), the sources, and all that decides the order.

Nothing is sent but the questions of the resolver: connect() on a UDP socket only looks for a route and a source.
"""

from __future__ import annotations

import json
import os
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels, commands, gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import (
    LARGEST,
    MAPPED,
    Row,
    find,
    prefix_text,
    read_prefix,
)

# The kinds of interface whose packets are encapsulated for glibc (sysdeps/unix/sysv/linux/check_native.c).
TUNNELS = ("ipip", "tunnel6", "sit")

Entry = t.Dict[str, t.Any]


def look(name: str, port: int) -> Entry:
    """Return everything that decides which address of a name a connection from this host takes."""
    if not name.strip():
        raise RolloutError(f"name: {shown(name)} is empty; write the name that connections go to")
    if not 1 <= port <= 65535:
        raise RolloutError(f"port: {port} is no port; write a number from 1 to 65535")
    order, problem = resolve(name, port)
    if address_labels.available():
        labels, bound = address_labels.see()
    else:
        labels, bound = {}, []
    return {
        "name": name,
        "port": port,
        "literal": is_literal(name),
        "order": order,
        "problem": problem,
        "sources": sources(),
        "gai_conf": gai(read(gai_conf.PATH)),
        "labels": [{"prefix": prefix, "label": label} for prefix, label in labels.items()],
        "interface_labels": bound,
        "libc": libc(),
    }


def libc() -> str:
    """Return the name and version of the C library where it is glibc, else nothing."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""


def is_literal(name: str) -> bool:
    """Say whether a name is an address already, which nobody has to look up."""
    try:
        socket.getaddrinfo(name, None, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return False
    return True


def resolve(name: str, port: int) -> t.Tuple[t.List[Entry], str]:
    """Return the addresses of a name in the order of getaddrinfo(), each with its source; or why there are none."""
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return [], _why_unresolved(name, error)
    except ValueError as error:  # UnicodeError too: what no name server can be asked for
        return [], f"{shown(name)} can't be looked up: {error}"
    return [_destination(one[0], one[4]) for one in found], ""


def _why_unresolved(name: str, error: socket.gaierror) -> str:
    if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return f"{shown(name)} has no address: the host's name service does not know it"
    if error.errno == socket.EAI_AGAIN:
        return f"{shown(name)} can't be looked up now: no name server of the host answers"
    return f"{shown(name)} can't be looked up: {error.strerror or error}"


def _destination(family: int, target: t.Tuple[t.Any, ...]) -> Entry:
    entry: Entry = {"address": _with_zone(target), "source": None, "why": ""}
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as one:
            one.connect(target)
            entry["source"] = _with_zone(one.getsockname())
    except OSError as error:
        entry["why"] = error.strerror or str(error)
    return entry


def _with_zone(name: t.Tuple[t.Any, ...]) -> str:
    address = str(name[0])
    if len(name) == 4 and name[3] and "%" not in address:
        address += f"%{socket.if_indextoname(name[3])}"
    return address


def sources() -> t.List[Entry]:
    """Return the addresses of the host, with the flags that address selection looks at."""
    found = []
    for link in json.loads(commands.check(["ip", "-j", "addr"]) or "[]"):
        for one in link.get("addr_info") or []:
            if "local" not in one:
                continue
            found.append(
                {
                    "address": one["local"],
                    "length": one["prefixlen"],
                    "interface": link.get("ifname", ""),
                    "peer": one.get("address"),
                    # glibc counts an optimistic address (RFC 4429) among the deprecated ones.
                    "deprecated": bool(one.get("deprecated") or one.get("optimistic")),
                    "temporary": one["family"] == "inet6" and bool(one.get("temporary")),
                    "home": bool(one.get("home")),
                    "tentative": bool(one.get("tentative")),
                    "tunnel": link.get("link_type") in TUNNELS,
                }
            )
    return found


def read(path: str) -> bytes:
    """Return a file, or nothing where there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise RolloutError(f"{path}: {error.strerror}; run as root, such as with become") from error


def gai(content: bytes) -> Entry:
    """Return what glibc goes by with this gai.conf, and what in it does nothing."""
    lines = gai_conf.lines(content)
    remarks = []
    seen: t.Set[t.Tuple[str, str]] = set()
    reload = False
    for line in lines:
        why = line.why
        if line.prefix:
            if (line.kind, line.prefix) in seen:
                why = "glibc ignores it: an earlier line has this prefix"
            seen.add((line.kind, line.prefix))
        elif line.kind == "reload":
            reload = line.text.split("#")[0].split()[1:2] == ["yes"]
        if why:
            remarks.append(f"{gai_conf.PATH} line {line.number}: {line.text}: {why}")
    scopes, odd = _scopes(lines)
    labels, precedences = gai_conf.tables(content)
    replaced = sorted({line.kind for line in lines if line.prefix} | ({"scopev4"} if scopes else set()))
    return {
        "rows": [row._asdict() for row in merged(labels, precedences)],
        "scopes": scopes,
        "replaced": replaced,
        "reload": reload,
        "remarks": remarks + odd,
    }


def merged(labels: t.Dict[str, int], precedences: t.Dict[str, int]) -> t.List[Row]:
    """Return one table for two. glibc keeps labels and precedences apart, and each may lack prefixes of the other."""
    by_label = [Row(prefix, 0, label) for prefix, label in labels.items()]
    by_precedence = [Row(prefix, precedence, 0) for prefix, precedence in precedences.items()]
    rows = []
    for prefix in dict.fromkeys([*precedences, *labels]):
        first, length = read_prefix(prefix, "prefix")
        rows.append(Row(prefix, _of(by_precedence, first, length).precedence, _of(by_label, first, length).label))
    return rows


def _of(rows: t.List[Row], first: int, length: int) -> Row:
    """Return the row that holds a whole prefix."""
    return find([row for row in rows if read_prefix(row.prefix, "prefix")[1] <= length], first)


def _scopes(lines: t.List[gai_conf.Line]) -> t.Tuple[t.List[Entry], t.List[str]]:
    """Return the rows of the ``scopev4`` lines, and what is wrong in them. One line replaces the whole table."""
    found: t.Dict[str, int] = {}
    odd = []
    for line in lines:
        if line.kind != "scopev4":
            continue
        prefix, value = (line.text.split("#")[0].split()[1:] + ["", ""])[:2]
        try:
            first, length = read_prefix(prefix, "prefix")
            if length < 96 or first >> 32 != MAPPED >> 32 or not 0 <= int(value) <= LARGEST:
                raise ValueError(value)
        except (RolloutError, ValueError):
            odd.append(f"{gai_conf.PATH} line {line.number}: {line.text}: glibc ignores it, or nobody can tell")
            continue
        found.setdefault(prefix_text(first, length), int(value))
    if found:
        found.setdefault("::ffff:0:0/96", 14)
    return [{"prefix": prefix, "scope": scope} for prefix, scope in found.items()], odd
