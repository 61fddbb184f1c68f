"""The shape of a source table: what it takes to write synthetic stays in the same columns, order and types."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from model.data.small_cells import told_counts, told_number, told_rate, told_rows
from model.spec.base import Spec


class Column(Spec):
    """A column of the source and its Arrow type, as text (`int8`, `float`, `double`, `bool`, `string` ...)."""

    name: str
    dtype: str


class TableLayout(Spec):
    """The schema's columns in the order of the source, and the clock: step `k` is at `time_start + k * time_step`.

    The clock counts in the unit of the time column where this holds numbers, else in seconds since 1970.
    """

    columns: tuple[Column, ...]
    time_start: float
    time_step: float = Field(gt=0)

    def times(self, length: int) -> npt.NDArray[np.float64]:
        """(length,) the times of the first steps."""
        times = self.time_start + self.time_step * np.arange(length, dtype=np.float64)
        return times if self.time_step.is_integer() else np.round(times, 9)  # 0.35 hours, not 0.35000000000000003


class TableSummary(Spec):
    """What the arrangement of a table found and did.

    `n_short_stays` end before the schema's sequence length and were filled with missing values, or with
    `variable_length` left to end early; `n_cut_stays` go on beyond it and were cut, by `n_rows_beyond` rows in all.
    Where the schema has a binning, `n_rows_before` rows before its origin were dropped, with them `n_stays_before`
    stays that had no others (not counted in `n_stays`), and `n_rows_merged` went into a step in which there was
    another row already. `clipped` counts values that were moved onto a bound, per numerical feature. `missing_rate` is
    the share of missing cells per feature, among the steps of all stays, filled steps included.
    """

    n_stays: int
    n_rows: int
    n_short_stays: int
    n_cut_stays: int
    n_stays_before: int
    n_rows_before: int
    n_rows_beyond: int
    n_rows_merged: int
    clipped: dict[str, int]
    missing_rate: dict[str, float]
    label_counts: dict[str, dict[str, int]]

    def told(self, *, sequence_length: int) -> TableSummary:
        """The same, as it may be told of real stays: no number or share rests on 1 to 10 of them, but that of all."""
        numbers = [name for name, value in self if isinstance(value, int) and name not in ("n_stays", "n_rows")]
        return self.model_copy(
            update={
                **{name: told_number(getattr(self, name)) for name in numbers},
                **self._told_ends(),
                "n_rows": told_rows(self.n_rows, n_stays=self.n_stays, sequence_length=sequence_length),
                "clipped": {name: told_number(n) for name, n in self.clipped.items()},
                "missing_rate": {n: told_rate(rate, n_stays=self.n_stays) for n, rate in self.missing_rate.items()},
                "label_counts": {label: _told_counts(counts) for label, counts in self.label_counts.items()},
            }
        )

    def _told_ends(self) -> dict[str, int]:
        """Short and cut stays, as parts of all: the rest of them, which are neither, can be worked out."""
        parts = {"n_short_stays": self.n_short_stays, "n_cut_stays": self.n_cut_stays}
        told = _told_counts({**parts, "neither": self.n_stays - sum(parts.values())})
        return {name: told[name] for name in parts}


def _told_counts(counts: dict[str, int]) -> dict[str, int]:
    told = told_counts(np.array(list(counts.values()), dtype=np.int64)).tolist()
    return dict(zip(counts, told, strict=True))
