# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of the gateway, of what hosts choose, and of the fleet: N01 to N07, S01 to S04, A05, L03, P02, P03, Z."""

from __future__ import annotations

from defect import defect, fine
from defects_dns import relay

# ---------------------------------------------------------------------------------------------------------- gateway

UNBOUND = "/etc/unbound/unbound.conf.d/zz-ipv6-rollout-dns64.conf"


def unbound(change: str) -> tuple[str, str]:
    """Return how the DNS64 is changed with sed, and changed back."""
    return (
        f"cp -p {UNBOUND} /run/defect.unbound; sed -i '{change}' {UNBOUND}; systemctl restart unbound",
        f"cp -p /run/defect.unbound {UNBOUND}; rm /run/defect.unbound; systemctl restart unbound",
    )


SEED, UNDO = unbound('/AAAA .*::c000:ab"/d')
defect(
    "N01",
    "the DNS64 tells one of two well-known addresses",
    "Whoever looks for the prefix by both of them does not find it.",
    "gw1",
    SEED,
    UNDO,
    expect=("N01",),
)
SEED, UNDO = unbound("s/^server:/server:\\n    dns64-synthall: yes/")
defect(
    "N02",
    "the DNS64 makes addresses for names that have IPv6",
    "Clients go through the NAT64 to servers that they would reach anyhow; unbound does so with CD, too (N04).",
    "gw1",
    SEED,
    UNDO,
    expect=("N02", "N04"),
)
defect(
    "N03",
    "the gateway does not reach a server of the world",
    "The translator runs, and its packets get nowhere.",
    "gw1",
    "ip route add blackhole $legacy1_public",
    "ip route del blackhole $legacy1_public",
)
START, STOP = relay("gw1", "no-checking", "5353", "127.0.0.1")
REDIRECT = "PREROUTING -s $lab6 -d $gw1_6 -p udp -m udp --dport 53 -j REDIRECT --to-ports 5353"
defect(
    "N04",
    "who validates gets addresses that were made up",
    "Something in front of the DNS64 takes the flags away.",
    "gw1",
    f"{START}\ncp -p /etc/iptables/rules.v6 /run/defect.rules\nip6tables -t nat -A {REDIRECT}\n"
    "ip6tables-save | grep -v IPV6-ROLLOUT-NAT64 >/etc/iptables/rules.v6",
    f"ip6tables -t nat -D {REDIRECT}; cp -p /run/defect.rules /etc/iptables/rules.v6; rm /run/defect.rules; {STOP}",
    expect=("N04",),
)
defect(
    "N05",
    "the NAT64 translates for strangers",
    "Somebody has put the outside among its clients.",
    "gw1",
    'nft add element inet ipv6_rollout_nat64 clients "{ $outside_net6 }"',
    'nft delete element inet ipv6_rollout_nat64 clients "{ $outside_net6 }"',
    expect=("N05",),
)
# A router advertisement (RFC 4861, section 4.2) with a PREF64 option (RFC 8781, section 4), sent every second.
PREF64 = """\
cat >/run/defect.py <<END
import ipaddress, socket, struct, time
link = socket.if_nametoindex("eth0")
made = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
prefix = ipaddress.IPv6Address("%s").packed[:12]
head = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 0, 0, 0) + struct.pack(">BBH", 38, 2, 600 // 8 << 3)
while True:
    made.sendto(head + prefix, ("ff02::1", 0, 0, link))
    time.sleep(1)
END
systemd-run --quiet --collect --unit=defect python3 /run/defect.py
"""
defect(
    "N06",
    "an advertisement tells another NAT64 prefix",
    "It comes from a stranger, which R04 says.",
    "legacy1",
    PREF64 % "2001:db8:dead:64::",
    "systemctl stop defect; rm /run/defect.py",
    expect=("N06", "R04"),
)
fine(
    "N06",
    "fine: the router tells the prefix that the DNS64 uses",
    "It is the declared router, which hosts take no other advice from.",
    "router",
    PREF64 % "$(echo $gw1_6 | cut -d : -f 1-3):64::",
    "systemctl stop defect; rm /run/defect.py",
    passes="N06 gw1",
)
defect(
    "N07",
    "a program without IPv4 is told an IPv4 address",
    "Its backend is written as an address, which DNS64 can't help.",
    "web6",
    "printf '<IfModule mod_proxy.c>\\n    ProxyPass /old http://192.0.2.180/\\n</IfModule>\\n'"
    " >/etc/apache2/conf-enabled/zz-defect.conf",
    "rm /etc/apache2/conf-enabled/zz-defect.conf",
)

# ------------------------------------------------------------------------------------------------- choice of address

defect(
    "S01",
    "somebody has changed the policy of address selection",
    "IPv4 comes first, and nobody declared it.",
    "www1",
    "cp -p /etc/gai.conf /run/defect.gai; echo 'precedence ::ffff:0:0/96 100' >>/etc/gai.conf",
    "cp -p /run/defect.gai /etc/gai.conf; rm /run/defect.gai",
)
defect(
    "S02",
    "connections to one network leave from another address",
    "A route names the address that only the proxy is meant to know.",
    "web6",
    "ip -6 route add $outside_net6 via fe80::1 dev eth0 src ${web6_6%:*}:8086",
    "ip -6 route del $outside_net6 via fe80::1 dev eth0 src ${web6_6%:*}:8086",
)
# The name begins like the tables of the collection's own roles, so that F10 takes it for one.
LATE = """\
nft -f - <<'END'
table ip ipv6_rollout_defect {
    set seen { type ipv4_addr . inet_service; flags dynamic,timeout; timeout 30s; size 65535; }
    chain first {
        type filter hook prerouting priority -300;
        tcp dport 80 tcp flags & (syn | ack) == syn ip saddr . tcp sport @seen accept
        tcp dport 80 tcp flags & (syn | ack) == syn add @seen { ip saddr . tcp sport } drop
    }
}
END
"""
defect(
    "S04",
    "who falls back to IPv4 waits for it",
    "The first packet of each connection over IPv4 gets lost, so that each takes a second.",
    "www1",
    LATE,
    "nft delete table ip ipv6_rollout_defect",
)

# ---------------------------------------------------------------------------------------------- declared otherwise

ONLY_WWW1 = "{{ %s if inventory_hostname == 'www1' else %s }}"
defect(
    "P02",
    "segments are larger than the declared path takes",
    "The inventory says that the way out of www1 is narrow, and nothing clamps.",
    expect=("P02 www1",),
    variables={"readiness_path_mtu": ONLY_WWW1 % ("1280", "9000")},
    passes=("P02 mail1",),
)
defect(
    "P03",
    "TCP does not look for the MTU, and is declared to",
    "The kernel's default.",
    expect=("P03 www1",),
    variables={"readiness_mtu_probing": ONLY_WWW1 % ("1", "0")},
    passes=("P03 mail1",),
)
defect(
    "L03",
    "a service listens everywhere, and is declared for one address",
    "The rules keep everybody out, so that only a look at the sockets tells.",
    expect=("L03 www1",),
    variables={
        "ipv6_listeners": "{{ {'www1': [{'name': 'internal', 'port': 8080, 'addresses': ['127.0.0.1', '::1']}],"
        " 'gw1': [{'name': 'proxy-http', 'port': 80, 'families': ['ipv4']},"
        " {'name': 'proxy-https', 'port': 443, 'families': ['ipv4']},"
        " {'name': 'proxy-ssh', 'port': 22001, 'families': ['ipv4']}]}[inventory_hostname] | default([]) }}"
    },
)

# ---------------------------------------------------------------------------------------------------------- fleet

defect(
    "A05",
    "two hosts have one address",
    "The mail server has that of the web server, too, where nobody asks for it. It is not declared (A01), and"
    " connections to the web server would not leave the host (S02).",
    "mail1",
    "ip link add defect0 type veth peer name defect1; ip link set defect0 up; ip link set defect1 up\n"
    "ip -6 addr add $www1_6/128 dev defect0\n"
    "i=0; while ip -6 addr show dev defect0 | grep -q tentative; do i=$((i + 1)); [ $i -lt 50 ]; sleep 0.1; done",
    "ip link del defect0",
    expect=("A05 www1", "A01 mail1", "S02 mail1"),
)
defect(
    "Z01",
    "something over IPv4 worked before, and does not now",
    "The audit is given the report of the healthy site, and a port is shut for IPv4 (W01, F04).",
    "www1",
    "iptables -I INPUT -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset; cp -p /etc/iptables/rules.v4"
    " /run/defect.rules; iptables-save >/etc/iptables/rules.v4",
    "cp -p /run/defect.rules /etc/iptables/rules.v4; rm /run/defect.rules; iptables-restore </etc/iptables/rules.v4",
    also=["W01 www1", "F04 www1"],
    variables={"audit_before": "@before@"},
)
fine(
    "Z01",
    "fine: what worked over IPv4 works",
    "The report of the healthy site, and no change.",
    passes="Z01",
    variables={"audit_before": "@before@"},
)
defect(
    "Z03",
    "something changes a file of the host all the time",
    "So the look can't say that it changed nothing.",
    "www1",
    "systemd-run --quiet --collect --unit=defect sh -c 'while sleep 0.02; do date +%N >/etc/defect; done'",
    "systemctl stop defect; rm -f /etc/defect",
)
