# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of IPv6-only hosting: what they pass on, and that an error names the filter."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.ipv6.rollout.plugins.filter import (
    backup_mx,
    ipv6_only_gateway,
    ipv6_only_host,
    v4_proxy_checks,
)

HOSTS = {
    "mail1": {
        "address": "2001:db8:25::25",
        "names": ["mail.example.com"],
        "ports": [{"port": 465, "to": 10465, "proxy_protocol": "v2"}],
    }
}
MASTER = "submissions inet n - y - - smtpd -o smtpd_tls_wrappermode=yes"
DOMAIN = {"name": "example.com", "primary": "mail.example.com", "recipients": "verify"}


def test_a_host() -> None:
    found = ipv6_only_host.ipv6_only_host(HOSTS, "mail1", ["2001:db8::64"])
    assert found["postfix"] == {"465": 10465}
    found = ipv6_only_host.ipv6_only_host(HOSTS, "mail1", ["2001:db8::64"], master=MASTER)
    assert list(found["postfix"]) == ["10465/inet"]
    with pytest.raises(AnsibleFilterError, match="'www1' is not behind the proxy"):
        ipv6_only_host.ipv6_only_host(HOSTS, "www1", ["2001:db8::64"])
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.ipv6_only_host: master\.cf"):
        ipv6_only_host.ipv6_only_host(HOSTS, "mail1", ["2001:db8::64"], master="")


def test_a_gateway() -> None:
    member = {
        "address": "2001:db8:25::25",
        "names": [],
        "lab_names": ["ipv6.example.com"],
        "mail_domains": ["example.com"],
    }
    found = ipv6_only_gateway.ipv6_only_gateway([], HOSTS, {"mail1": member}, ["2001:db8::/32"])
    assert [domain["name"] for domain in found["mail_domains"]] == ["example.com"]
    assert {service["name"] for service in found["services"]} == {"dns64", "backup-mx"}
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.ipv6_only_gateway: ipv6_only_recipients"):
        ipv6_only_gateway.ipv6_only_gateway([], HOSTS, {}, [], "everybody")
    for junk in ((5, HOSTS), ([], 5, {}, (), {}, "proxy"), ([], HOSTS, 5), ([], HOSTS, {"mail1": 5})):
        with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.ipv6_only_gateway: .* are not what"):
            ipv6_only_gateway.ipv6_only_gateway(*junk)


def test_checks() -> None:
    assert len(v4_proxy_checks.v4_proxy_checks(HOSTS, ["192.0.2.64"])) == 1
    with pytest.raises(AnsibleFilterError, match=r"ipv6\.rollout\.v4_proxy_checks: v4_proxy_public"):
        v4_proxy_checks.v4_proxy_checks(HOSTS, ["gw"])


def test_mail_exchangers() -> None:
    assert backup_mx.backup_mx([DOMAIN], "backup", hostname="gw.example.com")["records"]
    assert backup_mx.backup_mx(["2001:db8::64"], "primary")["tables"]
    for call in (
        lambda: backup_mx.backup_mx([DOMAIN], "backup", hostname="gw"),
        lambda: backup_mx.backup_mx([], "primary"),
        lambda: backup_mx.backup_mx([DOMAIN], "both"),
        lambda: backup_mx.backup_mx([DOMAIN], "backup", hostname="gw.example.com", options=[5]),
        lambda: backup_mx.backup_mx([DOMAIN], "backup", hostname="gw.example.com", options={"proxy_interfaces": 5}),
    ):
        with pytest.raises(AnsibleFilterError, match=r"^ipv6\.rollout\.backup_mx: "):
            call()
