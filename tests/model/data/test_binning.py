from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.data.arrange import ArrangedTable, arrange
from model.data.binning import aggregate
from model.data.frame import to_frame, to_table
from model.data.layout import TableLayout
from model.spec.binning import Aggregate, Binning
from model.spec.errors import DataError
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

NAN = float("nan")
MINUTES = Binning(step="1h", time_unit="min")
STAMPS = Binning(step="1h")
FEATURES = (NumericalFeature(name="x"), CategoricalFeature(name="c", categories=("a", "b")))


def schema(binning: Binning | None, **changes: Any) -> Schema:
    plain = Schema(stay_id="stay", time="time", sequence_length=3, features=FEATURES, binning=binning)
    return plain.model_copy(update=changes)


def frame(times: object, x: object = 1.0, c: object = "a", *, stay: object = 0) -> pd.DataFrame:
    return pd.DataFrame({"stay": stay, "time": times, "x": x, "c": c})


def numbers(arranged: ArrangedTable) -> list[list[float | None]]:
    return [[None if np.isnan(v) else float(v) for v in stay[:, 0]] for stay in arranged.stays.numerical]


def counts(arranged: ArrangedTable) -> tuple[int, int, int, int]:
    summary = arranged.summary
    return summary.n_rows, summary.n_rows_before, summary.n_rows_beyond, summary.n_rows_merged


@pytest.mark.parametrize(("how", "first", "third"), [("mean", 2, 7), ("last", 4, 7), ("min", 0, 7), ("max", 4, 7)])
def test_the_rows_of_a_step_become_one_by_the_aggregate(how: Aggregate, first: float, third: float) -> None:
    """Hour 0: 2, 0, 4 and a missing value, last in time; hour 1: a missing value; hour 2: 7."""
    table = frame([50, 59, 30, 0, 60, 120], [4, NAN, 0, 2, NAN, 7], ["b", None, "a", "a", None, "b"])
    arranged = arrange(table, schema(Binning(step="1h", time_unit="min", aggregate=how)))
    assert numbers(arranged) == [[first, None, third]]
    assert arranged.stays.categorical[0, :, 0].tolist() == [1, -1, 1]
    assert counts(arranged) == (6, 0, 0, 3)


def test_a_feature_may_have_its_own_aggregate() -> None:
    features = (NumericalFeature(name="x"), NumericalFeature(name="y", aggregate="last"))
    table = pd.DataFrame({"stay": 0, "time": [1, 2], "x": [1.0, 2.0], "y": [1.0, 2.0]})
    assert arrange(table, schema(MINUTES, features=features)).stays.numerical[0, 0].tolist() == [1.5, 2]


def test_values_are_clipped_before_they_are_averaged() -> None:
    features = (NumericalFeature(name="x", min=0, max=100),)
    arranged = arrange(frame([0, 1], [50.0, 9999.0]), schema(MINUTES, features=features))
    assert numbers(arranged)[0][0] == 75
    assert arranged.summary.clipped == {"x": 1}


def test_rows_that_repeat_a_stay_and_time_are_aggregated_in_the_order_of_the_table() -> None:
    table = frame([5, 5, 5], [1.0, 3.0, 8.0], ["a", "b", None])
    assert numbers(arrange(table, schema(MINUTES)))[0][0] == 4
    last = arrange(table, schema(Binning(step="1h", time_unit="min", aggregate="last")))
    assert numbers(last)[0][0] == 8
    assert last.stays.categorical[0, 0, 0] == 1


def test_rows_before_time_0_and_beyond_the_sequence_are_dropped_and_counted() -> None:
    """As in eICU: offsets in minutes from admission, some of them before it; one stay lies wholly before it."""
    table = frame([-300, -1, 0, 179, 180, 999, -5], [9, 9, 1, 2, 9, 9, 9], stay=[7, 7, 7, 7, 7, 7, 8])
    arranged = arrange(table, schema(MINUTES))
    assert numbers(arranged) == [[1, None, 2]]
    assert counts(arranged) == (7, 3, 2, 0)
    assert (arranged.summary.n_stays, arranged.summary.n_cut_stays, arranged.summary.n_stays_before) == (1, 1, 1)


def test_what_is_static_may_be_known_from_a_row_before_time_0_alone() -> None:
    """Age and sex are charted at the admission to the hospital; of stay 8 nothing is known."""
    features = (
        NumericalFeature(name="x"),
        NumericalFeature(name="age", static=True),
        CategoricalFeature(name="sex", categories=("F", "M"), static=True),
    )
    table = frame([-30, 0, 60, -5, 0], [9, 1, 2, 9, 3], stay=[7, 7, 7, 8, 8]).assign(
        age=pd.array([71, None, None, None, None], dtype="Int16"), sex=pd.Series(["M", *[None] * 4])
    )
    stays = arrange(table, schema(MINUTES, features=features)).stays
    np.testing.assert_array_equal(stays.numerical[:, 0], np.array([[1, 71], [3, NAN]], np.float32))
    assert stays.categorical[:, :, 0].tolist() == [[1, 1, 1], [-1, -1, -1]]
    contradicting = table.assign(age=pd.array([71, None, 72, None, None], dtype="Int16"))
    with pytest.raises(DataError, match="'age': changes within 1 stay"):
        arrange(contradicting, schema(MINUTES, features=features))


def test_numbers_may_be_counted_from_the_first_row_of_each_stay() -> None:
    table = frame([-300, -241, -240, 1000, 1120], [1, 3, 5, 7, 9], stay=[7, 7, 7, 8, 8])
    arranged = arrange(table, schema(Binning(step="1h", time_unit="min", origin="first")))
    assert numbers(arranged) == [[2, 5, None], [7, None, 9]]
    assert (arranged.layout.time_start, arranged.layout.time_step) == (0, 60)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_fractional_hours_are_taken_to_the_nearest_second(dtype: str) -> None:
    """Every five minutes in hours of four digits: 0.0833 is the second step, not the end of the first."""
    times = np.round(np.arange(288) / 12, 4).astype(dtype)
    binning = Binning(step="5min", time_unit="h")
    arranged = arrange(frame(times, np.arange(288.0)), schema(binning, sequence_length=288))
    assert numbers(arranged) == [list(range(288))]
    again = arrange(to_frame(arranged.stays, schema(binning), arranged.layout), schema(binning, sequence_length=288))
    assert numbers(again) == numbers(arranged)


def test_within_a_second_time_still_orders_rows() -> None:
    binning = Binning(step="1h", time_unit="s", aggregate="last")
    assert numbers(arrange(frame([0.3, 0.1], [1.0, 2.0]), schema(binning)))[0][0] == 1


def test_stamps_are_counted_from_the_first_of_each_stay_in_any_order_of_rows() -> None:
    stamps = pd.to_datetime(["2150-01-01 10:59", "2150-01-01 09:30", "2150-01-01 10:29", "2160-05-05 23:59"])
    arranged = arrange(frame(stamps, [3, 1, 2, 4], stay=["a", "a", "a", "b"]), schema(STAMPS))
    assert numbers(arranged) == [[1.5, 3, None], [4, None, None]]


def test_summer_time_is_no_gap_where_the_zone_is_known() -> None:
    """In Berlin the clock went from 2:00 to 3:00 on 26 March 2023, and from 3:00 back to 2:00 on 29 October."""
    spring = pd.date_range("2023-03-26 00:30", periods=3, freq="h", tz="Europe/Berlin")
    autumn = pd.date_range("2023-10-29 01:30", periods=3, freq="h", tz="Europe/Berlin")
    assert [stamp.hour for stamp in spring] == [0, 1, 3]
    assert [stamp.hour for stamp in autumn] == [1, 2, 2]
    table = frame(spring.append(autumn), range(6), stay=np.repeat([0, 1], 3))
    assert numbers(arrange(table, schema(STAMPS))) == [[0, 1, 2], [3, 4, 5]]
    naive = table.assign(time=table["time"].dt.tz_localize(None))
    assert numbers(arrange(naive, schema(STAMPS))) == [[0, 1, None], [3, 4.5, None]]


@pytest.mark.parametrize(
    ("times", "dtype", "written"),
    [
        ([7, 61], "int64", [0, 60, 120]),
        (np.array([7, 61], dtype=np.int8), "int8", [0, 60, 120]),
        ([7.5, 61], "double", [0, 60, 120]),
        (
            pd.to_datetime(["2150-01-01", "2150-01-02"]),
            "timestamp[us]",
            list(pd.date_range("2000", periods=3, freq="h")),
        ),
        (["2150-01-01T08:00", "x"], "string", ["2000-01-01T00:00:00", "2000-01-01T01:00:00", "2000-01-01T02:00:00"]),
    ],
)
def test_steps_are_written_in_the_columns_type_and_unit_without_dates(
    times: Any, dtype: str, written: list[object]
) -> None:
    """Twice the first time of the source, so that all of it can be read."""
    binning = STAMPS if dtype in ("string", "timestamp[us]") else MINUTES
    arranged = arrange(frame([times[0]] * 2 if dtype == "string" else times), schema(binning))
    assert {column.name: column.dtype for column in arranged.layout.columns}["time"] == dtype
    table = to_table(arranged.stays, schema(binning), arranged.layout)
    assert table["time"].to_pylist() == written
    layout = TableLayout.model_validate_json(arranged.layout.model_dump_json())
    again = arrange(to_frame(arranged.stays, schema(binning), layout), schema(binning))
    assert numbers(again) == numbers(arranged)
    assert again.layout == arranged.layout


@pytest.mark.parametrize(
    ("times", "binning", "message"),
    [
        ([-5, -7], MINUTES, "all 2 rows lie before time 0; look at binning.origin"),
        ([10_000, 20_000], MINUTES, "no row lies within the first 3 steps of 1h; look at binning.time_unit and"),
        ([pd.Timestamp("2150-01-01")] * 2, Binning(step="1h", origin="zero"), "time stamps, which have no time 0"),
    ],
)
def test_an_origin_that_leaves_nothing_is_an_error(times: object, binning: Binning, message: str) -> None:
    with pytest.raises(DataError, match=f"time column 'time'.*{message}") as caught:
        arrange(frame(times), schema(binning))
    assert caught.value.column == "time"


def test_a_label_that_changes_is_refused_as_ever() -> None:
    label = Label(name="died", categories=("0", "1"))
    with pytest.raises(DataError, match="label 'died': changes within 1 stay"):
        arrange(frame([0, 1]).assign(died=[0, 1]), schema(MINUTES, labels=(label,)))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_whole_hours_are_their_own_bins(data: st.DataObject) -> None:
    n, length = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    cells = [(stay, hour) for stay in range(n) for hour in range(length)]
    chosen = data.draw(st.lists(st.sampled_from(cells), min_size=1, unique=True))
    chosen = [*chosen, *((stay, 0) for stay in range(n) if (stay, 0) not in chosen)]
    # With another stay whose hours follow each other, the common grid is that of hours.
    chosen += [(n, 0), (n, 1)]
    k = len(chosen)
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    x = data.draw(st.lists(st.one_of(st.just(NAN), finite), min_size=k, max_size=k))
    c = data.draw(st.lists(st.sampled_from(["a", "b", None]), min_size=k, max_size=k))
    table = frame(
        np.array([hour for _, hour in chosen]), x, pd.Series(c, dtype="str"), stay=[stay for stay, _ in chosen]
    )
    how = data.draw(st.sampled_from(["mean", "last", "min", "max"]))
    binned = arrange(table, schema(Binning(step="1h", time_unit="h", aggregate=how)))
    whole = arrange(table, schema(None))
    assert np.array_equal(binned.stays.numerical, whole.stays.numerical, equal_nan=True)
    assert np.array_equal(binned.stays.categorical, whole.stays.categorical)
    assert (binned.summary, binned.layout) == (whole.summary, whole.layout)


@given(st.lists(st.tuples(st.integers(0, 3), st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32))), max_size=30))
def test_aggregates_are_those_of_pandas(pairs: list[tuple[int, float]]) -> None:
    cell = np.array([c for c, _ in pairs], dtype=np.int64)
    values = np.array([v for _, v in pairs], dtype=np.float32)
    groups = pd.Series(values.astype(np.float64)).groupby(cell)
    hows: tuple[Aggregate, ...] = ("mean", "last", "min", "max")
    for how in hows:
        expected = groups.agg(how).reindex(range(4)).to_numpy()
        assert np.allclose(aggregate(values, cell, 4, how), expected, rtol=1e-5, atol=1e-3, equal_nan=True)
