# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PTR records for addresses that have none of their own."""

from __future__ import annotations

import typing as t


def wildcards(zone: str, owners: t.Iterable[str], _target: str) -> list[str]:
    """Return the names of the wildcards that a zone needs, so that every other address has an answer (RFC 4592)."""
    found = {f"*.{zone}"}
    for owner in owners:
        place = owner.partition(".")[2]
        while place.endswith(f".{zone}"):
            found.add(f"*.{place}")
            place = place.partition(".")[2]
    return sorted(found)
