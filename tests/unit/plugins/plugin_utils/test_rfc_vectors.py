# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value that the RFCs print about planning, addresses and reverse DNS, in the order of the RFCs' subjects.

===========================  =========================================================================================
source                       proved by
===========================  =========================================================================================
RFC 3531, 3.1 to 3.3         growth: the 27 printed values; leftmost; the bits and three variants of centermost
RFC 3531, 4                  growth and the plan: the example with its prefixes
RFC 6052, tables 1 and 2     nat64: both ways, as numbers and as RFC 5952 has the text
RFC 5952, 4 and 5            addresses: the canonical text
RFC 4291, 2.3                addresses: legal and illegal forms of a 60-bit prefix
RFC 4291, appendix A         ula.eui64_of_mac
RFC 4193, 3.2.2              ula.global_id and ula.ula_prefix (it prints no value; computed here from its text)
RFC 3596, 2.5                reverse.reverse_name
RFC 8501, 1.2                reverse.reverse_name and reverse_zones: a host and a delegation
RFC 4472, 7.2                a wildcard PTR in zone_file; its owner name is '*.' and the reverse name of the prefix
RFC 7208, 5.6 and 7.3        spf: what ip6 takes; the reversed digits of %{ir}
RFC 2317, RFC 4183           reverse.reverse_zones with rfc2317 and rfc4183; ptr_records for the CNAMEs' targets
RFC 6303, 4                  reverse.reverse_zones: the names of the empty zones
zones of any length          reverse.reverse_zones: the list that public programs get wrong
RFC 1982, 3 to 5             serial.compare and serial.add: 32 bits, and the printed cases of 2 and 8 bits
RFC 1912, 3.1                serial.repair_steps
RFC 2181, 5.2                zone.zone_file and dns_update refuse two TTLs in one RRset; findings sees them in files
RFC 4472, 4.4                dns_update gives an AAAA the TTL of its A; findings sees the pair in zones of others
RFC 1912, 2.1                findings: a PTR for every address, and none to the name of a CNAME
RFC 8501, 2.2 and 4          findings: a wildcard confirms nothing; AAAA and PTR match
RFC 2526, RFC 5453           addresses.reserved
RFC 6164, 6                  addresses.reserved for a /127; the plan leaves out pairs with reserved identifiers
RFC 7707, 4.1.3              identifiers.address_in: low byte, IPv4, service, wordy
IPGen                        growth.by_name: a subnet, IPv6 addresses, an IPv4 address
===========================  =========================================================================================

What named-checkzone lets pass of reverse zones is refused by zone.zone_file, and found by findings.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from pathlib import Path

import pytest

pytest.importorskip("dns", reason="dnspython is not installed")
pytest.importorskip("netaddr", reason="netaddr is not installed")

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    addresses,
    dns_update,
    findings,
    growth,
    identifiers,
    nat64,
    reverse,
    serial,
    spf,
    ula,
    zone,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

DIRECTORY = Path(__file__).parents[2] / "vectors"
VECTORS = json.loads((DIRECTORY / "planning-dns.json").read_text())
RFC6052 = json.loads((DIRECTORY / "rfc6052.json").read_text())
RFC3531 = VECTORS["rfc3531"]
ARPA = VECTORS["ip6_arpa"]
CENTERMOST = {
    "centermost": "centermost_bit_permutation",
    "centermost_ascending": "centermost_numeric_within_round(netaddr-rb)",
    "centermost_alternating": "centermost_ipv6gen_1.0",
}
SOA = {"mname": "ns1.example.com", "rname": "hostmaster@example.com", "serial": 1}


def number(text):
    return addresses.ipv6(text, "x")


def table(values):
    """Make parameters of a dictionary."""
    return list(values.items())


def first(order, bits, count):
    """Return the first numbers of an order, seen from both sides."""
    walked = list(itertools.islice(growth.numbers(order, bits), count))
    assert growth.first_numbers(order, bits, count) == walked
    assert [growth.place_of(found, order, bits) for found in walked] == list(range(len(walked)))
    return walked


def test_no_vector_is_left_out():
    """What is added to the files has to be added here too."""
    assert set(VECTORS) == {
        "rfc3531", "rfc5952", "rfc4291_prefix", "rfc6052", "ip6_arpa", "zones_for_prefix", "rfc2317", "rfc4183",
        "rfc4472_ttl", "rfc4472_wildcard", "rfc1982_32bit", "reserved_iid", "eui64", "ipgen",
    }  # fmt: skip
    assert set(RFC3531) == {
        "printed_leftmost_8", "printed_rightmost_8", "printed_centermost_8", "section4", "leftmost",
        "bit_selection_order_from_left_0based", *CENTERMOST.values(),
    }  # fmt: skip
    assert len(RFC6052) == len(VECTORS["rfc6052"]) - 1 == 7


# RFC 3531: growth


@pytest.mark.parametrize(
    ("order", "printed"),
    [
        ("leftmost", "printed_leftmost_8"),
        ("rightmost", "printed_rightmost_8"),
        *((order, "printed_centermost_8") for order in CENTERMOST),
    ],
)
def test_rfc3531_the_nine_printed_values(order, printed):
    assert [f"{found:08b}" for found in first(order, 8, 9)] == RFC3531[printed]


@pytest.mark.parametrize(("bits", "wanted"), table(RFC3531["leftmost"]))
def test_rfc3531_leftmost(bits, wanted):
    assert first("leftmost", int(bits), len(wanted)) == wanted


@pytest.mark.parametrize(("bits", "places"), table(RFC3531["bit_selection_order_from_left_0based"]))
@pytest.mark.parametrize("order", CENTERMOST)
def test_rfc3531_the_bits_of_centermost(order, bits, places):
    assert growth.bit_images(order, int(bits)) == [1 << (int(bits) - 1 - place) for place in places]


@pytest.mark.parametrize(
    ("order", "bits", "wanted"),
    [(order, int(bits), wanted) for order, key in CENTERMOST.items() for bits, wanted in RFC3531[key].items()],
)
def test_rfc3531_what_public_programs_make_of_centermost(order, bits, wanted):
    assert first(order, bits, len(wanted)) == wanted


@pytest.mark.parametrize(
    ("parent", "order", "names"),
    [("P1", "leftmost", ["C1", "C2", "C3", "C4"]), *(("C2", order, ["C2C1", "C2C2", "C2C3"]) for order in CENTERMOST)],
)
def test_rfc3531_section_4(parent, order, names):
    start, length = addresses.ipv6_prefix(RFC3531["section4"][parent], "x")
    wanted = [addresses.ipv6_prefix(RFC3531["section4"][name], "x") for name in names]
    below = wanted[0][1]
    turns = first(order, below - length, len(names) + 1)[1:]  # the example does not use number 0
    assert [(start | turn << (128 - below), below) for turn in turns] == wanted


def test_rfc3531_section_4_as_a_plan():
    inner = [{"name": f"C2C{turn}", "length": 42} for turn in range(4)]
    tree = [{"name": f"C{turn}", "length": 32} for turn in range(5)]
    tree[2].update(growth="centermost", subnets=inner)
    made = subnet_plan(RFC3531["section4"]["P1"], tree, today="2026-01-31")["subnets"]
    made = {path.rpartition("/")[2]: prefix for path, prefix in made.items()}
    for name, prefix in RFC3531["section4"].items():
        assert name == "P1" or made[name] == prefix


# RFC 6052: addresses of a NAT64


@pytest.mark.parametrize("vector", RFC6052, ids=[vector["prefix"] for vector in RFC6052])
def test_rfc6052(vector):
    printed = VECTORS["rfc6052"][vector["prefix"]]
    assert printed == vector["ipv6"]
    made = nat64.nat64_address(vector["ipv4"], vector["prefix"])
    # Two lines of the tables are not in the form of RFC 5952: one has :: for one group, some have dotted digits.
    assert made == vector["canonical"]
    assert number(made) == number(printed)
    assert number(made) >> 56 & 0xFF == 0  # bits 64 to 71
    for text in (printed, made):
        assert nat64.nat64_ipv4(text, vector["prefix"]) == vector["ipv4"] == VECTORS["rfc6052"]["v4"]


# RFC 5952, RFC 4291: text


@pytest.mark.parametrize(("text", "canonical"), VECTORS["rfc5952"])
def test_rfc5952(text, canonical):
    assert addresses.ipv6_text(number(text)) == canonical
    assert addresses.ipv6_text(number(canonical)) == canonical


@pytest.mark.parametrize("text", VECTORS["rfc4291_prefix"]["60-bit 20010DB80000CD3"])
def test_rfc4291_a_legal_prefix(text):
    assert addresses.ipv6_prefix(text, "x") == (0x20010DB80000CD3 << 68, 60)


@pytest.mark.parametrize("text", VECTORS["rfc4291_prefix"]["not_legal"])
def test_rfc4291_what_is_another_prefix_or_none(text):
    with pytest.raises(RolloutError):
        addresses.ipv6_prefix(text, "x")


@pytest.mark.parametrize(("mac", "eui64"), table(VECTORS["eui64"]))
def test_rfc4291_appendix_a(mac, eui64):
    assert ula.eui64_of_mac(mac) == number(f"::{eui64}")


# RFC 4193: unique local prefixes


@pytest.mark.parametrize(("mac", "eui64"), table(VECTORS["eui64"]))
def test_rfc4193_section_3_2_2(mac, eui64):
    seconds = 3978849600  # from 1900 to the noon of 2026-01-31
    key = bytes.fromhex(f"{seconds:08x}" + "00000000" + eui64.replace(":", ""))
    low = hashlib.sha1(key).digest()[-5:]
    prefix = ula.ula_prefix(mac, "2026-01-31T12:00:00Z")
    assert number(prefix.partition("/")[0]).to_bytes(16, "big") == b"\xfd" + low + bytes(10)
    assert prefix.endswith("/48")


# RFC 3596, RFC 8501, RFC 7208, RFC 4472: reverse names


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("4321:0:1:2:3:4:567:89ab", ARPA["4321:0:1:2:3:4:567:89ab"]),
        ("2001:db8:f00::12:34ff:fe56:789a", ARPA["2001:db8:f00::12:34ff:fe56:789a"]),
        ("2001:db8:f00:0:12:34ff:fe56:789a", ARPA["2001:db8:f00::12:34ff:fe56:789a"]),
        ("2001:db8::cb01", ARPA["2001:db8::cb01 (RFC 7208 %{ir})"] + ".ip6.arpa."),
    ],
)
def test_rfc3596_rfc8501_rfc7208_reverse_names(address, name):
    assert reverse.reverse_name(address) == name


def test_rfc8501_a_delegation():
    assert reverse.reverse_zones("2001:db8:f00::/48") == [ARPA["2001:db8:f00::/48"]]


def test_rfc4472_section_7_2_a_wildcard():
    (origin,) = reverse.reverse_zones("2001:db8:f00::/48")
    owner, _in, kind, data = VECTORS["rfc4472_wildcard"].split()
    assert owner == f"*.{origin}"
    made = zone.zone_file([{"name": owner, "type": kind, "data": data}], origin, SOA, ["ns1.example.com"])
    assert "* IN PTR site.example.com." in made.splitlines()


@pytest.mark.parametrize("text", ["2001:db8::cb01", "2001:DB8::CB01/128", "2001:db8::/32", "::/0"])
def test_rfc7208_section_5_6_what_ip6_takes(text):
    record = f"v=spf1 ip6:{text} -all"
    assert spf.spf_with_ip6(record, ["2001:db8::cb01/128"]) == record


def test_rfc7208_section_4_6_4_ip4_ip6_and_all_are_no_lookups():
    many = " ".join(f"ip4:192.0.2.{octet} ip6:2001:db8::{octet}" for octet in range(1, 31))
    record = f"v=spf1 {' '.join(f'a:h{count}.example.com' for count in range(10))} {many} -all"
    assert "ip6:2001:db8::cb01 -all" in spf.spf_with_ip6(record, ["2001:db8::cb01"])
    with pytest.raises(RolloutError, match="needs 11 DNS lookups"):
        spf.spf_with_ip6(record.replace("-all", "mx -all"), ["2001:db8::cb01"])


# RFC 2317, RFC 4183, RFC 6303: zones


@pytest.mark.parametrize(
    ("prefix", "name"), [(prefix, name) for prefix, name in table(VECTORS["rfc2317"]) if prefix != "cname"]
)
def test_rfc2317_zones(prefix, name):
    assert reverse.reverse_zones(prefix, rfc2317=True) == [name]


@pytest.mark.parametrize(("octet", "target"), table(VECTORS["rfc2317"]["cname"]))
def test_rfc2317_a_cname_of_the_parent_leads_to_the_ptr_record(octet, target):
    zones = [name for prefix, name in table(VECTORS["rfc2317"]) if prefix != "cname"]
    found = reverse.ptr_records([{"name": "a.example.com", "address": f"192.0.2.{octet}"}], zones)
    parent = "2.0.192.in-addr.arpa."
    assert [record["name"] for record in found] == [f"{target}.{parent}"]
    cname = {"name": octet, "type": "CNAME", "data": f"{target}.{parent}"}
    assert f"{octet} IN CNAME {target}.{parent}" in zone.zone_file([cname], parent, SOA, ["ns1.example.com"])


@pytest.mark.parametrize(("prefix", "name"), table(VECTORS["rfc4183"]))
def test_rfc4183(prefix, name):
    assert reverse.reverse_zones(prefix, rfc4183=True) == [name]


@pytest.mark.parametrize(("prefix", "zones"), table(VECTORS["zones_for_prefix"]))
def test_the_zones_of_a_prefix_of_any_length(prefix, zones):
    assert reverse.reverse_zones(prefix) == zones


@pytest.mark.parametrize(
    ("prefix", "zones"),
    [
        ("fd00::/8", ["d.f.ip6.arpa."]),
        ("fe80::/10", [f"{digit}.e.f.ip6.arpa." for digit in "89ab"]),
        ("2001:db8::/32", ["8.b.d.0.1.0.0.2.ip6.arpa."]),
        ("::/128", ["0." * 32 + "ip6.arpa."]),
        ("::1/128", ["1." + "0." * 31 + "ip6.arpa."]),
    ],
)
def test_rfc6303_empty_zones(prefix, zones):
    assert reverse.reverse_zones(prefix) == zones


# RFC 2181, RFC 4472: TTLs


def test_rfc2181_section_5_2_one_ttl_for_an_rrset():
    records = [
        {"name": "a", "type": "AAAA", "data": "2001:db8::1", "ttl": 300},
        {"name": "a", "type": "AAAA", "data": "2001:db8::2", "ttl": 100},
    ]
    with pytest.raises(RolloutError, match=r"RFC 2181, section 5\.2"):
        zone.zone_file(records, "example.com", SOA, ["ns1.example.com"])
    wish = dns_update.wanted([{**record, "name": "a.example.com"} for record in records])
    with pytest.raises(RolloutError, match=r"RFC 2181, section 5\.2"):
        dns_update.changes(wish, dict.fromkeys([*dns_update.asked(wish), *dns_update.needed(wish)]))


def test_rfc4472_section_4_4_the_aaaa_that_we_publish_has_the_ttl_of_the_a():
    (name, ttl, kind, data), (_name, other, kind6, data6) = VECTORS["rfc4472_ttl"]
    assert (kind, kind6) == ("A", "AAAA") and ttl != other
    wish = dns_update.wanted([{"name": name, "type": kind6, "data": data6}])
    live = {
        dns_update.Key(name, kind): dns_update.Rrset(ttl, (data,)),
        dns_update.Key(name, kind6): dns_update.Rrset(other, (data6,)),
    }
    (change,) = dns_update.changes(wish, live).changes
    assert change.after == dns_update.Rrset(ttl, (data6,))


@pytest.mark.parametrize(
    "records",
    [
        [
            {"name": "1", "type": "PTR", "data": "a.example.com"},
            {"name": "1", "type": "CNAME", "data": "b.example.com"},
        ],
        [{"name": "1..2", "type": "PTR", "data": "a.example.com"}],
    ],
)
def test_what_named_checkzone_refuses_is_refused(records):
    with pytest.raises(RolloutError):
        zone.zone_file(records, "8.b.d.0.1.0.0.2.ip6.arpa", SOA, ["ns1.example.com"])


ZONE6 = "8.b.d.0.1.0.0.2.ip6.arpa."
NIBBLES = ".".join("0" * 24)
# What named-checkzone takes without a word: the records, and the check that finds each.
ACCEPTED = {
    "nibbles-too-many": [{"name": f"0.{NIBBLES}.{ZONE6}", "type": "PTR", "data": "a.example.com."}],
    "label-no-nibble": [{"name": f"g.{NIBBLES[2:]}.{ZONE6}", "type": "PTR", "data": "a.example.com."}],
    "address-in-reverse-zone": [{"name": f"{NIBBLES}.{ZONE6}", "type": "A", "data": "192.0.2.1"}],
    "below-delegation": [
        {"name": f"1.{ZONE6}", "type": "NS", "data": "ns1.example.net."},
        {"name": f"{NIBBLES[2:]}.1.{ZONE6}", "type": "PTR", "data": "a.example.com."},
    ],
    "two-ttls": [
        {"name": f"{NIBBLES}.{ZONE6}", "type": "PTR", "data": "a.example.com.", "ttl": 300},
        {"name": f"{NIBBLES}.{ZONE6}", "type": "PTR", "data": "b.example.com.", "ttl": 600},
    ],
}


@pytest.mark.parametrize(("check", "records"), ACCEPTED.items())
def test_what_named_checkzone_accepts_is_refused_and_found(check, records):
    with pytest.raises(RolloutError):
        zone.zone_file(records, ZONE6, SOA, ["ns1.example.com"])
    seen = findings.findings([{"ttl": 60, **record, "zone": ZONE6} for record in records], zones=[ZONE6])
    assert check in {found["check"] for found in seen}


def test_rfc4472_section_4_4_the_pair_in_zones_of_others():
    records = [dict(zip(("name", "ttl", "type", "data"), row, strict=True)) for row in VECTORS["rfc4472_ttl"]]
    found = findings.findings(records, zones=["example.com"])
    assert [item["check"] for item in found] == ["ttl-mismatch"]
    records[1]["ttl"] = records[0]["ttl"]
    assert findings.findings(records, zones=["example.com"]) == []


def test_rfc1912_section_2_1_and_rfc8501_section_4():
    address, name = "2001:db8::80", reverse.reverse_name("2001:db8::80")
    host = {"name": "www.example.com.", "type": "AAAA", "data": address, "ttl": 60}
    pointer = {"name": name, "type": "PTR", "data": "www.example.com.", "ttl": 60}
    alias = {"name": "web.example.com.", "type": "CNAME", "data": "www.example.com.", "ttl": 60}

    def checks(*records):
        return [item["check"] for item in findings.findings(list(records))]

    assert checks(host, pointer) == []
    assert checks(host) == ["aaaa-without-ptr"]
    assert checks(host, {**pointer, "data": "web.example.com."}, alias) == ["ptr-to-alias"]
    # RFC 8501, 2.2: a wildcard has one name for all of its addresses, and confirms none of the hosts.
    pool = {**pointer, "name": "*.8.b.d.0.1.0.0.2.ip6.arpa.", "data": "pool.example.com."}
    assert checks(host, pool) == ["aaaa-without-ptr"]


def test_a_ptr_to_what_is_no_host_name_is_refused():
    with pytest.raises(RolloutError):
        reverse.ptr_records([{"name": "a_b.example.com", "address": "2001:db8::1"}])


# RFC 1982, RFC 1912: serial numbers


@pytest.mark.parametrize(("old", "new", "verdict"), VECTORS["rfc1982_32bit"])
def test_rfc1982_32_bits(old, new, verdict):
    assert serial.compare(new, old) == verdict
    opposite = {"greater": "less", "less": "greater", "undefined": "undefined"}
    assert serial.compare(old, new) == opposite[verdict]


@pytest.mark.parametrize(
    ("greater", "less"),
    [(1, 0), (44, 0), (100, 0), (100, 44), (200, 100), (255, 200), (0, 255), (100, 255), (0, 200), (44, 200)],
)
def test_rfc1982_section_5_2_8_bits(greater, less):
    assert serial.compare(greater, less, bits=8) == "greater"
    assert serial.compare(less, greater, bits=8) == "less"


def test_rfc1982_section_5_additions_and_what_is_undefined():
    assert serial.add(255, 1, bits=8) == 0
    assert serial.add(100, 100, bits=8) == 200
    assert serial.add(200, 100, bits=8) == 44
    # Section 5.1: with 2 bits the largest step is 1, and 0 and 2, or 1 and 3, stand opposite each other.
    assert [serial.add(count, 1, bits=2) for count in range(4)] == [1, 2, 3, 0]
    assert [serial.compare(count, (count + 2) % 4, bits=2) for count in range(4)] == ["undefined"] * 4
    assert [serial.compare((count + 1) % 4, count, bits=2) for count in range(4)] == ["greater"] * 4
    with pytest.raises(RolloutError):
        serial.add(0, 2, bits=2)
    # Section 5.2: with 8 bits each number has its opposite 128 further on.
    assert all(serial.compare(count, (count + 128) % 256, bits=8) == "undefined" for count in range(256))


@pytest.mark.parametrize(
    ("current", "wanted", "steps"),
    [
        (2026112199, 1763686800, [4173595846, 1763686800]),  # from a date to seconds since 1970: a decrease
        (1763686800, 2026112100, [2026112100]),
        (4000000000, 2026112100, [1852516351, 2026112100]),  # 4000000000 + 2147483647 - 2**32
        (200000221, 20000221, [2347483868, 20000221]),
        (0, 2147483648, [2147483647, 2147483648]),
        (2026112101, 2026112100, [4173595748, 2026112099, 2026112100]),  # one less: one step leaves half of the circle
        (7, 7, []),
    ],
)
def test_rfc1912_section_3_1_repair(current, wanted, steps):
    assert serial.repair_steps(current, wanted) == steps


# RFC 4291, RFC 2526, RFC 5453, RFC 6164: identifiers that are no host's


@pytest.mark.parametrize(("text", "source"), VECTORS["reserved_iid"])
def test_reserved_identifiers(text, source):
    low, _dash, high = text.partition("-")
    lowest, highest = number(f"::{low}"), number(f"::{high or low}")
    place = number("2001:db8:1200::")
    words = ("RFC 4291",) if lowest == 0 else ("RFC 2526",)
    for iid in (lowest, (lowest + highest) // 2, highest):
        assert any(word in addresses.reserved(place | iid, 64) for word in words) and words[0] in source
    for iid in (lowest - 1, highest + 1):
        if 0 < iid <= addresses.LOW_64:
            assert addresses.reserved(place | iid, 64) is None


@pytest.mark.parametrize(
    ("iid", "is_reserved"),
    [
        ("200:5eff:fdff:ffff", False),
        ("200:5eff:fe00:0", True),
        ("200:5eff:fe00:5212", True),
        ("200:5eff:fe00:5213", True),  # proxy mobile IPv6 (RFC 6543)
        ("200:5eff:fe00:5214", True),
        ("200:5eff:feff:ffff", True),
        ("200:5eff:ff00:0", False),
        ("fdff:ffff:ffff:fffe", True),  # mobile IPv6 home agents
    ],
)
def test_rfc5453_identifiers(iid, is_reserved):
    assert bool(addresses.reserved(number(f"2001:db8:0:0:{iid}"), 64)) is is_reserved


def test_rfc6164_a_link_has_no_anycast_address():
    for address in ("2001:db8::8000:0:0:0", "2001:db8::8000:0:0:1"):
        assert addresses.reserved(number(address), 127) is None


@pytest.mark.parametrize("order", [*growth.ORDERS, *growth.VARIANTS])
def test_rfc6164_section_6_the_plan_passes_by_pairs_with_reserved_identifiers(order):
    # The RFC says "the highest 128" and prints a range of 129, from ff7f on; here it is 128, as in RFC 2526.
    for prefix, count in (("2001:db8::/120", 127), ("2001:db8::ffff:ffff:ffff:ff00/120", 64)):
        links = [{"name": f"l{turn}", "length": 127} for turn in range(count)]
        tree = [{"name": "pool", "length": 120, "growth": order, "subnets": links}]
        made = subnet_plan(prefix, tree, today="2026-01-31")["subnets"]
        for path, text in made.items():
            low = number(text.partition("/")[0]) & addresses.LOW_64
            assert path == "pool" or (low != 0 and low < addresses.LOW_64 - 127)
        assert len(made) == count + 1


# RFC 7707: how people write identifiers


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"policy": "next"}, "::1"),
        ({"literal": "::1"}, "::1"),
        ({"policy": "ipv4_hex", "ipv4_address": "192.0.2.1"}, "::192.0.2.1"),
        ({"literal": "::192.0.2.1"}, "::192.0.2.1"),
        ({"policy": "ipv4_decimal", "ipv4_address": "192.0.2.1"}, "::192:0:2:1"),
        ({"literal": "::80"}, "::80"),
        ({"literal": "::50"}, "::50"),
        ({"literal": "::1:80"}, "::1:80"),
        ({"literal": "::80:1"}, "::80:1"),
        ({"policy": "service", "service": 80, "ipv4_address": "192.0.2.1"}, "::80:0:0:1"),
        ({"literal": "::bad:cafe"}, "::bad:cafe"),
    ],
)
def test_rfc7707_section_4_1_3(options, wanted):
    place = "2001:db8:1200::"
    assert number(identifiers.address_in(f"{place}/64", **options)) == number(place) | number(wanted)


# IPGen: numbers by name


@pytest.mark.parametrize(("call", "wanted"), [(call, made) for call, made in table(VECTORS["ipgen"]) if call != "rule"])
def test_ipgen(call, wanted):
    name, prefix = re.fullmatch(r'(?:ip|subnet)\("?([^",)]*)"?(?:, (.*))?\)', call).groups()
    if prefix is None:
        assert f"{growth.by_name(name, 16):x}" == wanted
    elif ":" in prefix:
        start, length = addresses.ipv6_prefix(prefix, "x")
        assert addresses.ipv6_text(start | growth.by_name(name, 128 - length)) == wanted
    else:
        start, length = addresses.ipv4_prefix(prefix, "x")
        assert addresses.ipv4_text(start | growth.by_name(name, 32 - length)) == wanted
