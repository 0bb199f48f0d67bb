# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP in rules: DHCPv6 has ports of its own, and speaks from link-local addresses (RFC 8415, sections 7 and 18)."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import LINK_LOCAL, MARK
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import Context, Untranslatable

_PORTS = {"67": "67", "bootps": "67", "dhcps": "67", "68": "68", "bootpc": "68", "dhcpc": "68"}
_NEW = {"67": "547", "68": "546"}
_NONE = ("0.0.0.0", "0.0.0.0/32")
_ALL = ("255.255.255.255", "255.255.255.255/32")
SERVERS = "ff02::1:2/128"

_CLIENT = {
    **dict.fromkeys(("PREROUTING", "INPUT"), (f"-s {LINK_LOCAL} -p udp -m udp --sport 547 --dport 546",)),
    **dict.fromkeys(
        ("OUTPUT", "POSTROUTING"),
        tuple(f"-d {end} -p udp -m udp --sport 546 --dport 547" for end in (SERVERS, LINK_LOCAL)),
    ),
}

Ends = t.List[t.List[str]]


def client(chain: str) -> t.List[str]:
    """Return the rules that a DHCPv6 client needs in a built-in chain.

    IPv4 rules don't have them: there a client reads and writes whole packets (packet sockets), past all rules.
    """
    return [
        f'-A {chain} {rule} -m comment --comment "{MARK}DHCPv6, RFC 8415" -j ACCEPT' for rule in _CLIENT.get(chain, ())
    ]


def dhcp(
    packet: t.Mapping[str, Option], matches: t.Sequence[Match], context: Context
) -> t.Optional[t.Tuple[Ends, t.List[Match]]]:
    """Translate a rule for what a DHCP server says to a client (67 to 68), or the client to the server.

    :returns: the texts for both ends and the matches with the ports changed; None for any other rule
    """
    ports = {
        option.name: option.value
        for match in matches
        if match.module == "udp"
        for option in match.options
        if not option.negated
    }
    way = (_PORTS.get(ports.get("--sport", "")), _PORTS.get(ports.get("--dport", "")))
    if context.protocol != "udp" or way not in (("67", "68"), ("68", "67")):
        return None
    to_client = way == ("67", "68")
    # The unspecified address and the broadcast address say who speaks: here it is a link-local address, or a group.
    meant = {"-s": (_NONE, LINK_LOCAL), "-d": (_ALL, LINK_LOCAL if to_client else SERVERS)}
    ends: t.Dict[str, str] = {"-s": f"-s {LINK_LOCAL}"} if to_client else {}
    for name, (old, new) in meant.items():
        option = packet.get(name)
        if option is None or (option.value in ("0.0.0.0/0", "0/0") and not option.negated):
            continue
        if option.negated or option.value not in old:
            raise Untranslatable(
                f"'{option}': DHCPv6 runs between link-local addresses and the group {SERVERS}, not the addresses of "
                f"the plan; write a rule by hand with -s {LINK_LOCAL} and the ports 546 (client) and 547 (server)"
            )
        ends[name] = f"{name} {new}"
    changed = [
        Match(
            match.module,
            tuple(Option(option.name, (_NEW[_PORTS[option.value]],)) for option in match.options)
            if match.module == "udp"
            else match.options,
        )
        for match in matches
    ]
    return [[text] for text in ends.values()], changed
