"""Whether a table must be binned, and to which steps, guessed from its column of times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from model.data.binning import steps_since
from model.data.columns import ADVICE, Clock, clock, is_number, parse_numbers, rows
from model.data.roles import time_unit
from model.data.times import MICRO, holds_stamps, read_times
from model.spec.binning import Binning
from model.spec.errors import DataError

UNCUT_SHARE = 0.9
LONGEST_INFERRED = 600  # steps; more are not meant, but come of times that are on no grid
DENSE_SPACING = 600 * MICRO  # up to ten minutes between the rows of a stay, steps of five minutes fit better than hours
SAMPLED_STAYS = 2000  # are enough to know how far apart rows are
FILLED = 0.2  # share of the minutes or seconds of a stay that have a row, under which they are no steps

Codes = npt.NDArray[np.int64]


def infer_steps(series: pd.Series, stay: Codes) -> tuple[Binning | None, int]:
    """A binning, or None where the times count steps themselves; and the sequence length that leaves 9 in 10 uncut.

    Numbers count steps if they are whole, on a common grid of at most 600 steps, and not single minutes or seconds
    with a row in less than a fifth of them. All else is binned: to 5 min if the median time between rows of a stay is
    at most 10 min and the sequence then has at most 600 steps, else to 1 h. The unit of numbers is that of the
    column's name. Raises DataError where times are missing or unreadable, the unit cannot be known, or no step fits.
    """
    if not is_number(series) and not holds_stamps(series):
        return None, _length(stay, clock(series).steps)  # which says what is wrong
    times = None if not _is_whole(series) else clock(series)
    if times is not None and _counts_steps(times, stay, str(series.name)):
        return None, _length(stay, times.steps)
    return _binned(series, stay, times)


def _is_whole(series: pd.Series) -> bool:
    if not is_number(series):
        return False
    values, _ = parse_numbers(series)
    return bool((values == np.round(values))[np.isfinite(values)].all())


def _counts_steps(times: Clock, stay: Codes, name: str) -> bool:
    if _length(stay, times.steps) > LONGEST_INFERRED:
        return False
    if times.step > 1 or time_unit(name) not in ("s", "min"):
        return True
    first = np.full(int(stay.max()) + 1, np.iinfo(np.int64).max)
    last = np.zeros_like(first)
    np.minimum.at(first, stay, times.steps)
    np.maximum.at(last, stay, times.steps)
    return len(stay) >= FILLED * int((last - first + 1).sum())


def _binned(series: pd.Series, stay: Codes, times: Clock | None) -> tuple[Binning, int]:
    unit = time_unit(str(series.name)) if is_number(series) else None
    if is_number(series) and unit is None:
        raise DataError(_unknown_unit(series, stay, times), column=str(series.name))
    column = read_times(series, unit)
    spacing = _median_spacing(column.times, stay)
    for step in ("5min", "1h") if spacing <= DENSE_SPACING else ("1h",):
        binning = Binning(step=step, time_unit=unit, origin="first" if column.are_instants else "zero")
        length = _length(stay, steps_since(column, stay if column.are_instants else None, binning))
        if length <= LONGEST_INFERRED:
            return binning, max(length, 1)
    message = f"time column '{series.name}': a stay would have {length} steps of 1h, too many to be meant; {ADVICE}"
    raise DataError(message, column=str(series.name))


def _unknown_unit(series: pd.Series, stay: Codes, times: Clock | None) -> str:
    if times is not None:
        found = f"a stay would have {_length(stay, times.steps)} steps of {times.step}, too many to be meant"
    else:
        values, _ = parse_numbers(series)
        found = f"not a whole number in {rows(int((np.abs(values) % 1 > 0).sum()))}"
    return (
        f"time column '{series.name}': {found}, and its name does not say in which unit; {ADVICE} "
        "that has binning.time_unit (s, min, h or d)"
    )


def _median_spacing(times: Codes, stay: Codes) -> float:
    """Of the microseconds between rows of a stay at different times, in the first 2,000 stays; infinite if none are."""
    sampled = stay < SAMPLED_STAYS
    times, stay = times[sampled], stay[sampled]
    order = np.lexsort((times, stay))
    gaps = np.diff(times[order])[np.diff(stay[order]) == 0]
    gaps = gaps[gaps > 0]
    return float(np.median(gaps)) if len(gaps) else np.inf


def _length(stay: Codes, steps: Codes) -> int:
    lengths = np.zeros(int(stay.max()) + 1, dtype=np.int64)
    np.maximum.at(lengths, stay, steps + 1)
    lengths = lengths[lengths > 0]  # without stays that lie before the origin
    return int(np.quantile(lengths, UNCUT_SHARE, method="inverted_cdf")) if len(lengths) else 1
