# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a machine of the lab (sent to its python3): prints what the machine is, as JSON.

Two of these, taken before the rollout and after the withdrawal, must be equal.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess

# What daemons rewrite by themselves, so that a difference there would prove nothing.
VOLATILE = {
    "/etc/resolv.conf": "the container engine's own bind mount",
    "/etc/hostname": "the container engine's own bind mount",
    "/etc/mtab": "a link into /proc",
    "/etc/ld.so.cache": "ldconfig's cache",
}
SYSCTLS = [
    "accept_ra",
    "accept_ra_defrtr",
    "accept_ra_pinfo",
    "accept_redirects",
    "accept_source_route",
    "autoconf",
    "dad_transmits",
    "disable_ipv6",
    "forwarding",
    "addr_gen_mode",
    "use_tempaddr",
    "optimistic_dad",
    "accept_dad",
]


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else f"return code {done.returncode}: {done.stderr.strip()}"


def lines(text: str) -> list[str]:
    return sorted(line.strip() for line in text.splitlines() if line.strip())


def files(top: str) -> dict[str, str]:
    """Every file under a directory: its mode, owner and a hash of its content, or where a link points."""
    found = {}
    for folder, directories, names in os.walk(top):
        for name in sorted([*directories, *names]):
            path = os.path.join(folder, name)
            if path in VOLATILE:
                continue
            stat = os.lstat(path)
            if os.path.islink(path):
                content = f"-> {os.readlink(path)}"
            elif os.path.isfile(path):
                with open(path, "rb") as handle:
                    content = hashlib.sha256(handle.read()).hexdigest()
            else:
                content = "directory"
            found[path] = f"{stat.st_mode:o} {stat.st_uid}:{stat.st_gid} {content}"
    return found


def addresses(kind: str) -> list[str]:
    """Addresses with their flags; lifetimes count down, so they are left out."""
    text = run("ip", "-o", kind, "addr", "show", "scope", "global").replace("\\", " ")
    # A tentative address is one that was set a moment ago: it says nothing about what was configured.
    text = re.sub(r" +", " ", text.replace(" tentative", ""))
    return lines(re.sub(r"(valid_lft|preferred_lft) [1-9]\d*sec", r"\1 finite", re.sub(r"(?m)^\d+: ", "", text)))


def routes(kind: str) -> list[str]:
    return lines(re.sub(r" expires \d+sec", "", run("ip", kind, "route")))


def rules(program: str) -> list[str]:
    """The rule set in its order, without comments and counters."""
    kept = []
    for line in run(program).splitlines():
        if line and not line.startswith("#"):
            kept.append(re.sub(r"\s*\[\d+:\d+\]", "", line))
    # A table that somebody listed exists from then on: an empty one with open policies is the same as none.
    text = "\n".join(kept)
    return re.sub(r"\*\w+\n(:\w+ ACCEPT\n)*COMMIT\n?", "", text + "\n").splitlines()


def sysctls() -> dict[str, str]:
    found = {}
    for link in ("all", "default", "eth0"):
        for name in SYSCTLS:
            path = f"/proc/sys/net/ipv6/conf/{link}/{name}"
            if os.path.exists(path):
                with open(path, encoding="ascii") as handle:
                    found[f"{link}.{name}"] = handle.read().strip()
    return found


def sockets() -> list[str]:
    """Listening sockets with the process name; ephemeral ports and process numbers differ at every start."""
    found = []
    for line in run("ss", "-H", "-lntup").splitlines():
        fields = line.split()
        users = set(re.findall(r'\("([^"]+)"', line))
        if "master" in users:
            # Postfix hands its sockets to a child while a client is there, and for some time after.
            users = {"master"}
        found.append(f"{fields[0]} {fields[4]} {','.join(sorted(users))}")
    return sorted(set(found))


def zones() -> dict[str, list[str]]:
    """A name server's zones as it serves them, without the serial, which only ever moves forward."""
    key, folder = "/etc/bind/rollout.key", "/var/lib/bind"
    if not os.path.exists(key):
        return {}
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".zone"):
            zone = name[: -len(".zone")]
            text = run("dig", "-k", key, "+noall", "+answer", "+onesoa", "@127.0.0.1", zone, "AXFR")
            kept = [" ".join(line.split()) for line in text.splitlines()]
            found[zone] = sorted(line for line in kept if line and " SOA " not in line and not line.startswith(";"))
    return found


def main() -> None:
    state = "/var/lib/ipv6-rollout"
    print(
        json.dumps(
            {
                "etc": files("/etc"),
                "state": sorted(os.listdir(state)) if os.path.isdir(state) else None,
                "addresses": addresses("-4") + addresses("-6"),
                "routes": routes("-4") + routes("-6"),
                "ip6tables": rules("ip6tables-save"),
                "iptables": rules("iptables-save"),
                "sysctls": sysctls(),
                "sockets": sockets(),
                "zones": zones(),
            }
        )
    )


main()
