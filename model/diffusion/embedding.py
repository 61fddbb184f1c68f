"""Categories as points on a sphere, so that the same continuous diffusion serves them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class CategoryEmbedding(nn.Module):
    """One learnable table per channel, padded to the largest number of categories C: (M_c, C, d).

    The tables are small, and indexing a table of two rows has a pathological backward pass on a GPU (all atomics fall
    on two rows), so a category enters as one-hot @ table.
    """

    mask: Tensor

    def __init__(self, sizes: Sequence[int], *, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        n_categories = max(sizes, default=1)
        self.weight = nn.Parameter(torch.randn(len(sizes), n_categories, dim, generator=generator))
        mask = torch.arange(n_categories)[None, :] < torch.tensor(sizes, dtype=torch.long)[:, None]
        self.register_buffer("mask", mask, persistent=False)

    @property
    def dim(self) -> int:
        """Coordinates per category, d."""
        return self.weight.shape[-1]

    def table(self) -> Tensor:
        """(M_c, C, d) points of unit RMS per coordinate, zero in the padding: `sqrt(d) e / ||e||`."""
        table: Tensor = self.dim**0.5 * functional.normalize(self.weight, dim=-1)
        return table * self.mask[..., None]

    def embed(self, codes: Tensor) -> Tensor:
        """(B, L, M_c) codes -> (B, L, M_c, d)."""
        one_hot = codes[..., None] == torch.arange(self.mask.shape[1], device=codes.device)
        return self.interpolate(one_hot.to(self.weight.dtype))

    def interpolate(self, probabilities: Tensor) -> Tensor:
        """Score interpolation `sum_c p_c e_c` (Dieleman et al. 2022, section 3.2): (B, L, M_c, C) -> (B, L, M_c, d)."""
        return torch.einsum("blmc,mcd->blmd", probabilities, self.table())

    def nearest(self, z: Tensor) -> Tensor:
        """(B, L, M_c, d) -> (B, L, M_c) codes. All points have one norm, so the nearest has the largest product."""
        products = torch.einsum("blmd,mcd->blmc", z, self.table())
        return products.masked_fill(~self.mask, -torch.inf).argmax(-1)
