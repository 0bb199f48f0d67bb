# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a host may send mail over IPv6, and what follows for main.cf and master.cf.

The controller says what the DNS says of the address. Which name Postfix says at HELO only the host knows.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import main_cf, master_cf
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

MODES = ("confirmed", "always", "never")
CLIENT = "smtp"  # the program that sends, whatever its services are called
PARAMETER = "inet_protocols"
BIND = "smtp_bind_address6"
ENFORCE = "smtp_bind_address_enforce"
JUDGED = (BIND, "smtp_helo_name", "myhostname")


class Wish(t.NamedTuple):
    """What is wanted, and what the DNS says."""

    mode: str
    address: str
    names: t.List[str]
    """The names of the PTR records that lead back to the address."""
    why: t.List[str]
    """What is missing in the DNS."""
    unknown: t.List[str]
    """What nobody answered."""


class Decision(t.NamedTuple):
    """Whether mail is sent over IPv6, and why not."""

    mode: str
    ipv6: bool
    address: str
    why: t.List[str]


def clean(given: t.Mapping[str, t.Any]) -> Wish:
    """Check what the controller sends along."""
    mode = given.get("mode") or "confirmed"
    if mode not in MODES:
        raise RolloutError(f"sending.mode: {shown(mode)} is none of {', '.join(MODES)}")
    address = str(given.get("address") or "").strip("[]")
    if address:
        try:
            address = str(ipaddress.IPv6Address(address))
        except ValueError:
            raise RolloutError(f"sending.address: {shown(given['address'])} is no IPv6 address") from None
    records = given.get("records") or {}
    return Wish(mode, address, *([str(item) for item in records.get(key) or []] for key in ("names", "why", "unknown")))


def decide(wish: Wish, families: set[int], helo: str, before: str) -> Decision:
    """Decide.

    :param families: the families that inet_protocols names
    :param helo: the name that Postfix says at HELO
    :param before: the address from which mail was sent over IPv6 until now, empty where it was not
    """

    def no(*why: str) -> Decision:
        return Decision(wish.mode, False, wish.address, list(why))

    if 6 not in families:
        return no("inet_protocols has no IPv6")
    if wish.mode == "never":
        return no("it is told never to")
    if wish.mode == "always":
        return Decision(wish.mode, True, wish.address, [])
    why = list(wish.why)
    if wish.names and helo.lower().rstrip(".") not in [name.lower().rstrip(".") for name in wish.names]:
        names = " and ".join(wish.names)
        why.append(
            f"Postfix says HELO {helo}, and the PTR record of {wish.address} leads to {names}; let it lead to {helo}, "
            "or set postfix_helo_name to the name that the PTR records of both families lead to"
        )
    if not (wish.names or why or wish.unknown):
        why.append("nobody has asked the DNS for it")
    if why:
        return no(*why, *wish.unknown)
    if wish.unknown:
        # A name server that does not answer is no reason to change what works.
        return Decision(wish.mode, bool(wish.address) and before == wish.address, wish.address, list(wish.unknown))
    return Decision(wish.mode, True, wish.address, [])


def warnings(decision: Decision, families: set[int]) -> list[str]:
    """Say what a user has to know of a decision that nobody asked for in these words."""
    if decision.mode != "confirmed" or 6 not in families or not decision.why:
        return []
    reasons = "; ".join(decision.why)
    if decision.ipv6:
        return [f"Postfix goes on sending over IPv6, although it could not be confirmed now: {reasons}"]
    return [
        f"Postfix receives over both families and sends over IPv4 only: {reasons}. Then run this again; "
        "postfix_send_ipv6: always sends over IPv6 all the same"
    ]


def parameters(decision: Decision, given: t.Mapping[str, str]) -> dict[str, str]:
    """Return the parameters that fix the source address; those that a user gives win."""
    if not decision.ipv6 or not decision.address:
        return {}
    own = given.get(BIND)
    if own is not None and decision.mode == "confirmed" and plain_address(own) != decision.address:
        raise RolloutError(
            f"parameters.{BIND}: {shown(own)} is not the address that is confirmed, {decision.address}; leave it out, "
            "or write an address"
        )
    wanted = {BIND: decision.address, ENFORCE: "yes"}
    return {name: value for name, value in wanted.items() if name not in given}


def plain_address(value: str) -> str:
    """Return an address as it is compared; what is none stays as it is."""
    try:
        return str(ipaddress.IPv6Address(value.strip("[]")))
    except ValueError:
        return value


def overrides(
    decision: Decision, families: set[int], master: str, ours: t.Container[str], given: t.Container[str]
) -> tuple[master_cf.Overrides, list[str]]:
    """Return what the services that send get, and a warning for each that has a will of its own.

    :param ours: the services in which the override is our own
    :param given: the services for which a user says it; that wins
    """
    found: master_cf.Overrides = {}
    told = []
    for service in master_cf.services(master):
        if service.command != CLIENT or service.fields[1] != "unix":
            continue
        own = service.value(PARAMETER)
        others = [f"{name}={service.value(name)}" for name in JUDGED if service.value(name) is not None]
        if others and decision.ipv6 and decision.mode == "confirmed":
            told.append(f"{service.name} has {', '.join(others)} of its own in master.cf, which was not looked at")
        uses = families if own is None or "$" in own else main_cf.families(own)
        if service.name not in given and (own is None or service.name in ours):
            found[service.name] = {PARAMETER: "ipv4" if 6 in families and not decision.ipv6 else None}
        elif (6 in uses) != decision.ipv6 and 6 in families:
            what = "over IPv4 only" if decision.ipv6 else "over IPv6 all the same"
            told.append(f"{service.name} has {PARAMETER}={own or ''} of its own in master.cf, so it sends {what}")
    return found, told
