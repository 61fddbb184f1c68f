"""A cohort of three stays of different length, with every kind of column and gap, and a large one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.spec.binning import Binning
from model.spec.codes import Codes
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

SCHEMA = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=3,
    variable_length=True,
    features=(
        NumericalFeature(name="age", unit="years", static=True),
        CategoricalFeature(name="sex", categories=("F", "M"), static=True),
        NumericalFeature(name="heart_rate", unit="/min"),
        NumericalFeature(name="temp", unit="degC"),
        NumericalFeature(name="crp", unit="mg/L", codes=Codes(omop_concept_id=3020460, loinc="1988-5", ucum="mg/L")),
        CategoricalFeature(name="ventilated", categories=("no", 'yes, "invasive"')),
    ),
    labels=(
        Label(name="in_hospital_death", categories=("0", "1")),
        Label(name="ward", categories=("medical", "surgical")),
    ),
)
COLUMNS: dict[str, pa.Array] = {
    "stay": pa.array([0, 0, 0, 1, 2, 2], pa.int64()),
    "hour": pa.array([0, 1, 2, 0, 0, 1], pa.int8()),
    "age": pa.array([64.5, 64.5, 64.5, None, 80, 80], pa.float32()),
    "sex": pa.array(["F", "F", "F", "M", None, None]),
    "heart_rate": pa.array([80, None, 82, 120, 66, 67], pa.int16()),
    "temp": pa.array([36.6, 37.1, float("nan"), None, 38.25, None], pa.float32()),
    "crp": pa.array([None, None, None, None, 0.125, None], pa.float64()),
    "ventilated": pa.array(["no", 'yes, "invasive"', None, "no", None, None]),
    "in_hospital_death": pa.array([0, 0, 0, 1, 1, 1], pa.int8()),
    "ward": pa.array(["surgical"] * 3 + ["medical"] * 3),
}


def write(path: Path, *, schema: Schema | None = SCHEMA, missing: str = "as_observed", group_rows: int = 4) -> Path:
    """The three stays as a cohort's file, whose row groups divide the second from the third stay, or a stay."""
    metadata = {"cdmt.synthetic": "true", "cdmt.seed": "7", "cdmt.request": json.dumps({"missing": missing})}
    metadata |= {} if schema is None else {"cdmt.schema": schema.model_dump_json()}
    pq.write_table(pa.table(COLUMNS).replace_schema_metadata(metadata), path, row_group_size=group_rows)
    return path


VITALS = ("temperature", "sbp", "dbp", "map", "heart_rate", "respiratory_rate", "spo2")
UNITS = ("degC", "mmHg", "mmHg", "mmHg", "/min", "/min", "%")
LARGE = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=24,
    features=tuple(NumericalFeature(name=name, unit=unit) for name, unit in zip(VITALS, UNITS, strict=True)),
    labels=(Label(name="death", categories=("0", "1")),),
    binning=Binning(step="1h", time_unit="h"),
)


def write_large(path: Path, n_stays: int, *, group_stays: int = 4000) -> Path:
    """Stays of 24 hours with seven vitals, of which a third is missing, in row groups of some thousand stays."""
    rng = np.random.default_rng(0)
    metadata = {"cdmt.synthetic": "true", "cdmt.schema": LARGE.model_dump_json()}
    fields = [
        ("stay", pa.int64()),
        ("hour", pa.int8()),
        *((name, pa.float32()) for name in VITALS),
        ("death", pa.int8()),
    ]
    target = pa.schema(fields, metadata=metadata)
    with pq.ParquetWriter(path, target, compression="zstd") as writer:
        for first in range(0, n_stays, group_stays):
            stay = np.repeat(np.arange(first, min(first + group_stays, n_stays)), 24)
            values = [rng.normal(80, 10, len(stay)).astype(np.float32).round(1) for _ in VITALS]
            gaps = [rng.random(len(stay)) < 1 / 3 for _ in VITALS]
            vitals = [pa.array(v, mask=gap) for v, gap in zip(values, gaps, strict=True)]
            hour = np.tile(np.arange(24, dtype=np.int8), len(stay) // 24)
            writer.write_table(pa.table([stay, hour, *vitals, (stay % 2).astype(np.int8)], schema=target))
    return path
