# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list beside a territory: one row for each entry, in columns of a fixed-width font."""

from __future__ import annotations

import typing as t

from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_layout import (
    WIDE,
    Box,
    columns,
    px,
    rectangle,
    shortened,
    xml,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_style import SIZE
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_territory import colour, tooltip
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import RESERVED, SUBNET, Node
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import growth, printable

ROW = 16.0  # the height of a row
SWATCH = 16.0  # the width of the coloured square and the gap behind it
GAP = 16.0  # between two columns of rows
SHORTEST_NAME, LONGEST_NAME = 8, 30  # characters of a name that are shown, at least and at most
FEWEST_ROWS = 8  # a list is not broken into shorter columns than this

HEAD = ("no.", "name", "prefix", "grows to", "hosts")


class _Row(t.NamedTuple):
    entry: Node
    cells: tuple[str, str, str, str, str]


class Listing:
    """The rows of a block's entries, laid out for a width."""

    def __init__(self, entries: t.Sequence[Node], room: float, most: int = 9) -> None:
        """Lay out a list.

        :param entries: what is listed, in this order
        :param room: the width that there is
        :param most: into how many columns of rows it may be broken
        """
        self._rows = [_Row(entry, _cells(entry)) for entry in entries]
        self._widths = [max(map(columns, column)) for column in zip(HEAD, *(row.cells for row in self._rows))]
        self._widths[1] = min(self._widths[1], LONGEST_NAME)
        for place in (3, 4):
            if not any(row.cells[place] for row in self._rows):
                self._widths[place] = 0
        self._squeeze(int((room - SWATCH) / (SIZE * WIDE)))
        self._step = self._column_width() + GAP
        most = max(1, min(most, int((room + GAP) // self._step)))
        self.columns = min(most, max(1, -(-len(self._rows) // FEWEST_ROWS)))
        self.rows = -(-len(self._rows) // self.columns)
        self.height = (self.rows + 1) * ROW if self._rows else 0.0

    def _column_width(self) -> float:
        shown = [wide for wide in self._widths if wide]
        return SWATCH + (sum(shown) + len(shown) - 1) * SIZE * WIDE

    def _squeeze(self, room: int) -> None:
        """Give up, in this order, what is too wide: long names, the hosts, how far each can grow, long prefixes."""
        widths = self._widths
        for place, least in ((1, SHORTEST_NAME), (4, 0), (3, 0), (2, 12), (1, 4)):
            over = sum(widths) + len([wide for wide in widths if wide]) - 1 - room
            if over <= 0:
                return
            widths[place] = max(least, widths[place] - over) if least else 0

    def svg(self, x: float, y: float) -> str:
        """Return the rows, with the upper left corner of the list at this place."""
        parts = ['<g xml:space="preserve">\n']
        for column in range(self.columns):
            rows = self._rows[column * self.rows : (column + 1) * self.rows]
            if not rows:
                break
            left = x + column * self._step
            head = self._line(HEAD).rstrip()
            parts.append(f'<text class="faint" x="{px(left + SWATCH)}" y="{px(y + 11)}">{xml(head)}</text>\n')
            for place, row in enumerate(rows, 1):
                parts.append(self._row(row, left, y + place * ROW))
        parts.append("</g>\n")
        return "".join(parts)

    def _row(self, row: _Row, x: float, y: float) -> str:
        kind = f"s{colour(row.entry)}" if row.entry.kind == SUBNET else row.entry.kind
        number, name, *rest = self._padded(row.cells)
        cut = columns(row.cells[1]) > self._widths[1]
        title = f"<title>{xml(tooltip(row.entry))}</title>" if cut else ""
        return (
            rectangle(kind, Box(x, y + 3, 10, 10))
            + f'<text x="{px(x + SWATCH)}" y="{px(y + 11)}"><tspan class="faint">{xml(number)}</tspan> '
            + f'<tspan class="strong">{xml(name)}</tspan> {xml(" ".join(rest)).rstrip()}{title}</text>\n'
        )

    def _line(self, cells: t.Sequence[str]) -> str:
        return " ".join(self._padded(cells))

    def _padded(self, cells: t.Sequence[str]) -> list[str]:
        """Return the cells as wide as their columns; numbers end at the same place, text begins there."""
        padded = []
        for place, (cell, wide) in enumerate(zip(cells, self._widths)):
            if not wide:
                continue
            text = shortened(cell, wide)
            fill = " " * (wide - columns(text))
            padded.append(fill + text if place in (0, 4) else text + fill)
        return padded


def _cells(entry: Node) -> tuple[str, str, str, str, str]:
    if entry.kind == RESERVED:
        return entry.number, "reserved", entry.prefix, "", ""
    name = printable(entry.name)
    if entry.kind != SUBNET:
        return entry.number, name, entry.prefix, f"retired {entry.since}".strip(), ""
    return entry.number, name, entry.prefix, growth(entry), f"{entry.hosts_below:,}" if entry.hosts_below else ""
