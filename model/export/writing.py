"""Tables and archives as streams of bytes: nothing is kept that has been handed on, nothing touches the disk."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

TableForm = Literal["csv", "parquet"]
Entry = tuple[str, Iterable[bytes]]

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same cohort gives the same bytes
LEVEL = 1  # higher levels make the archive a tenth smaller and take twice as long


class _Sink(io.RawIOBase):
    """Takes what is written, from the beginning to the end, until it is taken away."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: object, /) -> int:
        part = bytes(memoryview(data))  # type: ignore[arg-type]
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def table_parts(tables: Iterable[pa.Table], schema: pa.Schema, form: TableForm) -> Iterator[bytes]:
    """A table, given in pieces, as the bytes of one file; each piece is a row group of a Parquet file."""
    return _csv_parts(tables, schema) if form == "csv" else _parquet_parts(tables, schema)


def _csv_parts(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[bytes]:
    yield _csv(schema.empty_table(), header=True)
    for table in tables:
        yield _csv(table, header=False)


def _csv(table: pa.Table, *, header: bool) -> bytes:
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=header))
    return buffer.getvalue()


def _parquet_parts(tables: Iterable[pa.Table], schema: pa.Schema) -> Iterator[bytes]:
    sink = _Sink()
    # Statistics of thousands of columns and row groups would be kept until the end.
    with pq.ParquetWriter(sink, schema, compression="zstd", compression_level=3, write_statistics=False) as writer:
        for table in tables:
            writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=max(1, table.num_rows))
            yield sink.taken()
    yield sink.taken()


def zip_parts(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Files as an archive that is written from the beginning to the end."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        for name, parts in entries:
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            with archive.open(entry, "w", force_zip64=True) as file:
                for part in parts:
                    file.write(part)
                    if ready := sink.taken():
                        yield ready
    yield sink.taken()
