from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from fhir.resources.R4B.encounter import Encounter
from fhir.resources.R4B.observation import Observation
from fhir.resources.R4B.patient import Patient

from model.export.cohort import Cohort
from tests.model.export.conftest import unpacked
from tests.model.export.made_up import VITALS, write_large

KINDS: dict[str, Any] = {"Patient": Patient, "Encounter": Encounter, "Observation": Observation}


@pytest.fixture
def resources(cohort: Cohort, tmp_path: Path) -> dict[str, list[Any]]:
    """The resources of the three stays, each parsed by another library."""
    folder = unpacked(cohort, "fhir", tmp_path / "fhir")
    return {
        name: [kind.model_validate_json(line) for line in (folder / f"{name}.ndjson").read_text().splitlines()]
        for name, kind in KINDS.items()
    }


def test_every_resource_is_valid_and_says_that_it_is_test_data(resources: dict[str, list[Any]]) -> None:
    assert {name: len(found) for name, found in resources.items()} == {"Patient": 3, "Encounter": 3, "Observation": 17}
    for found in resources.values():
        assert len({resource.id for resource in found}) == len(found)
        assert {resource.meta.security[0].code for resource in found} == {"HTEST"}
        assert {resource.meta.tag[0].code for resource in found} == {"synthetic"}


def test_patients_and_encounters(resources: dict[str, list[Any]]) -> None:
    patients = [(p.id, p.gender, str(p.birthDate), str(p.deceasedDateTime)) for p in resources["Patient"]]
    assert patients == [
        ("stay-0", "female", "1936", "None"),
        ("stay-1", "male", "None", "2000-01-01 01:00:00+00:00"),
        ("stay-2", "unknown", "1920", "2000-01-01 02:00:00+00:00"),
    ]
    ends = [(e.subject.reference, e.status, str(e.period.end)[11:16]) for e in resources["Encounter"]]
    assert ends == [
        ("Patient/stay-0", "finished", "03:00"),
        ("Patient/stay-1", "finished", "01:00"),
        ("Patient/stay-2", "finished", "02:00"),
    ]


def test_observations_have_loinc_and_ucum_where_there_is_one(resources: dict[str, list[Any]]) -> None:
    found = {told(o) for o in resources["Observation"]}
    assert len(found) == len(resources["Observation"])
    assert {entry for entry in found if entry[1] == "temp"} == {
        ("stay-0", "temp", "8310-5", 0, 36.6, "Cel", "vital-signs"),
        ("stay-0", "temp", "8310-5", 1, 37.1, "Cel", "vital-signs"),
        ("stay-2", "temp", "8310-5", 0, 38.25, "Cel", "vital-signs"),
    }
    assert ("stay-1", "heart_rate", "8867-4", 0, 120.0, "/min", "vital-signs") in found
    assert ("stay-2", "crp", "1988-5", 0, 0.125, "mg/L", None) in found
    assert ("stay-0", "ventilated", None, 1, 'yes, "invasive"', None, None) in found
    assert ("stay-0", "ward", None, 0, "surgical", None, None) in found
    assert {entry[1] for entry in found} == {"age", "heart_rate", "temp", "crp", "ventilated", "ward"}


def told(o: Any) -> tuple[Any, ...]:
    stay = o.subject.reference.removeprefix("Patient/")
    assert o.encounter.reference == f"Encounter/{stay}"
    quantity = o.valueQuantity
    return (
        stay,
        o.code.text,
        o.code.coding[0].code if o.code.coding else None,
        o.effectiveDateTime.hour,
        o.valueString if quantity is None else float(quantity.value),
        None if quantity is None else quantity.code,
        o.category[0].coding[0].code if o.category else None,
    )


def test_a_large_cohort_has_as_many_observations_as_values(tmp_path: Path) -> None:
    long = write_large(tmp_path / "long.parquet", 60, group_stays=25)
    with pq.ParquetFile(long) as file:
        folder = unpacked(Cohort(file), "fhir", tmp_path / "fhir")
    table = pq.read_table(long)
    n_values = sum(table.num_rows - table.column(name).null_count for name in VITALS)
    observations = [json.loads(line) for line in (folder / "Observation.ndjson").read_text().splitlines()]
    assert len(observations) == n_values == len({o["id"] for o in observations})
    dead = [json.loads(line) for line in (folder / "Patient.ndjson").read_text().splitlines()]
    assert sum("deceasedDateTime" in patient for patient in dead) == 30
