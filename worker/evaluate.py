"""An evaluate job: the report on any synthetic table, ours or another's, against a table of real stays."""

from __future__ import annotations

from pathlib import Path

from pydantic import JsonValue

from model.data.codec import Codec
from model.data.split import split
from model.data.stays import Stays
from model.spec.errors import DataError
from model.spec.report import MetricName, Report, Subject
from model.spec.schema import Schema
from model.training import CancelCheck, Progress
from service.contracts.errors import NotFound
from service.contracts.jobs import EvaluateRequest, JobRecord, JobResult, now
from service.contracts.records import COHORT, TABLE, FileEntry, ReportRecord
from service.contracts.storage import ArtifactStore, manifest
from worker.progress import JobLink
from worker.provenance import software_version
from worker.publishing import publish
from worker.real import read_stays
from worker.report import report_on_table, write_report
from worker.workshop import Workshop

HOLDOUT_FRACTION = 0.2


def evaluate_table(
    real: Path,
    synthetic: Path,
    schema: Schema,
    *,
    destination: Path,
    title: str,
    holdout_fraction: float = HOLDOUT_FRACTION,
    seed: int = 0,
    metrics: tuple[MetricName, ...] | None = None,
    provenance: dict[str, JsonValue] | None = None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Report:
    """Compare two tables of the same schema and write the report into the folder `destination`.

    The real stays are split: the held-out ones give the figure that real stays score. Raises DataError, TrainingError
    (fewer than two real stays), Cancelled.
    """
    progress("reading", 0, 2)
    stays = read_stays(real, schema).stays
    progress("reading", 1, 2)
    sides = split(stays, holdout_fraction=holdout_fraction, seed=seed)
    report = report_on_table(
        Codec.fit(sides.train, schema),
        _read_synthetic(synthetic, schema),
        real=sides,
        reference=None,
        subject=Subject(kind="table", title=title, provenance=provenance or {}),
        seed=seed,
        metrics=metrics,
        progress=progress,
        cancelled=cancelled,
    )
    write_report(report, destination)
    return report


def run_evaluate(record: JobRecord, request: EvaluateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
    """Compare the cohort and the dataset that a job names and publish the report under the job's id."""
    store = shop.store
    dataset, cohort = store.dataset(request.dataset_id), store.cohort(request.job_id)
    holdout_fraction, seed = _split_of(cohort.model_id, request, store)
    with store.staging(f"{record.id}-{record.attempts}") as folder:
        report = evaluate_table(
            store.dataset_dir(dataset.id) / TABLE,
            store.cohort_dir(cohort.id) / COHORT,
            dataset.table_schema,
            destination=folder,
            title=f"Synthetic stays of job {cohort.id}, compared with {dataset.name}",
            holdout_fraction=holdout_fraction,
            seed=seed,
            metrics=request.metrics,
            provenance={"dataset_id": dataset.id, "cohort_id": cohort.id, "software_version": software_version()},
            progress=link.progress,
            cancelled=link.cancelled,
        )
        publish(folder, _record(record, request, manifest(folder)), kind="reports", store=store)
    return JobResult(n_stays=report.n_stays, figures={**report.headline()})


def _read_synthetic(path: Path, schema: Schema) -> Stays:
    """The stays of a synthetic table, which may all have one label; its errors say that it is that one."""
    try:
        return read_stays(path, schema, one_class=True).stays
    except DataError as error:
        raise DataError(f"the synthetic table: {error}", column=error.column) from None


def _split_of(model_id: str, request: EvaluateRequest, store: ArtifactStore) -> tuple[float, int]:
    """Share and seed of the holdout: those of the model's training, where it was on the same dataset."""
    try:
        model = store.model(model_id)
    except NotFound:
        return HOLDOUT_FRACTION, request.seed
    if model.dataset_id != request.dataset_id:
        return HOLDOUT_FRACTION, request.seed
    return model.holdout_fraction, model.seed


def _record(record: JobRecord, request: EvaluateRequest, files: dict[str, FileEntry]) -> ReportRecord:
    return ReportRecord(
        id=record.id,
        created_at=now(),
        files=files,
        caller=record.caller,
        dataset_id=request.dataset_id,
        cohort_id=request.job_id,
    )
