"""A generate job: from a request to a folder with the cohort, its report and its manifest."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.checkpoint import Model
from model.data.split import Split
from model.data.stays import Stays
from model.spec.report import Subject
from model.spec.schema import Schema
from model.strata import LabelPlan, count_labels, plan_labels
from model.synthesis import UNCONDITIONED, synthesise
from model.training import CancelCheck, Progress
from service.contracts.jobs import GenerateRequest, JobRecord, JobResult, now
from service.contracts.records import COHORT, CohortRecord, FileEntry
from service.contracts.storage import manifest
from worker.cohort import concatenate, default_chunk_size, write_cohort
from worker.models import StoredModel
from worker.progress import JobLink
from worker.provenance import cohort_metadata, cohort_provenance
from worker.publishing import publish
from worker.real import split_of
from worker.report import report_on_table, write_report
from worker.workshop import Workshop

EVALUATED_STAYS = 10_000
"""The report looks at the first so many stays, so that memory does not grow with the cohort. Their order is random."""


class Generated(NamedTuple):
    """What became of a request, and the manifest of the folder that holds it."""

    result: JobResult
    files: dict[str, FileEntry]


@dataclass
class Tally:
    """What is remembered of a cohort that has gone to the disk: how many labels, and a sample of its stays."""

    schema: Schema
    n_stays: int = 0
    sample: list[Stays] = field(default_factory=list)
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, stays: Stays) -> None:
        """Count a chunk, and keep of it what the sample still lacks."""
        wanted = EVALUATED_STAYS - self.n_stays
        if wanted > 0:
            self.sample.append(stays.take(slice(wanted)))
        self.n_stays += len(stays)
        for name, counts in count_labels(stays.labels, self.schema).items():
            self.counts.setdefault(name, Counter()).update(counts)

    @property
    def label_counts(self) -> dict[str, dict[str, int]]:
        """Label -> category -> stays."""
        return {name: dict(counts) for name, counts in self.counts.items()}


def generate_cohort(
    stored: StoredModel,
    request: GenerateRequest,
    *,
    destination: Path,
    real: Split | None,
    chunk_size: int | None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Generated:
    """Draw the cohort that `request` asks for into the empty folder `destination`, with its report if asked for.

    Memory does not grow with the number of stays. `real` are the stays that the model was trained on and its holdout,
    None where they are gone: the report then uses what the model remembers of them. The same request, model and
    device give the same Parquet, byte by byte. Raises RatioError, Cancelled.
    """
    start = time.perf_counter()
    model = stored.model
    plan = _plan(model, request)
    tally = _draw(stored, request, plan, destination, chunk_size=chunk_size, progress=progress, cancelled=cancelled)
    if request.mode == "conditional":
        assert tally.label_counts == count_labels(plan.codes, model.schema), "the cohort has other labels than planned"
    timings = {"sampling": time.perf_counter() - start}
    figures: dict[str, float | None] = {}
    if request.evaluate:
        start = time.perf_counter()
        report = report_on_table(
            model.codec,
            concatenate(tally.sample),
            real=real,
            reference=stored.reference,
            subject=_subject(stored, request, plan, tally),
            seed=request.seed,
            progress=progress,
            cancelled=cancelled,
        )
        write_report(report, destination)
        figures.update(report.headline())
        timings["evaluation"] = time.perf_counter() - start
    files = manifest(destination)
    return Generated(_result(plan, tally, files[COHORT], figures=figures, timings=timings), files)


def run_generate(record: JobRecord, request: GenerateRequest, *, shop: Workshop, link: JobLink) -> JobResult:
    """Draw the cohort that a job asks for and publish it under the job's id."""
    loaded = shop.models.get(request.model_id)
    stored = loaded.stored
    with shop.store.staging(f"{record.id}-{record.attempts}") as folder:
        result, files = generate_cohort(
            stored,
            request,
            destination=folder,
            real=split_of(stored.record, shop.store) if request.evaluate else None,
            chunk_size=shop.settings.chunk_size,
            progress=link.progress,
            cancelled=link.cancelled,
        )
        cohort = publish(folder, _record(record, request, result, files), kind="cohorts", store=shop.store)
    timings = {"model_load": loaded.seconds, **result.timings}
    sha256 = cohort.files[COHORT].sha256
    return result.model_copy(update={"model_load": loaded.load, "timings": timings, "sha256": sha256})


def _plan(model: Model, request: GenerateRequest) -> LabelPlan:
    """The label codes of every stay; UNCONDITIONED where the model shall choose."""
    if request.mode == "unconditional":
        codes: npt.NDArray[np.int64] = np.full((request.n_stays, len(model.schema.labels)), UNCONDITIONED)
        return LabelPlan(codes=codes, warnings=())
    joint = model.description.label_joint.table()
    ratios, seed = request.label_ratios, request.seed
    return plan_labels(model.schema, joint, n_stays=request.n_stays, ratios=ratios, seed=seed)


def _draw(
    stored: StoredModel,
    request: GenerateRequest,
    plan: LabelPlan,
    destination: Path,
    *,
    chunk_size: int | None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Tally:
    model, tally = stored.model, Tally(stored.model.schema)
    size = chunk_size or default_chunk_size(model)
    chunks = synthesise(
        model,
        plan.codes,
        sampler=request.sampler,
        missing=request.missing,
        seed=request.seed,
        chunk_size=size,
        progress=progress,
        cancelled=cancelled,
    )
    metadata = cohort_metadata(request, model=stored.record, chunk_size=size)
    layout = model.description.layout
    for stays in write_cohort(chunks, destination / COHORT, schema=model.schema, layout=layout, metadata=metadata):
        tally.add(stays)
    return tally


def _result(
    plan: LabelPlan, tally: Tally, cohort: FileEntry, *, figures: dict[str, float | None], timings: dict[str, float]
) -> JobResult:
    return JobResult(
        n_stays=tally.n_stays,
        label_counts=tally.label_counts,
        sha256=cohort.sha256,
        bytes=cohort.bytes,
        warnings=plan.warnings,
        figures=figures,
        timings={part: round(seconds, 3) for part, seconds in timings.items()},
    )


def _subject(stored: StoredModel, request: GenerateRequest, plan: LabelPlan, tally: Tally) -> Subject:
    conditional = request.mode == "conditional"
    return Subject(
        kind="cohort",
        title=f"Synthetic stays from {stored.record.name}",
        n_stays=tally.n_stays,
        asked=dict(count_labels(plan.codes, stored.model.schema)) if conditional else None,
        obtained=tally.label_counts,
        imputed=request.missing == "imputed",
        provenance=cohort_provenance(request, model=stored.record),
        notes=plan.warnings,
    )


def _record(
    record: JobRecord, request: GenerateRequest, result: JobResult, files: dict[str, FileEntry]
) -> CohortRecord:
    return CohortRecord(
        id=record.id,
        created_at=now(),
        files=files,
        caller=record.caller,
        model_id=request.model_id,
        n_stays=request.n_stays,
        label_counts=result.label_counts or {},
    )
