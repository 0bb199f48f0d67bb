# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: what the machines are, and in what they differ from what they were."""

from __future__ import annotations

import json
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine import Engine
from model import Lab, Machine

ON_MACHINE = Path(__file__).resolve().parent / "on_machine.py"

Snapshot = dict[str, dict[str, t.Any]]


def take(engine: Engine, lab: Lab, machines: t.Sequence[Machine]) -> Snapshot:
    """Return files, addresses, routes, rules, sysctls, listening sockets and zones of these machines."""
    script = ON_MACHINE.read_bytes()

    def one(machine: Machine) -> dict[str, t.Any]:
        text = engine.run("exec", "-i", lab.container(machine), "python3", "-", stdin=script).stdout
        return t.cast("dict[str, t.Any]", json.loads(text))

    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip([machine.name for machine in machines], pool.map(one, machines)))


def render(snapshot: Snapshot) -> str:
    """Return a snapshot as JSON."""
    return json.dumps(snapshot, indent=2, sort_keys=True) + "\n"


def _flat(value: object, path: str = "") -> set[str]:
    """Return a snapshot as lines, one for every leaf, so that two of them can be compared as sets."""
    if isinstance(value, dict):
        return {line for key, inner in value.items() for line in _flat(inner, f"{path}{key}: ")}
    if isinstance(value, list):
        # The place in the list counts: the order of rules is what they mean.
        numbered = len(value) > 1 and "tables" in path
        return {f"{path}{f'{n} ' if numbered else ''}{inner}" for n, inner in enumerate(value)}
    return {f"{path}{value}"}


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """Return what is gone (-) and what is new (+), as readable lines."""
    old, new = _flat(before), _flat(after)
    return [f"- {line}" for line in sorted(old - new)] + [f"+ {line}" for line in sorted(new - old)]
