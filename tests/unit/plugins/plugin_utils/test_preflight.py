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


def test_nothing_in_the_way_is_an_empty_text():
    dns = {"server": "192.0.2.53", "key_name": "k", "key_secret": "s"}
    site = preflight.site_findings(["lab1"], ["2001:db8::/64"], dns, ["www1"])
    assert preflight.verdict(site, {"www1": {"findings": []}}) == ""


def test_a_site_without_settings_is_told_all_of_them():
    assert len(preflight.site_findings([], [], {}, [])) == 4


def test_a_lab_machine_without_ipv6_proves_nothing():
    assert [one["code"] for one in preflight.lab_findings(GOOD, 1000.0)] == ["lab"]
