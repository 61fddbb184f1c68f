"""A numerical feature's values as normal scores, and back, through knots that were learned from training stays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

N_KNOTS = 201

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Knots = tuple[tuple[float, float], ...]
"""(value, normal score), both strictly increasing, three at least; none: the values are used as they are."""


def fit_knots(filled: Floats, measured: Floats, *, low: float, high: float, shared_by: int) -> Knots:
    """Knots at `low`, `high` and up to 201 quantiles of `filled` (any shape, no NaN) between them.

    measured (n, L) are the values before gaps were filled. From each knot to the next there are values of at least
    `shared_by` stays: quantiles that are closer are left out, so that the knots of a few stays do not tell their
    values. Quantiles that share a value, because many stays do, share the mean of their scores. The scores of `filled`
    have mean 0 and variance 1. Where no quantile is left, as with a constant, there are no knots.
    """
    levels = np.concatenate([[0.1], np.arange(N_KNOTS) + 0.5, [N_KNOTS - 0.1]]) / N_KNOTS
    inner = np.quantile(filled.astype(np.float64), levels[1:-1])
    at, which = np.unique(np.clip(np.concatenate([[low], inner, [high]]), low, high), return_inverse=True)
    kept = _far_apart(at, measured, shared_by)
    if len(kept) < 3:
        return ()
    raw = np.bincount(which, weights=ndtri(levels)) / np.bincount(which)
    spread = np.interp(filled, at[kept], raw[kept])
    scores = (raw[kept] - spread.mean()) / spread.std()
    return tuple(zip(at[kept].tolist(), scores.tolist(), strict=True))


def _far_apart(at: Doubles, measured: Floats, shared_by: int) -> list[int]:
    """Indices of `at` (K,), both ends among them, with values of `shared_by` stays from each to the next."""
    last = len(at) - 1
    has = np.zeros((len(measured), len(at) + 1), dtype=np.bool_)  # stay has a value in (at[k - 1], at[k]]
    has[np.arange(len(measured))[:, None], np.searchsorted(at, measured)] = True

    def stays_between(start: int, end: int) -> int:
        return int(has[:, start + 1 : end + 1].any(axis=1).sum())

    kept = [0]
    for k in range(1, last):
        if stays_between(kept[-1], k) >= shared_by:
            kept.append(k)
    if len(kept) > 1 and stays_between(kept[-1], last) < shared_by:
        kept.pop()
    return [*kept, last]


def to_scores(values: Floats, knots: Knots) -> Floats:
    """Normal scores, linear between the knots, and those of the last ones beyond them; values may be NaN."""
    at, scores = _columns(knots)
    return np.interp(values, at, scores).astype(np.float32) if knots else values


def from_scores(scores: Floats, knots: Knots) -> Floats:
    """The values that `to_scores` maps to these scores."""
    at, known = _columns(knots)
    return np.interp(scores, known, at).astype(np.float32) if knots else scores


def _columns(knots: Knots) -> tuple[Doubles, Doubles]:
    table = np.array(knots, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]
