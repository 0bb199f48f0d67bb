# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as a picture: read back as XML, and measured."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_prefix, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.growth import numbers
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map import plan_map
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_layout import (
    WIDE,
    Box,
    around,
    block_box,
    columns,
    finest,
    fitted,
    shortened,
    window_of,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_style import HUES, hue_of
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import read_report

SVG = "{http://www.w3.org/2000/svg}"
PREFIX = "2001:db8:1200::/48"
SIZES = {"big": 24, "head": 13, "large": 15, "name": 12, "small": 10, "digit": 10}


def plan_of(subnets, retired=None, prefix=PREFIX, hosts=None, **more):
    gone = {path: {"prefix": place, "since": "2026-01-01"} for path, place in (retired or {}).items()}
    return {"prefix": prefix, "subnets": subnets, "hosts": hosts or {}, "retired": {"subnets": gone}, **more}


def flat(count, growth="leftmost", prefix=PREFIX, length=64):
    first, outer = ipv6_prefix(prefix, "prefix")
    chosen = itertools.islice(numbers(growth, length - outer), count)
    return plan_of(
        {f"subnet-{i}": prefix_text(first + (n << (128 - length)), length) for i, n in enumerate(chosen)}, prefix=prefix
    )


def sites():
    """Return a plan of three levels: sites, buildings, subnets, and links."""
    subnets = {}
    for site, buildings in (("ams", 3), ("fra", 9), ("lon", 1)):
        place = {"ams": 0, "fra": 8, "lon": 4}[site]
        first = ipv6_prefix("2001:db8:1000::/44", "prefix")[0] + (place << 80)
        subnets[site] = prefix_text(first, 48)
        for number in itertools.islice(numbers("leftmost", 8), buildings):
            subnets[f"{site}/b{number}"] = prefix_text(first + (number << 72), 56)
            for place, name in enumerate(("office", "guests", "voip")):
                subnets[f"{site}/b{number}/{name}"] = prefix_text(first + (number << 72) + (place << 70), 64)
        subnets[f"{site}/links"] = prefix_text(first + (0xFFFF << 64), 64)
        for place in range(4):
            subnets[f"{site}/links/{place}"] = prefix_text(first + (0xFFFF << 64) + 2 * place, 127)
    return plan_of(
        subnets,
        {"par": "2001:db8:100c::/48", "par/x": "2001:db8:100c::/64", "ams/old": "2001:db8:1000:2000::/56"},
        "2001:db8:1000::/44",
    )


PLANS = {
    "empty": (flat(0), []),
    "5": (flat(5), ["2001:db8:1200:f000::/52"]),
    "40": (flat(40), ["2001:db8:1200:ff00::/56"]),
    "500": (flat(500), []),
    "counted": (flat(300, "rightmost"), []),
    "wide": (flat(300, prefix="2001:db8::/32", length=48), []),
    "crowded": (flat(100, "rightmost", "2001:db8::/32"), ["2001:db8:8000::/33"]),
    "sites": (sites(), ["2001:db8:100e::/48"]),
    "one": (plan_of({"all": PREFIX}), []),
    "in reserved": (flat(40, "rightmost"), ["2001:db8:1200::/49", "2001:db8:1200::8/125", "2001:db8:1200:c000::/50"]),
    "links": (plan_of({"a": "2001:db8::/127"}, prefix="2001:db8::/126"), []),
}


@pytest.fixture(params=PLANS, name="case")
def _case(request):
    plan, reserved = PLANS[request.param]
    return plan, ET.fromstring(plan_map(plan, reserved))


def title_of(element):
    title = element.find(f"{SVG}title")
    return title.text if title is not None and title.text else ""


def box_of(element):
    return Box(*(float(element.get(key)) for key in ("x", "y", "width", "height")))


def marks(territory):
    """Return (path, box) of what is given out."""
    return [
        (title_of(mark).split("\n")[0], box_of(mark))
        for mark in territory.iter(f"{SVG}rect")
        if re.match(r"s\d", mark.get("class"))
    ]


def territories(svg):
    return [group for group in svg.iter(f"{SVG}g") if group.get("class") == "map"]


def text_box(element):
    kinds = element.get("class", "").split()
    size = next((SIZES[kind] for kind in kinds if kind in SIZES), 11)
    wide = columns("".join(element.itertext())) * size * WIDE
    x = float(element.get("x")) - (wide if element.get("text-anchor") == "end" else 0)
    return Box(x, float(element.get("y")) - size, wide, size + 1)


def inside(box, outer, slack=0.1):
    return (
        box.x >= outer.x - slack
        and box.y >= outer.y - slack
        and box.x + box.w <= outer.x + outer.w + slack
        and box.y + box.h <= outer.y + outer.h + slack
    )


def test_every_name_is_there(case):
    plan, svg = case
    said = {line for title in svg.iter(f"{SVG}title") for line in (title.text or "").split("\n")}
    said |= {" ".join("".join(text.itertext()).split()) for text in svg.iter(f"{SVG}text")}
    words = {word for line in said for word in line.split()}
    for path, place in plan["subnets"].items():
        assert path in said or f"{path} {place}" in said or path in words, path
        assert place in words, place


def test_siblings_do_not_overlap(case):
    _plan, svg = case
    for territory in territories(svg):
        families = {}
        for path, box in marks(territory):
            families.setdefault(path.rpartition("/")[0], []).append((path, box))
        for family in families.values():
            family.sort(key=lambda mark: mark[1])
            for (path, box), (other, beside) in itertools.combinations(family, 2):
                if beside.x >= box.x + box.w - 0.05:
                    break
                shrunk = Box(box.x + 0.05, box.y + 0.05, box.w - 0.1, box.h - 0.1)
                assert not shrunk.touches(beside), (path, other)


def test_nothing_leaves_its_territory(case):
    _plan, svg = case
    for territory in territories(svg):
        outer = box_of(territory.find(f"{SVG}rect"))
        for mark in territory.iter(f"{SVG}rect"):
            assert inside(box_of(mark), outer)
        for text in territory.iter(f"{SVG}text"):
            assert inside(text_box(text), outer, 1.5), "".join(text.itertext())


def test_text_does_not_overlap(case):
    _plan, svg = case
    texts = sorted(
        (text_box(text), "".join(text.itertext()))
        for text in svg.iter(f"{SVG}text")
        if "prose" not in (text.get("class") or "")
    )
    page = Box(0, 0, float(svg.get("width")), float(svg.get("height")))
    for place, (box, text) in enumerate(texts):
        assert inside(box, page), text
        for other, beside in texts[place + 1 :]:
            if other.x >= box.x + box.w:
                break
            assert not Box(box.x, box.y + 1, box.w - 0.1, box.h - 2).touches(other), (text, beside)


def test_areas_are_proportional():
    plan = plan_of({"a": "2001:db8:1200::/50", "b": "2001:db8:1200:4000::/52", "c": "2001:db8:1200:8000::/55"})
    boxes = dict(marks(territories(ET.fromstring(plan_map(plan)))[0]))
    area = {path: box.w * box.h for path, box in boxes.items()}
    assert area["a"] == 4 * area["b"] == 32 * area["c"]
    assert math.isclose(area["a"], 768 * 768 / 4)


def test_a_64_in_a_48_can_be_seen():
    for count in (1, 1000):
        found = marks(territories(ET.fromstring(plan_map(flat(count))))[0])
        assert len(found) == count
        assert all(min(box.w, box.h) >= 3 for _path, box in found)


def test_hostile_names():
    evil = '</title><script>alert("1")</script>&amp;<!--'
    plan = plan_of(
        {
            evil: "2001:db8:1200::/56",
            f"{evil}/{evil}": "2001:db8:1200::/64",
            "\x00\x1b\ud800\u202e": "2001:db8:1200:8000::/64",
            "\u4e2d" * 63: "2001:db8:1200:4000::/64",
            "W" * 63: "2001:db8:1200:c000::/64",
        },
        {"]]>": "2001:db8:1200:e000::/56"},
        hosts={evil: "2001:db8:1200::1"},
    )
    text = plan_map(plan)
    svg = ET.fromstring(text.encode())
    assert "<script" not in text
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {
        "svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "g", "text", "tspan",
    }  # fmt: skip
    assert any(title_of(mark).startswith(evil) for mark in svg.iter(f"{SVG}rect"))


def test_it_stands_alone():
    text = plan_map(sites())
    assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert re.findall(r"url\(([^)]*)\)", text) == ["#hatch", "#cross"]
    assert "@import" not in text


def test_it_can_be_read_aloud():
    svg = ET.fromstring(plan_map(flat(5)))
    assert svg.get("role") == "img"
    named = {element.get("id"): element.text for element in svg.iter() if element.get("id", "").startswith("plan-")}
    assert [named[key] for key in svg.get("aria-labelledby").split()] == [
        f"IPv6 address plan of {PREFIX}",
        "5 subnets, 0 hosts; less than 0.01 % of the space is given out, the largest free block is "
        "2001:db8:1200:6000::/51",
    ]


def test_the_same_plan_gives_the_same_bytes():
    plan = sites()
    mixed = {**plan, "subnets": dict(reversed(plan["subnets"].items()))}
    assert plan_map(plan) == plan_map(mixed)


def test_every_kind_has_its_look():
    plan = plan_of({"web": "2001:db8:1200::/64"}, {"old": "2001:db8:1200:8000::/56"})
    kinds = {
        rect.get("class").split()[0]
        for rect in ET.fromstring(plan_map(plan, [f"{PREFIX[:-4]}f000::/52"])).iter(f"{SVG}rect")
    }
    assert {"free", "s0", "t0", "retired", "reserved"} <= kinds


@pytest.mark.parametrize("reserved", [[], ["2001:db8:1200:8000::/49"]])
def test_a_large_plan_in_one_corner(reserved):
    text = plan_map(flat(4000, "rightmost"), reserved)
    shape = next(path for path in ET.fromstring(text).iter(f"{SVG}path") if path.get("class") == "s0")
    numbers_in_it = [float(number) for number in re.findall(r"[\d.]+", shape.get("d"))]
    assert max(numbers_in_it) <= 24 + 768 + 66


@pytest.mark.parametrize("growth", ["leftmost", "rightmost"])
def test_a_very_large_plan(growth):
    text = plan_map(flat(65536, growth))
    assert len(text.encode()) < 3_000_000
    assert "65,536 blocks are too many to draw one by one" in text
    assert "and 65,236 more" in text


def test_a_very_large_plan_of_sites():
    plan = {}
    for site in range(256):
        plan[f"site{site}"] = prefix_text((0x20010DB8 << 96) + (site << 88), 48)
        for place in range(256):
            plan[f"site{site}/net{place}"] = prefix_text((0x20010DB8 << 96) + (site << 88) + (place << 72), 64)
    text = plan_map(plan_of(plan, prefix="2001:db8::/32"))
    assert len(text.encode()) < 3_000_000
    assert re.search(r"\d+ more subnets with others inside would make this picture too large", text)


def test_long_names_stay_below_the_bound():
    subnets = {f"{i:04x}" + "n" * 59: prefix_text((0x20010DB81200 << 80) + (i << 68), 60) for i in range(2000)}
    deep = {f"{path}/{'x' * 63}": place.replace("/60", "/64") for path, place in subnets.items()}
    assert len(plan_map(plan_of({**subnets, **deep})).encode()) < 3_000_000


def test_only_the_crowded_part_is_drawn():
    report = read_report(flat(60, "rightmost"))
    assert prefix_text(*window_of(report.root)) == "2001:db8:1200::/56"
    assert "Only 2001:db8:1200::/56 is drawn" in plan_map(flat(60, "rightmost"))
    assert window_of(read_report(flat(60)).root) == ipv6_prefix(PREFIX, "prefix")
    report = read_report(flat(60, "rightmost"), ["2001:db8:1200:8000::/49"])
    assert prefix_text(*window_of(report.root)) == "2001:db8:1200::/56"


# ---------------------------------------------------------------------------------------------- geometry

sides = st.floats(10, 1000)


@given(sides, sides, st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 12)), min_size=2, max_size=2))
def test_rectangles_lie_as_their_blocks_do(w, h, picks):
    window = (0x20010DB8 << 96, 32)
    box = Box(0, 0, w, h)
    blocks = [around((window[0] + (number << 84), 44), 32 + bits) for number, bits in picks]
    (one, other), (first, second) = blocks, [block_box(window, block, box) for block in blocks]
    assert math.isclose(first.w * first.h, w * h / 2 ** (one[1] - 32))
    shorter = min(one[1], other[1])
    apart = around(one, shorter) != around(other, shorter)
    shrunk = Box(first.x + first.w / 100, first.y + first.h / 100, first.w * 0.98, first.h * 0.98)
    assert shrunk.touches(second) is not apart
    assert inside(first, box)


@given(sides, sides)
def test_the_finest_blocks(w, h):
    window = (0x20010DB8 << 96, 32)
    length = finest(window, Box(0, 0, w, h))
    box = block_box(window, (window[0], length), Box(0, 0, w, h))
    assert min(box.w, box.h) >= 3
    smaller = block_box(window, (window[0], length + 1), Box(0, 0, w, h))
    assert min(smaller.w, smaller.h) < 3


@given(st.text(), st.integers(0, 40))
def test_shortened(text, room):
    cut = shortened(text, room)
    assert columns(cut) <= room
    assert cut == text or columns(text) > room


@given(st.text(), st.floats(0, 300), st.sampled_from([10.0, 12.0, 15.0]))
def test_fitted(text, room, size):
    assert columns(fitted(text, room, size)) * size * WIDE <= room + 1e-6


def test_the_end_of_a_name_is_kept():
    assert fitted("site110", 40, 10) == "si\N{HORIZONTAL ELLIPSIS}110"
    assert fitted("site110", 20, 10) == ""


def test_neighbours_have_different_colours():
    for growth in ("leftmost", "rightmost"):
        order = list(itertools.islice(numbers(growth, 16), len(HUES)))
        assert len({hue_of(number, 16) for number in order}) == len(HUES)
    assert hue_of(0, 0) == 0


def test_lists_stay_aligned_in_browsers_and_in_other_viewers():
    svg = plan_map({"prefix": "2001:db8::/48", "subnets": {"a": "2001:db8::/64"}})
    assert "white-space:pre" in svg  # what browsers know, which don't inherit xml:space
    assert 'xml:space="preserve"' in svg
