# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of hosts: literal interface identifiers, and policies that find one.

========== ========================================================================================
policy     identifier
========== ========================================================================================
ipv4_decimal 192.0.2.80 gives ``::192:0:2:80``: the octets, readable as they are (RFC 7707, 4.1.3)
ipv4_hex   192.0.2.80 gives ``::c000:250``: the 32 bits
stable     a hash of prefix and name (after RFC 7217), drawn again where it is reserved or taken
next       the lowest free one from ``::1`` on
========== ========================================================================================
"""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import (
    Prefix,
    interface_id,
    ipv4,
    ipv6,
    ipv6_prefix,
    ipv6_text,
    prefix_text,
    reserved,
    text_value,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import HOST, LONGEST_PATH, Retired, State, inside

POLICIES = ("ipv4_decimal", "ipv4_hex", "stable", "next")
DEFAULT_POLICY = "stable"
KEYS = ("subnet", "interface_id", "ipv4")
# A whole specification, as host_spec returns it, will do as well; what is not about addresses is left alone.
ALSO = ("interface", "names", "lab_names", "services", "daemons", "mail_domains")
DRAWS = 1000


def policy_or_literal(value: object, what: str) -> str:
    """Return a policy word or the text of a literal; refuse what is neither, naming the policies."""
    text = text_value(value, what)
    if text in POLICIES or ":" in text:
        return text
    raise RolloutError(
        f"{what}: {shown(text)} is neither an interface identifier such as '::80' nor one of {', '.join(POLICIES)}"
    )


def from_ipv4(policy: str, value: object, what: str, bits: int) -> int:
    """Return the identifier that stands for an IPv4 address."""
    if value is None or value == "":
        raise RolloutError(f"{what}: the policy {policy} needs the host's IPv4 address; set ansible_host to it")
    number = ipv4(value, what)
    if policy == "ipv4_decimal":
        octets = number.to_bytes(4, "big")
        number = int("".join(f"{octet:04d}" for octet in octets), 16)
    if number >> bits:
        raise RolloutError(f"{what}: {policy} needs more than the {bits} bits that a /{128 - bits} leaves to its hosts")
    return number


def stable(place: Prefix, name: str, attempt: int = 0, seed: str = "") -> int:
    """Return the identifier that a name has in a subnet, after RFC 7217: F(prefix, name, counter, secret)."""
    bits = min(64, 128 - place[1])
    digest = hashlib.sha256("\0".join((prefix_text(*place), name, str(attempt), seed)).encode()).digest()
    return int.from_bytes(digest[:8], "big") & ((1 << bits) - 1)


def stable_address(place: Prefix, name: str, used: t.Container[int], seed: str = "") -> int | None:
    """Return the first address of a name that is neither reserved nor used, or None where a small subnet is full."""
    for attempt in range(DRAWS):
        address = place[0] | stable(place, name, attempt, seed)
        if address not in used and not reserved(address, place[1]):
            return address
    return next_address(place, used)


def next_address(place: Prefix, used: t.Container[int], start: int = 0) -> int | None:
    """Return the lowest address from ``start`` on that is neither reserved nor used, or None."""
    first, length = place
    for iid in range(start, 1 << (128 - length)):
        address = first | iid
        if address not in used and not reserved(address, length):
            return address
    return None


def host_address(
    subnet: Prefix,
    policy: str,
    ipv4_address: object = None,
    name: str | None = None,
    used: t.Container[int] = (),
    seed: str = "",
    what: str = "interface_id",
) -> int:
    """Return the address of one host by policy word or literal, on its own: nothing of a plan is known here."""
    first, length = subnet
    bits = 128 - length
    address: int | None
    if policy == "stable":
        if not name:
            raise RolloutError(f"{what}: the policy stable needs the host's name")
        address = stable_address(subnet, name, used, seed)
    elif policy == "next":
        address = next_address(subnet, used)
    elif policy in POLICIES:
        address = first | from_ipv4(policy, ipv4_address, what, bits)
    else:
        address = first | interface_id(policy, what, bits)
    if address is None:
        raise RolloutError(f"{what}: {prefix_text(*subnet)} has no free address left")
    why = reserved(address, length)
    if why:
        raise RolloutError(f"{what}: {shown(policy)} makes {ipv6_text(address)}, {why}; take another one")
    if address in used:
        raise RolloutError(f"{what}: {ipv6_text(address)} is in use; take another one")
    return address


def address_in(
    subnet: object,
    literal: object = None,
    policy: object = None,
    ipv4_address: object = None,
    name: object = None,
    used: object = None,
    seed: str = "",
) -> str:
    """Return the text of a host's address from values as a user gives them: what the filter ``host_address`` does."""
    place = ipv6_prefix(subnet, "subnet")
    if (literal is None) == (policy is None):
        raise RolloutError("interface_id: write either an interface identifier such as '::80' or a policy")
    word = policy_or_literal(policy if literal is None else literal, "policy" if literal is None else "interface_id")
    if policy is not None and word not in POLICIES:
        raise RolloutError(f"policy: {shown(word)} is not one of {', '.join(POLICIES)}")
    if used is not None and not isinstance(used, (list, tuple)):
        raise RolloutError(f"used: {shown(used)} is not a list of addresses")
    taken = {ipv6(address, "used") for address in used or ()}
    owner = None if name is None else text_value(name, "name", LONGEST_PATH)
    return ipv6_text(host_address(place, word, ipv4_address, owner, taken, seed))


def identifier_of(address: object, length: object) -> str:
    """Return the interface identifier of an address in a subnet of a length, such as ``::80``."""
    if not isinstance(length, int) or isinstance(length, bool) or not 1 <= length <= 128:
        raise RolloutError(f"length: {shown(length)} is not a prefix length between 1 and 128")
    return ipv6_text(ipv6(address, "address") & ((1 << (128 - length)) - 1))


class _Wish(t.NamedTuple):
    name: str
    subnet: str
    policy: str
    ipv4: object


def place_hosts(
    hosts: object,
    leaves: t.Mapping[str, Prefix],
    old: State,
    state: State,
    retired: Retired,
    seed: str = "",
) -> None:
    """Give each host its address, and retire the addresses of those that left."""
    wishes = _read(hosts, leaves, state)
    placed = state.hosts
    asked = {wish.name for wish in wishes}
    for name, address in old.hosts.items():
        if name not in asked:
            retired.add_host(name, address)
    used: dict[int, str] = {}
    waiting: dict[str, list[_Wish]] = {"fixed": [], "stable": [], "next": []}
    for wish in wishes:
        kept = old.hosts.get(wish.name)
        if kept is not None:
            _unmoved(wish, kept, leaves[wish.subnet])
        elif wish.name in retired.hosts:
            kept = _back(wish, leaves[wish.subnet], retired)
        if kept is None:
            waiting[wish.policy if wish.policy in waiting else "fixed"].append(wish)
        else:
            placed[wish.name] = kept
            used[kept] = wish.name
    gone = {address: (name, since) for name, (address, since) in retired.hosts.items()}
    for wish in waiting["fixed"]:
        what = _variable("ipv6_interface_id", wish.name)
        address = host_address(leaves[wish.subnet], wish.policy, wish.ipv4, what=what)
        if address in used:
            raise RolloutError(f"{what}: {ipv6_text(address)} is the address of {used[address]}; take another one")
        if address in gone:
            name, since = gone[address]
            raise RolloutError(
                f"{what}: {ipv6_text(address)} was the address of {name}, retired since {since} and not purged; take "
                "another one, or purge the plan"
            )
        placed[wish.name] = address
        used[address] = wish.name
    taken = {**dict.fromkeys(gone, ""), **used}
    for wish in waiting["stable"]:
        drawn = stable_address(leaves[wish.subnet], wish.name, taken, seed)
        _take(wish, drawn, leaves[wish.subnet], placed, taken)
    lowest: dict[str, int] = {}
    for wish in waiting["next"]:
        place = leaves[wish.subnet]
        drawn = next_address(place, taken, lowest.get(wish.subnet, 0))
        _take(wish, drawn, place, placed, taken)
        lowest[wish.subnet] = placed[wish.name] - place[0] + 1


def _take(wish: _Wish, address: int | None, place: Prefix, placed: dict[str, int], taken: dict[int, str]) -> None:
    if address is None:
        raise RolloutError(
            f"{_variable('ipv6_subnet', wish.name)}: {wish.subnet} ({prefix_text(*place)}) has no free address left; "
            "use another subnet, or purge the plan"
        )
    placed[wish.name] = address
    taken[address] = wish.name


def _variable(variable: str, name: str) -> str:
    return f"{variable} of {name}"


def _read(hosts: object, leaves: t.Mapping[str, Prefix], state: State) -> list[_Wish]:
    if not isinstance(hosts, t.Mapping):
        raise RolloutError(f"hosts: {shown(hosts)} is not a dictionary; write {{name: {{subnet, interface_id, ipv4}}}}")
    wishes = []
    for key, spec in hosts.items():
        name = text_value(key, "hosts", LONGEST_PATH)
        if not HOST.fullmatch(name):
            raise RolloutError(f"hosts: {shown(name)} is no host name, or host/service")
        if not isinstance(spec, t.Mapping):
            raise RolloutError(
                f"hosts: {name}: {shown(spec)} is not a dictionary; write {{subnet, interface_id, ipv4}}"
            )
        for option in spec:
            if option not in KEYS and option not in ALSO:
                raise RolloutError(f"hosts: {name}: {shown(option)} is not known here; a host has {', '.join(KEYS)}")
        subnet = text_value(spec.get("subnet"), _variable("ipv6_subnet", name), LONGEST_PATH)
        if subnet not in leaves:
            raise RolloutError(f"{_variable('ipv6_subnet', name)}: {_no_leaf(subnet, leaves, state)}")
        literal = spec.get("interface_id")
        policy = DEFAULT_POLICY
        if literal is not None and literal not in POLICIES:
            policy = policy_or_literal(literal, _variable("ipv6_interface_id", name))
        elif literal is not None:
            policy = str(literal)
        wishes.append(_Wish(name, subnet, policy, spec.get("ipv4")))
    return wishes


def _no_leaf(subnet: str, leaves: t.Mapping[str, Prefix], state: State) -> str:
    if subnet in state.subnets:
        below = sorted(path for path in leaves if path.startswith(f"{subnet}/"))
        return f"{shown(subnet)} has subnets of its own; take one of {', '.join(below[:5])}"
    if not leaves:
        return f"{shown(subnet)} is not in ipv6_subnets, which is empty; add it there"
    named = sorted(leaves)
    near = [path for path in named if path.rpartition("/")[2] == subnet] or named
    return f"{shown(subnet)} is not in ipv6_subnets; add it there, or take one of {', '.join(near[:5])}" + (
        " ..." if len(near) > 5 else ""
    )


def _unmoved(wish: _Wish, address: int, place: Prefix) -> None:
    """Refuse what would move a host that has an address; policies only ever choose the first one."""
    way_out = (
        "nothing that has a place moves; put it back, or, to move it on purpose, take its line out of 'hosts' in the "
        "plan"
    )
    if not inside(address, 128, *place):
        raise RolloutError(
            f"{_variable('ipv6_subnet', wish.name)}: {wish.subnet} is {prefix_text(*place)}, but the plan has "
            f"{ipv6_text(address)} for it; {way_out}"
        )
    if wish.policy not in POLICIES:
        what = _variable("ipv6_interface_id", wish.name)
        if place[0] | interface_id(wish.policy, what, 128 - place[1]) != address:
            raise RolloutError(
                f"{what}: {shown(wish.policy)} in {wish.subnet} makes another address than the plan has for it, "
                f"{ipv6_text(address)}; {way_out}"
            )


def _back(wish: _Wish, place: Prefix, retired: Retired) -> int | None:
    """Return the retired address of a name that comes back, where it still goes with what the user writes."""
    address = retired.hosts[wish.name][0]
    if not inside(address, 128, *place):
        return None
    if wish.policy not in POLICIES:
        what = _variable("ipv6_interface_id", wish.name)
        if place[0] | interface_id(wish.policy, what, 128 - place[1]) != address:
            return None
    del retired.hosts[wish.name]
    return address
