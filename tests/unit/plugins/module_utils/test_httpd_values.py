# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of Apache, checked, and the drop-in."""

from __future__ import annotations

import ipaddress

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import httpd_values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

SITE = {"names": ["www.example.com"], "addresses": [], "port": 80, "document_root": "/srv/www", "log": ""}
PROXY = {"address": "2001:db8::8080", "ports": [], "proxies": ["2001:db8:53::/64"], "exceptions": []}


def asked(**given):
    base = {"mode": "mapped", "ports": [], "addresses": [], "ipv6_of": {}, "virtual_hosts": [], "proxy_protocol": None}
    return httpd_values.wish({**base, **given})


def test_no_drop_in():
    assert httpd_values.drop_in(asked(), ()) == ""


def test_a_virtual_host():
    site = {**SITE, "names": ["WWW.example.com", "example.com", "*.example.org"], "log": "/var/log/apache2/www.log"}
    site["addresses"] = ["192.0.2.80", "2001:DB8::80"]
    assert (
        httpd_values.drop_in(asked(virtual_hosts=[site]), ())
        == httpd_values.HEADER
        + """
<VirtualHost 192.0.2.80:80 [2001:db8::80]:80>
    ServerName www.example.com
    ServerAlias example.com *.example.org
    DocumentRoot "/srv/www"
    <Directory "/srv/www">
        Require all granted
    </Directory>
    CustomLog "/var/log/apache2/www.log" combined
</VirtualHost>
"""
    )


def test_the_proxy_protocol():
    text = httpd_values.drop_in(asked(proxy_protocol={**PROXY, "exceptions": ["2001:db8:7::7"]}), (80, 443))
    assert "<VirtualHost [2001:db8::8080]:80 [2001:db8::8080]:443>" in text
    assert "\nRemoteIPProxyProtocolExceptions 2001:db8:7::7/128 " in text
    assert 'SetEnvIf Server_Addr "^2001:db8::8080$" ' in text
    assert "-ipmatch '2001:db8:53::/64' || " in text
    site = httpd_values.drop_in(asked(proxy_protocol=PROXY, virtual_hosts=[SITE, {**SITE, "port": 81}]), (80,))
    assert "<VirtualHost *:80 [2001:db8::8080]:80>\n    ServerName www.example.com" in site
    assert "<VirtualHost *:81>\n" in site
    assert "Exceptions" not in httpd_values.drop_in(asked(proxy_protocol=PROXY), (80,), alone=False)


@pytest.mark.parametrize(
    "proxies",
    [["2001:db8:53::/64"], ["2001:db8:53::7"], ["2001:db8:53::/64", "2001:db8::/32", "2001:db8:53::1", "8000::/1"]],
)
def test_the_header_is_read_from_the_proxies_and_from_nobody_else(proxies):
    text = httpd_values.drop_in(asked(proxy_protocol={**PROXY, "proxies": proxies}), (80,))
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("RemoteIPProxyProtocolExceptions ")]
    bare = [ipaddress.ip_network(word) for line in lines for word in line]
    trusted = [ipaddress.ip_network(word) for word in proxies]
    assert not any(prefix.overlaps(proxy) for prefix in bare for proxy in trusted)
    together = list(ipaddress.collapse_addresses([*bare, *trusted]))
    assert together == [ipaddress.ip_network("::/0")]


def test_separate_sockets_listen_for_the_proxy_too():
    assert asked(mode="ipv6only", addresses=["2001:db8::80"], proxy_protocol=PROXY).hosts == (
        "2001:db8::80",
        "2001:db8::8080",
    )
    assert asked(proxy_protocol=PROXY).hosts == ("",)


def test_ipv4_carries_nothing_over():
    assert asked(mode="ipv4", ipv6_of={"192.0.2.1": "2001:db8::1"}).ipv6_of == {}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"ports": [0]}, "ports: 0 is no port"),
        ({"ports": [True]}, "ports: True is no port"),
        ({"virtual_hosts": [{**SITE, "names": []}]}, "entry 1: names is empty"),
        ({"virtual_hosts": [{**SITE, "names": ["a b"]}]}, "is no host name"),
        ({"virtual_hosts": [{**SITE, "names": ["a\nb"]}]}, "is no host name"),
        ({"virtual_hosts": [{**SITE, "names": [None]}]}, "is no host name"),
        ({"virtual_hosts": [SITE, {**SITE, "addresses": ["x"]}]}, "entry 2: addresses: 'x' is no address"),
        ({"virtual_hosts": [{**SITE, "port": 65536}]}, "entry 1: port: 65536 is no port"),
        ({"virtual_hosts": [{**SITE, "document_root": ""}]}, "is no folder of its own"),
        ({"virtual_hosts": [{**SITE, "document_root": "//"}]}, "is no folder of its own"),
        ({"virtual_hosts": [{**SITE, "document_root": "/."}]}, "is no folder of its own"),
        ({"virtual_hosts": [{**SITE, "document_root": "/srv/.."}]}, "is no folder of its own"),
        ({"virtual_hosts": [{**SITE, "document_root": "/srv/*"}]}, "is no path"),
        ({"virtual_hosts": [{**SITE, "document_root": "/srv/[a-z]"}]}, "is no path"),
        ({"virtual_hosts": [{**SITE, "document_root": "srv"}]}, "is no path"),
        ({"virtual_hosts": [{**SITE, "document_root": '/srv"x'}]}, "is no path"),
        ({"virtual_hosts": [{**SITE, "document_root": "/srv\nx"}]}, "is no path"),
        ({"virtual_hosts": [{**SITE, "log": "|/bin/sh"}]}, "log: .* is no path"),
        ({"virtual_hosts": [{**SITE, "log": "/var/${X}"}]}, "log: .* is no path"),
        ({"virtual_hosts": [{**SITE, "addresses": ["2001:db8::8080"]}], "proxy_protocol": PROXY}, "address of its own"),
        ({"proxy_protocol": PROXY, "mode": "ipv4"}, "mode 'ipv4' does not listen on"),
        ({"proxy_protocol": PROXY, "ipv6_of": {"192.0.2.1": "2001:db8::8080"}}, "stands for an IPv4 address"),
        ({"proxy_protocol": {**PROXY, "address": "192.0.2.1"}}, "is no IPv6 address"),
        ({"proxy_protocol": {**PROXY, "address": "::"}}, "no address of one host"),
        ({"proxy_protocol": {**PROXY, "address": "www"}}, "is no address"),
        ({"proxy_protocol": {**PROXY, "proxies": []}}, "proxies is empty"),
        ({"proxy_protocol": {**PROXY, "proxies": ["::/0"]}}, "is no IPv6 address or prefix"),
        ({"proxy_protocol": {**PROXY, "proxies": ["192.0.2.1"]}}, "is no IPv6 address or prefix"),
        ({"proxy_protocol": {**PROXY, "proxies": ["[2001:db8::1]"]}}, "is no IPv6 address or prefix"),
        ({"proxy_protocol": {**PROXY, "exceptions": ["::ffff:192.0.2.1"]}}, "exceptions: .* does not take"),
        ({"proxy_protocol": {**PROXY, "exceptions": ["fe80::1%eth0"]}}, "exceptions: .* does not take"),
        ({"proxy_protocol": {**PROXY, "ports": [99999]}}, "is no port"),
    ],
)
def test_refused(given, why):
    with pytest.raises(RolloutError, match=why):
        asked(**given)
