"""The rarest values: how far the 0.1 and 99.9 % quantiles of two tables are from each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from model.data.stays import Stays
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.space import Bools, Floats
from model.spec.figures import FeatureReport, Side

TAILS = ("0.1", "99.9")
SHARES = tuple(float(tail) / 100 for tail in TAILS)


class Ends(NamedTuple):
    """Quantiles (J, 2) of the numerical features in a table and in the training stays; NaN where they are not known.

    `common` (J, 2): which of them are compared, the same in a figure and in what the holdout scores; None: all.
    """

    subject: Floats
    training: Floats
    common: Bools | None = None


def exact_ends(stays: Stays) -> Floats:
    """(J, 2) quantiles, for figures and not to be shown; NaN where fewer than 11 stays have a value."""
    ends = np.full((stays.numerical.shape[2], len(TAILS)), np.nan)
    for j in range(len(ends)):
        values = stays.numerical[:, :, j]
        observed = ~np.isnan(values)
        if observed.any(axis=1).sum() >= MIN_STAYS:
            ends[j] = np.quantile(values[observed].astype(np.float64), SHARES)
    return ends


def told_ends(features: Sequence[FeatureReport], side: Side) -> Floats:
    """(J, 2) quantiles as the features tell them of a table; NaN where they do not."""
    tables = [getattr(feature, side) for feature in features if feature.type == "numerical"]
    told = [[None if table is None else table.quantiles.get(tail) for tail in TAILS] for table in tables]
    return np.array(told, dtype=np.float64).reshape(len(tables), len(TAILS))  # None becomes NaN


def common_tails(subject: Floats, training: Floats, holdout: Floats | None) -> Bools:
    """(J, 2) the tails that all tables have; those of the holdout do not count where it has none of them."""
    both: Bools = np.isfinite(subject) & np.isfinite(training)
    if holdout is None or not (both & np.isfinite(holdout)).any():
        return both
    every: Bools = both & np.isfinite(holdout)
    return every


def tail_distances(ends: Ends, units: Sequence[float | None]) -> Floats:
    """(J, 2) `|q - q_training| / deviation`; NaN where one is not known, or the tail is not compared."""
    scale = np.full((len(ends.subject), 1), np.nan)
    known = [np.nan if unit is None else unit for unit in units][: len(scale)]
    scale[: len(known), 0] = known
    distances: Floats = np.abs(ends.subject - ends.training) / scale
    return distances if ends.common is None else np.where(ends.common, distances, np.nan)


def tails_told(distances: Floats) -> str | None:
    """Of how many tails a figure is the mean, where some are left out: "12 of 14 tails"."""
    used = int(np.isfinite(distances).sum())
    return f"{used} of {distances.size} tails" if used < distances.size else None
