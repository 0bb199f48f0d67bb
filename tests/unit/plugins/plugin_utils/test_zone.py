# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files."""

from __future__ import annotations

import dns.zone
import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import ptr_records
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import zone_file

SOA = {"mname": "ns1.example.com", "rname": "host.master@example.com", "serial": 2026010100}
NS = ["ns2.example.com.", "ns1.example.com"]


def text(records, origin="example.com", **options):
    return zone_file(records, origin, options.pop("soa", SOA), options.pop("ns", NS), **options)


def test_a_reverse_zone():
    records = ptr_records(
        [
            {"name": "www.example.com", "address": "2001:db8:1200::80", "ttl": 300},
            {"name": "mail.example.com", "address": "2001:db8:1200:25::160", "ttl": 3600},
        ],
        ["2001:db8:1200::/48"],
    )
    made = text(records, "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa")
    assert made == (
        "$ORIGIN 0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa.\n"
        "$TTL 3600\n"
        "@ IN SOA ns1.example.com. host\\.master.example.com. 2026010100 7200 900 1209600 3600\n"
        "@ IN NS ns1.example.com.\n"
        "@ IN NS ns2.example.com.\n"
        "0.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 300 IN PTR www.example.com.\n"
        "0.6.1.0.0.0.0.0.0.0.0.0.0.0.0.0.5.2.0.0 IN PTR mail.example.com.\n"
    )
    assert text(records[::-1] + records, "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa") == made
    assert len(dns.zone.from_text(made).nodes) == 3


def test_a_forward_zone():
    made = text(
        [
            {"name": "www", "type": "AAAA", "data": "2001:DB8:0::80"},
            {"name": "www.example.com", "type": "A", "data": "192.0.2.80"},
            {"name": "@", "type": "TXT", "data": 'v=spf1 "x" -all'},
            {"name": "@", "type": "MX", "data": "10 mail.example.com"},
            {"name": "alias.example.com.", "type": "CNAME", "data": "www.example.com"},
            {"name": "x", "type": "PTR", "data": "y.example.com", "zone": "example.net"},
        ]
    )
    assert made.splitlines()[5:] == [
        "@ IN MX 10 mail.example.com.",
        '@ IN TXT "v=spf1 \\"x\\" -all"',
        "alias IN CNAME www.example.com.",
        "www IN A 192.0.2.80",
        "www IN AAAA 2001:db8::80",
    ]
    assert len(dns.zone.from_text(made).nodes) == 3


@pytest.mark.parametrize(
    ("records", "options", "message"),
    [
        (
            [{"name": "a.example.net.", "type": "A", "data": "192.0.2.1"}],
            {},
            "records[0]: name: 'a.example.net.' is not inside the zone example.com.",
        ),
        (
            [
                {"name": "a", "type": "A", "data": "192.0.2.1", "ttl": 1},
                {"name": "a", "type": "A", "data": "192.0.2.2", "ttl": 2},
            ],
            {},
            "records: a.example.com. has A records with the TTLs 1 and 2; an RRset has one TTL (RFC 2181, section 5.2)",
        ),
        (
            [{"name": "a", "type": "CNAME", "data": "b.example.com"}, {"name": "a", "type": "A", "data": "192.0.2.2"}],
            {},
            "records: a.example.com. has a CNAME and other records; a CNAME stands alone (RFC 1034, section 3.6.2)",
        ),
        (
            [
                {"name": "a", "type": "CNAME", "data": "b.example.com"},
                {"name": "a", "type": "CNAME", "data": "c.example.com"},
            ],
            {},
            "records: a.example.com. has two CNAME records; a name has one at most",
        ),
        ([{"name": "a\n@ IN NS x", "type": "A", "data": "192.0.2.1"}], {}, None),
        ([{"name": "a", "type": "A", "data": "192.0.2.1\n@ IN NS x."}], {}, None),
        ([{"name": "a", "type": "MX", "data": "10 b.\n@ IN NS x."}], {}, None),
        ([], {"ns": []}, "ns: [] is not a list of name servers; a zone needs one at least"),
        ([], {"soa": {**SOA, "serial": -1}}, "soa: serial: -1 is not a number below 2**32"),
        (
            [],
            {"soa": {**SOA, "x": 1}},
            "soa: 'x' is not known here; the keys are mname, rname, serial, refresh, retry, expire, minimum",
        ),
    ],
)
def test_refusals(records, options, message):
    with pytest.raises(RolloutError) as caught:
        text(records, **options)
    assert message is None or str(caught.value) == message
