# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and prefixes: strict reading, and canonical text (RFC 5952) made in this one place.

Inside the collection an address is a plain integer and a prefix is a pair ``(first address, length)``.
Text is compared nowhere: it is read here, and written here.
"""

from __future__ import annotations

import collections.abc
import datetime
import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

ALL_ONES = (1 << 128) - 1
LOW_64 = (1 << 64) - 1
LONGEST_TEXT = 64  # the longest prefix text has 49 characters; what is longer is no address

_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+(/\d+)?", re.ASCII)
_LENGTH = re.compile(r"0|[1-9]\d{0,2}", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]+", re.ASCII)
_INET6 = socket.AF_INET6
_ntop = socket.inet_ntop
_pton = socket.inet_pton

Prefix = t.Tuple[int, int]


def text_value(value: object, what: str, longest: int = LONGEST_TEXT) -> str:
    """Return a value that must be text, as plain text; say what YAML made of it where it is something else."""
    if isinstance(value, str):
        if len(value) > longest:
            raise RolloutError(f"{what}: {shown(value)} is too long; at most {longest} characters belong here")
        return str(value)
    if isinstance(value, (bool, int, float, datetime.date)):
        raise RolloutError(
            f"{what}: {shown(value)} is {_kind(value)}, not text: YAML turns an unquoted 80, 1:20 or 2001:10 "
            "into a number; put the value in quotes"
        )
    if value is None:
        raise RolloutError(f"{what}: nothing is given (null); write the value as text in quotes")
    raise RolloutError(f"{what}: {shown(value)} is {_kind(value)}, not text; write one value in quotes")


def _kind(value: object) -> str:
    for kind, name in (
        (bool, "a truth value"),
        (int, "a number"),
        (float, "a number"),
        (datetime.date, "a date"),
        (collections.abc.Mapping, "a dictionary"),
        ((list, tuple), "a list"),
    ):
        if isinstance(value, kind):
            return name
    return f"of type {type(value).__name__}"


def ipv6_text(address: int) -> str:
    """Return the RFC 5952 text of an IPv6 address."""
    if address >> 32 == 0 and address > 0xFFFF:
        # The C library writes ::/96 as an IPv4-compatible address (::0.1.0.2), a form that RFC 4291 gave up.
        return f"::{address >> 16:x}:{address & 0xFFFF:x}"
    return _ntop(_INET6, address.to_bytes(16, "big"))


def ipv4_text(address: int) -> str:
    """Return the dotted text of an IPv4 address."""
    return _ntop(socket.AF_INET, address.to_bytes(4, "big"))


def address_text(family: int, address: int) -> str:
    """Return the canonical text of an address of family 4 or 6."""
    return ipv4_text(address) if family == 4 else ipv6_text(address)


def prefix_text(first: int, length: int) -> str:
    """Return the canonical text of an IPv6 prefix."""
    return f"{ipv6_text(first)}/{length}"


def ipv6(value: object, what: str) -> int:
    """Read an IPv6 address."""
    text = text_value(value, what)
    try:
        return int.from_bytes(_pton(_INET6, text), "big")
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate
        raise RolloutError(f"{what}: {shown(text)} {_why_not_ipv6(text, 'address')}") from None


def ipv4(value: object, what: str) -> int:
    """Read an IPv4 address: four decimal octets without leading zeros."""
    text = text_value(value, what)
    try:
        return int.from_bytes(_pton(socket.AF_INET, text), "big")
    except (OSError, ValueError):
        pass
    if ":" in text:
        raise RolloutError(f"{what}: {shown(text)} is not IPv4; an IPv4 address such as 192.0.2.80 belongs here")
    if "/" in text:
        raise RolloutError(f"{what}: {shown(text)} has a prefix length; an address alone belongs here")
    raise RolloutError(f"{what}: {shown(text)} is not an IPv4 address such as 192.0.2.80")


def any_address(value: object, what: str) -> tuple[int, int]:
    """Read an address of either family; return family (4 or 6) and the number."""
    text = text_value(value, what)
    if ":" in text:
        return 6, ipv6(text, what)
    if _IPV4.fullmatch(text):
        return 4, ipv4(text, what)
    raise RolloutError(f"{what}: {shown(text)} is neither an IPv6 nor an IPv4 address")


def ipv6_prefix(value: object, what: str, shortest: int = 1, longest: int = 128) -> Prefix:
    """Read an IPv6 prefix; host bits must be zero, and the message shows the prefix that was meant."""
    text = text_value(value, what)
    address, slash, tail = text.partition("/")
    if _IPV4.fullmatch(text):
        raise RolloutError(f"{what}: {shown(text)} {_why_not_ipv6(text, 'prefix')}")
    if not slash:
        ipv6(text, what)
        raise RolloutError(f"{what}: {shown(text)} has no prefix length; write it behind a slash, such as {text}/64")
    try:
        first = int.from_bytes(_pton(_INET6, address), "big")
    except (OSError, ValueError):
        raise RolloutError(f"{what}: {shown(text)} {_why_not_ipv6(text, 'prefix')}") from None
    length = _prefix_length(tail, text, what, shortest, longest)
    host_bits = first & ((1 << (128 - length)) - 1)
    if host_bits:
        raise RolloutError(
            f"{what}: {shown(text)} has host bits set; the prefix is {prefix_text(first - host_bits, length)}"
        )
    return first, length


def ipv4_prefix(value: object, what: str, shortest: int = 1, longest: int = 32) -> Prefix:
    """Read an IPv4 prefix, as :func:`ipv6_prefix` does."""
    text = text_value(value, what)
    address, slash, tail = text.partition("/")
    first = ipv4(address, what)
    if not slash:
        raise RolloutError(f"{what}: {shown(text)} has no prefix length; write it behind a slash, such as {text}/32")
    length = _prefix_length(tail, text, what, shortest, longest)
    host_bits = first & ((1 << (32 - length)) - 1)
    if host_bits:
        raise RolloutError(
            f"{what}: {shown(text)} has host bits set; the prefix is {ipv4_text(first - host_bits)}/{length}"
        )
    return first, length


def _prefix_length(tail: str, text: str, what: str, shortest: int, longest: int) -> int:
    if not _LENGTH.fullmatch(tail):
        raise RolloutError(f"{what}: {shown(text)} has no decimal prefix length behind the slash")
    length = int(tail)
    if not shortest <= length <= longest:
        raise RolloutError(
            f"{what}: {shown(text)} has the prefix length {length}; it must be between {shortest} and {longest}"
        )
    return length


def _why_not_ipv6(text: str, kind: str) -> str:
    if _IPV4.fullmatch(text):
        return f"is IPv4; an IPv6 {kind} such as 2001:db8::{'/48' if kind == 'prefix' else '80'} belongs here"
    if "%" in text:
        return f"carries a zone id; write the {kind} without the % and what follows"
    if kind == "address" and "/" in text:
        return "has a prefix length; an address alone belongs here"
    if "[" in text or "]" in text:
        return f"has brackets; write the {kind} without them"
    if text != text.strip():
        return "has white space around it; take it away"
    return f"is not an IPv6 {kind}"


def interface_id(value: object, what: str, bits: int = 64) -> int:
    """Read a literal interface identifier for a subnet that leaves ``bits`` bits to its hosts.

    ``::80`` counts from the right end of the address. Without the leading ``::`` the text stands for the right
    half of an address, four groups: ``25::160`` is ``::25:0:0:160``.
    """
    text = text_value(value, what)
    read = text if text.startswith("::") else _right_half(text)
    try:
        number = int.from_bytes(_pton(_INET6, read), "big")
    except (OSError, ValueError):
        raise RolloutError(
            f"{what}: {shown(text)} is not an interface identifier such as '::80'"
            + ("; it carries a zone id" if "%" in text else "")
        ) from None
    if number >> bits:
        raise RolloutError(
            f"{what}: {shown(text)} does not fit into the {bits} bits that a /{128 - bits} leaves to its hosts"
        )
    return number


def _right_half(text: str) -> str:
    """Return four groups (with or without ``::``) as the text of a whole address."""
    left, gap, right = text.partition("::")
    groups = [group for part in (left, right) for group in part.split(":") if part]
    if not groups or len(groups) > (3 if gap else 4) or (not gap and len(groups) != 4):
        return ""
    if not all(_HEX.fullmatch(group) for group in groups):
        return ""
    before = len(left.split(":")) if left else 0
    padded = groups[:before] + ["0"] * (4 - len(groups)) + groups[before:]
    return "::" + ":".join(padded)


def reserved(address: int, length: int) -> str | None:
    """Say why an address must not be given to a host of a subnet of this length, or return None.

    RFC 4291 2.6.1 (subnet-router anycast), RFC 2526 (the top 128, in both readings of the u bit), RFC 5453.
    A /127 and a /128 have no anycast address (RFC 6164); where fewer than 8 bits are left RFC 2526 has no room.
    """
    bits = 128 - length
    iid = address & ((1 << bits) - 1)
    if bits >= 2 and iid == 0:
        return "the subnet-router anycast address (RFC 4291, section 2.6.1)"
    if bits >= 8 and iid >> 7 == (1 << (bits - 7)) - 1:
        return "a reserved subnet anycast address (RFC 2526)"
    if bits == 64:
        if iid >> 7 == 0xFDFFFFFFFFFFFF80 >> 7:
            return "a reserved subnet anycast address (RFC 2526)"
        if iid >> 24 == 0x02005EFFFE:
            return "a reserved interface identifier (RFC 5453)"
    return None
