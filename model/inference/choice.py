"""Which engine draws: the first that is right and faster than the reference, measured where it will run."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from model.compute import Compute
from model.diffusion.denoiser import Denoiser, DenoiserNetwork
from model.inference.engine import Engine
from model.inference.fused import Fused
from model.inference.native import BUILDS
from model.inference.one_launch import OneLaunch
from model.inference.reference import Reference

MAX_RELATIVE_ERROR = 1e-3
"""Of the norm of F, and of the logits'."""
CHECKED_TIMES = (0.0, 0.1, 0.4, 0.7, 1.0)
STAYS_CPU, STAYS_GPU = 96, 8_192
"""In the inputs of a comparison: enough that an engine shows what it is worth."""

TRITON = {"triton-fp16": False, "triton-fp16x2": True}
"""Engines for a GPU, and whether they split operands in two: the second where the first rounds too much."""

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
    if device.type == "cpu":
        return tuple(Candidate(f"fused-{build.name}", partial(Fused, build=build)) for build in BUILDS)
    return tuple(Candidate(name, partial(_triton, split=split)) for name, split in TRITON.items())


def _triton(network: DenoiserNetwork, *, split: bool) -> Engine:
    """ImportError where Triton is missing: torch's builds for a CPU come without."""
    from model.inference.triton_engine import TritonEngine

    return OneLaunch(TritonEngine(network, split=split))


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
    n_stays = STAYS_GPU if device.type == "cuda" else STAYS_CPU
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
    """Why `engine` must not stand in for `reference`; None if it may. Both are run in turn, at a few times."""
    error, seconds, reference_seconds = 0.0, math.inf, math.inf
    for t in CHECKED_TIMES:
        truth, reference_took = _timed(reference, t, inputs)
        found, took = _timed(engine, t, inputs)
        error = max(error, *(relative_error(mine, its) for mine, its in zip(found, truth, strict=True)))
        seconds, reference_seconds = min(seconds, took), min(reference_seconds, reference_took)
    if error > MAX_RELATIVE_ERROR:
        return f"its relative error is {error:.1e}"
    if seconds >= reference_seconds:
        return f"it takes {seconds / reference_seconds:.2f} times as long as the reference"
    return None


def relative_error(found: Tensor, expected: Tensor) -> float:
    """`||found - expected|| / ||expected||`; infinite where shape or type differ, or one is not finite."""
    same_kind = found.shape == expected.shape and found.dtype == expected.dtype
    if not same_kind or not found.isfinite().all():
        return math.inf
    if not expected.numel():
        return 0.0
    error, scale = float((found - expected).square().sum().sqrt()), float(expected.square().sum().sqrt())
    relative = error / scale if scale else error
    return math.inf if math.isnan(relative) else relative


def _timed(engine: Engine, t: float, inputs: Inputs) -> tuple[tuple[Tensor, Tensor], float]:
    """What the engine finds at t, and in how many seconds: of the processor, where neighbours may take it away."""
    device = inputs.scaled.device
    at = torch.tensor(t, device=device)
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    start = clock()
    found = engine(inputs.scaled, at, inputs.labels)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return found, clock() - start
