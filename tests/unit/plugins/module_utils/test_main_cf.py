# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""main.cf as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import main_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

TEXT = """\
# head
compatibility_level = 3.6
mynetworks = 127.0.0.0/8
  # the office
  192.0.2.0/24

\t[2001:db8::]/32
inet_protocols=ipv4
relayhost =
inet_protocols = ipv6
"""


def test_reads_what_postfix_reads():
    found = main_cf.values(TEXT)
    assert found["inet_protocols"] == "ipv6"
    assert found["relayhost"] == ""
    assert found["mynetworks"].split() == ["127.0.0.0/8", "192.0.2.0/24", "[2001:db8::]/32"]


def test_a_continuation_before_everything_is_ignored():
    assert main_cf.values("  lost = 1\nkept = 2\n") == {"kept": "2"}


@pytest.mark.parametrize(
    ("name", "block", "before", "after"),
    [
        ("relayhost", "relayhost = [192.0.2.1]", "relayhost =\n", "relayhost = [192.0.2.1]\n"),
        ("inet_protocols", "inet_protocols = all", "inet_protocols = ipv6\n", "inet_protocols = all\n"),
        (
            "mynetworks",
            "mynetworks = [::1]/128",
            "mynetworks = 127.0.0.0/8\n  # the office\n  192.0.2.0/24\n\n\t[2001:db8::]/32\n",
            "mynetworks = [::1]/128\n  # the office\n\n",
        ),
    ],
)
def test_replaces_in_place(name, block, before, after):
    assert main_cf.put(TEXT, name, block) == TEXT.replace(before, after)


@pytest.mark.parametrize(
    ("text", "after"),
    [("", "a = 1\n"), ("b = 2\n", "b = 2\na = 1\n"), ("b = 2", "b = 2\na = 1\n"), ("#a = 0\n", "#a = 0\na = 1\n")],
)
def test_appends_what_is_new(text, after):
    assert main_cf.put(text, "a", "a = 1") == after


def test_drops_every_copy():
    assert main_cf.drop(TEXT, "inet_protocols") == TEXT.replace("inet_protocols=ipv4\n", "").replace(
        "inet_protocols = ipv6\n", ""
    )


LINES = st.sampled_from(
    ["# note", "", "a = 1", "b=2", "  more", "\t# inside", "a = 3", "inet_protocols = ipv4", "c =", "é = ü"]
)


@given(st.lists(LINES), st.booleans())
def test_what_was_put_can_be_put_back(lines, ended):
    text = "\n".join(lines) + ("\n" if ended and lines else "")
    former = main_cf.raw(text, "inet_protocols")
    changed = main_cf.put(text, "inet_protocols", "inet_protocols = all")
    assert main_cf.values(changed)["inet_protocols"] == "all"
    others = {name: value for name, value in main_cf.values(text).items() if name != "inet_protocols"}
    assert {name: value for name, value in main_cf.values(changed).items() if name != "inet_protocols"} == others
    if former is None:
        back = main_cf.drop(changed, "inet_protocols")
        assert back.rstrip("\n") == text.rstrip("\n")
    else:
        assert main_cf.values(main_cf.put(changed, "inet_protocols", former)) == main_cf.values(text)


@pytest.mark.parametrize(
    ("name", "line", "wanted", "equal"),
    [
        ("inet_protocols", "inet_protocols = ipv4, ipv6", "all", True),
        ("inet_protocols", "inet_protocols = ipv6 ipv4", "all", True),
        ("inet_protocols", "inet_protocols = ipv4", "all", False),
        ("inet_interfaces", "inet_interfaces = b, a", "a b", True),
        ("mynetworks", "mynetworks = a,b", "a b", True),
        ("mynetworks", "mynetworks = a\n  b", "a, b", True),
        ("mynetworks", "mynetworks = !a b", "b !a", False),
        ("smtpd_banner", "smtpd_banner =  x", "x", True),
        ("smtpd_banner", "smtpd_banner = x  y", "x y", False),
        ("smtpd_banner", "smtpd_banner = x\n   y", "x y", True),
        ("relayhost", "relayhost =", "", True),
        ("relayhost", "other = 1", "", False),
    ],
)
def test_knows_when_nothing_is_to_do(name, line, wanted, equal):
    assert main_cf.same(name, main_cf.last(line + "\n", name), wanted) is equal


@pytest.mark.parametrize(
    ("given", "value"),
    [(True, "yes"), (False, "no"), (30, "30"), (["127.0.0.0/8", "[::1]/128"], "127.0.0.0/8, [::1]/128"), (" x ", "x")],
)
def test_plain_text(given, value):
    assert main_cf.clean({"debug_peer_list": given} if isinstance(given, list) else {"x": given}).popitem()[1] == value


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("mynetworks", "::1/128", r"write \[::1\]/128"),
        ("mynetworks", "2001:db8::/32", r"write \[2001:db8::\]/32"),
        ("mynetworks", "2001:db8::2", r"write \[2001:db8::2\]$"),
        ("mynetworks", "127.0.0.0/8, [2001:db8::1]/64", r"host bits set; write \[2001:db8::\]/64"),
        ("mynetworks", "[2001:db8::1/64]", r"host bits set; write \[2001:db8::\]/64"),
        ("mynetworks", "192.0.2.1/24", r"write 192\.0\.2\.0/24"),
        ("mynetworks", "[2001:db8::/129]", "no address or prefix"),
        ("mynetworks", "[2001:db8::", "stray bracket"),
        ("smtp_address_preference", "ipv5", "none of any, ipv4, ipv6"),
        ("smtp_bind_address6", "192.0.2.1", "is no IPv6 address"),
        ("smtp_bind_address", "2001:db8::1", "is no IPv4 address"),
        ("relayhost", "a\nb = c", "line break"),
        ("bad name", "x", "no name of a main.cf parameter"),
        ("a = b\nc", "x", "no name of a main.cf parameter"),
        ("relayhost", {"a": 1}, "is not text"),
        ("relayhost", None, "is not text"),
        ("relayhost", 1.5, "is not text"),
    ],
)
def test_refuses(name, value, why):
    with pytest.raises(RolloutError, match=why):
        main_cf.clean({name: value})


@pytest.mark.parametrize(
    "value",
    [
        "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128",
        "!192.0.2.0/24, [2001:db8:1::/64] [2001:db8::2]",
        "cidr:/etc/postfix/networks /etc/postfix/more $mynetworks_default 192.0.2.1",
        "",
    ],
)
def test_accepts_networks(value):
    assert main_cf.clean({"mynetworks": value}) == {"mynetworks": value}


@pytest.mark.parametrize(
    ("value", "default", "fine"),
    [
        ("10s", "30s", True),
        ("10", "30s", True),
        ("soon", "30s", False),
        ("$other", "30s", True),
        ("5", "20", True),
        ("many", "20", False),
        ("1/concurrency", "1", True),
        ("anything", "$x", True),
        ("anything", "", True),
    ],
)
def test_kind_of_the_default(value, default, fine):
    if fine:
        main_cf.check_kind("x", value, default)
    else:
        with pytest.raises(RolloutError, match=r"parameters\.x"):
            main_cf.check_kind("x", value, default)


@pytest.mark.parametrize(
    ("prefixes", "value"),
    [
        ([], ""),
        (["2001:db8:1::/64"], " [2001:db8:1::]/64"),
        (["192.0.2.0/24", "[2001:DB8::]/32", "2001:db8::/32"], " 192.0.2.0/24 [2001:db8::]/32"),
        (["2001:db8::25", "192.0.2.1"], " [2001:db8::25]/128 192.0.2.1/32"),
        (["::1/128"], ""),
    ],
)
def test_trusted_networks_come_behind_the_host_itself(prefixes, value):
    found = main_cf.trusted(prefixes)
    assert found == "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128" + value
    assert main_cf.clean({"mynetworks": found}) == {"mynetworks": found}


@pytest.mark.parametrize(
    ("prefix", "why"),
    [
        ("2001:db8::1/64", "host bits set; write 2001:db8::/64"),
        ("::/0", "is everybody"),
        ("0.0.0.0/0", "is everybody"),
        ("www.example.com", "is no prefix"),
        ("2001:db8::/200", "is no prefix"),
        (7, "quote it"),
        (None, "quote it"),
    ],
)
def test_refuses_what_is_no_trusted_network(prefix, why):
    with pytest.raises(RolloutError, match=why):
        main_cf.trusted([prefix])


@pytest.mark.parametrize(
    ("protocols", "interfaces", "ipv6", "expected"),
    [
        ("all", "all", True, {("0.0.0.0", 25), ("::", 25)}),
        ("all", "all", False, {("0.0.0.0", 25)}),
        ("ipv4", "all", True, {("0.0.0.0", 25)}),
        ("ipv6", "all", True, {("::", 25)}),
        ("ipv4, ipv6", "loopback-only", True, {("127.0.0.1", 25), ("::1", 25)}),
        ("all", "127.0.0.1, [2001:db8::1]", True, {("127.0.0.1", 25), ("2001:db8::1", 25)}),
        ("ipv4", "127.0.0.1, [2001:db8::1]", True, {("127.0.0.1", 25)}),
        ("all", "localhost", True, None),
    ],
)
def test_sockets_of_a_configuration(protocols, interfaces, ipv6, expected):
    assert main_cf.endpoints(protocols, interfaces, {25}, ipv6, True) == expected


@pytest.mark.parametrize(
    ("found", "different"),
    [
        ({("0.0.0.0", 25), ("::", 25)}, False),
        ({("0.0.0.0", 25), ("::", 25), ("127.0.0.1", 10025)}, False),
        ({("0.0.0.0", 25)}, True),
        (set(), True),
    ],
)
def test_drift(found, different):
    assert main_cf.differs({("0.0.0.0", 25), ("::", 25)}, found) is different


def test_too_much_is_drift_too():
    assert main_cf.differs({("0.0.0.0", 25)}, {("0.0.0.0", 25), ("::", 25)})
    assert not main_cf.differs(None, {("0.0.0.0", 25)})
