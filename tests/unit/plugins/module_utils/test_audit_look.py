# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The look of an audit as a whole: what may be asked, what one broken part means for the rest, rules, and names."""

from __future__ import annotations

import json
import time

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    audit_daemons,
    audit_disk,
    audit_look,
    audit_names,
    audit_network,
    audit_rules,
    audit_state,
    commands,
    gai_conf,
    host,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

KEYS = {
    "addresses",
    "routes",
    "neighbours",
    "gateways",
    "settings",
    "kernel",
    "disk",
    "saved",
    "postfix",
    "web",
    "hits",
    "selection",
    "tunnels",
    "ipv4_use",
    "conntrack",
    "state",
    "problems",
}


@pytest.fixture
def quiet(monkeypatch):
    """Nobody is asked over the network."""
    monkeypatch.setattr(audit_network, "ask_gateways", lambda default: {})


def test_a_look_has_all_parts_and_changes_nothing(quiet):
    found = host.look(True, {"names": ["localhost"], "destinations": ["::1", "127.0.0.1"]})["audit"]
    assert set(found) == KEYS
    assert found["state"]["parts"] == []
    assert found["state"]["before"] == found["state"]["after"]
    assert found["selection"]["sources"] == {"::1": "::1", "127.0.0.1": "127.0.0.1"}
    assert any(entry["address"] == "127.0.0.1" for entry in found["addresses"])
    json.dumps(found)


def test_without_the_option_there_is_no_audit():
    assert "audit" not in host.look()


# What breaks, and the parts that say so.
BROKEN = {
    "settings": (audit_network, "settings", {"settings"}),
    "kernel": (audit_network, "kernel", {"kernel"}),
    "network": (audit_network, "look", {"addresses", "routes", "neighbours", "gateways", "tunnels", "network"}),
    "disk": (audit_disk, "look", {"disk"}),
    "saved": (audit_rules, "look", {"saved"}),
    "conntrack": (audit_rules, "tracking", {"conntrack"}),
    "web": (audit_daemons, "web", {"web"}),
    "hits": (audit_daemons, "hits", {"hits"}),
    "postfix": (audit_daemons, "postfix", {"postfix"}),
    "selection": (audit_names, "look", {"selection"}),
    "ipv4_use": (audit_names, "ipv4_use", {"ipv4_use"}),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("error", [OSError("gone"), ValueError("strange\nthings"), RolloutError("a: b"), KeyError("x")])
def test_one_broken_part_is_told_and_ends_nothing(monkeypatch, quiet, name, error):
    module, function, parts = BROKEN[name]

    def fails(*_given):
        raise error

    monkeypatch.setattr(audit_state, "snapshot", lambda: {"files": "x"})
    for each, attribute in ((audit_network, "look"), (audit_daemons, "postfix"), (audit_names, "look")):
        empty = {audit_network: {**audit_network.NONE, "problems": {}}}.get(each, {})
        monkeypatch.setattr(each, attribute, lambda *_given, empty=empty: empty)
    monkeypatch.setattr(audit_names, "ipv4_use", lambda *_given: {})
    monkeypatch.setattr(module, function, fails)
    looking = audit_look.Looking({"token": "0123456789", "ipv4_use": True})
    found = looking.finish(
        {
            "firewall": {"ipv4": {}, "ipv6": {}},
            "network_backend": "",
            "interfaces": [],
            "managers": [],
        }
    )
    assert set(found) == KEYS
    assert set(found["problems"]) == parts
    assert all(said and "\n" not in said for said in found["problems"].values())


@pytest.mark.parametrize(
    "given",
    [
        {"names": "www.example.com"},
        {"names": [1]},
        {"destinations": ["192.0.2.1"] * 201},
        {"paths": {"a": 1}},
        {"token": "short"},
        {"token": "a line\nand another"},
        {"token": 12345678},
        {"nat64_prefix": "64:ff9b::1/96"},
        {"nat64_prefix": "192.0.2.0/24"},
        {"nat64_prefix": ["64:ff9b::/96"]},
    ],
)
def test_what_can_not_be_asked_is_refused(given):
    with pytest.raises(RolloutError, match=r"^audit: .*; write"):
        audit_look.wish(given)


def test_what_is_asked_twice_is_asked_once():
    asked = audit_look.wish({"names": ["a.example", "a.example", " "], "destinations": None, "token": ""})
    assert (asked.names, asked.destinations, asked.token, asked.nat64_prefix) == (("a.example",), (), "", None)


# ---------------------------------------------------------------------------------------------- rules


UNITS = {
    "before": ("[Unit]\nBefore=network-pre.target shutdown.target\n", "", True),
    "not before": ("[Unit]\nBefore=shutdown.target\n", "", False),
    "taken back": ("[Unit]\nBefore=network-pre.target\n", "[Unit]\nBefore=\n", False),
    "by a drop-in": ("[Unit]\nAfter=local-fs.target\n", "[Unit]\nBefore=networking.service\n", True),
    "no unit": (None, "", None),
}


@pytest.mark.parametrize("name", UNITS)
def test_whether_rules_come_before_addresses(tmp_path, monkeypatch, name):
    unit, more, expected = UNITS[name]
    monkeypatch.setattr(audit_rules, "UNITS", (str(tmp_path),))
    monkeypatch.setattr(audit_rules, "UNITS_DEBIAN_12", str(tmp_path))
    if unit is not None:
        (tmp_path / "x.service").write_text(unit)
        (tmp_path / "x.service.d").mkdir()
        (tmp_path / "x.service.d" / "a.conf").write_text(more)
    assert audit_rules.before_network("x.service") is expected


@pytest.mark.parametrize(
    ("managers", "unit", "problem"),
    [
        (["ufw", "netfilter-persistent"], "netfilter-persistent.service", "it does not exist"),
        (["nftables"], "nftables.service", "it is written for nft"),
        (["docker"], "", "it does not exist"),
        ([], "", "it does not exist"),
    ],
)
def test_saved_rules_and_their_loader(tmp_path, monkeypatch, managers, unit, problem):
    paths = {"ipv4": str(tmp_path / "v4"), "ipv6": str(tmp_path / "v6")}
    loaders = {name: (unit, paths, other) for name, (unit, _paths, other) in audit_rules.LOADERS.items()}
    monkeypatch.setattr(audit_rules, "LOADERS", loaders)
    (tmp_path / "v6").write_text("*filter\nCOMMIT\n")
    if "nftables" in managers:
        (tmp_path / "v4").write_text("flush ruleset\n")
    found = audit_rules.look(managers)
    assert (found["loader"]["unit"], found["loader"]["enabled"]) == (unit, bool(unit))
    assert found["ipv4"]["problem"] == problem
    assert found["ipv6"]["rules"] == "*filter\nCOMMIT\n"


@pytest.mark.parametrize(
    ("rules", "refused", "ipv4", "ipv6"),
    [
        ({"ipv4": "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT", "ipv6": ""}, "", True, None),
        ({"ipv6": "-A INPUT -m state --state NEW -j ACCEPT"}, "", None, True),
        ({"ipv6": "-A INPUT -m conntrack --ctstate NEW -j ACCEPT"}, "No chain", None, False),
        ({}, "", None, None),
    ],
)
def test_whether_connections_are_followed(monkeypatch, rules, refused, ipv4, ipv6):
    monkeypatch.setattr(audit_rules.os.path, "exists", lambda path: False)
    assert audit_rules.tracking(rules, refused) == {"ipv4": ipv4, "ipv6": ipv6}


# ---------------------------------------------------------------------------------------------- names


def test_names_in_their_order():
    found = audit_names.order(["localhost", "127.0.0.1", "::1"], [])
    assert [entry["name"] for entry in found] == ["localhost", "127.0.0.1", "::1"]
    assert found[1] == {"name": "127.0.0.1", "got": ["127.0.0.1"], "problem": ""}
    assert "127.0.0.1" in found[0]["got"]


def test_strange_names_have_a_problem():
    found = audit_names.order(["a" * 300, "x..y", "-\x00-", "\udcff"], [])
    assert all(entry["got"] == [] and entry["problem"] for entry in found)


def test_many_names_at_once():
    names = [f"127.0.0.{number}" for number in range(1, 150)]
    assert [entry["got"] for entry in audit_names.order(names, [])] == [[name] for name in names]


def test_a_resolver_that_crashes_is_told(monkeypatch):
    monkeypatch.setattr(audit_names, "ASK", "import os; os.kill(os.getpid(), 11)")
    (entry,) = audit_names.order(["a.example"], ["line 3"])
    assert entry["got"] == []
    assert "line 3" in entry["problem"]


def test_a_resolver_that_does_not_answer_is_waited_for_only_so_long(monkeypatch):
    monkeypatch.setattr(audit_names, "SECONDS", 0.2)
    silent = "import socket\nsocket.getaddrinfo = lambda *given, **more: __import__('threading').Event().wait()\n"
    monkeypatch.setattr(audit_names, "ASK", silent + audit_names.ASK)
    start = time.monotonic()
    found = audit_names.order(["a.example", "b.example"], [])
    assert time.monotonic() - start < audit_names.STARTS + 5
    assert [entry["problem"] for entry in found] == ["no name server answered within 0.2 s"] * 2


@pytest.mark.parametrize("text", ["", "www.example.com", "192.0.2.300", "fe80::1%nowhere0", "::1\n", "\x00"])
def test_what_is_no_address_has_no_source(text):
    assert audit_names.source(text) == ""


# The text of gai.conf (None: there is none), whether it is the default policy
POLICIES = {
    "none": (None, True),
    "comments": ("# label ::1/128 0\n", True),
    "changed": ("precedence ::ffff:0:0/96 100\n", False),
    "hostile": ("\x00label\xff\nlabel x y\n", True),
}


@pytest.mark.parametrize("name", POLICIES)
def test_the_policy(tmp_path, monkeypatch, name):
    text, default = POLICIES[name]
    monkeypatch.setattr(gai_conf, "PATH", str(tmp_path / "gai.conf"))
    monkeypatch.setattr(audit_names.address_labels, "see", lambda: (dict(audit_names.address_labels.KERNEL), []))
    if text is not None:
        (tmp_path / "gai.conf").write_text(text, encoding="latin-1")
    found = audit_names.look([], [])
    assert found["default_policy"] is default
    assert found["problem"] == ""
    assert {row["prefix"] for row in found["gai_conf"]} >= {"::/0"}


def test_labels_of_the_kernel_that_differ_are_no_default(monkeypatch):
    monkeypatch.setattr(audit_names.address_labels, "available", lambda: True)
    monkeypatch.setattr(audit_names.address_labels, "see", lambda: ({"::/0": 1}, []))
    assert audit_names.look([], [])["default_policy"] is False


def test_labels_that_can_not_be_read_are_told(monkeypatch):
    monkeypatch.setattr(audit_names.address_labels, "available", lambda: True)
    monkeypatch.setattr(
        audit_names.address_labels.commands, "run", lambda *_given, **_more: commands.Result(127, "", "x")
    )
    found = audit_names.look(["127.0.0.1"], [])
    assert found["sources"] == {"127.0.0.1": "127.0.0.1"}
    assert "addrlabel" in found["problem"]
    assert found["default_policy"] is False
