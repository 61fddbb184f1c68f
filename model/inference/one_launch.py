"""Calls of an engine that are too small to keep a GPU busy, launched as one CUDA graph each."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor

from model.captured import Captured
from model.inference.engine import Engine

MOST_NUMBERS = 2**22
"""In the state of a call. Beyond them (1,400 stays of 25 steps) the GPU computes for longer than launching takes."""
KEPT_SHAPES = 8


class OneLaunch:
    """An engine as it was, whose kernels are captured for every shape of small inputs, and launched at once.

    The last few shapes are kept as long as the engine: the next job of a warm worker finds them.
    """

    def __init__(self, engine: Engine) -> None:
        self.name = engine.name
        self._engine = engine
        self._calls: OrderedDict[tuple[torch.Size, torch.Size], _Call] = OrderedDict()

    def __call__(self, scaled: Tensor, t: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """See `Engine`."""
        if scaled.numel() > MOST_NUMBERS:
            return self._engine(scaled, t, labels)
        shapes = (scaled.shape, labels.shape)
        if shapes not in self._calls:
            self._calls[shapes] = _Call(self._engine, scaled, t, labels)
        self._calls.move_to_end(shapes)
        if len(self._calls) > KEPT_SHAPES:
            self._calls.popitem(last=False)
        return self._calls[shapes](scaled, t, labels)


class _Call:
    """A call with inputs and results that stay where they are."""

    def __init__(self, engine: Engine, *inputs: Tensor) -> None:
        self._engine = engine
        self._inputs = [value.clone() for value in inputs]
        self._results = [result.clone() for result in engine(*inputs)]
        self._run = Captured(self._evaluate, name=f"engine {engine.name}", device=inputs[0].device)

    def _evaluate(self, _: torch.Generator) -> None:
        for kept, result in zip(self._results, self._engine(*self._inputs), strict=True):
            kept.copy_(result)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        for kept, value in zip(self._inputs, inputs, strict=True):
            kept.copy_(value)
        self._run()
        output, logits = self._results
        return output.clone(), logits.clone()
