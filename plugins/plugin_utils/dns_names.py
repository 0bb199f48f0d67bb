# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and data of DNS records: strict reading, one text for each.

A name is text in lower case with a final dot. Data is text in the form of a zone file, with absolute names.
What a server gave keeps its upper and lower case; :func:`fold` is what comparisons use.
"""

from __future__ import annotations

import re

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    address_text,
    ipv4,
    ipv6,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.names import owner_name

try:
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdatatype
except ImportError:
    LIBRARY = False
else:
    LIBRARY = True

# The data of these types is one name.
NAME_TYPES = frozenset({"PTR", "NS", "CNAME", "DNAME"})
# The data of these types holds names, which compare without regard to case (RFC 4034, section 6.2, and RFC 6840).
_FOLDED = NAME_TYPES | {"MX", "SRV", "NAPTR", "RP", "AFSDB", "KX"}
# Only the server writes these, or they are questions and never records.
_NO_RECORDS = frozenset({"SOA", "RRSIG", "NSEC", "NSEC3", "NSEC3PARAM", "DNSKEY", "ANY", "AXFR", "IXFR", "OPT", "TSIG"})

# What nearly every record is; the names are as they should be already.
_USUAL = frozenset({"A", "AAAA", "CNAME", "MX", "NS", "PTR", "SRV", "TXT"})

_TYPE = re.compile(r"[A-Z][A-Z0-9-]{0,19}", re.ASCII)
LONGEST_DATA = 65535


def need_library() -> None:
    """Say what to install where dnspython is missing."""
    if not LIBRARY:
        raise RolloutError(
            "dnspython is missing on the controller; install it beside Ansible (pip install dnspython, "
            "or the Debian package python3-dnspython)"
        )


def absolute(value: object, what: str) -> str:
    """Read a domain name, with or without its final dot; it is always absolute."""
    name = "" if isinstance(value, str) and ":" in value else owner_name(value, what)
    if name == ".":
        raise RolloutError(f"{what}: the root is no name for a record")
    if not name or name.rstrip(".").rpartition(".")[2].isdigit():
        raise RolloutError(f"{what}: {shown(value)} is an address; a name belongs here (see the filter reverse_name)")
    return name


def record_type(value: object, what: str) -> str:
    """Read a record type."""
    if isinstance(value, str) and value in _USUAL:
        return str(value)
    text = text_value(value, what).upper()
    if text in _NO_RECORDS:
        raise RolloutError(f"{what}: {text} is not a record that an update may write")
    try:
        if not _TYPE.fullmatch(text) or dns.rdatatype.is_metatype(dns.rdatatype.from_text(text)):
            raise RolloutError(f"{what}: {shown(text)} is not a record type such as AAAA or PTR")
    except (dns.exception.DNSException, ValueError):
        raise RolloutError(f"{what}: {shown(text)} is not a record type such as AAAA or PTR") from None
    return text


def record_data(kind: str, value: object, what: str) -> str:
    """Read the data of a record of a type."""
    if kind == "AAAA":
        return address_text(6, ipv6(value, what))
    if kind == "A":
        return address_text(4, ipv4(value, what))
    if kind in NAME_TYPES:
        return absolute(value, what)
    text = text_value(value, what, LONGEST_DATA)
    try:
        if kind == "TXT" and not text.startswith('"'):
            return txt_data(text)
        return parsed(kind, text).to_text()
    except (dns.exception.DNSException, ValueError) as error:
        raise RolloutError(f"{what}: {shown(text)} is not the data of a {kind} record: {error}") from None


def parsed(kind: str, text: str) -> dns.rdata.Rdata:
    """Return data text as dnspython holds it."""
    return dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)


def fold(kind: str, text: str) -> str:
    """Return what two data texts have in common when they are the same data."""
    return text.lower() if kind in _FOLDED else text


def txt_data(text: str) -> str:
    """Return the data of a TXT record for one text: quoted, in strings of at most 255 octets."""
    octets = text.encode("utf-8", "surrogateescape")
    pieces = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
    return " ".join(f'"{_escaped(piece)}"' for piece in pieces)


def txt_text(data: str) -> str:
    """Return the one text that the strings of a TXT record make up."""
    strings: tuple[bytes, ...] = parsed("TXT", data).strings  # type: ignore[attr-defined]
    return b"".join(strings).decode(errors="surrogateescape")


def _escaped(octets: bytes) -> str:
    return "".join(f"\\{chr(o)}" if o in b'"\\' else chr(o) if 0x20 <= o < 0x7F else f"\\{o:03d}" for o in octets)


def address_of(name: str) -> tuple[int, str] | None:
    """Return family and address text of a complete reverse name, or None."""
    labels = name.lower().rstrip(".").split(".")
    if labels[-2:] == ["ip6", "arpa"] and len(labels) == 34 and all(re.fullmatch("[0-9a-f]", x) for x in labels[:-2]):
        return 6, address_text(6, int("".join(reversed(labels[:-2])), 16))
    if labels[-2:] == ["in-addr", "arpa"] and len(labels) == 6:
        octets = ".".join(reversed(labels[:-2]))
        try:
            return 4, address_text(4, ipv4(octets, name))
        except RolloutError:
            return None
    return None


def is_reverse(zone: str) -> bool:
    """Whether a zone holds reverse names."""
    return zone in {"ip6.arpa.", "in-addr.arpa."} or zone.endswith((".ip6.arpa.", ".in-addr.arpa."))
