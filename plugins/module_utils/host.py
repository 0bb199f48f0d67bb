# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself: read-only, in one go, as plain data."""

from __future__ import annotations

import glob
import json
import os
import platform
import re
import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files, filter_table, ip6tables, listeners

Data = t.Dict[str, t.Any]

SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.ip_local_port_range",
    "net.ipv6.bindv6only",
    "net.ipv6.ip_nonlocal_bind",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.default.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
)
PER_INTERFACE = ("accept_ra", "autoconf", "use_tempaddr", "disable_ipv6", "dad_transmits", "accept_dad")

# A unit that is enabled, and what it does to a rule set that it does not know of.
MANAGERS = {
    "ufw": "ufw.service",
    "firewalld": "firewalld.service",
    "nftables": "nftables.service",
    "docker": "docker.service",
    "netfilter-persistent": "netfilter-persistent.service",
}

# The tables that iptables-save prints.
IPTABLES = ("raw", "mangle", "nat", "filter", "security")


def text(path: str) -> str:
    """Return a file as text, empty where it can't be read."""
    try:
        return (files.read(path) or b"").decode(errors="replace")
    except OSError:
        return ""


def operating_system() -> Data:
    """Read os-release(5): id, version and the ids that it is like."""
    pairs = dict(re.findall(r'^([A-Z_]+)="?(.*?)"?$', text("/etc/os-release"), re.MULTILINE))
    return {
        "id": pairs.get("ID", ""),
        "like": pairs.get("ID_LIKE", "").split(),
        "version": pairs.get("VERSION_ID", ""),
        "name": pairs.get("PRETTY_NAME", ""),
        "kernel": platform.release(),
    }


def ipv6_state() -> Data:
    """Tell whether the kernel speaks IPv6 and, where not, what switched it off."""
    if not os.path.isdir("/proc/sys/net/ipv6"):
        argument = re.search(r"\bipv6\.disable=1\b", text("/proc/cmdline"))
        why = "the kernel was started with ipv6.disable=1" if argument else "the kernel has no IPv6"
        return {"enabled": False, "why": why}
    if text("/proc/sys/net/ipv6/conf/all/disable_ipv6").strip() == "1":
        return {"enabled": False, "why": "the sysctl net.ipv6.conf.all.disable_ipv6 is 1"}
    return {"enabled": True, "why": ""}


def _address(entry: Data) -> Data:
    flags = {flag: bool(entry.get(flag)) for flag in ("tentative", "dadfailed", "deprecated", "temporary", "dynamic")}
    return {
        "address": entry.get("local", ""),
        "length": entry.get("prefixlen", 0),
        "family": "ipv6" if entry.get("family") == "inet6" else "ipv4",
        "scope": entry.get("scope", ""),
        **flags,
    }


def interfaces() -> t.List[Data]:
    """List the interfaces with their addresses and the state of duplicate address detection."""
    found = []
    for link in json.loads(commands.check(["ip", "-j", "addr"]) or "[]"):
        name = link.get("ifname", "")
        folder = f"/proc/sys/net/ipv6/conf/{name}"
        found.append(
            {
                "name": name,
                "mac": link.get("address", ""),
                "mtu": link.get("mtu", 0),
                "up": "UP" in link.get("flags", []),
                "addresses": [_address(entry) for entry in link.get("addr_info", []) if entry.get("local")],
                "sysctls": {key: text(f"{folder}/{key}").strip() for key in PER_INTERFACE},
            }
        )
    return found


def routes() -> Data:
    """List the default routes of both families."""
    found: Data = {}
    for family, flag in (("ipv4", "-4"), ("ipv6", "-6")):
        done = commands.run(["ip", "-j", flag, "route", "show", "default"])
        entries = json.loads(done.out or "[]") if done.rc == 0 else []
        found[family] = [
            {key: entry.get(key) for key in ("gateway", "dev", "metric", "protocol", "expires") if key in entry}
            for entry in entries
        ]
    return found


def sysctls() -> t.Dict[str, str]:
    """Read the settings that decide about IPv6."""
    return {name: text("/proc/sys/" + name.replace(".", "/")).strip() for name in SYSCTLS}


def firewall(with_rules: bool = False) -> Data:
    """Tell the back end, the policies and the number of rules of both families, and if asked for the rules."""
    found: Data = {}
    for family, program in (("ipv4", "iptables"), ("ipv6", "ip6tables")):
        if not commands.found(f"{program}-save"):
            found[family] = {"installed": False, "rules": 0, "policies": {}, "chains": []}
            if with_rules:
                found[family].update(saved="", other="", problem="")
            continue
        done = commands.run([f"{program}-save"])
        table = filter_table.parse(filter_table.tables(done.out).get("filter", ""))
        found[family] = {
            "installed": True,
            "rules": len(table.rules),
            "policies": table.policies,
            "chains": table.chains,
        }
        if with_rules:
            found[family]["saved"] = done.out
            found[family]["other"] = ip6tables.other_back_end(program)
            found[family]["problem"] = done.said if done.rc != 0 else ""
    if with_rules:
        saved = [name for name, family in (("ip", "ipv4"), ("ip6", "ipv6")) if found[family]["installed"]]
        done = commands.run(["nft", "-j", "list", "chains"])
        found["nft_tables"], found["nft_problem"] = [], ""
        if done.rc == 0:
            try:
                found["nft_tables"] = nft_tables(done.out, saved)
            except ValueError:
                found["nft_problem"] = "nft -j list chains printed no JSON"
        elif done.rc != 127:  # it is installed
            found["nft_problem"] = done.said
    found["ipv6"]["tracking_refused"] = ip6tables.tracking_refused()
    found["persistent"] = ip6tables.missing_package() is None
    found["backend"] = os.path.basename(os.path.realpath("/etc/alternatives/ip6tables")).replace("xtables-", "")
    return found


def nft_tables(listed: str, saved: t.Collection[str]) -> t.List[str]:
    """Name the tables of nft that see what comes in, from ``nft -j list chains``.

    Those of iptables are left out for the families whose rules are ``saved``: there ``iptables-save`` shows them.
    """
    chains = [entry["chain"] for entry in json.loads(listed or "{}").get("nftables", []) if "chain" in entry]
    return sorted(
        {
            f"{chain['family']} {chain['table']}"
            for chain in chains
            if chain.get("hook") in ("ingress", "prerouting", "input")
            and not (chain["family"] in saved and chain["table"] in IPTABLES)
        }
    )


def managers() -> t.List[str]:
    """List the rule managers that are enabled at boot."""
    return [name for name, unit in MANAGERS.items() if glob.glob(f"/etc/systemd/system/*.wants/{unit}")]


def dpkg() -> Data:
    """List packages that dpkg left half-way; such a host should not be changed before that is mended."""
    broken = []
    package = ""
    for line in text("/var/lib/dpkg/status").splitlines():
        if line.startswith("Package: "):
            package = line[9:]
        elif line.startswith("Status: ") and line.split()[-1] in (
            "half-installed",
            "unpacked",
            "half-configured",
            "triggers-awaited",
            "triggers-pending",
        ):
            broken.append(package)
    return {"broken": broken, "interrupted": bool(glob.glob("/var/lib/dpkg/updates/[0-9]*"))}


def daemons() -> Data:
    """Tell which of the daemons that this collection knows are installed, and their settings for IPv6."""
    main_cf = text("/etc/postfix/main.cf")
    setting = re.findall(r"^inet_protocols\s*=\s*(.*?)\s*$", main_cf, re.MULTILINE)
    listens = re.findall(r"^\s*Listen\s+(.+?)\s*$", text("/etc/apache2/ports.conf"), re.MULTILINE | re.IGNORECASE)
    return {
        "postfix": {
            "installed": bool(commands.found("postconf")),
            "inet_protocols": setting[-1] if setting else "",
        },
        "apache": {"installed": bool(commands.found("apache2ctl")), "listen": listens},
        "named": {"installed": bool(commands.found("named"))},
    }


def network_backend() -> str:
    """Name the back end that configures the network at boot."""
    if glob.glob("/etc/netplan/*.yaml"):
        return "netplan"
    wants = "/etc/systemd/system/*.wants/"
    if glob.glob(wants + "NetworkManager.service"):
        return "networkmanager"
    if glob.glob(wants + "systemd-networkd.service"):
        return "networkd"
    if os.path.exists("/etc/network/interfaces") and commands.found("ifup"):
        return "ifupdown"
    return ""


def free_space() -> t.Dict[str, int]:
    """Tell the free octets where files will be written."""
    free = {}
    for folder in ("/etc", "/var/lib"):
        status = os.statvfs(folder)
        free[folder] = status.f_bavail * status.f_frsize
    return free


def look(with_rules: bool = False, audit: t.Optional[t.Mapping[str, t.Any]] = None) -> Data:
    """Return everything that preflight needs, in one call; ``with_rules`` also the rules as text.

    ``audit`` says what an audit wants to know beside that.
    """
    if audit is None:
        return _look(with_rules)
    # Here, since a module comes as source: nobody else pays for what only the audit needs.
    from ansible_collections.ipv6.rollout.plugins.module_utils import audit_look

    begun = audit_look.Looking(audit)
    found = _look(with_rules)
    return {**found, "audit": begun.finish(found)}


def _look(with_rules: bool) -> Data:
    return {
        "os": operating_system(),
        "python": platform.python_version(),
        "clock": time.time(),
        "ipv6": ipv6_state(),
        "interfaces": interfaces(),
        "routes": routes(),
        "sysctls": sysctls(),
        **listeners.look(),
        "firewall": firewall(with_rules),
        "managers": managers(),
        "dpkg": dpkg(),
        "daemons": daemons(),
        "network_backend": network_backend(),
        "free": free_space(),
    }
