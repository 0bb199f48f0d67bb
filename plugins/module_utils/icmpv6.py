# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ICMPv6 messages a host, and a router, must let through: RFC 4890, sections 4.3 (transit) and 4.4 (local)."""

from __future__ import annotations

import typing as t

MARK = "ipv6.rollout: "
"""What the comment of each of our rules begins with, so that nobody else's rule is taken for one of ours."""

LINK_LOCAL = "fe80::/10"
# A node has no address yet while it joins groups and tests its first one (RFC 3590, RFC 3810 section 5.2.13).
UNSPECIFIED = "::/128"


class Message(t.NamedTuple):
    """An ICMPv6 message that is let through.

    ``hops`` is the hop limit that a packet of this link still has, and no packet from elsewhere can have (255), or
    that keeps it on the link (1). ``sources`` is empty where any source is right.
    """

    type: str
    name: str
    section: str
    sources: t.Tuple[str, ...] = ()
    hops: int = 0

    def rules(self, chain: str) -> t.List[str]:
        """The rules that let it through, as ``ip6tables-save`` prints them."""
        return [
            f"-A {chain} {where}-p ipv6-icmp -m icmp6 --icmpv6-type {self.type}"
            + (f" -m hl --hl-eq {self.hops}" if self.hops else "")
            + f' -m comment --comment "{MARK}{self.name}, RFC 4890 {self.section}" -j ACCEPT'
            for where in ([f"-s {source} " for source in self.sources] or [""])
        ]


ERRORS = (
    ("1", "destination unreachable", "1"),
    ("2", "packet too big", "1"),
    ("3", "time exceeded", "1"),  # code 1 by the second subsection
    ("4", "parameter problem", "1"),  # code 0 by the second subsection
    ("128", "echo request", "1"),
    ("129", "echo reply", "1"),
)

HOST: t.Tuple[Message, ...] = (
    *(Message(kind, name, f"4.4.{part}") for kind, name, part in ERRORS),
    Message("130", "multicast listener query", "4.4.1", (LINK_LOCAL,), 1),
    Message("131", "multicast listener report", "4.4.1", (LINK_LOCAL, UNSPECIFIED), 1),
    Message("132", "multicast listener done", "4.4.1", (LINK_LOCAL, UNSPECIFIED), 1),
    Message("143", "multicast listener report 2", "4.4.1", (LINK_LOCAL, UNSPECIFIED), 1),
    Message("133", "router solicitation", "4.4.1", (), 255),
    Message("134", "router advertisement", "4.4.1", (LINK_LOCAL,), 255),
    # Not from fe80::/10 only: a neighbour may use a global source, and DAD uses :: (RFC 4861, 4862).
    Message("135", "neighbour solicitation", "4.4.1", (), 255),
    Message("136", "neighbour advertisement", "4.4.1", (), 255),
    Message("141", "inverse neighbour discovery solicitation", "4.4.1", (), 255),
    Message("142", "inverse neighbour discovery advertisement", "4.4.1", (), 255),
    Message("148", "certification path solicitation", "4.4.1", (), 255),
    Message("149", "certification path advertisement", "4.4.1", (), 255),
    Message("151", "multicast router advertisement", "4.4.1", (LINK_LOCAL,), 1),
    Message("152", "multicast router solicitation", "4.4.1", (LINK_LOCAL,), 1),
    Message("153", "multicast router termination", "4.4.1", (LINK_LOCAL,), 1),
)

# Neighbour discovery, MLD and the like never leave their link, so a router lets none of them through.
ROUTER: t.Tuple[Message, ...] = (
    *(Message(kind, name, f"4.3.{part}") for kind, name, part in ERRORS),
    Message("144", "home agent address discovery request", "4.3.2"),
    Message("145", "home agent address discovery reply", "4.3.2"),
    Message("146", "mobile prefix solicitation", "4.3.2"),
    Message("147", "mobile prefix advertisement", "4.3.2"),
)
