from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.export import omop
from model.export.cohort import Cohort
from model.export.formats import Target, check_export
from model.export.omop_tables import TABLES
from model.spec.errors import ExportError
from tests.model.export.conftest import exported, unpacked
from tests.model.export.made_up import LARGE, VITALS, write, write_large

FIELDS = Path(__file__).parent / "omop_cdm_5_4_fields.csv"
N_STAYS = 300


class Field(dict[str, str]):
    """A field of the CDM: table, field, type, required."""

    @property
    def length(self) -> int | None:
        """The longest text that it takes."""
        kind = self["type"]
        return int(kind.removeprefix("varchar(")[:-1]) if kind.startswith("varchar") else None


def fields(table: str) -> list[Field]:
    lines = [line for line in FIELDS.read_text().splitlines() if not line.startswith("#")]
    return [Field(row) for row in csv.DictReader(lines) if row["table"] == table]


def ddl(table: str) -> str:
    """The CDM's own definition of a table."""
    told = {True: "NOT NULL", False: "NULL"}
    columns = ", ".join(f"{f['field']} {f['type']} {told[f['required'] == 'yes']}" for f in fields(table))
    return f"CREATE TABLE {table} ({columns})".replace("numeric", "double")


def loaded(folder: Path, ending: str = "csv") -> duckdb.DuckDBPyConnection:
    """A CDM with every table of a folder, loaded into tables as the CDM defines them."""
    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(ddl(table))
        if ending == "csv":
            connection.execute(f"COPY {table} FROM '{folder}/{table}.csv' (HEADER, NULLSTR '')")
        else:
            connection.execute(f"INSERT INTO {table} FROM '{folder}/{table}.parquet'")
    return connection


@pytest.fixture(params=["omop", "omop-parquet"])
def cdm(request: pytest.FixtureRequest, cohort: Cohort, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The CDM of the three stays, from CSV and from Parquet."""
    target: Target = request.param
    with loaded(unpacked(cohort, target, tmp_path / "cdm"), "csv" if target == "omop" else "parquet") as connection:
        yield connection


def rows(cdm: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return cdm.sql(query).fetchall()


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_those_of_the_cdm(table: str) -> None:
    kinds = {"integer": pa.int32(), "date": pa.date32(), "timestamp": pa.timestamp("s"), "numeric": pa.float64()}
    wanted = [
        pa.field(f["field"], kinds.get(f["type"], pa.string()), nullable=f["required"] == "no") for f in fields(table)
    ]
    assert TABLES[table] == pa.schema(wanted)


def test_a_stay_is_a_person_with_one_visit(cdm: duckdb.DuckDBPyConnection) -> None:
    assert rows(
        cdm,
        "SELECT person_id, gender_concept_id, year_of_birth, race_concept_id, ethnicity_concept_id, "
        "person_source_value, gender_source_value FROM person",
    ) == [(1, 8532, 1936, 0, 0, "0", "F"), (2, 8507, 1950, 0, 0, "1", "M"), (3, 0, 1920, 0, 0, "2", None)]
    start = datetime(2000, 1, 1)  # noqa: DTZ001  as in the CDM
    assert rows(cdm, "SELECT * EXCLUDE (visit_source_value) FROM visit_occurrence")[0][:8] == (
        1, 1, 32037, date(2000, 1, 1), start, date(2000, 1, 1), start.replace(hour=3), 32882,
    )  # fmt: skip
    assert rows(cdm, "SELECT person_id, hour(visit_end_datetime) FROM visit_occurrence") == [(1, 3), (2, 1), (3, 2)]
    assert len(rows(cdm, "FROM observation_period JOIN person USING (person_id)")) == 3


def test_only_measured_values_are_measurements(cdm: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        cdm,
        "SELECT person_id, measurement_concept_id, hour(measurement_datetime), value_as_number, unit_concept_id, "
        "measurement_source_value, unit_source_value FROM measurement ORDER BY ALL",
    )
    assert found == sorted(
        [
            (1, 0, 0, 64.5, 0, "age", "years"),
            (3, 0, 0, 80.0, 0, "age", "years"),
            (1, 3027018, 0, 80.0, 8541, "heart_rate", "/min"),
            (1, 3027018, 2, 82.0, 8541, "heart_rate", "/min"),
            (2, 3027018, 0, 120.0, 8541, "heart_rate", "/min"),
            (3, 3027018, 0, 66.0, 8541, "heart_rate", "/min"),
            (3, 3027018, 1, 67.0, 8541, "heart_rate", "/min"),
            (1, 3020891, 0, 36.6, 586323, "temp", "degC"),
            (1, 3020891, 1, 37.1, 586323, "temp", "degC"),
            (3, 3020891, 0, 38.25, 586323, "temp", "degC"),
            (3, 3020460, 0, 0.125, 0, "crp", "mg/L"),
        ]
    )
    assert rows(cdm, "SELECT DISTINCT measurement_type_concept_id FROM measurement") == [(32882,)]
    numbered = "SELECT count(DISTINCT measurement_id), min(measurement_id), max(measurement_id) FROM measurement"
    assert rows(cdm, numbered) == [(11, 1, 11)]


def test_categories_and_labels_are_observations_and_death_has_a_table(cdm: duckdb.DuckDBPyConnection) -> None:
    invasive = 'yes, "invasive"'
    assert rows(
        cdm,
        "SELECT person_id, observation_source_value, hour(observation_datetime), value_as_string FROM observation "
        "ORDER BY ALL",
    ) == [
        (1, "ventilated", 0, "no"),
        (1, "ventilated", 1, invasive),
        (1, "ward", 0, "surgical"),
        (2, "ventilated", 0, "no"),
        (2, "ward", 0, "medical"),
        (3, "ward", 0, "medical"),
    ]
    assert rows(cdm, "SELECT person_id, hour(death_datetime), death_type_concept_id FROM death") == [
        (2, 1, 32882),
        (3, 2, 32882),
    ]


def test_it_says_that_it_is_synthetic(cdm: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    ((name, abbreviation, described, version, concept),) = rows(
        cdm,
        "SELECT cdm_source_name, cdm_source_abbreviation, source_description, cdm_version, cdm_version_concept_id "
        "FROM cdm_source",
    )
    assert (abbreviation, version, concept) == ("SYNTHETIC", "5.4", 756265)
    assert "Synthetic" in name
    assert "SYNTHETIC DATA" in described
    assert "seed 7" in described
    assert "SYNTHETIC DATA" in (tmp_path / "cdm" / "README.txt").read_text()


def test_texts_are_no_longer_than_the_cdm_takes(cdm: duckdb.DuckDBPyConnection) -> None:
    for table in TABLES:
        for field in fields(table):
            if field.length is not None:
                ((longest,),) = rows(cdm, f"SELECT max(length({field['field']})) FROM {table}")
                assert (longest or 0) <= field.length


def test_a_large_cohort_joins_to_its_long_form(tmp_path: Path) -> None:
    long = write_large(tmp_path / "long.parquet", N_STAYS, group_stays=130)
    with pq.ParquetFile(long) as file:
        folder = unpacked(Cohort(file), "omop", tmp_path / "cdm")
    columns = ", ".join(VITALS)
    melted = f"""SELECT stay, hour, name, value::DOUBLE::FLOAT FROM
        (UNPIVOT (SELECT stay, hour, {columns} FROM '{long}') ON {columns} INTO NAME name VALUE value)"""
    with loaded(folder) as cdm:
        joined = """SELECT person_source_value::BIGINT, hour(measurement_datetime)::TINYINT, measurement_source_value,
            value_as_number::FLOAT FROM person JOIN measurement USING (person_id)"""
        assert rows(cdm, f"(({joined}) EXCEPT ({melted})) UNION ALL (({melted}) EXCEPT ({joined}))") == []
        assert rows(cdm, f"SELECT count(*) = (SELECT count(*) FROM ({melted})) FROM measurement") == [(True,)]
        assert rows(cdm, "SELECT count(*) FROM person UNION ALL SELECT count(*) FROM death") == [(300,), (150,)]
        assert rows(cdm, "SELECT count(DISTINCT measurement_id) = count(*) FROM measurement") == [(True,)]


def test_what_does_not_tell_measured_from_filled_values_is_refused(tmp_path: Path) -> None:
    with pq.ParquetFile(write(tmp_path / "c.parquet", missing="imputed")) as file:
        targets: tuple[Target, ...] = ("omop", "omop-parquet", "fhir")
        for target in targets:
            with pytest.raises(ExportError, match="missing=imputed"):
                check_export(Cohort(file), target)


def test_more_values_than_a_cdm_has_integers_are_refused(cohort: Cohort, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(omop, "MAX_ID", 47)
    with pytest.raises(ExportError, match="32 bits"):
        check_export(cohort, "omop")


def test_the_same_cohort_gives_the_same_bytes(cohort: Cohort) -> None:
    assert exported(cohort, "omop") == exported(cohort, "omop")


def test_without_death_or_categories_the_tables_are_empty_but_there(tmp_path: Path) -> None:
    schema = LARGE.model_copy(update={"labels": (), "features": LARGE.features[:1]})
    metadata = {"cdmt.synthetic": "true", "cdmt.schema": schema.model_dump_json()}
    columns = {"stay": [0], "hour": [0], "temperature": np.array([36.6], np.float32)}
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), tmp_path / "c.parquet")
    with pq.ParquetFile(tmp_path / "c.parquet") as file:
        folder = unpacked(Cohort(file), "omop", tmp_path / "cdm")
    with loaded(folder) as cdm:
        assert rows(cdm, "SELECT count(*) FROM death UNION ALL SELECT count(*) FROM observation") == [(0,), (0,)]
