# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of the DNS: what is not known, what they are not about, zones above and elsewhere, and hostile servers."""

from __future__ import annotations

import dataclasses
import os

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

import dns.flags
import dns.name
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import probe as probe_module
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_dns
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_table import CHECKS as FINDINGS
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_dns_records import check_of
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import readiness_dns_fake as fake
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_dns_fake import aaaa, records, silent

FORWARD, REVERSE, RECORDS, WWW, MAIL, NS1, NS2 = (
    getattr(fake, name) for name in ("FORWARD", "REVERSE", "RECORDS", "WWW", "MAIL", "NS1", "NS2")
)
PARENT = "198.51.100.1"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))


def test_what_single_questions_did_not_settle_is_unknown():
    gone = [("www.example.com.", "AAAA"), ("ipv6.www.example.com.", "AAAA"), (FORWARD, "MX"), (FORWARD, "TXT")]
    gone += [(reverse_name(WWW), "PTR")]
    told = [{"name": name, "type": kind, "reason": "SERVFAIL"} for name, kind in gone]
    # PTR records are looked for where an AAAA record leads: one of the two names still does.
    world = fake.World(records=records(without=gone), unknown=told, by="query")
    world.site.dns["findings"].clear()
    found = fake.judged(world.waves())
    for check, name in [("D01", "www.example.com."), ("D02", "www.example.com."), ("D09", FORWARD), ("D10", FORWARD)]:
        assert {one.status for one in found[check] if one.name == name and one.family != "ipv4"} == {"unknown"}, check
    assert {one.status for one in found["D13"] if one.host == "www1"} == {"unknown"}


@pytest.mark.parametrize(
    ("check", "how"),
    [
        ("D02", {"records": records(without=[(name, "A") for name in ("www.example.com.", "mail.example.com.")])}),
        ("D07", {}),
        ("D08", {"records": records(without=[("old.example.com.", "A")])}),
        ("D09", {"records": records(without=[(FORWARD, "MX")])}),
        ("D10", {"records": records(without=[(FORWARD, "TXT")])}),
        ("D11", {"records": records(without=[("www.example.com.", "AAAA")])}),
        ("D01", {"hosts": {"www1": fake.host("www1", WWW, "", ["none.example.com"])}}),
        ("D03", {"hosts": {"www1": fake.host("www1", WWW, "", ["none.example.com"])}}),
        ("D04", {"records": records(without=[(reverse_name(one), "PTR") for one in (WWW, MAIL, NS1)])}),
        ("D05", {"hosts": {}, "zones": [FORWARD]}),
        ("D13", {"hosts": {}}),
    ],
)
def test_what_a_check_is_not_about(check, how):
    found = fake.judged(fake.World(**how).waves(), [check])
    assert "not_applicable" in {one.status for one in found[check]}, found


def test_a_published_name_without_a_service_is_pinged():
    hosts = {**fake.HOSTS, "www1": fake.host("www1", WWW, fake.WWW4, ["www.example.com"])}
    for refused, status in ([], "pass"), (["dns|www1|ping|ipv6|published"], "unknown"):
        found = fake.judged(fake.World(hosts=hosts, refused=refused).waves(), ["D11"])
        assert {one.status for one in found["D11"] if one.host == "www1"} == {status}


def test_a_service_with_sources_of_its_own_is_tried_from_the_lab_address():
    http = {**fake.HTTP, "sources": ["2001:db8:feed::/64"]}
    hosts = {"www1": fake.host("www1", WWW, fake.WWW4, ["www.example.com"], [], [http, fake.SMTP])}
    asked = {one["id"].split("|")[2]: one.get("source") for one in readiness_dns.probes(fake.World(hosts=hosts).site)}
    assert (asked["http"], asked["smtp"]) == (None, fake.LAB["outside_source"])


def test_the_probes_are_what_the_module_takes():
    made = readiness_dns.probes(fake.World().waves(1))
    assert {probe["kind"] for probe in made} == {"dns", "tcp", "ports"}
    assert {probe_module.check(probe).id for probe in made} == {probe["id"] for probe in made}


def test_a_lab_without_ipv4_asks_over_ipv6_and_says_so():
    lab = {key: value for key, value in fake.LAB.items() if key != "ipv4"}
    world = fake.World(lab=lab)
    found = fake.judged(world.waves())
    assert not [one for one in world.site.proofs if "|ipv4" in one]
    assert fake.red(world.site) == []
    assert [one.family for one in found["D12"] if one.status == "unknown"] == ["ipv4"]


def test_names_of_hosts_behind_a_proxy_have_its_address():
    proxy = "2001:db8:1200:53::64"
    hosts = {
        "www1": fake.host("www1", WWW, "", ["www.example.com"], [], [fake.HTTP], v4_proxy_aaaa="proxy"),
        "gw1": fake.host("gw1", proxy, "192.0.2.64", v4_proxy_public=["192.0.2.64", proxy]),
    }
    there = records(
        aaaa("www.example.com.", proxy),
        without=[("www.example.com.", "AAAA"), ("www.example.com.", "A"), ("ipv6.www.example.com.", "AAAA")],
    )
    found = fake.judged(fake.World(records=there, hosts=hosts).waves(), ["D01"])
    assert {one.status for one in found["D01"] if one.family == "ipv6"} == {"pass"}


def test_the_a_record_may_have_another_address_of_the_host():
    www1 = fake.host("www1", WWW, "10.0.0.80", ["www.example.com"], [], [fake.HTTP])
    looked = dataclasses.replace(www1, look={"audit": {"addresses": [{"interface": "eth1", "address": fake.WWW4}]}})
    proxy = fake.host("www1", WWW, "10.0.0.80", ["www.example.com"], [], [fake.HTTP], v4_proxy_public=[fake.WWW4])
    for one, status in (www1, "fail"), (looked, "pass"), (proxy, "pass"):
        found = fake.judged(fake.World(hosts={"www1": one}).waves(), ["D01"])["D01"]
        assert [result.status for result in found if result.family == "ipv4"] == [status]


def test_glue_of_the_zone_above():
    def above(change=lambda answer: answer):
        """Let the zone above refer to the servers, with their addresses."""

        def odd(probe, answer):
            if probe["address"] != PARENT:
                return answer
            answer.flags &= ~dns.flags.AA
            answer.authority, answer.answer = answer.answer, []
            for kind, address in (("A", fake.NS14), ("AAAA", NS1), ("A", fake.NS24), ("AAAA", NS2)):
                name = "ns1.example.com." if address in (fake.NS14, NS1) else "ns2.example.com."
                answer.additional.append(dns.rrset.from_text(name, 600, "IN", kind, address))
            return change(answer)

        return odd

    def lacks(answer):
        del answer.additional[1]
        return answer

    parents = {"readiness_dns_parents": {"example.com": PARENT}}
    for odd, status in (above(), "pass"), (above(lacks), "fail"), (silent(PARENT), "unknown"):
        found = fake.judged(fake.World(variables=parents, odd=odd).waves(), ["D07"])
        assert [one.status for one in found["D07"] if one.name == FORWARD] == [status]


@pytest.mark.parametrize("value", [{"example.com": "::g"}, {"example.com": None}, ["192.0.2.1"], "x", {1: 2}])
def test_a_wrong_server_of_the_zone_above_is_said(value):
    site = fake.World(variables={"readiness_dns_parents": value}).site
    found = fake.judged(site, ["D07"])["D07"]
    assert [one.status for one in found] == ["unknown"] and "readiness_dns_parents" in found[0].message


def test_zones_whose_servers_were_not_read():
    pointer = ("2.0.192.in-addr.arpa.", "80.2.0.192.in-addr.arpa.", "PTR", "www.example.com.")
    there = [one for one in RECORDS if one[2] != "NS"] + [pointer]
    world = fake.World(records=there, by="query", zones=[FORWARD, REVERSE, "2.0.192.in-addr.arpa."])
    world.site.dns["findings"].clear()
    found = fake.judged(world.waves(), ["D01", "D05", "D06", "D12"])
    assert {one.status for results in found.values() for one in results} == {"unknown"}
    # Of the last zone nothing but a PTR record was asked for.
    assert not [one for results in found.values() for one in results if "in-addr" in one.name]


def test_name_servers_elsewhere_are_asked_by_name():
    there = [
        *(one for one in RECORDS if one[2] != "NS"),
        *((zone, zone, "NS", f"ns{n}.example.net.") for zone in (FORWARD, REVERSE) for n in (1, 2)),
    ]
    unknown = [
        {"name": f"ns{n}.example.net.", "type": kind, "reason": "elsewhere"} for n in (1, 2) for kind in ("A", "AAAA")
    ]
    world = fake.World(records=there, unknown=unknown)
    assert {one["name"] for one in readiness_dns.probes(world.site) if one["kind"] == "dns"} == {
        "ns1.example.net",
        "ns2.example.net",
    }
    assert fake.red(world.waves()) == []
    assert {one.status for one in fake.judged(world.site, ["D06"])["D06"]} == {"pass"}
    lost = fake.World(records=there, unknown=unknown, odd=silent(family="ipv6"))
    assert {one.status for one in fake.judged(lost.waves(), ["D06"])["D06"]} == {"unknown"}


def test_each_finding_belongs_to_one_check_and_none_is_lost():
    known = {check.id for check in readiness_dns.CHECKS} | {"A04"}
    for name in [*FINDINGS, "server-silent", "secondary-differs", "not-judged", "something-new"]:
        assert check_of({"check": name, "name": FORWARD}) in known
    assert check_of({"check": "delegation-differs", "name": REVERSE}) == "D05"
    assert check_of({"check": "delegation-differs", "name": FORWARD}) == "D07"
    assert {name for name in FINDINGS if check_of({"check": name, "name": ""}) == "A04"} == {
        name for name in FINDINGS if name.startswith("address-") and name != "address-in-reverse-zone"
    }


def test_two_findings_of_one_name_are_both_said():
    text = '"v=spf1 +all ip6:::ffff:192.0.2.1"'
    found = fake.judged(
        fake.World(records=records((FORWARD, FORWARD, "TXT", text), without=[(FORWARD, "TXT")])).waves(), ["D10"]
    )["D10"]
    lines = " ".join(line for one in found for line in (one.message, *one.evidence))
    assert "spf-plus-all" in lines and "spf-mapped" in lines and "spf-after-all" in lines


def test_a_record_that_no_check_can_read_is_unknown():
    world = fake.World()
    odd = {
        "check": "not-judged",
        "zone": FORWARD,
        "name": FORWARD,
        "type": "MX",
        "data": "x",
        "message": "m",
        "fix": "f",
    }
    world.site.dns["findings"].append(odd)
    assert "unknown" in {one.status for one in fake.judged(world.waves(), ["D12"])["D12"]}


HOSTILE = [
    b"",
    b"\x00",
    b"\xff" * 64,
    b"\x00\x00\x84\x00" + b"\x00\x01" * 4 + b"\xc0\x0c" * 40,
    b"<script>" * 20,
]


@pytest.mark.parametrize("wire", HOSTILE)
def test_rubbish_from_a_server_is_no_pass_and_no_traceback(wire):
    found = fake.judged(fake.World(odd=lambda probe, answer: wire or None).waves())
    assert {one.status for one in found["D01"]} == {"unknown"}
    for results in found.values():
        for one in results:
            assert "could not be judged" not in one.message
            assert all(len(line) <= 400 and line.isprintable() for line in (one.message, *one.evidence))


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seen=st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: st.dictionaries(st.sampled_from(["udp", "tcp", "problem", "open"]), x),
    )
)
def test_a_proof_of_any_shape_ends_nothing(seen):
    world = fake.World()
    world.waves()
    proofs = {key: {**proof, "seen": seen} for key, proof in world.site.proofs.items()}
    found = fake.judged(dataclasses.replace(world.site, proofs=proofs))
    assert "fail" not in {one.status for one in found["D01"]}
    assert readiness_dns.probes(dataclasses.replace(world.site, proofs=proofs))


def test_an_answer_to_another_question_does_not_count():
    def other(_probe, answer):
        answer.question[0].name = dns.name.from_text("evil.example.net.")
        return answer

    found = fake.judged(fake.World(odd=other).waves())
    assert {one.status for one in found["D01"]} == {"unknown"}


def test_names_are_text():
    name = r"\<b\>x.example.com."
    world = fake.World(records=records(aaaa(name, "2001:db8:1200::99")))
    for results in fake.judged(world.waves()).values():
        for one in results:
            assert all(line.isprintable() for line in (one.message, one.name, *one.evidence))


def test_an_empty_site_says_something_of_each_check():
    found = fake.judged(Site(hosts={}, dns_why="there is no name server"))
    assert all(results for results in found.values())
