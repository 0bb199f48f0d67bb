# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serial numbers of zones: their arithmetic (RFC 1982), the next one, and how to get one down again (RFC 1912, 3.1).

Serial numbers go round in a circle of ``2**bits`` numbers, 32 bits in DNS. Of two of them the greater one is what less
than half of the circle leads up to. Half of the circle apart, neither is greater. Secondary servers take a zone only
where its serial became greater.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown

BITS = 32  # RFC 1982, section 7
LARGEST_STEP = (1 << (BITS - 1)) - 1

POLICIES = ("date", "epoch", "counter")

Comparison = t.Literal["less", "equal", "greater", "undefined"]


def compare(number: int, other: int, bits: int = BITS) -> Comparison:
    """Tell what ``number`` is beside ``other`` (RFC 1982, section 3.2).

    ``compare(new, old) == "greater"`` means that secondary servers take the new zone.

    :raises RolloutError: where one of them is no serial number of this width
    """
    ahead = (_checked(number, bits) - _checked(other, bits)) % (1 << bits)
    half = 1 << (bits - 1)
    if ahead == 0:
        return "equal"
    if ahead == half:
        return "undefined"
    return "greater" if ahead < half else "less"


def add(number: int, step: int, bits: int = BITS) -> int:
    """Return the serial number that is ``step`` after ``number`` (RFC 1982, section 3.1).

    :raises RolloutError: where the step is negative, or more than ``2**(bits - 1) - 1``
    """
    largest = (1 << (bits - 1)) - 1
    if not 0 <= step <= largest:
        raise RolloutError(f"step: {shown(step)} is no step of a serial number; the largest one is {largest}")
    return (_checked(number, bits) + step) % (1 << bits)


def next_serial(current: int | None, policy: str, now: datetime.datetime) -> int:
    """Return the serial number of a zone whose content changes; it is always greater than ``current``.

    ==========  =====================================================================================================
    policy      number
    ==========  =====================================================================================================
    ``date``    year, month, day and two digits, 2026112100 for the first change of 21 November 2026 (RFC 1912, 2.2).
                The change after 2026112199 gets 2026112200: it counts on into the numbers of the next day, whose own
                changes go on from there. The same holds for a number that is ahead of the date for another reason
    ``epoch``   seconds since 1970; one more than the current number where that is not greater
    ``counter`` one more
    ==========  =====================================================================================================

    :param current: the number that is served, None for a new zone
    :param now: the time, in UTC
    """
    if policy not in POLICIES:
        raise RolloutError(f"serial: {shown(policy)} is no policy; write one of {', '.join(POLICIES)}")
    wanted = {
        "date": int(now.strftime("%Y%m%d")) * 100,
        "epoch": int(now.timestamp()),
        "counter": 1,
    }[policy]
    if current is None:
        return wanted
    if policy != "counter" and compare(wanted, current) == "greater":
        return wanted
    return add(current, 1) or 1  # 0 means "no zone yet" to some secondary servers


def later(number: int, other: int | None) -> int:
    """Return the one of two serial numbers that no secondary server is ahead of."""
    return other if other is not None and compare(other, number) == "greater" else number


def repair_steps(current: int, wanted: int) -> list[int]:
    """Return the serial numbers to publish one after the other, so that a zone gets from ``current`` to ``wanted``.

    Each is greater than the one before, and no way is shorter. Between two of them all secondary servers must have
    taken the zone: RFC 1912, section 3.1, waits for two refresh intervals.

    ==================  ======================================================================================
    ``wanted`` is       steps
    ==================  ======================================================================================
    the same            none
    greater             ``[wanted]``
    less, or undefined  ``[current + 2147483647, wanted]``
    one less            three: behind the largest step there is half of the circle left, so it is taken twice
    ==================  ======================================================================================
    """
    if compare(wanted, current) == "equal":
        return []
    steps = []
    while compare(wanted, current) != "greater":
        current = add(current, LARGEST_STEP)
        steps.append(current)
    return [*steps, wanted]


def _checked(number: int, bits: int) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 1 << bits:
        raise RolloutError(f"serial: {shown(number)} is no serial number; write a number from 0 to {(1 << bits) - 1}")
    return int(number)
