# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets, rules and declarations, joined."""

from __future__ import annotations

import copy
import json
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import reach_match
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listener_advice
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listeners import listener_findings

OPEN = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
CLOSED = OPEN.replace("INPUT ACCEPT", "INPUT DROP")
LAB = "2001:db8:feed::/64"


def rules(*lines, closed=True):
    return (CLOSED if closed else OPEN).replace("COMMIT", "".join(f"{line}\n" for line in lines) + "COMMIT")


def listener(address="::", port=80, protocol="tcp", **fields):
    six = ":" in address and not address.startswith("::ffff:")
    v6only = fields.pop("v6only", None if "." in address and ":" not in address else address not in ("::",))
    scope = {"::": "wildcard", "0.0.0.0": "wildcard", "::1": "loopback", "127.0.0.1": "loopback"}.get(address, "global")
    scope = "link" if address.startswith("fe80") else "multicast" if address.startswith("ff0") else scope
    process = fields.pop("process", "daemon")
    told = {
        "protocol": protocol,
        "address": address,
        "port": port,
        "device": "",
        "scope": scope,
        "v6only": v6only,
        "ipv4": (address == "::" and not v6only) if six else True,
        "ipv6": six,
        "freebind": False,
        "sockets": 1,
        "process": process,
        "program": process,
        "pid": 400,
        "user": "root",
        "unit": f"{process}.service",
        "socket_unit": "",
        "starts": "",
        "waits": None,
    }
    told["processes"] = [
        {"process": process, "program": process, "user": "root", "unit": f"{process}.service", "pids": [400, 401]}
    ]
    return {**told, **fields}


def host(*listeners, ipv4=OPEN, ipv6=OPEN, **fields):
    def address(text, scope="global"):
        return {"address": text, "length": 64, "family": "ipv6" if ":" in text else "ipv4", "scope": scope}

    look = {
        "listeners": list(listeners),
        "sockets": {"exact": True, "complete": True, "others": {}},
        "firewall": {
            "ipv4": {"saved": ipv4, "other": "", "problem": ""},
            "ipv6": {"saved": ipv6, "other": "", "problem": ""},
            "nft_tables": [],
        },
        "interfaces": [
            {"name": "lo", "addresses": [address("127.0.0.1", "host"), address("::1", "host")]},
            {
                "name": "eth0",
                "addresses": [address("192.0.2.80"), address("2001:db8::80"), address("fe80::80", "link")],
            },
        ],
        "routes": {"ipv4": [{"dev": "eth0"}], "ipv6": []},
        "sysctls": {"net.ipv4.ip_local_port_range": "32768\t60999", "net.ipv6.ip_nonlocal_bind": "0"},
        "ipv6": {"enabled": True, "why": ""},
    }
    return {**look, **fields}


def codes(report, *ignored):
    return [(one["level"], one["code"]) for one in report["findings"] if one["code"] not in ("mapped", *ignored)]


HTTP_OPEN = rules("-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT")
LIMITED = rules("-A INPUT -p tcp -m tcp --dport 80 -m limit --limit 5/sec -j ACCEPT")
SOME = rules("-A INPUT -s 2001:db8:5::/48 -p tcp -m tcp --dport 80 -j ACCEPT")
SOME4 = rules("-A INPUT -s 203.0.113.0/24 -p tcp -m tcp --dport 80 -j ACCEPT")
ONE = {"name": "web", "port": 80}

# name: (listeners, rules of IPv4, rules of IPv6, declared, findings)
CASES = {
    "declared and open to all is fine": ([listener()], OPEN, OPEN, ["http"], []),
    "two sockets do as well": ([listener("0.0.0.0"), listener(v6only=True)], OPEN, OPEN, ["http"], []),
    "loopback needs nobody's word": ([listener("::1"), listener("127.0.0.1")], OPEN, OPEN, [], []),
    "undeclared and open to all": ([listener()], OPEN, OPEN, [], [("alarm", "exposed")]),
    "undeclared and open over IPv6 only": ([listener()], CLOSED, OPEN, [], [("alarm", "exposed")]),
    "undeclared and closed": ([listener()], CLOSED, CLOSED, [], []),
    "undeclared, and open to some": ([listener()], CLOSED, SOME, [], [("note", "undeclared")]),
    "undeclared, and open over IPv4": ([listener()], OPEN, CLOSED, [], [("note", "undeclared")]),
    "undeclared, and the rules don't tell": ([listener()], CLOSED, LIMITED, [], [("unknown", "undecided")]),
    "undeclared on IPv4 alone": ([listener("0.0.0.0")], OPEN, OPEN, [], [("note", "ipv4_only")]),
    "undeclared on IPv4 alone, limited": ([listener("0.0.0.0")], LIMITED, OPEN, [], [("unknown", "undecided")]),
    "an IPv4-mapped bind is IPv4": (
        [listener("::ffff:192.0.2.80", v6only=False)],
        OPEN,
        OPEN,
        [],
        [("note", "ipv4_only")],
    ),
    "neighbours reach a link-local address": (
        [listener("fe80::80", device="eth0", waits=True)],
        OPEN,
        OPEN,
        [],
        [("note", "undeclared")],
    ),
    "DHCP clients": (
        [listener("0.0.0.0", 68, "udp"), listener("fe80::80", 546, "udp", waits=False)],
        OPEN,
        OPEN,
        [],
        [("note", "dhcp"), ("note", "dhcp")],
    ),
    "a DHCP client that the world reaches": (
        [listener(port=546, protocol="udp")],
        OPEN,
        OPEN,
        [],
        [("alarm", "exposed")],
    ),
    "a group is for neighbours": ([listener("ff02::fb", 5353, "udp")], OPEN, OPEN, [], [("note", "undeclared")]),
    "a UDP port of clients": ([listener(port=40000, protocol="udp")], OPEN, OPEN, [], [("unknown", "client")]),
    "a UDP port of clients that is closed": ([listener(port=40000, protocol="udp")], CLOSED, CLOSED, [], []),
    "a TCP port of clients is a server": ([listener(port=40000)], OPEN, OPEN, [], [("alarm", "exposed")]),
    "a resolver's own port": (
        [listener(port=2345, protocol="udp"), listener(port=53, protocol="udp")],
        OPEN,
        OPEN,
        ["dns"],
        [("fault", "silent"), ("unknown", "client")],
    ),
    "a declared UDP port of clients is a server": (
        [listener(port=40000, protocol="udp")],
        OPEN,
        OPEN,
        [{"name": "vpn", "port": 40000, "protocol": "udp"}],
        [],
    ),
    "an address that the host doesn't have": (
        [listener("2001:db8::99", waits=True)],
        OPEN,
        OPEN,
        [],
        [("note", "absent")],
    ),
    "declared, and nothing listens": ([], OPEN, OPEN, ["http"], [("fault", "silent")]),
    "declared, on IPv4 only": ([listener("0.0.0.0")], OPEN, OPEN, ["http"], [("fault", "ipv4_only")]),
    "declared, on IPv6 only": ([listener(v6only=True)], OPEN, OPEN, ["http"], [("fault", "ipv6_only")]),
    "declared for IPv6 only": ([listener(v6only=True)], OPEN, OPEN, [{**ONE, "families": ["ipv6"]}], []),
    "declared for IPv4 only": ([listener("0.0.0.0")], OPEN, OPEN, [{**ONE, "families": ["ipv4"]}], []),
    "declared, on loopback only": ([listener("::1")], OPEN, OPEN, ["http"], [("fault", "loopback_only")]),
    "declared, closed over IPv6": ([listener()], OPEN, CLOSED, ["http"], [("fault", "closed")]),
    "declared, closed over IPv4": ([listener()], CLOSED, OPEN, ["http"], [("fault", "closed")]),
    "declared, open to some over IPv6": ([listener()], OPEN, SOME, ["http"], [("fault", "closed")]),
    "declared, open to some over IPv4": ([listener()], SOME4, OPEN, ["http"], [("fault", "closed")]),
    "declared, open to all but a few": (
        [listener()],
        OPEN,
        rules("-A INPUT -s 2001:db8:bad::/48 -j DROP", closed=False),
        ["http"],
        [],
    ),
    "declared, and the rules don't tell": ([listener()], OPEN, LIMITED, ["http"], [("unknown", "undecided")]),
    "for some, open to them": ([listener()], OPEN, SOME, [{**ONE, "sources": ["2001:db8:5::/48"]}], []),
    "for some, open to all": (
        [listener()],
        OPEN,
        OPEN,
        [{**ONE, "sources": ["2001:db8:5::/48"]}],
        [("alarm", "too_open")],
    ),
    "for some, and the rules don't tell for others": (
        [listener()],
        OPEN,
        rules(*SOME.split("\n")[4:5], *LIMITED.split("\n")[4:5]),
        [{**ONE, "sources": ["2001:db8:5::/48"]}],
        [("unknown", "undecided")],
    ),
    "for some, closed to some of them": (
        [listener()],
        OPEN,
        SOME,
        [{**ONE, "sources": ["2001:db8:4::/47"]}],
        [("fault", "closed")],
    ),
    "the lab machine is not everyone": (
        [listener()],
        CLOSED,
        rules(f"-A INPUT -s {LAB} -j ACCEPT"),
        [{**ONE, "sources": [LAB]}],
        [],
    ),
    "a wildcard where an address is declared": (
        [listener()],
        OPEN,
        OPEN,
        [{**ONE, "addresses": ["192.0.2.80", "2001:db8::80"]}],
        [("alarm", "wildcard")],
    ),
    "the addresses that are declared": (
        [listener("192.0.2.80"), listener("2001:db8::80", waits=True)],
        OPEN,
        OPEN,
        [{**ONE, "addresses": ["192.0.2.80", "2001:DB8:0::80"]}],
        [],
    ),
    "another address than the declared one": (
        [listener("192.0.2.80"), listener("2001:db8::80", waits=True)],
        OPEN,
        OPEN,
        [{**ONE, "addresses": ["192.0.2.80"]}],
        [("alarm", "other_address")],
    ),
    "declared, on an address that the host doesn't have": (
        [listener("192.0.2.99"), listener("2001:db8::99", waits=True)],
        OPEN,
        OPEN,
        ["http"],
        [("fault", "loopback_only")],
    ),
    "the later declaration counts": ([listener("0.0.0.0")], OPEN, OPEN, ["http", {**ONE, "families": ["ipv4"]}], []),
    "declared for loopback and there": (
        [listener("127.0.0.1")],
        OPEN,
        OPEN,
        [{**ONE, "addresses": ["127.0.0.1"], "families": ["ipv4"]}],
        [],
    ),
    "an address that is bound before it is there": (
        [listener("0.0.0.0"), listener("2001:db8::80", waits=False)],
        OPEN,
        OPEN,
        ["http"],
        [("risk", "boot_race")],
    ),
    "whether the unit waits is not known": (
        [listener("0.0.0.0"), listener("2001:db8::80", waits=None)],
        OPEN,
        OPEN,
        ["http"],
        [("risk", "boot_race")],
    ),
    "with freebind it is no race": (
        [listener("0.0.0.0"), listener("2001:db8::80", waits=False, freebind=True)],
        OPEN,
        OPEN,
        ["http"],
        [],
    ),
    "a name server follows its addresses": (
        [listener("0.0.0.0", 53, "udp"), listener("2001:db8::80", 53, "udp", process="named")],
        OPEN,
        OPEN,
        [{"name": "dns", "protocol": "udp"}],
        [],
    ),
    "declared for IPv4 only, and open over IPv6": (
        [listener()],
        OPEN,
        OPEN,
        [{**ONE, "families": ["ipv4"]}],
        [("alarm", "other_family")],
    ),
    "declared for IPv4 only, and open to some over IPv6": (
        [listener("0.0.0.0"), listener(v6only=True)],
        OPEN,
        SOME,
        [{**ONE, "families": ["ipv4"]}],
        [("alarm", "other_family")],
    ),
    "declared for IPv4 only, and the rules don't tell over IPv6": (
        [listener()],
        OPEN,
        LIMITED,
        [{**ONE, "families": ["ipv4"]}],
        [("unknown", "undecided")],
    ),
    "declared for IPv4 only, and closed over IPv6": ([listener()], OPEN, CLOSED, [{**ONE, "families": ["ipv4"]}], []),
    "declared for IPv6 only, and open over IPv4": (
        [listener()],
        OPEN,
        OPEN,
        [{**ONE, "families": ["ipv6"]}],
        [("alarm", "other_family")],
    ),
    "undeclared, and open to all addresses in use": (
        [listener()],
        CLOSED,
        rules("-A INPUT -s 2000::/3 -p tcp -m tcp --dport 80 -j ACCEPT"),
        [],
        [("alarm", "exposed")],
    ),
    "undeclared, and open to most addresses in use, the rest in doubt": (
        [listener()],
        CLOSED,
        rules("-A INPUT -s 2001::/16 -m limit --limit 5/sec -j DROP", "-A INPUT -s 2000::/3 -j ACCEPT"),
        [],
        [("alarm", "exposed")],
    ),
    "neighbours in doubt": (
        [listener()],
        CLOSED,
        rules("-A INPUT -s fe80::/10 -p tcp -m tcp --dport 80 -m limit --limit 5/sec -j ACCEPT"),
        [],
        [("note", "undeclared")],
    ),
    "neighbours by the link-local address": (
        [listener()],
        CLOSED,
        rules("-A INPUT -d fe80::/10 -p tcp -m tcp --dport 80 -j ACCEPT"),
        [],
        [("note", "undeclared")],
    ),
    "v6only is not known": ([listener(ipv4=None)], OPEN, OPEN, ["http"], [("unknown", "family")]),
}


@pytest.mark.parametrize("name", CASES)
def test_findings(name):
    sockets, ipv4, ipv6, declared, expected = CASES[name]
    report = listener_findings(host(*sockets, ipv4=ipv4, ipv6=ipv6), declared, {"ipv6": "2001:db8::80"}, [LAB])
    assert codes(report) == expected
    json.dumps(report)
    for finding in report["findings"]:
        assert finding["remedy"]
        assert finding["evidence"] or finding["code"] == "silent"


def test_a_declared_service_must_serve_the_planned_address():
    sockets = [listener("0.0.0.0"), listener("2001:db8::80", waits=True)]
    assert codes(listener_findings(host(*sockets), ["http"], {"ipv6": "2001:db8::99"})) == [("fault", "wrong_address")]
    # IPv4 may be reached through a translator, so only an address that the host has counts.
    sockets = [listener("192.0.2.81"), listener(v6only=True)]
    look = host(*sockets)
    look["interfaces"][1]["addresses"].append({"address": "192.0.2.81", "family": "ipv4", "scope": "global"})
    assert codes(listener_findings(look, ["http"], {"ipv4": "203.0.113.1"})) == []
    assert codes(listener_findings(look, ["http"], {"ipv4": "192.0.2.80"})) == [("fault", "wrong_address")]


def test_a_name_server_waits_for_the_first_address():
    sockets = [listener("192.0.2.80", 53, "udp", process="named"), listener("fe80::80", 53, "udp", process="named")]
    look = host(*sockets, ipv4="", ipv6="")
    declared = [{"name": "dns", "protocol": "udp"}]
    assert codes(listener_findings(look, declared)) == [("fault", "ipv4_only")]
    del look["interfaces"][1]["addresses"][1]
    assert codes(listener_findings(look, declared)) == []


def test_where_there_are_no_rules_it_says_so():
    (finding,) = listener_findings(host(listener(process="apache2"), ipv4="", ipv6=""))["findings"]
    assert finding["evidence"][1:] == ["IPv4: there are no rules at all", "IPv6: there are no rules at all"]


def test_rules_for_an_address_are_those_of_the_socket():
    ipv6 = rules("-A INPUT -d 2001:db8::81/128 -p tcp -m tcp --dport 80 -j ACCEPT")
    assert codes(listener_findings(host(listener("2001:db8::80", waits=True), ipv6=ipv6, ipv4=CLOSED))) == []
    look = host(listener(), ipv6=ipv6, ipv4=CLOSED)
    assert codes(listener_findings(look)) == []
    # A socket of all addresses is reached if one of them is.
    look["interfaces"][1]["addresses"].append({"address": "2001:db8::81", "family": "ipv6", "scope": "global"})
    assert codes(listener_findings(look)) == [("alarm", "exposed")]


@pytest.mark.parametrize("own", ["2001:db8::80", "2001:db8::81", "2001:db8::82"])
def test_a_socket_of_all_addresses_is_reached_by_any_of_them(own):
    ipv6 = rules(f"-A INPUT -d {own}/128 -p tcp -m tcp --dport 80 -j ACCEPT")
    look = host(listener(), ipv6=ipv6, ipv4=CLOSED)
    for more in ("2001:db8::81", "2001:db8::82"):
        look["interfaces"][1]["addresses"].append({"address": more, "family": "ipv6", "scope": "global"})
    assert codes(listener_findings(look)) == [("alarm", "exposed")]


def test_neighbours_are_not_the_world():
    ipv6 = rules("-A INPUT -s fe80::/10 -p tcp -m tcp --dport 80 -j ACCEPT")
    look = host(listener(), ipv6=ipv6, ipv4=CLOSED)
    report = listener_findings(look)
    assert codes(report) == [("note", "undeclared")]
    assert (report["sockets"][0]["ipv6"]["who"], report["sockets"][0]["ipv6"]["text"]) == ("nobody", "neighbours")
    assert report["findings"][0]["message"].endswith("reached over IPv6 by neighbours on the link")


def test_rules_for_an_interface_are_those_of_the_socket():
    ipv6 = rules("-A INPUT -i eth1 -p tcp -m tcp --dport 80 -j ACCEPT")
    assert codes(listener_findings(host(listener(), ipv6=ipv6, ipv4=CLOSED))) == []
    look = host(listener(device="eth1"), ipv6=ipv6, ipv4=CLOSED)
    assert codes(listener_findings(look)) == [("alarm", "exposed")]
    assert codes(listener_findings(host(listener(device="lo")))) == []


def test_each_default_route_is_a_way_in():
    ipv6 = rules("-A INPUT -i eth1 -p tcp -m tcp --dport 80 -j ACCEPT")
    look = host(listener(), ipv6=ipv6, ipv4=CLOSED)
    look["routes"]["ipv6"] = [{"dev": "eth0"}, {"dev": "eth1"}]
    assert codes(listener_findings(look)) == [("alarm", "exposed")]
    look["routes"]["ipv6"] = [{"dev": "eth0"}]
    look["interfaces"].append({"name": "eth1", "addresses": []})
    assert codes(listener_findings(look)) == [("note", "elsewhere")]


def test_an_interface_without_a_default_route_is_named():
    ipv6 = rules("-A INPUT -i wg+ -p tcp -m tcp --dport 80 -j ACCEPT")
    look = host(listener(), ipv6=ipv6, ipv4=CLOSED)
    assert codes(listener_findings(look)) == []
    look["interfaces"].append({"name": "wg0", "addresses": []})
    (finding,) = [one for one in listener_findings(look)["findings"] if one["code"] != "mapped"]
    assert (finding["level"], finding["code"]) == ("note", "elsewhere")
    assert "by wg0" in finding["message"]
    assert codes(listener_findings(look, ["http"], {"ipv6": "2001:db8::80"})) == [("fault", "closed")] * 2
    # Bound to another one, it hears nobody there.
    look["listeners"][0]["device"] = "eth0"
    assert codes(listener_findings(look)) == []


def test_a_service_is_open_only_where_its_clients_come_to():
    ipv6 = rules("-A INPUT -d 2001:db8::81/128 -p tcp -m tcp --dport 80 -j ACCEPT")
    look = host(listener(), ipv6=ipv6)
    look["interfaces"][1]["addresses"].append({"address": "2001:db8::81", "family": "ipv6", "scope": "global"})
    assert codes(listener_findings(look, ["http"], {"ipv6": "2001:db8::81"})) == []
    assert codes(listener_findings(look, ["http"], {"ipv6": "2001:db8::80"})) == [("fault", "closed")]


def test_a_socket_on_another_interface_does_not_serve_the_address():
    sockets = [listener("0.0.0.0"), listener(device="eth1", v6only=True)]
    look = host(*sockets)
    look["interfaces"].append({"name": "eth1", "addresses": []})
    assert codes(listener_findings(look, ["http"], {"ipv6": "2001:db8::80"})) == [("fault", "wrong_address")]
    # An address that is not there yet may come to this one.
    assert codes(listener_findings(look, ["http"], {"ipv6": "2001:db8::99"})) == []
    look["listeners"][1]["device"] = "eth0"
    assert codes(listener_findings(look, ["http"], {"ipv6": "2001:db8::80"})) == []


def test_a_host_without_ipv4_lets_nobody_in_over_it():
    look = host(listener())
    declared = [{**ONE, "families": ["ipv6"]}]
    assert codes(listener_findings(look, declared)) == [("alarm", "other_family")]
    del look["interfaces"][1]["addresses"][0]
    assert codes(listener_findings(look, declared)) == []


def test_rules_for_an_address_are_those_of_an_ipv4_mapped_socket():
    ipv4 = rules("-A INPUT -d 192.0.2.80/32 -p tcp -m tcp --dport 80 -j ACCEPT")
    look = host(listener("::ffff:192.0.2.80"), ipv4=ipv4)
    assert listener_findings(look)["sockets"][0]["ipv4"]["who"] == "everyone"


def test_systemd_that_opens_a_name_server_s_socket_asks_nobody():
    sockets = [listener(port=port, protocol="udp", pid=1, process="systemd") for port in (53, 5514)]
    assert codes(listener_findings(host(*sockets), [{"name": "dns", "protocol": "udp"}])) == [("alarm", "exposed")]


def test_ipv6_is_on_where_there_is_an_address_whatever_the_sysctl_for_all_says():
    look = host(listener())
    look["ipv6"] = {"enabled": False, "why": "the sysctl net.ipv6.conf.all.disable_ipv6 is 1"}
    report = listener_findings(look)
    assert report["sockets"][0]["ipv6"]["text"] == "everyone"
    assert "once IPv6" not in report["findings"][0]["message"]


def test_thousands_of_sockets_are_told_in_good_time():
    sockets = [listener(port=1024 + number, protocol="udp", pid=number) for number in range(20000)]
    start = time.process_time()
    assert listener_findings(host(*sockets, ipv4=CLOSED, ipv6=CLOSED))["summary"]["sockets"] == 20000
    assert time.process_time() - start < 15


def test_rules_by_the_thousand_are_read_once(monkeypatch):
    areas = []
    real = reach_match.area
    monkeypatch.setattr(reach_match, "area", lambda rule, view: areas.append(rule) or real(rule, view))
    lines = [f"-A INPUT -p tcp -m tcp --dport {number} -j ACCEPT" for number in range(5000, 5100)]
    look = host(*[listener(port=number) for number in range(5000, 5030)], ipv4=rules(*lines), ipv6=rules(*lines))
    assert listener_findings(look)["summary"]["alarm"] == 30
    assert len(areas) == 200


def test_the_worst_comes_first_with_the_rule_that_lets_in():
    look = host(listener(port=8080), listener("0.0.0.0", 22), ipv4=CLOSED)
    report = listener_findings(look, ["ssh", "https"])
    assert codes(report) == [("alarm", "exposed"), ("fault", "closed"), ("fault", "ipv4_only"), ("fault", "silent")]
    first = report["findings"][0]
    assert (
        first["message"]
        == "tcp [::]:8080 (daemon): everyone gets in over IPv6, and nobody declared it; over IPv4 it is nobody"
    )
    assert first["evidence"] == [
        "tcp [::]:8080, v6only off, serves IPv4 and IPv6, daemon (pid 400 and 1 more, user root, daemon.service)",
        "IPv4: no rule matches; the policy of INPUT is DROP",
        "IPv6: no rule matches; the policy of INPUT is ACCEPT",
    ]
    assert report["summary"] == {"sockets": 2, "alarm": 1, "fault": 3, "unknown": 0, "risk": 0, "note": 0}
    assert report["lines"][0] == "2 sockets for clients: 1 alarm, 3 faults"


def test_before_the_host_has_an_address_the_neighbours_are_everyone():
    look = host(listener())
    del look["interfaces"][1]["addresses"][1]
    assert "today that is its neighbours" in listener_findings(look)["findings"][0]["message"]
    del look["interfaces"][1]["addresses"][1]
    look["ipv6"]["enabled"] = False
    report = listener_findings(look)
    assert "once IPv6 is switched on" in report["findings"][0]["message"]
    assert report["sockets"][0]["ipv6"]["text"] == "IPv6 is off"


UNKNOWN = {
    "no sock_diag": ({"sockets": {"exact": False, "complete": True, "others": {}}}, "sockets"),
    "SCTP": ({"sockets": {"exact": True, "complete": True, "others": {"SCTP": 2}}}, "protocol"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_never_fine(name):
    fields, code = UNKNOWN[name]
    assert codes(listener_findings(host(**fields))) == [("unknown", code)]


def test_a_socket_without_a_process_is_unknown_only_where_not_all_were_seen():
    nobody = listener(process="", processes=[], pid=0)
    seen = host(nobody)
    assert codes(listener_findings(seen, ["http"])) == []
    seen["sockets"]["complete"] = False
    assert codes(listener_findings(seen, ["http"])) == [("unknown", "process")]
    assert "no process known" in listener_findings(seen)["findings"][0]["evidence"][0]


@pytest.mark.parametrize(
    "told", [{"problem": "Permission denied"}, {"saved": "# Table `filter' is incompatible, use 'nft' tool.\n"}]
)
def test_rules_that_nobody_saw_let_nobody_in_for_sure(told):
    look = host(listener())
    look["firewall"]["ipv6"].update(told)
    assert codes(listener_findings(look)) == [("unknown", "rules"), ("unknown", "undecided")]
    assert codes(listener_findings(look, ["http"])) == [("unknown", "rules"), ("unknown", "undecided")]


def test_tables_of_nft_are_named():
    look = host(listener())
    look["firewall"]["nft_tables"] = ["inet filter"]
    report = listener_findings(look, ["http"])
    assert codes(report) == [("unknown", "rules")]
    assert "inet filter" in report["findings"][0]["message"]


def test_tables_of_nft_that_nobody_could_list_are_unknown():
    look = host(listener())
    look["firewall"]["nft_problem"] = "Operation not permitted"
    report = listener_findings(look, ["http"])
    assert codes(report) == [("unknown", "rules")]
    assert "Operation not permitted" in report["findings"][0]["message"]


def test_mapped_clients_are_told_but_not_for_programs_that_unmap_them():
    assert [one["code"] for one in listener_findings(host(listener()), ["http"])["findings"]] == ["mapped"]
    assert listener_findings(host(listener(process="apache2")), ["http"])["findings"] == []


ADVICE = [
    ({"process": "sshd"}, "AddressFamily any"),
    ({"process": "dovecot"}, "listen = *, ::"),
    ({"process": "mariadbd"}, "bind-address = ::"),
    ({"process": "postgres"}, "listen_addresses"),
    ({"process": "redis-server"}, "bind"),
    ({"process": "memcached"}, "/etc/memcached.conf"),
    ({"process": "prometheus-node", "program": "prometheus-node-exporter"}, "--web.listen-address"),
    ({"process": "mysqld_exporter"}, "--web.listen-address"),
    ({"process": "nginx"}, "listen [::]:80"),
    ({"process": "haproxy"}, "v4v6"),
    ({"process": "named"}, "listen-on-v6"),
    ({"process": "openvpn"}, "proto udp6"),
    ({"process": "snmpd"}, "udp6:161"),
    ({"process": "chronyd"}, "/etc/chrony"),
    ({"process": "cupsd"}, "cupsd.conf"),
    ({"process": "docker-proxy"}, "docker"),
    ({"process": "master", "unit": "postfix@-.service"}, "inet_protocols = all"),
    ({"process": "php-fpm8.2"}, "listen = [::]:9000"),
    ({"process": "python3", "program": "python3.11", "unit": "gunicorn.service"}, "--bind [::]:PORT"),
    ({"process": "sshd", "socket_unit": "ssh.socket"}, "systemctl edit ssh.socket"),
    ({"process": "unheard-of"}, "documentation"),
]


@pytest.mark.parametrize(("who", "says"), ADVICE)
def test_programs_on_ipv4_alone_are_told_what_to_change(who, says):
    told = {**listener("0.0.0.0"), "program": "", "unit": "", **who}
    (finding,) = listener_findings(host(told), ["http"])["findings"]
    assert finding["code"] == "ipv4_only"
    assert says in finding["remedy"]
    assert "; then: " in finding["remedy"]


def test_each_advice_says_what_makes_it_live():
    known = [name for advice in listener_advice.BOTH for name in advice.names]
    assert len(known) == len(set(known))
    assert all(advice.change and advice.then for advice in listener_advice.BOTH)


def test_nothing_that_was_given_is_changed_and_names_can_not_move_the_cursor():
    look = host(listener(process="\x1b[2J\nfine", device="e\x07th0"), listener("2001:db8::80"))
    declared = ["http", {**ONE, "port": "80", "sources": [LAB]}]
    before = copy.deepcopy((look, declared))
    report = listener_findings(look, declared, None, (LAB,))
    assert (look, declared) == before
    assert all(line.isprintable() for line in report["lines"])


BAD = [
    (({},), "host_info"),
    ((None,), "host_info"),
    (({**host(), "listeners": [7]},), "host_info"),
    (({**host(), "interfaces": None},), "host_info"),
    (({**host(), "firewall": {"ipv4": {}, "ipv6": {}}},), "rules: true"),
    ((host(), "http"), "not a list"),
    ((host(), [80]), "declared"),
    ((host(), [None]), "declared"),
    ((host(), [["http"]]), "declared"),
    ((host(), ["gopher"]), "gopher"),
    ((host(), [{"port": 80}]), "name"),
    ((host(), [{**ONE, "families": ["ipv5"]}]), "families"),
    ((host(), [{**ONE, "families": []}]), "families"),
    ((host(), [{**ONE, "families": {"ipv4": 1}}]), "families"),
    ((host(), [{**ONE, "addresses": "::1"}]), "addresses"),
    ((host(), [{**ONE, "addresses": [7]}]), "addresses"),
    ((host(), [{**ONE, "addresses": ["www"]}]), "addresses"),
    ((host(), [{**ONE, "sources": ["192.0.2.0/24"]}]), "sources"),
    ((host(), [{**ONE, "port": 0}]), "port"),
    ((host(), [], ["::1"]), "dictionary of families"),
    ((host(), [], {"ipv5": "::1"}), "dictionary of families"),
    ((host(), [], {"ipv4": "::1"}), "other family"),
    ((host(), [], {"ipv6": 7}), "addresses"),
    ((host(), [], {}, "::/0"), "trusted"),
    ((host(), [], {}, ["::/0"]), "trusted.*name fewer"),
    ((host(), [], {}, ["0.0.0.0/1", "128.0.0.0/1"]), "trusted.*name fewer"),
    (({**host(listener()), "sysctls": {"net.ipv4.ip_local_port_range": " "}},), "host_info"),
    (({**host(listener(port=float("inf")))},), "host_info"),
    ((host(), [], {}, [None]), "trusted"),
    ((host(), [], {}, ["lab"]), "trusted"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_what_can_not_be_understood_is_named(arguments, says):
    with pytest.raises(RolloutError, match=says):
        listener_findings(*arguments)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["http", "::", "ipv4", "80"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "port", "sources", "families", "addresses", "ipv6", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")), deadline=None)
@given(ANYTHING, ANYTHING, ANYTHING, ANYTHING)
def test_nothing_ends_in_a_traceback(look, declared, addresses, trusted):
    for one in (look, host(listener())):
        try:
            report = listener_findings(one, declared, addresses, trusted)
        except RolloutError:
            continue
        json.dumps(report)


PLACES = ["::", "0.0.0.0", "::1", "127.0.0.1", "2001:db8::80", "192.0.2.80", "fe80::80", "::ffff:192.0.2.80"]


@settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")), deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from([22, 80, 8080]), st.booleans()), max_size=4),
    st.sampled_from([OPEN, CLOSED, HTTP_OPEN, LIMITED, SOME4]),
    st.sampled_from([OPEN, CLOSED, HTTP_OPEN, LIMITED, SOME]),
    st.lists(st.sampled_from(["ssh", "http"]), unique=True),
)
def test_whoever_gets_in_undeclared_has_a_finding(sockets, ipv4, ipv6, declared):
    told = [
        listener(address, port, v6only=v6only) if address == "::" else listener(address, port)
        for address, port, v6only in sockets
    ]
    report = listener_findings(host(*told, ipv4=ipv4, ipv6=ipv6), declared)
    found = {(one["address"], one["port"]) for one in report["findings"]}
    for one in report["sockets"]:
        reached = any(one[family]["who"] not in ("", "nobody") for family in ("ipv4", "ipv6"))
        assert not reached or one["declared"] or (one["address"], one["port"]) in found
