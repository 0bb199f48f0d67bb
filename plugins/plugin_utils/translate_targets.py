# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The targets of rules: which of them mean the same in IPv6, option by option, and which become something else."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Option
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_options import (
    BY_HAND,
    Handler,
    helper,
    host,
    segment_size,
    set_name,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import (
    FLAG,
    HEX,
    INTERFACE,
    MASKED,
    NUMBER,
    TEXT,
    WORDS,
    Context,
    Patterns,
    Untranslatable,
    checked,
    one,
    written,
)

_MARKS: t.Dict[str, Patterns] = {
    f"--{verb}": (MASKED,) for verb in ("set-mark", "and-mark", "or-mark", "xor-mark", "set-xmark")
}

SAME: t.Dict[str, t.Dict[str, Patterns]] = {
    "ACCEPT": {},
    "DROP": {},
    "RETURN": {},
    "REJECT": {},
    "LOG": {
        "--log-prefix": (TEXT,),
        "--log-level": (r"[0-7]|[a-z]+",),
        "--log-tcp-sequence": FLAG,
        "--log-tcp-options": FLAG,
        "--log-ip-options": FLAG,
        "--log-uid": FLAG,
        "--log-macdecode": FLAG,
    },
    "NFLOG": {
        "--nflog-group": (NUMBER,),
        "--nflog-prefix": (TEXT,),
        "--nflog-range": (NUMBER,),
        "--nflog-size": (NUMBER,),
        "--nflog-threshold": (NUMBER,),
    },
    "NFQUEUE": {
        "--queue-num": (NUMBER,),
        "--queue-balance": (r"\d+:\d+",),
        "--queue-bypass": FLAG,
        "--queue-cpu-fanout": FLAG,
    },
    "MARK": _MARKS,
    "CONNMARK": {
        **_MARKS,
        "--save-mark": FLAG,
        "--restore-mark": FLAG,
        "--nfmask": (HEX,),
        "--ctmask": (HEX,),
        "--mask": (HEX,),
    },
    "CONNSECMARK": {"--save": FLAG, "--restore": FLAG},
    "SECMARK": {"--selctx": (TEXT,)},
    "TOS": {
        "--set-tos": (rf"{MASKED}|[A-Za-z-]+",),
        "--and-tos": (HEX,),
        "--or-tos": (HEX,),
        "--xor-tos": (HEX,),
    },
    "DSCP": {"--set-dscp": (HEX,), "--set-dscp-class": (WORDS,)},
    "CLASSIFY": {"--set-class": (r"[0-9a-fA-F]+:[0-9a-fA-F]+",)},
    "CHECKSUM": {"--checksum-fill": FLAG},
    "TCPMSS": {"--clamp-mss-to-pmtu": FLAG},
    "TCPOPTSTRIP": {"--strip-options": (WORDS,)},
    "CT": {
        "--notrack": FLAG,
        "--ctevents": (WORDS,),
        "--expevents": (WORDS,),
        "--zone": (rf"{HEX}|mark",),
        "--zone-orig": (rf"{HEX}|mark",),
        "--zone-reply": (rf"{HEX}|mark",),
    },
    "NOTRACK": {},
    "TRACE": {},
    "SET": {"--exist": FLAG, "--timeout": (NUMBER,)},
    "TEE": {"--oif": (INTERFACE,)},
    "TPROXY": {"--on-port": (NUMBER,), "--tproxy-mark": (MASKED,)},
    "SYNPROXY": {"--sack-perm": FLAG, "--timestamp": FLAG, "--wscale": (NUMBER,), "--ecn": FLAG},
    "AUDIT": {"--type": (WORDS,)},
    "TTL": {},
}

REJECT_TYPES = {
    "icmp-net-unreachable": "icmp6-no-route",
    "net-unreach": "icmp6-no-route",
    "icmp-host-unreachable": "icmp6-addr-unreachable",
    "host-unreach": "icmp6-addr-unreachable",
    "icmp-proto-unreachable": "icmp6-port-unreachable",
    "proto-unreach": "icmp6-port-unreachable",
    "icmp-port-unreachable": "icmp6-port-unreachable",
    "port-unreach": "icmp6-port-unreachable",
    "icmp-net-prohibited": "icmp6-adm-prohibited",
    "net-prohib": "icmp6-adm-prohibited",
    "icmp-host-prohibited": "icmp6-adm-prohibited",
    "host-prohib": "icmp6-adm-prohibited",
    "icmp-admin-prohibited": "icmp6-adm-prohibited",
    "admin-prohib": "icmp6-adm-prohibited",
    "tcp-reset": "tcp-reset",
    "tcp-rst": "tcp-reset",
}

_OWN = "IPv6 hosts have addresses of their own and need no translation"
_BEHIND = (
    f"{_OWN}; give the hosts behind this one IPv6 addresses and a route, and leave the rule out; unless the chain "
    "FORWARD refuses it, they are reached from outside"
)
NAT = {
    "MASQUERADE": _BEHIND,
    "SNAT": _BEHIND,
    "DNAT": "in IPv6 the host behind has an address of its own; publish that address, and open the port to it in the "
    "chain FORWARD of the table filter",
    "REDIRECT": "IPv6 needs no translation for this; let the daemon listen on the port itself, and open it in the "
    "chain INPUT of the table filter",
    "NETMAP": f"{_OWN}; number the network from the prefix of the plan",
    "SAME": f"{_OWN}; leave the rule out",
    "BALANCE": "IPv6 has no such target; publish the address of each server, or of a load balancer",
}
NEVER = {
    "TARPIT": "ip6tables has no such target; write a rule with DROP if that is meant",
    "ULOG": "the kernel has no such target any more; write a rule with NFLOG",
    "CLUSTERIP": "ip6tables has no such target; use a load balancer, or an address that moves (VRRP)",
    "ECN": "ip6tables has no such target; leave the rule out, or set net.ipv4.tcp_ecn, which holds for both families",
    "MIRROR": "ip6tables has no such target; leave the rule out",
}


def reject_type(option: Option, context: Context) -> t.List[str]:
    """The error that a rejected sender gets; IPv6 has none for a protocol that is unknown."""
    kind = REJECT_TYPES.get(one(option))
    if kind is None:
        raise Untranslatable(f"REJECT with '{option.value}' is not known to have an IPv6 form; {BY_HAND}")
    return [written(option, kind)]


def hop_limit(option: Option, context: Context) -> t.List[str]:
    """TTL and hop limit are the same."""
    return [checked(Option(option.name.replace("--ttl", "--hl"), option.values), (NUMBER,))]


def proxy_address(option: Option, context: Context) -> t.List[str]:
    """The address of a transparent proxy; the address of none is ``::``."""
    return [written(option, "::")] if one(option) == "0.0.0.0" else host(option, context)


CHANGED: t.Dict[str, t.Dict[str, Handler]] = {
    "REJECT": {"--reject-with": reject_type},
    "TTL": {"--ttl-set": hop_limit, "--ttl-inc": hop_limit, "--ttl-dec": hop_limit},
    "TCPMSS": {"--set-mss": segment_size},
    "SYNPROXY": {"--mss": segment_size},
    "CT": {"--helper": helper},
    "SET": {"--add-set": set_name, "--del-set": set_name, "--map-set": set_name},
    "TEE": {"--gateway": host},
    "TPROXY": {"--on-ip": proxy_address},
}
NAMES = {"TTL": "HL", "NOTRACK": "CT"}


def knows(target: str, name: str) -> bool:
    """Whether a target has an option."""
    return name in SAME.get(target, {}) or name in CHANGED.get(target, {})


def translate(options: t.Sequence[Option], context: Context) -> t.List[str]:
    """Return the texts of what a rule does, one for each rule that it needs; of one that only counts, an empty text."""
    rule = context.rule
    if not rule.target:
        return [""]
    if rule.target in context.chains:
        if options:
            raise Untranslatable(f"{options[0].name} belongs to no match of the rule; correct the rule")
        return [f"{'-g' if rule.goto else '-j'} {rule.target}"]
    for table in (NAT, NEVER):
        if rule.target in table:
            raise Untranslatable(f"{rule.target}: {table[rule.target]}")
    if rule.goto or rule.target not in SAME:
        raise Untranslatable(
            f"'{rule.target}' is no chain of this table, and no target that is known to have an IPv6 form; {BY_HAND}"
        )
    texts = [f"-j {NAMES.get(rule.target, rule.target)}"]
    if rule.target == "NOTRACK":
        texts = ["-j CT --notrack"]
    if rule.target == "REJECT" and not options:
        texts = ["-j REJECT --reject-with icmp6-port-unreachable"]
    for option in options:
        handler = CHANGED.get(rule.target, {}).get(option.name)
        patterns = SAME[rule.target].get(option.name)
        if handler:
            more = handler(option, context)
        elif patterns is not None:
            more = [checked(option, patterns)]
        else:
            raise Untranslatable(f"{option.name} of {rule.target} is not known to have an IPv6 form; {BY_HAND}")
        texts = [f"{text} {each}" for text in texts for each in more]
    return texts
