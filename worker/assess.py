"""A cohort that has been drawn is assessed: read back from its file, reported on, and judged by the privacy gate."""

from __future__ import annotations

import time
from pathlib import Path

from model.data.split import Split
from model.spec.privacy import PrivacyThresholds, PrivacyVerdict
from model.spec.report import PRIVACY_METRICS, EvaluationOptions, Report, Subject
from model.training import CancelCheck, Progress
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import COHORT, FileEntry, ReportRecord
from service.contracts.requests import GenerateRequest
from service.contracts.storage import manifest
from worker.cohort import read_cohort
from worker.models import ModelFacts, read_facts
from worker.progress import JobLink
from worker.provenance import cohort_provenance
from worker.publishing import publish
from worker.real import split_of
from worker.report import report_on_table, write_report
from worker.workshop import Workshop

EVALUATED_STAYS = 10_000
"""The report looks at the first so many stays, so that memory does not grow with the cohort. Their order is random."""

NO_DATASET = "the stays that the model was trained on are not here, so that nobody can tell how close the cohort is"


def assess_cohort(
    folder: Path,
    facts: ModelFacts,
    request: GenerateRequest,
    drawn: JobResult,
    *,
    destination: Path,
    real: Split | None,
    thresholds: PrivacyThresholds,
    progress: Progress,
    cancelled: CancelCheck,
) -> JobResult:
    """`drawn`, the result so far of the cohort in `folder`, with what the privacy gate says, and figures.

    `real` are the stays that the model was trained on and its holdout; None where they are gone: the report then uses
    what the model remembers of them, and the gate cannot judge. The report goes into `destination`, if the request
    asks for one; the privacy tests run in any case, lest somebody avoid the gate by not asking. Raises Cancelled.
    """
    if not (request.evaluate or real):
        return not_evaluated(drawn)
    start = time.perf_counter()
    report = report_on_table(
        facts.codec,
        read_cohort(folder / COHORT, facts.codec.schema, n_stays=EVALUATED_STAYS),
        real=real,
        reference=facts.reference,
        subject=_subject(facts, request, drawn),
        options=_options(request, thresholds),
        progress=progress,
        cancelled=cancelled,
    )
    if request.evaluate:
        write_report(report, destination)
    timings = {**drawn.timings, "evaluation": round(time.perf_counter() - start, 3)}
    result = judged(drawn, report).model_copy(update={"timings": timings})
    return as_its_model(result, facts.verdict) if real else result


def judged(result: JobResult, report: Report) -> JobResult:
    """The result with the report's main figures and what its privacy gate decided.

    A cohort whose tests broke, although the real stays are here, is held: nobody knows how close it is.
    """
    verdict = report.privacy
    reason = verdict.reason
    status = "held" if _broke(report) and verdict.status == "not_evaluated" else verdict.status
    if report.n_evaluated < report.n_stays and verdict.status != "not_evaluated":
        reason += f" Tested on {report.n_evaluated:,} of the {report.n_stays:,} stays."
    decided = {"privacy": status, "privacy_reason": reason, "privacy_failed": verdict.failed}
    return result.model_copy(update={**decided, "figures": {**report.headline()}})


def as_its_model(result: JobResult, model: PrivacyVerdict | None) -> JobResult:
    """The result of a cohort, with what the gate says of its model, which was judged by a large cohort.

    A small part of what a leaking model draws may look innocent, so a held model's cohorts are held. One too small to
    be tested passes where the model has passed.
    """
    if model is None:
        return result
    if model.status == "held" and result.privacy != "held":
        reason = f"The model was held by its own report. {model.reason}"
        return result.model_copy(update={"privacy": "held", "privacy_reason": reason, "privacy_failed": model.failed})
    if model.status == "passed" and result.privacy == "not_evaluated":
        reason = f"Judged by its model, whose own report passed. {result.privacy_reason}"
        return result.model_copy(update={"privacy": "passed", "privacy_reason": reason})
    return result


def _broke(report: Report) -> bool:
    return any(score.status == "failed" and score.name in PRIVACY_METRICS for score in report.scores)


def not_evaluated(result: JobResult) -> JobResult:
    """The result of a cohort that could not be judged."""
    return result.model_copy(update={"privacy": "not_evaluated", "privacy_reason": NO_DATASET})


def run_assessment(record: JobRecord, request: GenerateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
    """Assess the cohort that a job has drawn, and publish its report under the job's id."""
    assert record.drawn is not None
    facts = read_facts(shop.store.model_dir(request.model_id))
    real = split_of(facts.record, shop.store)
    with shop.store.staging(f"{record.id}-evaluation-{record.evaluation_attempts}") as folder:
        result = assess_cohort(
            shop.store.cohort_dir(record.id),
            facts,
            request,
            record.drawn,
            destination=folder,
            real=real,
            thresholds=shop.settings.privacy_thresholds,
            progress=link.progress,
            cancelled=link.cancelled,
        )
        if request.evaluate:
            dataset_id = facts.record.dataset_id if real else None
            publish(folder, _record(record, dataset_id, manifest(folder)), kind="reports", store=shop.store)
    return result


def _options(request: GenerateRequest, thresholds: PrivacyThresholds) -> EvaluationOptions:
    metrics = None if request.evaluate else tuple(sorted(PRIVACY_METRICS))
    return EvaluationOptions(seed=request.seed, detail=request.detail, metrics=metrics, thresholds=thresholds)


def _subject(facts: ModelFacts, request: GenerateRequest, drawn: JobResult) -> Subject:
    return Subject(
        kind="cohort",
        title=f"Synthetic stays from {facts.record.name}",
        n_stays=drawn.n_stays,
        asked=drawn.label_counts if request.mode == "conditional" else None,  # the drawing has seen to it
        obtained=drawn.label_counts,
        imputed=request.missing == "imputed",
        provenance=cohort_provenance(request, model=facts.record),
        notes=drawn.warnings,
        guarantee=facts.record.privacy,
    )


def _record(record: JobRecord, dataset_id: str | None, files: dict[str, FileEntry]) -> ReportRecord:
    return ReportRecord(
        id=record.id, created_at=now(), files=files, caller=record.caller, dataset_id=dataset_id, cohort_id=record.id
    )
