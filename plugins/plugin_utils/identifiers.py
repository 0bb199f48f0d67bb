# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface identifiers of hosts: literal ones, and policies that find one.

============ ========================================================================================
policy       identifier
============ ========================================================================================
ipv4_decimal 192.0.2.80 gives ``::192:0:2:80``: the octets, readable as they are (RFC 7707, 4.1.3)
ipv4_hex     192.0.2.80 gives ``::c000:250``: the 32 bits
service      192.0.2.160 with service 25 gives ``25::160``: the service, then the last octet, both as they read
stable       a hash of prefix and name (after RFC 7217), drawn again where it is reserved or taken
next         the lowest free one from ``::1`` on
============ ========================================================================================
"""

from __future__ import annotations

import functools
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
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import LONGEST_PATH

POLICIES = ("ipv4_decimal", "ipv4_hex", "service", "stable", "next")
DEFAULT_POLICY = "stable"
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


def from_service(service: object, value: object, what: str, bits: int) -> int:
    """Return the identifier of a service on a host: the service's number and the last octet of the IPv4 address.

    Decimal digits are read as hexadecimal ones, so that ``25::160`` is port 25 of 192.0.2.160.
    """
    if bits < 64:
        raise RolloutError(f"{what}: the policy service needs 64 bits, and a /{128 - bits} leaves {bits} to its hosts")
    if value is None or value == "":
        raise RolloutError(f"{what}: the policy service needs the host's IPv4 address; set ansible_host to it")
    octet = ipv4(value, what) & 0xFF
    return service_number(service, what) << 48 | int(str(octet), 16)


def service_number(service: object, what: str) -> int:
    """Return the decimal digits of a service's number as hexadecimal ones: 25 becomes 0x25."""
    if service is None or service == "":
        raise RolloutError(f"{what}: the policy service needs the number of a service; set ipv6_service to it")
    whole = isinstance(service, int) and not isinstance(service, bool)
    digits = str(service) if whole else text_value(service, what)
    if not (digits.isascii() and digits.isdigit() and 1 <= len(digits) <= 4 and digits[0] != "0"):
        raise RolloutError(
            f"{what}: {shown(service)} is no number of a service for an identifier; one to four decimal digits, "
            "such as 25, fit into a group of an address"
        )
    return int(digits, 16)


def stable(place: Prefix, name: str, attempt: int = 0, seed: str = "") -> int:
    """Return the identifier that a name has in a subnet, after RFC 7217: F(prefix, name, counter, secret)."""
    bits = min(64, 128 - place[1])
    digest = hashlib.sha256(f"{_text(place)}\0{name}\0{attempt}\0{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") & ((1 << bits) - 1)


@functools.lru_cache(maxsize=4096)
def _text(place: Prefix) -> str:
    return prefix_text(*place)


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
    service: object = None,
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
    elif policy == "service":
        address = first | from_service(service, ipv4_address, what, bits)
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
    service: object = None,
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
    return ipv6_text(host_address(place, word, ipv4_address, owner, taken, seed, service=service))


def identifier_of(address: object, length: object) -> str:
    """Return the interface identifier of an address in a subnet of a length, such as ``::80``."""
    if not isinstance(length, int) or isinstance(length, bool) or not 1 <= length <= 128:
        raise RolloutError(f"length: {shown(length)} is not a prefix length between 1 and 128")
    return ipv6_text(ipv6(address, "address") & ((1 << (128 - length)) - 1))
