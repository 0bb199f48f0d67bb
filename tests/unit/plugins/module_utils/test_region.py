# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of whole numbers, and maps from ports to sources, compared with plain Python sets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.module_utils import intervals
from ansible_collections.ipv6.rollout.plugins.module_utils.region import Region

NUMBERS = st.sets(st.integers(0, 20), max_size=20)
PORTS = NUMBERS | st.just(set(range(21)))


def as_set(numbers):
    """A plain set of numbers in the form of the module."""
    found = []
    for number in sorted(numbers):
        if found and found[-1] == number:
            found[-1] = number + 1
        else:
            found += [number, number + 1]
    return tuple(found)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, NUMBERS)
def test_set_operations(one, other, third):
    first, second = as_set(one), as_set(other)
    assert intervals.common(first, second) == as_set(one & other)
    assert intervals.without(first, second) == as_set(one - other)
    assert intervals.either(first, second) == as_set(one | other)
    assert intervals.union([first, second, as_set(third)]) == as_set(one | other | third)
    assert all(intervals.holds(first, number) == (number in one) for number in range(21))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "take", "look"]), NUMBERS, NUMBERS | st.just(set(range(21)))), max_size=8
    )
)
def test_regions_are_maps_from_ports_to_sources(operations):
    region, model = Region(21), set()
    for name, sources, ports in operations:
        points = {(port, source) for port in ports for source in sources}
        if name == "add":
            region.add([(as_set(ports), as_set(sources))] if ports and sources else [])
            model |= points
        else:
            found = region.take(as_set(ports), as_set(sources), leave=name == "look")
            assert sorted(spread(found)) == sorted(model & points)
            if name == "take":
                model -= points
        assert sorted(spread(region.blocks())) == sorted(model)
        assert all(region.at(port) == as_set({s for p, s in model if p == port}) for port in range(21))


def spread(blocks):
    """Every port with every source of the blocks; twice what is there twice."""
    for ports, sources in blocks:
        for low, high in intervals.pairs(ports):
            for first, last in intervals.pairs(sources):
                yield from ((port, source) for port in range(low, high) for source in range(first, last))


def test_a_group_that_is_gone_does_not_come_back():
    region = Region(21, [((0, 21), (0, 9))])
    region.take((1, 2), (0, 1))
    region.take((1, 2), (0, 9))  # what the first one left is in no stretch any more
    region.take((0, 21), (5, 6))
    region.take((3, 4), (0, 1))
    assert region.at(3) == (1, 5, 6, 9)
