"""Benchmarks over time: a file with a line of JSON for each that was to be kept."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from model.bench.records import Bench
from model.spec.base import Spec


class HistoryLine(Spec):
    """The medians and ratios of a benchmark, the machine in short, and the commit that was measured."""

    date: datetime
    commit: str
    kind: str
    processor: str
    cores: int
    gpu: str | None
    threads: int
    instruction_sets: tuple[str, ...]
    load_average: tuple[float, float]
    torch: str
    engines: dict[str, str]
    runs: int
    figures: dict[str, float]
    ratios: dict[str, float]


def history_line(bench: Bench, commit: str) -> HistoryLine:
    """What is kept of a benchmark."""
    machine = bench.machine
    return HistoryLine(
        date=bench.made_at.replace(microsecond=0),
        commit=commit,
        kind=machine.kind,
        processor=machine.processor,
        cores=machine.cores,
        gpu=machine.gpu,
        threads=machine.threads,
        instruction_sets=machine.instruction_sets,
        load_average=machine.load_average,
        torch=machine.packages["torch"],
        engines=bench.engines,
        runs=bench.plan.runs,
        figures={key: figure.median for key, figure in bench.figures.items()},
        ratios=bench.ratios,
    )


def append_history(bench: Bench, path: Path, *, commit: str) -> None:
    """Add a line to the file; the lines before stay as they are."""
    line = history_line(bench, commit).model_dump_json() + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
