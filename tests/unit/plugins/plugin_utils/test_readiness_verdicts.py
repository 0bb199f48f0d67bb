# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nine verdicts of Internet.nl, by its own rules."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_verdicts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Result, Site
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import readiness_dns_fake as fake
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_dns_fake import aaaa, records, silent

FORWARD, RECORDS, WWW, WWW4, MAIL, NS2 = (
    getattr(fake, name) for name in ("FORWARD", "RECORDS", "WWW", "WWW4", "MAIL", "NS2")
)
SAME = [Result("W03", "pass", "the same", "www1")]


def verdicts(results=(), **how):
    """Return by id ``(verdict, score)``; those of name servers once, as the web site has them."""
    told = readiness_verdicts.internet_nl(fake.World(**how).waves(), list(results))
    assert [one["id"] for one in told["web"]] == ["ns_aaaa", "ns_reach", "web_aaaa", "web_reach", "web_ipv46"]
    assert [one["id"] for one in told["mail"]] == ["ns_aaaa", "ns_reach", "mx_aaaa", "mx_reach"]
    assert all(one["title"] and one["why"] for kind in told.values() for one in kind)
    return {one["id"]: (one["verdict"], one["score"]) for one in [*told["mail"], *told["web"]]}


GOOD = {
    "ns_aaaa": ("pass", None),
    "ns_reach": ("pass", 10),
    "web_aaaa": ("pass", None),
    "web_reach": ("pass", 10),
    "web_ipv46": ("pass", 2),
    "mx_aaaa": ("pass", None),
    "mx_reach": ("pass", 10),
}


def only_udp(probe, answer):
    return None if probe["protocol"] == "tcp" else answer


def servfail(_probe, answer):
    answer.set_rcode(2)
    return answer


ONE_NS = [one for one in RECORDS if "ns2.example.com." not in (one[1], one[3])]
CASES = {
    "all is well": ({}, {}),
    "one name server": ({"records": ONE_NS}, {"ns_aaaa": ("fail", None), "ns_reach": ("pass", 5)}),
    # Two servers, of which one has an AAAA record: the mean of both.
    "one name server with AAAA": (
        {"records": records(without=[("ns2.example.com.", "AAAA")])},
        {"ns_aaaa": ("fail", None), "ns_reach": ("pass", 5)},
    ),
    "no name server with AAAA": (
        {"records": records(without=[(f"ns{n}.example.com.", "AAAA") for n in (1, 2)])},
        {"ns_aaaa": ("fail", None), "ns_reach": ("not_applicable", 0)},
    ),
    "a third one without AAAA does not count": (
        {
            "records": records(
                *((zone, zone, "NS", "ns3.example.com.") for zone in (FORWARD, fake.REVERSE)),
                (FORWARD, "ns3.example.com.", "A", "203.0.113.53"),
            )
        },
        {},
    ),
    "a name server is silent over IPv6": ({"odd": silent(NS2)}, {"ns_reach": ("fail", 5)}),
    "UDP is enough": ({"odd": only_udp}, {}),
    "SERVFAIL over UDP alone is not": (
        {"odd": lambda probe, answer: None if probe["protocol"] == "tcp" else servfail(probe, answer)},
        {"ns_reach": ("fail", 0)},
    ),
    "SERVFAIL over TCP is an answer": ({"odd": servfail}, {}),
    "no AAAA record": (
        {"records": records(without=[("www.example.com.", "AAAA")])},
        {"web_aaaa": ("fail", None), "web_reach": ("not_applicable", 0), "web_ipv46": ("not_applicable", 0)},
    ),
    "an IPv4-mapped AAAA record is none": (
        {"records": records(aaaa("www.example.com.", "::ffff:192.0.2.80"), without=[("www.example.com.", "AAAA")])},
        {"web_aaaa": ("fail", None), "web_reach": ("not_applicable", 0), "web_ipv46": ("not_applicable", 0)},
    ),
    "one of two addresses is not reached": (
        {"records": records(aaaa("www.example.com.", "2001:db8::1")), "refused": ["2001:db8::1 80", "2001:db8::1 443"]},
        {"web_reach": ("fail", 2)},
    ),
    "no address is reached": (
        {"refused": [f"{WWW} 80", f"{WWW} 443"]},
        {"web_reach": ("fail", 0), "web_ipv46": ("not_applicable", 0)},
    ),
    "a port is open over IPv4 only": (
        {"refused": [f"{WWW} 443"]},
        {"web_reach": ("pass", 2), "web_ipv46": ("fail", 0)},
    ),
    "a port is open over IPv6 only": ({"refused": [f"{WWW4} 443"]}, {}),
    "nothing over IPv4": ({"refused": [f"{WWW4} 443", f"{WWW4} 80"]}, {"web_ipv46": ("fail", 0)}),
    "no IPv4 at all": (
        {"records": records(without=[("www.example.com.", "A")])},
        {"web_ipv46": ("not_applicable", 2)},
    ),
    "a mail server without AAAA": (
        {"records": records((FORWARD, FORWARD, "MX", "20 old.example.com."))},
        {"mx_aaaa": ("fail", None), "mx_reach": ("pass", 5)},
    ),
    "no mail server with AAAA": (
        {"records": records(without=[("mail.example.com.", "AAAA")])},
        {"mx_aaaa": ("fail", None), "mx_reach": ("not_applicable", 0)},
    ),
    "a mail server is not reached": ({"refused": [f"{MAIL} 25"]}, {"mx_reach": ("fail", 0)}),
    "no MX record": (
        {"records": records(without=[(FORWARD, "MX")])},
        {"mx_aaaa": ("not_applicable", 10), "mx_reach": ("not_applicable", 10)},
    ),
    "null MX": (
        {"records": records((FORWARD, FORWARD, "MX", "0 ."), without=[(FORWARD, "MX")])},
        {"mx_aaaa": ("not_applicable", 10), "mx_reach": ("not_applicable", 10)},
    ),
    "null MX beside another": (
        {"records": records((FORWARD, FORWARD, "MX", "0 ."))},
        {"mx_aaaa": ("partial", 10), "mx_reach": ("not_applicable", 10)},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_rules(name):
    how, different = CASES[name]
    assert verdicts(SAME, **how) == {**GOOD, **different}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([], ("unknown", None)),
        ([Result("W03", "fail", "x", "www1", name="www.example.com")], ("partial", 0)),
        ([Result("W03", "fail", "x", "www1", name="other.example.com"), *SAME], ("pass", 2)),
        ([Result("W03", "fail", "x", "mail1"), *SAME], ("pass", 2)),
        ([Result("W03", "unknown", "x", "www1", service="https"), *SAME], ("unknown", None)),
        ([Result("W03", "not_applicable", "x", "www1")], ("unknown", None)),
    ],
)
def test_pages_are_compared_by_a_check(results, expected):
    assert verdicts(results)["web_ipv46"] == expected


def test_the_worst_name_counts():
    hosts = {**fake.HOSTS, "www2": fake.host("www2", "2001:db8:1200::81", "", ["old.example.com"], [], [fake.HTTP])}
    told = readiness_verdicts.internet_nl(fake.World(hosts=hosts).waves(), SAME)["web"]
    assert (told[2]["verdict"], told[2]["why"]) == ("fail", "old.example.com.: there is no AAAA record")


def test_what_was_not_seen_is_unknown():
    site = fake.World().site
    told = readiness_verdicts.internet_nl(dataclasses.replace(site, outside_why="no lab machine"), SAME)
    assert {one["id"]: one["verdict"] for one in told["web"]} == {
        "ns_aaaa": "pass",
        "ns_reach": "unknown",
        "web_aaaa": "pass",
        "web_reach": "unknown",
        "web_ipv46": "unknown",
    }
    told = readiness_verdicts.internet_nl(dataclasses.replace(site, dns={}, dns_why="no key"), SAME)
    assert {one["verdict"] for kind in told.values() for one in kind} == {"unknown"}
    lab = {key: value for key, value in fake.LAB.items() if key != "ipv4"}
    assert verdicts(SAME, lab=lab)["web_reach"] == ("unknown", None)


def test_a_site_without_names_has_nothing_to_test():
    told = readiness_verdicts.internet_nl(Site(hosts={}), [])
    assert {one["verdict"] for kind in told.values() for one in kind} == {"not_applicable"}
