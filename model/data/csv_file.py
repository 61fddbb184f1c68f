"""An uploaded CSV file becomes a table: its separator, decimal mark and header are told from its start."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv

from model.data.columns import rows
from model.data.limits import BYTES_PER_CELL, PANDAS_INDEX, Limits, check_names, check_rows
from model.data.roles import holds_ids
from model.data.room import check_room
from model.spec.errors import DataError
from model.spec.files import Source

SEPARATORS = (",", ";", "\t")
SAMPLE_BYTES = 2**20
# A leading zero, or more digits than every float keeps: as a number, it might be the same as another identifier.
LOSSY_NUMBER = r"^\s*[+-]?(0[0-9]|([0-9]\.?){16})"
UNPRINTABLE = "a column has a name that is not printable text: it has a line break"


def read_csv(source: Source, start: bytes, limits: Limits) -> pa.Table:
    """As `read_parquet`; `start` are its first SAMPLE_BYTES."""
    sample = _decode(start)
    header, separator = _header(sample)
    names = [name.strip() for name in header]
    _check_header(names)
    check_names([name for name in names if name], limits)
    n_rows = _count_lines(source, limits)
    check_rows(n_rows, len(names), limits)
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
