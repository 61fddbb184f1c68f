"""Datasets, models and trainings: what is there, what can be done, and names that somebody chose stay text."""

from __future__ import annotations

import httpx
import pytest

from service.contracts.records import ModelRecord
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import Keyed
from tests.service.api.pages.reading import read, words
from tests.service.making import SCHEMA, add_model, parquet, table

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def model(settings: Settings) -> ModelRecord:
    return add_model(ArtifactStore(settings.data_dir))


@pytest.fixture
def dataset(client: httpx.Client) -> str:
    files = {"file": ("table.parquet", parquet(table()))}
    answer = client.post("/datasets", files=files, data={"name": EVIL, "schema": SCHEMA.model_dump_json()})
    return str(answer.raise_for_status().json()["id"])


def test_nothing_yet(client: httpx.Client) -> None:
    assert "No dataset yet. Drop a file above." in words(read(client, "/console/datasets"))
    assert "There is no dataset to learn from yet. Upload one" in words(read(client, "/console/train"))


def test_a_dataset_is_told_by_counts(client: httpx.Client, dataset: str) -> None:
    assert "&lt;script&gt;" in read(client, "/console/datasets")
    page = words(read(client, f"/console/datasets/{dataset}"))
    assert "40 stays of 3 steps" in page
    assert "F 26 65.0" in page
    assert "heart_rate numbers" in page
    assert f'href="/console/train?dataset={dataset}"' in read(client, f"/console/datasets/{dataset}")


def test_a_training_begins_with_the_dataset_that_one_comes_from(client: httpx.Client, dataset: str) -> None:
    assert f'<option value="{dataset}" selected>' in read(client, f"/console/train?dataset={dataset}")


def test_a_model_and_its_report(client: httpx.Client, model: ModelRecord) -> None:
    assert model.name in words(read(client, "/console/models"))
    page = read(client, f"/console/models/{model.id}")
    assert "Its cohorts cannot be tested here" in words(page)
    assert f'src="/models/{model.id}/report.html"' in page


@pytest.mark.parametrize("path", ["/console/datasets/none", "/console/models/none"])
def test_what_is_not_there_is_explained(client: httpx.Client, path: str) -> None:
    answer = client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert "It may have been deleted" in words(answer.text)


def test_who_may_only_read_is_offered_nothing_else(keyed: Keyed) -> None:
    headers = keyed.key("ann", "read")
    page = read(keyed.client, "/console/datasets", **headers)
    assert 'id="upload"' not in page
    assert 'id="take-in"' not in read(keyed.client, "/console/models", **headers)
    for path in ("/console/train", "/console/admin"):
        assert keyed.client.get(path, headers={"Accept": "text/html"} | headers).status_code == 403
