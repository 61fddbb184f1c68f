"""Drawing stays, by the paper's sampler and by ours, with other widths and windows, beside the reference engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from model.bench.plan import WHOLE, Plan
from model.bench.readings import Versus
from model.bench.subjects import Subject, any_labels, draw, stretched, untrained
from model.bench.timediff import HIDDEN_DIM, TIMEDIFF
from model.bench.timing import Contestant
from model.compute import Compute
from model.inference.reference import Reference
from model.spec.config import NetworkConfig, SamplerConfig
from model.spec.presets import GENERATION
from model.synthesis import UNCONDITIONED

EULER_50 = SamplerConfig.model_validate(GENERATION["paper"]["sampler"])
OURS_2M_20 = SamplerConfig()
SAMPLERS = {"euler_50": ("Euler-50", EULER_50), "2m_20": ("2M-20", OURS_2M_20)}
LONG = 272

RATIOS = (
    Versus("guided_euler_50_vs_timediff", TIMEDIFF, "guided_euler_50"),
    Versus("guided_2m_20_vs_timediff", TIMEDIFF, "guided_2m_20"),
    Versus("uncond_euler_50_vs_timediff", TIMEDIFF, "uncond_euler_50"),
    Versus("uncond_2m_20_vs_timediff", TIMEDIFF, "uncond_2m_20"),
    Versus("guided_euler_50_h92_vs_timediff", TIMEDIFF, "guided_euler_50_h92"),
    Versus("guided_2m_20_h92_vs_timediff", TIMEDIFF, "guided_2m_20_h92"),
    Versus("guided_2m_20_vs_reference", "guided_2m_20_reference", "guided_2m_20"),
)


def generation_contestants(bundled: Subject, plan: Plan, compute: Compute) -> tuple[list[Contestant], dict[str, str]]:
    """Every way to draw that is measured, and the engine of each."""
    network = NetworkConfig()
    wide = untrained(
        bundled.codec,
        network.model_copy(update={"hidden_dim": HIDDEN_DIM}),
        chunk_size=bundled.chunk_size,
        compute=compute,
    )
    long = untrained(stretched(bundled.codec, LONG), network, chunk_size=bundled.chunk_size, compute=compute)
    plain = replace(bundled, engine=Reference(bundled.denoiser.network))
    n_part = min(plan.n_stays, bundled.chunk_size)
    found = [
        *(_guided(bundled, plan.n_stays, sampler) for sampler in SAMPLERS),
        _guided(plain, n_part, "2m_20", suffix="_reference", words=", reference engine"),
        *(_unguided(bundled, plan.n_stays, sampler) for sampler in SAMPLERS),
        *(_guided(wide, n_part, sampler, suffix="_h92", words=f", width {HIDDEN_DIM}") for sampler in SAMPLERS),
        _guided(long, plan.n_long, "2m_20", suffix=f"_{LONG}_steps", words=f", {LONG} steps"),
    ]
    return found, {"bundled": bundled.engine.name, "width 92": wide.engine.name, "272 steps": long.engine.name}


def _guided(subject: Subject, n: int, sampler: str, *, suffix: str = "", words: str = "") -> Contestant:
    name, _ = SAMPLERS[sampler]
    labels = any_labels(subject.codec.schema, n)
    return _contestant(subject, labels, sampler, key=f"guided_{sampler}{suffix}", title=f"guided, {name}{words}")


def _unguided(subject: Subject, n: int, sampler: str) -> Contestant:
    """Labels are left to the model: one branch in place of two."""
    name, _ = SAMPLERS[sampler]
    labels = np.full_like(any_labels(subject.codec.schema, n), UNCONDITIONED)
    return _contestant(subject, labels, sampler, key=f"uncond_{sampler}", title=f"unguided, {name}")


def _contestant(subject: Subject, labels: npt.NDArray[np.int64], sampler: str, *, key: str, title: str) -> Contestant:
    _, config = SAMPLERS[sampler]
    n = len(labels)
    return Contestant(
        key=key,
        title=title,
        run=drawing(subject, labels, config),
        amount=n,
        unit="stays",
        basis=None if n == WHOLE else f"from {n:,} stays",
        warm=drawing(subject, labels[: subject.chunk_size], config),
    )


def drawing(subject: Subject, labels: npt.NDArray[np.int64], sampler: SamplerConfig) -> Callable[[], None]:
    """Draws one stay per label, and keeps none."""

    def run() -> None:
        for _ in draw(subject, labels, sampler=sampler, chunk_size=subject.chunk_size):
            pass

    return run
