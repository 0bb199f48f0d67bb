# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole catalogue: the faults of rules, and here those of the network, of daemons, the guard and the controller."""

from __future__ import annotations

import faults_of_rules
from fault import CATALOGUE, Fault, Random, both, cut, fault

__all__ = ["CATALOGUE", "Fault", "faults_of_rules"]


@fault("addresses: all are gone")
def _addresses(rng: Random) -> Fault:
    return Fault(
        rng.choice(["ip addr flush dev $device", "ip -4 addr flush dev $device; ip -6 addr flush dev $device"])
    )


@fault("addresses: another one")
def _other_address(rng: Random) -> Fault:
    octet = rng.randrange(20, 120)
    return Fault(
        f"ip -4 addr flush dev $device; ip addr add 198.51.100.{octet}/24 dev $device; "
        f"ip -6 addr add 2001:db8:fa17:2::{octet}/64 dev $device nodad"
    )


@fault("addresses: the first of one network, and cut off")
def _first_address(rng: Random) -> Fault:
    first = rng.choice(["203.0.113.80/24", "2001:db8:dead:1::80/64", "2001:db8:dead:1::82/64"])
    return Fault(f"ip addr del {first} dev $device; ip addr add {first} dev $device\n{cut(rng)}")


@fault("addresses: two of one network, and the link goes down")
def _addresses_down(rng: Random) -> Fault:
    return Fault("ip link set $device down" + rng.choice(["", "; ip link set $device up; ip link set $device down"]))


@fault("routes: appended ones, nexthop objects, and cut off")
def _appended(rng: Random) -> Fault:
    to = "ip route del 198.51.100.128/25"
    what = rng.choice([to, f"{to}; {to}", "ip nexthop flush", "ip nexthop replace id 9 via 203.0.113.9 dev $device"])
    return Fault(f"{what}; ip route flush table 100\n{cut(rng)}")


@fault("routes: policy rules of one priority, and cut off")
def _order(rng: Random) -> Fault:
    octet = rng.choice([80, 81])
    return Fault(
        f"ip rule del pref 2000 from 203.0.113.{octet}; ip rule add pref 2000 from 203.0.113.99 lookup 100\n{cut(rng)}"
    )


@fault("routes: the controller is unreachable")
def _blackhole(rng: Random) -> Fault:
    kind = rng.choice(["blackhole", "unreachable", "prohibit"])
    return Fault(f"ip route add {kind} $peer/32")


@fault("routes: all are gone")
def _routes(rng: Random) -> Fault:
    return Fault("ip -6 route flush table main; ip route flush table main; ip route flush table 100")


@fault("routes: no IPv6 default route")
def _default(rng: Random) -> Fault:
    other = rng.choice(["", "; ip -6 route add default via fe80::dead dev $device", "; ip -6 route add default dev lo"])
    return Fault(f"ip -6 route del default{other}")


@fault("routes: policy rules lead nowhere")
def _policies(rng: Random) -> Fault:
    kind, priority = rng.choice(["blackhole", "unreachable", "prohibit"]), rng.randrange(1, 900)
    return Fault(
        rng.choice(
            [
                f"ip rule add pref {priority} to $peer {kind}",
                f"ip rule add pref {priority} from all {kind}; ip -6 rule add pref {priority} from all {kind}",
                "ip rule flush; ip -6 rule flush",
                f"ip rule del pref 1000; ip -6 rule del pref 1000; ip rule add pref {priority} ipproto tcp {kind}",
            ]
        )
    )


@fault("link: down")
def _down(rng: Random) -> Fault:
    return Fault("ip link set $device down")


@fault("link: an MTU too small")
def _mtu(rng: Random) -> Fault:
    return Fault(f"ip link set $device mtu {rng.choice([68, 100, 600, 1200])}")


@fault("link: no ARP")
def _arp(rng: Random) -> Fault:
    return Fault("ip link set $device arp off; ip link set $device down; ip link set $device up")


@fault("link: into a bridge")
def _bridge(rng: Random) -> Fault:
    # An interface that is new is left where it is.
    return Fault("ip link add br9 type bridge; ip link set $device master br9", mend="ip link del br9")


@fault("neighbours: a wrong one for the controller")
def _neighbour(rng: Random) -> Fault:
    octet = rng.randrange(10, 100)
    return Fault(
        f"ip neigh replace $peer lladdr 02:00:00:00:00:{octet} nud permanent dev $device; "
        "ip neigh del 192.0.2.9 dev $device"
    )


@fault("sysctls: no IPv6")
def _no_ipv6(rng: Random) -> Fault:
    return Fault(
        f"sysctl -qw net.ipv6.conf.{rng.choice(['all', 'default', '$device'])}.disable_ipv6=1 "
        "net.ipv6.conf.$device.disable_ipv6=1"
    )


@fault("sysctls: many, and the host is cut off")
def _sysctls(rng: Random) -> Fault:
    settings = [
        "net.ipv6.conf.all.forwarding=1",
        "net.ipv4.ip_forward=1",
        "net.ipv6.conf.$device.accept_ra=2",
        "net.ipv6.conf.all.accept_ra=0",
        "net.ipv6.conf.default.autoconf=0",
        "net.ipv6.conf.$device.accept_ra_defrtr=0",
        "net.ipv6.conf.$device.accept_dad=2",
        "net.ipv6.conf.all.use_tempaddr=2",
        "net.ipv6.bindv6only=1",
        "net.ipv4.conf.all.rp_filter=1",
        "net.ipv4.conf.$device.arp_ignore=8",
        "net.ipv4.icmp_echo_ignore_all=1",
    ]
    chosen = rng.sample(settings, rng.randrange(2, len(settings)))
    return Fault(f"sysctl -qw {' '.join(chosen)}\n{cut(rng)}")


# ---------------------------------------------------------------------------------------------------- files and daemons


@fault("files: changed, removed and new, and the host is cut off")
def _files(rng: Random) -> Fault:
    return Fault(
        "echo broken >/etc/network/interfaces; rm -f /etc/network/interfaces.d/*\n"
        "echo new >/etc/network/interfaces.d/new; echo net.ipv4.ip_forward=1 >/etc/sysctl.d/90-new.conf\n"
        "echo broken >/etc/iptables/rules.v6; chmod 600 /etc/nftables.conf; echo '# more' >>/etc/nftables.conf\n"
        "mkdir -p /etc/netplan; echo new >/etc/netplan/90-new.yaml\n"
        "mkdir -p /etc/systemd/network/10-new.network.d; echo new >/etc/systemd/network/10-new.network.d/new.conf\n"
        f"{cut(rng)}"
    )


@fault("files: a link among them, and cut off")
def _link(rng: Random) -> Fault:
    # What it leads to is nobody's but the host's.
    target = rng.choice(["/etc/passwd", "/etc/hostname", "/etc/ssh", "/etc/fault-daemon.conf"])
    place = rng.choice(["sysctl.d/90-new.conf", "network/interfaces.d/new", "nftables.conf", "sysctl.d/README.sysctl"])
    return Fault(f"ln -sf {target} /etc/{place}\n{cut(rng)}")


@fault("files: a folder is gone, and cut off")
def _folder(rng: Random) -> Fault:
    folder = rng.choice(["/etc/network/interfaces.d", "/etc/network", "/etc/iptables", "/etc/systemd/network"])
    then = rng.choice(["", f"; mkdir -m 700 {folder}", f"; ln -s /etc/ssh {folder}", f"; echo file >{folder}"])
    return Fault(
        f"rm -rf {folder}{then}\n{cut(rng)}",
        files=["/etc/network/*", "/etc/network/*/*"],
    )


@fault("daemons: reloaded once their files are back")
def _daemon(rng: Random) -> Fault:
    word = rng.choice(["reload", "restart"])
    return Fault(
        f"echo second >/etc/fault-daemon.conf; systemctl {word} fault-daemon\n{cut(rng)}",
        files=["/etc/fault-daemon.conf"],
        services=["fault-daemon"],
    )


@fault("daemons: stopped")
def _stopped(rng: Random) -> Fault:
    return Fault(f"systemctl stop fault-daemon\n{cut(rng)}", services=["fault-daemon"])


SSHD = ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*"]


@fault("sshd: another port")
def _sshd_port(rng: Random) -> Fault:
    return Fault(
        f"echo 'Port {rng.randrange(1025, 9000)}' >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh",
        files=SSHD,
        services=["ssh"],
    )


@fault("sshd: lets nobody in")
def _sshd_nobody(rng: Random) -> Fault:
    line = rng.choice(["AllowUsers nobody", "ListenAddress 127.0.0.1", "PubkeyAuthentication no"])
    return Fault(
        f"sed -i '1i {line}' /etc/ssh/sshd_config; systemctl {rng.choice(['restart', 'reload'])} ssh",
        files=SSHD,
        services=["ssh"],
    )


@fault("sshd: stopped")
def _sshd_stopped(rng: Random) -> Fault:
    return Fault("systemctl stop ssh", files=SSHD, services=["ssh"])


# -------------------------------------------------------------------------------------- the guard and what it stands on


@fault("guard: the process is killed")
def _first_holder(rng: Random) -> Fault:
    return Fault(f"kill -9 -$(cat /var/lib/ipv6-rollout-guard/holder)\n{cut(rng)}")


@fault("guard: the timer is stopped")
def _second_holder(rng: Random) -> Fault:
    return Fault(f"systemctl stop ipv6-rollout-guard.timer\n{cut(rng)}")


@fault("guard: signals to the process")
def _signals(rng: Random) -> Fault:
    name = rng.choice(["HUP", "TERM", "INT", "USR1"])
    return Fault(f"kill -{name} -$(cat /var/lib/ipv6-rollout-guard/holder)\n{cut(rng)}")


@fault("guard: no systemd-run")
def _no_systemd_run(rng: Random) -> Fault:
    away = "/usr/bin/systemd-run"
    return Fault(cut(rng), prepare=f"mv {away} {away}.away", mend=f"mv {away}.away {away}")


@fault("guard: no setsid")
def _no_setsid(rng: Random) -> Fault:
    away = "/usr/bin/setsid"
    return Fault(cut(rng), prepare=f"mv {away} {away}.away", mend=f"mv {away}.away {away}")


@fault("guard: armed twice")
def _twice(rng: Random) -> Fault:
    return Fault(both("-I INPUT -p tcp --syn -j DROP"), twice=True)


@fault("guard: /var is full")
def _full(rng: Random) -> Fault:
    return Fault(
        f"{_files(rng).sabotage}\ndd if=/dev/zero of=/var/lib/fill bs=4k 2>/dev/null",
        prepare="mount -t tmpfs -o size=3m tmpfs /var/lib",
        mend="umount -l /var/lib",
    )


def hanging(programs: list[str], rng: Random) -> Fault:
    """Let each of these programs hang the first time that the guard asks it when the time is over."""
    guard = "/var/lib/ipv6-rollout-guard"
    script = (
        f"#!/bin/sh\\nread -r now rest </proc/uptime\\nread -r end <{guard}/deadline\\n"
        '[ "${now%%.*}" -ge "${end:-9999999999}" ] && mkdir "/run/hung.${0##*/}" && sleep 1000\\n'
        'PATH=/usr/sbin:/usr/bin:/sbin:/bin exec "${0##*/}" "$@"\\n'
    )
    names = " ".join(programs)
    return Fault(
        f"{both('-I INPUT -p tcp -j DROP')}; ip -6 route del default; echo broken >/etc/network/interfaces\n"
        f"for name in {names}; do\nprintf '{script}' >/usr/local/sbin/$name; chmod +x /usr/local/sbin/$name\ndone",
        mend=f"for name in {names}; do rm -rf /usr/local/sbin/$name /run/hung.$name; done",
    )


@fault("guard: nft hangs")
def _nft_hangs(rng: Random) -> Fault:
    return hanging(["nft"], rng)


@fault("guard: iptables hangs")
def _iptables_hangs(rng: Random) -> Fault:
    return hanging(rng.choice([["iptables-nft-save"], ["ip6tables-nft-restore"], ["iptables-legacy-save"]]), rng)


@fault("guard: ip hangs")
def _ip_hangs(rng: Random) -> Fault:
    return hanging(["ip"], rng)


@fault("guard: /run is full")
def _run_full(rng: Random) -> Fault:
    used = "$(df -k --output=used /run | tail -n 1)"
    return Fault(
        f"{cut(rng)}\nmount -o remount,size=$(({used} + 64))k /run; dd if=/dev/zero of=/run/fill bs=1k 2>/dev/null",
        mend="rm -f /run/fill; mount -o remount,size=50% /run",
    )


@fault("guard: systemctl isolate, and new connections are cut")
def _isolate(rng: Random) -> Fault:
    word = rng.choice(["isolate multi-user.target", "default"])
    return Fault(f"{both('-I INPUT -p tcp --syn -j DROP')}\nsystemctl daemon-reload; systemctl {word}")


@fault("Python: gone")
def _python(rng: Random) -> Fault:
    away = "/usr/bin/python3"
    return Fault(f"mv {away} {away}.away\n{cut(rng)}", mend=f"mv {away}.away {away}")


# --------------------------------------------------------------------------------------- the controller and the machine


@fault("controller: killed right after the apply, harmless change")
def _killed_harmless(rng: Random) -> Fault:
    return Fault(f"ip -6 addr add 2001:db8:fa17:3::{rng.randrange(1, 99)}/64 dev $device", kill="applied", pause=4)


@fault("controller: killed right after the apply, cut off")
def _killed_cut(rng: Random) -> Fault:
    return Fault(cut(rng), kill="applied")


@fault("controller: killed at any moment")
def _killed(rng: Random) -> Fault:
    return Fault(both("-I INPUT -p tcp --syn -j DROP"), kill=rng.uniform(0, 3))


@fault("controller: its connections are killed, cut off")
def _connections(rng: Random) -> Fault:
    return Fault(both("-I INPUT -p tcp --syn -j DROP"), kill_connections=True, pause=1)


@fault("machine: restarted")
def _restarted(rng: Random) -> Fault:
    return Fault(_files(rng).sabotage, restart=rng.choice(["soft", "hard"]))


@fault("operators: two at once")
def _operators(rng: Random) -> Fault:
    # The other one must still be able to hear that it is refused.
    return Fault(f"sleep 3\n{cut(rng)}", operators=2)
