"""Power-mean noise schedules with a factorised, learnable exponent."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

RHO_RANGE = (2.0, 15.0)


def power_mean_sigma(t: Tensor, rho: Tensor, *, sigma_min: float, sigma_max: float) -> Tensor:
    """Noise level at diffusion time t (CDMT-EHR, eq. of the power-mean schedule; Karras et al. 2022, eq. 5).

    `sigma_rho(t) = ((1 - t) sigma_min^(1/rho) + t sigma_max^(1/rho))^rho`, computed in log space, since the plain form
    overflows float32 for small rho. `t` in [0, 1] and `rho` > 0 broadcast against each other.
    """
    low = torch.log1p(-t) + math.log(sigma_min) / rho
    high = torch.log(t) + math.log(sigma_max) / rho
    return torch.exp(rho * torch.logaddexp(low, high))


class PowerMeanSchedule(nn.Module):
    """sigma(t) for every clinical time step and feature: rho = rho_global + rho_feature + rho_step, in `rho_range`.

    1 + M + L parameters in place of L x M. The sum is clamped because the gradient of the cross-entropy drives it one
    way only: more noise early in t always makes the loss smaller. It begins at `rho`, or at the bound next to it:
    beyond the bounds it would have no gradient, and stay there.
    """

    def __init__(
        self,
        *,
        sequence_length: int,
        n_features: int,
        sigma_min: float,
        sigma_max: float,
        rho: float,
        learnable: bool,
        rho_range: tuple[float, float] = RHO_RANGE,
    ) -> None:
        super().__init__()
        self.sigma_min, self.sigma_max, self.rho_range = sigma_min, sigma_max, rho_range
        self.rho_global = nn.Parameter(torch.tensor(rho).clamp(*rho_range), requires_grad=learnable)
        self.rho_feature = nn.Parameter(torch.zeros(n_features), requires_grad=learnable)
        self.rho_step = nn.Parameter(torch.zeros(sequence_length), requires_grad=learnable)

    def rho(self) -> Tensor:
        """Exponents, (L, M)."""
        total = self.rho_global + self.rho_step[:, None] + self.rho_feature[None, :]
        return total.clamp(*self.rho_range)

    def forward(self, t: Tensor) -> Tensor:
        """(B,) diffusion times -> (B, L, M) noise levels."""
        return power_mean_sigma(t[:, None, None], self.rho(), sigma_min=self.sigma_min, sigma_max=self.sigma_max)
