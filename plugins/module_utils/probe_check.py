# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks as a user writes them: every field is looked at before the first packet leaves."""

from __future__ import annotations

import ipaddress
import math
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_dns import message
from ansible_collections.ipv6.rollout.plugins.module_utils.probe_link import FAMILIES, Check

NO_PORT = ("ping", "reverse", "ports", "mtu", "extension", "ra")
NO_ADDRESS = ("race", "ra")
CAN_BE_CLOSED = ("tcp", "tls", "http", "https", "transfer", "smtp", "dns", "ping")
IPV6_ONLY = ("mtu", "extension", "ra")
KINDS = (
    "tcp",
    "tls",
    "http",
    "https",
    "transfer",
    "smtp",
    "relay",
    "dns",
    "ping",
    "reverse",
    "ports",
    "race",
    "mtu",
    "extension",
    "ra",
)
TEXTS = ("address", "name", "source", "host", "says", "path", "agent", "sender", "recipient", "query", "interface")
LONGEST = 600.0  # seconds of patience for one step
MOST_ADDRESSES = 32
MTU = (1280, 1500)

HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
NAME = re.compile(r"[A-Za-z0-9_.-]{1,254}")
ZONE = re.compile(r"[A-Za-z0-9_./-]{0,254}")  # RFC 2317 puts a slash into the name of a reverse zone
PATH = re.compile(r"/[!-~]{0,2000}")
AGENT = re.compile(r"[ -~]{0,200}")
MAILBOX = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,253}")
INTERFACE = re.compile(r"[^\s/:]{1,15}")
SHAPES: t.Dict[str, t.Tuple[t.Pattern[str], str]] = {
    "name": (NAME, "give a name of letters, digits, dots and hyphens (an international one in its xn-- form)"),
    "host": (HOST, "give a name or an address in brackets, with :port where wanted"),
    "path": (PATH, "begin it with / and write what is not printable ASCII as %XX"),
    "agent": (AGENT, "give up to 200 printable ASCII characters"),
    "sender": (MAILBOX, "give a mailbox like probe@example.net"),
    "recipient": (MAILBOX, "give a mailbox like probe@example.org"),
    "interface": (INTERFACE, "give the name of an interface"),
}
PROTOCOLS = ("udp", "tcp", "both")
EXPECTED = ("open", "closed")


def check(value: t.Mapping[str, t.Any]) -> Check:
    """Read a check from what the user wrote.

    :raises RolloutError: with the name of the check and of the field
    """
    given = {str(key): item for key, item in value.items() if item is not None}
    own = shown(given.get("id", ""))
    unknown = sorted(set(given) - set(Check._fields))
    if unknown or not {"id", "kind", "family"} <= set(given):
        raise RolloutError(f"checks: {own} needs id, kind and family, and knows no {', '.join(unknown) or 'others'}")
    for field in ("id", "kind", "family", "expect", "protocol", *TEXTS):
        if not isinstance(given.get(field, ""), str):
            raise RolloutError(f"checks: {own}: {field} {shown(given[field])} is not text; put it in quotes")
    made = Check(**{**given, **_numbers(own, given)})
    _chosen(own, made)
    _shaped(own, made)
    _addressed(own, made)
    if made.kind not in NO_PORT and not 0 < made.port < 65536:
        raise RolloutError(f"checks: {own}: the port {made.port} is not a number from 1 to 65535")
    if made.kind == "ports" and not made.ports:
        raise RolloutError(f"checks: {own}: 'ports' must list the ports to try")
    if made.kind == "race" and not made.addresses:
        raise RolloutError(f"checks: {own}: 'addresses' must list the addresses in the order in which they are tried")
    if made.kind == "dns" and not (made.host or made.name or made.query):
        raise RolloutError(
            f"checks: {own}: 'host' must name the zone whose SOA record is asked for, or 'query' be given"
        )
    return made


def _whole(own: str, field: str, value: t.Any, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise RolloutError(f"checks: {own}: {field} {shown(value)} is not a number from {lowest} to {highest}")
    return value


def _list(own: str, field: str, value: t.Any, most: int) -> t.List[t.Any]:
    if not isinstance(value, (list, tuple)) or len(value) > most:
        raise RolloutError(f"checks: {own}: {field} {shown(value)} is not a list of at most {most}")
    return list(value)


def _numbers(own: str, given: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """Return the fields that are no text, looked at."""
    port = given.get("port", 0)
    if isinstance(port, bool) or not isinstance(port, int):
        raise RolloutError(f"checks: {own}: the port {shown(port)} is not a number from 1 to 65535")
    seconds = given.get("timeout", 5.0)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not math.isfinite(seconds):
        raise RolloutError(f"checks: {own}: timeout {shown(seconds)} is not a number of seconds")
    if not 0 < seconds <= LONGEST:
        raise RolloutError(f"checks: {own}: timeout {shown(seconds)} is not above 0 and up to {LONGEST:g} seconds")
    if not isinstance(given.get("starttls", False), bool):
        raise RolloutError(f"checks: {own}: starttls {shown(given['starttls'])} is neither true nor false")
    addresses = _list(own, "addresses", given.get("addresses", ()), MOST_ADDRESSES)
    return {
        "timeout": float(seconds),
        "mtu": _whole(own, "mtu", given.get("mtu", MTU[0]), *MTU),
        "ports": tuple(
            _whole(own, "ports", one, 1, 65535) for one in _list(own, "ports", given.get("ports", ()), 65535)
        ),
        "addresses": tuple(_address(own, "addresses", one, "") for one in addresses),
    }


def _chosen(own: str, made: Check) -> None:
    """Look at the fields that have only some values."""
    for field, choices in (
        ("kind", KINDS),
        ("family", tuple(FAMILIES)),
        ("expect", EXPECTED),
        ("protocol", PROTOCOLS),
    ):
        if getattr(made, field) not in choices:
            raise RolloutError(f"checks: {own}: {field} {shown(getattr(made, field))} is none of {', '.join(choices)}")
    if made.expect == "closed" and made.kind not in CAN_BE_CLOSED:
        raise RolloutError(f"checks: {own}: {made.kind} can't expect closed; that is for {', '.join(CAN_BE_CLOSED)}")
    if made.kind in IPV6_ONLY and made.family != "ipv6":
        raise RolloutError(f"checks: {own}: {made.kind} is about IPv6 alone; set family to ipv6")


def _shaped(own: str, made: Check) -> None:
    """Look at the texts that are sent to a server."""
    for field, (shape, advice) in SHAPES.items():
        text = "" if (made.kind, field) == ("dns", "host") else getattr(made, field)
        if text and not shape.fullmatch(text):
            raise RolloutError(f"checks: {own}: {field} {shown(text)} can't be sent; {advice}")
    if made.kind == "dns" and not ZONE.fullmatch(made.host):
        raise RolloutError(f"checks: {own}: host {shown(made.host)} is no name of a zone")
    labels = (made.name or made.host.partition(":")[0]).rstrip(".").split(".")
    if not made.host.startswith("[") and any(len(label) > 63 for label in labels):
        raise RolloutError(f"checks: {own}: the name {shown('.'.join(labels))} has a label of more than 63 octets")
    if made.query:
        message(made.query, f"checks: {own}")


def _addressed(own: str, made: Check) -> None:
    """Look at the addresses: each must belong to the family that is proved."""
    if made.kind not in NO_ADDRESS and not made.address and not made.name:
        raise RolloutError(f"checks: {own} has neither an address nor a name to connect to")
    for field in ("address", "source"):
        if getattr(made, field) and made.kind != "race":
            _address(own, field, getattr(made, field), made.family)
            if made.kind in IPV6_ONLY and "%" in getattr(made, field):
                raise RolloutError(f"checks: {own}: {made.kind} takes no link-local {field}; give a global one")


def _address(own: str, field: str, text: t.Any, family: str) -> str:
    """Return an address; an IPv4-mapped one would go over IPv4 and prove nothing about IPv6."""
    try:
        found = ipaddress.ip_address(str(text).partition("%")[0])
    except ValueError as error:
        raise RolloutError(f"checks: {own}: {field} {shown(text)} is no IP address; a name goes into 'name'") from error
    if family and f"ipv{found.version}" != family:
        raise RolloutError(f"checks: {own}: {field} {shown(text)} is not {family}; name the family that it has")
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if mapped:
        raise RolloutError(f"checks: {own}: {field} {shown(text)} goes over IPv4; give {mapped} and family ipv4")
    return str(text)
