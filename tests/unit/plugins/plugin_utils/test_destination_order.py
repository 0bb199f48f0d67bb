# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 6724: its own examples, one case for each rule, and messages for what is no address."""

from __future__ import annotations

import ipaddress
import json
import pathlib

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.destination_order import TITLES, destination_order

VECTORS = json.loads((pathlib.Path(__file__).parents[2] / "vectors" / "rfc6724.json").read_text())
# The RFC names rule 6 here. But the source of fd22:2222:2222:2::2 has label 14 in this table and not 13, so rule 5
# has decided before.
REASONS = {"d28": "prefer matching label"}
RULES = [f"rule {number}: {title}" for number, title in enumerate(TITLES, start=1)]


def sources(vector):
    """The addresses of the host, with their flags."""
    return [
        {"address": one["addr"], **dict.fromkeys((flag.replace("-", "_") for flag in one["flags"]), True)}
        for one in vector["candidates"]
    ]


def plain(address):
    """The canonical text of an address: the RFC does not always write it."""
    return str(ipaddress.ip_address(address))


@pytest.mark.parametrize("flip", [False, True], ids=["as given", "turned round"])
@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: f"{vector['id']} {vector['reason']}")
def test_the_examples_of_the_rfc(vector, flip):
    table = VECTORS["tables"][vector["table"]]
    here = sources(vector)
    if vector["kind"] == "source":
        here = here[::-1] if flip else here
        found = destination_order([vector["dst"]], here, table)
        assert [(one["destination"], one["source"]) for one in found] == [
            (plain(vector["dst"]), plain(vector["expect"]))
        ]
        assert found[0]["rule"] == RULES[9]
        return
    found = destination_order(vector["dests"][::-1] if flip else vector["dests"], here, table)
    assert [(one["destination"], one["source"]) for one in found] == [
        (one["dst"], one["src"]) for one in vector["expect"]
    ]
    reason = REASONS.get(vector["id"], vector["reason"])
    assert all(reason in one["rule"] for one in found), found


def test_all_examples_are_there():
    assert len(VECTORS["vectors"]) == 32


WEB = ["192.0.2.80", "2001:db8:1::80"]


@pytest.mark.parametrize(
    ("destinations", "here", "options", "expected"),
    [
        pytest.param(
            WEB,
            ["198.51.100.7"],
            {},
            [("192.0.2.80", "198.51.100.7", 1), ("2001:db8:1::80", None, 1)],
            id="no IPv6",
        ),
        pytest.param(WEB, [], {}, [("2001:db8:1::80", None, 6), ("192.0.2.80", None, 6)], id="no address at all"),
        pytest.param([], ["198.51.100.7"], {}, [], id="nothing to order"),
        pytest.param(
            WEB,
            ["198.51.100.7", "fe80::1"],
            {},
            [("192.0.2.80", "198.51.100.7", 2), ("2001:db8:1::80", "fe80::1", 2)],
            id="a link-local source has another scope",
        ),
        pytest.param(
            WEB,
            ["198.51.100.7", {"address": "2001:db8:2::7", "deprecated": True}],
            {},
            [("192.0.2.80", "198.51.100.7", 3), ("2001:db8:1::80", "2001:db8:2::7", 3)],
            id="deprecated",
        ),
        pytest.param(
            WEB,
            [{"address": "198.51.100.7", "home": True}, {"address": "2001:db8:2::7", "care-of": True}],
            {},
            [("192.0.2.80", "198.51.100.7", 4), ("2001:db8:1::80", "2001:db8:2::7", 4)],
            id="a home address",
        ),
        pytest.param(
            WEB,
            [
                {"address": "198.51.100.7", "home": True, "care_of": True},
                {"address": "2001:db8:2::7", "home": True},
            ],
            {},
            [("192.0.2.80", "198.51.100.7", 4), ("2001:db8:1::80", "2001:db8:2::7", 4)],
            id="home and care-of at once",
        ),
        pytest.param(
            WEB,
            ["198.51.100.7", "2002:c633:6407::7"],
            {},
            [("192.0.2.80", "198.51.100.7", 5), ("2001:db8:1::80", "2002:c633:6407::7", 5)],
            id="6to4 has another label",
        ),
        pytest.param(
            WEB,
            ["198.51.100.7", "2001:db8:2::7"],
            {},
            [("2001:db8:1::80", "2001:db8:2::7", 6), ("192.0.2.80", "198.51.100.7", 6)],
            id="IPv6 has the higher precedence",
        ),
        pytest.param(
            WEB,
            ["198.51.100.7", "2001:db8:2::7"],
            {"policy": "prefer_ipv4"},
            [("192.0.2.80", "198.51.100.7", 6), ("2001:db8:1::80", "2001:db8:2::7", 6)],
            id="unless a policy says otherwise",
        ),
        pytest.param(
            ["2001:db8:1::80", "3fff:1::80"],
            [{"address": "2001:db8:2::7/128", "tunnel": True}, "3fff:2::7"],
            {},
            [("3fff:1::80", "3fff:2::7", 7), ("2001:db8:1::80", "2001:db8:2::7", 7)],
            id="a tunnel",
        ),
        pytest.param(
            ["2001:db8:1::80", "fe80::80%eth0"],
            ["2001:db8:2::7", "fe80::7%eth1", "fe80::9%eth0"],
            {},
            [("fe80::80%eth0", "fe80::9%eth0", 8), ("2001:db8:1::80", "2001:db8:2::7", 8)],
            id="the smaller scope, and the zone",
        ),
        pytest.param(
            ["fe80::80%eth0"],
            ["fe80::7%eth1", "fe80::8"],
            {},
            [("fe80::80%eth0", "fe80::8", 10)],
            id="an address without a zone is in all of them",
        ),
        pytest.param(
            ["2001:db8:f::1", "2001:db8:1:1::1"],
            ["2001:db8:1::7"],
            {},
            [("2001:db8:1:1::1", "2001:db8:1::7", 9), ("2001:db8:f::1", "2001:db8:1::7", 9)],
            id="the longest prefix",
        ),
        pytest.param(
            ["2001:db8:1:f::1", "2001:db8:1:1::1"],
            ["2001:db8:1::7/48"],
            {},
            [("2001:db8:1:f::1", "2001:db8:1::7", 10), ("2001:db8:1:1::1", "2001:db8:1::7", 10)],
            id="no longer than the prefix of the source",
        ),
        pytest.param(
            ["192.0.2.200", "192.0.2.9"],
            ["192.0.2.8"],
            {},
            [("192.0.2.9", "192.0.2.8", 9), ("192.0.2.200", "192.0.2.8", 9)],
            id="the same for IPv4",
        ),
        pytest.param(
            ["192.0.2.200", "192.0.2.9"],
            ["192.0.2.8/24"],
            {},
            [("192.0.2.200", "192.0.2.8", 10), ("192.0.2.9", "192.0.2.8", 10)],
            id="within the subnet",
        ),
        pytest.param(
            ["192.0.2.200", "192.0.2.9"],
            ["192.0.2.8/24", "2001:db8::7"],
            {"implementation": "glibc"},
            [("192.0.2.9", "192.0.2.8", 9), ("192.0.2.200", "192.0.2.8", 9)],
            id="where glibc counts on",
        ),
        pytest.param(
            ["192.0.2.200", "192.0.2.9"],
            ["192.0.2.8/24"],
            {"implementation": "glibc"},
            [("192.0.2.200", "192.0.2.8", 10), ("192.0.2.9", "192.0.2.8", 10)],
            id="unless the host has no IPv6",
        ),
        pytest.param(
            ["198.51.100.1", "192.0.2.9"],
            ["192.0.3.8/25", "2001:db8::7"],
            {"implementation": "glibc"},
            [("198.51.100.1", "192.0.3.8", 10), ("192.0.2.9", "192.0.3.8", 10)],
            id="glibc compares nothing outside the subnet",
        ),
        pytest.param(
            ["2001:db8::ff", "2001:db8::8"],
            ["2001:db8::9/64"],
            {"implementation": "glibc"},
            [("2001:db8::8", "2001:db8::9", 9), ("2001:db8::ff", "2001:db8::9", 9)],
            id="glibc counts beyond the prefix",
        ),
        pytest.param(
            ["192.0.2.80", "fd22:2222::80"],
            ["198.51.100.7", "fd11:1111::7"],
            {"implementation": "glibc"},
            [("fd22:2222::80", "fd11:1111::7", 6), ("192.0.2.80", "198.51.100.7", 6)],
            id="glibc prefers unique local addresses to IPv4",
        ),
        pytest.param(
            ["192.0.2.80", "fd22:2222::80"],
            ["198.51.100.7", "fd11:1111::7"],
            {},
            [("192.0.2.80", "198.51.100.7", 6), ("fd22:2222::80", "fd11:1111::7", 6)],
            id="and the RFC does not",
        ),
        pytest.param(
            ["fe80::1", "2001:db8::1"],
            ["fe80::2", "2001:db8::2"],
            {"implementation": "glibc"},
            [("2001:db8::1", "2001:db8::2", 1), ("fe80::1", None, 1)],
            id="Linux connects to no link-local address without its zone",
        ),
        pytest.param(
            ["::ffff:192.0.2.80", "2001:DB8:0:0::80/64"],
            ["198.51.100.7", "2001:db8:2::7/64"],
            {},
            [("2001:db8::80", "2001:db8:2::7", 6), ("::ffff:192.0.2.80", "198.51.100.7", 6)],
            id="an IPv4-mapped address is IPv4, and text is canonical",
        ),
        pytest.param(
            ["2001:db8::80", "::ffff:192.0.2.9"],
            ["192.0.2.8", "2001:db8:2::7"],
            {"implementation": "glibc", "policy": [{"prefix": "::/0", "precedence": 40, "label": 1}]},
            [("::ffff:192.0.2.9", "192.0.2.8", 9), ("2001:db8::80", "2001:db8:2::7", 9)],
            id="to glibc an IPv4-mapped address is one of IPv6, and all its bits count",
        ),
        pytest.param(
            ["127.0.0.1", "::ffff:127.0.0.1"],
            ["127.0.0.1", "2001:db8:2::7"],
            {"implementation": "glibc"},
            [("127.0.0.1", "127.0.0.1", 8), ("::ffff:127.0.0.1", "127.0.0.1", 8)],
            id="of global scope, even if it is the host itself",
        ),
        pytest.param(
            ["2001:db8::80"],
            [{"address": "2001:db8:2::7", "temporary": True}, "2001:db8:2::8"],
            {"implementation": "glibc"},
            [("2001:db8::80", "2001:db8:2::8", 10)],
            id="Linux prefers a public source",
        ),
        pytest.param(
            ["2001:db8::80"],
            ["2001:db8:2::8", {"address": "2001:db8:2::7", "temporary": True}],
            {},
            [("2001:db8::80", "2001:db8:2::7", 10)],
            id="and the RFC a temporary one",
        ),
        pytest.param(
            ["192.0.2.80", "203.0.113.80"],
            ["198.51.100.7/24", {"address": "192.0.2.7/24", "deprecated": True}, "192.0.2.8/24", "2001:db8::1"],
            {"implementation": "glibc"},
            [("203.0.113.80", "198.51.100.7", 3), ("192.0.2.80", "192.0.2.7", 3)],
            id="for IPv4 Linux takes the first address in the subnet, or the first one",
        ),
        pytest.param(
            ["fd12:3456:789a::80"],
            ["2001:db8::7", "fd12:3456:789b::7"],
            {
                "implementation": "glibc",
                "policy": [
                    {"prefix": "::/0", "precedence": 40, "label": 1},
                    {"prefix": "fd12:3456:789a::/48", "precedence": 45, "label": 1},
                    {"prefix": "fd12:3456:789b::/48", "precedence": 45, "label": 9},
                ],
            },
            [("fd12:3456:789a::80", "2001:db8::7", 10)],
            id="a policy has labels for the kernel too",
        ),
        pytest.param(
            ["192.0.2.80", "::1"],
            ["127.0.0.1", "::1"],
            {},
            [("::1", "::1", 1), ("192.0.2.80", None, 1)],
            id="nothing comes from the loopback address but to the host itself",
        ),
        pytest.param(
            ["2001:db8::1", "2001:db8::1"],
            ["2001:db8::2"],
            {},
            [("2001:db8::1", "2001:db8::2", 10), ("2001:db8::1", "2001:db8::2", 10)],
            id="what is there twice stays there twice",
        ),
    ],
)
def test_the_rules(destinations, here, options, expected):
    assert [
        (one["destination"], one["source"], RULES.index(one["rule"]) + 1)
        for one in destination_order(destinations, here, **options)
    ] == expected


def test_each_place_has_its_own_rule():
    """That of the first place is between it and the second; any other is between a place and its predecessor."""
    found = destination_order(
        ["203.0.113.9", "192.0.2.80", "2001:db8:f::1", "2001:db8:1:1::1"], ["198.51.100.7", "2001:db8:1::7"]
    )
    assert [(one["destination"], one["rule"]) for one in found] == [
        ("2001:db8:1:1::1", RULES[8]),
        ("2001:db8:f::1", RULES[8]),
        ("192.0.2.80", RULES[5]),
        ("203.0.113.9", RULES[8]),
    ]


@pytest.mark.parametrize(
    ("destinations", "here", "options", "message"),
    [
        ("192.0.2.80", [], {}, r"destinations: '192.0.2.80' is no list"),
        (None, [], {}, r"destinations: None is no list"),
        ({"a": 1}, [], {}, r"destinations: .* is no list"),
        (["192.0.2.80"], "192.0.2.1", {}, r"sources: '192.0.2.1' is no list"),
        ([80], [], {}, r"destinations\[0\]: 80 is a number, not text"),
        ([None], [], {}, r"destinations\[0\]: nothing is given"),
        ([["::1"]], [], {}, r"destinations\[0\]: .* is a list, not text"),
        (["www.example.com"], [], {}, r"destinations\[0\]: 'www.example.com' is neither an IPv6 nor an IPv4 address"),
        (["[2001:db8::1]"], [], {}, r"destinations\[0\]: '\[2001:db8::1\]' is neither"),
        (["2001:db8::1/129"], [], {}, r"has no prefix length from 0 to 128"),
        (["192.0.2.1/33"], [], {}, r"has no prefix length from 0 to 32"),
        (["192.0.2.1/"], [], {}, r"has no prefix length from 0 to 32"),
        (["192.0.2.01"], [], {}, r"is neither"),
        (["2001:db8::1%eth0"], [], {}, r"has a zone id, which is for link-local addresses"),
        (["fe80::1%"], [], {}, r"has no zone id such as eth0 behind the %"),
        (["::"], [], {}, r"is the unspecified address"),
        (["0.0.0.0"], [], {}, r"'0.0.0.0' is the unspecified address"),
        (["x" * 5000], [], {}, r"is too long"),
        (["::1"], [{"deprecated": True}], {}, r"sources\[0\]: .* has no address"),
        (["::1"], [{"address": "::1", "deprecated": "yes"}], {}, r"sources\[0\].deprecated: 'yes' is neither true"),
        (["::1"], [{"address": "::1", "depreciated": True}], {}, r"'depreciated' is nothing that a source has"),
        (["::1"], [{"address": "::1", 5: True}], {}, r"5 is nothing that a source has"),
        (["::1"], [{"address": "::1", "public": True, "temporary": True}], {}, r"public and temporary at once"),
        (["::1"], [{"address": "::1", "care_of": True, "care-of": False}], {}, r"says both of care_of; keep one"),
        (["::1"], ["ff02::1"], {}, r"sources\[0\]: 'ff02::1' is a multicast address"),
        (["::1"], ["224.0.0.1"], {}, r"sources\[0\]: '224.0.0.1' is a multicast address"),
        (["::1"], [], {"policy": "ipv4"}, r"policy: 'ipv4' is no policy table"),
        (["::1"], [], {"policy": []}, r"policy: \[\] lacks '::/0'"),
        (["::1"], [], {"implementation": "musl"}, r"implementation: 'musl' is unknown; write rfc6724 or glibc"),
        (["::1"], [], {"implementation": ["glibc"]}, r"implementation: \['glibc'\] is unknown"),
    ],
)
def test_bad_input_is_named(destinations, here, options, message):
    with pytest.raises(RolloutError, match=message):
        destination_order(destinations, here, **options)
