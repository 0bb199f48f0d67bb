# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is behind the v4 proxy, and the records that lead there."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_values as values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.v4_proxy_hosts import proxy_hosts, proxy_records

PLAN = {
    "prefix": "2001:db8:1200::/48",
    "hosts": {
        "www1": "2001:db8:1200::80",
        "www1/proxied": "2001:db8:1200::81",
        "mail1": "2001:db8:1200:25::160",
        "www11": "2001:db8:1200::8080",
    },
    "forwards": {"mail1": 22002},
}
WWW = {"ipv6_names": ["www.example.com"], "ipv6_services": ["ssh", "http", "https", "dns"]}
MAIL = {
    "ipv6_names": ["mail.example.com"],
    "ipv6_services": ["smtp", "submission", "submissions", "imap", "imaps", "pop3s"],
}


def hosts(variables=None, members=("www1", "mail1"), plan="usual", aaaa="direct", **www):
    given = {"www1": {**WWW, **www}, "mail1": MAIL, "gw1": {}} if variables is None else variables
    return proxy_hosts(
        members if isinstance(members, str) else list(members), given, PLAN if plan == "usual" else plan, aaaa
    )


def entry(port, to=None, mode="tls", protocol="none"):
    return {"port": port, "to": to or port, "mode": mode, "proxy_protocol": protocol}


def test_a_host_is_served_by_its_names_on_the_ports_of_its_services():
    assert hosts() == {
        "www1": {
            "address": "2001:db8:1200::80",
            "names": ["www.example.com"],
            "ports": [entry(80, mode="http"), entry(443)],
        },
        "mail1": {
            "address": "2001:db8:1200:25::160",
            "names": ["mail.example.com"],
            "ports": [entry(587), entry(465), entry(993), entry(995)],
            "forward": 22002,
        },
    }


@pytest.mark.parametrize(
    ("variables", "change"),
    [
        (
            {"v4_proxy_names": ["Shop.Example.org", "*.shop.example.org"]},
            {"names": ["shop.example.org", "*.shop.example.org"]},
        ),
        ({"v4_proxy_names": []}, {"names": []}),
        ({"v4_proxy_names": ["b\u00fccher.example"]}, {"names": ["xn--bcher-kva.example"]}),
        ({"v4_proxy_ports": ["https", "993", 80]}, {"ports": [entry(443), entry(993), entry(80, mode="http")]}),
        (
            {"v4_proxy_ports": [{"port": 443, "to": 8443, "proxy_protocol": "v2"}]},
            {"ports": [entry(443, 8443, protocol="v2")]},
        ),
        ({"ipv6_services": [{"name": "http", "port": 8080}]}, {"ports": [entry(8080, mode="http")]}),
        (
            {"v4_proxy_address": "www1/proxied", "v4_proxy_protocol": "v2"},
            {
                "backend": "2001:db8:1200::81",
                "ports": [entry(80, mode="http", protocol="v2"), entry(443, protocol="v2")],
            },
        ),
        (
            {"v4_proxy_address": "2001:db8:1200::81", "v4_proxy_protocol": {"https": "v1"}},
            {"backend": "2001:db8:1200::81", "ports": [entry(80, mode="http"), entry(443, protocol="v1")]},
        ),
        ({"v4_proxy_protocol": {80: "none"}}, {}),
    ],
)
def test_what_a_host_says_itself(variables, change):
    expected = {**hosts()["www1"], **change}
    assert hosts(**variables)["www1"] == expected


def test_the_module_takes_what_the_filter_gives():
    wish = {"addresses": ["0.0.0.0"], "hosts": hosts(), "check": False, "maxconn": 99, "idle": 60, "forward_idle": 60}
    assert [host.name for host in values.wish(wish).hosts] == ["mail1", "www1"]


def test_nothing_is_changed_that_was_given():
    variables = {"www1": {**WWW, "v4_proxy_ports": [{"port": 443}], "v4_proxy_protocol": {443: "none"}}, "mail1": MAIL}
    before, plan = copy.deepcopy(variables), copy.deepcopy(PLAN)
    proxy_hosts(["www1", "mail1"], variables, PLAN)
    assert (variables, plan) == (before, PLAN)


def test_behind_the_proxy_with_aaaa_to_it_the_header_is_taken_at_every_socket():
    found = hosts(aaaa="proxy", v4_proxy_protocol="v2")
    assert {port["proxy_protocol"] for port in found["www1"]["ports"]} == {"v2"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"members": "www1"}, "v4_proxy_members: 'www1' is no list"),
        ({"members": ["www9"]}, "v4_proxy_members: 'www9' is not in the inventory"),
        ({"members": [{}]}, "v4_proxy_members: {} is not in the inventory"),
        ({"members": ["gw1"]}, "v4_proxy_members: 'gw1' has no address in the plan"),
        ({"aaaa": "both"}, "v4_proxy_aaaa: 'both' is not one of direct, proxy"),
        ({"aaaa": []}, "v4_proxy_aaaa: [] is not one of direct, proxy"),
        ({"plan": 7}, "plan: 7 is not a dictionary"),
        ({"variables": 7}, "v4_proxy_hosts: 7 is not a dictionary"),
        ({"v4_proxy_names": "www.example.com"}, "v4_proxy_names of www1: 'www.example.com' is no list"),
        ({"v4_proxy_names": ["www"]}, "v4_proxy_names of www1: 'www' has no domain"),
        ({"v4_proxy_names": [7]}, "v4_proxy_names of www1"),
        ({"v4_proxy_ports": ["smtp"]}, "v4_proxy_ports of www1: 'smtp' can't be told by name"),
        ({"v4_proxy_ports": ["gopher"]}, "v4_proxy_ports of www1: 'gopher' is no port"),
        ({"v4_proxy_ports": [None]}, "hosts: www1: ports: port: None is no whole number"),
        ({"v4_proxy_protocol": "v3"}, "v4_proxy_protocol of www1: 'v3' is not one of none, v1, v2"),
        ({"v4_proxy_protocol": {"x": "v1"}}, "v4_proxy_protocol of www1: 'x' is no port"),
        ({"v4_proxy_protocol": ["v1"]}, "v4_proxy_protocol of www1: ['v1'] is not one of"),
        (
            {"v4_proxy_protocol": "v2"},
            "port 80 of 2001:db8:1200::80 can't take the PROXY header from the proxy and direct",
        ),
        (
            {"v4_proxy_ports": [{"port": 443, "to": 444}, {"port": 444, "to": 445}], "v4_proxy_protocol": "v2"},
            "port 444 of 2001:db8:1200::80 can't take the PROXY header from the proxy and direct",
        ),
        ({"v4_proxy_address": "www11"}, "v4_proxy_address of www1: 'www11' is no address that the plan gives www1"),
        ({"v4_proxy_address": "2001:db8::1"}, "'2001:db8::1' is no address that the plan gives www1"),
        ({"v4_proxy_address": 7}, "7 is no address that the plan gives www1"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(RolloutError) as error:
        hosts(**call)
    assert message in str(error.value)


def records(kind, **call):
    found = proxy_records(hosts(members=["www1"]), **{"addresses": ["192.0.2.10", "2001:db8:1200::10"], **call})
    return [(entry["name"], entry["type"], entry["data"], entry["ttl"]) for entry in found[kind]]


def test_records_that_lead_to_the_host_directly():
    assert records("records") == [
        ("www.example.com.", "A", "192.0.2.10", 3600),
        ("www.example.com.", "AAAA", "2001:db8:1200::80", 3600),
    ]
    assert records("stale") == [("www.example.com.", "AAAA", "2001:db8:1200::10", 3600)]


def test_records_that_lead_to_the_proxy():
    assert records("records", aaaa="proxy", ttl=300) == [
        ("www.example.com.", "A", "192.0.2.10", 300),
        ("www.example.com.", "AAAA", "2001:db8:1200::10", 300),
    ]
    assert records("stale", aaaa="proxy") == [("www.example.com.", "AAAA", "2001:db8:1200::80", 3600)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"addresses": ["2001:db8::1"]}, "v4_proxy_public: it has no IPv4 address"),
        ({"addresses": ["192.0.2.10"], "aaaa": "proxy"}, "v4_proxy_public: it has no IPv6 address"),
        ({"addresses": ["0.0.0.0"]}, "v4_proxy_public: '0.0.0.0' is no address that clients can go to"),
        ({"addresses": "192.0.2.10"}, "v4_proxy_public: '192.0.2.10' is no list"),
        ({"addresses": ["proxy.example.com"]}, "v4_proxy_public"),
        ({"ttl": -1}, "v4_proxy_ttl: -1 is not between"),
        ({"ttl": "1h"}, "v4_proxy_ttl: '1h' is no whole number"),
    ],
)
def test_what_makes_no_records(call, message):
    with pytest.raises(RolloutError) as error:
        records("records", **call)
    assert message in str(error.value)
