"""The sum of clipped gradients, one per stay (Abadi et al. 2016, algorithm 1), of all that a denoiser learns.

Opacus computes gradients per stay in hooks of layers, which do not see parameters that are used outside of a layer's
call, such as embeddings and noise schedules; `torch.func` differentiates the loss of each stay with regard to all.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from model.diffusion.denoiser import Denoiser
from model.diffusion.guidance import one_hot_labels
from model.diffusion.loss import diffusion_loss, towards_the_middle
from model.diffusion.per_stay import per_stay_gru
from model.objective import Batch
from model.spec.config import TrainingConfig
from model.training_step import drop_labels

NUMBERS_AT_ONCE = 32_000_000
"""Of gradients that are held in memory: 128 MB."""


class Noised(NamedTuple):
    """Clean stays, and the noise and time that are drawn for each, apart from all others'."""

    numerical: Tensor
    codes: Tensor
    label: Tensor
    t: Tensor
    noise: Tensor
    weight: Tensor


class StayLoss(nn.Module):
    """The loss of one stay, by the network that others train, but with the recurrence that knows stays apart."""

    def __init__(self, denoiser: Denoiser, training: TrainingConfig) -> None:
        super().__init__()
        self.denoiser, self.training_config = denoiser, training

    def forward(self, stay: Noised) -> Tensor:
        """Without the dimension of a batch -> ()."""
        one = Noised(*(tensor[None] for tensor in stay))
        weight = one.weight if self.training_config.numerical_loss == "observed" else None
        loss = diffusion_loss(
            self.denoiser, one.numerical, one.codes, label=one.label, t=one.t, noise=one.noise, weight=weight
        )
        return loss.total(categorical_weight=self.training_config.categorical_weight)


class ClippedSum:
    """Sums over stays of the gradients of `denoiser`, each scaled down to a norm of `max_norm`.

    A gradient that is not finite counts as 0: to stop would tell of the stay.
    """

    def __init__(self, denoiser: Denoiser, training: TrainingConfig, *, max_norm: float) -> None:
        self.denoiser, self.training, self.max_norm = denoiser, training, max_norm
        self.learned = {name: value for name, value in denoiser.named_parameters() if value.requires_grad}
        self._loss = StayLoss(_per_stay(denoiser), training)
        self._gradients = vmap(grad(self._loss_of), in_dims=(None, 0))
        self.at_once = max(1, NUMBERS_AT_ONCE // sum(value.numel() for value in self.learned.values()))

    def __call__(self, batch: Batch, *, generator: torch.Generator) -> dict[str, Tensor]:
        """By parameter name; of no stays, zeros."""
        total = {name: torch.zeros_like(value) for name, value in self.learned.items()}
        if not len(batch.codes):
            return total
        for part in zip(*(torch.split(tensor, self.at_once) for tensor in batch), strict=True):
            for name, clipped in self._clipped(self.noised(Batch(*part), generator)).items():
                total[name] += clipped
        return total

    def noised(self, batch: Batch, generator: torch.Generator) -> Noised:
        """Times, noise and dropped labels drawn for each stay on its own: none depends on who else is in the batch."""
        n, device = len(batch.codes), generator.device
        t = torch.rand(n, generator=generator, device=device)
        shape = (*batch.codes.shape[:2], self.denoiser.state_dim)
        labels = drop_labels(batch.labels, self.training.label_dropout, generator)
        return Noised(
            numerical=batch.numerical,
            codes=batch.codes,
            label=one_hot_labels(labels, self.denoiser.dimensions.label_sizes),
            t=towards_the_middle(t) if self.training.times == "middle" else t,
            noise=torch.randn(shape, generator=generator, device=device),
            weight=batch.observed.float(),
        )

    def of_each(self, stays: Noised) -> dict[str, Tensor]:
        """Gradients (B, ...) by parameter name, not clipped."""
        values = {name: value.detach() for name, value in self.learned.items()}
        gradients: dict[str, Tensor] = self._gradients(values, stays)
        return gradients

    def _clipped(self, stays: Noised) -> dict[str, Tensor]:
        gradients = self.of_each(stays)
        rows = {name: gradient.reshape(len(gradient), -1) for name, gradient in gradients.items()}
        norms = torch.stack([torch.linalg.vector_norm(each, dim=1) for each in rows.values()]).norm(dim=0)
        factors = (self.max_norm / (norms + 1e-6)).clamp(max=1)
        if not norms.isfinite().all():
            factors = factors.masked_fill(~norms.isfinite(), 0)
            rows = {name: each.nan_to_num(0, 0, 0) for name, each in rows.items()}
        return {name: (factors @ each).view_as(self.learned[name]) for name, each in rows.items()}

    def _loss_of(self, values: dict[str, Tensor], stay: Noised) -> Tensor:
        named = {f"denoiser.{name}": value for name, value in values.items()}
        loss: Tensor = functional_call(self._loss, named, (stay,))
        return loss


def _per_stay(denoiser: Denoiser) -> Denoiser:
    """Its structure with another recurrence; the values of its parameters are handed in."""
    twin = copy.deepcopy(denoiser).requires_grad_(False)
    twin.compute_dtype = torch.float32
    for layer in twin.network.gru_layers:
        layer.recurrence = per_stay_gru
    return twin
