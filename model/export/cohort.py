"""A cohort's Parquet file, read in chunks of whole stays, in memory that does not grow with the cohort."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from model.data.frame import category_value
from model.data.roles import time_unit
from model.data.times import SYNTHETIC_START, holds_instants
from model.spec.binning import SECONDS
from model.spec.errors import ExportError
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

BATCH_ROWS = 100_000
SCHEMA_KEY, SYNTHETIC_KEY, REQUEST_KEY = "cdmt.schema", "cdmt.synthetic", "cdmt.request"

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Whole stays: their rows, for each row the number of its stay in the cohort, and where each stay starts."""

    rows: pa.Table
    stay: Integers  # (rows,) counted from 0 through the cohort
    starts: Integers  # (stays,) the row with which each stay begins

    @property
    def stays(self) -> Integers:
        """(stays,) the number of each stay."""
        return self.stay[self.starts]

    @property
    def lengths(self) -> Integers:
        """(stays,) rows of each stay."""
        return np.diff(np.append(self.starts, self.rows.num_rows))

    @property
    def ends(self) -> Integers:
        """(stays,) the row with which each stay ends."""
        return self.starts + self.lengths - 1


class Cohort:
    """An open cohort and its schema: the one in the file, or `schema` for files that were written without one.

    Raises ExportError for what is no cohort of this software, or where no schema, or another one, is known.
    """

    def __init__(self, file: pq.ParquetFile, *, schema: Schema | None = None) -> None:
        self._file = file
        raw = file.schema_arrow.metadata or {}
        self.metadata = {key.decode(): value.decode() for key, value in raw.items() if key.startswith(b"cdmt.")}
        if self.metadata.get(SYNTHETIC_KEY) != "true":
            raise ExportError("the file does not say that it holds a synthetic cohort; only those are exported")
        known = schema_in(file) or schema
        if known is None:
            raise ExportError("the cohort was written without its schema; give that of its model")
        self.schema = known
        missing = set(self.schema.columns) - set(file.schema_arrow.names)
        if missing:
            raise ExportError(f"the cohort has no column '{min(missing)}', which its schema names")

    @property
    def arrow(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._file.schema_arrow

    @property
    def n_rows(self) -> int:
        """Rows of all stays."""
        return int(self._file.metadata.num_rows)

    @property
    def is_imputed(self) -> bool:
        """Whether gaps were filled, so that nobody can tell any more which values count as measured."""
        return bool(json.loads(self.metadata.get(REQUEST_KEY, "{}")).get("missing") == "imputed")

    def chunks(self, columns: Sequence[str]) -> Iterator[Chunk]:
        """All stays, in their order, with these columns; the rows of a stay follow each other in a cohort."""
        names = list(dict.fromkeys([self.schema.stay_id, *columns]))
        first, rest = 0, self.arrow.empty_table().select(names)
        for batch in self._batches(names):
            rows = pa.concat_tables([rest, pa.Table.from_batches([batch])]).combine_chunks()
            starts = _starts(rows.column(self.schema.stay_id))
            whole, rest = rows.slice(0, starts[-1]), rows.slice(starts[-1])
            if len(starts) > 1:
                yield _chunk(whole, starts[:-1], first)
                first += len(starts) - 1
        if rest.num_rows:
            yield _chunk(rest, np.zeros(1, dtype=np.int64), first)

    def _batches(self, names: list[str]) -> Iterator[pa.RecordBatch]:
        # Asked for all row groups at once, pyarrow keeps the bytes of every group read (ADR 0015).
        for group in range(self._file.num_row_groups):
            yield from self._file.iter_batches(BATCH_ROWS, row_groups=[group], columns=names)

    def seconds(self, chunk: Chunk) -> Integers:
        """(rows,) the times of a chunk with the time column, in seconds since 1970; numbers count from 2000-01-01."""
        column = chunk.rows.column(self.schema.time).combine_chunks()
        if holds_instants(column.type):
            stamps = column if pa.types.is_timestamp(column.type) else column.cast(pa.timestamp("ms"))
            micros = pc.cast(stamps, pa.timestamp("us", stamps.type.tz)).to_numpy(zero_copy_only=False)
            since: Integers = micros.astype("datetime64[us]").astype(np.int64) // 1_000_000
            return since
        numbers = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
        counted: Integers = SYNTHETIC_START + np.rint(numbers * self._unit_seconds).astype(np.int64)
        return counted

    def step_seconds(self) -> int:
        """The length of a step: the schema's, or the smallest distance of two times in the first stays."""
        if self.schema.binning is not None:
            return self.schema.binning.step_seconds
        first = next(self.chunks([self.schema.time]), None)
        times = np.unique(self.seconds(first)) if first is not None else np.zeros(0)
        return int(np.diff(times).min()) if len(times) > 1 else self._unit_seconds

    @property
    def _unit_seconds(self) -> int:
        own = self.schema.binning.time_unit if self.schema.binning is not None else None
        return SECONDS[own or time_unit(self.schema.time) or "h"]


def values(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Numbers as 64-bit floats, null where they are missing; those of 32 bits as they are printed: 36.6 is 36.6."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_float32(array.type) or pa.types.is_float16(array.type):
        array = array.cast(pa.float32()).cast(pa.string())
    numbers = array.cast(pa.float64())
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)


def texts(column: pa.ChunkedArray | pa.Array, categories: Sequence[str]) -> pa.Array:
    """The categories of a column as the schema writes them, null where they are missing."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    known = pa.array([category_value(category, array.type) for category in categories], type=array.type)
    return pa.array(categories, pa.string()).take(pc.index_in(array, value_set=known))


def feature_texts(chunk: Chunk, column: CategoricalFeature | Label) -> pa.Array:
    """(rows,) the categories of a feature or label."""
    return texts(chunk.rows.column(column.name), column.categories)


def feature_values(chunk: Chunk, feature: NumericalFeature) -> pa.Array:
    """(rows,) the numbers of a feature."""
    return values(chunk.rows.column(feature.name))


def observed(column: pa.Array, chunk: Chunk, *, once: bool) -> Integers:
    """The rows with a value; of what is constant in a stay, its first row, if that has one."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    rows: Integers = chunk.starts[valid[chunk.starts]] if once else np.flatnonzero(valid)
    return rows


def schema_in(file: pq.ParquetFile) -> Schema | None:
    """The schema that a cohort was written with; None in files that were written without one."""
    written = (file.schema_arrow.metadata or {}).get(SCHEMA_KEY.encode())
    return None if written is None else Schema.model_validate_json(written)


def _starts(stay: pa.ChunkedArray) -> Integers:
    """Where another stay begins."""
    ids = stay.combine_chunks()
    differs = pc.not_equal(ids.slice(1), ids.slice(0, max(len(ids) - 1, 0))).to_numpy(zero_copy_only=False)
    return np.flatnonzero(np.append(True, differs)) if len(ids) else np.zeros(0, dtype=np.int64)


def _chunk(rows: pa.Table, starts: Integers, first: int) -> Chunk:
    lengths = np.diff(np.append(starts, rows.num_rows))
    return Chunk(rows, first + np.repeat(np.arange(len(starts)), lengths), starts)
