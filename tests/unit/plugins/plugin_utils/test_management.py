# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where and to where the next login goes."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import management


@pytest.mark.parametrize(
    ("prove", "host", "expected"),
    [
        ([], "192.0.2.80", ["ipv4"]),
        ([], "fe80::1%eth0", ["ipv6"]),
        (["ipv6"], "192.0.2.80", ["ipv4", "ipv6"]),
        (["ipv4"], "192.0.2.80", ["ipv4"]),
        ([], "www.example.com", []),
    ],
)
def test_the_family_in_use_is_always_one_of_them(prove, host, expected):
    assert management.families(prove, host) == expected


def test_the_source_is_that_of_the_route():
    found = management.logins(["ipv6"], {"ipv6": "::1/128"}, "192.0.2.80", None, "")
    assert found == [{"family": "ipv6", "source": "::1", "destination": "::1", "port": 22, "reason": ""}]


@pytest.mark.parametrize(
    ("port", "config", "expected"), [(None, "port 2222\n", 2222), (2200, "port 22\n", 2200), ("", "", 22)]
)
def test_the_port_is_ansibles_or_that_of_sshs_configuration(port, config, expected):
    assert management.logins(["ipv4"], {}, "127.0.0.1", port, config)[0]["port"] == expected


@pytest.mark.parametrize("setting", ["proxyjump admin@jump.example.com", "proxycommand nc %h %p"])
def test_behind_a_jump_host_nobody_knows_the_source(setting):
    found = management.logins(["ipv4"], {}, "127.0.0.1", 22, f"hostname 127.0.0.1\n{setting}\n")
    assert found[0]["source"] == ""
    assert "jump host" in found[0]["reason"]


def test_a_bound_address_is_the_source():
    found = management.logins(["ipv4"], {}, "127.0.0.1", 22, "proxycommand none\nbindaddress 127.0.0.9\n")
    assert found[0]["source"] == "127.0.0.9"


def test_no_route_is_no_login(monkeypatch):
    monkeypatch.setattr(management, "local_source", lambda *words: "")
    with pytest.raises(RolloutError, match="prove: ipv6: the controller has no route to 2001:db8::80"):
        management.logins(["ipv6"], {"ipv6": "2001:db8::80"}, "192.0.2.80", 22, "")
