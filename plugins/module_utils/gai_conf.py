# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of /etc/gai.conf: read as glibc reads it, written so that glibc reads exactly the wanted table.

What has to be known of glibc's reader (nss/getaddrinfo.c), since it says nothing of what it drops:

* One ``label`` line replaces its whole table of labels, one ``precedence`` line all its precedences. So all rows are
  written.
* A table without ``::/0`` gets it: label 1, precedence 40.
* Of two lines for one prefix the first counts.
* A word in upper case or misspelt, an IPv4 prefix, or a number out of range means that the line is not there.
* Where the prefix length or the number is missing, versions differ: 2.36 takes an empty one for 0, and for a prefix
  without a slash it looks into memory that nobody has set; 2.41 ignores the former, and takes the latter for /128.
  So a line ``scopev4 203.0.113.0 5`` may crash every program that resolves a name.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import (
    LARGEST,
    MAPPED,
    TABLES,
    Row,
    prefix_text,
    read_prefix,
)

PATH = "/etc/gai.conf"
HEADER = """\
# Written by the ipv6.rollout collection: the module address_selection replaces it and gives back what was here.
# One line of a kind replaces the whole table of that kind which is built into glibc, so all rows are here.
# A program that runs already keeps the table that it started with.
"""
# What isspace() takes for a space in the C locale.
_SPACE = " \t\n\v\f\r"
_WORD = re.compile(f"[^{_SPACE}]+")
_NUMBER = re.compile(r"[+-]?[0-9]+")
_WIDTH = 1 << 64  # of an unsigned long
_KINDS = ("label", "precedence")
_UNSURE = "the versions of glibc do not agree about it, since the {} is missing"
CRASH = "it may crash every program that resolves a name, since the prefix length is missing"
_AUTOMATIC = {"label": 1, "precedence": 40}

Table = t.Dict[str, int]


class Line(t.NamedTuple):
    """A line that is no comment. With a prefix it is a row; otherwise ``why`` says what glibc makes of it."""

    number: int
    text: str  # each byte as one character
    kind: str
    prefix: str = ""
    value: int = 0
    why: str = ""

    def remark(self, why: str) -> str:
        """Return a sentence about the line."""
        return f"{PATH} line {self.number}: {_readable(self.text)}: {why}"


def _readable(text: str) -> str:
    """Return bytes that stand as one character each as people wrote them."""
    return text.encode("latin-1").decode(errors="replace")


def _unsigned(text: str) -> t.Optional[int]:
    """Return what strtoul() makes of a whole word; None where something is left over, or where it does not fit."""
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    return number % _WIDTH if abs(number) < _WIDTH else None


def _row(number: int, text: str, kind: str, prefix: str, value: str) -> Line:
    def ignored(why: str) -> Line:
        return Line(number, text, kind, why=why)

    address, slash, length = prefix.partition("/")
    try:
        first = int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
    except (OSError, ValueError):
        return ignored(f"glibc ignores it: {_readable(address)!r} is no IPv6 prefix")
    if not slash or not length:
        return ignored(_UNSURE.format("prefix length"))
    return _numbered(ignored(""), first, length, value, 0, 0)


def _scope(number: int, text: str, prefix: str, value: str) -> Line:
    """Read a line ``scopev4``, whose prefix is one of IPv4, or one in the IPv4-mapped addresses."""
    line = Line(number, text, "scopev4")
    address, slash, length = prefix.partition("/")
    try:
        first, before = MAPPED + int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big"), 96
    except (OSError, ValueError):
        try:
            first, before = int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big"), 0
        except (OSError, ValueError):
            first, before = 0, 0
    if first >> 32 != MAPPED >> 32:
        return line._replace(why=f"glibc ignores it: {_readable(address)!r} is no IPv4 prefix")
    if not slash:
        return line._replace(why=CRASH)
    if not length:
        return line._replace(why=_UNSURE.format("prefix length"))
    return _numbered(line, first, length, value, before, 96)


def _numbered(line: Line, first: int, length: str, value: str, before: int, shortest: int) -> Line:
    """Return a line with its two numbers. So many bits are before those that the prefix length counts."""
    bits = _unsigned(length)
    if bits is None or not shortest <= before + bits <= 128:
        return line._replace(why=f"glibc ignores it: {_readable(length)!r} is no prefix length")
    if not value:
        return line._replace(why=_UNSURE.format("number"))
    worth = _unsigned(value)
    if worth is None or worth > LARGEST:
        return line._replace(why=f"glibc ignores it: {_readable(value)!r} is no number from 0 to {LARGEST}")
    free = 128 - before - bits
    return line._replace(prefix=prefix_text(first >> free << free, before + bits), value=worth)


def lines(content: bytes) -> t.List[Line]:
    """Return the lines of a file that are not empty and no comment, as glibc reads them."""
    found = []
    for number, raw in enumerate(content.decode("latin-1").split("\n"), 1):
        whole = raw.partition("\0")[0]
        words = _WORD.findall(whole.partition("#")[0])
        if not words:
            continue
        kind, prefix, value = (words + ["", ""])[:3]
        text = whole.strip(_SPACE)
        if kind in _KINDS:
            found.append(_row(number, text, kind, prefix, value))
        elif kind == "scopev4":
            found.append(_scope(number, text, prefix, value))
        elif kind == "reload":
            found.append(Line(number, text, kind))
        else:
            found.append(Line(number, text, "", why=f"glibc ignores it: it does not know {_readable(kind)!r}"))
    return found


def tables(content: bytes) -> t.Tuple[Table, Table]:
    """Return the labels and the precedences that glibc goes by with this file, each as ``{prefix: value}``."""
    built_in = {
        "label": {row.prefix: row.label for row in TABLES["glibc"]},
        "precedence": {row.prefix: row.precedence for row in TABLES["glibc"]},
    }
    labels, precedences = (_table(content, kind) or built_in[kind] for kind in _KINDS)
    return labels, precedences


def scopes(content: bytes) -> Table:
    """Return the scopes of IPv4 prefixes that the file has, as ``{prefix: scope}``. One line replaces them all."""
    found: Table = {}
    for line in lines(content):
        if line.kind == "scopev4" and line.prefix:
            found.setdefault(line.prefix, line.value)
    if found:
        found.setdefault("::ffff:0:0/96", 14)
    return found


def _table(content: bytes, kind: str) -> Table:
    found: Table = {}
    for line in lines(content):
        if line.kind == kind and line.prefix:
            found.setdefault(line.prefix, line.value)
    if found:
        found.setdefault("::/0", _AUTOMATIC[kind])
    return found


def written(rows: t.Sequence[Row], current: bytes) -> bytes:
    """Return the text for a table. What the current file says beside it (``scopev4``, ``reload``) is kept.

    A ``scopev4`` that glibc does not read for certain is not.
    """
    width = max(len(row.prefix) for row in rows)
    said = [f"label       {row.prefix:<{width}}  {row.label}" for row in rows]
    said += [f"precedence  {row.prefix:<{width}}  {row.precedence}" for row in rows]
    said += [line.text for line in lines(current) if line.kind == "reload" or (line.kind == "scopev4" and line.prefix)]
    text = HEADER.encode() + "".join(line + "\n" for line in said).encode("latin-1")
    wanted = ({row.prefix: row.label for row in rows}, {row.prefix: row.precedence for row in rows})
    if tuple(_table(text, kind) for kind in _KINDS) != wanted:
        raise RolloutError(
            f"policy: glibc would not read {PATH} as it is meant; please report this table: {list(rows)}"
        )
    return text


def differing(rows: t.Sequence[Row], current: bytes) -> t.List[str]:
    """Return the active lines of a file that say something else than the table, each with the reason."""
    wanted = {
        "label": {row.prefix: row.label for row in rows},
        "precedence": {row.prefix: row.precedence for row in rows},
    }
    found = []
    seen: t.Set[t.Tuple[str, str]] = set()
    for line in lines(current):
        why = line.why
        if line.prefix and line.kind in _KINDS:
            if (line.kind, line.prefix) in seen:
                why = "glibc ignores it: an earlier line has this prefix"
            elif line.prefix not in wanted[line.kind]:
                why = "the policy has no such prefix"
            elif wanted[line.kind][line.prefix] != line.value:
                why = f"the policy says {wanted[line.kind][line.prefix]}"
            seen.add((line.kind, line.prefix))
        if why:
            found.append(line.remark(why))
    return found


def canonical(prefix: str) -> str:
    """Return the text of a prefix as the policy table has it; ``ip`` writes dots into ``::ffff:0:0/96``."""
    return prefix_text(*read_prefix(prefix, "prefix"))
