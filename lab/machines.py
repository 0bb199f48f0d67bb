# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a container a name server, a web server, a mail server, a host of both, the lab machine or the router."""

from __future__ import annotations

import io
import tarfile

import hosting
import sites
import zones
from model import File, Files, Lab, Machine

INTERFACES = """\
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

# The address comes from the container engine, as it would from a provider's image.
auto eth0
iface eth0 inet manual
"""

# On a host that something else configures, ifupdown knows nothing but lo.
LOOPBACK = "auto lo\niface lo inet loopback\n"

# The other back ends know the IPv4 address themselves, as on a server that somebody installed.
NETWORKD = """\
[Match]
Name=eth0

[Network]
Address={address}
"""

# The name that netplan knows an interface under is not always the interface's own.
NETPLAN = """\
network:
  version: 2
  renderer: {renderer}
  ethernets:
    uplink:
      match:
        name: eth0
      addresses:
        - {address}
"""

NETWORKMANAGER = """\
[connection]
id=uplink
uuid=6a1c7a3e-0f0c-4d1b-9a52-5d2f0c9e1b07
type=ethernet
interface-name=eth0

[ipv4]
method=manual
address1={address}

[ipv6]
method=auto
"""

# A machine without IPv4: the engine gives an address all the same, and it goes before anybody can use it.
NO_IPV4 = """\
[Unit]
Description=Take away the IPv4 address that the container engine gave
DefaultDependencies=no
Before=network-pre.target networking.service
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip -4 addr flush dev eth0

[Install]
WantedBy=sysinit.target
"""

# NetworkManager leaves an interface alone that has an address before it starts, as the engine's container has. On a
# real host nothing has been there before it.
BARE = """\
[Unit]
Description=Take away the address that the container engine gave
Before=NetworkManager.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip -4 addr flush dev eth0

[Install]
WantedBy=multi-user.target
"""

# A service of the host's own that nobody outside may ever see, on both families like most daemons.
INTERNAL = """\
[Unit]
Description=Internal service on port 8080
After=network.target

[Service]
ExecStart=/usr/bin/python3 -m http.server --bind :: --directory /srv/internal 8080
DynamicUser=yes

[Install]
WantedBy=multi-user.target
"""


def _base(lab: Lab, machine: Machine, key: str) -> Files:
    names = " ".join(dict.fromkeys([lab.fqdn(machine), f"{machine.name}.{lab.domain}", machine.name]))
    files = {
        "/root/.ssh/authorized_keys": File(key, 0o600),
        "/etc/network/interfaces": File(INTERFACES),
        "/etc/hosts": File(f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n{machine.ssh} {names}\n"),
    }
    if not machine.ipv4:
        nameserver = lab.of_kind("nameserver")[0].interfaces(6)[0].ip
        files["/etc/systemd/system/no-ipv4.service"] = File(NO_IPV4)
        files["/etc/resolv.conf"] = File(f"search {lab.domain}\nnameserver {nameserver}\n")
    return files


def _backend(lab: Lab, machine: Machine) -> Files:
    address = f"{machine.ipv4}/{lab.network.prefixlen}"
    files = {"/etc/network/interfaces": File(LOOPBACK)}
    if machine.backend == "networkd":
        files["/etc/systemd/network/20-uplink.network"] = File(NETWORKD.format(address=address))
    elif machine.backend.startswith("netplan"):
        text = NETPLAN.format(address=address, renderer="networkd")
        if machine.backend == "netplan-networkmanager":
            # Without dhcp6 its profile would leave IPv6 to the kernel until the first address.
            text = NETPLAN.format(address=address, renderer="NetworkManager") + "      dhcp6: true\n"
        files["/etc/netplan/01-uplink.yaml"] = File(text, 0o600)
    else:
        path = "/etc/NetworkManager/system-connections/uplink.nmconnection"
        files[path] = File(NETWORKMANAGER.format(address=address), 0o600)
    if "bare" in BACKEND_UNITS[machine.backend]:
        files["/etc/systemd/system/bare.service"] = File(BARE)
    return files


def _nameserver(lab: Lab, secret: str) -> Files:
    key = f'key "rollout" {{\n    algorithm hmac-sha256;\n    secret "{secret}";\n}};\n'
    files = {
        "/etc/bind/rollout.key": File(key, 0o640, "bind"),
        "/etc/bind/named.conf.options": File(zones.named_options(lab)),
        "/etc/bind/named.conf.local": File(zones.named_local(lab)),
    }
    for zone, text in zones.zones(lab).items():
        files[f"/var/lib/bind/{zone}.zone"] = File(text, 0o644, "bind")
    return files


def _secondary(lab: Lab, secret: str) -> Files:
    primary = _nameserver(lab, secret)
    return {
        "/etc/bind/rollout.key": primary["/etc/bind/rollout.key"],
        "/etc/bind/named.conf.options": primary["/etc/bind/named.conf.options"],
        "/etc/bind/named.conf.local": File(zones.secondary_local(lab)),
    }


def _world(machine: Machine) -> Files:
    """A server of zones that are nobody's in the lab, such as the one above the lab's own domain."""
    files = {"/etc/bind/named.conf.local": File(zones.world_local(machine))}
    for zone, text in zones.world_zones(machine).items():
        files[f"/etc/bind/{zone}.zone"] = File(text)
    return files


def _web(machine: Machine) -> Files:
    return {
        "/var/www/html/index.html": File(f"{machine.name} answers\n"),
        "/etc/apache2/ports.conf": File("Listen 0.0.0.0:80\n"),
        "/etc/apache2/conf-enabled/servername.conf": File(f"ServerName {machine.name}\n"),
        "/srv/internal/index.html": File(f"{machine.name}: for internal use\n"),
        "/etc/systemd/system/internal.service": File(INTERNAL),
    }


def _mail(lab: Lab, machine: Machine) -> Files:
    main = hosting.main_cf(lab, machine, [lab.domain], "ipv4")
    return {"/etc/postfix/main.cf": File(main), **hosting.mail_names(lab.domain)}


def _addresses(machine: Machine) -> Files:
    """Addresses beside the engine's: of IPv6 the first is the one it speaks from, the others only on demand."""
    lines = []
    ipv6 = machine.interfaces(6)
    if ipv6:
        lines += ["iface eth0 inet6 static", f"    address {ipv6[0]}", "    gateway fe80::1"]
        lines += [f"    up ip -6 addr replace {address} dev eth0 preferred_lft 0" for address in ipv6[1:]]
    if machine.interfaces(4):
        lines += ["iface eth0 inet manual"]
        lines += [f"    up ip addr replace {address} dev eth0" for address in machine.interfaces(4)]
    return {"/etc/network/interfaces.d/lab": File("\n".join(lines) + "\n")}


def router_files(lab: Lab) -> Files:
    """The router: the gateway fe80::1 of every machine, with the whole prefix on one link."""
    lines = ["iface eth0 inet6 static", "    address fe80::1/64"]
    lines += [f"    up ip -6 addr replace {address} dev eth0" for address in lab.router]
    lines += [
        f"    up ip -6 route replace {lab.prefix} dev eth0",
        *[f"    up ip -6 route replace {prefix} via {by} dev eth0" for prefix, by in lab.routes],
        # All networks share one link here. Without this the router would tell its neighbours so, and from the
        # second packet on they would go past it: the lab would no longer prove that routing works.
        "    up ip6tables -w -A OUTPUT -p icmpv6 --icmpv6-type redirect -j DROP",
    ]
    return {
        "/etc/network/interfaces": File(INTERFACES),
        "/etc/network/interfaces.d/router": File("\n".join(lines) + "\n"),
    }


def files_of(lab: Lab, machine: Machine, key: str, secret: str) -> Files:
    """Return all files of a machine."""
    files = _base(lab, machine, key)
    if machine.kind == "nameserver":
        files.update(_nameserver(lab, secret))
    elif machine.kind == "secondary":
        files.update(_secondary(lab, secret))
    elif machine.kind == "web":
        files.update(_web(machine))
        files.update(sites.files_of(lab, machine) if machine.https else {})
    elif machine.kind == "mail":
        files.update(_mail(lab, machine))
    elif machine.kind == "hosting":
        files.update(hosting.files_of(lab, machine))
    if machine.backend != "ifupdown":
        files.update(_backend(lab, machine))
    if machine.addresses:
        files.update(_addresses(machine))
    if machine.zones:
        files.update(_world(machine))
    if machine.ports:
        files["/etc/iptables/rules.v4"] = File(sites.firewall(machine), 0o640)
    return files


UNITS: dict[str, list[str]] = {
    "router": ["networking"],
    "lab": ["networking", "netfilter-persistent"],
    "nameserver": ["networking", "netfilter-persistent", "named"],
    "secondary": ["networking", "netfilter-persistent", "named"],
    "web": ["networking", "netfilter-persistent", "apache2", "internal"],
    "mail": ["networking", "netfilter-persistent", "postfix"],
    "hosting": ["networking", "netfilter-persistent", "hosting", "apache2", "postfix", "dovecot"],
    "gateway": ["networking", "netfilter-persistent"],
    "client": ["networking", "netfilter-persistent"],
}


# What starts instead of `networking`. netplan's own part is a generator, which systemd runs by itself.
BACKEND_UNITS = {
    "ifupdown": ["networking"],
    "networkd": ["systemd-networkd"],
    "netplan": ["systemd-networkd"],
    "networkmanager": ["bare", "NetworkManager", "NetworkManager-wait-online"],
    "netplan-networkmanager": ["bare", "NetworkManager", "NetworkManager-wait-online"],
}


def units_of(machine: Machine) -> list[str]:
    """Return the units that a machine starts at boot."""
    others = [unit for unit in UNITS[machine.kind] if unit != "networking"]
    if machine.zones:
        others.append("named")
    if machine.https:
        others.insert(others.index("apache2"), "sites")
    return [*([] if machine.ipv4 else ["no-ipv4"]), *BACKEND_UNITS[machine.backend], *others]


def archive(files: Files) -> bytes:
    """Return the files as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, file in sorted(files.items()):
            data = file.content.encode()
            info = tarfile.TarInfo(path.lstrip("/"))
            info.size, info.mode = len(data), file.mode
            # tar looks the names up where it unpacks, so numbers need not agree.
            info.uname = info.gname = file.owner
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()
