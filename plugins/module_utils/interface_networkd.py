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


def routers(content: str) -> t.List[str]:
    """Return the routers of a .network file's default routes, as far as they have the kernel's metric."""
    found: t.List[str] = []
    metric = str(DEFAULT_METRIC)
    for part in re.split(r"^(?=\[)", content, flags=re.MULTILINE):
        lines = [line.partition("=") for line in part.splitlines() if not line.startswith(("#", ";"))]
        values = {key.strip(): value.strip() for key, _equals, value in lines}
        if part.startswith("[Network]"):
            found += [value.strip() for key, _equals, value in lines if key.strip() == "Gateway"]
        elif part.startswith("[Route]") and is_default(values.get("Destination", "")):
            found += [values.get("Gateway", "")] if values.get("Metric", metric) == metric else []
    return found


def wanted_files(wish: Wanted, index: int) -> Files:
    """Return the file that systemd-networkd needs."""
    used = used_file(index)
    own = f"{NETWORKD}/60-ipv6-rollout-{own_name(wish.name)}.network"
    if used and used != own:
        alone(index, used)
        own = f"{NETWORKD}/{os.path.basename(used)}.d/60-ipv6-rollout.conf"
        for path in [used, *sorted(glob.glob(os.path.dirname(own) + "/*.conf"))]:
            if path != own:
                refuse_other_router(path, routers(text(path)), wish)
        return {own: file_text(wish, False).encode()}
    return {own: file_text(wish, True).encode()}


def remove_folder(path: str) -> None:
    """Remove the drop-in folder of a file of ours where it is empty now; nothing else."""
    folder = os.path.dirname(path)
    if folder.startswith(NETWORKD + "/") and folder.endswith(".network.d"):
        try:
            os.rmdir(folder)
        except OSError:
            pass  # others keep drop-ins there
