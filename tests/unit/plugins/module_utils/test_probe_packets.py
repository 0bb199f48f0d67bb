# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes between two hosts that are wired to each other, each in a network namespace of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import probe

NEAR, FAR = "2001:db8:1::2", "2001:db8:1::1"
NEAR4, FAR4 = "192.0.2.2", "192.0.2.1"
NOBODY = "2001:db8:1::dead"

PROBE = """
import json, sys
from ansible_collections.ipv6.rollout.plugins.module_utils import probe
print(json.dumps(probe.prove_all([probe.check(one) for one in json.load(sys.stdin)])))
"""
# A web server whose page is the largest segment that it may send, and more text than fits into one packet.
WEB = """
import socket, threading
def serve(link):
    with link:
        try:
            link.recv(4096)
            size = link.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
            link.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n" + b"mss %d\\n" % size + b"x" * 100000)
        except OSError:
            pass
server = socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
"""
# A host that looks for the echo request in whatever it gets, and answers it.
NAIVE = """
import socket, struct
link = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86DD))
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
print("ready", flush=True)
done = set()
while True:
    packet, place = link.recvfrom(2000)
    source, payload = packet[8:24], packet[40:]
    where = payload.find(bytes(range(64)))  # the beginning of the data of a request
    if place[2] == socket.PACKET_HOST and where >= 8 and payload[where - 8] == 128:
        echo = payload[where - 8:]
        if echo[4:8] not in done:
            done.add(echo[4:8])
            reply = struct.pack(">BBH", 129, 0, 0) + echo[4:]
            raw.sendto(reply, (socket.inet_ntop(socket.AF_INET6, source), 0))
"""
# The same at the other end of a tunnel, where there are no link-layer addresses.
TUNNEL = """
import fcntl, os, socket, struct, subprocess
tunnel = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tunnel, 0x400454CA, struct.pack("16sH", b"tun9", 0x1001))
for argv in (["addr", "add", "2001:db8:9::2/64", "dev", "tun9", "nodad"], ["link", "set", "tun9", "up"]):
    subprocess.run(["ip", *argv], check=True)
print("ready", flush=True)
while True:
    packet = os.read(tunnel, 2000)
    where = packet.find(bytes(range(64)))
    if where < 48 or packet[where - 8] != 128:
        continue
    echo = packet[where - 8:]
    if len(echo) < 256 and packet[6] == 44:
        echo += bytes(index % 251 for index in range(len(echo) - 8, 248))
    echo = bytes([129, 0, 0, 0]) + echo[4:]
    text = packet[24:40] + packet[8:24] + struct.pack(">I3xB", len(echo), 58) + echo
    total = sum(struct.unpack(f">{len(text) // 2}H", text))
    total = (total & 0xFFFF) + (total >> 16)
    echo = echo[:2] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + echo[4:]
    os.write(tunnel, struct.pack(">IHBB", 6 << 28, len(echo), 58, 64) + packet[24:40] + packet[8:24] + echo)
"""
# Two routers and a liar: an advertisement from further away, and one whose options make no sense.
ROUTER = """
import socket, struct
def option(kind, data):
    return struct.pack("BB", kind, (len(data) + 2) // 8) + data
prefix = option(3, struct.pack(">BBIII", 64, 0xC0, 86400, 14400, 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:7::"))
good = option(5, struct.pack(">HI", 0, 1400)) + prefix
good += option(38, struct.pack(">H", 1800 | 0) + socket.inet_pton(socket.AF_INET6, "2001:db8:64::")[:12])
raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"far")
def say(source, hops, flags, lifetime, options):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as one:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
        one.bind((source, 0, 0, socket.if_nametoindex("far")))
        head = struct.pack(">BBHBBHII", 134, 0, 0, 64, flags, lifetime, 0, 0)
        one.sendto(head + options, ("ff02::1", 0, 0, socket.if_nametoindex("far")))
print("ready", flush=True)
while True:
    message, sender = raw.recvfrom(2000)
    if message[0] == 133:
        say("fe80::1", 255, 0xC0, 1800, good)
        say("fe80::2", 255, 0x00, 0, b"\\x03\\x04\\x40" + b"\\x03\\x00" + bytes(11) + b"\\xff" * 7)
        say("fe80::3", 64, 0x00, 1800, good)
"""


class Wire:
    """Two hosts and what runs on them."""

    def __init__(self, stack):
        self.stack = stack  # what ends with the test
        self.pids = {place: self._host(stack) for place in ("near", "far")}
        pid = str(self.pids["far"])
        self.run("near", "ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", pid)
        for place, addresses in (("near", (NEAR, NEAR4)), ("far", (FAR, FAR4, "fe80::1", "fe80::2", "fe80::3"))):
            settings = (f"net.ipv6.conf.{place}.{setting}=0" for setting in ("accept_ra", "dad_transmits"))
            self.run(place, "sysctl", "-qw", *settings)
            for address in addresses:
                length = ["/64", "nodad"] if ":" in address else ["/24"]
                self.run(place, "ip", "addr", "add", address + length[0], "dev", place, *length[1:])
            self.run(place, "ip", "link", "set", "lo", "up")
            self.run(place, "ip", "link", "set", place, "up")
        for _try in range(50):  # the link comes up
            if "refused" in self.proved("tcp", port=9)["evidence"]:
                return
        pytest.fail("the wire does not come up")

    @staticmethod
    def _host(stack):
        process = subprocess.Popen(["unshare", "--net", "sleep", "600"])
        stack.callback(process.wait)
        stack.callback(process.kill)
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{process.pid}/ns/net") == own:
            assert process.poll() is None
        return process.pid

    def enter(self, place, *argv):
        """Return a command that runs on one of the hosts."""
        return ["nsenter", f"--net=/proc/{self.pids[place]}/ns/net", *argv]

    def run(self, place, *argv, check=True, **more):
        """Run a program on one of the hosts."""
        done = subprocess.run(self.enter(place, *argv), capture_output=True, text=True, timeout=60, check=False, **more)
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout

    def start(self, place, program):
        """Start a Python program on one of the hosts, and wait until it is ready."""
        argv = self.enter(place, sys.executable, "-c", program)
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.stdout.close)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        assert process.stdout.readline() == "ready\n"

    def drop(self, place, *match, chain="INPUT", verdict=("DROP",)):
        """Let a firewall drop something from now on."""
        program = "iptables" if "-4" in match else "ip6tables"
        self.run(place, program, "-A", chain, *[part for part in match if part != "-4"], "-j", *verdict)

    def all_proved(self, checks, *before):
        """Make probes from the near host."""
        folder = os.path.abspath(os.path.join(os.path.dirname(probe.__file__), *[os.pardir] * 5))
        filled = [
            {"id": str(place), "family": "ipv6", "address": FAR, "timeout": 2.0, **one}
            for place, one in enumerate(checks)
        ]
        argv = [*before, sys.executable, "-c", PROBE]
        environment = {**os.environ, "PYTHONPATH": folder}
        return json.loads(self.run("near", *argv, input=json.dumps(filled), env=environment))

    def proved(self, kind, **fields):
        """Make one probe from the near host."""
        return self.all_proved([{"kind": kind, **fields}])[0]


@pytest.fixture(scope="module")
def wires():
    """Two hosts, gone after all tests."""
    for program in ("nsenter", "ip", "ip6tables", "iptables"):
        if not shutil.which(program):
            pytest.skip(f"no {program} here")
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        pytest.skip("network namespaces can be made by root only, and not everywhere")
    with contextlib.ExitStack() as stack:
        yield Wire(stack)


@pytest.fixture
def wire(wires):
    """Two hosts on which nothing runs, without rules, that have learned nothing."""
    with contextlib.ExitStack() as wires.stack:
        yield wires
    for place in wires.pids:
        for program in ("ip6tables", "iptables"):
            wires.run(place, program, "-F")
        wires.run(place, "ip", "-6", "route", "flush", "cache")
        wires.run(place, "ip", "tcp_metrics", "flush")


def test_a_host_hears_that_its_packets_are_too_big(wire):
    for size in (1400, 1280):  # one after the other: what was learned only ever gets smaller
        proof = wire.proved("mtu", mtu=size)
        assert proof["ok"], proof
        assert proof["evidence"] == f"replies come in packets of at most {size} octets after packet too big"
        assert proof["seen"]["after"] == size and proof["seen"]["before"] > size
        assert proof["seen"]["replied_before"] and proof["seen"]["replied_after"]


def test_a_host_that_does_not_hear_it_fails(wire):
    wire.drop("far", "-p", "ipv6-icmp", "--icmpv6-type", "packet-too-big")
    proof = wire.proved("mtu")
    assert not proof["ok"] and proof["seen"]["after"] == proof["seen"]["before"] == 1500
    assert proof["evidence"] == "replies still come in packets of 1500 octets after packet too big (1280)"


def test_a_host_that_answers_no_echo_proves_nothing(wire):
    wire.drop("far", "-p", "ipv6-icmp", "--icmpv6-type", "echo-request")
    mtu, extension = wire.all_proved([{"kind": "mtu"}, {"kind": "extension"}])
    assert not mtu["ok"] and mtu["evidence"] == f"{FAR}: no echo reply of 1500 octets"
    assert not mtu["seen"]["replied_before"]
    assert extension["ok"] and extension["evidence"].startswith("no echo reply at all")
    assert extension["seen"]["echo"] == extension["seen"]["valid_fragments"] == "silent"


def test_headers_that_must_be_dropped_are_dropped_by_linux(wire):
    proof = wire.proved("extension")
    assert proof["ok"], proof
    assert proof["seen"] == {
        "family": "ipv6", "echo": "answered", "valid_fragments": "answered", "routing_header_0": "refused",
        "overlapping": "silent", "tiny_first": "refused", "unknown_header": "refused",
    }  # fmt: skip


def test_a_host_that_answers_what_it_should_drop_fails(wire):
    # Its own firewall keeps track of connections, which must not keep the probe from leaving as it is.
    wire.drop("near", "-m", "conntrack", "--ctstate", "INVALID", chain="OUTPUT")
    wire.start("far", NAIVE)
    proof = wire.proved("extension")
    assert not proof["ok"]
    assert {name for name, seen in proof["seen"].items() if seen == "answered"} == {
        "echo", "valid_fragments", "routing_header_0", "overlapping", "tiny_first", "unknown_header",
    }  # fmt: skip


def test_packets_leave_through_a_tunnel_too(wire):
    if not os.path.exists("/dev/net/tun"):
        pytest.skip("no tun device here")
    wire.start("near", TUNNEL)
    proof = wire.proved("extension", address="2001:db8:9::1")
    assert {name for name, seen in proof["seen"].items() if seen == "answered"} == {
        "echo", "valid_fragments", "routing_header_0", "overlapping", "tiny_first", "unknown_header",
    }  # fmt: skip


def test_a_host_without_fragments_fails(wire):
    wire.drop("far", "-m", "ipv6header", "--soft", "--header", "frag")
    proof = wire.proved("extension")
    assert not proof["ok"] and proof["seen"]["valid_fragments"] == "silent" and proof["seen"]["echo"] == "answered"


def test_who_announces_itself_as_a_router(wire):
    wire.run("far", "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")  # who is no router hears no solicitation
    wire.start("far", ROUTER)
    proof = wire.proved("ra", address=None, interface="near", timeout=1)
    assert proof["ok"] and proof["evidence"] == "2 routers on near: fe80::1, fe80::2"
    good, odd = proof["seen"]["routers"]
    assert good == {
        "address": "fe80::1", "lifetime": 1800, "managed": True, "other": True, "mtu": 1400,
        "prefixes": ["2001:db8:7::/64"], "pref64": "2001:db8:64::/96",
    }  # fmt: skip
    assert odd == {**good, "address": "fe80::2", "lifetime": 0, "managed": False, "other": False, "mtu": 0,
                   "prefixes": [], "pref64": ""}  # fmt: skip


def test_the_link_of_the_default_route_is_listened_on(wire):
    proof = wire.proved("ra", address=None, timeout=1)
    assert not proof["ok"] and list(proof["seen"]) == ["problem"] and "default route" in proof["evidence"]
    wire.run("near", "ip", "-6", "route", "add", "default", "via", "fe80::1", "dev", "near")
    try:
        proof = wire.proved("ra", address=None, timeout=0.3)
    finally:
        wire.run("near", "ip", "-6", "route", "del", "default")
    assert proof["ok"] and proof["seen"] == {"family": "ipv6", "interface": "near", "routers": []}
    assert "problem" in wire.proved("ra", address=None, interface="nothing")["seen"]


def test_ports_are_open_closed_or_silent(wire):
    wire.start("far", WEB)
    wire.drop("far", "-p", "tcp", "--dport", "1000:1399")
    wire.drop("far", "-p", "tcp", "--dport", "1500", verdict=("REJECT", "--reject-with", "icmp6-adm-prohibited"))
    wire.drop("far", "-p", "tcp", "--dport", "1501", verdict=("REJECT", "--reject-with", "tcp-reset"))
    ports = [80, *range(900, 1502), 80]
    ipv6, ipv4, gone = wire.all_proved(
        [
            {"kind": "ports", "ports": ports},
            {"kind": "ports", "ports": ports, "family": "ipv4", "address": FAR4},
            {"kind": "ports", "ports": [80, 81], "address": NOBODY, "timeout": 8},
        ]
    )
    rest = [port for port in range(900, 1502) if not 1000 <= port < 1400]
    assert ipv6["ok"] and ipv6["seen"] == {
        "family": "ipv6", "open": [80], "closed": rest, "silent": list(range(1000, 1400)),
    }  # fmt: skip
    assert ipv6["evidence"] == "open: 80; closed: 900-999, 1400-1501; silent: 1000-1399"
    assert 2 <= ipv6["seconds"] < 8  # 256 at a time: two rounds and not four hundred
    assert ipv4["seen"] == {"family": "ipv4", "open": [80], "closed": list(range(900, 1502)), "silent": []}
    assert gone["ok"] and gone["seen"]["silent"] == [80, 81]
    unreached = wire.proved("ports", ports=[80], address="2001:db8:2::1")
    assert not unreached["ok"] and list(unreached["seen"]) == ["problem"]


def test_many_checks_share_what_a_process_may_open(wire):
    wire.drop("far", "-p", "tcp")
    checks = [{"kind": "ports", "ports": list(range(1, 257)), "timeout": 0.2} for _check in range(16)]
    proofs = wire.all_proved(checks, "prlimit", "--nofile=1024:1024")
    assert all(proof["ok"] and len(proof["seen"]["silent"]) == 256 for proof in proofs)


def test_a_client_with_both_families_does_not_wait_long(wire):
    wire.start("far", WEB)
    for rule, winner, soon in (
        ((), FAR, True),
        (("--dport", "80"), FAR4, True),
        (("--dport", "80", "-4"), None, False),
    ):
        if rule:
            wire.drop("far", "-p", "tcp", *rule)
        proof = wire.proved("race", address=None, addresses=[FAR, FAR4], port=80, timeout=1)
        assert proof["ok"] is bool(winner) and proof["seen"].get("winner") == winner
        assert proof["seen"].get("within_300ms", False) is soon
    proof = wire.proved("race", address=None, addresses=[FAR, FAR4], port=81)
    assert proof["evidence"].count("Connection refused") == 2


def test_a_race_with_two_dead_addresses_is_lost_time(wire):
    wire.start("far", WEB)
    wire.drop("far", "-p", "tcp")
    proof = wire.proved("race", address=None, addresses=[FAR, NOBODY, FAR4], port=80)
    assert proof["ok"] and proof["seen"]["winner"] == FAR4 and not proof["seen"]["within_300ms"]
    assert 0.4 < proof["seen"]["seconds"] < 10


def test_a_transfer_through_a_narrow_hop(wire):
    wire.start("far", WEB)
    # What a hop of 1400 octets without packet too big does to packets that are larger.
    wire.drop("near", "-p", "tcp", "-m", "length", "--length", "1401:65535")
    wire.run("far", "ip", "link", "set", "far", "gso_max_segs", "1")
    narrow, wide = wire.all_proved(
        [{"kind": "transfer", "port": 80, "mtu": size, "timeout": 3} for size in (1280, 1500)]
    )
    assert narrow["ok"] and narrow["seen"]["complete"] and narrow["seen"]["octets"] > 100000, narrow
    assert not wide["ok"] and not wide["seen"]["complete"], wide


def test_the_size_of_segments_is_told(wire):
    wire.start("far", WEB)
    ipv6, ipv4 = wire.all_proved(
        [{"kind": "tcp", "port": 80}, {"kind": "tcp", "port": 80, "family": "ipv4", "address": FAR4}]
    )
    assert (ipv6["seen"], ipv4["seen"]) == ({"family": "ipv6", "mss": 1440}, {"family": "ipv4", "mss": 1460})
    wire.run("far", "ip", "link", "set", "far", "mtu", "1280")
    try:
        assert wire.proved("tcp", port=80)["seen"]["mss"] == 1220
    finally:
        wire.run("far", "ip", "link", "set", "far", "mtu", "1500")


def test_the_server_sees_the_narrow_hop(wire):
    wire.start("far", WEB)
    assert wire.proved("http", port=80, says="mss 1428")["ok"]  # 1440 less the timestamps
    # The transfer's own octets are not kept; what the server was told is in what it sends.
    assert wire.proved("transfer", port=80, mtu=1280)["seen"]["mss"] == 1220


def test_no_family_stands_in_for_the_other(wire):
    wire.start("far", WEB)
    wire.drop("far", "-p", "tcp", verdict=("REJECT", "--reject-with", "tcp-reset"))
    checks = [
        {"kind": kind, "port": 80, "family": family, "address": address, **more}
        for kind, more in {"tcp": {}, "http": {}, "transfer": {}, "smtp": {}, "relay": {}, "tls": {},
                           "dns": {"host": "example.com"}}.items()
        for family, address in (("ipv6", FAR), ("ipv4", FAR4))
    ]  # fmt: skip
    for check, proof in zip(checks, wire.all_proved(checks)):
        assert proof["seen"].get("family") in ({"ipv4"} if check["family"] == "ipv4" else {None, "ipv6"})
        if check["family"] == "ipv6":
            assert not proof["ok"] and "Connection refused" in proof["evidence"]
        elif check["kind"] in ("tcp", "http", "transfer"):
            assert proof["ok"]


def test_nothing_is_closed_because_there_is_no_route(wire):
    kinds = {"tcp": {}, "tls": {}, "smtp": {}, "dns": {"host": "example.com"}}
    checks = [{"kind": kind, "port": 80, "expect": "closed", **more} for kind, more in kinds.items()]
    for proof in wire.all_proved([{**check, "address": "2001:db8:2::1"} for check in checks]):
        assert not proof["ok"] and list(proof["seen"]) == ["problem"]
        assert proof["evidence"] == "2001:db8:2::1 can't be reached from here: Network is unreachable"
    # Somebody else's word that the host is out of reach counts as closed, as silence does.
    wire.drop("far", "-p", "tcp", verdict=("REJECT", "--reject-with", "icmp6-no-route"))
    wire.drop("far", "-p", "udp")
    assert all(proof["ok"] for proof in wire.all_proved([{**check, "timeout": 1} for check in checks]))


def test_who_may_not_make_packets_proves_nothing(wire):
    if not shutil.which("setpriv"):
        pytest.skip("no setpriv here")
    checks = [{"kind": "mtu"}, {"kind": "extension"}, {"kind": "ra", "address": None, "interface": "near"}]
    for proof in wire.all_proved(checks, "setpriv", "--bounding-set=-net_raw"):
        assert not proof["ok"] and list(proof["seen"]) == ["problem"] and "run it as root" in proof["evidence"]
