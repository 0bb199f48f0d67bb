# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all parts of the translation of IPv4 rules share: the refusal, what a rule stands in, and the form of values."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Option, Rule, unquoted

if t.TYPE_CHECKING:
    from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import Addresses


class Untranslatable(Exception):
    """Why a rule has no translation, and the way out.

    ``empty`` says that no IPv6 packet could have matched, so that nothing is missing without the rule.
    """

    def __init__(self, reason: str, empty: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.empty = empty


class Context(t.NamedTuple):
    """What a rule is translated with."""

    rule: Rule
    protocol: str
    chains: t.Collection[str]
    addresses: Addresses
    sets: t.Mapping[str, str]


Patterns = t.Tuple[str, ...]
"""A pattern for each value that an option takes; a pattern that begins with ``?`` is for a value that may be absent."""

FLAG: Patterns = ()
_16 = r"(?:6553[0-5]|655[0-2]\d|65[0-4]\d\d|6[0-4]\d{3}|[1-5]\d{4}|\d{1,4})"
NUMBER = r"\d{1,20}"
RANGE = r"\d{0,20}(?::\d{0,20})?"
HEX = r"(?:0[xX][0-9a-fA-F]{1,16}|\d{1,10})"
MASKED = f"{HEX}(?:/{HEX})?"
SERVICE = r"[A-Za-z][A-Za-z0-9.+_-]*"
PORT = f"(?:{_16}|{SERVICE})"
PORT_RANGE = f"(?:{PORT}(?::{PORT}?)?|:{PORT})"
PORT_LIST = f"{PORT}(?::{PORT})?(?:,{PORT}(?::{PORT})?){{0,14}}"
NAME = r"[^\s\"'\\-][^\s\"'\\]*"
INTERFACE = r"[^\s\"'\\/!-][^\s\"'\\/]{0,14}"
WORDS = r"[A-Za-z0-9_,-]+"
RATE = r"\d+(?:[kKmM]?b)?(?:/[a-z]+)?"
TEXT = r"[^\x00-\x1f]{0,255}"

_PLAIN = re.compile(r"[A-Za-z0-9_./,:=+%@*-]+", re.ASCII)
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*", re.ASCII)


def quoted(text: str) -> str:
    """Return a text as ``iptables-save`` prints it: in quotes where it has more than letters and digits."""
    if _SAFE.fullmatch(text):
        return text
    return '"' + re.sub(r"([\"\\'])", r"\\\1", text) + '"'


def checked(option: Option, patterns: Patterns) -> str:
    """Return an option as it is printed, once its values have the form that is known."""
    least = sum(not pattern.startswith("?") for pattern in patterns)
    if not least <= len(option.values) <= len(patterns):
        raise Untranslatable(f"{option.name} takes {count(least, 'value')}; correct the rule")
    values = []
    for value, pattern in zip(option.values, patterns):
        text = unquoted(value)
        if not re.fullmatch(pattern.lstrip("?"), text, re.ASCII):
            raise Untranslatable(f"'{text}' is no value of {option.name} that is known; write the rule by hand")
        values.append(text if pattern != TEXT and _PLAIN.fullmatch(text) else quoted(text))
    return written(option, *values)


def protocol_text(option: Option) -> str:
    """Return a protocol in small letters, a number without zeros: as in C, ``010`` is 8 and ``0x10`` is 16."""
    name = one(option).lower()
    if not name[:1].isdigit():
        return name
    if re.fullmatch(r"0x[0-9a-f]{1,4}|0[0-7]{0,4}|[1-9]\d{0,4}", name, re.ASCII):
        number = int(name, 16 if "x" in name else 8 if name.startswith("0") else 10)
        if number <= 255:
            return str(number)
    raise Untranslatable(f"'{name}' is no protocol; write its name, or a number from 0 to 255")


def written(option: Option, *values: str, name: str = "") -> str:
    """Return an option with other values, and with another name where one is given."""
    return str(Option(name or option.name, values, option.negated))


def one(option: Option) -> str:
    """Return the only value of an option, without quotes."""
    if len(option.values) != 1:
        raise Untranslatable(f"{option.name} takes 1 value; correct the rule")
    return unquoted(option.value)


def several(option: Option, values: t.Sequence[str], name: str = "") -> t.List[str]:
    """Return an option once for each of its translated values; not being any of several is no list of rules."""
    if option.negated and len(values) > 1:
        raise Untranslatable(
            f"'! {option.name} {option.value}' has {len(values)} counterparts, and no single rule says 'none of them'; "
            "write a chain that returns for each of them"
        )
    return [written(option, value, name=name) for value in values]


def count(number: int, noun: str) -> str:
    """Return ``1 value``, ``2 values``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
