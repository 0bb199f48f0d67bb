# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listen directives as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import listens
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

FILE = "/etc/apache2/ports.conf"
DEBIAN = """\
# If you just change the port
Listen 0.0.0.0:80

<IfModule ssl_module>
\tListen 0.0.0.0:443 https
</IfModule>

<IfModule mod_gnutls.c>
\tListen 443
</IfModule>
Listen 127.0.0.1:8081
"""
SSL = frozenset(["ssl_module", "core_module"])


@pytest.mark.parametrize(
    ("spec", "target"),
    [
        ("\u00b2", ("\u00b2", 0)),
        ("80", ("", 80)),
        ("*:80", ("", 80)),
        ("[::]:80", ("::", 80)),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[2001:DB8::1]:80", ("2001:db8::1", 80)),
        ("::1:80", ("::1", 80)),
        ('"80"', ("", 80)),
        ("${PORT}", ("${PORT}", 0)),
        ("localhost:80", ("localhost:80", 0)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_targets(spec, target):
    assert listens.target(spec) == target


def test_parse():
    found = listens.parse(DEBIAN, FILE)
    assert [(entry.address, entry.port, entry.tail, entry.blocks) for entry in found] == [
        ("0.0.0.0", 80, "", ()),
        ("0.0.0.0", 443, "https", ("ifmodule ssl_module",)),
        ("", 443, "", ("ifmodule mod_gnutls.c",)),
        ("127.0.0.1", 8081, "", ()),
    ]
    assert found[1].place == f"{FILE} line 5"


def test_parse_odd_lines():
    text = "#Listen 1\n  listen\t\\\n 80\r\nListenBacklog 5\nLISTEN 81 http # x\n"
    assert [(entry.first, entry.last, entry.port) for entry in listens.parse(text, FILE)] == [(1, 2, 80), (4, 4, 81)]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([""], {("::", 80)}),
        (["::"], {("::", 80)}),
        (["0.0.0.0"], {("0.0.0.0", 80)}),
        (["0.0.0.0", "::"], {("::", 80)}),
        (["", "0.0.0.0"], {("::", 80)}),
        (["192.0.2.1", "2001:db8::1"], {("192.0.2.1", 80), ("2001:db8::1", 80)}),
        (["0.0.0.0", "2001:db8::1"], {("0.0.0.0", 80), ("2001:db8::1", 80)}),
        ([], set()),
        (["", "::"], None),
        (["", ""], None),
        (["", "2001:db8::1"], None),
        (["", "192.0.2.1"], None),
        (["::", "127.0.0.1"], None),
        (["0.0.0.0", "192.0.2.1"], None),
        (["0.0.0.0", "0.0.0.0"], None),
    ],
)
def test_sockets_as_measured(hosts, expected):
    if expected is None:
        with pytest.raises(RolloutError):
            listens.sockets(hosts, 80)
    else:
        assert listens.sockets(hosts, 80) == expected


def test_sockets_without_ipv6_in_the_kernel():
    assert listens.sockets([""], 80, kernel=False) == {("0.0.0.0", 80)}


@pytest.mark.parametrize(
    ("blocks", "state"),
    [
        ([], True),
        (["ifmodule ssl_module"], True),
        (["ifmodule mod_ssl.c"], True),
        (["ifmodule !mod_ssl.c"], False),
        (["ifmodule mod_gnutls.c"], False),
        (["ifmodule ssl_module", "ifdefine X"], None),
        (["ifdefine X", "ifmodule mod_gnutls.c"], False),
    ],
)
def test_active(blocks, state):
    assert listens.active(blocks, SSL) is state


def edited(mode="mapped", addresses=(), text=DEBIAN, **more):
    return listens.edit(text, FILE, listens.wanted(mode, listens.addresses(addresses)), **more)


def test_mapped():
    made = edited()
    assert made.text == DEBIAN.replace("0.0.0.0:80\n", "80\n").replace("0.0.0.0:443 https", "443 https")
    assert made.ports == [80, 443]
    assert len(made.left) == 1
    assert "127.0.0.1:8081" in made.left[0]
    assert listens.expected(listens.parse(made.text, FILE), SSL) == {
        80: {("::", 80)},
        443: {("::", 443)},
        8081: {("127.0.0.1", 8081)},
    }


def test_separate_keeps_blocks_and_protocols():
    made = edited("separate", ["192.0.2.1", "2001:db8::1"])
    assert "\nListen 192.0.2.1:80\nListen [2001:db8::1]:80\n" in made.text
    assert "\tListen 192.0.2.1:443 https\n\tListen [2001:db8::1]:443 https\n" in made.text
    assert edited(text=made.text, former=["192.0.2.1", "2001:db8::1"]).text == edited().text
    assert edited(text=made.text, former=["192.0.2.2"]).ports == []


@pytest.mark.parametrize(
    "text",
    ["Listen 80\n", "Listen [::]:80\n", "Listen 0.0.0.0:80\nListen [::]:80\n", "Listen *:80 http", "Listen \\\n 80\n"],
)
def test_mapped_already(text):
    assert edited(text=text).text == text


def test_ports_that_are_named():
    assert edited(ports=[8081]).text == DEBIAN.replace("127.0.0.1:8081", "8081")
    assert edited(ports=[8082]).text == DEBIAN + "Listen 8082\n"
    other = listens.parse("Listen 8082\n", "/etc/apache2/sites-enabled/x.conf")
    with pytest.raises(RolloutError, match=r"8082 is listened on in .*x\.conf line 1"):
        edited(ports=[8082], elsewhere=other)


def test_line_ends_stay():
    assert edited(text="Listen 0.0.0.0:80\r\n# x\r\n").text == "Listen 80\r\n# x\r\n"


@pytest.mark.parametrize(
    ("mode", "addresses", "why"),
    [
        ("mapped", ["192.0.2.1"], "listens on every address"),
        ("separate", ["192.0.2.1"], "at least one address of each family"),
        ("ipv6only", [], "needs IPv6 addresses"),
        ("ipv6only", ["192.0.2.1", "2001:db8::1"], "needs IPv6 addresses"),
        ("ipv4", ["2001:db8::1"], "takes no"),
        ("separate", [80], "is not text"),
        ("separate", ["www"], "is no address"),
        ("separate", ["fe80::1%eth0"], "no address of one host"),
        ("separate", ["::ffff:192.0.2.1"], "no address of one host"),
        ("separate", ["::"], "no address of one host"),
        ("separate", ["ff02::1"], "no address of one host"),
    ],
)
def test_refuses(mode, addresses, why):
    with pytest.raises(RolloutError, match=why):
        listens.wanted(mode, listens.addresses(addresses))


def test_conflict_over_files():
    found = listens.parse("Listen 80\n", FILE) + listens.parse("Listen [2001:db8::1]:80\n", "x.conf")
    with pytest.raises(RolloutError, match="does not start"):
        listens.expected(found, SSL)


def test_what_only_apache_knows_is_left_out():
    found = listens.parse("<IfDefine X>\nListen 80\n</IfDefine>\nListen 80\nListen 81\n", FILE)
    assert listens.expected(found, SSL) == {81: {("::", 81)}}


@pytest.mark.parametrize(
    ("found", "different"),
    [({("::", 80), ("::", 9)}, False), ({("0.0.0.0", 80)}, True), (set(), True), ({("::", 80), ("::1", 80)}, True)],
)
def test_drift(found, different):
    assert listens.differs({80: {("::", 80)}}, found) is different


@pytest.mark.parametrize(
    ("ends", "host", "heard"),
    [
        ({("::", 80)}, "192.0.2.1", True),
        ({("::", 80)}, "2001:db8::1", True),
        ({("0.0.0.0", 80)}, "192.0.2.1", True),
        ({("0.0.0.0", 80)}, "2001:db8::1", False),
        ({("192.0.2.1", 80)}, "192.0.2.1", True),
        ({("192.0.2.1", 80)}, "192.0.2.2", False),
        ({("192.0.2.1", 80)}, "", True),
        ({("::", 81)}, "192.0.2.1", False),
        (set(), "", False),
    ],
)
def test_who_is_heard(ends, host, heard):
    assert listens.hears(ends, host, 80) is heard


LINE = st.sampled_from(
    ["Listen 80", "Listen 0.0.0.0:80", "Listen [::]:80", "\tListen 0.0.0.0:443 https", "Listen 192.0.2.1:80"]
    + ["<IfModule ssl_module>", "</IfModule>", "# Listen 80", "", "User x", "Listen ${P}", "Listen 127.0.0.1:81"]
)


@given(st.lists(LINE), st.sampled_from(["mapped", "ipv4"]))
def test_editing_twice_is_editing_once_and_touches_listen_lines_only(lines, mode):
    text = "\n".join(lines)
    once = edited(mode, text=text)
    assert edited(mode, text=once.text, former=["" if mode == "mapped" else "0.0.0.0"]).text == once.text
    assert [line for line in once.text.split("\n") if "isten" not in line] == [
        line for line in lines if "isten" not in line
    ] or text == ""
