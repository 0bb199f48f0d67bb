# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From where and to where the next login goes."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import management


def test_only_an_ipv6_login_is_described():
    assert management.logins(["ipv4"], {}, "192.0.2.80", 22, "hostname 192.0.2.80\n") == []
    assert management.logins([], {}, "alias", 22, "hostname 192.0.2.80\n") == []


def test_the_source_is_that_of_the_route():
    found = management.logins(["ipv6"], {"ipv6": "::1/128"}, "192.0.2.80", None, "")
    assert found == [{"family": "ipv6", "source": "::1", "destination": "::1", "port": 22}]


def test_the_host_that_ssh_makes_of_an_alias_counts():
    assert management.logins([], {}, "alias", None, "hostname ::1\nport 2222\n")[0]["destination"] == "::1"


@pytest.mark.parametrize(
    ("port", "config", "expected"), [(None, "port 2222\n", 2222), (2200, "port 22\n", 2200), ("", "", 22)]
)
def test_the_port_is_ansibles_or_that_of_sshs_configuration(port, config, expected):
    assert management.logins(["ipv6"], {}, "::1", port, config)[0]["port"] == expected


@pytest.mark.parametrize("setting", ["proxyjump admin@jump.example.com", "proxycommand nc %h %p"])
def test_behind_a_jump_host_nobody_knows_the_source(setting):
    found = management.logins([], {}, "2001:db8::80", 22, f"hostname 2001:db8::80\n{setting}\n")
    assert found[0]["source"] == ""
    assert "jump host" in found[0]["reason"]


@pytest.mark.parametrize(
    ("bound", "source"),
    [("2001:db8::9", "2001:db8::9"), ("192.0.2.9", "::1"), ("a.example.com", "::1"), ("none", "::1")],
)
def test_a_bound_address_of_the_family_is_the_source(bound, source):
    assert management.logins([], {}, "::1", 22, f"bindaddress {bound}\n")[0]["source"] == source


def test_a_link_local_address_keeps_its_zone_for_the_route(monkeypatch):
    asked = []
    monkeypatch.setattr(management, "local_source", lambda *words: asked.append(words) or "fe80::5")
    assert management.logins([], {}, "fe80::1%lo", 22, "")[0]["destination"] == "fe80::1"
    assert asked == [("fe80::1%lo", 22)]


def test_no_route_is_no_login(monkeypatch):
    monkeypatch.setattr(management, "local_source", lambda *words: "")
    with pytest.raises(RolloutError, match="prove: ipv6: the controller has no route to 2001:db8::80"):
        management.logins(["ipv6"], {"ipv6": "2001:db8::80"}, "192.0.2.80", 22, "")
