# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says of a host: services, names, identifiers."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import names, services

KNOWN = "ssh, smtp, submission, submissions, http, https, dns, imap, imaps, pop3s"


def service(name, port, protocol="tcp", sources=(), daemon=""):
    return {"name": name, "port": port, "protocol": protocol, "sources": list(sources), "daemon": daemon}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, []),
        ([], []),
        (["ssh"], [service("ssh", 22)]),
        (
            ["smtp", "submission", "submissions"],
            [
                service("smtp", 25, daemon="postfix"),
                service("submission", 587, daemon="postfix"),
                service("submissions", 465, daemon="postfix"),
            ],
        ),
        (["http", "https"], [service("http", 80, daemon="apache"), service("https", 443, daemon="apache")]),
        (["dns"], [service("dns", 53, "tcp", daemon="bind"), service("dns", 53, "udp", daemon="bind")]),
        (["imap", "imaps", "pop3s"], [service("imap", 143), service("imaps", 993), service("pop3s", 995)]),
        ([{"name": "metrics", "port": 9100}], [service("metrics", 9100)]),
        ([{"name": "metrics", "port": "9100", "protocol": "udp"}], [service("metrics", 9100, "udp")]),
        ([{"name": "http", "port": 8080}], [service("http", 8080, daemon="apache")]),
        (
            [{"name": "dns", "sources": ["2001:DB8::/32", "2001:db8::/32", "2001:db8:1::1"]}],
            [service("dns", 53, p, ["2001:db8::/32", "2001:db8:1::1/128"], "bind") for p in ("tcp", "udp")],
        ),
    ],
)
def test_services(value, wanted):
    assert services.services(value) == wanted


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("http", "ipv6_services: 'http' is not a list; write [...] around it"),
        (
            ["htpp"],
            f"ipv6_services: 'htpp' is not a service known by name ({KNOWN}); write {{name: ..., port: ..., "
            f"protocol: tcp}} for another one",
        ),
        (
            [80],
            "ipv6_services: 80 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put "
            "the value in quotes",
        ),
        ([{"name": "x"}], "ipv6_services: x: it has no port; write one between 1 and 65535"),
        ([{"name": "x", "port": 0}], "ipv6_services: x: port: 0 is not a port; write a number between 1 and 65535"),
        (
            [{"name": "x", "port": 65536}],
            "ipv6_services: x: port: 65536 is not a port; write a number between 1 and 65535",
        ),
        (
            [{"name": "x", "port": True}],
            "ipv6_services: x: port: True is not a port; write a number between 1 and 65535",
        ),
        (
            [{"name": "x", "port": "80; reboot"}],
            "ipv6_services: x: port: '80; reboot' is not a port; write a number between 1 and 65535",
        ),
        (
            [{"name": "x", "port": 1, "protocol": "sctp"}],
            "ipv6_services: x: protocol: 'sctp' is not known; write tcp or udp",
        ),
        (
            [{"name": "-x", "port": 1}],
            "ipv6_services: name: '-x' is no name for a service; small letters, digits, '-' and '_' make one, 32 at "
            "most",
        ),
        (
            [{"name": "x", "port": 1, "sources": ["192.0.2.0/24"]}],
            "ipv6_services: x: sources: '192.0.2.0/24' is IPv4; an IPv6 prefix such as 2001:db8::/48 belongs here",
        ),
        (
            [{"name": "x", "prot": 1}],
            "ipv6_services: 'prot' is not known here; a service has name, port, protocol, sources",
        ),
        (
            ["http", {"name": "web", "port": 80}],
            "ipv6_services: web and http are both on tcp port 80; keep one of them",
        ),
        (
            [{"name": "x", "port": 1}, {"name": "x", "port": 2}],
            "ipv6_services: 'x' is there twice, on the ports 1 and 2; give each a name of its own",
        ),
    ],
)
def test_service_refusals(value, message):
    with pytest.raises(RolloutError) as caught:
        services.services(value)
    assert str(caught.value) == message


VARIABLES = {
    "inventory_hostname": "www1",
    "ansible_host": "192.0.2.80",
    "ipv6_subnet": "ams/office",
    "ipv6_interface_id": "::80",
    "ipv6_names": ["WWW.example.com.", "bücher.example.com"],
    "ipv6_services": ["http", "smtp"],
    "ipv6_mail_domains": ["example.com"],
}


def test_host_spec():
    assert services.host_spec(VARIABLES) == {
        "subnet": "ams/office",
        "interface_id": "::80",
        "ipv4": "192.0.2.80",
        "service": "",
        "interface": "",
        "names": ["www.example.com", "xn--bcher-kva.example.com"],
        "lab_names": ["ipv6.www.example.com", "ipv6.xn--bcher-kva.example.com"],
        "services": [service("http", 80, daemon="apache"), service("smtp", 25, daemon="postfix")],
        "daemons": ["apache", "postfix"],
        "mail_domains": ["example.com"],
    }


def test_the_least_that_a_host_says():
    assert services.host_spec({"ipv6_subnet": "web"}, "a") == {
        "subnet": "web",
        "interface_id": "stable",
        "ipv4": None,
        "service": "",
        "interface": "",
        "names": [],
        "lab_names": [],
        "services": [],
        "daemons": [],
        "mail_domains": [],
    }


@pytest.mark.parametrize(
    ("variables", "name", "ipv4"),
    [
        ({"ansible_host": "192.0.2.1"}, "a", "192.0.2.1"),
        ({"ansible_host": "a.example.com"}, "a", None),
        ({}, "192.0.2.2", "192.0.2.2"),
        ({"ansible_host": "a.example.com", "ipv6_ipv4": "192.0.2.3"}, "a", "192.0.2.3"),
        ({"ansible_host": "2001:db8::1"}, "a", None),
    ],
)
def test_the_ipv4_address(variables, name, ipv4):
    assert services.host_spec({"ipv6_subnet": "web", **variables}, name)["ipv4"] == ipv4


HOSTILE = [
    "a.example.com\nb.example.com",
    "a.example.com; reboot",
    "$(reboot).example.com",
    "`x`.example.com",
    "a'b.example.com",
    'a"b.example.com',
    "{{ x }}.example.com",
    "-a.example.com",
    "a-.example.com",
    "a..example.com",
    ".example.com",
    "a_b.example.com",
    "*.example.com",
    "a.example.com/24",
    "localhost",
    "192.0.2.1",
    "2001:db8::1",
    "",
    "a" * 64 + ".example.com",
    "a." * 130 + "com",
    "a\0.example.com",
    "a.example.com ",
    " a.example.com",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("variable", ["ipv6_names", "ipv6_mail_domains"])
def test_hostile_names(name, variable):
    with pytest.raises(RolloutError) as caught:
        services.host_spec({**VARIABLES, variable: [name]})
    assert str(caught.value).startswith(f"{variable} of www1: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["-oProxyCommand=x", "a b", "a\nb", "{{ a }}", "a/b", "", "a'b", "a$b"])
def test_hostile_host_names(name):
    with pytest.raises(RolloutError) as caught:
        services.host_spec(VARIABLES, name)
    assert str(caught.value).startswith("inventory_hostname: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ipv6_subnet": None}, "ipv6_subnet of www1: nothing is given (null); write the value as text in quotes"),
        (
            {"ipv6_subnet": "a b"},
            "ipv6_subnet of www1: 'a b' is no subnet; write its path in ipv6_subnets, such as web",
        ),
        (
            {"ipv6_interface_id": 80},
            "ipv6_interface_id of www1: 80 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a "
            "number; put the value in quotes",
        ),
        (
            {"ipv6_interface_id": "nxt"},
            "ipv6_interface_id of www1: 'nxt' is neither an interface identifier such as '::80' nor one of "
            "ipv4_decimal, ipv4_hex, service, stable, next",
        ),
        (
            {"ipv6_interface_id": "ipv4_hex", "ansible_host": "x"},
            "ipv6_interface_id of www1: the policy ipv4_hex needs the host's IPv4 address; set ansible_host to it",
        ),
        (
            {"ipv6_names": "www.example.com"},
            "ipv6_names of www1: 'www.example.com' is not a list; write [...] around it",
        ),
        (
            {"ipv6_names": ["a.example.com", "A.example.com."]},
            "ipv6_names of www1: 'a.example.com' is there twice; keep one of them",
        ),
        (
            {"ipv6_names": ["www"]},
            "ipv6_names of www1: 'www' has no domain; write the full name, such as www.example.com",
        ),
        (
            {"ipv6_services": ["htpp"]},
            f"ipv6_services of www1: 'htpp' is not a service known by name ({KNOWN}); write {{name: ..., port: ..., "
            f"protocol: tcp}} for another one",
        ),
        ({"ipv6_interface": "eth0; x"}, "ipv6_interface of www1: 'eth0; x' is no name of an interface, such as eth0"),
        ({"ipv6_ipv4": "2001:db8::1"}, "ipv6_ipv4 of www1: '2001:db8::1' is IPv6; an IPv4 address belongs here"),
    ],
)
def test_host_spec_refusals(change, message):
    with pytest.raises(RolloutError) as caught:
        services.host_spec({**VARIABLES, **change})
    assert str(caught.value) == message


def test_host_specs_leaves_out_who_does_not_take_part():
    hostvars = {"www1": VARIABLES, "lab": {"ansible_host": "198.51.100.9"}}
    assert list(services.host_specs(["www1", "lab"], hostvars)) == ["www1"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("_dmarc.Example.com", "_dmarc.example.com."),
        ("*.example.com.", "*.example.com."),
        ("0/25.2.0.192.in-addr.arpa", "0/25.2.0.192.in-addr.arpa."),
        (".", "."),
    ],
)
def test_owner_names(text, name):
    assert names.owner_name(text, "x") == name
