"""Drawing synthetic stays from a trained model, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.data.codec import Codec
from model.data.stays import Stays, concatenate
from model.diffusion.denoiser import Denoiser
from model.diffusion.guidance import LabelScales, guided, label_scales, one_hot_labels
from model.diffusion.sampler import Churn, dpmpp_2m_sampler, euler_sampler, solver_times, start_state
from model.inference.engine import Engine
from model.inference.sampling import SamplingDenoiser, threads_beside
from model.memory import Halving
from model.spec.config import Missing, SamplerConfig
from model.spec.errors import Cancelled, SamplingError
from model.training import CancelCheck, Progress

UNCONDITIONED = -1
MAX_REDRAWS = 50
AFTER_START = 1_000  # keys of the steps' noise begin beyond those of the attempts

Accept = Callable[[Stays], npt.NDArray[np.bool_]]
Draw = Callable[[npt.NDArray[np.int64], tuple[int, ...]], Stays]


class Source(Protocol):
    """What stays are drawn from: a trained denoiser, and the codec of the data that it learned."""

    @property
    def codec(self) -> Codec:
        """From the network's numbers to stays."""

    @property
    def denoiser(self) -> Denoiser:
        """What training learned."""

    @property
    def engine(self) -> Engine:
        """What evaluates the denoiser's network."""


def accept_all(stays: Stays) -> npt.NDArray[np.bool_]:
    """Every stay is good as it is drawn."""
    return np.ones(len(stays), dtype=np.bool_)


def forget(n_stays: int) -> None:
    """Take no note of stays that are drawn again."""


def synthesise(
    model: Source,
    labels: npt.NDArray[np.int64],
    *,
    sampler: SamplerConfig,
    missing: Missing,
    seed: int,
    chunk_size: int,
    progress: Progress,
    cancelled: CancelCheck,
    accept: Accept = accept_all,
    redrawn: Callable[[int], None] = forget,
) -> Iterator[Stays]:
    """Draw one stay per row of `labels` (n, K), at most `chunk_size` at a time; -1 leaves a label to the model.

    Stays that `accept` (n,) refuses are drawn again with the same labels until it takes them, and `redrawn` is told how
    many. The noise of chunk k depends on (seed, k), the attempt and the kind of device alone, so that any chunk can be
    drawn again. Where memory does not hold a chunk, its stays go through the network in halves,
    each with its own part of the chunk's noise: the chunk, and the file, keep their shape. Raises Cancelled between two
    solver steps; SamplingError if the network left the finite numbers, or if after 50 attempts a stay is still refused;
    and the error of memory where it does not hold a single stay. Progress counts stays, also within a chunk.
    """
    halving = Halving()
    for number, first in enumerate(range(0, len(labels), chunk_size)):
        chunk = labels[first : first + chunk_size]

        def tell(done: float, first: int = first, size: int = len(chunk)) -> None:
            if cancelled():
                raise Cancelled("the generation was cancelled")
            progress("sampling", first + int(size * done), len(labels))

        def draw(
            codes: npt.NDArray[np.int64],
            key: tuple[int, ...],
            tell: Callable[[float], None] = tell,
            number: int = number,
        ) -> Stays:
            whole = (seed, number, *key)
            start = _noise(model.denoiser, len(codes), key=whole)
            noise = partial(_step_noise, model.denoiser, len(codes), seed=whole)
            part = partial(_draw, model, codes, noise, start, sampler=sampler, missing=missing, tell=tell)
            return concatenate(halving.run(part, len(codes)))

        yield _accepted(chunk, draw, accept=accept, redrawn=redrawn)


def _accepted(labels: npt.NDArray[np.int64], draw: Draw, *, accept: Accept, redrawn: Callable[[int], None]) -> Stays:
    """Stays with these labels, all of them accepted: the refused ones are drawn again, the others stay."""
    stays = draw(labels, ())
    for attempt in range(1, MAX_REDRAWS + 1):
        refused = np.flatnonzero(~accept(stays))
        if not len(refused):
            return stays
        redrawn(len(refused))
        stays = stays.replace(refused, draw(labels[refused], (attempt,)))
    if not accept(stays).all():
        raise SamplingError(f"after {MAX_REDRAWS} attempts, stays still break a rule of the schema")
    return stays


def _noise(denoiser: Denoiser, n: int, *, key: tuple[int, ...]) -> Tensor:
    """(n, L, D) standard normal numbers of a chunk, by `key`, on the denoiser's device.

    A processor would take longer to draw them than a GPU takes for all else.
    """
    device = denoiser.embedding.weight.device
    shape = (n, denoiser.dimensions.sequence_length, denoiser.state_dim)
    return torch.randn(shape, generator=generator_of(key, device), device=device)


def generator_of(key: tuple[int, ...], device: torch.device) -> torch.Generator:
    """Random numbers on a device that depend on all of `key`: neighbouring keys share nothing."""
    mixed = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(mixed) % 2**63)


def _step_noise(denoiser: Denoiser, n: int, step: int, *, seed: tuple[int, ...]) -> Tensor:
    """Noise for a solver step."""
    return _noise(denoiser, n, key=(*seed, AFTER_START + step))


@torch.no_grad()
def _draw(
    model: Source,
    labels: npt.NDArray[np.int64],
    noise: Callable[[int], Tensor],
    start: Tensor,
    part: slice,
    *,
    sampler: SamplerConfig,
    missing: Missing,
    tell: Callable[[float], None],
) -> Stays:
    """The stays in `part` of a chunk with these labels, from the noise `start`; `noise(i)` is that of step i."""
    first, share = part.start / len(labels), (part.stop - part.start) / len(labels)
    asked = labels[part]
    with threads_beside(model.engine):
        state = sample_states(
            SamplingDenoiser(model.denoiser, model.engine),
            torch.as_tensor(asked),
            start[part],
            sampler=sampler,
            scales=label_scales(sampler.guidance, model.codec.schema.labels),
            step_noise=lambda step: noise(step)[part],
            after_step=lambda step: tell(first + share * step / sampler.n_steps),
        )
    if not state.isfinite().all():
        raise SamplingError("the sampler produced values that are not finite; lower the guidance scale")
    values, embeddings = model.denoiser.unpack(state)
    codes = model.denoiser.embedding.nearest(embeddings)
    drawn = model.codec.decode(values.cpu().numpy(), codes.cpu().numpy(), missing=missing)
    return replace(drawn, labels=np.where(asked == UNCONDITIONED, drawn.labels, asked))


def sample_states(
    sampling: SamplingDenoiser,
    labels: Tensor,
    noise: Tensor,
    *,
    sampler: SamplerConfig,
    scales: LabelScales,
    step_noise: Callable[[int], Tensor],
    after_step: Callable[[int], None],
) -> Tensor:
    """States (B, L, D) with `labels` (B, K), by the probability-flow ODE from noise (CDMT-EHR, algorithm 2)."""
    denoiser, device = sampling.denoiser, sampling.device
    times = solver_times(sampler.n_steps).to(device)
    sigmas = denoiser.sigma(times)
    label = one_hot_labels(labels.to(device), denoiser.dimensions.label_sizes)
    denoise = guided(sampling, label, scales=scales)
    x = start_state(denoise, noise, sigmas=sigmas, times=times, start=sampler.start)
    if sampler.solver == "euler":
        return euler_sampler(denoise, x, sigmas=sigmas, times=times, after_step=after_step)
    churn = _churn(sampling, sampler.churn, step_noise) if sampler.churn else None
    return dpmpp_2m_sampler(denoise, x, sigmas=sigmas, times=times, after_step=after_step, churn=churn)


def _churn(sampling: SamplingDenoiser, amount: float, step_noise: Callable[[int], Tensor]) -> Churn:
    """Fresh noise for the embeddings alone: values keep the deterministic path, which is more exact for them."""
    place = torch.arange(sampling.denoiser.state_dim, device=sampling.device)
    is_embedding = place >= sampling.dimensions.n_numerical
    return Churn(amount * is_embedding.float(), step_noise)
