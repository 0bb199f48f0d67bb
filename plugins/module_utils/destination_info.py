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
import sys
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels, commands, gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import (
    Row,
    find,
    read_prefix,
)

# The kinds of interface whose packets are encapsulated for glibc (sysdeps/unix/sysv/linux/check_native.c).
TUNNELS = ("ipip", "tunnel6", "sit")

TIMEOUT = 60  # seconds
# What a process of its own runs: the addresses, or the number of an error and its words.
ASK = """
import json, socket, sys
name, port = json.load(sys.stdin)
found, number, reason = [], None, None
try:
    found = [(int(one[0]), one[4]) for one in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
except socket.gaierror as error:
    number, reason = error.errno, error.strerror or str(error)
except ValueError as error:  # UnicodeError too: what no name server can be asked for
    reason = str(error)
json.dump([found, number, reason], sys.stdout)
"""

Entry = t.Dict[str, t.Any]


def look(name: str, port: int) -> Entry:
    """Return everything that decides which address of a name a connection from this host takes."""
    if not name.strip():
        raise RolloutError(f"name: {shown(name)} is empty; write the name that connections go to")
    if not 1 <= port <= 65535:
        raise RolloutError(f"port: {port} is no port; write a number from 1 to 65535")
    conf = read(gai_conf.PATH)
    order, problem = resolve(name, port, crashes(conf))
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
        "gai_conf": gai(conf),
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


def crashes(content: bytes) -> t.List[str]:
    """Return the lines of a gai.conf that make getaddrinfo() crash, in sentences."""
    return [line.remark(line.why) for line in gai_conf.lines(content) if line.why == gai_conf.CRASH]


def resolve(name: str, port: int, suspects: t.Sequence[str] = ()) -> t.Tuple[t.List[Entry], str]:
    """Return the addresses of a name in the order of getaddrinfo(), each with its source; or why there are none.

    A process of its own asks, since a line of gai.conf (a suspect) may crash the C library.
    """
    done = commands.run([sys.executable, "-I", "-S", "-c", ASK], json.dumps([name, port]), timeout=TIMEOUT)
    if done.rc == 124:
        return [], f"{shown(name)} can't be looked up: the resolver of the host gave no answer in {TIMEOUT} s"
    if done.rc < 0:
        reason = "; ".join(suspects) or "the reason is not known"
        return [], f"{shown(name)} can't be looked up: getaddrinfo() crashes on this host (signal {-done.rc}): {reason}"
    if done.rc:
        return [], f"{shown(name)} can't be looked up: {done.said}"
    found, number, reason = json.loads(done.out)
    if reason is not None:
        return [], _why_unresolved(name, number, reason)
    return [_destination(family, tuple(target)) for family, target in found], ""


def _why_unresolved(name: str, number: t.Optional[int], reason: str) -> str:
    if number in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return f"{shown(name)} has no address: the host's name service does not know it"
    if number == socket.EAI_AGAIN:
        return f"{shown(name)} can't be looked up now: no name server of the host answers"
    return f"{shown(name)} can't be looked up: {reason}"


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
    if len(name) < 4 or not name[3] or "%" in address:
        return address
    number = int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
    # An index may stand with any address, but means something only where the address holds on one link alone.
    if not (number >> 118 == 0x3FA or (number >> 120 == 0xFF and number >> 112 & 0xF in (1, 2))):
        return address
    try:
        return f"{address}%{socket.if_indextoname(name[3])}"
    except OSError:  # there is no such interface
        return f"{address}%{name[3]}"


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
            remarks.append(line.remark(why))
    labels, precedences = gai_conf.tables(content)
    return {
        "rows": [row._asdict() for row in merged(labels, precedences)],
        "scopes": [{"prefix": prefix, "scope": scope} for prefix, scope in gai_conf.scopes(content).items()],
        "replaced": sorted({line.kind for line in lines if line.prefix}),
        "reload": reload,
        "remarks": remarks,
    }


def merged(labels: t.Dict[str, int], precedences: t.Dict[str, int]) -> t.List[Row]:
    """Return one table for two. glibc keeps labels and precedences apart, and each may lack prefixes of the other."""
    by_label = [Row(prefix, 0, label) for prefix, label in labels.items()]
    by_precedence = [Row(prefix, precedence, 0) for prefix, precedence in precedences.items()]
    rows = []
    for prefix in dict.fromkeys([*precedences, *labels]):
        first, length = read_prefix(prefix, "prefix")
        precedence = find(by_precedence, first, length).precedence
        rows.append(Row(prefix, precedence, find(by_label, first, length).label))
    return rows
