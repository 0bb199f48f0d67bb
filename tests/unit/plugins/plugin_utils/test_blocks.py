# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks in bulk: the same text and numbers as one by one, and nothing read that is not canonical."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils import blocks
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_prefix, prefix_text

GROUP = st.sampled_from([0, 0, 0, 1, 0x10, 0xDB8, 0x2001, 0xFFFF])


@st.composite
def families(draw):
    """A parent, a length, and numbers of blocks of that length in it, none of them twice."""
    outer = draw(st.integers(1, 127))
    length = draw(st.integers(outer, 128))
    value = int("".join(f"{draw(GROUP):04x}" for _group in range(8)), 16)
    first = value >> (128 - outer) << (128 - outer)
    last = (1 << (length - outer)) - 1
    numbers = draw(st.lists(st.integers(0, last) | st.integers(0, min(last, 40)), unique=True, max_size=20))
    return (first, outer), length, numbers


@given(families())
def test_text_and_numbers_are_what_they_are_one_by_one(family):
    parent, length, numbers = family
    wanted = [prefix_text(parent[0] + (number << (128 - length)), length) for number in numbers]
    assert blocks.block_texts(parent, length, numbers) == wanted
    found = blocks.block_numbers(wanted, parent, length)
    assert found == numbers or (found is None and parent[0] < 1 << 32)


@given(families(), st.data())
def test_nothing_else_is_read(family, data):
    parent, length, numbers = family
    texts = blocks.block_texts(parent, length, numbers)
    strange = data.draw(
        st.sampled_from(
            [
                None,
                7,
                "",
                "x",
                "::",
                f"::/{length}",
                "2001:DB8::/64",
                "2001:db8:0000::/48",
                "2001:db8::/32\n",
                "2001:db8::",
            ]
        )
        | st.sampled_from(texts or [""]).map(lambda text: text.replace(":", "\n", 1))
        | st.sampled_from(texts or [""]).map(lambda text: text.replace("/", "/0"))
        | st.sampled_from(texts or [""]).map(lambda text: text.replace("::", ":0:", 1))
        | st.sampled_from(texts or [""]).map(str.upper)
    )
    index = data.draw(st.integers(0, len(texts)))
    found = blocks.block_numbers([*texts[:index], strange, *texts[index:]], parent, length)
    if found is not None:
        # One by one: what is drawn may be one of the texts a second time.
        again = [prefix_text(parent[0] + (number << (128 - length)), length) for number in found]
        assert again == [*texts[:index], strange, *texts[index:]]


@pytest.mark.parametrize(
    "text",
    ["2001:db8:1200:1::1/64", "2001:db8:1201::/64", "2001:db8:1200:01::/64", "2001:db8:1200:1:0::/64", "::1:2/64"],
)
def test_what_is_refused(text):
    assert blocks.block_numbers([text], ipv6_prefix("2001:db8:1200::/48", "x"), 64) is None
    assert blocks.block_numbers([text], ipv6_prefix("2001:db8:1200::/44", "x"), 64) is None or "1201" in text


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(48, 64)), max_size=12))
def test_the_first_overlap(wanted):
    networks = [
        ipaddress.IPv6Network((0x20010DB8 << 96 | number << 68, length), strict=False) for number, length in wanted
    ]
    pairs = {
        (one, other)
        for one, other in itertools.permutations(range(len(networks)), 2)
        if networks[one].overlaps(networks[other])
    }
    found = blocks.first_overlap([str(network) for network in networks])
    assert found in pairs if pairs else found is None


@given(st.integers(0, 2**20), st.integers(0, 2**20))
def test_aligned_blocks_are_the_whole_range(start, size):
    end = start
    for first, length in blocks.aligned_blocks(start, start + size):
        assert first == end
        assert first % (1 << (128 - length)) == 0
        end = first + (1 << (128 - length))
    assert end == start + size
