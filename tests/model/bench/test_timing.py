from __future__ import annotations

import pytest
import torch

from model.bench.timing import Contestant, fastest, take_turns
from tests.model.bench.making import FakeClock, contestant


def test_contestants_take_turns_and_the_first_time_does_not_count() -> None:
    clock, told = FakeClock(), list[str]()
    slow, fast = clock.work(9, 4, 5, 6), clock.work(9, 1, 2, 3)
    timings = take_turns([contestant("slow", slow), contestant("fast", fast)], runs=3, clock=clock, notice=told.append)
    assert timings.seconds == {"slow": (4, 5, 6), "fast": (1, 2, 3)}
    assert timings.failed == {}
    assert told[:4] == ["slow: warm-up", "fast: warm-up", "slow: run 1 of 3", "fast: run 1 of 3"]


def test_what_has_a_warm_up_of_its_own_runs_that_once() -> None:
    clock = FakeClock()
    ready = Contestant("a", "a", clock.work(1, 1), 1, "loads", warm=clock.work(100))
    assert take_turns([ready], runs=2, clock=clock, notice=print).seconds == {"a": (1, 1)}


@pytest.mark.parametrize("run", [0, 2])
def test_one_that_breaks_is_reported_and_the_others_go_on(run: int) -> None:
    clock, left = FakeClock(), iter(range(4))

    def breaks() -> None:
        if next(left) == run:
            raise OSError("no disk")

    contestants = [contestant("bad", breaks), contestant("good", clock.work(1, 2, 3, 4))]
    timings = take_turns(contestants, runs=3, clock=clock, notice=print)
    assert timings.seconds == {"good": (2, 3, 4)}
    assert timings.failed == {"bad": "OSError: no disk"}


def test_the_batch_that_costs_least_an_item_wins_by_its_best_round() -> None:
    clock = FakeClock()
    works = {10: clock.work(0, 30, 20), 100: clock.work(0, 150, 900), 1000: clock.work(0, 2000, 2000)}
    assert fastest(works, rounds=2, clock=clock) == 100


def test_a_batch_that_memory_does_not_hold_is_left_out_and_any_other_error_is_not_hidden() -> None:
    clock = FakeClock()

    def too_large() -> None:
        raise torch.OutOfMemoryError

    def broken() -> None:
        raise RuntimeError("shapes do not match")

    assert fastest({10: clock.work(1, 1), 100: too_large}, rounds=1, clock=clock) == 10
    with pytest.raises(RuntimeError, match="shapes"):
        fastest({10: broken}, rounds=1, clock=clock)
