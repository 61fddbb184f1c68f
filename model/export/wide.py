"""One row per stay: static features and labels once, every other feature once per step."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model.export.cohort import Chunk, Cohort
from model.spec.errors import ExportError
from model.spec.schema import Feature, Schema

MAX_COLUMNS = 10_000
LENGTH = "stay_length"
"""Steps that a stay lasts: a column of cohorts whose stays differ in length."""


def wide_schema(cohort: Cohort) -> pa.Schema:
    """The columns: keys, static features, labels, then `heart_rate_00`, `heart_rate_01`, ... feature by feature.

    Raises ExportError for more than MAX_COLUMNS of them, or where two have the same name.
    """
    schema, arrow = cohort.schema, cohort.arrow
    varying = _varying(schema)
    n_columns = len(_once(schema)) + schema.variable_length + len(varying) * schema.sequence_length
    if n_columns > MAX_COLUMNS:
        raise ExportError(
            f"{len(varying)} features at {schema.sequence_length} steps would be {n_columns:,} columns; "
            f"a wide table has at most {MAX_COLUMNS:,}: take layout=long"
        )
    fields = [arrow.field(name) for name in _once(schema)]
    fields += [pa.field(LENGTH, pa.int32())] if schema.variable_length else []
    fields += [pa.field(column, arrow.field(f.name).type) for f in varying for column in step_names(f.name, schema)]
    names = [field.name for field in fields]
    repeated = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if repeated:
        raise ExportError(f"a wide table would have two columns '{min(repeated)}'; take layout=long")
    return pa.schema(fields, metadata={**cohort.metadata, "cdmt.layout": "wide"})


def step_names(name: str, schema: Schema) -> list[str]:
    """The columns of a feature, numbered by step from 0, with as many digits as the last step has, but two or more."""
    digits = max(2, len(str(schema.sequence_length - 1)))
    return [f"{name}_{step:0{digits}d}" for step in range(schema.sequence_length)]


def wide_tables(cohort: Cohort) -> Iterator[pa.Table]:
    """The stays, some thousands at a time. A value that is missing, or after the end of the stay, is null."""
    target = wide_schema(cohort)
    for chunk in cohort.chunks(cohort.schema.columns):
        yield pa.Table.from_arrays(_arrays(chunk, cohort.schema), schema=target)


def _arrays(chunk: Chunk, schema: Schema) -> list[pa.Array]:
    once = chunk.rows.take(pa.array(chunk.starts))
    arrays = [_without_nan(once.column(name)) for name in _once(schema)]
    arrays += [pa.array(chunk.lengths, pa.int32())] if schema.variable_length else []
    steps = [_rows_at(chunk, step) for step in range(schema.sequence_length)]
    for feature in _varying(schema):
        column = _without_nan(chunk.rows.column(feature.name))
        arrays += [column.take(rows) for rows in steps]
    return arrays


def _rows_at(chunk: Chunk, step: int) -> pa.Array:
    """(stays,) the row of each stay at a step, null after its end. A cohort has a row for every step until then."""
    return pa.array(chunk.starts + step, mask=np.asarray(chunk.lengths <= step))


def _once(schema: Schema) -> list[str]:
    keys = [schema.stay_id, *((schema.patient_id,) if schema.patient_id else ())]
    return [*keys, *(f.name for f in schema.features if f.static), *(label.name for label in schema.labels)]


def _varying(schema: Schema) -> list[Feature]:
    return [feature for feature in schema.features if not feature.static]


def _without_nan(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if not pa.types.is_floating(array.type):
        return array
    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
