"""Modules whose matrix products may be computed in bfloat16."""

from __future__ import annotations

import torch
from torch import nn


class MixedPrecision(nn.Module):
    """A module with operands of its matrix products in `compute_dtype`; parameters and results stay float32."""

    def __init__(self) -> None:
        super().__init__()
        self.compute_dtype = torch.float32

    def products(self, device: torch.device) -> torch.autocast:
        """A context for the network's products on `device`."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.compute_dtype == torch.bfloat16)
