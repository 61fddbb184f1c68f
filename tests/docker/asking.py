"""Asking the composed service for cohorts, from outside."""

from __future__ import annotations

import hashlib
import io
import time
from typing import Any

import httpx
import pandas as pd

WAIT_SECONDS = 300
"""Longer than a lease (60 s), a look of the reconciler and the work itself, on a slow machine."""
FINAL = ("succeeded", "failed", "cancelled")
LONG, SHORT = 4_000, 20
"""Stays of a cohort that is being drawn when something comes over it, and of one that waits behind it."""
TABLE = b"stay,hour,heart_rate,death\n" + b"".join(
    f"{stay},{hour},{70 + stay % 9 + hour},{stay % 2}\n".encode() for stay in range(60) for hour in range(3)
)


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
