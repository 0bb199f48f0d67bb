# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses IPv4: in texts, in connections, in a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, ipv4_use, ipv4_use_text
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import Network6


@pytest.mark.parametrize(
    ("line", "style", "wanted"),
    [
        ("relayhost = [192.0.2.25]:587", "hash", ["192.0.2.25"]),
        ("server 192.0.2.1:80; server 192.0.2.2", "hash", ["192.0.2.1", "192.0.2.2"]),
        ("mynetworks = 192.0.2.0/24 192.0.2.7/32", "hash", ["192.0.2.0/24", "192.0.2.7/32"]),
        ("url = https://198.51.100.7/x", "hash", ["198.51.100.7"]),
        ("allow [::ffff:203.0.113.9]", "hash", ["203.0.113.9"]),
        ("# 192.0.2.1", "hash", []),
        ("a # 192.0.2.1", "hash", []),
        ("a = b#192.0.2.1", "hash", ["192.0.2.1"]),
        ("; 192.0.2.1", "ini", []),
        ("nameserver 192.0.2.1 ; old", "ini", ["192.0.2.1"]),
        ("forwarders { 192.0.2.1; }; // 192.0.2.2", "c", ["192.0.2.1"]),
        ("/* 192.0.2.1 */ x 192.0.2.2", "c", ["192.0.2.2"]),
        ("version 1.2.3.4.5 and 10.1.2.3-4, v1.2.3.4, x-1.2.3.4", "hash", []),
        ("oid 1.3.6.1.4.1", "hash", []),
        ("1.2.0.192.in-addr.arpa", "hash", []),
        ("127.0.0.1 0.0.0.0 255.255.255.0 224.0.0.1 999.1.1.1 192.0.2.1/33", "hash", []),
    ],
)
def test_literals(line, style, wanted):
    text = f"first\n{line}\n"
    found = [literal for number, literal, _kind in ipv4_use_text.literals(text, style) if number == 2]
    assert found == wanted


def test_a_network_is_who_may_come_in():
    kinds = {literal: kind for _n, literal, kind in ipv4_use_text.literals("192.0.2.0/24 192.0.2.7/32 192.0.2.9")}
    assert kinds == {"192.0.2.0/24": "network", "192.0.2.7/32": "address", "192.0.2.9": "address"}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("    Require ip 192.0.2.25 2001:db8::25", "network"),
        ("require not ip 192.0.2.25", "network"),
        ("Allow from 192.0.2.25", "network"),
        ("Deny from 192.0.2.25", "network"),
        ("ProxyPass /old http://192.0.2.25/", "address"),
        ("Required ip 192.0.2.25", "address"),
    ],
)
def test_who_may_come_in_is_nobody_to_connect_to(line, kind):
    assert ipv4_use_text.literals(line) == [(1, "192.0.2.25", kind)]


@given(st.text(max_size=200), st.sampled_from(["hash", "c", "ini"]))
def test_comments_go_and_lines_stay(text, style):
    assert ipv4_use_text.uncommented(text, style).count("\n") == text.count("\n")


SS = """tcp   LISTEN    0 128          0.0.0.0:22       0.0.0.0:*     users:(("sshd",pid=1,fd=3))
tcp   LISTEN    0 511                *:80             *:*     users:(("apache2",pid=2,fd=4))
tcp   ESTAB     0 0        192.0.2.80:22     192.0.2.9:50000  users:(("sshd",pid=9,fd=4))
tcp   SYN-SENT  0 1        192.0.2.80:40000 198.51.100.7:443  users:(("updater",pid=7,fd=4))
tcp   ESTAB     0 0  [::ffff:192.0.2.80]:40001 [::ffff:198.51.100.8]:443 users:(("java",pid=8,fd=4))
tcp   ESTAB     0 0  [2001:db8::80]:40002 [2001:db8::1]:443   users:(("curl",pid=6,fd=4))
tcp   ESTAB     0 0         127.0.0.1:40003     127.0.0.1:53
udp   UNCONN    0 0          0.0.0.0:514        0.0.0.0:*     users:(("rsyslogd",pid=5,fd=6))
udp   UNCONN    0 0        127.0.0.53%lo:53     0.0.0.0:*     users:(("systemd-resolve",pid=4,fd=6))
udp   UNCONN    0 0             [::]:123           [::]:*     users:(("chronyd",pid=3,fd=6))
"""


def test_connections_that_were_begun_here():
    found = ipv4_use_text.connections(ipv4_use_text.sockets(SS))
    assert [(one.programs, one.peer_port) for one in found] == [(("updater",), "443"), (("java",), "443")]
    assert [str(ipv4_use_text.ipv4_of(one.peer)) for one in found] == ["198.51.100.7", "198.51.100.8"]


def test_datagram_sockets():
    assert [one.programs for one in ipv4_use_text.datagrams(ipv4_use_text.sockets(SS))] == [("rsyslogd",)]


def test_who_asks_for_a_records_only():
    log = [
        "[1:0] info: 2001:db8::9 www.example.com. A IN",
        "[1:0] info: 2001:db8::9 www.example.com. AAAA IN",
        "[1:0] info: 2001:db8::9 Old.example.com. A IN",
        "[1:0] info: 2001:db8::9 old.example.com. A IN",
        "[1:0] info: 2001:db8::8 www.example.com. A IN",
        "[1:0] info: 2001:db8::9 example.com. MX IN",
        "[1:0] info: start of service",
    ]
    assert ipv4_use_text.queries(log) == [
        ("2001:db8::8", "www.example.com.", 1),
        ("2001:db8::9", "old.example.com.", 2),
    ]


@pytest.mark.parametrize("only_ipv6", [True, False])
def test_all_of_it_by_program(monkeypatch, tmp_path, only_ipv6):
    (tmp_path / "main.cf").write_text("relayhost = 192.0.2.25\nmynetworks = 192.0.2.0/24\n")
    (tmp_path / "app.ini").write_text("host = 9.9.9.9\n")
    (tmp_path / "binary").write_bytes(b"9.9.9.9\x00")
    monkeypatch.setattr(ipv4_use, "PLACES", (("postfix", "hash", (f"{tmp_path}/*.cf",)),))
    monkeypatch.setattr(commands, "found", lambda program: None)
    addresses = "[]" if only_ipv6 else '[{"addr_info": [{"local": "192.0.2.80"}]}]'
    monkeypatch.setattr(commands, "check", lambda argv, *_more: SS if argv[0] == "ss" else addresses)
    found = ipv4_use.look(Network6("64:ff9b::/96"), [f"{tmp_path}/app.ini", f"{tmp_path}/binary"], "1d")
    assert found["ipv6_only"] == only_ipv6
    assert sorted(found["programs"]) == ["app.ini", "java", "postfix", *(["rsyslogd"] if only_ipv6 else []), "updater"]
    told = [(use["kind"], use["where"], use["nat64"]) for use in found["programs"]["postfix"]]
    assert told == [("address", f"{tmp_path}/main.cf:1", ""), ("network", f"{tmp_path}/main.cf:2", "")]
    assert found["programs"]["app.ini"][0]["nat64"] == "64:ff9b::909:909"
