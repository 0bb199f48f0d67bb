# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND's configuration, read from what ``named-checkconf -px`` prints: one statement behind the other, no comments."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{};]|[^\s{};"]+')

# A statement is its words, and a block in braces is a list of statements among them.
Statement = t.List[t.Any]


class Zone(t.NamedTuple):
    """A zone as it is declared."""

    name: str  # lower case, with the final dot
    view: str
    kind: str  # primary, secondary, ...
    file: str
    dynamic: bool  # takes updates, so that the file is the server's own
    check_names: str = "fail"  # what becomes of names that no host may have: fail, warn or ignore


def statements(text: str) -> t.List[Statement]:
    """Read a configuration.

    :raises RolloutError: where braces do not fit together
    """
    stack: t.List[t.List[Statement]] = [[[]]]
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == "{":
            stack.append([[]])
        elif token == "}":
            if len(stack) == 1:
                raise RolloutError("named-checkconf printed a configuration with one brace too many")
            block = [statement for statement in stack.pop() if statement]
            stack[-1][-1].append(block)
        elif token == ";":
            stack[-1].append([])
        else:
            stack[-1][-1].append(_unquoted(token))
    if len(stack) != 1:
        raise RolloutError("named-checkconf printed a configuration that ends within a block")
    return [statement for statement in stack[0] if statement]


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token


def block(found: t.Sequence[Statement], *words: str) -> t.List[Statement]:
    """Return the block of the first statement that begins with these words, or an empty one."""
    for statement in found:
        if statement[: len(words)] == list(words) and isinstance(statement[-1], list):
            return t.cast(t.List[Statement], statement[-1])
    return []


def value(found: t.Sequence[Statement], word: str) -> t.Optional[t.Any]:
    """Return what stands behind the first statement of that name, or None."""
    for statement in found:
        if statement[0] == word and len(statement) > 1:
            return statement[1]
    return None


def zones(found: t.Sequence[Statement], directory: str) -> t.List[Zone]:
    """Return the zones that a configuration declares, in every view."""
    options = block(found, "options")
    result = []
    for view, within in [("", found), *_views(found)]:
        inherited = _takes_updates(options) if not view else _takes_updates(within) or _takes_updates(options)
        names = _check_names(within) or _check_names(options) or "fail"
        for statement in within:
            if statement[0] == "zone" and isinstance(statement[-1], list):
                result.append(_zone(statement, view, inherited, directory, names))
    return result


def has_views(found: t.Sequence[Statement]) -> bool:
    """Whether a configuration has views; then every zone has to be in one."""
    return bool(_views(found))


def _check_names(body: t.Sequence[Statement]) -> str:
    """Return what ``check-names primary`` says of a view, or of the options."""
    for statement in body:
        if statement[0] == "check-names" and len(statement) == 3 and statement[1] in ("primary", "master"):
            return str(statement[2])
    return ""


def _views(found: t.Sequence[Statement]) -> t.List[t.Tuple[str, t.List[Statement]]]:
    return [(s[1], s[-1]) for s in found if s[0] == "view" and isinstance(s[-1], list)]


def _zone(statement: Statement, view: str, inherited: bool, directory: str, names: str) -> Zone:
    body = statement[-1]
    kind = str(value(body, "type") or "")
    kind = {"master": "primary", "slave": "secondary"}.get(kind, kind)
    path = str(value(body, "file") or "")
    if path and not path.startswith("/"):
        path = f"{directory}/{path}"
    own = any(item[0] in ("allow-update", "update-policy") for item in body)
    name = str(statement[1]).lower()
    return Zone(
        name if name.endswith(".") else f"{name}.",
        view,
        kind,
        path,
        _takes_updates(body) if own else inherited,
        str(value(body, "check-names") or names),
    )


def _takes_updates(body: t.Sequence[Statement]) -> bool:
    """Whether ``allow-update`` names anybody, or there is an ``update-policy``."""
    for statement in body:
        if statement[0] == "update-policy":
            return True
        if statement[0] == "allow-update" and statement[-1] != [["none"]]:
            return True
    return False
