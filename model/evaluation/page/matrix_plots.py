"""Plots of matrices: how features go together, how categories change, where whole stays lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from model.evaluation.page.heat import NUMBERED, heat_map
from model.evaluation.page.svg import element
from model.evaluation.page.text import percent, told
from model.spec.figures import Correlations, Matrix, Projection, Transitions

MAX_NAMES = 36
"""Features in a heat map; of more, those that differ most."""
WIDE = 620  # pixels of a heat map with many features
DIFFERENCES = (0.1, 0.2, 0.5, 1.0, 2.0)


class Panel(NamedTuple):
    """A plot and the words under it."""

    caption: str
    svg: Markup


class Panels(NamedTuple):
    """Plots that are looked at together, and what they leave out (in words)."""

    panels: tuple[Panel, ...]
    left_out: str = ""
    wide: bool = False


def correlation_plots(correlations: Correlations | None, *, what: str) -> Panels | None:
    """Heat maps of synthetic and training stays and of their difference. None with fewer than two features.

    `what` is what the matrix tells, as in "Correlations of values".
    """
    if correlations is None or len(correlations.names) < 2:
        return None
    kept = _most_different(correlations)
    names = [correlations.names[k] for k in kept]
    synthetic = _part(correlations.synthetic, kept)
    left_out = "" if len(kept) == len(correlations.names) else _left_out(len(kept), len(correlations.names))
    panels = [_signed("synthetic", synthetic, names, what=what)]
    if correlations.training is not None:
        training = _part(correlations.training, kept)
        panels += [_signed("real, training", training, names, what=what)]
        panels += [_difference(_minus(synthetic, training), names, what=what)]
    return Panels(tuple(panels), left_out, wide=len(names) > 12)


def transition_plots(one: Transitions) -> Panels | None:
    """Heat maps of how a category follows another: synthetic and training. None without categories."""
    if not one.categories:
        return None
    kept = range(min(len(one.categories), MAX_NAMES))
    names = [one.categories[k] for k in kept]
    sides = [("synthetic", one.synthetic)] + ([("real, training", one.training)] if one.training else [])
    panels = []
    for side, matrix in sides:
        words = _staying(matrix, names)
        description = f"Changes of {told(one.name)} from one time step to the next, {side}. {words}"
        size = 340 if len(names) > 3 else 210
        svg = heat_map(
            _part(matrix, kept), rows=names, columns=names, description=description, scale="share", width=size,
            corner="now \u2193, next \u2192",
        )  # fmt: skip
        panels.append(Panel(side, svg))
    left_out = "" if len(kept) == len(one.categories) else f"The first {len(kept)} of its categories are drawn."
    return Panels(tuple(panels), left_out, wide=len(names) > 3)


def projection_plots(projection: Projection | None) -> Panels | None:
    """Density of the stays on two principal components: synthetic and training, in the same shades.

    Of real stays, cells of fewer than 11 are told as empty; synthetic cells as thin are left empty too, so that the
    eye compares like with like.
    """
    if projection is None or len(projection.x_edges) < 2 or len(projection.y_edges) < 2:
        return None
    thinnest = min((value for row in projection.training for value in row if value), default=0.0)
    synthetic = tuple(
        tuple(value if value and value >= thinnest else 0.0 for value in row) for row in projection.synthetic
    )
    sides = (("synthetic", synthetic), ("real, training", projection.training))
    top = max((value or 0.0 for _, matrix in sides for row in matrix for value in row), default=0.0)
    if not top:
        return None
    overlap = _overlap(synthetic, projection.training)
    panels = [Panel(side, _density(matrix, top=top, side=side, overlap=overlap)) for side, matrix in sides]
    return Panels(tuple(panels))


def _signed(side: str, matrix: Matrix, names: Sequence[str], *, what: str) -> Panel:
    description = f"{what} between {len(names)} features, {side}. {_strongest(matrix, names)}"
    return Panel(side, heat_map(matrix, rows=names, columns=names, description=description, width=_width(names)))


def _difference(matrix: Matrix, names: Sequence[str], *, what: str) -> Panel:
    largest = max((abs(value) for row in matrix for value in row if value is not None), default=0.0)
    limit = next((step for step in DIFFERENCES if step >= largest), DIFFERENCES[-1])
    description = f"{what}: synthetic minus training, at most {largest:.2f}. {_strongest(matrix, names)}"
    svg = heat_map(matrix, rows=names, columns=names, description=description, width=_width(names), limit=limit)
    return Panel(f"synthetic minus training (full colour at \u00b1{limit:g})", svg)


def _width(names: Sequence[str]) -> float:
    return 340 if len(names) <= NUMBERED + 4 else WIDE


def _strongest(matrix: Matrix, names: Sequence[str]) -> str:
    """The pair of features farthest from 0, in words."""
    pairs = [(value, i, j) for i, row in enumerate(matrix) for j, value in enumerate(row[:i]) if value is not None]
    if not pairs:
        return "No pair of features has enough values."
    value, i, j = max(pairs, key=lambda pair: abs(pair[0]))
    return f"Farthest from 0: {told(names[j])} and {told(names[i])}, {value:.2f}."


def _staying(matrix: Matrix, names: Sequence[str]) -> str:
    stays = [(names[k], matrix[k][k]) for k in range(len(names)) if matrix[k][k] is not None]
    if not stays:
        return "Too few changes to tell."
    words = ", ".join(f"{told(name)} {percent(share)}" for name, share in stays[:6])
    return f"How often a category stays: {words}."


def _most_different(correlations: Correlations) -> list[int]:
    """Indices of the features to draw, in their order."""
    n = len(correlations.names)
    if n <= MAX_NAMES or correlations.training is None:
        return list(range(min(n, MAX_NAMES)))
    difference = _minus(correlations.synthetic, correlations.training)
    totals = [sum(abs(value) for value in row if value is not None) for row in difference]
    return sorted(sorted(range(n), key=lambda k: -totals[k])[:MAX_NAMES])


def _left_out(n_kept: int, n: int) -> str:
    return f"Drawn for the {n_kept} of {n} features that differ most; the figures above rest on all of them."


def _part(matrix: Matrix, kept: Sequence[int]) -> Matrix:
    return tuple(tuple(matrix[i][j] for j in kept) for i in kept)


def _minus(a: Matrix, b: Matrix) -> Matrix:
    return tuple(
        tuple(None if x is None or y is None else x - y for x, y in zip(row, other, strict=True))
        for row, other in zip(a, b, strict=True)
    )


def _density(matrix: Matrix, *, top: float, side: str, overlap: float) -> Markup:
    """Cells shaded by the root of their share, so that thin regions are seen too; y grows upwards."""
    shaded = tuple(tuple(math.sqrt((value or 0.0) / top) for value in row) for row in reversed(matrix))
    n_columns = max((len(row) for row in matrix), default=0)
    description = (
        f"Where {side} stays lie on the first two principal components; the darker, the more stays. "
        f"Synthetic and training stays overlap by {percent(overlap)}."
    )
    plain = heat_map(shaded, rows=[""] * len(matrix), columns=[""] * n_columns, description=description, scale="share")
    return plain if n_columns else element([], 340, 20, description)


def _overlap(a: Matrix, b: Matrix) -> float:
    """Share of stays that lie in the same cells: 1 where the densities are equal."""
    return sum(
        min(x or 0.0, y or 0.0) for row, other in zip(a, b, strict=False) for x, y in zip(row, other, strict=False)
    )
