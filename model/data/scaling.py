"""A numerical feature's values as normal scores, and back, through knots that were learned from training stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

N_KNOTS = 201
FLAT = 1e-6  # the standard deviation of the scores up to which the values are a constant, within wider bounds

Floats = npt.NDArray[np.float32]
Knots = tuple[tuple[float, float], ...]
"""(value, normal score), both strictly increasing; none: the values are used as they are."""


def fit_knots(values: Floats, *, low: float, high: float) -> Knots:
    """Knots at 201 quantiles of `values` (any shape, no NaN), kept within [low, high].

    Quantiles that share a value, because many stays do, share the mean of their scores. The scores of `values` have
    mean 0 and variance 1. A constant has no knots.
    """
    levels = np.concatenate([[0.1], np.arange(N_KNOTS) + 0.5, [N_KNOTS - 0.1]]) / N_KNOTS
    inner = np.quantile(values.astype(np.float64), levels[1:-1])
    at, which = np.unique(np.clip(np.concatenate([[low], inner, [high]]), low, high), return_inverse=True)
    if len(at) < 3:
        return ()
    raw = np.bincount(which, weights=ndtri(levels)) / np.bincount(which)
    spread = _interpolate(values, at, raw)
    deviation = spread.std(dtype=np.float64)
    if deviation < FLAT:
        return ()
    scores = (raw - spread.mean(dtype=np.float64)) / deviation
    return tuple(zip(at.tolist(), scores.tolist(), strict=True))


def to_scores(values: Floats, knots: Knots) -> Floats:
    """Normal scores, linear between the knots and beyond the last ones at their slope; values may be NaN."""
    return _interpolate(values, *_columns(knots)) if knots else values


def from_scores(scores: Floats, knots: Knots) -> Floats:
    """The values that `to_scores` maps to these scores."""
    return _interpolate(scores, *reversed(_columns(knots))) if knots else scores


def _columns(knots: Knots) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    table = np.array(knots)
    return table[:, 0], table[:, 1]


def _interpolate(x: Floats, at: npt.NDArray[np.float64], to: npt.NDArray[np.float64]) -> Floats:
    piece = np.clip(np.searchsorted(at, x) - 1, 0, len(at) - 2)
    slope = (to[piece + 1] - to[piece]) / (at[piece + 1] - at[piece])
    return (to[piece] + slope * (x - at[piece])).astype(np.float32)
