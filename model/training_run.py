"""One training, optimiser step by optimiser step."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from model.compute import Compute
from model.data.codec import Codec, Encoded
from model.diffusion.denoiser import Denoiser, Dimensions
from model.diffusion.ema import EMA
from model.diffusion.guidance import one_hot_labels
from model.diffusion.loss import diffusion_loss, low_discrepancy_times
from model.files import write_tensors
from model.spec.base import Spec
from model.spec.config import NetworkConfig, TrainingConfig
from model.spec.errors import CheckpointError, NonFiniteLoss

SCHEDULE_LEARNING_RATE = 0.1  # of the learning rate: at the full rate the exponents drift to their bounds
WARMUP_STEPS = 100
GRADIENT_NORM = 1.0
VALIDATION_FRACTION, MAX_VALIDATION = 0.05, 1024
N_VALIDATIONS = 40  # looks at the averaged weights over a whole training


class TrainingSummary(Spec):
    """What became of a training. `history` holds (step, validation loss of the averaged weights)."""

    steps: int
    seconds: float
    batch_size: int
    learning_rate: float
    validation_loss: float
    best_step: int
    device: str
    precision: str
    history: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Trained:
    """A denoiser with the best averaged weights, on the CPU, and how it came about."""

    denoiser: Denoiser
    summary: TrainingSummary


def dimensions_of(codec: Codec, sequence_length: int) -> Dimensions:
    """The sizes of a network for the data that `codec` describes."""
    return Dimensions(
        sequence_length=sequence_length,
        n_numerical=len(codec.schema.numerical),
        channel_sizes=tuple(len(channel.categories) for channel in codec.categorical_channels),
        label_sizes=tuple(len(label.categories) for label in codec.schema.labels),
    )


def drop_labels(codes: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """(B, K) label codes with -1, "not given", put in: whole stays at `probability`, and single labels likewise.

    Whole stays train the unconditional branch; single labels (only where there are several) let a sampler condition
    on part of them.
    """
    dropped = torch.rand(len(codes), 1, generator=generator) < probability
    if codes.shape[1] > 1:
        dropped = dropped | (torch.rand(codes.shape, generator=generator) < probability)
    return codes.masked_fill(dropped.to(codes.device), -1)


class TrainingRun:
    """The state of one training between optimiser steps.

    All randomness of a step comes from (seed, step), so a resumed training continues as the uninterrupted one would.
    """

    def __init__(
        self,
        stays: Encoded,
        codec: Codec,
        *,
        network: NetworkConfig,
        training: TrainingConfig,
        seed: int,
        compute: Compute,
    ) -> None:
        self.training, self.seed, self.dtype = training, seed, compute.training_dtype()
        self.device = compute.torch_device()
        self.batch_size = training.batch_size or compute.training_batch_size()
        self.learning_rate = training.learning_rate or compute.training_learning_rate()
        self._load_data(stays)
        self._build(dimensions_of(codec, stays.numerical.shape[1]), network)
        self.fingerprint = _fingerprint(stays, network, training, seed)
        self.step, self.elapsed = 0, 0.0
        self.best_loss, self.best_step = math.inf, 0
        self.history: list[tuple[int, float]] = []

    def _load_data(self, stays: Encoded) -> None:
        n = len(stays.labels)
        order = torch.randperm(n, generator=torch.Generator().manual_seed(self.seed))
        n_validation = min(MAX_VALIDATION, int(VALIDATION_FRACTION * n))
        data = tuple(
            torch.as_tensor(array).to(self.device) for array in (stays.numerical, stays.categorical, stays.labels)
        )
        fitted, validation = order[n_validation:], order[:n_validation] if n_validation else order[:1]
        self.data = tuple(tensor[fitted.to(self.device)] for tensor in data)
        self.validation = tuple(tensor[validation.to(self.device)] for tensor in data)

    def _build(self, dimensions: Dimensions, network: NetworkConfig) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            generator = torch.Generator().manual_seed(self.seed)
            learnable = self.training.noise_schedule == "learnable"
            self.denoiser = Denoiser(dimensions, network, learnable_schedule=learnable, generator=generator)
        self.denoiser.start_at_marginals(_log_marginals(self.data[1].cpu(), dimensions.channel_sizes))
        self.averaged = copy.deepcopy(self.denoiser).requires_grad_(False).to(self.device)
        self._compute_in(self.dtype)
        self.denoiser.to(self.device)
        self.best = {name: value.detach().clone() for name, value in self.denoiser.named_parameters()}
        self.ema = EMA(self.denoiser, decay=self.training.ema_decay)
        self.optimiser = torch.optim.Adam(_parameter_groups(self.denoiser), lr=self.learning_rate, fused=True)

    def _compute_in(self, dtype: torch.dtype) -> None:
        """Operands of the network's products; kept over a restart, where a new measurement might choose otherwise."""
        self.dtype = self.denoiser.compute_dtype = self.averaged.compute_dtype = dtype

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
        start, due = time.monotonic(), math.ceil(self.fraction * N_VALIDATIONS)
        self._set_learning_rate()
        self._optimise()
        self.ema.update(self.denoiser, self.step)
        self.step += 1
        if math.ceil(self.fraction * N_VALIDATIONS) > due:
            self._validate()
        self.elapsed += time.monotonic() - start

    def _set_learning_rate(self) -> None:
        factor = min(1.0, (self.step + 1) / WARMUP_STEPS)
        if self.training.learning_rate_schedule == "cosine":
            factor *= 0.5 * (1 + math.cos(math.pi * self.fraction))
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate * group["factor"] * factor

    def _optimise(self) -> None:
        generator = self._generator(self.step)
        batch = self._batch()
        numerical, codes, labels = (tensor[batch] for tensor in self.data)
        labels = drop_labels(labels, self.training.label_dropout, generator)
        loss = self._loss(self.denoiser, numerical, codes, labels=labels, generator=generator)
        if not loss.isfinite():
            raise NonFiniteLoss(self.step)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), GRADIENT_NORM)
        self.optimiser.step()

    def _loss(
        self, denoiser: Denoiser, numerical: Tensor, codes: Tensor, *, labels: Tensor, generator: torch.Generator
    ) -> Tensor:
        t = low_discrepancy_times(len(codes), generator).to(self.device)
        noise = torch.randn(*codes.shape[:2], denoiser.state_dim, generator=generator).to(self.device)
        label = one_hot_labels(labels, denoiser.dimensions.label_sizes)
        return diffusion_loss(denoiser, numerical, codes, label=label, t=t, noise=noise).total

    def _generator(self, number: int) -> torch.Generator:
        # splitmix-like spread, so that neighbouring seeds and steps share nothing
        return torch.Generator().manual_seed((self.seed * 0x9E3779B97F4A7C15 + number + 1) % 2**63)

    def _batch(self) -> Tensor:
        """Indices of this step's stays: permutations of all of them, one after another."""
        n = len(self.data[2])
        first = self.step * self.batch_size
        epochs = range(first // n, (first + self.batch_size - 1) // n + 1)
        orders = [torch.randperm(n, generator=self._generator(-2 - epoch)) for epoch in epochs]
        offset = first % n
        return torch.cat(orders)[offset : offset + self.batch_size].to(self.device)

    @torch.no_grad()
    def _validate(self) -> None:
        self.ema.copy_to(self.averaged)
        numerical, codes, labels = self.validation
        generator = torch.Generator().manual_seed(self.seed)
        loss = float(self._loss(self.averaged, numerical, codes, labels=labels, generator=generator))
        if not math.isfinite(loss):
            raise NonFiniteLoss(self.step)
        self.history.append((self.step, loss))
        if loss < self.best_loss or not self.best_step:
            self.best_loss, self.best_step = loss, self.step
            self.best = {name: value.clone() for name, value in self.ema.state().items()}

    def result(self) -> Trained:
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
        return Trained(self.averaged.cpu().eval(), summary)

    def save(self, path: Path) -> None:
        """Write all that a later run needs to go on from here."""
        adam = self.optimiser.state
        tensors = {f"best/{name}": value for name, value in self.best.items()}
        for name, value in self.denoiser.named_parameters():
            tensors |= {f"value/{name}": value.detach(), f"average/{name}": self.ema.averages[name]}
            tensors |= {f"{key}/{name}": moment for key, moment in adam.get(value, {}).items()}
        progress = {
            "step": self.step,
            "elapsed": self.elapsed,
            "best_loss": self.best_loss,
            "best_step": self.best_step,
            "history": self.history,
            "bfloat16": self.dtype == torch.bfloat16,
        }
        metadata = {"fingerprint": self.fingerprint, "progress": json.dumps(progress), "sha256": _digest(tensors)}
        write_tensors(path, tensors, metadata)

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote; CheckpointError if it is damaged or belongs to another training."""
        try:
            with safe_open(path, framework="pt", device=str(self.device)) as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
        except Exception as error:
            raise CheckpointError(f"the training checkpoint cannot be read: {type(error).__name__}") from error
        if metadata.get("fingerprint") != self.fingerprint:
            raise CheckpointError("the training checkpoint belongs to another configuration, seed or dataset")
        if metadata.get("sha256") != _digest(tensors):
            raise CheckpointError("the training checkpoint is not what was written")
        self._restore_tensors(tensors)
        progress = json.loads(metadata["progress"])
        self.step, self.elapsed = progress["step"], progress["elapsed"]
        self._compute_in(torch.bfloat16 if progress["bfloat16"] else torch.float32)
        self.best_loss, self.best_step = progress["best_loss"], progress["best_step"]
        self.history = [(step, loss) for step, loss in progress["history"]]

    @torch.no_grad()
    def _restore_tensors(self, tensors: dict[str, Tensor]) -> None:
        for name, value in self.denoiser.named_parameters():
            value.copy_(tensors[f"value/{name}"])
            self.ema.averages[name] = tensors[f"average/{name}"]
            self.best[name] = tensors[f"best/{name}"]
            moments = {key: tensors.get(f"{key}/{name}") for key in ("step", "exp_avg", "exp_avg_sq")}
            if moments["exp_avg"] is not None:
                self.optimiser.state[value] = moments


def _fingerprint(stays: Encoded, network: NetworkConfig, training: TrainingConfig, seed: int) -> str:
    """What must be the same for a training to go on from a checkpoint: the settings and every value of the data."""
    digest = hashlib.sha256(f"{network!r} {training!r} {seed}".encode())
    for array in stays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _parameter_groups(denoiser: Denoiser) -> list[dict[str, object]]:
    schedules = [*denoiser.numerical_schedule.parameters(), *denoiser.embedding_schedule.parameters()]
    others = [*denoiser.embedding.parameters(), *denoiser.network.parameters()]
    return [
        {"params": others, "factor": 1.0},
        {"params": [value for value in schedules if value.requires_grad], "factor": SCHEDULE_LEARNING_RATE},
    ]


def _log_marginals(codes: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """(M_c, C) log frequency of each category in the training stays; a category never seen counts one half."""
    marginals = torch.zeros(len(sizes), max(sizes))
    for j, size in enumerate(sizes):
        counts = torch.bincount(codes[..., j].flatten(), minlength=size).float().clamp(min=0.5)
        marginals[j, :size] = (counts / counts.sum()).log()
    return marginals
