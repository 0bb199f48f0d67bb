# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between two audits, and whether IPv4 was harmed."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.audit_words import (
    FAIL,
    NOT_APPLICABLE,
    PASS,
    UNKNOWN,
    Data,
    place,
    plain,
)

RANK = {PASS: 0, NOT_APPLICABLE: 0, UNKNOWN: 1, FAIL: 2}  # the higher, the worse
KINDS = ("worse", "new", "gone", "better")  # in this order
COMPARED = "Z01"  # the check that is about what changed; it is no change itself
KEY = ("check", "host", "service", "name", "address", "family")
CELL = ("host", "service", "port", "protocol", "family", "address")

Key = tuple[str, ...]


def compare(before: object, after: Data) -> dict[str, t.Any]:
    """Return the part ``before`` of a document: how an earlier audit of the same site differs from it.

    A result is the same one where its check, host, service, name, address and family are. ``ipv4_harmed`` names each
    result and each cell of the matrix that passed over IPv4 before, and now fails, or is a host's and gone. What passed
    and is not known now is among the changes: that is no proof of harm, and none of its absence. What :func:`carried`
    leaves out is not compared.

    :param before: the document of the earlier audit, as it was read from its file
    :param after: the document of this audit
    """
    earlier = checked(before, str(after["schema"]))
    here = after.get("hosts") or {}
    was = _by_key(carried(earlier, "results", here), KEY, "status")
    now = _by_key(after["results"], KEY, "status")
    keys = [key for key in {**was, **now} if key[0] != COMPARED]
    changes = [change for key in keys if (change := _change(key, was.get(key), now.get(key)))]

    changes.sort(
        key=lambda change: (KINDS.index(change["kind"]), -RANK.get(change["is"], 0), *(change[k] for k in KEY))
    )
    return {
        "made": str(earlier["run"]["made"]),
        "verdict": str(earlier["site"]["verdict"]),
        "changes": changes,
        "ipv4_harmed": [
            *_harmed(was, now, lambda told: f"{plain(told['check'])} {place(told)}"),
            *_harmed(
                _by_key(carried(earlier, "matrix", here), CELL, "verdict"),
                _by_key(after["matrix"], CELL, "verdict"),
                _cell_place,
            ),
        ],
    }


def carried(before: Data, part: str, hosts: t.Mapping[str, Data]) -> list[Data]:
    """Return the results or the cells of an earlier document that this audit has something to say of.

    A host that is not audited now (``--limit`` leaves it out, or it was taken out of the inventory) and a service that
    is no longer declared are left out. Where a host has another address now, what was said of the old one is taken for
    the new one.

    :param before: the earlier document
    :param part: ``results`` or ``matrix``
    :param hosts: the hosts of this audit, as the document has them
    """
    earlier = before.get("hosts")
    known: dict[str, Data] = {
        str(name): host
        for name, host in (earlier.items() if isinstance(earlier, t.Mapping) else ())
        if isinstance(host, t.Mapping)
    }
    left = {address for name, host in known.items() if name not in hosts for address in _addresses(host) if address}
    left -= {address for host in hosts.values() for address in _addresses(host)}
    found: list[Data] = []
    for entry in before.get(part) or ():
        name, address = str(entry["host"]), str(entry["address"])
        if (name and name not in hosts) or (not name and address in left):
            continue
        was, now = known.get(name, {}), hosts.get(name, {})
        if str(entry["service"]) in _services(was) - _services(now):
            continue
        moved = {old: new for old, new in zip(_addresses(was), _addresses(now)) if old and new}
        found.append({**entry, "address": moved.get(address, address)})
    return found


def _addresses(host: Data) -> tuple[str, str]:
    return str(host.get("ipv4") or ""), str(host.get("address") or "")


def _services(host: Data) -> set[str]:
    entries = host.get("services")
    return (
        {str(entry.get("name")) for entry in entries if isinstance(entry, t.Mapping)}
        if isinstance(entries, (list, tuple))
        else set()
    )


def checked(before: object, schema: str) -> Data:
    """Return the earlier document, if it is one.

    :raises RolloutError: where it is not
    """
    what = "readiness_before"
    if not isinstance(before, t.Mapping) or before.get("schema") != schema:
        found = before.get("schema") if isinstance(before, t.Mapping) else before
        raise RolloutError(
            f"{what}: {shown(found)} is not an audit of schema {schema}; name the JSON file that an earlier audit "
            "wrote, or leave the variable out"
        )
    lists: dict[str, tuple[str, ...]] = {"results": (*KEY, "status", "message"), "matrix": (*CELL, "verdict")}
    for part, needed in lists.items():
        entries = before.get(part)
        if not isinstance(entries, list) or not all(_has(entry, needed) for entry in entries):
            raise RolloutError(f"{what}: '{part}' is not as an audit writes it; name another one, or remove that file")
    for part, one in (("run", "made"), ("site", "verdict")):
        if not _has(before.get(part), (one,)):
            raise RolloutError(f"{what}: '{part}' is not as an audit writes it; name another one, or remove that file")
    return before


def audited(text: object, schema: str) -> list[str]:
    """Return the names of the hosts that an audit has judged; of what is no audit, none."""
    try:
        hosts = checked(json.loads(str(text or "")), schema).get("hosts")
    except (RolloutError, ValueError, RecursionError):
        return []
    return sorted(str(name) for name in hosts) if isinstance(hosts, t.Mapping) else []


def _has(entry: object, needed: t.Sequence[str]) -> bool:
    return isinstance(entry, t.Mapping) and all(isinstance(entry.get(key), (str, int)) for key in needed)


def _by_key(entries: t.Iterable[Data], key: t.Sequence[str], status: str) -> dict[Key, Data]:
    """Return entries by their key; where two have the same one, the worse one counts."""
    found: dict[Key, Data] = {}
    for entry in entries:
        told = {**entry, "status": str(entry[status])}
        place_of = tuple(str(entry[part]) for part in key)
        if place_of not in found or _rank(told) > _rank(found[place_of]):
            found[place_of] = told
    return found


def _rank(entry: Data) -> int:
    return RANK.get(entry["status"], RANK[UNKNOWN])


def _change(key: Key, was: Data | None, now: Data | None) -> dict[str, str] | None:
    """Return what became of a result, or None where it is the same."""
    if was is not None and now is not None:
        if was["status"] == now["status"]:
            return None
        worse = _rank(now) - _rank(was) or (now["status"] == NOT_APPLICABLE)
        kind = "worse" if worse > 0 else "better"
    else:
        kind = "new" if was is None else "gone"
    told = now if now is not None else was
    return {
        "kind": kind,
        **dict(zip(KEY, key)),
        "was": str(was["status"]) if was else "",
        "is": str(now["status"]) if now else "",
        "message": str(told["message"]) if told else "",
    }


def _harmed(was: t.Mapping[Key, Data], now: t.Mapping[Key, Data], shown_as: t.Callable[[Data], str]) -> list[str]:
    """Return what passed over IPv4, and now fails or is gone; a name or a zone that is gone was taken out."""
    lost = []
    for key, entry in was.items():
        if entry["family"] != "ipv4" or entry["status"] != PASS or key[0] == COMPARED:
            continue
        here = now.get(key)
        if here is None and entry["host"]:
            lost.append(f"{shown_as(entry)}: passed, is gone")
        elif here is not None and here["status"] == FAIL:
            lost.append(f"{shown_as(entry)}: passed, fails now")
    return sorted(lost)


def _cell_place(cell: Data) -> str:
    told = place({**cell, "service": f"{cell['service']} {cell['port']}/{cell['protocol']}"})
    return f"matrix {told}"
