# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protocols and ICMP types by the names that rules give them."""

from __future__ import annotations

ECHO = {"ipv4": 256 * 8, "ipv6": 256 * 128}
"""The echo request, as ``256 * type + code``."""
ECHO_REPLY = {"ipv4": 0, "ipv6": 256 * 129}
ICMP = {"ipv4": 1, "ipv6": 58}

PROTOCOLS = {
    "ip": 0,
    "all": 0,
    "hopopt": 0,
    "icmp": 1,
    "igmp": 2,
    "ipencap": 4,
    "ipip": 4,
    "tcp": 6,
    "egp": 8,
    "udp": 17,
    "dccp": 33,
    "ipv6": 41,
    "ipv6-route": 43,
    "ipv6-frag": 44,
    "rsvp": 46,
    "gre": 47,
    "esp": 50,
    "ipsec-esp": 50,
    "ah": 51,
    "ipsec-ah": 51,
    "ipv6-icmp": 58,
    "icmpv6": 58,
    "icmp6": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "eigrp": 88,
    "ospf": 89,
    "etherip": 97,
    "pim": 103,
    "ipcomp": 108,
    "vrrp": 112,
    "l2tp": 115,
    "sctp": 132,
    "mh": 135,
    "ipv6-mh": 135,
    "mobility-header": 135,
    "udplite": 136,
    "mpls-in-ip": 137,
}
WITH_PORTS = {PROTOCOLS[name] for name in ("tcp", "udp", "dccp", "sctp", "udplite")}

# The types that rules for new packets name; other names are left undecided.
ICMP_TYPES = {
    "ipv4": {
        "any": 255,
        "echo-reply": 0,
        "pong": 0,
        "destination-unreachable": 3,
        "source-quench": 4,
        "redirect": 5,
        "echo-request": 8,
        "ping": 8,
        "router-advertisement": 9,
        "router-solicitation": 10,
        "time-exceeded": 11,
        "ttl-exceeded": 11,
        "parameter-problem": 12,
        "timestamp-request": 13,
        "timestamp-reply": 14,
        "address-mask-request": 17,
        "address-mask-reply": 18,
    },
    "ipv6": {
        "destination-unreachable": 1,
        "packet-too-big": 2,
        "time-exceeded": 3,
        "ttl-exceeded": 3,
        "parameter-problem": 4,
        "echo-request": 128,
        "ping": 128,
        "echo-reply": 129,
        "pong": 129,
        "router-solicitation": 133,
        "router-advertisement": 134,
        "neighbour-solicitation": 135,
        "neighbor-solicitation": 135,
        "neighbour-advertisement": 136,
        "neighbor-advertisement": 136,
        "redirect": 137,
    },
}
