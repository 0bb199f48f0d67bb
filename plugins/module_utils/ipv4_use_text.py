# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 in texts: literals in configuration files, connections as ss(8) prints them, queries as unbound logs them."""

from __future__ import annotations

import ipaddress
import re
import typing as t

Found = t.Dict[str, t.Any]

# Four numbers that stand alone: no part of a longer number, of a version, of a name or of an IPv6 address's groups.
_LITERAL = re.compile(r"(?<![\w.-])(\d{1,3}(?:\.\d{1,3}){3})(/\d{1,2})?(?![\w]|\.\d|-\d|\.in-addr|\.in\.)")
_MAPPED = re.compile(r"::ffff:(\d{1,3}(?:\.\d{1,3}){3})", re.IGNORECASE)
# Marks of comments, by what is read: at the beginning of a line, or behind a blank.
_HASH = re.compile(r"(?:^|(?<=\s))#.*")
_SLASHES = re.compile(r"(?:^|(?<=[\s;{}]))//.*")
_SEMICOLON = re.compile(r"^\s*;.*|\s;.*")
_BLOCK = re.compile(r"/\*.*?\*/", re.DOTALL)

# Apache's ways to say who may come in, and who may not.
_ADMITS = re.compile(r"\s*(?:require\s+(?:not\s+)?ip|(?:allow|deny)\s+from)\s", re.IGNORECASE)

_LOCAL = tuple(ipaddress.IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"))


def outside(text: str) -> t.Optional[ipaddress.IPv4Address]:
    """Return an IPv4 address that packets can go to, None for a mask, the loopback, multicast, or no address."""
    try:
        found = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    return None if any(found in network for network in _LOCAL) else found


def uncommented(text: str, style: str) -> str:
    """Return a text without its comments, every line where it was. ``style``: hash, c, or ini."""
    if style == "c":
        text = _BLOCK.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    lines = []
    for line in text.split("\n"):
        line = _HASH.sub("", line)
        if style == "c":
            line = _SLASHES.sub("", line)
        if style == "ini":
            line = _SEMICOLON.sub("", line)
        lines.append(line)
    return "\n".join(lines)


def literals(text: str, style: str = "hash") -> t.List[t.Tuple[int, str, str]]:
    """Return the IPv4 addresses and networks of a file: line number, literal, and ``address`` or ``network``."""
    found = []
    for number, line in enumerate(uncommented(text, style).split("\n"), 1):
        places = [(match.start(1), match.group(1), match.group(2) or "") for match in _LITERAL.finditer(line)]
        places += [(match.start(1), match.group(1), "") for match in _MAPPED.finditer(line)]
        for _at, address, length in sorted(set(places)):
            # A prefix names who may come in; what is connected to is a single address.
            single = length in ("", "/32") and not _ADMITS.match(line)
            if outside(address) is not None and int(length[1:] or 32) <= 32:
                found.append((number, address + length, "address" if single else "network"))
    return found


class Socket(t.NamedTuple):
    """A line of ``ss -tunap``."""

    protocol: str
    state: str
    local: str
    local_port: str
    peer: str
    peer_port: str
    programs: t.Tuple[str, ...]


def _split(endpoint: str) -> t.Tuple[str, str]:
    host, _colon, port = endpoint.rpartition(":")
    return host.strip("[]").split("%")[0], port


def sockets(text: str) -> t.List[Socket]:
    """Read what ``ss -H -tunap`` prints."""
    found = []
    for line in text.splitlines():
        words = line.split(None, 6)
        if len(words) < 6:
            continue
        users = tuple(sorted(set(re.findall(r'\("([^"]*)",pid=', words[6])))) if len(words) > 6 else ()
        found.append(Socket(words[0], words[1], *_split(words[4]), *_split(words[5]), users))
    return found


def ipv4_of(host: str) -> t.Optional[ipaddress.IPv4Address]:
    """Return the IPv4 address of an endpoint of either kind of socket, None where it is IPv6 or stays on the host."""
    return outside(host[7:] if host.lower().startswith("::ffff:") else host)


def connections(found: t.Sequence[Socket]) -> t.List[Socket]:
    """Return the connections that programs of this host have begun over IPv4, or try to."""
    served = {(one.protocol, one.local_port) for one in found if one.state in ("LISTEN", "UNCONN")}
    begun = []
    for one in found:
        tried = one.state in ("ESTAB", "SYN-SENT")
        if tried and ipv4_of(one.peer) is not None and (one.protocol, one.local_port) not in served:
            begun.append(one)
    return begun


def datagrams(found: t.Sequence[Socket]) -> t.List[Socket]:
    """Return the IPv4 sockets for datagrams that are bound to no loopback address."""
    return [
        one
        for one in found
        if one.protocol == "udp" and one.state == "UNCONN" and "." in one.local and not one.local.startswith("127.")
    ]


_QUERY = re.compile(r"info: (\S+) (\S+) (A|AAAA) IN\b")


def queries(log: t.Iterable[str]) -> t.List[t.Tuple[str, str, int]]:
    """Return who has asked for the A records of a name and never for its AAAA records: client, name, how often."""
    asked: t.Dict[t.Tuple[str, str], t.List[int]] = {}
    for line in log:
        match = _QUERY.search(line)
        if match:
            client, name, kind = match.groups()
            asked.setdefault((client, name.lower()), [0, 0])[kind == "AAAA"] += 1
    return sorted((client, name, both[0]) for (client, name), both in asked.items() if both[0] and not both[1])
