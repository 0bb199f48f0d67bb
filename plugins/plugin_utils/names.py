# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain names: strict reading, lower case, international names in their ASCII form."""

from __future__ import annotations

import importlib
import re
import types

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import text_value

idna: types.ModuleType | None
try:
    idna = importlib.import_module("idna")  # with it, international names follow IDNA 2008
except ImportError:
    idna = None

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
OWNER_LABEL = re.compile(r"\*|[a-z0-9_](?:[a-z0-9_/-]{0,61}[a-z0-9_])?", re.ASCII)
LONGEST = 253


def _ascii(text: str, what: str) -> str:
    if text.isascii():
        return text.lower()
    try:
        if idna is not None:
            return str(idna.encode(text, uts46=True).decode()).lower()
        return text.encode("idna").decode().lower()
    except UnicodeError as error:  # idna.IDNAError is one
        raise RolloutError(f"{what}: {shown(text)} is not an international domain name: {error}") from error


def _read(value: object, what: str, label: re.Pattern[str]) -> list[str]:
    text = text_value(value, what, 1024)
    name = _ascii(text, what)
    name = name[:-1] if name.endswith(".") else name
    if not name:
        raise RolloutError(f"{what}: {shown(text)} is empty; write a domain name such as www.example.com")
    if len(name) > LONGEST:
        raise RolloutError(f"{what}: {shown(text)} is longer than the {LONGEST} characters that a domain name may have")
    labels = name.split(".")
    for part in labels:
        if not label.fullmatch(part):
            raise RolloutError(f"{what}: {shown(text)} is not a domain name: {_why(part)}")
    return labels


def _why(label: str) -> str:
    if not label:
        return "a label between two dots is empty"
    if len(label) > 63:
        return f"the label {shown(label, 20)} is longer than 63 characters"
    if label.startswith("-") or label.endswith("-"):
        return f"the label {shown(label)} begins or ends with a hyphen"
    return f"the label {shown(label)} has something else than letters, digits and hyphens"


def host_name(value: object, what: str) -> str:
    """Read the full name of a host, such as ``www.example.com``; return it in lower case without the final dot."""
    labels = _read(value, what, LABEL)
    if len(labels) < 2:
        raise RolloutError(
            f"{what}: {shown(value)} has no domain; write the full name, such as {labels[0]}.example.com"
        )
    if labels[-1].isdigit():
        raise RolloutError(
            f"{what}: {shown(value)} ends in a number, as no domain name does; write a name, not an address"
        )
    return ".".join(labels)


def domain(value: object, what: str) -> str:
    """Read the name of a mail domain or a forward zone; like :func:`host_name`."""
    return host_name(value, what)


def owner_name(value: object, what: str) -> str:
    """Read any owner name (``_dmarc``, ``*``, ``0/25``); return it in lower case with the final dot."""
    if isinstance(value, str) and value == ".":
        return "."
    return ".".join(_read(value, what, OWNER_LABEL)) + "."
