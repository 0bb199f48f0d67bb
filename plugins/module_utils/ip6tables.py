# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule set in the kernel and in the file that Debian loads at boot: read, tested, replaced, given back."""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, icmpv6, lockout, rules
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError

RULES_FILE = "/etc/iptables/rules.v6"
LOADER = "/usr/share/netfilter-persistent/plugins.d/25-ip6tables"
PACKAGE = "iptables-persistent"


def missing_package() -> t.Optional[str]:
    """Return the Debian package that has to be installed before rules can be loaded and kept, or None."""
    if commands.found("ip6tables-restore") and os.path.exists(LOADER):
        return None
    return PACKAGE


def live_filter() -> str:
    """Return the live filter table, normalised; an empty text where the kernel holds none."""
    return rules.filter_table(commands.check(["ip6tables-save"]))


def forwards() -> bool:
    """Whether the host forwards IPv6 packets now."""
    return (files.read("/proc/sys/net/ipv6/conf/all/forwarding") or b"0").strip() == b"1"


def _rules_file() -> str:
    return (files.read(RULES_FILE) or b"").decode(errors="replace")


def rules_file(table: str) -> bytes:
    """The boot file: our filter table, and the other tables that the file holds already."""
    others = rules.tables(_rules_file())
    others.pop("filter", None)
    return "".join([*others.values(), table]).encode()


def boot_table(policy: rules.Policy, opened: t.Collection[rules.Service], live: rules.Table, keep: bool) -> str:
    """The filter table to boot with: ours, and the chains that the administrator's own file had.

    Chains that a daemon makes while it runs (fail2ban, Docker) stay out: it makes them again when it starts.
    """
    saved = files.Ledger("ip6tables").before(RULES_FILE)
    own = _rules_file() if saved is None else (saved.content or b"").decode(errors="replace")
    others = rules.foreign(rules.parse(rules.filter_table(own)), ())
    ours = [rule for rule in live.rules if icmpv6.MARK in rule]
    return rules.wanted_table(policy, opened, rules.Table(live.policies, others.kept + ours, others.chains), keep).text


def persistent(table: str) -> bool:
    """Whether the boot file holds this filter table."""
    return rules.filter_table(_rules_file()) == table


def rehearse(table: str) -> None:
    """Let a kernel judge the rules before they are live: the parser's test, then a load into an empty namespace.

    ``--test`` alone accepts a jump to a chain that does not exist; a load into a namespace of its own does not.
    """
    commands.check(["ip6tables-restore", "--test"], stdin=table)
    if commands.found("unshare") and commands.run(["unshare", "--net", "true"]).rc == 0:
        commands.check(["unshare", "--net", "ip6tables-restore"], stdin=table)


_TRACKING = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n"


def tracking_refused() -> str:
    """Try a rule with connection tracking in an empty namespace; return why the kernel refuses it, or an empty text.

    Kernels of old enterprise releases can't follow IPv6 connections. Where nothing can be tried, nothing is said.
    """
    if not commands.found("ip6tables-restore") or not commands.found("unshare"):
        return ""
    done = commands.run(["unshare", "--net", "ip6tables-restore"], stdin=_TRACKING)
    if done.rc == 0 or commands.run(["unshare", "--net", "true"]).rc != 0:
        return ""
    return done.said


def load(table: str) -> None:
    """Replace the live filter table in one transaction, and see that the kernel holds just that."""
    commands.check(["ip6tables-restore", "--wait", "5"], stdin=table)
    live = live_filter()
    if live != rules.filter_table(table):
        difference = "; ".join(rules.difference(table, live)[:6])
        raise RolloutError(f"ip6tables-restore accepted the rules, but the kernel holds others: {difference}")


def clear() -> None:
    """Take the filter table back to what a kernel without rules has; drop the empty table where nft can."""
    commands.check(["ip6tables-restore", "--wait", "5"], stdin=rules.EMPTY.text)
    if commands.found("nft"):
        commands.run(["nft", "delete", "table", "ip6", "filter"])  # the legacy back end has no such table


def backend() -> str:
    """Return what ``ip6tables`` writes to on this host: ``nf_tables`` or ``legacy``."""
    return "nf_tables" if "nf_tables" in commands.run(["ip6tables", "--version"]).out else "legacy"


def warnings(writes_to: str) -> t.List[str]:
    """What else may change or hide the rules on this host: both back ends, and nft's own tables, all filter."""
    found = []
    if os.path.exists("/etc/systemd/system/sysinit.target.wants/nftables.service"):
        found.append(
            "nftables.service is enabled: /etc/nftables.conf begins with 'flush ruleset' and wipes these rules at boot;"
            " disable one of nftables.service and netfilter-persistent.service"
        )
    if writes_to == "nf_tables" and _legacy_rules():
        found.append("rules of the legacy back end are loaded too: both sets filter (see ip6tables-legacy-save)")
    tables = hooked_tables(commands.run(["nft", "list", "chains"]).out) if commands.found("nft") else []
    if writes_to == "legacy" and "ip6 filter" in tables:
        found.append("rules of the nf_tables back end are loaded too: both sets filter (see ip6tables-nft-save)")
    native = [name for name in tables if not _IPTABLES_TABLE.fullmatch(name)]
    if native:
        found.append(
            f"nft tables of their own filter IPv6 too: {', '.join(native)}; what they drop, no rule here lets in"
        )
    return found


_IPTABLES_TABLE = re.compile(r"ip6 (filter|nat|mangle|raw|security)")


def hooked_tables(chains: str) -> t.List[str]:
    """Return the tables with a filter hook that IPv6 packets pass, from what ``nft list chains`` prints."""
    found: t.Dict[str, None] = {}
    table = ""
    for line in chains.splitlines():
        words = line.split()
        if words[:1] == ["table"] and len(words) > 2:
            table = f"{words[1]} {words[2]}"
        elif "type filter hook" in line and table.split(" ")[0] in ("ip6", "inet", "netdev", "bridge"):
            found[table] = None
    return list(found)


def _legacy_rules() -> bool:
    # Reading the legacy tables would load their kernel module, so ask the kernel first.
    if not (files.read("/proc/net/ip6_tables_names") or b"").strip() or not commands.found("ip6tables-legacy-save"):
        return False
    return "-A " in commands.run(["ip6tables-legacy-save"]).out


def boots() -> bool:
    """Whether netfilter-persistent, which loads the file at boot, is enabled."""
    return any(
        os.path.lexists(os.path.join(folder, "multi-user.target.wants", "netfilter-persistent.service"))
        for folder in ("/etc/systemd/system", "/lib/systemd/system")
    )


class Outcome(t.NamedTuple):
    """What a call did, or would do."""

    changed: bool
    before: str
    after: str
    opened: t.List[str]
    warnings: t.List[str]
    foreign: t.List[str]
    backend: str


def present(
    policy: rules.Policy,
    opening: t.Union[str, t.Sequence[str]],
    replace: bool,
    really: bool,
    logins: t.Optional[t.Sequence[lockout.Login]] = None,
) -> Outcome:
    """Make the live rules and the boot file those of a policy.

    ``opening`` is ``keep`` (services that are open stay open), ``all``, ``none``, or the names to open beside those.
    ``logins`` must get through the new rules; None leaves that to the caller.
    """
    ledger = files.Ledger("ip6tables")
    before = live_filter()
    live = rules.parse(before)
    writes_to = backend()
    notes = warnings(writes_to)
    if not policy.forward:
        routes = live.policies["FORWARD"] != "DROP" and forwards() and not policy.routed_prefixes
        policy = policy._replace(forward=live.policies["FORWARD"] if routes else "DROP")
        if routes:
            notes.append(
                f"this host forwards IPv6: the policy of FORWARD stays {policy.forward}; set 'forward' to decide, or"
                " name the networks behind it as 'routed_prefixes'"
            )
    opened = _opened(policy, opening, live)
    stranger = rules.foreign(live, rules.input_rules(policy, policy.services))
    if stranger.plain and not replace:
        raise RolloutError(
            f"foreign: {len(stranger.plain)} IPv6 rules are loaded that this module did not write, first"
            f" '{stranger.plain[0]}'; declare what they let in as services, then set 'foreign: replace'"
        )
    keep = opening != "none"
    after = rules.wanted_table(policy, opened, live, keep).text
    lasting = boot_table(policy, opened, live, keep)
    saved = persistent(lasting)
    changed = before != after or not saved or not boots()
    if before != after:
        notes += locked_out(logins, after)
    if changed and really:
        rehearse(after)
        _keep_original(ledger, before, lasting)
        if not saved:
            files.write(RULES_FILE, rules_file(lasting), mode=0o640)
        if before != after:
            load(after)
        if not boots():
            commands.check(["systemctl", "enable", "netfilter-persistent.service"])
            ledger.notes.setdefault("enabled", True)
            ledger.save()
    return Outcome(changed, before, after, [one.name for one in opened], notes, stranger.chains, writes_to)


def locked_out(logins: t.Optional[t.Sequence[lockout.Login]], after: str) -> t.List[str]:
    """Refuse a filter table that would not let the next login in; return what can't be told."""
    if logins is None:
        return []
    wanted = lockout.complete(logins, lockout.ssh_connection())
    if not wanted:
        return []
    ipv6 = {**rules.tables(commands.check(["ip6tables-save"])), "filter": after}
    ipv4 = commands.check(["iptables-save"]) if commands.found("iptables-save") else ""
    found = lockout.judge(wanted, {"ipv4": ipv4, "ipv6": "".join(ipv6.values())})
    if found.refused:
        raise RolloutError(
            f"lockout: nobody could log in any more: {'; '.join(found.refused)}. Add the source to management_sources"
            " (ipv6_management_sources), or set 'lockout: allow'"
        )
    return [f"lockout: it can't be told whether a login gets through: {text}" for text in found.unsure]


def _opened(policy: rules.Policy, opening: t.Union[str, t.Sequence[str]], live: rules.Table) -> t.List[rules.Service]:
    if opening == "all":
        return list(policy.services)
    if opening == "none":
        return []
    standing = rules.open_services(live, policy.services)
    if opening == "keep":
        return standing
    names = set(opening)
    unknown = names - {one.name for one in policy.services}
    if unknown:
        raise RolloutError(f"open: {sorted(unknown)} are not among the services; declare them there first")
    return [one for one in policy.services if one in standing or one.name in names]


def _keep_original(ledger: files.Ledger, before: str, lasting: str) -> None:
    """Remember what was there before the first change. Saved first: a crash later still finds it."""
    ledger.notes.setdefault("filter", before)
    ledger.wrote(RULES_FILE, files.look(RULES_FILE), rules_file(lasting))
    ledger.save()


def absent(really: bool, logins: t.Optional[t.Sequence[lockout.Login]] = None) -> Outcome:
    """Give back the rules and the boot file as they were before the first change. ``logins`` as in ``present``."""
    ledger = files.Ledger("ip6tables")
    installed = commands.found("ip6tables-save")
    before, writes_to = (live_filter(), backend()) if installed else ("", "")
    if ledger.empty:
        return Outcome(False, before, before, [], [], [], writes_to)
    was = str(ledger.notes.get("filter", ""))
    after = rules.given_back(rules.parse(was), rules.parse(before)).text
    if not was and after == rules.EMPTY.text:
        after = ""
    notes = locked_out(logins, after) if before != after else []
    if not ledger.untouched(RULES_FILE):
        notes.append(f"{RULES_FILE} was edited since this module wrote it; the edit is replaced by the original")
    if really:
        if after:
            load(after)
        else:
            clear()
        ledger.give_back(RULES_FILE)
        if ledger.notes.get("enabled"):
            commands.run(["systemctl", "disable", "netfilter-persistent.service"])
        ledger.notes.clear()
        ledger.save()
    return Outcome(True, before, after, [], notes, [], writes_to)
