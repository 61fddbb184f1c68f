"""A steward's whole journey through the composed service, and what its logs tell of it.

Read-only file systems, small scratch folders and a user of Redis for each role stand in the way of nothing that is
meant to work; and no value of a patient is in a line of any container.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from service.api.gate import OVERRIDE_HEADER
from tests.docker.asking import FINAL, submit, wait
from tests.docker.conftest import caller, compose, new_key
from tests.service.making import parquet
from tests.worker.tables import FAST_SAMPLER, TINY_NETWORK, TINY_TRAINING, made_up_stays

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

PLANTED = "PATIENT-4711"
ASKED = {
    "training": TINY_TRAINING.model_dump(mode="json"),
    "network": TINY_NETWORK.model_dump(mode="json"),
}
DRAWN = {"n_stays": 60, "sampler": FAST_SAMPLER.model_dump(mode="json")}
PAGES = ("", "/generate", "/jobs", "/datasets", "/train", "/models", "/admin")


@pytest.fixture(scope="module")
def begun() -> str:
    """When the journey began: what others provoked before is not in its logs."""
    return datetime.now(UTC).isoformat()


@pytest.fixture(scope="module")
def steward(port: int, begun: str) -> Iterator[httpx.Client]:
    with caller(new_key("steward", "admin", port=port), port=port) as client:
        yield client


def table() -> bytes:
    frame = made_up_stays().astype({"stay": str})
    return parquet(frame.assign(stay=frame["stay"].replace("1000", PLANTED)))


def upload(client: httpx.Client) -> str:
    dataset: dict[str, str] = client.post("/datasets", files={"file": ("t.parquet", table())}).raise_for_status().json()
    return dataset["id"]


def done(client: httpx.Client, path: str, **asked: Any) -> dict[str, Any]:
    """The job, when it has succeeded."""
    submitted = client.post(path, **asked)
    assert submitted.status_code == 202, submitted.text
    job = wait(client, submitted.json()["id"], *FINAL)
    assert job["status"] == "succeeded", job
    return job


@pytest.fixture(scope="module")
def dataset(steward: httpx.Client) -> str:
    return upload(steward)


@pytest.fixture(scope="module")
def model(steward: httpx.Client, dataset: str) -> str:
    training = done(steward, "/jobs/train", json={"dataset_id": dataset, "name": "tiny", **ASKED})
    model_id: str = training["result"]["model_id"]
    return model_id


@pytest.fixture(scope="module")
def cohort(steward: httpx.Client, model: str) -> str:
    drawn = done(steward, "/jobs/generate", json={"model_id": model, "label_ratios": {"death": {"1": 1.0}}, **DRAWN})
    assert drawn["result"]["label_counts"]["death"] == {"0": 0, "1": 60}
    job_id: str = drawn["id"]
    return job_id


def test_who_listens_hears_of_every_step(steward: httpx.Client, dataset: str) -> None:
    job = steward.post("/jobs/train", json={"dataset_id": dataset, "name": "heard", **ASKED}).json()
    with steward.stream("GET", f"/jobs/{job['id']}/events") as events:
        heard = [line.removeprefix("event: ") for line in events.iter_lines() if line.startswith("event: ")]
    assert {"state", "progress"} <= set(heard)
    assert heard[-1] == "state"
    assert steward.get(f"/jobs/{job['id']}").json()["status"] == "succeeded"


def test_a_model_learns_under_differential_privacy(steward: httpx.Client, dataset: str) -> None:
    privately = {**ASKED["training"], "privacy": {"epsilon": 8.0, "delta": 1e-3}}
    job = done(steward, "/jobs/train", json={"dataset_id": dataset, "name": "private", **ASKED, "training": privately})
    spent = steward.get(f"/models/{job['result']['model_id']}").json()["privacy"]
    assert 0 < spent["epsilon"] <= 8


@pytest.mark.parametrize("path", ["cohort", "cohort?format=csv", "cohort?format=omop", "cohort?format=fhir", "report"])
def test_a_cohort_leaves_in_every_format(path: str, steward: httpx.Client, cohort: str) -> None:
    answer = steward.get(f"/jobs/{cohort}/{path}", headers={OVERRIDE_HEADER: "the gate is tested elsewhere"})
    assert answer.status_code == 200, answer.text
    assert len(answer.content) > 1000


def test_cohorts_and_tables_of_others_are_judged(steward: httpx.Client, dataset: str, cohort: str) -> None:
    done(steward, "/jobs/evaluate", json={"dataset_id": dataset, "job_id": cohort})
    form = {"files": {"file": ("theirs.parquet", table())}, "data": {"dataset_id": dataset}}
    copied = done(steward, "/jobs/evaluate", **form)
    assert copied["result"]["privacy"] == "held"


def test_jobs_are_cancelled_in_the_queue_and_as_they_run(steward: httpx.Client, dataset: str) -> None:
    endless = {"dataset_id": dataset, "name": "endless", **ASKED, "training": {"max_steps": 1_000_000}}
    training = steward.post("/jobs/train", json=endless).json()["id"]
    running, queued = submit(steward, 50_000), submit(steward, 50_000)
    for job_id in (training, running):
        wait(steward, job_id, "running")
    for job_id in (queued, running, training):
        assert steward.post(f"/jobs/{job_id}/cancel").status_code == 202
        assert wait(steward, job_id, *FINAL)["status"] == "cancelled"


def test_a_model_goes_out_and_comes_in_again(steward: httpx.Client, model: str, cohort: str) -> None:
    archive = steward.get(f"/models/{model}/archive").raise_for_status().content
    steward.delete(f"/jobs/{cohort}").raise_for_status()
    steward.delete(f"/models/{model}").raise_for_status()
    imported = steward.post("/models", files={"file": ("model.zip", archive)})
    assert imported.status_code == 201, imported.text
    done(steward, "/jobs/generate", json={"model_id": imported.json()["id"], "evaluate": False, **DRAWN})


@pytest.mark.parametrize("page", PAGES)
def test_a_session_opens_every_page_of_the_console(page: str, steward: httpx.Client, port: int) -> None:
    key = {"Authorization": steward.headers["Authorization"]}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as browser:
        browser.post("/session", headers=key).raise_for_status()
        shown = browser.get(f"/console{page}")
    assert shown.status_code == 200
    assert "<html" in shown.text


def test_metrics_tell_of_every_worker(steward: httpx.Client) -> None:
    told = steward.get("/metrics").raise_for_status().text
    for queue in ("train", "generate", "evaluate"):
        assert f'cdmt_workers{{queue="{queue}",state="idle"}} 1' in told


def test_no_container_complains_or_tells_a_value(steward: httpx.Client, begun: str, port: int) -> None:
    ours = ("gateway", "worker-train", "worker-generate", "worker-evaluate")
    told = compose("logs", "--no-color", "--since", begun, *ours, port=port)
    lines = told.stdout.splitlines()
    assert sum('"event": "job_ended"' in line for line in lines) >= 5
    for complaint in ("NOPERM", "no permissions", "Traceback", "Permission denied", "Read-only", '"level": "error"'):
        assert [line for line in lines if complaint in line] == []
    assert PLANTED not in told.stdout + steward.get("/metrics").text
