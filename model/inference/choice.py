"""Which engine draws: the first that is right and faster than the reference, measured where it will run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from model.compute import Compute
from model.diffusion.denoiser import Denoiser, DenoiserNetwork
from model.inference.engine import Engine
from model.inference.reference import Reference

MAX_RELATIVE_ERROR = 1e-3
"""Of the norm of F, and of the logits'."""
CHECKED_TIMES = (0.0, 0.4, 1.0)
STEPS_CPU, STEPS_GPU = 6_400, 200_000
"""Clinical steps in the inputs of a check: 256 stays of a day, by the hour, and 8,000."""
N_ROUNDS = 3

_log = logging.getLogger(__name__)


class Candidate(NamedTuple):
    """An engine that may suit: its name, and how it is built for a network. Building may raise anything."""

    name: str
    build: Callable[[DenoiserNetwork], Engine]


class Inputs(NamedTuple):
    """Arguments of an engine, but for the time."""

    scaled: Tensor
    labels: Tensor


def candidates(device: torch.device) -> tuple[Candidate, ...]:
    """The engines for a kind of device, the most promising first."""
    del device
    return ()


@torch.no_grad()
def choose_engine(denoiser: Denoiser, compute: Compute) -> Engine:
    """The engine to draw with from this denoiser, on the device where it lies.

    Candidates are built and compared with the reference on random inputs of the denoiser's shape, then timed against
    it. What cannot be built, computes something else or is slower is logged and left out; the reference always works.
    """
    reference = Reference(denoiser.network)
    device = denoiser.embedding.weight.device
    if compute.engine == "reference":
        return reference
    return first_that_suits(reference, candidates(device), random_inputs(denoiser))


def first_that_suits(reference: Reference, tried: tuple[Candidate, ...], inputs: Inputs) -> Engine:
    """The first of `tried` that is as right as it must be and faster than the reference; else the reference."""
    for candidate in tried:
        try:
            engine = candidate.build(reference.network)
            fault = fault_of(engine, reference, inputs)
        except ImportError as error:
            _log.info("engine '%s' is not installed: %s", candidate.name, error)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in it, the reference draws the same stays
            _log.warning("engine '%s' is left out: %s: %s", candidate.name, type(error).__name__, error)
        else:
            if fault is None:
                return engine
            _log.warning("engine '%s' is left out: %s", candidate.name, fault)
    return reference


def random_inputs(denoiser: Denoiser) -> Inputs:
    """Standard normal states, and labels of which a third is not given, of a guided chunk; always the same ones."""
    device, dimensions = denoiser.embedding.weight.device, denoiser.dimensions
    n_steps = STEPS_GPU if device.type == "cuda" else STEPS_CPU
    n_stays = max(2, n_steps // dimensions.sequence_length)
    generator = torch.Generator().manual_seed(0)
    scaled = torch.randn(n_stays, dimensions.sequence_length, denoiser.state_dim, generator=generator)
    labels = torch.zeros(2, n_stays, sum(dimensions.label_sizes))
    first = 0
    for size in dimensions.label_sizes:
        codes = torch.randint(size, (n_stays,), generator=generator)
        given = torch.rand(n_stays, generator=generator) > 1 / 3
        labels[1, torch.arange(n_stays)[given], first + codes[given]] = 1
        first += size
    return Inputs(scaled.to(device), labels.to(device))


def fault_of(engine: Engine, reference: Engine, inputs: Inputs) -> str | None:
    """Why `engine` must not stand in for `reference`; None if it may."""
    error = max(_error_at(t, engine, reference, inputs) for t in CHECKED_TIMES)
    if not error <= MAX_RELATIVE_ERROR:
        return f"its relative error is {error:.1e}"
    ratio = speedup(engine, reference, inputs)
    return None if ratio > 1 else f"it takes {1 / ratio:.2f} times as long as the reference"


def relative_error(found: Tensor, expected: Tensor) -> float:
    """`||found - expected|| / ||expected||`; infinite where `found` has another shape or type, or is not finite."""
    same_kind = found.shape == expected.shape and found.dtype == expected.dtype
    if not same_kind or not found.isfinite().all():
        return float("inf")
    error, scale = float((found - expected).square().sum().sqrt()), float(expected.square().sum().sqrt())
    return error / scale if scale else error


def speedup(engine: Engine, reference: Engine, inputs: Inputs) -> float:
    """How many times faster `engine` is: best of a few rounds, taken in turn."""
    seconds = [(_seconds(engine, inputs), _seconds(reference, inputs)) for _ in range(N_ROUNDS)]
    return min(slow for _, slow in seconds) / min(fast for fast, _ in seconds)


def _error_at(t: float, engine: Engine, reference: Engine, inputs: Inputs) -> float:
    time_ = torch.tensor(t, device=inputs.scaled.device)
    expected = reference(inputs.scaled, time_, inputs.labels)
    found = engine(inputs.scaled, time_, inputs.labels)
    return max(relative_error(mine, truth) for mine, truth in zip(found, expected, strict=True) if truth.numel())


def _seconds(engine: Engine, inputs: Inputs) -> float:
    device = inputs.scaled.device
    time_ = torch.tensor(0.5, device=device)
    start = time.perf_counter()
    engine(inputs.scaled, time_, inputs.labels)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
