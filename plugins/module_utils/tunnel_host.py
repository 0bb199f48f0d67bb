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

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, host, interface_files, reach
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel_check import MODULES, Host

TUN = "/dev/net/tun"
INTERFACES = "/etc/network/interfaces"

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


def unread(kind: str, where: str, name: str) -> str:
    """Return why the back end would not read our file: ifupdown reads only what its main file names."""
    own = f"/etc/network/interfaces.d/60-ipv6-rollout-{name}"
    if kind != "6in4" or where != "ifupdown":
        return ""
    for line in host.text(INTERFACES).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] in ("source", "source-directory"):
            pattern = os.path.join("/etc/network", words[1])
            matched = fnmatch.fnmatch(own if words[0] == "source" else os.path.dirname(own), pattern.rstrip("/"))
            if matched:
                return ""
    return f"backend: {INTERFACES} does not read {own}; add the line 'source /etc/network/interfaces.d/*' to it"


def firewall(wish: Wish) -> t.Tuple[str, str]:
    """Return what this host's rules do with the outer packets that come in, and what decides it."""
    ipv6 = wish.proto == "udp6"
    program = "ip6tables-save" if ipv6 else "iptables-save"
    if not commands.found(program):
        return "unknown", f"{program} is not installed"
    done = commands.run([program])
    if done.rc != 0:
        return "unknown", f"{program}: {done.said}"
    source = wish.remote if wish.kind == "6in4" else "2000::/3" if ipv6 else "0.0.0.0/0"
    packet = reach.Packet("41", destination=wish.local)
    if wish.kind != "6in4":
        packet = reach.Packet("udp", wish.port, destination=wish.local if (":" in wish.local) == ipv6 else "")
    try:
        verdict = reach.verdict(done.out, "ipv6" if ipv6 else "ipv4", packet, source)
    except RolloutError as error:
        return "unknown", str(error)
    return verdict.result, verdict.decided_by


def look(wish: Wish, where: str, all_links: t.Sequence[Link]) -> Host:
    """Return what the check decides on."""
    listens = bool(wish.port) and wish.role != "client"
    named = [path for path in (wish.ca, wish.certificate, wish.key_file) if path.startswith("/")]
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
        missing=frozenset(path for path in named if not os.path.isfile(path)),
        firewall=firewall(wish) if listens or wish.kind == "6in4" else ("accept", ""),
    )


def routers_heard() -> t.List[str]:
    """Return the interfaces whose IPv6 comes from router advertisements that the kernel listens to."""
    found = set()
    for line in commands.run(["ip", "-o", "-6", "route", "show"]).out.splitlines():
        device = re.search(r"\bdev (\S+)", line)
        if device and re.search(r"\bproto ra\b", line):
            found.add(device.group(1))
    return sorted(name for name in found if sysctl(f"net.ipv6.conf.{name}.accept_ra") in ("1", "2"))


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
    entries = json.loads(done.out or "[]") if done.rc == 0 else []
    found = ["::/0" if entry.get("dst") == "default" else str(entry.get("dst", "")) for entry in entries]
    return [prefix if "/" in prefix else f"{prefix}/128" for prefix in found if prefix]


def addresses_of(name: str, all_links: t.Sequence[Link]) -> t.List[str]:
    """Return the global IPv6 addresses of an interface."""
    return [address for link in all_links if link["ifname"] == name for address in _own(link, "inet6")]
