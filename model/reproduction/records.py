"""What is kept of a run, so that it is never done twice: one JSON file each, written whole or not at all."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from model.files import write_bytes
from model.reproduction.arms import Arm
from model.reproduction.plan import Plan
from model.spec.base import Spec

RUN_VERSION = 1
"""Of what the figures mean: raised when they are computed in another way, so that every run is done anew."""


class Measured(Spec):
    """A figure, what the real stays put aside score in its place, and why there is none where there is none."""

    value: float | None = None
    real: float | None = None
    reason: str | None = None


class RunRecord(Spec):
    """One arm with one seed: its figures, or why it failed."""

    fingerprint: str
    arm: str
    seed: int
    quick: bool
    status: Literal["ok", "failed"]
    reason: str | None = None
    figures: dict[str, Measured] = Field(default_factory=dict)
    n_stays: int = 0
    finished_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class TrainingRecord(Spec):
    """How long a training took, over all its sessions; `finished` only once it can be drawn from."""

    finished: bool
    seconds: float
    reason: str | None = None


def run_fingerprint(arm: Arm, seed: int, *, plan: Plan, data_sha256: str, device: str) -> str:
    """What must be the same for the figures to be the same, as far as that is known beforehand."""
    settings = f"{arm.generator!r} {arm.labels} {arm.augments}"
    return _digest(f"{RUN_VERSION} {settings} {seed} {plan.quick} {plan.n_stays} {data_sha256} {device}")


def training_fingerprint(arm: Arm, seed: int, *, data_sha256: str, device: str) -> str:
    """Names a training that several arms may share."""
    return _digest(f"{arm.generator.training_key} {seed} {data_sha256} {device}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_path(work: Path, arm: Arm, seed: int, fingerprint: str) -> Path:
    """Where a run is kept."""
    return work / "runs" / f"{arm.key}-{seed}-{fingerprint}.json"


def training_path(work: Path, fingerprint: str) -> Path:
    """Where a training is kept: its checkpoint, and `training.json`."""
    return work / "trainings" / fingerprint


def read_run(path: Path) -> RunRecord | None:
    """The record of a run; None where there is none that can be read."""
    try:
        return RunRecord.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def read_training(folder: Path) -> TrainingRecord:
    """What is known of a training; that of one that was never begun is zero seconds."""
    try:
        return TrainingRecord.model_validate_json((folder / "training.json").read_bytes())
    except (FileNotFoundError, ValidationError):
        return TrainingRecord(finished=False, seconds=0.0)


def write_record(path: Path, record: Spec) -> None:
    """Put a record in its place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, record.model_dump_json(indent=1).encode())
