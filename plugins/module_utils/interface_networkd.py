# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd-networkd: a drop-in to the .network file that it uses, or a file of our own.

networkd is never told to reload. The addresses are live by ``ip``, and a reload would remove what others put on the
interface (systemd 252 takes the IPv4 address away for a moment, 257 still every foreign address and route). It finds
our file at the next boot, or when somebody reloads it, and arrives at the same addresses and routes. Until then it
has in memory what was there when it started, and sets that again where a link has lost its carrier.
"""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import DEFAULT_METRIC, Wanted
from ansible_collections.ipv6.rollout.plugins.module_utils.interface_backend import (
    HEADER,
    Files,
    all_routes,
    is_default,
    makes_addresses,
    own_name,
    private,
    refuse_other_router,
    text,
)

NETWORKD = "/etc/systemd/network"
# Where drop-ins are; of two with one name the one in the earlier folder counts.
FOLDERS = (NETWORKD, "/run/systemd/network", "/usr/local/lib/systemd/network", "/usr/lib/systemd/network")
DROP_IN = "60-ipv6-rollout.conf"
LINKS = "/run/systemd/netif/links"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def file_text(wish: Wanted, whole: bool) -> str:
    """Return our file: a drop-in, or a whole file where nothing matches the interface.

    Our own file keeps all that others configured there (IPv4 above all): networkd would remove it otherwise.
    """
    lines = (
        ["[Match]", f"Name={wish.name}", "", "[Network]", "KeepConfiguration=yes", "DHCP=no"]
        if whole
        else ["[Network]"]
    )
    lines.append(f"IPv6AcceptRA={_yes(wish.accepts_ra)}")
    lines.append(f"IPv6PrivacyExtensions={_yes(private(wish))}")
    if wish.accepts_ra and not makes_addresses(wish):
        lines += ["", "[IPv6AcceptRA]", "UseAutonomousPrefix=no"]
    for address in wish.addresses:
        lines += ["", "[Address]", f"Address={address.text}"]
        lines += ["PreferredLifetime=0"] if address.deprecated else []
    for route in all_routes(wish):
        lines += ["", "[Route]", f"Destination={route.to}", f"Gateway={route.via}", "GatewayOnLink=yes"]
        lines.append(f"Metric={route.metric}")
    return HEADER + "".join(line + "\n" for line in lines)


def used_file(index: int) -> str:
    """Return the .network file that networkd says it uses for an interface, or nothing."""
    found = re.search(r"^NETWORK_FILE=(.+)$", text(f"{LINKS}/{index}"), re.MULTILINE)
    return found.group(1) if found else ""


def alone(index: int, used: str) -> None:
    """Refuse a .network file that several interfaces share: each of them would get the addresses."""
    for path in glob.glob(f"{LINKS}/*"):
        other = os.path.basename(path)
        if other.isdigit() and int(other) != index and used_file(int(other)) == used:
            raise RolloutError(
                f"backend: {used} configures more than one interface, so all of them would get the addresses; give "
                "this one a configuration of its own, whose match names no other"
            )


def sections(content: str) -> t.List[t.Tuple[str, t.List[t.Tuple[str, str]]]]:
    """Return the sections of a .network file with their lines, as systemd reads them: indented or not."""
    found: t.List[t.Tuple[str, t.List[t.Tuple[str, str]]]] = []
    for line in re.sub(r"\\\n", " ", content).splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            found.append((line[1:-1], []))
        elif found and not line.startswith(("#", ";")):
            key, equals, value = line.partition("=")
            found[-1][1].extend([(key.strip(), value.strip())] if equals else [])
    return found


def _metric(value: str) -> int:
    """Return a metric as systemd reads it: decimal, 0x400 or 02000; what it can't read it leaves at the default."""
    for base in (0, 8):
        try:
            return int(value, base)
        except ValueError:
            continue
    return DEFAULT_METRIC


def routers(content: str) -> t.List[str]:
    """Return the routers of a .network file's default routes, as far as they have the kernel's metric and table."""
    found: t.List[str] = []
    for name, lines in sections(content):
        values = dict(lines)
        elsewhere = values.get("Table", "") not in ("", "main", "254") or not is_default(values.get("Source", ""))
        if name == "Network":
            found += [value for key, value in lines if key == "Gateway" and value]
        elif name == "Route" and is_default(values.get("Destination", "")) and not elsewhere:
            found += [values.get("Gateway", "")] if _metric(values.get("Metric", "")) == DEFAULT_METRIC else []
    return found


def drop_ins(used: str) -> t.List[str]:
    """Return the drop-ins of a .network file in the order in which networkd reads them, without ours."""
    found: t.Dict[str, str] = {}
    for folder in FOLDERS:
        for path in glob.glob(f"{glob.escape(f'{folder}/{os.path.basename(used)}.d')}/*.conf"):
            found.setdefault(os.path.basename(path), path)
    return [found[name] for name in sorted(found) if name != DROP_IN]


def _later(index: int, own: str) -> t.List[str]:
    """Return the drop-ins that networkd reads after ours, so that they have the last word."""
    used = used_file(index)
    found = drop_ins(used) if used and used != own else []
    return [path for path in found if os.path.basename(path) > DROP_IN]


def _own_file(wish: Wanted) -> str:
    return f"{NETWORKD}/60-ipv6-rollout-{own_name(wish.name)}.network"


def _refuse_emptied(path: str, wish: Wanted) -> None:
    """Refuse a drop-in that is read after ours and empties the list of addresses, or of routes."""
    emptied = {key for name, lines in sections(text(path)) if name == "Network" for key, value in lines if not value}
    for key, ours in (("Address", wish.addresses), ("Gateway", all_routes(wish))):
        if key in emptied and ours:
            raise RolloutError(
                f"backend: {path} is read after our {DROP_IN}, and its empty '{key}=' takes away what that one says; "
                f"take the line out there, or give the file a name before {DROP_IN}"
            )


def remarks(wish: Wanted, index: int) -> t.List[str]:
    """Return where a drop-in that is read after ours contradicts what is wanted."""
    found = []
    for path in _later(index, _own_file(wish)):
        for key, value in [pair for name, lines in sections(text(path)) if name == "Network" for pair in lines]:
            if key == "IPv6AcceptRA" and value and _truth(value) is not wish.accepts_ra:
                found.append(
                    f"{path}: IPv6AcceptRA={value} is read after our {DROP_IN}, so from the next boot on it decides; "
                    "take it out there, or change accept_ra"
                )
    return found


def _truth(value: str) -> bool:
    return value.lower() in ("1", "yes", "y", "true", "t", "on")


def wanted_files(wish: Wanted, index: int) -> Files:
    """Return the file that systemd-networkd needs."""
    used = used_file(index)
    own = _own_file(wish)
    if used and used != own:
        alone(index, used)
        for path in [used, *drop_ins(used)]:
            refuse_other_router(path, routers(text(path)), wish)
        for path in _later(index, own):
            _refuse_emptied(path, wish)
        return {f"{NETWORKD}/{os.path.basename(used)}.d/{DROP_IN}": file_text(wish, False).encode()}
    return {own: file_text(wish, True).encode()}


def remove_folder(path: str) -> None:
    """Remove the drop-in folder of a file of ours where it is empty now; nothing else."""
    folder = os.path.dirname(path)
    if folder.startswith(NETWORKD + "/") and folder.endswith(".network.d"):
        try:
            os.rmdir(folder)
        except OSError:
            pass  # others keep drop-ins there
