"""Training with differential privacy, from stays to all that a model is made of."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from model.checkpoint import DESCRIPTION, WEIGHTS
from model.data.codec import Codec
from model.data.stays import MISSING_CATEGORY, Stays
from model.diffusion.denoiser import Denoiser
from model.private import statistics
from model.private.accounting import Plan, plan_for
from model.private.opening import Opening, Task
from model.private.run import PrivateFitting
from model.private.units import Units, delta_for
from model.spec.errors import CheckpointError
from model.spec.files import PLAIN, Files
from model.spec.guarantee import PrivacyGuarantee, check_bounds
from model.training import CHECKPOINT, CancelCheck, Progress, finish
from model.training_checkpoint import read_checkpoint
from model.training_run import Fitted

JOURNAL = "private-steps"
"""The file in a working folder with a byte for each step that was begun."""
TIMED_STEPS = 3
PLANNED_SHARE = 0.9
"""Of the minutes that are allowed, so that the last planned step comes before they are over."""

NOT_COVERED = (
    "the numbers of stays for training and holdout, and of patients where they are the unit",
    "the table's columns, their types, and its clock (first time and step), by which all stays are aligned",
    "the report, its figures and the reference statistics: without noise, of 11 stays or more",
    "the hash of the dataset",
)


@dataclass(frozen=True)
class PrivatelyTrained:
    """What a private training makes. `joint` (C_1, ..., C_K) are noisy counts of the combinations of labels."""

    codec: Codec
    fitted: Fitted[Denoiser]
    joint: npt.NDArray[np.int64]
    guarantee: PrivacyGuarantee


def train_privately(
    task: Task,
    *,
    workdir: Path | None,
    progress: Progress,
    cancelled: CancelCheck,
    checkpoint_seconds: float = 60.0,
    files: Files = PLAIN,
    schema_inferred: bool = False,
) -> PrivatelyTrained:
    """Train until the budget is spent, or `max_minutes` are over.

    The number of steps is planned beforehand, by `max_steps` and by how many fit into the minutes on made-up stays, and
    the noise so that they spend the budget. A training that is found in `workdir` goes on; one whose checkpoint is
    damaged does not begin anew, since what it spent cannot be taken back. Raises Cancelled, Interrupted, SchemaError
    where a feature has no bounds, TrainingError where the budget is none, CheckpointError.
    """
    journal = None if workdir is None else workdir / JOURNAL
    checkpoint = None if workdir is None else workdir / CHECKPOINT
    if checkpoint is not None and checkpoint.exists():
        run = PrivateFitting(task, _opening_in(checkpoint, task, files), journal=journal)
    elif journal is not None and journal.exists():
        raise CheckpointError("a private training has spent steps here, and its checkpoint is gone: begin another")
    else:
        run = PrivateFitting(task, open_training(task), journal=journal)
        if checkpoint is not None:
            run.save(checkpoint, files)
    fitted = finish(
        run,
        workdir=workdir,
        progress=progress,
        cancelled=cancelled,
        checkpoint_seconds=checkpoint_seconds,
        files=files,
    )
    joint = statistics.joint_counts(run.opening.statistics(task.schema))
    return PrivatelyTrained(run.codec, fitted, joint, _guarantee(run, schema_inferred=schema_inferred))


def open_training(task: Task) -> Opening:
    """Plan a training, and release its statistics."""
    units = Units.of(task.stays)
    delta = delta_for(task.budget, units.size, units.kind)
    rate = min(1.0, task.batch_size / units.size)
    check_bounds(task.schema)
    plan = plan_for(task.budget, delta, sample_rate=rate, steps=_affordable_steps(task, round(rate * units.size)))
    released = statistics.release(task.stays, units, task.schema, noise_multiplier=plan.statistics_noise)
    return Opening(plan, delta, released)


def _affordable_steps(task: Task, n_stays: int) -> int:
    minutes, most = task.training.max_minutes, task.training.max_steps
    if minutes is None:
        return most
    return max(1, min(most, int(PLANNED_SHARE * 60 * minutes / _seconds_per_step(task, max(n_stays, 1)))))


def _seconds_per_step(task: Task, n_stays: int) -> float:
    """Measured on stays without a value, so that it says nothing of the real ones."""
    shape, schema = (n_stays, task.stays.sequence_length), task.schema
    empty = Stays(
        numerical=np.full((*shape, len(schema.numerical)), np.nan, dtype=np.float32),
        categorical=np.full((*shape, len(schema.categorical)), MISSING_CATEGORY),
        labels=np.zeros((n_stays, len(schema.labels)), dtype=np.int64),
    )
    nothing = np.concatenate(statistics.sums(empty, np.zeros(n_stays), schema))
    trial = PrivateFitting(replace(task, stays=empty), Opening(Plan(1, 1, 1, TIMED_STEPS), 0.5, nothing), journal=None)
    trial.advance()  # the first one sets things up
    start = time.monotonic()
    for _ in range(TIMED_STEPS):
        trial.advance()
    return (time.monotonic() - start) / TIMED_STEPS


def _opening_in(checkpoint: Path, task: Task, files: Files) -> Opening:
    device = task.compute.torch_device()
    tensors, _ = read_checkpoint(checkpoint, fingerprint=task.fingerprint(), device=device, files=files)
    return Opening.from_tensors(tensors)


def _guarantee(run: PrivateFitting, *, schema_inferred: bool) -> PrivacyGuarantee:
    plan, budget = run.opening.plan, run.task.budget
    inferred = ("the schema, which was inferred from the table: categories, length",) if schema_inferred else ()
    return PrivacyGuarantee(
        unit=run.units.kind,
        epsilon=run.epsilon_after(run.begun),
        epsilon_allowed=budget.epsilon,
        delta=run.opening.delta,
        max_grad_norm=budget.max_grad_norm,
        sample_rate=plan.sample_rate,
        steps=run.begun,
        noise_multiplier=plan.noise_multiplier,
        statistics_noise_multiplier=plan.statistics_noise,
        covered=(WEIGHTS, DESCRIPTION),
        not_covered=(*NOT_COVERED, *inferred),
    )
