# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""F09 and F10: the rules that the next boot loads, and who else has rules."""

from __future__ import annotations

import functools
import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_names import ICMP_TYPES
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_view import protocol_number
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.module_utils.rule_text import Option, Rule, parse_tables, unquoted
from ansible_collections.ipv6.rollout.plugins.plugin_utils import readiness_reach
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAMILIES,
    Data,
    Host,
    Result,
    Site,
    failed,
    not_applicable,
    passed,
    unknown,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_reach import line
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import of_host
from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate import OWNERS

PERSISTENT = "netfilter-persistent"
LOADER = f"{PERSISTENT}.service"
MISSING = "it does not exist"
FEW = 8  # rules that are shown

# Chains that a daemon makes while it runs, and makes again when it starts; and the rules for its interfaces.
MADE_BY_DAEMONS = (*OWNERS, nat64_texts.CHAIN, "f2b-", "fail2ban-", "sshguard", "crowdsec")
BRIDGES = re.compile(r" (?:-i|-o|-s|-d) (?:docker\d+|br-[0-9a-f]{12}|virbr\d+|cni\d+|podman\d+)\b")

# What iptables prints and nobody has to write: modules that come with a protocol, and what REJECT does by default.
IMPLIED = ("", "tcp", "udp", "icmp", "icmp6", "icmpv6", "comment")
DEFAULT_REJECT = ("icmp-port-unreachable", "icmp6-port-unreachable", "port-unreach", "icmp6-port-unreach")
ORDERED_ANYHOW = ("--ctstate", "--state")

Key = t.Tuple[t.Any, ...]
Canonical = t.Dict[t.Tuple[str, str], t.Tuple[str, t.List[t.Tuple[Key, str]]]]


# ------------------------------------------------------------------------------------------------- one form of rules


@functools.lru_cache(maxsize=512)
def canonical(text: str, family: str) -> Canonical:
    """Return rules by table and chain in one form, without counters, comments and what daemons make at run time.

    Hosts with the same rules share it, so it must not be changed.
    """
    found: Canonical = {}
    for table, told in parse_tables(text).items():
        chains = {chain for chain in told.policies if not chain.startswith(MADE_BY_DAEMONS)}
        chains |= {rule.chain for rule in told.rules if not rule.chain.startswith(MADE_BY_DAEMONS)}
        for chain in sorted(chains):
            rules = [(_key(rule, family), str(rule)) for rule in told.of(chain) if not _made_by_daemon(rule)]
            policy = told.policies.get(chain, "-")
            if rules or policy not in ("-", "ACCEPT"):
                found[table, chain] = (policy if policy != "-" else "", rules)
    return found


def _made_by_daemon(rule: Rule) -> bool:
    return rule.target.startswith(MADE_BY_DAEMONS) or bool(BRIDGES.search(f" {rule} "))


def _key(rule: Rule, family: str) -> Key:
    options: list[Key] = []
    for match in rule.matches:
        if match.module == "comment":
            continue
        if match.module not in IMPLIED:
            options.append(("-m", match.module, False))
        options += [_option(option, family) for option in match.options if option.name != "--comment"]
    target = sorted(
        (option.name, tuple(map(unquoted, option.values)))
        for option in rule.target_options
        if not (option.name == "--reject-with" and option.value in DEFAULT_REJECT)
    )
    return (tuple(sorted(one for one in options if one)), rule.target, rule.goto, tuple(target))


def _option(option: Option, family: str) -> Key:
    value: t.Any = " ".join(unquoted(one) for one in option.values)
    if option.name in ("-s", "-d"):
        value = _prefix(value)
        if value.endswith("/0") and not option.negated:
            return ()
    elif option.name == "-p":
        number = protocol_number(value)
        value = value if number is None else str(number)
        if number == 0:
            return ()
    elif option.name in ("--icmp-type", "--icmpv6-type"):
        value = str(ICMP_TYPES[family].get(value.lower(), value))
    elif option.name in ORDERED_ANYHOW:
        value = ",".join(sorted(value.upper().split(",")))
    return (option.name, value, option.negated)


def _prefix(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return value


def differences(saved: Canonical, running: Canonical) -> list[str]:
    """Return what the two have apart from each other, a line each."""
    found = []
    for place in sorted({*saved, *running}):
        (was, old), (policy, new) = saved.get(place, ("", [])), running.get(place, ("", []))
        was, policy = (one or ("ACCEPT" if place[1].isupper() else "") for one in (was, policy))
        if was != policy:
            found.append(f"{place[0]} {place[1]}: the policy is {policy} now, and {was} in the file")
        old_keys, new_keys = [key for key, _text in old], [key for key, _text in new]
        found += [f"{place[0]}: runs only: {text}" for key, text in new if key not in old_keys]
        found += [f"{place[0]}: saved only: {text}" for key, text in old if key not in new_keys]
        if old_keys != new_keys and sorted(map(repr, old_keys)) == sorted(map(repr, new_keys)):
            found.append(f"{place[0]} {place[1]}: the same rules in another order")
        elif set(old_keys) == set(new_keys) and len(old_keys) != len(new_keys):
            found.append(f"{place[0]} {place[1]}: {len(new_keys)} rules run, and {len(old_keys)} are saved")
    return found


# ---------------------------------------------------------------------------------------------------------- F09


@of_host
def saved(host: Host, _site: Site) -> t.Iterator[Result]:
    """F09: the rules that run are saved, and something loads them before the network is up."""
    told = host.audit.get("saved")
    if not isinstance(told, dict) or not told.get("loader"):
        yield unknown("what the next boot loads was not read")
        return
    loader = told["loader"]
    unit = line(loader.get("unit") or "")
    if unit not in ("", LOADER):
        yield unknown(
            f"{unit} loads the rules from a form of its own, which is not compared with those that run",
            fix="compare them with 'nft list ruleset' or with the program's own listing",
        )
        return
    rules = 0
    for family in FAMILIES:
        why = readiness_reach.unseen(host, family)
        if why:
            yield unknown(why, family=family)
            continue
        running = _together([canonical(text, family) for text in readiness_reach.texts(host, family)])
        rules += len(running)
        yield _family(told[family], running, family)
    if rules:
        yield _loader(loader, unit)


def _together(parts: t.Iterable[Canonical]) -> Canonical:
    """Return the rules of both back ends as one: a file holds those of one only."""
    found: Canonical = {}
    for part in parts:
        for place, (policy, rules) in part.items():
            before, others = found.get(place, ("", []))
            found[place] = (before if before not in ("", "ACCEPT") else policy, [*others, *rules])
    return found


def _family(told: Data, running: Canonical, family: str) -> Result:
    path = line(told.get("path") or "")
    problem = line(told.get("problem") or "")
    about: dict[str, t.Any] = {"family": family, "file": path, "service": "rules"}
    if problem and problem != MISSING:
        return unknown(f"{path}: {problem}", **about)
    try:
        kept = canonical(str(told.get("rules") or ""), family)
    except RolloutError as error:
        return failed(
            f"{path} can't be read as rules, so the next boot has none",
            evidence=(line(error),),
            fix="run the role ip6tables, or correct the file: iptables-restore --test reads it",
            **about,
        )
    if not kept and not running:
        return not_applicable(f"{NAMES[family]} has no rules, saved or running", **about)
    found = differences(kept, running)
    if not found:
        return passed(f"{path} holds the rules of {NAMES[family]} that run", **about)
    missing = " (there is no such file)" if problem else ""
    return failed(
        f"the next boot loads other rules of {NAMES[family]} than those that run, from {path}{missing}",
        evidence=tuple(line(one) for one in found[:FEW]),
        variable="ip6tables_state" if family == "ipv6" else "",
        fix="run the role ip6tables, which writes both"
        if family == "ipv6"
        else "look which of both is meant, then save it: netfilter-persistent save",
        **about,
    )


def _loader(loader: Data, unit: str) -> Result:
    about: dict[str, t.Any] = {"service": "loader", "file": "/etc/systemd/system"}
    if not unit or not loader.get("enabled"):
        return failed(
            "nothing loads the rules at boot: after it everyone gets in",
            evidence=("no unit that loads rules is enabled",),
            variable="ip6tables_state",
            fix=f"install iptables-persistent (role ip6tables), and systemctl enable {PERSISTENT}",
            **about,
        )
    before = loader.get("before_network")
    if before is None:
        return unknown(f"whether {unit} starts before the network is not known", **about)
    if not before:
        return failed(
            f"{unit} does not start before the network: at boot the host is open for a while",
            evidence=(f"{unit}: Before= has no network-pre.target",),
            fix=f"'systemctl edit {unit}' with [Unit], 'Before=network-pre.target' and 'Wants=network-pre.target'",
            **about,
        )
    return passed(f"{unit} loads the rules before the network is up", **about)


# ---------------------------------------------------------------------------------------------------------- F10


@of_host
def owners(host: Host, _site: Site) -> t.Iterator[Result]:
    """F10: no program has rules of its own that nobody declared."""
    told = host.look or {}
    allowed = set(readiness_reach.listed(host, "readiness_rule_owner"))
    about: dict[str, t.Any] = {"variable": "readiness_rule_owner"}
    found = [
        failed(
            f"{line(name)} is enabled at boot, and changes rules of which it does not know",
            service=line(name),
            evidence=(f"enabled at boot: {line(name)}",),
            fix=f"systemctl disable --now {line(name)}, or name it in readiness_rule_owner and leave all rules to it",
            **about,
        )
        for name in sorted(map(str, told["managers"]))
        if name not in (*allowed, PERSISTENT)
    ]
    # A manager that is allowed, or is told already, has tables of its own.
    if not allowed - {PERSISTENT, "none"} and not found:
        tables = dict.fromkeys(table for family in FAMILIES for table in readiness_reach.nft_tables(host, family))
        found += [
            failed(
                f"the nft table {table} filters what comes in, and nobody declared whose it is",
                service=f"nft {table}",
                evidence=(f"nft: table {table} with a chain that sees what comes in",),
                fix="look with 'nft list ruleset'; move its rules to the inventory, or name who makes it in "
                "readiness_rule_owner",
                **about,
            )
            for table in tables
        ]
    problem = told["firewall"].get("nft_problem")
    if problem and not found:
        found.append(unknown(f"nft could not list its tables: {line(problem)}", fix="run the audit as root (become)"))
    yield from found
    if not found:
        yield passed(
            "no other program owns rules",
            evidence=(f"enabled at boot: {', '.join(sorted(map(line, told['managers']))) or 'none'}",),
        )
