# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit as a whole: all checks, the probes that they need, and what they say of a site."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import (
    FAIL,
    NOT_APPLICABLE,
    ODD,
    STATUSES,
    Check,
    Result,
    Site,
)

# A group is a module readiness_<name> with CHECKS and, where it wants to see something from outside, probes(site).
# The last one judges what the others said.
GROUPS = (
    "addresses",
    "routing",
    "firewall",
    "sockets",
    "dns",
    "web",
    "mail",
    "translation",
    "transport",
    "selection",
    "fleet",
)
ACCEPTED_KEYS = ("check", "host", "service", "name", "family", "because")


def _group(name: str) -> t.Any:
    return importlib.import_module(f"ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_{name}")


@functools.cache
def checks() -> dict[str, Check]:
    """Return all checks by id, in their order."""
    return {check.id: check for name in GROUPS for check in _group(name).CHECKS}


def probes(site: Site) -> tuple[list[dict[str, t.Any]], list[str]]:
    """Return the probes that are not made yet, and what could not be asked for because what was seen is odd.

    Called before the hosts are looked at, and again after it: what listens there is tried from outside.
    """
    asked: dict[str, dict[str, t.Any]] = {}
    problems = []
    for name in GROUPS:
        make = getattr(_group(name), "probes", None)
        try:
            for probe in make(site) if make else ():
                if probe["id"] not in site.proofs:
                    asked.setdefault(probe["id"], probe)
        except ODD as error:
            problems.append(f"the probes of {name}: {type(error).__name__}: {error}")
    return list(asked.values()), problems


def judge(site: Site, excused: object = None) -> list[tuple[Result, str]]:
    """Return all results, the worst first, each with the reason for which the user accepts it (mostly none).

    :param excused: ``[{check, host, service, name, family, because}]``; a key that is left out is about all
    """
    wanted = accepted(excused)
    found: list[Result] = []
    for name in GROUPS:
        if name == GROUPS[-1]:
            site = dataclasses.replace(site, results=tuple(_excuse(result, wanted)[0] for result in found))
        for check in _group(name).CHECKS:
            found += check.results(site)
    unique = {result.key: result for result in sorted(found, key=_worst_last)}
    return sorted((_excuse(result, wanted) for result in unique.values()), key=_order)


def _worst_last(result: Result) -> int:
    return -STATUSES.index(result.status)


def _order(item: tuple[Result, str]) -> tuple[t.Any, ...]:
    result, _because = item
    return (STATUSES.index(result.status), -checks()[result.check].hurts, *result.key)


def _excuse(result: Result, accepted: t.Sequence[t.Mapping[str, str]]) -> tuple[Result, str]:
    """Turn a failure that the user accepts into one that does not count."""
    if result.status == FAIL:
        for entry in accepted:
            if all(getattr(result, key) == value for key, value in entry.items() if key != "because"):
                return dataclasses.replace(result, status=NOT_APPLICABLE), entry["because"]
    return result, ""


def accepted(value: object) -> list[dict[str, str]]:
    """Return the failures that do not count, as the user wrote them.

    :raises RolloutError: where one can't be read
    """
    what = "readiness_accepted"
    if not value:
        return []
    if not isinstance(value, (list, tuple)):
        raise RolloutError(f"{what}: {shown(value)} is not a list; write [{{check: ..., because: ...}}]")
    entries = []
    for item in value:
        if not isinstance(item, t.Mapping):
            raise RolloutError(f"{what}: {shown(item)} is not a dictionary; write {{check: D06, because: ...}}")
        for key in item:
            if key not in ACCEPTED_KEYS:
                raise RolloutError(f"{what}: {shown(key)} is not known here; an entry has {', '.join(ACCEPTED_KEYS)}")
        if not isinstance(item.get("check"), str) or item["check"] not in checks():
            raise RolloutError(f"{what}: check: {shown(item.get('check'))} is no check; docs/audit.md lists them")
        if not isinstance(item.get("because"), str) or not item["because"].strip():
            raise RolloutError(f"{what}: {item['check']}: 'because' is missing; say why it is accepted")
        entries.append({key: str(item[key]) for key in ACCEPTED_KEYS if item.get(key) not in (None, "")})
    return entries
