"""Training steps: ours, and those of a loop as one writes it first."""

from __future__ import annotations

from collections.abc import Callable

from model.bench.naive import naive_steps
from model.bench.plan import Plan
from model.bench.readings import Versus
from model.bench.subjects import SEED
from model.bench.timing import Contestant, synchronised
from model.compute import Compute
from model.data.codec import Codec
from model.data.stays import Stays
from model.diffusion.denoiser import Denoiser
from model.objective import Denoising
from model.spec.config import NetworkConfig, TrainingConfig
from model.training_run import Fitting

RATIOS = (Versus("training_vs_naive", "training_naive", "training"),)
WARM_STEPS = 5


def training_contestants(stays: Stays, codec: Codec, plan: Plan, compute: Compute) -> list[Contestant]:
    """Both loops on the same stays, with the batch size of this kind of device."""
    device, batch = compute.torch_device(), compute.training_batch_size()
    ours = our_training(stays, codec, compute)
    naive = naive_steps(stays, codec, batch_size=batch, device=device)
    loops = (
        ("training", f"training, {str(ours.dtype).removeprefix('torch.')}", ours.advance),
        ("training_naive", "training, naive loop", naive),
    )
    return [
        Contestant(
            key=key,
            title=f"{title}, {batch:,} stays a step",
            run=synchronised(repeated(step, plan.training_steps), device),
            amount=plan.training_steps,
            unit="steps",
            warm=synchronised(repeated(step, WARM_STEPS), device),
        )
        for key, title, step in loops
    ]


def our_training(stays: Stays, codec: Codec, compute: Compute) -> Fitting[Denoiser]:
    """A training with our defaults."""
    training = TrainingConfig()
    objective = Denoising(NetworkConfig(), training)
    return Fitting(codec.encode(stays), codec, objective=objective, training=training, seed=SEED, compute=compute)


def repeated(step: Callable[[], None], n: int) -> Callable[[], None]:
    """`n` steps."""

    def run() -> None:
        for _ in range(n):
            step()

    return run
