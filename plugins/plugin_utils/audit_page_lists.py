# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long lists on the page of an audit: the matrix, the hosts, the checks and the run."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_page_html import (
    code,
    esc,
    facts,
    filters,
    lines,
    links,
    section,
    status,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    FAIL,
    FAMILIES,
    HURTS,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    VIEWS,
    WORDS,
    Data,
    moment,
    status_of,
    word_of,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted

Found = t.Container[tuple[str, str]]

ORDER = (FAIL, UNKNOWN, PASS, NOT_APPLICABLE)  # the worst first
TALL = 20  # rows of a table that are too many to show at once
SHADES = {FAIL: ' class="bad"', UNKNOWN: ' class="dim"'}
VERDICT_FILTER = {"not_ready": "not ready", "not_proved": "not proved", "ready": "ready"}


def matrix(document: Data, found: Found) -> str:
    """Return the table of each host and service, with a column for each family."""
    rows: dict[tuple[str, str, int, str], dict[str, list[Data]]] = {}
    for cell in document["matrix"]:
        key = (str(cell["host"]), str(cell["service"]), int(cell["port"]), str(cell["protocol"]))
        rows.setdefault(key, {}).setdefault(str(cell["family"]), []).append(cell)
    intro = "<p>Each service of each host, over each family: the worst that any check says of it.</p>\n"
    if not rows:
        return section("matrix", "Services by family", [intro, "<p>No host declares a service.</p>\n"])
    head = "".join(f'<th scope="col">{family}</th>' for family in FAMILIES.values())
    tall = " tall" if len(rows) > TALL else ""
    parts = [
        intro,
        filters("matrix-rows", "the services", {name: WORDS[name] for name in (FAIL, UNKNOWN, PASS)}),
        f'<div class="table matrix{tall}" role="region" aria-labelledby="matrix-title" tabindex="0">\n<table>'
        f'<caption class="unseen">Host, service and family: {counted(len(rows), "row")}</caption><thead><tr>'
        f'<th scope="col" class="w1">Host</th><th scope="col" class="w2">Service</th>{head}</tr></thead>'
        '<tbody id="matrix-rows">\n',
    ]
    above = None
    for (host, service, port, protocol), families in rows.items():
        seen = {str(cell["verdict"]) for cells in families.values() for cell in cells}
        kind, above = ' class="again"' if host == above else "", host
        cells = "".join(_cell(families.get(family, []), found) for family in FAMILIES)
        parts.append(
            f'<tr data-status="{esc(" ".join(sorted(seen)))}"{kind}><th scope="row">{esc(host)}</th>'
            f'<td>{esc(service)} <span class="mono">{port}/{esc(protocol)}</span></td>{cells}</tr>\n'
        )
    parts.append("</tbody></table></div>\n")
    return section("matrix", "Services by family", parts)


def _cell(cells: t.Sequence[Data], found: Found) -> str:
    if not cells:
        return '<td><span class="soft">no address</span></td>'
    told = []
    for cell in cells:
        checks = links(map(str, cell["checks"]), found)
        told.append(f'{status(str(cell["verdict"]))} {checks}<span class="mono address">{esc(cell["address"])}</span>')
    shade = next((SHADES[name] for name in SHADES if any(cell["verdict"] == name for cell in cells)), "")
    return f"<td{shade}>{''.join(told)}</td>"


def hosts(document: Data, found: Found) -> str:
    """Return the list of hosts, each with what is known of it folded under its name."""
    by_host: dict[str, dict[str, str]] = {}
    for result in document["results"]:
        if result["status"] in (FAIL, UNKNOWN):
            by_host.setdefault(result["host"], {}).setdefault(result["check"], "")
    tall = ""
    if len(document["hosts"]) > TALL:
        tall = ' class="table tall" role="region" aria-labelledby="hosts-title" tabindex="0"'
    parts = [
        "<p>A host is ready where nothing fails and nothing is unknown.</p>\n",
        filters("host-rows", "the hosts", VERDICT_FILTER),
        f'<div id="host-rows"{tall}>\n',
        *(_host(name, host, by_host.get(name, {}), found) for name, host in document["hosts"].items()),
        "</div>\n",
    ]
    return section("hosts", "Hosts", parts)


def _host(name: str, host: Data, checks: t.Iterable[str], found: Found) -> str:
    counts = host["counts"]
    number = ", ".join(
        f"{counts[status_]:,} {word}"
        for status_, word in ((FAIL, "fail"), (UNKNOWN, "unknown"), (PASS, "pass"))
        if counts[status_]
    )
    services = ", ".join(f"{entry['name']} {entry['port']}/{entry['protocol']}" for entry in host["services"])
    verdict = str(host["verdict"])
    about = facts(
        (
            ("Findings", links(checks, found)),
            ("IPv6", code(host["address"])),
            ("IPv4", code(host["ipv4"])),
            ("Subnet", code(host["subnet"])),
            ("Names", esc(", ".join(map(str, host["names"])))),
            ("Services", esc(services)),
        )
    )
    text = " ".join((name, host["address"], host["ipv4"], host["subnet"], *map(str, host["names"]), services))
    seen = host["details"]
    return (
        f'<details class="host" data-status="{esc(verdict)}" data-text="{esc(text)}"><summary>'
        f'{status(status_of(verdict), word_of(verdict).lower())}<span class="wide"><b>{esc(name)}</b> '
        f'<span class="soft">{code(host["address"])}</span></span><span class="soft">{number}</span></summary>\n'
        f"<div>{about}{_seen('Listening sockets', seen['listeners'])}{_seen('Firewall', seen['firewall'])}</div>"
        "</details>\n"
    )


def _seen(title: str, told: t.Sequence[object]) -> str:
    return f"<h3>{title}</h3>{lines(told)}" if told else ""


def checks(document: Data, found: Found) -> str:
    """Return the list of all checks, each with its rule and source folded under it."""
    told = document["checks"]
    parts = [
        f"<p>{counted(len(told), 'check')}. Each has a rule, and a source that the rule comes from.</p>\n",
        filters("check-rows", "the checks", {name: WORDS[name] for name in ORDER}),
        '<div id="check-rows">\n',
        *(_check(str(name), check, found) for name, check in told.items()),
        "</div>\n",
    ]
    return section("checks", "All checks", parts)


def _check(name: str, check: Data, found: Found) -> str:
    counts = check["counts"]
    number = ", ".join(f"{counts[status_]:,} {WORDS[status_]}" for status_ in ORDER if counts[status_])
    about = facts(
        (
            ("Rule", esc(check["rule"])),
            ("Source", esc(check["source"])),
            ("Seen", esc(VIEWS.get(str(check["view"]), str(check["view"])).removeprefix("seen "))),
            ("If it fails", f"it {esc(HURTS.get(check['hurts'], ''))}"),
            ("Results", number),
            ("Findings", links([name], found) if counts[FAIL] or counts[UNKNOWN] else ""),
        )
    )
    return (
        f'<details class="check" data-status="{esc(check["verdict"])}"><summary>{status(str(check["verdict"]))}'
        f'<span class="wide"><code>{esc(name)}</code> <b>{esc(check["title"])}</b></span></summary>\n'
        f"<div>{about}</div></details>\n"
    )


def timeline(document: Data) -> str:
    """Return the steps of the run with bars, as long as they took."""
    run = document["run"]
    steps = run["timeline"]
    end = max([float(run["seconds"]), *(float(step["at"]) + float(step["seconds"]) for step in steps)]) or 1.0
    rows = "".join(
        f'<tr><th scope="row">{esc(step["what"])}</th><td class="num">{step["at"]:.1f}</td>'
        f'<td class="num">{step["seconds"]:.1f}</td><td class="num">{step["count"]:,}</td><td>'
        f'<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rail" width="1000" height="10"/><rect x="{1000 * step["at"] / end:.0f}" '
        f'width="{max(4.0, 1000 * step["seconds"] / end):.0f}" height="10"/></svg></td></tr>\n'
        for step in steps
    )
    parts = [
        f"<p>Made {esc(moment(run['made']))}, in {run['seconds']:.1f} seconds.</p>\n",
        *(f'<p class="note st-unknown">{status(UNKNOWN, problem)}</p>\n' for problem in run["problems"]),
        '<div class="table timeline" role="region" aria-labelledby="run-title" tabindex="0"><table>'
        '<caption class="unseen">The steps of the run</caption><thead><tr><th scope="col">Step</th>'
        '<th scope="col" class="num">At (s)</th><th scope="col" class="num">Took (s)</th>'
        '<th scope="col" class="num">Of how many</th><th scope="col">From start to end</th></tr></thead>'
        f"<tbody>\n{rows}</tbody></table></div>\n",
    ]
    return section("run", "The run", parts)
