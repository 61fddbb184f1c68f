"""Whether a training loop learns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from model.objective import Batch, Denoising

N_STEPS, BATCH = 40, 128


def check_it_learns(step: Callable[[], None]) -> None:
    """Every step is one batch, and the loss falls."""
    losses: list[tuple[int, float]] = []
    loss = Denoising.loss

    def recorded(self: Denoising, module: torch.nn.Module, batch: Batch, *, generator: torch.Generator) -> torch.Tensor:
        found = loss(self, module, batch, generator=generator)  # type: ignore[arg-type]
        if found.requires_grad:  # it is no look at the validation stays
            losses.append((len(batch.codes), found.item()))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Denoising, "loss", recorded)
        for _ in range(N_STEPS):
            step()
    assert [size for size, _ in losses] == [BATCH] * N_STEPS
    values = [value for _, value in losses]
    assert sum(values[-10:]) < 0.9 * sum(values[:10])
