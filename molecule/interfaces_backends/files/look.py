# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a host: prints what its uplink is, as JSON. What a back end words differently is left out of it."""

from __future__ import annotations

import json
import pathlib
import subprocess

SYSCTLS = ("accept_ra", "autoconf", "disable_ipv6", "use_tempaddr")


def ip(*words):
    """Return what `ip` says."""
    return json.loads(subprocess.run(["ip", "-j", *words], capture_output=True, check=True).stdout or "[]")


def addresses():
    """Return the addresses of both families. Link-local ones are the kernel's or the back end's own."""
    return sorted(
        [f"{entry['local']}/{entry['prefixlen']}", bool(entry.get("deprecated")), bool(entry.get("tentative"))]
        for link in ip("addr", "show", "dev", "eth0")
        for entry in link["addr_info"]
        if entry["scope"] == "global"
    )


def routes():
    """Return the routes of both families; of those on the link only that they are there, since metrics differ."""
    found = set()
    for family in ("-4", "-6"):
        for route in ip(family, "route", "show", "dev", "eth0"):
            on_link = route.get("protocol") == "kernel"
            words = (
                [] if on_link else [route.get("gateway"), route.get("metric", 1024), *sorted(route.get("flags", []))]
            )
            found.add((route["dst"], *words))
    return sorted([*map(list, found)], key=str)


def main():
    """Print it."""
    proc = pathlib.Path("/proc/sys/net/ipv6/conf/eth0")
    seen = {
        "addresses": addresses(),
        "routes": routes(),
        "sysctls": {key: (proc / key).read_text(encoding="ascii").strip() for key in SYSCTLS},
    }
    print(json.dumps(seen, sort_keys=True))


main()
