# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change on an interface, decided from what is wanted and what is seen. Nothing here touches a host."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.module_utils.interface import (
    DEFAULT_METRIC,
    DEPRECATED,
    PREFERRED,
    Address,
    Operation,
    Record,
    Route,
    Seen,
    Wanted,
    is_deprecated,
    route_of,
)

RA = "ra"  # the word of a probe that asks for a router advertisement
Steps = t.List[Operation]
Place = t.Tuple[str, int]


def _lifetime(address: Address, words: str) -> Operation:
    before = "" if address.learnt else f"{address.with_length} {address.state}"
    return Operation("lifetime", f"{address.with_length} {words}", before)


def _like(address: Address, deprecated: bool) -> Operation:
    """Return what makes an address stay for ever, deprecated or not; its flags stay as they are."""
    return _lifetime(address, " ".join([DEPRECATED if deprecated else PREFERRED, *address.flags]))


def _address_steps(wish: Wanted, seen: Seen) -> t.Tuple[Steps, Steps, Steps]:
    """Return what adds addresses, what changes their lifetimes, and what removes those that are not asked for."""
    held = {address.text: address for address in seen.addresses.get(wish.name, ())}
    ours = set(seen.record.addresses)
    add: Steps = []
    lifetimes: Steps = []
    for asked in wish.addresses:
        there = held.get(asked.plain)
        if there is None:
            add.append(Operation("add", asked.words))
        elif there.dadfailed:
            # It stays like that for ever, even when the other host is gone: try again.
            add += [Operation("remove", there.words), Operation("add", asked.words)]
        elif there.with_length != asked.text:
            if there.with_length not in ours and not there.learnt:
                raise RolloutError(
                    f"addresses: {there.text} is on {wish.name} with /{there.length}, not as {asked.text}; "
                    "it was not added by this collection: remove it, or write its length"
                )
            add += [Operation("forget" if there.learnt else "remove", there.words), Operation("add", asked.words)]
        elif there.learnt or there.valid or there.preferred or there.deprecated != asked.deprecated:
            lifetimes.append(_like(there, asked.deprecated))
    stays = {asked.plain for asked in wish.addresses}
    for text, words in seen.record.lifetimes.items():
        there = held.get(text.partition("/")[0])
        if there is not None and there.text not in stays and there.state != words:
            lifetimes.append(_lifetime(there, words))
    # Preferred ones first, so that there is always a source address.
    lifetimes.sort(key=lambda step: is_deprecated(step.value))
    remove = [
        Operation("remove", address.words)
        for address in held.values()
        if address.with_length in ours and address.text not in stays
    ]
    return add, lifetimes, remove


def _replaced(seen: Seen, route: Route) -> str:
    """Return what a route takes the place of, a line each; what was learnt only its router can give back."""
    return "\n".join(other.words for other in seen.routes if other.place == route.place and not other.learnt)


def _already(seen: Seen, route: Route) -> t.List[Route]:
    """Return the routes that will do for one that is wanted; a default route will do with any metric."""
    return [
        other
        for other in seen.routes
        if (other.to, other.gateway, other.device) == (route.to, route.gateway, route.device)
        and not (other.learnt or other.nowhere)
        and (route.default or other.metric == route.metric)
    ]


def places(wish: Wanted, seen: Seen) -> t.Set[Place]:
    """Return the places that routes which are wanted have, or will have."""
    routes = [route_of(want.words(wish.name)) for want in wish.all_routes]
    return {([*_already(seen, route), route])[0].place for route in routes}


def _route_steps(wish: Wanted, seen: Seen, taken: t.Collection[Place]) -> t.Tuple[Steps, Steps]:
    """Return what makes the routes, and what takes back those of ours that are not asked for any more."""
    routes = [route_of(want.words(wish.name)) for want in wish.all_routes]
    make = [Operation("route", route.words, _replaced(seen, route)) for route in routes if not _already(seen, route)]
    ours = [route_of(words) for words in seen.record.routes]
    return make, _routes_back(seen, ours, {*places(wish, seen), *taken})


def _routes_back(seen: Seen, ours: t.Sequence[Route], kept: t.Collection[Place]) -> Steps:
    """Return what puts back what was there before routes of ours, or removes them; not in the places that are kept.

    Where ours is gone, others have decided since, and their route stays. What led over a device that is gone as well
    can't come back.
    """
    steps: Steps = []
    for route in ours:
        if route.place in kept or not any(route.same(other) and not other.nowhere for other in seen.routes):
            continue
        before = [
            words
            for words, other in [(words, route_of(words)) for words in seen.record.routes_before]
            if other.place == route.place and (other.nowhere or not other.device or other.device in seen.addresses)
        ]
        present = [other.words for other in seen.routes]
        steps += [Operation("route", words, _replaced(seen, route)) for words in before if words not in present]
        steps += [] if before else [Operation("unroute", route.words)]
    # What comes back first: an order without a moment between.
    return sorted(steps, key=lambda step: step.kind)


def not_coming_back(seen: Seen) -> t.List[str]:
    """Return the routes that were there before ours and whose device is gone."""
    routes = [route_of(words) for words in seen.record.routes_before]
    return [one.words for one in routes if not one.nowhere and one.device and one.device not in seen.addresses]


def _forgotten(wish: Wanted, seen: Seen, routes: t.Sequence[Operation]) -> Steps:
    """Return what removes that which the kernel learnt from router advertisements and would keep until it expires."""
    static = any(route.default and not route.learnt for route in seen.routes) or any(
        step.value.startswith("default ") for step in routes
    )
    if wish.sysctls.get("accept_ra") != "0" or not seen.kernel_ra or not static:
        return []
    asked = {address.plain for address in wish.addresses}
    stay = [address for address in seen.addresses.get(wish.name, ()) if not address.learnt or address.text in asked]
    texts = [address.with_length for address in stay] + [address.text for address in wish.addresses]
    networks = {ipaddress.IPv6Interface(text).network for text in texts}
    steps = [
        Operation("forget", f"route {route.words}")
        for route in seen.routes
        if route.device == wish.name
        and route.learnt
        and " from " not in route.to
        and (route.default or ipaddress.IPv6Network(route.to) not in networks)
    ]
    return steps + [
        Operation("forget", address.with_length)
        for address in seen.addresses.get(wish.name, ())
        if address.learnt and address.text not in asked
    ]


def _probe(wish: Wanted, seen: Seen, add: Steps, routes: Steps, allow: t.Collection[str]) -> Steps:
    """Return what has to be asked on the link before anything depends on the answer."""
    routers = [route_of(step.value).gateway for step in routes]
    advertised = (
        wish.accepts_ra
        and wish.gateway is None
        and "no_default_route" not in allow
        and not any(route.default for route in seen.routes)
    )
    if not add and not routers and not advertised:
        return []
    return [Operation("probe", " ".join([*dict.fromkeys(routers), *([RA] if advertised else [])]))]


def changes(wish: Wanted, seen: Seen, allow: t.Collection[str] = (), taken: t.Collection[Place] = ()) -> Steps:
    """Return the steps from what is seen to what is wanted, in their order; none where it is so already.

    New addresses come before old ones go. Only what this collection added (the record), and what the kernel learnt
    from router advertisements that are not wanted, is ever removed. ``taken``: places of routes of other interfaces.
    """
    sysctls = [
        Operation("sysctl", f"{key}={value}", seen.sysctls[key])
        for key, value in wish.sysctls.items()
        if key in seen.sysctls and seen.sysctls[key] != value
    ]
    add, lifetimes, remove = _address_steps(wish, seen)
    make, back = _route_steps(wish, seen, taken)
    probe = _probe(wish, seen, add, make, allow)
    return sysctls + probe + add + lifetimes + make + back + _forgotten(wish, seen, make) + remove


def phases(steps: t.Sequence[Operation]) -> t.Tuple[Steps, Steps]:
    """Part steps into those that add, and those at the end that only take away: to be done once all else is there."""
    end = len(steps)
    while end and steps[end - 1].kind in ("unroute", "forget", "remove"):
        end -= 1
    return list(steps[:end]), list(steps[end:])


def _switched_off(name: str, seen: Seen, steps: Steps) -> Steps:
    """Return what goes with IPv6 being switched off, as steps of their own, so that they can be judged and undone."""
    then = after(name, seen, steps)
    routes = [route for route in then.routes if route.device == name and route.gateway and not route.learnt]
    held = [address for address in then.addresses.get(name, ()) if not address.learnt]
    return [Operation("unroute", route.words) for route in routes] + [
        Operation("remove", address.words) for address in held
    ]


def changes_back(name: str, seen: Seen) -> Steps:
    """Return the steps that take everything back that the record tells of."""
    held = {address.with_length: address for address in seen.addresses.get(name, ())}
    record = seen.record
    lifetimes = [
        _lifetime(held[text], words)
        for text, words in record.lifetimes.items()
        if text in held and held[text].state != words
    ]
    remove = [Operation("remove", held[text].words) for text in record.addresses if text in held]
    sysctls = [
        Operation("sysctl", f"{key}={value}", seen.sysctls[key])
        for key, value in reversed(list(record.sysctls.items()))
        # Another value than ours is what others have set since.
        if key in seen.sysctls and value != seen.sysctls[key] == record.values.get(key, seen.sysctls[key])
    ]
    steps = _routes_back(seen, [route_of(words) for words in record.routes], ()) + lifetimes + remove
    if any(step.value == "disable_ipv6=1" for step in sysctls):
        steps += _switched_off(name, seen, steps)
    return steps + sysctls


def _handed_on(words: str, others: t.Collection[Record]) -> t.List[str]:
    """Return what was there before a route that is replaced: itself, or, where it is ours, what it replaced."""
    route = route_of(words)
    for record in others:
        if any(route.same(route_of(ours)) for ours in record.routes):
            return [one for one in record.routes_before if route_of(one).place == route.place]
    return [words]


def recorded(wish: Wanted, seen: Seen, steps: t.Sequence[Operation], others: t.Collection[Record] = ()) -> Record:
    """Return the record as it is once the steps are done; ``others``: the records of the other interfaces."""
    old = seen.record
    asked = {address.text for address in wish.addresses}
    held = {address.with_length: address for address in seen.addresses.get(wish.name, ())}
    addresses = [text for text in old.addresses if text in asked]
    lifetimes = {text: words for text, words in old.lifetimes.items() if text in asked}
    sysctls, values = dict(old.sysctls), dict(old.values)
    wanted = [route_of(route.words(wish.name)) for route in wish.all_routes]
    routes = {route_of(words).place: words for words in old.routes if any(route_of(words).same(r) for r in wanted)}
    # What a route of ours replaced stays known when another one of ours takes its place.
    before = list(old.routes_before)
    held_places = {route_of(words).place for words in old.routes}
    for step in steps:
        text = step.value.split()[0] if step.value else ""
        if step.kind == "sysctl":
            key, _equals, value = step.value.partition("=")
            sysctls.setdefault(key, step.before)
            values[key] = value
        elif step.kind == "add" or (step.kind == "lifetime" and held[text].learnt):
            addresses.append(text)
        elif step.kind == "lifetime" and text in asked and text not in addresses:
            lifetimes.setdefault(text, " ".join(step.before.split()[1:]))
        elif step.kind == "route" and step.value in [route.words for route in wanted]:
            place = route_of(step.value).place
            if place not in held_places:
                before += [one for words in step.before.splitlines() for one in _handed_on(words, others)]
            routes[place] = step.value
    before = [words for words in before if route_of(words).place in routes]
    return Record(tuple(dict.fromkeys(addresses)), sysctls, tuple(routes.values()), tuple(before), lifetimes, values)


def undone(steps: t.Sequence[Operation]) -> Steps:
    """Return the steps that undo some steps, last one first. What was learnt only its router can give back."""
    back: Steps = []
    for step in reversed(steps):
        if step.kind == "add":
            back.append(Operation("remove", step.value))
        elif step.kind == "remove":
            back.append(Operation("add", step.value))
        elif step.kind == "lifetime" and step.before:
            back.append(Operation("lifetime", step.before, step.value))
        elif step.kind == "sysctl":
            back.append(Operation("sysctl", f"{step.value.partition('=')[0]}={step.before}"))
        elif step.kind == "route":
            # A route takes the place of ours by itself, without a moment between.
            before = [Operation("route", line, step.value) for line in step.before.splitlines()]
            back += before or [Operation("unroute", step.value)]
        elif step.kind == "unroute":
            back.append(Operation("route", step.value))
    return back


def _number(words: t.Sequence[str], key: str) -> int:
    found = words[words.index(key) + 1] if key in words else "forever"
    return 0 if found == "forever" else int(found)


def _address_of(value: str) -> Address:
    words = value.split()
    plain, _slash, length = words[0].partition("/")
    numbers = [place + offset for place, word in enumerate(words) if word.endswith("_lft") for offset in (0, 1)]
    flags = tuple(word for place, word in enumerate(words) if place and place not in numbers)
    valid, preferred = _number(words, "valid_lft"), _number(words, "preferred_lft")
    return Address(plain, int(length), False, False, is_deprecated(value), False, valid, preferred, flags)


def _address_after(addresses: t.List[Address], step: Operation) -> t.List[Address]:
    text = step.value.split()[0]
    if step.kind == "add":
        return [*addresses, _address_of(step.value)]
    if step.kind == "lifetime":
        return [_address_of(step.value) if address.with_length == text else address for address in addresses]
    return [address for address in addresses if address.with_length != text]


def after(name: str, seen: Seen, steps: t.Sequence[Operation]) -> Seen:
    """Return what will be seen once the steps are done; this is what check mode shows."""
    addresses = [address for address in seen.addresses.get(name, ()) if not address.dadfailed]
    routes, sysctls = list(seen.routes), dict(seen.sysctls)
    for step in steps:
        if step.kind == "sysctl":
            key, _equals, value = step.value.partition("=")
            sysctls[key] = value
            if step.value == "disable_ipv6=1":
                addresses = []
                routes = [route for route in routes if route.device != name]
        elif step.kind == "route":
            made = route_of(step.value)
            routes = [route for route in routes if route.place != made.place] + [made]
        elif step.kind == "unroute" or step.value.startswith("route "):
            gone = route_of(step.value[6:] if step.kind == "forget" else step.value)
            learnt = step.kind == "forget"
            routes = [one for one in routes if one.nowhere or not (gone.same(one) and one.learnt == learnt)]
        elif step.kind != "probe":
            addresses = _address_after(addresses, step)
    return Seen({**seen.addresses, name: addresses}, routes, sysctls, seen.record, seen.kernel_ra)


def described(name: str, seen: Seen) -> str:
    """Return the state of an interface as text for a diff: one fact a line, in a fixed order."""
    note = {True: " (router advertisement)", False: ""}
    lines = sorted(
        f"address {address.with_length} dev {name}{' deprecated' if address.deprecated else ''}"
        # The seconds that are left are other ones each time.
        f"{' for some time' if address.valid or address.preferred else ''}{note[address.learnt]}"
        for address in seen.addresses.get(name, ())
    )
    lines += sorted(f"route {route.words.split()[0]} {route.to}" for route in seen.routes if route.nowhere)
    lines += sorted(
        f"route {route.to} via {route.gateway} dev {route.device}"
        f"{f' metric {route.metric}' if route.metric != DEFAULT_METRIC else ''}{note[route.learnt]}"
        for route in seen.routes
        if route.gateway and (route.default or route.device == name)
    )
    lines += [f"sysctl net.ipv6.conf.{name}.{key} = {value}" for key, value in sorted(seen.sysctls.items())]
    return "".join(line + "\n" for line in lines)
