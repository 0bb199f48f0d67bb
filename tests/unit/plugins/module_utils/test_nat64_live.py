# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real TAYGA between a client and a server, each in a network namespace of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_values as values
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_nat64_values import GOOD

SERVER = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
one.bind(("0.0.0.0", 7007))
print("ready", flush=True)
while True:
    one.sendto(*one.recvfrom(65535))
"""
CLIENT = """
import json, socket
found = []
for source, target, size, port in (
    ("2001:db8:1200::2", "2001:db8:64::c000:250", 1, 7007),
    ("2001:db8:1200::2", "2001:db8:64::c000:250", 4000, 7007),
    ("2001:db8:1200::2", "2001:db8:64::c000:250", 1, 7008),
    ("2001:db8:1200::2", "2001:db8:64::c000:251", 1, 7007),
    ("2001:db8:5::2", "2001:db8:64::c000:250", 1, 7007),
):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
        one.settimeout(3)
        one.bind((source, 0))
        one.connect((target, port))
        one.send(b"x" * size)
        try:
            found.append(len(one.recv(65535)))
        except OSError as error:
            found.append(type(error).__name__)
print(json.dumps(found))
"""
# The shell is the gateway. What it starts dies with it, at the latest after a minute.
SCRIPT = """
set -eu
timeout 60 unshare --net sleep 60 & client=$!
timeout 60 unshare --net sleep 60 & server=$!
pids="$client $server"
trap 'kill $pids 2>/dev/null || true' EXIT
inner() { pgrep -P "$1" | while read -r child; do pgrep -P "$child" || echo "$child"; done | head -n 1; }
ready() { one=$(inner "$1"); [ -n "$one" ] && [ "$(readlink "/proc/$one/ns/net")" != "$(readlink /proc/$$/ns/net)" ]; }
n=0; until ready $client && ready $server || [ $n -gt 200 ]; do n=$((n + 1)); done
in_client="nsenter --net=/proc/$(inner $client)/ns/net" in_server="nsenter --net=/proc/$(inner $server)/ns/net"
ip link set lo up
ip link add c0 type veth peer name c1 netns "$(inner $client)"
ip link add s0 type veth peer name s1 netns "$(inner $server)"
ip -6 addr add 2001:db8:1200::1/64 dev c0 nodad; ip -6 addr add 2001:db8:5::1/64 dev c0 nodad; ip link set c0 up
ip addr add 192.0.2.1/24 dev s0; ip link set s0 up
$in_client ip -6 addr add 2001:db8:1200::2/64 dev c1 nodad; $in_client ip -6 addr add 2001:db8:5::2/64 dev c1 nodad
$in_client ip link set c1 up; $in_client ip -6 route add default via 2001:db8:1200::1
for address in 80 81; do $in_server ip addr add 192.0.2.$address/24 dev s1; done; $in_server ip link set s1 up
nft -f rules
tayga --config tayga.conf --mktun >&2
ip link set nat64 up; ip -4 route replace 192.168.64.0/24 dev nat64; ip -6 route replace 2001:db8:64::/96 dev nat64
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
timeout 60 tayga --nodetach --config tayga.conf & pids="$pids $!"
timeout 60 $in_server "$PYTHON" server.py >ready & pids="$pids $!"
n=0; until grep -q ready ready && ip -o link show nat64 | grep -q LOWER_UP || [ $n -gt 2000 ]; do n=$((n + 1)); done
$in_client "$PYTHON" client.py
"""


def test_a_client_reaches_what_is_allowed(tmp_path):
    for program in ("tayga", "nft", "pgrep"):
        if not shutil.which(program):
            pytest.skip(f"no {program} here")
    if not os.path.exists("/dev/net/tun") or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        pytest.skip("no tun device here, or no network namespace can be made")
    wish = values.wanted({**GOOD, "allowed": ["192.0.2.80"]})
    (tmp_path / "rules").write_text(texts.nft_rules(wish, values.never_reached(wish, [])))
    (tmp_path / "tayga.conf").write_text(texts.tayga_conf(wish, str(tmp_path)))
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "client.py").write_text(CLIENT)
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        ["unshare", "--net", "timeout", "60", "sh", "-c", SCRIPT],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=90,
        check=False,
    )
    # What our rules refuse is an error (administratively prohibited) that a client sees at once.
    assert json.loads(done.stdout) == [1, 4000, "ConnectionRefusedError", "PermissionError", "PermissionError"]
