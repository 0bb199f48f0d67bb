# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RRsets and their changes as people read them: lines of a zone file."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import Key, Rrset, Transaction


def lines(key: Key, rrset: Rrset | None) -> list[str]:
    """Return an RRset as lines of a zone file."""
    return [] if rrset is None else [f"{key.name} {rrset.ttl} IN {key.type} {data}" for data in sorted(rrset.data)]


def zone_changes(found: t.Sequence[Transaction]) -> list[dict[str, t.Any]]:
    """Return what changes, zone by zone, as lines."""
    result: dict[str, dict[str, t.Any]] = {}
    for transaction in found:
        entry = result.setdefault(transaction.zone, {"zone": transaction.zone, "added": [], "removed": []})
        for change in transaction.changes:
            before, after = lines(change.key, change.before), lines(change.key, change.after)
            entry["added"] += [line for line in after if line not in before]
            entry["removed"] += [line for line in before if line not in after]
    return list(result.values())


def diff(found: t.Sequence[Transaction]) -> list[dict[str, str]]:
    """Return what changes as Ansible shows it: one part for each zone, the changed RRsets before and after."""
    parts: dict[str, tuple[list[str], list[str]]] = {}
    for transaction in found:
        before, after = parts.setdefault(transaction.zone, ([], []))
        for change in transaction.changes:
            before += lines(change.key, change.before)
            after += lines(change.key, change.after)
    return [
        {
            "before_header": f"zone {zone}",
            "after_header": f"zone {zone}",
            "before": "".join(f"{line}\n" for line in sorted(before)),
            "after": "".join(f"{line}\n" for line in sorted(after)),
        }
        for zone, (before, after) in parts.items()
    ]
