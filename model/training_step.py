"""One optimiser step: the loss of a batch, its gradients, clipping, Adam."""

from __future__ import annotations

from typing import Generic

import torch
from torch import Tensor

from model.captured import Captured
from model.learning_rate import highest_rate
from model.objective import Batch, Module, Objective
from model.spec.errors import NonFiniteLoss

GRADIENT_NORM = 1.0
STEPS_BETWEEN_CHECKS_GPU = 50
"""A processor that looks at a value waits for the GPU; one that never does runs ahead of it, and hears no cancel."""


def drop_labels(codes: Tensor, probability: float, generator: torch.Generator) -> Tensor:
    """(B, K) label codes with -1, "not given", put in: whole stays at `probability`, and single labels likewise.

    Whole stays train the unconditional branch; single labels (only where there are several) let a sampler condition
    on part of them.
    """
    device = generator.device
    dropped = torch.rand(len(codes), 1, generator=generator, device=device) < probability
    if codes.shape[1] > 1:
        dropped = dropped | (torch.rand(codes.shape, generator=generator, device=device) < probability)
    return codes.masked_fill(dropped, -1)


class OptimiserStep(Generic[Module]):
    """Changes `module` by one step of Adam; on a GPU all kernels of it are one launch, and nothing waits for a value.

    All randomness follows from the seed of a step, and is drawn on the device of the data.
    """

    def __init__(
        self,
        objective: Objective[Module],
        module: Module,
        data: Batch,
        *,
        batch_size: int,
        learning_rate: float,
        label_dropout: float,
    ) -> None:
        self.objective, self.module, self.data = objective, module, data
        self.learning_rate, self.label_dropout = learning_rate, label_dropout
        device = data.codes.device
        self._on_gpu = device.type == "cuda"
        self.optimiser = self._adam()
        self._chosen = torch.zeros(batch_size, dtype=torch.long, device=device)
        self._finite = torch.ones((), dtype=torch.bool, device=device)
        self._first_bad = torch.zeros((), dtype=torch.long, device=device)  # steps since the last check before it
        self._unchecked: list[int] = []
        self._step = Captured(self._optimise, name="training step", device=device)

    def _adam(self) -> torch.optim.Adam:
        groups = [dict(group) for group in self.objective.parameter_groups(self.module)]
        if self._on_gpu:  # a captured step reads its learning rate on the device
            for group in groups:
                group["lr"] = torch.tensor(self.learning_rate, device=self.data.codes.device)
        return torch.optim.Adam(groups, lr=self.learning_rate, fused=True, capturable=self._on_gpu)

    def __call__(self, number: int, chosen: Tensor, *, seed: int, factor: float, total: float) -> None:
        """Step `number` with the stays `chosen` (B,) and `factor` times the learning rate.

        `total` is what the factors of all steps of the training add up to. Raises NonFiniteLoss, on a GPU not at once:
        see `check`.
        """
        for group in self.optimiser.param_groups:
            rate = highest_rate(group, learning_rate=self.learning_rate, total=total) * factor
            if self._on_gpu:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._chosen.copy_(chosen)
        self._step(seed=seed)
        self._unchecked.append(number)
        if not self._on_gpu or len(self._unchecked) >= STEPS_BETWEEN_CHECKS_GPU:
            self.check()

    def check(self) -> None:
        """Wait for all steps so far; NonFiniteLoss if the loss of one, or its gradient, was not finite."""
        unchecked, self._unchecked = self._unchecked, []
        if not self._finite:
            raise NonFiniteLoss(unchecked[int(self._first_bad)])
        self._first_bad.zero_()

    def _optimise(self, generator: torch.Generator) -> None:
        batch = Batch(*(tensor[self._chosen] for tensor in self.data))
        batch = batch._replace(labels=drop_labels(batch.labels, self.label_dropout, generator))
        loss = self.objective.loss(self.module, batch, generator=generator)
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.module.parameters(), GRADIENT_NORM)
        self._finite.logical_and_(loss.detach().isfinite() & norm.isfinite())
        self._first_bad.add_(self._finite)
        self.optimiser.step()
