"""Preconditioning of the denoiser (Karras et al. 2022, table 1), elementwise in every clinical step and feature."""

from __future__ import annotations

from torch import Tensor

SIGMA_DATA = 1.0  # values are z-scored and embeddings have unit RMS


def c_skip(sigma: Tensor) -> Tensor:
    """Weight of the noisy input in the denoised value."""
    return SIGMA_DATA**2 / (sigma**2 + SIGMA_DATA**2)


def c_out(sigma: Tensor) -> Tensor:
    """Weight of the network's output in the denoised value."""
    return sigma * SIGMA_DATA / (sigma**2 + SIGMA_DATA**2).sqrt()


def c_in(sigma: Tensor) -> Tensor:
    """Scale that gives the noisy input unit variance."""
    return (sigma**2 + SIGMA_DATA**2).rsqrt()
