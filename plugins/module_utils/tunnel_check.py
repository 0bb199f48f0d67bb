# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host can have a tunnel: decided before anything is touched, from what the host says of itself."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import Wish

# The kernel's module of each kind, and the kind of interface that it makes.
MODULES = {"openvpn": "tun", "6in4": "sit", "wireguard": "wireguard"}
DEVICES = {"openvpn": "tun", "6in4": "sit", "wireguard": "wireguard"}


class Host(t.NamedTuple):
    """What matters of a host. An empty reason (``ipv6``, ``kernel``, ``boot``) means that all is well."""

    ipv6: str  # why new interfaces have no IPv6
    kernel: str  # why the kernel has no such tunnel
    boot: str  # why the back end would not read our files
    devices: t.Mapping[str, str]  # interface: its kind, empty for a real one
    outer: t.FrozenSet[str]  # the host's own addresses of both families
    inner: t.Mapping[str, str]  # IPv6 prefix on another interface: that interface
    missing: t.FrozenSet[str]  # files that the options name, and that are not there
    firewall: t.Tuple[str, str]  # accept, refuse, depends or unknown; and what decides it
    routes: t.Tuple[t.Tuple[str, str], ...] = ()  # IPv6 routes of other interfaces: prefix and interface
    held: t.FrozenSet[str] = frozenset()  # prefixes that are routed into the tunnel already
    peer: str = ""  # where this session comes from, as far as that is known
    tunnels: t.FrozenSet[str] = frozenset()  # names of all our tunnels


def problems(wish: Wish, host: Host, ours: bool, lockout: str = "refuse") -> t.List[str]:
    """Return every reason why the tunnel can't be, each with the way out; ``ours``: this name is our own tunnel."""
    found = [reason for reason in (host.ipv6, host.kernel, host.boot) if reason]
    kind = host.devices.get(wish.name)
    if kind is not None and not ours:
        found.append(
            f"name: there is an interface {wish.name} ({kind or 'no tunnel'}) that this module did not make; "
            "take another name, or remove it first"
        )
    elif kind is not None and kind != DEVICES[wish.kind]:
        found.append(f"name: {wish.name} is a {kind} interface, not {DEVICES[wish.kind]}; remove it first")
    if wish.local and wish.local not in host.outer:
        found.append(
            f"local: {wish.local} is not an address of this host ({', '.join(sorted(host.outer)) or 'it has none'}); "
            "behind NAT name the private address that the host has"
        )
    found += [
        f"{option}: there is no file {path} on the host; put it there, or give the text itself"
        for option, path in (("ca", wish.ca), ("certificate", wish.certificate), ("key_file", wish.key_file))
        if path in host.missing
    ]
    found += _overlaps(wish, host)
    found += _stolen(wish, host)
    if lockout != "allow":
        found += _locked_out(wish, host)
    return found


def routed(wish: Wish) -> t.List[t.Tuple[str, str]]:
    """Return what this host will route into the tunnel, each prefix with the option that has it."""
    if wish.role == "server":  # it only tells its routes to its clients
        return [("clients: routed", route) for client in wish.clients for route in client.routed]
    allowed = [("peers: allowed", route) for peer in wish.peers for route in peer.allowed]
    return [*(("routes", route) for route in wish.routes), *allowed]


def _stolen(wish: Wish, host: Host) -> t.List[str]:
    """A route that another interface has would be taken from it, and nothing would give it back."""
    found = []
    for option, text in routed(wish):
        inside = ipaddress.IPv6Network(text)
        near = [
            f"{held} of {device}"
            for held, device in sorted(host.inner.items())
            if device != wish.name and inside.subnet_of(ipaddress.IPv6Network(held))
        ]
        same = [device for held, device in host.routes if held == text and text not in host.held]
        if near:
            found.append(f"{option}: {text} is in {near[0]} itself; name only what lies behind the tunnel")
        elif same:
            other = "name 2000::/3, or only what lies behind the tunnel" if text == "::/0" else "name parts of it"
            found.append(
                f"{option}: {same[0]} has a route to {text} already, which would be lost; {other}, or take that "
                "route out of its configuration first"
            )
    return found


def _locked_out(wish: Wish, host: Host) -> t.List[str]:
    """The answers of the running session must not go into a tunnel that may lead nowhere."""
    try:
        peer = ipaddress.IPv6Address(host.peer)
    except ValueError:
        return []  # no SSH, or over IPv4
    ways = [ipaddress.IPv6Network(text) for text, _device in host.routes]
    now = max([way.prefixlen for way in ways if peer in way], default=-1)
    own = [("addresses", str(ipaddress.IPv6Interface(text).network)) for text in wish.addresses]
    own += [("network", wish.network)] if wish.network else []
    found = []
    for option, text in [*routed(wish), *own]:
        inside = ipaddress.IPv6Network(text)
        if peer in inside and inside.prefixlen >= now and text not in host.held:
            found.append(
                f"{option}: {text} leads to {peer}, from where this session comes, so it would be cut off; name "
                "smaller prefixes, log in another way, or allow it with lockout"
            )
    return found


def _overlaps(wish: Wish, host: Host) -> t.List[str]:
    """A prefix that is on another link already would lead to two places."""
    wanted = [*wish.addresses, *([wish.network] if wish.network else [])]
    found = []
    for text in wanted:
        inside = ipaddress.IPv6Interface(text).network
        for held, device in sorted(host.inner.items()):
            if device != wish.name and inside.overlaps(ipaddress.IPv6Network(held)):
                option = "network" if wish.network else "addresses"
                out = "give the tunnel a subnet of its own"
                if device in host.tunnels:
                    out = f"{device} is a tunnel of ours: take it back first with state absent, or use another prefix"
                found.append(f"{option}: {text} overlaps {held} of {device}; {out}")
    return found


def remarks(wish: Wish, host: Host) -> t.List[str]:
    """Return what does not stop the tunnel, and what its user has to know."""
    found = []
    result, decided_by = host.firewall
    what = {"6in4": f"protocol 41 from {wish.remote}", "openvpn": f"UDP port {wish.port}"}.get(wish.kind, "")
    if wish.kind == "wireguard" and wish.port:
        what = f"UDP port {wish.port}"
    if what and wish.role != "client" and result != "accept":
        says = {"refuse": "is refused", "depends": "may be refused"}.get(result, "may be refused, nobody can tell")
        found.append(f"firewall: {what} {says} by this host's rules ({decided_by}); the tunnel needs it accepted")
    leads_on = [*wish.routes, *(route for client in wish.clients for route in client.routed)]
    if wish.role == "server" and leads_on and not wish.forwarding:
        found.append(
            f"forwarding: it is off, so clients reach this host but not {leads_on[0]}; set it where this host routes"
        )
    if wish.kind == "6in4" and _private(wish.local):
        found.append(
            f"local: {wish.local} is a private address; NAT in between must pass protocol 41, and most does not: "
            "openvpn or wireguard go over UDP"
        )
    return found


def _private(text: str) -> bool:
    """Tell whether NAT is sure to be in between: RFC 1918 and RFC 6598, not what Python calls private."""
    ranges = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
    return any(ipaddress.IPv4Address(text) in ipaddress.IPv4Network(item) for item in ranges)
