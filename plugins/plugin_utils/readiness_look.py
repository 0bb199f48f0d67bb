# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what a host said of itself without trusting its shape: one odd host must not end the audit of the others."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.readiness_model import Data, Host


def part(host: Host, name: str) -> Data:
    """Return a part of the look that is a dictionary; empty where there is none."""
    return mapping(mapping(host.audit).get(name))


def entries(host: Host, name: str) -> list[Data] | None:
    """Return a part of the look that is a list of dictionaries; None where there is none."""
    return rows(mapping(host.audit).get(name))


def mapping(value: object) -> Data:
    """Return a dictionary, empty where it is something else."""
    return value if isinstance(value, t.Mapping) else {}


def rows(value: object) -> list[Data] | None:
    """Return the dictionaries of a list; None where it is no list."""
    return [item for item in value if isinstance(item, t.Mapping)] if isinstance(value, (list, tuple)) else None
