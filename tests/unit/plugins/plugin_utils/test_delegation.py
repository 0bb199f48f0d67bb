# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parent zone needs."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.delegation import zone_delegation
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.dns_named import HEAD

CHECKER = shutil.which("named-checkzone")
NS = ["ns1.example.com", "NS2.example.net."]


def checked(folder, zone, text):
    """Put the records into a parent zone."""
    if CHECKER is None:
        return
    needed = "ns1.example.com. IN A 192.0.2.1\n" if zone == "example.com" else ""
    (folder / "zone").write_text(HEAD + needed + text)
    done = subprocess.run(
        [CHECKER, "-i", "local", zone, str(folder / "zone")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_prefix_that_takes_two_zones(tmp_path):
    made = zone_delegation("2001:db8:1200::/47", NS, parent="8.b.d.0.1.0.0.2.ip6.arpa")
    assert made == "".join(
        f"{digit}.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa. 86400 IN NS {server}\n"
        for digit in "01"
        for server in ("ns1.example.com.", "ns2.example.net.")
    )
    checked(tmp_path, "8.b.d.0.1.0.0.2.ip6.arpa", made)


def test_glue_only_where_it_is_needed_and_with_one_ttl(tmp_path):
    glue = {
        "ns1.sub.example.com": ["2001:db8::53", "192.0.2.53", "2001:DB8:0::53"],
        "ns2.example.net": ["198.51.100.53"],
    }
    made = zone_delegation("sub.example.com", ["ns1.sub.example.com", "ns2.example.net"], glue, "example.com", 3600)
    assert made == (
        "sub.example.com. 3600 IN NS ns1.sub.example.com.\n"
        "sub.example.com. 3600 IN NS ns2.example.net.\n"
        "ns1.sub.example.com. 3600 IN A 192.0.2.53\n"
        "ns1.sub.example.com. 3600 IN AAAA 2001:db8::53\n"
    )
    checked(tmp_path, "example.com", made)


@pytest.mark.parametrize("value", ["192.0.2.128/26", "128/26.2.0.192.in-addr.arpa", "128-26.2.0.192.in-addr.arpa"])
def test_a_classless_zone(tmp_path, value):
    made = zone_delegation(value, NS).splitlines()
    zone = "128-26.2.0.192.in-addr.arpa." if "-26" in value else "128/26.2.0.192.in-addr.arpa."
    assert made[0] == f"{zone} 86400 IN NS ns1.example.com."
    assert made[3] == f"129.2.0.192.in-addr.arpa. 86400 IN CNAME 129.{zone}"
    assert len(made) == 2 + 64
    checked(tmp_path, "2.0.192.in-addr.arpa", "\n".join([*made, ""]))


def test_the_letter():
    letter = zone_delegation(["2001:db8:1200::/47", "example.org"], NS, form="text")
    assert letter.startswith("Please delegate the zones of 2001:db8:1200::/47, example.org to our name servers.\n")
    assert "3 zones:" in letter and zone_delegation(["2001:db8:1200::/47", "example.org"], NS) in letter
    assert letter.count("dig +norecurse @") == 6


@pytest.mark.parametrize(
    ("value", "options", "message"),
    [
        ([], {}, "zones: [] is not a list of zones, or prefixes"),
        (None, {}, "zones: None is not a list"),
        ([None], {}, "zones: nothing is given"),
        ("2001:db8::1/47", {}, "has host bits set"),
        ("192.0.2.1", {}, "is an address"),
        ("example.org", {"parent": "example.com"}, "parent: example.org. is not inside example.com."),
        ("example.org", {"parent": "example.org"}, "parent: example.org. is not inside example.org."),
        ("example.com", {}, "glue: ns1.example.com. is inside a zone that is delegated to it"),
        ("example.org", {"ns": []}, "ns: [] is not a list of name servers"),
        ("example.org", {"ns": "192.0.2.1"}, "is an address"),
        ("example.org", {"glue": ["x"]}, "glue: ['x'] is not a dictionary"),
        ("example.org", {"glue": {"ns1.example.com": ["x"]}}, "glue: ns1.example.com.: 'x' is neither an IPv6"),
        ("example.org", {"glue": {"ns1.example.com": None}}, "glue: ns1.example.com.: None is not a list of addresses"),
        ("example.org", {"ttl": "x"}, "ttl: 'x' is not a number of seconds"),
        ("example.org", {"form": "html"}, "format: 'html' is not known here; zone and text are"),
        ("10/26.2.0.192.in-addr.arpa", {}, "does not begin at a multiple of its 64 addresses"),
    ],
)
def test_refusals(value, options, message):
    with pytest.raises(RolloutError) as caught:
        zone_delegation(value, options.pop("ns", NS), **options)
    assert message in str(caught.value)
