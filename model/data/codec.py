"""Stays to the numbers that a network sees, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from model.data.imputation import impute, impute_codes
from model.data.scaling import Knots, fit_knots, from_scores, to_scores
from model.data.stays import MISSING_CATEGORY, Stays
from model.spec.base import Spec
from model.spec.config import Missing, Scaling
from model.spec.schema import CategoricalFeature, NumericalFeature, Schema

MARK_CATEGORIES = ("missing", "measured")
MEASURED = 1
IN_STAY_CATEGORIES = ("ended", "in the stay")
IN_STAY = 1
SHARED_BY = 11  # stays that a stored figure must rest on: nothing that is one patient's is kept

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


class NumericalState(Spec):
    """What the training stays say about a numerical feature, in its unit.

    `mean` is that of the observed values, which fills stays without any; `center` and `scale` are mean and standard
    deviation of the filled values (scale 1 for a constant). Where there are `knots`, the network sees normal scores
    in place of z-scores. Decoded values are kept within [`low`, `high`].
    """

    name: str
    mean: float
    center: float
    scale: float
    low: float
    high: float
    knots: Knots = ()


class CategoricalState(Spec):
    """What the training stays say about a categorical feature: its most frequent category, and if any is missing."""

    name: str
    mode: str
    has_missing: bool


class CodecState(Spec):
    """All that a codec learned. It holds aggregates only: no value of a single patient, no count.

    The range of a numerical feature runs from the 11th smallest of the stays' minima to the 11th largest of their
    maxima; if it was measured in fewer than 22 stays it is the schema's bounds, and where there are none, mean +- 4
    standard deviations. The mean of a feature that was measured in fewer than 11 stays is not kept, either.
    """

    data_schema: Schema
    numerical: tuple[NumericalState, ...]
    categorical: tuple[CategoricalState, ...]


class Channel(NamedTuple):
    """One categorical channel of the model; `missing_code` is the code of "missing" in a feature that has it.

    `static`: a feature that is constant within a stay, or the mark of one. `in_stay` says until when a stay lasts.
    """

    name: str
    kind: Literal["feature", "mark", "label", "in_stay"]
    categories: tuple[str, ...]
    missing_code: int | None = None
    static: bool = False


class Encoded(NamedTuple):
    """Stays as the network sees them. After its end a stay is the same as any other, but for what is static.

    numerical    (n, L, M_n) float32, filled and z-scored
    categorical  (n, L, M_ch) int64 codes, one column per channel
    labels       (n, K) int64 codes
    observed     (n, L, M_n) False where the number was filled in
    """

    numerical: Floats
    categorical: Codes
    labels: Codes
    observed: npt.NDArray[np.bool_]


class Codec:
    """Encodes stays for the network and decodes what it returns; knows only its `state`."""

    def __init__(self, state: CodecState) -> None:
        self.state = state
        self.schema = state.data_schema
        self.categorical_channels = _channels(state)
        self._means = np.array([s.mean for s in state.numerical])
        self._center = np.array([s.center for s in state.numerical], dtype=np.float32)
        self._scale = np.array([s.scale for s in state.numerical], dtype=np.float32)
        self._low = np.array([s.low for s in state.numerical], dtype=np.float32)
        self._high = np.array([s.high for s in state.numerical], dtype=np.float32)
        self._knots = [(j, s.knots) for j, s in enumerate(state.numerical) if s.knots]
        self._static = np.array([feature.static for feature in self.schema.numerical], dtype=np.bool_)
        features = zip(self.schema.categorical, state.categorical, strict=True)
        self._modes = np.array([feature.categories.index(s.mode) for feature, s in features], dtype=np.int64)

    @classmethod
    def fit(cls, stays: Stays, schema: Schema, *, scaling: Scaling = "zscore") -> Codec:
        """Learn means, scales, ranges and missingness from training stays, at least one, up to the end of each."""
        means = _observed_means(stays.numerical)
        inside = stays.inside
        filled = impute(stays.numerical, means)[inside]
        numerical = [
            _numerical_state(feature, stays.numerical[:, :, j], filled[:, j], float(means[j]), scaling)
            for j, feature in enumerate(schema.numerical)
        ]
        categorical = [
            _categorical_state(feature.name, feature.categories, stays.categorical[inside, j])
            for j, feature in enumerate(schema.categorical)
        ]
        return cls(CodecState(data_schema=schema, numerical=tuple(numerical), categorical=tuple(categorical)))

    @property
    def plain(self) -> Codec:
        """The same with z-scores for all numbers: distances in it do not depend on what the network was shown."""
        states = tuple(state.model_copy(update={"knots": ()}) for state in self.state.numerical)
        return Codec(self.state.model_copy(update={"numerical": states})) if self._knots else self

    def fill(self, stays: Stays) -> Stays:
        """The stays without missing values, up to the end of each, by the rule that the training pipeline uses."""
        return self._complete(stays).ended()

    def _complete(self, stays: Stays) -> Stays:
        numerical = impute(stays.numerical, self._means)
        return replace(stays, numerical=numerical, categorical=impute_codes(stays.categorical, self._modes))

    def encode(self, stays: Stays) -> Encoded:
        """Fill and scale the numbers; categories, then marks of what was measured, then labels at every step.

        A missing category keeps its own code where training had missing ones, and is filled where it had none. Last
        comes, with `variable_length`, the channel that says where a stay ends. Behind the end, where there are no
        data, stands what is easiest to learn: the mean, the mode or "missing", and what is static.
        """
        stays = self._static_throughout(stays)
        filled = self._complete(stays)
        n, length = len(stays), stays.sequence_length
        inside = stays.inside[:, :, None]
        labels = np.broadcast_to(stays.labels[:, None, :], (n, length, stays.labels.shape[1]))
        parts = [self._with_missing(stays, filled), stays.observed.astype(np.int64), labels]
        if self.schema.variable_length:
            parts.append(inside.astype(np.int64))
        scaled = np.where(inside | self._static, self._scaled(filled.numerical), np.float32(0))
        return Encoded(scaled, np.concatenate(parts, axis=2), stays.labels.copy(), stays.observed)

    def _static_throughout(self, stays: Stays) -> Stays:
        """The stays with their static values also after the end: the network need not forget them there."""
        if stays.lengths is None or not any(feature.static for feature in self.schema.features):
            return stays
        still = np.array([feature.static for feature in self.schema.categorical], dtype=np.bool_)
        numerical = np.where(self._static, stays.numerical[:, :1], stays.numerical)
        return replace(
            stays, numerical=numerical, categorical=np.where(still, stays.categorical[:, :1], stays.categorical)
        )

    def _with_missing(self, stays: Stays, filled: Stays) -> Codes:
        still = np.array([feature.static for feature in self.schema.categorical], dtype=np.bool_)
        codes = np.where(stays.inside[:, :, None] | still, filled.categorical, self._modes)
        for j, channel in enumerate(self._feature_channels):
            if channel.missing_code is not None:
                own = stays.categorical[:, :, j]
                codes[:, :, j] = np.where(own == MISSING_CATEGORY, channel.missing_code, own)
        return codes

    def decode(self, numerical: Floats, categorical: Codes, *, missing: Missing, labels: Codes | None = None) -> Stays:
        """Stays from what the network made: numerical (n, L, M_n) scaled, categorical (n, L, M_ch) codes.

        A value whose mark says "missing" is noise: it becomes NaN, and with `missing="imputed"` it is then filled
        by the training pipeline's rule. Values are kept within the training range. A static number is the mean over
        time; static categories and marks, and without `labels` (n, K) these too, are read out of their channels by
        majority over time (the first category of a tie). With `variable_length` a stay ends where this agrees with
        most steps of its channel (the earliest such end, 1 or later), and nothing comes after it.
        """
        n_features, n_marks = len(self.schema.categorical), len(self.schema.numerical)
        numerical, categorical = self._steady(numerical, categorical)
        values = np.clip(self._unscaled(numerical), self._low, self._high).astype(np.float32)
        measured = categorical[:, :, n_features : n_features + n_marks] == MEASURED
        if labels is None:
            first = n_features + n_marks
            labels = self._majority(categorical)[:, first : first + len(self.schema.labels)]
        stays = Stays(
            numerical=np.where(measured, values, np.float32(np.nan)),
            categorical=self._without_missing(categorical[:, :, :n_features]),
            labels=labels,
            lengths=_ends(categorical[:, :, -1]) if self.schema.variable_length else None,
        ).ended()
        return self.fill(stays) if missing == "imputed" else stays

    def _scaled(self, values: Floats) -> Floats:
        scaled = ((values - self._center) / self._scale).astype(np.float32)
        for j, knots in self._knots:
            scaled[:, :, j] = to_scores(values[:, :, j], knots)
        return scaled

    def _unscaled(self, scaled: Floats) -> Floats:
        values: Floats = scaled * self._scale + self._center
        for j, knots in self._knots:
            values[:, :, j] = from_scores(scaled[:, :, j], knots)
        return values

    def _without_missing(self, codes: Codes) -> Codes:
        out = codes.astype(np.int64, copy=True)
        for j, channel in enumerate(self._feature_channels):
            if channel.missing_code is not None:
                out[:, :, j][out[:, :, j] == channel.missing_code] = MISSING_CATEGORY
        return out

    def _steady(self, numerical: Floats, categorical: Codes) -> tuple[Floats, Codes]:
        """What the network made, the static features made constant over time."""
        if not any(feature.static for feature in self.schema.features):
            return numerical, categorical
        numerical = np.where(self._static, numerical.mean(axis=1, keepdims=True), numerical)
        still = np.array([channel.static for channel in self.categorical_channels], dtype=np.bool_)
        return numerical, np.where(still, self._majority(categorical)[:, None, :], categorical)

    def _majority(self, codes: Codes) -> Codes:
        """(n, M_ch) the most frequent category of each channel over time."""
        out = np.empty((len(codes), codes.shape[2]), dtype=np.int64)
        for k, channel in enumerate(self.categorical_channels):
            votes = codes[:, :, k, None] == np.arange(len(channel.categories))
            out[:, k] = votes.sum(axis=1).argmax(axis=1)
        return out

    @property
    def _feature_channels(self) -> tuple[Channel, ...]:
        return self.categorical_channels[: len(self.schema.categorical)]


def _channels(state: CodecState) -> tuple[Channel, ...]:
    schema = state.data_schema
    features = [_feature_channel(f, s) for f, s in zip(schema.categorical, state.categorical, strict=True)]
    marks = [Channel(f"{f.name} measured", "mark", MARK_CATEGORIES, static=f.static) for f in schema.numerical]
    labels = [Channel(label.name, "label", label.categories) for label in schema.labels]
    ends = [Channel("in the stay", "in_stay", IN_STAY_CATEGORIES)] if schema.variable_length else []
    return (*features, *marks, *labels, *ends)


def _ends(in_stay: Codes) -> Codes:
    """(n,) the length of each stay that agrees best with its channel (n, L); the shortest of several."""
    votes = np.where(in_stay == IN_STAY, 1, -1)
    return np.asarray(votes.cumsum(axis=1).argmax(axis=1) + 1, dtype=np.int64)


def _feature_channel(feature: CategoricalFeature, state: CategoricalState) -> Channel:
    if not state.has_missing:
        return Channel(state.name, "feature", feature.categories, static=feature.static)
    word = "missing"
    while word in feature.categories:
        word = f"({word})"
    code = len(feature.categories)
    return Channel(state.name, "feature", (*feature.categories, word), missing_code=code, static=feature.static)


def _observed_means(numerical: Floats) -> npt.NDArray[np.float64]:
    """(M,) mean of the observed values; 0 for a feature that fewer than 11 stays have, unless there are no more stays.

    A table of so few stays hides nobody, and is a test.
    """
    observed = ~np.isnan(numerical)
    sums = np.where(observed, numerical, 0).sum(axis=(0, 1), dtype=np.float64)
    means: npt.NDArray[np.float64] = sums / np.maximum(observed.sum(axis=(0, 1)), 1)
    enough = observed.any(axis=1).sum(axis=0) >= min(SHARED_BY, len(numerical))
    return np.where(enough, means, 0.0)


def _numerical_state(
    feature: NumericalFeature, values: Floats, filled: Floats, mean: float, scaling: Scaling
) -> NumericalState:
    center, scale = float(filled.mean(dtype=np.float64)), float(filled.std(dtype=np.float64))
    # Rounding alone gives a constant a standard deviation: about 1e-7 of its size in 32 bits.
    if scale <= 1e-6 * max(abs(center), 1e-6):
        scale = 1.0
    low, high = _shared_range(values, feature, mean)
    knots = fit_knots(filled, low=low, high=high) if scaling == "quantile" else ()
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
