"""The rival: a denoiser of TimeDiff's size (a bidirectional GRU of 92 units) that takes 1,000 steps, our own code.

Its steps cost the same, whatever its weights, so a part of them is timed, with the weights that it begins with. It gets
the batch size that suits it best.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import torch

from model.baselines.mixed_diffusion import MixedDiffusion, TimeDiffDenoiser, sample_states
from model.bench.plan import Plan
from model.bench.subjects import SEED
from model.bench.timing import Clock, Contestant, fastest, synchronised
from model.diffusion.denoiser import Dimensions

TIMEDIFF = "timediff"
HIDDEN_DIM, N_LAYERS, N_STEPS = 92, 3, 1000
TRIAL_STEPS, TRIAL_ROUNDS = 2, 3


class _Enough(Exception):
    """The steps that are timed are done."""


def timediff_contestant(dimensions: Dimensions, plan: Plan, device: torch.device, *, clock: Clock) -> Contestant:
    """TimeDiff, drawing unguided stays: it has no other way."""
    denoiser = timediff_denoiser(dimensions, device)
    trials = {size: stepping(denoiser, size, TRIAL_STEPS) for size in plan.timediff_batches}
    size = fastest(trials, rounds=TRIAL_ROUNDS, clock=clock)
    return Contestant(
        key=TIMEDIFF,
        title="TimeDiff, 1,000 steps",
        run=stepping(denoiser, size, plan.timediff_steps),
        amount=size * plan.timediff_steps / N_STEPS,
        unit="stays",
        basis=f"from {plan.timediff_steps:,} of {N_STEPS:,} steps of {size:,} stays",
        warm=stepping(denoiser, size, TRIAL_STEPS),
    )


def timediff_denoiser(dimensions: Dimensions, device: torch.device) -> TimeDiffDenoiser:
    """The network in float32, untrained."""
    objective = MixedDiffusion("gru", HIDDEN_DIM, N_LAYERS, N_STEPS, categorical_weight=1.0)
    marginals = torch.zeros(len(dimensions.channel_sizes), max(dimensions.channel_sizes))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        denoiser = objective.build(dimensions, marginals, generator=torch.Generator())
    return denoiser.requires_grad_(False).eval().to(device)


def stepping(denoiser: TimeDiffDenoiser, n: int, steps: int) -> Callable[[], None]:
    """The first `steps` of TimeDiff's steps with `n` stays."""
    device = denoiser.categories.log_uniform.device

    def stop(done: float) -> None:
        if done >= steps / N_STEPS:
            raise _Enough

    def work() -> None:
        with suppress(_Enough):
            sample_states(denoiser, n, generator=torch.Generator(device).manual_seed(SEED), after_step=stop)

    return synchronised(work, device)
