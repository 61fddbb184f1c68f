"""One training, optimiser step by optimiser step."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

import torch
from torch import Tensor

from model.compute import Compute
from model.data.codec import Codec, Encoded
from model.diffusion.denoiser import Dimensions
from model.diffusion.ema import EMA
from model.learning_rate import mean_factor, rate_factor
from model.objective import Batch, Module, Objective, log_marginals_of
from model.spec.base import Spec
from model.spec.config import TrainingConfig
from model.spec.errors import NonFiniteLoss
from model.spec.files import PLAIN, Files
from model.training_checkpoint import TrainingProgress, fingerprint_of, read_checkpoint, write_checkpoint
from model.training_step import OptimiserStep

VALIDATION_FRACTION, MAX_VALIDATION = 0.05, 1024
N_VALIDATIONS = 40  # looks at the averaged weights over a whole training


class TrainingSummary(Spec):
    """What became of a training. `history` holds (step, validation loss of the averaged weights)."""

    steps: int
    seconds: float
    batch_size: int
    learning_rate: float
    validation_loss: float | None  # None: a private training looks at none
    best_step: int
    device: str
    precision: str
    history: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Fitted(Generic[Module]):
    """A module with the best averaged weights, on the CPU, and how it came about."""

    module: Module
    summary: TrainingSummary


def dimensions_of(codec: Codec, sequence_length: int) -> Dimensions:
    """The sizes of a network for the data that `codec` describes."""
    return Dimensions(
        sequence_length=sequence_length,
        n_numerical=len(codec.schema.numerical),
        channel_sizes=tuple(len(channel.categories) for channel in codec.categorical_channels),
        label_sizes=tuple(len(label.categories) for label in codec.schema.labels),
    )


class Fitting(Generic[Module]):
    """The state of one training between optimiser steps, whatever its objective.

    All randomness of a step comes from (seed, step), so a resumed training continues as the uninterrupted one would.
    """

    def __init__(
        self,
        stays: Encoded,
        codec: Codec,
        *,
        objective: Objective[Module],
        training: TrainingConfig,
        seed: int,
        compute: Compute,
    ) -> None:
        self.objective = objective
        self.training, self.seed, self.dtype = training, seed, compute.training_dtype()
        self.device = compute.torch_device()
        self.batch_size = training.batch_size or compute.training_batch_size()
        self.learning_rate = training.learning_rate or compute.training_learning_rate()
        self._load_data(stays)
        self._build(dimensions_of(codec, stays.numerical.shape[1]))
        self.fingerprint = fingerprint_of(stays, f"{objective!r} {training!r} {seed}")
        self.step, self.elapsed = 0, 0.0
        self._orders: dict[int, Tensor] = {}
        self.best_loss, self.best_step = math.inf, 0
        self.history: list[tuple[int, float]] = []

    def _load_data(self, stays: Encoded) -> None:
        n = len(stays.labels)
        order = torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))
        n_validation = min(MAX_VALIDATION, int(VALIDATION_FRACTION * n))
        data = tuple(torch.as_tensor(array).to(self.device) for array in stays)
        fitted, validation = order[n_validation:], order[:n_validation] if n_validation else order[:1]
        self.data = Batch(*(tensor[fitted.to(self.device)] for tensor in data))
        self.validation = Batch(*(tensor[validation.to(self.device)] for tensor in data))

    def _build(self, dimensions: Dimensions) -> None:
        marginals = log_marginals_of(self.data.codes.cpu(), dimensions.channel_sizes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            generator = torch.Generator().manual_seed(self.seed)
            self.module = self.objective.build(dimensions, marginals, generator=generator)
        self.averaged = copy.deepcopy(self.module).requires_grad_(False).to(self.device)
        self._compute_in(self.dtype)
        self.module.to(self.device)
        self.best = {name: value.detach().clone() for name, value in self.module.named_parameters()}
        self.ema = EMA(self.module, decay=self.training.ema_decay)
        self.optimise = OptimiserStep(
            self.objective,
            self.module,
            self.data,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            label_dropout=self.training.label_dropout,
        )

    def _compute_in(self, dtype: torch.dtype) -> None:
        """Operands of the network's products; kept over a restart, where a new measurement might choose otherwise."""
        self.dtype = self.module.compute_dtype = self.averaged.compute_dtype = dtype

    stage = "training"

    @property
    def fraction(self) -> float:
        """Share of the training that is done, by steps or minutes, whichever is further."""
        minutes = self.training.max_minutes
        by_time = 0.0 if minutes is None else self.elapsed / (60 * minutes)
        return min(1.0, max(self.step / self.training.max_steps, by_time))

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.fraction >= 1.0

    @property
    def expected_steps(self) -> int:
        """Steps of the whole training, extrapolated where time is the limit."""
        return max(self.step, round(self.step / self.fraction)) if self.fraction else self.training.max_steps

    def advance(self) -> None:
        """One optimiser step, and a look at the averaged weights when one is due."""
        start, before, due = time.monotonic(), self.elapsed, math.ceil(self.fraction * N_VALIDATIONS)
        seed = self._seed_of(self.step)
        factor = rate_factor(self.training, step=self.step, fraction=self.fraction)
        total = self.expected_steps * mean_factor(self.training)
        self.optimise(self.step, self._batch(), seed=seed, factor=factor, total=total)
        self.ema.update(self.module, self.step)
        self.step += 1
        self.elapsed = before + time.monotonic() - start  # where minutes are the limit, they say whether a look is due
        if math.ceil(self.fraction * N_VALIDATIONS) > due:
            self._validate()
            self.elapsed = before + time.monotonic() - start

    def _seed_of(self, number: int) -> int:
        # splitmix-like spread, so that neighbouring seeds and steps share nothing
        return (self.seed * 0x9E3779B97F4A7C15 + number + 1) % 2**63

    def _batch(self) -> Tensor:
        """Indices of this step's stays: permutations of all of them, one after another."""
        n = len(self.data.labels)
        first = self.step * self.batch_size
        epochs = range(first // n, (first + self.batch_size - 1) // n + 1)
        self._orders = {epoch: self._orders[epoch] if epoch in self._orders else self._order(epoch) for epoch in epochs}
        offset = first % n
        return torch.cat(list(self._orders.values()))[offset : offset + self.batch_size]

    def _order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(self._seed_of(-2 - epoch))
        return torch.randperm(len(self.data.labels), generator=generator).to(self.device)

    @torch.no_grad()
    def _validate(self) -> None:
        self.optimise.check()
        self.ema.copy_to(self.averaged)
        generator = torch.Generator(self.device).manual_seed(self.seed)
        loss = float(self.objective.loss(self.averaged, self.validation, generator=generator))
        if not math.isfinite(loss):
            raise NonFiniteLoss(self.step)
        self.history.append((self.step, loss))
        if loss < self.best_loss or not self.best_step:
            self.best_loss, self.best_step = loss, self.step
            self.best = {name: value.clone() for name, value in self.ema.state().items()}

    def result(self) -> Fitted[Module]:
        """The best averaged weights on the CPU, and the summary."""
        if not self.history or self.history[-1][0] != self.step:
            self._validate()
        self.averaged.load_state_dict(self.best)
        summary = TrainingSummary(
            steps=self.step,
            seconds=self.elapsed,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            validation_loss=self.best_loss,
            best_step=self.best_step,
            device=self.device.type,
            precision=str(self.dtype).removeprefix("torch."),
            history=tuple(self.history),
        )
        self.averaged.compute_dtype = torch.float32
        return Fitted(self.averaged.cpu().eval(), summary)

    def save(self, path: Path, files: Files = PLAIN) -> None:
        """Write all that a later run needs to go on from here."""
        self.optimise.check()
        adam = self.optimise.optimiser.state
        tensors = {f"best/{name}": value for name, value in self.best.items()}
        for name, value in self.module.named_parameters():
            tensors |= {f"value/{name}": value.detach(), f"average/{name}": self.ema.averages[name]}
            tensors |= {f"{key}/{name}": moment for key, moment in adam.get(value, {}).items()}
        progress = TrainingProgress(
            step=self.step,
            elapsed=self.elapsed,
            best_loss=self.best_loss,
            best_step=self.best_step,
            history=self.history,
            bfloat16=self.dtype == torch.bfloat16,
        )
        write_checkpoint(path, tensors, progress, fingerprint=self.fingerprint, files=files)

    def restore(self, path: Path, files: Files = PLAIN) -> None:
        """Go on from what `save` wrote; CheckpointError if it is damaged or belongs to another training."""
        tensors, progress = read_checkpoint(path, fingerprint=self.fingerprint, device=self.device, files=files)
        self._restore_tensors(tensors)
        self.step, self.elapsed = progress.step, progress.elapsed
        self._compute_in(torch.bfloat16 if progress.bfloat16 else torch.float32)
        self.best_loss, self.best_step = progress.best_loss, progress.best_step
        self.history = progress.history

    @torch.no_grad()
    def _restore_tensors(self, tensors: dict[str, Tensor]) -> None:
        for name, value in self.module.named_parameters():
            value.copy_(tensors[f"value/{name}"])
            self.ema.averages[name] = tensors[f"average/{name}"]
            self.best[name] = tensors[f"best/{name}"]
            moments = {key: tensors.get(f"{key}/{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if moments["exp_avg"] is not None:
                self.optimise.optimiser.state[value] = moments
