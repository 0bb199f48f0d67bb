# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rules let through, seen by packets: a host, and a router between two networks, in network namespaces."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import uuid

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import filter_table, rule_set, rules

OUTSIDE, ROUTER, INSIDE = "2001:db8:f::2", "2001:db8:1::1", "2001:db8:1::2"
FORGED = "2001:db8:1::66"
MARKER = 0xBEEF
"""The identifier of the echo request that is sent last: what came before it has arrived by then, or never will."""

SEND = """
import json, socket, struct, sys
for source, destination, interface, hops, kinds in json.load(sys.stdin):
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    raw.bind((source, 0, 0, socket.if_nametoindex(interface)))
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
    for kind, identifier in kinds:
        raw.sendto(struct.pack("!BBHHH", kind, 0, 0, identifier, 0) + bytes(48), (destination, 0))
"""

RECEIVE = """
import json, socket, struct, sys
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.settimeout(20)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
print("ready", flush=True)
seen = []
while True:
    packet, address = raw.recvfrom(2000)
    kind, code, check, identifier = struct.unpack("!BBHH", packet[:6])
    if kind == 128 and identifier == %d:
        break
    seen.append((kind, identifier))
print(json.dumps(seen))
"""


def command(*argv, **more):
    """Run a program and return what it says; the test ends where it fails."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30, **more).stdout


class Network:
    """A host, a router and a host outside, each in a namespace of its own."""

    def __init__(self, stack):
        tag = uuid.uuid4().hex[:6]
        self.names = {name: f"{name}-{tag}" for name in ("inside", "router", "outside")}
        for name in self.names.values():
            command("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        for left, right in (("router", "inside"), ("router", "outside")):
            # Named after where they lead to.
            command("ip", "link", "add", right, "netns", self.names[left], "type", "veth",
                    "peer", "name", left, "netns", self.names[right])  # fmt: skip
        self.run("router", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for place, device, address in (
            ("inside", "router", INSIDE), ("router", "inside", ROUTER),
            ("router", "outside", "2001:db8:f::1"), ("outside", "router", OUTSIDE),
            ("outside", "router", "fe80::66"), ("inside", "router", "fe80::2"),
        ):  # fmt: skip
            self.run(place, "ip", "addr", "add", f"{address}/64", "dev", device, "nodad")
        self.run("outside", "ip", "addr", "add", f"{FORGED}/128", "dev", "router", "nodad")
        for place, device in (("inside", "router"), ("outside", "router"), ("router", "inside"), ("router", "outside")):
            self.run(place, "ip", "link", "set", device, "up")
            self.run(place, "ip", "link", "set", "lo", "up")
        self.run("inside", "ip", "-6", "route", "add", "default", "via", ROUTER, "dev", "router")
        self.run("outside", "ip", "-6", "route", "add", "2001:db8:1::/64", "via", "2001:db8:f::1", "dev", "router")
        # Neighbours are found before many packets are sent at once: a queue for an unknown one is short.
        for start, source in (("outside", OUTSIDE), ("router", ROUTER)):
            answers = (connects(self, start, source, INSIDE, 9) for _try in range(10))
            assert "refused" in answers

    def run(self, place, *argv, **more):
        """Run a program at one of the three places."""
        return command("ip", "netns", "exec", self.names[place], *argv, **more)

    def start(self, place, program):
        """Start a Python program at one of the places, and wait until it is ready."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.names[place], sys.executable, "-c", program],
            stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        return process

    def load(self, place, policy, opened=()):
        """Load the rules of a policy."""
        table = rule_set.wanted_table(policy, opened, filter_table.EMPTY).text
        self.run(place, "ip6tables-restore", input=table)
        saved = self.run(place, "ip6tables-save", "-t", "filter")
        assert filter_table.normal(saved) == table  # the kernel prints what we wrote

    def icmp(self, start, to, sendings):
        """Send ICMPv6 packets; return what arrived, as pairs of type and identifier."""
        receiver = self.start(to, RECEIVE % MARKER)
        try:
            sendings = [*sendings, (OUTSIDE if start == "outside" else ROUTER, *sendings[0][1:3], 64, [(128, MARKER)])]
            self.run(start, sys.executable, "-c", SEND, input=json.dumps(sendings))
            said, _error = receiver.communicate(timeout=30)
        finally:
            receiver.kill()
        return set(map(tuple, json.loads(said)))


@pytest.fixture
def network():
    """The three namespaces, gone after the test."""
    with contextlib.ExitStack() as stack:
        if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
            pytest.skip("network namespaces can be made by root only, and not everywhere")
        yield Network(stack)


def connects(network, start, source, address, port):
    """Tell what a client gets: connected, refused (at once), or nothing."""
    client = f"""
import socket
try:
    socket.create_connection(({address!r}, {port}), 3, ({source!r}, 0))
    print("connected")
except ConnectionRefusedError:
    print("refused")
except (TimeoutError, OSError) as error:
    print(type(error).__name__)
"""
    return network.run(start, sys.executable, "-c", client).strip()


SERVER = """
import socket
server = socket.create_server(("::", %d), family=socket.AF_INET6)
print("ready", flush=True)
input()
"""

HTTP = {"name": "http", "port": 80, "destination": INSIDE}
POLICY = {"routed_prefixes": ["2001:db8:1::/64"], "outside_interfaces": ["outside"]}


def test_a_router_lets_out_everything_and_in_what_is_open(network):
    policy = rules.policy([], [], 22, [HTTP], **POLICY)
    network.load("router", policy)
    servers = [network.start("inside", SERVER % 80), network.start("inside", SERVER % 81)]
    servers.append(network.start("outside", SERVER % 443))
    try:
        assert connects(network, "inside", INSIDE, OUTSIDE, 443) == "connected"
        assert connects(network, "outside", OUTSIDE, INSIDE, 80) == "refused"
        network.load("router", policy, policy.services)
        assert connects(network, "outside", OUTSIDE, INSIDE, 80) == "connected"
        assert connects(network, "outside", OUTSIDE, INSIDE, 81) == "refused"
    finally:
        for server in servers:
            server.communicate("\n", timeout=10)


def test_a_router_lets_through_the_icmpv6_that_rfc_4890_wants(network):
    network.load("router", rules.policy([], [], 22, [], **POLICY))
    sendings = [
        (OUTSIDE, INSIDE, "router", 64, [(kind, 1) for kind in range(256)]),
        # Forged: an address of the network inside, from outside.
        (FORGED, INSIDE, "router", 64, [(128, 2)]),
    ]
    came = network.icmp("outside", "inside", sendings)
    wanted = {1, 2, 3, 4, 128, 129, 144, 145, 146, 147}
    assert {kind for kind, identifier in came if identifier == 1} == wanted
    assert (128, 2) not in came


def test_a_host_lets_in_the_icmpv6_that_rfc_4890_wants(network):
    network.load("inside", rules.policy([], [], 22, []))
    hops = {1: 1, 64: 2, 255: 3}
    sources = {ROUTER: 10, "fe80::1": 20}
    network.run("router", "ip", "addr", "add", "fe80::1/64", "dev", "inside", "nodad")
    came = network.icmp(
        "router",
        "inside",
        [
            (source, INSIDE, "inside", limit, [(kind, tens + ones) for kind in range(256)])
            for source, tens in sources.items()
            for limit, ones in hops.items()
        ],
    )
    everywhere = {(kind, tens + ones) for kind in (1, 2, 3, 4, 128, 129) for tens in (10, 20) for ones in (1, 2, 3)}
    neighbours = {(kind, tens + 3) for kind in (133, 135, 136, 141, 142, 148, 149) for tens in (10, 20)}
    listeners = {(kind, 21) for kind in (130, 131, 132, 143, 151, 152, 153)}
    own = {entry for entry in came if entry[1] in {a + b for a in (10, 20) for b in (1, 2, 3)}}
    assert own == everywhere | neighbours | listeners | {(134, 23)}
