# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A digest of what an audit must not change: addresses, routes, rules, settings of the kernel, and files of /etc.

It is made at the start and at the end of a look. What changes by itself is left out: counters, lifetimes, and what
packets put into sets. Almost all of it comes from /proc, since it is made twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_network, audit_text, commands
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

FILES = 20000  # far more than /etc has
TABLE = 4 << 20
CACHED = 0x01000000  # RTF_CACHE: what the kernel learned of one destination, such as its path MTU
FOLDER = "/etc"
PROC = "/proc/net"
SECONDS = 10.0


def _table(path: str) -> t.List[str]:
    try:
        with open(path, "rb") as stream:
            return stream.read(TABLE).decode(errors="replace").splitlines()
    except OSError:
        return []


def addresses() -> t.List[str]:
    """Return the addresses of both families: IPv6 with length and interface, IPv4 as such."""
    found = []
    for line in _table(f"{PROC}/if_inet6"):
        words = line.split()
        found.append(" ".join(words[:4] + words[5:]))  # without the flags, such as tentative
    last = ""
    for line in _table(f"{PROC}/fib_trie"):
        words = line.split()
        if words[:1] == ["|--"]:
            last = words[-1]
        elif words[:3] == ["/32", "host", "LOCAL"]:
            found.append(last)
    return sorted(set(found))


def routes() -> t.List[str]:
    """Return the routes of both families, without counters, and without what the kernel learned by itself."""
    found = []
    for line in _table(f"{PROC}/route")[1:]:
        words = line.split()
        found.append(" ".join(words[:4] + words[6:8]))  # interface, destination, gateway, flags; metric, mask
    for line in _table(f"{PROC}/ipv6_route"):
        words = line.split()
        if len(words) > 9 and not int(words[8], 16) & CACHED:
            # destination, source, next hop, metric; flags, interface. How long it lives is not there.
            found.append(" ".join([*words[:6], *words[8:10]]))
    return sorted(found)


def rules() -> t.List[str]:
    """Return the rules of all back ends, without counters and without the members of sets."""
    programs = [["nft", "-s", "-t", "list", "ruleset"]] if commands.found("nft") else []
    for name, loaded in (("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names")):
        legacy = bool(audit_text.value(f"{PROC}/{loaded}"))
        programs += [[f"{name}-legacy-save"]] if legacy and commands.found(f"{name}-legacy-save") else []
        if not commands.found("nft") and commands.found(f"{name}-save"):
            programs.append([f"{name}-save"])
    found = []
    for argv in programs:
        done = commands.run(argv, timeout=SECONDS)
        said = done.out if done.rc == 0 else done.said
        found += [f"{' '.join(argv)}: {done.rc}", *_uncounted(said)]
    return found


def _uncounted(saved: str) -> t.List[str]:
    """Return the lines without comments, which hold the time, and without counters."""
    lines = [re.sub(r"^\[\d+:\d+\] | \[\d+:\d+\]$", "", line) for line in saved.splitlines()]
    return [line for line in lines if not line.startswith("#")]


def settings() -> t.List[str]:
    """Return the settings of the kernel that the audit looks at.

    Those of connection tracking come and go with its module, which whoever lists rules may have loaded.
    """
    found = audit_network.settings()
    lines = [
        f"{family} {name} {key}={value}"
        for family, names in found.items()
        for name, values in names.items()
        for key, value in values.items()
    ]
    kernel = audit_network.kernel()
    return lines + [f"{name}={kernel[name]}" for name in audit_network.KERNEL if not name.startswith("net.netfilter.")]


def etc() -> t.List[str]:
    """Return the files of /etc with their size and the time of their last change."""
    found: t.List[str] = []
    folders = [FOLDER]
    while folders and len(found) < FILES:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    status = entry.stat(follow_symlinks=False)
                    found.append(f"{entry.path!r} {status.st_mode:o} {status.st_size} {status.st_mtime_ns}")
        except OSError:
            continue  # it is gone, or not for us to see; both times
    return sorted(found)


PARTS: t.Dict[str, t.Callable[[], t.List[str]]] = {
    "addresses": addresses,
    "routes": routes,
    "rules": rules,
    "settings": settings,
    "files": etc,
}


def snapshot() -> t.Dict[str, str]:
    """Return a digest of each part; of one that can't be read, why."""
    found = {}
    for name, ask in PARTS.items():
        try:
            lines = ask()
        except audit_text.UNREADABLE as error:
            lines = [f"{type(error).__name__}: {error}"]
        found[name] = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
    return found


def compared(before: t.Mapping[str, str], after: t.Mapping[str, str]) -> Data:
    """Return the two digests of all parts, and the names of the parts that differ."""
    return {
        "before": _whole(before),
        "after": _whole(after),
        "parts": sorted(name for name in before if before[name] != after.get(name)),
    }


def _whole(parts: t.Mapping[str, str]) -> str:
    return hashlib.sha256("\n".join(f"{name} {parts[name]}" for name in sorted(parts)).encode()).hexdigest()
