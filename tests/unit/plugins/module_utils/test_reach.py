# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets through a rule set: each match and target, the way through the tables, and what can't be decided."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.reach import (
    Packet,
    Reach,
    Verdict,
    hosts,
    reach,
    texts,
    verdict,
)

SOURCE = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::7"}
SSH = Packet("tcp", 22, "eth0")


def filter_table(*rules, policy="DROP", chains=()):
    """A filter table as iptables-save prints it."""
    lines = [f":INPUT {policy} [0:0]", *(f":{chain} - [0:0]" for chain in chains), *rules]
    return "\n".join(["# Generated", "*filter", *lines, "COMMIT", ""])


def what(*rules, family="ipv4", packet=SSH, source=None, **more):
    """What happens to a packet."""
    return verdict(filter_table(*rules, **more), family, packet, source or SOURCE[family]).result


# What the match says of an SSH connection from 192.0.2.7 by way of eth0.
MATCHES = {
    "accept": [
        "",
        "-s 192.0.2.7/32",
        "-s 192.0.2.0/255.255.255.0",
        "! -s 192.0.2.8/32",
        "-s 198.51.100.0/24,192.0.2.0/24",
        "-i eth0",
        "-i eth+",
        "-i +",
        "! -i lo",
        "-p tcp",
        "-p 6",
        "-p 06",
        "-p 0x6",
        "-p all",
        "! -p udp",
        "-p tcp --dport 22",
        "-p tcp -m tcp --dport 20:22",
        "-p tcp -m tcp --dport :22",
        "-p tcp -m tcp --dport 22:",
        "-p tcp -m tcp --dport ssh",
        "-p tcp -m tcp --dport 026",
        "-p tcp -m tcp ! --dport 80",
        "-p tcp -m multiport --dports 20:21,22,80",
        "-p tcp -m multiport ! --dports 20:21,80",
        "-p tcp -m tcp --sport 0:65535",
        "-p tcp --syn",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN",
        "-p tcp -m tcp --tcp-flags ALL SYN",
        "-p tcp -m tcp ! --tcp-flags SYN,FIN SYN,FIN",
        "-m conntrack --ctstate NEW",
        "-m conntrack --ctstate RELATED,NEW",
        "-m conntrack ! --ctstate INVALID",
        "-m state --state NEW",
        "-m addrtype --dst-type LOCAL",
        "-m addrtype ! --src-type LOCAL",
        "-m addrtype --src-type UNICAST",
        "-m iprange --src-range 192.0.2.1-192.0.2.7",
        "-m pkttype --pkt-type unicast",
        '-m comment --comment "drop -j DROP"',
        "-m policy --dir in --pol none",
        "-m rpfilter",
        "! -f",
    ],
    "refuse": [
        "-s 192.0.2.8/32",
        "! -s 192.0.2.7/32",
        "-i lo",
        "-i wlan+",
        "! -i eth0",
        "-p udp",
        "-p 300",
        "-p 010",
        "! -p tcp",
        "-p tcp -m tcp --dport 23",
        "-p tcp -m multiport --dports 80,443",
        "-p tcp -m tcp ! --sport 0:65535",
        "-p tcp -m multiport ! --ports 0:65535",
        "-p tcp ! --syn",
        "-p tcp -m tcp --tcp-flags ALL NONE",
        "-p tcp -m tcp --tcp-flags SYN,RST SYN,RST",
        "-p icmp",
        "-m conntrack --ctstate RELATED,ESTABLISHED",
        "-m conntrack --ctstate INVALID",
        "-m conntrack --ctstate UNTRACKED",
        "-m conntrack --ctstate DNAT",
        "-m conntrack ! --ctstate NEW",
        "-m addrtype --dst-type BROADCAST",
        "-m addrtype --src-type LOCAL",
        "-m iprange --src-range 192.0.2.8-192.0.2.9",
        "-m pkttype --pkt-type broadcast",
        "-m policy --dir in --pol ipsec",
        "-m rpfilter --invert",
        "-d 224.0.0.0/4",
        "-d 127.0.0.0/8",
        "-f",
        "-s 192.0.2.8/32 -m limit --limit 1/s",
    ],
    "depends": [
        "-m limit --limit 1/s",
        "-m recent --update --seconds 60 --name SSH --rsource",
        "-m hashlimit --hashlimit-above 5/min --hashlimit-name ssh",
        "-m set --match-set good src",
        "-m mark --mark 0x1",
        "-m time --timestart 08:00 --timestop 18:00",
        '-m string --string "x" --algo bm',
        "-m mac --mac-source 00:00:5e:00:53:01",
        "-m u32 --u32 0x0=0x1",
        "-m statistic --mode random --probability 0.5",
        "-m ttl --ttl-lt 5",
        "-m madeup --really",
        "-m conntrack --ctstatus ASSURED",
        "-p tcp -m tcp --sport 53",
        "-p tcp -m multiport --ports 22,80",
        "-p tcp -m tcp --dport nosuchservice",
        "-s gateway.example.com",
        "-s 192.0.2.7/255.0.255.255",
        "-s 0.0.0.7/0.0.0.255",
        "-s 0.0.0.7/0.255.255.255",
        "-s 2001:db8::/32",
        "-p nosuchprotocol",
        "-d 192.0.2.1/32",
        "! -d 192.0.2.1/32",
    ],
}


@pytest.mark.parametrize(("match", "result"), [(match, result) for result, all_ in MATCHES.items() for match in all_])
def test_matches(match, result):
    opposite = {"accept": "refuse", "refuse": "accept", "depends": "depends"}[result]
    assert what(f"-A INPUT {match} -j ACCEPT") == result
    assert what(f"-A INPUT {match} -j DROP", policy="ACCEPT") == opposite


@pytest.mark.parametrize(
    ("match", "result"),
    [
        ("-s 2001:db8::/64", "accept"),
        ("-s 2001:db8:0:1::/64", "refuse"),
        ("-s ::/0", "accept"),
        ("-p ipv6-icmp", "refuse"),
        ("-m rt --rt-type 0", "refuse"),
        ("-m rt ! --rt-type 0", "refuse"),
        ("-m frag --fragid 0", "refuse"),
        ("-m hbh", "refuse"),
        ("-m dst", "refuse"),
        ("-m ah", "refuse"),
        ("-m hl --hl-eq 255", "depends"),
        ("-d ff00::/8", "refuse"),
        ("-d fe80::/10", "depends"),
        ("-m iprange --src-range 2001:db8::-2001:db8::7", "accept"),
    ],
)
def test_matches_of_ipv6(match, result):
    assert what(f"-A INPUT {match} -j ACCEPT", family="ipv6") == result


@pytest.mark.parametrize(
    ("family", "protocol", "match", "result"),
    [
        ("ipv4", "icmp", "-p icmp", "accept"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type 8", "accept"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type 8/0", "accept"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type echo-request", "accept"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type any", "accept"),
        ("ipv4", "icmp", "-p icmp -m icmp ! --icmp-type 3", "accept"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type 8/1", "refuse"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type 3", "refuse"),
        ("ipv4", "icmp", "-p icmp -m icmp --icmp-type madeup", "depends"),
        ("ipv6", "icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type 128", "accept"),
        ("ipv6", "ipv6-icmp", "-p icmpv6 --icmpv6-type echo-request", "accept"),
        ("ipv6", "icmp", "-p ipv6-icmp -m icmp6 --icmpv6-type 8", "refuse"),
        ("ipv6", "icmp", "-p icmp", "refuse"),
        ("ipv6", 41, "-p ipv6", "accept"),
        ("ipv4", "gre", "-p 47", "accept"),
        ("ipv4", "esp", "-p gre", "refuse"),
        ("ipv4", "gre", "-p gre -m conntrack --ctstate NEW", "accept"),
    ],
)
def test_other_protocols(family, protocol, match, result):
    assert what(f"-A INPUT {match} -j ACCEPT", family=family, packet=Packet(protocol)) == result


@pytest.mark.parametrize(
    ("packet", "rule", "result"),
    [
        (Packet("tcp", 22, "", "192.0.2.1"), "-d 192.0.2.1/32", "accept"),
        (Packet("tcp", 22, "", "192.0.2.1"), "-d 192.0.2.2/32", "refuse"),
        (Packet("tcp", 22, "", "192.0.2.1"), "-m iprange --dst-range 192.0.2.1-192.0.2.3", "accept"),
        (Packet("tcp", 22, "", "192.0.2.1"), "! -d 192.0.2.0/24", "refuse"),
        (Packet("tcp", 22), "-i eth0", "depends"),
        (Packet("tcp", 22), "-i lo", "refuse"),
        (Packet("tcp", 22), "-i +", "accept"),
        (Packet("udp", 53), "-p udp --dport 53", "accept"),
        (Packet("sctp", 53), "-p sctp -m sctp --dport 53", "accept"),
    ],
)
def test_kinds_of_packets(packet, rule, result):
    assert what(f"-A INPUT {rule} -j ACCEPT", packet=packet) == result


@pytest.mark.parametrize(
    ("rules", "result"),
    [
        (["-A INPUT -j A", "-A A -j ACCEPT"], "accept"),
        (["-A INPUT -j A", "-A INPUT -j ACCEPT", "-A A -j RETURN", "-A A -j DROP"], "accept"),
        (["-A INPUT -j A", "-A A -j RETURN", "-A A -j ACCEPT"], "refuse"),
        (["-A INPUT -j RETURN", "-A INPUT -j ACCEPT"], "refuse"),
        (["-A INPUT -j A", "-A INPUT -j ACCEPT", "-A A -g B", "-A A -j DROP"], "accept"),
        (["-A INPUT -j A", "-A INPUT -j DROP", "-A A -g B", "-A B -j ACCEPT"], "accept"),
        (["-A INPUT -g A", "-A INPUT -j ACCEPT"], "refuse"),
        (["-A INPUT -j A", "-A A -j B", "-A A -j ACCEPT", "-A B -j RETURN"], "accept"),
        (["-A INPUT -j A", "-A A -j INPUT"], "depends"),
        (["-A INPUT -j A", "-A A -j B", "-A B -j A"], "depends"),
        (["-A INPUT -j NOSUCHCHAIN"], "depends"),
        (["-A INPUT -j NOSUCHCHAIN", "-A INPUT -j ACCEPT"], "depends"),
        (["-A INPUT -j NFQUEUE --queue-num 0"], "depends"),
        (["-A INPUT -m limit --limit 1/s -j RETURN", "-A INPUT -j ACCEPT"], "depends"),
        (["-A INPUT -m limit --limit 1/s -j A", "-A INPUT -j ACCEPT", "-A A -j DROP"], "depends"),
        (["-A INPUT -m limit --limit 1/s -g A", "-A INPUT -j ACCEPT"], "depends"),
        (["-A INPUT -m limit --limit 1/s -j A", "-A INPUT -j ACCEPT", "-A A -j ACCEPT"], "accept"),
        (["-A INPUT -m limit --limit 1/s -j ACCEPT", "-A INPUT -j ACCEPT"], "accept"),
        (["-A INPUT -m limit --limit 1/s -j DROP", "-A INPUT -j REJECT"], "refuse"),
        (["-A INPUT -m limit --limit 1/s -j LOG", "-A INPUT -j ACCEPT"], "accept"),
        (["-A INPUT", "-A INPUT -j ACCEPT"], "accept"),
        *[
            ([f"-A INPUT -j {target}", "-A INPUT -j ACCEPT"], "accept")
            for target in (
                "LOG --log-prefix x",
                "NFLOG --nflog-group 1",
                "MARK --set-xmark 0x1/0xffffffff",
                "CONNMARK --save-mark",
                "SET --add-set seen src",
                "TRACE",
            )
        ],
    ],
)
def test_chains(rules, result):
    assert what(*rules, chains=("A", "B")) == result


def table(name, *rules):
    """A table whose chains let everything pass by default."""
    return "\n".join([f"*{name}", ":PREROUTING ACCEPT [0:0]", ":INPUT ACCEPT [0:0]", *rules, "COMMIT", ""])


OPEN = filter_table("-A INPUT -m conntrack --ctstate NEW -j ACCEPT")


@pytest.mark.parametrize(
    ("first", "result", "by"),
    [
        ("", "accept", "-A INPUT -m conntrack --ctstate NEW -j ACCEPT"),
        (table("raw", "-A PREROUTING -j DROP"), "refuse", "-A PREROUTING -j DROP (table raw)"),
        (table("raw", "-A PREROUTING -j ACCEPT", "-A PREROUTING -j DROP"), "accept", None),
        (table("raw", "-A PREROUTING -m conntrack --ctstate NEW -j DROP"), "accept", None),
        (table("raw", "-A PREROUTING -m conntrack --ctstate INVALID -j DROP"), "refuse", None),
        (table("raw", "-A PREROUTING -p tcp -j CT --notrack"), "refuse", "the policy of INPUT"),
        (table("raw", "-A PREROUTING -p tcp -j NOTRACK"), "refuse", "the policy of INPUT"),
        (table("raw", "-A PREROUTING -p udp -j CT --notrack"), "accept", None),
        (
            table("raw", "-A PREROUTING -j CT --notrack")
            + table("mangle", "-A INPUT -m state --state UNTRACKED -j DROP"),
            "refuse",
            "-A INPUT -m state --state UNTRACKED -j DROP (table mangle)",
        ),
        (table("mangle", "-A INPUT -m state --state UNTRACKED -j DROP"), "accept", None),
        (table("raw", "-A PREROUTING -m limit --limit 1/s -j CT --notrack"), "depends", None),
        (table("raw", "-A PREROUTING -j CT --helper ftp"), "accept", None),
        (table("mangle", "-A INPUT -p tcp -j DROP"), "refuse", None),
        (table("mangle", "-A PREROUTING -p tcp -j DROP"), "refuse", None),
        (table("mangle", "-A PREROUTING -p tcp -j TPROXY --on-port 1"), "depends", None),
        (table("security", "-A INPUT -p tcp -j DROP"), "refuse", None),
        (table("nat", "-A PREROUTING -p tcp --dport 22 -j REDIRECT --to-ports 2222"), "depends", None),
        (table("nat", "-A PREROUTING -p tcp --dport 80 -j DNAT --to-destination 192.0.2.9"), "accept", None),
        (
            table("raw", "-A PREROUTING -j CT --notrack") + table("nat", "-A PREROUTING -j REDIRECT --to-ports 2222"),
            "refuse",
            None,
        ),
    ],
)
def test_tables(first, result, by):
    found = verdict(first + OPEN, "ipv4", SSH, "192.0.2.7")
    assert found.result == result
    assert by is None or found.decided_by == by


def test_what_decides():
    saved = filter_table(
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j A",
        "-A INPUT -m limit --limit 1/s -j ACCEPT",
        "-A INPUT -p tcp -j REJECT --reject-with tcp-reset",
        "-A A -s 192.0.2.9/32 -j DROP",
        "-A A -j ACCEPT",
        chains=("A",),
    )
    assert verdict(saved, "ipv4", SSH, "192.0.2.7") == Verdict("accept", "-A A -j ACCEPT")
    assert verdict(saved, "ipv4", SSH, "192.0.2.9") == Verdict("refuse", "-A A -s 192.0.2.9/32 -j DROP")
    assert verdict(saved, "ipv4", SSH, "192.0.2.8/31") == Verdict("depends", "-A A -s 192.0.2.9/32 -j DROP")
    assert verdict(saved, "ipv4", SSH, "203.0.113.1").decided_by == "-A INPUT -m limit --limit 1/s -j ACCEPT"
    assert verdict("", "ipv6", SSH, "2001:db8::7") == Verdict("accept", "the policy of INPUT")
    assert verdict("-P INPUT DROP\n", "ipv6", SSH, "2001:db8::7") == Verdict("refuse", "the policy of INPUT")


def test_a_table_that_is_not_shown():
    line = "Table `filter' is incompatible, use 'nft' tool."
    assert verdict(f"# {line}\n{OPEN}", "ipv4", SSH, "192.0.2.7") == Verdict("depends", line)


def test_both_back_ends_filter():
    closed = filter_table("-A INPUT -p udp -j ACCEPT")
    by = "the policy of INPUT (table filter, back end 2)"
    assert verdict([OPEN, closed], "ipv4", SSH, "192.0.2.7") == Verdict("refuse", by)
    assert verdict([closed, OPEN], "ipv4", SSH, "192.0.2.7") == Verdict("refuse", "the policy of INPUT")
    assert verdict([OPEN, OPEN], "ipv4", SSH, "192.0.2.7").result == "accept"


def test_reach_names_sources():
    saved = filter_table(
        "-A INPUT -s 192.0.2.7/32 -j DROP",
        "-A INPUT -s 192.0.2.0/24 -j ACCEPT",
        "-A INPUT -s 198.51.100.0/24 -m limit --limit 1/s -j ACCEPT",
    )
    found = reach(saved, "ipv4", SSH)
    assert found.accepted == ("192.0.2.0-192.0.2.6", "192.0.2.8-192.0.2.255")
    assert found.depends == ("198.51.100.0/24",)
    assert "192.0.2.7" in found.refused
    assert reach("", "ipv6", SSH) == Reach(texts(hosts("ipv6"), "ipv6"), (), ())


@pytest.mark.parametrize("source", ["127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"])
def test_no_host_has_these(source):
    assert reach(filter_table(f"-A INPUT -s {source} -j DROP", policy="ACCEPT"), "ipv4", SSH).refused == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, "ipv4", SSH, "192.0.2.7"), "rules: None is not text"),
        (([5], "ipv4", SSH, "192.0.2.7"), "rules: 5 is not text"),
        (([""] * 3, "ipv4", SSH, "192.0.2.7"), "rules: 3 texts of one family"),
        (("", "ipv5", SSH, "192.0.2.7"), "family: 'ipv5'"),
        (("", "ipv4", SSH, "2001:db8::1"), "source: '2001:db8::1' is no IPv4 address"),
        (("", "ipv4", SSH, "www.example.com"), "source: 'www.example.com'"),
        (("", "ipv4", SSH, None), "source: None"),
        (("", "ipv4", Packet("tcp"), "192.0.2.7"), "port: 0 is no port"),
        (("", "ipv4", Packet("tcp", 65536), "192.0.2.7"), "port: 65536"),
        (("", "ipv4", Packet("tcp", "22"), "192.0.2.7"), "port: '22'"),
        (("", "ipv4", Packet("tcp", True), "192.0.2.7"), "port: True"),
        (("", "ipv4", Packet("nosuch", 22), "192.0.2.7"), "protocol: 'nosuch'"),
        (("", "ipv4", Packet(300, 22), "192.0.2.7"), "protocol: 300"),
        (("", "ipv4", Packet("tcp", 22, "", "www.example.com"), "192.0.2.7"), "destination: 'www.example.com'"),
        (("", "ipv4", Packet("tcp", 22, "", "192.0.2.0/24"), "192.0.2.7"), "destination: '192.0.2.0/24'"),
        (("what is this", "ipv4", SSH, "192.0.2.7"), "is no rule"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(RolloutError) as caught:
        verdict(*arguments)
    assert message in str(caught.value)
