# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defects of rules and sockets: F01 to F10 and L01 to L06."""

from __future__ import annotations

from defect import defect

# Running and saved rules stay the same where a defect is not about that.
SAVE = "; cp -p /etc/iptables/rules.v6 /run/defect.rules; ip6tables-save >/etc/iptables/rules.v6"
BACK = "cp -p /run/defect.rules /etc/iptables/rules.v6; rm /run/defect.rules; ip6tables-restore </etc/iptables/rules.v6"
SAVE4 = "; cp -p /etc/iptables/rules.v4 /run/defect.rules; iptables-save >/etc/iptables/rules.v4"
BACK4 = "cp -p /run/defect.rules /etc/iptables/rules.v4; rm /run/defect.rules; iptables-restore </etc/iptables/rules.v4"

# ------------------------------------------------------------------------------------------------------------ rules

defect(
    "F01",
    "an internal port is open over IPv6 only",
    "The service is declared for nobody outside. F04 sees the rule without a twin, L01 the socket that the world reaches.",
    "www1",
    "ip6tables -I INPUT -p tcp -m tcp --dport 8080 -j ACCEPT" + SAVE,
    BACK,
    also=["F04 www1", "L01 www1"],
)
defect(
    "F02",
    "a published port is closed over IPv6 for strangers",
    "The lab machine is still let in by its own rule. R07 counts an answer that says no as a way that works.",
    "www1",
    "ip6tables -I INPUT -s $outside6 -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset" + SAVE,
    BACK,
    also=["F04 www1"],
)
defect(
    "F03",
    "the default of the IPv6 rules is to let in",
    "The last rules refuse what no other rule names, until there are none: then everybody is let in.",
    "ns2",
    "ip6tables -P INPUT ACCEPT; ip6tables -D INPUT -j REJECT --reject-with icmp6-adm-prohibited" + SAVE,
    BACK,
)
defect(
    "F04",
    "a rule of IPv4 has no twin",
    "Nobody listens there, so that nobody notices from outside.",
    "www1",
    "iptables -I INPUT -p tcp -m tcp --dport 9999 -j ACCEPT" + SAVE4,
    BACK4,
)
defect(
    "F05",
    "parameter problems are dropped",
    "A message that errors are told by, and that no probe needs.",
    "www1",
    "ip6tables -I INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 4 -j DROP" + SAVE,
    BACK,
)
defect(
    "F06",
    "Packet Too Big is dropped",
    "F05 reads it in the rules, F06 sees that the host goes on with packets that are too big, and so do large pages.",
    "www1",
    "ip6tables -I INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j DROP" + SAVE,
    BACK,
    also=["F05 www1"],
)
defect(
    "F07",
    "valid fragments get lost",
    "There is no memory to put them together.",
    "www1",
    "sysctl -qw net.ipv6.ip6frag_low_thresh=0 net.ipv6.ip6frag_high_thresh=0"
    " net.netfilter.nf_conntrack_frag6_low_thresh=0 net.netfilter.nf_conntrack_frag6_high_thresh=0",
    "sysctl -qw net.ipv6.ip6frag_high_thresh=4194304 net.ipv6.ip6frag_low_thresh=3145728"
    " net.netfilter.nf_conntrack_frag6_high_thresh=4194304 net.netfilter.nf_conntrack_frag6_low_thresh=3145728",
)
defect(
    "F08",
    "answers to the host's own connections are refused",
    "What comes in is let in by rules of its own; only the host itself reaches nobody any more.",
    "mail1",
    "ip6tables -D INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" + SAVE,
    BACK,
)
defect(
    "F09",
    "the saved rules are others than those that run",
    "The next boot loads a rule more.",
    "www1",
    "cp -p /etc/iptables/rules.v6 /run/defect.rules; sed -i"
    " 's/^-A INPUT -i lo -j ACCEPT/&\\n-A INPUT -p tcp -m tcp --dport 9998 -j DROP/' /etc/iptables/rules.v6",
    "cp -p /run/defect.rules /etc/iptables/rules.v6; rm /run/defect.rules",
)
defect(
    "F10",
    "another program has a table of its own",
    "It lets everything in, but nobody declared who makes it.",
    "www1",
    "nft add table inet firewalld; nft 'add chain inet firewalld input { type filter hook input priority 10; }'",
    "nft delete table inet firewalld",
)

# ---------------------------------------------------------------------------------------------------------- sockets

defect(
    "L01",
    "a service that the world reaches is in no list",
    "It is the name server, once nobody declares it any more: its rules stay open.",
    expect=["L01 ns1", "L01 ns2", "L06 ns1", "L06 ns2", "F04 ns1", "F04 ns2"],
    variables={"ipv6_services": []},
)
defect(
    "L04",
    "a declared service listens on IPv4 only",
    "Nobody gets in over IPv6, and each check that connects there says so.",
    "mail1",
    "cp -p /etc/postfix/main.cf /run/defect.main; postconf -e inet_protocols=ipv4; systemctl restart postfix",
    "cp -p /run/defect.main /etc/postfix/main.cf; systemctl restart postfix; rm /run/defect.main",
    also=["F02 mail1"],
)
