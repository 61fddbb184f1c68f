from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.contracts.job_store import JobStore
from service.contracts.jobs import JobResult, now
from service.contracts.requests import GenerateRequest
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from tests.service.api.conftest import Keyed
from tests.service.api.pages.reading import read, words
from tests.service.api.test_bad_input import check_problem
from tests.service.making import add_job, add_model


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    made = ArtifactStore(settings.data_dir)
    add_model(made)
    return made


def counts(client: httpx.Client, **request: Any) -> httpx.Response:
    wanted = json.dumps({"model_id": "model-1", "n_stays": 10, **request})
    return client.get("/console/generate/counts", params={"request": wanted})


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in problem["errors"]]


def test_without_a_model_it_says_where_one_comes_from(client: httpx.Client) -> None:
    assert "There is no model yet. Train one" in words(read(client, "/console/generate"))


def test_the_form_begins_with_the_defaults_of_the_api(client: httpx.Client, store: ArtifactStore) -> None:
    page = read(client, "/console/generate?model=model-1")
    assert '<option value="model-1" selected>a model</option>' in page
    assert 'id="guidance" name="guidance" type="number" value="1.5"' in page
    assert 'id="steps" name="steps" type="number" value="20"' in page


def test_who_may_only_look_has_no_button(keyed: Keyed) -> None:
    add_model(keyed.store)
    page = read(keyed.client, "/console/generate", **keyed.key("ann", "read"))
    assert 'type="submit"' not in page
    assert 'type="submit"' in read(keyed.client, "/console/generate", **keyed.key("bob", "read", "generate"))


def test_counts_are_whole_and_exact(client: httpx.Client, store: ArtifactStore) -> None:
    plan = counts(client, n_stays=7, label_ratios={"death": {"0": 0.7, "1": 0.3}, "sex": "balanced"}).json()
    assert plan["label_counts"] == {"death": {"0": 5, "1": 2}, "sex": {"F": 4, "M": 3}}
    strata = [
        {"labels": {"death": "1", "sex": "F"}, "ratio": 0.5},
        {"labels": {"death": "0", "sex": "M"}, "ratio": 0.5},
    ]
    plan = counts(client, n_stays=5, label_ratios=strata).json()
    assert plan["stratum_counts"] == [2, 3]
    assert counts(client).json() == {"label_counts": {}, "stratum_counts": None, "seconds": None}


def test_what_is_wrong_is_said_as_by_the_operation_itself(client: httpx.Client, store: ArtifactStore) -> None:
    for body in (
        {"n_stays": 0},
        {"label_ratios": {"death": {"1": 0.5}}},
        {"sampler": {"guidance_scale": 99}},
        {"x": 1},
    ):
        wrong = {"model_id": "model-1", "n_stays": 10, **body}
        here = check_problem(counts(client, **body), 422)
        there = check_problem(client.post("/jobs/generate", json=wrong), 422)
        assert pointers(here) == pointers(there)
    check_problem(counts(client, model_id="ffffffffffff"), 404)
    check_problem(client.get("/console/generate/counts?request=nonsense"), 400)


def test_the_time_is_guessed_from_the_caller_s_own_last_cohort(keyed: Keyed) -> None:
    add_model(keyed.store)
    for job_id, caller, seconds in (("job-1", "ann", 2.0), ("job-2", "bob", 50.0)):
        add_job(keyed.store, job_id, GenerateRequest(model_id="model-1", n_stays=100), caller=caller)
        result = JobResult(n_stays=100, timings={"sampling": seconds, "evaluation": 7.0})
        done = {"status": "succeeded", "result": result, "finished_at": now()}
        JobStore(keyed.store).transition(job_id, lambda job, done=done: job.model_copy(update=done))  # type: ignore[misc]
    keyed.client.headers.update(keyed.key("ann", "read"))
    assert counts(keyed.client, n_stays=1000).json()["seconds"] == 27
    assert counts(keyed.client, n_stays=1000, evaluate=False, sampler={"n_steps": 40}).json()["seconds"] == 40
