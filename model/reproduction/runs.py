"""One training, and one run of an arm: what a process of its own does, and leaves behind as a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.compute import Compute
from model.data.stays import Stays
from model.generators import TrainedGenerator
from model.reproduction.arms import Arm
from model.reproduction.panel import Panel, measure, reference
from model.reproduction.plan import Plan
from model.reproduction.records import (
    Measured,
    RunRecord,
    TrainingRecord,
    read_training,
    run_fingerprint,
    run_path,
    training_fingerprint,
    training_path,
    write_record,
)
from model.reproduction.source import Source
from model.reproduction.unmasked import TrainedUnmasked
from model.reproduction.usefulness import Figures
from model.spec.errors import CheckpointError
from model.spec.ratios import LabelRatios
from model.strata import label_joint, plan_labels
from model.synthesis import UNCONDITIONED
from model.training import CHECKPOINT, CancelCheck, Progress

SEED_STRIDE = 1_000
"""Between the seeds of runs: an evaluation counts on from its own."""
MORE = 2
"""Times as many stays are drawn where 200 % are to be added to real ones."""


@dataclass(frozen=True)
class Job:
    """One arm with one seed, on the `table` with the digest `sha256`, and all else that its figures depend on."""

    arm: Arm
    seed: int
    plan: Plan
    compute: Compute
    work: Path
    table: Path
    sha256: str

    @property
    def device(self) -> str:
        """`cpu` or `cuda`: batch size and learning rate may depend on it."""
        return self.compute.torch_device().type

    @property
    def training_folder(self) -> Path:
        """Where the training is kept that this run draws from, shared with every arm that learns the same."""
        key = training_fingerprint(self.arm, self.seed, data_sha256=self.sha256, device=self.device)
        return training_path(self.work, key)

    @property
    def fingerprint(self) -> str:
        """Names the run's figures."""
        return run_fingerprint(self.arm, self.seed, plan=self.plan, data_sha256=self.sha256, device=self.device)

    @property
    def path(self) -> Path:
        """Where the run is kept."""
        return run_path(self.work, self.arm, self.seed, self.fingerprint)

    def record(self, *, reason: str | None = None) -> RunRecord:
        """A record of this run without figures: failed for a `reason`."""
        return RunRecord(
            fingerprint=self.fingerprint,
            arm=self.arm.key,
            seed=self.seed,
            quick=self.plan.quick,
            status="ok" if reason is None else "failed",
            reason=reason,
        )


def train_job(job: Job, source: Source, *, progress: Progress, cancelled: CancelCheck) -> TrainedGenerator:
    """The arm's trained generator; a training that its folder holds is taken up where it ended.

    The seconds are those of all sessions; of one that was killed, those since its last start are lost.
    """
    folder = job.training_folder
    folder.mkdir(parents=True, exist_ok=True)
    before, start = read_training(folder), time.monotonic()
    finished = False
    fit = partial(
        job.arm.generator.train,
        source.train,
        source.codec,
        seed=job.seed,
        compute=job.compute,
        workdir=folder,
        progress=progress,
        cancelled=cancelled,
    )
    try:
        trained = _from_the_start_if_unusable(fit, folder)
        finished = True
    finally:
        if not before.finished:
            seconds = before.seconds + time.monotonic() - start
            write_record(folder / "training.json", TrainingRecord(finished=finished, seconds=seconds))
    return trained


def _from_the_start_if_unusable(fit: Callable[[], TrainedGenerator], folder: Path) -> TrainedGenerator:
    """What `fit` makes; without a checkpoint that is damaged, or of another version of this software."""
    try:
        return fit()
    except CheckpointError:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return fit()


def run_job(job: Job, source: Source, *, progress: Progress, cancelled: CancelCheck) -> RunRecord:
    """Draw the arm's cohort from its finished training, measure it, and keep the record."""
    trained = train_job(job, source, progress=progress, cancelled=cancelled)
    n_stays = job.plan.n_stays or len(source.train)
    n_drawn = MORE * n_stays if job.arm.augments else n_stays
    start = time.monotonic()
    labels = asked_labels(job.arm, source, n_stays=n_drawn, seed=job.seed)
    synthetic = trained.sample(labels, seed=job.seed, progress=progress, cancelled=cancelled)
    times = _times(job, drawn=time.monotonic() - start, n_stays=n_drawn)
    complete = None
    if isinstance(trained, TrainedUnmasked):
        complete = trained.all_values(labels, seed=job.seed, progress=progress, cancelled=cancelled)
    figures = _judged(synthetic, job, source, complete, n_stays=n_stays, progress=progress, cancelled=cancelled)
    done = job.record().model_copy(update={"figures": figures | times, "n_stays": n_stays})
    write_record(job.path, done)
    return done


def asked_labels(arm: Arm, source: Source, *, n_stays: int, seed: int) -> npt.NDArray[np.int64]:
    """(n, K) the labels that an arm is asked for; -1 where it is to choose."""
    if arm.labels == "uncond":
        return np.full((n_stays, len(source.schema.labels)), UNCONDITIONED)
    joint = label_joint(source.train.labels, source.schema)
    ratios: LabelRatios | None = {source.schema.labels[0].name: "balanced"} if arm.labels == "bal" else None
    return plan_labels(source.schema, joint, n_stays=n_stays, ratios=ratios, seed=seed).codes


def _judged(
    drawn: Stays,
    job: Job,
    source: Source,
    complete: Stays | None,
    *,
    n_stays: int,
    progress: Progress,
    cancelled: CancelCheck,
) -> Figures:
    """The figures of the first `n_stays`; the others are for the mixtures that want more."""
    seed = SEED_STRIDE * job.seed
    panel = Panel(seed=seed, privacy=not job.plan.quick, augmentation=job.arm.augments)
    return measure(
        drawn.take(slice(0, n_stays)),
        reference(source, equal_labels=job.arm.labels == "bal", seed=seed),
        panel=panel,
        more=drawn,
        complete=complete,
        progress=progress,
        cancelled=cancelled,
    )


def _times(job: Job, *, drawn: float, n_stays: int) -> Figures:
    seconds = read_training(job.training_folder).seconds
    return {
        "training_seconds": Measured(value=seconds),
        "seconds_per_1000": Measured(value=1_000 * drawn / n_stays),
    }
