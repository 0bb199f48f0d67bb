# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of /etc/gai.conf against glibc's, and the policies as a program sees them.

All of it happens in namespaces of a child: its own network, and its own gai.conf, hosts and nsswitch.conf in /etc.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import socket
import subprocess
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels, gai_conf
from ansible_collections.ipv6.rollout.plugins.module_utils.destination_info import libc
from ansible_collections.ipv6.rollout.plugins.module_utils.policy_table import MAPPED, TABLES, find, policy_table

COUNT = int(os.environ.get("FUZZ_EXAMPLES", "300"))
GLOBAL, SITE, OLD = "2001:db8:f::10", "fd12:3456:789a::10", "192.0.2.10"
SOURCES = {GLOBAL: "2001:db8:1::80", SITE: "fd12:3456:789a:1::80", OLD: "198.51.100.80"}
FILES = ["gai.conf", "hosts", "nsswitch.conf"]
MOUNTS = """
set -e
[ "$(readlink /proc/self/ns/mnt)" != "$1" ] && [ "$(readlink /proc/self/ns/net)" != "$2" ]
cd "$3"
shift 3
for file in gai.conf hosts nsswitch.conf; do
    mount --bind $file /etc/$file
done
ip link set lo up
ip link add v0 type veth peer name v1
ip link set v0 up
ip link set v1 up
ip addr add 2001:db8:1::80/64 dev v0 nodad
ip addr add fd12:3456:789a:1::80/64 dev v0 nodad
ip addr add 198.51.100.80/24 dev v0
ip -6 route add default dev v0
ip -4 route add default dev v0
exec "$@"
"""
# glibc reads the file once in a process, so each text gets a child of its own.
PROGRAM = """
import json, os, socket, subprocess, sys
from ansible_collections.ipv6.rollout.plugins.module_utils import address_labels
given = json.load(sys.stdin)
address_labels.apply(address_labels.plan(given["labels"], address_labels.see()[0], {}).steps)
route = json.loads(subprocess.check_output(["ip", "-j", "-6", "route", "get", given["destination"]]))
print(route[0]["prefsrc"])
for text in given["texts"]:
    with open("/etc/gai.conf", "wb") as handle:
        handle.write(text.encode("latin-1"))
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        found = socket.getaddrinfo("all.example", 80, type=socket.SOCK_STREAM)
        print(*[entry[4][0] for entry in found], flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("getaddrinfo failed")
"""


@functools.cache
def why_not() -> str:
    """Return why this can't be run here, in words."""
    if os.geteuid() != 0:
        return "only root may make the namespaces that keep this machine's files out of reach"
    missing = [name for name in ("unshare", "ip", "mount") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} missing: no namespace with addresses can be made"
    if not libc():
        return "the C library of this machine is not glibc"
    missing = [name for name in FILES if not os.path.exists(f"/etc/{name}")]
    if missing:
        return f"/etc/{', /etc/'.join(missing)} missing: there is nothing to mount over"
    script = "ip link add v0 type veth peer name v1 && mount --bind /etc/hosts /etc/hosts"
    tried = subprocess.run(["unshare", "-n", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return f"no namespace can be made here: {tried.stderr.strip()}" if tried.returncode else ""


def answers(folder, texts, labels=None, destination=GLOBAL):
    """Return the source address for a destination under these labels, and the order of the name under each text."""
    if why_not():
        pytest.skip(why_not())
    (folder / "hosts").write_text("".join(f"{address} all.example\n" for address in (OLD, SITE, GLOBAL)))
    (folder / "nsswitch.conf").write_text("hosts: files\n")
    (folder / "gai.conf").write_text("")
    outside = [os.readlink(f"/proc/self/ns/{kind}") for kind in ("mnt", "net")]
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", MOUNTS, "sh", *outside, str(folder), sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # the collection is found as it is here
        input=json.dumps({"texts": texts, "labels": dict(labels or address_labels.KERNEL), "destination": destination}),
        capture_output=True,
        text=True,
        timeout=60 + len(texts) / 10,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    source, *orders = done.stdout.splitlines()
    assert len(orders) == len(texts)
    return source, [order.split() for order in orders]


def number(address):
    """The 128 bits of an address; IPv4 as IPv4-mapped."""
    if ":" in address:
        return int.from_bytes(socket.inet_pton(socket.AF_INET6, address), "big")
    return MAPPED | int.from_bytes(socket.inet_pton(socket.AF_INET, address), "big")


# By policy: the order of a name with a global, a unique local and an IPv4 address on a host that has one of each, too.
ORDERS = {
    "prefer_ipv6": [GLOBAL, OLD, SITE],
    "rfc6724": [GLOBAL, OLD, SITE],
    "prefer_ipv4": [OLD, GLOBAL, SITE],
    "glibc": [SITE, GLOBAL, OLD],
    "own": [SITE, OLD, GLOBAL],
}
OWN = [
    {"prefix": "::1/128", "precedence": 50, "label": 0},
    {"prefix": "fd12:3456:789a::/48", "precedence": 45, "label": 14},
    {"prefix": "0.0.0.0/0", "precedence": 42, "label": 4},
    {"prefix": "::/0", "precedence": 40, "label": 1},
]


def test_each_policy_gives_its_order(tmp_path):
    policies = {**TABLES, "own": policy_table(OWN)}
    assert set(policies) == set(ORDERS)
    texts = {name: gai_conf.written(rows, b"").decode() for name, rows in policies.items()}
    _source, orders = answers(tmp_path, list(texts.values()))
    assert dict(zip(texts, orders)) == ORDERS


@pytest.mark.parametrize(
    ("rows", "source"),
    [
        (TABLES["rfc6724"], SOURCES[GLOBAL]),
        # The destination bears the label of the ULA prefix, so the kernel takes the source from there.
        ([*policy_table(OWN), *policy_table([{"prefix": "2001:db8:f::/48", "precedence": 1, "label": 14},
                                             {"prefix": "::/0", "precedence": 1, "label": 1}])[:1]], SOURCES[SITE]),
    ],
)  # fmt: skip
def test_the_kernel_takes_the_source_that_the_labels_say(tmp_path, rows, source):
    assert answers(tmp_path, [], {row.prefix: row.label for row in rows}) == (source, [])


def expected(text):
    """The order by our reading of a text: rules 5 and 6, which decide here; None for a tie or a doubt."""
    if any("do not agree" in line.why for line in gai_conf.lines(text.encode("latin-1"))):
        return None
    labels, precedences = gai_conf.tables(text.encode("latin-1"))

    def value(table, address):
        row = find([TABLES["glibc"][0]._replace(prefix=prefix) for prefix in table], number(address))
        return table[row.prefix]

    keys = {
        address: (value(labels, address) != value(labels, SOURCES[address]), -value(precedences, address))
        for address in SOURCES
    }
    return sorted(keys, key=keys.get) if len(set(keys.values())) == len(keys) else None


PREFIXES = [
    "::/0", "::ffff:0:0/96", "::FFFF:0.0.0.0/96", "fc00::/7", "2001:db8::/32", "2001:db8:f::/48", "2001:db8:f::10/128",
    "fd12:3456:789a::9/48", "::ffff:192.0.2.0/120", "0.0.0.0/0", "192.0.2.0/24", "::/", "::/-0", "fd00::/+8",
    "fd00::/08",
    "fc00::/129", "2001:db8::/3x", "2001:db8::/0x20", "2001:db8::/18446744073709551615", "fc00::/18446744073709551616",
    "fd12::%v0/16", "2001:DB8::/32", "1::2::3/0",
]  # fmt: skip
KINDS = ["label"] * 4 + ["precedence"] * 16 + ["Label", "precendence", "reload", "#label", "x precedence"]
VALUES = ["1", "5", "13", "39", "41", "100", "007", "+60", "-1", "", "4x", "0x9", "2147483647", "2147483648", "1e2",
          "18446744073709551615", "18446744073709551616", "-18446744073709551600"]  # fmt: skip
SPACES = [" ", "  ", "\t", "\v", "\f", " \t "]
ENDS = ["\n", "\r\n", " trailing\n", "# comment\n", "\n\n", " \0 100\n", "\r", ""]


def file(dice):
    """A file as people, and worse ones, write it."""
    lines = []
    for _line in range(dice.randrange(1, 15)):
        value = dice.choice(VALUES + [str(dice.randrange(100))] * 40)
        words = [dice.choice(KINDS), dice.choice(PREFIXES[:9] * 3 + PREFIXES), value]
        lines.append(
            dice.choice(["", "", " ", "\t"]) + dice.choice(SPACES).join(words) + dice.choice(["\n"] * 8 + ENDS)
        )
    return "".join(lines)


def test_glibc_reads_odd_files_as_we_do(tmp_path):
    dice = random.Random(6724)
    texts = [file(dice) for _file in range(COUNT)]
    _source, orders = answers(tmp_path, texts)
    wanted = [expected(text) for text in texts]
    wrong = [(text, want, order) for text, want, order in zip(texts, wanted, orders) if want and want != order]
    assert wrong == []
    # The test is worth something only while most files decide, and decide differently.
    decided = [tuple(want) for want in wanted if want]
    assert len(decided) > COUNT / 3
    assert len(set(decided)) == 6
