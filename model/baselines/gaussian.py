"""Denoising diffusion of numbers in discrete steps (Ho et al. 2020). The network predicts the noise, eps.

x (B, L, M); t (B,) from 1 to T; alpha_t = 1 - beta_t, alpha_bar_t their product up to t.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.baselines.schedule import LinearSchedule


def noised(schedule: LinearSchedule, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """`x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps` (eq. 4)."""
    log_alpha_bar = schedule.log_alpha_bar[t][:, None, None]
    keep, spread = torch.exp(log_alpha_bar / 2), torch.sqrt(-torch.expm1(log_alpha_bar))
    return keep.to(x_0.dtype) * x_0 + spread.to(x_0.dtype) * noise


def denoising_step(schedule: LinearSchedule, x: Tensor, eps: Tensor, t: int, noise: Tensor) -> Tensor:
    """x_(t-1) from x_t and the predicted eps (algorithm 2), with the posterior variance of eq. 7: none at t = 1.

    `x_(t-1) = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps) / sqrt(alpha_t) + sqrt(v_t) z`,
    `v_t = beta_t (1 - alpha_bar_(t-1)) / (1 - alpha_bar_t)`.
    """
    beta = -torch.expm1(schedule.log_alpha[t])
    spread = -torch.expm1(schedule.log_alpha_bar[t])
    variance = beta * -torch.expm1(schedule.log_alpha_bar[t - 1]) / spread
    rescale = torch.exp(-schedule.log_alpha[t] / 2)
    weights = [w.to(x.dtype) for w in (rescale, rescale * beta * spread.rsqrt(), variance.sqrt())]
    return weights[0] * x - weights[1] * eps + weights[2] * noise
