"""All that a report says of single features, of real and synthetic stays: distributions, distances, courses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from model.data.codec import Codec
from model.data.stays import MISSING_CATEGORY, Stays
from model.evaluation.conditional import real_conditionals, with_synthetic_parts
from model.evaluation.disclosure import MIN_STAYS
from model.evaluation.distributions import columns_of, feature_reports, missing_by_step, told_rates, with_synthetic
from model.evaluation.fidelity import binned_wasserstein, wasserstein
from model.evaluation.missingness import run_shares
from model.evaluation.space import Floats
from model.evaluation.trajectories import trajectories
from model.spec.figures import Curve, Distribution, FeatureReport, Side

Deviations = tuple[float | None, ...]
Gaps = Mapping[str, Mapping[str, Curve]]


def deviations(train: Stays) -> Deviations:
    """Standard deviation of the measured values of each numerical feature: the unit of distances between values.

    None where fewer than 11 stays have a value, or all have the same.
    """
    found: list[float | None] = []
    for j in range(train.numerical.shape[2]):
        values = train.numerical[:, :, j]
        enough = (~np.isnan(values)).any(axis=1).sum() >= MIN_STAYS
        deviation = float(np.nanstd(values, dtype=np.float64)) if enough else 0.0
        found.append(deviation if deviation > 1e-9 else None)
    return tuple(found)


def sorted_values(stays: Stays) -> list[Floats]:
    """The measured values of each numerical feature, in order."""
    columns = (stays.numerical[:, :, j] for j in range(stays.numerical.shape[2]))
    return [np.sort(values[~np.isnan(values)]).astype(np.float64) for values in columns]


def real_features(
    train: Stays, holdout: Stays | None, codec: Codec, *, acf: Mapping[Side, Floats]
) -> tuple[FeatureReport, ...]:
    """What may be told of each feature in the training stays, and how far the holdout is from them.

    `acf` are autocorrelations (M, K) that may be told, by table.
    """
    units, values = deviations(train), sorted_values(train)
    aside = None if holdout is None else sorted_values(holdout)
    found = []
    for feature, (_, column) in zip(feature_reports(train, holdout, codec), columns_of(codec), strict=True):
        parts = real_conditionals(feature, column, train, holdout, schema=codec.schema)
        update: dict[str, object] = {"by_label": parts}
        if feature.type == "numerical":
            update["trajectories"] = trajectories(train, column, side="training", schema=codec.schema)
            update["acf"] = _curves(acf, column)
            if aside is not None and feature.holdout_distance is not None:
                update["holdout_wasserstein"] = _in_units(wasserstein(aside[column], values[column]), units[column])
        found.append(feature.model_copy(update=update))
    return tuple(found)


def compared_features(
    synthetic: Stays,
    known: Sequence[FeatureReport] | None,
    codec: Codec,
    *,
    units: Deviations,
    training_values: Sequence[Floats] | None,
) -> tuple[FeatureReport, ...]:
    """The features as they are `known` of the real stays, the synthetic ones beside them, and their distances.

    Where the training values are gone, the earth mover's distances are those of the shares in the bins. Fewer than 11
    synthetic stays have none.
    """
    values, found = sorted_values(synthetic), []
    for feature, (_, column) in zip(with_synthetic(synthetic, known, codec), columns_of(codec), strict=True):
        update: dict[str, object] = {"by_label": with_synthetic_parts(feature, column, synthetic, schema=codec.schema)}
        if feature.type == "numerical":
            unit = units[column] if column < len(units) else None
            if training_values is None:
                update["wasserstein"] = _in_units(_binned(feature, feature.synthetic), unit)
                update["holdout_wasserstein"] = _in_units(_binned(feature, feature.holdout), unit)
            elif len(synthetic) >= MIN_STAYS:
                update["wasserstein"] = _in_units(wasserstein(values[column], training_values[column]), unit)
        found.append(feature.model_copy(update=update))
    return tuple(found)


def exact_gaps(stays: Stays, features: Sequence[FeatureReport]) -> Gaps:
    """By feature, `missing_by_step` and `missing_runs` as a Distribution has them, but exact: not to be shown."""
    found, columns, inside = {}, {"numerical": 0, "categorical": 0}, stays.inside
    for feature in features:
        column = columns[feature.type]
        columns[feature.type] += 1
        if feature.type == "numerical":
            missing = np.isnan(stays.numerical[:, :, column])
        else:
            missing = stays.categorical[:, :, column] == MISSING_CATEGORY
        rates, runs = missing_by_step(~missing, inside, real=False), run_shares(missing & inside, real=False)
        found[feature.name] = {"missing_by_step": told_rates(rates), "missing_runs": tuple(runs.tolist())}
    return found


def with_gaps(features: Sequence[FeatureReport], gaps: Mapping[Side, Gaps]) -> tuple[FeatureReport, ...]:
    """The features with the exact gaps of some tables, for figures: not to be shown."""
    found = []
    for feature in features:
        known = {side: getattr(feature, side) for side, exact in gaps.items() if feature.name in exact}
        update: dict[str, object] = {
            side: one.model_copy(update=gaps[side][feature.name]) for side, one in known.items() if one
        }
        found.append(feature.model_copy(update=update))
    return tuple(found)


def with_courses(
    features: Sequence[FeatureReport], synthetic: Stays, codec: Codec, *, acf: Floats
) -> tuple[FeatureReport, ...]:
    """The features with the courses of the synthetic stays beside the real ones': quartiles over time, and `acf`.

    Of fewer than 11 synthetic stays there is neither.
    """
    if len(synthetic) < MIN_STAYS:
        return tuple(features)
    found = []
    for feature, (_, column) in zip(features, columns_of(codec), strict=True):
        if feature.type == "categorical":
            found.append(feature)
            continue
        course = trajectories(synthetic, column, side="synthetic", schema=codec.schema)
        update = {
            "acf": {**_curves({"synthetic": acf}, column), **feature.acf},
            "trajectories": (*course, *feature.trajectories),
        }
        found.append(feature.model_copy(update=update))
    return tuple(found)


def _curves(acf: Mapping[Side, Floats], column: int) -> dict[Side, Curve]:
    told = {side: values[column] for side, values in acf.items() if not np.isnan(values[column]).any()}
    return {side: tuple(float(f"{value:.5g}") for value in values) for side, values in told.items()}


def _in_units(distance: float, unit: float | None) -> float | None:
    return None if unit is None or np.isnan(distance) else distance / unit


def _binned(feature: FeatureReport, subject: Distribution | None) -> float:
    training = feature.training
    if subject is None or training is None or not subject.n_values or not training.n_values:
        return float("nan")
    return binned_wasserstein(np.array(subject.shares), np.array(training.shares), np.array(feature.edges))
