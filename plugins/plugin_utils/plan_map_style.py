# Copyright (c) The ipv6.rollout contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the map looks: one style sheet with a light and a dark scheme, and the patterns. Nothing is loaded."""

from __future__ import annotations

import typing as t

MONO = 'ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,"Liberation Mono",monospace'
SANS = 'system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif'

SIZE = 11.0  # the font size of most text, in pixels

# Thirteen of them, a prime: numbers that differ in one bit, as neighbours in RFC 3531's leftmost order mostly do, never
# get the same.
HUES = (212, 28, 150, 280, 345, 182, 45, 245, 92, 318, 8, 196, 262)


class _Scheme(t.NamedTuple):
    page: str
    card: str
    free: str
    grid: str
    text: str
    faint: str
    line: str
    gone: str
    gone_ground: str
    kept_ground: str
    solid: tuple[int, int]  # saturation and lightness, in percent; orange to cyan are made darker
    tint: tuple[int, int]


LIGHT = _Scheme(
    "#f6f7f9", "#ffffff", "#eef0f3", "#d9dde3", "#1b2330", "#5d6877", "#d5dae1", "#8b93a0", "#f3f3f5", "#e7eaef",
    (58, 45), (62, 89),
)  # fmt: skip
DARK = _Scheme(
    "#12161c", "#1a2028", "#222a34", "#303a47", "#e8ecf2", "#9aa6b5", "#323c49", "#7c8795", "#232932", "#2a323d",
    (50, 47), (34, 23),
)  # fmt: skip


def _rules(scheme: _Scheme) -> str:
    rules = [
        f".page{{fill:{scheme.page}}}.card{{fill:{scheme.card};stroke:{scheme.line}}}.free{{fill:{scheme.free}}}",
        f".grid{{stroke:{scheme.grid}}}text{{fill:{scheme.text}}}",
        f".faint,.digit{{fill:{scheme.faint}}}",
        f".gone{{stroke:{scheme.gone}}}.ground{{fill:{scheme.gone_ground}}}.kept{{fill:{scheme.kept_ground}}}",
        f".halo{{stroke:{scheme.gone_ground}}}.solid{{stroke:{scheme.card}}}",
    ]
    for place, hue in enumerate(HUES):
        darker = 9 if 20 <= hue <= 200 else 0
        saturation, lightness = scheme.solid
        rules.append(f".s{place}{{fill:hsl({hue},{saturation}%,{lightness - darker}%)}}")
        saturation, lightness = scheme.tint
        rules.append(f".t{place}{{fill:hsl({hue},{saturation}%,{lightness}%)}}")
    return "".join(rules)


STYLE = (
    f"text{{font:11px {MONO};white-space:pre}}"
    f".prose{{font:12px {SANS}}}.big{{font:700 24px {MONO}}}.head{{font:700 13px {MONO}}}"
    ".strong,.small,.name,.large{font-weight:700}.small{font-size:10px}.name{font-size:12px}.large{font-size:15px}"
    ".digit{font-size:10px;opacity:.7}.grid,.gone{fill:none}.field{fill:none;pointer-events:all}"
    ".solid{stroke-width:.75}text.on{fill:#fff}.halo{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}"
    ".retired{fill:url(#hatch)}.reserved{fill:url(#cross)}"
    f"{_rules(LIGHT)}text.on{{fill:#fff}}"
    f"@media(prefers-color-scheme:dark){{{_rules(DARK)}text.on{{fill:#fff}}}}"
)

PATTERNS = (
    '<pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse">'
    '<rect class="ground" width="7" height="7"/><path class="gone" d="M-1 1l2-2M0 7l7-7M6 8l2-2"/></pattern>\n'
    '<pattern id="cross" width="8" height="8" patternUnits="userSpaceOnUse"><rect class="kept" width="8" height="8"/>'
    '<path class="gone" stroke-width=".6" d="M0 8l8-8M0 0l8 8"/></pattern>\n'
)


def hue_of(number: int, bits: int) -> int:
    """Return the colour of a subnet from its number in its parent, so that it keeps it whoever comes or goes.

    Plain counting and RFC 3531's leftmost order both give neighbours different colours.
    """
    mirrored = int(f"{number:0{bits}b}"[::-1], 2) if bits else 0
    return min(number, mirrored) % len(HUES)
