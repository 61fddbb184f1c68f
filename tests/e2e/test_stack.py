"""The main job, end to end, over HTTP: a table of real stays in, a synthetic cohort with the ratios asked for out."""

from __future__ import annotations

import hashlib
import io
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from model.spec.privacy import HeldTest
from model.spec.report import PRIVACY_METRICS
from service.contracts.jobs import JobRecord
from tests.e2e.conftest import SCHEMA, Job
from tests.worker.tables import FAST_SAMPLER, TINY_NETWORK, TINY_TRAINING, made_up_stays

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SAMPLER = FAST_SAMPLER.model_dump()


@pytest.fixture(scope="module")
def dataset(client: httpx.Client) -> dict[str, Any]:
    """The made-up stays, uploaded as CSV without a schema."""
    csv = made_up_stays().to_csv(index=False).encode()
    answer = client.post("/datasets", files={"file": ("stays.csv", csv)}, data={"schema": json.dumps(SCHEMA)})
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


@pytest.fixture(scope="module")
def training(client: httpx.Client, dataset: dict[str, Any]) -> list[dict[str, Any]]:
    """What was seen of a training while it ran; the last is the finished job."""
    body = {
        "dataset_id": dataset["id"],
        "name": "tiny",
        "training": TINY_TRAINING.model_dump(),
        "network": TINY_NETWORK.model_dump(),
    }
    return Job(client, "/jobs/train", body).until(lambda job: job["status"] == "succeeded", seconds=200)


@pytest.fixture(scope="module")
def model_id(training: list[dict[str, Any]]) -> str:
    return str(training[-1]["result"]["model_id"])


def endless(client: httpx.Client, model_id: str) -> Job:
    """A generation that will not end by itself while a test lasts."""
    return Job(client, "/jobs/generate", {"model_id": model_id, "n_stays": 2_000_000, "evaluate": False})


def test_a_training_leaves_a_model_with_a_report(
    client: httpx.Client, training: list[dict[str, Any]], model_id: str, dataset: dict[str, Any]
) -> None:
    steps = [job["progress"]["step"] for job in training if job["progress"]]
    assert steps
    model = client.get(f"/models/{model_id}").raise_for_status().json()
    assert (model["name"], model["dataset_id"]) == ("tiny", dataset["id"])
    assert client.get(f"/models/{model_id}/report").raise_for_status().json()["kind"] == "model"


def test_a_cohort_with_the_ratios_asked_for(client: httpx.Client, model_id: str) -> None:
    body = {
        "model_id": model_id,
        "n_stays": 200,
        "label_ratios": {"death": {"0": 0.7, "1": 0.3}},
        "sampler": SAMPLER,
    }
    job = Job(client, "/jobs/generate", body)
    seen = job.until(lambda seen: seen["status"] == "succeeded", seconds=120)
    done = seen[-1]
    assert all(now["links"]["cohort"] is None and now["result"] is None for now in seen[:-1])
    assert done["result"]["label_counts"]["death"] == {"0": 140, "1": 60}
    assert done["result"]["privacy"] == "passed", done["result"]["privacy_reason"]
    cohort = client.get(done["links"]["cohort"]).raise_for_status()
    assert hashlib.sha256(cohort.content).hexdigest() == done["result"]["sha256"] == cohort.headers["ETag"].strip('"')
    frame = pd.read_parquet(io.BytesIO(cohort.content))
    assert frame.groupby("stay")["death"].first().value_counts().to_dict() == {0: 140, 1: 60}
    assert list(frame.columns) == list(made_up_stays().columns)
    report = client.get(done["links"]["report"]).raise_for_status().json()
    assert {label["name"]: label["obtained"] for label in report["labels"]}["death"] == {"0": 140, "1": 60}
    page = client.get(done["links"]["report"], headers={"Accept": "text/html"}).raise_for_status()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<svg" in page.text
    schema = client.get("/schemas/report").raise_for_status().json()
    Draft202012Validator(schema).validate(report)


def test_copies_of_real_stays_are_held_whoever_made_them(client: httpx.Client, dataset: dict[str, Any]) -> None:
    real, fresh = made_up_stays(), made_up_stays(seed=1)
    leak = pd.concat([real[real["stay"] < 1030], fresh[fresh["stay"] >= 1030]]).assign(note="from elsewhere")
    wanted = {"dataset_id": dataset["id"], "metrics": ",".join(sorted(PRIVACY_METRICS))}
    for frame, privacy in ((leak, "held"), (fresh, "passed")):
        content = frame.sample(frac=1, random_state=0).to_csv(index=False).encode()
        answer = client.post("/jobs/evaluate", files={"file": ("other.csv", content)}, data=wanted)
        assert answer.status_code == 202, answer.text
        done = Job.at(client, answer).until(lambda seen: seen["status"] == "succeeded")[-1]
        assert done["result"]["privacy"] == privacy, done["result"]["privacy_reason"]
        assert client.get(done["links"]["report"]).raise_for_status().json()["privacy"]["status"] == privacy


def test_a_held_cohort_leaves_only_with_an_admin_who_says_why(
    client: httpx.Client, model_id: str, data_dir: Path, admin_key: str
) -> None:
    body = {"model_id": model_id, "n_stays": 40, "sampler": SAMPLER, "evaluate": False}
    job = Job(client, "/jobs/generate", body)
    job.until(lambda seen: seen["status"] == "succeeded")
    hold(data_dir / "jobs" / job.id / "record.json")
    refused = client.get(f"{job.url}/cohort")
    assert refused.status_code == 403
    assert "near_copies" in refused.json()["detail"]
    key = {"Authorization": f"Bearer {admin_key}"}
    assert client.get(f"{job.url}/cohort", headers=key).status_code == 403
    taken = client.get(f"{job.url}/cohort", headers={**key, "X-Override-Reason": "the ethics board has agreed"})
    assert taken.is_success
    (override,) = job.look()["privacy_overrides"]
    assert (override["reason"], override["failed"]) == ("the ethics board has agreed", ["near_copies"])


def hold(path: Path) -> None:
    """Let the gate have held a job's cohort."""
    record = JobRecord.model_validate_json(path.read_bytes())
    assert record.result is not None
    test = HeldTest(name="near_copies", value=0.1, low=0.05, threshold=0.005, detail="10.00%, at most 0.50%")
    held = record.result.model_copy(update={"privacy": "held", "privacy_failed": (test,)})
    path.write_text(record.model_copy(update={"result": held}).model_dump_json())


def test_a_cohort_can_be_cancelled_while_it_is_evaluated(client: httpx.Client, model_id: str, data_dir: Path) -> None:
    body = {"model_id": model_id, "n_stays": 3000, "sampler": SAMPLER, "detail": "full"}
    job = Job(client, "/jobs/generate", body)
    drawing = ("starting", "sampling", "waiting for the evaluation")
    job.until(lambda now: now["progress"] and now["progress"]["step"] not in drawing)
    begin = time.monotonic()
    assert client.post(f"{job.url}/cancel").status_code == 202
    job.until(lambda now: now["status"] == "cancelled")
    assert time.monotonic() - begin < 30
    while (data_dir / "cohorts" / job.id).exists():
        assert time.monotonic() - begin < 60
        time.sleep(0.05)
    assert client.delete(job.url).status_code == 204


def test_progress_is_seen_while_a_cohort_is_drawn_and_a_running_job_can_be_cancelled(
    client: httpx.Client, model_id: str
) -> None:
    job = endless(client, model_id)
    seen = job.until(lambda now: now["progress"] and now["progress"]["value"] > 0)
    progress = seen[-1]["progress"]
    assert (progress["step"], progress["max"]) == ("sampling", 2_000_000)
    waiting = endless(client, model_id)
    assert waiting.look()["queue_position"] == 0
    assert client.post(f"{waiting.url}/cancel").json()["status"] == "cancelled"
    begin = time.monotonic()
    assert client.post(f"{job.url}/cancel").status_code == 202
    job.until(lambda now: now["status"] == "cancelled")
    assert time.monotonic() - begin < 30
    assert client.post(f"{job.url}/cancel").status_code == 200
    assert client.get(f"{job.url}/cohort").status_code == 409


def test_the_second_job_of_a_model_does_not_load_it_again(client: httpx.Client, model_id: str, logs: Path) -> None:
    body = {"model_id": model_id, "n_stays": 10, "sampler": SAMPLER, "evaluate": False}
    results = []
    for _ in range(2):
        job = Job(client, "/jobs/generate", body)
        results.append(job.until(lambda seen: seen["status"] == "succeeded")[-1]["result"])
    assert results[1]["model_load"] == "warm"
    assert results[0]["sha256"] == results[1]["sha256"]
    lines = [json.loads(line) for line in (logs / "worker-generate.log").read_text().splitlines()]
    assert [line["model_id"] for line in lines if line["event"] == "model_loaded"] == [model_id]


def test_a_request_is_followed_by_its_id_through_gateway_and_workers(
    client: httpx.Client, model_id: str, logs: Path
) -> None:
    body = {"model_id": model_id, "n_stays": 40, "sampler": SAMPLER, "evaluate": False}
    answer = client.post("/jobs/generate", json=body, headers={"X-Request-ID": "from-ward-7"})
    job = Job.at(client, answer)
    job.until(lambda seen: seen["status"] == "succeeded")
    followed = {"gateway": "job_submitted", "worker-generate": "job_drawn", "worker-evaluate": "job_ended"}
    for process, event in followed.items():
        lines = [json.loads(line) for line in (logs / f"{process}.log").read_text().splitlines()]
        mine = [line for line in lines if line.get("job_id") == job.id]
        assert event in [line["event"] for line in mine]
        assert {line.get("request_id") for line in mine} == {"from-ward-7"}, process


def test_what_gateway_and_workers_did_is_in_the_metrics(client: httpx.Client, model_id: str) -> None:
    def metrics() -> dict[str, float]:
        lines = client.get("/metrics").raise_for_status().text.splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}

    before = metrics()
    job = Job(client, "/jobs/generate", {"model_id": model_id, "n_stays": 40, "sampler": SAMPLER, "evaluate": False})
    job.until(lambda seen: seen["status"] == "succeeded")
    counted = {
        'cdmt_job_duration_seconds_count{kind="generate",outcome="succeeded"}': 1,
        "cdmt_stays_generated_total": 40,
        'cdmt_http_requests_total{method="POST",route="/jobs/generate",status="202"}': 1,
    }
    deadline = time.monotonic() + 60  # the record comes before the count
    while (rise := {name: metrics()[name] - before.get(name, 0) for name in counted}) != counted:
        assert time.monotonic() < deadline, rise
    now = metrics()
    for queue in ("train", "generate", "evaluate"):
        assert sum(value for name, value in now.items() if name.startswith(f'cdmt_workers{{queue="{queue}"')) == 1
        assert now[f'cdmt_queue_jobs{{queue="{queue}"}}'] == 0
    assert now['cdmt_model_cache_total{load="loaded"}'] >= 1
    assert now['cdmt_jobs{kind="train",state="succeeded"}'] >= 1


def test_a_short_generation_does_not_wait_for_the_end_of_a_training(
    client: httpx.Client, model_id: str, dataset: dict[str, Any]
) -> None:
    training = {**TINY_TRAINING.model_dump(), "max_steps": 10_000_000}
    body = {"dataset_id": dataset["id"], "name": "night", "training": training, "network": TINY_NETWORK.model_dump()}
    night = Job(client, "/jobs/train", body)
    night.until(lambda now: now["progress"] and now["progress"]["step"] == "training" and now["progress"]["value"] > 0)
    short = Job(client, "/jobs/generate", {"model_id": model_id, "n_stays": 10, "sampler": SAMPLER, "evaluate": False})
    short.until(lambda now: now["status"] == "succeeded")
    assert night.look()["status"] == "running"
    client.post(f"{night.url}/cancel")
    night.until(lambda now: now["status"] == "cancelled")


def test_a_cohort_is_evaluated_against_a_dataset(client: httpx.Client, model_id: str, dataset: dict[str, Any]) -> None:
    body = {"model_id": model_id, "n_stays": 60, "sampler": SAMPLER, "evaluate": False}
    cohort = Job(client, "/jobs/generate", body)
    cohort.until(lambda seen: seen["status"] == "succeeded")
    wanted = {"dataset_id": dataset["id"], "job_id": cohort.id, "metrics": ["total_variation"]}
    done = Job(client, "/jobs/evaluate", wanted).until(lambda seen: seen["status"] == "succeeded")[-1]
    report = client.get(done["links"]["report"]).raise_for_status().json()
    assert [score["name"] for score in report["scores"]] == ["total_variation"]


def test_no_value_of_a_patient_is_in_a_log(client: httpx.Client, training: object, logs: Path) -> None:
    values = {f"{value:.6f}" for value in made_up_stays()["heart_rate"]}
    text = "".join(path.read_text() for path in logs.iterdir())
    assert "job_ended" in text
    assert not any(value in text for value in values)
