# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP in rules: the types by RFC 7915, section 4.2, and the ICMPv6 that IPv4 rules can't speak of."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import HOST, ROUTER, Message
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option, TableText
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_dhcp import client
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import Context, Untranslatable, one, several

ICMP = "ipv6-icmp"

# The names that iptables knows, but for those that only stand for a type with all its codes.
NAMES = {
    "echo-reply": "0",
    "pong": "0",
    "destination-unreachable": "3",
    "network-unreachable": "3/0",
    "host-unreachable": "3/1",
    "protocol-unreachable": "3/2",
    "port-unreachable": "3/3",
    "fragmentation-needed": "3/4",
    "source-route-failed": "3/5",
    "network-unknown": "3/6",
    "host-unknown": "3/7",
    "network-prohibited": "3/9",
    "host-prohibited": "3/10",
    "tos-network-unreachable": "3/11",
    "tos-host-unreachable": "3/12",
    "communication-prohibited": "3/13",
    "host-precedence-violation": "3/14",
    "precedence-cutoff": "3/15",
    "source-quench": "4",
    "redirect": "5",
    "network-redirect": "5/0",
    "host-redirect": "5/1",
    "tos-network-redirect": "5/2",
    "tos-host-redirect": "5/3",
    "echo-request": "8",
    "ping": "8",
    "router-advertisement": "9",
    "router-solicitation": "10",
    "time-exceeded": "11",
    "ttl-exceeded": "11",
    "ttl-zero-during-transit": "11/0",
    "ttl-zero-during-reassembly": "11/1",
    "parameter-problem": "12",
    "ip-header-bad": "12/0",
    "required-option-missing": "12/1",
    "timestamp-request": "13",
    "timestamp-reply": "14",
    "address-mask-request": "17",
    "address-mask-reply": "18",
}

# RFC 7915, section 4.2; 5, 9 and 10 are messages of neighbour discovery there, which it does not translate.
TYPES: t.Dict[str, t.Tuple[str, ...]] = {
    "0": ("129",),
    "0/0": ("129",),
    "3": ("1", "2"),
    **{f"3/{code}": ("1/0",) for code in (0, 1, 5, 6, 7, 8, 11, 12)},
    "3/2": ("4/1",),
    "3/3": ("1/4",),
    "3/4": ("2",),
    **{f"3/{code}": ("1/1",) for code in (9, 10, 13, 15)},
    "5": ("137",),
    "5/1": ("137",),
    "8": ("128",),
    "8/0": ("128",),
    "9": ("134",),
    "9/0": ("134",),
    "10": ("133",),
    "10/0": ("133",),
    "11": ("3",),
    "11/0": ("3/0",),
    "11/1": ("3/1",),
    "12": ("4/0",),
    "12/0": ("4/0",),
    "12/2": ("4/0",),
}

# What IPv6 has no packets for.
WITHOUT = {
    "3/14": "host precedence violation",
    "4": "source quench, which RFC 6633 took out of use",
    "5/0": "redirect for a network; ICMPv6 redirects for hosts only",
    "5/2": "redirect by type of service",
    "5/3": "redirect by type of service",
    "12/1": "missing IPv4 option",
    "13": "timestamp",
    "14": "timestamp reply",
    "15": "information request",
    "16": "information reply",
    "17": "address mask request",
    "18": "address mask reply",
}


def icmp_match(match: Match, context: Context) -> t.List[str]:
    """Translate ``-m icmp --icmp-type``; without a type, and with any, the protocol alone says it."""
    if not match.options:
        return [""]
    option = _only(match)
    kind = one(option).lower()
    if kind in ("any", "255", "255/255"):
        if option.negated:
            raise Untranslatable("'! --icmp-type any' matches no packet; leave the rule out", True)
        return [""]
    kind = NAMES.get(kind, kind)
    if not re.fullmatch(r"\d{1,3}(/\d{1,3})?", kind, re.ASCII):
        raise Untranslatable(f"'{kind}' is no type of ICMP that is known; write its number")
    kind = "/".join(str(int(number)) for number in kind.split("/"))
    if kind in TYPES:
        return [f"-m icmp6 {text}" for text in several(option, TYPES[kind], "--icmpv6-type")]
    what = WITHOUT.get(kind) or WITHOUT.get(kind.partition("/")[0])
    if what and not option.negated:
        raise Untranslatable(f"ICMP type {kind} ({what}) has no counterpart in ICMPv6; leave the rule out", True)
    raise Untranslatable(
        f"ICMP type {kind} has no known counterpart in ICMPv6; write a rule with --icmpv6-type by hand if there is one"
    )


def _only(match: Match) -> Option:
    if len(match.options) > 1 or match.options[0].name != "--icmp-type":
        raise Untranslatable("-m icmp has options beside one --icmp-type; correct the rule")
    return match.options[0]


# ------------------------------------------------------------------------------- what IPv4 rules can't speak of

HOST_CHAIN = "NEEDED-ICMPV6"
ROUTER_CHAIN = "NEEDED-ICMPV6-FWD"
_ERRORS = ("1", "2", "3", "4")
_ECHO = ("128", "129")  # whether pings get an answer the IPv4 rules say

_ENDS = ("DROP", "REJECT", "QUEUE", "NFQUEUE", "SYNPROXY", "TPROXY")


def needed(table: str, text: TableText) -> t.Tuple[t.Dict[str, t.List[str]], t.List[str]]:
    """Return what a translated table needs so that neighbour discovery, path MTU discovery and DHCPv6 go on.

    IPv4 does the work of neighbour discovery with ARP, which no rule filters. So IPv4 rules that drop what they don't
    know would cut an IPv6 host off its link.

    :returns: the chains that need rules in front, with these, and the rules of the user chains that they jump to
    """
    front: t.Dict[str, t.List[str]] = {}
    chains: t.Dict[str, t.Tuple[Message, ...]] = {}
    for chain, policy in text.policies.items():
        if policy == "-" or not (policy != "ACCEPT" or _may_drop(chain, text, table == "filter")):
            continue
        router = chain == "FORWARD"
        name = _free(ROUTER_CHAIN if router else HOST_CHAIN, text)
        chains[name] = tuple(m for m in ROUTER if m.type in _ERRORS) if router else HOST
        front[chain] = [f"-A {chain} -p {ICMP} -j {name}", *client(chain)]
    rules = [
        rule
        for name, messages in chains.items()
        for message in messages
        if message.type not in _ECHO
        for rule in message.rules(name)
    ]
    return front, rules


def _may_drop(start: str, text: TableText, any_jump: bool) -> bool:
    """Whether a chain, or one that it leads to, can drop a packet.

    :param any_jump: a jump is enough, since other programs put rules into that chain later on (fail2ban, docker)
    """
    targets: t.Dict[str, t.Set[str]] = {}
    for rule in text.rules:
        targets.setdefault(rule.chain, set()).add(rule.target)
    seen, ahead = {start}, [start]
    while ahead:
        for target in targets.get(ahead.pop(), ()):
            if target in _ENDS or (any_jump and target in text.policies):
                return True
            if target in text.policies and target not in seen:
                seen.add(target)
                ahead.append(target)
    return False


def _free(name: str, text: TableText) -> str:
    """Return a name that no chain has yet."""
    number, free = 2, name
    while free in text.policies:
        number, free = number + 1, f"{name}-{number}"
    return free
