# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of a rollout."""

from __future__ import annotations

import copy

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils import preflight

SPEC = {"daemons": ["postfix"], "services": [{"name": "smtp", "port": 25, "protocol": "tcp"}]}
GOOD = {
    "os": {"id": "debian", "like": [], "version": "12", "name": "Debian GNU/Linux 12 (bookworm)"},
    "clock": 1000.0,
    "ipv6": {"enabled": True, "why": ""},
    "interfaces": [{"name": "eth0", "addresses": []}],
    "firewall": {"ipv6": {"installed": True, "tracking_refused": ""}},
    "managers": ["netfilter-persistent"],
    "dpkg": {"broken": [], "interrupted": False},
    "daemons": {"postfix": {"installed": True}, "apache": {"installed": False}, "named": {"installed": False}},
    "listeners": [{"port": 25, "protocol": "tcp"}],
    "network_backend": "ifupdown",
    "free": {"/etc": 1 << 30},
}


def judged(accept=(), spec=None, **changes):
    """Return the findings of a good host with some things changed."""
    spec = SPEC if spec is None else spec
    look = {**copy.deepcopy(GOOD), **changes}
    return [(one["level"], one["code"]) for one in preflight.findings(spec, look, 1000.0, accept)]


def test_a_good_host_has_no_findings():
    assert judged() == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"os": {"id": "alpine", "version": "3.20", "name": "Alpine"}}, ("refuse", "os")),
        ({"os": {"id": "debian", "version": "11", "name": "Debian 11"}}, ("refuse", "os")),
        ({"os": {"id": "debian", "version": "", "name": "Debian testing"}}, ("refuse", "os")),
        ({"os": {"id": "ubuntu", "version": "24.04", "name": "Ubuntu 24.04"}}, ("warn", "os")),
        ({"ipv6": {"enabled": False, "why": "x"}}, ("refuse", "ipv6")),
        ({"network_backend": "netplan"}, ("refuse", "backend")),
        ({"managers": ["ufw"]}, ("refuse", "ufw")),
        ({"firewall": {"ipv6": {"tracking_refused": "No chain/target/match by that name."}}}, ("refuse", "conntrack")),
        ({"managers": ["docker"]}, ("warn", "docker")),
        ({"dpkg": {"broken": ["apache2"], "interrupted": False}}, ("refuse", "dpkg")),
        ({"dpkg": {"broken": [], "interrupted": True}}, ("refuse", "dpkg")),
        ({"clock": 1301.0}, ("refuse", "clock")),
        ({"clock": 699.0}, ("refuse", "clock")),
        ({"free": {"/etc": 1}}, ("refuse", "space")),
        ({"daemons": {"postfix": {"installed": False}}}, ("refuse", "daemon")),
        ({"listeners": []}, ("warn", "listener")),
    ],
)
def test_each_defect_gives_its_finding(changes, expected):
    assert judged(**changes) == [expected]


def test_a_clock_within_the_limit_is_fine():
    assert judged(clock=1300.0) == []


def test_a_missing_interface_is_named():
    assert judged(spec={**SPEC, "interface": "eth7"}) == [("refuse", "interface")]


def test_what_is_accepted_is_a_warning():
    assert judged(accept=["ufw"], managers=["ufw"]) == [("warn", "ufw")]


def test_the_verdict_is_one_text_for_all_hosts():
    hosts = {
        "www1": {"findings": [{"level": "refuse", "code": "os", "message": "this is Alpine"}]},
        "www2": {"unreachable": "no\nroute", "findings": []},
        "www3": {"findings": [{"level": "warn", "code": "docker", "message": "docker"}]},
    }
    assert preflight.verdict([], hosts).splitlines() == ["www1: this is Alpine", "www2: can't be reached: no route"]


DNS = {"server": "192.0.2.53", "key_name": "k", "key_secret": "s"}
SETTINGS = {
    "lab_sources": ["2001:db8:feed::/64"],
    "management_sources": [],
    "gateway": "fe80::1",
    "guard_timeout": 120,
    "guard_prove": ["ipv4", "ipv6"],
}


def site(dns=None, lab=("lab1",), fleet=("www1",), specs=None, **changes):
    """Return the findings of a good site with some settings changed."""
    dns = DNS if dns is None else dns
    specs = specs or {}
    hosts = {name: {"settings": {**SETTINGS, **changes}, "spec": specs.get(name, {})} for name in (*lab, *fleet)}
    return preflight.site_findings(lab, dns, fleet, hosts)


def test_nothing_in_the_way_is_an_empty_text():
    assert preflight.verdict(site(), {"www1": {"findings": []}}) == ""


def test_a_site_without_settings_is_told_all_of_them():
    assert len(site({}, [], ["www1"], lab_sources=[])) == 3
    assert len(preflight.site_findings([], {}, [], {})) == 3


@pytest.mark.parametrize(
    ("setting", "value", "told"),
    [
        ("gateway", 80, "ipv6_gateway: 80 is a number, not text"),
        ("gateway", "fe80::1%eth0", "ipv6_gateway: 'fe80::1%eth0' carries a zone id"),
        ("gateway", "192.0.2.1", "ipv6_gateway: '192.0.2.1' is IPv4"),
        ("gateway", "fe80::1/64", "ipv6_gateway: 'fe80::1/64' has a prefix length"),
        ("gateway", "ff02::2", "ipv6_gateway: 'ff02::2' is a multicast address"),
        ("gateway", "::", "ipv6_gateway: '::' can't be a router"),
        ("gateway", "::1", "ipv6_gateway: '::1' can't be a router"),
        ("gateway", "::ffff:192.0.2.1", "ipv6_gateway: '::ffff:192.0.2.1' can't be a router"),
        ("lab_sources", [], "ipv6_lab_sources is empty"),
        ("lab_sources", None, "ipv6_lab_sources is empty"),
        ("lab_sources", "2001:db8::/64", "ipv6_lab_sources: '2001:db8::/64' is not a list"),
        ("lab_sources", ["192.0.2.0/24"], "ipv6_lab_sources: '192.0.2.0/24' is no IPv6 prefix"),
        ("lab_sources", ["2001:db8::1/64"], "ipv6_lab_sources: '2001:db8::1/64' has host bits set"),
        ("management_sources", [120060], "ipv6_management_sources: 120060 is no text"),
        ("management_sources", None, "ipv6_management_sources: None is not a list"),
        ("guard_timeout", "soon", "ipv6_guard_timeout: 'soon' is not a number of seconds"),
        ("guard_timeout", True, "ipv6_guard_timeout: True is not"),
        ("guard_timeout", 9, "ipv6_guard_timeout: 9 is not"),
        ("guard_timeout", 3601, "between 10 and 3600"),
        ("guard_timeout", "9" * 5000, "characters) is not a number of seconds"),
        ("guard_prove", [], "ipv6_guard_prove: [] is not a list"),
        ("guard_prove", "ipv4", "ipv6_guard_prove: 'ipv4' is not a list"),
        ("guard_prove", ["ipv5"], "ipv6_guard_prove: 'ipv5' is not known"),
    ],
)
def test_a_setting_that_is_wrong_is_told_once(setting, value, told):
    findings = site(fleet=["www1", "www2"], **{setting: value})
    assert len(findings) == 1
    assert told in findings[0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gateway", "2001:db8::1"),
        ("gateway", ""),
        ("gateway", None),
        ("guard_timeout", "10"),
        ("guard_timeout", 3600),
        ("guard_prove", ["ipv6"]),
        ("management_sources", ["2001:db8::1", "2001:db8:aa::/48"]),
    ],
)
def test_a_setting_that_is_right_is_not_told(setting, value):
    assert site(**{setting: value}) == []


def test_every_wrong_source_is_told():
    assert len(site(lab_sources=["a", "b"], management_sources=["c"])) == 3


def test_a_setting_of_some_hosts_names_them():
    hosts = {name: {"settings": dict(SETTINGS), "spec": {}} for name in ("lab1", "www1", "www2", "www3")}
    hosts["www1"]["settings"]["gateway"] = hosts["www3"]["settings"]["gateway"] = "router"
    (told,) = preflight.site_findings(["lab1"], DNS, ["www1", "www2", "www3"], hosts)
    assert told.startswith("ipv6_gateway of www1, www3: 'router' is not an IPv6 address")


@pytest.mark.parametrize(
    ("dns", "told"),
    [
        ({**DNS, "port": "domain"}, "ipv6_dns: port: 'domain' is not a port"),
        ({**DNS, "port": 0}, "ipv6_dns: port: 0 is not a port"),
        ({**DNS, "port": 65536}, "ipv6_dns: port: 65536 is not a port"),
        ({**DNS, "port": True}, "ipv6_dns: port: True is not a port"),
        ("192.0.2.53", "ipv6_dns is not a dictionary"),
        ({**DNS, "key_name": ""}, "ipv6_dns lacks key_name"),
    ],
)
def test_a_name_server_that_is_wrong_is_told(dns, told):
    (finding,) = site(dns)
    assert told in finding


@pytest.mark.parametrize("port", [53, "5353", None])
def test_a_port_of_the_name_server_may_be_text(port):
    assert site({**DNS, "port": port}) == []


def spec(ipv4="", names=(), services=("http",)):
    """Return of a specification what tells hosts apart."""
    return {"ipv4": ipv4, "names": list(names), "services": [{"name": name} for name in services]}


def test_one_machine_under_two_names_is_refused():
    specs = {"www1": spec("198.51.100.80"), "web2": spec("198.51.100.80"), "a": spec(None), "b": spec(None)}
    (told,) = site(fleet=list(specs), specs=specs)
    assert told.startswith("web2 and www1 are the same machine: both are 198.51.100.80")
    specs["www3"] = specs["www1"]
    (told,) = site(fleet=list(specs), specs=specs)
    assert told.startswith("web2, www1 and www3 are the same machine: all are 198.51.100.80")


def test_one_name_with_different_services_is_refused():
    name = "www.example.com"
    specs = {"www1": spec("192.0.2.1", [name]), "www2": spec("192.0.2.2", [name], ["https", "http"])}
    (told,) = site(fleet=list(specs), specs=specs)
    assert "www1 and www2" in told and name in told and "http, https" in told
    specs["www2"] = spec("192.0.2.2", [name])
    assert site(fleet=list(specs), specs=specs) == []
    # A host without services publishes nothing.
    specs["www2"] = spec("192.0.2.2", [name], [])
    assert site(fleet=list(specs), specs=specs) == []


def lab(*addresses, sources=("2001:db8:feed::/64",), outside="", accept=()):
    """Return the findings of a lab machine with these addresses."""
    entries = [
        {"address": one, "family": "ipv6" if ":" in one else "ipv4", "scope": "link" if "fe80" in one else "global"}
        for one in addresses
    ]
    look = {**GOOD, "interfaces": [{"name": "eth0", "addresses": entries}]}
    return preflight.lab_findings(look, 1000.0, accept, sources, outside)


def test_a_lab_machine_without_ipv6_proves_nothing():
    assert [one["code"] for one in preflight.lab_findings(GOOD, 1000.0)] == ["lab"]
    assert [one["code"] for one in lab("192.0.2.200", "fe80::10")] == ["lab"]


def test_a_lab_machine_outside_of_its_sources_is_refused():
    (told,) = lab("192.0.2.200", "fe80::10", "2001:db8:beef::10", "2001:db8:dead::10")
    assert (told["code"], told["level"]) == ("lab", "refuse")
    assert "2001:db8:beef::10, 2001:db8:dead::10" in told["message"] and "fe80" not in told["message"]
    assert [one["level"] for one in lab("2001:db8:beef::10", accept=["lab"])] == ["warn"]


def test_a_lab_machine_inside_of_its_sources_is_fine():
    assert lab("2001:db8:beef::10", "2001:db8:feed::10") == []
    assert lab("2001:db8:feed::10", sources=["2001:db8::/64", "2001:db8:feed::10"]) == []


@pytest.mark.parametrize("sources", [[], None, "x", [80], ["192.0.2.0/24"]])
def test_sources_that_are_wrong_are_told_by_the_site_alone(sources):
    assert lab("2001:db8:feed::10", sources=sources) == []


@pytest.mark.parametrize(
    ("outside", "told"),
    [
        ("2001:db8:beef::10", ""),
        ("2001:db8:beef:0::10", ""),
        ("2001:db8:beef::11", "not an address of the lab machine"),
        ("2001:db8:feed::10", "inside ipv6_lab_sources"),
        ("outside", "is not an IPv6 address"),
        (80, "is a number"),
    ],
)
def test_the_outside_source_is_the_lab_machines_and_not_let_in(outside, told):
    found = lab("2001:db8:feed::10", "2001:db8:beef::10", outside=outside)
    assert [(one["level"], one["code"]) for one in found] == ([("warn", "outside")] if told else [])
    assert all(told in one["message"] for one in found)
