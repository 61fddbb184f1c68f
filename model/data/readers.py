"""Uploaded files become frames: Parquet or CSV, told apart by their content and read within limits."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from model.data.arrow import to_pandas
from model.data.columns import rows
from model.data.roles import holds_ids
from model.data.room import check_room, needed_memory
from model.spec.errors import DataError
from model.spec.files import Source

PARQUET_MAGIC = b"PAR1"
SEPARATORS = (",", ";", "\t")
SAMPLE_BYTES = 2**20
BYTES_PER_CELL = 8
BYTES_PER_CSV_CELL = 2  # at least: a digit and a separator
PANDAS_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")  # a nameless index that pandas wrote as a column
# A leading zero, or more digits than every float keeps: as a number, it might be the same as another identifier.
LOSSY_NUMBER = r"^\s*[+-]?(0[0-9]|([0-9]\.?){16})"
UNPRINTABLE = "a column has a name that is not printable text: it has a line break"


class Limits(NamedTuple):
    """The most that a file may unfold to."""

    columns: int
    rows: int
    bytes: int


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
    table = _read_parquet(source, limits) if is_parquet else _read_csv(source, start, limits)
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
    return needed_memory(_n_rows(metadata), metadata.num_columns, _unpacked(metadata))


def _read_parquet(source: Source, limits: Limits) -> pa.Table:
    try:
        with source.open("rb") as opened, pq.ParquetFile(opened) as file:
            _check_names(file.schema_arrow.names, limits)
            _check_types(file.schema_arrow)
            _check_size(file.metadata, limits)
        table = _read_columns(source, [name for name in file.schema_arrow.names if not PANDAS_INDEX.fullmatch(name)])
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError("the Parquet file is truncated or damaged") from None
    _check_text(table, limits)
    return table


def _read_columns(source: Source, names: list[str]) -> pa.Table:
    """The columns, with text left as dictionaries: a long text said a million times is not written out."""
    with source.open("rb") as opened:
        schema = pq.read_schema(opened)
    text = [name for name in names if pa.types.is_string(schema.field(name).type)]
    text += [name for name in names if pa.types.is_large_string(schema.field(name).type)]
    with (
        source.open("rb") as opened,
        pq.ParquetFile(opened, read_dictionary=text, page_checksum_verification=True) as file,
    ):
        return file.read(columns=names)


def _check_names(names: Sequence[str], limits: Limits) -> None:
    if len(names) > limits.columns:
        raise DataError(f"the table has {len(names)} columns; at most {limits.columns} are allowed")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"column '{repeated[0]}' is there more than once", column=repeated[0])


def _check_types(schema: pa.Schema) -> None:
    for field in schema:
        if pa.types.is_nested(field.type) or isinstance(field.type, pa.BaseExtensionType):
            message = f"column '{field.name}' is of type {field.type}; only plain columns can be read"
            raise DataError(message, column=field.name)


def _check_size(metadata: pq.FileMetaData, limits: Limits) -> None:
    n_rows = _n_rows(metadata)
    _check_rows(n_rows, metadata.num_columns, limits)
    unpacked = _unpacked(metadata)
    if unpacked > limits.bytes:
        raise DataError(f"the file unpacks to {unpacked} bytes; at most {limits.bytes} are allowed")
    check_room(n_rows, metadata.num_columns, unpacked)


def _n_rows(metadata: pq.FileMetaData) -> int:
    """The rows of the groups, which are what is read: the number for the whole file may be made up."""
    return sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))


def _unpacked(metadata: pq.FileMetaData) -> int:
    """Bytes of the unpacked pages, as the file has it."""
    return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))


def _check_rows(n_rows: int, n_columns: int, limits: Limits) -> None:
    if n_rows > limits.rows:
        raise DataError(f"the table has {n_rows} rows; at most {limits.rows} are allowed")
    if n_rows * n_columns * BYTES_PER_CELL > limits.bytes:
        raise DataError(f"{n_rows} rows of {n_columns} columns are more than the allowed {limits.bytes} bytes")


def _check_text(table: pa.Table, limits: Limits) -> None:
    """Refuse text that would fill the memory once each row has its own copy."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_dictionary(column.type):
            continue
        total = 0
        for chunk in column.chunks:
            lengths = pa.compute.binary_length(chunk.dictionary).to_numpy(zero_copy_only=False)
            indices = chunk.indices.drop_null().to_numpy(zero_copy_only=False)
            total += int(lengths[indices].sum(dtype=np.int64)) if len(indices) else 0
        if total > limits.bytes:
            raise DataError(f"column '{name}': its text is more than the allowed {limits.bytes} bytes", column=name)


def _read_csv(source: Source, start: bytes, limits: Limits) -> pa.Table:
    sample = _decode(start)
    header, separator = _header(sample)
    names = [name.strip() for name in header]
    _check_header(names)
    _check_names([name for name in names if name], limits)
    n_rows = _count_lines(source, limits)
    _check_rows(n_rows, len(names), limits)
    with source.open("rb") as file:
        check_room(n_rows, len(names), file.seek(0, os.SEEK_END))
    types = dict.fromkeys(_text_ids(source, header, separator), pa.string())
    decimal_point = _decimal_point(sample, separator)
    convert = pyarrow.csv.ConvertOptions(strings_can_be_null=True, decimal_point=decimal_point, column_types=types)
    table = _parse_csv(source, separator, convert)
    if table.num_columns != len(names):
        raise DataError("the file cannot be read as CSV: its header is damaged")
    table = table.rename_columns([name or f"__index_level_{i}__" for i, name in enumerate(names)])
    return table.select([name for name in table.column_names if not PANDAS_INDEX.fullmatch(name)])


def _text_ids(source: Source, header: Sequence[str], separator: str) -> list[str]:
    """The columns of identifiers, as the header spells them, that would lose some of their text as numbers."""
    ids = [name for name in header if holds_ids(name)]
    if not ids:
        return []
    text = dict.fromkeys(ids, pa.dictionary(pa.int32(), pa.string()))
    convert = pyarrow.csv.ConvertOptions(
        strings_can_be_null=True, include_columns=ids, include_missing_columns=True, column_types=text
    )
    table = _parse_csv(source, separator, convert)
    return [name for name in ids if _is_lossy(table.column(name))]


def _is_lossy(column: pa.ChunkedArray) -> bool:
    values = (pa.compute.match_substring_regex(chunk.dictionary, LOSSY_NUMBER) for chunk in column.chunks)
    return any(pa.compute.any(found).as_py() for found in values)


def _parse_csv(source: Source, separator: str, convert: pyarrow.csv.ConvertOptions) -> pa.Table:
    bad_rows: list[int] = []

    def skip(row: pyarrow.csv.InvalidRow) -> str:
        bad_rows.append(row.actual_columns)
        return "skip"

    read = pyarrow.csv.ReadOptions(block_size=4 * SAMPLE_BYTES)
    parse = pyarrow.csv.ParseOptions(delimiter=separator, newlines_in_values=True, invalid_row_handler=skip)
    try:
        with source.open("rb") as file:
            table = pyarrow.csv.read_csv(file, read_options=read, parse_options=parse, convert_options=convert)
    except MemoryError:
        raise
    except pa.ArrowException:
        # Its message may quote a row: keep it, and the chain to it, out of ours.
        raise DataError("the file cannot be read as CSV in UTF-8") from None
    if bad_rows:
        raise DataError(f"the CSV has {rows(len(bad_rows))} with more or fewer values than its header")
    for field in table.schema:
        if pa.types.is_binary(field.type):  # what pyarrow makes of text that is not UTF-8
            raise DataError("the file cannot be read as CSV in UTF-8", column=field.name)
    return table


def _decode(start: bytes) -> str:
    try:
        sample = codecs.getincrementaldecoder("utf-8-sig")().decode(start, final=len(start) < SAMPLE_BYTES)
    except UnicodeDecodeError:
        sample = "\0"
    if "\0" in sample:
        raise DataError("the file is neither Parquet nor CSV in UTF-8")
    return sample


def _header(sample: str) -> tuple[list[str], str]:
    """The names in the first line that is not empty, and the separator that makes the most of them."""
    text = re.sub(r"\A\s*[\r\n]", "", sample)
    readings = [(_first_row(text, separator), separator) for separator in SEPARATORS]
    names, separator = max(readings, key=lambda reading: len(reading[0]))
    if len(names) < 2:
        raise DataError("the file is neither Parquet nor CSV: its first line names a single column")
    return names, separator


def _first_row(text: str, separator: str) -> list[str]:
    """The first row's values; they may have line breaks where they are quoted."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=separator), [])
    except csv.Error:  # a quote that is never closed
        raise DataError(UNPRINTABLE) from None


def _check_header(names: Sequence[str]) -> None:
    """Refuse a row of values in the header's place; it may be a patient's, so it is not quoted. An index may lead."""
    if any(len(name.splitlines()) > 1 for name in names):
        raise DataError(UNPRINTABLE)
    odd = sum(_is_number(name) for name in names) + sum(not name for name in names[1:])
    if odd:
        raise DataError(
            f"the first row does not look like a header: {odd} of its {len(names)} names are numbers or empty"
        )


def _is_number(name: str) -> bool:
    try:
        float(name.replace(",", "."))
    except ValueError:
        return False
    return True


def _decimal_point(sample: str, separator: str) -> str:
    """A comma in files that are separated by semicolons and write 36,6; else a point."""
    if separator == ";" and re.search(r"\d,\d", sample) and not re.search(r"\d\.\d", sample):
        return ","
    return "."


def _count_lines(source: Source, limits: Limits) -> int:
    """Number of lines; 0 for a file so small that its number of rows cannot matter."""
    with source.open("rb") as file:
        if file.seek(0, io.SEEK_END) <= min(limits.rows, limits.bytes // (limits.columns * BYTES_PER_CELL)):
            return 0
        file.seek(0)
        return sum(block.count(b"\n") for block in iter(lambda: file.read(SAMPLE_BYTES), b""))
