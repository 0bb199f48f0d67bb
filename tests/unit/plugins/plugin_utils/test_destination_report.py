# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to: which address does a connection take, and who decided that?"""

from __future__ import annotations

import copy

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.filter.destination_order import FilterModule as OrderFilter
from ansible_collections.ipv6.rollout.plugins.filter.destination_report import FilterModule as ReportFilter
from ansible_collections.ipv6.rollout.plugins.module_utils import destination_info
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_report import destination_report


def source(text, **flags):
    """An address of the host."""
    address, _slash, length = text.partition("/")
    names = ("deprecated", "temporary", "home", "tentative", "tunnel")
    return {
        "address": address,
        "length": int(length),
        "interface": "eth0",
        "peer": None,
        **dict.fromkeys(names, False),
        **flags,
    }


def found(*order, sources=(), gai="", **more):
    """What the module would have found."""
    return {
        "name": "www.example.com",
        "port": 80,
        "literal": False,
        "order": [
            {"address": address, "source": text, "why": "" if text else "Network is unreachable"}
            for address, text in order
        ],
        "problem": "",
        "sources": list(sources),
        "gai_conf": destination_info.gai(gai.encode()),
        "labels": [],
        "interface_labels": [],
        "libc": "glibc 2.41",
        **more,
    }


V4, V6 = source("198.51.100.7/24"), source("2001:db8:2::7/64")
NEW, OLD = ("2001:db8:1::80", "2001:db8:2::7"), ("192.0.2.80", "198.51.100.7")
BOTH = [NEW, OLD]
HEAD = "www.example.com, port 80, in the order of getaddrinfo() on this host:"
AGREE = "The rules and getaddrinfo() agree on this order."
LATER = "Programs that were started before /etc/gai.conf was changed go by what it said then."


@pytest.mark.parametrize(
    ("look", "lines"),
    [
        pytest.param(
            found(*BOTH, sources=[V4, V6]),
            [
                HEAD,
                "1. 2001:db8:1::80 from 2001:db8:2::7, before 192.0.2.80 by rule 6: prefer higher precedence"
                " (::/0 has precedence 40, ::ffff:0:0/96 has 10)",
                "2. 192.0.2.80 from 198.51.100.7, behind 2001:db8:1::80 by rule 6: prefer higher precedence"
                " (::/0 has precedence 40, ::ffff:0:0/96 has 10)",
                "A connection takes 2001:db8:1::80 first, from 2001:db8:2::7.",
                AGREE,
            ],
            id="IPv6 first",
        ),
        pytest.param(
            found(("192.0.2.80", "198.51.100.7"), ("2001:db8:1::80", None), sources=[V4]),
            [
                HEAD,
                "1. 192.0.2.80 from 198.51.100.7, before 2001:db8:1::80 by rule 1: avoid unusable destinations"
                " (no way to 2001:db8:1::80: Network is unreachable)",
                "2. 2001:db8:1::80 from nowhere, behind 192.0.2.80 by rule 1: avoid unusable destinations"
                " (no way to 2001:db8:1::80: Network is unreachable)",
                "A connection takes 192.0.2.80 first, from 198.51.100.7.",
                AGREE,
            ],
            id="no way over IPv6",
        ),
        pytest.param(
            found(("2001:db8:1::80", None), ("192.0.2.80", None)),
            [
                HEAD,
                "1. 2001:db8:1::80 from nowhere, before 192.0.2.80 by rule 6: prefer higher precedence"
                " (::/0 has precedence 40, ::ffff:0:0/96 has 10)",
                "2. 192.0.2.80 from nowhere, behind 2001:db8:1::80 by rule 6: prefer higher precedence"
                " (::/0 has precedence 40, ::ffff:0:0/96 has 10)",
                "No connection gets through: the host has no way to any of these addresses (Network is unreachable).",
                AGREE,
            ],
            id="no way at all",
        ),
        pytest.param(
            found(("192.0.2.80", "198.51.100.7"), sources=[V4, V6]),
            [
                HEAD,
                "1. 192.0.2.80 from 198.51.100.7, the only address",
                "A connection takes 192.0.2.80 first, from 198.51.100.7.",
                "The name has IPv4 addresses only as this host sees it (no AAAA record).",
            ],
            id="one family",
        ),
        pytest.param(
            found(("2001:db8:1::80", "2001:db8:2::7"), sources=[V6], name="2001:db8:1::80", literal=True),
            [
                "2001:db8:1::80, port 80, in the order of getaddrinfo() on this host:",
                "1. 2001:db8:1::80 from 2001:db8:2::7, the only address",
                "A connection takes 2001:db8:1::80 first, from 2001:db8:2::7.",
                "This is an address and no name: there is nothing to choose from.",
            ],
            id="an address",
        ),
        pytest.param(
            found(problem="'www.example.com' has no address: the host's name service does not know it"),
            [
                "'www.example.com' has no address: the host's name service does not know it, so no connection is made."
                " Check the name, and the resolver of the host."
            ],
            id="an unknown name",
        ),
    ],
)
def test_what_people_read(look, lines):
    assert destination_report(look) == lines


def told(look):
    """All lines in one text."""
    return "\n".join(destination_report(look))


@pytest.mark.parametrize(
    ("look", "reason"),
    [
        (
            found(*BOTH[::-1], sources=[V4, source("2001:db8:2::7/64", deprecated=True)]),
            "rule 3: avoid deprecated addresses (2001:db8:2::7 is deprecated)",
        ),
        (
            found(OLD, ("2001:db8:1::80", "fe80::7%eth0"), sources=[V4, source("fe80::7/64")]),
            "rule 2: prefer matching scope (2001:db8:1::80 has another scope than its source fe80::7%eth0)",
        ),
        (
            found(OLD, ("2001:db8:1::80", "2002:c633:6407::7"), sources=[V4, source("2002:c633:6407::7/48")]),
            "rule 5: prefer matching label (2001:db8:1::80 has label 1, its source 2002:c633:6407::7 label 2)",
        ),
        (
            found(("2001:db8:2::80", "2001:db8:2::7"), NEW, sources=[V6]),
            "rule 9: use longest matching prefix (120 bits in common with the source, against 46)",
        ),
        (
            found(OLD, ("203.0.113.80", "198.51.100.7"), sources=[V4, V6]),
            "rule 10: leave the order unchanged (no rule makes a difference",
        ),
        (
            found(
                ("2001:db8:2::80", "2001:db8:2::7"),
                ("2001:db8:1::80", "3fff::1"),
                sources=[V6, source("3fff::1/128", peer="3fff::2")],
            ),
            "rule 7: prefer native transport (the way from 3fff::1 is encapsulated, or not known)",
        ),
        (
            found(OLD, NEW, sources=[{**V4, "home": True}, V6]),
            "rule 4: prefer home addresses (198.51.100.7 is a home address)",
        ),
        (
            found(("fe80::80%eth0", "fe80::7"), NEW, sources=[source("fe80::7/64"), V6]),
            "rule 8: prefer smaller scope (fe80::80%eth0 has the smaller scope)",
        ),
    ],
)
def test_each_rule_has_its_reason(look, reason):
    assert reason in told(look)
    assert AGREE in told(look)


MAPPED_OLD = ("::ffff:192.0.2.80", "::ffff:198.51.100.7")


def test_an_ipv4_mapped_record_is_an_aaaa_record():
    lines = told(found(MAPPED_OLD, OLD, sources=[V4, V6]))
    assert "A connection takes ::ffff:192.0.2.80 first, from ::ffff:198.51.100.7." in lines
    assert AGREE in lines
    assert "AAAA" not in lines
    assert "The name has IPv6 addresses only as this host sees it (no A record)." in told(
        found(MAPPED_OLD, sources=[V4, V6])
    )


def test_why_a_deprecated_source_is_taken():
    old = source("2001:db8:2::7/64", deprecated=True)
    none_better = "2001:db8:2::7 is deprecated; the kernel had no better source."
    assert none_better in told(found(NEW, sources=[V4, old, source("fe80::7/64")]))
    named = "2001:db8:2::7 is deprecated; a route or a rule names it."
    assert named in told(found(NEW, sources=[V4, old, source("2001:db8:3::7/64")]))


OTHER_LABELS = "The labels of the kernel (ip addrlabel) are not those of /etc/gai.conf"


def test_two_policies_are_named():
    text = "label ::/0 1\nlabel ::ffff:0:0/96 4\nlabel ::ffff:10.0.0.0/104 5\n"
    labels = [{"prefix": "::/0", "label": 1}, {"prefix": "::ffff:0:0/96", "label": 4}]
    assert OTHER_LABELS not in told(found(*BOTH, sources=[V4, V6], gai=text, labels=labels))
    for others in (labels[:1], labels[1:], [*labels, {"prefix": "2001:db8::/32", "label": 9}]):
        assert OTHER_LABELS in told(found(*BOTH, sources=[V4, V6], gai=text, labels=others))
    # glibc's own labels are never those of the kernel, and nobody chose them.
    assert OTHER_LABELS not in told(found(*BOTH, sources=[V4, V6], labels=labels))
    assert OTHER_LABELS not in told(found(*BOTH, sources=[V4, V6], gai=text, labels=[]))


def test_a_difference_is_loud():
    lines = told(found(*BOTH[::-1], sources=[V4, V6]))
    assert "DIFFERENCE: the rules do not give the order that getaddrinfo() returned." in lines
    assert "They give 2001:db8:1::80, 192.0.2.80." in lines
    assert "1. 192.0.2.80 from 198.51.100.7, against rule 6: prefer higher precedence (::/0 has precedence 40" in lines
    assert "The reason is not known." in lines
    assert AGREE not in lines
    half = told(found(*BOTH[::-1], sources=[V4, V6], gai="precedence ::/0\n"))
    assert "The reason may be a line of /etc/gai.conf on which the versions of glibc do not agree, see below." in half
    assert "not glibc, and sorts in its own way" in told(found(*BOTH[::-1], sources=[V4, V6], libc=""))


def test_the_file_decides_and_is_named():
    lines = told(found(*BOTH[::-1], sources=[V4, V6], gai="precedence ::ffff:0:0/96 100\nPrecedence ::/0 1\n"))
    assert AGREE in lines
    assert "(::ffff:0:0/96 has precedence 100, ::/0 has 40)" in lines
    assert "/etc/gai.conf replaces glibc's own table of: precedence." in lines
    assert LATER in lines
    assert "/etc/gai.conf line 2: Precedence ::/0 1: glibc ignores it: it does not know 'Precedence'" in lines
    assert "RFC 6724 with its default table would take 2001:db8:1::80 first (rule 6: prefer higher" in lines
    assert LATER not in told(found(*BOTH, sources=[V4, V6], gai="precedence ::ffff:0:0/96 10\nreload yes\n"))


def test_scopes_from_the_file_count():
    lines = told(found(*BOTH, sources=[V4, V6], gai="scopev4 192.0.2.0/24 5\n"))
    assert "rule 2: prefer matching scope" in lines
    assert AGREE in lines


def test_a_name_that_is_blocked_in_etc_hosts():
    """0.0.0.0 and :: stand for the host itself there. Nobody has to like that, but it has an answer."""
    lines = told(found(("0.0.0.0", "127.0.0.1"), ("::", "::1"), sources=[source("::1/128"), source("127.0.0.1/8")]))
    assert "A connection takes 0.0.0.0 first, from 127.0.0.1." in lines
    assert AGREE in lines


LOOK = found(*BOTH, sources=[V4, V6])


@pytest.mark.parametrize(
    "look",
    [
        None,
        [],
        "look",
        {},
        {**LOOK, "order": []},
        {**LOOK, "order": None},
        {**LOOK, "order": [{}]},
        {**LOOK, "order": [{"address": 5, "source": None}]},
        {**LOOK, "sources": [{"address": "2001:db8::1"}]},
        {**LOOK, "gai_conf": {}},
        {**LOOK, "gai_conf": {**LOOK["gai_conf"], "rows": []}},
        {**LOOK, "gai_conf": {**LOOK["gai_conf"], "scopes": [{"prefix": "0.0.0.0/0", "scope": "far"}]}},
    ],
)
def test_what_the_module_did_not_return_is_refused(look):
    with pytest.raises(RolloutError):
        destination_report(look)


@given(
    st.sampled_from(sorted(LOOK)), st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)
def test_no_traceback(part, junk):
    try:
        assert all(isinstance(line, str) for line in destination_report({**LOOK, part: junk}))
    except RolloutError:
        pass


def test_the_filters():
    report, order = ReportFilter().filters()["destination_report"], OrderFilter().filters()["destination_order"]
    before = copy.deepcopy(LOOK)
    assert report(LOOK)[0] == HEAD
    assert before == LOOK
    with pytest.raises(AnsibleFilterError, match=r"^ipv6.rollout.destination_report: _input: None is not what"):
        report(None)
    assert order(["192.0.2.80"], ["198.51.100.7"]) == [
        {"destination": "192.0.2.80", "source": "198.51.100.7", "rule": "rule 10: leave the order unchanged"}
    ]
    with pytest.raises(AnsibleFilterError, match=r"^ipv6.rollout.destination_order: destinations\[0\]: 5 is a number"):
        order([5], [])
