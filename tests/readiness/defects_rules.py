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

# A host knows the MTU of a path for ten minutes, from an audit before.
FORGET = "ip -6 route flush cache"
SERVER = """\
systemd-run --quiet --collect --unit=defect python3 -m http.server --bind %s %s
i=0
until ss -Hlnt | grep -q ':%s '; do i=$((i + 1)); [ $i -lt 100 ]; sleep 0.1; done
"""

# ------------------------------------------------------------------------------------------------------------ rules

defect(
    "F01",
    "an internal port is open over IPv6 only",
    "The service is for nobody outside. F04 sees the rule without a twin, L01 the socket that the world reaches.",
    "www1",
    "ip6tables -I INPUT -p tcp -m tcp --dport 8080 -j ACCEPT" + SAVE,
    BACK,
    also=["F04 www1", "L01 www1"],
)
defect(
    "F02",
    "a published port is closed over IPv6 for strangers",
    "The lab machine is still let in by its own rule; what is published is tried from outside (D11, W01).",
    "www1",
    "ip6tables -I INPUT -s $outside6 -p tcp -m tcp --dport 443 -j REJECT --reject-with tcp-reset" + SAVE,
    BACK,
    also=["D11 www1", "W01 www1"],
)
defect(
    "F03",
    "the default of the IPv6 rules is to let in",
    "Without the last rules, what no other one names is let in: more than over IPv4 (F04), and to ssh as well (L06).",
    "ns2",
    "ip6tables -P INPUT ACCEPT; ip6tables -D INPUT -j REJECT --reject-with icmp6-adm-prohibited\n"
    "ip6tables -D INPUT -p tcp -j REJECT --reject-with tcp-reset" + SAVE,
    BACK,
    also=["F04 ns2", "L06 ns2"],
)
defect(
    "F04",
    "a rule of IPv4 has no twin",
    "A program that clients reach over IPv4 only, though it would serve both.",
    "www1",
    SERVER % ("::", 9999, 9999) + "iptables -I INPUT -p tcp -m tcp --dport 9999 -j ACCEPT" + SAVE4,
    f"{BACK4}; systemctl stop defect",
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
    "Packet Too Big is dropped for the outside",
    "The host goes on with packets that are too big (P01), and TCP does not look for the MTU by itself (P03).",
    "www1",
    f"{FORGET}; ip6tables -I INPUT -s $outside6 -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j DROP" + SAVE,
    BACK,
    also=["P01 www1", "P03 www1"],
)
defect(
    "P01",
    "Packet Too Big is dropped",
    "The same for everybody, which F05 reads in the rules.",
    "mail1",
    f"{FORGET}; ip6tables -I INPUT -p ipv6-icmp -m icmp6 --icmpv6-type 2 -j DROP" + SAVE,
    BACK,
    also=["P03 mail1", "F05 mail1", "F06 mail1"],
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
    "a program that the world reaches is in no list",
    "Over both families alike, so that no rule is without a twin.",
    "www1",
    SERVER
    % ("::", 9997, 9997)
    + "for family in 4 6; do cp -p /etc/iptables/rules.v$family /run/defect.rules$family; done\n"
    "iptables -I INPUT -p tcp -m tcp --dport 9997 -j ACCEPT; iptables-save >/etc/iptables/rules.v4\n"
    "ip6tables -I INPUT -p tcp -m tcp --dport 9997 -j ACCEPT; ip6tables-save >/etc/iptables/rules.v6",
    "for family in 4 6; do cp -p /run/defect.rules$family /etc/iptables/rules.v$family; done; rm /run/defect.rules?\n"
    "iptables-restore </etc/iptables/rules.v4; ip6tables-restore </etc/iptables/rules.v6; systemctl stop defect",
)
defect(
    "L04",
    "a declared service listens on IPv4 only",
    "Postfix is told to use IPv4 only (M04). Each check that connects over IPv6 says so.",
    "mail1",
    "cp -p /etc/postfix/main.cf /run/defect.main; postconf -e inet_protocols=ipv4; systemctl restart postfix",
    "cp -p /run/defect.main /etc/postfix/main.cf; systemctl restart postfix; rm /run/defect.main",
    also=["F02 mail1", "D11 mail1", "M01 mail1", "M04 mail1"],
)
defect(
    "L05",
    "a program binds an address that may not be there at boot",
    "The unit waits for nothing. Only neighbours get there.",
    "www1",
    SERVER % ("$www1_link%eth0", 9996, 9996),
    "systemctl stop defect",
)
defect(
    "L06",
    "everybody may log in over IPv6",
    "As over IPv4, so that no rule is without a twin; but nobody declared it.",
    "www1",
    "ip6tables -I INPUT -p tcp -m tcp --dport 22 -j ACCEPT" + SAVE,
    BACK,
)
