# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts made up at random, and what getaddrinfo() answers on each, in a namespace with its addresses and routes.

Run as a program under ``unshare --net --mount`` it reads the hosts as JSON, and writes what ``destination_info`` found.
"""

from __future__ import annotations

import ipaddress
import json
import os
import random
import shutil
import subprocess
import sys

from ansible_collections.ipv6.rollout.plugins.module_utils import destination_info

LINKS = ("v0", "v1", "v2", "v3")  # two pairs, all ends in the one namespace
FILES = {"/etc/hosts": "hosts", "/etc/nsswitch.conf": "switch", "/etc/gai.conf": "gai"}

# Places that addresses come from: 6to4, Teredo, site-local and unique local ones are what the tables are about.
PREFIXES_4 = ["192.0.2.0/24", "192.0.2.0/25", "198.51.100.0/26", "203.0.113.0/28", "10.1.0.0/16", "169.254.0.0/16"]
PREFIXES_6 = [
    "2001:db8:a::/64",
    "2001:db8:b::/48",
    "2001:db8:a:f000::/52",
    "3fff::/20",
    "fd11:1111:1111::/64",
    "fd22:2222:2222::/48",
    "2002:c633:6401::/64",
    "2001:0:c633:6401::/64",
    "fec0:0:0:1::/64",
    "fe80::/64",
]
SPECIAL = [
    "127.0.0.1",
    "127.0.1.1",
    "::1",
    "ff05::1:3",
    "224.0.0.251",
    "192.0.2.255",
    "::198.51.100.9",
    "::ffff:192.0.2.80",
    "::ffff:198.51.100.9",
    "::ffff:127.0.0.1",
    "fe80::9",
    "::",
    "0.0.0.0",
]


def _one(dice, prefix):
    """An address in a prefix. Often it is close to the first one, so that prefixes of some length are shared."""
    network = ipaddress.ip_network(prefix)
    room = network.max_prefixlen - network.prefixlen
    return str(network.network_address + dice.randrange(1, max(2, (1 << dice.choice([4, 8, room, room])) - 1)))


def host(dice):
    """A host: commands for ``ip``, and the addresses that its one name has."""
    commands, mine = [], []
    links = dice.choice([LINKS, LINKS[:1]])
    families = dice.choice([(4, 6)] * 7 + [(4,), (6,), ()])
    for family in families:
        for _index in range(dice.choice([0, 1, 1, 2, 3])):
            prefix = dice.choice(PREFIXES_4 if family == 4 else PREFIXES_6)
            again = [one for one in mine if one[0] == family and dice.randrange(4) == 0]
            if again:
                _family, prefix, address, _device = again[0]
            else:
                address = _one(dice, prefix)
            device = dice.choice(links)
            length = prefix.split("/")[1]
            if dice.randrange(8) == 0:
                commands.append(f"addr add {address} peer {_one(dice, prefix)} dev {device} nodad")
            else:
                old = " preferred_lft 0" if dice.randrange(4) == 0 else ""
                extra = " nodad" if family == 6 else ""
                commands.append(f"addr add {address}/{length} dev {device}{old}{extra}")
            mine.append((family, prefix, address, device))
    for family, prefix, address, device in mine:
        if dice.randrange(2):
            commands.append(
                f"route add default via {_one(dice, prefix)} dev {device} onlink metric {dice.randrange(9)}"
            )
        if dice.randrange(4) == 0:
            target = dice.choice(PREFIXES_4 if family == 4 else PREFIXES_6)
            commands.append(f"route add {target} dev {device} src {address} metric {dice.randrange(9)}")
    if dice.randrange(8) == 0:
        kind, target = dice.choice(["unreachable", "prohibit", "blackhole"]), dice.choice(PREFIXES_4 + PREFIXES_6)
        commands.append(f"route add {kind} {target} metric 1")
    if dice.randrange(8) == 0:
        commands.append(f"addrlabel add prefix {dice.choice(PREFIXES_6)} label {dice.choice([1, 5, 99])}")
    names = []
    for _index in range(dice.randrange(2, 8)):
        kind = dice.randrange(12)
        if kind == 0:
            names.append(dice.choice(SPECIAL))
        elif kind == 1 and mine:
            names.append(dice.choice(mine)[2])
        elif kind < 7 and mine:
            names.append(_one(dice, dice.choice(mine)[1]))
        else:
            names.append(_one(dice, dice.choice(PREFIXES_4 + PREFIXES_6)))
    return {"commands": commands, "addresses": list(dict.fromkeys(names))}


def hosts(seed, count):
    """So many hosts, the same ones for the same seed."""
    dice = random.Random(seed)
    return [host(dice) for _index in range(count)]


def why_not():
    """Return why this can't be run here, in words, or an empty text."""
    if os.geteuid() != 0:
        return "only root may make the namespaces that keep this machine out of reach"
    missing = [name for name in ("unshare", "ip", "mount") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} missing: no namespace with addresses can be made"
    if not destination_info.libc():
        return "the C library of this machine is not glibc"
    missing = [path for path in FILES if not os.path.exists(path)]
    if missing:
        return f"{', '.join(missing)} missing: there is nothing to mount over"
    script = "ip link add v0 type veth peer name v1 && mount --bind /etc/hosts /etc/hosts"
    tried = subprocess.run(["unshare", "-n", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return f"no namespace can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def answers(folder, gai, made):
    """Return what ``destination_info`` finds on each host, with this text as /etc/gai.conf."""
    lines = [f"{address} host-{index}.example" for index, one in enumerate(made) for address in one["addresses"]]
    for name, content in (("hosts", "\n".join(lines) + "\n"), ("switch", "hosts: files\n"), ("gai", gai)):
        (folder / name).write_text(content)
    mounts = " && ".join(f"mount --bind {folder / name} {path}" for path, name in FILES.items())
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", f'{mounts} && exec "$0" "$1"', sys.executable, os.path.abspath(__file__)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # the collection is found as it is here
        input=json.dumps(made),
        capture_output=True,
        text=True,
        timeout=60 + len(made) / 5,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


# ------------------------------------------------------------------------------------------------ inside the namespace


def _ip(*lines):
    """Run commands of ``ip``. What the kernel refuses is left out: only what it then does is compared."""
    subprocess.run(["ip", "-force", "-batch", "-"], input="\n".join(lines), capture_output=True, text=True, check=False)


def main():
    """Set up each host in turn, and ask getaddrinfo() for its name."""
    made = json.load(sys.stdin)
    _ip("link set lo up", "link add v0 type veth peer name v1", "link add v2 type veth peer name v3")
    _ip(*(f"link set {link} addrgenmode none up" for link in LINKS))
    found = []
    before = []
    for index, one in enumerate(made):
        undo = [
            line.replace(" add ", " del ", 1) for line in reversed(before) if line.startswith(("route", "addrlabel"))
        ]
        _ip(*undo, *(f"addr flush dev {link}" for link in LINKS))
        _ip(*one["commands"])
        before = one["commands"]
        found.append(destination_info.look(f"host-{index}.example", 80))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
