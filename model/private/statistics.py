"""All that a model says of its training stays beside its weights, from one noisy release of histograms.

Each stay has a vector of blocks of norm 1 at most: per numerical feature a histogram over the bounds of the schema (the
share of its measured steps in each bin), the share of its steps in each category of each channel, and its combination
of labels. The sum over all units, with Gaussian noise in proportion to the root of the number of blocks, is released;
everything else follows from it and from the schema.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.data.channels import Channel, channels_of
from model.data.codec_state import CategoricalState, CodecState, NumericalState
from model.data.stays import MISSING_CATEGORY, Stays
from model.private import noise
from model.private.units import Units
from model.spec.guarantee import check_bounds
from model.spec.schema import CategoricalFeature, NumericalFeature, Schema

N_BINS = 32
DEVIATIONS = 3.0
"""A bin counts where it is so many standard deviations of the noise above 0."""

Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Statistics(NamedTuple):
    """Noisy sums over units: histograms (M_n, bins), one (C,) per channel but the labels', labels (C_1, ..., C_K).

    `noise` is the standard deviation that each number has of it.
    """

    histograms: Doubles
    channels: tuple[Doubles, ...]
    labels: Doubles
    noise: float


def release(stays: Stays, units: Units, schema: Schema, *, noise_multiplier: float) -> Doubles:
    """One noisy vector, to be read by `statistics`; SchemaError where a numerical feature has no bounds."""
    total = np.concatenate(sums(stays, units.weights(), schema))
    return total + _deviation(schema, noise_multiplier) * noise.normal(len(total))


def sums(stays: Stays, weights: Doubles, schema: Schema) -> list[Doubles]:
    """The blocks of all stays, each stay times its weight (n,)."""
    check_bounds(schema)
    histograms = [_histogram(stays.numerical[:, :, j], feature, weights) for j, feature in enumerate(schema.numerical)]
    cells = np.zeros([len(label.categories) for label in schema.labels])
    np.add.at(cells, tuple(stays.labels.T), weights)
    return [*histograms, *_channel_sums(stays, weights, schema), cells.ravel()]


def statistics(released: Doubles, schema: Schema, *, noise_multiplier: float) -> Statistics:
    """What `release` holds."""
    n_features = len(schema.numerical)
    sizes = [N_BINS] * n_features + [
        len(channel.categories) for channel in _channels(schema) if channel.kind != "label"
    ]
    *parts, labels = np.split(released, np.cumsum(sizes))
    return Statistics(
        histograms=np.array(parts[:n_features]).reshape(n_features, N_BINS),
        channels=tuple(parts[n_features:]),
        labels=labels.reshape([len(label.categories) for label in schema.labels]),
        noise=_deviation(schema, noise_multiplier),
    )


def codec_state(found: Statistics, schema: Schema) -> CodecState:
    """Scales from the histograms, ranges from the schema, the most frequent categories; any of them may be missing."""
    numerical = zip(schema.numerical, found.histograms, strict=True)
    categorical = zip(schema.categorical, found.channels, strict=False)
    return CodecState(
        data_schema=schema,
        numerical=tuple(_numerical_state(feature, counts, found.noise) for feature, counts in numerical),
        categorical=tuple(_categorical_state(feature, counts) for feature, counts in categorical),
    )


def joint_counts(found: Statistics) -> Counts:
    """(C_1, ..., C_K) stays of each combination of labels, none below 0, one at least in all."""
    counts = np.maximum(np.round(found.labels), 0).astype(np.int64)
    return counts if counts.any() else np.ones_like(counts)


def log_marginals(found: Statistics, schema: Schema) -> Doubles:
    """(M_ch, C) log frequency of each category of the codec's channels; one never seen counts one half."""
    joint, others, labels = joint_counts(found).astype(np.float64), iter(found.channels), iter(range(found.labels.ndim))
    channels = _channels(schema)
    table = np.zeros((len(channels), max(len(channel.categories) for channel in channels)))
    for j, channel in enumerate(channels):
        counts = _marginal(joint, next(labels)) if channel.kind == "label" else next(others)
        counts = np.maximum(counts, 0.5)
        table[j, : len(counts)] = np.log(counts / counts.sum())
    return table


def _marginal(joint: Doubles, axis: int) -> Doubles:
    counts: Doubles = joint.sum(axis=tuple(other for other in range(joint.ndim) if other != axis))
    return counts


def _channels(schema: Schema) -> tuple[Channel, ...]:
    """Those of a codec whose categorical features may all be missing."""
    categorical = [CategoricalState(name=f.name, mode=f.categories[0], has_missing=True) for f in schema.categorical]
    numerical = [NumericalState(name=f.name, mean=0, center=0, scale=1, low=0, high=1) for f in schema.numerical]
    return channels_of(CodecState(data_schema=schema, numerical=tuple(numerical), categorical=tuple(categorical)))


def _deviation(schema: Schema, noise_multiplier: float) -> float:
    """Of the noise: a unit adds a vector of blocks of norm 1, so at most the root of their number."""
    n_blocks = len(schema.numerical) + sum(channel.kind != "label" for channel in _channels(schema)) + 1
    return noise_multiplier * float(np.sqrt(n_blocks))


def _histogram(values: npt.NDArray[np.float32], feature: NumericalFeature, weights: Doubles) -> Doubles:
    """(bins,) from (n, L): the measured steps of a stay share its weight."""
    low, high = _bounds(feature)
    measured = ~np.isnan(values)
    share = weights / np.maximum(measured.sum(axis=1), 1)
    place = np.clip((values[measured].astype(np.float64) - low) / (high - low), 0, 1)
    bins = np.minimum((place * N_BINS).astype(np.int64), N_BINS - 1)
    of_each = np.broadcast_to(share[:, None], measured.shape)[measured]
    return np.bincount(bins, weights=of_each, minlength=N_BINS).astype(np.float64)


def _channel_sums(stays: Stays, weights: Doubles, schema: Schema) -> list[Doubles]:
    """(C,) per channel but the labels': the steps of a stay up to its end share its weight."""
    inside = stays.inside
    share = np.broadcast_to((weights / stays.n_steps)[:, None], inside.shape)[inside]
    codes = [_with_missing(stays.categorical[inside, j], f.categories) for j, f in enumerate(schema.categorical)]
    codes += [stays.observed[inside, j].astype(np.int64) for j in range(len(schema.numerical))]
    sizes = [len(channel.categories) for channel in _channels(schema) if channel.kind != "label"]
    found = [
        np.bincount(code, weights=share, minlength=size).astype(np.float64)
        for code, size in zip(codes, sizes, strict=False)
    ]
    if schema.variable_length:
        lasting = float((weights * stays.n_steps).sum() / stays.sequence_length)
        found.append(np.array([weights.sum() - lasting, lasting]))
    return found


def _with_missing(codes: Counts, categories: tuple[str, ...]) -> Counts:
    return np.where(codes == MISSING_CATEGORY, len(categories), codes)


def _numerical_state(feature: NumericalFeature, counts: Doubles, deviation: float) -> NumericalState:
    """Mean and spread of the bins that stand out of the noise; where none does, those of an even distribution."""
    low, high = _bounds(feature)
    shown = np.where(counts > DEVIATIONS * deviation, counts, 0)
    shares = (shown if shown.any() else np.ones(N_BINS)) / (shown.sum() or N_BINS)
    width = (high - low) / N_BINS
    middles = low + width * (np.arange(N_BINS) + 0.5)
    center = float(shares @ middles)
    scale = float(np.sqrt(shares @ (middles - center) ** 2 + width**2 / 12))
    return NumericalState(name=feature.name, mean=center, center=center, scale=scale, low=low, high=high)


def _categorical_state(feature: CategoricalFeature, counts: Doubles) -> CategoricalState:
    """The mode among the categories; the last count is that of missing ones."""
    return CategoricalState(name=feature.name, mode=feature.categories[int(counts[:-1].argmax())], has_missing=True)


def _bounds(feature: NumericalFeature) -> tuple[float, float]:
    assert feature.min is not None, "check_bounds saw to it"
    assert feature.max is not None, "check_bounds saw to it"
    return feature.min, feature.max
