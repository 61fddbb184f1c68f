"""One column of a table, parsed: keys, whole time steps, numbers, category codes.

Every function raises DataError that names the column and counts the rows at fault; none quotes a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.stays import MISSING_CATEGORY
from model.spec.errors import DataError

MISSING_TEXT = frozenset({"", "nan", "na", "n/a", "null", "none"})
LARGEST_EXACT = 2**53
BOOL_TEXT = {"true": True, "1": True, "false": False, "0": False}
UNKNOWN = -2
ADVICE = "bin the rows to whole steps first, such as whole hours since admission, or give a schema with `binning`"

Codes = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def rows(count: int) -> str:
    """`1 row`, `2 rows`."""
    return f"{count} row" if count == 1 else f"{count} rows"


def is_date_like(series: pd.Series) -> bool:
    """Whether the column holds dates, times or durations."""
    if series.dtype == object:
        return pd.api.types.infer_dtype(series, skipna=True) in {"date", "datetime", "datetime64", "time", "timedelta"}
    types = pd.api.types
    return bool(
        types.is_datetime64_any_dtype(series.dtype)
        or types.is_timedelta64_dtype(series.dtype)
        or isinstance(series.dtype, pd.PeriodDtype)
    )


def is_number(series: pd.Series) -> bool:
    """Whether the column's type is a number (bool is not), or all its values are numbers."""
    if series.dtype == object:
        inferred = pd.api.types.infer_dtype(series, skipna=True)
        return inferred in {"integer", "floating", "mixed-integer-float", "decimal"}
    return pd.api.types.is_numeric_dtype(series.dtype) and not pd.api.types.is_bool_dtype(series.dtype)


def keys(series: pd.Series, what: str) -> Codes:
    """Codes 0..n-1 of a column of identifiers, in the sorted order of its values; none may be missing."""
    missing = int(series.isna().sum())
    if missing == 0 and not is_number(series):
        missing = int((series.astype(str).str.strip() == "").sum())
    if missing:
        raise DataError(f"{what} '{series.name}': missing in {rows(missing)}", column=str(series.name))
    if series.dtype == object and not is_number(series):
        series = series.astype(str)
    codes, _ = pd.factorize(series, sort=True)
    return codes.astype(np.int64)


def whole_steps(series: pd.Series) -> Codes:
    """A column of times as whole numbers."""
    name = f"time column '{series.name}'"
    if not is_number(series):
        found = "dates or times" if is_date_like(series) else "text"
        raise DataError(f"{name}: expected whole numbers, found {found}; {ADVICE}", column=str(series.name))
    values = _floats(series)
    _refuse(series, int(np.isnan(values).sum()), f"{name}: missing in {{}}")
    _refuse(series, int((np.abs(values) > LARGEST_EXACT).sum()), f"{name}: infinite or too large in {{}}")
    _refuse(series, int((values != np.round(values)).sum()), f"{name}: not a whole number in {{}}; {ADVICE}")
    return values.astype(np.int64)


class Clock(NamedTuple):
    """The steps of a time column: row by row, and `start`, `step` such that time = start + step * steps."""

    steps: Codes
    start: int
    step: int


def clock(series: pd.Series) -> Clock:
    """Steps counted from the column's smallest time, one step being the divisor that all differences share."""
    time = whole_steps(series)
    start = int(time.min())
    step = int(np.gcd.reduce(np.unique(time - start))) or 1
    return Clock((time - start) // step, start, step)


def numbers(series: pd.Series, what: str) -> Numbers:
    """A column of numbers, or of text that holds numbers; NaN = missing."""
    if is_date_like(series):
        raise DataError(f"{what}: expected numbers, found dates or times", column=str(series.name))
    values, text = parse_numbers(series)
    _refuse(series, int(text.sum()), f"{what}: expected numbers, found text in {{}}")
    _refuse(series, int(np.isinf(values).sum()), f"{what}: infinite in {{}}")
    too_large = np.abs(values) > np.finfo(np.float32).max
    _refuse(series, int(too_large.sum()), f"{what}: too large for a 32-bit number in {{}}")
    return values


def parse_numbers(series: pd.Series) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """The column's numbers (NaN where there is none) and where it holds text that is not a number."""
    if is_number(series) or pd.api.types.is_bool_dtype(series.dtype):
        return _floats(series), np.zeros(len(series), dtype=bool)
    codes, uniques = pd.factorize(series)
    parsed = _floats(pd.to_numeric(pd.Series(uniques, dtype=object), errors="coerce"))
    is_text = np.array([str(value).strip().lower() not in MISSING_TEXT for value in uniques], dtype=bool)
    is_text &= np.isnan(parsed)
    # Code -1, a missing value, picks the extra last entry.
    return np.append(parsed, np.nan)[codes], np.append(is_text, False)[codes]


def category_codes(series: pd.Series, categories: Sequence[str], what: str) -> Codes:
    """Position of each value in `categories`, compared as text; -1 = missing.

    Numbers are compared as numbers (1.0 is the category "1"), booleans with "true"/"false" or "1"/"0"; an empty
    text is missing unless it is a category.
    """
    codes, uniques = pd.factorize(series)
    positions = _positions(categories, number=is_number(series))
    found = [positions.get(category_text(value), UNKNOWN) for value in uniques]
    table = np.array([*found, MISSING_CATEGORY], dtype=np.int64)
    result = table[codes]
    _refuse(series, int((result == UNKNOWN).sum()), f"{what}: value that is not among its categories in {{}}")
    return result


def category_text(value: object) -> str:
    """The category of a value: `1` for 1 and 1.0, `true` for True, text as it is."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (float, np.floating)):
        return str(int(value)) if float(value).is_integer() else str(value)
    return str(value)


def _positions(categories: Sequence[str], *, number: bool) -> dict[str, int]:
    positions = {category: code for code, category in enumerate(categories)}
    for code, category in enumerate(categories):
        if number:
            positions.setdefault(_number_text(category), code)
        elif category.lower() in BOOL_TEXT:
            positions.setdefault("true" if BOOL_TEXT[category.lower()] else "false", code)
    positions.setdefault("", MISSING_CATEGORY)
    return positions


def _number_text(category: str) -> str:
    try:
        return category_text(float(category))
    except (ValueError, OverflowError):
        return category


def _floats(series: pd.Series) -> Numbers:
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _refuse(series: pd.Series, count: int, message: str) -> None:
    if count:
        raise DataError(message.format(rows(count)), column=str(series.name))
