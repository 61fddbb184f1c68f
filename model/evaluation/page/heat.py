"""A matrix as coloured cells: numbers in them where they are few, one path per shade so that the page stays small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from html import escape
from typing import Literal

from markupsafe import Markup

from model.evaluation.page.svg import element, number
from model.evaluation.page.text import short
from model.spec.figures import Matrix

Scale = Literal["signed", "share"]

NUMBERED = 8
"""Up to so many columns, cells are wide enough for their numbers."""
SHADES = 20
LONGEST = 17  # letters of a name
GAP = "#e3e6ea"
DARK = 0.179
"""Below this luminance white letters stand out more than black ones; either has a contrast of 4.5 or more (WCAG AA)."""
_ENDS: dict[Scale, tuple[str, str]] = {"signed": ("#a04500", "#4b2a8c"), "share": ("#ffffff", "#08407a")}


def heat_map(
    matrix: Matrix,
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    description: str,
    limit: float = 1.0,
    scale: Scale = "signed",
    width: float = 340,
    corner: str = "",
) -> Markup:
    """Cells from -`limit` (brown) over white to `limit` (violet), or from 0 (white) to `limit` (blue); null: grey.

    `corner` says what rows and columns are, where that is not plain.
    """
    left = min(120.0, 12 + 6.4 * max((min(len(name), LONGEST) for name in rows), default=0))
    cell = (width - left - 2) / max(len(columns), 1)
    tall = min(cell, 30.0) if len(columns) <= NUMBERED else cell
    top = 20.0 if corner else 4.0
    bottom = top + tall * len(rows)
    parts = [f'<text x="2" y="12">{escape(corner, quote=False)}</text>'] if corner else []
    parts += _cells(matrix, left, top, cell=cell, tall=tall, limit=limit, scale=scale)
    parts += _row_names(rows, left, top, tall)
    turned, depth = _column_names(columns, left, bottom, cell)
    return element([*parts, *turned], width, bottom + depth, description)


def shade(value: float | None, *, limit: float, scale: Scale) -> str:
    """The colour of a value, one of a few."""
    if value is None:
        return GAP
    part = max(-1.0, min(1.0, value / limit)) if limit > 0 else 0.0
    if scale == "share":
        return _between("#ffffff", _ENDS["share"][1], round(SHADES * max(part, 0.0)) / SHADES)
    return _between("#ffffff", _ENDS["signed"][part > 0], round(SHADES * abs(part)) / SHADES)


def _cells(
    matrix: Matrix, left: float, top: float, *, cell: float, tall: float, limit: float, scale: Scale
) -> list[str]:
    by_shade: defaultdict[str, list[str]] = defaultdict(list)
    words = []
    size = f"h{cell:.2f}v{tall:.2f}h-{cell:.2f}z"
    for i, row in enumerate(matrix):
        for j, value in enumerate(row):
            x, y = left + j * cell, top + i * tall
            by_shade[shade(value, limit=limit, scale=scale)].append(f"M{x:.1f} {y:.1f}{size}")
            if len(row) <= NUMBERED:
                words.append(_value(value, x + cell / 2, y + tall / 2 + 3.5, limit=limit, scale=scale))
    paths = [f'<path fill="{colour}" d="{"".join(places)}"/>' for colour, places in by_shade.items()]
    across, down = cell * max((len(row) for row in matrix), default=0), tall * len(matrix)
    frame = (
        f'<rect class="frame" x="{number(left)}" y="{number(top)}" width="{number(across)}" height="{number(down)}"/>'
    )
    return [*paths, frame, *words]


def _value(value: float | None, x: float, y: float, *, limit: float, scale: Scale) -> str:
    white = luminance(shade(value, limit=limit, scale=scale)) < DARK
    words = "\u2013" if value is None else _two(value)
    return f'<text class="m n{" w" if white else ""}" x="{number(x)}" y="{number(y)}">{words}</text>'


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, 0 (black) to 1 (white): WCAG 2.2, "relative luminance"."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _two(value: float) -> str:
    words = f"{value:.2f}"
    return "0.00" if words == "-0.00" else words.replace("-", "\u2212")


def _row_names(names: Sequence[str], left: float, top: float, tall: float) -> list[str]:
    size = _letters(tall)
    return [
        f'<text class="e"{size} x="{number(left - 4)}" y="{number(top + (i + 0.5) * tall + 3.5)}">'
        f"{escape(short(name, LONGEST), quote=False)}</text>"
        for i, name in enumerate(names)
    ]


def _column_names(names: Sequence[str], left: float, bottom: float, cell: float) -> tuple[list[str], float]:
    """Names below their columns, turned where they are too long to stand beside each other; and the room they take."""
    if all(len(name) * 6.4 <= cell for name in names):
        flat = [
            f'<text class="m" x="{number(left + (j + 0.5) * cell)}" y="{number(bottom + 14)}">'
            f"{escape(name, quote=False)}</text>"
            for j, name in enumerate(names)
        ]
        return flat, 20.0
    depth = 12 + 5.7 * max(min(len(name), LONGEST) for name in names)
    size = _letters(cell)
    turned = []
    for j, name in enumerate(names):
        x, y = left + (j + 0.5) * cell + 4, bottom + 6
        words = escape(short(name, LONGEST), quote=False)
        turned.append(f'<text class="e"{size} transform="translate({number(x)} {number(y)})rotate(-90)">{words}</text>')
    return turned, depth


def _letters(room: float) -> str:
    """Smaller letters where rows are narrow."""
    return "" if room >= 12 else f' style="font-size:{max(room * 0.9, 5):.1f}px"'


def _between(start: str, end: str, part: float) -> str:
    """The colour at `part` of the way."""
    a, b = ([int(colour[k : k + 2], 16) for k in (1, 3, 5)] for colour in (start, end))
    return "#" + "".join(f"{round(x + (y - x) * part):02x}" for x, y in zip(a, b, strict=True))
