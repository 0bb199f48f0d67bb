# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The translation of IPv4 rules: what becomes what, what is refused and why."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate import ip6tables_rules
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_icmp import NAMES, TYPES

ADDRESSES = {
    "192.0.2.1": "2001:db8::1",
    "198.51.100.0/24": ["2001:db8:2::/64", "2001:db8:1::/64", "2001:db8:1::9"],
    "10.0.0.0/8": "2001:db8:10::/48",
}


HASH = "-m hashlimit --hashlimit-upto 1/s --hashlimit-name a"


def one(rule: str, **given: t.Any) -> list[str]:
    """The rules that one rule becomes; an empty list where it is refused."""
    given = {"addresses": ADDRESSES, "icmpv6": False, **given}
    result = ip6tables_rules(f"*filter\n:user - [0:0]\n-A INPUT {rule}\nCOMMIT\n", **given)
    assert bool(result["untranslated"]) != any(line.startswith("-A ") for line in result["rules"].splitlines())
    return [line[9:] for line in result["rules"].splitlines() if line.startswith("-A INPUT ")]


def why(rule: str, **given: t.Any) -> str:
    """The reason why a rule is refused."""
    given = {"addresses": ADDRESSES, **given}
    result = ip6tables_rules(f"*filter\n:user - [0:0]\n-A INPUT {rule}\nCOMMIT\n", **given)
    assert [entry["rule"] for entry in result["untranslated"]] == [f"-A INPUT {rule}"]
    assert set(result["untranslated"][0]) == {"rule", "reason"}
    assert not any(line.startswith("-A INPUT ") and "NEEDED" not in line for line in result["rules"].splitlines())
    return str(result["untranslated"][0]["reason"])


# ------------------------------------------------------------------------------------------------- the texts


def test_an_empty_text() -> None:
    assert ip6tables_rules("") == {"rules": "", "untranslated": []}
    assert ip6tables_rules("# a comment\n\n") == {"rules": "", "untranslated": []}


def test_the_whole_form() -> None:
    text = "*filter\n:INPUT ACCEPT [3:4]\n:own - [0:0]\n[1:2] -A own -p tcp -j ACCEPT\n[5:6] -A INPUT -j own\nCOMMIT\n"
    assert ip6tables_rules(text, icmpv6=False) == {
        "rules": "*filter\n:INPUT ACCEPT [0:0]\n:own - [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
        "-A INPUT -j own\n-A own -p tcp -j ACCEPT\nCOMMIT\n",
        "untranslated": [],
    }


def test_counters_are_left_out_of_both() -> None:
    text = "[1:2] -A INPUT -p tcp -c 3 4 -j ACCEPT\n[1:2] -A INPUT -p igmp -c 3 4 -j ACCEPT\n"
    result = ip6tables_rules(text, icmpv6=False)
    assert "-A INPUT -p tcp -j ACCEPT\n" in result["rules"]
    assert result["untranslated"][0]["rule"] == "-A INPUT -p igmp -j ACCEPT"


def test_the_report_is_in_the_order_of_the_input() -> None:
    text = (
        "*mangle\n-A INPUT -f\nCOMMIT\n*nat\n-A OUTPUT -j A\nCOMMIT\n*filter\n-A INPUT -p igmp\nCOMMIT\n"
        "*raw\n-A OUTPUT -j B\nCOMMIT\n"
    )
    assert [entry["rule"] for entry in ip6tables_rules(text)["untranslated"]] == [
        "-A INPUT -f",
        "-A OUTPUT -j A",
        "-A INPUT -p igmp",
        "-A OUTPUT -j B",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "rules: None is no text"),
        (7, "rules: 7 is no text"),
        (["-A INPUT"], "is no text"),
        ("Permission denied (you must be root)", "'Permission denied (you must be root)' is no rule"),
        ("iptables -A INPUT -j ACCEPT", "is no rule such as"),
        ("-A", "is no rule such as"),
        ("-A INPUT -j", "-j takes one name"),
        ("-A INPUT stray", "'stray' belongs to no option"),
        ('-A INPUT -m comment --comment "open', "a quote that is not closed"),
        ("-A INPUT -i eth\x00", "control character"),
        (f"-A {'x' * 29} -j ACCEPT", "is no name of a chain"),
        ("-A -x -j ACCEPT", "is no name of a chain"),
        (":INPUT REJECT [0:0]", "the policy of INPUT in the table filter is ACCEPT or DROP"),
        (":own ACCEPT [0:0]", "the policy of own in the table filter is -"),
        ("-P PREROUTING ACCEPT", "the policy of PREROUTING in the table filter is -"),
        ("# Table `filter' is incompatible, use 'nft' tool.\n", "the table filter holds rules that only nft can show"),
        ("*nat\nCOMMIT\n# Table `mangle' is incompatible, use 'nft' tool.", "the table mangle holds rules"),
        ("*filter\n-A INPUT -j ACCEPT\nCOMMIT\n*filter\n-A INPUT -j DROP\nCOMMIT\n", "there twice"),
        ("*filter\n-A INPUT -j ACCEPT\n", "cut off"),
    ],
)
def test_what_is_no_rule_set_is_an_error(text: object, message: str) -> None:
    with pytest.raises(RolloutError) as caught:
        ip6tables_rules(text)
    assert message in str(caught.value)
    assert "; " in str(caught.value)


def test_the_arguments_are_checked() -> None:
    for given, message in (
        ({"icmpv6": "no"}, "icmpv6: 'no' is neither true nor false"),
        ({"sets": ["a"]}, "sets: ['a'] is no dictionary"),
        ({"sets": {"a": None}}, "sets: 'a': None is no name of a set"),
        ({"sets": {"a": "b c"}}, "'b c' is no name of a set"),
        ({"sets": {"a": "x" * 32}}, "write 1 to 31 characters"),
    ):
        with pytest.raises(RolloutError) as caught:
            ip6tables_rules("", **given)
        assert message in str(caught.value)


# ------------------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("rule", "rules"),
    [
        ("-s 192.0.2.1,10.0.0.0/8 -j DROP", ["-s 2001:db8::1/128 -j DROP", "-s 2001:db8:10::/48 -j DROP"]),
        # 2001:db8:1::9 lies in one of the prefixes: a packet from there would be logged twice
        ("-s 198.51.100.0/24 -j LOG", ["-s 2001:db8:1::/64 -j LOG", "-s 2001:db8:2::/64 -j LOG"]),
        ("-s 198.51.100.7/24 -j LOG", ["-s 2001:db8:1::/64 -j LOG", "-s 2001:db8:2::/64 -j LOG"]),
        ("-s 192.0.2.1/255.255.255.255", ["-s 2001:db8::1/128"]),
        ("-s 10/8", ["-s 2001:db8:10::/48"]),
        ("-d 192.0.2.1 -i lo -s 10.0.0.0/8", ["-s 2001:db8:10::/48 -d 2001:db8::1/128 -i lo"]),
        ("-m state --state NEW -p tcp --dport 22", ["-p tcp -m tcp --dport 22 -m state --state NEW"]),
        ("-p tcp -m connmark --dport 22 --mark 1 -m mark --mark 2",
         ["-p tcp -m tcp --dport 22 -m connmark --mark 1 -m mark --mark 2"]),
        ("-p tcp -m multiport -m state --state NEW --dports 22",
         ["-p tcp -m multiport --dports 22 -m state --state NEW"]),
        ("-j LOG -m limit --limit 1/min --log-prefix 'a '", ['-m limit --limit 1/min -j LOG --log-prefix "a "']),
        ("-p tcp -j REJECT --dport 25 --reject-with tcp-rst",
         ["-p tcp -m tcp --dport 25 -j REJECT --reject-with tcp-reset"]),
        ("-p icmp --icmp-type 3", ["-p ipv6-icmp -m icmp6 --icmpv6-type 1", "-p ipv6-icmp -m icmp6 --icmpv6-type 2"]),
        ("-p icmp -m icmp ! --icmp-type 8", ["-p ipv6-icmp -m icmp6 ! --icmpv6-type 128"]),
        ("-p icmp --icmp-type any -j DROP", ["-p ipv6-icmp -j DROP"]),
        ("-p icmp --icmp-type 255 -j DROP", ["-p ipv6-icmp -j DROP"]),
        ("-p icmp -m icmp -j DROP", ["-p ipv6-icmp -j DROP"]),
        ("-p icmp --icmp-type Echo-Request", ["-p ipv6-icmp -m icmp6 --icmpv6-type 128"]),
        ("-p icmp --icmp-type 08/00", ["-p ipv6-icmp -m icmp6 --icmpv6-type 128"]),
        ("-s 0.0.0.0/32 -d 255.255.255.255/32 -p udp --sport 68 --dport 67",
         ["-s fe80::/10 -d ff02::1:2/128 -p udp -m udp --sport 546 --dport 547"]),
        ("-m ttl --ttl 3", ["-m hl --hl-eq 3"]),
        # several types in one option must all be true in IPv6, so each has a rule of its own
        ("-m addrtype --dst-type LOCAL,MULTICAST -j DROP",
         ["-m addrtype --dst-type LOCAL -j DROP", "-m addrtype --dst-type MULTICAST -j DROP"]),
        ("-m addrtype --dst-type MULTICAST,BROADCAST,LOCAL,local -j DROP",
         ["-m addrtype --dst-type LOCAL -j DROP", "-m addrtype --dst-type MULTICAST -j DROP"]),
        ("-m addrtype --src-type LOCAL --dst-type LOCAL,MULTICAST",
         ["-m addrtype --src-type LOCAL --dst-type LOCAL", "-m addrtype --src-type LOCAL --dst-type MULTICAST"]),
        ("-m addrtype ! --dst-type BROADCAST,MULTICAST", ["-m addrtype ! --dst-type MULTICAST"]),
        # in IPv6 the host's own addresses are unicast as well
        ("-m addrtype --src-type UNICAST,LOCAL -j DROP", ["-m addrtype --src-type UNICAST -j DROP"]),
        ("-m addrtype ! --src-type UNICAST,LOCAL -j DROP", ["-m addrtype ! --src-type UNICAST -j DROP"]),
        ("-m addrtype --src-type UNICAST,LOCAL,MULTICAST",
         ["-m addrtype --src-type MULTICAST", "-m addrtype --src-type UNICAST"]),
        # numbers of protocols, as iptables reads them
        ("-p 01 -m icmp --icmp-type 8", ["-p ipv6-icmp -m icmp6 --icmpv6-type 128"]),
        ("-p 0x6 --dport 22", ["-p tcp -m tcp --dport 22"]),
        ("-p 010", ["-p 8"]),
        ("-p 00 -j DROP", ["-j DROP"]),
        ("-p 255", ["-p 255"]),
        ("-m conntrack --ctproto 01", ["-m conntrack --ctproto 58"]),
    ],
)  # fmt: skip
def test_what_rules_become(rule: str, rules: list[str]) -> None:
    assert one(rule) == rules


RFC7915 = {
    "3/0": "1/0", "3/1": "1/0", "3/2": "4/1", "3/3": "1/4", "3/4": "2", "3/5": "1/0", "3/6": "1/0", "3/7": "1/0",
    "3/8": "1/0", "3/9": "1/1", "3/10": "1/1", "3/11": "1/0", "3/12": "1/0", "3/13": "1/1", "3/15": "1/1",
    "11/0": "3/0", "11/1": "3/1", "12/0": "4/0", "12/2": "4/0", "8": "128", "0": "129",
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), RFC7915.items())
def test_icmp_types_by_rfc_7915(old: str, new: str) -> None:
    assert one(f"-p icmp -m icmp --icmp-type {old}") == [f"-p ipv6-icmp -m icmp6 --icmpv6-type {new}"]


def test_every_name_of_a_type_is_known() -> None:
    for name, number in NAMES.items():
        if number in TYPES:
            assert one(f"-p icmp --icmp-type {name}") == one(f"-p icmp --icmp-type {number}")
        else:
            assert f"ICMP type {number}" in why(f"-p icmp --icmp-type {name}")


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        # addresses
        ("-s 10.1.2.3 -j ACCEPT", "'addresses' names 10.0.0.0/8 around it, but not itself; add '10.1.2.3/32'"),
        ("-s 192.0.2.0/24", "'addresses' names only parts of it (192.0.2.1/32)"),
        ("-s 192.168.3.0/24", "it is private (RFC 1918)"),
        ("-s 203.0.113.9", "'addresses' does not name it"),
        ("-s www.example.com", "'www.example.com' is a name"),
        ("-s 192.0.2.0/255.0.255.0", "is no prefix length"),
        ("-s 192.0.2.0/33", "no prefix length from 0 to 32"),
        ("-s 192.0.2.256", "no IPv4 address"),
        ("-s 2001:db8::1", "no IPv4 address"),
        ("-s 192.0.2.1 -s 10.0.0.0/8", "-s is given twice"),
        ("! -s 198.51.100.0/24", "has 2 counterparts, and no single rule says 'none of them'"),
        ("! -s 192.0.2.1,10.0.0.0/8", "takes one address, not a list"),
        ("! -s 0.0.0.0/0", "matches no packet"),
        ("-d 255.255.255.255", "IPv6 has no broadcast"),
        ("-m iprange --src-range 192.0.2.1-192.0.2.9", "names 1 of its 9 addresses"),
        ("-m iprange --src-range 192.0.2.9-192.0.2.1", "runs backwards"),
        ("-m iprange --src-range x", "is no range"),
        ("-m conntrack --ctorigsrc 203.0.113.1", "'addresses' does not name it"),
        ("-m policy --dir in --pol ipsec --strict --tunnel-src 203.0.113.1", "'addresses' does not name it"),
        ("-j TEE --gateway 10.0.0.0/8", "must be one address here"),
        # protocols
        ("-p 300 -j ACCEPT", "'300' is no protocol"),
        ("-p 256", "'256' is no protocol"),
        ("-p 058", "'058' is no protocol"),
        ("-p 0x3a", "ICMPv6 does not come over IPv4"),
        ("-m conntrack --ctproto 300", "'300' is no protocol"),
        ("-p igmp -j ACCEPT", "managed by ICMPv6 (MLD)"),
        ("! -p igmp", "managed by ICMPv6 (MLD)"),
        ("-p 41", "the tunnel that brings IPv6 over IPv4"),
        ("-p 4", "a tunnel of IPv4 in IPv4"),
        ("-p icmpv6", "ICMPv6 does not come over IPv4"),
        ("-p 44", "extension header"),
        ("! -p ah", "AH is an extension header"),
        ("! -p all", "matches no packet"),
        ("-f -j DROP", "-f is a flag of the IPv4 header"),
        ("! -f", "-f is a flag of the IPv4 header"),
        ("-4 -j DROP", "for IPv4 only"),
        ("-6 -j DROP", "an IPv6 rule already"),
        # icmp
        ("-p icmp ! --icmp-type 3", "has 2 counterparts"),
        ("-p icmp ! --icmp-type any", "matches no packet"),
        ("-p icmp --icmp-type 13 -j ACCEPT", "ICMP type 13 (timestamp) has no counterpart"),
        ("-p icmp --icmp-type 3/14", "host precedence violation"),
        ("-p icmp --icmp-type 5/0", "redirects for hosts only"),
        ("-p icmp ! --icmp-type 13", "no known counterpart"),
        ("-p icmp --icmp-type 99", "no known counterpart"),
        ("-p icmp --icmp-type nonsense", "no type of ICMP"),
        ("-p icmp --icmp-type 3 -m limit --limit 1/sec", "-m limit counts for each of them anew"),
        ("-s 198.51.100.0/24 -m statistic --mode nth --every 2 --packet 0", "counts for each of them anew"),
        # dhcp
        ("-s 192.0.2.1 -p udp --sport 67 --dport 68", "DHCPv6 runs between link-local addresses"),
        # matches
        ("-m conntrack --ctstate DNAT -j ACCEPT", "the state of translated connections"),
        ("-m conntrack --ctstate SNAT,DNAT", "the state of translated connections"),
        ("-m conntrack --ctproto 2", "belongs to IPv4"),
        (f"{HASH} --hashlimit-mode srcip --hashlimit-srcmask 16", "can't be told"),
        (f"{HASH} --hashlimit-mode dstip --hashlimit-dstmask 24", "only the plan knows"),
        ("-m connlimit --connlimit-above 9 --connlimit-mask 16", "can't be told"),
        ("-m recent --set --mask 255.255.0.0", "can't be told"),
        ("-m set --match-set v4 src", "make a set with 'family inet6'"),
        ("-j SET --add-set v4 src", "make a set with 'family inet6'"),
        ("-m addrtype --dst-type BROADCAST", "IPv6 has no broadcast"),
        ("-m addrtype --dst-type UNICAST -j ACCEPT", "the host's own addresses are UNICAST as well"),
        ("-m addrtype ! --dst-type UNICAST,MULTICAST", "the host's own addresses are UNICAST as well"),
        ("-m addrtype ! --dst-type LOCAL,MULTICAST", "no single rule says 'none of them'"),
        ("-m addrtype --dst-type LOCAL,MULTICAST -m limit --limit 1/sec", "counts for each of them anew"),
        *((f"-m addrtype --dst-type {kind}", f"the address type {kind} means something else in IPv6")
          for kind in ("PROHIBIT", "BLACKHOLE", "UNREACHABLE", "UNSPEC", "ANYCAST", "ODD")),
        ("-m pkttype --pkt-type broadcast", "IPv6 has no broadcast"),
        ("-m string --string x --algo bm --from 40", "counts from the IPv4 header"),
        ("-m helper --helper pptp", "not known to work for IPv6"),
        ("-j CT --helper irc", "not known to work for IPv6"),
        *((f"-m {name} --x", f"-m {name}: ") for name in ("realm", "geoip", "osf", "u32", "bpf")),
        ("-m quic --x 1", "-m quic is not known to have an IPv6 form"),
        ("-m limit --limit-new 1", "--limit-new of -m limit is not known to have an IPv6 form"),
        ("-p tcp -m tcp --dport 65536", "'65536' is no value of --dport"),
        ("-p tcp -m tcp --dport 22 --dport 23", "is given twice"),
        ("--dport 22", "--dport is an option of no match"),
        ("-m tcp --tcp-flags SYN", "takes 2 values"),
        # targets
        *((f"-j {name}", f"{name}: ") for name in ("TARPIT", "ULOG", "CLUSTERIP", "MASQUERADE", "MIRROR")),
        ("-j ECN --ecn-tcp-remove", "ECN: "),
        ("-j DNAT --to-destination 192.0.2.1", "DNAT: in IPv6 the host behind has an address of its own"),
        ("-j nowhere", "'nowhere' is no chain of this table"),
        ("-g nowhere", "'nowhere' is no chain of this table"),
        ("-g ACCEPT", "'ACCEPT' is no chain of this table"),
        ("-j REJECT --reject-with odd", "REJECT with 'odd'"),
        ("-j LOG --log-new", "--log-new of LOG is not known"),
        ("-j user --odd", "belongs to no match"),
    ],
)  # fmt: skip
def test_what_is_refused_and_why(rule: str, reason: str) -> None:
    assert reason in why(rule)


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        (
            "-s 203.0.113.9 -j ACCEPT",
            "without it IPv6 lets in less than IPv4: what it accepts goes on to the next rules",
        ),
        ("-s 203.0.113.9 -j DROP", "without it IPv6 lets in more than IPv4: what it stops goes on to the next rules"),
        ("-s 203.0.113.9 -j REJECT", "without it IPv6 lets in more than IPv4: what it stops goes on to the next rules"),
        ("-s 203.0.113.9 -j RETURN", "check the chain INPUT, which goes on where IPv4 returns"),
        ("-s 203.0.113.9 -j user", "check the chain user, which these packets don't reach without it"),
        ("-s 203.0.113.9 -j LOG", "without it less is logged, and nothing else changes"),
        ("-s 203.0.113.9 -j MARK --set-mark 1", "rules that ask for its mark take other packets than in IPv4"),
        ("! -p igmp -j ACCEPT", "goes on to the next rules"),
        ("-p igmp -j ACCEPT", "(no IPv6 packet is meant, so nothing is missing)"),
        ("-p icmp --icmp-type 13 -j DROP", "(no IPv6 packet is meant, so nothing is missing)"),
    ],
)
def test_the_reason_says_what_is_missing(rule: str, end: str) -> None:
    assert why(rule).endswith(end)


def test_what_leaves_is_let_out() -> None:
    reported = ip6tables_rules("-A OUTPUT -d 203.0.113.9 -j DROP")["untranslated"]
    assert "IPv6 lets out more than IPv4" in reported[0]["reason"]


def test_a_rule_that_becomes_too_many_is_refused() -> None:
    many = {f"10.{number}.0.0/16": [f"2001:db8:{number}:{k}::/64" for k in range(17)] for number in (1, 2)}
    assert len(one("-s 10.1.0.0/16", addresses=many)) == 17
    assert "more than 256 rules" in why("-s 10.1.0.0/16 -d 10.2.0.0/16", addresses=many)


@pytest.mark.parametrize(
    ("table", "rule", "reason"),
    [
        (
            "nat",
            "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080",
            "let the daemon listen on the port itself",
        ),
        ("nat", "-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1", "open the port to it in the chain FORWARD"),
        ("nat", "-A POSTROUTING -j SNAT --to-source 192.0.2.1", "have addresses of their own"),
        ("nat", "-A POSTROUTING -j MASQUERADE", "have addresses of their own"),
        ("nat", "-A POSTROUTING -j MASQUERADE", "unless the chain FORWARD refuses it, they are reached from outside"),
        ("nat", "-A POSTROUTING -j SNAT --to-source 192.0.2.1", "they are reached from outside"),
        ("nat", "-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff", "write it into the table mangle by hand"),
        ("nat", "-A PREROUTING -j MARK --set-xmark 0x1/0xffffffff", "rules that ask for its mark take other packets"),
        ("nat", "-A PREROUTING -j CONNMARK --set-xmark 0x1", "rules that ask for its mark take other packets"),
        ("nat", "-A PREROUTING -j LOG", "without it less is logged"),
        ("nat", "-A PREROUTING -j SET --add-set a src", "write it into the table mangle by hand"),
        ("nat", "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000", "kube-proxy keeps up itself"),
        ("nat", "-A PREROUTING -j NETMAP --to 10.0.0.0/8", "number the network from the prefix of the plan"),
        ("nat", "-A PREROUTING -j DOCKER", "docker keeps up itself"),
        ("nat", "-A POSTROUTING -j RETURN", "part of the address translation of IPv4 (table nat)"),
        ("broute", "-A BROUTING -j DROP", "ip6tables has no table 'broute'"),
        ("filter", "-A PREROUTING -j DROP", "PREROUTING is no chain of the table filter"),
    ],
)
def test_what_stands_in_no_table_of_ipv6(table: str, rule: str, reason: str) -> None:
    result = ip6tables_rules(f"*{table}\n{rule}\nCOMMIT\n")
    assert [entry["rule"] for entry in result["untranslated"]] == [rule]
    assert reason in result["untranslated"][0]["reason"]
    assert "*nat" not in result["rules"] and "-A" not in result["rules"]


@pytest.mark.parametrize("end", ["-s", "-d"])
@pytest.mark.parametrize("target", ["DROP", "ACCEPT", "user"])
def test_link_local_is_not_known_by_itself(end: str, target: str) -> None:
    """169.254.0.0/16 is the exception in IPv4; in IPv6 every neighbour speaks from fe80::/10."""
    rule = f"{end} 169.254.0.0/16 -j {target}"
    assert "every IPv6 neighbour speaks from fe80::/10" in why(rule)
    assert one(rule, addresses={"169.254.0.0/16": "fe80::/10"}) == [f"{end} fe80::/10 -j {target}"]
