"""The report on a table of synthetic stays: every figure beside the one that real stays score."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.comparison import Comparison, compared
from model.evaluation.matrices import to_matrix
from model.evaluation.measure import CancelCheck, Progress, never, no_progress
from model.evaluation.notes import notes_on
from model.evaluation.privacy import privacy_verdict
from model.evaluation.reference import ReferenceStatistics, label_shares
from model.evaluation.scores import all_scores
from model.evaluation.sections import Sections, fidelity_measures, privacy_measures, sections
from model.spec.figures import Correlations, LabelReport
from model.spec.report import EvaluationOptions, Report, Subject


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
    """Compare synthetic stays with real ones, both as `codec` encodes them, with z-scores.

    What real stays score in the synthetic ones' place is measured with each figure, as far as `reference` does not
    carry it. Where `train` and `holdout` are gone, the aggregates in `reference` still give marginal and temporal
    figures, and the report says which figures it lacks and why. A figure, table or plot that breaks is reported as
    failed, and the others go on. Raises Cancelled.
    """
    options, subject, codec = options or EvaluationOptions(), subject or Subject(), codec.plain
    sides = compared(codec, train, holdout, synthetic, reference=reference, options=options, imputed=subject.imputed)
    privacy = privacy_measures(codec, train, holdout, synthetic, sides)
    measures = [*privacy.measures, *fidelity_measures(sides)]
    found = all_scores(sides, codec, others=measures, progress=progress, cancelled=cancelled)
    shown = sections(sides, privacy.space, cancelled=cancelled)
    labels = _labels(codec, train, synthetic, subject, reference)
    n_training, n_holdout = _sizes(train, holdout, reference)
    n_stays = len(synthetic) if subject.n_stays is None else subject.n_stays
    notes = notes_on(labels, sides.imputed, len(synthetic), n_stays, n_holdout, train is not None)
    return Report(
        created_at=datetime.now(UTC),
        kind=subject.kind,
        title=subject.title,
        detail=options.detail,
        n_stays=n_stays,
        n_evaluated=len(synthetic),
        n_training=n_training,
        n_holdout=n_holdout,
        sequence_length=codec.schema.sequence_length,
        labels=labels,
        privacy=privacy_verdict(found.scores, thresholds=options.thresholds),
        guarantee=subject.guarantee,
        scores=found.scores,
        features=sides.features,
        length=sides.length,
        correlations=_correlations(codec, sides),
        co_missingness=shown.co_missingness,
        transitions=shown.transitions,
        rules=shown.rules,
        roc=found.roc,
        projection=shown.projection,
        distances=shown.distances,
        augmentation=found.augmentation,
        provenance=subject.provenance,
        notes=(*subject.notes, *notes, *shown.notes),
        seconds=_seconds(found.seconds, shown, reference),
    )


def _sizes(
    train: Stays | None, holdout: Stays | None, reference: ReferenceStatistics | None
) -> tuple[int | None, int | None]:
    if reference is not None:
        return reference.n_training, reference.n_holdout
    return None if train is None else len(train), None if holdout is None else len(holdout)


def _seconds(scores: float, shown: Sections, reference: ReferenceStatistics | None) -> dict[str, float]:
    told = {"total": round(scores + shown.seconds, 3)}
    return told | ({"real stays": reference.seconds} if reference else {})


def _labels(
    codec: Codec, train: Stays | None, synthetic: Stays, subject: Subject, reference: ReferenceStatistics | None
) -> tuple[LabelReport, ...]:
    known = reference.label_shares if reference else {}
    if reference is None and train is not None:
        known = label_shares(codec, train.labels)
    reports = []
    for k, label in enumerate(codec.schema.labels):
        counts = np.bincount(synthetic.labels[:, k], minlength=len(label.categories))
        found = dict(zip(label.categories, counts.tolist(), strict=True))
        reports.append(
            LabelReport(
                name=label.name,
                asked=(subject.asked or {}).get(label.name),
                obtained=(subject.obtained or {}).get(label.name, found),
                training_shares=known.get(label.name),
            )
        )
    return tuple(reports)


def _correlations(codec: Codec, sides: Comparison) -> Correlations:
    return Correlations(
        names=tuple(feature.name for feature in codec.schema.numerical),
        synthetic=to_matrix(sides.synthetic.correlation),
        training=None if sides.told is None else to_matrix(sides.told.correlation),
    )
