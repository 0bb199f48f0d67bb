# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network of a host as the kernel has it now: addresses, routes, neighbours, tunnels and settings."""

from __future__ import annotations

import concurrent.futures
import json
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_text, commands, interface_link
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

ROUTES = 2000
ENTRIES = 2000
INTERFACES = 500
GATEWAYS = 16
SECONDS = 10.0
FOREVER = 0xFFFFFFFF
CONF = "/proc/sys/net/{}/conf"
KEYS = {
    "ipv6": (
        "accept_ra",
        "autoconf",
        "accept_redirects",
        "accept_source_route",
        "forwarding",
        "use_tempaddr",
        "addr_gen_mode",
        "mtu",
        "disable_ipv6",
        "accept_dad",
    ),
    "ipv4": ("rp_filter", "accept_redirects", "accept_source_route", "forwarding"),
}
KERNEL = (
    "net.ipv4.ip_forward",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv6.bindv6only",
    "net.ipv6.conf.all.forwarding",
    "net.ipv6.icmp.ratelimit",
    "net.ipv6.ip_nonlocal_bind",
    "net.ipv6.neigh.default.gc_thresh1",
    "net.ipv6.neigh.default.gc_thresh2",
    "net.ipv6.neigh.default.gc_thresh3",
    "net.ipv6.neigh.default.unres_qlen_bytes",
    "net.ipv6.route.max_size",
    "net.netfilter.nf_conntrack_max",
)
# Those that say which rules, tunnels and translators the kernel can have. What is built in is no module.
MODULES = ("br_netfilter", "ip6_tables", "ip6table_filter", "jool", "nf_conntrack", "nf_tables", "sit", "tun")
TUNNELS = (
    "erspan",
    "gre",
    "gretap",
    "ip6erspan",
    "ip6gre",
    "ip6gretap",
    "ip6tnl",
    "ipip",
    "sit",
    "tun",
    "vti",
    "vti6",
    "wireguard",
    "xfrm",
)
NONE: Data = {
    "addresses": [],
    "routes": {"ipv4": [], "ipv6": []},
    "neighbours": [],
    "gateways": {"ipv6": []},
    "tunnels": [],
}
FLAGS = ("tentative", "dadfailed", "deprecated", "temporary", "dynamic", "nodad", "optimistic")


def _asked(argv: t.Sequence[str]) -> t.List[Data]:
    """Return the list that ``ip -j`` prints; it prints nothing at all where there is nothing."""
    found = json.loads(commands.check(argv, timeout=SECONDS) or "[]")
    return [entry for entry in found if isinstance(entry, dict)]


def links() -> t.List[Data]:
    """Return the interfaces with their addresses and details, as ``ip`` tells them."""
    return _asked(["ip", "-j", "-d", "addr", "show"])


def _life(seconds: t.Optional[int]) -> t.Optional[int]:
    return None if seconds is None or seconds == FOREVER else seconds


def addresses(found: t.Sequence[Data]) -> t.List[Data]:
    """Return all addresses with their flags and lifetimes."""
    return [
        {
            "interface": link.get("ifname", ""),
            "address": entry["local"],
            "length": entry.get("prefixlen", 0),
            "family": "ipv6" if entry.get("family") == "inet6" else "ipv4",
            "scope": entry.get("scope", ""),
            **{flag: bool(entry.get(flag)) for flag in FLAGS},
            "valid": _life(entry.get("valid_life_time")),
            "preferred": _life(entry.get("preferred_life_time")),
        }
        for link in found
        for entry in link.get("addr_info", [])
        if entry.get("local")
    ][:ENTRIES]


def tunnels(found: t.Sequence[Data], default_devices: t.Sequence[str] = ()) -> t.List[Data]:
    """Return the tunnels with their MTU and the one of the interface below.

    Not every tunnel names that one; then it is the smallest among those of the default routes.
    """
    sizes = {link.get("ifname", ""): int(link.get("mtu") or 0) for link in found}
    told = []
    for link in found:
        kind = (link.get("linkinfo") or {}).get("info_kind", "")
        # The kernel makes tunl0, sit0 and their like by itself, and they stay down.
        if kind in TUNNELS and "UP" in link.get("flags", []):
            below = [link["link"]] if link.get("link") in sizes else default_devices
            known = [sizes[name] for name in below if name in sizes and name != link["ifname"]]
            parent = min(known) if known else None
            told.append({"interface": link["ifname"], "kind": kind, "mtu": link.get("mtu"), "parent_mtu": parent})
    return told


def _many(family: str) -> bool:
    """Tell whether the kernel has more routes than anybody wants to read, such as those of a whole BGP table."""
    if family == "ipv6":
        counts = audit_text.value("/proc/net/rt6_stats").split()
        return len(counts) > 3 and int(counts[3], 16) > 10 * ROUTES
    words = [line.split() for line in audit_text.value("/proc/net/fib_triestat").splitlines()]
    return sum(int(each[1]) for each in words if len(each) == 2 and each[0] == "Prefixes:") > 10 * ROUTES


def routes(family: str) -> t.Tuple[t.List[Data], str]:
    """Return the main table of a family, the default routes first, and why something is missing."""
    argv = ["ip", "-j", "-6" if family == "ipv6" else "-4", "route", "show", "table", "main"]
    many = _many(family)
    found = [hop for entry in _asked([*argv, "default"] if many else argv) for hop in hops(entry)]
    found.sort(key=lambda entry: bool(entry["destination"] != "default"))
    problem = f"{family}: there are too many routes, so they are not all here" if many or found[ROUTES:] else ""
    return found[:ROUTES], problem


def hops(entry: Data) -> t.List[Data]:
    """Return a route, or one entry for each next hop of a route that has several."""
    several = entry.get("nexthops") or [{}]
    return [
        {
            "destination": entry.get("dst", ""),
            "gateway": hop.get("gateway") or (hop.get("via") or {}).get("host", ""),
            "device": hop.get("dev", ""),
            "metric": entry.get("metric", 0),
            "protocol": entry.get("protocol", "boot"),
            "expires": entry.get("expires"),
            "type": entry.get("type", "unicast"),
            "source": entry.get("prefsrc", ""),
            "dead": "dead" in hop.get("flags", []) or "linkdown" in hop.get("flags", []),
        }
        for hop in ({**entry, **one} for one in several)
    ]


def neighbours() -> t.List[Data]:
    """Return what the kernel knows of its IPv6 neighbours."""
    return [
        {
            "address": entry.get("dst", ""),
            "device": entry.get("dev", ""),
            "state": " ".join(entry.get("state", [])),
            "router": "router" in entry,
        }
        for entry in _asked(["ip", "-j", "-6", "neigh", "show"])[:ENTRIES]
    ]


def ask_gateways(default: t.Sequence[Data]) -> t.Dict[t.Tuple[str, str], t.Optional[bool]]:
    """Send a neighbour solicitation to each gateway, to all at once, and tell who answered.

    None is for those who can't be asked, since their link has no such addresses, or since this process may not.
    """
    wanted: t.Dict[str, t.List[str]] = {}
    for entry in default[:GATEWAYS]:
        if ":" in entry["gateway"]:
            wanted.setdefault(entry["device"], []).append(entry["gateway"])
    if not wanted:
        return {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=len(wanted)) as pool:
        answers = {name: pool.submit(_ask, name, gateways) for name, gateways in wanted.items()}
        told = {name: answer.result() for name, answer in answers.items()}
    return {
        (gateway, name): None if answered is None else gateway in answered
        for name, answered in told.items()
        for gateway in wanted[name]
    }


def _ask(name: str, gateways: t.Sequence[str]) -> t.Optional[t.Collection[str]]:
    if len(audit_text.value(f"/sys/class/net/{name}/address")) != 17:
        return None
    try:
        return interface_link.ask(name, gateways, 0.0).neighbours
    except (OSError, ValueError):
        return None


def gateways(answers: t.Mapping[t.Tuple[str, str], t.Optional[bool]], known: t.Sequence[Data]) -> t.List[Data]:
    """Join what the gateways answered and what the kernel knows of them now."""
    states = {(entry["address"], entry["device"]): entry["state"] for entry in known}
    return [
        {
            "address": address,
            "device": device,
            "asked": answered is not None,
            "answered": answered,
            "state": states.get((address, device), ""),
        }
        for (address, device), answered in answers.items()
    ]


def settings() -> t.Dict[str, t.Dict[str, t.Dict[str, str]]]:
    """Read the settings of each interface, and ``all`` and ``default``, as text."""
    found: t.Dict[str, t.Dict[str, t.Dict[str, str]]] = {}
    for family, keys in KEYS.items():
        folder = CONF.format(family)
        if not os.path.isdir(folder):  # a kernel without IPv6
            found[family] = {}
            continue
        names = sorted(os.listdir(folder), key=lambda name: (name not in ("all", "default"), name))
        found[family] = {
            audit_text.plain(name): {key: audit_text.value(f"{folder}/{name}/{key}") for key in keys}
            for name in names[:INTERFACES]
        }
    return found


def kernel() -> Data:
    """Read the settings that hold for the whole host, and say which modules of interest are loaded."""
    found: Data = {name: audit_text.value("/proc/sys/" + name.replace(".", "/")) for name in KERNEL}
    loaded = {line.split(" ")[0] for line in audit_text.text("/proc/modules").splitlines()}
    return {**found, "modules": [name for name in MODULES if name in loaded]}


def look() -> Data:
    """Return addresses, routes, neighbours, gateways and tunnels; one call of ``ip`` for each kind of object."""
    problems: t.Dict[str, str] = {}
    found: Data = {**NONE, "routes": {}, "gateways": {"ipv6": []}}
    for family in ("ipv4", "ipv6"):
        try:
            found["routes"][family], problem = routes(family)
        except audit_text.UNREADABLE as error:
            found["routes"][family], problem = [], audit_text.plain(error)
        if problem:
            problems["routes"] = problem
    default = [
        entry
        for family in ("ipv4", "ipv6")
        for entry in found["routes"][family]
        if entry["destination"] == "default" and entry["type"] == "unicast"
    ]
    try:
        told = links()
        found["addresses"] = addresses(told)
        found["tunnels"] = tunnels(told, [entry["device"] for entry in default])
    except audit_text.UNREADABLE as error:
        problems["addresses"] = problems["tunnels"] = audit_text.plain(error)
    try:
        answers = ask_gateways(default)
        found["neighbours"] = neighbours()  # after they were asked
        found["gateways"]["ipv6"] = gateways(answers, found["neighbours"])
    except audit_text.UNREADABLE as error:
        problems["neighbours"] = problems["gateways"] = audit_text.plain(error)
    return {**found, "problems": problems}
