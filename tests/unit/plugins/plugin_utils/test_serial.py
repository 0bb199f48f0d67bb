# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serial numbers of zones. The values that the RFCs print are in test_rfc_vectors.py."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError
from ansible_collections.ipv6.rollout.plugins.plugin_utils import serial

SERIALS = st.integers(0, 2**32 - 1)
OPPOSITE = {"less": "greater", "greater": "less", "equal": "equal", "undefined": "undefined"}


def by_the_text(number, other, bits):
    """RFC 1982, section 3.2, word by word."""
    half = 2 ** (bits - 1)
    if number == other:
        return "equal"
    if (number < other and other - number < half) or (number > other and number - other > half):
        return "less"
    if (number < other and other - number > half) or (number > other and number - other < half):
        return "greater"
    return "undefined"


@pytest.mark.parametrize("bits", [2, 3, 6])
def test_all_pairs_of_a_small_circle(bits):
    for number in range(1 << bits):
        for other in range(1 << bits):
            assert serial.compare(number, other, bits) == by_the_text(number, other, bits)


@given(SERIALS, SERIALS)
def test_pairs(number, other):
    assert serial.compare(number, other) == by_the_text(number, other, 32)
    assert serial.compare(other, number) == OPPOSITE[serial.compare(number, other)]


@given(SERIALS, st.integers(1, serial.LARGEST_STEP))
def test_a_step_forward_is_an_increase(number, step):
    assert serial.compare(serial.add(number, step), number) == "greater"
    assert serial.add(number, 0) == number


@given(SERIALS, SERIALS)
@example(10, 9)
@example(0, 2**32 - 1)
@example(0, 2**31)
@example(0, 2**31 + 1)
@example(5, 5)
def test_every_step_of_a_repair_is_an_increase_and_no_way_is_shorter(current, wanted):
    steps = serial.repair_steps(current, wanted)
    way = [current, *steps]
    assert way[-1] == wanted
    assert all(serial.compare(later, earlier) == "greater" for earlier, later in zip(way, steps))
    # k steps reach at most k times the largest one
    assert len(steps) == -(-((wanted - current) % 2**32) // serial.LARGEST_STEP)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: serial.compare(2**32, 0),
            "serial: 4294967296 is no serial number; write a number from 0 to 4294967295",
        ),
        (lambda: serial.compare(0, -1), "serial: -1 is no serial number; write a number from 0 to 4294967295"),
        (lambda: serial.compare("1", 0), "serial: '1' is no serial number; write a number from 0 to 4294967295"),
        (lambda: serial.add(True, 0), "serial: True is no serial number; write a number from 0 to 4294967295"),
        (lambda: serial.add(0, 128, 8), "step: 128 is no step of a serial number; the largest one is 127"),
        (lambda: serial.add(0, -1), "step: -1 is no step of a serial number; the largest one is 2147483647"),
        (lambda: serial.repair_steps(0, 2**32), None),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RolloutError) as caught:
        call()
    assert message is None or str(caught.value) == message


NOON = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("current", "policy", "wanted"),
    [
        (None, "date", 2026112100),
        (2026112000, "date", 2026112100),
        (2026112100, "date", 2026112101),
        (2026112199, "date", 2026112200),  # the change after the hundredth
        (2026112200, "date", 2026112201),
        (1763686800, "date", 2026112100),  # from seconds to the date is an increase
        (7, "date", 2026112100),
        (4294967290, "date", 2026112100),  # on the circle the date is ahead of this one
        (4000000000, "date", 4000000001),
        (2500000000, "date", 2500000001),
        (None, "epoch", 1795262400),
        (1795262400, "epoch", 1795262401),
        (2026112199, "epoch", 2026112200),  # from the date to seconds would be a decrease
        (None, "counter", 1),
        (41, "counter", 42),
        (4294967295, "counter", 1),  # not 0, which some take for "no zone"
    ],
)
def test_the_next_serial(current, policy, wanted):
    assert serial.next_serial(current, policy, NOON) == wanted


@given(
    SERIALS,
    st.sampled_from(serial.POLICIES),
    st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1)),
)
def test_the_next_serial_is_always_greater(current, policy, now):
    now = now.replace(tzinfo=datetime.timezone.utc)
    assert serial.compare(serial.next_serial(current, policy, now), current) == "greater"


def test_a_hundred_changes_a_day_and_more():
    numbers = [serial.next_serial(None, "date", NOON)]
    for _change in range(120):
        numbers.append(serial.next_serial(numbers[-1], "date", NOON))
    assert numbers[99] == 2026112199 and numbers[100] == 2026112200
    assert serial.next_serial(numbers[-1], "date", NOON + datetime.timedelta(days=1)) == numbers[-1] + 1
    assert serial.next_serial(numbers[-1], "date", NOON + datetime.timedelta(days=2)) == 2026112300


def test_an_unknown_policy():
    with pytest.raises(RolloutError) as caught:
        serial.next_serial(1, "random", NOON)
    assert "'random' is no policy; write one of date, epoch, counter" in str(caught.value)
