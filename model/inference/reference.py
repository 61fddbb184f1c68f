"""The network as it was trained: torch's own GRU in float32, the truth for all other engines."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from model.diffusion.denoiser import DenoiserNetwork


@dataclass(frozen=True)
class Reference:
    """Calls the network, with the branches as rows of one batch."""

    network: DenoiserNetwork
    name: str = "reference"

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Engine`."""
        n_branches, n_stays = labels.shape[:2]
        rows = n_branches * n_stays
        output, logits = self.network(scaled.repeat(n_branches, 1, 1), t.expand(rows), labels.flatten(0, 1))
        return output.unflatten(0, (n_branches, n_stays)), logits.unflatten(0, (n_branches, n_stays))
