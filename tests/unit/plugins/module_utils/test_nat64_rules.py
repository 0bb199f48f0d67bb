# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of a NAT64 as a kernel takes them, in a network namespace of this test's own."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils import nat64_values as values
from ansible_collections.ipv6.rollout.tests.unit.plugins.module_utils.test_nat64_values import GOOD

PROGRAMS = {
    "nft": "/usr/sbin/nft",
    "tayga": "/usr/sbin/tayga",
    "ip": "/usr/sbin/ip",
    "iptables": "/usr/sbin/iptables",
    "ip6tables": "/usr/sbin/ip6tables",
}
# The client's end is a namespace; the gateway's has a dummy target behind a second pair.
PACKETS = """
set -eu
ip link set lo up
ip link add in0 address 02:00:00:00:00:01 type veth peer name in1
ip link set in0 up; ip link set in1 up
ip -6 addr add 2001:db8:1200::1/64 dev in0 nodad
ip -6 addr add 2001:db8:5::1/64 dev in0 nodad
sysctl -qw net.ipv6.conf.all.forwarding=1
nft -f rules
nft -f rules
"""


SEND = """
import ipaddress, socket, struct, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("in1", 0x86DD))
mac = bytes.fromhex("020000000001")
for source, target in (pair.split(">") for pair in sys.argv[1:]):
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(target).packed
    udp = struct.pack(">HHHH", 1000, 2000, 8, 1)
    wire.send(mac + bytes(6) + b"\\x86\\xdd" + struct.pack(">IHBB", 6 << 28, 8, 17, 64) + ends + udp)
"""


def namespace(script, folder):
    if not shutil.which("nft") or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        pytest.skip("no nft here, or no network namespace can be made")
    return subprocess.run(
        ["unshare", "--net", "sh", "-euc", script], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def rules(change=None):
    wish = values.wanted({**GOOD, **(change or {})})
    return wish, texts.nft_rules(wish, values.never_reached(wish, [values.Network4("203.0.113.0/24")]))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"allowed": ["192.0.2.7", "10.1.0.0/16"]},
        {"prefix": "64:ff9b::/96", "ipv6_address": "2001:db8:1200::64"},
        {"prefix": "2001:db8:100::/40"},
        {"masquerade": False, "pool": "9.9.9.0/24"},
        {"translator": "jool", "pool": "192.0.2.1/32"},
    ],
)
def test_the_kernel_takes_the_rules_twice(tmp_path, change):
    (tmp_path / "rules").write_text(rules(change)[1])
    done = namespace("nft -f rules; nft -f rules; nft list tables", tmp_path)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"table {texts.TABLE}\n")


def test_iptables_takes_its_rules_beside_those_of_others(tmp_path):
    wish = rules()[0]
    for family, program in (("v4", "iptables"), ("v6", "ip6tables")):
        if not shutil.which(program):
            pytest.skip(f"no {program} here")
        (tmp_path / "rules").write_text(texts.rules_text(wish, family))
        load = f"{program} -w -D FORWARD -j {texts.CHAIN} 2>/dev/null || true; {program}-restore --noflush rules"
        script = f"{program} -N other; {program} -A FORWARD -j other; {load}; {load}; {program}-save -t filter"
        done = namespace(script, tmp_path)
        found = [line for line in done.stdout.splitlines() if line.startswith("-A")]
        jumps = [f"-A FORWARD -j {texts.CHAIN}", "-A FORWARD -j other"]
        assert (done.returncode, found) == (0, jumps + texts.forward_rules(wish, family))


def test_who_is_refused_is_counted_before_anything_is_translated(tmp_path):
    # Packets are written raw onto the wire of the gateway: from a client and from a stranger.
    (tmp_path / "rules").write_text(rules({"allowed": ["198.51.100.7"]})[1])
    (tmp_path / "send.py").write_text(SEND)
    inside = "2001:db8:1200::9"
    pairs = [
        f"{inside}>2001:db8:64::808:808",  # the Internet
        f"{inside}>2001:db8:64::c633:6407",  # allowed, though special
        f"{inside}>2001:db8:64::a00:1",  # 10.0.0.1
        f"{inside}>2001:db8:64::cb00:7105",  # the gateway's own network
        f"{inside}>2001:db8:64::c0a8:4002",  # the pool
        "2001:db8:5::9>2001:db8:64::808:808",  # a stranger
        "2001:db8:64::9>2001:db8:64::808:808",  # nobody has an address there
    ]
    script = f"{PACKETS}\npython3 send.py {' '.join(repr(pair) for pair in pairs)}\nnft list counters"
    done = namespace(script, tmp_path)
    assert done.returncode == 0, done.stderr
    counted = [word for line in done.stdout.splitlines() for word in line.split() if "packets" in line]
    assert [counted[at + 1] for at, word in enumerate(counted) if word == "packets"] == ["1", "3"], done.stdout


@pytest.mark.parametrize(("target", "passed"), [("2001:db8:64::8:808:800:0", 1), ("2001:db8:64:0:10a:0:100:0", 0)])
def test_bits_that_have_to_be_zero_are_no_way_around_the_rules(tmp_path, target, passed):
    # With bits 64 to 71 set, 10.0.0.1 would be in none of the sets.
    (tmp_path / "rules").write_text(rules({"prefix": "2001:db8:64::/64"})[1])
    (tmp_path / "send.py").write_text(SEND)
    (tmp_path / "seen").write_text(
        "table ip6 seen { chain c { type filter hook prerouting priority 0; ip6 daddr 2001:db8:64::/64 counter; }; }"
    )
    script = f"{PACKETS}\nnft -f seen\npython3 send.py '2001:db8:1200::9>{target}'\nnft list table ip6 seen"
    done = namespace(script, tmp_path)
    assert done.returncode == 0 and f"counter packets {passed} " in done.stdout, done.stdout + done.stderr


def test_the_unit_loads_rules_before_it_translates():
    wish = values.wanted({**GOOD, "prefix": "64:ff9b::/96", "ipv6_address": "2001:db8:1200::64"})
    unit = texts.tayga_unit(wish, PROGRAMS)
    assert unit.index(texts.NFT_RULES) < unit.index("--mktun") < unit.index("route replace 64:ff9b::/96 dev nat64")
    assert "route replace 2001:db8:1200::64/128 dev nat64" in unit
    assert "iptables" not in texts.tayga_unit(wish, {key: PROGRAMS[key] for key in ("nft", "tayga", "ip")}).partition(
        "[Service]"
    )[2].replace("netfilter", "")


def test_tayga_gets_its_own_address_only_where_it_needs_one():
    assert "ipv6-addr" not in texts.tayga_conf(values.wanted(GOOD))
    wish = values.wanted({**GOOD, "prefix": "64:ff9b::/96", "ipv6_address": "2001:DB8:1200::64"})
    assert "ipv6-addr 2001:db8:1200::64\n" in texts.tayga_conf(wish)
