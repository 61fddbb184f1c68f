"""Benchmarks of planted numbers, and clocks that tell what they are told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from model.bench.machine import BenchMachine, Kind
from model.bench.plan import Plan
from model.bench.readings import figure
from model.bench.records import Bench, RatioRange
from model.bench.timing import Contestant


class FakeClock:
    """A clock that stands still but for work that takes `seconds`."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, *seconds: float) -> Callable[[], None]:
        """Work whose runs take so long, one after the other."""
        left: Iterator[float] = iter(seconds)

        def run() -> None:
            self.now += next(left)

        return run


def contestant(key: str, run: Callable[[], None], amount: float = 1.0) -> Contestant:
    return Contestant(key, key, run, amount, "stays")


def machine(kind: Kind = "cpu") -> BenchMachine:
    return BenchMachine(
        processor="An Old One",
        cores=2,
        gpu=None,
        python="3.11.0",
        system="Linux 6",
        packages={"cdmt-ehr": "0.1.0", "torch": "2.13.0", "numpy": "2.4.0"},
        kind=kind,
        device="cpu",
        threads=1,
        instruction_sets=("avx2",),
        load_average=(0.5, 1.5),
    )


def bench(ratios: Mapping[str, float], *, kind: Kind = "cpu") -> Bench:
    return Bench(
        machine=machine(kind),
        engines={"bundled": "planted"},
        plan=Plan(),
        figures={
            "guided_2m_20_seconds_per_1000": figure([2.0, 1.0, 4.0], title="guided, 2M-20", unit="s", scaled="from 9"),
            "guided_2m_20_stays_per_second": figure([500.0, 1000.0, 250.0], title="guided, 2M-20", unit="stays/s"),
            "guided_2m_20_seconds_20920": figure([41.84, 20.92, 83.68], title="guided, 2M-20", unit="s"),
            "model_load_seconds": figure([0.25], title="reading the model", unit="s"),
        },
        ratios=dict(ratios),
        ratio_ranges={name: RatioRange(low=ratio - 1, high=ratio + 1) for name, ratio in ratios.items()},
        failed={"evaluation": "OSError: no disk"},
        seconds=12.3,
        made_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    )
