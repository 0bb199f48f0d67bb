# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix's main.cf and master.cf as text: read, compared and edited with every other byte left alone."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.sockets import Endpoint

# Separated by whitespace or commas, and the same whichever of the two is used.
LISTS = frozenset(
    ["inet_protocols", "inet_interfaces", "mynetworks", "mydestination", "relay_domains", "proxy_interfaces"]
    + ["smtpd_authorized_verp_clients", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts"]
    + ["smtpd_client_event_limit_exceptions", "debug_peer_list"]
)
SETS = frozenset(["inet_protocols", "inet_interfaces"])
# IPv6 must stand in brackets here: without them Postfix takes it for a lookup table ("2001:" is the type).
NETWORKS = frozenset(
    ["mynetworks", "debug_peer_list", "smtpd_authorized_verp_clients", "smtpd_authorized_xclient_hosts"]
    + ["smtpd_authorized_xforward_hosts", "smtpd_client_event_limit_exceptions"]
)
TRUSTING = frozenset(["mynetworks", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts"])
# Nobody has a shorter prefix than these; 104 is what Debian trusts of the IPv4-mapped ones.
LEAST = {4: 8, 6: 16}
MAPPED, MAPPED_LEAST = ipaddress.IPv6Network("::ffff:0:0/96"), 104
Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
# What the daemons read only once: postconf(5) wants stop and start for the first two; the others name places or
# owners that a running master keeps.
RESTART = frozenset(
    ["inet_protocols", "inet_interfaces", "queue_directory", "daemon_directory", "command_directory"]
    + ["data_directory", "mail_owner", "setgid_group", "process_id_directory", "maillog_file", "import_environment"]
)
CHOICES = {"smtp_address_preference": ("any", "ipv4", "ipv6")}
# The mapped one is for sockets of both families; Debian writes all three.
LOOPBACK = ("127.0.0.0/8", "[::ffff:127.0.0.0]/104", "[::1]/128")
BIND = {"smtp_bind_address": 4, "smtp_bind_address6": 6}
WILDCARD = {4: "0.0.0.0", 6: "::"}


class Definition(t.NamedTuple):
    """One definition: the name, the value as Postfix reads it, and the numbers of its lines (comments left out)."""

    name: str
    value: str
    lines: list[int]


def definitions(text: str) -> list[Definition]:
    """List the definitions of a main.cf, in order.

    A line that starts with whitespace continues the one before; empty lines and comments count for nothing,
    also between the two.
    """
    found: list[Definition] = []
    parts: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            if found:
                parts.append(line)
                found[-1].lines.append(number)
                found[-1] = found[-1]._replace(value="".join(parts).strip())
            continue
        name, _equal, value = line.partition("=")
        parts = [value]
        found.append(Definition(name.strip(), value.strip(), [number]))
    return found


def last(text: str, name: str) -> Definition | None:
    """Return the definition that counts, which is the last, or None."""
    return next((entry for entry in reversed(definitions(text)) if entry.name == name), None)


def values(text: str) -> dict[str, str]:
    """Return every parameter of a main.cf with the value that counts."""
    return {entry.name: entry.value for entry in definitions(text)}


def raw(text: str, name: str) -> str | None:
    """Return the lines of the definition that counts as they stand in the file, or None."""
    entry = last(text, name)
    if entry is None:
        return None
    lines = text.split("\n")
    return "\n".join(lines[number] for number in entry.lines)


def put(text: str, name: str, block: str) -> str:
    """Put a definition in place of the one that counts, or at the end; comments within the old one stay."""
    entry = last(text, name)
    if entry is None:
        start = text if not text or text.endswith("\n") else text + "\n"
        return f"{start}{block}\n"
    lines = text.split("\n")
    lines[entry.lines[0]] = block
    for number in reversed(entry.lines[1:]):
        del lines[number]
    return "\n".join(lines)


def drop(text: str, name: str) -> str:
    """Take every definition of a parameter out."""
    gone = {number for entry in definitions(text) if entry.name == name for number in entry.lines}
    return "\n".join(line for number, line in enumerate(text.split("\n")) if number not in gone)


def words(value: str) -> list[str]:
    """Split a list as Postfix does."""
    return re.split(r"[\s,]+", value.strip(" \t\r\n,")) if value.strip(" \t\r\n,") else []


def normal(name: str, value: str) -> str:
    """Return a value in the one form that two equal values share."""
    if name not in LISTS:
        return value.strip()
    found = words(value)
    if name in SETS:
        found = sorted(set(found))
    if name == "inet_protocols" and found in (["ipv4", "ipv6"], ["all"]):
        return "all"
    return " ".join(found)


def same(name: str, current: Definition | None, wanted: str) -> bool:
    """Tell whether a parameter has a value already."""
    if current is None:
        return False
    if normal(name, current.value) == normal(name, wanted):
        return True
    return len(current.lines) > 1 and current.value.split() == wanted.split()


def clean(parameters: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Check names and values as the inventory gives them, and return plain text."""
    found = {}
    for key, given in parameters.items():
        name = str(key)
        where = f"parameters.{name}"
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise RolloutError(f"parameters: {shown(name)} is no name of a main.cf parameter; letters, digits, _")
        found[name] = _plain(where, given)
        check_value(where, name, found[name])
    return found


def _plain(where: str, given: t.Any) -> str:
    if isinstance(given, bool):
        return "yes" if given else "no"
    if isinstance(given, int):
        return str(given)
    if isinstance(given, (list, tuple)):
        return ", ".join(_plain(where, entry) for entry in given)
    if not isinstance(given, str):
        raise RolloutError(f"{where}: {shown(given)} is not text; quote it")
    value = str(given).strip()
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", value):
        raise RolloutError(f"{where}: {shown(value)} has a line break or control character; write it on one line")
    return value


def check_value(where: str, name: str, value: str) -> None:
    """Check what can be checked of a value before Postfix sees it."""
    if name in NETWORKS:
        for word in words(value):
            if "$" not in word:
                check_network(where, word, name in TRUSTING)
    if "$" in value:
        return  # another parameter: only Postfix can tell
    if name in CHOICES and value not in CHOICES[name]:
        raise RolloutError(f"{where}: {shown(value)} is none of {', '.join(CHOICES[name])}")
    if name in BIND and value:
        kind = ipaddress.IPv6Address if BIND[name] == 6 else ipaddress.IPv4Address
        try:
            kind(value.strip("[]"))
        except ValueError:
            raise RolloutError(f"{where}: {shown(value)} is no IPv{BIND[name]} address") from None


def trusted(prefixes: t.Sequence[t.Any]) -> str:
    """Return mynetworks for plain prefixes: this host itself first, then the prefixes as Postfix wants them."""
    found = [*LOOPBACK]
    for given in prefixes:
        where = "trusted_networks"
        if not isinstance(given, str):
            raise RolloutError(f"{where}: {shown(given)} is no prefix; quote it")
        plain = given.strip().replace("[", "").replace("]", "")
        try:
            loose = ipaddress.ip_network(plain, strict=False)
            strict = "/" not in plain or ipaddress.ip_address(plain.partition("/")[0]) == loose.network_address
        except ValueError:
            raise RolloutError(f"{where}: {shown(given)} is no prefix such as 2001:db8:1::/64") from None
        if not strict:
            raise RolloutError(f"{where}: {shown(given)} has host bits set; write {loose}")
        _not_everybody(where, given, loose)
        text = f"[{loose.network_address}]/{loose.prefixlen}" if loose.version == 6 else str(loose)
        if text not in found:
            found.append(text)
    return " ".join(found)


def _not_everybody(where: str, given: str, network: Network) -> None:
    mapped = isinstance(network, ipaddress.IPv6Network) and network.overlaps(MAPPED)
    if network.prefixlen < (MAPPED_LEAST if mapped else LEAST[network.version]):
        raise RolloutError(
            f"{where}: {shown(given)} is everybody, or nearly, who could send spam through this host; write the "
            "prefixes of your own site"
        )


def check_network(where: str, word: str, trusts: bool = False) -> None:
    """Check one entry of a list like mynetworks; ``postfix check`` does not, and a wrong one stops all mail.

    :param trusts: whether those in the list may do what others may not
    """
    trusts = trusts and not word.startswith("!")
    entry = word.lstrip("!")
    bracketed = re.fullmatch(r"\[([^\]]*)\](/\d+)?", entry)
    if bracketed:
        inner = bracketed.group(1) + (bracketed.group(2) or "")
        _check_prefix(where, word, inner, 6 if ":" in inner else 4, trusts)
        return
    if re.match(r"[0-9.]+(/|$)", entry):
        _check_prefix(where, word, entry, 4, trusts)
        return
    try:
        ipaddress.IPv6Address(entry.partition("/")[0])
    except ValueError:
        if "[" in entry or "]" in entry:
            raise RolloutError(f"{where}: {shown(word)} has a stray bracket; write [2001:db8::]/64") from None
        return  # a file, a table or a host name
    address, slash, length = entry.partition("/")
    raise RolloutError(
        f"{where}: {shown(word)} lacks its brackets, so Postfix takes it for a lookup table and refuses all mail; "
        f"write [{address}]{slash}{length}"
    )


def _check_prefix(where: str, word: str, text: str, version: int, trusts: bool) -> None:
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise RolloutError(f"{where}: {shown(word)} is no address or prefix ({error})") from None
    if loose.version != version:
        raise RolloutError(f"{where}: {shown(word)} is no address or prefix")
    try:
        ipaddress.ip_network(text)
    except ValueError:
        right = f"[{loose.network_address}]/{loose.prefixlen}" if version == 6 else str(loose)
        raise RolloutError(f"{where}: {shown(word)} has host bits set; write {right}") from None
    if trusts:
        _not_everybody(where, word, loose)


def check_kind(name: str, value: str, default: str) -> None:
    """Compare a value with the kind of its default: Postfix finds a wrong one only when the mail is there."""
    if "$" in value:
        return
    if re.fullmatch(r"\d+[smhdw]", default) and not re.fullmatch(r"\d+[smhdw]?", value):
        raise RolloutError(f"parameters.{name}: {shown(value)} is no time such as {default}")
    if re.fullmatch(r"\d+", default) and not re.match(r"-?\d", value):
        raise RolloutError(f"parameters.{name}: {shown(value)} is no number (the default is {default})")


def families(inet_protocols: str, kernel: bool = True) -> set[int]:
    """Return the families that inet_protocols names; ``kernel`` tells whether there is IPv6 at all."""
    found = set(words(inet_protocols))
    wanted = {4} if found & {"all", "ipv4"} else set()
    if "ipv6" in found or ("all" in found and kernel):
        wanted.add(6)
    return wanted


def endpoints(
    inet_protocols: str, inet_interfaces: str, ports: set[int] | None, has_ipv6: bool, has_loopback6: bool
) -> set[Endpoint] | None:
    """Return the sockets that a master with these settings listens on; None where that can't be told from here."""
    if ports is None:
        return None
    hosts: set[str] = set()
    wanted = families(inet_protocols, has_ipv6)
    for word in words(inet_interfaces):
        if word == "all":
            hosts |= {WILDCARD[family] for family in wanted}
        elif word == "loopback-only":
            hosts |= {"127.0.0.1"} if 4 in wanted else set()
            hosts |= {"::1"} if 6 in wanted and has_loopback6 else set()
        else:
            try:
                address = ipaddress.ip_address(word.strip("[]"))
            except ValueError:
                return None  # a host name
            hosts |= {str(address)} if address.version in wanted else set()
    return {(host, port) for host in hosts for port in ports}


def differs(expected: set[Endpoint] | None, found: set[Endpoint]) -> bool:
    """Tell whether a running master listens on less than it should, or on a wildcard that it should not."""
    if expected is None:
        return False
    ports = {port for _host, port in expected}
    wide = {entry for entry in found if entry[1] in ports and entry[0] in WILDCARD.values()}
    return bool(expected - found) or bool(wide - expected)
