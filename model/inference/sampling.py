"""A trained denoiser as the sampler sees it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from model.diffusion.denoiser import Denoised, Denoiser, Dimensions
from model.diffusion.precond import c_in
from model.inference.engine import Engine
from model.inference.fused import Fused


@dataclass(frozen=True)
class SamplingDenoiser:
    """`Denoiser` at one diffusion time for all rows, its network evaluated by an engine."""

    denoiser: Denoiser
    engine: Engine

    @property
    def dimensions(self) -> Dimensions:
        """The sizes of what is drawn."""
        return self.denoiser.dimensions

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.denoiser.embedding.weight.device

    def __call__(self, state: Tensor, sigma: Tensor, t: Tensor, labels: Tensor) -> Denoised:
        """See `guidance.BranchDenoiser`."""
        output, logits = self.engine(c_in(sigma) * state, t, labels)
        return self.denoiser.preconditioned(state, sigma, output, logits)

    def denoised_state(self, denoised: Denoised) -> Tensor:
        """See `Denoiser.denoised_state`."""
        return self.denoiser.denoised_state(denoised)


@contextmanager
def threads_beside(engine: Engine) -> Iterator[None]:
    """Leave torch one thread while an engine with threads of its own draws.

    The sampler's arithmetic beside the network is short and in many pieces. torch's threads wait for each other by
    spinning at each of them: where the cores have other work, that takes longer than all the rest (docs/speed.md).
    """
    before = torch.get_num_threads()
    if isinstance(engine, Fused):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
