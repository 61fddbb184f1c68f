"""A benchmark from beginning to end, in one process."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import torch

from model.bench import generation, training
from model.bench.around import other_contestants
from model.bench.machine import load_now, measured_machine
from model.bench.plan import Plan
from model.bench.readings import figure, figures, ratios
from model.bench.records import Bench, Figure
from model.bench.subjects import Product, Subject, any_labels, rough_stays
from model.bench.timediff import timediff_contestant
from model.bench.timing import Clock, Contestant, Notice, Timings, take_turns
from model.checkpoint import Model, load_model
from model.compute import Compute

Group = Literal["generation", "training", "around"]
GROUPS: tuple[Group, ...] = get_args(Group)
RATIOS = (*generation.RATIOS, *training.RATIOS)


@dataclass(frozen=True)
class Stage:
    """What every group of contestants needs."""

    model: Model
    bundled: Subject
    product: Product
    plan: Plan
    compute: Compute
    clock: Clock
    notice: Notice

    def compete(self, contestants: Sequence[Contestant]) -> Timings:
        """Let them take turns."""
        return take_turns(contestants, runs=self.plan.runs, clock=self.clock, notice=self.notice)


@dataclass(frozen=True)
class Part:
    """What a group gave: contestants with their times, figures of another kind, and engines by contestant."""

    contestants: Sequence[Contestant]
    timings: Timings
    figures: Mapping[str, Figure] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)


def run_bench(
    product: Product,
    plan: Plan,
    compute: Compute,
    *,
    groups: Sequence[Group] = GROUPS,
    clock: Clock = time.perf_counter,
    notice: Notice,
) -> Bench:
    """Measure what `groups` name; contestants of one group take turns. Raises CheckpointError, CDMTError."""
    load_before, began = load_now(), clock()
    model = load_model(product.folder, compute)
    bundled = Subject(model.codec, model.denoiser, model.engine, product.chunk_size(model))
    stage = Stage(model, bundled, product, plan, compute, clock, notice)
    memory = {"rss_loaded": _peak_memory("peak memory, model read")}
    parts = [PARTS[group](stage) for group in groups]
    contestants = [contestant for part in parts for contestant in part.contestants]
    timings = Timings(
        {key: seconds for part in parts for key, seconds in part.timings.seconds.items()},
        {key: reason for part in parts for key, reason in part.timings.failed.items()},
    )
    middle, ranges = ratios(RATIOS, contestants, timings)
    return Bench(
        machine=measured_machine(compute.torch_device(), load_before=load_before),
        engines={"bundled": model.engine.name} | {key: name for part in parts for key, name in part.engines.items()},
        plan=plan,
        figures=figures(contestants, timings)
        | memory
        | {key: found for part in parts for key, found in part.figures.items()}
        | {"rss_end": _peak_memory("peak memory, everything, baselines too")},
        ratios=middle,
        ratio_ranges=ranges,
        failed=dict(timings.failed),
        seconds=round(clock() - began, 1),
    )


def _generation(stage: Stage) -> Part:
    """The bundled model draws once before the others are built, to see what memory it takes alone."""
    labels = any_labels(stage.model.schema, stage.plan.n_stays)
    generation.drawing(stage.bundled, labels, generation.OURS_2M_20)()
    memory = {"rss_generation": _peak_memory(f"peak memory, {stage.plan.n_stays:,} stays drawn")}
    device = stage.compute.torch_device()
    if device.type == "cuda":
        size = torch.cuda.max_memory_allocated(device) / 1e6
        memory["gpu_generation"] = figure([size], title=f"peak GPU memory, {stage.plan.n_stays:,} stays", unit="MB")
    rival = timediff_contestant(stage.model.denoiser.dimensions, stage.plan, device, clock=stage.clock)
    ours, engines = generation.generation_contestants(stage.bundled, stage.plan, stage.compute)
    contestants = [rival, *ours]
    return Part(contestants, stage.compete(contestants), memory, engines)


def _training(stage: Stage) -> Part:
    stays = rough_stays(stage.bundled, 4 * stage.compute.training_batch_size())
    contestants = training.training_contestants(stays, stage.model.codec, stage.plan, stage.compute)
    return Part(contestants, stage.compete(contestants))


def _around(stage: Stage) -> Part:
    stays = rough_stays(stage.bundled, 2 * stage.plan.n_reported + stage.plan.n_reported // 4 + 1)
    with tempfile.TemporaryDirectory(prefix="cdmt-bench-") as folder:
        contestants = other_contestants(
            stays, stage.model, stage.plan, stage.product, compute=stage.compute, folder=Path(folder)
        )
        return Part(contestants, stage.compete(contestants))


PARTS: Mapping[Group, Callable[[Stage], Part]] = {
    "generation": _generation,
    "training": _training,
    "around": _around,
}


def _peak_memory(title: str) -> Figure:
    """The largest resident set of this process so far."""
    return figure([resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024], title=title, unit="MiB")
