# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole filter table: our rules beside those of other programs, and back to what was there before."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import reach
from ansible_collections.ipv6.rollout.plugins.module_utils.filter_table import EMPTY, Table, chain_of
from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import MARK
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Match, parse_rule
from ansible_collections.ipv6.rollout.plugins.module_utils.rules import (
    FORWARD_CHAIN,
    ICMP_CHAIN,
    OUR_CHAINS,
    Policy,
    Service,
    forward_icmpv6_rules,
    forward_rules,
    icmpv6_rules,
    input_rules,
    reject,
)

# Rules without a comment that are in every rule set of ours, whatever its policy.
_CONSTANT_INPUT = frozenset(input_rules(Policy(), ()))
_CONSTANT_FORWARD = frozenset(forward_rules(Policy(), ()))

UNUSUAL = 1
"""A port that no rule for a service is about."""


class Foreign(t.NamedTuple):
    """What other programs put into the filter table.

    ``kept`` stays in front of our rules, ``behind`` behind them. ``deciding`` are those of ``behind`` that stand in
    front now. ``plain`` are the rules that can't stay.
    """

    chains: t.List[str]
    kept: t.List[str]
    behind: t.List[str]
    deciding: t.List[str]
    plain: t.List[str]


def foreign(live: Table, ours: t.Collection[str], routed: bool = False) -> Foreign:
    """Tell apart what is not ours: user chains with the jumps to them, and plain rules in a chain that we fill.

    fail2ban and the like work with user chains: those and the jumps to them can stay beside our rules, each on its
    side. A plain rule can't be kept without knowing what it is for. We fill INPUT, and FORWARD of a router
    (``routed``); what stands in OUTPUT, and in FORWARD of any other host, is nothing of ours and stays.
    """
    chains = [chain for chain in live.chains if chain not in OUR_CHAINS]
    theirs = set(chains)
    loaded = set(OUR_CHAINS) & set(live.chains)
    mine = {*ours, *_CONSTANT_INPUT, *(_CONSTANT_FORWARD if routed or FORWARD_CHAIN in loaded else ())}
    found = Foreign(chains, [], [], [], [])
    ended = set()  # the chains whose last rule of ours was passed
    for rule in live.rules:
        chain = chain_of(rule)
        if chain in theirs:
            found.kept.append(rule)
        elif rule in mine or chain in OUR_CHAINS or f'--comment "{MARK}' in rule:
            if loaded and rule == reject(chain)[-1]:
                ended.add(chain)
        elif chain == "OUTPUT" or (chain == "FORWARD" and not routed):
            found.kept.append(rule)
        elif parse_rule(rule).target not in theirs:
            found.plain.append(rule)
        elif chain in ended:
            found.behind.append(rule)
        elif decides_all(rule, live):
            found.behind.append(rule)
            found.deciding.append(rule)
        else:
            found.kept.append(rule)
    return found


def decides_all(jump: str, live: Table) -> bool:
    """Whether a chain leaves nothing to the rules behind the jump to it: every packet is refused, or let in, by it.

    Such a chain is a rule set of its own, or the end of one (``-A INPUT -j LOGDROP``). In front of ours it would leave
    them without effect. A chain that bans some sources, or closes one port, is none.
    """
    rule = parse_rule(jump)
    if any(option.name not in ("-i", "--comment", "--ctstate", "--state") for _module, option in rule.options):
        return False
    anywhere = [
        Match(match.module, tuple(option for option in match.options if option.name != "-i")) for match in rule.matches
    ]
    alone = str(rule._replace(chain="INPUT", matches=tuple(match for match in anywhere if match.options)))
    # What nobody in the chain decides over goes by the policy; where both give the same, there is no such thing.
    fates = [
        reach.reach(_only(live, [alone], policy), "ipv6", reach.Packet("tcp", UNUSUAL)) for policy in ("ACCEPT", "DROP")
    ]
    return fates[0] == fates[1]


def _only(live: Table, jumps: t.List[str], policy: str) -> str:
    """The table with nothing in INPUT but some jumps to chains of others."""
    chains = [chain for chain in live.chains if chain not in OUR_CHAINS]
    inside = [rule for rule in live.rules if chain_of(rule) in set(chains)]
    return Table({**EMPTY.policies, "INPUT": policy}, jumps + inside, chains).text


def let_in(others: Foreign, live: Table) -> t.List[str]:
    """Return what chains in front of our rules let in whatever we say: ``tcp 3306 from everyone``."""
    jumps = [rule for rule in others.kept if chain_of(rule) == "INPUT"]
    if not jumps or not any(parse_rule(rule).target == "ACCEPT" for rule in others.kept):
        return []
    text = _only(live, jumps, "DROP")
    found = []
    for protocol, port in sorted(_ports(others.kept)):
        sources = reach.reach(text, "ipv6", reach.Packet(protocol, port))
        in_any_case = sources.accepted + sources.depends
        if in_any_case:
            fewest = min(in_any_case, sources.refused, key=len)
            who = ("everyone but " if fewest is not in_any_case else "") + ", ".join(fewest[:3])
            who = who if sources.refused else "everyone"
            found.append(f"{protocol} {port if port != UNUSUAL else 'in general'} from {who}")
    return found


def _ports(lines: t.Iterable[str]) -> t.Set[t.Tuple[str, int]]:
    """The ports that rules name, the first of a range, and one that none names."""
    found = {("tcp", UNUSUAL), ("udp", UNUSUAL)}
    for line in lines:
        rule = parse_rule(line)
        protocol = rule.basic("-p")
        for _module, option in rule.options:
            if protocol and protocol.value in ("tcp", "udp") and option.name in ("--dport", "--dports", "--ports"):
                firsts = [part.partition(":")[0] for part in option.value.split(",")]
                found.update((protocol.value, int(first)) for first in firsts if first.isdigit() and int(first))
    return found


def wanted_table(wanted: Policy, opened: t.Collection[Service], live: Table, keep: bool = True) -> Table:
    """The whole filter table: our rules, and beside them the user chains of others with the jumps to them.

    Their jumps stand first, as they do where fail2ban inserts them, but for those that would leave our rules without
    effect. With ``keep``, a service that is not in ``opened`` keeps what was live for its port.
    """
    others = foreign(live, (), bool(wanted.routed_prefixes))
    standing = live.rules if keep else []
    ours, chains = input_rules(wanted, opened, standing) + icmpv6_rules(), [ICMP_CHAIN]
    forward = wanted.forward
    if wanted.routed_prefixes:
        ours += forward_rules(wanted, opened, standing) + forward_icmpv6_rules()
        chains.append(FORWARD_CHAIN)
        forward = "DROP"
    policies = {"INPUT": "DROP", "FORWARD": forward, "OUTPUT": live.policies["OUTPUT"]}
    return Table(policies, [*others.kept, *ours, *others.behind], [*others.chains, *chains])


def given_back(before: Table, live: Table) -> Table:
    """The filter table as it was before us, with what others have put into their own chains since then."""
    routed = FORWARD_CHAIN in live.chains
    then, now = foreign(before, (), routed), foreign(live, (), routed)
    theirs, still = [*then.kept, *then.behind], [*now.kept, *now.behind]
    if (sorted(then.chains), sorted(theirs)) == (sorted(now.chains), sorted(still)):
        return before
    gone = set(theirs)
    plain = [rule for rule in before.rules if rule not in gone]
    return Table(before.policies, [*now.kept, *plain, *now.behind], now.chains)
