# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The summary of an audit on the terminal."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_text import WIDTH, WORST, summary
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    MARKS,
    groups,
    moment,
    named,
    place,
    plain,
    sentence,
)
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.audit_sample import HOSTILE, sample


def shaped(document, **statuses):
    """Return a document with so many results of each status, each of another check."""
    document = copy.deepcopy(document)
    one = {**document["results"][0], "host": "www1", "message": "it is so", "service": "", "address": "", "family": ""}
    document["results"] = [
        {**one, "check": f"{status}{number}", "status": status}
        for status in ("fail", "unknown", "pass")
        for number in range(statuses.get(status, 0))
    ]
    document["site"]["counts"] = {
        "not_applicable": 0,
        **{name: statuses.get(name, 0) for name in ("pass", "fail", "unknown")},
    }
    document["before"] = None
    return document


@pytest.mark.parametrize(
    ("statuses", "said"),
    [
        ({"pass": 3}, "All 3 results on 5 hosts pass, and nothing is unknown."),
        ({"pass": 3, "fail": 1}, "1 check fails on 1 of 5 hosts."),
        ({"fail": 2, "unknown": 1}, "2 checks fail on 1 of 5 hosts. 1 thing could not be seen."),
        ({"pass": 3, "unknown": 2}, "Nothing that was seen is wrong, but 2 things could not be seen, and what was not "
         "seen does not count as fine."),
        ({}, "Nothing was proved."),
    ],
)  # fmt: skip
def test_the_verdict_in_a_sentence(statuses, said):
    assert sentence(shaped(sample(1, 5), **statuses)) == said


def test_the_ten_worst_are_named_and_the_rest_counted():
    text = summary(shaped(sample(1, 5), fail=WORST + 3, unknown=2))
    assert text.count(f"{MARKS['fail']} fail") == WORST
    assert "... and 5 more" in text
    assert "What hurts most:" in text


def test_fails_come_before_what_is_unknown():
    document = sample(1, 5)
    found = groups(document["results"], "fail", "unknown")
    assert [group.status for group in found] == sorted(group.status for group in found)
    text = " ".join(summary(document).split())
    places = [text.index(f" {group.check} ") for group in found[:WORST]]
    assert places == sorted(places)


def test_the_files_are_named():
    text = summary(sample(1, 5), {"page": "audit/report.html", "JUnit": "audit/report.xml"})
    assert text.endswith("\npage   audit/report.html\nJUnit  audit/report.xml\n")


@pytest.mark.parametrize("hosts", [5, 60])
@pytest.mark.parametrize("healthy", [True, False])
@pytest.mark.parametrize("hostile", [True, False])
def test_it_is_short_and_of_plain_lines(hosts, healthy, hostile):
    text = summary(sample(9, hosts, healthy=healthy, hostile=hostile))
    lines = text.split("\n")
    assert len(lines) < 60
    assert all(line.isprintable() and len(line) <= WIDTH for line in lines)
    assert text.startswith(f"{MARKS['pass']} READY: 2001" if healthy else f"{MARKS['fail']} NOT READY: 2001")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_terminal_acts_on_is_left(text):
    assert plain(text).isprintable()
    assert plain(plain(text)) == plain(text)


@pytest.mark.parametrize(
    ("hosts", "total", "said"),
    [
        ([], 5, ""),
        (["a"], 5, "a"),
        (["a", "b"], 5, "a and b"),
        (["a", "b", "c", "d"], 5, "a, b, c and d"),
        (["a", "b", "c", "d", "e"], 50, "5 of 50 hosts: a, b, c and 2 more"),
        (["a", "b", "c", "d", "e"], 0, "5 hosts: a, b, c and 2 more"),
    ],
)
def test_hosts_in_a_sentence(hosts, total, said):
    assert named(hosts, total) == said


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("2026-11-21T20:15:33.123456+00:00", "2026-11-21 20:15 UTC"),
        ("2026-11-21T20:15:33Z", "2026-11-21 20:15 UTC"),
        ("2026-11-21T20:15:33+02:00", "2026-11-21T20:15:33+02:00"),
        ("yesterday\x1b[31m", "yesterday\N{REPLACEMENT CHARACTER}[31m"),
    ],
)
def test_a_time_as_people_read_it(made, said):
    assert moment(made) == said


def test_a_place_without_anything_is_empty():
    assert place({"host": "", "service": "", "name": "", "address": "", "family": ""}) == ""
    assert place({"host": "www1", "service": "https", "address": "192.0.2.1", "family": "ipv4"}) == (
        "www1, https, IPv4 192.0.2.1"
    )
