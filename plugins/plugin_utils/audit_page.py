# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An audit as a page: one HTML file that loads nothing and can be read without its script.

The bytes depend on the document only. All text of the document is text on the page, whatever it holds; beyond that,
the page's own policy lets the browser run its one script and apply its two style sheets, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import audit_page_lists as lists
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_findings import changes, findings
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_html import esc, section, status
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_script import SCRIPT
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_style import IN_THE_DARK, STYLE
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    FAIL,
    MARKS,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    Data,
    groups,
    moment,
    sentence,
    status_of,
    word_of,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map import plan_map
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_style import STYLE as MAP_STYLE

MANY = 50  # hosts that make the page long
# The picture has a dark scheme of its own; as on the rest of the page, paper is always light.
_DARK = "@media(prefers-color-scheme:dark)"
MAP = MAP_STYLE.replace(_DARK, f"@media {IN_THE_DARK}")


def render(document: Data) -> str:
    """Return the page of a document."""
    site = document["site"]
    found = {(group.check, group.status) for group in groups(document["results"], FAIL, UNKNOWN)}
    parts = [
        _verdict(document),
        changes(document),
        findings(document),
        lists.matrix(document, found),
        _internet_nl(site["internet_nl"]),
        lists.hosts(document, found),
        _plan(document["plan"]),
        lists.checks(document, found),
        lists.timeline(document),
        _words(),
    ]
    about = f"IPv6 readiness of {esc(site['prefix'])}" if site["prefix"] else "IPv6 readiness"
    body = '<body class="many">' if len(document["hosts"]) > MANY else "<body>"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{esc(word_of(site['verdict']))}: {about}</title>\n"
        # Browsers ask a server for an icon unless there is one.
        f'<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n{body}\n'
        '<a class="skip" href="#main">To the verdict</a>\n'
        f'<header><div class="wrap"><h1>{about}</h1><p>{esc(moment(document["run"]["made"]))}</p>'
        '<button type="button" id="scheme" hidden></button></div></header>\n'
        f'{_navigation(document)}<main id="main" tabindex="-1">\n{"".join(parts)}</main>\n{_footer(document)}'
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _policy() -> str:
    """Return the Content-Security-Policy: nothing but the page's own script and style sheets."""
    styles = " ".join(map(_digest, (STYLE, MAP)))
    policy = (
        f"default-src 'none'; script-src {_digest(SCRIPT)}; style-src {styles}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return html.escape(policy, quote=True).replace("&#x27;", "'")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _navigation(document: Data) -> str:
    places = [("verdict", "Verdict"), ("findings", "Findings"), ("matrix", "Services"), ("internet", "Internet.nl")]
    if document["before"]:
        places.insert(1, ("changes", "Changes"))
    places += [("hosts", "Hosts"), ("map", "Plan"), ("checks", "Checks"), ("run", "Run"), ("words", "Words")]
    told = "".join(f'<li><a href="#{place}">{word}</a></li>' for place, word in places)
    return f'<nav aria-label="On this page"><ul class="wrap">{told}</ul></nav>\n'


def _verdict(document: Data) -> str:
    site = document["site"]
    kind = status_of(site["verdict"])
    tiles = "".join(
        f'<div><dt class="st-{name}">{MARKS[name]} {word}</dt><dd>{site["counts"][name]:,}</dd></div>'
        for name, word in ((FAIL, "fail"), (UNKNOWN, "unknown"), (PASS, "pass"), (NOT_APPLICABLE, "not applicable"))
    )
    return (
        '<section id="verdict" aria-labelledby="verdict-title"><div class="wrap">\n'
        f'<h2 id="verdict-title" class="verdict st-{kind}"><i aria-hidden="true">{MARKS[kind]}</i>'
        f"<span>{esc(word_of(site['verdict']))}</span></h2>\n"
        f'<p class="say">{esc(sentence(document))}</p>\n<dl class="tiles">{tiles}</dl>\n</div></section>\n'
    )


def _internet_nl(told: Data) -> str:
    parts = [
        "<p>The nine IPv6 verdicts that the site would get at Internet.nl, by the same rules, from what was seen here."
        '</p>\n<div class="two">\n'
    ]
    for name, title in (("web", "Web site"), ("mail", "Mail")):
        rows = "".join(
            f"<li><span>{esc(entry['title'])}</span>{status(str(entry['verdict']), _score(entry))}"
            f'<span class="soft">{esc(entry["why"])}</span></li>\n'
            for entry in told[name]
        )
        parts.append(f'<div><h3>{title}</h3><ul class="rows">\n{rows}</ul></div>\n')
    parts.append("</div>\n")
    return section("internet", "Internet.nl", parts)


def _score(entry: Data) -> str:
    """Return the words of one verdict, with Internet.nl's points where it gives some; how many there are differs."""
    words = {PASS: "passes", FAIL: "fails", "partial": "in part", UNKNOWN: "unknown", NOT_APPLICABLE: "not applicable"}
    word = words.get(str(entry["verdict"]), "unknown")
    if entry["score"] is None:
        return word
    return f"{word}, {entry['score']:g} {'point' if entry['score'] == 1 else 'points'}"


def _plan(plan: Data) -> str:
    intro = (
        "<p>All of the prefix, drawn to scale: what is given out, what can still grow, and what is free. "
        "The pointer tells more of each block.</p>\n"
    )
    if not plan["prefix"]:
        return section("map", "The plan", ["<p>There is no plan.</p>\n"])
    try:
        picture = plan_map(plan)
    except RolloutError as error:
        return section("map", "The plan", [f"<p>The plan cannot be drawn: {esc(error)}</p>\n"])
    style = f"<style>{html.escape(MAP_STYLE, quote=True)}</style>"
    picture = picture.replace(style, f"<style>{html.escape(MAP, quote=True)}</style>", 1)
    return section(
        "map",
        "The plan",
        [
            intro,
            f'<figure class="plan" role="region" aria-labelledby="map-title" tabindex="0">\n{picture}</figure>\n',
        ],
    )


def _words() -> str:
    return section(
        "words",
        "What the words mean",
        [
            '<dl class="words">'
            f"<dt>{status(PASS)}</dt><dd>It was seen to be as the rule wants it.</dd>"
            f"<dt>{status(FAIL)}</dt><dd>It was seen to be otherwise. A site with one such result is not ready.</dd>"
            f"<dt>{status(UNKNOWN)}</dt><dd>It was not seen: a host could not be reached, a program is missing, or no "
            "answer came. That is no proof of anything, so it never counts as fine: a site where something is unknown "
            "is not proved.</dd>"
            f"<dt>{status(NOT_APPLICABLE)}</dt><dd>The rule is about something that is not there, or the inventory "
            "accepts that it fails.</dd></dl>\n"
            '<p class="lead">This page lists what fails and what is unknown. The JSON file beside it has all results, '
            "those that pass too.</p>\n"
        ],
    )


def _footer(document: Data) -> str:
    return (
        f'<footer><div class="wrap"><p>ipv6.rollout {esc(document["run"]["version"])}. The audit looks, and changes '
        f"nothing. State of the site: <code>{esc(document['fingerprint'])}</code></p></div></footer>\n"
    )
