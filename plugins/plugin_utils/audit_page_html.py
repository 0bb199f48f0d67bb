# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pieces of the page of an audit. Whatever comes from the document goes through :func:`esc`."""

from __future__ import annotations

import html
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import MARKS, WORDS, Data, anchor, plain


def esc(value: object) -> str:
    """Return text of the document for HTML, between tags or inside a quoted attribute."""
    return html.escape(plain(value), quote=True)


def status(name: str, word: str = "") -> str:
    """Return a status as its sign and its word, never as a colour alone."""
    known = name if name in MARKS else "unknown"
    return f'<span class="st st-{known}"><i aria-hidden="true">{MARKS[known]}</i>{esc(word or WORDS[known])}</span>'


def section(name: str, title: str, parts: t.Iterable[str], later: bool = True) -> str:
    """Return a landmark of the page with its heading. On a long page it may be laid out when it comes near."""
    kind = ' class="later"' if later else ""
    return (
        f'<section id="{name}" aria-labelledby="{name}-title"><div class="wrap">\n'
        f'<h2 id="{name}-title">{title}</h2>\n<div{kind}>\n{"".join(parts)}</div></div></section>\n'
    )


def facts(pairs: t.Iterable[tuple[str, str]]) -> str:
    """Return a list of what is known, of words and HTML; what is empty is left out."""
    told = "".join(f"<dt>{word}</dt><dd>{value}</dd>" for word, value in pairs if value)
    return f"<dl>{told}</dl>\n" if told else ""


def lines(texts: t.Sequence[object]) -> str:
    """Return lines as they are."""
    return "<pre>" + "\n".join(map(esc, texts)) + "</pre>\n" if texts else ""


def code(text: object) -> str:
    """Return a name, a path or an address."""
    return f"<code>{esc(text)}</code>" if text else ""


def links(checks: t.Iterable[str], found: t.Container[tuple[str, str]]) -> str:
    """Return ids of checks with links to what was found."""
    parts = []
    for check in checks:
        kind = next((kind for kind in ("fail", "unknown") if (check, kind) in found), "")
        parts.append(f'<a href="#{anchor(kind, check)}">{esc(check)}</a>' if kind else esc(check))
    return " ".join(parts)


def filters(listed: str, what: str, statuses: t.Mapping[str, str]) -> str:
    """Return the filter of a list; the script shows it."""
    options = "".join(f'<option value="{value}">{word}</option>' for value, word in statuses.items())
    return (
        f'<form class="filter" data-list="{listed}" hidden aria-label="Filter {what}">'
        f'<label>Filter by text <input type="search" autocomplete="off" spellcheck="false"></label>'
        f'<label>Show <select><option value="">all</option>{options}</select></label>'
        '<output aria-live="polite"></output></form>\n'
    )


def cause(results: t.Sequence[Data]) -> str:
    """Return where the cause is, in HTML, of results with the same variable and file."""
    told = results[0]["cause"]
    places = [code(where) for where in dict.fromkeys(result["cause"]["where"] for result in results) if where]
    where = f" in {', '.join(places)}" if places else ""
    inventory = f"the inventory variable {code(told['variable'])}{where}" if told["variable"] else ""
    file = f"the file {code(told['file'])} on the host" if told["file"] else ""
    return ", and ".join(part for part in (inventory, file) if part)
