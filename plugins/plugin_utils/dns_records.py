# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the action plugin dns_records does: read, compare, update zone by zone, read again."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import dns_compare, dns_wire
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_lines import diff, zone_changes
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_server import Problem, Server
from ansible_collections.ipv6.rollout.plugins.plugin_utils.dns_update import (
    Change,
    Comparison,
    Key,
    Rrset,
    Transaction,
    Wanted,
    asked,
    changes,
    needed,
    same,
    transactions,
)

# A name below the one in question. Where it gets the same answer, that answer came from a wildcard.
_PROBE_LABEL = "_ipv6-rollout-probe"
_ROOM_FOR_PROBE = 230  # characters of a name that a label can still be put before


class Reader(t.Protocol):
    """What the comparison needs from a server."""

    def look(self, keys: t.Sequence[Key]) -> dict[Key, Rrset | Problem | None]:
        """Read RRsets."""

    def zone_of(self, names: t.Iterable[str]) -> dict[str, str]:
        """Return the zone of each name."""


class Plan(t.NamedTuple):
    """What one call has to do, and what was found on the way."""

    transactions: list[Transaction]
    warnings: list[str]
    live: dict[Key, Rrset | None]


class Outcome(t.NamedTuple):
    """What one call did. ``error`` is None where all went well."""

    done: list[Transaction]
    live: dict[Key, Rrset | None]
    error: str | None


def plan(wish: Wanted, server: Reader, way: str = "auto") -> Plan:
    """Read what the server holds and work out the messages. Nothing is changed.

    :param way: one of :data:`dns_compare.WAYS`; it counts where the reader is a server, which may give zones away
    """
    about, beside = asked(wish), needed(wish)
    if isinstance(server, Server):
        held, by_transfer = dns_compare.read(about + beside, server, way)
    else:
        held, by_transfer = server.look(about + beside), {}
    live = {key: found for key, found in held.items() if not isinstance(found, Problem)}
    _speak_for_all(about, held)
    compared = _without_wildcards(wish, live, server, by_transfer)
    names = [change.key.name for change in compared.changes]
    zones = {**by_transfer, **server.zone_of(name for name in names if name not in by_transfer)}
    found = transactions(compared.changes, zones, dns_wire.size, wish.present)
    return Plan(found, compared.warnings, {key: live[key] for key in about})


def _speak_for_all(about: t.Sequence[Key], held: t.Mapping[Key, Rrset | Problem | None]) -> None:
    problems = []
    for key in about:
        found = held[key]
        if isinstance(found, Problem):
            problems.append(f"{key.name} {key.type}: {found.reason}")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise RolloutError("; ".join(problems[:5]) + more + ". Nothing was changed")


def _without_wildcards(
    wish: Wanted, live: dict[Key, Rrset | None], server: Reader, by_transfer: t.Container[str]
) -> Comparison:
    """Compare, and take what only a wildcard answers for as what it is: an RRset that does not exist (RFC 4592)."""
    compared = changes(wish, live)
    doubtful = {
        change.key: change.before
        for change in compared.changes
        if change.before is not None and change.key.name not in by_transfer
    }
    synthesised = _synthesised(doubtful, server)
    if not synthesised:
        return compared
    live.update(dict.fromkeys(synthesised))
    return changes(wish, live)


def _synthesised(held: t.Mapping[Key, Rrset], server: Reader) -> list[Key]:
    """Return the RRsets that only a wildcard answers for: a name below gets the same answer, so this one is no node."""
    probes = {key: Key(f"{_PROBE_LABEL}.{key.name}", key.type) for key in held if len(key.name) < _ROOM_FOR_PROBE}
    answers = server.look(list(probes.values()))
    found = []
    for key, probe in probes.items():
        answer = answers[probe]
        if isinstance(answer, Rrset) and same(key, answer, held[key]):
            found.append(key)
    return found


def apply(found: Plan, server: Server) -> Outcome:
    """Send the updates, one zone after the other, and read again. The first failure ends it."""
    done: list[Transaction] = []
    live = dict(found.live)
    for transaction in found.transactions:
        try:
            server.update(transaction.zone, transaction.changes)
            live.update(_verified(transaction, server))
        except RolloutError as error:
            return Outcome(done, live, _with_rest(str(error), done, found.transactions))
        done.append(transaction)
    return Outcome(done, live, None)


def _verified(transaction: Transaction, server: Server) -> dict[Key, Rrset | None]:
    """Read again what was written. A server may leave out a part and still say that all is well."""
    held = server.look([change.key for change in transaction.changes])
    suspects: dict[Key, Rrset] = {}
    for change in transaction.changes:
        found = held[change.key]
        if change.after is None and isinstance(found, Rrset):
            suspects[change.key] = found
    held.update(dict.fromkeys(_synthesised(suspects, server)))
    wrong = [_difference(change, held[change.key]) for change in transaction.changes if not _as_wanted(change, held)]
    if wrong:
        raise RolloutError(
            f"zone {transaction.zone}: {server} accepted the update, but {'; '.join(wrong[:5])}. A CNAME record at the "
            "name, or somebody else's change right after it, does that; run again to see"
        )
    return {change.key: change.after for change in transaction.changes}


def _as_wanted(change: Change, held: t.Mapping[Key, Rrset | Problem | None]) -> bool:
    found = held[change.key]
    return not isinstance(found, Problem) and same(change.key, found, change.after)


def _difference(change: Change, found: Rrset | Problem | None) -> str:
    if isinstance(found, Problem):
        return f"of {change.key.name} {change.key.type} {found.reason}"
    is_now = "does not exist" if found is None else f"is {', '.join(found.data)} with TTL {found.ttl}"
    return f"{change.key.name} {change.key.type} {is_now}"


def _with_rest(error: str, done: t.Sequence[Transaction], every: t.Sequence[Transaction]) -> str:
    """Add to an error what was done before it and what was not sent after it."""
    finished = list(dict.fromkeys(item.zone for item in done))
    left = list(dict.fromkeys(item.zone for item in every[len(done) + 1 :]))
    text = error if error.endswith(".") else f"{error}."
    if finished:
        text += f" Done before: {', '.join(finished)}"
    if left:
        text += f" Not sent: {', '.join(left)}"
    return text


def result(found: t.Sequence[Transaction], live: t.Mapping[Key, Rrset | None], with_diff: bool) -> dict[str, t.Any]:
    """Return what the action plugin returns."""
    values: dict[str, t.Any] = {
        "changed": bool(found),
        "zones": zone_changes(found),
        "records": [
            {"name": key.name, "type": key.type, "ttl": rrset.ttl, "data": data}
            for key, rrset in sorted(live.items())
            if rrset is not None
            for data in sorted(rrset.data)
        ],
    }
    if with_diff:
        values["diff"] = diff(found)
    return values


def predicted(found: Plan) -> dict[Key, Rrset | None]:
    """Return the RRsets as they will be after the updates."""
    return {**found.live, **{change.key: change.after for item in found.transactions for change in item.changes}}
