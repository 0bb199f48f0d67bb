# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts behind the v4 proxy: what their daemons get, and the connections that prove them."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import master_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import ipv6_only

PROXIES = ["2001:0db8:53::64"]
MAIL = {
    "address": "2001:db8:25::25",
    "backend": "2001:db8:25::ff",
    "names": ["mail.example.com"],
    "ports": [
        {"port": 80, "mode": "http", "proxy_protocol": "v2"},
        {"port": 443, "proxy_protocol": "v1"},
        {"port": 465, "to": 10465, "proxy_protocol": "v2"},
        {"port": 587, "to": 10587, "proxy_protocol": "v2"},
        {"port": 993, "to": 10993, "proxy_protocol": "v2"},
        {"port": 995, "to": 10995, "proxy_protocol": "v2"},
        {"port": 8443, "to": 18443, "proxy_protocol": "v2"},
        {"port": 6697},
    ],
    "forward": 22001,
}
MASTER = """\
smtp       inet  n       -       y       -       -       smtpd
submission inet n - y - - smtpd -o syslog_name=postfix/submission -o smtpd_tls_wrappermode=yes
465 inet n - y - - smtpd -o {smtpd_tls_wrappermode = yes} -o smtpd_sasl_auth_enable=yes
10465 inet n - y - - smtpd -o smtpd_upstream_proxy_protocol=haproxy
pickup unix n - y 60 1 pickup
"""


def test_every_daemon_gets_its_part() -> None:
    found = ipv6_only.behind("mail1", MAIL, PROXIES)
    assert found["apache"] == {"address": "2001:db8:25::ff", "ports": [80, 443], "proxies": ["2001:db8:53::64"]}
    assert found["dovecot"] == {"ports": {"imaps": 10993, "pop3s": 10995}, "proxies": ["2001:db8:53::64"]}
    assert found["postfix"] == {"465": 10465, "587": 10587}
    assert found["others"] == [18443]
    ports = [22, 80, 443, 6697, 10465, 10587, 10993, 10995, 18443]
    assert [service["port"] for service in found["services"]] == ports
    assert all(service["sources"] == ["2001:db8:53::64"] for service in found["services"])


OFFERED = [
    {"name": "https", "port": 443, "protocol": "tcp", "sources": [], "daemon": "apache"},
    {"name": "smtp", "port": 25, "protocol": "tcp", "sources": [], "daemon": "postfix"},
    {"name": "ssh", "port": 22, "protocol": "tcp", "sources": ["2001:db8:a::/48"], "daemon": ""},
    {"name": "quic", "port": 443, "protocol": "udp", "sources": [], "daemon": ""},
]


@pytest.mark.parametrize(("aaaa", "https"), [("direct", []), ("proxy", ["2001:db8:53::64"])])
def test_who_is_let_in(aaaa: str, https: list[str]) -> None:
    host = {"address": "2001:db8::80", "names": ["www.example.com"], "ports": [443, 993], "forward": 22001}
    found = ipv6_only.behind("www1", host, PROXIES, OFFERED, aaaa)["services"]
    sources = [(service["name"], service["sources"]) for service in found]
    assert sources == [
        ("https", https),
        ("smtp", []),
        ("ssh", ["2001:db8:a::/48"]),
        ("quic", []),
        ("v4-proxy-993", ["2001:db8:53::64"]),
    ]


def test_the_gateway() -> None:
    hosts = {"mail1": MAIL}
    found = ipv6_only.gateway(OFFERED[1:2], hosts, ["2001:db8::/32"], "direct")
    assert [(service["name"], service["protocol"], service["sources"]) for service in found] == [
        ("smtp", "tcp", []),
        ("dns64", "udp", ["2001:db8::/32"]),
        ("dns64", "tcp", ["2001:db8::/32"]),
    ]
    assert ipv6_only.gateway(OFFERED[1:2], hosts, ["2001:db8::/32"], "direct", mail=True) == found
    assert ipv6_only.gateway([], hosts, [], "direct", mail=True)[-1]["name"] == "backup-mx"
    found = ipv6_only.gateway(OFFERED[:1], hosts, [], "proxy")
    assert [service["port"] for service in found if not service["sources"] and service["name"] != "dns64"] == [
        443,
        80,
        465,
        587,
        993,
        995,
        6697,
        8443,
    ]


def test_the_mail_domains() -> None:
    members = {
        "www1": {"address": "2001:db8::80", "names": [], "lab_names": [], "mail_domains": []},
        "mail1": {
            "address": "2001:db8::25",
            "names": ["mail.example.com"],
            "lab_names": ["ipv6.mail.example.com"],
            "mail_domains": ["example.com", "example.net"],
        },
    }
    found = ipv6_only.mail_domains(members, {"example.net": ["info@example.net"]})
    assert found == [
        {
            "name": "example.com",
            "primary": "2001:db8::25",
            "mx": "ipv6.mail.example.com",
            "recipients": "verify",
        },
        {
            "name": "example.net",
            "primary": "2001:db8::25",
            "mx": "ipv6.mail.example.com",
            "recipients": ["info@example.net"],
        },
    ]
    assert ipv6_only.mail_domains(members, {"Example.NET.": ["info@example.net"]}) == found
    for recipients, message in (
        (["info@example.net"], "is not a dictionary"),
        ({"example.net": None}, r"ipv6_only_recipients\.example\.net: .* is not a list of addresses"),
        ({"exmaple.net": ["info@exmaple.net"]}, "no host has exmaple.net in ipv6_mail_domains"),
        ({"example.net": ["a@example.net"], "EXAMPLE.net": ["b@example.net"]}, "is there twice"),
        ({7: ["info@example.net"]}, "ipv6_only_recipients"),
    ):
        with pytest.raises(RolloutError, match=message):
            ipv6_only.mail_domains(members, recipients)
    members["mail2"] = members["mail1"]
    with pytest.raises(RolloutError, match=r"example\.com is on mail1 and on mail2"):
        ipv6_only.mail_domains(members, {})


def test_without_the_proxy_protocol_nothing_is_needed() -> None:
    host = {"address": "2001:db8::80", "names": ["www.example.com"], "ports": [80, 443, 993]}
    assert ipv6_only.behind("www1", host, PROXIES) == {
        "apache": {},
        "dovecot": {},
        "postfix": {},
        "services": [
            {"name": f"v4-proxy-{port}", "port": port, "protocol": "tcp", "sources": ["2001:db8:53::64"], "daemon": ""}
            for port in (80, 443, 993)
        ],
        "others": [],
    }


def test_the_services_of_postfix_are_those_of_direct_clients() -> None:
    wanted = ipv6_only.postfix_services(MASTER, {"465": 10465, "587": 10587})
    assert wanted == {
        "10465/inet": (
            "10465 inet n - y - - smtpd -o {smtpd_tls_wrappermode = yes} -o smtpd_sasl_auth_enable=yes "
            "-o smtpd_upstream_proxy_protocol=haproxy"
        ),
        "10587/inet": (
            "10587 inet n - y - - smtpd -o syslog_name=postfix/submission -o smtpd_tls_wrappermode=yes "
            "-o smtpd_upstream_proxy_protocol=haproxy"
        ),
    }
    assert master_cf.clean_services(wanted) == wanted
    assert ipv6_only.postfix_services(MASTER + "\n".join(wanted.values()), {"465": 10465, "587": 10587}) == wanted
    assert ipv6_only.postfix_services("", {}) == {}


@pytest.mark.parametrize(
    ("master", "message"),
    [
        ("", "no service listens on port 465"),
        ("submissions inet n - y - - smtpd", "does not speak TLS from the first byte"),
        ("submissions unix n - y - - smtpd", "no service listens"),
    ],
)
def test_no_service_for_the_proxy(master: str, message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        ipv6_only.postfix_services(master, {"465": 10465})


@pytest.mark.parametrize(
    ("change", "proxies", "message"),
    [
        ({"backend": MAIL["address"]}, PROXIES, "on an address of its own"),
        ({"ports": [{"port": 443, "to": 10443, "proxy_protocol": "v2"}]}, PROXIES, "on an address of its own"),
        ({"ports": [{"port": 993, "proxy_protocol": "v2"}]}, PROXIES, "to: 10993"),
        ({}, [], "no proxy is named"),
        ({}, ["192.0.2.64"], "is IPv4"),
        ({}, None, "no proxy is named"),
    ],
)
def test_one_clear_message(change: dict[str, t.Any], proxies: t.Any, message: str) -> None:
    with pytest.raises(RolloutError, match=message):
        ipv6_only.behind("mail1", {**MAIL, **change}, proxies)


def test_every_name_and_port_is_proved() -> None:
    hosts = {"mail1": MAIL, "www1": {"address": "2001:db8::80", "names": ["*.example.net"], "ports": [80]}}
    checks = ipv6_only.proxy_checks(hosts, ["192.0.2.64"])
    assert len(checks) == len(MAIL["ports"]) + 1
    assert checks[0] == {"name": "mail.example.com", "address": "192.0.2.64", "port": 80, "mode": "http"}
    assert checks[1]["mode"] == "tls"
    assert checks[-1] == {"name": "proof.example.net", "address": "192.0.2.64", "port": 80, "mode": "http"}
    assert len(ipv6_only.proxy_checks(hosts, ["192.0.2.64", "2001:db8::64"])) == 2 * len(checks)
    assert ipv6_only.proxy_checks(hosts, iter(["192.0.2.64"])) == checks  # type: ignore[arg-type]
    for junk in (5, None, "192.0.2.64"):
        with pytest.raises(RolloutError, match=r"v4_proxy_public: .* is not a list"):
            ipv6_only.proxy_checks(hosts, junk)  # type: ignore[arg-type]
    direct = ipv6_only.proxy_checks(hosts, "direct")
    assert len(direct) == len(checks)
    assert {check["address"] for check in direct} == {"2001:db8:25::25", "2001:db8::80"}
