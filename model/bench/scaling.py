"""How cost grows with the stays, the solver steps and the length of the window."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from model.bench.generation import drawing
from model.bench.readings import rounded
from model.bench.subjects import Product, Subject, any_labels, stretched, untrained
from model.bench.timing import Clock, Contestant, Notice, take_turns
from model.checkpoint import load_model
from model.compute import Compute
from model.spec.base import Spec
from model.spec.config import NetworkConfig, SamplerConfig
from model.spec.errors import CDMTError

N_STEPS = 5
STEPS = (5, 10, 20, 40)
LENGTHS = (25, 68, 136, 272)
CHUNKS = (1, 2, 3, 4)
TITLES = {"stays": "stays", "steps": "solver steps", "length": "steps of the window"}


class Curve(Spec):
    """Median seconds at several sizes, and the line `fixed + each * size` that fits them best.

    `off` is the largest distance of a median from the line, as a share of the median.
    """

    what: str
    title: str
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    fixed: float
    each: float
    off: float


@dataclass(frozen=True)
class Point:
    """One size on an axis: what is drawn there."""

    what: str
    size: int
    subject: Subject
    n_stays: int
    n_steps: int = N_STEPS


def measure_scaling(
    product: Product, compute: Compute, *, runs: int = 5, clock: Clock = time.perf_counter, notice: Notice
) -> tuple[Curve, ...]:
    """Time guided drawing, all points in turn. Raises CheckpointError; CDMTError where a point cannot be drawn."""
    model = load_model(product.folder, compute)
    bundled = Subject(model.codec, model.denoiser, model.engine, product.chunk_size(model))
    points = scaling_points(bundled, compute)
    timings = take_turns([_contestant(point) for point in points], runs=runs, clock=clock, notice=notice)
    if timings.failed:
        raise CDMTError("; ".join(f"{key}: {reason}" for key, reason in timings.failed.items()))
    found = []
    for what in TITLES:
        those = [point for point in points if point.what == what]
        found.append(curve(what, [point.size for point in those], [timings.seconds[_key(point)] for point in those]))
    return tuple(found)


def scaling_points(bundled: Subject, compute: Compute) -> list[Point]:
    """Whole chunks of stays; for the length, a quarter of a chunk, untrained."""
    chunk = bundled.chunk_size
    few = max(1, chunk // 4)
    windows = {
        length: untrained(stretched(bundled.codec, length), NetworkConfig(), chunk_size=few, compute=compute)
        for length in LENGTHS
    }
    return [
        *(Point("stays", number * chunk, bundled, number * chunk) for number in CHUNKS),
        *(Point("steps", steps, bundled, chunk, steps) for steps in STEPS),
        *(Point("length", length, window, few) for length, window in windows.items()),
    ]


def _contestant(point: Point) -> Contestant:
    labels = any_labels(point.subject.codec.schema, point.n_stays)
    work = drawing(point.subject, labels, SamplerConfig(n_steps=point.n_steps))
    return Contestant(_key(point), f"{point.size:,} {TITLES[point.what]}", work, point.n_stays, "stays")


def _key(point: Point) -> str:
    return f"{point.what}_{point.size}"


def curve(what: str, sizes: Sequence[int], runs: Sequence[Sequence[float]]) -> Curve:
    """Medians of the runs at each size, and their line."""
    middle = [median(each) for each in runs]
    fixed, each = line(sizes, middle)
    return Curve(
        what=what,
        title=TITLES[what],
        sizes=tuple(sizes),
        seconds=tuple(rounded(value) for value in middle),
        low=tuple(rounded(min(each)) for each in runs),
        high=tuple(rounded(max(each)) for each in runs),
        fixed=rounded(fixed),
        each=rounded(each),
        off=rounded(max(abs(fixed + each * x - y) / y for x, y in zip(sizes, middle, strict=True))),
    )


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope of the least squares of relative errors, so that small sizes count as much as large ones."""
    weights = [1 / y**2 for y in ys]
    total = sum(weights)
    x_mean = sum(w * x for w, x in zip(weights, xs, strict=True)) / total
    y_mean = sum(w * y for w, y in zip(weights, ys, strict=True)) / total
    rise = sum(w * (x - x_mean) * (y - y_mean) for w, x, y in zip(weights, xs, ys, strict=True))
    run = sum(w * (x - x_mean) ** 2 for w, x in zip(weights, xs, strict=True))
    slope = rise / run
    return y_mean - slope * x_mean, slope
