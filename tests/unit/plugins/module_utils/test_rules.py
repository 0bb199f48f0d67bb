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

from ansible_collections.ipv6.rollout.plugins.module_utils import filter_table, ip6tables, rule_set, rules
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
    return policy, rule_set.wanted_table(
        policy, policy.services if opened is None else opened, filter_table.parse(live)
    )


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
    table = rule_set.wanted_table(wanted, (), filter_table.EMPTY)
    assert table.policies["FORWARD"] == "DROP"
    assert table.chains == [rules.ICMP_CHAIN, rules.FORWARD_CHAIN]
    assert rule_set.foreign(table, ()).plain == []
    assert rules.open_services(table, wanted.services) == []


def test_an_open_service_behind_a_router_stays_open():
    wanted = router(services=[BEHIND])
    live = rule_set.wanted_table(wanted, wanted.services, filter_table.EMPTY)
    renamed = router(services=[{**BEHIND, "name": "web"}])
    assert "service web" in rule_set.wanted_table(renamed, (), live).text
    assert "service" not in rule_set.wanted_table(renamed, (), live, keep=False).text


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
    again = rule_set.wanted_table(policy, (), table)
    assert again.rules == table.rules


def test_a_comment_that_looks_like_a_jump_is_none():
    live = filter_table.parse(
        ":INPUT ACCEPT [0:0]\n:f2b - [0:0]\n"
        '-A INPUT -p tcp -m comment --comment "not -j f2b" -j ACCEPT\n-A INPUT -p udp -j f2b\n'
    )
    found = rule_set.foreign(live, ())
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
    found = filter_table.tables(SAVED)
    assert list(found) == ["mangle", "filter"]
    assert ":INPUT ACCEPT [0:0]" in found["filter"]
    assert "\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n" in found["filter"]


def test_chains_of_others_stay_with_the_jumps_to_them():
    _policy, table = made(live=filter_table.tables(SAVED)["filter"])
    assert table.rules[0] == "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd"
    assert "-A f2b-sshd -j RETURN" in table.rules
    assert sorted(table.chains) == [rules.ICMP_CHAIN, "f2b-sshd"]


@pytest.mark.parametrize("name", ["f2b-sshd", "ABANS", "ufw6-user-input", "ZLATE"])
def test_the_order_in_which_the_kernel_lists_chains_does_not_count(name):
    saved = filter_table.tables(SAVED.replace("f2b-sshd", name))["filter"]
    _policy, table = made(live=saved)
    heads = [line for line in table.text.splitlines() if line.startswith(":")]
    other = table.text.replace("\n".join(heads[3:]), "\n".join(reversed(heads[3:])))
    assert other != table.text
    assert filter_table.normal(other) == table.text


def test_somebody_elses_comment_does_not_make_a_rule_ours():
    for comment in ("management", "lab machine", "service mysql"):
        rule = f'-A INPUT -p tcp -m tcp --dport 3306 -m comment --comment "{comment}" -j ACCEPT'
        assert rule_set.foreign(filter_table.EMPTY._replace(rules=[rule]), []).plain == [rule]


def open_as(table, *, name="web", sources=()):
    """Return the table after a run that opens nothing, with the service on port 80 declared like this."""
    declared = rules.policy(["2001:db8:feed::/64"], [], 22, [{"name": name, "port": 80, "sources": list(sources)}])
    opened = rules.open_services(table, declared.services)
    return declared, opened, rule_set.wanted_table(declared, opened, table)


def test_an_open_service_with_a_new_name_stays_open():
    _policy, table = made(services=[HTTP])
    _declared, opened, after = open_as(table)
    assert [one.name for one in opened] == ["web"]
    assert 'service web"' in after.text and 'service http"' not in after.text


def test_fewer_sources_count_at_once():
    _policy, table = made(services=[HTTP])
    _declared, opened, after = open_as(table, sources=["2001:db8::/32"])
    assert [one.name for one in opened] == ["web"]
    assert [rule for rule in after.rules if "--dport 80 " in rule] == [
        '-A INPUT -s 2001:db8::/32 -p tcp -m tcp --dport 80 -m comment --comment "ipv6.rollout: service web" -j ACCEPT'
    ]


@pytest.mark.parametrize(
    ("sources", "stays"),
    [
        ([], ["2001:db8::/32"]),
        (["2001:db9::/32"], ["2001:db8::/32"]),
        (["2001:db8:1::/48", "2001:db9::/32"], ["2001:db8:1::/48"]),
    ],
)
def test_more_sources_wait_until_the_service_is_opened(sources, stays):
    _policy, table = made(services=[{**HTTP, "sources": ["2001:db8::/32"]}])
    declared, opened, after = open_as(table, sources=sources)
    assert opened == []
    assert [rule.split()[3] for rule in after.rules if "--dport 80 " in rule] == stays
    assert len(
        [rule for rule in rule_set.wanted_table(declared, declared.services, table).rules if "--dport 80 " in rule]
    )
    assert "--dport 80 " not in rule_set.wanted_table(declared, (), table, keep=False).text


def test_what_others_added_since_then_is_not_given_back_as_it_was():
    before = filter_table.parse(filter_table.tables(SAVED)["filter"])
    _policy, ours = made(live=before.text)
    assert rule_set.given_back(before, ours) == before
    banned = ours._replace(
        rules=[*ours.rules, "-A f2b-sshd -s 2001:db8:bad::1/128 -j DROP", "-A INPUT -j ZLATE", "-A ZLATE -j RETURN"],
        chains=[*ours.chains, "ZLATE"],
    )
    back = rule_set.given_back(before, banned)
    assert "-A f2b-sshd -s 2001:db8:bad::1/128 -j DROP" in back.rules and "-A INPUT -j ZLATE" in back.rules
    assert back.policies["INPUT"] == "ACCEPT" and rules.MARK not in back.text and rules.ICMP_CHAIN not in back.text


def test_a_second_run_finds_its_own_work():
    policy, first = made(live=filter_table.tables(SAVED)["filter"])
    again = rule_set.wanted_table(policy, rules.open_services(first, policy.services), filter_table.parse(first.text))
    assert again.text == first.text
    assert rule_set.foreign(filter_table.parse(first.text), rules.input_rules(policy, policy.services)).plain == []


def test_old_rules_of_ours_are_not_taken_for_foreign_ones():
    _policy, first = made(lab=["2001:db8:1::/64"], services=[HTTP])
    assert rule_set.foreign(first, []).plain == []


def test_a_plain_rule_of_somebody_else_is_found():
    live = filter_table.EMPTY.text.replace("COMMIT", "-A INPUT -p tcp -m tcp --dport 9 -j ACCEPT\nCOMMIT")
    assert rule_set.foreign(filter_table.parse(live), []).plain == ["-A INPUT -p tcp -m tcp --dport 9 -j ACCEPT"]


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
    assert filter_table.difference("a\nb\n", "b\nc\n") == ["- a", "+ c"]


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


LOGDROP = """:INPUT DROP [0:0]
:LOGDROP - [0:0]
:BANNED - [0:0]
:OWN - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -j BANNED
-A INPUT -j LOGDROP
-A BANNED -s 2001:db8:bad::/48 -j DROP
-A LOGDROP -j LOG
-A LOGDROP -j DROP
-A OWN -p tcp -m tcp --dport 3306 -j ACCEPT
"""


def test_a_chain_that_decides_over_everything_is_told_and_stands_behind():
    live = filter_table.parse(LOGDROP)
    found = rule_set.foreign(live, ())
    assert found.deciding == ["-A INPUT -j LOGDROP"]
    assert "-A INPUT -j BANNED" in found.kept
    policy = rules.policy([], ["2001:db8:aa::/48"], 22, [])
    after = rule_set.wanted_table(policy, (), live)
    assert after.rules[0] == "-A INPUT -j BANNED"
    inside = [rule for rule in after.rules if rule.startswith("-A INPUT ")]
    assert inside[-1] == "-A INPUT -j LOGDROP"
    # The second time it stands where it belongs, and is nothing to complain of.
    again = rule_set.foreign(filter_table.parse(after.text), ())
    assert (again.deciding, again.behind) == ([], ["-A INPUT -j LOGDROP"])
    assert rule_set.wanted_table(policy, (), filter_table.parse(after.text)).text == after.text
    assert rule_set.given_back(live, after) == live


@pytest.mark.parametrize(
    ("jump", "decides"),
    [
        ("-A INPUT -j LOGDROP", True),
        ("-A INPUT -i eth0 -m conntrack --ctstate NEW -j LOGDROP", True),
        ("-A INPUT -g LOGDROP", True),
        ("-A INPUT -s 2001:db8:bad::/48 -j LOGDROP", False),
        ("-A INPUT -p tcp -m tcp --dport 3306 -j LOGDROP", False),
        ("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j LOGDROP", False),
        ("-A INPUT -j BANNED", False),
        ("-A INPUT -j OWN", False),
    ],
)
def test_which_jumps_decide_over_everything(jump, decides):
    assert rule_set.decides_all(jump, filter_table.parse(LOGDROP)) == decides


def test_what_chains_of_others_let_in_is_known():
    live = filter_table.parse(LOGDROP.replace("-A INPUT -j LOGDROP", "-A INPUT -j OWN"))
    assert rule_set.let_in(rule_set.foreign(live, ()), live) == ["tcp 3306 from everyone but 2001:db8:bad::/48"]
    live = filter_table.parse(LOGDROP.replace("-A INPUT -j BANNED\n", "").replace("-A INPUT -j LOGDROP\n", ""))
    assert rule_set.let_in(rule_set.foreign(live, ()), live) == []


EGRESS = """:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A FORWARD -o docker0 -j ACCEPT
-A OUTPUT -p tcp -j ACCEPT
"""


def test_what_goes_out_or_through_is_left_alone():
    live = filter_table.parse(EGRESS)
    policy = rules.policy([], [], 22, [])
    after = rule_set.wanted_table(policy, (), live)
    assert after.policies == {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "DROP"}
    assert "-A FORWARD -o docker0 -j ACCEPT" in after.rules and "-A OUTPUT -p tcp -j ACCEPT" in after.rules
    assert rule_set.foreign(live, ()).plain == []
    assert rule_set.given_back(live, after) == live


def test_the_forward_chain_of_a_router_is_ours_and_is_given_back():
    live = filter_table.parse(EGRESS)
    assert rule_set.foreign(live, (), routed=True).plain == ["-A FORWARD -o docker0 -j ACCEPT"]
    after = rule_set.wanted_table(router(), (), live)
    assert "-A FORWARD -o docker0 -j ACCEPT" not in after.rules
    assert rule_set.given_back(live, after) == live


def test_everywhere_is_written_as_the_kernel_prints_it():
    policy = rules.policy(["::/0"], ["::/0"], 22, [{**HTTP, "sources": ["::/0"]}])
    lines = rules.input_rules(policy, policy.services)
    assert '-A INPUT -m comment --comment "ipv6.rollout: lab machine" -j ACCEPT' in lines
    assert '-A INPUT -p tcp -m tcp --dport 80 -m comment --comment "ipv6.rollout: service http" -j ACCEPT' in lines
    assert not any("::/0" in line for line in lines)


@pytest.mark.parametrize("text", ["::ffff:192.0.2.1", "::192.0.2.1", "::ffff:0:0/96", "::1", "::/128"])
def test_ipv4_in_disguise_is_no_source(text):
    with pytest.raises(RolloutError, match="no IPv6 packet has"):
        rules.source(text, "sources")


def test_forged_sources_don_t_get_into_the_router_itself():
    lines = rules.input_rules(router(), ())
    forged = '-A INPUT -s 2001:db8:1::/48 -i eth0 -m comment --comment "ipv6.rollout: forged source" -j DROP'
    assert lines.index(forged) < lines.index(f"-A INPUT -p ipv6-icmp -j {rules.ICMP_CHAIN}")


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\f", "\v"])
def test_odd_characters_in_comments_split_no_rule(odd):
    rule = f'-A INPUT -m comment --comment "a{odd}b" -j DROP'
    assert filter_table.parse(filter_table.normal(f"*filter\n:INPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n")).rules == [rule]


def test_a_table_that_only_nft_can_read_is_never_taken_for_an_empty_one():
    with pytest.raises(RolloutError, match="only nft knows"):
        filter_table.tables("# Table `filter' is incompatible, use 'nft' tool.\n")


@pytest.mark.parametrize(
    ("saved", "does"),
    [
        ("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", False),
        ("*filter\n:INPUT DROP [0:0]\nCOMMIT\n", True),
        ("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j DROP\nCOMMIT\n", True),
        ("", False),
    ],
)
def test_what_filters_is_told_from_what_does_nothing(saved, does):
    assert ip6tables.filters(saved) == does
