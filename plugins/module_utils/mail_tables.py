# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix's lookup tables as text: keys in the one form that Postfix looks for.

Postfix asks an indexed table for a client's address in RFC 5952 form, without brackets. A key in any other form is
never found, and nothing says so.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

HEADER = "# Written by the ipv6.rollout collection: the module postfix replaces and removes it.\n"
# What postmap(1) makes beside the text; the others are read as they are.
INDEX = {"hash": ".db", "btree": ".db", "lmdb": ".lmdb", "cdb": ".cdb"}
PATTERNS = ("regexp", "pcre")
TYPES = (*INDEX, "cidr", "texthash", *PATTERNS)
# The programs and lists that Postfix itself has in its folder.
RESERVED = ("postfix-script", "postfix-wrapper", "postfix-tls-script", "post-install", "makedefs.out")
RESERVED_STARTS = ("main.cf", "master.cf", "dynamicmaps.cf", "postfix-files")
_OF_INDEX = tuple(sorted(set(INDEX.values())))


class Table(t.NamedTuple):
    """One table: the file's name, its type, and its text."""

    name: str
    type: str
    text: str

    @property
    def index_name(self) -> str | None:
        """The name of the file that postmap makes, None where there is none."""
        return f"{self.name}{INDEX[self.type]}" if self.type in INDEX else None


def clean(given: t.Sequence[t.Any]) -> list[Table]:
    """Check tables as the inventory gives them, and return their text."""
    found: list[Table] = []
    for place, item in enumerate(given):
        where = f"tables[{place}]"
        if not isinstance(item, t.Mapping) or set(item) - {"name", "type", "entries"}:
            raise RolloutError(f"{where}: {shown(item)} is no dictionary with name, type and entries")
        name = _name(item.get("name"), where)
        kind = item.get("type") or "hash"
        if kind not in TYPES:
            raise RolloutError(f"{where}.type: {shown(kind)} is none of {', '.join(TYPES)}")
        if name in [table.name for table in found]:
            raise RolloutError(f"{where}.name: {shown(name)} is there twice")
        found.append(Table(name, str(kind), text(item.get("entries"), str(kind), f"tables.{name}")))
    return found


def _name(value: object, where: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value, re.ASCII):
        raise RolloutError(f"{where}.name: {shown(value)} is no plain file name, such as relay_recipients")
    if value in RESERVED or value.endswith(_OF_INDEX) or value.startswith(RESERVED_STARTS):
        raise RolloutError(f"{where}.name: {shown(value)} is a file of Postfix's own; choose another name")
    return str(value)


def text(entries: object, kind: str, where: str) -> str:
    """Return a table's text; refuse what Postfix would read in another way, or never find."""
    entries = {} if entries is None else entries
    if not isinstance(entries, t.Mapping):
        raise RolloutError(f"{where}.entries: {shown(entries)} is no dictionary of keys and values")
    lines: list[str] = []
    seen: dict[str, object] = {}
    for key, value in entries.items():
        written = _key(key, kind, where)
        identity = written.lower() if kind not in PATTERNS else written
        if kind == "cidr" and "/" not in identity:
            identity += "/128" if ":" in identity else "/32"
        if identity in seen:
            raise RolloutError(f"{where}.entries: {shown(key)} and {shown(seen[identity])} are the same key {written}")
        seen[identity] = key
        lines.append(f"{written} {_value(value, f'{where}.entries.{key}')}\n")
    return HEADER + "".join(lines)


def _value(value: object, where: str) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise RolloutError(f"{where}: {shown(value)} is not text; quote it")
    plain = value.strip()
    if not plain:
        raise RolloutError(f"{where}: it is empty, and Postfix skips a key without a value; write OK, or what applies")
    _one_line(plain, where)
    return plain


def _one_line(plain: str, where: str) -> None:
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", plain):
        raise RolloutError(f"{where}: {shown(plain)} has a line break or control character; write it on one line")


def _key(key: object, kind: str, where: str) -> str:
    where = f"{where}.entries"
    if isinstance(key, int) and not isinstance(key, bool):
        key = str(key)
    if not isinstance(key, str) or not key.strip():
        raise RolloutError(f"{where}: {shown(key)} is no key; quote it")
    plain = key.strip()
    _one_line(plain, where)
    if kind == "cidr":
        return _cidr(plain, where)
    if kind in PATTERNS:
        if not re.match(r"!?[^\w\s!#]", plain):
            raise RolloutError(f"{where}: {shown(plain)} is no pattern; write it between slashes, /^2001:db8:/")
        return plain
    if plain.startswith("#") or re.search(r"\s", plain):
        raise RolloutError(f"{where}: {shown(plain)} is no key: it begins with # or has a space in it")
    return _plain_key(plain, where)


def _cidr(plain: str, where: str) -> str:
    mark = "!" if plain.startswith("!") else ""
    inner = plain[len(mark) :].strip().replace("[", "").replace("]", "")
    try:
        loose = ipaddress.ip_network(inner, strict=False)
    except ValueError:
        raise RolloutError(
            f"{where}: {shown(plain)} is no address or prefix, such as 2001:db8:1::/64; names go into a hash table"
        ) from None
    _not_mapped(loose, plain, where, mark)
    if "/" not in inner:
        return f"{mark}{loose.network_address}"
    if str(loose.network_address) != str(ipaddress.ip_address(inner.partition("/")[0])):
        raise RolloutError(f"{where}: {shown(plain)} has host bits set; write {mark}{loose}")
    return f"{mark}{loose}"


def _not_mapped(network: ipaddress.IPv4Network | ipaddress.IPv6Network, plain: str, where: str, mark: str = "") -> None:
    """Refuse an IPv4-mapped key: Postfix knows the client by its IPv4 address."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            length = "" if network.prefixlen == 128 else f"/{network.prefixlen - 96}"
            raise RolloutError(f"{where}: {shown(plain)} never matches, since it is IPv4; write {mark}{mapped}{length}")


def _plain_key(plain: str, where: str) -> str:
    """Return a key of a table that is asked for whole keys."""
    inner = plain[1:-1] if re.fullmatch(r"\[[0-9A-Fa-f:.]+\]", plain) else plain
    try:
        network = ipaddress.ip_network(inner)
    except ValueError:
        network = None
    if network is not None and network.version == 6 and "/" not in inner:
        _not_mapped(network, plain, where)
        return str(network.network_address)
    if re.fullmatch(r"\[?[0-9A-Fa-f:.]+\]?/\d+", plain) and (":" in plain or plain.count(".") == 3):
        raise RolloutError(f"{where}: {shown(plain)} is a prefix, which only a table of the type cidr finds")
    groups = inner.split(":")
    if 2 < len(groups) < 8 and all(re.fullmatch(r"[0-9A-Fa-f]{1,4}", group) for group in groups):
        return ":".join(f"{int(group, 16):x}" for group in groups)  # the first groups of an address
    if re.fullmatch(r"[0-9A-Fa-f]{1,4}(:[0-9A-Fa-f]{1,4})*::?", inner):
        raise RolloutError(f"{where}: {shown(plain)} is no address; write it without colons at its end")
    return plain
