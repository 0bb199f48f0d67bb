# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a page stays the same from one request to the next, as one hash a line.

Two families serve the same page when these lists agree. What a page makes up for each request (nonces, tokens, times,
counters), and the name and addresses by which it was asked for, is taken out first.
"""

from __future__ import annotations

import functools
import hashlib
import re
import typing as t

LINES = 4000
CACHED = 500  # characters of a line that is remembered

# Each pattern looks at a bounded stretch, so that no page can make the search slow.
_NAMED = r"(?:nonce|csrf|xsrf|token|session)"
_CHANGING = (
    # <input name="csrf_token" value="..."> and its kin; then nonce="...", token: '...'
    (
        re.compile(rf"(name=[\"'][^\"'>]{{0,40}}{_NAMED}[^>]{{0,120}}?(?:content|value)=[\"'])[^\"']{{0,500}}", re.I),
        r"\1#",
    ),
    (re.compile(rf"({_NAMED}[\w-]{{0,40}}[\"']?\s{{0,4}}[=:]\s{{0,4}}[\"']?)[^\"'\s<>;,&]{{1,500}}", re.I), r"\1#"),
    # 2001-02-03T04:05:06Z; Sat, 03 Feb 2001 04:05:06 GMT; 04:05:06
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?"), "#"),
    (re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6},? \d{1,2} [A-Z][a-z]{2,8} \d{4}"), "#"),
    (re.compile(r"\b\d{1,2}:\d\d:\d\d(?:\.\d{1,9})?\b"), "#"),
    (re.compile(r"\d{6,}"), "#"),
)
_RUN = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX = re.compile(r"[0-9a-fA-F-]{16,}")
_DIGIT, _LOWER, _UPPER = re.compile(r"\d"), re.compile(r"[a-z]"), re.compile(r"[A-Z]")


def _run(match: t.Match[str]) -> str:
    """Take out what looks made up; a long word or a path is none."""
    text = match.group()
    if _HEX.fullmatch(text):
        return "#"
    return "#" if all(kind.search(text) for kind in (_DIGIT, _LOWER, _UPPER)) else text


def _without(text: str, own: t.Iterable[str]) -> str:
    """Take out the names and addresses of both ends."""
    lower = text.lower()
    names = sorted({name.lower() for name in own if name and name.lower() in lower}, key=len, reverse=True)
    if not names:
        return text
    any_name = "|".join(map(re.escape, names))
    return re.sub(rf"(?<![\w.:-])\[?(?:{any_name})\]?(?![\w:-])", "@", text, flags=re.I)


def normal(line: str) -> str:
    """Return a line without what changes from request to request."""
    line = _RUN.sub(_run, line)
    for pattern, instead in _CHANGING:
        line = pattern.sub(instead, line)
    return " ".join(line.split())


def _hash(line: str) -> str:
    line = normal(line)
    return hashlib.sha256(line.encode()).hexdigest()[:8] if line else ""


# The pages of both families have the same lines.
_known = functools.lru_cache(maxsize=20000)(_hash)


def hashes(body: bytes, own: t.Iterable[str] = ()) -> t.List[str]:
    """Return a short hash of each line of a page.

    :param own: names and addresses of the server and of the client, which may differ by family
    """
    text = _without(body.decode("utf-8", errors="replace"), own)
    # A page without line breaks would be one line that any difference makes wholly different.
    lines = re.sub(r">\s*<", ">\n<", text).splitlines()[:LINES]
    found = (_known(line) if len(line) < CACHED else _hash(line) for line in lines)
    return [one for one in found if one]
