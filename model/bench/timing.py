"""Contestants take turns: the first run of each, then the second of each, so that a busy neighbour hits them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from model.memory import is_out_of_memory

Clock = Callable[[], float]
"""Seconds since some moment."""
Notice = Callable[[str], None]
"""Told in a line what is going on."""
Unit = Literal["stays", "steps", "loads", "reports"]


@dataclass(frozen=True)
class Contestant:
    """Work that is timed. `run` does `amount` units of it and returns when they are done, on a GPU, too.

    `basis` says on what it is measured where a figure is extrapolated from it. `warm` makes ready what the first run
    alone would need; absent: a run that is not timed.
    """

    key: str
    title: str
    run: Callable[[], None]
    amount: float
    unit: Unit
    basis: str | None = None
    warm: Callable[[], None] | None = None


@dataclass(frozen=True)
class Timings:
    """Seconds of every run by contestant, and why others have none."""

    seconds: Mapping[str, tuple[float, ...]]
    failed: Mapping[str, str]


def take_turns(contestants: Sequence[Contestant], *, runs: int, clock: Clock, notice: Notice) -> Timings:
    """Time `runs` runs of each contestant, in turn. One that breaks is reported, and the others go on."""
    seconds: dict[str, list[float]] = {contestant.key: [] for contestant in contestants}
    failed: dict[str, str] = {}
    for number in range(runs + 1):
        for contestant in contestants:
            if contestant.key in failed:
                continue
            notice(f"{contestant.title}: {f'run {number} of {runs}' if number else 'warm-up'}")
            try:
                found = _timed(contestant, clock) if number else _warmed(contestant)
            except Exception as error:  # noqa: BLE001  whatever it is: a benchmark of the rest is better than none
                failed[contestant.key] = f"{type(error).__name__}: {error}"
                del seconds[contestant.key]
            else:
                seconds[contestant.key].extend(found)
    return Timings({key: tuple(each) for key, each in seconds.items()}, failed)


def _timed(contestant: Contestant, clock: Clock) -> tuple[float, ...]:
    began = clock()
    contestant.run()
    return (clock() - began,)


def _warmed(contestant: Contestant) -> tuple[float, ...]:
    (contestant.warm or contestant.run)()
    return ()


def fastest(candidates: Mapping[int, Callable[[], None]], *, rounds: int, clock: Clock) -> int:
    """Of batch sizes, each with the work on a batch of it, the one that costs least per item; the best of `rounds`.

    The work takes turns, too, after a first time that does not count. A size that memory does not hold is left out.
    """
    best: dict[int, float] = {}
    for number in range(rounds + 1):
        for size, work in candidates.items():
            if number and size not in best:
                continue
            try:
                began = clock()
                work()
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                continue
            best[size] = min(best[size], (clock() - began) / size) if number else float("inf")
    return min(best, key=lambda size: best[size])


def synchronised(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    """`work`, and then the end of what it asked of a GPU."""

    def run() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run
