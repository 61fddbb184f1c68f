"""What a model remembers of its real stays: aggregates, and the figures that the holdout scores in a cohort's place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.aggregates import Aggregates, safe_aggregates
from model.evaluation.disclosure import safe_shares
from model.evaluation.features import real_features
from model.evaluation.floors import Floor, floor_tasks, floors
from model.evaluation.matrices import from_matrix, to_array, to_matrix, to_row
from model.evaluation.measure import CancelCheck, Progress, Run, never, no_progress
from model.evaluation.portrait import Portrait, portrait
from model.evaluation.space import Codes, Floats
from model.evaluation.utility import training_stays
from model.evaluation.view import view
from model.spec.base import Spec
from model.spec.figures import FeatureReport, Matrix, Side
from model.spec.report import Classifier, EvaluationOptions, MetricName

UTILITY_SIZES = (1_000, 3_000)


class ChannelStatistics(Spec):
    """A categorical channel of the training stays; null where it rests on too few of them."""

    name: str
    frequencies: tuple[float | None, ...]
    transitions: Matrix


class ReferenceStatistics(Spec):
    """Aggregates of training and holdout stays. Nothing in it rests on fewer than 11 stays.

    Version 1 had no `portrait`, no `co_missing`, and less in `features`: the figures that need them are not available.
    """

    version: Literal[1, 2] = 2
    n_training: int
    n_holdout: int
    features: tuple[FeatureReport, ...]
    channels: tuple[ChannelStatistics, ...]
    correlation: Matrix
    acf: Matrix
    co_missing: Matrix = ()
    portrait: Portrait | None = None
    label_shares: dict[str, dict[str, float]]
    floors: tuple[Floor, ...]
    seconds: float

    def aggregates(self) -> Aggregates:
        """The training stays' aggregates as arrays, NaN where unknown."""
        return Aggregates(
            frequencies={channel.name: to_array(channel.frequencies) for channel in self.channels},
            transitions={channel.name: from_matrix(channel.transitions) for channel in self.channels},
            correlation=from_matrix(self.correlation),
            acf=from_matrix(self.acf),
            co_missing=from_matrix(self.co_missing),
        )

    def floor(
        self,
        name: MetricName,
        *,
        label: str | None = None,
        classifier: Classifier | None = None,
        n_stays: int | None = None,
    ) -> Floor | None:
        """The floor of a figure; of several TRTR, the one that learned from a number of stays nearest `n_stays`.

        Where no kind of network is named, a BiLSTM is meant.
        """
        kinds = (None, "bilstm") if classifier in (None, "bilstm") else (classifier,)
        known = [f for f in self.floors if f.name == name and f.label == label and f.value is not None]
        known = [f for f in known if f.classifier in kinds]
        if n_stays is None or name != "trtr":
            return known[0] if known else None
        wanted = math.log(max(n_stays, 1))
        return min(known, key=lambda f: abs(math.log(f.n_stays or 1) - wanted), default=None)


def reference_statistics(
    codec: Codec,
    train: Stays,
    holdout: Stays | None,
    *,
    options: EvaluationOptions | None = None,
    utility_sizes: Sequence[int] = UTILITY_SIZES,
    progress: Progress = no_progress,
    cancelled: CancelCheck = never,
) -> ReferenceStatistics:
    """Measure the real stays, once per model.

    TRTR is measured for training on each of `utility_sizes` stays, and on as many as `options` allow, so that a cohort
    is compared with a network that learned from about as many stays. Raises Cancelled.
    """
    options, codec = options or EvaluationOptions(), codec.plain
    seen, aside = view(train, codec), None if holdout is None else view(holdout, codec)
    told = safe_aggregates(seen.table)
    courses: dict[Side, Floats] = {"training": told.acf}
    if aside is not None:
        courses["holdout"] = safe_aggregates(aside.table).acf
    features = real_features(train, holdout, codec, acf=courses)
    sizes = _sizes(utility_sizes, training_stays(options, len(train)))
    shown, tasks = portrait(seen, aside, codec), []
    if aside is not None:
        tasks = floor_tasks(codec, seen, aside, features=features, portrait=shown, options=options, sizes=sizes)
    run = Run("measuring the real stays", [task.name for task in tasks], progress=progress, cancelled=cancelled)
    found = floors(run, tasks)
    run.tell()
    return ReferenceStatistics(
        n_training=len(train),
        n_holdout=0 if holdout is None else len(holdout),
        features=features,
        channels=tuple(
            ChannelStatistics(name=name, frequencies=to_row(shares), transitions=to_matrix(told.transitions[name]))
            for name, shares in told.frequencies.items()
        ),
        correlation=to_matrix(told.correlation),
        acf=to_matrix(told.acf),
        co_missing=to_matrix(told.co_missing),
        portrait=shown,
        label_shares=label_shares(codec, train.labels),
        floors=tuple(found),
        seconds=round(run.seconds, 3),
    )


def label_shares(codec: Codec, labels: Codes) -> dict[str, dict[str, float]]:
    """Label -> category -> share of the stays; of real stays, so no small numbers are told."""
    shares = {}
    for k, label in enumerate(codec.schema.labels):
        counts = np.bincount(labels[:, k], minlength=len(label.categories))
        told = safe_shares(counts.astype(np.float64), counts, total=len(labels))
        shares[label.name] = dict(zip(label.categories, told.tolist(), strict=True))
    return shares


def _sizes(utility_sizes: Sequence[int], largest: int) -> list[int]:
    return [*(size for size in sorted(utility_sizes) if size <= 0.8 * largest), largest]
