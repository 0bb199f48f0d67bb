# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import host

# Lines as ss of Debian 12 and 13 prints them.
LINES = [
    (
        'tcp LISTEN 0 511 *:80 *:* users:(("apache2",pid=41,fd=4),("apache2",pid=40,fd=4)) ino:1 sk:1 v6only:0 <->',
        {"address": "::", "port": 80, "ipv4": True, "ipv6": True, "process": "apache2", "pid": 41},
    ),
    (
        'tcp LISTEN 0 100 [::]:25 [::]:* users:(("master",pid=90,fd=14)) ino:2 sk:2 cgroup:/x v6only:1 <->',
        {"address": "::", "port": 25, "ipv4": False, "ipv6": True, "process": "master"},
    ),
    (
        'tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:(("sshd",pid=7,fd=3)) ino:3 sk:3 <->',
        {"address": "0.0.0.0", "port": 22, "ipv4": True, "ipv6": False, "process": "sshd"},
    ),
    (
        "udp UNCONN 0 0 [fe80::1]%eth0:546 [::]:* ino:4 sk:4 v6only:1 <->",
        {"address": "fe80::1", "port": 546, "device": "eth0", "ipv4": False, "ipv6": True, "process": ""},
    ),
    (
        "tcp LISTEN 0 128 [::ffff:127.0.0.1]:8005 *:* ino:5 sk:5 v6only:0 <->",
        {"address": "::ffff:127.0.0.1", "port": 8005, "ipv4": True, "ipv6": False},
    ),
    (
        "udp UNCONN 0 0 *%eth0:68 *:* ino:6 sk:6 v6only:0 <->",
        {"address": "::", "device": "eth0", "port": 68, "ipv4": True, "ipv6": True},
    ),
]


@pytest.mark.parametrize(("line", "expected"), LINES)
def test_sockets_are_read(line, expected):
    found = host.listener(line)
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize("line", ["", "nl UNCONN 0 0 rtnl:x *", "tcp LISTEN 0"])
def test_what_is_no_socket_is_passed_over(line):
    assert host.listener(line) is None


def test_a_look_has_everything_that_preflight_reads():
    found = host.look()
    assert found["os"]["id"]
    assert found["free"]["/etc"] > 0
    assert {"ipv4", "ipv6"} <= set(found["firewall"])
    assert any(interface["name"] == "lo" for interface in found["interfaces"])


def test_rules_come_as_text_only_if_asked_for():
    assert "saved" not in host.firewall()["ipv6"]
    assert isinstance(host.firewall(with_rules=True)["ipv6"]["saved"], str)
