"""Drawing stays chunk by chunk, for generators with samplers of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data.codec import Codec
from model.data.stays import Stays, concatenate
from model.spec.config import Missing
from model.spec.errors import Cancelled, SamplingError
from model.synthesis import UNCONDITIONED, generator_of
from model.training import CancelCheck, Progress

Labels = npt.NDArray[np.int64]
AfterStep = Callable[[float], None]
"""Told after each step which share of them is done."""
Draw = Callable[[Labels, torch.Generator, AfterStep], Stays]


def draw_in_chunks(
    labels: Labels,
    draw: Draw,
    *,
    chunk_size: int,
    seed: int,
    device: torch.device,
    progress: Progress,
    cancelled: CancelCheck,
) -> Stays:
    """One stay per row of `labels`. The randomness of chunk k depends on (seed, k) and the device alone.

    It is drawn on the device: a thousand steps ask for more random numbers than are worth carrying to a GPU. Raises
    Cancelled between two steps; progress counts stays, also within a chunk.
    """
    parts = []
    for number, first in enumerate(range(0, len(labels), chunk_size)):
        chunk = labels[first : first + chunk_size]

        def tell(done: float, first: int = first, size: int = len(chunk)) -> None:
            if cancelled():
                raise Cancelled("the generation was cancelled")
            progress("sampling", first + int(size * done), len(labels))

        parts.append(draw(chunk, generator_of((seed, number), device), tell))
    return concatenate(parts)


def decoded(codec: Codec, values: Tensor, codes: Tensor, *, asked: Labels, missing: Missing) -> Stays:
    """Stays from values (B, L, M_n) and codes (B, L, M_c); labels not asked for are read out of their channels."""
    if not values.isfinite().all():
        raise SamplingError("the sampler produced values that are not finite")
    drawn = codec.decode(values.cpu().numpy(), codes.cpu().numpy(), missing=missing)
    return replace(drawn, labels=np.where(asked == UNCONDITIONED, drawn.labels, asked))
