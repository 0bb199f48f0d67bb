# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things go on the map: blocks of addresses as rectangles, and text that stays inside its box.

A prefix is drawn as a rectangle. Its two halves are the two halves of the rectangle, and so on, the longer side being
halved first (Z-order, or Morton order). So every aligned block is a rectangle of its own, twice the addresses are twice
the area, and the sixteen blocks of one hexadecimal digit are a grid of 4 by 4.

All lengths are pixels of the SVG's own coordinate system.
"""

from __future__ import annotations

import typing as t
import unicodedata
from xml.sax.saxutils import escape

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import RESERVED, Node
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import printable

SMALLEST = 3.0  # the shortest side of anything that is drawn
VISIBLE = 6.0  # the shortest side where there is room for that
WIDE = 0.62  # the width of a fixed-width character, in font sizes; the fonts in the style sheet have 0.55 to 0.61
PROSE = 0.64  # the mean width of a character of our own sentences, at most: digits have 0.636 in DejaVu Sans


class Box(t.NamedTuple):
    """A rectangle."""

    x: float
    y: float
    w: float
    h: float

    def inset(self, side: float, top: float) -> Box:
        """Return the rectangle inside of it, with these margins."""
        return Box(self.x + side, self.y + top, self.w - 2 * side, self.h - top - side)

    def touches(self, other: Box) -> bool:
        """Tell whether the two have an area in common."""
        return (
            self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )


def block_box(window: Prefix, block: Prefix, box: Box) -> Box:
    """Return where a block is, if ``box`` shows ``window``, which holds the block."""
    x, y, w, h = box
    steps = block[1] - window[1]
    number = (block[0] - window[0]) >> (128 - block[1])
    across = w >= h
    for step in reversed(range(steps)):
        second = number >> step & 1
        if across:
            w /= 2
            x += w * second
        else:
            h /= 2
            y += h * second
        across = not across
    return Box(x, y, w, h)


def finest(window: Prefix, box: Box, smallest: float = SMALLEST) -> int:
    """Return the length of the smallest blocks that are drawn one by one: no side gets shorter than ``smallest``."""
    w, h = box.w, box.h
    across = w >= h
    length = window[1]
    while length < 128:
        w, h = (w / 2, h) if across else (w, h / 2)
        if min(w, h) < smallest:
            break
        across = not across
        length += 1
    return length


def around(block: Prefix, length: int) -> Prefix:
    """Return the block of a length that holds a smaller one."""
    shift = 128 - length
    return block[0] >> shift << shift, length


def window_of(node: Node) -> Prefix:
    """Return the part of a block that is worth drawing: all of it, or where its entries are crowded in one corner.

    Then it is the smallest block that has whole hexadecimal digits and is at least half empty. It pays from one digit
    on, and from two where reserved blocks outside of it are not drawn.
    """
    taken = [entry for entry in node.entries if entry.kind != RESERVED]
    for entries, digits in ((node.entries, 1), (taken, 2)):
        if entries:
            low, high = entries[0].first, max(entry.end for entry in entries) - 1
            length = (127 - (low ^ high).bit_length()) // 4 * 4
            if length >= node.length + 4 * digits:
                return around((low, 128), length)
    return node.first, node.length


# ---------------------------------------------------------------------------------------------- text


def columns(text: str) -> int:
    """Return how many fixed-width columns a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def width(text: str, size: float) -> float:
    """Return the width of a fixed-width text at a font size; at least what it really takes."""
    return columns(text) * size * WIDE


def shortened(text: str, room: int) -> str:
    """Return a text that takes at most so many columns; what is cut ends in an ellipsis."""
    if columns(text) <= room:
        return text
    cut = text
    while cut and columns(cut) > room - 1:
        cut = cut[: min(len(cut) - 1, room)]
    return f"{cut}\N{HORIZONTAL ELLIPSIS}" if room > 0 else ""


def fitted(text: str, room: float, size: float, least: int = 4) -> str:
    """Return as much of a text as fits into a width, or nothing where that would be fewer than ``least`` characters.

    It is cut in the middle: what tells ``site110`` from ``site111`` is at the end.
    """
    space = int(room / (size * WIDE))
    if columns(text) <= space:
        return text
    if space <= least:
        return ""
    tail = text[-(space // 2) :]
    return shortened(text, space - columns(tail)) + tail


def xml(text: str) -> str:
    """Return text for XML: characters that XML or a screen cannot have are replaced, the rest is escaped."""
    return escape("\n".join(map(printable, text.split("\n"))), {'"': "&quot;"})


def px(value: float) -> str:
    """Return a length as short text: whole pixels, or hundredths."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def rectangle(kind: str, box: Box, title: str = "") -> str:
    """Return a rectangle of a class, with a tooltip if there is one."""
    head = f'<rect class="{kind}" x="{px(box.x)}" y="{px(box.y)}" width="{px(box.w)}" height="{px(box.h)}"'
    return f"{head}><title>{xml(title)}</title></rect>\n" if title else f"{head}/>\n"


def line_of_text(kind: str, x: float, y: float, text: str) -> str:
    """Return a line of text; ``y`` is its base line."""
    return f'<text class="{kind}" x="{px(x)}" y="{px(y)}">{xml(text)}</text>\n'
