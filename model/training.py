"""Fitting a module to encoded stays: resumable, cancellable, the same result for the same seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from model.compute import Compute
from model.data.codec import Codec, Encoded
from model.diffusion.denoiser import Denoiser
from model.objective import Denoising, Module
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.errors import Cancelled, Interrupted, TrainingError
from model.spec.files import PLAIN, Files
from model.training_run import Fitted, Fitting

Progress = Callable[[str, int, int], None]
"""(step, value, max): what is being done, and how far it is."""
ShowLosses = Callable[[Sequence[tuple[int, float]]], None]
"""Told of all losses so far, (optimiser step, validation loss), whenever there is a new one."""
CancelCheck = Callable[[], bool]


class Run(Protocol[Module]):
    """A training that can be made to go on, step by step."""

    @property
    def stage(self) -> str:
        """What is being done, in words."""

    @property
    def step(self) -> int:
        """Steps done."""

    @property
    def expected_steps(self) -> int:
        """Steps of the whole training."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""

    @property
    def history(self) -> Sequence[tuple[int, float]]:
        """Steps and the validation losses after them, as far as they may be told."""

    def advance(self) -> None:
        """Do one step."""

    def result(self) -> Fitted[Module]:
        """What came of it."""

    def save(self, path: Path, files: Files) -> None:
        """Write all that a later process needs to go on."""

    def restore(self, path: Path, files: Files) -> None:
        """Go on from what `save` wrote; CheckpointError."""


CHECKPOINT = "training.safetensors"
"""The file in a working folder from which a training goes on."""


def train(
    stays: Encoded,
    codec: Codec,
    *,
    network: NetworkConfig,
    training: TrainingConfig,
    seed: int,
    compute: Compute,
    workdir: Path | None,
    progress: Progress,
    cancelled: CancelCheck,
    show_losses: ShowLosses | None = None,
    checkpoint_seconds: float = 60.0,
    files: Files = PLAIN,
) -> Fitted[Denoiser]:
    """Train our denoiser on encoded stays until `max_steps` or `max_minutes` (CDMT-EHR, algorithm 1); see `finish`.

    TrainingError where differential privacy is asked for: that is `model.private.training`.
    """
    if training.privacy is not None:
        raise TrainingError("this training has no differential privacy, which was asked for")
    objective = Denoising(network, training)
    return finish(
        Fitting(stays, codec, objective=objective, training=training, seed=seed, compute=compute),
        workdir=workdir,
        progress=progress,
        cancelled=cancelled,
        show_losses=show_losses,
        checkpoint_seconds=checkpoint_seconds,
        files=files,
    )


def finish(
    run: Run[Module],
    *,
    workdir: Path | None,
    progress: Progress,
    cancelled: CancelCheck,
    show_losses: ShowLosses | None = None,
    checkpoint_seconds: float = 60.0,
    files: Files = PLAIN,
) -> Fitted[Module]:
    """Train to the end, from a checkpoint if there is one.

    `show_losses` is told of the validation losses as they come. With a `workdir` the state is written there every
    `checkpoint_seconds`, in the manner of `files`, and a training that finds one goes on from it. Where `cancelled`
    raises Interrupted, the state is written first. Raises Cancelled (the checkpoint stays), NonFiniteLoss,
    CheckpointError.
    """
    checkpoint = None if workdir is None else workdir / CHECKPOINT
    if checkpoint is not None and checkpoint.exists():
        run.restore(checkpoint, files)
        if run.finished:
            return run.result()  # several processes may read a finished training at once: none writes
    saved_at = time.monotonic()
    while not run.finished:
        try:
            if cancelled():
                raise Cancelled("the training was cancelled")
        except Interrupted:
            if checkpoint is not None:
                run.save(checkpoint, files)
            raise
        n_losses = len(run.history)
        run.advance()
        if show_losses is not None and len(run.history) > n_losses:
            show_losses(run.history)
        progress(run.stage, run.step, run.expected_steps)
        if checkpoint is not None and time.monotonic() - saved_at > checkpoint_seconds:
            run.save(checkpoint, files)
            saved_at = time.monotonic()
    if checkpoint is not None:
        run.save(checkpoint, files)
    return run.result()
