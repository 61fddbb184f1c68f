"""An uploaded table, read and checked: in a process of its own, which takes its memory along when it ends.

So the gateway stays small, answers others meanwhile, and survives a table that is larger than it looked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from model.data.arrange import arrange
from model.data.inference import infer_schema
from model.data.layout import TableSummary
from model.data.limits import Limits
from model.data.readers import csv_bytes, expected_memory, read_table
from model.data.room import available_memory
from model.spec.files import Files, Source
from model.spec.schema import Schema
from service.api.apart import allow_memory, run_apart
from service.contracts.settings import Settings

SMALL_BYTES = 512 * 2**20
"""A CSV that cannot take more memory than this is read by the gateway itself. What is compressed never is."""
BYTES_PER_CSV_BYTE = 40
"""At most: read and arranged, where an inferred grid may be ten times as large as the table; a cell has two bytes."""
BYTES_PER_GRID_CELL = 4
MARGIN = 4
"""A table may take so many times the memory that it should by its own account, and no more: it may be a lie."""


class CheckedTable(NamedTuple):
    """What is known of a table that has been checked: its schema, its columns and their types, its counts."""

    schema: Schema
    columns: dict[str, str]
    summary: TableSummary


def check_upload(
    upload: Path, target: Path, *, schema: Schema | None, settings: Settings, files: Files, one_class: bool = False
) -> CheckedTable:
    """Read the table in the uploaded file, which is then removed, and write its columns to `target`.

    Without a schema, one is inferred. Raises DataError, SchemaError; TableTooLarge where the memory does not suffice.
    """
    limits = Limits(settings.max_columns, settings.max_rows, settings.max_table_bytes)
    work = partial(_check, upload, target, schema=schema, limits=limits, files=files, one_class=one_class)
    length = 0 if schema is None else schema.sequence_length
    size = csv_bytes(files.source(upload))
    if size is not None and size * max(BYTES_PER_CSV_BYTE, BYTES_PER_GRID_CELL * length) <= SMALL_BYTES:
        return work()
    return run_apart(partial(_within_means, files.source(upload), work), log_level=settings.log_level)


def _within_means(source: Source, work: Callable[[], CheckedTable]) -> CheckedTable:
    """In the process apart."""
    allow_memory(MARGIN * expected_memory(source))
    return work()


def _check(
    upload: Path, target: Path, *, schema: Schema | None, limits: Limits, files: Files, one_class: bool
) -> CheckedTable:
    frame = read_table(files.source(upload), max_columns=limits.columns, max_rows=limits.rows, max_bytes=limits.bytes)
    upload.unlink()
    allow_memory(available_memory())  # it has unfolded; how large a grid its stays fill is the schema's affair
    schema = schema or infer_schema(frame)
    arranged = arrange(frame, schema, one_class=one_class)
    columns = {column.name: column.dtype for column in arranged.layout.columns}
    with files.create(target) as file:
        frame[list(columns)].to_parquet(file, index=False, compression="zstd")
    return CheckedTable(schema, columns, arranged.summary)
