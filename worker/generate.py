"""A generate job: from a request to a folder with the cohort and its manifest, drawn and then assessed."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.checkpoint import Model
from model.data.frame import as_written
from model.data.rules import breaks_rules
from model.data.split import Split
from model.data.stays import Stays
from model.spec.privacy import PrivacyThresholds
from model.spec.schema import Schema
from model.strata import LabelPlan, count_labels, plan_labels
from model.synthesis import UNCONDITIONED, Accept, accept_all, synthesise
from model.training import CancelCheck, Progress
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import COHORT, CohortRecord, FileEntry
from service.contracts.requests import GenerateRequest
from service.contracts.storage import manifest
from worker.assess import assess_cohort, not_evaluated
from worker.cohort import default_chunk_size, write_cohort
from worker.models import StoredModel
from worker.progress import JobLink
from worker.provenance import cohort_metadata, time_metadata
from worker.publishing import publish
from worker.real import has_dataset
from worker.workshop import Workshop

NO_RULES = "the model's schema has no rules, so that there was nothing to enforce"


class Drawn(NamedTuple):
    """A cohort that is drawn and published; its evaluation is a job of its own."""

    result: JobResult


class Generated(NamedTuple):
    """What became of a request, and the manifest of the folder that holds it."""

    result: JobResult
    files: dict[str, FileEntry]


@dataclass
class Tally:
    """What is remembered of a cohort that has gone to the disk: how many stays, labels, and stays drawn again."""

    schema: Schema
    n_stays: int = 0
    n_redrawn: int = 0
    counts: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, stays: Stays) -> None:
        """Count a chunk."""
        self.n_stays += len(stays)
        for name, counts in count_labels(stays.labels, self.schema).items():
            self.counts.setdefault(name, Counter()).update(counts)

    def redraw(self, n_stays: int) -> None:
        """Count stays that are drawn again."""
        self.n_redrawn += n_stays

    @property
    def label_counts(self) -> dict[str, dict[str, int]]:
        """Label -> category -> stays."""
        return {name: dict(counts) for name, counts in self.counts.items()}

    @property
    def redraw_rate(self) -> float:
        """Share of all drawn stays that were refused."""
        return self.n_redrawn / max(1, self.n_stays + self.n_redrawn)


def generate_cohort(
    stored: StoredModel,
    request: GenerateRequest,
    *,
    destination: Path,
    real: Split | None,
    chunk_size: int | None,
    thresholds: PrivacyThresholds | None = None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Generated:
    """Draw and assess the cohort that `request` asks for, in one go, into the empty folder `destination`.

    `real` are the stays that the model was trained on and its holdout, None where they are gone. Raises RatioError,
    Cancelled.
    """
    drawn = draw_cohort(
        stored, request, destination=destination, chunk_size=chunk_size, progress=progress, cancelled=cancelled
    )
    result = assess_cohort(
        destination,
        stored.facts,
        request,
        drawn.result,
        destination=destination,
        real=real,
        thresholds=thresholds or PrivacyThresholds(),
        progress=progress,
        cancelled=cancelled,
    )
    return Generated(result, manifest(destination))


def draw_cohort(
    stored: StoredModel,
    request: GenerateRequest,
    *,
    destination: Path,
    chunk_size: int | None,
    progress: Progress,
    cancelled: CancelCheck,
) -> Generated:
    """Draw the cohort that `request` asks for into the empty folder `destination`.

    Memory does not grow with the number of stays. The same request, model, device and engine give the same Parquet,
    byte by byte, whether and however it is evaluated. Raises RatioError, SamplingError, Cancelled.
    """
    start = time.perf_counter()
    plan = _plan(stored.model, request)
    tally = _draw(stored, request, plan, destination, chunk_size=chunk_size, progress=progress, cancelled=cancelled)
    if request.mode == "conditional":
        planned = count_labels(plan.codes, stored.model.schema)
        assert tally.label_counts == planned, "the cohort has other labels than planned"
    files = manifest(destination)
    return Generated(_result(request, plan, tally, files[COHORT], seconds=time.perf_counter() - start), files)


def run_generate(record: JobRecord, request: GenerateRequest, *, shop: Workshop, link: JobLink) -> JobResult | Drawn:
    """Draw the cohort that a job asks for and publish it under the job's id.

    Drawn where it goes on to an evaluation: if a report is wanted, or the privacy gate can judge.
    """
    loaded = shop.models.get(request.model_id)
    shop.figures.model_taken(loaded.load)
    stored = loaded.stored
    with shop.store.staging(f"{record.id}-{record.attempts}") as folder:
        result, files = draw_cohort(
            stored,
            request,
            destination=folder,
            chunk_size=shop.settings.chunk_size,
            progress=link.progress,
            cancelled=link.cancelled,
        )
        cohort = publish(folder, _record(record, request, result, files), kind="cohorts", store=shop.store)
    timings = {"model_load": loaded.seconds, **result.timings}
    published = cohort.files[COHORT].model_dump()  # by an earlier attempt, perhaps, and on another kind of device
    result = result.model_copy(update={"model_load": loaded.load, "timings": timings, **published})
    if request.evaluate or has_dataset(stored.record, shop.store):
        return Drawn(result)
    return not_evaluated(result)


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
        accept=keeping_rules(model) if request.enforce_rules else accept_all,
        redrawn=tally.redraw,
    )
    layout = model.description.layout
    metadata = cohort_metadata(request, model=stored.record, chunk_size=size, engine=model.engine.name)
    metadata |= time_metadata(model.schema, layout)
    for stays in write_cohort(chunks, destination / COHORT, schema=model.schema, layout=layout, metadata=metadata):
        tally.add(stays)
    return tally


def keeping_rules(model: Model) -> Accept:
    """Accepts stays that keep the rules of the model's schema as its table will have them, rounded to its columns."""
    schema, layout = model.schema, model.description.layout
    return lambda stays: ~breaks_rules(as_written(stays, schema, layout), schema)


def _result(request: GenerateRequest, plan: LabelPlan, tally: Tally, cohort: FileEntry, *, seconds: float) -> JobResult:
    idle = request.enforce_rules and not tally.schema.rules
    return JobResult(
        n_stays=tally.n_stays,
        label_counts=tally.label_counts,
        sha256=cohort.sha256,
        bytes=cohort.bytes,
        warnings=(*plan.warnings, NO_RULES) if idle else plan.warnings,
        redraw_rate=round(tally.redraw_rate, 6) if request.enforce_rules else None,
        timings={"sampling": round(seconds, 3)},
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
