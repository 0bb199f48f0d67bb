# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ifupdown: our file in /etc/network/interfaces.d."""

from __future__ import annotations

import fnmatch
import glob
import ipaddress
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import DEFAULT_METRIC, Wanted
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_backend import (
    HEADER,
    Files,
    all_routes,
    own_name,
    refuse_other_router,
    text,
)

INTERFACES = "/etc/network/interfaces"
INTERFACES_D = "/etc/network/interfaces.d"
# The files and folders of the package ifupdown, on Debian.
PACKAGED = "/var/lib/dpkg/info/ifupdown.list"
SOURCE = f"source {INTERFACES_D}/60-ipv6-rollout-*\n"
# Two names of one word of interfaces(5), which takes only files with such names.
DIRECTORIES = ("source-directory", "source-dir")
PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
# What the shell takes as it is, wildcards among it.
_QUOTED = r"""'([^']*)'|"([^"]*)"|\\(.)"""
_QUOTED_PLAIN = _QUOTED.replace("(", "(?:")
# Words that start a stanza of interfaces(5).
STARTERS = (
    "auto",
    "iface",
    "mapping",
    "source",
    "source-directory",
    "source-dir",
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
    """Return the lines of interfaces(5): joined where they end in a backslash, without comments and empty ones.

    A comment ends with its line, also after a backslash; a line that goes on is no comment any more.
    """
    lines: t.List[str] = []
    going_on = False
    for line in content.splitlines():
        if not going_on and (not line.strip() or line.lstrip().startswith("#")):
            continue
        text_of_it = line[:-1] if line.endswith("\\") else line
        if going_on:
            lines[-1] += text_of_it
        else:
            lines.append(text_of_it)
        going_on = line.endswith("\\")
    return [line.strip() for line in lines if line.strip()]


def _patterns(line: str, folder: str) -> t.List[str]:
    """Return what a line tells ifupdown to read, as patterns of files; source-directory takes plain names only.

    The words are the shell's. A first path without a slash in front begins in the folder of the file with the line.
    """
    word, _space, rest = line.replace("\t", " ").partition(" ")
    if word not in ("source", *DIRECTORIES):
        return []
    rest = rest.strip()
    rest = rest if rest.startswith("/") else f"{folder}/{rest}"
    if not re.fullmatch(f"(?:{_QUOTED}|[^'\"\\\\])*", rest):
        return []  # an open quote: ifupdown reads nothing either
    words = [
        re.sub(_QUOTED, lambda held: glob.escape("".join(held.groups(""))), each)
        for each in re.findall(f"(?:(?:{_QUOTED_PLAIN})|[^'\"\\\\\\s])+", rest)
    ]
    found = [os.path.normpath(each.replace("[^", "[!")) for each in words if each.startswith("/")]
    return [f"{each}/*" if word in DIRECTORIES else each for each in found]


def _allowed(line: str, path: str) -> bool:
    """Tell whether a line that names a file's folder takes a file of that name."""
    return line.split()[0] == "source" or bool(PLAIN_NAME.fullmatch(os.path.basename(path)))


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a pattern of the shell means a path: no wildcard goes across a slash, or means a hidden file."""
    names, parts = path.split("/"), pattern.split("/")
    return len(names) == len(parts) and all(
        fnmatch.fnmatchcase(name, part) and not (name.startswith(".") and not part.startswith("."))
        for name, part in zip(names, parts)
    )


def reading(path: str, coming: str = "", seen: t.Collection[str] = ()) -> t.Iterator[t.Tuple[str, str]]:
    """Return all lines that ifupdown reads from a file and those that it sources, in order, each with its file.

    ``coming`` is a file that may not be there yet; its place shows as an empty line, whatever it holds now.
    """
    folder = os.path.dirname(path)
    for line in logical_lines(text(path)):
        yield path, line
        for pattern in _patterns(line, folder):
            paths = {found for found in glob.glob(pattern) if os.path.isfile(found)}
            paths |= {coming} if coming and _matches(coming, pattern) else set()
            for other in sorted(each for each in paths if _allowed(line, each)):
                if other == coming:
                    yield other, ""
                # Far more than anybody has, and an end where two files source each other.
                elif other not in (path, *seen) and len(seen) < 5:
                    yield from reading(other, coming, (path, *seen))


def _parsed(read: t.Iterable[t.Tuple[str, str]]) -> t.Tuple[t.Set[str], t.List[t.Tuple[str, Stanza]]]:
    """Return the interfaces that come up at boot, and all ``iface`` stanzas, each with its file."""
    boot: t.Set[str] = set()
    found: t.List[t.Tuple[str, Stanza]] = []
    inside = False
    for path, line in read:
        words = line.split()
        starts = not words or words[0] in STARTERS or words[0].startswith("allow-")
        if words and words[0] in ("auto", "allow-auto", "allow-hotplug"):
            boot.update(words[1:])
        if starts:
            inside = len(words) >= 4 and words[0] == "iface"
            if inside:
                found.append((path, Stanza(words[1], words[2], words[3], ())))
        elif inside and len(words) > 1:
            last = found[-1][1]
            found[-1] = path, last._replace(options=(*last.options, (words[0], " ".join(words[1:]))))
    return boot, found


def stanzas(content: str) -> t.Tuple[t.Set[str], t.List[Stanza]]:
    """Return the interfaces that come up at boot, and all ``iface`` stanzas."""
    boot, found = _parsed(("", line) for line in logical_lines(content))
    return boot, [stanza for _path, stanza in found]


def knows(name: str) -> str:
    """Return the file with a stanza of an interface, or nothing where ifupdown does not know it."""
    for path, stanza in _parsed(reading(INTERFACES))[1]:
        if stanza.name == name:
            return path
    return ""


def _held(stanza: Stanza) -> t.Set[str]:
    """Return the addresses of a stanza, without their lengths, as RFC 5952 text."""
    found = set()
    for key, value in stanza.options:
        try:
            found |= {ipaddress.IPv6Address(value.partition("/")[0].strip()).compressed} if key == "address" else set()
        except ValueError:
            continue  # a name, or something that ifup refuses by itself
    return found


def _inet6(name: str, others: t.Sequence[Stanza]) -> t.List[Stanza]:
    return [stanza for stanza in others if stanza.name == name and stanza.family == "inet6"]


def file_text(wish: Wanted, boot: t.Collection[str], others: t.Sequence[Stanza]) -> str:
    """Return our file: one ``inet6 static`` stanza an address, which is how ifupdown takes several.

    What another file already has is left out, since ifup fails on an address that is there.
    ``dad-attempts`` keeps its default: with fewer ifup gives up before the kernel is done, and skips IPv4 as well.
    """
    taken = {address for stanza in _inet6(wish.name, others) for address in _held(stanza)}
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
    # Where it is not there yet `change` would add it, and the stanza that has it would fail.
    changes = [
        f'    up [ -z "$(ip -6 -o addr show dev {wish.name} to {address.plain})" ] || '
        f"ip -6 addr change {address.text} dev {wish.name} preferred_lft 0"
        for address in wish.addresses
        if address.deprecated and address.plain in taken
    ]
    extra += [*(routes[1:] if wish.gateway is not None else routes), *changes]
    missing = [address for address in wish.addresses if address.plain not in taken]
    for address in missing:
        lines += [f"iface {wish.name} inet6 static", f"    address {address.text}"]
        lines += ["    preferred-lifetime 0"] if address.deprecated else []
        lines += extra
        extra = []
    if not missing:
        # Only a static stanza knows `gateway` and the sysctls.
        settings = [f"    up sysctl -qw net/ipv6/conf/{wish.name}/{key}={value}" for key, value in wish.sysctls.items()]
        lines += [f"iface {wish.name} inet6 manual", *settings, *routes, *changes]
    return HEADER + "".join(line + "\n" for line in lines)


def _routers(stanza: Stanza) -> t.List[str]:
    """Return the routers of a stanza's default routes, as far as they have the kernel's metric."""
    metric = dict(stanza.options).get("metric", str(DEFAULT_METRIC))
    return [value for key, value in stanza.options if key == "gateway" and metric == str(DEFAULT_METRIC)]


def _remarks(wish: Wanted, found: t.Sequence[t.Tuple[str, Stanza]], later: t.Sequence[Stanza]) -> t.List[str]:
    """Return what in the stanzas of others works against what is wanted; ``later`` are read after our file."""
    remarks = []
    for path, stanza in found:
        if stanza not in _inet6(wish.name, [stanza]):
            continue
        says = dict(stanza.options).get("accept_ra", "2" if stanza.method == "auto" else "")
        if says and (says != "0") != wish.accepts_ra:
            remarks.append(
                f"{path}: 'iface {wish.name} inet6 {stanza.method}' switches router advertisements "
                f"{'off' if wish.accepts_ra else 'on'} at boot, against what is asked; take it out there, or change "
                "accept_ra"
            )
        if stanza in later and dict(stanza.options).get("preferred-lifetime") != "0":
            remarks += [
                f"{path}: {address.plain} is in a stanza that comes after our file, so it won't be deprecated after a "
                "boot; add 'preferred-lifetime 0' to it there"
                for address in wish.addresses
                if address.deprecated and address.plain in _held(stanza)
            ]
    return remarks


def wanted_files(wish: Wanted) -> t.Tuple[Files, t.List[str]]:
    """Return the files that ifupdown needs, and what was found out on the way."""
    main = files.read(INTERFACES)
    if main is None:
        raise RolloutError(
            f"backend: ifupdown was asked for and {INTERFACES} is missing; create it, or name another one"
        )
    own = os.path.join(INTERFACES_D, f"60-ipv6-rollout-{own_name(wish.name)}")
    wrote: Files = {}
    notes: t.List[str] = []
    read = list(reading(INTERFACES, own))
    place = next((number for number, (path, _line) in enumerate(read) if path == own), None)
    if place is None:
        newline = b"" if not main or main.endswith(b"\n") else b"\n"
        wrote[INTERFACES] = main + newline + SOURCE.encode()
        notes.append(f"{INTERFACES} read no file of {INTERFACES_D}; the line '{SOURCE.strip()}' makes it read ours")
    boot, found = _parsed(read)
    others = [stanza for _path, stanza in found]
    for path, stanza in found:
        if stanza in _inet6(wish.name, [stanza]):
            refuse_other_router(path, _routers(stanza), wish)
    later = [stanza for _path, stanza in _parsed(read[place:])[1]] if place is not None else []
    notes += _remarks(wish, found, later)
    wrote[own] = file_text(wish, boot, others).encode()
    return wrote, notes


def settle(paths: t.Collection[str]) -> None:
    """See that ifupdown can read what was written."""
    if any(path.startswith("/etc/network/") for path in paths) and commands.found("ifquery"):
        commands.check(["ifquery", "--list"])


def without_source(content: bytes) -> bytes:
    """Return an interfaces file without our line: for one that was edited since we added it."""
    return content.replace(SOURCE.encode(), b"")


def remove_folder(path: str) -> None:
    """Remove interfaces.d with a file of ours where it is empty now, unless the package has put it there."""
    folder = os.path.dirname(path)
    if folder == INTERFACES_D and folder not in text(PACKAGED).splitlines():
        try:
            os.rmdir(folder)
        except OSError:
            pass  # others keep files there
