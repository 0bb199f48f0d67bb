# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between two audits, and whether IPv4 was harmed."""

from __future__ import annotations

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
KEY = ("check", "host", "service", "name", "address", "family")
CELL = ("host", "service", "port", "protocol", "family", "address")

Key = tuple[str, ...]


def compare(before: object, after: Data) -> dict[str, t.Any]:
    """Return the part ``before`` of a document: how an earlier audit of the same site differs from it.

    A result is the same one where its check, host, service, name, address and family are. ``ipv4_harmed`` names each
    result and each cell of the matrix that passed over IPv4 before, and now fails or is gone. What passed and is not
    known now is among the changes: that is no proof of harm, and none of its absence.

    :param before: the document of the earlier audit, as it was read from its file
    :param after: the document of this audit
    """
    earlier = _checked(before, str(after["schema"]))
    was = _by_key(earlier["results"], KEY, "status")
    now = _by_key(after["results"], KEY, "status")
    changes = [change for key in {**was, **now} if (change := _change(key, was.get(key), now.get(key)))]

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
                _by_key(earlier["matrix"], CELL, "verdict"), _by_key(after["matrix"], CELL, "verdict"), _cell_place
            ),
        ],
    }


def _checked(before: object, schema: str) -> Data:
    """Return the earlier document, if it is one."""
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
    """Return what passed over IPv4, and now fails or is gone."""
    lost = []
    for key, entry in was.items():
        if entry["family"] != "ipv4" or entry["status"] != PASS:
            continue
        here = now.get(key)
        if here is None:
            lost.append(f"{shown_as(entry)}: passed, is gone")
        elif here["status"] == FAIL:
            lost.append(f"{shown_as(entry)}: passed, fails now")
    return sorted(lost)


def _cell_place(cell: Data) -> str:
    told = place({**cell, "service": f"{cell['service']} {cell['port']}/{cell['protocol']}"})
    return f"matrix {told}"
