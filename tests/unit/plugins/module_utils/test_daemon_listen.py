# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that a daemon shall listen on."""

from __future__ import annotations

import ipaddress
import os

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import daemon_listen
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
IF_INET6 = "20010db8000000000000000000000080 02 40 00 {flags} eth0\n"


@pytest.mark.parametrize(
    ("given_", "result"),
    [
        ([], []),
        (["192.0.2.1", "[2001:DB8:0::1]"], ["192.0.2.1", "2001:db8::1"]),
        (["2001:db8::1", "2001:0db8::1"], ["2001:db8::1"]),
        (["::1", "127.0.0.1"], ["::1", "127.0.0.1"]),
    ],
)
def test_addresses(given_, result):
    assert daemon_listen.addresses(given_) == result


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("::", "every address"),
        ("0.0.0.0", "every address"),
        ("::ffff:192.0.2.1", "IPv4-mapped"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("2001:db8::1%1", "has a zone"),
        ("2001:db8::1%x\nPort 1", "has a zone"),
        ("ff02::1", "one host"),
        ("224.0.0.1", "one host"),
        ("255.255.255.255", "one host"),
        ("192.0.2.1:22", "no address"),
        ("2001:db8::1/64", "no address"),
        ("localhost", "no address"),
        ("2001:db8::1\nPort 2222", "no address"),
        ("", "no address"),
        (25, "not text"),
        (None, "not text"),
        ({"a": 1}, "not text"),
    ],
)
def test_addresses_refused(value, reason):
    with pytest.raises(RolloutError, match=reason) as error:
        daemon_listen.addresses([value])
    assert str(error.value).startswith("addresses: ")
    assert "\n" not in str(error.value)


@settings(max_examples=EXAMPLES)
@example("::1%]")
@given(st.one_of(st.text(), st.integers(), st.none(), st.binary(), st.lists(st.text()), st.ip_addresses().map(str)))
def test_addresses_are_canonical_or_refused(value):
    try:
        found = daemon_listen.addresses([value])
    except RolloutError:
        return
    assert found == [str(ipaddress.ip_address(found[0]))]
    assert daemon_listen.addresses(found) == found


@pytest.mark.parametrize(
    ("mode", "given_", "result"),
    [
        ("both", [], ["0.0.0.0", "::"]),
        ("ipv4", [], ["0.0.0.0"]),
        ("ipv6", [], ["::"]),
        ("addresses", ["192.0.2.1"], ["192.0.2.1"]),
    ],
)
def test_hosts(mode, given_, result):
    assert daemon_listen.hosts(mode, given_) == result


@pytest.mark.parametrize(("mode", "given_"), [("both", ["192.0.2.1"]), ("ipv6", ["2001:db8::1"]), ("addresses", [])])
def test_hosts_refused(mode, given_):
    with pytest.raises(RolloutError, match=r"^addresses: mode "):
        daemon_listen.hosts(mode, given_)


@pytest.mark.parametrize(
    ("flags", "reason"), [("40", "DAD is not over"), ("48", "dadfailed"), ("80", "not on this host"), (None, "not on")]
)
def test_what_is_missing_is_named(monkeypatch, flags, reason):
    table = IF_INET6.format(flags=flags) if flags else ""
    monkeypatch.setattr(daemon_listen.files, "read", lambda path: table.encode())
    monkeypatch.setattr(daemon_listen.sockets, "is_local", lambda host: host == "192.0.2.1")
    told = daemon_listen.check_local(["0.0.0.0", "::", "192.0.2.1", "2001:db8::80"], False)
    assert len(told) == 1
    assert "2001:db8::80: " in told[0]
    assert reason in told[0]
    assert "192.0.2.1" not in told[0]
    with pytest.raises(RolloutError, match=reason):
        daemon_listen.check_local(["2001:db8::80"], True, seconds=0.05)


def test_dad_is_waited_for(monkeypatch):
    looks = []
    monkeypatch.setattr(daemon_listen.files, "read", lambda path: IF_INET6.format(flags="40").encode())
    monkeypatch.setattr(daemon_listen.sockets, "is_local", lambda host: looks.append(host) or len(looks) > 3)
    assert daemon_listen.check_local(["2001:db8::80"], True) == []
    assert len(looks) > 3


@pytest.mark.parametrize(
    ("host", "port", "result"),
    [
        ("192.0.2.1", 22, True),
        ("192.0.2.2", 22, False),
        ("2001:db8::1", 22, True),
        ("2001:db8::1", 23, False),
    ],
)
def test_serves(host, port, result):
    assert daemon_listen.serves({("192.0.2.1", 22), ("::", 22)}, host, port) is result
