"""Each state of a job, in words; and names that somebody chose stay text."""

from __future__ import annotations

import re

import httpx
import pytest

from service.contracts.job_store import JobStore
from service.contracts.jobs import JobError, problem_type
from service.contracts.requests import GenerateRequest, TrainRequest
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import Keyed
from tests.service.api.pages.reading import read, words
from tests.service.making import add_job, add_model, finish_generate

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    made = ArtifactStore(settings.data_dir)
    add_model(made)
    return made


def fail(store: ArtifactStore, job_id: str, slug: str) -> None:
    error = JobError(type=problem_type(slug), title="Not enough memory", detail="out of memory")
    done = {"status": "failed", "error": error}
    JobStore(store).transition(job_id, lambda job: job.model_copy(update=done))


def test_no_job_yet_and_none_like_this(client: httpx.Client) -> None:
    assert "No job yet. Generate a cohort" in words(read(client, "/console/jobs"))
    assert "No job is like this. Show all" in words(read(client, "/console/jobs?status=failed&kind="))


def test_one_that_waits(client: httpx.Client, store: ArtifactStore) -> None:
    add_job(store, "job-1")
    assert 'data-cancel="job-1"' in read(client, "/console/jobs")
    page = words(read(client, "/console/jobs/job-1"))
    assert "Cohort of 2 stays waiting" in page
    assert "This job is next" in page
    assert "With the model a model" in page


def test_one_that_failed_says_what_to_do(client: httpx.Client, store: ArtifactStore) -> None:
    for job_id, slug in (("job-1", "out-of-memory"), ("job-2", "never-heard-of")):
        add_job(store, job_id)
        fail(store, job_id, slug)
    page = read(client, "/console/jobs/job-1")
    assert "Not enough memory out of memory Ask for fewer stays" in words(page)
    assert 'href="/console/generate?from=job-1"' in page
    assert "tell whoever runs this service" in words(read(client, "/console/jobs/job-2"))


def test_one_that_is_done(client: httpx.Client, store: ArtifactStore) -> None:
    add_job(store, "job-1")
    finish_generate(store, "job-1")
    page = read(client, "/console/jobs/job-1")
    hrefs = re.findall(r'href="(/jobs/job-1/cohort[^"]*)"', page)
    assert [href.partition("?")[2] for href in hrefs] == [
        "format=parquet",
        "format=csv",
        "format=csv&amp;layout=wide",
        "format=parquet&amp;layout=wide",
        "format=omop",
        "format=fhir",
    ]
    assert '<iframe class="report" src="/jobs/job-1/report.html" sandbox' in page
    assert "Privacy gate: passed" in words(page)
    for href in [*hrefs[:2], "/jobs/job-1/report.html"]:
        assert client.get(href).is_success


def test_what_needs_measured_values_is_not_offered_of_filled_ones(client: httpx.Client, store: ArtifactStore) -> None:
    add_job(store, "job-1", GenerateRequest(model_id="model-1", n_stays=2, missing="imputed"))
    finish_generate(store, "job-1")
    page = read(client, "/console/jobs/job-1")
    assert "layout=wide" in page
    assert "omop" not in page
    assert "fhir" not in page


def test_one_that_is_held_explains_itself_and_offers_no_download(keyed: Keyed) -> None:
    add_model(keyed.store)
    add_job(keyed.store, "job-1", caller="ann")
    finish_generate(keyed.store, "job-1", privacy="held")
    page = read(keyed.client, "/console/jobs/job-1", **keyed.key("ann", "read"))
    assert "/cohort" not in page
    assert "This cohort is held back" in words(page)
    assert "0.71, at least 0.6512, where at most 0.55 is allowed" in words(page)
    assert "Draw again with guidance nearer to 1" in words(page)
    assert "override" not in page
    page = read(keyed.client, "/console/jobs/job-1", **keyed.key("chief", "admin"))
    assert 'data-cohort="/jobs/job-1/cohort"' in page
    assert 'data-header="X-Override-Reason"' in page


def test_an_untested_one_may_be_held_too(client: httpx.Client, store: ArtifactStore) -> None:
    add_job(store, "job-1")
    finish_generate(store, "job-1", privacy="not_evaluated")
    page = words(read(client, "/console/jobs/job-1"))
    assert "CDMT_PRIVACY_NOT_EVALUATED" in page
    assert "bring the dataset" in page


def test_names_are_text(client: httpx.Client, store: ArtifactStore) -> None:
    request = TrainRequest(dataset_id="0123456789ab", name=EVIL)
    add_job(store, "job-1", request)  # type: ignore[arg-type]
    for path in ("/console", "/console/jobs", "/console/jobs/job-1"):
        page = read(client, path)
        assert EVIL not in page
        assert "&lt;script&gt;alert(1)" in page


def test_pages_of_the_list_lead_on(client: httpx.Client, store: ArtifactStore) -> None:
    for number in range(21):
        add_job(store, f"job-{number:02}", GenerateRequest(model_id="model-1", n_stays=number + 1))
    page = read(client, "/console/jobs?kind=generate")
    older = re.search(r'href="(\?[^"]+)">Older', page)
    assert older is not None
    assert len(re.findall(r"data-job=", page)) == 20
    last = read(client, "/console/jobs" + older[1].replace("&amp;", "&"))
    assert re.findall(r'data-job="(.+?)"', last) == ["job-00"]
