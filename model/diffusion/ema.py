"""Exponential moving average of everything that training learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class EMA:
    """Averaged copies of a module's parameters: `average <- decay average + (1 - decay) value` at every step.

    The decay warms up as `min(decay, (1 + step) / (10 + step))`, so that the random start is soon forgotten.
    """

    def __init__(self, module: nn.Module, *, decay: float) -> None:
        self.decay = decay
        self.averages = {name: value.detach().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take in the values of `module` after optimiser step `step` (counted from 0)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        values = [value.detach() for value in module.parameters()]
        torch._foreach_lerp_(list(self.averages.values()), values, 1 - decay)

    def copy_to(self, module: nn.Module) -> None:
        """Set the parameters of `module` to the averages."""
        module.load_state_dict(self.averages, strict=True)

    def state(self) -> dict[str, Tensor]:
        """The averages by parameter name."""
        return self.averages
