import datetime as dt
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from model.data.arrow import arrow_type
from model.data.times import MICRO, SYNTHETIC_START, holds_stamps, read_times, time_array, time_type
from model.spec.errors import DataError

NOON = pd.Timestamp("2150-06-01 12:00:00")
NOON_SECONDS = (180 * 365 + 44 + 151) * 86_400 + 43_200  # since 1970: 180 years, 44 leap days, 151 days, half a day


def seconds(series: object) -> list[float]:
    found = read_times(pd.Series(series, name="charttime"), None)
    assert found.are_instants
    return [float(time) for time in found.times / MICRO]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_stamps_of_any_precision_are_instants(unit: Literal["s", "ms", "us", "ns"]) -> None:
    stamps = pd.Series(pd.DatetimeIndex([NOON, NOON + pd.Timedelta(seconds=1.5)]).as_unit(unit))
    assert seconds(stamps) == [NOON_SECONDS, NOON_SECONDS + (1 if unit == "s" else 1.5)]


def test_stamps_with_a_zone_are_compared_as_instants() -> None:
    berlin = pd.Series(pd.to_datetime(["2150-06-01 12:00"])).dt.tz_localize("Europe/Berlin")
    assert seconds(berlin) == [NOON_SECONDS - 7200]


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("2150-06-01T12:00:00", 0),
        ("2150-06-01 12:00", 0),
        (" 2150-06-01 12:00:00.25", 0.25),
        ("2150-06-01T12:00:00Z", 0),
        ("2150-06-01T12:00:00+02:00", -7200),
        ("2150-06-01", -43_200),
    ],
)
def test_text_in_iso_8601_is_read(text: str, offset: float) -> None:
    assert seconds([text, "2150-06-01 12:00:00"]) == [NOON_SECONDS + offset, NOON_SECONDS]


def test_dates_and_python_stamps_are_read() -> None:
    assert seconds(pd.Series([dt.date(2150, 6, 1)], dtype=object)) == [NOON_SECONDS - 43_200]
    assert seconds(pd.Series([NOON.to_pydatetime()], dtype=object)) == [NOON_SECONDS]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("min", 60), ("h", 3600), ("d", 86_400)])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64", "Int64", "object"])
def test_numbers_are_of_the_unit(unit: str, factor: int, dtype: str) -> None:
    found = read_times(pd.Series([-30, 0, 7], dtype=dtype), unit)  # type: ignore[arg-type]
    assert not found.are_instants
    assert (found.times / MICRO).tolist() == [-30 * factor, 0, 7 * factor]


@pytest.mark.parametrize(
    ("series", "unit", "message"),
    [
        ([1, 2], None, "holds numbers; give their unit as binning.time_unit"),
        ([NOON, NOON], "h", "holds no numbers, for which binning.time_unit would be"),
        ([1.5, None], "h", "missing in 1 row"),
        ([1, np.inf], "h", "infinite or too large in 1 row"),
        ([1, 1e13], "h", "infinite or too large in 1 row"),
        ([1, 1e305], "h", "infinite or too large in 1 row"),
        ([NOON, None], None, "missing in 1 row"),
        (["2150-06-01", "NA"], None, "missing in 1 row"),
        (["2150-06-01", "01/06/2150 SECRET"], None, r"no time stamp in ISO 8601 \(2000-01-01T00:00:00\) in 1 row"),
        ([dt.time(8), dt.time(9)], None, "expected numbers or time stamps, found durations or times of day"),
        (pd.to_timedelta([1, 2], unit="h"), None, "found durations or times of day"),
        ([True, False], None, "found other values"),
    ],
)
def test_what_is_no_time_is_refused_without_being_quoted(series: object, unit: str | None, message: str) -> None:
    with pytest.raises(DataError, match=f"^time column 'charttime':? .*{message}") as caught:
        read_times(pd.Series(series, name="charttime"), unit)  # type: ignore[arg-type]
    assert caught.value.column == "charttime"
    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([NOON], True),
        ([None, "2150-06-01"], True),
        (pd.Series(["2150-06-01T08:00"], dtype=object), True),
        (pd.Series(["2150-06-01T08:00"], dtype="string"), True),
        (pd.Series([dt.date(2150, 6, 1)], dtype=object), True),
        (["2150-06-01", "2150-06-02", "soon"], True),
        (["2150-06-01", "soon"], False),
        (["08:00"], False),
        (["2150"], False),
        ([None, None], False),
        ([2150], False),
        (pd.Categorical(["2150-06-01"]), False),
        (pd.to_timedelta([1], unit="h"), False),
    ],
)
def test_stamps_are_told_from_other_columns(series: object, expected: bool) -> None:
    assert holds_stamps(pd.Series(series)) is expected


@pytest.mark.parametrize(
    ("dtype", "written"),
    [
        ("timestamp[us]", pd.Timestamp(2000, 1, 1, 1)),
        ("timestamp[ns]", pd.Timestamp(2000, 1, 1, 1)),
        ("timestamp[ms, tz=Europe/Berlin]", dt.datetime(2000, 1, 1, 1, tzinfo=dt.UTC)),
        ("string", "2000-01-01T01:00:00"),
        ("double", SYNTHETIC_START + 3600),
    ],
)
def test_times_are_written_in_the_columns_type(dtype: str, written: object) -> None:
    times = np.array([SYNTHETIC_START, SYNTHETIC_START + 3600], dtype=np.float64)
    array = time_array(times, arrow_type(dtype))
    assert str(array.type) == dtype
    assert array[1].as_py() == written


def test_whole_days_are_written_as_dates() -> None:
    times = np.array([SYNTHETIC_START, SYNTHETIC_START + 86_400], dtype=np.float64)
    assert time_array(times, time_type(pa.date32(), times)).to_pylist() == [dt.date(2000, 1, 1), dt.date(2000, 1, 2)]
    assert time_type(pa.date32(), times / 2) == pa.timestamp("ms")


@pytest.mark.parametrize(
    ("own", "times", "expected"),
    [
        (pa.int8(), [0, 100], pa.int8()),
        (pa.int8(), [0, 1440], pa.int32()),
        (pa.int64(), [0, 0.5], pa.float64()),
        (pa.float32(), [0, 0.5], pa.float32()),
        (pa.float16(), [0, 1440], pa.float64()),
        (pa.string(), [0, 3600], pa.string()),
        (pa.timestamp("s", tz="UTC"), [0, 3600], pa.timestamp("ms", tz="UTC")),
    ],
)
def test_the_type_is_the_columns_own_if_it_can_hold_the_times(
    own: pa.DataType, times: list[float], expected: pa.DataType
) -> None:
    assert time_type(own, np.array(times, dtype=np.float64)) == expected
