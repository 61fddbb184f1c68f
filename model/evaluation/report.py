"""The report on a table of synthetic stays: every figure beside the one that real stays score."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import Comparison, compared
from model.evaluation.measure import CancelCheck, Progress, never, no_progress
from model.evaluation.notes import notes_on
from model.evaluation.reference import ReferenceStatistics, reference_statistics, to_matrix
from model.evaluation.scores import all_scores
from model.spec.report import Correlations, EvaluationOptions, LabelReport, Report, Subject


def evaluate(
    *,
    codec: Codec,
    train: Stays | None,
    holdout: Stays | None,
    synthetic: Stays,
    reference: ReferenceStatistics | None = None,
    options: EvaluationOptions | None = None,
    subject: Subject | None = None,
    progress: Progress = no_progress,
    cancelled: CancelCheck = never,
) -> Report:
    """Compare synthetic stays with real ones, both as `codec` encodes them.

    `reference` carries what real stays score; without it, it is measured first (which needs `train`). Where `train`
    and `holdout` are gone, the aggregates in `reference` still give marginal and temporal figures, and the report
    says which figures it lacks and why. A figure that breaks is reported as failed. Raises Cancelled.
    """
    options, subject = options or EvaluationOptions(), subject or Subject()
    if reference is None and train is not None:
        size = min(max(len(synthetic), 1), len(train))
        reference = reference_statistics(
            codec, train, holdout, options=options, utility_sizes=(size,), progress=progress, cancelled=cancelled
        )
    sides = compared(codec, train, holdout, synthetic, reference=reference, options=options, imputed=subject.imputed)
    scores, seconds = all_scores(sides, codec, progress=progress, cancelled=cancelled)
    labels = _labels(codec, synthetic, subject, reference)
    n_stays = len(synthetic) if subject.n_stays is None else subject.n_stays
    n_training, n_holdout = (reference.n_training, reference.n_holdout) if reference else (None, None)
    return Report(
        created_at=datetime.now(UTC),
        kind=subject.kind,
        title=subject.title,
        n_stays=n_stays,
        n_evaluated=len(synthetic),
        n_training=n_training,
        n_holdout=n_holdout,
        sequence_length=codec.schema.sequence_length,
        labels=labels,
        scores=scores,
        features=sides.features,
        correlations=_correlations(codec, sides),
        provenance=subject.provenance,
        notes=(*subject.notes, *notes_on(labels, sides.imputed, len(synthetic), n_stays, n_holdout, train is not None)),
        seconds={"total": round(seconds, 3), **({"real stays": reference.seconds} if reference else {})},
    )


def _labels(
    codec: Codec, synthetic: Stays, subject: Subject, reference: ReferenceStatistics | None
) -> tuple[LabelReport, ...]:
    reports = []
    for k, label in enumerate(codec.schema.labels):
        counts = np.bincount(synthetic.labels[:, k], minlength=len(label.categories))
        found = dict(zip(label.categories, counts.tolist(), strict=True))
        reports.append(
            LabelReport(
                name=label.name,
                asked=(subject.asked or {}).get(label.name),
                obtained=(subject.obtained or {}).get(label.name, found),
                training_shares=reference.label_shares.get(label.name) if reference else None,
            )
        )
    return tuple(reports)


def _correlations(codec: Codec, sides: Comparison) -> Correlations:
    return Correlations(
        names=tuple(feature.name for feature in codec.schema.numerical),
        synthetic=to_matrix(sides.synthetic.correlation),
        training=None if sides.training is None else to_matrix(sides.training.correlation),
    )
