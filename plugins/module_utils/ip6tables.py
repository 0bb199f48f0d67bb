# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule set in the kernel and in the file that Debian loads at boot: read, tested, replaced, given back."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    files,
    filter_table,
    icmpv6,
    lockout,
    rule_set,
    rules,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.filter_table import Table

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
    return filter_table.normal(commands.check(["ip6tables-save"]))


def forwards() -> bool:
    """Whether the host forwards IPv6 packets now."""
    return (files.read("/proc/sys/net/ipv6/conf/all/forwarding") or b"0").strip() == b"1"


def _rules_file() -> str:
    return (files.read(RULES_FILE) or b"").decode(errors="replace")


def rules_file(table: str) -> bytes:
    """The boot file: our filter table, and the other tables that the file holds already.

    Ours first: a load stops at the first table that fails, and the host must not start without a filter.
    """
    others = filter_table.tables(_rules_file())
    others.pop("filter", None)
    return "".join([table, *others.values()]).encode()


def boot_table(policy: rules.Policy, opened: t.Collection[rules.Service], live: Table, keep: bool) -> str:
    """The filter table to boot with: ours, and what the administrator's own file had in chains that we don't fill.

    Chains that a daemon makes while it runs (fail2ban, Docker) stay out: it makes them again when it starts.
    """
    saved = files.Ledger("ip6tables").before(RULES_FILE)
    text = _rules_file() if saved is None else (saved.content or b"").decode(errors="replace")
    own = filter_table.parse(filter_table.normal(text))
    others = rule_set.foreign(own, (), bool(policy.routed_prefixes))
    ours = [rule for rule in live.rules if icmpv6.MARK in rule]
    policies = {**live.policies, "OUTPUT": own.policies["OUTPUT"]}
    beside = Table(policies, [*others.kept, *ours, *others.behind], others.chains)
    return rule_set.wanted_table(policy, opened, beside, keep).text


def persistent(table: str) -> bool:
    """Whether the boot file holds this filter table, and holds it first."""
    found = filter_table.tables(_rules_file())
    return list(found)[:1] == ["filter"] and filter_table.normal(found["filter"]) == table


def rehearse(table: str) -> None:
    """Let a kernel judge the rules before they are live: the parser's test, then a load into an empty namespace.

    ``--test`` alone accepts a jump to a chain that does not exist; a load into a namespace of its own does not. There,
    sets are missing that are on the host: only the host itself can tell whether rules with sets load.
    """
    commands.check(["ip6tables-restore", "--test"], stdin=table)
    done = _in_namespace(table)
    if done is None or _MISSING_SET.search(done.said):
        return
    if done.rc != 0:
        raise RolloutError(f"the kernel refuses the rules: {done.said}")
    held = filter_table.normal(done.out)
    if held != table:
        difference = "; ".join(filter_table.difference(table, held)[:6])
        raise RolloutError(f"the kernel would hold other rules than those that are wanted: {difference}")


def rehearse_boot(table: str) -> t.List[str]:
    """See whether the boot file loads. Our table must; what is wrong in tables of others is told."""
    done = _in_namespace(rules_file(table).decode())
    if done is None or done.rc == 0:
        return []
    if filter_table.normal(done.out) == table:
        return [f"{RULES_FILE}: a table that is not ours does not load at boot: {done.said}; correct it there"]
    missing = _MISSING_SET.search(done.said)
    if missing and glob.glob(IPSET_LOADER):
        return []
    what = f"it needs the ipset {missing.group(1)}, which nothing makes at boot" if missing else done.said
    raise RolloutError(
        f"{RULES_FILE}: the host would start without these rules: {what}; install ipset-persistent, or take the rule"
        " out of the file"
    )


_MISSING_SET = re.compile(r"Set (\S+) doesn't exist")
IPSET_LOADER = "/usr/share/netfilter-persistent/plugins.d/*ipset*"
# Says what it holds even where a later table failed. A fixed text: the rules come by standard input.
_LOAD = "ip6tables-restore; code=$?; ip6tables-save -t filter; exit $code"


def _in_namespace(text: str) -> t.Optional[commands.Result]:
    """Load rules in an empty network namespace; None where none can be made."""
    if not commands.found("unshare") or commands.run(["unshare", "--net", "true"]).rc != 0:
        return None
    return commands.run(["unshare", "--net", "/bin/sh", "-c", _LOAD], stdin=text)


_TRACKING = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\nCOMMIT\n"


def tracking_refused() -> str:
    """Try a rule with connection tracking in an empty namespace; return why the kernel refuses it, or an empty text.

    Kernels of old enterprise releases can't follow IPv6 connections. Where nothing can be tried, nothing is said.
    """
    done = _in_namespace(_TRACKING) if commands.found("ip6tables-restore") else None
    return done.said if done is not None and done.rc != 0 else ""


def load(table: str) -> None:
    """Replace the live filter table in one transaction, and see that the kernel holds just that."""
    commands.check(["ip6tables-restore", "--wait", "5"], stdin=table)
    live = live_filter()
    if live != filter_table.normal(table):
        difference = "; ".join(filter_table.difference(table, live)[:6])
        raise RolloutError(f"ip6tables-restore accepted the rules, but the kernel holds others: {difference}")


def clear() -> None:
    """Take the filter table back to what a kernel without rules has; drop the empty table where nft can."""
    commands.check(["ip6tables-restore", "--wait", "5"], stdin=filter_table.EMPTY.text)
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
    if other_back_end("ip6tables"):
        name = "legacy" if writes_to == "nf_tables" else "nft"
        found.append(f"rules of the {name} back end are loaded too: both sets filter (see ip6tables-{name}-save)")
    tables = hooked_tables(commands.run(["nft", "list", "chains"]).out) if commands.found("nft") else []
    native = [name for name in tables if not _KNOWN_TABLE.fullmatch(name)]
    if native:
        found.append(
            f"nft tables of their own filter IPv6 too: {', '.join(native)}; what they drop, no rule here lets in"
        )
    return found


# Those of ip6tables itself, and the one of the role nat64, which filters what its translator brings and nothing else.
_KNOWN_TABLE = re.compile(r"ip6 (filter|nat|mangle|raw|security)|inet ipv6_rollout_nat64")


def hooked_tables(chains: str) -> t.List[str]:
    """Return the tables with a filter hook that IPv6 packets pass, from what ``nft list chains`` prints."""
    found: t.Dict[str, None] = {}
    table = ""
    for line in chains.splitlines():
        words = line.split()
        if words[:1] == ["table"] and len(words) > 2:
            table = f"{words[1]} {words[2]}"
        elif "type filter hook" in line and table.split(" ", maxsplit=1)[0] in ("ip6", "inet", "netdev", "bridge"):
            found[table] = None
    return list(found)


def other_back_end(program: str) -> str:
    """Return the rules of the back end that the program does not write to; an empty text where it holds none."""
    writes_to_nft = "nf_tables" in commands.run([program, "--version"]).out
    names = "/proc/net/ip_tables_names" if program == "iptables" else "/proc/net/ip6_tables_names"
    # Reading the legacy tables would load their kernel module, so ask the kernel first.
    if writes_to_nft and not (files.read(names) or b"").strip():
        return ""
    other = f"{program}-{'legacy' if writes_to_nft else 'nft'}-save"
    saved = commands.run([other]).out if commands.found(other) else ""
    return saved if filters(saved) else ""


def filters(saved: str) -> bool:
    """Whether what a save program printed does anything: a rule, or a policy that drops."""
    return "\n-A " in saved or bool(re.search(r"^:\S+ DROP", saved, re.MULTILINE))


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
    live = filter_table.parse(before)
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
    ours = rules.input_rules(policy, policy.services)
    stranger = rule_set.foreign(live, ours, bool(policy.routed_prefixes))
    if stranger.deciding and not replace:
        raise RolloutError(
            f"foreign: behind '{stranger.deciding[0]}' no rule counts any more, since its chain decides over every"
            " packet; declare what it lets in as services, then set 'foreign: replace': it stays, behind these rules"
        )
    beside = rule_set.let_in(stranger, live)
    notes += [f"chains of others let in, whatever these rules say: {text}" for text in beside[:5]]
    if live.policies["OUTPUT"] != "ACCEPT":
        notes.append("the policy of OUTPUT is DROP and stays: neighbour discovery (ICMPv6 133 to 136) must get out")
    if stranger.plain and not replace:
        raise RolloutError(
            f"foreign: {len(stranger.plain)} IPv6 rules are loaded that this module did not write, first"
            f" '{stranger.plain[0]}'; declare what they let in as services, then set 'foreign: replace'"
        )
    keep = opening != "none"
    if keep:
        notes += _waiting(policy, opened, live)
    after = rule_set.wanted_table(policy, opened, live, keep).text
    lasting = boot_table(policy, opened, live, keep)
    saved = persistent(lasting)
    changed = before != after or not saved or not boots()
    if before != after:
        notes += locked_out(logins, after)
    if changed and really:
        rehearse(after)
        notes += rehearse_boot(lasting)
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
    ipv6 = {**filter_table.tables(commands.check(["ip6tables-save"])), "filter": after}
    ipv4 = commands.check(["iptables-save"]) if commands.found("iptables-save") else ""
    rules_of = {
        "ipv4": [ipv4, other_back_end("iptables") if ipv4 else ""],
        "ipv6": ["".join(ipv6.values()), other_back_end("ip6tables")],
    }
    found = lockout.judge(wanted, rules_of)
    if found.refused:
        raise RolloutError(
            f"lockout: nobody could log in any more: {'; '.join(found.refused)}. Add the source to management_sources"
            " (ipv6_management_sources), or set 'lockout: allow'"
        )
    return [f"lockout: it is not sure that a login gets through: {text}" for text in found.unsure]


def _opened(policy: rules.Policy, opening: t.Union[str, t.Sequence[str]], live: Table) -> t.List[rules.Service]:
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


def _waiting(policy: rules.Policy, opened: t.Collection[rules.Service], live: Table) -> t.List[str]:
    """Say which services are let in by rules of before, until what is declared now is opened."""
    standing = rules.standing_places(live.rules)
    return [
        f"service {one.name}: not opened as it is declared now; until then these stay: {'; '.join(standing[one.place])}"
        for one in policy.services
        if one not in set(opened) and one.place in standing
    ]


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
    after = rule_set.given_back(filter_table.parse(was), filter_table.parse(before)).text
    if not was and after == filter_table.EMPTY.text:
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
