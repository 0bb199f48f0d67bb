# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through translated rule sets: two hosts on one link, of which one has the rules."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.ipv6.rollout.plugins.plugin_utils.translate import ip6tables_rules
from ansible_collections.ipv6.rollout.tests.unit.plugins.plugin_utils.iptables_live import missing

VECTORS = Path(__file__).parents[2] / "vectors" / "iptables"

# The other host lives in a namespace inside of the first one; all of it goes with the shell.
LINK = """
set -e
mkdir -p /run/netns && mount -t tmpfs none /run/netns
ip netns add other
ip link set lo up
ip link add eth0 type veth peer name eth0 netns other
ip address add 2001:db8::1/64 dev eth0 nodad
ip -n other address add 2001:db8::2/64 dev eth0 nodad
ip link set eth0 up
ip -n other link set eth0 up
ip6tables-restore
"""
FROM_OTHER = LINK + 'ip netns exec other "$0" -I -c "$2" "$1"'
BOTH = (
    LINK
    + """
ip address add fe80::1/64 dev eth0 nodad
ip -n other address add fe80::2/64 dev eth0 nodad
ip netns exec other "$0" -I -c "$3" "$1" &
"$0" -I -c "$2" "$1"
kill $! || true
"""
)

# An echo request each quarter of a second, until an answer is there or the time is over.
PING = """
import socket, sys, time
end = time.monotonic() + float(sys.argv[1])
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as line:
    line.settimeout(0.25)
    kind = 0
    while kind != 129 and time.monotonic() < end:
        line.sendto(bytes([128, 0, 0, 0, 0, 7, 0, 1]), ("2001:db8::1", 0))
        try:
            while kind != 129 and time.monotonic() < end:
                kind = line.recv(2048)[0]
        except TimeoutError:
            pass
print("answered" if kind == 129 else "silent")
"""

# A DHCPv6 client asks the group of servers four times a second; a server answers to the address of the client.
CLIENT = """
import socket, sys, time
end = time.monotonic() + float(sys.argv[1])
answer = b""
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as line:
    line.settimeout(0.25)
    line.bind(("::", 546))
    while not answer and time.monotonic() < end:
        try:
            line.sendto(b"solicit", ("ff02::1:2", 547, 0, socket.if_nametoindex("eth0")))
            answer = line.recv(100)
        except (TimeoutError, PermissionError):  # the kernel says EPERM of what OUTPUT drops
            time.sleep(0.05)
print("answered" if answer == b"advertise" else "silent")
"""
SERVER = """
import socket, struct, sys
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as line:
    line.settimeout(float(sys.argv[1]))
    line.bind(("::", 547))
    group = socket.inet_pton(socket.AF_INET6, "ff02::1:2") + struct.pack("I", socket.if_nametoindex("eth0"))
    line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
    while True:
        line.sendto(b"advertise", line.recvfrom(100)[1])
"""
CLOSED = """*filter
:INPUT DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A OUTPUT -p tcp -m tcp --sport 22 -j ACCEPT
COMMIT
"""


def ping(rules: str, seconds: float) -> str:
    return result(FROM_OTHER, rules, str(seconds), PING)


def result(script: str, rules: str, *given: str) -> str:
    """Load rules into one of two hosts and return what a program there prints."""
    if why := missing("ip6tables-nft-restore"):
        pytest.skip(why)
    if not shutil.which("ip"):
        pytest.skip("there is no program ip on this machine")
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", script, sys.executable, *given],
        input=rules,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["bare", "csf", "firewalld", "mail", "shorewall", "ufw"])
def test_a_host_whose_ipv4_rules_let_pings_in_answers_them(name: str) -> None:
    text = (VECTORS / f"{name}.rules").read_text()
    text = "".join(line for line in text.splitlines(keepends=True) if "-set " not in line)
    assert ping(ip6tables_rules(text)["rules"], 10) == "answered"


@pytest.mark.parametrize("name", ["bare", "mail", "ufw"])
def test_without_what_is_added_nobody_finds_it(name: str) -> None:
    """Neighbour discovery is what the rules lack: the test above is able to fail."""
    text = (VECTORS / f"{name}.rules").read_text()
    assert ping(ip6tables_rules(text, icmpv6=False)["rules"], 1) == "silent"


def test_a_host_whose_ipv4_rules_drop_pings_stays_silent() -> None:
    assert ping(ip6tables_rules((VECTORS / "hashlimit.rules").read_text())["rules"], 1) == "silent"


def test_a_dhcpv6_client_gets_its_answer() -> None:
    rules = ip6tables_rules(CLOSED)["rules"]
    assert result(BOTH, rules, "10", CLIENT, SERVER) == "answered"
    for way in ("--dport 546", "--dport 547"):
        less = "".join(line for line in rules.splitlines(keepends=True) if way not in line)
        assert result(BOTH, less, "1", CLIENT, SERVER) == "silent"
