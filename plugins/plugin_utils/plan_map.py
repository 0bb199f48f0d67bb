# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as a picture: one self-contained SVG without scripts, fonts or anything else that is loaded.

The whole prefix is drawn as a territory (:mod:`plan_map_layout` says how), with the list of its subnets. Each subnet
with others inside gets a smaller territory and list of its own below. The bytes depend on the content only.
"""

from __future__ import annotations

import textwrap

from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_layout import (
    PROSE,
    WIDE,
    Box,
    fitted,
    line_of_text,
    px,
    rectangle,
    width,
    window_of,
    xml,
)
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_list import ROW, Listing
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_style import PATTERNS, SIZE, STYLE
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_map_territory import Territory
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import SUBNET, Node, Report, read_report
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_table import counted, percent, printable, totals

PAGE = 1340.0  # the width of the picture
MARGIN = 24.0
FULL = PAGE - 2 * MARGIN
SIDE = 768.0  # the whole prefix: three pixels for each /64 of a /48, in both directions
CARD_PAD = 14.0
VERY_FEW, FEW = 6, 24  # FEW: how many entries are few enough for two cards beside each other
SMALL, MIDDLE, LARGE = 144.0, 192.0, 384.0  # the territory on a card: with VERY_FEW, with FEW, or more entries
LISTED, SAMPLE = 2000, 300  # rows of one list, and of the list of what has more than that
TALLEST = 30_000.0  # many programs cannot draw a picture that is higher than 32,767 pixels
MORE_ROWS = 12  # how far the list beside the whole prefix may run beyond it
BYTES = 2_600_000  # when the picture is this long, nothing further is added

LEGEND = (
    ("s0", "given out"),
    ("t0", "free, and room for this subnet to grow in place"),
    ("free", "free"),
    ("retired", "retired: not given out again until the plan is purged"),
    ("reserved", "reserved: never given out automatically"),
)


def plan_map(plan: object, reserved: object = None) -> str:
    """Return the picture of a plan as SVG text.

    :param plan: a plan that was checked before, as :func:`read_report` takes it
    :param reserved: prefixes that are never given out automatically
    """
    report = read_report(plan, reserved)
    root = report.root
    page = _Page()
    page.add(line_of_text("big", MARGIN, page.y + 22, root.prefix))
    page.y += 32
    summary = totals(report) + (f"; each has a twin with the same number in {report.ula}" if report.ula else "")
    page.prose(MARGIN, FULL, f"{summary}.")
    page.y += 10
    _whole(page, report)
    _cards(page, [node for node in report.nodes if node.kind == SUBNET and node.entries])
    return page.svg(f"IPv6 address plan of {root.prefix}", summary)


class _Page:
    """The picture while it grows downwards: ``y`` is where the next thing goes."""

    def __init__(self) -> None:
        self.y = MARGIN
        self.length = 0
        self._parts: list[str] = []

    def add(self, part: str) -> None:
        """Add shapes or text."""
        self._parts.append(part)
        self.length += len(part.encode())

    def prose(self, x: float, room: float, text: str, kind: str = "prose") -> None:
        """Add a sentence of our own, broken into lines of a width, and go below it."""
        self._lines(x, textwrap.wrap(text, int(room / (12 * PROSE))), kind)

    def fixed(self, x: float, room: float, text: str) -> None:
        """Add running text in the fixed-width font: names in it may be made of wide letters."""
        self._lines(x, textwrap.wrap(text, int(room / (SIZE * WIDE))), "note")

    def _lines(self, x: float, lines: list[str], kind: str) -> None:
        for line in lines:
            self.add(line_of_text(kind, x, self.y + 12, line))
            self.y += 17

    def svg(self, title: str, summary: str) -> str:
        """Return the whole document."""
        height = px(self.y + MARGIN)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{px(PAGE)}" height="{height}" '
            f'viewBox="0 0 {px(PAGE)} {height}" role="img" aria-labelledby="plan-title plan-summary">\n'
            f'<title id="plan-title">{xml(title)}</title>\n<desc id="plan-summary">{xml(summary)}</desc>\n'
            f"<style>{xml(STYLE)}</style>\n<defs>{PATTERNS}</defs>\n"
            f'<rect class="page" width="{px(PAGE)}" height="{height}"/>\n{"".join(self._parts)}</svg>\n'
        )


def _whole(page: _Page, report: Report) -> None:
    """Draw the whole prefix; its list goes beside it where it fits, or below."""
    root = report.root
    window = window_of(root)
    box = Box(MARGIN, page.y, SIDE, SIDE)
    territory = Territory(root, window, box)
    page.add(territory.svg())
    left, room = MARGIN + SIDE + MARGIN, FULL - SIDE - MARGIN
    legend = list(LEGEND)
    if territory.clamped is not None:
        legend[0] = ("s0", f"given out (drawn as a /{territory.clamped} at least)")
    for kind, text in legend:
        page.add(rectangle(kind, Box(left, page.y + 2, 24, 13)))
        page.prose(left + 34, room - 34, text)
        page.y += 3
    if window[1] > root.length:
        page.y += 8
        page.prose(
            left, room, f"Only {prefix_text(*window)} is drawn: nothing is given out in the rest.", "prose strong"
        )
    if territory.merged:
        page.y += 8
        page.prose(
            left,
            room,
            f"{counted(len(root.entries), 'block')} are too many to draw one by one, and to list them all.",
            "prose strong",
        )
    if report.notes:
        page.y += 10
        page.prose(left, room, "Notes", "prose strong")
    for note in report.notes:
        page.fixed(left, room, printable(note))
        page.y += 5
    page.y += 14
    listed = _listed(root)
    bottom = box.y + box.h
    fit = int((bottom - page.y) / ROW) - 1
    if len(listed) <= fit + MORE_ROWS:
        fit = len(listed)
    beside = Listing(listed[: max(fit, 0)], room, 1)
    page.add(beside.svg(left, page.y))
    page.y = max(page.y + beside.height, bottom) + MARGIN
    if fit < len(listed):
        below = Listing(listed[max(fit, 0) :], FULL)
        page.add(below.svg(MARGIN, page.y))
        page.y += below.height + MARGIN
    _left_out(page, MARGIN, len(root.entries) - len(listed))


def _listed(node: Node) -> list[Node]:
    return node.entries if len(node.entries) <= LISTED else node.entries[:SAMPLE]


def _left_out(page: _Page, x: float, count: int) -> None:
    if count:
        page.prose(x, FULL, f"... and {count:,} more, which are in the plan and in its table.", "prose strong")
        page.y += MARGIN


def _cards(page: _Page, nodes: list[Node]) -> None:
    """Draw the subnets that have others inside: two beside each other, or one where it has many."""
    half = (FULL - MARGIN) / 2
    place = 0
    while place < len(nodes):
        pair = nodes[place : place + 2]
        wide = len(pair) == 1 or any(len(node.entries) > FEW for node in pair)
        if wide and len(pair[0].entries) <= FEW:
            cards = [_Card(pair[0], half)]
        elif wide:
            cards = [_Card(pair[0], FULL)]
        else:
            cards = [_Card(node, half) for node in pair]
        height = max(card.height for card in cards)
        drawn = [card.svg(MARGIN + index * (half + MARGIN), page.y, height) for index, card in enumerate(cards)]
        size = sum(len(part.encode()) for part in drawn)
        if page.length + size > BYTES or page.y + height > TALLEST:
            text = f"{counted(len(nodes) - place, 'more subnet')} with others inside would make this picture too large."
            page.prose(MARGIN, FULL, text, "prose strong")
            return
        for part in drawn:
            page.add(part)
        page.y += height + MARGIN
        place += len(cards)


class _Card:
    """A subnet with others inside: its title, its territory, and its list beside that."""

    def __init__(self, node: Node, room: float) -> None:
        self._node = node
        self._room = room
        count = len(node.entries)
        self._side = SMALL if count <= VERY_FEW else MIDDLE if count <= FEW else LARGE
        self._listed = _listed(node)
        self._list = Listing(self._listed, room - 3 * CARD_PAD - self._side)
        self.height = 44 + max(self._side, self._list.height) + CARD_PAD

    def svg(self, x: float, y: float, height: float) -> str:
        """Return the card, made as high as its neighbour."""
        node = self._node
        left = x + CARD_PAD
        window = window_of(node)
        territory = Territory(node, window, Box(left, y + 44, self._side, self._side))
        room = self._room - 2 * CARD_PAD
        title = fitted(node.path, room - width(node.prefix, 13) - 12, 13)
        facts = [counted(len(node.subnets), "subnet"), f"{percent(node.share_used())} given out"]
        if window[1] > node.length:
            facts.append(f"only {prefix_text(*window)} is drawn")
        if territory.merged:
            facts.append("too many to draw one by one")
        if len(node.entries) > len(self._listed):
            facts.append(f"{len(node.entries) - len(self._listed):,} more are not listed")
        return (
            rectangle("card", Box(x, y, self._room, height))
            + line_of_text("head", left, y + 18, title)
            + f'<text class="head faint" text-anchor="end" x="{px(left + room)}" y="{px(y + 18)}">{node.prefix}</text>'
            + line_of_text("faint", left, y + 35, fitted("; ".join(facts), room, 11))
            + territory.svg()
            + self._list.svg(left + self._side + CARD_PAD, y + 44)
        )
