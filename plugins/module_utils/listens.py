# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache's Listen directives as text: found, understood and edited with every other byte left alone.

What a set of Listen lines opens on Linux, with IPv4-mapped addresses in APR:

* ``Listen 80`` and ``Listen [::]:80``: one socket for both families; ``0.0.0.0:80`` beside one of them adds nothing;
* both of them, one of them twice, or one beside a specific address: Apache does not start;
* ``Listen 0.0.0.0:80``: IPv4 only; specific addresses: a socket each. No directive gives an IPv6-only wildcard.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import httpd_text
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.sockets import Endpoint

ANY, ANY4, ANY6 = "", "0.0.0.0", "::"
WILDCARDS = frozenset([ANY, ANY4, ANY6])
MODES = ("mapped", "separate", "ipv6only", "ipv4")


class Listen(t.NamedTuple):
    """One directive: its place, what it listens on (port 0: a name or variable), and the blocks around it."""

    file: str
    first: int
    last: int
    address: str
    port: int
    tail: str
    indent: str
    blocks: tuple[str, ...]
    group: int
    spec: str

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.file} line {self.first + 1}"


def target(spec: str) -> tuple[str, int]:
    """Read what stands after Listen; port 0 where only Apache can tell (a host name, a variable)."""
    host, _colon, port = spec.strip("\"'").rpartition(":")
    if not re.fullmatch(r"[0-9]+", port):
        return spec, 0
    host = host.strip("[]")
    if host in ("", "*"):
        return ANY, int(port)
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        return spec, 0


def parse(text: str, file: str) -> list[Listen]:
    """List the Listen directives of a file."""
    found = []
    for entry in httpd_text.directives(text):
        words = entry.text.split(None, 2)
        if words[0].lower() == "listen" and len(words) > 1:
            address, port = target(words[1])
            tail = words[2] if len(words) > 2 else ""
            found.append(
                Listen(
                    file,
                    entry.first,
                    entry.last,
                    address,
                    port,
                    tail,
                    entry.indent,
                    entry.blocks,
                    entry.group,
                    words[1],
                )
            )
    return found


def active(blocks: t.Sequence[str], modules: frozenset[str]) -> bool | None:
    """Tell whether Apache reads what stands in these blocks; None where that can't be told from here."""
    answer: bool | None = True
    for block in blocks:
        name, _space, condition = block.partition(" ")
        if name != "ifmodule":
            answer = None
            continue
        wanted = condition.strip("\"' ").lstrip("!")
        known = re.sub(r"^mod_(.*)\.c$", r"\1_module", wanted)
        if (known in modules) == condition.strip("\"' ").startswith("!"):
            return False
    return answer


def sockets(hosts: t.Sequence[str], port: int, kernel: bool = True) -> set[Endpoint]:
    """Return the sockets that the Listen addresses of one port open; raise where Apache would not start."""
    kinds = set(hosts)
    if len(kinds) != len(hosts):
        raise RolloutError(f"port {port}: the same Listen twice, with which Apache does not start")
    if not kernel:  # no IPv6 in the kernel: a wildcard is IPv4
        return {(ANY4 if host in WILDCARDS else host, port) for host in hosts}
    if ANY in kinds and ANY6 in kinds:
        raise RolloutError(f"port {port}: Listen {port} and Listen [::]:{port} are the same socket")
    specific = kinds - WILDCARDS
    dual = kinds & {ANY, ANY6}
    clash = specific if dual else {host for host in specific if ANY4 in kinds and ":" not in host}
    if clash:
        named = ", ".join(written(host, port) for host in sorted(clash))
        raise RolloutError(
            f"port {port}: Listen {named} beside one for every address, with which Apache does not start"
        )
    wide = {(ANY6, port)} if dual else ({(ANY4, port)} if ANY4 in kinds else set())
    return wide | {(host, port) for host in specific}


def written(host: str, port: int) -> str:
    """Write what stands after Listen."""
    if host == ANY:
        return str(port)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def addresses(given: t.Sequence[t.Any]) -> list[str]:
    """Check the addresses as the inventory gives them."""
    found = []
    for entry in given:
        if not isinstance(entry, str):
            raise RolloutError(f"addresses: {shown(entry)} is not text; quote the address")
        try:
            address = ipaddress.ip_address(str(entry).strip("[]"))
        except ValueError:
            raise RolloutError(f"addresses: {shown(entry)} is no address") from None
        mapped = isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped or "%" in str(address))
        if mapped or address.is_multicast or address.is_unspecified:
            raise RolloutError(f"addresses: {shown(entry)} is no address of one host that Apache can listen on")
        if str(address) not in found:
            found.append(str(address))
    return found


def wanted(mode: str, given: t.Sequence[str]) -> list[str]:
    """Return the Listen addresses that a mode means for each port."""
    six = [address for address in given if ":" in address]
    four = [address for address in given if ":" not in address]
    if mode == "mapped":
        if given:
            raise RolloutError("addresses: mode 'mapped' listens on every address; leave them out, or take 'separate'")
        return [ANY]
    if mode == "separate":
        if not six or not four:
            raise RolloutError("addresses: mode 'separate' needs at least one address of each family")
        return four + six
    if mode == "ipv6only":
        if not six or four:
            raise RolloutError(
                "addresses: mode 'ipv6only' needs IPv6 addresses, and only these: Apache knows no wildcard"
            )
        return six
    if six:
        raise RolloutError(f"addresses: mode 'ipv4' takes no {shown(six[0])}")
    return four or [ANY4]


class Edit(t.NamedTuple):
    """The new text of ports.conf, and what was left alone with the reason."""

    text: str
    ports: list[int]
    left: list[str]


def edit(
    text: str,
    file: str,
    hosts: t.Sequence[str],
    ports: t.Sequence[int] = (),
    former: t.Collection[str] = (),
    elsewhere: t.Sequence[Listen] = (),
) -> Edit:
    """Write other Listen lines for some ports, each in the block where its port stands now.

    Without ``ports``: every port with a wildcard or on the addresses that were written before (``former``), and no
    port that somebody put on specific addresses, such as 127.0.0.1.
    """
    lines: list[str | None] = list(text.split("\n"))
    groups: dict[tuple[int, int], list[Listen]] = {}
    left: list[str] = []
    for entry in parse(text, file):
        if entry.port:
            groups.setdefault((entry.group, entry.port), []).append(entry)
        else:
            left.append(f"{entry.place}: Listen {entry.spec}: no port and address to be read from it")
    chosen = set()
    for (_group, port), entries in groups.items():
        present = [entry.address for entry in entries]
        ours = bool(WILDCARDS & set(present)) or set(present) <= set(hosts) or set(present) == set(former)
        if ports and port not in ports:
            continue
        if not ports and not ours:
            left.append(f"{entries[0].place}: Listen {entries[0].spec}: on an address of its own, and not in ports")
            continue
        chosen.add(port)
        if not _already(present, hosts, port):
            _replace(lines, entries, hosts)
    text = "\n".join(line for line in lines if line is not None)
    for port in ports:
        if port in chosen:
            continue
        other = next((entry for entry in elsewhere if entry.port == port), None)
        if other is not None:
            raise RolloutError(
                f"ports: {port} is listened on in {other.place}, which this module does not edit; "
                f"move that Listen to {file}"
            )
        chosen.add(port)
        text = (text if not text or text.endswith("\n") else text + "\n") + "".join(
            f"Listen {written(host, port)}\n" for host in hosts
        )
    return Edit(text, sorted(chosen), left)


def _already(present: t.Sequence[str], hosts: t.Sequence[str], port: int) -> bool:
    try:
        return sockets(present, port) == sockets(hosts, port)
    except RolloutError:
        return False


def _replace(lines: list[str | None], entries: t.Sequence[Listen], hosts: t.Sequence[str]) -> None:
    head = entries[0]
    end = "\r" if (lines[head.last] or "").endswith("\r") else ""
    tail = f" {head.tail}" if head.tail else ""
    fresh = [f"{head.indent}Listen {written(host, head.port)}{tail}{end}" for host in hosts]
    for entry in entries:
        for number in range(entry.first, entry.last + 1):
            lines[number] = None
    if fresh:
        lines[head.first] = "\n".join(fresh)


def expected(found: t.Sequence[Listen], modules: frozenset[str], kernel: bool = True) -> dict[int, set[Endpoint]]:
    """Return the sockets of each port that Apache opens with these directives; raise where it would not start.

    A port with a directive of which only Apache can tell is left out.
    """
    hosts: dict[int, list[str]] = {}
    unknown = set()
    for entry in found:
        state = active(entry.blocks, modules)
        if state is None:
            unknown.add(entry.port)
        elif state and entry.port:
            hosts.setdefault(entry.port, []).append(entry.address)
    return {port: sockets(names, port, kernel) for port, names in hosts.items() if port not in unknown}


def hears(ends: t.Collection[Endpoint], host: str, port: int) -> bool:
    """Tell whether a client of an address gets one of these sockets; an empty host is any address."""
    wide = {(ANY6, port)} if ":" in host else {(ANY6, port), (ANY4, port)}
    return bool(wide.intersection(ends)) or (host, port) in ends or (not host and bool(ends))


def differs(wanted_sockets: t.Mapping[int, set[Endpoint]], found: t.Collection[Endpoint]) -> bool:
    """Tell whether a running Apache listens on anything else for these ports."""
    return any({entry for entry in found if entry[1] == port} != ends for port, ends in wanted_sockets.items())
