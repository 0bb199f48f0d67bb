# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PTR records for ranges: $GENERATE lines, Knot's configuration, wildcards."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess

import dns.message
import dns.query
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.reverse import name_of
from ansible_collections.ipv6.rollout.plugins.plugin_utils.synthesis import ptr_range, wildcards
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import HEAD, NAMED, Named

COMPILE = shutil.which("named-compilezone")
KNOTC = shutil.which("knotc", path="/usr/sbin:/usr/local/sbin:/usr/bin")
TEMPLATE = "host-{address}.dyn.example.com"
NET = "0.0.0.0.0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
BASE = 0x20010DB8120000000000000000000000


def compiled(folder, zone, lines):
    """Return what named-compilezone makes of lines: {(owner, type): data}."""
    (folder / "zone").write_text(HEAD + lines)
    argv = [COMPILE, "-i", "none", "-o", "-", "-s", "full", zone, str(folder / "zone")]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = (line.split() for line in done.stdout.splitlines() if line and not line.startswith(";"))
    return {(row[0], row[3]): row[4] for row in rows if len(row) == 5 and row[3] in ("PTR", "AAAA")}


@pytest.mark.skipif(COMPILE is None, reason="named-compilezone is not installed (Debian package bind9-utils)")
@settings(max_examples=15, deadline=None)
@given(st.integers(0, (1 << 64) - 4096), st.integers(0, 3000))
@pytest.mark.parametrize("near", [False, True])
def test_generate_covers_a_range_exactly(tmp_path_factory, near, low, more):
    if near:  # over the end of a block of 65,536
        low = min(low | 0xFF00, (1 << 64) - 4096)
    first, last = BASE + low, BASE + low + more
    addresses = [str(ipaddress.IPv6Address(number)) for number in range(first, last + 1)]
    made = ptr_range(f"{addresses[0]}-{addresses[-1]}", TEMPLATE)
    folder = tmp_path_factory.mktemp("zone")
    pointers = compiled(folder, "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa", made["reverse"])
    assert {owner for owner, _type in pointers} == {name_of(6, number) for number in range(first, last + 1)}
    forward = compiled(folder, "dyn.example.com", made["forward"])
    assert {target: owner for (owner, _type), target in pointers.items()} == {
        name: name_of(6, int(ipaddress.IPv6Address(address))) for (name, _type), address in forward.items()
    }


def test_a_million_in_16_lines():
    made = ptr_range("2001:db8:1200::/108", TEMPLATE)
    assert made["reverse"].count("\n") == made["forward"].count("\n") == 16


@pytest.mark.skipif(KNOTC is None, reason="knotc is not installed (Debian package knot)")
@pytest.mark.parametrize("value", ["2001:db8:1200::/64", "2001:db8::/29", "2001:db8:1200::5-2001:db8:1200::ffff:1"])
def test_knot_takes_its_configuration(tmp_path, value):
    made = ptr_range(value, TEMPLATE, server="knot", zone=None if "/" in value else NET)
    (tmp_path / "knot.conf").write_text(made["reverse"] + made["forward"])
    done = subprocess.run(
        [KNOTC, "-c", str(tmp_path / "knot.conf"), "conf-check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(NAMED is None, reason="named is not installed (Debian package bind9)")
@pytest.mark.parametrize("cured", [True, False])
def test_wildcards_answer_beside_explicit_names(tmp_path, cured):
    explicit = ["2001:db8:1200::1", "2001:db8:1200::80", "2001:db8:1200:0:8000::5"]
    owners = [name_of(6, int(ipaddress.IPv6Address(text))) for text in explicit]
    made = ptr_range("2001:db8:1200::/64", "dyn.example.com", server="wildcard", explicit=explicit if cured else [])
    lines = made["reverse"] + "".join(f"{owner} 60 IN PTR h.example.com.\n" for owner in owners)
    server = Named(tmp_path, {"example.com": HEAD + "ns1 IN A 192.0.2.53\n", NET[:-1]: HEAD + lines})
    server.start()
    answers = {}
    try:
        for text in [*explicit, *(f"2001:db8:1200::{tail}" for tail in ("2", "8000", "1:0:0:1", "81", "ffff:0:0:0"))]:
            name = name_of(6, int(ipaddress.IPv6Address(text)))
            found = dns.query.tcp(dns.message.make_query(name, "PTR"), server.address, port=server.port, timeout=5)
            answers[text] = str(found.answer[0][0]) if found.answer else dns.rcode.to_text(found.rcode())
    finally:
        server.stop()
    assert [answers.pop(text) for text in explicit] == ["h.example.com."] * 3
    if cured:
        assert set(answers.values()) == {"dyn.example.com."}
    else:
        assert answers["2001:db8:1200::2"] == "NXDOMAIN", "this is the trap"


def test_the_wildcards_of_the_reference():
    zone = "0.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa."
    found = wildcards(zone, [name_of(6, BASE + 1), name_of(6, 1)])
    assert len(found) == 20, "one for the zone, and one for each of the 19 levels"
    assert f"*.{zone}" in found and f"*.{name_of(6, BASE).partition('.')[2]}" in found


def test_whole_addresses_need_no_wildcard():
    made = ptr_range("2001:db8:1200::/127", "a.example.com", server="wildcard", explicit=["2001:db8:1200::1"])
    assert made == {"reverse": f"{name_of(6, BASE)} 3600 IN PTR a.example.com.\n", "forward": ""}


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ("2001:db8::/64", {}, "has more than 1048576 addresses, and BIND would hold a record for each; use server=wil"),
        ("2001:db8::2-2001:db8::1", {}, "ends before it begins"),
        ("192.0.2.0/24", {}, "is IPv4"),
        (5, {}, "range: 5 is a number"),
        (None, {}, "range: nothing is given"),
        ({}, {}, "range: {} is a dictionary"),
        ("2001:db8::/120", {"template": "dyn.example.com"}, "first label ends in {address}"),
        ("2001:db8::/120", {"template": "{address}x.example.com"}, "first label ends in {address}"),
        ("2001:db8::/120", {"template": "a.{address}.example.com"}, "first label ends in {address}"),
        ("2001:db8::/120", {"template": "a" * 25 + "{address}.example.com"}, "at most 24 fit"),
        ("2001:db8::/120", {"template": "a{address}.$.example.com"}, "is not a domain name"),
        ("2001:db8::/120", {"server": "nsd"}, "server: 'nsd' is not known here; bind, knot, wildcard are"),
        ("2001:db8::/120", {"zone": NET}, "zone: 2001:db8:: is not inside"),
        ("2001:db8::/120", {"ttl": -1}, "ttl: -1 is not a number of seconds"),
        ("2001:db8::/120", {"explicit": ["2001:db8::1"]}, "explicit: it is for server=wildcard only"),
        ("2001:db8::1-2001:db8::2", {"server": "knot"}, "give the reverse zone that holds it"),
        ("2001:db8::1-2001:db8::2", {"server": "wildcard", "template": "a.example.com"}, "whole prefixes only"),
        ("2001:db8::/64", {"server": "wildcard"}, "a wildcard has one name for all"),
        ("2001:db8::/64", {"server": "wildcard", "template": "a.example.com", "explicit": "x"}, "not a list"),
    ],
)
def test_refusals(value, options, message):
    with pytest.raises(RolloutError) as caught:
        ptr_range(value, options.pop("template", TEMPLATE), **options)
    assert message in str(caught.value)
