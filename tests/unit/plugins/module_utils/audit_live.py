# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts in network namespaces that go with the program, and what an audit sees of the first.

As a program under ``unshare`` it makes addresses of every kind and two gateways, of which one answers, looks, and
prints what it saw as JSON: the network, the digests before and after changes, and whether a look changes anything.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

SETUP = """
link set lo up
link add eth0 type veth peer name far netns {far}
link add br0 type bridge
link set eth0 up
link set br0 up
addr add 192.0.2.80/24 dev eth0
addr add 2001:db8::80/64 dev eth0 nodad
addr add 2001:db8::81/64 dev eth0 nodad preferred_lft 0 valid_lft 1000
addr add 2001:db8::82/64 dev eth0 nodad preferred_lft 500 valid_lft 1000
addr add fe80::80/64 dev eth0 nodad
route add 198.51.100.0/24 nexthop via 192.0.2.1 nexthop via 192.0.2.2
route add default via 192.0.2.1 dev eth0 onlink
route add ::/0 via fe80::1 dev eth0 metric 100
route add ::/0 via fe80::dead dev eth0 metric 200
route add unreachable 2001:db8:dead::/48
route add 2001:db8:1::/48 via fe80::1 dev eth0 expires 1000
"""
# The files of /sys belong to the namespace in which it was mounted.
INSIDE = ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", 'mount -t sysfs sysfs /sys && exec "$@"', "sh"]
# name: what is changed, the parts that must differ then
CHANGES = {
    "nothing": ("", []),
    "a route that has less time": ("route change 2001:db8:1::/48 via fe80::1 dev eth0 expires 900", []),
    "an address that has less time": ("addr change 2001:db8::82/64 dev eth0 preferred_lft 400 valid_lft 900", []),
    "an IPv6 address": ("addr add 2001:db8:5::1/128 dev br0 nodad", ["addresses", "routes"]),
    "an IPv4 address": ("addr add 192.0.2.99/24 dev eth0", ["addresses"]),
    "an IPv6 route": ("route add 2001:db8:2::/48 via fe80::1 dev eth0", ["routes"]),
    "another router": ("route change 2001:db8:1::/48 via fe80::2 dev eth0 expires 900", ["routes"]),
    "another MTU": ("route change ::/0 via fe80::dead dev eth0 metric 200 mtu 1400", []),
    "an IPv4 route": ("route add 203.0.113.0/24 via 192.0.2.1", ["routes"]),
}


def why_not() -> str:
    """Say why this can't run here, empty where it can."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        return "making network namespaces needs root and the programs unshare and ip"
    done = subprocess.run([*INSIDE, "ip", "link", "add", "type", "veth"], capture_output=True, check=False)
    return "" if done.returncode == 0 else "this machine can't make network namespaces with veth interfaces"


def seen() -> dict:
    """Run this program in a namespace, and return what it printed."""
    done = subprocess.run(
        [*INSIDE, sys.executable, __file__],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


def _ip(lines: str, namespace: tuple = ()) -> None:
    subprocess.run([*namespace, "ip", "-batch", "-"], input=lines, text=True, check=True, timeout=10)


def _main() -> None:
    from ansible_collections.ipv6.rollout.plugins.module_utils import audit_network, audit_state, host

    with subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE) as far:
        try:
            inside = ("nsenter", "-n", "-t", str(far.pid))
            # It is in its namespace once that is another one than ours.
            while os.readlink(f"/proc/{far.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
                if far.poll() is not None:
                    raise SystemExit("the other namespace did not come up")
            _ip(SETUP.format(far=far.pid))
            _ip("addr add fe80::1/64 dev far nodad\nlink set far up\n", inside)
            found = audit_network.look()
            parts = {}
            for name, (change, _expected) in CHANGES.items():
                before = audit_state.snapshot()
                _ip(change + "\n")
                parts[name] = audit_state.compared(before, audit_state.snapshot())["parts"]
            setting = "/proc/sys/net/ipv6/conf/eth0/accept_ra"
            before = audit_state.snapshot()
            with open(setting, "w", encoding="ascii") as stream:
                stream.write("0")
            parts["a setting"] = audit_state.compared(before, audit_state.snapshot())["parts"]
            parts["rules"] = _rules(audit_state)
            whole = host.look(True, {})["audit"]["state"]["parts"]
            settings = audit_network.settings()["ipv6"]["eth0"]
            json.dump({"look": found, "parts": parts, "whole": whole, "settings": settings}, sys.stdout)
        finally:
            far.stdin.close()
            far.wait(timeout=10)


def _rules(audit_state) -> list:
    """Return the parts that differ once a rule is there, or null where no rule can be made here."""
    before = audit_state.snapshot()
    argv = ["ip6tables", "-A", "INPUT", "-p", "tcp", "--dport", "25", "-j", "DROP"]
    if not shutil.which("ip6tables") or subprocess.run(argv, capture_output=True, check=False).returncode:
        return None
    return audit_state.compared(before, audit_state.snapshot())["parts"]


if __name__ == "__main__":
    _main()
