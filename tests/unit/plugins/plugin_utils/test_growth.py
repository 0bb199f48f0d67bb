# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth: the orders of RFC 3531 at every width, and the order by name. The RFC's values are in test_rfc_vectors.py."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils import growth

WALKED = growth.ORDERS + growth.VARIANTS
WIDTHS = st.integers(1, 111)
NUMBERS = st.integers(0, 2**111 - 1)


@pytest.mark.parametrize("order", WALKED)
@pytest.mark.parametrize("bits", range(11))
def test_an_order_is_a_permutation_and_is_inverted(order, bits):
    numbers = list(growth.numbers(order, bits))
    assert sorted(numbers) == list(range(1 << bits))
    assert [growth.place_of(number, order, bits) for number in numbers] == list(range(1 << bits))
    assert growth.first_numbers(order, bits, 1 << bits) == numbers


@pytest.mark.parametrize("order", WALKED)
@pytest.mark.parametrize("bits", range(1, 11))
def test_each_round_doubles_what_the_rounds_before_it_gave(order, bits):
    numbers = list(growth.numbers(order, bits))
    for place, image in enumerate(growth.bit_images(order, bits)):
        before, now = numbers[: 1 << place], numbers[1 << place : 2 << place]
        assert sorted(now) == sorted(number | image for number in before)


@pytest.mark.parametrize("bits", range(1, 12))
def test_what_sets_the_variants_of_centermost_apart(bits):
    images = growth.bit_images("centermost", bits)
    for place, image in enumerate(images):
        here = slice(1 << place, 2 << place)
        before = sorted(number | image for number in growth.first_numbers("centermost", bits, 1 << place))
        permuted, ascending, alternating = (
            growth.first_numbers(order, bits, 2 << place)[here]
            for order in ("centermost", "centermost_ascending", "centermost_alternating")
        )
        assert permuted == [number | image for number in growth.first_numbers("centermost", bits, 1 << place)]
        assert ascending == before
        mirrored = place and image > max(images[:place])
        turn = [int(f"{count:0{place}b}"[::-1], 2) for count in range(1 << place)] if mirrored else range(1 << place)
        assert alternating == [before[count] for count in turn]


@given(st.sampled_from(WALKED), WIDTHS, st.integers(0, 600))
def test_the_first_numbers_are_those_that_are_walked(order, bits, count):
    assert growth.first_numbers(order, bits, count) == list(itertools.islice(growth.numbers(order, bits), count))


@given(st.sampled_from(WALKED), WIDTHS, st.integers(0, 300))
def test_a_turn_of_a_wide_order_is_found_without_walking(order, bits, count):
    for place, number in enumerate(itertools.islice(growth.numbers(order, bits), count)):
        assert growth.place_of(number, order, bits) == place


@given(st.sampled_from(WALKED), WIDTHS, NUMBERS, NUMBERS)
def test_a_number_with_more_bits_set_never_comes_earlier(order, bits, number, other):
    number, other = number >> (111 - bits), other >> (111 - bits)
    assert growth.place_of(number, order, bits) <= growth.place_of(number | other, order, bits) < 1 << bits


@given(WIDTHS, NUMBERS)
def test_the_plain_orders_in_their_own_words(bits, number):
    number >>= 111 - bits
    assert growth.place_of(number, "rightmost", bits) == number
    assert growth.place_of(number, "leftmost", bits) == int(f"{number:0{bits}b}"[::-1], 2)


def test_what_is_left_to_double_after_a_hundred_subnets():
    """With 16 bits, leftmost keeps room for at least 9 doublings behind each of the first 100 numbers."""
    taken = sorted(growth.first_numbers("leftmost", 16, 100))
    gaps = [later - earlier for earlier, later in itertools.pairwise([*taken, 1 << 16])]
    assert min(gap.bit_length() - 1 for gap in gaps) == 9


def test_no_numbers_are_asked_for():
    for order in WALKED:
        assert growth.first_numbers(order, 8, 0) == []
        assert growth.first_numbers(order, 0, 5) == list(growth.numbers(order, 0)) == [0]
        assert growth.first_numbers(order, 2, 99) == list(growth.numbers(order, 2))


@given(st.text(max_size=20), st.integers(0, 112), st.integers(0, 5))
def test_by_name_fits(name, bits, attempt):
    assert 0 <= growth.by_name(name, bits, attempt) < 1 << bits


def test_a_later_attempt_is_another_number():
    assert len({growth.by_name("a", 64, attempt) for attempt in range(100)}) == 100
