from __future__ import annotations

import io
import multiprocessing
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.contracts.storage import ArtifactStore
from tests.model.export.made_up import COLUMNS, SCHEMA, write, write_large
from tests.service.making import add_job, add_model, finish_generate

PATH = "/jobs/job-1/cohort"
FORMS = {
    "format=parquet&layout=wide": "-wide.parquet",
    "format=csv&layout=wide": "-wide.csv",
    "layout=wide": "-wide.parquet",
    "format=omop": "-omop.zip",
    "format=omop&tables=parquet": "-omop.zip",
    "format=fhir": "-fhir.zip",
}


@pytest.fixture
def cohort(client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> httpx.Client:
    """The gateway with three stays as the cohort of job-1, written without a schema: it is the model's."""
    metadata = {"cdmt.synthetic": "true"}
    table = pa.table(COLUMNS).replace_schema_metadata(metadata)
    monkeypatch.setattr("tests.service.making.cohort_table", lambda: table)
    add_model(store, schema=SCHEMA)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    return client


@pytest.mark.parametrize("query", FORMS)
def test_every_form_is_named_synthetic_and_has_a_tag_of_its_own(cohort: httpx.Client, query: str) -> None:
    whole, head = cohort.get(f"{PATH}?{query}"), cohort.head(f"{PATH}?{query}")
    assert whole.status_code == head.status_code == 200
    named = f'attachment; filename="synthetic-cohort-job-1{FORMS[query]}"'
    assert whole.headers["content-disposition"] == head.headers["content-disposition"] == named
    etag = whole.headers["etag"]
    assert etag == head.headers["etag"]
    known = cohort.get(f"{PATH}?{query}", headers={"If-None-Match": etag})
    assert (known.status_code, known.content, head.content) == (304, b"", b"")
    assert cohort.get(f"{PATH}?{query}").content == whole.content


def test_representations_have_different_tags(cohort: httpx.Client) -> None:
    queries = ["", "format=csv", *(query for query in FORMS if query != "layout=wide")]
    assert len({cohort.head(f"{PATH}?{query}").headers["etag"] for query in queries}) == len(queries)


def test_what_is_sent(cohort: httpx.Client) -> None:
    wide = pq.read_table(io.BytesIO(cohort.get(f"{PATH}?layout=wide").content))
    assert wide.column("heart_rate_00").to_pylist() == [80, 120, 66]
    assert cohort.get(f"{PATH}?format=csv&layout=wide").text.startswith('"stay","age","sex","in_hospital_death"')
    assert names(cohort, "format=omop")[:2] == ["README.txt", "cdm_source.csv"]
    assert "measurement.parquet" in names(cohort, "format=omop&tables=parquet")
    assert names(cohort, "format=fhir")[1:] == ["Patient.ndjson", "Encounter.ndjson", "Observation.ndjson"]
    assert cohort.get(f"{PATH}?layout=long").content == cohort.get(PATH).content


def names(client: httpx.Client, query: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(client.get(f"{PATH}?{query}").content)) as archive:
        return archive.namelist()


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("format=omop&layout=wide", "?layout"),
        ("format=fhir&layout=long", "?layout"),
        ("tables=parquet", "?tables"),
        ("format=csv&layout=wide&tables=csv", "?tables"),
        ("format=fhir&tables=csv", "?tables"),
    ],
)
def test_parameters_that_contradict_each_other(cohort: httpx.Client, query: str, pointer: str) -> None:
    problem = cohort.get(f"{PATH}?{query}")
    assert problem.status_code == 422
    assert [error["pointer"] for error in problem.json()["errors"]] == [pointer]


def test_a_cohort_that_cannot_be_written_like_that(
    cohort: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.export.wide.MAX_COLUMNS", 10)
    problem = cohort.get(f"{PATH}?layout=wide")
    assert (problem.status_code, problem.json()["type"]) == (422, "urn:cdmt:problem:not-exportable")
    assert "18 columns; a wide table has at most 10: take layout=long" in problem.json()["detail"]
    store.remove("models", "model-1")
    gone = cohort.get(f"{PATH}?format=omop")
    assert (gone.status_code, gone.json()["detail"]) == (404, "there is no model 'model-1'")
    add_model(store, schema=SCHEMA.model_copy(update={"time": "minute"}))
    assert "no column 'minute'" in cohort.get(f"{PATH}?format=omop").json()["detail"]


def test_the_gate_is_before_every_form(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1", privacy="held")
    for query in FORMS:
        assert client.get(f"{PATH}?{query}").status_code == 403


def peaks(folder: Path, target: Any) -> list[int]:
    """Bytes that exports of a small and a large cohort take beyond what was resident before."""
    from model.export.cohort import Cohort
    from model.export.formats import export_parts
    from tests.load.memory import peak, reset_peak

    found = []
    for n_stays in (200, 200, 1200):  # the first one warms up
        path = write_large(folder / f"{n_stays}.parquet", n_stays, group_stays=100)
        before = reset_peak()
        with pq.ParquetFile(path) as file:
            assert sum(map(len, export_parts(Cohort(file), target)))
        found.append(peak() - before)
    return found[1:]


@pytest.mark.parametrize("target", ["omop", "wide-parquet", "fhir"])
def test_an_export_is_made_without_keeping_what_has_been_sent(tmp_path: Path, target: str) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        few, many = pool.apply(peaks, (tmp_path, target))
    assert many - few < 12_000_000  # of rows that are 17 MB (OMOP), 4 MB (wide) and 65 MB (FHIR) more


def test_an_imputed_cohort_is_not_told_as_measured(
    client: httpx.Client, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = pq.read_table(write(tmp_path / "imputed.parquet", missing="imputed"))
    monkeypatch.setattr("tests.service.making.cohort_table", lambda: table)
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    problem = client.get(f"{PATH}?format=omop")
    assert problem.status_code == 422
    assert "missing=imputed" in problem.json()["detail"]
    assert client.get(f"{PATH}?layout=wide").status_code == 200
