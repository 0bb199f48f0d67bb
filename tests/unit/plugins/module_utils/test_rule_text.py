# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of iptables-save."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import (
    Match,
    Option,
    chain_policy,
    parse_rule,
    parse_tables,
    table_lines,
    unquoted,
    words,
)

PRINTED = [
    "-A INPUT -j ACCEPT",
    "-A INPUT",
    "-A INPUT ! -s 192.0.2.0/24 -i eth0 -p tcp -m tcp --dport 22 -j DROP",
    '-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m limit --limit 5/min -j LOG --log-prefix "a \\"b\\" -j "',
    '-A f2b-sshd -s 192.0.2.7/32 -m comment --comment "-s not an option" -g elsewhere',
    "-A INPUT -m set --match-set bad src,dst ! --update-counters -j REJECT --reject-with icmp-host-prohibited",
    "-A OUTPUT -m owner ! --uid-owner 0 -j RETURN",
]


@pytest.mark.parametrize("line", PRINTED)
def test_a_rule_is_read_and_written_alike(line: str) -> None:
    assert str(parse_rule(line)) == line


def test_the_parts_of_a_rule() -> None:
    rule = parse_rule(
        '[4:5] -A INPUT --source 192.0.2.1 -p tcp --dport 22 -m comment --comment "a b" --jump LOG --log-level 4'
    )
    assert rule.chain == "INPUT"
    assert rule.matches == (
        Match("", (Option("-s", ("192.0.2.1",)), Option("-p", ("tcp",)), Option("--dport", ("22",)))),
        Match("comment", (Option("--comment", ('"a b"',)),)),
    )
    assert (rule.target, rule.goto, rule.target_options) == ("LOG", False, (Option("--log-level", ("4",)),))
    assert rule.basic("-p") == Option("-p", ("tcp",))
    assert rule.basic("-d") is None


def test_the_old_place_of_the_exclamation_mark() -> None:
    assert parse_rule("-A INPUT -s ! 192.0.2.1 -j DROP").basic("-s") == Option("-s", ("192.0.2.1",), True)


def test_a_basic_option_behind_a_match_belongs_to_the_packet() -> None:
    rule = parse_rule("-A INPUT -m state --state NEW -s 192.0.2.1 -j DROP")
    assert rule.basic("-s") == Option("-s", ("192.0.2.1",))


def test_the_policy_match_has_a_protocol_of_its_own() -> None:
    rule = parse_rule("-A FORWARD --proto udp -m policy --dir in --pol ipsec --proto esp -j ACCEPT")
    assert rule.basic("-p") == Option("-p", ("udp",))
    assert rule.matches[1].options[-1] == Option("--proto", ("esp",))


def test_the_lines_of_tables() -> None:
    text = "# a\n*raw\n:OUTPUT ACCEPT [1:2]\n[3:4] -A OUTPUT -j ACCEPT\nCOMMIT\n-N own\n-P INPUT DROP\n"
    lines = list(table_lines(text))
    assert lines == [
        ("raw", ""),
        ("raw", ":OUTPUT ACCEPT [1:2]"),
        ("raw", "-A OUTPUT -j ACCEPT"),
        ("filter", "-N own"),
        ("filter", "-P INPUT DROP"),
    ]
    declared = [chain_policy(line) for _table, line in lines if line]
    assert declared == [("OUTPUT", "ACCEPT"), None, ("own", "-"), ("INPUT", "DROP")]


@pytest.mark.parametrize(
    ("word", "text"),
    [('"a \\"b\\" \\\\ \\\'c\\\'"', "a \"b\" \\ 'c'"), ("'a b'", "a b"), ("plain", "plain"), ('""', "")],
)
def test_quotes(word: str, text: str) -> None:
    assert words(word) == [word]
    assert unquoted(word) == text


def test_tables() -> None:
    text = """# Generated
*nat
:PREROUTING ACCEPT [1:2]
COMMIT
*filter
:INPUT DROP [0:0]
:f2b - [0:0]
[1:60] -A INPUT -j f2b
COMMIT
"""
    found = parse_tables(text)
    assert list(found) == ["nat", "filter"]
    assert found["filter"].policies == {"INPUT": "DROP", "f2b": "-"}
    assert [str(rule) for rule in found["filter"].of("INPUT")] == ["-A INPUT -j f2b"]


def test_the_output_of_list_rules_is_the_filter_table() -> None:
    found = parse_tables("-P INPUT DROP\n-N mine\n-A INPUT -j mine\n")
    assert found["filter"].policies == {"INPUT": "DROP", "mine": "-"}
    assert len(found["filter"].rules) == 1


@pytest.mark.parametrize(
    "line", ["-I INPUT -j ACCEPT", "-A", "nonsense", "-A INPUT x", '-A INPUT -m comment --comment "x', "-A INPUT -j"]
)
def test_what_is_no_rule_is_refused(line: str) -> None:
    with pytest.raises(RolloutError, match="rules: "):
        parse_tables(f"*filter\n{line}\nCOMMIT\n")


@pytest.mark.parametrize(
    "line", ["-A INPUT -c 1 2 -j DROP", "-A INPUT --set-counters 1 2 -j DROP", "[1:2] -A INPUT -j DROP"]
)
def test_counters_are_left_out(line: str) -> None:
    assert str(parse_rule(line)) == "-A INPUT -j DROP"


ONE = "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ONE + ONE, "the table filter is there twice"),
        (ONE + "*nat\nCOMMIT\n*filter\nCOMMIT\n", "the table filter is there twice"),
        ("-A INPUT -j DROP\n" + ONE, "the table filter is there twice"),
        (ONE + "-A INPUT -j DROP\n", "the table filter is there twice"),
        (ONE[:-7], "the table filter has no COMMIT"),
        ("*nat\n:INPUT ACCEPT [0:0]\n" + ONE, "the table nat has no COMMIT"),
    ],
)
def test_texts_put_together_or_cut_off_are_refused(text: str, message: str) -> None:
    with pytest.raises(RolloutError, match=f"rules: {message}.*; give "):
        parse_tables(text)


def test_tables_of_many_kinds_are_fine() -> None:
    assert list(parse_tables("*nat\nCOMMIT\n# Completed\n\n" + ONE)) == ["nat", "filter"]
    assert parse_tables("") == {}
