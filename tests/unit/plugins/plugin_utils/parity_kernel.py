# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host in a network namespace of its own, and packets that are sent to it from another one over a veth pair.

Run as a program under ``unshare --net`` it reads a request a line, as JSON: rules of both families, and probes. It
loads the rules, sends the probes, and answers with what ``iptables-save`` prints and which probes got in. A hook
before all rules counts what arrived, and one after all rules what got in, so nothing is waited for: the last packet
is a marker, and when it has arrived, the kernel is done with all before it.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import struct
import subprocess
import sys

SELF = {"ipv4": "192.0.2.1", "ipv6": "2001:db8:0:1::1"}
INTERFACE = "srv0"
BACKENDS = ("nft", "legacy")
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58}
MARKER = {"protocol": "udp", "port": 9, "id": 65535}

# Each probe has a number of its own, as its source port or as the identifier of its echo request.
HOOKS = """
flush ruleset
table inet probe {
    set arrived { type inet_service; size 65535; flags dynamic; }
    set arrived_echo4 { typeof icmp id; size 65535; flags dynamic; }
    set arrived_echo6 { typeof icmpv6 id; size 65535; flags dynamic; }
    set passed { type inet_service; size 65535; flags dynamic; }
    set passed_echo4 { typeof icmp id; size 65535; flags dynamic; }
    set passed_echo6 { typeof icmpv6 id; size 65535; flags dynamic; }
    chain before {
        type filter hook prerouting priority -450; policy accept;
        meta l4proto { tcp, udp } update @arrived { th sport }
        icmp type echo-request update @arrived_echo4 { icmp id }
        icmpv6 type echo-request update @arrived_echo6 { icmpv6 id }
        udp sport 65535 drop
    }
    chain after {
        type filter hook input priority 300; policy drop;
        meta l4proto { tcp, udp } update @passed { th sport }
        icmp type echo-request update @passed_echo4 { icmp id }
        icmpv6 type echo-request update @passed_echo6 { icmpv6 id }
    }
    chain answers {
        type filter hook output priority -450; policy drop;
    }
}
"""

# Instead of those two last chains, where answers are asked for: what gets out to the client.
ANSWERS = """
    chain gone {
        type filter hook postrouting priority 300;
        tcp flags & (syn | ack) == syn | ack update @passed { th dport }
        icmp type echo-reply update @passed_echo4 { icmp id }
        icmpv6 type echo-reply update @passed_echo6 { icmpv6 id }
    }
}
"""
LISTENING = (22, 80)


def why_not():
    """Return why no packets can be sent here, in words, or an empty text."""
    missing = [name for name in ("unshare", "ip", "nft", "iptables-nft-restore") if not shutil.which(name)]
    if missing:
        return f"{', '.join(missing)} missing: no rules can be loaded"
    try:
        with Kernel() as kernel:
            kernel.ask({"backend": "nft", "rules": {"ipv4": "", "ipv6": ""}, "probes": []})
    except (OSError, RuntimeError) as error:
        return f"this machine lets no network namespace be made: {error}"
    return ""


class Kernel:
    """The program, running; one for all requests of a backend."""

    def __enter__(self):
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        command = ["unshare", *user, "--net", sys.executable, os.path.abspath(__file__)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_error):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=20)

    def ask(self, request):
        """Load rules, send probes; return the saved rules and the numbers of the probes that got in.

        With ``answers``, the numbers of those that were answered: a SYN by a SYN and ACK, an echo request by a reply.
        """
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the namespace is gone"}
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


# ------------------------------------------------------------------------------------------------ inside the namespace


def run(*command, text=""):
    """Run a command; its output, or an error with what it complained about."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}\n{text}")
    return done.stdout


class Wire:
    """The client's end of the veth pair, in a namespace that another process holds open."""

    def __init__(self):
        self._holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._holder.stdout.readline()
        client = str(self._holder.pid)
        run("ip", "link", "add", INTERFACE, "type", "veth", "peer", "name", "cli0", "netns", client)
        run("nsenter", "-t", client, "-n", "ip", "link", "set", "cli0", "up")
        for name, value in (
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            (f"ipv4/conf/{INTERFACE}/rp_filter", "0"),
            ("ipv6/conf/all/disable_ipv6", "0"),
            (f"ipv6/conf/{INTERFACE}/disable_ipv6", "0"),
            (f"ipv6/conf/{INTERFACE}/accept_ra", "0"),
        ):
            with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
                file.write(value)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "set", INTERFACE, "up")
        run("ip", "address", "add", SELF["ipv4"] + "/24", "dev", INTERFACE)
        run("ip", "address", "add", SELF["ipv6"] + "/64", "dev", INTERFACE, "nodad")
        run("ip", "route", "add", "default", "dev", INTERFACE)
        run("ip", "-6", "route", "add", "default", "dev", INTERFACE)
        with open("/proc/sys/net/ipv4/tcp_synack_retries", "w", encoding="ascii") as file:
            file.write("0")  # an answer that comes again would count for another probe
        self._listening = [
            socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=4096)
            for port in LISTENING
        ]
        mac = bytes.fromhex(json.loads(run("ip", "-j", "link", "show", INTERFACE))[0]["address"].replace(":", ""))
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/self/ns/net", "rb") as own, open(f"/proc/{client}/ns/net", "rb") as other:
            if libc.setns(other.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            self._socket.bind(("cli0", 0))
            if libc.setns(own.fileno(), 0x40000000):
                raise OSError(ctypes.get_errno(), "setns")
        self._ethernet = mac + bytes.fromhex("020000000001")

    def send(self, probe):
        """Send one packet."""
        self._socket.send(self._ethernet + frame(probe))

    def close(self):
        """Let the client's namespace go."""
        for listening in self._listening:
            listening.close()
        self._socket.close()
        self._holder.stdin.close()
        self._holder.stdout.close()
        self._holder.wait(timeout=20)


def checksum(data):
    """RFC 1071: the sum of 16-bit words in ones' complement."""
    return 0xFFFF - int.from_bytes(data + b"\0" * (len(data) % 2), "big") % 0xFFFF


def frame(probe):
    """The packet of a probe, with the number of the probe as its source port or echo identifier."""
    family, number, port = probe["family"], probe["id"], probe["port"]
    ipv6 = family == "ipv6"
    kind = socket.AF_INET6 if ipv6 else socket.AF_INET
    ends = socket.inet_pton(kind, probe["source"]) + socket.inet_pton(kind, SELF[family])
    protocol = PROTOCOLS[probe["protocol"]]
    if protocol == 6:
        body = struct.pack("!HHIIBBHHH", number, port, 1, 0, 5 << 4, 2, 8192, 0, 0)
        place = 16
    elif protocol == 17:
        body, place = struct.pack("!HHHH", number, port, 8, 0), 6
    else:
        body, place = struct.pack("!BBHHH", 128 if ipv6 else 8, 0, 0, number, 1), 2
    pseudo = b"" if protocol == 1 else ends + struct.pack("!IHBB", len(body), 0, 0, protocol)
    body = body[:place] + struct.pack("!H", checksum(pseudo + body)) + body[place + 2 :]
    if ipv6:
        return b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, protocol, 0)
    return b"\x08\x00" + head[:10] + struct.pack("!H", checksum(head + ends)) + ends + body


def members():
    """The numbers of the probes that arrived, and of those that got in."""
    found = {"arrived": set(), "passed": set()}
    for entry in json.loads(run("nft", "-j", "-n", "list", "table", "inet", "probe"))["nftables"]:
        if "set" in entry:
            seen = found[entry["set"]["name"].partition("_")[0]]
            seen.update(int(one) for one in entry["set"].get("elem", []))
    return found["arrived"], found["passed"]


def answer(wire, request):
    """Load, send, look."""
    tools = {"ipv4": f"iptables-{request['backend']}", "ipv6": f"ip6tables-{request['backend']}"}
    hooks = HOOKS[: HOOKS.index("    chain after")] + ANSWERS if request.get("answers") else HOOKS
    run("nft", "-f", "-", text=hooks)
    saved = {}
    for family, tool in tools.items():
        run(f"{tool}-restore", text=request["rules"][family])
        saved[family] = run(f"{tool}-save")
    for probe in [*request["probes"], {**MARKER, "family": "ipv4", "source": "198.51.100.1"}]:
        wire.send(probe)
    for _attempt in range(100):
        arrived, passed = members()
        if MARKER["id"] in arrived:
            break
    lost = {probe["id"] for probe in request["probes"]} - arrived
    if lost or MARKER["id"] not in arrived:
        raise RuntimeError(f"{len(lost)} of {len(request['probes'])} probes did not arrive")
    return {"saved": saved, "passed": sorted(passed)}


def main():
    """Answer requests until there are no more."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one queue, so the marker is the last
    wire = None
    try:
        for line in sys.stdin:
            try:
                wire = wire or Wire()
                reply = answer(wire, json.loads(line))
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                reply = {"error": str(error)}
            print(json.dumps(reply), flush=True)
    finally:
        if wire:
            wire.close()


if __name__ == "__main__":
    main()
