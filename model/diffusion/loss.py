"""The training loss: weighted squared error of the values plus cross-entropy of the categories."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from model.diffusion.denoiser import Denoiser
from model.diffusion.precond import c_out


class Loss(NamedTuple):
    """Mean loss of the numerical features and of the categorical channels; zero where there are none."""

    numerical: Tensor
    categorical: Tensor

    def total(self, *, categorical_weight: float) -> Tensor:
        """Their sum, with weight 1 for the numbers."""
        return self.numerical + categorical_weight * self.categorical


def low_discrepancy_times(n: int, generator: torch.Generator) -> Tensor:
    """(n,) diffusion times `(u + i/n) mod 1`: evenly spread over [0, 1) from one random offset (Kingma et al. 2021).

    They are on the device of `generator`.
    """
    offset = torch.rand((), generator=generator, device=generator.device)
    return (offset + torch.arange(n, device=generator.device) / n) % 1


MIDDLE, SHARE = (0.1, 0.65), 0.75
"""Where stays take shape: at the first exponents sigma is .02 to 9 there for values, .03 to 16 for embeddings."""


def towards_the_middle(t: Tensor) -> Tensor:
    """Times of which a share of .75 lies in [.1, .65] and the rest anywhere, from evenly spread ones (B,).

    Near t = 1 there is little but the mean to learn, near 0 little but the identity. The inverse of the distribution
    function, which is linear in three pieces.
    """
    low, high = MIDDLE
    at_low, at_high = (1 - SHARE) * low, (1 - SHARE) * high + SHARE
    inside = low + (t - at_low) / (at_high - at_low) * (high - low)
    above = 1 - (1 - t) / (1 - at_high) * (1 - high)
    return torch.where(t < at_low, t / at_low * low, torch.where(t < at_high, inside, above))


def diffusion_loss(
    denoiser: Denoiser,
    numerical: Tensor,
    codes: Tensor,
    *,
    label: Tensor,
    t: Tensor,
    noise: Tensor,
    weight: Tensor | None = None,
) -> Loss:
    """Loss of clean stays noised to time t (CDMT-EHR, algorithm 1).

    numerical (B, L, M_n), codes (B, L, M_c), label (B, K) one-hot or zero, t (B,), noise (B, L, D).
    Numerical: mean of `lambda(sigma) (D - x_0)^2` with `lambda = 1 / c_out^2` (Karras et al. 2022), by `weight`
    (B, L, M_n) if there is one.
    Categorical: mean cross-entropy of softmax(logits) against the true category, at every position.
    """
    sigma = denoiser.sigma(t)
    state = denoiser.pack(numerical, codes) + sigma * noise
    denoised = denoiser(state, sigma, t, label)
    error = (denoised.numerical - numerical) / c_out(sigma[..., : denoiser.dimensions.n_numerical])
    # categories first: on a CPU, torch takes several times as long over a last dimension of two or three
    log_probabilities = denoised.logits.movedim(-1, 0).log_softmax(0).gather(0, codes[None])
    return Loss(weighted_mean(error.square(), weight), -log_probabilities.sum() / max(codes.numel(), 1))


def weighted_mean(values: Tensor, weight: Tensor | None) -> Tensor:
    """Weighted mean; 0 of nothing."""
    if weight is None:
        return values.sum() / max(values.numel(), 1)
    return (weight * values).sum() / weight.sum().clamp(min=1)
