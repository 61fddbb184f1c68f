"""docs/exports.md: its tables of codes are those of the code, and its SQL runs."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from model.export.coding import feature_codes
from model.export.cohort import Cohort
from model.spec.schema import NumericalFeature
from tests.model.export.conftest import unpacked
from tests.model.export.made_up import write

TEXT = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()


def test_the_codes_are_those_of_the_code() -> None:
    vitals = re.findall(r"^\| (\w+) \| (\d+) \| (\d+-\d) \| (.+) \|$", TEXT, flags=re.MULTILINE)
    units = re.findall(r"^\| (\S+) \| (\d+) \| (\S+) \|$", TEXT, flags=re.MULTILINE)
    assert (len(vitals), len(units)) == (7, 9)
    concepts = {unit: (int(concept), ucum) for unit, concept, ucum in units}
    for name, concept, loinc, told in vitals:
        for unit in told.split(", "):
            codes = feature_codes(NumericalFeature(name=name, unit=unit))
            assert (codes.omop_concept_id, codes.loinc) == (int(concept), loinc)
            assert (codes.omop_unit_concept_id, codes.ucum) == concepts[unit]


def test_the_sql_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pq.ParquetFile(write(tmp_path / "cohort.parquet")) as file:
        monkeypatch.chdir(unpacked(Cohort(file), "omop", tmp_path / "cdm"))
    (block,) = re.findall(r"```sql\n(.*?)```", TEXT, flags=re.DOTALL)
    with duckdb.connect() as connection:
        found = {name: n for name, n, _ in connection.execute(block).fetchall()}
    assert found == {"age": 2, "crp": 1, "heart_rate": 5, "temp": 3}
