# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of an interface, and what is seen of it: the types, and the checks of what a user writes."""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

DEFAULT_METRIC = 1024
DEPRECATED = "preferred_lft 0"
PREFERRED = "preferred_lft forever"
# Routes that lead nowhere.
NOWHERE = ("unreachable", "blackhole", "prohibit", "throw")
# Letters, digits and what VLANs and bridges use; the kernel allows 15 characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:@-]{0,14}")


class WantedAddress(t.NamedTuple):
    """An address with its prefix length; ``deprecated``: it serves, but is no source of new connections."""

    text: str
    deprecated: bool = False

    @property
    def plain(self) -> str:
        """The address without its length."""
        return self.text.partition("/")[0]

    @property
    def words(self) -> str:
        """The words with which ``ip addr`` sets it."""
        return f"{self.text} {DEPRECATED}" if self.deprecated else self.text


class WantedRoute(t.NamedTuple):
    """A route besides the default route; ``via`` may be link-local, ``metric`` 0: none was named."""

    to: str
    via: str
    metric: int = 0

    def words(self, name: str) -> str:
        """Return the words with which ``ip route`` makes it; a router may be outside of all prefixes of the link."""
        return f"{self.to} via {self.via} dev {name}{f' metric {self.metric}' if self.metric else ''} onlink"


class Wanted(t.NamedTuple):
    """What the user asks of one interface; ``gateway`` None: the default route is left alone."""

    name: str
    addresses: t.Tuple[WantedAddress, ...]
    gateway: t.Optional[str]
    sysctls: t.Mapping[str, str]
    routes: t.Tuple[WantedRoute, ...] = ()

    @property
    def all_routes(self) -> t.Tuple[WantedRoute, ...]:
        """The routes, the default route among them."""
        return (*((WantedRoute("default", self.gateway),) if self.gateway is not None else ()), *self.routes)

    @property
    def accepts_ra(self) -> bool:
        """Whether router advertisements are wanted."""
        return self.sysctls.get("accept_ra", "0") != "0"


class Address(t.NamedTuple):
    """An IPv6 address as an interface carries it; ``learnt``: the kernel made it of a router advertisement.

    ``valid`` and ``preferred``: for how many seconds, 0 for ever; ``flags``: as ``ip addr`` names them.
    """

    text: str
    length: int
    dadfailed: bool = False
    tentative: bool = False
    deprecated: bool = False
    learnt: bool = False
    valid: int = 0
    preferred: int = 0
    flags: t.Tuple[str, ...] = ()

    @property
    def with_length(self) -> str:
        """The address as it is configured."""
        return f"{self.text}/{self.length}"

    @property
    def words(self) -> str:
        """The words with which ``ip addr`` sets it again."""
        state = self.state if self.valid or self.preferred or self.deprecated else " ".join(self.flags)
        return f"{self.with_length} {state}".strip()

    @property
    def state(self) -> str:
        """The words for its lifetimes and flags."""
        preferred = (
            DEPRECATED if self.deprecated else f"preferred_lft {self.preferred}" if self.preferred else PREFERRED
        )
        return " ".join([*([f"valid_lft {self.valid}"] if self.valid else []), preferred, *self.flags])


class Route(t.NamedTuple):
    """A route, and the words with which ``ip route replace`` makes it again; ``to`` ends with the source, if any."""

    gateway: str
    device: str
    words: str
    to: str = "default"
    expires: bool = False

    @property
    def metric(self) -> int:
        """Its metric, or the one that the kernel gives a route without one."""
        words = self.words.split()
        return int(words[words.index("metric") + 1]) if "metric" in words else DEFAULT_METRIC

    @property
    def nowhere(self) -> bool:
        """Whether it leads nowhere."""
        return self.words.split()[0] in NOWHERE

    @property
    def default(self) -> bool:
        """Whether packets to everybody leave by it."""
        return self.to == "default" and not self.nowhere

    @property
    def learnt(self) -> bool:
        """Whether a router advertisement made it, so that only another one can make it again."""
        return " proto ra" in self.words or (self.expires and " proto kernel" in self.words)

    @property
    def place(self) -> t.Tuple[str, int]:
        """What ``ip -6 route replace`` looks for: a route of the same place is replaced, whatever its router."""
        return self.to, self.metric

    def same(self, other: Route) -> bool:
        """Whether it is the same route, however it is written."""
        return (*self.place, self.gateway, self.device) == (*other.place, other.gateway, other.device)


class Record(t.NamedTuple):
    """What this collection added to an interface, and what was there instead.

    ``lifetimes``: addresses that others added and that this collection made deprecated, or preferred.
    ``values``: the sysctls as this collection set them.
    """

    addresses: t.Tuple[str, ...] = ()
    sysctls: t.Mapping[str, str] = {}
    routes: t.Tuple[str, ...] = ()
    routes_before: t.Tuple[str, ...] = ()
    lifetimes: t.Mapping[str, str] = {}
    values: t.Mapping[str, str] = {}

    @classmethod
    def load(cls, data: t.Mapping[str, t.Any]) -> Record:
        """Read a record from the ledger."""
        return cls(
            tuple(data.get("addresses", ())),
            dict(data.get("sysctls", {})),
            tuple(data.get("routes", ())),
            tuple(data.get("routes_before", ())),
            dict(data.get("lifetimes", {})),
            dict(data.get("values", {})),
        )

    def dump(self) -> t.Dict[str, t.Any]:
        """Return the record as the ledger keeps it."""
        return {
            "addresses": list(self.addresses),
            "sysctls": dict(self.sysctls),
            "routes": list(self.routes),
            "routes_before": list(self.routes_before),
            "lifetimes": dict(self.lifetimes),
            "values": dict(self.values),
        }


class Seen(t.NamedTuple):
    """What the host has now: global addresses of every interface, IPv6 routes, one interface's sysctls.

    ``kernel_ra``: the kernel reads router advertisements by itself, so what it learnt is left behind without them.
    """

    addresses: t.Mapping[str, t.Sequence[Address]]
    routes: t.Sequence[Route]
    sysctls: t.Mapping[str, str]
    record: Record = Record()
    kernel_ra: bool = True


class Operation(t.NamedTuple):
    """One step with its value, and what undoes it.

    ``sysctl``, ``probe`` (ask the link before anything depends on it), ``add``, ``lifetime``, ``remove``, ``route``
    or ``unroute``.
    """

    kind: str
    value: str
    before: str = ""


def route_of(words: str, expires: bool = False) -> Route:
    """Read a route from the words of ``ip -6 route``."""
    parts = words.split()
    parts = parts[1:] if parts[0] in NOWHERE else parts
    to = parts[0] if parts[0] == "default" or "/" in parts[0] else f"{parts[0]}/128"
    found = {key: parts[parts.index(key) + 1] for key in ("via", "dev") if key in parts}
    if "from" in parts:
        # Only packets from there take it, so it is another route, even where the destination is the same.
        to += f" from {parts[parts.index('from') + 1]}"
    return Route(found.get("via", ""), found.get("dev", ""), words, to, expires)


def is_deprecated(words: str) -> bool:
    """Tell whether the words for an address deprecate it."""
    return f"{DEPRECATED} " in f"{words} "


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
    if not re.fullmatch(r"[1-9][0-9]{0,2}", length) or int(length) > 128:
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


def _known(value: t.Mapping[t.Any, t.Any], variable: str, needed: t.Sequence[str], keys: t.Sequence[str]) -> None:
    for key in needed:
        if value.get(key) is None:
            raise RolloutError(f"{variable}: {shown(dict(value))} has no {key}; it has {', '.join(keys)}")
    for key in value:
        if key not in keys:
            raise RolloutError(f"{variable}: {shown(key)} is not known here; it has {', '.join(keys)}")


def wanted_address(value: object) -> WantedAddress:
    """Check an address as a user writes it: text, or a dictionary with ``address`` and ``deprecated``."""
    if not isinstance(value, t.Mapping):
        return WantedAddress(host_address(value))
    _known(value, "addresses", ["address"], ["address", "deprecated"])
    deprecated = value.get("deprecated", False)
    if not isinstance(deprecated, bool):
        raise RolloutError(f"addresses: deprecated is {shown(deprecated)}; write true or false")
    return WantedAddress(host_address(value["address"]), deprecated)


def gateway_address(value: object, addresses: t.Sequence[str], variable: str = "gateway") -> str:
    """Check the address of the router and return it as RFC 5952 text."""
    if not isinstance(value, str):
        raise RolloutError(
            f"{variable}: {shown(value)} is no text: YAML took it for something else; put it into quotes"
        )
    try:
        parsed = ipaddress.IPv6Address(str(value))
    except ValueError:
        raise RolloutError(f'{variable}: {shown(value)} is no IPv6 address; it looks like "fe80::1"') from None
    if "%" in value or parsed.ipv4_mapped or parsed.is_multicast or parsed.is_loopback or parsed.is_unspecified:
        raise RolloutError(f'{variable}: {shown(value)} can\'t be a router; give its address alone, like "fe80::1"')
    if parsed.compressed in [address.partition("/")[0] for address in addresses]:
        raise RolloutError(f"{variable}: {shown(value)} is an address of this host itself; give the router's")
    return parsed.compressed


def wanted_route(value: object, addresses: t.Sequence[str]) -> WantedRoute:
    """Check a route as a user writes it: a dictionary with ``to``, ``via`` and ``metric``."""
    if not isinstance(value, t.Mapping):
        raise RolloutError(f"routes: {shown(value)} is no dictionary; a route has to, via, metric")
    _known(value, "routes", ["to", "via"], ["to", "via", "metric"])
    try:
        if not isinstance(value["to"], str) or "%" in value["to"]:
            raise ValueError
        to = ipaddress.IPv6Network(value["to"], strict=False)
    except ValueError:
        raise RolloutError(
            f'routes: to is {shown(value["to"])}, which is no IPv6 prefix; it looks like "2001:db8:beef::/48"'
        ) from None
    if to.prefixlen == 0:
        raise RolloutError(
            f"routes: to is {shown(value['to'])}, which is the default route; name its router in gateway"
        )
    if to.is_multicast or to.is_link_local or to.is_loopback:
        raise RolloutError(f"routes: to is {shown(value['to'])}, which no router forwards; leave it out")
    if ipaddress.IPv6Address(value["to"].partition("/")[0]) != to.network_address:
        raise RolloutError(f"routes: to is {shown(value['to'])}, which is an address in {to}; write {to}")
    metric = value.get("metric", 0)
    if isinstance(metric, bool) or not isinstance(metric, int) or not 0 <= metric < 1 << 32:
        raise RolloutError(f"routes: metric is {shown(metric)}; it is a number from 1 to 4294967295, or left out")
    return WantedRoute(to.compressed, gateway_address(value["via"], addresses, "routes: via"), metric)


def wanted(
    name: str,
    addresses: t.Sequence[object],
    gateway: object,
    accept_ra: bool,
    privacy: bool,
    forwarding: bool,
    routes: t.Sequence[object] = (),
) -> Wanted:
    """Check what the user gave and return it in canonical form."""
    checked = tuple(dict.fromkeys(wanted_address(address) for address in addresses))
    plain = [address.plain for address in checked]
    for address in checked:
        if plain.count(address.plain) > 1:
            same = [other.text for other in checked].count(address.text) > 1
            what = "twice, deprecated and not" if same else "with two prefix lengths"
            raise RolloutError(f"addresses: {address.plain} is there {what}; keep the right one")
    # A router must say 2: with 1 and forwarding the kernel drops what it learnt (and its default route) at once.
    accept = ("2" if forwarding else "1") if accept_ra else "0"
    sysctls = {
        "accept_ra": accept,
        # An address of its own making next to the planned one would be a source address without a PTR.
        "autoconf": "1" if accept_ra and privacy else "0",
        "use_tempaddr": "2" if privacy else "0",
    }
    router = gateway_address(gateway, plain) if gateway is not None else None
    further = tuple(dict.fromkeys(wanted_route(route, plain) for route in routes))
    places = [(route.to, route.metric or DEFAULT_METRIC) for route in further]
    for route, place in zip(further, places):
        if places.count(place) > 1:
            raise RolloutError(f"routes: {route.to} is there twice with metric {place[1]}; change one metric")
    return Wanted(name, checked, router, sysctls, further)
