# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One rule becomes the IPv6 rules that stand for it, or the reason why there are none."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import BASIC, Match, Option, Rule
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate_matches, translate_targets
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import Addresses
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_dhcp import dhcp
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_icmp import ICMP
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_options import BY_HAND, address
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import (
    INTERFACE,
    Context,
    Untranslatable,
    checked,
    protocol_text,
    written,
)

MOST_RULES = 256  # of one rule; more is a set's work

# Protocols that mean something else in IPv6, or nothing.
PROTOCOLS = {
    "igmp": "multicast groups are managed by ICMPv6 (MLD) in IPv6, which needs no rule of its own here; leave the rule "
    "out",
    "ipv6": "it is the tunnel that brings IPv6 over IPv4; native IPv6 needs no rule for it; leave it out",
    "ipencap": "it is a tunnel of IPv4 in IPv4; write a rule by hand for what the tunnel is over IPv6",
    "ipv6-icmp": "ICMPv6 does not come over IPv4, so that what the rule is for can't be told; write it by hand",
    "ipv6-route": "it is an extension header; write a rule with -m rt by hand",
    "ipv6-frag": "it is an extension header; write a rule with -m frag by hand",
    "ipv6-opts": "it is an extension header; write a rule with -m dst by hand",
    "ipv6-nonxt": "it ends a chain of IPv6 headers; write a rule by hand",
    "hopopt": "it is an extension header; write a rule with -m hbh by hand",
}
NUMBERS = {
    "0": "all",
    "1": "icmp",
    "2": "igmp",
    "4": "ipencap",
    "6": "tcp",
    "17": "udp",
    "33": "dccp",
    "41": "ipv6",
    "43": "ipv6-route",
    "44": "ipv6-frag",
    "47": "gre",
    "50": "esp",
    "51": "ah",
    "58": "ipv6-icmp",
    "59": "ipv6-nonxt",
    "60": "ipv6-opts",
    "132": "sctp",
    "icmpv6": "ipv6-icmp",
    "ipv4": "ipencap",
    "ip": "all",
}
PORTED = ("tcp", "udp", "dccp", "sctp")

# Options that have no place in an IPv6 rule set.
NOT_HERE = {
    "-f": "-f is a flag of the IPv4 header; in IPv6 connection tracking puts fragments together before any rule sees "
    "them, and -m frag means something else; write a rule with -m frag by hand where nothing is tracked",
    "-4": "it says of itself that it is for IPv4 only (-4); leave it out",
    "-6": "it is an IPv6 rule already (-6), which iptables does not load; take it over as it is",
}

# A rule that would be counted once for each of several rules is none of these.
COUNTED = ("limit", "quota", "statistic", "connlimit")

Slot = t.Tuple[str, t.List[Option]]
Slots = t.List[Slot]
"""Matches with the options that they take."""


def translate(rule: Rule, chains: t.Collection[str], addresses: Addresses, sets: t.Mapping[str, str]) -> t.List[str]:
    """Return the IPv6 rules that stand for a rule: one for each combination of its parts' counterparts."""
    packet, matches, target_options = sorted_options(rule)
    protocol = packet.get("-p")
    context = Context(rule, protocol_name(protocol), chains, addresses, sets)
    for name, why in NOT_HERE.items():
        if name in packet:
            raise Untranslatable(why)
    ends, matches = dhcp(packet, matches, context) or (_ends(packet, context), matches)
    texts = [f"-A {rule.chain}"]
    columns = [
        *ends,
        *([checked(packet[name], (INTERFACE,))] for name in ("-i", "-o") if name in packet),
        [_protocol(protocol, context)],
        *(translate_matches.translate(match, context) for match in matches),
        translate_targets.translate(target_options, context),
    ]
    for column in columns:
        texts = [f"{text} {more}".rstrip() for text in texts for more in column]
        if len(texts) > MOST_RULES:
            raise Untranslatable(
                f"it would become more than {MOST_RULES} rules; use an ipset of 'family inet6' instead"
            )
    if len(texts) > 1:
        for match in matches:
            if match.module in COUNTED and "random" not in str(match):
                raise Untranslatable(
                    f"it would become {len(texts)} rules, and -m {match.module} counts for each of them anew; map to "
                    "one prefix, or write a chain of your own"
                )
    return texts


def _ends(packet: t.Mapping[str, Option], context: Context) -> t.List[t.List[str]]:
    return [address(packet[name], context) for name in ("-s", "-d") if name in packet]


def sorted_options(rule: Rule) -> t.Tuple[t.Dict[str, Option], t.List[Match], t.List[Option]]:
    """Give each option to the match that knows it, as ``iptables`` does: ``-p tcp -m state --state NEW --dport 22``.

    :returns: the options of the packet, the matches and the options of the target
    """
    packet: t.Dict[str, Option] = {}
    slots: Slots = [(match.module, []) for match in rule.matches if match.module]
    protocol = protocol_name(rule.basic("-p"))
    own = protocol if protocol in (*PORTED, "icmp", "esp", "ah") else ""
    target_options: t.List[Option] = []
    named = iter(list(slots))
    for match in rule.matches:
        here = next(named) if match.module else None
        for option in match.options:
            if option.name in BASIC and not match.module:
                if option.name in packet:
                    raise Untranslatable(f"{option.name} is given twice; correct the rule")
                packet[option.name] = option
            else:
                _place(option, slots, here, own).append(option)
    for option in rule.target_options:
        if translate_targets.knows(rule.target, option.name) or not _known(option, slots, own):
            target_options.append(option)
        else:
            _place(option, slots, None, own).append(option)
    for module, options in slots:
        names = [option.name for option in options]
        if len(set(names)) < len(names) and module != "policy":
            raise Untranslatable(f"an option of -m {module} is given twice; correct the rule")
    return packet, [Match(module, tuple(options)) for module, options in slots], target_options


def _known(option: Option, slots: Slots, own: str) -> bool:
    return any(translate_matches.knows(module, option.name) for module in (own, *(slot[0] for slot in slots)))


def _place(option: Option, slots: Slots, here: t.Optional[Slot], own: str) -> t.List[Option]:
    """Return the options of the match that an option belongs to: where it stands, else where it is known."""
    if here and (translate_matches.knows(here[0], option.name) or not _known(option, slots, own)):
        return here[1]
    for module, options in slots:
        if translate_matches.knows(module, option.name):
            return options
    if translate_matches.knows(own, option.name):
        slots.insert(0, (own, []))
        return slots[0][1]
    raise Untranslatable(f"{option.name} is an option of no match that the rule names; {BY_HAND}")


def protocol_name(option: t.Optional[Option]) -> str:
    """Return the protocol of a rule by its name; an empty text where it is of any, or of any other."""
    if option is None or option.negated:
        return ""
    name = protocol_text(option)
    return NUMBERS.get(name, name)


def _protocol(option: t.Optional[Option], context: Context) -> str:
    if option is None:
        return ""
    name = protocol_text(option)
    name = NUMBERS.get(name, name)
    if name in PROTOCOLS:
        raise Untranslatable(f"protocol {name}: {PROTOCOLS[name]}", name in ("igmp", "ipv6") and not option.negated)
    if name == "all":
        if option.negated:
            raise Untranslatable("'! -p all' matches no packet; leave the rule out", True)
        return ""
    if name == "icmp":
        return written(option, ICMP)
    if name == "ah":  # an extension header in IPv6, which -p never finds
        if option.negated:
            raise Untranslatable("AH is an extension header in IPv6, and '! -p ah' says nothing of it; use -m ah")
        return "" if any(match.module == "ah" for match in context.rule.matches) else "-m ah"
    return checked(Option(option.name, (name,), option.negated), (r"\d{1,3}|[a-z][a-z0-9.+-]*",))
