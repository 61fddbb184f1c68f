"""A train job: from a table of real stays to a folder with the model, its report and its manifest."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog
from pydantic import Field

from model.checkpoint import LabelJoint, Model, ModelDescription, load_model, save_model
from model.compute import Compute
from model.data.layout import TableLayout
from model.data.split import Split, split
from model.private.opening import Task
from model.spec.base import Spec
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.files import PLAIN, Files, Source
from model.spec.privacy import PrivacyThresholds
from model.spec.report import EvaluationOptions
from model.spec.schema import Schema
from model.training import CancelCheck, Progress, ShowLosses
from service.contracts.ids import new_id
from service.contracts.jobs import JobRecord, JobResult, now
from service.contracts.records import WEIGHTS, FileEntry, ModelRecord
from service.contracts.requests import TrainRequest
from service.contracts.storage import file_sha256, manifest, write_record
from worker.learning import Learned, learn, learn_privately
from worker.progress import JobLink
from worker.provenance import software_version
from worker.publishing import publish
from worker.real import read_stays, table_of
from worker.report import report_on_model, write_reference, write_report
from worker.workshop import Workshop

log = structlog.get_logger(__name__)


class Recipe(Spec):
    """What a training is asked to do, apart from where its data are."""

    name: str
    training: TrainingConfig = TrainingConfig()
    network: NetworkConfig = NetworkConfig()
    holdout_fraction: float = Field(0.2, gt=0, lt=1)
    seed: int = Field(0, ge=0, lt=2**63)


def train_model(
    table: Source,
    schema: Schema,
    *,
    recipe: Recipe,
    destination: Path,
    compute: Compute,
    workdir: Path | None,
    progress: Progress,
    cancelled: CancelCheck,
    show_losses: ShowLosses | None = None,
    checkpoint_seconds: float = 60.0,
    report_stays: int | None = None,
    thresholds: PrivacyThresholds | None = None,
    data_sha256: str | None = None,
    schema_inferred: bool = False,
    files: Files = PLAIN,
) -> ModelRecord:
    """Train on the stays in `table` and fill the empty folder `destination`: weights, description, report, record.

    A `workdir` keeps checkpoints, from which a later call with the same arguments goes on; one that is damaged is
    thrown away. Weights and checkpoints are written in the manner of `files`. The report rests on `report_stays`
    synthetic stays, or on as many as the device draws within minutes; it names the data by `data_sha256` (absent: that
    of the file `table`). A schema that was `schema_inferred` from it is no public knowledge, which a training with
    differential privacy then says. Raises DataError, TrainingError, Cancelled.
    """
    progress("reading", 0, 1)
    arranged = read_stays(table, schema)
    sides = split(arranged.stays, holdout_fraction=recipe.holdout_fraction, seed=recipe.seed)
    task = Task(sides.train, schema, recipe.network, recipe.training, recipe.seed, compute)
    way = (
        partial(learn, show_losses=show_losses)
        if recipe.training.privacy is None
        else partial(learn_privately, schema_inferred=schema_inferred)
    )
    learned = way(
        task,
        workdir=workdir,
        progress=progress,
        cancelled=cancelled,
        checkpoint_seconds=checkpoint_seconds,
        files=files,
    )
    description = _description(recipe, arranged.layout, learned, n_training_stays=len(sides.train))
    save_model(description, learned.fitted.module, destination, files=files)
    model = load_model(destination, compute, files=files)  # as every later job will
    made = report_on_model(
        model,
        sides,
        name=recipe.name,
        data_sha256=data_sha256 or file_sha256(table),
        options=EvaluationOptions(seed=recipe.seed, thresholds=thresholds or PrivacyThresholds()),
        n_stays=report_stays,
        progress=progress,
        cancelled=cancelled,
    )
    write_report(made.report, destination)
    write_reference(made.reference, destination)
    record = _record(recipe, model, sides, figures=made.figures, files=manifest(destination, files))
    write_record(destination, record)
    return record


def run_train(record: JobRecord, request: TrainRequest, *, shop: Workshop, link: JobLink) -> JobResult:
    """Train the model that a job asks for and publish it under the job's id."""
    dataset = shop.store.dataset(request.dataset_id)
    recipe = Recipe.model_validate(request.model_dump(include=set(Recipe.model_fields)))
    with shop.store.staging(f"{record.id}-{record.attempts}") as folder:
        model = train_model(
            table_of(dataset, shop.store),
            dataset.table_schema,
            recipe=recipe,
            destination=folder,
            compute=shop.compute,
            workdir=shop.store.work_dir(record.id),
            progress=link.progress,
            cancelled=link.cancelled,
            show_losses=link.show_losses,
            data_sha256=dataset.sha256,
            schema_inferred=dataset.schema_inferred,
            checkpoint_seconds=shop.settings.checkpoint_every_seconds,
            thresholds=shop.settings.privacy_thresholds,
            files=shop.store.files,
        )
        parents = {"dataset_id": dataset.id, "dataset_sha256": dataset.sha256, "job_id": record.id}
        model = model.model_copy(update={"id": record.id, "caller": record.caller, **parents})
        model = publish(folder, model, kind="models", store=shop.store)
    return JobResult(
        model_id=model.id,
        sha256=model.sha256,
        bytes=model.files[WEIGHTS].bytes,
        label_counts=model.label_counts,
        figures=model.figures,
    )


def _description(recipe: Recipe, layout: TableLayout, learned: Learned, *, n_training_stays: int) -> ModelDescription:
    return ModelDescription(
        software_version=software_version(),
        layout=layout,
        codec=learned.codec.state,
        network=recipe.network,
        training=recipe.training,
        summary=learned.fitted.summary,
        label_joint=LabelJoint.of(learned.joint),
        n_training_stays=n_training_stays,
        seed=recipe.seed,
        privacy=learned.privacy,
    )


def _record(
    recipe: Recipe, model: Model, sides: Split, *, figures: dict[str, float | None], files: dict[str, FileEntry]
) -> ModelRecord:
    summary = model.description.summary
    return ModelRecord(
        id=new_id(),
        created_at=now(),
        files=files,
        name=recipe.name,
        table_schema=model.schema,
        training=recipe.training,
        network=recipe.network,
        holdout_fraction=recipe.holdout_fraction,
        seed=recipe.seed,
        dataset_id=None,
        n_train=len(sides.train),
        n_holdout=len(sides.holdout),
        n_steps=summary.steps,
        losses=summary.history,
        label_counts=_label_counts(model),
        figures=figures,
        device=summary.device,
        software_version=software_version(),
        privacy=model.description.privacy,
    )


def _label_counts(model: Model) -> dict[str, dict[str, int]]:
    """Label -> category -> training stays, no finer than the model's own file tells them: small counts are banded."""
    marginals = model.description.label_joint.marginals
    return {
        label.name: dict(zip(label.categories, counts, strict=True))
        for label, counts in zip(model.schema.labels, marginals, strict=True)
    }
