# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for the next boot: which back end configures an interface, and the text of our file for it."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted

INTERFACES = "/etc/network/interfaces"
INTERFACES_D = "/etc/network/interfaces.d"
NETWORKD = "/etc/systemd/network"
HEADER = "# Written by the ipv6.rollout collection: the module interface replaces and removes it.\n"
SOURCE = f"source {INTERFACES_D}/60-ipv6-rollout-*\n"
# Words that start a stanza of interfaces(5).
STARTERS = (
    "auto",
    "iface",
    "mapping",
    "source",
    "source-directory",
    "template",
    "no-auto-down",
    "no-scripts",
    "rename",
)

Files = t.Dict[str, bytes]


class Stanza(t.NamedTuple):
    """An ``iface`` stanza: interface, family, method, and its options."""

    name: str
    family: str
    method: str
    options: t.Tuple[t.Tuple[str, str], ...]


def _text(path: str) -> str:
    try:
        return (files.read(path) or b"").decode(errors="replace")
    except OSError:
        return ""


def logical_lines(text: str) -> t.List[str]:
    """Return the lines of interfaces(5): joined where they end in a backslash, without comments and empty ones."""
    joined = re.sub(r"\\\n", " ", text)
    lines = [line.strip() for line in joined.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def sourced(text: str, path: str, folder: str = "/etc/network") -> bool:
    """Tell whether an interfaces file reads another file, by ``source`` or ``source-directory``."""
    for line in logical_lines(text):
        word, _space, pattern = line.partition(" ")
        pattern = os.path.join(folder, pattern.strip())
        if word == "source" and fnmatch.fnmatch(path, pattern):
            return True
        if word == "source-directory" and fnmatch.fnmatch(os.path.dirname(path), pattern.rstrip("/")):
            return True
    return False


def stanzas(text: str) -> t.Tuple[t.Set[str], t.List[Stanza]]:
    """Return the interfaces that come up at boot, and all ``iface`` stanzas."""
    boot: t.Set[str] = set()
    found: t.List[Stanza] = []
    inside = False
    for line in logical_lines(text):
        words = line.split()
        starts = words[0] in STARTERS or words[0].startswith("allow-")
        if words[0] == "auto" or words[0] in ("allow-auto", "allow-hotplug"):
            boot.update(words[1:])
        if starts:
            inside = words[0] == "iface" and len(words) >= 4
            if inside:
                found.append(Stanza(words[1], words[2], words[3], ()))
        elif inside and len(words) > 1:
            found[-1] = found[-1]._replace(options=(*found[-1].options, (words[0], " ".join(words[1:]))))
    return boot, found


def own_name(name: str) -> str:
    """Return an interface's name as ``source-directory`` allows it in a file name."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def ifupdown_text(wish: Wanted, boot: t.Collection[str], others: t.Sequence[Stanza]) -> str:
    """Return our file for ifupdown: one ``inet6 static`` stanza an address, which is how it takes several.

    What another file already has is left out, since ifup fails on an address that is there.
    ``dad-attempts`` keeps its default: with fewer ifup gives up before the kernel is done, and skips IPv4 as well.
    """
    taken = {
        value.partition("/")[0].lower()
        for stanza in others
        if stanza.name == wish.name and stanza.family == "inet6"
        for key, value in stanza.options
        if key == "address"
    }
    lines = [] if wish.name in boot else [f"auto {wish.name}"]
    extra = [f"    gateway {wish.gateway}"] if wish.gateway is not None else []
    extra += [
        f"    {option} {wish.sysctls[key]}"
        for option, key in (("accept_ra", "accept_ra"), ("autoconf", "autoconf"), ("privext", "use_tempaddr"))
        if key in wish.sysctls
    ]
    for address in wish.addresses:
        if address.partition("/")[0] not in taken:
            lines += [f"iface {wish.name} inet6 static", f"    address {address}", *extra]
            extra = []
    return HEADER + "".join(line + "\n" for line in lines)


def ifupdown(wish: Wanted) -> t.Tuple[Files, t.List[str]]:
    """Return the files that ifupdown needs, and what was found out on the way."""
    main = files.read(INTERFACES)
    if main is None:
        raise RolloutError(
            f"backend: ifupdown was asked for and {INTERFACES} is missing; create it, or name another one"
        )
    own = os.path.join(INTERFACES_D, f"60-ipv6-rollout-{own_name(wish.name)}")
    content = main.decode(errors="replace")
    wrote: Files = {}
    notes: t.List[str] = []
    if not sourced(content, own):
        newline = b"" if not main or main.endswith(b"\n") else b"\n"
        wrote[INTERFACES] = main + newline + SOURCE.encode()
        notes.append(f"{INTERFACES} read no file of {INTERFACES_D}; the line '{SOURCE.strip()}' makes it read ours")
    others = [path for path in sorted(glob.glob(INTERFACES_D + "/*")) if path != own and sourced(content, path)]
    boot, found = stanzas("\n".join([content, *(_text(path) for path in others)]))
    wrote[own] = ifupdown_text(wish, boot, found).encode()
    return wrote, notes


def networkd_text(wish: Wanted, whole: bool) -> str:
    """Return our file for systemd-networkd: a drop-in, or a whole file where nothing matches the interface.

    Our own file keeps all that others configured there (IPv4 above all): networkd would remove it otherwise.
    """
    lines = (
        ["[Match]", f"Name={wish.name}", "", "[Network]", "KeepConfiguration=yes", "DHCP=no"]
        if whole
        else ["[Network]"]
    )
    lines.append(f"IPv6AcceptRA={'no' if wish.sysctls.get('accept_ra', '1') == '0' else 'yes'}")
    lines.append(f"IPv6PrivacyExtensions={'no' if wish.sysctls.get('use_tempaddr', '0') == '0' else 'yes'}")
    for address in wish.addresses:
        lines += ["", "[Address]", f"Address={address}"]
    if wish.gateway is not None:
        lines += ["", "[Route]", f"Gateway={wish.gateway}", "GatewayOnLink=yes"]
    return HEADER + "".join(line + "\n" for line in lines)


def networkd_file(index: int) -> str:
    """Return the .network file that networkd says it uses for an interface, or nothing."""
    found = re.search(r"^NETWORK_FILE=(.+)$", _text(f"/run/systemd/netif/links/{index}"), re.MULTILINE)
    return found.group(1) if found else ""


def networkd(wish: Wanted, index: int) -> Files:
    """Return the file that systemd-networkd needs."""
    used = networkd_file(index)
    own = os.path.join(NETWORKD, f"60-ipv6-rollout-{own_name(wish.name)}.network")
    if used and used != own:
        return {f"{NETWORKD}/{os.path.basename(used)}.d/60-ipv6-rollout.conf": networkd_text(wish, False).encode()}
    return {own: networkd_text(wish, True).encode()}


def enabled(unit: str) -> bool:
    """Tell whether a unit starts at boot."""
    return commands.run(["systemctl", "is-enabled", "--quiet", unit]).rc == 0


def backend(index: int, name: str) -> str:
    """Find the program that configures an interface at boot."""
    used = networkd_file(index)
    if os.path.basename(used).startswith("10-netplan-"):
        raise RolloutError(
            f"backend: {name} is configured by netplan, which this version does not write; name backend=networkd to "
            f"add a drop-in to {os.path.basename(used)}"
        )
    if used:
        return "networkd"
    if commands.found("ifup") and files.read(INTERFACES) is not None:
        _boot, found = stanzas("\n".join([_text(INTERFACES), *map(_text, glob.glob(INTERFACES_D + "/*"))]))
        known = any(stanza.name == name for stanza in found)
        if enabled("networking.service") and (known or not enabled("systemd-networkd.service")):
            return "ifupdown"
    if (
        commands.found("nmcli")
        and commands.run(["systemctl", "is-active", "--quiet", "NetworkManager.service"]).rc == 0
    ):
        raise RolloutError(
            f"backend: {name} is configured by NetworkManager, which this version does not write; "
            "name ifupdown or networkd if one of them brings it up at boot"
        )
    if enabled("systemd-networkd.service"):
        return "networkd"
    raise RolloutError(
        f"backend: nothing was found that configures {name} at boot (neither ifupdown nor systemd-networkd is in use); "
        "name the back end"
    )


def wanted_files(wish: Wanted, kind: str, index: int) -> t.Tuple[Files, t.List[str]]:
    """Return the files that the back end needs, with their whole content, and remarks."""
    if kind == "ifupdown":
        return ifupdown(wish)
    return networkd(wish, index), []


def without_source(content: bytes) -> bytes:
    """Return an interfaces file without our line: for one that was edited since we added it."""
    return content.replace(SOURCE.encode(), b"")


def remove_folder(path: str) -> None:
    """Remove the drop-in folder of a file of ours where it is empty now; nothing else."""
    folder = os.path.dirname(path)
    if folder.startswith(NETWORKD + "/") and folder.endswith(".network.d"):
        try:
            os.rmdir(folder)
        except OSError:
            pass  # others keep drop-ins there
