# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of NAT64 and DNS64."""

from __future__ import annotations

import base64
import dataclasses
import os

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import probe as probe_module
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_translation as translation
from ansible_collections.ipv6.rollout.plugins.plugin_utils.nat64 import nat64_address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_routing_routers import ra_parts
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import reverse_name
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils import readiness_dns_fake as fake

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))
PREFIX = "2001:db8:1200:64::/96"
OLD4 = "192.0.2.7"
OLD6, POINTER = nat64_address(OLD4, PREFIX), "old.example.com."
FIRST, SECOND = (nat64_address(one, PREFIX) for one in translation.WELL_KNOWN)
GATEWAY = {
    "nat64_prefix": PREFIX,
    "dns64_server": "unbound",
    "ipv6_only_prove": [{"address": "192.0.2.180", "port": 80}],
    "ipv6_lab_sources": ["2001:db8:1200:99::/64"],
}
NO_USE = {"ipv6_only": True, "programs": {}, "lookups": []}


def order(name, *got):
    return {"name": name, "got": list(got), "problem": ""}


class Translated:
    """A gateway and a host behind it, which the lab machine tries. ``answers`` replaces AAAA and PTR answers."""

    def __init__(self, answers=None, refused=(), closed=True, routers=(), looked=(), use="none", lab=None, **gateway):
        use = NO_USE if use == "none" else use  # None: the host was not asked
        lab = fake.LAB if lab is None else lab
        hosts = {
            "gw1": fake.host("gw1", "2001:db8:1200:53::64", "192.0.2.64", **{**GATEWAY, **gateway}),
            "web1": fake.host("web1", fake.WWW, "", ["www.example.com"], [], [fake.HTTP]),
        }
        audit = {"selection": {"order": list(looked)}, "ipv4_use": use}
        hosts = {name: dataclasses.replace(one, look={"audit": audit}) for name, one in hosts.items()}
        self.site = Site(hosts, {"prefix": "2001:db8:1200::/48"}, dns=fake.dns_of(fake.RECORDS), lab=lab)
        self.answers = {
            "ipv4only.arpa.": [FIRST, SECOND],
            "old.example.com.": [OLD6],
            "www.example.com.": [fake.WWW],
            reverse_name(OLD6): [POINTER],
            **(answers or {}),
        }
        self.refused, self.closed = refused, closed
        proofs = {IDS["outside"]: {"ok": IDS["outside"] not in refused, "seen": {}}}
        for probe in translation.probes(self.site):
            proofs[probe["id"]] = self.made(probe)
        seen = {"routers": [{"address": "fe80::1", "pref64": one} for one in routers]}
        proofs["|".join(ra_parts(self.site))] = {"ok": True, "seen": seen}
        self.site = dataclasses.replace(self.site, proofs=proofs)

    def made(self, probe):
        if probe["id"] in self.refused and probe["kind"] == "dns":
            problems = {"udp": "", "udp_problem": "udp: no answer", "tcp": "", "tcp_problem": "tcp: no answer"}
            return {"ok": False, "seen": problems, "evidence": "no answer"}
        if probe["id"] in self.refused:
            return {"ok": False, "seen": {}, "evidence": "no answer"}
        if probe["kind"] != "dns":
            good = self.closed or probe.get("expect") != "closed"
            return {"ok": good, "seen": {}, "evidence": "it is reachable" if not good else "it is not reached"}
        query = dns.message.from_wire(base64.b64decode(probe["query"]))
        answer = dns.message.make_response(query)
        name, kind = query.question[0].name.to_text(), dns.rdatatype.to_text(query.question[0].rdtype)
        validating = query.flags & dns.flags.CD and query.ednsflags & dns.flags.DO
        stranger = probe["id"].split("|")[2] == "stranger"
        key = "stranger" if stranger else "checking" if validating else name
        texts = self.answers.get(key, ())
        if texts == "SERVFAIL":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif texts:
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *texts))
        seen = {one: base64.b64encode(answer.to_wire()).decode() for one in ("udp", "tcp")}
        return {"ok": True, "seen": seen, "evidence": ""}

    def judged(self):
        return {check.id: check.results(self.site) for check in translation.CHECKS}


def red(made):
    return sorted(check for check, found in made.judged().items() if "fail" in {one.status for one in found})


IDS = {
    "client": "translation|gw1|client|ipv6|192.0.2.180|80",
    "ping": "translation|gw1|ping|ipv6|192.0.2.180|80",
    "outside": "firewall|gw1|ping|ipv6",
    "prefix": "translation|gw1|prefix|ipv6|ipv4only.arpa.",
}
USE = {
    "kind": "address",
    "where": "/etc/apache2/sites-enabled/a.conf:3",
    "what": "192.0.2.1",
    "advice": "write the name",
    "nat64": "",
}
DEFECTS = {
    "nothing": ({}, []),
    "no prefix": ({"answers": {"ipv4only.arpa.": []}}, ["N01"]),
    "half of the prefix": ({"answers": {"ipv4only.arpa.": [FIRST]}}, ["N01"]),
    "another prefix": ({"answers": {"ipv4only.arpa.": ["64:ff9b::c000:aa", "64:ff9b::c000:ab"]}}, ["N01"]),
    "the DNS64 is silent": ({"refused": [IDS["prefix"]]}, ["N01"]),
    "no synthesis": ({"answers": {"old.example.com.": []}}, ["N02"]),
    "synthesis with another prefix": ({"answers": {"old.example.com.": ["64:ff9b::c000:207"]}}, ["N02"]),
    "real addresses are replaced": ({"answers": {"www.example.com.": [nat64_address(fake.WWW4, PREFIX)]}}, ["N02"]),
    "a host behind it asks something else": ({"looked": [order("ipv4only.arpa", "192.0.0.170")]}, ["N01"]),
    "a host gets nothing": ({"looked": [order("old.example.com", OLD4)]}, ["N02"]),
    "nothing gets through": ({"refused": [IDS["client"]]}, ["N03"]),
    "no ping gets through": ({"refused": [IDS["ping"]]}, ["N03"]),
    "validating clients get synthesis": ({"answers": {"checking": [OLD6]}}, ["N04"]),
    "the name has an address after all": (
        {"answers": {"old.example.com.": ["2001:db8::7"], "checking": ["2001:db8::7"]}},
        ["N02"],
    ),
    "strangers get through": ({"closed": False}, ["N05"]),
    "strangers are answered": ({"answers": {"stranger": [FIRST]}}, ["N05"]),
    "routers tell another prefix": ({"routers": [PREFIX, "64:ff9b::/96"]}, ["N06"]),
    "a literal": ({"use": {**NO_USE, "programs": {"apache2": [USE]}}}, ["N07"]),
    "a connection": (
        {"use": {**NO_USE, "programs": {"ntpd": [{**USE, "kind": "connection", "where": "tcp"}]}}},
        ["N07"],
    ),
    "who asks for A only": ({"use": {**NO_USE, "lookups": [{"client": fake.WWW, "name": "x.example."}]}}, ["N07"]),
}


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_turns_those_red_that_are_meant_to_see_it(name):
    how, expected = DEFECTS[name]
    made = Translated(**how)
    assert red(made) == expected
    for results in made.judged().values():
        assert len({one.key for one in results}) == len(results)
        for one in results:
            assert one.status != "fail" or (one.evidence and (one.variable or one.file) and one.fix), one
            assert not one.message.endswith("."), one


def test_each_check_fails_on_one_of_the_defects():
    assert {check for _how, expected in DEFECTS.values() for check in expected} == {c.id for c in translation.CHECKS}


def test_what_is_well_passes():
    looked = [order("ipv4only.arpa", FIRST, SECOND, "192.0.0.170"), order("old.example.com", OLD6, OLD4)]
    made = Translated(routers=[PREFIX], looked=looked, dns64_log_queries=True)
    for check, found in made.judged().items():
        told = {one.status for one in found}
        # The PTR record of the IPv4 address is in a zone that nobody read.
        assert told == {"pass"}, (check, found)


def test_what_says_nothing_of_a_name_is_no_pass():
    broken = Translated(answers={"checking": "SERVFAIL"}).judged()["N04"]
    assert [one.status for one in broken] == ["unknown"] and "SERVFAIL" in broken[0].message
    stranger = Translated(answers={reverse_name(OLD6): ["somebody.example.org."]}).judged()["N02"]
    assert [one.status for one in stranger if one.address == OLD6] == ["not_applicable"]


def test_a_lab_machine_that_is_no_client_asks_as_a_stranger_only():
    made = Translated(ipv6_lab_sources=["2001:db8:feed::/64"])
    kinds = {one.split("|")[2] for one in made.site.proofs if one.startswith("translation")}
    assert kinds == {"stranger"}
    told = {check: {one.status for one in found} for check, found in made.judged().items()}
    assert told["N01"] == told["N02"] == told["N03"] == told["N04"] == {"unknown"}
    assert told["N05"] == {"pass"}
    looked = [order("ipv4only.arpa", FIRST, SECOND), order("old.example.com", OLD6), order("www.example.com", fake.WWW)]
    made = Translated(ipv6_lab_sources=["2001:db8:feed::/64"], looked=looked)
    told = {check: {one.status for one in found} for check, found in made.judged().items()}
    assert told["N01"] == told["N02"] == {"pass"}


def test_silence_proves_nothing_where_the_outside_reaches_nothing():
    found = Translated(refused=[IDS["outside"]]).judged()["N05"]
    assert {one.name: one.status for one in found} == {
        "a stranger to 192.0.2.180 port 80": "unknown",
        "a stranger to 192.0.2.64 port 22": "unknown",
        "a client to 192.0.2.64 port 22": "pass",
        "dns64": "pass",  # it said so
    }


def test_the_probes_are_what_the_module_takes():
    made = Translated()
    for probe in translation.probes(dataclasses.replace(made.site, proofs={})):
        assert probe_module.check(probe).id == probe["id"]


def test_without_an_outside_nothing_is_known_of_strangers():
    lab = {key: value for key, value in fake.LAB.items() if key != "outside_source"}
    found = Translated(lab=lab).judged()["N05"]
    assert {one.status for one in found if "client" not in one.name} == {"unknown"}


def test_without_a_gateway_they_are_about_nothing():
    site = fake.World().site
    assert translation.probes(site) == [] and translation.names(site) == []
    for check in translation.CHECKS[:6]:
        assert [one.status for one in check.results(site)] == ["not_applicable"]
    looked = {name: dataclasses.replace(one, look={"audit": {}}) for name, one in site.hosts.items()}
    found = translation.CHECKS[6].results(dataclasses.replace(site, hosts=looked))
    assert {one.status for one in found} == {"not_applicable"}


def test_what_was_taken_back_is_no_gateway():
    made = Translated(nat64_state="absent", dns64_state="absent")
    assert {one.status for one in made.judged()["N05"]} == {"not_applicable"}


def test_a_gateway_that_is_named():
    hosts = {name: dataclasses.replace(one, variables={}) for name, one in Translated().site.hosts.items()}
    site = Site(hosts, {"prefix": "2001:db8:1200::/48"}, variables={"readiness_gateways": ["gw1"]}, lab=fake.LAB)
    assert [(one.host.name, one.prefix) for one in translation.gateways(site)] == [("gw1", "64:ff9b::/96")]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("readiness_gateways", {"gw1": True}),
        ("readiness_gateways", ["nobody"]),
        ("nat64_prefix", "2001:db8::/97"),
        ("nat64_prefix", 64),
        ("dns64_listen", 53),
        ("dns64_listen", ["2001:db8::g"]),
        ("ipv6_only_prove", "192.0.2.1"),
        ("ipv6_only_prove", [{"address": "192.0.2.1"}]),
        ("ipv6_only_prove", [{"address": "x", "port": 80}]),
    ],
)
def test_wrong_values_are_said(variable, value):
    site = Translated().site
    site = dataclasses.replace(
        site,
        hosts={
            **site.hosts,
            "gw1": dataclasses.replace(site.hosts["gw1"], variables={**GATEWAY, variable: value}),
        },
    )
    found = {check.id: check.results(site) for check in translation.CHECKS}
    assert {one.status for one in found["N05"]} == {"unknown"} and "could not be judged" in found["N05"][0].message


def test_the_names_that_hosts_look_up():
    assert translation.names(Translated().site) == ["ipv4only.arpa", "old.example.com", "www.example.com"]


def test_the_settings_of_the_translators_are_no_finding_and_lists_are_none():
    uses = {
        "tayga": [{**USE, "where": "/etc/tayga.conf:1"}],
        "dns64": [USE],
        "systemd": [{**USE, "where": "/etc/ipv6-rollout/nat64-tayga.conf:2"}],
        "apache2": [{**USE, "kind": "network"}],
        "named": [{**USE, "kind": "datagram", "where": "udp UNCONN"}],
    }
    found = Translated(use={**NO_USE, "programs": uses}).judged()["N07"]
    assert {one.host: one.status for one in found} == {"gw1": "not_applicable", "web1": "pass"}


def test_what_was_not_looked_at_is_unknown():
    for use in (None, {}, {"problem": "ss is missing"}):
        found = Translated(use=use).judged()["N07"]
        assert {one.status for one in found} == {"unknown"}


def test_routers_are_judged_where_they_are_told_to_advertise():
    def status(**how):
        return [one.status for one in Translated(**how).judged()["N06"]]

    assert status() == ["not_applicable"]
    assert status(nat64_pref64_interfaces=["eth0"]) == ["unknown"]
    assert status(nat64_pref64_interfaces=["eth0"], routers=[PREFIX]) == ["pass"]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    seen=st.recursive(
        st.none() | st.text() | st.integers(),
        lambda one: st.dictionaries(st.sampled_from(["udp", "tcp", "problem", "routers", "ipv4_use", "order"]), one),
    )
)
def test_what_is_seen_may_have_any_shape(seen):
    made = Translated()
    site = made.site
    proofs = {key: {**proof, "seen": seen} for key, proof in site.proofs.items()}
    hosts = {name: dataclasses.replace(one, look={"audit": {"ipv4_use": seen}}) for name, one in site.hosts.items()}
    for check in translation.CHECKS:
        for one in check.results(dataclasses.replace(site, proofs=proofs, hosts=hosts)):
            assert one.message.isprintable()
