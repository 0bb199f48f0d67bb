# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings as they are collected and given back."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.findings_world import Record


class Report:
    """The findings of the zones that are judged."""

    def __init__(self, complete: frozenset[str] | None) -> None:
        self._complete = complete
        self.found: list[tuple[str, Record, str]] = []

    def add(self, check: str, record: Record, message: str) -> None:
        """Put a finding down; a record without data stands for one that is missing."""
        if self._complete is None or record.zone in self._complete:
            self.found.append((check, record, f"{message.rstrip('.')}."))


def missing(zone: str, name: str, kind: str) -> Record:
    """Return a record to stand for one that is not there."""
    return Record(zone, name, None, kind, "")


def first_few(names: t.Iterable[str], most: int = 3) -> str:
    """Return names as a list in a sentence, cut when it is long."""
    every = list(names)
    text = ", ".join(every[:most])
    return text if len(every) <= most else f"{text} and {len(every) - most} more"
