"""From seconds to figures, and from figures to ratios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from model.bench.plan import WHOLE
from model.bench.records import Figure, RatioRange
from model.bench.timing import Contestant, Timings, Unit

DIGITS = 6


class Reading(NamedTuple):
    """A way to tell a cost: `of` turns seconds per unit of work into it."""

    suffix: str
    unit: str
    of: Callable[[float], float]


READINGS: Mapping[Unit, tuple[Reading, ...]] = {
    "stays": (
        Reading("seconds_per_1000", "s / 1,000 stays", lambda cost: 1000 * cost),
        Reading("stays_per_second", "stays/s", lambda cost: 1 / cost),
        Reading(f"seconds_{WHOLE}", f"s / {WHOLE:,} stays", lambda cost: WHOLE * cost),
    ),
    "steps": (
        Reading("milliseconds_per_step", "ms / step", lambda cost: 1000 * cost),
        Reading("steps_per_second", "steps/s", lambda cost: 1 / cost),
    ),
    "loads": (Reading("seconds", "s", lambda cost: cost),),
    "reports": (Reading("seconds", "s", lambda cost: cost),),
}


class Versus(NamedTuple):
    """A ratio: how many times the cost of `fast` is that of `slow`."""

    name: str
    slow: str
    fast: str


def figure(values: Sequence[float], *, title: str, unit: str, scaled: str | None = None) -> Figure:
    """Median and spread of at least one value."""
    runs = tuple(rounded(value) for value in values)
    return Figure(
        title=title, unit=unit, median=rounded(median(values)), low=min(runs), high=max(runs), runs=runs, scaled=scaled
    )


def figures(contestants: Sequence[Contestant], timings: Timings) -> dict[str, Figure]:
    """What each contestant costs, in every way to tell it."""
    found = {}
    for contestant in contestants:
        costs = [seconds / contestant.amount for seconds in timings.seconds.get(contestant.key, ())]
        for reading in READINGS[contestant.unit] if costs else ():
            values = [reading.of(cost) for cost in costs]
            found[f"{contestant.key}_{reading.suffix}"] = figure(
                values, title=contestant.title, unit=reading.unit, scaled=contestant.basis
            )
    return found


def ratios(
    pairs: Sequence[Versus], contestants: Sequence[Contestant], timings: Timings
) -> tuple[dict[str, float], dict[str, RatioRange]]:
    """Median and range over rounds of the costs per unit, slow over fast; pairs of which one has no figures are left.

    The two ran one after the other, so that what slowed a round down slowed both.
    """
    amount = {contestant.key: contestant.amount for contestant in contestants}
    known = [pair for pair in pairs if pair.slow in timings.seconds and pair.fast in timings.seconds]
    rounds = {
        pair.name: [
            (slow / amount[pair.slow]) / (fast / amount[pair.fast])
            for slow, fast in zip(timings.seconds[pair.slow], timings.seconds[pair.fast], strict=True)
        ]
        for pair in known
    }
    middle = {name: rounded(median(each)) for name, each in rounds.items()}
    return middle, {name: RatioRange(low=rounded(min(each)), high=rounded(max(each))) for name, each in rounds.items()}


def rounded(value: float) -> float:
    """With so many digits as a clock may be trusted for."""
    return float(f"{value:.{DIGITS}g}")
