# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Zone files."""

from __future__ import annotations

import shutil
import subprocess

import dns.zone
import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import ptr_records
from ansible_collections.ipv6.rollout.plugins.plugin_utils.zone import zone_file

SOA = {"mname": "ns1.example.com", "rname": "host.master@example.com", "serial": 2026010100}
CHECKER = shutil.which("named-checkzone")
ZONE = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
NS = ["ns2.example.com.", "ns1.example.com"]


def text(records, origin="example.com", **options):
    return zone_file(records, origin, options.pop("soa", SOA), options.pop("ns", NS), **options)


def checked(folder, zone, made):
    """Return the text of a zone after named-checkzone has passed it."""
    if CHECKER is not None:
        (folder / "zone").write_text(made)
        argv = [CHECKER, "-i", "none", zone, str(folder / "zone")]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_a_reverse_zone(tmp_path):
    records = ptr_records(
        [
            {"name": "www.example.com", "address": "2001:db8:1200::80", "ttl": 300},
            {"name": "mail.example.com", "address": "2001:db8:1200:25::160", "ttl": 3600},
        ],
        ["2001:db8:1200::/48"],
    )
    made = checked(tmp_path, ZONE, text(records, "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa"))
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


def test_a_forward_zone(tmp_path):
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
    glue = [{"name": f"ns{n}", "type": "AAAA", "data": f"2001:db8::{n}"} for n in (1, 2)]
    checked(tmp_path, "example.com", text(glue))


def test_an_origin_for_each_subnet_where_it_is_shorter(tmp_path):
    addresses = [f"2001:db8:1200:{net}::{host:x}" for net in range(3) for host in range(9)]
    records = ptr_records([{"name": "h.example.com", "address": address} for address in addresses], [ZONE])
    records.append({"name": "4.0.0.0", "type": "NS", "data": "ns.example.org"})
    records.append({"name": "1.0.0", "type": "TXT", "data": "between"})
    made = checked(tmp_path, ZONE, text(records, ZONE))
    lines = made.splitlines()
    assert lines.count(f"$ORIGIN {ZONE}") == 2, "names that are in no subnet are relative to the zone"
    assert [line for line in lines if line.startswith("$ORIGIN")][1] == f"$ORIGIN 0.0.0.0.{ZONE}"
    assert lines[5:8] == [f"$ORIGIN 0.0.0.0.{ZONE}", *(f"{h}" + ".0" * 15 + " IN PTR h.example.com." for h in "01")]
    assert lines[-4:] == [
        "8" + ".0" * 15 + " IN PTR h.example.com.",
        f"$ORIGIN {ZONE}",
        "4.0.0.0 IN NS ns.example.org.",
        '1.0.0 IN TXT "between"',
    ]
    zone = dns.zone.from_text(made, relativize=False)
    assert len(zone.nodes) == 27 + 3
    # One /64 as a zone of its own: nothing to save.
    assert (
        text([record for record in records if record["name"].endswith(f"1.0.0.0.{ZONE}")], f"1.0.0.0.{ZONE}").count(
            "$ORIGIN"
        )
        == 1
    )


@pytest.mark.parametrize(
    ("zone", "name", "kind", "message"),
    [
        ("ip6.arpa", "0" + ".0" * 32, "PTR", "has 33 digits; an IPv6 address has 32"),
        ("ip6.arpa", "*" + ".0" * 32, "PTR", "has 33 digits; an IPv6 address has 32"),
        (ZONE, "g.0", "PTR", "has the label 'g', which is not one hexadecimal digit"),
        (ZONE, "10.0", "PTR", "has the label '10', which is not one hexadecimal digit"),
        (ZONE, "1", "AAAA", "is in a reverse zone, which has no AAAA records"),
        ("2.0.192.in-addr.arpa", "1", "A", "is in a reverse zone, which has no A records"),
        ("2.0.192.in-addr.arpa", "256", "PTR", "has the label '256', which is neither an octet"),
        ("2.0.192.in-addr.arpa", "01", "PTR", "has the label '01', which is neither an octet"),
        ("2.0.192.in-addr.arpa", "x", "PTR", "has the label 'x', which is neither an octet"),
        ("2.0.192.in-addr.arpa", "300/25", "NS", "has the label '300/25', which is neither an octet"),
        ("2.0.192.in-addr.arpa", "0/33", "NS", "has the label '0/33', which is neither an octet"),
        ("2.0.192.in-addr.arpa", "1.1", "PTR", "has 5 octets; an IPv4 address has 4"),
        ("2.0.192.in-addr.arpa", "*.1", "PTR", "has 5 octets; an IPv4 address has 4"),
    ],
)
def test_names_that_stand_for_no_address(zone, name, kind, message):
    data = {"A": "192.0.2.1", "AAAA": "2001:db8::1"}.get(kind, "a.example.com")
    with pytest.raises(RolloutError) as caught:
        text([{"name": name, "type": kind, "data": data}], zone)
    assert str(caught.value).startswith("records[0]: name: ") and message in str(caught.value)


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        (ZONE, "*"),
        (ZONE, "A.b"),
        (ZONE, "lb._dns-sd._udp.0"),
        ("2.0.192.in-addr.arpa", "128/26"),
        ("2.0.192.in-addr.arpa", "129.128-26"),
        ("10.in-addr.arpa", "5.4.193.192-13"),
        ("128/26.2.0.192.in-addr.arpa", "129"),
        ("2.0.192.in-addr.arpa", "*"),
    ],
)
def test_names_that_are_legal_in_reverse_zones(tmp_path, zone, name):
    assert " PTR " in checked(tmp_path, zone, text([{"name": name, "type": "PTR", "data": "a.example.com"}], zone))


CUT = [{"name": "sub", "type": "NS", "data": "ns.sub.example.com"}]


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([*CUT, {"name": "www.sub", "type": "A", "data": "192.0.2.1"}], "www.sub.example.com. A is below sub.example"),
        ([*CUT, {"name": "ns.sub", "type": "TXT", "data": "x"}], "ns.sub.example.com. TXT is below sub.example.com."),
        ([*CUT, {"name": "sub", "type": "TXT", "data": "x"}], "sub.example.com. TXT is at sub.example.com., which has"),
        ([*CUT, {"name": "a.sub", "type": "NS", "data": "b"}], "a.sub.example.com. NS is below sub.example.com."),
        (
            [{"name": "d", "type": "DNAME", "data": "e"}, {"name": "a.d", "type": "A", "data": "192.0.2.1"}],
            "a.d.example.com. A is below d.example.com., which has a DNAME record",
        ),
    ],
)
def test_records_that_no_server_would_answer_with(records, message):
    with pytest.raises(RolloutError) as caught:
        text(records)
    assert message in str(caught.value)


def test_glue_is_no_record_below_a_delegation(tmp_path):
    records = [
        *CUT,
        {"name": "ns.sub", "type": "A", "data": "192.0.2.1"},
        {"name": "sub", "type": "DS", "data": "12345 13 2 " + "ab" * 32},
        {"name": "subx", "type": "A", "data": "192.0.2.1"},
        *({"name": f"ns{n}", "type": "A", "data": "192.0.2.53"} for n in (1, 2)),
    ]
    assert checked(tmp_path, "example.com", text(records)).count("sub") == 5


@pytest.mark.parametrize(
    ("records", "options", "message"),
    [
        (None, {}, "records: None is neither a list of {name, type, data, ttl} nor text of lines 'name address'"),
        (["x"], {}, "records[0]: 'x' is not a dictionary {name, type, data, ttl}"),
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
