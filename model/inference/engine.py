"""What the sampler asks of a network."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Engine(Protocol):
    """Evaluates a trained network for sampling, where one diffusion time holds for all rows.

    What it computes for a row depends, beyond rounding, on no other row; the same call gives the same bits. Weights are
    prepared when it is built. It is built for the network's device, and changes nothing that it is given.
    """

    @property
    def name(self) -> str:
        """Goes into what is drawn: bits depend on the engine."""

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """F and logits of every branch of the guidance, which see the same state under different labels.

        Args:
            scaled: (B, L, D) float32, `c_in x`.
            t: () diffusion time.
            labels: (R, B, K) one-hot label vectors of R branches.

        Returns:
            F (R, B, L, M_n) and logits (R, B, L, M_c, C), float32.
        """
