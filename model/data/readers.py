"""Uploaded files become frames: Parquet or CSV, told apart by their content and read within limits."""

from __future__ import annotations

import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from model.data.arrow import to_pandas
from model.data.csv_file import SAMPLE_BYTES, read_csv
from model.data.limits import Limits
from model.data.parquet_file import n_rows, read_parquet, unpacked_bytes
from model.data.room import needed_memory
from model.spec.errors import DataError
from model.spec.files import Source

PARQUET_MAGIC = b"PAR1"
BYTES_PER_CSV_CELL = 2  # at least: a digit and a separator


def read_table(
    source: Source, *, max_columns: int = 100, max_rows: int = 50_000_000, max_bytes: int = 8 * 2**30
) -> pd.DataFrame:
    """The table in a Parquet or CSV file, whatever its suffix; extra nameless index columns are left out.

    CSV is UTF-8 with a header, separated by comma, semicolon or tab; empty fields and the likes of `NA` are missing.
    Identifiers in CSV stay text where a number would lose some of it, such as the zeros of `0012`.
    Integers and booleans with missing values get pandas' nullable types. Raises DataError for an empty, damaged or
    foreign file, repeated column names, nested columns, and a table beyond the limits (`max_bytes` in memory);
    TableTooLarge where the memory that is free now has no room for it.
    """
    limits = Limits(max_columns, max_rows, max_bytes)
    with source.open("rb") as file:
        start = file.read(SAMPLE_BYTES)
    if not start.strip():
        raise DataError("the file is empty")
    is_parquet = start.startswith(PARQUET_MAGIC)
    table = read_parquet(source, limits) if is_parquet else read_csv(source, start, limits)
    if table.num_rows == 0:
        raise DataError("the table has no rows")
    return to_pandas(table)


def csv_bytes(source: Source) -> int | None:
    """The size of a file that is no Parquet, so that nothing in it is larger than it looks; None for Parquet."""
    with source.open("rb") as file:
        return None if file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC else file.seek(0, os.SEEK_END)


def expected_memory(source: Source) -> int:
    """Bytes that a table takes if what a Parquet file says of itself is true; 0 for one that is damaged."""
    size = csv_bytes(source)
    if size is not None:
        return needed_memory(size // BYTES_PER_CSV_CELL, 1, size)
    try:
        with source.open("rb") as file:
            metadata = pq.read_metadata(file)
    except (pa.ArrowException, OSError):
        return 0
    return needed_memory(n_rows(metadata), metadata.num_columns, unpacked_bytes(metadata))
