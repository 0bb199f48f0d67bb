# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about translators."""

from __future__ import annotations

import hashlib
import ipaddress

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, nat64_host, tunnel_host

LINKS = [
    {
        "ifname": "lo",
        "addr_info": [
            {"family": "inet", "local": "127.0.0.1", "prefixlen": 8},
            {"family": "inet", "local": "198.51.100.9", "prefixlen": 32},  # of a service
        ],
    },
    {"ifname": "nat64", "addr_info": [{"family": "inet", "local": "192.168.64.1", "prefixlen": 24}]},
    {
        "ifname": "eth0",
        "addr_info": [
            {"family": "inet", "local": "192.0.2.5", "prefixlen": 24},
            {"family": "inet6", "local": "2001:db8::5", "prefixlen": 64},
        ],
    },
    {"ifname": "ppp0", "addr_info": [{"family": "inet", "local": "10.1.1.1", "address": "10.9.9.9", "prefixlen": 32}]},
]


def test_the_networks_that_a_host_is_part_of():
    found = [str(network) for network in nat64_host.own_networks(LINKS, "nat64")]
    assert found == ["10.1.1.1/32", "10.9.9.9/32", "127.0.0.0/8", "192.0.2.0/24", "198.51.100.9/32"]


@pytest.mark.parametrize(
    ("space", "route", "interface", "refused"),
    [
        ("2001:db8:64::/96", "2001:db8:64::/96", "eth1", True),
        ("2001:db8:64::/96", "2001:db8:64::/96", "nat64", False),
        ("2001:db8:64::/96", "2001:db8:64::/96", "lo", True),
        ("2001:db8::/56", "2001:db8:0:9::/64", "eth1", True),  # its hosts would be cut off
        ("2001:db8:0:9::/96", "2001:db8:0:9::/64", "eth1", True),
        ("2001:db8:0:9::/96", "2001:db8::/48", "eth1", False),
        ("2001:db8:0:9::/96", "2001:db8::/32", "lo", False),
        ("2001:db8:0:9::/96", "2001:db8:0:9::/64", "lo", False),
        ("2001:db8:0:9::/96", "default", "eth0", False),
        ("2001:db8:0:9::/96", "fe80::/64", "eth0", False),
        ("192.168.64.0/24", "192.168.64.7", "wg0", True),
        ("192.168.64.0/24", "192.168.0.0/16", "eth1", False),
        ("192.168.64.0/24", "192.168.65.0/24", "eth1", False),
    ],
)
def test_routes_that_somebody_else_has(space, route, interface, refused):
    wrong = nat64_host._routed("prefix", ipaddress.ip_network(space), [(route, interface)], "nat64")
    assert bool(wrong) == refused
    assert all("which is routed to" in text and "name another" in text for text in wrong)


def test_tables_that_drop_what_is_forwarded():
    chains = """table inet other {
    chain forward {
        type filter hook forward priority filter; policy drop;
    }
    chain input {
        type filter hook input priority filter; policy drop;
    }
}
table ip filter {
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
    }
}
"""
    assert nat64_host.dropping_tables(chains) == ["inet other"]


@pytest.mark.parametrize(
    ("content", "active", "foreign"),
    [("placeholder", True, False), ("mine", True, True), ("mine", False, False), (None, True, False)],
)
def test_a_translator_of_the_administrator(monkeypatch, tmp_path, content, active, foreign):
    shipped = tmp_path / "tayga.conf"
    if content is not None:
        shipped.write_text(content)
    known = hashlib.md5(b"placeholder", usedforsecurity=False).hexdigest()
    (tmp_path / "status").write_text(f"Package: tayga\nConffiles:\n {shipped} {known}\n /etc/other {known}\n")
    monkeypatch.setattr(nat64_host, "SHIPPED", str(shipped))
    monkeypatch.setattr(nat64_host, "DPKG_STATUS", str(tmp_path / "status"))
    monkeypatch.setattr(commands, "run", lambda argv, *_more: commands.Result(0 if active else 3, "", ""))
    assert nat64_host._foreign_translator() == foreign


@pytest.mark.parametrize(("dry_run", "lacks"), [(0, False), (1, True)])
def test_jool_needs_its_module(monkeypatch, dry_run, lacks):
    monkeypatch.setattr(commands, "found", lambda name: name)
    monkeypatch.setattr(commands, "run", lambda argv, *_more: commands.Result(dry_run, "", ""))
    assert ("needs its kernel module" in nat64_host.kernel_lacks("jool")) == lacks


def test_tayga_needs_tun(monkeypatch):
    monkeypatch.setattr(tunnel_host, "TUN", "/dev/no-such-device")
    assert nat64_host.kernel_lacks("tayga").startswith("translator: tayga needs /dev/no-such-device")
