"""The images are built, and the composition runs."""

from __future__ import annotations

import io
import time
from typing import Any

import httpx
import pandas as pd
import pytest

from tests.docker.conftest import compose

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


def test_without_a_key_nobody_gets_in(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        assert client.get("/models").status_code == 401
        assert client.get("/readyz").status_code == 200


def test_a_cohort_is_generated_from_outside(port: int, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60) as client:
        models = client.get("/models").json()["items"]
        bundled = next(model for model in models if model["origin"] == "bundled")
        asked = {"model_id": bundled["id"], "n_stays": 100, "label_ratios": "balanced", "evaluate": False}
        job: dict[str, Any] = client.post("/jobs/generate", json=asked).raise_for_status().json()
        while job["status"] in ("queued", "running"):
            time.sleep(0.2)
            job = client.get(f"/jobs/{job['id']}").json()
        assert job["status"] == "succeeded", job
        cohort = pd.read_parquet(io.BytesIO(client.get(f"/jobs/{job['id']}/cohort").content))
    labels = cohort.groupby("stay_id")["in_hospital_death"].first()
    assert labels.value_counts().to_dict() == {0: 50, 1: 50}


@pytest.mark.parametrize("service", ["gateway", "worker-train", "worker-generate", "worker-evaluate"])
def test_no_process_of_ours_is_root(service: str, port: int) -> None:
    assert compose("exec", "-T", service, "id", "-u", port=port).stdout.strip() == "10001"


@pytest.mark.parametrize(("service", "status"), [("gateway", 1), ("worker-generate", 0)])
def test_torch_is_in_the_worker_s_image_alone(service: str, status: int, port: int) -> None:
    assert compose("exec", "-T", service, "python3", "-c", "import torch", port=port).returncode == status


def test_a_worker_reaches_nothing_outside(port: int) -> None:
    connect = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
    assert compose("exec", "-T", "worker-generate", "python3", "-c", connect, port=port).returncode == 1
