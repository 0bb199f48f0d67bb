# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says about tunnels: its kernel, its interfaces, its rules. Read-only."""

from __future__ import annotations

import fnmatch
import glob
import ipaddress
import json
import os
import platform
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    commands,
    host,
    interface_files,
    interface_sysctl,
    lockout,
    reach,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel_check import MODULES, Host

TUN = "/dev/net/tun"
INTERFACES = "/etc/network/interfaces"
# The program of each back end, and the unit that has to start at boot.
NEEDED = {
    "networkd": ("networkctl", "systemd-networkd.service"),
    "netplan": ("netplan", ""),
    "networkmanager": ("nmcli", "NetworkManager.service"),
}

Link = t.Dict[str, t.Any]


def links() -> t.List[Link]:
    """Return all interfaces with their kind and addresses."""
    found: t.List[Link] = json.loads(commands.check(["ip", "-d", "-j", "addr"]) or "[]")
    return [link for link in found if link.get("ifname")]


def kernel_lacks(kind: str) -> str:
    """Return why the kernel can't make such an interface, empty where it can."""
    module = MODULES[kind]
    if kind == "openvpn":
        try:
            os.close(os.open(TUN, os.O_RDWR))
        except OSError as error:
            return (
                f"kind: openvpn needs {TUN}, which can't be opened here ({error.strerror}); load the module tun, or "
                "have the device given to this container"
            )
        return ""
    if os.path.isdir(f"/sys/module/{module}"):
        return ""
    if commands.found("modprobe") and commands.run(["modprobe", "--dry-run", "--quiet", module]).rc == 0:
        return ""
    # Built in, or a container: ask the kernel itself, where nobody sees it.
    asked = commands.run(["unshare", "--net", "ip", "link", "add", "name", "probe", "type", module])
    if asked.rc == 0:
        return ""
    other = "openvpn needs only tun" if not kernel_lacks("openvpn") else "take another kernel"
    return f"kind: {kind} needs the kernel's {module}, and {platform.release()} has none ({asked.said}); {other}"


def ipv6_off() -> str:
    """Return why a new interface would have no IPv6."""
    state = host.ipv6_state()
    if not state["enabled"]:
        return f"IPv6 is off: {state['why']}; a tunnel needs it on this host"
    if host.text("/proc/sys/net/ipv6/conf/default/disable_ipv6").strip() == "1":
        return "IPv6 is off on new interfaces: net.ipv6.conf.default.disable_ipv6 is 1; set it to 0"
    return ""


def backend(asked: str, all_links: t.Sequence[Link]) -> str:
    """Return what configures this host's network at boot: what was named, or what the outer interface has."""
    if asked != "auto":
        return asked
    routes = json.loads(commands.run(["ip", "-j", "-4", "route", "show", "default"]).out or "[]")
    carrying = [link for link in all_links if _own(link, "inet")]
    names = [route["dev"] for route in routes if "dev" in route] + [str(link["ifname"]) for link in carrying]
    if not names:
        raise RolloutError("backend: no interface has an IPv4 address, so none tells which back end is in use; name it")
    index = next(int(link["ifindex"]) for link in all_links if link["ifname"] == names[0])
    return interface_files.backend(index, names[0])


def _own(link: Link, family: str) -> t.List[str]:
    return [
        f"{entry['local']}/{entry['prefixlen']}"
        for entry in link.get("addr_info", [])
        if entry.get("family") == family and entry.get("scope") == "global" and entry.get("local")
    ]


def unused(asked: str) -> str:
    """Return why the back end that the user named does not configure this host."""
    program, unit = NEEDED.get(asked, ("", ""))
    if not program or (commands.found(program) and (not unit or interface_files.enabled(unit))):
        return ""
    return f"backend: {asked} does not configure this host: {unit or program} is not in use; name what does, or auto"


def _matches(path: str, pattern: str) -> bool:
    """Match as the shell does: a star never stands for a slash."""
    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def unread(kind: str, where: str, name: str) -> str:
    """Return why the back end would not read our file: ifupdown reads only what its main file names."""
    own = f"/etc/network/interfaces.d/60-ipv6-rollout-{name}"
    if kind != "6in4" or where != "ifupdown":
        return ""
    for line in host.text(INTERFACES).splitlines():
        words = line.split()
        if words and words[0] in ("source", "source-directory"):
            looked_for = own if words[0] == "source" else os.path.dirname(own)
            if any(_matches(looked_for, os.path.join("/etc/network", word).rstrip("/")) for word in words[1:]):
                return ""
    return f"backend: {INTERFACES} does not read {own}; add the line 'source /etc/network/interfaces.d/*' to it"


def firewall(wish: Wish) -> t.Tuple[str, str]:
    """Return what this host's rules do with the outer packets that come in, and what decides it.

    Where they come over both families, the one that fares worse.
    """
    found = [_firewall(wish, ipv6) for ipv6 in families(wish)]
    return min(found, key=lambda item: ("refuse", "depends", "unknown", "accept").index(item[0]))


def families(wish: Wish) -> t.List[bool]:
    """Return the families of the outer packets, each as whether it is IPv6."""
    if wish.kind == "6in4":
        return [False]
    if wish.kind == "wireguard":
        # Its socket takes both; peers that are known by their addresses come from there.
        hosts = [peer.endpoint.rpartition(":")[0] for peer in wish.peers]
        found = {":" in text for text in hosts if ":" in text or re.fullmatch(r"[0-9.]+", text)}
        return sorted(found) if found and len(hosts) == len([text for text in hosts if text]) else [False, True]
    if wish.local:
        return [":" in wish.local]
    return [False, True] if wish.proto == "udp6" else [False]


def _firewall(wish: Wish, ipv6: bool) -> t.Tuple[str, str]:
    program = "ip6tables-save" if ipv6 else "iptables-save"
    if not commands.found(program):
        return "unknown", f"{program} is not installed"
    done = commands.run([program])
    if done.rc != 0:
        return "unknown", f"{program}: {done.said}"
    source = wish.remote if wish.kind == "6in4" else "2000::/3" if ipv6 else "0.0.0.0/0"
    packet = reach.Packet("41" if wish.kind == "6in4" else "udp", wish.port, destination=wish.local)
    try:
        verdict = reach.verdict(done.out, "ipv6" if ipv6 else "ipv4", packet, source)
    except RolloutError as error:
        return "unknown", str(error)
    return verdict.result, f"{'IPv6' if ipv6 else 'IPv4'}: {verdict.decided_by}"


def named(wish: Wish) -> t.List[str]:
    """Return the files of the host that the options name."""
    return [path for path in (wish.ca, wish.certificate, wish.key_file) if path.startswith("/")]


def look(wish: Wish, where: str, all_links: t.Sequence[Link]) -> Host:
    """Return what the check decides on."""
    listens = bool(wish.port) and wish.role != "client"
    outer: t.Set[str] = set()
    inner: t.Dict[str, str] = {}
    for link in all_links:
        held = _own(link, "inet6")
        inner.update({str(ipaddress.IPv6Interface(address).network): str(link["ifname"]) for address in held})
        outer.update(address.partition("/")[0] for address in [*held, *_own(link, "inet")])
    return Host(
        ipv6=ipv6_off(),
        kernel=kernel_lacks(wish.kind),
        boot=unread(wish.kind, where, wish.name),
        devices={str(link["ifname"]): str(link.get("linkinfo", {}).get("info_kind", "")) for link in all_links},
        outer=frozenset(outer),
        inner=inner,
        routes=other_routes(wish.name),
        held=frozenset(routes_of(wish.name)),
        peer=lockout.ssh_connection().partition(" ")[0].partition("%")[0],
        missing=frozenset(path for path in named(wish) if not os.path.isfile(path)),
        firewall=firewall(wish) if listens or wish.kind == "6in4" else ("accept", ""),
    )


def routers_heard(all_links: t.Sequence[Link]) -> t.List[str]:
    """Return the interfaces whose IPv6 comes from router advertisements that the kernel listens to.

    One without such a route at this moment counts as well: its router may only be slow.
    """
    found = {
        str(link["ifname"])
        for link in all_links
        if "UP" in link.get("flags", [])
        and link.get("linkinfo", {}).get("info_kind", "") not in MODULES.values()
        and link["ifname"] != "lo"
        and (_own(link, "inet") or _own(link, "inet6"))
        and sysctl(f"net.ipv6.conf.{link['ifname']}.forwarding") != "1"
    }
    for line in commands.run(["ip", "-o", "-6", "route", "show"]).out.splitlines():
        device = re.search(r"\bdev (\S+)", line)
        if device and re.search(r"\bproto ra\b", line):
            found.add(device.group(1))
    return sorted(name for name in found if sysctl(f"net.ipv6.conf.{name}.accept_ra") in ("1", "2"))


def other_routes(name: str) -> t.Tuple[t.Tuple[str, str], ...]:
    """Return the IPv6 routes of the other interfaces, each with its interface."""
    done = commands.run(["ip", "-j", "-6", "route", "show"])
    entries = json.loads(done.out or "[]") if done.rc == 0 else []
    found = []
    for entry in entries:
        hops = [hop for hop in (entry, *entry.get("nexthops", [])) if hop.get("dev")]
        found += [(prefix, str(hop["dev"])) for prefix in _prefixes([entry]) for hop in hops if hop["dev"] != name]
    return tuple(found)


def forwarding_each() -> t.Dict[str, str]:
    """Return the forwarding of every interface, and of new ones."""
    head, tail = sysctl_path("net.ipv6.conf.*.forwarding").split("*")
    names = sorted(path[len(head) : -len(tail)] for path in glob.glob(f"{glob.escape(head)}*{tail}"))
    keys = [f"net.ipv6.conf.{name}.forwarding" for name in names if name != "all"]
    return {key: sysctl(key) for key in keys}


def boot_setting(key: str) -> t.Optional[interface_sysctl.Setting]:
    """Return the line of a sysctl file that sets a key at boot, beside those of the tunnels."""
    found = [
        setting
        for setting in interface_sysctl.boot_settings()
        if setting.key == sysctl_name(key) and setting.value != "-" and "-ipv6-rollout-tunnel-" not in setting.path
    ]
    return found[-1] if found else None


def writable(key: str) -> bool:
    """Tell whether a sysctl can be set: in a container /proc/sys may be read-only."""
    return os.access(sysctl_path(key), os.W_OK)


def sysctl_name(key: str) -> str:
    """Return a sysctl with slashes, as sysctl.d(5) wants it where the name of an interface may have a dot."""
    matched = re.fullmatch(r"(net\.ipv6\.conf)\.(.+)\.([a-z_0-9]+)", key)
    parts = [*matched.group(1).split("."), matched.group(2), matched.group(3)] if matched else key.split(".")
    return "/".join(parts)


def sysctl_path(key: str) -> str:
    """Return the file of a sysctl."""
    return f"/proc/sys/{sysctl_name(key)}"


def sysctl(key: str) -> str:
    """Return the value of a sysctl, empty where there is none."""
    return host.text(sysctl_path(key)).strip()


def unit_state(unit: str) -> t.Tuple[bool, bool]:
    """Return whether a unit starts at boot, and whether it runs. A link tells the first, even without the package."""
    linked = bool(glob.glob(f"/etc/systemd/system/*.wants/{unit}"))
    return linked, commands.run(["systemctl", "is-active", "--quiet", unit]).rc == 0


def routes_of(name: str) -> t.List[str]:
    """Return the prefixes that are routed into an interface."""
    done = commands.run(["ip", "-j", "-6", "route", "show", "dev", name])
    return _prefixes(json.loads(done.out or "[]") if done.rc == 0 else [])


def _prefixes(entries: t.Iterable[t.Mapping[str, t.Any]]) -> t.List[str]:
    found = ["::/0" if entry.get("dst") == "default" else str(entry.get("dst", "")) for entry in entries]
    return [prefix if "/" in prefix else f"{prefix}/128" for prefix in found if prefix]


def addresses_of(name: str, all_links: t.Sequence[Link]) -> t.List[str]:
    """Return the global IPv6 addresses of an interface."""
    return [address for link in all_links if link["ifname"] == name for address in _own(link, "inet6")]
