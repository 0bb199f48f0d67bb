# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's program as a whole, on a host of its own for each test: namespaces with a network and a /run."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils.guard_script import SCRIPT

UNSHARE = ["unshare", "-n", "-m", "-p", "-f", "--mount-proc", "--propagation", "private"]
HOST = """set -e
mount -t tmpfs tmpfs /run
if [ -d /etc/systemd ]; then mount -t tmpfs tmpfs /etc/systemd; fi
if [ -d /usr/local/sbin ]; then mount -t tmpfs tmpfs /usr/local/sbin; fi
echo 1 >/proc/sys/net/ipv6/conf/default/addr_gen_mode
echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
ip link set lo up
ip link add eth0 type veth peer name eth1
ip link set eth1 up
ip link set eth0 up
set +e
"""
# Seen with other means than the guard's own.
LOOK = """
look() {
    ip -o addr show | grep -o ' inet.*'; ip -o link show | cut -d ' ' -f 2-5
    for family in 4 6; do ip -$family route show table all | grep -v 'proto kernel'; done
    ip -4 rule; ip -6 rule; ip neigh show nud permanent
    ip neigh show proxy; ip nexthop show
    if command -v nft >/dev/null; then nft -s list ruleset; iptables-nft-save | grep '^-A'; fi
    :
}
"""


def works() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return subprocess.run([*UNSHARE, "/bin/sh", "-c", HOST], capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not works(), reason="needs root, and network and mount namespaces")


def run(folder, script, files=()):
    """Run a script on a fresh host; $guard is the program and $dir its folder."""
    (folder / "guard").mkdir()
    for name, text in {
        "guard.sh": SCRIPT,
        "patterns": "".join(f"{path}\n" for path in files),
        "services": "",
        "token": "abcdefgh\n",
        "free": "",
    }.items():
        (folder / "guard" / name).write_text(text)
    begin = f'dir={folder}/guard\nguard() {{ sh "$dir/guard.sh" "$1" "$dir"; }}\ncd {folder} || exit 1\n'
    return subprocess.run(
        [*UNSHARE, "/bin/sh", "-c", HOST + LOOK + begin + script],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def note(folder):
    return (folder / "guard.result").read_text().splitlines()[3]


CASES = {
    "IPv6 addresses in their order": (
        "for i in 1 2 3; do ip addr add 2001:db8::$i/64 dev eth0 nodad; done",
        "ip -6 addr flush dev eth0",
    ),
    "IPv6 addresses after the link was down": (
        "for i in 1 2 3; do ip addr add 2001:db8::$i/64 dev eth0 nodad; done",
        "ip link set eth0 down",
    ),
    "an IPv6 address from the middle, and one that is new": (
        "for i in 1 2 3; do ip addr add 2001:db8::$i/64 dev eth0 nodad; done",
        "ip addr del 2001:db8::2/64 dev eth0; ip addr add 2001:db8::9/64 dev eth0 nodad",
    ),
    "the primary address": (
        "for i in 1 2 3; do ip addr add 192.0.2.$i/24 dev eth0; done",
        "ip addr del 192.0.2.1/24 dev eth0",
    ),
    "the primary address, and another one was promoted": (
        "for i in 1 2 3; do ip addr add 192.0.2.$i/24 dev eth0; done\n"
        "echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries",
        "ip addr del 192.0.2.1/24 dev eth0",
    ),
    "an IPv6 address that was made again with other flags": (
        "ip addr add 2001:db8::1/64 dev eth0 nodad; ip addr add 2001:db8::2/64 dev eth0 nodad noprefixroute",
        "ip addr del 2001:db8::2/64 dev eth0; ip addr add 2001:db8::2/64 dev eth0",
    ),
    "an IPv4 address that was made again with other words": (
        "ip addr add 192.0.2.1/24 brd 192.0.2.255 dev eth0 label eth0:1; ip addr add 192.0.2.2/24 dev eth0",
        "ip addr flush dev eth0; ip addr add 192.0.2.1/24 dev eth0; ip addr add 192.0.2.2/24 dev eth0",
    ),
    "policy rules of one priority": (
        "for i in 1 2 3; do ip rule add pref 5000 from 192.0.2.$i lookup 9; done",
        "ip rule del pref 5000 from 192.0.2.1",
    ),
    "routes that were appended": (
        "ip addr add 192.0.2.80/24 dev eth0; ip route add 198.51.100.0/24 via 192.0.2.1\n"
        "ip route append 198.51.100.0/24 via 192.0.2.2; ip route append 198.51.100.0/24 via 192.0.2.3",
        "ip route del 198.51.100.0/24; ip route del 198.51.100.0/24",
    ),
    "routes with metrics": (
        "ip addr add 192.0.2.80/24 dev eth0\n"
        "ip route add 198.51.100.0/24 via 192.0.2.1 rto_min 200ms mtu lock 1400 initcwnd 20",
        "ip route del 198.51.100.0/24",
    ),
    "one route of both interfaces": (
        "for i in 0 1; do ip -6 route append 2001:db8:1::/48 dev eth$i metric 5; done",
        "ip -6 route flush 2001:db8:1::/48",
    ),
    "nexthop objects": (
        "ip addr add 192.0.2.80/24 dev eth0; ip nexthop add id 9 via 192.0.2.1 dev eth0; ip nexthop add id 20 group 9\n"
        "ip route add default nhid 20; ip route add 198.51.100.0/24 nhid 9",
        "ip nexthop flush",
    ),
    "local routes of a transparent proxy": (
        "ip route add local default dev lo table 100; ip -6 route add local default dev lo table 100\n"
        "ip -6 route add local 2001:db8:77::/48 dev lo",
        "ip route flush table 100; ip -6 route flush table 100; ip -6 route del local 2001:db8:77::/48 dev lo",
    ),
    "local routes that are new": (
        "",
        "ip route add local 192.0.2.99 dev lo; ip -6 route add anycast 2001:db8::9 dev eth0",
    ),
    "neighbours": (
        "ip addr add 192.0.2.80/24 dev eth0\n"
        "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent router\n"
        "ip neigh add proxy 2001:db8::7 dev eth0",
        "ip neigh flush dev eth0 nud all; ip neigh del proxy 2001:db8::7 dev eth0\n"
        "ip neigh add proxy 192.0.2.7 dev eth0",
    ),
}
TABLES = {
    "a set in a table of iptables": (
        "iptables-nft -A INPUT -p tcp -j ACCEPT; nft 'add set ip filter s { type ipv4_addr; }'\n"
        "nft 'add element ip filter s { 192.0.2.66 }'; nft add rule ip filter INPUT ip saddr @s drop",
        "iptables-nft -F; iptables-nft -A INPUT -p udp -j ACCEPT",
    ),
    "rules that iptables did not make": (
        "iptables-nft -A INPUT -p tcp -j ACCEPT; nft add rule ip filter INPUT tcp flags syn drop",
        "iptables-nft -F",
    ),
    "native rules that are new in a table of iptables": (
        "iptables-nft -A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT",
        "nft 'add set ip filter s { type ipv4_addr; }'; nft insert rule ip filter INPUT ip saddr != @s drop",
    ),
}


@pytest.mark.parametrize("name", [*CASES, *TABLES])
def test_it_is_what_it_was(name, tmp_path):
    if name in TABLES and (shutil.which("nft") is None or shutil.which("iptables-nft") is None):
        pytest.skip("needs nft and iptables-nft")
    prepare, sabotage = {**CASES, **TABLES}[name]
    done = run(tmp_path, f"{prepare}\nlook >a\nguard save || exit 9\n{sabotage}\nlook >b\nguard restore\nlook >c")
    assert done.returncode == 0, done.stderr
    before, broken, after = ((tmp_path / part).read_text().splitlines() for part in "abc")
    assert broken != before
    if name in TABLES:
        # iptables-nft adds empty chains.
        assert [line for line in before if line not in after] == []
        assert [line for line in after if line.startswith("-A")] == [line for line in before if line.startswith("-A")]
    else:
        assert after == before
    assert note(tmp_path) == "exact"


def test_what_neither_could_give_back_is_not_armed(tmp_path):
    if shutil.which("nft") is None or shutil.which("iptables-nft") is None:
        pytest.skip("needs nft and iptables-nft")
    done = run(
        tmp_path,
        "iptables-nft -A INPUT -p tcp -m multiport --dports 22,80 -j ACCEPT\n"
        "nft 'add set ip filter s { type ipv4_addr; }'; nft add rule ip filter INPUT ip saddr @s drop; guard save",
    )
    assert done.returncode == 1
    assert "the table ip filter" in done.stderr


@pytest.mark.parametrize("hangs", ["nft", "iptables-nft-save", "ip6tables-nft-restore"])
def test_what_hangs_holds_nothing_else_back(hangs, tmp_path):
    if shutil.which("timeout") is None:
        pytest.skip("needs timeout of coreutils")
    done = run(
        tmp_path,
        "ip addr add 192.0.2.80/24 dev eth0; iptables -A INPUT -p udp -j ACCEPT; guard save\n"
        f"echo one >{tmp_path}/watched\n"
        f"printf '#!/bin/sh\\nsleep 1000\\n' >/usr/local/sbin/{hangs}; chmod +x /usr/local/sbin/{hangs}\n"
        "ip addr flush dev eth0; guard restore & "
        "for i in $(seq 45); do ip -4 addr show dev eth0 | grep -q 192.0.2.80 && echo back && break; sleep 0.1; done",
    )
    assert done.stdout == "back\n"


def test_a_full_run(tmp_path):
    done = run(
        tmp_path,
        "ip addr add 192.0.2.80/24 dev eth0; guard save; mount -t tmpfs -o size=40k tmpfs /run\n"
        "dd if=/dev/zero of=/run/fill bs=1k 2>/dev/null; ip addr flush dev eth0; guard restore || exit 9\n"
        "ip -4 addr show dev eth0",
    )
    assert done.returncode == 0, done.stderr
    assert "192.0.2.80/24" in done.stdout
    assert note(tmp_path) == "exact"


def test_what_fails_is_kept_and_tried_again(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "a").write_text("old\n")
    done = run(
        tmp_path,
        "guard save; echo new >etc/a; mount --bind etc/a etc/a; guard restore; echo $?; umount etc/a\n"
        "cut -d ';' -f 1 guard.result | tail -n 1; sh guard.failed/guard.sh restore $dir.failed; echo $?; ls -A . etc",
        [f"{tmp_path}/etc/*"],
    )
    assert done.stdout.split("\n")[0] == "4"
    assert "differs: < content" in done.stdout
    assert note(tmp_path) == "exact"
    assert (tmp_path / "etc" / "a").read_text() == "old\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etc", "guard.result"]
    assert [path.name for path in (tmp_path / "etc").iterdir()] == ["a"]


@pytest.mark.parametrize("same", [True, False])
def test_the_boot_unit_leaves_a_running_system_alone(same, tmp_path):
    (tmp_path / "a").write_text("old\n")
    other = "" if same else "echo other >$dir/boot\n"
    done = run(tmp_path, f"guard save\n{other}echo new >a; guard boot", [f"{tmp_path}/a"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a").read_text() == ("new\n" if same else "old\n")
    assert (tmp_path / "guard").exists() is same
