"""Drawing categories from log probabilities."""

from __future__ import annotations

from torch import Tensor


def draw_codes(log_p: Tensor, uniform: Tensor, sizes: Tensor) -> Tensor:
    """(B, L, M) codes from unnormalised log p (B, L, M, C), by inversion of uniform (B, L, M) numbers in [0, 1).

    `sizes` (M,) are the categories of each channel: rounding must not lead into the padding beyond them.
    """
    below = log_p.softmax(-1).cumsum(-1) <= uniform[..., None]
    return below.sum(-1).minimum(sizes - 1)
