"""From readings to the table: means per stay and step, every step of every stay, one Parquet file.

A source first makes two tables in DuckDB: `cohort` (stay_id, patient_id if there is one, died, and `reason`: NULL, or
why the stay is left out) and, by `bin_readings`, `means` (stay_id, step, a column per vital).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pyarrow.parquet as pq

from model.data.columns import rows
from model.data.sources.duck import Duck, Progress, quoted
from model.data.sources.options import Grid, Imported, ImportOptions
from model.data.sources.raw_files import RawFile
from model.data.sources.vitals_table import Signal, mean_columns, vitals
from model.spec.errors import DataError

NO_READING = "without a reading of a vital in the window"
SLICE_ROWS = 500_000


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
    """Make `means` of a `query` for (stay_id, step, what `reading` needs), a row per reading or per moment."""
    columns = ", ".join(mean_columns(signals, reading, bounded=options.bounded))
    some = f"coalesce({', '.join(vitals(signals))}) IS NOT NULL"
    means = f"SELECT stay_id, step, {columns} FROM ({query}) GROUP BY stay_id, step"
    duck.scan(f"CREATE TEMP TABLE means AS SELECT * FROM ({means}) WHERE {some}", reads=reads)


def write_table(
    duck: Duck, out: Path, signals: tuple[Signal, ...], *, patients: bool, options: ImportOptions, progress: Progress
) -> Imported:
    """Write every step of every stay of the cohort, in order, and put the file in its place when it is whole."""
    _leave_out_empty(duck, options)
    n_stays, n_deaths = duck.numbers("SELECT count(*), coalesce(sum(died), 0) FROM cohort WHERE reason IS NULL")
    duck.run("CREATE TEMP TABLE stays AS SELECT * FROM cohort WHERE reason IS NULL ORDER BY stay_id")
    beside = out.with_name(f".{out.name}.partial")
    try:
        _write_slices(duck, beside, signals, patients=patients, grid=options.grid, progress=progress)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return Imported(n_stays, n_deaths, options.grid, _left_out(duck))


def _write_slices(
    duck: Duck, path: Path, signals: tuple[Signal, ...], *, patients: bool, grid: Grid, progress: Progress
) -> None:
    """Some stays at a time: the memory holds a slice of the table, however long that is."""
    per_slice = max(1, SLICE_ROWS // grid.n_steps)
    slices = duck.pairs(f"""
        SELECT min(stay_id), max(stay_id) FROM (SELECT stay_id, row_number() OVER (ORDER BY stay_id) AS n FROM stays)
        GROUP BY (n - 1) // {per_slice} ORDER BY 1
    """)
    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        for done, (first, last) in enumerate(slices):
            progress("writing the table", done, len(slices))
            rows = duck.table(_slice(signals, first, last, patients=patients, grid=grid))
            writer = writer or stack.enter_context(pq.ParquetWriter(path, rows.schema, compression="zstd"))
            writer.write_table(rows, row_group_size=SLICE_ROWS)
    progress("writing the table", len(slices), len(slices))


def _slice(signals: tuple[Signal, ...], first: int, last: int, *, patients: bool, grid: Grid) -> str:
    """SQL of the rows of the stays from `first` to `last`."""
    columns = [
        "stay_id",
        *(["patient_id"] if patients else []),
        f"CAST(step * {grid.time_per_step} AS INTEGER) AS {grid.time_column}",
        *vitals(signals),
        "CAST(died AS TINYINT) AS in_hospital_death",
    ]
    steps = f"(SELECT CAST(range AS INTEGER) AS step FROM range({grid.n_steps}))"
    own = f"WHERE stay_id BETWEEN {first} AND {last}"
    joined = f"(FROM stays {own}) CROSS JOIN {steps} LEFT JOIN (FROM means {own}) USING (stay_id, step)"
    return f"SELECT {', '.join(columns)} FROM {joined} ORDER BY stay_id, step"


def check_ids(duck: Duck, file: RawFile, column: str, *, table: str = "cohort", key: str = "stay_id") -> None:
    """DataError if the `key` of a table, a `column` of `file`, is missing, or there twice with other values."""
    missing, repeated = duck.numbers(
        f"SELECT count(*) - count({key}), count({key}) - count(DISTINCT {key}) FROM {table}"
    )
    if missing:
        raise DataError(f"{file.name}: column '{column}': missing in {rows(missing)}", column=column)
    if repeated:
        message = f"{rows(repeated)} too many: they give a value of {column} a second time, with other values"
        raise DataError(f"{file.name}: {message}", column=column)


def _leave_out_empty(duck: Duck, options: ImportOptions) -> None:
    if duck.numbers("SELECT count(*) FROM means") == (0,):
        raise DataError("; ".join(["no stay has a reading of a vital in the window", *_reasons(duck)]))
    if not options.keep_empty:
        empty = "reason IS NULL AND stay_id NOT IN (SELECT DISTINCT stay_id FROM means)"
        duck.run(f"UPDATE cohort SET reason = {quoted(NO_READING)} WHERE {empty}")


def _left_out(duck: Duck) -> dict[str, int]:
    return duck.counts("SELECT reason, count(*) FROM cohort WHERE reason IS NOT NULL GROUP BY reason ORDER BY reason")


def _reasons(duck: Duck) -> list[str]:
    return [f"{count:,} were left out: {reason}" for reason, count in _left_out(duck).items()]
