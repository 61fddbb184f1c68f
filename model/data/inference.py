"""A schema guessed from a table: which columns are keys, features and labels, and what values they take."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.columns import category_text, is_date_like, is_number, keys, parse_numbers
from model.data.roles import find_keys, is_identifier, is_outcome, varies_in_time
from model.data.step_inference import infer_steps
from model.data.vitals import Range, find_range, find_vital
from model.spec.errors import DataError
from model.spec.schema import (
    MAX_NAME_LENGTH,
    SHOWN_AS_IT_IS,
    CategoricalFeature,
    Feature,
    Label,
    NumericalFeature,
    Schema,
)

MAX_LABELS = 4
MAX_LABEL_CATEGORIES = 12
MAX_TEXT_CATEGORIES = 50
MAX_INTEGER_CATEGORIES = 10
ROWS_FOR_INTEGER_CATEGORIES = 200
ROWS_FOR_TWO_VALUES = 20
NUMBER_SHARE = 0.5
PRESSURES = (("dbp", "map"), ("map", "sbp"))


@dataclass(frozen=True, eq=False)
class _Column:
    """A column that is no key, and what its values say."""

    series: pd.Series
    name: str
    distinct: tuple[object, ...]  # its values without missing ones
    n_missing: int
    constant: bool  # within every stay
    static: bool  # so, and some stay has several rows to show it


def infer_schema(frame: pd.DataFrame) -> Schema:
    """The schema that the columns' names and values suggest, for a table in long form.

    Keys are found by name; known vitals get units and bounds; columns that are constant in every stay, never missing
    and have 2 to 12 values become labels, outcomes first, at most four; what else is constant in every stay becomes a
    static feature; further identifiers are left out. The sequence length is the smallest that leaves nine stays in ten
    uncut; times that count no steps are binned. Raises DataError that names the column where a column makes no sense,
    and asks for a schema where the keys cannot be found.
    """
    _check_names(frame)
    found = find_keys(frame)
    stay = keys(frame[found.stay_id], "stay id column")
    binning, sequence_length = infer_steps(frame[found.time], stay)
    columns = [
        _column(frame[name], stay)
        for name in frame.columns
        if name not in (found.stay_id, found.time, found.patient_id) and not is_identifier(name)
    ]
    labels = _labels(columns, int(stay.max()) + 1)
    ranges = {column.name: _range(column) for column in columns}
    features = [_feature(column, ranges[column.name]) for column in columns if column.name not in labels]
    if not features:
        raise DataError("no column is left for a feature; give a schema")
    return Schema(
        stay_id=found.stay_id,
        time=found.time,
        patient_id=found.patient_id,
        sequence_length=sequence_length,
        features=tuple(features),
        labels=tuple(Label(name=name, categories=categories) for name, categories in labels.items()),
        rules=_rules(ranges),
        binning=binning,
    )


def _check_names(frame: pd.DataFrame) -> None:
    if len(frame) == 0:
        raise DataError("the table has no rows")
    for name in frame.columns:
        if not name.isprintable() or not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
            raise DataError("a column has a name that is empty, too long or not printable text")
        if name != name.strip():
            raise DataError(f"column '{name}': its name begins or ends with a blank", column=name)
        if not isinstance(frame[name], pd.Series):
            raise DataError(f"column '{name}' is there more than once", column=name)


def _column(series: pd.Series, stay: npt.NDArray[np.int64]) -> _Column:
    name = str(series.name)
    if is_date_like(series):
        raise DataError(f"column '{name}' holds dates or times, which cannot be a feature; leave it out", column=name)
    if not is_number(series):
        series = series.mask(series == "")
    codes, uniques = pd.factorize(series)
    first = np.empty(int(stay.max()) + 1, dtype=np.int64)
    first[stay] = codes
    constant = bool((first[stay] == codes).all())
    static = constant and len(uniques) > 0 and len(series) > len(first)
    return _Column(series, name, tuple(uniques), int((codes == -1).sum()), constant, static)


def _labels(columns: list[_Column], n_stays: int) -> dict[str, tuple[str, ...]]:
    """Names and categories of the labels, outcomes first."""
    outcomes = [column for column in columns if is_outcome(column.name) and _may_be_outcome(column)]
    others = [column for column in columns if column not in outcomes and _may_be_label(column, n_stays)]
    chosen = [*outcomes, *others][:MAX_LABELS]
    return {column.name: _categories(column) for column in chosen}


def _may_be_outcome(column: _Column) -> bool:
    """An outcome with few values is a label even where it changes or is missing: reading then says what is wrong."""
    if len(column.distinct) == 1:
        raise DataError(f"label '{column.name}': only one class present", column=column.name)
    few = 2 <= len(column.distinct) <= MAX_LABEL_CATEGORIES
    return few and _is_countable(column) and (column.constant or not varies_in_time(column.name))


def _may_be_label(column: _Column, n_stays: int) -> bool:
    if not column.constant or column.n_missing or find_vital(column.name) is not None:
        return False
    if not 2 <= len(column.distinct) <= MAX_LABEL_CATEGORIES:
        return False
    # In a table of few stays an age has few values too: a number must repeat to be a category.
    enough = not is_number(column.series) or len(column.distinct) <= n_stays / 2
    return enough and _is_countable(column)


def _is_countable(column: _Column) -> bool:
    """Whether the values are text, booleans or whole numbers."""
    return not is_number(column.series) or all(float(value).is_integer() for value in column.distinct)  # type: ignore[arg-type]


def _categories(column: _Column) -> tuple[str, ...]:
    categories = {category_text(value) for value in column.distinct}
    if any(len(category) > MAX_NAME_LENGTH for category in categories):
        raise DataError(f"column '{column.name}': text longer than {MAX_NAME_LENGTH} letters", column=column.name)
    if not all(re.fullmatch(SHOWN_AS_IT_IS, category) for category in categories):
        raise DataError(f"column '{column.name}': text with control characters", column=column.name)
    return tuple(sorted(categories, key=_natural))


def _natural(category: str) -> tuple[bool, float, list[tuple[bool, int, str]]]:
    """Numbers first, by value; then text, with the numbers in it by value: `day 2` before `day 10`."""
    try:
        value = float(category)
    except ValueError:
        value = np.nan
    parts = [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", category)]
    return (bool(np.isnan(value)), 0.0 if np.isnan(value) else value, parts)


def _range(column: _Column) -> Range | None:
    vital = find_vital(column.name)
    return None if vital is None else find_range(vital, parse_numbers(column.series)[0])


def _feature(column: _Column, known: Range | None) -> Feature:
    name, static = column.name, column.static
    if known is not None:
        return NumericalFeature(name=name, unit=known.unit, min=known.low, max=known.high, static=static)
    if find_vital(name) is not None or not column.distinct or _is_numerical(column):
        return NumericalFeature(name=name, static=static)
    return CategoricalFeature(name=name, categories=_categories(column), static=static)


def _is_numerical(column: _Column) -> bool:
    if is_number(column.series):
        return not _is_small_code(column)
    if pd.api.types.is_bool_dtype(column.series.dtype) or len(column.distinct) <= 2:
        return False
    values, text = parse_numbers(column.series)
    n_numbers = int(np.isfinite(values).sum())
    if n_numbers and n_numbers >= NUMBER_SHARE * (n_numbers + int(text.sum())):
        return True
    if len(column.distinct) > MAX_TEXT_CATEGORIES:
        message = (
            f"column '{column.name}': text with {len(column.distinct)} distinct values; "
            f"a categorical feature has at most {MAX_TEXT_CATEGORIES}. Leave it out, or give a schema"
        )
        raise DataError(message, column=column.name)
    return False


def _is_small_code(column: _Column) -> bool:
    """Whether a column of numbers is a code: 0/1, two whole numbers, or few values of an integer type."""
    if len(column.distinct) > MAX_INTEGER_CATEGORIES or not _is_countable(column):
        return False
    n_observed = len(column.series) - column.n_missing
    if len(column.distinct) <= 2:
        return set(column.distinct) <= {0, 1} or n_observed >= ROWS_FOR_TWO_VALUES
    return n_observed >= ROWS_FOR_INTEGER_CATEGORIES and pd.api.types.is_integer_dtype(column.series.dtype)


def _rules(ranges: dict[str, Range | None]) -> tuple[str, ...]:
    """The order of the blood pressures, where a column for both sides is there."""
    names: dict[str, str] = {}
    for name, known in ranges.items():
        vital = find_vital(name)
        if vital is not None and known is not None:
            names.setdefault(vital.name, name)
    return tuple(f"{names[low]} <= {names[high]}" for low, high in PRESSURES if low in names and high in names)
