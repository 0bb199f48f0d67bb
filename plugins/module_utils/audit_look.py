# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that only an audit needs to know of a host: read-only, in one go, beside what host_info tells anyway.

What takes its time (gateways that must answer, names that must be looked up, Postfix) runs in threads meanwhile.
"""

from __future__ import annotations

import concurrent.futures
import ipaddress
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import (
    audit_daemons,
    audit_disk,
    audit_names,
    audit_network,
    audit_rules,
    audit_state,
    audit_text,
)
from ansible_collections.ipv6.rollout.plugins.module_utils.audit_text import Data
from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

LISTS = ("destinations", "names", "paths")
MOST = 200  # of destinations, of names, of paths
SINCE = "1h"  # how far back the log of the host's own resolver is read


class Wish(t.NamedTuple):
    """What the audit asks for, as the option ``audit`` of the module says."""

    destinations: t.Tuple[str, ...]
    names: t.Tuple[str, ...]
    paths: t.Tuple[str, ...]
    token: str
    ipv4_use: bool
    nat64_prefix: t.Optional[ipaddress.IPv6Network]


def wish(given: t.Mapping[str, t.Any]) -> Wish:
    """Check what the caller asks for."""
    lists = {name: _texts(name, given.get(name)) for name in LISTS}
    token = given.get("token") or ""
    if not isinstance(token, str) or (token and not 8 <= len(token) <= 200) or not token.isprintable():
        raise RolloutError(f"audit: token {shown(token)} can't be looked for; write 8 to 200 printable characters")
    prefix = given.get("nat64_prefix") or ""
    try:
        nat64 = ipaddress.IPv6Network(prefix) if prefix else None
    except ValueError as error:
        raise RolloutError(f"audit: nat64_prefix {error}; write a prefix such as 64:ff9b::/96") from error
    return Wish(lists["destinations"], lists["names"], lists["paths"], token, bool(given.get("ipv4_use", False)), nat64)


def _texts(name: str, given: object) -> t.Tuple[str, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)) or not all(isinstance(each, str) for each in given):
        raise RolloutError(f"audit: {name} {shown(given)} is no list of texts; write a list, such as [www.example.com]")
    if len(given) > MOST:
        raise RolloutError(f"audit: {name} has {len(given)} entries; write at most {MOST}")
    return tuple(dict.fromkeys(each for each in given if each.strip()))


class Looking:
    """A look that has begun: the state before is known, and what takes its time is under way."""

    def __init__(self, given: t.Mapping[str, t.Any]) -> None:
        self.wish = wish(given)
        self.before = audit_state.snapshot()
        self.pool = concurrent.futures.ThreadPoolExecutor(max_workers=4)
        self.network = self.pool.submit(audit_network.look)
        self.names = self.pool.submit(audit_names.look, self.wish.destinations, self.wish.names)
        self.postfix = self.pool.submit(audit_daemons.postfix)

    def finish(self, found: Data) -> Data:
        """Return the audit's part, once the rest of the look is there."""
        problems: t.Dict[str, str] = {}

        def part(name: str, ask: t.Callable[[], t.Any], otherwise: t.Any) -> t.Any:
            """Ask for a part; what can't be read is told, and ends nothing."""
            try:
                return ask()
            except audit_text.UNREADABLE as error:
                problems[name] = audit_text.plain(f"{type(error).__name__}: {error}")
                return {**otherwise, "problem": problems[name]} if isinstance(otherwise, dict) else otherwise

        firewall = found["firewall"]
        saved = {family: firewall[family].get("saved", "") for family in ("ipv4", "ipv6")}
        told: Data = {
            "settings": part("settings", audit_network.settings, {"ipv4": {}, "ipv6": {}}),
            "kernel": part("kernel", audit_network.kernel, {}),
            "disk": part(
                "disk", lambda: audit_disk.look(found["network_backend"], found["interfaces"]), audit_disk.NONE
            ),
            "saved": part("saved", lambda: audit_rules.look(found["managers"]), audit_rules.NONE),
            "conntrack": part(
                "conntrack", lambda: audit_rules.tracking(saved, firewall["ipv6"].get("tracking_refused", "")), {}
            ),
            "ipv4_use": part("ipv4_use", self._ipv4_use, {}),
        }
        web, logs = part("web", audit_daemons.web, ({**audit_daemons.NO_WEB, "problem": "it can't be read"}, []))
        told["web"] = web
        told["hits"] = part(
            "hits", lambda: audit_daemons.hits(self.wish.token, [*logs, *self.wish.paths]), {"seen": [], "logs": 0}
        )
        network = part("network", self.network.result, audit_network.NONE)
        for name in audit_network.NONE:
            told[name] = network[name]
            if "problem" in network:
                problems[name] = network["problem"]
        told["selection"] = part("selection", self.names.result, audit_names.NONE)
        told["postfix"] = part("postfix", self.postfix.result, audit_daemons.NO_POSTFIX)
        self.pool.shutdown()
        if told["postfix"].get("problem") and not told["postfix"]["parameters"]:
            problems["postfix"] = told["postfix"]["problem"]
        told["problems"] = {**network.get("problems", {}), **problems}
        told["state"] = audit_state.compared(self.before, audit_state.snapshot())
        return told

    def _ipv4_use(self) -> t.Optional[Data]:
        if not self.wish.ipv4_use:
            return None
        return audit_names.ipv4_use(self.wish.nat64_prefix, SINCE)
