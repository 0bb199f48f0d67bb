# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change on an interface, decided from what is wanted and what is seen. Nothing here touches a host."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

# Letters, digits and what VLANs and bridges use; the kernel allows 15 characters.
DEFAULT_METRIC = "1024"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}")


class Address(t.NamedTuple):
    """An IPv6 address as an interface carries it."""

    text: str
    length: int
    dadfailed: bool = False
    tentative: bool = False

    @property
    def with_length(self) -> str:
        """The address as it is configured."""
        return f"{self.text}/{self.length}"


class Route(t.NamedTuple):
    """A default route, and the words with which ``ip route replace`` makes it again."""

    gateway: str
    device: str
    words: str

    @property
    def replaceable(self) -> bool:
        """Whether ``ip -6 route replace`` without a metric takes its place."""
        words = self.words.split()
        return "metric" not in words or words[words.index("metric") + 1] == DEFAULT_METRIC

    @property
    def learnt(self) -> bool:
        """Whether a router advertisement made it, so that only another one can make it again."""
        return " proto ra" in self.words


class Wanted(t.NamedTuple):
    """What the user asks of one interface; ``gateway`` None: the default route is left alone."""

    name: str
    addresses: t.Tuple[str, ...]
    gateway: t.Optional[str]
    sysctls: t.Mapping[str, str]


class Record(t.NamedTuple):
    """What this collection added to an interface, and what was there instead."""

    addresses: t.Tuple[str, ...] = ()
    sysctls: t.Mapping[str, str] = {}
    route: str = ""
    routes_before: t.Tuple[str, ...] = ()

    @classmethod
    def load(cls, data: t.Mapping[str, t.Any]) -> Record:
        """Read a record from the ledger."""
        return cls(
            tuple(data.get("addresses", ())),
            dict(data.get("sysctls", {})),
            data.get("route", ""),
            tuple(data.get("routes_before", ())),
        )

    def dump(self) -> t.Dict[str, t.Any]:
        """Return the record as the ledger keeps it."""
        return {
            "addresses": list(self.addresses),
            "sysctls": dict(self.sysctls),
            "route": self.route,
            "routes_before": list(self.routes_before),
        }


class Seen(t.NamedTuple):
    """What the host has now: global addresses of every interface, IPv6 default routes, one interface's sysctls."""

    addresses: t.Mapping[str, t.Sequence[Address]]
    routes: t.Sequence[Route]
    sysctls: t.Mapping[str, str]
    record: Record = Record()


class Operation(t.NamedTuple):
    """One step: ``sysctl``, ``add``, ``remove``, ``route`` or ``unroute``, with its value, and what undoes it."""

    kind: str
    value: str
    before: str = ""


def interface_name(value: object) -> str:
    """Check the name of an interface."""
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise RolloutError(f"name: {shown(value)} is no interface name; 'ip link' lists them")
    return str(value)


def host_address(value: object) -> str:
    """Check an address with its prefix length and return it as RFC 5952 text."""
    if not isinstance(value, str):
        raise RolloutError(f"addresses: {shown(value)} is no text: YAML took it for something else; put it into quotes")
    address, slash, length = str(value).partition("/")
    if not slash:
        raise RolloutError(f'addresses: {shown(value)} has no prefix length; write it as "{address}/64"')
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        raise RolloutError(
            f'addresses: {shown(value)} is no IPv6 address; it looks like "2001:db8:1200::80/64"'
        ) from None
    if "%" in address:
        raise RolloutError(f"addresses: {shown(value)} has a zone; name the interface with name")
    if not re.fullmatch(r"[1-9]\d{0,2}", length) or int(length) > 128:
        raise RolloutError(
            f"addresses: {shown(value)} has the prefix length {shown(length)}; it is 1 to 128, mostly 64"
        )
    bits = int(length)
    if parsed.ipv4_mapped or parsed.is_multicast or parsed.is_loopback or parsed.is_unspecified or parsed.is_link_local:
        raise RolloutError(f"addresses: {shown(value)} is no global unicast address; take one of the host's subnet")
    if bits < 127 and int(parsed) & ((1 << (128 - bits)) - 1) == 0:
        raise RolloutError(
            f"addresses: {shown(value)} is a prefix (and its subnet-router anycast address), no host's address; "
            "add the host's interface identifier"
        )
    return f"{parsed.compressed}/{bits}"


def gateway_address(value: object, addresses: t.Sequence[str]) -> str:
    """Check the address of the router and return it as RFC 5952 text."""
    if not isinstance(value, str):
        raise RolloutError(f"gateway: {shown(value)} is no text: YAML took it for something else; put it into quotes")
    try:
        parsed = ipaddress.IPv6Address(str(value))
    except ValueError:
        raise RolloutError(f'gateway: {shown(value)} is no IPv6 address; it looks like "fe80::1"') from None
    if "%" in value or parsed.ipv4_mapped or parsed.is_multicast or parsed.is_loopback or parsed.is_unspecified:
        raise RolloutError(f'gateway: {shown(value)} can\'t be a router; give its address alone, like "fe80::1"')
    if parsed.compressed in [address.partition("/")[0] for address in addresses]:
        raise RolloutError(f"gateway: {shown(value)} is an address of this host itself; give the router's")
    return parsed.compressed


def wanted(
    name: str, addresses: t.Sequence[object], gateway: object, accept_ra: bool, privacy: bool, forwarding: bool
) -> Wanted:
    """Check what the user gave and return it in canonical form."""
    checked = tuple(dict.fromkeys(host_address(address) for address in addresses))
    plain = [address.partition("/")[0] for address in checked]
    for address in plain:
        if plain.count(address) > 1:
            raise RolloutError(f"addresses: {address} is there with two prefix lengths; keep the right one")
    # A router must say 2: with 1 and forwarding the kernel drops what it learnt (and its default route) at once.
    accept = ("2" if forwarding else "1") if accept_ra else "0"
    sysctls = {
        "accept_ra": accept,
        # An address of its own making next to the planned one would be a source address without a PTR.
        "autoconf": "1" if accept_ra and privacy else "0",
        "use_tempaddr": "2" if privacy else "0",
    }
    return Wanted(name, checked, gateway_address(gateway, checked) if gateway is not None else None, sysctls)


def _refuse_elsewhere(wish: Wanted, seen: Seen) -> None:
    plain = {address.partition("/")[0] for address in wish.addresses}
    for device, held in seen.addresses.items():
        for address in held:
            if device != wish.name and address.text in plain:
                raise RolloutError(
                    f"addresses: {address.text} is already on {device}; remove it there, or name that interface"
                )


def _address_steps(wish: Wanted, seen: Seen) -> t.Tuple[t.List[Operation], t.List[Operation]]:
    held = {address.text: address for address in seen.addresses.get(wish.name, ())}
    ours = set(seen.record.addresses)
    add: t.List[Operation] = []
    for address in wish.addresses:
        there = held.get(address.partition("/")[0])
        if there is None:
            add.append(Operation("add", address))
        elif there.dadfailed:
            # It stays like that for ever, even when the other host is gone: try again.
            add += [Operation("remove", there.with_length), Operation("add", address)]
        elif there.with_length != address:
            if there.with_length not in ours:
                raise RolloutError(
                    f"addresses: {there.text} is on {wish.name} with /{there.length}, not as {address}; "
                    "it was not added by this collection: remove it, or write its length"
                )
            add += [Operation("remove", there.with_length), Operation("add", address)]
    stays = {address.partition("/")[0] for address in wish.addresses}
    remove = [
        Operation("remove", address.with_length)
        for address in held.values()
        if address.with_length in ours and address.text not in stays
    ]
    return add, remove


def _route_steps(wish: Wanted, seen: Seen) -> t.List[Operation]:
    if wish.gateway is None:
        return _route_back(seen)
    if any(route.gateway == wish.gateway and route.device == wish.name for route in seen.routes):
        return []
    before = "\n".join(route.words for route in seen.routes if route.replaceable and not route.learnt)
    return [Operation("route", f"default via {wish.gateway} dev {wish.name} onlink", before)]


def _route_back(seen: Seen) -> t.List[Operation]:
    ours = seen.record.route
    if not ours:
        return []
    words = ours.split()
    there = any(["via", route.gateway, "dev", route.device] == words[1:5] for route in seen.routes)
    missing = [words for words in seen.record.routes_before if words not in [route.words for route in seen.routes]]
    back = [Operation("route", words) for words in missing]
    return ([Operation("unroute", ours)] if there else []) + back


def changes(wish: Wanted, seen: Seen) -> t.List[Operation]:
    """Return the steps from what is seen to what is wanted, in their order; none where it is so already.

    New addresses come before old ones go. Only what this collection added (the record) is ever removed.
    """
    _refuse_elsewhere(wish, seen)
    sysctls = [
        Operation("sysctl", f"{key}={value}", seen.sysctls[key])
        for key, value in wish.sysctls.items()
        if key in seen.sysctls and seen.sysctls[key] != value
    ]
    add, remove = _address_steps(wish, seen)
    return sysctls + add + _route_steps(wish, seen) + remove


def changes_back(name: str, seen: Seen) -> t.List[Operation]:
    """Return the steps that take everything back that the record tells of."""
    held = [address.with_length for address in seen.addresses.get(name, ())]
    remove = [Operation("remove", address) for address in seen.record.addresses if address in held]
    sysctls = [
        Operation("sysctl", f"{key}={value}", seen.sysctls[key])
        for key, value in seen.record.sysctls.items()
        if key in seen.sysctls and seen.sysctls[key] != value
    ]
    return _route_back(seen) + remove + sysctls


def recorded(wish: Wanted, seen: Seen, steps: t.Sequence[Operation]) -> Record:
    """Return the record as it is once the steps are done."""
    old = seen.record
    removed = {step.value for step in steps if step.kind == "remove"}
    added = [step.value for step in steps if step.kind == "add"]
    addresses = [address for address in old.addresses if address not in removed and address in wish.addresses]
    sysctls = dict(old.sysctls)
    route, before = old.route, old.routes_before
    for step in steps:
        if step.kind == "sysctl":
            sysctls.setdefault(step.value.partition("=")[0], step.before)
        elif step.kind == "route" and wish.gateway is not None:
            lines = [line for line in step.before.splitlines() if line and line != old.route]
            route, before = step.value, old.routes_before if old.route else tuple(lines)
    if wish.gateway is None:
        route, before = "", ()
    return Record(tuple(dict.fromkeys(addresses + added)), sysctls, route, before)


def undone(steps: t.Sequence[Operation]) -> t.List[Operation]:
    """Return the steps that undo some steps, last one first."""
    back: t.List[Operation] = []
    for step in reversed(steps):
        if step.kind == "add":
            back.append(Operation("remove", step.value))
        elif step.kind == "remove":
            back.append(Operation("add", step.value))
        elif step.kind == "sysctl":
            back.append(Operation("sysctl", f"{step.value.partition('=')[0]}={step.before}"))
        elif step.kind == "route":
            back.append(Operation("unroute", step.value))
            back += [Operation("route", line) for line in step.before.splitlines()]
        else:
            back.append(Operation("route", step.value))
    return back


def after(name: str, seen: Seen, steps: t.Sequence[Operation]) -> Seen:
    """Return what will be seen once the steps are done; this is what check mode shows."""
    addresses = [address for address in seen.addresses.get(name, ()) if not address.dadfailed]
    routes, sysctls = list(seen.routes), dict(seen.sysctls)
    for step in steps:
        if step.kind == "add":
            text, _slash, length = step.value.partition("/")
            addresses.append(Address(text, int(length)))
        elif step.kind == "remove":
            addresses = [address for address in addresses if address.with_length != step.value]
        elif step.kind == "sysctl":
            key, _equals, value = step.value.partition("=")
            sysctls[key] = value
        elif step.kind == "route":
            words = step.value.split()
            gateway = words[words.index("via") + 1] if "via" in words else ""
            device = words[words.index("dev") + 1] if "dev" in words else ""
            routes = [route for route in routes if not route.replaceable] + [Route(gateway, device, step.value)]
        else:
            words = step.value.split()
            routes = [route for route in routes if [route.gateway, route.device] != [words[2], words[4]]]
    return Seen({**seen.addresses, name: addresses}, routes, sysctls, seen.record)


def described(name: str, seen: Seen) -> str:
    """Return the state of an interface as text for a diff: one fact a line, in a fixed order."""
    lines = sorted(f"address {address.with_length} dev {name}" for address in seen.addresses.get(name, ()))
    lines += sorted(f"route default via {route.gateway} dev {route.device}" for route in seen.routes)
    lines += [f"sysctl net.ipv6.conf.{name}.{key} = {value}" for key, value in sorted(seen.sysctls.items())]
    return "".join(line + "\n" for line in lines)
