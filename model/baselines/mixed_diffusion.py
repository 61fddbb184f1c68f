"""The mixed sequence diffusion of TimeDiff: its network with both diffusions, its loss, its sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from model.baselines.backbone import Backbone, BackboneNetwork
from model.baselines.drawing import AfterStep
from model.baselines.gaussian import denoising_step, noised
from model.baselines.multinomial import LOG_ZERO, MultinomialDiffusion
from model.baselines.schedule import LinearSchedule
from model.diffusion.denoiser import Dimensions, start_at_marginals
from model.diffusion.loss import low_discrepancy_times
from model.diffusion.precision import MixedPrecision
from model.objective import Batch, ParameterGroup


class TimeDiffLoss(NamedTuple):
    """Mean squared error of eps, and nats per position of a channel; zero where there are none."""

    numerical: Tensor
    categorical: Tensor


class TimeDiffDenoiser(MixedPrecision):
    """The noise of the values, and what the clean categories are, from both of them noised to step t."""

    def __init__(self, dimensions: Dimensions, settings: MixedDiffusion) -> None:
        super().__init__()
        self.n_numerical, self.sequence_length = dimensions.n_numerical, dimensions.sequence_length
        self.schedule = LinearSchedule(settings.n_steps)
        self.categories = MultinomialDiffusion(self.schedule, dimensions.channel_sizes)
        size = self.n_numerical + self.categories.log_uniform.numel()
        self.network = BackboneNetwork(
            settings.backbone,
            n_inputs=size,
            n_outputs=size,
            hidden_dim=settings.hidden_dim,
            n_layers=settings.n_layers,
            length=dimensions.sequence_length,
        )

    def forward(self, x: Tensor, codes: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """X (B, L, M_n), codes (B, L, M_c), steps t (B,) -> eps (B, L, M_n), log z^_0 (B, L, M_c, C)."""
        one_hot = self.categories.one_hot(codes)
        with self.products(x.device):
            output = self.network(torch.cat([x, one_hot.flatten(2)], dim=-1), t / self.schedule.n_steps).float()
        logits = output[..., self.n_numerical :].reshape(one_hot.shape)
        log_z_0 = logits.masked_fill(self.categories.log_uniform == LOG_ZERO, LOG_ZERO).log_softmax(-1)
        return output[..., : self.n_numerical], log_z_0.clamp(min=LOG_ZERO)


@dataclass(frozen=True)
class MixedDiffusion:
    """The objective of TimeDiff: `L_N + categorical_weight L_C`."""

    backbone: Backbone
    hidden_dim: int
    n_layers: int
    n_steps: int
    categorical_weight: float

    def build(self, dimensions: Dimensions, log_marginals: Tensor, *, generator: torch.Generator) -> TimeDiffDenoiser:  # noqa: ARG002  (torch's layers draw from the default one)
        """See `Objective`."""
        denoiser = TimeDiffDenoiser(dimensions, self)
        start_at_marginals(denoiser.network.outputs, log_marginals)
        return denoiser

    def loss(self, module: TimeDiffDenoiser, batch: Batch, *, generator: torch.Generator) -> Tensor:
        """See `Objective`."""
        numerical, categorical = self.losses(module, batch, generator=generator)
        return numerical + self.categorical_weight * categorical

    def losses(self, module: TimeDiffDenoiser, batch: Batch, *, generator: torch.Generator) -> TimeDiffLoss:
        """Both terms: `|eps - eps^|^2` (Ho et al. 2020, eq. 14), `T KL_t` (Hoogeboom et al. 2021, section 4)."""
        device, n_steps = generator.device, self.n_steps
        t = 1 + (n_steps * low_discrepancy_times(len(batch.codes), generator)).long().clamp(max=n_steps - 1)
        noise = torch.randn(batch.numerical.shape, generator=generator, device=device)
        uniform = torch.rand(batch.codes.shape, generator=generator, device=device)
        codes_t = module.categories.noised(batch.codes, t, uniform)
        eps, log_z_0 = module(noised(module.schedule, batch.numerical, t, noise), codes_t, t)
        divergence = n_steps * module.categories.divergence(log_z_0, batch.codes, codes_t, t)
        return TimeDiffLoss((eps - noise).square().sum() / max(eps.numel(), 1), divergence.mean())

    def parameter_groups(self, module: TimeDiffDenoiser) -> list[ParameterGroup]:
        """See `Objective`."""
        return [{"params": list(module.parameters()), "factor": 1.0}]


@torch.no_grad()
def sample_states(
    denoiser: TimeDiffDenoiser, n: int, *, generator: torch.Generator, after_step: AfterStep
) -> tuple[Tensor, Tensor]:
    """X (n, L, M_n) and codes (n, L, M_c) by ancestral sampling of both from t = T to 1 (Ho et al., algorithm 2)."""
    device, categories, n_steps = generator.device, denoiser.categories, denoiser.schedule.n_steps
    shape = (n, denoiser.sequence_length, denoiser.n_numerical)
    uniform_shape = (n, denoiser.sequence_length, len(categories.sizes))
    x = torch.randn(shape, generator=generator, device=device)
    uniform = torch.rand(uniform_shape, generator=generator, device=device)
    codes = categories.draw(categories.log_uniform.expand(*uniform_shape, -1), uniform)
    for t in range(n_steps, 0, -1):
        times = torch.full((n,), t, device=device)
        eps, log_z_0 = denoiser(x, codes, times)
        noise = torch.randn(shape, generator=generator, device=device)
        uniform = torch.rand(uniform_shape, generator=generator, device=device)
        x = denoising_step(denoiser.schedule, x, eps, t, noise)
        codes = categories.draw(categories.log_posterior(log_z_0, codes, times), uniform)
        after_step((n_steps - t + 1) / n_steps)
    return x, codes
