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
