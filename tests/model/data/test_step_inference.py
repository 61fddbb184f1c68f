import numpy as np
import pandas as pd
import pytest

from model.data.step_inference import infer_steps
from model.spec.binning import Binning
from model.spec.errors import DataError

N = 10


def every(spacing: float, length: int, *, name: str, jitter: float = 0) -> tuple[pd.Series, np.ndarray]:
    """Ten stays with `length` rows, `spacing` apart but for the jitter, and the stay of each row."""
    noise = np.random.default_rng(0).uniform(0, jitter, N * length)
    return pd.Series(np.tile(np.arange(length) * spacing, N) + noise, name=name), np.repeat(np.arange(N), length)


@pytest.mark.parametrize(
    ("spacing", "length", "step", "sequence_length"),
    [
        (60, 48, "1h", 48),
        (5, 100, "5min", 100),
        (10, 30, "5min", 59),  # every second step is empty
        (11, 30, "1h", 6),
        (5, 700, "1h", 59),  # 700 steps of five minutes are more than 600
    ],
)
def test_the_step_follows_the_median_spacing(spacing: float, length: int, step: str, sequence_length: int) -> None:
    times, stay = every(spacing, length, name="minutes", jitter=0.4)
    assert infer_steps(times, stay) == (Binning(step=step, time_unit="min", origin="zero"), sequence_length)
    stamps = pd.Timestamp("2150-03-01 07:31") + pd.to_timedelta(times.round(1), unit="min")
    assert infer_steps(stamps, stay)[0] == Binning(step=step, origin="first")


@pytest.mark.parametrize(("name", "spacing"), [("hour", 1), ("minute", 5), ("time", 1), ("minute", 1), ("day", 1)])
def test_whole_steps_stay_as_they_are(name: str, spacing: float) -> None:
    assert infer_steps(*every(spacing, 30, name=name)) == (None, 30)


def test_whole_hours_with_many_gaps_are_steps_but_scattered_minutes_are_not() -> None:
    times = pd.Series([0, 7, 103] * N, name="hour")
    stay = np.repeat(np.arange(N), 3)
    assert infer_steps(times, stay) == (None, 104)
    binning, length = infer_steps(times.rename("minute"), stay)
    assert (binning, length) == (Binning(step="1h", time_unit="min", origin="zero"), 2)


def test_stays_before_the_origin_have_no_length() -> None:
    times = pd.Series([-90.5, -30, -30, 130], name="offset")
    assert infer_steps(times, np.array([0, 0, 1, 1]))[1] == 3


def test_rows_at_one_time_have_no_spacing() -> None:
    assert infer_steps(pd.Series([0.5, 0.5], name="hours"), np.array([0, 0]))[1] == 1


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["08:00", "09:00", "08:00", "09:00"], "expected whole numbers, found text; bin the rows"),
        ([0, 0.5, None, 1.25], r"not a whole number in 2 rows, and its name .* binning\.time_unit \(s, min, h or d\)"),
        (
            [0, 7, 0, 1003],
            r"a stay would have 1004 steps of 1, too many to be meant, and its name .* binning\.time_unit",
        ),
        ([0, None, 0, 1], "missing in 1 row"),
        ([0, np.inf, 0, 1], "infinite or too large in 1 row"),
        (pd.to_timedelta([0, 1, 0, 1], unit="h"), "expected whole numbers, found dates or times"),
        ([pd.Timestamp("2020-01-01"), pd.NaT] * 2, "missing in 2 rows"),
        (
            ["2020-01-01", "2020-01-02", "soon", "2020-01-01"],
            r"no time stamp in ISO 8601 \(2000-01-01T00:00:00\) in 1 row",
        ),
        (pd.to_datetime(["2020-01-01", "2021-01-01"] * 2), "a stay would have 8785 steps of 1h, too many to be meant"),
    ],
)
def test_times_that_say_nothing_are_refused(times: object, message: str) -> None:
    with pytest.raises(DataError, match=f"time column 'charttime': {message}") as caught:
        infer_steps(pd.Series(times, name="charttime"), np.array([0, 0, 1, 1]))
    assert caught.value.column == "charttime"
