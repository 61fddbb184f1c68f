"""Train, generate and evaluate on files, by the workers' own functions. Needs torch: import it in functions only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog
import torch

from model.compute import Compute
from model.data.inference import infer_schema
from model.data.readers import read_table
from model.spec.errors import CDMTError
from model.spec.guidance import check_guidance
from model.spec.ratios import check_ratios
from model.spec.report import EvaluationOptions, Report
from model.spec.schema import Schema
from service.bundled import BUNDLED
from service.cli.show import ProgressBars, read_report
from service.contracts.durable import sync_tree
from service.contracts.jobs import JobResult
from service.contracts.records import ModelRecord
from service.contracts.requests import GenerateRequest
from service.contracts.settings import Settings
from service.contracts.storage import RECORD
from service.contracts.vault import open_files
from worker.evaluate import evaluate_table
from worker.generate import generate_cohort
from worker.models import read_model
from worker.train import Recipe, train_model


def train(
    table: Path, schema_file: Path | None, *, out: Path, recipe: Mapping[str, object], settings: Settings
) -> tuple[ModelRecord, Report]:
    """Train on `table` into the new folder `out`; checkpoints lie beside it until it is done."""
    if out.exists():
        raise CDMTError(f"{out} exists already: choose another folder, or remove it")
    parsed = Recipe.model_validate(recipe)
    compute = _compute(settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    with _checkpoints(out) as checkpoints, _beside(out) as folder, ProgressBars() as bars:
        record = train_model(
            table,
            _schema(table, schema_file),
            recipe=parsed,
            destination=folder,
            compute=compute,
            workdir=checkpoints,
            progress=bars,
            cancelled=_never,
            checkpoint_seconds=settings.checkpoint_every_seconds,
            thresholds=settings.privacy_thresholds,
            schema_inferred=schema_file is None,
        )
        sync_tree(folder)
        folder.rename(out)
    return record, read_report(out)


def generate(
    model: str, *, request: Mapping[str, object], files: Mapping[str, Path], settings: Settings
) -> tuple[JobResult, Report | None]:
    """Draw a cohort from the model in a folder, and put the `files` of the result where they are wanted."""
    vault = open_files(settings.encryption_key_file)  # it may be a model of the service's
    stored = read_model(_model_folder(model), _compute(settings), files=vault)
    parsed = GenerateRequest.model_validate({"model_id": stored.record.id, **request})
    check_ratios(parsed.label_ratios, stored.model.schema)
    check_guidance(parsed.sampler.guidance, stored.model.schema)
    with _delivered(files) as folder, ProgressBars() as bars:
        generated = generate_cohort(
            stored,
            parsed,
            destination=folder,
            real=None,
            chunk_size=settings.chunk_size,
            thresholds=settings.privacy_thresholds,
            progress=bars,
            cancelled=_never,
        )
        report = read_report(folder) if parsed.evaluate else None
    return generated.result, report


def evaluate(
    real: Path,
    synthetic: Path,
    *,
    schema_file: Path | None,
    holdout: Path | None,
    holdout_fraction: float,
    options: Mapping[str, object],
    files: Mapping[str, Path],
    settings: Settings,
) -> Report:
    """Compare two tables, and put the `files` of the report where they are wanted."""
    _compute(settings)
    thresholds = settings.privacy_thresholds
    with _delivered(files) as folder, ProgressBars() as bars:
        return evaluate_table(
            real,
            synthetic,
            _schema(real, schema_file),
            destination=folder,
            title=f"{synthetic.name}, compared with {real.name}",
            holdout=holdout,
            holdout_fraction=holdout_fraction,
            options=EvaluationOptions.model_validate({**options, "thresholds": thresholds}),
            progress=bars,
            cancelled=_never,
        )


def _compute(settings: Settings) -> Compute:
    """Where to compute. Also: no log lines between the progress bars but warnings."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    if settings.threads is not None:
        torch.set_num_threads(settings.threads)
    return Compute(device=settings.device, precision=settings.precision, engine=settings.engine)


def _schema(table: Path, file: Path | None) -> Schema:
    if file is not None:
        return Schema.model_validate_json(file.read_bytes())
    return infer_schema(read_table(table))


def _model_folder(model: str) -> Path:
    """The folder that `model` names; of the bundled models the first."""
    if model != "bundled":
        return Path(model)
    for record in sorted(BUNDLED.glob(f"*/{RECORD}")):
        return record.parent
    raise CDMTError("this installation has no bundled model")


@contextmanager
def _delivered(files: Mapping[str, Path]) -> Iterator[Path]:
    """A folder to make files in; those named in `files` are put in their places, whole, at the end."""
    for path in files.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    room = next(iter(files.values())).parent  # where the largest file goes: the system's folder for this may be small
    with tempfile.TemporaryDirectory(prefix=".cdmt-", dir=room) as made:
        yield Path(made)
        for name, path in files.items():
            beside = path.with_name(f".{path.name}.part")
            shutil.move(Path(made) / name, beside)
            beside.replace(path)


@contextmanager
def _checkpoints(folder: Path) -> Iterator[Path]:
    """Where a training of `folder` keeps checkpoints: removed when it is done, kept if it is interrupted."""
    checkpoints = folder.parent / f".{folder.name}.checkpoints"
    checkpoints.mkdir(exist_ok=True)
    try:
        yield checkpoints
        shutil.rmtree(checkpoints)
    finally:
        with suppress(OSError):
            checkpoints.rmdir()  # if nothing was kept in it


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A fresh folder on the same file system as `folder`, to be renamed to it; deleted if that does not happen."""
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as made:
        inner = Path(made) / folder.name
        inner.mkdir()
        yield inner


def _never() -> bool:
    return False
