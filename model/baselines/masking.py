"""Mask diffusion of categories beside our own diffusion of numbers: what is learned.

A category is hidden with probability t and else left as it is: `alpha_t = 1 - t`, the log-linear schedule of MDLM
(Sahoo et al. 2024, section 3) that TabDiff (Shi et al. 2025) uses for tables with times in [0, 1]. Numbers, network,
labels and their guidance are those of CDMT-EHR; the code of a hidden category is -1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from model.diffusion.denoiser import (
    RHO_NUMERICAL,
    SIGMA_MAX_NUMERICAL,
    SIGMA_MIN,
    Denoised,
    DenoiserNetwork,
    Dimensions,
    start_at_marginals,
)
from model.diffusion.embedding import CategoryEmbedding
from model.diffusion.guidance import one_hot_labels
from model.diffusion.loss import Loss, low_discrepancy_times, weighted_mean
from model.diffusion.precision import MixedPrecision
from model.diffusion.precond import c_in, c_out, c_skip
from model.diffusion.schedule import PowerMeanSchedule
from model.objective import Batch, ParameterGroup
from model.spec.config import NetworkConfig, TrainingConfig

MASK = -1
T_MIN = 1e-3  # below, hardly anything is hidden, and its weight 1 / t would be as rare as large


class MaskDenoiser(MixedPrecision):
    """Values at noise level sigma and partly hidden categories -> clean values and logits; the network is our own."""

    def __init__(
        self, dimensions: Dimensions, config: NetworkConfig, training: TrainingConfig, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.dimensions = dimensions
        self.embedding = CategoryEmbedding(dimensions.channel_sizes, dim=config.embedding_dim, generator=generator)
        self.network = DenoiserNetwork(dimensions, config, n_categories=self.embedding.mask.shape[1])
        self.schedule = PowerMeanSchedule(
            sequence_length=dimensions.sequence_length,
            n_features=dimensions.n_numerical,
            sigma_min=SIGMA_MIN,
            sigma_max=SIGMA_MAX_NUMERICAL,
            rho=RHO_NUMERICAL,
            learnable=training.noise_schedule == "learnable",
            rho_range=training.rho_range,
        )

    def forward(self, x: Tensor, sigma: Tensor, codes: Tensor, t: Tensor, label: Tensor) -> Denoised:
        """X and sigma (B, L, M_n), codes (B, L, M_c), t (B,), label (B, K). A hidden category enters as zeros."""
        n_categories = self.embedding.mask.shape[1]
        shown = (codes[..., None] == torch.arange(n_categories, device=codes.device)).to(x.dtype)
        inputs = torch.cat([c_in(sigma) * x, self.embedding.interpolate(shown).flatten(2)], dim=-1)
        with self.products(x.device):
            output, logits = self.network(inputs, t, label)
        values = c_skip(sigma) * x + c_out(sigma) * output.float()
        return Denoised(values, logits.float().masked_fill(~self.embedding.mask, -torch.inf))


def masked(codes: Tensor, t: Tensor, uniform: Tensor) -> Tensor:
    """Codes (B, L, M_c) with each hidden where uniform (B, L, M_c) < t (B,)."""
    return codes.masked_fill(uniform < t[:, None, None], MASK)


def mask_loss(logits: Tensor, codes: Tensor, codes_t: Tensor, t: Tensor) -> Tensor:
    """Mean over all positions of the cross-entropy at hidden ones, times 1 / t.

    That is the bound of -log p in nats per position, in continuous time (Sahoo et al. 2024, section 3).
    """
    cross_entropy = functional.cross_entropy(logits.flatten(0, 2), codes.flatten(), reduction="none")
    weights = (codes_t == MASK) / t[:, None, None]
    return (cross_entropy.reshape(codes.shape) * weights).sum() / max(codes.numel(), 1)


@dataclass(frozen=True)
class MaskDenoising:
    """The objective: ours for the numbers, the bound of mask diffusion for the categories, both with weight 1."""

    network: NetworkConfig
    training: TrainingConfig

    def build(self, dimensions: Dimensions, log_marginals: Tensor, *, generator: torch.Generator) -> MaskDenoiser:
        """See `Objective`."""
        denoiser = MaskDenoiser(dimensions, self.network, self.training, generator=generator)
        start_at_marginals(denoiser.network.outputs, log_marginals)
        return denoiser

    def loss(self, module: MaskDenoiser, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """See `Objective`."""
        device, (numerical, codes, labels, observed) = generator.device, batch
        t = low_discrepancy_times(len(codes), generator).clamp(min=T_MIN)
        noise = torch.randn(numerical.shape, generator=generator, device=device)
        uniform = torch.rand(codes.shape, generator=generator, device=device)
        sigma, codes_t = module.schedule(t), masked(codes, t, uniform)
        label = one_hot_labels(labels, module.dimensions.label_sizes)
        denoised = module(numerical + sigma * noise, sigma, codes_t, t, label)
        error = ((denoised.numerical - numerical) / c_out(sigma)).square()
        weight = observed.float() if self.training.numerical_loss == "observed" else None
        loss = Loss(weighted_mean(error, weight), mask_loss(denoised.logits, codes, codes_t, t))
        return loss.total(categorical_weight=1.0)

    def parameter_groups(self, module: MaskDenoiser) -> list[ParameterGroup]:
        """See `Objective`."""
        schedule = [value for value in module.schedule.parameters() if value.requires_grad]
        return [
            {"params": [*module.embedding.parameters(), *module.network.parameters()], "factor": 1.0},
            {
                "params": schedule,
                "factor": self.training.schedule_learning_rate,
                "travel": self.training.schedule_travel,
            },
        ]
