"""The report's plots, as SVG to stand inside an HTML page: no ids that clash, no link to anywhere, text as text.

Colours are those of Okabe & Ito, which colour-blind readers tell apart; line styles differ as well, for print.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from html import escape
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from model.evaluation.space import Floats
from model.spec.report import Correlations, Distribution, FeatureReport, Matrix

Side = Literal["synthetic", "training", "holdout"]

COLOURS: dict[Side, str] = {"synthetic": "#D55E00", "training": "#0072B2", "holdout": "#000000"}
LINES: dict[Side, str] = {"synthetic": "solid", "training": "dashed", "holdout": "dotted"}
SIDES: tuple[Side, ...] = ("synthetic", "training", "holdout")
SIZE = (4.4, 2.0)  # inches; at 100 % of a phone's width the text is still readable
NUMBERED = 8  # up to so many features, correlations are written into their cells
LONGEST = 18

_STYLE: dict[Any, Any] = {  # matplotlib's own type for it lists all the names, and they change between versions
    "svg.fonttype": "none",
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": "#333333",
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "path.simplify": True,
}


def sides_of(feature: FeatureReport) -> list[tuple[Side, Distribution]]:
    """The sides on which a feature is known, synthetic first."""
    known = [(side, getattr(feature, side)) for side in SIDES]
    return [(side, told) for side, told in known if told is not None]


def distribution_plot(feature: FeatureReport, *, key: str) -> str | None:
    """Where the values lie, one outline per table; bars for categories. None where no table has values."""
    told = [(side, one) for side, one in sides_of(feature) if one.n_values]
    if not told:
        return None
    with _style(key):
        figure, axes = _blank()
        if feature.type == "numerical":
            _outlines(axes, np.array(feature.edges), told)
            axes.set_xlabel(feature.unit or "value")
        else:
            _bars(axes, feature.categories, told)
        axes.set_ylabel("how frequent")
        return _svg(figure, f"Distribution of {feature.name}. {_in_words(told)}")


def missing_plot(feature: FeatureReport, *, key: str) -> str | None:
    """Share of missing values at each time step, one line per table. None where nothing is ever missing."""
    told = sides_of(feature)
    if not any(one.missing_rate for _, one in told):
        return None
    with _style(key):
        figure, axes = _blank()
        for side, one in told:
            steps, shares = range(len(one.missing_by_step)), [100 * share for share in one.missing_by_step]
            marker = "o" if len(shares) == 1 else None
            axes.plot(steps, shares, color=COLOURS[side], linestyle=LINES[side], linewidth=1.5, marker=marker)
        axes.set_ylim(-3, 103)
        axes.set_yticks([0, 50, 100], ["0 %", "50 %", "100 %"])
        axes.set_xlabel("time step")
        axes.set_ylabel("missing")
        words = "; ".join(f"{side} {one.missing_rate:.1%}" for side, one in told)
        return _svg(figure, f"Missing values of {feature.name} over time. On average: {words}.")


def correlation_plot(correlations: Correlations, *, key: str) -> str | None:
    """Heat maps of the correlations between numerical features: synthetic, training and their difference."""
    if len(correlations.names) < 2:
        return None
    synthetic = _array(correlations.synthetic)
    maps = [("synthetic", synthetic)]
    if correlations.training is not None:
        training = _array(correlations.training)
        maps += [("training", training), ("synthetic minus training", synthetic - training)]
    with _style(key, font_size=8):
        figure = Figure(figsize=(3.2 * len(maps) + 1.1, 3.7))
        for k, (title, matrix) in enumerate(maps):
            axes = figure.add_subplot(1, len(maps), k + 1)
            _heat_map(axes, matrix, correlations.names, title=title, with_names=k == 0)
        left = 1.2 / (3.2 * len(maps) + 1.1)
        figure.subplots_adjust(left=left, right=0.995, top=0.92, bottom=0.29, wspace=0.05)
        return _svg(figure, _correlations_in_words(maps))


def _style(key: str, *, font_size: int = 9) -> AbstractContextManager[None]:
    """Settings while one figure is made; `key` makes its ids differ from those of other figures on the page."""
    return mpl.rc_context(_STYLE | {"svg.hashsalt": key, "font.size": font_size})


def _blank() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE)
    axes = figure.add_axes((0.17, 0.235, 0.815, 0.72))
    return figure, axes


def _outlines(axes: Axes, edges: Floats, told: Sequence[tuple[Side, Distribution]]) -> None:
    for side, one in told:
        density = np.array(one.shares) / np.diff(edges)
        if side == "synthetic":
            axes.stairs(density, edges, fill=True, color=COLOURS[side], alpha=0.22, linewidth=0)
        axes.stairs(density, edges, color=COLOURS[side], linestyle=LINES[side], linewidth=1.4)
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    axes.set_xlim(edges[0], edges[-1])


def _bars(axes: Axes, categories: Sequence[str], told: Sequence[tuple[Side, Distribution]]) -> None:
    positions, width = np.arange(len(categories)), 0.8 / len(told)
    for k, (side, one) in enumerate(told):
        x = positions + (k - (len(told) - 1) / 2) * width
        hatch = {"synthetic": None, "training": "///", "holdout": "..."}[side]
        shares = [100 * share for share in one.shares]
        axes.bar(x, shares, width * 0.92, color=COLOURS[side], alpha=0.75, hatch=hatch, edgecolor="white", linewidth=0)
    names = [_short(category) if len(categories) <= 12 else "" for category in categories]
    axes.set_xticks(positions, names, rotation=0 if sum(map(len, names)) < 48 else 20)
    axes.yaxis.set_major_formatter("{x:g} %")


def _heat_map(axes: Axes, matrix: Floats, names: Sequence[str], *, title: str, with_names: bool) -> None:
    axes.imshow(matrix, cmap="PuOr_r", vmin=-1, vmax=1, interpolation="none", aspect="auto")
    axes.set_title(title, fontsize=9)
    shown = names if len(names) <= 40 else [""] * len(names)
    axes.set_xticks(range(len(names)), [_short(name) for name in shown], rotation=90)
    axes.set_yticks(range(len(names)), [_short(name) for name in shown] if with_names else [""] * len(names))
    axes.tick_params(length=0)
    for row, column in np.ndindex(matrix.shape) if len(names) <= NUMBERED else ():
        value = float(matrix[row, column])
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(column, row, f"{round(value, 2) + 0.0:.2f}", ha="center", va="center", fontsize=7, color=colour)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "\u2026"


def _array(matrix: Matrix) -> Floats:
    return np.array([[np.nan if value is None else value for value in row] for row in matrix], dtype=np.float64)


def _in_words(told: Sequence[tuple[Side, Distribution]]) -> str:
    medians = [(side, one.quantiles.get("50")) for side, one in told]
    words = [f"{side} {median:.4g}" for side, median in medians if median is not None]
    if words:
        return f"Medians: {'; '.join(words)}."
    return f"Shown for {', '.join(side for side, _ in told)}."


def _correlations_in_words(maps: Sequence[tuple[str, Floats]]) -> str:
    words = "Correlations between numerical features"
    difference = np.abs(maps[-1][1])
    if len(maps) < 3 or not np.isfinite(difference).any():
        return f"{words} in the synthetic stays."
    return f"{words}: synthetic, training, and their difference, at most {np.nanmax(difference):.2f}."


def _svg(figure: Figure, description: str) -> str:
    """The figure as an `<svg>` element with `description` as its text alternative."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the browser has the letters that our font lacks
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return _for_html(buffer.getvalue(), description)


def _for_html(svg: str, description: str) -> str:
    view_box = re.search(r'viewBox="[^"]*"', svg)
    assert view_box
    inner = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    inner = inner.replace("xlink:href", "href")
    used = set(re.findall(r"#([\w-]+)", inner))
    inner = re.sub(r' id="([\w.-]+)"', lambda match: match[0] if match[1] in used else "", inner)
    inner = re.sub(r"\s*\n\s*", "\n", re.sub(r"<!--.*?-->", "", inner, flags=re.DOTALL))
    text = escape(description, quote=True)
    return f'<svg {view_box[0]} role="img" aria-label="{text}"><title>{text}</title>{inner}</svg>'
