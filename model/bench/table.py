"""A benchmark as a person reads it: the machine, a line per way to draw, then all other figures, and the ratios."""

from __future__ import annotations

from collections.abc import Sequence

from model.bench.plan import WHOLE
from model.bench.records import Bench

COST, RATE, ALL = "_seconds_per_1000", "_stays_per_second", f"_seconds_{WHOLE}"
DRAWN_HEADS = ("", "s / 1,000 stays", "least .. most", "stays/s", f"s / {WHOLE:,}", "")
OTHER_HEADS = ("", "median", "least .. most", "", "", "")
RATIO_HEADS = ("cost of the one over cost of the other", "median", "least .. most", "", "", "")
EMPTY = ("",) * len(DRAWN_HEADS)


def table(bench: Bench) -> str:
    """Plain text."""
    blocks = ((DRAWN_HEADS, _drawn(bench)), (OTHER_HEADS, _others(bench)), (RATIO_HEADS, _ratios(bench)))
    rows = [line for heads, lines in blocks if lines for line in (EMPTY, heads, *lines)]
    failed = [f"failed: {key}: {reason}" for key, reason in bench.failed.items()]
    return "\n".join([*_machine(bench), *aligned(rows), *failed])


def _machine(bench: Bench) -> list[str]:
    machine = bench.machine
    versions = ", ".join(f"{name} {machine.packages[name]}" for name in ("cdmt-ehr", "torch", "numpy"))
    threads = "1 thread" if machine.threads == 1 else f"{machine.threads} threads"
    facts = {
        "Machine": f"{machine.processor}, {machine.cores} cores; GPU: {machine.gpu or 'none'}",
        "Instructions": ", ".join(machine.instruction_sets) or "not known",
        "Device": f"{machine.device}, {threads}; ratios are those of a machine of kind '{machine.kind}'",
        "Versions": f"Python {machine.python}, {versions}; {machine.system}",
        "Engines": ", ".join(f"{name}: {engine}" for name, engine in bench.engines.items()),
        "Load": f"{machine.load_average[0]:.1f} before, {machine.load_average[1]:.1f} after",
        "Effort": f"medians of {bench.plan.runs} runs in turn; {bench.seconds:.0f} s in all",
    }
    return [f"{name + ':':14}{words}" for name, words in facts.items()]


def _drawn(bench: Bench) -> list[tuple[str, ...]]:
    names = [key.removesuffix(COST) for key in bench.figures if key.endswith(COST)]
    rows = []
    for name in names:
        cost, rate, whole = (bench.figures[f"{name}{suffix}"] for suffix in (COST, RATE, ALL))
        medians = [number(each.median) for each in (cost, rate, whole)]
        rows.append((cost.title, medians[0], spread(cost.low, cost.high), *medians[1:], cost.scaled or ""))
    return rows


def _others(bench: Bench) -> list[tuple[str, ...]]:
    return [
        (f"{each.title} ({each.unit})", number(each.median), spread(each.low, each.high), "", "", each.scaled or "")
        for key, each in bench.figures.items()
        if not key.endswith((COST, RATE, ALL))
    ]


def _ratios(bench: Bench) -> list[tuple[str, ...]]:
    return [
        (name, number(ratio), spread(bench.ratio_ranges[name].low, bench.ratio_ranges[name].high), "", "", "")
        for name, ratio in bench.ratios.items()
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be: words at both ends, numbers to the right between them."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(EMPTY))]
    lines = []
    for row in rows:
        first, *numbers, last = row
        middle = [cell.rjust(width) for cell, width in zip(numbers, widths[1:-1], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *middle, last]).rstrip())
    return lines


def number(value: float) -> str:
    """Three digits that count, and no powers of ten."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 0.001 else f"{value:.6f}"


def spread(low: float, high: float) -> str:
    """`1.2 .. 3.4`; nothing where there was one run."""
    return f"{number(low)} .. {number(high)}" if high > low else ""
