# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the audit as a whole: the list of checks, what is accepted, the order, and the document."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness, readiness_document, readiness_site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    VIEWS,
    Host,
    Result,
    Site,
)

ROOT = Path(__file__).resolve().parents[4]
IDS = (
    [f"A{n:02}" for n in range(1, 9)]
    + [f"R{n:02}" for n in range(1, 10)]
    + [f"F{n:02}" for n in range(1, 11)]
    + [f"L{n:02}" for n in range(1, 7)]
    + [f"D{n:02}" for n in range(1, 14)]
    + [f"W{n:02}" for n in range(1, 10)]
    + [f"M{n:02}" for n in range(1, 9)]
    + [f"N{n:02}" for n in range(1, 8)]
    + [f"P{n:02}" for n in range(1, 5)]
    + [f"S{n:02}" for n in range(1, 5)]
    + [f"Z{n:02}" for n in range(1, 4)]
)
SERVICES = [
    {"name": "http", "port": 80, "protocol": "tcp", "sources": [], "daemon": "apache"},
    {"name": "dns", "port": 53, "protocol": "tcp", "sources": [], "daemon": "bind"},
    {"name": "dns", "port": 53, "protocol": "udp", "sources": [], "daemon": "bind"},
]
SPEC = {
    "address": "2001:db8:1200::80",
    "prefix_length": 64,
    "ipv4": "192.0.2.80",
    "subnet": "web",
    "names": ["www.example.com"],
    "lab_names": ["ipv6.www.example.com"],
    "services": SERVICES,
    "daemons": ["apache", "bind"],
    "mail_domains": [],
    "interface": "",
}
PLAN = {"prefix": "2001:db8:1200::/48", "subnets": {"web": "2001:db8:1200::/64"}, "hosts": {"www1": SPEC["address"]}}


def site(**more):
    return Site({"www1": Host("www1", SPEC, why="it was not asked")}, PLAN, outside_why="there is no lab", **more)


def test_all_checks_are_there_once():
    assert sorted(readiness.checks()) == sorted(IDS)
    assert len(IDS) == 81


@pytest.mark.parametrize("check", IDS)
def test_a_check_says_what_it_is(check):
    told = readiness.checks()[check]
    assert told.title[0].isupper() and not told.title.endswith(".") and len(told.title) <= 80
    assert told.rule.endswith(".") and told.source and told.view in VIEWS and 1 <= told.hurts <= 5
    assert told.of in ("host", "site")


def test_the_guide_lists_every_check():
    text = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([A-Z]\d\d)` \| (.*?) \|", text, re.MULTILINE))
    assert listed == {check.id: check.title for check in readiness.checks().values()}


def test_of_a_site_of_which_nothing_is_seen_nothing_passes_that_needs_a_look():
    results = [result for result, _because in readiness.judge(site(dns_why="no name server was asked"))]
    passed = {result.check for result in results if result.status == PASS}
    # What the plan and the inventory alone can say.
    assert passed <= {"A04", "A05", "A06", "Z02", "S03"}
    assert {result.check for result in results} == set(IDS)
    assert readiness_document.verdict({result.status for result in results}) != "ready"


def test_results_come_the_worst_first():
    order = [FAIL, UNKNOWN, PASS, NOT_APPLICABLE]
    found = [result for result, _because in readiness.judge(site())]
    places = [(order.index(result.status), -readiness.checks()[result.check].hurts) for result in found]
    assert places == sorted(places)


def test_the_probes_have_ids_of_their_own_and_are_asked_once():
    wanted, problems = readiness.probes(site())
    ids = [probe["id"] for probe in wanted]
    assert problems == [] and ids and len(ids) == len(set(ids))
    again, _problems = readiness.probes(site(proofs={probe["id"]: {} for probe in wanted}))
    assert again == []


class Group:
    """A group that fails one check of www1."""

    CHECKS = ()


def accepting(monkeypatch, accepted):
    real = readiness.checks()["A05"]
    fails = Result("A05", FAIL, "wrong", host="www1", name="x", evidence=("e",), variable="v")

    class Fake:
        CHECKS = (type(real)(**{**vars(real), "judge": lambda _site: [fails], "of": "site"}),)

    monkeypatch.setattr(
        readiness, "_group", lambda name: Fake if name == "addresses" else type("None", (), {"CHECKS": ()})
    )
    return [(result.status, because) for result, because in readiness.judge(site(), accepted)]


@pytest.mark.parametrize(
    "entry",
    [
        {"check": "A05", "because": "known"},
        {"check": "A05", "host": "www1", "because": "known"},
        {"check": "A05", "host": "www1", "name": "x", "because": "known"},
    ],
)
def test_an_accepted_failure_does_not_count_and_says_why(monkeypatch, entry):
    assert accepting(monkeypatch, [entry]) == [(NOT_APPLICABLE, "known")]


@pytest.mark.parametrize(
    "entry",
    [
        {"check": "A05", "host": "www2", "because": "k"},
        {"check": "A06", "because": "k"},
        {"check": "A05", "name": "y", "because": "k"},
    ],
)
def test_what_is_accepted_elsewhere_counts_here(monkeypatch, entry):
    assert accepting(monkeypatch, [entry]) == [(FAIL, "")]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("A05", "is not a list"),
        (["A05"], "is not a dictionary"),
        ([{"check": "A99", "because": "x"}], "is no check"),
        ([{"check": "A05"}], "'because' is missing"),
        ([{"check": "A05", "because": " "}], "'because' is missing"),
        ([{"check": "A05", "because": "x", "when": 1}], "is not known here"),
        ([{"check": ["A05"], "because": "x"}], "is no check"),
    ],
)
def test_an_entry_that_can_not_be_read_is_refused(value, words):
    with pytest.raises(RolloutError, match=f"readiness_accepted: .*{re.escape(words)}"):
        readiness.judge(site(), value)


# ---------------------------------------------------------------------------------------------------- the document


def document(**more):
    seen = site(**more)
    return readiness_document.build(seen, readiness.judge(seen), details=readiness_site.details(seen))


def test_the_document_is_the_same_for_the_same_site():
    assert json.dumps(document()) == json.dumps(document())


def test_the_fingerprint_leaves_out_when_it_was_made():
    one = document()
    told = {**one, "run": {"made": "2026-01-01"}, "before": None}
    assert readiness_document.fingerprint(told) == one["fingerprint"]
    assert readiness_document.fingerprint({**one, "results": []}) != one["fingerprint"]


def test_the_fingerprint_is_the_same_whether_there_is_an_earlier_audit_or_not():
    first = document()
    was = {"check": "W01", "status": PASS, "host": "www1", "service": "http", "name": "", "address": "", "message": "m"}
    second = document(before={"results": [{**was, "family": "ipv4"}]})
    assert second["results"] != first["results"] and second["site"]["counts"] != first["site"]["counts"]
    assert second["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize(
    "line", ["python3 (pid 352, user 63665, x.service)", "python3 (pid 7 and 2 more, user 63665, x.service)"]
)
def test_a_daemon_that_was_started_again_is_told_in_the_same_words(monkeypatch, line):
    monkeypatch.setattr(readiness_site.listeners, "listener_findings", lambda *_all: {"lines": [f"seen: {line}"]})
    seen = Site({"www1": Host("www1", SPEC, look={"firewall": {}})}, PLAN)
    assert readiness_site.details(seen)["www1"]["listeners"] == ["seen: python3 (user 63665, x.service)"]


def test_the_matrix_has_a_cell_for_each_service_protocol_and_family():
    cells = {(cell["service"], cell["protocol"], cell["family"]): cell for cell in document()["matrix"]}
    assert sorted(cells) == sorted(
        (service["name"], service["protocol"], family) for service in SERVICES for family in ("ipv4", "ipv6")
    )
    assert cells["http", "tcp", "ipv6"]["address"] == SPEC["address"]
    # Nothing was seen, so nothing is known.
    assert {cell["verdict"] for cell in cells.values()} == {UNKNOWN}


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ({PASS}, "ready"),
        ({PASS, NOT_APPLICABLE}, "ready"),
        ({PASS, UNKNOWN}, "not_proved"),
        ({PASS, UNKNOWN, FAIL}, "not_ready"),
        ({NOT_APPLICABLE}, "not_proved"),
        (set(), "not_proved"),
    ],
)
def test_unknown_is_not_ready(statuses, verdict):
    assert readiness_document.verdict(statuses) == verdict


def test_a_long_line_of_evidence_is_cut_and_keeps_one_line():
    seen = site()
    result = Result("A05", FAIL, "m", evidence=("a\nb\t" + "x" * 2000,), variable="v")
    (told,) = readiness_document.build(seen, [(result, "")])["results"]
    assert told["evidence"][0].startswith("a b x") and len(told["evidence"][0]) == readiness_document.LONGEST


def test_the_origin_of_a_variable_is_asked_for_its_host():
    asked = []

    def origin(host, variable):
        asked.append((host, variable))
        return "inventory/hosts.yml:7"

    result = Result("A05", FAIL, "m", host="www1", evidence=("e",), variable="ipv6_names")
    (told,) = readiness_document.build(site(), [(result, "")], origin)["results"]
    assert told["cause"] == {"variable": "ipv6_names", "file": "", "where": "inventory/hosts.yml:7"}
    assert asked == [("www1", "ipv6_names")]


def test_the_version_is_that_of_the_collection():
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["version"] == readiness_document.VERSION


# -------------------------------------------------------------------------------------------------------- the site


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ipv6_names", True),
        ("postfix_inet_protocols", True),
        ("readiness_routers", True),
        ("ansible_port", True),
        ("ansible_password", False),
        ("ipv6_seed_secret", False),
        ("dns_key_secret", False),
        ("tunnel_private_key", False),
        ("ntp_server", False),
    ],
)
def test_only_what_checks_know_is_read_and_no_secret(name, wanted):
    assert readiness_site.is_wanted(name) is wanted


@pytest.mark.parametrize(
    ("result", "why"),
    [
        ({"unreachable": True, "msg": "no\nroute"}, "it can't be reached: no route"),
        ({"failed": True, "msg": "boom"}, "boom"),
        ({"failed": True, "msg": "boom", "host_info": {}}, "boom"),
        ({}, "it gave no answer"),
        (None, "it was not asked"),
    ],
)
def test_a_host_without_a_look_says_why(result, why):
    assert readiness_site.looked(result) == (None, why)


def test_what_depends_on_a_look_waits_for_it():
    given = ({"www1": {**SPEC, "interface_id": "::80"}}, PLAN, {})
    before = readiness_site.hosts(*given)["www1"]
    assert (before.look, before.why) == (None, "")
    # Ports that listen are tried from outside once it is known which they are, and then there is one answer only.
    outside = {"name": "lab1", "ipv4": "198.51.100.200", "outside_source": "2001:db8:beef::10"}
    waiting = readiness.probes(Site({"www1": before}, PLAN, lab=outside))[0]
    assert not [probe["id"] for probe in waiting if probe["kind"] == "ports"]
    after = readiness_site.hosts(*given, {"www1": {"unreachable": True, "msg": "no route"}})["www1"]
    assert after.why == "it can't be reached: no route"
    asked = readiness.probes(Site({"www1": after}, PLAN, lab=outside))[0]
    assert [probe["id"] for probe in asked if probe["kind"] == "ports"]
    assert readiness_site.hosts(*given, {"www1": None})["www1"].why == "it was not asked"


def test_a_look_is_taken():
    assert readiness_site.looked({"host_info": {"os": {}}}) == ({"os": {}}, "")
