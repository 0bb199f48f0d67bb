# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the firewall: F01 to F10. What lets somebody in over IPv6 who is kept out over IPv4, and the reverse."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils import (
    readiness_firewall_icmp,
    readiness_firewall_parity,
    readiness_firewall_ports,
    readiness_firewall_saved,
    readiness_firewall_state,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Check, Site


def probes(site: Site) -> list[dict[str, t.Any]]:
    """Return what the lab machine is to look at."""
    return [*readiness_firewall_ports.probes(site), *readiness_firewall_icmp.probes(site)]


CHECKS = (
    Check(
        "F01",
        "Nothing is reachable over IPv6 that is not over IPv4",
        "outside",
        5,
        "Of the TCP ports that listen or are declared, and port 22, each that a stranger reaches over IPv6 is reached "
        "over IPv4 too, or is declared for IPv6.",
        "RFC 9099, section 2.7.1",
        readiness_firewall_ports.only_over_ipv6,
    ),
    Check(
        "F02",
        "Declared services are reachable over IPv6 as over IPv4",
        "outside",
        4,
        "A declared TCP service that is reached over IPv4 is reached over IPv6 as well. UDP services are not tried.",
        "RFC 6540, section 2; Internet.nl, IPv6 reachability",
        readiness_firewall_ports.only_over_ipv4,
    ),
    Check(
        "F03",
        "The default of the IPv6 rules is no laxer than that of IPv4",
        "inside",
        5,
        "What no rule names is refused over IPv6 where it is refused over IPv4, in INPUT and, on a router, in FORWARD; "
        "and a host with a global IPv6 address has IPv6 rules.",
        "RFC 9099, section 2.7.1; ip6tables(8)",
        readiness_firewall_parity.defaults,
    ),
    Check(
        "F04",
        "The rules of both families let in the same hosts, as declared",
        "inside",
        4,
        "Each rule that lets somebody in over one family has a twin in the other or a declared reason, and each "
        "declared service is open over IPv6 for those who are meant.",
        "RFC 9099, section 2.7.1",
        readiness_firewall_parity.twins,
    ),
    Check(
        "F05",
        "The ICMPv6 messages that a host needs get in",
        "outside",
        4,
        "The rules let types 1, 2, 3, 4, 128 and 129 in, 133 to 136 with hop limit 255, and 130 to 132 and 143 from "
        "the link; and an echo request from outside is answered. The other types are not sent.",
        "RFC 4890, section 4.4.1",
        readiness_firewall_icmp.messages,
    ),
    Check(
        "F06",
        "Packet Too Big makes the host send smaller packets",
        "outside",
        4,
        "After a message Packet Too Big for 1280 octets the host answers in pieces that fit.",
        "RFC 8201, section 4; RFC 4890, section 4.3.1",
        readiness_firewall_icmp.too_big,
    ),
    Check(
        "F07",
        "Malformed extension headers are dropped, valid fragments are not",
        "outside",
        3,
        "Routing header type 0, overlapping fragments, a first fragment without its headers and an unknown header "
        "are not answered; an echo request in two valid fragments is.",
        "RFC 5095, section 3; RFC 5722, section 4; RFC 7112, section 5; RFC 8200, section 4",
        readiness_firewall_icmp.extension_headers,
    ),
    Check(
        "F08",
        "Answers and the management get in over both families",
        "inside",
        5,
        "Packets of connections that the host has made get in, connection tracking works where rules need it, and the "
        "management port is open to ipv6_lab_sources and ipv6_management_sources.",
        "RFC 6092, section 3.3; iptables-extensions(8), conntrack",
        readiness_firewall_state.management,
    ),
    Check(
        "F09",
        "The rules that run are those that the next boot loads",
        "inside",
        4,
        "Saved and running rules of each family are the same apart from counters, comments and chains that daemons "
        "make, and what loads them is enabled and starts before the network.",
        "netfilter-persistent(8); systemd.special(7), network-pre.target",
        readiness_firewall_saved.saved,
    ),
    Check(
        "F10",
        "Nobody else owns rules",
        "inside",
        3,
        "Only the managers of rules that readiness_rule_owner names are enabled, and only their nft tables filter what "
        "comes in.",
        "nft(8); iptables-nft(8)",
        readiness_firewall_saved.owners,
    ),
)
