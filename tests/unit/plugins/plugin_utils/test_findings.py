# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""zone_findings over a corpus of seeded defects: each is named, and nothing else."""

from __future__ import annotations

import copy
import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings import findings
from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_table import CHECKS

# FUZZ_EXAMPLES=10000 is the long run.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))


def _corpus():
    spec = importlib.util.spec_from_file_location("findings_corpus", Path(__file__).with_name("findings_corpus.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault("findings_corpus", module)
    spec.loader.exec_module(module)
    return module


corpus = _corpus()
SITE = corpus.site()


def named(rows, **options):
    return [(found["check"], found["name"]) for found in findings(corpus.records(rows), **options)]


@pytest.mark.parametrize("options", [{}, {"zones": corpus.ZONES}])
def test_a_healthy_site_has_no_findings(options):
    assert findings(corpus.records(SITE), **options) == []


def test_every_check_has_a_defect():
    assert CHECKS.keys() == corpus.DEFECTS.keys()
    assert len(CHECKS) >= 45


@pytest.mark.parametrize("row", CHECKS.items(), ids=lambda row: row[0])
def test_the_table_is_in_whole_sentences(row):
    check, (severity, means, fix, source) = row
    assert severity in ("error", "warning")
    assert means[0].isupper() and not means.endswith(".")
    assert fix[0].isupper() and fix.endswith(".")
    assert source.startswith("RFC ") or check == corpus.DECLARED


@pytest.mark.parametrize(("check", "defect"), [*corpus.DEFECTS.items(), *corpus.MORE])
def test_each_defect_is_found_and_nothing_else(check, defect):
    (found,) = findings(corpus.records(defect.apply(SITE)), **defect.options)
    assert (found["check"], found["name"]) == (check, defect.name)
    assert (found["severity"], found["fix"]) == (CHECKS[check].severity, CHECKS[check].fix)
    assert found["message"].endswith(".") and not found["message"].endswith("..")
    assert [type(value) for value in found.values() if type(value) not in (str, type(None))] == []


@pytest.mark.parametrize("zone", corpus.ZONES)
def test_a_repaired_zone_is_silent(zone):
    defects = [defect for defect in corpus.DEFECTS.values() if any(row[0] == zone for row in defect.put)]
    for defect in defects:
        rows = defect.apply(SITE)
        repaired = [row for row in rows if row not in defect.put or row in SITE] + list(defect.drop)
        assert named(list(dict.fromkeys(repaired)), **defect.options) == []


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_two_defects_are_both_found(data):
    checks = data.draw(st.lists(st.sampled_from(sorted(corpus.DEFECTS)), min_size=2, max_size=2, unique=True))
    first, second = (corpus.DEFECTS[check] for check in checks)
    assume(not first.touches() & second.touches())
    rows = second.apply(first.apply(SITE))
    found = named(data.draw(st.permutations(rows)), **{**first.options, **second.options})
    assert sorted(found) == sorted([(checks[0], first.name), (checks[1], second.name)])


@st.composite
def written(draw, rows):
    """The same records as others may write them."""
    case = draw(st.sampled_from([str, str.upper]))
    dot = draw(st.booleans())
    items = []
    for zone, name, ttl, kind, data in rows:
        name, zone = case(name), case(zone)
        if kind in ("PTR", "NS", "CNAME", "MX", "SRV"):
            data = case(data)
        if dot:
            name, zone = name.rstrip("."), zone.rstrip(".")
        items.append({"name": name, "type": case(kind), "data": data, "ttl": ttl, "zone": zone})
    return items


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_healthy_sites_have_no_findings(data):
    rows = corpus.site(data.draw(st.integers(1, 40)), data.draw(st.sampled_from([0, 300, 86400])))
    records = data.draw(written(data.draw(st.permutations(rows))))
    before = copy.deepcopy(records)
    zones = data.draw(st.one_of(st.none(), st.lists(st.sampled_from(corpus.ZONES), unique=True, min_size=1)))
    assert findings(records, zones) == []
    assert records == before


PLAIN = [
    {"name": "www.example.com", "type": "AAAA", "data": "2001:db8::80", "ttl": 100},
    {"name": "www.example.com", "type": "A", "data": "192.0.2.80", "ttl": 300},
]


def test_a_finding():
    mismatch, lonely = sorted(findings(PLAIN), key=lambda found: found["severity"], reverse=True)
    assert lonely == {
        "check": "aaaa-without-ptr",
        "severity": "error",
        "zone": None,
        "name": "www.example.com.",
        "type": "AAAA",
        "data": "2001:db8::80",
        "message": "2001:db8::80 of www.example.com. has no PTR record.",
        "fix": "Add the PTR record, as the filter ptr_records makes it.",
    }
    assert mismatch["message"] == "www.example.com. has A with the TTL 300 and AAAA with the TTL 100."


def test_the_case_of_rfc_4472():
    records = [
        {"name": "foo.example.com", "type": "A", "data": "192.0.2.1", "ttl": 300},
        {"name": "foo.example.com", "type": "AAAA", "data": "2001:db8::1", "ttl": 100},
    ]
    assert [found["check"] for found in findings(records, ["example.com"])] == ["ttl-mismatch"]


def test_the_wildcard_of_rfc_4472_and_one_host():
    """One PTR record hides the wildcard at 19 levels; each has to have one of its own again."""
    zone = corpus.V6
    host = corpus.ipaddress.ip_address("2001:db8:1200::1")
    wildcard = {"name": f"*.{zone}", "type": "PTR", "data": "site.example.com", "zone": zone}
    explicit = {"name": corpus.reverse(str(host)), "type": "PTR", "data": "host.example.com", "zone": zone}
    assert findings([wildcard, explicit], [zone])[0]["message"] == (
        f"*.{zone} does not answer below 0.{zone}, 0.0.{zone} and 17 more, where there are names but no wildcard."
    )
    cure = [{**wildcard, "name": f"*.{level}"} for level in corpus.levels(host, zone)]
    assert len(cure) == 19
    assert findings([wildcard, explicit, *cure], [zone]) == []
    for missing in range(19):
        (found,) = findings([wildcard, explicit, *cure[:missing], *cure[missing + 1 :]], [zone])
        assert found["check"] == "wildcard-hidden"


@pytest.mark.parametrize(
    ("records", "options", "checks"),
    [
        # What lies outside of the zones is not judged, and neither are addresses whose reverse zone is elsewhere.
        ([("a.example.com", "MX", "10 mail.example.org")], {"zones": ["example.com"]}, []),
        ([("a.example.com", "MX", "10 mail.example.org")], {}, ["mx-without-address"]),
        ([("a.example.com", "AAAA", "2001:db8::1")], {"zones": ["example.com"]}, []),
        ([("a.example.com", "AAAA", "2001:db8::1")], {"zones": ["example.com", "ip6.arpa"]}, ["aaaa-without-ptr"]),
        ([(corpus.reverse("2001:db8::1"), "PTR", "a.example.org")], {"zones": ["ip6.arpa"]}, []),
        ([(corpus.reverse("2001:db8::1"), "PTR", "a.example.org")], {}, ["ptr-to-nothing"]),
        # IPv4 is only judged where there are reverse names of it.
        ([("a.example.com", "A", "192.0.2.1")], {}, []),
        ([("a.example.com", "A", "192.0.2.1")], {"zones": ["example.com", "2.0.192.in-addr.arpa"]}, ["a-without-ptr"]),
        (
            [("a.example.com", "A", "192.0.2.1")],
            {"zones": ["example.com", "0-25.2.0.192.in-addr.arpa"]},
            ["a-without-ptr"],
        ),
        ([("a.example.com", "A", "192.0.2.200")], {"zones": ["example.com", "0-25.2.0.192.in-addr.arpa"]}, []),
        # Classless zones with and without the CNAME, by either name.
        ([("a.example.com", "A", "192.0.2.1"), ("1.0/25.2.0.192.in-addr.arpa", "PTR", "a.example.com")], {}, []),
        ([("a.example.com", "A", "192.0.2.1"), ("1.0-25.2.0.192.in-addr.arpa", "PTR", "a.example.com")], {}, []),
        (
            [
                ("a.example.com", "A", "192.0.2.1"),
                ("1.2.0.192.in-addr.arpa", "CNAME", "1.customer.2.0.192.in-addr.arpa"),
                ("1.customer.2.0.192.in-addr.arpa", "PTR", "a.example.com"),
            ],
            {},
            [],
        ),
        ([("1.2.0.192.in-addr.arpa", "CNAME", "1.0/25.2.0.192.in-addr.arpa")], {}, []),
        # Several names.
        (
            [
                *((f"{name}.example.com", "AAAA", "2001:db8::1") for name in "ab"),
                *((corpus.reverse("2001:db8::1"), "PTR", f"{name}.example.com") for name in "ab"),
            ],
            {"several_names": ["2001:DB8:0::1"]},
            [],
        ),
        # Service discovery in the reverse tree (RFC 6763, section 11).
        ([("b._dns-sd._udp.0.2.0.192.in-addr.arpa", "PTR", "example.com")], {}, []),
        ([("_http._tcp.example.com", "PTR", "x._http._tcp.example.com")], {}, []),
        # A wildcard stands for many: nobody asks for what it names. It confirms no host but the one that it names.
        (
            [("*.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "a.example.com"), ("a.example.com", "AAAA", "2001:db8::1")],
            {},
            [],
        ),
        (
            [("*.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "pool.example.com"), ("a.example.com", "AAAA", "2001:db8::1")],
            {},
            ["aaaa-without-ptr"],
        ),
        # Addresses.
        ([("a.example.com", "AAAA", "2001:20::1")], {}, ["address-orchid"]),
        ([("a.example.com", "A", "172.31.255.255"), ("a.example.com", "A", "192.168.0.1")], {}, ["ipv4-private"] * 2),
        ([("a.example.com", "AAAA", "3fff::1")], {"zones": ["example.com"]}, []),
        ([("a.example.com", "A", "192.0.2.1")], {"not_public": ["192.0.2.0/24"]}, ["address-declared-not-public"]),
        # SPF: what nobody can tell is no finding.
        (
            [
                ("example.com", "TXT", "v=spf1 ip4:192.0.2.1 include:_spf.example.org -all"),
                ("example.com", "A", "192.0.2.1"),
                ("example.com", "AAAA", "2001:db8::1"),
            ],
            {"zones": ["example.com"]},
            [],
        ),
        (
            [
                ("example.com", "TXT", '"v=spf1 ip4:192.0.2.1" " exists:%{i}.example.org ~all"'),
                ("example.com", "A", "192.0.2.1"),
                ("example.com", "AAAA", "2001:db8::1"),
            ],
            {"zones": ["example.com"]},
            [],
        ),
        (
            [
                ("example.com", "TXT", "V=SPF1 IP4:192.0.2.1 redirect=_spf.example.com"),
                ("_spf.example.com", "TXT", "v=spf1 a:other.example.com//64"),
                ("other.example.com", "AAAA", "2001:db8::2"),
                ("example.com", "A", "192.0.2.1"),
                ("example.com", "AAAA", "2001:db8::1"),
            ],
            {"zones": ["example.com"]},
            [],
        ),
        (
            [
                ("example.com", "TXT", "v=spf1 ip4:192.0.2.0/24 ?all"),
                ("example.com", "A", "192.0.2.1"),
                ("example.com", "AAAA", "2001:db8::1"),
            ],
            {"zones": ["example.com"]},
            ["spf-without-ip6"],
        ),
        # Three names without IPv6: an error for who comes over IPv6 only.
        (
            [
                ("example.com", "TXT", "v=spf1 " + " ".join(f"a:h{n}.example.com" for n in range(3)) + " -all"),
                *((f"h{n}.example.com", "A", f"192.0.2.{n}") for n in range(3)),
            ],
            {"zones": ["example.com"]},
            ["spf-void-lookups"],
        ),
        # A host below a domain with a policy of its own is that policy's affair.
        (
            [
                ("example.com", "TXT", "v=spf1 ip4:192.0.2.0/24 -all"),
                ("news.example.com", "TXT", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"),
                ("news.example.com", "A", "192.0.2.1"),
                ("news.example.com", "AAAA", "2001:db8::1"),
            ],
            {"zones": ["example.com"]},
            [],
        ),
        (
            [("example.com", "TXT", "v=spf1 include:no.example.com include:no.example.com -all")],
            {"zones": ["example.com"]},
            ["spf-include-without-record"],
        ),
        # Names as Active Directory has them.
        ([("gc._msdcs.example.com", "A", "192.0.2.1")], {"zones": ["example.com"]}, []),
        # A name with nothing but names below it exists.
        (
            [("www.example.com", "CNAME", "web.example.com"), ("a.web.example.com", "TXT", "x")],
            {"zones": ["example.com"]},
            [],
        ),
    ],
)
def test_what_is_judged(records, options, checks):
    items = [{"name": name, "type": kind, "data": data} for name, kind, data in records]
    assert [found["check"] for found in findings(items, **options)] == checks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"example.com": 5},), "records: example.com.: 5 is not the text of a zone file"),
        ((["x"],), "records[0]: 'x' is not a dictionary {name, type, data, ttl, zone}"),
        (
            ([{"name": "a.example.com"}],),
            "records[0]: type: nothing is given (null); write the value as text in quotes",
        ),
        (
            ([{"name": "a.example.com", "type": "AAAA", "data": "192.0.2.1"}],),
            "records[0]: data: '192.0.2.1' is IPv4; an IPv6 address such as 2001:db8::80 belongs here",
        ),
        (
            ([{"name": "example.com", "type": "MX", "data": "mail.example.com"}],),
            "records[0]: data: 'mail.example.com' is not the data of a MX record, such as 10 mail.example.com.",
        ),
        (([{**PLAIN[0], "ttl": "1h"}],), "records[0]: ttl: '1h' is not a number of seconds"),
        (([{**PLAIN[0], "ttl": True}],), "records[0]: ttl: True is not a number of seconds"),
        (([], []), "zones: the list is empty, so nothing would be judged; leave it out, or name the zones"),
        (([], {"example.com": 1}), "zones: {'example.com': 1} is not a list"),
        (([], None, [7]), None),
        (([], None, ["mail.example.com"]), "several_names: 'mail.example.com' is neither an IPv6 nor an IPv4 address"),
        (
            ([], None, None, ["2001:db8::1/32"]),
            "not_public: '2001:db8::1/32' has host bits set; the prefix is 2001:db8::/32",
        ),
        (([], None, None, 5), "not_public: 5 is not a list of prefixes"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(RolloutError) as caught:
        findings(*arguments)
    assert message is None or str(caught.value) == message


NAMES = st.sampled_from(
    ["example.com", "a.example.com.", "*.example.com", "BÜCHER.example", ".", "", "a..b", "x y", "a\\.b.example.com"]
    + ["@", "1.2.0.192.in-addr.arpa", "arpa.", "ip6.arpa", "*.ip6.arpa", "0/25.2.0.192.in-addr.arpa", "in-addr.arpa."]
    + ["1.0/25.2.0.192.in-addr.arpa", "a.ip6.arpa", "*", "com", "192.0.2.1", "2001:db8::1", 7, None, "a" * 64, "\udc80"]
)
TYPES = ["A", "AAAA", "PTR", "CNAME", "NS", "MX", "SRV", "SOA", "TXT", "SPF", "DNAME", "DS", "TYPE99", "HTTPS", "x", 5]
DATA = st.one_of(
    NAMES,
    st.sampled_from(["2001:db8::1", "fe80::1", "192.0.2.1", "10 a.example.com", "0 .", "0 0 1 a.example.com", "10"])
    | st.sampled_from(["a b 1 2 3 4 5", "v=spf1", '"v=spf1', "v=spf1 include:a.example.com a/ mx:/ redirect=", {}])
    | st.sampled_from(["v=spf1 a:%{d} exists:x ip4:192.0.2.1/0 ip6:::/0 all=", '"v=spf1 redirect=example.com"', "\0"])
    | st.text().map(lambda text: f"v=spf1 {text}"),
)
RECORDS = st.fixed_dictionaries(
    {"name": NAMES, "type": st.sampled_from(TYPES), "data": DATA},
    optional={"zone": NAMES, "ttl": st.sampled_from([0, -1, 1 << 31, 1 << 40, "60", None, 1.5, []])},
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(RECORDS, max_size=6), st.one_of(st.none(), st.lists(NAMES, max_size=2)))
def test_nothing_that_is_written_ends_in_a_traceback(records, zones):
    read = []
    for record in records:
        try:
            findings([record])
        except RolloutError:
            continue
        read.append(record)
    found = findings(read)
    assert {item["check"] for item in found} <= CHECKS.keys()
    try:
        assert len(findings(read, zones)) >= 0
    except RolloutError:
        pass


def texts(rows):
    """The same records as zone files."""
    files = {}
    for zone, name, ttl, kind, data in rows:
        files[zone] = files.get(zone, "") + f"{name} {ttl} IN {kind} {data}\n"
    return files


def _fits_a_file(defect):
    return all(row[0] and row[2] is not None and row[2] < 1 << 31 for row in defect.put)


@pytest.mark.parametrize(
    ("check", "defect"), [(check, defect) for check, defect in corpus.DEFECTS.items() if _fits_a_file(defect)]
)
def test_each_defect_is_found_in_zone_files(check, defect):
    found = findings(texts(defect.apply(SITE)), **defect.options)
    assert [(item["check"], item["name"]) for item in found] == [(check, defect.name)]


def test_zone_files_are_complete_and_what_is_outside_is_not_judged():
    soa = "$TTL 60\n@ SOA ns1.example.net. h.example.net. 1 7200 900 1209600 3600\n"
    servers = "@ NS ns1.example.net.\n@ NS ns2.example.net.\n"
    assert findings({"example.com": f"{soa}{servers}www CNAME www.example.net.\n@ MX 10 mx.example.net.\n"}) == []


def test_zone_files_without_a_defect():
    assert findings(texts(SITE)) == []
    assert len([defect for defect in corpus.DEFECTS.values() if not _fits_a_file(defect)]) == 1
