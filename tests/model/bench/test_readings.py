from __future__ import annotations

import pytest

from model.bench.readings import Versus, figure, figures, ratios
from model.bench.timing import Contestant, Timings
from tests.model.bench.making import contestant


def nothing() -> None:
    pass


def test_a_figure_is_the_median_with_the_extremes() -> None:
    found = figure([3.0, 1.0, 2.0, 10.0, 2.5], title="a", unit="s", scaled="from 9")
    assert (found.median, found.low, found.high) == (2.5, 1.0, 10.0)
    assert found.runs == (3.0, 1.0, 2.0, 10.0, 2.5)
    assert found.scaled == "from 9"


def test_seconds_of_some_stays_are_told_for_a_thousand_and_for_the_whole_cohort() -> None:
    part = Contestant("guided", "guided", nothing, 500, "stays", basis="from 500 stays")
    found = figures([part], Timings({"guided": (1.0, 4.0, 2.0)}, {}))
    assert {key: each.median for key, each in found.items()} == {
        "guided_seconds_per_1000": 4.0,
        "guided_stays_per_second": 250.0,
        "guided_seconds_20920": 83.68,
    }
    assert {each.scaled for each in found.values()} == {"from 500 stays"}
    assert (found["guided_stays_per_second"].low, found["guided_stays_per_second"].high) == (125.0, 500.0)


def test_a_part_of_the_steps_counts_as_that_part_of_the_stays() -> None:
    fifty_of_thousand = Contestant("timediff", "timediff", nothing, 400 * 50 / 1000, "stays")
    found = figures([fifty_of_thousand], Timings({"timediff": (10.0,)}, {}))
    assert found["timediff_seconds_per_1000"].median == 500.0  # 10 s a twentieth of the steps of 400 stays


def test_steps_are_told_each_and_by_the_second() -> None:
    steps = Contestant("training", "training", nothing, 20, "steps")
    found = figures([steps], Timings({"training": (0.5,)}, {}))
    assert found["training_milliseconds_per_step"].median == 25.0
    assert found["training_steps_per_second"].median == 40.0


def test_one_that_failed_has_no_figures() -> None:
    assert figures([contestant("bad", nothing)], Timings({}, {"bad": "why"})) == {}


def test_a_ratio_is_the_median_over_rounds_whatever_slows_a_whole_round() -> None:
    pair = Versus("fast_vs_slow", slow="slow", fast="fast")
    contestants = [contestant("slow", nothing, 2), contestant("fast", nothing, 4)]
    calm = Timings({"slow": (10.0, 10.0, 11.0), "fast": (1.0, 2.0, 1.0)}, {})
    busy = Timings({"slow": (10.0, 50.0, 11.0), "fast": (1.0, 10.0, 1.0)}, {})
    middle, ranges = ratios([pair], contestants, calm)
    assert middle == {"fast_vs_slow": 20.0}
    assert (ranges["fast_vs_slow"].low, ranges["fast_vs_slow"].high) == (10.0, 22.0)
    assert ratios([pair], contestants, busy)[0] == middle


@pytest.mark.parametrize("known", ["slow", "fast"])
def test_there_is_no_ratio_to_one_that_failed(known: str) -> None:
    contestants = [contestant("slow", nothing), contestant("fast", nothing)]
    assert ratios([Versus("a", "slow", "fast")], contestants, Timings({known: (1.0,)}, {})) == ({}, {})
