# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's own configuration would give its interfaces at the next boot: addresses and default gateways.

Nothing is run but ``netplan get``, on a host that has netplan; the files of the other back ends are read here. What
can't be told for certain is named as a problem, so that nobody takes the rest for all there is.
"""

from __future__ import annotations

import fnmatch
import glob
import ipaddress
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import audit_text, commands
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_ifupdown as ifupdown
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_netplan as netplan
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkd as networkd
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data

NONE: Data = {"backend": "", "addresses": [], "gateways": [], "dynamic": [], "problem": "", "files": []}
SECONDS = 20.0
PROFILES = (
    "/etc/NetworkManager/system-connections",
    "/run/NetworkManager/system-connections",
    "/usr/lib/NetworkManager/system-connections",
)
FILES = 200
LONGEST = 4000  # of a command in a stanza
YES = ("1", "yes", "y", "true", "t", "on")
_ADD = re.compile(r"\bip\s+(?:-6\s+|-4\s+)?a(?:ddr(?:ess)?)?\s+(?:add|replace)\s+(\S+)(?:.*?\sdev\s+(\S+))?")
_ROUTE = re.compile(
    r"\bip\s+(?:-6\s+|-4\s+)?r(?:oute)?\s+(?:add|replace|append)\s+(?:default|::/0|0\.0\.0\.0/0)\b.*?\svia\s+(\S+)"
)


class Disk:
    """What was found in the files, in the order in which it was found."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.addresses: t.List[Data] = []
        self.gateways: t.List[Data] = []
        self.dynamic: t.List[Data] = []
        self.problems: t.List[str] = []
        self.files: t.Dict[str, None] = {}

    def address(self, interface: str, text: str, length: str = "") -> None:
        """Take an address with its prefix length, in whatever way it is written."""
        try:
            found = ipaddress.ip_interface(f"{text.strip()}/{length}" if length and "/" not in text else text.strip())
        except ValueError:
            self.problems.append(f"{interface}: {text!r} is no address that can be read here")
            return
        entry = {"interface": interface, "address": str(found.ip), "length": found.network.prefixlen}
        if entry not in self.addresses:
            self.addresses.append(entry)

    def gateway(self, interface: str, text: str) -> None:
        """Take a default gateway; words such as ``_ipv6ra`` are none."""
        try:
            entry = {"interface": interface, "address": str(ipaddress.ip_address(text.strip()))}
        except ValueError:
            return
        if entry not in self.gateways:
            self.gateways.append(entry)

    def asks(self, interface: str, family: str) -> None:
        """Take an interface that gets more from DHCP or router advertisements."""
        entry = {"interface": interface, "family": family}
        if entry not in self.dynamic:
            self.dynamic.append(entry)

    def result(self) -> Data:
        """Return all of it."""
        return {
            "backend": self.backend,
            "addresses": self.addresses,
            "gateways": self.gateways,
            "dynamic": self.dynamic,
            "problem": audit_text.plain("; ".join(dict.fromkeys(self.problems)), 1000),
            "files": [audit_text.plain(path) for path in self.files],
        }


def look(backend: str, interfaces: t.Sequence[Data]) -> Data:
    """Return what a back end would set for the interfaces that are there."""
    disk = Disk(backend)
    macs = {link["name"]: str(link.get("mac") or "").lower() for link in interfaces if link["name"] != "lo"}
    if backend == "netplan":
        _netplan(disk, macs)
    elif backend == "networkmanager":
        _networkmanager(disk, macs)
    elif backend == "networkd":
        _networkd(disk, macs)
    if backend == "ifupdown" or (backend and _starts("networking.service")):
        # Debian's own stays beside the others where nobody took it out.
        _ifupdown(disk, macs)
    if not backend:
        disk.problems.append("nothing was found that configures the network at boot")
    return disk.result()


def _starts(unit: str) -> bool:
    return bool(glob.glob(f"/etc/systemd/system/*.wants/{unit}"))


def _names(word: str, macs: t.Mapping[str, str]) -> t.List[str]:
    """Return the interfaces that a word of an ``auto`` line means: a name, or a pattern after a slash."""
    if not word.startswith("/"):
        return [word]
    pattern = word[1:].partition("/")[0]
    return [name for name in macs if fnmatch.fnmatchcase(name, pattern)]


def _ifupdown(disk: Disk, macs: t.Mapping[str, str]) -> None:
    lines = list(ifupdown.reading(ifupdown.INTERFACES)) if os.path.isfile(ifupdown.INTERFACES) else []
    disk.files.update(dict.fromkeys(path for path, _line in lines))
    words, stanzas = ifupdown.stanzas("\n".join(line for _path, line in lines))
    boot = {name for word in words for name in _names(word, macs)}
    for stanza in stanzas:
        name = stanza.name.partition(":")[0]
        if not {stanza.name, name} & boot or stanza.method == "loopback":
            continue
        family = "ipv6" if stanza.family == "inet6" else "ipv4"
        options = list(stanza.options)
        length = dict(options).get("netmask", "")
        if stanza.method in ("auto", "dhcp", "ppp", "wvdial", "bootp"):
            disk.asks(name, family)
        for key, value in options:
            if key == "address":
                disk.address(name, value, length)
            elif key == "gateway":
                disk.gateway(name, value)
            elif key in ("accept_ra", "autoconf") and value != "0" and stanza.method != "manual":
                disk.asks(name, "ipv6")
            elif key in ("up", "post-up", "pre-up"):
                _command(disk, name, value.replace("$IFACE", name).replace("${IFACE}", name))


def _command(disk: Disk, name: str, command: str) -> None:
    command = command[:LONGEST]
    for added in _ADD.finditer(command):
        disk.address(added.group(2) or name, added.group(1))
    for routed in _ROUTE.finditer(command):
        disk.gateway(name, routed.group(1))


def _fits(match: t.Mapping[str, str], name: str, mac: str) -> t.Optional[bool]:
    """Tell whether the [Match] section of a .network file means an interface; None where that is not known here."""
    unknown = set(match) - {"Name", "MACAddress"}
    fits = True
    if "Name" in match:
        words = match["Name"].split()
        inverted = bool(words) and words[0].startswith("!")
        words = [word.lstrip("!") for word in words]
        fits = any(fnmatch.fnmatchcase(name, word) for word in words) is not inverted
    if "MACAddress" in match:
        fits = fits and mac in match["MACAddress"].lower().replace("-", ":").split()
    if not fits:
        return False
    return None if unknown or not match else True


def _match(path: str) -> t.Dict[str, str]:
    """Return what a .network file matches; lines with one key are one list, which an empty line takes back."""
    found: t.Dict[str, str] = {}
    for head, pairs in networkd.sections(audit_text.text(path)):
        for key, value in pairs if head == "Match" else ():
            found[key] = f"{found.get(key, '')} {value}".strip() if value else ""
    return {key: value for key, value in found.items() if value}


def _network_files() -> t.List[str]:
    found: t.Dict[str, str] = {}
    for folder in networkd.FOLDERS:
        for path in audit_text.paths(f"{folder}/*.network", FILES):
            found.setdefault(os.path.basename(path), path)
    return [found[name] for name in sorted(found)]


def _used(name: str) -> str:
    index = audit_text.value(f"/sys/class/net/{name}/ifindex")
    return networkd.used_file(int(index)) if index.isdigit() else ""


def _networkd(disk: Disk, macs: t.Mapping[str, str]) -> None:
    known = [(path, _match(path)) for path in _network_files()]
    for name, mac in macs.items():
        for path, match in known:
            fits = _fits(match, name, mac)
            if fits is None:
                # It goes by more than names, and only networkd knows how that ends: by what it uses now.
                fits = _used(name) == path
            if fits:
                _network(disk, name, path)
                break


def _network(disk: Disk, name: str, path: str) -> None:
    own = f"{networkd.NETWORKD}/{os.path.basename(path)}.d/{networkd.DROP_IN}"
    paths = [path, *sorted([*networkd.drop_ins(path), *([own] if os.path.isfile(own) else [])], key=os.path.basename)]
    disk.files.update(dict.fromkeys(paths))
    single: t.Dict[str, t.List[str]] = {"Address": [], "Gateway": []}
    last: t.Dict[str, str] = {}
    for each in paths:
        for head, pairs in networkd.sections(audit_text.text(each)):
            values = dict(pairs)
            if head == "Address" and "Address" in values:
                disk.address(name, values["Address"])
            elif head == "Route" and _is_default(values) and "Gateway" in values:
                disk.gateway(name, values["Gateway"])
            for key, value in pairs if head == "Network" else ():
                if key in single:
                    single[key] = [*single[key], value] if value else []
                last[key] = value
    for value in single["Address"]:
        disk.address(name, value)
    for value in single["Gateway"]:
        disk.gateway(name, value)
    dhcp = last.get("DHCP", "no").lower()
    if dhcp in (*YES, "ipv4"):
        disk.asks(name, "ipv4")
    if dhcp in (*YES, "ipv6") or last.get("IPv6AcceptRA", "yes").lower() in YES:
        disk.asks(name, "ipv6")


def _is_default(values: t.Mapping[str, str]) -> bool:
    to = values.get("Destination", "")
    return to in ("", "default") or to.endswith("/0")


def _netplan(disk: Disk, macs: t.Mapping[str, str]) -> None:
    disk.files.update(
        dict.fromkeys(path for folder in netplan.FOLDERS for path in audit_text.paths(f"{folder}/*.yaml", FILES))
    )
    done = commands.run(["netplan", "get"], timeout=SECONDS)
    if done.rc != 0:
        disk.problems.append(f"netplan get: {done.said}")
        return
    there = netplan.definitions(done.out)
    for name, mac in macs.items():
        for mine in netplan.matching(there, name, mac):
            _definition(disk, name, mine)


def _definition(disk: Disk, name: str, mine: netplan.Definition) -> None:
    inside = ""
    for line in mine.lines:
        if not line.startswith((" ", "- ")):
            inside = line.partition(":")[0]
        elif inside == "addresses" and line.startswith("- "):
            disk.address(name, line[2:].strip().rstrip(":").strip("'\""))
    for gateway in [*netplan.routers(mine), mine.setting("gateway4")]:
        disk.gateway(name, gateway)
    for family, key in (("ipv4", "dhcp4"), ("ipv6", "dhcp6"), ("ipv6", "accept-ra")):
        if mine.setting(key) == "true" or (key == "accept-ra" and not mine.setting(key)):
            disk.asks(name, family)


def _networkmanager(disk: Disk, macs: t.Mapping[str, str]) -> None:
    profiles = []
    for folder in PROFILES:
        for path in audit_text.paths(f"{folder}/*.nmconnection", FILES):
            found: t.Dict[str, t.Dict[str, str]] = {}
            for head, pairs in networkd.sections(audit_text.text(path)):
                found.setdefault(head, {}).update(pairs)
            if found.get("connection", {}).get("autoconnect", "true").lower() not in ("false", "no", "0"):
                profiles.append((path, found))
    for name, mac in macs.items():
        mine = [each for each in profiles if _profile_fits(each[1], name, mac)]
        best = max((_priority(found) for _path, found in mine), default=0)
        mine = [each for each in mine if _priority(each[1]) == best]
        if len(mine) > 1:
            disk.problems.append(f"{name}: {len(mine)} profiles may come up, and it is chance which one does")
        for path, found in mine[:1]:
            disk.files[path] = None
            _profile(disk, name, found)


def _priority(found: t.Mapping[str, t.Mapping[str, str]]) -> int:
    text = found.get("connection", {}).get("autoconnect-priority", "0")
    return int(text) if re.fullmatch(r"-?\d{1,6}", text) else 0


def _profile_fits(found: t.Mapping[str, t.Mapping[str, str]], name: str, mac: str) -> bool:
    connection = found.get("connection", {})
    wanted = connection.get("interface-name", "")
    address = next(
        (found[head]["mac-address"] for head in ("ethernet", "802-3-ethernet") if "mac-address" in found.get(head, {})),
        "",
    )
    if connection.get("type", "") in ("wifi", "802-11-wireless", "gsm", "vpn", "loopback"):
        return False
    return (not wanted or wanted == name) and (not address or address.lower() == mac)


def _profile(disk: Disk, name: str, found: t.Mapping[str, t.Mapping[str, str]]) -> None:
    for head in ("ipv4", "ipv6"):
        section = found.get(head, {})
        method = section.get("method", "auto")
        if method in ("disabled", "ignore", "shared"):
            continue
        if method in ("auto", "dhcp"):
            disk.asks(name, head)
        for key, value in section.items():
            words = [word.strip() for word in value.rstrip(";").split(",")]
            if re.fullmatch(r"address(?:es)?\d*", key):
                disk.address(name, words[0])
                if len(words) > 1:
                    disk.gateway(name, words[1])
            elif key == "gateway":
                disk.gateway(name, value)
            elif re.fullmatch(r"routes?\d*", key) and words[0].endswith("/0") and len(words) > 1:
                disk.gateway(name, words[1])
