# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to the host's answer to a client: the way out, and each match seen from the other end."""

from __future__ import annotations

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.reach import Packet, answer

SOURCE = {"ipv4": "192.0.2.7", "ipv6": "2001:db8::7"}
SSH = Packet("tcp", 22, "eth0", "203.0.113.1")
IN_UNTRACKED = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j CT --notrack\nCOMMIT\n"
INPUT = "*filter\n:INPUT DROP [0:0]\nCOMMIT\n"


def output(*rules, name="filter", policy="ACCEPT", chain="OUTPUT"):
    """A table of the way out."""
    return "\n".join([f"*{name}", f":{chain} {policy} [0:0]", ":A - [0:0]", *rules, "COMMIT", ""])


@pytest.mark.parametrize(
    ("saved", "result", "by"),
    [
        ("", "accept", "the policy of OUTPUT"),
        (INPUT, "accept", "the policy of OUTPUT"),
        (output(policy="DROP"), "refuse", "the policy of OUTPUT"),
        (output("-A OUTPUT -j A", "-A A -p tcp -j DROP"), "refuse", "-A A -p tcp -j DROP"),
        (output("-A OUTPUT -p tcp --sport 22 -j ACCEPT", policy="DROP"), "accept", None),
        (output("-A OUTPUT -p tcp --dport 22 -j DROP"), "depends", None),
        (output("-A OUTPUT -p tcp --dport 1024:65535 -j ACCEPT", policy="DROP"), "accept", None),
        (output("-A OUTPUT -p tcp --sport 23 -j DROP"), "accept", None),
        (output("-A OUTPUT -m state --state NEW -j DROP"), "accept", None),
        (output("-A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", policy="DROP"), "accept", None),
        (output("-A OUTPUT -m conntrack ! --ctstate ESTABLISHED -j DROP"), "accept", None),
        (output("-A OUTPUT -d 192.0.2.0/24 -j DROP"), "refuse", None),
        (output("-A OUTPUT -d 192.0.2.8/32 -j DROP"), "accept", None),
        (output("-A OUTPUT -m iprange --dst-range 192.0.2.1-192.0.2.9 -j DROP"), "refuse", None),
        (output("-A OUTPUT -s 203.0.113.1/32 -j DROP"), "refuse", None),
        (output("-A OUTPUT -s 203.0.113.2/32 -j DROP"), "accept", None),
        (output("-A OUTPUT -m iprange --src-range 203.0.113.2-203.0.113.3 -j DROP"), "accept", None),
        (output("-A OUTPUT -o eth0 -j DROP"), "refuse", None),
        (output("-A OUTPUT -o lo -j ACCEPT", policy="DROP"), "refuse", None),
        (output("-A OUTPUT -j A", "-A A -i eth0 -j DROP"), "accept", None),
        (output("-A OUTPUT -j A", "-A A ! -i eth0 -j DROP"), "depends", None),
        (output("-A OUTPUT -p tcp --syn -j DROP"), "accept", None),
        (output("-A OUTPUT -p tcp ! --syn -j DROP"), "refuse", None),
        (output("-A OUTPUT -p tcp -m tcp --tcp-flags ACK ACK -j DROP"), "refuse", None),
        (output("-A OUTPUT -p tcp -m tcp --tcp-flags SYN SYN -j DROP"), "depends", None),
        (output("-A OUTPUT -m addrtype --src-type LOCAL -j DROP"), "refuse", None),
        (output("-A OUTPUT -m addrtype --dst-type LOCAL -j DROP"), "accept", None),
        (output("-A OUTPUT -m policy --dir out --pol ipsec -j DROP"), "accept", None),
        (output("-A OUTPUT -m owner --uid-owner 0 -j DROP"), "depends", None),
        (output("-A OUTPUT -j DROP", name="raw"), "refuse", "-A OUTPUT -j DROP (table raw)"),
        (
            output("-A OUTPUT -j CT --notrack", name="raw")
            + output("-A OUTPUT -m state --state ESTABLISHED -j ACCEPT", policy="DROP"),
            "refuse",
            None,
        ),
        (IN_UNTRACKED, "depends", "-A PREROUTING -p tcp -j CT --notrack (table raw)"),
        (IN_UNTRACKED + output(policy="DROP"), "refuse", None),
        (IN_UNTRACKED.replace("COMMIT", "-A OUTPUT -p tcp -j CT --notrack\nCOMMIT"), "accept", None),
        (IN_UNTRACKED.replace("-p tcp", "-p udp"), "accept", None),
        (output("-A OUTPUT -j DROP", name="mangle"), "refuse", "-A OUTPUT -j DROP (table mangle)"),
        (
            output("-A POSTROUTING -j DROP", name="mangle", chain="POSTROUTING"),
            "refuse",
            "-A POSTROUTING -j DROP (table mangle)",
        ),
        (output("-A OUTPUT -j DROP", name="security"), "refuse", None),
        (output("-A POSTROUTING -j MASQUERADE", name="nat", chain="POSTROUTING"), "accept", None),
    ],
)
def test_answers(saved, result, by):
    found = answer(saved, "ipv4", SSH, SOURCE["ipv4"])
    assert (found.result, found.decided_by) == (result, by or found.decided_by)


@pytest.mark.parametrize(
    ("family", "rule"),
    [("ipv4", "-p icmp --icmp-type 0"), ("ipv6", "-p ipv6-icmp --icmpv6-type 129"), ("ipv6", "-d 2001:db8::/64")],
)
def test_answers_of_echo(family, rule):
    saved = output(f"-A OUTPUT {rule} -j ACCEPT", policy="DROP")
    assert answer(saved, family, Packet("icmp"), SOURCE[family]).result == "accept"
