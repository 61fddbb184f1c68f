import math
from collections.abc import Callable

import pytest

from model.evaluation.definitions import DEFINITIONS, verdict
from model.evaluation.measure import Run, never, no_progress
from model.evaluation.space import Figure, NotAvailable, Tick
from model.spec.errors import Cancelled


def run(**changes: object) -> Run:
    settings = {"progress": no_progress, "cancelled": never} | changes
    return Run("testing", ["mmd", "c2st_lstm"], **settings)  # type: ignore[arg-type]


def raising(error: Exception) -> Callable[[Tick], float]:
    def compute(_: Tick) -> float:
        raise error

    return compute


def ticking(*fractions: float) -> Callable[[Tick], float]:
    def compute(tick: Tick) -> float:
        for fraction in fractions:
            tick(fraction)
        return 1.0

    return compute


def test_a_figure() -> None:
    outcome = run().measure("mmd", lambda _: Figure(0.5, 0.4, 0.6))
    assert (outcome.status, outcome.figure, outcome.reason) == ("ok", Figure(0.5, 0.4, 0.6), None)


def test_what_does_not_exist_says_why() -> None:
    outcome = run().measure("mmd", raising(NotAvailable("there are no stays")))
    assert (outcome.status, outcome.figure, outcome.reason) == ("not_available", None, "there are no stays")


def test_what_breaks_says_where_but_quotes_nothing() -> None:
    outcome = run().measure("mmd", raising(ValueError("patient 4711 has 37.2")))
    assert outcome.status == "failed"
    assert outcome.reason is not None
    assert "ValueError at test_measure.py" in outcome.reason
    assert "4711" not in outcome.reason


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_failed(value: float) -> None:
    outcome = run().measure("mmd", lambda _: value)
    assert outcome.status == "failed"
    assert outcome.figure is None


def test_a_cancel_is_obeyed_before_and_within_a_figure() -> None:
    with pytest.raises(Cancelled):
        run(cancelled=lambda: True).measure("mmd", lambda _: 1.0)
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        run(cancelled=lambda: next(asked)).measure("mmd", ticking(0.1, 0.2))


def test_progress_rises_to_its_end() -> None:
    told: list[tuple[str, int, int]] = []
    one = run(progress=lambda *told_now: told.append(told_now))
    one.measure("mmd", ticking(0.5))
    one.measure("c2st_lstm", ticking(0.5))
    one.tell()
    values = [value for _, value, _ in told]
    total = 10 * (DEFINITIONS["mmd"].weight + DEFINITIONS["c2st_lstm"].weight)
    assert values == sorted(values)
    assert told[0] == ("testing", 0, total)
    assert told[-1] == ("testing", total, total)


def test_a_verdict_compares_with_real_stays() -> None:
    assert verdict("total_variation", 0.004, 0.003) == "like_real"
    assert verdict("total_variation", 0.04, 0.003) == "close"
    assert verdict("total_variation", 0.3, 0.003) == "different"
    assert verdict("c2st_lstm", 0.45, 0.5) == "like_real"
    assert verdict("c2st_lstm", 0.9, 0.5) == "different"
    assert verdict("c2st_lstm", 0.1, None) == "different"
    assert verdict("c2st_lstm", 0.7, 0.44) == "different"
    assert verdict("tstr", 0.76, 0.75) == "like_real"
    assert verdict("tstr", 0.6, 0.75) == "different"
    assert verdict("tstr", 0.6, None) is None
