# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of rules that become something else in IPv6: one function for each kind of value."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Option, unquoted
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_addresses import ANYWHERE, outermost
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import (
    NAME,
    NUMBER,
    WORDS,
    Context,
    Untranslatable,
    checked,
    one,
    protocol_text,
    quoted,
    several,
    written,
)

BY_HAND = "write a rule by hand if IPv6 needs one"
Handler = t.Callable[[Option, Context], t.List[str]]

# Helpers of connection tracking that IPv6 has as well.
HELPERS = ("ftp", "tftp", "sip", "amanda", "sane", "RAS", "Q.931")
ADDRESS_TYPES = {"UNICAST", "LOCAL", "MULTICAST"}

RECENT_SUFFIX = "-v6"
SITE = "ffff:ffff:ffff:ffff::"
LONGER_HEADER = 20
"""An IPv6 header is 20 bytes longer than an IPv4 header, and its MSS is 20 bytes smaller."""


def address(option: Option, context: Context) -> t.List[str]:
    """An address or prefix, or a list of them; an option that any address fulfils goes."""
    names = one(option).split(",")
    if option.negated and len(names) > 1:
        raise Untranslatable(f"'! {option.name}' takes one address, not a list; correct the rule")
    found = outermost([prefix for name in names for prefix in context.addresses.find(name)])
    if ANYWHERE in found:
        if option.negated:
            raise Untranslatable(f"'! {option.name} {option.value}' matches no packet; leave the rule out", True)
        return [""]
    return several(option, [prefix_text(*prefix) for prefix in found])


def host(option: Option, context: Context) -> t.List[str]:
    """One address, as a gateway has it."""
    return [written(option, context.addresses.host(one(option)))]


def ip_range(option: Option, context: Context) -> t.List[str]:
    """The range of an ``iprange`` match."""
    return several(option, context.addresses.span(one(option)))


def set_name(option: Option, context: Context) -> t.List[str]:
    """The name of an ipset, with the directions that are looked up."""
    if len(option.values) != 2:
        raise Untranslatable(f"{option.name} takes the name of a set and directions; correct the rule")
    name = unquoted(option.values[0])
    if name not in context.sets:
        raise Untranslatable(
            f"the set '{name}' holds IPv4 addresses: make a set with 'family inet6', and name it in 'sets' "
            f"({{'{name}': '{name[:27]}-v6'}}); a set of ports or MAC addresses alone serves both: name itself"
        )
    return [checked(Option(option.name, (context.sets[name], option.values[1]), option.negated), (NAME, WORDS))]


def states(option: Option, context: Context) -> t.List[str]:
    """Connection states; those of NAT never come about where nothing is translated."""
    if set(one(option).split(",")) <= {"DNAT", "SNAT"}:
        raise Untranslatable(
            f"{option.value} is the state of translated connections, and these rules translate none in IPv6; open the "
            "ports of the hosts behind this one in FORWARD instead",
            not option.negated,
        )
    return [checked(option, (WORDS,))]


def protocol_number(option: Option, context: Context) -> t.List[str]:
    """The protocol of a connection."""
    kind = protocol_text(option)
    if kind in ("icmp", "1"):
        return [written(option, "58")]
    if kind in ("igmp", "2", "ipv6", "41", "ipencap", "4", "ipv6-icmp", "58"):
        raise Untranslatable(f"the protocol '{kind}' belongs to IPv4; {BY_HAND}")
    return [checked(Option(option.name, (kind,), option.negated), (r"[a-z0-9.+-]+",))]


def address_types(option: Option, context: Context) -> t.List[str]:
    """Address types. Broadcast is none in IPv6, so that in a list it goes without a loss.

    An IPv4 address is of exactly one type, and a list names all that are right. An IPv6 address must be of all types of
    a list, and can be: the host's own addresses (LOCAL) are UNICAST as well.
    """
    kinds = set(one(option).upper().split(",")) - {"BROADCAST"}
    if not kinds:
        raise Untranslatable("IPv6 has no broadcast; leave the rule out, or write MULTICAST", not option.negated)
    for kind in sorted(kinds - ADDRESS_TYPES):
        raise Untranslatable(f"the address type {kind} means something else in IPv6, or nothing; {BY_HAND}")
    if "UNICAST" in kinds:
        if "LOCAL" not in kinds:
            raise Untranslatable(
                "in IPv6 the host's own addresses are UNICAST as well; write '-m addrtype "
                f"{option.name} UNICAST -m addrtype ! {option.name} LOCAL' by hand"
            )
        kinds.remove("LOCAL")
    return several(option, sorted(kinds))


def packet_type(option: Option, context: Context) -> t.List[str]:
    """How a packet was sent on the link."""
    kind = one(option).lower()
    if kind == "broadcast":
        raise Untranslatable("IPv6 has no broadcast; leave the rule out, or write multicast", not option.negated)
    return [checked(Option(option.name, (kind,), option.negated), ("host|unicast|multicast",))]


def helper(option: Option, context: Context) -> t.List[str]:
    """A helper of connection tracking."""
    name = one(option)
    if name not in HELPERS:
        raise Untranslatable(f"the helper '{name}' is not known to work for IPv6; {BY_HAND}")
    return [written(option, quoted(name))]


def mask(option: Option, context: Context) -> t.List[str]:
    """How many bits of an address count as one client. A site has a /64 at least, as it has an address in IPv4."""
    bits = {"32": "64", "24": "48", "0": "0"}.get(one(option))
    if bits is None:
        raise Untranslatable(
            f"{option.name} {option.value}: which IPv6 prefix is as many clients as an IPv4 /{option.value} can't be "
            "told (32 becomes 64, 24 becomes 48); write the rule by hand"
        )
    return [written(option, bits)]


def own_mask(option: Option, context: Context) -> t.List[str]:
    """How many bits of a destination count as one: a host has its own address in both families."""
    bits = {"32": "128", "0": "0"}.get(one(option))
    if bits is None:
        raise Untranslatable(
            f"{option.name} {option.value}: which IPv6 prefix holds these destinations only the plan knows; write the "
            "rule by hand"
        )
    return [written(option, bits)]


def connection_mask(option: Option, context: Context) -> t.List[str]:
    """The mask of sources or, with --connlimit-daddr, of destinations."""
    return (own_mask if any(other.name == "--connlimit-daddr" for _m, other in context.rule.options) else mask)(
        option, context
    )


def recent_mask(option: Option, context: Context) -> t.List[str]:
    """The same as an address mask."""
    new = {"255.255.255.255": SITE, "255.255.255.0": "ffff:ffff:ffff::"}.get(one(option))
    if new is None:
        raise Untranslatable(
            f"--mask {option.value}: which IPv6 prefix is as many clients can't be told (255.255.255.255 becomes "
            f"{SITE}); write the rule by hand"
        )
    return [written(option, new)]


def recent_name(option: Option, context: Context) -> t.List[str]:
    """The kernel keeps one list a name for both families, with the mask of the rule that came first."""
    return [checked(Option(option.name, (one(option) + RECENT_SUFFIX,)), (NAME,))]


def _shifted(option: Option, by: int) -> t.List[str]:
    bounds = one(option).split(":")
    if not 0 < len(bounds) < 3 or not all(re.fullmatch(r"\d{0,5}", bound, re.ASCII) for bound in bounds):
        raise Untranslatable(f"'{option.value}' is no value of {option.name} that is known; write the rule by hand")
    numbers = [bound if bound in ("", "0", "65535") else str(min(max(int(bound) + by, 0), 65535)) for bound in bounds]
    return [written(option, ":".join(numbers))]


def packet_length(option: Option, context: Context) -> t.List[str]:
    """The length of the same packet with an IPv6 header."""
    return _shifted(option, LONGER_HEADER)


def segment_size(option: Option, context: Context) -> t.List[str]:
    """The MSS that leads to packets of the same size."""
    return _shifted(option, -LONGER_HEADER)


def hops(option: Option, context: Context) -> t.List[str]:
    """TTL and hop limit are the same."""
    name = "--hl-" + (option.name.partition("-eq")[0][6:] or "eq")
    return [checked(Option(name, option.values, option.negated), (NUMBER,))]


def tcp_syn(option: Option, context: Context) -> t.List[str]:
    """What the short form stands for."""
    return [written(option, "FIN,SYN,RST,ACK", "SYN", name="--tcp-flags")]


def part_of_packet(option: Option, context: Context) -> t.List[str]:
    """Offsets of a search count from the IP header on; older versions print the defaults."""
    if (option.name, option.value) in (("--from", "0"), ("--to", "65535")):
        return [""]
    raise Untranslatable(f"{option.name} counts from the IPv4 header, and the IPv6 header is longer; {BY_HAND}")
