"""The course of a numerical feature: quartiles of its measured values at each time step, per category of a label."""

from __future__ import annotations

import numpy as np

from model.data.stays import Stays
from model.evaluation.conditional import parts_of
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.space import Floats, Inputs
from model.spec.figures import Curve, Side, Trajectory
from model.spec.schema import Schema

QUARTILES = (0.25, 0.5, 0.75)


def trajectories(stays: Stays, column: int, *, side: Side, schema: Schema) -> tuple[Trajectory, ...]:
    """One per category of each label of at most 6 categories; where there is no such label, one of all stays.

    A quartile is told where at least 11 stays have a value at that step; of real stays, where at least 11 of them have
    one on either side of it.
    """
    values, fewest = stays.numerical[:, :, column], 1 if side == "synthetic" else MIN_STAYS
    parts = [part for parts in parts_of(stays, schema) for part in parts]
    if not parts:
        return (_trajectory(values, fewest, side, label=None, category=None),)
    return tuple(
        _trajectory(values[part.members], fewest, side, label=part.label, category=part.category) for part in parts
    )


def _trajectory(values: Inputs, fewest: int, side: Side, *, label: str | None, category: str | None) -> Trajectory:
    low, median, high = (_curve(curve) for curve in quartiles(values, fewest=fewest, of_all=MIN_STAYS))
    return Trajectory(side=side, label=label, category=category, low=low, median=median, high=high)


def quartiles(values: Inputs, *, fewest: int, of_all: int = 1) -> Floats:
    """(3, L) quartiles of values (n, L) at each step.

    NaN where fewer than `fewest` values lie on either side, or fewer than `of_all` are there at all.
    """
    ordered = np.sort(values.astype(np.float64), axis=0)  # NaN are last
    n, length = ordered.shape
    counts = (~np.isnan(ordered)).sum(axis=0)
    out = np.full((len(QUARTILES), length), np.nan)
    if not n:
        return out
    for k, share in enumerate(QUARTILES):
        place = share * np.maximum(counts - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(counts - 1, 0))
        left, right = (np.take_along_axis(ordered, index[None], axis=0)[0] for index in (below, above))
        cut = left + (place - below) * (right - left)
        beyond = np.minimum((ordered <= cut).sum(axis=0), (ordered >= cut).sum(axis=0))
        out[k] = np.where((beyond >= fewest) & (counts >= of_all), cut, np.nan)
    return out


def _curve(values: Floats) -> Curve:
    return tuple(None if np.isnan(value) else float(f"{value:.5g}") for value in values)
