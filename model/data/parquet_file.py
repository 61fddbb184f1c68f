"""An uploaded Parquet file becomes a table, after its footer was held against the limits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.data.limits import PANDAS_INDEX, Limits, check_names, check_rows
from model.data.room import check_room
from model.spec.errors import DataError
from model.spec.files import Source


def read_parquet(source: Source, limits: Limits) -> pa.Table:
    """Its columns but pandas' nameless index; DataError, and TableTooLarge where the memory has no room."""
    try:
        with source.open("rb") as opened, pq.ParquetFile(opened) as file:
            check_names(file.schema_arrow.names, limits)
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


def _check_types(schema: pa.Schema) -> None:
    for field in schema:
        if pa.types.is_nested(field.type) or isinstance(field.type, pa.BaseExtensionType):
            message = f"column '{field.name}' is of type {field.type}; only plain columns can be read"
            raise DataError(message, column=field.name)


def _check_size(metadata: pq.FileMetaData, limits: Limits) -> None:
    rows = n_rows(metadata)
    check_rows(rows, metadata.num_columns, limits)
    unpacked = unpacked_bytes(metadata)
    if unpacked > limits.bytes:
        raise DataError(f"the file unpacks to {unpacked} bytes; at most {limits.bytes} are allowed")
    check_room(rows, metadata.num_columns, unpacked)


def n_rows(metadata: pq.FileMetaData) -> int:
    """The rows of the groups, which are what is read: the number for the whole file may be made up."""
    return sum(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))


def unpacked_bytes(metadata: pq.FileMetaData) -> int:
    """Bytes of the unpacked pages, as the file has it."""
    return sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))


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
