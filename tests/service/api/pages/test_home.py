from __future__ import annotations

import httpx

from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import Keyed
from tests.service.api.pages.reading import read, words
from tests.service.making import add_job, add_model


def test_nothing_is_here_yet(client: httpx.Client) -> None:
    page = words(read(client, "/console"))
    assert "No worker is alive" in page
    assert "Upload a CSV or Parquet file" in page
    assert "Generate a cohort" not in page
    assert "None yet" in page


def test_a_model_can_be_used_and_jobs_are_listed(client: httpx.Client, settings: Settings) -> None:
    store = ArtifactStore(settings.data_dir)
    add_model(store)
    add_job(store, "job-1")
    page = read(client, "/console")
    assert "Generate a cohort" in page
    assert 'href="/console/jobs/job-1">Cohort of 2 stays' in page


def test_another_s_jobs_are_nobody_s_business(keyed: Keyed) -> None:
    add_job(keyed.store, "job-1", caller="bob")
    key = keyed.key("ann", "read")
    assert "job-1" not in read(keyed.client, "/console", **key)
    assert "job-1" not in read(keyed.client, "/console/jobs", **key)
    page = words(read(keyed.client, "/console", **key))
    assert "Bring your own table" not in page
    assert "Generate a cohort" in page  # there is the bundled model
