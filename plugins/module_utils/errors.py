# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that the cores raise for anything a user can put right."""

from __future__ import annotations


class RolloutError(Exception):
    """A message for the user: it names the variable, the value and the way out."""


def shown(value: object, limit: int = 80) -> str:
    """Return a value as it is put into a message: quoted, on one line, and cut when it is long."""
    try:
        text = repr(str(value)) if isinstance(value, str) else repr(value)
    except ValueError:  # Python writes no number of thousands of digits
        text = f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= limit else f"{text[:limit]}... ({len(text)} characters)"
