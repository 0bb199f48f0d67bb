# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts: literal identifiers, policies, and what never moves."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import identifiers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_prefix
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan import subnet_plan

SUBNET = "2001:db8:1200::/64"
SUBNETS = [{"name": "web"}, {"name": "mail"}, {"name": "site", "subnets": [{"name": "lan"}]}]


def plan(wanted, previous=None, today="2026-01-31", **options):
    return subnet_plan("2001:db8:1200::/48", SUBNETS, previous, wanted, today=today, **options)


def refusal(*args, **options):
    with pytest.raises(RolloutError) as caught:
        plan(*args, **options)
    return str(caught.value)


def host(interface_id=None, subnet="web", ipv4=None):
    return {"subnet": subnet, "interface_id": interface_id, "ipv4": ipv4}


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        ({"literal": "::80"}, "2001:db8:1200::80"),
        ({"literal": "25::160"}, "2001:db8:1200:0:25::160"),
        ({"policy": "ipv4_decimal", "ipv4_address": "192.0.2.80"}, "2001:db8:1200:0:192:0:2:80"),
        ({"policy": "ipv4_decimal", "ipv4_address": "10.1.200.255"}, "2001:db8:1200:0:10:1:200:255"),
        ({"policy": "ipv4_hex", "ipv4_address": "192.0.2.80"}, "2001:db8:1200::c000:250"),
        ({"policy": "service", "service": 25, "ipv4_address": "192.0.2.160"}, "2001:db8:1200:0:25::160"),
        ({"policy": "service", "service": "587", "ipv4_address": "192.0.2.9"}, "2001:db8:1200:0:587::9"),
        ({"policy": "next"}, "2001:db8:1200::1"),
        ({"policy": "next", "used": ["2001:db8:1200::1", "2001:DB8:1200::2"]}, "2001:db8:1200::3"),
        ({"literal": "ipv4_hex", "ipv4_address": "192.0.2.80"}, "2001:db8:1200::c000:250"),
    ],
)
def test_addresses(arguments, address):
    assert identifiers.address_in(SUBNET, **arguments) == address


def test_stable_depends_on_prefix_name_and_seed_and_is_the_same_in_a_plan():
    first = identifiers.address_in("2001:db8:1200::/64", policy="stable", name="www1")
    assert first == identifiers.address_in("2001:DB8:1200::/64", policy="stable", name="www1")
    others = [
        identifiers.address_in("2001:db8:1200:1::/64", policy="stable", name="www1"),
        identifiers.address_in("2001:db8:1200::/64", policy="stable", name="www2"),
        identifiers.address_in("2001:db8:1200::/64", policy="stable", name="www1", seed="x"),
        identifiers.address_in("2001:db8:1200::/64", policy="stable", name="www1", used=[first]),
    ]
    assert len({text[-19:] for text in [first, *others]}) == 5
    assert plan({"www1": host("stable")})["hosts"]["www1"] == first
    assert plan({"www1": host()})["hosts"]["www1"] == first


def test_stable_draws_again_on_what_is_reserved_or_taken():
    place = ipv6_prefix("2001:db8::/112", "x")
    taken = set()
    for number in range(2000):
        address = identifiers.stable_address(place, f"h{number}", taken)
        assert address not in taken
        assert address & 0xFFFF
        assert address & 0xFFFF < 0xFF80
        taken.add(address)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "interface_id: write either an interface identifier such as '::80' or a policy"),
        (
            {"literal": "::80", "policy": "next"},
            "interface_id: write either an interface identifier such as '::80' or a policy",
        ),
        (
            {"literal": 80},
            "interface_id: 80 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a number; put "
            "the value in quotes",
        ),
        (
            {"literal": "80"},
            "interface_id: '80' is neither an interface identifier such as '::80' nor one of ipv4_decimal, "
            "ipv4_hex, service, stable, next",
        ),
        (
            {"literal": "::"},
            "interface_id: '::' makes 2001:db8:1200::, the subnet-router anycast address (RFC 4291, section 2.6.1); "
            "take another one",
        ),
        (
            {"literal": "::fdff:ffff:ffff:fffe"},
            "interface_id: '::fdff:ffff:ffff:fffe' makes 2001:db8:1200:0:fdff:ffff:ffff:fffe, a reserved subnet "
            "anycast address (RFC 2526); take another one",
        ),
        (
            {"policy": "ipv4_hex"},
            "interface_id: the policy ipv4_hex needs the host's IPv4 address; set ansible_host to it",
        ),
        ({"policy": "stable"}, "interface_id: the policy stable needs the host's name"),
        (
            {"policy": "service", "ipv4_address": "192.0.2.9"},
            "interface_id: the policy service needs the number of a service; set ipv6_service to it",
        ),
        (
            {"policy": "service", "service": 25},
            "interface_id: the policy service needs the host's IPv4 address; set ansible_host to it",
        ),
        (
            {"policy": "service", "service": 65535, "ipv4_address": "192.0.2.9"},
            "interface_id: 65535 is no number of a service for an identifier; one to four decimal digits, such as 25, "
            "fit into a group of an address",
        ),
        (
            {"policy": "random"},
            "policy: 'random' is neither an interface identifier such as '::80' nor one of ipv4_decimal, ipv4_hex, "
            "service, stable, next",
        ),
        (
            {"literal": "2001:db8:1200::80"},
            "interface_id: '2001:db8:1200::80' is not an interface identifier such as '::80'",
        ),
    ],
)
def test_address_refusals(arguments, message):
    with pytest.raises(RolloutError) as caught:
        identifiers.address_in(SUBNET, **arguments)
    assert str(caught.value) == message


def test_identifier_of():
    assert identifiers.identifier_of("2001:db8:1200::80", 64) == "::80"
    assert identifiers.identifier_of("2001:db8:1200::c000:250", 64) == "::c000:250"
    assert identifiers.identifier_of("2001:db8:1200:0:25::160", 64) == "::25:0:0:160"
    assert identifiers.identifier_of("2001:db8:1200::80", 48) == "::80"
    assert identifiers.identifier_of("2001:db8:1200:8001::80", 56) == "::1:0:0:0:80"


def test_a_policy_only_chooses_the_first_address():
    before = plan({"a": host("ipv4_decimal", ipv4="192.0.2.1"), "b": host("next"), "c": host("stable")})
    after = plan({"c": host("next"), "b": host("stable"), "a": host("ipv4_decimal", ipv4="192.0.2.99")}, before)
    assert after["hosts"] == before["hosts"]


def test_next_passes_by_what_is_retired_until_it_is_purged():
    before = plan({"a": host("next"), "b": host("next")})
    less = plan({"b": host("next")}, before, today="2026-02-01")
    assert plan({"b": host("next"), "c": host("next")}, less)["hosts"]["c"] == "2001:db8:1200::3"
    purged = plan({"b": host("next")}, less, purge=True)
    assert plan({"b": host("next"), "c": host("next")}, purged)["hosts"]["c"] == "2001:db8:1200::1"
    assert plan({"b": host("next"), "a": host("stable")}, less)["hosts"]["a"] == "2001:db8:1200::1"


def test_a_host_and_its_services():
    made = plan({"mail1": host("::160"), "mail1/smtp": host("25::160"), "mail1/imap": host("143::160")})
    assert made["hosts"]["mail1/smtp"] == "2001:db8:1200:0:25::160"
    assert len(made["hosts"]) == 3


def test_the_service_of_a_host_is_what_it_says_or_its_name_or_its_first_service():
    spec = {"subnet": "web", "interface_id": "service", "ipv4": "192.0.2.160"}
    made = plan(
        {
            "a": {**spec, "service": "imap"},
            "a/smtp": spec,
            "a/465": spec,
            "b": {
                **spec,
                "services": [{"name": "http", "port": 80}, {"name": "smtp", "port": 25}],
                "ipv4": "192.0.2.7",
            },
        }
    )
    assert made["hosts"] == {
        "a/smtp": "2001:db8:1200:0:25::160",
        "b": "2001:db8:1200:0:80::7",
        "a": "2001:db8:1200:0:143::160",
        "a/465": "2001:db8:1200:0:465::160",
    }
    assert refusal({"c/x": spec}) == (
        "ipv6_interface_id of c/x: 'x' is no number of a service for an identifier; one to four decimal digits, "
        "such as "
        "25, fit into a group of an address"
    )


def test_a_literal_goes_before_what_is_found():
    made = plan({"a": host("next"), "b": host("::1")})
    assert made["hosts"] == {"b": "2001:db8:1200::1", "a": "2001:db8:1200::2"}


def test_the_whole_specification_of_a_host_will_do():
    spec = {
        **host("::80"),
        "names": ["www.example.com"],
        "lab_names": [],
        "services": [],
        "daemons": [],
        "mail_domains": [],
    }
    assert plan({"www1": spec})["hosts"] == {"www1": "2001:db8:1200::80"}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"a": host("::80"), "b": host("::80")},
            "ipv6_interface_id of b: 2001:db8:1200::80 is the address of a; take another one",
        ),
        (
            {"a": host("::80"), "b": host("0:0:0:80")},
            "ipv6_interface_id of b: 2001:db8:1200::80 is the address of a; take another one",
        ),
        (
            {"a": host(80)},
            "ipv6_interface_id of a: 80 is a number, not text: YAML turns an unquoted 80, 1:20 or 2001:10 into a "
            "number; put the value in quotes",
        ),
        (
            {"a": host("::0")},
            "ipv6_interface_id of a: '::0' makes 2001:db8:1200::, the subnet-router anycast address (RFC 4291, "
            "section 2.6.1); take another one",
        ),
        (
            {"a": host("::80", "wep")},
            "ipv6_subnet of a: 'wep' is not in ipv6_subnets; add it there, or take one of mail, site/lan, web",
        ),
        (
            {"a": host("::80", "lan")},
            "ipv6_subnet of a: 'lan' is not in ipv6_subnets; add it there, or take one of site/lan",
        ),
        ({"a": host("::80", "site")}, "ipv6_subnet of a: 'site' has subnets of its own; take one of site/lan"),
        (
            {"a": {"interface_id": "::80"}},
            "ipv6_subnet of a: nothing is given (null); write the value as text in quotes",
        ),
        (
            {"a": host("ipv4_decimal")},
            "ipv6_interface_id of a: the policy ipv4_decimal needs the host's IPv4 address; set ansible_host to it",
        ),
        (
            {"a": host("ipv4_decimal", ipv4="2001:db8::1")},
            "ipv6_interface_id of a: '2001:db8::1' is not IPv4; an IPv4 address such as 192.0.2.80 belongs here",
        ),
        ({"a b": host("::80")}, "hosts: 'a b' is no host name, or host/service"),
        ({"a": "web"}, "hosts: a: 'web' is not a dictionary; write {subnet, interface_id, ipv4}"),
        (
            {"a": {"subnet": "web", "iid": "::1"}},
            "hosts: a: 'iid' is not known here; a host has subnet, interface_id, ipv4, service",
        ),
        ([], "hosts: [] is not a dictionary; write {name: {subnet, interface_id, ipv4}}"),
    ],
)
def test_refusals(wanted, message):
    assert refusal(wanted) == message


def test_nothing_moves_in_silence():
    before = plan({"a": host("::80")})
    way_out = (
        "nothing that has a place moves; put it back, or, to move it on purpose, take its line out of 'hosts' in the "
        "plan"
    )
    assert refusal({"a": host("::81")}, before) == (
        f"ipv6_interface_id of a: '::81' in web makes another address than the plan has for it, 2001:db8:1200::80; "
        f"{way_out}"
    )
    assert refusal({"a": host("::80", "mail")}, before) == (
        f"ipv6_subnet of a: mail is 2001:db8:1200:8000::/64, but the plan has 2001:db8:1200::80 for it; {way_out}"
    )


def test_an_address_that_was_somebody_elses():
    less = plan({}, plan({"a": host("::80")}), today="2026-02-01")
    assert refusal({"b": host("::80")}, less) == (
        "ipv6_interface_id of b: 2001:db8:1200::80 was the address of a, retired since 2026-02-01 and not purged; take "
        "another one, or purge the plan"
    )
    assert plan({"b": host("::80")}, plan({}, less, purge=True))["hosts"] == {"b": "2001:db8:1200::80"}


def test_a_host_that_comes_back_elsewhere_leaves_its_old_address_retired():
    less = plan({}, plan({"a": host("::80")}), today="2026-02-01")
    moved = plan({"a": host("::81")}, less)
    assert moved["hosts"] == {"a": "2001:db8:1200::81"}
    gone = plan({}, moved, today="2026-03-01")
    assert gone["retired"]["hosts"] == {
        "a@2026-02-01": {"address": "2001:db8:1200::80", "since": "2026-02-01"},
        "a": {"address": "2001:db8:1200::81", "since": "2026-03-01"},
    }


def test_a_small_subnet_that_is_full():
    subnets = [{"name": "l", "length": 126}]
    wanted = {name: {"subnet": "l", "interface_id": "next"} for name in "abcd"}
    made = subnet_plan("2001:db8:1200::/64", subnets, None, {name: wanted[name] for name in "abc"}, today="x")
    assert len(made["hosts"]) == 3
    with pytest.raises(RolloutError) as caught:
        subnet_plan("2001:db8:1200::/64", subnets, None, wanted, today="x")
    assert str(caught.value).startswith("ipv6_subnet of d: l (2001:db8:1200::8000:0:0:0/126) has no free") or str(
        caught.value
    ).startswith("ipv6_subnet of d: l (2001:db8:1200:0:8000::/126) has no free address left")


@pytest.mark.parametrize(
    ("short", "long", "identifier"),
    [(112, 120, "::f0"), (56, 64, "::ffff:ffff:ffff:ff90"), (60, 64, "::fdff:ffff:ffff:ff90")],
)
def test_a_length_that_makes_an_address_a_reserved_one_is_refused_at_once(short, long, identifier):
    def tree(length):
        return [{"name": "web", "length": length}]

    wanted = {"h": host(identifier)}
    before = subnet_plan("2001:db8:1200::/48", tree(short), None, wanted, today="2026-01-31")
    with pytest.raises(RolloutError) as caught:
        subnet_plan("2001:db8:1200::/48", tree(long), before, wanted, today="2026-01-31")
    assert str(caught.value).startswith(f"ipv6_subnets: web: length: as a /{long}, it makes the address of h, ")
    gone = subnet_plan("2001:db8:1200::/48", tree(long), before, {}, today="2026-01-31")
    back = subnet_plan("2001:db8:1200::/48", tree(long), gone, {"h": host("stable")}, today="2026-01-31")
    assert back["hosts"]["h"] != before["hosts"]["h"]


@pytest.mark.parametrize("more", [{"services": 5}, {"services": [[1]]}, {"service": ["a"]}])
def test_a_service_that_is_none(more):
    assert refusal({"a": {**host("service", ipv4="192.0.2.1"), **more}}).startswith("ipv6_interface_id of a: ")
