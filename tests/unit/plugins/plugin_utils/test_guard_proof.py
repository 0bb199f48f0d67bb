# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh login shares nothing with the connection in use."""

from __future__ import annotations

import shlex

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import guard_proof


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", ""),
        ("-C -o ControlMaster=auto -o ControlPersist=60s", "-C"),
        ("-o ControlPath=/tmp/x -S /tmp/y -M -4 -6", ""),
        (
            "-oControlMaster=auto -J jump -o 'ProxyCommand=ssh -W %h:%p jump'",
            "-J jump -o 'ProxyCommand=ssh -W %h:%p jump'",
        ),
        ("-o AddressFamily=inet -F /etc/ssh/own", "-F /etc/ssh/own"),
    ],
)
def test_own_arguments(arguments, expected):
    assert guard_proof.own_arguments(arguments) == expected


def test_login_arguments_come_first():
    words = shlex.split(guard_proof.login_arguments("ipv6", "/tmp/known hosts", 5, "-o StrictHostKeyChecking=no"))
    assert words[0] == "-6"
    assert "UserKnownHostsFile=/tmp/known hosts" in words
    assert words.index("StrictHostKeyChecking=yes") < words.index("StrictHostKeyChecking=no")
    assert "ControlPath=none" in words
    assert "ControlMaster=no" in words


@pytest.mark.parametrize(
    ("family", "given", "host", "expected"),
    [
        ("ipv4", {}, "192.0.2.1", "192.0.2.1"),
        ("ipv6", {}, "2001:db8::1", "2001:db8::1"),
        ("ipv6", {"ipv6": "2001:DB8::1/64"}, "192.0.2.1", "2001:db8::1"),
        ("ipv4", {"ipv6": "2001:db8::1"}, "192.0.2.1", "192.0.2.1"),
    ],
)
def test_proof_address(family, given, host, expected):
    assert guard_proof.proof_address(family, given, host) == expected


@pytest.mark.parametrize(
    ("family", "given", "host", "reason"),
    [
        ("ipv6", {}, "192.0.2.1", "give it as addresses.ipv6"),
        ("ipv6", {"ipv6": "192.0.2.1"}, "192.0.2.1", "no ipv6 address"),
        ("ipv6", {"ipv6": 80}, "192.0.2.1", "no ipv6 address"),
        ("ipv4", {}, "no-such-name.invalid", "has none"),
    ],
)
def test_proof_address_refused(family, given, host, reason):
    with pytest.raises(RolloutError, match=reason):
        guard_proof.proof_address(family, given, host)


def test_known_hosts():
    assert guard_proof.known_hosts(["ssh-ed25519 AAAA"]) == "ipv6-rollout-proof ssh-ed25519 AAAA\n"


def test_token_is_the_same_in_one_run():
    assert guard_proof.run_token() == guard_proof.run_token()
    assert len(guard_proof.run_token()) == 32
