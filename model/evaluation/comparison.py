"""The two sides of a report brought together: synthetic stays, and what is at hand of the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from model.data.codec import Codec
from model.data.stays import MISSING_CATEGORY, Stays
from model.evaluation.aggregates import Aggregates, aggregate, aggregate_real, told_of
from model.evaluation.features import Deviations, compared_features, real_features, sorted_values, with_courses
from model.evaluation.lengths import compared_lengths
from model.evaluation.portrait import Portrait, portrait
from model.evaluation.space import Floats, Table
from model.evaluation.view import View, view
from model.spec.figures import FeatureReport, Side
from model.spec.report import EvaluationOptions

if TYPE_CHECKING:  # which measures real stays by comparing them, here
    from model.evaluation.reference import ReferenceStatistics


@dataclass(frozen=True)
class Comparison:
    """Everything that is compared; None where it is not at hand.

    `synthetic_view`, `train_view` and `holdout_view` hold the stays, filled alike. `training` and `holdout` are
    aggregates for figures; `told` are the training stays' aggregates that may be shown, `portrait`, `features` and
    `length` (of stays that may end early) what else may be. `training_values` are the measured values of the numerical
    features, in order.
    """

    codec: Codec
    synthetic_view: View
    train_view: View | None
    holdout_view: View | None
    synthetic: Aggregates
    training: Aggregates | None
    holdout: Aggregates | None
    told: Aggregates | None
    features: tuple[FeatureReport, ...]
    known: tuple[FeatureReport, ...] | None
    length: FeatureReport | None
    training_values: list[Floats] | None
    portrait: Portrait | None
    reference: ReferenceStatistics | None
    options: EvaluationOptions
    imputed: bool

    @property
    def synthetic_table(self) -> Table:
        """The synthetic stays in the common space."""
        return self.synthetic_view.table

    @property
    def train_table(self) -> Table | None:
        """The training stays in the common space."""
        return self.train_view.table if self.train_view else None

    @property
    def holdout_table(self) -> Table | None:
        """The real stays put aside in the common space."""
        return self.holdout_view.table if self.holdout_view else None

    @property
    def units(self) -> Deviations:
        """Standard deviations of the training stays' measured values; empty where they are not known."""
        return self.portrait.deviations if self.portrait else ()


@dataclass(frozen=True)
class _Real:
    """What is known of the real stays, measured now or kept in the reference."""

    training: Aggregates | None = None
    holdout: Aggregates | None = None
    told: Aggregates | None = None
    features: tuple[FeatureReport, ...] | None = None
    portrait: Portrait | None = None


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
    gaps = _gaps(train, reference)
    if imputed is None:
        imputed = _looks_imputed(synthetic, gaps)
    imputed = imputed and (not gaps or any(rate > 0 for rate in gaps))  # filling does nothing to complete stays
    ignored = _about_missingness(codec, all_of_them=train is None) if imputed else frozenset()
    seen, aside = (
        None if side is None else view(side, codec, without=ignored, fill=imputed) for side in (train, holdout)
    )
    subject = view(synthetic, codec, without=ignored)
    real = _remembered(reference) if seen is None else _measured(codec, seen, aside, None if imputed else reference)
    found, values = aggregate(subject.table), None if seen is None else sorted_values(seen.stays)
    units = real.portrait.deviations if real.portrait else ()
    features = compared_features(subject.stays, real.features, codec, units=units, training_values=values)
    return Comparison(
        codec=codec,
        synthetic_view=subject,
        train_view=seen,
        holdout_view=aside,
        synthetic=found,
        training=real.training,
        holdout=real.holdout,
        told=real.told,
        features=with_courses(features, subject.stays, codec, acf=found.acf),
        known=real.features,
        length=compared_lengths(subject.stays, real.portrait.length if real.portrait else None, codec.schema),
        training_values=values,
        portrait=real.portrait,
        reference=reference,
        options=options,
        imputed=imputed,
    )


def _remembered(reference: ReferenceStatistics | None) -> _Real:
    if reference is None:
        return _Real()
    kept = reference.aggregates()
    return _Real(training=kept, told=kept, features=reference.features, portrait=reference.portrait)


def _measured(codec: Codec, train: View, holdout: View | None, reference: ReferenceStatistics | None) -> _Real:
    """The real stays at hand, with what `reference` knows of the same stays; None: it knows others."""
    exact, aside = aggregate_real(train.table), None if holdout is None else aggregate_real(holdout.table)
    if reference is not None and reference.portrait is not None:
        known = _remembered(reference)
        return _Real(exact, aside, known.told, known.features, known.portrait)
    told = told_of(exact, train.table)
    acf: dict[Side, Floats] = {"training": told.acf}
    if holdout is not None and aside is not None:
        acf["holdout"] = told_of(aside, holdout.table).acf
    features = real_features(train.stays, None if holdout is None else holdout.stays, codec, acf=acf)
    return _Real(exact, aside, told, features, portrait(train, holdout, codec))


def _looks_imputed(synthetic: Stays, gaps: Sequence[float]) -> bool:
    """Whether a table of unknown origin was filled: nothing is missing in it, and much is in the training stays."""
    inside = synthetic.inside
    complete = bool(synthetic.observed[inside].all()) and not (synthetic.categorical[inside] == MISSING_CATEGORY).any()
    return bool(len(synthetic)) and complete and any(rate > 0.01 for rate in gaps)


def _gaps(train: Stays | None, reference: ReferenceStatistics | None) -> list[float]:
    """Missing rates of the features in the training stays; empty where nothing is known of these."""
    if reference is not None:
        return [f.training.missing_rate for f in reference.features if f.training]
    if train is None:
        return []
    missing = np.concatenate([~train.observed, train.categorical == MISSING_CATEGORY], axis=2)[train.inside]
    return missing.mean(axis=0).tolist() if len(train) else []


def _about_missingness(codec: Codec, *, all_of_them: bool) -> frozenset[str]:
    """Channels that say what was measured; `all_of_them`: also features with a category for missing."""
    return frozenset(
        channel.name
        for channel in codec.categorical_channels
        if channel.kind == "mark" or (all_of_them and channel.missing_code is not None)
    )
