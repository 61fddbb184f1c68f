"""The two sides of a report brought together: synthetic stays, and what is at hand of the real ones."""

from __future__ import annotations

from dataclasses import dataclass

from model.data.codec import Codec
from model.data.stays import MISSING_CATEGORY, Stays
from model.evaluation.aggregates import Aggregates, aggregate, aggregate_real
from model.evaluation.distributions import feature_reports, with_synthetic
from model.evaluation.reference import ReferenceStatistics
from model.evaluation.space import Table, to_table
from model.spec.report import EvaluationOptions, FeatureReport


@dataclass(frozen=True)
class Comparison:
    """Everything that is compared; None where it is not at hand. `training` and `holdout` are aggregates."""

    synthetic_table: Table
    train_table: Table | None
    holdout_table: Table | None
    synthetic: Aggregates
    training: Aggregates | None
    holdout: Aggregates | None
    features: tuple[FeatureReport, ...]
    reference: ReferenceStatistics | None
    options: EvaluationOptions
    imputed: bool


def compared(
    codec: Codec,
    train: Stays | None,
    holdout: Stays | None,
    synthetic: Stays,
    *,
    reference: ReferenceStatistics | None,
    options: EvaluationOptions,
    imputed: bool | None = None,
) -> Comparison:
    """Encode every table alike; where synthetic missing values were filled in, the real ones are filled too.

    `imputed` says whether they were; None: not known, and inferred from the stays.
    """
    imputed = _looks_imputed(synthetic, reference) if imputed is None else imputed and _may_have_gaps(reference)
    ignored = _about_missingness(codec, all_of_them=train is None) if imputed else frozenset()
    real = (train, holdout)
    tables = [None if side is None else to_table(side, codec, without=ignored, fill=imputed) for side in real]
    table = to_table(synthetic, codec, without=ignored)
    known = None if reference is None else reference.features
    if imputed and train is not None:
        known = feature_reports(codec.fill(train), None if holdout is None else codec.fill(holdout), codec)
    at_hand = [None if side is None else aggregate_real(side) for side in tables]
    return Comparison(
        synthetic_table=table,
        train_table=tables[0],
        holdout_table=tables[1],
        synthetic=aggregate(table),
        training=at_hand[0] or (reference.aggregates() if reference else None),
        holdout=at_hand[1],
        features=with_synthetic(synthetic, known, codec),
        reference=reference,
        options=options,
        imputed=imputed,
    )


def _looks_imputed(synthetic: Stays, reference: ReferenceStatistics | None) -> bool:
    """Whether a table of unknown origin was filled: nothing is missing in it, and much is in the training stays."""
    if reference is None or not len(synthetic):
        return False
    complete = bool(synthetic.observed.all()) and not (synthetic.categorical == MISSING_CATEGORY).any()
    return complete and any(f.training is not None and f.training.missing_rate > 0.01 for f in reference.features)


def _may_have_gaps(reference: ReferenceStatistics | None) -> bool:
    """Whether anything can be missing in the training stays: filling does nothing to complete ones."""
    return reference is None or any(f.training and f.training.missing_rate > 0 for f in reference.features)


def _about_missingness(codec: Codec, *, all_of_them: bool) -> frozenset[str]:
    """Channels that say what was measured; `all_of_them`: also features with a category for missing."""
    return frozenset(
        channel.name
        for channel in codec.categorical_channels
        if channel.kind == "mark" or (all_of_them and channel.missing_code is not None)
    )
