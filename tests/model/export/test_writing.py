from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from model.export.cohort import Cohort
from model.export.formats import export_parts
from model.export.writing import table_parts, zip_parts

SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])


def pieces() -> Iterator[pa.Table]:
    yield pa.table([[1, None], ['x "y", z', None]], schema=SCHEMA)
    yield pa.table([[3], [""]], schema=SCHEMA)


def test_a_table_in_pieces_is_one_file() -> None:
    assert b"".join(table_parts(pieces(), SCHEMA, "csv")) == b'"a","b"\n1,"x ""y"", z"\n,\n3,""\n'
    file = io.BytesIO(b"".join(table_parts(pieces(), SCHEMA, "parquet")))
    assert pq.read_table(file) == pa.concat_tables(pieces())


def test_an_archive_is_handed_on_while_it_is_made() -> None:
    asked: list[int] = []

    def content() -> Iterator[bytes]:
        for k in range(3):
            asked.append(k)
            yield bytes(range(256)) * 4000

    parts = zip_parts([("a.bin", content()), ("b.txt", [b"b"])])
    first = next(parts)
    assert asked == [0]
    with zipfile.ZipFile(io.BytesIO(first + b"".join(parts))) as archive:
        assert archive.read("a.bin") == bytes(range(256)) * 12_000
        assert archive.read("b.txt") == b"b"


def test_whoever_goes_away_in_the_middle_leaves_nothing_open(cohort: Cohort) -> None:
    for target in ("omop", "omop-parquet"):
        parts = export_parts(cohort, "omop" if target == "omop" else "omop-parquet")
        assert isinstance(parts, Iterator)
        next(parts)
        parts.close()  # type: ignore[attr-defined]
