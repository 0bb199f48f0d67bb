# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same for the next boot: which back end configures an interface, and the files that it needs.

Each back end is a module of its own (``interface_ifupdown``, ``_networkd``, ``_netplan``, ``_networkmanager``); here
one is chosen. The order of the calls is: :func:`backend`, :func:`wanted_files`, then the files are written with
:func:`mode`, then :func:`settle`. To take it back: :func:`given_back`, :func:`remove_folder`, :func:`settle`.
"""

from __future__ import annotations

import glob
import os
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, files
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_ifupdown as ifupdown
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_netplan as netplan
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkd as networkd
from ansible_collections.ipv6.rollout.plugins.module_utils import interface_networkmanager as networkmanager
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Wanted
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_backend import Files, makes_addresses

# The one of the module interface.
LEDGER = "interface"
INTERFACES = ifupdown.INTERFACES
# These read router advertisements themselves and keep the kernel from doing it.
READERS = ("networkd", "netplan", "networkmanager")
# What to type for each back end, and how it is called.
NAMES = {
    "ifupdown": "ifupdown",
    "networkd": "systemd-networkd",
    "netplan": "netplan",
    "networkmanager": "NetworkManager",
}


def _active(*units: str) -> t.Set[str]:
    said = commands.run(["systemctl", "is-active", *units]).out.split()
    return {unit for unit, word in zip(units, said) if word in ("active", "activating", "reloading")}


def enabled(unit: str) -> bool:
    """Tell whether a unit starts at boot."""
    return commands.run(["systemctl", "is-enabled", "--quiet", unit]).rc == 0


def evidence(index: int, name: str) -> t.Dict[str, str]:
    """Return the back ends that configure an interface, each with what was seen of it."""
    running = _active("systemd-networkd.service", "NetworkManager.service")
    found: t.Dict[str, str] = {}
    used = networkd.used_file(index) if "systemd-networkd.service" in running else ""
    if netplan.NETWORKD_FILE.fullmatch(used):
        found["netplan"] = used
    elif used:
        found["networkd"] = used
    path = networkmanager.profile_path(name) if "NetworkManager.service" in running else ""
    if netplan.PROFILE.fullmatch(path):
        found["netplan"] = path
    elif path:
        found["networkmanager"] = path
    stanza = ifupdown.knows(name) if commands.found("ifup") else ""
    if stanza and enabled("networking.service"):
        found["ifupdown"] = stanza
    return found


def backend(index: int, name: str) -> str:
    """Find the program that configures an interface at boot; refuse where several do, or none."""
    found = evidence(index, name)
    if len(found) > 1:
        seen = ", ".join(f"{NAMES[kind]} ({path})" for kind, path in sorted(found.items()))
        raise RolloutError(
            f"backend: {name} is configured by more than one program: {seen}; take it out of all but one of them, or "
            f"name the right one with backend ({', '.join(sorted(found))})"
        )
    for kind in found:
        return kind
    # Nobody has it yet: the one that starts at boot takes it, with a file of our own.
    if commands.found("ifup") and files.read(INTERFACES) is not None and enabled("networking.service"):
        return "ifupdown"
    if enabled("systemd-networkd.service"):
        return "networkd"
    raise RolloutError(
        f"backend: nothing was found that configures {name} at boot: no stanza in {INTERFACES} that 'networking' "
        "brings up, no .network file in use by systemd-networkd, none of netplan, no active profile of NetworkManager; "
        "name the back end"
    )


def reads_advertisements(kind: str) -> bool:
    """Tell whether a back end reads router advertisements itself, so that accept_ra of the kernel is its own affair."""
    return kind in READERS


def wanted_files(wish: Wanted, kind: str, index: int) -> t.Tuple[Files, t.List[str]]:
    """Return the files that the back end needs, with their whole content, and remarks.

    What can be checked before a file is live is checked here (``netplan generate`` in a copy).
    """
    if kind == "ifupdown":
        wrote, remarks = ifupdown.wanted_files(wish)
        return wrote, remarks + edited(wrote)
    if kind == "netplan":
        wrote, remarks = netplan.wanted_files(wish, index)
    elif kind == "networkmanager":
        wrote, remarks = networkmanager.wanted_files(wish)
    else:
        wrote, remarks = networkd.wanted_files(wish, index), networkd.remarks(wish, index)
    if kind != "networkd" and wish.accepts_ra and not makes_addresses(wish):
        remarks.append(
            f"{wish.name}: {NAMES[kind]} can't accept router advertisements without making an address out of them, so "
            "there will be one from the next boot on"
        )
    if not wish.accepts_ra and commands.run(["ip", "-6", "route", "show", "dev", wish.name, "proto", "ra"]).out.strip():
        remarks.append(
            f"{wish.name}: {NAMES[kind]} goes on with the router advertisements that it has read so far until the next "
            "boot; telling it before would interrupt IPv4 or IPv6"
        )
    return wrote, remarks + edited(wrote)


def edited(wrote: Files) -> t.List[str]:
    """Return a remark for each file of our own that somebody has edited, since it is written anew."""
    changed = [
        path
        for path, content in wrote.items()
        if os.path.basename(path).startswith("60-ipv6-rollout") and files.read(path) not in (None, content)
    ]
    ledger = files.Ledger(LEDGER) if changed else None
    return [
        f"{path} is not as this collection wrote it last, and is written anew: what others put there is gone; "
        "keep it in a file of another name"
        for path in changed
        if ledger is not None and not ledger.untouched(path)
    ]


def mode(path: str) -> int:
    """Return the permissions that a new file of ours gets; NetworkManager and netplan want theirs unread by others."""
    if path.startswith(networkmanager.DISPATCHER + "/"):
        return 0o755
    if path.startswith((networkmanager.CONNECTIONS + "/", netplan.NETPLAN + "/")):
        return 0o600
    return 0o644


def settle(name: str, paths: t.Collection[str], removed: t.Sequence[str] = ()) -> None:
    """Tell the back ends of changed files (written, given back or removed), without applying anything.

    To be called once the files are there and the addresses live; ``removed`` are addresses that were taken away.
    Raises where a back end can't read its file, so that the caller can put the old one back.
    """
    ifupdown.settle(paths)
    netplan.settle(name, paths)
    networkmanager.settle(paths)
    if removed:
        networkmanager.drop_prefix_routes(name, removed)


def remembered(name: str, paths: t.Collection[str], removed: t.Collection[str]) -> t.List[str]:
    """Return a remark where the back end may still know addresses that are taken away."""
    mine = any(path.startswith(networkd.NETWORKD + "/") for path in paths)
    theirs = any(path.startswith(netplan.NETPLAN + "/") for path in paths)
    if not removed or not (mine or (theirs and glob.glob("/run/systemd/network/10-netplan-*.network"))):
        return []
    return [
        f"{name}: systemd-networkd may have {', '.join(removed)} in memory, and sets it again if the link loses its "
        "carrier before the next boot; 'networkctl reload' makes it forget, and interrupts IPv4 for a moment"
    ]


def given_back(path: str, content: bytes, saved: t.Optional[bytes], untouched: bool) -> t.Optional[bytes]:
    """Return what a file that others edited becomes when our part is taken out of it.

    ``untouched``: nobody has edited it since we wrote it last. None: what was saved takes its place (or nothing).
    """
    if path == INTERFACES and not untouched:
        return ifupdown.without_source(content)
    if path.startswith(networkmanager.CONNECTIONS + "/") and saved is not None:
        return networkmanager.given_back(path, content, saved)
    return None


def remove_folder(path: str) -> None:
    """Remove the folder of a file of ours where it is empty now; nothing else."""
    networkd.remove_folder(path)
    ifupdown.remove_folder(path)
