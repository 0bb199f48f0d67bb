# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The territory of one block: what is used, what can still grow, what is retired, reserved or free."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import Prefix, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.blocks import aligned_blocks
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_layout import (
    VISIBLE,
    Box,
    around,
    block_box,
    finest,
    fitted,
    line_of_text,
    px,
    rectangle,
    width,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_style import SIZE, hue_of
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import RESERVED, RETIRED, SUBNET, Node
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted, growth

ONE_BY_ONE = 2000  # entries of a territory that are drawn with a tooltip each; more are drawn as one shape
LONGEST_TITLE = 300  # characters of a path in a tooltip
NAMED = 12  # subnets that a shared mark names
NAME_SIZES = {15.0: "large", 12.0: "name", 11.0: "strong", 10.0: "small"}  # font sizes, and their classes
PAD = 4.0  # between a label and the edges of its box
STRIP = 16.0  # the height of the title of a subnet with others inside


def colour(node: Node) -> int:
    """Return the colour of a subnet."""
    outer = node.parent or node
    return hue_of((node.first - outer.first) >> (128 - node.length), node.length - outer.length)


def tooltip(node: Node) -> str:
    """Return what the pointer shows over a block: one fact a line, the whole path first."""
    path = node.path if len(node.path) <= LONGEST_TITLE else f"{node.path[:LONGEST_TITLE]}..."
    if node.kind == RESERVED:
        return f"reserved\n{node.prefix}\nnever given out automatically"
    lines = [path, node.prefix]
    if node.ula:
        lines.append(node.ula)
    lines.append(f"number {node.number}" + (f" in {node.parent.path}" if node.parent and node.parent.path else ""))
    if node.kind == RETIRED:
        lines.append(f"retired since {node.since}" if node.since else "retired")
        if node.retired_below:
            lines.append(f"{counted(node.retired_below, 'retired subnet')} inside")
        return "\n".join(lines)
    lines.append(f"can grow to {growth(node)}" if node.headroom else "cannot grow in place")
    if node.subnets_below:
        lines.append(counted(node.subnets_below, "subnet"))
    if node.hosts_below:
        lines.append(counted(node.hosts_below, "host"))
    return "\n".join(lines)


class Territory:
    """Draws one block and, as far as there is room, what is inside of its subnets.

    ``clamped`` is the length of the smallest marks, where something is smaller and is drawn as large as they are.
    """

    def __init__(self, node: Node, window: Prefix, box: Box) -> None:
        self.shapes: list[str] = []
        self.texts: list[str] = []
        self._taken: list[Box] = []  # what no text may cover: other text, and solid marks
        self._levels = _levels_one_by_one(node)
        self.merged = self._levels == 0  # whether it is drawn as one shape
        finest_mark = _finest_for(node, window, box)
        self.clamped = finest_mark if any(entry.length > finest_mark for entry in node.entries) else None
        self._inside(node, window, box, 1)
        if not self.merged:
            self._digits(window, box)

    def svg(self) -> str:
        """Return the drawing."""
        return f'<g class="map">\n{"".join(self.shapes)}{"".join(self.texts)}</g>\n'

    def _inside(self, node: Node, window: Prefix, box: Box, level: int) -> None:
        limit = _finest_for(node, window, box)
        self.shapes.append(rectangle("free", box, f"free\n{prefix_text(*window)}" if level == 1 else ""))
        if level > self._levels:
            self._as_one_shape(node, window, box, limit)
            self._grid(window, box)
            if level == 1:
                self._fields(node, window, box)
            return
        self._grid(window, box)
        alone, shared = _placed(node, window, box, limit)
        self._tints([*alone, *((group[0], mark) for group, mark in shared if len(group) == 1)], window, box, limit)
        hatched = [(entry, mark) for kind in (RESERVED, RETIRED) for entry, mark in alone if entry.kind == kind]
        for entry, mark in hatched:
            self.shapes.append(rectangle(entry.kind, mark, tooltip(entry)))
        for entry, mark in alone:
            if entry.kind == SUBNET:
                self._subnet(entry, mark, level)
        for group, mark in shared:
            self.shapes.append(_shared_mark(group, mark))
            self._taken.append(mark)
        for entry, mark in hatched:
            corner = Box(mark.x, mark.y, min(mark.w, 160), min(mark.h, 36))
            if not any(corner.touches(other) for other in self._taken):  # a pinned subnet may lie in a reserved block
                self._label(entry, mark, "halo")
        self._taken.extend(mark for _entry, mark in hatched)

    def _grid(self, window: Prefix, box: Box) -> None:
        """Draw the grid of one hexadecimal digit, and that of the next one where it is wide enough."""
        for cells, opacity in ((4, "1"), (16, ".55")):
            if min(box.w, box.h) / cells < 12 or (window[1] + (cells.bit_length() - 1) * 2) > 128:
                break
            steps = [step / cells for step in range(1, cells) if cells == 4 or step % 4]
            across = "".join(f"M{px(box.x)} {px(box.y + box.h * step)}h{px(box.w)}" for step in steps)
            down = "".join(f"M{px(box.x + box.w * step)} {px(box.y)}v{px(box.h)}" for step in steps)
            self.shapes.append(f'<path class="grid" opacity="{opacity}" d="{across}{down}"/>\n')

    def _tints(self, marks: list[tuple[Node, Box]], window: Prefix, box: Box, limit: int) -> None:
        """Draw the room that each subnet can grow into, with its name where the subnet itself has no room for it."""
        for entry, mark in marks:
            if entry.kind != SUBNET:
                continue
            length = max(entry.length - entry.headroom, window[1])
            if length >= min(entry.length, limit):
                continue
            tint = block_box(window, (entry.first, length), box)
            self.shapes.append(rectangle(f"t{colour(entry)} solid", tint, f"room of {tooltip(entry)}"))
            if not _title_fits(entry, mark):
                self._beside(entry, mark, tint)

    def _beside(self, entry: Node, mark: Box, tint: Box) -> None:
        """Write the name into the part of the tint that the subnet leaves: right of it where it fits, or below."""
        right = Box(tint.x + mark.w, tint.y, tint.w - mark.w, tint.h)
        below = Box(tint.x, tint.y + mark.h, tint.w, tint.h - mark.h)
        needed = width(entry.name, min(NAME_SIZES)) + 2 * PAD
        self._label(entry, right if right.w >= min(needed, below.w) or below.h < 12 else below, "")

    def _label(self, entry: Node, box: Box, kind: str) -> None:
        """Write the name as large as it fits, or cut, and under it what else there is room for."""
        room = box.w - 2 * PAD
        named = entry.name if entry.kind != RESERVED else RESERVED
        sizes = [size for size in NAME_SIZES if size + 2 <= box.h and (size < 15 or (box.w >= 150 and box.h >= 60))]
        size = next((size for size in sizes if width(named, size) <= room), sizes[-1] if sizes else 0.0)
        name = fitted(named, room, size) if size else ""
        if not name:
            return
        base = box.y + size + min(3.0, (box.h - size) / 2 - 1)
        self._write(f"{NAME_SIZES[size]} {kind}".strip(), size, box.x + PAD, base, name)
        if entry.kind == SUBNET:
            facts = [entry.prefix, f"grows to {growth(entry)}" if entry.headroom else ""]
        else:
            facts = [entry.prefix, f"since {entry.since}" if entry.since else ""]
        for fact in facts:
            if fact and base + 19 <= box.y + box.h and width(fact, SIZE) <= room:
                base += 15
                self._write(kind or "fact", SIZE, box.x + PAD, base, fact)

    def _write(self, style: str, size: float, x: float, base: float, text: str) -> None:
        self.texts.append(line_of_text(style, x, base, text))
        self._taken.append(Box(x, base - size, width(text, size), size + 3))

    def _subnet(self, entry: Node, mark: Box, level: int) -> None:
        self._taken.append(mark)
        edge = " solid" if min(mark.w, mark.h) >= 6 else ""
        self.shapes.append(rectangle(f"s{colour(entry)}{edge}", mark, tooltip(entry)))
        if not entry.entries:
            self._label(entry, mark, "on")
            return
        if _title_fits(entry, mark) and mark.h >= STRIP + 14:
            self._label(entry, Box(mark.x, mark.y, mark.w, STRIP), "on")
            inner = mark.inset(3, STRIP + 1)
        else:
            inner = mark.inset(2, 2)
        if min(inner.w, inner.h) >= 8:
            self._inside(entry, (entry.first, entry.length), inner, level + 1)
        elif _title_fits(entry, mark):
            self._label(entry, mark, "on")

    def _as_one_shape(self, node: Node, window: Prefix, box: Box, limit: int) -> None:
        """Draw everything in the fewest rectangles, without tooltips: where there is too much to tell apart."""
        for kind, style in ((RESERVED, "reserved"), (RETIRED, "retired"), (SUBNET, f"s{colour(node)}")):
            path = []
            for start, end in _runs(node.entries, kind, limit):
                for block in aligned_blocks(*_clipped(start, end, window)):
                    x, y, w, h = map(px, block_box(window, block, box))
                    path.append(f"M{x} {y}h{w}v{h}h-{w}z")
            if path:
                self.shapes.append(f'<path class="{style}" d="{"".join(path)}"/>\n')

    def _fields(self, node: Node, window: Prefix, box: Box) -> None:
        """Give each field of two hexadecimal digits a tooltip that says how many subnets begin in it."""
        length = window[1] + 8
        if length > 128:
            return
        counts: dict[Prefix, int] = {}
        for entry in node.subnets:
            field = around((entry.first, 128), length)
            counts[field] = counts.get(field, 0) + 1
        for field, count in counts.items():
            title = f"{prefix_text(*field)}\n{counted(count, 'subnet')}"
            self.shapes.append(rectangle("field", block_box(window, field, box), title))

    def _digits(self, window: Prefix, box: Box) -> None:
        """Write the next hexadecimal digit into each field of the grid, where no name is in its way."""
        if window[1] % 4 or window[1] > 124:
            return
        for digit in range(16):
            field = block_box(window, (window[0] + (digit << (124 - window[1])), window[1] + 4), box)
            corner = Box(field.x + field.w - 13, field.y + field.h - 15, 9, 12)
            if min(field.w, field.h) >= 60 and not any(corner.touches(text) for text in self._taken):
                self.texts.append(line_of_text("digit", corner.x + 2, corner.y + 10, f"{digit:x}"))


def _finest_for(node: Node, window: Prefix, box: Box) -> int:
    """Return the length of the smallest marks: well visible ones where no two subnets would have to share one."""
    limit = finest(window, box, VISIBLE)
    cells = [around((entry.first, 128), limit) for entry in node.entries if entry.length > limit]
    return limit if len(set(cells)) == len(cells) else finest(window, box)


def _placed(
    node: Node, window: Prefix, box: Box, limit: int
) -> tuple[list[tuple[Node, Box]], list[tuple[list[Node], Box]]]:
    """Return the entries that get a mark each, and those too small for that, by the mark that they share."""
    alone: list[tuple[Node, Box]] = []
    shared: dict[Prefix, list[Node]] = {}
    for entry in node.entries:
        block = entry.first, entry.length
        if not _overlap(block, window):
            continue
        if entry.length > limit:
            shared.setdefault(around(block, limit), []).append(entry)
        else:
            alone.append((entry, block_box(window, block, box)))
    return alone, [(group, block_box(window, cell, box)) for cell, group in shared.items()]


def _overlap(block: Prefix, other: Prefix) -> bool:
    length = min(block[1], other[1])
    return around(block, length) == around(other, length)


def _clipped(start: int, end: int, window: Prefix) -> tuple[int, int]:
    """Return the part of a span that lies in a window."""
    return max(start, window[0]), min(end, window[0] + (1 << (128 - window[1])))


def _title_fits(entry: Node, mark: Box) -> bool:
    return mark.h >= 14 and bool(fitted(entry.name, mark.w - 2 * PAD, min(NAME_SIZES)))


def _shared_mark(group: list[Node], mark: Box) -> str:
    """Draw what is smaller than the smallest mark: one mark for all that lie there."""
    lead = next((entry for entry in group if entry.kind == SUBNET), group[0])
    style = f"s{colour(lead)}" if lead.kind == SUBNET else lead.kind
    if len(group) == 1:
        return rectangle(style, mark, f"{tooltip(lead)}\ndrawn larger than it is")
    names = [f"{entry.path or entry.kind} {entry.prefix}"[:LONGEST_TITLE] for entry in group[:NAMED]]
    if len(group) > NAMED:
        names.append(f"and {len(group) - NAMED:,} more")
    return rectangle(f"{style} several", mark, "\n".join([f"{len(group):,} blocks lie here", *names]))


def _levels_one_by_one(node: Node) -> int:
    """Return how many levels below a block can be drawn one by one."""
    level, levels, total = node.entries, 0, 0
    while level:
        total += len(level)
        if total > ONE_BY_ONE:
            return levels
        levels += 1
        level = [below for entry in level if entry.kind != RETIRED for below in entry.entries]
    return levels


def _runs(entries: list[Node], kind: str, limit: int) -> t.Iterator[tuple[int, int]]:
    """Yield the spans that entries of a kind cover, in whole blocks of a length."""
    block = 1 << (128 - limit)
    start = end = -1
    for entry in entries:
        if entry.kind != kind:
            continue
        low, high = entry.first // block * block, -(-entry.end // block) * block
        if low > end:
            if end > start:
                yield start, end
            start = low
        end = max(end, high)
    if end > start:
        yield start, end
