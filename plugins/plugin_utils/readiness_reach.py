# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several checks ask of one host: what is declared there, who reaches its sockets, and what its rules decide."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import reach
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.icmpv6 import MARK
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import FAMILIES as NAMES
from ansible_collections.ipv6.rollout.plugins.module_utils.reach_walk import INCOMPATIBLE, remarks
from ansible_collections.ipv6.rollout.plugins.plugin_utils import listeners, readiness_site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.listener_declared import Declared, declared
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import STATUSES, Data, Host, Result, Site
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_seen import several

LINE = 300  # characters of a line of evidence
OURS = "ipv6_rollout"  # what the names of the nft tables begin with that this collection makes
# Who bans single addresses, by what its nft tables begin with: that is no rule set of its own.
BANNING = ("f2b-", "crowdsec", "sshguard")
NFT_FAMILIES = {"ipv4": ("ip", "inet", "netdev", "bridge"), "ipv6": ("ip6", "inet", "netdev", "bridge")}

# What the playbook ipv6_only opens beside the declared services, and what it narrows to the proxies on a host without
# IPv4: the mark of the rule tells for whom it is.
_MARKED = re.compile(
    r"^-A INPUT (?:-s (?P<source>\S+) )?-p (?P<protocol>tcp|udp) -m \w+ --dport (?P<port>\d+) "
    + rf'-m comment --comment "{re.escape(MARK)}service (?P<name>[a-z0-9_.-]+)"',
    re.MULTILINE,
)
_OPENED = re.compile(r"backup-mx|dns64|v4-proxy-\d+")
# What differs from run to run: the numbers of processes, and how many workers there are.
_PIDS = re.compile(r"\(pid \d+(?: and \d+ more)?, ")
_COUNTERS = re.compile(r"^# (?:Generated|Completed) .*\n|(?<=[A-Z-]) \[\d+:\d+\]$|^\[\d+:\d+\] ", re.MULTILINE)
_COUNT = re.compile(r", \d+ sockets(?=,)")


@dataclasses.dataclass(frozen=True)
class _Question:
    digest: str
    asked: tuple[t.Any, ...] = dataclasses.field(compare=False, repr=False)


@functools.lru_cache(maxsize=512)
def _answered(question: _Question) -> dict[str, t.Any]:
    return listeners.listener_findings(*question.asked)


def report(host: Host, site: Site) -> Data:
    """Return the sockets of a host, and what is wrong with them, see the filter ``listener_findings``.

    Many checks want it, so it is made once for the same look. It must not be changed.
    """
    look = {key: (host.look or {})[key] for key in listeners.KEYS}
    asked = (look, meant(host), readiness_site.own(host), readiness_site.trusted(host, site))
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return _answered(_Question(digest, asked))


def meant(host: Host) -> list[t.Any]:
    """Return all that is meant to listen on a host: what is declared, and what the playbook ipv6_only opened there."""
    management, *others = readiness_site.declared(host)
    opened: dict[tuple[str, int], dict[str, t.Any]] = {}
    narrowed: dict[tuple[str, int], list[str]] = {}
    for one in _MARKED.finditer(str(firewall(host, "ipv6").get("saved") or "")):
        place = (one["protocol"], int(one["port"]))
        source = [one["source"]] if one["source"] else []
        if _OPENED.fullmatch(one["name"]):
            opened.setdefault(place, {"name": one["name"], "port": place[1], "protocol": place[0], "sources": []})
            opened[place]["sources"] += source
        elif source and not host.spec.get("ipv4"):
            narrowed.setdefault(place, []).extend(source)
    proxied = opened.pop(("tcp", int(management["port"])), None)
    if proxied:
        management = {**management, "sources": [*management["sources"], *proxied["sources"]]}
    services = [
        {**one, "sources": one["sources"] or narrowed.get((one["protocol"], one["port"]), [])}
        for one in host.spec["services"]
    ]
    return [management, *opened.values(), *services, *others[len(services) :]]


def listed(host: Host, variable: str) -> list[str]:
    """Return a variable that is a list of texts; one text alone is a list of one."""
    return [str(one) for one in several(host.variables.get(variable), f"{variable} of {host.name}")]


def known(host: Host) -> dict[tuple[str, int], Declared]:
    """Return what is meant to listen, by protocol and port."""
    return declared(meant(host))


def stated(host: Host) -> dict[tuple[str, int], Declared]:
    """Return what the inventory itself says: of the rest nobody says over which families it is served."""
    return declared(readiness_site.declared(host))


def management_port(host: Host) -> int:
    """Return the port of the management."""
    return int(host.variables.get("ansible_port") or 22)


# ------------------------------------------------------------------------------------------------------------ rules


def firewall(host: Host, family: str) -> Data:
    """Return what the look says of the rules of one family; empty where there is no look."""
    return t.cast(Data, ((host.look or {}).get("firewall") or {}).get(family) or {})


def texts(host: Host, family: str) -> tuple[str, ...]:
    """Return the rules of one family as text, of both back ends.

    They are without counters and times, so that hosts with the same rules have the same text and are judged once.
    """
    told = firewall(host, family)
    return tuple(_COUNTERS.sub("", str(text)) for text in (told["saved"], told.get("other") or ""))


def unseen(host: Host, family: str) -> str:
    """Say why the rules of a family are not known; empty where they are."""
    told = firewall(host, family)
    if "saved" not in told:
        return f"the rules of {NAMES[family]} were not read"
    if told.get("problem"):
        return f"the rules of {NAMES[family]} could not be read: {line(told['problem'])}"
    hidden = [one for text in texts(host, family) for one in remarks(text) if INCOMPATIBLE in one]
    return f"{NAMES[family]}: {line(hidden[0]).rstrip('.')}" if hidden else ""


def nft_tables(host: Host, family: str) -> list[str]:
    """Return the tables of nft that may refuse what the rules of iptables let in."""
    told = (host.look or {}).get("firewall") or {}
    return [
        line(table)
        for table in told.get("nft_tables") or ()
        if str(table).partition(" ")[0] in NFT_FAMILIES[family]
        and not str(table).partition(" ")[2].startswith((OURS, *BANNING))
    ]


def maybe_refused(host: Host, family: str) -> str:
    """Say why what the rules let in may be refused all the same; empty where nothing speaks for it."""
    tables = nft_tables(host, family)
    if tables:
        return f"nft has tables of its own ({', '.join(tables)}), which may refuse it"
    problem = ((host.look or {}).get("firewall") or {}).get("nft_problem")
    return f"nft could not list its tables: {line(problem)}" if problem else ""


def device(host: Host, family: str) -> str:
    """Return the interface that packets of the world come in by; empty where that can't be told."""
    routes = (host.look or {})["routes"]
    other = "ipv4" if family == "ipv6" else "ipv6"
    names = {str(route.get("dev") or "") for route in routes[family] or routes[other]}
    return names.pop() if len(names) == 1 else ""


def own_address(host: Host, family: str) -> str:
    """Return the address that clients use, where the host has it itself and the rules may ask for it; else nothing."""
    if not any(" -d " in text or "dst" in text for text in texts(host, family)):
        return ""
    address = str((host.spec.get("ipv4") if family == "ipv4" else host.spec["address"]) or "")
    has = {entry["address"] for interface in (host.look or {})["interfaces"] for entry in interface["addresses"]}
    return address if address in has else ""


def decided(host: Host, family: str, port: int, source: str) -> reach.Verdict:
    """Say what the rules do with a TCP connection from one source, and which rule it is."""
    return verdict(texts(host, family), family, packet(host, family, port), source)


def packet(host: Host, family: str, port: int) -> reach.Packet:
    """Return the packet that opens a TCP connection to a host."""
    return reach.Packet("tcp", port, device(host, family), own_address(host, family))


@functools.lru_cache(maxsize=2048)
def verdict(rules: tuple[str, ...], family: str, packet: reach.Packet, source: str) -> reach.Verdict:
    """Say what rules do with a packet; they are read once for all hosts that have the same."""
    return reach.verdict(list(rules), family, packet, source)


@functools.lru_cache(maxsize=2048)
def answer(rules: tuple[str, ...], family: str, packet: reach.Packet, source: str) -> reach.Verdict:
    """Say what rules do with the answer to a packet."""
    return reach.answer(list(rules), family, packet, source)


def rule(told: reach.Verdict) -> str:
    """Return the rule of a verdict for people: a policy decides where no rule does."""
    if not told.decided_by.startswith("the policy of "):
        return line(told.decided_by)
    return f"no rule, but {told.decided_by}, which is {'ACCEPT' if told.result == 'accept' else 'DROP'}"


# ------------------------------------------------------------------------------------------------------------ words


def line(value: object) -> str:
    """Return what a host said as one line of plain text."""
    return plain(value, LINE)


def stable(lines: t.Iterable[object]) -> tuple[str, ...]:
    """Return lines of evidence without what differs from run to run."""
    return tuple(line(_COUNT.sub("", _PIDS.sub("(", str(one)))) for one in lines)


def joined(results: t.Iterable[Result]) -> list[Result]:
    """Return one result for each thing: what else is said of the same one becomes evidence of the first."""
    found: dict[tuple[str, ...], Result] = {}
    for result in sorted(results, key=lambda one: STATUSES.index(one.status)):
        first = found.setdefault(result.key, result)
        if first is not result:
            more = (result.message, *(text for text in result.evidence if text not in first.evidence))
            found[result.key] = dataclasses.replace(first, evidence=(*first.evidence, *more))
    return list(found.values())


def port_name(protocol: str, port: int) -> str:
    """Name a port that no service is declared for."""
    return f"{protocol} {port}"
