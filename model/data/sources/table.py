"""From readings to the table: means per stay and step, every step of every stay, one Parquet file.

A source first makes two tables in DuckDB: `cohort` (stay_id, patient_id if there is one, died, and `reason`: NULL, or
why the stay is left out) and, by `bin_readings`, `means` (stay_id, step, a column per vital).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from model.data.columns import rows
from model.data.sources.duck import Duck, quoted
from model.data.sources.options import Imported, ImportOptions
from model.data.sources.raw_files import RawFile
from model.data.sources.vitals_table import Signal, mean_columns, vitals
from model.spec.errors import DataError

NO_READING = "without a reading of a vital in the window"
ROW_GROUP = 250_000


def step_of(minutes: str, options: ImportOptions) -> str:
    """SQL of the step that some `minutes` since admission (a number, not below 0) lie in."""
    return f"CAST(floor(({minutes}) / {options.grid.step_minutes}) AS INTEGER)"


def in_window(minutes: str, options: ImportOptions) -> str:
    """SQL of whether some `minutes` since admission lie in one of the steps."""
    return f"({minutes}) >= 0 AND ({minutes}) < {options.grid.step_minutes * options.grid.n_steps}"


def bin_readings(
    duck: Duck,
    query: str,
    signals: tuple[Signal, ...],
    reading: Callable[[Signal], str],
    *,
    reads: str,
    options: ImportOptions,
) -> None:
    """Make `means` of a `query` for (stay_id, step, what `reading` needs); identical rows must be left to it."""
    columns = mean_columns(signals, reading, bounded=options.bounded)
    some = f"coalesce({', '.join(vitals(signals))}) IS NOT NULL"
    means = f"SELECT stay_id, step, {', '.join(columns)} FROM ({query}) GROUP BY stay_id, step"
    duck.scan(f"CREATE TEMP TABLE means AS SELECT * FROM ({means}) WHERE {some}", reads=reads, doing=f"reading {reads}")


def write_table(
    duck: Duck, out: Path, signals: tuple[Signal, ...], *, patients: bool, options: ImportOptions
) -> Imported:
    """Write every step of every stay of the cohort, in order, and put the file in its place when it is whole."""
    _leave_out_empty(duck, options)
    n_stays, n_deaths = duck.numbers("SELECT count(*), coalesce(sum(died), 0) FROM cohort WHERE reason IS NULL")
    beside = out.with_name(f".{out.name}.partial")
    try:
        query = _table(signals, patients=patients, options=options)
        target = f"TO {quoted(str(beside))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})"
        duck.scan(f"COPY ({query}) {target}", reads="the means", doing=f"writing {out.name}")
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return Imported(n_stays, n_deaths, options.grid, _left_out(duck))


def _table(signals: tuple[Signal, ...], *, patients: bool, options: ImportOptions) -> str:
    grid = options.grid
    columns = [
        "stay_id",
        *(["patient_id"] if patients else []),
        f"CAST(step * {grid.time_per_step} AS INTEGER) AS {grid.time_column}",
        *(f"CAST({vital} AS FLOAT) AS {vital}" for vital in vitals(signals)),
        "CAST(died AS TINYINT) AS in_hospital_death",
    ]
    steps = f"(SELECT CAST(range AS INTEGER) AS step FROM range({grid.n_steps}))"
    stays = "(SELECT * FROM cohort WHERE reason IS NULL)"
    joined = f"{stays} CROSS JOIN {steps} LEFT JOIN means USING (stay_id, step)"
    return f"SELECT {', '.join(columns)} FROM {joined} ORDER BY stay_id, {grid.time_column}"


def check_ids(duck: Duck, file: RawFile) -> None:
    """DataError if a stay is in the cohort twice: `file` then says two things of it."""
    (repeated,) = duck.numbers("SELECT count(*) - count(DISTINCT stay_id) FROM cohort")
    if repeated:
        raise DataError(f"{file.name}: {rows(repeated)} too many: they give a stay a second time, with other values")


def _leave_out_empty(duck: Duck, options: ImportOptions) -> None:
    if duck.numbers("SELECT count(*) FROM means") == (0,):
        raise DataError("; ".join(["no stay has a reading of a vital in the window", *_reasons(duck)]))
    if not options.keep_empty:
        empty = "reason IS NULL AND stay_id NOT IN (SELECT stay_id FROM means)"
        duck.run(f"UPDATE cohort SET reason = {quoted(NO_READING)} WHERE {empty}")


def _left_out(duck: Duck) -> dict[str, int]:
    return duck.counts("SELECT reason, count(*) FROM cohort WHERE reason IS NOT NULL GROUP BY reason ORDER BY reason")


def _reasons(duck: Duck) -> list[str]:
    return [f"{count:,} were left out: {reason}" for reason, count in _left_out(duck).items()]
