"""Real patients' tables come in and never go out: every route is tried, whatever it is for."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from service.contracts.jobs import now
from service.contracts.storage import ArtifactStore, write_record
from tests.service.api.conftest import Gateway
from tests.service.making import SCHEMA, SECRET, add_job, add_model, finish_generate, parquet, table

PLANTED_STAY = 990_417_733
TRACES = (
    str(SECRET).encode(),
    str(PLANTED_STAY).encode(),
    struct.pack("<f", SECRET),
    struct.pack("<d", SECRET),
    struct.pack("<q", PLANTED_STAY),
)
QUERIES = ("", "?format=parquet", "?format=csv", "?limit=100")
ACCEPTS = ("application/json", "text/html", "text/csv", "application/vnd.apache.parquet", "*/*")


@pytest.fixture
def dataset_id(client: httpx.Client) -> str:
    """A dataset with a planted value and a planted stay."""
    frame = table().astype({"heart_rate": "float64"})
    frame.loc[0, "heart_rate"] = SECRET
    frame.loc[frame["stay"] == 100, "stay"] = PLANTED_STAY
    schema = SCHEMA.model_dump_json().replace("300.0", "1e6")
    answer = client.post("/datasets", files={"file": ("a.parquet", parquet(frame))}, data={"schema": schema})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def paths(app: FastAPI, thing_id: str) -> list[str]:
    """The path of every GET, with the id of the dataset in the place of any id."""
    documented = [path for path, methods in app.openapi()["paths"].items() if "get" in methods]
    found = [re.sub(r"{\w+_id}", thing_id, path) for path in documented]
    assert not any("{" in path for path in found), found
    return [*found, "/", "/docs", "/redoc", "/openapi.json"]


def test_no_route_hands_out_a_dataset(
    gateway: Gateway, client: httpx.Client, store: ArtifactStore, dataset_id: str
) -> None:
    stored = (store.dataset_dir(dataset_id) / "table.parquet").read_bytes()
    assert any(trace in stored for trace in TRACES) or stored[:4] == b"PAR1"
    tried = 0
    for path in paths(gateway.app, dataset_id):
        for query in QUERIES:
            for accept in ACCEPTS:
                answer = client.get(path + query, headers={"Accept": accept})
                body = answer.content
                assert not any(trace in body for trace in TRACES), (path, query, accept)
                assert body[:4] not in (b"PAR1", b"PK\x03\x04"), (path, query, accept)
                assert stored not in body
                tried += 1
    assert tried > 300
    of_datasets = {path: set(methods) for path, methods in gateway.app.openapi()["paths"].items() if "dataset" in path}
    assert of_datasets == {"/datasets": {"get", "post"}, "/datasets/{dataset_id}": {"get", "delete"}}


@pytest.mark.parametrize("path", ["/datasets/{}/table.parquet", "/datasets/{}/../{}/table.parquet", "/static/../{}"])
def test_nor_does_a_path_that_is_no_route(client: httpx.Client, dataset_id: str, path: str) -> None:
    assert client.get(path.replace("{}", dataset_id)).status_code == 404


def test_deletion_leaves_no_file_and_the_model_says_so(
    client: httpx.Client, store: ArtifactStore, dataset_id: str
) -> None:
    record = add_model(store)
    known = store.dataset(dataset_id)
    linked = record.model_copy(update={"dataset_id": dataset_id, "dataset_sha256": known.sha256})
    write_record(store.model_dir("model-1"), linked)
    assert told(client) == ["here"] * 2
    assert client.delete(f"/datasets/{dataset_id}").status_code == 204
    assert told(client) == ["deleted"] * 2
    kept = [path for path in store.root.rglob("*") if path.is_file() and path.stat().st_mtime > now().timestamp() - 60]
    assert [path for path in kept if any(trace in path.read_bytes() for trace in TRACES)] == []
    assert [path for path in kept if path.suffix == ".parquet"] == []
    assert list(store.staging_root.iterdir()) == []


def told(client: httpx.Client) -> list[Any]:
    """What a model says of its dataset, alone and in the list."""
    return [client.get("/models/model-1").json()["dataset"], client.get("/models").json()["items"][0]["dataset"]]


def test_a_model_that_came_from_elsewhere_has_no_dataset_here(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    archive = client.get("/models/model-1/archive").content
    client.delete("/models/model-1")
    imported = client.post("/models", files={"file": ("a.zip", archive)})
    assert (imported.status_code, imported.json()["dataset"]) == (201, "never_here")


def test_a_cohort_is_synthetic_by_its_name_and_by_its_metadata(
    client: httpx.Client, store: ArtifactStore, tmp_path: Path
) -> None:
    add_model(store)
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    for form in ("parquet", "csv"):
        named = client.get(f"/jobs/job-1/cohort?format={form}").headers["Content-Disposition"]
        assert named == f'attachment; filename="synthetic-cohort-job-1.{form}"'
