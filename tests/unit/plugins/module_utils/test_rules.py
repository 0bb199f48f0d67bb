# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule set as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import ip6tables, rules
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

HTTP = {"name": "http", "port": 80}
DNS = {"name": "dns", "port": 53, "protocol": "udp", "sources": ["2001:db8:5::/48", "2001:db8:6::1"]}


def expand(ranges):
    """Return the numbers of a text such as ``5-99,102-126``."""
    spans = [part.split("-") for part in ranges.split(",")]
    return [number for first, last in spans for number in range(int(first), int(last) + 1)]


def made(services=(HTTP, DNS), lab=("2001:db8:feed::/64",), management=(), live="", opened=None):
    """Return the policy and the table that it makes."""
    policy = rules.policy(lab, management, 22, services)
    return policy, rules.wanted_table(policy, policy.services if opened is None else opened, rules.parse(live))


def position(table, part):
    """Return the place of the first rule that contains some text."""
    return next(place for place, rule in enumerate(table.rules) if part in rule)


def test_order_keeps_people_in():
    _policy, table = made(management=["2001:db8:aa::/48"])
    icmp = position(table, f"-j {rules.ICMP_CHAIN}")
    assert icmp < position(table, "ctstate INVALID")
    reject = position(table, "tcp-reset")
    for part in ("lab machine", "management", "service http", "service dns", "--dport 546"):
        assert position(table, part) < reject


def test_policies_deny():
    _policy, table = made()
    assert table.policies == {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "ACCEPT"}


def test_closed_services_have_no_rule():
    _policy, table = made(opened=[])
    assert "service" not in table.text


def test_sources_become_one_rule_each():
    policy, table = made()
    assert [rule for rule in table.rules if "service dns" in rule] == [
        f'-A INPUT -s {source} -p udp -m udp --dport 53 -m comment --comment "ipv6.rollout: service dns" -j ACCEPT'
        for source in ("2001:db8:5::/48", "2001:db8:6::1/128")
    ]
    assert rules.open_services(table, policy.services) == list(policy.services)


def test_a_service_with_one_source_missing_is_not_open():
    policy, table = made()
    less = table._replace(rules=[rule for rule in table.rules if "2001:db8:6::1" not in rule])
    assert [one.name for one in rules.open_services(less, policy.services)] == ["http"]


RFC4890 = [
    (str(kind), entry)
    for entry in json.loads((Path(__file__).parents[2] / "vectors/rfc4890-icmpv6.json").read_text())["types"]
    for kind in ([entry["type"]] if isinstance(entry["type"], int) else expand(entry["type"]))
]
"""Every ICMPv6 type with what RFC 4890 says of it, at a host (4.4) and in transit (4.3)."""


@pytest.mark.parametrize(("kind", "entry"), RFC4890, ids=[kind for kind, _entry in RFC4890])
def test_icmpv6_is_let_in_as_rfc_4890_says(kind, entry):
    let_in = any(f"--icmpv6-type {kind} " in rule for rule in rules.icmpv6_rules())
    assert let_in == (entry["host_input"] in ("must-accept", "should-accept"))


@pytest.mark.parametrize(("kind", "entry"), RFC4890, ids=[kind for kind, _entry in RFC4890])
def test_icmpv6_is_routed_as_rfc_4890_says(kind, entry):
    let_through = any(f"--icmpv6-type {kind} " in rule for rule in rules.forward_icmpv6_rules())
    assert let_through == (entry["router_forward"] in ("must-accept", "should-accept"))


def test_every_icmpv6_rule_gives_its_reason():
    lines = rules.icmpv6_rules() + rules.forward_icmpv6_rules()
    assert all("RFC 4890 4." in line or line.endswith(f"{rules.FORWARD_CHAIN} -j DROP") for line in lines)


@pytest.mark.parametrize("kind", ["133", "134", "135", "136", "141", "142", "148", "149"])
def test_neighbour_discovery_must_come_from_the_link(kind):
    rule = next(rule for rule in rules.icmpv6_rules() if f"--icmpv6-type {kind} " in rule)
    assert "--hl-eq 255" in rule


@pytest.mark.parametrize("kind", ["130", "131", "132", "143"])
def test_multicast_listeners_are_of_this_link(kind):
    found = [rule for rule in rules.icmpv6_rules() if f"--icmpv6-type {kind} " in rule]
    assert found and all("--hl-eq 1 " in rule for rule in found)
    assert all("-s fe80::/10" in rule or "-s ::/128" in rule for rule in found)


def test_neighbour_solicitation_may_come_from_any_address():
    # From :: while an address is tentative, and from a global address between neighbours (RFC 4861, 4.3).
    for kind in ("135", "136"):
        assert "-s " not in next(rule for rule in rules.icmpv6_rules() if f"--icmpv6-type {kind} " in rule)


def router(**more):
    """Return the policy of a router with one network behind it."""
    given = {"routed_prefixes": ["2001:db8:1::/48"], "outside_interfaces": ["eth0"], **more}
    return rules.policy(["2001:db8:feed::/64"], [], 22, given.pop("services", ()), **given)


BEHIND = {"name": "http", "port": 80, "destination": "2001:db8:1::80"}


def test_a_router_lets_out_what_is_behind_it_and_in_what_is_open():
    wanted = router(services=[BEHIND, {"name": "ssh", "port": 22}])
    lines = rules.forward_rules(wanted, wanted.services)
    forged = lines.index(
        '-A FORWARD -s 2001:db8:1::/48 -i eth0 -m comment --comment "ipv6.rollout: forged source" -j DROP'
    )
    icmp = lines.index(f"-A FORWARD -p ipv6-icmp -j {rules.FORWARD_CHAIN}")
    out = lines.index('-A FORWARD -s 2001:db8:1::/48 -m comment --comment "ipv6.rollout: routed" -j ACCEPT')
    service = lines.index(
        "-A FORWARD -d 2001:db8:1::80/128 -p tcp -m tcp --dport 80"
        ' -m comment --comment "ipv6.rollout: service http" -j ACCEPT'
    )
    assert forged < icmp < out < service < len(lines) - 2
    assert not any("service ssh" in line for line in lines)
    assert not any("service http" in line for line in rules.input_rules(wanted, wanted.services))


def test_a_routers_table_has_both_chains_and_drops_by_policy():
    wanted = router(services=[BEHIND], forward="ACCEPT")
    table = rules.wanted_table(wanted, (), rules.EMPTY)
    assert table.policies["FORWARD"] == "DROP"
    assert table.chains == [rules.ICMP_CHAIN, rules.FORWARD_CHAIN]
    assert rules.foreign(table, ()).plain == []
    assert rules.open_services(table, wanted.services) == []


def test_an_open_service_behind_a_router_stays_open():
    wanted = router(services=[BEHIND])
    live = rules.wanted_table(wanted, wanted.services, rules.EMPTY)
    renamed = router(services=[{**BEHIND, "name": "web"}])
    assert "service http" in rules.wanted_table(renamed, (), live).text
    assert "service" not in rules.wanted_table(renamed, (), live, keep=False).text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"outside_interfaces": []}, "outside_interfaces: it is empty"),
        ({"outside_interfaces": ["-j ACCEPT"]}, "is no name of an interface"),
        ({"outside_interfaces": ["eth+"]}, "is no name of an interface"),
        ({"routed_prefixes": ["2001:db8::1/48"]}, "routed_prefixes: .* has host bits set"),
        ({"services": [{**BEHIND, "destination": "2001:db8:2::80"}]}, "in none of the routed_prefixes"),
        ({"services": [{**BEHIND, "destination": 5}]}, "services: http: destination: 5 is no text"),
    ],
)
def test_a_router_that_is_not_described_well_is_refused(more, said):
    with pytest.raises(RolloutError, match=said):
        router(**more)


def test_five_thousand_services_are_read_and_ordered():
    services = [{"name": f"s{port}", "port": port} for port in range(1, 5001)]
    policy, table = made(services=services)
    assert len(rules.open_services(table, policy.services)) == 5000
    again = rules.wanted_table(policy, (), table)
    assert again.rules == table.rules


def test_a_comment_that_looks_like_a_jump_is_none():
    live = rules.parse(
        ":INPUT ACCEPT [0:0]\n:f2b - [0:0]\n"
        '-A INPUT -p tcp -m comment --comment "not -j f2b" -j ACCEPT\n-A INPUT -p udp -j f2b\n'
    )
    found = rules.foreign(live, ())
    assert found.kept == ["-A INPUT -p udp -j f2b"]
    assert len(found.plain) == 1


SAVED = """# Generated by ip6tables-save
*mangle
:PREROUTING ACCEPT [1:2]
COMMIT
*filter
:INPUT ACCEPT [12:3400]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [1:60]
:f2b-sshd - [0:0]
[5:300] -A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A f2b-sshd -j RETURN
COMMIT
# Completed
"""


def test_tables_are_split_without_counters():
    found = rules.tables(SAVED)
    assert list(found) == ["mangle", "filter"]
    assert ":INPUT ACCEPT [0:0]" in found["filter"]
    assert "\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n" in found["filter"]


def test_chains_of_others_stay_with_the_jumps_to_them():
    _policy, table = made(live=rules.tables(SAVED)["filter"])
    assert table.rules[0] == "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd"
    assert "-A f2b-sshd -j RETURN" in table.rules
    assert sorted(table.chains) == [rules.ICMP_CHAIN, "f2b-sshd"]


@pytest.mark.parametrize("name", ["f2b-sshd", "ABANS", "ufw6-user-input", "ZLATE"])
def test_the_order_in_which_the_kernel_lists_chains_does_not_count(name):
    saved = rules.tables(SAVED.replace("f2b-sshd", name))["filter"]
    _policy, table = made(live=saved)
    heads = [line for line in table.text.splitlines() if line.startswith(":")]
    other = table.text.replace("\n".join(heads[3:]), "\n".join(reversed(heads[3:])))
    assert other != table.text
    assert rules.filter_table(other) == table.text


def test_somebody_elses_comment_does_not_make_a_rule_ours():
    for comment in ("management", "lab machine", "service mysql"):
        rule = f'-A INPUT -p tcp -m tcp --dport 3306 -m comment --comment "{comment}" -j ACCEPT'
        assert rules.foreign(rules.EMPTY._replace(rules=[rule]), []).plain == [rule]


def test_an_open_port_stays_open_until_its_new_rule_is_there():
    _policy, table = made(services=[HTTP])
    renamed = rules.policy(["2001:db8:feed::/64"], [], 22, [{"name": "web", "port": 80, "sources": ["2001:db8::/32"]}])
    still = rules.wanted_table(renamed, rules.open_services(table, renamed.services), table)
    assert rules.open_services(still, renamed.services) == []
    assert sum("--dport 80 " in rule for rule in still.rules) == 1
    assert 'service http"' in still.text
    opened = rules.wanted_table(renamed, renamed.services, table)
    assert 'service http"' not in opened.text and 'service web"' in opened.text
    closed = rules.wanted_table(renamed, (), table, keep=False)
    assert "--dport 80 " not in closed.text


def test_what_others_added_since_then_is_not_given_back_as_it_was():
    before = rules.parse(rules.tables(SAVED)["filter"])
    _policy, ours = made(live=before.text)
    assert rules.given_back(before, ours) == before
    banned = ours._replace(
        rules=[*ours.rules, "-A f2b-sshd -s 2001:db8:bad::1/128 -j DROP", "-A INPUT -j ZLATE", "-A ZLATE -j RETURN"],
        chains=[*ours.chains, "ZLATE"],
    )
    back = rules.given_back(before, banned)
    assert "-A f2b-sshd -s 2001:db8:bad::1/128 -j DROP" in back.rules and "-A INPUT -j ZLATE" in back.rules
    assert back.policies["INPUT"] == "ACCEPT" and rules.MARK not in back.text and rules.ICMP_CHAIN not in back.text


def test_a_second_run_finds_its_own_work():
    policy, first = made(live=rules.tables(SAVED)["filter"])
    again = rules.wanted_table(policy, rules.open_services(first, policy.services), rules.parse(first.text))
    assert again.text == first.text
    assert rules.foreign(rules.parse(first.text), rules.input_rules(policy, policy.services)).plain == []


def test_old_rules_of_ours_are_not_taken_for_foreign_ones():
    _policy, first = made(lab=["2001:db8:1::/64"], services=[HTTP])
    assert rules.foreign(first, []).plain == []


def test_a_plain_rule_of_somebody_else_is_found():
    live = rules.EMPTY.text.replace("COMMIT", "-A INPUT -p tcp -m tcp --dport 9 -j ACCEPT\nCOMMIT")
    assert rules.foreign(rules.parse(live), []).plain == ["-A INPUT -p tcp -m tcp --dport 9 -j ACCEPT"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2001:db8::1/64", "lab_sources: '2001:db8::1/64' has host bits set; write '2001:db8::/64'"),
        ("192.0.2.0/24", "lab_sources: '192.0.2.0/24' is no IPv6 prefix such as '2001:db8:feed::/64'"),
        ("fe80::1%eth0", "lab_sources: 'fe80::1%eth0' is no IPv6 prefix such as '2001:db8:feed::/64'"),
        ("2001:db8::/64 -j ACCEPT", "is no IPv6 prefix"),
        (120060, "lab_sources: 120060 is no text; put the prefix in quotes"),
    ],
)
def test_bad_sources_are_named(value, message):
    with pytest.raises(RolloutError) as error:
        rules.policy([value], [], 22, [])
    assert message in str(error.value)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "x y", "port": 80},
        {"name": '"\n-A INPUT -j ACCEPT', "port": 80},
        {"name": "http", "port": 0},
        {"name": "http", "port": 65536},
        {"name": "http", "port": True},
        {"name": "http", "port": "80"},
        {"name": "http", "port": 80, "protocol": "sctp"},
    ],
)
def test_bad_services_are_refused(value):
    with pytest.raises(RolloutError):
        rules.service(value)


@given(st.text(max_size=40), st.integers(-10, 70000))
def test_no_name_or_port_smuggles_a_rule_in(name, port):
    try:
        one = rules.service({"name": name, "port": port})
    except RolloutError:
        return
    assert len(one.rules) == 1
    assert one.rules[0].count("\n") == 0
    assert one.rules[0].endswith(f'--dport {port} -m comment --comment "ipv6.rollout: service {name}" -j ACCEPT')


def test_difference_shows_what_goes_and_comes():
    assert rules.difference("a\nb\n", "b\nc\n") == ["- a", "+ c"]


CHAINS = """table ip6 filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
	chain ROLLOUT-ICMPV6 {
	}
}
table ip nat {
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept;
	}
}
table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
	}
	chain filter_FORWARD {
		type filter hook forward priority filter + 10; policy accept;
	}
}
table inet sets {
	chain helper {
	}
}
table ip mine {
	chain in {
		type filter hook input priority filter; policy accept;
	}
}
"""


def test_tables_that_filter_ipv6_are_found_in_what_nft_lists():
    assert ip6tables.hooked_tables(CHAINS) == ["ip6 filter", "inet firewalld"]
    assert ip6tables.hooked_tables("") == []
