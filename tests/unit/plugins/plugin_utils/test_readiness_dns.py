# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the DNS: each defect turns those red that are meant to see it, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

import dns.flags
import dns.rcode

from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import readiness_dns_fake as fake
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_dns_fake import aaaa, records, silent

FORWARD, REVERSE, RECORDS, WWW, MAIL, NS1, NS2 = (
    getattr(fake, name) for name in ("FORWARD", "REVERSE", "RECORDS", "WWW", "MAIL", "NS1", "NS2")
)


def says(change, what, address=NS2):
    """Return a way to answer: something else, at one address."""

    def odd(probe, answer):
        if probe["address"] == address and probe["id"].split("|")[2] == what:
            return change(answer)
        return answer

    return odd


def rcode(value):
    def change(answer):
        answer.answer.clear()
        answer.set_rcode(value)
        return answer

    return change


def older(answer):
    """Give the SOA record another serial."""
    one = answer.answer[0]
    soa = one[0].replace(serial=6)
    one.clear()
    one.add(soa)
    return answer


def without_edns(answer):
    answer.use_edns(-1)
    return answer


def lame(answer):
    answer.flags &= ~dns.flags.AA
    answer.answer.clear()
    return answer


def cut_off(probe, answer):
    """Cut large answers off over UDP, and let TCP for them be blocked."""
    if probe["id"].split("|")[2] != "largest":
        return answer
    if probe["protocol"] == "tcp":
        return None
    answer.answer.clear()
    answer.flags |= dns.flags.TC
    return answer


GLUE = [
    (FORWARD, "sub.example.com.", "NS", "ns.sub.example.com."),
    (FORWARD, "sub.example.com.", "NS", "ns2.example.com."),
]
DEFECTS = {
    "nothing": ({}, []),
    "a secondary has an older address": (
        {"odd": says(rcode(dns.rcode.NOERROR), "aaaa")},
        ["D01"],
    ),
    "the address is another one than planned": (
        {"records": records(aaaa("www.example.com.", "2001:db8:1200::81"), without=[("www.example.com.", "AAAA")])},
        # The PTR record now leads to a name with another address, and the new address has none.
        ["D01", "D03", "D04"],
    ),
    "the A record leads elsewhere": (
        {"records": records((FORWARD, "www.example.com.", "A", "192.0.2.99"), without=[("www.example.com.", "A")])},
        ["D01"],
    ),
    "TTLs differ": (
        {"records": records(aaaa("www.example.com.", WWW, 60), without=[("www.example.com.", "AAAA")])},
        ["D02"],
    ),
    "no PTR record": ({"records": records(without=[(reverse_name(WWW), "PTR")])}, ["D03"]),
    "two PTR records": ({"records": records((REVERSE, reverse_name(WWW), "PTR", "ipv6.www.example.com."))}, ["D03"]),
    "the PTR record names another host": (
        {
            "records": records(
                (REVERSE, reverse_name(WWW), "PTR", "old.example.com."), without=[(reverse_name(WWW), "PTR")]
            )
        },
        ["D04"],
    ),
    "a secondary lacks the reverse zone": (
        {
            "odd": lambda probe, answer: (
                rcode(dns.rcode.REFUSED)(lame(answer)) if REVERSE in probe["id"] and probe["address"] == NS2 else answer
            )
        },
        ["D05"],
    ),
    "the servers of the reverse zone differ": ({"odd": says(rcode(dns.rcode.NOERROR), "ns")}, ["D05"]),
    "the reverse zone is only the empty one of the server": (
        {
            "records": [
                *(one for one in RECORDS if one[0] == FORWARD),
                ("8.b.d.0.1.0.0.2.ip6.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.", "NS", "8.B.D.0.1.0.0.2.IP6.ARPA."),
            ],
            "zones": [FORWARD, "8.b.d.0.1.0.0.2.ip6.arpa."],
        },
        ["D03", "D05"],
    ),
    "one name server": (
        {"records": [one for one in RECORDS if "ns2.example.com." not in (one[1], one[3])]},
        ["D06"],
    ),
    "both in one network": (
        {
            "records": records(
                aaaa("ns2.example.com.", "2001:db8:1200:53::54"),
                (REVERSE, reverse_name("2001:db8:1200:53::54"), "PTR", "ns2.example.com."),
                without=[("ns2.example.com.", "AAAA")],
            )
        },
        ["D06"],
    ),
    "a name server has no AAAA record": ({"records": records(without=[("ns2.example.com.", "AAAA")])}, ["D06"]),
    "silent over IPv6": ({"odd": silent(NS2)}, ["D06"]),
    "silent over IPv6 and TCP": ({"odd": silent(NS2, protocols=("tcp",))}, ["D06"]),
    "no EDNS": ({"odd": says(without_edns, "soa")}, ["D06"]),
    "no glue": ({"records": records(*GLUE)}, ["D07"]),
    "AAAA questions are dropped": ({"odd": silent(fake.NS24, kinds=("aaaa",))}, ["D08"]),
    "AAAA questions get NXDOMAIN": (
        {
            "odd": lambda probe, answer: (
                rcode(dns.rcode.NXDOMAIN)(answer) if "aaaa" in probe["id"] and "old" in probe["id"] else answer
            )
        },
        ["D08"],
    ),
    "the MX host is an alias": (
        {
            "records": records(
                (FORWARD, FORWARD, "MX", "10 mx.example.com."),
                (FORWARD, "mx.example.com.", "CNAME", "mail.example.com."),
                without=[(FORWARD, "MX")],
            )
        },
        ["D09"],
    ),
    "the MX host has no AAAA record": (
        {"records": records((FORWARD, FORWARD, "MX", "20 old.example.com."))},
        ["D09"],
    ),
    "SPF has no ip6": (
        {"records": records((FORWARD, FORWARD, "TXT", f'"v=spf1 ip4:{fake.MAIL4} -all"'), without=[(FORWARD, "TXT")])},
        ["D10"],
    ),
    "SPF has a mistake": (
        {"records": records((FORWARD, FORWARD, "TXT", '"v=spf1 ip6:2001:db8::/129 -all"'), without=[(FORWARD, "TXT")])},
        ["D10"],
    ),
    "the service is silent": ({"refused": ["dns|www1|http|ipv6|published"]}, ["D11"]),
    "an older serial": ({"odd": says(older, "soa")}, ["D12"]),
    "lame": (
        {"odd": lambda p, a: lame(a) if p["address"] == NS2 and p["id"].endswith("|example.com.") else a},
        ["D12"],
    ),
    "silent over IPv4": ({"odd": silent(fake.NS24)}, ["D12"]),
    "a second SOA record": (
        {"records": records((FORWARD, FORWARD, "SOA", fake.SOA.replace(" 7 ", " 8 ")))},
        ["D12"],
    ),
    "the lab name has an A record": (
        {"records": records((FORWARD, "ipv6.www.example.com.", "A", fake.WWW4))},
        ["D13"],
    ),
    "the lab name is missing": ({"records": records(without=[("ipv6.www.example.com.", "AAAA")])}, ["D13"]),
    "large answers do not arrive": ({"odd": cut_off}, ["P04"]),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_turns_those_red_that_are_meant_to_see_it(name):
    how, expected = DEFECTS[name]
    found = fake.judged(fake.World(**how).waves())
    assert sorted(check for check in found if "fail" in {one.status for one in found[check]}) == expected
    for results in found.values():
        assert len({one.key for one in results}) == len(results)
        for one in results:
            # Which of several causes it is, and what was seen, is said for each failure.
            assert one.status != "fail" or (one.evidence and (one.variable or one.file) and one.fix), one
            assert not one.message.endswith("."), one


def test_each_check_fails_on_one_of_the_defects():
    assert {check for _how, expected in DEFECTS.values() for check in expected} == {c.id for c in readiness_dns.CHECKS}


def test_a_healthy_site_passes_all_but_what_nobody_was_asked_for():
    found = fake.statuses(fake.judged(fake.World().waves()))
    assert found.pop("D07") == ["not_applicable", "unknown"]
    assert {tuple(one) for one in found.values()} == {("pass",)}


def test_the_largest_answer_is_the_same_result_whichever_it_is():
    big = (fake.FORWARD, f"big.{fake.FORWARD}", "TXT", '"' + "x" * 200 + '"')
    worlds = fake.World(), fake.World(records=records(big))
    found = [fake.judged(world.waves(), {"P04"})["P04"] for world in worlds]
    assert [one.key for one in found[0]] == [one.key for one in found[1]]
    assert found[0][0].message != found[1][0].message and "big." in found[1][0].message


def test_a_name_server_that_is_silent_leaves_the_names_unknown():
    world = fake.World(odd=silent())
    found = fake.statuses(fake.judged(world.waves()))
    assert found["D01"] == found["D08"] == found["P04"] == ["unknown"]
    assert found["D06"] == ["fail", "pass"]  # there are two, and neither answers
    # Nobody asks a dead server for names.
    assert {one.split("|")[2] for one in world.site.proofs if one.startswith("dns|2001:db8:99")} == {"soa", "ns"}


def test_without_proofs_nothing_passes_that_needs_them():
    site = dataclasses.replace(fake.World().site, outside_why="the lab machine is gone")
    found = fake.judged(site)
    for check in ("D01", "D05", "D08", "D11", "P04"):
        assert {one.status for one in found[check]} == {"unknown"}, check
    assert "pass" not in {one.status for one in found["D12"]}
    assert [one.status for one in found["D06"]] == ["pass", "unknown", "unknown"]
    assert any("the lab machine is gone" in one.message for one in found["D11"])


@pytest.mark.parametrize("dns", [{}, {"records": [], "zones": {}, "unknown": [], "findings": []}])
def test_without_the_name_server_all_is_unknown(dns):
    site = dataclasses.replace(fake.World().site, dns=dns, dns_why="no key")
    found = fake.judged(site)
    assert {one.status for results in found.values() for one in results} == {"unknown"}
    assert all("no " in one.message for results in found.values() for one in results)
    assert [one["kind"] for one in readiness_dns.probes(site)] == ["tcp"] * 3
