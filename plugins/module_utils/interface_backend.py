# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the back ends of an interface have in common."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import DEFAULT_METRIC, Wanted, WantedRoute

HEADER = "# Written by the ipv6.rollout collection: the module interface replaces and removes it.\n"

Files = t.Dict[str, bytes]


def text(path: str) -> str:
    """Return the text of a file, or nothing where it can't be read."""
    try:
        return (files.read(path) or b"").decode(errors="replace")
    except OSError:
        return ""


def own_name(name: str) -> str:
    """Return an interface's name as every back end allows it in a file name: v.5 and v_5 have files of their own."""
    allowed = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return allowed if allowed == name else f"{allowed}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def all_routes(wish: Wanted) -> t.List[WantedRoute]:
    """Return the default route and the further ones as prefixes, each with the metric that the kernel gives it."""
    return [
        route._replace(to="::/0" if route.to == "default" else route.to, metric=route.metric or DEFAULT_METRIC)
        for route in wish.all_routes
    ]


def makes_addresses(wish: Wanted) -> bool:
    """Tell whether the host makes addresses of its own out of router advertisements."""
    return wish.sysctls.get("autoconf", "1") != "0"


def private(wish: Wanted) -> bool:
    """Tell whether temporary addresses are used."""
    return wish.sysctls.get("use_tempaddr", "0") != "0"


def is_default(to: str) -> bool:
    """Tell whether the destination of a route in somebody's configuration means the IPv6 default route."""
    try:
        return to in ("default", "") or ipaddress.IPv6Network(to, strict=False).prefixlen == 0
    except ValueError:
        return False


def refuse_other_router(where: str, routers: t.Sequence[str], wish: Wanted) -> None:
    """Refuse a default route of somebody's configuration that has the metric of ours and another router."""
    for router in routers:
        try:
            same = ipaddress.IPv6Address(router).compressed == wish.gateway
        except ValueError:
            continue  # IPv4, or a word like `_ipv6ra`
        if not same and wish.gateway is not None:
            raise RolloutError(
                f"gateway: {where} has a default route via {router} already, so after a boot it would be chance which "
                f"of the two is there; take it out there, or name {router} as gateway"
            )
