# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything changes on an interface, because it would cut off the user or the host."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import Operation, Route, Seen, Wanted


def refuse_beside(params: t.Mapping[str, t.Any]) -> None:
    """Refuse what would have no effect beside the list of interfaces."""
    beside = [key for key in ("name", "addresses", "gateway", "routes") if params["interfaces"] and params[key]]
    if beside:
        raise RolloutError(f"interfaces: {' and '.join(beside)} beside it would have no effect; put it into the list")


def refuse_elsewhere(wish: Wanted, seen: Seen, going: t.Mapping[str, t.Collection[str]]) -> None:
    """Refuse an address that another interface has; ``going``: those of each that are removed in the same run."""
    plain = {address.plain for address in wish.addresses}
    for device, held in seen.addresses.items():
        for address in held:
            if device != wish.name and address.text in plain and address.with_length not in going.get(device, ()):
                raise RolloutError(
                    f"addresses: {address.text} is already on {device}; remove it there, or name that interface"
                )


def refuse_own(name: str, steps: t.Sequence[Operation], own: t.Mapping[str, str], held: t.Collection[str] = ()) -> None:
    """Refuse to take away an address that this very connection needs; ``own`` tells what each one is.

    ``held``: the addresses of the interface, those of its link among them.
    """
    off = any(step.kind == "sysctl" and step.value == "disable_ipv6=1" for step in steps)
    for address in [address for address in held if off and address in own]:
        raise RolloutError(
            f"net.ipv6.conf.{name}.disable_ipv6: it was 1 before, and setting that again would remove {address}, "
            f"which is {own[address]}; connect over IPv4 and run again"
        )
    for step in steps:
        address = step.value.split()[0].partition("/")[0] if step.kind in ("remove", "forget") else ""
        if address in own:
            raise RolloutError(
                f"addresses: {address} is {own[address]}, so it is not removed in the same run; keep it as "
                f"{{address: {step.value.split()[0]}, deprecated: true}}, connect to another address of this host "
                "(over IPv4, or to the new one), and run again without it"
            )


def _reached(peer: str, routes: t.Sequence[Route]) -> bool:
    """Tell whether a route leads to an address, as far as its destination says so."""
    address = ipaddress.IPv6Address(peer)
    for route in routes:
        to = "::/0" if route.to == "default" else route.to
        if not route.nowhere and " from " not in to and address in ipaddress.IPv6Network(to, strict=False):
            return True
    return False


def refuse_cut_off(peer: str, before: Seen, then: Seen) -> None:
    """Refuse to take away the route to the other end of this very connection; no ``peer``: it is none over IPv6."""
    if peer and _reached(peer, before.routes) and not _reached(peer, then.routes):
        raise RolloutError(
            f"routes: no route would be left to {peer}, where this connection comes from; set another default route "
            "first, or connect over IPv4 and run again"
        )


def other_router(wish: Wanted, then: Seen) -> t.List[str]:
    """Return a remark for each default route of others that is preferred to the one that is wanted."""
    ours = [r for r in then.routes if r.default and (r.gateway, r.device) == (wish.gateway, wish.name) and not r.learnt]
    return [
        f"gateway: the default route via {route.gateway or route.device} dev {route.device} has the metric "
        f"{route.metric}, so it is used instead of {wish.gateway} ({min(one.metric for one in ours)}); remove one"
        for route in then.routes
        if ours and route.default and route not in ours and route.metric < min(one.metric for one in ours)
    ]


def refuse_no_route(wishes: t.Sequence[Wanted], then: Seen, ours: t.Sequence[str] = ()) -> None:
    """Refuse addresses on a host that would have no default route to use them with.

    ``ours``: the default routes that were set by this collection and are not asked for any more.
    """
    lasting = [route for route in then.routes if route.default and not route.learnt]
    if lasting or any(wish.accepts_ra for wish in wishes):
        return
    wish = wishes[0]
    learnt = [route.device for route in then.routes if route.default]
    why = (
        f"the default route of {learnt[0]} was learnt from router advertisements, which accept_ra=false switches off"
        if wish.name in learnt
        else "there is no IPv6 default route, so whatever this host sends to others from that address would fail"
    )
    if ours:
        why = f"the default route that an earlier run has set ({ours[0]}) goes where it is not named"
    raise RolloutError(
        f"gateway: none is named for {wish.name} ({wish.addresses[0].text}), and {why}; "
        "name the gateway, set accept_ra, or put no_default_route into allow"
    )
