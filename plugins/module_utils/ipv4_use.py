# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who on a host uses IPv4 by itself: literals in files, connections, and questions for A records only. Read-only."""

from __future__ import annotations

import glob
import json
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils import ipv4_use_text as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.module_utils.nat64_values import WELL_KNOWN, Network4, Network6, embedded

# Where programs have their settings: program, how comments look, files.
PLACES: t.Tuple[t.Tuple[str, str, t.Tuple[str, ...]], ...] = (
    ("resolver", "ini", ("/etc/resolv.conf", "/etc/resolvconf/resolv.conf.d/*")),
    ("hosts", "hash", ("/etc/hosts",)),
    ("postfix", "hash", ("/etc/postfix/*.cf", "/etc/postfix/transport", "/etc/postfix/relay*", "/etc/postfix/sasl*")),
    ("dovecot", "hash", ("/etc/dovecot/*.conf", "/etc/dovecot/conf.d/*.conf")),
    (
        "apache2",
        "hash",
        ("/etc/apache2/*.conf", "/etc/apache2/*-enabled/*.conf"),
    ),
    ("nginx", "hash", ("/etc/nginx/*.conf", "/etc/nginx/conf.d/*.conf", "/etc/nginx/sites-enabled/*")),
    ("haproxy", "hash", ("/etc/haproxy/*.cfg",)),
    ("named", "c", ("/etc/bind/named.conf*",)),
    ("unbound", "hash", ("/etc/unbound/*.conf", "/etc/unbound/unbound.conf.d/*.conf")),
    ("ssh", "hash", ("/etc/ssh/*_config", "/etc/ssh/*_config.d/*.conf")),
    ("apt", "c", ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*", "/etc/apt/apt.conf.d/*")),
    ("chrony", "hash", ("/etc/chrony/*.conf", "/etc/chrony/*.d/*", "/etc/ntp*.conf", "/etc/ntpsec/*.conf")),
    ("rsyslog", "hash", ("/etc/rsyslog.conf", "/etc/rsyslog.d/*.conf")),
    ("openvpn", "ini", ("/etc/openvpn/*.conf", "/etc/openvpn/*/*.conf")),
    ("mysql", "hash", ("/etc/mysql/*.cnf", "/etc/mysql/*/*.cnf")),
    ("postgresql", "hash", ("/etc/postgresql/*/*/*.conf",)),
    ("redis", "hash", ("/etc/redis/*.conf",)),
    ("php", "ini", ("/etc/php/*/*/php.ini", "/etc/php/*/*/conf.d/*.ini", "/etc/php/*/fpm/pool.d/*.conf")),
    ("cron", "hash", ("/etc/crontab", "/etc/cron.d/*", "/var/spool/cron/crontabs/*")),
    ("environment", "hash", ("/etc/environment", "/etc/profile", "/etc/profile.d/*.sh")),
    ("defaults", "hash", ("/etc/default/*",)),
    (
        "systemd",
        "ini",
        (
            "/etc/systemd/*.conf",
            "/etc/systemd/*.conf.d/*.conf",
            "/etc/systemd/system/*.service",
            "/etc/systemd/system/*.socket",
            "/etc/systemd/system/*.d/*.conf",
        ),
    ),
)
LARGEST = 1 << 20
LOG_LINES = 200000

ADVICE = {
    "resolver": "name the IPv6 addresses of a DNS64; a resolver that is an IPv4 address is not reached",
    "hosts": "give the name an IPv6 address, or leave it to DNS; DNS64 sees no names of this file",
    "address": "write the name instead of the address, so that DNS64 finds a way, or the address behind the NAT64",
    "network": "a list of who may come in; add the IPv6 prefixes beside it",
    "connection": "if it has asked by name, it has asked for A records only: look for a setting such as 'prefer IPv6'; "
    "otherwise find the literal. What can't be changed needs a CLAT on the host (464XLAT, RFC 6877)",
    "datagram": "it sends over IPv4 only; look for its setting for IPv6, or give the host a CLAT (464XLAT, RFC 6877)",
    "lookup": "a program there asks for A records only, so DNS64 can't help it; look for its setting for IPv6, or give "
    "the host a CLAT (464XLAT, RFC 6877)",
}


def _paths(patterns: t.Iterable[str]) -> t.List[str]:
    """Return the files that patterns name, each once, but for what editors and packages leave behind."""
    found: t.Dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(pattern)):
            if path.endswith(("~", ".bak", ".dpkg-dist", ".dpkg-old", ".dpkg-new", ".dpkg-bak", ".ucf-dist")):
                continue
            if os.path.isfile(path) and os.path.getsize(path) <= LARGEST:
                found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def in_files(prefix: t.Optional[Network6], more: t.Sequence[str]) -> t.List[texts.Found]:
    """Return the literals in the settings of programs."""
    found = []
    seen = set()
    for program, style, patterns in (*PLACES, ("named", "hash", tuple(more))):
        for path in _paths(patterns):
            if path in seen:
                continue
            seen.add(path)
            content = (files.read(path) or b"").decode(errors="replace")
            if "\x00" in content:
                continue
            name = os.path.basename(path) if patterns == tuple(more) else program
            for line, literal, kind in texts.literals(content, style):
                advice = ADVICE[program] if program in ADVICE and kind == "address" else ADVICE[kind]
                entry = {"program": name, "kind": kind, "where": f"{path}:{line}", "what": literal, "advice": advice}
                entry["nat64"] = _behind(prefix, literal) if kind == "address" else ""
                found.append(entry)
    return found


def _behind(prefix: t.Optional[Network6], literal: str) -> str:
    """Return what stands for an address behind the NAT64: behind the well-known prefix only for global ones."""
    inner = Network4(literal)
    if prefix is None or (prefix == WELL_KNOWN and not inner.is_global):
        return ""
    return str(embedded(prefix, inner).network_address)


def in_use(prefix: t.Optional[Network6], only_ipv6: bool) -> t.List[texts.Found]:
    """Return the connections over IPv4 that exist now, and on a host without IPv4 the sockets that stay useless."""
    told = texts.sockets(commands.check(["ss", "-H", "-tunap"]))
    found = []
    for one in texts.connections(told):
        address = texts.ipv4_of(one.peer)
        entry = {"kind": "connection", "where": f"{one.protocol} {one.state}", "what": f"{address}:{one.peer_port}"}
        found.append({**_who(one), **entry, "nat64": _behind(prefix, str(address))})
    for one in texts.datagrams(told) if only_ipv6 else []:
        entry = {"kind": "datagram", "where": "udp UNCONN", "what": f"{one.local}:{one.local_port}", "nat64": ""}
        found.append({**_who(one), **entry})
    for entry in found:
        entry["advice"] = ADVICE[entry["kind"]]
    return [entry for number, entry in enumerate(found) if entry not in found[:number]]


def _who(one: texts.Socket) -> texts.Found:
    return {"program": ", ".join(one.programs) or "unknown"}


def in_log(since: str) -> t.List[texts.Found]:
    """Return who has asked this host's unbound for A records only, as far as its log tells."""
    if not commands.found("unbound") or not commands.found("journalctl"):
        return []
    argv = ["journalctl", "-q", "--no-pager", "-o", "cat", "-u", "unbound", "-n", str(LOG_LINES), f"--since=-{since}"]
    done = commands.run(argv)
    if done.rc != 0:
        raise RolloutError(f"since: {shown(since)}: {done.said}; write it as systemd does, such as 1h or 2d")
    return [
        {"client": client, "name": name, "count": count, "advice": ADVICE["lookup"]}
        for client, name, count in texts.queries(done.out.splitlines())
    ]


def without_ipv4() -> bool:
    """Tell whether this host has no IPv4 address but the loopback's."""
    found = json.loads(commands.check(["ip", "-j", "-4", "addr", "show", "scope", "global"]) or "[]")
    return not any(link.get("addr_info") for link in found)


def look(prefix: t.Optional[Network6], more: t.Sequence[str], since: str) -> texts.Found:
    """Return all of it, by program."""
    only_ipv6 = without_ipv4()
    uses = in_files(prefix, more) + in_use(prefix, only_ipv6)
    programs: t.Dict[str, t.List[texts.Found]] = {}
    for use in sorted(uses, key=lambda use: (use["program"], use["kind"], use["where"], use["what"])):
        programs.setdefault(use["program"], []).append({key: use[key] for key in use if key != "program"})
    return {"ipv6_only": only_ipv6, "programs": programs, "lookups": in_log(since)}
