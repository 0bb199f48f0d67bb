# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a host as an audit sees it, in namespaces with real addresses, routes and gateways."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_network, audit_state, commands

_spec = importlib.util.spec_from_file_location("audit_live", Path(__file__).with_name("audit_live.py"))
audit_live = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(audit_live)

WHY_NOT = audit_live.why_not()
live = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT or "it can run")


@pytest.fixture(scope="module")
def seen():
    return audit_live.seen()


@live
def test_addresses_with_their_flags_and_lifetimes(seen):
    by_text = {entry["address"]: entry for entry in seen["look"]["addresses"]}
    plain, old, young = by_text["2001:db8::80"], by_text["2001:db8::81"], by_text["2001:db8::82"]
    assert (plain["interface"], plain["length"], plain["family"], plain["scope"]) == ("eth0", 64, "ipv6", "global")
    assert (plain["valid"], plain["preferred"], plain["nodad"], plain["tentative"]) == (None, None, True, False)
    assert (old["deprecated"], old["preferred"]) == (True, 0)
    assert 900 < old["valid"] <= 1000
    assert not young["deprecated"]
    assert 400 < young["preferred"] <= 500
    assert by_text["192.0.2.80"]["family"] == "ipv4"
    assert by_text["::1"]["interface"] == "lo"
    assert by_text["fe80::80"]["scope"] == "link"


@live
def test_routes_with_the_default_ones_first(seen):
    routes = seen["look"]["routes"]
    first, second = routes["ipv6"][:2]
    assert (first["destination"], first["gateway"], first["device"], first["metric"]) == (
        "default",
        "fe80::1",
        "eth0",
        100,
    )
    assert (second["destination"], second["metric"], second["type"]) == ("default", 200, "unicast")
    by_destination = {entry["destination"]: entry for entry in routes["ipv6"]}
    assert by_destination["2001:db8:dead::/48"]["type"] == "unreachable"
    assert 900 < by_destination["2001:db8:1::/48"]["expires"] <= 1000
    assert by_destination["2001:db8::/64"]["gateway"] == ""
    assert routes["ipv4"][0]["gateway"] == "192.0.2.1"
    several = [entry["gateway"] for entry in routes["ipv4"] if entry["destination"] == "198.51.100.0/24"]
    assert several == ["192.0.2.1", "192.0.2.2"]


@live
def test_gateways_are_asked(seen):
    gateways = {entry["address"]: entry for entry in seen["look"]["gateways"]["ipv6"]}
    assert (gateways["fe80::1"]["asked"], gateways["fe80::1"]["answered"]) == (True, True)
    assert (gateways["fe80::dead"]["asked"], gateways["fe80::dead"]["answered"]) == (True, False)
    assert seen["look"]["problems"] == {}


@live
def test_settings_of_an_interface(seen):
    assert seen["settings"]["accept_ra"] == "0"
    assert seen["settings"]["mtu"] == "1500"


@live
@pytest.mark.parametrize("name", audit_live.CHANGES)
def test_the_digest_sees_what_changed(seen, name):
    assert seen["parts"][name] == audit_live.CHANGES[name][1]


@live
def test_the_digest_sees_settings_and_rules(seen):
    assert seen["parts"]["a setting"] == ["settings"]
    if seen["parts"]["rules"] is None:
        pytest.skip("this machine can't have rules of ip6tables in a namespace")
    assert seen["parts"]["rules"] == ["rules"]


@live
def test_a_look_of_everything_changes_nothing(seen):
    assert seen["whole"] == []


def test_the_digest_sees_files(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_state, "FOLDER", str(tmp_path))
    monkeypatch.setattr(audit_state, "PARTS", {"files": audit_state.etc})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("a")
    before = audit_state.snapshot()
    assert audit_state.compared(before, audit_state.snapshot())["parts"] == []
    (tmp_path / "folder" / "file").write_text("bc")
    after = audit_state.compared(before, audit_state.snapshot())
    assert after["parts"] == ["files"]
    assert after["before"] != after["after"]


def test_a_part_that_can_not_be_read_is_still_a_digest(monkeypatch):
    def broken():
        raise OSError("gone")

    monkeypatch.setattr(audit_state, "PARTS", {"files": broken})
    assert audit_state.compared(audit_state.snapshot(), audit_state.snapshot())["parts"] == []


def test_counters_and_comments_are_no_rules():
    assert audit_state._uncounted("# made at noon\n:INPUT DROP [3:4]\n[1:2] -A INPUT -j DROP") == [
        ":INPUT DROP",
        "-A INPUT -j DROP",
    ]


ROUTES = {
    "plain": (
        {"dst": "default", "gateway": "fe80::1", "dev": "eth0", "metric": 1024, "expires": 5, "protocol": "ra"},
        [("default", "fe80::1", "eth0", False)],
    ),
    "several next hops": (
        {
            "dst": "default",
            "metric": 1,
            "nexthops": [{"gateway": "fe80::1", "dev": "eth0"}, {"via": {"host": "fe80::2"}, "dev": "eth1"}],
        },
        [("default", "fe80::1", "eth0", False), ("default", "fe80::2", "eth1", False)],
    ),
    "a link that is down": (
        {"dst": "default", "gateway": "fe80::1", "dev": "eth0", "flags": ["linkdown"]},
        [("default", "fe80::1", "eth0", True)],
    ),
    "a link that is gone": (
        {"dst": "default", "dev": "eth0", "flags": ["dead"]},
        [("default", "", "eth0", True)],
    ),
    "nothing is known": ({}, [("", "", "", False)]),
}


@pytest.mark.parametrize("name", ROUTES)
def test_next_hops(name):
    entry, expected = ROUTES[name]
    got = [(hop["destination"], hop["gateway"], hop["device"], hop["dead"]) for hop in audit_network.hops(entry)]
    assert got == expected


def link(name, kind="", mtu=1500, below="", flags=("UP",)):
    found = {"ifname": name, "mtu": mtu, "flags": list(flags), "linkinfo": {"info_kind": kind} if kind else {}}
    return {**found, "link": below} if below else found


@pytest.mark.parametrize(
    ("links", "devices", "expected"),
    [
        ([link("eth0"), link("he", "sit", 1480)], ["eth0"], [("he", "sit", 1480, 1500)]),
        ([link("eth0"), link("eth1", mtu=1400), link("t", "gre", 1300, "eth1")], ["eth0"], [("t", "gre", 1300, 1400)]),
        ([link("tun0", "tun", 1400)], ["tun0"], [("tun0", "tun", 1400, None)]),
        ([link("eth0"), link("sit0", "sit", 1480, flags=())], ["eth0"], []),
        ([link("eth0", "veth"), link("br0", "bridge")], ["eth0"], []),
    ],
)
def test_tunnels(links, devices, expected):
    found = audit_network.tunnels(links, devices)
    assert [(one["interface"], one["kind"], one["mtu"], one["parent_mtu"]) for one in found] == expected


def test_far_too_many_routes_are_not_read(monkeypatch):
    asked = []

    def run(argv, **_options):
        asked.append(argv)
        return json.dumps([{"dst": "default", "gateway": "fe80::1", "dev": "eth0"}])

    monkeypatch.setattr(audit_network.commands, "check", run)
    monkeypatch.setattr(audit_network.audit_text, "value", lambda path: "1 1 1 ffffff 1 1 1")
    found, problem = audit_network.routes("ipv6")
    assert asked == [["ip", "-j", "-6", "route", "show", "table", "main", "default"]]
    assert len(found) == 1
    assert "too many" in problem


@pytest.mark.parametrize("out", ["no JSON", '{"a": 1}', "[1, null]", '[{"addr_info": 3}]', '[{"dst": []}]'])
def test_strange_answers_of_ip_end_nothing(monkeypatch, out):
    monkeypatch.setattr(audit_network.commands, "run", lambda *_given, **_more: commands.Result(0, out, ""))
    found = audit_network.look()
    assert set(audit_network.NONE) < set(found)


def test_a_missing_ip_is_a_problem_of_all_that_needs_it(monkeypatch):
    monkeypatch.setattr(
        audit_network.commands, "run", lambda *_given, **_more: commands.Result(127, "", "ip: not found")
    )
    found = audit_network.look()
    assert set(found["problems"]) == {"routes", "addresses", "tunnels", "neighbours", "gateways"}
