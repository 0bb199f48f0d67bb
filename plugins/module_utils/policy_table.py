# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy table of RFC 6724, section 2.1: the tables that have names, and reading one that a user wrote.

IPv4 stands in the table as IPv4-mapped prefixes. All of IPv4 is ``::ffff:0:0/96`` here, as the RFC writes it; a part
of it has its IPv4 address in dots, such as ``::ffff:192.0.2.0/120``.
"""

from __future__ import annotations

import functools
import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

MAPPED = 0xFFFF << 32  # ::ffff:0:0, the first IPv4-mapped address
LARGEST = (1 << 31) - 1  # what glibc still takes as a precedence or a label; beyond that it ignores the line


class Row(t.NamedTuple):
    """One row: how much a destination in this prefix is liked, and which sources belong to it."""

    prefix: str
    precedence: int
    label: int


def _rows(text: str) -> t.Tuple[Row, ...]:
    columns = [line.split() for line in text.strip().splitlines()]
    return tuple(Row(prefix, int(precedence), int(label)) for prefix, precedence, label in columns)


_RFC6724 = _rows(
    """
    ::1/128        50  0
    ::/0           40  1
    ::ffff:0:0/96  35  4
    2002::/16      30  2
    2001::/32       5  5
    fc00::/7        3 13
    ::/96           1  3
    fec0::/10       1 11
    3ffe::/16       1 12
    """
)

TABLES: t.Dict[str, t.Tuple[Row, ...]] = {
    "rfc6724": _RFC6724,
    # RFC 3484 with labels of its own for what came later. These have no precedence there, so ::/0 gives them its 40.
    "glibc": _rows(
        """
        ::1/128        50  0
        ::/0           40  1
        2002::/16      30  2
        ::/96          20  3
        ::ffff:0:0/96  10  4
        fec0::/10      40  5
        fc00::/7       40  6
        2001::/32      40  7
        """
    ),
    "prefer_ipv6": _RFC6724,
    "prefer_ipv4": tuple(  # RFC 6724, section 10.3
        row._replace(precedence=100) if row.prefix == "::ffff:0:0/96" else row for row in _RFC6724
    ),
}


def policy_table(value: object, variable: str = "policy") -> t.Tuple[Row, ...]:
    """Return the rows of a table that is given by its name, or as a list of rows; check what a user wrote."""
    if isinstance(value, str) and value in TABLES:
        return TABLES[str(value)]
    if not isinstance(value, (list, tuple)):
        raise RolloutError(
            f"{variable}: {shown(value)} is no policy table; write one of {', '.join(sorted(TABLES))},"
            " or a list of rows such as {prefix: '2001:db8::/32', precedence: 45, label: 14}"
        )
    rows = tuple(_row(row, f"{variable}[{index}]") for index, row in enumerate(value))
    seen: t.Dict[str, int] = {}
    for index, row in enumerate(rows):
        if row.prefix in seen:
            raise RolloutError(
                f"{variable}[{index}]: {shown(row.prefix)} stands in row {seen[row.prefix]} already,"
                " and glibc takes the first alone; keep one of the two"
            )
        seen[row.prefix] = index
    if "::/0" not in seen:
        raise RolloutError(
            f"{variable}: {shown(list(seen))} lacks '::/0', so most addresses would match no row;"
            " add {prefix: '::/0', precedence: 40, label: 1}"
        )
    return rows


def _row(value: object, what: str) -> Row:
    if isinstance(value, Row):
        value = value._asdict()
    if not isinstance(value, t.Mapping):
        raise RolloutError(
            f"{what}: {shown(value)} is no row; write {{prefix: '2001:db8::/32', precedence: 45, label: 14}}"
        )
    odd = {str(key) for key in value} ^ set(Row._fields)
    if odd:
        raise RolloutError(
            f"{what}: {shown(dict(value))} must have prefix, precedence and label, and nothing else;"
            f" see {', '.join(sorted(odd))}"
        )
    return Row(
        prefix_text(*read_prefix(value["prefix"], f"{what}.prefix")),
        _number(value["precedence"], f"{what}.precedence"),
        _number(value["label"], f"{what}.label"),
    )


def _number(value: object, what: str) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        raise RolloutError(f"{what}: {shown(value)} is text; take the quotes off")
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise RolloutError(f"{what}: {shown(value)} is no whole number from 0 to {LARGEST}; glibc would ignore the row")
    return int(value)


def read_prefix(value: object, what: str) -> t.Tuple[int, int]:
    """Read a prefix of either family; return its first address as a number of 128 bits, and its length."""
    if not isinstance(value, str):
        raise RolloutError(f"{what}: {shown(value)} is no text; put the prefix in quotes")
    text = str(value)
    slash, length = text.partition("/")[1:]
    if not slash:
        raise RolloutError(
            f"{what}: {shown(text)} has no prefix length, which glibc needs; write it behind a slash,"
            " such as 2001:db8::/32"
        )
    if "%" in text:
        raise RolloutError(f"{what}: {shown(text)} carries a zone id; write the prefix without the % and what follows")
    if not (length.isascii() and length.isdigit() and (length == "0" or length[0] != "0")):
        raise RolloutError(f"{what}: {shown(text)} has no decimal prefix length behind the slash")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            right = ipaddress.ip_network(text, strict=False)
            raise RolloutError(f"{what}: {shown(text)} has host bits set; write '{right}'") from error
        raise RolloutError(f"{what}: {shown(text)} is no prefix such as 2001:db8::/32 or 192.0.2.0/24") from error
    first = int(network.network_address)
    return (first, network.prefixlen) if network.version == 6 else (MAPPED + first, 96 + network.prefixlen)


def prefix_text(first: int, length: int) -> str:
    """Return the text of a prefix: RFC 5952, with the dots of IPv4 in what is a part of the IPv4-mapped addresses."""
    if length > 96 and first >> 32 == 0xFFFF:
        return f"::ffff:{ipaddress.IPv4Address(first & 0xFFFFFFFF)}/{length}"
    if first == MAPPED:  # Python 3.13 writes it with dots, earlier ones do not
        return f"::ffff:0:0/{length}"
    return f"{ipaddress.IPv6Address(first)}/{length}"


@functools.lru_cache(maxsize=8)
def _bounds(rows: t.Tuple[Row, ...]) -> t.Tuple[t.Tuple[int, int, Row], ...]:
    """Return the rows of a table with their first addresses and lengths, the longest prefixes first."""
    read = [(*read_prefix(row.prefix, "prefix"), row) for row in rows]
    return tuple(sorted(read, key=lambda one: -one[1]))


def find(rows: t.Sequence[Row], address: int, longest: int = 128) -> Row:
    """Return the row with the longest prefix, up to a limit, that holds an address (128 bits; IPv4 is IPv4-mapped)."""
    for first, length, row in _bounds(tuple(rows)):
        if length <= longest and (first ^ address) >> (128 - length) == 0:
            return row
    raise RolloutError("policy: no row holds the address; add a row for '::/0'")
