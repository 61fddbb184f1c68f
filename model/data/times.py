"""A column of times that count no steps, parsed: time stamps and numbers, and the types in which they come back.

Every function raises DataError that names the column and counts the rows at fault; none quotes a value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from model.data.columns import MISSING_TEXT, is_date_like, is_number, parse_numbers, rows
from model.spec.binning import SECONDS, TimeUnit
from model.spec.errors import DataError

MICRO = 1_000_000
LARGEST = 2**53  # microseconds, 285 years: what a float counts without a gap
SYNTHETIC_START = 946_684_800  # 2000-01-01T00:00:00 in seconds since 1970: the model learns no dates
MOST = 0.5  # of a text column's values: the others are then named as bad time stamps
ISO_DATE = r"\s*\d{4}-\d{2}-\d{2}"

Times = npt.NDArray[np.int64]


class TimeColumn(NamedTuple):
    """The times of a column in microseconds, and whether they are instants (since 1970, UTC) or numbers (since 0)."""

    times: Times
    are_instants: bool


def read_times(series: pd.Series, unit: TimeUnit | None) -> TimeColumn:
    """Time stamps with or without zone, dates, text in ISO 8601; or numbers of `unit`.

    Stamps without a zone are taken as they are, so that a change to summer time in them is a gap of an hour.
    """
    name = f"time column '{series.name}'"
    if is_number(series):
        if unit is None:
            raise DataError(f"{name} holds numbers; give their unit as binning.time_unit", column=str(series.name))
        return TimeColumn(_numbers(series, unit, name), are_instants=False)
    if unit is not None:
        message = f"{name} holds no numbers, for which binning.time_unit would be"
        raise DataError(message, column=str(series.name))
    return TimeColumn(_instants(series, name), are_instants=True)


def holds_stamps(series: pd.Series) -> bool:
    """Whether the column holds time stamps or dates, also as text most of which begins like 2000-01-01."""
    if not _is_text(series):
        return _are_instants(series)
    observed = series.dropna()
    return len(observed) > 0 and bool(observed.head(1000).astype(str).str.match(ISO_DATE).mean() > MOST)


def holds_instants(dtype: pa.DataType) -> bool:
    """Whether a time column of this type holds time stamps, and not numbers."""
    return bool(pa.types.is_temporal(dtype) or pa.types.is_string(dtype))


def time_type(own: pa.DataType, times: npt.NDArray[np.float64]) -> pa.DataType:
    """The column's own type, or the next one that can hold `times` (seconds, if it holds instants)."""
    if pa.types.is_date(own):
        return own if (times % SECONDS["d"] == 0).all() else pa.timestamp("ms")
    if pa.types.is_timestamp(own):
        return pa.timestamp("ms", tz=own.tz) if own.unit == "s" else own  # Parquet knows no seconds
    if pa.types.is_integer(own):
        return _integer_type(own, times) if (times == np.rint(times)).all() else pa.float64()
    return pa.float64() if pa.types.is_float16(own) else own


def time_array(times: npt.NDArray[np.float64], dtype: pa.DataType) -> pa.Array:
    """The times as values of a column's type: numbers as they are, for all others seconds since 1970."""
    if pa.types.is_date(dtype):
        return pa.array((times // SECONDS["d"]).astype(np.int32)).cast(pa.date32()).cast(dtype)
    if pa.types.is_timestamp(dtype):
        per_second = {"s": 1, "ms": 1000, "us": MICRO, "ns": 1000 * MICRO}[dtype.unit]
        return pa.array(times.astype(np.int64) * per_second).cast(dtype)
    if pa.types.is_string(dtype):
        return pa.array(np.datetime_as_string(times.astype("datetime64[s]")).tolist(), type=dtype)
    return pa.array(times).cast(dtype)


def _integer_type(own: pa.DataType, times: npt.NDArray[np.float64]) -> pa.DataType:
    candidates = (own, pa.int32(), pa.int64())
    return next(dtype for dtype in candidates if times.max() <= np.iinfo(dtype.to_pandas_dtype()).max)


def _is_text(series: pd.Series) -> bool:
    is_object = series.dtype == object
    return (
        pd.api.types.infer_dtype(series, skipna=True) == "string"
        if is_object
        else isinstance(series.dtype, pd.StringDtype)
    )


def _are_instants(series: pd.Series) -> bool:
    if series.dtype == object:
        return pd.api.types.infer_dtype(series, skipna=True) in {"date", "datetime", "datetime64"}
    return pd.api.types.is_datetime64_any_dtype(series.dtype)


def _numbers(series: pd.Series, unit: TimeUnit, name: str) -> Times:
    values, _ = parse_numbers(series)
    each = SECONDS[unit] * MICRO
    _refuse(series, int(np.isnan(values).sum()), f"{name}: missing in {{}}")
    _refuse(series, int((np.abs(values) > LARGEST / each).sum()), f"{name}: infinite or too large in {{}}")
    return np.rint(values * each).astype(np.int64)


def _instants(series: pd.Series, name: str) -> Times:
    if not (_is_text(series) or _are_instants(series)):
        found = "durations or times of day" if is_date_like(series) else "other values"
        raise DataError(f"{name}: expected numbers or time stamps, found {found}", column=str(series.name))
    is_parsed = pd.api.types.is_datetime64_any_dtype(series.dtype)
    stamps = series if is_parsed else pd.to_datetime(series, format="ISO8601", utc=True, errors="coerce")
    lost = series[stamps.isna()]
    missing = int((lost.isna() | lost.astype(str).str.strip().str.lower().isin(MISSING_TEXT)).sum())
    _refuse(series, missing, f"{name}: missing in {{}}")
    _refuse(series, len(lost), f"{name}: no time stamp in ISO 8601 (2000-01-01T00:00:00) in {{}}")
    return stamps.to_numpy(dtype="datetime64[us]").view(np.int64)


def _refuse(series: pd.Series, count: int, message: str) -> None:
    if count:
        raise DataError(message.format(rows(count)), column=str(series.name))
