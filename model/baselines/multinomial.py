"""Multinomial diffusion of categories (Hoogeboom et al. 2021, section 4), in log space.

Codes (B, L, M); log probabilities (B, L, M, C) with the floor -70 in place of log 0, also in the padding of channels
with fewer than C categories; t (B,) from 1 to T. K_j: categories of channel j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.baselines.categories import draw_codes
from model.baselines.schedule import LinearSchedule

LOG_ZERO = -70.0  # exp of it still is a normal number in float32


class MultinomialDiffusion(nn.Module):
    """Keeps a category with probability alpha_t at each step, and else draws one of the K_j uniformly."""

    log_uniform: Tensor
    sizes: Tensor

    def __init__(self, schedule: LinearSchedule, sizes: Sequence[int]) -> None:
        super().__init__()
        self.schedule = schedule
        log_uniform = torch.full((len(sizes), max(sizes)), LOG_ZERO)
        for j, size in enumerate(sizes):
            log_uniform[j, :size] = -math.log(size)
        self.register_buffer("log_uniform", log_uniform, persistent=False)
        self.register_buffer("sizes", torch.tensor(sizes), persistent=False)

    def log_one_hot(self, codes: Tensor) -> Tensor:
        """Certainty of `codes`."""
        return LOG_ZERO * (1.0 - self.one_hot(codes))

    def one_hot(self, codes: Tensor) -> Tensor:
        """(B, L, M, C) ones at `codes`."""
        return functional.one_hot(codes, self.log_uniform.shape[1]).to(self.log_uniform.dtype)

    def noised(self, codes: Tensor, t: Tensor, uniform: Tensor) -> Tensor:
        """Codes from `q(z_t | z_0) = Cat(alpha_bar_t z_0 + (1 - alpha_bar_t) / K)`; uniform (B, L, M)."""
        return self.draw(self._mixed(self.log_one_hot(codes), self.schedule.log_alpha_bar[t]), uniform)

    def draw(self, log_p: Tensor, uniform: Tensor) -> Tensor:
        """Codes from log probabilities by uniform numbers (B, L, M)."""
        return draw_codes(log_p, uniform, self.sizes)

    def log_posterior(self, log_z_0: Tensor, codes_t: Tensor, t: Tensor) -> Tensor:
        """`log q(z_(t-1) | z_t, z_0)` with a distribution for z_0, at each of (B,) times t.

        `[alpha_t z_t + (1 - alpha_t) / K] * [alpha_bar_(t-1) z_0 + (1 - alpha_bar_(t-1)) / K]`, normalised.
        """
        likelihood = self._mixed(self.log_one_hot(codes_t), self.schedule.log_alpha[t])
        prior = self._mixed(log_z_0, self.schedule.log_alpha_bar[t - 1])
        return functional.log_softmax(likelihood + prior, dim=-1)

    def divergence(self, log_z_0: Tensor, codes: Tensor, codes_t: Tensor, t: Tensor) -> Tensor:
        """(B, L, M) `KL(q(z_(t-1) | z_t, z_0) || q(z_(t-1) | z_t, z^_0))`: nats, for a predicted log z^_0.

        At t = 1 it is `-log p(z_0 | z_1)`.
        """
        truth = self.log_posterior(self.log_one_hot(codes), codes_t, t)
        return (truth.exp() * (truth - self.log_posterior(log_z_0, codes_t, t))).sum(-1)

    def _mixed(self, log_z: Tensor, log_keep: Tensor) -> Tensor:
        """`log(keep z + (1 - keep) / K)` with log_keep (B,)."""
        log_lose = torch.log(-torch.expm1(log_keep)).clamp(min=LOG_ZERO)
        keep, lose = (value.to(log_z.dtype)[:, None, None, None] for value in (log_keep, log_lose))
        return torch.logaddexp(keep + log_z, lose + self.log_uniform)
