# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user may write about the v4 proxy, what is refused, and that nothing else gets into its files."""

from __future__ import annotations

import copy
import os
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils import v4_proxy_values as values
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
WWW = {"address": "2001:db8:1200::80", "names": ["www.example.com"], "ports": [80, 443], "forward": 22001}
MAIL = {"address": "2001:db8:1200:25::160", "names": ["mail.example.com"], "ports": [993, 465]}


def asked(hosts=None, **other):
    base = {"addresses": ["192.0.2.10"], "check": False, "maxconn": 4096, "idle": 2100, "forward_idle": 86400}
    return values.wish({**base, "hosts": {"www1": WWW, "mail1": MAIL} if hosts is None else hosts, **other})


def www(**change):
    return {"www1": {**WWW, **change}}


def test_all_that_is_asked_for_is_in_the_files():
    wish = asked(
        {
            "www1": {**WWW, "ports": [80, {"port": 443, "to": "8443", "proxy_protocol": "v2"}]},
            "mail1": {**MAIL, "backend": "2001:DB8:1200:25::0:161"},
        },
        addresses=["192.0.2.10", "2001:db8:1200::10"],
        check=True,
    )
    assert wish.ports() == [80, 443, 465, 993, 22001]
    assert texts.entries(wish) == {
        "443/www.example.com": "v2/www1",
        "465/mail.example.com": "none/mail1",
        "80/www.example.com": "none/www1",
        "993/mail.example.com": "none/mail1",
    }
    lines = texts.config(wish).splitlines()
    for line in (
        "frontend http-80 from http",
        "    bind ipv4@192.0.2.10:80 proto h1",
        "    bind ipv6@[2001:db8:1200::10]:80 v6only proto h1",
        "    bind ipv6@[2001:db8:1200::10]:443 v6only",
        "    server www1 [2001:db8:1200::80]:80 weight 0 check inter 10s fastinter 1s",
        "backend tls-443-v2 from tls",
        "    server www1 [2001:db8:1200::80]:8443 weight 0 send-proxy-v2 check inter 10s fastinter 1s check-send-proxy",
        "    server mail1 [2001:db8:1200:25::161]:993 weight 0 check inter 10s fastinter 1s",
        "listen forward-www1 from forward",
        "    server www1 [2001:db8:1200::80]:22 check inter 10s fastinter 1s",
    ):
        assert line in lines


def test_every_server_has_an_address_that_was_named_and_gets_nothing_by_chance():
    text = texts.config(asked())
    servers = re.findall(r"(?m)^    server (\S+) \[(\S+)\]:(\d+)(.*)$", text)
    assert len(servers) == text.count("    server ") == 5
    for name, address, port, rest in servers:
        assert address == {"www1": WWW, "mail1": MAIL}[name]["address"]
        assert "weight 0" in rest or port == "22"
    assert "set-dst" not in text
    assert "redispatch" not in text
    assert "stats enable" not in text
    assert "stats uri" not in text


def test_the_order_of_the_inventory_does_not_matter():
    one = asked({"www1": WWW, "mail1": MAIL})
    assert one == asked({"mail1": MAIL, "www1": WWW})
    assert texts.config(one) == texts.config(asked())


def test_another_name_changes_the_map_only():
    one, two = asked(www()), asked(www(names=["www.example.com", "*.example.net"]))
    assert texts.config(one) == texts.config(two)
    assert texts.entries(two).keys() - texts.entries(one).keys() == {"80/*.example.net", "443/*.example.net"}


def test_a_running_proxy_tells_its_configuration_apart():
    one, two = texts.config(asked(www())), texts.config(asked(www(), idle=60))
    assert texts.description(one) != texts.description(two)
    assert re.fullmatch(r"v4-proxy-[0-9a-f]{16}", texts.description(one))


def test_the_map_is_read_as_it_was_written():
    found = texts.entries(asked())
    assert texts.read_map(texts.map_text(found)) == found


def test_what_is_given_is_not_changed():
    given_hosts = {"www1": {**WWW, "names": ["WWW.Example.COM."]}, "mail1": MAIL}
    before = copy.deepcopy(given_hosts)
    wish = asked(given_hosts)
    assert wish.hosts[1].names == ("www.example.com",)
    assert given_hosts == before


@pytest.mark.parametrize(
    ("hosts", "other", "message"),
    [
        ([], {}, "hosts: [] is no dictionary"),
        ({}, {}, "hosts: nobody is behind the proxy"),
        (www(names=[], forward=0), {}, "hosts: nobody is behind the proxy"),
        ({"www 1": WWW}, {}, "hosts: 'www 1' is no name of a host"),
        ({"www1\n": WWW}, {}, "hosts: 'www1\\n' is no name of a host"),
        ({7: WWW}, {}, "hosts: 7 is no name of a host"),
        ({"www1": None}, {}, "hosts: www1: None is no dictionary"),
        ({"www1": ["x"]}, {}, "hosts: www1: ['x'] is no dictionary"),
        (www(adress="x"), {}, "hosts: www1: 'adress' is not known here; the keys are address, backend, names"),
        (www(address=None), {}, "hosts: www1: address: None is no IPv6 address"),
        (www(address="192.0.2.1"), {}, "hosts: www1: address: '192.0.2.1' is no IPv6 address"),
        (www(address="fe80::1%eth0"), {}, "is no IPv6 address"),
        (www(address="fe80::1"), {}, "'fe80::1' is not global or unique local unicast"),
        (www(address="::1"), {}, "'::1' is not global or unique local unicast"),
        (www(address="::ffff:192.0.2.1"), {}, "is not global or unique local unicast"),
        (www(address="64:ff9b::192.0.2.1"), {}, "is not global or unique local unicast"),
        (www(backend="ff02::1"), {}, "hosts: www1: backend: 'ff02::1' is not global or unique local unicast"),
        (www(names="www.example.com"), {}, "hosts: www1: names: 'www.example.com' is no list"),
        (www(names=[None]), {}, "hosts: www1: names: None is no name"),
        (www(names=["www"]), {}, "hosts: www1: names: 'www' is no full name"),
        (www(names=["*"]), {}, "'*' is no full name"),
        (www(names=["*.com"]), {}, "'*.com' is no full name"),
        (www(names=["www.*.example.com"]), {}, "is no full name"),
        (www(names=["192.0.2.1"]), {}, "'192.0.2.1' ends in a number"),
        (www(names=["a.example.com none/x"]), {}, "is no full name"),
        (www(names=["a.example.com\nb"]), {}, "is no full name"),
        (www(names=["bücher.example"]), {}, "is no name; write one in ASCII"),
        (www(names=["a" * 250 + ".com"]), {}, "is no full name"),
        (www(ports=443), {}, "hosts: www1: ports: 443 is no list"),
        (www(ports=[True]), {}, "hosts: www1: ports: port: True is no whole number"),
        (www(ports=[0]), {}, "0 is not between 1 and 65535"),
        (www(ports=["99999999999"]), {}, "is no whole number"),
        (www(ports=[443, "443"]), {}, "hosts: www1: ports: 443 is there twice"),
        (
            www(ports=[443, {"port": 444, "to": 443, "proxy_protocol": "v2"}]),
            {},
            "hosts: www1: ports: 443 is asked with the PROXY header and without it",
        ),
        (www(ports=[{"port": 443, "mode": "tcp"}]), {}, "mode: 'tcp' is not one of http, tls"),
        (www(ports=[{"port": 443, "proxy_protocol": "v3"}]), {}, "'v3' is not one of none, v1, v2"),
        (www(ports=[{"port": 443, "proxy_protocol": []}]), {}, "[] is not one of none, v1, v2"),
        (www(ports=[{"port": 443, "via": 1}]), {}, "'via' is not known here"),
        (www(forward="ssh"), {}, "hosts: www1: forward: 'ssh' is no whole number"),
        (www(forward=443), {}, "hosts: www1: forward: port 443 is a port shared by name of www1 already"),
        (
            {"www1": WWW, "www2": {**MAIL, "forward": 22001}},
            {},
            "hosts: www2: forward: port 22001 is the forward of www1 already",
        ),
        (
            {"www1": WWW, "www2": {**MAIL, "names": ["www.example.com"], "ports": [80]}},
            {},
            "hosts: www2: www.example.com on port 80 leads to www1 already",
        ),
        (
            {"www1": WWW, "www2": {**MAIL, "ports": [{"port": 80, "mode": "tls"}]}},
            {},
            "hosts: www2: port 80 is tls, and http for www1",
        ),
        (None, {"addresses": []}, "addresses: there is none"),
        (None, {"addresses": "192.0.2.10"}, "addresses: '192.0.2.10' is no list"),
        (None, {"addresses": ["*"]}, "addresses: '*' is no address"),
        (None, {"addresses": [None]}, "addresses: None is no address"),
        (None, {"addresses": ["fe80::1"]}, "is no address to listen on"),
        (None, {"addresses": ["::ffff:192.0.2.1"]}, "is no address to listen on"),
        (None, {"addresses": ["0.0.0.0", "192.0.2.10"]}, "'192.0.2.10' is covered by 0.0.0.0"),
        (None, {"maxconn": 1}, "maxconn: 1 is not between 10 and 1000000"),
        (None, {"idle": 0}, "idle: 0 is not between 10"),
    ],
)
def test_what_is_refused(hosts, other, message):
    with pytest.raises(RolloutError) as error:
        asked(hosts, **other)
    assert message in str(error.value)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(["80\nglobal", "$x", '"', "#"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
LINES = re.compile(
    r"    server [A-Za-z0-9_.:-]+ \[[0-9a-f:]+\]:\d+( weight 0)?( send-proxy(-v2)?)?"
    r"|backend (http|tls)-\d+-(none|v1|v2) from (http|tls)|frontend (http|tls)-\d+ from (http|tls)"
    r"|listen forward-[A-Za-z0-9_.:-]+ from forward"
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8) | st.just("www1"),
        st.fixed_dictionaries(
            {"address": st.just("2001:db8::80") | ANY},
            optional={
                "names": st.lists(st.just("www.example.com") | st.text(max_size=20), max_size=3) | ANY,
                "ports": st.lists(st.sampled_from([80, 443]) | ANY, max_size=3) | ANY,
                "forward": st.integers(22000, 22010) | ANY,
                "backend": ANY,
            },
        )
        | ANY,
        max_size=3,
    )
    | ANY
)
def test_whatever_is_written_is_refused_or_is_one_line(hosts):
    before = copy.deepcopy(hosts)
    try:
        wish = asked(hosts)
    except RolloutError as error:
        assert "\n" not in str(error)
        return
    finally:
        assert hosts == before
    fixed = set(texts.config(asked()).splitlines())
    for line in texts.config(wish).splitlines():
        known = line in fixed or re.sub(r"\d+", "443", line) in {re.sub(r"\d+", "443", text) for text in fixed}
        assert known or LINES.fullmatch(line) or line.startswith("    description v4-proxy-")
    for key, value in texts.entries(wish).items():
        assert re.fullmatch(r"\d+/(\*\.)?[a-z0-9._-]+", key)
        assert re.fullmatch(r"(none|v1|v2)/[A-Za-z0-9_.:-]+", value)
