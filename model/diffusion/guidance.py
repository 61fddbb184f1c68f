"""Classifier-free guidance (Ho & Salimans 2022) as a wrapper round the denoiser."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.diffusion.denoiser import Denoised, Denoiser
from model.spec.config import GuidanceScale

Denoise = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(state (B, L, D), sigma (L, D), t ()) -> denoised state (B, L, D)"""


def one_hot_labels(codes: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """(B, K) label codes -> (B, sum of sizes) one-hot vectors side by side; code -1 gives zeros: not conditioned on."""
    vectors = [(codes[:, k, None] == torch.arange(size, device=codes.device)).float() for k, size in enumerate(sizes)]
    return torch.cat(vectors, dim=-1) if vectors else codes.new_zeros((len(codes), 0), dtype=torch.float32)


def guided(denoiser: Denoiser, label: Tensor, *, scale: GuidanceScale) -> Denoise:
    """A denoiser of states that follows `label` (B, K) with strength `scale`.

    scale = 1 + w: 1 is conditional without guidance, 0 unconditional, above 1 exaggerates the label. Values:
    `D = D_0 + scale (D_y - D_0)`; categories: the same on raw logits, before the softmax. Both branches go through
    the network in one call of 2B stays; a branch that would not count is left out.
    """
    if not label.any() or scale.numerical == scale.categorical == 0.0:
        return _branch(denoiser, torch.zeros_like(label))
    if scale.numerical == scale.categorical == 1.0:
        return _branch(denoiser, label)

    def denoise(state: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
        both = _evaluate(denoiser, torch.cat([state, state]), sigma, t, torch.cat([label, torch.zeros_like(label)]))
        (x_1, x_0), (logits_1, logits_0) = both.numerical.chunk(2), both.logits.chunk(2)
        numerical = x_0 + scale.numerical * (x_1 - x_0)
        return denoiser.denoised_state(Denoised(numerical, extrapolate(logits_0, logits_1, scale.categorical)))

    return denoise


def extrapolate(logits_0: Tensor, logits_1: Tensor, scale: float) -> Tensor:
    """`logits_0 + scale (logits_1 - logits_0)`; padding is -inf in both, and stays so."""
    return torch.where(logits_0.isinf(), logits_0, logits_0 + scale * (logits_1 - logits_0))


def _branch(denoiser: Denoiser, label: Tensor) -> Denoise:
    def denoise(state: Tensor, sigma: Tensor, t: Tensor) -> Tensor:
        return denoiser.denoised_state(_evaluate(denoiser, state, sigma, t, label))

    return denoise


def _evaluate(denoiser: Denoiser, state: Tensor, sigma: Tensor, t: Tensor, label: Tensor) -> Denoised:
    denoised: Denoised = denoiser(state, sigma.expand_as(state), t.expand(len(state)), label)
    return denoised
