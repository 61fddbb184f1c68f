"""The noise schedule of diffusion in discrete steps, common to numbers and categories."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BETA_FIRST, BETA_LAST, REFERENCE_STEPS = 1e-4, 0.02, 1000
BETA_MAX = 0.999


class LinearSchedule(nn.Module):
    """beta_t from 1e-4 to 0.02 over t = 1..T (Ho et al. 2020, section 4); all tensors (T + 1,), indexed by t.

    With T other than 1000 (at least 10) the betas are scaled by 1000 / T, so that as little of the data is left.
    Index 0 stands for clean data: `alpha_bar_0 = 1`.
    """

    log_alpha: Tensor
    log_alpha_bar: Tensor

    def __init__(self, n_steps: int) -> None:
        super().__init__()
        betas = torch.linspace(BETA_FIRST, BETA_LAST, n_steps, dtype=torch.float64) * (REFERENCE_STEPS / n_steps)
        log_alpha = torch.log1p(-torch.cat([betas.new_zeros(1), betas.clamp(max=BETA_MAX)]))
        self.register_buffer("log_alpha", log_alpha, persistent=False)
        self.register_buffer("log_alpha_bar", log_alpha.cumsum(0), persistent=False)

    @property
    def n_steps(self) -> int:
        """T."""
        return len(self.log_alpha) - 1
