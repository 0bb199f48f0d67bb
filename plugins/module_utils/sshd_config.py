# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of sshd_config(5), as far as it decides what sshd listens on.

Of ``AddressFamily`` the first value counts, in the order in which the files are read. ``ListenAddress`` adds up.
"""

from __future__ import annotations

import fnmatch
import glob
import ipaddress
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import daemon_change, files
from ansible_collections.ipv6.rollout.plugins.module_utils.daemon_listen import ANY4, ANY6
from ansible_collections.ipv6.rollout.plugins.module_utils.sockets import Endpoint

FAMILY = {"both": "any", "ipv4": "inet", "ipv6": "inet6"}
DEPTH = 16
WORD = r"""\"[^"]*\"|'[^']*'|[^\s"']+"""
LINE = re.compile(r"(?im)^([ \t]*([a-z]\w*)(?:[ \t]*=[ \t]*|[ \t]+))([^\n]*)$")


class Directive(t.NamedTuple):
    """A line of a configuration file; the keyword is in lower case."""

    file: str
    line: int
    keyword: str
    value: str

    @property
    def place(self) -> str:
        """Where it stands, for messages."""
        return f"{self.file} line {self.line}"


class Effective(t.NamedTuple):
    """What sshd makes of its configuration, as ``sshd -T`` tells it."""

    family: str
    ports: list[int]
    endpoints: set[Endpoint]
    pid_file: str


def effective(told: str) -> Effective:
    """Read the output of ``sshd -T``."""
    family, pid_file = "any", ""
    ports: list[int] = []
    endpoints = set()
    for line in told.splitlines():
        keyword, _space, value = line.partition(" ")
        if keyword == "addressfamily":
            family = value
        elif keyword == "pidfile":
            pid_file = value
        elif keyword == "port":
            ports.append(int(value))
        elif keyword == "listenaddress":
            host, _colon, port = value.split()[0].rpartition(":")
            endpoints.add((host.strip("[]"), int(port)))
    return Effective(family, ports, endpoints, pid_file)


def directives(path: str, directory: str, depth: int = 0) -> list[Directive]:
    """List the lines of a file and of what it includes, in the order in which sshd reads them."""
    found: list[Directive] = []
    text = daemon_change.decode(files.read(path))
    for match in LINE.finditer(text):
        number = text.count("\n", 0, match.start(1)) + 1
        keyword, value = match.group(2).lower(), match.group(3).strip()
        found.append(Directive(path, number, keyword, value if keyword == "include" else value.strip("\"'")))
        if keyword == "include" and depth < DEPTH:
            for pattern in patterns(value, directory):
                for name in sorted(glob.glob(pattern)):
                    found += directives(name, directory, depth + 1)
    return found


def patterns(value: str, directory: str) -> list[str]:
    """Return the patterns of an Include line; a relative one is below the directory of sshd_config."""
    words = re.findall(WORD, value.partition(" #")[0])
    return [os.path.join(directory, word.strip("\"'")) for word in words]


def included(found: t.Sequence[Directive], path: str, directory: str) -> bool:
    """Tell whether a file is read by any Include line."""
    lines = [entry.value for entry in found if entry.keyword == "include"]
    return any(fnmatch.fnmatchcase(path, pattern) for value in lines for pattern in patterns(value, directory))


def host(value: str) -> str:
    """Return the address that a ListenAddress line names; a name, and what can't be read, as it stands.

    >>> host("[2001:db8::1]:22"), host("2001:db8:0::1"), host("192.0.2.1:22"), host("0.0.0.0 rdomain x")
    ('2001:db8::1', '2001:db8::1', '192.0.2.1', '0.0.0.0')
    """
    word = (value.split() or [""])[0]
    if word.startswith("["):
        word = word[1:].partition("]")[0]
    elif word.count(":") == 1:
        word = word.partition(":")[0]
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        return word


def has_port(value: str) -> bool:
    """Tell whether a ListenAddress line names a port.

    >>> has_port("[2001:db8::1]:22"), has_port("192.0.2.1:22"), has_port("[2001:db8::1]"), has_port("2001:db8::1")
    (True, True, False, False)
    """
    word = (value.split() or [""])[0]
    return "]:" in word or word.count(":") == 1


def at_home(text: str, directory: str, copied: str) -> str:
    """Turn the Include lines of a staged file to the copy."""

    def turn(match: t.Match[str]) -> str:
        if match.group(2).lower() != "include":
            return match.group(0)
        return match.group(1) + re.sub(WORD, pattern, match.group(3))

    def pattern(match: t.Match[str]) -> str:
        word = match.group(0).strip("\"'")
        full = os.path.join(directory, word)
        if full.startswith(f"{directory}/"):
            full = copied + full[len(directory) :]
        return full if match.group(0) == word else f'"{full}"'

    return LINE.sub(turn, text)


def lines(base: Effective, explicit: bool, mode: str, hosts: t.Sequence[str]) -> list[str]:
    """Return what has to be said beside the configuration that is there, to listen on the hosts and nothing else.

    ``explicit`` tells whether there are ListenAddress lines already: with these, sshd has no defaults.
    """
    if {name for name, _port in base.endpoints} == set(hosts):
        return []
    found = []
    if mode in FAMILY:
        family = FAMILY[mode]
    else:
        six = any(":" in name for name in hosts)
        four = any(":" not in name for name in hosts)
        fits = base.family == "any" or (base.family == "inet" and not six) or (base.family == "inet6" and not four)
        family = base.family if fits else "any"
    if base.family != family:
        found.append(f"AddressFamily {family}")
    if explicit or mode not in FAMILY:
        there = {name for name, _port in base.endpoints} if explicit else set()
        found += [f"ListenAddress {name}" for name in hosts if name not in there]
    return found


def default() -> Effective:
    """Return what Debian's own configuration makes sshd do."""
    return Effective("any", [22], {(ANY4, 22), (ANY6, 22)}, "/run/sshd.pid")
