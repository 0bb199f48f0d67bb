# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module zone decides. What servers make of it is in test_zone_files.py."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_update, zone_plan, zone_result, zone_wanted

NOON = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.timezone.utc)
TEXT = """\
$TTL 1h
@ IN SOA ns1 hostmaster 2026010100 1h 15m 2w 1h
@ NS ns1
ns1 A 192.0.2.53
www 600 A 192.0.2.80
www 600 AAAA 2001:db8::80
alias CNAME www
sub NS ns.sub
ns.sub A 192.0.2.99
"""
BLOCK = """\
; ipv6.rollout: begin 0123456789ab (edited by hand)
mine.example.com. 60 IN A 192.0.2.7
; ipv6.rollout: end
"""


def there(text: str | None = TEXT, **changed: t.Any) -> dict[str, t.Any]:
    found = {"file": "/z/example.com", "views": [""], "declared": True, "ours": False, "digest": "x"}
    found.update(serials=[2026010100], reachable=True)
    return {"example.com.": {**found, "texts": {} if text is None else {"": text}, **changed}}


def plan(
    zones: list[t.Any],
    records: t.Sequence[t.Any] = (),
    found: dict[str, t.Any] | None = None,
    state: str = "present",
    exclusive: bool = False,
    **policy: t.Any,
) -> zone_plan.Plan:
    wish = dns_update.wanted(list(records), [], state, exclusive)
    return zone_plan.plan(zone_wanted.zones(zones), wish, found or there(), zone_wanted.Policy(**policy), NOON)


def aaaa(name: str, data: str = "2001:db8::1", **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "type": "AAAA", "data": data, **more}


@pytest.mark.parametrize(
    ("zones", "why"),
    [
        ("example.com", "zones: 'example.com' is not a list of zones"),
        ([5], "zones[0].name: 5 is a number"),
        ([{"name": None}], "zones[0].name: nothing is given"),
        ([{"name": "example.com", "serial": 1}], "zones[0]: 'serial' is not known here"),
        (["example.com", "EXAMPLE.com."], "the zone example.com. is there twice"),
        ([{"name": "example.com", "file": "db"}], "zones[0].file: 'db' is not the path of a file"),
        ([{"name": "example.com", "file": '/etc/"x'}], "is not the path of a file"),
        ([{"name": "2001:db8::/47", "file": "/etc/x"}], "takes 2 zones, which do not fit into one file"),
        ([{"name": "example.com", "ns": "ns1"}], "zones[0].ns: 'ns1' is not a list"),
        ([{"name": "example.com", "ns": ["192.0.2.1"]}], "zones[0].ns[0]: '192.0.2.1' is an address"),
        ([{"name": "example.com", "soa": {"serial": 5}}], "the serial number is found by itself"),
        ([{"name": "example.com", "soa": []}], "zones[0].soa: [] is not a dictionary"),
        ([{"name": "example.com", "ttl": -1}], "zones[0]: ttl: -1 is not a number of seconds"),
        ([{"name": "2001:db8::1/48"}], "host bits"),
    ],
)
def test_bad_zones_are_named(zones: t.Any, why: str) -> None:
    with pytest.raises(RolloutError) as caught:
        zone_wanted.zones(zones)
    assert why in str(caught.value)


def test_a_prefix_stands_for_all_of_its_zones() -> None:
    found = zone_wanted.zones(["2001:db8:1200::/46", "192.0.2.0/24", "128/26.2.0.192.in-addr.arpa"])
    assert [zone.name for zone in found] == [
        *(f"{digit}.0.2.1.8.b.d.0.1.0.0.2.ip6.arpa." for digit in "0123"),
        "2.0.192.in-addr.arpa.",
        "128/26.2.0.192.in-addr.arpa.",
    ]


@pytest.mark.parametrize(
    ("records", "policy", "why"),
    [
        ([aaaa("www.example.net")], {}, "in none of the zones that the call names; add its zone"),
        ([aaaa("alias.example.com")], {}, "it is an alias of www.example.com."),
        ([aaaa("box.sub.example.com")], {}, "the zone sub.example.com. is delegated to other servers"),
        ([aaaa("www.example.com")], {"foreign": "refuse"}, "(line 4) is not among the wanted records"),
    ],
)
def test_what_is_refused(records: list[t.Any], policy: dict[str, t.Any], why: str) -> None:
    with pytest.raises(RolloutError) as caught:
        plan(["example.com"], records, **policy)
    assert why in str(caught.value)


def test_glue_and_delegations_may_be_written() -> None:
    records = [
        aaaa("ns.sub.example.com"),
        {"name": "other.example.com", "type": "NS", "data": "ns1.example.com"},
    ]
    (job,) = plan(["example.com"], records).jobs
    assert "ns.sub.example.com. 3600 IN AAAA 2001:db8::1\n" in str(job.text)


def test_a_zone_that_is_not_there_needs_its_servers() -> None:
    with pytest.raises(RolloutError) as caught:
        plan(["example.com"], found=there(None))
    assert "so it needs ns, its servers" in str(caught.value)
    zone = {"name": "example.com", "ns": ["ns1.example.net"], "ttl": 60, "soa": {"minimum": 30}}
    (job,) = plan([zone], found=there(None, declared=False)).jobs
    assert job.text == (
        "$ORIGIN example.com.\n$TTL 60\n"
        "@ IN SOA ns1.example.net. hostmaster.example.net. 2026112100 7200 900 1209600 30\n"
        "@ IN NS ns1.example.net.\n"
    )


def test_the_serial_passes_the_one_that_is_served() -> None:
    assert (
        plan(["example.com"], [aaaa("new.example.com")], there(serials=[2026010100, 2026112105])).jobs[0].serial
        == 2026112106
    )
    assert plan(["example.com"], [aaaa("new.example.com")], there(serials=[2026010100])).jobs[0].serial == 2026112100


def test_a_serial_ahead_of_the_date_is_told_with_the_way_back() -> None:
    found = plan(["example.com"], [aaaa("new.example.com")], there(serials=[3000000000]))
    assert found.jobs[0].serial == 3000000001
    (warning,) = found.warnings
    assert "publish 852516351, then 2026112100" in warning


def test_name_servers_are_exactly_those_that_are_given() -> None:
    zone = {"name": "example.com", "ns": ["ns1.example.com", "ns2.example.net"]}
    (job,) = plan([zone]).jobs
    assert "example.com. 3600 IN NS ns2.example.net.\n" in str(job.text)
    (job,) = plan([{"name": "example.com", "ns": ["ns2.example.net"]}]).jobs
    assert "@ 3600 IN NS ns2.example.net.\n" in str(job.text)
    assert plan([{"name": "example.com", "ns": ["NS1.example.com."]}]).jobs == []


def test_lines_that_somebody_put_between_the_marks() -> None:
    found = there(TEXT + BLOCK)
    with pytest.raises(RolloutError) as caught:
        plan(["example.com"], [aaaa("new.example.com")], found, purge=True)
    assert "somebody has edited the lines between the marks" in str(caught.value)
    with pytest.raises(RolloutError) as caught:
        plan(["example.com"], found=found, state="absent")
    assert "somebody has edited the lines between the marks" in str(caught.value)
    (job,) = plan(["example.com"], [aaaa("new.example.com")], found).jobs
    assert "mine.example.com. 60 IN A 192.0.2.7\n" in str(job.text)
    (job,) = plan(["example.com"], [aaaa("new.example.com")], found, foreign="remove").jobs
    assert "mine.example.com." not in str(job.text)


def test_nothing_to_do_is_no_job() -> None:
    assert plan(["example.com"], [aaaa("www.example.com", "2001:DB8::0080")]).jobs == []
    assert plan(["example.com"], state="absent").jobs == []
    assert plan(["example.com"], [aaaa("www.example.com")], there(None), state="absent").jobs == []
    # A file that no server has.
    stray = there(declared=False, serials=[])
    assert plan(["example.com"], [aaaa("www.example.com", "2001:db8::80")], stray, state="absent").jobs == []
    assert plan(["example.com"], found=stray, state="absent").jobs == []


def test_records_are_taken_out_of_the_file_that_they_are_in() -> None:
    """A file may hold names of others: glue, and what is outside of the zone."""
    text = TEXT + "www.sub A 192.0.2.8\nns1.example.net. A 192.0.2.1\n"
    child = "$TTL 1h\n@ IN SOA ns hostmaster 2026010100 1h 15m 2w 1h\n@ NS ns\nns A 192.0.2.99\n"
    both = {**there(text), "sub.example.com.": {**there(child)["example.com."], "file": "/z/sub"}}
    found = plan(["example.com", "sub.example.com"], found=both, foreign="remove")
    jobs = {job.zone: str(job.text) for job in found.jobs}
    assert "www.sub" not in jobs["example.com."] and "ns1.example.net." not in jobs["example.com."]
    assert "192.0.2.99" not in jobs["sub.example.com."]
    again = {name: {**both[name], "texts": {"": jobs[name]}, "serials": [2026112100]} for name in both}
    assert plan(["example.com", "sub.example.com"], found=again, foreign="remove").jobs == []


def test_name_servers_are_given_in_one_way() -> None:
    with pytest.raises(RolloutError) as caught:
        plan(
            [{"name": "example.com", "ns": ["ns1.example.com"]}],
            [{"name": "example.com", "type": "NS", "data": "ns2.example.net"}],
        )
    assert "the zone has ns already" in str(caught.value)


def test_a_zone_that_is_only_looked_into_may_be_signed() -> None:
    signed = TEXT + "www RRSIG A 8 3 600 20300101000000 20260101000000 1 example.com. AAAA\n"
    zone = "8.b.d.0.1.0.0.2.ip6.arpa."
    reverse = "$TTL 1h\n@ IN SOA ns1 hostmaster 2026010100 1h 15m 2w 1h\n@ NS ns1.example.com.\n"
    both = {**there(signed), zone: {**there(reverse)["example.com."], "file": "/z/reverse"}}
    record = {"name": f"{'0.' * 24}{zone}", "type": "PTR", "data": "www.example.com", "fallback": "lab.example.com"}
    found = plan(["2001:db8::/32"], [record], both)
    assert [job.zone for job in found.jobs] == [zone]
    assert "so the record points to lab.example.com." in found.warnings[0]


def test_what_is_returned_and_what_is_sent() -> None:
    found = plan(["example.com"], [aaaa("www.example.com", "2001:db8::81")], exclusive=True)
    result = zone_result.result(found, there(), with_diff=True)
    assert result["zones"] == [
        {
            "zone": "example.com.",
            "file": "/z/example.com",
            "serial": 2026112100,
            "added": ["www.example.com. 600 IN AAAA 2001:db8::81"],
            "removed": ["www.example.com. 600 IN AAAA 2001:db8::80"],
        }
    ]
    assert result["records"] == [{"name": "www.example.com.", "type": "AAAA", "ttl": 600, "data": "2001:db8::81"}]
    assert result["diff"][0]["before"] == "www.example.com. 600 IN AAAA 2001:db8::80\n"
    (job,) = zone_result.jobs(found, there())
    assert (job["path"], job["digest"], job["serial"], job["declare"]) == ("/z/example.com", "x", 2026112100, False)
