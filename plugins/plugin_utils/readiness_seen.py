# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a look says of a host's addresses, routes and settings, and what the inventory wants of its interfaces.

What was not seen raises :class:`Unseen`, which becomes ``unknown``: a check that goes on without it would guess.
"""

from __future__ import annotations

import dataclasses
import functools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import plain
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils import planned
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6, ipv6_prefix, ipv6_text, text_value
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import inside
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import ODD, Data, Host, Result, Site, unknown

DEFAULTS = ("default", "::/0")
EVERYWHERE = "2000::/3"  # all global unicast addresses: what a tunnel takes instead of a default route
METRIC = 1024  # of an IPv6 route that names none
LONGEST = 120  # of what a host says and a message repeats
YES = ("true", "yes", "on", "1", "y", "t")


class Unseen(RolloutError):
    """Something that a check needs was not seen; the message says what."""


class Address(t.NamedTuple):
    """An IPv6 address of an interface, as the kernel has it."""

    interface: str
    number: int
    length: int
    scope: str
    tentative: bool
    dadfailed: bool
    deprecated: bool
    temporary: bool
    dynamic: bool
    nodad: bool

    @property
    def text(self) -> str:
        """The address without its length."""
        return ipv6_text(self.number)

    @property
    def words(self) -> str:
        """The address as ``ip address`` shows it, with its state and without its lifetimes."""
        flags = [
            name for name in ("tentative", "dadfailed", "deprecated", "temporary", "dynamic") if getattr(self, name)
        ]
        return " ".join([f"{self.interface}: {self.text}/{self.length}", f"scope {self.scope}", *flags])


class Route(t.NamedTuple):
    """A route of the main table."""

    destination: str
    gateway: str
    device: str
    metric: int
    protocol: str
    expires: int | None
    kind: str

    @property
    def words(self) -> str:
        """The route as ``ip route`` shows it, without its lifetime."""
        parts = [self.kind] if self.kind not in ("", "unicast") else []
        parts += [self.destination, *(["via", self.gateway] if self.gateway else []), "dev", self.device]
        parts += [*(["proto", self.protocol] if self.protocol else []), "metric", str(self.metric)]
        return " ".join(parts)


class WantedAddress(t.NamedTuple):
    """An address that the inventory gives an interface. A further one may be there; ``required`` ones have to be."""

    number: int
    length: int
    deprecated: bool
    required: bool

    @property
    def text(self) -> str:
        """The address without its length."""
        return ipv6_text(self.number)


class Interface(t.NamedTuple):
    """An interface as the inventory wants it. ``name`` is empty where neither the inventory nor the host tells it."""

    name: str
    addresses: tuple[WantedAddress, ...]
    gateway: str
    accept_ra: bool
    privacy: bool
    variable: str


HostJudge = t.Callable[[Host, Site], t.Iterable[Result]]


def of_host(judge: HostJudge) -> HostJudge:
    """Return a judge whose results are all of this host, and unknown where something was not seen."""

    @functools.wraps(judge)
    def judged(host: Host, site: Site) -> list[Result]:
        try:
            found = list(judge(host, site))
        except Unseen as missing:
            found = [unknown(str(missing))]
        return [dataclasses.replace(result, host=host.name) for result in found]

    return judged


# ---------------------------------------------------------------------------------------------- what was written


def truth(value: object) -> bool:
    """Read a truth value that may still be text, as a template leaves it."""
    return value.strip().lower() in YES if isinstance(value, str) else bool(value)


def number(value: object, what: str, lowest: int = 0) -> int:
    """Read a whole number that may still be text."""
    if not isinstance(value, (int, str)) or isinstance(value, bool) or not str(value).strip().isdecimal():
        raise RolloutError(f"{what}: {shown(value)} is no number; write one, such as 1024")
    found = int(str(value).strip()[:12])
    if found < lowest:
        raise RolloutError(f"{what}: {found} is too small; write {lowest} or more")
    return found


def several(value: object, what: str) -> list[t.Any]:
    """Read a list; one text is a list of one."""
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is not a list; write [...] around it")
    return list(value)


def own_addresses(host: Host, site: Site) -> dict[int, str]:
    """Return the addresses that a host may have, and where each of them is declared."""
    found: dict[int, str] = {}
    variables = host.variables
    for name in ("readiness_addresses", "interfaces_addresses", "tunnel_addresses"):
        for value in several(variables.get(name), name):
            text = value.get("address") if isinstance(value, t.Mapping) else value
            bare = text_value(text, name).partition("/")[0]
            if ":" in bare:  # a tunnel may have IPv4 as well
                found[ipv6(bare, name)] = name
    found.update((ipv6(address, "plan: hosts"), "the plan") for address in _index(_Same(site)).hosts_of(host.name))
    found[ipv6(host.spec["address"], "address")] = "the plan"
    return found


class _Same:
    """A site as a key of a cache: this very one, since what it holds can't be hashed."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __hash__(self) -> int:
        return id(self.site)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.site is other.site


class _Index:
    """The plan by host, so that each host is looked up once and not searched for in the whole plan."""

    def __init__(self, plan: Data) -> None:
        self.subnets: dict[tuple[int, int], tuple[str, str]] = {}
        for path, text in (plan.get("subnets") or {}).items():
            self.subnets[ipv6_prefix(text, f"plan: subnets: {path}", shortest=0)] = (str(path), text)
        self.lengths = sorted({length for _first, length in self.subnets})
        self.hosts = self._by_host(plan)
        self.twins = self._by_host(plan.get("ula") or {})
        self.interfaces: dict[str, list[Interface]] = {}

    @staticmethod
    def _by_host(plan: Data) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for name, address in (plan.get("hosts") or {}).items():
            found.setdefault(str(name).partition("/")[0], {})[str(name)] = address
        return found

    def hosts_of(self, host: str) -> list[str]:
        """Return all addresses that a host has in the plan, unique local ones among them."""
        return [*self.hosts.get(host, {}).values(), *self.twins.get(host, {}).values()]

    def plan_of(self, host: str, more: t.Iterable[int]) -> Data:
        """Return what the plan says of one host: its addresses, and the subnets that hold one of them."""
        mine = self.hosts.get(host, {})
        subnets = {}
        for address in [*(ipv6(text, "plan: hosts") for text in mine.values()), *more]:
            for length in self.lengths:
                found = self.subnets.get((address >> (128 - length) << (128 - length), length))
                if found:
                    subnets[found[0]] = found[1]
        return {"subnets": subnets, "hosts": mine}


@functools.lru_cache(maxsize=2)
def _index(key: _Same) -> _Index:
    return _Index(key.site.plan)


def interfaces(host: Host, site: Site) -> list[Interface]:
    """Return the interfaces that the inventory wants: one, or those of ``interfaces_list``."""
    index = _index(_Same(site))
    if host.name not in index.interfaces:
        index.interfaces[host.name] = _interfaces(host, index.plan_of(host.name, own_addresses(host, site)))
    return index.interfaces[host.name]


def _interfaces(host: Host, plan: Data) -> list[Interface]:
    variables = host.variables
    entries = several(variables.get("interfaces_list"), "interfaces_list")
    own = several(variables.get("interfaces_addresses"), "interfaces_addresses")
    if entries:
        told = planned.interfaces(entries, plan, host.name)
        return [_interface(host, entry, "interfaces_list", own_only=False) for entry in told]
    entry = {"name": host.spec.get("interface") or variables.get("interfaces_name") or "", "addresses": own}
    for name in ("interfaces_gateway", "ipv6_gateway"):
        if variables.get(name) is not None:
            entry["gateway"] = variables[name]
            break
    told = planned.interfaces([entry], plan, host.name)
    variable = "interfaces_addresses" if own else "ipv6_interface_id"
    return [_interface(host, told[0], variable, own_only=not own)]


def _interface(host: Host, entry: Data, variable: str, own_only: bool) -> Interface:
    """Read an interface.

    :param own_only: only the host's own address has to be there: the rollout sets no other one
    """
    variables = host.variables
    read = []
    for value in entry["addresses"]:
        text = value["address"] if isinstance(value, t.Mapping) else value
        deprecated = isinstance(value, t.Mapping) and truth(value.get("deprecated"))
        bare, _slash, length = text_value(text, variable).partition("/")
        address = ipv6(bare, variable)
        required = not own_only or address == ipv6(host.spec["address"], "address")
        read.append(WantedAddress(address, number(length, f"{variable}: prefix length"), deprecated, required))
    ra, privacy = (
        entry.get(key) if entry.get(key) is not None else variables.get(f"interfaces_{key}")
        for key in ("accept_ra", "privacy")
    )
    name = str(entry.get("name") or "") or _carrier(host, read)
    gateway = entry.get("gateway")
    return Interface(name, tuple(read), "" if gateway is None else str(gateway), truth(ra), truth(privacy), variable)


def _carrier(host: Host, wanted: t.Sequence[WantedAddress]) -> str:
    """Find the interface that carries one of the addresses, or else the host's IPv4 address; empty where none does."""
    try:
        return _found_carrier(host, {address.number for address in wanted})
    except ODD:
        return ""  # the checks that need the addresses tell what is odd about them


def _found_carrier(host: Host, numbers: t.Container[int]) -> str:
    for held in addresses(host):
        if held.number in numbers:
            return held.interface
    for entry in part(host, "addresses"):
        if entry["family"] == "ipv4" and entry["address"] == host.spec.get("ipv4"):
            return str(entry["interface"])
    return next((str(route["device"]) for route in _table(host, "ipv4") if route["destination"] == "default"), "")


# ---------------------------------------------------------------------------------------------- what was seen


def part(host: Host, name: str) -> t.Any:
    """Return a part of the look that only the audit has."""
    if host.look is None:
        raise Unseen(f"the host could not be looked at: {host.why}")
    problem = (host.audit.get("problems") or {}).get(name)
    if problem:
        raise Unseen(f"the host can't tell its {name}: {short(problem)}")
    if host.audit.get(name) is None:
        raise Unseen(f"the host did not tell its {name}")
    return host.audit[name]


def short(value: object) -> str:
    """Return what a host said as one short line."""
    return plain(value, LONGEST)


def addresses(host: Host) -> list[Address]:
    """Return all IPv6 addresses of a host."""
    flags = ("tentative", "dadfailed", "deprecated", "temporary", "dynamic", "nodad")
    return [
        Address(
            short(entry["interface"]),
            ipv6(entry["address"], "address"),
            int(entry["length"]),
            short(entry["scope"]),
            *(bool(entry.get(flag)) for flag in flags),
        )
        for entry in part(host, "addresses")
        if entry["family"] == "ipv6"
    ]


def _table(host: Host, family: str) -> list[Data]:
    table = part(host, "routes").get(family)
    if table is None:
        raise Unseen(f"the host did not tell its {family} routes")
    return t.cast("list[Data]", table)


def routes(host: Host, family: str = "ipv6") -> list[Route]:
    """Return the main table of one family; what has no next hop any more is left out."""
    return [
        Route(
            short(entry["destination"]),
            short(entry.get("gateway") or ""),
            short(entry.get("device") or ""),
            int(entry.get("metric") or (METRIC if family == "ipv6" else 0)),
            short(entry.get("protocol") or ""),
            None if entry.get("expires") is None else int(entry["expires"]),
            short(entry.get("type") or "unicast"),
        )
        for entry in _table(host, family)
        if not entry.get("dead")
    ]


def default_routes(host: Host) -> list[Route]:
    """Return the routes that packets to everybody take, those that win first."""
    table = routes(host)
    found = [route for route in table if route.destination in DEFAULTS]
    found = found or [route for route in table if route.destination == EVERYWHERE]
    return sorted(found, key=lambda route: (route.metric, route.gateway, route.device))


def tunnel_interfaces(host: Host) -> dict[str, Data]:
    """Return the tunnels of a host by name."""
    return {str(entry["interface"]): entry for entry in part(host, "tunnels")}


def setting(host: Host, family: str, interface: str, key: str) -> int:
    """Return a setting of the kernel for an interface, or for ``all``."""
    value = ((part(host, "settings").get(family) or {}).get(interface) or {}).get(key)
    return _whole(value, f"net.{family}.conf.{interface or '?'}.{key}")


def kernel(host: Host, name: str) -> int:
    """Return a setting of the kernel for the whole host."""
    return _whole(part(host, "kernel").get(name), name)


def _whole(value: object, name: str) -> int:
    try:
        return int(str(value).strip())
    except ValueError:
        raise Unseen(f"the host did not tell {short(name)}") from None


def in_plan(address: int, site: Site) -> bool:
    """Tell whether an address is in the site's prefix."""
    return inside(address, 128, *ipv6_prefix(site.plan["prefix"], "plan: prefix", shortest=0))
