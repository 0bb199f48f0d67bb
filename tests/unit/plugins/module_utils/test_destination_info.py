# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host tells about the way to a name. What it tells on real kernels is tested in test_destination_glibc.py."""

from __future__ import annotations

import json
import socket

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, destination_info, gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import MAPPED, TABLES, find


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "'www.example.com' has no address: the host's name service does not"),
        (
            socket.gaierror(socket.EAI_AGAIN, "x"),
            "'www.example.com' can't be looked up now: no name server of the host",
        ),
        (socket.gaierror(socket.EAI_FAIL, "in words"), "'www.example.com' can't be looked up: in words"),
        (UnicodeError("label too long"), "'www.example.com' can't be looked up: label too long"),
        (None, "'www.example.com' can't be looked up: getaddrinfo() crashes on this host (signal 11): /etc/gai.conf l"),
        ("hangs", "'www.example.com' can't be looked up: the resolver of the host gave no answer in 2 s"),
    ],
)
def test_a_name_that_has_no_address_gives_a_sentence(monkeypatch, error, message):
    """Another process asks, which a line of gai.conf may crash."""
    if error is None:
        does = "os.kill(os.getpid(), 11)"
    elif error == "hangs":
        does = "signal.pause()"
        monkeypatch.setattr(destination_info, "TIMEOUT", 2)
    else:
        kind = "UnicodeError" if isinstance(error, UnicodeError) else "socket.gaierror"
        does = f"raise {kind}(*{error.args})"
    instead = f"import os, signal, socket\ndef instead(*given, **named):\n    {does}\nsocket.getaddrinfo = instead\n"
    monkeypatch.setattr(destination_info, "ASK", instead + destination_info.ASK)
    suspects = destination_info.crashes(b"reload no\nscopev4 203.0.113.0 5\n")
    order, problem = destination_info.resolve("www.example.com", 80, suspects)
    assert order == []
    assert problem.startswith(message)


def test_an_address_is_asked_for_as_it_is():
    order, problem = destination_info.resolve("127.0.0.1", 80)
    assert (order, problem) == ([{"address": "127.0.0.1", "source": "127.0.0.1", "why": ""}], "")
    assert destination_info.is_literal("127.0.0.1")
    assert destination_info.is_literal("2001:db8::1")
    assert not destination_info.is_literal("www.example.com")
    assert not destination_info.is_literal("a" * 70 + ".example")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (("fe80::1", 80, 0, 1), "fe80::1%lo"),
        (("fe80::1", 80, 0, 9999), "fe80::1%9999"),
        (("fe80::1", 80, 0, 0), "fe80::1"),
        (("ff02::1", 80, 0, 1), "ff02::1%lo"),
        (("2001:db8::1", 80, 0, 1), "2001:db8::1"),
        (("ff0e::1", 80, 0, 9999), "ff0e::1"),
    ],
)
def test_a_zone_stands_where_it_means_something(monkeypatch, target, text):
    def connect(_self, _target):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", connect, raising=False)
    assert destination_info._destination(socket.AF_INET6, target)["address"] == text


def test_a_destination_without_a_way_has_the_words_of_the_kernel(monkeypatch):
    def connect(_self, _target):
        raise OSError(101, "Network is unreachable")

    class Socket(socket.socket):
        """A socket that reaches nothing."""

    Socket.connect = connect
    monkeypatch.setattr(socket, "socket", Socket)
    order, _problem = destination_info.resolve("127.0.0.1", 80)
    assert order == [{"address": "127.0.0.1", "source": None, "why": "Network is unreachable"}]


@pytest.mark.parametrize(
    ("name", "port", "message"), [("", 80, "name: ''"), (" ", 80, "name"), ("a", 0, "port: 0 is"), ("a", 65536, "port")]
)
def test_bad_questions_are_named(name, port, message):
    with pytest.raises(RolloutError, match=message):
        destination_info.look(name, port)


LINKS = [
    {
        "ifname": "eth0",
        "link_type": "ether",
        "addr_info": [
            {"family": "inet", "local": "192.0.2.7", "prefixlen": 24, "scope": "global"},
            {"family": "inet", "local": "192.0.2.8", "prefixlen": 24, "secondary": True},
            {"family": "inet6", "local": "2001:db8::7", "prefixlen": 64, "deprecated": True},
            {"family": "inet6", "local": "2001:db8::8", "prefixlen": 64, "temporary": True},
            {"family": "inet6", "local": "2001:db8::9", "prefixlen": 64, "optimistic": True, "tentative": True},
            {},
        ],
    },
    {
        "ifname": "he",
        "link_type": "sit",
        "addr_info": [
            {"family": "inet6", "local": "2001:db8:1::1", "address": "2001:db8:1::2", "prefixlen": 128, "home": True}
        ],
    },
    {"ifname": "down"},
]


def test_the_flags_of_the_addresses(monkeypatch):
    monkeypatch.setattr(commands, "check", lambda argv: json.dumps(LINKS))
    flags = ("deprecated", "temporary", "home", "tentative", "tunnel")
    assert [
        (one["address"], one["length"], one["interface"], one["peer"], [flag for flag in flags if one[flag]])
        for one in destination_info.sources()
    ] == [
        ("192.0.2.7", 24, "eth0", None, []),
        ("192.0.2.8", 24, "eth0", None, []),
        ("2001:db8::7", 64, "eth0", None, ["deprecated"]),
        ("2001:db8::8", 64, "eth0", None, ["temporary"]),
        ("2001:db8::9", 64, "eth0", None, ["deprecated", "tentative"]),
        ("2001:db8:1::1", 128, "he", "2001:db8:1::2", ["home", "tunnel"]),
    ]


def rows(content):
    """The table that glibc has, as ``{prefix: (precedence, label)}``."""
    return {row["prefix"]: (row["precedence"], row["label"]) for row in destination_info.gai(content)["rows"]}


def test_without_lines_it_is_the_table_of_glibc():
    found = destination_info.gai(b"# a comment\n")
    assert {row["prefix"]: row for row in found.pop("rows")} == {row.prefix: row._asdict() for row in TABLES["glibc"]}
    assert found == {"scopes": [], "replaced": [], "reload": False, "remarks": []}


def test_one_line_replaces_all_precedences_and_no_label():
    assert rows(b"precedence ::ffff:0:0/96 100\n") == {
        **{row.prefix: (40, row.label) for row in TABLES["glibc"]},
        "::ffff:0:0/96": (100, 4),
    }


def test_two_tables_become_one():
    """Whatever stands in one of them alone: each address has the same precedence and label as in the two."""
    text = b"precedence 2001:db8::/32 7\nlabel 2001:db8:1::/48 8\nlabel 2000::/3 9\nprecedence ::ffff:0:0/96 35\n"
    assert rows(text) == {
        "::/0": (40, 1),
        "2000::/3": (40, 9),
        "2001:db8::/32": (7, 9),
        "2001:db8:1::/48": (7, 8),
        "::ffff:0:0/96": (35, 1),
    }
    assert find(TABLES["glibc"], MAPPED).precedence == 10


def test_scopes_and_what_does_nothing():
    found = destination_info.gai(
        b"scopev4 ::ffff:10.0.0.0/104 5\nscopev4 192.0.2.0/24 5 # here\nscopev4 192.0.2.0/24 9\n"
        b"scopev4 2001:db8::/32 5\nscopev4 10.0.0.0/8 5_0\nPrecedence ::/0 4\n"
        b"label ::/0 1\nlabel ::/0 2\nreload yes\n"
    )
    assert found["scopes"] == [
        {"prefix": "::ffff:10.0.0.0/104", "scope": 5},
        {"prefix": "::ffff:192.0.2.0/120", "scope": 5},
        {"prefix": "::ffff:0:0/96", "scope": 14},
    ]
    assert found["replaced"] == ["label", "scopev4"]
    assert found["reload"] is True
    assert [remark.split(":")[0] for remark in found["remarks"]] == [
        f"{gai_conf.PATH} line {number}" for number in (3, 4, 5, 6, 8)
    ]


def test_a_line_without_a_number_is_named_and_counts_for_nothing():
    """Debian 12 and 13 do not agree on it."""
    found = destination_info.gai(b"precedence 2002::/16 # five\nlabel ::/ 1\nlabel 2002:: 1\n")
    assert found["replaced"] == []
    assert [remark.split(": ")[0] for remark in found["remarks"]] == [f"{gai_conf.PATH} line {n}" for n in (1, 2, 3)]


def test_a_file_that_is_not_there_is_empty_and_one_that_can_not_be_read_is_named(tmp_path):
    assert destination_info.read(str(tmp_path / "gai.conf")) == b""
    with pytest.raises(RolloutError, match="Is a directory"):
        destination_info.read(str(tmp_path))
