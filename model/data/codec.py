"""Stays to the numbers that a network sees, and back."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.data.channels import IN_STAY, MEASURED, Channel, channels_of
from model.data.codec_state import CodecState, fit_state
from model.data.imputation import impute, impute_codes
from model.data.scaling import from_scores, to_scores
from model.data.stays import MISSING_CATEGORY, Stays
from model.spec.config import Missing, Scaling
from model.spec.schema import Schema

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int64]


class Encoded(NamedTuple):
    """Stays as the network sees them. After its end a stay is the same as any other, but for what is static.

    numerical    (n, L, M_n) float32, filled, then z-scores or normal scores
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
        self.categorical_channels = channels_of(state)
        self._means = np.array([s.mean for s in state.numerical])
        self._center = np.array([s.center for s in state.numerical], dtype=np.float32)
        self._scale = np.array([s.scale for s in state.numerical], dtype=np.float32)
        self._low = np.array([s.low for s in state.numerical], dtype=np.float32)
        self._high = np.array([s.high for s in state.numerical], dtype=np.float32)
        self._knots = [(j, s.knots) for j, s in enumerate(state.numerical) if s.knots]
        self._withheld = np.array([s.withheld for s in state.numerical], dtype=np.bool_)
        self._static_codes = np.array([feature.static for feature in self.schema.categorical], dtype=np.bool_)
        self._static = np.array([feature.static for feature in self.schema.numerical], dtype=np.bool_)
        features = zip(self.schema.categorical, state.categorical, strict=True)
        self._modes = np.array([feature.categories.index(s.mode) for feature, s in features], dtype=np.int64)

    @classmethod
    def fit(cls, stays: Stays, schema: Schema, *, scaling: Scaling = "zscore") -> Codec:
        """Learn means, scales, ranges and missingness from training stays, at least one, up to the end of each."""
        return cls(fit_state(stays, schema, scaling=scaling))

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
        stays = self._static_throughout(self._without_withheld(stays))
        filled = self._complete(stays)
        n, length = len(stays), stays.sequence_length
        inside = stays.inside[:, :, None]
        labels = np.broadcast_to(stays.labels[:, None, :], (n, length, stays.labels.shape[1]))
        parts = [self._with_missing(stays, filled), stays.observed.astype(np.int64), labels]
        if self.schema.variable_length:
            parts.append(inside.astype(np.int64))
        scaled = np.where(inside | self._static, self._scaled(filled.numerical), np.float32(0))
        return Encoded(scaled, np.concatenate(parts, axis=2), stays.labels.copy(), stays.observed)

    def _without_withheld(self, stays: Stays) -> Stays:
        if not self._withheld.any():
            return stays
        return replace(stays, numerical=np.where(self._withheld, np.float32(np.nan), stays.numerical))

    def _static_throughout(self, stays: Stays) -> Stays:
        """The stays with their static values also after the end: the network need not forget them there."""
        if stays.lengths is None or not any(feature.static for feature in self.schema.features):
            return stays
        numerical = np.where(self._static, stays.numerical[:, :1], stays.numerical)
        return replace(
            stays,
            numerical=numerical,
            categorical=np.where(self._static_codes, stays.categorical[:, :1], stays.categorical),
        )

    def _with_missing(self, stays: Stays, filled: Stays) -> Codes:
        codes = np.where(stays.inside[:, :, None] | self._static_codes, filled.categorical, self._modes)
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


def _ends(in_stay: Codes) -> Codes:
    """(n,) the length of each stay that agrees best with its channel (n, L); the shortest of several."""
    votes = np.where(in_stay == IN_STAY, 1, -1)
    return np.asarray(votes.cumsum(axis=1).argmax(axis=1) + 1, dtype=np.int64)
