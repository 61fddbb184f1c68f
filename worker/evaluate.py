"""An evaluate job: the report on any synthetic table, ours or another's, against a table of real stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from model.data.codec import Codec
from model.data.small_cells import SHARED_BY
from model.data.split import Split, split
from model.data.stays import Stays
from model.spec.errors import DataError, TrainingError
from model.spec.files import Source
from model.spec.report import EvaluationOptions, Report, Subject
from model.spec.schema import Schema
from model.training import CancelCheck, Progress
from service.contracts.errors import NotFound
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import COHORT, SYNTHETIC, CohortRecord, DatasetRecord, FileEntry, ReportRecord
from service.contracts.requests import EvaluateRequest
from service.contracts.storage import ArtifactStore, manifest
from worker.assess import EVALUATED_STAYS, judged
from worker.cohort import read_cohort, synthetic_schema
from worker.progress import JobLink
from worker.provenance import software_version
from worker.publishing import publish
from worker.real import read_stays, table_of
from worker.report import report_on_table, write_report
from worker.workshop import Workshop

HOLDOUT_FRACTION = 0.2
MAX_SHARED = 0.05
"""Of a holdout's stays: so many may equal a training stay. Nearly empty stays do so by chance."""


def evaluate_table(
    real: Source,
    synthetic: Source,
    schema: Schema,
    *,
    destination: Path,
    title: str,
    holdout: Source | None = None,
    holdout_fraction: float = HOLDOUT_FRACTION,
    options: EvaluationOptions | None = None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Report:
    """Compare two tables of the same schema and write the report into the folder `destination`.

    `holdout` holds real stays that the maker of the synthetic ones never saw; without it, a part of the `real` ones is
    put aside. They give the figure that real stays score. Raises DataError, TrainingError (fewer than two real
    stays), Cancelled.
    """
    options = options or EvaluationOptions()
    progress("reading", 0, 1)
    return _report(
        read_sides(real, schema, holdout=holdout, holdout_fraction=holdout_fraction, seed=options.seed),
        read_synthetic(synthetic, schema),
        schema,
        destination=destination,
        subject=Subject(kind="table", title=title),
        options=options,
        progress=progress,
        cancelled=cancelled,
    )


def run_evaluate(record: JobRecord, request: EvaluateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
    """Compare the stays and the dataset that a job names and publish the report under the job's id."""
    store = shop.store
    dataset = store.dataset(request.dataset_id)
    schema = dataset.table_schema
    options = EvaluationOptions(
        seed=request.seed,
        detail=request.detail,
        metrics=request.metrics,
        thresholds=shop.settings.privacy_thresholds,
    )
    link.progress("reading", 0, 1)
    sides = _sides(request, dataset, store)
    synthetic, subject = _synthetic(record, request, dataset, store)
    with store.staging(f"{record.id}-{record.attempts}") as folder:
        report = _report(
            sides,
            synthetic,
            schema,
            destination=folder,
            subject=subject,
            options=options,
            progress=link.progress,
            cancelled=link.cancelled,
        )
        publish(folder, _record(record, request, manifest(folder)), kind="reports", store=store)
    return judged(JobResult(n_stays=report.n_stays), report)


def read_sides(real: Source, schema: Schema, *, holdout: Source | None, holdout_fraction: float, seed: int) -> Split:
    """The real stays, and those that nobody learned from: the ones in `holdout`, or a part of the others."""
    stays = read_stays(real, schema).stays
    if holdout is None:
        return split(stays, holdout_fraction=holdout_fraction, seed=seed)
    if len(stays) < 2:
        raise TrainingError("the table of real stays holds one stay; at least 2 are needed")
    with _told_as("the holdout table"):
        aside = read_stays(holdout, synthetic_schema(schema), one_class=True).stays
        _check_apart(stays, aside)
    return Split(train=stays, holdout=aside)


def read_synthetic(source: Source, schema: Schema) -> Stays:
    """The stays of a synthetic table, which may all have one label; its errors say that it is that one."""
    with _told_as("the synthetic table"):
        return read_stays(source, synthetic_schema(schema), one_class=True).stays


def _check_apart(train: Stays, holdout: Stays) -> None:
    """DataError where many stays of the holdout are training stays: it would excuse every copy of them."""
    known = set(_contents(train))
    shared = sum(content in known for content in _contents(holdout))
    if shared >= max(SHARED_BY, MAX_SHARED * len(holdout)):
        told = f"{shared} of its {len(holdout)} stays are also in the table of real stays"
        raise DataError(f"{told}; it must hold others")


def _contents(stays: Stays) -> Iterator[bytes]:
    """All values of each stay, as one key."""
    filled = np.where(np.isnan(stays.numerical), np.float32(np.inf), stays.numerical)
    values = filled + np.float32(0)  # zero and not-a-number have several bit patterns each
    for numerical, categorical in zip(values, stays.categorical, strict=True):
        yield numerical.tobytes() + categorical.tobytes()


@contextmanager
def _told_as(what: str) -> Iterator[None]:
    """Errors say which of the tables is meant."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{what}: {error}", column=error.column) from None


def _report(
    sides: Split,
    synthetic: Stays,
    schema: Schema,
    *,
    destination: Path,
    subject: Subject,
    options: EvaluationOptions,
    progress: Progress,
    cancelled: CancelCheck,
) -> Report:
    report = report_on_table(
        Codec.fit(sides.train, schema),
        synthetic,
        real=sides,
        reference=None,
        subject=subject,
        options=options,
        progress=progress,
        cancelled=cancelled,
    )
    write_report(report, destination)
    return report


def _sides(request: EvaluateRequest, dataset: DatasetRecord, store: ArtifactStore) -> Split:
    holdout = None
    if request.holdout_dataset_id is not None:
        holdout = table_of(store.dataset(request.holdout_dataset_id), store)
    fraction, seed = _split_of(request, store)
    return read_sides(
        table_of(dataset, store), dataset.table_schema, holdout=holdout, holdout_fraction=fraction, seed=seed
    )


def _split_of(request: EvaluateRequest, store: ArtifactStore) -> tuple[float, int]:
    """Share and seed of the holdout: those of the model's training, where it was on the same dataset."""
    if request.job_id is None:
        return HOLDOUT_FRACTION, request.seed
    try:
        model = store.model(store.cohort(request.job_id).model_id)
    except NotFound:
        return HOLDOUT_FRACTION, request.seed
    if model.dataset_id != request.dataset_id:
        return HOLDOUT_FRACTION, request.seed
    return model.holdout_fraction, model.seed


def _synthetic(
    record: JobRecord, request: EvaluateRequest, dataset: DatasetRecord, store: ArtifactStore
) -> tuple[Stays, Subject]:
    """The synthetic stays (of a cohort of ours the first EVALUATED_STAYS), and what is known of them."""
    provenance: dict[str, JsonValue] = {
        "dataset_id": dataset.id,
        "dataset_sha256": dataset.sha256,
        "seed": request.seed,
        "software_version": software_version(),
    }
    if request.holdout_dataset_id is not None:
        provenance["holdout_dataset_id"] = request.holdout_dataset_id
    if request.job_id is not None:
        cohort = store.cohort(request.job_id)
        path = store.cohort_dir(cohort.id) / COHORT
        with _told_as("the synthetic table"):
            stays = read_cohort(path, dataset.table_schema, n_stays=EVALUATED_STAYS)
        return stays, _subject_of_cohort(cohort, dataset, provenance)
    assert request.table is not None
    provenance |= {"table": request.table.filename, "table_sha256": request.table.sha256}
    title = f"Synthetic stays of {request.table.filename or 'an uploaded table'}, compared with {dataset.name}"
    uploaded = store.files.source(store.directory("jobs", record.id) / SYNTHETIC)
    return read_synthetic(uploaded, dataset.table_schema), Subject(kind="table", title=title, provenance=provenance)


def _subject_of_cohort(cohort: CohortRecord, dataset: DatasetRecord, provenance: dict[str, JsonValue]) -> Subject:
    return Subject(
        kind="table",
        title=f"Synthetic stays of job {cohort.id}, compared with {dataset.name}",
        n_stays=cohort.n_stays,
        obtained=cohort.label_counts or None,
        provenance={**provenance, "cohort_id": cohort.id},
    )


def _record(record: JobRecord, request: EvaluateRequest, files: dict[str, FileEntry]) -> ReportRecord:
    return ReportRecord(
        id=record.id,
        created_at=now(),
        files=files,
        caller=record.caller,
        dataset_id=request.dataset_id,
        cohort_id=request.job_id,
    )
