# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings on the page of an audit: what is wrong, what is unknown, what is accepted, and what changed."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_html import (
    cause,
    esc,
    facts,
    lines,
    section,
    status,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    FAIL,
    HURTS,
    NOT_APPLICABLE,
    UNKNOWN,
    VIEWS,
    Data,
    Group,
    groups,
    hosts_of,
    ipv4_sentence,
    moment,
    named,
    place,
    status_of,
    word_of,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted

FOLDED = ("gone", "better")  # kinds of changes that nobody has to act on
FEW = 10  # lines that are shown unfolded
KINDS = {
    "worse": "What got worse",
    "new": "What is new and does not pass",
    "gone": "What is no longer checked",
    "better": "What got better",
}


def findings(document: Data) -> str:
    """Return the section of all that is wrong or unknown."""
    bad = groups(document["results"], FAIL)
    unknown = groups(document["results"], UNKNOWN)
    accepted = [result for result in document["results"] if result["accepted"] and result["status"] == NOT_APPLICABLE]
    parts = ["<p>What hurts most comes first. Evidence, cause and what to do are folded under each.</p>\n"]
    if not bad and not unknown:
        parts = ["<p>Nothing is wrong, and nothing is unknown.</p>\n"]
    if bad:
        parts.append(f'<h3 class="part" id="wrong">What is wrong: {counted(len(bad), "check")}</h3>\n')
        parts += [_finding(group, document) for group in bad]
    if unknown:
        parts.append(f'<h3 class="part" id="unseen">What is unknown: {counted(len(unknown), "check")}</h3>\n')
        parts += [_finding(group, document) for group in unknown]
    if accepted:
        parts.append(
            f'<h3 class="part">What is accepted on purpose</h3>\n<details><summary>'
            f"{counted(len(accepted), 'result')} that the inventory accepts</summary>\n"
            f"{''.join(_items(accepted))}</details>\n"
        )
    return section("findings", "Findings", parts, later=False)


def _finding(group: Group, document: Data) -> str:
    check = document["checks"].get(group.check, {})
    hurts = int(check.get("hurts", 1))
    count = len(group.results)
    items = "".join(_items(group.results, alone=count == 1))
    folded = "Evidence, cause and what to do" + (f" for {count:,} results" if count > 1 else "")
    return (
        f'<article class="finding {group.status}" id="{group.anchor}">\n'
        f"<h4>{status(group.status)} <code>{esc(group.check)}</code> <span>{esc(check.get('title', ''))}</span></h4>\n"
        f'<p>{_said(group, document)}</p>\n<p class="facts"><span><span class="dots" aria-hidden="true">'
        f"{'●' * hurts}{'○' * (5 - hurts)}</span>{esc(HURTS.get(hurts, ''))}</span>"
        f"<span>{esc(VIEWS.get(str(check.get('view')), ''))}</span></p>\n"
        f"<details><summary>{folded}</summary>\n{items}</details>\n</article>\n"
    )


def _said(group: Group, document: Data) -> str:
    """Return what a finding says: the message, and of several results how many there are, and where."""
    first = group.results[0]
    where = place(first)
    said = f'<span class="where">{esc(where)}:</span> {esc(first["message"])}' if where else esc(first["message"])
    if len(group.results) == 1:
        return said
    hosts = hosts_of(group.results)
    on = f" on {esc(named(hosts, len(document['hosts'])))}" if hosts else ""
    if len({result["message"] for result in group.results}) == 1:
        return f'<span class="where">{len(group.results):,} results{on}:</span> {esc(first["message"])}'
    return f"{len(group.results):,} results{on}. The first: {said}"


def _items(results: t.Sequence[Data], alone: bool = False) -> t.Iterator[str]:
    """Return results with all that is known of them; those that differ in their place only are one.

    :param alone: what the result is about, and its message, are told already
    """
    same: dict[tuple[object, ...], list[Data]] = {}
    for result in results:
        told = result["cause"]
        key = (result["message"], *result["evidence"], "", told["variable"], told["file"], result["fix"])
        same.setdefault((*key, result["accepted"], result["check"]), []).append(result)
    for members in same.values():
        first = members[0]
        where = "; ".join(esc(text) for text in map(place, members) if text)
        said = f'<p class="where">{where}</p><p>{esc(first["message"])}</p>'
        told = (
            ("Cause", cause(members)),
            ("What to do", esc(first["fix"])),
            ("Accepted", esc(first["accepted"])),
        )
        yield f'<div class="item">{"" if alone else said}{lines(first["evidence"])}{facts(told)}</div>\n'


def changes(document: Data) -> str:
    """Return the section of what changed since an earlier audit; nothing where there was none."""
    before = document["before"]
    if not before:
        return ""
    kind, said = ipv4_sentence(before)
    harmed = before["ipv4_harmed"]
    listed = f"<ul>{''.join(f'<li>{esc(text)}</li>' for text in harmed)}</ul>" if harmed else ""
    if len(harmed) > FEW:
        listed = f"<details><summary>What it is</summary>{listed}</details>"
    was = status(status_of(before["verdict"]), word_of(before["verdict"]).lower())
    now = status(status_of(document["site"]["verdict"]), word_of(document["site"]["verdict"]).lower())
    parts = [
        f"<p>The earlier audit is of {esc(moment(before['made']))}. The verdict was {was} and is {now}.</p>\n",
        f'<div class="note st-{kind}">{status(kind, said)}{listed}</div>\n',
    ]
    told = [change for change in before["changes"] if change["kind"] != "new" or change["is"] in (FAIL, UNKNOWN)]
    fine = len(before["changes"]) - len(told)
    for name, title in KINDS.items():
        some = [change for change in told if change["kind"] == name]
        if some:
            head = f'<h3 class="part">{title}: {counted(len(some), "result")}</h3>'
            rows = "".join(_changed(check, members, document) for check, members in _by_check(some).items())
            folded = f"<details><summary>{head}</summary>\n{rows}</details>\n"
            parts.append(folded if name in FOLDED else f"{head}\n{rows}")
    if fine:
        parts.append(f'<p class="soft">{counted(fine, "further result")} came and did not fail.</p>\n')
    if not before["changes"]:
        parts.append("<p>No result changed.</p>\n")
    return section("changes", "Since the last audit", parts, later=False)


def _by_check(some: t.Iterable[Data]) -> dict[tuple[str, str, str], list[Data]]:
    found: dict[tuple[str, str, str], list[Data]] = {}
    for change in some:
        found.setdefault((change["check"], change["was"], change["is"]), []).append(change)
    return found


def _changed(key: tuple[str, str, str], members: t.Sequence[Data], document: Data) -> str:
    check, was, now = key
    title = document["checks"].get(check, {}).get("title", "")
    became = f"{status(was) if was else 'was not there'} → {status(now) if now else 'is not there'}"
    hosts = named(hosts_of(members)) or "the site"
    told = "".join(f"<li>{esc(place(one) or 'the site')}: {esc(one['message'])}</li>" for one in members)
    return (
        f'<div class="change"><p><code>{esc(check)}</code> {esc(title)}</p><p>{became}</p>'
        f"<details><summary>{esc(hosts)}</summary><ul>{told}</ul></details></div>\n"
    )
