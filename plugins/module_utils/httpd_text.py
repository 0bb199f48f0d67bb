# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apache's configuration as text: its directives with their places, and single lines changed and given back."""

from __future__ import annotations

import re
import typing as t

Line = t.Tuple[int, str, str]
"""A line that was changed: its number, from 0 on, what it was, and what it is now."""


class Directive(t.NamedTuple):
    """One directive, or the line that opens a block: its lines, its words, and the blocks around it."""

    first: int
    last: int
    text: str
    indent: str
    blocks: t.Tuple[str, ...]
    group: int


def encode(text: str) -> bytes:
    """Return text as the bytes that it was read from."""
    return text.encode("utf-8", "surrogateescape")


def decode(content: bytes) -> str:
    """Return bytes as text that gives the same bytes again."""
    return content.decode("utf-8", "surrogateescape")


def shown(content: bytes) -> str:
    """Return bytes as text that anybody can print."""
    return content.decode("utf-8", "replace")


def directives(text: str) -> t.Iterator[Directive]:
    """Read the directives of a file; ``group`` numbers the blocks, so that two of one kind stay apart."""
    blocks: t.List[t.Tuple[str, int]] = []
    groups = number = 0
    lines = text.split("\n")
    while number < len(lines):
        first = number
        whole = lines[number].rstrip("\r")
        while whole.endswith("\\") and number + 1 < len(lines):
            number += 1
            whole = whole[:-1] + lines[number].rstrip("\r")
        number += 1
        line = whole.strip()
        if line.startswith("</"):
            if blocks:
                blocks.pop()
        elif line and not line.startswith("#"):
            around = tuple(name for name, _group in blocks)
            indent = whole[: len(whole) - len(whole.lstrip())]
            yield Directive(first, number - 1, line, indent, around, blocks[-1][1] if blocks else 0)
            opened = re.match(r"<([A-Za-z]\w*)\s*(.*)>", line)  # Apache takes no notice of what stands after it
            if opened:
                groups += 1
                blocks.append((f"{opened.group(1).lower()} {opened.group(2).strip()}", groups))


def undo(text: str, changed: t.Sequence[Line]) -> t.Tuple[str, t.List[str]]:
    """Give single lines back, and name those that are not there any more.

    A line is looked for at its place first, so a text that nobody has edited since becomes what it was, to the byte.
    """
    lines = text.split("\n")
    lost = []
    for number, old, new in changed:
        if number < len(lines) and lines[number] == new:
            lines[number] = old
        elif new in lines:
            lines[lines.index(new)] = old
        else:
            lost.append(new.strip())
    return "\n".join(lines), lost


def extended(line: str, words: t.Sequence[str], end: str = "") -> str:
    """Return a line with more words, before the last ``end`` where there is one."""
    at = line.rfind(end) if end else -1
    body, tail = (line[:at], line[at:]) if at >= 0 else (line, "")
    kept = body.rstrip()
    return f"{kept} {' '.join(words)}{tail or body[len(kept) :]}"
