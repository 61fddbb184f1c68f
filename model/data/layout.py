"""The shape of a source table: what it takes to write synthetic stays in the same columns, order and types."""

from __future__ import annotations

from pydantic import Field

from model.spec.base import Spec


class Column(Spec):
    """A column of the source and its Arrow type, as text (`int8`, `float`, `double`, `bool`, `string` ...)."""

    name: str
    dtype: str


class TableLayout(Spec):
    """The schema's columns in the order of the source, and the clock: step `k` is at `time_start + k * time_step`."""

    columns: tuple[Column, ...]
    time_start: float
    time_step: float = Field(gt=0)


class TableSummary(Spec):
    """What the arrangement of a table found and did.

    `n_short_stays` end before the schema's sequence length and were filled with missing values, or with
    `variable_length` left to end early; `n_cut_stays` go on beyond it and were cut. `clipped` counts values that were
    moved onto a bound, per numerical feature. `missing_rate` is the share of missing cells among stays x steps, per
    feature, filled steps included.
    """

    n_stays: int
    n_rows: int
    n_short_stays: int
    n_cut_stays: int
    clipped: dict[str, int]
    missing_rate: dict[str, float]
    label_counts: dict[str, dict[str, int]]
