# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who guards a host and until when, what has changed since, and what a rollback has left to say."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils import files

# Seconds after the deadline in which a holder may still be at work.
STALE = 15


class Lease(t.NamedTuple):
    """Who guards this host, and until when. Both times are seconds since boot, which no change of the clock moves."""

    owner: str
    token: str
    created: float
    deadline: int
    boot: str = ""

    def age(self, now: float) -> float:
        """How many seconds ago the host was armed."""
        return now - self.created

    def left(self, now: float) -> float:
        """How many seconds the lease still has."""
        return self.deadline - now


class Rollback(t.NamedTuple):
    """What the program left behind when it restored."""

    token: str
    reason: str
    when: str
    outcome: str

    @property
    def words(self) -> str:
        """The rollback in a sentence's half."""
        exact = "exactly as before" if self.outcome == "exact" else self.outcome
        return f"the host was rolled back at {self.when}: {self.reason} ({exact})"


def refusal(lease: Lease, owner: str, now: float) -> str:
    """Say who has the host, and what can be done."""
    who = "another run of yours" if lease.owner == owner else lease.owner
    left = max(lease.left(now), 0)
    return (
        f"owner: the host is guarded by {who} (armed {lease.age(now):.0f} s ago, {left:.0f} s left); "
        "wait until that is committed or rolled back; state=rolled_back with force: true takes its changes back at once"
    )


def _readable(line: str) -> str:
    kind, _space, rest = line.partition(" ")
    if kind == "address":
        return f"{kind} {rest.replace(' valid_lft forever preferred_lft forever', '').replace('|', '')}"
    if kind == "route":
        return f"{kind} ipv{rest.replace('|', ' ')}"
    if kind == "rule":
        return f"{kind} {rest.replace('|', ' ', 1)}"
    return f"{kind} {rest.partition('  ')[2]}" if kind == "content" else line


def differences(before: str, now: str) -> t.List[str]:
    """Return what changed, a line each: ``+`` came, ``-`` went; a file with another content is there with both."""
    old, new = before.splitlines(), now.splitlines()
    old_set, new_set = set(old), set(new)
    changed = [f"- {_readable(line)}" for line in old if line not in new_set]
    changed += [f"+ {_readable(line)}" for line in new if line not in old_set]
    # The same lines in another order: rules, for which the order counts.
    return changed or (["the order of rules or routes"] if old != new else [])


def uptime() -> float:
    """Seconds since boot."""
    with open("/proc/uptime", encoding="ascii") as handle:
        return float(handle.read().split()[0])


def boot_id() -> str:
    """Return what tells one boot from another, or an empty text where the kernel does not say."""
    return (files.read("/proc/sys/kernel/random/boot_id") or b"").decode().strip()
