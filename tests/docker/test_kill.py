"""What is accepted is finished, though containers are killed: `docker compose kill`, then `docker compose up -d`."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.docker.conftest import compose

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

WAIT_SECONDS = 300
"""Longer than a lease (60 s), a look of the reconciler and the work itself, on a slow machine."""
FINAL = ("succeeded", "failed", "cancelled")
LONG, SHORT, JUDGED = 4_000, 20, 400
"""Stays of a cohort that is being drawn when the kill comes, of one that waits behind it, and of one with a report."""


@pytest.fixture
def client(port: int, key: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60) as client:
        yield client


def submit(client: httpx.Client, n_stays: int, *, evaluate: bool = False) -> str:
    models = client.get("/models").raise_for_status().json()["items"]
    bundled = next(model for model in models if model["origin"] == "bundled")
    asked = {"model_id": bundled["id"], "n_stays": n_stays, "label_ratios": "balanced", "evaluate": evaluate}
    job: dict[str, str] = client.post("/jobs/generate", json=asked).raise_for_status().json()
    return job["id"]


def wait(client: httpx.Client, job_id: str, *states: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        if job["status"] in states:
            return job
        time.sleep(0.2)
    raise AssertionError(f"job {job_id} is {job['status']} after {WAIT_SECONDS} s")


def check_cohort(client: httpx.Client, job: dict[str, Any], n_stays: int) -> None:
    assert job["status"] == "succeeded", job
    content = client.get(f"/jobs/{job['id']}/cohort").raise_for_status().content
    assert hashlib.sha256(content).hexdigest() == job["result"]["sha256"]
    labels = pd.read_parquet(io.BytesIO(content)).groupby("stay_id")["in_hospital_death"].first()
    assert labels.value_counts().to_dict() == {0: n_stays // 2, 1: n_stays // 2}


@pytest.mark.parametrize(
    "killed",
    [["worker-generate"], ["worker-evaluate"], ["gateway"], ["redis"], []],
    ids=["worker-generate", "worker-evaluate", "gateway", "redis", "everything"],
)
def test_jobs_outlive_a_kill(killed: list[str], port: int, client: httpx.Client) -> None:
    """An empty list kills all containers at once, as a power cut does."""
    jobs = {submit(client, LONG): LONG, submit(client, JUDGED, evaluate=True): JUDGED, submit(client, SHORT): SHORT}
    first, judged, _ = jobs
    wait(client, judged if killed == ["worker-evaluate"] else first, "running", *FINAL)

    assert compose("kill", *killed, port=port).returncode == 0
    up = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert up.returncode == 0, up.stderr

    for job_id, n_stays in jobs.items():
        check_cohort(client, wait(client, job_id, *FINAL), n_stays)
    assert client.get(f"/jobs/{judged}/report").status_code == 200
