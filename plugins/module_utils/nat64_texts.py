# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a NAT64: what the translator, systemd, nft and iptables read."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import Network4, Wish, embedded

HEADER = "# Written by the ipv6.rollout collection: the module nat64 replaces and removes it.\n"
FOLDER = "/etc/ipv6-rollout"
TAYGA_CONF = f"{FOLDER}/nat64-tayga.conf"
NFT_RULES = f"{FOLDER}/nat64.nft"
JOOL_CONF = "/etc/jool/jool.conf"
SYSCTL_FILE = "/etc/sysctl.d/99-z-ipv6-rollout-nat64.conf"
# A unit of this name takes the place of the distribution's: Debian 12 has an init script, Debian 13 a unit that
# starts TAYGA alone, without device, routes or rules.
TAYGA_UNIT = "/etc/systemd/system/tayga.service"
JOOL_DROP_IN = "/etc/systemd/system/jool.service.d/ipv6-rollout.conf"
UNITS = {"tayga": "tayga.service", "jool": "jool.service"}
DATA = "/var/spool/tayga"
TABLE = "inet ipv6_rollout_nat64"
CHAIN = "IPV6-ROLLOUT-NAT64"
INSTANCE = "nat64"
MTU = 1500
# TAYGA starts with the rules of the distribution loaded, and again when those are loaded anew.
_AFTER = "network.target systemd-sysctl.service nftables.service netfilter-persistent.service"
_RELOADED = "nftables.service netfilter-persistent.service"

Texts = t.Dict[str, str]


def rules_file(family: str) -> str:
    """Return the path of the rules for iptables (v4) or ip6tables (v6)."""
    return f"{FOLDER}/nat64.rules.{family}"


def tayga_conf(wish: Wish, data: str = DATA) -> str:
    """Return TAYGA's configuration."""
    lines = [f"tun-device {wish.device}", f"ipv4-addr {wish.address}"]
    lines += [f"ipv6-addr {wish.address6}"] if wish.address6 else []
    lines += [f"prefix {wish.prefix}", f"dynamic-pool {wish.pool}", f"data-dir {data}"]
    return HEADER + "".join(line + "\n" for line in lines)


def tayga_unit(wish: Wish, programs: t.Mapping[str, str]) -> str:
    """Return the unit: rules, device and routes first, so that nothing is translated that no rule was asked about.

    The device stays while TAYGA restarts, so that its routes do, and what is sent to the prefix then goes nowhere else.
    """
    ip, tayga = programs["ip"], programs["tayga"]
    before = rule_commands(programs)
    before += [
        f"{tayga} --config {TAYGA_CONF} --mktun",
        f"{ip} link set dev {wish.device} mtu {MTU} up",
        *(f"{ip} {family} route replace {route} dev {wish.device}" for family, route in routes(wish)),
    ]
    lines = [
        "[Unit]",
        "Description=NAT64 (TAYGA) of the ipv6.rollout collection",
        f"After={_AFTER}",
        "PartOf=nftables.service netfilter-persistent.service",
        f"ReloadPropagatedFrom={_RELOADED}",
        "",
        "[Service]",
        *(f"ExecStartPre={command}" for command in before),
        f"ExecStart={tayga} --nodetach --config {TAYGA_CONF}",
        *(f"ExecReload={command}" for command in rule_commands(programs)),
        "Restart=on-failure",
        "RestartSec=1",
        "PrivateTmp=yes",
        "ProtectHome=yes",
        "ProtectSystem=full",
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return HEADER + "".join(line + "\n" for line in lines)


def rule_commands(programs: t.Mapping[str, str]) -> t.List[str]:
    """Return what loads the rules, each command again without harm. A jump that is there goes first."""
    found = [f"{programs['nft']} -f {NFT_RULES}"]
    for family, program in (("v4", "iptables"), ("v6", "ip6tables")):
        if program in programs:
            found += [
                f"-{programs[program]} --wait 5 --delete FORWARD --jump {CHAIN}",
                f"{programs[program]}-restore --wait 5 --noflush {rules_file(family)}",
            ]
    return found


def routes(wish: Wish) -> t.List[t.Tuple[str, str]]:
    """Return the routes into the device, with the family as ip(8) takes it."""
    found = [("-4", str(wish.pool)), ("-6", str(wish.prefix))]
    # Outside of the prefix, so it needs a route of its own.
    return [*found, ("-6", f"{wish.address6}/128")] if wish.address6 else found


def _set(name: str, kind: str, networks: t.Sequence[object]) -> t.List[str]:
    lines = [f"    set {name} {{", f"        type {kind}", "        flags interval"]
    if networks:
        lines.append(f"        elements = {{ {', '.join(str(network) for network in networks)} }}")
    return [*lines, "    }"]


def nft_rules(wish: Wish, never: t.Sequence[Network4]) -> str:
    """Return the rules: a table of our own, which no other program reads or writes.

    What a table drops, no other table lets in. The first chain is asked before the translator, with the IPv6
    destination that holds the IPv4 one, so that nothing is translated that may not leave.
    """
    lines = [
        f"table {TABLE}",
        f"delete table {TABLE}",
        f"table {TABLE} {{",
        *_set("clients", "ipv6_addr", wish.clients),
        *_set("allowed6", "ipv6_addr", [embedded(wish.prefix, network) for network in wish.allowed]),
        *_set("refused6", "ipv6_addr", [embedded(wish.prefix, network) for network in never]),
        *_set("allowed4", "ipv4_addr", wish.allowed),
        *_set("refused4", "ipv4_addr", never),
        "    counter strangers { }",
        "    counter refused { }",
        "    chain before {",
        "        type filter hook prerouting priority -150; policy accept;",
        f"        ip6 daddr {wish.prefix} jump asked",
        *([f'        iifname "{wish.device}" meta nfproto ipv4 jump translated'] if wish.translator == "tayga" else []),
        "    }",
        "    chain asked {",
        # They are zero in all that stands for an IPv4 address (RFC 6052); what is not is in no set below.
        *(["        ip6 daddr & ::ff00:0:0:0 != :: drop"] if wish.prefix.prefixlen < 96 else []),
        # The prefix may lie inside of the plan's, and nobody has an address there.
        f"        ip6 saddr {wish.prefix} drop",
        "        ip6 saddr != @clients counter name strangers reject with icmpv6 admin-prohibited",
        "        ip6 daddr @allowed6 accept",
        "        ip6 daddr @refused6 counter name refused reject with icmpv6 admin-prohibited",
        "    }",
        "    chain translated {",
        "        ip daddr @allowed4 accept",
        "        ip daddr @refused4 counter name refused drop",
        "    }",
    ]
    if wish.translator == "tayga":
        lines += [
            "    chain between {",
            "        type filter hook forward priority -10; policy accept;",
            # Nobody on the IPv4 side starts anything: a client's place in the pool is not its address.
            f'        oifname "{wish.device}" meta nfproto ipv4 ct state new drop',
            f'        iifname "{wish.device}" meta nfproto ipv6 ip6 daddr != @clients drop',
            f'        oifname "{wish.device}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
            f'        iifname "{wish.device}" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu',
            "    }",
        ]
        if wish.masquerade:
            lines += [
                "    chain behind {",
                "        type nat hook postrouting priority 100; policy accept;",
                f'        ip saddr {wish.pool} oifname != "{wish.device}" masquerade',
                "    }",
            ]
    return HEADER + "".join(line + "\n" for line in [*lines, "}"])


def forward_rules(wish: Wish, family: str) -> t.List[str]:
    """Return the rules of our chain in FORWARD, as iptables-save prints them: what the translator needs is let through.

    They are for hosts whose rules drop what they forward. What may not pass is dropped by the table of our own, in
    which order ever the two are asked.
    """
    device = wish.device
    if family == "v4":
        return [
            f"-A {CHAIN} -s {wish.pool} -i {device} -j ACCEPT",
            f"-A {CHAIN} -d {wish.pool} -o {device} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        ]
    into = [f"-A {CHAIN} -s {network} -d {wish.prefix} -o {device} -j ACCEPT" for network in wish.clients]
    return into + [f"-A {CHAIN} -d {network} -i {device} -j ACCEPT" for network in wish.clients]


def rules_text(wish: Wish, family: str) -> str:
    """Return what iptables-restore reads: our chain is emptied and filled, all else stays, and the jump comes first."""
    lines = ["*filter", f":{CHAIN} - [0:0]", *forward_rules(wish, family), f"-I FORWARD -j {CHAIN}", "COMMIT"]
    return HEADER + "".join(line + "\n" for line in lines)


def jool_conf(wish: Wish) -> str:
    """Return Jool's configuration of one instance in netfilter."""
    pool = [{"protocol": name, "prefix": str(wish.pool)} for name in ("TCP", "UDP", "ICMP")]
    text = {
        "comment": "Written by the ipv6.rollout collection: the module nat64 replaces and removes it.",
        "instance": INSTANCE,
        "framework": "netfilter",
        "global": {"pool6": str(wish.prefix), "manually-enabled": True},
        "pool4": pool,
    }
    return json.dumps(text, indent=2) + "\n"


def jool_drop_in(programs: t.Mapping[str, str]) -> str:
    """Return what makes jool.service load our rules before it translates."""
    lines = ["[Unit]", f"After={_AFTER}", f"ReloadPropagatedFrom={_RELOADED}", "", "[Service]"]
    lines += [f"ExecStartPre={programs['nft']} -f {NFT_RULES}"]
    return HEADER + "".join(line + "\n" for line in lines)


def texts_of(wish: Wish, never: t.Sequence[Network4], programs: t.Mapping[str, str]) -> Texts:
    """Return all files of a translator but the sysctl file."""
    found = {NFT_RULES: nft_rules(wish, never)}
    if wish.translator == "jool":
        return {**found, JOOL_CONF: jool_conf(wish), JOOL_DROP_IN: jool_drop_in(programs)}
    for family, program in (("v4", "iptables"), ("v6", "ip6tables")):
        if program in programs:
            found[rules_file(family)] = rules_text(wish, family)
    return {**found, TAYGA_CONF: tayga_conf(wish), TAYGA_UNIT: tayga_unit(wish, programs)}
