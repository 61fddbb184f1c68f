"""What a codec learns from training stays: aggregates that may be kept with a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from model.data.imputation import impute
from model.data.scaling import Knots, fit_knots
from model.data.small_cells import SHARED_BY
from model.data.stays import MISSING_CATEGORY, Stays
from model.spec.base import Spec
from model.spec.config import Scaling
from model.spec.schema import NumericalFeature, Schema

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


class NumericalState(Spec):
    """What the training stays say about a numerical feature, in its unit.

    `mean` is that of the observed values, which fills stays without any; `center` and `scale` are mean and standard
    deviation of the filled values (scale 1 for a constant). Where there are `knots`, the network sees normal scores
    in place of z-scores. Decoded values are kept within [`low`, `high`]. A `withheld` feature was measured in so few
    stays that nothing of it may be told: it counts as never measured.
    """

    name: str
    mean: float
    center: float
    scale: float
    low: float
    high: float
    knots: Knots = ()
    withheld: bool = False


class CategoricalState(Spec):
    """What the training stays say about a categorical feature: its most frequent category, and if any is missing."""

    name: str
    mode: str
    has_missing: bool


class CodecState(Spec):
    """All that a codec learned. It holds aggregates only: no value of a single patient, no count.

    The range of a numerical feature runs from the 11th smallest of the stays' minima to the 11th largest of their
    maxima; if it was measured in fewer than 22 stays it is the schema's bounds, and where there are none, mean +- 4
    standard deviations. A feature that was measured in fewer than 11 stays is withheld as a whole. From each knot of
    a feature to the next there are values of 11 stays.
    """

    data_schema: Schema
    numerical: tuple[NumericalState, ...]
    categorical: tuple[CategoricalState, ...]


def fit_state(stays: Stays, schema: Schema, *, scaling: Scaling) -> CodecState:
    """Means, scales, ranges and missingness of training stays, at least one, up to the end of each."""
    told = _may_be_told(stays.numerical)
    shown = np.where(told, stays.numerical, np.float32(np.nan))
    means, inside = _observed_means(shown), stays.inside
    filled = impute(shown, means)[inside]
    states = [
        _numerical_state(feature, shown[:, :, j], filled[:, j], float(means[j]), scaling)
        for j, feature in enumerate(schema.numerical)
    ]
    numerical = [state.model_copy(update={"withheld": not told[j]}) for j, state in enumerate(states)]
    categorical = [
        _categorical_state(feature.name, feature.categories, stays.categorical[inside, j])
        for j, feature in enumerate(schema.categorical)
    ]
    return CodecState(data_schema=schema, numerical=tuple(numerical), categorical=tuple(categorical))


def _may_be_told(numerical: Floats) -> npt.NDArray[np.bool_]:
    """(M,) whether a feature was measured in 11 stays or none; a table of fewer hides nobody, and is a test."""
    n_stays = (~np.isnan(numerical)).any(axis=1).sum(axis=0)
    told: npt.NDArray[np.bool_] = (n_stays >= SHARED_BY) | (n_stays == 0) | (len(numerical) < SHARED_BY)
    return told


def _observed_means(numerical: Floats) -> npt.NDArray[np.float64]:
    """(M,) mean of the observed values; 0 of none."""
    observed = ~np.isnan(numerical)
    sums = np.where(observed, numerical, 0).sum(axis=(0, 1), dtype=np.float64)
    means: npt.NDArray[np.float64] = sums / np.maximum(observed.sum(axis=(0, 1)), 1)
    return means


def _numerical_state(
    feature: NumericalFeature, values: Floats, filled: Floats, mean: float, scaling: Scaling
) -> NumericalState:
    center, scale = float(filled.mean(dtype=np.float64)), float(filled.std(dtype=np.float64))
    # Rounding alone gives a constant a standard deviation: about 1e-7 of its size in 32 bits.
    if scale <= 1e-6 * max(abs(center), 1e-6):
        scale = 1.0
    low, high = _shared_range(values, feature, mean)
    quantile = scaling == "quantile"
    knots = fit_knots(filled, values, low=low, high=high, shared_by=SHARED_BY) if quantile else ()
    return NumericalState(name=feature.name, mean=mean, center=center, scale=scale, low=low, high=high, knots=knots)


def _shared_range(values: Floats, feature: NumericalFeature, mean: float) -> tuple[float, float]:
    """Bounds of values (n, L) that 11 stays reach or exceed on either side."""
    measured = values[~np.isnan(values).all(axis=1)].astype(np.float64)
    if len(measured) >= 2 * SHARED_BY:
        lows, highs = np.sort(np.nanmin(measured, axis=1)), np.sort(np.nanmax(measured, axis=1))
        return float(lows[SHARED_BY - 1]), float(highs[-SHARED_BY])
    spread = 4 * (float(np.nanstd(measured)) if len(measured) else 1.0)
    low = mean - spread if feature.min is None else feature.min
    high = mean + spread if feature.max is None else feature.max
    return (low, high) if low <= high else (high, low)


def _categorical_state(name: str, categories: tuple[str, ...], codes: Codes) -> CategoricalState:
    observed = codes[codes != MISSING_CATEGORY]
    counts = np.bincount(observed, minlength=len(categories))
    return CategoricalState(
        name=name, mode=categories[int(counts.argmax())], has_missing=bool(len(observed) < codes.size)
    )
