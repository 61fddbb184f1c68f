"""Where and how tensors are computed: device, threads, precision. Arguments, not hidden state."""

from __future__ import annotations

import time
from functools import cache
from typing import Literal

import torch
from torch import nn

from model.diffusion.recurrence import bidirectional_gru
from model.spec.base import Spec
from model.spec.errors import CDMTError

BATCH_SIZE_CPU, BATCH_SIZE_GPU = 128, 4096
LEARNING_RATE_CPU, LEARNING_RATE_GPU = 4e-3, 1e-3
"""The paper's on a GPU; docs/adr/0002 says why others on a CPU."""
WORTHWHILE_SPEEDUP = 1.2
ROUNDS = 5


class Compute(Spec):
    """What the operator asked for. `auto`: a GPU if there is one; the faster precision, as measured at first use.

    `engine` draws stays: `auto` is the fastest that is exact enough, `reference` the network as it was trained.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    engine: Literal["auto", "reference"] = "auto"

    def torch_device(self) -> torch.device:
        """The device to use; CDMTError if a GPU was asked for and there is none."""
        if self.device == "cuda" and not torch.cuda.is_available():
            raise CDMTError("device 'cuda' was asked for, but this machine has no usable GPU")
        name = "cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu"
        return torch.device(name)

    def training_batch_size(self) -> int:
        """Stays per optimiser step where the request leaves it open."""
        return BATCH_SIZE_GPU if self.torch_device().type == "cuda" else BATCH_SIZE_CPU

    def training_learning_rate(self) -> float:
        """Highest learning rate where the request leaves it open."""
        return LEARNING_RATE_GPU if self.torch_device().type == "cuda" else LEARNING_RATE_CPU

    def training_dtype(self) -> torch.dtype:
        """Operands of the network's products in training: bfloat16 if that was asked for, or is faster here."""
        if self.precision == "auto":
            return torch.bfloat16 if bfloat16_is_faster(self.torch_device().type) else torch.float32
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32


@cache
def bfloat16_is_faster(device: str) -> bool:
    """Measure a GRU layer forward and backward in both precisions: a processor's name does not tell.

    Both take turns, and the best round of each counts: on a busy machine others are slow at random.
    """
    rounds = [(_gru_seconds(device, bfloat16=False), _gru_seconds(device, bfloat16=True)) for _ in range(ROUNDS)]
    plain, mixed = (min(seconds) for seconds in zip(*rounds, strict=True))
    return bool(plain > WORTHWHILE_SPEEDUP * mixed)


def _gru_seconds(device: str, *, bfloat16: bool) -> float:
    gru = nn.GRU(128, 64, batch_first=True, bidirectional=True, device=device)
    x = torch.zeros(BATCH_SIZE_GPU if device == "cuda" else BATCH_SIZE_CPU, 24, 128, device=device)
    start = time.perf_counter()
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
        torch.autograd.backward(bidirectional_gru(gru, x).sum())
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start
