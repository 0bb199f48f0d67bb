# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matches of rules: which of them mean the same in IPv6, option by option, and which become something else."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, Option
from ansible_collections.ipv6.rollout.plugins.plugin_utils import translate_options as changed
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_icmp import icmp_match
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_options import BY_HAND, Handler
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate_parts import (
    FLAG,
    HEX,
    INTERFACE,
    MASKED,
    NAME,
    NUMBER,
    PORT_LIST,
    PORT_RANGE,
    RANGE,
    RATE,
    TEXT,
    WORDS,
    Context,
    Patterns,
    Untranslatable,
    checked,
)

_PORTS: t.Dict[str, Patterns] = {"--sport": (PORT_RANGE,), "--dport": (PORT_RANGE,)}
_FLAGS = r"(?:SYN|ACK|FIN|RST|URG|PSH|ALL|NONE)(?:,(?:SYN|ACK|FIN|RST|URG|PSH))*"
_TIME = r"\d{1,2}:\d{2}(?::\d{2})?"
_DATE = r"\d{4}(?:-\d{2}(?:-\d{2}(?:T\d{2}(?::\d{2}(?::\d{2})?)?)?)?)?"

# Options that ip6tables takes as they are and that mean the same there.
SAME: t.Dict[str, t.Dict[str, Patterns]] = {
    "tcp": {**_PORTS, "--tcp-flags": (_FLAGS, _FLAGS), "--syn": FLAG, "--tcp-option": (NUMBER,)},
    "udp": _PORTS,
    "dccp": {**_PORTS, "--dccp-types": (WORDS,), "--dccp-option": (NUMBER,)},
    "sctp": {**_PORTS, "--chunk-types": ("any|all|only", r"[A-Za-z0-9_,:-]+")},
    "esp": {"--espspi": (RANGE,)},
    "ah": {"--ahspi": (RANGE,)},
    "multiport": {"--sports": (PORT_LIST,), "--dports": (PORT_LIST,), "--ports": (PORT_LIST,)},
    "state": {"--state": (WORDS,)},
    "conntrack": {
        "--ctstatus": (WORDS,),
        "--ctexpire": (RANGE,),
        "--ctdir": ("ORIGINAL|REPLY",),
        "--ctorigsrcport": (RANGE,),
        "--ctorigdstport": (RANGE,),
        "--ctreplsrcport": (RANGE,),
        "--ctrepldstport": (RANGE,),
    },
    "limit": {"--limit": (RATE,), "--limit-burst": (NUMBER,)},
    "hashlimit": {
        "--hashlimit-upto": (RATE,),
        "--hashlimit-above": (RATE,),
        "--hashlimit-burst": (RATE,),
        "--hashlimit-mode": (WORDS,),
        "--hashlimit-name": (NAME,),
        "--hashlimit-htable-size": (NUMBER,),
        "--hashlimit-htable-max": (NUMBER,),
        "--hashlimit-htable-expire": (NUMBER,),
        "--hashlimit-htable-gcinterval": (NUMBER,),
        "--hashlimit-rate-match": FLAG,
        "--hashlimit-rate-interval": (NUMBER,),
    },
    "recent": {
        "--set": FLAG,
        "--rcheck": FLAG,
        "--update": FLAG,
        "--remove": FLAG,
        "--seconds": (NUMBER,),
        "--reap": FLAG,
        "--hitcount": (NUMBER,),
        "--rttl": FLAG,
        "--rsource": FLAG,
        "--rdest": FLAG,
    },
    "connlimit": {
        "--connlimit-upto": (NUMBER,),
        "--connlimit-above": (NUMBER,),
        "--connlimit-saddr": FLAG,
        "--connlimit-daddr": FLAG,
    },
    "connbytes": {"--connbytes": (RANGE,), "--connbytes-dir": (WORDS,), "--connbytes-mode": (WORDS,)},
    "owner": {
        "--uid-owner": (r"[A-Za-z0-9_.$-]+",),
        "--gid-owner": (r"[A-Za-z0-9_.$-]+",),
        "--socket-exists": FLAG,
        "--suppl-groups": FLAG,
    },
    "comment": {"--comment": (TEXT,)},
    "mark": {"--mark": (MASKED,)},
    "connmark": {"--mark": (MASKED,)},
    "mac": {"--mac-source": (r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}",)},
    "addrtype": {"--limit-iface-in": FLAG, "--limit-iface-out": FLAG},
    "iprange": {},
    "set": {
        "--return-nomatch": FLAG,
        "--update-counters": FLAG,
        "--update-subcounters": FLAG,
        **{f"--{what}-{how}": (NUMBER,) for what in ("packets", "bytes") for how in ("eq", "lt", "gt")},
    },
    "time": {
        "--timestart": (_TIME,),
        "--timestop": (_TIME,),
        "--datestart": (_DATE,),
        "--datestop": (_DATE,),
        "--monthdays": (WORDS,),
        "--weekdays": (WORDS,),
        "--kerneltz": FLAG,
        "--contiguous": FLAG,
    },
    "policy": {
        "--dir": ("in|out",),
        "--pol": ("none|ipsec",),
        "--strict": FLAG,
        "--reqid": (NUMBER,),
        "--spi": (HEX,),
        "--proto": ("ah|esp|ipcomp",),
        "--mode": ("tunnel|transport",),
        "--next": FLAG,
    },
    "dscp": {"--dscp": (HEX,), "--dscp-class": (WORDS,)},
    "tos": {"--tos": (rf"{MASKED}|[A-Za-z-]+",)},
    "physdev": {
        "--physdev-in": (INTERFACE,),
        "--physdev-out": (INTERFACE,),
        "--physdev-is-in": FLAG,
        "--physdev-is-out": FLAG,
        "--physdev-is-bridged": FLAG,
    },
    "pkttype": {},
    "string": {"--algo": ("bm|kmp",), "--string": (TEXT,), "--hex-string": (TEXT,), "--icase": FLAG},
    "statistic": {
        "--mode": ("random|nth",),
        "--probability": (r"[0-9.]+",),
        "--every": (NUMBER,),
        "--packet": (NUMBER,),
    },
    "quota": {"--quota": (NUMBER,)},
    "socket": {"--transparent": FLAG, "--nowildcard": FLAG, "--restore-skmark": FLAG},
    "rpfilter": {"--loose": FLAG, "--validmark": FLAG, "--accept-local": FLAG, "--invert": FLAG},
    "cgroup": {"--cgroup": (NUMBER,), "--path": (TEXT,)},
    "cpu": {"--cpu": (NUMBER,)},
    "devgroup": {"--src-group": (MASKED,), "--dst-group": (MASKED,)},
    "ecn": {"--ecn-tcp-cwr": FLAG, "--ecn-tcp-ece": FLAG, "--ecn-ip-ect": ("[0-3]",)},
    "connlabel": {"--label": (r"[A-Za-z0-9_-]+",), "--set": FLAG},
    "helper": {},
    "length": {},
    "tcpmss": {},
    "ttl": {},
    "icmp": {},
}

NEVER = {
    "realm": f"realms belong to IPv4 routes, and ip6tables has no such match; {BY_HAND}",
    "geoip": "ip6tables has the match only with a database of IPv6 addresses of its own; " + BY_HAND,
    "osf": "its fingerprints are those of IPv4 packets; " + BY_HAND,
    "u32": "it looks at places in the IPv4 header, and the IPv6 header has another form; " + BY_HAND,
    "bpf": "its program looks at places in the IPv4 header; " + BY_HAND,
}

# Options that become something else.
CHANGED: t.Dict[str, t.Dict[str, Handler]] = {
    "tcp": {"--syn": changed.tcp_syn},
    "conntrack": {
        "--ctstate": changed.states,
        "--ctproto": changed.protocol_number,
        "--ctorigsrc": changed.address,
        "--ctorigdst": changed.address,
        "--ctreplsrc": changed.address,
        "--ctrepldst": changed.address,
    },
    "hashlimit": {"--hashlimit-srcmask": changed.mask, "--hashlimit-dstmask": changed.own_mask},
    "connlimit": {"--connlimit-mask": changed.connection_mask},
    "recent": {"--mask": changed.recent_mask, "--name": changed.recent_name},
    "addrtype": {"--src-type": changed.address_types, "--dst-type": changed.address_types},
    "iprange": {"--src-range": changed.ip_range, "--dst-range": changed.ip_range},
    "set": {"--match-set": changed.set_name},
    "policy": {"--tunnel-src": changed.address, "--tunnel-dst": changed.address},
    "pkttype": {"--pkt-type": changed.packet_type},
    "string": {"--from": changed.part_of_packet, "--to": changed.part_of_packet},
    "helper": {"--helper": changed.helper},
    "length": {"--length": changed.packet_length},
    "tcpmss": {"--mss": changed.segment_size},
    "ttl": {"--ttl": changed.hops, "--ttl-eq": changed.hops, "--ttl-lt": changed.hops, "--ttl-gt": changed.hops},
    "icmp": {"--icmp-type": lambda option, context: []},
}


def knows(module: str, name: str) -> bool:
    """Whether a match has an option."""
    return name in SAME.get(module, {}) or name in CHANGED.get(module, {})


def translate(match: Match, context: Context) -> t.List[str]:
    """Return the texts of a match, one for each rule that it needs."""
    if match.module in NEVER:
        raise Untranslatable(f"-m {match.module}: {NEVER[match.module]}")
    if match.module not in SAME:
        raise Untranslatable(f"-m {match.module} is not known to have an IPv6 form; {BY_HAND}")
    if match.module == "icmp":
        return icmp_match(match, context)
    texts = ["-m hl" if match.module == "ttl" else f"-m {match.module}"]
    for option in with_defaults(match):
        texts = [f"{text} {more}".rstrip() for text in texts for more in option_texts(match.module, option, context)]
    return texts


def option_texts(module: str, option: Option, context: Context) -> t.List[str]:
    """Return the texts of an option of a match, one for each rule that it needs."""
    handler = CHANGED.get(module, {}).get(option.name)
    if handler:
        return handler(option, context)
    patterns = SAME[module].get(option.name)
    if patterns is None:
        raise Untranslatable(f"{option.name} of -m {module} is not known to have an IPv6 form; {BY_HAND}")
    return [checked(option, patterns)]


def with_defaults(match: Match) -> t.Tuple[Option, ...]:
    """Add the options that a rule leaves out and whose default would mean something else in IPv6."""
    names = {option.name: option for option in match.options}
    if match.module == "recent":
        missing = [Option("--name", ("DEFAULT",)), Option("--mask", ("255.255.255.255",))]
    elif match.module == "connlimit":
        missing = [Option("--connlimit-mask", ("32",))]
    elif match.module == "hashlimit" and "--hashlimit-mode" in names:
        modes = names["--hashlimit-mode"].value.split(",")
        missing = [Option("--hashlimit-srcmask", ("32",))] if "srcip" in modes else []
    else:
        missing = []
    return (*match.options, *(option for option in missing if option.name not in names))
