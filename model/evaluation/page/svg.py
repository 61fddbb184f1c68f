"""A frame with two axes to draw in, as SVG that stands inside the page: no ids, no links, text as text.

The page's style sheet has the colours (those of Okabe & Ito, which colour-blind readers tell apart) and the line
styles, which differ as well, for print. Coordinates have one decimal: a tenth of a pixel, and a small page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from model.evaluation.page.text import short

WIDTH, HEIGHT = 300, 164
"""Pixels: a phone shows one plot in a row, a desk four, and letters keep about their size."""

Curve = Sequence[float | None]
Ticks = Sequence[tuple[float, str]]


@dataclass
class Frame:
    """A plot in the making: `x` and `y` are the ranges of the data, the rest are pixels."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = 44
    right: float = 10
    top: float = 20
    bottom: float = 34
    parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> str:
        """A point of the data as `x y` in pixels."""
        return f"{number(self.at_x(x))} {number(self.at_y(y))}"

    def at_x(self, value: float) -> float:
        """Pixels from the left."""
        return self.left + (self.width - self.left - self.right) * _fraction(value, self.x)

    def at_y(self, value: float) -> float:
        """Pixels from the top."""
        return self.height - self.bottom - (self.height - self.bottom - self.top) * _fraction(value, self.y)

    def text(self, x: float, y: float, words: str, *, kind: str = "") -> None:
        """Words at a place in pixels; `kind` is `m` (centred), `e` (they end there), `b` (bold), `w` (white)."""
        classes = f' class="{kind}"' if kind else ""
        self.parts.append(f'<text x="{number(x)}" y="{number(y)}"{classes}>{escape(words, quote=False)}</text>')

    def path(self, points: str, kind: str) -> None:
        """A path of the style sheet's class `kind`."""
        self.parts.append(f'<path class="{kind}" d="{points}"/>')

    def box(self, left: float, top: float, *, width: float, height: float, kind: str) -> None:
        """A rectangle in pixels."""
        place = f'x="{number(left)}" y="{number(top)}" width="{number(width)}" height="{number(height)}"'
        self.parts.append(f'<rect class="{kind}" {place}/>')

    def x_axis(self, label: str, *, ticks: Ticks | None = None) -> None:
        """The lower axis with its ticks, and what it shows."""
        bottom = self.height - self.bottom
        for value, words in nice_ticks(*self.x) if ticks is None else ticks:
            self.path(f"M{number(self.at_x(value))} {number(bottom)}v4", "axis")
            self.text(self.at_x(value), bottom + 15, words, kind="m")
        self.path(f"M{number(self.left)} {number(bottom)}H{number(self.width - self.right)}", "axis")
        self.text(self.width - self.right, self.height - 5, label, kind="e")

    def y_axis(self, label: str, *, ticks: Ticks | None = None) -> None:
        """Thin lines across at the ticks, and above them what they show."""
        for value, words in nice_ticks(*self.y, about=4) if ticks is None else ticks:
            self.path(f"M{self.at(self.x[0], value)}H{number(self.width - self.right)}", "grid")
            self.text(self.left - 5, self.at_y(value) + 4, words, kind="e")
        self.text(2, 10, label)

    def line(self, xs: Sequence[float], ys: Curve, kind: str) -> None:
        """A curve with gaps where `ys` is None; a dot where a point has no neighbour."""
        for run in _runs(ys):
            if len(run) == 1:
                self.dot(xs[run[0]], ys[run[0]] or 0.0, kind)
            else:
                points = "L".join(self.at(xs[i], ys[i] or 0.0) for i in run)
                self.path(f"M{points}", f"l {kind}")

    def band(self, xs: Sequence[float], low: Curve, high: Curve, kind: str) -> None:
        """The area between two curves where both are known; a bar where a point has no neighbour."""
        both = [None if a is None or b is None else 1.0 for a, b in zip(low, high, strict=True)]
        for run in _runs(both):
            there = [self.at(xs[i], high[i] or 0.0) for i in run]
            back = [self.at(xs[i], low[i] or 0.0) for i in reversed(run)]
            if len(run) == 1:
                self.path(f"M{there[0]}L{back[0]}", f"r {kind}")
            else:
                self.path(f"M{'L'.join(there + back)}Z", f"a {kind}")

    def outline(self, edges: Sequence[float], heights: Sequence[float], kind: str, *, filled: bool = False) -> None:
        """A histogram as one outline from the ground to the ground."""
        ground = number(self.at_y(self.y[0]))
        steps = [
            f"V{number(self.at_y(height))}H{number(self.at_x(edge))}"
            for height, edge in zip(heights, edges[1:], strict=True)
        ]
        points = f"M{number(self.at_x(edges[0]))} {ground}{''.join(steps)}V{ground}"
        if filled:
            self.path(points, f"a {kind}")
        self.path(points, f"l {kind}")

    def dot(self, x: float, y: float, kind: str) -> None:
        """A dot at a point of the data."""
        self.parts.append(f'<circle class="d {kind}" cx="{number(self.at_x(x))}" cy="{number(self.at_y(y))}" r="3"/>')

    def svg(self, description: str) -> Markup:
        """The element; `description` says in words what is seen."""
        return element(self.parts, self.width, self.height, description)


def element(parts: Sequence[str], width: float, height: float, description: str) -> Markup:
    """An `<svg>` of `parts`, whose words are escaped, with `description` as its text alternative."""
    size = f'viewBox="0 0 {number(width)} {number(height)}"'
    words = escape(description, quote=True)
    return Markup(f'<svg {size} role="img" aria-label="{words}">{"".join(parts)}</svg>')  # noqa: S704 -- escaped above


def number(value: float) -> str:
    """Pixels with at most one decimal: 12, 12.5."""
    rounded = f"{value:.1f}".removesuffix(".0")
    return "0" if rounded == "-0" else rounded


def nice_ticks(low: float, high: float, *, about: int = 5) -> list[tuple[float, str]]:
    """About so many round values from `low` to `high` and their words: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [(float(low), f"{low:.4g}")]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(k * step, _tick(k * step, decimals)) for k in range(first, last + 1)]


def step_ticks(length: int) -> list[tuple[float, str]]:
    """Ticks at time steps: whole numbers only."""
    whole = [round(value) for value, _ in nice_ticks(0, length - 1, about=6) if value.is_integer()]
    return [(float(step), f"{step}") for step in whole]


def percent_ticks(high: float) -> list[tuple[float, str]]:
    """Ticks of an axis of shares from 0 to `high`."""
    return [(value / 100, f"{words} %") for value, words in nice_ticks(0, 100 * high, about=5)]


def range_of(values: Sequence[float | None], *, margin: float = 0.04) -> tuple[float, float] | None:
    """From the least to the largest value, with a margin; None where there are none."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    room = margin * (high - low) or max(abs(low), 1.0) * margin
    return low - room, high + room


def name_of(words: str, *, room: float) -> str:
    """A name that fits into so many pixels of the plots' letters."""
    return short(words, max(4, int(room / 6.2)))


def _tick(value: float, decimals: int) -> str:
    if abs(value) >= 1e6 or decimals > 6:
        return f"{value:.3g}"
    return f"{value + 0.0:.{decimals}f}".replace("-", "\u2212")


def _fraction(value: float, bounds: tuple[float, float]) -> float:
    """Where a value lies between the bounds, at most a little beyond: nothing is drawn over a neighbour."""
    low, high = bounds
    return min(max((value - low) / (high - low), -0.02), 1.02) if high > low else 0.5


def _runs(values: Curve) -> list[list[int]]:
    """Indices of the values that are known, in runs of neighbours."""
    runs: list[list[int]] = [[]]
    for i, value in enumerate(values):
        if value is not None:
            runs[-1].append(i)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
