# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that the host loads at boot, what loads them, and whether the kernel follows connections."""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_text, ip6tables
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

NONE: Data = {
    "ipv4": {"path": "", "rules": "", "problem": ""},
    "ipv6": {"path": "", "rules": "", "problem": ""},
    "loader": {"unit": "", "enabled": False, "before_network": None},
}
NFTABLES = "/etc/nftables.conf"
# What loads rules at boot, in the order in which it is taken for the one: its unit, its files, and why they are not
# what iptables-save prints.
LOADERS: t.Dict[str, t.Tuple[str, t.Dict[str, str], str]] = {
    "netfilter-persistent": (
        "netfilter-persistent.service",
        {"ipv4": "/etc/iptables/rules.v4", "ipv6": ip6tables.RULES_FILE},
        "",
    ),
    "nftables": ("nftables.service", {"ipv4": NFTABLES, "ipv6": NFTABLES}, "it is written for nft"),
    "ufw": (
        "ufw.service",
        {"ipv4": "/etc/ufw/user.rules", "ipv6": "/etc/ufw/user6.rules"},
        "ufw loads more rules than those of this file",
    ),
    "firewalld": ("firewalld.service", {"ipv4": "", "ipv6": ""}, "firewalld keeps no rules in a file"),
}
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system")
UNITS_DEBIAN_12 = "/lib/systemd/system"


def look(managers: t.Collection[str]) -> Data:
    """Return the saved rules of both families, and what loads them."""
    name = next((name for name in LOADERS if name in managers), "")
    unit, paths, other = LOADERS.get(name, ("", LOADERS["netfilter-persistent"][1], ""))
    found: Data = {family: _saved(path, other) for family, path in paths.items()}
    found["loader"] = {
        "unit": unit,
        "enabled": bool(unit),
        "before_network": before_network(unit) if unit else None,
    }
    return found


def _saved(path: str, problem: str) -> Data:
    rules = ""
    try:
        rules = audit_text.content(path).decode(errors="replace") if path else ""
    except FileNotFoundError:
        problem = "it does not exist"
    except OSError as error:
        problem = audit_text.plain(error.strerror or error)
    if len(rules) >= audit_text.LARGEST:
        problem = "it is too large to be read"
    return {"path": path, "rules": rules, "problem": problem}


def before_network(unit: str) -> t.Optional[bool]:
    """Tell whether systemd starts a unit before anything that gives out addresses; None where it has no file."""
    folders = [*UNITS, UNITS_DEBIAN_12]
    path = next((f"{folder}/{unit}" for folder in folders if os.path.isfile(f"{folder}/{unit}")), "")
    if not path:
        return None
    more: t.Dict[str, str] = {}
    for folder in folders:
        for each in sorted(glob.glob(f"{folder}/{unit}.d/*.conf")):
            more.setdefault(os.path.basename(each), each)
    words: t.List[str] = []
    for each in [path, *(more[name] for name in sorted(more))]:
        for value in re.findall(r"^\s*Before\s*=(.*)$", audit_text.text(each), re.MULTILINE):
            words = [*words, *value.split()] if value.strip() else []
    return any(word in words for word in ("network-pre.target", "networking.service", "systemd-networkd.service"))


def tracking(rules: t.Mapping[str, str], refused: str) -> t.Dict[str, t.Optional[bool]]:
    """Tell of each family whether the kernel follows its connections; None where nothing says so.

    Rules that are loaded prove it. Since Linux 4.19 one module does it for both families.
    """
    release = [int(word) for word in os.uname().release.split(".")[:2] if word.isdigit()]
    there = release >= [4, 19] and os.path.exists("/proc/sys/net/netfilter/nf_conntrack_max")
    found: t.Dict[str, t.Optional[bool]] = {}
    for family in ("ipv4", "ipv6"):
        matched = any(word in rules.get(family, "") for word in (" --ctstate ", " -m state ", " -m conntrack "))
        found[family] = True if matched or there else None
    if refused:
        found["ipv6"] = False
    return found
