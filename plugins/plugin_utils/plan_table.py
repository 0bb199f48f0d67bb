# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan as a table for the terminal: plain text that survives a pipe, a mail and a terminal without colours."""

from __future__ import annotations

import itertools
import typing as t

from ansible_collections.ipv6.rollout.plugins.module_utils.errors import RolloutError, shown
from ansible_collections.ipv6.rollout.plugins.plugin_utils.addresses import ipv6_text, prefix_text
from ansible_collections.ipv6.rollout.plugins.plugin_utils.plan_report import (
    RESERVED,
    RETIRED,
    Node,
    Report,
    read_report,
)

LIMIT = 200
FEW_HOSTS = 50
WIDEST_NAME = 48  # a longer one is shown whole, and only its own line is out of step

Row = t.Tuple[str, ...]


def plan_table(plan: object, reserved: object = None, limit: object = LIMIT, hosts: bool | None = None) -> list[str]:
    """Return the lines of the table.

    :param plan: a plan that was checked before, as :func:`read_report` takes it
    :param reserved: prefixes that are never given out automatically
    :param limit: how many rows are shown; the totals and notes count all
    :param hosts: whether each host gets a row; by default where there are at most ``FEW_HOSTS``
    :raises RolloutError: where the limit is no number of rows, and as :func:`read_report` does
    """
    most = _row_count(limit)
    report = read_report(plan, reserved)
    if hosts is None:
        hosts = report.root.hosts_below <= FEW_HOSTS
    twins = bool(report.ula)
    head: Row = ("SUBNET", "PREFIX", "NUMBER", "CAN GROW TO", "HOSTS", *(["ULA"] if twins else []))
    levels = _levels(report, hosts, most)
    rows = [head, *itertools.islice(_rows(report.root, hosts, twins, levels), most)]
    lines = [f"{report.root.prefix}: {totals(report)}"]
    if report.ula:
        lines.append(f"Each has a twin with the same number in {printable(report.ula)}.")
    lines.append("")
    if len(rows) > 1:
        lines += _aligned(rows)
        left = sum(_rows_by_depth(report, hosts)) - (len(rows) - 1)
        if left:
            lines.append(f"... and {left:,} more rows" + (", inside of what is marked with a +" if levels > 1 else ""))
    else:
        lines.append("There is no subnet yet.")
    if report.notes:
        lines += ["", "Notes:", *(f"  * {note}" for note in map(printable, report.notes))]
    return lines


def _row_count(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 and int(value):
        return int(value)
    raise RolloutError(f"limit: {shown(value)} is not a number of rows; write a whole number such as {LIMIT}")


def totals(report: Report) -> str:
    """Say in one line how much there is, and how much is left."""
    root = report.root
    counts = [counted(root.subnets_below, "subnet"), counted(root.hosts_below, "host")]
    if root.retired_below:
        counts.append(f"{counted(root.retired_below, 'subnet')} retired")
    if report.retired_hosts:
        counts.append(f"{counted(report.retired_hosts, 'host')} retired")
    largest = root.largest_free()
    left = "nothing is free" if largest is None else f"the largest free block is {prefix_text(*largest)}"
    return f"{', '.join(counts)}; {percent(root.share_used())} of the space is given out, {left}"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """Return a share as a percentage of two digits; what is there is never shown as nothing, or some as all."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    if share < 0.0001:
        return "less than 0.01 %"
    if share > 0.9999:
        return "more than 99.99 %"
    return f"{100 * share:.{0 if 0.1 <= share <= 0.9 else 1 if 0.01 <= share <= 0.99 else 2}f} %"


def times(headroom: int) -> str:
    """Return how many times as large something gets by doubling: ``x512``, and ``x2^30`` beyond a million."""
    return f"x{1 << headroom:,}" if headroom <= 20 else f"x2^{headroom}"


def growth(node: Node) -> str:
    """Return what a subnet can grow to without moving: ``/55 (x512)``."""
    return f"/{node.length - node.headroom} ({times(node.headroom)})" if node.headroom else "-"


def printable(text: str) -> str:
    """Return text without control characters: names may come from an inventory that nobody has looked at."""
    return (
        text
        if text.isprintable()
        else "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    )


def _rows_by_depth(report: Report, hosts: bool) -> list[int]:
    counts: dict[int, int] = {}
    for node in (report.root, *report.nodes):
        depth = node.depth
        if node.parent is not None:
            counts[depth] = counts.get(depth, 0) + 1
        if hosts and node.hosts:
            counts[depth + 1] = counts.get(depth + 1, 0) + len(node.hosts)
    return [counts[depth] for depth in sorted(counts)]


def _levels(report: Report, hosts: bool, limit: int) -> int:
    """Return how many levels of the tree fit into the limit: a whole level says more than the first branch of all."""
    total, levels = 0, 0
    for count in _rows_by_depth(report, hosts):
        total += count
        if total > limit:
            break
        levels += 1
    return max(levels, 1)


def _rows(parent: Node, hosts: bool, twins: bool, levels: int, depth: int = 0) -> t.Iterator[Row]:
    if depth == levels:
        return
    indent = "  " * depth
    if hosts:
        for address, name in parent.hosts:
            yield _row(twins, f"{indent}- {name}", ipv6_text(address))
    for node in parent.entries:
        more = f" +{len(node.entries):,}" if depth + 1 == levels and node.entries else ""
        if node.kind == RESERVED:
            yield _row(twins, f"{indent}(reserved)", node.prefix, node.number)
            continue
        if node.kind == RETIRED:
            since = f"retired since {node.since}" if node.since else "retired"
            yield _row(twins, f"{indent}({node.name}){more}", node.prefix, node.number, since)
        else:
            count = f"{node.hosts_below:,}" if node.hosts_below else ""
            yield _row(twins, indent + node.name + more, node.prefix, node.number, growth(node), count, node.ula)
        yield from _rows(node, hosts, twins, levels, depth + 1)


def _row(twins: bool, *cells: str) -> Row:
    row = tuple(map(printable, cells)) + ("",) * (6 - len(cells))
    return row if twins else row[:5]


def _aligned(rows: list[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows)]
    widths[0] = max((len(row[0]) for row in rows if len(row[0]) <= WIDEST_NAME), default=0)
    right = (2, 4)  # numbers are read from their last digit
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
