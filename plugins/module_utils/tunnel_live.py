# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A tunnel on a running host: the unit that keeps it, or the interface itself; and what forwarding needs."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import commands, sockets, tunnel_openvpn
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_host as target
from ansible_collections.ipv6.rollout.plugins.module_utils import tunnel_texts as texts
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel import Wish
from ansible_collections.ipv6.rollout.plugins.module_utils.tunnel_check import DEVICES

FORWARDING = "net.ipv6.conf.all.forwarding"
START = 90.0
READY = 10.0

Sysctls = t.Dict[str, str]


class Step(t.NamedTuple):
    """A command, and what it reads. Secrets go that way, never as an argument."""

    argv: t.Tuple[str, ...]
    stdin: str = ""


def unit_of(wish: Wish, where: str) -> str:
    """Return the unit that keeps the tunnel, empty where the back end keeps it."""
    if wish.kind == "openvpn":
        return tunnel_openvpn.unit(wish)
    return f"wg-quick@{wish.name}.service" if wish.kind == "wireguard" and where != "networkd" else ""


def into_tunnel(wish: Wish) -> t.List[str]:
    """Return the prefixes that are routed into the tunnel."""
    return texts.allowed(wish) if wish.kind == "wireguard" else list(wish.routes)


def alive(wish: Wish, links: t.Sequence[target.Link], routes: t.Collection[str]) -> bool:
    """Tell whether the interface is as it should be. Peers of WireGuard are not looked at: their file tells."""
    link = next((link for link in links if link["ifname"] == wish.name), None)
    if link is None:
        return False
    described = link.get("linkinfo", {})
    data = described.get("info_data", {})
    return (
        described.get("info_kind") == DEVICES[wish.kind]
        and (wish.kind != "6in4" or (data.get("local"), data.get("remote")) == (wish.local, wish.remote))
        and link.get("mtu") == wish.mtu
        and "UP" in link.get("flags", [])
        and set(target.addresses_of(wish.name, links)) == set(wish.addresses)
        and set(into_tunnel(wish)) <= set(routes)
    )


def steps(wish: Wish, where: str, exists: bool) -> t.List[Step]:
    """Return what makes the interface; one that is there goes first, as outer addresses can't be changed."""
    name = wish.name
    made = [Step(("ip", "link", "del", "dev", name))] if exists else []
    if wish.kind == "6in4":
        outer = ("local", wish.local, "remote", wish.remote, "ttl", str(texts.TTL))
        made.append(Step(("ip", "link", "add", "name", name, "type", "sit", *outer)))
    else:
        made += [
            Step(("ip", "link", "add", "name", name, "type", "wireguard")),
            Step(("wg", "setconf", name, "/dev/stdin"), wg_text(wish)),
            Step(("wg", "set", name, "private-key", texts.key_path(wish, where))),
        ]
    made.append(Step(("ip", "link", "set", "dev", name, "mtu", str(wish.mtu), "up")))
    made += [Step(("ip", "-6", "addr", "replace", address, "dev", name)) for address in wish.addresses]
    # Not "replace": that would take the route of another interface away.
    made += [Step(("ip", "-6", "route", "add", route, "dev", name)) for route in into_tunnel(wish)]
    return made


def wg_text(wish: Wish) -> str:
    """Return what wg(8) takes: no addresses, and no private key, which is set from its file."""
    lines = ["[Interface]", *([f"ListenPort = {wish.port}"] if wish.port else [])]
    for peer in wish.peers:
        lines += texts.peer_lines(peer, "[Peer]")
    return "".join(line + "\n" for line in lines)


def without(name: str, routes: t.Sequence[str]) -> t.List[Step]:
    """Return what takes routes out of a living interface."""
    return [Step(("ip", "-6", "route", "del", route, "dev", name)) for route in routes]


def restore(name: str, routes: t.Sequence[str]) -> None:
    """Put those of the routes back that are not there."""
    for route in set(routes) - set(target.routes_of(name)):
        commands.check(["ip", "-6", "route", "add", route, "dev", name])


def carry_out(planned: t.Sequence[Step]) -> None:
    """Carry out the steps."""
    for step in planned:
        commands.check(list(step.argv), step.stdin)


def gone(name: str) -> None:
    """Remove an interface where it is there."""
    if any(link["ifname"] == name for link in target.links()):
        commands.check(["ip", "link", "del", "dev", name])


def accept_ra(name: str) -> str:
    """Return the sysctl that says whether an interface takes router advertisements."""
    return f"net.ipv6.conf.{name}.accept_ra"


def forwarding(heard: t.Iterable[str]) -> Sysctls:
    """Return the sysctls of a host that forwards, in the order in which they are set.

    A kernel that forwards ignores router advertisements unless accept_ra is 2, and drops the default route that it
    has from them at once. So accept_ra comes first.
    """
    return {**{accept_ra(name): "2" for name in sorted(set(heard))}, FORWARDING: "1"}


def set_sysctls(values: t.Mapping[str, str]) -> None:
    """Set sysctls, in this order; one that has its value is left alone."""
    for key, value in values.items():
        if target.sysctl(key) == value:
            continue
        try:
            with open(target.sysctl_path(key), "w", encoding="ascii") as handle:
                handle.write(value)
        except OSError as error:
            raise RolloutError(f"{key}: it can't be set to {value}: {error.strerror}") from error


def start(wish: Wish, unit: str) -> None:
    """Start a unit anew, or raise with what its log says.

    The unit of an OpenVPN server counts as started before the server has its socket; its status tells when it has.
    """
    since = time.time()
    commands.run(["systemctl", "reset-failed", unit])
    done = commands.run(["systemctl", "restart", unit], timeout=START)
    if done.rc == 0 and (wish.role != "server" or sockets.wait(lambda: complete(unit), READY, 0.2)):
        return
    log = commands.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit, f"--since=@{int(since)}"]).out
    raise RolloutError(f"{unit} does not start: {tunnel_openvpn.reason(log) or done.said}")


def complete(unit: str) -> bool:
    """Tell whether OpenVPN says that it is ready: a server for its clients, a client for its packets."""
    told = commands.run(["systemctl", "show", "--property=StatusText", "--value", unit]).out
    return tunnel_openvpn.TAKEN["server"] in told


def again(unit: str) -> None:
    """Start a unit as it was before; the error that led here is the one that is told."""
    commands.run(["systemctl", "reset-failed", unit])
    commands.run(["systemctl", "restart", unit], timeout=START)


def settle(unit: str, enabled: bool, active: bool) -> None:
    """Bring a unit back to what it was before, also where its package is gone and there is nothing to stop."""
    if target.unit_state(unit)[0] != enabled:
        done = commands.run(["systemctl", "--quiet", "enable" if enabled else "disable", unit])
        if target.unit_state(unit)[0] != enabled:
            raise RolloutError(f"{unit} can't be {'enabled' if enabled else 'disabled'}: {done.said}")
    if active:
        again(unit)
        return
    # Also one that systemd is about to start once more.
    done = commands.run(["systemctl", "stop", unit], timeout=START)
    if target.unit_state(unit)[1]:
        raise RolloutError(f"{unit} does not stop: {done.said}")
    commands.run(["systemctl", "reset-failed", unit])


def connected(wish: Wish, unit: str, seconds: float) -> bool:
    """Wait until packets can pass, as far as this end can tell: an OpenVPN client's server has answered."""

    def reached() -> bool:
        there = bool(target.addresses_of(wish.name, target.links()))
        return there and (wish.kind != "openvpn" or complete(unit))

    return sockets.wait(reached, seconds, 0.2)
