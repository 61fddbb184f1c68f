"""What a training learns of the stays: the network, with differential privacy or without, and the labels' counts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import structlog

from model.data.codec import Codec
from model.diffusion.denoiser import Denoiser
from model.private.opening import Task
from model.private.training import train_privately
from model.spec.errors import CheckpointError
from model.spec.files import Files
from model.spec.guarantee import PrivacyGuarantee
from model.strata import label_joint
from model.training import CHECKPOINT, CancelCheck, Progress, ShowLosses, train
from model.training_run import Fitted

log = structlog.get_logger(__name__)


class Learned(NamedTuple):
    """What training makes, with differential privacy or without; `joint` are counts of combinations of labels."""

    codec: Codec
    fitted: Fitted[Denoiser]
    joint: npt.NDArray[np.int64]
    privacy: PrivacyGuarantee | None = None


def learn(
    task: Task,
    *,
    workdir: Path | None,
    progress: Progress,
    cancelled: CancelCheck,
    show_losses: ShowLosses | None,
    checkpoint_seconds: float,
    files: Files,
) -> Learned:
    """Train without a privacy budget. A damaged checkpoint is thrown away. Raises as `model.training.train`."""
    codec = Codec.fit(task.stays, task.schema, scaling=task.training.scaling)
    fit = partial(
        train,
        codec.encode(task.stays),
        codec,
        network=task.network,
        training=task.training,
        seed=task.seed,
        compute=task.compute,
        workdir=workdir,
        progress=progress,
        cancelled=cancelled,
        show_losses=show_losses,
        checkpoint_seconds=checkpoint_seconds,
        files=files,
    )
    return Learned(codec, _from_the_start_if_damaged(fit, workdir), label_joint(task.stays.labels, task.schema))


def learn_privately(
    task: Task,
    *,
    workdir: Path | None,
    progress: Progress,
    cancelled: CancelCheck,
    checkpoint_seconds: float,
    files: Files,
    schema_inferred: bool,
) -> Learned:
    """Train with the task's privacy budget. Raises as `model.private.training.train_privately`."""
    trained = train_privately(
        task,
        workdir=workdir,
        progress=progress,
        cancelled=cancelled,
        checkpoint_seconds=checkpoint_seconds,
        files=files,
        schema_inferred=schema_inferred,
    )
    return Learned(trained.codec, trained.fitted, trained.joint, trained.guarantee)


def _from_the_start_if_damaged(fit: Callable[[], Fitted[Denoiser]], workdir: Path | None) -> Fitted[Denoiser]:
    """What `fit` makes; without the checkpoint in `workdir` if that cannot be used, rather than not at all."""
    try:
        return fit()
    except CheckpointError as error:
        if workdir is None:
            raise
        log.warning("checkpoint_thrown_away", detail=str(error))
        (workdir / CHECKPOINT).unlink(missing_ok=True)
    return fit()
