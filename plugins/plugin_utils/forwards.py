# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of the v4 proxy that lead to ssh: each host that wants one gets it once, and keeps it.

They are ``forwards`` in the plan, which is there only where somebody asked. A port is retired with its host, like an
address, and is not given out again until the plan is purged.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_data import Plan, Since, State

VARIABLE = "ipv6_forward_ports"
LOWEST, HIGHEST = 1024, 65535  # below are the ports of services

Forwards = dict[str, int]
Gone = dict[str, tuple[int, Since]]


def port(value: object, what: str) -> int:
    """Read the port of a forward in a plan."""
    found = 0
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value, re.ASCII):
        found = int(value)
    if not LOWEST <= found <= HIGHEST:
        raise RolloutError(f"{what}: {shown(value)} is no port between {LOWEST} and {HIGHEST}")
    return found


def port_range(value: object) -> range:
    """Read the ports that may be given out, such as ``22001-22999``."""
    parts = re.fullmatch(r"([0-9]{1,5})\s*-\s*([0-9]{1,5})", value, re.ASCII) if isinstance(value, str) else None
    if parts is None:
        raise RolloutError(f"{VARIABLE}: {shown(value)} is no range of ports; write one such as '22001-22999'")
    first, last = (port(part, VARIABLE) for part in parts.groups())
    if last < first:
        raise RolloutError(f"{VARIABLE}: {shown(value)} ends before it begins; write the lower port first")
    return range(first, last + 1)


def place_forwards(
    names: object, ports: object, old: State, hosts: t.Container[str], today: str, purge: bool
) -> tuple[Forwards, Gone]:
    """Return who has which port, and the ports that are not given out again.

    :param names: the hosts that want one; where ``ports`` is empty, everybody keeps what there is
    :param hosts: the hosts that are in the plan now
    """
    if ports is None or ports == "":
        wanted = [name for name in old.forwards if name in hosts]
        free = range(0)
    else:
        free = port_range(ports)
        if not isinstance(names, (list, tuple)):
            raise RolloutError(f"forwards: {shown(names)} is no list of hosts")
        wanted = list(dict.fromkeys(str(name) for name in names))
        for name in wanted:
            if name not in hosts:
                raise RolloutError(f"forwards: {shown(name)} has no address in the plan; give it an ipv6_subnet")
    found: Forwards = {}
    gone = dict(old.retired_forwards)
    for name in wanted:
        if name in old.forwards:
            found[name] = old.forwards[name]
        elif name in gone:
            found[name] = gone[name][0]
        if name in found:
            gone.pop(name, None)
    if purge:
        gone = {}
    gone.update({name: (number, today) for name, number in old.forwards.items() if name not in found})
    taken = {*found.values(), *(number for number, _since in gone.values())}
    rest = (number for number in free if number not in taken)
    for name, number in zip(sorted(name for name in wanted if name not in found), rest):
        found[name] = number
    if len(found) < len(wanted):
        missing = min(name for name in wanted if name not in found)
        raise RolloutError(
            f"{VARIABLE}: {shown(ports)} has no port left for {missing}; make the range larger, or purge the plan"
        )
    return found, gone


def with_forwards(plan: Plan, found: Forwards, gone: Gone) -> Plan:
    """Return a plan with its forwards, by port; a plan without any is as it was."""
    whole = {key: value for key, value in plan.items() if key != "retired"}
    if found:
        whole["forwards"] = dict(sorted(found.items(), key=lambda item: item[1]))
    whole["retired"] = dict(plan["retired"])
    if gone:
        ordered = sorted(gone.items(), key=lambda item: item[1])
        whole["retired"]["forwards"] = {name: {"port": number, "since": since} for name, (number, since) in ordered}
    return whole


def read_ports(plan: t.Mapping[t.Any, t.Any]) -> dict[str, int]:
    """Return the forwards of a plan that was checked, as numbers; the file has text."""
    return {str(name): int(number) for name, number in (plan.get("forwards") or {}).items()}
