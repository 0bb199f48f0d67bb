# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growth: RFC 3531's printed order, and the order by name."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils import growth

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "planning-dns.json").read_text())
RFC3531 = VECTORS["rfc3531"]


@pytest.mark.parametrize("order", growth.ORDERS)
def test_the_printed_values(order):
    printed = [int(text, 2) for text in RFC3531[f"printed_{order}_8"]]
    assert list(itertools.islice(growth.numbers(order, 8), len(printed))) == printed


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_leftmost(bits):
    wanted = RFC3531["leftmost"][str(bits)]
    assert list(itertools.islice(growth.numbers("leftmost", bits), len(wanted))) == wanted


@pytest.mark.parametrize(("bits", "places"), RFC3531["bit_selection_order_from_left_0based"].items())
def test_centermost_bits(bits, places):
    assert growth.bit_images("centermost", int(bits)) == [1 << (int(bits) - 1 - place) for place in places]


def test_centermost_goes_on_counting_where_the_rfc_stops():
    assert list(growth.numbers("centermost", 4)) == [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15]
    ninth_on = list(itertools.islice(growth.numbers("centermost", 8), 8, 16))
    assert ninth_on == [32, 40, 48, 56, 36, 44, 52, 60]


@pytest.mark.parametrize("order", growth.ORDERS)
@pytest.mark.parametrize("bits", range(11))
def test_an_order_is_a_permutation_and_is_inverted(order, bits):
    numbers = list(growth.numbers(order, bits))
    assert sorted(numbers) == list(range(1 << bits))
    assert [growth.place_of(number, order, bits) for number in numbers] == list(range(1 << bits))


def test_by_name_is_what_ipgen_has():
    assert f"{growth.by_name('consul', 16):x}" == VECTORS["ipgen"]["subnet(consul)"]


@given(st.text(max_size=20), st.integers(0, 112), st.integers(0, 5))
def test_by_name_fits(name, bits, attempt):
    assert 0 <= growth.by_name(name, bits, attempt) < 1 << bits
