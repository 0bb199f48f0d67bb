# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serial numbers of zones. The values that the RFCs print are in test_rfc_vectors.py."""

from __future__ import annotations

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
