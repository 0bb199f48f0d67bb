# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit on the terminal: the verdict, the numbers, what hurts most, and where the rest is."""

from __future__ import annotations

import textwrap
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    FAIL,
    MARKS,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    WORDS,
    Data,
    Group,
    groups,
    hosts_of,
    ipv4_sentence,
    named,
    place,
    plain,
    sentence,
    status_of,
    word_of,
)

WIDTH = 100
WORST = 10
LONGEST = 300  # characters of one finding


def summary(document: Data, files: t.Mapping[str, str] | None = None) -> str:
    """Return the summary of a document as lines of text.

    :param files: where the page, the document and the rest were written, by what they are
    """
    site = document["site"]
    counts = site["counts"]
    verdict = site["verdict"]
    lines = [f"{MARKS[status_of(verdict)]} {word_of(verdict).upper()}: {plain(site['prefix'])}".rstrip(": ")]
    lines += _wrapped(sentence(document), "  ")
    numbers = ", ".join(
        f"{counts[status]:,} {word}"
        for status, word in ((PASS, "pass"), (FAIL, "fail"), (UNKNOWN, "unknown"), (NOT_APPLICABLE, "not applicable"))
    )
    lines.append(f"  Results: {numbers}")
    if document["before"]:
        status, said = ipv4_sentence(document["before"])
        lines += _wrapped(f"{MARKS[status]} {said}", "  ")
    found = groups(document["results"], FAIL, UNKNOWN)
    if found:
        lines += ["", "What hurts most:" if len(found) > WORST else "What is wrong or unknown:"]
        for group in found[:WORST]:
            lines += _wrapped(_finding(group, document), "  ")
        if len(found) > WORST:
            lines.append(f"  ... and {len(found) - WORST:,} more: the page and the JSON file have them all")
    if files:
        wide = max(map(len, files))
        lines += ["", *(f"{name:<{wide}}  {plain(path)}" for name, path in files.items())]
    return "\n".join(lines) + "\n"


def _finding(group: Group, document: Data) -> str:
    """Return a finding in a sentence: of many, what they have in common."""
    first = group.results[0]
    check = f"{MARKS[group.status]} {plain(group.check)}"
    if len(group.results) == 1:
        where = place(first)
        said = f"{check} {f'{where}: ' if where else ''}{plain(first['message'])}"
    else:
        title = plain(document["checks"].get(group.check, {}).get("title", ""))
        hosts = hosts_of(group.results)
        on = f" on {named(hosts, len(document['hosts']))}" if hosts else ""
        told = "is unknown" if group.status == UNKNOWN else WORDS[group.status]
        said = (
            f"{check} ({title}) {told} {len(group.results):,} times{on}; "
            f"the first: {place(first)}: {plain(first['message'])}"
        )
    said = said if len(said) <= LONGEST else f"{said[: LONGEST - 3]}..."
    return f"{said}."


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_on_hyphens=False
    ) or [indent]
