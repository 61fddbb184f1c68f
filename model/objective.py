"""What a training minimises: a module to fit and its loss. The loop around it is that of `model.training_run`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, NotRequired, Protocol, TypedDict, TypeVar

import torch
from torch import Tensor, nn

from model.diffusion.denoiser import Denoiser, Dimensions, start_at_marginals
from model.diffusion.guidance import one_hot_labels
from model.diffusion.loss import diffusion_loss, low_discrepancy_times, towards_the_middle
from model.diffusion.precision import MixedPrecision
from model.spec.config import NetworkConfig, TrainingConfig

Module = TypeVar("Module", bound=MixedPrecision)


class Batch(NamedTuple):
    """Clean stays: numerical (B, L, M_n), codes (B, L, M_c), labels (B, K) with -1 = not given.

    observed (B, L, M_n) is False where a number was filled in.
    """

    numerical: Tensor
    codes: Tensor
    labels: Tensor
    observed: Tensor


class ParameterGroup(TypedDict):
    """Parameters that share a multiple of the learning rate, and perhaps how far each may move over a training."""

    params: list[nn.Parameter]
    factor: float
    travel: NotRequired[float]


class Objective(Protocol[Module]):
    """A way to learn from stays. Its `repr` holds all its settings: a checkpoint is bound to it."""

    def build(self, dimensions: Dimensions, log_marginals: Tensor, *, generator: torch.Generator) -> Module:
        """The module before training, on the CPU; log_marginals (M_c, C) are those of the training stays.

        The default generator of torch is seeded, too, for the initial values that torch's own layers draw.
        """

    def loss(self, module: Module, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """The mean loss of a batch; all randomness comes from `generator`, which is on the device of the batch.

        On a GPU its kernels are captured: no value of a tensor may be looked at.
        """

    def parameter_groups(self, module: Module) -> list[ParameterGroup]:
        """All that training changes."""


@dataclass(frozen=True)
class Denoising:
    """The objective of CDMT-EHR: algorithm 1."""

    network: NetworkConfig
    training: TrainingConfig

    def build(self, dimensions: Dimensions, log_marginals: Tensor, *, generator: torch.Generator) -> Denoiser:
        """See `Objective`."""
        denoiser = Denoiser(
            dimensions,
            self.network,
            learnable_schedule=self.training.noise_schedule == "learnable",
            rho_range=self.training.rho_range,
            generator=generator,
        )
        start_at_marginals(denoiser.network.outputs, log_marginals)
        return denoiser

    def loss(self, module: Denoiser, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """See `Objective`."""
        t = low_discrepancy_times(len(batch.codes), generator)
        t = towards_the_middle(t) if self.training.times == "middle" else t
        shape = (*batch.codes.shape[:2], module.state_dim)
        noise = torch.randn(shape, generator=generator, device=generator.device)
        label = one_hot_labels(batch.labels, module.dimensions.label_sizes)
        weight = batch.observed.float() if self.training.numerical_loss == "observed" else None
        loss = diffusion_loss(module, batch.numerical, batch.codes, label=label, t=t, noise=noise, weight=weight)
        return loss.total(categorical_weight=self.training.categorical_weight)

    def parameter_groups(self, module: Denoiser) -> list[ParameterGroup]:
        """See `Objective`."""
        schedules = [*module.numerical_schedule.parameters(), *module.embedding_schedule.parameters()]
        return [
            {"params": [*module.embedding.parameters(), *module.network.parameters()], "factor": 1.0},
            {
                "params": [value for value in schedules if value.requires_grad],
                "factor": self.training.schedule_learning_rate,
                "travel": self.training.schedule_travel,
            },
        ]


def log_marginals_of(codes: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """(M_c, C) log frequency of each category in the training stays; a category never seen counts one half."""
    marginals = torch.zeros(len(sizes), max(sizes))
    for j, size in enumerate(sizes):
        counts = torch.bincount(codes[..., j].flatten(), minlength=size).float().clamp(min=0.5)
        marginals[j, :size] = (counts / counts.sum()).log()
    return marginals
