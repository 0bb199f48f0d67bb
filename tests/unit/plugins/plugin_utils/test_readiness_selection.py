# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of address selection: each seen to pass, to fail, and to say that it does not know."""

from __future__ import annotations

import copy
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import TABLES
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_selection
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Site
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.readiness_rolled_out import (
    ADDRESS,
    IPV4,
    OTHER,
    OTHER4,
    judged,
    look,
    proof,
    proofs,
    site,
    statuses,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
PASS, FAIL, UNKNOWN, NA = "pass", "fail", "unknown", "not_applicable"
NAME = "www.example.com"
SECOND = "2001:db8:1200::8080"
PREFER_IPV4 = [row._asdict() for row in TABLES["prefer_ipv4"]]
LABELS = [{"prefix": row.prefix, "label": row.label} for row in TABLES["prefer_ipv4"]]
CHANGED = [
    {**row._asdict(), "precedence": 100 if row.prefix == "::ffff:0:0/96" else row.precedence} for row in TABLES["glibc"]
]


def selection(**changes):
    return {"selection": {**copy.deepcopy(look()["audit"]["selection"]), **changes}}


def named(*got, problem=""):
    return [{"name": NAME, "got": list(got), "problem": problem}]


FOUR = selection(gai_conf=PREFER_IPV4, labels=LABELS, default_policy=False, order=named(OTHER4, OTHER))
DECLARED = {"address_selection_policy": "prefer_ipv4"}
TEMPORARY = {"address": "2001:db8:1200::1:2", "length": 64, "family": "ipv6", "scope": "global", "temporary": True}

CASES = [
    # S01: the policy and the order
    ("S01", {}, PASS, f"the addresses of {NAME} come in the order"),
    ("S01", {"audit": selection(order=named(OTHER4, OTHER))}, FAIL, "come in another order"),
    ("S01", {"audit": selection(order=[])}, PASS, "built in"),
    (
        "S01",
        {"audit": selection(order=named(OTHER, "203.0.113.9")), "routes": {"ipv4": [], "ipv6": []}},
        PASS,
        f"getaddrinfo(): {OTHER}",
    ),
    (
        "S01",
        {"audit": selection(order=named("2001:db8:9::1", "203.0.113.9")), "routes": {"ipv4": [], "ipv6": []}},
        PASS,
        "no way to any address",
    ),
    ("S01", {"audit": selection(order=named(problem="no name server"))}, UNKNOWN, "no name server"),
    (
        "S01",
        {"audit": selection(gai_conf=CHANGED, default_policy=False, order=named(OTHER4, OTHER))},
        FAIL,
        "/etc/gai.conf: ::ffff:0:0/96 has precedence 100 and label 4",
    ),
    (
        "S01",
        {"audit": selection(labels=[{"prefix": "2001:db8::/32", "label": 99}], default_policy=False)},
        FAIL,
        "ip addrlabel: 2001:db8::/32 has 99",
    ),
    ("S01", {"audit": FOUR, "variables": DECLARED}, PASS, "is the one that address_selection_policy declares"),
    ("S01", {"audit": FOUR}, FAIL, "somebody has changed"),
    ("S01", {"variables": DECLARED}, FAIL, "is not the one that address_selection_policy declares"),
    ("S01", {"variables": {**DECLARED, "address_selection_state": "absent"}}, PASS, "built in"),
    ("S01", {"variables": {"address_selection_policy": "whatever"}}, UNKNOWN, "could not be judged"),
    ("S01", {"audit": selection(problem="ip addrlabel: not permitted")}, UNKNOWN, "not permitted"),
    ("S01", {"audit": {"selection": None}}, UNKNOWN, "was not read"),
    ("S01", {"seen": False, "why": "no login"}, UNKNOWN, "no login"),
    # S02: sources
    ("S02", {}, PASS, f"connections leave from {ADDRESS}"),
    ("S02", {"audit": selection(sources={OTHER: SECOND})}, FAIL, f"leave from {SECOND}, and not from {ADDRESS}"),
    (
        "S02",
        {"audit": selection(sources={OTHER: SECOND}), "variables": {"readiness_source_addresses": [SECOND]}},
        PASS,
        f"connections leave from {ADDRESS}",
    ),
    ("S02", {"audit": selection(sources={OTHER: ""})}, UNKNOWN, f"no way to {OTHER}"),
    ("S02", {"audit": selection(sources={ADDRESS: ADDRESS})}, NA, "nothing here"),
    ("S02", {"audit": selection(sources={OTHER4: "10.0.0.5"}), "address4": "203.0.113.80"}, NA, "translator"),
    ("S02", {"audit": {"selection": None}}, UNKNOWN, "was not asked"),
    # S03: pinned families
    ("S03", {}, PASS, "the family that it was made for"),
    (
        "S03",
        {"outside": {"web|www1|http|ipv6": {"ok": True, "seen": {"family": "ipv4"}, "address": IPV4}}},
        FAIL,
        "web|www1|http|ipv6: ipv4",
    ),
    (
        "S03",
        {"outside": {"path|www1|mtu|1280": {"ok": True, "seen": {"family": "ipv4"}, "address": ADDRESS}}},
        FAIL,
        "path|www1|mtu|1280: ipv4",
    ),
    ("S03", {"outside": {}}, UNKNOWN, "no probe was made"),
    ("S03", {"outside": {"web|www1|http|ipv6": {"ok": False, "seen": {}, "address": ""}}}, UNKNOWN, "no probe tells"),
    ("S03", {"outside": {"a|b|race|ipv6": {"ok": True, "seen": {"family": "ipv4"}}}}, UNKNOWN, "no probe tells"),
    # S04: the race
    ("S04", {}, PASS, "is served over IPv4 at once"),
    ("S04", {"outside": proofs(race=proof(winner=IPV4, within_300ms=True, seconds=1.27))}, FAIL, "only after a wait"),
    ("S04", {"outside": proofs(race=proof(winner=IPV4, within_300ms=True, seconds=0.26))}, PASS, "at once"),
    ("S04", {"outside": proofs(race=proof(winner=IPV4, within_300ms=False, seconds=0.37))}, PASS, "at once"),
    ("S04", {"outside": proofs(race=proof(winner=IPV4, within_300ms=False))}, FAIL, "only after a wait"),
    ("S04", {"outside": proofs(race=proof(winner="100::1", within_300ms=True))}, FAIL, "by 100::1"),
    ("S04", {"outside": proofs(race=proof(False))}, UNKNOWN, "nobody answered"),
    ("S04", {"outside": proofs(race=proof(False, problem="no route"))}, UNKNOWN, "no route"),
    ("S04", {"outside": {}}, UNKNOWN, "was not made"),
    ("S04", {"offered": []}, NA, "no TCP service"),
    ("S04", {"address4": None}, NA, "no TCP service"),
]
NO_HOSTS = [(check.id, Site({}), NA, "no host") for check in readiness_selection.CHECKS if check.of == "host"]


@pytest.mark.parametrize("case", [*CASES, *NO_HOSTS], ids=lambda case: f"{case[0]} {case[2]} {case[3][:40]}")
def test_case(case):
    judged(readiness_selection.CHECKS, case)


def test_every_check_was_seen_to_say_each_thing():
    for check in readiness_selection.CHECKS:
        # Whether probes are pinned is asked of every site.
        wanted = {PASS, FAIL, UNKNOWN} | ({NA} if check.of == "host" else set())
        assert statuses([*CASES, *NO_HOSTS], check.id) == wanted, check.id


def test_a_privacy_address_that_is_chosen_is_named():
    interfaces = copy.deepcopy(look()["interfaces"])
    interfaces[1]["addresses"].append(TEMPORARY)
    audit = selection(sources={OTHER: TEMPORARY["address"], OTHER4: IPV4})
    case = ("S02", {"audit": audit, "interfaces": interfaces}, FAIL, f"to {OTHER}: from {TEMPORARY['address']}")
    red = [one for one in judged(readiness_selection.CHECKS, case) if one.status == FAIL]
    assert [(one.family, one.address, one.variable) for one in red] == [("ipv6", ADDRESS, "ipv6_interface_id")]


def test_the_race_begins_with_an_address_that_nobody_has():
    assert readiness_selection.probes(site(offered=["dns", "http"])) == [
        {
            "id": "selection|www1|race|ipv4",
            "kind": "race",
            "family": "ipv4",
            "addresses": ["100::1", IPV4],
            "port": 53,
            "timeout": 5,
        }
    ]
    assert json.loads(json.dumps(readiness_selection.probes(site())))
    nobody = [{"name": "db", "port": 3306, "sources": ["2001:db8::/32"]}, {"name": "vpn", "port": 9, "protocol": "udp"}]
    assert readiness_selection.probes(site(offered=nobody)) == []


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("\x1b[31m{{ 7 * 7 }}<b>\n"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(field=st.sampled_from(sorted(look()["audit"]["selection"])), value=HOSTILE)
def test_no_look_ends_the_audit(field, value):
    there = site(audit=selection(**{field: value}))
    for check in readiness_selection.CHECKS:
        for result in check.results(there):
            assert result.status in (PASS, FAIL, UNKNOWN, NA)
            if "could not be judged" not in result.message:
                assert all("\n" not in text and "\x1b" not in text for text in (result.message, *result.evidence))


@settings(max_examples=EXAMPLES, deadline=None)
@given(seen=HOSTILE, name=st.sampled_from(sorted(proofs())))
def test_no_proof_ends_the_audit(seen, name):
    there = site(outside={**proofs(), name: {"id": name, "ok": True, "evidence": seen, "address": "", "seen": seen}})
    for check in readiness_selection.CHECKS:
        for result in check.results(there):
            if "could not be judged" not in result.message:
                assert all("\n" not in text and "\x1b" not in text for text in (result.message, *result.evidence))
