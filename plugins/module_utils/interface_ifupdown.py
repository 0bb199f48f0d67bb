# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown: our file in /etc/network/interfaces.d."""

from __future__ import annotations

import fnmatch
import glob
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
    own_name,
    text,
)

INTERFACES = "/etc/network/interfaces"
INTERFACES_D = "/etc/network/interfaces.d"
SOURCE = f"source {INTERFACES_D}/60-ipv6-rollout-*\n"
# Words that start a stanza of interfaces(5).
STARTERS = (
    "auto",
    "iface",
    "mapping",
    "source",
    "source-directory",
    "template",
    "no-auto-down",
    "no-scripts",
    "rename",
)


class Stanza(t.NamedTuple):
    """An ``iface`` stanza: interface, family, method, and its options."""

    name: str
    family: str
    method: str
    options: t.Tuple[t.Tuple[str, str], ...]


def logical_lines(content: str) -> t.List[str]:
    """Return the lines of interfaces(5): joined where they end in a backslash, without comments and empty ones."""
    joined = re.sub(r"\\\n", " ", content)
    lines = [line.strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def sourced(content: str, path: str, folder: str = "/etc/network") -> bool:
    """Tell whether an interfaces file reads another file, by ``source`` or ``source-directory``."""
    for line in logical_lines(content):
        word, _space, pattern = line.partition(" ")
        pattern = os.path.join(folder, pattern.strip())
        if word == "source" and fnmatch.fnmatch(path, pattern):
            return True
        if word == "source-directory" and fnmatch.fnmatch(os.path.dirname(path), pattern.rstrip("/")):
            return True
    return False


def stanzas(content: str) -> t.Tuple[t.Set[str], t.List[Stanza]]:
    """Return the interfaces that come up at boot, and all ``iface`` stanzas."""
    boot: t.Set[str] = set()
    found: t.List[Stanza] = []
    inside = False
    for line in logical_lines(content):
        words = line.split()
        starts = words[0] in STARTERS or words[0].startswith("allow-")
        if words[0] == "auto" or words[0] in ("allow-auto", "allow-hotplug"):
            boot.update(words[1:])
        if starts:
            inside = words[0] == "iface" and len(words) >= 4
            if inside:
                found.append(Stanza(words[1], words[2], words[3], ()))
        elif inside and len(words) > 1:
            found[-1] = found[-1]._replace(options=(*found[-1].options, (words[0], " ".join(words[1:]))))
    return boot, found


def knows(name: str) -> str:
    """Return the file with a stanza of an interface, or nothing where ifupdown does not know it."""
    main = text(INTERFACES)
    for path in [INTERFACES, *sorted(glob.glob(INTERFACES_D + "/*"))]:
        read = path == INTERFACES or sourced(main, path)
        if read and any(stanza.name == name for stanza in stanzas(text(path))[1]):
            return path
    return ""


def file_text(wish: Wanted, boot: t.Collection[str], others: t.Sequence[Stanza]) -> str:
    """Return our file: one ``inet6 static`` stanza an address, which is how ifupdown takes several.

    What another file already has is left out, since ifup fails on an address that is there.
    ``dad-attempts`` keeps its default: with fewer ifup gives up before the kernel is done, and skips IPv4 as well.
    """
    taken = {
        value.partition("/")[0].lower()
        for stanza in others
        if stanza.name == wish.name and stanza.family == "inet6"
        for key, value in stanza.options
        if key == "address"
    }
    lines = [] if wish.name in boot else [f"auto {wish.name}"]
    extra = [f"    gateway {wish.gateway}"] if wish.gateway is not None else []
    extra += [
        f"    {option} {wish.sysctls[key]}"
        for option, key in (("accept_ra", "accept_ra"), ("autoconf", "autoconf"), ("privext", "use_tempaddr"))
        if key in wish.sysctls
    ]
    routes = [
        f"    up ip -6 route replace {route.to} via {route.via} dev {wish.name} metric {route.metric} onlink"
        for route in all_routes(wish)
    ]
    extra += routes[1:] if wish.gateway is not None else routes
    missing = [address for address in wish.addresses if address.text.partition("/")[0] not in taken]
    for address in missing:
        lines += [f"iface {wish.name} inet6 static", f"    address {address.text}"]
        lines += ["    preferred-lifetime 0"] if address.deprecated else []
        lines += extra
        extra = []
    if not missing:
        # Only a static stanza knows `gateway` and the sysctls.
        settings = [f"    up sysctl -qw net/ipv6/conf/{wish.name}/{key}={value}" for key, value in wish.sysctls.items()]
        lines += [f"iface {wish.name} inet6 manual", *settings, *routes]
    return HEADER + "".join(line + "\n" for line in lines)


def wanted_files(wish: Wanted) -> t.Tuple[Files, t.List[str]]:
    """Return the files that ifupdown needs, and what was found out on the way."""
    main = files.read(INTERFACES)
    if main is None:
        raise RolloutError(
            f"backend: ifupdown was asked for and {INTERFACES} is missing; create it, or name another one"
        )
    own = os.path.join(INTERFACES_D, f"60-ipv6-rollout-{own_name(wish.name)}")
    content = main.decode(errors="replace")
    wrote: Files = {}
    notes: t.List[str] = []
    if not sourced(content, own):
        newline = b"" if not main or main.endswith(b"\n") else b"\n"
        wrote[INTERFACES] = main + newline + SOURCE.encode()
        notes.append(f"{INTERFACES} read no file of {INTERFACES_D}; the line '{SOURCE.strip()}' makes it read ours")
    others = [path for path in sorted(glob.glob(INTERFACES_D + "/*")) if path != own and sourced(content, path)]
    boot, found = stanzas("\n".join([content, *(text(path) for path in others)]))
    wrote[own] = file_text(wish, boot, found).encode()
    return wrote, notes


def settle(paths: t.Collection[str]) -> None:
    """See that ifupdown can read what was written."""
    if any(path.startswith("/etc/network/") for path in paths) and commands.found("ifquery"):
        commands.check(["ifquery", "--list"])


def without_source(content: bytes) -> bytes:
    """Return an interfaces file without our line: for one that was edited since we added it."""
    return content.replace(SOURCE.encode(), b"")
