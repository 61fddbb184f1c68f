"""What a benchmark leaves: figures with their spread, ratios between contestants, and the machine that they are of."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from model.bench.machine import BenchMachine
from model.bench.plan import Plan
from model.files import write_bytes
from model.spec.base import Spec


class Figure(Spec):
    """A quantity: median, least and largest of `runs`. `scaled` says from what it was extrapolated, if it was."""

    title: str
    unit: str
    median: float
    low: float
    high: float
    runs: tuple[float, ...]
    scaled: str | None = None


class RatioRange(Spec):
    """The least and the largest ratio of a round, in which each contestant ran once."""

    low: float
    high: float


class Bench(Spec):
    """The content of a benchmark's JSON.

    `ratios` are medians over rounds of one contestant's cost per unit over another's. `engines`: what evaluates the
    network, by contestant. `failed`: contestant -> why it has no figures.
    """

    machine: BenchMachine
    engines: dict[str, str]
    plan: Plan
    figures: dict[str, Figure]
    ratios: dict[str, float]
    ratio_ranges: dict[str, RatioRange]
    failed: dict[str, str]
    seconds: float
    made_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def write_bench(bench: Bench, path: Path) -> None:
    """Write the benchmark as JSON, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, bench.model_dump_json(indent=1).encode())
