# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own programs: what they make of an inventory, before any container is there."""

from __future__ import annotations

import ipaddress
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "lab"))

import machines
import model
import snapshots
import zones

SITE = {
    "lab_name": "rollout",
    "lab_domain": "example.com",
    "lab_network": "198.51.100.0/24",
    "lab_gateway": "198.51.100.1",
    "lab_router": ["2001:db8:feed::1/64"],
    "lab_controller": "2001:db8:feed::2/64",
    "ipv6_prefix": "2001:db8:1200::/48",
}
HOSTS = {
    "ns1": {"lab_kind": "nameserver", "ansible_host": "198.51.100.53", "ipv6_names": ["ns1.example.com"]},
    "www1": {"lab_kind": "web", "ansible_host": "198.51.100.80", "ipv6_names": ["www.example.com"]},
    "mail1": {"lab_kind": "mail", "ansible_host": "198.51.100.25", "ipv6_names": ["mail1.example.com"]},
    "elsewhere": {"ansible_host": "192.0.2.1"},
}


def inventory(monkeypatch: pytest.MonkeyPatch, hosts: dict[str, dict[str, t.Any]], **site: t.Any) -> None:
    """Let `ansible-inventory` say this."""
    hostvars = {name: {**SITE, **site, **values} for name, values in hosts.items()}
    said = json.dumps({"_meta": {"hostvars": hostvars}})
    monkeypatch.setattr(model.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, said, ""))


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> model.Lab:
    inventory(monkeypatch, HOSTS)
    return model.load("inventory")


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        ("198.51.100.0/24", ["100.51.198.in-addr.arpa"]),
        ("198.51.100.128/25", ["100.51.198.in-addr.arpa"]),
        ("198.18.0.0/15", ["18.198.in-addr.arpa", "19.198.in-addr.arpa"]),
        ("2001:db8:1200::/48", ["0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("2001:db8:77:4200::/56", ["2.4.7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("2001:db8::/47", ["0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"]),
    ],
)
def test_reverse_zones(network: str, expected: list[str]) -> None:
    assert zones.reverse_zones(ipaddress.ip_network(network)) == expected


def test_only_hosts_with_a_kind_are_machines(lab: model.Lab) -> None:
    assert [machine.name for machine in lab.machines] == ["mail1", "ns1", "www1"]


def test_zones_start_without_ipv6(lab: model.Lab) -> None:
    made = zones.zones(lab)
    assert set(made) == {"example.com", "100.51.198.in-addr.arpa", "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"}
    assert not any("AAAA" in text for text in made.values())
    assert "www.example.com. IN A 198.51.100.80\n" in made["example.com"]
    assert "80.100.51.198.in-addr.arpa. IN PTR www.example.com.\n" in made["100.51.198.in-addr.arpa"]
    assert '"v=spf1 ip4:198.51.100.25 -all"' in made["example.com"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"www1": {"lab_kind": "printer", "ansible_host": "198.51.100.80"}}, "lab_kind 'printer'"),
        ({"www1": {"lab_kind": "web", "ansible_host": "192.0.2.80"}}, "not in lab_network"),
        ({"www1": {"lab_kind": "web", "ansible_host": "www.example.com"}}, "www.example.com"),
        ({"ns1": {"ansible_host": "198.51.100.53"}}, "exactly one"),
        ({"www1": {**HOSTS["www1"], "lab_backend": "wicked"}}, "lab_backend 'wicked' is none of ifupdown, networkd"),
        (
            {"www1": {**HOSTS["www1"], "lab_backend": "networkd", "lab_addresses": ["2001:db8:feed::9/64"]}},
            "lab_addresses are written for ifupdown only",
        ),
    ],
)
def test_one_clear_message(monkeypatch: pytest.MonkeyPatch, change: dict[str, dict[str, t.Any]], message: str) -> None:
    inventory(monkeypatch, {**HOSTS, **change})
    with pytest.raises(model.LabError, match=message):
        model.load("inventory")


def test_missing_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(SITE, "lab_gateway")
    inventory(monkeypatch, HOSTS)
    with pytest.raises(model.LabError, match="lab_gateway"):
        model.load("inventory")


def test_every_kind_has_units(lab: model.Lab) -> None:
    assert set(model.KINDS) | {"router"} == set(machines.UNITS)


@pytest.mark.parametrize("backend", model.BACKENDS)
def test_one_program_configures_the_interface(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    inventory(monkeypatch, {**HOSTS, "www1": {**HOSTS["www1"], "lab_backend": backend}})
    lab = model.load("inventory")
    machine = next(one for one in lab.machines if one.name == "www1")
    files = machines.files_of(lab, machine, "key", "secret")
    units = machines.units_of(machine)
    assert units[-3:] == ["netfilter-persistent", "apache2", "internal"]
    assert ("networking" in units) == ("eth0" in files["/etc/network/interfaces"].content) == (backend == "ifupdown")
    configured = [path for path, file in files.items() if "198.51.100.80/24" in file.content]
    assert len(configured) == (0 if backend == "ifupdown" else 1)
    # Others may not read it: netplan complains, and NetworkManager leaves such a profile alone.
    assert all(files[path].mode == 0o600 for path in configured if backend != "networkd")


ONLY_IPV6 = {
    "ns1": {**HOSTS["ns1"], "lab_addresses": ["2001:db8:1200:53::53/64"]},
    "web1": {
        "lab_kind": "hosting",
        "lab_ipv4": False,
        "ansible_host": "2001:db8:1200:80::80",
        "lab_addresses": ["2001:db8:1200:80::80/64"],
        "ipv6_names": ["www.example.com"],
        "ipv6_mail_domains": ["example.com"],
    },
    "gw1": {
        "lab_kind": "gateway",
        "ansible_host": "198.51.100.64",
        "lab_addresses": ["2001:db8:1200:53::64/64", "192.0.2.64/24"],
    },
    "client4": {"lab_kind": "client", "ansible_host": "198.51.100.104", "lab_addresses": ["192.0.2.104/24"]},
}


def test_a_machine_without_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory(monkeypatch, ONLY_IPV6, lab_routes={"2001:db8:1200:64::/96": "2001:db8:1200:53::64"})
    lab = model.load("inventory")
    machine = next(one for one in lab.machines if one.name == "web1")
    assert (machine.ipv4, machine.public, machine.ssh) == ("", "", "2001:db8:1200:80::80")
    files = machines.files_of(lab, machine, "key", "secret")
    assert machines.units_of(machine)[:2] == ["no-ipv4", "networking"]
    assert "addr flush" in files["/etc/systemd/system/no-ipv4.service"].content
    assert files["/etc/resolv.conf"].content.endswith("nameserver 2001:db8:1200:53::53\n")
    assert "\n2001:db8:1200:80::80 www.example.com web1.example.com web1\n" in files["/etc/hosts"].content
    assert "mydestination = example.com, $myhostname, localhost\n" in files["/etc/postfix/main.cf"].content
    router = machines.router_files(lab)["/etc/network/interfaces.d/router"].content
    assert "route replace 2001:db8:1200:64::/96 via 2001:db8:1200:53::64 dev eth0" in router


def test_the_world_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    inventory(monkeypatch, ONLY_IPV6)
    lab = model.load("inventory")
    made = zones.zones(lab)
    assert "web1.example.com." not in made["example.com"]
    assert "gw1.example.com. IN A 192.0.2.64\n" in made["example.com"]
    assert "64.2.0.192.in-addr.arpa. IN PTR gw1.example.com.\n" in made["2.0.192.in-addr.arpa"]
    assert "64.100.51.198.in-addr.arpa. IN PTR gw1.example.com.\n" in made["100.51.198.in-addr.arpa"]
    assert "192.0.2.0/24;" in zones.named_options(lab)
    gateway = next(one for one in lab.machines if one.name == "gw1")
    text = machines.files_of(lab, gateway, "key", "secret")["/etc/network/interfaces.d/lab"].content
    assert "    address 2001:db8:1200:53::64/64\n" in text
    assert "    up ip addr replace 192.0.2.64/24 dev eth0\n" in text
    assert not any("no-ipv4" in machines.units_of(one) for one in lab.machines if one.ipv4)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("web1", {"lab_addresses": []}, "the first is ansible_host"),
        ("web1", {"lab_addresses": ["2001:db8:1200:80::81/64"]}, "the first is ansible_host"),
        ("web1", {"lab_addresses": ["2001:db8:1200:80::80/64", "192.0.2.80/24"]}, "IPv6 addresses only"),
        ("ns1", {"lab_addresses": []}, "give it IPv6"),
        ("web1", {"ansible_host": "web1"}, "web1"),
    ],
)
def test_nobody_would_reach_it(
    monkeypatch: pytest.MonkeyPatch, name: str, change: dict[str, t.Any], message: str
) -> None:
    inventory(monkeypatch, {**ONLY_IPV6, name: {**ONLY_IPV6[name], **change}})
    with pytest.raises(model.LabError, match=message):
        model.load("inventory")


def test_differences_see_content_and_the_order_of_rules() -> None:
    before = {"www1": {"etc": {"/etc/a": "1"}, "ip6tables": ["-A one", "-A two"], "sockets": ["b", "a"]}}
    same = {"www1": {"etc": {"/etc/a": "1"}, "ip6tables": ["-A one", "-A two"], "sockets": ["a", "b"]}}
    other = {"www1": {"etc": {"/etc/a": "2"}, "ip6tables": ["-A two", "-A one"], "sockets": ["a", "b"]}}
    assert snapshots.differences(before, same) == []
    changed = snapshots.differences(before, other)
    assert "- www1: etc: /etc/a: 1" in changed
    assert "+ www1: etc: /etc/a: 2" in changed
    assert len([line for line in changed if "ip6tables" in line]) == 4


READY = {
    "ns1": HOSTS["ns1"],
    "ns2": {"lab_kind": "secondary", "ansible_host": "198.51.100.54", "ipv6_names": ["ns2.example.com"]},
    "mail1": HOSTS["mail1"],
    "www1": {
        "lab_kind": "web",
        "ansible_host": "198.51.100.80",
        "ipv6_names": ["www.example.com", "shop.example.com"],
        "lab_https": True,
        "lab_ports": ["tcp/22", "udp/53"],
    },
    "web6": {
        "lab_kind": "web",
        "lab_ipv4": False,
        "lab_https": True,
        "ansible_host": "2001:db8:1200:80::86",
        "lab_addresses": ["2001:db8:1200:80::86/64"],
    },
    "world1": {
        "lab_kind": "web",
        "ansible_host": "198.51.100.180",
        "lab_zones": {"com": ["example.com. IN NS ns1.example.com."]},
    },
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> model.Lab:
    hosts = {**READY, "ns1": {**HOSTS["ns1"], "lab_addresses": ["2001:db8:1200:53::53/64"]}}
    inventory(monkeypatch, hosts, lab_records=['_dmarc IN TXT "v=DMARC1; p=none"'])
    return model.load("inventory")


def of(lab: model.Lab, name: str) -> dict[str, str]:
    machine = next(one for one in lab.machines if one.name == name)
    return {path: file.content for path, file in machines.files_of(lab, machine, "key", "secret").items()}


def test_a_second_name_server(site: model.Lab, lab: model.Lab) -> None:
    made = zones.zones(site)
    assert all("@ IN NS ns1.example.com.\n@ IN NS ns2.example.com.\n" in text for text in made.values())
    assert '_dmarc IN TXT "v=DMARC1; p=none"\n' in made["example.com"]
    primary, secondary = of(site, "ns1"), of(site, "ns2")
    assert "also-notify { 198.51.100.54 key rollout; };" in primary["/etc/bind/named.conf.options"]
    local = secondary["/etc/bind/named.conf.local"]
    assert local.count("type secondary;") == local.count("primaries { 198.51.100.53 key rollout; };") == len(made)
    assert not [path for path in secondary if path.endswith(".zone")]
    # Alone, it tells nobody.
    assert "    notify no;\n" in of(lab, "ns1")["/etc/bind/named.conf.options"]


def test_a_web_server_with_tls(site: model.Lab) -> None:
    files = of(site, "www1")
    assert files["/etc/apache2/ports.conf"] == "Listen 0.0.0.0:80\nListen 0.0.0.0:443\n"
    unit = files["/etc/systemd/system/sites.service"]
    assert [f"/CN={name} " in unit for name in ("www1.example.com", "www.example.com", "shop.example.com")] == [
        True
    ] * 3
    assert "Require ip 198.51.100.25\n" in files["/etc/apache2/sites-enabled/shop.example.com.conf"]
    assert of(site, "web6")["/etc/apache2/ports.conf"] == "Listen [::]:80\nListen [::]:443\n"
    machine = next(one for one in site.machines if one.name == "www1")
    units = machines.units_of(machine)
    assert units.index("sites") < units.index("apache2")
    assert "sites" not in machines.units_of(next(one for one in site.machines if one.name == "world1"))


def test_the_firewall_that_a_host_starts_with(site: model.Lab) -> None:
    rules = of(site, "www1")["/etc/iptables/rules.v4"]
    assert ":INPUT DROP" in rules
    assert "-A INPUT -p udp -m udp --dport 53 -j ACCEPT\n" in rules
    assert rules.endswith("COMMIT\n")
    assert "/etc/iptables/rules.v4" not in of(site, "mail1")


def test_zones_of_the_world(site: model.Lab) -> None:
    files = of(site, "world1")
    assert files["/etc/bind/com.zone"].endswith("\nexample.com. IN NS ns1.example.com.\n")
    assert 'zone "com" {' in files["/etc/bind/named.conf.local"]
    assert machines.units_of(next(one for one in site.machines if one.name == "world1"))[-1] == "named"
