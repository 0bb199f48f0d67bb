# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit found in words: what the page, the JUnit file and the terminal have in common.

All text of the document may come from the network. It is shown on one line, without control characters, terminal
sequences or signs that turn the direction of writing.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted, printable

Data = t.Mapping[str, t.Any]

PASS, FAIL, UNKNOWN, NOT_APPLICABLE, PARTIAL = "pass", "fail", "unknown", "not_applicable", "partial"
MARKS = {PASS: "✓", FAIL: "×", UNKNOWN: "?", NOT_APPLICABLE: "–", PARTIAL: "~"}  # noqa: RUF001
WORDS = {PASS: "passes", FAIL: "fails", UNKNOWN: "unknown", NOT_APPLICABLE: "not applicable", PARTIAL: "in part"}
VERDICTS = {"ready": (PASS, "Ready"), "not_ready": (FAIL, "Not ready"), "not_proved": (UNKNOWN, "Not proved")}
FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}
HURTS = {
    5: "locks people out or lets strangers in",
    4: "breaks a service",
    3: "breaks it for some, or slows it",
    2: "will break it one day",
    1: "is untidy",
}
VIEWS = {
    "inside": "seen on the host itself",
    "outside": "seen from the lab machine",
    "dns": "seen in the DNS",
    "control": "seen in the inventory and the plan",
}
NAMED = 3  # hosts that a sentence names


def plain(value: object) -> str:
    """Return text of the document on one line, without anything that a screen would act on."""
    return printable(" ".join(str(value).split()))


def status_of(verdict: object) -> str:
    """Return the status that a verdict over a host or the site is shown as."""
    return VERDICTS.get(str(verdict), (UNKNOWN, ""))[0]


def word_of(verdict: object) -> str:
    """Return a verdict in words."""
    return VERDICTS.get(str(verdict), (UNKNOWN, plain(verdict)))[1]


def moment(made: object) -> str:
    """Return an ISO 8601 time as people read it, to the minute."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(?:Z|\+00:?00)", str(made), re.ASCII)
    return f"{found[1]} {found[2]} UTC" if found else plain(made)


def place(told: Data) -> str:
    """Return what a result, a change or a cell is about: host, service, name, family and address."""
    parts = [plain(told.get(key) or "") for key in ("host", "service", "name")]
    family = FAMILIES.get(str(told.get("family")), plain(told.get("family") or ""))
    address = plain(told.get("address") or "")
    parts.append(f"{family} {address}".strip())
    return ", ".join(part for part in parts if part)


def hosts_of(results: t.Iterable[Data]) -> list[str]:
    """Return the hosts that results are about, in their order, each once."""
    return [host for host in dict.fromkeys(str(result["host"]) for result in results) if host]


def named(hosts: t.Sequence[str], total: int = 0) -> str:
    """Return hosts in a sentence: all of a few, the first of many."""
    names = [plain(host) for host in hosts]
    if len(names) <= NAMED + 1:
        return ", ".join(names[:-1]) + (" and " if names[:-1] else "") + "".join(names[-1:])
    of = f" of {total:,}" if total else ""
    return f"{len(names):,}{of} hosts: {', '.join(names[:NAMED])} and {len(names) - NAMED:,} more"


@dataclasses.dataclass(frozen=True)
class Group:
    """All results of one check with one status."""

    check: str
    status: str
    results: tuple[Data, ...]

    @property
    def anchor(self) -> str:
        """The name of its place on the page."""
        return anchor(self.status, self.check)


def anchor(status: str, check: str) -> str:
    """Return the name of a place on the page, whatever the id of a check holds."""
    return "-".join((status, "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in check)))


def groups(results: t.Iterable[Data], *statuses: str) -> list[Group]:
    """Return the results of these statuses by check, in the document's order: what hurts most first."""
    found: dict[tuple[str, str], list[Data]] = {}
    for result in results:
        if result["status"] in statuses:
            found.setdefault((str(result["check"]), str(result["status"])), []).append(result)
    return [Group(check, status, tuple(members)) for (check, status), members in found.items()]


def sentence(document: Data) -> str:
    """Return the site's verdict in one or two sentences."""
    counts, hosts = document["site"]["counts"], document["hosts"]
    bad = groups(document["results"], FAIL)
    where = len(hosts_of(result for group in bad for result in group.results))
    unknown = f"{counts[UNKNOWN]:,} {'thing' if counts[UNKNOWN] == 1 else 'things'} could not be seen"
    if bad:
        on = f" on {where:,} of {counted(len(hosts), 'host')}" if where else ""
        fail = "fails" if len(bad) == 1 else "fail"
        return f"{counted(len(bad), 'check')} {fail}{on}." + (f" {unknown}." if counts[UNKNOWN] else "")
    if counts[UNKNOWN]:
        return f"Nothing that was seen is wrong, but {unknown}, and what was not seen does not count as fine."
    if not counts[PASS]:
        return "Nothing was proved."
    return f"All {counts[PASS]:,} results on {counted(len(hosts), 'host')} pass, and nothing is unknown."


def ipv4_sentence(before: Data) -> tuple[str, str]:
    """Return the status and the sentence that say whether IPv4 was harmed since the earlier audit."""
    harmed = len(before["ipv4_harmed"])
    if harmed:
        were = "thing that was" if harmed == 1 else "things that were"
        return (
            FAIL,
            f"IPv4 was harmed: {harmed:,} {were} fine over IPv4 before {'is' if harmed == 1 else 'are'} not now.",
        )
    lost = sum(
        1
        for change in before["changes"]
        if change["family"] == "ipv4" and change["was"] == PASS and change["is"] == UNKNOWN
    )
    if lost:
        seen = "is" if lost == 1 else "are"
        return (
            UNKNOWN,
            f"Nothing shows harm to IPv4, but {lost:,} of what was fine over IPv4 before {seen} unknown now.",
        )
    return PASS, "IPv4 was not harmed: what was fine over IPv4 before is fine now."
