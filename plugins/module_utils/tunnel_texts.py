# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""6in4 and WireGuard for the next boot: the files of each back end."""

from __future__ import annotations

import typing as t
import uuid

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import File, Files, Peer, Wish

HEADER = "# Written by the ipv6.rollout collection: the module tunnel replaces and removes it.\n"
BACKENDS = ("ifupdown", "networkd", "netplan", "networkmanager")
# The outer TTL. The kernel's default copies the inner hop limit, so that traceroute would show hops of both.
TTL = 64
NETWORKD = "/etc/systemd/network"
NETWORKD_GROUP = "systemd-network"
WIREGUARD = "/etc/wireguard"
# Of this project's own, so that a connection of the same name has the same UUID on every host and in every run.
_NAMESPACE = uuid.UUID("9c4a3d52-6a0c-5c1c-8f0a-26e4c6a1d0e7")


def _file(lines: t.Sequence[str], mode: int = 0o644, secret: bool = False, group: str = "") -> File:
    return File((HEADER + "".join(line + "\n" for line in lines)).encode(), mode, secret, group)


def ifupdown_6in4(wish: Wish) -> Files:
    """Return the stanza of interfaces(5). v4tunnel takes one address; more of them and routes are commands."""
    lines = [
        f"auto {wish.name}",
        f"iface {wish.name} inet6 v4tunnel",
        f"    address {wish.addresses[0]}",
        f"    local {wish.local}",
        f"    endpoint {wish.remote}",
        f"    ttl {TTL}",
        f"    mtu {wish.mtu}",
        *(f"    up ip -6 addr replace {address} dev {wish.name}" for address in wish.addresses[1:]),
        *(f"    up ip -6 route add {route} dev {wish.name}" for route in wish.routes),
    ]
    return {f"/etc/network/interfaces.d/60-ipv6-rollout-{wish.name}": _file(lines)}


def _network(wish: Wish, routes: t.Sequence[str]) -> File:
    lines = ["[Match]", f"Name={wish.name}", "", "[Network]", "IPv6AcceptRA=no"]
    lines += [f"Address={address}" for address in wish.addresses]
    for route in routes:
        lines += ["", "[Route]", f"Destination={route}"]
    return _file(lines)


def networkd_6in4(wish: Wish) -> Files:
    """Return the device and its network. Independent, so that no file of the outer interface has to name it."""
    lines = [
        "[NetDev]",
        f"Name={wish.name}",
        "Kind=sit",
        f"MTUBytes={wish.mtu}",
        "",
        "[Tunnel]",
        "Independent=yes",
        f"Local={wish.local}",
        f"Remote={wish.remote}",
        f"TTL={TTL}",
    ]
    base = f"{NETWORKD}/60-ipv6-rollout-{wish.name}"
    return {f"{base}.netdev": _file(lines), f"{base}.network": _network(wish, wish.routes)}


def netplan_6in4(wish: Wish) -> Files:
    """Return the tunnel for netplan, which turns it into files of networkd or NetworkManager."""
    lines = [
        "network:",
        "  version: 2",
        "  tunnels:",
        f"    {wish.name}:",
        "      mode: sit",
        f"      local: {wish.local}",
        f"      remote: {wish.remote}",
        f"      ttl: {TTL}",
        f"      mtu: {wish.mtu}",
        "      accept-ra: false",
        "      addresses:",
        *(f'        - "{address}"' for address in wish.addresses),
    ]
    lines += ["      routes:"] if wish.routes else []
    for route in wish.routes:
        lines += [f'        - to: "{route}"', "          scope: link"]
    # netplan warns about files that others may read, whatever is in them.
    return {f"/etc/netplan/90-ipv6-rollout-{wish.name}.yaml": _file(lines, 0o600)}


def networkmanager_6in4(wish: Wish) -> Files:
    """Return the keyfile of NetworkManager: an ip-tunnel of mode 3, which is sit."""
    lines = [
        "[connection]",
        f"id={wish.name}",
        f"uuid={uuid.uuid5(_NAMESPACE, wish.name)}",
        "type=ip-tunnel",
        f"interface-name={wish.name}",
        "",
        "[ip-tunnel]",
        "mode=3",
        f"local={wish.local}",
        f"remote={wish.remote}",
        f"ttl={TTL}",
        f"mtu={wish.mtu}",
        "",
        "[ipv4]",
        "method=disabled",
        "",
        "[ipv6]",
        "method=manual",
        *(f"address{number}={address}" for number, address in enumerate(wish.addresses, 1)),
        *(f"route{number}={route}" for number, route in enumerate(wish.routes, 1)),
    ]
    # NetworkManager ignores a keyfile that others may read.
    return {f"/etc/NetworkManager/system-connections/{wish.name}.nmconnection": _file(lines, 0o600)}


SIT: t.Dict[str, t.Callable[[Wish], Files]] = {
    "ifupdown": ifupdown_6in4,
    "networkd": networkd_6in4,
    "netplan": netplan_6in4,
    "networkmanager": networkmanager_6in4,
}


def allowed(wish: Wish) -> t.List[str]:
    """Return the prefixes that lead into a WireGuard tunnel: what its peers may send from."""
    return [prefix for peer in wish.peers for prefix in peer.allowed]


def peer_lines(peer: Peer, section: str) -> t.List[str]:
    """Return a peer as wg(8) and networkd write it; the words are the same."""
    lines = ["", section, f"PublicKey = {peer.public_key}"]
    lines += [f"PresharedKey = {peer.preshared_key}"] if peer.preshared_key else []
    lines.append(f"AllowedIPs = {', '.join(peer.allowed)}")
    lines += [f"Endpoint = {peer.endpoint}"] if peer.endpoint else []
    lines += [f"PersistentKeepalive = {peer.keepalive}"] if peer.keepalive else []
    return lines


def key_path(wish: Wish, backend: str) -> str:
    """Return where the private key is: the user's file, or ours. /etc/wireguard is for root only; networkd is not."""
    own = f"{NETWORKD}/60-ipv6-rollout-{wish.name}.key" if backend == "networkd" else f"{WIREGUARD}/{wish.name}.key"
    return wish.key_file or own


def _with_secret(wish: Wish, lines: t.Sequence[str], group: str) -> File:
    """Return a file that is a secret where a preshared key is in it."""
    secret = any(peer.preshared_key for peer in wish.peers)
    mode = 0o640 if group else 0o600
    return _file(lines, mode if secret else 0o644, secret, group if secret else "")


def wg_quick(wish: Wish) -> Files:
    """Return the files of wg-quick(8), for every host that networkd does not run. The key has a file of its own."""
    key = key_path(wish, "")
    lines = ["[Interface]", *(f"Address = {address}" for address in wish.addresses), f"MTU = {wish.mtu}"]
    lines += [f"ListenPort = {wish.port}"] if wish.port else []
    lines.append(f"PostUp = wg set %i private-key {key}")
    for peer in wish.peers:
        lines += peer_lines(peer, "[Peer]")
    found: Files = {key: File(f"{wish.key}\n".encode(), 0o600, True)} if wish.key else {}
    # wg-quick warns where others may read its file.
    found[f"{WIREGUARD}/{wish.name}.conf"] = _with_secret(wish, lines, "")._replace(mode=0o600)
    return found


def networkd_wireguard(wish: Wish) -> Files:
    """Return the device and its network for networkd, which runs as a user of its own and has to read the key."""
    key = key_path(wish, "networkd")
    lines = ["[NetDev]", f"Name={wish.name}", "Kind=wireguard", f"MTUBytes={wish.mtu}", "", "[WireGuard]"]
    lines.append(f"PrivateKeyFile={key}")
    lines += [f"ListenPort={wish.port}"] if wish.port else []
    for peer in wish.peers:
        lines += peer_lines(peer, "[WireGuardPeer]")
    found: Files = {key: File(f"{wish.key}\n".encode(), 0o640, True, NETWORKD_GROUP)} if wish.key else {}
    base = f"{NETWORKD}/60-ipv6-rollout-{wish.name}"
    found[f"{base}.netdev"] = _with_secret(wish, lines, NETWORKD_GROUP)
    found[f"{base}.network"] = _network(wish, allowed(wish))
    return found


def files_of(wish: Wish, backend: str) -> Files:
    """Return the files of a 6in4 or WireGuard tunnel for the back end of the host."""
    if backend not in BACKENDS:
        raise RolloutError(f"backend: {backend} is none of {', '.join(BACKENDS)}; name the one that this host uses")
    if wish.kind == "wireguard":
        return networkd_wireguard(wish) if backend == "networkd" else wg_quick(wish)
    return SIT[backend](wish)
