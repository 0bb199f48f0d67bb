# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SPF records (RFC 7208): IPv6 prefixes put in, and taken out again, with the rest of the text left as it is."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    ipv4_prefix,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import inside

LONGEST = 8192
MOST_LOOKUPS = 10  # RFC 7208, section 4.6.4
LOOKUPS = frozenset(["include", "a", "mx", "ptr", "exists"])
MECHANISM = re.compile(r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?:([:/])(.*))?", re.ASCII | re.IGNORECASE)
HOSTS = re.compile(
    r"(?::(?P<domain>[^/]+(?:/[^/]*\})?[^/]*))?(?:/(?P<bits4>\d{1,2}))?(?://(?P<bits6>\d{1,3}))?", re.ASCII
)
MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.ASCII | re.IGNORECASE)
MAPPED = (0xFFFF << 32, 96)


class Term(t.NamedTuple):
    """A mechanism or a modifier, and where it stands."""

    start: int
    end: int
    text: str
    name: str
    qualifier: str
    prefix: Prefix | None


def spf_with_ip6(spf: object, prefixes: object, state: str = "present") -> str:
    """Return an SPF record that lists IPv6 prefixes, or with ``absent`` one that lists none of them.

    What an earlier ``ip6`` covers is not listed again. New terms stand before ``all`` (or ``redirect``), since nothing
    behind it counts. ``absent`` takes out exactly the terms that ``present`` writes.
    """
    record = text_value(spf, "spf", LONGEST)
    if record.lower().split(" ", 1)[0] != "v=spf1":
        raise RolloutError(f"spf: {shown(record)} does not begin with v=spf1; give the record's text without quotes")
    if not record.isascii() or not record.isprintable():
        raise RolloutError(f"spf: {shown(record)} has something else than printable ASCII characters in it")
    wanted = _prefixes(prefixes)
    if state == "absent":
        return _without(record, wanted)
    if state != "present":
        raise RolloutError(f"spf: state: {shown(state)} is not known; write present or absent")
    terms = read_terms(record, strict=True)
    _check(record, terms)
    return _with(record, terms, wanted)


def _prefixes(value: object) -> list[Prefix]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"prefixes: {shown(value)} is not a list of IPv6 prefixes")
    found: list[Prefix] = []
    for item in value:
        text = text_value(item, "prefixes")
        prefix = ipv6_prefix(text if "/" in text else f"{text}/128", "prefixes")
        if inside(*prefix, *MAPPED):
            raise RolloutError(
                f"prefixes: {shown(text)} is an IPv4-mapped address, which no ip6 term ever matches; list it as ip4"
            )
        if prefix not in found:
            found.append(prefix)
    return found


def read_terms(record: str, strict: bool) -> list[Term]:
    """Return the terms of a record; with ``strict`` an error where a receiver sees one."""
    terms = []
    for match in re.finditer(r"[^ ]+", record):
        if match.start() == 0:
            continue  # v=spf1
        text = match.group()
        mechanism = MECHANISM.fullmatch(text)
        modifier = None if mechanism else MODIFIER.fullmatch(text)
        name, qualifier, prefix = "", "", None
        if mechanism:
            name = mechanism.group(2).lower()
            qualifier = mechanism.group(1) or "+"
            try:
                prefix = _network(name, mechanism.group(3), mechanism.group(4))
            except RolloutError as error:
                if strict:
                    raise RolloutError(
                        f"spf: {shown(text)} makes the whole record an error for every receiver: {error}"
                    ) from None
        elif modifier:
            name = f"{modifier.group(1).lower()}="
        elif strict:
            raise RolloutError(f"spf: {shown(text)} is no term of RFC 7208; it makes the whole record an error")
        terms.append(Term(match.start(), match.end(), text, name, qualifier, prefix))
    return terms


def _network(name: str, mark: str | None, value: str | None) -> Prefix | None:
    """Check the argument of a mechanism; return the prefix of an ``ip6``."""
    if name == "all" and mark:
        raise RolloutError("all takes nothing behind it")
    if name in ("include", "exists", "ip4", "ip6") and (mark != ":" or not value):
        raise RolloutError(f"{name} needs a colon and a value")
    if name in ("a", "mx"):
        hosts_argument(f"{mark or ''}{value or ''}")
    if name == "ip4":
        text = value or ""
        address, _slash, length = text.partition("/")
        ipv4_prefix(f"{address}/32", "ip4")
        if length and not (length.isdigit() and int(length) <= 32):
            raise RolloutError(f"ip4: {shown(text)} has no prefix length between 0 and 32")
    if name != "ip6":
        return None
    text = value or ""
    address, _slash, length = text.partition("/")
    first = ipv6_prefix(f"{address}/128", "ip6")[0]
    size = int(length) if length.isascii() and length.isdigit() and len(length) < 4 else 128
    if (_slash and not length.isdigit()) or size > 128:
        raise RolloutError(f"ip6: {shown(text)} has no prefix length between 0 and 128")
    return first >> (128 - size) << (128 - size), size  # receivers do not look at host bits


def hosts_argument(text: str) -> tuple[str, int, int]:
    """Read what stands behind an ``a`` or ``mx``: the domain, and the prefix lengths for IPv4 and IPv6."""
    match = HOSTS.fullmatch(text)
    bits4, bits6 = (int(match[name] or most) if match else 129 for name, most in (("bits4", "32"), ("bits6", "128")))
    if match is None or bits4 > 32 or bits6 > 128:
        raise RolloutError(f"{shown(text)} is no domain with prefix lengths, such as :mail.example.com/24//64")
    return match["domain"] or "", bits4, bits6


def _check(record: str, terms: list[Term]) -> None:
    lookups = sum(term.name in LOOKUPS or term.name == "redirect=" for term in terms)
    if lookups > MOST_LOOKUPS:
        raise RolloutError(
            f"spf: {shown(record)} needs {lookups} DNS lookups, and receivers stop after {MOST_LOOKUPS} "
            "(RFC 7208, section 4.6.4); replace some by ip4 and ip6 terms, which need none"
        )
    check_modifiers(record, terms)


def check_modifiers(record: str, terms: list[Term]) -> None:
    """Refuse a modifier that is there twice."""
    for name in ("redirect=", "exp="):
        if sum(term.name == name for term in terms) > 1:
            raise RolloutError(f"spf: {shown(record)} has {name} more than once; it makes the whole record an error")


def _with(record: str, terms: list[Term], wanted: list[Prefix]) -> str:
    place, before = _place(record, terms)
    missing: list[Prefix] = []
    for prefix in wanted:
        decided = _decided(prefix, terms[:before])
        if decided == "+":
            continue
        if decided:
            raise RolloutError(
                f"spf: {shown(record)} has a term with '{decided}' before the place for {prefix_text(*prefix)}, which "
                "covers it; take that term out first"
            )
        if not any(other != prefix and inside(*prefix, *other) for other in wanted):
            missing.append(prefix)
    new = " ".join(_text(prefix) for prefix in missing)
    if not new:
        return record
    if before < len(terms):
        return f"{record[:place]}{new} {record[place:]}"
    return f"{record[:place]} {new}{record[place:]}"


def _place(record: str, terms: list[Term]) -> tuple[int, int]:
    """Return where new terms go, as an index into the text and into the terms: before ``all``, else ``redirect``."""
    for name in ("all", "redirect="):
        for index, term in enumerate(terms):
            if term.name == name:
                return term.start, index
    return (terms[-1].end if terms else len("v=spf1")), len(terms)


def _decided(prefix: Prefix, terms: list[Term]) -> str:
    """Return the qualifier of the first ``ip6`` that covers a prefix, or nothing."""
    for term in terms:
        if term.prefix is not None and inside(*prefix, *term.prefix):
            return term.qualifier
    return ""


def _text(prefix: Prefix) -> str:
    return f"ip6:{ipv6_text(prefix[0])}" if prefix[1] == 128 else f"ip6:{prefix_text(*prefix)}"


def _without(record: str, wanted: list[Prefix]) -> str:
    for term in reversed(read_terms(record, strict=False)):
        if term.prefix in wanted and term.qualifier == "+":
            start, end = term.start, term.end
            if end < len(record):
                end += 1
            else:
                start -= 1
            record = record[:start] + record[end:]
    return record
