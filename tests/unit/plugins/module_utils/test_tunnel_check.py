# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found out before anything is touched, and the commands that make an interface."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel, tunnel_check, tunnel_host, tunnel_live
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.tunnel_given import (
    CLIENT,
    KINDS,
    SECRET,
    SERVER,
    SIT,
    WIREGUARD,
)

GOOD = tunnel_check.Host(
    ipv6="",
    kernel="",
    boot="",
    devices={"lo": "", "eth0": ""},
    outer=frozenset(["192.0.2.10"]),
    inner={},
    missing=frozenset(),
    firewall=("accept", ""),
)


@pytest.mark.parametrize("name", KINDS)
def test_a_good_host_has_no_problem(name):
    assert tunnel_check.problems(tunnel.wanted(KINDS[name]), GOOD, False) == []


@pytest.mark.parametrize(
    ("given", "change", "ours", "reasons"),
    [
        (SIT, {"kernel": "kind: no sit"}, False, ["kind: no sit"]),
        (SIT, {"kernel": "k", "ipv6": "i", "boot": "b"}, False, ["i", "k", "b"]),
        (SIT, {"devices": {"tun6": "sit"}}, True, []),
        (SIT, {"devices": {"tun6": "sit"}}, False, ["that this module did not make"]),
        (SIT, {"devices": {"tun6": "tun"}}, True, ["tun6 is a tun interface, not sit"]),
        (SIT, {"devices": {"tun6": ""}}, False, ["tun6 (no tunnel)"]),
        (SIT, {"outer": frozenset(["10.0.0.5"])}, False, ["192.0.2.10 is not an address of this host (10.0.0.5)"]),
        (SIT, {"inner": {"2001:db8:feed::/64": "eth0"}}, False, ["overlaps 2001:db8:feed::/64 of eth0"]),
        (SIT, {"inner": {"2001:db8:feed::/64": "tun6"}, "devices": {"tun6": "sit"}}, True, []),
        (
            SERVER,
            {"inner": {"2001:db8:12::/48": "eth0"}},
            False,
            ["network: 2001:db8:12:ff::/64 overlaps", "clients: routed: 2001:db8:12:fe::/64 is in 2001:db8:12::/48"],
        ),
        (
            SIT,
            {"inner": {"2001:db8:feed::/64": "old6"}, "tunnels": frozenset(["old6"])},
            False,
            ["old6 is a tunnel of ours: take it back first with state absent"],
        ),
        (SIT, {"inner": {"2001:db8:5::/64": "eth0"}}, False, []),
        (
            SIT | {"routes": ["2001:db8:5::/64", "2001:db8:5:0:8000::/65"]},
            {"inner": {"2001:db8:5::/64": "eth0"}},
            False,
            ["routes: 2001:db8:5::/64 is in 2001:db8:5::/64 of eth0", "2001:db8:5:0:8000::/65 is in"],
        ),
        (SIT, {"routes": (("::/0", "eth0"), ("2000::/4", "eth0"))}, False, []),
        (SIT, {"routes": (("2000::/3", "eth0"),)}, False, ["routes: eth0 has a route to 2000::/3 already, which"]),
        (SIT, {"routes": (("2000::/3", "eth0"),), "held": frozenset(["2000::/3"])}, False, []),
        (SIT | {"routes": ["::/0"]}, {"routes": (("::/0", "eth0"),)}, False, ["name 2000::/3, or only what"]),
        (WIREGUARD, {"routes": (("2001:db8:12::/48", "lo"),)}, False, ["peers: allowed: lo has a route"]),
        # What a server tells its clients is no route of its own.
        (SERVER, {"routes": (("2001:db8:12::/48", "eth1"),), "peer": "2001:db8:12::7"}, False, []),
        (SERVER, {"routes": (("2001:db8:12:fe::/64", "eth1"),)}, False, ["clients: routed: eth1 has a route"]),
        (CLIENT | {"routes": ["2000::/3"]}, {"routes": (("2000::/3", "eth0"),)}, False, ["routes: eth0 has a route"]),
        (SIT, {"peer": "2001:db8:99::7"}, False, ["leads to 2001:db8:99::7, from where this session comes"]),
        (SIT, {"peer": "192.0.2.1"}, False, []),
        (SIT, {"peer": "a:b"}, False, []),
        (SIT | {"routes": []}, {"peer": "2001:db8:feed::9"}, False, ["addresses: 2001:db8:feed::/64 leads to"]),
        (SERVER, {"peer": "2001:db8:12:ff::9"}, False, ["network: 2001:db8:12:ff::/64 leads to"]),
        (SIT, {"peer": "2001:db8:99::7", "held": frozenset(["2000::/3"])}, True, []),
        (SIT, {"peer": "2001:db8:99::7", "routes": (("::/0", "eth0"),)}, False, ["would be cut off"]),
        (SIT, {"peer": "2001:db8:99::7", "routes": (("2001:db8:99::/64", "eth0"),)}, False, []),
        (CLIENT, {"missing": frozenset(["/etc/ssl/tunnel/ca.crt"])}, False, ["ca: there is no file"]),
    ],
)
def test_problems(given, change, ours, reasons):
    found = tunnel_check.problems(tunnel.wanted(given), GOOD._replace(**change), ours)
    assert len(found) == len(reasons)
    for text, reason in zip(found, reasons):
        assert reason in text


def test_a_lockout_can_be_allowed():
    wish, host = tunnel.wanted(SIT), GOOD._replace(peer="2001:db8:99::7")
    assert tunnel_check.problems(wish, host, False, "allow") == []


@pytest.mark.parametrize(
    ("given", "firewall", "told"),
    [
        (SIT, ("accept", "the policy of INPUT"), ""),
        (
            SIT,
            ("refuse", "the policy of INPUT"),
            "protocol 41 from 198.51.100.1 is refused by this host's rules (the policy",
        ),
        (SIT, ("depends", "-j X"), "may be refused by this host's rules (-j X)"),
        (SIT, ("unknown", "iptables-save is not installed"), "nobody can tell"),
        (SERVER | {"forwarding": True}, ("refuse", "x"), "UDP port 1194 is refused"),
        (SERVER, ("accept", ""), "forwarding: it is off"),
        (CLIENT, ("accept", ""), ""),
        (WIREGUARD, ("refuse", "x"), ""),
        (WIREGUARD | {"port": 51820}, ("refuse", "x"), "UDP port 51820 is refused"),
        (SIT | {"local": "192.168.1.2"}, ("accept", ""), "is a private address"),
    ],
)
def test_remarks(given, firewall, told):
    found = tunnel_check.remarks(tunnel.wanted(given), GOOD._replace(firewall=firewall))
    assert len(found) == (1 if told else 0)
    assert told in "".join(found)


RULES = """\
*filter
:INPUT DROP [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s 198.51.100.1/32 -p ipv6 -j ACCEPT
-A INPUT -p udp -m udp --dport 1194 -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (SIT, "accept"),
        (SIT | {"remote": "198.51.100.2"}, "refuse"),
        (SERVER, "accept"),
        (SERVER | {"port": 1195}, "refuse"),
    ],
)
def test_firewall(monkeypatch, given, result):
    monkeypatch.setattr(tunnel_host.commands, "found", lambda program: f"/sbin/{program}")
    monkeypatch.setattr(tunnel_host.commands, "run", lambda argv: tunnel_host.commands.Result(0, RULES, ""))
    assert tunnel_host.firewall(tunnel.wanted(given))[0] == result


UDP6 = SERVER | {"proto": "udp6"}
PEER = WIREGUARD["peers"][0]


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        (SIT, ["iptables-save"]),
        (SERVER, ["iptables-save"]),
        (SERVER | {"local": "2001:db8:9::1"}, ["ip6tables-save"]),
        (UDP6, ["iptables-save", "ip6tables-save"]),
        (WIREGUARD | {"port": 51820}, ["iptables-save"]),
        (WIREGUARD | {"port": 51820, "peers": [PEER | {"endpoint": None}]}, ["iptables-save", "ip6tables-save"]),
        (WIREGUARD | {"port": 51820, "peers": [PEER | {"endpoint": "[2001:db8:ff::1]:51820"}]}, ["ip6tables-save"]),
    ],
)
def test_the_rules_of_the_families_that_are_used(monkeypatch, given, asked):
    seen = []
    monkeypatch.setattr(tunnel_host.commands, "found", lambda program: f"/sbin/{program}")
    monkeypatch.setattr(
        tunnel_host.commands, "run", lambda argv: seen.append(argv[0]) or tunnel_host.commands.Result(0, RULES, "")
    )
    tunnel_host.firewall(tunnel.wanted(given))
    assert seen == asked


def test_of_two_families_the_worse_one_counts(monkeypatch):
    monkeypatch.setattr(tunnel_host.commands, "found", lambda program: program)
    rules = {"iptables-save": RULES, "ip6tables-save": RULES.replace("1194", "1195")}
    monkeypatch.setattr(tunnel_host.commands, "run", lambda argv: tunnel_host.commands.Result(0, rules[argv[0]], ""))
    result, decided_by = tunnel_host.firewall(tunnel.wanted(UDP6))
    assert (result, decided_by[:5]) == ("refuse", "IPv6:")


@pytest.mark.parametrize(
    ("asked", "programs", "enabled", "reason"),
    [
        ("auto", (), False, ""),
        ("ifupdown", (), False, ""),
        ("netplan", (), False, "netplan does not configure this host"),
        ("netplan", ("netplan",), False, ""),
        ("networkmanager", ("nmcli",), False, "NetworkManager.service is not in use"),
        ("networkmanager", ("nmcli",), True, ""),
        ("networkd", ("networkctl",), False, "systemd-networkd.service is not in use"),
    ],
)
def test_a_named_back_end_is_looked_at(monkeypatch, asked, programs, enabled, reason):
    monkeypatch.setattr(tunnel_host.commands, "found", lambda program: program if program in programs else None)
    monkeypatch.setattr(tunnel_host.interface_files, "enabled", lambda unit: enabled)
    found = tunnel_host.unused(asked)
    assert reason in found
    assert bool(reason) == bool(found)


def test_a_kernel_without_the_tunnel(monkeypatch):
    monkeypatch.setattr(tunnel_host.commands, "found", lambda program: None)
    monkeypatch.setattr(tunnel_host.os.path, "isdir", lambda path: False)
    answers = {"sit": (2, "Error: Unknown device type."), "wireguard": (0, "")}
    monkeypatch.setattr(
        tunnel_host.commands,
        "run",
        lambda argv: tunnel_host.commands.Result(answers[argv[-1]][0], "", answers[argv[-1]][1]),
    )
    assert "Unknown device type" in tunnel_host.kernel_lacks("6in4")
    assert tunnel_host.kernel_lacks("wireguard") == ""


@pytest.mark.parametrize(
    ("main", "read"),
    [
        ("source /etc/network/interfaces.d/*\n", True),
        ("source interfaces.d/*\n", True),
        ("source-directory /etc/network/interfaces.d\n", True),
        ("source-directory interfaces.d/\n", True),
        ("#source /etc/network/interfaces.d/*\n", False),
        ("source /etc/network/interfaces.d/*.cfg\n", False),
        ("source /etc/network/*\n", False),
        ("source /etc/network/*/*\n", True),
        ("source /etc/network/interfaces.d/*.cfg /etc/network/interfaces.d/*\n", True),
        ("auto lo\niface lo inet loopback\n", False),
    ],
)
def test_ifupdown_reads_our_file(monkeypatch, main, read):
    monkeypatch.setattr(tunnel_host.host, "text", lambda path: main)
    assert (tunnel_host.unread("6in4", "ifupdown", "tun6") == "") == read
    assert tunnel_host.unread("6in4", "networkd", "tun6") == ""


LINK = {
    "ifname": "tun6",
    "flags": ["POINTOPOINT", "NOARP", "UP", "LOWER_UP"],
    "mtu": 1280,
    "linkinfo": {"info_kind": "sit", "info_data": {"proto": "ip6ip", "remote": "198.51.100.1", "local": "192.0.2.10"}},
    "addr_info": [
        {"family": "inet6", "local": "2001:db8:feed::2", "prefixlen": 64, "scope": "global"},
        {"family": "inet6", "local": "fe80::c000:20a", "prefixlen": 64, "scope": "link"},
    ],
}


@pytest.mark.parametrize(
    ("change", "routes", "alive"),
    [
        ({}, ["2000::/3"], True),
        ({}, ["2000::/3", "2001:db8:feed::/64"], True),
        ({}, [], False),
        ({"mtu": 1480}, ["2000::/3"], False),
        ({"flags": ["POINTOPOINT", "NOARP"]}, ["2000::/3"], False),
        ({"addr_info": []}, ["2000::/3"], False),
        ({"ifname": "other"}, ["2000::/3"], False),
        (
            {"linkinfo": {"info_kind": "sit", "info_data": {"remote": "198.51.100.9", "local": "192.0.2.10"}}},
            ["2000::/3"],
            False,
        ),
    ],
)
def test_an_interface_is_what_it_should_be(change, routes, alive):
    assert tunnel_live.alive(tunnel.wanted(SIT), [{**LINK, **change}], routes) == alive


def test_steps_of_6in4():
    """A changed outer address is a new interface."""
    made = [" ".join(step.argv) for step in tunnel_live.steps(tunnel.wanted(SIT), "ifupdown", True)]
    assert made == [
        "ip link del dev tun6",
        "ip link add name tun6 type sit local 192.0.2.10 remote 198.51.100.1 ttl 64",
        "ip link set dev tun6 mtu 1280 up",
        "ip -6 addr replace 2001:db8:feed::2/64 dev tun6",
        "ip -6 route add 2000::/3 dev tun6",
    ]


def test_steps_of_wireguard_have_no_key_as_an_argument():
    made = tunnel_live.steps(tunnel.wanted(WIREGUARD), "networkd", False)
    assert "wg set wg6 private-key /etc/systemd/network/60-ipv6-rollout-wg6.key" in [
        " ".join(item.argv) for item in made
    ]
    assert not [step for step in made if WIREGUARD["key"] in " ".join(step.argv) + step.stdin]
    peers = next(step.stdin for step in made if step.argv[1] == "setconf")
    assert peers.startswith("[Interface]\n\n[Peer]\nPublicKey")
    assert SECRET not in str(made)


def test_accept_ra_comes_before_forwarding():
    keys = list(tunnel_live.forwarding(["eth1", "eth0", "eth1"]))
    assert keys == ["net.ipv6.conf.eth0.accept_ra", "net.ipv6.conf.eth1.accept_ra", "net.ipv6.conf.all.forwarding"]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("net.ipv6.conf.eth0.accept_ra", "/proc/sys/net/ipv6/conf/eth0/accept_ra"),
        ("net.ipv6.conf.eth0.12.accept_ra", "/proc/sys/net/ipv6/conf/eth0.12/accept_ra"),
        ("net.ipv6.conf.all.forwarding", "/proc/sys/net/ipv6/conf/all/forwarding"),
    ],
)
def test_sysctl_path(key, path):
    assert tunnel_host.sysctl_path(key) == path
