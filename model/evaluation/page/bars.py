"""Shares of a few categories as lying bars, one per table: names have room, on a phone too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from model.evaluation.page.svg import WIDTH, Frame, name_of, percent_ticks
from model.evaluation.page.text import SIDES
from model.spec.figures import Side

THICK = 7


class Bar(NamedTuple):
    """A category, and its share in each table that knows it."""

    name: str
    shares: dict[Side, float]


def bar_plot(bars: Sequence[Bar], *, label: str, description: str) -> Markup:
    """A group of bars per category, in order; `label` says what the categories are."""
    sides = [side for side in SIDES if any(side in bar.shares for bar in bars)]
    step = THICK * len(sides) + 8
    top = max((share for bar in bars for share in bar.shares.values()), default=0.0) or 1.0
    left = min(130.0, 14 + 6.4 * max((len(bar.name) for bar in bars), default=0))
    frame = Frame(x=(0, top), y=(0, 1), left=left, height=20 + step * len(bars) + 34, right=20)
    frame.text(2, 10, label)
    for value, words in percent_ticks(top):
        x = frame.at_x(value)
        frame.path(f"M{x:.1f} 20V{frame.height - frame.bottom:.1f}", "grid")
        frame.text(x, frame.height - frame.bottom + 15, words, kind="m")
    for k, bar in enumerate(bars):
        y = frame.top + step * k + 4
        frame.text(left - 5, y + THICK * len(sides) / 2 + 4, name_of(bar.name, room=left - 8), kind="e")
        for j, side in enumerate(sides):
            length = frame.at_x(bar.shares.get(side, 0.0)) - left
            frame.box(left, y + THICK * j, width=max(length, 0.5), height=THICK - 1, kind=f"b {side}")
    frame.path(f"M{left:.1f} 20V{frame.height - frame.bottom:.1f}", "axis")
    assert frame.width == WIDTH
    return frame.svg(description)
